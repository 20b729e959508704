"""A trial still to come, in words: what it would have to find, and how large it should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question


#: what is less probable than this is said only where nothing else would change a conclusion
_RARE = 0.001
_SAYS = {
    "little": "lie within the threshold on both sides, little or no difference",
    "unclear": "be unclear: neither exclude no difference nor lie within the threshold",
}


def _says(q: Question, conclusion: str) -> str:
    """What an interval would do."""
    if conclusion in _SAYS:
        return _SAYS[conclusion] if q.mid_effect() is not None or conclusion == "little" else "hold no difference"
    side = q.side(-math.inf if conclusion == "lower" else math.inf)
    return f"exclude no difference{f' in favour of {side}' if side else f' towards {conclusion} effects'}"


def change_text(q: Question, estimate: float, n: float, se: float, found: Sequence[tuple[Pair, str, float]]) -> str:
    """What a trial of ``n`` people (or of a standard error) would have to find; ``found`` are ranges, conclusion, chance."""
    trial = f"further trial of {n:,.0f} people" if not math.isnan(n) else f"further trial with a standard error of {se:.3g}"
    shown = [x for x in found if x[2] >= _RARE] or sorted(found, key=lambda x: _away(x[0], estimate))[:1]
    if not shown:
        return f"No result of a {trial} would change what the interval says."
    said = [f"{_range(q, ends, estimate)} it would {_says(q, after)} ({_chance(p)})" for ends, after, p in shown]
    return f"What the interval says would change with a {trial}: {'; '.join(said)}."


def _chance(p: float) -> str:
    return f"probability {tx.probability_text(p).removeprefix('= ')}"


def _away(ends: Pair, estimate: float) -> float:
    low, high = ends
    return 0.0 if low <= estimate <= high else min(abs(low - estimate), abs(high - estimate))


def _range(q: Question, ends: Pair, estimate: float) -> str:
    width = abs(estimate) or 1.0
    shown = (tx.value_text(q, x, width=width) for x in ends)
    low, high = ("" if math.isinf(x) or text[:1] in "<>" else text for x, text in zip(ends, shown, strict=True))
    measure = tx.a(f"{tx.measure_text(q)[:1].lower()}{tx.measure_text(q)[1:]}")
    if not (low or high):
        return "whatever it finds"
    span = f"between {low} and {high}" if low and high else f"of {high} or lower" if high else f"of {low} or higher"
    return f"with {measure} {span}"


def size_text(q: Question, estimate: float, power: float, needed: float, needed_se: float, ceiling: float) -> str:
    """How large a next trial should be, by the predictive distribution of its result."""
    null = q.null_effect or 0.0
    side = q.side(estimate) or ("lower effects" if estimate < null else "higher effects")
    chance, rounded = tx.probability_text(power).removeprefix("= "), f"{needed:.2g}"
    if needed_se == 0:
        return (
            f"No size of a trial excludes no difference in favour of {side} by itself with probability {chance}: the true "
            f"effect in its setting lies on that side with {_chance(ceiling)}."
        )
    size = f"a standard error of {needed_se:.3g} or less" if math.isnan(needed) else f"about {float(rounded):,.0f} people"
    return (
        f"To exclude no difference in favour of {side} by itself with probability {chance}, a next trial needs {size}; that "
        "the true effect differs between settings is counted in."
    )
