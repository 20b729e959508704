"""Beta-binomial log likelihood of arms that share a mean and an overdispersion."""

from __future__ import annotations

import numpy as np
from scipy.special import loggamma

from vfmeta.kernels.families import log_choose

MANY = 1000  # terms that are added one by one
SMALL = 1e-5  # below it the gamma functions cancel: the rising factorials are summed term by term


def log_density(events: np.ndarray, size: np.ndarray, mean: np.ndarray | float, gamma: np.ndarray | float) -> np.ndarray:
    """Log probability of ``events`` among ``size``, shape (k,), constants included.

    Parameters
    ----------
    events, size : ndarray of shape (k,)
        Whole numbers.
    mean : float or complex
        Mean of the beta distribution of the risk, in (0, 1).
    gamma : float or complex
        ``icc / (1 - icc)`` >= 0, where icc is the correlation of two patients of one arm; 0 is the binomial distribution.
    """
    rest = size - events
    return log_choose(size, events) + _rising(mean, events, gamma) + _rising(1 - mean, rest, gamma) - _rising(1.0, size, gamma)


def _rising(start: np.ndarray | float, count: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """``sum(log(start + j * gamma) for j in range(count))`` for every count."""
    if np.real(gamma) < SMALL:
        longest = int(min(count.max(initial=0), MANY))
        sums = np.concatenate([[0.0], np.cumsum(np.log(start + np.arange(longest) * gamma))])
        found = sums[np.minimum(count, longest).astype(int)]
        return found + _further(start, longest, count, gamma) if (count > longest).any() else found
    a = start / gamma
    return count * np.log(gamma) + loggamma(a + count) - loggamma(a)


def _further(start: np.ndarray | float, first: int, count: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """The same sum from term ``first`` on by Euler and Maclaurin, whose error is below (gamma / term)^3 / 700."""
    near = start + first * gamma
    far, many = near + np.maximum(count - first, 0) * gamma, np.maximum(count - first, 0)
    ratio = many * gamma / near
    # the integral of the log, over gamma: log1p(x) / x is 1 where all terms are alike
    share = np.divide(np.log1p(ratio), ratio, out=np.ones_like(ratio), where=ratio != 0)
    whole = many * (np.log(near) + (1 + ratio) * share - 1)
    return whole - (np.log(far) - np.log(near)) / 2 + gamma * (1 / far - 1 / near) / 12
