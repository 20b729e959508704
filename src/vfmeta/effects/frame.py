"""Effect sizes from any data frame in one call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.effects import events, means
from vfmeta.effects.table import Effect, EffectTable, LeftOut
from vfmeta.messages import InputError, warn
from vfmeta.results import Question

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "MD": ("mean1", "sd1", "n1", "mean2", "sd2", "n2"),
    "SMD": ("mean1", "sd1", "n1", "mean2", "sd2", "n2"),
    "RR": ("events1", "n1", "events2", "n2"),
    "OR": ("events1", "n1", "events2", "n2"),
    "RD": ("events1", "n1", "events2", "n2"),
}
_MEANS = {"MD": means.mean_difference, "SMD": means.standardised_mean_difference}
NO_CONTRAST = "no events in either arm, or events in everybody: a ratio cannot be formed (the risk difference keeps the trial)"
_EVENTS = {"RR": events.log_risk_ratio, "OR": events.log_odds_ratio, "RD": events.risk_difference}


def effect_size(
    measure: str,
    *,
    data: pd.DataFrame,
    study: str | None = None,
    zero: str = "only0",
    missing: str = "raise",
    question: Question | None = None,
    **columns: str,
) -> EffectTable:
    """Effects of two-arm studies from the columns of a data frame; arm 1 is the experimental arm.

    Parameters
    ----------
    measure : {"MD", "SMD", "RR", "OR", "RD"}
        Effect measure. Ratios are returned on the log scale.
    data : pandas.DataFrame
        One row a study.
    study : str, optional
        Column of study labels; row numbers when left out.
    zero : {"only0", "none"}
        Zero-cell rule, see `vfmeta.effects.events`.
    missing : {"raise", "drop"}
        Whether rows with a missing or infinite value are an error or are left out, with a warning that names them.
    question : Question, optional
        Names and direction, for printing and plotting.
    **columns : str
        Column names: ``mean1, sd1, n1, mean2, sd2, n2`` for MD and SMD; ``events1, n1, events2, n2`` for RR, OR and RD.

    Returns
    -------
    EffectTable

    Raises
    ------
    InputError
        Unknown measure or column, non-numeric text, SD <= 0, events above the total, sizes below 1, duplicated rows, no rows.

    Examples
    --------
    >>> import pandas as pd, vfmeta as vf
    >>> df = pd.DataFrame({"trial": ["A", "B"], "e1": [3, 5], "n1": [20, 30], "e2": [6, 9], "n2": [20, 31]})
    >>> table = vf.effect_size("RR", data=df, study="trial", events1="e1", n1="n1", events2="e2", n2="n2")
    >>> table.y.round(3).tolist()
    [-0.693, -0.555]
    """
    _known(measure, zero, missing, question)
    frame = _as_frame(data)
    needed = COLUMNS[measure]
    _known_columns(measure, frame, columns, study)
    names = [columns[name] for name in needed]
    labels = _labels(frame, study)
    places = np.arange(len(frame))
    table = np.column_stack([_numbers(frame[name], name, labels, missing) for name in names])
    gaps = np.isnan(table).any(axis=1)
    if gaps.any():
        rows = [f"row {i + 1} ({labels[i]})" for i in np.flatnonzero(gaps)]
        if missing != "drop":
            raise InputError([f"{r}: a value is missing; fill it in or pass missing='drop'." for r in rows])
        warn(f"Dropped for missing or infinite values: {', '.join(rows)}.")
        table, places = table[~gaps], places[~gaps]
        if not len(table):
            raise InputError("No row is left after dropping missing values (k = 0).")
    _check(measure, table, [f"row {i + 1} ({labels[i]})" for i in places], names)
    _check_repeats(frame.iloc[places], table, [labels[i] for i in places], places, study)
    left: list[LeftOut] = []
    if measure in _EVENTS and measure != "RD":
        silent = events.uninformative(*table.T)
        left = [LeftOut(study_id=labels[i], label=labels[i], reason=NO_CONTRAST) for i in places[silent]]
        if left:
            which = ", ".join(x.label for x in left)
            warn(f"Left out of the {measure}, because no events (or only events) in both arms say nothing on a ratio: {which}.")
        table, places = table[~silent], places[~silent]
    if measure in _EVENTS:
        with np.errstate(divide="ignore", invalid="ignore"):
            a, n1, c, n2 = table.T
            y, v = _EVENTS[measure](a, n1, c, n2, zero)
        if zero == "none" and not (np.isfinite(y) & np.isfinite(v) & (v > 0)).all():
            raise InputError("A zero cell needs the rule zero='only0'.")
        sizes, counts = table[:, [1, 3]], table[:, [0, 2]]
    else:
        y, v = _MEANS[measure](*table.T)
        sizes, counts = table[:, [2, 5]], None
    made = tuple(
        Effect(
            study_id=labels[place],
            label=labels[place],
            y=float(y[i]),
            v=float(v[i]),
            n=(float(sizes[i, 0]), float(sizes[i, 1])),
            events=(None, None) if counts is None else (float(counts[i, 0]), float(counts[i, 1])),
        )
        for i, place in enumerate(places)
    )
    return EffectTable(question or Question(measure=measure), made, tuple(left))


def _known(measure: str, zero: str, missing: str, question: Question | None) -> None:
    if measure not in COLUMNS:
        raise InputError(f"Unknown measure {measure!r}; vfmeta offers {', '.join(COLUMNS)}.")
    if zero not in events.ZERO_RULES:
        raise InputError(f"Unknown zero rule {zero!r}; use one of {', '.join(events.ZERO_RULES)}.")
    if missing not in ("raise", "drop"):
        raise InputError(f"missing is 'raise' or 'drop', not {missing!r}.")
    if question is not None and question.measure != measure:
        raise InputError(f"The question is about a {question.measure}, but {measure} is asked for; give both the same measure.")


def _as_frame(data: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    except (TypeError, ValueError) as error:
        raise InputError(f"data is a data frame with one row a study, not {type(data).__name__} ({error}).") from error
    if not len(frame):
        raise InputError("The data have no rows (k = 0); give at least one study.")
    return frame


def _known_columns(measure: str, frame: pd.DataFrame, columns: dict[str, str], study: str | None) -> None:
    needed = COLUMNS[measure]
    absent = [name for name in needed if name not in columns]
    surplus = [name for name in columns if name not in needed]
    if absent or surplus:
        lacking, strange = (", ".join(names) or "none" for names in (absent, surplus))
        raise InputError(f"{measure} takes the columns {', '.join(needed)}; missing: {lacking}, not known: {strange}.")
    asked = [*columns.values(), *([study] if study is not None else [])]
    unknown = [c for c in asked if not isinstance(c, str) or c not in frame.columns]
    if unknown:
        raise InputError(
            f"No column {', '.join(map(repr, unknown))} in the data; it has {', '.join(map(repr, frame.columns))}."
        )
    twice = [c for c in asked if (frame.columns == c).sum() > 1]
    if twice:
        raise InputError(f"The data have the column {', '.join(map(repr, dict.fromkeys(twice)))} twice; rename one of them.")
    for one, other in (("mean1", "mean2"), ("events1", "events2")):
        if one in columns and columns[one] == columns.get(other):
            raise InputError(f"{one} and {other} both name {columns[one]!r}; name the column of each arm.")


def _labels(frame: pd.DataFrame, study: str | None) -> list[str]:
    if study is None:
        return [f"row {i + 1}" for i in range(len(frame))]
    nameless = np.flatnonzero(frame[study].isna().to_numpy())
    if len(nameless):
        raise InputError([f"row {i + 1}, column {study!r}: the study has no label; fill it in." for i in nameless])
    return [str(x) for x in frame[study]]


def _numbers(column: pd.Series, name: str, labels: list[str], missing: str) -> np.ndarray:
    """A column as floats; what is no number is an error, an infinite one too unless missing values are dropped."""
    import pandas as pd

    numeric = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    given = column.notna().to_numpy()
    bad = np.isnan(numeric) & given
    endless = np.isinf(numeric)
    if missing == "drop":
        numeric = np.where(endless, np.nan, numeric)
    else:
        bad |= endless
    if bad.any():
        raise InputError(
            [
                f"row {i + 1} ({labels[i]}), column {name!r}: {column.iloc[i]!r} is not a finite number; correct it."
                for i in np.flatnonzero(bad)
            ]
        )
    return numeric


def _check(measure: str, table: np.ndarray, rows: list[str], names: list[str]) -> None:
    problems: list[str] = []

    def report(mask: np.ndarray, column: int, what: str) -> None:
        todo = "correct it or remove the row."
        for i in np.flatnonzero(mask):
            problems.append(f"{rows[i]}, column {names[column]!r}: {what} (value {table[i, column]:g}); {todo}")  # noqa: PERF401

    if measure in _MEANS:
        for sd, n in ((1, 2), (4, 5)):
            report(table[:, sd] <= 0, sd, "an SD must be greater than 0")
            report(table[:, n] < 2, n, "an arm needs at least 2 patients")
    else:
        for e, n in ((0, 1), (2, 3)):
            report(table[:, e] < 0, e, "a count cannot be negative")
            report(table[:, n] < 1, n, "an arm needs at least 1 patient")
            report(table[:, e] > table[:, n], e, "more events than the total")
    if problems:
        raise InputError(problems)


def _check_repeats(frame: pd.DataFrame, table: np.ndarray, labels: list[str], places: np.ndarray, study: str | None) -> None:
    """The same row twice is an error; the same study with other figures is said aloud, for its rows may share patients."""
    # Without labels only rows alike in every column of the data are surely the same.
    whole = [tuple(map(str, row)) for row in frame.itertuples(index=False)]
    keys: list[Any] = whole if study is None else list(zip(labels, map(tuple, table), strict=True))
    first: dict[Any, int] = {}
    problems = []
    for i, key in enumerate(keys):
        if key in first:
            problems.append(f"row {places[i] + 1} ({labels[i]}) repeats row {places[first[key]] + 1}; remove it.")
        first.setdefault(key, i)
    if problems:
        raise InputError(problems)
    several = [label for label, count in Counter(labels).items() if count > 1]
    if several:
        which = ", ".join(several)
        warn(f"More than one row for {which}: they are taken as independent, which they are not if they share patients.")
