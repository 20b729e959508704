"""MLN: a normal distribution on a power scale, fitted to a few order statistics by maximum likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import boxcox, log_ndtr

from vfmeta.convert.fitted import LARGEST, back
from vfmeta.convert.five_numbers import Moments, Summary, luo_mean, wan_sd
from vfmeta.core.messages import ConvergenceError

FEWEST = 5  # below it quartiles and extremes fall on the same ranks
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


def unknown_non_normal(s: Summary, *, jacobian: bool = True) -> Moments:
    """MLN (Cai, Zhou & Pan, Stat Methods Med Res 2021;30:2701-2719): mean and SD of data that are normal on a power scale.

    The printed quantiles are the order statistics of the ranks 1, [n/4] + 1, [n/2] + 1, [3n/4] + 1 and n. The power (0, the
    logarithm, to 6) maximises their likelihood on its scale with Luo's mean and Wan's SD there; then mean and SD are fitted
    by maximum likelihood at that power, and taken back.

    The likelihoods of different powers are those of the data as printed, with the ``jacobian`` of the transformation, so that
    no unit matters. Without it, as the method was published (metafor's values show it: tests/test_conversions_likelihood.py;
    the paper was read in abstract only), the power and with it the answer hangs on the unit.

    Raises
    ------
    ConvergenceError
        Fewer than 5 patients, or no maximum.
    """
    if s.n < FEWEST:
        raise ConvergenceError(f'method="mln" needs at least {FEWEST} patients, so that quantiles are different patients')
    there = np.isfinite(s.values)
    ranks = np.array([1.0, *(np.floor(p * s.n) + 1 for p in (0.25, 0.5, 0.75)), s.n])[there]
    logs = float(np.log(s.values[there]).sum())

    def lack(power: float) -> float:
        moved = s.moved(boxcox(s.values, power))
        found = _log_likelihood(luo_mean(moved), wan_sd(moved), moved.values[there], ranks, s.n)
        return -found - (power - 1) * logs if jacobian else -found

    power = _smallest(lack, np.linspace(0.0, LARGEST, 121))
    moved = s.moved(boxcox(s.values, power))
    mean, sd = normal_fit(moved.values[there], ranks, s.n, luo_mean(moved), wan_sd(moved))
    return back(mean, sd, power)


def normal_fit(x: np.ndarray, ranks: np.ndarray, n: float, mean: float, sd: float) -> Moments:
    """Maximum likelihood mean and SD of a normal sample of n from order statistics ``x`` (q,) of ``ranks`` (q,).

    ``mean`` and ``sd`` are where to start. The log likelihood is concave in mean / SD and 1 / SD, so that there is one maximum.
    """
    from scipy import optimize

    y, between = (x - mean) / sd, _between(ranks, n)

    def lack(t: np.ndarray) -> tuple[float, np.ndarray]:
        if t[1] <= 0:
            return np.inf, np.zeros(2)
        z = t[1] * y - t[0]
        by_z, log_mass = _slopes(z, between)
        value = -0.5 * (z @ z) + len(z) * np.log(t[1]) + between[between > 0] @ log_mass[between > 0]
        return -float(value), -np.array([-by_z.sum(), by_z @ y + len(z) / t[1]])

    found = optimize.minimize(lack, [0.0, 1.0], jac=True, method="BFGS", options={"gtol": 1e-9})
    location, precision = found.x
    if not np.isfinite(found.fun) or np.abs(found.jac).max() > 1e-5 * n or not precision > 0:
        raise ConvergenceError('no normal distribution fits these quantiles on any power scale; use method="qe"')
    return float(mean + sd * location / precision), float(sd / precision)


def _between(ranks: np.ndarray, n: float) -> np.ndarray:
    """Patients below, between and above order statistics, shape (q + 1,)."""
    return np.diff(np.concatenate([[0.0], ranks, [n + 1]])) - 1


def _log_mass(z: np.ndarray) -> np.ndarray:
    """Logarithm of the normal probability below, between and above ``z`` (q,), shape (q + 1,)."""
    low, high = np.append(-np.inf, z), np.append(z, np.inf)
    flip = low > 0  # the smaller tails keep their digits
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    with np.errstate(divide="ignore"):
        return log_ndtr(b) + np.log1p(-np.exp(np.minimum(log_ndtr(a) - log_ndtr(b), 0.0)))


def _slopes(z: np.ndarray, between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the log likelihood by each ``z`` (q,), and the logarithms of the masses between them (q + 1,)."""
    log_mass = _log_mass(z)
    log_density = -0.5 * z * z - _HALF_LOG_2PI

    def pull(mass: np.ndarray, count: np.ndarray) -> np.ndarray:
        return np.where(count > 0, count * np.exp(log_density - mass), 0.0)

    return -z + pull(log_mass[:-1], between[:-1]) - pull(log_mass[1:], between[1:]), log_mass


def _log_likelihood(mean: float, sd: float, x: np.ndarray, ranks: np.ndarray, n: float) -> float:
    """Log density of order statistics ``x`` of a normal sample, but for a constant."""
    z, between = (x - mean) / sd, _between(ranks, n)
    return float(-0.5 * (z @ z) - len(z) * np.log(sd) + between[between > 0] @ _log_mass(z)[between > 0])


def _smallest(function: Callable[[float], float], grid: np.ndarray) -> float:
    """Where a function of one number is smallest: the best of a grid, then the best beside it."""
    from scipy import optimize

    values = [function(x) for x in grid]
    best = int(np.argmin(values))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(function, bounds=around, method="bounded", options={"xatol": 1e-12})
    return float(found.x) if found.fun < values[best] else float(grid[best])
