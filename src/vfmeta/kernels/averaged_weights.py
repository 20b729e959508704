"""Likelihood of a step-function selection model averaged over its weights, by Gauss quadrature.

Weights fall from 1 and are uniform over 1 > w2 > w3 > w4 > 0 (cumulative Dirichlet with all parameters 1). With w2 = u1,
w3 = u1 u2, w4 = u1 u2 u3 the domain is a cube, and a study's share of what is seen is P0 + u1 (P1 + u2 (P2 + u3 P3)), which
vanishes only for u below -c. In log(c + u) the integrand has no singularity within pi of the real axis, so that few nodes do,
once they stand where the weights are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FINE, COARSE, ROUGH = 16, 8, 12


def _rule(n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(n)
    return np.ascontiguousarray(x), np.ascontiguousarray(w)


FINE_X, FINE_W = _rule(FINE)
COARSE_X, COARSE_W = _rule(COARSE)
ROUGH_X, ROUGH_W = _rule(ROUGH)
_ROOT2 = math.sqrt(2)
_FAINT, _CUT = 1e-7, 1e-5  # of the highest density: outside of a box; at its edge before it is looked for anew
_CLOSEST, _FARTHEST = 1e-9, 1e3


@njit(cache=True, nogil=True, error_model="numpy")
def masses(cuts: np.ndarray, row: np.ndarray, v: np.ndarray, mu: float, t2: float, p: np.ndarray) -> None:
    """Probabilities ``p`` (4, k) of the weights of every study, by the rows that ``row`` (6,) gives to the intervals of p."""
    p[:] = 0.0
    for i in range(len(v)):
        rate = 1 / (math.sqrt(v[i] + t2) * _ROOT2)
        above, below = 0.0, 1.0
        for c in range(6):
            z = (cuts[i, c] - mu) * rate if c < 5 else -math.inf
            up, down = 0.5 * math.erfc(z), 0.5 * math.erfc(-z)
            p[row[c], i] += up - above if z > 0 else below - down
            above, below = up, down


@njit(cache=True, nogil=True, error_model="numpy")
def singular(p: np.ndarray, c: np.ndarray) -> None:
    """The distances ``c`` (3,) below 0 within which nothing vanishes in u1, u2, u3."""
    c[:] = _FARTHEST
    for i in range(p.shape[1]):
        head = 0.0
        rest = p[1, i] + p[2, i] + p[3, i]
        for d in range(3):
            head += p[d, i]
            if d > 0:
                rest -= p[d, i]
            if rest > 0:
                c[d] = min(c[d], head / rest)
    for d in range(3):
        c[d] = max(c[d], _CLOSEST)


@njit(cache=True, nogil=True, error_model="numpy")
def nodes_of(
    c: float, power: float, low: float, high: float, x: np.ndarray, w: np.ndarray, u: np.ndarray, logs: np.ndarray
) -> None:
    """Nodes ``u`` between ``low`` and ``high``, and the logs of their weights times u^power."""
    a, b = math.log1p(low / c), math.log1p(high / c)
    for n in range(len(x)):
        s = 0.5 * (a + b) + 0.5 * (b - a) * x[n]
        u[n] = min(c * math.expm1(s), 1.0)
        logs[n] = power * math.log(u[n]) + s + math.log(c * w[n] * 0.5 * (b - a))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def over_weights(
    p: np.ndarray, c: np.ndarray, power: np.ndarray, first: int, box: np.ndarray, x: np.ndarray, w: np.ndarray,
    u: np.ndarray, mass: np.ndarray, each: np.ndarray,
) -> float:  # fmt: skip
    """Log of the integral over the weights inside ``box`` (3, 2), the bounds of u1, u2, u3 from ``first`` on.

    Written: nodes ``u`` (3, n), marginal probability ``mass`` (3, n), and ``each`` (n, n, n), the probability of every node.
    """
    n, k = len(x), p.shape[1]
    logs = np.zeros((3, n))
    size = np.ones(3, dtype=np.int64)
    u[:] = 1.0
    for d in range(first, 3):
        size[d] = n
        nodes_of(c[d], power[d], box[d, 0], box[d, 1], x, w, u[d], logs[d])
    least = 1.0
    for i in range(k):
        least = min(least, p[0, i])
    run = max(1, int(600 / max(-math.log(max(least, 1e-300)), 1e-3)))  # factors whose product stays a number
    peak = np.zeros(3)
    for d in range(first, 3):
        peak[d] = logs[d].max()
    height = np.exp(logs[2] - peak[2])
    product, total = np.empty(n), np.zeros(n)
    top = 0.0 if run >= k else -math.inf
    for a in range(size[0]):
        for b in range(size[1]):
            outer = logs[0, a] + logs[1, b] - peak[0] - peak[1]
            total[:] = 0.0
            for start in range(0, k, run):
                product[:] = 1.0
                for i in range(start, min(start + run, k)):
                    base = p[0, i] + u[0, a] * (p[1, i] + u[1, b] * p[2, i])
                    slope = u[0, a] * u[1, b] * p[3, i]
                    for j in range(n):
                        product[j] *= base + u[2, j] * slope
                if run < k:
                    for j in range(n):
                        total[j] += math.log(max(product[j], 1e-305))
            if run >= k:
                factor = math.exp(outer)
                for j in range(n):
                    each[a, b, j] = factor * height[j] / product[j]
                continue
            for j in range(n):
                value = outer + logs[2, j] - peak[2] - total[j]
                each[a, b, j] = value
                top = max(top, value)
    whole = 0.0
    mass[:] = 0.0
    for a in range(size[0]):
        for b in range(size[1]):
            for j in range(n):
                if run < k:
                    each[a, b, j] = math.exp(each[a, b, j] - top)
                value = each[a, b, j]
                whole += value
                mass[0, a] += value
                mass[1, b] += value
                mass[2, j] += value
    return top + peak.sum() + math.log(whole)


@njit(cache=True, nogil=True, error_model="numpy")
def _crossing(c: float, out: float, inside: float, faint: float, strong: float) -> float:
    """Where between two nodes, relative densities ``faint`` and ``strong``, the density falls to `_FAINT`.

    The root of the log density is drawn straight, which is exact for a normal one and too far out for slower ones.
    """
    a, b = math.sqrt(-math.log(max(faint, 1e-300))), math.sqrt(max(-math.log(strong), 0.0))
    share = (math.sqrt(-math.log(_FAINT)) - b) / (a - b)
    x, y = math.log(c + inside), math.log(c + out)
    return min(max(math.exp(x + share * (y - x)) - c, 0.0), 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _narrowed(c: np.ndarray, first: int, box: np.ndarray, w: np.ndarray, u: np.ndarray, mass: np.ndarray) -> tuple[bool, bool]:
    """Whether the weights reach beyond the box, and whether it is far too wide; ``box`` is mended where it is."""
    n = len(w)
    beyond = wide = False
    for d in range(first, 3):
        most = 0.0
        for j in range(n):
            most = max(most, mass[d, j] / w[j])
        first_density, last_density = mass[d, 0] / w[0] / most, mass[d, n - 1] / w[n - 1] / most
        more = 1 + 0.3 * (math.log((c[d] + box[d, 1]) / (c[d] + box[d, 0])))
        if box[d, 0] > 0 and first_density > _CUT:
            box[d, 0] = 0.0 if first_density > 0.1 else max((c[d] + box[d, 0]) / more - c[d], 0.0)
            beyond = True
        if box[d, 1] < 1 and last_density > _CUT:
            box[d, 1] = 1.0 if last_density > 0.1 else min((c[d] + box[d, 1]) * more - c[d], 1.0)
            beyond = True
        if beyond:
            continue
        low, high = 0, n - 1
        while mass[d, low] / w[low] < _FAINT * most:
            low += 1
        while mass[d, high] / w[high] < _FAINT * most:
            high -= 1
        left, right = box[d, 0], box[d, 1]
        if low > 0:
            left = _crossing(c[d], u[d, low - 1], u[d, low], mass[d, low - 1] / w[low - 1] / most, mass[d, low] / w[low] / most)
        if high < n - 1:
            right = _crossing(
                c[d], u[d, high + 1], u[d, high], mass[d, high + 1] / w[high + 1] / most, mass[d, high] / w[high] / most
            )
        if math.log((c[d] + right) / (c[d] + left)) < 0.85 * math.log((c[d] + box[d, 1]) / (c[d] + box[d, 0])):
            box[d, 0], box[d, 1] = left, right
            wide = True
    return beyond, wide


@njit(cache=True, nogil=True, error_model="numpy")
def whole_box(box: np.ndarray) -> None:
    box[:, 0], box[:, 1] = 0.0, 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def settle(
    p: np.ndarray, c: np.ndarray, power: np.ndarray, first: int, box: np.ndarray, u: np.ndarray, mass: np.ndarray,
    each: np.ndarray,
) -> float:  # fmt: skip
    """Narrow ``box`` to where the weights are; log of the integral, to a part in a thousand or so."""
    value = 0.0
    for _ in range(20):
        value = over_weights(p, c, power, first, box, COARSE_X, COARSE_W, u[:, :COARSE], mass[:, :COARSE], each)
        beyond, wide = _narrowed(c, first, box, COARSE_W, u[:, :COARSE], mass[:, :COARSE])
        if not beyond and not wide:
            break
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def averaged(
    p: np.ndarray, c: np.ndarray, power: np.ndarray, first: int, box: np.ndarray, fine: bool, u: np.ndarray,
    mass: np.ndarray, each: np.ndarray,
) -> float:  # fmt: skip
    """Log of the average over the weights; ``box``, a guess, comes back fitting.

    With ``fine`` False to a part in a thousand or so, which serves to look where the posterior is.
    """
    volume = math.lgamma(4.0 - first)  # the prior density is the number of dimensions, factorial
    if not fine:
        return settle(p, c, power, first, box, u, mass, each) + volume
    value = over_weights(p, c, power, first, box, FINE_X, FINE_W, u, mass, each)
    beyond, wide = _narrowed(c, first, box, FINE_W, u, mass)
    if beyond or wide:
        settle(p, c, power, first, box, u, mass, each)
        value = over_weights(p, c, power, first, box, FINE_X, FINE_W, u, mass, each)
    return value + volume
