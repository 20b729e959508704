"""The thresholds of every domain, from one table that says where each was read or why it was chosen."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

OURS = "vfmeta's choice"


class Threshold(NamedTuple):
    """A row of the table; ``source`` is what was read (at ``locator``), or "vfmeta's choice" for the ``reason`` given."""

    key: str
    domain: str
    value: str
    meaning: str
    source: str
    locator: str
    reason: str


@cache
def table() -> dict[str, Threshold]:
    """Every threshold by its key."""
    text = files("vfmeta.appraisal.grade").joinpath("thresholds.csv").read_text(encoding="utf-8")
    return {row["key"]: Threshold(**row) for row in csv.DictReader(text.splitlines())}


def limit(key: str) -> float:
    """A threshold that is a number."""
    return float(table()[key].value)


def word(key: str) -> str:
    """A threshold that is a level."""
    return table()[key].value


__all__ = ["OURS", "Threshold", "limit", "table", "word"]
