"""The figures as the checks see them: plain rows with what is known of their studies, and the cells as they were typed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist, median
from types import SimpleNamespace
from typing import Any

import pandas as pd

from vfmeta.core.measures import MEASURES
from vfmeta.core.question import Pair
from vfmeta.trials import schema
from vfmeta.trials.problem import Problem
from vfmeta.trials.store import Trials

#: where a tenfold slip and a true figure are told apart by size alone: half-way between the two on the log scale
FACTOR = math.sqrt(10)
#: what explains any slip: the figure was looked at again, and the source prints it so
AS_PRINTED = "odd_as_printed"
RATIOS = tuple(m.code for m in MEASURES.values() if m.is_ratio)


@dataclass(frozen=True)
class Slip:
    """Figures that do not fit together: (table, row id, column) of each, what is odd, and the flags that explain it."""

    figures: tuple[tuple[str, str, str], ...]
    message: str
    explained_by: tuple[str, ...]


class Book:
    """The figures as plain rows, with what is known of their studies, and the cells as they were typed."""

    def __init__(self, trials: Trials, text: dict[str, pd.DataFrame]) -> None:
        self.text = {t: {c: text[t][c].tolist() for c in text[t]} for t in schema.FLAGGED_TABLES}
        self.at = {(t, r): i for t in schema.FLAGGED_TABLES for i, r in enumerate(self.text[t]["row_id"])}
        self.figures = trials.figures
        self.context = [SimpleNamespace(table="context", **r._asdict()) for r in trials.entries("context").values()]
        self.flags = {(r.table, r.row_id): r.flags for r in (*self.rows(), *self.context)}
        self.sizes = trials.arm_sizes
        a = trials.frames["arms"]
        self.role = {(s, x): role for s, x, role in zip(a.study_id, a.arm_id, a.role, strict=True)}
        self.spreads: dict[str, dict[str, list[Any]]] = {}
        for r in self.rows("outcomes_continuous"):
            if r.sd is not None and r.value_type != "percent_change":
                self.spreads.setdefault(r.instrument_id, {}).setdefault(r.study_id, []).append(r)

    def rows(self, *tables: str) -> Iterator[Any]:
        for (table, _, _), rows in self.figures.items():
            if not tables or table in tables:
                yield from rows

    def unit(self, row: Any, column: str) -> float:
        """One unit in the last place that is printed."""
        return last_place(self.text[row.table][column][self.at[row.table, row.row_id]].strip() or "0")

    def box(self, row: Any, column: str) -> Pair:
        """The values that are printed so when they are rounded."""
        return rounded(float(getattr(row, column)), self.unit(row, column))

    def usual_spread(self, row: Any, *, own: bool) -> float | None:
        """Median SD on the instrument: of three other trials or more, or (``own``) of the outcome elsewhere in the trial."""
        by_study = self.spreads.get(row.instrument_id, {})
        if own:
            here = [r.sd for r in by_study.get(row.study_id, ()) if r is not row
                    and (r.outcome_id, r.definition) == (row.outcome_id, row.definition)]  # fmt: skip
            return median(here) if here else None
        others = [median(r.sd for r in rows) for study, rows in by_study.items() if study != row.study_id]
        return median(others) if len(others) >= 3 else None

    def size(self, row: Any, arm: str) -> float | None:
        return self.sizes.get((row.study_id, arm))

    def problem(self, table: str, row_id: str, column: str, slip: Slip) -> Problem:
        i = self.at[table, row_id]
        flags = " or ".join((*slip.explained_by, AS_PRINTED))
        todo = f"Read it again; if the source prints it so, flag the row {flags} in row_flags.csv."
        return Problem(schema.tables()[table]["path"], i + 2, column, self.text[table][column][i], slip.message, todo)


def last_place(typed: str) -> float:
    """One unit in the last place of a number."""
    return 10.0 ** min(int(Decimal(typed).as_tuple().exponent), 0)


def _last_place(x: float) -> float:
    """The same of a number whose print is lost: that of its last digit which is not 0."""
    return last_place(str(Decimal(repr(float(x))).normalize()))


def rounded(x: float, unit: float) -> Pair:
    """The values that are printed as ``x`` when they are rounded to a unit."""
    return x - unit / 2, x + unit / 2


def centred(f: Callable[[float], float], estimate: Pair, low: Pair, high: Pair) -> bool:
    """Whether some estimate and limits that would be printed so are symmetric on the analysis scale."""
    (e1, e2), (l1, l2), (h1, h2) = (sorted(map(f, box)) for box in (estimate, low, high))
    return l1 + h1 <= 2 * e2 + 1e-9 and l2 + h2 >= 2 * e1 - 1e-9


def far(x: float, usual: float) -> bool:
    """Whether two sizes lie nearer to tenfold than to alike."""
    return not (usual / FACTOR <= x <= usual * FACTOR) and usual > 0


def error_of(row: Any) -> float:
    """The standard error that a printed interval gives."""
    return float((row.ci_high - row.ci_low) / 2 / NormalDist().inv_cdf((1 + (row.ci_level or 95) / 100) / 2))


def onto(row: Any) -> Callable[[float], float]:
    """From what is printed to the scale on which an interval is symmetric."""
    measure = getattr(row, "measure", "")
    if measure in RATIOS:
        return log
    if measure == "RRR_percent":
        sign = 1 if row.printed_as == "experimental_minus_control" else -1
        return lambda x: sign * log(1 + sign * x / 100)
    if measure == "relative_increase_percent":
        return lambda x: log(1 + x / 100)
    return float


def log(x: float) -> float:
    return math.log(max(x, 1e-12))


def with_interval(book: Book) -> Iterator[tuple[Any, str]]:
    """Figures with both limits, and the column of what these lie about."""
    for row in book.rows("contrasts", "outcomes_continuous"):
        centre = "estimate" if row.table == "contrasts" else "mean"
        if None not in (getattr(row, centre), row.ci_low, row.ci_high):
            yield row, centre


def rate_of(row: Any) -> float | None:
    if row.events is not None and row.total:
        return row.events / row.total
    return None if row.percent is None else row.percent / 100
