"""Log-t prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, finite, positive
from vfmeta.priors.half_t import log_peak_of_t


@dataclass(frozen=True)
class LogT(TauPrior):
    """log tau ~ location + scale * t(df), the form of the empirical priors of Rhodes et al. 2015, J Clin Epidemiol 68:52-60.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(vf.priors.LogT(0.0, 1.0).median(), 6)
    1.0
    """

    location: float
    scale: float
    df: float = 5.0
    note: str = ""
    measure: str = ""

    def __post_init__(self) -> None:
        finite("location", self.location, "Log-t prior")
        positive("scale", self.scale, "Log-t prior")
        positive("df", self.df, "Log-t prior")

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
        return math.exp(min(max(self.location, -700.0), 700.0))  # where a search begins

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -(a[2] + 1) / 2 * np.log1p(((u - a[0]) / a[1]) ** 2 / a[2]) - u

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return self.location, self.scale, self.df

    def constant(self, v: np.ndarray) -> float:
        return log_peak_of_t(self.df, self.scale)

    def _cdf(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtr

        with np.errstate(divide="ignore"):
            return stdtr(self.df, (np.log(x) - self.location) / self.scale)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        with np.errstate(over="ignore"):  # so heavy a tail that its end is no number: infinity
            return np.exp(self.location + self.scale * stdtrit(self.df, p))

    def scaled(self, by: float) -> Self:
        return replace(self, location=self.location + math.log(by))

    def _data(self, v: Any) -> dict[str, float]:
        return {"location": self.location, "scale": self.scale, "df": self.df}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        log = pm.StudentT(f"log_{name}", nu=given["df"], mu=given["location"], sigma=given["scale"])
        return pm.Deterministic(name, pm.math.exp(log))

    @property
    def words(self) -> str:
        return f"tau ~ log-t(location {self.location:g}, scale {self.scale:g}, {self.df:g} df)"
