"""Compiled posterior of the normal-normal model, one row a meta-analysis.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ normals mixed, or flat,  tau ~ a prior with a formula (`formulas`).

Given tau all is normal (Lindley & Smith 1972, JRSS B 34:1-41), so panels of sixteen Gauss-Legendre nodes over u = log tau
turn every marginal into a mixture of normals. Panels are halved until the last Legendre coefficients of the density vanish
and until no conditional mean travels far over a panel in its own standard deviations.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, W, X, cdf, groups, leading, mode, panel_quantile, quantile, trace
from vfmeta.kernels.normal_tail import FAST
from vfmeta.kernels.panels import MOST, POOLED, SQUARE, TOTAL, VALUE, log_posterior, packed, panels, shares, sums
from vfmeta.kernels.shortest import shortest_mixture, shortest_tau

SOLVED, UNSOLVED = 0, 1
GROUPS = 64


@njit(cache=True, nogil=True, error_model="numpy")
def _tau_mode(count: int, left: np.ndarray, width: np.ndarray, held: np.ndarray, studies: np.ndarray, known: np.ndarray,
              mu: np.ndarray) -> float:  # fmt: skip
    """Highest point of the density of tau (not of log tau); zero where it falls from the start."""
    best, height, wide = left[0], -1.0, 1.0
    for i in range(count):
        for j in range(ORDER):
            here = held[i, VALUE, j]
            if here > 0 and here > height * math.sqrt(held[i, SQUARE, j]):
                best, height, wide = left[i] + width[i] * (X[j] + 1) / 2, here / math.sqrt(held[i, SQUARE, j]), width[i]
    last = left[count - 1] + width[count - 1]
    a, b = best - 0.2 * wide, min(best + 0.2 * wide, last)
    top = -math.inf
    for _ in range(60):
        if b - a <= 1e-8:
            break
        gap = (b - a) / 4
        for i in range(5):
            u = a + gap * i
            h = log_posterior(u, studies, known, mu) - u
            if h > top:
                best, top = u, h
        a, b = max(best - gap, a), min(best + gap, b)
    reach = left[0]
    for i in range(count):
        if held[i, VALUE].max() > 1e-4:
            reach = left[i]
    return 0.0 if best < reach - 16 else math.exp(best)


@njit(cache=True, nogil=True, error_model="numpy")
def _nodes(count: int, width: np.ndarray, held: np.ndarray, studies: np.ndarray, known: np.ndarray, tail: float, wide: float,
           out: np.ndarray) -> int:  # fmt: skip
    """Nodes that carry mass: out (4, N) takes mass, tau^2, sum of weights and weighted mean; returns their number.

    Far below the smallest standard error nothing curves in tau^2 any more: such nodes become one of their mean tau^2.
    """
    still = 1e-8 * known[5]
    n, low, square = 1, 0.0, 0.0
    for i in range(count):
        for j in range(ORDER):
            mass, t2 = held[i, VALUE, j] * W[j] * width[i] / 2, held[i, SQUARE, j]
            if t2 < still:
                low += mass
                square += mass * t2
            elif mass >= 1e-15 or (tail > 2 and mass * t2 >= 1e-14 * wide):
                out[0, n], out[1, n], out[2, n], out[3, n] = mass, t2, held[i, TOTAL, j], held[i, POOLED, j]
                n += 1
    out[0, 0], out[1, 0] = low, square / low if low > 0 else 0.0
    out[2, 0], out[3, 0], _, _ = sums(out[1, 0], studies, known)
    return n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _share(count: int, nodes: np.ndarray, v: np.ndarray, out: np.ndarray) -> None:
    """Shares of the studies (k,) in the estimate of mu, averaged over the first ``count`` nodes (4, N)."""
    whole = 0.0
    for i in range(len(v)):
        total = 0.0
        for j in range(count):
            total += nodes[0, j] / ((v[i] + nodes[1, j]) * nodes[2, j])
        out[i] = total
        whole += total
    for i in range(len(v)):
        out[i] /= whole


@njit(cache=True, nogil=True, error_model="numpy")
def _mixture(count: int, nodes: np.ndarray, mu: np.ndarray, tail: float, wide: float,
             out: np.ndarray) -> tuple[int, float]:  # fmt: skip
    """Nodes (4, N) times components of mu's prior as normals of mu: out takes mass, mean, SD, tau^2; number, prior's share."""
    n, borrowed = 0, 0.0
    parts = mu.shape[1] if mu[2, 0] > 0 else 1
    for node in range(count):
        mass, square, total, pooled = nodes[0, node], nodes[1, node], nodes[2, node], nodes[3, node]
        if mass == 0:
            continue
        whole = 1.0
        if parts > 1:
            _, whole = shares(total, pooled, mu)
        for c in range(parts):
            weight = mass
            if parts > 1:
                weight *= mu[3, c] / whole
                if weight < 1e-12 and (tail <= 2 or weight * square < 1e-12 * wide):
                    continue
            precision = mu[2, c]
            both = total + precision
            out[0, n], out[1, n] = weight, (total * pooled + precision * mu[1, c]) / both
            out[2, n], out[3, n] = 1 / math.sqrt(both), square
            borrowed += weight * precision / both
            n += 1
    return n, borrowed


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _study(y: float, v: float, p: np.ndarray, m: np.ndarray, s: np.ndarray, t2: np.ndarray, own: np.ndarray,
           spread: np.ndarray) -> tuple[float, float]:  # fmt: skip
    """Means and SDs (N,) of a true study effect given tau, for normals p, m, s (N,) of mu at t2 (N,); its own mean and SD."""
    mean = 0.0
    for j in range(len(p)):
        pull = v / (v + t2[j])
        own[j] = y * (1 - pull) + m[j] * pull
        spread[j] = math.sqrt(t2[j] * pull + (pull * s[j]) ** 2)
        mean += p[j] * own[j]
    total = 0.0
    for j in range(len(p)):
        total += p[j] * (spread[j] * spread[j] + (own[j] - mean) ** 2)
    return mean, math.sqrt(total)


@njit(cache=True, nogil=True, error_model="numpy")
def solve(y0: np.ndarray, v: np.ndarray, prior: np.ndarray, logw: np.ndarray, mean0: np.ndarray, precision: np.ndarray,
          size: float, end: float, tail: float, prob: np.ndarray, level: float, at: np.ndarray, at_tau: float,
          at_theta: np.ndarray, head: np.ndarray, limits: np.ndarray, below: np.ndarray, study: np.ndarray,
          grid: np.ndarray) -> int:  # fmt: skip
    """One meta-analysis.

    Parameters
    ----------
    y0, v : (k,)
    prior : (5,)
        Three parameters, address of the formula, and constant of the prior of tau (`formulas`).
    logw, mean0, precision : (J,)
        Components of the prior of mu; one of precision 0 is flat.
    size, end, tail : float
        Typical value of tau's prior (0: none), end of its support, and the a of a posterior tail tau^(-1-a).
    prob : (n,)
        Probabilities of the quantiles.
    level : float
        Where above 0, the first and the last quantile give way to the ends of the shortest intervals of this probability.
    at : (m,)
        Where P(mu < x) and P(next < x) are wanted; ``at_tau``, ``at_theta`` (k,) or (0,) likewise.
    head : (12,), out
        Log mass, mean and SD of tau, mu, next; modes of tau, mu, next; share of the prior in mu (0-1); P(tau < at_tau).
    limits : (3, n), out
        Quantiles of tau, mu, next.
    below : (2, m), out
        P(mu < at), P(next < at).
    study : (6, k), out
        Share of weight (0-1), mean, SD, lowest and highest of the quantiles asked for, P(theta < at_theta); a row count
        below 6 skips the studies.
    grid : (2, points), out
        Places and densities of the traced density of mu; none where it is empty, and no modes.

    Returns
    -------
    int
        SOLVED, or UNSOLVED where the prior has no formula or the panels did not settle.
    """
    if prior[3] == 0:  # a prior without a formula
        return UNSOLVED
    k, parts = len(y0), len(mean0) if precision[0] > 0 else 1
    centre = y0[np.argmin(v)]  # counted from the most precise study, so that differences keep their digits
    studies, known, mu = packed(y0 - centre, v, prior, logw, mean0 - centre, precision)
    left, width, before = np.empty(MOST), np.empty(MOST), np.empty(MOST + 1)
    held = np.empty((MOST, 4, ORDER))
    moments = 2 if tail > 2 else 1 if tail > 1 else 0
    count, log_mass, top = panels(studies, known, mu, size, end, moments, left, width, held, before)
    head[0] = log_mass
    if count == 0:
        return UNSOLVED
    wide = math.exp(2 * top) + v.max()
    nodes = np.empty((4, count * ORDER + 1))
    live = _nodes(count, width, held, studies, known, tail, wide, nodes)
    room = np.empty((4, live * parts))
    n, borrowed = _mixture(live, nodes, mu, tail, wide, room)
    p, m, s, t2 = room[0][:n], room[1][:n], room[2][:n], room[3][:n]
    whole = p.sum()
    p /= whole
    first = second = 0.0  # moments of tau, over all nodes
    for i in range(count):
        for j in range(ORDER):
            first += held[i, VALUE, j] * W[j] * width[i] / 2 * math.sqrt(held[i, SQUARE, j])
    for i in range(count):
        for j in range(ORDER):
            second += held[i, VALUE, j] * W[j] * width[i] / 2 * (math.sqrt(held[i, SQUARE, j]) - first) ** 2
    head[1] = first if tail > 1 else math.inf
    head[2] = math.sqrt(second) if tail > 2 else math.inf
    proper = precision[0] > 0
    ahead = np.sqrt(s * s + t2)
    centre_mu = (p * m).sum()
    middle = (p * (m - centre_mu) ** 2).sum()
    sd_mu, sd_next = math.sqrt((p * s * s).sum() + middle), math.sqrt((p * ahead * ahead).sum() + middle)
    head[3], head[4] = centre + centre_mu, sd_mu if (tail > 2 or proper) else math.inf
    head[5], head[6] = centre + centre_mu, sd_next if tail > 2 else math.inf
    head[10] = borrowed / whole
    of_mu, of_next, few = np.empty((3, GROUPS)), np.empty((3, GROUPS)), np.empty((3, GROUPS))
    n_mu, n_next = groups(p, m, s, of_mu), groups(p, m, ahead, of_next)
    for q in range(len(prob)):
        limits[0, q] = math.exp(panel_quantile(prob[q], left, width, held[:, VALUE], before, count))
        limits[1, q] = centre + _quantile(prob[q], of_mu, n_mu, p, m, s)
        limits[2, q] = centre + _quantile(prob[q], of_next, n_next, p, m, ahead)
    if level > 0:
        for row in range(3):
            if row == 0:
                a, b = shortest_tau(level, count, left, width, held, before, end, studies, known, mu)
            elif row == 1:
                a, b = shortest_mixture(level, of_mu, n_mu, p, m, s)
            else:
                a, b = shortest_mixture(level, of_next, n_next, p, m, ahead)
            if math.isnan(a):
                return UNSOLVED
            shift = centre if row else 0.0
            limits[row, 0], limits[row, -1] = shift + a, shift + b
    for a in range(len(at)):
        below[0, a] = cdf(at[a] - centre, p, m, s)
        below[1, a] = cdf(at[a] - centre, p, m, ahead)
    if at_tau > 0:
        u = math.log(at_tau)
        if u >= left[count - 1] + width[count - 1]:
            head[11] = 1.0
        elif u > left[0]:
            j = min(max(np.searchsorted(left[:count], u, side="right") - 1, 0), count - 1)
            head[11] = before[j] + leading(held[j, VALUE], (u - left[j]) / width[j]) * width[j] / 2
        else:
            head[11] = 0.0
    if study.shape[0] == 6:
        _share(live, nodes, v, study[0])
        own, spread = np.empty(n), np.empty(n)
        for i in range(k):
            mean, sd = _study(studies[0, i], v[i], p, m, s, t2, own, spread)
            study[1, i], study[2, i] = centre + mean, sd
            some = groups(p, own, spread, few)
            if level > 0:
                low, high = shortest_mixture(level, few, some, p, own, spread)
                if math.isnan(low):
                    return UNSOLVED
            else:
                low, high = _quantile(prob[0], few, some, p, own, spread), _quantile(prob[-1], few, some, p, own, spread)
            study[3, i], study[4, i] = centre + low, centre + high
            if len(at_theta) == k:
                study[5, i] = cdf(at_theta[i] - centre, p, own, spread)
    points = grid.shape[1]
    if points > 1:
        low, high = _quantile(0.0005, of_mu, n_mu, p, m, s), _quantile(0.9995, of_mu, n_mu, p, m, s)
        trace(low, high, p, m, s, grid[1])
        for i in range(points):
            grid[0, i] = centre + low + (high - low) * i / (points - 1)
        head[8] = centre + mode(low, high, grid[1], p, m, s)
        a, b = _quantile(0.05, of_next, n_next, p, m, ahead), _quantile(0.95, of_next, n_next, p, m, ahead)
        scan = np.empty(61)
        trace(a, b, p, m, ahead, scan)
        head[9] = centre + mode(a, b, scan, p, m, ahead)
        head[7] = _tau_mode(count, left, width, held, studies, known, mu)
        if not (math.isfinite(head[8]) and math.isfinite(head[9])):
            return UNSOLVED
    return SOLVED


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(prob: float, coarse: np.ndarray, some: int, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """A quantile, begun at that of the few normals, coarse (3, G), that stand for the many."""
    heart = np.argmax(coarse[0][:some])
    start = quantile(prob, coarse[1, heart], coarse[2, heart], coarse[0][:some], coarse[1][:some], coarse[2][:some])
    return quantile(prob, start, coarse[2, heart], p, m, s)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_rows(first: int, last: int, start: np.ndarray, y: np.ndarray, v: np.ndarray, prior: np.ndarray,
               logw: np.ndarray, mean: np.ndarray, precision: np.ndarray, size: np.ndarray, end: np.ndarray, tail: np.ndarray,
               prob: np.ndarray, level: float, at: np.ndarray, at_tau: np.ndarray, at_theta: np.ndarray,
               studies: bool, head: np.ndarray, limits: np.ndarray,
               below: np.ndarray, study: np.ndarray, status: np.ndarray) -> None:  # fmt: skip
    """Rows ``first`` to ``last`` of a batch; row b has the studies ``start[b]:start[b + 1]`` of y, v, at_theta and study."""
    none, empty = np.empty((0, 0)), np.empty(0)
    grid = np.empty((2, 0))
    for b in range(first, last):
        i, j = start[b], start[b + 1]
        out = np.zeros((6, j - i)) if studies else none
        aims = at_theta[i:j] if len(at_theta) else empty
        status[b] = solve(y[i:j], v[i:j], prior[b], logw[b], mean[b], precision[b], size[b], end[b], tail[b], prob, level,
                          at[b], at_tau[b], aims, head[b], limits[b], below[b], out, grid)  # fmt: skip
        if studies:
            study[:, i:j] = out
