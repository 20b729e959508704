"""Two groups with counts of patients: ratios, differences, Peto's odds ratio, phi.

Arrays of shape (k,) in, ``y`` and ``v`` of shape (k,) out; group 1 is the experimental one. ``events`` and ``n`` are patients.
Zero cells: see `vfmeta.effects.formulas.common.ZeroRule`. Peto's odds ratio, the arcsine difference and phi exist without a
correction, and by default take none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.effects.formulas.common import NO_RULE, Effects, ZeroRule, check_type, floats, unknown_type


def _cells(events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike) -> tuple[np.ndarray, ...]:
    a, n1, c, n2 = floats(events1, n1, events2, n2)
    return a, n1 - a, c, n2 - c


def log_risk_ratio(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS"
) -> Effects:
    """Log risk ratio (Katz 1978). AV: each group's risk averaged over studies (summed events over summed patients) in ``v``."""
    a, b, c, d = zero.apply(*_cells(events1, n1, events2, n2))
    m1, m2 = a + b, c + d
    y = np.log(a / m1) - np.log(c / m2)
    if vtype == "LS":
        return y, 1 / a - 1 / m1 + 1 / c - 1 / m2
    if vtype == "AV":
        p1, p2 = a.sum() / m1.sum(), c.sum() / m2.sum()
        return y, (1 - p1) / (p1 * m1) + (1 - p2) / (p2 * m2)
    raise unknown_type("RR", vtype)


def log_odds_ratio(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS"
) -> Effects:
    """Log odds ratio (Woolf 1955); AV as in `log_risk_ratio`."""
    a, b, c, d = zero.apply(*_cells(events1, n1, events2, n2))
    y = np.log(a) - np.log(b) - np.log(c) + np.log(d)
    if vtype == "LS":
        return y, 1 / a + 1 / b + 1 / c + 1 / d
    if vtype == "AV":
        m1, m2 = a + b, c + d
        p1, p2 = a.sum() / m1.sum(), c.sum() / m2.sum()
        return y, 1 / (m1 * p1 * (1 - p1)) + 1 / (m2 * p2 * (1 - p2))
    raise unknown_type("OR", vtype)


def risk_difference(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS"
) -> Effects:
    """Risk difference as a proportion; AV as in `log_risk_ratio`. The rule says whether the estimate is corrected too."""
    counted = _cells(events1, n1, events2, n2)
    a, b, c, d = zero.apply(*counted)
    m1, m2 = a + b, c + d
    e, f, g, h = (a, b, c, d) if zero.in_estimate else counted
    y = e / (e + f) - g / (g + h)
    if vtype == "LS":
        return y, a * b / m1**3 + c * d / m2**3
    if vtype == "AV":
        p1, p2 = a.sum() / m1.sum(), c.sum() / m2.sum()
        return y, p1 * (1 - p1) / m1 + p2 * (1 - p2) / m2
    raise unknown_type("RD", vtype)


def arcsine_difference(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE
) -> Effects:
    """AS: difference of the arcsines of the root risks, in radians (Rücker et al., Stat Med 2009;28:721-738).

    Defined and of known variance at every count, so that trials without events stay in without a correction.
    """
    a, b, c, d = zero.apply(*_cells(events1, n1, events2, n2))
    m1, m2 = a + b, c + d
    return np.arcsin(np.sqrt(a / m1)) - np.arcsin(np.sqrt(c / m2)), 1 / (4 * m1) + 1 / (4 * m2)


def peto_log_odds_ratio(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE
) -> Effects:
    """Peto's one-step log odds ratio, observed minus expected over the hypergeometric variance (Yusuf et al. 1985)."""
    a, b, c, d = zero.apply(*_cells(events1, n1, events2, n2))
    m1, m2 = a + b, c + d
    total = m1 + m2
    variance = m1 * m2 * (a + c) * (b + d) / (total**2 * (total - 1))
    return (a - m1 * (a + c) / total) / variance, 1 / variance


def phi_coefficient(
    events1: ArrayLike, n1: ArrayLike, events2: ArrayLike, n2: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "CS"
) -> Effects:
    """Phi of a 2x2 table, with the asymptotic variance of its sampling scheme.

    CS (or LS): one multinomial sample (cross-sectional). ST: two binomial samples, group sizes fixed (stratified), as in a
    trial. Both by the delta method (Bishop, Fienberg and Holland 1975, chapter 11).
    """
    a, b, c, d = zero.apply(*_cells(events1, n1, events2, n2))
    check_type("PHI", vtype)
    rows, columns = (a + b, c + d), (a + c, b + d)
    phi = (a * d - b * c) / np.sqrt(rows[0] * rows[1] * columns[0] * columns[1])
    # derivative of phi by each cell: that of the numerator less phi times half the log derivative of the margins
    root = np.sqrt(rows[0] * rows[1] * columns[0] * columns[1])
    slopes = [
        gain / root - phi / 2 * (1 / rows[i] + 1 / columns[j]) for gain, i, j in ((d, 0, 0), (-c, 0, 1), (-b, 1, 0), (a, 1, 1))
    ]
    cells = (a, b, c, d)
    # the slopes weighted by the cells sum to zero over the table, as phi does not change with its size
    if vtype == "ST":
        spread = [sum(cells[i] * slopes[i] ** 2 for i in pair) for pair in ((0, 1), (2, 3))]
        means = [sum(cells[i] * slopes[i] for i in pair) for pair in ((0, 1), (2, 3))]
        return phi, sum(s - m**2 / row for s, m, row in zip(spread, means, rows, strict=True))
    return phi, sum(x * s**2 for x, s in zip(cells, slopes, strict=True))


def odds_ratio_as_d(
    events1: ArrayLike,
    n1: ArrayLike,
    events2: ArrayLike,
    n2: ArrayLike,
    *,
    zero: ZeroRule = NO_RULE,
    factor: float = math.pi / math.sqrt(3),
) -> Effects:
    """Standardised mean difference of a dichotomised outcome: log odds ratio over pi/sqrt(3) (logistic) or 1.65 (normal)."""
    y, v = log_odds_ratio(events1, n1, events2, n2, zero=zero)
    return y / factor, v / factor**2
