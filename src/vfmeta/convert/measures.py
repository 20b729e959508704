"""One effect measure into another. With a variance given, it comes along (delta method)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from vfmeta.convert.checking import between, numbers, one_length, positive, require
from vfmeta.core.messages import InputError
from vfmeta.core.params import Latent, Overlap, Tetrachoric, choice

_FACTORS = {"logistic": math.pi / math.sqrt(3), "normal": 1.65}
Converted = tuple[np.ndarray, np.ndarray | None]


def _factor(distribution: str) -> float:
    distribution = choice("distribution", distribution, Latent)
    return _FACTORS[distribution]


def log_odds_ratio_to_d(y: ArrayLike, v: ArrayLike | None = None, *, distribution: Latent = "logistic") -> Converted:
    """Standardised mean difference behind a log odds ratio of the dichotomised outcome.

    Parameters
    ----------
    y, v : array-like
        Log odds ratios and, optionally, their variances.
    distribution : {"logistic", "normal"}
        Of the outcome within groups: divided by pi/sqrt(3) (Hasselblad and Hedges 1995; Chinn 2000) or by 1.65 (Cox and Snell
        1989; Sanchez-Meca et al. 2003).

    Returns
    -------
    d, v : numpy.ndarray
        ``v`` is None where none was given.

    Examples
    --------
    >>> import math
    >>> import vfmeta as vf
    >>> d, v = vf.convert.log_odds_ratio_to_d(math.pi / math.sqrt(3))
    >>> round(float(d), 9)
    1.0
    """
    f = _factor(distribution)
    return numbers("y", y) / f, None if v is None else numbers("v", v) / f**2


def d_to_log_odds_ratio(d: ArrayLike, v: ArrayLike | None = None, *, distribution: Latent = "logistic") -> Converted:
    """Log odds ratio for a standardised mean difference; the inverse of `log_odds_ratio_to_d`.

    Examples
    --------
    >>> import math
    >>> import vfmeta as vf
    >>> y, v = vf.convert.d_to_log_odds_ratio(1.0)
    >>> math.isclose(y, math.pi / math.sqrt(3))
    True
    """
    f = _factor(distribution)
    return numbers("d", d) * f, None if v is None else numbers("v", v) * f**2


def log_odds_ratio_to_log_risk_ratio(y: ArrayLike, baseline_risk: ArrayLike, v: ArrayLike | None = None) -> Converted:
    """Log risk ratio for a log odds ratio where the risk without the treatment is known.

    ``RR = OR / (1 - p0 + p0 OR)`` (Zhang and Yu, JAMA 1998;280:1690, which is exact at a given baseline risk; Grant, BMJ
    2014;348:f7450, on why p0 must be that of the population the answer is for). The baseline risk is taken as known in ``v``.

    Parameters
    ----------
    y : array-like
        Log odds ratios.
    baseline_risk : array-like
        Risk of the control group, between 0 and 1.
    v : array-like, optional
        Variances of ``y``.

    Examples
    --------
    >>> import math
    >>> import vfmeta as vf
    >>> # a risk of 1/2 is an odds of 1; with an odds ratio of 1/3 that is a risk of 1/4, half of it
    >>> y, _ = vf.convert.log_odds_ratio_to_log_risk_ratio(math.log(1 / 3), 0.5)
    >>> round(math.exp(y), 9)
    0.5
    """
    p0, y = between("baseline_risk", baseline_risk, 0, 1, ends=False), numbers("y", y)
    one_length(baseline_risk=p0, y=y)
    below = 1 - p0 + p0 * np.exp(y)
    return y - np.log(below), None if v is None else numbers("v", v) * ((1 - p0) / below) ** 2


def log_risk_ratio_to_log_odds_ratio(y: ArrayLike, baseline_risk: ArrayLike, v: ArrayLike | None = None) -> Converted:
    """Log odds ratio for a log risk ratio: ``OR = RR (1 - p0) / (1 - RR p0)``; the inverse of the above.

    Raises
    ------
    InputError
        Where the risk ratio and the baseline risk together make a risk of 1 or more.

    Examples
    --------
    >>> import math
    >>> import vfmeta as vf
    >>> y, _ = vf.convert.log_risk_ratio_to_log_odds_ratio(math.log(0.5), 0.5)
    >>> round(1 / math.exp(y), 9)
    3.0
    """
    p0, y = between("baseline_risk", baseline_risk, 0, 1, ends=False), numbers("y", y)
    rest = 1 - p0 * np.exp(y)
    require("y", y, rest > 0, "with this baseline risk the risk would reach 1 or more; no odds ratio belongs to it")
    return y + np.log((1 - p0) / rest), None if v is None else numbers("v", v) / rest**2


def risk_from_ratio(y: ArrayLike, baseline_risk: ArrayLike, *, measure: str) -> np.ndarray:
    """Risk with the treatment, from the risk without it and a log ratio; the risk difference is its distance to the baseline.

    Parameters
    ----------
    y : array-like
        Log risk ratio or log odds ratio.
    baseline_risk : array-like
        Risk without the treatment, between 0 and 1.
    measure : {"RR", "OR"}
        Which of the two ``y`` is.

    Examples
    --------
    >>> import math
    >>> import vfmeta as vf
    >>> [round(float(vf.convert.risk_from_ratio(y, 0.5, measure="RR")), 9) for y in (0.0, math.log(0.5))]
    [0.5, 0.25]
    """
    if not isinstance(measure, str) or measure not in ("RR", "OR"):
        raise InputError(f'measure={measure!r}: only "RR" and "OR" say what a risk becomes.')
    p0 = between("baseline_risk", baseline_risk, 0, 1, ends=False)
    log_rr = numbers("y", y) if measure == "RR" else log_odds_ratio_to_log_risk_ratio(y, p0)[0]
    risk = p0 * np.exp(log_rr)
    require("y", log_rr, risk <= 1, "with this baseline risk the risk would exceed 1")
    return risk


def d_to_r(d: ArrayLike, n1: ArrayLike | None = None, n2: ArrayLike | None = None, v: ArrayLike | None = None) -> Converted:
    """Correlation of a standardised mean difference with group membership.

    ``r = d / sqrt(d^2 + a)`` with ``a = (n1 + n2)^2 / (n1 n2)``, 4 for groups of one size (Borenstein et al. 2009, chapter 7).
    Without sizes, or with that of one group only, the groups are taken to be of one size.

    Examples
    --------
    >>> import vfmeta as vf
    >>> r, _ = vf.convert.d_to_r(0.0, 20, 20)
    >>> float(r)
    0.0
    """
    n1, n2 = n2 if n1 is None else n1, n1 if n2 is None else n2
    d, n1, n2 = numbers("d", d), positive("n1", 1 if n1 is None else n1), positive("n2", 1 if n2 is None else n2)
    one_length(d=d, n1=n1, n2=n2)
    a = (n1 + n2) ** 2 / (n1 * n2)
    return d / np.sqrt(d**2 + a), None if v is None else a**2 * numbers("v", v) / (d**2 + a) ** 3


def r_to_d(r: ArrayLike, v: ArrayLike | None = None) -> Converted:
    """Standardised mean difference of a correlation, ``2 r / sqrt(1 - r^2)``, for a split in half (Borenstein et al. 2009).

    Examples
    --------
    >>> import vfmeta as vf
    >>> d, _ = vf.convert.r_to_d(0.6)
    >>> round(float(d), 9)
    1.5
    """
    r = between("r", r, -1, 1, ends=False)
    return 2 * r / np.sqrt(1 - r**2), None if v is None else 4 * numbers("v", v) / (1 - r**2) ** 3


def log_odds_ratio_to_tetrachoric(y: ArrayLike, *, method: Tetrachoric = "pearson") -> np.ndarray:
    """Approximate tetrachoric correlation of a log odds ratio.

    Parameters
    ----------
    y : array-like
        Log odds ratios.
    method : {"pearson", "digby"}
        ``cos(pi / (1 + sqrt(OR)))`` (Pearson 1900) or ``(OR^(3/4) - 1) / (OR^(3/4) + 1)`` (Digby, Biometrics 1983;39:753).

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.log_odds_ratio_to_tetrachoric(0.0).round(9))
    0.0
    """
    y, method = numbers("y", y), choice("method", method, Tetrachoric)
    if method == "pearson":
        # as a sine, which keeps its digits around no association
        return np.sin(math.pi / 2 * np.tanh(y / 4))
    return np.tanh(3 * y / 8)


def d_to_overlap(d: ArrayLike, *, index: Overlap = "superiority") -> np.ndarray:
    """What a standardised mean difference means for two normal distributions of one variance.

    Parameters
    ----------
    d : array-like
        Standardised mean differences.
    index : str
        "superiority": probability that a value of group 1 exceeds one of group 2 (McGraw and Wong 1992). "cliff": Cliff's d,
        twice that less 1. "U1": share of both groups that does not overlap; "U2": share of group 1 above the same share of
        group 2; "U3": share of group 1 above the median of group 2 (Cohen 1988). "BESD": success rate of group 1 in Rosenthal
        and Rubin's (1982) binomial effect size display.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.d_to_overlap(0.0, index="superiority"))
    0.5
    """
    d, index = numbers("d", d), choice("index", index, Overlap)
    if index == "superiority":
        return ndtr(d / math.sqrt(2))
    if index == "cliff":
        return 2 * ndtr(d / math.sqrt(2)) - 1
    if index == "U1":
        share = ndtr(np.abs(d) / 2)
        return (2 * share - 1) / share
    if index == "U2":
        return ndtr(d / 2)
    if index == "U3":
        return ndtr(d)
    return 0.5 + d / np.sqrt(d**2 + 4) / 2
