"""Common-effect and random-effects pooling of one effect per study."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vfmeta.core.messages import warn_each
from vfmeta.core.params import Method, Missing, PoolTest, Prediction, Tau2Interval, Test
from vfmeta.core.question import Question
from vfmeta.effects.reading import read
from vfmeta.frequentist.about_tables import about_tables, tau2_of_tables
from vfmeta.frequentist.choices import check_choices, user_weights
from vfmeta.frequentist.pool import pool
from vfmeta.results.fit import FrequentistResult


def random_effects(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    method: Method = "REML",
    tau2: float | None = None,
    test: PoolTest = "HKSJ",
    level: float = 0.95,
    weights: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
    prediction: Prediction = "auto",
    tau2_interval: Tau2Interval = "auto",
    draws: int = 25000,
    seed: int = 1,
) -> FrequentistResult:
    """Random-effects meta-analysis.

    How often its tests reject and its intervals hold: ``reports/levels.md#random_effects``.

    Parameters
    ----------
    data : effect table, data frame or mapping of columns, optional
        What ``vf.compare``, ``vf.effect_size`` or ``vf.effect_table`` returned; or a frame (pandas, polars, pyarrow, ...) with
        a row a study, in which the arguments below name columns; or nothing, and arrays below.
    y, v, se, V, ci, study : array-like of shape (k,), or column name
        Effects on the analysis scale (log for ratios) with their sampling variances, standard errors, covariance matrix (which
        must be diagonal here) or limits of 95% intervals ``(low, high)``, and the names of the studies; as in `effect_table`.
    method : str
        Estimator of the between-study variance. Likelihood: "REML", "ML" (the global
        maximum). Equations in the generalised Q: "PM" (Paule & Mandel), which "EB" (Morris), "DLIT" and "SJIT" (DL and SJ
        iterated to their limit) agree with for a mean, and "PMM" (its median). Moments: "DL", "DL2" (two steps), "HE", "HS",
        "HSk", "SJ", and with given ``weights`` "GENQ", "GENQM" (its median). "DL-MH", of an effect table of OR, RR or RD from
        events: Q about the Mantel-Haenszel estimate over DL's denominator, to reproduce pools of RevMan (with
        ``test="Wald"``), not to recommend. `vfmeta.kernels.tau2.ESTIMATORS` names the papers.
    tau2 : float, optional
        A value that holds the between-study variance, in squared units of ``y``; nothing is estimated then.
    test : {"HKSJ", "HKSJ-adhoc", "Wald", "t", "KR", "exact", "bootstrap", "permutation", "recommended"}
        Hartung-Knapp-Sidik-Jonkman with q as is and t with k - 1 df (Hartung & Knapp 2001, Stat Med 20:1771-1782; Sidik &
        Jonkman 2002, Stat Med 21:3153-3159); the same with q = max(1, q) (Knapp & Hartung 2003, Stat Med 22:2693-2710); the
        normal interval; or the ordinary standard error with t and k - 1 df. "KR": Kenward & Roger 1997 (Biometrics 53:983-997),
        for REML. "exact": Michael, Thornton, Xie & Tian 2019 (Biometrics 75:485-493), about DerSimonian and Laird's estimates
        whatever ``method`` is, need not be symmetric; holds its level for every tau2. "bootstrap": Hartung-Knapp's t against
        its distribution in ``draws`` sets from the fitted model. "permutation": all means that turning the signs of the effects
        does not reject, six studies or more. "recommended": the shortest of those that held 94% in every setting with normal
        effects of ``reports/recommended.md`` (strongly skewed effects: 91% at worst), today "exact". Intervals of the last four
        have no df; their prediction interval is "HTS".
    level : float
        Confidence level of every interval.
    question : Question, optional
        What is compared; taken from the table when there is one.
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.
    weights : array-like of shape (k,), column name or "equal", optional
        Fixed weights (> 0) of the mean instead of 1 / (v + tau2); its standard error is then
        sqrt(sum a^2 (v + tau2)) / sum a, and Hartung-Knapp's q the mean square about it, weighted by 1 / (v + tau2).
    prediction : {"auto", "fitted", "HTS", "Partlett-Riley", "bootstrap"}
        Prediction interval for the effect of a next study. "fitted": estimate -+ quantile * sqrt(se^2 + tau2), with the
        distribution and standard error of the interval chosen; "auto" is the same and left out below three studies. "HTS"
        (Higgins, Thompson & Spiegelhalter 2009, JRSS A 172:137-159): t with k - 2 df, ordinary standard error; "Partlett-Riley"
        (2017, Stat Med 36:301-317): t with k - 2 df, Hartung-Knapp standard error (ad hoc where the interval is); both keep k -
        1 df where tau2 is given. "bootstrap": Nagashima, Noma & Furukawa 2019. Undefined, None, where no degree of freedom is
        left.
    tau2_interval : {"auto", "Q-profile", "generalised-Q", "profile-likelihood"}
        Interval of tau2, hence of I2 and H2: Viechtbauer 2007 (Stat Med 26:37-52); Jackson 2013 (Res Synth Methods 4:220-229),
        with ``weights`` or else 1 / v; or where the (restricted) likelihood has fallen by half a chi-squared quantile (Hardy &
        Thompson 1996; for ML and REML). "auto" is "generalised-Q" for GENQ and GENQM and "Q-profile" for all others.
    draws, seed : int
        Bootstrap draws (or arrangements of signs, where not all are taken) and their seed.

    Returns
    -------
    FrequentistResult
        With a single study: that study's own interval, as of `vfmeta.study_intervals`, model "single trial".

    Raises
    ------
    InputError
        For input that cannot be pooled; every fault is listed with its row and column.
    ConvergenceError
        When an iteration does not settle.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"trial": ["A", "B", "C"], "effect": [-0.5, -0.3, -0.8], "error": [0.2, 0.15, 0.3]}
    >>> fit = vf.random_effects(frame, y="effect", se="error", study="trial")
    >>> round(fit.estimate, 3)
    -0.442
    """
    choices = check_choices("random", method, tau2, test, level, prediction, tau2_interval, weights, draws, seed, PoolTest)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    if weights is not None:
        choices = replace(choices, weights=user_weights(weights, studies))
    if about_tables(choices.method):
        choices = replace(choices, of_tables=tau2_of_tables(str(choices.method), studies))
    result = pool(studies, choices, weights)
    warn_each(result.warnings)
    return result


def common_effect(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    test: Test = "Wald",
    level: float = 0.95,
    weights: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> FrequentistResult:
    """Common-effect (fixed-effect) meta-analysis: every study estimates the same effect, tau2 = 0.

    Parameters and errors are those of `random_effects`, without ``method``. I2 is max(0, (Q - df) / Q); there is no
    prediction interval, and the Q-profile interval of tau2 shows how far the model may be from the data.

    How often its tests reject and its intervals hold: ``reports/levels.md#common_effect``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(vf.common_effect(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3]).estimate, 3)
    -0.431
    """
    choices = check_choices("common", "common", None, test, level)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    if weights is not None:
        choices = replace(choices, weights=user_weights(weights, studies))
    result = pool(studies, choices, weights)
    warn_each(result.warnings)
    return result
