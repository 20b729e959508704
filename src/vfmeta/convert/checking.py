"""Checks shared by the conversions: values that cannot be are named by argument and place."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.core.messages import InputError
from vfmeta.core.params import REACH


def numbers(name: str, values: ArrayLike, *, missing: bool = False, infinite: bool = False) -> np.ndarray:
    """The argument as a float array; what is missing or infinite is refused, unless it is said to be allowed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # half of a number is none
            x = np.asarray(values, dtype=float)
        if _holds_truths(values):
            raise TypeError
    except (TypeError, ValueError, OverflowError, np.exceptions.ComplexWarning) as error:
        raise InputError(_unreadable(name, values)) from error
    wrong = np.zeros(x.shape, bool)
    if not missing:
        wrong |= np.isnan(x)
    if not infinite:
        wrong |= np.isinf(x)
    if wrong.any():
        found = [(i, x.ravel()[i]) for i in np.flatnonzero(wrong)]
        raise InputError([
            f"row {i + 1}, {name}: the value is {'missing' if np.isnan(value) else 'infinite'}; leave the row out, or give it."
            for i, value in found
        ])  # fmt: skip
    far = np.flatnonzero(np.isfinite(x) & (np.abs(x) > REACH))
    if len(far):
        most = f"is too large to compute with (at most {REACH:g})"
        raise InputError([f"row {i + 1}, {name}: {x.ravel()[i]:g} {most}." for i in far])
    return x


def _holds_truths(values: ArrayLike) -> bool:
    """Whether any value is True or False, which count nothing."""
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    if kind != "O":
        return kind == "b"
    flat = np.asarray(values, dtype=object).ravel().tolist()
    return any(isinstance(x, (bool, np.bool_)) for x in flat)


def _unreadable(name: str, values: ArrayLike) -> list[str] | str:
    """Which values are no numbers, by row."""
    if isinstance(values, str) or not np.iterable(values):
        return f"{name}={values!r} cannot be read as numbers; correct it."
    faults = []
    for i, value in enumerate(np.asarray(values, dtype=object).ravel()):
        try:
            if not isinstance(value, (bool, np.bool_)):
                float(value)
                continue
            faults.append(f"row {i + 1}, {name}: {value} is not a number; give a real number.")
        except (TypeError, ValueError, OverflowError):
            bound = isinstance(value, str) and value.strip()[:1] in tuple("<>≤≥")
            why = "is a bound and no value; give the exact figure" if bound else "cannot be read as a number; correct it"
            faults.append(f"row {i + 1}, {name}: {value!r} {why}.")
    return faults or f"{name}={values!r} cannot be read as numbers; correct it."


def one_length(**given: np.ndarray) -> None:
    """Refuse arrays that do not go together, element by element."""
    lengths = {name: x.shape for name, x in given.items() if x.shape not in ((), (1,))}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {shape[0] if len(shape) == 1 else shape}" for name, shape in lengths.items())
        raise InputError(f"The values do not go together: {said}; give one value per row in each.")


def require(name: str, values: np.ndarray, right: np.ndarray, what: str) -> None:
    """Raise for every value that is there and is not right."""
    values, right = np.broadcast_arrays(np.atleast_1d(values), np.atleast_1d(right))
    wrong = np.flatnonzero(~right.ravel() & ~np.isnan(values.ravel()))
    if len(wrong):
        raise InputError([f"row {i + 1}, {name}: {what} (value {values.ravel()[i]:g})." for i in wrong])


def between(name: str, values: ArrayLike, low: float, high: float, *, ends: bool = True, missing: bool = False) -> np.ndarray:
    """The argument as floats from ``low`` to ``high``."""
    x = numbers(name, values, missing=missing, infinite=True)
    inside = (x >= low) & (x <= high) if ends else (x > low) & (x < high)
    require(name, x, inside, f"must lie {'from' if ends else 'between'} {low:g} {'to' if ends else 'and'} {high:g}")
    return x


def positive(name: str, values: ArrayLike, *, missing: bool = False) -> np.ndarray:
    """The argument as floats above 0."""
    x = numbers(name, values, missing=missing)
    require(name, x, x > 0, "must be greater than 0")
    return x
