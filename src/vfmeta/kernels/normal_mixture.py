"""Mixtures of normals in numpy: density, distribution function, quantiles."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.roots import bracketed_roots


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
    flat = prob.ravel()
    shape = (len(flat), len(mean))
    return quantiles(flat, p, np.broadcast_to(mean, shape), np.broadcast_to(sd, shape)).reshape(prob.shape)


def quantiles(prob: np.ndarray, p: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Quantiles of ``n`` normal mixtures that share the node probabilities.

    Parameters
    ----------
    prob : ndarray of shape (n,)
        0 < prob < 1.
    p : ndarray of shape (N,)
        Node probabilities.
    mean, sd : ndarray of shape (n, N)
        Conditional means and standard deviations.
    """
    from scipy.special import ndtr

    # below the median the lower tail is matched, above it the upper one, so that far tails keep their digits
    side = np.where(prob <= 0.5, 1.0, -1.0)
    target = np.where(prob <= 0.5, prob, 1 - prob)

    def f(x: np.ndarray, i: np.ndarray) -> np.ndarray:
        s = side[i]
        return s * (ndtr(s[:, None] * (x[:, None] - mean[i]) / sd[i]) @ p - target[i])

    heart = int(np.argmax(p))
    x = mean[:, heart].copy()
    step = sd[:, heart].copy()
    every = np.arange(len(prob))
    a, b = x - step, x + step
    for end, sign in ((a, -1.0), (b, 1.0)):
        reach, open_ = step.copy(), every
        for _ in range(1100):
            open_ = open_[sign * f(end[open_], open_) < 0]
            if len(open_) == 0:
                break
            reach[open_] *= 2
            end[open_] = x[open_] + sign * reach[open_]
    return bracketed_roots(f, a, b, 1e-15 * step)
