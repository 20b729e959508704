"""Whether a pool would stand: every defensible specification of it, and publication bias where nothing can test for it."""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.evidence.cache import digest_of
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.small_studies import FEW
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.records import Record
    from vfmeta.results.multiverse import Multiverse

KIND = "multiverse"
_CODE = ("appraisal", "core", "effects", "frequentist", "kernels", "results", "text", "evidence/defensible.py")
LEAST = 3  # trials from which on the specifications are shown


def inputs_of(record: Record) -> str | None:
    """What the specifications of a pool are made from, as canonical JSON; None where it has none.

    The effects are those of the main analysis and of the sensitivity analyses that rest on other trials or figures; the priors
    and the first estimator and test are those of the plan.
    """
    fit = record.frequentist
    if fit is None or record.k < LEAST:
        return None
    first = [(x["estimate"], x["se"]) for x in record.data["studies"]]
    others = [s for s in record.sensitivity if s.k > 1]
    parts = [record, *(s for s in others if [(x["estimate"], x["se"]) for x in s.data["studies"]] != first)]
    posts = [p.posterior for p in (record, *others) if p.question.measure == record.question.measure and p.posterior]
    taus = [json.dumps(p.tau_prior.to_dict(), sort_keys=True) for p in posts if p.tau_prior is not None]
    mu = next((p.mu_prior.to_dict() for p in posts if p.mu_prior is not None), None)
    common = fit.model == "common"
    payload = {
        "tables": [
            [record.title if p is record else p.data["title"], p.data["question"], p.data["studies"]] for p in parts
        ],
        "method": "common" if common else fit.method, "test": "HKSJ" if common else fit.test,
        "taus": [json.loads(t) for t in dict.fromkeys(taus)], "mu": mu,
    }  # fmt: skip
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def multiverse_of(inputs: str) -> Multiverse:
    """Every specification, from what `inputs_of` says."""
    from vfmeta.appraisal.specifications import METHODS, TESTS, multiverse
    from vfmeta.core.question import Question
    from vfmeta.effects.effect import Effect
    from vfmeta.effects.table import EffectTable
    from vfmeta.priors.family import from_dict

    given = json.loads(inputs)
    tables: dict[str, EffectTable] = {}
    for title, question, studies in given["tables"]:
        effects = tuple(
            Effect(
                study_id=s["study_id"], label=s["label"], y=s["estimate"], v=s["se"] ** 2,
                n=(s["n_experimental"], s["n_control"]), events=(s["events_experimental"], s["events_control"]),
            )
            for s in studies
        )  # fmt: skip
        tables[title] = EffectTable(Question.from_dict(question), effects)
    methods: Any = dict.fromkeys([given["method"], *METHODS])
    tests: Any = dict.fromkeys([given["test"], *TESTS])
    taus: Any = [from_dict(t) for t in given["taus"]]
    mu: Any = from_dict(given["mu"]) if given["mu"] else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # they stand in the result
        return multiverse(tables, measures=[], methods=list(methods), tests=list(tests), taus=taus, mu=mu)


def view(record: Record, figures: list[dict[str, str]], cache: Cache | None = None) -> dict[str, Any] | None:
    """What the page says of a pool of two trials or more; None of others."""
    if record.k < 2 or record.frequentist is None:
        return None
    figure = next((f for f in figures if f["kind"] == KIND and f.get("analysis") == record.id), None)
    inputs = json.dumps(record.data["results"]["frequentist"], sort_keys=True, ensure_ascii=False)
    found = told(inputs, "") if cache is None else cache.get(told, inputs, digest_of(_CODE, ("numpy", "scipy")))
    return {"title": record.title, "figure": figure, "lines": found["lines"]}


def told(inputs: str, code: str) -> dict[str, list[str]]:
    """The ``lines`` on a pool as plain data; ``code`` only tells versions of the program apart."""
    fit = FrequentistResult.from_dict(json.loads(inputs))
    return {"lines": [_tested(fit), _worst(fit)]}


def _tested(fit: FrequentistResult) -> str:
    """The test of small-study effects that suits the measure, or why there is none."""
    from vfmeta.appraisal.small_study import small_study_test

    if fit.k < FEW:
        return (
            f"{count(fit.k)} trials: no test of small-study effects can tell anything of fewer than {count(FEW).lower()} "
            "(Sterne et al. 2011, BMJ 343:d4002), so none was made, and nothing here says that "
            "results are not missing."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)
        try:
            found = small_study_test(fit)
        except InputError as error:
            return f"No test of small-study effects can be made: {error.problems[0]}"
    return f"{found.name}: {found.sentence()}"


def _worst(fit: FrequentistResult) -> str:
    """What would be left if results of one side had been published at will."""
    from vfmeta.appraisal.publication import worst_case

    q = fit.question
    if q.null_effect is None:
        return "A worst case of publication bias is not defined: no value means no difference."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)
        try:
            found = worst_case(fit)
        except InputError:
            return "Every trial is significant towards the better side, so that the worst case leaves no trial to stand on."
    better = q.side(math.inf if found.favoured == "higher" else -math.inf)
    towards = f"in favour of {better}" if better else f"towards {found.favoured} effects"
    n = int(found.affirmative.sum())
    if not n:
        return f"No trial is significant {towards}, so that publication bias of that kind has nothing to take away."
    left = fit.k - n
    without = "it" if n == 1 else "them"
    rest = "the trial that remains gives" if left == 1 else f"the other {count(left).lower()} give"
    return (
        f"Worst case of publication bias: {count(n).lower()} of {count(fit.k).lower()} trials {'is' if n == 1 else 'are'} "
        f"significant {towards}; without {without} {rest} {tx.effect_text(q, found.estimate, found.interval)}. {found.needed()}"
    )
