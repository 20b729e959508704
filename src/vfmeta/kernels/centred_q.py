"""Cochran's Q about any centre, and the between-study variance that it leaves by moments; nothing compiled."""

from __future__ import annotations

import numpy as np


def tau2_about(y: np.ndarray, v: np.ndarray, centre: float) -> tuple[float, float]:
    """tau2 and the Q it comes from, weighed by 1 / v; about the weighted mean tau2 is DerSimonian and Laird's."""
    w = 1 / v
    q = float(w @ (y - centre) ** 2)
    total = float(w.sum())
    spread = total - float(w @ w) / total
    return (max((q - (len(y) - 1)) / spread, 0.0) if spread > 0 else 0.0), q
