"""What trials that print no figure say in words, beside the effects of a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.text import numbers as tx
from vfmeta.text import reports as text
from vfmeta.text.trace import SOURCE, chain_lines, console_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a trial says of two arms without an estimate and its spread; the rest as of `Effect`.

    ``kind`` is one of `vfmeta.core.params.ReportKind`, ``y`` a printed estimate on the scale of the question, experimental
    minus control, ``p`` the printed p value or its bound, ``direction`` the sign of the estimate; None where not printed. A
    full report is one made of counts of responders, with its standard error ``se``.
    ``n`` are the sizes of the arms, ``instrument`` and ``score`` what an SD that is not printed would be of. ``selective``: of
    several outcomes or visits only the significant ones are named.
    """

    study_id: str
    label: str
    kind: str
    n: tuple[float, float]
    y: float | None = None
    se: float | None = None
    p: float | None = None
    direction: float | None = None
    cohort_id: str = ""
    arms: tuple[str, str] = ("", "")
    week: float | None = None
    instrument: str = ""
    score: str = ""
    selective: bool = False
    reading: str = ""
    flags: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Words:
    """Trials that print no figure: what they report, which could not be used and why, and the SDs that trials print.

    ``sds`` holds one row an arm: study, instrument, score, sd and n, on the scale of the question.
    """

    reports: tuple[Report, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    sds: tuple[dict[str, Any], ...] = ()

    def named(self, study: str) -> tuple[Report, ...]:
        """Reports of a study, by its id or label."""
        return tuple(r for r in self.reports if study in (r.study_id, r.label))

    def without(self, studies: tuple[str, ...]) -> Words:
        return replace(self, reports=tuple(r for r in self.reports if r.study_id not in studies))

    def frame(self, question: Question) -> pd.DataFrame:
        """One row a report, in the columns of an effect table and those of `vf.bayes.reports`."""
        import pandas as pd

        rows = self.reports
        return pd.DataFrame(
            {
                "study": [r.label for r in rows], "study_id": [r.study_id for r in rows],
                "cohort_id": [r.cohort_id for r in rows], "arm_experimental": [r.arms[0] for r in rows],
                "arm_control": [r.arms[1] for r in rows], "outcome": question.outcome,
                "week": [_or_nan(r.week) for r in rows], "n_experimental": [r.n[0] for r in rows],
                "n_control": [r.n[1] for r in rows], "kind": [r.kind for r in rows], "y": [_or_nan(r.y) for r in rows],
                "se": [_or_nan(r.se) for r in rows], "p": [_or_nan(r.p) for r in rows],
                "direction": [_or_nan(r.direction) for r in rows],
                "instrument": [r.instrument for r in rows], "score": [r.score for r in rows],
                "reading": [r.reading for r in rows], "rows": [", ".join(r.rows) for r in rows],
                "steps": ["; ".join(r.steps) for r in rows],
            }
        )  # fmt: skip


def says(r: Report, question: Question) -> str:
    """A report in words."""
    said = text.says(r.kind, question, *map(_or_nan, (r.y, r.se, r.p, r.direction)))
    return f"{said}, from its counts of responders" if r.kind == "full" else said


def chain(r: Report, question: Question, citations: dict[str, str]) -> str:
    """From what a report says down to the citation of its sentence."""
    week = "" if r.week is None else f", week {tx.short(r.week)}"
    only = "" if r.kind == "full" else "words only; "
    lines = [f"{r.label}{week}: {says(r, question)} ({only}{r.n[0]:g} v {r.n[1]:g} patients)"]
    sources = [(SOURCE, f"{s}: {citations.get(s, '')}") for s in r.sources]
    return "\n".join([*lines, *console_lines([*chain_lines(r.printed, r.steps, r.unused), *sources])])


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
