"""The generalised Q of a regression with any fixed weights: its exact distribution and the values of tau2 made from it.

Q_a = y'P_a y with P_a = A - AX (X'AX)^-1 X'A is a quadratic form of normal effects, hence a weighted sum of chi-squared
variables (Jackson 2013, Res Synth Methods 4:220-229; Jackson, Turner, Rhodes & Viechtbauer 2014, BMC Med Res Methodol 14:103).
"""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.least_squares import Regression
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

_NODES = 24
# parabola s = mu (1 + i theta)^2 about the negative axis, on which all singularities lie: Weideman & Trefethen 2007, Math Comp
# 76:1341-1356; with N nodes its best step is 3 / N, mu = pi N / (12 x), and the error falls as exp(-2 pi N / 3)
_THETA = (np.arange(_NODES) + 0.5) * 3 / _NODES


def q_distribution(
    q: float, v: np.ndarray, a: np.ndarray, tau2: np.ndarray | float, basis: np.ndarray | None = None
) -> np.ndarray:
    """P(Q_a <= q) for studies of variance v + tau2.

    The Laplace transform of the density is det(I + 2 s P_a U)^(-1/2), U = diag(v + tau2). P_a is diagonal less a matrix of
    rank p, so with D = I + 2 s U A the determinant is det(D) det(X'A D^-1 X) / det(X'AX): k p^2 terms, no eigenvalues. It is
    inverted along a contour; the absolute error is about 1e-13.

    Parameters
    ----------
    q : float
        Value of Q_a, > 0.
    v, a : ndarray of shape (k,)
        Sampling variances and weights (> 0).
    tau2 : float or ndarray of shape (n,)
        Between-study variances.
    basis : ndarray of shape (k, p), optional
        Orthonormal columns that span the design; a mean when left out.

    Returns
    -------
    ndarray of shape (n,)
    """
    t = np.atleast_1d(np.asarray(tau2, dtype=float))
    x = np.full((len(v), 1), len(v) ** -0.5) if basis is None else basis
    mu = np.pi * _NODES / (12 * q)
    z = 1 + 1j * _THETA
    s = mu * z**2
    factors = 1 + s[None, :, None] * (2 * a * (v + t[:, None]))[:, None, :]  # (n, nodes, k)
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(v), -1)
    inner = ((a / factors) @ pairs).reshape(*factors.shape[:2], x.shape[1], x.shape[1])
    log_det = np.log(factors).sum(-1) + _log_det(inner) - np.linalg.slogdet((x.T * a) @ x)[1]
    terms = np.exp(s * q - 0.5 * log_det) / s * (2j * mu * z)
    # s runs over the upper half of the contour; the lower half is its mirror image
    return np.clip((terms * (3 / _NODES) / np.pi).imag.sum(-1), 0.0, 1.0)


def tau2_at(m: Regression, weights: np.ndarray, target: float) -> float:
    """tau2 >= 0, in the units of ``m.v``, under which Q_a falls at or below its observed value with this probability.

    The probability falls as tau2 grows; zero where even tau2 = 0 gives less. 0.5 makes the median-unbiased estimate
    (Viechtbauer 2021), 0.975 and 0.025 the limits of a 95% interval.

    Raises
    ------
    ConvergenceError
        No tau2 was found.
    """
    a = np.asarray(weights, dtype=float) / np.max(weights)
    q = float(m.at(np.zeros(1), a[None]).rss[0])
    if q == 0.0:
        return 0.0

    def excess(t: np.ndarray, _: object = None) -> np.ndarray:
        return q_distribution(q, m.v, a, t, m.basis) - target

    if excess(np.zeros(1))[0] <= 0:
        return 0.0
    high = float(m.v.max())
    for _ in range(1200):
        if excess(np.array([high]))[0] < 0:
            return float(bracketed_roots(excess, np.zeros(1), np.array([high]), 1e-14 * float(m.v.min()))[0])
        high *= 2
    raise ConvergenceError("No upper bound of tau2 was found for the generalised Q.")


def _log_det(block: np.ndarray) -> np.ndarray:
    """Sum of the logarithms of the pivots of symmetric complex matrices (..., p, p), their real part positive definite.

    The logarithm of a complex determinant is wanted on one branch, so it is not taken of a product.
    """
    block = block.copy()
    total = np.zeros(block.shape[:-2], dtype=complex)
    for j in range(block.shape[-1]):
        pivot = block[..., j, j]
        total += np.log(pivot)
        factor = block[..., j + 1 :, j] / pivot[..., None]
        block[..., j + 1 :, j:] -= factor[..., None] * block[..., None, j, j:]
    return total
