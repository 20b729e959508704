"""Everything that the page of the untreated course shows, as plain values for its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vfmeta.evidence.untreated.arms import CLASSES, untreated_arms
from vfmeta.evidence.untreated.baseline import baseline_risk
from vfmeta.evidence.untreated.course import Course, course
from vfmeta.evidence.untreated.pools import OneGroup
from vfmeta.evidence.untreated.shares import still_in_pain
from vfmeta.text.answer import trials as trials_text
from vfmeta.text.context import figure_text, points_text, share_text
from vfmeta.trials.context_rules import PLACE

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

#: parts of the chapter, in the order they are read
TOPICS = {
    "how_common": "How common they are",
    "how_many_new": "How many are new",
    "how_they_happen": "How they happen",
    "come_to_attention": "How many come to attention",
    "where": "Where they are",
    "what_hurts": "What hurts",
    "how_long": "For how long",
    "healing": "Whether they heal",
    "next_fracture": "The next fracture",
}

#: when the review asks how many are still in pain
ASKED = ("1 month", "3 months", "1 year or later")


def untreated_view(
    trials: Trials, records: list[Record], figure: dict[str, str] | None, cache: Cache | None = None
) -> dict[str, Any]:
    """What the page shows; ``figure`` is the drawn course (name, title, alt text), None where there is none."""
    seen, shares = course(trials, cache), _shares(trials, cache)
    return {
        "answer": _answer(seen),
        "figure": figure,
        "visits": _visits(seen, trials),
        "borrowed": [f"{sd:.1f}" for sd in seen.borrowed],
        "left_out": [{"study": s, "label": trials.labels[s], "why": why} for s, _, why in seen.left_out],
        "shares": shares,
        "no_share": [time for time in ASKED if time not in {s["time"] for s in shares}],
        "risks": _risks(records, trials, cache),
        "crossover": _crossover(trials),
        "chapter": chapter(trials),
        "figures": _figures(trials),
    }


def chapter(trials: Trials) -> list[dict[str, Any]]:
    """Sentences by topic; each is what stands before its figure, the figure, what stands after, and the row it comes from."""
    rows = trials.entries("context").values()
    parts = []
    for topic, title in TOPICS.items():
        said = []
        for r in rows:
            if r.topic == topic and r.sentence:
                before, _, after = r.sentence.partition(PLACE)
                said.append({"before": before, "figure": _figure(r), "after": after, "row": r.row_id})
        if said:
            parts.append({"title": title, "sentences": said})
    return parts


def _figure(r: Any) -> str:
    limits = None if r.ci_low is None or r.ci_high is None else (r.ci_low, r.ci_high)
    return figure_text(r.kind, events=r.events, total=r.total, percent=r.percent, estimate=r.estimate, sd=r.sd, limits=limits,
                       level=r.ci_level, unit=r.unit)  # fmt: skip


def _answer(seen: Course) -> str:
    """The course in one sentence, where the start and a later visit are known."""
    known = [v for v in seen.visits if v.pooled is not None]
    if len(known) < 2 or known[0].week != 0:
        return ""
    several = [v for v in known[1:] if v.pooled is not None and v.pooled.k > 1]
    last = several[-1] if several else known[-1]
    said = [f"{points_text(*v.pooled.shown)} in {trials_text(v.pooled.k)}" for v in (known[0], last) if v.pooled]
    return (
        f"In control arms (a sham, a placebo, usual care or nothing) mean pain of recent fractures was {said[0]} at the start "
        f"and {said[1]} after {last.name}, on a scale of 0 to 10 (95% intervals)."
    )


def _visits(seen: Course, trials: Trials) -> list[dict[str, Any]]:
    rows = []
    for v in seen.visits:
        arms = [
            {"study": a.study, "label": trials.labels[a.study], "mean": f"{a.mean:.1f}", "n": f"{a.n:g}", "twice": a.twice,
             "steps": "; ".join(a.steps), "week": f"{a.week:.0f}"}
            for a in v.arms
        ]  # fmt: skip
        rows.append({"name": v.name, "arms": arms, "pooled": _mean_text(v.pooled), "twice": _mean_text(v.twice)})
    return rows


def _mean_text(pool: OneGroup | None) -> str:
    return "" if pool is None else points_text(*pool.shown) + ("" if pool.k > 1 else ", one trial")


def _shares(trials: Trials, cache: Cache | None) -> list[dict[str, Any]]:
    rows = []
    for s in still_in_pain(trials, cache):
        groups = [
            {"label": g.label, "link": g.link, "twice": g.twice,
             "figure": figure_text("proportion", events=g.events, total=g.total, percent=g.percent)}
            for g in s.groups
        ]  # fmt: skip
        pooled = "" if s.pooled is None else share_text(*s.pooled.shown)
        rows.append({"kind": s.kind, "time": s.time, "groups": groups, "pooled": pooled})
    return rows


def _risks(records: list[Record], trials: Trials, cache: Cache | None) -> list[dict[str, Any]]:
    """The risk in the untreated arms of every analysis of counts whose control is no treatment under review."""
    rows = []
    for record in records:
        plan = record.data["plan"]
        untreated = {
            trials.entries("interventions")[x].intervention_class for x in trials.interventions_in(list(plan["control"]))
        }
        asked = record.question.facts.kind == "events" and untreated <= set(CLASSES) and not plan["background"]
        risk = baseline_risk(record, trials, cache) if asked else None
        if risk is not None:
            rows.append(
                {
                    "page": plan["page"],
                    "plan": plan["id"],
                    "control": plan["names"][1],
                    "against": plan["names"][0],
                    "title": record.title,
                    "trials": ", ".join(risk.pool.fit.labels),
                    "people": f"{risk.pool.people:,.0f}",
                    "risk": share_text(*risk.pool.shown),
                    "rebuilt": risk.rebuilt,
                    "missing": risk.missing,
                }
            )
    return rows


def _crossover(trials: Trials) -> list[dict[str, str]]:
    untreated = {a.study for a in untreated_arms(trials)}
    rows = [s for s in trials.entries("studies").values() if s.crossover and s.study_id in untreated]
    return [
        {"study": s.study_id, "label": trials.labels[s.study_id], "said": s.crossover, **_source(trials, s.crossover_source_id)}
        for s in rows
    ]


def _figures(trials: Trials) -> list[dict[str, Any]]:
    """Every figure of the context with its source, for the table that the sentences lead to."""
    order = {topic: i for i, topic in enumerate(TOPICS)}
    rows = sorted(trials.entries("context").values(), key=lambda r: order[r.topic])
    return [
        {"row": r.row_id, "topic": TOPICS[r.topic], "population": r.population, "definition": r.definition,
         "figure": _figure(r) + (f" ({r.unit})" if r.kind == "ratio" else ""), "time": _time(r), "twice": r.reading != "single",
         "locator": r.locator, "note": r.note, **_source(trials, r.source_id)}
        for r in rows
    ]  # fmt: skip


def _time(r: Any) -> str:
    if r.time_value is None:
        return ""
    return "at the start" if r.time_value == 0 else f"{r.time_value:g} {r.time_unit}{'' if r.time_value == 1 else 's'}"


def _source(trials: Trials, source_id: str) -> dict[str, str]:
    found = trials.source(source_id)
    return {"citation": found["citation"], "url": found["url"]}
