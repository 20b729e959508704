"""A figure of the context beside its own interval and denominator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from vfmeta.trials.slips.book import Book, Slip, centred, error_of, far, log

Way = Callable[[float], float]


def _logit(percent: float) -> float:
    p = min(max(percent / 100, 1e-12), 1 - 1e-12)
    return math.log(p / (1 - p))


#: the scales on which the interval of a kind may be symmetric
_WAYS: dict[str, tuple[Way, ...]] = {"proportion": (float, _logit), "rate": (float, log), "mean": (float,), "ratio": (log,)}


def _with_limits(book: Book) -> Iterator[tuple[Any, str]]:
    for row in book.context:
        centre = "percent" if row.kind == "proportion" else "estimate"
        if None not in (getattr(row, centre), row.ci_low, row.ci_high):
            yield row, centre


def _lopsided(book: Book) -> Iterator[Slip]:
    """A printed interval is symmetric about its figure on a scale of its kind, within rounding."""
    for row, centre in _with_limits(book):
        boxes = [book.box(row, column) for column in (centre, "ci_low", "ci_high")]
        if not any(centred(way, *boxes) for way in _WAYS[row.kind]):
            message = f"The interval is not symmetric about its {centre}: one of the three may be mistyped."
            yield Slip(((row.table, row.row_id, "ci_high"),), message, ("asymmetric_as_printed",))


def _width_apart(book: Book) -> Iterator[Slip]:
    """The interval of a proportion is about as wide as its denominator makes it."""
    for row, centre in _with_limits(book):
        if centre != "percent" or not row.total or not 0 < row.percent < 100:
            continue
        se = error_of(row)
        expected = math.sqrt(row.percent * (100 - row.percent) / row.total)
        if far(se, expected):
            message = f"The interval gives a standard error of {se:.3g} per cent; the denominator gives about {expected:.3g}."
            yield Slip(((row.table, row.row_id, "ci_high"),), message, ("disagreement",))


RULES = (_lopsided, _width_apart)
