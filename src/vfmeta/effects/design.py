"""From a formula or a matrix to the design of a meta-regression, with every fault named by row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import REACH
from vfmeta.effects import cells
from vfmeta.effects.columns import Rows, as_frame
from vfmeta.effects.moderators import first_line, labelled, levelled, needed, right_side
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
        levelled(frame, factors, ())
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
    levels = levelled(frame, {}, labelled(formula))
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
        raise InputError(f"The formula {formula!r} cannot be made into a design: {first_line(error)}") from error
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
