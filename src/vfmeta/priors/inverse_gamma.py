"""Inverse-gamma prior of tau2 or of tau."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive, tau_or_tau2


@dataclass(frozen=True)
class InverseGamma(TauPrior):
    """Inverse-gamma on tau2 (or on tau with ``on="tau"``): density x^(-shape-1) exp(-scale / x).

    Once customary on tau2 with tiny parameters; it then forbids tau near zero and decides thin data, so it serves as a
    sensitivity analysis rather than a default (Gelman 2006, Bayesian Analysis 1:515-534).

    Examples
    --------
    >>> import vfmeta as vf
    >>> bool(vf.priors.InverseGamma(2.0, 0.5).median() > 0)
    True
    """

    shape: float
    scale: float
    note: str = ""
    on: str = "tau2"

    def __post_init__(self) -> None:
        positive("shape", self.shape, "Inverse-gamma prior")
        positive("scale", self.scale, "Inverse-gamma prior")
        tau_or_tau2(self.on, "Inverse-gamma prior")

    @property
    def _power(self) -> int:
        return 2 if self.on == "tau2" else 1

    @property
    def tail(self) -> float:
        return self.shape * self._power

    @property
    def size(self) -> float:
        return float((self.scale / (self.shape + 1)) ** (1 / self._power))

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -(a[0] * a[2] + 1) * u - a[1] * np.exp(-a[2] * u)

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return self.shape, self.scale, self._power

    def constant(self, v: np.ndarray) -> float:
        return self.shape * math.log(self.scale) - math.lgamma(self.shape) + math.log(self._power)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import gammainccinv

        with np.errstate(divide="ignore", over="ignore"):  # of a tail without end it is infinite
            return (self.scale / gammainccinv(self.shape, p)) ** (1 / self._power)

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by**self._power)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        if self.on == "tau":
            return pm.InverseGamma(name, alpha=given["shape"], beta=given["scale"])
        square = pm.InverseGamma(f"{name}_squared", alpha=given["shape"], beta=given["scale"])
        return pm.Deterministic(name, pm.math.sqrt(square))

    @property
    def words(self) -> str:
        return f"{self.on} ~ inverse-gamma(shape {self.shape:g}, scale {self.scale:g})"
