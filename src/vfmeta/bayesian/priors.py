"""Prior distributions for the mean effect (mu) and the between-study standard deviation (tau), stated in words.

All scales are on the analysis scale of the effects: points for an MD, log units for ratios.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vfmeta.messages import InputError
from vfmeta.results import LOG_RATIOS, Question


def _positive(name: str, value: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < math.inf:
        raise InputError(f"{what}: {name}={value!r} must be a positive, finite number.")


def _with(text: str, note: str) -> str:
    return f"{text} ({note})" if note else text


class TauPrior:
    """A prior on tau >= 0.

    ``tail`` is the a of a density that falls as tau^(-1-a): it decides which posteriors and moments exist. ``high`` is the
    end of the support, ``size`` a typical value where the search for the posterior may start.
    """

    proper: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return math.inf

    @property
    def high(self) -> float:
        return math.inf

    @property
    def size(self) -> float | None:
        return None

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Log density at ``tau`` (any shape), up to a constant when improper; ``v`` (k,) serves priors that need it."""
        raise NotImplementedError


@dataclass(frozen=True)
class HalfNormal(TauPrior):
    """|N(0, scale^2)|, the weakly informative choice of Röver et al. 2021, Res Synth Methods 12:448-474."""

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        _positive("scale", self.scale, "Half-normal prior")

    @property
    def size(self) -> float:
        return self.scale

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        return 0.5 * math.log(2 / math.pi) - math.log(self.scale) - 0.5 * (tau / self.scale) ** 2

    def __str__(self) -> str:
        return _with(f"tau ~ half-normal({self.scale:g})", self.note)


@dataclass(frozen=True)
class HalfT(TauPrior):
    """|t(df)| times a scale (Gelman 2006, Bayesian Analysis 1:515-534)."""

    df: float
    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        _positive("df", self.df, "Half-t prior")
        _positive("scale", self.scale, "Half-t prior")

    @property
    def tail(self) -> float:
        return self.df

    @property
    def size(self) -> float:
        return self.scale

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        n = self.df
        constant = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) + math.log(2 / self.scale)
        return constant - (n + 1) / 2 * np.log1p((tau / self.scale) ** 2 / n)

    def __str__(self) -> str:
        return _with(f"tau ~ half-t({self.df:g} df, scale {self.scale:g})", self.note)


@dataclass(frozen=True)
class HalfCauchy(TauPrior):
    """Half-t with one degree of freedom (Polson & Scott 2012, Bayesian Analysis 7:887-902)."""

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        _positive("scale", self.scale, "Half-Cauchy prior")

    @property
    def tail(self) -> float:
        return 1.0

    @property
    def size(self) -> float:
        return self.scale

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        return math.log(2 / (math.pi * self.scale)) - np.log1p((tau / self.scale) ** 2)

    def __str__(self) -> str:
        return _with(f"tau ~ half-Cauchy({self.scale:g})", self.note)


@dataclass(frozen=True)
class Exponential(TauPrior):
    """Exponential with a mean of ``scale`` (rate 1 / scale)."""

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        _positive("scale", self.scale, "Exponential prior")

    @property
    def size(self) -> float:
        return self.scale

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        return -math.log(self.scale) - tau / self.scale

    def __str__(self) -> str:
        return _with(f"tau ~ exponential with mean {self.scale:g}", self.note)


@dataclass(frozen=True)
class LogNormal(TauPrior):
    """log tau ~ N(meanlog, sdlog^2), the form of empirical priors (Turner et al. 2015, Stat Med 34:984-998)."""

    meanlog: float
    sdlog: float
    note: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.meanlog):
            raise InputError(f"Log-normal prior: meanlog={self.meanlog!r} must be a finite number.")
        _positive("sdlog", self.sdlog, "Log-normal prior")

    @property
    def size(self) -> float:
        return math.exp(self.meanlog)

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            u = np.log(tau)
        # at tau = 0 the quadratic term rules and the density is zero
        inside = np.isfinite(u)
        u = np.where(inside, u, 0.0)
        inner = np.where(inside, -u - 0.5 * ((u - self.meanlog) / self.sdlog) ** 2, -np.inf)
        return inner - math.log(self.sdlog) - 0.5 * math.log(2 * math.pi)

    def __str__(self) -> str:
        return _with(f"tau ~ log-normal(meanlog {self.meanlog:g}, sdlog {self.sdlog:g})", self.note)


@dataclass(frozen=True)
class Uniform(TauPrior):
    """Uniform on (0, end); improper on the half-line when ``end`` is left out."""

    end: float = math.inf
    note: str = ""

    def __post_init__(self) -> None:
        if self.end != math.inf:
            _positive("end", self.end, "Uniform prior")

    @property
    def proper(self) -> bool:  # type: ignore[override]
        return math.isfinite(self.end)

    @property
    def tail(self) -> float:
        return math.inf if self.proper else -1.0

    @property
    def high(self) -> float:
        return self.end

    @property
    def size(self) -> float | None:
        return self.end if self.proper else None

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.where(tau <= self.end * (1 + 1e-12), -math.log(self.end) if self.proper else 0.0, -np.inf)

    def __str__(self) -> str:
        text = f"tau ~ uniform(0, {self.end:g})" if self.proper else "tau ~ uniform on the half-line, improper"
        return _with(text, self.note)


@dataclass(frozen=True)
class Jeffreys(TauPrior):
    """Square root of the Fisher information of tau, improper: p(tau) = tau sqrt(sum 1 / (v + tau^2)^2).

    Bodnar, Link & Elster 2016, Bayesian Analysis 11:25-45 (as reference prior of the same model).
    """

    note: str = ""
    proper: ClassVar[bool] = False

    @property
    def tail(self) -> float:
        return 0.0

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        tau = np.asarray(tau, dtype=float)
        # ratio to the smallest variance keeps the sum of squares away from underflow
        least = v.min() + tau**2
        ratio = least[..., None] / (v + tau[..., None] ** 2)
        with np.errstate(divide="ignore"):
            return np.log(tau) - np.log(least) + 0.5 * np.log((ratio**2).sum(-1))

    def __str__(self) -> str:
        return _with("tau ~ Jeffreys prior, improper", self.note)


@dataclass(frozen=True)
class Normal:
    """mu ~ N(mean, sd^2)."""

    mean: float
    sd: float
    note: str = ""
    proper: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise InputError(f"Normal prior: mean={self.mean!r} must be a finite number.")
        _positive("sd", self.sd, "Normal prior")

    def __str__(self) -> str:
        return _with(f"mu ~ N({self.mean:g}, {self.sd:g})", self.note)


@dataclass(frozen=True)
class Flat:
    """mu uniform on the whole line, improper."""

    proper: ClassVar[bool] = False

    def __str__(self) -> str:
        return "mu flat (improper)"


MuPrior = Normal | Flat


def default_tau(question: Question) -> TauPrior:
    """Default prior of tau for a measure.

    Half-normal(1) for an MD on a 0-10 scale and proportionally on another; half-normal(0.5) for log ratios and SMD. For a
    risk difference half-normal(0.1): at event risks of 20 to 50% a log odds ratio that varies with SD 0.5 moves the risk
    difference by about 0.08 to 0.12, so the prior says of RD what the other says of log OR. Anything else must be named.
    """
    measure = question.measure
    if measure == "MD":
        width = _width(question)
        return HalfNormal(width / 10, _rescaled(question, "half-normal(1)"))
    if measure in LOG_RATIOS or measure == "SMD":
        return HalfNormal(0.5)
    if measure == "RD":
        return HalfNormal(0.1, "risks as proportions")
    raise InputError(
        f"There is no default prior of tau for measure {measure!r}, whose unit is unknown; "
        "name one, such as tau=vf.priors.HalfNormal(scale) with a scale that suits the unit of y."
    )


def default_mu(question: Question) -> MuPrior:
    """Default prior of mu: N(0, 10) on 0-10 pain (proportionally on another scale), N(0, 2.82) on log ratios, N(0, 2) on SMD.

    For a risk difference N(0, 0.5), whose two SDs span all that a risk difference can be. Flat for raw arrays ("GEN").
    """
    measure = question.measure
    if measure == "MD":
        return Normal(0.0, _width(question), _rescaled(question, "N(0, 10)"))
    if measure in LOG_RATIOS:
        return Normal(0.0, 2.82)
    if measure == "SMD":
        return Normal(0.0, 2.0)
    if measure == "RD":
        return Normal(0.0, 0.5, "risks as proportions")
    if measure == "GEN":
        return Flat()
    raise InputError(f"There is no default prior of mu for measure {measure!r}; name one, such as mu=vf.priors.Flat().")


def _width(question: Question) -> float:
    if question.scale is None:
        raise InputError(
            "The default priors of an MD follow its scale, and this question names none; "
            "set scale=(low, high) in the question or name tau= and mu=."
        )
    low, high = question.scale
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(f"scale={question.scale!r} must be two finite numbers, the lower first.")
    return float(high - low)


def _rescaled(question: Question, base: str) -> str:
    if question.scale is None or (question.scale[0], question.scale[1]) == (0, 10):
        return ""
    return f"{base} of a 0-10 scale carried to {question.scale[0]:g}-{question.scale[1]:g}"
