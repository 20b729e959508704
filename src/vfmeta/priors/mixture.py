"""Mixture of normals as prior of the mean effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import proportion
from vfmeta.priors.family import Components, MuPrior, finite, positive


@dataclass(frozen=True)
class Mixture(MuPrior):
    """mu ~ sum of weights times N(mean, sd^2), such as a meta-analytic-predictive prior (`vfmeta.bayes.map_prior`).

    Parameters
    ----------
    weights, means, sds : sequences of one length
        Weights are positive and sum to one.

    Examples
    --------
    >>> import vfmeta as vf
    >>> prior = vf.priors.Mixture((0.5, 0.5), (-1.0, 1.0), (0.5, 0.5))
    >>> round(float(prior.cdf(0.0)), 9)
    0.5
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("weights", "means", "sds"):
            try:
                object.__setattr__(self, name, tuple(float(x) for x in getattr(self, name)))
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(f"Mixture prior: {name}={getattr(self, name)!r} must be a sequence of numbers.") from error
        if not len(self.weights) == len(self.means) == len(self.sds) > 0:
            raise InputError("Mixture prior: weights, means and sds must be of one length, at least one.")
        for w, m, s in zip(self.weights, self.means, self.sds, strict=True):
            positive("weight", w, "Mixture prior")
            finite("mean", m, "Mixture prior")
            positive("sd", s, "Mixture prior")
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
        positive("sd", sd, "Robust mixture")
        finite("mean", mean, "Robust mixture")
        proportion("Robust mixture: weight", weight)
        kept = tuple(w * (1 - weight) for w in self.weights)
        return Mixture((*kept, weight), (*self.means, mean), (*self.sds, sd), self.note)

    @property
    def graph(self) -> tuple[Any, ...]:
        return (*super().graph, len(self.weights))

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.NormalMixture(name, w=given["weights"], mu=given["means"], sigma=given["sds"])

    @property
    def words(self) -> str:
        parts = " + ".join(f"{w:.3g} N({m:.3g}, {s:.3g})" for w, m, s in zip(self.weights, self.means, self.sds, strict=True))
        return f"mu ~ {parts}"
