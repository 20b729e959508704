"""What every pool answers with, under the same names whether the fit was frequentist or Bayesian.

A result holds numbers on the *analysis* scale (log for ratio measures); ``display`` puts them on the scale people read.
It knows the question it answers but no estimator, so plots and pages can be drawn from a result that was read back from JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, NotDefined, kind_of
from vfmeta.core.params import HeterogeneityInterval, OnScale, Test, choice, choices, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.results.coefficients import predicted_mean
from vfmeta.results.frames import scaled
from vfmeta.results.heterogeneity import at_limits, tau2_limits
from vfmeta.results.information import Information
from vfmeta.results.shown import Shown, of_pool
from vfmeta.results.single_studies import study_limits
from vfmeta.results.wald import TestResult, quantile, ratio, two_sided
from vfmeta.text import fit as fit_text
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FrequentistResult", "Pair", "Question", "Result"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result(Recorded):
    """Fields and verbs common to every pool. Arrays have shape ``(k,)``; scale is the analysis scale.

    ``tau2`` is None where the heterogeneity is not estimable (k = 1) and ``prediction`` is None where no prediction
    interval is defined. ``details`` holds, per study, what a figure or table shows beside the effect (``n_experimental``,
    ``n_control``, ``week``, ``reading``, ...). ``warnings`` says, in words, everything to know before using the numbers.
    """

    question: Question
    model: str
    k: int
    estimate: float
    se: float
    interval: Pair
    level: float
    prediction: Pair | None
    tau2: float | None
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    weights: np.ndarray
    details: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def favours(self) -> str | None:
        """The side that the point estimate favours; None when the direction of the outcome is unknown."""
        return self.question.side(self.estimate)

    @property
    def wider_interval(self) -> Pair:
        """The interval by which sides and words are judged."""
        return self.interval

    @property
    def shown_prediction(self) -> Pair | None:
        """The prediction interval that stands beside `wider_interval`."""
        return self.prediction

    @property
    def excludes_null(self) -> bool:
        """Whether the wider interval leaves out "no difference"; False where nothing means that."""
        null, (low, high) = self.question.null_effect, self.wider_interval
        return null is not None and (low > null or high < null)

    @property
    def text(self) -> str:
        """One line for prose: "RR 0.63 (95% CI 0.54 to 0.74; k = 5; I2 = 0%)"."""
        return fit_text.prose_text(self)

    def _display(self) -> Shown:
        return of_pool(str(self))

    def _written(self) -> Shown:
        """The studies and the pool below them, as a forest plot tells them; the console's words below that."""
        import pandas as pd

        said = of_pool(str(self))
        studies = self.studies
        columns, rows = fit_text.study_cells(self, studies)
        pool = {"study": "pooled", **Result._mean(self), "weight": math.nan, "scale": studies["scale"].iloc[0]}
        frame = pd.DataFrame([*studies.to_dict("records"), pool], columns=studies.columns)
        lines = (*(f"{name}: {value}" for name, value in said.rows), *said.lines)
        return Shown(said.head, columns, rows, lines, frame)

    @property
    def studies(self) -> pd.DataFrame:
        """Per-study table on the analysis scale: study, estimate, se, ci_low, ci_high, weight (percent), scale.

        The limits are those of `vfmeta.study_intervals`.
        """
        import pandas as pd

        low, high = self._limits
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": np.sqrt(self.v), "ci_low": low, "ci_high": high,
            "weight": self.weights,
        })  # fmt: skip
        return scaled(frame, self.question)

    def study_interval(self, i: int) -> Pair:
        """Limits of study ``i`` (from 0) alone, as `studies` has them."""
        low, high = self._limits
        return float(low[i]), float(high[i])

    @cached_property
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        # worked out once: figure, table and page each ask for them, study by study
        own, _ = study_limits(self.question, self.y, self.v, self.details, self.level)
        return own.low, own.high

    @property
    def coefficients(self) -> pd.DataFrame:
        """The mean effect as a table of one coefficient, as of a regression without moderators."""
        import pandas as pd

        return scaled(pd.DataFrame([{"term": "Intercept", **self._mean()}]), self.question)

    def predict(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect with its interval and the prediction interval: estimate, se, ci_low, ci_high, prediction_low, ..."""
        return predicted_mean(self, on)

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """One tidy row with every scalar of the fit; effects on the scale that column ``scale`` names."""
        import pandas as pd

        return scaled(pd.DataFrame([self._scalars()]), self.question, on)

    def _mean(self) -> dict[str, Any]:
        return {"estimate": self.estimate, "se": self.se, "ci_low": self.interval[0], "ci_high": self.interval[1]}

    def _scalars(self) -> dict[str, Any]:
        low, high = self.prediction or (math.nan, math.nan)
        return {
            "engine": self.engine, "model": self.model, "measure": self.question.measure, "k": self.k, **self._mean(),
            "prediction_low": low, "prediction_high": high, "tau2": math.nan if self.tau2 is None else self.tau2,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FrequentistResult(Result):
    """A frequentist pool.

    ``statistic`` and ``p_value`` test "no difference" (``question.null``), on the analysis scale; they are NaN for a measure of
    one group whose question names no such value.
    ``q`` is Cochran's test of heterogeneity, ``i2`` is in percent, ``tau2_interval`` is the Q-profile interval (None when it is
    empty or undefined; `heterogeneity_interval` has others), ``test`` names how the interval was made and
    ``adhoc_interval`` is the ad hoc Hartung-Knapp interval where the plain one used q < 1. ``tau2_se`` is the standard error of
    tau2, ``typical_variance`` the sampling variance to which I2 and H2 hold tau2. ``likelihoods`` are those of the model, "ML"
    and "REML", at the estimates shown (none for a single study); `information` hands them out. ``interval`` and ``prediction``
    are those asked for; print, page and figure add the ad hoc interval where there is one, judge by it (`wider_interval`) and
    show the prediction interval that goes with it (`shown_prediction`).
    """

    engine: ClassVar[str] = "frequentist"

    statistic: float
    p_value: float
    df: float | None
    q: TestResult
    i2: float | None
    tau2_interval: Pair | None
    method: str
    test: str
    adhoc_interval: Pair | None = None
    tau2_se: float | None = None
    typical_variance: float | None = None
    tau2_interval_method: str = "Q-profile"
    prediction_method: str = "fitted"
    likelihoods: tuple[Information, ...] = ()

    def __post_init__(self) -> None:
        null = self.question.null_effect
        if null == 0 or (null is not None and self.test not in choices(Test)):
            return  # as the engine tested it
        z = math.nan if null is None else float(ratio(np.asarray(self.estimate - null), np.asarray(self.se)))
        object.__setattr__(self, "statistic", z)
        object.__setattr__(self, "p_value", float(two_sided(np.asarray(z), self.df)))

    @property
    def wider_interval(self) -> Pair:
        """The ad hoc interval where there is one, else the interval: by this sides and words are judged."""
        return self.interval if self.adhoc_interval is None else self.adhoc_interval

    @property
    def shown_prediction(self) -> Pair | None:
        """The prediction interval with the standard error and df of the wider interval, than which it is never narrower.

        Of another kind than "fitted" it is ``prediction`` itself.
        """
        if self.prediction is None or self.adhoc_interval is None or self.prediction_method != "fitted":
            return self.prediction
        own, ahead = (self.adhoc_interval[1] - self.adhoc_interval[0]) / 2, float(quantile(self.level, self.df))
        half = math.hypot(own, ahead * math.sqrt(self.tau2 or 0.0))
        return self.estimate - half, self.estimate + half

    @property
    def h2(self) -> float | None:
        """H2: total over sampling variance; for the common-effect model Q / df. None for a single study."""
        if self.tau2 is None or self.typical_variance is None:
            return None
        return self.tau2 / self.typical_variance + 1 if self.model == "random" else self.q.statistic / self.q.df

    def heterogeneity_interval(
        self, kind: HeterogeneityInterval | None = None, level: float | None = None
    ) -> dict[str, Pair] | None:
        """Intervals of tau2, I2 (percent) and H2 by name; None where that of tau2 is empty or undefined.

        Parameters
        ----------
        kind : {"Q-profile", "generalised-Q", "profile-likelihood"}, optional
            That of the fit (``tau2_interval_method``) when left out.
        level : float, optional
            That of the fit when left out.
        """
        pair = self.tau2_interval
        kind = None if kind is None else choice("kind", kind, HeterogeneityInterval)
        level = None if level is None else confidence(level)
        if kind not in (None, self.tau2_interval_method) or level not in (None, self.level):
            if self.call.get("function") not in ("random_effects", "common_effect"):
                own = f"{self.tau2_interval_method}, {tx.level_text(self.level)}"
                raise NotDefined(f"{kind_of(self, 'A')} has one interval of tau2 ({own}); for another level fit again.")
            level = confidence(self.level if level is None else level)
            kind = choice("kind", kind or self.tau2_interval_method, HeterogeneityInterval)
            method = self.call.get("tau2", self.call.get("method", "common"))
            weights = self.weights if "weights" in self.call else None
            pair = None if self.k < 2 else tau2_limits(self.y, self.v, method, str(kind), level, weights)
        return None if pair is None or self.typical_variance is None else at_limits(pair, self.typical_variance)

    def information(self, kind: str | None = None) -> Information:
        """Log-likelihood, deviance, AIC, AICc and BIC of the fit.

        Parameters
        ----------
        kind : {"ML", "REML"}, optional
            Which likelihood; REML for a fit by REML and ML otherwise. Both are evaluated at the tau2 of this fit.
        """
        found = {i.kind: i for i in self.likelihoods}
        if not found:
            raise NotDefined(f"There is no likelihood of a {self.model} pool by {self.method} to take criteria from.")
        if kind is None:
            kind = "REML" if self.method == "REML" else next(iter(found))
        if not isinstance(kind, str) or kind not in found:
            raise InputError(f"kind={kind!r} is unknown; use {' or '.join(map(repr, found))}.")
        return found[kind]

    def _mean(self) -> dict[str, Any]:
        tested = {"statistic": self.statistic, "df": math.inf if self.df is None else self.df, "p_value": self.p_value}
        return super()._mean() | tested

    def _scalars(self) -> dict[str, Any]:
        low, high = self.tau2_interval or (math.nan, math.nan)
        return super()._scalars() | {
            "q": self.q.statistic, "q_df": self.q.df, "q_p_value": self.q.p_value,
            "i2": math.nan if self.i2 is None else self.i2, "tau2_low": low, "tau2_high": high,
        }  # fmt: skip

    def __str__(self) -> str:
        return fit_text.console_text(self)
