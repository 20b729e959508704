"""Effects adjusted for what may not have been published, each beside the pool as it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, is_finite
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.results.wald import TestResult
from vfmeta.text import numbers as tx
from vfmeta.text.levels import level_note

if TYPE_CHECKING:
    import pandas as pd

_OTHER = "it adjusts an effect for what may be missing; the pool of the same studies has it."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Adjusted(Recorded):
    """An effect under an assumption about selection or small studies.

    ``unadjusted`` is the pool as it stands (REML, or the common effect where the method starts from it), ``favoured`` the side
    taken to be published more easily ("higher" or "lower" effects; "" where the method asks for none).
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": _OTHER}

    question: Question
    name: str
    method: str
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    unadjusted: float
    estimate: float
    se: float
    interval: Pair
    favoured: str = ""
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def centre(self) -> float:
        """Where a funnel stands without the adjustment."""
        return self.unadjusted

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row for the adjusted effect, with its interval and test, and one for the pool as it stands."""
        import pandas as pd

        row = {
            "term": self.name, "k": self.k, "estimate": self.estimate, "se": self.se, "ci_low": self.interval[0],
            "ci_high": self.interval[1], **self._tested(),
        }  # fmt: skip
        as_is = {"term": "unadjusted", "k": self.k, "estimate": self.unadjusted}
        return scaled(pd.DataFrame([row, as_is]), self.question, on)

    def _tested(self) -> dict[str, Any]:
        return {}

    def sentence(self) -> str:
        """What the adjustment does to the effect, and what it rests on."""
        q = self.question
        was, now = tx.value_text(q, self.unadjusted), tx.effect_text(q, self.estimate, self.interval)
        return f"{tx.measure_text(q)} {was} becomes {now} ({tx.level_text(self.level)} interval). {self._rests()}"

    def _rests(self) -> str:
        return "No adjustment knows what was not published: read it as one of several."

    def _lines(self) -> list[str]:
        return []

    def __str__(self) -> str:
        q = self.question
        head = [f"{self.name}, k = {self.k} ({self.method})"]
        head.append(f"adjusted   {tx.effect_text(q, self.estimate, self.interval)}  ({tx.level_text(self.level)} interval)")
        head.append(f"unadjusted {tx.value_text(q, self.unadjusted)}")
        return "\n".join([*head, *self._lines(), self.sentence(), *self.warnings, *self._level()])

    def _level(self) -> list[str]:
        """How far the interval is from its level, where simulations show that."""
        return []


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AdjustedEffect(Adjusted):
    """An adjusted effect with a test of "no difference"."""

    statistic: float
    df: float | None
    p_value: float
    test: str

    def _tested(self) -> dict[str, Any]:
        df = math.inf if self.df is None else self.df
        return {"statistic": self.statistic, "df": df, "p_value": self.p_value}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PrecisionEffect(AdjustedEffect):
    """PET or PEESE: the line of a funnel where the standard error is 0.

    ``slope`` is that of effects over ``predictor`` (``x``, "SE" or "variance"); ``conditional_p`` is PET's one-sided p value by
    which PET-PEESE chose (NaN where nothing was chosen).
    """

    predictor: str
    x: np.ndarray
    weights: np.ndarray
    slope: float
    slope_se: float
    chosen: str
    conditional_p: float = math.nan

    def _lines(self) -> list[str]:
        lines = [f"slope      {tx.short(self.slope)} per {self.predictor} (SE {tx.short(self.slope_se)})"]
        if not math.isnan(self.conditional_p):
            lines.append(
                f"{self.chosen} is taken: PET's one-sided p towards {self.favoured} effects is {tx.short(self.conditional_p)}"
            )
        return lines

    def _level(self) -> list[str]:
        return level_note("peese", self.predictor == "variance" and self.k <= 20)

    def _rests(self) -> str:
        return (
            "It takes all of the trend over study size for bias, carries the line beyond the largest study, and does badly "
            "with few studies, with much heterogeneity or where all studies are of like size (Stanley 2017, Soc Psychol "
            "Personal Sci 8:581-591)."
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HenmiCopas(Adjusted):
    """Common-effect mean with an interval that minds heterogeneity, which small studies move less than the usual one.

    Henmi & Copas 2010, Stat Med 29:2969-2983; ``tau2`` is DerSimonian and Laird's.
    """

    absent: ClassVar[dict[str, str]] = {
        "": _OTHER,
        **dict.fromkeys(("statistic", "df", "p_value"), "the method gives an interval and no test."),
    }

    tau2: float

    def _lines(self) -> list[str]:
        return [f"tau2       {tx.short(self.tau2)} (DL)"]

    def _rests(self) -> str:
        return "Nothing is imputed or modelled: large studies simply count for more than in a random-effects pool."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LimitMetaAnalysis(AdjustedEffect):
    """Limit meta-analysis (Rücker et al. 2011, Biostatistics 12:122-142): what a study of infinite size would show.

    ``bias`` (alpha) and ``slope`` (beta) are the two coefficients, ``estimate`` beta + tau alpha, ``shrunken`` (k,) the studies
    with their sampling error taken out.
    """

    tau2: float
    bias: float
    bias_se: float
    slope: float
    shrunken: np.ndarray

    def _lines(self) -> list[str]:
        return [f"bias       {tx.short(self.bias)} (SE {tx.short(self.bias_se)}), tau2 {tx.short(self.tau2)}"]

    def _rests(self) -> str:
        return "It takes the trend over study size for bias and carries it to a study without sampling error."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PUniformStar(AdjustedEffect):
    """p-uniform* (van Aert & van Assen 2021, arXiv): each effect given that it is, or is not, significant towards one side.

    ``tau2`` is estimated with the effect by maximum likelihood, ``likelihood_ratio`` tests "no difference", ``significant`` is
    how many studies are. A limit of the profile-likelihood interval is infinite where the likelihood never falls far enough.
    """

    tau2: float
    log_likelihood: float
    likelihood_ratio: TestResult
    significant: int

    def _lines(self) -> list[str]:
        return [f"{self.significant} of {self.k} are significant towards {self.favoured} effects; tau2 {tx.short(self.tau2)}"]

    def _rests(self) -> str:
        return "It assumes that significance alone (one-sided p below 0.025) decides what is published."


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WorstCase(AdjustedEffect):
    """Pool of the studies that nobody would have chosen to publish, and how strong selection must be to explain the rest.

    Mathur & VanderWeele 2020, JRSS C 69:1091-1119. A study is ``affirmative`` where it is significant towards the favoured
    side. The ``estimate`` pools the others: no selection by that rule, however strong, can bring the pool past it. An s-value
    is how many times likelier affirmative results must be to be published for the mean (``s_value``), or the limit of its
    interval (``s_value_interval``), to reach "no difference": inf where no selection does it, 1 where it is there already;
    ``s_values`` has those with a common effect and with tau2 of the naive pool.
    """

    tau2: float | None
    affirmative: np.ndarray
    s_values: dict[str, float]

    @property
    def s_value(self) -> float:
        return self.s_values["common, mean"] if self.test == "common" else self.s_values["random, mean"]

    @property
    def s_value_interval(self) -> float:
        return self.s_values["common, interval"] if self.test == "common" else self.s_values["random, interval"]

    def corrected(self, times: float, tau2: float = 0.0) -> tuple[float, float]:
        """Mean and standard error where affirmative studies are ``times`` as likely to be published as others.

        Weights are 1 / (v + tau2), those of the other studies multiplied by ``times``.
        """
        if not (is_finite(times) and times >= 1):
            raise InputError(f"times={times!r} must be a number of at least 1.")
        w = 1 / (self.v + tau2)
        a = np.where(self.affirmative > 0, 1.0, times) * w
        total = float(a.sum())
        return float(a @ self.y) / total, math.sqrt(float(a @ (a / w))) / total

    def _lines(self) -> list[str]:
        count = int(self.affirmative.sum())
        lines = [
            f"{count} of {self.k} studies are significant towards {self.favoured} effects; the worst case pools the others"
        ]
        for name, value in self.s_values.items():
            lines.append(f"s-value    {tx.short(value, 4)} ({name})")
        return lines

    def _level(self) -> list[str]:
        return level_note("worst_case", bool(self.tau2))

    def _rests(self) -> str:
        return self.needed()

    def needed(self) -> str:
        """How strong selection would have to be, in words."""
        s = self.s_value
        if math.isinf(s):
            return "Under this rule no publication bias, however strong, would bring the mean to no difference."
        if s <= 1:
            return "The mean lies at or beyond no difference without any publication bias."
        return (
            f"Results significant towards {self.favoured} effects would have to be {tx.short(s)} times as likely to be "
            "published as others for the mean to be no difference."
        )
