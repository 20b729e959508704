"""Effect sizes from any data frame in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        Whether rows with a missing value are an error or are left out, with a warning that names them.
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
    if measure not in COLUMNS:
        raise InputError(f"Unknown measure {measure!r}; vfmeta offers {', '.join(COLUMNS)}.")
    if zero not in events.ZERO_RULES:
        raise InputError(f"Unknown zero rule {zero!r}; use one of {', '.join(events.ZERO_RULES)}.")
    needed = COLUMNS[measure]
    absent = [name for name in needed if name not in columns]
    surplus = [name for name in columns if name not in needed]
    if absent or surplus:
        raise InputError(
            f"{measure} takes the columns {', '.join(needed)}; missing: {absent or 'none'}, not known: {surplus or 'none'}."
        )
    unknown = [c for c in [*columns.values(), *([study] if study else [])] if c not in data.columns]
    if unknown:
        raise InputError(f"No column {', '.join(map(repr, unknown))} in the data; it has {', '.join(map(repr, data.columns))}.")
    if len(data) == 0:
        raise InputError("The data have no rows (k = 0); give at least one study.")
    labels = [str(x) for x in data[study]] if study else [f"row {i + 1}" for i in range(len(data))]
    table = np.column_stack([_numbers(data[columns[name]], columns[name], labels) for name in needed])
    if np.isnan(table).any():
        rows = [f"row {i + 1} ({labels[i]})" for i in np.flatnonzero(np.isnan(table).any(axis=1))]
        if missing != "drop":
            raise InputError([f"{r}: a value is missing; fill it in or pass missing='drop'." for r in rows])
        keep = ~np.isnan(table).any(axis=1)
        warn(f"Dropped for missing values: {', '.join(rows)}.")
        table, labels = table[keep], [label for label, k in zip(labels, keep, strict=True) if k]
        if not len(table):
            raise InputError("No row is left after dropping missing values (k = 0).")
    _check(measure, table, labels, [columns[name] for name in needed])
    question = question or Question(measure=measure)
    left: list[LeftOut] = []
    if measure in _EVENTS:
        keep = np.ones(len(table), dtype=bool) if measure == "RD" else ~events.uninformative(*table.T)
        left = [LeftOut(study_id=x, label=x, reason=NO_CONTRAST) for x, k in zip(labels, keep, strict=True) if not k]
        if left:
            warn(f"Left out of the {measure}, because no events (or only events) in both arms say nothing on a ratio: "
                 f"{', '.join(x.label for x in left)}.")  # fmt: skip
        table, labels = table[keep], [label for label, k in zip(labels, keep, strict=True) if k]
        y, v = _EVENTS[measure](*table.T, zero=zero)
        sizes, counts = table[:, [1, 3]], table[:, [0, 2]]
        if zero == "none" and not np.isfinite(np.concatenate([y, v])).all():
            raise InputError("A zero cell needs the rule zero='only0'.")
    else:
        y, v = _MEANS[measure](*table.T)
        sizes, counts = table[:, [2, 5]], None
    made = tuple(
        Effect(study_id=label, label=label, y=float(y[i]), v=float(v[i]), n=(sizes[i, 0], sizes[i, 1]),
               events=(None, None) if counts is None else (counts[i, 0], counts[i, 1]))
        for i, label in enumerate(labels)
    )  # fmt: skip
    return EffectTable(question, made, tuple(left))


def _numbers(column: pd.Series, name: str, labels: list[str]) -> np.ndarray:
    import pandas as pd

    numeric = pd.to_numeric(column, errors="coerce").astype(float).to_numpy()
    bad = np.isnan(numeric) & column.notna().to_numpy()
    bad |= np.isinf(numeric)
    if bad.any():
        raise InputError(
            [
                f"row {i + 1} ({labels[i]}), column {name!r}: {column.iloc[i]!r} is not a finite number; correct it."
                for i in np.flatnonzero(bad)
            ]
        )
    return numeric


def _check(measure: str, table: np.ndarray, labels: list[str], names: list[str]) -> None:
    problems = []

    def report(mask: np.ndarray, column: int, what: str) -> None:
        problems.extend(
            f"row {i + 1} ({labels[i]}), column {names[column]!r}: {what} (value {table[i, column]:g})."
            for i in np.flatnonzero(mask)
        )

    if measure in _MEANS:
        for sd, n in ((1, 2), (4, 5)):
            report(table[:, sd] <= 0, sd, "an SD must be greater than 0")
            report(table[:, n] < 2, n, "an arm needs at least 2 patients")
    else:
        for e, n in ((0, 1), (2, 3)):
            report(table[:, e] < 0, e, "a count cannot be negative")
            report(table[:, n] < 1, n, "an arm needs at least 1 patient")
            report(table[:, e] > table[:, n], e, "more events than the total")
    seen: dict[tuple, int] = {}
    for i, row in enumerate(table):
        key = (labels[i] if not labels[i].startswith("row ") else "", *row)
        if key in seen and key[0]:
            problems.append(f"row {i + 1} ({labels[i]}) repeats row {seen[key] + 1}; remove it.")
        seen.setdefault(key, i)
    if problems:
        raise InputError(problems)
