"""Two arms with counts: risk ratio, odds ratio, risk difference. Arrays in, arrays out; experimental arm first.

Zero cells: ratio measures add 0.5 to all four cells of a table that holds a zero (rule ``"only0"``), and leave out tables
with no events in either arm or events in everybody, which say nothing on a ratio; the risk difference keeps every table as
counted and adds 0.5 only inside its variance, which would otherwise be zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.effects.means import Effects

ZERO_RULES = ("only0", "none")


def uninformative(events1: ArrayLike, total1: ArrayLike, events2: ArrayLike, total2: ArrayLike) -> np.ndarray:
    """Tables that say nothing on a ratio: no events in either arm, or events in everybody of both arms."""
    a, n1, c, n2 = _counts(events1, total1, events2, total2)
    return ((a == 0) & (c == 0)) | ((a == n1) & (c == n2))


def log_risk_ratio(
    events1: ArrayLike, total1: ArrayLike, events2: ArrayLike, total2: ArrayLike, zero: str = "only0"
) -> Effects:
    """Log risk ratio and its variance ``1/a - 1/n1 + 1/c - 1/n2`` (Katz 1978)."""
    a, b, c, d = _cells(events1, total1, events2, total2, zero)
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def log_odds_ratio(
    events1: ArrayLike, total1: ArrayLike, events2: ArrayLike, total2: ArrayLike, zero: str = "only0"
) -> Effects:
    """Log odds ratio and its variance ``1/a + 1/b + 1/c + 1/d`` (Woolf 1955)."""
    a, b, c, d = _cells(events1, total1, events2, total2, zero)
    return np.log(a) - np.log(b) - np.log(c) + np.log(d), 1 / a + 1 / b + 1 / c + 1 / d


def risk_difference(
    events1: ArrayLike, total1: ArrayLike, events2: ArrayLike, total2: ArrayLike, zero: str = "only0"
) -> Effects:
    """Risk difference as a proportion, from the counts as they are, and its variance with the zero rule applied."""
    a, n1, c, n2 = _counts(events1, total1, events2, total2)
    e, f, g, h = _cells(a, n1, c, n2, zero)
    return a / n1 - c / n2, e * f / (e + f) ** 3 + g * h / (g + h) ** 3


def _counts(*values: ArrayLike) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(x, dtype=float) for x in values)


def _cells(events1: ArrayLike, total1: ArrayLike, events2: ArrayLike, total2: ArrayLike, zero: str) -> tuple[np.ndarray, ...]:
    a, n1, c, n2 = _counts(events1, total1, events2, total2)
    cells = np.stack(np.broadcast_arrays(a, n1 - a, c, n2 - c))
    if zero == "only0":
        cells = cells + 0.5 * (cells == 0).any(axis=0)
    return tuple(cells)
