"""Exponential prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive


@dataclass(frozen=True)
class Exponential(TauPrior):
    """Exponential with a mean of ``scale`` (rate 1 / scale).

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.priors.Exponential(0.5).cdf(0.5)), 3)
    0.632
    """

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        positive("scale", self.scale, "Exponential prior")

    @property
    def size(self) -> float:
        return self.scale

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -t / a[0]

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (self.scale,)

    def constant(self, v: np.ndarray) -> float:
        return -math.log(self.scale)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return -self.scale * np.log1p(-p)

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import light_tail

        return pm.Exponential(name, scale=given["scale"], default_transform=light_tail())

    @property
    def words(self) -> str:
        return f"tau ~ exponential with mean {self.scale:g}"
