"""Compiled probabilities of what trials report, at many means: with known standard errors, and with the SD integrated out.

With a known standard error a trial whose estimate lay between two limits has the probability of that as its factor. Where only
the sizes of the arms are known, its standard error is that of an SD of the instrument, whose log is normal with a mean and an
SD that are uncertain themselves: the factor is held at nodes of the log SD, whose interpolating polynomial is integrated
against each of these normals by weights made beforehand; what the trials of an instrument share is summed over at last.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.normal_tail import FAST, small_exp, tail_ratio

_ROOT2, _LOG_NORM = math.sqrt(2.0), 0.5 * math.log(2 * math.pi)
_NORM = 1 / math.sqrt(2 * math.pi)
_FAST_END, _SAFE_END = 9.5, 6.0
_LEAST = 1e-280  # an interpolated product of probabilities below it is rounding
# forms of a report without a standard error, in units of which its limits a and b stand
ABOVE, BELOW, BETWEEN, AT, AT_Z = range(5)


@njit(cache=True, nogil=True, error_model="numpy")
def log_tail(x: float) -> float:
    """Log of P(Z > x)."""
    if x < 25.0:
        return math.log(0.5 * math.erfc(x / _ROOT2))
    below = x
    for n in range(30, 0, -1):  # Laplace's continued fraction (Abramowitz & Stegun 26.2.14)
        below = x + n / below
    return -0.5 * x * x - _LOG_NORM - math.log(below)


@njit(cache=True, nogil=True, error_model="numpy")
def log_between(x: float, d: float) -> float:
    """Log of P(x - d/2 < Z < x + d/2)."""
    x = abs(x)
    if d < 0.02 and x * d < 0.1:  # two tails would cancel: Taylor's series about the middle
        s, e = x * x, d * d
        series = 1 + (s - 1) * e / 24 + (s * s - 6 * s + 3) * e * e / 1920
        return math.log(d) - 0.5 * s - _LOG_NORM + math.log(series)
    near, far = log_tail(x - d / 2), log_tail(x + d / 2)
    return near + math.log(-math.expm1(far - near))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _one_sided(mu: np.ndarray, sign: float, end: float, rate: float, product: np.ndarray) -> None:
    """Multiply by P(sign * y > sign * end) at the means (n,)."""
    for i in range(len(mu)):
        x = sign * (end - mu[i]) * rate
        a = abs(x)
        q = small_exp(-0.5 * a * a) * tail_ratio(a)
        product[i] *= q if x > 0 else 1 - q


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _two_sided(mu: np.ndarray, centre: float, half: float, rate: float, far: np.ndarray, product: np.ndarray) -> None:
    """Multiply by P(|y - centre| < half) at the means (n,); ``far`` (n,) is scratch, for two short loops beat a long one."""
    for i in range(len(mu)):
        z = min((abs(mu[i] - centre) + half) * rate, 9.6)
        far[i] = small_exp(-0.5 * z * z) * tail_ratio(z)
    for i in range(len(mu)):
        x = (abs(mu[i] - centre) - half) * rate
        a = abs(x)
        q = small_exp(-0.5 * a * a) * tail_ratio(min(a, 9.6))
        product[i] *= (q if x > 0 else 1 - q) - far[i]


@njit(cache=True, nogil=True, error_model="numpy")
def known(mu: np.ndarray, t2: float, low: np.ndarray, high: np.ndarray, v: np.ndarray, product: np.ndarray,
             out: np.ndarray) -> None:  # fmt: skip
    """Log of the product of P(low_j < y_j < high_j) at means (n,) in order; ``product`` (n,) is scratch."""
    n = len(mu)
    scratch = np.empty(n)
    for i in range(n):
        out[i], product[i] = 0.0, 1.0
    held = 0
    for j in range(len(v)):
        rate = 1 / math.sqrt(v[j] + t2)
        a, b = low[j], high[j]
        one = math.isinf(a) or math.isinf(b)
        sign, end = (1.0, a) if math.isinf(b) else (-1.0, b)
        centre, half = 0.5 * (a + b), 0.5 * (b - a)
        if one:
            quick = max(abs(end - mu[0]), abs(end - mu[n - 1])) * rate < _FAST_END
        else:
            far = max(abs(mu[0] - centre), abs(mu[n - 1] - centre))
            quick = half * rate > 0.01 and ((far + half) * rate < _FAST_END or (far - half) * rate < _SAFE_END)
        if not quick:
            for i in range(n):
                if one:
                    out[i] += log_tail(sign * (end - mu[i]) * rate)
                else:
                    out[i] += log_between((mu[i] - centre) * rate, 2 * half * rate)
            continue
        if one:
            _one_sided(mu, sign, end, rate, product)
        else:
            _two_sided(mu, centre, half, rate, scratch, product)
        held += 1
        if held % 8 == 0:  # before it underflows
            for i in range(n):
                out[i] += math.log(product[i])
                product[i] = 1.0
    for i in range(n):
        out[i] += math.log(product[i])


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _tails(z: np.ndarray, out: np.ndarray) -> None:
    """P(Z > z) at every ``z`` (n,)."""
    for i in range(len(z)):
        a = min(abs(z[i]), 9.6)
        q = small_exp(-0.5 * a * a) * tail_ratio(a)
        out[i] = q if z[i] > 0 else 1 - q


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _densities(z: np.ndarray, out: np.ndarray) -> None:
    """Density of a standard normal at every ``z`` (n,)."""
    for i in range(len(z)):
        a = min(abs(z[i]), _FAST_END)
        out[i] = small_exp(-0.5 * a * a) * _NORM


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _at_nodes(mu: np.ndarray, t2: float, form: int, a: float, b: float, se: np.ndarray, z: np.ndarray, other: np.ndarray,
              out: np.ndarray) -> None:  # fmt: skip
    """What one report without a standard error says, if that were each of ``se`` (Q,), at the means (n,).

    ``z``, ``other`` and ``out`` are of shape (Q * n,), a run of means for each node: one long loop is done many at a time.
    """
    n = len(mu)
    one = form in (ABOVE, BELOW)
    sign = -1.0 if form == BELOW else 1.0
    for q in range(len(se)):
        rate = 1 / math.sqrt(se[q] * se[q] + t2)
        if one:
            end = (a if form == ABOVE else b) * se[q]
            for i in range(n):
                z[q * n + i] = sign * (end - mu[i]) * rate
        elif form == BETWEEN:
            centre, half = 0.5 * (a + b) * se[q], 0.5 * (b - a) * se[q]
            for i in range(n):
                z[q * n + i] = (abs(mu[i] - centre) - half) * rate
                other[q * n + i] = (abs(mu[i] - centre) + half) * rate
        else:
            y, factor = (a, rate) if form == AT else (a * se[q], rate * se[q])
            for i in range(n):
                z[q * n + i] = (y - mu[i]) * rate
                other[q * n + i] = factor
    if form == BETWEEN:
        _tails(other, out)
        for i in range(len(out)):
            other[i] = out[i]
        _tails(z, out)
        for i in range(len(out)):
            out[i] -= other[i]
    elif one:
        _tails(z, out)
    else:
        _densities(z, out)
        for i in range(len(out)):
            out[i] *= other[i]


@njit(cache=True, nogil=True, error_model="numpy")
def unknown(mu: np.ndarray, t2: float, form: np.ndarray, a: np.ndarray, b: np.ndarray, se: np.ndarray, start: np.ndarray,
            weight: np.ndarray, share: np.ndarray, out: np.ndarray) -> None:  # fmt: skip
    """Add to ``out`` (n,) the log of what the reports without a standard error say at the means.

    Parameters
    ----------
    form, a, b : (U,)
        The report of each, and its limits in standard errors (`AT`: the estimate itself).
    se : (U, Q)
        Standard errors at the nodes of the log SD, 0 where a report has fewer of them than others.
    start : (I + 1,)
        Where the reports of each instrument begin.
    weight : (U, G, Q)
        Of the nodes, given each of the G means and SDs of the log SD.
    share : (I, G)
        Probabilities of these.
    """
    n, most, normals = len(mu), se.shape[1], share.shape[1]
    z, other, f = np.empty(most * n), np.empty(most * n), np.empty(most * n)
    product, mixed = np.empty((normals, n)), np.empty((normals, n))
    for instrument in range(len(share)):
        product[:] = 1.0
        for j in range(start[instrument], start[instrument + 1]):
            nodes = most
            while se[j, nodes - 1] == 0:  # the rest has no weight
                nodes -= 1
            end = nodes * n
            _at_nodes(mu, t2, form[j], a[j], b[j], se[j, :nodes], z[:end], other[:end], f[:end])
            f[end:] = 0.0
            np.dot(weight[j], f.reshape(most, n), mixed)
            for g in range(normals):
                for i in range(n):
                    product[g, i] *= max(mixed[g, i], 0.0)
        for i in range(n):
            total = 0.0
            for g in range(normals):
                total += share[instrument, g] * product[g, i]
            out[i] += math.log(max(total, _LEAST))
