"""Proportions of single groups: raw, log, logit, arcsine and double arcsine. Arrays of shape (k,) in, ``y`` and ``v`` out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.effects.formulas.common import NO_RULE, Effects, ZeroRule, floats, unknown_type


def _counts(events: ArrayLike, n: ArrayLike, zero: ZeroRule) -> tuple[np.ndarray, np.ndarray, float]:
    """Events and totals after the rule (the amount goes to events and to non-events), and the proportion over all studies."""
    x, n = floats(events, n)
    x, rest = zero.apply(x, n - x)
    return x, x + rest, float(x.sum() / (x + rest).sum())


def proportion(events: ArrayLike, n: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS") -> Effects:
    """PR: ``p = x/n``; variance ``p (1 - p)/n`` (LS), over ``n - 1`` (UB), or of the proportion over all studies (AV)."""
    x, m, everyone = _counts(events, n, zero)
    p = x / m
    raw, total = floats(events, n)
    y = p if zero.in_estimate else raw / total
    if vtype == "LS":
        return y, p * (1 - p) / m
    if vtype == "UB":
        return y, p * (1 - p) / (m - 1)
    if vtype == "AV":
        return y, everyone * (1 - everyone) / m
    raise unknown_type("PR", vtype)


def log_proportion(events: ArrayLike, n: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS") -> Effects:
    """PLN: log proportion; variance ``1/x - 1/n``."""
    x, m, everyone = _counts(events, n, zero)
    if vtype == "LS":
        return np.log(x / m), 1 / x - 1 / m
    if vtype == "AV":
        return np.log(x / m), (1 - everyone) / (everyone * m)
    raise unknown_type("PLN", vtype)


def logit_proportion(events: ArrayLike, n: ArrayLike, *, zero: ZeroRule = NO_RULE, vtype: str = "LS") -> Effects:
    """PLO: log odds; variance ``1/x + 1/(n - x)``."""
    x, m, everyone = _counts(events, n, zero)
    if vtype == "LS":
        return np.log(x / (m - x)), 1 / x + 1 / (m - x)
    if vtype == "AV":
        return np.log(x / (m - x)), 1 / (m * everyone * (1 - everyone))
    raise unknown_type("PLO", vtype)


def arcsine_proportion(events: ArrayLike, n: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """PAS: arcsine of the root of the proportion, in radians; variance ``1/(4 n)``. No correction is needed at 0 or n."""
    x, n, _ = _counts(events, n, zero)
    return np.arcsin(np.sqrt(x / n)), 1 / (4 * n)


def double_arcsine(events: ArrayLike, n: ArrayLike, *, zero: ZeroRule = NO_RULE) -> Effects:
    """PFT: Freeman and Tukey's double arcsine (Ann Math Stat 1950;21:607-611), halved, in radians; variance ``1/(4 n + 2)``.

    Its back-transformation hangs on the sample size and can mislead when sizes differ widely (Schwarzer et al., Res Synth
    Methods 2019;10:476-483); a logit or a binomial model is the safer choice.
    """
    x, n, _ = _counts(events, n, zero)
    return (np.arcsin(np.sqrt(x / (n + 1))) + np.arcsin(np.sqrt((x + 1) / (n + 1)))) / 2, 1 / (4 * n + 2)
