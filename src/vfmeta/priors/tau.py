"""Priors of the between-study standard deviation tau, stated in words; scales are on the analysis scale of the effects.

Every family says whether it is stated on tau or on tau2; the arithmetic is on tau throughout.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError


def _positive(name: str, value: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < math.inf:
        raise InputError(f"{what}: {name}={value!r} must be a positive, finite number.")


def _finite(name: str, value: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise InputError(f"{what}: {name}={value!r} must be a finite number.")


def _on(value: str, what: str) -> None:
    if value not in ("tau", "tau2"):
        raise InputError(f'{what}: on={value!r} is unknown; use "tau" or "tau2".')


def _with(text: str, note: str) -> str:
    return f"{text} ({note})" if note else text


class TauPrior(ABC):
    """A prior on tau >= 0.

    ``tail`` is the a of a density that falls as tau^(-1-a): it decides which posteriors and moments exist. ``high`` is the
    end of the support, ``size`` a typical value where the search for the posterior may start. a published prior is refused
    on any effect measure but its own.
    """

    proper: ClassVar[bool] = True
    uses_v: ClassVar[bool] = False

    @property
    def of_measure(self) -> str:
        """The effect measure a published prior is for; empty for any."""
        return ""

    @property
    def tail(self) -> float:
        return math.inf

    @property
    def high(self) -> float:
        return math.inf

    @property
    def size(self) -> float | None:
        return None

    @abstractmethod
    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Log density at ``tau`` (any shape), up to a constant when improper; ``v`` (k,) serves priors that need it."""

    def quantile(self, p: Any, v: np.ndarray | None = None) -> np.ndarray:
        """The tau below which prior probability ``p`` (any shape, 0 < p < 1) lies.

        Raises
        ------
        InputError
            A probability that is none, an improper prior, or one that rests on the variances and ``v`` was not given.
        """
        if not np.all((np.asarray(p, dtype=float) > 0) & (np.asarray(p, dtype=float) < 1)):
            raise InputError(f"p={p!r}: probabilities must lie between 0 and 1.")
        if not self.proper:
            raise InputError(f"{self} has no finite total, so it has no quantiles; name a proper prior.")
        if self.uses_v and v is None:
            raise InputError(f"{self} rests on the sampling variances of the studies; pass them as v=.")
        return np.asarray(self._quantile(np.asarray(p, dtype=float), np.ones(1) if v is None else np.asarray(v, dtype=float)))

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        """From the density alone, for families without a formula."""
        from vfmeta.bayes.quadrature import integrate

        def still(tau: np.ndarray) -> np.ndarray:
            return np.zeros(len(tau))

        return integrate(lambda t: self.log_density(t, v), still, [self.size or float(np.sqrt(v.min()))], self.high).quantile(p)

    def compiled(self, v: np.ndarray) -> tuple[float, ...] | None:
        """Code and parameters for the compiled kernel (``vfmeta.kernels.tau_priors``); None for a family it does not know."""
        return None


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

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return self.scale * ndtri(0.5 + p / 2)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 0, self.scale

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
        return _log_half_t(n, self.scale) - (n + 1) / 2 * np.log1p((tau / self.scale) ** 2 / n)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return self.scale * stdtrit(self.df, 0.5 + p / 2)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 1, self.scale, self.df, _log_half_t(self.df, self.scale)

    def __str__(self) -> str:
        return _with(f"tau ~ half-t({self.df:g} df, scale {self.scale:g})", self.note)


@dataclass(frozen=True)
class HalfCauchy(TauPrior):
    """Half-t with one degree of freedom (Polson & Scott 2012, Bayesian Analysis 7)."""

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

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.scale * np.tan(math.pi / 2 * p)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 1, self.scale, 1.0, math.log(2 / (math.pi * self.scale))

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

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return -self.scale * np.log1p(-p)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 2, self.scale

    def __str__(self) -> str:
        return _with(f"tau ~ exponential with mean {self.scale:g}", self.note)


@dataclass(frozen=True)
class Uniform(TauPrior):
    """Uniform on (0, end); improper on the half-line when ``end`` is left out.

    With ``on="tau2"`` tau2 is uniform up to ``end`` squared (``end`` is always an end of tau), which favours large tau.
    """

    end: float = math.inf
    note: str = ""
    on: str = "tau"

    def __post_init__(self) -> None:
        if self.end != math.inf:
            _positive("end", self.end, "Uniform prior")
        _on(self.on, "Uniform prior")

    @property
    def proper(self) -> bool:  # type: ignore[override]
        return math.isfinite(self.end)

    @property
    def tail(self) -> float:
        return math.inf if self.proper else -1.0 if self.on == "tau" else -2.0

    @property
    def high(self) -> float:
        return self.end

    @property
    def size(self) -> float | None:
        return self.end if self.proper else None

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        inside = tau <= self.end * (1 + 1e-12)
        if self.on == "tau2":
            with np.errstate(divide="ignore"):
                return np.where(inside, np.log(2 * tau) - (2 * math.log(self.end) if self.proper else 0.0), -np.inf)
        return np.where(inside, -math.log(self.end) if self.proper else 0.0, -np.inf)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.end * (p if self.on == "tau" else np.sqrt(p))

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        if self.on == "tau2":
            return 12, self.end
        return (4, self.end) if self.proper else (5,)

    def __str__(self) -> str:
        square = "" if self.on == "tau" else "^2"
        text = (
            f"{self.on} ~ uniform(0, {self.end:g}{square})"
            if self.proper
            else f"{self.on} ~ uniform on the half-line, improper"
        )
        return _with(text, self.note)


@dataclass(frozen=True)
class InverseGamma(TauPrior):
    """Inverse-gamma on tau2 (or on tau with ``on="tau"``): density x^(-shape-1) exp(-scale / x).

    Once customary on tau2 with tiny parameters; it then forbids tau near zero and decides thin data, so it serves as a
    sensitivity analysis rather than a default (Gelman 2006, Bayesian Analysis 1:515-534).
    """

    shape: float
    scale: float
    note: str = ""
    on: str = "tau2"

    def __post_init__(self) -> None:
        _positive("shape", self.shape, "Inverse-gamma prior")
        _positive("scale", self.scale, "Inverse-gamma prior")
        _on(self.on, "Inverse-gamma prior")

    @property
    def _power(self) -> int:
        return 2 if self.on == "tau2" else 1

    @property
    def tail(self) -> float:
        return self.shape * self._power

    @property
    def size(self) -> float:
        return float((self.scale / (self.shape + 1)) ** (1 / self._power))

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        a, b, c = self.shape, self.scale, self._power
        with np.errstate(divide="ignore", over="ignore"):
            u = np.log(tau)
            inside = np.isfinite(u)
            u = np.where(inside, u, 0.0)
            inner = a * math.log(b) - math.lgamma(a) - (a * c + 1) * u - b * np.exp(-c * u) + math.log(c)
        return np.where(inside, inner, -np.inf)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import gammainccinv

        return (self.scale / gammainccinv(self.shape, p)) ** (1 / self._power)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 8, self.shape, self.scale, self._power

    def __str__(self) -> str:
        return _with(f"{self.on} ~ inverse-gamma(shape {self.shape:g}, scale {self.scale:g})", self.note)


def _log_half_t(df: float, scale: float) -> float:
    return math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi) + math.log(2 / scale)
