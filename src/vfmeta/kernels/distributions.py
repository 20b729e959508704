"""Tails and quantiles of t and chi-squared for a single fit: the sums of many fits where they are short, scipy's way elsewhere.

For the usual degrees of freedom nothing of scipy is loaded: that takes longer than a thousand fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from vfmeta.kernels.compiled import tails as loops

_FIRST = np.zeros(1, np.int64)


def chi2_above(q: float, df: int) -> float:
    """P(chi-squared >= q); 1 where no degree of freedom is left."""
    if 0 < df <= loops.MOST:
        return float(loops.chi2_above(float(q), int(df)))
    if df <= 0:
        return 1.0
    from scipy.special import chdtrc

    return float(chdtrc(df, q))


def t_outside(t: float, df: int) -> float:
    """P(|T| >= |t|)."""
    if df > loops.MOST:
        from scipy.special import stdtr

        return 2 * float(stdtr(df, -abs(t)))
    p = np.empty(1)
    loops.t_outside(np.array([t], float), np.array([df]), _FIRST, 1, _scales(df), np.empty(loops.SLOTS), p)
    return float(p[0])


@lru_cache(maxsize=4096)
def chi2_quantile(above: float, df: int) -> float:
    """The value with probability ``above`` beyond it."""
    if df > loops.MOST or above > 1 - 1e-6:
        from scipy.special import chdtri

        return float(chdtri(df, above))
    half = df / 2
    norm = math.lgamma(half) + half * math.log(2)

    def slope(q: float) -> float:
        return math.exp(half * math.log(q) - q / 2 - norm)

    # Laurent & Massart 2000, Ann Stat 28:1302-1338, lemma 1; and less lies below a value than its first term says
    if above > 0.5:
        below = 1 - above
        first = 2 * math.exp((math.log(below) + math.lgamma(half + 1)) / half)
        start = max(first, df - 2 * math.sqrt(-df * math.log(below)))
        return _root(lambda q: 1 - chi2_above(q, df), slope, below, start, 1)
    far = -math.log(above)
    return _root(lambda q: chi2_above(q, df), slope, above, df + 2 * math.sqrt(df * far) + 2 * far, -1)


@lru_cache(maxsize=4096)
def quantile(level: float, df: int | None) -> float:
    """Upper end of the central interval of the standard normal distribution, or of t with ``df`` degrees of freedom."""
    outside = 2 * (0.5 - level / 2)
    if outside > 0.5 or (df is not None and df > loops.MOST):
        from scipy.special import ndtri, stdtrit

        return float(-ndtri(outside / 2) if df is None else -stdtrit(df, outside / 2))
    z2 = chi2_quantile(outside, 1)
    if df is None:
        return math.sqrt(z2)

    def slope(t: float) -> float:
        return scale(df) * math.sqrt(df) * t * math.exp(-(df + 1) / 2 * math.log1p(t * t / df))

    # Wallace 1959, Ann Math Stat 30:1121-1130
    start = math.sqrt(df * math.expm1(z2 * ((8 * df + 3) / (8 * df + 1)) ** 2 / df))
    return _root(lambda t: t_outside(t, df), slope, outside, start, -1)


def _root(tail: Callable[[float], float], slope: Callable[[float], float], target: float, x: float, way: int) -> float:
    """Where a tail, whose log is concave in log x, equals its target, by Newton's steps in the logs.

    ``slope`` is x times the density, and ``way`` -1 where the tail falls. From beyond the root no step of a concave function
    goes past it, so the first one that turns back is rounding.
    """
    for turn in range(100):
        p = tail(x)
        step = way * math.log(target / p) * p / slope(x)
        x *= math.exp(step)
        if abs(step) < 1e-15 or (turn > 1 and way * step < 0):
            break
    return x


@lru_cache(maxsize=1024)
def _scales(df: int) -> np.ndarray:
    out = np.zeros(df + 1)
    out[df] = scale(df)
    return out


@lru_cache(maxsize=1024)
def scale(df: int) -> float:
    """Gamma(df/2 + 1/2) / (Gamma(df/2 + 1) Gamma(1/2)), rounded once (twice with pi)."""
    half = df // 2
    if df % 2 == 0:
        return math.comb(df, half) / 4**half
    return 4 ** (half + 1) / ((half + 1) * math.comb(df + 1, half + 1)) / math.pi
