"""Where searches for the maximum of the likelihood of a selection model begin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vfmeta.kernels.selection_weights import BETA, NEGEXPPOW

Start = tuple[tuple[float, ...], int, int]  # shape of the weights, size of the heterogeneity, lowering of the mean
LEAST_TAU2 = 0.02  # where a search for heterogeneity begins, as a share of a typical variance
_LARGE = math.log1p(1e10)  # delta from which on it is infinite for every purpose
_STEEP = math.log1p(60.0)  # the largest power of p, where the weight is all but a step
_SPIKE = 1e4  # parameters of a beta function that is all but a spike


def shapes_of(family: int, z: np.ndarray) -> tuple[list[Start], np.ndarray, np.ndarray]:
    """Starts (shape, size of the heterogeneity, lowering of the mean), and the bounds of the shape; ``z`` (k,) of the studies.

    Besides mild selection they lie where likelihoods had their highest maximum in trials with many random starts: near both
    edges of the beta function with the mean far away, and at steps of the negative exponential power function.
    """
    from scipy.special import log_ndtr

    every, starts = [(size, shift) for size in range(3) for shift in (0, 1)], list[Start]()
    if family == BETA:
        starts = [
            *(((1.0, 1.0), *at) for at in (*every, (2, -2))), ((0.5, 0.8), 0, 1), ((0.5, 0.8), 1, 1), ((0.6, 0.4), 2, 1),
            ((0.2, 1.2), 0, 1), ((1.6, 1.1), 1, 0), ((1.6, 1.1), 2, 0), ((0.3, 0.3), 0, 0), ((0.05, 3.0), 3, 4),
            ((1.7, 1.5), 3, -4), ((0.1, 2.5), 2, 3),
        ]  # fmt: skip
        return starts, np.zeros(2), np.full(2, _SPIKE)
    if family == NEGEXPPOW:
        starts = [
            *(((0.5, 0.7), *at) for at in every), *(((0.5, 0.05), *at) for at in ((0, 1), (1, 1), (1, 0), (2, 0))),
            ((1.2, 0.4), 0, 1), ((1.2, 0.4), 1, 1), ((2.0, 1.2), 1, 0), ((0.1, 2.0), 1, 0), ((0.1, 2.0), 0, 0),
            ((0.0, 0.7), 0, 0), ((0.0, 0.7), 1, 0),
        ]  # fmt: skip
        high = np.array([8 * _LARGE, _STEEP])
        for log_p in np.quantile(log_ndtr(-z), [1.0, 0.9, 0.75, 0.5]).tolist():
            for rate, size in ((4.0, 0), (4.0, 1), (50.0, 0), (50.0, 1), (50.0, 2)):
                bend = min(float(np.logaddexp(0, math.log(rate) - rate * log_p)), 0.95 * float(high[0]))
                starts.append(((bend, math.log1p(rate)), size, 0))
        return starts, np.zeros(2), high
    starts = [*(((u,), *at) for u in (0.0, 0.5, 1.6) for at in every), ((3.0,), 3, 4)]
    return starts, np.zeros(1), np.full(1, _LARGE)


def to_search(family: int, delta: np.ndarray) -> np.ndarray:
    if family == BETA:
        return np.asarray(delta, dtype=float)
    if family == NEGEXPPOW:
        return np.log1p([delta[0] / delta[1], 1 / delta[1]])
    return np.log1p(delta)


def starts_of(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, beta: np.ndarray, tau2: float, shapes: Sequence[Start], common: bool,
    z: np.ndarray, offset: float,
) -> np.ndarray:  # fmt: skip
    """Points to climb from: coefficients as they are and moved, with several sizes of heterogeneity.

    With columns in ``z`` (k, s) log tau2 is ``offset`` + z a, and a lies where tau2 is of each size, or goes with a column.
    """
    one = np.linalg.lstsq(x, np.ones(len(y)), rcond=None)[0]
    spread = math.sqrt(tau2 + float(np.median(v)))
    least = 5 * LEAST_TAU2
    sizes = [0.0] * 4 if common else [0.0, max(tau2, LEAST_TAU2), 3 * max(tau2, least), 10 * max(tau2, least)]
    if not z.shape[1]:
        spreads = [[(size,)] for size in sizes]
    else:
        levels = [math.log(max(size, least)) for size in sizes]
        flat = [np.linalg.lstsq(z, np.full(len(y), level - offset), rcond=None)[0] for level in levels]
        slopes = [sign * row for row in np.eye(z.shape[1]) for sign in (0, -2, 2)]
        spreads = [[tuple((a + slope).tolist()) for slope in slopes] for a in flat]
    every = {
        (*(beta - shift * spread * one).tolist(), *own, *shape): None
        for shape, size, shift in shapes for own in spreads[size][: None if shape == shapes[0][0] else 1]
    }  # fmt: skip
    return np.array(list(every))
