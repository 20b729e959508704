"""What every regression shows of its coefficients: a tidy table, lines of text, and predictions on either scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.results.shown import Shown, of_coefficients
from vfmeta.results.wald import TestResult, carried, ratio, two_sided, wald
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

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

    def __post_init__(self) -> None:
        if self.question.null_effect == 0:  # what the engines test
            return
        against = self.against
        statistic = ratio(self.estimate - against, self.se)
        object.__setattr__(self, "statistic", statistic)
        object.__setattr__(self, "p_value", two_sided(statistic, self.df))
        names = getattr(self, "omnibus_of", self.terms if len(self.terms) == 1 else ())
        chosen = [i for i, name in enumerate(self.terms) if name in names]
        if hasattr(self, "omnibus") and np.any(against[chosen] != 0):
            object.__setattr__(self, "omnibus", self._omnibus(chosen, against))

    def _design(self) -> np.ndarray:
        """The design matrix, shape (k, p)."""
        return self.design.x

    @property
    def against(self) -> np.ndarray:
        """What each coefficient is tested against: no difference for mean effects, and 0 for slopes and differences.

        NaN for the mean effect of a measure that has no such value.
        """
        null, share = self.question.null_effect, carried(self._design())
        return np.where(share == 0, 0.0, share * (math.nan if null is None else null))

    @property
    def slopes(self) -> np.ndarray:
        """Whether a coefficient is a slope or a difference and not itself a mean effect, shape (p,)."""
        return carried(self._design()) != 1

    def _means(self, new: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the design at the studies (None) or new moderators, their mean effects and standard errors."""
        rows = self.design.x if new is None else self.design.rows(new)
        return rows, rows @ self.estimate, np.sqrt(np.einsum("ij,jk,ik->i", rows, self.vb, rows))

    def _omnibus(self, chosen: list[int], against: np.ndarray) -> TestResult:
        old = self.omnibus
        if np.isnan(against[chosen]).any():
            return TestResult(math.nan, old.df, old.df_residual, math.nan)
        vb = self.vb[np.ix_(chosen, chosen)]
        return wald(self.estimate[chosen] - against[chosen], vb, old.df_residual)

    def _shown(self) -> tuple[np.ndarray, np.ndarray, str]:
        """Estimates and intervals as print has them, and what they are."""
        return told(self.question, self.slopes, self.estimate, self.interval)

    @property
    def _read(self) -> bool:
        """Whether the coefficients can be told on the scale people read."""
        return can_be_read(self.question, self.slopes)

    def _foot(self) -> tuple[str, ...]:
        """What the numbers of slopes are, where that is not what the heading says."""
        turned = self.question.is_ratio and self.slopes.any() and not self.slopes.all()
        said = [f"beside mean effects, numbers are ratios of {self.question.shown} per unit"] if turned else []
        return (*said, *([f"not tested: {tx.NO_NULL}"] if np.isnan(self.against).any() else []))

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row per coefficient: term, estimate, se, ci_low, ci_high, statistic, df, p_value, scale."""
        return self.to_frame()

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """The coefficients; ``on="read"`` turns logs of ratios to ratios, and their slopes to ratios per unit."""
        import pandas as pd

        frame = pd.DataFrame({
            "term": list(self.terms), "estimate": self.estimate, "se": self.se, "ci_low": self.interval[:, 0],
            "ci_high": self.interval[:, 1], "statistic": self.statistic, "df": math.inf if self.df is None else self.df,
            "p_value": self.p_value,
        })  # fmt: skip
        return scaled(frame, self.question, on, slopes=self.slopes)

    @property
    def text(self) -> str:
        """One line for prose: every coefficient with its interval and p value."""
        estimate, interval, what = self._shown()
        held = [
            f"{n} {tx.short(b)} ({tx.ci_text(self.level, ci)}; {tx.p_text(float(p))})"
            for n, b, ci, p in zip(self.terms, estimate, interval, self.p_value, strict=True)
        ]
        return f"{what}: {'; '.join(held)}"

    def _display(self) -> Shown:
        estimate, interval, what = self._shown()
        columns = ("", what, f"se {tx.spread_of(self.question)}".rstrip(), f"{tx.level_text(self.level)} CI", "p")
        rows = [
            (n, tx.short(b, 4), tx.short(s), tx.span_text(ci), tx.short(p))
            for n, b, s, ci, p in zip(self.terms, estimate, self.se, interval, self.p_value, strict=True)
        ]
        return of_coefficients(str(self), columns, rows)

    def _text(self, head: str, *foot: str) -> str:
        """The coefficients below a heading, what is said of all of them, and the notes."""
        width = max(12, *map(len, self.terms))
        estimate, interval, what = self._shown()
        se = f"se {tx.spread_of(self.question)}".rstrip()
        wide = max(10, len(what)), max(8, len(se))
        wider = getattr(self, "adhoc_interval", None)
        beside: np.ndarray | tuple[()] = () if wider is None else told(self.question, self.slopes, self.estimate, wider)[1]
        untested = np.isnan(self.against)
        last = 10 if untested.any() else 8
        rows = [
            f"{n:<{width}}  {tx.short(b, 4):>{wide[0]}}  {tx.short(s):>{wide[1]}}  {tx.span_text(interval[i]):>22}  "
            + (f"{tx.span_text(beside[i]):>22}  " if len(beside) else "")
            + f"{'not tested' if untested[i] else tx.short(self.p_value[i]):>{last}}"
            for i, (n, b, s) in enumerate(zip(self.terms, estimate, self.se, strict=True))
        ]
        columns = f"{'':<{width}}  {what:>{wide[0]}}  {se:>{wide[1]}}  {f'{tx.level_text(self.level)} CI':>22}  "
        columns += (f"{'ad hoc HK':>22}  " if len(beside) else "") + f"{'p':>{last}}"
        return "\n".join([head, columns, *rows, *self._foot(), *foot, *closing_lines(self)])


def can_be_read(question: Question, slopes: np.ndarray) -> bool:
    """Whether coefficients can be told on the scale people read: exponentials of slopes are ratios, else only mean effects."""
    turned = question.shown == question.facts.read_name
    return turned and (question.is_ratio or not question.scale.name or not slopes.any())


def told(
    question: Question, slopes: np.ndarray, estimate: np.ndarray, interval: np.ndarray
) -> tuple[np.ndarray, np.ndarray, str]:
    """Coefficients (p,) and intervals (p, 2) as print has them, and what they are: as people read them where that can be."""
    if not question.scale.name and question.shown == question.facts.read_name:  # mean effects stay what the measure can be
        within = np.where(slopes[:, None], interval, question.display(interval))
        return np.where(slopes, estimate, question.display(estimate)), within, question.shown
    if not can_be_read(question, slopes):
        return estimate, interval, question.facts.analysis_name
    turn = question.scale.to_read if question.is_ratio else question.display
    return turn(estimate), turn(interval), f"ratio of {question.shown}" if slopes.all() else question.shown


def predictions(
    question: Question, estimate: np.ndarray, se: np.ndarray, reach: Any, wide: Any, on: OnScale, index: Any = None, **more: Any
) -> pd.DataFrame:
    """Predictions with limits ``reach`` standard errors and ``wide`` away, on either scale; ``more`` columns come first."""
    near, far = (np.column_stack([estimate - x, estimate + x]) for x in (reach * se, wide))
    return predicted(question, estimate, se, near, far, on, index, **more)


def predicted_mean(fit: Any, on: OnScale) -> pd.DataFrame:
    """The mean effect of a fit with its interval and prediction interval, one row."""
    near, far = np.array([fit.interval]), np.array([fit.prediction or (math.nan, math.nan)])
    return predicted(fit.question, np.array([fit.estimate]), np.array([fit.se]), near, far, on)


def predicted(
    question: Question, estimate: np.ndarray, se: np.ndarray, near: np.ndarray, far: np.ndarray, on: OnScale, index: Any = None,
    **more: Any,
) -> pd.DataFrame:  # fmt: skip
    """The same with the limits (m, 2) of the mean effects, ``near``, and of the true effects, ``far``."""
    import pandas as pd

    columns = {
        **more, "estimate": estimate, "se": se, "ci_low": near[:, 0], "ci_high": near[:, 1], "prediction_low": far[:, 0],
        "prediction_high": far[:, 1],
    }  # fmt: skip
    return scaled(pd.DataFrame(columns, index=index), question, on)
