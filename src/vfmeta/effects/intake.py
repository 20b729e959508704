"""What `vfmeta.effect_size` is given: a data frame, the columns a call names, the numbers in them, and rows that repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.measures import Measure
from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame, given_columns, row_names
from vfmeta.effects.formulas.common import SINGLE_RULES, ZERO_RULES, ZeroRule, check_type

if TYPE_CHECKING:
    import pandas as pd


def asked_question(measure: Measure, question: Question | None) -> Question:
    """The question, which must be about the measure, under its main name."""
    if question is None:
        return Question(measure=measure.code)
    cells.check_question(question)
    if question.facts.code != measure.code:
        raise InputError(
            f"The question is about a {question.measure}, but {measure.code} is asked for; give both the same measure."
        )
    return replace(question, measure=measure.code)


def check_options(measure: Measure, vtype: object, missing: object, **flags: object) -> None:
    """Variance type, treatment of gaps, and options that are yes or no (or None where the measure decides)."""
    if vtype is not None:
        check_type(measure.code, vtype)
    missing = choice("missing", missing, Missing)
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)) and (value is not None or name == "correct"):
            raise InputError(f"{name}={value!r} must be True or False.")


def zero_rule(measure: Measure, zero: str | None, to: str | None, add: float, add_to_estimate: bool | None) -> ZeroRule:
    """The rule a call asks for, defaults filled in by the measure."""
    if zero is not None and not (isinstance(zero, str) and zero in SINGLE_RULES):
        more = (
            "; to='all' and to='if0all' also correct tables without a zero"
            if isinstance(zero, str) and zero in ZERO_RULES
            else ""
        )
        raise InputError(f"Unknown zero rule {zero!r}; use one of {', '.join(SINGLE_RULES)}{more}.")
    if to is not None and not (isinstance(to, str) and to in ZERO_RULES):
        raise InputError(f"Unknown zero rule {to!r}; use one of {', '.join(ZERO_RULES)}.")
    if zero is not None and to is not None and zero != to:
        raise InputError(f"zero={zero!r} and to={to!r} are two names of one rule and differ; give one of them.")
    return ZeroRule(
        add=add,
        to=zero or to or measure.zero or "none",
        in_estimate=measure.in_estimate if add_to_estimate is None else bool(add_to_estimate),
    )


def read_columns(
    data: Any, columns: dict[str, Any], study: Any
) -> tuple[pd.DataFrame | None, list[str], np.ndarray, dict[str, str]]:
    """The frame, the labels, the numbers (k, columns) with NaN in the gaps, and the user's names of the columns."""
    frame = None if data is None else as_frame(data)
    asked = columns if study is None else {**columns, "study": study}
    nameless = [f"{name}={x!r} is neither the name of a column nor values." for name, x in asked.items() if x is None]
    if nameless:
        raise InputError(nameless)
    _check_shared({name: x for name, x in columns.items() if isinstance(x, str)})
    values, shown, k, index = given_columns(asked, frame)
    problems: list[str] = []
    given = values.get("study", row_names(index))
    noun = "row" if given is None else "study"
    labels = cells.names(given, k, shown=shown.get("study", "study"), noun=noun, once=False, problems=problems)
    known = None if given is None else labels
    numbers = [cells.numbers(values[name], shown[name], known, problems) for name in columns]
    if problems:
        raise InputError(problems)
    return frame, list(labels), np.column_stack(numbers), {name: shown[name] for name in columns}


def _check_shared(columns: dict[str, str]) -> None:
    """A column stands for one thing."""
    kinds = {name: name.rstrip("12").partition("_")[0] for name in columns}
    # Two groups may share a size, a time or, where it is not what is compared, an SD; nothing else can be two things at once.
    shared = {"n", "time", "sd"} if "mean" in kinds.values() else {"n", "time"}
    for one, other in combinations(columns, 2):
        if columns[one] == columns[other] and not (kinds[one] == kinds[other] and kinds[one] in shared):
            raise InputError(f"{one} and {other} both name {columns[one]!r}; name the column of each.")


def check_repeats(frame: pd.DataFrame | None, table: np.ndarray, labels: list[str], places: np.ndarray, study: Any) -> None:
    """The same study twice is an error; with other figures, or the same figures without a name, it is said aloud.

    Parameters
    ----------
    frame : pandas.DataFrame of k rows, or None
        The rows in use, where there is a frame.
    table : array of shape (k, columns)
        Their numbers.
    labels : list of k names
    places : array of shape (k,)
        Their place in the data.
    study : what names the studies, or None
    """
    if study is None:
        # nothing tells two studies of the same figures from one that stands twice
        if frame is not None and (alike := np.flatnonzero(frame.astype(str).duplicated())).size:
            rows = ", ".join(f"row {places[i] + 1}" for i in alike.tolist())
            warn(f"The same figures as in an earlier row, taken as another study: {rows}. study= names the studies.")
        return
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
        warn(said)
