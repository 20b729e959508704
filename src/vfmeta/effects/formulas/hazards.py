"""Hazard ratios from what trials print of times to an event. Arrays of shape (k,) in, ``y`` (log hazard ratio) and ``v`` out.

Parmar, Torri and Stewart, Stat Med 1998;17:2815-2834; Tierney et al., Trials 2007;8:16.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from vfmeta.effects.formulas.common import Column, Effects, floats


def from_interval(hr: Column, ci_low: Column, ci_high: Column) -> Effects:
    """Log hazard ratio with the variance of its 95% interval."""
    hr, low, high = floats(hr, ci_low, ci_high)
    return np.log(hr), (np.log(high / low) / (2 * ndtri(0.975))) ** 2


def from_log_rank(oe: Column, oe_v: Column) -> Effects:
    """Log hazard ratio ``(O - E) / V`` with variance ``1 / V``, of the experimental group (Yusuf et al. 1985)."""
    oe, oe_v = floats(oe, oe_v)
    return oe / oe_v, 1 / oe_v


def from_p_and_events(p: Column, events1: Column, events2: Column) -> Effects:
    """From the two-sided log-rank p, signed as the log ratio, and the events: ``V = e1 e2 / (e1 + e2)`` (Parmar 1998)."""
    p, e1, e2 = floats(p, events1, events2)
    return _from_p(p, e1 * e2 / (e1 + e2))


def from_p_and_sizes(p: Column, events: Column, n1: Column, n2: Column) -> Effects:
    """From the signed log-rank p, all events and the sizes: ``V = e n1 n2 / (n1 + n2)^2`` (Parmar 1998)."""
    p, e, n1, n2 = floats(p, events, n1, n2)
    return _from_p(p, e * n1 * n2 / (n1 + n2) ** 2)


def _from_p(p: np.ndarray, v: np.ndarray) -> Effects:
    """``O - E`` is ``z`` roots of ``V``, so that the log ratio is ``z / sqrt(V)``."""
    return np.sign(p) * -ndtri(np.abs(p) / 2) / np.sqrt(v), 1 / v
