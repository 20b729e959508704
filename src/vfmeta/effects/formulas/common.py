"""What the measures share: float arrays, Hedges' correction, size-weighted averages, and the rules for zero cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from vfmeta.core.measures import row
from vfmeta.core.messages import InputError
from vfmeta.core.params import SingleZero, ZeroCells, choices, is_finite

Effects = tuple[np.ndarray, np.ndarray]
Column = ArrayLike  # one value a study, shape (k,)
ZERO_RULES, SINGLE_RULES = choices(ZeroCells), choices(SingleZero)


def floats(*values: ArrayLike) -> tuple[np.ndarray, ...]:
    """The arguments as float arrays."""
    return tuple(np.asarray(x, dtype=float) for x in values)


def bias_correction(df: ArrayLike) -> np.ndarray:
    """Hedges' exact small-sample factor J for the given degrees of freedom (J Educ Stat 1981;6:107-128)."""
    df = np.asarray(df, float)
    return np.exp(gammaln(df / 2) - 0.5 * np.log(df / 2) - gammaln((df - 1) / 2))


def hedges_j(df: np.ndarray, correct: bool) -> np.ndarray:
    """`bias_correction`, or ones where no correction is asked for.

    Undefined (NaN) at 1 degree of freedom and below, where the standardised difference has no expectation to correct.
    """
    return np.where(df > 1, bias_correction(np.where(df > 1, df, 2.0)), np.nan) if correct else np.ones_like(df)


def weighted_average(values: np.ndarray, sizes: np.ndarray) -> float:
    """Average over studies with their sizes as weights, for variances of type AV."""
    return float(np.sum(sizes * values) / np.sum(sizes))


def unknown_type(measure: str, vtype: object) -> InputError:
    """The error for a variance type a measure does not have."""
    return InputError(f"{measure} has no variance type {vtype!r}; it offers {', '.join(row(measure).vtypes)}.")


def check_type(measure: str, vtype: object) -> None:
    """Refuse a variance type the measure does not have."""
    if not isinstance(vtype, str) or vtype not in row(measure).vtypes:
        raise unknown_type(measure, vtype)


@dataclass(frozen=True)
class ZeroRule:
    """What to do about zero cells.

    Parameters
    ----------
    add : float
        The amount added to every cell of a table.
    to : {"only0", "all", "if0all", "none"}
        To the tables that hold a zero, to all tables, to all tables if any of them holds a zero, or to none.
    in_estimate : bool
        Whether the amount enters the estimate as well as its variance.
    name : str
        What the amount is called where it was asked for.
    """

    add: float = 0.5
    to: str = "only0"
    in_estimate: bool = True
    name: str = "add"

    def __post_init__(self) -> None:
        if not isinstance(self.to, str) or self.to not in ZERO_RULES:
            raise InputError(f"Unknown zero rule {self.to!r}; use one of {', '.join(ZERO_RULES)}.")
        if not (is_finite(self.add) and self.add >= 0):
            raise InputError(f"{self.name}={self.add!r} must be a number of at least 0, such as 0.5.")

    def apply(self, *cells: np.ndarray) -> tuple[np.ndarray, ...]:
        """The cells after the rule, each of shape (k,)."""
        stacked = np.stack(np.broadcast_arrays(*cells)).astype(float)
        holds_zero = (stacked == 0).any(axis=0)
        if self.to == "none":
            where = np.zeros_like(holds_zero)
        elif self.to == "only0":
            where = holds_zero
        else:
            where = np.full_like(holds_zero, self.to == "all" or bool(holds_zero.any()))
        return tuple(stacked + self.add * where)

    def counts(self, columns: tuple[np.ndarray, ...], rates: bool) -> tuple[np.ndarray, ...]:
        """Events and sizes of two groups after the rule; times at risk stay as they are."""
        x1, size1, x2, size2 = columns
        if rates:
            x1, x2 = self.apply(x1, x2)
            return x1, size1, x2, size2
        a, b, c, d = self.apply(x1, size1 - x1, x2, size2 - x2)
        return a, a + b, c, c + d


NO_CONTRAST = "no events in either arm, or events in everybody: a ratio cannot be formed (the risk difference keeps the trial)"


def added(in_estimate: bool) -> str:
    """The step of a zero rule that moves the cells of one table."""
    return f"0.5 added to every cell of the table because one is zero{'' if in_estimate else ' (in the variance only)'}"


def has_contrast(columns: tuple[np.ndarray, ...], rates: bool) -> np.ndarray:
    """Studies that say something on a ratio: with an event in either group and, of patients, somebody without."""
    x1, size1, x2, size2 = columns
    some = x1 + x2 > 0
    return some if rates else some & (x1 + x2 < size1 + size2)


NO_RULE = ZeroRule(add=0.0, to="none")
