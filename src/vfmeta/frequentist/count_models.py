"""Generalised linear mixed models for counts: no normal approximation of the single study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.frequentist.count_designs import Design, design
from vfmeta.frequentist.count_fit import Fitted, Heterogeneity, fit_common, fit_random, heterogeneity, saturated_log_density
from vfmeta.frequentist.counts import ONE_ARM, ONE_RATE, TWO_ARMS, TWO_RATES, Counts, read_counts
from vfmeta.frequentist.single_tables import each_arm, each_study, has_contrast, typical_variance
from vfmeta.messages import ConvergenceError, InputError, warn
from vfmeta.results import FrequentistResult, Pair, Question

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.effects.table import EffectTable

NEEDED = {"OR": TWO_ARMS, "IRR": TWO_RATES, "PLO": ONE_ARM, "IRLN": ONE_RATE}
MODELS = {
    "UM.FS": "unconditional, fixed study intercepts",
    "UM.RS": "unconditional, random study intercepts",
    "CM.EL": "conditional, exact likelihood",
    "CM.AL": "conditional, approximate likelihood",
}
HINT = 'Try a simpler model, effects="common", or a Bayesian model with a prior.'
Count = Any  # a column name (with data=) or an array-like of shape (k,)


@dataclass(frozen=True, kw_only=True)
class CountResult(FrequentistResult):
    """A generalised linear mixed model of counts.

    ``q`` is the likelihood ratio test of heterogeneity and ``q_wald`` the Wald test, both on ``q_df`` degrees of freedom.
    ``sigma2`` is the variance of random study intercepts (UM.RS). ``log_likelihood`` is the marginal one, constants included;
    ``conditional_log_likelihood`` is that of the counts given the most likely random effects, and ``saturated_log_likelihood``
    that of the model with an effect for each study, ``best_log_likelihood`` the highest that the counts could have (every cell
    as observed). ``study_effects`` (k,) are the most likely effects of the studies given all the evidence. ``y``, ``v``,
    ``weights`` are for figures: each study by itself (0.5 added where a cell is empty) and the share that a normal
    approximation would give it; the model does not use them. ``nodes`` is how many quadrature nodes were used.
    """

    sigma2: float | None
    q_wald: float
    q_wald_p: float
    log_likelihood: float
    conditional_log_likelihood: float
    saturated_log_likelihood: float
    parameters: int
    best_log_likelihood: float
    nodes: int
    study_effects: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "study_effects", np.asarray(self.study_effects, dtype=float))

    @property
    def h2(self) -> float | None:
        """tau2 and the typical sampling variance together, over the latter; 1 for a common effect."""
        if self.tau2 is None or self.typical_variance is None:
            return None
        return self.tau2 / self.typical_variance + 1

    @property
    def aic(self) -> float:
        """Akaike's criterion, from the marginal likelihood."""
        return 2 * self.parameters - 2 * self.log_likelihood


def glmm(
    measure: str = "OR",
    *,
    model: str | None = None,
    data: pd.DataFrame | EffectTable | None = None,
    events1: Count = None,
    n1: Count = None,
    events2: Count = None,
    n2: Count = None,
    time1: Count = None,
    time2: Count = None,
    events: Count = None,
    n: Count = None,
    time: Count = None,
    study: str | Sequence[Any] | None = None,
    effects: str = "random",
    nAGQ: int | None = None,
    interval: str = "Wald",
    level: float = 0.95,
    drop00: bool | None = None,
    missing: str = "raise",
    question: Question | None = None,
) -> CountResult:
    """Meta-analysis of counts by a generalised linear mixed model (Stijnen, Hamza & Ozdemir 2010, Stat Med 29:3046-3067).

    The counts themselves are modelled (binomial or Poisson), so nothing is added to empty cells.

    Parameters
    ----------
    measure : {"OR", "IRR", "PLO", "IRLN"}
        Log odds ratio or log rate ratio of two arms, logit of a proportion or log of a rate of one arm.
    model : {"UM.FS", "UM.RS", "CM.EL", "CM.AL"}, optional
        For two arms. ``"UM.FS"`` (default): every study has an intercept of its own; simple, but *inconsistent as k grows* when
        studies are small, because the intercepts grow in number with the studies (Neyman & Scott 1948, Econometrica 16:1-32):
        tau2 and the effect are biased. ``"UM.RS"``: intercepts are normal too, independent of the effects. ``"CM.EL"``: given
        the events of both arms together, which removes the intercepts: Fisher's non-central hypergeometric distribution for the
        OR (slow for very large counts), binomial and exact for the IRR. ``"CM.AL"``: the binomial approximation of that for the
        OR, good when events are rare. The group is coded +1/2 and -1/2, so that the random effect spreads evenly over the arms
        (Jackson et al. 2018, Stat Med 37:1059-1085).
    data, events1, n1, events2, n2, time1, time2, events, n, time
        Column names with ``data`` (or an effect table of events alone), else array-likes of shape (k,). OR: ``events1, n1,
        events2, n2``; IRR: ``events1, time1, events2, time2``; PLO: ``events, n``; IRLN: ``events, time``. Arm 1 is the
        experimental one.
    study : str or sequence of k names, optional
        Column of study names, or the names.
    effects : {"random", "common"}
        Normal study effects with variance tau2, or one effect (intercepts of UM.RS stay random).
    nAGQ : int, optional
        Nodes of adaptive Gauss-Hermite quadrature per random effect; 1 is the Laplace approximation. By default as many as it
        takes for the estimates to stop changing (by less than 1e-6 of a standard error).
    interval : {"Wald", "t"}
        Normal quantiles, or t with k - 1 degrees of freedom.
    level : float
        Confidence level.
    drop00 : bool, optional
        Whether studies without events (or with events in everybody) in both arms are left out. By default they are where they
        say nothing (UM.FS and the conditional models, in which they cancel) and are kept in UM.RS, where they tell about the
        level of risk (Kuss 2015, Stat Med 34:1097-1116).
    missing : {"raise", "drop"}
        What to do about rows with a missing value.
    question : Question, optional
        Names and direction, for printing and plotting.

    Returns
    -------
    CountResult
        Standard errors come from the observed information with every other parameter, tau included, profiled out. I2 and H2
        set tau2 against the typical variance of the normal approximation (Higgins & Thompson 2002, Stat Med 21:1539-1558).

    Raises
    ------
    InputError
        Input that cannot be used, every fault with row and column; fewer than 2 informative studies for a random model.
    ConvergenceError
        The likelihood has no finite maximum (such as no event in one arm of any study), or it was not found.
    """
    if measure not in NEEDED:
        raise InputError(f"measure={measure!r} is unknown; use one of {', '.join(map(repr, NEEDED))}.")
    two_arms = measure in ("OR", "IRR")
    model = (model or "UM.FS") if two_arms else model
    _check_options(measure, model, two_arms, effects, nAGQ, interval)
    given = {"events1": events1, "n1": n1, "events2": events2, "n2": n2, "time1": time1, "time2": time2,
             "events": events, "n": n, "time": time}  # fmt: skip
    counts = read_counts(
        measure, NEEDED[measure], given, data=data, study=study, missing=missing, level=level, whole=True
    )
    notes = list(counts.notes)
    if two_arms:
        counts = _informative(counts, model != "UM.RS" if drop00 is None else drop00, model or "", notes)
    _require_finite(measure, counts)
    if counts.k == 1 and (model == "UM.RS" or effects == "random"):
        raise InputError(
            f'One informative study only ({counts.labels[0]}): a random effect cannot be estimated; use effects="common"'
            + (' and model="UM.FS".' if model == "UM.RS" else ".")
        )
    plan = design(measure, model, counts)
    try:
        common = fit_common(plan, nAGQ)
        fit = fit_random(plan, nAGQ, common) if effects == "random" else common
        tests = heterogeneity(measure, model, plan, counts, common)
    except ConvergenceError as error:
        raise ConvergenceError(f"{measure}, {model or 'one arm'}: {error} {HINT}") from None
    call = {"function": "glmm", "measure": measure, "model": model, "effects": effects, "nAGQ": nAGQ, "interval": interval,
            "level": level}  # fmt: skip
    result = _result(measure, model, effects, counts, plan, fit, tests, interval, float(level), call, question, notes)
    for note in result.warnings:
        warn(note)
    return result


def _check_options(measure: str, model: str | None, two_arms: bool, effects: str, nodes: Any, interval: str) -> None:
    problems = []
    if two_arms and model not in MODELS:
        problems.append(f"model={model!r} is unknown; use one of {', '.join(map(repr, MODELS))}.")
    if not two_arms and model is not None:
        problems.append(f"model={model!r} is for two arms; leave it out for {measure}.")
    if measure == "IRR" and model == "CM.AL":
        problems.append('For the IRR the conditional likelihood is binomial without approximation: use model="CM.EL".')
    if effects not in ("random", "common"):
        problems.append(f'effects={effects!r} is unknown; use "random" or "common".')
    if nodes is not None and not (isinstance(nodes, (int, np.integer)) and not isinstance(nodes, bool) and 1 <= nodes <= 300):
        problems.append(f"nAGQ={nodes!r} must be a whole number from 1 (Laplace) to 300, or None.")
    if interval not in ("Wald", "t"):
        problems.append(f'interval={interval!r} is unknown; use "Wald" or "t".')
    if problems:
        raise InputError(problems)


def _informative(counts: Counts, drop: bool, model: str, notes: list[str]) -> Counts:
    use = has_contrast(counts.columns, counts.rates)
    if use.all() or not drop:
        return counts
    left = ", ".join(label for label, u in zip(counts.labels, use, strict=True) if not u)
    why = "say nothing on the effect in this model" if model != "UM.RS" else "are left out as asked (drop00)"
    notes.append(f"Studies without events, or with events in everybody, in both arms {why}: {left}.")
    if not use.any():
        raise InputError("No study has both patients with and without the event; a ratio cannot be estimated.")
    return counts.keep(use)


def _require_finite(measure: str, counts: Counts) -> None:
    """Data whose likelihood rises without end are named before a fit is tried."""
    if len(counts.columns) == 2:
        x, size = counts.columns
        if x.sum() == 0 or (not counts.rates and (x == size).all()):
            what = "no events" if x.sum() == 0 else "events in everybody"
            raise ConvergenceError(f"{measure}: {what} in any study, so the likelihood has no finite maximum. {HINT}")
        return
    a, m1, c, m2 = counts.columns
    for x, m, arm in ((a, m1, "experimental"), (c, m2, "control")):
        if x.sum() == 0 or (not counts.rates and (x == m).all()):
            what = "There is no event" if x.sum() == 0 else "Everybody has the event"
            raise ConvergenceError(
                f"{measure}: {what} in the {arm} arm of any informative study, so the likelihood has no finite maximum. {HINT}"
            )


def _result(
    measure: str,
    model: str | None,
    effects: str,
    counts: Counts,
    plan: Design,
    fit: Fitted,
    tests: Heterogeneity,
    interval: str,
    level: float,
    call: dict[str, Any],
    question: Question | None,
    notes: list[str],
) -> CountResult:
    from scipy.special import chdtrc, ndtr, ndtri, stdtr, stdtrit

    k, df = counts.k, counts.k - 1
    if interval == "t" and df < 1:
        raise InputError('interval="t" needs at least 2 informative studies; use "Wald".')
    use_t = interval == "t"
    quantile = float(-stdtrit(df, 0.5 - level / 2) if use_t else -ndtri(0.5 - level / 2))
    statistic = fit.estimate / fit.se
    tail = stdtr(df, -abs(statistic)) if use_t else ndtr(-abs(statistic))
    y, v = each_study(measure, counts.columns) if len(counts.columns) == 4 else each_arm(measure, *counts.columns)
    tau2 = fit.tau**2
    typical = typical_variance(v)
    if effects == "random" and fit.tau == 0:
        notes.append("tau2 is estimated as 0: the fit is that of a common effect.")
    if k == 2 and effects == "random":
        notes.append("Only two studies: the heterogeneity is all but unknown and the interval says little about it.")
    reach = quantile * math.hypot(fit.se, fit.tau)
    weights = 1 / (v + tau2)
    return CountResult(
        question=counts.question(question, measure), model="random" if effects == "random" else "common", k=k,
        estimate=fit.estimate, se=fit.se, interval=_around(fit.estimate, quantile * fit.se), level=level,
        prediction=_around(fit.estimate, reach) if effects == "random" and k >= 3 else None,
        tau2=tau2, labels=counts.labels, y=y, v=v, weights=100 * weights / weights.sum(), warnings=tuple(notes), call=call,
        statistic=statistic, p_value=float(2 * tail), df=float(df) if use_t else None,
        q=tests.lrt, q_df=df, q_p=float(chdtrc(df, tests.lrt)) if df else 1.0,
        q_wald=tests.wald, q_wald_p=float(chdtrc(df, tests.wald)) if df else 1.0,
        i2=None if typical is None else 100 * tau2 / (tau2 + typical), typical_variance=typical,
        tau2_interval=None, tau2_method=f"{'ML' if effects == 'random' else 'common effect'}, {model or 'one arm'}",
        interval_method=interval, sigma2=None if fit.sigma is None else fit.sigma**2,
        tau2_se=2 * fit.tau * fit.se_tau if fit.se_tau is not None and fit.tau > 0 else None,
        log_likelihood=fit.log_likelihood, conditional_log_likelihood=fit.conditional_log_likelihood,
        saturated_log_likelihood=tests.saturated, best_log_likelihood=float(saturated_log_density(plan).sum()),
        parameters=fit.parameters, nodes=fit.nodes, study_effects=fit.study_effects,
    )  # fmt: skip


def _around(centre: float, half: float) -> Pair:
    return centre - half, centre + half
