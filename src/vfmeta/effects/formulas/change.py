"""Change within one group measured twice: raw, standardised, as a ratio. Arrays of shape (k,) in, ``y`` and ``v`` out.

The change is after minus before (or the log of after over before). ``r`` is the correlation of both measurements over patients,
``n`` the patients measured twice. ``sd_change = sqrt(sd_pre^2 + sd_post^2 - 2 r sd_pre sd_post)``.
"""

from __future__ import annotations

import numpy as np

from vfmeta.effects.formulas.common import Column, Effects, floats, hedges_j


def sd_of_change(sd_pre: Column, sd_post: Column, r: Column) -> np.ndarray:
    """SD of the differences of two correlated measurements, in units of the scale."""
    sd_pre, sd_post, r = floats(sd_pre, sd_post, r)
    return np.sqrt(sd_pre**2 + sd_post**2 - 2 * r * sd_pre * sd_post)


def mean_change(change: Column, sd_change: Column, n: Column) -> Effects:
    """MC: mean change in units of the scale."""
    change, sd_change, n = floats(change, sd_change, n)
    return change, sd_change**2 / n


def change_score_standardised(change: Column, sd_change: Column, n: Column, *, correct: bool = True) -> Effects:
    """SMCC: mean change over the SD of the change (Gibbons, Hedeker and Davis 1993); variance ``1/n + y^2/(2 n)``."""
    change, sd_change, n = floats(change, sd_change, n)
    y = hedges_j(n - 1, correct) * change / sd_change
    return y, 1 / n + y**2 / (2 * n)


def baseline_standardised(
    mean_post: Column, mean_pre: Column, sd_pre: Column, n: Column, r: Column, *, correct: bool = True
) -> Effects:
    """SMCR: mean change over the SD before (Becker 1988); variance ``2 (1 - r)/n + y^2/(2 n)``, equal variances assumed."""
    post, pre, sd, n, r = floats(mean_post, mean_pre, sd_pre, n, r)
    y = hedges_j(n - 1, correct) * (post - pre) / sd
    return y, 2 * (1 - r) / n + y**2 / (2 * n)


def baseline_standardised_unequal(
    mean_post: Column, sd_post: Column, mean_pre: Column, sd_pre: Column, n: Column, r: Column, *, correct: bool = True
) -> Effects:
    """SMCRH: as SMCR, the variances before and after may differ (Bonett, Psychol Methods 2008;13:99-109)."""
    post, sd_post, pre, sd_pre, n, r = floats(mean_post, sd_post, mean_pre, sd_pre, n, r)
    y = hedges_j(n - 1, correct) * (post - pre) / sd_pre
    return y, sd_of_change(sd_pre, sd_post, r) ** 2 / (sd_pre**2 * (n - 1)) + y**2 / (2 * (n - 1))


def average_standardised(
    mean_post: Column,
    sd_post: Column,
    mean_pre: Column,
    sd_pre: Column,
    n: Column,
    r: Column,
    *,
    correct: bool = True,
    unequal: bool = False,
) -> Effects:
    """SMCRP and SMCRPH: mean change over the root of the average variance (Cousineau 2020; Bonett 2008 for unequal variances).

    The average of two correlated variances has ``2 (n - 1)/(1 + r^2)`` degrees of freedom (Satterthwaite), which Hedges' factor
    is given. Equal variances: ``2 (1 - r)/n + y^2 (1 + r^2)/(4 n)``; unequal: Bonett's variance with ``n - 1``.
    """
    post, sd_post, pre, sd_pre, n, r = floats(mean_post, sd_post, mean_pre, sd_pre, n, r)
    s2 = (sd_pre**2 + sd_post**2) / 2
    y = hedges_j(2 * (n - 1) / (1 + r**2), correct) * (post - pre) / np.sqrt(s2)
    if not unequal:
        return y, 2 * (1 - r) / n + y**2 * (1 + r**2) / (4 * n)
    fourth = sd_pre**4 + sd_post**4 + 2 * r**2 * sd_pre**2 * sd_post**2
    return y, sd_of_change(sd_pre, sd_post, r) ** 2 / (s2 * (n - 1)) + y**2 * fourth / (8 * s2**2 * (n - 1))


def log_ratio_of_means(
    mean_post: Column, sd_post: Column, mean_pre: Column, sd_pre: Column, n: Column, r: Column, *, correct: bool = True
) -> Effects:
    """ROMC: log of the mean after over the mean before (Lajeunesse 2011), second-order bias removed (Lajeunesse 2015)."""
    post, sd_post, pre, sd_pre, n, r = floats(mean_post, sd_post, mean_pre, sd_pre, n, r)
    cv1, cv2 = sd_post / post, sd_pre / pre
    y = np.log(post / pre) + ((cv1**2 - cv2**2) / (2 * n) if correct else 0)
    return y, (cv1**2 + cv2**2 - 2 * r * cv1 * cv2) / n


def log_sd_ratio(sd_post: Column, sd_pre: Column, n: Column, r: Column) -> Effects:
    """VRC: log ratio of the SDs after and before; variance ``(1 - r^2)/(n - 1)`` (Senior et al. 2020)."""
    sd_post, sd_pre, n, r = floats(sd_post, sd_pre, n, r)
    return np.log(sd_post / sd_pre), (1 - r**2) / (n - 1)


def log_cv_ratio(
    mean_post: Column, sd_post: Column, mean_pre: Column, sd_pre: Column, n: Column, r: Column, *, correct: bool = True
) -> Effects:
    """CVRC: log ratio of the coefficients of variation after and before (Senior et al. 2020)."""
    y1, v1 = log_sd_ratio(sd_post, sd_pre, n, r)
    y2, v2 = log_ratio_of_means(mean_post, sd_post, mean_pre, sd_pre, n, r, correct=correct)
    return y1 - y2, v1 + v2
