"""Levels and domains of GRADE: their names, in order, and the signs they are shown with."""

from __future__ import annotations

#: from worst to best
LEVELS = ("very low", "low", "moderate", "high")
SIGNS = dict(zip(LEVELS, ("⊕⊝⊝⊝", "⊕⊕⊝⊝", "⊕⊕⊕⊝", "⊕⊕⊕⊕"), strict=True))
DOMAINS = ("risk of bias", "inconsistency", "indirectness", "imprecision", "publication bias")
#: what a suggestion of so many levels down is called; nobody says "not serious" of what nobody judged
CONCERNS = {0: "no concern found", -1: "serious", -2: "very serious"}


def lowered(start: str, by: int) -> str:
    """A level, so many levels down, never below the lowest."""
    return LEVELS[max(LEVELS.index(start) + by, 0)]


__all__ = ["CONCERNS", "DOMAINS", "LEVELS", "SIGNS", "lowered"]
