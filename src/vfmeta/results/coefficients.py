"""What every regression shows of its coefficients: a tidy table, lines of text, and predictions with their transforms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.core.question import Question


class Coefficients:
    """For results with ``names``, ``beta``, ``se``, ``statistic``, ``df``, ``p_value``, ``intervals`` (p, 2) and ``level``."""

    question: Question
    names: tuple[str, ...]
    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    df: Any
    p_value: np.ndarray
    intervals: np.ndarray
    level: float
    warnings: tuple[str, ...]

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row per coefficient: coefficient, estimate, se, statistic, df, p_value, ci_low, ci_high."""
        import pandas as pd

        return pd.DataFrame({
            "coefficient": list(self.names), "estimate": self.beta, "se": self.se, "statistic": self.statistic,
            "df": math.inf if self.df is None else self.df, "p_value": self.p_value, "ci_low": self.intervals[:, 0],
            "ci_high": self.intervals[:, 1],
        })  # fmt: skip

    def _text(self, head: str, *foot: str) -> str:
        """The coefficients below a heading, what is said of all of them, and the notes."""
        width = max(12, *map(len, self.names))
        rows = [
            f"{n:<{width}}  {tx.short(b, 4):>10}  {tx.short(s):>8}  {tx.span_text((lo, hi)):>22}  {tx.short(p):>8}"
            for n, b, s, (lo, hi), p in zip(self.names, self.beta, self.se, self.intervals, self.p_value, strict=True)
        ]
        columns = f"{'':<{width}}  {'estimate':>10}  {'se':>8}  {f'{tx.level_text(self.level)} CI':>22}  {'p':>8}"
        return "\n".join([head, columns, *rows, *foot, *(f"note: {w}" for w in self.warnings)])

    def _predictions(
        self, estimate: np.ndarray, se: np.ndarray, reach: Any, wide: np.ndarray, transform: Any, index: list[str] | None
    ) -> pd.DataFrame:
        """Predictions with limits ``reach`` standard errors and ``wide`` away; ``transform`` is applied to all but ``se``."""
        import pandas as pd

        columns = {
            "estimate": estimate, "se": se, "ci_low": estimate - reach * se, "ci_high": estimate + reach * se,
            "prediction_low": estimate - wide, "prediction_high": estimate + wide,
        }  # fmt: skip
        if transform is True:
            transform = self.question.display
        if transform is not None:
            columns = {n: (c if n == "se" else np.asarray(transform(c), dtype=float)) for n, c in columns.items()}
        return pd.DataFrame(columns, index=index)
