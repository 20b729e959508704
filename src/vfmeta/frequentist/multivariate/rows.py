"""Dependent effects in: an effect table or arrays become checked rows, or one error that lists every fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects import design as designs
from vfmeta.effects.columns import Rows as AllRows
from vfmeta.effects.given import Given, given, is_table
from vfmeta.effects.moderators import needed
from vfmeta.kernels.stacks import diagonal, sparse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rows:
    """Checked effects. ``y`` (k,), ``V`` (k,) when diagonal else sparse (k, k), ``data`` the rows, ``numbers`` of the rows."""

    y: np.ndarray
    V: Any
    labels: tuple[str, ...]
    data: pd.DataFrame
    numbers: np.ndarray
    design: designs.Design
    question: Question
    notes: tuple[str, ...]
    rows: AllRows
    lost: tuple[LeftOut, ...] = ()
    details: tuple[dict[str, Any], ...] = ()

    @property
    def v(self) -> np.ndarray:
        """Sampling variances, shape (k,)."""
        return diagonal(self.V)


def read(
    data: Any,
    effects: Mapping[str, Any],
    formula: str | None,
    x: Any,
    names: Sequence[str] | None,
    grouping: Sequence[str],
    question: Question | None,
    missing: Missing,
) -> Rows:
    """Check what a multivariate model was given: ``effects`` are y, v, se, V, ci and study, ``grouping`` the columns its random
    terms read.
    """
    missing = choice("missing", missing, Missing)
    cells.check_question(question)
    if is_table(data) and effects.get("V") is None:
        covariance.known(data)
    g = given(data, **effects, question=question, once=False)
    k = len(g.y)
    if formula is not None and x is not None:
        raise InputError("Give a formula or a design matrix x, not both.")
    frame = g.rows.frame
    if frame is None:
        import pandas as pd

        frame = pd.DataFrame(index=range(k))
    absent = [c for c in dict.fromkeys(grouping) if c not in frame]
    if absent:
        raise InputError(
            f"The random effects read {', '.join(map(repr, absent))}, which the data lack; give data= with those columns."
        )
    variables = () if formula is None else needed(formula, frame)
    given_as = {c: frame[c] for c in dict.fromkeys([*variables, *grouping])}
    spelled = {c: cells.one_spelling(x, c) for c, x in given_as.items()}
    if changed := {c: x for c, x in spelled.items() if x is not given_as[c]}:
        frame = frame.assign(**changed)
    holes = {c: cells.empty(x) for c, x in spelled.items()}
    if g.V is not None and np.isnan(g.V.data).any():
        # a missing covariance counts against a row only when its partner is otherwise in use
        known, empty = ~(np.isnan(g.y) | np.isnan(g.v)), g.V.tocoo()
        lost = np.isnan(empty.data) & known[empty.row] & known[empty.col]
        holes["V"] = np.isin(np.arange(k), empty.row[lost]) | np.isnan(g.v)
    block, columns = (None, ()) if x is None else _matrix(g, x, names)
    if block is not None:
        holes |= {name: np.isnan(block[:, j]) for j, name in enumerate(columns)}
    keep, notes = g.complete(holes, missing)
    if len(keep) == k:
        kept, part = g.labels, frame.reset_index(drop=True)
    else:
        kept, part = tuple(g.labels[i] for i in keep), frame.iloc[keep].reset_index(drop=True)
    if block is not None:
        design = designs.from_matrix(block[keep], columns, kept, keep.tolist())
    elif formula is not None:
        design = designs.from_formula(formula, part, variables, kept, keep.tolist())
    else:
        design = designs.Design(np.ones((len(keep), 1)), (designs.INTERCEPT,), None)
    check_rank(design, kept)
    V = g.v[keep] if g.V is None else g.V[keep][:, keep]
    details = tuple(g.details[i] for i in keep) if g.details else ()
    return Rows(g.y[keep], V, kept, part, keep + 1, design, g.question, notes, g.rows, g.lost(holes), details)


def _matrix(g: Given, x: Any, names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """A design matrix of all rows with the names of its columns."""
    block = g.rows.block(x, "x")
    return block, designs.column_names(block, x, names)


def user_weights(weights: Any, rows: Rows) -> Any:
    """Weights of the rows in use, (k,) or sparse (k, k), from those of all rows that were given."""
    total = rows.rows.total
    if isinstance(weights, str) or (hasattr(weights, "index") and np.ndim(weights) == 1):  # by name where both carry names
        column = rows.rows.column(weights, "weights", np.arange(total))
        problems: list[str] = []
        weights = cells.numbers(cells.column(column.values, column.shown), column.shown, None, problems)
        if problems:
            raise InputError(problems)
    try:
        found = weights.astype(float) if hasattr(weights, "tocsr") else np.asarray(weights, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"weights must hold numbers ({error}).") from error
    whole = rows.rows.cut
    if whole is not None and found.shape == whole[:1]:  # a weight for each row that the table was made from
        found = found[whole[1]]
    if found.shape not in ((total,), (total, total)):
        raise InputError(f"weights has shape {found.shape}; for {total} effects it must be ({total},) or ({total}, {total}).")
    keep = rows.numbers - 1
    if len(found.shape) == 1:
        faults: list[str] = []
        values = cells.numbers(found[keep], "weights", rows.labels, faults, "weight", keep.tolist(), cells.FILL)
        if faults:
            raise InputError(faults)
        return values
    cut = sparse(found)[keep][:, keep]
    if not np.isfinite(cut.data).all():
        raise InputError("weights holds values that are missing or infinite.")
    if abs(cut - cut.T).max() > 1e-8 * abs(cut).max():
        raise InputError("weights is not symmetric.")
    x = rows.design.x / np.linalg.norm(rows.design.x, axis=0)
    values = np.linalg.eigvalsh(x.T @ (cut @ x))
    if not values[0] > 1e-12 * values[-1]:
        raise InputError(
            "weights does not weigh enough: X'WX is not positive definite, so the coefficients are not determined."
        )
    return cut


def check_rank(design: designs.Design, labels: Sequence[str]) -> None:
    """Full column rank, or an error that names the columns which say the same."""
    x = design.x
    k, p = x.shape
    if k < p:
        raise designs.name_collinear([], design, labels)
    length = np.linalg.norm(x, axis=0)
    groups: list[list[int]] = []
    kept: list[int] = []
    for j in range(p):
        if length[j] == 0:
            groups.append([j])
            continue
        if kept:
            basis = x[:, kept] / length[kept]
            coef, *_ = np.linalg.lstsq(basis, x[:, j] / length[j], rcond=None)
            if np.linalg.norm(x[:, j] / length[j] - basis @ coef) < 1e-10:
                groups.append([j, *(kept[i] for i in np.flatnonzero(np.abs(coef) > 1e-8))])
                continue
        kept.append(j)
    if groups:
        raise designs.name_collinear(groups, design, labels)
