"""A question put to the tables, answered by an effect table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pandas as pd

from vfmeta.core import measures
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.effects.compare.candidates import NO_TIME, Finder, time_of
from vfmeta.effects.compare.choice import choose
from vfmeta.effects.compare.options import DESIGN_CLASSES, Options
from vfmeta.effects.compare.words import words_of
from vfmeta.effects.effect import Effect
from vfmeta.effects.table import EffectTable
from vfmeta.text.codes import CLASSES, DESIGNS
from vfmeta.trials import Trials, schema

#: how the source of a threshold begins where none is known for a difference between groups
WITHIN_ONLY = "a change within a patient, as no smallest important difference between groups is known; "


def compare(
    trials: Trials,
    experimental: str | Sequence[str],
    control: str | Sequence[str],
    *,
    outcome: str,
    weeks: Mapping[float, tuple[float, float]] | None = None,
    sides: tuple[str, str] | None = None,
    higher_is_worse: bool | None = None,
    mid_from: str | None = None,
    **options: Any,
) -> EffectTable:
    """Effects of one intervention against another, from the trial tables.

    Parameters
    ----------
    trials : Trials
        Tables from `vfmeta.load_trials`.
    experimental, control : str or sequence of str
        Interventions, or classes of interventions, of the two sides.
    outcome : str
        Outcome id.
    weeks : mapping of float to (float, float), optional
        Several times at once: target weeks with the windows around them, which must not overlap, such as
        ``{13: (8, 20), 52: (40, 60)}``. The table then has a row for each study and week (``target_week``), and its ``vcov``
        waits to be told how an outcome correlates with itself over time: `EffectTable.correlated`.
    sides : (str, str), optional
        Names of the two sides for people; made from the intervention names when left out.
    higher_is_worse : bool, optional
        Direction the effects are given in; that of the outcome or its instruments when left out.
    mid_from : str, optional
        Instrument whose minimal important difference applies to ``points``: that between groups, or where none is known that
        within a patient, which ``mid_source`` then says.
    **options
        ``measure`` ("MD", "SMD", "RR", "OR", "HR", "RD"); ``week`` and ``window`` (target week and the window around it: the
        reading nearest to the target wins, ties go to the later; without a week the latest reading is taken); ``points``
        (ends of the scale of an MD, such as (0, 10): only rows with both scale ends printed or in the instrument table are
        rescaled); ``design`` ("randomised", "quasi_randomised", "non_randomised": never mixed); ``prefer`` (order among
        "adjusted_contrast", "contrast", "change", "final" at the same time); ``background`` (treatments all arms share: a
        tuple of ids, ``()`` for none, None for any); ``unit``, ``analysis_set``, ``time_kind``, ``use`` (values of those
        columns that may enter); ``multi_arm`` ("combine" arms of a side, "split" the control arm between the experimental
        arms, or "each" against the whole of it: correlated effects with their ``vcov``, for multivariate models); ``zero``
        (zero-cell rule); ``n_missing`` ("leave_out", or "randomised" to use the number randomised where the number analysed
        is not printed); ``correlation`` (between a patient's baseline and final score: a change printed without a spread gets
        its SD from the SDs at baseline and at the end, and finals become changes, which ``prefer`` then ranks as such; never
        done when left out); ``assume_direction`` and ``assume_points`` (for rows whose direction or scale is not stated, in
        sensitivity analyses); ``counts_from_percent`` (rebuild a count from a printed percentage, in analyses that say so);
        ``p_bound`` (take "p < x" as p = x, the widest interval that fits, in sensitivity analyses); ``drop_flags``,
        ``exclude_studies``, ``exclude_rows``; ``reports`` ("strict", or "all": studies without an effect then give what they
        say in words, one report each at the visit nearest to the target, for `vf.bayes.reports`, of MD or SMD; no other model
        sees them); ``responders`` (binary outcomes of an SMD, such as ``("responder_50pct",)``: with ``reports="all"`` a study
        without an effect whose tables count one of them gives the SMD behind its log odds ratio as a full report);
        ``selective`` (False leaves out reports that name only the significant of several outcomes or visits) and
        ``equal_arms`` (True takes arms as equal where only the number randomised in all is printed) in sensitivity analyses
        of these.

    Returns
    -------
    EffectTable
        Effects are experimental minus control. ``left_out`` lists every study of the question without a usable figure.

    Raises
    ------
    InputError
        Unknown intervention, outcome or option; mixed scales or directions.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.compare(vf.load_trials(), "vertebroplasty", "sham_vertebroplasty",
    ...                    outcome="pain_overall", week=52, window=(40, 60), measure="MD", points=(0, 10))
    >>> "Buchbinder 2009" in table.labels
    True
    """
    if not isinstance(trials, Trials):
        raise InputError(
            f"compare takes the tables from vf.load_trials(), not {type(trials).__name__}; for a data frame use vf.effect_size."
        )
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise InputError(
            f"Unknown option {', '.join(sorted(unknown))}; compare takes {', '.join(Options.__dataclass_fields__)}."
        )
    if weeks is not None:
        _check_weeks(weeks, options)
    times: list[dict[str, Any]] = [{}] if weeks is None else [{"week": w, "window": tuple(weeks[w])} for w in sorted(weeks)]
    asked = [Options(outcome=outcome, **options, **time) for time in times]
    first = asked[0]
    _known_values(trials, first)
    given = trials.interventions_in(_as_list(experimental)), trials.interventions_in(_as_list(control))
    overlap = set(given[0]) & set(given[1])
    if overlap:
        raise InputError(f"{', '.join(sorted(overlap))} stands on both sides; name distinct interventions.")
    pairs = pairs_of(trials, *given, first)
    finder = Finder(trials, first)
    worse = higher_is_worse if higher_is_worse is not None else _common_direction(trials, finder, pairs, outcome)
    question = _question(trials, first, worse, (experimental, control), sides, mid_from)
    effects: list[Effect] = []
    left: list[tuple[float | None, LeftOut]] = []
    for o in asked:
        made, without = _effects(trials, o, worse, pairs)
        effects += made if weeks is None else [replace(e, target_week=o.week) for e in made]
        left += [(o.week, x) for x in without]
    _same_scale(first, effects)
    words = None
    if first.reports == "all":
        if weeks is not None:
            raise InputError('reports="all" answers for one time: give week= and window=, not weeks=.')
        finder = Finder(trials, first)
        finder.worse = worse
        words = words_of(finder, pairs, effects, DESIGN_CLASSES[first.design])
    year = trials.study["year"].fillna(9999)
    effects.sort(key=lambda e: (int(year[e.study_id]), e.label, -math.inf if e.target_week is None else e.target_week))
    sources = [s for e in effects for s in e.sources] + [s for r in (words.reports if words else ()) for s in r.sources]
    cited = {s: trials.citations.get(s, "") for s in sources}
    absent = [x for _, x in left] if weeks is None else _absent(left, effects, len(asked))
    return replace(EffectTable.of(question, tuple(effects), tuple(absent), citations=cited), words=words)


def _check_weeks(weeks: Mapping[float, tuple[float, float]], options: dict[str, Any]) -> None:
    """Windows that do not overlap, so that no reading enters twice; the rest is checked as a week and a window are."""
    if not isinstance(weeks, Mapping) or not weeks:
        raise InputError("weeks is a mapping of target weeks to windows, such as {13: (8, 20), 52: (40, 60)}.")
    for name in ("week", "window"):
        if options.get(name) is not None:
            raise InputError(f"Give weeks= or {name}=, not both.")
    ends = []
    for week, window in weeks.items():
        if not (isinstance(window, (tuple, list)) and len(window) == 2 and all(isinstance(x, (int, float)) for x in window)):
            raise InputError(f"weeks: the window of week {week!r} is a pair (low, high) of weeks, not {window!r}.")
        ends.append((*window, week))
    for (_, high, one), (low, _, two) in pairwise(sorted(ends)):
        if low <= high:
            raise InputError(f"weeks: the windows of week {one:g} and {two:g} overlap, so that a reading could enter twice.")


def _effects(
    trials: Trials, o: Options, worse: bool | None, pairs: dict[str, tuple[list[str], list[str]]]
) -> tuple[list[Effect], list[LeftOut]]:
    """The effects of one time, one report a cohort, and the studies without one."""
    finder = Finder(trials, o)
    finder.worse = worse
    design = trials.study["design"]
    effects: list[Effect] = []
    left: list[LeftOut] = []
    for study_id, (ex, co) in pairs.items():
        label = trials.labels[study_id]
        if design[study_id] not in DESIGN_CLASSES[o.design]:
            apart = f"{DESIGNS[design[study_id]]}, not mixed with {CLASSES[o.design]} trials"
            left.append(LeftOut(study_id=study_id, label=label, said=said_of(trials, study_id, o.outcome), reason=apart))
        elif study_id in o.exclude_studies:
            left.append(LeftOut(study_id=study_id, label=label, reason="excluded by the plan"))
        else:
            made, why = choose(finder, study_id, ex, co)
            effects += made
            if not made:
                left.append(LeftOut(study_id=study_id, label=label, reason=why, said=said_of(trials, study_id, o.outcome)))
    _same_scale(o, effects)
    kept, twice = _one_per_cohort(trials, effects)
    return kept, [*left, *twice]


def _absent(left: list[tuple[float | None, LeftOut]], effects: list[Effect], times: int) -> list[LeftOut]:
    """Studies without an effect at any week, each with its reasons, said once where they are the same at every week."""
    there = {e.study_id for e in effects}
    out = []
    for study in dict.fromkeys(x.study_id for _, x in left if x.study_id not in there):
        own = [(week, x) for week, x in left if x.study_id == study]
        reasons = dict.fromkeys(x.reason for _, x in own)
        once = len(reasons) == 1 and len(own) == times
        said = own[0][1].reason if once else "; ".join(f"week {week:g}: {x.reason}" for week, x in own)
        out.append(replace(own[0][1], reason=said))
    return out


def _as_list(value: str | Sequence[str]) -> list[str]:
    found = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else [value]
    if not found or not all(isinstance(x, str) for x in found):
        raise InputError(f"A side of a comparison is an intervention or a list of interventions, not {value!r}.")
    return found


def _known_values(trials: Trials, o: Options) -> None:
    """Names the options use stand in the tables, and the measure fits the kind of outcome."""
    outcomes = trials.entries("outcomes")
    if o.outcome not in outcomes:
        near = did_you_mean(o.outcome, outcomes)
        raise InputError(f"Unknown outcome {o.outcome!r}.{near} outcomes.csv has {', '.join(outcomes) or 'none'}.")
    counted = [x for x in o.responders if x not in outcomes or outcomes[x].kind != "binary"]
    if counted:
        raise InputError(f"responders= names {', '.join(counted)}; it takes binary outcomes of outcomes.csv.")
    kind = outcomes[o.outcome].kind
    if (kind == "continuous") != (measures.row(o.measure).kind == "means"):
        fitting = "MD or SMD" if kind == "continuous" else "RR, OR, HR or RD"
        raise InputError(f"{o.outcome} is a {kind} outcome and gives no {o.measure}; use {fitting}.")
    interventions, studies = trials.entries("interventions").keys(), trials.entries("studies").keys()
    rows = {r for t in schema.FIGURE_TABLES for r in trials.frames[t].row_id} if o.exclude_rows else set()
    for name, values, known, where in (
        ("background", o.background or (), interventions, "interventions.csv"),
        ("exclude_studies", o.exclude_studies, studies, "studies.csv"),
        ("exclude_rows", o.exclude_rows, rows, "the tables of figures"),
    ):
        strangers = sorted(set(values) - known)
        if strangers:
            near = did_you_mean(strangers[0], known) if len(strangers) == 1 else ""
            raise InputError(
                f"{name} names what does not stand in {where}: {', '.join(strangers)}.{near} Correct or remove it."
            )


def pairs_of(trials: Trials, experimental: list[str], control: list[str], o: Options) -> dict[str, tuple[list[str], list[str]]]:
    """Studies that have arms on both sides, with those arms."""
    sides: dict[str, tuple[list[str], list[str]]] = {}
    wanted = {given: [side for side, own in enumerate((experimental, control)) if given in own]
              for given in (*experimental, *control)}  # fmt: skip
    for study, arm, given, background in trials.arm_list:
        if given not in wanted or (
            o.background is not None and (background not in o.background if o.background else background)
        ):
            continue
        for side in wanted[given]:
            sides.setdefault(study, ([], []))[side].append(arm)
    return {study: pair for study, pair in sides.items() if pair[0] and pair[1]}


def _common_direction(trials: Trials, finder: Finder, pairs: dict[str, Any], outcome: str) -> bool | None:
    """The direction of the outcome, or the one direction all its instruments share."""
    own = trials.entries("outcomes")[outcome].higher_is_worse
    if own is not None:
        return bool(own)
    tables = ("contrasts", "outcomes_continuous")
    seen = {f.worse for table in tables for study in pairs for f in finder.usable(table, study)} - {None}
    if len(seen) > 1:
        raise InputError(f"The instruments of {outcome} run in both directions; say higher_is_worse=True or False.")
    return seen.pop() if seen else None


def _question(
    trials: Trials, o: Options, worse: bool | None, wanted: tuple[Any, Any], sides: tuple[str, str] | None, mid_from: str | None
) -> Question:
    mid, source = None, ""
    if mid_from is not None:
        if not measures.row(o.measure).on_scale:
            raise InputError(
                f"mid_from={mid_from!r} gives a difference in points of a scale, which only an MD has, not {o.measure}."
            )
        mid, source = threshold_of(trials, mid_from, o.points)
    shown = trials.names("interventions")
    said = sides or tuple(" or ".join(shown.get(w, w.replace("_", " ")) for w in _as_list(side)) for side in wanted)
    return Question(
        measure=o.measure,
        experimental=said[0],
        control=said[1],
        outcome=trials.names("outcomes")[o.outcome],
        higher_is_worse=worse,
        points=o.points,
        mid=mid,
        mid_source=source,
    )


def threshold_of(trials: Trials, mid_from: str, points: tuple[float, float] | None) -> tuple[float, str]:
    """The minimal important difference of an instrument, carried to ``points``, and where it was read."""
    row = trials.entries("instruments").get(mid_from)
    if row is None or (row.mid_between is None and row.mid_within is None):
        near = "" if row is not None else did_you_mean(mid_from, trials.entries("instruments"))
        raise InputError(
            f"mid_from={mid_from!r}: no such instrument, or it has no minimal important difference in instruments.csv.{near}"
        )
    scaled = points is not None and row.scale_min is not None and row.scale_max is not None
    width = (points[1] - points[0]) / (row.scale_max - row.scale_min) if points and scaled else 1.0
    # a difference between groups where one is known; else a change within a patient, which is said
    kind, alone = ("mid_between", "") if row.mid_between is not None else ("mid_within", WITHIN_ONLY)
    cited = trials.citations.get(getattr(row, f"{kind}_source_id"), "")
    return getattr(row, kind) * width, f"{alone}{cited} ({getattr(row, f'{kind}_locator')})"


def said_of(trials: Trials, study_id: str, outcome: str) -> str:
    """What a study without a usable figure does print on the outcome."""
    bits = []
    for row in trials.figures.get(("contrasts", study_id, outcome), []):
        p = "" if row.p_value is None else f"p {row.p_operator} {row.p_value:g}"
        at = "" if time_of(row) == NO_TIME else f"{time_of(row)}: "
        est = "" if row.estimate is None else f"{row.measure} {row.estimate:g}"
        bits.append(at + ", ".join(x for x in (est, p, row.note) if x))
    return "; ".join(dict.fromkeys(bits))[:400]


def _same_scale(o: Options, effects: list[Effect]) -> None:
    """An MD without a common scale needs one scale; an SMD needs one kind of SD."""
    if measures.row(o.measure).on_scale and o.points is None:
        scales = dict.fromkeys((e.label, e.scale) for e in effects)
        if len({scale for _, scale in scales}) > 1:
            listed = "; ".join(f"{label}: {scale}" for label, scale in scales)
            raise InputError(
                f"Mixed scales cannot be pooled as MD ({listed}). Give points=(low, high) to rescale, or use measure='SMD'."
            )
    if o.measure == "SMD":
        kinds = dict.fromkeys(
            (e.label, e.value_type.removeprefix("adjusted_"))
            for e in effects
            if e.value_type in ("final", "change", "adjusted_final", "adjusted_change")
        )
        if len({kind for _, kind in kinds}) > 1:
            listed = "; ".join(f"{label}: {kind}" for label, kind in kinds)
            raise InputError(
                f"An SMD never mixes SDs of finals and of changes ({listed}). Narrow prefer to one of 'final' or 'change'."
            )


def _one_per_cohort(trials: Trials, effects: list[Effect]) -> tuple[list[Effect], list[LeftOut]]:
    """Of reports on the same patients the one with most patients counts; ties go to the earlier report, then by study id."""
    size: dict[str, float] = {}
    for e in effects:
        size[e.study_id] = size.get(e.study_id, 0.0) + sum(n or 0.0 for n in e.n)
    whole, year = trials.study["n_randomised"], trials.study["year"].fillna(9999)
    for e in effects:
        if None in e.n and not pd.isna(whole[e.study_id]):
            size[e.study_id] = max(size[e.study_id], float(whole[e.study_id]))
    cohort = {e.study_id: e.cohort_id for e in effects}
    kept: dict[str, str] = {}
    left = []
    for study in sorted(size, key=lambda s: (-size[s], int(year[s]), s)):
        if cohort[study] in kept:
            other = trials.labels[kept[cohort[study]]]
            left.append(
                LeftOut(study_id=study, label=trials.labels[study], reason=f"the same patients as {other}, counted once")
            )
        else:
            kept[cohort[study]] = study
    return [e for e in effects if e.study_id in kept.values()], left
