"""Intervals of the heterogeneity of a pool, and what they mean for I2 and H2."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Pair


def at_limits(tau2: Pair, typical: float) -> dict[str, Pair]:
    """Intervals of tau2, I2 (percent) and H2 by name; ``typical`` is the typical sampling variance."""
    low, high = tau2
    return {"tau2": (low, high), "i2": (_i2(low, typical), _i2(high, typical)), "h2": (low / typical + 1, high / typical + 1)}


def profile_only(kind: str) -> None:
    """Refuse the interval of tau2 that a model of counts does not have."""
    if kind != "profile-likelihood":
        raise InputError(f'kind={kind!r}: a model of counts has the interval by "profile-likelihood" only.')


def _i2(tau2: float, typical: float) -> float:
    return 100.0 if tau2 == math.inf else 100 * (tau2 / (tau2 + typical))


def tau2_limits(
    y: np.ndarray, v: np.ndarray, method: str | float, kind: str, level: float, weights: np.ndarray | None
) -> Pair | None:
    """Interval of tau2 of a pool by one of `HeterogeneityInterval`; None where it is empty."""
    from vfmeta.kernels import estimators
    from vfmeta.kernels.least_squares import regression
    from vfmeta.kernels.regression import generalised_q

    if kind == "profile-likelihood" and method not in ("ML", "REML"):
        raise InputError('A profile-likelihood interval needs a fit by "ML" or "REML".')
    if kind == "generalised-Q":
        a = 1 / v if weights is None else weights
        return generalised_q(regression(y, v, np.ones((len(y), 1))), level, a)
    wants = estimators.PROFILE if kind == "Q-profile" else estimators.PROFILE_LIKELIHOOD
    order, start = np.arange(len(y)), np.array([0, len(y)])
    row = estimators.fit_ragged(y, v, order, start, method, weights=weights, level=level, wants=wants)[0]
    low, high = float(row[7]), float(row[8])
    return None if math.isnan(low) else (low, high)
