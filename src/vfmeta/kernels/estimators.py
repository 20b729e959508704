"""Between-study variance and the pooled mean by every univariate method, for one meta-analysis or for a hundred thousand.

The loops are compiled (`vfmeta.kernels.compiled`) and run without the interpreter lock, on every core where there is work for
them. A batch is ragged: flat ``y`` and ``v``, and for each meta-analysis the positions of its studies.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from vfmeta.kernels.quadratic_form import genq_tau2
from vfmeta.kernels.roots import ConvergenceError

ESTIMATORS: dict[str, str] = {
    "REML": "restricted maximum likelihood (Raudenbush 2009, in Cooper et al., ch. 16)",
    "DL": "DerSimonian & Laird 1986, Controlled Clinical Trials 7:177-188",
    "PM": "Paule & Mandel 1982, J Res NBS 87:377-385: the generalised Q equals k - 1",
    "ML": "maximum likelihood (Hardy & Thompson 1996, Stat Med 15:619-629)",
    "EB": "empirical Bayes (Morris 1983, JASA 78:47-55); for a mean its equation is Paule and Mandel's",
    "HE": "Hedges & Olkin 1985: moments with equal weights",
    "HS": "Hunter & Schmidt 2004",
    "HSk": "Hunter & Schmidt with the small-sample factor k / (k - 1) (Brannick et al. 2019, Res Synth Methods 10:245-259)",
    "SJ": "Sidik & Jonkman 2005, Appl Stat 54:367-384, from the plain variance with denominator k",
    "DL2": "two-step DerSimonian-Laird (DerSimonian & Kacker 2007, Contemp Clin Trials 28:105-114)",
    "DLIT": "DerSimonian-Laird iterated to its limit, which solves Paule and Mandel's equation (DerSimonian & Kacker 2007)",
    "SJIT": "Sidik-Jonkman iterated to its limit, which solves Paule and Mandel's equation",
    "PMM": "median-unbiased Paule-Mandel: the generalised Q equals the median of its distribution (Viechtbauer 2021)",
    "GENQ": "moments with given weights (DerSimonian & Kacker 2007; Jackson 2013, Res Synth Methods 4:220-229)",
    "GENQM": "given weights, median-unbiased: Q_a is the median of its distribution (Viechtbauer 2021)",
}
CLOSED = frozenset({"DL", "DL2", "HE", "HS", "HSk", "SJ", "GENQ", "common", "fixed"})  # no iteration
PROFILE, LIKELIHOOD, TAU2_SE, PROFILE_LIKELIHOOD = 1, 2, 4, 8

_CODES = {
    "common": 0, "DL": 1, "DL2": 2, "HE": 3, "HS": 4, "HSk": 5, "SJ": 6, "PM": 7, "EB": 7, "DLIT": 7, "SJIT": 7,
    "PMM": 8, "ML": 9, "REML": 10, "GENQ": 11, "fixed": 12, "GENQM": 13,
}  # fmt: skip
_WORTH_A_THREAD = 20_000  # studies, below which another thread costs more than it brings
_NONE = np.empty(0)


def fit_ragged(
    y: np.ndarray,
    v: np.ndarray,
    order: np.ndarray,
    start: np.ndarray,
    tau2: str | float = "REML",
    *,
    weights: np.ndarray | None = None,
    level: float = 0.95,
    wants: int = 0,
    threads: int | None = None,
) -> np.ndarray:
    """Fit ``B`` meta-analyses.

    Parameters
    ----------
    y, v : ndarray of shape (N,)
        Effects and their sampling variances (finite, v > 0).
    order : ndarray of int, shape (M,)
        Positions in ``y``; ``order[start[b]:start[b + 1]]`` are the studies of meta-analysis ``b``.
    start : ndarray of int, shape (B + 1,)
        Where each meta-analysis begins in ``order``; none is empty.
    tau2 : str or float
        A name of `ESTIMATORS`, ``"common"`` for the common-effect model, or a value in squared units of ``y``.
    weights : ndarray of shape (N,), optional
        Fixed weights of the mean instead of 1 / (v + tau2), and of GENQ and GENQM.
    level : float
        Confidence level of the intervals of tau2.
    wants : int
        Sum of `PROFILE` (Q-profile limits) or `PROFILE_LIKELIHOOD` (for ML and REML), `LIKELIHOOD` and `TAU2_SE`; what is not
        wanted is NaN.
    threads : int, optional
        At most so many; every core, where there is work for them, when left out.

    Returns
    -------
    ndarray of shape (B, 11)
        Columns `vfmeta.kernels.compiled.fits.COLUMNS`: tau2, its standard error, estimate, its standard error, the
        Hartung-Knapp factor, Cochran's Q, the typical sampling variance, two limits of tau2, log-likelihood and restricted
        log-likelihood. For a single study all but estimate, standard error and Q are NaN.

    Raises
    ------
    ConvergenceError
        When an iteration did not settle; ``rows`` of the error holds which.
    """
    from vfmeta.kernels.compiled import fits

    order, start = _own(order, np.int64), _own(start, np.int64)
    k = np.diff(start)
    method, given = _method(tau2)
    tau2_given = np.full(len(k), given)
    if method == fits.GENQM:
        if weights is None:
            raise ValueError("GENQM needs weights.")
        for b in np.flatnonzero(k > 1):
            rows = order[start[b] : start[b + 1]]
            tau2_given[b] = genq_tau2(y[rows], v[rows], weights[rows], 0.5)
    target, small, large = (t[k] for t in _targets(int(k.max()), np.unique(k), tau2, level))
    ws = _NONE if weights is None else _own(weights)
    out = np.empty((len(k), len(fits.COLUMNS)))
    drop = _half_chi2(level) if wants & PROFILE_LIKELIHOOD else 0.0
    y, v = _own(y), _own(v)

    def run(low: int, high: int) -> None:
        fits.fit_ragged(y, v, ws, order, start, method, tau2_given, target, small, large, drop, wants, low, high, out)

    _spread(run, len(k), int(start[-1]), threads)
    _settled(out, k, wants)
    return out


def fit_leaving_one_out(
    y: np.ndarray, v: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits without each study in turn, shape (k, 11); k >= 2, and arguments as in `fit_ragged`."""
    from vfmeta.kernels.compiled import fits

    k = len(y)
    if tau2 == "GENQM":
        return fit_each(y, v, [np.delete(np.arange(k), i) for i in range(k)], tau2, weights=weights, wants=wants)
    return _drive(fits.fit_leaving_one_out, (), np.full(k, k - 1), k * k, y, v, tau2, weights, wants)


def fit_cumulating(
    y: np.ndarray, v: np.ndarray, order: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits of the first, the first two, ... studies of ``order``, shape (k, 11); arguments as in `fit_ragged`."""
    from vfmeta.kernels.compiled import fits

    k = len(y)
    if tau2 == "GENQM":
        return fit_each(y, v, [np.asarray(order)[: i + 1] for i in range(k)], tau2, weights=weights, wants=wants)
    steps = _own(order, np.int64)
    return _drive(fits.fit_cumulating, (steps,), np.arange(1, k + 1), k * k, y, v, tau2, weights, wants)


def fit_subsets(
    y: np.ndarray, v: np.ndarray, masks: np.ndarray, tau2: str | float, *, weights: np.ndarray | None = None, wants: int = 0
) -> np.ndarray:
    """Fits of subsets, shape (len(masks), 11): bit i of a mask (int64, above 0) says whether study i takes part, i < 62."""
    from vfmeta.kernels.compiled import fits

    masks = _own(masks, np.int64)
    counts = np.bitwise_count(masks).astype(np.int64)
    if tau2 == "GENQM":
        return fit_each(y, v, [np.flatnonzero(m >> np.arange(len(y)) & 1) for m in masks], tau2, weights=weights, wants=wants)
    return _drive(fits.fit_subsets, (masks,), counts, len(masks) * len(y), y, v, tau2, weights, wants)


def fit_each(
    y: np.ndarray, v: np.ndarray, rows: list[np.ndarray], tau2: str | float, *, weights: np.ndarray | None, wants: int = 0
) -> np.ndarray:
    """Fits of subsets of one set of studies, given as arrays of positions; for GENQM, which the loops below do not know."""
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return fit_ragged(y, v, np.concatenate(rows), start, tau2, weights=weights, wants=wants)


def _drive(
    loop: Callable[..., None], extra: tuple[np.ndarray, ...], counts: np.ndarray, work: int,
    y: np.ndarray, v: np.ndarray, tau2: str | float, weights: np.ndarray | None, wants: int,
) -> np.ndarray:  # fmt: skip
    """Run a loop over subsets of one set of studies; ``counts`` of shape (B,) are their sizes."""
    from vfmeta.kernels.compiled import fits

    method, given = _method(tau2)
    target, small, large = _targets(len(y), np.unique(counts), tau2, 0.95)
    ws = _NONE if weights is None else _own(weights)
    out = np.empty((len(counts), len(fits.COLUMNS)))
    y, v = _own(y), _own(v)

    def run(low: int, high: int) -> None:
        loop(y, v, ws, *extra, method, given, target, small, large, wants, low, high, out)

    _spread(run, len(counts), work)
    _settled(out, counts, wants)
    return out


def _own(x: np.ndarray, dtype: type = float) -> np.ndarray:
    """As the compiled loops know it: contiguous and writable. Any other kind of array would be compiled for anew."""
    return np.require(x, dtype, ["C", "W"])


def _method(tau2: str | float) -> tuple[int, float]:
    return (_CODES[tau2], 0.0) if isinstance(tau2, str) else (_CODES["fixed"], float(tau2))


def _targets(size: int, sizes: np.ndarray, tau2: str | float, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By number of studies: the Q that Paule-Mandel's equation asks for, and the quantiles of the Q-profile limits."""
    target, small, large = np.zeros(size + 1), np.full(size + 1, np.inf), np.zeros(size + 1)
    for k in sizes.tolist():
        if k > 1:
            median, small[k], large[k] = _quantiles(k - 1, level)
            target[k] = median if tau2 == "PMM" else k - 1
    return target, small, large


@lru_cache(maxsize=4096)
def _quantiles(df: int, level: float) -> tuple[float, float, float]:
    from scipy.special import chdtri

    return float(chdtri(df, 0.5)), float(chdtri(df, 0.5 + level / 2)), float(chdtri(df, 0.5 - level / 2))


@lru_cache(maxsize=64)
def _half_chi2(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2)) ** 2 / 2


def _spread(run: Callable[[int, int], None], rows: int, work: int, limit: int | None = None) -> None:
    """``run`` over all rows, in pieces on as many threads as the work is worth."""
    threads = min(limit or cores(), max(1, work // _WORTH_A_THREAD), rows)
    if threads <= 1:
        run(0, rows)
        return
    edges = np.linspace(0, rows, 4 * threads + 1).astype(int)  # several pieces each: subsets of one run are not equally long
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, edges[:-1].tolist(), edges[1:].tolist()))


@lru_cache(maxsize=1)
def cores() -> int:
    """Processors this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _settled(out: np.ndarray, k: np.ndarray, wants: int) -> None:
    failed = np.isnan(out[:, 0]) & (k > 1)
    if wants & PROFILE_LIKELIHOOD:
        failed |= np.isnan(out[:, 8]) & (k > 1)
    if failed.any():
        error = ConvergenceError("The iteration for tau2 did not settle; do the effects span too many orders of magnitude?")
        error.rows = np.flatnonzero(failed).tolist()
        raise error
