"""Summary of findings: a row an outcome, with effects per 1,000 people, certainty and its footnotes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vfmeta.core.grading import DOMAINS
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.results.shown import Shown
from vfmeta.text import numbers as tx
from vfmeta.text.certainty import level_text, per_1000

if TYPE_CHECKING:
    import pandas as pd

#: columns of the table, and of the evidence profile
COLUMNS = (
    "Outcome", "Participants (trials)", "Relative effect", "Risk without, of 1,000", "Risk with, of 1,000",
    "Absolute effect", "Certainty", "In words",
)  # fmt: skip
PROFILE = (
    "Outcome",
    "Trials",
    "Design",
    *(d.capitalize() for d in DOMAINS),
    "Participants",
    "Effect",
    "Absolute effect",
    "Certainty",
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One outcome. Effects are on the scale people read, risks between 0 and 1 (``without``, and ``treated`` with its limits).

    ``people`` are those whose number is known, ``or_more`` says that an arm does not tell; ``absolute`` is the effect in units
    people know, where it was stated. ``answers`` are what the five domains were answered with, ``notes`` the footnotes of the
    certainty.
    """

    outcome: str
    measure: str
    k: int
    people: float | None
    or_more: bool
    absolute: str
    estimate: float
    interval: Pair
    effect: str
    is_ratio: bool
    without: float | None
    treated: tuple[float, float, float] | None
    baseline_from: str
    design: str
    certainty: str
    answers: tuple[str, ...]
    notes: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SummaryOfFindings(Recorded):
    """At most seven outcomes of one comparison (``findings``), for a page, a manuscript or a guideline."""

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it gathers results and estimates nothing; ask the fits it was made of."}
    packed: ClassVar[frozenset[str]] = frozenset({"findings"})

    question: Question
    findings: tuple[Finding, ...]
    title: str
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """Footnotes in the order of their letters, each once."""
        found = [x for f in self.findings for x in ([_base(f)] if f.baseline_from else [])]
        return tuple(dict.fromkeys([*found, *(x for f in self.findings for x in f.notes)]))

    def cells(self) -> list[list[str]]:
        """The table as text, a row an outcome; footnotes as letters in brackets."""
        notes = self.notes

        def letters(own: list[str]) -> str:
            return f" [{', '.join(letter(notes.index(x)) for x in own)}]" if own else ""

        rows = []
        for f in self.findings:
            risks = ("", "")
            absolute = "" if f.is_ratio else f.effect + (f"; {f.absolute}" if f.absolute else "")
            if f.without is not None and f.treated is not None:
                risks = (f"{per_1000(f.without)}{letters([_base(f)])}", _span(f.treated))
                absolute = difference_text(f)
            rows.append([
                f.outcome, _people(f), f.effect if f.is_ratio else "", *risks, absolute,
                level_text(f.certainty) + letters(list(f.notes)), f.sentence,
            ])  # fmt: skip
        return rows

    def profile(self) -> pd.DataFrame:
        """The evidence profile: a row an outcome, a column a domain."""
        import pandas as pd

        rows = [
            (f.outcome, f.k, f.design.replace("_", "-"), *f.answers, f.people, f.effect,
             difference_text(f) if f.treated is not None else "", level_text(f.certainty))
            for f in self.findings
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(PROFILE))

    def to_frame(self) -> pd.DataFrame:
        """A row an outcome, as numbers: term, k, people, estimate, ci_low, ci_high, scale, risks of 1, certainty, sentence."""
        import pandas as pd

        nothing = (float("nan"),) * 3
        return pd.DataFrame([
            {
                "term": f.outcome, "k": f.k, "people": float("nan") if f.people is None else f.people, "estimate": f.estimate,
                "ci_low": f.interval[0], "ci_high": f.interval[1], "scale": f.measure,
                "risk_without": float("nan") if f.without is None else f.without,
                **dict(zip(("risk_with", "risk_with_low", "risk_with_high"), f.treated or nothing, strict=True)),
                "certainty": f.certainty, "sentence": f.sentence,
            }
            for f in self.findings
        ])  # fmt: skip

    def _pack(self) -> dict[str, Any]:
        return {"findings": [{n: list(x) if isinstance(x, tuple) else x for n, x in asdict(f).items()} for f in self.findings]}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = [
            {n: tuple(x) if isinstance(x, list) else x for n, x in row.items()} for row in data["findings"]
        ]
        return {"findings": tuple(Finding(**row) for row in rows)}

    def __str__(self) -> str:
        lines = [self.title]
        for f, row in zip(self.findings, self.cells(), strict=True):
            lines.append(f"{f.outcome}: {row[2] or row[5]}" + (f"; {row[5]}" if row[2] and row[5] else ""))
            lines.append(f"  {row[1]}; certainty: {row[6]}")
            lines += [f"  {f.sentence}"] if f.sentence else []
        return "\n".join([*lines, *(f"[{letter(i)}] {x}" for i, x in enumerate(self.notes))])

    def _display(self) -> Shown:
        notes = tuple(f"[{letter(i)}] {x}" for i, x in enumerate(self.notes))
        return Shown(f"Summary of findings: {self.title}", COLUMNS, tuple(map(tuple, self.cells())), notes)

    def _written(self) -> Shown:
        return self._display()  # a table of words, in CSV too


def letter(i: int) -> str:
    """The i-th footnote: a to z, then aa."""
    return chr(ord("a") + i) if i < 26 else letter(i // 26 - 1) + letter(i % 26)


def _base(f: Finding) -> str:
    return f"Risk without the treatment: {f.baseline_from}."


def _people(f: Finding) -> str:
    size = "number not known" if f.people is None else f"{f.people:,.0f}{' or more' if f.or_more else ''}"
    return f"{size} ({f.k})"


def _span(risks: tuple[float, float, float]) -> str:
    x, *ends = risks
    low, high = sorted(ends)
    return f"{per_1000(x)} ({per_1000(low)} to {per_1000(high)})"


def difference_text(f: Finding) -> str:
    """So many fewer or more of 1,000 people."""
    assert f.without is not None
    assert f.treated is not None
    x, *ends = (risk - f.without for risk in f.treated)
    low, high = sorted(ends)
    way = "fewer" if x < 0 else "more"
    if low < 0 < high:
        span = f"{per_1000(-low)} fewer to {per_1000(high)} more"
    else:
        near, far = sorted((abs(low), abs(high)))
        span = f"{per_1000(near)} to {per_1000(far)} {'fewer' if high <= 0 else 'more'}"
    return f"{per_1000(abs(x))} {way} of 1,000 ({span})"


def shown_effect(q: Question, estimate: float, interval: Pair) -> str:
    """Measure and effect as people read them."""
    return f"{q.shown} {tx.effect_text(q, estimate, interval)}"


__all__ = ["COLUMNS", "PROFILE", "Finding", "SummaryOfFindings", "difference_text", "letter", "shown_effect"]
