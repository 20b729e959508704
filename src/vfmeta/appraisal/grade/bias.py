"""Risk of bias: who weighs how much at each judgement, and what the pool is without those at high risk."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from vfmeta.appraisal.grade.body import Body, names, of_trials, percent
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.appraisal.refits import refit_of
from vfmeta.core.messages import ConvergenceError, InputError, VfmetaWarning
from vfmeta.results.certainty import Domain
from vfmeta.results.fit import Result
from vfmeta.results.risk_of_bias import RiskOfBias
from vfmeta.text import numbers as tx

_NAME, _HIGH, _SOME = "risk of bias", 2, 1


def judged(body: Body, bias: RiskOfBias | None) -> Domain:
    """The domain of risk of bias; open as long as one trial has no overall judgement."""
    found, high = by_weight(body, bias)
    if not high.any() or found.suggestion is None:
        return found
    moved, words_of_it = _without(body, high)
    return replace(found, suggestion=min(found.suggestion, -1 if moved else 0), sentence=f"{found.sentence} {words_of_it}")


def by_weight(body: Body, bias: RiskOfBias | None, name: str = _NAME) -> tuple[Domain, np.ndarray]:
    """What the weight of trials at each level of risk says, and which trials are at high risk."""
    none = np.zeros(body.k, dtype=bool)
    if bias is None:
        return _open(body, ~none, "No judgement was given.", name), none
    known = dict(zip(bias.labels, bias.overall, strict=True))
    words = [known.get(x, "") for x in body.labels]
    silent = np.array([not w for w in words])
    if silent.any():
        return _open(body, silent, f"By {bias.tool} {_levels(body, words)}." if any(words) else "", name), none
    rank = {x.word: x.rank for x in bias.instrument.levels}
    ranks = np.array([rank[w] for w in words])
    high, low = ranks >= _HIGH, ranks < _SOME
    most, share = limit("bias_most"), body.share
    keys: tuple[str, ...] = ("bias_most",)
    said = [f"By {bias.tool} {_levels(body, words)}."]
    suggestion = 0
    if share[high].sum() > most:
        suggestion = -1
        said.append(f"More than {percent(most)} of the weight is at high risk: {body.weight(high)}.")
        by_name = dict(zip(bias.labels, bias.judgements, strict=True))
        count = np.array([sum(rank.get(w, -1) >= _HIGH for w in by_name[x]) for x in body.labels])
        crucial = high & ((count >= limit("bias_domains")) | (ranks > _HIGH))
        keys += ("bias_domains",)
        if share[crucial].sum() > most:
            suggestion = -2
            said.append(
                f"{percent(share[crucial].sum())} of the weight is at critical risk, or at high risk in "
                f"{limit('bias_domains'):g} domains or more."
            )
    elif share[~low].sum() > most:
        suggestion = -1
        said.append(f"More than {percent(most)} of the weight is not at low risk.")
    return Domain(
        name=name, suggestion=suggestion, short="judged in every trial", sentence=" ".join(said), thresholds=keys
    ), high


def _open(body: Body, silent: np.ndarray, said: str, name: str) -> Domain:
    n = int(silent.sum())
    who = names([x for x, out in zip(body.labels, silent, strict=True) if out])
    weight = percent(body.share[silent].sum())
    return Domain(
        name=name, suggestion=None, short=f"not judged in {of_trials(n, body.k)}",
        sentence=f"Not judged overall in {of_trials(n, body.k)} ({who}; {weight} of the weight). {said}".rstrip(),
    )  # fmt: skip


def _levels(body: Body, words: list[str]) -> str:
    told = [w or "not judged" for w in words]
    parts = [f"{percent(body.share[np.array([w == x for w in told])].sum())} {x}" for x in dict.fromkeys(told)]
    return f"the weight is {', '.join(parts)}"


def _without(body: Body, high: np.ndarray) -> tuple[bool, str]:
    """Whether the answer is another one without the trials at high risk, and the sentence."""
    if high.all():
        return False, "There is no trial without high risk to compare with."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)  # that few are left is said here
            rest: Result = refit_of(body.fit).again(np.flatnonzero(~high))
    except (InputError, ConvergenceError, AttributeError) as error:
        return False, f"It cannot be pooled without them: {error}"
    # by where the estimates lie: that fewer trials leave a wider interval is no bias
    q, moved = body.question, body.marks.place(rest.estimate) != body.marks.place(body.fit.estimate)
    shown = tx.effect_text(q, rest.estimate, rest.wider_interval)
    before = tx.effect_text(q, body.fit.estimate, body.interval)
    return moved, (
        f"Without {names([body.labels[i] for i in np.flatnonzero(high)])} it is {shown} instead of {before}, on "
        f"{'another' if moved else 'the same'} side of {body.sides}."
    )
