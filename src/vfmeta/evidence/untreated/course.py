"""Pain over weeks in untreated arms: one mean for each arm and visit, pooled visit by visit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.core.question import Pair
from vfmeta.effects.compare.armlevel import DOUBTFUL, has_spread, mean_sd
from vfmeta.effects.compare.published import Unusable
from vfmeta.evidence.untreated.arms import untreated_arms
from vfmeta.evidence.untreated.pools import OneGroup, means

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.trials import Trials

OUTCOME = "pain_overall"
_TABLE = "outcomes_continuous"
_MONTH = 365.25 / 84
#: name, target week, first and last week of the visits that count
VISITS: tuple[tuple[str, float, Pair], ...] = (
    ("start", 0.0, (0.0, 0.0)),
    ("1 month", _MONTH, (3.0, 6.5)),
    ("3 months", 3 * _MONTH, (10.0, 16.0)),
    ("6 months", 6 * _MONTH, (20.0, 32.0)),
    ("1 year", 12 * _MONTH, (40.0, 64.0)),
    ("2 years", 24 * _MONTH, (90.0, 118.0)),
)


@dataclass(frozen=True)
class Mean:
    """Mean pain of an arm at a visit, on 0 to 10, and how it came about."""

    study: str
    arm: str
    week: float
    mean: float
    sd: float
    n: float
    twice: bool
    steps: tuple[str, ...]
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Visit:
    """The arms at one visit: pooled as they are, and those alone whose figures were read twice."""

    name: str
    week: float
    arms: tuple[Mean, ...]
    pooled: OneGroup | None
    twice: OneGroup | None


@dataclass(frozen=True)
class Course:
    """Visits with at least one arm, the borrowed SDs (at the start, later), and the arms left out with the reason."""

    visits: tuple[Visit, ...]
    borrowed: Pair
    left_out: tuple[tuple[str, str, str], ...]


def course(trials: Trials, cache: Cache | None = None) -> Course:
    """Pain over weeks in the untreated arms of fresh fractures.

    A mean is the printed one, or that at the start with the printed change. Where a mean comes without an SD of its own it
    takes that of all arms of randomised trials which print one on the same kind of visit (start, later), weighted by their
    degrees of freedom; the figures say which.
    """
    borrowed = (_usual_sd(trials, start=True), _usual_sd(trials, start=False))
    at: dict[str, list[Mean]] = {name: [] for name, *_ in VISITS}
    left: list[tuple[str, str, str]] = []
    for arm in untreated_arms(trials):
        rows = [r for r in trials.figures.get((_TABLE, arm.study, OUTCOME), []) if r.arm_id == arm.arm and r.mean is not None]
        if not rows:
            continue
        usable = [
            r for r in rows if r.low_end is not None and "superseded" not in r.flags and (_TABLE, r.row_id) not in trials.slips
        ]
        why = arm.why_not or ("" if usable else "the ends of its scale are not printed")
        if why:
            left.append((arm.study, arm.arm, why))
            continue
        for name, target, (first, last) in VISITS:
            seen = [r for r in usable if r.week is not None and first <= r.week <= last]
            for row in sorted(seen, key=lambda r: (r.value_type != "final", abs(r.week - target))):
                found = _mean(row, usable, trials, borrowed)
                if found is not None:
                    at[name].append(found)
                    break
    visits = [_visit(trials, name, week, at[name], cache) for name, week, _ in VISITS if at[name]]
    return Course(tuple(visits), borrowed, tuple(left))


def _visit(trials: Trials, name: str, week: float, arms: list[Mean], cache: Cache | None) -> Visit:
    def pooled(chosen: list[Mean]) -> OneGroup | None:
        known = [a for a in chosen if math.isfinite(a.sd)]
        if not known:
            return None
        labels = [trials.labels[a.study] for a in known]
        return means(labels, [a.mean for a in known], [a.sd for a in known], [a.n for a in known], "pain", cache=cache)

    return Visit(name, week, tuple(arms), pooled(arms), pooled([a for a in arms if a.twice]))


def _mean(row: Any, rows: list[Any], trials: Trials, borrowed: Pair) -> Mean | None:
    """The mean of a row, on 0 to 10; None for a change without the mean it is a change from, or without arm size."""
    width = row.high_end - row.low_end
    n = row.n if row.n is not None else trials.arm_sizes.get((row.study_id, row.arm_id))
    if n is None:
        return None
    steps = [] if row.n is not None else [f"number randomised ({n:g}) in place of those analysed, who are not printed"]
    used, level, sd = [row], row.mean, math.nan
    if row.value_type == "change":
        first = next(
            (r for r in rows if r.week == 0 and r.value_type == "final" and r.instrument_id == row.instrument_id), None
        )
        if first is None or row.worse is None:
            return None
        better = -1 if (row.change_sign == "improvement_positive") == row.worse else 1
        level, used = first.mean + better * row.mean, [first, row]
        steps.append(f"mean at the start ({first.mean:g}) with the printed change")
    elif row.value_type != "final":
        return None
    else:
        sd = _own_sd(row, float(n))
    if math.isnan(sd):
        sd = borrowed[row.week > 0]
        steps.append("its standard deviation is that of the other arms")
    else:
        sd *= 10 / width
    twice = all(r.reading != "single" for r in used)
    return Mean(row.study_id, row.arm_id, row.week, 10 * (level - row.low_end) / width, sd, float(n), twice, tuple(steps),
                tuple(r.row_id for r in used))  # fmt: skip


def _own_sd(row: Any, n: float) -> float:
    """The SD that a row prints or that follows from it, in its own units; NaN where there is none to be trusted."""
    if set(row.flags) & DOUBTFUL or not has_spread(row):
        return math.nan
    try:
        return mean_sd(row, n)[1]
    except (Unusable, InputError):
        return math.nan


def _usual_sd(trials: Trials, *, start: bool) -> float:
    """SD of pain scores of 0 to 10 in all arms of randomised trials, each arm once, weighted by degrees of freedom."""
    randomised = set(trials.studies.study_id[trials.studies.design == "parallel_rct"])
    parts: dict[tuple[str, str], tuple[float, float]] = {}
    for (table, study, outcome), rows in trials.figures.items():
        if table != _TABLE or outcome != OUTCOME or study not in randomised:
            continue
        for r in rows:
            n = r.n if r.n is not None else trials.arm_sizes.get((study, r.arm_id))
            fits = r.value_type == "final" and r.low_end is not None and r.week is not None and (r.week == 0) == start
            if not fits or n is None or n < 2 or (table, r.row_id) in trials.slips or (study, r.arm_id) in parts:
                continue
            sd = _own_sd(r, float(n))
            if math.isfinite(sd):
                parts[study, r.arm_id] = float(n) - 1, sd * 10 / (r.high_end - r.low_end)
    freedom = sum(df for df, _ in parts.values())
    return math.sqrt(sum(df * sd**2 for df, sd in parts.values()) / freedom) if parts else math.nan
