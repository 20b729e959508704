"""Half-Cauchy prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive


@dataclass(frozen=True)
class HalfCauchy(TauPrior):
    """Half-t with one degree of freedom (Polson & Scott 2012, Bayesian Analysis 7).

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(vf.priors.HalfCauchy(0.5).median(), 9)
    0.5
    """

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        positive("scale", self.scale, "Half-Cauchy prior")

    @property
    def tail(self) -> float:
        return 1.0

    @property
    def size(self) -> float:
        return self.scale

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -np.log1p((t / a[0]) ** 2)

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (self.scale,)

    def constant(self, v: np.ndarray) -> float:
        return math.log(2 / (math.pi * self.scale))

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.scale * np.tan(math.pi / 2 * p)

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.HalfCauchy(name, beta=given["scale"])

    @property
    def words(self) -> str:
        return f"tau ~ half-Cauchy({self.scale:g})"
