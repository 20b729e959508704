"""What is asked for although its critics are right: each says first what it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Doubted(Recorded):
    """A method with its criticism, which is the first line of its print."""

    engine: ClassVar[str] = "appraisal"
    criticism: ClassVar[str] = ""

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    def sentence(self) -> str:
        """What it says, in words."""
        return self.criticism

    def _lines(self) -> list[str]:
        return []

    def __str__(self) -> str:
        return "\n".join([self.criticism, *self._lines(), self.sentence(), *self.warnings])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LfkIndex(Doubted):
    """LFK index and the points of a Doi plot.

    ``order`` (k,) are the studies from the lowest effect on, ``z`` (k,) their normal scores by rank, where a study stands for
    as many as its precision.
    """

    criticism: ClassVar[str] = (
        "The LFK index is no test: its limits of 1 and 2 come from no sampling distribution, and its false positives hang on "
        "the number of studies and on heterogeneity (Schwarzer, Rücker & Semaca 2024, Res Synth Methods 15:603-615)."
    )
    absent: ClassVar[dict[str, str]] = {"": "an index of a plot has no error and no test; the pool of the same studies has it."}

    index: float
    order: np.ndarray
    z: np.ndarray
    method: str = "LFK index"

    def to_frame(self) -> pd.DataFrame:
        """A row a study, from the lowest effect on: study, estimate, se, score (normal, by rank), scale."""
        import pandas as pd

        at = self.order.astype(int)
        frame = pd.DataFrame({
            "study": [self.labels[i] for i in at.tolist()], "estimate": self.y[at], "se": np.sqrt(self.v[at]), "score": self.z,
        })  # fmt: skip
        return scaled(frame, self.question)

    def sentence(self) -> str:
        """The index, and what its authors call it."""
        size = abs(self.index)
        called = "no asymmetry" if size <= 1 else "minor asymmetry" if size <= 2 else "major asymmetry"
        return f"The index is {tx.fixed(self.index, 2)}, which its authors call {called}."

    def _lines(self) -> list[str]:
        return [f"LFK index, k = {self.k}"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PCurve(Doubted):
    """Tests of the p values below 0.05, and the power they seem to come from.

    ``terms``, ``statistic`` and ``p_value`` are those of the tests; ``p`` (k,) are two-sided. ``power`` is estimated from the
    significant studies, with ``power_interval`` at the level.
    """

    criticism: ClassVar[str] = (
        "The p-curve says nothing of the effects themselves: its tests can turn to the opposite answer as evidence grows, and "
        "its power is biased where effects differ (Morey & Davis-Stober 2025, J Am Stat Assoc; McShane, "
        "Böckenholt & Hansen 2016, Perspect Psychol Sci 11:730-749)."
    )
    absent: ClassVar[dict[str, str]] = {
        "": "it looks at significant p values alone and estimates no effect; the pool of the same studies has it.",
    }

    p: np.ndarray
    terms: tuple[str, ...]
    statistic: np.ndarray
    p_value: np.ndarray
    power: float
    power_interval: Pair
    method: str = "p-curve"
    test: str = "Stouffer"

    @property
    def significant(self) -> int:
        return int((self.p < 0.05).sum())

    @property
    def evidential(self) -> bool:
        """Whether it finds "evidential value": the half curve is skewed at 0.05, or both curves at 0.1."""
        _, full, half = self.p_value[:3].tolist()
        return bool(half < 0.05 or (full < 0.1 and half < 0.1))

    @property
    def inadequate(self) -> bool:
        """Whether it is flatter than of a power of a third: the full curve at 0.05, or the half curve and the count at 0.1."""
        count, full, half = self.p_value[3:].tolist()
        return bool(full < 0.05 or (half < 0.1 and count < 0.1))

    def to_frame(self) -> pd.DataFrame:
        """A row a test: term, k (the p values it takes), statistic (NaN of an exact one), p_value."""
        import pandas as pd

        full, half = self.significant, int((self.p < 0.025).sum())
        return pd.DataFrame({
            "term": self.terms, "k": [full, full, half] * 2, "statistic": self.statistic, "p_value": self.p_value,
        })  # fmt: skip

    def sentence(self) -> str:
        """What the tests are read as, and the power."""
        value = "evidential value" if self.evidential else "no evidential value"
        flat = "; it is flatter than of studies with a power of a third" if self.inadequate else ""
        low, high = (100 * x for x in self.power_interval)
        return (
            f"Of {self.k} studies {self.significant} are significant; the curve is read as {value}{flat}. Their power seems to "
            f"be {100 * self.power:.0f}% ({low:.0f} to {high:.0f})."
        )

    def _lines(self) -> list[str]:
        lines = [f"p-curve, k = {self.k}, {self.significant} with p below 0.05"]
        for term, z, p in zip(self.terms, self.statistic.tolist(), self.p_value.tolist(), strict=True):
            lines.append(f"  {term}: {'' if math.isnan(z) else f'z = {tx.short(z)}, '}p = {tx.short(p)}")
        return lines


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CopasPath(Doubted):
    """The mean under ever stronger selection of studies by their precision and their effect.

    Arrays have a row a ``chance`` (that of the least precise study to be published): ``mean``, ``mean_se``, ``tau2``, ``rho``
    (correlation of effect and selection), ``log_likelihood``, ``residual_p`` (of the trend that is left) and ``unpublished``
    (studies that the chances leave unseen). ``at`` is the row of ``estimate``: the least selection that leaves no trend.
    """

    criticism: ClassVar[str] = (
        "The Copas model answers what if, not what is: how strong selection is cannot be estimated from the studies seen, and "
        "the answer below is that of a rule; with few studies the likelihood is flat (Copas & Shi 2001, Stat Methods Med Res "
        "10:251-265; Carpenter et al. 2009, J Clin Epidemiol 62:624-631)."
    )
    absent: ClassVar[dict[str, str]] = {
        "": "the path is a sensitivity analysis; the pool of the same studies has it.",
    }

    chance: np.ndarray
    mean: np.ndarray
    mean_se: np.ndarray
    tau2_path: np.ndarray
    rho: np.ndarray
    log_likelihood: np.ndarray
    residual_p: np.ndarray
    unpublished: np.ndarray
    at: int
    estimate: float
    se: float
    interval: Pair
    tau2: float
    method: str = "Copas selection model, ML"

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row a chance: chance, unpublished, estimate, se, ci_low, ci_high, tau2, rho, log_likelihood, residual_p_value."""
        import pandas as pd

        from vfmeta.results.wald import quantile

        half = float(quantile(self.level, None)) * self.mean_se
        frame = pd.DataFrame({
            "chance": self.chance, "unpublished": self.unpublished, "estimate": self.mean, "se": self.mean_se,
            "ci_low": self.mean - half, "ci_high": self.mean + half, "tau2": self.tau2_path, "rho": self.rho,
            "log_likelihood": self.log_likelihood, "residual_p_value": self.residual_p,
        })  # fmt: skip
        return scaled(frame, self.question, on)

    def sentence(self) -> str:
        """How the mean moves along the path, and where the rule stops."""
        q = self.question
        first, last = (tx.value_text(q, float(self.mean[i])) for i in (0, -1))
        said = f"From no selection to the strongest here the mean goes from {first} to {last}. "
        shown = tx.effect_text(q, self.estimate, self.interval)
        unseen = f"{float(self.unpublished[self.at]):.0f} studies unseen"
        if not self.residual_p[self.at] > 0.1:
            return said + f"A trend is left at every chance here; at the last one, with {unseen}, the mean is {shown}."
        if self.at == 0:
            return said + f"Without any selection no trend is left to explain, so the rule stays at {shown}."
        return said + (
            f"The least selection that leaves no trend (p above 0.1) has the least precise study published with a chance of "
            f"{100 * self.chance[self.at]:.0f}% and {unseen}: {shown}."
        )

    def _lines(self) -> list[str]:
        q = self.question
        lines = [f"Copas selection model, k = {self.k} (ML)", "chance  mean  unseen  trend left p"]
        for c, m, n, p in zip(self.chance, self.mean, self.unpublished, self.residual_p, strict=True):
            lines.append(f"{c:6.2f}  {tx.value_text(q, float(m))}  {n:.1f}  {tx.short(float(p), 2)}")
        return lines
