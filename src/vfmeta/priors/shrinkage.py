"""Uniform shrinkage prior of tau2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.priors.family import TauPrior, harmonic


@dataclass(frozen=True)
class Shrinkage(TauPrior):
    """Uniform shrinkage: s2 / (s2 + tau2) uniform on (0, 1), s2 the harmonic mean of the variances.

    Spiegelhalter, Abrams & Myles 2004, Bayesian Approaches to Clinical Trials and Health-Care Evaluation, 5.7.3.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.Shrinkage().uses_v
    True
    """

    note: str = ""
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 2.0

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return u - 2 * np.log1p(t * t / a[0])

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (harmonic(v),)

    def constant(self, v: np.ndarray) -> float:
        return math.log(2 / harmonic(v))

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.sqrt(harmonic(v) * p / (1 - p))

    def _data(self, v: Any) -> dict[str, float]:
        return {"typical": math.sqrt(harmonic(v))}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import odds

        return pm.Deterministic(name, given["typical"] * pm.math.sqrt(odds(pm, name)))

    @property
    def words(self) -> str:
        return "tau2 ~ uniform shrinkage: s2 / (s2 + tau2) uniform, s2 the harmonic mean of the variances"
