"""Means and SDs by fitting a distribution to printed quantiles: least squares (QE), or a power transformation (BC)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import special

from vfmeta.convert.five_numbers import Moments, Summary, luo_mean, wan_sd
from vfmeta.core.messages import ConvergenceError, warn

_TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 5000}
LARGEST = 6.0  # power searched up to; from 0, the logarithm, as below it the data that follow have no variance
CUT = 0.05  # mass that may lie where x does not exist: with more of it, what is left has not the printed quantiles
FAR = 6.0  # SDs beyond which the mass of a normal distribution (2e-9) is let go


def quantile_estimation(p: np.ndarray, x: np.ndarray) -> Moments:
    """QE: mean and SD of the distribution whose quantiles lie nearest (McGrath et al., Stat Methods Med Res 2020;29:2520-2537).

    Normal, and for positive data log-normal, gamma and Weibull, and for data between 0 and 1 also beta distributions are
    fitted by least squares; the smallest sum of squares is taken.

    Parameters
    ----------
    p, x : numpy.ndarray of shape (q,)
        Probabilities (1/n and 1 - 1/n for the extremes) and quantiles in units of the scale.
    """
    z = special.ndtri(p)
    line = np.column_stack([np.ones_like(z), z])
    mean, sd = np.linalg.lstsq(line, x, rcond=None)[0]
    tried = [(float(np.sum((x - line @ [mean, sd]) ** 2)), (float(mean), float(sd)))]
    if x.min() > 0 and mean > 0:
        m, s = np.linalg.lstsq(line, np.log(x), rcond=None)[0]
        shape = (mean / sd) ** 2

        def log_normal(t: np.ndarray) -> np.ndarray:
            return np.exp(t[0] + np.exp(t[1]) * z)

        def gamma_quantiles(t: np.ndarray) -> np.ndarray:
            return special.gammaincinv(np.exp(t[0]), p) * np.exp(t[1])

        def weibull(t: np.ndarray) -> np.ndarray:
            return np.exp(t[1] + np.log(-np.log1p(-p)) * np.exp(-t[0]))

        tried += [
            _fit(log_normal, _log_normal_moments, x, [m, np.log(s)]),
            _fit(
                gamma_quantiles,
                lambda t: (np.exp(t[0] + t[1]), np.exp(t[0] / 2 + t[1])),
                x,
                [np.log(shape), np.log(mean / shape)],
            ),
            _fit(weibull, _weibull_moments, x, [np.log(1.1 * mean / sd), np.log(1.1 * mean)]),
        ]
        if x.max() < 1:
            size = max(mean * (1 - mean) / sd**2 - 1, 0.1)

            def beta_quantiles(t: np.ndarray) -> np.ndarray:
                return special.betaincinv(*np.exp(t), p)

            tried.append(_fit(beta_quantiles, _beta_moments, x, list(np.log([mean * size, (1 - mean) * size]))))
    return min(tried)[1]


def _fit(
    quantiles: Callable[[np.ndarray], np.ndarray], moments: Callable[[np.ndarray], Moments], x: np.ndarray, start: list[float]
) -> tuple[float, Moments]:
    from scipy import optimize

    found = optimize.least_squares(lambda t: quantiles(t) - x, start, x_scale="jac", **_TIGHT)
    if not (found.success and np.isfinite(found.cost)):
        return np.inf, (np.nan, np.nan)
    mean, sd = moments(found.x)
    return 2 * float(found.cost), (float(mean), float(sd))


def _log_normal_moments(t: np.ndarray) -> Moments:
    v = np.exp(2 * t[1])
    mean = np.exp(t[0] + v / 2)
    return mean, mean * np.sqrt(np.expm1(v))


def _weibull_moments(t: np.ndarray) -> Moments:
    k = np.exp(-t[0])
    first = special.gamma(1 + k)
    return np.exp(t[1]) * first, np.exp(t[1]) * np.sqrt(special.gamma(1 + 2 * k) - first**2)


def _beta_moments(t: np.ndarray) -> Moments:
    a, b = np.exp(t)
    return a / (a + b), float(np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))))


def _power(x: np.ndarray, power: float) -> np.ndarray:
    """Box and Cox's transformation, ``(x^power - 1)/power``, its limit the logarithm."""
    return special.boxcox(x, power)


def box_cox(s: Summary) -> Moments:
    """BC: Luo's mean and Wan's SD on the Box-Cox scale that makes the quantiles symmetric, and back (McGrath et al. 2020).

    The power is the one that brings the ratios of upper to lower distances from the median nearest to 1 (in logs); with one
    ratio it is made 1. The way back is an integral, where the published program draws random numbers.

    Raises
    ------
    ConvergenceError
        Where no power between 0 and 6 makes the quantiles symmetric.
    """
    from scipy import optimize

    x = s.values

    def lopsided(power: float) -> float:
        low_end, low, middle, high, high_end = _power(x, power)
        ratios = np.array([(high_end - middle) / (middle - low_end), (high - middle) / (middle - low)])
        return float(np.nansum(np.log(ratios) ** 2))

    found = optimize.minimize_scalar(lopsided, bounds=(0.0, LARGEST), method="bounded", options={"xatol": 1e-12})
    power = 0.0 if lopsided(0.0) <= found.fun else float(found.x)
    if not found.success or LARGEST - power < 1e-6:
        raise ConvergenceError('no power makes these quantiles symmetric; use method="qe"')
    there = s.moved(_power(x, power))
    return back(luo_mean(there), wan_sd(there), power)


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between -1 and 1; made when first asked for, as 400 of them take a while."""
    return np.polynomial.legendre.leggauss(400)


def back(mean: float, sd: float, power: float) -> Moments:
    """Mean and SD of x whose Box-Cox transform is normal, cut to where x exists and, to keep its centre, on both sides.

    A cut that takes away more than `CUT` of the distribution is warned of.
    """
    reach = min(FAR, np.inf if power == 0 else (1 / power + mean) / sd)
    below = float(special.ndtr(-reach))
    if 2 * below > CUT:
        warn(
            f"the distribution that suits these quantiles has {below:.0%} of its values below 0; they are cut, which makes the "
            'SD too small for the quantiles; prefer method="qe" or "luo/wan/shi"'
        )
    nodes, by_node = _legendre()
    z = reach * nodes
    weights = by_node * np.exp(-z * z / 2)
    x = special.inv_boxcox(mean + sd * z, power)
    first = np.sum(weights * x) / np.sum(weights)
    return float(first), float(np.sqrt(np.sum(weights * (x - first) ** 2) / np.sum(weights)))
