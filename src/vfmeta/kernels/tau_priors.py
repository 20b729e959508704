"""Compiled densities of the priors of tau, each known by a code."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

HALF_NORMAL, HALF_T, EXPONENTIAL, LOG_NORMAL, UNIFORM, FLAT, JEFFREYS = range(7)
LOG_T, INVERSE_GAMMA, SHRINKAGE, DUMOUCHEL, CONVENTIONAL, UNIFORM2 = range(7, 13)


@njit(cache=True, nogil=True, error_model="numpy")
def prior_constant(prior: np.ndarray) -> float:
    """What of the log density of a coded prior (code, a, b, c) does not hang on tau; 0 for improper ones."""
    code, a, b, c = int(prior[0]), prior[1], prior[2], prior[3]
    if code == HALF_NORMAL:
        return 0.5 * math.log(2 / math.pi) - math.log(a)
    if code in (HALF_T, CONVENTIONAL):  # c: log of the normalising constant
        return c if code == HALF_T else -c
    if code in (EXPONENTIAL, UNIFORM):
        return -math.log(a)
    if code == LOG_NORMAL:
        return -math.log(b) - 0.5 * math.log(2 * math.pi)
    if code == LOG_T:
        return math.lgamma((c + 1) / 2) - math.lgamma(c / 2) - 0.5 * math.log(c * math.pi) - math.log(b)
    if code == INVERSE_GAMMA:
        return a * math.log(b) - math.lgamma(a) + math.log(c)
    if code == SHRINKAGE:
        return math.log(2 / a)
    if code == DUMOUCHEL:
        return -0.5 * math.log(a)
    if code == UNIFORM2:
        return math.log(2.0) - (2 * math.log(a) if math.isfinite(a) else 0.0)
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def log_prior(u: float, prior: np.ndarray, v: np.ndarray) -> float:
    """Log density of tau = exp(u) for a coded prior (code, a, b, c), less its `prior_constant`."""
    code, a, b, c = int(prior[0]), prior[1], prior[2], prior[3]
    t = math.exp(u)
    if code == HALF_NORMAL:
        return -0.5 * (t / a) ** 2
    if code == HALF_T:
        return -(b + 1) / 2 * math.log1p((t / a) ** 2 / b)
    if code == EXPONENTIAL:
        return -t / a
    if code == LOG_NORMAL:
        return -u - 0.5 * ((u - a) / b) ** 2
    if code == LOG_T:  # location a, scale b of log tau; c degrees of freedom
        return -(c + 1) / 2 * math.log1p(((u - a) / b) ** 2 / c) - u
    if code == INVERSE_GAMMA:  # of tau^c (c is 1 or 2): shape a, scale b
        return -(a * c + 1) * u - b / t**c
    if code == SHRINKAGE:  # a: harmonic mean of the variances
        return u - 2 * math.log1p(t * t / a)
    if code == DUMOUCHEL:
        return -2 * math.log1p(t / math.sqrt(a))
    if code == UNIFORM2:  # uniform on tau^2 up to a^2, a infinite for the improper one
        return u
    if code == JEFFREYS:
        least = v.min() + t * t
        total = 0.0
        for x in v:
            total += (least / (x + t * t)) ** 2
        return u - math.log(least) + 0.5 * math.log(total)
    if code == CONVENTIONAL:
        total = 0.0
        for x in v:
            total += math.log(x + t * t)
        return u - 1.5 * total / len(v)
    return 0.0
