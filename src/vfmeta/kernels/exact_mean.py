"""The exact interval of Michael, Thornton, Xie & Tian 2019 (Biometrics 75:485-493) for the mean of few studies.

The statistic of a pair (mean, tau2) is the squared Wald statistic at DerSimonian and Laird's estimates plus c0 times the fall
of the log-likelihood from those estimates to the pair. Its distribution at the pair hangs on tau2 and the sampling variances
alone; it is integrated over a fixed set of quasi-random points, so that the same studies always give the same interval. A mean
is in the interval if some tau2 goes with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

_COARSE, _FINE = 2048, 8192
_STEPS = 6
_FARTHEST = 2.0**20  # of the larger of the spread of the effects and the typical variance; ends are found far below


def exact_interval(y: np.ndarray, v: np.ndarray, level: float) -> tuple[float, float]:
    """Limits for the mean of y (k,) with sampling variances v (k,), k >= 2."""
    order = np.argsort(v, kind="stable")  # the points know studies by their place
    centre, unit = float(y.mean()), _typical(v)
    y, v = (y[order] - centre) / math.sqrt(unit), v[order] / unit
    tau2, upper, lower = _grid(y, v, level)
    points = _points(len(v), _FINE)
    limits = []
    for side, ends in ((1, upper), (-1, lower)):

        def out(at: float, side: int = side) -> float:
            return side * _end(y, v, at, level, points, side)

        limits.append(side * _climb(out, tau2, int(np.nanargmax(side * ends))))
    high, low = limits
    return centre + low * math.sqrt(unit), centre + high * math.sqrt(unit)


def exact_p_value(y: np.ndarray, v: np.ndarray, null: float) -> float:
    """The largest probability, over tau2, of a statistic at least as large as that of the mean ``null``."""
    order, unit = np.argsort(v, kind="stable"), _typical(v)
    y, v = (y[order] - null) / math.sqrt(unit), v[order] / unit
    tau2, _, _ = _grid(y, v, 0.999)
    c0 = _mixing(len(v))
    coarse, fine = _points(len(v), _COARSE), _points(len(v), _FINE)

    def share(at: float, points: np.ndarray) -> float:
        a, middle, low = _observed(y, v, np.array([at]), c0)[0]
        return float((_null(v, at, points, c0) >= a * middle**2 + low).mean())

    shares = np.array([share(float(t), coarse) for t in tau2])
    return min(1.0, _climb(lambda x: share(x, fine), tau2, int(shares.argmax())))


def critical_values(v: np.ndarray, tau2: np.ndarray, level: float, points: int = _FINE) -> np.ndarray:
    """Quantiles of the statistic at each tau2 (G,), for studies with sampling variances v (k,)."""
    z, c0 = _points(len(v), points), _mixing(len(v))
    return np.array([_quantile(_null(v, float(t), z, c0), level) for t in tau2])


def intervals_at(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, critical: np.ndarray) -> np.ndarray:
    """Limits (n, 2) of many sets of effects y (n, k) that share their variances, over a grid of tau2 with `critical_values`."""
    out, c0 = np.empty((len(y), 2)), _mixing(len(v))
    for i, row in enumerate(y):
        a, middle, least = _observed(row, v, tau2, c0).T
        room = (critical - least) / a
        inside = room >= 0
        half = np.sqrt(room[inside])
        out[i] = (middle[inside] - half).min(), (middle[inside] + half).max()
    return out


def _mixing(k: int) -> float:
    """c0 of the paper's authors: how much the likelihood counts beside the Wald statistic."""
    return 1.2 if k < 6 else 0.6 if k < 10 else 0.2


def _typical(v: np.ndarray) -> float:
    """Typical sampling variance of Higgins and Thompson."""
    w = 1 / (v / v.min())
    return float(v.min() * (len(v) - 1) * w.sum() / (w.sum() ** 2 - w @ w))


def _grid(y: np.ndarray, v: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of tau2 from 0 to beyond all that go with the data, each twice the last, and the limits each gives (NaN: none)."""
    points = _points(len(v), _COARSE)
    spread = float(np.var(y, ddof=1))
    farthest = _FARTHEST * max(spread, 1.0)
    tau2, upper, lower = [0.0], [_end(y, v, 0.0, level, points, 1)], [_end(y, v, 0.0, level, points, -1)]
    at, empty = 2.0**-6, 0
    while empty < 2 and at < farthest:
        ends = [_end(y, v, at, level, points, side) for side in (1, -1)]
        tau2.append(at)
        upper.append(ends[0])
        lower.append(ends[1])
        empty = empty + 1 if math.isnan(ends[0]) and at > spread else 0
        at *= 2
    return np.array(tau2), np.array(upper), np.array(lower)


def _end(y: np.ndarray, v: np.ndarray, tau2: float, level: float, points: np.ndarray, side: int) -> float:
    """The limit that one tau2 allows on a side; NaN where it goes with no mean."""
    c0 = _mixing(len(v))
    a, middle, least = _observed(y, v, np.array([tau2]), c0)[0]
    room = (_critical(v.tobytes(), tau2, level, len(points[0])) - least) / a
    return middle + side * math.sqrt(room) if room >= 0 else math.nan


@lru_cache(maxsize=256)
def _critical(v: bytes, tau2: float, level: float, points: int) -> float:
    found = np.frombuffer(v)
    return _quantile(_null(found, tau2, _points(len(found), points), _mixing(len(found))), level)


def _climb(value: Callable[[float], float], tau2: np.ndarray, best: int) -> float:
    """The largest value between the neighbours of the best point of a grid, by golden sections of log(tau2 + a little)."""
    little = 2.0**-7
    low, high = (math.log(tau2[min(max(j, 0), len(tau2) - 1)] + little) for j in (best - 1, best + 1))
    golden = (math.sqrt(5) - 1) / 2
    seen = {}

    def at(x: float) -> float:
        if x not in seen:
            found = value(max(0.0, math.exp(x) - little))
            seen[x] = -math.inf if math.isnan(found) else found
        return seen[x]

    at(math.log(tau2[best] + little))
    a, b = high - golden * (high - low), low + golden * (high - low)
    for _ in range(_STEPS):
        if at(a) >= at(b):
            high, b = b, a
            a = high - golden * (high - low)
        else:
            low, a = a, b
            b = low + golden * (high - low)
    return max(seen.values())


def _null(v: np.ndarray, tau2: float, points: np.ndarray, c0: float) -> np.ndarray:
    from vfmeta.kernels.exact_mean_loops import statistics

    out = np.empty(points.shape[1])
    statistics(points, v, tau2, c0, out)
    return out


def _observed(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, c0: float) -> np.ndarray:
    from vfmeta.kernels.exact_mean_loops import observed

    out = np.empty((len(tau2), 3))
    observed(y, v, tau2, c0, out)
    return out


def _quantile(values: np.ndarray, level: float) -> float:
    """The smallest value that at most 1 - level of them exceed."""
    place = min(len(values) - 1, math.ceil(level * len(values)))
    return float(np.partition(values, place)[place])


@lru_cache(maxsize=32)
def _points(k: int, n: int) -> np.ndarray:
    """Normal quasi-random points (k, n): a scrambled Sobol sequence of a fixed seed."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    inside = qmc.Sobol(k, scramble=True, rng=np.random.default_rng(1)).random(n).T
    return np.ascontiguousarray(ndtri(np.clip(inside, 1e-12, 1 - 1e-12)))
