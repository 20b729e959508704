"""Step-function selection models of many meta-analyses at once, each found as `vfmeta.kernels.selection.select` finds it."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from vfmeta.kernels.selection import FAR, HIGHEST_LOG
from vfmeta.kernels.selection_climb import FOUND, search
from vfmeta.kernels.selection_likelihood import Problem, evaluate
from vfmeta.kernels.selection_starts import LEAST_TAU2
from vfmeta.kernels.selection_weights import STEP

_PIECE = 32  # meta-analyses that a thread takes at once
MEAN, MEAN_SE, TAU2, TAU2_SE, HEIGHT, BEYOND = range(6)


@njit(cache=True, nogil=True, error_model="numpy")
def _one(
    y: np.ndarray, v: np.ndarray, z: np.ndarray, cuts: np.ndarray, limits: np.ndarray, which: np.ndarray, two_sided: bool,
    common: bool, mean: float, tau2: float, out: np.ndarray,
) -> None:  # fmt: skip
    """One meta-analysis whose favoured effects are the large ones; ``out`` (6 + 3 W,) as `select_many` says."""
    k, weights = len(y), len(cuts) + 1
    unit = math.sqrt(np.median(v))
    ys, vs, x = y / unit, v / unit**2, np.ones((k, 1))
    own, seen = np.empty(k, dtype=np.int64), np.zeros(weights)
    bounds = np.empty((k, len(limits)))
    for i in range(k):
        p = math.erfc(abs(z[i]) / math.sqrt(2.0)) if two_sided else 0.5 * math.erfc(z[i] / math.sqrt(2.0))
        at = 0
        while at < len(cuts) and p > cuts[at] * (1 + 1e-12):
            at += 1
        own[i] = at
        seen[at] += 1
        for b in range(len(limits)):
            bounds[i, b] = math.sqrt(vs[i]) * limits[b]
    reference, q = -1, 0
    base, column = np.zeros(weights), np.full(weights, -1, dtype=np.int64)
    for j in range(weights):
        if seen[j] > 0:
            base[j] = 1.0
            if reference < 0:
                reference = j
            else:
                column[j] = q
                q += 1
    none = np.empty((0, 0))
    problem = Problem(
        STEP,
        ys,
        vs,
        x,
        bounds,
        which,
        base,
        column,
        own,
        none,
        none,
        1.0,
        False,
        none,
        np.empty(0),
        none,
        False,
        vs.min(),
        np.empty((k, 0)),
        0.0,
    )
    t = tau2 / unit**2
    spread = math.sqrt(t + np.median(vs))
    size = 2 + q
    starts = np.zeros((6, size))
    for s in range(6):
        starts[s, 0] = mean / unit - (s % 2) * spread
        starts[s, 1] = 0.0 if common else (0.0, max(t, LEAST_TAU2), 3 * max(t, 5 * LEAST_TAU2))[s // 2]
    lower, upper, held = np.full(size, -HIGHEST_LOG), np.full(size, HIGHEST_LOG), np.zeros(size, dtype=np.bool_)
    lower[0], upper[0], lower[1], upper[1], held[1] = -np.inf, np.inf, 0.0, np.inf, common
    far = FAR * max(ys.max() - ys.min() + math.sqrt(vs.max()), abs(mean / unit))
    values, ends = search(problem, starts, lower, upper, held, far)
    at, beyond = -1, -np.inf
    for s in range(6):
        if ends[s] == FOUND and math.isfinite(values[s]) and (at < 0 or values[s] > values[at]):
            at = s
        if ends[s] != FOUND:
            beyond = max(beyond, values[s])
    for j in range(weights):
        out[6 + 2 * weights + j] = seen[j]
    shift = k * math.log(unit)
    out[BEYOND] = beyond - shift
    if at < 0:
        return
    theta = starts[at]
    gradient, hessian = np.empty(size), np.empty((size, size))
    evaluate(problem, theta, gradient, hessian)
    free = np.array([j for j in range(size) if not (held[j] or theta[j] <= lower[j] or theta[j] >= upper[j])])
    info = np.empty((len(free), len(free)))
    for a in range(len(free)):
        for b in range(len(free)):
            info[a, b] = -hessian[free[a], free[b]]
    error = np.full(size, np.nan)
    if np.linalg.eigvalsh(info)[0] > 0:
        inverse = np.linalg.inv(info)
        for a in range(len(free)):
            error[free[a]] = math.sqrt(inverse[a, a])
    out[MEAN], out[MEAN_SE] = theta[0] * unit, error[0] * unit
    out[TAU2], out[TAU2_SE] = theta[1] * unit**2, error[1] * unit**2
    out[HEIGHT] = values[at] - shift
    for j in range(weights):
        if reference == 0:
            weight = math.exp(theta[2 + column[j]]) if column[j] >= 0 else base[j]
            out[6 + weights + j] = weight * error[2 + column[j]] if column[j] >= 0 else np.nan
        else:  # nothing fell where the weight is 1
            weight = 1.0 if j == 0 else np.inf if seen[j] > 0 else np.nan
        out[6 + j] = weight


@njit(cache=True, nogil=True, error_model="numpy")
def _some(
    y: np.ndarray, v: np.ndarray, z: np.ndarray, start: np.ndarray, first: int, last: int, cuts: np.ndarray, limits: np.ndarray,
    which: np.ndarray, two_sided: bool, common: bool, needed: int, mean: np.ndarray, tau2: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    for g in range(first, last):
        low, high = start[g], start[g + 1]
        if high - low >= needed:
            _one(
                y[low:high], v[low:high], z[low:high], cuts, limits, which, two_sided, common, mean[g], tau2[g], out[g]
            )  # fmt: skip


def select_many(
    y: np.ndarray, v: np.ndarray, z: np.ndarray, start: np.ndarray, cuts: np.ndarray, two_sided: bool, common: bool,
    mean: np.ndarray, tau2: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Fits of B meta-analyses with W = len(cuts) + 1 weights, shape (B, 6 + 3 W).

    ``y``, ``v``, ``z`` (N,) are effects turned so that large ones are favoured, their variances and z values;
    ``start`` (B + 1,) says where each begins, ``mean`` and ``tau2`` (B,) are those without selection. Columns: mean, its
    standard error, tau2, its standard error, log likelihood, what it reaches without end, weights, their standard errors,
    numbers of studies; NaN where there are fewer studies than parameters, or no maximum.
    """
    from scipy.special import ndtri

    points = -ndtri(cuts / 2 if two_sided else cuts)
    m = len(cuts)
    down = np.arange(m, -1, -1)
    limits = np.concatenate([-points, points[::-1]]) if two_sided else np.ascontiguousarray(points[::-1])
    which = np.concatenate([down[::-1], down[1:]]) if two_sided else down
    many = len(start) - 1
    out = np.full((many, 6 + 3 * (m + 1)), np.nan)
    needed = 1 + m + (not common)

    def piece(first: int) -> None:
        last = min(first + _PIECE, many)
        _some(y, v, z, start, first, last, cuts, limits, which, two_sided, common, needed, mean, tau2, out)

    if many <= _PIECE:
        piece(0)
        return out
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(piece, range(0, many, _PIECE)))
    return out
