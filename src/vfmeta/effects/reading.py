"""The one door: an effect table, a data frame or arrays become checked effects, or one error that lists every fault found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import REACH, Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects.columns import Column, Rows, aligned, as_frame, look_up
from vfmeta.effects.effect import Effect
from vfmeta.effects.table import EffectTable

__all__ = ["Given", "Studies", "effect_table", "given", "is_table", "read"]

USUAL = (("y", "y"), ("v", "v"), ("se", "se"), ("study", "study"))  # columns of a frame that are found by themselves
NO_EFFECTS = (
    "Give an effect table, or y= (effects) with one of v= (their sampling variances), se= (standard errors), V= (covariance "
    "matrix) or ci= (low, high)."
)


@dataclass(frozen=True)
class Studies:
    """Checked input of a pool. ``y`` and ``v`` have shape (k,), k >= 1; ``notes`` are warnings in words about rows dropped.

    ``kept``, of shape (k,), holds the position each study had in the input of ``rows_read`` rows, ``rows`` all of these and
    ``lost`` those dropped.
    """

    y: np.ndarray
    v: np.ndarray
    labels: tuple[str, ...]
    question: Question
    details: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    kept: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    rows_read: int = 0
    rows: Rows = field(default_factory=lambda: Rows(0), repr=False, compare=False)
    lost: tuple[LeftOut, ...] = ()

    @property
    def k(self) -> int:
        return len(self.y)

    def column(self, value: Any, name: str) -> Column:
        """A further column of the studies, by its name in the data or as values, one for every row that was given."""
        return self.rows.column(value, name, self.kept)

    @property
    def origin(self) -> Origin:
        """Where the studies stood in the data, and what was left out."""
        return self.rows.origin(self.kept, self.lost)

    def keep(self, mask: np.ndarray, note: str = "", lost: tuple[LeftOut, ...] = ()) -> Studies:
        """The studies where ``mask`` is true, and why the others are left out."""
        rest = np.flatnonzero(mask)
        notes = (*self.notes, note) if note else self.notes
        return replace(
            self, y=self.y[rest], v=self.v[rest], labels=tuple(self.labels[i] for i in rest.tolist()), kept=self.kept[rest],
            details=tuple(self.details[i] for i in rest.tolist()) if self.details else (), notes=notes,
            lost=(*self.lost, *lost),
        )  # fmt: skip


def read(
    data: Any,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
    level: float = 0.95,
) -> Studies:
    """Check what a pooling function was given: one effect a study.

    Parameters
    ----------
    data : effect table, data frame, mapping of columns, or None
    y, v, se, V, ci, study
        As in `effect_table`; limits are of 95% intervals.
    question : Question, optional
        Overrides the table's.
    missing : {"raise", "drop"}
        Whether a row without ``y`` or ``v`` is an error or is left out with a warning that names it.
    level : float
        Confidence or credible level of the answer, between 0 and 1.
    """
    missing = choice("missing", missing, Missing)
    confidence(level)
    cells.check_question(question)
    fast = _clean(data, y, v, (se, V, ci), study)
    if fast is not None:
        ys, vs, names, details, vcov, asked = fast
        kept = np.arange(len(ys))
        _refuse_span(ys, vs)
        covariance.refuse_shared(vcov, len(ys), kept)
        rows = Rows(len(ys), data, None, None if data is None and study is None else names)
        return Studies(ys.copy(), vs.copy(), names, _asked(question, asked), details, (), kept, len(ys), rows)
    g = given(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question)
    keep, notes = g.complete({}, missing)
    covariance.refuse_shared(g.V, len(g.y), keep)
    return Studies(
        g.y[keep], g.v[keep], tuple(g.labels[i] for i in keep), g.question,
        tuple(g.details[i] for i in keep) if g.details else (), notes, keep, len(g.y), g.rows,
        g.lost(),
    )  # fmt: skip


def effect_table(
    data: Any = None,
    *,
    measure: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> EffectTable:
    """Effects and what is known of their errors, from anything, as the table that every model takes.

    Parameters
    ----------
    data : effect table, data frame or mapping of columns, optional
        A table is handed back. A frame (pandas, polars, pyarrow, or any other that narwhals knows) has a row an effect; the
        arguments below then name its columns, and its columns ``y``, ``v``, ``se`` and ``study`` are found by themselves. All
        its columns ride along: they are moderators, groups and clusters to whatever the table is given to.
    y : array-like of shape (k,), or column name
        Effects on the analysis scale (log for ratios), experimental minus control.
    v, se : array-like of shape (k,), or column name
        Sampling variances, or standard errors: one of the two, or ``V`` or ``ci``.
    V : array-like of shape (k, k)
        Covariance matrix of effects that share patients; a data frame of it is matched to the studies by name.
    ci : (low, high)
        Limits of the confidence interval of each effect, on the analysis scale, each an array or a column name.
    level : float
        Confidence level of ``ci``.
    study : sequence of k names, or column name
        Names of the studies; "study 1" and so on when left out.
    measure : str, optional
        Effect measure, such as "MD" or "OR", where there is no ``question``; "GEN" when left out.
    question : Question, optional
        What is compared.
    missing : {"raise", "drop"}
        Whether a row without its effect or variance is an error, or is left out and named in ``left_out`` and in a warning.

    Returns
    -------
    EffectTable

    Raises
    ------
    InputError
        Every fault with its row and column: text, a variance that is not above 0, limits in the wrong order or beside the
        effect, a matrix that is no covariance.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"trial": ["A", "B"], "d": [-0.5, -0.2], "se": [0.2, 0.3], "dose": [1, 2]}
    >>> table = vf.effect_table(frame, y="d", study="trial")
    >>> table.v.round(2).tolist(), table.frame["dose"].tolist()
    ([0.04, 0.09], [1, 2])
    """
    missing = choice("missing", missing, Missing)
    confidence(level)
    cells.check_question(question)
    if measure is not None:
        if question is not None and question.measure != measure:
            raise InputError(f"The question is about a {question.measure}, measure= says {measure}; give both the same.")
        question = question or Question(measure=measure)
        question.facts  # noqa: B018 -- an unknown measure is told here
    if is_table(data) and all(x is None for x in (y, v, se, V, ci, study)):
        if measure is not None and data.question.measure not in (measure, "GEN"):
            raise InputError(f"The table is about a {data.question.measure}, measure= says {measure}; give both the same.")
        return data if question is None else replace(data, question=_asked(question, data.question))
    g = given(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, once=False, level=level)
    keep, notes = g.complete({}, missing)
    labels = [g.labels[i] for i in keep.tolist()]
    cov = None if g.V is None else g.V[keep][:, keep]
    if cov is not None:
        covariance.positive_definite(cov, labels, keep + 1)
    rows = zip(labels, g.y[keep].tolist(), g.v[keep].tolist(), strict=True)
    table = EffectTable(
        g.question,
        tuple(Effect(study_id=name, label=name, y=a, v=b) for name, a, b in rows),
        g.lost(),
        extra=None if g.rows.frame is None else g.rows.frame.iloc[keep].reset_index(drop=True),
        places=keep,
        rows_read=len(g.y),
        vcov=None if cov is None or not (cov - _diagonal_of(cov)).count_nonzero() else cov.toarray(),
    )
    for note in notes:
        warn(note)
    return table


def _refuse_span(y: np.ndarray, v: np.ndarray) -> None:
    if len(y) and (fault := cells.span(y, v)):
        raise InputError(f"{fault[:1].upper()}{fault[1:]}.")


def _diagonal_of(cov: Any) -> Any:
    from scipy.sparse import diags_array

    return diags_array(cov.diagonal())


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
        _refuse_span(self.y[keep], self.v[keep])
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

    found = look_up({name: x for name, x in wanted.items() if x is not None}, frame)
    values, k, index = aligned(found, frame)
    if k == 0:
        raise InputError(cells.EMPTY)
    problems: list[str] = []
    shown = {name: x.shown for name, x in found.items()}
    labels = cells.names(
        values.get("study"), k, shown=shown.get("study", "study"), noun=noun, once=once, problems=problems,
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
        cov = covariance.read_matrix(V, k, labels, problems, "study" in values)
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
    if k == 0:
        raise InputError(cells.EMPTY)
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
    asked = _asked(question, getattr(table, "question", None))
    return Given(ys, vs, cov, labels, asked, details, empty, Rows(k, table, None, labels), problems)


def _asked(question: Question | None, own: Question | None) -> Question:
    """The question given, or the table's; with the table's size to turn effects back, if it is of the same measure."""
    if question is None or own is None:
        return question or own or Question()
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


def _clean(data: Any, y: Any, v: Any, others: tuple[Any, ...], study: Any) -> tuple[Any, ...] | None:
    """What is plainly in order, so that nothing need be looked for: a table or two arrays of floats without a fault."""
    if any(x is not None for x in others):
        return None
    if isinstance(data, EffectTable) and y is None and v is None and study is None:
        ys, vs, names, vcov, asked = data.y, data.v, data.labels, data.vcov, data.question
        details: Any = data.details
    elif data is None and not hasattr(study, "index"):
        ys, vs, names, details, vcov, asked = y, v, study, (), None, None
    else:
        return None
    for x in (ys, vs):
        if type(x) is not np.ndarray or x.dtype != float or x.ndim != 1:
            return None
    if ys.shape != vs.shape or not len(ys):
        return None
    if not (np.abs(ys).max() <= REACH and vs.min() >= REACH**-2 and vs.max() <= REACH**2):  # NaN is not
        return None
    return ys, vs, cells.names(names, len(ys)), details, vcov, asked
