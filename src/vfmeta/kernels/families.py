"""One-parameter exponential families in their canonical form, for count models with random effects.

A cell holds a count ``x`` with log density ``x * eta - K(eta) + c``; the cumulant function ``K`` and its first two derivatives
(the mean and the variance of the count) are all that a generalised linear mixed model needs. Every function takes complex
``eta`` too: derivatives of the marginal likelihood are taken by a complex step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import gammaln

Cumulants = tuple[np.ndarray, np.ndarray, np.ndarray]


class Family(Protocol):
    """``count`` and ``constant`` have shape (k, J): J cells a study. ``cumulants`` takes eta of shape (k, J, m)."""

    @property
    def count(self) -> np.ndarray: ...

    @property
    def constant(self) -> np.ndarray: ...

    def cumulants(self, eta: np.ndarray) -> Cumulants: ...


@dataclass(frozen=True)
class Binomial:
    """Events ``count`` among ``size``; eta is the log odds."""

    count: np.ndarray
    size: np.ndarray

    @cached_property
    def constant(self) -> np.ndarray:
        return log_choose(self.size, self.count)

    def cumulants(self, eta: np.ndarray) -> Cumulants:
        n = self.size[..., None]
        high = eta.real > 0
        e = np.exp(np.where(high, -eta, eta))
        p, q = np.where(high, 1, e) / (1 + e), np.where(high, e, 1) / (1 + e)
        return n * (np.where(high, eta, 0) + np.log1p(e)), n * p, n * p * q


@dataclass(frozen=True)
class Poisson:
    """Events ``count`` in ``time`` (person-time, any unit); eta is the log rate."""

    count: np.ndarray
    time: np.ndarray

    @cached_property
    def constant(self) -> np.ndarray:
        some = self.count > 0
        return np.where(some, self.count * np.log(np.where(some, self.time, 1.0)), 0.0) - gammaln(self.count + 1)

    def cumulants(self, eta: np.ndarray) -> Cumulants:
        with np.errstate(over="ignore"):  # a step too far is taken back by the line search
            mean = self.time[..., None] * np.exp(eta)
        return mean, mean, mean


@dataclass(frozen=True)
class Hypergeometric:
    """Events ``count`` of arm 1 given all events of the study: Fisher's non-central distribution; eta is the log odds ratio.

    Parameters
    ----------
    count : ndarray of shape (k, 1)
        Events in arm 1, whole numbers.
    size1, size2, events : ndarray of shape (k,)
        Patients of the arms and events in both together.
    """

    count: np.ndarray
    size1: np.ndarray
    size2: np.ndarray
    events: np.ndarray

    @cached_property
    def _ways(self) -> tuple[np.ndarray, np.ndarray]:
        """Logarithm of the ways to get each possible count of arm 1, study after study, and where each study starts."""
        found = []
        for n1, n2, m in zip(self.size1, self.size2, self.events, strict=True):
            u = np.arange(max(0.0, m - n2), min(n1, m) + 1)
            found.append(log_choose(n1, u) + log_choose(n2, m - u))
        return np.concatenate(found), np.cumsum([0, *(len(ways) for ways in found[:-1])])

    @cached_property
    def constant(self) -> np.ndarray:
        x = self.count[:, 0]
        return (log_choose(self.size1, x) + log_choose(self.size2, self.events - x))[:, None]

    def cumulants(self, eta: np.ndarray) -> Cumulants:
        from vfmeta.kernels.compiled.hypergeometric import cumulants

        k, m = len(eta), eta.shape[-1]
        out = np.empty((3, k, m), dtype=eta.dtype)
        n1, n2, events = (np.ascontiguousarray(x, dtype=float) for x in (self.size1, self.size2, self.events))
        log_ways, start = self._ways
        cumulants(np.ascontiguousarray(eta[:, 0]), n1, n2, events, log_ways, start, out[0], out[1], out[2])
        return out[0][:, None], out[1][:, None], out[2][:, None]


def log_choose(n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Logarithm of the binomial coefficient."""
    return gammaln(n + 1.0) - gammaln(x + 1.0) - gammaln(n - x + 1.0)
