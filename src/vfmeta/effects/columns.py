"""Frames in: any data frame becomes a pandas one, columns are found by their names, and rows of two inputs by theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.effects import cells

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 20  # faults of one column that are spelled out


@dataclass(frozen=True)
class Column:
    """Values of one argument, with the user's own name for them; ``index`` names their rows, where they carry names."""

    values: Any
    shown: str
    index: Any = None


def as_frame(data: Any) -> pd.DataFrame:
    """A data frame of pandas, polars, pyarrow or any other that narwhals knows, or a mapping of columns, as one of pandas."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        try:
            single = bool(data) and all(np.ndim(x) == 0 for x in data.values())
            return pd.DataFrame({name: [x] if single else x for name, x in data.items()})
        except (ValueError, TypeError) as error:
            raise InputError(f"The columns of data differ in length, or are none ({error}).") from error
    if isinstance(data, (list, tuple)) and data and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame(list(data))
    return _from_another_library(data)


def _from_another_library(data: Any) -> pd.DataFrame:
    import narwhals as nw
    import pandas as pd

    try:
        found = nw.from_native(data, eager_only=True)
    except TypeError as error:
        lazy = "; collect it first" if hasattr(data, "collect") else ""
        raise InputError(
            f"data is {kind_of(data)}; it must be an effect table, a data frame (pandas, polars, pyarrow, ...) or a "
            f"mapping of columns{lazy}."
        ) from error
    return pd.DataFrame({name: _series(found[name], nw) for name in found.columns})


def _series(values: Any, nw: Any) -> Any:
    import pandas as pd

    if values.dtype in (nw.Categorical, nw.Enum):
        return pd.Categorical(values.to_list(), categories=values.cat.get_categories().to_list())
    listed = values.to_list()
    if values.dtype.is_integer() or values.dtype.is_float():
        return np.array([np.nan if x is None else x for x in listed], dtype=float) if None in listed else np.array(listed)
    return pd.Series(listed, dtype=None if values.dtype == nw.Boolean and None not in listed else object)


def look_up(given: Mapping[str, Any], frame: pd.DataFrame | None) -> dict[str, Column]:
    """The arguments given, by their names in ``frame`` or as values; one error names all columns that are not there."""
    problems = []
    found = {}
    absent = [x for x in given.values() if isinstance(x, str) and frame is not None and x not in frame.columns]
    if absent and frame is not None:
        has = ", ".join(map(repr, frame.columns)) or "none"
        problems.append(f"No column {', '.join(map(repr, dict.fromkeys(absent)))} in the data; its columns are {has}.")
    for name, value in given.items():
        if not isinstance(value, str):
            index = getattr(value, "index", None)
            found[name] = Column(value, name, index if names_rows(index) else None)
        elif frame is None:
            problems.append(f"{name}={value!r} is the name of a column; pass data=, or give {name} as an array.")
        elif value in frame.columns:
            if not frame.columns.is_unique and (frame.columns == value).sum() > 1:
                problems.append(f"The data have the column {value!r} twice; rename one of them.")
            else:
                found[name] = Column(frame[value], value)
    if problems:
        raise InputError(problems)
    return found


def absent(frame: pd.DataFrame, names: Sequence[Any]) -> list[Any]:
    """Those of the names that are no column of a frame."""
    known = list(frame.columns)
    return [x for x in names if not isinstance(x, (str, int, float, np.integer)) or x not in known]


@dataclass(frozen=True)
class Rows:
    """All rows that a model was given, where its further columns are found.

    ``source`` is the effect table or data frame (or the origin of a fit, to which columns of the data are brought later), None
    beside arrays; ``index`` the names of the rows and ``names`` those of the studies, None where there are none.
    """

    total: int
    source: Any = None
    index: Any = None
    names: tuple[str, ...] | None = None

    @property
    def _table(self) -> Any:
        """The source where it is no frame, whose columns might be called as what a table has."""
        return None if hasattr(self.source, "columns") else self.source

    @property
    def cut(self) -> tuple[int, np.ndarray] | None:
        """Of a table that left rows out: how many rows it was made from, and the places of its own among them."""
        places = getattr(self._table, "places", None)
        return None if places is None or self.source.rows_read == self.total else (self.source.rows_read, places)

    @property
    def _spare(self) -> tuple[str, ...]:
        """Names of the studies that a table left out."""
        return tuple(x.label for x in getattr(self._table, "left_out", ()))

    def origin(self, kept: np.ndarray, lost: tuple[LeftOut, ...]) -> Origin:
        """Where the rows ``kept`` stood in the data that their table was made from, and what was left out on the way."""
        places, spare = getattr(self._table, "places", None), getattr(self._table, "left_out", ())
        if places is None:
            return Origin((*spare, *lost), kept, self.total)
        return Origin((*spare, *lost), places[kept], self.source.rows_read)

    def _not_alike(self, name: str, n: int) -> InputError:
        lost = f" The table left out {', '.join(self._spare)}." if self._spare else ""
        return InputError(f"{name} has {n} values for {self.total} rows; give one a row.{lost}")

    @cached_property
    def frame(self) -> pd.DataFrame | None:
        """The rows with their columns; None where arrays alone were given."""
        if self.source is None:
            return None
        return as_frame(self.source) if hasattr(self.source, "columns") else getattr(self.source, "frame", None)

    def column(self, value: Any, name: str, kept: np.ndarray) -> Column:
        """A further column, by its name in the data or as one value for every row that was given, cut to the rows ``kept``.

        Beside a table that left rows out, one value for every row that the table was made from will do.
        """
        found = look_up({name: value}, self.frame)[name]
        problems: list[str] = []
        values = found.values
        cut = self.cut
        if cut is not None and np.ndim(values) == 1 and len(values) == cut[0] and not _texts(found.index):
            values = values.iloc[cut[1]] if hasattr(values, "iloc") else [values[i] for i in cut[1].tolist()]
        elif found.index is not None:
            values = _matched(values, self.index, self.names, "the data", name, problems, self._spare)
        if problems:
            raise InputError(problems)
        if not hasattr(values, "dtype") or np.ndim(values) != 1:
            values = cells.column(values, found.shown)
        if len(values) != self.total:
            raise self._not_alike(name, len(values))
        values = cells.one_spelling(values, found.shown)
        if hasattr(values, "iloc"):
            return Column(values.iloc[kept].reset_index(drop=True), found.shown)
        return Column([values[i] for i in kept.tolist()] if isinstance(values, list) else values[kept], found.shown)

    def block(self, x: Any, name: str) -> np.ndarray:
        """A matrix with a row for every row that was given, as floats, NaN where a cell is empty."""
        problems: list[str] = []
        cut, index = self.cut, getattr(x, "index", None)
        if cut is not None and not _texts(index if names_rows(index) else None) and np.ndim(x) and len(x) == cut[0]:
            x = x.iloc[cut[1]] if hasattr(x, "iloc") else np.asarray(x)[cut[1]]
        elif names_rows(index):
            x = _matched(x, self.index, self.names, "the data", name, problems, self._spare)
        if problems:
            raise InputError(problems)
        try:
            flat = np.asarray(x, dtype=object).ravel()
        except ValueError as error:
            raise InputError(f"{name} has rows of unlike length; it must have one number a row and column.") from error
        texts = [i for i, cell in enumerate(flat) if isinstance(cell, (str, bytes))]
        if texts:
            wide = max(1, len(flat) // max(1, len(x)))
            rows = ", ".join(str(i + 1) for i in dict.fromkeys(i // wide for i in texts[:10]))
            raise InputError(f"{name} holds text in row {rows}; convert it to numbers, or use a formula for groups.")
        if any(isinstance(cell, (complex, np.complexfloating)) for cell in flat):
            raise InputError(f"{name} holds complex numbers; give real ones.")
        try:
            whole = x.to_numpy(dtype=float, na_value=np.nan) if hasattr(x, "to_numpy") else np.asarray(x, dtype=float)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{name} must hold numbers only; use a formula for text columns.") from error
        if whole.ndim not in (1, 2) or len(whole) != self.total:
            raise InputError(f"{name} has shape {whole.shape}; for {self.total} rows it must be ({self.total}, p).")
        return whole.reshape(self.total, -1)


def aligned(columns: Mapping[str, Column], frame: pd.DataFrame | None) -> tuple[dict[str, Any], int, Any]:
    """The columns as `cells.column` reads them, all of one length, that length, and the names of the rows.

    Rows of two inputs that both carry names (an index other than 0, 1, 2, ...) are matched by name, others by position.
    """
    index = frame.index if frame is not None and names_rows(frame.index) else None
    first = "data"
    out: dict[str, Any] = {}
    problems: list[str] = []
    for name, x in columns.items():
        values = x.values
        if x.index is not None and index is None:
            index, first = x.index, name
        elif x.index is not None:
            values = _matched(values, index, None, first, name, problems)
        out[name] = cells.column(values, x.shown)
    k = len(frame) if frame is not None else len(next(iter(out.values()))) if out else 0
    other = "the data have {} rows" if frame is not None else f"{next(iter(out), '')} has {{}} values"
    problems += [
        f"{other.format(k)} and {name} has {len(x)} values; they must be of one length, one value a row."
        for name, x in out.items()
        if len(x) != k
    ]
    if problems:
        raise InputError(problems)
    return out, k, index


def refuse_unfit(needed: Sequence[str], found: Mapping[str, Any], given: Mapping[str, Any], takes: str, idle: str = "") -> None:
    """An error where columns are missing among ``found``, or ``given`` has others, which would change nothing."""
    lost = [name for name in needed if found.get(name) is None]
    surplus = [name for name, value in given.items() if value is not None and name not in needed]
    if lost or surplus:
        raise InputError(
            f"{takes} {', '.join(needed)}; missing: {', '.join(lost) or 'none'}, "
            f"not used{idle}: {', '.join(surplus) or 'none'}."
        )


def given_columns(given: Mapping[str, Any], frame: pd.DataFrame | None) -> tuple[dict[str, Any], dict[str, str], int, Any]:
    """The arguments that are not None as `aligned` has them, what each is called, the rows (at least one) and their names."""
    found = look_up({name: x for name, x in given.items() if x is not None}, frame)
    values, k, index = aligned(found, frame)
    if k == 0:
        raise InputError(cells.EMPTY)
    return values, {name: x.shown for name, x in found.items()}, k, index


def with_groups(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The frame with one spelling of every label of the columns ``keys``, which say what group a row belongs to.

    Raises
    ------
    InputError
        A cell of them is empty: unknown is no group.
    """
    import pandas as pd

    problems: list[str] = []
    for key in keys:
        column = frame[key]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
            gaps = column.isna().to_numpy()
        else:
            try:
                codes, labels = pd.factorize(column)
            except TypeError as error:
                raise InputError(f"column {key} holds lists; it must hold one text or number a row.") from error
            listed = list(labels)
            gaps = np.append(cells.empty(listed), True)[codes]
            spelled = cells.one_spelling(listed, key)
            if spelled is not listed and not gaps.any():
                frame = frame.assign(**{key: np.array(spelled, dtype=object)[codes]})
        problems += [
            f"row {i + 1}, column {key}: missing value; say which meta-analysis the row belongs to, or remove the row."
            for i in np.flatnonzero(gaps)[:_LISTED].tolist()
        ]
    if problems:
        raise InputError(problems)
    return frame


def refuse_clash(keys: Sequence[str], made: Iterable[str]) -> None:
    """Columns that name the groups must not be called as columns of the answer are."""
    both = sorted(set(keys) & set(made))
    if both:
        raise InputError(
            f"by={both[0]!r}: the answer has a column {both[0]!r} of its own; rename that column of the data first."
        )


def _matched(
    values: Any,
    index: Any,
    names: Sequence[str] | None,
    first: str,
    name: str,
    problems: list[str],
    spare: Sequence[str] = (),
) -> Any:
    """Values in the order of the rows: by their index, or, where it holds texts, by the names of the studies.

    Values of the rows ``spare``, which were left out, are not needed.
    """
    import pandas as pd

    own = values.index
    if index is None or (names is not None and not _texts(index) and _texts(own)):
        if names is None or len(set(names)) < len(names) or not _texts(own):
            return values
        index = pd.Index(names)
    if own.equals(index):
        return values
    if not (index.is_unique and own.is_unique):
        problems.append(f"The rows of {name} and {first} have other names, some twice, and cannot be matched; reset the index.")
        return values
    lost, more = index.difference(own, sort=False), own.difference(index, sort=False).difference(pd.Index(spare, dtype=object))
    if not len(lost) and not len(more):
        return values.loc[index]
    apart = "; ".join(
        f"{', '.join(map(str, x[:10].tolist()))}{', ...' if len(x) > 10 else ''} only in {where}"
        for x, where in ((lost, first), (more, name))
        if len(x)
    )
    problems.append(
        f"The rows of {name} are not those of {first}: {apart}. Rows that carry names are matched by name; give the same rows, "
        "or reset_index(drop=True) to go by position."
    )
    return values


def _texts(index: Any) -> bool:
    return index is not None and len(index) > 0 and all(isinstance(x, str) for x in index)


def row_names(index: Any) -> list[Any] | None:
    """The names of the rows where these are plainly names: texts, or an index that has a name itself, each another."""
    if index is None or getattr(index, "nlevels", 2) > 1 or not (_texts(index) or index.name is not None):
        return None
    return list(index) if index.is_unique and all(cells.label(x) for x in index) else None


def names_rows(index: Any) -> bool:
    """Whether an index is more than a count of the rows."""
    if index is None or not hasattr(index, "equals"):
        return False
    return not (type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1)
