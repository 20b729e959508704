"""Intervals drawn beside their numbers: a small axis with one line a result, told apart by shape."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vfmeta.plots import axis
from vfmeta.plots.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.question import Pair, Question

_WIDE, _LINE, _AXIS = 210, 20, 16  # pixels
_EDGE = 6
SHAPES = ("pool", "trial", "words", "theirs", "span")


@dataclass(frozen=True)
class Mark:
    """One result on the analysis scale; ``shape`` is of `SHAPES` ("span": an interval alone), ``target`` its provenance."""

    shape: str
    estimate: float
    interval: Pair
    said: str
    target: str


def ends(marks: Sequence[Mark], question: Question) -> Pair:
    """Ends of an axis for these marks, by the rule of the forest plot."""
    rows = [Row("study", estimate=m.estimate, interval=m.interval) for m in marks]
    return axis.limits(rows, question)


def strip(marks: Sequence[Mark], question: Question, limits: Pair, *, ticks: bool = True) -> str:
    """Markup of the marks under one another on one axis; what leaves the axis ends in an arrow head.

    Numbers stand beside a strip and are what keyboards and screen readers reach; the strip answers to pointers.
    """
    high = _LINE * len(marks) + (_AXIS if ticks else 0)
    parts = [f'<svg class="strip" viewBox="0 0 {_WIDE} {high}" width="{_WIDE}" height="{high}" aria-hidden="true">']
    zero = question.null_effect
    if zero is not None and limits[0] <= zero <= limits[1]:
        x = _x(question, limits, zero)
        parts.append(f'<line class="null" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_LINE * len(marks)}"/>')
    for i, mark in enumerate(marks):
        drawn = _mark(mark, question, limits, _LINE * (i + 0.5))
        opens = f' data-from="{mark.target}"' if mark.target else ""
        parts.append(f"<g{opens}>{drawn}</g>")
    if ticks:
        parts += _ticks(question, limits, _LINE * len(marks))
    return "".join([*parts, "</svg>"])


def _x(question: Question, limits: Pair, value: float) -> float:
    return _EDGE + min(max(axis.share(question, limits, value), 0.0), 1.0) * (_WIDE - 2 * _EDGE)


def _mark(mark: Mark, question: Question, limits: Pair, y: float) -> str:
    low, middle, high = (_x(question, limits, v) for v in (mark.interval[0], mark.estimate, mark.interval[1]))
    # a band that is seen by nobody and hit by any finger
    parts = [f'<rect class="hit" x="0" y="{y - _LINE / 2:g}" width="{_WIDE}" height="{_LINE}"/>']
    parts.append(f'<line class="whisker {mark.shape}" x1="{low:.1f}" x2="{high:.1f}" y1="{y:g}" y2="{y:g}"/>')
    for value, x, way in ((mark.interval[0], low, -1), (mark.interval[1], high, 1)):
        beyond = value < limits[0] if way < 0 else value > limits[1]
        if beyond or not math.isfinite(value):
            parts.append(
                f'<path class="head {mark.shape}" d="M{x - 5 * way:.1f} {y - 4:g}L{x:.1f} {y:g}L{x - 5 * way:.1f} {y + 4:g}z"/>'
            )
    if limits[0] <= mark.estimate <= limits[1]:
        parts.append(_shape(mark.shape, middle, y))
    return "".join(parts)


def _shape(shape: str, x: float, y: float) -> str:
    if shape == "pool":
        return f'<path class="shape pool" d="M{x - 6:.1f} {y:g}L{x:.1f} {y - 6:g}L{x + 6:.1f} {y:g}L{x:.1f} {y + 6:g}z"/>'
    if shape == "trial":
        return f'<rect class="shape trial" x="{x - 4:.1f}" y="{y - 4:g}" width="8" height="8"/>'
    if shape == "span":
        return ""
    if shape == "words":
        return f'<circle class="shape words" cx="{x:.1f}" cy="{y:g}" r="5"/>'
    return f'<path class="shape theirs" d="M{x - 5.5:.1f} {y + 4.5:g}L{x:.1f} {y - 5.5:g}L{x + 5.5:.1f} {y + 4.5:g}z"/>'


def key(shape: str) -> str:
    """A shape alone, for the legend."""
    return (
        f'<svg class="key" viewBox="0 0 28 16" width="28" height="16" aria-hidden="true">'
        f'<line class="whisker {shape}" x1="1" x2="27" y1="8" y2="8"/>{_shape(shape, 14, 8)}</svg>'
    )


def _ticks(question: Question, limits: Pair, y: float) -> list[str]:
    inches = (_WIDE - 2 * _EDGE) / 96
    found = axis.ticks(limits, question, inches, lambda s: 0.085 * len(s))
    parts = [f'<line class="axis" x1="{_EDGE}" x2="{_WIDE - _EDGE}" y1="{y:g}" y2="{y:g}"/>']
    for value, label in found:
        x = _x(question, limits, question.analysis(value))
        anchor = "start" if x < 14 else "end" if x > _WIDE - 14 else "middle"
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y:g}" y2="{y + 3:g}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 13:g}" text-anchor="{anchor}">{html.escape(label)}</text>')
    return parts
