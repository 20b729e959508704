"""Compiled arithmetic of normal mixtures and of densities held panel by panel; single problems, scalars in and out."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
from numba import njit
from numpy.polynomial import legendre

from vfmeta.kernels.normal_tail import FAST, small_exp, tail_ratio


def _drop_stale() -> None:
    """Numba keeps compiled code by the file of the function alone; what was compiled before a file it calls changed must go."""
    here = Path(__file__).parent
    newest = 0.0
    with contextlib.suppress(OSError):
        # each calls those before it
        for name in (
            "normal_tail", "formulas", "mixtures", "panels", "shortest", "normal_normal", "mean_panels",
            "report_factors", "reports",
        ):  # fmt: skip
            newest = max(newest, (here / f"{name}.py").stat().st_mtime)
            for old in (here / "__pycache__").glob(f"{name}.*.nb[ic]"):
                if old.stat().st_mtime < newest:
                    old.unlink()


_drop_stale()

ORDER = 16
_X, _W = legendre.leggauss(ORDER)
X, W = np.ascontiguousarray(_X), np.ascontiguousarray(_W)
# node values -> Legendre coefficients of the polynomial through them
TO_COEF = np.ascontiguousarray((np.arange(ORDER) + 0.5)[:, None] * legendre.legvander(_X, ORDER - 1).T * _W)
_ROOT2 = math.sqrt(2.0)
_NORM = 1 / math.sqrt(2 * math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def cdf(x: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """P(X <= x) of a mixture of normals; p, m, s of shape (N,)."""
    total = 0.0
    for i in range(len(p)):
        total += p[i] * 0.5 * math.erfc((m[i] - x) / (s[i] * _ROOT2))
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def density(x: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """Density of a mixture of normals at ``x``."""
    total = 0.0
    for i in range(len(p)):
        z = (x - m[i]) / s[i]
        if z * z < 1400.0:
            total += p[i] / s[i] * math.exp(-0.5 * z * z)
    return total * _NORM


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def slope(x: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """Derivative of the density of a mixture of normals at ``x``, times sqrt(2 pi)."""
    total = 0.0
    for i in range(len(p)):
        r = 1 / s[i]
        z = (x - m[i]) * r
        total -= p[i] * r * r * z * small_exp(-0.5 * z * z) if abs(z) < 9.6 else 0.0
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def steps(x: float, target: float, side: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> tuple[float, float, float]:
    """Tail probability (lower with ``side`` 1, upper with -1) less its target, density and slope of density, in one pass."""
    f = d = c = 0.0
    for i in range(len(p)):
        r = 1 / s[i]
        z = (x - m[i]) * r
        a = min(abs(z), 9.6)
        e = small_exp(-0.5 * a * a)
        q = e * tail_ratio(a)
        f += p[i] * (q if side * z < 0 else 1 - q)
        w = p[i] * r * e if a < 9.6 else 0.0
        d += w
        c -= w * z * r
    return side * (f - target), d * _NORM, c * _NORM


@njit(cache=True, nogil=True, error_model="numpy")
def _far_steps(x: float, target: float, side: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> tuple[float, float, float]:
    """`steps` that hold for tails below 1e-21, too."""
    f = d = c = 0.0
    for i in range(len(p)):
        z = (x - m[i]) / s[i]
        f += p[i] * 0.5 * math.erfc(-side * z / _ROOT2)
        if z * z < 1400.0:
            e = p[i] / s[i] * math.exp(-0.5 * z * z)
            d += e
            c -= e * z / s[i]
    return side * (f - target), d * _NORM, c * _NORM


@njit(cache=True, nogil=True, error_model="numpy")
def quantile(prob: float, start: float, unit: float, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """The x below which ``prob`` lies: Halley's step, kept inside a bracket that closes.

    Parameters
    ----------
    prob : float
        0 < prob < 1; above one half the upper tail is matched, so that far quantiles keep their digits.
    start, unit : float
        First guess, and a length typical of the mixture (sets the accuracy, 1e-14 of it).
    """
    side = 1.0 if prob <= 0.5 else -1.0
    target = prob if prob <= 0.5 else 1 - prob
    low, high, x = -math.inf, math.inf, start
    reach, far = unit, target < 1e-13
    for _ in range(300):
        f, d, c = _far_steps(x, target, side, p, m, s) if far else steps(x, target, side, p, m, s)
        if f == 0:
            return x
        if f > 0:
            high = x
        else:
            low = x
        step, local = math.nan, 0.0
        if d > 0:
            step, local = -f / d, abs(c) / d
            bend = 1 + 0.5 * step * c / d
            if bend > 0.5:
                step /= bend
        new = x + step
        bounded = low > -math.inf and high < math.inf
        jumped = not math.isfinite(new) or (bounded and not low < new < high) or abs(step) > 8 * reach
        if jumped and bounded:
            new = 0.5 * (low + high)
        elif jumped:
            new = x - reach if f > 0 else x + reach
            reach *= 2
        moved, x = abs(new - x), new
        # third order: what a short step on a straight stretch leaves is rounding, or what one step of Newton's mends
        if not jumped and moved <= 1e-3 * unit and moved * local < 1e-3:
            if moved <= 5e-4 * unit and moved * local < 5e-4:
                return x
            f, d, c = _far_steps(x, target, side, p, m, s) if far else steps(x, target, side, p, m, s)
            return x - f / d if d > 0 else x
        if moved <= 1e-15 * unit or moved <= 3e-16 * abs(x):
            return x
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def quantiles(prob: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Quantiles (n,) of mixtures that share p (N,); means and SDs (n, N), or (1, N) of one mixture. Newton's step ends each."""
    out = np.empty(len(prob))
    heart = np.argmax(p)
    for i in range(len(prob)):
        m, s = mean[min(i, len(mean) - 1)], sd[min(i, len(mean) - 1)]
        x = quantile(prob[i], m[heart], s[heart], p, m, s)
        side = 1.0 if prob[i] <= 0.5 else -1.0
        f, d, _ = _far_steps(x, prob[i] if prob[i] <= 0.5 else 1 - prob[i], side, p, m, s)
        step = f / d if d > 0 else 0.0
        out[i] = x - step if abs(step) < 1e-3 * s[heart] else x
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def groups(p: np.ndarray, m: np.ndarray, s: np.ndarray, out: np.ndarray) -> int:
    """A few normals that stand for neighbouring ones (same mean and variance); fills out (3, G), returns their number.

    A group ends where the next normal is of another place or width, or where the group is heavy enough.
    """
    most = out.shape[1]
    n, mass, first, second = 0, 0.0, 0.0, 0.0
    place, size, left = m[0], s[0], 1.0
    for i in range(len(p)):
        apart = abs(m[i] - place) > 0.2 * size or not 0.85 * size < s[i] < 1.18 * size
        if mass > 0 and n < most - 1 and (mass * most >= 4.0 or (apart and mass > 1e-9 and left > 1e-9)):
            out[0, n], out[1, n] = mass, first / mass
            out[2, n] = math.sqrt(max(second / mass - out[1, n] ** 2, 0.01 * size * size))
            n += 1
            mass = first = second = 0.0
        if mass == 0.0:
            place, size = m[i], s[i]
        mass += p[i]
        left -= p[i]
        first += p[i] * m[i]
        second += p[i] * (s[i] * s[i] + m[i] * m[i])
    if mass > 0:
        out[0, n], out[1, n] = mass, first / mass
        out[2, n] = math.sqrt(max(second / mass - out[1, n] ** 2, 0.01 * size * size))
        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def trace(low: float, high: float, p: np.ndarray, m: np.ndarray, s: np.ndarray, out: np.ndarray) -> None:
    """Density at equal steps from ``low`` to ``high``; out (n,)."""
    n = len(out)
    rate = 1 / s
    weight = p * rate * _NORM
    for j in range(n):
        x = low + (high - low) * j / (n - 1)
        total = 0.0
        for i in range(len(p)):
            z = (x - m[i]) * rate[i]
            total += weight[i] * small_exp(-0.5 * z * z)
        out[j] = total


@njit(cache=True, nogil=True, error_model="numpy")
def mode(low: float, high: float, scan: np.ndarray, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """Highest point of a mixture of normals, from its `trace` between two of its quantiles: root of the slope; NaN if lost."""
    best = np.argmax(scan)
    width = (high - low) / (len(scan) - 1)
    a, b = low + (best - 1) * width, low + (best + 1) * width
    # the component highest at its centre may be a spike that the scan stepped over
    heart = np.argmax(p / s)
    if density(m[heart], p, m, s) > scan[best] * (1 + 1e-12) and s[heart] < width:
        a, b = m[heart] - 2 * s[heart], m[heart] + 2 * s[heart]
    fa, fb = slope(a, p, m, s), slope(b, p, m, s)
    if not fa > 0 > fb:
        return math.nan
    kept = 0
    x = 0.5 * (a + b)
    for _ in range(100):  # regula falsi with the Illinois rule
        new = b - fb * (b - a) / (fb - fa)
        if not a < new < b:
            new = 0.5 * (a + b)
        f = slope(new, p, m, s)
        if abs(new - x) <= 1e-11 * width or f == 0:
            return new
        x = new
        if f > 0:
            a, fa = x, f
            if kept == 1:
                fb *= 0.5
            kept = 1
        else:
            b, fb = x, f
            if kept == -1:
                fa *= 0.5
            kept = -1
    return x


@njit(cache=True, nogil=True, error_model="numpy")
def series_of(values: np.ndarray) -> np.ndarray:
    """Legendre series of the polynomial through the 16 nodes of a panel."""
    out = np.zeros(ORDER)
    for n in range(ORDER):
        for j in range(ORDER):
            out[n] += TO_COEF[n, j] * values[j]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def series_at(c: np.ndarray, share: float) -> tuple[float, float]:
    """Integral from the left end, and value, of a Legendre series at ``share`` (0 to 1) of its panel (of width 2)."""
    x = 2 * share - 1
    # the integral of P_n is (P_{n+1} - P_{n-1}) / (2 n + 1)
    before, here = 1.0, x
    area, value = c[0] * (x + 1), c[0]
    for n in range(1, ORDER):
        after = ((2 * n + 1) * x * here - n * before) / (n + 1)
        area += c[n] * (after - before) / (2 * n + 1)
        value += c[n] * here
        before, here = here, after
    return area, value


@njit(cache=True, nogil=True, error_model="numpy")
def leading(values: np.ndarray, share: float) -> float:
    """Integral of the polynomial through 16 Gauss nodes of a panel over its leading ``share``, in units of half its width."""
    return series_at(series_of(values), share)[0]


@njit(cache=True, nogil=True, error_model="numpy")
def panel_quantile(prob: float, left: np.ndarray, width: np.ndarray, values: np.ndarray, before: np.ndarray, n: int) -> float:
    """The u below which ``prob`` lies, for a normalised density of u held on ``n`` panels in order."""
    j: int = min(max(int(np.searchsorted(before[: n + 1], prob, side="right")) - 1, 0), n - 1)
    need = (prob - before[j]) / (width[j] / 2)
    c = series_of(values[j])
    a, b, share = 0.0, 1.0, 0.5
    for _ in range(80):
        area, value = series_at(c, share)
        if area > need:
            b = share
        else:
            a = share
        new = share - (area - need) / (2 * value) if value > 0 else math.nan
        if not a < new < b:
            new = 0.5 * (a + b)
        if abs(new - share) < 1e-15 or b - a < 1e-15:
            share = new
            break
        share = new
    return left[j] + share * width[j]
