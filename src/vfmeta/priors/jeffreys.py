"""Jeffreys prior of tau."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.priors.family import TauPrior


@dataclass(frozen=True)
class Jeffreys(TauPrior):
    """Square root of the Fisher information of tau, improper: p(tau) = tau sqrt(sum 1 / (v + tau^2)^2).

    Bodnar, Link & Elster 2016, Bayesian Analysis 11:25-45 (as reference prior of the same model).

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.Jeffreys().proper
    False
    """

    note: str = ""
    proper: ClassVar[bool] = False
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 0.0

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        # ratio to the smallest variance keeps the sum of squares away from underflow
        square = t * t
        least, total = a[0] + square, 0.0 * t
        for i in range(k):
            total = total + (least / (v[i] + square)) ** 2
        return u - np.log(least) + 0.5 * np.log(total)

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (float(v.min()),)

    def _data(self, v: Any) -> dict[str, Any]:
        return {"v": v}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import positive_variable

        def log_density(tau: Any, v: Any) -> Any:
            return np.log(tau) + 0.5 * np.log(((v + tau[..., None] ** 2) ** -2).sum(axis=-1))

        return positive_variable(pm, name, log_density, (given["v"],), "(k)->()")

    @property
    def words(self) -> str:
        return "tau ~ Jeffreys prior, improper"
