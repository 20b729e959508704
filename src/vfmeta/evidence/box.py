"""What an answer box says, from records and tables, and which pools of other reviews stand beside a plan."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from vfmeta.core import measures
from vfmeta.evidence import points, reported
from vfmeta.evidence.untreated.baseline import baseline_risk
from vfmeta.text import box as words
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count, possibly_more, state, trials
from vfmeta.text.certainty import level_text, statement
from vfmeta.text.context import share_text

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.plan import Plan
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

_DIFFERENCES = ("MD", "WMD", "SMD")
_RATIOS = ("RR", "OR", "HR")
_SHOWN = 4  # pools of other reviews in a box; all stand in the table
_UNSETTLED, _UNUSABLE = "Figures that are not settled", "What trials print without a usable figure"
_INSTEAD = ("For a patient", _UNSETTLED, _UNUSABLE, "What other reviews found")
Line = tuple[str, list[str]]


def answer_box(own: list[Record], plan: Plan, tables: Trials, cache: Cache | None = None) -> list[Line]:
    """The lines of the box under the answer of a plan, in order; what there is nothing to say of is left out.

    They speak of the analysis that leads the plan. Where that has no figure, the first that has one stands in for the patient.
    """
    lead = leader(own)
    told = lead if lead.k else next((r for r in own if r.k), lead)
    nothing = [] if told.k else ["No trial that could be read prints a settled figure for the size of the effect."]
    instead = [] if told is lead or not told.k else [f"{told.title}. {told.data['answer']}"]
    said = (
        ("For a patient", [*nothing, *instead, *_sizes_of(told, tables, cache)]),
        ("Trials and people", [_behind(told, tables)] if told.k else []),
        ("Certainty", _certainty(told)),
        ("What is missing", _missing(lead, tables)),
        (_UNSETTLED, [] if lead.k else _unsettled(lead)),
        (_UNUSABLE, [] if lead.k else _printed(lead, own, plan)),
        ("What other reviews found", [] if lead.k else other_reviews(lead, plan, tables)),
        ("What would settle it", [_settles(lead, tables)]),
    )
    return [(name, lines) for name, lines in said if lines]


def instead_of_a_figure(own: list[Record], box: list[Line]) -> list[Line]:
    """What the box of a plan has to say where its main analysis finds no figure; empty where it finds one."""
    return [] if leader(own).k else [(name, lines) for name, lines in box if name in _INSTEAD]


def leader(own: list[Record]) -> Record:
    """The analysis of a plan whose answer is that of the plan."""
    return next((r for r in own if r.data["analysis"].get("lead")), own[0])


def standing(own: list[Record], plan: Plan, tables: Trials) -> str:
    """What a question can be answered by: "lead", its main analysis; "other", another one; "beside", figures that are
    not settled, what trials print without a usable one, or pools of other reviews; "nothing", not even those.
    """
    lead = leader(own)
    if lead.k:
        return "lead"
    if any(r.k for r in own):
        return "other"
    return "beside" if _unsettled(lead) or _printed(lead, own, plan) or other_reviews(lead, plan, tables) else "nothing"


def people(record: Record) -> str:
    """How many people stand behind an analysis; "or more" where an arm does not say."""
    sizes = [s[f"n_{side}"] for s in record.data["studies"] for side in ("experimental", "control")]
    known = [n for n in sizes if n is not None]
    return "" if not known else f"{sum(known):,g}{'' if len(known) == len(sizes) else ' or more'}"


def _behind(record: Record, tables: Trials) -> str:
    randomised = randomised_in({s["study_id"]: s for s in record.data["studies"]}, tables)
    return words.behind_text(record.k, people(record), sum(randomised.values()))


def _sizes_of(record: Record, tables: Trials, cache: Cache | None) -> list[str]:
    """The leading result in points of its scale, or of 100 people."""
    lead, q, spread = record.lead, record.question, record.data.get("points")
    if lead is None:
        return []
    if q.measure == "SMD" and not spread and record.k > 1:
        return [points.NO_POINTS]
    if spread:
        return [words.points_text(q, lead.estimate, lead.interval, tuple(spread["points"]), spread["sd"])]
    if q.facts.on_scale and q.points is not None:
        return [words.points_text(q, lead.estimate, lead.interval, q.points)]
    risk = baseline_risk(record, tables, cache) if q.measure in ("RR", "OR", "RD") else None
    if risk is None:
        return []
    base, limits = risk.pool.shown
    shown, low, high = (words.treated_risk(q.measure, base, q.display(x)) for x in (lead.estimate, *lead.interval))
    share, names = share_text(base, limits), risk.pool.fit.labels
    return [
        words.of_100_text(q, base, (shown, low, high)),
        words.baseline_text(names, risk.pool.people, share, q.control, risk.rebuilt, risk.missing),
    ]


def _certainty(record: Record) -> list[str]:
    """The level with its words, or what keeps it open."""
    found, fit = record.certainty, record.lead
    if found is None or fit is None:
        return []
    said = statement(found.question, fit.estimate, fit.wider_interval, found.rating) if found.rating else ""
    return [f"{words.capital(level_text(found.shown))}.{' ' if said else ''}{said}"]


def _missing(record: Record, tables: Trials) -> list[str]:
    out = left_out_of(record)
    if not out:
        return []
    used = {s["study_id"]: s for s in record.data["studies"]}
    sizes, kept, q = randomised_in(out, tables), randomised_in(used, tables), record.question
    counts = (len(out), len(out) + len(used), q.outcome)
    if not sizes:
        return [words.missing_text(*counts)]
    largest = max(sizes, key=lambda study: sizes[study])
    everyone = sum(sizes.values()) + sum(kept.values())
    return [words.missing_text(*counts, out[largest]["label"], sizes[largest], everyone, reason_of(out[largest]))]


def reason_of(left: dict[str, Any]) -> str:
    """Why a trial is out, without the names of rows."""
    row = rf"{re.escape(left['study_id'])}-[^\s,()]+"
    return re.sub(rf"{row}(?:, {row})* \(([^)]*)\)", r"\1", left["reason"])


def _unsettled(record: Record) -> list[str]:
    """What sensitivity analyses find with figures that the main one does not take."""
    return [
        f"{words.capital(s.data['title'])} ({trials(s.k)}): {points.told(s.lead, s.data.get('points'))}"
        for s in record.sensitivity
        if s.lead is not None
    ]


def _printed(lead: Record, own: list[Record], plan: Plan) -> list[str]:
    """Trials that print something of the outcome which is no usable figure, by the side it names."""
    out = [x["label"] for x in left_out_of(lead).values() if x["said"]]
    pointing = next((found for r in own if (found := r.data["without_effects"])), None)
    rows = [] if pointing is None else [r for r in pointing["trials"] if r["analysis"] == lead.id]
    sides = {r["label"]: r["direction"] for r in rows if r["direction"] is not None}
    every = list(dict.fromkeys([*sides, *out]))
    if not every:
        return []
    said = {f"favour {plan.names[0]}": 1.0, f"favour {plan.names[1]}": -1.0, "name neither, or point both ways": 0.0}
    groups = {name: [x for x in every if sides.get(x) == way] for name, way in said.items()}
    groups["do not say which way"] = [x for x in every if x not in sides]
    verb = "prints" if len(every) == 1 else "print"
    second = reported.view(lead)
    return [
        f"{words.capital(trials(len(every)))} {verb} words, a p value or part of a figure.",
        *(
            f"{count(len(found))} {name if len(found) > 1 else _one(name)}: {', '.join(found)}."
            for name, found in groups.items()
            if found
        ),
        *([f"A second answer, made from such words and told below: {second['answer']}"] if second and second["answer"] else []),
    ]


def _one(verb: str) -> str:
    first, _, rest = verb.partition(" ")
    return f"{'does' if first == 'do' else first + 's'} {rest}".replace("or point", "or points")


def matching_pools(plan: Plan, tables: Trials) -> list[Any]:
    """Pools of other reviews on the comparison of a plan: rows of ``published_pools``."""
    ex, co = set(tables.interventions_in(list(plan.experimental))), set(tables.interventions_in(list(plan.control)))
    # a pooled comparator (placebo or another drug) has no one control: it stands beside every comparison of its intervention
    return [
        p for p in tables.entries("published_pools").values()
        if (p.experimental_id in ex and (p.control_id in co or p.control_id == "")) or p.pool_id in plan.pools
    ]  # fmt: skip


def nearest_pools(record: Record, plan: Plan, tables: Trials) -> list[Any]:
    """Pools of other reviews of the outcome of an analysis, else of its domain, else of any; what can be read best first."""
    outcomes, wanted = tables.entries("outcomes"), record.data["analysis"]["outcome"]
    pools: dict[tuple[Any, ...], Any] = {}
    for p in matching_pools(plan, tables):
        kind = outcomes[p.outcome_id].kind if p.outcome_id in outcomes and p.estimate is not None else ""
        if (p.measure in _DIFFERENCES and kind == "continuous") or (p.measure in _RATIOS and kind == "binary"):
            pools.setdefault((p.review_id, p.outcome_id, p.time_window, p.estimate), p)
    every, domain = list(pools.values()), outcomes[wanted].domain
    same = [p for p in every if p.outcome_id == wanted]
    chosen = same or [p for p in every if outcomes[p.outcome_id].domain == domain] or every
    return sorted(chosen, key=lambda p: (p.ci_low is None, p.printed_as == "not_stated"))


def other_reviews(record: Record, plan: Plan, tables: Trials) -> list[str]:
    """Pools of other reviews with their signs turned to ours: of the same outcome, else of its domain, else of any."""
    chosen = nearest_pools(record, plan, tables)
    found = [_theirs(p, plan.names, tables) for p in chosen[:_SHOWN]]
    if not found:
        return []
    rest = len(chosen) - len(found)
    return [
        "Theirs, not ours; signs are turned to ours where the copy read says which way it subtracts.",
        *found,
        *([f"{rest} more in the table below."] if rest > 0 else []),
    ]


def _theirs(pool: Any, sides: tuple[str, str], tables: Trials) -> str:
    printed, figures, worse = printed_and_turned(pool, tables)
    side, null = "", 0.0 if pool.measure in _DIFFERENCES else 1.0
    if figures and worse is not None and (figures[1] > null or figures[2] < null):
        side = sides[0] if (figures[0] < null) == worse else sides[1]
    name = measures.row("MD" if pool.measure == "WMD" else pool.measure).words.lower()
    citation = tables.source(pool.source_id)["citation"]
    outcome = tables.names("outcomes")[pool.outcome_id]
    return words.theirs_text(outcome, pool.time_window, name, figures or printed, side, citation, turned=figures is not None)


def printed_and_turned(
    pool: Any, tables: Trials
) -> tuple[tuple[float, float, float], tuple[float, float, float] | None, bool | None]:
    """Estimate and limits of a published pool as printed, with our sign (see `turned`), and whether higher is worse."""
    worse = tables.entries("outcomes")[pool.outcome_id].higher_is_worse
    estimate, low, high = (math.nan if x is None else float(x) for x in (pool.estimate, pool.ci_low, pool.ci_high))
    printed = (estimate, low, high)
    return printed, turned(pool.measure, pool.printed_as, worse, printed), worse


def turned(
    measure: str, printed_as: str, higher_is_worse: bool | None, printed: tuple[float, float, float]
) -> tuple[float, float, float] | None:
    """Estimate and limits as experimental minus control (or over it); None where the print does not say its direction."""
    x, low, high = printed
    difference = measure in _DIFFERENCES
    if printed_as == "experimental_minus_control":
        return printed
    if printed_as == "control_minus_experimental":
        return (-x, -high, -low) if difference else (1 / x, 1 / high, 1 / low)
    if printed_as == "benefit_positive" and difference and higher_is_worse is not None:
        return (-x, -high, -low) if higher_is_worse else printed
    return None


def _settles(record: Record, tables: Trials) -> str:
    lead, out = record.lead, left_out_of(record)
    sizes = randomised_in(out, tables)
    hidden = f"{trials(len(out))} with {sum(sizes.values()):,} people" if sizes else trials(len(out)) if out else ""
    if lead is None:
        return words.settles_text(None, 0, "", hidden)
    judged = points.in_points(lead, record.data.get("points"))
    q = judged.question
    found, size, needed = state(judged), tx.important_text(q), None
    threshold, null, size_of = q.mid_effect(), q.null_effect, people(record).replace(",", "")
    if found == "unclear" and record.k == 1 and threshold is not None and null is not None and size_of.isdecimal():
        width = (judged.interval[1] - judged.interval[0]) / abs(threshold - null)
        needed = float(f"{float(size_of) * max(width, 1.0) ** 2:.2g}")
    following = record.posterior.next_trial.interval if record.posterior is not None else None
    differs = following is not None and null is not None and following[0] <= null <= following[1]
    return words.settles_text(
        found, record.k, size, hidden, possibly_more=possibly_more(judged), next_differs=differs, needed=needed
    )


def left_out_of(record: Record) -> dict[str, dict[str, Any]]:
    """Studies of the comparison and design without an effect in this analysis, by id."""
    return {x["study_id"]: x for x in record.data["left_out"] if "not mixed with" not in x["reason"]}


def known_trials(record: Record) -> int:
    """How many trials of the comparison and design are known, with or without an effect in this analysis."""
    return len({s["study_id"] for s in record.data["studies"]} | set(left_out_of(record)))


def randomised_in(studies: dict[str, Any], tables: Trials) -> dict[str, int]:
    """People randomised, as the trial says, else as its arms do; without the trials where neither says."""
    known, found = tables.entries("studies"), {}
    for study in studies:
        if (whole := known[study].n_randomised) is not None:
            found[study] = int(whole)
        elif arms := [n for (s, _), n in tables.arm_sizes.items() if s == study]:
            found[study] = int(sum(arms))
    return found
