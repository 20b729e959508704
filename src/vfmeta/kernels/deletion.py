"""Every study left out in turn: what becomes of the fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.kernels.regression import CollinearError
from vfmeta.kernels.regressions import Fit, fit

_CELLS = 4_000_000  # fits * k * p held in memory at once


@dataclass(frozen=True)
class Deleted:
    """The fits without each study: ``beta`` (k, p), ``vb`` (k, p, p), ``tau2``, ``q``, ``factor`` (k,).

    Rows are NaN where the design without the study is singular or leaves no degree of freedom.
    """

    beta: np.ndarray
    vb: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    factor: np.ndarray


def leave_one_out(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    tau2: str | float,
    test: str,
    weights: np.ndarray | None = None,
) -> Deleted:
    """Refit without each study, the between-study variance estimated anew; parameters as of `regressions.fit`."""
    k, p = x.shape
    out = Deleted(
        np.full((k, p), np.nan), np.full((k, p, p), np.nan), np.full(k, np.nan), np.full(k, np.nan), np.full(k, np.nan)
    )
    spare = 1 if (isinstance(tau2, str) and tau2 != "common") or test != "Wald" else 0
    if k - 1 < p + spare:
        return out
    for i in range(k):
        keep = np.arange(k) != i
        try:
            f = fit(y[keep], v[keep], x[keep], tau2, test, None if weights is None else weights[keep])
        except CollinearError:
            continue
        out.beta[i], out.vb[i], out.tau2[i], out.q[i], out.factor[i] = f.beta, f.vb, f.tau2, f.q, f.factor
    return out


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
            residual, residual_se, residual / residual_se,
            # a study without weight, whose leverage is lost in rounding, moves nothing
            np.where((hat == 0) & ~np.isnan(shift), 0.0, shift / np.sqrt(deleted.factor * hat * (v + deleted.tau2))),
            np.einsum("kp,pq,kq->k", away, inverse, away),
            np.exp(after - before), dfbetas, (y - f.fitted) ** 2 / (v + f.tau2), shift**2 / spread,
        )  # fmt: skip
