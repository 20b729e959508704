"""Random terms in words, ``"1 | trial/effect"`` or ``"outcome | trial"``, made into bases of the covariance matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import CovarianceStructure, choice
from vfmeta.frequentist.multivariate.structures import Structure
from vfmeta.kernels.stacks import Basis

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Term:
    """One random term: its name as written, grouping variable, levels in order, structure and basis."""

    name: str
    outer: str
    levels: tuple[str, ...]
    structure: Structure
    basis: Basis
    groups: int


@dataclass(frozen=True)
class Wish:
    """A random term as asked for, not yet met with data."""

    inner: tuple[str, ...]
    outer: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.inner, *self.outer)


def parse(random: str | Sequence[str] | None) -> list[Wish]:
    """Read the random terms; ``a/b`` opens into ``a`` and ``b`` within ``a``."""
    if random is not None and not isinstance(random, (str, list, tuple)):
        raise InputError(f'random={random!r} must be a text such as "1 | trial", or a list of them.')
    texts = [] if random is None else [random] if isinstance(random, str) else list(random)
    wishes = []
    for text in texts:
        parts = str(text).strip().removeprefix("~").split("|")
        if len(parts) != 2 or not all(p.strip() for p in parts):
            raise InputError(
                f'random term {text!r} is not understood; write "1 | trial", "1 | trial/effect" or "outcome | trial".'
            )
        inner = [_bare(p) for p in re.split(r"\+", parts[0])]
        outer = [_bare(p) for p in parts[1].split("/")]
        if inner == ["1"]:
            wishes += [Wish((), tuple(outer[: i + 1])) for i in range(len(outer))]
        elif len(outer) > 1:
            raise InputError(f"random term {text!r}: nesting (/) goes with intercepts only; write a term for each level.")
        else:
            wishes.append(Wish(tuple(x for x in inner if x != "1"), tuple(outer)))
    return wishes


def _bare(text: str) -> str:
    found = re.fullmatch(r"\s*(?:factor|C)\((.*)\)\s*", text)
    return (found.group(1) if found else text).strip()


def build(
    wishes: Sequence[Wish],
    structure: str | Sequence[str],
    data: pd.DataFrame,
    rows: np.ndarray,
    R: Mapping[str, Any] | None = None,
) -> list[Term]:
    """Terms met with data.

    Parameters
    ----------
    wishes : sequence of Wish
    structure : str or sequence of str
        One for all terms with an inner part, or one for each in turn.
    data : pandas.DataFrame
        Rows in use.
    rows : ndarray of int
        Row numbers before any were dropped, counted from 1, for messages.
    R : mapping, optional
        Known correlations of groups, from the grouping column of a random intercept.

    Raises
    ------
    InputError
        An unknown structure, or a time that is no number; row and column are named.
    """
    inside = [w for w in wishes if w.inner]
    if not isinstance(structure, (str, list, tuple)):
        choice("structure", structure, CovarianceStructure)
    kinds = [structure] * len(inside) if isinstance(structure, str) else list(structure)
    if len(kinds) != len(inside):
        raise InputError(
            f"structure names {len(kinds)} structures for {len(inside)} terms of the form inner | outer; give one each."
        )
    for kind in kinds:
        kind = choice("structure", kind, CovarianceStructure)
    known = {**R} if isinstance(R, Mapping) else {}
    if R is not None and not isinstance(R, Mapping):
        raise InputError('R must be a dict from a grouping column to its correlation matrix, such as {"species": frame}.')
    alone = {w.outer[0] for w in wishes if not w.inner and len(w.outer) == 1}
    if set(known) - alone:
        raise InputError(
            f"R is for {', '.join(map(repr, sorted(set(known) - alone)))}, but only a random intercept of one column can take "
            f"one: {', '.join(repr(f'1 | {a}') for a in sorted(alone)) or 'there is none here'}."
        )
    queue = iter(kinds)
    coded = {name: levels_of(data[name]) for name in dict.fromkeys(n for w in wishes for n in w.outer)}
    return [
        _one(w, next(queue) if w.inner else "intercept", coded, data, rows, None if w.inner else known.get("/".join(w.outer)))
        for w in wishes
    ]


def _one(
    wish: Wish, kind: str, coded: Mapping[str, tuple[np.ndarray, list]], data: pd.DataFrame, rows: np.ndarray, R: Any = None
) -> Term:
    outer = np.zeros(len(data), dtype=int)
    for depth, name in enumerate(wish.outer):
        codes, found = coded[name]
        outer = np.unique(outer * len(found) + codes, return_inverse=True)[1] if depth else codes
    groups = int(outer.max()) + 1
    where = "/".join(wish.outer)
    if kind == "intercept":
        shape = Structure(kind, 1, np.zeros(1), 1)
        relation = None if R is None else relation_of(R, where, found)
        basis = Basis(outer, np.zeros_like(outer), shape.pair_class(), 1, relation=relation)
        return Term(f"1 | {where}", where, ("intercept",), shape, basis, groups)
    name = f"{' + '.join(wish.inner)} | {where}"
    if kind in ("GEN", "GDIAG"):
        z = np.column_stack([np.ones(len(data)), *(_times(data[c], c, rows) for c in wish.inner)])
        shape = Structure(kind, z.shape[1], np.arange(float(z.shape[1])), z.shape[1])
        pairs = shape.pair_class()
        return Term(
            name,
            where,
            ("intercept", *wish.inner),
            shape,
            Basis(outer, np.zeros_like(outer), pairs, int(pairs.max()) + 1, z),
            groups,
        )
    if len(wish.inner) > 1:
        raise InputError(f'random term {name!r}: several inner variables are slopes; use structure "GEN" or "GDIAG".')
    column = data[wish.inner[0]]
    inner, found = levels_of(column)
    if kind == "CAR":
        times = np.unique(_times(column, wish.inner[0], rows))
        inner, found = np.searchsorted(times, _times(column, wish.inner[0], rows)), [f"{t:g}" for t in times]
    else:
        times = np.arange(float(len(found)))
    seen = np.unique(np.column_stack([outer, inner]), axis=0)[:, 0]
    shape = Structure(kind, len(found), times, int(np.bincount(seen).max()))
    pairs = shape.pair_class()
    return Term(name, where, tuple(map(str, found)), shape, Basis(outer, inner, pairs, int(pairs.max()) + 1), groups)


def levels_of(column: pd.Series) -> tuple[np.ndarray, list]:
    """Codes and levels in order: that of a categorical, else sorted (numbers by size, text without regard to case)."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        return used.cat.codes.to_numpy().astype(int), list(used.cat.categories)
    if column.dtype.kind in "iuf":
        numbers, codes = np.unique(column.to_numpy(), return_inverse=True)
        return codes, numbers.tolist()
    values = column.tolist()
    try:
        known = set(values)
    except TypeError as error:
        raise InputError(f"column {column.name} holds lists; a grouping column holds texts or numbers, one a row.") from error
    if all(isinstance(x, (int, float)) for x in known):
        order = sorted(known)
    else:
        order = sorted(known, key=lambda x: (str(x).casefold(), str(x)))
    place = {x: i for i, x in enumerate(order)}
    return np.array([place[x] for x in values], dtype=int), order


def _times(column: pd.Series, name: str, rows: np.ndarray) -> np.ndarray:
    import pandas as pd

    out = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(out))
    if len(bad):
        raise InputError(
            [f"row {rows[i]}, column {name!r}: {column.iloc[i]!r} is not a number; this structure needs one." for i in bad]
        )
    return out


def relation_of(R: Any, column: str, levels: Sequence[Any]) -> np.ndarray:
    """Known correlations of the groups of a random intercept, in the order of ``levels``.

    Parameters
    ----------
    R : data frame, or pair (matrix, names)
        Correlation matrix with the names of its groups.
    column : str
        The grouping column, for messages.
    levels : sequence
        Groups in the data.
    """
    names: list[Any]
    if hasattr(R, "columns") and hasattr(R, "index"):
        names, there = list(R.columns), [str(x) for x in R.index]
        if there != [str(x) for x in names]:
            raise InputError(f"R of {column!r}: rows and columns must name the same groups in the same order.")
        values: Any = R.to_numpy()
    elif isinstance(R, tuple) and len(R) == 2:
        values, names = R[0], list(R[1])
    else:
        raise InputError(f"R of {column!r} must be a data frame, or a pair of the matrix and the names of its groups.")
    try:
        matrix = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"R of {column!r} must hold numbers only.") from error
    place = {str(n): i for i, n in enumerate(names)}
    if matrix.shape != (len(names), len(names)) or len(place) != len(names):
        raise InputError(
            f"R of {column!r} has shape {matrix.shape} for {len(names)} names; names must be different, one a row."
        )
    absent = [str(x) for x in levels if str(x) not in place]
    if absent:
        raise InputError(f"R of {column!r} lacks the groups {', '.join(absent)} that the data have.")
    order = [place[str(x)] for x in levels]
    matrix = matrix[np.ix_(order, order)]
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12):
        raise InputError(f"R of {column!r} must be symmetric and finite.")
    if not np.allclose(np.diag(matrix), 1, rtol=0, atol=1e-8):
        raise InputError(
            f"R of {column!r} is no correlation matrix: its diagonal must be 1. Divide a covariance by its standard deviations."
        )
    matrix = (matrix + matrix.T) / 2
    if np.linalg.eigvalsh(matrix)[0] < -1e-8 * len(matrix):
        raise InputError(f"R of {column!r} has a negative eigenvalue: no variables can correlate like that.")
    return matrix
