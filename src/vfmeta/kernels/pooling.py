"""Pooled effects and their standard errors, for batches."""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.batch import fit_at, prepare


def pool(
    y: np.ndarray, v: np.ndarray, tau2: np.ndarray | float = 0.0, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse-variance mean with weights 1 / (v + tau2); ``tau2 = 0`` is the common-effect model.

    Parameters
    ----------
    y, v : ndarray of shape (B, k) or (k,)
        Effects and sampling variances.
    tau2 : ndarray of shape (B,) or float
        Between-study variance in squared units of ``y``.
    mask : ndarray of bool, optional
        Which entries are studies.

    Returns
    -------
    estimate, se : ndarray of shape (B,)
        Pooled effect and its standard error 1 / sqrt(sum w), units of ``y``.
    weights : ndarray of shape (B, k)
        Weights in percent.
    """
    b = prepare(y, v, mask)
    w, total, mean, _ = fit_at(b.y, b.v, np.broadcast_to(np.asarray(tau2, dtype=float) / b.scale**2, b.k.shape))
    return b.centre + mean * b.scale, b.scale / np.sqrt(total), 100 * w / total[:, None]


def hartung_knapp_q(
    y: np.ndarray, v: np.ndarray, tau2: np.ndarray | float = 0.0, mask: np.ndarray | None = None
) -> np.ndarray:
    """Factor q = sum w (y - estimate)^2 / (k - 1), w = 1 / (v + tau2), by which se^2 is multiplied; NaN for k = 1.

    Hartung & Knapp 2001, Stat Med 20:1771-1782; Sidik & Jonkman 2002, Stat Med 21:3153-3159.
    """
    b = prepare(y, v, mask)
    w, _, _, r = fit_at(b.y, b.v, np.broadcast_to(np.asarray(tau2, dtype=float) / b.scale**2, b.k.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b.k > 1, (w * r**2).sum(-1) / (b.k - 1), np.nan)
