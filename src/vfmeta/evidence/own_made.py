"""What was made of a sheet: before it is written, and what the caller is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.effects.table import EffectTable
from vfmeta.evidence.plan import Plan
from vfmeta.evidence.records import Record

if TYPE_CHECKING:
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult


@dataclass(frozen=True)
class Analysed:
    """Where the pages of a sheet stand, and what they say, by outcome ("" where the sheet has one and does not name it).

    ``page`` is the first page; ``answers`` the sentence of each outcome, ``tables`` the effects, ``fits`` and ``posteriors``
    the results (None where an outcome has none), ``said`` what was said while reading.
    """

    page: Path
    answers: dict[str, str]
    tables: dict[str, EffectTable]
    fits: dict[str, FrequentistResult | None]
    posteriors: dict[str, BayesianResult | None]
    said: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{outcome}: {answer}" if outcome else answer for outcome, answer in self.answers.items()]
        return "\n".join([*lines, f"Pages: {self.page}"])


@dataclass(frozen=True)
class Own:
    """Tables by outcome, a plan and a record each, what was said while reading, and what the caller chose."""

    source: str
    tables: dict[str, EffectTable]
    plans: list[Plan]
    records: list[Record]
    said: tuple[str, ...]
    reading: dict[str, Any]
    choices: dict[str, Any]
