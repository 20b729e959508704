"""How well a model fits: its log likelihood and the information criteria that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vfmeta.core.messages import InputError


@dataclass(frozen=True)
class Information:
    """Log-likelihood and information criteria of one likelihood (``"ML"`` or ``"REML"``); ``parameters`` counts variances."""

    kind: str
    log_likelihood: float
    parameters: int
    deviance: float
    aic: float
    aicc: float
    bic: float


def saturated(v: np.ndarray) -> float:
    """Log likelihood where each effect is its own mean, with nothing but its sampling variance; ``v`` (k,) > 0."""
    return -0.5 * float(np.log(2 * math.pi * v).sum())


def of_counts(kind: str, log_likelihood: float, parameters: int, n: int, saturated: float) -> Information:
    """The same of a model of counts, which has one likelihood."""
    if kind != "ML":
        raise InputError(f'kind={kind!r}: a model of counts is fitted by "ML".')
    return information("ML", log_likelihood, parameters, n, saturated)


def information(kind: str, log_likelihood: float, parameters: int, n: int, saturated: float = 0.0) -> Information:
    """Criteria of a model of ``n`` observations; the deviance is taken from the log likelihood ``saturated``.

    For ML that is the model in which each effect is its own mean; of REML, which has no such model, it is -2 log likelihood.

    The correction of AICc is that of Hurvich & Tsai 1989, Biometrika 76:297-307, n never below parameters + 2.
    """
    size = max(n, parameters + 2)
    ll = log_likelihood
    return Information(
        kind, ll, parameters, 2 * (saturated - ll), 2 * parameters - 2 * ll,
        2 * parameters * size / (size - parameters - 1) - 2 * ll,
        parameters * math.log(n) - 2 * ll if n > 0 else math.nan,
    )  # fmt: skip
