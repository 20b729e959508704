"""tau2 by moments from Q about the Mantel-Haenszel estimate of the studies' 2 x 2 tables, as RevMan's random effects take it.

Deeks & Higgins 2010, Statistical algorithms in Review Manager 5, Cochrane: Q is weighed by 1 / v and the denominator is that of
DerSimonian and Laird. The Mantel-Haenszel estimate is not where that Q is least, so that tau2 is never below DerSimonian and
Laird's and a little too large: an option to reproduce a published pool by.
"""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.tau2.estimator import Estimator


def tau2_about(y: np.ndarray, v: np.ndarray, centre: float) -> tuple[float, float]:
    """tau2 and the Q it comes from, weighed by 1 / v, about a ``centre``; about the weighted mean tau2 is DerSimonian and Laird's."""
    w = 1 / v
    q = float(w @ (y - centre) ** 2)
    total = float(w.sum())
    spread = total - float(w @ w) / total
    return (max((q - (len(y) - 1)) / spread, 0.0) if spread > 0 else 0.0), q


METHODS = {
    "DL-MH": Estimator(
        "moments about the Mantel-Haenszel estimate (Deeks & Higgins 2010, Statistical algorithms in Review Manager 5)",
        about=tau2_about,
    ),
}
