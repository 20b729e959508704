"""The estimate of every single study from its counts, with something added to empty cells; for display and for Cochran's Q."""

from __future__ import annotations

import numpy as np

TO = ("only0", "all", "if0all", "none")
Cells = tuple[np.ndarray, ...]


def has_contrast(columns: Cells, rates: bool) -> np.ndarray:
    """Studies with at least one event, and at least one patient without the event; shape (k,)."""
    a, m1, c, m2 = columns
    some = a + c > 0
    return some if rates else some & (a + c < m1 + m2)


def add_to_cells(columns: Cells, add: float, to: str, rates: bool) -> Cells:
    """Counts with ``add`` in every cell of the chosen tables (and twice that in the sizes); times at risk stay.

    ``to`` is ``"only0"`` (tables with an empty cell), ``"all"``, ``"if0all"`` (all tables if any has an empty cell) or
    ``"none"``.
    """
    a, m1, c, m2 = columns
    cells = np.stack([a, c] if rates else [a, m1 - a, c, m2 - c])
    empty = (cells == 0).any(axis=0)
    extra = add * {
        "only0": empty, "all": np.ones_like(empty), "if0all": np.full_like(empty, empty.any()), "none": np.zeros_like(empty),
    }[to].astype(float)  # fmt: skip
    return (a + extra, m1, c + extra, m2) if rates else (a + extra, m1 + 2 * extra, c + extra, m2 + 2 * extra)


def each_study(measure: str, columns: Cells, add: float = 0.5, to: str = "only0") -> tuple[np.ndarray, np.ndarray]:
    """Effect and sampling variance of each study, (k,) and (k,), log scale for ratios; not finite where there is none."""
    a, m1, c, m2 = add_to_cells(columns, add, to, measure.startswith("IR"))
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "OR":
            b, d = m1 - a, m2 - c
            return np.log(a / b) - np.log(c / d), 1 / a + 1 / b + 1 / c + 1 / d
        if measure == "RR":
            return np.log(a / m1) - np.log(c / m2), 1 / a - 1 / m1 + 1 / c - 1 / m2
        if measure == "RD":
            return a / m1 - c / m2, a * (m1 - a) / m1**3 + c * (m2 - c) / m2**3
        if measure == "IRR":
            return np.log(a / m1) - np.log(c / m2), 1 / a + 1 / c
        return a / m1 - c / m2, a / m1**2 + c / m2**2


def each_arm(measure: str, events: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logit of a proportion (``"PLO"``) or log of a rate (``"IRLN"``) and its variance, 0.5 added where a cell is empty."""
    if measure == "IRLN":
        x = events + 0.5 * (events == 0)
        return np.log(x / size), 1 / x
    extra = 0.5 * ((events == 0) | (events == size))
    x, rest = events + extra, size - events + extra
    return np.log(x / rest), 1 / x + 1 / rest


def typical_variance(v: np.ndarray) -> float | None:
    """The sampling variance of a typical study (Higgins & Thompson 2002, Stat Med 21:1539-1558); None for one study."""
    if len(v) < 2:
        return None
    w = 1 / (v / v.mean())
    return float(v.mean() * (len(v) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))
