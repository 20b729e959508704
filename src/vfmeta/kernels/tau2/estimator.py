"""What an estimator of the between-study variance is: its paper, and how it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: effects (k,), variances (k,), design (k, p) and the user's weights (k,) or None, to tau2 and its standard error
Formula = Callable[[np.ndarray, np.ndarray, np.ndarray, "np.ndarray | None"], tuple[float, float]]


@dataclass(frozen=True)
class Estimator:
    """One estimator of tau2.

    Parameters
    ----------
    paper : str
        What it is and where it comes from.
    compiled : str, optional
        Its branch in `vfmeta.kernels.tau2.chain`, for one that is compiled.
    formula : callable, optional
        For one that is not: numbers in, tau2 and its standard error out. It must not hang on the units of the effects, nor on
        how the columns of the design are coded. Batches call it for one fit after the other.
    weighted : bool
        Whether it needs the user's weights.
    about : callable, optional
        For one that needs 2 x 2 tables, and that pools of them alone offer: effects, variances and the Mantel-Haenszel estimate
        in, tau2 and the Q it comes from out.
    """

    paper: str
    compiled: str | None = None
    formula: Formula | None = None
    weighted: bool = False
    about: Callable[[np.ndarray, np.ndarray, float], tuple[float, float]] | None = None
