"""The effect table: one row an effect, each row knowing the table rows it came from and the steps taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.effects import dependence, table_rows
from vfmeta.effects.effect import Effect
from vfmeta.effects.words import Words, chain, says
from vfmeta.results.shown import Displayed, Shown
from vfmeta.text import numbers as tx
from vfmeta.text.trace import SOURCE, chain_lines, console_lines

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.results.risk_of_bias import RiskOfBias


@dataclass(frozen=True)
class EffectTable(Displayed):
    """Effects that answer one question.

    Any model takes it; ``frame`` shows it as a data frame, ``trace(study)`` prints the chain from an effect down to its
    citation, ``left_out`` lists the studies of the question that gave no effect. ``vcov`` is the covariance matrix where
    effects share patients, None where they do not; it is NaN where effects lie at different times or are of different outcomes,
    until `correlated` is told how these correlate. ``words`` holds what studies without an effect say in words, where they were
    asked for: `reported` joins both for `vf.bayes.reports`, and nothing else looks at them. ``extra`` holds further columns, a
    row an effect: those of the data that the table was made from, and what `joined_with` brought. ``places`` (k,) says which of
    the ``rows_read`` rows of the data each effect came from, so that further columns of the same data still fit after rows were
    left out. ``taken`` says, of a table read from a sheet, what each column was taken for, and which measure; ``bias``
    holds the judgements of risk of bias that stood beside the data.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_table(y=[-0.5, -0.2], se=[0.2, 0.3], study=["A", "B"])
    >>> table.without("B").labels
    ('A',)
    """

    question: Question
    effects: tuple[Effect, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    citations: dict[str, str] = field(default_factory=dict, repr=False)
    vcov: np.ndarray | None = None
    words: Words | None = field(default=None, repr=False)
    extra: pd.DataFrame | None = field(default=None, repr=False, compare=False)
    places: np.ndarray | None = field(default=None, repr=False, compare=False)
    rows_read: int = field(default=0, repr=False, compare=False)
    taken: tuple[str, ...] = field(default=(), repr=False, compare=False)
    bias: RiskOfBias | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = [e.size for e in self.effects if e.size is not None]
        if self.question.facts.scale.sized and sizes:
            object.__setattr__(self, "question", replace(self.question, size=len(sizes) / sum(1 / n for n in sizes)))

    def __len__(self) -> int:
        return len(self.effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self.effects)

    @cached_property
    def y(self) -> np.ndarray:
        """Effects, shape ``(k,)``, on the analysis scale."""
        return np.array([e.y for e in self.effects], dtype=float)

    @cached_property
    def v(self) -> np.ndarray:
        """Sampling variances, shape ``(k,)``."""
        return np.array([e.v for e in self.effects], dtype=float)

    def covariance(self, *, phi: float | None = None, rho: dependence.Rho | None = None) -> np.ndarray:
        """Covariance matrix of the effects from the arms they share.

        Two effects of one cohort covary through every arm that is in both: for MD, log RR, log OR and RD by the variance of
        that arm's mean or (log) risk or odds, for SMD also by that of its SD (Gleser & Olkin 2009, in Cooper, Hedges &
        Valentine, The Handbook of Research Synthesis, ch. 19). Where the arms are not known one by one, as with a printed
        difference or hazard ratio, the variance is shared out by their sizes.

        Parameters
        ----------
        phi : float, optional
            Correlation of the outcome in a patient with itself a week later, 0 to 1; t weeks later it is ``phi ** t`` (Ishak et
            al. 2007, Clin Trials 4:525-539). Needed where a cohort has effects at several times.
        rho : float or mapping, optional
            Correlation of different outcomes in a patient, -1 to 1 (Wei & Higgins 2013, Stat Med 32:1191-1205), all alike or
            ``{("pain", "disability"): 0.6}`` by the names in ``frame``. Needed where a cohort has several outcomes.

        Returns
        -------
        numpy.ndarray of shape (k, k)
            Zero between cohorts; the diagonal is ``v``.

        Raises
        ------
        InputError
            A correlation that is needed is not given or lies out of range; several effects of a study whose arms are not named.
        """
        return self._known(phi, rho)[0]

    def correlated(self, *, phi: float | None = None, rho: dependence.Rho | None = None) -> EffectTable:
        """The same table with ``vcov`` from `covariance`, and with what was assumed among its ``notes``.

        Examples
        --------
        >>> import vfmeta as vf
        >>> table = vf.compare(vf.load_trials(), "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", measure="MD",
        ...                    points=(0, 10), weeks={13: (8, 20), 52: (40, 60)})
        >>> fit = vf.multivariate(table.correlated(phi=0.98), random="1 | study_id", formula="~ 0 + C(target_week)")
        """
        V, assumed = self._known(phi, rho)
        return replace(self, vcov=V, notes=(*self.notes, *assumed))

    def one_each(self) -> EffectTable:
        """The same table with effects that share patients combined by the inverse of their covariance, one a trial.

        Any pool of it is that of the multivariate model in which all comparisons of a trial estimate one true effect.

        Examples
        --------
        >>> import vfmeta as vf
        >>> table = vf.compare(vf.load_trials(), "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", week=52,
        ...                    window=(40, 60), measure="MD", points=(0, 10), multi_arm="each")
        >>> len(table.one_each()) == len(table)  # no trial has two such comparisons
        True
        """
        if self.vcov is None:
            return self
        V, assumed = self._known(None, None)
        effects = dependence.one_each(self.effects, V)
        return replace(
            self,
            effects=effects,
            vcov=None,
            extra=None,
            places=None,
            rows_read=0,
            notes=tuple(dict.fromkeys((*self.notes, *assumed))),
        )

    def _known(self, phi: float | None, rho: dependence.Rho | None) -> tuple[np.ndarray, tuple[str, ...]]:
        V, assumed = dependence.covariance(self._named(), self.question.measure, phi, rho)
        if np.isnan(V).any():
            i, j = np.argwhere(np.isnan(V))[0]
            one, two = self.effects[i], self.effects[j]
            apart = phi is None and one.week != two.week
            need = "phi, the correlation of an outcome with itself a week later" if apart else "rho, that of different outcomes"
            raise InputError(f"{self._name(one)} and {self._name(two)} share patients; give {need}.")
        return V, assumed

    def _named(self) -> tuple[Effect, ...]:
        """The effects, each with its outcome."""
        return tuple(e if e.outcome else replace(e, outcome=self.question.outcome) for e in self.effects)

    def joined(self, *others: EffectTable) -> EffectTable:
        """One table of this and other tables, each row knowing its outcome; for several outcomes of the same trials.

        Raises
        ------
        InputError
            The tables are of different measures.
        """
        tables = (self, *others)
        measures = dict.fromkeys(t.question.measure for t in tables)
        if len(measures) > 1:
            raise InputError(f"Effects of different measures ({', '.join(measures)}) are not joined; make the tables alike.")
        first = self.question

        def common(name: str, otherwise: Any) -> Any:
            values = [getattr(t.question, name) for t in tables]
            return values[0] if all(x == values[0] for x in values) else otherwise

        outcomes = dict.fromkeys(e.outcome for t in tables for e in t._named())
        question = replace(
            first, outcome="; ".join(outcomes) or first.outcome,
            higher_is_worse=common("higher_is_worse", None), points=common("points", None), mid=common("mid", None),
            mid_source=common("mid_source", ""),
        )  # fmt: skip
        citations: dict[str, str] = {}
        for t in tables:
            citations |= t.citations
        joined = EffectTable.of(
            question, tuple(e for t in tables for e in t._named()), tuple(x for t in tables for x in t.left_out),
            tuple(dict.fromkeys(n for t in tables for n in t.notes)), citations,
        )  # fmt: skip
        if all(t.extra is None for t in tables):
            return joined
        import pandas as pd

        extra = [pd.DataFrame(index=range(len(t))) if t.extra is None else t.extra for t in tables]
        return replace(joined, extra=pd.concat(extra, ignore_index=True))

    def joined_with(self, data: Any, on: str = "study") -> EffectTable:
        """The same table with the columns of a data frame that has a row a study, matched by name.

        Parameters
        ----------
        data : data frame or mapping of columns
            Pandas, polars, pyarrow or any other that narwhals knows. Rows of other studies are passed over.
        on : str
            The column that names the studies, in ``data`` and in this table's `frame` ("study", "study_id", or one that rides
            along).

        Raises
        ------
        InputError
            Studies without a row (all of them named), a study with two, a column that the table has already.

        Examples
        --------
        >>> import vfmeta as vf
        >>> table = vf.effect_table(y=[-0.5, -0.2, 0.1], se=[0.2, 0.3, 0.2], study=["A", "B", "C"])
        >>> table = table.joined_with({"study": ["C", "B", "A"], "dose": [3, 2, 1]})
        >>> table.frame["dose"].tolist()
        [1, 2, 3]
        """
        import pandas as pd

        brought = table_rows.matched(self.frame, data, on)
        return replace(self, extra=brought if self.extra is None else pd.concat([self.extra, brought], axis=1))

    @classmethod
    def of(
        cls,
        question: Question,
        effects: tuple[Effect, ...],
        left_out: tuple[LeftOut, ...] = (),
        notes: tuple[str, ...] = (),
        citations: dict[str, str] | None = None,
    ) -> EffectTable:
        """A table that knows what it can of its ``vcov``: None where no cohort has more than one effect."""
        table = cls(question, effects, left_out, notes, citations or {})
        if not dependence.shares_patients(effects):
            return table
        V, assumed = dependence.covariance(table._named(), question.measure, None, None)
        if not np.any(V - np.diag(table.v)):
            return table  # parts of a cohort that share no arm
        return replace(table, vcov=V, notes=notes if np.isnan(V).any() else (*notes, *assumed))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(e.label for e in self.effects)

    @property
    def details(self) -> tuple[dict[str, Any], ...]:
        """What tables and figures show beside each effect."""
        return table_rows.details(self.effects)

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a data frame, one row an effect, with the columns that ride along.

        A column of the data stands in place of the table's own of that name, but for ``study``, ``y``, ``v`` and ``se``: where
        the data's differ, they stand beside it as "y (data)".
        """
        return table_rows.frame(self.question, self.effects, self.extra)

    def without(self, *study_ids: str) -> EffectTable:
        """The same table without some studies.

        Raises
        ------
        InputError
            A study has no effect in this table.
        """
        said = {r.study_id for r in self.words.reports} if self.words else set()
        strangers = set(study_ids) - {e.study_id for e in self.effects} - said
        if strangers:
            known = ", ".join(dict.fromkeys(e.study_id for e in self.effects)) or "none"
            raise InputError(f"No study {', '.join(sorted(strangers))} in this table; its studies are: {known}.")
        kept = [i for i, e in enumerate(self.effects) if e.study_id not in study_ids]
        part = self._part(kept)
        return replace(part, words=self.words.without(study_ids)) if self.words else part

    @property
    def reported(self) -> pd.DataFrame:
        """The effects as full reports, and below them what other studies say in words; the rows of `vf.bayes.reports`."""
        import pandas as pd

        own = self.frame.assign(kind="full", p=math.nan, direction=math.nan, instrument="", score="")
        if self.words is None or not self.words.reports:
            return own
        said = self.words.frame(self.question)
        return said if own.empty else pd.concat([own, said], ignore_index=True)

    @property
    def weeks(self) -> tuple[float, ...]:
        """The target weeks of a table of several times, in order."""
        return tuple(sorted({e.target_week for e in self.effects if e.target_week is not None}))

    def at(self, week: float) -> EffectTable:
        """The effects of one target week, for a pool of that time.

        Raises
        ------
        InputError
            The table has no effect for this target week.
        """
        kept = [i for i, e in enumerate(self.effects) if e.target_week == week]
        if not kept:
            known = ", ".join(f"{w:g}" for w in self.weeks) or "none"
            raise InputError(f"No effect for target week {week:g}; the target weeks of this table are: {known}.")
        return self._part(kept)

    def _part(self, kept: list[int]) -> EffectTable:
        V = None if self.vcov is None else self.vcov[np.ix_(kept, kept)]
        if V is not None and not np.any(V - np.diag(self.v[kept])):
            V = None
        extra = None if self.extra is None else self.extra.iloc[kept].reset_index(drop=True)
        places = None if self.places is None else self.places[kept]
        return replace(self, effects=tuple(self.effects[i] for i in kept), vcov=V, extra=extra, places=places)

    def trace(self, study: str) -> str:
        """The chain behind a study's effect, from ``y`` and ``v`` down to the citation, as text.

        Parameters
        ----------
        study : str
            Study id or label.

        Raises
        ------
        InputError
            The study has no effect in this table; the message says why, where a reason is known.
        """
        hits = [e for e in self.effects if study in (e.study_id, e.label)]
        if not hits and self.words and self.words.named(study):
            return "\n".join(chain(r, self.question, self.citations) for r in self.words.named(study))
        if not hits:
            why = [f"{x.label} was left out: {x.reason}" for x in self.left_out if study in (x.study_id, x.label)]
            known = ", ".join(e.study_id for e in self.effects) or "none"
            raise InputError(why[0] if why else f"No study {study!r} in this table; its studies are: {known}.")
        lines: list[str] = []
        for e in hits:
            week = "" if e.week is None else f", week {tx.short(e.week)}"
            both = f"y = {tx.short(e.y, 6)}, se = {tx.short(np.sqrt(e.v), 6)}"
            lines.append(f"{e.label}{week}: {both} ({self.question.facts.analysis_name})")
            sources = [(SOURCE, f"{s}: {self.citations.get(s, '')}") for s in e.sources]
            lines += console_lines([*chain_lines(e.printed, e.steps, e.unused), *sources])
        return "\n".join(lines)

    def _name(self, e: Effect) -> str:
        """The label of an effect, with what tells it from others of the same study."""
        week = "" if e.target_week is None or e.week is None else f", week {tx.short(e.week)}"
        several = len({x.outcome for x in self.effects}) > 1
        return e.label + (f", {e.outcome}" if several and e.outcome else "") + week

    def __str__(self) -> str:
        q = self.question
        head = f"{tx.compared(q)} ({q.shown}), k = {len(self)}"
        of = f"se {tx.spread_of(q)}".rstrip()
        each = [q if e.size is None else replace(q, size=e.size) for e in self.effects]
        rows = [
            f"  {self._name(e)}: {tx.short(own.display(e.y))} ({of} {tx.short(np.sqrt(e.v))})"
            for e, own in zip(self.effects, each, strict=True)
        ]
        rows += [f"  words only: {r.label}: {says(r, q)}" for r in (self.words.reports if self.words else ())]
        rows += [f"  left out: {x.label} ({x.reason})" for x in self.left_out]
        return "\n".join([head, *rows, *(f"  {x}" for x in self.taken)])

    def __repr__(self) -> str:
        return str(self)

    def _display(self) -> Shown:
        q = self.question
        head, *_ = str(self).splitlines()
        each = [q if e.size is None else replace(q, size=e.size) for e in self.effects]
        rows = [
            (self._name(e), tx.short(own.display(e.y)), tx.short(float(np.sqrt(e.v))), tx.arm_text(e.n[0]), tx.arm_text(e.n[1]))
            for e, own in zip(self.effects, each, strict=True)
        ]
        said = [f"Words only: {r.label}: {says(r, q)}" for r in (self.words.reports if self.words else ())]
        said += [f"Left out: {x.label} ({x.reason})" for x in self.left_out]
        said += [f"{x[:1].upper()}{x[1:]}" for x in self.taken]
        columns = ("study", q.shown, f"se {tx.spread_of(q)}".rstrip(), f"n {q.experimental}", f"n {q.control}")
        return Shown(head, columns, tuple(rows), tuple(said))

    def _written(self) -> Shown:
        return replace(self._display(), frame=self.frame)
