"""Compiled likelihood of the mean where some trials print only a part of their result, and its integral over the mean.

Given tau, a printed estimate is N(mu, v_i + tau^2), and of any other trial it is known that its estimate lay between two
limits: its factor is the probability of that. The printed estimates and one normal of the prior of mu make a normal density of
mu; times the factors it is integrated over panels of sixteen Gauss-Legendre nodes, halved until the last Legendre coefficients
vanish.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, TO_COEF, W, X
from vfmeta.kernels.normal_tail import FAST, small_exp, tail_ratio

_ROOT2, _LOG_NORM = math.sqrt(2.0), 0.5 * math.log(2 * math.pi)
_DROP = 33.0  # log units below the top at which an integral over the mean is cut: e^-33 = 5e-15
# panels to begin with, and the share of the mass that the last three coefficients of a panel may hold: sixteen nodes integrate
# what is known to 1e-6 there to rounding, but its running integral needs all the digits
_COARSE, _FINE = (5, 1e-6), (8, 1e-11)
_MOST = 400
_FAST_END, _SAFE_END = 9.5, 6.0


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
def _two_sided(mu: np.ndarray, centre: float, half: float, rate: float, product: np.ndarray) -> None:
    """Multiply by P(|y - centre| < half) at the means (n,)."""
    for i in range(len(mu)):
        u = abs(mu[i] - centre)
        x, z = (u - half) * rate, min((u + half) * rate, 9.6)
        a = abs(x)
        q = small_exp(-0.5 * a * a) * tail_ratio(min(a, 9.6))
        product[i] *= (q if x > 0 else 1 - q) - small_exp(-0.5 * z * z) * tail_ratio(z)


@njit(cache=True, nogil=True, error_model="numpy")
def _factors(mu: np.ndarray, t2: float, low: np.ndarray, high: np.ndarray, v: np.ndarray, product: np.ndarray,
             out: np.ndarray) -> None:  # fmt: skip
    """Log of the product of P(low_j < y_j < high_j) at means (n,) in order; ``product`` (n,) is scratch."""
    n = len(mu)
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
            _two_sided(mu, centre, half, rate, product)
        held += 1
        if held % 8 == 0:  # before it underflows
            for i in range(n):
                out[i] += math.log(product[i])
                product[i] = 1.0
    for i in range(n):
        out[i] += math.log(product[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _curve(mu: np.ndarray, t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray,
           product: np.ndarray, out: np.ndarray) -> None:  # fmt: skip
    """Log density of mu at means (n,) in order, given tau, but for a constant."""
    _factors(mu, t2, low, high, v, product, out)
    for i in range(len(mu)):
        out[i] -= 0.5 * precision * (mu[i] - mean) ** 2


@njit(cache=True, nogil=True, error_model="numpy")
def _ends(t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray, at: np.ndarray,
          product: np.ndarray, out: np.ndarray) -> tuple[float, float, float]:  # fmt: skip
    """The highest log density, and where it has fallen by `_DROP` on the left and on the right; NaN where it does not."""
    n = len(at)
    if precision > 0:
        centre, reach = mean, 3 / math.sqrt(precision)
    else:
        centre = reach = 0.0
        for j in range(len(v)):
            for end in (low[j], high[j]):
                if math.isfinite(end):
                    centre += end / len(v) / 2
            reach = max(reach, 3 * math.sqrt(v[j] + t2))
    top = peak = -math.inf
    for _ in range(200):
        for i in range(n):
            at[i] = centre + reach * (2 * i / (n - 1) - 1)
        _curve(at, t2, mean, precision, low, high, v, product, out)
        best = np.argmax(out)
        if out[best] > top:
            top, peak = out[best], at[best]
        if best == 0 or best == n - 1:
            centre, reach = at[best], 2 * reach
            continue
        flat = max(out[best] - out[best - 1], out[best] - out[best + 1])
        centre, reach = at[best], 2 * reach / (n - 1)
        if flat < 0.3:
            break
    found = np.empty(2)
    for side in range(2):
        sign = 2.0 * side - 1.0
        step = 8.2 / math.sqrt(precision) if precision > 0 else 8.2 * math.sqrt(v.max() + t2)
        inner, outer = 0.0, math.nan
        for _ in range(40):
            for i in range(n):  # in order, so that the ends of the row are the ends of the means
                rung = i if side else n - 1 - i
                at[i] = peak + sign * step * 2.0 ** (rung - (n - 2))
            _curve(at, t2, mean, precision, low, high, v, product, out)
            for rung in range(n):
                i = rung if side else n - 1 - rung
                if out[i] < top - _DROP:
                    outer = abs(at[i] - peak)
                    break
                inner = max(inner, abs(at[i] - peak))
                top = max(top, out[i])
            if not math.isnan(outer):
                break
            step *= 1000.0
        if math.isnan(outer):
            return math.nan, math.nan, math.nan
        for i in range(n):
            share = (i + 1) / n if side else (n - i) / n
            at[i] = peak + sign * (inner + share * (outer - inner))
        _curve(at, t2, mean, precision, low, high, v, product, out)
        for rung in range(n):
            i = rung if side else n - 1 - rung
            if out[i] < top - _DROP:
                found[side] = at[i]
                break
    return top, found[0], found[1]


@njit(cache=True, nogil=True, error_model="numpy")
def _panels(t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray,
            begin: int, fine: float, left: np.ndarray, width: np.ndarray, held: np.ndarray) -> tuple[int, float]:  # fmt: skip
    """Panels of the density of mu given tau: their number, and the log of what ``held`` (n, 16) is to be times."""
    at, product, out = np.empty(ORDER), np.empty(ORDER), np.empty(ORDER)
    top, first, last = _ends(t2, mean, precision, low, high, v, at, product, out)
    if math.isnan(top):
        return 0, math.nan
    waiting = begin
    stack = np.empty((_MOST, 2))
    for i in range(begin):  # the last is looked at first
        stack[i, 0] = first + (last - first) * (begin - 1 - i) / begin
        stack[i, 1] = (last - first) / begin
    count, total = 0, 0.0
    # what a panel may leave unsettled, in units of the area of a normal of this range
    scale = (last - first) / 7
    while waiting > 0:
        waiting -= 1
        a, wide = stack[waiting]
        for i in range(ORDER):
            at[i] = a + wide * (X[i] + 1) / 2
        _curve(at, t2, mean, precision, low, high, v, product, out)
        area = 0.0
        for i in range(ORDER):
            out[i] = math.exp(out[i] - top)
            area += W[i] * out[i]
        area *= wide / 2
        tail = 0.0
        for n in range(ORDER - 3, ORDER):
            c = 0.0
            for i in range(ORDER):
                c += TO_COEF[n, i] * out[i]
            tail += abs(c)
        rough = tail * wide > fine * max(total, scale)
        if rough and wide > 1e-7 * (last - first) and count + waiting + 2 < _MOST:
            stack[waiting, 0], stack[waiting, 1] = a + wide / 2, wide / 2
            stack[waiting + 1, 0], stack[waiting + 1, 1] = a, wide / 2
            waiting += 2
            continue
        left[count], width[count] = a, wide
        held[count] = out
        total += area
        count += 1
    return count, top


@njit(cache=True, nogil=True, error_model="numpy")
def _given(t2: float, y: np.ndarray, vy: np.ndarray, logw: float, m0: float, p0: float) -> tuple[float, float, float]:
    """The printed estimates and one normal of the prior of mu as a normal of mu: log factor, mean and precision."""
    total = weighted = logs = 0.0
    for i in range(len(y)):
        w = 1 / (vy[i] + t2)
        total += w
        weighted += w * y[i]
        logs += math.log(w)
    precision = total + p0
    if precision == 0:
        return logw, 0.0, 0.0
    mean = (weighted + p0 * m0) / precision
    q = p0 * (mean - m0) ** 2
    for i in range(len(y)):
        q += (y[i] - mean) ** 2 / (vy[i] + t2)
    log = logw + 0.5 * (logs - q) - len(y) * _LOG_NORM
    if p0 > 0:
        log += 0.5 * math.log(p0) - _LOG_NORM
    return log, mean, precision


@njit(cache=True, nogil=True, error_model="numpy")
def _most(log: float, precision: float) -> float:
    """The log integral if every factor were 1, which as a probability it cannot exceed."""
    return log + _LOG_NORM - 0.5 * math.log(precision) if precision > 0 else math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def given_tau(tau: np.ndarray, y: np.ndarray, vy: np.ndarray, low: np.ndarray, high: np.ndarray, v: np.ndarray,
              logw: np.ndarray, m0: np.ndarray, p0: np.ndarray, out: np.ndarray) -> None:  # fmt: skip
    """Log integral over mu, and mean and SD of mu, at every tau.

    Parameters
    ----------
    tau : (m,)
    y, vy : (k,)
        Printed estimates and their variances.
    low, high, v : (l,)
        Limits between which the others lie, and their variances.
    logw, m0, p0 : (J,)
        Normals of the prior of mu: log weight, mean, precision (0: flat).
    out : (3, m)
        NaN where there is no such integral.
    """
    left, width, held = np.empty(_MOST), np.empty(_MOST), np.empty((_MOST, ORDER))
    for i in range(len(tau)):
        t2 = tau[i] ** 2
        height, mass, first, second = -math.inf, 0.0, 0.0, 0.0
        for c in range(len(m0)):
            log, mean, precision = _given(t2, y, vy, logw[c], m0[c], p0[c])
            if _most(log, precision) < height - 80:
                continue
            if len(v) == 0:
                area, one, two = math.sqrt(2 * math.pi / precision), mean, mean * mean + 1 / precision
            else:
                count, top = _panels(t2, mean, precision, low, high, v, _COARSE[0], _COARSE[1], left, width, held)
                if count == 0:
                    height = math.nan
                    break
                log += top
                area = one = two = 0.0
                for j in range(count):
                    for n in range(ORDER):
                        p = held[j, n] * W[n] * width[j] / 2
                        x = left[j] + width[j] * (X[n] + 1) / 2
                        area += p
                        one += p * x
                        two += p * x * x
                one /= area
                two /= area
            log += math.log(area)
            if log > height:
                fade = math.exp(height - log)
                mass, first, second, height = mass * fade, first * fade, second * fade, log
            share = math.exp(log - height)
            mass += share
            first += share * one
            second += share * two
        out[0, i] = height + math.log(mass)
        out[1, i] = first / mass
        out[2, i] = math.sqrt(max(second / mass - out[1, i] ** 2, 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def posterior_panels(tau: np.ndarray, p: np.ndarray, y: np.ndarray, vy: np.ndarray, low: np.ndarray, high: np.ndarray,
                     v: np.ndarray, logw: np.ndarray, m0: np.ndarray, p0: np.ndarray, log_mass: np.ndarray, least: float,
                     left: np.ndarray, width: np.ndarray, node: np.ndarray, part: np.ndarray, held: np.ndarray
                     ) -> int:  # fmt: skip
    """Posterior of mu on panels for every tau (m,) of probability ``p``: their number; -1 where there is no room for them.

    ``log_mass`` (m,) is what `given_tau` found; a panel of less than the share ``least`` of
    its tau is left out. Out: ``left``, ``width``,
    ``node`` (number of the tau), ``part`` (of the normal of the prior), all (N,), and densities ``held`` (N, 16).
    """
    own_left, own_width, own = np.empty(_MOST), np.empty(_MOST), np.empty((_MOST, ORDER))
    found = 0
    for i in range(len(tau)):
        t2 = tau[i] ** 2
        for c in range(len(m0)):
            log, mean, precision = _given(t2, y, vy, logw[c], m0[c], p0[c])
            if _most(log, precision) < log_mass[i] - 80:
                continue
            count, top = _panels(t2, mean, precision, low, high, v, _FINE[0], _FINE[1], own_left, own_width, own)
            factor = p[i] * math.exp(log + top - log_mass[i])
            for j in range(count):
                area = 0.0
                for n in range(ORDER):
                    area += own[j, n] * W[n]
                if area * own_width[j] / 2 * factor < least * p[i]:
                    continue
                if found == len(left):
                    return -1
                left[found], width[found], node[found], part[found] = own_left[j], own_width[j], i, c
                for n in range(ORDER):
                    held[found, n] = own[j, n] * factor
                found += 1
    return found
