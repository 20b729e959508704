"""Which figure of a study answers the question, why not the others, and why a study gives none."""

from __future__ import annotations

import math
from typing import Any

from vfmeta.core.messages import InputError
from vfmeta.effects.compare.candidates import NO_TIME, Candidate, Finder, Made, span_of, time_of
from vfmeta.effects.compare.options import Options
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.effect import Effect
from vfmeta.text.codes import flags_text
from vfmeta.trials import Trials, schema

NOT_PRINTED = "it prints no figure for this outcome"
# Printed as 52 weeks and as 12 months, one visit differs by 0.3%; the closest true neighbours, 12 and 13 weeks, by 8%.
SAME_VISIT = 1.015


def choose(finder: Finder, study_id: str, ex: list[str], co: list[str]) -> tuple[list[Effect], str]:
    """The reading nearest to the target week that can be used, by the plan's preference at that time, or why there is none."""
    o, trials = finder.options, finder.trials
    found = finder.of(study_id, ex, co)
    inside = [c for c in found if in_window(c.span, o)]
    reasons: dict[str, list[str]] = {}
    for f, why in finder.refused(study_id, ex, co):
        if in_window(span_of(f), o):
            reasons.setdefault(why, []).append(f"{f.row_id} ({time_of(f)})")
    refused = [f"{', '.join(rows)}: {why}" for why, rows in reasons.items()]
    if not inside:
        return [], _why_none(finder, study_id, found, refused)
    visit = _visits(inside)
    rank = {kind: i for i, kind in enumerate(o.prefer)}

    def order(c: Candidate) -> tuple[Any, ...]:
        return (*distance(visit.get(c.week, math.nan), o), rank.get(c.preference, len(rank)), c.derived, -c.size, c.rows)

    ordered = sorted(inside, key=order)
    tried: list[str] = []
    for i, candidate in enumerate(ordered):
        if candidate.preference not in rank:
            tried.append(f"{_name(candidate)}: the plan does not take this kind")
            continue
        try:
            made = candidate.make()
            if not all(math.isfinite(m.y) and math.isfinite(m.v) and m.v > 0 for m in made):
                raise Unusable("no finite effect with a variance above 0 follows")
        except (Unusable, InputError) as why:
            tried.append(f"{_name(candidate)}: {why}")
            continue
        later = [f"{_name(c)}: {_why_later(c, candidate, visit, o)}" for c in ordered[i + 1 :]]
        absent = [f"arm {arm}: no such figure beside it" for arm in candidate.absent]
        unused = list(dict.fromkeys([*tried, *later, *absent, *refused]))
        return [_effect(trials, candidate, m, study_id, unused, len(made) > 1) for m in made], ""
    return [], "; ".join(dict.fromkeys([*tried, *refused]))


def in_window(span: tuple[float, float], o: Options) -> bool:
    return o.window is None or (o.window[0] <= span[0] and span[1] <= o.window[1])


def _visits(candidates: list[Candidate]) -> dict[float, float]:
    """The week that stands for the visit of each reading: printed in several units, one visit gets one week."""
    visit: dict[float, float] = {}
    latest = math.inf
    for week in sorted({c.week for c in candidates if not math.isnan(c.week)}, reverse=True):
        if latest > week * SAME_VISIT:
            latest = week
        visit[week] = latest
    return visit


def distance(week: float, o: Options) -> tuple[float, float]:
    """Sort key: nearest to the target, then later; without a target the latest, readings without a visit last."""
    if math.isnan(week):
        return (math.inf, 0.0)
    return (0.0 if o.week is None else round(abs(week - o.week), 6), -week)


def _name(c: Candidate) -> str:
    made = ", made from finals and baselines" if c.derived else ""
    return f"{', '.join(c.rows)} ({c.preference.replace('_', ' ')}{made}, {c.at})"


def _why_later(c: Candidate, chosen: Candidate, visit: dict[float, float], o: Options) -> str:
    if distance(visit.get(c.week, math.nan), o) != distance(visit.get(chosen.week, math.nan), o):
        return "further from the target week" if o.week is not None else "an earlier reading"
    if c.preference != chosen.preference:
        return (
            f"the plan prefers {chosen.preference.replace('_', ' ')}"
            if c.preference in o.prefer
            else "the plan does not take this kind"
        )
    if c.derived and not chosen.derived:
        return "a printed change goes before one made here"
    return "fewer patients" if c.size < chosen.size else "another instrument, definition or set of patients at the same time"


def _why_none(finder: Finder, study_id: str, found: list[Candidate], refused: list[str]) -> str:
    o = finder.options
    if found and o.window:
        printed = ", ".join(dict.fromkeys(c.at for c in found))
        return "; ".join([f"no reading between week {o.window[0]:g} and {o.window[1]:g} (it prints {printed})", *refused])
    rows = [f for table in schema.FIGURE_TABLES for f in finder.figures(table, study_id) if not finder.is_baseline(f)]
    if not rows:
        return NOT_PRINTED
    if others := {finder.refusal(f) for f in rows if f.use in o.use} - {""}:
        return f"none of its figures may enter: {'; '.join(sorted(others))}"
    flags = flags_text(f for row in rows for f in row.flags)
    only = {row.use for row in rows} == {"no"}
    kept = "its figures are kept for the record only" if only else "its figures serve other analyses only"
    return kept + (f" ({flags})" if flags else "")


def _effect(trials: Trials, c: Candidate, m: Made, study_id: str, unused: list[str], several: bool) -> Effect:
    label, first = trials.labels[study_id], c.figures[0]
    readings = {f.reading for f in c.figures}
    timed = f"reading at {c.at} used" if c.at != NO_TIME else "no time printed beside the figure"
    sources = [f.source_id for f in c.figures] + [f.reading_source_id for f in c.figures if f.reading_source_id]
    return Effect(
        study_id=study_id,
        label=f"{label} ({m.arms[0]})" if several else label,
        y=m.y,
        v=m.v,
        cohort_id=trials.study.cohort_id[study_id],
        arms=m.arms,
        week=None if math.isnan(c.week) else round(c.week, 4),
        n=m.n,
        events=m.events,
        instrument=getattr(first, "instrument_printed", ""),
        scale=_scale_of(first),
        value_type=m.value_type,
        reading="single" if "single" in readings else "corrected" if "corrected" in readings else "agrees",
        flags=tuple(sorted({f for row in c.figures for f in row.flags})),
        rows=c.rows,
        sources=tuple(dict.fromkeys(sources)),
        steps=(timed, *m.steps),
        unused=tuple(unused),
        printed=tuple(printed_text(f) for f in c.figures),
        arm_variances=m.arm_variances,
        interval=m.interval,
        made=m.made,
    )


_SHOWN = (
    "arm_id", "arm_experimental", "arm_control", "definition", "instrument_printed", "scale_min", "scale_max", "unit",
    "measure", "printed_as", "contrast_of", "value_type", "change_sign", "n", "mean", "sd", "se", "median", "q1", "q3",
    "range_low", "range_high", "events", "total", "percent", "estimate", "ci_low", "ci_high", "ci_level", "adjusted_for",
)  # fmt: skip


def printed_text(f: Any) -> str:
    """A figure as printed, with its time and its place."""
    cells = [time_of(f)]
    for name in _SHOWN:
        value = getattr(f, name, None)
        if value not in (None, ""):
            shown = f"{value:g}" if isinstance(value, (int, float)) else value
            cells.append(f"{name.replace('_', ' ')} {shown}")
    if getattr(f, "p_value", None) is not None:
        cells.append(f"p {f.p_operator} {f.p_value:g}")
    return f"{f.row_id}: {', '.join(cells)} [{f.source_id}, {f.locator}; reading: {f.reading}]"


def _scale_of(f: Any) -> str:
    low = getattr(f, "low_end", None)
    return getattr(f, "instrument_id", "") if low is None else f"{low:g} to {f.high_end:g}"
