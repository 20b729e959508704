"""An SD or SE from what was printed: interval, p value, t, quartiles, range, or two SDs and a correlation.

All functions take scalars or arrays and return what numpy makes of them. Levels are proportions (0.95).
References: Wan et al., BMC Med Res Methodol 2014;14:135. Luo et al., Stat Methods Med Res 2018;27:1785-1805. Shi et al., Res
Synth Methods 2020;11:641-654.
Cochrane Handbook for Systematic Reviews of Interventions, chapter 6.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from vfmeta.convert.checking import numbers, one_length, positive, require
from vfmeta.convert.five_numbers import quartile_range_of_normal, range_of_normal, shi_weighted, weighted_mean
from vfmeta.core.messages import InputError


def critical(level: float, df: ArrayLike | None = None) -> np.ndarray:
    """Two-sided critical value: normal, or t when degrees of freedom are given."""
    if not 0 < level < 1:
        raise InputError(f"The level of an interval is a proportion between 0 and 1, not {level:g}; write 0.95 for 95%.")
    tail = 0.5 + level / 2
    return ndtri(tail) if df is None else stdtrit(positive("df", df), tail)


def sd_from_se(se: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD of one arm from the standard error of its mean."""
    se, n = positive("se", se), numbers("n", n)
    one_length(se=se, n=n)
    require("n", n, n >= 1, "an arm needs at least 1 patient")
    return se * np.sqrt(n)


def se_from_ci(low: ArrayLike, high: ArrayLike, level: float = 0.95, df: ArrayLike | None = None) -> np.ndarray:
    """Standard error of an estimate from its interval (of a log ratio, from the logs of the limits)."""
    low, high = numbers("low", low), numbers("high", high)
    one_length(low=low, high=high)
    require("low", low, low < high, "the lower limit of an interval must lie below the upper one")
    return (high - low) / (2 * critical(level, df))


def sd_from_ci(low: ArrayLike, high: ArrayLike, n: ArrayLike, level: float = 0.95) -> np.ndarray:
    """SD of one arm from the t interval of its mean."""
    n = numbers("n", n)
    require("n", n, n >= 2, "an SD needs at least 2 patients")
    return sd_from_se(se_from_ci(low, high, level, n - 1), n)


def se_from_p(estimate: ArrayLike, p: ArrayLike, df: ArrayLike | None = None) -> np.ndarray:
    """Standard error from an estimate and its exact two-sided p value.

    Raises
    ------
    InputError
        The estimate is 0, p is not between 0 and 1, or so small that its test statistic is beyond the largest number: no
        standard error follows.
    """
    estimate, p = numbers("estimate", estimate), numbers("p", p)
    one_length(estimate=estimate, p=p)
    hint = "a standard error follows from p only where 0 < p < 1 and the estimate is not 0; give the interval instead"
    require("p", p, (p > 0) & (p < 1), hint)
    require("estimate", estimate, estimate != 0, hint)
    statistic = -(ndtri(p / 2) if df is None else stdtrit(positive("df", df), p / 2))
    require("p", p, np.isfinite(statistic), "so small a p value has no test statistic; give the interval instead")
    return np.abs(estimate) / statistic


def se_from_t(estimate: ArrayLike, t: ArrayLike) -> np.ndarray:
    """Standard error from an estimate and its t (or z) statistic."""
    estimate, t = numbers("estimate", estimate), numbers("t", t)
    one_length(estimate=estimate, t=t)
    for name, x in (("estimate", estimate), ("t", t)):
        require(name, x, x != 0, "a standard error follows from t only where neither is 0")
    return np.abs(estimate / t)


def sd_from_quartiles(q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD (Wan 2014, equation 16) from the quartiles."""
    size, first, third = _summary(n, q1=q1, q3=q3)
    return (third - first) / quartile_range_of_normal(size)


def sd_from_range(low: ArrayLike, high: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD (Wan 2014, equation 9) from the smallest and the largest value."""
    size, smallest, largest = _summary(n, low=low, high=high)
    return (largest - smallest) / range_of_normal(size)


def sd_from_quartiles_and_range(q1: ArrayLike, q3: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike) -> np.ndarray:
    """SD (Shi 2020) from the quartiles, the smallest and the largest value."""
    size, smallest, first, third, largest = _summary(n, low=low, q1=q1, q3=q3, high=high)
    return shi_weighted(size, largest - smallest, third - first)


def from_quartiles(median: ArrayLike, q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 15) and SD (Wan 2014, equation 16) from median and quartiles."""
    size, first, middle, third = _summary(n, q1=q1, median=median, q3=q3)
    return weighted_mean(size, middle, middle=(first + third) / 2), sd_from_quartiles(q1, q3, n)


def from_range(median: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 7) and SD (Wan 2014, equation 9) from median, minimum and maximum."""
    size, smallest, middle, largest = _summary(n, low=low, median=median, high=high)
    return weighted_mean(size, middle, ends=(smallest + largest) / 2), sd_from_range(low, high, n)


def from_five_numbers(
    median: ArrayLike, q1: ArrayLike, q3: ArrayLike, low: ArrayLike, high: ArrayLike, n: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (Luo 2018, equation 19) and SD (Shi 2020) from minimum, quartiles, median and maximum."""
    size, smallest, first, middle, third, largest = _summary(n, low=low, q1=q1, median=median, q3=q3, high=high)
    mean = weighted_mean(size, middle, (smallest + largest) / 2, (first + third) / 2)
    return mean, shi_weighted(size, largest - smallest, third - first)


def change_sd(sd_baseline: ArrayLike, sd_final: ArrayLike, correlation: float) -> np.ndarray:
    """SD of the change from the SDs before and after and a stated correlation between them."""
    if not -1 <= correlation <= 1:
        raise InputError(f"A correlation lies between -1 and 1, not {correlation}.")
    a, b = positive("sd_baseline", sd_baseline), positive("sd_final", sd_final)
    one_length(sd_baseline=a, sd_final=b)
    return np.sqrt(a**2 + b**2 - 2 * correlation * a * b)


def _summary(n: ArrayLike, **ordered: ArrayLike) -> list[np.ndarray]:
    """Sizes of at least 2, and order statistics in their order and not all alike."""
    size, values = numbers("n", n), {name: numbers(name, x) for name, x in ordered.items()}
    one_length(n=size, **values)
    require("n", size, size >= 2, "an SD needs at least 2 patients")
    for (_, low), (name, high) in pairwise(values.items()):
        require(name, high, low <= high, "smallest value, quartiles, median and largest value must stand in ascending order")
    (_, first), *_, (name, last) = values.items()
    require(name, last, first < last, "no SD follows where smallest and largest value are the same")
    return [size, *values.values()]
