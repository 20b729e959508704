"""Prediction interval by the parametric bootstrap of Nagashima, Noma & Furukawa 2019 (Stat Methods Med Res 28:1689-1702)."""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.quadratic_form import q_distribution

_GRID = 2000


def confidence_draws_of_tau2(y: np.ndarray, v: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draws from the confidence distribution of tau2: the tau2 >= 0 under which P(Q <= its observed value) is the uniform.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances, k >= 2.
    uniforms : ndarray of shape (n,)
        Numbers in (0, 1).

    Returns
    -------
    ndarray of shape (n,)
    """
    unit = float(v.min())
    w = 1 / v
    q = float(w @ (y - w @ y / w.sum()) ** 2)
    if q == 0:
        return np.zeros(len(uniforms))
    lowest = float(uniforms.min())
    high = float(v.max())
    while q_distribution(q, v, w, high)[0] > lowest:
        high *= 4
    grid = unit * np.expm1(np.linspace(0, np.log1p(high / unit), _GRID))
    step = max(1, 2_000_000 // (24 * len(v)))
    p = np.concatenate([q_distribution(q, v, w, grid[i : i + step]) for i in range(0, _GRID, step)])
    p = np.minimum.accumulate(np.maximum(p, 1e-300))
    # straight lines between neighbours, of log(unit + tau2) over log P
    logs = np.interp(np.log(uniforms), np.log(p[::-1]), np.log(unit + grid[::-1]))
    return np.maximum(np.exp(logs) - unit, 0.0)


def bootstrap_prediction(y: np.ndarray, v: np.ndarray, level: float, draws: int, seed: int) -> tuple[float, float]:
    """Quantiles of mean(tau2*) + z tau* - t_{k-1} se(tau2*), tau2* from its confidence distribution.

    ``se`` is that of Hartung and Knapp at weights 1 / (v + tau2*), without its ad hoc factor.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances, k >= 2.
    level : float
        Level of the interval.
    draws, seed : int
        Number of bootstrap draws, and the seed that makes them repeatable.
    """
    rng = np.random.default_rng(seed)
    tau2 = confidence_draws_of_tau2(y, v, rng.uniform(size=draws))
    z, t = rng.standard_normal(draws), rng.standard_t(len(y) - 1, draws)
    new = np.empty(draws)
    step = max(1, 2_000_000 // len(y))
    for i in range(0, draws, step):
        part = slice(i, i + step)
        w = 1 / (v + tau2[part, None])
        total = w.sum(1)
        mean = (w * y).sum(1) / total
        se = np.sqrt((w * (y - mean[:, None]) ** 2).sum(1) / (len(y) - 1) / total)
        new[part] = mean + z[part] * np.sqrt(tau2[part]) - t[part] * se
    low, high = np.quantile(new, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
