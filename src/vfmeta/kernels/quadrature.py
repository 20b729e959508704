"""Adaptive quadrature of a density on the half-line.

The integral runs over u = log tau, where power tails and finite densities at zero both fall off exponentially. Panels of
sixteen Gauss-Legendre nodes are halved until the halves agree and until whatever else is to be averaged (``wobble``) is
smooth on every panel that carries mass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.kernels.roots import bracketed_roots

ORDER = 16
X, W = legendre.leggauss(ORDER)
# node values -> Legendre coefficients of the polynomial through them
_TO_COEF = (np.arange(ORDER) + 0.5)[:, None] * legendre.legvander(X, ORDER - 1).T * W
_DROP = 52.0  # log units below the top at which a tail is cut: e^-52 = 3e-23
_REACH = 650.0
_TOLERANCE = 1e-14
_TRAVEL = 6.0  # a normal cdf whose argument travels so far over a panel is still integrated to 4e-15
_TRIED = 33  # points at a time where the mode is narrowed down
_ROUGHEST = 20_000  # panels that still change when halved


@dataclass(frozen=True)
class Density:
    """A normalised density of tau, panel by panel in u = log tau.

    ``left``, ``width`` (n,): panels in order; ``values`` (n, 16): density of u at the nodes; ``before`` (n + 1,): mass left of
    each panel; ``log_mass``: log of the integral before normalisation.
    """

    left: np.ndarray
    width: np.ndarray
    values: np.ndarray
    before: np.ndarray
    log_mass: float

    @property
    def tau(self) -> np.ndarray:
        """Nodes in tau, shape (16 n,)."""
        return np.exp(_nodes(self.left, self.width)).ravel()

    @property
    def mass(self) -> np.ndarray:
        """Probability of each node, shape (16 n,), sums to one."""
        p = (self.values * W * self.width[:, None] / 2).ravel()
        return p / p.sum()

    def cdf(self, tau: np.ndarray) -> np.ndarray:
        """P(tau <= x), any shape."""
        tau = np.asarray(tau, dtype=float)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(tau > 0, np.log(np.where(tau > 0, tau, 1.0)), -np.inf)
        inside = np.clip(u, self.left[0], self.left[-1] + self.width[-1]).ravel()
        j = np.clip(np.searchsorted(self.left, inside, side="right") - 1, 0, len(self.left) - 1)
        share = (inside - self.left[j]) / self.width[j]
        return np.clip(self.before[j] + self._part(j, share, self._integral(j)), 0, 1).reshape(tau.shape)

    def quantile(self, p: np.ndarray) -> np.ndarray:
        """The tau below which probability ``p`` (any shape, 0 < p < 1) lies."""
        p = np.asarray(p, dtype=float)
        flat = p.ravel()
        j = np.clip(np.searchsorted(self.before, flat, side="right") - 1, 0, len(self.left) - 1)
        need = flat - self.before[j]
        integral = self._integral(j)
        whole = self._part(j, np.ones(len(j)), integral)
        share = bracketed_roots(
            lambda s, i: self._part(j[i], s, integral[i]) - np.clip(need[i], 0, whole[i]),
            np.zeros(len(j)), np.ones(len(j)), 1e-16,
        )  # fmt: skip
        return np.exp(self.left[j] + share * self.width[j]).reshape(p.shape)

    def _integral(self, j: np.ndarray) -> np.ndarray:
        """Legendre series of the running integral of panels ``j`` (m,)."""
        return legendre.legint(self.values[j] @ _TO_COEF.T, lbnd=-1, axis=1)

    def _part(self, j: np.ndarray, share: np.ndarray, integral: np.ndarray) -> np.ndarray:
        """Mass of the leading ``share`` (0 to 1) of panel ``j`` of that integral; both of shape (m,)."""
        x = 2 * share - 1
        terms = legendre.legvander(x, ORDER)
        return (terms * integral).sum(1) * self.width[j] / 2


def _nodes(left: np.ndarray, width: np.ndarray) -> np.ndarray:
    return left[:, None] + width[:, None] * (X + 1) / 2


def integrate(
    log_density: Callable[[np.ndarray], np.ndarray],
    wobble: Callable[[np.ndarray], np.ndarray],
    scales: list[float],
    high: float = math.inf,
    moments: int = 0,
) -> Density:
    """Normalise a density of tau.

    Parameters
    ----------
    log_density : callable
        Log density of tau up to a constant, shape (m,) to (m,).
    wobble : callable
        For panels of tau nodes, shape (n, 16), how far conditional means travel in conditional SDs; shape (n,).
    scales : list of float
        Positive sizes in whose neighbourhood the density lives.
    high : float
        End of the support.
    moments : int
        Highest moment that exists and is wanted (at most 2); the upper tail is followed far enough for it.
    """

    def g(u: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return log_density(np.exp(u)) + u

    end = math.log(high) if math.isfinite(high) else math.inf
    lo, hi = math.log(min(scales)) - 4, min(math.log(max(scales)) + 4, end)
    lo = min(lo, hi - 4)
    start = np.linspace(lo, hi, min(4000, max(100, int((hi - lo) / 0.05))))
    at = g(start)
    top = int(np.argmax(at))
    mode, peak = _climb(g, start[max(top - 1, 0)], start[min(top + 1, len(start) - 1)], start[top], at[top])
    low_edges = _tail(g, lo, -1.0, -math.inf, mode, peak, 0)
    high_edges = _tail(g, hi, 1.0, end, mode, peak, moments)
    inner = np.linspace(lo, hi, max(2, int(np.ceil(hi - lo)) + 1))
    ladder = [e for side in (-1.0, 1.0) for e in _ladder(g, mode, peak, side) if low_edges[-1] < e < high_edges[-1]]
    edges = np.unique(np.concatenate([low_edges, inner, high_edges, [mode], ladder]))
    if not np.isfinite(peak):
        raise ConvergenceError("The posterior density of tau is zero or infinite everywhere it was looked for.")
    return _refine(lambda u: np.exp(np.minimum(g(u) - peak, 700.0)), wobble, edges, peak)


def _climb(g: Callable[[np.ndarray], np.ndarray], a: float, b: float, best: float, height: float) -> tuple[float, float]:
    """Narrow the maximum step by step, so that even a spike thinner than the grid becomes a panel edge."""
    for _ in range(60):
        if b - a < 1e-9 * max(1.0, abs(a)):
            break
        u = np.linspace(a, b, _TRIED)
        h = g(u)
        j = int(np.argmax(h))
        if h[j] > height:
            best, height = float(u[j]), float(h[j])
        a, b = float(u[max(j - 1, 0)]), float(u[min(j + 1, _TRIED - 1)])
    return best, float(height)


def _ladder(g: Callable[[np.ndarray], np.ndarray], mode: float, peak: float, side: float) -> np.ndarray:
    """Panel edges that close in on a peak so thin that no node of a plain panel would meet it; none for a broad one."""
    reach = np.geomspace(1e-12, 0.5, 40) * max(1.0, abs(mode))
    drop = peak - g(mode + side * reach)
    thin = np.flatnonzero(drop > 1)
    if len(thin) == 0 or reach[thin[0]] > 0.1:
        return np.empty(0)
    return mode + side * reach[max(thin[0] - 1, 0) :]


def _tail(
    g: Callable[[np.ndarray], np.ndarray], start: float, step: float, end: float, mode: float, peak: float, moments: int
) -> list[float]:
    """Panel edges from ``start`` outwards until the density (times the moment wanted) has died away."""
    edges = [start]
    ahead: list[float] = []  # towards zero all is plain and may be asked for in advance
    while edges[-1] != end:
        u = edges[-1]
        if not ahead:
            ahead = g(u + step * np.arange(16 if step < 0 else 1))[::-1].tolist()
        drop = ahead.pop() + moments * max(u - mode, 0.0)
        if drop < peak - _DROP and abs(u - mode) > 1:
            break
        if step < 0 and u < -_REACH and drop < peak - 28:
            break  # a power of log tau (log-t priors) never quite dies away; what is left is below 1e-11
        if abs(u) > _REACH:
            raise InputError(
                "The posterior of tau has so heavy a tail that it cannot be told from an improper one; "
                "choose a prior of tau with a lighter tail."
            )
        nxt = u + step
        edges.append(min(nxt, end) if step > 0 else max(nxt, end))
    return edges


@np.errstate(over="ignore", invalid="ignore")  # a mass that is no number is told at the end
def _refine(
    f: Callable[[np.ndarray], np.ndarray], wobble: Callable[[np.ndarray], np.ndarray], edges: np.ndarray, peak: float
) -> Density:
    left, width = edges[:-1], np.diff(edges)
    keep = width > 0
    left, width = left[keep], width[keep]

    def evaluate(left: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = f(_nodes(left, width).ravel()).reshape(-1, ORDER)
        return values, values @ W * width / 2

    values, mass = evaluate(left, width)
    done_left: list[np.ndarray] = []
    done_width: list[np.ndarray] = []
    done_values: list[np.ndarray] = []
    settled = 0.0
    noise = 8 * np.finfo(float).eps * abs(peak)  # rounding of the log density, which no halving mends
    for depth in range(60):
        half = width / 2
        left2 = np.stack([left, left + half], 1).ravel()
        width2 = np.repeat(half, 2)
        values2, mass2 = evaluate(left2, width2)
        total = settled + mass2.sum()
        both = mass2.reshape(-1, 2).sum(1)
        rough = np.abs(both - mass) > np.maximum(_TOLERANCE * total, noise * both)
        # the last coefficients bound the error of part of a panel, which distribution functions are made of
        last = np.abs(values @ _TO_COEF[-3:].T).sum(1) * width
        rough |= last > np.maximum(1e-10 * total, noise * both)
        heavy = both > _TOLERANCE * total
        if heavy.any():
            rough[heavy] |= wobble(np.exp(_nodes(left[heavy], width[heavy]))) > _TRAVEL
        if depth > 45:  # a jump in a prior's density: the panel is by now of no width
            rough[:] = False
        done_left.append(left[~rough])
        done_width.append(width[~rough])
        done_values.append(values[~rough])
        settled += both[~rough].sum()
        again = np.repeat(rough, 2)
        left, width, values, mass = left2[again], width2[again], values2[again], mass2[again]
        if len(left) > _ROUGHEST:
            raise ConvergenceError(
                "The posterior density of tau could not be resolved: effects, variances and priors span too many orders of "
                "magnitude."
            )
        if len(left) == 0:
            break
    order = np.argsort(np.concatenate(done_left))
    left, width = np.concatenate(done_left)[order], np.concatenate(done_width)[order]
    values = np.concatenate(done_values)[order]
    mass = values @ W * width / 2
    total = mass.sum()
    if not (np.isfinite(total) and total > 0):
        raise ConvergenceError("The posterior density of tau could not be normalised.")
    before = np.concatenate([[0.0], np.cumsum(mass)]) / total
    return Density(left, width, values / total, before, math.log(total) + peak)


def gauss(x: np.ndarray, p: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """``n`` points of the same first 2 n moments as probabilities ``p`` at ``x`` (Golub & Welsch 1969, Math Comp 23:221)."""
    basis = np.zeros((n + 1, len(x)))
    basis[0] = np.sqrt(p)
    diagonal, beside = np.zeros(n), np.zeros(n)
    for k in range(n):
        new = x * basis[k]
        diagonal[k] = basis[k] @ new
        for _ in range(2):  # Lanczos' recurrence, made orthogonal again
            new = new - basis[: k + 1].T @ (basis[: k + 1] @ new)
        beside[k] = math.sqrt(new @ new)
        if beside[k] < 1e-14 * abs(x).max() or k == n - 1:
            diagonal, beside = diagonal[: k + 1], beside[:k]
            break
        basis[k + 1] = new / beside[k]
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return nodes, vectors[0] ** 2
