"""What every model answers with, under the same names whether the fit was frequentist or Bayesian.

A result holds numbers on the *analysis* scale (log for ratio measures); ``display`` puts them on the scale people read.
It knows the question it answers but no estimator, so plots and pages can be drawn from a result that was read back from JSON.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from vfmeta.core.question import Pair, Question
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.priors.family import Prior
from vfmeta.priors.family import from_dict as _prior
from vfmeta.text import fit as fit_text
from vfmeta.text import posterior as posterior_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA_VERSION", "BayesianResult", "FrequentistResult", "Marginal", "Pair", "Question", "Result"]
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """One quantity of a posterior: its mean, SD, median and interval, on the analysis scale."""

    mean: float
    sd: float
    median: float
    interval: Pair
    mode: float | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """Fields and verbs common to every fit. Arrays have shape ``(k,)``; scale is the analysis scale.

    ``tau2`` is None where the heterogeneity is not estimable (k = 1) and ``prediction`` is None where no prediction
    interval is defined. ``details`` holds, per study, what a figure or table shows beside the effect (``n_experimental``,
    ``n_control``, ``week``, ``reading``, ...). ``warnings`` says, in words, everything to know before using the numbers.
    """

    engine: ClassVar[str] = ""

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
    def excludes_null(self) -> bool:
        """Whether the interval leaves out "no difference"; False where nothing means that."""
        null = self.question.null_effect
        return null is not None and (self.interval[0] > null or self.interval[1] < null)

    @property
    def studies(self) -> pd.DataFrame:
        """Per-study table on the analysis scale: study, y, se, ci_low, ci_high, weight (percent)."""
        import pandas as pd

        se = np.sqrt(self.v)
        half = _z(self.level) * se
        return pd.DataFrame(
            {
                "study": list(self.labels),
                "y": self.y,
                "se": se,
                "ci_low": self.y - half,
                "ci_high": self.y + half,
                "weight": self.weights,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """One tidy row with every scalar of the fit, on the analysis scale."""
        import pandas as pd

        return pd.DataFrame([self._scalars()])

    def _scalars(self) -> dict[str, Any]:
        low, high = self.prediction if self.prediction else (math.nan, math.nan)
        return {
            "engine": self.engine,
            "model": self.model,
            "measure": self.question.measure,
            "k": self.k,
            "estimate": self.estimate,
            "se": self.se,
            "ci_low": self.interval[0],
            "ci_high": self.interval[1],
            "prediction_low": low,
            "prediction_high": high,
            "tau2": math.nan if self.tau2 is None else self.tau2,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a schema version; ``from_dict`` reads it back."""
        body = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"schema_version": SCHEMA_VERSION, "engine": self.engine, **body}

    def to_json(self) -> str:
        """Byte-stable JSON: sorted keys, 10 significant digits, no time stamp and no path."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        data = dict(data)
        version, engine = data.pop("schema_version"), data.pop("engine")
        if version != SCHEMA_VERSION or engine != cls.engine:
            raise ValueError(
                f"This is a {engine} result of schema version {version}; {cls.__name__} reads {cls.engine} of {SCHEMA_VERSION}."
            )
        data["question"] = Question.from_dict(data["question"])
        for name in _ARRAYS & data.keys():
            data[name] = np.array([math.nan if x is None else x for x in data[name]], dtype=float)
        for name in _PAIRS & data.keys():
            if data[name] is not None:
                data[name] = tuple(math.inf if x is None else x for x in data[name])
        for name in _MARGINALS & data.keys():
            values: dict[str, Any] = {k: _undefined(k, x) for k, x in data[name].items()}
            data[name] = Marginal(**{**values, "interval": tuple(values["interval"])})
        for name in {"se", "statistic"} & data.keys():
            data[name] = _undefined(name, data[name])
        for name in {"tau_prior", "mu_prior"} & data.keys():
            data[name] = None if data[name] is None else _prior(data[name])
        for name in ("labels", "warnings", "details"):
            data[name] = tuple(data[name])
        return cls(**data)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


@dataclass(frozen=True, kw_only=True)
class FrequentistResult(Result):
    """A frequentist pool.

    ``statistic`` and ``p_value`` test "no difference" (``question.null``); for a measure that has none they hold 0 on the
    analysis scale, and are not printed.
    ``q``, ``q_df``, ``q_p`` are Cochran's test of heterogeneity, ``i2`` is in percent, ``tau2_interval`` is the Q-profile
    interval (None when it is empty or undefined), ``test`` names how the interval was made and
    ``adhoc_interval`` is the ad hoc Hartung-Knapp interval where the plain one used q < 1. ``tau2_se`` is the standard error of
    tau2, ``typical_variance`` the sampling variance to which I2 and H2 hold tau2. ``fit_statistics`` holds, under "ML" and
    "REML", the log-likelihood (``ll``), deviance, AIC, AICc and BIC of the model at the estimates shown (none for a single
    study).
    """

    engine: ClassVar[str] = "frequentist"

    statistic: float
    p_value: float
    df: float | None
    q: float
    q_df: int
    q_p: float
    i2: float | None
    tau2_interval: Pair | None
    method: str
    test: str
    adhoc_interval: Pair | None = None
    tau2_se: float | None = None
    typical_variance: float | None = None
    tau2_interval_method: str = "Q-profile"
    prediction_method: str = "fitted"
    fit_statistics: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        null = self.question.null_effect
        if null and self.se > 0:  # the engines test 0 on the analysis scale
            from scipy.special import ndtr, stdtr

            z = (self.estimate - null) / self.se
            object.__setattr__(self, "statistic", z)
            object.__setattr__(self, "p_value", 2 * float(ndtr(-abs(z)) if self.df is None else stdtr(self.df, -abs(z))))

    @property
    def h2(self) -> float | None:
        """H2: total over sampling variance; for the common-effect model Q / df. None for a single study."""
        if self.tau2 is None or self.typical_variance is None:
            return None
        return self.tau2 / self.typical_variance + 1 if self.model == "random" else self.q / self.q_df

    @property
    def i2_interval(self) -> Pair | None:
        """I2, in percent, at the limits of tau2."""
        if self.tau2_interval is None or self.typical_variance is None:
            return None
        low, high = (100.0 if t == math.inf else 100 * (t / (t + self.typical_variance)) for t in self.tau2_interval)
        return low, high

    @property
    def h2_interval(self) -> Pair | None:
        """H2 at the limits of tau2."""
        if self.tau2_interval is None or self.typical_variance is None:
            return None
        low, high = (t / self.typical_variance + 1 for t in self.tau2_interval)
        return low, high

    def _scalars(self) -> dict[str, Any]:
        low, high = self.tau2_interval if self.tau2_interval else (math.nan, math.nan)
        return super()._scalars() | {
            "p_value": self.p_value,
            "q": self.q,
            "q_df": self.q_df,
            "q_p": self.q_p,
            "i2": math.nan if self.i2 is None else self.i2,
            "tau2_low": low,
            "tau2_high": high,
        }

    def __str__(self) -> str:
        return fit_text.console_text(self)


@dataclass(frozen=True, kw_only=True)
class BayesianResult(Result):
    """A Bayesian pool; ``estimate`` is the posterior median of the mean effect and ``se`` its posterior SD.

    ``mu``, ``tau`` and ``next_trial`` are posterior marginals; ``shrunken_*`` are the study effects given all the
    evidence, shape ``(k,)``. ``p_benefit`` is the posterior probability that the mean effect favours the experimental
    arm, ``p_benefit_mid`` that it does so by more than the minimal important difference (None when direction or MID are
    unknown); ``p_harm_mid`` is that of harm beyond it, ``p_next_*`` are those of the next trial's true effect. ``priors`` says
    the priors in words; ``tau_prior`` and ``mu_prior`` are the priors themselves (None where the model is not the
    normal-normal one), so that what looks at a posterior later takes the posterior alone. ``prior_share`` is the share (0-1) of
    the prior of mu in the mean effect, ``tau_prior_median`` the prior median of tau and ``log_evidence`` the log marginal
    likelihood, None where they do not exist. ``grid`` and ``density`` trace the posterior density of the mean effect.
    """

    engine: ClassVar[str] = "bayesian"

    mu: Marginal
    tau: Marginal
    next_trial: Marginal
    shrunken_mean: np.ndarray
    shrunken_sd: np.ndarray
    shrunken_low: np.ndarray
    shrunken_high: np.ndarray
    p_benefit: float | None
    p_benefit_mid: float | None
    priors: tuple[str, ...]
    method: str
    interval_kind: str = "central"
    grid: np.ndarray = field(default_factory=lambda: np.empty(0))
    density: np.ndarray = field(default_factory=lambda: np.empty(0))
    p_harm_mid: float | None = None
    p_next_benefit: float | None = None
    p_next_benefit_mid: float | None = None
    prior_share: float | None = None
    tau_prior_median: float | None = None
    log_evidence: float | None = None
    tau_prior: TauPrior | None = None
    mu_prior: MuPrior | None = None

    def summary(self, sensitivity: Any = None) -> str:
        """The result in sentences for clinicians; ``sensitivity`` is what ``vf.bayes.power_scaling`` said of it, if asked."""
        return posterior_text.bayesian_summary(self, sensitivity)

    @property
    def studies(self) -> pd.DataFrame:
        return super().studies.assign(
            shrunken_mean=self.shrunken_mean, shrunken_low=self.shrunken_low, shrunken_high=self.shrunken_high
        )

    def _scalars(self) -> dict[str, Any]:
        return super()._scalars() | {
            "tau_median": self.tau.median,
            "tau_low": self.tau.interval[0],
            "tau_high": self.tau.interval[1],
            "p_benefit": math.nan if self.p_benefit is None else self.p_benefit,
            "p_benefit_mid": math.nan if self.p_benefit_mid is None else self.p_benefit_mid,
        }

    def __str__(self) -> str:
        return posterior_text.console_text(self)


_ARRAYS = {"y", "v", "weights", "shrunken_mean", "shrunken_sd", "shrunken_low", "shrunken_high", "grid", "density"}
_PAIRS = {"interval", "prediction", "tau2_interval", "adhoc_interval"}
_MARGINALS = {"mu", "tau", "next_trial"}


def _undefined(name: str, value: Any) -> Any:
    """A moment that JSON holds as null (infinite, or undefined) as NaN; a mode may be left out."""
    return math.nan if value is None and name != "mode" else value


def _z(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def _plain(value: Any) -> Any:
    """JSON-ready copy of a field, floats cut to 10 significant digits so that bytes do not hang on the last bit."""
    if isinstance(value, np.ndarray):
        return [_plain(x) for x in value.tolist()]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (tuple, list)):
        return [_plain(x) for x in value]
    if isinstance(value, dict):
        return {k: _plain(x) for k, x in value.items()}
    if isinstance(value, Question):
        return value.to_dict()
    if isinstance(value, Prior):
        return _plain(value.to_dict())
    if isinstance(value, Marginal):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value
