"""Proper conventional prior of tau."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from vfmeta.kernels.quadrature import Density, integrate
from vfmeta.priors.family import TauPrior


@dataclass(frozen=True)
class Conventional(TauPrior):
    """Proper conventional prior: density proportional to the geometric mean of tau / (v_i + tau2)^(3/2).

    The prior of Berger & Deely 1988, JASA 83:364-373, made proper; with equal variances tau / (v + tau2)^(3/2) integrates to
    1 / sqrt(v).

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.Conventional().uses_v
    True
    """

    note: str = ""
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 1.0

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        square, total = t * t, 0.0 * t
        for i in range(k):
            total = total + np.log(v[i] + square)
        return u - 1.5 * total / k

    def constant(self, v: np.ndarray) -> float:
        return -self._solved(v).log_mass

    def _solved(self, v: np.ndarray) -> Density:
        return _made_proper(np.asarray(v, dtype=float).tobytes())

    def _data(self, v: Any) -> dict[str, Any]:
        return {"v": v, "constant": self.constant(v)}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        from vfmeta.priors.variables import positive_variable

        def log_density(tau: Any, v: Any, constant: Any) -> Any:
            return np.log(tau) - 1.5 * np.log(v + tau[..., None] ** 2).mean(axis=-1) + constant

        def draw(v: np.ndarray, constant: np.ndarray, rng: np.random.Generator, size: Any) -> np.ndarray:
            return Conventional().quantile(rng.random(size), v.reshape(-1, v.shape[-1])[0])

        return positive_variable(pm, name, log_density, (given["v"], given["constant"]), "(k),()->()", draw)

    @property
    def words(self) -> str:
        return "tau ~ conventional (Berger-Deely), from the variances of the studies"


@lru_cache(maxsize=64)
def _made_proper(variances: bytes) -> Density:
    """The density over tau with these variances; its constant and its quantiles come of one integral."""
    v = np.frombuffer(variances)
    scales = [float(np.sqrt(v.min())), float(np.sqrt(v.max()))]
    return integrate(lambda t: Conventional.formula(np.log(t), t, (), v, len(v)), lambda t: np.zeros(len(t)), scales)
