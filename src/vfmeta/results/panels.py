"""A density held panel by panel, each the polynomial through its Gauss-Legendre nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.polynomial import legendre


@cache
def _rule(m: int) -> tuple[np.ndarray, np.ndarray]:
    return legendre.leggauss(m)


@dataclass(frozen=True)
class PanelDensity:
    """A density on panels that do not overlap.

    ``left``, ``width`` (n,): the panels in order; ``values`` (n, m): the density at the m Gauss-Legendre nodes of each. It is
    normalised when made.
    """

    left: np.ndarray
    width: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        total = float((self.values @ self._w * self.width).sum() / 2)
        if abs(total - 1) > 1e-8:  # one that was rounded to be written stays as it was written
            object.__setattr__(self, "values", self.values / total)

    @property
    def _x(self) -> np.ndarray:
        return _rule(self.values.shape[1])[0]

    @property
    def _w(self) -> np.ndarray:
        return _rule(self.values.shape[1])[1]

    @cached_property
    def nodes(self) -> np.ndarray:
        """Nodes of every panel, shape (n, m)."""
        return self.left[:, None] + self.width[:, None] * (self._x + 1) / 2

    @cached_property
    def mass(self) -> np.ndarray:
        """Probability of every node, shape (n, m)."""
        return np.asarray(self.values * self._w * self.width[:, None] / 2)

    @cached_property
    def _series(self) -> np.ndarray:
        m = self.values.shape[1]
        return np.asarray(self.values @ ((np.arange(m) + 0.5)[:, None] * legendre.legvander(self._x, m - 1).T * self._w).T)

    @cached_property
    def _integral(self) -> np.ndarray:
        return np.asarray(legendre.legint(self._series, lbnd=-1, axis=1))

    @cached_property
    def _before(self) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(self.mass.sum(1))])

    @cached_property
    def mean(self) -> float:
        return float((self.mass * self.nodes).sum())

    @cached_property
    def sd(self) -> float:
        return math.sqrt(float((self.mass * (self.nodes - self.mean) ** 2).sum()))

    def _at(self, x: Any, series: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        flat = np.asarray(x, dtype=float).ravel()
        j = np.clip(np.searchsorted(self.left, flat, side="right") - 1, 0, len(self.left) - 1)
        into = (flat - self.left[j]) / self.width[j]
        basis = legendre.legvander(2 * np.clip(into, 0, 1) - 1, series.shape[1] - 1)
        return j, into, (basis * series[j]).sum(1)

    def pdf(self, x: Any) -> np.ndarray:
        """Density at ``x`` (any shape)."""
        _, into, value = self._at(x, self._series)
        return np.where((into >= 0) & (into <= 1), np.maximum(value, 0), 0.0).reshape(np.shape(x))

    def cdf(self, x: Any) -> np.ndarray:
        """P(X <= x), any shape."""
        j, _, part = self._at(x, self._integral)
        return np.clip(self._before[j] + part * self.width[j] / 2, 0, 1).reshape(np.shape(x))

    def quantile(self, p: Any) -> np.ndarray:
        """The x below which probability ``p`` (any shape, 0 < p < 1) lies."""
        flat = np.asarray(p, dtype=float).ravel()
        low, high = np.full(len(flat), self.left[0]), np.full(len(flat), self.left[-1] + self.width[-1])
        for _ in range(52):
            middle = 0.5 * (low + high)
            under = self.cdf(middle) < flat
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (0.5 * (low + high)).reshape(np.shape(p))

    def moved(self, by: float) -> PanelDensity:
        """The density of X + by."""
        return PanelDensity(self.left + by, self.width, self.values)

    def times(self, by: float) -> PanelDensity:
        """The density of by X."""
        if by > 0:
            return PanelDensity(self.left * by, self.width * by, self.values / by)
        left = (self.left + self.width) * by
        return PanelDensity(left[::-1], -self.width[::-1] * by, -self.values[::-1, ::-1] / by)
