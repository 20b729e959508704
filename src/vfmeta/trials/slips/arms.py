"""The arms of a trial beside each other, and SDs beside those of other trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from vfmeta.trials.slips.book import Book, Slip, far, rate_of
from vfmeta.trials.slips.contrasts import compared


def _spread_apart(book: Book) -> Iterator[Slip]:
    """An SD is of the size of the others on its instrument, in three other trials and elsewhere in its own trial."""
    for row in book.rows("outcomes_continuous"):
        if row.sd is None or row.value_type == "percent_change":
            continue
        for own, where in ((False, "in other trials"), (True, "elsewhere in the trial")):
            usual = book.usual_spread(row, own=own)
            if usual is None or not far(row.sd, usual):
                continue
            n = row.n or book.size(row, row.arm_id)
            se = n and row.sd < usual and usual / 2 <= row.sd * math.sqrt(n) <= 2 * usual
            reads = f": it reads like a standard error of {n:g} patients, typed as an SD" if se else ""
            message = f"An SD of {row.sd:g} does not fit its instrument, on which SDs are about {usual:.3g} {where}{reads}."
            # a flagged oddity is some three to ten times the usual, and a further slip would be more
            flags = ("sd_probably_se", "implausible_spread") if usual / 10 <= row.sd <= 10 * usual else ()
            yield Slip(((row.table, row.row_id, "sd"),), message, flags)
            break


def _alike(rows: Iterable[Any], *names: str) -> list[list[Any]]:
    """Rows of several arms that print one figure at one time."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        week = None if row.week is None else round(row.week, 2)
        groups.setdefault((week, *(getattr(row, n) for n in names)), []).append(row)
    return [g for g in groups.values() if len({r.arm_id for r in g}) > 1]


def beside(book: Book, table: str, *names: str) -> Iterator[tuple[Any, list[Any]]]:
    """Each row with those of the other arms that print the same figure."""
    for (home, _, _), rows in book.figures.items():
        for group in _alike(rows if home == table else (), "definition", "analysis_set", *names):
            for row in group:
                if others := [r for r in group if r.arm_id != row.arm_id]:
                    yield row, others


def _sizes_apart(book: Book) -> Iterator[Slip]:
    """Those behind a figure are most of those who were randomised, or as many as in the other arms."""
    for table, column in (("outcomes_continuous", "n"), ("outcomes_binary", "total")):
        names = ("instrument_id", "value_type") if table == "outcomes_continuous" else ("unit",)
        seen: dict[str, list[Any]] = {row.row_id: others for row, others in beside(book, table, *names)}
        for row in book.rows(table):
            n = getattr(row, column)
            if not n or getattr(row, "unit", "patient") != "patient":
                continue
            whole = book.size(row, row.arm_id)
            near = [getattr(r, column) for r in seen.get(row.row_id, ()) if getattr(r, column)]
            usual = whole or (median(near) if near else None)
            if usual and far(n, usual):
                said = "were randomised to the arm" if whole else "stand in the other arm"
                yield Slip(((table, row.row_id, column),), f"{n:g} patients, where {usual:g} {said}.", ())


def _rates_apart(book: Book) -> Iterator[Slip]:
    """Counts of the arms are of one size, unless a percentage or a ratio printed beside them says the same."""
    sure = {row.row_id for _, pair, agrees in compared(book) if agrees for row in pair}
    for row, others in beside(book, "outcomes_binary", "unit"):
        rates = [x for r in others if (x := rate_of(r)) is not None]
        if row.events is None or not row.total or row.percent is not None or row.row_id in sure or not rates:
            continue
        rate, usual = row.events / row.total, median(rates)
        most = max(r.total or 0 for r in others)
        both = min(1.0, (row.events + usual * most) / (row.total + most))
        chance = math.sqrt(both * (1 - both) * (1 / row.total + 1 / most)) if most else math.inf
        if rate and usual and far(rate, usual) and abs(rate - usual) > 2.5 * chance:
            message = f"{row.events:g} of {row.total:g} is {100 * rate:.3g}%, beside {100 * usual:.3g}% in the other arm."
            yield Slip(((row.table, row.row_id, "events"),), message, ())


RULES = (_spread_apart, _sizes_apart, _rates_apart)
