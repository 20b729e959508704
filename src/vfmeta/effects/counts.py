"""Counts in: columns of a data frame, or arrays, become checked arrays, or one error that lists every fault found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.measures import EVENTS
from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.reading import _check_vcov, _column, _names, _numbers

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.effects.table import EffectTable


@dataclass(frozen=True)
class Counts:
    """Checked counts: ``columns`` in the order of ``kind``, each of shape (k,); ``notes`` on rows left out.

    ``rows`` (k,) are the places of the studies among the ``total`` rows that were given.
    """

    kind: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    rows: np.ndarray
    total: int
    asked: Question | None = None

    def question(self, given: Question | None, measure: str) -> Question:
        """The question given, or that of the effect table for this measure, or an empty one."""
        return given or replace(self.asked or Question(), measure=measure)

    @property
    def rates(self) -> bool:
        """Whether counts stand over time at risk."""
        return self.kind[1].startswith("time")

    @property
    def k(self) -> int:
        return len(self.labels)

    @property
    def arms(self) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
        """Name, events (k,) and size (k,) of the experimental and the control arm, or of the only one."""
        names = ("experimental", "control") if len(self.columns) == 4 else ("only",)
        return tuple((name, self.columns[2 * i], self.columns[2 * i + 1]) for i, name in enumerate(names))

    @property
    def certain(self) -> tuple[tuple[str, bool], ...]:
        """Arms in which no patient of any study has the event (False) or every patient has it (True)."""
        return tuple(
            (name, x.sum() > 0) for name, x, size in self.arms if x.sum() == 0 or (not self.rates and bool((x == size).all()))
        )

    def keep(self, mask: np.ndarray) -> Counts:
        """The studies where ``mask`` is True."""
        kept = tuple(label for label, use in zip(self.labels, mask, strict=True) if use)
        return replace(self, columns=tuple(c[mask] for c in self.columns), labels=kept, rows=self.rows[mask])


def read_counts(
    measure: str,
    needed: tuple[str, ...],
    given: dict[str, Any],
    *,
    data: pd.DataFrame | EffectTable | None,
    study: str | Sequence[Any] | None,
    missing: str,
    level: float,
    whole: bool = False,
) -> Counts:
    """Check what a count model was given.

    Parameters
    ----------
    measure : str
        For messages.
    needed : tuple of str
        Which of ``given`` the measure takes; the others must be None.
    given : dict
        Argument name to column name (with ``data``) or array-like of shape (k,).
    data : pandas.DataFrame, EffectTable or None
        Where column names are looked up; an effect table brings its counts and names itself.
    study : str, sequence of k names, or None
        Column of study names (with ``data``), or the names.
    missing : {"raise", "drop"}
        Whether a row with a missing value is an error or is left out with a note.
    level : float
        Confidence level, between 0 and 1.
    whole : bool
        Whether counts and sizes must be whole numbers (a likelihood of counts), or may be effective sizes.
    """
    missing = choice("missing", missing, Missing)
    confidence(level)
    told: tuple[str, ...] = ()
    asked = getattr(data, "question", None) if data is not None and not hasattr(data, "columns") else None
    if data is not None and not hasattr(data, "columns"):
        given, study, told = _from_effects(data, needed, given, study)
        data = None
    absent = [name for name in needed if given.get(name) is None]
    surplus = [name for name, value in given.items() if name not in needed and value is not None]
    if absent or surplus:
        raise InputError(
            f"{measure} takes {', '.join(needed)}; missing: {', '.join(absent) or 'none'}, "
            f"not used by {measure}: {', '.join(surplus) or 'none'}."
        )
    raw = {name: _column(_look_up(given[name], name, data), name) for name in needed}
    k = len(raw[needed[0]])
    for name in needed:
        if len(raw[name]) != k:
            raise InputError(f"{name} has {len(raw[name])} values and {needed[0]} has {k}; give one per study.")
    if k == 0:
        raise InputError("There are no studies (k = 0): nothing can be pooled. Check the selection that made this table.")
    labels = _names(None if study is None else list(_look_up(study, "study", data)), k)
    shown = {name: given[name] if isinstance(given[name], str) else name for name in needed}
    problems: list[str] = []
    columns = {name: _numbers(raw[name], labels, shown[name], problems) for name in needed}
    _check_values(columns, needed, shown, labels, whole, problems)
    gaps = np.isnan(np.stack(list(columns.values()))).any(axis=0)
    if missing == "raise":
        for i in np.flatnonzero(gaps):
            for name in needed:
                place = f"row {i + 1} ({labels[i]}), column {shown[name]}: "
                if np.isnan(columns[name][i]) and not any(p.startswith(place) for p in problems):
                    problems.append(f'{place}missing value; fill it in, remove the row, or pass missing="drop".')
    if problems:
        raise InputError(problems)
    if gaps.all():
        raise InputError("Every row has a missing value; nothing is left to pool.")
    notes = told
    if gaps.any():
        left = ", ".join(f"{labels[i]} (row {i + 1})" for i in np.flatnonzero(gaps))
        notes = (*told, f"Left out because a value is missing: {left}.")
    return Counts(needed, tuple(columns[name] for name in needed), labels, notes, np.arange(k), k, asked).keep(~gaps)


EFFECT_TABLE = {"events1": "events_experimental", "n1": "n_experimental", "events2": "events_control", "n2": "n_control"}


def _from_effects(
    table: Any, needed: tuple[str, ...], given: dict[str, Any], study: Any
) -> tuple[dict[str, Any], Any, tuple[str, ...]]:
    """Counts of the two arms behind an effect table (from ``vf.compare`` or ``vf.effect_size`` of events)."""
    if not (hasattr(table, "details") and hasattr(table, "labels")):
        raise InputError(f"data is a {type(table).__name__}; it must be a data frame or an effect table.")
    if needed != EVENTS or study is not None or any(value is not None for value in given.values()):
        raise InputError("An effect table brings its own counts of two arms; give it alone, for OR, RR, RD or Peto.")
    details = table.details
    if not len(table.labels):
        raise InputError("The effect table is empty (k = 0): nothing can be pooled. Check the selection that made it.")
    without = [
        label
        for i, label in enumerate(table.labels)
        if not details or any(details[i].get(name) is None for name in EFFECT_TABLE.values())
    ]
    if without:
        raise InputError(
            f"The effect table does not hold events and patients of both arms for {', '.join(without)} (read as an "
            "effect, or no counts); leave those out with .without(...), or give a data frame of counts."
        )
    _check_vcov(getattr(table, "vcov", None), len(details), np.arange(len(details)))
    left = "; ".join(f"{x.label} ({x.reason})" for x in getattr(table, "left_out", ()))
    notes = (f"The effect table leaves out: {left}.",) if left else ()
    return {name: [row[EFFECT_TABLE[name]] for row in details] for name in needed}, list(table.labels), notes


def _look_up(value: Any, name: str, data: pd.DataFrame | None) -> Any:
    if not isinstance(value, str):
        return value
    if data is None:
        raise InputError(f"{name}={value!r} is the name of a column; pass data=, or give {name} as an array.")
    if value not in data.columns:
        raise InputError(f"No column {value!r} in the data; it has {', '.join(map(repr, data.columns))}.")
    return data[value].to_numpy()


def _check_values(
    columns: dict[str, np.ndarray],
    needed: tuple[str, ...],
    shown: dict[str, str],
    labels: tuple[str, ...],
    whole: bool,
    problems: list[str],
) -> None:
    def report(mask: np.ndarray, name: str, what: str) -> None:
        at = f"column {shown[name]}: {what}"
        problems.extend(f"row {i + 1} ({labels[i]}), {at} (value {columns[name][i]:g})." for i in np.flatnonzero(mask))

    for events, size in zip(needed[::2], needed[1::2], strict=True):
        x, n = columns[events], columns[size]
        report(x < 0, events, "a count cannot be negative")
        if size.startswith("time"):
            report(n <= 0, size, "the time at risk must be greater than 0")
        else:
            report(n <= 0, size, "an arm needs at least 1 patient")
            report(x > n, events, "more events than patients")
        if whole:
            report(x % 1 > 0, events, "a likelihood of counts needs a whole number")
            if not size.startswith("time"):
                report(n % 1 > 0, size, "a likelihood of counts needs a whole number")
