"""Sampling covariance of contrasts of arms that share patients: the same arm, the same arm later, another outcome of it."""

from __future__ import annotations

import numpy as np


def covariance(
    v: np.ndarray,
    arms: np.ndarray,
    parts: np.ndarray,
    week: np.ndarray,
    outcome: np.ndarray,
    phi: float | None,
    rho: float | np.ndarray | None,
    spread: np.ndarray | None = None,
) -> np.ndarray:
    """V of contrasts, shape (k, k), with NaN where a correlation that it needs is not given.

    Two contrasts covary through every arm that stands in both: by the root of the product of the variances that this arm gives
    them, negative where it is experimental in one and control in the other, times ``phi ** |weeks between|`` and, for different
    outcomes, ``rho``. The variances stay as they are.

    Parameters
    ----------
    v : ndarray of shape (k,)
        Sampling variances, the diagonal.
    arms : ndarray of int, shape (k, 2)
        Experimental and control arm; an arm has one number in all contrasts, and arms of different trials have different ones.
    parts : ndarray of shape (k, 2)
        What each arm adds to the variance of the contrast, squared units of the effect.
    week : ndarray of shape (k,)
        When the outcome was measured; NaN where no time is known (such contrasts count as measured at one time).
    outcome : ndarray of int, shape (k,)
    phi : float or None
        Correlation of the same outcome of the same patients one week apart (continuous-time autoregression: Ishak et al. 2007,
        Clin Trials 4:525-539).
    rho : float, ndarray of shape (outcomes, outcomes) or None
        Correlation of different outcomes of the same patients at one time (Wei & Higgins 2013, Stat Med 32:1191-1205).
    spread : ndarray of shape (k, 2), optional
        For standardised mean differences: what the SD of each arm adds to the logarithm of the SD that the contrast is divided
        by, per root of its variance, so that products of these are covariances; correlations enter squared.
    """
    gap = np.abs(week[:, None] - week[None, :])
    gap = np.where(np.isnan(gap), 0.0, gap)
    correlation = np.where(gap == 0, 1.0, np.nan if phi is None else np.float64(phi) ** gap)
    other = outcome[:, None] != outcome[None, :]
    if rho is None or np.ndim(rho) == 0:
        between = np.full(other.shape, np.nan if rho is None else float(np.asarray(rho)))
    else:
        between = np.asarray(rho)[np.ix_(outcome, outcome)]
    correlation = correlation * np.where(other, between, 1.0)
    out = np.zeros((len(v), len(v)))
    for a in (0, 1):
        for b in (0, 1):
            alike = arms[:, a][:, None] == arms[:, b][None, :]
            shared = np.sqrt(np.outer(parts[:, a], parts[:, b])) * (1 if a == b else -1) * correlation
            if spread is not None:
                shared = shared + np.outer(spread[:, a], spread[:, b]) * correlation**2
            out += np.where(alike, shared, 0.0)
    np.fill_diagonal(out, v)
    return out
