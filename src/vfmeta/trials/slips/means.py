"""A mean beside the others of its trial (arms, visits, decimals) and beside its own SD."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from vfmeta.trials.slips.arms import beside
from vfmeta.trials.slips.book import FACTOR, Book, Slip, far


def _means_apart(book: Book) -> Iterator[Slip]:
    """Means of the arms of a trial are of one size; changes may have any ratio, but do not lie two SDs apart."""
    for row, others in beside(book, "outcomes_continuous", "instrument_id", "value_type", "change_sign"):
        means = [r.mean for r in others if r.mean is not None]
        if row.mean is None or not means:
            continue
        usual, change = median(means), row.value_type.endswith("change")
        if change:
            sds = [r.sd for r in (row, *others) if r.sd is not None]
            sd = median(sds) if sds else book.usual_spread(row, own=True) or book.usual_spread(row, own=False)
            apart = abs(row.mean - usual) / sd if sd and row.value_type != "percent_change" else 0.0
            odd = apart > 1.75
        else:
            odd = row.mean * usual < 0 or (usual != 0 and row.mean != 0 and far(abs(row.mean), abs(usual)))
        if odd:
            message = f"A mean of {row.mean:g} stands beside {usual:g} in the other arm{'s' * (len(means) > 1)} of the trial."
            # as of an SD: a flagged oddity is some times the usual, and a further slip would be more
            flags = ("implausible_spread",) if change and apart <= 17.5 else ()
            yield Slip(((row.table, row.row_id, "mean"),), message, flags)


def _change_apart(book: Book) -> Iterator[Slip]:
    """A change is the final less the baseline of its arm."""
    for (table, _, _), figures in book.figures.items():
        rows = [r for r in figures if r.mean is not None] if table == "outcomes_continuous" else []
        for row in rows:
            if row.value_type != "change":
                continue
            names = ("arm_id", "instrument_id", "definition", "analysis_set")
            same = [r for r in rows if r.value_type == "final" and all(getattr(r, n) == getattr(row, n) for n in names)]
            before, after = [r for r in same if r.time_value == 0], [r for r in same if r.week == row.week]
            if len(before) != 1 or len(after) != 1 or not (sd := after[0].sd or row.sd or before[0].sd):
                continue
            change = after[0].mean - before[0].mean
            if row.change_sign == "improvement_positive" and row.worse:
                change = -change
            if abs(row.mean - change) > sd / 2:
                message = f"The change of {row.mean:g} is not the final less the baseline of the arm ({change:.4g})."
                three = tuple((r.table, r.row_id, "mean") for r in (row, before[0], after[0]))
                yield Slip(three, message, ("disagreement",))


def _finer(book: Book) -> Iterator[Slip]:
    """A tenth of a mean has a decimal too many: more than any figure of its trial on the instrument, and it is small there."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in book.rows("outcomes_continuous"):
        groups.setdefault((row.study_id, row.instrument_id), []).append(row)
    for rows in groups.values():
        printed = [(r, c, book.unit(r, c)) for r in rows for c in ("mean", "sd") if getattr(r, c) is not None]
        for row, column, unit in printed:
            others = [(abs(getattr(r, c)), u) for r, c, u in printed if r is not row or c != column]
            if column != "mean" or len(others) < 2:  # a zero that was not typed takes a decimal from a figure, seldom from two
                continue
            if unit < min(u for _, u in others) and FACTOR * abs(row.mean) < max(x for x, _ in others):
                message = "The mean has more decimals than all figures beside it: its decimal point may have slipped."
                yield Slip(((row.table, row.row_id, "mean"),), message, ())


def _many_spreads(book: Book) -> Iterator[Slip]:
    """No patients are so alike that their mean lies thirty SDs from zero."""
    for row in book.rows("outcomes_continuous"):
        if row.mean is None or not row.sd or abs(row.mean) <= 30 * row.sd:
            continue
        message = f"A mean of {row.mean:g} is {abs(row.mean) / row.sd:.0f} times its SD of {row.sd:g}."
        flags = ("sd_probably_se",) if abs(row.mean) <= 100 * row.sd else ()
        yield Slip(((row.table, row.row_id, "mean"),), message, flags)


def _visits_apart(book: Book) -> Iterator[Slip]:
    """The means of an arm after treatment are of one size: none is far from two or more others, all of them."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    names = ("study_id", "arm_id", "outcome_id", "instrument_id", "definition", "analysis_set")
    for row in book.rows("outcomes_continuous"):
        if row.mean and row.value_type == "final" and row.week:
            groups.setdefault(tuple(getattr(row, n) for n in names), []).append(row)
    for rows in groups.values():
        for row in rows:
            others = [r for r in rows if r is not row]
            if len(others) > 1 and all(far(abs(row.mean), abs(r.mean)) for r in others):
                usual = median(r.mean for r in others)
                message = f"A mean of {row.mean:g} stands beside {usual:g} at the other visits of the arm."
                yield Slip(((row.table, row.row_id, "mean"),), message, ())


def _more_than_all(book: Book) -> Iterator[Slip]:
    """Nothing falls by more than all there was."""
    for row in book.rows("outcomes_continuous"):
        if row.value_type != "percent_change" or row.mean is None:
            continue
        fall = -row.mean if row.change_sign == "post_minus_pre" else row.mean if row.worse else 0.0
        if fall > 100:
            message = f"A fall by {fall:g} per cent is more than all there was."
            yield Slip(((row.table, row.row_id, "mean"),), message, ())


RULES = (_means_apart, _change_apart, _finer, _many_spreads, _visits_apart, _more_than_all)
