"""The figures of one study that could answer a question, each ready to become an effect or to say why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from vfmeta.core import measures
from vfmeta.effects.compare import armlevel, published
from vfmeta.effects.compare.options import Options
from vfmeta.effects.compare.published import Unusable
from vfmeta.text import numbers as tx
from vfmeta.text.codes import NOT_TAKEN, flags_text
from vfmeta.trials import Trials, schema

NO_TIME = "no time printed"
_SAME = ("definition", "time_kind", "analysis_set")


@dataclass(frozen=True)
class Made:
    """An effect before it is placed in a table."""

    y: float
    v: float
    n: tuple[float | None, float | None]
    events: tuple[float | None, float | None]
    steps: tuple[str, ...]
    arms: tuple[str, str]
    value_type: str
    arm_variances: tuple[float | None, float | None] = (None, None)
    interval: tuple[float, float, float] | None = None
    made: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """Rows of one study, one time and one kind; ``make`` turns them into effects or raises `Unusable`.

    ``absent`` names arms of the question that have no such row; ``derived`` marks a change made from finals and baselines.
    """

    preference: str
    figures: tuple[Any, ...]
    make: Callable[[], list[Made]]
    size: float
    absent: tuple[str, ...] = ()
    derived: bool = False

    @property
    def week(self) -> float:
        return self.figures[0].week if self.figures[0].week is not None else math.nan

    @property
    def span(self) -> tuple[float, float]:
        return span_of(self.figures[0])

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(f.row_id for f in self.figures)

    @property
    def at(self) -> str:
        return time_of(self.figures[0])


def time_of(figure: Any) -> str:
    """The time of a figure as printed."""
    if getattr(figure, "time_low", None) is not None:
        return f"{figure.time_low:g} to {figure.time_high:g} {figure.time_unit}s, the visit not printed"
    if figure.time_value is None:
        return NO_TIME
    return f"{figure.time_value:g} {figure.time_unit}{'' if figure.time_value == 1 else 's'}"


def span_of(figure: Any) -> tuple[float, float]:
    """First and last week a figure may be of: its visit, or the ends of the printed range; NaN where no time is printed."""
    if figure.week is not None:
        return figure.week, figure.week
    low, high = (getattr(figure, x, None) for x in ("week_low", "week_high"))
    return (math.nan, math.nan) if low is None or high is None else (low, high)


class Finder:
    """Candidates of a study for one question."""

    def __init__(self, trials: Trials, options: Options) -> None:
        self.trials, self.options = trials, options
        self.binary = measures.row(options.measure).kind == "events"
        self.made_of_arms = bool({measures.MEANS, measures.EVENTS} & set(measures.row(options.measure).inputs))
        self.worse: bool | None = None
        outcome = trials.entries("outcomes").get(options.outcome)
        self.harm = outcome is not None and outcome.domain == "harm"

    def figures(self, table: str, study_id: str) -> list[Any]:
        """All figures of a study on the outcome, whatever they are worth."""
        return self.trials.figures.get((table, study_id, self.options.outcome), [])

    def usable(self, table: str, study_id: str) -> list[Any]:
        """Figures of a study on the outcome that the options let in."""
        return [f for f in self.figures(table, study_id) if not self.refusal(f)]

    def is_baseline(self, f: Any) -> bool:
        """A figure from before treatment: time 0, save for a harm, which is then one of the procedure itself."""
        if f.time_value != 0:
            return False
        counted = f.table == "outcomes_binary" or (
            f.table == "contrasts" and published.facts_of(f.measure).kind in ("events", "times to an event")
        )
        return not (counted and self.harm)

    def refusal(self, f: Any) -> str:
        """Why the options do not let a figure in; empty where they do."""
        o = self.options
        if self.is_baseline(f):
            return "a baseline"
        if f.use not in o.use:
            return "kept for the record only" if f.use == "no" else f"kept for {f.use} analyses"
        return self.barred(f)

    def barred(self, f: Any, **wider: tuple[str, ...]) -> str:
        """Why the options bar a figure, whatever it may be used for; ``wider`` names further values of a column."""
        o = self.options
        for name in ("analysis_set", "time_kind", "unit"):
            value = getattr(f, name, None)
            if value is not None and value not in (*getattr(o, name), *wider.get(name, ())):
                return NOT_TAKEN[name, value]
        if f.row_id in o.exclude_rows:
            return "excluded by the plan"
        if odd := self.trials.slips.get((f.table, f.row_id)):
            return f"not used until it is read again or explained: {odd.rstrip('.')}"
        return flags_text(set(f.flags) & set(o.drop_flags))

    def refused(self, study_id: str, experimental: list[str], control: list[str]) -> Iterator[tuple[Any, str]]:
        """Figures between these arms that could have served but for the options, each with the reason."""
        for table in schema.FIGURE_TABLES:
            for f in self.figures(table, study_id):
                why = self.refusal(f)
                if why and not self.is_baseline(f) and self._serves(f, experimental, control):
                    yield f, why

    def of(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        """All candidates of a study between its experimental and control arms."""
        return [*self._contrasts(study_id, experimental, control), *self._arms(study_id, experimental, control)]

    def _serves(self, f: Any, experimental: list[str], control: list[str]) -> bool:
        if f.table == "contrasts":
            across = (f.arm_experimental in experimental and f.arm_control in control) or (
                f.arm_experimental in control and f.arm_control in experimental
            )
            return across and published.measure_of(f.measure) == self.options.measure
        own = "outcomes_binary" if self.binary else "outcomes_continuous"
        return f.table == own and self.made_of_arms and f.arm_id in (*experimental, *control)

    def _contrasts(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        rows = [f for f in self.usable("contrasts", study_id) if self._serves(f, experimental, control)]
        made = []
        for group in _grouped(rows, (*_SAME, "instrument_id", "unit", "measure")):
            adjusted = all(f.measure == "adjusted_MD" or f.adjusted_for for f in group)
            arms = {a for f in group for a in (f.arm_experimental, f.arm_control)}
            size = sum(self._n(study_id, a) or 0.0 for a in arms)
            absent = tuple(a for a in (*experimental, *control) if a not in arms)
            kind = "adjusted_contrast" if adjusted else "contrast"
            made.append(Candidate(kind, group, partial(self._from_contrasts, group, experimental), size, absent))
        return made

    def _arms(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        table = "outcomes_binary" if self.binary else "outcomes_continuous"
        rows = [f for f in self.usable(table, study_id) if self._serves(f, experimental, control)]
        made = []
        for group in _grouped(rows, (*_SAME, *(("unit",) if self.binary else ("instrument_id", "value_type")))):
            ex, co = [f for f in group if f.arm_id in experimental], [f for f in group if f.arm_id in control]
            absent = tuple(a for a in (*experimental, *control) if a not in {f.arm_id for f in group})
            size = sum((f.total if self.binary else f.n) or 0.0 for f in group)
            if self.binary:
                made.append(Candidate("final", group, partial(self._from_counts, ex, co), size, absent))
                continue
            study = [f for f in self.figures(table, study_id) if (table, f.row_id) not in self.trials.slips]
            change = group[0].value_type.endswith("change")
            near = self._companions(group, study) if change else []
            make = partial(self._from_means, ex, co, study)
            made.append(Candidate("change" if change else "final", (*group, *near), make, size, absent))
            if self.options.correlation is not None and group[0].value_type == "final" and ex and co:
                before = [f for row in group if (f := armlevel.companion(row, study, baseline=True)) is not None]
                make = partial(self._from_means, ex, co, study, derived=True)
                made.append(Candidate("change", (*group, *before), make, size, absent, derived=True))
        return made

    def _companions(self, group: Iterable[Any], study: list[Any]) -> list[Any]:
        """Baselines and finals from which a change without a spread gets its SD, where the plan states a correlation."""
        if self.options.correlation is None:
            return []
        bare = [row for row in group if armlevel.needs_change_sd(row)]
        near = [armlevel.companion(row, study, baseline=b) for row in bare for b in (True, False)]
        return [f for f in near if f is not None]

    def _n(self, study_id: str, arm_id: str) -> float | None:
        return self.trials.arm_sizes.get((study_id, arm_id))

    def _from_contrasts(self, group: tuple[Any, ...], experimental: list[str]) -> list[Made]:
        """One effect from one or more printed contrasts of a study; those that share an arm are correlated."""
        effects = [self._from_contrast(f, f.arm_experimental not in experimental) for f in group]
        if len(effects) == 1:
            return effects
        if self.options.multi_arm == "split":
            raise Unusable("printed contrasts that share an arm cannot be split; combine them")
        if len({e.arms for e in effects}) < len(effects):
            raise Unusable("the same arms are compared twice at one time; give one of the rows use = no")
        if self.options.multi_arm == "each":
            return effects
        se = np.sqrt([e.v for e in effects])
        # Two contrasts that share one of their two arms share half of their variance, where arms are alike.
        shared = [
            [1.0 if a is b else 0.5 * (a.arms[0] == b.arms[0] or a.arms[1] == b.arms[1]) for b in effects] for a in effects
        ]
        steps = [
            *(s for e in effects for s in e.steps),
            f"{len(se)} contrasts averaged, correlation 0.5 between those that share an arm",
        ]
        sides = []
        for i in (0, 1):
            sizes = {e.arms[i]: e.n[i] for e in effects}
            known = [n for n in sizes.values() if n is not None]
            sides.append(("+".join(sizes), sum(known) if len(known) == len(sizes) else None))
        (ex, n_ex), (co, n_co) = sides
        y, v = float(np.mean([e.y for e in effects])), float(se @ np.array(shared) @ se) / len(se) ** 2
        kinds = {e.value_type for e in effects}
        return [
            Made(y, v, (n_ex, n_co), (None, None), tuple(steps), (ex, co), kinds.pop() if len(kinds) == 1 else "not_stated")
        ]

    def _from_contrast(self, f: Any, backward: bool) -> Made:
        o, printed_as, steps = self.options, f.printed_as, []
        arms = (f.arm_control, f.arm_experimental) if backward else (f.arm_experimental, f.arm_control)
        n = (self._n(f.study_id, arms[0]), self._n(f.study_id, arms[1]))
        points = published.facts_of(f.measure).on_scale
        df = n[0] + n[1] - 2 if points and n[0] and n[1] and n[0] + n[1] > 2 else None
        if printed_as == "not_stated" and o.assume_direction:
            printed_as = o.assume_direction
            steps.append(f"direction not stated: taken as {printed_as.replace('_', ' ')} in this analysis")
        row = published.row_of(f, printed_as)
        y, v, more = published.effect_of(row, f.worse, df, p_bound=o.p_bound)
        steps += more
        if backward:
            steps = [*steps, "arms exchanged: the row prints the comparison the other way round"]
        factor, steps = self.harmonise([f], steps)
        factor *= -1 if backward else 1
        interval = None
        low, high = sorted(factor * x for x in published.limits_of(row, f.worse))
        if math.isfinite(low) and math.isfinite(high):
            interval = (low, high, (f.ci_level or 95) / 100)
            steps.append("the interval stays as printed where the trial stands alone; pools use the standard error")
        return Made(factor * y, factor**2 * v, n, (None, None), tuple(steps), arms, f.contrast_of, interval=interval)

    def _from_means(self, ex: list[Any], co: list[Any], study: list[Any], derived: bool = False) -> list[Made]:
        o = self.options
        _both_sides(ex, co)
        if o.measure == "SMD" and ex[0].value_type.startswith("adjusted"):
            raise Unusable("adjusted means carry no SD of patients, so no SMD follows")
        make = armlevel.changes_of if derived else armlevel.means_of
        sides = [make(rows, o, self._n, study) for rows in (ex, co)]
        made = []
        for e, c, steps in armlevel.arms_against(sides[0], sides[1], o.multi_arm):
            y, raw = armlevel.difference(e, c, o.measure)
            factor, notes = self.harmonise([*ex, *co], list(steps))
            y, v = factor * y, factor**2 * raw
            one, two = armlevel.variances(e, c, o.measure)
            kind = "change" if derived else ex[0].value_type
            parts = (one * v / raw, two * v / raw) if raw > 0 else (None, None)
            own = armlevel.measured_of(e, c, o.measure)
            made.append(Made(y, v, (e.n, c.n), (None, None), tuple(notes), (e.arm, c.arm), kind, parts, made=own))
        return made

    def _from_counts(self, ex: list[Any], co: list[Any]) -> list[Made]:
        o = self.options
        _both_sides(ex, co)
        sides = [armlevel.counts_of(rows, o, self._n) for rows in (ex, co)]
        made = []
        for e, c, steps in armlevel.arms_against(sides[0], sides[1], o.multi_arm):
            y, v, more = armlevel.comparison_of_counts(e, c, o.measure, o.zero)
            parts = armlevel.variances(e, c, o.measure, o.zero)
            done = (*steps, *more)
            own = armlevel.measured_of(e, c, o.measure)
            made.append(Made(y, v, (e.n, c.n), (e.events, c.events), done, (e.arm, c.arm), "count", parts, made=own))
        return made

    def harmonise(self, rows: list[Any], steps: list[str]) -> tuple[float, list[str]]:
        """What turns an effect to the direction of the question and, for an MD, its common scale, with the steps."""
        o, worse, sign = self.options, rows[0].worse, 1.0
        if measures.row(o.measure).kind == "means" and self.worse is not None:
            if worse is None:
                raise Unusable(
                    "nothing says whether a higher score is worse on its instrument; fill in higher_is_worse in instruments.csv"
                )
            if worse != self.worse:
                sign, steps = -1.0, [*steps, "sign turned: this instrument runs the other way"]
        if not measures.row(o.measure).on_scale or o.points is None:
            return sign, steps
        ends = {(f.low_end, f.high_end) for f in rows if f.low_end is not None}
        if len(ends) > 1:
            raise Unusable("its arms print different scale ends")
        if not ends and o.assume_points:
            ends = {o.assume_points}
            steps = [
                *steps,
                f"scale ends not printed: taken as {o.assume_points[0]:g} to {o.assume_points[1]:g} in this analysis",
            ]
        if not ends:
            raise Unusable("the ends of its scale are not printed in any readable source")
        low, high = ends.pop()
        factor = (o.points[1] - o.points[0]) / (high - low)
        if factor != 1:
            steps = [*steps, f"rescaled from {low:g}-{high:g} to {o.points[0]:g}-{o.points[1]:g} (times {tx.short(factor, 4)})"]
        return sign * factor, steps


def _both_sides(ex: list[Any], co: list[Any]) -> None:
    """An effect needs both sides, each arm once."""
    if not ex or not co:
        raise Unusable(f"no such figure of the {'control' if ex else 'experimental'} arm may enter")
    for rows in (ex, co):
        if len({f.arm_id for f in rows}) < len(rows):
            raise Unusable("an arm has two figures of one kind and time; give one of the rows use = no")


def _grouped(rows: Iterable[Any], key: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Rows that belong together: alike in the key and at the same time, in whatever unit it is printed."""
    groups: dict[tuple, list[Any]] = {}
    for row in rows:
        week = None if row.week is None else round(row.week, 3)
        groups.setdefault((week, *(getattr(row, name) for name in key)), []).append(row)
    return [tuple(g) for g in groups.values()]
