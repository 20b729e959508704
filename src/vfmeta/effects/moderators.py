"""Moderators: which columns of the data a formula reads, and whether each makes a slope or groups."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError

if TYPE_CHECKING:
    import pandas as pd


def needed(formula: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """The names of the columns that the formula reads."""
    from formulaic import Formula  # type: ignore[import-untyped, unused-ignore]

    try:
        read = {str(v) for v in Formula(right_side(formula)).required_variables}
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"The formula {formula!r} cannot be read: {first_line(error)}") from error
    # formulaic does not look into calls such as bs(dose, df=4): every name that is a column counts as read
    read |= {n for n in re.findall(r"(?<![\w.])[^\W\d]\w*(?!\w*\s*\()", right_side(formula)) if n in frame}
    # and takes what stands before a dot, in backticks too, for the name
    quoted = set(re.findall(r"`([^`]+)`", formula))
    read = quoted | (read - {n.split(".")[0] for n in quoted if "." in n and n.split(".")[0] not in frame})
    variables = sorted(read)
    absent = [v for v in variables if v not in frame]
    if absent:
        dotted = [c for c in map(str, frame.columns) if "." in c and c not in quoted and c.split(".")[0] in absent]
        hint = f" Write {', '.join(f'`{c}`' for c in dotted)}, with the backticks." if dotted else ""
        raise InputError(
            f"The formula {formula!r} reads {', '.join(absent)}, which the data do not have; their columns are "
            f"{', '.join(map(str, frame.columns)) or 'none'}.{hint}"
        )
    twice = [v for v in variables if (frame.columns == v).sum() > 1]
    if twice:
        raise InputError(f"The data have the column {', '.join(map(repr, twice))} twice; rename one of them.")
    return tuple(variables)


def right_side(formula: str) -> str:
    """The formula as formulaic reads it: its right side, with R's power sign inside I() as Python's."""
    if not isinstance(formula, str) or not formula.strip():
        raise InputError('formula must be a text such as "~ dose + blinding".')
    if "~" in formula and formula.split("~", 1)[0].strip():
        raise InputError(f"The formula {formula!r} has a left side; write only what is to the right, as '~ dose + blinding'.")
    text, out, i = formula.split("~", 1)[-1].strip(), [], 0
    while i < len(text):
        if re.match(r"(?<![\w.])I\(", text[i:]) and (i == 0 or not (text[i - 1].isalnum() or text[i - 1] in "_.")):
            end = _closing(text, i + 1)
            out.append(text[i:end].replace("^", "**"))
            i = end
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def _closing(text: str, start: int) -> int:
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return len(text)


def labelled(formula: str) -> set[str]:
    """The columns that a formula says are groups, as ``C(column)``."""
    return {a or b for a, b in re.findall(r"(?<![\w.])C\(\s*(?:`([^`]+)`|(\w+))", formula)}


def levelled(frame: pd.DataFrame, known: dict[str, tuple[Any, ...]], groups: Iterable[str]) -> dict[str, list[Any]]:
    """Make factors of the columns that are no numbers, in place; the levels of each, in order.

    Dates are neither, and numbers written as text are a factor only where the formula says so (``groups``).
    """
    import pandas as pd

    found: dict[str, list[Any]] = {}
    for name in frame.columns:
        column = frame[name]
        if getattr(column.dtype, "kind", "") == "c":
            raise InputError(f"column {name} holds complex numbers; a moderator holds real ones.")
        if name in known:
            frame[name] = pd.Categorical(column, categories=list(known[name]))
        elif isinstance(column.dtype, pd.CategoricalDtype):
            frame[name] = column.cat.remove_unused_categories()
        elif pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            converted = None if pd.api.types.is_bool_dtype(column) else _as_numbers(column)
            if converted is not None:
                frame[name] = converted
                continue
            _refuse_dates(column, name)
            if name not in groups and all(_reads_as_number(x) for x in column):
                shown = ", ".join(map(repr, dict.fromkeys(column.tolist()[:3])))
                raise InputError(
                    f"column {name} holds numbers as text ({shown}); convert it to numbers for a slope, or write C({name}) for "
                    "groups."
                )
            try:
                levels = sorted(set(column), key=lambda v: (str(type(v)), v))
            except TypeError as error:  # lists, or what has no order
                kinds = ", ".join(sorted({type(v).__name__ for v in column}))
                raise InputError(f"column {name} holds {kinds}; a moderator holds numbers, or names of groups.") from error
            frame[name] = pd.Categorical(column, categories=levels)
        else:
            frame[name] = column.astype(float)
            continue
        found[str(name)] = list(frame[name].cat.categories)
    return found


def _refuse_dates(column: pd.Series, name: Any) -> None:
    kinds = (date, timedelta, np.datetime64, np.timedelta64)
    if column.dtype.kind in "mM" or any(isinstance(x, kinds) for x in column):
        raise InputError(
            f"column {name} holds dates; make a number of them (years since a start) for a slope, or texts for groups."
        )


def _reads_as_number(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _as_numbers(column: pd.Series) -> pd.Series | None:
    """An object column that holds numbers only, as floats."""
    if all(isinstance(v, (int, float, np.number, Decimal)) and not isinstance(v, (bool, np.bool_)) for v in column):
        try:
            return column.astype(float)
        except OverflowError as error:
            raise InputError(f"column {column.name}: a whole number that no float holds; choose a larger unit.") from error
    return None


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
