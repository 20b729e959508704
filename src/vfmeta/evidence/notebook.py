"""The fragments of the built-in pages in notebooks and Quarto reports, each figure inside the page it is shown on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from vfmeta.core import quarto
from vfmeta.core.messages import InputError
from vfmeta.evidence import markdown, site, summary
from vfmeta.evidence.build import build as build_all
from vfmeta.evidence.build import newer
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.figures import Drawing, by_plan, draw, of_course, of_flow, of_map, of_networks, of_records, twin
from vfmeta.evidence.folder import tidy, write
from vfmeta.evidence.networks import call, load_network_plans
from vfmeta.evidence.plan import PAGES, WHOLE, Plan, pages_of
from vfmeta.evidence.records import Record, load_records
from vfmeta.evidence.render import render
from vfmeta.trials.schema import packaged_folder

if TYPE_CHECKING:
    from vfmeta.trials import Trials


_PAGE = 6.5  # inches of text on a page of paper
_NEWER = "The {} {} newer than this build, so that what stands here is old. Run 'make report' (or 'vfmeta report') again."


class Fragment:
    """A piece of a page: HTML in a notebook, markdown in Quarto and pandoc, the sentences in it where only text is shown."""

    def __init__(self, html: str, text: str, source: str = "", png: Callable[[str], Path] | None = None) -> None:
        self.html, self.text, self._source, self._png = html, text, source or html, png

    def _repr_html_(self) -> str | None:
        return None if quarto.running() else self.html

    def _repr_markdown_(self) -> str:
        return markdown.of_html(self._source, self._place, quarto.page_width() or _PAGE)

    def _place(self, name: str) -> tuple[str, float]:
        """A figure for the markdown: beside the document that Quarto lays out, inside it elsewhere."""
        assert self._png is not None
        file, home = self._png(name), quarto.document_folder()
        inside, wide = markdown.png(file)
        if home is None:
            return inside, wide
        write(home / "figures" / file.name, file.read_bytes())
        return f"figures/{file.name}", wide

    def __repr__(self) -> str:
        return self.text


def show(
    page: str = "index",
    *,
    plan: str | None = None,
    build: str | Path | None = None,
    trials: str | Path | None = None,
) -> Fragment:
    """Show a page of the evidence summary, or one question of it, in a notebook or a Quarto report.

    Parameters
    ----------
    page : str
        ``"index"``, ``"context"``, ``"networks"``, ``"eligibility"``, ``"studies"``, or a page such as ``"vertebroplasty"``.
    plan : str, optional
        Id of one plan, to show that question alone; ``page`` is not used then.
    build : str or path, optional
        Folder of results and figures. When left out: the environment variable ``VFMETA_BUILD``, else the nearest ``build``
        folder at or above the working directory that holds results. Where nothing is built yet, it is built.
    trials : str or path, optional
        Folder of the tables that the build was made from; ``VFMETA_TRIALS`` or the packaged tables when left out.

    Returns
    -------
    Fragment
        Shown as HTML in a notebook, with its figures inside it, and as markdown by Quarto, so that headings, tables and
        figures are real ones in PDF and Word too. Where tables or plans are newer than the build it says so first.

    Raises
    ------
    InputError
        No such page or plan, or the tables are not those of the build.
    """
    tables = Path(trials or os.environ.get("VFMETA_TRIALS") or packaged_folder())
    folder = _built(build, tables)
    tidy(folder)
    records = load_records(folder)
    loaded = _trials(tables, _stamp(tables))
    _same_tables(records, loaded, folder, tables)
    plans = _plans(records)
    if plan is None and page in WHOLE:
        return _whole(page, plans, records, loaded, folder, tables)
    chosen = [p for p in plans if (p.id == plan if plan is not None else p.page == page)]
    if not chosen:
        return _none_of(page, plan, plans)
    drawings = of_records([r for r in records if r.plan in {p.id for p in chosen}])
    figures = by_plan(drawings, draw(drawings, folder))
    memory = Cache(folder)
    views = summary.once([summary.question_view(p, records, figures, loaded, memory) for p in chosen])
    title = dict(pages_of(plans)).get(str(page), "") if plan is None else ""
    html = "\n".join(summary.fragment(view, title) for view in views)
    return _fragment(html, _sentences(views), folder, tables, drawings)


def _built(build: str | Path | None, tables: Path) -> Path:
    """The build folder, found or made."""
    stated = build or os.environ.get("VFMETA_BUILD")
    here = Path.cwd()
    if stated is None:
        found = [p / "build" for p in (here, *here.parents) if (p / "build" / "results" / "index.json").is_file()]
        # Reports stand in a folder of the repository; their build stands beside it, where make puts it.
        folder = found[0] if found else (here.parent if (here / "_quarto.yml").is_file() else here) / "build"
    else:
        folder = Path(stated)
    if not (folder / "results" / "index.json").is_file():
        build_all("analyses", trials=tables, plans=os.environ.get("VFMETA_PLANS"), out=folder, say=lambda line: None)
    return folder


def _stamp(tables: Path) -> tuple[int, ...]:
    """Changes when a table does, so that a notebook left open does not show old tables."""
    return tuple(p.stat().st_mtime_ns for p in sorted(tables.glob("*.csv")))


@cache
def _trials(tables: Path, stamp: tuple[int, ...]) -> Trials:
    from vfmeta.trials import load_trials

    return load_trials(tables)


def _same_tables(records: list[Record], trials: Trials, folder: Path, tables: Path) -> None:
    named = {x["study_id"] for r in records for x in (*r.data["studies"], *r.data["left_out"])}
    strangers = sorted(named - set(trials.studies.study_id))
    if strangers:
        raise InputError(
            f"{folder} was built from other tables than {tables} (they do not have {', '.join(strangers)}). "
            "Name the folder of its tables with trials= or VFMETA_TRIALS, or build again."
        )


def _plans(records: list[Record]) -> list[Plan]:
    """The plans as they were carried out: what a page says always belongs to the results beside it."""
    analyses: dict[str, list[dict]] = {}
    stated: dict[str, dict] = {}
    for record in records:
        stated[record.plan] = record.data["plan"]
        analyses.setdefault(record.plan, []).append(record.data["analysis"])
    try:
        return [Plan.model_validate({**data, "analysis": analyses[name]}) for name, data in stated.items()]
    except ValidationError as error:
        raise InputError(f"The plans of these results are damaged ({error}). Run 'vfmeta run' again.") from error


def _fragment(html: str, text: str, folder: Path, tables: Path, drawings: Sequence[Drawing]) -> Fragment:
    """A piece of a page that stands alone, with a warning on it where its numbers are old."""
    old = newer(folder, tables)
    if old:
        said = _NEWER.format(" and ".join(old), "are")
        html, text = f'<p class="alarm"><strong>{said}</strong></p>\n{html}', f"{said}\n\n{text}"
    html = re.sub(r'<a href="(?:data/|one-file)[^"]*">(.*?)</a>', r"\1", html)  # files that no report brings along
    html = re.sub(r'\s*<(p|span) class="(?:paper|phone)">.*?</\1>', "", html)  # what pages leave out on paper or a phone
    named = {d.name: d for d in drawings}
    shown = re.sub(r'\s*<span class="files">.*?</span>', "", html, flags=re.DOTALL)
    return Fragment(shown, text, html, lambda name: twin(named[name], folder))


def _whole(page: str, plans: list[Plan], records: list[Record], trials: Trials, folder: Path, tables: Path) -> Fragment:
    """The body of a page that is not about one intervention."""
    if page == "context":
        drawings = of_course(trials, Cache(folder))
        course = next(iter(draw(drawings, folder).values()), None)
        return _body(site.context_page(plans, records, trials, course, folder), WHOLE[page], folder, tables, drawings)
    if page == "index":
        overview: list[dict[str, Any]] = []
        for name, title in pages_of(plans):
            questions = [summary.question_view(p, records, {}, trials, Cache(folder)) for p in plans if p.page == name]
            overview.append({"page": name, "title": title, "questions": questions})
        text = _sentences([q for section in overview for q in section["questions"]])
        drawn = of_map(records, trials)
        first = site.overview_page(plans, records, trials, overview, draw([drawn], folder)[drawn.name])
        return _body(first, text, folder, tables, [drawn])
    if page == "networks":
        asked = load_network_plans(os.environ.get("VFMETA_PLANS") or packaged_folder("analyses"))
        memory = Cache(folder)
        found = [memory.get(*call(trials, p)) for p in asked]
        drawings = of_networks(asked, found)
        graphs = list(draw(drawings, folder).values())
        return _body(site.networks_page(plans, asked, found, graphs), WHOLE[page], folder, tables, drawings)
    if page == "methods":
        drawn = of_flow(trials)
        flow = draw([drawn], folder)[drawn.name]
        return _body(site.methods_page(plans, records, trials, flow), WHOLE[page], folder, tables, [drawn])
    if page == "eligibility":
        return _body(site.eligibility_page(plans, trials), WHOLE[page], folder, tables)
    views, nav = site.study_views(trials), pages_of(plans)
    body = render(f"{page}.html", title=WHOLE[page], nav=nav, studies=views, lede=site.STUDIES_LEDE)
    return _body(body, WHOLE[page], folder, tables)


def _body(body: str, text: str, folder: Path, tables: Path, drawings: Sequence[Drawing] = ()) -> Fragment:
    """What stands between the frame of a page, without its title: a report brings its own."""
    inner = body[body.index("<main") : body.index("</main>")].partition(">")[2]
    html = re.sub(r"^\s*<h1>.*?</h1>\s*", "", inner)
    return _fragment(html, text, folder, tables, drawings)


def _none_of(page: str, plan: str | None, plans: list[Plan]) -> Fragment:
    if plan is not None:
        raise InputError(f"No plan {plan!r} in this build; it has {', '.join(p.id for p in plans)}.")
    if page in PAGES:  # a build of a few plans leaves the other pages of the review empty
        said = f"{PAGES[page]}: this build has no plan for this page."
        return Fragment(f"<p>{said}</p>", said)
    known = dict.fromkeys([*WHOLE, *PAGES, *(p.page for p in plans)])
    raise InputError(f"No page {page!r}; show one of {', '.join(known)}.")


def _sentences(views: list[dict]) -> str:
    return "\n\n".join(f"{v['plan'].title}\n{v['lead']}. {v['answer']}" for v in views)
