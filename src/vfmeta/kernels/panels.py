"""Compiled density of log tau in the normal-normal model, normalised panel by panel."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, TO_COEF, W, X

# codes of the priors of tau
HALF_NORMAL, HALF_T, EXPONENTIAL, LOG_NORMAL, UNIFORM, FLAT, JEFFREYS = range(7)
LOG_T, INVERSE_GAMMA, SHRINKAGE, DUMOUCHEL, CONVENTIONAL, UNIFORM2 = range(7, 13)
MOST = 400  # panels
_DROP = 44.0
_FAR = 300.0
_TOLERANCE = 1e-9  # of the last coefficients; the integrals, exact to twice the degree, are far closer
_TRAVEL = 6.0


@njit(cache=True, nogil=True, error_model="numpy")
def log_prior(t: float, prior: np.ndarray, v: np.ndarray) -> float:
    """Log density of tau for a coded prior (code, a, b, c); constants of improper ones left out."""
    code, a, b, c = int(prior[0]), prior[1], prior[2], prior[3]
    if code == HALF_NORMAL:
        return 0.5 * math.log(2 / math.pi) - math.log(a) - 0.5 * (t / a) ** 2
    if code == HALF_T:
        return c - (b + 1) / 2 * math.log1p((t / a) ** 2 / b)
    if code == EXPONENTIAL:
        return -math.log(a) - t / a
    if code == LOG_NORMAL:
        u = math.log(t)
        return -u - 0.5 * ((u - a) / b) ** 2 - math.log(b) - 0.5 * math.log(2 * math.pi)
    if code == UNIFORM:
        return -math.log(a)
    if code == LOG_T:  # location a, scale b of log tau; c degrees of freedom
        u = math.log(t)
        return (math.lgamma((c + 1) / 2) - math.lgamma(c / 2) - 0.5 * math.log(c * math.pi) - math.log(b)
                - (c + 1) / 2 * math.log1p(((u - a) / b) ** 2 / c) - u)  # fmt: skip
    if code == INVERSE_GAMMA:  # of tau^c (c is 1 or 2): shape a, scale b
        return a * math.log(b) - math.lgamma(a) - a * c * math.log(t) - b / t**c + math.log(c) - math.log(t)
    if code == SHRINKAGE:  # a: harmonic mean of the variances
        return math.log(2 * t / a) - 2 * math.log1p(t * t / a)
    if code == DUMOUCHEL:
        return -0.5 * math.log(a) - 2 * math.log1p(t / math.sqrt(a))
    if code == UNIFORM2:  # uniform on tau^2 up to a^2, a infinite for the improper one
        return math.log(2 * t) - (2 * math.log(a) if math.isfinite(a) else 0.0)
    if code == JEFFREYS:
        least = v.min() + t * t
        total = 0.0
        for x in v:
            total += (least / (x + t * t)) ** 2
        return math.log(t) - math.log(least) + 0.5 * math.log(total)
    if code == CONVENTIONAL:  # c: log of the normalising constant
        total = 0.0
        for x in v:
            total += math.log(x + t * t)
        return math.log(t) - 1.5 * total / len(v) - c
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def sums(t2: float, y: np.ndarray, v: np.ndarray) -> tuple[float, float, float, float]:
    """Sum of weights, weighted mean, weighted squares about it, and log determinant at a given tau^2."""
    total = pulled = 0.0
    product, logs = 1.0, 0.0
    for i in range(len(y)):
        s = v[i] + t2
        w = 1 / s
        total += w
        pulled += w * y[i]
        if not 1e-140 < product < 1e140 or not 1e-140 < s < 1e140:
            logs += math.log(product)
            product = 1.0
            if not 1e-140 < s < 1e140:
                logs += math.log(s)
                continue
        product *= s
    centre = pulled / total
    q = 0.0
    for i in range(len(y)):
        d = y[i] - centre
        q += d * d / (v[i] + t2)
    return total, centre, q, logs + math.log(product)


@njit(cache=True, nogil=True, error_model="numpy")
def log_posterior(
    u: float, y: np.ndarray, v: np.ndarray, prior: np.ndarray, logw: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> float:
    """Log of prior times likelihood, integrated over mu, as a density of u = log tau; (2 pi)^(-k/2) left out."""
    t = math.exp(u)
    total, centre, q, logs = sums(t * t, y, v)
    rest = log_prior(t, prior, v) + u - 0.5 * (logs + q)
    if precision[0] == 0:
        return rest - 0.5 * math.log(total)
    best = -math.inf
    for j in range(len(mean)):
        best = max(best, component(total, centre, logw[j], mean[j], precision[j]))
    added = 0.0
    for j in range(len(mean)):
        added += math.exp(component(total, centre, logw[j], mean[j], precision[j]) - best)
    return rest + best + math.log(added)


@njit(cache=True, nogil=True, error_model="numpy")
def component(total: float, centre: float, logw: float, mean: float, precision: float) -> float:
    """Log weight of a component of the prior of mu given tau, data constants aside."""
    both = total + precision
    return logw + 0.5 * math.log(precision / both) - 0.5 * (centre - mean) ** 2 * total * (precision / both)


@njit(cache=True, nogil=True, error_model="numpy")
def _panel(left: float, width: float, peak: float, out: np.ndarray, y: np.ndarray, v: np.ndarray, prior: np.ndarray,
           logw: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> float:  # fmt: skip
    """Fill the densities of a panel, relative to the peak; its mass."""
    mass = 0.0
    for j in range(ORDER):
        out[j] = math.exp(min(log_posterior(left + width * (X[j] + 1) / 2, y, v, prior, logw, mean, precision) - peak, 700.0))
        mass += W[j] * out[j]
    return mass * width / 2


@njit(cache=True, nogil=True, error_model="numpy")
def _travel(left: float, width: float, y: np.ndarray, v: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> float:
    """Largest distance that a conditional mean of mu or of a study effect moves over a panel, in its smallest SD."""
    worst = 0.0
    k = len(y)
    low, high, least = np.full(k + 1, math.inf), np.full(k + 1, -math.inf), np.full(k + 1, math.inf)
    for j in range(ORDER):
        t2 = math.exp(2 * (left + width * (X[j] + 1) / 2))
        total, centre, _, _ = sums(t2, y, v)
        both = total + precision[0]
        m = (total * centre + precision[0] * mean[0]) / both
        for i in range(k + 1):
            a, s2 = m, 1 / both
            if i < k:
                pull = v[i] / (v[i] + t2)
                a = y[i] * (1 - pull) + m * pull
                s2 = t2 * pull + pull * pull * s2
            low[i], high[i], least[i] = min(low[i], a), max(high[i], a), min(least[i], s2)
    for i in range(k + 1):
        worst = max(worst, (high[i] - low[i]) / math.sqrt(least[i]))
    return worst


@njit(cache=True, nogil=True, error_model="numpy")
def panels(y: np.ndarray, v: np.ndarray, prior: np.ndarray, logw: np.ndarray, mean: np.ndarray, precision: np.ndarray,
           size: float, end: float, moments: int, left: np.ndarray, width: np.ndarray, values: np.ndarray,
           before: np.ndarray) -> tuple[int, float, float]:  # fmt: skip
    """Normalise the density of u; fills the panels and returns their number (0: not solved), the log mass and the mode."""
    spread = y.max() - y.min()
    if precision[0] > 0:
        spread = max(spread, abs(mean[0]))
    least, most = math.sqrt(v.min()), math.sqrt(v.max())
    if spread > 0:
        least, most = min(least, spread), max(most, spread)
    if size > 0:
        least, most = min(least, size), max(most, size)
    stop = math.log(end)
    low, high = math.log(least) - 4, min(math.log(most) + 4, stop)
    low = min(low, high - 4)
    count = min(400, int((high - low) / 0.25) + 2)
    step = (high - low) / (count - 1)
    top, peak = low, -math.inf
    for i in range(count):
        u = high if i == count - 1 else low + i * step
        h = log_posterior(u, y, v, prior, logw, mean, precision)
        if h > peak:
            top, peak = u, h
    if not math.isfinite(peak):
        return 0, 0.0, 0.0
    a, b = max(top - step, low), min(top + step, high)
    for _ in range(40):
        if b - a < 1e-9 * max(1.0, abs(top)):
            break
        best = top
        for i in range(1, 8):
            u = a + (b - a) * i / 8
            h = log_posterior(u, y, v, prior, logw, mean, precision)
            if h > peak:
                best, peak = u, h
        gap = (b - a) / 8
        a, b, top = max(best - gap, a), min(best + gap, b), best
        ends = min(log_posterior(a, y, v, prior, logw, mean, precision), log_posterior(b, y, v, prior, logw, mean, precision))
        if peak - ends < 0.05:
            break
    # edges: plain ones about the bulk, wider and wider ones outwards, closer ones about a thin peak
    edges = np.empty(MOST)
    n = 0
    low, high = low + 2, max(high - 3, low + 3)
    high = min(high, stop)
    inner = math.ceil(high - low)
    for i in range(inner + 1):
        edges[n] = low + (high - low) * i / inner
        n += 1
    for side in (-1.0, 1.0):
        u, reach = (low, 1.0) if side < 0 else (high, 1.0)
        while not (side > 0 and u >= stop):
            h = log_posterior(u, y, v, prior, logw, mean, precision) + moments * max(u - top, 0.0)
            if h < peak - _DROP and abs(u - top) > 1:
                break
            u = u + side * reach
            if side > 0:
                u = min(u, stop)
            reach *= 1.5
            if n >= MOST // 2 or (side > 0 and u > _FAR):
                return 0, 0.0, 0.0
            if u <= -_FAR:  # powers of log tau never quite die away: what is left there must be next to nothing
                if h > peak - 20:
                    return 0, 0.0, 0.0
                edges[n] = -_FAR
                n += 1
                break
            edges[n] = u
            n += 1
        thin, r = 0.0, max(0.5 * (b - a), 1e-10)
        while r < 0.2:
            if peak - log_posterior(top + side * r, y, v, prior, logw, mean, precision) > 1 or (side > 0 and top + r > stop):
                thin = r
                break
            r *= 2
        r = thin
        while 0 < r < 0.6:
            u = top + side * r
            if low < u < high:
                edges[n] = u
                n += 1
            r *= 2
    edges[n] = top
    n += 1
    order = np.sort(edges[:n])
    count = 0
    total = 0.0
    for i in range(n - 1):
        if order[i + 1] - order[i] > 1e-12 * max(1.0, abs(order[i])):
            left[count], width[count] = order[i], order[i + 1] - order[i]
            total += _panel(left[count], width[count], peak, values[count], y, v, prior, logw, mean, precision)
            count += 1
    if not (math.isfinite(total) and total > 0):
        return 0, 0.0, 0.0
    noise = 8 * 2.3e-16 * abs(peak)
    i, judged = 0, total
    while i < count:
        last = most_value = mass = 0.0
        for j in range(ORDER):
            most_value = max(most_value, values[i, j])
            mass += W[j] * values[i, j]
        mass *= width[i] / 2
        for c in range(ORDER - 3, ORDER):
            part = 0.0
            for j in range(ORDER):
                part += TO_COEF[c, j] * values[i, j]
            last += abs(part)
        rough = last * width[i] > max(_TOLERANCE * total, noise * mass)
        if not rough and mass > 1e-12 * total:
            rough = _travel(left[i], width[i], y, v, mean, precision) > _TRAVEL
        if rough and width[i] > 1e-9 * max(1.0, abs(left[i])):
            if count >= MOST:
                return 0, 0.0, 0.0
            for j in range(count, i + 1, -1):  # make room: panels stay in order
                left[j], width[j] = left[j - 1], width[j - 1]
                values[j] = values[j - 1]
            count += 1
            half = width[i] / 2
            left[i + 1], width[i + 1], width[i] = left[i] + half, half, half
            total -= mass
            total += _panel(left[i], half, peak, values[i], y, v, prior, logw, mean, precision)
            total += _panel(left[i + 1], half, peak, values[i + 1], y, v, prior, logw, mean, precision)
        else:
            i += 1
        # a thin peak may have passed for more mass than it holds: judge all again by the total as it turned out
        if i == count and total < 0.5 * judged:
            i, judged = 0, total
    total = 0.0
    before[0] = 0.0
    for i in range(count):
        mass = 0.0
        for j in range(ORDER):
            mass += W[j] * values[i, j]
        total += mass * width[i] / 2
        before[i + 1] = total
    for i in range(count):
        before[i + 1] /= total
        for j in range(ORDER):
            values[i, j] /= total
    return count, math.log(total) + peak, top
