"""Boundaries for looking again with every study: error spent by information, little at first, after O'Brien and Fleming."""

from __future__ import annotations

import math

import numpy as np
from scipy.integrate import simpson
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

_FAR = 9.0  # standard deviations beyond which nothing is left
_NOTHING = 1e-15  # probability that cannot be told from none


def spent(information: np.ndarray, alpha: float) -> np.ndarray:
    """Error spent of two-sided ``alpha`` at each share of the information, each side half of it; all at 1."""
    with np.errstate(divide="ignore"):
        return 4 * ndtr(-ndtri(1 - alpha / 4) / np.sqrt(np.minimum(information, 1.0)))


def boundaries(information: np.ndarray, alpha: float) -> np.ndarray:
    """How large |z| must be at each look for the error of all looks together to be ``alpha``.

    Parameters
    ----------
    information : array (k,)
        Shares of the planned information, rising.
    alpha : float
        Two-sided error of all looks.

    Returns
    -------
    array (k,)
        Infinite where (next to) nothing is spent, NaN after the look at which everything was.

    Notes
    -----
    The statistic times the root of the share is a Brownian motion. Its density inside the boundaries is carried from look to
    look by Simpson's rule (Armitage, McPherson & Rowe 1969, JRSS A 132:235-244), and each boundary is the root at which the
    chance of leaving there first is what is spent there.
    """
    share = np.minimum(np.asarray(information, dtype=float), 1.0)
    out = np.full(len(share), np.nan)
    x, density = np.array([0.0]), None  # before the first look all mass is at 0
    before = used = 0.0
    for i, (t, target) in enumerate(zip(share, spent(share, alpha), strict=True)):
        step = math.sqrt(t - before) if t > before else 0.0
        if before >= 1.0 or step == 0.0:
            break
        extra, far = float(target) - used, _FAR * math.sqrt(t)

        def leaves(b: float, x: np.ndarray = x, density: np.ndarray | None = density, step: float = step) -> float:
            beyond = ndtr((-b - x) / step) + ndtr((x - b) / step)
            return float(beyond[0] if density is None else simpson(density * beyond, x=x))

        if extra < _NOTHING or leaves(far) > extra:
            bound = far
            out[i] = math.inf
        else:
            bound = float(brentq(lambda b, leaves=leaves, extra=extra: leaves(b) - extra, 0.0, far, xtol=1e-12))
            out[i] = bound / math.sqrt(t)
        grid = np.linspace(-bound, bound, _points(bound, step))
        kernel = np.exp(-0.5 * ((grid[:, None] - x[None, :]) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        density = kernel[:, 0] if density is None else simpson(kernel * density, x=x, axis=1)
        x, before, used = grid, float(t), float(target)
    return out


def _points(bound: float, step: float) -> int:
    """Odd, and dense beside the step to come, which may be small."""
    return 2 * min(max(200, math.ceil(5 * bound / step)), 1000) + 1
