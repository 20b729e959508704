"""Priors of tau that are symmetric in log tau: the forms of empirical priors, which are printed for tau2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.priors.tau import TauPrior, _finite, _log_half_t, _positive, _with


@dataclass(frozen=True)
class LogNormal(TauPrior):
    """log tau ~ N(meanlog, sdlog^2), the form of empirical priors (Turner et al. 2015, Stat Med 34:984-998)."""

    meanlog: float
    sdlog: float
    note: str = ""
    measure: str = ""

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

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return np.exp(self.meanlog + self.sdlog * ndtri(p))

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 3, self.meanlog, self.sdlog

    @property
    def of_measure(self) -> str:
        return self.measure

    @classmethod
    def of_tau2(cls, meanlog: float, sdlog: float, note: str = "") -> LogNormal:
        """From a log-normal on tau2, as empirical priors are printed: log tau is half of log tau2."""
        said = f"log-normal({meanlog:g}, {sdlog:g}) on tau2"
        return cls(meanlog / 2, sdlog / 2, f"{said}; {note}" if note else said)

    def __str__(self) -> str:
        return _with(f"tau ~ log-normal(meanlog {self.meanlog:g}, sdlog {self.sdlog:g})", self.note)


@dataclass(frozen=True)
class LogT(TauPrior):
    """log tau ~ location + scale * t(df), the form of the empirical priors of Rhodes et al. 2015, J Clin Epidemiol 68:52-60."""

    location: float
    scale: float
    df: float = 5.0
    note: str = ""
    measure: str = ""

    def __post_init__(self) -> None:
        _finite("location", self.location, "Log-t prior")
        _positive("scale", self.scale, "Log-t prior")
        _positive("df", self.df, "Log-t prior")

    @property
    def of_measure(self) -> str:
        return self.measure

    @classmethod
    def of_tau2(cls, location: float, scale: float, df: float = 5.0, note: str = "") -> LogT:
        """From a log-t on tau2: log tau is half of log tau2."""
        said = f"log-t({location:g}, {scale:g}, {df:g} df) on tau2"
        return cls(location / 2, scale / 2, df, f"{said}; {note}" if note else said)

    @property
    def tail(self) -> float:
        return 0.0  # no power of tau tames a power of log tau

    @property
    def size(self) -> float:
        return math.exp(self.location)

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        n = self.df
        with np.errstate(divide="ignore"):
            u = np.log(tau)
        constant = _log_half_t(n, self.scale) - math.log(2)
        # the density has no bound at zero; the smallest number stands in for it
        u = np.maximum(u, -700.0)
        return constant - (n + 1) / 2 * np.log1p(((u - self.location) / self.scale) ** 2 / n) - u

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return np.exp(self.location + self.scale * stdtrit(self.df, p))

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 7, self.location, self.scale, self.df

    def __str__(self) -> str:
        return _with(f"tau ~ log-t(location {self.location:g}, scale {self.scale:g}, {self.df:g} df)", self.note)
