"""Means of single groups: raw, standardised, log. Arrays of shape (k,) in, ``y`` and ``v`` of shape (k,) out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.effects.formulas.common import Effects, floats, hedges_j, unknown_type


def mean(m: ArrayLike, sd: ArrayLike, n: ArrayLike, *, vtype: str = "LS") -> Effects:
    """MN: the mean in units of the scale; variance ``sd^2/n`` (LS), or with one SD pooled over all studies (HO)."""
    m, sd, n = floats(m, sd, n)
    if vtype == "LS":
        return m, sd**2 / n
    if vtype == "HO":
        return m, np.sum((n - 1) * sd**2) / np.sum(n - 1) / n
    raise unknown_type("MN", vtype)


def standardised_mean(m: ArrayLike, sd: ArrayLike, n: ArrayLike, *, correct: bool = True) -> Effects:
    """SMN: the mean over its SD, with Hedges' correction of ``n - 1`` degrees of freedom; variance ``1/n + y^2/(2 n)``."""
    m, sd, n = floats(m, sd, n)
    y = hedges_j(n - 1, correct) * m / sd
    return y, 1 / n + y**2 / (2 * n)


def log_mean(m: ArrayLike, sd: ArrayLike, n: ArrayLike) -> Effects:
    """MNLN: log of a positive mean; variance ``sd^2/(n m^2)`` (delta method)."""
    m, sd, n = floats(m, sd, n)
    return np.log(m), (sd / m) ** 2 / n
