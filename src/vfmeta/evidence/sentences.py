"""The answer of an analysis in one sentence, made from its numbers, with honest words where evidence is thin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question
    from vfmeta.evidence.records import Record
    from vfmeta.results.fit import BayesianResult

COUNTS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}


def count(n: int) -> str:
    """A count in words, up to ten."""
    return COUNTS.get(n, str(n))


def answer(record: Record) -> str:
    """One sentence: what the trials say and how sure that is."""
    k, q = record.k, record.question
    if k == 0:
        return _nothing(record)
    fit, post = record.frequentist, record.posterior
    if fit is None:
        return _nothing(record)
    if k == 1:
        label, found = record.data["studies"][0]["label"], finding(q, fit.estimate, fit.interval)
        return f"Not enough to pool: one trial, {label}, found {found}; {hedge(fit.interval)}."
    if post is not None and k <= 4:
        return f"{count(k)} trials point to {finding(q, post.estimate, post.interval)}{_chances(post)}; {hedge(post.interval)}."
    wide = "" if fit.prediction is None else f"; in the next trial {tx.interval_text(q, fit.prediction)} is to be expected"
    return f"{count(k)} trials give {finding(q, fit.estimate, fit.interval)}{wide}; {hedge(fit.interval)}."


def why(record: Record) -> str:
    """Why the Bayesian result leads, with what the frequentist one says; empty where it does not lead."""
    fit, post = record.frequentist, record.posterior
    if fit is None or post is None or not 2 <= record.k <= 4:
        return ""
    said = "rules out" if fit.excludes_null else "includes"
    return (
        "With so few trials the Bayesian result leads, because it carries how little is known of the differences "
        "between trials; "
        f"the frequentist interval ({tx.interval_text(record.question, fit.interval)}) {said} “no difference”."
    )


def _chances(post: BayesianResult) -> str:
    """Probabilities of benefit in words; empty where the direction is unknown."""
    if post.p_benefit is None:
        return ""
    said = f", with a probability of any benefit of {_probability(post.p_benefit)}"
    if post.p_benefit_mid is not None:
        said += f" and of a benefit beyond {post.question.mid:g} points of {_probability(post.p_benefit_mid)}"
    return said


def _probability(p: float) -> str:
    return tx.probability_text(p).removeprefix("= ")


def sampler(record: Record) -> tuple[str, tuple[str, ...]]:
    """What PyMC's draws say beside the exact result, and what speaks against them; empty where nothing was sampled."""
    from vfmeta.bayes.monte_carlo import agrees

    sampled = record.data["results"]["sampled"]
    if not sampled:
        return "", ()
    if "refused" in sampled:
        return f"Not checked by sampling: {sampled['refused'].rstrip('.')}", ()
    size, alarms = sampled["agreement"], []
    if sampled["warnings"]:
        alarms.append(f"PyMC's draws are not to be trusted and do not confirm this result. {' '.join(sampled['warnings'])}")
    if not agrees(size):
        alarms.append(
            f"PyMC and the exact result lie {size:.1f} Monte Carlo errors apart, more than chance explains: use neither before "
            "the reason is found."
        )
    return "" if alarms else f"PyMC agrees within {size:.1f} Monte Carlo errors", tuple(alarms)


def finding(q: Question, estimate: float, interval: Pair) -> str:
    """An effect in words, with the side it favours."""
    side = q.side(estimate)
    numbers = tx.effect_text(q, estimate, interval)
    what = f"{tx.measure_text(q)[:1].lower()}{tx.measure_text(q)[1:]} for {tx.outcome_text(q)} of {numbers}"
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}" + (f" in favour of {side}" if side else "")


def hedge(interval: Pair) -> str:
    """Whether "no difference" is ruled out, said plainly."""
    if interval[0] > 0 or interval[1] < 0:
        return "the interval rules out “no difference”"
    return "the interval includes “no difference”, so neither side is shown to be better"


def _nothing(record: Record) -> str:
    others = record.data["left_out"]
    same = [x for x in others if "not mixed with" not in x["reason"]]
    if not others:
        return "Not enough to pool: no trial of this comparison is known to the tables."
    if not same:
        return f"Not enough to pool: {_trials(len(others))} of another design is all there is, and designs are never mixed."
    known = f"{_trials(len(same))} of this comparison {'is' if len(same) == 1 else 'are'} known"
    unsettled = any(s.k for s in record.sensitivity)
    rest = "; figures that are not settled stand in the sensitivity analyses only" if unsettled else ""
    return f"Not enough to pool: {known}, none with a figure that can be used here{rest}."


def _trials(n: int) -> str:
    return f"{count(n).lower()} trial{'' if n == 1 else 's'}"
