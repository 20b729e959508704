"""Score test of one tau2 for all studies against one for each."""

from __future__ import annotations

import numpy as np

BATCH = 200_000  # numbers of matrices held at once


def score(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, restricted: bool) -> np.ndarray:
    """S' I^+ s of samples ``y`` (n, k) at their common ``tau2`` (n,); ``v`` (k,).

    For REML the score of tau2_i is ((P y)_i^2 - P_ii) / 2 and the expected information P_ij^2 / 2; for ML P is W in both, but
    for the residuals.
    """
    n, k = y.shape
    w = 1 / (v + tau2[:, None])
    total = w.sum(axis=1, keepdims=True)
    pull = w * (y - (w * y).sum(axis=1, keepdims=True) / total)
    if not restricted:
        s = (pull**2 - w) / 2
        return (2 * s**2 / w**2).sum(axis=1)
    out = np.empty(n)
    step = max(1, BATCH // (k * k))
    for at in range(0, n, step):
        rows = slice(at, at + step)
        a = w[rows]
        p = -a[:, :, None] * a[:, None, :] / total[rows, :, None]
        own = a - a**2 / total[rows]
        p[:, range(k), range(k)] = own
        s = (pull[rows] ** 2 - own) / 2
        out[rows] = (s * _solved(p**2 / 2, s)).sum(axis=1)
    return out


def _solved(information: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Information^-1 s; of three studies it is singular, and the least solution is taken."""
    if s.shape[1] > 3:
        try:
            return np.linalg.solve(information, s[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:
            pass
    return np.einsum("nij,nj->ni", np.linalg.pinv(information, rcond=1e-12, hermitian=True), s)
