"""Compiled marginals of a mean whose density is held panel by panel for every node of tau, and of what is drawn around it."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, W, X, series_at, series_of
from vfmeta.kernels.normal_tail import FAST, small_exp, tail_ratio

_NORM = 1 / math.sqrt(2 * math.pi)
_HERMITE = 24
_Z, _P = np.polynomial.hermite_e.hermegauss(_HERMITE)
HERMITE_X, HERMITE_W = np.ascontiguousarray(_Z), np.ascontiguousarray(_P / _P.sum())
# in widths of a panel: a normal wider than this is met by the nodes of the panel, a narrower one moves the panel's own curve
_NARROW = 0.18
_SLIGHT = 1e-11  # share of a node in its run below which it is passed over where averages are taken


@njit(cache=True, nogil=True, error_model="numpy")
def coefficients(held: np.ndarray, out: np.ndarray) -> None:
    """Legendre series of the densities ``held`` (N, 16) at the nodes of each panel."""
    for i in range(len(held)):
        out[i] = series_of(held[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _moved(x: float, left: np.ndarray, width: np.ndarray, series: np.ndarray, first: int, last: int) -> tuple[float, float]:
    """P(mu < x) and density at ``x`` of the panels ``first`` to ``last``."""
    below = density = 0.0
    for i in range(first, last):
        into = x - left[i]
        if into >= width[i]:
            below += series[i, 0] * width[i]
        elif into > 0:
            area, value = series_at(series[i], into / width[i])
            below += area * width[i] / 2
            density += value
    return below, density


@njit(cache=True, nogil=True, error_model="numpy")
def mean_at(x: np.ndarray, left: np.ndarray, width: np.ndarray, series: np.ndarray, below: np.ndarray,
            density: np.ndarray) -> None:  # fmt: skip
    """P(mu < x) and density of mu at every ``x`` (m,)."""
    for i in range(len(x)):
        below[i], density[i] = _moved(x[i], left, width, series, 0, len(left))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _spread(x: float, sd: float, left: float, width: float, held: np.ndarray) -> tuple[float, float]:
    """P(mu + sd Z < x) and its density, of one panel."""
    rate = 1 / sd
    below = density = 0.0
    for n in range(ORDER):
        z = (x - left - width * (X[n] + 1) / 2) * rate
        a = min(abs(z), 9.6)
        e = small_exp(-0.5 * a * a)
        q = e * tail_ratio(a)
        p = held[n] * W[n]
        below += p * (q if z < 0 else 1 - q)
        density += p * e if a < 9.6 else 0.0
    return below * width / 2, density * width / 2 * rate * _NORM


@njit(cache=True, nogil=True, error_model="numpy")
def next_at(x: np.ndarray, tau: np.ndarray, start: np.ndarray, left: np.ndarray, width: np.ndarray, held: np.ndarray,
            series: np.ndarray, below: np.ndarray, density: np.ndarray) -> None:  # fmt: skip
    """P(mu + tau Z < x) and its density at every ``x`` (m,).

    The panels ``start[i]`` to ``start[i + 1]`` are a run of one tau, ``tau[i]``.
    """
    for j in range(len(x)):
        below[j], density[j] = _ahead(x[j], tau, start, left, width, held, series)


@njit(cache=True, nogil=True, error_model="numpy")
def _ahead(x: float, tau: np.ndarray, start: np.ndarray, left: np.ndarray, width: np.ndarray, held: np.ndarray,
           series: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """P(mu + tau Z < x) and its density."""
    low = thick = 0.0
    for i in range(len(tau)):
        first, last, t = start[i], start[i + 1], tau[i]
        widest, a, b = 0.0, math.inf, -math.inf
        for k in range(first, last):
            widest = max(widest, width[k])
            a, b = min(a, left[k]), max(b, left[k] + width[k])
        if x > b + 9 * t:
            for k in range(first, last):
                low += series[k, 0] * width[k]
        elif x < a - 9 * t:
            continue
        elif t >= _NARROW * widest:
            for k in range(first, last):
                one, two = _spread(x, t, left[k], width[k], held[k])
                low += one
                thick += two
        else:
            for n in range(_HERMITE):
                one, two = _moved(x - t * HERMITE_X[n], left, width, series, first, last)
                low += HERMITE_W[n] * one
                thick += HERMITE_W[n] * two
    return low, thick


@njit(cache=True, nogil=True, error_model="numpy")
def quantiles(p: np.ndarray, begin: np.ndarray, low: float, high: float, grain: float, tau: np.ndarray, start: np.ndarray,
              left: np.ndarray, width: np.ndarray, held: np.ndarray, series: np.ndarray) -> np.ndarray:  # fmt: skip
    """Where P(mu + tau Z < x) is each of ``p`` (n,); of mu itself where ``tau`` is empty.

    Newton's steps from ``begin`` (n,), kept inside a bracket, at first ``low`` to ``high``, that closes.
    """
    out = np.empty(len(p))
    for i in range(len(p)):
        a, b, x = low, high, begin[i]
        for _ in range(400):
            if len(tau) == 0:
                below, density = _moved(x, left, width, series, 0, len(left))
            else:
                below, density = _ahead(x, tau, start, left, width, held, series)
            miss = below - p[i]
            if miss == 0:
                break
            if miss < 0:
                a = x
            else:
                b = x
            new = x - miss / density if density > 0 else math.nan
            if not a < new < b:
                new = (a + b) / 2
            moved = abs(new - x)
            x = new
            if moved <= 1e-10 * grain + 1e-14 * abs(x):  # tails may reach 1e30 times as far
                break
        out[i] = x
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def own_effects(tau: np.ndarray, start: np.ndarray, left: np.ndarray, width: np.ndarray, held: np.ndarray, part: np.ndarray,
                p0: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray, v: np.ndarray, mean: np.ndarray,
                sd: np.ndarray, mass: np.ndarray, share: np.ndarray) -> float:  # fmt: skip
    """True effects of the trials given tau, and what each trial weighs.

    The panels come in runs (`next_at`), of one tau and one normal of the prior of mu each.

    Parameters
    ----------
    y : (k,)
        Printed estimates, NaN where none is; there the estimate lay between ``low`` and ``high`` (k,).
    p0 : (J,)
        Precisions of the normals of the prior of mu.
    mean, sd : (m, k), out
        Of the true effects in every run.
    mass : (m,), out
        Probabilities of the runs.
    share : (k,), out
        Shares (0-1) of the trials in their information on mu, averaged over the posterior. That of a trial is the curvature of
        its log likelihood in mu: 1 / (v + tau^2) where its estimate is printed.

    Returns
    -------
    float
        The share of the prior of mu beside them all.
    """
    k, prior, every = len(v), 0.0, 0.0
    inform, one, two = np.empty(k), np.empty(k), np.empty(k)
    for i in range(len(tau)):
        t2, whole, slight = tau[i] ** 2, 0.0, 0.0
        for panel in range(start[i], start[i + 1]):
            for n in range(ORDER):
                slight += _SLIGHT * held[panel, n] * W[n] * width[panel] / 2
        one[:] = 0.0
        two[:] = 0.0
        for panel in range(start[i], start[i + 1]):
            for n in range(ORDER):
                p = held[panel, n] * W[n] * width[panel] / 2
                if p < slight:
                    continue
                mu = left[panel] + width[panel] * (X[n] + 1) / 2
                whole += p
                total = 0.0
                for j in range(k):
                    s2 = v[j] + t2
                    centre, spread = y[j], 0.0
                    if math.isnan(y[j]):
                        centre, spread = truncated(mu, math.sqrt(s2), low[j], high[j])
                    inform[j] = (1 - min(spread / s2, 1.0)) / s2
                    total += inform[j]
                    pull = t2 / s2
                    own = mu + pull * (centre - mu)
                    one[j] += p * own
                    two[j] += p * (own * own + v[j] * pull + pull * pull * spread)
                if total > 0:
                    for j in range(k):
                        share[j] += p * inform[j] / total
                known = p0[part[panel]]
                if total + known > 0:
                    prior += p * known / (total + known)
        every += whole
        mass[i] = whole
        for j in range(k):
            mean[i, j] = one[j] / whole
            sd[i, j] = math.sqrt(max(two[j] / whole - mean[i, j] ** 2, 0.0))
    for j in range(k):
        share[j] /= every
    return prior / every


@njit(cache=True, nogil=True, error_model="numpy")
def truncated(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a normal that is known to lie between two limits."""
    a, b = (low - mean) / sd, (high - mean) / sd
    turned = a + b < 0  # work in the upper tail
    if turned:
        a, b = -b, -a
    if b - a < 0.02 and abs(a + b) * (b - a) < 0.1:
        d, x = b - a, 0.5 * (a + b)
        move, spread = -x * d * d / 12, d * d / 12
        centre = x + move
    else:
        # hazards, over exp(-a^2 / 2) where that would vanish
        if a > 5:
            fade = math.exp(0.5 * (a - b) * (a + b)) if math.isfinite(b) else 0.0
            area = _mills(a) - (fade * _mills(b) if math.isfinite(b) else 0.0)
            at_a, at_b = 1 / area, fade / area
        else:
            area, at_b = 0.5 * math.erfc(a / math.sqrt(2.0)), 0.0
            if math.isfinite(b):
                area -= 0.5 * math.erfc(b / math.sqrt(2.0))
                at_b = _NORM * math.exp(-0.5 * b * b) / area
            at_a = _NORM * math.exp(-0.5 * a * a) / area
        centre = at_a - at_b
        end_a = a * at_a if math.isfinite(a) else 0.0
        end_b = b * at_b if math.isfinite(b) else 0.0
        spread = max(1 + end_a - end_b - centre * centre, 0.0)
    return mean + (-centre if turned else centre) * sd, spread * sd * sd


@njit(cache=True, nogil=True, error_model="numpy")
def _mills(x: float) -> float:
    """P(Z > x) over the density at x, for x > 5 (Laplace's continued fraction)."""
    below = x
    for n in range(60, 0, -1):
        below = x + n / below
    return 1 / below
