"""Bayesian network meta-analysis with a likelihood of its own for every arm: the verb, and the model in PyMC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models.arm_counts import refuse_spread
from vfmeta.core.messages import InputError
from vfmeta.core.params import Baseline, Consistency, Heterogeneity, Missing, Parametrisation, choice
from vfmeta.core.question import Question
from vfmeta.networks.arm_plan import Plan
from vfmeta.networks.arms import NetworkArms, read_network_arms
from vfmeta.networks.sampled import NetworkModel
from vfmeta.networks.unrelated import labels
from vfmeta.priors import Flat, HalfNormal, Normal, TauPrior


def arm_model(
    data: Any = None,
    *,
    measure: str | None = None,
    mean: Any = None,
    sd: Any = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    heterogeneity: Heterogeneity = "random",
    consistency: Consistency = "consistency",
    parametrisation: Parametrisation = "contrast-based",
    baseline: Baseline | None = None,
    tau: TauPrior | None = None,
    beta: Normal | Mapping[str, Normal] | None = None,
    baseline_prior: Normal | None = None,
    baseline_sd: TauPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> NetworkModel:
    """Bayesian network meta-analysis of arms by their own likelihood, to be sampled in PyMC: no cell is corrected.

    The linear predictor of an arm is the baseline of its trial plus the effect of its treatment in that trial. Effects of one
    trial vary around the mean effects d with standard deviation tau and are correlated by 1/2 (Higgins & Whitehead 1996, Stat
    Med 15:2733-2749), trials of any number of arms. Models are those of Dias et al. 2011 (NICE DSU Technical Support Documents
    2 and 4).

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where the names below are looked up; columns called as the arguments are found by themselves.
    study, treatment : column name or array-like
        One row an arm.
    mean, sd, n, events, time : column name or array-like, optional
        What the measure takes of an arm.
    measure : {"OR", "HR", "IRR", "MD"}, optional
        "OR": events of n patients, binomial, logit link. "HR": events of n patients within a follow-up of ``time``, binomial,
        complementary log-log link (hazards constant over the follow-up). "IRR": events over person-``time``, Poisson, log link.
        "MD": mean, sd, n, normal with known error. The one that suits the columns when left out and there is only one.
    reference : str, optional
        What every treatment is compared with; the treatment of most trials when left out.
    heterogeneity : {"random", "common"}
        Whether effects vary between trials, or each comparison has one effect in all.
    consistency : {"consistency", "UME"}
        Whether the effects of all comparisons follow from those against the reference, or each comparison with direct evidence
        has a mean effect of its own (unrelated mean effects, TSD 4). A trial of several arms then informs the comparisons with
        its first treatment, the reference or else the first by name.
    parametrisation : {"contrast-based", "arm-based"}
        "arm-based": each treatment has a mean level, and trials deviate from all of theirs alike, N(0, baseline_sd), and from
        each on its own (equal variances and correlations: Hong et al. 2016, Res Synth Methods 7:6-22). It lets levels inform
        effects, as exchangeable baselines do (White et al. 2019, Stat Med 38:5197-5213).
    baseline : {"fixed", "random"}, optional
        Of the contrast-based model: whether each trial has a baseline of its own (the mean of its arms; the default) or the
        levels under the reference are exchangeable normal.
    tau : prior, optional
        Of the SD of any contrast between trials; the default of the measure when left out.
    beta : Normal, or mapping of terms to Normal, optional
        Of the effects against the reference, or of the comparisons ("B v A") of unrelated mean effects; the default of the
        measure where nothing is said, of an MD without ``question.points`` one ten times as wide as the data.
    baseline_prior : Normal, optional
        Of every trial's baseline, of the mean of exchangeable ones, or of the levels of treatments, on the scale of the
        predictor: by default N(0, 5) in log odds, SD 5 around the overall log rate or log hazard, and ten times the spread of
        means.
    baseline_sd : prior of a standard deviation, optional
        Of exchangeable baselines and of the arm-based model; default half-normal(1.5), of means half their spread.
    question : Question, optional
        Outcome, unit and direction of the effects.
    missing : {"raise", "drop"}
        Whether a row with an empty cell is an error or is left out with a warning that names it.

    Returns
    -------
    NetworkModel
        ``.sample(seed=1)`` samples it (compiled once for all data of one shape) and looks at the draws (`SampledNetwork`).
        Variables ``d``, ``tau``, ``theta`` (contrast), ``baseline`` (study) or ``level`` (treatment), and the risk, rate or
        mean of every arm.

    Raises
    ------
    InputError
        Faulty cells, a network in several parts (all named), improper priors, options that do not go together.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": list("aabbccc"), "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham"],
    ...     "events": [4, 9, 6, 8, 3, 5, 7], "n": [40, 42, 50, 48, 30, 31, 29],
    ... }
    >>> model = vf.networks.arm_model(arms, reference="sham")
    >>> model.terms, model.priors[0]
    (('brace', 'drug'), 'tau ~ half-normal(0.5)')
    """
    given = {"study": study, "treatment": treatment, "mean": mean, "sd": sd, "n": n, "events": events, "time": time}
    arms = read_network_arms(data, given, measure, reference, question, missing)
    heterogeneity = choice("heterogeneity", heterogeneity, Heterogeneity)
    consistency = choice("consistency", consistency, Consistency)
    parametrisation = choice("parametrisation", parametrisation, Parametrisation)
    by_arm = parametrisation == "arm-based"
    if by_arm and (baseline is not None or beta is not None or consistency == "UME"):
        raise InputError(
            "The arm-based model has levels of treatments instead of baselines and effects: leave out baseline=, beta= and "
            'consistency="UME"; baseline_prior= is the prior of the levels.'
        )
    baseline = "random" if by_arm else choice("baseline", baseline or "fixed", Baseline)
    if consistency == "UME" and baseline == "random":
        raise InputError(
            'consistency="UME" goes with baseline="fixed": where effects do not follow from those against the reference, a '
            "trial without it has no level under it."
        )
    refuse_spread(baseline, baseline_sd)
    if heterogeneity == "common" and tau is not None:
        raise InputError('tau= is the heterogeneity of effects, which heterogeneity="common" has none of; leave one out.')
    spread = _spread(arms) if baseline_sd is None else baseline_sd
    chosen = choose_priors(arms.question, tau, Flat())[0] if heterogeneity == "random" else None
    for name, prior in (("tau", chosen), ("baseline_sd", spread if baseline == "random" else None)):
        if prior is not None and not (isinstance(prior, TauPrior) and prior.proper):
            raise InputError(f"{name}={prior!r} must be a proper prior of a standard deviation, such as HalfNormal(0.5).")
    if baseline_prior is not None and not isinstance(baseline_prior, Normal):
        raise InputError(f"baseline_prior={baseline_prior!r} must be a vf.priors.Normal(mean, sd) on the predictor's scale.")
    level = arms.likelihood.level(arms.columns) if baseline_prior is None else baseline_prior
    plan = Plan(arms, consistency, parametrisation, chosen, spread if baseline == "random" else None, level)
    terms = arms.net.others if consistency == "consistency" else labels(plan.direct)
    return built(plan, terms, plan.effect_priors(terms, beta), plan.design)


def _spread(arms: NetworkArms) -> TauPrior:
    if arms.question.measure != "MD":
        return HalfNormal(1.5)
    means = arms.columns["mean"]
    return HalfNormal(float(f"{(float(np.ptp(means)) or float(np.median(arms.columns['sd']))) / 2:.3g}"))


def built(plan: Plan, terms: tuple[str, ...], beta: tuple[Normal, ...], x: np.ndarray) -> NetworkModel:
    """The PyMC model with these effects, whose part in the contrasts is ``x`` (c, q)."""
    arms = plan.arms
    data = arms.likelihood.data(arms.columns) | plan.data(x, beta)
    for name, prior in (("tau", plan.tau), ("baseline_sd", plan.spread)):
        data |= {} if prior is None else prior.data(name)
    by_arm = plan.parametrisation == "arm-based"
    coords = {
        "study": list(arms.studies), "arm": list(arms.names), "contrast": list(arms.contrast_names), "term": list(terms)
    }  # fmt: skip
    hyper = () if plan.spread is None else ("level" if by_arm else "baseline_mean", "baseline_sd")
    kinds = tuple(None if p is None else p.graph for p in (plan.tau, plan.spread))
    objects: dict[str, Any] = {"tau": plan.tau, "baseline_sd": plan.spread, "baseline": plan.level}
    objects |= {} if by_arm else dict(zip(terms, beta, strict=True))
    return NetworkModel(
        name="network", key=("network", arms.question.measure, plan.parametrisation, *kinds), make=plan.make(data),
        data=data, coords=coords | ({"treatment": list(arms.net.treatments)} if by_arm else {}),
        watch=("d", *(("tau",) if plan.tau else ()), *hyper), question=arms.question, priors=plan.said(terms, beta),
        notes=arms.net.notes, prior_objects={k: p for k, p in objects.items() if p is not None}, plan=plan, terms=terms,
    )  # fmt: skip
