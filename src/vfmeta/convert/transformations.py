"""Scales on which effects are pooled, and the way back. Single numbers or arrays, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from vfmeta.convert.checking import between, numbers, positive, require
from vfmeta.core.messages import InputError

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(120)


def r_to_z(r: ArrayLike) -> np.ndarray:
    """Fisher's z of a correlation, ``artanh(r)``."""
    return np.arctanh(between("r", r, -1, 1, ends=False))


def z_to_r(z: ArrayLike) -> np.ndarray:
    """Correlation of a Fisher's z, ``tanh(z)``."""
    return np.tanh(numbers("z", z))


def logit(p: ArrayLike) -> np.ndarray:
    """Log odds of a proportion."""
    return special.logit(between("p", p, 0, 1, ends=False))


def expit(x: ArrayLike) -> np.ndarray:
    """Proportion of a log odds."""
    return special.expit(numbers("x", x))


def arcsine(p: ArrayLike) -> np.ndarray:
    """Arcsine of the root of a proportion, in radians (0 to pi/2)."""
    return np.arcsin(np.sqrt(between("p", p, 0, 1)))


def inverse_arcsine(x: ArrayLike) -> np.ndarray:
    """Proportion of an arcsine; what lies outside 0 to pi/2 stands for 0 or 1."""
    return np.sin(np.clip(numbers("x", x), 0, math.pi / 2)) ** 2


def inverse_root(x: ArrayLike) -> np.ndarray:
    """Rate of a root rate; what is negative (a confidence limit may be) stands for 0."""
    return np.clip(numbers("x", x), 0, None) ** 2


def double_arcsine(p: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Freeman and Tukey's double arcsine of a proportion among n, halved, in radians (measure PFT)."""
    p, n = between("p", p, 0, 1), positive("n", n)
    return (np.arcsin(np.sqrt(p * n / (n + 1))) + np.arcsin(np.sqrt((p * n + 1) / (n + 1)))) / 2


def inverse_double_arcsine(x: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Proportion of a double arcsine (Miller, Am Stat 1978;32:138).

    Parameters
    ----------
    x : array-like
        Double arcsines as measure PFT has them.
    n : array-like
        Sample size. For a pooled value the harmonic mean of the sizes is customary; the answer hangs on it and may mislead
        (Schwarzer et al., Res Synth Methods 2019;10:476-483).

    Notes
    -----
    Values below that of no events, or above that of events in everybody, stand for 0 and 1.
    """
    x, n = np.broadcast_arrays(numbers("x", x), positive("n", n))
    lowest, highest = double_arcsine(np.zeros(n.shape), n), double_arcsine(np.ones(n.shape), n)
    inside = np.clip(x, lowest, highest)
    sine = np.sin(2 * inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(np.clip(1 - (sine + (sine - 1 / sine) / n) ** 2, 0, None))
    p = (1 - np.sign(np.cos(2 * inside)) * root) / 2
    return np.where(x <= lowest, 0.0, np.where(x >= highest, 1.0, np.where(np.isnan(x), np.nan, p)))


_BACK: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **dict.fromkeys(
        (
            "RR",
            "OR",
            "PETO",
            "IRR",
            "HR",
            "ROM",
            "ROMC",
            "VR",
            "VRC",
            "CVR",
            "CVRC",
            "PLN",
            "IRLN",
            "MNLN",
            "CVLN",
            "SDLN",
            "D2OR",
            "D2ORN",
        ),
        np.exp,
    ),
    "ZCOR": np.tanh,
    "PLO": special.expit,
    "PAS": inverse_arcsine,
    "IRS": inverse_root,
    "IRFT": inverse_root,
}


def back_transform(measure: str, value: ArrayLike, n: ArrayLike | None = None) -> np.ndarray:
    """Values of a measure on the scale people read.

    Parameters
    ----------
    measure : str
        A measure of ``vf.effect_size``. Logs are exponentiated, Fisher's z becomes a correlation, logits and arcsines become
        proportions, root rates become rates; measures that are read as they are stay so. (A difference of arcsines or of root
        rates, AS and IRSD, has no way back without the risks themselves, and stays too.)
    value : array-like
        Estimates or limits on the analysis scale.
    n : array-like, optional
        Sample size, for PFT only.

    Raises
    ------
    InputError
        Unknown measure, or PFT without ``n``.
    """
    from vfmeta.effects.formulas import ALIASES, MEASURES

    name = ALIASES.get(measure, measure)
    x = numbers("value", value)
    if name == "PFT":
        if n is None:
            raise InputError(
                "PFT goes back to a proportion only with n=, the sample size (harmonic mean of the sizes when pooled)."
            )
        return inverse_double_arcsine(x, n)
    if name not in _BACK and name not in MEASURES and name != "GEN":
        raise InputError(f"Unknown measure {measure!r}; vfmeta offers {', '.join(MEASURES)}.")
    return np.asarray(_BACK[name](x) if name in _BACK else x, float)


def mean_back_transform(measure: str, value: ArrayLike, tau2: ArrayLike) -> np.ndarray:
    """Average of a back-transformed effect over the distribution of true effects, N(value, tau2).

    ``back_transform`` of the mean of a distribution is the median of the back-transformed one; this is its mean, by
    Gauss-Hermite quadrature (exact for logs).

    Parameters
    ----------
    measure : str
        A measure on a log, logit or Fisher's z scale.
    value, tau2 : array-like
        Mean on the analysis scale, and heterogeneity variance (at least 0).
    """
    x, t = np.broadcast_arrays(numbers("value", value), numbers("tau2", tau2))
    require("tau2", t, t >= 0, "a variance cannot be negative")
    points = x[..., None] + np.sqrt(t)[..., None] * _NODES
    if back_transform(measure, np.float64(1.0)) == math.e:
        return np.exp(x + t / 2)
    return back_transform(measure, points) @ (_WEIGHTS / _WEIGHTS.sum())
