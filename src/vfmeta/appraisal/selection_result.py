"""What a selection model answers with, with one mean effect or with moderators."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.appraisal.selection_weights import Chosen, build
from vfmeta.core.messages import InputError, NotDefined, kind_of
from vfmeta.core.params import OnScale, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects.design import Design
from vfmeta.frequentist.single_tables import typical_variance
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.selection import Selection, select
from vfmeta.kernels.selection_profile import profile_limits
from vfmeta.results.codec import Recorded
from vfmeta.results.coefficients import Coefficients, predicted_mean, predictions
from vfmeta.results.frames import scaled
from vfmeta.results.heterogeneity import at_limits
from vfmeta.results.information import Information, information, saturated
from vfmeta.results.wald import TestResult, quantile, ratio, two_sided
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Selected(Recorded):
    """What selection models have in common.

    ``delta`` (q,) are the relative chances of being seen in the intervals of p (``delta_terms``), or the parameters of the
    curve; ``delta_se`` is NaN and ``delta_at_edge`` true where there is no maximum inside. ``selection_test`` is the likelihood
    ratio test against the model without selection, whose estimates begin with ``unselected``.
    ``other_maxima`` are log likelihoods of lower maxima. ``favoured`` names the side that selection favours; with ``two_sided``
    both are.
    """

    packed: ClassVar[frozenset[str]] = frozenset({"design", "fitted"})

    question: Question
    model: str
    cuts: np.ndarray
    two_sided: bool
    favoured: str
    heterogeneity: str
    delta_terms: tuple[str, ...]
    delta: np.ndarray
    delta_se: np.ndarray
    delta_interval: np.ndarray
    delta_at_edge: tuple[bool, ...]
    delta_given: bool
    counts: np.ndarray
    limit: float
    log_likelihood: float
    unselected_log_likelihood: float
    unselected: np.ndarray
    parameters: int
    selection_test: TestResult
    other_maxima: tuple[float, ...]
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)
    design: Design = field(repr=False)
    fitted: Selection | None = field(default=None, repr=False)

    @property
    def _fitted_tau2(self) -> Any:
        raise NotImplementedError

    def _spread_lines(self) -> list[str]:
        raise NotImplementedError

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def df(self) -> None:
        """None: tests are normal."""
        return None

    @property
    def test(self) -> str:
        return "Wald"

    @property
    def method(self) -> str:
        return "ML"

    @property
    def _chosen(self) -> Chosen:
        sign = 1 if self.favoured == "higher" else -1
        fixed = self.delta if self.delta_given else None
        return Chosen(self.model, tuple(self.cuts.tolist()), self.two_sided, sign, fixed, self.question.null_effect or 0.0)

    @property
    def _scale(self) -> np.ndarray | None:
        """Design of log tau2."""
        return None

    @property
    def _spread_terms(self) -> tuple[str, ...]:
        """What the heterogeneity is described by."""
        return ("tau2",)

    def _again(self, common: bool) -> Selection:
        y, function, _ = build(self._chosen, self.y, self.v)
        return select(y, self.v, self.design.x, function, common, self._scale)

    @cached_property
    def _fit(self) -> Selection:
        return self.fitted or self._again(self.heterogeneity == "common")

    def profile_interval(self, of: str = "mean", level: float | None = None) -> Pair:
        """Interval in which the profile likelihood stays above its chi-squared quantile.

        Parameters
        ----------
        of : str
            ``"mean"`` or the name of a coefficient, ``"tau2"``, or one of ``delta_terms``; ``"log tau2: "`` and the name of a
            coefficient of it.
        level : float, optional
            That of the fit when left out.
        """
        from scipy.special import chdtri

        level = self.level if level is None else confidence(level)
        names = [*self.design.names, *self._spread_terms, *self.delta_terms]
        wanted = names[0] if of == "mean" and len(self.design.names) == 1 else of
        if wanted not in names:
            raise InputError(f"of={of!r} is unknown; use one of {', '.join(map(repr, names))}.")
        index, p = names.index(wanted), len(self.design.names)
        low, high = profile_limits(self._fit, index, 0.5 * float(chdtri(1, 1 - level)))
        if math.isnan(low):
            raise NotDefined(f"{kind_of(self, 'A')} has no profile interval of {wanted}: it is held, or not estimable here.")
        if index >= p:
            return low, high
        null = (self.question.null_effect or 0.0) * float(self.design_share[index])
        return (low + null, high + null) if self._chosen.sign > 0 else (null - high, null - low)

    @property
    def design_share(self) -> np.ndarray:
        """How much each coefficient moves when all effects move by 1."""
        return np.linalg.lstsq(self.design.x, np.ones(self.k), rcond=None)[0]

    def chance(self, p: Any) -> np.ndarray:
        """Relative chance that a study with this p value is seen; the most favoured p of a curve is 1 where it has an end."""
        return self._chosen.chance(np.asarray(p, dtype=float), self.delta, self.limit)

    @property
    def p_values(self) -> np.ndarray:
        """P value of each study by which it was selected: towards the favoured side, or of both."""
        return self._chosen.p_values(self.y, self.v)

    def weights_frame(self) -> pd.DataFrame:
        """One row per weight or parameter: term, n, estimate, se, ci_low, ci_high, statistic, p_value, at_edge, scale.

        Tests are against the value that means no selection, where one parameter alone has such a value.
        """
        import pandas as pd

        none = self._chosen.without_selection
        statistic = ratio(self.delta - none, self.delta_se)
        told = "relative chance of being seen" if self._chosen.stepped else "parameter of the weight function"
        return pd.DataFrame({
            "term": list(self.delta_terms), "n": self.counts, "estimate": self.delta, "se": self.delta_se,
            "ci_low": self.delta_interval[:, 0], "ci_high": self.delta_interval[:, 1], "statistic": statistic,
            "p_value": two_sided(statistic, None), "at_edge": self.delta_at_edge, "scale": told,
        })  # fmt: skip

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, estimate, se, ci_low, ci_high, weight (percent, by variance), p_value, scale."""
        import pandas as pd

        se, weight = np.sqrt(self.v), 1 / (self.v + self._fitted_tau2)
        half = quantile(self.level, None) * se
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": se, "ci_low": self.y - half, "ci_high": self.y + half,
            "weight": 100 * weight / weight.sum(), "p_value": self.p_values,
        })  # fmt: skip
        return scaled(frame, self.question)

    def information(self, kind: str = "ML") -> Information:
        """Log-likelihood, deviance, AIC, AICc and BIC."""
        if kind != "ML":
            raise InputError(f'kind={kind!r}: a selection model is fitted by "ML".')
        return information("ML", self.log_likelihood, self.parameters, self.k, saturated(self.v))

    def _pack(self) -> dict[str, Any]:
        return {"design": self.design.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {"design": Design.from_dict(data["design"])}

    def _heading(self) -> str:
        return f"Selection model, k = {self.k}, {self.question.shown} (ML): {self._chosen.words(self.favoured)}"

    def _foot_lines(self) -> list[str]:
        width = max(8, *map(len, self.delta_terms)) if self.delta_terms else 8
        lines = []
        for term, n, d, se, ci, edge in zip(
            self.delta_terms, self.counts, self.delta, self.delta_se, self.delta_interval, self.delta_at_edge, strict=True
        ):
            counted = "" if math.isnan(n) else f"  n = {n:.0f}"
            told = "given" if self.delta_given else "at the edge" if edge else "" if math.isnan(se) else f"({tx.span_text(ci)})"
            lines.append(f"  {term:<{width}}  {tx.short(d):>8}  {told}{counted}".rstrip())
        lines += self._spread_lines()
        if self.selection_test.df:
            lines.append(f"likelihood ratio test of selection: {self.selection_test}")
        return lines


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OneSpread(Selected):
    """Selection models with one tau2. ``q`` is the likelihood ratio test of tau2 = 0."""

    tau2: float
    tau2_se: float
    unselected_tau2: float

    @property
    def _fitted_tau2(self) -> float:
        return self.tau2

    def _spread_lines(self) -> list[str]:
        of = f" {tx.spread_of(self.question)}".rstrip()
        between = "tau2 held at 0" if self.heterogeneity == "common" else f"tau2{of} {tx.short(self.tau2)}"
        return [f"{between} (without selection {tx.short(self.unselected_tau2)})"]

    @cached_property
    def q(self) -> TestResult:
        """Likelihood ratio test of tau2 = 0 within the model, chi-squared with 1 df (twice too large a p value there)."""
        if self.heterogeneity == "common":
            raise NotDefined("A SelectionResult with a common effect has no q: tau2 was held at 0.")
        statistic = max(0.0, 2 * (self.log_likelihood - self._again(True).log_likelihood))
        return TestResult(statistic, 1, None, chi2_above(statistic, 1))

    @cached_property
    def tau2_interval(self) -> Pair | None:
        """Profile likelihood interval of tau2; None where it was held at 0."""
        return None if self.heterogeneity == "common" else self.profile_interval("tau2")

    @property
    def i2(self) -> float | None:
        """tau2 as a share (percent) of it and the typical sampling variance; None for one study."""
        typical = typical_variance(self.v)
        return None if typical is None else 100 * self.tau2 / (self.tau2 + typical)

    @property
    def h2(self) -> float | None:
        """tau2 and the typical sampling variance together, over the latter; None for one study."""
        typical = typical_variance(self.v)
        return None if typical is None else self.tau2 / typical + 1

    def heterogeneity_interval(self, kind: str = "profile-likelihood") -> dict[str, Pair] | None:
        """Intervals of tau2, I2 (percent) and H2 by name; None where tau2 was held at 0."""
        if kind != "profile-likelihood":
            raise InputError(f'kind={kind!r}: a selection model has the interval by "profile-likelihood" only.')
        typical = typical_variance(self.v)
        pair = self.tau2_interval
        return None if pair is None or typical is None else at_limits(pair, typical)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SelectionResult(OneSpread):
    """A mean effect allowing for selective reporting by p value. ``estimate`` is the mean of all studies, seen or not.

    ``unselected`` (1,) is the mean without selection. ``prediction`` is where the true effect of a further study lies.
    """

    engine: ClassVar[str] = "selection"

    estimate: float
    se: float
    statistic: float
    p_value: float
    interval: Pair
    prediction: Pair | None

    @property
    def unadjusted(self) -> float:
        """The mean without selection."""
        return float(self.unselected[0])

    @property
    def centre(self) -> float:
        """Where a funnel stands without the adjustment."""
        return self.unadjusted

    @property
    def favours(self) -> str | None:
        """The side that the point estimate favours; None when the direction of the outcome is unknown."""
        return self.question.side(self.estimate)

    @property
    def coefficients(self) -> pd.DataFrame:
        """The mean effect as a table of one coefficient."""
        import pandas as pd

        return scaled(pd.DataFrame([{"term": "Intercept", **self._mean()}]), self.question)

    def _mean(self) -> dict[str, Any]:
        return {
            "estimate": self.estimate, "se": self.se, "ci_low": self.interval[0], "ci_high": self.interval[1],
            "statistic": self.statistic, "df": math.inf, "p_value": self.p_value,
        }  # fmt: skip

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """One tidy row with every scalar of the fit; effects on the scale that column ``scale`` names."""
        import pandas as pd

        low, high = self.prediction or (math.nan, math.nan)
        row = {
            "engine": self.engine, "model": self.model, "measure": self.question.measure, "k": self.k, **self._mean(),
            "prediction_low": low, "prediction_high": high, "tau2": self.tau2,
            "selection_statistic": self.selection_test.statistic, "selection_df": self.selection_test.df,
            "selection_p_value": self.selection_test.p_value,
        }  # fmt: skip
        return scaled(pd.DataFrame([row]), self.question, on)

    def predict(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect with its interval and the prediction interval: estimate, se, ci_low, ci_high, prediction_low, ..."""
        return predicted_mean(self, on)

    def sentence(self) -> str:
        """The result in a sentence, on the scale people read."""
        q = self.question
        before = tx.value_text(q, float(self.unselected[0]), width=(self.interval[1] - self.interval[0]) / 2)
        after = tx.effect_text(q, self.estimate, self.interval)
        tested = f"; the test of selection has {tx.p_text(self.selection_test.p_value)}" if self.selection_test.df else ""
        return (
            f"If results were selected in this way, {q.shown} is {after} instead of {before}{tested}. This says what such "
            "selection would mean, not that there was any."
        )

    def __str__(self) -> str:
        ci, p = tx.ci_text(self.level, self.interval), tx.short(self.p_value)
        mean = f"mean {self.question.facts.analysis_name} {tx.short(self.estimate, 4)} ({ci}), p = {p}"
        lines = [self._heading(), f"{mean}; without selection {tx.short(float(self.unselected[0]), 4)}"]
        return "\n".join([*lines, *self._foot_lines(), self.sentence(), *closing_lines(self)])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SelectionRegression(OneSpread, Coefficients):
    """A selection model with moderators. Arrays run over coefficients (p,); ``vb`` (p, p) is their covariance.

    ``unselected`` (p,) are the coefficients without selection.
    """

    engine: ClassVar[str] = "selection_regression"
    absent: ClassVar[dict[str, str]] = {"prediction": "it predicts at given values of its moderators: use predict."}

    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    vb: np.ndarray

    def predict(self, new: Any = None, *, level: float | None = None, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect, confidence and prediction interval at the studies' or at new values of the moderators.

        Parameters
        ----------
        new : data frame, dict or array-like, optional
            Moderators by name (as the formula reads them), or design rows of shape (m, p); the studies when left out.
        level : float, optional
            That of the fit when left out.
        on : {"analysis", "read"}
            Scale of the effects.
        """
        level = self.level if level is None else confidence(level)
        _, estimate, se = self._means(new)
        reach = quantile(level, None)
        wide = reach * np.sqrt(se**2 + self.tau2)
        return predictions(self.question, estimate, se, reach, wide, on, list(self.labels) if new is None else None)

    def __str__(self) -> str:
        return self._text(self._heading(), *self._foot_lines())
