"""Events out of patients, arm by arm, with their own binomial likelihood: no normal approximation, no correction of zeros."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models import arm_counts as counts
from vfmeta.bayes.models.arms import read_arms
from vfmeta.bayes.models.engine import Model
from vfmeta.core.messages import InputError
from vfmeta.core.params import Baseline, Coding, Missing
from vfmeta.core.question import Question
from vfmeta.effects.formulas import ZeroRule, two_events
from vfmeta.priors import MuPrior, Normal, TauPrior


def binomial(
    data: Any = None,
    *,
    measure: str = "OR",
    arm: Any = None,
    events: Any = None,
    n: Any = None,
    reference: Any = None,
    events1: Any = None,
    n1: Any = None,
    events2: Any = None,
    n2: Any = None,
    study: Any = None,
    baseline: Baseline = "fixed",
    coding: Coding = "half",
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    baseline_prior: Normal | None = None,
    baseline_sd: TauPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> Model:
    """Random-effects model of binomial counts, on the log odds ratio or the log risk ratio.

    Counts are given as a table with a row an arm (``study, arm, events, n, reference``; trials may have more than two arms), as
    a table with a row a trial (``events1, n1`` of the experimental and ``events2, n2`` of the control arm), or as an effect
    table that knows its counts (from ``vf.compare`` or ``vf.effect_size``; made with ``measure="RD"`` it keeps trials without
    events).

    Parameters
    ----------
    data : data frame, mapping of columns or effect table, optional
        Where column names are looked up.
    study, arm, events, n : column name or sequence
        One row an arm.
    reference : label
        The arm that the others of each trial are held against; every other arm counts as experimental.
    events1, n1, events2, n2 : column name or sequence
        One row a trial, experimental arm first.
    measure : {"OR", "RR"}
        Effects are log ratios, experimental to reference. The log odds of the arms are baseline plus coded effect; for the risk
        ratio the baseline is the mean log odds of both arms, which leaves every log risk ratio possible (the odds product of
        Richardson, Robins & Wang 2017, JASA 112:1121-1130), and trials must have two arms.
    baseline : {"fixed", "random"}
        Whether each trial has a baseline of its own or baselines are exchangeable normal, which lets risks inform effects
        (both are compared by Jackson et al. 2018, Stat Med 37:1059-1085).
    coding : {"half", "reference"}
        Whether the baseline is the mean of a trial's arms, so that both arms of two vary alike, or that of the reference arm.
    mu, tau : priors, optional
        Of the mean effect and its SD between trials; defaults N(0, 2.82) and half-normal(0.5).
    baseline_prior : Normal, optional
        Of every trial's baseline, or of the mean of exchangeable ones, in log odds; default N(0, 5), which puts 95% of risks
        between 0.006% and 99.994%.
    baseline_sd : prior of a standard deviation, optional
        Of exchangeable baselines, default half-normal(1.5).
    question : Question, optional
        Names and direction, for printing.
    missing : {"raise", "drop"}
        What to do about rows without a count.

    Returns
    -------
    Model
        Variables ``mu``, ``tau``, ``next_trial`` (true effect of a further trial), ``theta`` (study, or contrast where a trial
        has more than two arms), ``baseline`` (study), ``risk`` (arm).

    Raises
    ------
    InputError
        Faulty counts by row and column, a trial without its reference arm, improper priors, unknown options.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.binomial(events1=[1, 0], n1=[50, 40], events2=[4, 3], n2=[50, 42], study=["A", "B"])
    >>> model.priors[0]
    'tau ~ half-normal(0.5)'
    """
    if not isinstance(measure, str) or measure not in ("OR", "RR"):
        raise InputError(
            f'measure={measure!r}: this model takes "OR" or "RR". A risk difference is bounded by the risks, so normal random '
            "effects do not fit it; pool it with vf.bayes.random_effects, or take rates to vf.bayes.models.poisson."
        )
    rows, sides = {"study": study, "arm": arm, "events": events, "n": n}, {"events1": events1, "n1": n1, "events2": events2,
                                                                          "n2": n2}  # fmt: skip
    arms = read_arms(measure, data, rows=rows, sides=sides, size="n", reference=reference, question=question, missing=missing)
    tau, mu = choose_priors(arms.question, tau, mu)
    counts.check(measure, baseline, coding, mu, tau, baseline_prior, baseline_sd)
    if measure == "RR" and not arms.two_armed:
        more = dict.fromkeys(arms.studies[i] for i in arms.study if np.sum(arms.study == i) > 2)
        raise InputError(f'measure="RR" takes trials of two arms; {", ".join(more)} has more. Combine arms, or use "OR".')
    if measure == "RR" and coding != "half":
        raise InputError('measure="RR" has its baseline between both arms (coding="half"); leave coding out.')
    n_arm, x = arms.size, arms.events
    crude = partial(two_events.log_odds_ratio if measure == "OR" else two_events.log_risk_ratio, zero=ZeroRule())
    logit = np.log(x + 0.5) - np.log(n_arm - x + 0.5)
    variance = 1 / (x + 0.5) + 1 / (n_arm - x + 0.5)

    def likelihood(pm: Any, eta: Any, count: Any, given: dict[str, Any]) -> None:
        pm.Deterministic("risk", pm.math.sigmoid(eta), dims="arm")
        pm.Binomial("events", n=given["n"], logit_p=eta, observed=count, dims="arm")

    return counts.assemble(
        "binomial", arms, baseline=baseline, coding=coding, mu=mu, tau=tau, level=baseline_prior or Normal(0.0, 5.0),
        spread=baseline_sd, unit="log odds", crude=counts.Crude(logit, variance), likelihood=likelihood,
        predictor=_risk_ratio if measure == "RR" else None, size={"n": n_arm.astype("int64")},
        studies=counts.shown_beside(arms, crude),
        notes=_everybody(arms.full, measure),
    )  # fmt: skip


def _risk_ratio(at: Any, theta: Any, given: dict[str, Any]) -> Any:
    """Log odds of the arms from their mean and the log risk ratio d: mean -+ (d/2 + arsinh(exp(mean) sinh(d/2))).

    Solves p1 = p0 exp(d) with logit p0 + logit p1 = 2 mean, a quadratic in p0, without cancellation at either end.
    """
    import pytensor.tensor as pt

    half = theta[given["trial"]] / 2
    return at + given["sign"] * (half + pt.arcsinh(pt.exp(at) * pt.sinh(half)))


def _everybody(full: tuple[str, ...], measure: str) -> tuple[str, ...]:
    if not full:
        return ()
    return (f"Everybody had the event in {', '.join(full)}: kept; it says next to nothing of the {measure}.",)
