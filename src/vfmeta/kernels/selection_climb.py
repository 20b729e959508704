"""Compiled search for the maxima of the likelihood of a selection model."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.selection_likelihood import Problem, evaluate
from vfmeta.kernels.selection_weights import BETA

FOUND, UNSETTLED, RUNAWAY = range(3)
_STEPS = 200


@njit(cache=True, nogil=True, error_model="numpy")
def climb(
    pr: Problem, theta: np.ndarray, lower: np.ndarray, upper: np.ndarray, held: np.ndarray, far: float, best: float
) -> tuple[float, int]:
    """A local maximum inside the bounds by damped Newton steps; ``theta`` is moved there. ``held``: parameters that stay.

    Heterogeneity or a mean beyond ``far`` is a likelihood that rises without end, and a climb that creeps well below ``best``
    is given up.
    """
    size = theta.shape[0]
    p = pr.x.shape[1]
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
        curve, axes = np.linalg.eigh(h)
        along = axes.T @ g
        step = np.zeros(n)
        decrement = 0.0
        for a in range(n):
            size_of = max(abs(curve[a]), 1e-9)
            decrement += along[a] * along[a] / size_of
            for b in range(n):
                step[b] += axes[b, a] * along[a] / size_of
        shrink = 1.0
        for a in range(n):
            step[a] *= scale[a]
            j = free[a]
            most = 3.0 if j < p else 1.0 + theta[p] if j == p else 2.0
            if pr.family == BETA and j > p:
                most = 0.5 + abs(theta[j])
            if abs(step[a]) > most:
                shrink = min(shrink, most / abs(step[a]))
        concave = curve[0] > 0
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
        if theta[p] > far * far:
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
    for s in range(n):
        values[s], ends[s] = climb(pr, starts[s], lower, upper, held, far, best)
        best = max(best, values[s])
    return values, ends
