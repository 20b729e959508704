"""Tail probabilities of many fits: compiled sums for the usual degrees of freedom, scipy's for the rest."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from vfmeta.kernels.estimators import spread

_WORK = 4  # a tail costs about as much as so many studies in a fit


def tails(statistic: np.ndarray, q: np.ndarray, df: np.ndarray, student: bool) -> tuple[np.ndarray, np.ndarray]:
    """P values of many fits.

    Parameters
    ----------
    statistic, q : ndarray of shape (B,)
        Test statistics of the estimates, and values of Cochran's Q.
    df : ndarray of int, shape (B,)
        Degrees of freedom of both; where there are none (0) the test is the normal one, and P(Q >= q) is 1.
    student : bool
        Whether the statistics follow t rather than the normal distribution.

    Returns
    -------
    tuple of two ndarray of shape (B,)
        Two-sided p values, and P(chi-squared >= q).
    """
    from scipy.special import chdtrc, ndtr, stdtr

    from vfmeta.kernels.compiled import tails as loops

    p, q_p = np.empty(len(df)), np.ones(len(df))
    most = int(df.max())
    scale = np.zeros(loops.MOST + 1)
    if student:
        for n in np.flatnonzero(np.bincount(df, minlength=1)[: loops.MOST + 1]).tolist():
            scale[n] = _scale(n)

    def run(low: int, high: int) -> None:
        loops.tails(statistic, q, df, scale, student, low, high, p, q_p)

    spread(run, len(df), 2 * _WORK * len(df))
    normal = df == 0 if student else slice(None)
    p[normal] = 2 * ndtr(-np.abs(statistic[normal]))
    if most > loops.MOST:
        long = np.flatnonzero(df > loops.MOST)
        q_p[long] = chdtrc(df[long], q[long])
        if student:
            p[long] = 2 * stdtr(df[long], -np.abs(statistic[long]))
    return p, q_p


@lru_cache(maxsize=1024)
def _scale(df: int) -> float:
    """Gamma(df/2 + 1/2) / (Gamma(df/2 + 1) Gamma(1/2)), rounded once (twice with pi)."""
    half = df // 2
    if df % 2 == 0:
        return math.comb(df, half) / 4**half
    return 4 ** (half + 1) / ((half + 1) * math.comb(df + 1, half + 1)) / math.pi
