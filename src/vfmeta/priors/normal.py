"""Normal prior of the mean effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.priors.family import Components, MuPrior, finite, positive


@dataclass(frozen=True)
class Normal(MuPrior):
    """mu ~ N(mean, sd^2).

    Examples
    --------
    >>> import vfmeta as vf
    >>> print(vf.priors.Normal(0, 2))
    mu ~ N(0, 2)
    >>> float(vf.priors.Normal(0, 2).cdf(0.0))
    0.5
    """

    mean: float
    sd: float
    note: str = ""

    def __post_init__(self) -> None:
        finite("mean", self.mean, "Normal prior")
        positive("sd", self.sd, "Normal prior")

    @property
    def normal(self) -> tuple[float, float]:
        return float(self.mean), self.sd**-2.0

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        return np.zeros(1), np.array([float(self.mean)]), np.array([self.sd**-2.0])

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.Normal(name, mu=given["mean"], sigma=given["sd"])

    @property
    def words(self) -> str:
        return f"mu ~ N({self.mean:g}, {self.sd:g})"
