"""Every study left out in turn: what becomes of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.kernels.estimators import fit_leaving_one_out
from vfmeta.kernels.regression import ROUNDING, UNSETTLED, Fit, fit_many
from vfmeta.kernels.roots import ConvergenceError

_CELLS = 4_000_000  # fits * k * p held in memory at once


@dataclass(frozen=True)
class Deleted:
    """The fits without each study: ``beta`` (k, p), ``vb`` (k, p, p), the others (k,), each as of `regression.Fitted`."""

    beta: np.ndarray
    vb: np.ndarray
    tau2: np.ndarray
    factor: np.ndarray
    q: np.ndarray


def leave_one_out(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    tau2: str | float,
    test: str,
    weights: np.ndarray | None = None,
) -> Deleted:
    """Fits without each study, the between-study variance estimated anew; parameters as of `vfmeta.kernels.regression.fit`.

    They are NaN where the design without the study is singular or leaves no degree of freedom.
    """
    (k, p), estimated = x.shape, isinstance(tau2, str) and tau2 != "common"
    if p == 1 and k > 2 and test != "KR" and (x == 1).all():
        return _of_pool(y, v, tau2, test, weights)
    others = np.nonzero(~np.eye(k, dtype=bool))[1].reshape(k, k - 1)
    out = fit_many(y[others], v[others], x, others, tau2, test, None if weights is None else weights[others])
    found = Deleted(out.beta, out.vb, out.tau2, out.factor, out.q)
    if k - 1 <= p and (estimated or test != "Wald"):
        return Deleted(*(np.full_like(a, np.nan) for a in vars(found).values()))
    if out.unsettled.any():
        raise ConvergenceError(UNSETTLED)
    return found


def _of_pool(y: np.ndarray, v: np.ndarray, tau2: str | float, test: str, weights: np.ndarray | None) -> Deleted:
    """The same of a mean, of which no k x k array is made."""
    found, _, mean, se, factor, q = fit_leaving_one_out(y, v, tau2, weights=weights)[:, :6].T
    if not test.startswith("HKSJ"):
        factor = np.ones_like(factor)
    else:
        least = ROUNDING**2 / (len(y) - 2)
        for i in np.flatnonzero(factor <= least * (y**2 / v).sum()):
            squares = y**2 / (v + found[i])
            factor[i] *= factor[i] > least * (squares.sum() - squares[i])
        factor = np.maximum(factor, 1.0) if test == "HKSJ-adhoc" else factor
    return Deleted(mean[:, None], (factor * se**2)[:, None, None], found, factor, q)


@dataclass(frozen=True)
class Influence:
    """Case diagnostics, each of shape (k,), ``dfbetas`` (k, p); NaN where they are undefined without the study."""

    residual: np.ndarray
    residual_se: np.ndarray
    studentised: np.ndarray
    dffits: np.ndarray
    cook: np.ndarray
    covratio: np.ndarray
    dfbetas: np.ndarray
    baujat_x: np.ndarray
    baujat_y: np.ndarray


def influence(f: Fit, y: np.ndarray, v: np.ndarray, deleted: Deleted) -> Influence:
    """Diagnostics of Viechtbauer & Cheung 2010, Res Synth Methods 1:112-125, from a fit and its `leave_one_out`.

    Without study i: the studentised residual sets y_i against its prediction, with the variance v_i + tau2(i) + Var(prediction)
    (all of it times the Hartung-Knapp factor of the fit without i, where one is used); DFFITS and DFBETAS scale the shift of
    the fitted value and of the coefficients by the standard errors that all studies would have with tau2(i) and the
    Hartung-Knapp factor (i); Cook's distance is the Mahalanobis distance of the coefficients; the covariance ratio sets their
    generalised variances against each other. The Baujat coordinates (Baujat, Mahe, Pignon & Hill 2002, Stat Med 21:2641-2652)
    are the squared Pearson residual, and the squared shift of the fitted value over its variance without i.
    """
    x = f.x
    predicted = np.einsum("kp,kp->k", x, deleted.beta)
    spread = np.einsum("kp,kpq,kq->k", x, deleted.vb, x)
    residual = y - predicted
    residual_se = np.sqrt(deleted.factor * (v + deleted.tau2) + spread)
    shift = f.fitted - predicted
    change = f.beta - deleted.beta
    dfbetas, hat = np.full(change.shape, np.nan), f.hat
    there = np.flatnonzero(~np.isnan(deleted.tau2))
    step = max(1, _CELLS // x.size)
    for rows in (there[s : s + step] for s in range(0, len(there), step)):
        covariance = f.model.covariance(f.model.at(deleted.tau2[rows] / f.model.scale**2))
        with np.errstate(divide="ignore", invalid="ignore"):
            dfbetas[rows] = change[rows] / np.sqrt(deleted.factor[rows, None] * np.diagonal(covariance, axis1=1, axis2=2))
    exact = deleted.factor == 0  # what the others leave is rounding, and no measure of distance
    dfbetas[exact] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        # on the scale of the standard errors, so that moderators in different units cost no digits
        se = np.sqrt(np.diag(f.vb))
        inverse = np.full(f.vb.shape, np.nan)  # a fit without any residual has no spread to measure by
        if np.all(se > 0):
            inverse = np.linalg.inv(f.vb / np.outer(se, se))
        away = change / se
        _, before = np.linalg.slogdet(f.vb / np.outer(se, se))
        _, after = np.linalg.slogdet(deleted.vb / np.outer(se, se))
        return Influence(
            residual, residual_se, np.where(exact, np.nan, residual / residual_se),
            # a study without weight, whose leverage is lost in rounding, moves nothing
            np.where(
                exact, np.nan,
                np.where((hat == 0) & ~np.isnan(shift), 0.0, shift / np.sqrt(deleted.factor * hat * (v + deleted.tau2))),
            ),
            np.einsum("kp,pq,kq->k", away, inverse, away),
            np.exp(after - before), dfbetas, (y - f.fitted) ** 2 / (v + f.tau2), np.where(exact, np.nan, shift**2 / spread),
        )  # fmt: skip
