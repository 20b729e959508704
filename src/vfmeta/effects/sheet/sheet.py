"""A sheet as numbers and texts by role: cells that hold several numbers taken apart, arms in rows put beside each other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vfmeta.core.messages import InputError
from vfmeta.effects.sheet import values
from vfmeta.effects.sheet.names import GROUPS, STATISTICS, Parts
from vfmeta.effects.sheet.recognise import Roles, recognise

TEXTS = ("study", "outcome", "measure", "trial_design", "instrument", "score", "arm", "direction", "higher_is_worse")
#: what stands before a sum of studies and not before a study
_TOTALS = re.compile(
    r"(sub)?totals?(\b.*)?|overall( .*)?|pooled( .*)?|summary( .*)?|heterogeneity.*|test for overall.*|sum|combined( .*)?"
    r"|all (studies|trials|rows|patients)|(random|fixed|common)[- ]effects?( .*)?|meta-?analysis"
)
#: a count and its percentage in one cell: "10 (25%)"
_COUNT = re.compile(r"\s*(\d+)\s*[(\[]\s*(\d+(?:[.,]\d+)?)\s*%?\s*[)\]]\s*")
#: cells of several numbers: role -> what they are, by how many there are
_SEVERAL: dict[str, dict[int, tuple[str, ...]]] = {
    "mean_sd": {1: ("mean",), 2: ("mean", "sd")},
    "median_iqr": {1: ("median",), 2: ("median", "iqr"), 3: ("median", "q1_", "q3_")},
    "median_range": {1: ("median",), 3: ("median", "min", "max")},
    "events_n": {1: ("events",), 2: ("events", "n")},
    "iqr": {1: ("iqr",), 2: ("q1_", "q3_")},
    "range": {2: ("min", "max")},
    "ci": {2: ("ci_low", "ci_high")},
    "estimate_ci": {2: ("ci_low", "ci_high"), 3: ("estimate", "ci_low", "ci_high")},
}


_NEVER_NEGATIVE = (
    "sd", "se", "n", "v", "iqr", "events", "nonevents", "percent", "time", "se_log", "sd_pre", "sd_post", "sd_change",
)  # fmt: skip
_COMPARATORS = (["comparator"], ["comparison"], ["control"], ["control", "arm"], ["comparator", "arm"], ["comparator", "name"])


@dataclass
class Sheet:
    """Rows of a sheet: ``numbers`` by role (k,), NaN where nothing stands, ``texts`` by role, and the frame that rides along.

    ``notes`` say what was read otherwise than it is written; ``places`` are the rows of the data that each row stands in.
    """

    roles: Roles
    frame: pd.DataFrame
    labels: list[str]
    numbers: dict[str, np.ndarray]
    texts: dict[str, list[str]]
    level: float
    notes: list[str] = field(default_factory=list)
    places: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def k(self) -> int:
        return len(self.labels)

    def get(self, role: str, i: int) -> float:
        """The number a row has in a role, NaN where it has none."""
        found = self.numbers.get(role)
        return math.nan if found is None else float(found[i])

    def has(self, i: int, *roles: str) -> bool:
        """Whether a row has all of these."""
        return all(not math.isnan(self.get(role, i)) for role in roles)

    def text(self, role: str, i: int) -> str:
        """The text a row has in a role, "" where it has none."""
        found = self.texts.get(role)
        return "" if found is None else found[i]

    def where(self, i: int) -> str:
        """A row as messages name it."""
        rows = ", ".join(str(p + 1) for p in self.places[i])
        return f"row{'s' if len(self.places[i]) > 1 else ''} {rows} ({self.labels[i]})"


def sheet_of(
    frame: pd.DataFrame,
    *,
    columns: Mapping[str, Any] | None = None,
    sides: tuple[str, str] | None = None,
    measure: str | None = None,
    decimal: str | None = None,
    level: float | None = None,
) -> Sheet:
    """Recognise the columns of a frame and read its cells.

    Raises
    ------
    InputError
        Names that fit several roles, or every cell that cannot be read, with row and column.
    """
    if not len(frame):
        raise InputError("The data have no rows.")
    frame = frame.rename(columns=str)
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"The data have the column {twice!r} twice; rename one of them.")
    frame = frame.reset_index() if frame.index.name and frame.index.name not in frame.columns else frame.reset_index(drop=True)
    if columns is None and "study" not in frame.columns and not _named(frame) and all(isinstance(x, str) for x in frame.index):
        frame = frame.rename_axis("study").reset_index()
    names = list(map(str, frame.columns))
    roles = recognise(names, columns, sides, measure, lambda a, b: frame[a].astype(str).equals(frame[b].astype(str)))
    notes: list[str] = []
    labels = _studies(frame, roles, notes)
    problems = [
        f"row {i + 1}, column {roles.column['study']}: no name of the study; where a cell goes over several rows, fill the "
        "name into each."
        for i, x in enumerate(labels)
        if not x
    ]
    problems += [
        f"row {i + 1}, column {roles.column['study']}: {x!r} reads like a line of totals, which is no study; remove the row."
        for i, x in enumerate(labels)
        if _TOTALS.fullmatch(x.strip().casefold())
    ]
    numbers: dict[str, np.ndarray] = {}
    texts = {role: values.texts(frame[name].tolist()) for role, name in roles.column.items() if role in TEXTS}
    for role, name in roles.column.items():
        if role in TEXTS:
            continue
        stem, group = (role[:-1], role[-1]) if role[-1] in "12" and role[:-1] in STATISTICS else (role, "")
        if stem in _SEVERAL and not pd.api.types.is_numeric_dtype(frame[name]):
            parts = values.several(frame[name].tolist(), name, labels, problems, decimal)
            _apart(stem, group, parts, numbers, name, labels, problems)
        elif stem == "percent":
            cells = frame[name].tolist()
            _percents(group, cells, numbers, name, labels, problems, notes, decimal)
        elif role == "p":
            numbers["p"], texts["p_operator"] = _p_values(frame[name].tolist(), name, labels, problems, notes, decimal)
        else:
            numbers.setdefault(role, values.numbers(frame[name].tolist(), name, labels, problems, notes, decimal))
    problems += _below_zero(roles, numbers, labels)
    if problems:
        raise InputError(problems)
    riding = values.typed(frame, [])
    found = Sheet(
        roles, riding, labels, numbers, texts, values.level_of(level, roles.level), notes, [(i,) for i in range(len(labels))]
    )
    _totals(found)
    _refuse_percentages(found)
    _refuse_sums(found)
    _name_sides(found, sides)
    return _arms_beside_each_other(found, sides) if "arm" in roles and not roles.any("mean", "events", "median", "n") else found


def _named(frame: pd.DataFrame) -> bool:
    return any(Parts(str(x)).whole == "study" for x in frame.columns)


def _studies(frame: pd.DataFrame, roles: Roles, notes: list[str]) -> list[str]:
    """Names of the studies; an author who stands twice is told apart by the year beside him."""
    name = roles.column["study"]
    found = values.texts(frame[name].tolist())
    year = next((c for c in frame.columns if Parts(str(c)).words in (["year"], ["publication", "year"], ["pub", "year"])), None)
    if year is None or not {"author", "authors"} & set(Parts(name).words) or "year" in Parts(name).words:
        return found
    years = values.texts(frame[year].tolist())
    notes.append(f"studies are named by the columns {name!r} and {year!r}")
    return [f"{a} {b}".strip() for a, b in zip(found, years, strict=True)]


def _p_values(
    cells: list[Any], name: str, labels: list[str], problems: list[str], notes: list[str], decimal: str | None
) -> tuple[np.ndarray, list[str]]:
    """P values, and what stands before them: "=", or "<" and ">" of a bound."""
    signs, bare = [], []
    for x in cells:
        text = x.strip().lstrip("pP").strip() if isinstance(x, str) else x
        sign = text[0] if isinstance(text, str) and text[:1] in tuple("<>≤≥=") else "="
        signs.append({"≤": "<", "≥": ">"}.get(sign, sign))
        bare.append(text.lstrip("<>≤≥= ") if isinstance(text, str) else text)
    return values.numbers(bare, name, labels, problems, notes, decimal), signs


def _apart(
    stem: str,
    group: str,
    found: list[tuple[float, ...]],
    numbers: dict[str, np.ndarray],
    name: str,
    labels: list[str],
    problems: list[str],
) -> None:
    """The numbers of cells that hold several, each under its own role."""
    for i, row in enumerate(found):
        if not row:
            continue
        parts = _SEVERAL[stem].get(len(row))
        if parts is None:
            wants = " or ".join(str(n) for n in _SEVERAL[stem])
            problems.append(f"row {i + 1} ({labels[i]}), column {name}: {len(row)} numbers, where {wants} are read; part them.")
            continue
        for part, value in zip(parts, row, strict=True):
            numbers.setdefault(f"{part}{group}", np.full(len(found), np.nan))[i] = value


def _percents(
    group: str, cells: list[Any], numbers: dict[str, np.ndarray], name: str, labels: list[str], problems: list[str],
    notes: list[str], decimal: str | None,
) -> None:  # fmt: skip
    """Percentages, with or without their sign, and counts with theirs in brackets, of which the count is taken."""
    counts = [_COUNT.fullmatch(x) if isinstance(x, str) else None for x in cells]
    rest = [None if n else x.strip().removesuffix("%") if isinstance(x, str) else x for x, n in zip(cells, counts, strict=True)]
    alone = values.numbers(rest, name, labels, problems, notes, decimal)
    signed = any(isinstance(x, str) and x.strip().endswith("%") for x in cells)
    if not signed and (alone > 0).any() and np.nanmax(alone) <= 1:
        problems.append(
            f"column {name}: no value is above 1, so that shares may stand here in place of percentages; write 25 for a "
            "quarter, or the sign behind the numbers ('0.5%')."
        )
    numbers.setdefault(f"percent{group}", alone)
    if any(counts):
        said = np.array([math.nan if n is None else float(n[1]) for n in counts])
        known = numbers.get(f"events{group}")
        numbers[f"events{group}"] = said if known is None else np.where(np.isnan(known), said, known)
        numbers[f"_beside{group}"] = np.array([math.nan if n is None else float(n[2].replace(",", ".")) for n in counts])


def _below_zero(roles: Roles, numbers: Mapping[str, np.ndarray], labels: list[str]) -> list[str]:
    """Spreads, sizes and counts that stand below 0."""
    return [
        f"row {i + 1} ({labels[i]}), column {name}: {numbers[role][i]:g} is below 0, and no such number can be."
        for role, name in roles.column.items()
        if role in numbers and role.rstrip("12") in _NEVER_NEGATIVE
        for i in np.flatnonzero(numbers[role] < 0).tolist()
    ]


def _refuse_percentages(sheet: Sheet) -> None:
    """A count beside a percentage that is not its own: one of them, or the size, is a slip."""
    problems = []
    for g in ("1", "2", ""):
        beside, events, n = (sheet.numbers.get(f"{x}{g}") for x in ("_beside", "events", "n"))
        if beside is None or events is None or n is None:
            continue
        own = 100 * events / np.where(n > 0, n, np.nan)
        problems += [
            f"{sheet.where(i)}, column {sheet.roles.column[f'percent{g}']}: {events[i]:g} of {n[i]:g} are {own[i]:.3g}%, not "
            f"{beside[i]:g}%; correct the count, the percentage or the size."
            for i in np.flatnonzero(np.abs(own - beside) > 1).tolist()
        ]
    if problems:
        raise InputError(problems)


def _refuse_sums(sheet: Sheet) -> None:
    """A row whose counts are all the sums of the other rows of its outcome is a line of totals, whatever it is called."""
    counts = [r for r in ("events1", "n1", "events2", "n2") if r in sheet.numbers]
    groups: dict[str, list[int]] = {}
    for i in range(sheet.k):
        groups.setdefault(sheet.text("outcome", i), []).append(i)
    problems = []
    for rows in groups.values():
        x = np.array([sheet.numbers[r][rows] for r in counts])
        if len(counts) < 4 or len(rows) < 3 or np.isnan(x).any():
            continue
        sums = np.flatnonzero((2 * x == x.sum(axis=1, keepdims=True)).all(axis=0) & (x > 0).all(axis=0))
        problems += [
            f"{sheet.where(rows[i])}: all its counts are the sums of the other rows, so that it is a line of totals and no "
            "study; remove the row."
            for i in sums.tolist()
        ]
    if problems:
        raise InputError(problems)


def _name_sides(sheet: Sheet, sides: tuple[str, str] | None) -> None:
    """Columns that name intervention and comparator of each row name the groups, where all rows have the same."""
    other = next((c for c in sheet.frame.columns if Parts(str(c)).words in _COMPARATORS), None)
    if sides is not None or other is None or "arm" not in sheet.texts or sheet.roles.sides != ("experimental", "control"):
        return
    pair = [dict.fromkeys(x) for x in (sheet.texts["arm"], values.texts(sheet.frame[other].tolist()))]
    if all(len(x) == 1 and "" not in x for x in pair):
        sheet.roles.sides = (next(iter(pair[0])), next(iter(pair[1])))
        sheet.notes.append(f"the groups are named by the columns {sheet.roles.column['arm']!r} and {str(other)!r}")


def _totals(sheet: Sheet) -> None:
    """Patients from events and non-events, and events from a percentage."""
    for g in ("1", "2", ""):
        events, rest, n, percent = (sheet.numbers.get(f"{s}{g}") for s in ("events", "nonevents", "n", "percent"))
        if events is not None and rest is not None:
            total = events + rest
            sheet.numbers[f"n{g}"] = total if n is None else np.where(np.isnan(n), total, n)
        elif rest is not None and n is not None and events is None:
            sheet.numbers[f"events{g}"] = n - rest
        if percent is not None and n is not None:
            made = np.round(percent / 100 * n)
            use = np.isnan(events) if events is not None else np.ones(len(n), bool)
            sheet.numbers[f"events{g}"] = np.where(use, made, events) if events is not None else made
            sheet.numbers[f"_percent{g}"] = np.where(use, percent, np.nan)


def _arms_beside_each_other(sheet: Sheet, sides: tuple[str, str] | None) -> Sheet:
    """A sheet of an arm a row, as one of a comparison a row."""
    arms, groups = sheet.texts["arm"], dict[tuple[str, str], list[int]]()
    for i, study in enumerate(sheet.labels):
        groups.setdefault((study, sheet.text("outcome", i)), []).append(i)
    if all(len(rows) == 1 for rows in groups.values()):
        return sheet
    is_control = _control_rule(arms, sides, sheet)
    problems, pairs = [], []
    for (study, _), rows in groups.items():
        control, other = ([i for i in rows if is_control(arms[i]) is side] for side in (True, False))
        if sides is not None:
            other = [i for i in other if _same(arms[i], sides[0])]
        if len(control) != 1 or len(other) != 1:
            said = ", ".join(f"row {i + 1}: {arms[i]!r}" for i in rows)
            problems.append(
                f"{study} has {len(other)} experimental and {len(control)} control arms ({said}); a comparison takes one of "
                "each: choose the rows, put arms together, or use vf.network for trials of several arms."
            )
        else:
            pairs.append((other[0], control[0]))
    if problems:
        raise InputError(problems)
    first, second = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    numbers: dict[str, np.ndarray] = {}
    for role, x in sheet.numbers.items():
        if role in STATISTICS or role.removeprefix("_") in STATISTICS:
            numbers[f"{role}1"], numbers[f"{role}2"] = x[first], x[second]
        else:
            numbers[role] = x[first]
    names = tuple(dict.fromkeys(arms[i] for i in rows) for rows in (first, second))
    first_names = tuple(next(iter(x)) if len(x) == 1 else d for x, d in zip(names, ("experimental", "control"), strict=True))
    if sides is None:
        sheet.roles.sides = (first_names[0], first_names[1])
    sheet.notes.append(f"rows are arms: experimental {', '.join(names[0])}; control {', '.join(names[1])}")
    return Sheet(
        sheet.roles, sheet.frame.iloc[first].reset_index(drop=True), [sheet.labels[i] for i in first.tolist()], numbers,
        {role: [x[i] for i in first.tolist()] for role, x in sheet.texts.items() if role != "arm"}, sheet.level, sheet.notes,
        [tuple(sorted(p)) for p in pairs],
    )  # fmt: skip


def _same(a: str, b: str) -> bool:
    return " ".join(a.casefold().split()) == " ".join(b.casefold().split())


def _control_rule(arms: list[str], sides: tuple[str, str] | None, sheet: Sheet) -> Callable[[str], bool]:
    """Which labels are those of controls."""
    known = list(dict.fromkeys(arms))
    if sides is not None:
        return lambda x: _same(x, sides[1])
    spoken = set(GROUPS[2])
    controls = [x for x in known if set(Parts(x).words) & spoken or x.casefold() in spoken]
    words = {x: set(Parts(x).words) for x in known}  # "CBT + TAU" beside "CBT" may well be what is tried
    added = any(words[x] < words[c] for c in controls for x in known if x not in controls)
    if not controls or len(controls) == len(known) or added:
        shown = known[:6]
        raise InputError(
            f"Rows are arms, named {', '.join(map(repr, shown))}, and nothing says which is the control. Say it:\n"
            f"vf.read(..., sides=({shown[0]!r}, {shown[1] if len(shown) > 1 else '...'!r}))  # experimental, control"
        )
    return lambda x: x in controls
