"""Priors of the mean effect mu, stated in words. Every one is a mixture of normals, finite or fine, or flat."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.priors.tau import _finite, _positive, _with

Components = tuple[np.ndarray, np.ndarray, np.ndarray]


class MuPrior(ABC):
    """A prior of the mean effect."""

    proper: ClassVar[bool] = True
    uses_y: ClassVar[bool] = False

    @abstractmethod
    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        """Log weights, means and precisions of the normals it consists of; a precision of 0 is flat.

        The data (k,) decide at most how far out the components have to reach.
        """


@dataclass(frozen=True)
class Normal(MuPrior):
    """mu ~ N(mean, sd^2)."""

    mean: float
    sd: float
    note: str = ""

    def __post_init__(self) -> None:
        _finite("mean", self.mean, "Normal prior")
        _positive("sd", self.sd, "Normal prior")

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        return np.zeros(1), np.array([float(self.mean)]), np.array([self.sd**-2.0])

    def __str__(self) -> str:
        return _with(f"mu ~ N({self.mean:g}, {self.sd:g})", self.note)


@dataclass(frozen=True)
class Flat(MuPrior):
    """mu uniform on the whole line, improper."""

    proper: ClassVar[bool] = False

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        return np.zeros(1), np.zeros(1), np.zeros(1)

    def __str__(self) -> str:
        return "mu flat (improper)"


@dataclass(frozen=True)
class StudentT(MuPrior):
    """mu ~ location + scale * t(df): heavy tails that give way when the data disagree.

    O'Hagan & Pericchi 2012, Braz J Probab Stat 26:372-401.
    Solved as N(location, scale^2 / lambda) with lambda ~ gamma(df / 2, df / 2), by equal steps of log lambda; the steps
    of an analytic, fast falling function are exact to about 1e-10 (Trefethen & Weideman 2014, SIAM Review 56:385-458).
    """

    df: float
    location: float
    scale: float
    note: str = ""
    uses_y: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _positive("df", self.df, "t prior")
        _finite("location", self.location, "t prior")
        _positive("scale", self.scale, "t prior")

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        half = self.df / 2
        # the weights of small lambda fall as lambda^(df/2); a likelihood far out in the tail asks for lambda as small as
        # the squared ratio of scale to distance, and its mixture falls by one half power more
        far = float(np.max(np.abs(y - self.location))) + math.sqrt(float(v.max()))
        bottom = -2 * math.log(max(far / self.scale, 1.0)) - 26 / (half + 0.5)
        top = math.log((half + 40 + 9 * math.sqrt(half)) / half)
        steps = math.ceil((top - bottom) / min(0.4, 0.9 / math.sqrt(half)))
        w = np.linspace(bottom, top, steps + 1)
        rate = np.exp(w)
        logw = half * math.log(half) - math.lgamma(half) + half * w - half * rate + math.log(w[1] - w[0])
        keep = (logw - logw.max() > -40.0) | (w < 0)
        logw = logw[keep] - math.log(np.exp(logw[keep]).sum())
        return logw, np.full(len(logw), float(self.location)), rate[keep] / self.scale**2

    def __str__(self) -> str:
        return _with(f"mu ~ t({self.df:g} df, location {self.location:g}, scale {self.scale:g})", self.note)


@dataclass(frozen=True)
class Mixture(MuPrior):
    """mu ~ sum of weights times N(mean, sd^2), such as a meta-analytic-predictive prior (`vfmeta.bayes.map_prior`).

    Parameters
    ----------
    weights, means, sds : sequences of one length
        Weights are positive and sum to one.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("weights", "means", "sds"):
            object.__setattr__(self, name, tuple(float(x) for x in getattr(self, name)))
        if not len(self.weights) == len(self.means) == len(self.sds) > 0:
            raise InputError("Mixture prior: weights, means and sds must be of one length, at least one.")
        for w, m, s in zip(self.weights, self.means, self.sds, strict=True):
            _positive("weight", w, "Mixture prior")
            _finite("mean", m, "Mixture prior")
            _positive("sd", s, "Mixture prior")
        if abs(sum(self.weights) - 1) > 1e-9:
            raise InputError(f"Mixture prior: the weights sum to {sum(self.weights):g}; they must sum to 1.")

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        return np.log(self.weights), np.array(self.means), np.array(self.sds) ** -2.0

    @property
    def mean(self) -> float:
        return float(np.dot(self.weights, self.means))

    @property
    def sd(self) -> float:
        return math.sqrt(float(np.dot(self.weights, np.array(self.sds) ** 2 + (np.array(self.means) - self.mean) ** 2)))

    def robust(self, weight: float, sd: float, mean: float = 0.0) -> Mixture:
        """A robust form: the prior with a vague component added, so that it gives way when the new data disagree.

        Schmidli et al. 2014, Biometrics 70:1023-1032.

        Parameters
        ----------
        weight : float
            Prior probability that the past does not apply, between 0 and 1.
        sd, mean : float
            The vague component; its SD is usually that of one patient's worth of information.
        """
        _positive("sd", sd, "Robust mixture")
        _finite("mean", mean, "Robust mixture")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < 1:
            raise InputError(f"Robust mixture: weight={weight!r} must be a number between 0 and 1.")
        kept = tuple(w * (1 - weight) for w in self.weights)
        return Mixture((*kept, weight), (*self.means, mean), (*self.sds, sd), self.note)

    def __str__(self) -> str:
        parts = " + ".join(f"{w:.3g} N({m:.3g}, {s:.3g})" for w, m, s in zip(self.weights, self.means, self.sds, strict=True))
        return _with(f"mu ~ {parts}", self.note)
