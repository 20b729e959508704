"""Ioannidis and Trikalinos' test of excess significance."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import no_difference
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import warn_each
from vfmeta.core.params import Missing, variance
from vfmeta.core.question import Question
from vfmeta.kernels.estimators import fit_ragged
from vfmeta.results.significance import ExcessSignificance
from vfmeta.results.small_studies import few_to_select


def excess_significance(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    tau2: float | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> ExcessSignificance:
    """Whether more studies are significant than their power leads one to expect.

    How often its tests reject and its intervals hold: ``reports/levels.md#excess_significance``.

    Parameters
    ----------
    data, y, v, se, ci, study, question, missing
        As of `egger`.
    tau2 : float, optional
        Heterogeneity over which the power is averaged; none when left out, as in the paper.
    level : float, optional
        1 less the level of significance (two-sided) of the studies; that of the fit, or 0.95, when left out.

    Returns
    -------
    ExcessSignificance
        With an exact p value: the number of significant studies is a sum of independent ones of unequal chance.

    Notes
    -----
    Ioannidis & Trikalinos 2007, Clin Trials 4:245-253. The power is that of Wald tests at the pooled effect, of the fit given
    or by REML. Where effects differ between studies, too many significant ones are no sign of selection.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.excess_significance(y=y, se=se)
    >>> found.observed, round(found.expected, 2)
    (3, 2.5)
    """
    taken = take("excess_significance", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s, between = taken.studies, 0.0 if tau2 is None else variance("tau2", tau2)
    null = no_difference("excess_significance", s.question)
    from scipy.special import ndtr, ndtri

    own = getattr(taken.fit, "estimate", None)
    centre = float(fit_ragged(s.y, s.v, None, np.array([0, s.k]), taken.method(None))[0, 2] if own is None else own)
    z = float(-ndtri((1 - taken.level) / 2))
    se_, spread = np.sqrt(s.v), np.sqrt(s.v + between)
    power = ndtr((centre - null - z * se_) / spread) + ndtr((null - centre - z * se_) / spread)
    few = few_to_select(s.k)
    warn_each(few)
    return ExcessSignificance(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, estimate=centre, tau2=between, power=power,
        significant=(np.abs(s.y - null) / se_ >= z).astype(float), warnings=(*s.notes, *few),
        call=taken.record("excess_significance", tau2=tau2), origin=s.origin,
    )  # fmt: skip
