"""What every regression shows of its coefficients: a tidy table, lines of text, and predictions on either scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class Coefficients(Recorded):
    """Results with ``terms``, ``estimate``, ``se``, ``statistic``, ``df``, ``p_value``, ``interval`` (p, 2) and ``level``."""

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    df: Any
    p_value: np.ndarray
    interval: np.ndarray
    level: float
    warnings: tuple[str, ...]

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row per coefficient: term, estimate, se, ci_low, ci_high, statistic, df, p_value, scale."""
        return self.to_frame()

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """The coefficients; ``on="read"`` turns logs of ratios to ratios."""
        import pandas as pd

        frame = pd.DataFrame({
            "term": list(self.terms), "estimate": self.estimate, "se": self.se, "ci_low": self.interval[:, 0],
            "ci_high": self.interval[:, 1], "statistic": self.statistic, "df": math.inf if self.df is None else self.df,
            "p_value": self.p_value,
        })  # fmt: skip
        return scaled(frame, self.question, on, slopes=self.terms != ("Intercept",))

    def _text(self, head: str, *foot: str) -> str:
        """The coefficients below a heading, what is said of all of them, and the notes."""
        width = max(12, *map(len, self.terms))
        rows = [
            f"{n:<{width}}  {tx.short(b, 4):>10}  {tx.short(s):>8}  {tx.span_text((lo, hi)):>22}  {tx.short(p):>8}"
            for n, b, s, (lo, hi), p in zip(self.terms, self.estimate, self.se, self.interval, self.p_value, strict=True)
        ]
        columns = f"{'':<{width}}  {'estimate':>10}  {'se':>8}  {f'{tx.level_text(self.level)} CI':>22}  {'p':>8}"
        return "\n".join([head, columns, *rows, *foot, *(f"note: {w}" for w in self.warnings)])


def predictions(
    question: Question, estimate: np.ndarray, se: np.ndarray, reach: Any, wide: Any, on: OnScale, index: Any = None, **more: Any
) -> pd.DataFrame:
    """Predictions with limits ``reach`` standard errors and ``wide`` away, on either scale; ``more`` columns come first."""
    import pandas as pd

    columns = {
        **more, "estimate": estimate, "se": se, "ci_low": estimate - reach * se, "ci_high": estimate + reach * se,
        "prediction_low": estimate - wide, "prediction_high": estimate + wide,
    }  # fmt: skip
    return scaled(pd.DataFrame(columns, index=index), question, on)
