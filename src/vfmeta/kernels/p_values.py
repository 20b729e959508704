"""Combined one-sided p values and the binomial test of directions, on the log scale so that no tail is lost."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

Test = tuple[float, float, float]  # statistic, degrees of freedom (NaN: none), log p


def fisher(p: np.ndarray) -> Test:
    """-2 sum log p against chi-squared with 2k df (Fisher 1932); its tail is a finite sum."""
    half = -float(np.sum(_log(p)))
    k = len(p)
    if half == 0:
        return 0.0, 2.0 * k, 0.0
    if math.isinf(half):
        return math.inf, 2.0 * k, -math.inf
    j = np.arange(k)
    return 2 * half, 2.0 * k, min(0.0, -half + _log_sum(j * math.log(half) - _log_factorial(j)))


def stouffer(p: np.ndarray, weights: np.ndarray) -> Test:
    """Weighted sum of z against the normal (Stouffer 1949; weights: Mosteller and Bush 1954)."""
    from scipy.special import log_ndtr, ndtri

    with np.errstate(divide="ignore", invalid="ignore"):
        z = float(np.sum(weights * -ndtri(p)) / math.sqrt(float(np.sum(weights**2))))
    return z, math.nan, float(log_ndtr(-z))  # NaN where a p of 0 meets one of 1


def edgington(p: np.ndarray) -> Test:
    """Sum of p against that of k uniforms (Edgington 1972); exact in fractions, where the alternating sum cancels nothing."""
    k, total = len(p), sum((Fraction(float(x)) for x in p), Fraction(0))
    upper = 2 * total > k
    s = k - total if upper else total
    terms = ((-1) ** j * math.comb(k, j) * (s - j) ** k for j in range(math.floor(s) + 1))
    tail = sum(terms, Fraction(0)) / math.factorial(k)
    chance = 1 - tail if upper else tail
    log_p = -math.inf if chance == 0 else math.log(chance.numerator) - math.log(chance.denominator)
    return float(total), math.nan, log_p


def truncated_product(p: np.ndarray, at: float) -> Test:
    """Product of the p values up to ``at`` (Zaykin et al. 2002, Genet Epidemiol 22:170); 1 where there is none."""
    small = p[p <= at]
    if not len(small):
        return 1.0, math.nan, 0.0
    log_w, k = float(np.sum(_log(small))), len(p)
    if math.isinf(log_w):
        return 0.0, math.nan, -math.inf
    log_at, parts = math.log(at), []
    for j in range(1 if at < 1 else k, k + 1):
        chosen = _log_choose(k, j) + ((k - j) * math.log1p(-at) if j < k else 0.0)
        x = j * log_at - log_w  # how far the product of j values at the cut lies above what was seen
        if x <= 0:
            parts.append(chosen + j * log_at)
        else:
            s = np.arange(j)
            parts.append(chosen + log_w + _log_sum(s * math.log(x) - _log_factorial(s)))
    return math.exp(log_w), math.nan, min(0.0, _log_sum(np.array(parts)))


def sign_test(favourable: int, n: int) -> tuple[float, float]:
    """Exact binomial test of one half: chance of as many or more, and two-sided p."""
    from scipy.special import bdtr, bdtrc

    more = 1.0 if favourable == 0 else float(bdtrc(favourable - 1, n, 0.5))
    fewer = float(bdtr(favourable, n, 0.5))
    return more, min(1.0, 2 * min(more, fewer))


def clopper_pearson(x: int, n: int, level: float) -> tuple[float, float]:
    """Exact interval of a share (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if x == 0 else float(betaincinv(x, n - x + 1, tail))
    high = 1.0 if x == n else float(betaincinv(x + 1, n - x, 1 - tail))
    return low, high


def wilson(x: int, n: int, level: float) -> tuple[float, float]:
    """Score interval of a share without continuity correction (Wilson 1927)."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    share, spread = x / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return (0.0 if x == 0 else centre - half), (1.0 if x == n else centre + half)


def one_sided(p: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """One-sided p of two-sided ones: half of them where ``direction`` is 1, the rest to 1 where it is -1."""
    return np.where(direction > 0, p / 2, 1 - p / 2)


def _log(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _log_sum(terms: np.ndarray) -> float:
    most = float(np.max(terms))
    return most + math.log(float(np.sum(np.exp(terms - most))))


def _log_factorial(j: np.ndarray) -> np.ndarray:
    from scipy.special import gammaln

    return gammaln(j + 1.0)


def _log_choose(n: int, k: int) -> float:
    return math.log(math.comb(n, k))
