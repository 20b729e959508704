"""Rücker's limit meta-analysis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import MethodOrCommon, Missing
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import quantile
from vfmeta.kernels.estimators import fit_ragged, outside
from vfmeta.kernels.small_studies import FLAT
from vfmeta.results.adjusted import LimitMetaAnalysis
from vfmeta.results.small_studies import few_studies


def limit_meta_analysis(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    method: MethodOrCommon | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> LimitMetaAnalysis:
    """Limit meta-analysis: what studies of infinite size would show, had the trend over size been bias.

    How often its tests reject and its intervals hold: ``reports/levels.md#limit_meta_analysis``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    method : str, optional
        Estimator of tau2; that of the fit, or "REML", when left out.

    Returns
    -------
    LimitMetaAnalysis

    Raises
    ------
    InputError
        Fewer than three studies, or variances that are all the same.

    Notes
    -----
    Rücker et al. 2011, Biostatistics 12:122-142: theta_i = beta + sqrt(v_i + tau2) (alpha + e_i). With tau2 held, y / sqrt(v +
    tau2) is regressed on 1 / sqrt(v + tau2); the intercept is alpha, the slope beta, the adjusted effect beta + tau alpha. Its
    standard error is that of the two coefficients in this model, whose errors have variance 1. (R's metasens takes the slope's
    alone, without tau2.)

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> round(vf.appraisal.limit_meta_analysis(y=y, se=se).bias, 2)
    -1.91
    """
    taken = take("limit_meta_analysis", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s, kind = taken.studies, taken.method(method)
    notes = few_studies(s.k)
    if outside(kind):
        raise InputError(f"limit_meta_analysis: method={kind!r} needs weights, which studies here have none of.")
    pool = fit_ragged(s.y, s.v, None, np.array([0, s.k]), kind)[0]
    tau2 = float(pool[0])
    root = np.sqrt(s.v + tau2)
    # in terms of effects: y = beta + alpha root + error of variance root^2
    w = 1 / root**2
    total = float(w.sum())
    mean_x, mean_y = float(w @ root) / total, float(w @ s.y) / total
    off = root - mean_x
    spread = float(w @ off**2)
    if spread <= FLAT * total * mean_x**2:
        raise InputError(
            "limit_meta_analysis: all studies have the same variance, so no trend over size can be told from the mean."
        )
    bias = float(w @ (off * (s.y - mean_y))) / spread
    slope = mean_y - bias * mean_x
    tau = math.sqrt(tau2)
    estimate = slope + tau * bias
    error = math.sqrt(1 / total + (tau - mean_x) ** 2 / spread)
    null = s.question.null_effect
    z = math.nan if null is None else (estimate - null) / error
    half = quantile(taken.level, None) * error
    warn_each(notes)
    return LimitMetaAnalysis(
        question=s.question, name="limit meta-analysis", method=kind if isinstance(kind, str) else "tau2 given",
        level=taken.level, labels=s.labels, y=s.y, v=s.v, unadjusted=float(pool[2]), estimate=estimate, se=error,
        interval=(estimate - half, estimate + half), statistic=z, df=None, p_value=math.erfc(abs(z) / math.sqrt(2)),
        test="Wald", tau2=tau2, bias=bias, bias_se=1 / math.sqrt(spread), slope=slope,
        shrunken=slope + np.sqrt(tau2 / (s.v + tau2)) * (s.y - slope), warnings=(*s.notes, *notes),
        call=taken.record("limit_meta_analysis", method=kind), origin=s.origin,
    )  # fmt: skip
