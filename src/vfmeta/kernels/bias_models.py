"""Marginal likelihood of meta-analytic models with a bias, by quadrature over log tau, the mean and what describes the bias.

The mean has a normal prior around 0 and tau an inverse-gamma prior with shape 1. Of every tau the posterior of the mean is held
panel by panel; panels of sixteen Gauss-Legendre nodes are halved until their last coefficients vanish.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from vfmeta.kernels.averaged_weights import FINE, averaged, masses, singular
from vfmeta.kernels.mixtures import ORDER, TO_COEF, W, X

NONE, SLOPE, WEIGHTS = range(3)
SLOPE_NODES = 40
_x, _w = np.polynomial.legendre.leggauss(SLOPE_NODES)
SLOPE_X, SLOPE_W = np.ascontiguousarray(_x), np.ascontiguousarray(_w)
_DROP = 21.0  # log units below the top at which a range ends
# of a panel's last coefficients, as a part of the whole: the integral is exact to twice their degree
_SMOOTH, _SMOOTH_MEAN = 1e-4, 3e-6
_SCAN, _FIRST_SCAN = 17, 33
_REACH = 8.0  # prior SDs of the mean
_MOST = 6000
_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


class Model(NamedTuple):
    """Studies on the scale of the priors, favoured effects high, and how they may have been biased.

    ``kind``: no bias; a mean that rises with ``x`` (k,), by a half-Cauchy slope of scale ``scale``; or chances of being seen
    that fall in steps: ``cuts`` (k, 5) are the effects at which p is 0.025, 0.05, 0.5, 0.95 and 0.975, ``row`` (6,) says which
    weight each interval has (0: the highest, which is 1; the lowest is always 3), ``power`` (3,) are the powers of u1, u2, u3,
    the first of which is ``first``. ``spread`` is the prior SD of the mean, ``rate`` the scale of the prior of tau.
    """

    kind: int
    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    scale: float
    cuts: np.ndarray
    row: np.ndarray
    power: np.ndarray
    first: int
    spread: float
    rate: float


class Room(NamedTuple):
    """Room to work in, and in ``box`` where the weights were last found."""

    box: np.ndarray
    p: np.ndarray
    c: np.ndarray
    u: np.ndarray
    mass: np.ndarray
    each: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def room_for(k: int) -> Room:
    box = np.zeros((3, 2))
    box[:, 1] = 1.0
    return Room(box, np.empty((4, k)), np.empty(3), np.empty((3, FINE)), np.empty((3, FINE)), np.empty((FINE, FINE, FINE)))


@njit(cache=True, nogil=True, error_model="numpy")
def _normal(m: Model, mu: float, t2: float) -> float:
    total = 0.0
    for i in range(len(m.y)):
        s2 = m.v[i] + t2
        d = m.y[i] - mu
        total -= 0.5 * (math.log(s2) + d * d / s2)
    return total - len(m.y) * _LOG_ROOT_2PI


@njit(cache=True, nogil=True, error_model="numpy")
def slope(m: Model, mu: float, t2: float) -> tuple[float, float]:
    """Least-squares slope and its standard error."""
    xx = xy = 0.0
    for i in range(len(m.y)):
        w = 1 / (m.v[i] + t2)
        xx += w * m.x[i] * m.x[i]
        xy += w * m.x[i] * (m.y[i] - mu)
    return xy / xx, 1 / math.sqrt(xx)


@njit(cache=True, nogil=True, error_model="numpy")
def angles(best: float, se: float, scale: float) -> tuple[float, float]:
    """Between which angles the slope, ``scale`` times their tangent, has all that counts."""
    reach = 6.2
    low = max(0.0, best - reach * se)
    high = best + math.sqrt(max(-best, 0.0) ** 2 + (reach * se) ** 2)
    if best < 0:  # best + sqrt(best^2 + ...) without cancellation
        high = (reach * se) ** 2 / (math.sqrt(best * best + (reach * se) ** 2) - best)
    return math.atan(low / scale), math.atan(high / scale)


@njit(cache=True, nogil=True, error_model="numpy")
def cell(m: Model, mu: float, t2: float, room: Room, fine: bool) -> float:
    """Log likelihood at a mean and a tau^2, averaged over what describes the bias."""
    base = _normal(m, mu, t2)
    if m.kind == SLOPE:
        best, se = slope(m, mu, t2)
        low, high = angles(best, se, m.scale)
        # relative to a slope of 0, where the normal likelihood was taken
        total, top = 0.0, 0.5 * (max(best, 0.0) / se) ** 2
        for n in range(SLOPE_NODES):
            b = m.scale * math.tan(0.5 * (low + high) + 0.5 * (high - low) * SLOPE_X[n])
            total += SLOPE_W[n] * math.exp(b * (best - 0.5 * b) / (se * se) - top)
        return base + top + math.log(total * (high - low) / math.pi)
    if m.kind == WEIGHTS:
        masses(m.cuts, m.row, m.v, mu, t2, room.p)
        singular(room.p, room.c)
        value = averaged(room.p, room.c, m.power, m.first, room.box, fine, room.u, room.mass, room.each)
        return base + value
    return base


@njit(cache=True, nogil=True, error_model="numpy")
def _of_mean(m: Model, mu: float, t2: float, room: Room, fine: bool) -> float:
    z = mu / m.spread
    return cell(m, mu, t2, room, fine) - 0.5 * z * z - math.log(m.spread) - _LOG_ROOT_2PI


@njit(cache=True, nogil=True, error_model="numpy")
def _log_prior(m: Model, u: float) -> float:
    """Log prior density of u = log tau."""
    return math.log(m.rate) - u - m.rate * math.exp(-u)


@njit(cache=True, nogil=True, error_model="numpy")
def _span(m: Model, t2: float, room: Room, span: np.ndarray, known: bool) -> tuple[float, float]:
    """Write between which means all of the posterior lies; its top and about its integral, both as logs."""
    far = _REACH * m.spread
    for i in range(len(m.y)):
        far = max(far, abs(m.y[i]))
    low, high = -far, far
    count = _FIRST_SCAN
    if known:
        wide = span[1] - span[0]
        low, high, count = max(span[0] - 0.2 * wide, -far), min(span[1] + 0.2 * wide, far), _SCAN
    values = np.empty(_FIRST_SCAN)
    top = total = 0.0
    for _ in range(60):
        step = (high - low) / (count - 1)
        top = -math.inf
        for j in range(count):
            values[j] = _of_mean(m, low + j * step, t2, room, False)
            top = max(top, values[j])
        if not top > -math.inf:
            return -math.inf, -math.inf
        if (values[0] > top - _DROP and low > -far) or (values[count - 1] > top - _DROP and high < far):
            low, high, count = -far, far, _FIRST_SCAN  # the guess cut something off
            continue
        a, b = 0, count - 1
        while values[a] < top - _DROP:
            a += 1
        while values[b] < top - _DROP:
            b -= 1
        a, b = max(a - 1, 0), min(b + 1, count - 1)
        total = 0.0
        for j in range(count):
            total += math.exp(values[j] - top)
        found = b - a
        last = count - 1
        low, high, count = low + a * step, low + b * step, _SCAN
        if found >= 0.6 * last:
            span[0], span[1] = low, high
            return top, top + math.log(total * step)
    span[0], span[1] = low, high
    return top, top + math.log(max(total * step, 1e-300))


@njit(cache=True, nogil=True, error_model="numpy")
def _tail(values: np.ndarray) -> float:
    """Size of the last coefficients of the polynomial through a panel's nodes."""
    size = 0.0
    for r in range(ORDER - 3, ORDER):
        c = 0.0
        for n in range(ORDER):
            c += TO_COEF[r, n] * values[n]
        size += abs(c)
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def _slice(
    m: Model, t2: float, room: Room, span: np.ndarray, known: bool, left: np.ndarray, width: np.ndarray, logs: np.ndarray,
    start: int,
) -> tuple[float, int]:  # fmt: skip
    """Posterior of the mean at one tau, its panels written from ``start`` on; log of the integral, and where they end."""
    top, about = _span(m, t2, room, span, known)
    if not top > -math.inf:
        return -math.inf, start
    stack = np.empty((80, 2))
    middle = 0.5 * (span[0] + span[1])
    stack[0, 0], stack[0, 1], stack[1, 0], stack[1, 1] = middle, span[1], span[0], middle
    waiting, at = 2, start
    values = np.empty(ORDER)
    total, least = 0.0, 1e-5 * (span[1] - span[0])
    while waiting > 0 and at < _MOST:
        waiting -= 1
        a, b = stack[waiting, 0], stack[waiting, 1]
        for n in range(ORDER):
            logs[at, n] = _of_mean(m, a + 0.5 * (b - a) * (X[n] + 1), t2, room, True)
            values[n] = math.exp(logs[at, n] - top)
        if _tail(values) * (b - a) > _SMOOTH_MEAN * math.exp(about - top) and b - a > least and waiting < 78:
            middle = 0.5 * (a + b)
            stack[waiting, 0], stack[waiting, 1], stack[waiting + 1, 0], stack[waiting + 1, 1] = middle, b, a, middle
            waiting += 2
            continue
        left[at], width[at] = a, b - a
        for n in range(ORDER):
            total += W[n] * values[n] * 0.5 * (b - a)
        at += 1
    return top + math.log(total), at


@njit(cache=True, nogil=True, error_model="numpy")
def _range_of_log_tau(m: Model, effect: bool, room: Room, span: np.ndarray) -> tuple[float, float, bool]:
    """Between which log tau all of the posterior lies, and whether it could be found."""
    biggest = m.rate
    for i in range(len(m.y)):
        biggest = max(biggest, abs(m.y[i]), math.sqrt(m.v[i]))
    low, high = math.log(m.rate / 60), math.log(biggest) + 3
    step = 0.5
    u, top, known = low, -math.inf, False
    best_left, best_right = low, high
    seen = np.empty((400, 2))
    count = 0
    while count < 400:
        t2 = math.exp(2 * u)
        if effect:
            value = _span(m, t2, room, span, known)[1]
            known = value > -math.inf
        else:
            value = cell(m, 0.0, t2, room, False)
        value += _log_prior(m, u)
        seen[count, 0], seen[count, 1] = u, value
        count += 1
        top = max(top, value)
        u += step
        if u > high and value < top - _DROP:
            break
    for j in range(count):
        if seen[j, 1] > top - _DROP:
            best_left = seen[max(j - 1, 0), 0]
            break
    for j in range(count - 1, -1, -1):
        if seen[j, 1] > top - _DROP:
            best_right = seen[min(j + 1, count - 1), 0]
            break
    return best_left, best_right, top > -math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def explore(
    m: Model, effect: bool, random: bool
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log marginal likelihood of a model, and its posterior.

    Returns
    -------
    log marginal likelihood (NaN where it could not be found);
    of log tau, where it is ``random``: left ends and widths of panels (p,), log density at their nodes (p, 16);
    of the mean, where there is an ``effect``: left ends and widths of panels (q,), log density at their nodes (q, 16), the tau
    they belong to (q,) and the log of that tau's weight in the integral (q,).
    """
    left, width, logs = np.empty(_MOST), np.empty(_MOST), np.empty((_MOST, ORDER))
    tau, weight = np.zeros(_MOST), np.zeros(_MOST)
    room, span = room_for(len(m.y)), np.zeros(2)
    none = np.empty(0)
    if not random:
        value, count = cell(m, 0.0, 0.0, room, True), 0
        if effect:
            value, count = _slice(m, 0.0, room, span, False, left, width, logs, 0)
        return (
            value, none, none, np.empty((0, ORDER)), left[:count].copy(), width[:count].copy(), logs[:count].copy(),
            tau[:count].copy(), weight[:count].copy(),
        )  # fmt: skip
    low, high, found = _range_of_log_tau(m, effect, room, span)
    u_left, u_width, u_logs = np.empty(200), np.empty(200), np.empty((200, ORDER))
    begin, end = np.zeros(200, dtype=np.int64), np.zeros(200, dtype=np.int64)
    first = max(2, math.ceil((high - low) / 3.5))
    for j in range(first):
        u_left[j], u_width[j] = low + j * (high - low) / first, (high - low) / first
    panels, done, count, known = first, 0, 0, False
    values = np.empty(ORDER)
    while found and done < panels:
        begin[done] = count
        for n in range(ORDER):
            u = u_left[done] + 0.5 * u_width[done] * (X[n] + 1)
            t = math.exp(u)
            if effect:
                value, stop = _slice(m, t * t, room, span, known, left, width, logs, count)
                known = value > -math.inf
                tau[count:stop] = t
                weight[count:stop] = _log_prior(m, u) + math.log(0.5 * u_width[done] * W[n])
                count = stop
            else:
                value = cell(m, 0.0, t * t, room, True)
            u_logs[done, n] = value + _log_prior(m, u)
        end[done] = count
        done += 1
        if done < panels:
            continue
        # all panels are there: those that are not smooth yet are halved
        top = u_logs[:panels].max()
        total = 0.0
        for j in range(panels):
            for n in range(ORDER):
                total += 0.5 * u_width[j] * W[n] * math.exp(u_logs[j, n] - top)
        for j in range(panels):
            for n in range(ORDER):
                values[n] = math.exp(u_logs[j, n] - top)
            if _tail(values) * u_width[j] > _SMOOTH * total and u_width[j] > 0.05 and panels < 198 and count < _MOST:
                for i in range(begin[j], end[j]):
                    weight[i] = -math.inf
                half = 0.5 * u_width[j]
                u_left[panels], u_width[panels] = u_left[j], half
                u_left[panels + 1], u_width[panels + 1] = u_left[j] + half, half
                panels += 2
                u_width[j] = 0.0
                u_logs[j] = -math.inf
    if not found:
        return math.nan, none, none, np.empty((0, ORDER)), none, none, np.empty((0, ORDER)), none, none
    top = u_logs[:panels].max()
    total = 0.0
    for j in range(panels):
        for n in range(ORDER):
            total += 0.5 * u_width[j] * W[n] * math.exp(u_logs[j, n] - top)
    keep = u_width[:panels] > 0
    kept = weight[:count] > -math.inf
    value = top + math.log(total) if count < _MOST else math.nan
    return (
        value, u_left[:panels][keep], u_width[:panels][keep], u_logs[:panels][keep], left[:count][kept], width[:count][kept],
        logs[:count][kept], tau[:count][kept], weight[:count][kept],
    )  # fmt: skip
