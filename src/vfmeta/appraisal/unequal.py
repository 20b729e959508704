"""Whether one tau2 holds for all studies."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import Likelihood, Missing, choice, generator, whole
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.estimators import fit_ragged
from vfmeta.kernels.heteroscedastic import score
from vfmeta.results.settings import Heteroscedasticity


def heteroscedasticity(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    method: Likelihood = "REML",
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
    draws: int = 1000,
    seed: int = 1,
) -> Heteroscedasticity:
    """Score test that the studies share one tau2, against a tau2 of its own for each.

    How often its tests reject and its intervals hold: ``reports/levels.md#heteroscedasticity``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    method : {"REML", "ML"}
        Likelihood that the test is made from.
    draws, seed : int
        Samples of the fitted model that the p value is counted from, and their seed.

    Returns
    -------
    Heteroscedasticity

    Notes
    -----
    Its nominal chi-squared distribution with k - 1 degrees of freedom does not hold, so that the p value is taken from a
    parametric bootstrap (as of R's metafor, ``hettest``, whose default it is).

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.heteroscedasticity(y=[-0.9, -0.2, -0.6, 0.1, -0.4], se=[0.4, 0.1, 0.3, 0.12, 0.2], draws=99)
    >>> found.df
    4
    """
    method, draws = choice("method", method, Likelihood), whole("draws", draws, 1)
    taken = take("heteroscedasticity", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    if s.k < 3:
        raise InputError(f"heteroscedasticity: {s.k} studies do not tell one tau2 from several; it needs 3.")
    pool = fit_ragged(s.y, s.v, None, np.array([0, s.k]), method)[0]
    tau2, mean = float(pool[0]), float(pool[2])
    own = float(score(s.y[None], s.v, np.array([tau2]), method == "REML")[0])
    samples = mean + np.sqrt(s.v + tau2) * generator(seed).standard_normal((draws, s.k))
    found = fit_ragged(samples.ravel(), np.tile(s.v, draws), None, np.arange(draws + 1) * s.k, method)[:, 0]
    beyond = int((score(samples, s.v, found, method == "REML") >= own).sum())
    return Heteroscedasticity(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, estimate=mean, tau2=tau2, statistic=own, df=s.k -
        1, p_value=(beyond + 1) / (draws + 1), p_nominal=chi2_above(own, s.k - 1), draws=draws, method=method, warnings=s.notes,
        call=taken.record("heteroscedasticity", method=method, draws=draws, seed=seed), origin=s.origin,
    )  # fmt: skip
