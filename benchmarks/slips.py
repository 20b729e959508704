"""How many slips of the keyboard the checks of the trial tables catch: each figure tenfold, a tenth, with two digits swapped.

``python -m benchmarks.slips`` (``make slips``) prints the shares, by kind of figure, and fails where one misses its target. A
slip is caught when the row it sits in is named, as broken or as odd, and was not named before.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from vfmeta.trials import schema
from vfmeta.trials.loading import fault_of_cell
from vfmeta.trials.reading import read_text
from vfmeta.trials.rules import broken_rules
from vfmeta.trials.slips import Book, unexplained
from vfmeta.trials.store import Trials, assemble

KINDS = {
    "limits": (0.95, "ci_low", "ci_high"),
    "SDs": (0.90, "sd"),
    "means": (0.90, "mean"),
    "counts": (0.90, "events", "total", "n"),
    "estimates": (None, "estimate"),
    "percentages": (None, "percent"),
    "p values": (None, "p_value"),
    "medians, quartiles, ranges": (None, "median", "q1", "q3", "range_low", "range_high"),
}
SLIPS = ("tenfold", "a tenth", "digits swapped")


@dataclass(frozen=True)
class Cell:
    """One printed number; ``beside`` says whether there is what the target of its kind asks for."""

    kind: str
    row: Any
    column: str
    typed: str
    used: bool
    beside: bool


class Sweep:
    """Tables in which one cell at a time is mistyped and put right again."""

    def __init__(self, folder: Path | None = None) -> None:
        self.text, found = read_text(folder or schema.packaged_folder())
        assert not found, found
        self.book = Book(Trials(Path(), assemble(self.text)), self.text)
        self.studies: dict[str, Book] = {}

    def named(self) -> set[tuple[str, str]]:
        """Table and row id of every figure that looks like a slip."""
        return set(unexplained(self.book))

    def cells(self) -> Iterator[Cell]:
        for table in schema.FIGURE_TABLES:
            for kind, (_, *columns) in KINDS.items():
                for column in columns:
                    if column in schema.fields(table):
                        for row in self.book.rows(table):
                            typed = self.book.text[table][column][self.book.at[table, row.row_id]]
                            if typed:
                                beside = self._beside(kind, row, column)
                                yield Cell(kind, row, column, typed, row.use != "no", beside)

    def _beside(self, kind: str, row: Any, column: str) -> bool:
        if kind == "SDs":
            return self.book.usual_spread(row, own=False) is not None
        if kind != "counts":
            return True
        if column == "n":
            return self.book.size(row, row.arm_id) is not None
        other = row.total if column == "events" else row.events
        return other is not None or row.percent is not None

    def broken(self, table: str, column: str, made: dict[str, str]) -> set[str]:
        """Row ids that break a rule when a column is mistyped.

        Rules look at single rows: those of the column are mistyped at once, and no others are held against the rules.
        """
        others = {name: self.text[name].iloc[:0] for name in (*schema.FLAGGED_TABLES, "published_pools")}
        wrong = self.text[table][self.text[table].row_id.isin(made)].reset_index(drop=True)
        wrong[column] = [made[row] for row in wrong.row_id]
        flags = self.text["row_flags"]
        flags = flags[(flags.table == table) & flags.row_id.isin(made)].reset_index(drop=True)
        text = {**self.text, **others, table: wrong, "row_flags": flags}
        limits = schema.fields(table)[column].get("constraints", {})
        low, high = limits.get("minimum", -math.inf), limits.get("maximum", math.inf)
        found = {row for row, cell in made.items() if fault_of_cell(table, column, cell) or not low <= float(cell) <= high}
        path, ids = schema.tables()[table]["path"], text[table].row_id.tolist()
        return found | {ids[p.row - 2] for p in broken_rules(text, assemble(text)) if p.file == path}

    def odd(self, cell: Cell, typed: str) -> bool:
        """Whether the row of a cell looks like a slip when something else is typed there."""
        study = cell.row.study_id
        if study not in self.studies:
            self.studies[study] = self._of(study)
        book, column, table, row_id = self.studies[study], cell.column, cell.row.table, cell.row.row_id
        number = int if schema.fields(table)[column]["type"] == "integer" else float
        wrong = cell.row._replace(**{column: number(typed)})
        lists = [book.figures[table, study, cell.row.outcome_id]]
        lists += [by_study[study] for by_study in book.spreads.values() if study in by_study]
        homes = [(rows, at) for rows in lists for at, r in enumerate(rows) if r is cell.row]
        cells, at = book.text[table][column], book.at[table, row_id]
        for rows, i in homes:
            rows[i] = wrong
        cells[at] = typed
        try:
            return (table, row_id) in unexplained(book)
        finally:
            for rows, i in homes:
                rows[i] = cell.row
            cells[at] = cell.typed

    def _of(self, study: str) -> Book:
        """The figures of one study beside the SDs of all: a slip shows in its own study."""
        book = copy(self.book)
        book.figures = {key: rows for key, rows in self.book.figures.items() if key[1] == study}
        return book


def mistyped(typed: str, slip: str, whole: bool, chance: random.Random) -> str | None:
    """What stands in the cell after a slip; None where the slip leaves the number as it was or makes no number."""
    x = Decimal(typed)
    if slip == "digits swapped":
        pairs = [i for i in range(len(typed) - 1) if typed[i : i + 2].isdigit() and typed[i] != typed[i + 1]]
        if not pairs:
            return None
        i = chance.choice(pairs)
        made = typed[:i] + typed[i + 1] + typed[i] + typed[i + 2 :]
    elif slip == "tenfold":
        made = format(x * 10, "f")
    elif whole:  # the last digit is lost
        made = typed[:-1]
    else:
        made = format(x / 10, "f")
    return None if made in ("", "-") or Decimal(made) == x else made


def shares(sweep: Sweep, wanted: Callable[[Cell], bool] = lambda cell: True) -> pd.DataFrame:
    """Every cell with every slip, and whether it was caught."""
    chance = random.Random(1)
    made: dict[tuple[str, str, str], dict[str, tuple[Cell, str]]] = {}
    for cell in filter(wanted, sweep.cells()):
        whole = schema.fields(cell.row.table)[cell.column]["type"] == "integer"
        for slip in SLIPS:
            wrong = mistyped(cell.typed, slip, whole, chance)
            if wrong is not None:
                made.setdefault((cell.row.table, cell.column, slip), {})[cell.row.row_id] = cell, wrong
    rows = []
    for (table, column, slip), tries in made.items():
        broken = sweep.broken(table, column, {row: wrong for row, (_, wrong) in tries.items()})
        for row, (cell, wrong) in tries.items():
            caught = row in broken or sweep.odd(cell, wrong)
            rows.append((cell.kind, cell.beside, cell.used, slip, row, column, cell.typed, wrong, caught))
    return pd.DataFrame(rows, columns=["kind", "beside", "used", "slip", "row", "column", "typed", "made", "caught"])


def misses(tried: pd.DataFrame) -> list[str]:
    """Kinds of figures that miss their target, tenfold and a tenth together."""
    out = []
    for kind, (target, *_) in KINDS.items():
        own = tried[(tried.kind == kind) & tried.beside & (tried.slip != "digits swapped")]
        if target is not None and len(own) and own.caught.mean() < target:
            out.append(f"{kind}: {100 * own.caught.mean():.1f}% caught, at least {100 * target:.0f}% asked for")
    return out


def printed(tried: pd.DataFrame) -> str:
    """The table of shares."""
    lines = [f"{'':46}{'tenfold':>16}{'a tenth':>16}{'digits swapped':>18}  target"]
    for title, part in (("may enter an analysis", tried[tried.used]), ("every row", tried)):
        lines.append(f"{title}:")
        for kind, (target, *_) in KINDS.items():
            for beside in (True, False):
                own = part[(part.kind == kind) & (part.beside == beside)]
                if not len(own):
                    continue
                said = {"SDs": ("three other trials print one", "fewer do"),
                        "counts": ("percentage, ratio or total beside", "alone")}.get(kind, ("", ""))[not beside]  # fmt: skip
                cells = []
                for slip in SLIPS:
                    hit = own[own.slip == slip].caught
                    cells.append(f"{hit.sum()}/{len(hit)} {100 * hit.mean():3.0f}%" if len(hit) else "-")
                aim = f"{100 * target:.0f}%" if target and beside else ""
                name = f"  {kind}{', ' + said if said else ''}"
                lines.append(f"{name:46}{cells[0]:>16}{cells[1]:>16}{cells[2]:>18}  {aim}")
    return "\n".join(lines)


def main() -> int:
    sweep = Sweep()
    before = sweep.named()
    for table, row in sorted(before):
        print(f"{table}: {row} is named as the tables stand")
    tried = shares(sweep)
    print(printed(tried))
    short = [*misses(tried[tried.used]), *misses(tried)]
    for line in short:
        print(line)
    return 1 if before or short else 0


if __name__ == "__main__":
    sys.exit(main())
