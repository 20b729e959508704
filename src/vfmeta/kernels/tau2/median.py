"""tau2 at which Q_a, with given weights, equals the median of its exact distribution."""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.least_squares import regression
from vfmeta.kernels.quadratic_form import tau2_at
from vfmeta.kernels.tau2.estimator import Estimator


def median_unbiased(y: np.ndarray, v: np.ndarray, x: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """The estimate, and the standard error that moments with these weights have at it."""
    from vfmeta.kernels.regression import compiled_error

    a, m = np.asarray(weights, dtype=float), regression(y, v, x)
    tau2 = tau2_at(m, a, 0.5)
    return tau2 * m.scale**2, compiled_error(m, "GENQ", tau2, a) * m.scale**2


METHODS = {
    "GENQM": Estimator(
        "given weights, median-unbiased: Q_a is the median of its distribution (Viechtbauer 2021)", formula=median_unbiased,
        weighted=True,
    ),
}  # fmt: skip
