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
from vfmeta.text.csv_cells import as_csv, as_meant
from vfmeta.trials import Trials, schema

#: what was read off the source, by table; the judgement alone is a category
READ = {
    "outcomes_continuous": ("n", "mean", "sd", "se", "ci_low", "ci_high", "median", "q1", "q3", "range_low", "range_high"),
    "outcomes_binary": ("events", "total", "percent"),
    "contrasts": ("estimate", "ci_low", "ci_high", "se", "p_value"),
    "risk_of_bias": ("judgement",),
}
COLUMNS = ("table", "figure", "column", "first", "second", "agrees", "reader", "how")


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
            figure = "; ".join((own["study_id"], own["tool"], own["domain"])) if name == "risk_of_bias" else own["row_id"]
            what = [trials.labels[own["study_id"]], *(str(own[c]) for c in _PLACE if c in own and _known(own[c]))]
            where = f"{', '.join(what)}; {trials.source(own['source_id'])['citation']}"
            for column in READ[name]:
                if _known(own[column]):
                    first = _text(own[column])
                    shown = "" if _tells(name, own["locator"], first) else f", {own['locator']}"
                    cells.append(Cell(name, figure, column, where + shown, first))
    return cells


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


def ask(cells: Sequence[Cell], answer: Callable[[str], str], reader: str, how: str) -> list[tuple[str, ...]]:
    """Lines of the record, a cell each; nothing typed leaves a cell for another time, and "stop" ends."""
    lines: list[tuple[str, ...]] = []
    for cell in cells:
        allowed = schema.allowed(cell.table, cell.column)
        hint = f" ({', '.join(allowed)})" if allowed else ""
        said = answer(f"{cell.where}\n{cell.column}{hint}: ").strip()
        if said == "stop":
            break
        if said:
            agrees = "yes" if _same(cell.first, said) else "no"
            lines.append((cell.table, cell.figure, cell.column, cell.first, said, agrees, reader, how))
    return lines


def _same(first: str, second: str) -> bool:
    try:
        return float(first) == float(second)
    except ValueError:
        return first.casefold() == second.casefold()


def recorded(path: Path, lines: Sequence[tuple[str, ...]] = ()) -> list[dict[str, str]]:
    """All readings of a file, with more lines written to its end."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    held = [tuple(as_meant(row[c]) for c in COLUMNS) for row in csv.DictReader(io.StringIO(text, newline=""))]
    if lines:
        held += lines
        write(path, as_csv(COLUMNS, held))
    return [dict(zip(COLUMNS, row, strict=True)) for row in held]


def agreement(readings: Sequence[dict[str, str]]) -> list[str]:
    """How far two readings agree; kappa of judgements alone, for figures are no categories, with how they were made."""
    if not readings:
        return ["Nothing was read by two people independently, so nothing is said of agreement."]
    same = sum(r["agrees"] == "yes" for r in readings)
    how = "; ".join(dict.fromkeys(r["how"] for r in readings if r["how"])) or "how is not recorded"
    lines = [f"{same} of {len(readings)} cells read alike by two readings ({how})."]
    judged = [(r["first"], r["second"]) for r in readings if r["table"] == "risk_of_bias"]
    if judged and (found := kappa(judged)) is not None:
        lines.append(f"Cohen's kappa of {len(judged)} judgements is {found:.2f}.")
    return lines


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen 1960, Educ Psychol Meas 20:37-46; None where both readings know one category only."""
    n = len(pairs)
    first, second = (Counter(side) for side in zip(*pairs, strict=True))
    chance = sum(first[x] * second[x] for x in first) / n**2
    return None if chance == 1 else (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)
