"""From a formula or a matrix to the design of a meta-regression, with every fault named by row and column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.results.codec import array, plain

if TYPE_CHECKING:
    import pandas as pd

INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Design:
    """Design matrix ``x`` (k, p) with the names of its columns; ``spec`` makes the same columns from new data.

    ``spec`` is None for a matrix given as such. ``variables`` are the columns of the data that the formula reads and
    ``levels`` the values of those that are factors.
    """

    x: np.ndarray
    names: tuple[str, ...]
    formula: str | None
    spec: Any = None
    variables: tuple[str, ...] = ()
    levels: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @property
    def intercept(self) -> int | None:
        """Number of the intercept column, or None."""
        ones = np.flatnonzero(np.all(self.x == 1, axis=0))
        return int(ones[0]) if len(ones) else None

    @property
    def spans_constant(self) -> bool:
        """Whether a constant is a combination of the columns, as with an intercept or a full set of groups."""
        one = np.ones(len(self.x))
        coef, *_ = np.linalg.lstsq(self.x, one, rcond=None)
        return bool(np.max(np.abs(self.x @ coef - one)) < 1e-8)

    def to_dict(self) -> dict[str, Any]:
        """The matrix with its names, as plain data."""
        return {"x": plain(self.x), "names": list(self.names), "formula": self.formula}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The design back, as one given by its matrix: new values of the moderators are rows of it."""
        names = tuple(data["names"])
        return cls(array(data["x"]).reshape(-1, len(names)), names, data["formula"])

    def rows(self, new: Any) -> np.ndarray:
        """Design rows (m, p) of new values: a data frame or dict of moderators, or an array of shape (m, p) or (p,)."""
        if self.spec is None or isinstance(new, np.ndarray):
            try:
                found = np.atleast_2d(np.asarray(new, dtype=float))
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"This fit knows its design only as a matrix; give new rows of it, one number for each of "
                    f"{', '.join(self.names)}."
                ) from error
            if found.ndim != 2 or found.shape[1] != len(self.names):
                raise InputError(
                    f"The new rows have shape {np.shape(new)}; give one value for each of {', '.join(self.names)}, shape "
                    f"(m, {len(self.names)})."
                )
            if not np.all(np.isfinite(found)):
                raise InputError(f"The new rows hold values that are missing or infinite (rows {_bad_rows(found)}).")
            return found
        frame = frame_of(new, None)
        missing = [v for v in self.variables if v not in frame]
        if missing:
            raise InputError(f"The new data lack the columns {', '.join(missing)} that the formula {self.formula} reads.")
        frame = frame[list(self.variables)].copy() if self.variables else frame.iloc[:, :0].copy()
        problems = _gaps(frame, [f"row {i + 1}" for i in range(len(frame))])
        for name, known in self.levels:
            problems += [
                f"row {i + 1}, column {name}: {value!r} is not one of the values of the fit ({', '.join(map(str, known))})."
                for i, value in enumerate(frame[name])
                if value not in known
            ]
        if problems:
            raise InputError(problems)
        _levelled(frame, dict(self.levels))
        if not self.variables:
            return np.repeat(self.x[:1], len(frame), axis=0)
        return np.asarray(self.spec.get_model_matrix(frame), dtype=float)


def needed(formula: str, data: Any, k: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The data as a frame of k rows, and the names of the columns that the formula reads."""
    from formulaic import Formula  # type: ignore[import-untyped, unused-ignore]

    frame = frame_of(data, k)
    try:
        read = {str(v) for v in Formula(right_side(formula)).required_variables}
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"The formula {formula!r} cannot be read: {_first_line(error)}") from error
    # formulaic does not look into calls such as bs(dose, df=4): every name that is a column counts as read
    read |= {n for n in re.findall(r"(?<![\w.])[^\W\d]\w*(?!\w*\s*\()", right_side(formula)) if n in frame}
    read |= {n for n in re.findall(r"`([^`]+)`", formula) if n in frame}
    variables = sorted(read)
    absent = [v for v in variables if v not in frame]
    if absent:
        raise InputError(
            f"The formula {formula!r} reads {', '.join(absent)}, which the data do not have; their columns are "
            f"{', '.join(map(str, frame.columns)) or 'none'}."
        )
    return frame, tuple(variables)


def gaps(frame: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    """Which cells of the moderators are missing, shape (k, number of variables)."""
    return frame[list(variables)].isna().to_numpy() if variables else np.zeros((len(frame), 0), dtype=bool)


def from_formula(formula: str, frame: pd.DataFrame, variables: tuple[str, ...], labels: Sequence[str]) -> Design:
    """Design of a formula on complete rows; text and true/false columns are factors, their first value the reference.

    Formulas are those of formulaic, ``**`` and R's ``^`` inside ``I()`` both being powers. A formula may hold any Python
    expression, so take none from a stranger.
    """
    from formulaic import model_matrix

    frame = frame[list(variables)].copy() if variables else frame.iloc[:, :0].copy()
    levels = _levelled(frame, {})
    problems = [
        f"row {i + 1} ({labels[i]}), column {name}: {float(frame[name].iloc[i])} is not a finite number; "
        "correct it or leave the row out."
        for name in variables
        if name not in levels
        for i in np.flatnonzero(~np.isfinite(frame[name].to_numpy(dtype=float))).tolist()
    ]
    problems += [
        f"column {name}: every study has the value {known[0]!r}, so the factor explains nothing; leave it out."
        for name, known in levels.items()
        if len(known) == 1
    ]
    if problems:
        raise InputError(problems)
    if not variables:
        # formulaic takes the number of rows from the data, which an intercept alone does not read
        frame = frame.assign(**{"(rows)": 0.0})
    try:
        matrix = model_matrix(right_side(formula), frame)
    except Exception as error:
        raise InputError(f"The formula {formula!r} cannot be made into a design: {_first_line(error)}") from error
    names = tuple(map(str, matrix.columns))
    if not names:
        raise InputError(f"The formula {formula!r} leaves no column; keep the intercept or name a moderator.")
    x = np.asarray(matrix, dtype=float)
    _check_finite(x, names, labels)
    return Design(x, names, formula, matrix.model_spec, variables, tuple((n, tuple(v)) for n, v in levels.items()))


def from_matrix(x: np.ndarray, names: Sequence[str], labels: Sequence[str]) -> Design:
    """Design given as a matrix (k, p), an intercept included where one is wanted."""
    _check_finite(x, names, labels)
    return Design(x, tuple(names), None)


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


def name_collinear(groups: list[list[int]], design: Design, labels: Sequence[str]) -> InputError:
    """The error that names the moderators which say the same."""
    k, p = design.x.shape
    if k < p:
        return InputError(f"{k} studies cannot estimate {p} coefficients ({', '.join(design.names)}); leave some out.")
    problems = []
    for group in groups:
        name, *others = (design.names[j] for j in group)
        if others == [INTERCEPT]:
            problems.append(f"{name} has one and the same value in every study and explains nothing; leave it out.")
        elif others:
            with_ = ", ".join(others)
            problems.append(f"Collinear moderators: {name} is a combination of {with_} in these studies; leave one out.")
        else:
            problems.append(f"Column {name} is zero in every study and explains nothing; leave it out.")
    return InputError(problems)


def _closing(text: str, start: int) -> int:
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return len(text)


def frame_of(data: Any, k: int | None) -> pd.DataFrame:
    """The data as a frame, of k rows where k is known."""
    import pandas as pd

    if data is None:
        return pd.DataFrame(index=range(k or 0))
    if isinstance(data, dict):
        single = all(np.ndim(v) == 0 for v in data.values())
        try:
            data = pd.DataFrame({n: [v] if single else v for n, v in data.items()})
        except ValueError as error:
            raise InputError(f"The columns of data differ in length ({_first_line(error)}).") from error
    if not isinstance(data, pd.DataFrame):
        raise InputError(f"data is a {type(data).__name__}; it must be a data frame or a dict of columns.")
    if k is not None and len(data) != k:
        raise InputError(f"data has {len(data)} rows for {k} effects; it must have one row per effect, in the same order.")
    return data.reset_index(drop=True)


def _levelled(frame: pd.DataFrame, known: dict[str, tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Make factors of the columns that are no numbers, in place; the levels of each, in order."""
    import pandas as pd

    found: dict[str, list[Any]] = {}
    for name in frame.columns:
        column = frame[name]
        if name in known:
            frame[name] = pd.Categorical(column, categories=list(known[name]))
        elif isinstance(column.dtype, pd.CategoricalDtype):
            frame[name] = column.cat.remove_unused_categories()
        elif pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            converted = None if pd.api.types.is_bool_dtype(column) else _as_numbers(column)
            if converted is not None:
                frame[name] = converted
                continue
            frame[name] = pd.Categorical(column, categories=sorted(set(column), key=lambda v: (str(type(v)), v)))
        else:
            frame[name] = column.astype(float)
            continue
        found[str(name)] = list(frame[name].cat.categories)
    return found


def _as_numbers(column: pd.Series) -> pd.Series | None:
    """An object column that holds numbers only, as floats."""
    if all(isinstance(v, (int, float, np.number)) and not isinstance(v, (bool, np.bool_)) for v in column):
        return column.astype(float)
    return None


def _gaps(frame: pd.DataFrame, places: list[str]) -> list[str]:
    return [
        f"{places[i]}, column {name}: missing value; fill it in or remove the row."
        for name in frame.columns
        for i in np.flatnonzero(frame[name].isna().to_numpy())
    ]


def _check_finite(x: np.ndarray, names: Sequence[str], labels: Sequence[str]) -> None:
    problems = [
        f"row {i + 1} ({labels[i]}), column {names[j]}: {x[i, j]} is not a finite number; correct it or leave the row out."
        for i, j in zip(*np.nonzero(~np.isfinite(x)), strict=True)
    ]
    if problems:
        raise InputError(problems)


def _bad_rows(x: np.ndarray) -> str:
    return ", ".join(str(i + 1) for i in np.flatnonzero(~np.isfinite(x).all(axis=1)))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
