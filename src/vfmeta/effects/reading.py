"""Effects in: an effect table or raw arrays become checked arrays, or one error that lists every fault found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing, choice, confidence
from vfmeta.core.question import Question


@dataclass(frozen=True)
class Studies:
    """Checked input of a pool. ``y`` and ``v`` have shape (k,), k >= 1; ``notes`` are warnings in words about rows dropped.

    ``kept``, of shape (k,), holds the position each study had in the input of ``rows_read`` rows.
    """

    y: np.ndarray
    v: np.ndarray
    labels: tuple[str, ...]
    question: Question
    details: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    kept: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    rows_read: int = 0

    @property
    def k(self) -> int:
        return len(self.y)


def read(
    effects: Any,
    y: Any,
    v: Any,
    labels: Sequence[Any] | None,
    question: Question | None,
    missing: str,
    level: float,
) -> Studies:
    """Check what a pooling function was given.

    Parameters
    ----------
    effects : effect table or None
        Anything with ``y``, ``v``, ``labels``, ``question``, ``details`` and ``vcov``.
    y, v : array-like of shape (k,) or None
        Raw effects and sampling variances, when there is no effect table.
    labels : sequence of k names, optional
        Study names of raw arrays; "study 1" and so on when left out.
    question : Question, optional
        Overrides the table's.
    missing : {"raise", "drop"}
        Whether a row without ``y`` or ``v`` is an error or is left out with a warning that names it.
    level : float
        Confidence or credible level, between 0 and 1.
    """
    missing = choice("missing", missing, Missing)
    confidence(level)
    details: Iterable[dict[str, Any]] = ()
    vcov = None
    if effects is not None:
        if y is not None or v is not None or labels is not None:
            raise InputError("Both an effect table and raw arrays (y, v, labels) were given; give one of the two.")
        if not (hasattr(effects, "y") and hasattr(effects, "v") and hasattr(effects, "labels")):
            raise InputError(
                f"The first argument is a {type(effects).__name__}, not an effect table (from vf.compare or vf.effect_size); "
                "pass arrays by name: y=..., v=...."
            )
        y, v, labels = effects.y, effects.v, effects.labels
        details, vcov = getattr(effects, "details", ()), getattr(effects, "vcov", None)
        question = question or getattr(effects, "question", None)
    elif y is None or v is None:
        raise InputError("Give an effect table, or both y= (effects) and v= (their sampling variances).")
    if question is not None and not isinstance(question, Question):
        raise InputError(f"question is a {type(question).__name__}; it must be a vfmeta.Question.")

    fast = _clean_arrays(y, v)
    columns: tuple[Any, Any] = fast or (_column(y, "y"), _column(v, "v"))
    ys, vs = columns
    if len(ys) != len(vs):
        raise InputError(f"y has {len(ys)} values and v has {len(vs)}; they must be of one length, a row per study.")
    if len(ys) == 0:
        raise InputError("There are no studies (k = 0): nothing can be pooled. Check the selection that made this table.")
    names = _names(labels, len(ys))
    rows = tuple(dict(d) for d in details)
    if rows and len(rows) != len(ys):
        raise InputError(f"details has {len(rows)} entries for {len(ys)} studies; it must have one per study.")

    if fast:
        _check_vcov(vcov, len(names), np.arange(len(names)))
        kept = np.arange(len(names))
        return Studies(fast[0].copy(), fast[1].copy(), names, question or Question(), rows, (), kept, len(names))
    problems: list[str] = []
    clean = {c: _numbers(values, names, c, problems) for c, values in (("y", ys), ("v", vs))}
    gaps = np.isnan(clean["y"]) | np.isnan(clean["v"])
    notes: tuple[str, ...] = ()
    if missing == "raise":
        problems += [
            f"row {i + 1} ({names[i]}), column {c}: missing value; fill it in, remove the row, "
            'or pass missing="drop" to leave the row out with a warning.'
            for i in np.flatnonzero(gaps)
            for c in ("y", "v")
            if np.isnan(clean[c][i]) and not _is_fault(problems, int(i), c)
        ]
    if problems:
        raise InputError(problems)
    keep = np.flatnonzero(~gaps)
    if len(keep) < len(names):
        dropped = ", ".join(f"{names[i]} (row {i + 1})" for i in np.flatnonzero(gaps))
        if len(keep) == 0:
            raise InputError(f"Every row has a missing y or v ({dropped}); nothing is left to pool.")
        notes = (f"Left out because y or v is missing: {dropped}.",)
    _check_vcov(vcov, len(names), keep)
    return Studies(
        clean["y"][keep],
        clean["v"][keep],
        tuple(names[i] for i in keep),
        question or Question(),
        tuple(rows[i] for i in keep) if rows else (),
        notes,
        keep,
        len(names),
    )


def _clean_arrays(y: Any, v: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """``y`` and ``v`` as they are when they are plain columns of floats without a fault, so that nothing need be looked for."""
    for x in (y, v):
        if type(x) is not np.ndarray or x.dtype != float or x.ndim != 1:
            return None
    if y.shape != v.shape or not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        return None
    return y, v


def _column(values: Any, name: str) -> list[Any]:
    if isinstance(values, (str, bytes, dict, set, frozenset)):
        raise InputError(f"{name} is a {type(values).__name__}; it must be a list or array of numbers, one per study.")
    if isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), values.data.astype(object)
        values[mask] = None
    try:
        shape = np.shape(values)
    except ValueError:
        shape = (0, 0)
    if len(shape) != 1:
        raise InputError(f"{name} has shape {shape}; it must be one-dimensional, one value per study.")
    return list(values)


def _names(labels: Sequence[Any] | None, k: int) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"study {i + 1}" for i in range(k))
    if isinstance(labels, str):
        raise InputError("labels is one text; it must be a sequence of study names, one per study.")
    found = list(labels)
    if len(found) != k:
        raise InputError(f"There are {len(found)} labels for {k} studies; give one per study.")
    names = tuple("" if _is_missing(x) else str(x).strip() for x in found)
    problems = [f"row {i + 1}, column labels: empty label; name the study." for i, name in enumerate(names) if not name]
    where: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        where.setdefault(name, []).append(i + 1)
    problems += [
        f"rows {' and '.join(map(str, rows))}, column labels: the label {name!r} stands more than once; "
        "one study may enter once, so remove the duplicate or tell the rows apart by name."
        for name, rows in where.items()
        if name and len(rows) > 1
    ]
    if problems:
        raise InputError(problems)
    return names


def _numbers(values: list[Any], names: tuple[str, ...], column: str, problems: list[str]) -> np.ndarray:
    """Floats with NaN where a value is missing; faults are appended to ``problems``."""
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        place = f"row {i + 1} ({names[i]}), column {column}: "
        if _is_missing(value):
            continue
        if isinstance(value, (str, bytes)):
            problems.append(f"{place}{value!r} is text, not a number; convert the column to numbers.")
            continue
        try:
            number = math.nan if isinstance(value, (bool, np.bool_, complex, np.complexfloating)) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isnan(number):
            problems.append(f"{place}{value!r} is not a number; give a real number.")
        elif math.isinf(number):
            problems.append(f"{place}the value is infinite; give a finite number or remove the row.")
        elif column == "v" and number <= 0:
            problems.append(
                f"{place}the sampling variance is {number:g}; it must be greater than 0. "
                "Check whether a standard error was lost or the study has no spread."
            )
        else:
            out[i] = number
    return out


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _is_fault(problems: list[str], row: int, column: str) -> bool:
    """Whether this cell was already reported (a fault leaves NaN behind as a missing value does)."""
    return any(p.startswith(f"row {row + 1} (") and f"), column {column}: " in p for p in problems)


def _check_vcov(vcov: Any, k: int, keep: np.ndarray) -> None:
    if vcov is None:
        return
    block = np.asarray(vcov, dtype=float)
    if block.shape != (k, k):
        raise InputError(f"vcov has shape {block.shape}; for {k} effects it must be ({k}, {k}).")
    block = block[np.ix_(keep, keep)]
    off = block[~np.eye(len(keep), dtype=bool)]
    if np.any(off != 0):
        raise InputError(
            "Some effects share patients (vcov has entries off its diagonal); a univariate pool would count them twice. "
            "Choose one effect per cohort, split or combine the shared arm, or use a multivariate model."
        )
