"""Checks shared by the conversions: values that cannot be are named by argument and place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.core.messages import InputError


def numbers(name: str, values: ArrayLike) -> np.ndarray:
    """The argument as a float array, NaN allowed."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}={values!r} cannot be read as numbers; correct it.") from error


def require(name: str, values: np.ndarray, right: np.ndarray, what: str) -> None:
    """Raise for every value that is there and is not right."""
    values, right = np.broadcast_arrays(np.atleast_1d(values), np.atleast_1d(right))
    wrong = np.flatnonzero(~right.ravel() & ~np.isnan(values.ravel()))
    if len(wrong):
        raise InputError([f"row {i + 1}, {name}: {what} (value {values.ravel()[i]:g})." for i in wrong])


def between(name: str, values: ArrayLike, low: float, high: float, *, ends: bool = True) -> np.ndarray:
    """The argument as floats from ``low`` to ``high``."""
    x = numbers(name, values)
    inside = (x >= low) & (x <= high) if ends else (x > low) & (x < high)
    require(name, x, inside, f"must lie {'from' if ends else 'between'} {low:g} {'to' if ends else 'and'} {high:g}")
    return x


def positive(name: str, values: ArrayLike) -> np.ndarray:
    """The argument as floats above 0."""
    x = numbers(name, values)
    require(name, x, x > 0, "must be greater than 0")
    return x
