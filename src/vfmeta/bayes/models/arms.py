"""Arm-level counts in: rows of arms, columns of two arms or an effect table become checked arms, or one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame, given_columns
from vfmeta.effects.counts import check_values, read_counts
from vfmeta.effects.given import is_table
from vfmeta.text.notes import left_out_text


@dataclass(frozen=True)
class Arms:
    """Checked arms, those of a trial together and its reference arm first.

    ``study`` (r,) is the place of each arm's trial in ``studies``, ``reference`` (r,) tells the reference arms, ``events`` and
    ``size`` (r,) are counts and patients (or person-time), ``names`` the r labels of the arms.
    """

    study: np.ndarray
    reference: np.ndarray
    events: np.ndarray
    size: np.ndarray
    studies: tuple[str, ...]
    names: tuple[str, ...]
    question: Question
    notes: tuple[str, ...]

    @property
    def two_armed(self) -> bool:
        """Whether every trial has two arms."""
        return len(self.names) == 2 * len(self.studies)

    @property
    def contrast_names(self) -> tuple[str, ...]:
        """Names of the effects: the trials where all have two arms, otherwise trial and arm."""
        if self.two_armed:
            return self.studies
        return tuple(name for name, ref in zip(self.names, self.reference, strict=True) if not ref)

    @property
    def silent(self) -> tuple[str, ...]:
        """Trials without an event in any arm."""
        total = np.bincount(self.study, self.events, len(self.studies))
        return tuple(name for name, x in zip(self.studies, total, strict=True) if x == 0)

    @property
    def full(self) -> tuple[str, ...]:
        """Trials in which everybody had the event (of sizes that count patients)."""
        spared = np.bincount(self.study, self.size - self.events, len(self.studies))
        return tuple(name for name, x in zip(self.studies, spared, strict=True) if x == 0)


def read_arms(
    measure: str,
    data: Any,
    *,
    rows: dict[str, Any],
    sides: dict[str, Any],
    size: str,
    reference: Any,
    question: Question | None,
    missing: Missing,
) -> Arms:
    """Check what an arm-level model was given.

    Parameters
    ----------
    measure : str
        For the question and for messages.
    data : data frame, effect table or None
        Where column names are looked up; an effect table brings the counts of its two arms.
    rows : dict
        ``study``, ``arm``, ``events`` and ``size`` of a table with a row an arm: column names, or sequences.
    sides : dict
        ``events1``, ``n1`` (or ``time1``), ``events2``, ``n2`` of a table with a row a trial.
    size : {"n", "time"}
        What the size of an arm is called.
    reference : label
        The arm, among those of ``rows["arm"]``, that the others of its trial are held against.
    """
    cells.check_question(question)
    long = [name for name in ("arm", "events", size) if rows.get(name) is not None]
    wide = [name for name, value in sides.items() if value is not None]
    table = is_table(data)
    if long and wide:
        raise InputError(f"{', '.join(long)} describe a row an arm, {', '.join(wide)} a row a trial; give one of the two.")
    if not long and reference is not None:
        raise InputError("reference= names an arm of a table with a row an arm; give arm= with it.")
    if table or wide or not long:
        return _two_arms(measure, data, sides, rows.get("study"), question, missing, table)
    return _each_arm(measure, data, rows, size, reference, question, missing)


def _two_arms(
    measure: str, data: Any, sides: dict[str, Any], study: Any, question: Question | None, missing: Missing, table: bool
) -> Arms:
    if table and tuple(sides)[1] != "n1":
        raise InputError("An effect table holds patients, not person-time; give a data frame with events and time.")
    if not table and all(value is None for value in sides.values()):
        raise InputError(
            f"Give an effect table with its counts, {', '.join(sides)} (a row a trial), or study, arm, events, "
            f"{tuple(sides)[1][:-1]} and reference (a row an arm)."
        )
    counts = read_counts(measure, tuple(sides), dict(sides), data=data, study=study, missing=missing, level=0.95, whole=True)
    asked = _asked(question, counts.asked, measure)
    left = getattr(data, "left_out", ())
    a, m1, c, m2 = counts.columns
    k = counts.k
    return Arms(
        np.repeat(np.arange(k), 2), np.tile([True, False], k), np.column_stack([c, a]).ravel(),
        np.column_stack([m2, m1]).ravel(), counts.labels,
        tuple(f"{label}: {side}" for label in counts.labels for side in (asked.control, asked.experimental)), asked,
        (*counts.notes, *([f"The effect table leaves out: {left_out_text(left)}."] if left else [])),
    )  # fmt: skip


def _each_arm(
    measure: str, data: Any, given: dict[str, Any], size: str, reference: Any, question: Question | None, missing: Missing
) -> Arms:
    missing = choice("missing", missing, Missing)
    needed = ("study", "arm", "events", size)
    absent = [name for name in needed if given.get(name) is None]
    if reference is None:
        absent.append("reference")
    if absent:
        raise InputError(f"A table with a row an arm takes {', '.join(needed)} and reference; missing: {', '.join(absent)}.")
    frame = None if data is None else as_frame(data)
    values, shown, count, _ = given_columns({name: given[name] for name in needed}, frame)
    problems: list[str] = []
    study, arm = (
        cells.names(values[name], count, shown=shown[name], noun=name, once=False, problems=problems)
        for name in ("study", "arm")
    )
    if problems:
        raise InputError(problems)
    labels = tuple(f"{s}: {a}" for s, a in zip(study, arm, strict=True))
    columns = {name: cells.numbers(values[name], shown[name], labels, problems) for name in ("events", size)}
    check_values(columns, shown, labels, True, problems)
    seen: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label in seen:
            problems.append(
                f"rows {seen[label] + 1} and {i + 1}, columns {shown['study']} and {shown['arm']}: {label!r} stands twice; "
                "remove the duplicate, or tell the arms apart by name."
            )
        seen.setdefault(label, i)
    empty = {shown[name]: np.isnan(x) for name, x in columns.items()}
    if missing == "raise":
        cells.gaps(empty, labels, problems)
    if problems:
        raise InputError(problems)
    gone = np.any(list(empty.values()), axis=0)
    keep = np.flatnonzero(~gone).tolist()
    notes = [cells.left_out(empty, labels)] if gone.any() else []
    return _in_order(measure, study, arm, columns["events"], columns[size], keep, str(reference).strip(), question, notes,
                     shown["arm"], bool(gone.any()))  # fmt: skip


def _in_order(
    measure: str, study: Sequence[str], arm: Sequence[str], events: np.ndarray, size: np.ndarray, keep: list[int],
    reference: str, question: Question | None, notes: list[str], column: str, holes: bool,
) -> Arms:  # fmt: skip
    """Trials in the order of their first row, the reference arm of each first; a trial without a comparison is a fault."""
    if reference not in arm:
        known = ", ".join(map(repr, dict.fromkeys(arm)))
        raise InputError(f"reference={reference!r} is no arm in column {column}; the arms are {known}.")
    problems, order, names = [], [], []
    for name in dict.fromkeys(study):
        mine = [i for i in keep if study[i] == name]
        first = [i for i in mine if arm[i] == reference]
        if len(mine) > 1 and first:
            order += first + [i for i in mine if i not in first]
            names.append(name)
            continue
        rows = ", ".join(str(i + 1) for i, s in enumerate(study) if s == name)
        fault = f"has no arm {reference!r} to hold the others against" if not first else f"has no arm beside {reference!r}"
        if holes and sum(s == name for s in study) > len(mine):
            notes.append(f"{name} is left out: without the arms that lack a value it {fault}.")
        else:
            problems.append(f"row {rows}, column {column}: {name} {fault}; remove the trial or name its reference arm.")
    if problems:
        raise InputError(problems)
    if not order:
        raise InputError("No trial has two arms with counts; nothing is left to pool.")
    place = {name: i for i, name in enumerate(names)}
    at = np.array(order)
    asked = _asked(question, Question(control=reference), measure)
    return Arms(
        np.array([place[study[i]] for i in order]), np.array([arm[i] == reference for i in order]), events[at], size[at],
        tuple(names), tuple(f"{study[i]}: {arm[i]}" for i in order), asked, tuple(notes),
    )  # fmt: skip


def _asked(given: Question | None, otherwise: Question | None, measure: str) -> Question:
    if given is not None and given.measure not in (measure, "GEN"):
        raise InputError(f"The question asks for measure {given.measure!r}, the model is of {measure!r}; let the two agree.")
    return replace(given or otherwise or Question(), measure=measure)
