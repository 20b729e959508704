"""Columns and tail probabilities of many fits: compiled sums for the usual degrees of freedom, scipy's for the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vfmeta.kernels import distributions
from vfmeta.kernels.compiled import columns as rows
from vfmeta.kernels.compiled import tails as loops
from vfmeta.kernels.compiled.columns import ADHOC, KNAPP, NAMES, PLAIN
from vfmeta.kernels.estimators import spread

__all__ = ["ADHOC", "KNAPP", "NAMES", "PLAIN", "columns", "tails"]

_WORK = 4  # a tail costs about as much as so many studies in a fit


def columns(
    fits: np.ndarray, df: np.ndarray, random: bool, interval: int, predicted: int, null: float, t: np.ndarray, ddf: np.ndarray,
    ahead: np.ndarray, *, student: bool, out: np.ndarray | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Columns of many fits, `vfmeta.kernels.compiled.columns.NAMES`, all made in one pass.

    Parameters
    ----------
    fits : ndarray of shape (7, B) or (11, B)
        What `vfmeta.kernels.compiled.fits` found, a fit a column.
    df : ndarray of int, shape (B,)
        Numbers of studies less one.
    random : bool
        Whether I2 and H2 come from tau2 rather than from Q.
    interval, predicted : {PLAIN, KNAPP, ADHOC}
        Standard error of the estimate, and inside the prediction interval.
    null : float
        The value that is tested.
    t, ddf, ahead : ndarray, by number of studies
        Quantile and degrees of freedom of the interval, quantile of the prediction interval (NaN: none).
    student : bool
        Whether the tests are those of t.
    out : ndarray of shape (11, B), optional
        Where they go; made here when left out.
    """
    made = np.empty((len(NAMES), len(df))) if out is None else out
    found = dict(zip(NAMES, made, strict=True))
    statistic, q = found["statistic"], fits[rows.Q]

    def first(low: int, high: int) -> None:
        rows.columns(fits, df, random, interval, predicted, null, t, ddf, ahead, low, high, made)

    _tails(statistic, q, df, student, found["p_value"], found["q_p_value"], first)
    return found


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
    p, q_p = np.empty(len(df)), np.empty(len(df))
    _tails(statistic, q, df, student, p, q_p)
    return p, q_p


def _tails(
    statistic: np.ndarray, q: np.ndarray, df: np.ndarray, student: bool, p: np.ndarray, q_p: np.ndarray,
    first: Callable[[int, int], None] | None = None,
) -> None:  # fmt: skip
    """Into ``p`` and ``q_p``; ``first`` is done to each piece of the rows before."""
    from scipy.special import chdtrc, ndtr, stdtr

    sizes = np.bincount(df, minlength=1)
    scale = np.zeros(loops.MOST + 1)
    if student:
        for n in np.flatnonzero(sizes[: loops.MOST + 1]).tolist():
            scale[n] = distributions.scale(n)

    def run(low: int, high: int) -> None:
        if first is not None:
            first(low, high)
        room = np.empty(loops.SLOTS), np.empty(loops.WIDTH, np.int64)
        loops.tails(statistic, q, df, scale, student, *room, low, high, p, q_p)

    spread(run, len(df), 2 * _WORK * len(df))
    if sizes[0] or not student:
        normal = df == 0 if student else slice(None)
        p[normal] = 2 * ndtr(-np.abs(statistic[normal]))
    if len(sizes) > loops.MOST + 1:
        long = np.flatnonzero(df > loops.MOST)
        q_p[long] = chdtrc(df[long], q[long])
        if student:
            p[long] = 2 * stdtr(df[long], -np.abs(statistic[long]))
