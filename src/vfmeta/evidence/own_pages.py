"""Pages of a sheet: those of the review, filled with its own outcomes and without what only the review has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import vfmeta
from vfmeta.evidence import whatif
from vfmeta.evidence.flow import per_plan
from vfmeta.evidence.methods import built
from vfmeta.evidence.render import Site, file, render
from vfmeta.evidence.summary import Figures, analysis_row, question_view
from vfmeta.text.fit import model_text

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.own_made import Own
    from vfmeta.trials import Trials

#: pages that no outcome may take the name of
TAKEN = ("index", "methods", "studies")
#: outcomes up to which curves of specifications are drawn: they are for statisticians, and take longest
CURVES = 6
_YEAR = re.compile(r"\b((?:19|20)\d\d)[a-z]?\)?$")
_LEDE = "Every study of the sheet. What the sheet does not say of a study is not known here."


def pages(own: Own, figures: Figures, trials: Trials, cache: Cache) -> dict[str, str]:
    """All pages by file name, with style and scripts."""
    from vfmeta.evidence.site import study_views

    several = len(own.plans) > 1
    nav = [(p.page, p.title) for p in own.plans] if 1 < len(own.plans) <= 12 else []
    site = Site(
        name=own.source, kind="analysed with vfmeta", first=(("index", "Overview" if several else "Result"),),
        last=(("methods", "Methods and data"), ("studies", "Studies")),
        footer="Made by vfmeta from the sheet named above; every number on this page is read from a computed record.",
    )  # fmt: skip
    views = {p.page: question_view(p, own.records, figures, trials, cache) for p in own.plans}
    around: dict[str, Any] = {"nav": nav, "site": site}
    out = {}
    if several:
        both = zip(own.plans, own.records, strict=True)
        rows = [{"page": p.page, **analysis_row(r), **_sure(views[p.page])} for p, r in both]
        out["index.html"] = render("page.html", title="Overview", page="index", questions=[], rows=rows, **around)
    for p in own.plans:
        page = p.page if several else "index"
        out[f"{page}.html"] = render("page.html", title=p.title, page=page, questions=[views[p.page]], **around)
    out["methods.html"] = render("methods.html", title="Methods and data", m=_methods(own), **around)
    out["studies.html"] = render("studies.html", title="Studies", studies=study_views(trials), lede=_LEDE, **around)
    return out | {"style.css": file("style.css"), "page.js": file("page.js"), "whatif.js": whatif.script()}


def dated(own: Own) -> list[str]:
    """Plans whose studies stand in the sheet by the years at the end of their names."""
    found = []
    for plan, table in zip(own.plans, own.tables.values(), strict=True):
        years = [m[1] if (m := _YEAR.search(label)) else "" for label in table.labels]
        found += [plan.id] if "" not in years and years == sorted(years) else []
    return found


def _sure(view: dict[str, Any]) -> dict[str, str]:
    return {"answer": view["answer"], "certainty": view["certainty"]["lead"]["shown"] if view["certainty"] else ""}


def _methods(own: Own) -> dict[str, Any]:
    """What the page of methods shows of a sheet."""
    several = len(own.plans) > 1
    taken: dict[str, list[str]] = {}
    for outcome, table in own.tables.items():
        for line in table.taken:
            taken.setdefault(line, []).append(outcome)
    reading = [line if len(whose) == len(own.tables) else f"{', '.join(whose)}: {line}" for line, whose in taken.items()]
    models = list(dict.fromkeys(model_text(r.frequentist) for r in own.records if r.frequentist and r.k > 1))
    plain = [p.title for p, r in zip(own.plans, own.records, strict=True) if r.k > 1 and r.posterior is None]
    day = f"; built {built()}" if built() else ""
    late = [p.title for p in own.plans if p.id not in dated(own)]
    whose = "" if len(late) == len(own.plans) else f" of {', '.join(late)}"
    undated = f"Not drawn{whose}: the studies do not stand in the order of years at the end of their names." if late else ""
    undrawn = f"Drawn for sheets of up to {CURVES} outcomes; vf.multiverse(table).plot() draws one."
    made = [
        ("Version", f"vfmeta {vfmeta.__version__}{day}. The same sheet and version give the same pages."),
        ("Reading", ". ".join(x[:1].upper() + x[1:] for x in reading) + "."),
        ("Said while reading", " ".join(own.said)),
        ("Pooling", "Two studies or more are pooled, allowing for differences between studies that chance does not explain, in "
                    "two ways that are told apart under “For statisticians” on each page; one study is shown alone."
                    + (f" The frequentist pool: {'; '.join(models)}." if models else "")),
        ("Bayesian results", f"None of {', '.join(plain)}: priors need the ends of the scale; give points=(low, high)."
         if plain else ""),
        ("Curves of specifications", undrawn if len(own.plans) > CURVES else ""),
        ("Pools as the studies came in", f"Drawn for sheets of up to {CURVES} outcomes; vf.plots.cumulative(fit) draws one."
         if len(own.plans) > CURVES else undated),
        ("Deciding", "A side is named only where the interval excludes no difference and the direction of the outcome is "
                     "stated; an effect is called important only beyond a threshold that the sheet gives."),
    ]  # fmt: skip
    first = own.source
    return {
        "made": [x for x in made if x[1]], "flow": [], "plans": [],
        "lede": "Written from the sheet and from what was asked of it.",
        "per_plan": [r | {"page": r["page"] if several else "index"} for r in per_plan(own.plans, own.records)],
        "licence": "The sheet as it was given, the effects made of it, and every result.",
        "tables": [
            {"file": first, "title": "the sheet"}, {"file": "analysis.py", "title": "makes the results again with vfmeta"},
            {"file": "analysis.R", "title": "pools the effects with R's metafor"},
        ],
        "results": [{"plan": p.title, "records": [r]} for p, r in zip(own.plans, own.records, strict=True)],
        "code": _code(own), "cite": None,
    }  # fmt: skip


def _code(own: Own) -> list[tuple[str, str]]:
    from vfmeta.evidence import own_code

    python = own_code.python(own.source, own.tables, own.reading, own.choices)
    return [("Python", python), ("R", own_code.r(own.records, own.choices))]
