"""Correlations of two measured variables: raw, bias-corrected, Fisher's z. Arrays of shape (k,) in, ``y`` and ``v`` out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import hyp2f1

from vfmeta.effects.formulas.common import Effects, check_type, floats, weighted_average


def correlation(r: ArrayLike, n: ArrayLike, *, vtype: str = "LS", unbiased: bool = False) -> Effects:
    """COR and UCOR: Pearson's r, or its unbiased estimate.

    Parameters
    ----------
    r, n : array-like of shape (k,)
        Correlations between -1 and 1, and sample sizes; the unbiased estimate exists above 4 (else NaN).
    vtype : {"LS", "UB", "AV", "H0"}
        UB goes with the unbiased estimate only, H0 with the raw one only.
        LS: ``(1 - y^2)^2 / (n - 1)`` (Borenstein 2009, equation 12.27). UB: the unbiased estimate of the variance of the
        unbiased estimate (Hedges, J Educ Stat 1989;14:469-477, in its exact form). AV: LS at the size-weighted average. H0:
        ``(1 - r^2)/(n - 2)``, the squared standard error of the t test of no correlation.
    unbiased : bool
        Whether r is replaced by ``r F(1/2, 1/2; (n - 2)/2; 1 - r^2)`` (Olkin and Pratt, Ann Math Stat 1958;29:201-211).
    """
    r, n = floats(r, n)
    rest = 1 - r**2
    y = np.where(n > 4, r * _hyp2f1(0.5, (n - 2) / 2, rest), np.nan) if unbiased else r
    check_type("UCOR" if unbiased else "COR", vtype)
    if vtype == "LS":
        return y, (1 - y**2) ** 2 / (n - 1)
    if vtype == "UB":
        return y, y**2 - 1 + (n - 3) / (n - 2) * rest * _hyp2f1(1.0, n / 2, rest)
    if vtype == "AV":
        return y, (1 - weighted_average(y, n) ** 2) ** 2 / (n - 1)
    return y, rest / (n - 2)


def fisher_z(r: ArrayLike, n: ArrayLike) -> Effects:
    """ZCOR: ``artanh(r)`` with variance ``1/(n - 3)`` (Fisher 1921), free of the correlation itself."""
    r, n = floats(r, n)
    return np.arctanh(r), 1 / (n - 3)


def _hyp2f1(a: float, c: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Gauss' ``F(a, a; c; z)`` for z in [0, 1): the series where c makes it fall fast, scipy's elsewhere.

    scipy 1.18 gives NaN for some large c with z near 1 (c = 145, z = 0.9975).
    """
    c, z = np.broadcast_arrays(*floats(c, z))
    big = c >= 10
    out = np.asarray(hyp2f1(a, a, np.where(big, 1.0, c), np.where(big, 0.0, z)), float).copy()
    if big.any():
        c, z = c[big], z[big]
        term = np.ones_like(z)
        total = np.ones_like(z)
        for k in range(10_000):
            term = term * (a + k) ** 2 / ((c + k) * (1 + k)) * z
            total = total + term
            if (term < 1e-17 * total).all():
                break
        out[big] = total
    return out
