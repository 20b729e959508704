"""Scales on which effects are pooled, and the way back. Single numbers or arrays, element by element."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.convert.checking import between, numbers, one_length, positive, require
from vfmeta.core import measures, scale
from vfmeta.core.messages import InputError, warn

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(120)


def r_to_z(r: ArrayLike) -> np.ndarray:
    """Fisher's z of a correlation, ``artanh(r)``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.r_to_z(0.0))
    0.0
    """
    return scale.FISHER_Z.to_analysis(between("r", r, -1, 1, ends=False))


def z_to_r(z: ArrayLike) -> np.ndarray:
    """Correlation of a Fisher's z, ``tanh(z)``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.z_to_r(vf.convert.r_to_z(0.3))), 9)
    0.3
    """
    return scale.FISHER_Z.to_read(numbers("z", z, infinite=True))


def logit(p: ArrayLike) -> np.ndarray:
    """Log odds of a proportion.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.logit(0.5))
    0.0
    """
    return scale.LOGIT.to_analysis(between("p", p, 0, 1, ends=False))


def expit(x: ArrayLike) -> np.ndarray:
    """Proportion of a log odds.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.expit(0.0))
    0.5
    """
    return scale.LOGIT.to_read(numbers("x", x, infinite=True))


def arcsine(p: ArrayLike) -> np.ndarray:
    """Arcsine of the root of a proportion, in radians (0 to pi/2).

    Examples
    --------
    >>> import vfmeta as vf
    >>> import math
    >>> float(vf.convert.arcsine(1.0)) == math.pi / 2
    True
    """
    return scale.ARCSINE.to_analysis(between("p", p, 0, 1))


def inverse_arcsine(x: ArrayLike) -> np.ndarray:
    """Proportion of an arcsine; what lies outside 0 to pi/2 stands for 0 or 1.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.inverse_arcsine(vf.convert.arcsine(0.3))), 9)
    0.3
    """
    return scale.ARCSINE.to_read(numbers("x", x, infinite=True))


def double_arcsine(p: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Freeman and Tukey's double arcsine of a proportion among n, halved, in radians (measure PFT).

    Examples
    --------
    >>> import vfmeta as vf
    >>> bool(vf.convert.double_arcsine(0.5, 20) > vf.convert.double_arcsine(0.4, 20))
    True
    """
    return scale.DOUBLE_ARCSINE.to_analysis(between("p", p, 0, 1), positive("n", n))


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
    Values below that of no events, or above that of events in everybody, stand for 0 and 1, which is warned of.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.inverse_double_arcsine(vf.convert.double_arcsine(0.3, 20), 20)), 9)
    0.3
    """
    return back_transform("PFT", x, n)


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
        For the two of Freeman and Tukey: the sample size (PFT) or the person-time (IRFT). For a pooled value the harmonic mean
        is customary; where sizes are very unequal no size gives the pooled proportion or rate back (Schwarzer et al., Res Synth
        Methods 2019;10:476-483), and ``vf.glmm`` is the better model.

    Raises
    ------
    InputError
        Unknown measure, or PFT or IRFT without ``n``.

    Warns
    -----
    VfmetaWarning
        A value of PFT or IRFT lies beyond what ``n`` can give; the nearest possible one (0, or 1) stands for it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_size("IRFT", data={"x": [0, 3], "t": [10.0, 100.0]}, events="x", time="t")
    >>> [round(float(r), 6) for r in vf.convert.back_transform("IRFT", table.y, n=[10.0, 100.0])]
    [0.0, 0.03]
    """
    facts = measures.known(measure)
    x = numbers("value", value, infinite=True)
    if not facts.scale.sized:
        return np.asarray(facts.scale.to_read(x), float)
    size = "person-time" if "time" in facts.columns else "sample size"
    if n is None:
        raise InputError(f"{facts.code} goes back only with n=, the {size} (harmonic mean when pooled).")
    sizes = positive("n", n)
    one_length(value=x, n=sizes)
    ends = [facts.scale.to_analysis(np.full(sizes.shape, end), sizes) for end in facts.scale.domain]
    beyond = np.atleast_1d((x < ends[0] * (1 - 1e-9)) | (x > ends[1] * (1 + 1e-9)))
    if beyond.any():
        rows = ", ".join(f"row {i + 1}" for i in np.flatnonzero(beyond))
        warn(
            f"{rows}: the {facts.code} lies beyond what so small a {size} can give; the nearest possible one stands for it. "
            "A pool of very unequal sizes has no way back (Schwarzer et al. 2019); vf.glmm needs none."
        )
    return facts.scale.to_read(x, sizes)


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

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.mean_back_transform("PLO", 0.0, 0.2)), 6)
    0.5
    """
    x, t = np.broadcast_arrays(numbers("value", value), numbers("tau2", tau2))
    require("tau2", t, t >= 0, "a variance cannot be negative")
    points = x[..., None] + np.sqrt(t)[..., None] * _NODES
    if measures.known(measure).is_ratio:
        return np.exp(x + t / 2)
    return back_transform(measure, points) @ (_WEIGHTS / _WEIGHTS.sum())
