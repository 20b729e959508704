"""Parts of the sentence that answers a question, with honest words where evidence is thin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.text.fit import Pooled
    from vfmeta.text.posterior import Posterior

COUNTS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}


def count(n: int) -> str:
    """A count in words, up to ten."""
    return COUNTS.get(n, str(n))


def trials(n: int) -> str:
    """So many trials, in words."""
    return f"{count(n).lower()} trial{'' if n == 1 else 's'}"


def finding(result: Pooled) -> str:
    """An effect in words, with the side it favours where "no difference" is ruled out."""
    q, side = result.question, result.favours if result.excludes_null else None
    numbers = tx.effect_text(q, result.estimate, result.interval)
    what = f"{tx.measure_text(q)[:1].lower()}{tx.measure_text(q)[1:]} for {tx.outcome_text(q)} of {numbers}"
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}" + (f" in favour of {side}" if side else "")


def hedge(result: Pooled) -> str:
    """Whether "no difference" is ruled out, said plainly; empty where nothing means that."""
    if result.question.null is None:
        return ""
    wide, which = result.wider_interval, "the interval"
    if wide != result.interval:
        which = f"with the ad hoc correction the interval ({tx.interval_text(result.question, wide)})"
    if result.excludes_null:
        return f"; {which} rules out “no difference”"
    return f"; {which} includes “no difference”, so neither side is shown to be better"


def chances(post: Posterior) -> str:
    """Probabilities of benefit in words; empty where the direction is unknown."""
    if post.p_benefit is None:
        return ""
    said = f", with a probability of any benefit of {_probability(post.p_benefit)}"
    if post.p_benefit_mid is not None:
        said += f" and of a benefit beyond {tx.important_text(post.question)} of {_probability(post.p_benefit_mid)}"
    return said


def _probability(p: float) -> str:
    return tx.probability_text(p).removeprefix("= ")
