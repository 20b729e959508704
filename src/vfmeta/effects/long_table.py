"""A long table of many meta-analyses: its numbers, checked, and where each meta-analysis stands in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import REACH
from vfmeta.effects import cells
from vfmeta.effects.columns import absent, as_frame, refuse_clash, with_groups

if TYPE_CHECKING:
    import pandas as pd

LISTED = 20  # faults of one table that are spelled out


@dataclass(frozen=True)
class LongTable:
    """``frame``: the rows that stay; ``columns``: their numbers by role, (N,).

    ``order[start[b]:start[b + 1]]`` are the rows of meta-analysis ``b``, in order of first appearance (an ``order`` of None:
    as they stand), and ``heads[b]`` is the first of them.
    """

    frame: pd.DataFrame
    columns: dict[str, np.ndarray]
    order: np.ndarray | None
    start: np.ndarray
    heads: np.ndarray

    def named(self, keys: Sequence[Any], which: np.ndarray) -> str:
        """The meta-analyses at ``which``, a boolean each, as a sentence names them: ``question = a, b``."""
        rows = [self.frame[keys].iloc[self.heads[i]].tolist() for i in np.flatnonzero(which)[:LISTED].tolist()]
        said = ", ".join(str(row[0]) if len(row) == 1 else f"({', '.join(map(str, row))})" for row in rows)
        return f"{', '.join(map(str, keys))} = {said}" + (" and others" if which.sum() > LISTED else "")

    def headed(self, keys: Sequence[Any], table: dict[str, Any]) -> pd.DataFrame:
        """A table with a row a meta-analysis, behind the columns that name them."""
        import pandas as pd

        refuse_clash(keys, table)
        return pd.DataFrame({key: self.frame[key].take(self.heads).to_numpy() for key in keys} | table)


def keys_of(by: str | Sequence[str]) -> list[Any]:
    """The columns that ``by`` names."""
    return list(by) if isinstance(by, (list, tuple)) else [by]


def refuse_faults(problems: Sequence[str]) -> None:
    """An error with the first of many faults, and how many more there are."""
    if problems:
        more = [f"... and {len(problems) - LISTED} more."] if len(problems) > LISTED else []
        raise InputError([*problems[:LISTED], *more])


def refuse_unnamed(frame: pd.DataFrame, keys: Sequence[Any], also: Sequence[Any], what: str) -> None:
    """An error where the columns that tell ``what`` apart, or others that are asked for, are not there."""
    if lost := absent(frame, (*keys, *also)):
        named = ", ".join(repr(c)[:80] for c in lost)
        raise InputError(f"The table has no column {named}; its columns are {list(map(str, frame.columns))}.")
    if not keys:
        raise InputError(f"by= names no column; name one, or several, that tell the {what} apart.")


def read_long(data: Any, keys: list[str], names: dict[str, str], missing: str, also: Sequence[str] = ()) -> LongTable:
    """Check a table of one row a study.

    Parameters
    ----------
    data : data frame, or what `as_frame` makes one of
    keys : list of str
        Columns that tell the meta-analyses apart.
    names : dict of str to str
        Columns of numbers by role: ``y`` any, other roles above 0.
    missing : {"raise", "drop"}
    also : sequence of str
        Further columns that must be there.

    Raises
    ------
    InputError
        A column that is not there, no row, or every faulty cell with its row (counted from 1) and column.
    """
    data = as_frame(data)
    refuse_unnamed(data, keys, (*names.values(), *also), "meta-analyses")
    if data.empty:
        raise InputError("The table has no rows: nothing can be pooled. Check the selection that made it.")
    if missing == "drop":
        data = _with_groups_known(data, keys)
    keep, columns = _numbers(data, names, missing)
    if keep is not None:
        data = data.iloc[keep]
    data = with_groups(data, keys)
    order, start, heads = _groups(data, keys)
    _refuse_span(data, keys, columns["y"], columns["v"], order, start, heads)
    return LongTable(data, columns, order, start, heads)


def _with_groups_known(data: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The rows that say which meta-analysis they belong to; a warning names the others."""
    gone = np.any([cells.empty(data[key]) for key in keys], axis=0)
    if not gone.any():
        return data
    if gone.all():
        raise InputError("No row says which meta-analysis it belongs to; nothing is left to pool.")
    rows = np.flatnonzero(gone) + 1
    listed = ", ".join(map(str, rows[:LISTED].tolist())) + (" and others" if len(rows) > LISTED else "")
    warn(f"Left out because {' or '.join(map(str, keys))} is missing: row {listed}.")
    return data[~gone]


def _refuse_span(
    frame: pd.DataFrame, keys: list[str], y: np.ndarray, v: np.ndarray, order: np.ndarray | None, start: np.ndarray,
    heads: np.ndarray,
) -> None:  # fmt: skip
    if not cells.span(y, v):  # then no group spans more
        return
    problems = []
    for low, high, head in zip(start[:-1].tolist(), start[1:].tolist(), heads.tolist(), strict=True):
        rows = slice(low, high) if order is None else order[low:high]
        if fault := cells.span(y[rows], v[rows]):
            problems.append(f"{', '.join(f'{c} = {frame[c].iloc[head]}' for c in keys)}: {fault}.")
    refuse_faults(problems)


def _groups(frame: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Rows in order of their groups (None: as they stand), where each group begins, and the first row of each group."""
    import pandas as pd

    codes = None
    if len(keys) == 1 and isinstance(frame[keys[0]].dtype, np.dtype) and frame[keys[0]].dtype.kind in "iuf":
        key = frame[keys[0]].to_numpy()
        start = np.concatenate([[0], np.flatnonzero(key[1:] != key[:-1]) + 1, [len(key)]])
        firsts = key[start[:-1]]
        if (firsts[1:] > firsts[:-1]).all() or len(pd.unique(firsts)) == len(firsts):  # every group already stands together
            return None, start, start[:-1]
    if len(keys) == 1:
        codes = pd.factorize(frame[keys[0]])[0]
    else:
        codes = frame.groupby(keys, sort=False, observed=True).ngroup().to_numpy()
    start = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    if np.all(codes[1:] >= codes[:-1]):
        return None, start, start[:-1]
    order = np.argsort(codes, kind="stable")
    return order.astype(np.int64, copy=False), start, order[start[:-1]]


def _numbers(frame: pd.DataFrame, names: dict[str, str], missing: str) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Rows that stay (None: all) and their numbers; every fault is one line of the error."""
    problems: list[str] = []
    out: dict[str, np.ndarray] = {}
    gaps: Any = np.False_
    for role, name in names.items():
        column = frame[name]
        try:
            if column.dtype.kind in "bcO":  # cells of any kind: text that reads like a number is none, as everywhere
                raise TypeError
            values = column.to_numpy() if column.dtype == float else column.to_numpy(dtype=float, na_value=math.nan)
        except (TypeError, ValueError, OverflowError):
            faulty = len(problems)
            values = cells.numbers(cells.column(column, name), name, None, problems)
            if len(problems) > faulty:
                continue
        out[role] = values
        least, most = values.min(), values.max()
        low, high = (-REACH, REACH) if role == "y" else (REACH**-2, REACH**2)
        if low <= least and most <= high:  # NaN is not
            continue
        gaps = gaps | np.isnan(values)
        problems += [
            f"row {i + 1}, column {name}: the value is infinite; give a finite number or remove the row."
            for i in np.flatnonzero(np.isinf(values))
        ]
        problems += [
            f"row {i + 1}, column {name}: {values[i]:g} is beyond what can be computed with; choose another unit."
            for i in np.flatnonzero(np.isfinite(values) & ((values > high) | ((values < low) & ((values > 0) | (role == "y")))))
        ]
        if role != "y" and (none := values <= 0).any():
            what = "sampling variance" if role == "v" else "weight"
            problems += [
                f"row {i + 1}, column {name}: the {what} is {values[i]:g}; it must be greater than 0."
                for i in np.flatnonzero(none)
            ]
    if missing == "raise" and gaps.any():
        problems += [
            f'row {i + 1}, column {name}: missing value; fill it in, remove the row, or pass missing="drop".'
            for i in np.flatnonzero(gaps)
            for role, name in names.items()
            if role in out and np.isnan(out[role][i])
        ]
    refuse_faults(problems)
    if not gaps.any():
        return None, out
    keep = np.flatnonzero(~gaps)
    if not len(keep):
        raise InputError("Every row has a missing value; nothing is left to pool.")
    first = np.flatnonzero(gaps)[0] + 1
    warn(f"Left out because a value is missing: {gaps.sum()} of {len(frame)} rows (row {first} the first).")
    return keep, {role: values[keep] for role, values in out.items()}
