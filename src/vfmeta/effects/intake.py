"""What `vfmeta.effect_size` is given: a data frame, the columns a call names, the numbers in them, and rows that repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.measures import Measure
from vfmeta.core.messages import InputError, warn
from vfmeta.core.question import Question
from vfmeta.effects.formulas.common import SINGLE_RULES, ZERO_RULES, ZeroRule, check_type

if TYPE_CHECKING:
    import pandas as pd


def asked_question(measure: Measure, question: Question | None) -> Question:
    """The question, which must be about the measure, under its main name."""
    if question is None:
        return Question(measure=measure.code)
    if not isinstance(question, Question):
        raise InputError(f"question is a vfmeta.Question, not {type(question).__name__}.")
    if question.facts.code != measure.code:
        raise InputError(
            f"The question is about a {question.measure}, but {measure.code} is asked for; give both the same measure."
        )
    return replace(question, measure=measure.code)


def check_options(measure: Measure, vtype: object, missing: object, **flags: object) -> None:
    """Variance type, treatment of gaps, and options that are yes or no (or None where the measure decides)."""
    if vtype is not None:
        check_type(measure.code, vtype)
    if missing not in ("raise", "drop"):
        raise InputError(f"missing is 'raise' or 'drop', not {missing!r}.")
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)) and (value is not None or name == "correct"):
            raise InputError(f"{name}={value!r} must be True or False.")


def zero_rule(measure: Measure, zero: str | None, to: str | None, add: float, add_to_estimate: bool | None) -> ZeroRule:
    """The rule a call asks for, defaults filled in by the measure."""
    if zero is not None and zero not in SINGLE_RULES:
        more = "; to='all' and to='if0all' also correct tables without a zero" if zero in ZERO_RULES else ""
        raise InputError(f"Unknown zero rule {zero!r}; use one of {', '.join(SINGLE_RULES)}{more}.")
    if to is not None and to not in ZERO_RULES:
        raise InputError(f"Unknown zero rule {to!r}; use one of {', '.join(ZERO_RULES)}.")
    if zero is not None and to is not None and zero != to:
        raise InputError(f"zero={zero!r} and to={to!r} are two names of one rule and differ; give one of them.")
    return ZeroRule(
        add=add,
        to=zero or to or measure.zero or "none",
        in_estimate=measure.in_estimate if add_to_estimate is None else bool(add_to_estimate),
    )


def as_frame(data: Any) -> pd.DataFrame:
    """The data as a data frame with at least one row."""
    import pandas as pd

    try:
        frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    except (TypeError, ValueError) as error:
        raise InputError(f"data is a data frame with one row a study, not {type(data).__name__} ({error}).") from error
    if not len(frame):
        raise InputError("The data have no rows (k = 0); give at least one study.")
    return frame


def check_columns(frame: pd.DataFrame, columns: dict[str, str], study: str | None) -> None:
    """Every column that is named is there, once, and stands for one thing."""
    asked = [*columns.values(), *([study] if study is not None else [])]
    unknown = [c for c in asked if not isinstance(c, str) or c not in frame.columns]
    if unknown:
        raise InputError(
            f"No column {', '.join(map(repr, unknown))} in the data; it has {', '.join(map(repr, frame.columns))}."
        )
    twice = [c for c in asked if (frame.columns == c).sum() > 1]
    if twice:
        raise InputError(f"The data have the column {', '.join(map(repr, dict.fromkeys(twice)))} twice; rename one of them.")
    kinds = {name: name.rstrip("12").partition("_")[0] for name in columns}
    # Two groups may share a size, a time or, where it is not what is compared, an SD; nothing else can be two things at once.
    shared = {"n", "time", "sd"} if "mean" in kinds.values() else {"n", "time"}
    for one, other in combinations(columns, 2):
        if columns[one] == columns[other] and not (kinds[one] == kinds[other] and kinds[one] in shared):
            raise InputError(f"{one} and {other} both name {columns[one]!r}; name the column of each.")


def study_labels(frame: pd.DataFrame, study: str | None) -> list[str]:
    """The labels of the studies; row numbers where there are none."""
    if study is None:
        return [f"row {i + 1}" for i in range(len(frame))]
    nameless = np.flatnonzero(frame[study].isna().to_numpy())
    if len(nameless):
        raise InputError([f"row {i + 1}, column {study!r}: the study has no label; fill it in." for i in nameless])
    return [str(x) for x in frame[study]]


def numbers(column: pd.Series, name: str, labels: list[str], missing: str) -> np.ndarray:
    """A column as floats; what is no number is an error, an infinite one too unless missing values are dropped."""
    import pandas as pd

    given = column.notna().to_numpy()
    # pandas would make nanoseconds of dates, ordinals of periods, and drop an imaginary part
    if column.dtype.kind in "mMc" or isinstance(column.dtype, pd.PeriodDtype):
        numeric = np.full(len(column), np.nan)
    else:
        try:
            numeric = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, OverflowError) as error:
            raise InputError(f"Column {name!r} holds something that is not a finite number ({error}); correct it.") from error
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


def check_repeats(frame: pd.DataFrame, table: np.ndarray, labels: list[str], places: np.ndarray, study: str | None) -> None:
    """The same row twice is an error; the same study with other figures is said aloud, for its rows may share patients.

    Parameters
    ----------
    frame : pandas.DataFrame of k rows
        The rows in use.
    table : array of shape (k, columns)
        Their numbers.
    labels : list of k names
    places : array of shape (k,)
        Their place in the data.
    study : str or None
        Column of the labels.
    """
    keys: list[Any]
    if study is None:  # only rows alike in every column of the data are surely the same
        keys = [tuple(map(str, row)) for row in frame.itertuples(index=False)]
    else:
        keys = list(zip(labels, map(tuple, table), strict=True))
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
        said = f"More than one row for {which}: they are taken as independent, which they are not if they share patients."
        warn(said, above=2)
