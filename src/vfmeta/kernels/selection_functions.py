"""Weight functions as they are asked for, before anything is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Steps:
    """A step function: rising ``bounds`` (k, B) in units of y, ``which`` (B + 1,) numbers the weight of the piece below each.

    Weight 0 stands for the most favoured results and is 1; ``fixed`` (W,) holds all weights.
    """

    bounds: np.ndarray
    which: np.ndarray
    own: np.ndarray
    fixed: np.ndarray | None = None


@dataclass(frozen=True)
class Curve:
    """A smooth function of the one-sided p, named as in `vfmeta.kernels.selection.FAMILIES`; constant beyond ``ends``."""

    family: str
    ends: tuple[float, float] | None = None
    fixed: np.ndarray | None = None


def steps(y: np.ndarray, v: np.ndarray, cuts: Sequence[float], two_sided: bool, fixed: np.ndarray | None = None) -> Steps:
    """Step function with ``cuts`` of p; a p equal to a cut lies below it."""
    from scipy.special import ndtr, ndtri

    se = np.sqrt(v)
    inner = [c for c in cuts if c < 1]
    z = -ndtri(np.array(inner) / (2 if two_sided else 1))
    m = len(inner)
    p = 2 * ndtr(-np.abs(y / se)) if two_sided else ndtr(-y / se)
    own = np.searchsorted(np.array(inner) * (1 + 1e-12), p, side="left")
    down = list(range(m, -1, -1))
    if two_sided:
        limits, which = np.concatenate([-z, z[::-1]]), [*down[::-1], *down[1:]]
    else:
        limits, which = z[::-1], down
    return Steps(se[:, None] * limits, np.array(which), own, fixed)


def at_cut(y: np.ndarray, cut: float, below: np.ndarray) -> Steps:
    """A weight for effects at or below one value of y (a truncated distribution)."""
    return Steps(np.full((len(y), 1), cut), np.array([1, 0]), below.astype(np.int64))
