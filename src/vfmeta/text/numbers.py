"""Every number as people read it: pure strings, shared by figures and pages so that both say the same.

Values come in on the analysis scale (log for ratio measures) and leave on the scale people read.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vfmeta.core.measures import RAW

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question

MINUS = "\u2212"
_LONG = 1e15  # from here on a number is told by its power of ten
MISSING = "\u2013"


def number(value: float, digits: int) -> str:
    """A number with a typographic minus sign; zero has no sign, whatever it was before rounding."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):.{digits}f}" if abs(value) < _LONG else f"{abs(value):.3g}"
    return f"{MINUS}{text}" if value < 0 and float(text) != 0 else text


def short(value: float, digits: int = 3) -> str:
    """So many significant digits, in plain ASCII: how the console shows a number."""
    return f"{value:.{digits}g}"


NO_NULL = "the question names no value to test (no_difference=)"


def tested_text(p: float) -> str:
    """``p = 0.03`` in significant digits, as the console shows it, or that nothing was tested."""
    return "not tested" if math.isnan(p) else f"p = {short(p)}"


def fixed(value: float, digits: int) -> str:
    """So many decimals, in plain ASCII."""
    return f"{value:.{digits}f}"


def precise(value: float) -> str:
    """Six significant digits, for comparing what two programs computed."""
    return short(value, 6).replace("-", MINUS)


def _ratio(value: float) -> str:
    """A ratio: two decimals, a third one where two would say nothing, fewer where they would be noise."""
    if value < 0.0005:
        return "<0.001"
    if value >= 99999.5:
        return "∞" if math.isinf(value) else ">99999"
    return number(value, 3 if value < 0.01 else 2 if value < 99.995 else 1 if value < 999.95 else 0)


def _level(value: float) -> str:
    """A rate, mean or SD in a unit of its own: three significant digits, for no size of it is noise."""
    if not math.isfinite(value) or value <= 0:
        return number(value, 0)
    if value < 1e-9:
        return f"<{number(1e-9, 9)}"
    return number(value, min(max(2 - math.floor(math.log10(value)), 0), 9))


def _general_digits(width: float) -> int:
    """Decimals that leave two significant digits of a half width, for raw effects of unknown scale."""
    if not math.isfinite(width) or width <= 0:
        return 3
    return min(max(1 - math.floor(math.log10(width)), 0), 9)


def value_text(question: Question, value: float, *, width: float = math.nan, digits: int | None = None) -> str:
    """One effect as people read it.

    Parameters
    ----------
    question : Question
    value : float
        On the analysis scale.
    width : float
        Half width of its interval; only raw effects (``"GEN"``) choose their digits by it.
    digits : int, optional
        Decimals, where the reader asks for so many; by default those of the measure.
    """
    facts, shown = question.facts, question.display(value)
    if digits is not None:
        least = 10.0**-digits
        return f"<{number(least, digits)}" if facts.is_ratio and shown < least / 2 else number(shown, digits)
    if facts.one_group and question.scale.name:
        text, top = _level(shown), facts.domain[1] if facts.domain else math.inf
        # what no share reaches is not shown as reached
        return f">{number(top - 0.001, 3)}" if top - 0.0005 <= shown < top else text
    if facts.is_ratio:
        return _ratio(shown)
    return number(shown, _general_digits(width) if facts.digits is None else facts.digits)


def change_text(question: Question, change: float) -> str:
    """A difference of two effects on the analysis scale: ``times 0.93`` of what people read as ratios, else ``+0.12``."""
    if question.is_ratio:
        return f"times {_ratio(math.exp(min(max(change, -700), 700)))}"
    digits = question.facts.digits
    text = number(change, _general_digits(abs(change)) if digits is None else digits)
    return f"+{text}" if change > 0 and float(text) != 0 else text


def interval_text(question: Question, interval: Pair, *, width: float | None = None, digits: int | None = None) -> str:
    """``low to high`` as people read it, from the analysis scale."""
    width = (interval[1] - interval[0]) / 2 if width is None else width
    low, high = (value_text(question, x, width=width, digits=digits) for x in interval)
    return f"{low} to {high}"


def effect_text(
    question: Question, estimate: float, interval: Pair, *, width: float | None = None, digits: int | None = None
) -> str:
    """``estimate (low to high)`` as people read it.

    Parameters
    ----------
    question : Question
    estimate, interval : float, (float, float)
        On the analysis scale.
    width : float, optional
        Half width that sets the digits of raw effects (``"GEN"``), for a column that shows all rows alike; by default the
        interval's own.
    digits : int, optional
        Decimals, as of `value_text`.
    """
    width = (interval[1] - interval[0]) / 2 if width is None else width
    shown = value_text(question, estimate, width=width, digits=digits)
    return f"{shown} ({interval_text(question, interval, width=width, digits=digits)})"


def level_text(level: float) -> str:
    """``95%``."""
    return f"{100 * level:.4g}%"


def measure_text(question: Question) -> str:
    """The effect measure in words, with the scale where it is not the one people read."""
    facts = question.facts
    return facts.words if question.scale.name == facts.scale.name else f"{facts.words} ({facts.scale.name})"


def spread_of(question: Question) -> str:
    """``of log RR``: of what tau is the spread, where that is not what people read."""
    return f"of {question.facts.analysis_name}" if question.facts.scale.name else ""


def compared(question: Question, against: str = "v", then: str = ": ") -> str:
    """``drug v placebo: outcome``; without sides that nobody named where one group is measured."""
    sides, unnamed = [question.experimental, question.control], [type(question).experimental, type(question).control]
    if question.facts.one_group:
        sides = [side for side, name in zip(sides, unnamed, strict=True) if side != name]
    return f" {against} ".join(sides) + (then if sides else "") + question.outcome


def outcome_text(question: Question) -> str:
    """The outcome, with the ends of its scale where they are known."""
    if question.points is None:
        return question.outcome
    low, high = (number(x, 0 if float(x).is_integer() else 1) for x in question.points)
    return question.outcome if f"{low} to {high}" in question.outcome else f"{question.outcome} ({low} to {high})"


def axis_text(question: Question) -> str:
    """What the effect axis measures; says so when it has two sides and nobody knows which is the better one."""
    outcome = outcome_text(question)
    words = measure_text(question) if outcome == "effect" else f"{measure_text(question)}: {outcome}"
    return words if question.higher_is_worse is not None or question.null is None else f"{words} (direction not stated)"


def span_text(interval: Pair, digits: int = 3) -> str:
    """``low to high`` in significant digits, as the console shows it."""
    return f"{short(interval[0], digits)} to {short(interval[1], digits)}"


def ci_text(level: float, interval: Pair, digits: int = 3) -> str:
    """``95% CI low to high`` in significant digits."""
    return f"{level_text(level)} CI {span_text(interval, digits)}"


def p_text(p: float) -> str:
    """``p = 0.03``; a third decimal below 0.01 and where two would hide on which side of 0.05 it lies."""
    if p < 0.001:
        return "p < 0.001"
    if p >= 0.995:
        return "p > 0.99"
    return f"p = {p:.{3 if p < 0.00995 or 0.045 <= p < 0.055 else 2}f}"


def probability_text(p: float) -> str:
    """``= 0.97``, never a bare 0 or 1."""
    if p < 0.001:
        return "< 0.001"
    if p > 0.999:
        return "> 0.999"
    return f"= {p:.{3 if p < 0.00995 or p >= 0.995 else 2}f}"


def weight_text(weight: float) -> str:
    """A weight in percent."""
    if math.isnan(weight):
        return MISSING
    return "<0.1%" if 0 < weight < 0.05 else f"{weight:.1f}%"


def spread_text(value: float, question: Question) -> str:
    """tau2 or tau: never 0.00 for something that is not zero."""
    if not math.isfinite(value):
        return "∞"
    if value == 0:
        return "0"
    if question.measure == RAW:
        return f"{value:.2g}".replace("-", MINUS)
    if value < 0.001:
        return "<0.001"
    return f"{value:.{3 if value < 0.00995 else 2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def with_span(name: str, value: str, span: str) -> str:
    """``name = value (span)``, or ``name < bound`` where the value is one."""
    head = f"{name} < {value[1:]}" if value.startswith("<") else f"{name} = {value}"
    return f"{head} ({span})" if span else head


def mid_text(question: Question) -> str:
    """The minimal important benefit where it stands on the axis; empty when it is unknown."""
    mid = question.mid_effect()
    if mid is None:
        return ""
    shown = question.display(mid)
    return _ratio(shown) if question.compares_ratios else f"{MINUS if shown < 0 else ''}{abs(shown):g}"


def important_text(question: Question, *, harm: bool = False) -> str:
    """Beyond what a benefit or harm is important: "a risk ratio of 0.8", "1.5 points"; empty when it is unknown."""
    place, facts = question.mid_effect(harm=harm), question.facts
    if place is None or question.mid is None:
        return ""
    if question.compares_ratios:
        return f"{a(facts.noun)} of {question.display(place):.3g}"
    if facts.steps is not None:
        return f"{facts.steps * question.mid:g} {facts.unit}"
    if question.null:
        return f"{question.display(place):.3g}"
    return f"{question.mid:g}" + (f" {facts.within}" if facts.within else "")


def a(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def mid_note(question: Question) -> str:
    """What MID means, and where it was read."""
    place = mid_text(question)
    if not place:
        return ""
    size = place if question.compares_ratios else f"{question.mid:g}"
    source = f" ({question.mid_source})" if question.mid_source else ""
    return f"MID: minimal important difference, {size}{source}."


def favours_text(question: Question) -> tuple[str, str] | None:
    """What the left and the right of "no difference" favour; None without a direction, or where nothing means that."""
    left, right = question.side(-math.inf), question.side(math.inf)
    return None if left is None or right is None else (f"Favours {left}", f"Favours {right}")


def arm_text(n: object, events: object = None) -> str:
    """Size of an arm, ``38``, or events in it, ``3/38``; a dash for what was not stated."""
    size = _count(n)
    return size if events is None else f"{_count(events)}/{size}"


def _count(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return MISSING
    try:
        count = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return MISSING
    return f"{round(count, 1):.10g}" if math.isfinite(count) else MISSING
