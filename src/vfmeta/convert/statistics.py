"""From what papers print (p, t, F, chi-square, confidence intervals) to effects and their variances."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from vfmeta.convert.checking import between, numbers, one_length, positive, require
from vfmeta.core.messages import InputError, warn

LOPSIDED = 0.1  # how far from the middle of its interval an estimate may lie, in widths, before it is said


def wald(
    estimate: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    p: ArrayLike | None = None,
    z: ArrayLike | None = None,
    df: ArrayLike | None = None,
    level: ArrayLike = 0.95,
    log: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Effect and sampling variance from an estimate with its interval, p value or test statistic.

    Parameters
    ----------
    estimate : array-like of shape (k,)
        Printed estimates; ratios as printed, with ``log=True``.
    low, high : array-like of shape (k,), optional
        Confidence limits, on the scale of the estimate.
    p : array-like of shape (k,), optional
        Two-sided p values, above 0 and below 1.
    z : array-like of shape (k,), optional
        Test statistics (z or t): the estimate over its standard error.
    df : array-like, optional
        Degrees of freedom, where interval or p value come from a t distribution.
    level : float or array-like
        Confidence level of the interval, between 0 and 1.
    log : bool
        Whether estimate and limits are ratios, to be taken to the log scale.

    Returns
    -------
    y, v : numpy.ndarray of shape (k,)
        On the analysis scale. Where several sources are given, the interval comes first, then z, then p; NaN in one lets the
        next one speak.

    Raises
    ------
    InputError
        No source given, or none in a row; limits in the wrong order, an estimate outside its interval, an infinite limit, a
        ratio <= 0, a p value outside 0 to 1 or so small that no test statistic belongs to it, or an effect of exactly 0, whose
        p value says nothing on its variance.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, v = vf.convert.wald(0.5, z=2.0)
    >>> float(y), float(v)
    (0.5, 0.0625)
    """
    y = positive("estimate", estimate) if log else numbers("estimate", estimate)
    y = np.log(y) if log else y
    v = np.full(np.shape(y), np.nan)
    if (low is None) != (high is None):
        raise InputError("A confidence interval needs both limits: give low= and high=.")
    if low is None and p is None and z is None:
        raise InputError("Give the interval (low= and high=), a test statistic (z=) or a p value (p=).")

    def critical(tail: np.ndarray) -> np.ndarray:
        return -(ndtri(tail) if df is None else stdtrit(positive("df", df), tail))

    if low is not None and high is not None:
        limits = (("low", low), ("high", high))
        lo, hi = (np.log(positive(n, x, missing=True)) if log else numbers(n, x, missing=True) for n, x in limits)
        one_length(estimate=y, low=lo, high=hi)
        require("low", lo, ~(lo >= hi), "the lower limit must lie below the upper one")
        require(
            "estimate", y, ~((y < lo) | (y > hi)), "the estimate lies outside its confidence interval; look at the source again"
        )
        v = ((hi - lo) / (2 * critical((1 - between("level", level, 0, 1, ends=False)) / 2))) ** 2
        off = np.atleast_1d(np.abs((y - lo) / (hi - lo) - 0.5) > LOPSIDED)
        if off.any():
            rows = ", ".join(f"row {i + 1}" for i in np.flatnonzero(off))
            hint = "" if log else " Is it a ratio (log=True)?"
            warn(
                f"The estimate is not in the middle of its interval in {rows}; the width may not give the standard error.{hint}"
            )
    if z is not None:
        stat = numbers("z", z, missing=True)
        one_length(estimate=y, z=stat)
        v = np.where(np.isnan(v), _squared_ratio(y, stat), v)
    if p is not None:
        chance = between("p", p, 0, 1, ends=False, missing=True)
        one_length(estimate=y, p=chance)
        stat = critical(chance / 2)
        require("p", chance, ~np.isinf(stat), "so small a p value has no test statistic; give the interval instead")
        v = np.where(np.isnan(v), _squared_ratio(y, stat), v)
    gaps = np.flatnonzero(np.isnan(np.atleast_1d(v)))
    if len(gaps):
        raise InputError(
            [f"row {i + 1}: neither interval nor test statistic nor p value is given; leave the row out." for i in gaps]
        )
    return y, np.asarray(v, float)


def _squared_ratio(y: np.ndarray, statistic: np.ndarray) -> np.ndarray:
    require("estimate", y, ~((y == 0) & ~np.isnan(statistic)), "an effect of 0 has no standard error in its test")
    require("z", statistic, ~((statistic == 0) & (y != 0)), "the test statistic is 0 and the effect is not")
    return (y / statistic) ** 2


def d_from_t(t: ArrayLike, n1: ArrayLike, n2: ArrayLike) -> np.ndarray:
    """Cohen's d from Student's t of two independent groups: ``t sqrt(1/n1 + 1/n2)``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.d_from_t(2.0, 8, 8)), 9)
    1.0
    """
    t, n1, n2 = numbers("t", t), positive("n1", n1), positive("n2", n2)
    one_length(t=t, n1=n1, n2=n2)
    for name, n in (("n1", n1), ("n2", n2)):
        require(name, n, n >= 1, "a group needs at least 1 patient")
    return t * np.sqrt(1 / n1 + 1 / n2)


def d_from_f(f: ArrayLike, n1: ArrayLike, n2: ArrayLike, sign: ArrayLike = 1) -> np.ndarray:
    """Cohen's d from F of a comparison of two groups (1 numerator degree of freedom); ``sign`` is that of the difference.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.d_from_f(4.0, 8, 8)), 9)
    1.0
    """
    f = numbers("f", f)
    require("f", f, f >= 0, "an F statistic cannot be negative")
    return np.sign(numbers("sign", sign)) * d_from_t(np.sqrt(f), n1, n2)


def d_from_p(p: ArrayLike, n1: ArrayLike, n2: ArrayLike, sign: ArrayLike = 1) -> np.ndarray:
    """Cohen's d from the two-sided p value of Student's t test; ``sign`` is that of the difference.

    Examples
    --------
    >>> import vfmeta as vf
    >>> abs(float(vf.convert.d_from_p(1.0, 10, 10)))
    0.0
    """
    n1, n2 = positive("n1", n1), positive("n2", n2)
    p = between("p", p, 0, 1)
    t = -stdtrit(n1 + n2 - 2, p / 2)
    require("p", p, np.isfinite(t), "so small a p value has no test statistic; give the exact t, or means and SDs")
    return np.sign(numbers("sign", sign)) * d_from_t(t, n1, n2)


def r_from_t(t: ArrayLike, df: ArrayLike) -> np.ndarray:
    """Correlation from its t statistic, ``t / sqrt(t^2 + df)``; for two variables ``df = n - 2``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.convert.r_from_t(2.0, 12)), 9)
    0.5
    """
    t = numbers("t", t)
    return t / np.sqrt(t**2 + positive("df", df))


def correlation_of_change(sd_pre: ArrayLike, sd_post: ArrayLike, sd_change: ArrayLike) -> np.ndarray:
    """Correlation of two measurements from their SDs and the SD of their difference (Cochrane Handbook 6.5.2.8).

    Raises
    ------
    InputError
        Where no correlation between -1 and 1 fits the three SDs.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.convert.correlation_of_change(2.0, 2.0, 2.0))
    0.5
    """
    pre, post, change = positive("sd_pre", sd_pre), positive("sd_post", sd_post), positive("sd_change", sd_change)
    one_length(sd_pre=pre, sd_post=post, sd_change=change)
    r = (pre**2 + post**2 - change**2) / (2 * pre * post)
    require(
        "sd_change",
        np.broadcast_to(change, r.shape),
        np.abs(r) <= 1,
        "no correlation fits these three SDs; look at the source again",
    )
    return r


def two_by_two(
    total: ArrayLike,
    row: ArrayLike,
    column: ArrayLike,
    *,
    odds_ratio: ArrayLike | None = None,
    phi: ArrayLike | None = None,
    chi2: ArrayLike | None = None,
    continuity: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cells of a 2x2 table from its margins and one measure of association, rounded to patients.

    Parameters
    ----------
    total, row, column : array-like of shape (k,)
        All patients; those of the first row (group 1); those of the first column (with the event).
    odds_ratio, phi, chi2 : array-like of shape (k,), optional
        One of: the odds ratio (not its log), the phi coefficient, Pearson's chi-square with the sign of the association.
    continuity : bool
        Whether ``chi2`` was computed with Yates' correction.

    Returns
    -------
    a, b, c, d : numpy.ndarray of shape (k,)
        First row with and without the event, second row with and without.

    Raises
    ------
    InputError
        Margins above the total, none or several measures given, or no table that fits.

    Examples
    --------
    >>> import vfmeta as vf
    >>> [float(x) for x in vf.convert.two_by_two(40, 20, 10, odds_ratio=1.0)]
    [5.0, 15.0, 5.0, 15.0]
    """
    n, m, s = positive("total", total), positive("row", row), positive("column", column)
    require("row", m, m < n, "the margin must be smaller than the total")
    require("column", s, s < n, "the margin must be smaller than the total")
    if sum(x is not None for x in (odds_ratio, phi, chi2)) != 1:
        raise InputError("Give exactly one of odds_ratio=, phi= and chi2=.")
    margins = np.sqrt(m * (n - m) * s * (n - s))
    if odds_ratio is not None:
        ratio = positive("odds_ratio", odds_ratio)
        # (OR - 1) a^2 - (n - m - s + OR (m + s)) a + OR m s = 0, by the root formula that survives OR = 1
        b = (n - m - s) + ratio * (m + s)
        a = 2 * ratio * m * s / (b + np.sqrt(b**2 - 4 * (ratio - 1) * ratio * m * s))
    else:
        if chi2 is not None:
            x2 = numbers("chi2", chi2)
            distance = np.sqrt(np.abs(x2) / n) * margins + (n / 2 if continuity else 0)
            r = np.sign(x2) * distance / margins
        else:
            r = between("phi", phi if phi is not None else np.nan, -1, 1)
        a = (m * s + r * margins) / n
    a = np.round(a)
    cells = a, m - a, s - a, n - m - s + a
    for x in cells:
        require("total", x, x >= 0, "no table with these margins has this association")
    return cells
