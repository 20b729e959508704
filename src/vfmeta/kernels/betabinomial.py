"""Beta-binomial log likelihood of arms that share a mean and an overdispersion."""

from __future__ import annotations

import numpy as np
from scipy.special import loggamma

from vfmeta.kernels.families import log_choose

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
        longest = int(count.max(initial=0))
        terms = np.cumsum(np.log(start + np.arange(longest) * gamma))
        sums = np.concatenate([[0.0], terms])
        return sums[count.astype(int)]
    a = start / gamma
    return count * np.log(gamma) + loggamma(a + count) - loggamma(a)
