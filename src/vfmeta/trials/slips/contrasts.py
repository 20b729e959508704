"""Printed differences and ratios beside the means and counts of their arms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from vfmeta.trials.slips.book import RATIOS, Book, Slip, error_of, onto, rate_of, with_interval

_EITHER_WAY = ("benefit_positive", "not_stated")


def _pairs(book: Book, row: Any, table: str) -> list[tuple[Any, Any]]:
    """Arm-level rows of both sides at the time of a contrast; of its own definition where there are any."""
    near = [
        r for r in book.figures.get((table, row.study_id, row.outcome_id), ())
        if r.week == row.week or (row.week is not None and r.week is not None and abs(r.week - row.week) < 0.015 * row.week)
    ]  # fmt: skip
    names = ("definition", "analysis_set", *(("unit",) if table == "outcomes_binary" else ("instrument_id", "value_type")))
    pairs = [
        (e, c) for e in near if e.arm_id == row.arm_experimental for c in near
        if c.arm_id == row.arm_control and all(getattr(e, n) == getattr(c, n) for n in names)
    ]  # fmt: skip
    own = [p for p in pairs if p[0].definition == row.definition]
    return own or pairs


def compared(book: Book) -> Iterator[tuple[Any, tuple[Any, Any], bool]]:
    """Ratios and risk differences with the counts of their arms, and whether they agree."""
    for row in book.rows("contrasts"):
        if row.estimate is None or row.measure not in (*RATIOS, "RD", "RRR_percent"):
            continue
        for e, c in _pairs(book, row, "outcomes_binary"):
            p, q = rate_of(e), rate_of(c)
            if p is None or q is None or (row.measure != "RD" and (min(p, q) <= 0 or max(p, q) >= 1)):
                continue
            if row.measure == "RD":
                given, made = row.estimate, 100 * (p - q)
                room = 2 + abs(given) / 4
            else:
                given = onto(row)(row.estimate)
                made = math.log(p / q) if row.measure != "OR" else math.log(p / (1 - p) / (q / (1 - q)))
                room = math.log(1.5)
            if row.printed_as == "control_minus_experimental":
                made = -made
            gap = abs(abs(given) - abs(made)) if row.printed_as in _EITHER_WAY else abs(given - made)
            yield row, (e, c), gap <= room


def _ratio_apart(book: Book) -> Iterator[Slip]:
    """A printed ratio or risk difference is that of the counts; survival methods and adjustment leave it near them."""
    found: dict[str, tuple[Any, list[tuple[tuple[Any, Any], bool]]]] = {}
    for row, pair, agrees in compared(book):
        found.setdefault(row.row_id, (row, []))[1].append((pair, agrees))
    for row, pairs in found.values():
        if any(agrees for _, agrees in pairs):
            continue
        arms = dict.fromkeys(r.row_id for pair, _ in pairs for r in pair)
        figures = ((row.table, row.row_id, "estimate"), *(("outcomes_binary", r, "events") for r in arms))
        yield Slip(
            figures, f"A printed {row.measure} of {row.estimate:g} is not that of the counts of the arms.", ("disagreement",)
        )


def _difference_apart(book: Book) -> Iterator[Slip]:
    """A printed difference is that of the means of the arms, finals or changes, within a standard error."""
    for row, centre in with_interval(book):
        if centre == "mean" or row.measure not in ("MD", "adjusted_MD"):
            continue
        se = error_of(row)
        pairs = [
            (e, c) for e, c in _pairs(book, row, "outcomes_continuous")
            if e.mean is not None and c.mean is not None and e.instrument_id == row.instrument_id
            and e.value_type != "percent_change"
        ]  # fmt: skip
        if pairs and all(abs(abs(row.estimate) - abs(e.mean - c.mean)) > se for e, c in pairs):
            arms = dict.fromkeys(r.row_id for pair in pairs for r in pair)
            figures = ((row.table, row.row_id, "estimate"), *(("outcomes_continuous", r, "mean") for r in arms))
            message = f"A printed difference of {row.estimate:g} is not that of the means of the arms."
            yield Slip(figures, message, ("disagreement",))


def _roles(book: Book) -> Iterator[Slip]:
    """The control arm of a contrast has the control role, in tables that state roles at all."""
    if "control" not in book.role.values():
        return
    for row in book.rows("contrasts"):
        if book.role.get((row.study_id, row.arm_control), "control") != "control":  # arms that are not there are told elsewhere
            message = "The control arm of this contrast does not have the control role in arms.csv."
            yield Slip(((row.table, row.row_id, "arm_control"),), message, ())


RULES = (_ratio_apart, _difference_apart, _roles)
