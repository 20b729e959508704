"""Trim and fill of many meta-analyses: which side lacks studies, how many, and what stands there once they are imputed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.kernels.distributions import chi2_quantile
from vfmeta.kernels.estimators import branch, owned, spread
from vfmeta.kernels.small_studies import lines

KINDS = ("L0", "R0", "Q0")


@dataclass(frozen=True)
class Trimmed:
    """Of each meta-analysis (B,): studies ``lacking`` (-1: none of a number would do), the estimate ``raw`` before it was
    rounded, ``sign`` (1: the left lacks them), and the ``centre`` of the studies left. ``y``, ``v``, ``start`` are the imputed
    studies alone, mirror images of ``of`` (positions).
    """

    lacking: np.ndarray
    raw: np.ndarray
    sign: np.ndarray
    centre: np.ndarray
    y: np.ndarray
    v: np.ndarray
    start: np.ndarray
    of: np.ndarray


def trim(
    y: np.ndarray, v: np.ndarray, start: np.ndarray, kind: str, method: str | float, sign: np.ndarray | None = None
) -> Trimmed:
    """Trim and fill (Duval & Tweedie 2000, Biometrics 56:455-463) of studies ``start[b]`` to ``start[b + 1]``.

    ``method`` names a compiled estimator of tau2, "common", or is the value that holds it. Without ``sign`` the side that lacks
    studies is the left where Egger's line rises with the standard error, the right where it falls.
    """
    from vfmeta.kernels.compiled import trimming as loops

    y, v, start = owned(y), owned(v), owned(start, np.int64)
    k = start[1:] - start[:-1]
    if sign is None:
        sign = lean(y, v, start)
    most = int(k.max())
    targets = np.arange(-1.0, most)
    if method == "PMM":
        targets = np.array([0.0, 0.0, *(chi2_quantile(0.5, n) for n in range(1, most))])
    order, lacking = np.empty(len(y), np.int64), np.empty(len(k), np.int64)
    raw, centre = np.full(len(k), np.nan), np.full(len(k), np.nan)
    given = 0.0 if isinstance(method, str) else float(method)
    which, number = KINDS.index(kind), branch(method)
    signs = owned(sign)

    def run(low: int, high: int) -> None:
        loops.trim(y, v, start, signs, which, number, given, targets, low, high, order, lacking, raw, centre)

    spread(run, len(k), 8 * len(y))
    many = np.maximum(lacking, 0)
    edges = np.concatenate([[0], np.cumsum(many)])
    first = np.repeat(start[1:] - many - edges[:-1], many)
    of = order[first + np.arange(edges[-1])]
    return Trimmed(lacking, raw, sign, centre, 2 * np.repeat(centre, many) - y[of], v[of], edges, of)


def lean(y: np.ndarray, v: np.ndarray, start: np.ndarray) -> np.ndarray:
    """1 where Egger's line rises with the standard error, -1 where it falls or is not known."""
    return np.where(lines(y, np.sqrt(v), 1 / v, start)["slope"] > 0, 1.0, -1.0)


def error_of_lacking(kind: str, k: Any, raw: Any) -> Any:
    """Standard error of the number of studies that lack, from the variance of their signed ranks at the estimate as it is."""
    n, m = (np.asarray(x, dtype=float)[()] for x in (k, raw))  # plain numbers are quicker than arrays of one
    if kind == "R0":
        return np.sqrt(2 * np.maximum(m, 0.0) + 2)
    variance = n * (n + 1) * (2 * n + 1) + m * (17 + 6 * n * (n - 3) + m * (27 - 18 * n + 10 * m))
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(variance / 24)  # NaN far below 0, where there is no such number
        return 4 * root / (2 * n - 1) if kind == "L0" else 2 * root / np.sqrt((n - 0.5) ** 2 - m * (2 * n - m - 1))
