"""Counts in: columns of a data frame, or arrays, become checked arrays, or one error that lists every fault found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.measures import EVENTS
from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects.columns import Rows, as_frame, given_columns, refuse_unfit, row_names
from vfmeta.effects.formulas.checks import faults
from vfmeta.effects.given import is_table
from vfmeta.results.single_studies import MADE


@dataclass(frozen=True)
class Counts:
    """Checked counts: ``columns`` in the order of ``kind``, each of shape (k,); ``notes`` on rows left out.

    ``kept`` (k,) are the places of the studies among the ``rows`` that were given.
    """

    kind: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    kept: np.ndarray
    rows: Rows
    asked: Question | None = None
    lost: tuple[LeftOut, ...] = ()

    def question(self, given: Question | None, measure: str) -> Question:
        """The question given, or that of the effect table for this measure, or an empty one."""
        cells.check_question(given)
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

    @property
    def details(self) -> tuple[dict[str, Any], ...]:
        """The counts of each study by name, as a result keeps them for tables, figures and fits of part of the studies."""
        size = "time" if self.rates else "n"
        named: dict[str, np.ndarray] = {}
        for name, x, total in self.arms:
            arm = "" if name == "only" else f"_{name}"
            named |= {f"events{arm}": x, f"{size}{arm}": total}
        made = self._made
        return tuple(
            {name: _plain(x[i]) for name, x in named.items()} | {MADE: {name: float(x[i]) for name, x in made.items()}}
            for i in range(self.k)
        )

    @property
    def _made(self) -> dict[str, np.ndarray]:
        """The columns by their names in `vfmeta.effect_size`, from which the limits of the single studies are made."""
        size = "time" if self.rates else "n"
        arms = ("1", "2") if len(self.columns) == 4 else ("",)
        return dict(zip((f"{x}{arm}" for arm in arms for x in ("events", size)), self.columns, strict=True))

    @property
    def origin(self) -> Origin:
        """Where the studies stood in the data, and what was left out."""
        return self.rows.origin(self.kept, self.lost)

    def keep(self, mask: np.ndarray, note: str = "", lost: tuple[LeftOut, ...] = ()) -> Counts:
        """The studies where ``mask`` is True, and why the others are left out."""
        labels = tuple(label for label, use in zip(self.labels, mask, strict=True) if use)
        notes = (*self.notes, note) if note else self.notes
        return replace(
            self, columns=tuple(c[mask] for c in self.columns), labels=labels, kept=self.kept[mask], notes=notes,
            lost=(*self.lost, *lost),
        )  # fmt: skip


def read_counts(
    measure: str,
    needed: tuple[str, ...],
    given: dict[str, Any],
    *,
    data: Any,
    study: Any,
    missing: Missing,
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
    data : data frame, mapping of columns, EffectTable or None
        Where column names are looked up; an effect table brings its counts and names itself.
    study : str, sequence of k names, or None
        Column of study names (with ``data``), or the names; the column "study" is found by itself.
    missing : {"raise", "drop"}
        Whether a row with a missing value is an error or is left out with a note.
    level : float
        Confidence level, between 0 and 1.
    whole : bool
        Whether counts and sizes must be whole numbers (a likelihood of counts), or may be effective sizes.
    """
    missing = choice("missing", missing, Missing)
    confidence(level)
    table = data if is_table(data) else None
    if table is not None:
        given, study = _from_effects(table, needed, given, study)
    frame = None if data is None or table is not None else as_frame(data)
    refuse_unfit(needed, given, given, f"{measure} takes", f" by {measure}")
    if study is None and frame is not None and "study" in frame.columns:
        study = "study"
    asked = {name: given[name] for name in needed} | ({} if study is None else {"study": study})
    values, shown, k, index = given_columns(asked, frame)
    problems: list[str] = []
    labels = cells.names(values.get("study", row_names(index)), k, shown=shown.get("study", "study"), problems=problems)
    columns = {name: cells.numbers(values[name], shown[name], labels, problems) for name in needed}
    check_values(columns, shown, labels, whole, problems)
    rows = Rows(k, data if table is not None else frame, index, None if study is None else labels)
    empty = {shown[name]: np.isnan(columns[name]) for name in needed}
    if missing == "raise":
        cells.gaps(empty, labels, problems)
    if problems:
        raise InputError(problems)
    gone = np.any(list(empty.values()), axis=0)
    counts = Counts(
        needed, tuple(columns[name] for name in needed), labels, (), np.arange(k), rows, getattr(table, "question", None)
    )
    return counts.keep(~gone, cells.left_out(empty, labels), cells.lost(empty, labels)) if gone.any() else counts


def refuse_unknown(measure: Any, known: Iterable[str]) -> None:
    """An error where a model of counts does not know the measure."""
    if not isinstance(measure, str) or measure not in known:
        raise InputError(f"measure={measure!r} is unknown; use one of {', '.join(map(repr, known))}.")


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


EFFECT_TABLE = {"events1": "events_experimental", "n1": "n_experimental", "events2": "events_control", "n2": "n_control"}


def _from_effects(table: Any, needed: tuple[str, ...], given: dict[str, Any], study: Any) -> tuple[dict[str, Any], Any]:
    """Counts of the two arms behind an effect table (from ``vf.compare`` or ``vf.effect_size`` of events)."""
    if needed != EVENTS or study is not None or any(value is not None for value in given.values()):
        raise InputError("An effect table brings its own counts of two arms; give it alone, for OR, RR, RD or Peto.")
    details = table.details
    cells.refuse_empty(table)
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
    covariance.refuse_shared(getattr(table, "vcov", None), len(details), np.arange(len(details)))
    return {name: [row[EFFECT_TABLE[name]] for row in details] for name in needed}, list(table.labels)


def check_values(
    columns: dict[str, np.ndarray], shown: dict[str, str], labels: Sequence[str], whole: bool, problems: list[str]
) -> None:
    """Counts that cannot be, and, where ``whole``, those that are no whole numbers."""
    rows = [f"row {i + 1} ({label})" for i, label in enumerate(labels)]
    problems += faults(columns, rows=rows, named=shown)
    if not whole:
        return
    for name, x in columns.items():
        if not name.startswith("time"):
            problems += [
                f"{rows[i]}, column {shown[name]}: a likelihood of counts needs a whole number (value {x[i]:g})."
                for i in np.flatnonzero(x % 1 > 0)
            ]
        problems += [
            f"{rows[i]}, column {shown[name]}: {x[i]:g} is beyond what can be counted." for i in np.flatnonzero(x > 2.0**53)
        ]
