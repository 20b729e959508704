"""Compiled search for the maxima of the likelihood of a selection model."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.selection_likelihood import Problem, evaluate, tau2_of
from vfmeta.kernels.selection_weights import BETA

FOUND, UNSETTLED, RUNAWAY = range(3)
_STEPS = 200


@njit(cache=True, nogil=True, error_model="numpy")
def _solved(h: np.ndarray, g: np.ndarray) -> bool:
    """Solve ``h`` x = ``g`` in place by Cholesky's factors; false, ``g`` as it was, where ``h`` is not positive definite."""
    n = len(g)
    for a in range(n):
        for b in range(a + 1):
            for c in range(b):
                h[a, b] -= h[a, c] * h[b, c]
            if b < a:
                h[a, b] /= h[b, b]
            elif h[a, a] > 1e-9:
                h[a, a] = math.sqrt(h[a, a])
            else:
                return False
    for a in range(n):
        for c in range(a):
            g[a] -= h[a, c] * g[c]
        g[a] /= h[a, a]
    for a in range(n - 1, -1, -1):
        for c in range(a + 1, n):
            g[a] -= h[c, a] * g[c]
        g[a] /= h[a, a]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _leads_to(
    known: np.ndarray, theta: np.ndarray, step: np.ndarray, scale: np.ndarray, free: np.ndarray, h: np.ndarray, decrement: float
) -> bool:  # fmt: skip
    """Whether a step ends much nearer to a known maximum than it is long, by the curvature ``h`` (n, n)."""
    n = len(step)
    away = np.empty(n)
    total = 0.0
    for a in range(n):
        total += abs(known[free[a]] - theta[free[a]])
        away[a] = (known[free[a]] - theta[free[a]]) / scale[a] - step[a]
    for j in range(len(theta)):
        total -= abs(known[j] - theta[j])
    if total < -1e-12:  # they differ in what stays where it is
        return False
    size = 0.0
    for a in range(n):
        for b in range(n):
            size += away[a] * h[a, b] * away[b]
    return size < 0.01 * decrement


@njit(cache=True, nogil=True, error_model="numpy")
def climb(
    pr: Problem, theta: np.ndarray, lower: np.ndarray, upper: np.ndarray, held: np.ndarray, far: float, best: float,
    known: np.ndarray, heights: np.ndarray,
) -> tuple[float, int]:  # fmt: skip
    """A local maximum inside the bounds by damped Newton steps; ``theta`` is moved there. ``held``: parameters that stay.

    Heterogeneity or a mean beyond ``far`` is a likelihood that rises without end, and a climb that creeps well below ``best``
    is given up. A climb whose next step leads to one of the maxima ``known`` (n, m) ends there, at its height.
    """
    size = theta.shape[0]
    p = pr.x.shape[1]
    first = p + max(pr.z.shape[1], 1)  # of the weights
    gradient, hessian = np.empty(size), np.empty((size, size))
    other_g, other_h = np.empty(size), np.empty((size, size))
    value = evaluate(pr, theta, gradient, hessian)
    if not math.isfinite(value):
        return -math.inf, UNSETTLED
    trial = np.empty(size)
    old = value
    for turn in range(_STEPS):
        if turn % 10 == 9:
            if value < best - 2 and value - old < 0.5:
                return value, UNSETTLED
            old = value
        free = np.empty(size, dtype=np.int64)
        n = 0
        for j in range(size):
            stays = held[j] or (theta[j] <= lower[j] and gradient[j] <= 0) or (theta[j] >= upper[j] and gradient[j] >= 0)
            if not stays:
                free[n] = j
                n += 1
        if n == 0:
            return value, FOUND
        h, g = np.empty((n, n)), np.empty(n)
        for a in range(n):
            g[a] = gradient[free[a]]
            for b in range(n):
                h[a, b] = -hessian[free[a], free[b]]
        scale = np.empty(n)  # parameters of unlike size are made alike
        for a in range(n):
            scale[a] = 1 / math.sqrt(max(abs(h[a, a]), 1e-12))
        for a in range(n):
            g[a] *= scale[a]
            for b in range(n):
                h[a, b] *= scale[a] * scale[b]
        step = g.copy()
        concave = _solved(h.copy(), step)
        if not concave:
            curve, axes = np.linalg.eigh(h)
            concave = curve[0] > 0
            along = axes.T @ g
            step[:] = 0.0
            for a in range(n):
                size_of = max(abs(curve[a]), 1e-9)
                for b in range(n):
                    step[b] += axes[b, a] * along[a] / size_of
        decrement = 0.0
        for a in range(n):
            decrement += g[a] * step[a]
        if concave and 1e-12 <= decrement < 0.1:
            for m in range(len(heights)):
                if _leads_to(known[m], theta, step, scale, free, h, decrement):
                    theta[:] = known[m]
                    return heights[m], FOUND
        shrink = 1.0
        for a in range(n):
            step[a] *= scale[a]
            j = free[a]
            most = 3.0 if j < p else 1.0 + theta[p] if j == p and pr.z.shape[1] == 0 else 2.0
            if pr.family == BETA and j >= first:
                most = 0.5 + abs(theta[j])
            if abs(step[a]) > most:
                shrink = min(shrink, most / abs(step[a]))
        done = decrement < 1e-17 or (decrement < 1e-12 and concave)
        better = False
        new = value
        for _ in range(25):
            trial[:] = theta
            for a in range(n):
                j = free[a]
                trial[j] = min(max(theta[j] + shrink * step[a], lower[j]), upper[j])
            new = evaluate(pr, trial, other_g, other_h)
            if new >= value - (1e-12 * (1 + abs(value)) if done else -1e-9 * min(decrement, 1e-3)):
                better = True
                break
            if decrement < 1e-12:
                break
            shrink *= 0.3
        if better:
            value = new
            theta[:] = trial
            gradient[:] = other_g
            hessian[:] = other_h
        if done or not better:
            return value, FOUND if decrement < 1e-8 else UNSETTLED
        for i in range(1 if pr.z.shape[1] == 0 else pr.z.shape[0]):
            if tau2_of(pr, theta, i) > far * far:
                return value, RUNAWAY
        for j in range(p):
            if abs(theta[j]) > far * far if p > 1 else abs(theta[j]) > far:
                return value, RUNAWAY
    return value, UNSETTLED


@njit(cache=True, nogil=True, error_model="numpy")
def search(
    pr: Problem, starts: np.ndarray, lower: np.ndarray, upper: np.ndarray, held: np.ndarray, far: float
) -> tuple[np.ndarray, np.ndarray]:
    """Climb from each row of ``starts``, which is moved to its maximum; values and how each climb ended."""
    n = starts.shape[0]
    values, ends = np.empty(n), np.empty(n, dtype=np.int64)
    best = -math.inf
    known, heights, found = np.empty_like(starts), np.empty(n), 0
    for s in range(n):
        values[s], ends[s] = climb(pr, starts[s], lower, upper, held, far, best, known[:found], heights[:found])
        best = max(best, values[s])
        if ends[s] == FOUND and math.isfinite(values[s]):
            same = False
            for m in range(found):
                same = same or values[s] == heights[m]
            if not same:
                known[found], heights[found] = starts[s], values[s]
                found += 1
    return values, ends
