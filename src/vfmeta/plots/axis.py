"""Limits and ticks of the effect axis of a forest plot."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from vfmeta.core.messages import InputError
from vfmeta.text.numbers import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vfmeta.core.question import Pair, Question
    from vfmeta.plots.rows import Row

_CANDIDATES: tuple[tuple[float, ...], ...] = (
    tuple(0.9 + 0.02 * i for i in range(11)),
    (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4),
    (0.5, 0.6, 0.8, 1, 1.25, 1.5, 2),
    (0.5, 0.75, 1, 1.5, 2),
    tuple(2.0**i for i in range(-3, 4)),
    tuple(m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)),
    tuple(m * 10.0**e for e in range(-6, 7) for m in (1, 3)),
    tuple(10.0**e for e in range(-8, 9)),
    tuple(100.0**e for e in range(-5, 6)),
    tuple(1000.0**e for e in range(-5, 6)),
)

_FAR = 600.0  # log of the largest ratio an axis shows


def limits(rows: Sequence[Row], question: Question, xlim: Pair | None = None, *, side: float = 0.12) -> Pair:
    """Ends of the axis on the analysis scale.

    Every point estimate and "no difference" (where the measure has it) lie inside, and so does every interval unless it is far
    wider than the rest: one uninformative trial must not squash the others, its whisker ends in an arrow.

    Parameters
    ----------
    rows : sequence of Row
    question : Question
    xlim : (float, float), optional
        Ends on the scale people read; taken as they are.
    side : float
        Share of the axis that each side of "no difference" gets at least.
    """
    if xlim is not None:
        return _given(xlim, question)
    points = [r.estimate for r in rows if math.isfinite(r.estimate)]
    for near, far, se in (r.reach for r in rows if r.reach is not None):  # with the slope beyond a limit, and what is level
        points += [near - 2 * se, far + 2 * se] if math.isfinite(far - near) else []
        points += [near - 2 * se, near + 4 * se] if math.isfinite(near) and math.isinf(far) else []
        points += [far - 4 * se, far + 2 * se] if math.isfinite(far) and math.isinf(near) else []
    null = question.null_effect
    points += [] if null is None else [null]
    low, high = min(points, default=0.0), max(points, default=1.0)
    halves = [(r.interval[1] - r.interval[0]) / 2 for r in rows if r.kind in ("study", "step") and r.interval is not None]
    halves = [h for h in halves if math.isfinite(h) and h > 0] or [(high - low) / 2 or 1.0]
    reach = max(max(h for h in halves if h <= 3 * median(halves)), (high - low) / 4)
    own = [x for r in rows if r.kind in ("study", "step") and r.interval is not None for x in r.interval]
    left, right = max(min([low, *own]), low - reach), min(max([high, *own]), high + reach)
    # Pooled and prediction intervals get some more room, but not any: those of two trials can be a hundred times too wide.
    others = [x for r in rows if r.kind not in ("study", "step") and r.interval is not None for x in r.interval]
    left = min([left, *(x for x in others if x >= low - 2 * reach)])
    right = max([right, *(x for x in others if x <= high + 2 * reach)])
    mid = question.mid_effect()
    if mid is not None and null is not None and abs(mid - null) <= 0.75 * (right - left):
        left, right = min(left, mid), max(right, mid)
    span = right - left
    left, right = left - 0.03 * span, right + 0.03 * span
    if null is not None:
        # Both sides of "no difference" need room for the words that say whom they favour.
        share = side / (1 - side)
        left, right = min(left, null - (right - null) * share), max(right, null + (null - left) * share)
    if question.is_ratio:  # what no float holds ends in an arrow
        left, right = min(max(left, -_FAR), _FAR - 1), max(min(right, _FAR), 1 - _FAR)
    return _apart(left, right, question)


def _apart(left: float, right: float, question: Question) -> Pair:
    """The ends, drawn apart until people read two different values there."""
    room = 1e-3 * max(1.0, abs(left), abs(right))
    low, high = question.display(left), question.display(right)
    while high - low <= 1e-9 * max(abs(low), abs(high)) and room < 1e300:
        left, right, room = left - room, right + room, 2 * room
        low, high = question.display(left), question.display(right)
    return left, right


def _given(xlim: Pair, question: Question) -> Pair:
    try:
        low, high = (float(x) for x in xlim)
    except (TypeError, ValueError):
        raise InputError(f"xlim is {xlim!r}; give the two ends of the axis, such as (-3, 3).") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (question.is_ratio and low <= 0):
        above = ", both above 0 because the axis of a ratio is logarithmic" if question.is_ratio else ""
        raise InputError(f"xlim is ({low:g}, {high:g}); give two finite numbers, the smaller first{above}.")
    domain = question.facts.domain
    if domain is not None and not question.is_ratio and question.scale.name:  # the ends of some domains lie at infinity
        edge = 1e-9 * (high - low)
        low, high = max(low, domain[0] + edge), min(high, domain[1] - edge)
        if low >= high:
            raise InputError(f"xlim lies outside what a {question.facts.words.lower()} can be.")
    return question.analysis(low), question.analysis(high)


def place(question: Question, value: float) -> float:
    """Where a value on the analysis scale stands along an axis, which is logarithmic for ratios and even for all else."""
    return value if question.is_ratio else question.display(value)


def share(question: Question, ends: Pair, value: float) -> float:
    """The same as a share of the axis between its ends, 0 to 1."""
    low, high = (place(question, x) for x in ends)
    return (place(question, value) - low) / (high - low)


def ticks(ends: Pair, question: Question, inches: float, width: Callable[[str], float]) -> list[tuple[float, str]]:
    """Ticks as (place on the scale people read, label), as many as stand side by side without touching.

    Parameters
    ----------
    ends : (float, float)
        Ends of the axis on the analysis scale.
    question : Question
    inches : float
        Length of the axis.
    width : callable
        Width of a label in inches.
    """
    low, high = (place(question, x) for x in ends)
    span = high - low

    def along(x: float) -> float:
        return math.log(x) if question.is_ratio else x

    def fits(shown: list[tuple[float, str]]) -> bool:
        places = [along(x) / span * inches for x, _ in shown]
        sizes = [width(label) for _, label in shown]
        return all(
            places[i + 1] - places[i] > (sizes[i] + sizes[i + 1]) / 2 + 0.1 for i in range(len(shown) - 1)
        )  # fmt: skip

    def score(shown: list[tuple[float, str]]) -> tuple[bool, int]:
        return along(shown[-1][0]) - along(shown[0][0]) > 0.6 * span, len(shown)

    best: list[tuple[float, str]] = []
    for candidate in _CANDIDATES if question.is_ratio else _linear((low, high)):
        inside = [x for x in candidate if low <= along(x) <= high]
        shown = [(x, _label(x)) for x in inside]
        if 2 <= len(shown) <= 9 and fits(shown) and (not best or score(shown) > score(best)):
            best = shown
    if best:
        return best
    middle = question.display((ends[0] + ends[1]) / 2) if question.null is None else question.null
    return [(middle, _label(middle))]


def analysis_ticks(
    ends: Pair, question: Question, inches: float, width: Callable[[str], float]
) -> tuple[list[float], list[str]]:
    """`ticks` of an axis on the analysis scale: places and labels, without what lies at infinity there."""
    shown = [(question.analysis(at), name) for at, name in ticks(ends, question, inches, width)]
    shown = [(at, name) for at, name in shown if math.isfinite(at)]
    return [at for at, _ in shown], [name for _, name in shown]


def _linear(ends: Pair) -> list[list[float]]:
    power = math.floor(math.log10(ends[1] - ends[0]))
    out = []
    for exponent in (power - 1, power):
        for step in (1.0, 2.0, 2.5, 5.0):
            size = step * 10.0**exponent
            out.append([i * size for i in range(math.ceil(ends[0] / size), math.floor(ends[1] / size) + 1)])
    return out


def _label(value: float) -> str:
    digits = next((d for d in range(10) if math.isclose(round(value, d), value, rel_tol=1e-6, abs_tol=1e-12)), 9)
    return number(value, digits)
