"""Marginal posteriors as densities, distribution functions, quantiles and intervals."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import IntervalKind, choice, confidence, whole
from vfmeta.core.question import Pair
from vfmeta.kernels import normal_mixture
from vfmeta.kernels.quadrature import Density, integrate
from vfmeta.kernels.roots import bracketed_roots
from vfmeta.priors import TauPrior
from vfmeta.results.marginal import Marginal

_TRIED = 33  # points at a time where a mode is narrowed down


def check_draws(n: int, seed: int) -> None:
    """Whole numbers, or an error that says so."""
    for name, value, least in (("n", n, 1), ("seed", seed, 0)):
        whole(name, value, least)


class MarginalPosterior(ABC):
    """Verbs common to every marginal; ``low`` and ``high`` are the ends of the support."""

    mean: float
    sd: float
    mode: float
    low: float = -math.inf
    high: float = math.inf

    @abstractmethod
    def density(self, x: np.ndarray | float) -> np.ndarray: ...

    @abstractmethod
    def cdf(self, x: np.ndarray | float) -> np.ndarray: ...

    @abstractmethod
    def _quantile(self, p: np.ndarray) -> np.ndarray:
        """At probabilities ``p`` (n,) above 0 and below 1."""

    def quantile(self, p: np.ndarray | float) -> np.ndarray:
        """The value below which probability ``p`` (any shape, 0 to 1) lies; 0 and 1 give the ends of the support.

        Raises
        ------
        InputError
            A probability outside 0 to 1.
        """
        prob = np.asarray(p, dtype=float)
        flat = prob.ravel()
        if not np.all((flat >= 0) & (flat <= 1)):
            raise InputError(f"p={p!r}: probabilities must lie between 0 and 1, such as 0.025 for the lower end of 95%.")
        inner = (flat > 0) & (flat < 1)
        out = np.where(flat <= 0, self.low, self.high)
        out[inner] = self._quantile(flat[inner])
        return out.reshape(prob.shape)

    @property
    def median(self) -> float:
        return float(self.quantile(0.5))

    def interval(self, level: float = 0.95, kind: str = "central") -> Pair:
        """Central or shortest interval of probability ``level``."""
        confidence(level)
        kind = choice("interval", kind, IntervalKind)
        if kind == "shortest":
            return _shortest(self, level)
        low, high = self.quantile(np.array([0.5 - level / 2, 0.5 + level / 2]))
        return float(low), float(high)

    def summary(self, level: float = 0.95, kind: str = "central") -> Marginal:
        return Marginal(mean=self.mean, sd=self.sd, median=self.median, interval=self.interval(level, kind), mode=self.mode)


class NormalMixture(MarginalPosterior):
    """Average of normals over the nodes of tau.

    Parameters
    ----------
    p : ndarray of shape (N,)
        Probabilities of the nodes.
    mean, sd : ndarray of shape (N,)
        Conditional means and standard deviations.
    finite_variance : bool
        Whether the variance exists (a heavy tail of tau may leave it infinite).
    """

    def __init__(self, p: np.ndarray, mean: np.ndarray, sd: np.ndarray, finite_variance: bool = True) -> None:
        self._p, self._m, self._s = p, mean, sd
        self.mean = float(p @ mean)
        self.sd = math.sqrt(p @ (sd**2 + (mean - self.mean) ** 2)) if finite_variance else math.inf

    @property
    def p(self) -> np.ndarray:
        """Probabilities of the normals (N,)."""
        return self._p

    @property
    def m(self) -> np.ndarray:
        """Their means (N,)."""
        return self._m

    @property
    def s(self) -> np.ndarray:
        """Their standard deviations (N,)."""
        return self._s

    def density(self, x: np.ndarray | float) -> np.ndarray:
        z = (np.asarray(x, dtype=float)[..., None] - self._m) / self._s
        return (np.exp(-0.5 * z * z) @ (self._p / self._s)) / math.sqrt(2 * math.pi)

    def cdf(self, x: np.ndarray | float) -> np.ndarray:
        return normal_mixture.cdf(np.asarray(x, dtype=float), self._p, self._m, self._s)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        return normal_mixture.quantile(p, self._p, self._m, self._s)

    @property
    def mode(self) -> float:  # type: ignore[override]
        """Highest point of the density."""
        low, high = self.quantile(np.array([0.0005, 0.9995]))
        x = np.unique(np.concatenate([np.linspace(low, high, 101), self.quantile(np.linspace(0.01, 0.99, 99))]))

        def slope(t: np.ndarray, _: np.ndarray) -> np.ndarray:
            z = (t[..., None] - self._m) / self._s
            return -(z * np.exp(-0.5 * z * z)) @ (self._p / self._s**2)

        j = int(np.argmax(self.density(x)))
        near = x[max(j - 4, 0) : j + 5]  # some of the points lie closer to each other than rounding tells apart
        rising, falling = (np.flatnonzero(sign * slope(near, near) > 0) for sign in (1, -1))
        if not (len(rising) and len(falling) and rising[-1] < falling[0]):
            return float(x[j])
        return float(bracketed_roots(slope, near[rising[-1:]], near[falling[:1]])[0])


class TauMarginal(MarginalPosterior):
    """Posterior of tau.

    Parameters
    ----------
    grid : Density
        The normalised quadrature.
    log_density : callable
        Log posterior density up to the constant in ``grid.log_mass``.
    tail : float
        The a of a posterior tail tau^(-1-a).
    high : float
        End of the support.
    """

    low = 0.0

    def __init__(
        self, grid: Density, log_density: Callable[[np.ndarray], np.ndarray], tail: float, high: float = math.inf
    ) -> None:
        self._grid, self._log, self.high = grid, log_density, high
        p, tau = grid.mass, grid.tau
        self.mean = float(p @ tau) if tail > 1 else math.inf
        self.sd = math.sqrt(p @ (tau - self.mean) ** 2) if tail > 2 else math.inf

    def density(self, x: np.ndarray | float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        inside = (x >= 0) & (x <= self.high)
        return np.where(inside, np.exp(self._log(np.where(inside, x, 0.0).ravel()).reshape(x.shape) - self._grid.log_mass), 0.0)

    def cdf(self, x: np.ndarray | float) -> np.ndarray:
        return self._grid.cdf(np.asarray(x, dtype=float))

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        from vfmeta.kernels.mixtures import panel_quantile

        grid = self._grid
        held = grid.left, grid.width, grid.values, grid.before, len(grid.left)
        return np.exp([panel_quantile(x, *held) for x in p.tolist()])

    @property
    def mode(self) -> float:  # type: ignore[override]
        """Highest point of the density; zero where it falls from the start."""
        top = self.quantile(np.array([0.9995]))[0]
        nodes = self._grid.tau[(self._grid.mass > 1e-12) & (self._grid.tau < top)]
        x = np.unique(np.concatenate([np.linspace(0, top, 400), nodes]))
        h = self._log(x)
        j = int(np.argmax(h))
        best, height = float(x[j]), float(h[j])
        a, b = float(x[max(j - 1, 0)]), float(x[min(j + 1, len(x) - 1)])
        while b - a > 1e-9 * b:
            u = np.linspace(a, b, _TRIED)
            h = self._log(u)
            i = int(np.argmax(h))
            if h[i] > height:
                best, height = float(u[i]), float(h[i])
            a, b = float(u[max(i - 1, 0)]), float(u[min(i + 1, _TRIED - 1)])
            if best == 0 and b < 1e-9 * top:
                break
        return best


def solve_tau(
    prior: TauPrior,
    log_density: Callable[[np.ndarray], np.ndarray],
    wobble: Callable[[np.ndarray], np.ndarray],
    sizes: list[float],
    tail: float,
) -> tuple[TauMarginal, np.ndarray, np.ndarray, float]:
    """Posterior of tau by panels in numpy, the nodes that carry mass with their probabilities, and the log of the total.

    Parameters
    ----------
    log_density, wobble : callable
        See `vfmeta.kernels.quadrature.integrate`.
    sizes : list of float
        Sizes in the data that tau may have; zeros are left aside.
    tail : float
        The a of a posterior tail tau^(-1-a).
    """
    scales = [x for x in (*sizes, prior.size or 0.0) if x > 0]
    grid = integrate(log_density, wobble, scales, prior.high, 2 if tail > 2 else 1 if tail > 1 else 0)
    keep = grid.mass > 1e-17
    if tail > 2:  # far nodes of next to no mass still carry variance
        second = grid.mass * grid.tau**2
        keep |= second > 1e-16 * second.sum()
    mass = grid.mass[keep]
    return TauMarginal(grid, log_density, tail, prior.high), grid.tau[keep], mass / mass.sum(), grid.log_mass


def _shortest(d: MarginalPosterior, level: float) -> Pair:
    """Shortest interval: the lower probability at which both ends have the same density, found from a global scan."""
    spare = 1 - level
    scan = spare * np.linspace(0, 1, 41)[1:-1]
    lows, highs = d.quantile(scan), d.quantile(scan + level)
    first = d.low if math.isfinite(d.low) else -math.inf
    last = d.high if math.isfinite(d.high) else math.inf
    lengths = np.concatenate([[float(d.quantile(level)) - first], highs - lows, [last - float(d.quantile(spare))]])
    p = np.concatenate([[0.0], scan, [spare]])
    j = int(np.argmin(lengths))

    def ends(q: float) -> Pair:
        low = first if q <= 0 else float(d.quantile(q))
        high = last if q >= spare else float(d.quantile(q + level))
        return low, high

    def gap(q: float) -> float:
        low, high = ends(q)
        return float(d.density(high) if math.isfinite(high) else 0.0) - float(d.density(low) if math.isfinite(low) else 0.0)

    a, b = p[max(j - 1, 0)], p[min(j + 1, len(p) - 1)]
    ga, gb = gap(a), gap(b)
    if not ga > 0 > gb:  # the density falls from one end of the support: the interval starts there
        return ends(p[j])
    root = bracketed_roots(lambda q, _: np.array([gap(float(t)) for t in q]), np.array([a]), np.array([b]))
    return ends(float(root[0]))
