"""What a generalised linear mixed model of counts answers with, with one effect or with moderators."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects.counts import Counts
from vfmeta.effects.design import Design as Moderators
from vfmeta.frequentist.glmm.designs import Design
from vfmeta.frequentist.glmm.fit import Fitted, Heterogeneity, saturated_log_density
from vfmeta.frequentist.glmm.integrated import Integrated
from vfmeta.frequentist.glmm.profile import NO_SPREAD
from vfmeta.frequentist.regression_result import selected
from vfmeta.frequentist.single_tables import each_study, one_effect, typical_beside, typical_variance
from vfmeta.kernels.distributions import chi2_above
from vfmeta.results.coefficients import Coefficients, predicted, predictions
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import scaled
from vfmeta.results.heterogeneity import at_limits, profile_only
from vfmeta.results.information import Information, information, of_counts
from vfmeta.results.single_studies import alone, study_limits
from vfmeta.results.wald import TestResult, quantile, two_sided, wald
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

_MANY = 30  # degrees of freedom from which normal quantiles are near enough
_FEW = 10  # events an arm below which the likelihood ratio test of heterogeneity rejects too often


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CountResult(FrequentistResult):
    """A generalised linear mixed model of counts.

    ``q`` is the likelihood ratio test of heterogeneity and ``q_wald`` the Wald test, both on the same degrees of freedom; of
    two arms ``homogeneity``, the score test of `mantel_haenszel`, is printed: it holds its level where events are few. By the
    test "integrated" ``interval``, ``p_value`` and ``prediction`` carry the uncertainty of tau: they are not centred at the
    estimate, and ``statistic`` is the normal deviate of ``p_value``. ``sigma2`` is the variance of random study intercepts
    (UM.RS). ``log_likelihood`` is the marginal one, constants included; ``conditional_log_likelihood`` is that of the counts
    given the most likely random effects, and ``saturated_log_likelihood`` that of the model with an effect for each study,
    ``best_log_likelihood`` the highest that the counts could have (every cell as observed). ``study_effects`` (k,) are the most
    likely effects of the studies given all the evidence. ``y``, ``v``, ``weights`` are for figures: each study by itself (0.5
    added where a cell is empty) and the share that a normal approximation would give it; the model does not use them. ``nodes``
    is how many quadrature nodes were used.
    """

    sigma2: float | None
    q_wald: TestResult
    log_likelihood: float
    conditional_log_likelihood: float
    saturated_log_likelihood: float
    parameters: int
    best_log_likelihood: float
    nodes: int
    study_effects: np.ndarray = field(default_factory=lambda: np.empty(0))
    homogeneity: TestResult | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "study_effects", np.asarray(self.study_effects, dtype=float))

    @property
    def homogeneity_i2(self) -> float | None:
        """What is printed beside ``homogeneity``: the I2 of the model."""
        return self.i2

    @property
    def h2(self) -> float | None:
        """tau2 and the typical sampling variance together, over the latter; 1 for a common effect."""
        if self.tau2 is None or self.typical_variance is None:
            return None
        return self.tau2 / self.typical_variance + 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CountRegressionResult(Coefficients):
    """A generalised linear mixed model of counts with moderators. Arrays run over coefficients (p,) or studies (k,).

    Coefficients are on the log scale of the measure; ``vb`` (p, p) is their covariance, ``interval`` (p, 2). ``tau2`` is the
    variance that the moderators leave between studies, ``tau2_interval`` its profile likelihood interval, ``sigma2`` that of
    random study intercepts (UM.RS). ``q`` is the likelihood ratio test of residual heterogeneity and ``q_wald`` the Wald test,
    ``omnibus`` that of the moderators (``omnibus_of`` names them). ``i2`` (percent) and ``h2`` set tau2 against the typical
    variance of a normal approximation. ``study_effects`` (k,) are the most likely effects of the studies; ``y`` and ``v`` are
    each study by itself (0.5 added where a cell is empty), for figures: the model does not use them. By the test "integrated"
    ``interval``, ``p_value`` and predictions carry the uncertainty of tau (``integrated`` holds it): they are not centred at
    the estimates, and ``statistic`` is the normal deviate of ``p_value``.
    """

    engine: ClassVar[str] = "count_regression"
    packed: ClassVar[frozenset[str]] = frozenset({"design", "integrated"})
    absent: ClassVar[dict[str, str]] = {"prediction": "it predicts at given values of its moderators: use predict."}

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    level: float
    df: float | None
    vb: np.ndarray
    tau2: float
    tau2_se: float | None
    tau2_interval: Pair | None
    sigma2: float | None
    i2: float | None
    h2: float | None
    q: TestResult
    q_wald: TestResult
    omnibus: TestResult
    omnibus_of: tuple[str, ...]
    model: str
    test: str
    log_likelihood: float
    conditional_log_likelihood: float
    saturated_log_likelihood: float
    parameters: int
    nodes: int
    labels: tuple[str, ...]
    details: tuple[dict[str, Any], ...]
    y: np.ndarray
    v: np.ndarray
    study_effects: np.ndarray
    warnings: tuple[str, ...]
    call: dict[str, Any]
    design: Moderators = field(repr=False)
    integrated: Integrated | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.integrated is not None and self.question.null_effect != 0:
            p = self.integrated.p_values(np.eye(len(self.terms)), self.against)
            object.__setattr__(self, "p_value", p)
            object.__setattr__(self, "statistic", _deviate(p, self.estimate - self.against))

    def _omnibus(self, chosen: list[int], against: np.ndarray) -> TestResult:
        if self.integrated is None or np.isnan(against[chosen]).any():
            return super()._omnibus(chosen, against)
        return self.integrated.joint(chosen, against[chosen])

    @property
    def k(self) -> int:
        return len(self.labels)

    @property
    def method(self) -> str:
        """How the model was fitted, and which one it is."""
        return f"ML, {self.model}"

    @property
    def studies(self) -> pd.DataFrame:
        """Each study by itself (0.5 added where a cell is empty): study, estimate, se, ci_low, ci_high, weight, scale."""
        import pandas as pd

        weight = 1 / (self.v + self.tau2)
        own, _ = study_limits(self.question, self.y, self.v, self.details, self.level)
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": np.sqrt(self.v), "ci_low": own.low, "ci_high": own.high,
            "weight": 100 * weight / weight.sum(),
        })  # fmt: skip
        return scaled(frame, self.question)

    def heterogeneity_interval(self, kind: str = "profile-likelihood") -> dict[str, Pair] | None:
        """Intervals of tau2, I2 (percent) and H2 by name; None where that of tau2 was not found."""
        profile_only(kind)
        if self.tau2_interval is None:
            return None
        typical = typical_beside(self.v, self.design.x)
        return None if typical is None else at_limits(self.tau2_interval, typical)

    def information(self, kind: str = "ML") -> Information:
        """Log-likelihood (marginal), deviance from an effect for each study, AIC, AICc and BIC; n is the number of studies."""
        return of_counts(kind, self.log_likelihood, self.parameters, self.k, self.saturated_log_likelihood)

    def predict(self, new: Any = None, *, level: float | None = None, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect, confidence and prediction interval at the studies' or at new values of the moderators.

        Parameters
        ----------
        new : data frame, dict or array-like, optional
            Moderators by name (as the formula reads them), or design rows of shape (m, p); the studies when left out.
        level : float, optional
            That of the fit when left out.
        on : {"analysis", "read"}
            Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

        Returns
        -------
        DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high (NaN for a common effect).
        """
        level = self.level if level is None else level
        confidence(level)
        rows, estimate, se = self._means(new)
        index = list(self.labels) if new is None else None
        if self.integrated is not None:
            near, far = (self.integrated.limits(rows, level, ahead) for ahead in (False, True))
            return predicted(self.question, estimate, se, near, far, on, index)
        reach = quantile(level, self.df)
        wide = reach * np.sqrt(se**2 + (self.tau2 if self.call["heterogeneity"] == "random" else math.nan))
        return predictions(self.question, estimate, se, reach, wide, on, index)

    def _pack(self) -> dict[str, Any]:
        return {"design": self.design.to_dict(), "integrated": None if self.integrated is None else self.integrated.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        held = data["integrated"]
        return {
            "design": Moderators.from_dict(data["design"]), "integrated": None if held is None else Integrated.from_dict(held),
        }  # fmt: skip

    def __str__(self) -> str:
        span = "" if self.tau2_interval is None else f" (profile likelihood {tx.span_text(self.tau2_interval)})"
        return self._text(
            f"Meta-regression of counts, k = {self.k}, {self.question.shown} ({self.model}, {self.test})",
            f"moderators ({', '.join(self.omnibus_of)}): {self.omnibus}",
            f"residual tau2 {tx.short(self.tau2)} {tx.spread_of(self.question)}{span}; {self.q}",
        )


@dataclass(frozen=True)
class Answer:
    """A fitted model with what its result is made of; ``common`` (m,) is the effect of the model without heterogeneity and
    ``tau2_interval`` None where it was not found.
    """

    measure: str
    model: str | None
    effects: str
    counts: Counts
    plan: Design
    fit: Fitted
    common: np.ndarray
    tests: Heterogeneity
    tau2_interval: Pair | None
    interval: str
    level: float
    call: dict[str, Any]
    question: Question
    notes: list[str]
    integrated: Integrated | None = None

    @property
    def df(self) -> int:
        """Degrees of freedom that the coefficients leave."""
        return self.counts.k - self.plan.moderators.shape[1]

    @property
    def random(self) -> bool:
        return self.effects == "random"

    def _levels(self) -> list[str]:
        """How often the intervals hold what they should, where that is far from their level (`reports/glmm_levels.md`)."""
        if not self.random or self.df >= _MANY:
            return []
        said = {
            "Wald": "Wald intervals cover the mean in about 85 to 93% and the effect of a next trial in 73 to 90%",
            "t": 'The interval for the effect of a next trial by test="t" covers in about 81 to 92%',
        }.get(self.interval)
        return [] if said is None else [f'{said} of sets of 5 to 15 trials at 95%; test="integrated", the default, holds.']

    def _heterogeneity(self) -> dict[str, Any]:
        """Likelihood ratio and Wald test of heterogeneity, with what is known of their level."""
        far = {"lrt": "rejects about 12% at 5%", "wald": "rejects about 26% at 5%"} if self.model == "UM.RS" else {}
        if self.model == "UM.FS" and np.mean(self.counts.columns[::2]) < _FEW:
            far = {"lrt": "rejects 8 to 9% at 5% where events are few"}
        return {
            name: TestResult(x, self.df, None, chi2_above(x, self.df), far.get(kind, ""))
            for name, kind, x in (("q", "lrt", self.tests.lrt), ("q_wald", "wald", self.tests.wald))
        }

    def _shared(self) -> dict[str, Any]:
        """What results with one effect and with moderators have in common."""
        c, fit = self.counts, self.fit
        if self.interval == "t" and self.df < 1:
            raise InputError('test="t" needs more informative studies than coefficients; use "Wald".')
        self.notes.extend(self._levels())
        if self.random and fit.tau == 0:
            self.notes.append(NO_SPREAD)
        y, v = each_study(self.measure, c.columns)
        return {
            "question": self.question, "level": self.level, "labels": c.labels, "details": c.details, "y": y, "v": v,
            "origin": c.origin,
            "df": float(self.df) if self.interval == "t" else None, "tau2": fit.tau**2,
            "tau2_se": 2 * fit.tau * fit.se_tau if fit.se_tau is not None and fit.tau > 0 else None,
            "tau2_interval": self.tau2_interval, "sigma2": None if fit.sigma is None else fit.sigma**2,
            "test": self.interval, "log_likelihood": fit.log_likelihood,
            "conditional_log_likelihood": fit.conditional_log_likelihood, "saturated_log_likelihood": self.tests.saturated,
            "parameters": fit.parameters, "nodes": fit.nodes, "study_effects": fit.study_effects, "call": self.call,
        }  # fmt: skip

    def pooled(self) -> CountResult:
        """The result for one effect."""
        fit, k = self.fit, self.counts.k
        shared = self._shared()
        if k == 2 and self.random:
            self.notes.append("Only two studies: the heterogeneity is all but unknown and the interval says little about it.")
        estimate, se = float(fit.beta[0]), math.sqrt(fit.covariance[0, 0])
        statistic = estimate / se
        one, held = np.ones((1, 1)), self.integrated
        if held is None:
            reach = float(quantile(self.level, shared["df"]))
            interval, p = _around(estimate, reach * se), float(two_sided(np.asarray(statistic), shared["df"]))
            ahead = _around(estimate, reach * math.hypot(se, fit.tau))
        else:
            null = self.question.null_effect or 0.0
            interval, ahead = (_pair(held.limits(one, self.level, x)) for x in (False, True))
            found = held.p_values(one, np.array([null]))
            p, statistic = float(found[0]), float(_deviate(found, np.array([estimate - null]))[0])
        v, tau2 = shared["v"], shared["tau2"]
        typical, weights = typical_variance(v), 1 / (v + tau2)
        if k == 1:
            own = alone(self.question, self.counts.labels[0], shared["y"], v, self.counts.details, self.level)
            shared |= {"tau2": None, "df": own.df, "test": own.test}
            interval, statistic, p = own.interval, own.statistic, own.p_value
            self.notes.append(own.note)
        return CountResult(
            **shared, model="random" if self.random else "common", k=k, estimate=estimate, se=se,
            interval=interval, weights=100 * weights / weights.sum(), warnings=tuple(self.notes),
            prediction=ahead if self.random and k >= 3 else None, statistic=statistic, p_value=p, **self._heterogeneity(),
            homogeneity=self._one_effect(), prediction_method="fitted" if held is None else "integrated",
            i2=None if typical is None else 100 * tau2 / (tau2 + typical), typical_variance=typical,
            method=f"{'ML' if self.random else 'common effect'}, {self.model or 'one arm'}",
            tau2_interval_method="profile-likelihood",
            likelihoods=(information("ML", fit.log_likelihood, fit.parameters, k, self.tests.saturated),),
            best_log_likelihood=float(saturated_log_density(self.plan.family).sum()),
        )  # fmt: skip

    def _one_effect(self) -> TestResult | None:
        columns = self.counts.columns
        return one_effect(self.measure, float(self.common[0]), columns) if len(columns) == 4 else None

    def regression(self, moderators: Moderators, back: np.ndarray, omnibus: Any) -> CountRegressionResult:
        """The result with moderators; ``back`` (p, p) makes their coefficients of those of the fit."""
        shared = self._shared()
        beta, vb = back @ self.fit.beta, back @ self.fit.covariance @ back.T
        se = np.sqrt(np.diag(vb))
        half = quantile(self.level, shared["df"]) * se
        interval, p, statistic = np.column_stack([beta - half, beta + half]), two_sided(beta / se, shared["df"]), beta / se
        held = None if self.integrated is None else self.integrated.turned(back)
        if held is not None:
            each = np.eye(len(beta))
            interval, p = held.limits(each, self.level), held.p_values(each, np.zeros(len(beta)))
            statistic = _deviate(p, beta)
        chosen = selected(moderators.names, moderators.intercept, omnibus)
        typical = typical_beside(shared["v"], moderators.x)
        tau2 = shared["tau2"]
        return CountRegressionResult(
            **shared, terms=moderators.names, estimate=beta, se=se, statistic=statistic, vb=vb, p_value=p, interval=interval,
            i2=None if typical is None else 100 * tau2 / (tau2 + typical),
            h2=None if typical is None else tau2 / typical + 1,
            **self._heterogeneity(), integrated=held,
            omnibus=wald(beta[chosen], vb[np.ix_(chosen, chosen)], shared["df"])
            if held is None else held.joint(chosen, np.zeros(len(chosen))),
            omnibus_of=tuple(moderators.names[j] for j in chosen), model=self.model or "one arm",
            warnings=tuple(self.notes), design=moderators,
        )  # fmt: skip


def _pair(limits: np.ndarray) -> Pair:
    return float(limits[0, 0]), float(limits[0, 1])


def _deviate(p: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Normal deviates with two-sided p values ``p``, on the side of ``away``."""
    from scipy.special import ndtri

    return np.sign(away) * -ndtri(p / 2)


def _around(centre: float, half: float) -> Pair:
    return centre - half, centre + half
