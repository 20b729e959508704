"""The covariance matrix of effects, as given: read, checked, and matched to its effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError


def read_matrix(V: Any, k: int, labels: Sequence[str], problems: list[str], named: bool = True) -> Any:
    """A covariance matrix, dense or sparse, as sparse (k, k); a missing entry stays as NaN, what is wrong is a problem."""
    from vfmeta.kernels.stacks import sparse  # here and below: effects of different patients do not need it

    if hasattr(V, "index") and hasattr(V, "columns"):
        V = _by_name(V, labels, named)
    try:
        cov = sparse(V.astype(float) if hasattr(V, "tocsr") else np.asarray(V, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(f"V must be a matrix of numbers ({error}).") from error
    if cov.shape != (k, k):
        raise InputError(f"V has shape {cov.shape}; for {k} effects it must be ({k}, {k}).")
    entries = cov.tocoo()
    for e in np.flatnonzero(np.isinf(entries.data) & (entries.row <= entries.col)):
        i, j = entries.row[e], entries.col[e]
        problems.append(f"V is infinite in row {i + 1} ({labels[i]}), column {j + 1}; correct it.")
    cov.sort_indices()
    turned = cov.T.tocsr()
    turned.sort_indices()
    if np.array_equal(cov.indices, turned.indices) and np.array_equal(cov.data, turned.data, equal_nan=True):
        return cov
    whole = cov.toarray()
    apart = np.argwhere(np.triu(~np.isclose(whole, whole.T, rtol=1e-8, atol=1e-300, equal_nan=True)))
    problems += [
        f"V is not symmetric: row {i + 1}, column {j + 1} is {whole[i, j]:g} and the other way round {whole[j, i]:g}."
        for i, j in apart.tolist()
    ]
    return sparse((whole + whole.T) / 2)


def _by_name(V: Any, labels: Sequence[str], named: bool) -> Any:
    """A data frame of covariances in the order of the effects: matched by name where both carry names, told apart."""
    from vfmeta.effects.columns import names_rows

    if not names_rows(V.index) or len(set(labels)) != len(labels):
        return V.to_numpy()
    rows, columns = [str(x) for x in V.index], [str(x) for x in V.columns]
    if set(rows) == set(columns) == set(labels) and len(rows) == len(labels):
        return V.to_numpy()[np.ix_([rows.index(x) for x in labels], [columns.index(x) for x in labels])]
    if not named:
        return V.to_numpy()
    strange = [x for x in dict.fromkeys([*rows, *columns]) if x not in set(labels)]
    lacking = [x for x in labels if x not in set(rows) or x not in set(columns)]
    raise InputError(
        f"The rows and columns of V are not the studies: without a row or column are {', '.join(lacking) or 'none'}, and "
        f"unknown are {', '.join(strange) or 'none'}. V is matched by name; V.to_numpy() is matched by position."
    )


def check_diagonal(cov: Any, v: np.ndarray, shown: str, labels: Sequence[str], problems: list[str]) -> None:
    """The variances of the matrix are those given beside it."""
    own = cov.diagonal()
    problems += [
        f"row {i + 1} ({labels[i]}): V has {own[i]:g} on its diagonal and {shown} says {v[i]:g}; give one of the two, or make "
        "them agree."
        for i in np.flatnonzero(np.abs(own - v) > 1e-6 * np.abs(v)).tolist()
    ]


def positive_definite(V: Any, labels: Sequence[str], numbers: np.ndarray) -> None:
    """Check V block by block; the error names the rows of every block that is not positive definite."""
    if V.ndim == 1:
        return
    from vfmeta.kernels.stacks import stack_blocks

    k = V.shape[0]
    problems = []
    for s in stack_blocks(np.zeros(k), np.zeros((k, 1)), V, ()):
        try:
            np.linalg.cholesky(s.V)
        except np.linalg.LinAlgError:
            for rows, size, block in zip(s.rows, s.sizes, s.V, strict=True):
                if np.linalg.eigvalsh(block)[0] <= 1e-14 * np.trace(block):
                    where = ", ".join(f"{numbers[i]} ({labels[i]})" for i in rows[:size])
                    problems.append(
                        f"The sampling covariance of rows {where} is not positive definite: a correlation beyond its range, or "
                        "a contrast that follows from the others (then leave it out)."
                    )
            if not problems:
                raise
    if problems:
        raise InputError(problems)


def known(table: Any) -> np.ndarray | None:
    """The covariance matrix of an effect table, None where it has none.

    Raises
    ------
    InputError
        The table knows that effects share patients, but not how they correlate.
    """
    V = getattr(table, "vcov", None)
    if V is not None and np.isnan(V).any() and not np.isnan(table.v).any():
        raise InputError(
            "Effects of one cohort at several times or of several outcomes correlate, and nothing says how: give the table as "
            "table.correlated(phi=..., rho=...), or V=."
        )
    return None if V is None else np.asarray(V)


def refuse_shared(V: Any, k: int, keep: np.ndarray) -> None:
    """A univariate pool takes effects of different patients only."""
    if V is None:
        return
    block = V.toarray() if hasattr(V, "toarray") else np.asarray(V, dtype=float)
    if block.shape != (k, k):
        raise InputError(f"V has shape {block.shape}; for {k} effects it must be ({k}, {k}).")
    block = block[np.ix_(keep, keep)]
    if np.any(block[~np.eye(len(keep), dtype=bool)] != 0):
        raise InputError(
            "Some effects share patients (V has entries off its diagonal); a univariate pool would count them twice. "
            "Choose one effect per cohort, split or combine the shared arm, or use a multivariate model."
        )
