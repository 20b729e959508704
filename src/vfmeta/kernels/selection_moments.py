"""How likely a weight function lets a study be seen, A, with derivatives by the mean and the weights: compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from vfmeta.kernels.selection_weights import BETA, NEGEXPPOW, log_normal_cdf, weigh

_ROOT2, _ROOT2PI = math.sqrt(2), math.sqrt(2 * math.pi)
_DEEP = 45.0  # what is smaller by exp(-45) than the largest term of an integral is left out


class Problem(NamedTuple):
    """Studies in units of their typical standard error, and the weight function; what a family does not use is empty.

    Step functions: ``bounds`` (k, B) rise, ``which`` (B + 1,) numbers the weight between them, ``base`` are the weights and
    ``column`` says which parameter, the log of a weight, takes a weight's place (-1: none); ``own`` (k,) is the weight of
    each study. Others: ``logs`` (k, 3) are log p, log(1 - p) and p of the studies and ``grid`` (2 n + 1, 2) the first two at
    z = -n step ... n step; with ``truncated`` the weight is constant beyond ``ends`` and ``nodes`` (m, 5) hold z, its weight in
    the quadrature, log p, log(1 - p) and p between them, ``end_logs`` (2, 3) those at the ends. ``edge``: parameters of a
    beta function are distances from where the integral of the study with the smallest variance ``least`` diverges. ``z`` (k,
    s) is the design of log tau2, to which ``offset`` is added; without columns there is one tau2.
    """

    family: int
    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    bounds: np.ndarray
    which: np.ndarray
    base: np.ndarray
    column: np.ndarray
    own: np.ndarray
    logs: np.ndarray
    grid: np.ndarray
    step: float
    truncated: bool
    nodes: np.ndarray
    ends: np.ndarray
    end_logs: np.ndarray
    edge: bool
    least: float
    z: np.ndarray
    offset: float


@njit(cache=True, nogil=True, error_model="numpy")
def step_moments(
    pr: Problem, w: np.ndarray, i: int, mu: float, sd: float, m: np.ndarray, b: np.ndarray, c: np.ndarray
) -> float:
    """A of a study by step functions; `evaluate` says what is put where. Returns log A."""
    last = pr.bounds.shape[1]
    low1 = low2 = low3 = low4 = 0.0
    below, z_low = 0.0, -math.inf
    above_low = 1.0
    for s in range(last + 1):
        if s < last:
            z = (pr.bounds[i, s] - mu) / sd
            density = math.exp(-0.5 * z * z) / _ROOT2PI
            under, above = 0.5 * math.erfc(-z / _ROOT2), 0.5 * math.erfc(z / _ROOT2)
            high1, high2 = -density, -z * density
            high3, high4 = -(z * z - 1) * density, -z * (z * z - 3) * density
        else:
            z, under, above = math.inf, 1.0, 0.0
            high1 = high2 = high3 = high4 = 0.0
        mass = above_low - above if z_low > 0 else under - below
        j = pr.which[s]
        weight = w[j]
        if weight != 0:
            m[0] += weight * mass
            m[1] += weight * (high1 - low1)
            m[2] += weight * (high2 - low2)
            m[3] += weight * (high3 - low3)
            m[4] += weight * (high4 - low4)
            if pr.column[j] >= 0:
                col = pr.column[j]
                b[col, 0] += weight * mass
                b[col, 1] += weight * (high1 - low1)
                b[col, 2] += weight * (high2 - low2)
                c[col, col] += weight * mass
        below, above_low, z_low = under, above, z
        low1, low2, low3, low4 = high1, high2, high3, high4
    return math.log(m[0])


@njit(cache=True, nogil=True, error_model="numpy")
def span_of(pr: Problem, delta: np.ndarray, m: float, s: float) -> tuple[float, float]:
    """Between which z the integral of a study with mean ``m`` and SD ``s`` has all that counts."""
    family = pr.family
    c = 1 / (s * s)
    reach = math.sqrt(2 * _DEEP)
    if family == BETA:
        tilt_right, tilt_left = max(0.0, 1 - delta[0]), max(0.0, 1 - delta[1])
        turn = 3 + math.sqrt(2 * math.log(1 + 10 * max(delta[0], delta[1])))
    else:
        tilt_right = tilt_left = 0.0
        turn = 1 + math.sqrt(2 * math.log(1 + 1000 * delta[0])) if family != NEGEXPPOW else 3.0
    left = right = 0.0
    if family == NEGEXPPOW:
        rate = delta[1]
        grown = delta[0] / rate if rate > 0 else math.inf  # log weight at p = 0, where at p = 1 it is 0
        right = max(m, 0.0) + s * math.sqrt(2 * (_DEEP + grown))
        if delta[0] < c:
            tilt_right = delta[0]
            right = min(right, max(m, 0.0) + 3 + _far(c - tilt_right, m * c))
        elif rate > 0:  # a second summit far out, where -log p is about z^2 / 2
            ahead = (math.log(delta[0] / c) + 2) / rate + (_DEEP + 15) * s * s
            right = min(right, max(m, 0.0) + 3 + math.sqrt(2 * ahead))
        left = min(m, -turn) - reach * s
        return left, right
    right = max(m, turn) + reach * s if tilt_right == 0 else max(max(m, 3.0), 3 + _far(c - tilt_right, m * c))
    left = min(m, -turn) - reach * s if tilt_left == 0 else min(min(m, -3.0), -3 - _far(c - tilt_left, -m * c))
    return left, right


@njit(cache=True, nogil=True, error_model="numpy")
def _far(bend: float, slope: float) -> float:
    """Where -bend z^2 / 2 + slope z has fallen by `_DEEP` and a little for powers of z."""
    deep = _DEEP + 10
    bend = max(bend, 0.0)
    root = math.sqrt(slope * slope + 2 * bend * deep)
    if slope > 0:
        return (slope + root) / bend if bend > 0 else math.inf
    return 2 * deep / (root - slope) if root - slope > 0 else math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def table_of(pr: Problem, delta: np.ndarray, first: int, last: int) -> np.ndarray:
    """Log weight and its derivatives, shape (6, nodes), at the z of the common grid."""
    out = np.empty((6, last - first + 1))
    here = np.empty(6)
    half = (pr.grid.shape[0] - 1) // 2
    for n in range(first, last + 1):
        if -half <= n <= half:
            log_p, log_q = pr.grid[n + half, 0], pr.grid[n + half, 1]
        else:
            log_p, log_q = log_normal_cdf(-n * pr.step), log_normal_cdf(n * pr.step)
        weigh(pr.family, delta, log_p, log_q, math.exp(log_p), here)
        for j in range(6):
            out[j, n - first] = here[j]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def grid_moments(
    pr: Problem, table: np.ndarray, first: int, span: np.ndarray, mean: float, s: float, m: np.ndarray, b: np.ndarray,
    c: np.ndarray,
) -> float:  # fmt: skip
    """A of a study by the trapezoidal rule on the common grid of z, which converges faster than any power of its step."""
    q = b.shape[0]
    low, high = math.floor(span[0] / pr.step), math.ceil(span[1] / pr.step)
    low, high = max(low, first), min(high, first + table.shape[1] - 1)
    stride = max(1, int(0.5 / pr.step))  # weights may be narrower than the normal density, not than that
    top = -math.inf
    n = low
    while n <= high:
        e = (n * pr.step - mean) / s
        top = max(top, table[0, n - first] - 0.5 * e * e)
        n += stride
    cut = top - _DEEP
    while low + stride < high:
        e = ((low + stride) * pr.step - mean) / s
        if table[0, low + stride - first] - 0.5 * e * e > cut:
            break
        low += stride
    while high - stride > low:
        e = ((high - stride) * pr.step - mean) / s
        if table[0, high - stride - first] - 0.5 * e * e > cut:
            break
        high -= stride
    s0 = s1 = s2 = s3 = s4 = 0.0
    a0 = a1 = a2 = d0 = d1 = d2 = c00 = c01 = c11 = 0.0
    for n in range(low, high + 1):
        j = n - first
        e = (n * pr.step - mean) / s
        f = math.exp(table[0, j] - 0.5 * e * e - top)
        e2 = e * e
        s0 += f
        s1 += f * e
        s2 += f * e2
        s3 += f * e2 * e
        s4 += f * e2 * e2
        g = table[1, j]
        fg = f * g
        a0 += fg
        a1 += fg * e
        a2 += fg * e2
        c00 += f * (g * g + table[3, j])
        if q == 2:
            other = table[2, j]
            fg = f * other
            d0 += fg
            d1 += fg * e
            d2 += fg * e2
            c01 += f * (g * other + table[4, j])
            c11 += f * (other * other + table[5, j])
    m[0], m[1], m[2], m[3], m[4] = s0, s1, s2 - s0, s3 - 3 * s1, s4 - 6 * s2 + 3 * s0
    b[0, 0], b[0, 1], b[0, 2] = a0, a1, a2 - a0
    c[0, 0] = c00
    if q == 2:
        b[1, 0], b[1, 1], b[1, 2] = d0, d1, d2 - d0
        c[0, 1] = c[1, 0] = c01
        c[1, 1] = c11
    return math.log(s0) + top + math.log(pr.step / (s * _ROOT2PI))


@njit(cache=True, nogil=True, error_model="numpy")
def cut_moments(pr: Problem, delta: np.ndarray, mean: float, s: float, m: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """A of a study where the weight is constant beyond the ends: two tails and Gauss-Legendre between them."""
    q = b.shape[0]
    here = np.empty(6)
    for n in range(pr.nodes.shape[0]):
        weigh(pr.family, delta, pr.nodes[n, 2], pr.nodes[n, 3], pr.nodes[n, 4], here)
        e = (pr.nodes[n, 0] - mean) / s
        f = math.exp(here[0] - 0.5 * e * e) * pr.nodes[n, 1] / (s * _ROOT2PI)
        _add(f, f * e, f * (e * e - 1), f * e * (e * e - 3), f * (e**4 - 6 * e * e + 3), here, q, m, b, c)
    for side in range(2):
        weigh(pr.family, delta, pr.end_logs[side, 0], pr.end_logs[side, 1], pr.end_logs[side, 2], here)
        e = (pr.ends[side] - mean) / s
        sign = -1.0 if side == 0 else 1.0
        w = math.exp(here[0])
        f = w * math.exp(-0.5 * e * e) / _ROOT2PI * sign
        mass = w * 0.5 * math.erfc(sign * e / _ROOT2)
        _add(mass, f, f * e, f * (e * e - 1), f * e * (e * e - 3), here, q, m, b, c)
    return math.log(m[0])


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    f0: float, f1: float, f2: float, f3: float, f4: float, here: np.ndarray, q: int, m: np.ndarray, b: np.ndarray, c: np.ndarray
) -> None:
    m[0] += f0
    m[1] += f1
    m[2] += f2
    m[3] += f3
    m[4] += f4
    for j in range(q):
        g = here[1 + j]
        b[j, 0] += f0 * g
        b[j, 1] += f1 * g
        b[j, 2] += f2 * g
        for l in range(q):
            c[j, l] += f0 * (g * here[1 + l] + here[3 + j + l])
