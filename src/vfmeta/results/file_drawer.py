"""Fail-safe numbers, with the warning of what they are before anything else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

WARNING = (
    "Fail-safe numbers do not tell whether a result is safe: they take unpublished studies to show no effect on average, mind "
    "neither their size nor heterogeneity, and differ from each other many times over. The Cochrane Handbook advises "
    "against them."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FailSafe(Recorded):
    """How many studies of no effect would have to lie in drawers, by several definitions (``numbers``, as real numbers, not
    below 0). ``estimate`` is the common-effect mean, ``target`` the distance from "no difference" of Orwin's (NaN: half).
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {
        "": "fail-safe numbers are counts of imagined studies; the pool of the same studies has it."
    }

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    numbers: dict[str, float]
    estimate: float
    target: float
    method: str = "fail-safe numbers"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def centre(self) -> float:
        return self.estimate

    def to_frame(self) -> pd.DataFrame:
        """A row a definition: term, k, number (as a real number) and studies (rounded up)."""
        import pandas as pd

        up = [math.nan if math.isnan(x) else math.ceil(x - 1e-9 * max(x, 1)) for x in self.numbers.values()]
        return pd.DataFrame({"term": list(self.numbers), "k": self.k, "number": list(self.numbers.values()), "studies": up})

    def sentence(self) -> str:
        """The warning: there is no sentence that such a number allows."""
        return WARNING

    def __str__(self) -> str:
        lines = [WARNING, f"fail-safe numbers, k = {self.k}"]
        table = self.to_frame()
        lines += [f"  {term}: {tx.short(n, 6)}" for term, n in zip(table["term"], table["studies"].tolist(), strict=True)]
        return "\n".join([*lines, *self.warnings])
