"""One-group pools: means of pain and shares of people, exact Bayesian beside Hartung-Knapp, as every pool of the review."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vfmeta.core.messages import VfmetaWarning
from vfmeta.core.question import Pair, Question
from vfmeta.effects.effect_size import effect_size
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.leading import leading
from vfmeta.results.posterior import BayesianResult

_PARTS = (
    "core", "frequentist", "bayes", "kernels", "priors", "results", "effects", "text", "evidence/untreated/pools.py",
)  # fmt: skip


@dataclass(frozen=True)
class OneGroup:
    """A pool of one group, or the figure of a single study: how the results say it, and on the scale people read."""

    people: float
    fit: FrequentistResult
    posterior: BayesianResult | None

    @property
    def k(self) -> int:
        return self.fit.k

    @property
    def lead(self) -> FrequentistResult | BayesianResult:
        """The result that leads: the exact Bayesian one where there is something to pool."""
        return leading(self.fit, self.posterior)

    @property
    def shown(self) -> tuple[float, Pair]:
        """Estimate and 95% interval on the scale people read."""
        q, lead = self.lead.question, self.lead
        low, high = (q.display(x) for x in lead.interval)
        return q.display(lead.estimate), (low, high)


def means(
    labels: Sequence[str],
    mean: Sequence[float],
    sd: Sequence[float],
    n: Sequence[float],
    outcome: str,
    *,
    cache: Cache | None = None,
) -> OneGroup:
    """Mean scores of 0 to 10; tau ~ half-normal(2), for trials let people in from 3 points on or from 7 on."""
    question = Question(measure="MN", outcome=outcome, points=(0, 10), higher_is_worse=True)
    return _pooled(question, 2.0, sum(n), cache, study=labels, mean=mean, sd=sd, n=n)


def shares(
    labels: Sequence[str], events: Sequence[float], total: Sequence[float], outcome: str, *, cache: Cache | None = None
) -> OneGroup:
    """Shares of people, pooled as log odds (0.5 is added to tables with a zero cell); tau ~ half-normal(1)."""
    question = Question(measure="PLO", outcome=outcome, higher_is_worse=True)
    return _pooled(question, 1.0, sum(total), cache, study=labels, events=events, n=total)


def _pooled(question: Question, tau: float, people: float, cache: Cache | None, **columns: Sequence[Any]) -> OneGroup:
    """Pooled now, or remembered from a build with the same figures."""
    study = [str(x) for x in columns.pop("study")]
    numbers = {name: [float(x) for x in column] for name, column in columns.items()}
    inputs = json.dumps({"question": question.to_dict(), "tau": tau, "study": study, "columns": numbers}, sort_keys=True)
    found = _fitted(inputs, "") if cache is None else cache.get(_fitted, inputs, digest_of(_PARTS, ("numpy", "scipy")))
    posterior = BayesianResult.from_dict(found["posterior"]) if found["posterior"] else None
    return OneGroup(float(people), FrequentistResult.from_dict(found["frequentist"]), posterior)


def _fitted(inputs: str, code: str) -> dict[str, Any]:
    """Both results as plain data; ``code`` takes no part in the computation, only in what is remembered."""
    from vfmeta import bayes, priors
    from vfmeta.frequentist.univariate import random_effects

    given = json.loads(inputs)
    question = Question.from_dict(given["question"])
    with warnings.catch_warnings():  # how few the studies are stands beside each pool
        warnings.simplefilter("ignore", VfmetaWarning)
        table = effect_size(question.measure, study=given["study"], question=question, **given["columns"])
        several, tau = len(table) > 1, priors.HalfNormal(given["tau"])
        posterior = bayes.random_effects(table, tau=tau, mu=priors.Flat()).to_dict() if several else None
        return {"frequentist": random_effects(table).to_dict(), "posterior": posterior}
