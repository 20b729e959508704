"""From an effect table and the choices of a plan to results; pure, so that it can be remembered by its inputs."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.appraisal.second_engine import second_pool
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.question import Question
from vfmeta.effects.effect import Effect
from vfmeta.effects.table import EffectTable
from vfmeta.results.leading import leading

if TYPE_CHECKING:
    from vfmeta.results.fit import FrequentistResult

_ESTIMATION = ("method", "test", "model", "tau_prior", "mu_prior", "scattered", "bayes")


def inputs_of(table: EffectTable, choices: dict[str, Any], *, sample: bool, name: str) -> str:
    """Everything a fit depends on, as canonical JSON: same inputs, same bytes."""
    estimation = {k: v for k, v in choices.items() if k in _ESTIMATION}
    payload = {
        "question": table.question.to_dict(),
        "effects": [vars(e) for e in table],
        "vcov": None if table.vcov is None else table.vcov.tolist(),
        "estimation": estimation,
        "seed": zlib.crc32(name.encode()) if sample else None,
    }
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def answers(inputs: str, code: str) -> dict[str, Any]:
    """Frequentist and exact Bayesian results of one analysis as plain data.

    Parameters
    ----------
    inputs : str
        From `inputs_of`.
    code : str
        Digest of the code and library versions; it takes no part in the computation, only in what is remembered.

    Returns
    -------
    dict
        ``frequentist`` and ``posterior``, each a result's ``to_dict()`` or None, ``checks`` of the posterior (see `_checks`) or
        None, and ``scattered`` (see `_scattered`) or None.
    """
    table, estimation, _ = _read(inputs)
    out: dict[str, Any] = dict.fromkeys(("frequentist", "posterior", "checks", "scattered"))
    if not len(table):
        return out
    with warnings.catch_warnings():  # every warning stands in the result and on the page
        warnings.simplefilter("ignore", VfmetaWarning)
        pooled = pool(table, estimation)
        out["frequentist"] = pooled.to_dict()
        if _is_bayesian(table, estimation):
            tau, mu = _priors(table, estimation)
            exact = _exact(table, tau, mu)
            out["posterior"] = exact.to_dict()
            out["checks"] = _checks(exact)
            out["scattered"] = _scattered(pooled, exact, estimation.get("scattered"))
    return out


def second_answers(inputs: str, code: str) -> dict[str, Any]:
    """The same answers by other engines, of two studies or more, with how far they lie apart; parameters as in `answers`.

    Returns
    -------
    dict
        ``second``: the frequentist pool by statsmodels, and where a seed is given ``sampled``: the posterior by PyMC; None, or
        why there is none under ``refused``.
    """
    table, estimation, seed = _read(inputs)
    out: dict[str, Any] = dict.fromkeys(("second", "sampled"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)
        try:
            out["second"] = second_pool(pool(table, estimation)).to_dict()
        except InputError as error:
            out["second"] = {"refused": str(error)}
        if seed is not None and _is_bayesian(table, estimation):
            tau, mu = _priors(table, estimation)
            out["sampled"] = _sampled(table, tau, mu, seed, _exact(table, tau, mu))
    return out


def _is_bayesian(table: EffectTable, estimation: dict[str, Any]) -> bool:
    return len(table) > 1 and estimation.get("model") != "common" and estimation.get("bayes", True)


def pool(table: EffectTable, estimation: dict[str, Any]) -> FrequentistResult:
    """The frequentist pool that a plan asks for."""
    from vfmeta.frequentist import univariate

    if estimation.get("model") == "common":
        return univariate.common_effect(table)
    return univariate.random_effects(table, method=estimation.get("method", "REML"), test=estimation.get("test", "HKSJ"))


def table_of(question: Question, trials: Sequence[tuple[str, float, float]]) -> EffectTable:
    """Trials given by label, effect and standard error."""
    return EffectTable(question, tuple(Effect(study_id=name, label=name, y=y, v=se**2) for name, y, se in trials))


def lead_of(table: EffectTable, choices: dict[str, Any]) -> Any:
    """The result that leads, as the choices of a plan ask for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)
        exact = _exact(table, *_priors(table, choices)) if _is_bayesian(table, choices) else None
        return leading(pool(table, choices), exact)


def _exact(table: EffectTable, tau: Any, mu: Any) -> Any:
    from vfmeta import bayes as bayesian

    return bayesian.random_effects(table, tau=tau, mu=mu)


def _priors(table: EffectTable, estimation: dict[str, Any]) -> list[Any]:
    return [prior(estimation.get(name), table.question.measure) for name in ("tau_prior", "mu_prior")]


def _sampled(table: EffectTable, tau: Any, mu: Any, seed: int, exact: Any) -> dict[str, Any]:
    """The same posterior by sampling, with its distance from the exact one; priors that cannot be sampled say so."""
    from vfmeta import bayes as bayesian

    try:
        sampled = bayesian.sample(table, tau=tau, mu=mu, seed=seed)
    except InputError as error:
        return {"refused": str(error)}
    return {
        "mu": asdict(sampled.mu),
        "tau": asdict(sampled.tau),
        "next_trial": asdict(sampled.next_trial),
        "warnings": [w for w in sampled.warnings if w not in exact.warnings],  # what the sampler has to say
        "agreement": float(bayesian.agreement(exact, sampled)),
        "seed": seed,
    }


def _scattered(pooled: FrequentistResult, exact: Any, rule: dict[str, float] | None) -> dict[str, Any] | None:
    """The pool with heavy tails between the trials, and without each trial, where the plan's rule finds that they disagree."""
    if rule is None or pooled.k < rule["k"] or pooled.i2 is None or pooled.i2 <= rule["i2"]:
        return None
    from vfmeta.appraisal.influence import leave_one_out
    from vfmeta.bayes.heavy_tails import heavy_tails

    without = leave_one_out(exact)[["study", "estimate", "ci_low", "ci_high"]]
    return {"heavy_tails": asdict(heavy_tails(exact, rule["df"])), "without": without.to_dict("records")}


def _checks(exact: Any) -> dict[str, Any]:
    """What the prior decides, and whether the model predicts its own trials; a check that cannot be made says why."""
    from vfmeta import bayes as bayesian

    out: dict[str, Any] = {}
    for name in ("power_scaling", "leave_one_out", "predictive_check"):
        try:
            out[name] = getattr(bayesian, name)(exact).to_dict()
        except InputError as error:
            out[name] = {"refused": str(error)}
    return out


def prior(stated: dict[str, Any] | None, measure: str) -> Any:
    """A prior object from its family and parameters; None asks for the default of the measure."""
    from vfmeta.priors import stated as stated_priors

    return stated_priors.make(stated, measure) if stated else None


def _read(inputs: str) -> tuple[EffectTable, dict[str, Any], int | None]:
    data = json.loads(inputs)
    effects = tuple(map(Effect.from_dict, data["effects"]))
    vcov = None if data["vcov"] is None else np.array(data["vcov"])
    return EffectTable(Question.from_dict(data["question"]), effects, vcov=vcov), data["estimation"], data["seed"]
