"""Compiled posterior of the normal-normal model, one row a meta-analysis.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ a mixture of normals or flat,  tau ~ one of the priors coded below.

Given tau all is normal (Lindley & Smith 1972, JRSS B 34:1-41), so panels of sixteen Gauss-Legendre nodes over u = log tau
turn every marginal into a mixture of normals. Panels are halved until the last Legendre coefficients of the density vanish
and until no conditional mean travels far over a panel in its own standard deviations.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.mixtures import ORDER, W, X, cdf, groups, leading, mode, panel_quantile, quantile, trace
from vfmeta.kernels.panels import MOST, component, log_posterior, panels, sums

SOLVED, UNSOLVED = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def _tau_mode(count: int, left: np.ndarray, width: np.ndarray, values: np.ndarray, y: np.ndarray, v: np.ndarray,
              prior: np.ndarray, logw: np.ndarray, mean: np.ndarray, precision: np.ndarray, end: float) -> float:  # fmt: skip
    """Highest point of the density of tau (not of log tau); zero where it falls from the start."""
    best, height, wide = left[0], -1.0, 1.0
    for i in range(count):
        for j in range(ORDER):
            u = left[i] + width[i] * (X[j] + 1) / 2
            if values[i, j] > 0 and values[i, j] * math.exp(-u) > height:
                best, height, wide = u, values[i, j] * math.exp(-u), width[i]
    last = left[count - 1] + width[count - 1]
    a, b = best - 0.2 * wide, min(best + 0.2 * wide, last)
    top = -math.inf
    for _ in range(60):
        if b - a <= 1e-8:
            break
        gap = (b - a) / 4
        for i in range(5):
            u = a + gap * i
            h = log_posterior(u, y, v, prior, logw, mean, precision) - u
            if h > top:
                best, top = u, h
        a, b = max(best - gap, a), min(best + gap, b)
    reach = left[0]
    for i in range(count):
        if values[i].max() > 1e-4:
            reach = left[i]
    return 0.0 if best < reach - 16 else math.exp(best)


@njit(cache=True, nogil=True, error_model="numpy")
def solve(y0: np.ndarray, v: np.ndarray, prior: np.ndarray, logw: np.ndarray, mean0: np.ndarray, precision: np.ndarray,
          size: float, end: float, tail: float, prob: np.ndarray, at: np.ndarray, at_tau: float, at_theta: np.ndarray,
          points: int, head: np.ndarray, limits: np.ndarray, below: np.ndarray, study: np.ndarray,
          grid: np.ndarray) -> int:  # fmt: skip
    """One meta-analysis.

    Parameters
    ----------
    y0, v : (k,)
    prior : (4,)
        Code and parameters of the prior of tau.
    logw, mean0, precision : (J,)
        Components of the prior of mu; one of precision 0 is flat.
    size, end, tail : float
        Typical value of tau's prior (0: none), end of its support, and the a of a posterior tail tau^(-1-a).
    prob : (n,)
        Probabilities of the quantiles.
    at : (m,)
        Where P(mu < x) and P(next < x) are wanted; ``at_tau``, ``at_theta`` (k,) or (0,) likewise.
    points : int
        Length of the traced density of mu (0: none, and no modes).
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
        Places and densities.

    Returns
    -------
    int
        SOLVED, or UNSOLVED where the panels did not settle.
    """
    k, parts = len(y0), len(mean0) if precision[0] > 0 else 1
    centre = y0[np.argmin(v)]  # counted from the most precise study, so that differences keep their digits
    y, mean = y0 - centre, mean0 - centre
    left, width, before = np.empty(MOST), np.empty(MOST), np.empty(MOST + 1)
    values = np.empty((MOST, ORDER))
    moments = 2 if tail > 2 else 1 if tail > 1 else 0
    count, log_mass, top = panels(y, v, prior, logw, mean, precision, size, end, moments, left, width, values, before)
    head[0] = log_mass
    if count == 0:
        return UNSOLVED
    # nodes: moments of tau over all of them, mixtures over those that carry mass
    n = 0
    held = np.empty((4, (count * ORDER + 1) * parts))
    p, m, s, t2 = held[0], held[1], held[2], held[3]
    first = second = 0.0
    share = np.zeros(k)
    borrowed = 0.0
    # far below the smallest standard error nothing curves in tau^2 any more: such nodes become one of their mean tau^2
    still = 1e-4 * math.sqrt(v.min())
    masses, squares = np.empty(count * ORDER + 1), np.empty(count * ORDER + 1)
    nodes = 1
    wide = math.exp(2 * top) + v.max()
    masses[0] = squares[0] = 0.0
    for i in range(count):
        for j in range(ORDER):
            mass = values[i, j] * W[j] * width[i] / 2
            t = math.exp(left[i] + width[i] * (X[j] + 1) / 2)
            first += mass * t
            second += mass * t * t
            if t < still:
                masses[0] += mass
                squares[0] += mass * t * t
            elif mass >= 1e-15 or (tail > 2 and mass * t * t >= 1e-14 * wide):
                masses[nodes], squares[nodes] = mass, t * t
                nodes += 1
    if masses[0] > 0:
        squares[0] /= masses[0]
    for node in range(nodes):
        mass, square = masses[node], squares[node]
        if mass == 0:
            continue
        total, pooled, _, _ = sums(square, y, v)
        for i in range(k):
            share[i] += mass / ((v[i] + square) * total)
        norm, best = 1.0, 0.0
        if parts > 1:
            best, norm = -math.inf, 0.0
            for c in range(parts):
                best = max(best, component(total, pooled, logw[c], mean[c], precision[c]))
            for c in range(parts):
                norm += math.exp(component(total, pooled, logw[c], mean[c], precision[c]) - best)
        for c in range(parts):
            weight = mass
            if parts > 1:
                weight *= math.exp(component(total, pooled, logw[c], mean[c], precision[c]) - best) / norm
                if weight < 1e-12 and (tail <= 2 or weight * square < 1e-12 * wide):
                    continue
            both = total + precision[c]
            p[n], t2[n] = weight, square
            m[n], s[n] = (total * pooled + precision[c] * mean[c]) / both, 1 / math.sqrt(both)
            borrowed += weight * precision[c] / both
            n += 1
    p, m, s, t2 = p[:n], m[:n], s[:n], t2[:n]
    whole = p.sum()
    p /= whole
    share /= share.sum()
    proper = precision[0] > 0
    head[1] = first if tail > 1 else math.inf
    head[2] = math.sqrt(max(second - first * first, 0.0)) if tail > 2 else math.inf
    if tail > 2:  # the difference of squares loses digits where tau is sharp
        spread2 = 0.0
        for i in range(count):
            for j in range(ORDER):
                t = math.exp(left[i] + width[i] * (X[j] + 1) / 2)
                spread2 += values[i, j] * W[j] * width[i] / 2 * (t - first) ** 2
        head[2] = math.sqrt(spread2)
    ahead = np.sqrt(s * s + t2)
    centre_mu = (p * m).sum()
    middle = (p * (m - centre_mu) ** 2).sum()
    sd_mu, sd_next = math.sqrt((p * s * s).sum() + middle), math.sqrt((p * ahead * ahead).sum() + middle)
    head[3], head[4] = centre + centre_mu, sd_mu if (tail > 2 or proper) else math.inf
    head[5], head[6] = centre + centre_mu, sd_next if tail > 2 else math.inf
    head[10] = borrowed / whole
    coarse = np.empty((3, 24))
    g_mu = np.empty((3, 24))
    n_mu = groups(p, m, s, g_mu)
    n_next = groups(p, m, ahead, coarse)
    for q in range(len(prob)):
        limits[0, q] = math.exp(panel_quantile(prob[q], left, width, values, before, count))
        limits[1, q] = centre + _quantile(prob[q], g_mu[:, :n_mu], p, m, s)
        limits[2, q] = centre + _quantile(prob[q], coarse[:, :n_next], p, m, ahead)
    for a in range(len(at)):
        below[0, a] = cdf(at[a] - centre, p, m, s)
        below[1, a] = cdf(at[a] - centre, p, m, ahead)
    if at_tau > 0:
        u = math.log(at_tau)
        if u >= left[count - 1] + width[count - 1]:
            head[11] = 1.0
        elif u > left[0]:
            j = min(max(np.searchsorted(left[:count], u, side="right") - 1, 0), count - 1)
            head[11] = before[j] + leading(values[j], (u - left[j]) / width[j]) * width[j] / 2
        else:
            head[11] = 0.0
    if study.shape[0] == 6:
        own, spread = np.empty(n), np.empty(n)
        for i in range(k):
            for j in range(n):
                pull = v[i] / (v[i] + t2[j])
                own[j] = y[i] * (1 - pull) + m[j] * pull
                spread[j] = math.sqrt(t2[j] * pull + (pull * s[j]) ** 2)
            at_mean = (p * own).sum()
            sd = math.sqrt((p * (spread * spread + (own - at_mean) ** 2)).sum())
            study[0, i], study[1, i], study[2, i] = share[i], centre + at_mean, sd
            some = groups(p, own, spread, coarse)
            study[3, i] = centre + _quantile(prob[0], coarse[:, :some], p, own, spread)
            study[4, i] = centre + _quantile(prob[-1], coarse[:, :some], p, own, spread)
            if len(at_theta) == k:
                study[5, i] = cdf(at_theta[i] - centre, p, own, spread)
    if points > 1:
        low, high = _quantile(0.0005, g_mu[:, :n_mu], p, m, s), _quantile(0.9995, g_mu[:, :n_mu], p, m, s)
        trace(low, high, p, m, s, grid[1])
        for i in range(points):
            grid[0, i] = centre + low + (high - low) * i / (points - 1)
        head[8] = centre + mode(low, high, p, m, s)
        n_next = groups(p, m, ahead, coarse)
        a, b = _quantile(0.05, coarse[:, :n_next], p, m, ahead), _quantile(0.95, coarse[:, :n_next], p, m, ahead)
        head[9] = centre + mode(a, b, p, m, ahead)
        head[7] = _tau_mode(count, left, width, values, y, v, prior, logw, mean, precision, end)
        if not (math.isfinite(head[8]) and math.isfinite(head[9])):
            return UNSOLVED
    return SOLVED


@njit(cache=True, nogil=True, error_model="numpy")
def _quantile(prob: float, coarse: np.ndarray, p: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """A quantile, begun at that of a few normals that stand for the many."""
    heart = np.argmax(coarse[0])
    start = quantile(prob, coarse[1, heart], coarse[2, heart], coarse[0], coarse[1], coarse[2])
    return quantile(prob, start, coarse[2, heart], p, m, s)


@njit(cache=True, nogil=True, error_model="numpy")
def solve_rows(first: int, last: int, start: np.ndarray, y: np.ndarray, v: np.ndarray, prior: np.ndarray,
               logw: np.ndarray, mean: np.ndarray, precision: np.ndarray, size: np.ndarray, end: np.ndarray, tail: np.ndarray,
               prob: np.ndarray, at: np.ndarray, at_tau: np.ndarray, at_theta: np.ndarray,
               studies: bool, head: np.ndarray, limits: np.ndarray,
               below: np.ndarray, study: np.ndarray, status: np.ndarray) -> None:  # fmt: skip
    """Rows ``first`` to ``last`` of a batch; row b has the studies ``start[b]:start[b + 1]`` of y, v, at_theta and study."""
    none, empty = np.empty((0, 0)), np.empty(0)
    grid = np.empty((2, 0))
    for b in range(first, last):
        i, j = start[b], start[b + 1]
        out = np.zeros((6, j - i)) if studies else none
        aims = at_theta[i:j] if len(at_theta) else empty
        status[b] = solve(y[i:j], v[i:j], prior[b], logw[b], mean[b], precision[b], size[b], end[b], tail[b], prob, at[b],
                          at_tau[b], aims, 0, head[b], limits[b], below[b], out, grid)  # fmt: skip
        if studies:
            study[:, i:j] = out
