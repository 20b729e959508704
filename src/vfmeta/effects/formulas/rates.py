"""Events per person-time, in one group or two. Arrays of shape (k,) in, ``y`` and ``v`` of shape (k,) out.

``events`` are counts (Poisson), ``time`` is person-time in any one unit; rates are events per that unit. Group 1 is the
experimental one. Zero counts: see `vfmeta.effects.formulas.common.ZeroRule`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.effects.formulas.common import NO_RULE, Effects, ZeroRule, floats


def log_rate_ratio(
    events1: ArrayLike, time1: ArrayLike, events2: ArrayLike, time2: ArrayLike, *, zero: ZeroRule = NO_RULE
) -> Effects:
    """IRR: log incidence rate ratio; variance ``1/x1 + 1/x2`` (Rothman, Greenland and Lash 2008)."""
    x1, t1, x2, t2 = floats(events1, time1, events2, time2)
    x1, x2 = zero.apply(x1, x2)
    return np.log(x1 / t1) - np.log(x2 / t2), 1 / x1 + 1 / x2


def rate_difference(
    events1: ArrayLike, time1: ArrayLike, events2: ArrayLike, time2: ArrayLike, *, zero: ZeroRule = NO_RULE
) -> Effects:
    """IRD: incidence rate difference; variance ``x1/t1^2 + x2/t2^2``."""
    x1, t1, x2, t2 = floats(events1, time1, events2, time2)
    z1, z2 = zero.apply(x1, x2)
    e1, e2 = (z1, z2) if zero.in_estimate else (x1, x2)
    return e1 / t1 - e2 / t2, z1 / t1**2 + z2 / t2**2


def root_rate_difference(
    events1: ArrayLike, time1: ArrayLike, events2: ArrayLike, time2: ArrayLike, *, zero: ZeroRule = NO_RULE
) -> Effects:
    """IRSD: difference of the square roots of two rates; variance ``1/(4 t1) + 1/(4 t2)``, whatever the counts."""
    x1, t1, x2, t2 = floats(events1, time1, events2, time2)
    x1, x2 = zero.apply(x1, x2)
    return np.sqrt(x1 / t1) - np.sqrt(x2 / t2), 1 / (4 * t1) + 1 / (4 * t2)


def rate(events: ArrayLike, time: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """IR: raw incidence rate; variance ``x/t^2``."""
    x, t = floats(events, time)
    (z,) = zero.apply(x)
    return (z if zero.in_estimate else x) / t, z / t**2


def log_rate(events: ArrayLike, time: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """IRLN: log incidence rate; variance ``1/x``."""
    x, t = floats(events, time)
    (x,) = zero.apply(x)
    return np.log(x / t), 1 / x


def root_rate(events: ArrayLike, time: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """IRS: square root of the incidence rate; variance ``1/(4 t)``."""
    x, t = floats(events, time)
    (x,) = zero.apply(x)
    return np.sqrt(x / t), 1 / (4 * t)


def freeman_tukey_rate(events: ArrayLike, time: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """IRFT: Freeman and Tukey's (1950) average of ``sqrt(x/t)`` and ``sqrt((x + 1)/t)``; variance ``1/(4 t)``."""
    x, t = floats(events, time)
    (x,) = zero.apply(x)
    return (np.sqrt(x / t) + np.sqrt((x + 1) / t)) / 2, 1 / (4 * t)
