"""What one study prints of a distribution, and the closed estimates of mean and SD for normal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

Moments = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """What one study printed, missing values NaN, in units of the scale; ``n`` patients."""

    minimum: float
    q1: float
    median: float
    q3: float
    maximum: float
    n: float

    @property
    def scenario(self) -> str:
        """S1, S2 or S3; empty where the set fits none."""
        if not (np.isfinite(self.median) and np.isfinite(self.n)):
            return ""
        ends, quartiles = np.isfinite([self.minimum, self.maximum]), np.isfinite([self.q1, self.q3])
        if ends.all() and quartiles.all():
            return "S3"
        if ends.all() and not quartiles.any():
            return "S1"
        return "S2" if quartiles.all() and not ends.any() else ""

    @property
    def values(self) -> np.ndarray:
        """The five numbers in their order, shape (5,)."""
        return np.array([self.minimum, self.q1, self.median, self.q3, self.maximum])

    def moved(self, values: np.ndarray) -> Summary:
        """The same study with other five numbers."""
        a, q1, m, q3, b = values.tolist()
        return Summary(a, q1, m, q3, b, self.n)


def skewness(s: Summary) -> tuple[float, float]:
    """Test statistic and 5% critical value of the tests of Shi et al. (Res Synth Methods 2023;14:742-755) for skewed data."""
    n = s.n
    ends = abs(s.minimum + s.maximum - 2 * s.median) / (s.maximum - s.minimum)
    middle = abs(s.q1 + s.q3 - 2 * s.median) / (s.q3 - s.q1)
    if s.scenario == "S1":
        return ends, 1.01 / np.log(n + 9) + 2.43 / (n + 1)
    if s.scenario == "S2":
        return middle, 2.66 / np.sqrt(n) - 5.92 / n**2
    return max(2.65 * np.log(0.6 * n) / np.sqrt(n) * ends, middle), 3 / np.sqrt(n) - 40 / n**3


def weighted_mean(n: Any, median: Any, ends: Any = None, middle: Any = None) -> Any:
    """Optimal weights of the median, the mid-range and the mid-quartile (Luo et al., Stat Methods Med Res 2018;27:1785-1805).

    Numbers or arrays; ``ends`` is half the sum of the extremes and ``middle`` that of the quartiles, one of which may lack.
    Equations 7 (without quartiles), 15 (without extremes) and 19.
    """
    if middle is None:
        w = 4 / (4 + n**0.75)
        return w * ends + (1 - w) * median
    if ends is None:
        w = 0.7 + 0.39 / n
        return w * middle + (1 - w) * median
    w1, w2 = 2.2 / (2.2 + n**0.75), 0.7 - 0.72 / n**0.55
    return w1 * ends + w2 * middle + (1 - w1 - w2) * median


def luo_mean(s: Summary) -> float:
    """`weighted_mean` of what a study printed."""
    ends, middle = (s.minimum + s.maximum) / 2, (s.q1 + s.q3) / 2
    return weighted_mean(s.n, s.median, None if s.scenario == "S2" else ends, None if s.scenario == "S1" else middle)


def range_of_normal(n: Any) -> Any:
    """Blom's approximation of the expected range of n standard normal values (Wan et al. 2014, equation 9)."""
    return 2 * ndtri((n - 0.375) / (n + 0.25))


def quartile_range_of_normal(n: Any) -> Any:
    """The same of their interquartile range (Wan et al. 2014, equation 16)."""
    return 2 * ndtri((0.75 * n - 0.125) / (n + 0.25))


def wan_sd(s: Summary) -> float:
    """Range and interquartile range over their expectations (Wan et al., BMC Med Res Methodol 2014;14:135)."""
    whole, half = (s.maximum - s.minimum) / range_of_normal(s.n), (s.q3 - s.q1) / quartile_range_of_normal(s.n)
    return float({"S1": whole, "S2": half, "S3": (whole + half) / 2}[s.scenario])


def shi_sd(s: Summary) -> float:
    """As Wan et al.; with all five numbers the optimal weights of Shi et al. (Res Synth Methods 2020;11:641-654)."""
    if s.scenario != "S3":
        return wan_sd(s)
    return float(shi_weighted(s.n, s.maximum - s.minimum, s.q3 - s.q1))


def shi_weighted(n: Any, whole: Any, half: Any) -> Any:
    """The SD from range and interquartile range with the optimal weights of Shi et al. (2020); numbers or arrays."""
    theta1 = (2 + 0.14 * n**0.6) * range_of_normal(n) / 2
    theta2 = (2 + 2 / (0.07 * n**0.6)) * quartile_range_of_normal(n) / 2
    return whole / theta1 + half / theta2
