"""Pages from records: the built-in site, and the fragments that Quarto reports show. Numbers come from records only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vfmeta.core.files import write
from vfmeta.evidence import certain, defensible, networks, points, reported, scatter, whatif, without_effects
from vfmeta.evidence.box import answer_box, instead_of_a_figure, leader, matching_pools, people, reason_of, standing
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.folder import keep_only
from vfmeta.evidence.plan import PAGES, WHOLE, Plan
from vfmeta.evidence.records import Record
from vfmeta.evidence.sentences import sampler, second_alarms
from vfmeta.evidence.untreated.page import untreated_view
from vfmeta.text import codes
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count
from vfmeta.text.fit import heterogeneity_text
from vfmeta.text.posterior import benefit_texts, clinical_lines, prior_line, priors_text
from vfmeta.trials.schema import FIGURE_TABLES

if TYPE_CHECKING:
    from jinja2 import Environment

    from vfmeta.trials import Trials

Figures = dict[str, list[dict[str, str]]]
#: choices that change how trials are pooled, and not which trials or figures
_METHODS = {"method", "test", "tau2", "interval", "model", "tau_prior", "mu_prior"}


def write_site(
    plans: list[Plan],
    records: list[Record],
    figures: Figures,
    overview: dict[str, str],
    course: dict[str, str] | None,
    trials: Trials,
    build: Path,
    site: Path,
    joined: Sequence[networks.Fitted] = (),
) -> Path:
    """Write the whole site and return its index page. Pages that no longer belong are removed."""
    pages: dict[str, str | bytes] = {"style.css": _file("style.css"), "whatif.js": whatif.script()}
    sections, cache = [], Cache(build)
    for page, title in _pages(plans):
        questions = [question_view(p, records, figures, trials, cache) for p in plans if p.page == page]
        sections.append({"page": page, "title": title, "questions": questions})
        pages[f"{page}.html"] = _render("page.html", title=title, page=page, questions=questions, nav=_pages(plans))
    pages["index.html"] = overview_page(plans, records, trials, sections, overview)
    pages["eligibility.html"] = _render(
        "eligibility.html", title="Eligibility criteria", nav=_pages(plans), plans=plans, trials=trials
    )
    pages["studies.html"] = _render("studies.html", title="Studies and sources", nav=_pages(plans), studies=study_views(trials))
    pages["context.html"] = context_page(plans, records, trials, course, build)
    pages["networks.html"] = networks_page(plans, joined)
    graphs = [{"name": found.figure} for found in joined if found.fit is not None]
    for named in (*figures.values(), [overview], [course] if course else [], graphs):
        for figure in named:
            for ext in ("svg", "png"):
                pages[f"figures/{figure['name']}.{ext}"] = (build / "figures" / f"{figure['name']}.{ext}").read_bytes()
    for name, body in pages.items():
        write(site / name, body)
    keep_only(site, set(pages))
    return site / "index.html"


def fragment(plan: Plan, records: list[Record], figures: Figures, trials: Trials, *, figure_root: str = "figures") -> str:
    """One question of the review as HTML, for reports that bring their own page around it."""
    view = question_view(plan, records, figures, trials)
    module = _environment().get_template("question.html").module
    return str(module.question(view, figure_root))  # type: ignore[attr-defined]


def question_view(
    plan: Plan, records: list[Record], figures: Figures, trials: Trials, cache: Cache | None = None
) -> dict[str, Any]:
    """Everything a page shows of one plan."""
    own = [r for r in records if r.plan == plan.id]
    lead = leader(own)
    box = answer_box(own, plan, trials, cache)
    changed = [sensitivity_row(r, s) for r in own for s in r.sensitivity]
    return {
        "plan": plan,
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
        "plain": [plain_view(r) for r in own if r.k],
        "figures": [f for f in figures.get(plan.id, []) if f["kind"] == "forest"],
        "without_effects": _without_effects(own, plan, figures),
        "said": words_views(own, figures.get(plan.id, [])),
        "sensitivity": [row for row in changed if not row["method"]],
        "changed": changed,
        "pools": pool_rows(plan, trials),
        "unused": without_figures(own, trials),
        "effects": [effect_view(r) for r in own if r.k],
        "stand": [v for r in own if (v := defensible.view(r, figures.get(plan.id, []))) is not None],
        "checks": [checks_view(r) for r in own if r.posterior is not None],
        "second": [x for r in own for s in (None, *r.sensitivity) if (x := second_row(r, s))],
        "warnings": list(dict.fromkeys(w for r in own for w in _warnings(r))),
        "priors": list(dict.fromkeys(priors_text(r.posterior) for r in own if r.posterior is not None)),
    }


def _without_effects(own: list[Record], plan: Plan, figures: Figures) -> dict[str, Any] | None:
    """What can be said of a plan without a pool, with its figures."""
    found = next((v for r in own if (v := without_effects.view(r, plan)) is not None), None)
    return found and {**found, "figures": [f for f in figures.get(plan.id, []) if f["kind"] in without_effects.TITLES]}


def words_views(own: list[Record], figures: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The second answers of a plan, with their figures."""
    views = [v for r in own if (v := reported.view(r)) is not None]
    return [{**v, "figures": [f for f in figures if f.get("analysis") == v["id"]]} for v in views]


def _grounds(own: list[Record]) -> str:
    figures, several = sum(r.k > 0 for r in own), sum(r.k > 1 for r in own)
    return f"{figures} of {len(own)} analyses rest on a figure, {several} on more than one trial."


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
        row["chances"] = "; ".join(benefit_texts(post))
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
    names = trials.names("outcomes")
    rows = []
    for p in matching_pools(plan, trials).itertuples():
        estimate = "" if pd.isna(p.estimate) else f"{p.estimate:g}"
        limits = "" if pd.isna(p.ci_low) or pd.isna(p.ci_high) else f" ({p.ci_low:g} to {p.ci_high:g})"
        sign = codes.SIGNS[p.printed_as]
        rows.append(
            {
                "comparison": p.comparison,
                "outcome": names.get(p.outcome_id, p.outcome_printed),
                "time": p.time_window,
                "measure": p.measure,
                "estimate": (estimate + limits).replace("-", tx.MINUS),
                "k": "" if pd.isna(p.k) else str(p.k),
                "i2": "" if pd.isna(p.i2) else f"{p.i2:g}%",
                "direction": sign,
                "note": p.note,
                "reading": p.reading,
                **_link(trials, p.source_id),
            }
        )
    return rows


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
        study = trials.study.loc[study_id]
        row["n"] = "" if pd.isna(study.n_randomised) else str(study.n_randomised)
        row["design"] = codes.DESIGNS[study.design]
        plain = "it prints no figure for this outcome"
        row["reason"] = "; ".join([x for x in row["reasons"] if x != plain] or ["it prints no figure for these outcomes"])
    return sorted(found.values(), key=lambda row: row["label"])


def effect_view(record: Record) -> dict[str, Any]:
    """The study table of an analysis with the chain down to each source."""
    q = record.question
    if record.frequentist is None:
        return {"title": record.title, "measure": "", "studies": [], "note": ""}
    studies = []
    for s, shown in zip(record.data["studies"], record.frequentist.studies.itertuples(), strict=True):
        arms = [tx.arm_text(s[f"n_{side}"], s[f"events_{side}"]) for side in ("experimental", "control")]
        studies.append(
            {
                **s,
                "effect": tx.effect_text(q, shown.estimate, (shown.ci_low, shown.ci_high)),
                "weight": tx.weight_text(shown.weight),
                "links": [{"id": x, **record.data["sources"][x]} for x in s["sources"]],
                "arms": " v ".join(arms),
            }
        )
    return {
        "title": record.title,
        "measure": tx.measure_text(q),
        "studies": studies,
        "note": record.data["analysis"].get("note", ""),
    }


def study_views(trials: Trials) -> list[dict[str, Any]]:
    """Every study with its arms and links to its sources."""
    links = trials.study_sources.groupby("study_id")["source_id"].agg(list).to_dict()
    names = trials.names("interventions")
    arms: dict[str, list[str]] = {}
    for study, _, given, background in trials.arm_list:
        arms.setdefault(study, []).append(names[given] + (f" (all arms: {names[background]})" if background else ""))
    bias = trials.risk_of_bias.groupby("study_id")
    judged = {s: [f"{r.tool}, {r.domain}: {r.judgement.replace('_', ' ')}" for r in g.itertuples()] for s, g in bias}
    figure_sources: dict[str, set[str]] = {}
    for (_, study, _), rows in trials.figures.items():
        figure_sources.setdefault(study, set()).update(r.source_id for r in rows)
    views, cohorts = [], trials.studies.groupby("cohort_id")["study_id"].agg(list).to_dict()
    for s in trials.studies.itertuples():
        described = links.get(s.study_id, [])
        ids = [*described, *sorted(figure_sources.get(s.study_id, set()) - set(described))]
        views.append(
            {
                "study_id": s.study_id,
                "label": trials.labels[s.study_id],
                "title": s.title,
                "design": codes.DESIGNS[s.design],
                "blinding": codes.BLINDING[s.blinding],
                "phase": codes.PHASES[s.phase],
                "n": "" if pd.isna(s.n_randomised) else str(s.n_randomised),
                "registration": s.registration,
                "crossover": s.crossover,
                "doi": s.doi,
                "note": s.note,
                "arms": arms.get(s.study_id, []),
                "cohort": [trials.labels[x] for x in cohorts[s.cohort_id] if x != s.study_id],
                "links": [_link(trials, x) for x in ids],
                "bias": judged.get(s.study_id, []),
            }
        )
    return sorted(views, key=lambda v: v["label"])


def overview_page(
    plans: list[Plan], records: list[Record], trials: Trials, sections: list[dict[str, Any]], overview: dict[str, str]
) -> str:
    """The first page: what was asked and answered, and what is to be read again."""
    return _render(
        "index.html",
        title="Evidence summary",
        overview=sections,
        map=overview,
        nav=_pages(plans),
        numbers=_numbers(records, trials, [q for section in sections for q in section["questions"]]),
        slips=slip_views(trials),
    )


def context_page(plans: list[Plan], records: list[Record], trials: Trials, course: dict[str, str] | None, build: Path) -> str:
    """The first chapter: what happens without treatment, and the disease itself."""
    view = untreated_view(trials, records, course, Cache(build))
    return _render("context.html", title=WHOLE["context"], nav=_pages(plans), untreated=view)


def networks_page(plans: list[Plan], joined: Sequence[networks.Fitted]) -> str:
    """All treatments of an outcome together, with what sets their comparisons apart."""
    views = [networks.view(found) for found in joined]
    return _render("networks.html", title=WHOLE["networks"], nav=_pages(plans), networks=views)


def slip_views(trials: Trials) -> list[dict[str, str]]:
    """Figures that look like slips, with the study and what is odd."""
    frames = [(t, trials.frames[t]) for t in FIGURE_TABLES]
    home = {(t, r): trials.labels[s] for t, frame in frames for r, s in zip(frame.row_id, frame.study_id, strict=True)}
    return [{"study": home.get(f, f[0]), "row": f[1], "said": said} for f, said in sorted(trials.slips.items())]


def _numbers(records: list[Record], trials: Trials, questions: list[dict[str, Any]]) -> dict[str, Any]:
    randomised = trials.studies.design.isin(("parallel_rct", "crossover_rct", "cluster_rct"))
    return {
        "studies": len(trials.studies),
        "randomised": int(randomised.sum()),
        "analyses": len(records),
        "pooled": sum(r.k > 1 for r in records),
        "single": sum(r.k == 1 for r in records),
        "none": sum(r.k == 0 for r in records),
        "questions": len(questions),
        "standing": {kind: sum(q["standing"] == kind for q in questions) for kind in ("lead", "other", "beside", "nothing")},
    }


def _warnings(record: Record) -> list[str]:
    fit, post, found = record.frequentist, record.posterior, []
    for result in (fit, post):
        if result is not None and record.k > 1:
            found += [f"{record.title}: {w}" for w in result.warnings]
    checks = (record.leave_one_out, record.predictive_check)
    found += [f"{record.title}: {note}" for check in checks if check is not None for note in check.warnings]
    return found + [f"{record.title}: {alarm}" for alarm in (*second_alarms(record), *sampler(record)[1])]


def _link(trials: Trials, source_id: str) -> dict[str, str]:
    found = trials.source(source_id)
    return {**found, "kind": found["kind"].replace("_", " ")}


def _pages(plans: list[Plan]) -> list[tuple[str, str]]:
    """Pages in the order of the review; a page of a user's own plans comes after them."""
    used = {p.page for p in plans}
    own = sorted(used - set(PAGES))
    return [(p, t) for p, t in PAGES.items() if p in used] + [(p, p.replace("_", " ").capitalize()) for p in own]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("vfmeta.evidence"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["count"] = count
    # what is no web address (a note, a script) is shown and never linked
    env.filters["address"] = lambda url: url if re.fullmatch(r"https?://\S+", url) else ""
    env.filters["trace"] = lambda text: re.sub(r"\s+", " ", text)
    return env


def _render(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(**context)


def _file(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
