"""Moderators of a model of counts: read, complete, and turned into coordinates in which the fit is well conditioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.effects import design as designs
from vfmeta.effects.counts import Counts
from vfmeta.effects.design import Design
from vfmeta.kernels.regression import redundant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Moderators:
    """A formula with the columns it reads, one row for each that was given."""

    formula: str
    frame: pd.DataFrame
    columns: tuple[str, ...]

    def complete(self, counts: Counts, missing: str) -> Counts:
        """The studies whose moderators are all there; the others are an error, or left out with a note."""
        gone = designs.gaps(self.frame.iloc[counts.rows], self.columns)
        bad = gone.any(axis=1)
        if not bad.any():
            return counts
        if missing == "raise":
            raise InputError([
                f"row {counts.rows[i] + 1} ({counts.labels[i]}), column {self.columns[j]}: missing value; fill it in, remove "
                'the row, or pass missing="drop" to leave the row out with a warning.'
                for i, j in np.argwhere(gone).tolist()
            ])  # fmt: skip
        if bad.all():
            raise InputError(f"Every row lacks one of {', '.join(self.columns)}; nothing is left to analyse.")
        left = ", ".join(f"{counts.labels[i]} (row {counts.rows[i] + 1})" for i in np.flatnonzero(bad))
        return replace(counts, notes=(*counts.notes, f"Left out because a moderator is missing: {left}.")).keep(~bad)

    def design(self, counts: Counts) -> Design:
        """Design of the studies that are left."""
        rows = self.frame.iloc[counts.rows].reset_index(drop=True)
        return designs.from_formula(self.formula, rows, self.columns, counts.labels)


def read_moderators(formula: str, data: Any, total: int) -> Moderators:
    """The columns of ``data`` (a frame, a dict of columns or an effect table) that the formula reads."""
    if hasattr(data, "details") and hasattr(data, "labels"):
        names = dict.fromkeys(n for row in data.details for n in row)
        data = {n: [row.get(n) for row in data.details] for n in names}
    return Moderators(formula, *designs.needed(formula, data, total))


def coordinates(x: Design, labels: Sequence[str], residual: bool) -> tuple[np.ndarray, np.ndarray]:
    """An orthogonal basis (k, p) of the design, and the matrix (p, p) that makes its coefficients of those of the basis.

    A calendar year or a dose in milligrams is then no harder to fit than an indicator.

    Raises
    ------
    InputError
        Collinear moderators, by name; no study left to tell the heterogeneity from the coefficients (``residual``).
    """
    k, p = x.x.shape
    groups = redundant(x.x)
    if groups or k < p:
        raise designs.name_collinear(groups, x, labels)
    if residual and k == p:
        raise InputError(
            f"{k} informative studies cannot estimate {p} coefficients ({', '.join(x.names)}) and the heterogeneity beside "
            'them; leave moderators out, or use heterogeneity="common".'
        )
    basis, triangle = np.linalg.qr(x.x)
    scale = np.sign(np.diag(triangle)) * np.sqrt(k)
    return basis * scale, np.linalg.inv(triangle) * scale
