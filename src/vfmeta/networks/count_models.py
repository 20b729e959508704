"""Networks fitted to their counts: logistic and Poisson models with random effects, and the exact conditional likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.origin import Origin
from vfmeta.core.params import Heterogeneity, Missing, NetworkCountMeasure, NetworkCountModel, WaldTest, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.frequentist.glmm.fit import fit_common, fit_random, saturated_log_density
from vfmeta.frequentist.glmm.profile import NO_SPREAD, noted_interval
from vfmeta.frequentist.single_tables import typical_beside
from vfmeta.kernels import conditional_counts
from vfmeta.networks.count_plan import plan_of
from vfmeta.networks.count_trials import Counted, read_counts, refuse_separated
from vfmeta.networks.counts_result import NetworkCounts
from vfmeta.networks.fit import refuse_other_null
from vfmeta.networks.graph import Network
from vfmeta.networks.trials import from_arms, leave_out, reference_of, refuse_parts
from vfmeta.results.wald import TestResult, quantile, tail, two_sided, wald

_FEW = 4  # events an arm below which the likelihood ratio test of heterogeneity rejects too often
_LARGE = 30  # degrees of freedom from which normal quantiles are near enough


def counts(
    data: Any = None,
    *,
    measure: NetworkCountMeasure | None = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    model: NetworkCountModel = "UM.FS",
    heterogeneity: Heterogeneity = "random",
    nAGQ: int | None = None,
    test: WaldTest | None = None,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> NetworkCounts:
    """Network meta-analysis of counts by a generalised linear mixed model: no normal approximation, nothing added to cells.

    How often its tests reject and its intervals hold: ``reports/levels.md#networkscounts``.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where the names below are looked up; columns called as the arguments are found by themselves.
    study, treatment : column name or array-like of shape (rows,)
        Arms, one a row.
    events, n, time : column name or array-like of shape (rows,)
        Patients with the event and all patients (OR), or events and person-time (IRR), of each arm.
    measure : {"OR", "IRR"}, optional
        "IRR" where ``time`` is given and "OR" otherwise when left out.
    reference : str, optional
        What every treatment is compared with; the treatment of most trials when left out.
    model : {"UM.FS", "CM.EL"}
        ``"UM.FS"``: an intercept for every trial and random effects of its arms, by adaptive Gauss-Hermite quadrature; with a
        common effect, logistic (or Poisson) regression. ``"CM.EL"``: given the events of all arms of a trial together, which
        removes the intercepts: the multivariate non-central hypergeometric distribution (multinomial for the IRR), exact and
        for arms of any number; of a common effect only.
    heterogeneity : {"random", "common"}
        Normal trial effects with one variance tau2 of every contrast, or none.
    nAGQ : int, optional
        Nodes of quadrature per random effect; 1 is the Laplace approximation. As many as it takes for the estimates to stop
        changing (by less than 1e-6 of a standard error) when left out.
    test : {"Wald", "t"}, optional
        Normal quantiles, or t with as many degrees of freedom as there are contrasts more than treatments compared: by default
        t beside random effects, where Wald's intervals cover too little, and normal ones of a common effect.
    level, question, missing
        As in `vf.network`.

    Returns
    -------
    NetworkCounts
        ``terms`` are the treatments but the reference; ``estimate`` (p,) log ratios to it.

    Raises
    ------
    InputError
        Faulty cells, a network in several parts.
    ConvergenceError
        The likelihood has no finite maximum (the treatments are named), or it was not found.

    Notes
    -----
    Simmonds & Higgins 2016 (Stat Methods Med Res 25:2858-2877) and Stijnen et al. 2010 (Stat Med 29:3046-3067) give the models
    of two arms. Random effects of a trial of m arms are spread over all of them, so that no arm is the base. Intercepts that
    grow in number with the trials bias "UM.FS" where trials are small (Neyman & Scott 1948, Econometrica 16:1-32); "CM.EL" has
    none. Programs that take a product of two-arm distributions for trials of several arms differ from "CM.EL", which is the
    distribution of all arms together.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": ["a", "a", "b", "b", "c", "c"], "treatment": ["drug", "sham", "brace", "sham", "drug", "brace"],
    ...     "events": [1, 4, 2, 5, 0, 3], "n": [60, 62, 80, 78, 50, 51],
    ... }
    >>> net = vf.networks.counts(arms, reference="sham", model="CM.EL", heterogeneity="common")
    >>> net.terms, bool((net.estimate < 0).all())
    (('brace', 'drug'), True)
    """
    check_question(question)
    refuse_other_null(question)
    level, missing = confidence(level), choice("missing", missing, Missing)
    model, heterogeneity = choice("model", model, NetworkCountModel), choice("heterogeneity", heterogeneity, Heterogeneity)
    test = None if test is None else choice("test", test, WaldTest)
    asked_for = _measure(measure, data, time, question)
    random = heterogeneity == "random"
    if model == "CM.EL" and random:
        raise InputError('model="CM.EL" has a common effect: add heterogeneity="common", or use "UM.FS" for random effects.')
    if nAGQ is not None and not (isinstance(nAGQ, (int, np.integer)) and not isinstance(nAGQ, bool) and 1 <= nAGQ <= 99):
        raise InputError(f"nAGQ={nAGQ!r} must be a whole number from 1 (Laplace) to 99, or None.")
    over_time = asked_for == "IRR"
    given = {"study": study, "treatment": treatment, "events": events, **({"time": time} if over_time else {"n": n})}
    if (n if over_time else time) is not None:
        raise InputError(f"{asked_for} of arms takes {', '.join(given)}; not used: {'n' if over_time else 'time'}.")
    read = read_counts(data, given, missing, f"{asked_for} of arms", whole=True)
    lost, notes = read.lost, read.notes
    leave_out(read.silent, "of a ratio", read.trials, lost, notes)
    net = _network(read.trials, asked_for, reference, Origin(tuple(lost), np.arange(len(read.trials)), read.rows), notes)
    refuse_separated(read.trials, net.others, over_time=over_time)
    body = (
        _conditional(read.trials, net, over_time)
        if model == "CM.EL"
        else _unconditional(read.trials, net, random, nAGQ, level, over_time, notes)
    )
    k, p = sum(len(t.arms) - 1 for t in read.trials), len(net.others)
    if test is None:
        test = "t" if random and k > p else "Wald"
    if test == "t" and k <= p:
        raise InputError('test="t" needs more contrasts than treatments; use "Wald".')
    if random and test == "Wald" and k - p < _LARGE:
        notes.append('Wald intervals beside random effects cover about 89% at 95% in networks of few trials; test="t" holds.')
    df = float(k - p) if test == "t" else None
    estimate, vb, saturated = body.pop("estimate"), body["vb"], body["saturated_log_likelihood"]
    se = np.sqrt(np.diag(vb))
    half = quantile(level, df) * se
    distance = max(0.0, 2 * (saturated - body.pop("common")))
    q = tail(distance, k - p, None) if k > p else TestResult(0.0, 0, None, math.nan)
    if k > p and np.mean(np.concatenate([t.events for t in read.trials])) < _FEW:
        q = replace(q, note="rejects about 11% at 5% where events are few")
    asked = replace(question or Question(), measure=asked_for, control=net.reference, experimental="each treatment")
    result = NetworkCounts(
        **body, question=asked, terms=net.others, estimate=estimate, se=se, statistic=estimate / se,
        p_value=two_sided(estimate / se, df), interval=np.column_stack([estimate - half, estimate + half]), level=level, df=df,
        typical_variance=typical_beside(*net.rows()[1:3]), omnibus=wald(estimate, vb, df), model=model,
        q=q, method="ML" if random else "common", test=test, reference=net.reference, warnings=tuple(notes), origin=net.origin,
        network=net, call={
            "function": "networks.counts", "measure": asked_for, "model": model, "heterogeneity": heterogeneity, "nAGQ": nAGQ,
            "test": test, "level": level, "reference": net.reference,
        },
    )  # fmt: skip
    warn_each(result.warnings)
    return result


def _measure(measure: NetworkCountMeasure | None, data: Any, time: Any, question: Question | None) -> str:
    """The measure asked for, or the one that the figures suggest."""
    own = None if question is None or question.measure == "GEN" else question.measure
    if measure is not None:
        measure = choice("measure", measure, NetworkCountMeasure)
        if own not in (None, measure):
            raise InputError(f"measure={measure!r} and the question is on {own!r}; name one measure.")
        return measure
    if own is not None:
        if own not in ("OR", "IRR"):
            raise InputError(f"Counts of a network answer in OR or IRR; the question is on {own!r}.")
        return own
    return "IRR" if time is not None or (hasattr(data, "keys") and "time" in data and "n" not in data) else "OR"


def _network(trials: Sequence[Counted], measure: str, reference: Any, origin: Origin, notes: list[str]) -> Network:
    """The trials by the normal approximation, joined."""
    label = [t.label for t in trials for _ in t.arms]
    sizes = np.concatenate([t.size for t in trials])
    made, _ = from_arms(
        measure,
        {"events": np.concatenate([t.events for t in trials]), "time" if measure == "IRR" else "n": sizes},
        {"study": label, "treatment": [a for t in trials for a in t.arms]},
        [],
    )
    names = sorted({arm for t in made for arm in t.arms})
    refuse_parts(made, names)
    return Network(tuple(made), tuple(names), reference_of(reference, made, names), tuple(notes), origin)


def _unconditional(
    trials: Sequence[Counted], net: Network, random: bool, nodes: int | None, level: float, over_time: bool, notes: list[str]
) -> dict[str, Any]:
    """The model with an intercept a trial."""
    k, p = sum(len(t.arms) - 1 for t in trials), len(net.others)
    if random and k <= p:
        raise InputError(
            "No contrast is left over that could tell how trials differ: a random effect cannot be estimated; use "
            'heterogeneity="common".'
        )
    plan = plan_of(trials, net.others, nodes, over_time=over_time)
    try:
        common = fit_common(plan, nodes)
        fit = fit_random(plan, nodes, common) if random else common
    except ConvergenceError as error:
        raise ConvergenceError(f'{error} Try heterogeneity="common", vf.network or a Bayesian model with a prior.') from None
    limits = None
    if random:
        if fit.tau == 0:
            notes.append(NO_SPREAD)
        limits = noted_interval(plan, fit, common, nodes, level, notes)
    known = fit.se_tau is not None and fit.tau > 0
    return {
        "estimate": fit.beta, "vb": fit.covariance, "tau2": fit.tau**2,
        "tau2_se": 2 * fit.tau * fit.se_tau if known and fit.se_tau is not None else None, "tau2_interval": limits,
        "log_likelihood": fit.log_likelihood, "common": common.log_likelihood, "parameters": fit.parameters, "nodes": fit.nodes,
        "saturated_log_likelihood": float(sum(saturated_log_density(s.family).sum() for s in plan.shapes)),
    }  # fmt: skip


def _conditional(trials: Sequence[Counted], net: Network, over_time: bool) -> dict[str, Any]:
    """The model given the events of each trial."""
    place = {t: j for j, t in enumerate(net.others)}
    designs = [np.array([[float(place.get(a) == j) for j in range(len(place))] for a in t.arms]) for t in trials]
    own = [(t.events, t.size) for t in trials]
    beta, covariance, value = conditional_counts.maximum(own, designs, over_time=over_time)
    best = sum(conditional_counts.saturated(e, n, over_time=over_time) for e, n in own)
    return {
        "estimate": beta, "vb": covariance, "tau2": 0.0, "tau2_se": None, "tau2_interval": None, "log_likelihood": value,
        "common": value, "parameters": len(beta), "nodes": 0, "saturated_log_likelihood": float(best),
    }  # fmt: skip


__all__ = ["counts"]
