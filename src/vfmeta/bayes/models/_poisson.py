"""Events over person-time, arm by arm, with their own Poisson likelihood."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models import arm_counts as counts
from vfmeta.bayes.models.arms import read_arms
from vfmeta.bayes.models.engine import Model
from vfmeta.core.params import Baseline, Coding, Missing
from vfmeta.core.question import Question
from vfmeta.effects.formulas.common import ZeroRule
from vfmeta.effects.formulas.rates import log_rate_ratio
from vfmeta.priors import MuPrior, Normal, TauPrior


def poisson(
    data: Any = None,
    *,
    arm: Any = None,
    events: Any = None,
    time: Any = None,
    reference: Any = None,
    events1: Any = None,
    events2: Any = None,
    time1: Any = None,
    time2: Any = None,
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
    """Random-effects model of counts over person-time, on the log incidence rate ratio.

    Everything is as in `binomial`, with person-time in place of patients.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where column names are looked up.
    study, arm, events, time : column name or sequence
        One row an arm; ``time`` is person-time at risk in one unit for all trials, above 0.
    reference : label
        The arm that the others of each trial are held against.
    events1, time1, events2, time2 : column name or sequence
        One row a trial, experimental arm first.
    baseline : {"fixed", "random"}
        Whether each trial has a log rate of its own or log rates are exchangeable normal.
    coding : {"half", "reference"}
        Whether the baseline is the mean of a trial's arms or its reference arm.
    mu, tau : priors, optional
        Of the mean log rate ratio and its SD between trials; defaults N(0, 2.82) and half-normal(0.5).
    baseline_prior : Normal, optional
        Of every trial's baseline, or of the mean of exchangeable ones, as log events per unit of person-time. By default its
        mean is the log of the overall rate, so that it does not hang on the unit of time, and its SD 5: 95% within a factor of
        18,000 either way.
    baseline_sd : prior of a standard deviation, optional
        Of exchangeable baselines, default half-normal(1.5).
    question, missing
        As in `binomial`.

    Returns
    -------
    Model
        Variables ``mu``, ``tau``, ``next_trial``, ``theta`` (study, or contrast), ``baseline`` (study), ``rate`` (arm).

    Raises
    ------
    InputError
        As in `binomial`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.poisson(events1=[4, 2], time1=[100, 80], events2=[7, 5], time2=[90, 85])
    >>> model.question.measure
    'IRR'
    """
    rows = {"study": study, "arm": arm, "events": events, "time": time}
    sides = {"events1": events1, "time1": time1, "events2": events2, "time2": time2}
    arms = read_arms("IRR", data, rows=rows, sides=sides, size="time", reference=reference, question=question, missing=missing)
    tau, mu = choose_priors(arms.question, tau, mu)
    counts.check("IRR", baseline, coding, mu, tau, baseline_prior, baseline_sd)
    if baseline_prior is None:
        overall = math.log((arms.events.sum() + 0.5) / arms.size.sum())
        baseline_prior = Normal(round(overall, 2), 5.0)
    crude = counts.Crude(np.log((arms.events + 0.5) / arms.size), 1 / (arms.events + 0.5))

    def likelihood(pm: Any, eta: Any, count: Any, given: dict[str, Any]) -> None:
        pm.Deterministic("rate", pm.math.exp(eta), dims="arm")
        pm.Poisson("events", pm.math.exp(eta + given["log_time"]), observed=count, dims="arm")

    return counts.assemble(
        "poisson", arms, baseline=baseline, coding=coding, mu=mu, tau=tau, level=baseline_prior, spread=baseline_sd,
        unit="log rate", crude=crude, likelihood=likelihood, size={"log_time": np.log(arms.size)},
        studies=counts.shown_beside(arms, partial(log_rate_ratio, zero=ZeroRule())),
    )  # fmt: skip
