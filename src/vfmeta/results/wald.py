"""Quantiles, p values and Wald tests shared by the regression models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vfmeta.text import numbers as tx


@dataclass(frozen=True)
class TestResult:
    """A test of one or several hypotheses: F with ``df`` and ``df_residual``, or chi-squared with ``df`` where that is None.

    ``note`` says how often it rejects what is true, where that is far from its level.
    """

    __test__ = False  # no pytest class

    statistic: float
    df: int
    df_residual: float | None
    p_value: float
    note: str = ""

    def __str__(self) -> str:
        if math.isnan(self.statistic):
            return "not tested"
        of = f"chi2 = {tx.fixed(self.statistic, 3)} on {self.df}"
        if self.df_residual is not None:
            of = f"F = {tx.fixed(self.statistic, 3)} on {self.df} and {tx.short(self.df_residual)}"
        return f"{of} df, p = {tx.short(self.p_value)}" + (f" ({self.note})" if self.note else "")


def quantile(level: float, df: np.ndarray | float | None) -> np.ndarray | float:
    """Upper quantile of the central interval of ``level``: t with ``df``, or normal where that is None or infinite."""
    from scipy.special import ndtri, stdtrit

    upper = 0.5 - level / 2
    if df is None:
        return float(-ndtri(upper))
    with np.errstate(invalid="ignore"):
        found = np.where(np.isinf(df), -ndtri(upper), -stdtrit(np.where(np.isinf(df), 1.0, df), upper))
    return float(found) if np.ndim(found) == 0 else found


def printed_at(estimate: float, printed: Sequence[float], level: float) -> tuple[float, float]:
    """A printed interval (low, high, its level) at another level: each side by the ratio of the normal quantiles."""
    low, high, own = printed
    if own == level:
        return low, high
    factor = float(quantile(level, None)) / float(quantile(own, None))
    return estimate - factor * (estimate - low), estimate + factor * (high - estimate)


def two_sided(statistic: np.ndarray, df: np.ndarray | float | None) -> np.ndarray:
    """Two-sided p values of z or t statistics."""
    from scipy.special import ndtr, stdtr

    if df is None:
        return 2 * ndtr(-np.abs(statistic))
    return 2 * np.where(np.isinf(df), ndtr(-np.abs(statistic)), stdtr(np.where(np.isinf(df), 1.0, df), -np.abs(statistic)))


def ratio(estimate: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Estimate over standard error; infinite where the standard error is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = estimate / se
    return np.where((estimate == 0) & (se == 0), 0.0, found)


def wald(estimate: np.ndarray, covariance: np.ndarray, df: float | None) -> TestResult:
    """Wald test that all of ``estimate`` (m,) are zero: chi-squared with m df, or divided by m, F with m and ``df`` df."""
    m = len(estimate)
    # scaled to a correlation matrix, so that moderators in different units cost no digits
    se = np.sqrt(np.diag(covariance))
    if np.any(se == 0):
        return TestResult(math.inf if np.any(estimate != 0) else 0.0, m, df, 0.0 if np.any(estimate != 0) else 1.0)
    z = estimate / se
    statistic = float(z[0]) ** 2 if m == 1 else float(z @ np.linalg.solve(covariance / np.outer(se, se), z))
    return tail(statistic if df is None else statistic / m, m, df)


def welch(estimate: np.ndarray, se: np.ndarray, df: np.ndarray) -> TestResult:
    """Whether independent means differ, with unequal standard errors that are estimated on few degrees of freedom.

    Welch's F (Biometrika 1951;38:330-336); of two means the square of t with the degrees of freedom of Welch and Satterthwaite.
    ``estimate``, ``se``, ``df`` (g,); infinite degrees of freedom where a standard error is known.
    """
    g, w = len(estimate), 1 / se**2
    loose = float(((1 - w / w.sum()) ** 2 / df).sum())
    statistic = float((w * (estimate - (w * estimate).sum() / w.sum()) ** 2).sum()) / (g - 1)
    statistic /= 1 + 2 * (g - 2) / (g**2 - 1) * loose
    return tail(statistic, g - 1, (g**2 - 1) / (3 * loose) if loose > 0 else math.inf)


def carried(x: np.ndarray) -> np.ndarray:
    """How much each coefficient of a design ``x`` (k, p) moves when all effects move by 1, shape (p,).

    1 for what is itself a mean effect (an intercept, a mean per group), 0 for slopes and differences, so that a value of "no
    difference" is met by so much of it in each.
    """
    one = np.ones(len(x))
    found = np.linalg.lstsq(x, one, rcond=None)[0]
    if np.max(np.abs(x @ found - one)) > 1e-8:
        return np.zeros(x.shape[1])
    return np.where(np.abs(found) < 1e-8, 0.0, np.where(np.abs(found - 1) < 1e-8, 1.0, found))


def tail(statistic: float, m: int, df: float | None) -> TestResult:
    """A chi-squared (``df`` None) or F statistic with its p value."""
    from scipy.special import chdtrc, fdtrc

    if df is None or math.isinf(df):
        chi2 = statistic if df is None else statistic * m
        return TestResult(statistic, m, df, float(chdtrc(m, chi2)))
    return TestResult(statistic, m, float(df), float(fdtrc(m, df, statistic)))
