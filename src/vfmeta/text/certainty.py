"""The words of certainty, from one table: what may be said at which level of which size of effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vfmeta.core.grading import SIGNS
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question

Size = Literal["effect", "little"]
#: GRADE guidelines 26 (Santesso et al. 2020, J Clin Epidemiol 119:126-135), as tabulated in the ACIP GRADE handbook, chapter
#: 11. Of its four sizes two are kept: an effect that matters, and one that does not; "large" and "slight" need thresholds of
#: their own.
STATEMENTS: dict[tuple[str, Size], str] = {
    ("high", "effect"): "{x} {verb}s {outcome}",
    ("moderate", "effect"): "{x} probably {verb}s {outcome}",
    ("low", "effect"): "{x} may {verb} {outcome}",
    ("very low", "effect"): "The evidence is very uncertain about the effect of {x} on {outcome}",
    ("high", "little"): "{x} results in little to no difference in {outcome}",
    ("moderate", "little"): "{x} probably results in little to no difference in {outcome}",
    ("low", "little"): "{x} may result in little to no difference in {outcome}",
    ("very low", "little"): "The evidence is very uncertain about the effect of {x} on {outcome}",
}
UNSETTLED = "Not put into words: how certain this is has not been settled."


def statement(q: Question, estimate: float, interval: Pair, rating: str | None) -> str:
    """What a result says in plain words; no word of certainty without a final level.

    Parameters
    ----------
    q : Question
    estimate, interval : float, (float, float)
        On the analysis scale.
    rating : str or None
        The final level.
    """
    null = q.null_effect
    if null is None:
        return ""
    if rating is None:
        return UNSETTLED
    harm, benefit = (q.mid_effect(harm=x) for x in (True, False))
    ends = [x for x in (harm, benefit) if x is not None]
    inside = len(ends) == 2 and min(ends) < estimate < max(ends)
    verb = "reduce" if estimate < null else "increase"
    said = STATEMENTS[rating, "little" if inside or estimate == null else "effect"].format(
        x=q.experimental, verb=verb, outcome=q.outcome
    )
    against = "" if rating == "very low" else f" compared with {q.control}"
    open_end = interval[0] < null < interval[1] and not inside and rating != "very low"
    return f"{said[:1].upper()}{said[1:]}{against}{'; the interval also holds no difference' if open_end else ''}."


def points_text(estimate: float, interval: Pair, sd: float, ends: Pair) -> str:
    """A standardised difference in points of a scale of known standard deviation: "0.7 points lower (0.1 to 1.4 lower)"."""
    digits = 1 if ends[1] - ends[0] >= 10 else 2
    x, low, high = (sd * value for value in (estimate, *interval))
    way = ["lower" if value < 0 else "higher" for value in (x, low, high)]
    first, last = (low, high) if way[1] != way[2] else sorted((low, high), key=abs)
    near = tx.fixed(abs(first), digits) + (f" {way[1]}" if way[1] != way[2] else "")
    span = f"{near} to {tx.fixed(abs(last), digits)} {way[2]}"
    return f"{tx.fixed(abs(x), digits)} points {way[0]} ({span}) on {ends[0]:g} to {ends[1]:g}"


def level_text(shown: str) -> str:
    """A level with its signs; as it is where it is only an upper bound."""
    return f"{SIGNS[shown]} {shown}" if shown in SIGNS else shown


def moved_text(was: tuple[str, Sequence[tuple[str, str]]], now: tuple[str, Sequence[tuple[str, str]]]) -> str:
    """How a certainty moved and why; empty where it did not.

    Parameters
    ----------
    was, now : (str, sequence of (str, str))
        The level, or the best it can be, and the answer of each domain (and of the panel).
    """
    if was[0] == now[0]:
        return ""
    before, after = dict(was[1]), dict(now[1])
    why = [
        f"{name} went from {before.get(name, 'nothing')} to {after.get(name, 'nothing')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    return f"certainty moved from {was[0]} to {now[0]}{' because ' if why else ''}{'; '.join(why)}"


def fewer_text(difference: float, interval: Pair) -> str:
    """A difference of risks in people: "1.2 fewer of 1,000 (43 fewer to 41 more)"."""
    shown = [f"{per_1000(abs(x))} {'fewer' if x < 0 else 'more'}" for x in (difference, *interval)]
    return f"{shown[0]} of 1,000 ({shown[1]} to {shown[2]})"


def per_1000(risk: float) -> str:
    """A risk as a count of 1,000 people: whole from 10 on, one decimal below."""
    x = 1000 * risk
    return f"{x:,.0f}" if not math.isfinite(x) or abs(x) >= 9.95 else f"{x:.1f}".removesuffix(".0")


__all__ = ["STATEMENTS", "UNSETTLED", "Size", "level_text", "moved_text", "per_1000", "points_text", "statement"]
