"""Pools of 2 x 2 tables and of event rates without normal approximations of the single study: Mantel-Haenszel and Peto.

Arrays in, arrays out; a study is a column of the last axis and leading axes are separate meta-analyses. ``a`` of ``n1`` in the
experimental arm and ``c`` of ``n2`` in the control arm, or ``a`` events in ``t1`` and ``c`` in ``t2`` of person-time.
A table without patients, or without information on the measure, carries no weight. A pool that is not defined is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Pool(NamedTuple):
    """Estimate on the analysis scale (log for ratios), its variance, and the weight of each study (not scaled)."""

    estimate: np.ndarray
    variance: np.ndarray
    weights: np.ndarray


class Score(NamedTuple):
    """A one-degree-of-freedom test of no effect: observed minus expected events of arm 1, and chi-squared."""

    difference: np.ndarray
    chi2: np.ndarray


class Homogeneity(NamedTuple):
    """Breslow-Day's chi-squared, Tarone's correction of it, and their degrees of freedom (informative tables - 1)."""

    breslow_day: np.ndarray
    tarone: np.ndarray
    df: np.ndarray


def _sum(x: np.ndarray) -> np.ndarray:
    return x.sum(axis=-1)


def _over(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """X / y, NaN where y is 0."""
    return np.divide(x, y, out=np.full(np.broadcast(x, y).shape, np.nan), where=np.asarray(y) != 0)


def _share(x: np.ndarray, total: np.ndarray) -> np.ndarray:
    """X / total, 0 for an empty table."""
    return np.divide(x, total, out=np.zeros(np.broadcast(x, total).shape), where=np.asarray(total) != 0)


def _log(x: np.ndarray) -> np.ndarray:
    return np.log(x, out=np.full(np.shape(x), np.nan), where=np.asarray(x) > 0)


def odds_ratio(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Pool:
    """Mantel & Haenszel (1959, JNCI 22:719-748) log odds ratio; variance of Robins, Breslow & Greenland
    (1986, Biometrics 42:311-323), valid for few large and for many sparse tables.
    """
    b, d, n = n1 - a, n2 - c, n1 + n2
    r, s = _share(a * d, n), _share(b * c, n)
    p, q = _share(a + d, n), _share(b + c, n)
    sum_r, sum_s = _sum(r), _sum(s)
    variance = (
        _over(_sum(p * r), 2 * sum_r**2) + _over(_sum(p * s + q * r), 2 * sum_r * sum_s) + _over(_sum(q * s), 2 * sum_s**2)
    )
    return Pool(_log(_over(sum_r, sum_s)), variance, s)


def risk_ratio(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Pool:
    """Mantel-Haenszel log risk ratio with the variance of Greenland & Robins (1985, Biometrics 41:55-68)."""
    n = n1 + n2
    r, s = _share(a * n2, n), _share(c * n1, n)
    spread = _sum(_share((a + c) * n1 * n2 - a * c * n, n**2))
    sum_r, sum_s = _sum(r), _sum(s)
    return Pool(_log(_over(sum_r, sum_s)), _over(spread, sum_r * sum_s), s)


def risk_difference(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Pool:
    """Mantel-Haenszel risk difference; variance of Sato (1989, Biometrics 45:1323-1324), valid in both limits."""
    n = n1 + n2
    w = _share(n1 * n2, n)
    total = _sum(w)
    estimate = _over(_sum(_share(a * n2 - c * n1, n)), total)
    p = _share(n1**2 * c - n2**2 * a + n1 * n2 * (n2 - n1) / 2, n**2)
    q = _share(a * (n2 - c) + c * (n1 - a), 2 * n)
    return Pool(estimate, _over(estimate * _sum(p) + _sum(q), total**2), w)


def risk_difference_sparse(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Pool:
    """The same with the variance of Greenland & Robins (1985, Biometrics 41:55-68), which RevMan takes."""
    pool, n = risk_difference(a, n1, c, n2), n1 + n2
    spread = _share(a * (n1 - a) * n2**3 + c * (n2 - c) * n1**3, n1 * n2 * n**2)
    return pool._replace(variance=_over(_sum(spread), _sum(pool.weights) ** 2))


def rate_ratio(a: np.ndarray, t1: np.ndarray, c: np.ndarray, t2: np.ndarray) -> Pool:
    """Mantel-Haenszel log rate ratio with the variance of Greenland & Robins (1985)."""
    t = t1 + t2
    r, s = _share(a * t2, t), _share(c * t1, t)
    sum_r, sum_s = _sum(r), _sum(s)
    return Pool(_log(_over(sum_r, sum_s)), _over(_sum(_share((a + c) * t1 * t2, t**2)), sum_r * sum_s), s)


def rate_difference(a: np.ndarray, t1: np.ndarray, c: np.ndarray, t2: np.ndarray) -> Pool:
    """Mantel-Haenszel rate difference (events per unit of time) with the variance of Greenland & Robins (1985)."""
    t = t1 + t2
    w = _share(t1 * t2, t)
    total = _sum(w)
    spread = _sum(_share(a * t2**2 + c * t1**2, t**2))
    return Pool(_over(_sum(_share(a * t2 - c * t1, t)), total), _over(spread, total**2), w)


def peto(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Pool:
    """One-step (Peto) log odds ratio: sum of observed minus expected over the sum of hypergeometric variances
    (Yusuf et al. 1985, Prog Cardiovasc Dis 27:335-371). The weights are those variances.
    """
    difference, variance = _observed_expected(a, n1, c, n2)
    total = _sum(variance)
    return Pool(_over(_sum(difference), total), _over(np.ones_like(total), total), variance)


def peto_each(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Peto's log odds ratio of every study and its variance; NaN where no (or every) patient had the event."""
    difference, variance = _observed_expected(a, n1, c, n2)
    return _over(difference, variance), _over(np.ones_like(variance), variance)


def _observed_expected(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, m = n1 + n2, a + c
    return a - _share(m * n1, n), _share(n1 * n2 * m * (n - m), n**2 * (n - 1))


def cochran_mantel_haenszel(
    a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray, *, correct: bool = True, cochran: bool = False
) -> Score:
    """Test of no association over all tables.

    With Mantel & Haenszel's hypergeometric variance or, where ``cochran``, with that of Cochran (1954, Biometrics 10:417-451;
    N**3 instead of N**2 (N - 1)). ``correct`` takes half an event from the difference, never more than there is: subtracted
    from a smaller difference it would make agreement look like an effect.
    """
    difference, variance = _observed_expected(a, n1, c, n2)
    if cochran:
        n = n1 + n2
        variance = variance * _share(n - 1, n)
    return _score(difference, variance, correct)


def rate_score(a: np.ndarray, t1: np.ndarray, c: np.ndarray, t2: np.ndarray, *, correct: bool = True) -> Score:
    """Test of equal rates over all studies, given the events of each (Breslow & Day 1987, IARC 82, chapter 3)."""
    t, m = t1 + t2, a + c
    return _score(a - _share(m * t1, t), _share(m * t1 * t2, t**2), correct)


def _score(difference: np.ndarray, variance: np.ndarray, correct: bool) -> Score:
    total = _sum(difference)
    distance = np.maximum(0.0, np.abs(total) - (0.5 if correct else 0.0))
    return Score(total, _over(distance**2, _sum(variance)))


def homogeneity(log_or: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Homogeneity:
    """Whether the tables share one odds ratio: Breslow & Day (1980, IARC 32, p. 142) about the Mantel-Haenszel estimate, and
    Tarone (1985, Biometrika 72:91-95), who takes off what that estimate's inefficiency adds.
    """
    m = a + c
    informative = (n1 > 0) & (n2 > 0) & (m > 0) & (m < n1 + n2)
    expected = expected_events(np.exp(log_or)[..., None], n1, n2, m)
    parts = np.stack([expected, n1 - expected, m - expected, n2 - m + expected])
    usable = informative & (parts > 0).all(axis=0)
    v = np.where(usable, 1 / (1 / np.where(usable, parts, 1)).sum(axis=0), 0.0)
    gap = np.where(usable, a - expected, 0.0)
    bd = _sum(_share(gap**2, v))
    return Homogeneity(bd, bd - _over(_sum(gap) ** 2, _sum(v)), _sum(informative.astype(int)) - 1)


def expected_events(psi: np.ndarray, n1: np.ndarray, n2: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Events of arm 1 for which a table with these margins has the odds ratio ``psi``: the root of
    ``x (n2 - m + x) = psi (n1 - x)(m - x)`` within the margins, in the form that does not cancel.
    """
    s = n1 + m
    b = psi * s + n2 - m
    root = np.sqrt(np.maximum(b**2 - 4 * psi * (psi - 1) * n1 * m, 0.0))
    # (psi - 1) x^2 - b x + psi n1 m = 0: the root within the margins is the one that stays finite as psi goes to 1
    stable = 2 * psi * n1 * m / np.where(b + root != 0, b + root, np.nan)
    other = (b - root) / (2 * np.where(psi == 1, np.nan, psi - 1))
    return np.where(b >= 0, stable, other)
