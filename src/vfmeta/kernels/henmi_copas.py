"""Henmi and Copas' interval: the common-effect mean and DerSimonian and Laird's tau2, judged together."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from vfmeta.kernels.roots import ConvergenceError

_NODES = 96


def factor(v: np.ndarray, tau2: float, level: float) -> float:
    """What the standard error sqrt((1 + tau2 W2) / W1) is multiplied by, W1 = sum w and W2 = sum w^2 / W1.

    R is the mean about the truth, over its standard deviation. Given R, Q is a quadratic form of a normal vector with the mean
    and variance of a gamma (here from matrices); the interval misses the truth by one side where R > t0 and tau2 (so Q) is too
    small for R. t0 makes that (1 - level) / 2.
    """
    from scipy.optimize import brentq
    from scipy.special import gammainc

    w, d = 1 / v, v + tau2
    k, w1 = len(v), float(w.sum())
    w2 = float((w * w).sum()) / w1
    a = w / w1
    spread = float((a * a * d).sum())
    lead = d * a / spread  # the mean of the errors where the mean of the effects is off by 1
    form = np.diag(w) - np.outer(w, w) / w1
    rest = np.diag(d) - np.outer(d * a, d * a) / spread
    both = form @ rest
    flat = float(np.trace(both)), float(2 * np.sum(both * both.T))
    grow = float(lead @ form @ lead) * spread, 4 * float(lead @ form @ rest @ form @ lead) * spread

    x, weights = _nodes()

    def miss(t: float) -> float:
        high = max(t + 1.0, 12.0)
        r = t + (high - t) * (x + 1) / 2
        mean, variance = flat[0] + grow[0] * r**2, flat[1] + grow[1] * r**2
        below = (w1 / w2 - 1) * (r**2 / t**2 - 1) + k - 1
        inside = gammainc(mean**2 / variance, below * mean / variance)
        density = np.exp(-(r**2) / 2) / math.sqrt(2 * math.pi)
        return float((high - t) / 2 * (weights * inside * density).sum())

    aim = (1 - level) / 2
    low, high = 1e-3, float(-_quantile(aim)) + 1e-9
    if not (miss(low) > aim >= miss(high)):
        high = 3 * high
        if not (miss(low) > aim >= miss(high)):
            raise ConvergenceError(
                "Henmi and Copas' interval was not found; do the variances span too many orders of magnitude?"
            )
    t0 = float(brentq(lambda t: miss(t) - aim, low, high, xtol=1e-14, rtol=1e-14))
    return t0 * math.sqrt(1 + tau2 * w2)


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    x, weights = np.polynomial.legendre.leggauss(_NODES)
    return x, weights


def _quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))
