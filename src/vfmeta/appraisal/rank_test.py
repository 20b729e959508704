"""Begg and Mazumdar's rank correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.kernels.small_studies import exact_p, kendall
from vfmeta.results.small_studies import RankTest, few_studies


def begg(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> RankTest:
    """Begg and Mazumdar's test: rank correlation of effects, standardised about their common mean, with their variances.

    How often its tests reject and its intervals hold: ``reports/levels.md#begg``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.

    Returns
    -------
    RankTest
        With the exact p value, ties minded; the normal one where ties on both sides are too many to count.

    Raises
    ------
    InputError
        Fewer than three studies, or variances (or deviations) that are all the same.

    Notes
    -----
    Begg & Mazumdar 1994, Biometrics 50:1088-1101. It has less power than regressions, and the same fault with odds ratios and
    standardised mean differences: their variances hang on the effects.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.begg(y=y, se=se)
    >>> found.s, found.test
    (-33, 'exact')
    """
    taken = take("begg", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    studies = taken.studies
    notes = few_studies(studies.k)
    w = 1 / studies.v
    centre = float((w * studies.y).sum() / w.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = (studies.y - centre) / np.sqrt(studies.v - 1 / w.sum())
    s, tau, variance = kendall(deviation, studies.v)
    if np.isnan(tau):
        raise InputError("Begg's test: all variances, or all deviations, are the same, so there is no order to compare.")
    warn_each(notes)
    return RankTest(
        question=studies.question, level=taken.level, labels=studies.labels, y=studies.y, v=studies.v, centre=centre,
        estimate=tau, s=s, variance=variance, p_exact=exact_p(s, deviation, studies.v), warnings=(*studies.notes, *notes),
        call=taken.record("begg"), origin=studies.origin,
    )  # fmt: skip
