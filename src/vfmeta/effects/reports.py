"""Reports in: what a trial says of its result, whether or not it prints a figure, as limits between which its estimate lay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import ReportKind, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import Rows, aligned, as_frame, given_columns, look_up, row_names
from vfmeta.effects.given import is_table
from vfmeta.effects.table import EffectTable

COLUMNS = ("study", "kind", "y", "se", "n1", "n2", "p", "direction", "instrument", "score")
_NO_SE = (
    "give it, or the sizes of both arms, n1 and n2, from which that of a standardised mean difference follows, and with the SD "
    "of the instrument that of a mean difference"
)
USUAL_LEVEL = 0.05  # what "significant" means where a trial does not say


@dataclass(frozen=True)
class Reports:
    """Checked reports, one a trial; arrays are (k,).

    ``y`` is the printed estimate, or the one that a printed p value and the standard error make, NaN where there is none; the
    estimate then lay between ``low`` and ``high``. ``given`` holds the columns as they were given, empty cells as NaN.

    Where the standard error is unknown ``se`` is NaN, ``unit`` is that of an SD of 1 (NaN where it is known), ``instruments``
    names what the SD is of, and ``y``, ``low`` and ``high`` are in standard errors, but for a printed ``y``. ``cut`` is a bound
    on the standard error that a printed estimate and words make: an upper one if positive, a lower one if negative.
    """

    kinds: tuple[str, ...]
    y: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    given: dict[str, np.ndarray]
    labels: tuple[str, ...]
    question: Question
    details: tuple[dict[str, Any], ...]
    origin: Origin
    unit: np.ndarray
    instruments: tuple[str, ...]
    cut: np.ndarray

    @property
    def k(self) -> int:
        return len(self.y)


def read_reports(data: Any, *, question: Question | None, **columns: Any) -> Reports:
    """Check reports, or raise one error that lists every fault by row and column.

    Parameters
    ----------
    data : effect table, data frame, mapping of columns, or None
        Columns named as in `COLUMNS` are found by themselves.
    question : Question, optional
        Overrides the table's.
    **columns
        Of `COLUMNS`: names of columns, or values.
    """
    cells.check_question(question)
    if is_table(data) and not isinstance(data, EffectTable):
        raise InputError(f"Reports are read from an effect table or a data frame, not from {kind_of(data)}.")
    if is_table(data):
        question = question or data.question
        data = _without_doubles(data)
        frame = (data.reported if data.words else data.frame).rename(columns={"n_experimental": "n1", "n_control": "n2"})
        if "kind" not in frame and columns.get("kind") is None:
            frame = frame.assign(kind="full")
    else:
        frame = None if data is None else as_frame(data)
    question = question or Question()
    wanted = dict(columns)
    if frame is not None:
        wanted |= {name: name for name in COLUMNS if wanted[name] is None and name in frame.columns}
    if wanted["kind"] is None:
        raise InputError(
            f"Give kind=, what each trial reports: one of {', '.join(map(repr, ReportKind.__args__))}."  # type: ignore[attr-defined]
        )
    values, called, k, index = given_columns(wanted, frame)
    shown = {name: called.get(name, name) for name in COLUMNS}
    problems: list[str] = []
    labels = cells.names(values.get("study", row_names(index)), k, shown=shown["study"], problems=problems)
    kinds = _kinds(values["kind"], shown["kind"], labels, problems)
    positive = {"se": "error", "n1": "size", "n2": "size"}
    given = {
        name: cells.numbers(values[name], shown[name], labels, problems, positive.get(name, ""))
        if name in values
        else np.full(k, np.nan)
        for name in ("y", "se", "n1", "n2", "p")
    }
    given["direction"] = _directions(values.get("direction"), k, shown["direction"], labels, question, problems)
    unit = np.sqrt(1 / given["n1"] + 1 / given["n2"])
    instruments = instrument_names(values.get("instrument"), values.get("score"), k)
    sized = question.measure in ("MD", "SMD") and question.null_effect == 0 and not np.isnan(unit).all()
    y, low, high, cut = np.full(k, np.nan), np.full(k, -np.inf), np.full(k, np.inf), np.full(k, np.nan)
    known = {p.partition(": ")[0] for p in problems}
    unsized = []
    for i, kind in enumerate(kinds):
        row = {name: float(x[i]) for name, x in given.items()}
        faults = _faults(kind, row, question, sized)
        placed = [(cells.place(i, labels, shown[c]), said) for c, said in faults]
        problems += [at + said for at, said in placed if at[:-2] not in known]
        if faults or not kind:
            continue
        null = question.null_effect or 0.0
        if kind == "p_exact" and math.isnan(row["se"]) and not math.isnan(row["y"]):
            given["se"][i] = row["se"] = abs(row["y"] - null) / z_of(row["p"])
        elif question.measure == "SMD" and math.isnan(row["se"]) and not math.isnan(unit[i]):
            row["y"], row["se"] = _standardised(kind, row)
            given["se"][i] = row["se"]
        if math.isnan(row["se"]):
            if math.isnan(unit[i]):
                unsized.append(i)
            y[i], low[i], high[i], cut[i] = _in_errors(kind, row)
        else:
            unit[i] = np.nan
            y[i], low[i], high[i] = _said(kind, row, null)
    if problems:
        raise InputError(problems)
    kept, lost = _without_sizes(unsized, k, labels)
    origin = Rows(k, data if is_table(data) else frame).origin(kept, lost)
    sides = {"n_experimental": given["n1"], "n_control": given["n2"]}
    details = tuple({name: float(n[i]) for name, n in sides.items() if not math.isnan(n[i])} for i in kept.tolist())
    return Reports(
        tuple(kinds[i] for i in kept), y[kept], given["se"][kept], low[kept], high[kept],
        {name: x[kept] for name, x in given.items()}, tuple(labels[i] for i in kept), question, details if any(details) else (),
        origin, unit[kept], tuple(instruments[i] for i in kept), cut[kept],
    )  # fmt: skip


def instrument_names(instrument: Any, score: Any, k: int) -> tuple[str, ...]:
    """What the SDs of rows are of: the instrument and the kind of score, "" where neither is named."""

    def texts(values: Any) -> list[str]:
        return [""] * k if values is None else ["" if cells.is_missing(x) else str(x).strip() for x in values]

    return tuple(", ".join(x for x in pair if x) for pair in zip(texts(instrument), texts(score), strict=True))


def _without_sizes(rows: list[int], k: int, labels: Sequence[str]) -> tuple[np.ndarray, tuple[LeftOut, ...]]:
    """Places of the rows that are kept, and those left out as neither their standard error nor their sizes are known."""
    why = "neither a standard error nor the sizes of both arms are known"
    lost = tuple(LeftOut(study_id=labels[i], label=labels[i], reason=why) for i in rows)
    if len(rows) == k:
        raise InputError(f"Nothing is left to pool: of every trial {why}.")
    if rows:
        warn(f"Left out: {', '.join(labels[i] for i in rows)}; {why}.")
    return np.delete(np.arange(k), rows), lost


def z_of(p: float) -> float:
    """The z of a two-sided p value."""
    from statistics import NormalDist

    return -NormalDist().inv_cdf(p / 2)


def _kinds(values: Any, shown: str, labels: Sequence[str], problems: list[str]) -> tuple[str, ...]:
    out = []
    for i, value in enumerate(values):
        at = cells.place(i, labels, shown)
        out.append("")
        if cells.is_missing(value) or (isinstance(value, str) and not value.strip()):
            problems.append(f"{at}missing value; say what the trial reports.")
            continue
        try:
            out[-1] = choice("kind", value.strip() if isinstance(value, str) else value, ReportKind)
        except InputError as error:
            problems.append(f"{at}{error}")
    return tuple(out)


def _directions(values: Any, k: int, shown: str, labels: Sequence[str], question: Question, problems: list[str]) -> np.ndarray:
    """Signs of the estimates, NaN where none is given."""
    out = np.full(k, np.nan)
    if values is None:
        return out
    for i, value in enumerate(values.tolist() if isinstance(values, np.ndarray) else values):
        at = cells.place(i, labels, shown)
        word = value.strip() if isinstance(value, str) else value
        if cells.is_missing(word) or (isinstance(word, str) and not word):
            continue
        if isinstance(word, str) and word in ("experimental", "control"):
            if question.higher_is_worse is None:
                problems.append(
                    f"{at}{word!r} names the better arm, and nothing says which way is better; give a question with "
                    "higher_is_worse=, or -1 or 1, the sign of y."
                )
            else:
                out[i] = -1.0 if (word == "experimental") == question.higher_is_worse else 1.0
        elif isinstance(word, (int, float, np.integer, np.floating)) and not isinstance(word, bool) and word in (-1, 1):
            out[i] = float(word)
        else:
            problems.append(f'{at}{word!r} is no direction; give -1 or 1, the sign of y, or "experimental" or "control".')
    return out


def _faults(kind: str, row: dict[str, float], question: Question, sized: bool) -> list[tuple[str, str]]:
    """What a report of this kind lacks or contradicts: (column, sentence); ``sized``: arm sizes may make a standard error."""
    has = {name: not math.isnan(x) for name, x in row.items()}
    null = question.null_effect or 0.0
    out: list[tuple[str, str]] = []

    def need(name: str, why: str) -> None:
        if not has[name]:
            out.append((name, f"missing value; {why}."))

    if has["p"] and not 0 < row["p"] < 1:
        return [("p", f"{row['p']:g} is no p value; it must lie between 0 and 1.")]
    if kind == "full":
        need("y", "a full report prints its estimate")
        need("se", 'a full report prints its standard error; where it does not, its kind is "estimate_only"')
    elif kind == "estimate_only":
        need("y", "this kind prints its estimate")
        if has["se"]:
            out.append(("se", 'the standard error is known, so the kind is "full".'))
    elif kind == "p_exact":
        need("p", "this kind prints its p value")
        if has["se"] and has["y"]:
            out.append(("se", 'estimate and standard error are printed, so the kind is "full".'))
        elif not has["y"]:
            need("direction", "a two-sided p value does not say which way; give -1 or 1, the sign of y")
        elif row["y"] == null:
            out.append(("y", "an estimate of no difference has no standard error that a p value could tell."))
    elif kind == "p_bound":
        need("p", "give the bound, such as 0.001 of p < 0.001")
        if not has["y"]:
            need("direction", "a bound on a two-sided p value does not say which way; give -1 or 1, the sign of y")
    elif kind in ("significant", "direction") and not has["y"]:
        need("direction", "say which way: -1 or 1, the sign of y")
    if kind in ("p_bound", "significant") and has["y"] and row["y"] == null:
        out.append(("y", "an estimate of no difference is not significant, however small its standard error."))
    if has["y"] and has["direction"] and (row["y"] - null) * row["direction"] < 0:
        out.append(("direction", f"the direction is {row['direction']:g}, the estimate {row['y']:g} lies on the other side."))
    if kind in ("p_bound", "significant", "not_significant", "direction") and has["y"] and has["se"]:
        out.append(("se", 'estimate and standard error are printed, so the kind is "full".'))
    if kind not in ("", "full") and not has["se"] and not sized and not (kind == "p_exact" and has["y"]):
        out.append(("se", f"missing value; {_NO_SE}."))
    return out


def _said(kind: str, row: dict[str, float], null: float) -> tuple[float, float, float]:
    """The estimate, or NaN and the limits between which it lay."""
    y, se, sign = row["y"], row["se"], row["direction"]
    if not math.isnan(y):
        return y, -math.inf, math.inf
    if kind == "p_exact":
        return null + sign * z_of(row["p"]) * se, -math.inf, math.inf
    if kind == "direction":
        return math.nan, *_beyond(null, sign, 0.0)
    reach = z_of(USUAL_LEVEL if math.isnan(row["p"]) else row["p"]) * se
    if kind != "not_significant":
        return math.nan, *_beyond(null, sign, reach)
    return math.nan, null - reach * (sign != 1), null + reach * (sign != -1)


def _standardised(kind: str, row: dict[str, float]) -> tuple[float, float]:
    """Estimate and standard error of a standardised mean difference, whose SD is 1: that of no difference where none is known.

    The SD within the arms is the unit, so that a p value and the sizes are the estimate, and the standard error is the usual
    one: ``1/n1 + 1/n2 + y^2 / (2 (n1 + n2))``, squared (Hedges 1982, equation 8).
    """
    y, n1, n2 = row["y"], row["n1"], row["n2"]
    least = math.sqrt(1 / n1 + 1 / n2)
    if kind == "p_exact":
        y = row["direction"] * z_of(row["p"]) * least
    return y, least if math.isnan(y) else math.hypot(least, y / math.sqrt(2 * (n1 + n2)))


def _in_errors(kind: str, row: dict[str, float]) -> tuple[float, float, float, float]:
    """Estimate and limits in standard errors, or the printed estimate itself, and the bound on the standard error."""
    if math.isnan(row["y"]):
        return (*_said(kind, row | {"se": 1.0}, 0.0), math.nan)
    cut = math.nan
    if kind in ("p_bound", "significant", "not_significant") and row["y"] != 0:
        most = abs(row["y"]) / z_of(USUAL_LEVEL if math.isnan(row["p"]) else row["p"])
        cut = -most if kind == "not_significant" else most
    return row["y"], -math.inf, math.inf, cut


def _beyond(null: float, sign: float, reach: float) -> tuple[float, float]:
    return (null + reach, math.inf) if sign > 0 else (-math.inf, null - reach)


def _without_doubles(table: Any) -> Any:
    """The table, with those left out of it who give no report either."""
    if not table.words:
        return table
    why = {x.study_id: x for x in table.words.left_out}
    lost = tuple(why.get(x.study_id, x) for x in table.left_out if not table.words.named(x.study_id))
    return replace(table, left_out=lost)


def sds_of(data: Any) -> Any:
    """The SDs that came with an effect table, as `read_sds` takes them; None where none did."""
    words = getattr(data, "words", None) if is_table(data) else None
    rows = words.sds if words else ()
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else None


def read_sds(sds: Any) -> tuple[dict[str, Any], ...]:
    """Printed SDs, one a trial and instrument: rows of ``instrument``, ``sd`` and ``df``; arms of a trial are put together.

    Parameters
    ----------
    sds : data frame or mapping of columns, or None
        ``sd`` and ``n`` (patients it is of), with ``instrument`` and ``score`` as the reports name them; rows of one ``study``
        are its arms, and without that column each row is a trial.
    """
    if sds is None:
        return ()
    if isinstance(sds, (list, tuple)) or np.ndim(sds) == 1:
        raise InputError("sds holds numbers alone; give a data frame or mapping with the columns sd and n.")
    names = ("sd", "n", "study", "instrument", "score")
    if isinstance(sds, dict) and {"sd", "n"} <= sds.keys() and all(isinstance(x, (list, np.ndarray)) for x in sds.values()):
        frame, wanted = None, {name: sds[name] for name in names if name in sds}  # no frame is made of plain columns
    else:
        frame = as_frame(sds)
        wanted = {name: name for name in names if name in frame.columns or name in ("sd", "n")}
    found = look_up(wanted, frame)
    values, k, _ = aligned(found, frame)
    problems: list[str] = []
    rows = tuple(f"SD {i + 1}" for i in range(k))
    sd, n = (cells.numbers(values[x], x, rows, problems, how, gap=cells.FILL) for x, how in (("sd", ""), ("n", "size")))
    for i in range(k):
        if sd[i] <= 0:
            problems.append(f"{cells.place(i, rows, 'sd')}the SD is {sd[i]:g}; it must be greater than 0.")
        if n[i] < 2:
            problems.append(f"{cells.place(i, rows, 'n')}an SD of {n[i]:g} patients; at least 2 have one.")
    if problems:
        raise InputError(problems)
    named = instrument_names(values.get("instrument"), values.get("score"), k)
    trials = cells.names(values.get("study"), k, shown="study", once=False, problems=problems) if "study" in values else rows
    squares: dict[tuple[str, str], tuple[float, float]] = {}
    for i in range(k):
        total, df = squares.get((named[i], trials[i]), (0.0, 0.0))
        squares[named[i], trials[i]] = total + (n[i] - 1) * sd[i] ** 2, df + n[i] - 1
    return tuple({"instrument": name, "sd": math.sqrt(total / df), "df": df} for (name, _), (total, df) in squares.items())
