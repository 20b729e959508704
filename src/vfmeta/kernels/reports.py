"""Compiled integral over the mean where some trials print only a part of their result.

Given tau, a printed estimate is N(mu, v_i + tau^2), and any other report has a factor (`report_factors`). The printed estimates
and one normal of the prior of mu make a normal density of mu; times the factors it is summed on an even grid, halved until the
sum stands still: of a smooth density that dies away on both sides the trapezium rule is right to rounding soon after. Where the
running integral is wanted too the density is held on panels of sixteen Gauss-Legendre nodes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, TO_COEF, W, X
from vfmeta.kernels.normal_tail import FAST
from vfmeta.kernels.report_factors import known, unknown

_LOG_NORM = 0.5 * math.log(2 * math.pi)
_DROP = 33.0  # log units below the top at which an integral over the mean is cut: e^-33 = 5e-15
_DROP_MIXED = 17.0  # the same where standard errors are summed over: such sums tell about 1e-7 of the largest
_STILL = 1e-7  # change of a sum on halving its step, of which the error is the square or less
_TERMS, LONGEST, _SERIES = 24, 384, 1e-5  # terms of a series, at most, and what its last may be
_BEGIN, _FINE = 5, 1e-10  # panels to begin with, and the share of the mass that the last coefficients of a panel may hold
_MOST = 400
_ROW, _MOST_POINTS = 32, 2000

# all that a Chebyshev series of `LONGEST` terms, or of a half, a quarter ... as many, needs of cosines
_COSINES = np.cos(np.pi * np.arange(4 * LONGEST) / (2 * LONGEST))


@njit(cache=True, nogil=True, error_model="numpy")
def _series(t2: float, first: float, last: float, form: np.ndarray, a: np.ndarray, b: np.ndarray, se: np.ndarray,
            start: np.ndarray, weight: np.ndarray, share: np.ndarray, series: np.ndarray) -> int:  # fmt: skip
    """Chebyshev series between two means of the log of what the reports without a standard error say: its length."""
    if len(form) == 0:
        series[0] = 0.0
        return 1
    n, before = _TERMS, math.inf
    while True:
        step = LONGEST // n
        at, out = np.empty(n), np.zeros(n)
        for i in range(n):
            at[i] = 0.5 * (first + last) - 0.5 * (last - first) * _COSINES[(2 * i + 1) * step]
        unknown(at, t2, form, a, b, se, start, weight, share, out)
        for k in range(n):
            total = 0.0
            for i in range(n):
                total += _COSINES[((2 * i + 1) * k * step) % (4 * LONGEST)] * out[i]
            series[k] = total * (1 if k == 0 else 2) / n * (1 if k % 2 == 0 else -1)
        rest = abs(series[n - 1]) + abs(series[n - 2])
        # what no longer falls is rounding far out, where there is next to no density
        if rest < _SERIES or (rest < 1e-3 and rest > 0.3 * before) or 2 * n > LONGEST:
            return n
        before = rest
        n *= 2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_series(mu: np.ndarray, first: float, last: float, series: np.ndarray, n: int, out: np.ndarray) -> None:
    """Add a Chebyshev series of ``n`` terms between two means."""
    if n == 1:
        return
    m = len(mu)
    x, one, two = np.empty(m), np.zeros(m), np.zeros(m)
    for i in range(m):
        x[i] = min(max((2 * mu[i] - first - last) / (last - first), -1.0), 1.0)
    for k in range(n - 1, 0, -1):  # Clenshaw
        c = series[k]
        for i in range(m):
            new = 2 * x[i] * one[i] - two[i] + c
            two[i] = one[i]
            one[i] = new
    for i in range(m):
        out[i] += x[i] * one[i] - two[i] + series[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _curve(mu: np.ndarray, t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray,
           begin: float, end: float, series: np.ndarray, n: int, product: np.ndarray, out: np.ndarray) -> None:  # fmt: skip
    """Log density of mu at means (n,) in order, given tau, but for a constant; ``product`` (n,) is scratch."""
    known(mu, t2, low, high, v, product, out)
    _add_series(mu, begin, end, series, n, out)
    for i in range(len(mu)):
        out[i] -= 0.5 * precision * (mu[i] - mean) ** 2


@njit(cache=True, nogil=True, error_model="numpy")
def _sweep(t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray, form: np.ndarray,
           a: np.ndarray, b: np.ndarray, se: np.ndarray, start: np.ndarray, weight: np.ndarray, share: np.ndarray,
           centre: float, spread: float, series: np.ndarray) -> tuple[float, float, float, float, float, int]:  # fmt: skip
    """Log integral over mu, mean, SD and ends of what counts, sought about ``centre``; NaN if there is none.

    Last is the length of the ``series``, out, of what reports without a standard error say between the ends.
    """
    at, product, row = np.empty(_ROW), np.empty(_ROW), np.empty(_ROW)
    reach, drop, look = 9.5 * spread, _DROP, _ROW
    if len(form) > 0:
        drop, look = _DROP_MIXED, _ROW // 2  # what is summed over is dear
    near, seen = at[:look], row[:look]
    top = peak = first = last = math.nan
    for _ in range(60):
        step = 2 * reach / (look - 1)
        for i in range(look):
            at[i] = centre - reach + step * i
        known(near, t2, low, high, v, product, seen)
        if len(form) > 0:
            unknown(near, t2, form, a, b, se, start, weight, share, seen)
        for i in range(look):
            row[i] -= 0.5 * precision * (at[i] - mean) ** 2
        best = np.argmax(seen)
        top, peak = row[best], at[best]
        if row[0] > top - drop or row[look - 1] > top - drop:
            reach, centre, top = 2 * reach, peak, math.nan
            continue
        count = 0
        first, last = math.inf, -math.inf
        for i in range(look):
            if row[i] > top - drop:
                count += 1
                first, last = min(first, at[i]), max(last, at[i])
        first, last = first - step, last + step
        if count >= look // 3:
            break
        centre, reach, top = 0.5 * (first + last), max(0.5 * (last - first), reach / 8), math.nan
    if math.isnan(top):
        return math.nan, math.nan, math.nan, math.nan, math.nan, 0
    if len(form) > 0:  # beyond what sums can tell there may be a step, over which no series goes: up to it, and no further
        half = look // 2
        for i in range(half):
            at[i] = first + step * (i + 1) / half
            at[half + i] = last - step + step * i / half
        known(near, t2, low, high, v, product, seen)
        unknown(near, t2, form, a, b, se, start, weight, share, seen)
        first, last = first + step, last - step
        for i in range(half):
            if row[half - 1 - i] - 0.5 * precision * (at[half - 1 - i] - mean) ** 2 > top - drop:
                first = min(first, at[half - 1 - i])
            if row[half + i] - 0.5 * precision * (at[half + i] - mean) ** 2 > top - drop:
                last = max(last, at[half + i])
    begin, end = first, last
    n = _series(t2, begin, end, form, a, b, se, start, weight, share, series)
    count = 17
    step = (last - first) / (count - 1)
    total = one = two = 0.0
    shift = 0.0
    while True:  # an even grid, then the points half way between, and again
        more = more_one = more_two = 0.0
        size = count if shift == 0.0 else count - 1
        for k in range(0, size, _ROW):
            for i in range(_ROW):
                at[i] = first + step * (k + i + shift)
            _curve(at, t2, mean, precision, low, high, v, begin, end, series, n, product, row)
            for i in range(min(_ROW, size - k)):
                p, d = math.exp(row[i] - top), at[i] - peak
                more, more_one, more_two = more + p, more_one + p * d, more_two + p * d * d
        change = abs(more - total) / (more + total) if shift > 0.0 else 1.0
        total, one, two = total + more, one + more_one, two + more_two
        if shift > 0.0:
            step, count = step / 2, 2 * count - 1
        if change < _STILL or count > _MOST_POINTS:
            break
        shift = 0.5
    one /= total
    sd = math.sqrt(max(two / total - one * one, 0.0))
    return top + math.log(total * step), peak + one, sd, first, last, n


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
def given_tau(tau: np.ndarray, y: np.ndarray, vy: np.ndarray, low: np.ndarray, high: np.ndarray, v: np.ndarray,
              form: np.ndarray, a: np.ndarray, b: np.ndarray, se: np.ndarray, start: np.ndarray, weight: np.ndarray,
              share: np.ndarray, logw: np.ndarray, m0: np.ndarray, p0: np.ndarray, out: np.ndarray,
              kept: np.ndarray) -> None:  # fmt: skip
    """Log integral over mu, mean and SD of mu, and the ends of what counts of it, at every tau.

    Parameters
    ----------
    tau : (m,)
    y, vy : (k,)
        Printed estimates and their variances.
    low, high, v : (l,)
        Limits between which others lie, and their variances.
    form, a, b, se, start, weight, share
        Reports without a standard error, see `report_factors.unknown`.
    logw, m0, p0 : (J,)
        Normals of the prior of mu: log weight, mean, precision (0: flat).
    out : (5, m)
        NaN where there is no such integral.
    kept : (m, 1 + `LONGEST`), out, or of no rows
        Lengths and terms of the series of what reports without a standard error say, for a prior of mu that is one normal.
    """
    own = np.empty(LONGEST)
    alone = len(v) + len(form) == 0
    centre, spread = np.empty(len(m0)), np.empty(len(m0))
    for c in range(len(m0)):
        log, centre[c], precision = _given(tau[0] ** 2, y, vy, logw[c], m0[c], p0[c])
        spread[c] = (
            1 / math.sqrt(precision) if precision > 0 else math.sqrt(v.max()) if len(v) else se.max() if len(se) else 1.0
        )
    for i in range(len(tau)):
        t2 = tau[i] ** 2
        height, mass, first, second = -math.inf, 0.0, 0.0, 0.0
        out[3, i], out[4, i] = math.inf, -math.inf
        for c in range(len(m0)):
            log, mean, precision = _given(t2, y, vy, logw[c], m0[c], p0[c])
            most = log + _LOG_NORM - 0.5 * math.log(precision) if precision > 0 else math.inf
            if most < height - 80 and _bounded_by_one(form):
                continue
            if alone:
                spread[c] = 1 / math.sqrt(precision)
                log, one, left, right = most, mean, mean - 8.2 * spread[c], mean + 8.2 * spread[c]
            else:
                area, one, sd, left, right, terms = _sweep(
                    t2, mean, precision, low, high, v, form, a, b, se, start, weight, share, centre[c], spread[c],
                    kept[i, 1:] if len(kept) else own,
                )  # fmt: skip
                if len(kept):
                    kept[i, 0] = terms
                log += area
                if math.isnan(area):
                    height = math.nan
                    break
                centre[c], spread[c] = one, sd
            out[3, i], out[4, i] = min(out[3, i], left), max(out[4, i], right)
            if log > height:
                fade = math.exp(height - log)
                mass, first, second, height = mass * fade, first * fade, second * fade, log
            part = math.exp(log - height)
            mass += part
            first += part * one
            second += part * (one * one + spread[c] ** 2)
        out[0, i] = height + math.log(mass)
        out[1, i] = first / mass
        out[2, i] = math.sqrt(max(second / mass - out[1, i] ** 2, 0.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _bounded_by_one(form: np.ndarray) -> bool:
    """Whether every report without a standard error is a probability, and no density."""
    return len(form) == 0 or form.max() <= 2


@njit(cache=True, nogil=True, error_model="numpy")
def _panels(t2: float, mean: float, precision: float, low: np.ndarray, high: np.ndarray, v: np.ndarray, form: np.ndarray,
            a: np.ndarray, b: np.ndarray, se: np.ndarray, start: np.ndarray, weight: np.ndarray, share: np.ndarray,
            first: float, last: float, top: float, kept: np.ndarray, left: np.ndarray, width: np.ndarray,
            held: np.ndarray) -> int:  # fmt: skip
    """Panels of the density of mu given tau, divided by exp(``top``), between two ends: their number."""
    if len(kept):
        terms, series = int(kept[0]), kept[1:]
    else:
        series = np.empty(LONGEST)
        terms = _series(t2, first, last, form, a, b, se, start, weight, share, series)
    at, product, out = np.empty(ORDER), np.empty(ORDER), np.empty(ORDER)
    waiting = _BEGIN
    stack = np.empty((_MOST, 2))
    for i in range(waiting):  # the last is looked at first
        stack[i, 0] = first + (last - first) * (waiting - 1 - i) / waiting
        stack[i, 1] = (last - first) / waiting
    count, total = 0, 0.0
    while waiting > 0:
        waiting -= 1
        begin, wide = stack[waiting]
        for i in range(ORDER):
            at[i] = begin + wide * (X[i] + 1) / 2
        _curve(at, t2, mean, precision, low, high, v, first, last, series, terms, product, out)
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
        if tail * wide > _FINE and wide > 1e-7 * (last - first) and count + waiting + 2 < _MOST:
            stack[waiting, 0], stack[waiting, 1] = begin + wide / 2, wide / 2
            stack[waiting + 1, 0], stack[waiting + 1, 1] = begin, wide / 2
            waiting += 2
            continue
        left[count], width[count] = begin, wide
        held[count] = out
        total += area
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def posterior_panels(tau: np.ndarray, p: np.ndarray, y: np.ndarray, vy: np.ndarray, low: np.ndarray, high: np.ndarray,
                     v: np.ndarray, form: np.ndarray, a: np.ndarray, b: np.ndarray, se: np.ndarray, start: np.ndarray,
                     weight: np.ndarray, share: np.ndarray, logw: np.ndarray, m0: np.ndarray, p0: np.ndarray,
                     found_given: np.ndarray, kept: np.ndarray, least: float, left: np.ndarray, width: np.ndarray,
                     node: np.ndarray, part: np.ndarray, held: np.ndarray) -> int:  # fmt: skip
    """Posterior of mu on panels for every tau (m,) of probability ``p``: their number; -1 where there is no room for them.

    ``found_given`` (5, m) is what `given_tau` found, and ``kept`` its series, if any; a panel of less than the share
    ``least`` of its tau is left out. Out: ``left``, ``width``, ``node`` (number of the tau), ``part`` (of the normal of
    the prior), all (N,), and densities ``held`` (N, 16).
    """
    none = np.empty(0)
    own_left, own_width, own = np.empty(_MOST), np.empty(_MOST), np.empty((_MOST, ORDER))
    found = 0
    for i in range(len(tau)):
        t2 = tau[i] ** 2
        for c in range(len(m0)):
            log, mean, precision = _given(t2, y, vy, logw[c], m0[c], p0[c])
            most = log + _LOG_NORM - 0.5 * math.log(precision) if precision > 0 else math.inf
            if most < found_given[0, i] - 80 and _bounded_by_one(form):
                continue
            count = _panels(t2, mean, precision, low, high, v, form, a, b, se, start, weight, share, found_given[3, i],
                            found_given[4, i], found_given[0, i] - log, kept[i] if len(kept) else none, own_left, own_width,
                            own)  # fmt: skip
            for j in range(count):
                area = 0.0
                for n in range(ORDER):
                    area += own[j, n] * W[n]
                if area * own_width[j] / 2 < least:
                    continue
                if found == len(left):
                    return -1
                left[found], width[found], node[found], part[found] = own_left[j], own_width[j], i, c
                for n in range(ORDER):
                    held[found, n] = own[j, n] * p[i]
                found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def series_at(u: np.ndarray, ends: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Chebyshev series (P, N, R) on the panels between ``ends`` (P + 1,) at every ``u`` (m,), as (R, m)."""
    count, terms, rows = series.shape
    out = np.empty((rows, len(u)))
    for i in range(len(u)):
        j = min(max(np.searchsorted(ends, u[i]) - 1, 0), count - 1)
        x = 2 * (u[i] - ends[j]) / (ends[j + 1] - ends[j]) - 1
        for r in range(rows):
            one = two = 0.0
            for n in range(terms - 1, 0, -1):  # Clenshaw
                one, two = 2 * x * one - two + series[j, n, r], one
            out[r, i] = x * one - two + series[j, 0, r]
    return out
