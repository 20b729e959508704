"""Dependent effects in: an effect table or arrays become checked rows, or one error that lists every fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.kernels.dependent import diagonal, sparse

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
    total: int

    @property
    def v(self) -> np.ndarray:
        """Sampling variances, shape (k,)."""
        return diagonal(self.V)


def read(
    effects: Any,
    y: Any,
    v: Any,
    V: Any,
    data: Any,
    labels: Sequence[Any] | None,
    formula: str | None,
    x: Any,
    names: Sequence[str] | None,
    grouping: Sequence[str],
    question: Question | None,
    missing: str,
) -> Rows:
    """Check what a multivariate model was given; ``grouping`` are the columns its random terms read."""
    missing = choice("missing", missing, Missing)
    if effects is not None:
        if not (hasattr(effects, "y") and hasattr(effects, "v") and hasattr(effects, "labels")):
            raise InputError(
                f"The first argument is a {type(effects).__name__}, not an effect table; pass arrays by name: y=..., v=...."
            )
        if y is not None or v is not None or labels is not None:
            raise InputError("Both an effect table and raw arrays (y, v, labels) were given; give one of the two.")
        y, labels = effects.y, effects.labels
        V = known_vcov(effects) if V is None else V
        v = effects.v if V is None else None
        data = effects.frame if data is None else data
        question = question or getattr(effects, "question", None)
    if y is None or (v is None) == (V is None):
        raise InputError(
            "Give y= (effects) and one of v= (sampling variances) or V= (their covariance matrix), or an effect table."
        )
    problems: list[str] = []
    ys = floats(y, "y", problems)
    k = len(ys)
    if k == 0:
        raise InputError("There are no effects (k = 0): nothing can be fitted. Check the selection that made this table.")
    names_of = [f"effect {i + 1}" for i in range(k)] if labels is None else [str(s) for s in labels]
    if len(names_of) != k:
        raise InputError(f"There are {len(names_of)} labels for {k} effects; give one per effect.")
    if V is not None and np.ndim(V) == 1:
        v, V = V, None
    cov: Any
    if V is None:
        cov = floats(v, "v", problems)
        if len(cov) != k:
            raise InputError(f"y has {k} values and v has {len(cov)}; they must be of one length, a row per effect.")
        variances = cov
    else:
        cov = _matrix(V, k)
        variances = diagonal(cov)
    problems += [
        f"row {i + 1} ({names_of[i]}), column v: the sampling variance is {variances[i]:g}; it must be above 0 and finite."
        for i in np.flatnonzero((variances <= 0) | np.isinf(variances))
    ]
    problems += [
        f"row {i + 1} ({names_of[i]}), column y: the value is infinite; correct or remove it."
        for i in np.flatnonzero(np.isinf(ys))
    ]
    if problems:
        raise InputError(problems)

    if formula is not None and x is not None:
        raise InputError("Give a formula or a design matrix x, not both.")
    frame, variables = (designs.frame_of(data, k), ()) if formula is None else designs.needed(formula, data, k)
    absent = [c for c in dict.fromkeys(grouping) if c not in frame]
    if absent:
        raise InputError(
            f"The random effects read {', '.join(map(repr, absent))}, which the data lack; give data= with those columns."
        )
    holes = {"y": np.isnan(ys), "v": np.isnan(variances)}
    holes |= {c: frame[c].isna().to_numpy() for c in [*variables, *dict.fromkeys(grouping)]}
    if V is not None and np.isnan(cov.data).any():
        # a missing covariance counts against a row only when its partner is otherwise in use
        known, empty = ~(holes["y"] | holes["v"]), cov.tocoo()
        lost = np.isnan(empty.data) & known[empty.row] & known[empty.col]
        holes["V"] = np.isin(np.arange(k), empty.row[lost])
    gone = np.any(list(holes.values()), axis=0)
    if missing == "raise" and gone.any():
        raise InputError([
            f'row {i + 1} ({names_of[i]}), column {c}: missing value; fill it in, remove the row, or pass missing="drop".'
            for i in np.flatnonzero(gone) for c, mask in holes.items() if mask[i]
        ])  # fmt: skip
    keep = np.flatnonzero(~gone)
    notes: tuple[str, ...] = ()
    if gone.any():
        if not len(keep):
            raise InputError("Every row has a missing value; nothing is left to fit.")
        notes = (f"Left out for missing values: {', '.join(f'{names_of[i]} (row {i + 1})' for i in np.flatnonzero(gone))}.",)
    kept = tuple(names_of[i] for i in keep)
    part = frame.iloc[keep].reset_index(drop=True) if gone.any() else frame
    if x is not None:
        design = _given_design(x, names, k, keep, names_of)
    elif formula is not None:
        design = designs.from_formula(formula, part, variables, kept)
    else:
        design = designs.Design(np.ones((len(keep), 1)), (designs.INTERCEPT,), None)
    check_rank(design, kept)
    V_kept = cov[keep] if cov.ndim == 1 else cov[keep][:, keep]
    return Rows(ys[keep], V_kept, kept, part, keep + 1, design, question or Question(), notes, k)


def known_vcov(effects: Any) -> np.ndarray | None:
    """The covariance matrix of an effect table, None where it has none.

    Raises
    ------
    InputError
        The table knows that effects share patients, but not how they correlate.
    """
    V = getattr(effects, "vcov", None)
    if V is not None and np.isnan(V).any() and not np.isnan(effects.v).any():
        raise InputError(
            "Effects of one cohort at several times or of several outcomes correlate, and nothing says how: give the table as "
            "table.correlated(phi=..., rho=...), or V=."
        )
    return None if V is None else np.asarray(V)


def user_weights(W: Any, rows: Rows) -> Any:
    """Weights of the rows in use, (k,) or sparse (k, k), from those of all rows that were given."""
    total = rows.total
    try:
        found = W.astype(float) if hasattr(W, "tocsr") else np.asarray(W, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"W must hold numbers ({error}).") from error
    if found.shape not in ((total,), (total, total)):
        raise InputError(f"W has shape {found.shape}; for {total} effects it must be ({total},) or ({total}, {total}).")
    keep = rows.numbers - 1
    if len(found.shape) == 1:
        bad = [i for i in keep.tolist() if not (math.isfinite(found[i]) and found[i] > 0)]
        if bad:
            raise InputError(
                [f"row {i + 1}, column W: {found[i]} is not a weight; it must be finite and greater than 0." for i in bad]
            )
        return found[keep]
    cut = sparse(found)[keep][:, keep]
    if not np.isfinite(cut.data).all():
        raise InputError("W holds values that are missing or infinite.")
    if abs(cut - cut.T).max() > 1e-8 * abs(cut).max():
        raise InputError("W is not symmetric.")
    x = rows.design.x / np.linalg.norm(rows.design.x, axis=0)
    values = np.linalg.eigvalsh(x.T @ (cut @ x))
    if not values[0] > 1e-12 * values[-1]:
        raise InputError("W does not weigh enough: X'WX is not positive definite, so the coefficients are not determined.")
    return cut


def _given_design(x: Any, names: Sequence[str] | None, k: int, keep: np.ndarray, labels: Sequence[str]) -> designs.Design:
    """A design given as a matrix (k, p) or a column (k,), with the rows in use."""
    try:
        whole = np.asarray(x, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("x must hold numbers only; use a formula for text columns.") from error
    whole = whole[:, None] if whole.ndim == 1 else whole
    if whole.ndim != 2 or len(whole) != k:
        raise InputError(f"x has shape {np.shape(x)}; for {k} effects it must be ({k}, p), one column per coefficient.")
    if names is None:
        names = [str(c) for c in x.columns] if hasattr(x, "columns") else [f"x{j + 1}" for j in range(whole.shape[1])]
    if len(names) != whole.shape[1] or len(set(names)) != len(names):
        raise InputError(f"names must be {whole.shape[1]} different texts, one per column of x.")
    bad = [(i, j) for i in keep.tolist() for j in np.flatnonzero(~np.isfinite(whole[i])).tolist()]
    if bad:
        raise InputError(
            [f"row {i + 1} ({labels[i]}), column {names[j]}: {whole[i, j]} is not a finite number; correct it." for i, j in bad]
        )
    return designs.Design(whole[keep], tuple(names), None)


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


def floats(values: Any, name: str, problems: list[str]) -> np.ndarray:
    """A column as floats, NaN where missing; what is no number is added to ``problems``."""
    if isinstance(values, (str, bytes, dict, set)) or np.ndim(values) != 1:
        raise InputError(f"{name} must be one-dimensional, one number per effect.")
    if getattr(values, "dtype", None) is not None and getattr(values.dtype, "kind", "") in "fiu":
        return np.array(values, dtype=float)
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            continue
        try:
            number = float(value) if not isinstance(value, (str, bytes, bool, np.bool_)) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if math.isnan(number) and not isinstance(value, (float, np.floating)):
            problems.append(f"row {i + 1}, column {name}: {value!r} is not a number; correct it.")
        out[i] = number
    return out


def _matrix(V: Any, k: int) -> Any:
    """A covariance matrix, dense or sparse, as sparse; a missing entry stays as NaN."""
    try:
        cov = sparse(V.astype(float) if hasattr(V, "tocsr") else np.asarray(V, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(f"V must be a matrix of numbers ({error}).") from error
    if cov.shape != (k, k):
        raise InputError(f"V has shape {cov.shape}; for {k} effects it must be ({k}, {k}).")
    entries = cov.tocoo()
    endless = np.flatnonzero(np.isinf(entries.data) & (entries.row != entries.col))
    if len(endless):  # an infinite variance is named with the other variances
        i, j = entries.row[endless[0]], entries.col[endless[0]]
        raise InputError(f"V is infinite in row {i + 1}, column {j + 1}; correct it.")
    cov.sort_indices()
    turned = cov.T.tocsr()
    turned.sort_indices()
    if np.array_equal(cov.indices, turned.indices) and np.array_equal(cov.data, turned.data, equal_nan=True):
        return cov
    whole = cov.toarray()
    apart = np.argwhere(~np.isclose(whole, whole.T, rtol=1e-8, atol=1e-300, equal_nan=True))
    if len(apart):
        i, j = apart[0]
        raise InputError(
            f"V is not symmetric: row {i + 1}, column {j + 1} is {whole[i, j]:g} and the other way round {whole[j, i]:g}."
        )
    return sparse((whole + whole.T) / 2)
