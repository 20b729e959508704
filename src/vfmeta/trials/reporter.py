"""Problems of one table from masks of its rows, and the rules that every table of printed figures is held against."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vfmeta.trials import schema
from vfmeta.trials.problem import Problem

SLACK = 1e-9


class Reporter:
    """Collects problems of one table from boolean masks."""

    def __init__(self, table: str, frame: pd.DataFrame, text: pd.DataFrame) -> None:
        self.table, self.frame, self.text = table, frame, text
        self.found: list[Problem] = []

    def where(self, mask: pd.Series | np.ndarray, column: str, message: str, todo: str) -> None:
        """Report each row of the mask; an undecidable comparison (a missing value) is no fault."""
        hits = np.flatnonzero(pd.array(mask, dtype="boolean").fillna(False).to_numpy(dtype=bool))
        path = schema.tables()[self.table]["path"]
        for i in hits:
            self.found.append(Problem(path, int(i) + 2, column, self.text[column].iat[i], message, todo))


def ordered(r: Reporter, columns: tuple[str, ...]) -> None:
    """Each printed value must not lie above the next printed one."""
    for i, low in enumerate(columns):
        for high in columns[i + 1 :]:
            r.where(
                r.frame[low] > r.frame[high], low, f"{low} lies above {high}.", "Read both again; limits stand lower first."
            )


def counts(r: Reporter) -> None:
    """Denominators are above 0, and a percentage is that of its counts."""
    f = r.frame
    events, total, percent = floats(f.events), floats(f.total), floats(f.percent)
    r.where(
        total == 0,
        "total",
        "A denominator must be greater than 0.",
        "Read it again; leave the cell empty if it is not printed.",
    )
    # A percentage is printed rounded or cut: it lies within one unit of its last place.
    last = np.array([10.0 ** -len(cell.partition(".")[2]) for cell in r.text.percent])
    gap = np.abs(100 * events / above_zero(total) - percent)
    r.where((gap > last + SLACK) & settled(f), "percent", "The percentage contradicts events and total.",
            "Read all three again; flag the row disagreement in row_flags.csv if the source prints it so.")  # fmt: skip


def printed(r: Reporter, ranged: pd.Series) -> None:
    """Times have units, intervals a level, second readings a source; what was read once is not pooled."""
    f = r.frame
    r.where(f.time_value.notna() & (f.time_unit == ""), "time_unit", "A time needs its unit.", "Write the unit as printed.")
    r.where(
        f.time_value.isna() & (f.time_unit != "") & ~ranged,
        "time_value",
        "A unit without a time.",
        "Write the time as printed, or empty both cells.",
    )
    if "ci_level" in f:
        r.where((f.ci_level < 50) | (f.ci_level >= 100), "ci_level", "The level of an interval is a per cent below 100.",
                "Write 95 for a 95% interval.")  # fmt: skip
    r.where((f.reading != "single") & (f.reading_source_id == ""), "reading_source_id", "A second reading needs its source.",
            "Name the source where the figure was read again.")  # fmt: skip
    r.where((f.use == "pool") & (f.reading == "single"), "reading", "A figure is read again at its source before it is pooled.",
            "Read it again, or write sensitivity or no in use.")  # fmt: skip


def level_beside_limits(r: Reporter) -> None:
    """An interval says of which level it is."""
    f = r.frame
    r.where((f.ci_low.notna() | f.ci_high.notna()) & f.ci_level.isna(), "ci_level", "An interval needs its level.",
            "Write 95 if the source says 95%.")  # fmt: skip


def settled(frame: pd.DataFrame) -> np.ndarray:
    """Rows not flagged as contradictory in their source."""
    return ~flagged(frame, "disagreement")


def flagged(frame: pd.DataFrame, flag: str) -> np.ndarray:
    """Rows with a flag."""
    return np.array([flag in flags for flags in frame["flags"]], dtype=bool)


def above_zero(x: np.ndarray) -> np.ndarray:
    """The values, NaN where they are not above 0."""
    return np.where(x > 0, x, np.nan)


def floats(column: pd.Series) -> np.ndarray:
    """A column of the schema as floats, NaN where nothing is printed."""
    return column.to_numpy(dtype=float, na_value=np.nan)
