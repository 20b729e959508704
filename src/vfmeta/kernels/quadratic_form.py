"""Cochran's Q with any fixed weights: its exact distribution, the interval of tau2 made from it, and its median estimate.

Q_a = sum a (y - mean_a)^2 is a quadratic form of normal effects, hence a weighted sum of chi-squared variables (Jackson 2013,
Res Synth Methods 4:220-229; Biggerstaff & Jackson 2008, Stat Med 27:6093-6110).
"""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

_NODES = 24
# parabola s = mu (1 + i theta)^2 about the negative axis, on which all singularities lie: Weideman & Trefethen 2007, Math Comp
# 76:1341-1356; with N nodes its best step is 3 / N, mu = pi N / (12 x), and the error falls as exp(-2 pi N / 3)
_THETA = (np.arange(_NODES) + 0.5) * 3 / _NODES


def q_distribution(q: float, v: np.ndarray, a: np.ndarray, tau2: np.ndarray | float) -> np.ndarray:
    """P(Q_a <= q) for studies of variance v + tau2.

    The Laplace transform of the density is det(I + 2 s R U)^(-1/2), with R the residual matrix of weights ``a`` and
    U = diag(v + tau2). R is diagonal less a matrix of rank one, so the determinant is
    prod(1 + 2 s a u) sum(a / (1 + 2 s a u)) / sum(a), which costs k terms, no eigenvalues. It is inverted along a
    contour; the absolute error is about 1e-13.

    Parameters
    ----------
    q : float
        Value of Q_a, > 0.
    v, a : ndarray of shape (k,)
        Sampling variances and weights (> 0).
    tau2 : float or ndarray of shape (n,)
        Between-study variances.

    Returns
    -------
    ndarray of shape (n,)
    """
    t = np.atleast_1d(np.asarray(tau2, dtype=float))
    share = a / a.sum()
    d = 2 * a * (v + t[:, None])  # (n, k)
    mu = np.pi * _NODES / (12 * q)
    z = 1 + 1j * _THETA
    s = mu * z**2
    factors = 1 + s[None, :, None] * d[:, None, :]
    log_det = np.log(factors).sum(-1) + np.log((share / factors).sum(-1))
    terms = np.exp(s * q - 0.5 * log_det) / s * (2j * mu * z)
    # s runs over the upper half of the contour; the lower half is its mirror image
    return np.clip((terms * (3 / _NODES) / np.pi).imag.sum(-1), 0.0, 1.0)


def genq_tau2(y: np.ndarray, v: np.ndarray, a: np.ndarray, probability: float) -> float:
    """tau2 >= 0 under which Q_a falls at or below its observed value with this probability; 0 when even tau2 = 0 gives less.

    The probability falls as tau2 grows. 0.5 gives the median-unbiased estimate (Viechtbauer 2021), 0.975 and 0.025 the limits
    of a 95% interval (Jackson 2013).

    Raises
    ------
    ConvergenceError
        No tau2 was found.
    """
    top = int(np.argmin(v))
    half = int(np.frexp(v[top])[1]) // 2
    y, v = np.ldexp(y - y[top], -half), np.ldexp(v, -2 * half)
    a = a / a.max()
    q = float(a @ (y - a @ y / a.sum()) ** 2)
    if q == 0.0:
        return 0.0

    def excess(t: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.array([q_distribution(q, v, a, x)[0] for x in t]) - probability

    if excess(np.zeros(1), np.zeros(1))[0] <= 0:
        return 0.0
    high = float(v.max())
    for _ in range(1200):
        if excess(np.array([high]), np.zeros(1))[0] < 0:
            break
        high *= 2
    else:
        raise ConvergenceError("No upper bound of tau2 was found for the generalised Q.")
    root = bracketed_roots(excess, np.zeros(1), np.array([high]), 1e-14 * float(v.min()))
    return float(np.ldexp(root[0], 2 * half))
