"""Whether tables share one effect: a score test that knows how few events there are.

Given the events of both arms of a study together, those of the first arm have a distribution of their own (noncentral
hypergeometric, of rates binomial), whose first four moments are known. The statistic is that of Tarone (1985, Biometrika
72:91-95): squared distances of the studies from what the pooled effect leads to expect, less what the pooled effect, which is
no maximum of the likelihood, adds. Where events are few its variance lies far from the 2 per degree of freedom of chi-squared,
which is why Cochran's Q and Breslow and Day's test hardly ever reject there; it is referred to the gamma distribution with its
own conditional mean and variance (of such moments: McCullagh 1986, J Am Stat Assoc 81:104-107).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vfmeta.kernels.tables import expected_events
from vfmeta.kernels.two_arms import constrained

_MANY = 2000  # values that the events of an arm may take; with more, they are as good as normal
_LEAST = 1e-6  # variance below which a study's events follow from the contrast alone


class ScoreTest(NamedTuple):
    """Statistic (mean ``df`` where the effects are the same), degrees of freedom (informative studies - 1) and p value."""

    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray


def score_test(measure: str, theta: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> ScoreTest:
    """The test about the pooled effect ``theta`` (...); cells (..., k) of "OR", "RR", "RD", "IRR" or "IRD"."""
    from scipy.special import gammaincc

    theta, m = np.asarray(theta, dtype=float)[..., None], a + c
    use = (n1 > 0) & (n2 > 0) & (m > 0)
    with np.errstate(all="ignore"):
        one, two = constrained(measure, theta, a, n1, c, n2)
        if measure in ("IRR", "IRD"):
            share = n1 * one / (n1 * one + n2 * two)
            mean, v = m * share, m * share * (1 - share)
            fourth = v * (1 - 6 * share * (1 - share))
            slope = v if measure == "IRR" else v * (n1 + n2) / (one * n2 + two * n1)
        else:
            use = use & (m < n1 + n2)
            odds = theta if measure == "OR" else np.log(one * (1 - two) / (two * (1 - one)))
            mean, v, fourth = _hypergeometric(np.where(use & np.isfinite(odds), odds, 0.0), n1, n2, m)
            use = use & np.isfinite(odds)
            slope = {
                "OR": v,
                "RR": v / ((2 - one - two) / 2),
                "RD": v * (n1 + n2) / (one * (1 - one) * n2 + two * (1 - two) * n1),
            }[measure]
        use = use & (v > _LEAST) & np.isfinite(slope)
        gap, slope, v = np.where(use, a - mean, 0.0), np.where(use, slope, 0.0), np.where(use, v, 1.0)
        lead = (slope * gap / v).sum(axis=-1) ** 2 / (slope**2 / v).sum(axis=-1)
        x = (gap**2 / v).sum(axis=-1) - np.where(np.isfinite(lead), lead, 0.0)
        k = use.sum(axis=-1)
        df = k - 1
        excess = np.where(use, fourth / v**2, 0.0).sum(axis=-1)
        # of a sum of squares about its mean in k values of kurtosis 3 + excess / k; never below that of a single event each
        variance = np.maximum(2 * df + excess * (df / k) ** 2, 0.05 * df)
        p = gammaincc(df**2 / variance, x * df / variance)
    none = df < 1
    return ScoreTest(np.where(none, np.nan, x), df, np.where(none, np.nan, p))


def _hypergeometric(
    log_odds: np.ndarray, n1: np.ndarray, n2: np.ndarray, m: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and fourth cumulant of the events of arm 1 given both margins."""
    from scipy.special import gammaln

    log_odds, n1, n2, m = np.broadcast_arrays(log_odds, n1, n2, m)
    low, high = np.maximum(0.0, m - n2), np.minimum(n1, m)
    x = expected_events(np.exp(log_odds), n1, n2, m)
    v = 1 / (1 / x + 1 / (n1 - x) + 1 / (m - x) + 1 / (n2 - m + x))
    mean, variance, fourth = x, np.where(np.isfinite(v), v, 0.0), np.zeros_like(x)
    span = high - low
    few = (span >= 0) & (span < _MANY)
    if not few.any():
        return mean, variance, fourth
    s = low + np.arange(int(span[few].max()) + 1).reshape(-1, *(1,) * low.ndim)
    rest = n1 - s, m - s, n2 - m + s
    inside = few & (s <= high)
    logs = s * log_odds - gammaln(s + 1) - sum(gammaln(np.maximum(r, 0.0) + 1) for r in rest)
    logs = np.where(inside, logs, -np.inf)
    mass = np.exp(logs - np.where(few, logs.max(axis=0), 0.0))
    mass = mass / np.where(few, mass.sum(axis=0), 1.0)
    centre = (mass * s).sum(axis=0)
    away = (s - centre) ** 2
    second = (mass * away).sum(axis=0)
    third = (mass * away**2).sum(axis=0) - 3 * second**2
    return np.where(few, centre, mean), np.where(few, second, variance), np.where(few, third, fourth)
