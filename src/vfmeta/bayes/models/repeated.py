"""Several times and outcomes of one trial in: effect tables or a data frame become checked rows, or one error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects.counts import _look_up
from vfmeta.effects.reading import _column, _is_missing, _numbers
from vfmeta.frequentist.multivariate.likelihood import positive_definite


@dataclass(frozen=True)
class Occasions:
    """Checked effects, those of a trial together.

    Of the n effects ``y`` and ``v`` (n,) are estimate and sampling variance, ``week`` (n,) when they were measured, ``study``,
    ``outcome`` and ``time`` (n,) their places in ``studies``, ``outcomes`` and ``times`` (the weeks of the mean curve). ``V``
    (n, n) is their covariance, where one was given. ``questions`` has one for each outcome.
    """

    y: np.ndarray
    v: np.ndarray
    week: np.ndarray
    study: np.ndarray
    outcome: np.ndarray
    time: np.ndarray
    studies: tuple[str, ...]
    outcomes: tuple[str, ...]
    times: tuple[float, ...]
    V: np.ndarray | None
    questions: tuple[Question, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> np.ndarray:
        """Which pairs of effects are of one trial, (n, n)."""
        return self.study[:, None] == self.study

    @property
    def names(self) -> list[str]:
        """A label for each effect."""
        many = len(self.outcomes) > 1
        return [
            f"{self.studies[s]}, {self.outcomes[o] + ', ' if many else ''}week {w:g}"
            for s, o, w in zip(self.study, self.outcome, self.week, strict=True)
        ]


@dataclass
class _Raw:
    """Columns as given, a row an effect; ``place`` says where each row stands, for messages."""

    study: list[Any]
    outcome: list[Any]
    week: list[Any]
    period: list[Any]
    y: list[Any]
    v: list[Any]
    V: np.ndarray | None
    questions: dict[str, Question]
    notes: list[str]
    shown: dict[str, str]


def read_occasions(
    effects: Any, columns: dict[str, Any], V: Any, at: Sequence[float], smooth: bool, question: Question | None
) -> Occasions:
    """Check what the multilevel model was given.

    Parameters
    ----------
    effects : effect table, mapping of week to effect table, sequence of (week, effect table), data frame or None
    columns : dict
        ``study``, ``outcome``, ``time``, ``period``, ``y``, ``v``: column names or sequences.
    V : array-like of shape (n, n) or None
    at : sequence of float
        Further weeks of a smooth curve.
    smooth : bool
        Whether the mean curve runs through the weeks themselves rather than over periods.
    """
    if question is not None and not isinstance(question, Question):
        raise InputError(f"question is a {type(question).__name__}; it must be a vfmeta.Question.")
    raw = _from_tables(effects, columns, V) if _holds_tables(effects) else _from_columns(effects, columns, V)
    count = len(raw.y)
    if count == 0:
        raise InputError("There are no effects: nothing can be fitted. Check the selection that made this table.")
    problems = [
        f"row {i + 1}, column {raw.shown[name]}: empty label; name the {name}."
        for name, cells in (("study", raw.study), ("outcome", raw.outcome))
        for i, x in enumerate(cells) if _is_missing(x) or not str(x).strip()
    ]  # fmt: skip
    if problems:
        raise InputError(problems)
    study, outcome = ([str(x).strip() for x in cells] for cells in (raw.study, raw.outcome))
    labels = tuple(study)
    numbers = {}
    for name, cells in (("y", raw.y), ("v", raw.v), ("time", raw.week), ("period", raw.period)):
        numbers[name] = _numbers(cells, labels, "v" if name == "v" else raw.shown[name], problems)
        problems += [
            f"row {i + 1} ({labels[i]}), column {raw.shown[name]}: missing value; fill it in or remove the row."
            for i, x in enumerate(cells) if _is_missing(x)
        ]  # fmt: skip
    problems += [
        f"row {i + 1} ({labels[i]}), column {raw.shown['time']}: {w:g} weeks; a time lies at 0 or later."
        for i, w in enumerate(numbers["time"]) if w < 0
    ]  # fmt: skip
    seen: dict[tuple[str, str, float], int] = {}
    for i, cell in enumerate(zip(study, outcome, numbers["time"].tolist(), strict=True)):
        if cell in seen:
            problems.append(
                f"rows {seen[cell] + 1} and {i + 1}: {cell[0]} has {cell[1]} at week {cell[2]:g} twice; one effect per "
                "study, outcome and time, so remove or combine."
            )
        seen.setdefault(cell, i)
    if problems:
        raise InputError(problems)
    return _ordered(raw, study, outcome, numbers, at, smooth, question)


def _ordered(
    raw: _Raw, study: list[str], outcome: list[str], numbers: dict[str, np.ndarray], at: Sequence[float], smooth: bool,
    question: Question | None,
) -> Occasions:  # fmt: skip
    studies, outcomes = tuple(dict.fromkeys(study)), tuple(dict.fromkeys(outcome))
    where, which = np.array([studies.index(s) for s in study]), np.array([outcomes.index(o) for o in outcome])
    order = np.lexsort((numbers["time"], which, where))
    V = None
    if raw.V is not None:
        V = _matrix(raw.V, where, study)[np.ix_(order, order)]
    along = numbers["time"] if smooth else numbers["period"]
    times = sorted({*along.tolist(), *(_weeks(at) if smooth else ())})
    if at and not smooth:
        raise InputError('at= names weeks of a smooth curve; with curve="category" there are only the periods of the data.')
    asked = []
    for name in outcomes:
        own = question or raw.questions.get(name) or Question(outcome=name)
        asked.append(own)
    return Occasions(
        numbers["y"][order], numbers["v"][order], numbers["time"][order], where[order], which[order],
        np.array([times.index(t) for t in along[order].tolist()]), studies, outcomes, tuple(times), V, tuple(asked),
        tuple(raw.notes),
    )  # fmt: skip


def _weeks(at: Sequence[float]) -> list[float]:
    bad = [x for x in at if isinstance(x, bool) or not isinstance(x, (int, float, np.number)) or not 0 <= x < np.inf]
    if bad:
        raise InputError(f"at= holds {', '.join(map(repr, bad))}; give weeks, numbers of 0 or more.")
    return [float(x) for x in at]


def _matrix(V: np.ndarray, where: np.ndarray, study: list[str]) -> np.ndarray:
    apart = (where[:, None] != where) & (V != 0)
    if apart.any():
        i, j = (int(x) for x in np.argwhere(apart)[0])
        raise InputError(
            f"V ties row {i + 1} ({study[i]}) to row {j + 1} ({study[j]}), which are different trials; sampling errors of "
            "different patients are independent. Give rows of the same patients one study name."
        )
    positive_definite(csr_array(V), study, np.arange(1, len(study) + 1))
    return V


def _holds_tables(effects: Any) -> bool:
    return effects is not None and not hasattr(effects, "columns")


def _from_tables(effects: Any, columns: dict[str, Any], V: Any) -> _Raw:
    given = [name for name, value in columns.items() if value is not None]
    if given:
        raise InputError(f"Effect tables bring their own columns; leave {', '.join(given)} out.")
    pairs: list[tuple[Any, Any]]
    if isinstance(effects, Mapping):
        pairs = list(effects.items())
    elif hasattr(effects, "details"):
        pairs = [(None, effects)]
    elif isinstance(effects, Sequence) and not isinstance(effects, str):
        pairs = [x if isinstance(x, tuple) and len(x) == 2 else (None, x) for x in effects]
    else:
        raise InputError(f"The first argument is a {type(effects).__name__}; give effect tables by week, or a data frame.")
    raw = _Raw([], [], [], [], [], [], None, {}, [], {"study": "study", "outcome": "outcome", "time": "week",
                                                      "period": "week", "y": "y", "v": "v"})  # fmt: skip
    blocks = []
    for week, table in pairs:
        if not (hasattr(table, "details") and hasattr(table, "question")):
            raise InputError(f"Beside week {week!r} stands a {type(table).__name__}; it must be an effect table.")
        if not len(table.y):
            raw.notes.append(f"No trial has an effect at week {week}.")
            continue
        rows = getattr(table, "effects", table.details)
        for label, y, v, detail, row in zip(table.labels, table.y, table.v, table.details, rows, strict=True):
            own, target = detail.get("week"), getattr(row, "target_week", None)
            outcome = getattr(row, "outcome", "") or table.question.outcome
            _same_question(raw, replace(table.question, outcome=outcome))
            raw.study.append(label)
            raw.outcome.append(outcome)
            raw.week.append(week if own is None else own)
            raw.period.append((own if target is None else target) if week is None else week)
            raw.y.append(float(y))
            raw.v.append(float(v))
        blocks.append(np.diag(table.v) if getattr(table, "vcov", None) is None else np.asarray(table.vcov, dtype=float))
    if V is not None:
        raw.V = _square(V, len(raw.y))
        raw.v = list(np.diag(raw.V))
    elif any(np.any(b != np.diag(np.diag(b))) for b in blocks):
        if len(blocks) > 1:
            raise InputError(
                "A table has effects that share patients (vcov); join the tables and call correlated(), or give V= for all."
            )
        if np.isfinite(blocks[0]).all():  # else how times and outcomes correlate is left to the model
            raw.V = blocks[0]
    return raw


def _same_question(raw: _Raw, question: Question) -> None:
    known = raw.questions.setdefault(question.outcome, question)
    if (known.measure, known.points, known.higher_is_worse) != (question.measure, question.points, question.higher_is_worse):
        raise InputError(
            f"{question.outcome} is {known.measure} on {known.points} and as {question.measure} on {question.points}; one "
            "outcome needs one measure, scale and direction."
        )


def _from_columns(data: Any, columns: dict[str, Any], V: Any) -> _Raw:
    given = dict(columns)
    if data is not None:  # the names an effect table's frame has
        for name, usual in (("study", "study"), ("outcome", "outcome"), ("y", "y"), ("v", "v")):
            if given[name] is None and usual in data.columns:
                given[name] = usual
        if given["time"] is None:
            given["time"] = next((c for c in ("week", "time") if c in data.columns), None)
    absent = [name for name in ("study", "time", "y") if given[name] is None]
    if absent:
        raise InputError(f"The model needs study, time (weeks), y and v or V; missing: {', '.join(absent)}.")
    shown = {name: value if isinstance(value, str) else name for name, value in given.items()}
    cells = {name: None if value is None else _column(_look_up(value, name, data), name) for name, value in given.items()}
    y = cells["y"] or []
    n = len(y)
    if V is not None:
        square = _square(V, n)
        cells["v"] = list(np.diag(square))
    elif cells["v"] is None:
        raise InputError("Give v= (sampling variances) or V= (their covariance matrix).")
    whole = {name: cells[name] or [] for name in ("study", "time", "v")}
    whole["outcome"] = cells["outcome"] or ["effect"] * n
    whole["period"] = cells["period"] or whole["time"]
    uneven = [f"{name} has {len(x)} values and y has {n}; give one per effect." for name, x in whole.items() if len(x) != n]
    if uneven:
        raise InputError(uneven)
    shown["period"] = shown["period"] if cells["period"] else shown["time"]
    return _Raw(whole["study"], whole["outcome"], whole["time"], whole["period"], y, whole["v"],
                None if V is None else square, {}, [], shown)  # fmt: skip


def _square(V: Any, n: int) -> np.ndarray:
    found = np.asarray(V, dtype=float)
    if found.shape != (n, n):
        raise InputError(f"V has shape {found.shape}; for {n} effects it must be ({n}, {n}).")
    if not np.isfinite(found).all() or not np.allclose(found, found.T):
        raise InputError("V must be symmetric, with finite entries.")
    return found
