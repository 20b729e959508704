"""The figures of one study that could answer a question, each ready to become an effect or to say why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.effects import armlevel, published
from vfmeta.effects.options import Options
from vfmeta.effects.published import Published, Unusable
from vfmeta.trials import Trials


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


@dataclass(frozen=True)
class Candidate:
    """Rows of one study, one time and one kind; ``make`` turns them into effects or raises `Unusable`."""

    preference: str
    figures: tuple[Any, ...]
    make: Callable[[], list[Made]]
    size: float

    @property
    def week(self) -> float:
        return self.figures[0].week if self.figures[0].week is not None else math.nan

    @property
    def rows(self) -> tuple[str, ...]:
        return tuple(f.row_id for f in self.figures)

    @property
    def at(self) -> str:
        first = self.figures[0]
        if first.time_value is None:
            return "no time printed"
        return f"{first.time_value:g} {first.time_unit}{'' if first.time_value == 1 else 's'}"


class Finder:
    """Candidates of a study for one question."""

    def __init__(self, trials: Trials, options: Options) -> None:
        self.trials, self.options = trials, options
        self.binary = options.measure in ("RR", "OR", "RD")
        self.worse: bool | None = None

    def usable(self, table: str, study_id: str) -> list[Any]:
        """Figures of a study on the outcome that the options let in.

        A score at time 0 is a baseline and never enters; an event at time 0 (cement leakage) is one of the procedure itself.
        """
        o = self.options
        return [
            f
            for f in self.trials.figures.get((table, study_id, o.outcome), [])
            if f.use in o.use and f.analysis_set in o.analysis_set and f.time_kind in o.time_kind
            and (f.time_value != 0 or table == "outcomes_binary") and getattr(f, "unit", o.unit[0]) in o.unit
            and f.row_id not in o.exclude_rows and not set(f.flags) & set(o.drop_flags)
        ]  # fmt: skip

    def of(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        """All candidates of a study between its experimental and control arms."""
        return [*self._contrasts(study_id, experimental, control), *self._arms(study_id, experimental, control)]

    def _contrasts(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        def across(f: Any) -> bool:
            forward = f.arm_experimental in experimental and f.arm_control in control
            return forward or (f.arm_experimental in control and f.arm_control in experimental)

        rows = [f for f in self.usable("contrasts", study_id) if published.measure_of(f.measure) == self.options.measure and across(f)]
        made = []
        for group in _grouped(rows, ("definition", "instrument_id", "time_value", "time_unit", "measure")):
            kind = "adjusted_contrast" if group[0].measure == "adjusted_MD" or group[0].adjusted_for else "contrast"
            arms = {a for f in group for a in (f.arm_experimental, f.arm_control)}
            size = sum(self._n(study_id, a) or 0.0 for a in arms)
            made.append(Candidate(kind, group, lambda g=group: self._from_contrasts(g, experimental), size))
        return made

    def _arms(self, study_id: str, experimental: list[str], control: list[str]) -> list[Candidate]:
        table = "outcomes_binary" if self.binary else "outcomes_continuous"
        rows = [f for f in self.usable(table, study_id) if f.arm_id in experimental or f.arm_id in control]
        key = ("definition", "time_value", "time_unit", "analysis_set", *(("unit",) if self.binary else ("instrument_id", "value_type")))
        made = []
        for group in _grouped(rows, key):
            ex, co = [f for f in group if f.arm_id in experimental], [f for f in group if f.arm_id in control]
            if not ex or not co:
                continue
            change = not self.binary and group[0].value_type.endswith("change")
            size = sum((f.total if self.binary else f.n) or 0.0 for f in group)
            make = self._from_counts if self.binary else self._from_means
            made.append(Candidate("change" if change else "final", group, lambda m=make, e=ex, c=co: m(e, c), size))
        return made

    def _n(self, study_id: str, arm_id: str) -> float | None:
        return self.trials.arm_sizes.get((study_id, arm_id))

    def _from_contrasts(self, group: tuple[Any, ...], experimental: list[str]) -> list[Made]:
        """One effect from one or more printed contrasts of a study; several share an arm and are averaged."""
        effects = [self._from_contrast(f, f.arm_experimental not in experimental) for f in group]
        if len(effects) == 1:
            return effects
        if self.options.multi_arm == "split":
            raise Unusable("printed contrasts that share an arm cannot be split; combine them")
        se = np.sqrt([e.v for e in effects])
        correlation = 0.5 * (1 + np.eye(len(se)))
        steps = [*(s for e in effects for s in e.steps), f"{len(se)} contrasts that share an arm averaged, correlation 0.5 between them"]
        sides = []
        for i in (0, 1):
            sizes = {e.arms[i]: e.n[i] for e in effects}
            known = [n for n in sizes.values() if n is not None]
            sides.append(("+".join(sizes), sum(known) if len(known) == len(sizes) else None))
        (ex, n_ex), (co, n_co) = sides
        y, v = float(np.mean([e.y for e in effects])), float(se @ correlation @ se) / len(se) ** 2
        return [Made(y, v, (n_ex, n_co), (None, None), tuple(steps), (ex, co), effects[0].value_type)]

    def _from_contrast(self, f: Any, backward: bool) -> Made:
        o, printed_as, steps = self.options, f.printed_as, []
        arms = (f.arm_control, f.arm_experimental) if backward else (f.arm_experimental, f.arm_control)
        n = (self._n(f.study_id, arms[0]), self._n(f.study_id, arms[1]))
        df = n[0] + n[1] - 2 if n[0] and n[1] and f.measure in ("MD", "adjusted_MD") else None
        operator = f.p_operator
        if o.p_bound and operator == "<":
            operator = "="
            steps.append(f"p < {f.p_value:g} taken as p = {f.p_value:g}: the widest interval that fits")
        if printed_as == "not_stated" and o.assume_direction:
            printed_as = o.assume_direction
            steps.append(f"direction not stated: taken as {printed_as.replace('_', ' ')} in this analysis")
        row = Published(f.measure, printed_as, *map(_number, (f.estimate, f.ci_low, f.ci_high)), _number(f.ci_level) / 100, _number(f.se),
                        _number(f.p_value), operator)  # fmt: skip
        y, v, more = published.effect_of(row, f.worse, df)
        steps += more
        if backward:
            y, steps = -y, [*steps, "arms exchanged: the row prints the comparison the other way round"]
        y, v, steps = self._harmonise(f, y, v, steps)
        return Made(y, v, n, (None, None), tuple(steps), arms, f.contrast_of)

    def _from_means(self, ex: list[Any], co: list[Any]) -> list[Made]:
        o = self.options
        if o.measure not in ("MD", "SMD"):
            raise Unusable(f"means cannot give a {o.measure}")
        if o.measure == "SMD" and ex[0].value_type.startswith("adjusted"):
            raise Unusable("adjusted means carry no SD of patients, so no SMD follows")
        sides = [armlevel.means_of(rows, o, self._n) for rows in (ex, co)]
        made = []
        for e, c, steps in armlevel.arms_against(sides[0], sides[1], o.multi_arm):
            y, v = armlevel.difference(e, c, o.measure)
            y, v, notes = self._harmonise(ex[0], y, v, list(steps))
            made.append(Made(y, v, (e.n, c.n), (None, None), tuple(notes), (e.arm, c.arm), ex[0].value_type))
        return made

    def _from_counts(self, ex: list[Any], co: list[Any]) -> list[Made]:
        o = self.options
        sides = [armlevel.counts_of(rows, o, self._n) for rows in (ex, co)]
        made = []
        for e, c, steps in armlevel.arms_against(sides[0], sides[1], o.multi_arm):
            y, v, more = armlevel.comparison_of_counts(e, c, o.measure, o.zero)
            made.append(Made(y, v, (e.n, c.n), (e.events, c.events), (*steps, *more), (e.arm, c.arm), "count"))
        return made

    def _harmonise(self, f: Any, y: float, v: float, steps: list[str]) -> tuple[float, float, list[str]]:
        """To the direction of the question and, for an MD, its common scale."""
        o = self.options
        if o.measure in ("MD", "SMD") and f.worse is not None and self.worse is not None and f.worse != self.worse:
            y, steps = -y, [*steps, "sign turned: this instrument runs the other way"]
        if o.measure != "MD" or o.scale is None:
            return y, v, steps
        low, high = f.low_end, f.high_end
        if low is None and o.assume_scale:
            low, high = o.assume_scale
            steps = [*steps, f"scale ends not printed: taken as {low:g} to {high:g} in this analysis"]
        if low is None:
            raise Unusable("the ends of its scale are not printed in any readable source")
        factor = (o.scale[1] - o.scale[0]) / (high - low)
        if factor != 1:
            steps = [*steps, f"rescaled from {low:g}-{high:g} to {o.scale[0]:g}-{o.scale[1]:g} (times {factor:.4g})"]
        return y * factor, v * factor**2, steps


def _grouped(rows: Iterable[Any], key: tuple[str, ...]) -> list[tuple[Any, ...]]:
    groups: dict[tuple, list[Any]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in key), []).append(row)
    return [tuple(g) for g in groups.values()]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
