"""The generalised Q of a meta-regression with any fixed weights: its exact distribution and the values of tau2 made from it.

Q_a = y'P_a y with P_a = A - AX (X'AX)^-1 X'A is a weighted sum of chi-squared variables (Jackson, Turner, Rhodes & Viechtbauer
2014, BMC Med Res Methodol 14:103).
"""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.regression import Regression
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

_NODES = 24
# contour and step as in `quadratic_form`: a parabola about the negative axis (Weideman & Trefethen 2007, Math Comp 76:1341)
_THETA = (np.arange(_NODES) + 0.5) * 3 / _NODES


def probability(q: float, v: np.ndarray, a: np.ndarray, basis: np.ndarray, tau2: float) -> float:
    """P(Q_a <= q) for studies of variance v + tau2.

    The Laplace transform of the density is det(I + 2 s P_a U)^(-1/2), U = diag(v + tau2). P_a is diagonal less a matrix of
    rank p, so with D = I + 2 s U A the determinant is det(D) det(X'A D^-1 X) / det(X'AX).

    Parameters
    ----------
    q : float
        Value of Q_a, > 0.
    v, a : ndarray of shape (k,)
        Sampling variances and weights (> 0).
    basis : ndarray of shape (k, p)
        Orthonormal columns that span the design.
    tau2 : float
        Between-study variance.
    """
    mu = np.pi * _NODES / (12 * q)
    z = 1 + 1j * _THETA
    s = mu * z**2
    factors = 1 + 2 * s[:, None] * (a * (v + tau2))  # (nodes, k)
    inner = np.einsum("kp,nk,kq->npq", basis, a / factors, basis)
    # the logarithm of a complex determinant is wanted on one branch, so it is summed over pivots and not taken of a product
    log_det = np.log(factors).sum(-1) + _log_det(inner) - np.linalg.slogdet((basis.T * a) @ basis)[1]
    terms = np.exp(s * q - 0.5 * log_det) / s * (2j * mu * z)
    return float(np.clip((terms * (3 / _NODES) / np.pi).imag.sum(), 0.0, 1.0))


def tau2_at(m: Regression, weights: np.ndarray, target: float) -> float:
    """tau2 >= 0, in the units of ``m.v``, under which Q_a falls at or below its observed value with this probability.

    The probability falls as tau2 grows; zero where even tau2 = 0 gives less. 0.5 makes the median-unbiased estimate, 0.975 and
    0.025 the limits of a 95% interval.
    """
    a = np.asarray(weights, dtype=float) / np.max(weights)
    q = float(m.at(np.zeros(1), a[None]).rss[0])
    if q == 0.0:
        return 0.0

    def excess(t: np.ndarray, _: object = None) -> np.ndarray:
        return np.array([probability(q, m.v, a, m.basis, float(x)) for x in t]) - target

    if excess(np.zeros(1))[0] <= 0:
        return 0.0
    high = float(m.v.max())
    for _ in range(1200):
        if excess(np.array([high]))[0] < 0:
            return float(bracketed_roots(excess, np.zeros(1), np.array([high]), 1e-14 * float(m.v.min()))[0])
        high *= 2
    raise ConvergenceError("No upper bound of tau2 was found for the generalised Q.")


def _log_det(block: np.ndarray) -> np.ndarray:
    """Sum of the logarithms of the pivots of symmetric complex matrices (n, p, p) whose real part is positive definite."""
    block = block.copy()
    total = np.zeros(len(block), dtype=complex)
    for j in range(block.shape[-1]):
        pivot = block[:, j, j]
        total += np.log(pivot)
        factor = block[:, j + 1 :, j] / pivot[:, None]
        block[:, j + 1 :, j:] -= factor[..., None] * block[:, None, j, j:]
    return total
