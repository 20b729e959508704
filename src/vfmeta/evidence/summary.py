"""What a page shows of one question, and the fragment that Quarto reports show of it. Numbers come from records only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vfmeta.effects.compare.choice import NOT_PRINTED
from vfmeta.evidence import certain, defensible, further, grown, points, reported, scatter, whatif, without_effects
from vfmeta.evidence.box import (
    answer_box,
    instead_of_a_figure,
    leader,
    matching_pools,
    people,
    printed_and_turned,
    reason_of,
    standing,
)
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.cells import labelled
from vfmeta.evidence.plan import Plan
from vfmeta.evidence.provenance import effect_view, figure_table, pool_id, said_id, theirs_id, words_table
from vfmeta.evidence.records import Record, sections
from vfmeta.evidence.render import environment
from vfmeta.evidence.sentences import sampler, second_alarms
from vfmeta.text import codes
from vfmeta.text import numbers as tx
from vfmeta.text.fit import heterogeneity_text
from vfmeta.text.posterior import benefit_cell, clinical_lines, prior_line, priors_text
from vfmeta.text.trace import PRINTED, STEP

if TYPE_CHECKING:
    from vfmeta.trials import Trials

Figures = dict[str, list[dict[str, str]]]
#: choices that change how trials are pooled, and not which trials or figures
_METHODS = {"method", "test", "tau2", "interval", "model", "tau_prior", "mu_prior"}


def fragment(view: dict[str, Any], page: str = "") -> str:
    """One question of the review as HTML, from its `question_view`, for reports that bring their own page around it, under the
    heading ``page``.
    """
    module = environment().get_template("question.html").module
    return labelled(str(module.question(view, page)) + str(module.appendix(view)))  # type: ignore[attr-defined]


def question_view(
    plan: Plan, records: list[Record], figures: Figures, trials: Trials, cache: Cache | None = None
) -> dict[str, Any]:
    """Everything a page shows of one plan."""
    own = [r for r in records if r.plan == plan.id]
    lead = leader(own)
    box = answer_box(own, plan, trials, cache)
    changed = [sensitivity_row(r, s) for r in own for s in r.sensitivity]
    groups = dict(sections(own))
    effects = [effect_view(r) for r in own if r.k or any(s.k for s in r.sensitivity)]
    said, pools = words_views(own, figures.get(plan.id, [])), pool_rows(plan, trials)
    links = [x for e in effects for s in e["studies"] for x in s["links"]] + [
        x for w in said for t in w["trials"] for x in t["links"]
    ]
    return {
        "plan": plan,
        "many": sum(x == plan.page for x in {r.plan: r.data["plan"]["page"] for r in records}.values()) > 1,
        "answer": lead.data["answer"],
        "lead": lead.title,
        "box": box,
        "certainty": certain.view(own),
        "instead": instead_of_a_figure(own, box),
        "standing": standing(own, plan, trials),
        "rows": [analysis_row(r) for r in own],
        "grounds": _grounds(own),
        "whatif": whatif.view(own, lead),
        "scattered": [v for r in own if (v := scatter.view(r)) is not None],
        "plain": [{**plain_view(r), "further": further.lines(r, cache), "grown": _grown(r, plan, figures)} for r in own if r.k],
        "figures": [{**f, "table": figure_table(groups[f["name"]])} for f in figures.get(plan.id, []) if f["kind"] == "forest"],
        "without_effects": _without_effects(own, plan, figures),
        "said": said,
        "sensitivity": [row for row in changed if not row["method"]],
        "changed": changed,
        "pools": pools,
        "sources": list({x["citation"]: x for x in (*links, *pools)}.values()),
        "unused": without_figures(own, trials),
        "effects": effects,
        "stand": [v for r in own if (v := defensible.view(r, figures.get(plan.id, []), cache)) is not None],
        "checks": [checks_view(r) for r in own if r.posterior is not None],
        "second": [x for r in own for s in (None, *r.sensitivity) if (x := second_row(r, s))],
        "warnings": list(dict.fromkeys(w for r in own for w in _warnings(r))),
        "priors": list(dict.fromkeys(priors_text(r.posterior) for r in own if r.posterior is not None)),
    }


def _grown(record: Record, plan: Plan, figures: Figures) -> list[dict[str, str]]:
    return [f for f in figures.get(plan.id, []) if f.get("analysis") == record.id and f["kind"] in grown.TITLES]


def once(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Views of one page, marked where an appendix repeats one before it: paper has it once."""
    pools: dict[str, str] = {}
    named: set[str] = set()
    for q in questions:
        for pool in q["pools"]:
            first = pools.setdefault(pool["pool"], q["plan"].title)
            pool["again"] = "" if first == q["plan"].title else first
        q["sources"] = [x for x in q["sources"] if x["id"] not in named]
        named |= {x["id"] for x in q["sources"]}
    return questions


def _without_effects(own: list[Record], plan: Plan, figures: Figures) -> dict[str, Any] | None:
    """What can be said of a plan without a pool, with its figures."""
    found = next((v for r in own if (v := without_effects.view(r, plan)) is not None), None)
    return found and {**found, "figures": [f for f in figures.get(plan.id, []) if f["kind"] in without_effects.TITLES]}


def words_views(own: list[Record], figures: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The second answers of a plan, with their figures."""
    views = [(r, v) for r in own if (v := reported.view(r)) is not None]
    return [
        {
            **v,
            "target": said_id(r),
            "trials": [{**t, "id": said_id(r, t["study_id"])} for t in v["trials"]],
            "figures": [
                {**f, "table": words_table(r)} if f["kind"] == "words" else f for f in figures if f.get("analysis") == v["id"]
            ],
        }
        for r, v in views
    ]


def _grounds(own: list[Record]) -> str:
    figures, several = sum(r.k > 0 for r in own), sum(r.k > 1 for r in own)
    if not figures:
        return "The one analysis rests on no figure." if len(own) == 1 else f"None of {len(own)} analyses rests on a figure."
    return f"{figures} of {len(own)} analyses rest on a figure, {several or 'none'} on more than one trial."


def plain_view(record: Record) -> dict[str, Any]:
    """An analysis as it speaks to clinicians: its answer, and what its posterior adds."""
    lines = [] if record.posterior is None else [*clinical_lines(record.posterior), *points.said(record)]
    return {"title": record.title, "answer": record.data["answer"], "lines": lines, "alarms": sampler(record)[1]}


def checks_view(record: Record) -> dict[str, Any]:
    """What was checked of a Bayesian result and what speaks against it, for statisticians."""
    assert record.posterior is not None
    checks = [check for check in (record.leave_one_out, record.predictive_check) if check is not None]
    said = [check.verdict for check in checks]
    if any(check.warnings for check in checks):
        said.append("Checks of so few trials see little; the warnings below say why.")
    agrees, alarms = sampler(record)
    return {
        "title": record.title,
        "why": record.data["why"],
        "prior": prior_line(record.posterior, record.power_scaling),
        "checks": [*said, *record.refused_checks, *([f"{agrees}."] if agrees else [])],
        "alarms": alarms,
    }


def analysis_row(record: Record) -> dict[str, Any]:
    """One line of the results table."""
    fit, post, q = record.frequentist, record.posterior, record.question
    row: dict[str, Any] = dict.fromkeys(
        (
            "effect",
            "frequentist",
            "leads",
            "adhoc",
            "prediction",
            "heterogeneity",
            "bayesian",
            "chances",
            "next",
            "further",
            "check",
            "prior_decides",
        ),
        "",
    )
    row |= {
        "alarms": (),
        "second_alarms": (),
        "title": record.title,
        "k": str(record.k),
        "patients": people(record),
        "measure": tx.measure_text(q) if record.k else "",
        "target": pool_id(record, record.data.get("id", "")) if record.k else "",
    }
    if fit is None:
        return row | {"status": "no usable figure"}
    row["frequentist"] = tx.effect_text(q, fit.estimate, fit.interval)
    row["status"] = "one trial, not pooled" if record.k == 1 else "pooled"
    row["leads"] = "Bayesian" if record.lead is post else "frequentist"
    row["effect"] = row["frequentist"]
    if fit.adhoc_interval is not None:
        row["adhoc"] = tx.interval_text(q, fit.adhoc_interval)
    if fit.shown_prediction is not None:
        row["prediction"] = row["further"] = tx.interval_text(q, fit.shown_prediction)
    if record.k > 1:
        row["heterogeneity"] = heterogeneity_text(fit)
    if post is not None:
        row["bayesian"] = tx.effect_text(q, post.estimate, post.interval)
        row["chances"] = benefit_cell(post)
        row["next"] = tx.interval_text(q, post.next_trial.interval)
        if record.lead is post:
            row["effect"], row["further"] = row["bayesian"], row["next"]
        row["prior_decides"] = "" if record.power_scaling is None else record.power_scaling.verdict
    row["check"], row["alarms"] = sampler(record)
    row["second_alarms"] = second_alarms(record)
    return row


def sensitivity_row(main: Record, record: Record) -> dict[str, Any]:
    """One line of the table of sensitivity analyses; it shows the result that the analysis changed, else the one that leads."""
    row = analysis_row(record)
    choices = (record.data["choices"], main.data["choices"])
    changed = {k for k in choices[0].keys() | choices[1].keys() if choices[0].get(k) != choices[1].get(k)}
    leads = "frequentist" if changed & {"tau2", "interval", "model"} else row["leads"]
    bayesian = leads == "Bayesian"
    return row | {
        "title": f"{main.title}: {record.data['title']}",
        "trials": ", ".join(s["label"] for s in record.data["studies"]),
        "method": bool(changed) and changed <= _METHODS,
        "shown": row["bayesian"] if bayesian else row["frequentist"],
        "kind": "" if not record.k else "one trial" if record.k == 1 else leads,
        "chances": row["chances"] if bayesian else "",
        "prior_decides": row["prior_decides"] if bayesian else "",
    }


def second_row(main: Record, variant: Record | None) -> dict[str, Any] | None:
    """A frequentist pool as both engines compute it, for statisticians; None where nothing was pooled."""
    record = variant or main
    found = record.data["results"]["second"]
    if not found:
        return None
    title = main.title if variant is None else f"{main.title}: {variant.data['title']}"
    second, alarms = record.second, second_alarms(record)
    if second is None:
        return {"title": title, "refused": found["refused"]}
    figures = [(f.figure, tx.precise(f.ours), tx.precise(f.theirs)) for f in second.figures]
    return {
        "title": title,
        "refused": "",
        "method": f"{second.method}, {record.frequentist.test if record.frequentist else ''}",
        "figures": figures,
        "itself": ", ".join(second.itself),
        "from_us": ", ".join(second.from_us),
        "notes": second.notes,
        "alarms": alarms,
    }


def pool_rows(plan: Plan, trials: Trials) -> list[dict[str, str]]:
    """Pooled results of other reviews on the same comparison."""
    names, rows = trials.names("outcomes"), []
    for p in matching_pools(plan, trials):
        estimate = "" if p.estimate is None else f"{p.estimate:g}"
        limits = "" if p.ci_low is None or p.ci_high is None else f" ({p.ci_low:g} to {p.ci_high:g})"
        sign = codes.SIGNS[p.printed_as]
        rows.append(
            {
                "comparison": p.comparison,
                "outcome": names.get(p.outcome_id, p.outcome_printed),
                "time": p.time_window,
                "measure": p.measure,
                "estimate": (estimate + limits).replace("-", tx.MINUS),
                "k": "" if p.k is None else str(p.k),
                "i2": "" if p.i2 is None else f"{p.i2:g}%",
                "direction": sign,
                "note": p.note,
                "reading": p.reading,
                "id": p.source_id,
                "pool": p.pool_id,
                "again": "",
                "target": theirs_id(plan.id, p.pool_id),
                "lines": _their_lines(p, trials),
                **link(trials, p.source_id),
            }
        )
    return rows


def _their_lines(pool: Any, trials: Trials) -> list[tuple[str, str]]:
    """The chain of a pool of another review: what it printed, and which way it was turned."""
    names = ("outcome_printed", "time_window", "model", "k", "n", "estimate", "ci_low", "ci_high", "i2")
    cells = {name.replace("_", " "): getattr(pool, name) for name in names}
    shown = ", ".join(f"{name} {value}" for name, value in cells.items() if value is not None and value != "")
    where = f"[{pool.source_id}, {pool.locator}; reading: {pool.reading}]"
    told = ", ".join(x for x in (pool.measure, shown) if x)
    lines = [(PRINTED, f"{pool.comparison}: {told} {where}")]
    lines += [("note", pool.note)] if pool.note else []
    if pool.estimate is None or pool.outcome_id not in trials.entries("outcomes"):
        return lines
    printed, figures, _ = printed_and_turned(pool, trials)
    if figures is None:
        return [*lines, (STEP, "shown as printed: the copy read does not say which way it subtracts")]
    if figures != printed:
        lines.append((STEP, f"turned to experimental against control (printed as {pool.printed_as.replace('_', ' ')})"))
    return lines


def without_figures(records: list[Record], trials: Trials) -> list[dict[str, Any]]:
    """Studies of the comparison that gave no effect to any analysis, with why and what they do print."""
    used = {s["study_id"] for r in records for part in (r.data, *r.data["sensitivity"]) for s in part.get("studies", [])}
    found: dict[str, dict[str, Any]] = {}
    for r in records:
        for x in r.data["left_out"]:
            if x["study_id"] in used:
                continue
            row = found.setdefault(x["study_id"], {"label": x["label"], "study_id": x["study_id"], "reasons": [], "said": []})
            row["reasons"] = list(dict.fromkeys([*row["reasons"], reason_of(x)]))
            row["said"] = list(dict.fromkeys([*row["said"], *([x["said"]] if x["said"] else [])]))
    for study_id, row in found.items():
        study = trials.entries("studies")[study_id]
        row["n"] = "" if study.n_randomised is None else str(study.n_randomised)
        row["design"] = codes.DESIGNS[study.design]
        row["reason"] = "; ".join([x for x in row["reasons"] if x != NOT_PRINTED] or ["it prints no figure for these outcomes"])
    return sorted(found.values(), key=lambda row: row["label"])


def _warnings(record: Record) -> list[str]:
    fit, post, found = record.frequentist, record.posterior, []
    for result in (fit, post):
        if result is not None and record.k > 1:
            found += [f"{record.title}: {w}" for w in result.warnings]
    checks = (record.leave_one_out, record.predictive_check)
    found += [f"{record.title}: {note}" for check in checks if check is not None for note in check.warnings]
    return found + [f"{record.title}: {alarm}" for alarm in (*second_alarms(record), *sampler(record)[1])]


def link(trials: Trials, source_id: str) -> dict[str, str]:
    """A source as pages link it."""
    found = trials.source(source_id)
    return {**found, "kind": found["kind"].replace("_", " ")}
