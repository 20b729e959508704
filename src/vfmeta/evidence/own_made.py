"""What was made of a sheet, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vfmeta.effects.table import EffectTable
from vfmeta.evidence.plan import Plan
from vfmeta.evidence.records import Record


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
