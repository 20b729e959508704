"""How many studies are significant, beside how many their power leads one to expect."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.text import numbers as tx
from vfmeta.text.levels import level_note

if TYPE_CHECKING:
    import pandas as pd

EXCESS = 0.1  # the level that the paper tests at


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ExcessSignificance(Recorded):
    """``observed`` significant studies against ``expected``, the sum of their ``power`` (k,) at the pooled effect ``estimate``.

    ``p_value`` is exact, one-sided for an excess; ``p_chi2`` that of the paper's chi-squared ``statistic``, one-sided too.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {
        "": "it counts significant studies and pools nothing; the pool of the same studies has it."
    }

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    estimate: float
    tau2: float
    power: np.ndarray
    significant: np.ndarray
    method: str = "test of excess significance"
    test: str = "exact"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    df: ClassVar[int] = 1

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def centre(self) -> float:
        return self.estimate

    @property
    def observed(self) -> int:
        return int(self.significant.sum())

    @property
    def expected(self) -> float:
        return float(self.power.sum())

    @property
    def ratio(self) -> float:
        """Observed over expected."""
        return self.observed / self.expected

    @property
    def p_value(self) -> float:
        """P(as many significant studies or more), over all combinations."""
        chance = np.ones(1)
        for p in self.power.tolist():
            chance = np.convolve(chance, [1 - p, p])
        return min(1.0, float(chance[self.observed :].sum()))

    @property
    def statistic(self) -> float:
        """The paper's chi-squared: (O - E)^2 / E + (O - E)^2 / (k - E)."""
        off, e = self.observed - self.expected, self.expected
        return off**2 / e + off**2 / (self.k - e) if 0 < e < self.k else math.nan

    @property
    def p_chi2(self) -> float:
        """One-sided p value of the chi-squared statistic."""
        root = math.copysign(math.sqrt(self.statistic), self.observed - self.expected)
        return 0.5 * math.erfc(root / math.sqrt(2))

    def to_frame(self) -> pd.DataFrame:
        """One row: term, k, observed, expected, statistic, p_value (exact), p_chi2."""
        import pandas as pd

        row = {
            "term": "excess significance", "k": self.k, "observed": self.observed, "expected": self.expected,
            "statistic": self.statistic, "p_value": self.p_value, "p_chi2": self.p_chi2,
        }  # fmt: skip
        return pd.DataFrame([row])

    def sentence(self) -> str:
        """What the count says, and what it does not."""
        head = f"{self.observed} of {self.k} studies are significant where {tx.short(self.expected)} were expected"
        if self.p_value < EXCESS:
            return (
                f"{head} (p = {tx.short(self.p_value, 2)}): more than chance would have. Selection is one cause; effects that "
                "differ between studies are another."
            )
        return f"{head} (p = {tx.short(self.p_value, 2)}), which shows no excess and does not show that there is no selection."

    def __str__(self) -> str:
        q = self.question
        lines = [
            f"test of excess significance, k = {self.k}, power at {tx.measure_text(q)} {tx.value_text(q, self.estimate)}",
            f"observed {self.observed}, expected {tx.short(self.expected)}, exact p = {tx.short(self.p_value)}",
        ]
        return "\n".join([*lines, self.sentence(), *self.warnings, *level_note("excess_significance")])
