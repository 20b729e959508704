"""The scales on which effects are pooled, and the way to the one people read and back. Arrays in, arrays out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Pair = tuple[float, float]
Way = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Scale:
    """An analysis scale.

    Parameters
    ----------
    name : str
        What stands before the name of what people read, as in "log RR"; empty where the analysis is on that very scale.
    to_read, to_analysis : callable
        From the analysis scale to the one people read, and back; both take the sample sizes (person-times) too where ``sized``.
    domain : (float, float)
        What values can be, as people read them.
    sized : bool
        Whether the way hangs on the sample size, or person-time.
    """

    name: str
    to_read: Way
    to_analysis: Way
    domain: Pair = (-math.inf, math.inf)
    sized: bool = False

    def at(self, size: float | np.ndarray) -> Scale:
        """The same scale for one sample size, or one a value."""
        return Scale(self.name, lambda x: self.to_read(x, size), lambda x: self.to_analysis(x, size), self.domain)


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _exp(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # beyond the largest float a ratio is infinite
        return np.exp(x)


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(x)


def _expit(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit  # scipy loads where a logit is met, not with the question

    return expit(x)


def _logit(p: np.ndarray) -> np.ndarray:
    from scipy.special import logit

    return logit(p)


def _arcsine(p: np.ndarray) -> np.ndarray:
    return np.arcsin(np.sqrt(p))


def _from_arcsine(x: np.ndarray) -> np.ndarray:
    """What lies outside 0 to pi/2 (a confidence limit may) stands for 0 or 1."""
    return np.sin(np.clip(x, 0, math.pi / 2)) ** 2


def _from_root(x: np.ndarray) -> np.ndarray:
    """What is negative (a confidence limit may be) stands for 0."""
    return np.clip(x, 0, None) ** 2


def _double_arcsine(p: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Freeman and Tukey's double arcsine, halved, in radians."""
    return (np.arcsin(np.sqrt(p * n / (n + 1))) + np.arcsin(np.sqrt((p * n + 1) / (n + 1)))) / 2


def _from_double_arcsine(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Miller (Am Stat 1978;32:138); below the value of no events, or above that of events in everybody: 0 and 1."""
    x, n = np.broadcast_arrays(x, n)
    lowest, highest = _double_arcsine(np.zeros(n.shape), n), _double_arcsine(np.ones(n.shape), n)
    inside = np.clip(x, lowest, highest)
    sine = np.sin(2 * inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.clip(1 - (sine + (sine - 1 / sine) / n) ** 2, 0, None))
    p = (1 - np.sign(np.cos(2 * inside)) * root) / 2
    return np.where(x <= lowest, 0.0, np.where(x >= highest, 1.0, np.where(np.isnan(x), np.nan, p)))


def _freeman_tukey_root(rate: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Freeman and Tukey's average of two root rates; of an infinite rate it is infinite."""
    return (np.sqrt(rate) + np.sqrt(rate + 1 / time)) / 2


def _from_freeman_tukey_root(x: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Solved for the rate: twice the average times the difference of the two roots is 1/time; below that of no events: 0."""
    x, time = np.broadcast_arrays(x, time)
    lowest = np.sqrt(1 / time) / 2
    inside = np.maximum(x, lowest)
    rate = np.where(x <= lowest, 0.0, (inside - 1 / (4 * inside * time)) ** 2)
    return np.where(np.isnan(x), np.nan, rate)


READ = Scale("", _same, _same)
LOG = Scale("log", _exp, _log, (0.0, math.inf))
LOGIT = Scale("logit", _expit, _logit, (0.0, 1.0))
FISHER_Z = Scale("Fisher's z of", np.tanh, np.arctanh, (-1.0, 1.0))
ARCSINE = Scale("arcsine", _from_arcsine, _arcsine, (0.0, 1.0))
DOUBLE_ARCSINE = Scale("double arcsine", _from_double_arcsine, _double_arcsine, (0.0, 1.0), sized=True)
ROOT = Scale("root", _from_root, np.sqrt, (0.0, math.inf))
FREEMAN_TUKEY_ROOT = Scale("Freeman-Tukey root", _from_freeman_tukey_root, _freeman_tukey_root, (0.0, math.inf), sized=True)
