"""What can be said of trials without effect sizes: directions, combined p values, the range of effects."""

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

_NO_POOL = "it is a synthesis without effect sizes and estimates no mean effect."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Directions(Recorded):
    """Which way the trials point, by outcome: how many favour the experimental arm, of those with a direction.

    A row of trials is a trial and an outcome: ``direction`` is 1 where it favours the experimental arm, -1 the control arm, 0
    where neither is favoured or outcomes of one domain point both ways, NaN where the trial does not say. ``sizes`` are
    patients of the experimental arm. By outcome (``terms``): ``estimate`` is the share that favours the experimental arm,
    ``interval`` that of Clopper and Pearson, ``wilson`` the score interval, ``p_value`` two-sided and ``p_one_sided`` of the
    exact test of one half. How significant a trial was is counted nowhere.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": _NO_POOL}

    question: Question
    level: float
    labels: tuple[str, ...]
    outcomes: tuple[str, ...]
    direction: np.ndarray
    sizes: np.ndarray
    terms: tuple[str, ...]
    favourable: np.ndarray
    directed: np.ndarray
    estimate: np.ndarray
    interval: np.ndarray
    wilson: np.ndarray
    p_value: np.ndarray
    p_one_sided: np.ndarray
    method: str = "exact binomial test"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Trials, with or without a direction."""
        return len(set(self.labels))

    @property
    def rows(self) -> pd.DataFrame:
        """A row a trial and outcome: study, outcome, direction, n."""
        import pandas as pd

        return pd.DataFrame({
            "study": self.labels, "outcome": self.outcomes, "direction": self.direction, "n": self.sizes,
        })  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """A row an outcome: term, favourable, directed, estimate, ci_low, ci_high, p_value, p_one_sided, scale."""
        import pandas as pd

        return pd.DataFrame({
            "term": self.terms, "favourable": self.favourable, "directed": self.directed, "estimate": self.estimate,
            "ci_low": self.interval[:, 0], "ci_high": self.interval[:, 1], "p_value": self.p_value,
            "p_one_sided": self.p_one_sided, "scale": "share of trials",
        })  # fmt: skip

    def sentences(self) -> list[str]:
        """What the directions say, a sentence an outcome; none says how large an effect is."""
        return [self._sentence(i) for i in range(len(self.terms))]

    def _sentence(self, i: int) -> str:
        mine = np.array([name == self.terms[i] for name in self.outcomes])
        favour, of, every = int(self.favourable[i]), int(self.directed[i]), int(mine.sum())
        head = f"{self.terms[i]}: " if self.terms[i] else ""
        silent = f"; {every - of} of {every} trials report none, or both" if every > of else ""
        if not of:
            return f"{head}no trial reports a direction of effect{f' ({every} known)' if every else ''}."
        low, high = self.interval[i]
        p = self.p_value[i]
        return (
            f"{head}{favour} of {of} {'trial' if of == 1 else 'trials'} with a direction "
            f"{'favours' if favour == 1 else 'favour'} {_arm(self.question)} "
            f"({100 * favour / of:.0f}%, {tx.level_text(self.level)} interval {100 * low:.0f}% to {100 * high:.0f}%; exact "
            f"p = {tx.short(float(p), 2)}){silent}."
        )

    def __str__(self) -> str:
        lines = ["direction of effect, exact binomial test", *self.sentences(), "This says nothing of how large an effect is."]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CombinedPValues(Recorded):
    """One-sided p values of independent trials, combined in several ways, which are its ``terms``.

    Every one tests that no trial has an effect in the stated direction; ``log_p`` holds where ``p_value`` is too small to be a
    number. ``p`` and ``sizes`` (patients in all, NaN where unknown) are the trials'.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": _NO_POOL}

    question: Question
    labels: tuple[str, ...]
    p: np.ndarray
    weights: np.ndarray
    sizes: np.ndarray
    truncation: float
    terms: tuple[str, ...]
    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    log_p: np.ndarray
    method: str = "combination of one-sided p values"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.p)

    @property
    def below(self) -> int:
        """Trials whose p value the truncated product takes."""
        return int(np.sum(self.p <= self.truncation))

    @property
    def rows(self) -> pd.DataFrame:
        """A row a trial: study, its one-sided p_value, n and weight."""
        import pandas as pd

        return pd.DataFrame({"study": self.labels, "p_value": self.p, "n": self.sizes, "weight": self.weights})

    def to_frame(self) -> pd.DataFrame:
        """A row a way of combining: term, statistic, df, p_value, log_p."""
        import pandas as pd

        own = {"statistic": self.statistic, "df": self.df, "p_value": self.p_value, "log_p": self.log_p}
        return pd.DataFrame({"term": self.terms, **own})

    def __str__(self) -> str:
        lines = [f"combined one-sided p values, k = {self.k}"]
        for term, log_p in zip(self.terms, self.log_p.tolist(), strict=True):
            lines.append(f"  {term}: {_p_text(log_p)}")
        lines.append(
            "A small p says that at least one trial has an effect in the stated direction, not how large, nor in how many."
        )
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EffectRange(Recorded):
    """Median, quartiles and range of effects that carry no usable standard error (``quartiles`` by linear interpolation)."""

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {
        "": _NO_POOL,
        "interval": "effects without their standard errors give a range of what was seen, no interval of a mean.",
    }

    question: Question
    labels: tuple[str, ...]
    y: np.ndarray
    estimate: float
    quartiles: np.ndarray
    low: float
    high: float
    method: str = "median and range of effects"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    def to_frame(self) -> pd.DataFrame:
        """Median, quartiles and range as rows: term, estimate, scale."""
        import pandas as pd

        from vfmeta.results.frames import scaled

        terms = ("smallest", "lower quartile", "median", "upper quartile", "largest")
        values = (self.low, self.quartiles[0], self.estimate, self.quartiles[1], self.high)
        return scaled(pd.DataFrame({"term": terms, "estimate": values}), self.question)

    def __str__(self) -> str:
        each = [tx.value_text(self.question, x) for x in (self.estimate, self.low, self.high)]
        trials = "trial" if self.k == 1 else "trials"
        return (
            f"{tx.measure_text(self.question)}, {self.k} {trials}: median {each[0]}, from {each[1]} to {each[2]}; not weighted"
        )


def _arm(question: Question) -> str:
    return "the experimental arm" if question.experimental == "experimental" else question.experimental


def _p_text(log_p: float) -> str:
    if math.isnan(log_p):
        return "not defined: a p value of 0 meets one of 1"
    if log_p < math.log(1e-4):
        exponent = math.floor(log_p / math.log(10)) if math.isfinite(log_p) else 0
        return f"p = {math.exp(log_p - exponent * math.log(10)):.1f}e{exponent:d}" if math.isfinite(log_p) else "p = 0"
    return f"p = {tx.short(math.exp(log_p), 2)}"
