"""p-uniform*: effects given whether they are significant."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import favoured_side, no_difference
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Favoured, Missing
from vfmeta.core.question import Question
from vfmeta.kernels import p_uniform as kernel
from vfmeta.kernels.distributions import chi2_above, chi2_quantile
from vfmeta.kernels.estimators import fit_ragged
from vfmeta.results.adjusted import PUniformStar
from vfmeta.results.small_studies import few_to_select
from vfmeta.results.wald import TestResult


def p_uniform_star(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    favoured: Favoured | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> PUniformStar:
    """p-uniform*: mean and heterogeneity from effects each given that it is, or is not, significant.

    How often its tests reject and its intervals hold: ``reports/levels.md#p_uniform_star``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    favoured : {"higher", "lower"}, optional
        The side towards which significance helps publication, on the analysis scale: by default the better side of the
        question, or else where the REML pool lies, with a note.

    Returns
    -------
    PUniformStar

    Raises
    ------
    ConvergenceError
        The likelihood has no highest point.

    Notes
    -----
    van Aert & van Assen 2021, "Correcting for publication bias in a meta-analysis with the p-uniform* method". Significant
    means one-sided p below (1 - 0.95) / 2; whether significant or not, a study enters with its density given that it is so,
    which needs no weight of selection. Maximum likelihood in mean and tau2, profile-likelihood interval, likelihood-ratio test.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [0.9, 0.2, 0.8, 0.15, 0.45, 0.3, 0.75, 0.05, 0.65, 0.1]
    >>> se = [0.4, 0.1, 0.35, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.p_uniform_star(y=y, se=se, favoured="higher")
    >>> found.significant
    6
    """
    taken = take("p_uniform_star", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    if s.k < 2:
        raise InputError("p_uniform_star: one study tells nothing of heterogeneity; it needs two.")
    null = no_difference("p_uniform_star", s.question)
    side = favoured_side(favoured, s.question, s.y, s.v)
    from scipy.special import ndtri

    model = kernel.Conditional(side.sign * (s.y - null), s.v, float(-ndtri(0.025)))
    mu, tau2 = kernel.maximum(model)
    top = float(model.height(np.array(mu), np.array(tau2)))
    low, high = kernel.profile_limits(model, mu, top, chi2_quantile(1 - taken.level, 1) / 2)
    at_null = float(model.height(np.array(0.0), np.array(model.best_tau2(0.0))))
    ratio = max(2 * (top - at_null), 0.0)
    ends = (null + low, null + high) if side.sign > 0 else (null - high, null - low)
    _, bend = model.slopes(mu, tau2)
    error = math.sqrt(-np.linalg.inv(bend)[0, 0]) if tau2 > 0 else math.sqrt(-1 / bend[0, 0])
    notes = (*((side.note,) if side.note else ()), *few_to_select(s.k))
    warn_each(notes)
    root = math.copysign(math.sqrt(ratio), side.sign * mu)
    return PUniformStar(
        question=s.question, name="p-uniform*", method="ML", level=taken.level, labels=s.labels, y=s.y, v=s.v,
        unadjusted=float(fit_ragged(s.y, s.v, None, np.array([0, s.k]), "REML")[0, 2]), estimate=null + side.sign * mu,
        se=error, interval=ends, favoured=side.name, statistic=root, df=None, p_value=chi2_above(ratio, 1),
        test="likelihood ratio", tau2=tau2, log_likelihood=top,
        likelihood_ratio=TestResult(ratio, 1, None, chi2_above(ratio, 1)), significant=int((model.side > 0).sum()),
        warnings=(*s.notes, *notes), call=taken.record("p_uniform_star", favoured=side.name), origin=s.origin,
    )  # fmt: skip
