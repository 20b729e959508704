"""Meta-analyses side by side: one row each, padded rows masked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """``B`` meta-analyses of at most ``k`` studies in units that suit the arithmetic.

    ``y`` and ``v`` have shape ``(B, k)``: shifted by ``centre`` (the effect of the most precise study, so that a dominating
    study costs no digits) and divided by ``scale`` (a power of two, so exactly). Masked studies have ``y = 0, v = inf``
    and hence weight zero. ``k``, ``centre`` and ``scale`` have shape ``(B,)``.
    """

    y: np.ndarray
    v: np.ndarray
    k: np.ndarray
    centre: np.ndarray
    scale: np.ndarray


def prepare(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> Batch:
    """Centre and scale a batch.

    Parameters
    ----------
    y, v : ndarray of shape (B, k) or (k,)
        Effects and their sampling variances (> 0), free of NaN where ``mask`` holds.
    mask : ndarray of bool, same shape, optional
        Which entries are studies; all of them when left out.
    """
    y, v = np.atleast_2d(np.asarray(y, dtype=float)), np.atleast_2d(np.asarray(v, dtype=float))
    here = np.ones(y.shape, dtype=bool) if mask is None else np.atleast_2d(np.asarray(mask, dtype=bool))
    if y.ndim != 2 or y.shape != v.shape or y.shape != here.shape:
        raise ValueError(f"y {y.shape}, v {v.shape} and mask {here.shape} must share one shape (B, k).")
    k = here.sum(axis=1)
    v = np.where(here, v, np.inf)
    if y.shape[1] == 0 or np.any(k == 0) or not np.all(v > 0) or not np.all(np.isfinite(y) & np.isfinite(v) | ~here):
        raise ValueError("Every row needs a study, every y must be finite and every v positive and finite.")
    first = np.argmin(v, axis=1)[:, None]
    centre = np.take_along_axis(y, first, axis=1)
    half = np.frexp(np.take_along_axis(v, first, axis=1))[1] // 2
    shifted = np.where(here, y - centre, 0.0)
    return Batch(np.ldexp(shifted, -half), np.ldexp(v, -2 * half), k, centre[:, 0], np.ldexp(1.0, half[:, 0]))


def fit_at(y: np.ndarray, v: np.ndarray, tau2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``w`` (..., k), their sum ``W`` (...), weighted mean (...) and residuals (..., k) at a given ``tau2`` (...)."""
    w = 1 / (v + tau2[..., None])
    total = w.sum(-1)
    mean = (w * y).sum(-1) / total
    return w, total, mean, y - mean[..., None]


def trace_p(w: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Trace of P = W - W 1 1' W / 1'W1, which is sum w - sum w^2 / sum w, without the cancellation of that difference.

    Parameters
    ----------
    w : ndarray of shape (..., k)
        Weights.
    total : ndarray of shape (...)
        Their sums.
    """
    top = np.argmax(w, axis=-1)[..., None]
    others = w.copy()
    np.put_along_axis(others, top, 0.0, axis=-1)
    rest = total[..., None] - w
    np.put_along_axis(rest, top, others.sum(-1, keepdims=True), axis=-1)
    return (w * rest).sum(-1) / total
