"""Half-t prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive


@dataclass(frozen=True)
class HalfT(TauPrior):
    """|t(df)| times a scale (Gelman 2006, Bayesian Analysis 1:515-534).

    Examples
    --------
    >>> import vfmeta as vf
    >>> # with one degree of freedom it is a half-Cauchy
    >>> round(vf.priors.HalfT(1, 0.5).median(), 6)
    0.5
    """

    df: float
    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        positive("df", self.df, "Half-t prior")
        positive("scale", self.scale, "Half-t prior")

    @property
    def tail(self) -> float:
        return self.df

    @property
    def size(self) -> float:
        return self.scale

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -(a[1] + 1) / 2 * np.log1p((t / a[0]) ** 2 / a[1])

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return self.scale, self.df

    def constant(self, v: np.ndarray) -> float:
        return log_peak_of_t(self.df, self.scale) + math.log(2)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return self.scale * stdtrit(self.df, 0.5 + p / 2)

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.HalfStudentT(name, nu=given["df"], sigma=given["scale"])

    @property
    def words(self) -> str:
        return f"tau ~ half-t({self.df:g} df, scale {self.scale:g})"


def log_peak_of_t(df: float, scale: float) -> float:
    """Log density of scale * t(df) at its centre."""
    return math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi) - math.log(scale)
