"""Compiled density of log tau in the normal-normal model, normalised panel by panel."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.formulas import log_prior
from vfmeta.kernels.mixtures import ORDER, TO_COEF, W, X
from vfmeta.kernels.normal_tail import FAST, small_exp

MOST = 400  # panels
VALUE, SQUARE, TOTAL, POOLED = range(4)  # what is kept of each node: density, tau^2, sum of weights, weighted mean
_DROP = 44.0
_FAR = 300.0
_TOLERANCE = 1e-9  # of the last coefficients; the integrals, exact to twice the degree, are far closer
_TRAVEL = 6.0


@njit(cache=True, nogil=True, error_model="numpy")
def packed(
    y: np.ndarray, v: np.ndarray, prior: np.ndarray, logw: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data and priors of one meta-analysis as the three arrays that the functions here take.

    ``studies`` (2, k): effects and variances; ``known`` (7,): parameters, formula and constant of the prior of tau, the
    smallest variance, and how many ratios of total variances can be multiplied before they overflow; ``mu`` (4, J): log
    weights, means and precisions of the components of the prior of mu, and room to work in.
    """
    studies, known, mu = np.empty((2, len(y))), np.empty(7), np.empty((4, len(mean)))
    studies[0], studies[1] = y, v
    mu[0], mu[1], mu[2] = logw, mean, precision
    known[:5], known[5] = prior, v.min()
    ratio = math.log(v.max()) - math.log(known[5])
    known[6] = len(v) if ratio * len(v) < 600 else max(1.0, float(int(600 / ratio)))
    return studies, known, mu


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def sums(t2: float, studies: np.ndarray, known: np.ndarray) -> tuple[float, float, float, float]:
    """Sum of weights, weighted mean, weighted squares about it, and log determinant at a given tau^2."""
    k, run, unit = studies.shape[1], int(known[6]), 1 / (known[5] + t2)
    total = pulled = q = logs = 0.0
    for i in range(k):
        w = 1 / (studies[1, i] + t2)
        total += w
        pulled += w * studies[0, i]
    centre = pulled / total
    for i in range(k):
        d = studies[0, i] - centre
        q += d * d / (studies[1, i] + t2)
    for first in range(0, k, run):
        product = 1.0
        for i in range(first, min(first + run, k)):
            product *= (studies[1, i] + t2) * unit
        logs += math.log(product)
    return total, centre, q, logs - k * math.log(unit)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def shares(total: float, pooled: float, mu: np.ndarray) -> tuple[float, float]:
    """Weights of the components of mu's prior given tau, left in ``mu[3]``: log of their unit, and their sum."""
    best, n = -math.inf, mu.shape[1]
    for c in range(n):
        ratio = mu[2, c] / (total + mu[2, c])
        mu[3, c] = mu[0, c] - 0.5 * (pooled - mu[1, c]) ** 2 * total * ratio
    for c in range(n):
        best = max(best, mu[3, c])
    added = 0.0
    for c in range(n):
        mu[3, c] = math.sqrt(mu[2, c] / (total + mu[2, c])) * small_exp(mu[3, c] - best)
        added += mu[3, c]
    return best, added


@njit(cache=True, nogil=True, error_model="numpy")
def _of_mu(total: float, pooled: float, mu: np.ndarray) -> float:
    """Log of the likelihood's normal integrated over the prior of mu, data constants aside."""
    if mu[2, 0] == 0:
        return -0.5 * math.log(total)
    if mu.shape[1] == 1:
        ratio = mu[2, 0] / (total + mu[2, 0])
        return mu[0, 0] + 0.5 * math.log(ratio) - 0.5 * (pooled - mu[1, 0]) ** 2 * total * ratio
    best, added = shares(total, pooled, mu)
    return best + math.log(added)


@njit(cache=True, nogil=True, error_model="numpy")
def log_posterior(u: float, studies: np.ndarray, known: np.ndarray, mu: np.ndarray) -> float:
    """Log of prior times likelihood, integrated over mu, as a density of u = log tau; (2 pi)^(-k/2) left out."""
    return _at(u, studies, known, mu)[0]


@njit(cache=True, nogil=True, error_model="numpy")
def _at(u: float, studies: np.ndarray, known: np.ndarray, mu: np.ndarray) -> tuple[float, float, float, float]:
    """`log_posterior`, tau^2, sum of weights and weighted mean at u = log tau."""
    t2 = math.exp(2 * u)
    total, pooled, q, logs = sums(t2, studies, known)
    height = known[4] + log_prior(u, math.exp(u), known, studies[1]) + u - 0.5 * (logs + q) + _of_mu(total, pooled, mu)
    return height, t2, total, pooled


@njit(cache=True, nogil=True, error_model="numpy")
def _panel(left: float, width: float, peak: float, studies: np.ndarray, known: np.ndarray, mu: np.ndarray,
           held: np.ndarray) -> float:  # fmt: skip
    """Fill the nodes of a panel, held (4, 16), densities relative to the peak; its mass."""
    mass = 0.0
    for j in range(ORDER):
        height, held[SQUARE, j], held[TOTAL, j], held[POOLED, j] = _at(left + width * (X[j] + 1) / 2, studies, known, mu)
        held[VALUE, j] = math.exp(min(height - peak, 700.0))
        mass += W[j] * held[VALUE, j]
    return mass * width / 2


@njit(cache=True, nogil=True, error_model="numpy")
def _travel(held: np.ndarray, studies: np.ndarray, known: np.ndarray, mu: np.ndarray) -> float:
    """Largest distance that a conditional mean of mu or of a study effect moves over a panel, in its smallest SD."""
    worst = 0.0
    prior = mu[2, 0]
    for i in range(-1, studies.shape[1]):
        low, high, least = math.inf, -math.inf, math.inf
        for j in range(0, ORDER, 5):  # both ends and between
            total = held[TOTAL, j] + prior
            a, s2 = (held[TOTAL, j] * held[POOLED, j] + prior * mu[1, 0]) / total, 1 / total
            if i >= 0:
                pull = studies[1, i] / (studies[1, i] + held[SQUARE, j])
                a, s2 = studies[0, i] * (1 - pull) + a * pull, held[SQUARE, j] * pull + pull * pull * s2
            low, high, least = min(low, a), max(high, a), min(least, s2)
        worst = max(worst, (high - low) / math.sqrt(least))
    return worst


@njit(cache=True, nogil=True, error_model="numpy")
def _peak(studies: np.ndarray, known: np.ndarray, mu: np.ndarray, low: float, high: float) -> tuple[float, float, float]:
    """Place and height of the maximum of the log density, and a width over which it hardly falls."""
    count = min(400, int((high - low) / 0.25) + 2)
    step = (high - low) / (count - 1)
    top, peak = low, -math.inf
    for i in range(count):
        u = high if i == count - 1 else low + i * step
        h = log_posterior(u, studies, known, mu)
        if h > peak:
            top, peak = u, h
    a, b = max(top - step, low), min(top + step, high)
    for _ in range(40):
        if b - a < 1e-9 * max(1.0, abs(top)) or not math.isfinite(peak):
            break
        gap, best = (b - a) / 8, top
        for i in range(1, 8):
            h = log_posterior(a + gap * i, studies, known, mu)
            if h > peak:
                best, peak = a + gap * i, h
        a, b, top = max(best - gap, a), min(best + gap, b), best
        if peak - min(log_posterior(a, studies, known, mu), log_posterior(b, studies, known, mu)) < 0.05:
            break
    return top, peak, b - a


@njit(cache=True, nogil=True, error_model="numpy")
def _edges(studies: np.ndarray, known: np.ndarray, mu: np.ndarray, low: float, high: float, stop: float, top: float,
           peak: float, flat: float, moments: int, edges: np.ndarray) -> int:  # fmt: skip
    """Panel edges: plain ones about the bulk, wider and wider ones outwards, closer ones about a thin peak; 0 if endless."""
    n = 0
    inner = math.ceil(high - low)
    if not inner < MOST // 4:  # priors of absurd scale; the edges must fit
        return 0
    for i in range(inner + 1):
        edges[n] = low + (high - low) * i / inner
        n += 1
    for side in (-1.0, 1.0):
        u, reach = (low, 1.0) if side < 0 else (high, 1.0)
        while not (side > 0 and u >= stop):
            h = log_posterior(u, studies, known, mu) + moments * max(u - top, 0.0)
            if h < peak - _DROP and abs(u - top) > 1:
                break
            u = u + side * reach
            if side > 0:
                u = min(u, stop)
            reach *= 1.5
            if n >= MOST // 2 or (side > 0 and u > _FAR):
                return 0
            if u <= -_FAR:  # powers of log tau never quite die away: what is left there must be next to nothing
                if h > peak - 20:
                    return 0
                edges[n] = -_FAR
                n += 1
                break
            edges[n] = u
            n += 1
        thin, r = 0.0, max(0.5 * flat, 1e-10)
        while r < 0.2:
            if peak - log_posterior(top + side * r, studies, known, mu) > 1 or (side > 0 and top + r > stop):
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
    return n + 1


@njit(cache=True, nogil=True, error_model="numpy")
def panels(studies: np.ndarray, known: np.ndarray, mu: np.ndarray, size: float, end: float, moments: int,
           left: np.ndarray, width: np.ndarray, held: np.ndarray, before: np.ndarray) -> tuple[int, float, float]:  # fmt: skip
    """Normalise the density of u; fills the panels and returns their number (0: not solved), the log mass and the mode.

    ``left``, ``width`` (MOST,), ``held`` (MOST, 4, 16), ``before`` (MOST + 1,): see `vfmeta.kernels.normal_normal.solve`.
    """
    spread = studies[0].max() - studies[0].min()
    if mu[2, 0] > 0:
        spread = max(spread, abs(mu[1, 0]))
    least, most = math.sqrt(known[5]), math.sqrt(studies[1].max())
    if spread > 0:
        least, most = min(least, spread), max(most, spread)
    if size > 0:
        least, most = min(least, size), max(most, size)
    stop = math.log(end)
    low, high = math.log(least) - 4, min(math.log(most) + 4, stop)
    low = min(low, high - 4)
    top, peak, flat = _peak(studies, known, mu, low, high)
    if not math.isfinite(peak):
        return 0, 0.0, 0.0
    low, high = low + 2, max(high - 3, low + 3)
    edges = np.empty(MOST)
    n = _edges(studies, known, mu, low, min(high, stop), stop, top, peak, flat, moments, edges)
    order = np.sort(edges[:n])
    count = 0
    total = 0.0
    for i in range(n - 1):
        if order[i + 1] - order[i] > 1e-12 * max(1.0, abs(order[i])):
            left[count], width[count] = order[i], order[i + 1] - order[i]
            total += _panel(left[count], width[count], peak, studies, known, mu, held[count])
            count += 1
    if not (math.isfinite(total) and total > 0):
        return 0, 0.0, 0.0
    noise = 8 * 2.3e-16 * abs(peak)
    i, judged = 0, total
    while i < count:
        last = mass = 0.0
        for j in range(ORDER):
            mass += W[j] * held[i, VALUE, j]
        mass *= width[i] / 2
        for c in range(ORDER - 3, ORDER):
            part = 0.0
            for j in range(ORDER):
                part += TO_COEF[c, j] * held[i, VALUE, j]
            last += abs(part)
        rough = last * width[i] > max(_TOLERANCE * total, noise * mass)
        if not rough and mass > 1e-12 * total:
            rough = _travel(held[i], studies, known, mu) > _TRAVEL
        if rough and width[i] > 1e-9 * max(1.0, abs(left[i])):
            if count >= MOST:
                return 0, 0.0, 0.0
            for j in range(count, i + 1, -1):  # make room: panels stay in order
                left[j], width[j] = left[j - 1], width[j - 1]
                held[j] = held[j - 1]
            count += 1
            half = width[i] / 2
            left[i + 1], width[i + 1], width[i] = left[i] + half, half, half
            total -= mass
            total += _panel(left[i], half, peak, studies, known, mu, held[i])
            total += _panel(left[i + 1], half, peak, studies, known, mu, held[i + 1])
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
            mass += W[j] * held[i, VALUE, j]
        total += mass * width[i] / 2
        before[i + 1] = total
    for i in range(count):
        before[i + 1] /= total
        for j in range(ORDER):
            held[i, VALUE, j] /= total
    return count, math.log(total) + peak, top
