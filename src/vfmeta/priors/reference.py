"""Priors of tau that look at the sampling variances of the studies: Jeffreys, shrinkage, DuMouchel, conventional."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from vfmeta.priors.tau import TauPrior, _with


@dataclass(frozen=True)
class Jeffreys(TauPrior):
    """Square root of the Fisher information of tau, improper: p(tau) = tau sqrt(sum 1 / (v + tau^2)^2).

    Bodnar, Link & Elster 2016, Bayesian Analysis 11:25-45 (as reference prior of the same model).
    """

    note: str = ""
    proper: ClassVar[bool] = False
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 0.0

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        tau = np.asarray(tau, dtype=float)
        # ratio to the smallest variance keeps the sum of squares away from underflow
        least = v.min() + tau**2
        ratio = least[..., None] / (v + tau[..., None] ** 2)
        with np.errstate(divide="ignore"):
            return np.log(tau) - np.log(least) + 0.5 * np.log((ratio**2).sum(-1))

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return (6,)

    def __str__(self) -> str:
        return _with("tau ~ Jeffreys prior, improper", self.note)


@dataclass(frozen=True)
class Shrinkage(TauPrior):
    """Uniform shrinkage: s2 / (s2 + tau2) uniform on (0, 1), s2 the harmonic mean of the variances.

    Spiegelhalter, Abrams & Myles 2004, Bayesian Approaches to Clinical Trials and Health-Care Evaluation, 5.7.3.
    """

    note: str = ""
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 2.0

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        s2 = _harmonic(v)
        with np.errstate(divide="ignore"):
            return np.log(2 * tau / s2) - 2 * np.log1p(tau**2 / s2)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.sqrt(_harmonic(v) * p / (1 - p))

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 9, _harmonic(v)

    def __str__(self) -> str:
        return _with("tau2 ~ uniform shrinkage: s2 / (s2 + tau2) uniform, s2 the harmonic mean of the variances", self.note)


@dataclass(frozen=True)
class DuMouchel(TauPrior):
    """s / (s + tau) uniform on (0, 1), s2 the harmonic mean of the variances.

    Spiegelhalter, Abrams & Myles 2004, Bayesian Approaches to Clinical Trials and Health-Care Evaluation, 5.7.3.
    """

    note: str = ""
    uses_v: ClassVar[bool] = True

    @property
    def tail(self) -> float:
        return 1.0

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        s = math.sqrt(_harmonic(v))
        return -math.log(s) - 2 * np.log1p(tau / s)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return math.sqrt(_harmonic(v)) * p / (1 - p)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 10, _harmonic(v)

    def __str__(self) -> str:
        return _with("tau ~ DuMouchel: s / (s + tau) uniform, s2 the harmonic mean of the variances", self.note)


@dataclass(frozen=True)
class Conventional(TauPrior):
    """Proper conventional prior: density proportional to the geometric mean of tau / (v_i + tau2)^(3/2).

    The prior of Berger & Deely 1988, JASA 83:364-373, made proper; with equal variances tau / (v + tau2)^(3/2) integrates to
    1 / sqrt(v).
    """

    note: str = ""
    uses_v: ClassVar[bool] = True
    _known: dict[bytes, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def tail(self) -> float:
        return 1.0

    def _log_total(self, v: np.ndarray) -> float:
        key = np.asarray(v, dtype=float).tobytes()
        if key not in self._known:
            from vfmeta.bayes.quadrature import integrate

            scales = [float(np.sqrt(v.min())), float(np.sqrt(v.max()))]
            self._known[key] = integrate(lambda t: _conventional(t, v), lambda tau: np.zeros(len(tau)), scales).log_mass
        return self._known[key]

    def log_density(self, tau: np.ndarray, v: np.ndarray) -> np.ndarray:
        return _conventional(np.asarray(tau, dtype=float), v) - self._log_total(v)

    def compiled(self, v: np.ndarray) -> tuple[float, ...]:
        return 11, 0.0, 0.0, self._log_total(v)

    def __str__(self) -> str:
        return _with("tau ~ conventional (Berger-Deely), from the variances of the studies", self.note)


def _conventional(tau: np.ndarray, v: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(tau) - 1.5 * np.log(v + tau[..., None] ** 2).mean(-1)


def _harmonic(v: np.ndarray) -> float:
    return float(len(v) / np.sum(1 / np.asarray(v, dtype=float)))
