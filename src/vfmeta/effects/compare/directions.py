"""Which way each trial points, read from its rows: an effect, an estimate without a spread, or what its words favour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy.special import ndtr

from vfmeta.core import measures
from vfmeta.core.messages import InputError
from vfmeta.effects.compare import published
from vfmeta.effects.compare.candidates import Finder, span_of, time_of
from vfmeta.effects.compare.choice import SAME_VISIT
from vfmeta.effects.compare.comparison import pairs_of
from vfmeta.effects.compare.options import DESIGN_CLASSES, Options
from vfmeta.effects.compare.published import Unusable
from vfmeta.trials import Trials

EFFECT, ESTIMATE, WORDS, ARMS, SILENT = (
    "effect with a standard error",
    "estimate without a usable spread",
    "words",
    "figures of both arms without a spread",
    "a comparison that names no side",
)
_RANK = {kind: i for i, kind in enumerate((EFFECT, ESTIMATE, WORDS, ARMS, SILENT))}
_TAKEN = ("pool", "sensitivity")
_NO_PART = ("window", "points", "use", "multi_arm", "reports", "selective", "responders")  # options that a direction needs not


@dataclass(frozen=True)
class Pointer:
    """What a trial says of one outcome, at the visit nearest to the target week.

    ``direction`` is 1 where it favours the experimental side, -1 the control side, 0 neither or both, NaN where it does not
    say; ``p`` is two-sided, NaN where none is printed or follows, and an upper bound where ``bound``. ``selective``: of several
    results its source names only those that were significant.
    """

    study_id: str
    label: str
    direction: float
    p: float
    bound: bool
    n: tuple[float, float]
    week: float
    at: str
    how: str
    rows: tuple[str, ...]
    selective: bool


def directions(
    trials: Trials, experimental: Sequence[str], control: Sequence[str], *, worse: bool | None, **options: Any
) -> tuple[list[Pointer], list[str]]:
    """Every trial of a comparison that compares its arms on an outcome, and the studies that do not.

    Parameters
    ----------
    trials : Trials
    experimental, control : sequence of str
        Interventions or classes of the two sides.
    worse : bool or None
        Whether more of the outcome is worse.
    **options
        Of `vfmeta.compare`. ``week`` chooses the visit, before its result is looked at; ``window``, ``points`` and ``use`` have
        no part: rows for main and for sensitivity analyses count, and of the others those with a ``report_kind``.

    Returns
    -------
    list of Pointer, list of str
        In the order of publication, one of each cohort; and the ids of trials without any comparison between the arms.
    """
    kept = {k: v for k, v in options.items() if k not in _NO_PART}
    wide = {"n_missing": "randomised", "counts_from_percent": True, "p_bound": True}
    first = Options(**{**kept, **wide, "use": _TAKEN})
    pairs = pairs_of(trials, trials.interventions_in(list(experimental)), trials.interventions_in(list(control)), first)
    kind = measures.row(first.measure).kind
    tried = dict.fromkeys((first.measure, *(("MD", "SMD") if kind == "means" else ("RR", "OR", "HR", "RD"))))
    finders = [
        [
            _finder(trials, worse, **{**kept, **wide, "measure": m, "use": _TAKEN, "multi_arm": how})
            for how in ("each", "combine")
        ]
        for m in tried
    ]
    found, silent = [], []
    for study, (ex, co) in pairs.items():
        if trials.study["design"][study] not in DESIGN_CLASSES[first.design] or study in first.exclude_studies:
            continue
        clues = [c for each, whole in finders for c in _effects(each, whole, study, ex, co)]
        clues += [*_contrasts(finders[0][0], study, ex, co), *_arms(finders[0][0], study, ex, co)]
        if clues:
            found.append(_nearest(clues, first.week, _sizes(trials, study, ex, co)))
        else:
            silent.append(study)
    return _one_per_cohort(trials, found), silent


def _finder(trials: Trials, worse: bool | None, **options: Any) -> Finder:
    finder = Finder(trials, Options(**options))
    finder.worse = worse
    return finder


def _effects(each: Finder, whole: Finder, study: str, ex: list[str], co: list[str]) -> Iterator[Pointer]:
    """Effects with standard errors; the arms of a side each give a direction, together a p value."""
    for apart, together in zip(each.of(study, ex, co), whole.of(study, ex, co), strict=True):
        try:
            made = apart.make()
            (one,) = together.make()
        except (Unusable, InputError):
            continue
        side = _agreed([_side(m.y, each.worse) for m in made])
        p, bound = _printed_p(apart.figures[0]) if len(apart.figures) == 1 else (math.nan, False)
        if math.isnan(p) and math.isfinite(one.y) and 0 < one.v < math.inf:
            p = 2 * float(ndtr(-abs(one.y) / math.sqrt(one.v)))
        yield _pointer(each.trials, apart.figures, side, p, bound, EFFECT)


def _printed_p(f: Any) -> tuple[float, bool]:
    """The p value a contrast prints, and whether as an upper bound."""
    if f.table != "contrasts" or f.p_value is None or f.p_operator not in ("=", "<"):
        return math.nan, False
    return float(f.p_value), f.p_operator == "<"


def _contrasts(finder: Finder, study: str, ex: list[str], co: list[str]) -> Iterator[Pointer]:
    """Rows between the arms that give no effect: an estimate alone, words, or a comparison that names no side."""
    for f in finder.figures("contrasts", study):
        forward = f.arm_experimental in ex and f.arm_control in co
        if not forward and not (f.arm_experimental in co and f.arm_control in ex):
            continue
        report = f.report_kind
        # use is of figures and has no say in words; what else speaks against a row still counts
        if finder.refusal(f._replace(use="pool") if report else f) or report == "within_arm":
            continue
        side, how = _of_row(f)
        side = side if forward else -side
        yield _pointer(finder.trials, (f,), side, *_printed_p(f), how)


def _of_row(f: Any) -> tuple[float, str]:
    """Which of its own two arms a row favours, and how it says so."""
    if f.printed_as == "benefit_positive" and f.estimate is not None and not published.measure_of(f.measure):
        return float((f.estimate > 0) - (f.estimate < 0)), ESTIMATE
    if published.measure_of(f.measure):
        try:
            y = published.estimate_of(published.row_of(f, f.printed_as), f.worse)
            if not math.isnan(side := _side(y, f.worse)):
                return side, ESTIMATE
        except Unusable:
            pass
    side = {"experimental": 1.0, "control": -1.0}.get(f.favours, math.nan)
    return side, SILENT if math.isnan(side) else WORDS


def _arms(finder: Finder, study: str, ex: list[str], co: list[str]) -> Iterator[Pointer]:
    """Means, medians or percentages of both sides, alike in all but the arm, without the spread that an effect needs."""
    table = "outcomes_binary" if finder.binary else "outcomes_continuous"
    alike = ("definition", "time_kind", "analysis_set", *(("unit",) if finder.binary else ("instrument_id", "value_type")))
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for f in finder.figures(table, study):
        if not finder.refusal(f) and f.arm_id in (*ex, *co):
            week = None if f.week is None else round(f.week, 3)
            groups.setdefault((week, *(getattr(f, name) for name in alike)), []).append(f)
    for rows in groups.values():
        sides = [[x for f in rows if f.arm_id in arms for x in _values(f)] for arms in (ex, co)]
        both = [k for k in ("mean", "median", "share") if all(any(k in v for v in side) for side in sides)]
        if not both:
            continue
        one, two = ([v[both[0]] for v in side if both[0] in v] for side in sides)
        side = _agreed([_side(a - b, rows[0].worse) for a in one for b in two])
        yield _pointer(finder.trials, tuple(rows), side, math.nan, False, ARMS)


def _values(f: Any) -> list[dict[str, float]]:
    """What of an arm can be set against the other arm."""
    if f.table == "outcomes_binary":
        share = f.percent if f.percent is not None else 100 * f.events / f.total if None not in (f.events, f.total) else None
        return [] if share is None else [{"share": float(share)}]
    turned = f.change_sign == "improvement_positive"
    if turned and f.worse is None:
        return []
    sign = -1.0 if turned and f.worse else 1.0
    return [{name: sign * getattr(f, name) for name in ("mean", "median") if getattr(f, name) is not None}]


def _side(y: float, worse: bool | None) -> float:
    """1 where a difference, experimental minus control, is the better one; NaN where nothing says which is."""
    if worse is None or math.isnan(y):
        return math.nan
    return float((y < 0) - (y > 0)) if worse else float((y > 0) - (y < 0))


def _agreed(sides: list[float]) -> float:
    """The side that all who name one name; 0 where they differ; NaN where none does."""
    named = {s for s in sides if not math.isnan(s)}
    return named.pop() if len(named) == 1 else 0.0 if named else math.nan


def _pointer(trials: Trials, figures: tuple[Any, ...], side: float, p: float, bound: bool, how: str) -> Pointer:
    first = figures[0]
    low, high = span_of(first)
    return Pointer(
        study_id=first.study_id, label=trials.labels[first.study_id], direction=side, p=p, bound=bound, n=(math.nan, math.nan),
        week=(low + high) / 2, at=time_of(first), how=how, rows=tuple(f.row_id for f in figures),
        selective=any(getattr(f, "selective", "") == "yes" for f in figures),  # a column of contrasts alone
    )  # fmt: skip


def _nearest(clues: list[Pointer], target: float | None, n: tuple[float, float]) -> Pointer:
    """What a trial says at the visit nearest to the target: the fullest kind of figure that names a side there.

    Several rows of that kind (doses, instruments) must agree; their p value is the largest, where all of them have one.
    """

    def far(c: Pointer) -> float:
        return math.inf if math.isnan(c.week) else 0.0 if target is None else abs(c.week - target)

    best = min(clues, key=lambda c: (far(c), -c.week if not math.isnan(c.week) else 0.0))
    alike = (best.week / SAME_VISIT, best.week * SAME_VISIT)
    at = [c for c in clues if c is best or alike[0] <= c.week <= alike[1] or (math.isnan(best.week) and math.isnan(c.week))]
    rank = min(_RANK[c.how] for c in at if not math.isnan(c.direction)) if any(c.direction == c.direction for c in at) else 9
    told = [c for c in at if _RANK[c.how] == rank] or at
    p = max((c.p for c in told), default=math.nan) if not any(math.isnan(c.p) for c in told) else math.nan
    return replace(
        told[0], direction=_agreed([c.direction for c in told]), p=p, bound=any(c.bound and c.p == p for c in told), n=n,
        rows=tuple(dict.fromkeys(r for c in told for r in c.rows)), selective=any(c.selective for c in told),
    )  # fmt: skip


def _sizes(trials: Trials, study: str, ex: list[str], co: list[str]) -> tuple[float, float]:
    """Patients randomised to the experimental side, and to both; NaN where not printed."""
    sides = [[trials.arm_sizes.get((study, arm), math.nan) for arm in arms] for arms in (ex, co)]
    one, two = (float(sum(side)) for side in sides)
    whole = trials.study["n_randomised"][study]
    others = {arm for s, arm, _, _ in trials.arm_list if s == study} - {*ex, *co}
    if math.isnan(one + two) and not others and not pd.isna(whole):
        return one, float(whole)
    return one, one + two


def _one_per_cohort(trials: Trials, found: list[Pointer]) -> list[Pointer]:
    """Of reports on the same patients the one that names a side, then the larger, then the earlier counts."""
    year, cohort = trials.study["year"].fillna(9999), trials.study["cohort_id"]

    def order(x: Pointer) -> tuple[Any, ...]:
        size = 0.0 if math.isnan(x.n[1]) else x.n[1]
        return math.isnan(x.direction), -size, int(year[x.study_id]), x.study_id

    kept: dict[str, Pointer] = {}
    for x in sorted(found, key=order):
        kept.setdefault(cohort[x.study_id], x)
    return sorted(kept.values(), key=lambda x: (int(year[x.study_id]), x.label))
