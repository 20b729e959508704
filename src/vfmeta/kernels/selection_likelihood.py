"""Compiled likelihood of weight-function selection models with exact first and second derivatives.

The density of an effect is w(p) N(y; mu, v + tau2) / A, where p is one-sided and small for large effects. Derivatives of A by
tau2 are those by mu: the normal density solves the heat equation, so that d/dtau2 = (1/2) d2/dmu2.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.selection_moments import Problem, cut_moments, grid_moments, span_of, step_moments, table_of
from vfmeta.kernels.selection_weights import BETA, STEP, natural, weigh

_NODES = 200_000


@njit(cache=True, nogil=True, error_model="numpy")
def tau2_of(pr: Problem, theta: np.ndarray, i: int) -> float:
    """Heterogeneity of a study; none where its log goes far below that of a sampling variance."""
    p, s = pr.x.shape[1], pr.z.shape[1]
    if s == 0:
        return float(theta[p])
    log_tau2 = pr.offset
    for j in range(s):
        log_tau2 += pr.z[i, j] * theta[p + j]
    return math.exp(min(log_tau2, 300.0)) if log_tau2 > -35 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(pr: Problem, theta: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> float:
    """Log likelihood at ``theta`` = (coefficients, tau2 or those of log tau2, parameters of the weights), -inf outside.

    Gradient (m,) and Hessian (m, m) are written where they are to go. Of each study ``m`` holds A and its first four
    derivatives by mu, in units of its SD, ``b`` (q, 3) those (to the second) of A by each parameter of the weights, and ``c``
    (q, q) the second derivatives by them, all up to a common factor.
    """
    k, p = pr.x.shape
    scales = pr.z.shape[1]
    t = max(scales, 1)
    q = theta.shape[0] - p - t
    gradient[:] = 0.0
    hessian[:] = 0.0
    w, delta, table, spans = pr.base.copy(), np.empty(q), np.empty((6, 0)), np.empty((k, 2))
    first = 0
    if pr.family == STEP:
        for j in range(w.shape[0]):
            if pr.column[j] >= 0:
                w[j] = math.exp(theta[p + t + pr.column[j]])
    else:
        edge = 0.0  # of a beta function: where the first integral diverges
        if scales == 0:
            edge = 1 - pr.least / (pr.least + tau2_of(pr, theta, 0))
        else:
            for i in range(k):
                edge = max(edge, 1 - pr.v[i] / (pr.v[i] + tau2_of(pr, theta, i)))
        delta = natural(pr.family, theta[p + t :], edge if pr.edge else 0.0)
        if pr.family == BETA and not pr.truncated and min(delta[0], delta[1]) < edge - 1e-15:
            return -math.inf
        if not pr.truncated:
            low, high = math.inf, -math.inf
            for i in range(k):
                se = math.sqrt(pr.v[i])
                mu = 0.0
                for j in range(p):
                    mu += pr.x[i, j] * theta[j]
                left, right = span_of(pr, delta, mu / se, math.sqrt(1 + tau2_of(pr, theta, i) / pr.v[i]))
                spans[i, 0], spans[i, 1] = left, right
                low, high = min(low, left), max(high, right)
            if not (high - low) / pr.step < _NODES:
                return -math.inf
            first = math.floor(low / pr.step)
            table = table_of(pr, delta, first, math.ceil(high / pr.step))
            if not table[0].max() < math.inf:
                return -math.inf
    m, b, c, here = np.empty(5), np.empty((q, 3)), np.empty((q, q)), np.empty(6)
    total = 0.0
    for i in range(k):
        tau2 = tau2_of(pr, theta, i)
        var = pr.v[i] + tau2
        sd = math.sqrt(var)
        mu = 0.0
        for j in range(p):
            mu += pr.x[i, j] * theta[j]
        m[:] = 0.0
        b[:] = 0.0
        c[:] = 0.0
        here[:] = 0.0
        if pr.family == STEP:
            log_a = step_moments(pr, w, i, mu, sd, m, b, c)
            here[0] = math.log(w[pr.own[i]])
        else:
            se = math.sqrt(pr.v[i])
            if pr.truncated:
                log_a = cut_moments(pr, delta, mu / se, sd / se, m, b, c)
            else:
                log_a = grid_moments(pr, table, first, spans[i], mu / se, sd / se, m, b, c)
            weigh(pr.family, delta, pr.logs[i, 0], pr.logs[i, 1], pr.logs[i, 2], here)
        if not (m[0] > 0 and math.isfinite(log_a)):
            return -math.inf
        r = pr.y[i] - mu
        total += here[0] - 0.5 * math.log(2 * math.pi * var) - 0.5 * r * r / var - log_a
        a1, a2, a3, a4 = m[1] / m[0] / sd, m[2] / m[0] / var, m[3] / m[0] / (var * sd), m[4] / m[0] / (var * var)
        l_mu, l_t = r / var - a1, 0.5 * (r * r / var - 1) / var - 0.5 * a2
        mm = -1 / var - a2 + a1 * a1
        mt = -r / (var * var) - 0.5 * a3 + 0.5 * a1 * a2
        tt = 0.5 / (var * var) - r * r / (var * var * var) - 0.25 * a4 + 0.25 * a2 * a2
        for j in range(p):
            xj = pr.x[i, j]
            gradient[j] += xj * l_mu
            for l in range(j, p):
                hessian[j, l] += xj * pr.x[i, l] * mm
        if scales == 0:
            gradient[p] += l_t
            hessian[p, p] += tt
            for j in range(p):
                hessian[j, p] += pr.x[i, j] * mt
        for a in range(scales):
            za = tau2 * pr.z[i, a]
            gradient[p + a] += za * l_t
            for j in range(p):
                hessian[j, p + a] += pr.x[i, j] * za * mt
            for l in range(a, scales):
                hessian[p + a, p + l] += za * pr.z[i, l] * (tau2 * tt + l_t)
        for j in range(q):
            at = p + t + j
            b0, b1, b2 = b[j, 0] / m[0], b[j, 1] / m[0] / sd, b[j, 2] / m[0] / var
            own = here[1 + j] if pr.family != STEP else 1.0 if pr.column[pr.own[i]] == j else 0.0
            gradient[at] += own - b0
            cross = -b1 + a1 * b0
            for l in range(p):
                hessian[l, at] += pr.x[i, l] * cross
            cross = 0.5 * (a2 * b0 - b2)
            if scales == 0:
                hessian[p, at] += cross
            for a in range(scales):
                hessian[p + a, at] += tau2 * pr.z[i, a] * cross
            for l in range(j, q):
                curve = 0.0 if pr.family == STEP else here[3 + j + l]
                hessian[at, p + t + l] += curve - c[j, l] / m[0] + b0 * b[l, 0] / m[0]
    size = theta.shape[0]
    for j in range(size):
        for l in range(j):
            hessian[j, l] = hessian[l, j]
    if pr.edge:
        _from_the_edge(pr.least, theta[p], p, gradient, hessian)
    return total if math.isfinite(total) else -math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _from_the_edge(least: float, tau2: float, p: int, gradient: np.ndarray, hessian: np.ndarray) -> None:
    """Derivatives where both parameters of the beta function move with tau2 along the edge 1 - least / (least + tau2)."""
    first = least / (least + tau2) ** 2
    second = -2 * least / (least + tau2) ** 3
    size = gradient.shape[0]
    both = hessian[p + 1] + hessian[p + 2]
    pull = gradient[p + 1] + gradient[p + 2]
    corner = first * 2 * both[p] + first * first * (both[p + 1] + both[p + 2]) + second * pull
    gradient[p] += first * pull
    hessian[p, p] += corner
    for j in range(size):
        if j != p:
            hessian[p, j] += first * both[j]
            hessian[j, p] = hessian[p, j]
