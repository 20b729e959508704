"""Cells in: whatever holds one value a row becomes floats or labels, and every fault a sentence with its row and column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import REACH
from vfmeta.core.question import Question
from vfmeta.text.notes import MISSING, left_out_text

DROP = 'missing value; fill it in, remove the row, or pass missing="drop" to leave the row out with a warning.'
INFINITE = "the value is infinite; give a finite number or remove the row."
FILL = "missing value; fill it in or remove the row."
EMPTY = "There are no studies (k = 0): nothing can be pooled. Check the selection that made this table."
NOT_POSITIVE = {
    "variance": "the sampling variance is {:g}; it must be greater than 0. Check whether a standard error was lost or the "
    "study has no spread.",
    "error": "the standard error is {:g}; it must be greater than 0. Check whether it was lost or the study has no spread.",
    "size": "the size is {:g}; it must be greater than 0.",
    "weight": "{:g} is no weight; it must be finite and greater than 0.",
}


def check_question(question: Any) -> None:
    """A question, or none."""
    if question is not None and not isinstance(question, Question):
        raise InputError(f"question is {kind_of(question)}; it must be a vfmeta.Question.")


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, or what pandas and numpy put in its place."""
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    try:
        return bool(value != value)  # NaN of float, numpy and Decimal alike
    except (TypeError, ValueError, ArithmeticError):
        return False


_UNSEEN = "\u200b\u2060\ufeff"  # zero-width spaces, which `str.strip` leaves


def bare(text: str) -> str:
    """A text without the space around it, seen or not."""
    text = text.strip()
    return text if text.isascii() else text.strip(_UNSEEN + " \t\n\r\xa0").strip()


def empty(values: Any) -> np.ndarray:
    """Which cells of a column are empty, blank texts included: unknown is never a group."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return np.zeros(len(values), dtype=bool)
    if getattr(dtype, "kind", "O") in "fiub" and hasattr(values, "isna"):
        return np.asarray(values.isna())
    return np.array([is_missing(x) or (isinstance(x, str) and not bare(x)) for x in values], dtype=bool)


def one_spelling(values: Any, name: str) -> Any:
    """A column of labels as it is compared: texts without the space around them.

    Labels that differ in nothing else are one label, and a warning names them. Columns of numbers come back as they are.
    """
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if kind in "fiubmM" or hasattr(values, "codes"):
        return values
    categories = getattr(getattr(values, "cat", None), "categories", None)
    listed = values if categories is None else categories
    _refuse_mixed(listed, name)
    raw = {x for x in listed if isinstance(x, str)}
    spelled: dict[str, list[str]] = {}
    for x in sorted(raw):
        spelled.setdefault(bare(x), []).append(x)
    if all(x == bare(x) for x in raw):
        return values
    alike = [" and ".join(map(repr, xs)) for x, xs in spelled.items() if len(xs) > 1 and x]
    if alike:
        warn(f"column {name}: {'; '.join(alike)} differ only in the space around them and are taken as one label.")
    stripped = [bare(x) if isinstance(x, str) else x for x in values]
    if categories is not None:
        import pandas as pd

        order = list(dict.fromkeys(bare(x) if isinstance(x, str) else x for x in categories))
        return pd.Series(pd.Categorical(stripped, categories=order, ordered=values.cat.ordered), index=values.index)
    if not hasattr(values, "index") or not hasattr(values, "dtype"):
        return stripped
    import pandas as pd

    return pd.Series(stripped, index=values.index, dtype=object)


def _refuse_mixed(labels: Any, name: str) -> None:
    """Labels are texts or numbers, each one thing: a list is none, and a number is not the text that reads like it."""
    numbers: set[str] = set()
    texts: set[str] = set()
    for x in labels:
        if isinstance(x, (list, dict, set, np.ndarray)):
            raise InputError(f"column {name} holds lists; it must hold one text or number a row.")
        if isinstance(x, str):
            texts.add(bare(x))
        elif not is_missing(x):
            numbers.add(str(x))
    if both := sorted(numbers & texts):
        raise InputError(
            f"column {name} holds {both[0]} as a number in one row and as a text in another; make the column one of the two."
        )


def column(values: Any, name: str) -> Any:
    """Values as an array of numbers where they are one, else as a list of cells; one-dimensional."""
    if type(values) is np.ndarray and values.ndim == 1 and values.dtype.kind in "fiu":
        return values
    if isinstance(values, (str, bytes, dict, set, frozenset)) or not (
        hasattr(values, "__iter__") or hasattr(values, "__array__")
    ):
        raise InputError(f"{name} is {kind_of(values)}; it must be a one-dimensional list or array, one value a row.")
    if isinstance(values, np.ndarray) and isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), values.data.astype(object)
        values[mask] = None
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if kind and kind in "fiu" and hasattr(values, "to_numpy"):
        if isinstance(dtype, np.dtype):
            return values.to_numpy()
        if kind in "iu" and not values.isna().any():  # names stay whole numbers
            return values.to_numpy(dtype=f"{kind}8")
        try:  # nullable columns of a frame
            plain = values.to_numpy(dtype=float, na_value=math.nan)
        except TypeError:
            plain = np.asarray(values.to_numpy(), dtype=float)
        return plain
    if hasattr(values, "to_pylist"):
        return values.to_pylist()
    if not isinstance(values, (list, tuple)):
        try:
            shape = np.shape(values)
        except ValueError:
            shape = (0, 0)
        if len(shape) != 1:
            raise InputError(f"{name} has shape {shape}; it must be one-dimensional, one value a row.")
    found = list(values)
    if lists := [i for i, x in enumerate(found) if isinstance(x, (list, tuple, np.ndarray))]:
        raise InputError([f"{place(i, None, name)}{found[i]!r} is a list; a cell holds one value." for i in lists])
    return found


def place(i: int, labels: Sequence[str] | None, name: str, rows: Sequence[int] | None = None) -> str:
    """Where the cell of place ``i`` stands, in words; ``rows`` says which rows, from 0, where not all are there."""
    known = f" ({labels[i]})" if labels is not None else ""
    return f"row {(i if rows is None else rows[i]) + 1}{known}, column {name}: "


def numbers(
    values: Any,
    name: str,
    labels: Sequence[str] | None,
    problems: list[str],
    positive: str = "",
    rows: Sequence[int] | None = None,
    gap: str = "",
) -> np.ndarray:
    """Floats, NaN where a value is missing or at fault; faults are appended to ``problems``.

    Parameters
    ----------
    values : what `column` returned, of k cells
    name : str
        The user's own name of the column.
    labels : sequence of k names or None
    problems : list of str
    positive : str
        A key of `NOT_POSITIVE`, where 0 and less are faults.
    rows : sequence of k numbers, optional
        Places of the cells in what was given, from 0, where these are not all of them.
    gap : str
        What is said of an empty cell, where that is a fault already here.
    """

    def at(i: int) -> str:
        return place(i, labels, name, rows)

    power = 2 if positive in ("variance", "weight") else 1  # variances reach as far as their roots do
    if isinstance(values, np.ndarray):
        out = values.astype(float)
        if len(out) and np.abs(out).max() <= REACH**power and (not positive or out.min() >= REACH**-power):
            return out  # nothing to find fault with, nor empty, as NaN compares to nothing
        empty = np.flatnonzero(np.isnan(out)).tolist()
        problems += [at(i) + INFINITE for i in np.flatnonzero(np.isinf(out)).tolist()]
        out[np.isinf(out)] = np.nan
    else:
        out, empty = np.full(len(values), np.nan), []
        for i, value in enumerate(values):
            if is_missing(value):
                empty.append(i)
                continue
            if isinstance(value, (str, bytes)):
                bound = isinstance(value, str) and value.strip()[:1] in tuple("<>≤≥")
                why = (
                    "a bound, not a number; give the exact figure, or leave the cell empty"
                    if bound
                    else ("text, not a number; convert the column to numbers")
                )
                problems.append(f"{at(i)}{value!r} is {why}.")
                continue
            number = _float(value)
            if math.isnan(number):
                problems.append(f"{at(i)}{value!r} is not a number; give a real number.")
            elif math.isinf(number):
                problems.append(at(i) + INFINITE)
            else:
                out[i] = number
    if gap:
        problems += [at(i) + gap for i in empty]
    far = np.flatnonzero(np.abs(out) > REACH**power)
    problems += [
        f"{at(i)}{out[i]:g} is too large to compute with (at most {REACH**power:g}); choose a larger unit."
        for i in far.tolist()
    ]
    if positive:
        near = np.flatnonzero((out > 0) & (out < REACH**-power))
        problems += [
            f"{at(i)}{out[i]:g} is too small to compute with (at least {REACH**-power:g}); choose a smaller unit."
            for i in near.tolist()
        ]
        out[near] = np.nan
    out[far] = np.nan
    if positive:
        low = np.flatnonzero(out <= 0)
        problems += [at(i) + NOT_POSITIVE[positive].format(out[i]) for i in low.tolist()]
        out[low] = np.nan
    return out


def span(y: np.ndarray, v: np.ndarray) -> str:
    """What is wrong where the numbers of one data set lie too far apart to be weighed against each other, else ""."""
    least = float(v.min())
    if v.max() <= least * REACH and y.max() - y.min() <= math.sqrt(least) * REACH**0.5:
        return ""
    return (
        "the effects and variances span more orders of magnitude than double precision holds (the smallest variance is "
        f"{least:g}, the largest {v.max():g}, the effects lie up to {np.ptp(y):g} apart); check the smallest variance, or "
        "leave that row out"
    )


def _float(value: Any) -> float:
    """A number as a float, NaN for what is none: dates count seconds and complex numbers lose a part."""
    if isinstance(value, (bool, np.bool_, complex, np.complexfloating, np.datetime64, np.timedelta64)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def gaps(columns: dict[str, np.ndarray], labels: Sequence[str] | None, problems: list[str], say: str = DROP) -> None:
    """A sentence for every empty cell; ``columns`` says by name which are, and cells already at fault are passed over."""
    where = np.flatnonzero(np.any(list(columns.values()), axis=0)).tolist()
    known = [(p.partition(": ")[0]) for p in problems]
    for i in where:
        for name, empty in columns.items():
            if empty[i]:
                at = place(i, labels, name)
                if at[:-2] not in known:
                    problems.append(at + say)


def refuse_empty(table: Any) -> None:
    """An error where an effect table has no study, with why each was left out."""
    if not len(table.labels):
        left = table.left_out
        raise InputError(f"Every study was left out: {left_out_text(left)}; nothing is left to pool." if left else EMPTY)


def left_out(columns: dict[str, np.ndarray], labels: Sequence[str]) -> str:
    """What is said of rows that are left out for the cells that are empty; an error where that is all rows."""
    gone = np.any(list(columns.values()), axis=0)
    left = ", ".join(
        f"{labels[i]} ({'' if labels[i] == f'row {i + 1}' else f'row {i + 1}: '}"
        f"{', '.join(name for name, is_gap in columns.items() if is_gap[i])})"
        for i in np.flatnonzero(gone).tolist()
    )
    if gone.all():
        raise InputError(f"Every row has a missing value ({left}); nothing is left to pool.")
    return f"{MISSING} a value is missing: {left}."


def lost(columns: Mapping[str, np.ndarray], labels: Sequence[str]) -> tuple[LeftOut, ...]:
    """The rows that are left out for the cells that are empty."""
    return tuple(
        LeftOut(
            study_id=labels[i], label=labels[i],
            reason="missing value of " + ", ".join(name for name, is_gap in columns.items() if is_gap[i]),
        )
        for i in np.flatnonzero(np.any(list(columns.values()), axis=0)).tolist()
    )  # fmt: skip


def names(
    values: Any, k: int, *, shown: str = "study", noun: str = "study", once: bool = True, problems: list[str] | None = None
) -> tuple[str, ...]:
    """Labels of k rows: as given, or numbered where none are; an empty one is a fault, and a repeated one where ``once``."""
    if values is None:
        return tuple(f"{noun} {i + 1}" for i in range(k))
    if isinstance(values, str):
        raise InputError(f"{shown} is one text; it must be a sequence of names, one a row.")
    if not once:  # the same name in several rows is one thing
        values = one_spelling(values, shown)
    whole = isinstance(values, np.ndarray) and values.dtype.kind in "iu"
    found = values.tolist() if whole else list(values)
    if len(found) != k:
        raise InputError(f"{shown} has {len(found)} names for {k} rows; give one a row.")
    read = tuple(map(str, found)) if whole else tuple(label(x) for x in found)
    faults = [f"row {i + 1}, column {shown}: empty name; say which {noun} it is." for i, x in enumerate(read) if not x]
    if once:
        where: dict[str, list[int]] = {}
        for i, x in enumerate(read):
            where.setdefault(x, []).append(i + 1)
        faults += [
            f"rows {' and '.join(map(str, rows))}, column {shown}: the name {x!r} stands more than once; one study may enter "
            "once, so remove the duplicate or tell the rows apart by name."
            for x, rows in where.items()
            if x and len(rows) > 1
        ]
    if problems is not None:
        problems += faults
    elif faults:
        raise InputError(faults)
    return read


def label(value: Any) -> str:
    """A cell as a name, without space around it; empty where it is missing."""
    if isinstance(value, str):
        return bare(value)
    return "" if is_missing(value) else str(value).strip()
