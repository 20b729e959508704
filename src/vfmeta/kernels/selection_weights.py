"""Compiled weight functions of selection models: the chance of being seen as a function of the one-sided p value."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

STEP, BETA, HALFNORMAL, NEGEXP, NEGEXPPOW, LOGISTIC, POWER = range(7)
_ROOT2, _ROOT2PI = math.sqrt(2), math.sqrt(2 * math.pi)


@njit(cache=True, nogil=True, error_model="numpy")
def log_normal_cdf(x: float) -> float:
    """Log of the normal distribution function, to rounding, everywhere."""
    if x > -30.0:
        return math.log1p(-0.5 * math.erfc(x / _ROOT2)) if x > 0 else math.log(0.5 * math.erfc(-x / _ROOT2))
    r = 1 / (x * x)
    return -0.5 * x * x - math.log(-x * _ROOT2PI) + math.log1p(-r * (1 - r * (3 - r * (15 - 105 * r))))


@njit(cache=True, nogil=True, error_model="numpy")
def _box_cox(rate: float, log_p: float, out: np.ndarray) -> None:
    """(p^rate - 1) / rate and its first two derivatives by ``rate``, from log p."""
    x = rate * log_p
    if abs(x) < 0.5:
        a = b = c = 0.0
        term = 1.0  # x^n / n!
        for n in range(16):
            a += term / (n + 1)
            b += term / (n + 2)
            c += term / (n + 3)
            term *= x / (n + 1)
        out[0], out[1], out[2] = log_p * a, log_p**2 * b, log_p**3 * c
    else:
        e = math.exp(x)
        out[0] = (e - 1) / rate
        out[1] = (e * log_p - out[0]) / rate
        out[2] = (e * log_p**2 - 2 * out[1]) / rate


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(family: int, delta: np.ndarray, log_p: float, log_q: float, p: float, out: np.ndarray) -> None:
    """Log weight, its two first and three second derivatives (00, 01, 11) by the parameters of the search.

    These are delta itself for the beta function and log(1 + delta) for the others, where delta has no upper end.
    """
    out[:] = 0.0
    if family == BETA:
        out[0] = (delta[0] - 1) * log_p + (delta[1] - 1) * log_q
        out[1], out[2] = log_p, log_q
        return
    d = delta[0]
    chain = 1 + d
    if family == NEGEXPPOW:
        k = np.empty(3)
        rate = delta[1]
        if d > 300 * rate and rate >= 1e-3:  # 1 at p = 0, not at p = 1 where it would be too small: the factor cancels
            e = math.exp(rate * log_p)
            k[0], k[1] = e / rate, e * (log_p - 1 / rate) / rate
            k[2] = e * (log_p**2 - 2 * log_p / rate + 2 / rate**2) / rate
        else:
            _box_cox(rate, log_p, k)
        other = 1 + rate
        out[0] = -d * k[0]
        out[1], out[2] = -k[0] * chain, -d * k[1] * other
        out[3] = -k[0] * chain
        out[4] = -k[1] * chain * other
        out[5] = -d * k[2] * other * other - d * k[1] * other
        return
    second = 0.0
    if family == HALFNORMAL:
        first = -p * p
        out[0] = d * first
    elif family == NEGEXP:
        first = -p
        out[0] = d * first
    elif family == LOGISTIC:
        e = math.exp(-d * p)
        first = -p / (1 + e)
        second = -p * p * e / (1 + e) ** 2
        out[0] = math.log(2.0) - d * p - math.log1p(e)
    else:  # POWER
        first = log_q
        out[0] = d * first
    out[1] = first * chain
    out[3] = second * chain * chain + first * chain


@njit(cache=True, nogil=True, error_model="numpy")
def natural(family: int, u: np.ndarray, edge: float) -> np.ndarray:
    """Delta (for the negative exponential power its Box-Cox form) from the parameters of the search."""
    out = np.empty(u.shape[0])
    for j in range(u.shape[0]):
        out[j] = u[j] + edge if family == BETA else math.expm1(u[j])
    return out
