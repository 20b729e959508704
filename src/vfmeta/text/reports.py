"""What a trial reports, in words, and what is said of a pool of such reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from vfmeta.text import numbers as tx
from vfmeta.text.notes import one_trial

if TYPE_CHECKING:
    import numpy as np

    from vfmeta.core.question import Question


class Reported(Protocol):
    """A pool of reports."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def says(self) -> tuple[str, ...]: ...
    @property
    def partial(self) -> np.ndarray: ...


def says(kind: str, question: Question, y: float, se: float, p: float, direction: float) -> str:
    """One report in words."""
    side = {1.0: "higher", -1.0: "lower"}.get(direction, "")
    if kind == "full":
        return f"estimate {tx.short(question.display(y))}, SE {tx.short(se)}"
    if kind == "estimate_only":
        return f"estimate {tx.short(question.display(y))}, no spread"
    if kind == "p_exact":
        shown = f"estimate {tx.short(question.display(y))}" if not math.isnan(y) else side
        return f"{shown}, p = {p:g}"
    level = 0.05 if math.isnan(p) else p
    if not math.isnan(y):  # without its standard error
        beside = {"direction": "no spread", "not_significant": f"not significant (p > {level:g})"}
        return f"estimate {tx.short(question.display(y))}, {beside.get(kind, f'significant (p < {level:g})')}"
    if kind in ("p_bound", "significant"):
        return f"significantly {side} (p < {level:g})"
    if kind == "not_significant":
        return f"{side}, not significant (p > {level:g})".removeprefix(", ")
    return side


def notes(labels: Sequence[str], kinds: Sequence[str], assumed: Sequence[str]) -> list[str]:
    """Warnings that follow from the reports alone; ``assumed``: instruments of which too few trials print an SD."""
    said = _notes(labels, kinds)
    if assumed:
        named = ", ".join(x for x in assumed if x)
        of = f" of {named}" if named else ""
        said.append(
            f"SD assumed{of}: fewer than three trials print one; by_sd() shows the answer at its 10, 50 and 90% quantile."
        )
    return said


def _notes(labels: Sequence[str], kinds: Sequence[str]) -> list[str]:
    full = sum(kind == "full" for kind in kinds)
    if len(kinds) == 1:
        return [one_trial(labels[0])]
    if full == 0:
        return [
            "No trial prints an estimate with its standard error: how large the effect is rests on the priors and the words."
        ]
    return []


def console_text(fit: Reported, pool: str) -> str:
    """The pool as the console shows it, and below it what the trials say that print no figure."""
    hidden = [f"  {name}: {said}" for name, said, open_ in zip(fit.labels, fit.says, fit.partial, strict=True) if open_]
    if not hidden:
        return pool
    count = f"{len(hidden)} of {len(fit.labels)} trials report less than an estimate with its standard error:"
    return "\n".join([pool, count, *hidden])
