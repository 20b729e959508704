"""Mixtures of normals: density and distribution function in numpy, quantiles by the compiled loop."""

from __future__ import annotations

import math

import numpy as np


def log_density(x: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Log density at ``x`` (any shape) of normals of weights, means and SDs (N,)."""
    parts = np.log(p / sd) - 0.5 * ((x[..., None] - mean) / sd) ** 2
    top = parts.max(-1)
    return top + np.log(np.exp(parts - top[..., None]).sum(-1)) - 0.5 * math.log(2 * math.pi)


def cdf(x: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Probability below ``x`` (any shape)."""
    from scipy.special import ndtr

    return ndtr((x[..., None] - mean) / sd) @ p


def quantile(prob: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Quantiles at ``prob`` (any shape, 0 < prob < 1) of one mixture."""
    return quantiles(prob.ravel(), p, mean[None], sd[None]).reshape(prob.shape)


def quantiles(prob: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Quantiles of ``n`` normal mixtures that share the node probabilities.

    Parameters
    ----------
    prob : ndarray of shape (n,)
        0 < prob < 1.
    p : ndarray of shape (N,)
        Node probabilities.
    mean, sd : ndarray of shape (n, N) or (1, N)
        Conditional means and standard deviations.
    """
    from vfmeta.kernels import mixtures

    return mixtures.quantiles(*(np.ascontiguousarray(x, dtype=float) for x in (prob, p, mean, sd)))
