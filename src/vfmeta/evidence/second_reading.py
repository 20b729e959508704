"""A second reading of what was read once: asked without showing the first, and how far the two agree."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.evidence.table_edits import amended, tried, written
from vfmeta.text.csv_cells import as_csv, as_meant
from vfmeta.trials import Trials, schema
from vfmeta.trials.loading import fault_of_cell

#: what was read off the source, by table; the judgement alone is a category
READ = {
    "outcomes_continuous": ("n", "mean", "sd", "se", "ci_low", "ci_high", "median", "q1", "q3", "range_low", "range_high"),
    "outcomes_binary": ("events", "total", "percent"),
    "contrasts": ("estimate", "ci_low", "ci_high", "se", "p_value"),
    "risk_of_bias": ("judgement",),
}
COLUMNS = ("table", "figure", "column", "first", "second", "agrees", "first_reader", "reader", "how")
#: beside the tables, so that it goes where they go
RECORD = "second_readings.csv"
_KEYS = {"risk_of_bias": ("study_id", "tool", "domain")}  # of the other tables it is row_id


@dataclass(frozen=True)
class Cell:
    """A cell that was read once; ``first`` is not for the eyes of the second reader."""

    table: str
    figure: str
    column: str
    where: str
    first: str


def read_once(trials: Trials, table: str | None = None) -> list[Cell]:
    """Every cell of the figures and judgements that were read once, in the order of the tables."""
    cells = []
    for name in READ if table is None else (table,):
        for row in trials.frames[name].itertuples():
            if row.reading != "single":
                continue
            own = row._asdict()
            figure = "; ".join(own[k] for k in _key(name))
            what = [trials.labels[own["study_id"]], *(str(own[c]) for c in _PLACE if c in own and _known(own[c]))]
            where = f"{', '.join(what)}; {trials.source(own['source_id'])['citation']}"
            for column in READ[name]:
                if _known(own[column]):
                    first = _text(own[column])
                    shown = "" if _tells(name, own["locator"], first) else f", {own['locator']}"
                    cells.append(Cell(name, figure, column, where + shown, first))
    return cells


def _key(table: str) -> tuple[str, ...]:
    return _KEYS.get(table, ("row_id",))


_PLACE = (
    "tool", "domain", "arm_id", "arm_experimental", "arm_control", "outcome_id", "definition", "instrument_id", "time_value",
    "time_unit", "value_type", "measure", "analysis_set",
)  # fmt: skip


def _tells(table: str, locator: str, first: str) -> bool:
    """Whether a locator gives the first reading away: that of a judgement often quotes the answer, as others may a figure."""
    return table == "risk_of_bias" or (len(first) > 1 and first in re.findall(r"-?\d+(?:\.\d+)?", locator))


def _known(value: Any) -> bool:
    return str(value) not in ("", "<NA>", "nan", "None")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{float(value):.15g}"


@dataclass(frozen=True)
class Made:
    """How a second reading was made: who read, who first, in which words, at which source (that of each row if empty)."""

    first_reader: str
    reader: str
    how: str
    source: str = ""


def ask(cells: Sequence[Cell], answer: Callable[[str], str], made: Made) -> list[tuple[str, ...]]:
    """Lines of the record, a cell each; nothing typed leaves a cell for another time, and "stop" (or the end) ends."""
    lines: list[tuple[str, ...]] = []
    for cell in cells:
        try:
            said = _answered(cell, answer)
        except (EOFError, KeyboardInterrupt):  # what was read so far is kept
            break
        if said == "stop":
            break
        if said:
            agrees = "yes" if _same(cell.first, said) else "no"
            lines.append(
                (cell.table, cell.figure, cell.column, cell.first, said, agrees, made.first_reader, made.reader, made.how)
            )
    return lines


def _answered(cell: Cell, answer: Callable[[str], str]) -> str:
    """What is typed for a cell; what no such cell can hold is a slip of the finger and asked again."""
    allowed = schema.allowed(cell.table, cell.column)
    hint = f" ({', '.join(allowed)})" if allowed else ", a number"
    said = answer(f"{cell.where}\n{cell.column}{hint}: ").strip()
    while said not in ("", "stop") and (said not in allowed if allowed else fault_of_cell(cell.table, cell.column, said)):
        said = answer(f"{said!r} is none; {cell.column}{hint}: ").strip()
    return said


def _same(first: str, second: str) -> bool:
    try:
        return float(first) == float(second)
    except ValueError:
        return first.casefold() == second.casefold()


def recorded(path: Path, lines: Sequence[tuple[str, ...]] = ()) -> list[dict[str, str]]:
    """All readings of a file, with more lines written to its end."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if text and (missing := [c for c in COLUMNS if c not in (reader.fieldnames or ())]):
        raise InputError(f"{path.name}: no record of second readings, for it has no column {', '.join(missing)}.")
    held = [tuple(as_meant(row[c] or "") for c in COLUMNS) for row in reader]
    if lines:
        held += lines
        write(path, as_csv(COLUMNS, held))
    return [dict(zip(COLUMNS, row, strict=True)) for row in held]


@dataclass(frozen=True)
class Settled:
    """A row that was read again whole: ``agrees``, or ``corrected`` since; ``note`` says what had been read first."""

    table: str
    figure: str
    reading: str
    note: str


def settled(trials: Trials, readings: Sequence[dict[str, str]]) -> tuple[list[Settled], list[str]]:
    """Rows that the record settles, and a line for each cell that two readings give differently.

    A row is settled once every cell of it was read again and stands in the table as it was read last: it agrees where the first
    reading was the same, and was corrected where it was not.
    """
    last = {(r["table"], r["figure"], r["column"]): r for r in readings}
    found: dict[tuple[str, str], list[tuple[Cell, dict[str, str] | None]]] = {}
    for cell in read_once(trials):
        held = last.get((cell.table, cell.figure, cell.column))
        found.setdefault((cell.table, cell.figure), []).append((cell, held))
    rows, open_ = [], []
    for (table, figure), cells in found.items():
        known = [(cell, held) for cell, held in cells if held is not None]
        apart = [(cell, held) for cell, held in known if not _same(cell.first, held["second"])]
        open_ += [
            f"{table}, {figure}, {cell.column}: {cell.first} in the table, {held['second']} by {held['reader']}; look "
            "together. Correct the cell and run this again, or set reading by hand."
            for cell, held in apart
        ]
        if apart or len(known) < len(cells):
            continue
        was = [
            f"{cell.column} had been read as {held['first']}" for cell, held in known if not _same(held["first"], cell.first)
        ]
        rows.append(Settled(table, figure, "corrected" if was else "agrees", "; ".join(was)))
    return rows, open_


def settle(rows: Sequence[Settled], trials: Trials, source: str = "") -> list[str]:
    """Set ``reading`` and ``reading_source_id`` of settled rows in the tables; a line for each. What may be pooled stays a
    decision: ``use`` is left alone.

    Raises
    ------
    InputError
        The tables would not hold together, or the source is not among them; nothing is written then.
    """
    folder = Path(trials.folder)
    if source and source not in set(trials.frames["sources"]["source_id"]):
        raise InputError(f"source: no {source!r} in sources.csv.{did_you_mean(source, trials.frames['sources']['source_id'])}")
    changes: dict[str, dict[tuple[str, ...], dict[str, str]]] = {}
    for own in trials.frames.keys() & {x.table for x in rows}:
        keys = _key(own)
        told = {tuple(str(row[k]) for k in keys): row for row in trials.frames[own].to_dict("records")}
        by_figure = {"; ".join(k): k for k in told}
        for x in (x for x in rows if x.table == own):
            row = told[by_figure[x.figure]]
            note = "; ".join(n for n in (str(row["note"]) if _known(row["note"]) else "", x.note) if n)
            cells = {"reading": x.reading, "reading_source_id": source or row["source_id"], "note": note}
            changes.setdefault(own, {})[by_figure[x.figure]] = cells
    files = {}
    for table, own_changes in changes.items():
        name = schema.tables()[table]["path"]
        files[name] = amended((folder / name).read_bytes(), _key(table), own_changes)
    if files:
        tried(folder, files)
        written(folder, files, remembered=False)
    return [f"{x.table}, {x.figure}: {x.reading}{f' ({x.note})' if x.note else ''}" for x in rows]


def agreement(readings: Sequence[dict[str, str]]) -> list[str]:
    """How far two readers agree, with how they read; kappa of judgements alone, for figures are no categories.

    What one person read twice tells of slips and not of agreement, and is only counted.
    """
    two = [r for r in readings if _two_people(r)]
    alone = len(readings) - len(two)
    lines = []
    for people in dict.fromkeys((r["first_reader"], r["reader"]) for r in two):
        own = [r for r in two if (r["first_reader"], r["reader"]) == people]
        same = sum(r["agrees"] == "yes" for r in own)
        how = "; ".join(dict.fromkeys(r["how"] for r in own if r["how"]))
        lines.append(
            f"{people[0]} and {people[1]} read {same} of {len(own)} cells alike, the second without seeing the first ({how})."
        )
        judged = [(r["first"], r["second"]) for r in own if r["table"] == "risk_of_bias"]
        if judged and (found := kappa(judged)) is not None:
            lines.append(f"Cohen's kappa of their {len(judged)} judgements is {found:.2f}.")
    if not two:
        lines.append("Nothing was read by two people independently, so nothing is said of agreement.")
    if alone:
        lines.append(f"{alone} cell{'s were' if alone > 1 else ' was'} read twice by one person.")
    return lines


def _two_people(reading: dict[str, str]) -> bool:
    first, second = (" ".join(reading[x].split()).casefold() for x in ("first_reader", "reader"))
    return bool(first) and bool(second) and first != second


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen 1960, Educ Psychol Meas 20:37-46; None where both readings know one category only."""
    n = len(pairs)
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    chance = sum(first[x] * second[x] for x in first) / n**2
    return None if chance == 1 else (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)
