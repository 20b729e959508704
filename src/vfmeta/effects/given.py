"""What a model was given, from an effect table, a data frame or arrays: a row an effect, with every fault found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import REACH
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects.columns import Rows, as_frame, given_columns, row_names
from vfmeta.effects.table import EffectTable

USUAL = (("y", "y"), ("v", "v"), ("se", "se"), ("study", "study"))  # columns of a frame that are found by themselves
NO_EFFECTS = (
    "Give an effect table, or y= (effects) with one of v= (their sampling variances), se= (standard errors), V= (covariance "
    "matrix) or ci= (low, high)."
)

_NOTHING_ASKED = Question()


def refuse_span(y: np.ndarray, v: np.ndarray) -> None:
    if len(y) and (fault := cells.span(y, v)):
        raise InputError(f"{fault[:1].upper()}{fault[1:]}.")


@dataclass(frozen=True)
class Given:
    """What a model was given, a row an effect, nothing left out yet.

    ``y`` and ``v`` (k,) are NaN where a value is missing, ``V`` is sparse (k, k) or None, ``shown`` says what the user calls
    them, ``empty`` (k,) by name of column which cells are missing, and ``problems`` are the faults found so far.
    """

    y: np.ndarray
    v: np.ndarray
    V: Any
    labels: tuple[str, ...]
    question: Question
    details: tuple[dict[str, Any], ...]
    empty: dict[str, np.ndarray]
    rows: Rows
    problems: list[str]

    def complete(self, further: Mapping[str, np.ndarray], missing: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """Places of the rows without a gap, here or in ``further`` columns, and what is said of the others.

        Raises
        ------
        InputError
            All faults, and with ``missing="raise"`` all gaps.
        """
        empty = self.empty | dict(further)
        if missing == "raise":
            cells.gaps(empty, self.labels, self.problems)
        if self.problems:
            raise InputError(self.problems)
        gone = np.any(list(empty.values()), axis=0)
        keep = np.flatnonzero(~gone)
        refuse_span(self.y[keep], self.v[keep])
        if not gone.any():
            return keep, ()
        return keep, (cells.left_out(empty, self.labels),)

    def lost(self, further: Mapping[str, np.ndarray] | None = None) -> tuple[LeftOut, ...]:
        """The rows with a gap, here or in ``further`` columns, each with the reason."""
        return cells.lost(self.empty | dict(further or {}), self.labels)


def given(
    data: Any,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    question: Question | None = None,
    once: bool = True,
    level: float = 0.95,
) -> Given:
    """Effects and variances of all rows, faults collected; ``once`` says that a study may stand in one row only."""
    noun = "study" if once else "effect"
    if is_table(data):
        return _of_table(data, {"y": y, "v": v, "se": se, "ci": ci, "study": study}, V, question, noun, once)
    frame = None if data is None else as_frame(data)
    wanted = {"y": y, "v": v, "se": se, "study": study}
    if frame is not None:
        known = se is not None or v is not None or V is not None or ci is not None
        for name, usual in USUAL:
            if wanted[name] is None and usual in frame.columns and not (name in ("v", "se") and known):
                wanted[name] = usual
                known = known or name == "v"
    try:
        flat = V is not None and not hasattr(V, "tocsr") and np.ndim(V) == 1
    except ValueError as error:
        raise InputError("V holds rows of unequal length; it is a matrix with a row and a column for every effect.") from error
    if flat:
        wanted["v"], V = V, None
    if isinstance(V, str):
        raise InputError(f"V={V!r} is a text; V is a matrix, give a column of variances as v=.")
    wanted |= _limits(ci)
    errors = [name for name in ("v", "se") if wanted[name] is not None] + (["ci"] if ci is not None else [])
    if wanted["y"] is None or (not errors and V is None):
        raise InputError(NO_EFFECTS)
    if len(errors) > 1 or (V is not None and ci is not None):
        raise InputError(f"{', '.join(f'{x}=' for x in [*errors, *(['V'] if V is not None else [])])} say the same; give one.")

    values, shown, k, index = given_columns(wanted, frame)
    problems: list[str] = []
    labels = cells.names(
        values.get("study", row_names(index)), k, shown=shown.get("study", "study"), noun=noun, once=once, problems=problems,
    )  # fmt: skip
    out = {"y": cells.numbers(values["y"], shown["y"], labels, problems)}
    empty = {shown["y"]: np.isnan(out["y"])}
    for name, positive in (("v", "variance"), ("se", "error"), ("low", ""), ("high", "")):
        if name in values:
            out[name] = cells.numbers(values[name], shown[name], labels, problems, positive)
            empty[shown[name]] = np.isnan(out[name])
    _check_limits(out, shown, labels, level, problems)
    variances = _variances(out, level)
    if variances is not None and "low" in out:
        thin = np.flatnonzero((out["low"] < out["high"]) & (variances < REACH**-2)).tolist()
        problems += [
            f"row {i + 1} ({labels[i]}), column {shown['low']}: the interval is too narrow to compute with." for i in thin
        ]
    cov = None
    if V is not None:
        named = "study" in values or row_names(index) is not None
        cov = covariance.read_matrix(V, k, labels, problems, named)
        if variances is not None:
            covariance.check_diagonal(cov, variances, shown.get("v", shown.get("se", "v")), labels, problems)
        variances = _diagonal(cov, labels, problems)
        empty["V"] = np.isnan(variances)
    assert variances is not None
    rows = Rows(k, frame, index, labels if "study" in values else None)
    return Given(out["y"], variances, cov, labels, question or Question(), (), empty, rows, problems)


def _of_table(table: Any, others: dict[str, Any], V: Any, question: Question | None, noun: str, once: bool) -> Given:
    more = [name for name, x in others.items() if x is not None]
    if more:
        raise InputError(
            f"Both an effect table and {', '.join(f'{x}=' for x in more)} were given; a table brings its own, so give one of "
            "the two."
        )
    k = len(table.y)
    cells.refuse_empty(table)
    problems: list[str] = []
    labels = cells.names(table.labels, k, noun=noun, once=once, problems=problems)
    ys = cells.numbers(cells.column(table.y, "y"), "y", labels, problems)
    vs = cells.numbers(cells.column(table.v, "v"), "v", labels, problems, "variance")
    details = _details(table, k)
    empty = {"y": np.isnan(ys), "v": np.isnan(vs)}
    own = getattr(table, "vcov", None)
    cov = None
    if V is not None and np.ndim(V) == 1 and not hasattr(V, "tocsr"):
        vs = cells.numbers(cells.column(V, "V"), "V", labels, problems, "variance")
        empty["V"] = np.isnan(vs)
    elif V is not None or own is not None:
        cov = covariance.read_matrix(own if V is None else V, k, labels, problems)
        vs = _diagonal(cov, labels, problems)
        empty = {"y": empty["y"], "V": np.isnan(vs)} if V is not None else empty
    asked = asked_of(question, getattr(table, "question", None))
    return Given(ys, vs, cov, labels, asked, details, empty, Rows(k, table, None, labels), problems)


def asked_of(question: Question | None, own: Question | None) -> Question:
    """The question given, or the table's; with the table's size to turn effects back, if it is of the same measure."""
    if question is None or own is None:
        return question or own or _NOTHING_ASKED
    if own.size is None or question.size is not None or question.measure != own.measure:
        return question
    return replace(question, size=own.size)


def _diagonal(cov: Any, labels: Sequence[str], problems: list[str]) -> np.ndarray:
    return cells.numbers(np.asarray(cov.diagonal()), "V", labels, problems, "variance")


def _limits(ci: Any) -> dict[str, Any]:
    if ci is None:
        return {}
    listed = hasattr(ci, "__len__") and not (isinstance(ci, np.ndarray) and ci.ndim == 0)
    if isinstance(ci, (str, bytes, Mapping)) or not listed or hasattr(ci, "columns") or len(ci) != 2:
        raise InputError("ci must be a pair (low, high) of arrays or column names: the lower and the upper limits.")
    return {"low": ci[0], "high": ci[1]}


def _check_limits(
    out: dict[str, np.ndarray], shown: dict[str, str], labels: Sequence[str], level: float, problems: list[str]
) -> None:
    """Faults of limits: in the wrong order, beside their effect, or so lopsided that they are not on the analysis scale."""
    if "low" not in out:
        return
    low, high, y = out["low"], out["high"], out["y"]
    columns = f"columns {shown['low']} and {shown['high']}"
    turned, outside = low >= high, (low < high) & ((y < low) | (y > high))
    lopsided = (low < high) & ~outside & (np.abs(y - (low + high) / 2) > 0.25 * (high - low))
    for i in np.flatnonzero(turned | outside | lopsided).tolist():
        interval = f"({low[i]:g} to {high[i]:g})"
        if turned[i]:
            said = f"{columns}: the interval runs from {low[i]:g} to {high[i]:g}; the lower limit must be below the upper one."
        elif outside[i]:
            said = (
                f"column {shown['y']}: the effect {y[i]:g} lies outside its own interval {interval}; check the three, and take "
                "logs of ratios and of their limits."
            )
        else:
            said = (
                f"{columns}: the effect {y[i]:g} lies far from the middle of its interval {interval}; take logs of ratios and "
                "of their limits, or give se= where the interval is not a normal one."
            )
        problems.append(f"row {i + 1} ({labels[i]}), {said}")


def _variances(out: dict[str, np.ndarray], level: float) -> np.ndarray | None:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if "v" in out:
            return out["v"]
        if "se" in out:
            return out["se"] ** 2
        if "low" in out:
            from scipy.special import ndtri

            return ((out["high"] - out["low"]) / (-2 * float(ndtri(0.5 - level / 2)))) ** 2
    return None


def is_table(data: Any) -> bool:
    """Whether this is an effect table, or has what one has."""
    if isinstance(data, EffectTable):
        return True
    return not hasattr(data, "columns") and all(hasattr(data, x) for x in ("y", "v", "labels"))


def _details(table: Any, k: int) -> tuple[dict[str, Any], ...]:
    rows = tuple(dict(d) for d in getattr(table, "details", ()))
    if rows and len(rows) != k:
        raise InputError(f"details has {len(rows)} entries for {k} studies; it must have one per study.")
    return rows
