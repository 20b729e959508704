"""The site: every page of the review, the file of all of them, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from vfmeta.core.files import write
from vfmeta.evidence import figures, one_file, picture, whatif
from vfmeta.evidence.bias import published
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.first_screen import answers, gap_map
from vfmeta.evidence.folder import keep_only
from vfmeta.evidence.methods import downloads, methods_view
from vfmeta.evidence.plan import WHOLE, Plan, pages_of
from vfmeta.evidence.provenance import effect_view
from vfmeta.evidence.records import Record
from vfmeta.evidence.render import file, render, site_now
from vfmeta.evidence.summary import Figures, link, once, pool_rows, question_view, words_views
from vfmeta.evidence.untreated.page import untreated_view
from vfmeta.text import codes
from vfmeta.trials.schema import FIGURE_TABLES, allowed

if TYPE_CHECKING:
    from vfmeta.evidence.networks import NetworkPlan
    from vfmeta.trials import Trials


SLIDES = (figures.MAP, picture.NAME)  #: figures that pages offer as PNG too
STUDIES_LEDE = (
    "Every study in the tables, with its arms and the places where it was read. Where no readable copy shows an author, the "
    "study goes by its acronym, its register number or what it compared."
)


class Whole(NamedTuple):
    """Figures of the whole review: where evidence is, how studies came to it, all answers, untreated arms, networks."""

    overview: dict[str, str]
    flow: dict[str, str]
    picture: dict[str, str]
    course: dict[str, str] | None
    graphs: Sequence[dict[str, str]] = ()

    @property
    def all(self) -> list[dict[str, str]]:
        """Every one of them that was drawn."""
        return [self.overview, self.flow, self.picture, *([self.course] if self.course else []), *self.graphs]


def write_site(
    plans: list[Plan],
    records: list[Record],
    drawn: Figures,
    whole: Whole,
    trials: Trials,
    build: Path,
    site: Path,
    joined: tuple[Sequence[NetworkPlan], Sequence[dict[str, Any]]] = ((), ()),
    moved: tuple[str, list[str]] | None = None,
) -> Path:
    """Write the whole site, the file of all pages included, and return its index page. Pages that no longer belong are removed.

    ``moved`` is what `vfmeta.evidence.snapshots.keep` says of the conclusions; None where no snapshots are kept.
    """
    sections, cache = [], Cache(build)
    nav, pages = pages_of(plans), {}
    for page, title in nav:
        questions = once([question_view(p, records, drawn, trials, cache) for p in plans if p.page == page])
        sections.append({"page": page, "title": title, "questions": questions})
        pages[f"{page}.html"] = render("page.html", title=title, page=page, questions=questions, nav=nav)
    pages = {
        "index.html": overview_page(plans, records, trials, sections, whole.overview, whole.picture, moved),
        **({"context.html": context_page(plans, records, trials, whole.course, build)} if site_now().packaged else {}),
        **pages,
        "networks.html": networks_page(plans, *joined, whole.graphs),
        "eligibility.html": eligibility_page(plans, trials),
        "methods.html": methods_page(plans, records, trials, whole.flow),
        "studies.html": render("studies.html", title=WHOLE["studies"], nav=nav, studies=study_views(trials), lede=STUDIES_LEDE),
    }
    style, script, panel = file("style.css"), file("page.js"), whatif.script()
    files: dict[str, str | bytes] = {
        **pages,
        "style.css": style,
        "page.js": script,
        "whatif.js": panel,
        one_file.NAME: one_file.one_file(pages, style, {"page.js": script, "whatif.js": panel}),
    }
    files |= downloads(build, trials)
    names = [figure["name"] for own in (*drawn.values(), whole.all) for figure in own]
    for name in (*(f"figures/{x}.svg" for x in names), *(f"figures/{x}.png" for x in SLIDES)):
        files[name] = (build / name).read_bytes()
    for name, body in files.items():
        write(site / name, body)
    keep_only(site, set(files))
    return site / "index.html"


def eligibility_page(plans: list[Plan], trials: Trials) -> str:
    """What the review takes, and the questions it asks."""
    names = trials.names("outcomes")
    outcomes = list(dict.fromkeys(names[a.outcome] for p in plans for a in p.analysis))
    title = WHOLE["eligibility"]
    return render("eligibility.html", title=title, nav=pages_of(plans), plans=plans, trials=trials, outcomes=outcomes)


def methods_page(plans: list[Plan], records: list[Record], trials: Trials, flow: dict[str, str]) -> str:
    """Methods, study flow, data and how to cite."""
    view = methods_view(plans, records, trials)
    return render("methods.html", title=WHOLE["methods"], nav=pages_of(plans), m=view, flow=flow, one_file=one_file.NAME)


def overview_page(
    plans: list[Plan],
    records: list[Record],
    trials: Trials,
    sections: list[dict[str, Any]],
    overview: dict[str, str],
    answered: dict[str, str] | None = None,
    moved: tuple[str, list[str]] | None = None,
) -> str:
    """The first page: one answer an intervention, the map of the evidence, and what was asked and answered in full."""
    order = [d.replace("_", " ") for d in allowed("outcomes", "domain")]
    first = answers(plans, records, trials, pages_of(plans))
    return render(
        "index.html",
        title="Evidence summary",
        overview=sections,
        first=first,
        behind=_behind(first["behind"], trials),
        map=overview,
        picture=answered,
        moved=moved,
        gaps=gap_map(plans, records, trials, order),
        nav=pages_of(plans),
        numbers=_numbers(records, trials, [q for section in sections for q in section["questions"]]),
        slips=slip_views(trials),
    )


def _behind(found: list[tuple[str, Any]], trials: Trials) -> dict[str, list[dict[str, Any]]]:
    """The provenance of every number of the first screen, each once."""
    effects = {(r.plan, r.id): r for kind, r in found if kind == "effect"}
    said = {(r.plan, r.id): r for kind, r in found if kind == "said"}
    theirs = []
    for plan, shown in (x for kind, x in found if kind == "theirs"):
        theirs += [row for row in pool_rows(plan, trials) if row["target"] == shown.mark.target]
    return {
        "effects": [{**effect_view(r), "variants": []} for r in effects.values()],
        "said": [v for r in said.values() for v in words_views([r], [])],
        "theirs": theirs,
    }


def context_page(plans: list[Plan], records: list[Record], trials: Trials, course: dict[str, str] | None, build: Path) -> str:
    """The first chapter: what happens without treatment, and the disease itself."""
    view = untreated_view(trials, records, course, Cache(build))
    return render("context.html", title=WHOLE["context"], nav=pages_of(plans), untreated=view)


def networks_page(
    plans: list[Plan], asked: Sequence[NetworkPlan], found: Sequence[dict[str, Any]], graphs: Sequence[dict[str, str]]
) -> str:
    """All treatments of an outcome together, with what sets their comparisons apart; ``found`` answers what is ``asked``."""
    drawn = {graph["name"]: graph for graph in graphs}
    views = [{**x["view"], "plan": plan} for plan, x in zip(asked, found, strict=True)]
    views = [{**v, "figure": v["figure"] and {**drawn[v["figure"]["name"]], **v["figure"]}} for v in views]
    return render("networks.html", title=WHOLE["networks"], nav=pages_of(plans), networks=views)


def study_views(trials: Trials) -> list[dict[str, Any]]:
    """Every study with its arms and links to its sources."""
    links = trials.study_sources.groupby("study_id")["source_id"].agg(list).to_dict()
    names = trials.names("interventions")
    arms: dict[str, list[str]] = {}
    for study, _, given, background in trials.arm_list:
        arms.setdefault(study, []).append(names[given] + (f" (all arms: {names[background]})" if background else ""))
    judged = {study: published(rows, trials) for study, rows in trials.judgements.items()}
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
                "design_known": s.design != "not_stated" or s.blinding not in ("", "unclear"),
                "blinding": codes.BLINDING[s.blinding],
                "phase": codes.PHASES[s.phase],
                "phase_known": s.phase != "not_stated",
                "n": "" if pd.isna(s.n_randomised) else str(s.n_randomised),
                "registration": s.registration,
                "crossover": s.crossover,
                "doi": s.doi,
                "note": s.note,
                "arms": arms.get(s.study_id, []),
                "cohort": [trials.labels[x] for x in cohorts[s.cohort_id] if x != s.study_id],
                "links": [link(trials, x) for x in ids],
                "bias": judged.get(s.study_id, []),
            }
        )
    return sorted(views, key=lambda v: v["label"])


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
