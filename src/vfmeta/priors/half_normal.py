"""Half-normal prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive


@dataclass(frozen=True)
class HalfNormal(TauPrior):
    """|N(0, scale^2)|, the weakly informative choice of Röver et al. 2021, Res Synth Methods 12:448-474.

    Examples
    --------
    >>> import vfmeta as vf
    >>> print(vf.priors.HalfNormal(0.5))
    tau ~ half-normal(0.5)
    >>> round(float(vf.priors.HalfNormal(0.5).cdf(0.98)), 2)
    0.95
    """

    scale: float
    note: str = ""

    def __post_init__(self) -> None:
        positive("scale", self.scale, "Half-normal prior")

    @property
    def size(self) -> float:
        return self.scale

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -0.5 * (t / a[0]) ** 2

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (self.scale,)

    def constant(self, v: np.ndarray) -> float:
        return 0.5 * math.log(2 / math.pi) - math.log(self.scale)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return self.scale * ndtri(0.5 + p / 2)

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import light_tail

        return pm.HalfNormal(name, sigma=given["scale"], default_transform=light_tail())

    @property
    def words(self) -> str:
        return f"tau ~ half-normal({self.scale:g})"
