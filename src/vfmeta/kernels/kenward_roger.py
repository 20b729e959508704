"""Kenward-Roger inference for a meta-regression fitted by REML (Kenward & Roger 1997, Biometrics 53:983-997).

The variance of the effects, diag(v) + tau2 I, is linear in its one parameter, so the second-order term of the paper is zero.
"""

from __future__ import annotations

import numpy as np


def adjusted_covariance(x: np.ndarray, w: np.ndarray, phi: np.ndarray, var_tau2: np.ndarray) -> np.ndarray:
    """Covariance of the coefficients of n fits with the uncertainty of tau2 in it, shape (n, p, p).

    Parameters
    ----------
    x : ndarray of shape (n, k, p)
        Design.
    w : ndarray of shape (n, k)
        Weights 1 / (v + tau2).
    phi : ndarray of shape (n, p, p)
        (X'WX)^-1.
    var_tau2 : ndarray of shape (n,)
        Variance of the REML estimate of tau2, 2 / tr(PP).
    """
    p1, q11 = _derivatives(x, w)
    return phi + 2 * var_tau2[:, None, None] * phi @ (q11 - p1 @ phi @ p1) @ phi


def degrees_of_freedom(x: np.ndarray, w: np.ndarray, phi: np.ndarray, var_tau2: float, rows: np.ndarray) -> tuple[float, float]:
    """Denominator degrees of freedom and scale factor of the F statistic for ``rows`` (m, p)."""
    m = len(rows)
    p1, _ = _derivatives(x, w)
    theta = rows.T @ np.linalg.solve(rows @ phi @ rows.T, rows)
    inner = theta @ phi @ p1 @ phi
    a1, a2 = var_tau2 * np.trace(inner) ** 2, var_tau2 * np.trace(inner @ inner)
    if not a2 > 0:
        return float("inf"), 1.0
    if m == 1:  # there a1 = a2, and all that follows comes to Satterthwaite's 2 / a2
        return 2 / float(a2), 1.0
    b = (a1 + 6 * a2) / (2 * m)
    g = ((m + 1) * a1 - (m + 4) * a2) / ((m + 2) * a2)
    bottom = 3 * m + 2 * (1 - g)
    c1, c2, c3 = g / bottom, (m - g) / bottom, (m + 2 - g) / bottom
    # with E the mean and V the variance of F, m V / (2 E^2) is up / down
    shrink = 1 - a2 / m  # 1 / E
    up, down = (1 + c1 * b) * shrink**2, (1 - c2 * b) ** 2 * (1 - c3 * b)
    if up == down:
        return float("inf"), float(shrink)
    df = 4 + (m + 2) * down / (up - down)
    return float(df), float("nan") if df == 2 else float(df * shrink / (df - 2))


def _derivatives(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turned, w = np.swapaxes(x, -1, -2), w[..., None, :]
    return -(turned * w**2) @ x, (turned * w**3) @ x
