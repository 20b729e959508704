"""An SD or SE from what was printed: interval, p value, t, quartiles, range, or two SDs and a correlation.

All functions take scalars or arrays and return what numpy makes of them. Levels are proportions (0.95).
References: Wan et al., BMC Med Res Methodol 2014;14:135. Luo et al., Stat Methods Med Res 2018;27:1785-1805.
Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from vfmeta.convert.five_numbers import quartile_range_of_normal, range_of_normal, weighted_mean
from vfmeta.core.messages import InputError


def critical(level: float, df: ArrayLike | None = None) -> np.ndarray:
    """Two-sided critical value: normal, or t when degrees of freedom are given."""
    if not 0 < level < 1:
        raise InputError(f"The level of an interval is a proportion between 0 and 1, not {level:g}; write 0.95 for 95%.")
    tail = 0.5 + level / 2
    return ndtri(tail) if df is None else stdtrit(df, tail)


def sd_from_se(se: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD of one arm from the standard error of its mean."""
    _need(np.asarray(se, float) > 0, "A standard error must be greater than 0.")
    _need(np.asarray(n, float) >= 1, "An arm needs at least 1 patient.")
    return np.asarray(se, float) * np.sqrt(np.asarray(n, float))


def se_from_ci(low: ArrayLike, high: ArrayLike, level: float = 0.95, df: ArrayLike | None = None) -> np.ndarray:
    """Standard error of an estimate from its interval (of a log ratio, from the logs of the limits)."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    _need(low < high, "The lower limit of an interval must lie below the upper one.")
    return (high - low) / (2 * critical(level, df))


def sd_from_ci(low: ArrayLike, high: ArrayLike, n: ArrayLike, level: float = 0.95) -> np.ndarray:
    """SD of one arm from the t interval of its mean."""
    n = np.asarray(n, float)
    _need(n >= 2, "An SD needs at least 2 patients.")
    return sd_from_se(se_from_ci(low, high, level, n - 1), n)


def se_from_p(estimate: ArrayLike, p: ArrayLike, df: ArrayLike | None = None) -> np.ndarray:
    """Standard error from an estimate and its exact two-sided p value.

    Raises
    ------
    InputError
        The estimate is 0 or p is 0 or 1: no standard error follows.
    """
    estimate, p = np.asarray(estimate, float), np.asarray(p, float)
    if np.any((p <= 0) | (p >= 1) | (estimate == 0)):
        raise InputError(
            "A standard error follows from p only where 0 < p < 1 and the estimate is not 0; give the interval instead."
        )
    return np.abs(estimate) / -(ndtri(p / 2) if df is None else stdtrit(df, p / 2))


def se_from_t(estimate: ArrayLike, t: ArrayLike) -> np.ndarray:
    """Standard error from an estimate and its t (or z) statistic."""
    _need(
        (np.asarray(t, float) != 0) & (np.asarray(estimate, float) != 0),
        "A standard error follows from t only where neither is 0.",
    )
    return np.abs(np.asarray(estimate, float) / np.asarray(t, float))


def sd_from_quartiles(q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD (Wan 2014, equation 16) from the quartiles."""
    q1, q3, n = (np.asarray(x, float) for x in (q1, q3, n))
    _summary(n, q1, q3)
    return (q3 - q1) / quartile_range_of_normal(n)


def sd_from_range(low: ArrayLike, high: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD (Wan 2014, equation 9) from the smallest and the largest value."""
    low, high, n = (np.asarray(x, float) for x in (low, high, n))
    _summary(n, low, high)
    return (high - low) / range_of_normal(n)


def from_quartiles(median: ArrayLike, q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 15) and SD (Wan 2014, equation 16) from median and quartiles."""
    median, q1, q3, n = (np.asarray(x, float) for x in (median, q1, q3, n))
    _summary(n, q1, median, q3)
    return weighted_mean(n, median, middle=(q1 + q3) / 2), sd_from_quartiles(q1, q3, n)


def from_range(median: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 7) and SD (Wan 2014, equation 9) from median, minimum and maximum."""
    median, low, high, n = (np.asarray(x, float) for x in (median, low, high, n))
    _summary(n, low, median, high)
    return weighted_mean(n, median, ends=(low + high) / 2), sd_from_range(low, high, n)


def from_five_numbers(
    median: ArrayLike, q1: ArrayLike, q3: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 19) and SD (Wan 2014, equation 13) from minimum, quartiles, median and maximum."""
    median, q1, q3, low, high, n = (np.asarray(x, float) for x in (median, q1, q3, low, high, n))
    _summary(n, low, q1, median, q3, high)
    mean = weighted_mean(n, median, (low + high) / 2, (q1 + q3) / 2)
    return mean, (sd_from_range(low, high, n) + sd_from_quartiles(q1, q3, n)) / 2


def change_sd(sd_baseline: ArrayLike, sd_final: ArrayLike, correlation: float) -> np.ndarray:
    """SD of the change from the SDs before and after and a stated correlation between them."""
    if not -1 <= correlation <= 1:
        raise InputError(f"A correlation lies between -1 and 1, not {correlation}.")
    a, b = np.asarray(sd_baseline, float), np.asarray(sd_final, float)
    _need((a > 0) & (b > 0), "An SD must be greater than 0.")
    return np.sqrt(a**2 + b**2 - 2 * correlation * a * b)


def _summary(n: np.ndarray, *ordered: np.ndarray) -> None:
    """Sizes of at least 2 and order statistics in their order, not all alike."""
    _need(n >= 2, "An SD needs at least 2 patients.")
    for low, high in pairwise(ordered):
        _need(low <= high, "Smallest value, quartiles, median and largest value must stand in ascending order.")
    _need(ordered[0] < ordered[-1], "No SD follows where smallest and largest value are the same.")


def _need(holds: np.ndarray | np.bool_ | bool, message: str) -> None:
    """Refuse input of which any element is wrong; a missing value is wrong too."""
    if not np.all(holds):
        raise InputError(message)
