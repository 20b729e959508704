"""Where nothing can be pooled: which way the trials point, their p values together, and how that was done (SWiM)."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from vfmeta.appraisal.no_effects import combine_p_values, direction_of_effect, effect_range
from vfmeta.core.question import Question
from vfmeta.effects.compare.comparison import said_of
from vfmeta.effects.compare.directions import Pointer, directions
from vfmeta.effects.compare.options import Options
from vfmeta.evidence.swim import swim
from vfmeta.results.no_effects import CombinedPValues, Directions
from vfmeta.text import numbers as tx
from vfmeta.trials.schema import allowed

if TYPE_CHECKING:
    from vfmeta.effects.table import EffectTable
    from vfmeta.evidence.plan import Analysis, Plan
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

_OPTIONS = {f.name for f in fields(Options)}
#: which side a direction is of, in words for the table of trials
_SAID = {1.0: "favours {0}", -1.0: "favours {1}", 0.0: "neither, or both ways"}

#: what the figures show, by kind
TITLES = {
    "directions": "which way each trial points, by outcome",
    "sizes": "how many patients stand behind each direction",
    "p_values": "p values of the trials over their size, with the effects that would give them",
}


def unpooled(plan: Plan, sizes: dict[str, int]) -> list[Analysis]:
    """An analysis for each outcome that the plan pools at no time, the lead first; none where its lead outcome is pooled.

    Parameters
    ----------
    plan : Plan
    sizes : dict of str to int
        Trials in the main analysis, by id of the analysis.
    """
    lead = lead_of(plan)
    most: dict[str, int] = {}
    for analysis in plan.analysis:
        most[analysis.outcome] = max(most.get(analysis.outcome, 0), sizes[analysis.id])
    if most[lead.outcome] > 1:
        return []
    ordered = (lead, *plan.analysis)
    return [next(a for a in ordered if a.outcome == o) for o in dict.fromkeys(a.outcome for a in ordered) if most[o] < 2]


def lead_of(plan: Plan) -> Analysis:
    """The analysis that answers the question of the plan."""
    return next((a for a in plan.analysis if a.lead), plan.analysis[0])


def synthesis(plan: Plan, trials: Trials, tables: dict[str, EffectTable], choices: dict[str, dict[str, Any]]) -> Any:
    """Directions and p values of the trials of a plan without a pool, as plain data; None where its lead outcome is pooled.

    Parameters
    ----------
    plan : Plan
    trials : Trials
    tables, choices : dict
        Effect table of each main analysis, and what the plan states for it, by id of the analysis.
    """
    asked = unpooled(plan, {name: len(table) for name, table in tables.items()})
    if not asked:
        return None
    names = trials.names("outcomes")
    lead = tables[asked[0].id].question
    sides = Question(experimental=plan.names[0], control=plan.names[1], higher_is_worse=lead.higher_is_worse)
    found: dict[str, list[Pointer]] = {}
    known: dict[str, None] = {}
    # any time and any patients, unless the plan says which; what is shown says so
    open_to = {"time_kind": allowed("contrasts", "time_kind"), "analysis_set": allowed("contrasts", "analysis_set")}
    for analysis in asked:
        options = {k: v for k, v in choices[analysis.id].items() if k in _OPTIONS}
        question = tables[analysis.id].question
        pointers, silent = directions(
            trials, plan.experimental, plan.control, outcome=analysis.outcome, measure=analysis.measure,
            worse=question.higher_is_worse,
            **{**{k: tuple(v) for k, v in open_to.items()}, **options},
        )  # fmt: skip
        known |= dict.fromkeys([*(p.study_id for p in pointers), *silent])
        if pointers:
            found[analysis.id] = pointers
    year = trials.study["year"].fillna(9999)
    every = sorted((p for group in found.values() for p in group), key=lambda p: (int(year[p.study_id]), p.label))
    speaking = {p.study_id: p for p in every}
    rows = [
        _row(a, names[a.outcome], p) | {"said": said_of(trials, p.study_id, a.outcome)}
        for a in asked
        for p in found.get(a.id, [])
    ]
    silent_ids = [s for s in known if s not in speaking]
    directed = any(r["direction"] is not None for r in rows)
    return {
        "outcomes": [
            {
                "outcome": a.outcome,
                "name": names[a.outcome],
                "title": a.title,
                "week": a.week,
                "trials": len(found.get(a.id, [])),
            }
            for a in asked
        ],
        "known": len(known),
        "excluded": [trials.labels[s] for s in plan.exclude],
        "trials": rows,
        "silent": [_silent(trials, s, asked) for s in silent_ids],
        "range": _range(tables[asked[0].id]),
        "directions": _directions(rows, speaking, sides).to_dict() if directed else None,
        "p_values": _p_values(rows, [names[a.outcome] for a in asked], sides),
    }


def _range(table: EffectTable) -> str | None:
    """Median and range of what two trials or more print as an estimate, with or without a spread, of the lead outcome."""
    spoken = table.words.reports if table.words else ()
    every = [(label, y) for label, y in zip(table.labels, table.y.tolist(), strict=True)]
    every += [(r.label, r.y) for r in spoken if r.y is not None]
    if len(every) < 2:
        return None
    names, values = zip(*every, strict=True)
    return str(effect_range(y=list(values), study=list(names), question=table.question))


def _row(analysis: Analysis, outcome: str, p: Pointer) -> dict[str, Any]:
    plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(p).items() if k != "n"}
    n = [None if math.isnan(x) else x for x in p.n]
    if p.direction == 0 or math.isnan(p.direction):  # a two-sided p without a side says nothing of a side
        plain |= {"p": None, "bound": False}
    return {"outcome": outcome, "analysis": analysis.id, **plain, "n_experimental": n[0], "n": n[1]}


def _silent(trials: Trials, study: str, asked: list[Analysis]) -> dict[str, str]:
    """A trial of the comparison that says nothing usable of any outcome, with what it does print of them."""
    said = [x for a in asked if (x := said_of(trials, study, a.outcome))]
    return {"study_id": study, "label": trials.labels[study], "said": "; ".join(dict.fromkeys(said))}


def _directions(rows: list[dict[str, Any]], speaking: dict[str, Pointer], sides: Question) -> Directions:
    """A cell for each trial that says something of any outcome and each outcome on which any does; empty where it is silent."""
    at = {(r["label"], r["outcome"]): r for r in rows}
    outcomes = dict.fromkeys(r["outcome"] for r in rows)
    cells = [(label, o, at.get((label, o))) for o in outcomes for label in dict.fromkeys(p.label for p in speaking.values())]
    return direction_of_effect(
        direction=[math.nan if r is None or r["direction"] is None else r["direction"] for _, _, r in cells],
        n=[math.nan if r is None or r["n_experimental"] is None else r["n_experimental"] for _, _, r in cells],
        study=[label for label, _, _ in cells], outcome=[o for _, o, _ in cells], question=sides,
    )  # fmt: skip


def _p_values(rows: list[dict[str, Any]], outcomes: list[str], sides: Question) -> dict[str, Any] | None:
    """One-sided p values of the first outcome, the lead's before others, of which two trials or more print one with a side."""
    for outcome in outcomes:
        own = [r for r in rows if r["outcome"] == outcome and r["p"] is not None]
        if len(own) < 2:
            continue
        found = combine_p_values(
            p=[r["p"] for r in own], direction=[r["direction"] for r in own], study=[r["label"] for r in own],
            n=[math.nan if r["n"] is None else r["n"] for r in own], question=sides,
        )  # fmt: skip
        return {"outcome": outcome, "bounds": [r["label"] for r in own if r["bound"]], "result": found.to_dict()}
    return None


def directions_of(record: Record) -> Directions | None:
    """Which way the trials of a record point; None where its question is pooled, or no trial says."""
    found = record.data["without_effects"]
    return Directions.from_dict(found["directions"]) if found and found["directions"] else None


def p_values_of(record: Record) -> CombinedPValues | None:
    """Their p values together; None where fewer than two print one with a side."""
    found = record.data["without_effects"]
    return CombinedPValues.from_dict(found["p_values"]["result"]) if found and found["p_values"] else None


def drawn(record: Record) -> list[tuple[str, dict[str, Any]]]:
    """The figures of a record and the results they are drawn from; a figure of one trial says nothing that its row does not."""
    found, out = record.data["without_effects"], []
    if found and found["directions"] and len({r["study_id"] for r in found["trials"]}) > 1:
        out.append(("directions", found["directions"]))
        pointing = Directions.from_dict(found["directions"])
        if pointing.directed.max() > 2:  # fewer bars say nothing that the arrows do not
            out.append(("sizes", found["directions"]))
    together = p_values_of(record)
    if together is not None and sum(n > 0 for n in together.sizes.tolist()) > 1:
        out.append(("p_values", found["p_values"]["result"]))
    return out


def directions_alt(found: Directions) -> str:
    """The effect direction plot in sentences."""
    sides = found.question.experimental, found.question.control
    said = []
    for term in found.terms:
        rows = zip(found.labels, found.outcomes, found.direction.tolist(), strict=True)
        each = [f"{label} {_way(way, sides)}" for label, outcome, way in rows if outcome == term]
        said.append(f"{term}: {', '.join(each)}")
    return f"Effect direction plot, trials by outcome. {'; '.join(said)}."


def sizes_alt(found: Directions) -> str:
    """The harvest plot in sentences."""
    arm, said = found.question.experimental, []
    for term in found.terms:
        rows = zip(found.labels, found.outcomes, found.direction.tolist(), found.sizes.tolist(), strict=True)
        own = [(label, _way(way, (arm, found.question.control)), n) for label, outcome, way, n in rows
               if outcome == term and not math.isnan(way)]  # fmt: skip
        each = [f"{label} {side}, {f'{n:g} patients' if math.isfinite(n) else 'size not printed'}" for label, side, n in own]
        said.append(f"{term}: {'; '.join(each)}")
    return f"Harvest plot: bars by direction, as high as the patients given {arm}. {'. '.join(said)}."


def p_values_alt(found: CombinedPValues) -> str:
    """The albatross plot in sentences."""
    rows = zip(found.labels, found.p.tolist(), found.sizes.tolist(), strict=True)
    each = [f"{label} {tx.p_text(p)} with {f'{n:g}' if n > 0 else 'an unknown number of'} patients" for label, p, n in rows]
    towards = found.question.experimental
    return f"Albatross plot: one-sided p values, small where a trial favours {towards}, over the patients. {'; '.join(each)}."


def _way(direction: float, sides: tuple[str, str]) -> str:
    return "does not say" if math.isnan(direction) else _SAID[direction].format(*sides)


def view(record: Record, plan: Plan) -> dict[str, Any] | None:
    """What a page shows of it; None where the question is pooled."""
    found = record.data["without_effects"]
    if found is None:
        return None
    pointing, together = directions_of(record), p_values_of(record)
    rows = [r | {"side": _side(r, plan), "p": _p(r), "n": "" if r["n"] is None else f"{r['n']:g}"} for r in found["trials"]]
    return {
        "said": [*(_said(pointing) if pointing else []), *([found["range"]] if found["range"] else [])],
        "known": found["known"],
        "speaking": len({r["study_id"] for r in rows}),
        "rows": rows,
        "silent": [x for x in found["silent"] if x["said"]],
        "nothing": [x for x in found["silent"] if not x["said"]],
        "swim": swim(plan, found, together) if len({r["study_id"] for r in rows}) > 1 else [],
    }


def _said(found: Directions) -> list[str]:
    """A sentence an outcome: the test where two trials or more name a side, else the trial that does."""
    sides, out = (found.question.experimental, found.question.control), []
    for i, (term, sentence) in enumerate(zip(found.terms, found.sentences(), strict=True)):
        if found.directed[i] > 1:
            out.append(sentence)
        for label, outcome, way in zip(found.labels, found.outcomes, found.direction.tolist(), strict=True):
            if outcome == term and found.directed[i] == 1 and abs(way) == 1:
                out.append(f"{term}: one trial names a side, {label}; it {_way(way, sides)}.")
    return out


def _side(row: dict[str, Any], plan: Plan) -> str:
    return _way(math.nan if row["direction"] is None else row["direction"], plan.names)


def _p(row: dict[str, Any]) -> str:
    return "" if row["p"] is None else f"p {'<' if row['bound'] else '='} {tx.short(row['p'], 2)}"
