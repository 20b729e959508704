"""What settings like those of the trials may expect: whether heterogeneity is alike, and shares of important effects."""

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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Heteroscedasticity(Recorded):
    """Test that one tau2 holds for all studies, against a tau2 of its own for each.

    ``statistic`` is the score test's, ``df`` the k - 1 of its nominal chi-squared (``p_nominal``); ``p_value`` is the share of
    ``draws`` samples of the fitted model whose statistic is as large, themselves counted in. ``tau2`` is the common one and
    ``estimate`` the pooled mean it goes with.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it tests the model of a pool; the pool of the same studies has it."}

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    estimate: float
    tau2: float
    statistic: float
    df: int
    p_value: float
    p_nominal: float
    draws: int
    method: str
    test: str = "score, parametric bootstrap"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def centre(self) -> float:
        return self.estimate

    def to_frame(self) -> pd.DataFrame:
        """One row: term, k, statistic, df, p_value, p_nominal, tau2, draws."""
        import pandas as pd

        row = {
            "term": "heteroscedastic heterogeneity", "k": self.k, "statistic": self.statistic, "df": self.df,
            "p_value": self.p_value, "p_nominal": self.p_nominal, "tau2": self.tau2, "draws": self.draws,
        }  # fmt: skip
        return pd.DataFrame([row])

    def sentence(self) -> str:
        """What the test says, and what it does not."""
        p = tx.short(self.p_value, 2)
        if self.p_value < 0.05:
            return f"The studies scatter more unequally than one tau2 for all leads one to expect (p = {p}): look for outliers."
        return f"Nothing speaks against one tau2 for all studies (p = {p}); with few studies little could."

    def __str__(self) -> str:
        lines = [
            f"heteroscedastic heterogeneity, k = {self.k} ({self.method}, score test)",
            f"statistic  {tx.short(self.statistic)} on {self.df} df, p = {tx.short(self.p_value)} ({self.draws} draws)",
        ]
        return "\n".join([*lines, self.sentence(), *self.warnings])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SettingShares(Recorded):
    """Shares of settings, such as that of a next trial, whose true effect lies beyond given values.

    ``terms`` names the parts, ``estimate`` (parts,) their shares, ``low`` and ``high`` their limits on the analysis scale.
    ``grid`` and ``density`` trace the distribution of true effects they come from, that of the prediction interval.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {
        "": "it tells shares of settings; the pool or posterior that they come from has it.",
        "interval": "the shares already count in how uncertain mean and heterogeneity are.",
        "se": "the shares already count in how uncertain mean and heterogeneity are.",
    }

    question: Question
    k: int
    terms: tuple[str, ...]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    grid: np.ndarray
    density: np.ndarray
    method: str
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """A row a part: term, low and high (on the scale people read), estimate (the share), scale."""
        import pandas as pd

        q = self.question
        return pd.DataFrame({
            "term": self.terms, "from": [q.display(float(x)) for x in self.low], "to": [q.display(float(x)) for x in self.high],
            "estimate": self.estimate, "scale": "share of settings",
        })  # fmt: skip

    def sentence(self) -> str:
        """The shares, as natural frequencies."""
        parts = [f"{_of_hundred(x)} {term}" for term, x in zip(self.terms, self.estimate.tolist(), strict=True)]
        return f"Of 100 settings like those of the trials, the true effect would be in {', in '.join(parts)}."

    def __str__(self) -> str:
        q = self.question
        lines = [f"true effects in other settings, k = {self.k} ({self.method}); {tx.measure_text(q)}"]
        for term, low, high, share in zip(self.terms, self.low, self.high, self.estimate, strict=True):
            ends = [tx.value_text(q, float(x)) for x in (low, high) if math.isfinite(x)]
            where = (
                "between " + " and ".join(ends) if len(ends) == 2 else f"{'below' if math.isinf(low) else 'above'} {ends[0]}"
            )
            lines.append(f"  {term} ({where}): {100 * share:.1f}%")
        return "\n".join([*lines, self.sentence(), *self.warnings])


def _of_hundred(share: float) -> str:
    n = 100 * share
    return "fewer than 1" if 0 < n < 0.5 else "more than 99" if 99.5 <= n < 100 else f"{n:.0f}"
