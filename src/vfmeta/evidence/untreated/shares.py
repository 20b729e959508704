"""Share of people still in pain without treatment, from the arms of trials and from cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.core.question import Pair
from vfmeta.evidence.untreated.arms import untreated_arms
from vfmeta.evidence.untreated.pools import OneGroup, shares
from vfmeta.trials.times import weeks

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.trials import Trials

#: what is counted -> outcomes of arms and quantities of the context, and whether they count those who are better instead
KINDS: dict[str, dict[str, bool]] = {
    "in moderate pain or worse (3.5 or 4 of 10)": {
        "pain_4_or_more": False,
        "pain_4_or_more_at_12_months": False,
        "moderate_pain_about_1_year": False,
        "pain_below_4": True,
    },
    "whose pain was not halved": {"responder_50pct": True, "pain_halved_6_months": True, "pain_halved_1_year_or_later": True},
    "whose pain was not lower by 30%": {"responder_30pct": True},
}
TIMES: tuple[tuple[str, Pair], ...] = (
    ("1 to 2 weeks", (0.5, 3.0)),
    ("1 month", (3.0, 6.5)),
    ("3 months", (10.0, 16.0)),
    ("6 months", (20.0, 32.0)),
    ("1 year or later", (40.0, 120.0)),
)


@dataclass(frozen=True)
class Count:
    """One group: how many of how many, or the percentage alone."""

    label: str
    link: str
    events: int | None
    total: int | None
    percent: float | None
    twice: bool


@dataclass(frozen=True)
class StillInPain:
    """All groups counted in one way at one time, with the pool of those whose counts were read twice."""

    kind: str
    time: str
    groups: tuple[Count, ...]
    pooled: OneGroup | None


def still_in_pain(trials: Trials, cache: Cache | None = None) -> list[StillInPain]:
    """Every way of counting at every time for which a group is printed."""
    found: dict[tuple[str, str], list[Count]] = {}
    arms = {(a.study, a.arm) for a in untreated_arms(trials)}
    for (table, study, outcome), rows in trials.figures.items():
        if table == "outcomes_binary":
            for r in rows:
                if (study, r.arm_id) in arms and r.unit == "patient" and (table, r.row_id) not in trials.slips:
                    _add(found, outcome, r.week, _count(r, trials.labels[study], f"studies.html#{study}"))
    c = trials.context
    at = dict(zip(c.row_id, weeks(c.time_value, c.time_unit).tolist(), strict=True))
    for r in trials.entries("context").values():
        if ("context", r.row_id) not in trials.slips:
            _add(found, r.quantity, at[r.row_id], _count(r, r.population, f"#{r.row_id}"))
    order = [(kind, time) for time, _ in TIMES for kind in KINDS]
    return [StillInPain(*key, tuple(found[key]), _pool(key[0], found[key], cache)) for key in order if key in found]


def _add(found: dict[tuple[str, str], list[Count]], what: str, week: float | None, count: Count) -> None:
    for kind, names in KINDS.items():
        for time, (first, last) in TIMES:
            if what in names and week is not None and first <= week <= last:
                shown = _others(count) if names[what] else count
                if shown.percent is not None or shown.events is not None:
                    found.setdefault((kind, time), []).append(shown)


def _count(row: Any, label: str, link: str) -> Count:
    counted = row.events is not None and row.total
    return Count(
        label, link, row.events if counted else None, row.total if counted else None, row.percent, row.reading != "single"
    )


def _others(c: Count) -> Count:
    """Those who are not counted."""
    events = None if c.events is None or c.total is None else c.total - c.events
    return Count(c.label, c.link, events, c.total, None if c.percent is None else 100 - c.percent, c.twice)


def _pool(kind: str, groups: list[Count], cache: Cache | None) -> OneGroup | None:
    counted = [g for g in groups if g.events is not None and g.total is not None and g.twice]
    if len(counted) < 2:
        return None
    columns = ([g.label for g in counted], [g.events or 0 for g in counted], [g.total or 0 for g in counted])
    return shares(*columns, f"people {kind}", cache=cache)
