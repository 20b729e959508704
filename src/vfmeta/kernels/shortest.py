"""Compiled shortest intervals: ends of the same density, found from a scan over the probability left below."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import panel_quantile, quantile, steps
from vfmeta.kernels.panels import VALUE, log_posterior

_SCAN = 12  # of a mixture
_SCAN_TAU = 40


@njit(cache=True, nogil=True, error_model="numpy")
def shortest_mixture(
    level: float, coarse: np.ndarray, some: int, p: np.ndarray, m: np.ndarray, s: np.ndarray
) -> tuple[float, float]:
    """Shortest interval of a mixture of normals (N,); ``coarse`` (3, G) are ``some`` normals that stand for it; NaN if lost."""
    heart = np.argmax(coarse[0][:some])
    place, unit = coarse[1, heart], coarse[2, heart]
    low, high = _of_mixture(level, place, unit, coarse[0][:some], coarse[1][:some], coarse[2][:some], p, m, s)
    if math.isnan(low):  # the few stood badly for the many
        low, high = _of_mixture(level, place, unit, p, m, s, p, m, s)
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _of_mixture(level: float, place: float, unit: float, cp: np.ndarray, cm: np.ndarray, cs: np.ndarray, p: np.ndarray,
                m: np.ndarray, s: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """The shortest of a scan of normals cp, cm, cs, taken on for p, m, s by Newton's steps; NaN where they go astray."""
    spare = 1 - level
    low = high = a = b = place
    least = math.inf
    for j in range(1, _SCAN):
        q = spare * j / _SCAN
        a, b = quantile(q, a, unit, cp, cm, cs), quantile(q + level, b, unit, cp, cm, cs)
        if b - a < least:
            low, high, least = a, b, b - a
    # two equations: the tails hold what is spare, the densities agree
    for _ in range(40):
        tail_a, fa, ca = steps(low, 0.0, 1.0, p, m, s)
        tail_b, fb, cb = steps(high, 0.0, -1.0, p, m, s)
        missing, apart = spare - tail_a + tail_b, fb - fa
        det = -fa * cb + fb * ca
        if not (det > 0 and fa > 0 and fb > 0):
            break
        # -fa da + fb db = -missing,  -ca da + cb db = -apart
        da = (-missing * cb + fb * apart) / det
        db = (fa * apart - ca * missing) / det
        worst = max(abs(da), abs(db))
        if not worst < 0.5 * least:
            break
        low, high = low + da, high + db
        if worst < 1e-7 * least:  # the step just made leaves the square of itself
            if high - low <= least * 1.001:
                return low, high
            break
    return math.nan, math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def shortest_tau(level: float, count: int, left: np.ndarray, width: np.ndarray, held: np.ndarray, before: np.ndarray,
                 end: float, studies: np.ndarray, known: np.ndarray, mu: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """Shortest interval of tau; it starts at zero, or stops at the end of the support, where the density rises to it."""
    spare = 1 - level
    values = held[:, VALUE]
    best, least = 0, math.inf
    for j in range(_SCAN_TAU + 1):
        low, high = _ends(spare * j / _SCAN_TAU, level, count, left, width, values, before, end)
        if high - low < least:
            best, least = j, high - low
    a, b = spare * max(best - 1, 0) / _SCAN_TAU, spare * min(best + 1, _SCAN_TAU) / _SCAN_TAU
    fa, fb = 0.0, 0.0
    for side in range(2):
        f = _gap(b if side else a, level, count, left, width, values, before, end, studies, known, mu)
        if side:
            fb = f
        else:
            fa = f
    if not fa > 0 > fb:
        return _ends(spare * best / _SCAN_TAU, level, count, left, width, values, before, end)
    for _ in range(200):  # halving, or regula falsi where it falls well inside
        q = b - fb * (b - a) / (fb - fa) if math.isfinite(fa) and math.isfinite(fb) else 0.5 * (a + b)
        if not a + 0.02 * (b - a) < q < b - 0.02 * (b - a):
            q = 0.5 * (a + b)
        f = _gap(q, level, count, left, width, values, before, end, studies, known, mu)
        if f > 0:
            a, fa = q, f
        else:
            b, fb = q, f
        if b - a < 1e-13 * spare or f == 0:
            break
    return _ends(a if f > 0 else b, level, count, left, width, values, before, end)


@njit(cache=True, nogil=True, error_model="numpy")
def _ends(q: float, level: float, count: int, left: np.ndarray, width: np.ndarray, values: np.ndarray, before: np.ndarray,
          end: float) -> tuple[float, float]:  # fmt: skip
    """The interval of tau that leaves ``q`` below it."""
    low = 0.0 if q <= 0 else math.exp(panel_quantile(q, left, width, values, before, count))
    high = end if q >= 1 - level else math.exp(panel_quantile(q + level, left, width, values, before, count))
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _gap(q: float, level: float, count: int, left: np.ndarray, width: np.ndarray, values: np.ndarray, before: np.ndarray,
         end: float, studies: np.ndarray, known: np.ndarray, mu: np.ndarray) -> float:  # fmt: skip
    """Log density of tau at the upper end less that at the lower one."""
    low, high = _ends(q, level, count, left, width, values, before, end)
    if not math.isfinite(high):
        return -math.inf
    u, w = math.log(high), math.log(low) if low > 0 else left[0]
    return log_posterior(u, studies, known, mu) - u - (log_posterior(w, studies, known, mu) - w)
