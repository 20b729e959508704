"""Ranks of treatments from draws of their effects, and how far apart counts as better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.core.question import Question

if TYPE_CHECKING:
    import pandas as pd

NO_ORDER = (
    "unrelated mean effects do not order the treatments (B against A and C against A say nothing of C against B there); take "
    'consistency="consistency".'
)


def rank_table(treatments: Sequence[str], effects: np.ndarray, beats: np.ndarray) -> pd.DataFrame:
    """Probability of each rank by treatment, its 95% interval, SUCRA and mean rank.

    Parameters
    ----------
    treatments : sequence of str
    effects : ndarray of shape (draws, treatments)
        Higher is better.
    beats : ndarray of shape (treatments, treatments)
        Probability that the treatment of the row is better than that of the column; 0 on the diagonal.
    """
    import pandas as pd

    n = len(treatments)
    rank = np.argsort(np.argsort(-effects, axis=1), axis=1)
    shares = np.stack([(rank == r).mean(axis=0) for r in range(n)], axis=1)
    frame = pd.DataFrame(shares, index=list(treatments), columns=[str(r + 1) for r in range(n)])
    reached = np.cumsum(shares, axis=1)
    frame["rank_low"], frame["rank_high"] = ((reached < x - 1e-12).sum(axis=1) + 1 for x in (0.025, 0.975))
    frame["sucra"] = beats.sum(axis=1) / (n - 1)
    frame["mean_rank"] = n - beats.sum(axis=1)
    return frame


def distance(size: Any, question: Question) -> float:
    """A difference that matters, on the analysis scale: at least 0 of differences, a ratio of ratios (0.8 and 1.25 are one)."""
    if not is_finite(size) or size < 0 or (question.is_ratio and size == 0):
        raise InputError(f"size={size!r} must be a finite number of at least 0, or a ratio above 0.")
    return abs(math.log(size)) if question.is_ratio else float(size)
