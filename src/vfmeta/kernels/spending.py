"""Boundaries for looking again with every study: error spent by information, little at first, after O'Brien and Fleming."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

_FAR = 9.0  # standard deviations beyond which nothing is left
_NOTHING = 1e-15  # probability that cannot be told from none
_SAME = 1e-6  # share of the information that makes no look of its own


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
    x, mass = np.array([0.0]), np.array([1.0])  # before the first look all mass is at 0
    before = used = 0.0
    bound = math.inf
    for i, (t, target) in enumerate(zip(share, spent(share, alpha), strict=True)):
        if before >= 1.0:
            break
        if t - before < _SAME and (t < 1.0 or t == before):
            out[i] = bound / math.sqrt(t)
            continue
        step = math.sqrt(t - before)
        extra, far = float(target) - used, _FAR * math.sqrt(t)

        def leaves(b: float, x: np.ndarray = x, mass: np.ndarray = mass, step: float = step) -> float:
            return float(mass @ (ndtr((-b - x) / step) + ndtr((x - b) / step)))

        if extra < _NOTHING or leaves(far) > extra:
            out[i] = math.inf  # nothing leaves, so that the look changes nothing for the next
            continue
        bound = float(brentq(lambda b, leaves=leaves, extra=extra: leaves(b) - extra, 0.0, far, xtol=1e-12))
        out[i] = bound / math.sqrt(t)
        x, mass = _carried(x, mass, step, bound, _points(bound, step))
        before, used = float(t), float(target)
    return out


def _carried(x: np.ndarray, mass: np.ndarray, step: float, bound: float, points: int) -> tuple[np.ndarray, np.ndarray]:
    """The mass at ``x`` (rising) spread by a normal ``step`` and kept inside ``bound``, at as many ``points``."""
    grid = np.linspace(-bound, bound, points)
    first, last = np.searchsorted(x, grid - _FAR * step), np.searchsorted(x, grid + _FAR * step)
    near = first[:, None] + np.arange(max(1, int((last - first).max())))  # the rest is too far to arrive
    there = near < len(x)
    near = np.where(there, near, 0)
    arrives = np.exp(-0.5 * ((grid[:, None] - x[near]) / step) ** 2) * np.where(there, mass[near], 0.0)
    density = arrives.sum(axis=1) / (step * math.sqrt(2 * math.pi))
    simpson = np.full(points, 2.0)
    simpson[1::2], simpson[[0, -1]] = 4.0, 1.0
    return grid, density * simpson * (2 * bound / (points - 1) / 3)


def _points(bound: float, step: float) -> int:
    """Odd, and dense beside the step to come, which may be small."""
    return 2 * max(200, math.ceil(5 * bound / step)) + 1
