"""Between-study variance and the pooled mean by every univariate method, for one meta-analysis or for a hundred thousand.

The loops are compiled (`vfmeta.kernels.compiled`) and run without the interpreter lock, on every core where there is work for
them. A batch is ragged: flat ``y`` and ``v``, and for each meta-analysis the positions of its studies.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.kernels.compiled import fits
from vfmeta.kernels.distributions import chi2_quantile
from vfmeta.kernels.least_squares import CollinearError, regression
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.tau2 import ESTIMATORS, chain

PROFILE, LIKELIHOOD, TAU2_SE, PROFILE_LIKELIHOOD = 1, 2, 4, 8

_WORTH_A_THREAD = 20_000  # studies, below which another thread costs more than it brings
_NONE, _ANY = np.empty(0), np.empty(0, np.int64)


def fit_ragged(
    y: np.ndarray,
    v: np.ndarray,
    order: np.ndarray | None,
    start: np.ndarray,
    tau2: str | float = "REML",
    *,
    weights: np.ndarray | None = None,
    level: float = 0.95,
    wants: int = 0,
    threads: int | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Fit ``B`` meta-analyses.

    Parameters
    ----------
    y, v : ndarray of shape (N,)
        Effects and their sampling variances (finite, v > 0).
    order : ndarray of int, shape (M,), optional
        Positions in ``y``; ``order[start[b]:start[b + 1]]`` are the studies of meta-analysis ``b``. None: 0, 1, 2, ...
    start : ndarray of int, shape (B + 1,)
        Where each meta-analysis begins in ``order``; none is empty.
    tau2 : str or float
        A name of `vfmeta.kernels.tau2.ESTIMATORS`, ``"common"`` for the common-effect model, or a value in squared units of
        ``y``.
    weights : ndarray of shape (N,), optional
        Fixed weights of the mean instead of 1 / (v + tau2), and of an estimator that needs them.
    level : float
        Confidence level of the intervals of tau2.
    wants : int
        Sum of `PROFILE` (Q-profile limits) or `PROFILE_LIKELIHOOD` (for ML and REML), `LIKELIHOOD` and `TAU2_SE`; what is not
        wanted is NaN.
    threads : int, optional
        At most so many; every core, where there is work for them, when left out.
    out : ndarray of shape (7 or 11, B), optional
        Where the columns go; made here when left out.

    Returns
    -------
    ndarray of shape (B, 11), or (B, 7) where nothing more is wanted, each column in one piece
        Columns `vfmeta.kernels.compiled.fits.COLUMNS`: tau2, its standard error, estimate, its standard error, the
        Hartung-Knapp factor, Cochran's Q, the typical sampling variance, two limits of tau2, log-likelihood and restricted
        log-likelihood. For a single study all but estimate, standard error and Q are NaN.

    Raises
    ------
    ConvergenceError
        When an iteration did not settle; ``rows`` of the error holds which, and ``found`` all fits, theirs NaN.
    """
    index, start = _ANY if order is None else owned(order, np.int64), owned(start, np.int64)
    k = start[1:] - start[:-1]
    given = None
    if outside(tau2):
        given = np.zeros((2, len(k)))
        for b in np.flatnonzero(k > 1):
            rows = slice(start[b], start[b + 1]) if order is None else index[start[b] : start[b + 1]]
            x, own = np.ones((k[b], 1)), None if weights is None else weights[rows]
            given[:, b] = by_formula(tau2, y[rows], v[rows], x, own)
    return _drive(
        fits.RAGGED, index, k, int(start[-1]), y, v, tau2, weights, wants,
        start=start, given=given, level=level, threads=threads, out=out,
    )  # fmt: skip


def fit_leaving_one_out(
    y: np.ndarray, v: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits without each study in turn, shape (k, 7) or (k, 11); k >= 2, and arguments as in `fit_ragged`."""
    k = len(y)
    if outside(tau2):
        return fit_each(y, v, [np.delete(np.arange(k), i) for i in range(k)], tau2, weights=weights, wants=wants)
    return _drive(fits.ONE_OUT, _ANY, np.full(k, k - 1), k * k, y, v, tau2, weights, wants)


def fit_cumulating(
    y: np.ndarray, v: np.ndarray, order: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits of the first, the first two, ... studies of ``order``, shape (k, 7) or (k, 11); arguments as in `fit_ragged`."""
    k = len(y)
    if outside(tau2):
        return fit_each(y, v, [np.asarray(order)[: i + 1] for i in range(k)], tau2, weights=weights, wants=wants)
    steps = owned(order, np.int64)
    return _drive(fits.CUMULATIVE, steps, np.arange(1, k + 1), k * k, y, v, tau2, weights, wants)


def fit_subsets(
    y: np.ndarray, v: np.ndarray, masks: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits of subsets, shape (len(masks), 7) or (len(masks), 11); arguments as in `fit_ragged`.

    Bit i of a mask (int64, above 0) says whether study i takes part, i < 62.
    """
    masks = owned(masks, np.int64)
    counts = np.bitwise_count(masks).astype(np.int64)
    if outside(tau2):
        return fit_each(y, v, [np.flatnonzero(m >> np.arange(len(y)) & 1) for m in masks], tau2, weights=weights, wants=wants)
    return _drive(fits.SUBSETS, masks, counts, len(masks) * len(y), y, v, tau2, weights, wants)


def fit_each(
    y: np.ndarray, v: np.ndarray, rows: list[np.ndarray], tau2: str | float, *, weights: np.ndarray | None, wants: int = 0
) -> np.ndarray:
    """Fits of subsets of one set of studies, given as arrays of positions; for estimators that are a formula."""
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return fit_ragged(y, v, np.concatenate(rows), start, tau2, weights=weights, wants=wants)


def _drive(
    kind: int, which: np.ndarray, counts: np.ndarray, work: int, y: np.ndarray, v: np.ndarray, tau2: str | float,
    weights: np.ndarray | None, wants: int, *, start: np.ndarray = _ANY, given: np.ndarray | None = None, level: float = 0.95,
    threads: int | None = None, out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Run `vfmeta.kernels.compiled.fits.fit_many`; ``counts`` of shape (B,) are the sizes of the fits.

    ``given`` (2, B) are tau2 and its standard error where a formula found them.
    """
    sizes = np.bincount(counts)
    method = branch(tau2)
    rank = _ANY
    iterated = method in (chain.REML, chain.ML)  # else subsets that differ in their first studies are neighbours enough
    beside = iterated or (method in (chain.DL, chain.COMMON) and kind != fits.SUBSETS)
    if beside and weights is None and sizes[-1] < len(counts):  # equal sizes are fitted side by side
        rank = np.argsort(counts.astype(np.uint16) if len(sizes) <= 1 << 16 else counts, kind="stable")
    values = np.full(1, 0.0 if isinstance(tau2, str) else float(tau2)) if given is None else given[0]
    asked = _asked_of_one(len(sizes) - 1, tau2 == "PMM", level) if len(counts) == 1 else _asked(sizes, tau2 == "PMM", level)
    drop = chi2_quantile(1 - level, 1) / 2 if wants & PROFILE_LIKELIHOOD else 0.0
    y, v, ws = owned(y), owned(v), _NONE if weights is None else owned(weights)
    found = np.empty((columns(wants), len(counts))) if out is None else out

    def run(low: int, high: int) -> None:
        room = fits.room(len(sizes))
        fits.fit_many(y, v, ws, kind, which, start, rank, values, method, asked, drop, wants, room, low, high, found)

    spread(run, len(counts), work, threads, sizes if rank.size else None)
    if given is not None and wants & TAU2_SE:
        found[1] = np.where(counts > 1, given[1], np.nan)
    return _settled(found, counts, wants)


def columns(wants: int) -> int:
    """How many of `vfmeta.kernels.compiled.fits.COLUMNS` a fit has."""
    return len(fits.COLUMNS) if wants else fits.BASIC


def branch(tau2: str | float) -> int:
    """The number of an estimator in `vfmeta.kernels.tau2.chain`; "common", a value and a formula have theirs too."""
    if not isinstance(tau2, str):
        return chain.GIVEN
    return chain.COMMON if tau2 == "common" else chain.BRANCHES.index(ESTIMATORS[tau2].compiled or "outside")


def outside(tau2: str | float) -> bool:
    """Whether an estimator is a formula that the compiled loops do not know."""
    return isinstance(tau2, str) and tau2 != "common" and ESTIMATORS[tau2].compiled is None


def by_formula(method: Any, y: np.ndarray, v: np.ndarray, x: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """tau2 and its standard error by an estimator that is a formula; NaN where it cannot be told."""
    if ESTIMATORS[method].weighted and weights is None:
        raise ValueError(f"{method} needs weights.")
    formula: Any = ESTIMATORS[method].formula
    if formula is None:
        raise InputError(
            f"method={method!r} needs the 2 x 2 table of every study, and here are effects with their variances alone: only "
            'vf.random_effects of an effect table of events takes it; use method="DL" or another.'
        )
    try:
        m = regression(y, v, x)
    except CollinearError:
        return np.nan, np.nan
    tau2, se = formula(m.whole, m.v, m.basis, weights) if m.df > 0 else (np.nan, np.nan)
    return tau2 * m.scale**2, se * m.scale**2


def owned(x: np.ndarray, dtype: type = float) -> np.ndarray:
    """As the compiled loops know it: contiguous and writable. Any other kind of array would be compiled for anew."""
    flags = x.flags
    if x.dtype == dtype and flags.c_contiguous and flags.aligned and flags.writeable:
        return x
    x = np.require(x, dtype, ["C"])
    if not x.flags.writeable:
        x = x.view()
        try:
            x.flags.writeable = True  # a column of a data frame; the loops write nothing there
        except ValueError:
            x = x.copy()
    return x


@lru_cache(maxsize=1024)
def _asked_of_one(k: int, median: bool, level: float) -> np.ndarray:
    """`_asked` of a single fit; the loops write nothing there."""
    return _asked(np.bincount([k]), median, level)


def _asked(sizes: np.ndarray, median: bool, level: float) -> np.ndarray:
    """By number of studies: the Q that Paule-Mandel's equation asks for, and the quantiles of the Q-profile limits."""
    asked = np.zeros((3, len(sizes)))
    for k in np.flatnonzero(sizes[2:]).tolist():
        aim = chi2_quantile(0.5, k + 1) if median else k + 1
        asked[:, k + 2] = aim, chi2_quantile(0.5 + level / 2, k + 1), chi2_quantile(0.5 - level / 2, k + 1)
    return asked


def spread(
    run: Callable[[int, int], None], rows: int, work: int, limit: int | None = None, sizes: np.ndarray | None = None
) -> None:
    """``run`` over all rows, in pieces on as many threads as the work is worth.

    Rows are equally long, or ``sizes[n]`` of them n long, the shortest first.
    """
    threads = min(limit or cores(), max(1, work // _WORTH_A_THREAD), rows)
    if threads <= 1:
        run(0, rows)
        return
    shares = np.linspace(0, 1, 8 * threads + 1)  # several pieces each: one thread may be held up
    if sizes is None:
        edges = (shares * rows).astype(int)
    else:
        done = np.cumsum(sizes * np.arange(len(sizes)))
        edges = np.interp(shares * done[-1], done, np.cumsum(sizes)).astype(int)
    pieces = iter(list(pairwise(edges.tolist())))  # shared: whoever is free takes the next

    def share() -> None:
        for low, high in pieces:
            run(low, high)

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(share) for _ in range(threads - 1)]
        share()
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def cores() -> int:
    """Processors this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _settled(out: np.ndarray, k: np.ndarray, wants: int) -> np.ndarray:
    """The fits as rows, if all of them settled."""
    failed = np.isnan(out[0])
    if failed.any():  # a single study has no tau2
        failed &= k > 1
    if wants & PROFILE_LIKELIHOOD:
        failed |= np.isnan(out[8]) & (k > 1)
    if failed.any():
        error = ConvergenceError("The iteration for tau2 did not settle; do the effects span too many orders of magnitude?")
        error.rows, error.found = np.flatnonzero(failed).tolist(), out.T
        raise error
    return out.T
