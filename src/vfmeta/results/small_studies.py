"""Tests of whether effects change with the size of their studies: a line through the funnel, or a rank correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.text import numbers as tx
from vfmeta.text.levels import level_note

if TYPE_CHECKING:
    import pandas as pd

FEW = 10  # studies, below which no test of funnel asymmetry should be used (Sterne et al. 2011, BMJ 343:d4002)
TREND = 0.1  # p below which such tests are read as a trend, since they have little power (Egger et al. 1997, BMJ 315:629-634)
PREDICTORS = {
    "SE": "the standard error", "variance": "the sampling variance", "N": "the number of patients",
    "1/N": "one over the number of patients", "1/sqrt(N)": "one over the root of the number of patients",
    "1/sqrt(V)": "one over the root of the score's variance", "1/sqrt(ESS)": "one over the root of the effective sample size",
    "sqrt(1/n1 + 1/n2)": "the part of the standard error that does not hang on the effect",
}  # fmt: skip
_OTHER = "it tests for small-study effects and pools nothing; the pool of the same studies has it."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AsymmetryTest(Recorded):
    """A line through the funnel: effects over a ``predictor`` that is small (or, for "N", large) where studies are large.

    ``estimate`` is its slope, with ``se``, ``statistic``, ``df`` (None: normal), ``p_value`` and ``interval``; ``limit`` is the
    line where the predictor is 0, so for a study of no error, with ``limit_se`` and ``limit_interval`` (NaN for "N", and with
    moderators). ``y`` and ``v`` (k,) are what was regressed (Harbord's are scores), ``x`` the predictor, ``weights`` (percent)
    how much each study counts, ``centre`` the mean by inverse variance. ``tau2`` is the residual one of the mixed model, None
    where the line's own residuals say how far studies scatter. ``moderators`` names what else is in the model, and ``reason``
    says why this test, where it was chosen.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": _OTHER}

    question: Question
    name: str
    model: str
    predictor: str
    method: str
    test: str
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    weights: np.ndarray
    centre: float
    estimate: float
    se: float
    statistic: float
    df: float | None
    p_value: float
    interval: Pair
    limit: float
    limit_se: float
    limit_interval: Pair
    tau2: float | None = None
    moderators: tuple[str, ...] = ()
    reason: str = ""
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    def to_frame(self) -> pd.DataFrame:
        """One row: the test, its slope with interval and p value, tau2, and the line where the predictor is 0."""
        import pandas as pd

        row = {
            "term": self.name, "predictor": self.predictor, "model": self.model, "k": self.k, "estimate": self.estimate,
            "se": self.se, "ci_low": self.interval[0], "ci_high": self.interval[1], "statistic": self.statistic,
            "df": math.inf if self.df is None else self.df, "p_value": self.p_value,
            "tau2": math.nan if self.tau2 is None else self.tau2, "limit": self.limit, "limit_low": self.limit_interval[0],
            "limit_high": self.limit_interval[1], "scale": f"{self.question.facts.analysis_name} per {self.predictor}",
        }  # fmt: skip
        return pd.DataFrame([row])

    def sentence(self) -> str:
        """What the test says, and what it does not."""
        return _said(self.p_value, self.k, (self.estimate > 0) != (self.predictor == "N"))

    def __str__(self) -> str:
        how = "weighted" if self.model == "weighted" else f"mixed-effects ({self.method})"
        shown = [tx.short(x) for x in (self.estimate, *self.interval)]
        sign, df = ("z", "") if self.df is None else ("t", f" on {self.df:.4g} df")
        lines = [
            f"{self.name}, k = {self.k}: {how} regression on {PREDICTORS[self.predictor]}",
            f"slope      {shown[0]}  ({tx.level_text(self.level)} CI {shown[1]} to {shown[2]})",
            f"{sign}          {tx.short(self.statistic)}{df}, p = {tx.short(self.p_value)}",
        ]
        if not math.isnan(self.limit):
            at = tx.effect_text(self.question, self.limit, self.limit_interval)
            lines.append(f"the line of a study without error: {tx.measure_text(self.question)} {at}")
        if self.moderators:
            lines.append(f"beside       {', '.join(self.moderators)}")
        if self.tau2 is not None:
            lines.append(f"residual tau2 {tx.short(self.tau2)}")
        said = level_note("harbord", self.name.startswith("Harbord"))
        return "\n".join([*lines, *([self.reason] if self.reason else []), self.sentence(), *self.warnings, *said])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RankTest(Recorded):
    """Rank correlation of effects with their variances (Begg & Mazumdar 1994, Biometrics 50:1088-1101).

    ``estimate`` is Kendall's tau-b of the standardised deviations with the variances, ``s`` the concordant less the discordant
    pairs and ``variance`` that of ``s`` over all orders. ``p_exact`` counts the orders (NaN where ties on both sides leave too
    many), and is ``p_value`` where it is known; ``statistic`` is the normal one.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {
        "": _OTHER,
        "se": "a rank correlation has none that is of use; its test is exact.",
        "interval": "the test is of no association, and no interval goes with it.",
    }

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    centre: float
    estimate: float
    s: int
    variance: float
    p_exact: float
    name: str = "Begg's test"
    method: str = "Kendall's tau-b"
    reason: str = ""
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    df: ClassVar[None] = None

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def statistic(self) -> float:
        """S over the root of its variance, which minds ties; without a continuity correction."""
        return self.s / math.sqrt(self.variance)

    @property
    def test(self) -> str:
        return "normal" if math.isnan(self.p_exact) else "exact"

    @property
    def p_value(self) -> float:
        """The exact p value, or where there is none the normal one."""
        return self.p_normal() if math.isnan(self.p_exact) else self.p_exact

    def p_normal(self, *, continuity: bool = False) -> float:
        """Two-sided p value of the normal approximation, with S nearer to 0 by 1 if ``continuity`` is corrected for."""
        size = max(abs(self.s) - 1, 0) if continuity else abs(self.s)
        return math.erfc(size / math.sqrt(2 * self.variance))

    def to_frame(self) -> pd.DataFrame:
        """One row: term, k, estimate, statistic, p_value, p_exact, p_normal, scale."""
        import pandas as pd

        row = {
            "term": self.name, "k": self.k, "estimate": self.estimate, "statistic": self.statistic, "p_value": self.p_value,
            "p_exact": self.p_exact, "p_normal": self.p_normal(), "scale": self.method,
        }  # fmt: skip
        return pd.DataFrame([row])

    def sentence(self) -> str:
        """What the test says, and what it does not."""
        return _said(self.p_value, self.k, self.estimate > 0)

    def __str__(self) -> str:
        lines = [
            f"{self.name}, k = {self.k}: rank correlation of effects with their variances",
            f"tau-b      {tx.short(self.estimate)}  (S = {self.s}, z = {tx.short(self.statistic)})",
            f"p          {tx.short(self.p_value)} ({self.test})",
        ]
        return "\n".join([*lines, *([self.reason] if self.reason else []), self.sentence(), *self.warnings])


def _said(p: float, k: int, higher: bool) -> str:
    if math.isnan(p):
        return "Nothing can be said of a trend of effects over the size of studies."
    if p < TREND:
        return (
            f"Small studies show {'higher' if higher else 'lower'} effects than large ones (p = {tx.short(p, 2)}). Selective "
            "publication is one cause of it; chance, flaws of small studies and effects that truly differ are others."
        )
    few = f", and with {k} studies hardly any" if k < FEW else ""
    return (
        f"No trend of effects over the size of studies was found (p = {tx.short(p, 2)}), which does not show that there is "
        f"none: such tests have little power{few}."
    )


def few_to_select(k: int) -> tuple[str, ...]:
    """The warning of models and counts of selected results where studies are few."""
    return (f"{k} studies: fewer than {FEW} say next to nothing of selection.",) if k < FEW else ()


def few_studies(k: int) -> tuple[str, ...]:
    """The warning of every such test where studies are few."""
    if k < 3:
        raise InputError(
            f"{'One study has' if k == 1 else f'{k} studies have'} no funnel; a test for small-study effects needs 3."
        )
    if k >= FEW:
        return ()
    return (
        f"Only {k} studies: below {FEW} a test for small-study effects has hardly any power and should not be used (Sterne et "
        "al. 2011, BMJ 343:d4002).",
    )
