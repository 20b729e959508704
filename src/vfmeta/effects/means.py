"""Two arms with means: mean difference and standardised mean difference. Arrays in, arrays out; experimental arm first."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

Effects = tuple[np.ndarray, np.ndarray]


def mean_difference(m1: ArrayLike, sd1: ArrayLike, n1: ArrayLike, m2: ArrayLike, sd2: ArrayLike, n2: ArrayLike) -> Effects:
    """Mean difference ``m1 - m2`` in units of the scale and its sampling variance, unequal variances allowed."""
    m1, sd1, n1, m2, sd2, n2 = _floats(m1, sd1, n1, m2, sd2, n2)
    return m1 - m2, sd1**2 / n1 + sd2**2 / n2


def standardised_mean_difference(
    m1: ArrayLike, sd1: ArrayLike, n1: ArrayLike, m2: ArrayLike, sd2: ArrayLike, n2: ArrayLike
) -> Effects:
    """Hedges' g with the pooled SD and the exact bias correction, and its variance.

    The correction is the ratio of gamma functions of Hedges (J Educ Stat 1981;6:107-128), not its usual approximation; the
    variance is ``1/n1 + 1/n2 + g^2 / (2 (n1 + n2))`` with the corrected g (Hedges and Olkin 1985).
    """
    m1, sd1, n1, m2, sd2, n2 = _floats(m1, sd1, n1, m2, sd2, n2)
    df = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
    g = bias_correction(df) * (m1 - m2) / pooled
    return g, 1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2))


def bias_correction(df: ArrayLike) -> np.ndarray:
    """Hedges' exact small-sample factor J for the given degrees of freedom."""
    df = np.asarray(df, float)
    return np.exp(gammaln(df / 2) - 0.5 * np.log(df / 2) - gammaln((df - 1) / 2))


def _floats(*values: ArrayLike) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(x, dtype=float) for x in values)
