"""DuMouchel's prior of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.priors.family import TauPrior, harmonic


@dataclass(frozen=True)
class DuMouchel(TauPrior):
    """s / (s + tau) uniform on (0, 1), s2 the harmonic mean of the variances.

    Spiegelhalter, Abrams & Myles 2004, Bayesian Approaches to Clinical Trials and Health-Care Evaluation, 5.7.3.

    Examples
    --------
    >>> import vfmeta as vf
    >>> # its median is the harmonic mean of the standard errors
    >>> round(vf.priors.DuMouchel().median([0.25, 0.25]), 6)
    0.5
    """

    note: str = ""
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 1.0

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -2 * np.log1p(t / a[0])

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (math.sqrt(harmonic(v)),)

    def constant(self, v: np.ndarray) -> float:
        return -0.5 * math.log(harmonic(v))

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return math.sqrt(harmonic(v)) * p / (1 - p)

    def _data(self, v: Any) -> dict[str, float]:
        return {"typical": math.sqrt(harmonic(v))}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import odds

        return pm.Deterministic(name, given["typical"] * odds(pm, name))

    @property
    def words(self) -> str:
        return "tau ~ DuMouchel: s / (s + tau) uniform, s2 the harmonic mean of the variances"
