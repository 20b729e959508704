"""Log-normal prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, finite, positive


@dataclass(frozen=True)
class LogNormal(TauPrior):
    """log tau ~ N(meanlog, sdlog^2), the form of empirical priors (Turner et al. 2015, Stat Med 34:984-998).

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(vf.priors.LogNormal(0.0, 1.0).median(), 6)
    1.0
    """

    meanlog: float
    sdlog: float
    note: str = ""
    measure: str = ""

    def __post_init__(self) -> None:
        finite("meanlog", self.meanlog, "Log-normal prior")
        positive("sdlog", self.sdlog, "Log-normal prior")

    @classmethod
    def of_tau2(cls, meanlog: float, sdlog: float, note: str = "") -> LogNormal:
        """From a log-normal on tau2, as empirical priors are printed: log tau is half of log tau2."""
        said = f"log-normal({meanlog:g}, {sdlog:g}) on tau2"
        return cls(meanlog / 2, sdlog / 2, f"{said}; {note}" if note else said)

    @property
    def size(self) -> float:
        return math.exp(min(max(self.meanlog, -700.0), 700.0))  # where a search begins

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -u - 0.5 * ((u - a[0]) / a[1]) ** 2

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return self.meanlog, self.sdlog

    def constant(self, v: np.ndarray) -> float:
        return -math.log(self.sdlog) - 0.5 * math.log(2 * math.pi)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return np.exp(self.meanlog + self.sdlog * ndtri(p))

    def scaled(self, by: float) -> Self:
        return replace(self, meanlog=self.meanlog + math.log(by))

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.LogNormal(name, mu=given["meanlog"], sigma=given["sdlog"])

    @property
    def words(self) -> str:
        return f"tau ~ log-normal(meanlog {self.meanlog:g}, sdlog {self.sdlog:g})"
