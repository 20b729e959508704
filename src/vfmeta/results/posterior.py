"""What a Bayesian pool answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.question import Pair
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.fit import Result
from vfmeta.results.marginal import Marginal
from vfmeta.results.shown import Lines
from vfmeta.text import posterior as posterior_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BayesianResult", "Marginal"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
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
    absent: ClassVar[dict[str, str]] = {
        "statistic": "a posterior is no test; p_benefit is the probability that the effect favours the experimental arm.",
        "df": "a posterior is no test and has no degrees of freedom.",
        "p_value": "a posterior is no test; p_benefit is the probability that the effect favours the experimental arm.",
        "test": "a posterior is no test; interval_kind says how its intervals are made.",
        "tau2_se": "tau.sd is the posterior standard deviation of tau.",
        "heterogeneity_interval": "there is one kind, tau2_interval; tau has the posterior of the standard deviation.",
        "i2": "the heterogeneity is told by tau and its interval, in the units of the effects.",
        "h2": "the heterogeneity is told by tau and its interval, in the units of the effects.",
        "q": "Cochran's Q is a test; vf.bayes.predictive_check holds it against what the model expects.",
        "information": "log_evidence is the log marginal likelihood of the data.",
    }

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

    @property
    def tau2_interval(self) -> Pair:
        """Interval of tau2, the squares of the limits of tau."""
        low, high = self.tau.interval
        return low**2, high**2

    def summary(self, sensitivity: Any = None) -> str:
        """The result in sentences for clinicians; ``sensitivity`` is what ``vf.bayes.power_scaling`` said of it, if asked."""
        return Lines(posterior_text.bayesian_summary(self, sensitivity))

    @property
    def stands_alone(self) -> bool:
        """Whether the answer of one trial alone stands beside what that trial printed: where it printed only a part."""
        return False

    def reach(self, i: int) -> tuple[float, float, float] | None:
        """Where trial ``i`` (from 0) prints no estimate: the limits between which it lay, and its standard error."""
        return None

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
