"""What a study without a usable figure says in words or by counts of responders, as one report: the visit before the words."""

from __future__ import annotations

import math
from typing import Any

from vfmeta.core.origin import LeftOut
from vfmeta.effects.compare.candidates import NO_TIME, Finder, span_of, time_of
from vfmeta.effects.compare.choice import distance, in_window, printed_text
from vfmeta.effects.compare.published import NO_DIRECTION, Unusable, measure_of, sign_of
from vfmeta.effects.compare.responders import from_responders
from vfmeta.effects.effect import Effect
from vfmeta.effects.words import Report, Words
from vfmeta.trials.report_rules import PARTIAL

NO_SIZES = "how many patients its arms had is not printed"
#: words seldom say who was analysed; those that do are no worse for it
_SETS = ("completers",)
_OUTSIDE = ("cluster_rct", "crossover_rct")
_NO_SD = ("sd_probably_se", "implausible_spread", "disagreement")


def words_of(
    finder: Finder, asked: dict[str, tuple[list[str], list[str]]], effects: list[Effect], designs: tuple[str, ...]
) -> Words:
    """Reports of the studies that gave no effect, one a study and cohort; those that cannot be used with their reason.

    Parameters
    ----------
    finder : Finder
        With the direction of the question in ``worse``.
    asked : dict
        Study to its experimental and control arms.
    effects : list of Effect
        What stands in the table already.
    designs : tuple of str
        Designs that may enter.
    """
    trials, o = finder.trials, finder.options
    taken, cohorts = {e.study_id for e in effects}, {e.cohort_id for e in effects}
    made, left = list[Report](), list[LeftOut]()
    for study, (ex, co) in asked.items():
        if study in taken or study in o.exclude_studies or trials.study.design[study] not in designs:
            continue
        counted = trials.study.design[study] not in _OUTSIDE
        report, why = from_responders(finder, study, ex, co) if counted else None, ""  # counts before words
        if report is None:
            report, why = _chosen(finder, study, ex, co)
        if report is not None:
            made.append(report)
        elif why:
            left.append(LeftOut(study_id=study, label=trials.labels[study], reason=why))
    made.sort(key=lambda r: (-sum(r.n), r.study_id))
    kept = []
    for r in made:
        if r.cohort_id in cohorts:
            left.append(LeftOut(study_id=r.study_id, label=r.label, reason="the same patients as another trial, counted once"))
        else:
            cohorts.add(r.cohort_id)
            kept.append(r)
    year = trials.study.year.fillna(9999)
    kept.sort(key=lambda r: (int(year[r.study_id]), r.label))
    return Words(reports=tuple(kept), left_out=tuple(left), sds=tuple(_sds(finder)) if kept else ())


def _chosen(finder: Finder, study: str, ex: list[str], co: list[str]) -> tuple[Report | None, str]:
    """The report of the visit nearest to the target week, of the largest arms there; what it says has no part in the choice."""
    o = finder.options
    across = [f for f in finder.figures("contrasts", study) if _across(f, ex, co) and f.report_kind]
    rows = [f for f in across if f.report_kind in PARTIAL]
    if not rows:
        return None, "its words are on one arm only and compare nothing" if across else ""
    barred = {f.row_id: _barred(finder, f) for f in rows}
    inside = [f for f in rows if in_window(span_of(f), o)]
    if not inside:
        times = ", ".join(dict.fromkeys(map(time_of, rows)))
        return None, f"its words are of another time ({times})"
    free = [f for f in inside if not barred[f.row_id]]
    if not free:
        return None, "; ".join(dict.fromkeys(barred[f.row_id] for f in inside))

    def order(f: Any) -> tuple[Any, ...]:
        sizes, _ = _sizes(finder, f)
        return (*distance(math.nan if f.week is None else f.week, o), -sum(sizes) if sizes else 0.0)

    first, *later = sorted(free, key=order)
    alike = [f for f in later if order(f) == order(first)]
    if {(f.report_kind, f.favours, f.p_value, f.estimate) for f in (first, *alike)} - {
        (first.report_kind, first.favours, first.p_value, first.estimate)
    }:
        return None, "comparisons of the same size at the same visit say different things, and one report a trial is used"
    try:
        return _report(finder, first, ex, later), ""
    except Unusable as why:
        return None, str(why)


def _across(f: Any, ex: list[str], co: list[str]) -> bool:
    return (f.arm_experimental in ex and f.arm_control in co) or (f.arm_experimental in co and f.arm_control in ex)


def _barred(finder: Finder, f: Any) -> str:
    """Why a row of words may not serve: as figures, but that what was read once serves sensitivity analyses only."""
    o = finder.options
    if finder.is_baseline(f):
        return "a baseline"
    if f.reading == "single" and "sensitivity" not in o.use:
        return "words read once serve sensitivity analyses only"
    if f.selective == "yes" and not o.selective:
        return "selective: of several outcomes or visits only the significant ones are named"
    if finder.trials.study.design[f.study_id] in _OUTSIDE and not f.adjusted_for:
        return "a cluster or crossover trial whose words allow for no design"
    return finder.barred(f, analysis_set=_SETS)


def _report(finder: Finder, f: Any, ex: list[str], later: list[Any]) -> Report:
    trials = finder.trials
    backward = f.arm_experimental not in ex
    arms = (f.arm_control, f.arm_experimental) if backward else (f.arm_experimental, f.arm_control)
    sizes, said = _sizes(finder, f)
    if sizes is None:
        raise Unusable(NO_SIZES)
    sizes = sizes[::-1] if backward else sizes
    at = time_of(f)
    steps = [f"words at {at} used" if at != NO_TIME else "no time printed beside the words", *said]
    if f.analysis_set == "completers":
        steps.append("words on those who completed; the sizes are those of the arms")
    y, direction = _estimate(finder, f, backward, steps), _direction(finder, f, backward)
    if y is None and direction is None and f.report_kind != "not_significant":
        raise Unusable(NO_DIRECTION)
    scaled = finder.options.measure == "MD"  # an SMD needs no SD
    instrument, score = (_instrument(finder, f), "change" if f.contrast_of == "change" else "final") if scaled else ("", "")
    if scaled and f.contrast_of == "not_stated":
        steps.append("final score or change not stated: the SD is taken as that of final scores")
    unused = [f"{g.row_id} ({time_of(g)}): {_why_later(finder, g, f)}" for g in later]
    sources = [f.source_id, *([f.reading_source_id] if f.reading_source_id else [])]
    exact = f.report_kind in ("p_exact", "p_bound") or (f.report_kind == "not_significant" and f.p_operator == ">")
    return Report(
        study_id=f.study_id, label=trials.labels[f.study_id], kind=f.report_kind, n=sizes, y=y,
        p=f.p_value if exact else None, direction=None if y is not None else direction,
        cohort_id=trials.study.cohort_id[f.study_id], arms=arms, week=None if f.week is None else round(f.week, 4),
        instrument=instrument, score=score, selective=f.selective == "yes", reading=f.reading, flags=f.flags, rows=(f.row_id,),
        sources=tuple(dict.fromkeys(sources)), steps=tuple(steps), unused=tuple(unused), printed=(printed_text(f),),
    )  # fmt: skip


def _why_later(finder: Finder, f: Any, chosen: Any) -> str:
    o, weeks = finder.options, [math.nan if g.week is None else g.week for g in (f, chosen)]
    if distance(weeks[0], o) != distance(weeks[1], o):
        return "further from the target week" if o.week is not None else "an earlier reading"
    return "another comparison or instrument at the same time; one report a trial"


def _sizes(finder: Finder, f: Any) -> tuple[tuple[float, float] | None, list[str]]:
    """Patients of both arms as the row names them: randomised, else analysed at that time, and how they were found."""
    trials, arms = finder.trials, (f.arm_experimental, f.arm_control)
    found = [trials.arm_sizes.get((f.study_id, arm)) for arm in arms]
    steps: list[str] = []
    if None in found:
        beside: dict[str, float] = {}
        for (table, study, _), rows in trials.figures.items():
            if table == "outcomes_continuous" and study == f.study_id:
                beside |= {g.arm_id: g.n for g in rows if g.n is not None and g.week == f.week}
        found = [beside.get(arm) for arm in arms]
        steps = ["numbers randomised by arm not printed: those analysed at this time"]
    if None in found and finder.options.equal_arms:
        total = trials.entries("studies")[f.study_id].n_randomised
        count = sum(study == f.study_id for study, *_ in trials.arm_list)
        if total is not None and not math.isnan(total):
            found = [float(total) / count] * 2
            steps = [f"{float(total):g} randomised in all, taken as {count} equal arms in this analysis"]
    one, two = found
    return (None, []) if one is None or two is None else ((float(one), float(two)), steps)


def _estimate(finder: Finder, f: Any, backward: bool, steps: list[str]) -> float | None:
    """A printed estimate on the scale of the question; None where there is none, or where words alone can serve."""
    if f.estimate is None:
        return None
    if measure_of(f.measure) == finder.options.measure:
        try:
            sign = sign_of(f.printed_as, f.worse)
            factor, more = finder.harmonise([f], [])
        except Unusable:
            if f.report_kind == "estimate_only":
                raise
        else:
            steps += more
            return factor * sign * (-1 if backward else 1) * f.estimate
    if f.report_kind == "estimate_only":
        raise Unusable(f"its estimate is of another measure ({f.measure}) and nothing else is said")
    steps.append("the printed estimate is not on this scale: only the words are used")
    return None


def _direction(finder: Finder, f: Any, backward: bool) -> float | None:
    """The sign of experimental minus control that the side named, or the sign of a printed estimate, stands for."""
    if finder.worse is None:
        return None
    side = f.favours
    if not side and f.estimate is not None:
        try:
            benefit = sign_of(f.printed_as, f.worse) * f.estimate * (-1 if f.worse else 1)
        except (Unusable, TypeError):
            return None
        side = "experimental" if benefit > 0 else "control" if benefit < 0 else ""
    if side not in ("experimental", "control"):
        return None
    helps = (side == "experimental") != backward
    return -1.0 if helps == finder.worse else 1.0


def _instrument(finder: Finder, f: Any) -> str:
    """What the SD is of: the construct of the instrument, whose scales are brought to one, else the domain of the outcome."""
    known = finder.trials.entries("instruments").get(f.instrument_id)
    return known.construct if known is not None else finder.trials.entries("outcomes")[f.outcome_id].domain


def _sds(finder: Finder) -> list[dict[str, Any]]:
    """SDs that trials of all tables print after treatment, on the scale of the question; one visit a trial and score."""
    trials, o = finder.trials, finder.options
    if o.measure != "MD" or o.points is None:
        return []
    width, instruments = o.points[1] - o.points[0], trials.entries("instruments")
    found: dict[tuple[str, str, str], list[Any]] = {}
    for (table, study, _), rows in trials.figures.items():
        for f in rows if table == "outcomes_continuous" else ():
            whole = None not in (f.sd, f.low_end, f.week) and f.week > 0 and f.value_type in ("final", "change")
            odd = (table, f.row_id) in trials.slips or set(f.flags) & set(_NO_SD)
            if whole and not odd and f.reading != "single":
                found.setdefault((study, instruments[f.instrument_id].construct, f.value_type), []).append(f)
    out = []
    for (study, instrument, score), rows in found.items():
        # one outcome and visit: that of the question where the trial has it, and the visit nearest to it
        nearest = min(rows, key=lambda f: (f.outcome_id != o.outcome, distance(f.week, o), f.outcome_id, f.instrument_id))
        alike = ("outcome_id", "week", "instrument_id", "definition", "analysis_set")
        for f in rows:
            n = f.n if f.n is not None else trials.arm_sizes.get((study, f.arm_id))
            if n is not None and n > 1 and all(getattr(f, c) == getattr(nearest, c) for c in alike):
                sd = f.sd * width / (f.high_end - f.low_end)
                out.append({"study": study, "instrument": instrument, "score": score, "sd": float(sd), "n": float(n)})
    return out
