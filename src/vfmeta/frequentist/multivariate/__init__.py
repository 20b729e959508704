"""Dependent effects: multilevel and multivariate models, sampling covariances, cluster-robust inference."""

from __future__ import annotations

from vfmeta.frequentist.dependent.che import che
from vfmeta.frequentist.dependent.model import multivariate
from vfmeta.frequentist.dependent.profile import component_intervals
from vfmeta.frequentist.dependent.result import MultivariateResult, RandomTerm
from vfmeta.frequentist.dependent.robust import RobustResult, robust
from vfmeta.frequentist.dependent.sampling import sampling_covariance

__all__ = [
    "MultivariateResult",
    "RandomTerm",
    "RobustResult",
    "che",
    "component_intervals",
    "multivariate",
    "robust",
    "sampling_covariance",
]
