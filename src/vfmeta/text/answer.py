"""Parts of the sentence that answers a question: what an interval says, by one rule of three states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question

State = Literal["side", "little", "unclear"]
COUNTS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine", 10: "Ten"}


class Judged(Protocol):
    """What the rule needs to know of a result; numbers on the analysis scale."""

    @property
    def question(self) -> Question: ...
    @property
    def estimate(self) -> float: ...
    @property
    def interval(self) -> Pair: ...
    @property
    def wider_interval(self) -> Pair: ...
    @property
    def k(self) -> int: ...


class Likely(Protocol):
    """A result with probabilities of benefit."""

    @property
    def question(self) -> Question: ...
    @property
    def p_benefit(self) -> float | None: ...
    @property
    def p_benefit_mid(self) -> float | None: ...


def count(n: int) -> str:
    """A count in words, up to ten."""
    return COUNTS.get(n, str(n))


def trials(n: int) -> str:
    """So many trials, in words."""
    return f"{count(n).lower()} trial{'' if n == 1 else 's'}"


def finding(result: Judged) -> str:
    """An effect in words: measure, outcome, estimate and interval."""
    q = result.question
    numbers = tx.effect_text(q, result.estimate, result.interval)
    return f"{tx.a(f'{tx.measure_text(q)[:1].lower()}{tx.measure_text(q)[1:]}')} for {tx.outcome_text(q)} of {numbers}"


def state(result: Judged) -> State | None:
    """What an interval says: a side, little or no difference, or that the trials cannot tell.

    Limits are compared as they are printed: one that prints like "no difference", or like the threshold, reaches it.

    Returns
    -------
    {"side", "little", "unclear"} or None
        "side": the interval excludes no difference. "little": it holds no difference and lies wholly inside the threshold on
        both sides, which must be known. "unclear": anything else. None where nothing means "no difference".
    """
    q, null = result.question, result.question.null_effect
    if null is None:
        return None
    low, high = result.wider_interval
    if _apart(result, low, null) > 0 or _apart(result, high, null) < 0:
        return "side"
    ends = [x for harm in (False, True) if (x := q.mid_effect(harm=harm)) is not None]
    if len(ends) == 2 and _apart(result, low, min(ends)) > 0 and _apart(result, high, max(ends)) < 0:
        return "little"
    return "unclear"


def verdict(result: Judged) -> str:
    """The state in words, to stand behind the numbers; empty where nothing means "no difference"."""
    q, found = result.question, state(result)
    if found is None:
        return ""
    wide = result.wider_interval
    which = "" if wide == result.interval else f" ({tx.interval_text(q, wide)} with the ad hoc correction, which decides)"
    if found == "side":
        side = q.side(_middle(wide))
        if side is None:
            return f"{which}; it excludes no difference, but which direction is the better one is not known"
        return f"{which} in favour of {side}{_against_threshold(result)}"
    if found == "little":
        return f"{which}: little or no difference, within {_threshold(q)} either way"
    open_ = f"{which}; the trial{'' if result.k == 1 else 's'} cannot tell: from"
    if q.higher_is_worse is None:
        return f"{open_} {tx.interval_text(q, wide)}, and which direction is better is not known"
    better, worse = wide if q.higher_is_worse else wide[::-1]
    return f"{open_} {_size(result, better)} to {_size(result, worse)} with {q.experimental}"


def says(result: Judged) -> str:
    """The state in a few words, the same words for the same state and side; empty where nothing means "no difference"."""
    found = state(result)
    if found == "side":
        middle = _middle(result.wider_interval)
        side, null = result.question.side(middle), result.question.null_effect or 0.0
        return f"in favour of {side}" if side else f"towards {'lower' if middle < null else 'higher'} effects"
    return {"little": "little or no difference", "unclear": "the trials cannot tell", None: ""}[found]


def chances(post: Likely) -> str:
    """Probabilities of benefit in words; empty where the direction is unknown."""
    if post.p_benefit is None:
        return ""
    said = f"The probability of any benefit is {_probability(post.p_benefit)}"
    if post.p_benefit_mid is not None:
        said += f", of a benefit beyond {tx.important_text(post.question)} {_probability(post.p_benefit_mid)}"
    return f" {said}."


def possibly_more(result: Judged) -> bool:
    """Whether a side is named and the size of the effect may lie on either side of the threshold."""
    return state(result) == "side" and _how(result) == "possibly more than"


def _against_threshold(result: Judged) -> str:
    """How the size of an effect lies to the threshold; empty where no threshold is known."""
    q, how = result.question, _how(result)
    return f", {how} the threshold of {tx.important_text(q, harm=not _helps(result))}" if how else ""


def _how(result: Judged) -> str:
    q, (low, high) = result.question, result.wider_interval
    place, null = q.mid_effect(harm=not _helps(result)), q.null_effect
    if place is None or null is None:
        return ""
    near, far = (low, high) if place > null else (high, low)
    sign = 1 if place > null else -1
    if sign * _apart(result, near, place) >= 0:
        return "at least"
    return "less than" if sign * _apart(result, far, place) < 0 else "possibly more than"


def _helps(result: Judged) -> bool:
    q = result.question
    return q.side(_middle(result.wider_interval)) == q.experimental


def _apart(result: Judged, value: float, place: float) -> int:
    """-1, 0 or 1: below, printed alike, or above."""
    q, (low, high) = result.question, result.wider_interval
    shown, at = (tx.value_text(q, x, width=(high - low) / 2) for x in (value, place))
    return 0 if shown == at or value == place else 1 if value > place else -1


def _size(result: Judged, value: float) -> str:
    """One end of an interval as better or worse: "0.40 points better", "a risk ratio of 0.80 (better)"."""
    q, null, facts = result.question, result.question.null_effect, result.question.facts
    assert null is not None
    where = _apart(result, value, null)
    if where == 0:
        return "no difference"
    word = "better" if (where < 0) == q.higher_is_worse else "worse"
    if facts.steps is not None:
        digits = 2 if facts.steps == 1 else 1
        return f"{tx.fixed(facts.steps * abs(value - null), digits)} {facts.unit} {word}"
    shown = tx.value_text(q, value, width=(result.wider_interval[1] - result.wider_interval[0]) / 2)
    if facts.within and null == 0:
        return f"{shown.removeprefix(tx.MINUS)} {facts.within} {word}"
    return f"{tx.a(facts.noun)} of {shown} ({word})" if q.compares_ratios else f"{shown} ({word})"


def _threshold(q: Question) -> str:
    ends = tx.important_text(q), tx.important_text(q, harm=True)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} and {ends[1]}"


def _middle(interval: tuple[float, float]) -> float:
    return interval[0] / 2 + interval[1] / 2


def _probability(p: float) -> str:
    return tx.probability_text(p).removeprefix("= ").replace("> ", "above ").replace("< ", "below ")
