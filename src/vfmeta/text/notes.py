"""The lines below a result: what was left out of it, and the notes on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

MISSING = "Left out because"  # how a warning of rows that lack a value begins
INVERSE_VARIANCE = "Best linear unbiased predictions are defined for inverse-variance weights; fit without weights=."
TOO_WIDE = "The effects, variances or moderators span more orders of magnitude than double precision holds."
_NAMED = 5  # studies that are named with their reason


class Left(Protocol):
    """A study that is left out."""

    @property
    def label(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Noted(Protocol):
    """What has warnings, and knows what is not in it."""

    @property
    def left_out(self) -> Sequence[Left]: ...
    @property
    def warnings(self) -> Sequence[str]: ...


def closing_lines(result: Noted, word: str = "note") -> list[str]:
    """What was left out in one line, and a line for each warning that says something else."""
    left = result.left_out
    notes = [f"{word}: {w}" for w in result.warnings if not (left and w.startswith(MISSING))]
    return [f"{'L' if word[0].isupper() else 'l'}eft out: {left_out_text(left)}", *notes] if left else notes


def left_out_text(left: Sequence[Left]) -> str:
    """Names of the studies left out, each with the reason."""
    more = f"; and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return "; ".join(f"{x.label} ({x.reason})" for x in left[:_NAMED]) + more


def one_trial(label: str) -> str:
    """What a posterior of one trial rests on."""
    return f"One trial only ({label}): what is said of the heterogeneity comes from the prior of tau alone."


def cannot_be_left_out(names: Sequence[str]) -> str:
    """Studies, or groups of them, without which there is no fit."""
    return f"The model cannot be fitted without {', '.join(names)}; the diagnostics are undefined there."
