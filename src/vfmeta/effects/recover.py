"""An SD or SE from what was printed: interval, p value, t, quartiles, range, or two SDs and a correlation.

All functions take scalars or arrays and return what numpy makes of them. Levels are proportions (0.95).
References: Wan et al., BMC Med Res Methodol 2014;14:135. Luo et al., Stat Methods Med Res 2018;27:1785-1805.
Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from vfmeta.messages import InputError


def critical(level: float, df: ArrayLike | None = None) -> np.ndarray:
    """Two-sided critical value: normal, or t when degrees of freedom are given."""
    tail = 0.5 + level / 2
    return stats.norm.ppf(tail) if df is None else stats.t.ppf(tail, df)


def sd_from_se(se: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD of one arm from the standard error of its mean."""
    return np.asarray(se, float) * np.sqrt(np.asarray(n, float))


def se_from_ci(low: ArrayLike, high: ArrayLike, level: float = 0.95, df: ArrayLike | None = None) -> np.ndarray:
    """Standard error of an estimate from its interval (of a log ratio, from the logs of the limits)."""
    return (np.asarray(high, float) - np.asarray(low, float)) / (2 * critical(level, df))


def sd_from_ci(low: ArrayLike, high: ArrayLike, n: ArrayLike, level: float = 0.95) -> np.ndarray:
    """SD of one arm from the t interval of its mean."""
    n = np.asarray(n, float)
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
        raise InputError("A standard error follows from p only where 0 < p < 1 and the estimate is not 0; give the interval instead.")
    return np.abs(estimate) / (stats.norm.isf(p / 2) if df is None else stats.t.isf(p / 2, df))


def se_from_t(estimate: ArrayLike, t: ArrayLike) -> np.ndarray:
    """Standard error from an estimate and its t (or z) statistic."""
    return np.abs(np.asarray(estimate, float) / np.asarray(t, float))


def from_quartiles(median: ArrayLike, q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 15) and SD (Wan 2014, equation 16) from median and quartiles."""
    median, q1, q3, n = (np.asarray(x, float) for x in (median, q1, q3, n))
    weight = 0.7 + 0.39 / n
    mean = weight * (q1 + q3) / 2 + (1 - weight) * median
    return mean, (q3 - q1) / (2 * stats.norm.ppf((0.75 * n - 0.125) / (n + 0.25)))


def from_range(median: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 7) and SD (Wan 2014, equation 9) from median, minimum and maximum."""
    median, low, high, n = (np.asarray(x, float) for x in (median, low, high, n))
    weight = 4 / (4 + n**0.75)
    mean = weight * (low + high) / 2 + (1 - weight) * median
    return mean, (high - low) / (2 * stats.norm.ppf((n - 0.375) / (n + 0.25)))


def from_five_numbers(
    median: ArrayLike, q1: ArrayLike, q3: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 19) and SD (Wan 2014, equation 13) from minimum, quartiles, median and maximum."""
    median, q1, q3, low, high, n = (np.asarray(x, float) for x in (median, q1, q3, low, high, n))
    outer, inner = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
    mean = outer * (low + high) / 2 + inner * (q1 + q3) / 2 + (1 - outer - inner) * median
    sd_range = (high - low) / (4 * stats.norm.ppf((n - 0.375) / (n + 0.25)))
    return mean, sd_range + (q3 - q1) / (4 * stats.norm.ppf((0.75 * n - 0.125) / (n + 0.25)))


def change_sd(sd_baseline: ArrayLike, sd_final: ArrayLike, correlation: float) -> np.ndarray:
    """SD of the change from the SDs before and after and a stated correlation between them."""
    if not -1 <= correlation <= 1:
        raise InputError(f"A correlation lies between -1 and 1, not {correlation}.")
    a, b = np.asarray(sd_baseline, float), np.asarray(sd_final, float)
    return np.sqrt(a**2 + b**2 - 2 * correlation * a * b)


def combine_arms(n: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> tuple[float, float, float]:
    """Size, mean and SD of several arms seen as one (Cochrane Handbook, table 6.5.a), shapes ``(arms,)``."""
    n, mean, sd = (np.asarray(x, float) for x in (n, mean, sd))
    total = n.sum()
    centre = float((n * mean).sum() / total)
    squares = ((n - 1) * sd**2 + n * (mean - centre) ** 2).sum()
    return float(total), centre, float(np.sqrt(squares / (total - 1)))
