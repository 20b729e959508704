"""From a formula or a matrix to the design of a meta-regression, with every fault named by row and column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import REACH
from vfmeta.effects import cells
from vfmeta.effects.columns import Rows, as_frame
from vfmeta.results.codec import array, plain
from vfmeta.text.notes import MISSING

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
        frame = as_frame(new).reset_index(drop=True)
        missing = [v for v in self.variables if v not in frame]
        if missing:
            raise InputError(f"The new data lack the columns {', '.join(missing)} that the formula {self.formula} reads.")
        frame = frame[list(self.variables)].copy() if self.variables else frame.iloc[:, :0].copy()
        problems = _gaps(frame, [f"row {i + 1}" for i in range(len(frame))])
        factors = dict(self.levels)
        for name in frame.columns:
            if name not in factors:
                frame[name] = cells.numbers(cells.column(frame[name], name), name, None, problems)
        for name, known in factors.items():
            frame[name] = cells.one_spelling(frame[name], name)
            problems += [
                f"row {i + 1}, column {name}: {value!r} is not one of the values of the fit ({', '.join(map(str, known))})."
                for i, value in enumerate(frame[name])
                if value not in known
            ]
        if problems:
            raise InputError(list(dict.fromkeys(problems)))
        _levelled(frame, factors, ())
        if not self.variables:
            return np.repeat(self.x[:1], len(frame), axis=0)
        with np.errstate(all="ignore"):
            found = np.asarray(self.spec.get_model_matrix(frame), dtype=float)
        if not np.all(np.isfinite(found)):
            raise InputError(f"The formula {self.formula} gives no finite number for the new rows {_bad_rows(found)}.")
        return found


@dataclass(frozen=True)
class Part:
    """A formula or matrix on the rows in use; ``gone`` (k, columns) says which of its cells are missing."""

    formula: str | None
    source: Any
    columns: tuple[str, ...]
    gone: np.ndarray

    def design(self, keep: np.ndarray, labels: Sequence[str], rows: Sequence[int]) -> Design:
        """The design of the rows ``keep``, which carry ``labels`` and stood at ``rows``, from 0, in what was given."""
        if self.formula is None:
            return from_matrix(self.source[keep], self.columns, labels, rows)
        return from_formula(self.formula, self.source.iloc[keep].reset_index(drop=True), self.columns, labels, rows)


class InUse(Protocol):
    """Rows that are in use, of studies or of counts."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def kept(self) -> np.ndarray: ...
    @property
    def rows(self) -> Rows: ...
    def keep(self, mask: np.ndarray, note: str = "", lost: tuple[LeftOut, ...] = ()) -> Self: ...


Used = TypeVar("Used", bound=InUse)


def part(formula: str | None, x: Any, names: Sequence[str] | None, used: InUse) -> Part:
    """A formula over the columns of the data, or a design matrix with a row for every row given, on the rows in use."""
    if (formula is None) == (x is None):
        raise InputError("Give a formula (over the columns of the data) or a design matrix x, one of the two.")
    if x is None:
        import pandas as pd

        frame = used.rows.frame
        frame = pd.DataFrame(index=range(used.rows.total)) if frame is None else frame
        return of_formula(str(formula), frame.iloc[used.kept].reset_index(drop=True))
    block = used.rows.block(x, "x")[used.kept]
    return Part(None, block, column_names(block, x, names), np.isnan(block))


def column_names(block: np.ndarray, x: Any, names: Sequence[str] | None) -> tuple[str, ...]:
    """What the columns of a design matrix are called: as said, as in its frame, or x1, x2, ..."""
    names = names if names is not None else getattr(x, "columns", None)
    if names is not None and (isinstance(names, str) or not np.iterable(names)):
        names = [names]
    columns = [f"x{j + 1}" for j in range(block.shape[1])] if names is None else [str(n) for n in names]
    if len(columns) != block.shape[1] or len(set(columns)) != len(columns):
        raise InputError(f"names must be {block.shape[1]} different texts, one per column of x.")
    return tuple(columns)


def of_formula(formula: str, frame: pd.DataFrame) -> Part:
    """The part of a formula over the columns of a frame of the rows in use."""
    variables = needed(formula, frame)
    frame = frame.assign(**{name: cells.one_spelling(frame[name], name) for name in variables})
    return Part(formula, frame, variables, gaps(frame, variables))


def complete(used: Used, gone: Mapping[str, np.ndarray], missing: str) -> tuple[Used, np.ndarray]:
    """The rows without a gap in ``gone`` (name of a column: which cells are empty) and their places among those in use.

    Raises
    ------
    InputError
        With ``missing="raise"`` every gap; a gap in every row.
    """
    bad = np.any(list(gone.values()), axis=0) if gone else np.zeros(len(used.labels), dtype=bool)
    keep = np.flatnonzero(~bad)
    if not bad.any():
        return used, keep
    if missing == "raise":
        raise InputError([
            f"row {used.kept[i] + 1} ({used.labels[i]}), column {name}: {cells.DROP}"
            for i in np.flatnonzero(bad).tolist() for name, empty in gone.items() if empty[i]
        ])  # fmt: skip
    if len(keep) == 0:
        raise InputError(f"Every row lacks one of {', '.join(gone)}; nothing is left to analyse.")
    lost = [
        f"{used.labels[i]} (row {used.kept[i] + 1}: {', '.join(name for name, empty in gone.items() if empty[i])})"
        for i in np.flatnonzero(bad).tolist()
    ]
    return used.keep(~bad, f"{MISSING} a moderator is missing: {', '.join(lost)}.", cells.lost(gone, used.labels)), keep


def prepared(used: Used, parts: Sequence[Part], missing: str) -> tuple[Any, ...]:
    """The rows complete in all parts, and the design of each on them."""
    gone = {name: part.gone[:, j] for part in parts for j, name in enumerate(part.columns)}
    used, keep = complete(used, gone, missing)
    return used, *(part.design(keep, used.labels, used.kept.tolist()) for part in parts)


def needed(formula: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """The names of the columns that the formula reads."""
    from formulaic import Formula  # type: ignore[import-untyped, unused-ignore]

    try:
        read = {str(v) for v in Formula(right_side(formula)).required_variables}
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"The formula {formula!r} cannot be read: {_first_line(error)}") from error
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


def gaps(frame: pd.DataFrame, variables: Sequence[str]) -> np.ndarray:
    """Which cells of the moderators are missing, shape (k, number of variables); an empty text is, for it is no group."""
    return np.column_stack([cells.empty(frame[name]) for name in variables] or [np.zeros((len(frame), 0), dtype=bool)])


def from_formula(
    formula: str, frame: pd.DataFrame, variables: tuple[str, ...], labels: Sequence[str], rows: Sequence[int]
) -> Design:
    """Design of a formula on complete rows; text and true/false columns are factors, their first value the reference.

    Formulas are those of formulaic, ``**`` and R's ``^`` inside ``I()`` both being powers. A formula may hold any Python
    expression, so take none from a stranger. ``rows`` are the places of the rows in what was given, from 0.
    """
    from formulaic import model_matrix

    frame = frame[list(variables)].copy() if variables else frame.iloc[:, :0].copy()
    levels = _levelled(frame, {}, labelled(formula))
    problems = [
        f"row {rows[i] + 1} ({labels[i]}), column {name}: {float(frame[name].iloc[i])} is not a finite number; "
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
        with np.errstate(all="ignore"):  # what is not finite is told below, by row and column
            matrix = model_matrix(right_side(formula), frame, na_action="ignore")
    except Exception as error:
        raise InputError(f"The formula {formula!r} cannot be made into a design: {_first_line(error)}") from error
    names = tuple(map(str, matrix.columns))
    if not names:
        raise InputError(f"The formula {formula!r} leaves no column; keep the intercept or name a moderator.")
    x = np.asarray(matrix, dtype=float)
    _check_finite(x, names, labels, rows)
    return Design(x, names, formula, matrix.model_spec, variables, tuple((n, tuple(v)) for n, v in levels.items()))


def from_matrix(x: np.ndarray, names: Sequence[str], labels: Sequence[str], rows: Sequence[int]) -> Design:
    """Design given as a matrix (k, p), an intercept included where one is wanted."""
    _check_finite(x, names, labels, rows)
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


def labelled(formula: str) -> set[str]:
    """The columns that a formula says are groups, as ``C(column)``."""
    return {a or b for a, b in re.findall(r"(?<![\w.])C\(\s*(?:`([^`]+)`|(\w+))", formula)}


def _levelled(frame: pd.DataFrame, known: dict[str, tuple[Any, ...]], groups: Iterable[str]) -> dict[str, list[Any]]:
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


def _gaps(frame: pd.DataFrame, places: list[str]) -> list[str]:
    return [
        f"{places[i]}, column {name}: missing value; fill it in or remove the row."
        for name in frame.columns
        for i in np.flatnonzero(cells.empty(frame[name]))
    ]


def _check_finite(x: np.ndarray, names: Sequence[str], labels: Sequence[str], rows: Sequence[int]) -> None:
    problems = [
        f"row {rows[i] + 1} ({labels[i]}), column {names[j]}: {x[i, j]} is not a finite number; correct or drop it."
        for i, j in zip(*np.nonzero(~np.isfinite(x)), strict=True)
    ]
    largest = np.abs(x).max(axis=0, initial=0.0)
    problems += [
        f"column {names[j]}: values of the size of {largest[j]:.3g} cannot be computed with; choose another unit (its largest "
        f"between {1 / REACH:g} and {REACH:g})."
        for j in np.flatnonzero(~((largest <= REACH) & ((largest >= 1 / REACH) | (largest == 0)))).tolist()
        if np.isfinite(largest[j])
    ]
    if problems:
        raise InputError(problems)


def _bad_rows(x: np.ndarray) -> str:
    return ", ".join(str(i + 1) for i in np.flatnonzero(~np.isfinite(x).all(axis=1)))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
