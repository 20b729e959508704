"""Several times and outcomes of one trial in: effect tables or a data frame become checked rows, or one error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import aligned, as_frame, look_up
from vfmeta.effects.covariance import positive_definite
from vfmeta.effects.given import is_table


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

    study: Any
    outcome: Any
    week: Any
    period: Any
    y: Any
    v: Any
    V: np.ndarray | None
    questions: dict[str, Question]
    notes: list[str]
    shown: dict[str, str]


def read_occasions(
    data: Any, columns: dict[str, Any], V: Any, at: Sequence[float], smooth: bool, question: Question | None
) -> Occasions:
    """Check what the multilevel model was given.

    Parameters
    ----------
    data : effect table, mapping of week to effect table, sequence of (week, effect table), data frame or None
    columns : dict
        ``study``, ``outcome``, ``time``, ``period``, ``y``, ``v``: column names or sequences.
    V : array-like of shape (n, n) or None
    at : sequence of float
        Further weeks of a smooth curve.
    smooth : bool
        Whether the mean curve runs through the weeks themselves rather than over periods.
    """
    cells.check_question(question)
    raw = _from_tables(data, columns, V) if _holds_tables(data) else _from_columns(data, columns, V)
    if not len(raw.y):
        raise InputError(cells.EMPTY)
    problems: list[str] = []
    study, outcome = (
        cells.names(x, len(raw.y), shown=raw.shown[name], noun=name, once=False, problems=problems)
        for name, x in (("study", raw.study), ("outcome", raw.outcome))
    )
    if problems:
        raise InputError(problems)
    labels = study
    numbers = {
        name: cells.numbers(x, raw.shown[name], labels, problems, "variance" if name == "v" else "", gap=cells.FILL)
        for name, x in (("y", raw.y), ("v", raw.v), ("time", raw.week), ("period", raw.period))
        if name != "period" or raw.period is not raw.week
    }
    numbers.setdefault("period", numbers["time"])
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
    raw: _Raw, study: Sequence[str], outcome: Sequence[str], numbers: dict[str, np.ndarray], at: Sequence[float], smooth: bool,
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


def _matrix(V: np.ndarray, where: np.ndarray, study: Sequence[str]) -> np.ndarray:
    apart = (where[:, None] != where) & (V != 0)
    if apart.any():
        i, j = (int(x) for x in np.argwhere(apart)[0])
        raise InputError(
            f"V ties row {i + 1} ({study[i]}) to row {j + 1} ({study[j]}), which are different trials; sampling errors of "
            "different patients are independent. Give rows of the same patients one study name."
        )
    positive_definite(csr_array(V), study, np.arange(1, len(study) + 1))
    return V


def _holds_tables(data: Any) -> bool:
    """Whether there are effect tables in it, under their weeks, in pairs with them, or one alone."""
    if is_table(data):
        return True
    if isinstance(data, (list, tuple)):
        return not all(isinstance(row, Mapping) for row in data)  # a list of rows is a frame
    return isinstance(data, Mapping) and any(is_table(x) for x in data.values())


def _from_tables(data: Any, columns: dict[str, Any], V: Any) -> _Raw:
    given = [name for name, value in columns.items() if value is not None]
    if given:
        raise InputError(f"Effect tables bring their own columns; leave {', '.join(given)} out.")
    pairs: list[tuple[Any, Any]]
    if isinstance(data, Mapping):
        pairs = list(data.items())
    elif is_table(data):
        pairs = [(None, data)]
    else:
        pairs = [x if isinstance(x, tuple) and len(x) == 2 else (None, x) for x in data]
    raw = _Raw([], [], [], [], [], [], None, {}, [], {"study": "study", "outcome": "outcome", "time": "week",
                                                      "period": "week", "y": "y", "v": "v"})  # fmt: skip
    blocks = []
    for week, table in pairs:
        if not is_table(table):
            raise InputError(f"Beside week {week!r} stands {kind_of(table)}; it must be an effect table.")
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
    frame = None if data is None else as_frame(data)
    if frame is not None:  # the names an effect table's frame has
        for name, usual in (("study", ("study",)), ("outcome", ("outcome",)), ("time", ("week", "time")), ("y", ("y",))):
            if given[name] is None:
                given[name] = next((c for c in usual if c in frame.columns), None)
        if given["v"] is None and given["se"] is None and V is None:
            given |= {c: c for c in ("v", "se") if c in frame.columns and (c == "v" or "v" not in frame.columns)}
    absent = [name for name in ("study", "time", "y") if given[name] is None]
    if absent:
        raise InputError(f"The model needs study, time (weeks), y and v, se or V; missing: {', '.join(absent)}.")
    errors = [name for name in ("v", "se") if given[name] is not None]
    if len(errors) + (V is not None) != 1:
        raise InputError("Give one of v= (sampling variances), se= (standard errors) and V= (their covariance matrix).")
    found = look_up({name: x for name, x in given.items() if x is not None}, frame)
    values, n, _ = aligned(found, frame)
    shown = {name: x.shown for name, x in found.items()}
    shown = {"outcome": "outcome", "period": shown["time"], "v": "V", **shown}
    square = None
    if V is not None:
        square = _square(V, n)
        v: Any = np.diag(square)
    elif "se" in values:
        problems: list[str] = []
        v = cells.numbers(values["se"], shown["se"], None, problems, "error") ** 2
        if problems:
            raise InputError(problems)
        shown["v"] = shown["se"]
    else:
        v = values["v"]
    outcome = values.get("outcome", ["effect"] * n)
    return _Raw(
        values["study"], outcome, values["time"], values.get("period", values["time"]), values["y"], v, square, {}, [], shown
    )


def _square(V: Any, n: int) -> np.ndarray:
    found = np.asarray(V, dtype=float)
    if found.shape != (n, n):
        raise InputError(f"V has shape {found.shape}; for {n} effects it must be ({n}, {n}).")
    if not np.isfinite(found).all() or not np.allclose(found, found.T):
        raise InputError("V must be symmetric, with finite entries.")
    return found
