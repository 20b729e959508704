"""The effect table: one row an effect, each row knowing the table rows it came from and the steps taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.messages import InputError
from vfmeta.results import Question

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One effect on the analysis scale (log for ratios), experimental minus control.

    ``rows`` names the figures it was made from, ``steps`` says in words what code did to them, ``unused`` what else the
    study printed for the same question and why it was not taken. ``arms`` are the experimental and control arm ids.
    """

    study_id: str
    label: str
    y: float
    v: float
    cohort_id: str = ""
    arms: tuple[str, str] = ("", "")
    week: float | None = None
    n: tuple[float | None, float | None] = (None, None)
    events: tuple[float | None, float | None] = (None, None)
    instrument: str = ""
    scale: str = ""
    value_type: str = ""
    reading: str = ""
    flags: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A study of the question that gave no effect, and why; ``said`` is what it does print."""

    study_id: str
    label: str
    reason: str
    said: str = ""


@dataclass(frozen=True)
class EffectTable:
    """Effects that answer one question.

    Any model takes it; ``frame`` shows it as a data frame, ``trace(study)`` prints the chain from an effect down to its
    citation, ``left_out`` lists the studies of the question that gave no effect. ``vcov`` is the covariance matrix where
    effects share patients, None where they do not.
    """

    question: Question
    effects: tuple[Effect, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    citations: dict[str, str] = field(default_factory=dict, repr=False)
    vcov: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self.effects)

    @cached_property
    def y(self) -> np.ndarray:
        """Effects, shape ``(k,)``, on the analysis scale."""
        return np.array([e.y for e in self.effects], dtype=float)

    @cached_property
    def v(self) -> np.ndarray:
        """Sampling variances, shape ``(k,)``."""
        return np.array([e.v for e in self.effects], dtype=float)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(e.label for e in self.effects)

    @property
    def details(self) -> tuple[dict[str, Any], ...]:
        """What tables and figures show beside each effect."""
        return tuple(
            {
                "study_id": e.study_id, "n_experimental": _whole(e.n[0]), "n_control": _whole(e.n[1]),
                "events_experimental": _whole(e.events[0]), "events_control": _whole(e.events[1]),
                "week": e.week, "reading": e.reading, "flag": "; ".join(f.replace("_", " ") for f in e.flags),
                "rows": list(e.rows),
                "sources": list(e.sources), "steps": list(e.steps), "unused": list(e.unused), "printed": list(e.printed),
            }
            for e in self.effects
        )  # fmt: skip

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a data frame, one row an effect."""
        import pandas as pd

        q = self.question
        return pd.DataFrame(
            {
                "study": self.labels, "study_id": [e.study_id for e in self.effects],
                "cohort_id": [e.cohort_id for e in self.effects],
                "arm_experimental": [e.arms[0] for e in self.effects], "arm_control": [e.arms[1] for e in self.effects],
                "outcome": q.outcome, "week": [e.week for e in self.effects], "y": self.y, "v": self.v, "se": np.sqrt(self.v),
                "measure": q.measure, "scale": "" if q.scale is None else f"{q.scale[0]:g} to {q.scale[1]:g}",
                "higher_is_worse": q.higher_is_worse, "rows": [", ".join(e.rows) for e in self.effects],
                "steps": ["; ".join(e.steps) for e in self.effects],
            }
        )  # fmt: skip

    def without(self, *study_ids: str) -> EffectTable:
        """The same table without some studies.

        Raises
        ------
        InputError
            A study has no effect in this table.
        """
        strangers = set(study_ids) - {e.study_id for e in self.effects}
        if strangers:
            known = ", ".join(dict.fromkeys(e.study_id for e in self.effects)) or "none"
            raise InputError(f"No study {', '.join(sorted(strangers))} in this table; its studies are: {known}.")
        kept = tuple(e for e in self.effects if e.study_id not in study_ids)
        return EffectTable(self.question, kept, self.left_out, self.notes, self.citations)

    def trace(self, study: str) -> str:
        """The chain behind a study's effect, from ``y`` and ``v`` down to the citation, as text.

        Parameters
        ----------
        study : str
            Study id or label.

        Raises
        ------
        InputError
            The study has no effect in this table; the message says why, where a reason is known.
        """
        hits = [e for e in self.effects if study in (e.study_id, e.label)]
        if not hits:
            why = [f"{x.label} was left out: {x.reason}" for x in self.left_out if study in (x.study_id, x.label)]
            known = ", ".join(e.study_id for e in self.effects) or "none"
            raise InputError(why[0] if why else f"No study {study!r} in this table; its studies are: {known}.")
        lines: list[str] = []
        for e in hits:
            week = "" if e.week is None else f", week {e.week:.3g}"
            lines.append(f"{e.label}{week}: y = {e.y:.6g}, se = {np.sqrt(e.v):.6g} ({self.question.measure})")
            lines += [f"  printed  {text}" for text in e.printed]
            lines += [f"  step     {text}" for text in e.steps]
            lines += [f"  not used {text}" for text in e.unused]
            lines += [f"  source   {s}: {self.citations.get(s, '')}" for s in e.sources]
        return "\n".join(lines)

    def __str__(self) -> str:
        q = self.question
        head = f"{q.experimental} v {q.control}: {q.outcome} ({q.measure}), k = {len(self)}"
        rows = [f"  {e.label}: {q.display(e.y):.3g} (se {np.sqrt(e.v):.3g})" for e in self.effects]
        return "\n".join([head, *rows, *(f"  left out: {x.label} ({x.reason})" for x in self.left_out)])


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and float(value).is_integer() else value
