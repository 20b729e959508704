"""Flat prior of the mean effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.priors.family import Components, MuPrior


@dataclass(frozen=True)
class Flat(MuPrior):
    """mu uniform on the whole line, improper.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.Flat().proper
    False
    """

    proper: ClassVar[bool] = False
    light: ClassVar[bool] = False

    @property
    def normal(self) -> tuple[float, float]:
        return 0.0, 0.0

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        return np.zeros(1), np.zeros(1), np.zeros(1)

    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        return np.zeros(np.shape(x))

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.Flat(name)

    @property
    def words(self) -> str:
        return "mu flat (improper)"
