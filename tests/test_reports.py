"""The Quarto reports without Quarto: every code cell runs, and shows what the built-in pages show."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

import evidence_world as ew
import vfmeta as vf
from vfmeta.core.messages import InputError
from vfmeta.evidence import notebook, show
from vfmeta.evidence.plan import PAGES, WHOLE
from vfmeta.evidence.records import sections

pytest_plugins = ("evidence_builds",)

REPORTS = Path(__file__).resolve().parents[1] / "reports"
QUARTO = yaml.safe_load((REPORTS / "_quarto.yml").read_text(encoding="utf-8"))
NAMES = sorted(file.stem for file in REPORTS.glob("*.qmd"))
PICTURE = re.compile(r'<svg class="drawn"[^>]*><desc>(.*?)</desc>', re.DOTALL)


def source(name: str) -> str:
    return (REPORTS / f"{name}.qmd").read_text(encoding="utf-8")


def front_matter(name: str) -> dict[str, Any]:
    return yaml.safe_load(source(name).split("---")[1])


# the project


def test_each_intervention_has_its_page_and_the_sidebar_leads_to_every_page() -> None:
    assert set(NAMES) == {*PAGES, *WHOLE}
    bar = QUARTO["website"]["sidebar"]["contents"]
    assert [entry["href"] for entry in bar if entry["href"][:-4] in PAGES] == [f"{name}.qmd" for name in PAGES]
    assert {entry["href"] for entry in bar} == {f"{name}.qmd" for name in NAMES}
    assert all(len(entry["text"]) <= 20 for entry in bar)  # on one line
    for name in PAGES:
        assert front_matter(name)["title"] == PAGES[name]


def test_the_project_hides_code_fetches_nothing_and_keeps_off_the_built_in_site() -> None:
    assert QUARTO["execute"] == {"echo": False}
    assert QUARTO["project"]["type"] == "website"
    assert QUARTO["project"]["output-dir"] not in ("_site", "", ".")
    ignored = (REPORTS / ".gitignore").read_text(encoding="utf-8").split()
    assert {f"/{QUARTO['project']['output-dir']}/", "/figures/", "*.docx", "*.pdf"} <= set(ignored)
    assert (REPORTS / QUARTO["format"]["html"]["css"]).is_file()
    assert QUARTO["format"]["html"]["theme"] == "default"
    assert "http" not in (REPORTS / "style.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_intervention_takes_another_as_a_parameter(page: str) -> None:
    cells = re.findall(r"```\{python\}\n(.*?)```", source(page), re.DOTALL)
    assert cells[0].split("\n\n") == ["#| label: parameters\n#| tags: [parameters]", f'intervention = "{page}"\n']
    assert cells[1].endswith("show(intervention)\n")


@pytest.mark.parametrize("name", NAMES)
def test_no_number_no_date_and_no_inline_code_is_typed_in(name: str) -> None:
    prose = re.sub(r"```\{python\}.*?```", "", source(name), flags=re.DOTALL)
    assert not re.search(r"\d", prose)
    assert "`" not in prose
    assert set(front_matter(name)) == {"title"}


def test_panache_finds_nothing_to_lint() -> None:
    panache = Path(sysconfig.get_path("scripts")) / "panache"
    words = [str(panache), "--isolated", "--no-cache", "--no-color", "lint", "--message-format", "short"]
    files = [str(REPORTS / f"{name}.qmd") for name in NAMES]
    done = subprocess.run([*words, *files], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    spoilt = subprocess.run(
        [*words, "--stdin-filename", "x.qmd"], input="# A\n\n### C\n", capture_output=True, text=True, timeout=60
    )
    assert spoilt.returncode == 1  # the linter does look


# the cells


def execute(name: str, kernel: Any) -> Any:
    """A report carried out in its own folder, as Quarto does, by a kernel that holds no name of an earlier one."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient

    book = jupytext.reads(source(name), fmt="Rmd")
    for cells in (nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")]), book):
        NotebookClient(cells, km=kernel, timeout=120).execute()
    return book


@pytest.fixture(scope="module")
def executed(real_build: Any) -> Any:
    """A report to its executed notebook, or to the error that stopped it; libraries are loaded once for all."""
    from jupyter_client.manager import KernelManager

    kernel = KernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setenv("VFMETA_BUILD", str(real_build.out))
        kernel.start_kernel(cwd=str(REPORTS))
        running = {name: pool.submit(execute, name, kernel) for name in NAMES}
        wait(running.values())
        kernel.shutdown_kernel(now=True)
    return lambda name: running[name].result()


def description(file: Path) -> str:
    """What a figure says of itself to those who do not see it."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", file.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return html.unescape(found[1])


def shown(book: Any) -> str:
    """All HTML that the cells display."""
    return "\n".join(o["text/html"] for o in outputs_of(book))


def outputs_of(book: Any) -> list[Any]:
    outputs = [o for cell in book.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o for o in outputs if o.output_type == "stream"]  # no warning and no progress line on the page
    return [o.data for o in outputs if o.output_type in ("execute_result", "display_data")]


@pytest.mark.parametrize("name", NAMES)
def test_every_code_cell_runs_and_shows_something(name: str, executed: Any) -> None:
    import nbformat

    book = executed(name)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert source(name).count("```{python}") == len(cells) > 0
    assert all(cell.execution_count for cell in cells)
    nbformat.validate(book)
    assert len(shown(book)) > 1000


@pytest.mark.parametrize("page", PAGES)
def test_a_report_holds_the_answers_and_the_figures_of_its_page(page: str, executed: Any, real_build: Any) -> None:
    body = shown(executed(page))
    records = [r for r in real_build.records.values() if r.data["plan"]["page"] == page]
    for record in records:
        if record.data["analysis"]["lead"] or record.k:
            assert record.data["answer"] in html.unescape(body)
        assert f'<th scope="row">{record.title}</th>' in html.unescape(body)
    wanted = [n for plan in dict.fromkeys(r.plan for r in records) for n, _ in sections([r for r in records if r.plan == plan])]
    pictures = [html.unescape(x) for x in PICTURE.findall(body)]
    drawn = {p.stem: description(p) for p in (real_build.out / "figures").glob("*.svg")}
    forests = [drawn[name] for name in wanted]
    assert [alt for alt in pictures if alt in forests] == forests  # in their order
    plans = {r.plan for r in records}
    assert sorted(pictures) == sorted(alt for name, alt in drawn.items() if name.partition("-")[0] in plans)
    assert all(alt.startswith("Forest plot of ") for alt in forests)
    assert all(pictures)
    assert "<img" not in body
    assert (len(wanted) > 0) == any(r.k for r in records)


@pytest.mark.parametrize("page", PAGES)
def test_report_and_built_in_page_hold_the_same_fragment(page: str, executed: Any, real_build: Any) -> None:
    """Only links to files and words on paper, which no report brings along, differ; appendices stand behind each question."""

    def parts(text: str) -> list[str]:
        text = re.sub(r'<span class="files">.*?</span>|<(p|span) class="(?:paper|phone)">.*?</\1>', "", text, flags=re.DOTALL)
        found = re.findall(r'<section (?:id="[^"]*" class="question-block"|class="appendix")>.*?</section>', text, re.DOTALL)
        return sorted("".join(x.split()) for x in found)

    built = parts(real_build.page(page))
    questions = [x for x in built if "question-block" in x]
    assert len(questions) == len({r.plan for r in real_build.records.values() if r.data["plan"]["page"] == page})
    assert built == parts(shown(executed(page)))


def test_the_first_chapter_is_that_of_the_built_in_site_with_its_figure_inside(executed: Any, real_build: Any) -> None:
    body = shown(executed("context"))
    (alt,) = PICTURE.findall(body)
    assert html.unescape(alt) == description(real_build.out / "figures" / "untreated_course.svg")
    assert alt.startswith("Mean pain on a scale of 0 to 10")
    built = real_build.page("context")
    for section in ("pain", "still", "risks", "crossover", "disease"):
        assert f'<h2 id="{section}">' in body
    tables = [re.findall(r"<table>.*?</table>", text, re.DOTALL) for text in (body, built)]
    assert tables[0] == tables[1]
    assert len(tables[0]) == 4


def test_the_overview_holds_every_answer_and_the_map(executed: Any, real_build: Any) -> None:
    body = html.unescape(shown(executed("index")))
    leads = [r for r in real_build.records.values() if r.data["analysis"]["lead"]]
    assert all(r.data["answer"] in body for r in leads)
    assert len(leads) > 10
    plans = {r.plan: r.data["plan"]["title"] for r in real_build.records.values()}
    rows = re.findall(
        r'<tr><th scope="row"><a href="[^"]*#(\w+)">(.*?)</a>', body.split('<table class="map')[1].split("</table>")[0]
    )
    assert dict(rows) == plans
    assert "<h1" not in body


def test_every_link_inside_the_reports_leads_to_a_report(executed: Any) -> None:
    anchors = {name: set(re.findall(r'id="([^"]+)"', shown(executed(name)))) for name in NAMES}
    seen = 0
    for name in NAMES:
        for link in re.findall(r'(?:href|src)="([^"]*)"', shown(executed(name))):
            if re.match(r"https?://|data:image/", link):
                continue
            file, _, anchor = html.unescape(link).partition("#")
            target = file.removesuffix(".html") or name
            assert target in NAMES, (name, link)
            assert not anchor or anchor in anchors[target], (name, link)
            seen += 1
    assert seen > 100


# as pandoc lays it out


def laid_out(text: str, to: str, folder: Path, read: str = "markdown") -> Path:
    pypandoc = pytest.importorskip("pypandoc", reason="pandoc comes with pypandoc_binary")
    file = folder / f"page.{to}"
    pypandoc.convert_text(text, to, read, outputfile=str(file), extra_args=["--standalone"])
    return file


@pytest.mark.parametrize(
    "page",
    [pytest.param(x, marks=() if x in ("context", "index", "teriparatide") else pytest.mark.slow) for x in NAMES],
)
def test_word_pdf_and_html_have_every_heading_figure_table_and_alt_text(page: str, executed: Any, tmp_path: Path) -> None:
    book = executed(page)
    body, words = shown(book), "\n\n".join(o["text/markdown"] for o in outputs_of(book))
    found = Counted(body)
    wanted = (found.headings, found.figures, found.tables)
    # read once: it is the reading of long pages that takes pandoc's time
    tree = laid_out(f"---\ntitle: x\n---\n\n{words}", "json", tmp_path).read_text(encoding="utf-8")
    raw = re.findall(r'"Raw(?:Block|Inline)","c":\["(\w+)"', tree)
    assert set(raw) == {"typst"}  # and no HTML, which Word and PDF would drop
    page_html = laid_out(tree, "html", tmp_path, "json").read_text(encoding="utf-8")
    laid = Counted(page_html[page_html.index("</header>") :])
    assert (laid.headings, laid.figures, laid.tables) == wanted
    assert laid.alts == found.alts
    with zipfile.ZipFile(laid_out(tree, "docx", tmp_path, "json")) as package:
        document = package.read("word/document.xml").decode()
    counted = (r'w:pStyle w:val="Heading[1-6]"', "<w:drawing>", "<w:tbl>")
    assert tuple(len(re.findall(x, document)) for x in counted) == wanted
    assert sum(bool(x) for x in re.findall(r'<pic:cNvPr descr="([^"]*)"', document)) == found.figures
    typst = laid_out(tree, "typst", tmp_path, "json").read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^=+ ", typst)) == found.headings
    assert len(re.findall(r"(?m)#figure\(", typst)) == found.figures + found.tables


class Counted(HTMLParser):
    """Headings, figures, tables and alt texts of HTML, be a figure drawn in it or linked to."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.headings = self.figures = self.tables = 0
        self.alts = [" ".join(html.unescape(x).split()) for x in PICTURE.findall(body)]
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.headings += bool(re.fullmatch("h[2-6]", tag))
        self.figures += tag == "figure"
        self.tables += tag == "table"
        if tag == "img":
            self.alts.append(" ".join((dict(attrs).get("alt") or "").split()))


@pytest.mark.parametrize("page", ["vertebroplasty", "index"])
def test_quarto_gets_markdown_alone_with_figures_beside_the_document_and_within_its_width(
    page: str, real_build: Any, tmp_path: Path, quarto_says: Callable[[str, str], None]
) -> None:
    import matplotlib.pyplot as plt

    quarto_says("QUARTO_DOCUMENT_PATH", str(tmp_path))
    quarto_says("QUARTO_FIG_WIDTH", "5.5")
    piece = show(page, build=real_build.out)
    words = piece._repr_markdown_()
    assert piece._repr_html_() is None  # which Quarto would prefer, and then list no heading of it
    drawn = re.findall(r"\]\((figures/[^)]+\.png)\)\{.*? width=([\d.]+)in\}", words)
    assert len(drawn) == piece.html.count("<figure")
    for file, width in drawn:
        own = plt.imread(tmp_path / file).shape[1] / 200
        assert float(width) == pytest.approx(min(5.5, own), abs=0.005)
    assert "base64" not in words


def test_a_page_says_when_its_tables_or_plans_are_newer_than_the_build(tmp_path: Path) -> None:
    home = ew.world(tmp_path / "toy")
    where = {"trials": home / "trials", "plans": home / "analyses"}
    notebook.build_all("analyses", **where, out=home / "build", say=lambda line: None)

    def said() -> str:
        return show("teriparatide", build=home / "build", trials=where["trials"]).html.partition("newer than this build")[0]

    assert len(said()) > 200  # nothing is said
    plan = next(where["plans"].glob("*.toml"))
    plan.write_text(plan.read_text(encoding="utf-8") + "\n# a word\n", encoding="utf-8")
    assert said().endswith("The plans are ")
    studies = ew.read(where["trials"], "studies")
    studies[0]["note"] = "a new note"
    ew.write(where["trials"], "studies", studies)
    assert said().endswith("The tables and plans are ")


# show


def test_show_one_plan_a_page_and_what_is_not_there(toy_build: Any) -> None:
    where = {"build": toy_build.out, "trials": toy_build.trials}
    one, page = show(plan="drug", **where), show("teriparatide", **where)
    assert one.html == page.html
    assert repr(one) == f"Drug against placebo\nNew fractures. {toy_build.records['drug/fracture'].data['answer']}"
    assert "this build has no plan" in show("exercise", **where).html
    with pytest.raises(InputError, match=r"No page 'vertebro'; show one of index, .*vertebroplasty"):
        show("vertebro", **where)
    with pytest.raises(InputError, match="No plan 'drugs' in this build; it has"):
        show(plan="drugs", **where)


def test_show_refuses_tables_that_are_not_those_of_the_build(toy_build: Any) -> None:
    with pytest.raises(InputError, match=r"built from other tables.*able.*VFMETA_TRIALS"):
        show("vertebroplasty", build=toy_build.out)


def test_show_finds_the_build_from_the_root_and_from_below(
    toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(toy_build.out, home / "build")
    (home / "reports" / "deep").mkdir(parents=True)
    monkeypatch.setenv("VFMETA_TRIALS", str(toy_build.trials))
    monkeypatch.setattr(notebook, "build_all", None)  # nothing may be built
    bodies = set()
    for folder in (home, home / "reports", home / "reports" / "deep"):
        monkeypatch.chdir(folder)
        bodies.add(show("vertebroplasty").html)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VFMETA_BUILD", str(home / "build"))
    bodies.add(show("vertebroplasty").html)
    assert len(bodies) == 1


def test_show_builds_what_is_not_built(toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = tmp_path / "home" / "reports"
    reports.mkdir(parents=True)
    (reports / "_quarto.yml").touch()
    (tmp_path / "analyses").mkdir()
    shutil.copy(toy_build.plans / "drug.toml", tmp_path / "analyses")
    monkeypatch.setenv("VFMETA_TRIALS", str(toy_build.trials))
    monkeypatch.setenv("VFMETA_PLANS", str(tmp_path / "analyses"))
    monkeypatch.chdir(reports)
    body = show("teriparatide").html
    made = tmp_path / "home" / "build"  # beside the reports, where make puts it
    assert toy_build.records["drug/fracture"].data["answer"] in html.unescape(body)
    assert (made / "results" / "drug" / "fracture.json").read_bytes() == (
        toy_build.out / "results" / "drug" / "fracture.json"
    ).read_bytes()
    assert ew.files(reports) == {"_quarto.yml": b""}


def test_show_sees_tables_that_were_edited(toy_build: Any, tmp_path: Path) -> None:
    shutil.copytree(toy_build.trials, tmp_path / "trials")
    before = show("studies", build=toy_build.out, trials=tmp_path / "trials").html
    studies = ew.read(tmp_path / "trials", "studies")
    studies[0]["note"] = "a new note"
    ew.write(tmp_path / "trials", "studies", studies)
    after = show("studies", build=toy_build.out, trials=tmp_path / "trials").html
    assert "a new note" not in before
    assert "a new note" in after


def test_show_is_part_of_the_public_face() -> None:
    assert vf.evidence.show is show
