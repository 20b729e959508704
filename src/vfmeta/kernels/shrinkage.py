"""The effect of each study given all of them, the between-study variance integrated out instead of taken as known.

With a flat prior on tau2 from zero on, intervals of the single effects hold their level over repeated sets of studies (Morris
1983, JASA 78:47-55; Morris & Tang 2011, Stat Sci 26:271-287), which those at the estimate of tau2 do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

_NODES = 400
_NEGLIGIBLE = 1e-10
_HALVINGS = 60
_CELLS = 4_000_000  # nodes * effects held in memory at once


@dataclass(frozen=True)
class Shrunk:
    """Mixtures of normal distributions, one an effect: ``means`` and ``sds`` (m, k) by value of tau2, ``weights`` (m,)."""

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD of each effect, (k,) and (k,)."""
        mean = self.weights @ self.means
        return mean, np.sqrt(self.weights @ (self.sds**2 + (self.means - mean) ** 2))

    def quantiles(self, p: float) -> np.ndarray:
        """The quantile of each effect, (k,), by halving what holds it."""
        from scipy.special import ndtr, ndtri

        ends = self.means + ndtri(p) * self.sds
        low, high = ends.min(axis=0), ends.max(axis=0)
        sds = np.where(self.sds > 0, self.sds, np.finfo(float).tiny)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self.weights @ ndtr((middle - self.means) / sds) < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2


@dataclass(frozen=True)
class Integrated:
    """What each effect is, how far it lies from the model's mean, and the mean share of the model in it (k,)."""

    effect: Shrunk
    deviation: Shrunk
    shrinkage: np.ndarray


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between 0 and 1."""
    at, by = np.polynomial.legendre.leggauss(_NODES)
    return (at + 1) / 2, by / 2


def integrated(y: np.ndarray, v: np.ndarray, x: np.ndarray, centre: float) -> Integrated:
    """Effects with tau2 integrated out, its prior flat; the coefficients are flat too.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances.
    x : ndarray of shape (k, p)
        Design, of rank p. With k - p of 2 the flat prior is on tau, as one on tau2 leaves no proper posterior.
    centre : float
        A variance of the size of v + tau2, about which the nodes are laid.
    """
    k, p = x.shape
    u, by = _legendre()
    tau = np.sqrt(centre) * u / (1 - u)
    logs = np.log(by) - 2 * np.log1p(-u) + (np.log(tau) if k - p > 2 else 0.0)
    betas, covariances = np.empty((len(tau), p)), np.empty((len(tau), p, p))
    step = max(1, _CELLS // (k * p))
    for s in range(0, len(tau), step):
        part = slice(s, s + step)
        w = 1 / (v + tau[part, None] ** 2)
        xw = x.T * w[:, None, :]
        information = xw @ x
        covariances[part] = np.linalg.inv(information)
        betas[part] = np.linalg.solve(information, (xw @ y)[..., None])[..., 0]
        rest = y - betas[part] @ x.T
        logs[part] += (np.log(w).sum(1) - np.linalg.slogdet(information)[1] - (w * rest**2).sum(1)) / 2
    weights = np.exp(logs - logs.max())
    keep = weights > _NEGLIGIBLE
    weights, tau2 = weights[keep] / weights[keep].sum(), tau[keep, None] ** 2
    own = v / (v + tau2)
    mean = betas[keep] @ x.T
    spread = np.einsum("kp,mpq,kq->mk", x, covariances[keep], x)
    effect = Shrunk(weights, own * mean + (1 - own) * y, np.sqrt(own * tau2 + own**2 * spread))
    deviation = Shrunk(weights, (1 - own) * (y - mean), np.sqrt(own * tau2 + (1 - own) ** 2 * spread))
    return Integrated(effect, deviation, weights @ own)
