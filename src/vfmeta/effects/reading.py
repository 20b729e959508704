"""The one door: an effect table, a data frame or arrays become checked effects, or one error that lists every fault found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import REACH, Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects.columns import Column, Rows
from vfmeta.effects.effect import Effect
from vfmeta.effects.given import asked_of, given, is_table, refuse_span
from vfmeta.effects.table import EffectTable


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
        refuse_span(ys, vs)
        covariance.refuse_shared(vcov, len(ys), kept)
        rows = Rows(len(ys), data, None, None if data is None and study is None else names)
        return Studies(ys.copy(), vs.copy(), names, asked_of(question, asked), details, (), kept, len(ys), rows)
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
        return data if question is None else replace(data, question=asked_of(question, data.question))
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
    warn_each(notes)
    return table


def _diagonal_of(cov: Any) -> Any:
    from scipy.sparse import diags_array

    return diags_array(cov.diagonal())


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
