"""Posterior of what describes a bias: weights of intervals of p, or the slope of effects over their standard errors."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vfmeta.kernels.averaged_weights import ROUGH, ROUGH_W, ROUGH_X, masses, over_weights, settle, singular, whole_box
from vfmeta.kernels.bias_models import SLOPE, SLOPE_NODES, SLOPE_W, SLOPE_X, Model, angles, room_for, slope


@njit(cache=True, nogil=True, error_model="numpy")
def _add(moments: np.ndarray, plain: np.ndarray, x: np.ndarray, p: np.ndarray) -> None:
    """Add nodes ``x`` between 0 and 1 to moments by Legendre polynomials, and to mean and mean square."""
    before, now, next_ = np.ones(len(x)), 2 * x - 1, np.empty(len(x))
    for j in range(len(x)):
        moments[0] += p[j]
        moments[1] += p[j] * now[j]
        plain[0] += p[j] * x[j]
        plain[1] += p[j] * x[j] * x[j]
    for n in range(2, len(moments)):
        a, b, total = (2 * n - 1) / n, (n - 1) / n, 0.0
        for j in range(len(x)):
            next_[j] = a * (2 * x[j] - 1) * now[j] - b * before[j]
            total += p[j] * next_[j]
        moments[n] += total
        before, now, next_ = now, next_, before


@njit(cache=True, nogil=True, error_model="numpy")
def describe(m: Model, mu: np.ndarray, t2: np.ndarray, p: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of what describes the bias, over nodes of the mean and of tau^2 with probabilities ``p`` (n,).

    Returns
    -------
    Moments by ``count`` Legendre polynomials on (0, 1), shape (3, count): of w2, w3, w4 (from the row of the first that there
    is), or in the first row of the angle of the slope over a quarter turn; and the mean and mean square of each, (3, 2).
    """
    moments, plain = np.zeros((3, count)), np.zeros((3, 2))
    room = room_for(len(m.y))
    u, mass, each = np.empty((3, ROUGH)), np.empty((3, ROUGH)), np.zeros((ROUGH, ROUGH, ROUGH))
    inner, outer, unused = np.zeros(ROUGH), np.zeros(ROUGH), np.zeros(2)
    for i in range(len(p)):
        if m.kind == SLOPE:
            best, se = slope(m, mu[i], t2[i])
            low, high = angles(best, se, m.scale)
            angle, part = np.empty(SLOPE_NODES), np.empty(SLOPE_NODES)
            for n in range(SLOPE_NODES):
                angle[n] = 0.5 * (low + high) + 0.5 * (high - low) * SLOPE_X[n]
                b = m.scale * math.tan(angle[n])
                part[n] = SLOPE_W[n] * math.exp(b * (best - 0.5 * b) / (se * se) - 0.5 * (max(best, 0.0) / se) ** 2)
            part *= p[i] / part.sum()
            _add(moments[0], unused, angle / (math.pi / 2), part)
            for n in range(SLOPE_NODES):
                b = m.scale * math.tan(angle[n])
                plain[0, 0] += part[n] * b
                plain[0, 1] += part[n] * b * b
            continue
        masses(m.cuts, m.row, m.v, mu[i], t2[i], room.p)
        singular(room.p, room.c)
        whole_box(room.box)
        settle(room.p, room.c, m.power, m.first, room.box, room.u, room.mass, room.each)
        over_weights(room.p, room.c, m.power, m.first, room.box, ROUGH_X, ROUGH_W, u, mass, each)
        each *= p[i] / mass[2].sum()
        for a in range(ROUGH if m.first == 0 else 1):
            for b in range(ROUGH if m.first <= 1 else 1):
                _add(moments[2], plain[2], u[0, a] * u[1, b] * u[2], each[a, b])
                inner[b] = each[a, b].sum()
            if m.first <= 1:
                _add(moments[1], plain[1], u[0, a] * u[1], inner)
            outer[a] = inner.sum()
        if m.first == 0:
            _add(moments[0], plain[0], u[0], outer)
    return moments, plain
