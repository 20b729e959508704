"""Where trials that print only a part have no posterior that could be integrated: said before anything is."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.priors import MuPrior, TauPrior

_APART = 1e5  # widths that a prior of mu may lie from the reports


def refuse_far(
    mu: MuPrior, logw: np.ndarray, mean: np.ndarray, precision: np.ndarray, reported: np.ndarray, v: np.ndarray
) -> None:
    """Raise where the prior of mu and what is reported have next to nothing in common."""
    ends = reported[np.isfinite(reported)]
    share = np.exp(logw - logw.max())
    share /= share.sum()
    wide = float(np.exp(-0.5 * (share * np.log(precision)).sum())) + math.sqrt(v.max())
    apart = max(float(ends.min() - share @ mean), float(share @ mean - ends.max())) / wide
    if apart > _APART:
        raise InputError(
            f"The prior of mu, {mu}, lies {apart:.1g} of its own widths from everything reported; is it in the same unit? Name "
            "one that reaches the reports."
        )


def two_sided(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> int:
    """How many reports rule out large effects on both sides."""
    return int((~np.isnan(y) | (np.isfinite(low) & np.isfinite(high))).sum())


def refuse_one_sided(y: np.ndarray, low: np.ndarray, high: np.ndarray, tail: float, tau: TauPrior, mu: MuPrior) -> None:
    """Raise where the posterior has no finite total.

    A flat mean needs a report that bounds it above and one that bounds it below. Where tau is large, reports with an estimate
    or with two limits count as studies do in any pool; of one-sided ones the probability tends to one half.
    """
    printed = ~np.isnan(y)
    above, below = (printed | np.isfinite(high)).any(), (printed | np.isfinite(low)).any()
    if not mu.proper and not (above and below):
        side = "below" if below else "above"
        raise InputError(
            f"The posterior is improper: mu is flat, and every report bounds the effect from {side} only, so that however "
            "far it lies on the other side the reports fit as well and the posterior of mu has no finite total. Name a proper "
            "prior of mu, such as mu=vf.priors.Normal(0, 2)."
        )
    if tail <= 0:
        raise InputError(
            f"The posterior is improper, or cannot be told from an improper one: with {two_sided(y, low, high)} reports that "
            f"bound the effect on both sides, {mu} and {tau}, large values of tau are not ruled out. Name a prior of tau with "
            "a lighter tail, such as vf.priors.HalfNormal(scale), or a proper prior of mu."
        )
