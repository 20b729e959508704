"""A question put to the tables, answered by an effect table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from vfmeta.effects.candidates import Candidate, Finder, Made
from vfmeta.effects.options import DESIGN_CLASSES, Options
from vfmeta.effects.published import Unusable
from vfmeta.effects.table import Effect, EffectTable, LeftOut
from vfmeta.messages import InputError
from vfmeta.results import RATIO_MEASURES, Question
from vfmeta.trials import Trials, schema
from vfmeta.trials.instruments import scale_ends

NOT_PRINTED = "prints no figure for this outcome"


def compare(
    trials: Trials,
    experimental: str | Sequence[str],
    control: str | Sequence[str],
    *,
    outcome: str,
    names: tuple[str, str] | None = None,
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
    names : (str, str), optional
        Names of the two sides for people; made from the intervention names when left out.
    higher_is_worse : bool, optional
        Direction the effects are given in; that of the outcome or its instruments when left out.
    mid_from : str, optional
        Instrument whose minimal important difference applies to ``scale``.
    **options
        ``measure`` ("MD", "SMD", "RR", "OR", "HR", "RD"); ``week`` and ``window`` (target week and the window around it: the
        reading nearest to the target wins, ties go to the later; without a week the latest reading is taken); ``scale``
        (common scale of an MD, such as (0, 10): only rows with both scale ends printed or in the instrument table are
        rescaled); ``design`` ("randomised", "quasi_randomised", "non_randomised": never mixed); ``prefer`` (order among
        "adjusted_contrast", "contrast", "change", "final" at the same time); ``background`` (treatments all arms share: a tuple
        of ids, ``()`` for none, None for any); ``unit``, ``analysis_set``, ``time_kind``, ``use`` (values of those columns
        that may enter); ``multi_arm`` ("combine" or "split"); ``zero`` (zero-cell rule); ``n_missing`` ("leave_out", or
        "randomised" to use the number randomised where the number analysed is not printed); ``assume_direction`` and
        ``assume_scale`` (for rows whose direction or scale is not stated, in sensitivity analyses); ``counts_from_percent`` (rebuild a count from a printed percentage, in analyses that say so);
        ``p_bound`` (take "p < x" as
        p = x, the widest interval that fits, in sensitivity analyses); ``drop_flags``, ``exclude_studies``, ``exclude_rows``.

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
    ...                    outcome="pain_overall", week=52, window=(40, 60), measure="MD", scale=(0, 10))
    >>> "Buchbinder 2009" in table.labels
    True
    """
    unknown = set(options) - set(Options.__dataclass_fields__)
    if unknown:
        raise InputError(f"Unknown option {', '.join(sorted(unknown))}; compare takes {', '.join(Options.__dataclass_fields__)}.")
    asked = Options(outcome=outcome, **options)
    _known_values(trials, asked)
    sides = trials.interventions_in(_as_list(experimental)), trials.interventions_in(_as_list(control))
    overlap = set(sides[0]) & set(sides[1])
    if overlap:
        raise InputError(f"{', '.join(sorted(overlap))} stands on both sides; name distinct interventions.")
    pairs = _pairs(trials, *sides, asked)
    finder = Finder(trials, asked)
    worse = higher_is_worse if higher_is_worse is not None else _common_direction(trials, finder, pairs, outcome)
    finder.worse = worse
    question = _question(trials, asked, worse, (experimental, control), names, mid_from)
    design = trials.study["design"]
    effects: list[Effect] = []
    left: list[LeftOut] = []
    for study_id, (ex, co) in pairs.items():
        label = trials.labels[study_id]
        if design[study_id] not in DESIGN_CLASSES[asked.design]:
            left.append(LeftOut(study_id=study_id, label=label, said=_said(trials, study_id, outcome),
                                reason=f"{design[study_id].replace('_', ' ')}: not mixed with {asked.design.replace('_', ' ')} trials"))  # fmt: skip
        elif study_id in asked.exclude_studies:
            left.append(LeftOut(study_id=study_id, label=label, reason="excluded by the plan"))
        else:
            made, why = _choose(trials, finder, study_id, label, ex, co)
            effects += made
            if not made:
                left.append(LeftOut(study_id=study_id, label=label, reason=why, said=_said(trials, study_id, outcome)))
    _same_scale(trials, asked, effects)
    effects, twice = _one_per_cohort(trials, effects)
    year = trials.study["year"].fillna(9999)
    effects.sort(key=lambda e: (year[e.study_id], e.label))
    cited = {s: trials.citations.get(s, "") for e in effects for s in e.sources}
    return EffectTable(question, tuple(effects), tuple([*left, *twice]), citations=cited)


def _as_list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _known_values(trials: Trials, o: Options) -> None:
    if o.outcome not in set(trials.outcomes.outcome_id):
        raise InputError(f"Unknown outcome {o.outcome!r}; outcomes.csv has {', '.join(trials.outcomes.outcome_id)}.")
    strangers = set(o.exclude_studies) - set(trials.studies.study_id)
    if strangers:
        raise InputError(f"exclude_studies names unknown studies: {', '.join(sorted(strangers))}.")
    rows = {r for t in schema.FIGURE_TABLES for r in trials.frames[t].row_id} if o.exclude_rows else set()
    if set(o.exclude_rows) - rows:
        raise InputError(f"exclude_rows names unknown rows: {', '.join(sorted(set(o.exclude_rows) - rows))}.")


def _pairs(trials: Trials, experimental: list[str], control: list[str], o: Options) -> dict[str, tuple[list[str], list[str]]]:
    """Studies that have arms on both sides, with those arms."""
    sides: dict[str, tuple[list[str], list[str]]] = {}
    for study, arm, given, background in trials.arm_list:
        if o.background is not None and (background not in o.background if o.background else background):
            continue
        for side, wanted in enumerate((experimental, control)):
            if given in wanted:
                sides.setdefault(study, ([], []))[side].append(arm)
    return {study: pair for study, pair in sides.items() if pair[0] and pair[1]}


def _common_direction(trials: Trials, finder: Finder, pairs: dict[str, Any], outcome: str) -> bool | None:
    """The direction of the outcome, or the one direction all its instruments share."""
    own = trials.outcomes.loc[trials.outcomes.outcome_id == outcome, "higher_is_worse"]
    if len(own) and not pd.isna(own.iloc[0]):
        return bool(own.iloc[0])
    tables = ("contrasts", "outcomes_continuous")
    seen = {f.worse for table in tables for study in pairs for f in finder.usable(table, study)} - {None}
    if len(seen) > 1:
        raise InputError(f"The instruments of {outcome} run in both directions; say higher_is_worse=True or False.")
    return seen.pop() if seen else None


def _question(
    trials: Trials, o: Options, worse: bool | None, wanted: tuple[Any, Any], names: tuple[str, str] | None, mid_from: str | None
) -> Question:
    mid, source = None, ""
    if mid_from is not None:
        hit = trials.instruments[trials.instruments.instrument_id == mid_from]
        if hit.empty or pd.isna(hit["mid"].iloc[0]):
            raise InputError(f"mid_from={mid_from!r}: no such instrument, or it has no minimal important difference in instruments.csv.")
        row = hit.iloc[0]
        low, high = (float(x[0]) for x in scale_ends(hit.assign(scale_min=pd.NA, scale_max=pd.NA), trials.instruments))
        width = 1.0 if o.scale is None or math.isnan(low) else (o.scale[1] - o.scale[0]) / (high - low)
        mid, source = float(row["mid"]) * width, f"{trials.citations.get(row.mid_source_id, '')} ({row.mid_locator})"
    shown = trials.names("interventions")
    said = names or tuple(" or ".join(shown.get(w, w.replace("_", " ")) for w in _as_list(side)) for side in wanted)
    return Question(
        measure=o.measure, experimental=said[0], control=said[1], outcome=trials.names("outcomes")[o.outcome], higher_is_worse=worse,
        scale=o.scale, mid=mid if o.measure not in RATIO_MEASURES else None, mid_source=source,
    )  # fmt: skip


def _choose(trials: Trials, finder: Finder, study_id: str, label: str, ex: list[str], co: list[str]) -> tuple[list[Effect], str]:
    """The reading nearest to the target week that can be used, by the plan's preference at that time."""
    o = finder.options
    found = finder.of(study_id, ex, co)
    inside = [c for c in found if _in_window(c, o)]
    if not inside:
        return [], _why_none(trials, study_id, o, found)
    rank = {kind: i for i, kind in enumerate(o.prefer)}
    order = sorted(inside, key=lambda c: (*_distance(c, o), rank.get(c.preference, len(rank)), -c.size))
    tried: list[str] = []
    for i, candidate in enumerate(order):
        if candidate.preference not in rank:
            tried.append(f"{_name(candidate)}: the plan does not take this kind")
            continue
        try:
            made = candidate.make()
        except Unusable as why:
            tried.append(f"{_name(candidate)}: {why}")
            continue
        unused = [*tried, *(f"{_name(c)}: {_why_later(c, candidate, o)}" for c in order[i + 1 :])]
        return [_effect(trials, candidate, m, study_id, label, unused, len(made) > 1) for m in made], ""
    return [], "; ".join(dict.fromkeys(tried))


def _in_window(c: Candidate, o: Options) -> bool:
    if o.window is None:
        return True
    return not math.isnan(c.week) and o.window[0] <= c.week <= o.window[1]


def _distance(c: Candidate, o: Options) -> tuple[float, float]:
    """Sort key: nearest to the target, then later; without a target the latest, readings without a time last."""
    if math.isnan(c.week):
        return (math.inf, 0.0)
    return (0.0 if o.week is None else round(abs(c.week - o.week), 6), -c.week)


def _name(c: Candidate) -> str:
    return f"{', '.join(c.rows)} ({c.preference.replace('_', ' ')}, {c.at})"


def _why_later(c: Candidate, chosen: Candidate, o: Options) -> str:
    if _distance(c, o) != _distance(chosen, o):
        return "further from the target week" if o.week is not None else "an earlier reading"
    return f"the plan prefers {chosen.preference.replace('_', ' ')}" if c.preference != chosen.preference else "fewer patients"


def _why_none(trials: Trials, study_id: str, o: Options, found: list[Candidate]) -> str:
    if found:
        return f"no reading between week {o.window[0]:g} and {o.window[1]:g} (it prints {', '.join(dict.fromkeys(c.at for c in found))})" if o.window else NOT_PRINTED
    rows = [f for table in schema.FIGURE_TABLES for f in trials.figures.get((table, study_id, o.outcome), [])]
    rows = [f for f in rows if f.time_value != 0 or f.table == "outcomes_binary"]
    if not rows:
        return NOT_PRINTED
    flags = sorted({f.replace("_", " ") for row in rows for f in row.flags})
    kept = "its figures are kept for the record only" if {row.use for row in rows} == {"no"} else "its figures serve other analyses only"
    return kept + (f" ({', '.join(flags)})" if flags else "")


def _said(trials: Trials, study_id: str, outcome: str) -> str:
    """What a study without a usable figure does print on the outcome."""
    bits = []
    for row in trials.figures.get(("contrasts", study_id, outcome), []):
        p = "" if row.p_value is None else f"p {row.p_operator} {row.p_value:g}"
        at = "" if row.time_value is None else f"{row.time_value:g} {row.time_unit}: "
        est = "" if row.estimate is None else f"{row.measure} {row.estimate:g}"
        bits.append(at + ", ".join(x for x in (est, p, row.note) if x))
    return "; ".join(dict.fromkeys(bits))[:400]


def _effect(trials: Trials, c: Candidate, m: Made, study_id: str, label: str, unused: list[str], several: bool) -> Effect:
    readings = {f.reading for f in c.figures}
    steps = [f"reading at {c.at} used", *m.steps] if c.at != "no time printed" else ["no time printed beside the figure", *m.steps]
    return Effect(
        study_id=study_id, label=f"{label} ({m.arms[0]})" if several else label, y=m.y, v=m.v,
        cohort_id=trials.study.cohort_id[study_id], arms=m.arms, week=None if math.isnan(c.week) else round(c.week, 4),
        n=m.n, events=m.events, instrument=getattr(c.figures[0], "instrument_printed", ""), value_type=m.value_type, scale=_scale_of(c.figures[0]),
        reading="single" if "single" in readings else "corrected" if "corrected" in readings else "agrees",
        flags=tuple(sorted({f for row in c.figures for f in row.flags})), rows=c.rows,
        sources=tuple(dict.fromkeys([f.source_id for f in c.figures] + [f.reading_source_id for f in c.figures if f.reading_source_id])), steps=tuple(steps),
        unused=tuple(unused), printed=tuple(_printed(f) for f in c.figures),
    )  # fmt: skip


_SHOWN = ("arm_id", "definition", "instrument_printed", "unit", "measure", "printed_as", "contrast_of", "value_type", "change_sign", "n", "mean", "sd",
          "se", "median", "q1", "q3", "range_low", "range_high", "events", "total", "percent", "estimate", "ci_low", "ci_high", "ci_level", "p_value",
          "adjusted_for")  # fmt: skip


def _printed(f: Any) -> str:
    """A figure as printed, with its place."""
    cells = []
    for name in _SHOWN:
        value = getattr(f, name, None)
        if value not in (None, ""):
            cells.append(f"{name.replace('_', ' ')} {value:g}" if isinstance(value, (int, float)) else f"{name.replace('_', ' ')} {value}")
    return f"{f.row_id}: {', '.join(cells)} [{f.source_id}, {f.locator}; reading: {f.reading}]"


def _scale_of(f: Any) -> str:
    low = getattr(f, "low_end", None)
    return getattr(f, "instrument_id", "") if low is None else f"{low:g} to {f.high_end:g}"


def _same_scale(trials: Trials, o: Options, effects: list[Effect]) -> None:
    """An MD without a common scale needs one scale; an SMD needs one kind of SD."""
    if o.measure == "MD" and o.scale is None:
        scales = {e.label: e.scale for e in effects}
        if len(set(scales.values())) > 1:
            listed = "; ".join(f"{k}: {v}" for k, v in scales.items())
            raise InputError(f"Mixed scales cannot be pooled as MD ({listed}). Give scale=(low, high) to rescale, or use measure='SMD'.")
    if o.measure == "SMD":
        kinds = {e.label: e.value_type.removeprefix("adjusted_") for e in effects if e.value_type in ("final", "change", "adjusted_final", "adjusted_change")}
        if len(set(kinds.values())) > 1:
            listed = "; ".join(f"{k}: {v}" for k, v in kinds.items())
            raise InputError(f"An SMD never mixes SDs of finals and of changes ({listed}). Narrow prefer to one of 'final' or 'change'.")


def _one_per_cohort(trials: Trials, effects: list[Effect]) -> tuple[list[Effect], list[LeftOut]]:
    """Of reports on the same patients the largest counts, ties go to the earlier."""
    kept: dict[str, Effect] = {}
    arms: dict[str, list[Effect]] = {}
    for e in effects:
        arms.setdefault(e.study_id, []).append(e)
    left = []
    size = {s: sum(sum(x or 0 for x in e.n) for e in es) for s, es in arms.items()}
    for e in sorted((es[0] for es in arms.values()), key=lambda e: -size[e.study_id]):
        if e.cohort_id in kept:
            other = kept[e.cohort_id].label
            left.append(LeftOut(study_id=e.study_id, label=e.label, reason=f"the same patients as {other}, counted once"))
        else:
            kept[e.cohort_id] = e
    chosen = {e.study_id for e in kept.values()}
    return [e for e in effects if e.study_id in chosen], left
