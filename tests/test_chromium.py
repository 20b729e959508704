"""The pages in a browser: nothing cut or asked for, every number opens by pointer and keyboard, and axe-core finds nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from vfmeta.evidence import one_file

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ("evidence_builds",)

CHROMIUM = next((p for x in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(x))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on this machine (Debian: apt-get install chromium)")
WIDE, PHONE = 1280, 390
PAPER = 718  # A4 less its margins; a wider page is shrunk as a whole when printed
#: what stands out of the window to the right though the page itself does not scroll
CUT = """() => [...document.querySelectorAll("main *")].filter((x) => {
  const box = x.getBoundingClientRect();
  const beyond = box.width > 0 && box.right > document.documentElement.clientWidth + 1;
  return beyond && !x.ownerSVGElement && !x.closest(".opened, thead");
}).slice(0, 3).map((x) => x.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Opened:
    """A page with what it asked for and what it complained of."""

    def __init__(self, browser: Browser, built: Any, name: str, width: int, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.on("console", lambda m: self.said.append(m.text))
        self.page.on("pageerror", lambda e: self.said.append(str(e)))
        self.page.goto((built.site / f"{name}.html").as_uri())

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()


def names(built: Any) -> list[str]:
    """Every page of the folder and the one file."""
    return sorted(p.stem for p in built.site.glob("*.html"))


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_every_page_fits_and_asks_for_nothing_but_its_own_files(browser: Browser, real_build: Any, width: int) -> None:
    folder = real_build.site.as_uri()
    assert len(names(real_build)) > 12
    for name in names(real_build):
        opened = Opened(browser, real_build, name, width)
        with opened as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate(CUT) == [], name
            own = {f"{folder}/{x}" for x in (f"{name}.html", "style.css", "page.js", "whatif.js")}
            assert {u for u in opened.asked if not u.startswith("data:")} <= own, name
            if name == one_file.NAME.removesuffix(".html"):
                assert {u for u in opened.asked if not u.startswith("data:")} == {f"{folder}/{one_file.NAME}"}
            assert opened.said == [], name


@pytest.mark.parametrize("script", [True, False])
def test_paper_cuts_nothing_and_shows_what_is_folded(browser: Browser, real_build: Any, script: bool) -> None:
    for name in names(real_build):
        if name == one_file.NAME.removesuffix(".html"):
            continue
        with Opened(browser, real_build, name, PAPER, java_script_enabled=script) as page:
            page.emulate_media(media="print")
            assert page.evaluate("document.documentElement.scrollWidth") <= PAPER, name
            assert page.evaluate(CUT) == [], name
            folded = """() => [...document.querySelectorAll("details > :not(summary)")]
              .filter((x) => x.textContent.trim() && !x.closest(".whatif, .multiverse, .screen"))
              .filter((x) => x.getBoundingClientRect().height === 0).length"""
            assert page.evaluate(folded) == 0, name
            left, said = page.locator(".multiverse, .screen"), page.locator(".paper")
            assert not any(x.is_visible() for x in left.all()), name
            # what paper leaves out it names
            assert (
                page.evaluate("[...document.querySelectorAll('.paper')].filter((x) => !x.getClientRects().length).length") == 0
            )
            assert said.count() > 0 or name not in ("vertebroplasty", "bisphosphonates")


def test_a_forest_plot_on_paper_stands_once_as_rows_that_can_be_read(browser: Browser, real_build: Any) -> None:
    records = [r for r in real_build.records.values() if r.data["plan"]["page"] == "vertebroplasty" and r.k]
    with Opened(browser, real_build, "vertebroplasty", PAPER) as page:
        page.emulate_media(media="print")
        assert not any(x.is_visible() for x in page.locator("figure.forest").all())
        parts = page.evaluate("""() => [...document.querySelectorAll(".forests tbody")].map((part) => [
          part.querySelector(".part").textContent,
          [...part.querySelectorAll("tr:not(.part):not(.pooled) th")].map((x) => x.textContent.replace(/[ †‡]+$/, "")),
          [...part.querySelectorAll("a.from")].map((x) => 0.75 * parseFloat(getComputedStyle(x).fontSize)),
          [...part.querySelectorAll("tr:not(.part)")].map((x) => x.querySelectorAll("svg.strip").length)])""")
    found = [(title, labels) for title, labels, _, _ in parts if labels]
    assert sorted(found) == sorted((r.title, [s["label"] for s in r.data["studies"]]) for r in records)
    assert all(size >= 5.5 for _, _, sizes, _ in parts for size in sizes)  # points
    assert all(drawn == 1 for _, _, _, each in parts for drawn in each)


def test_letters_of_figures_are_read_on_a_phone(browser: Browser, real_build: Any) -> None:
    small = """() => [...document.querySelectorAll("main figure svg")].filter((s) => s.getClientRects().length)
      .flatMap((s) => [...s.querySelectorAll("text")].filter((x) => x.textContent.trim()).map((x) => {
        const m = x.getScreenCTM();
        return [parseFloat(getComputedStyle(x).fontSize) * Math.hypot(m.a, m.b), s.getAttribute("aria-label")];
      })).filter(([size]) => size < 7)"""
    for name in names(real_build):
        if name == one_file.NAME.removesuffix(".html"):
            continue
        with Opened(browser, real_build, name, PHONE) as page:
            page.evaluate("document.querySelectorAll('details').forEach((x) => { x.open = true; })")
            assert page.evaluate(small) == [], name


def test_an_intervention_takes_at_most_twelve_sheets(browser: Browser, real_build: Any) -> None:
    pages = {record.data["plan"]["page"] for record in real_build.records.values()}
    assert len(pages) > 8
    for name in pages:  # five questions on one page included
        with Opened(browser, real_build, name, PAPER) as page:
            sheets = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
        assert 1 <= sheets <= 12, (name, sheets)


def shown(page: Page) -> str:
    """The text that is open beside a number; empty where nothing is."""
    box = page.locator(".opened")
    return box.inner_text() if box.is_visible() else ""


def meant(page: Page, link: Any) -> str:
    """The text a link leads to, as it stands in the page."""
    target = (link.get_attribute("href") or "").removeprefix("#") or link.get_attribute("data-from")
    return page.evaluate("(id) => document.getElementById(id).textContent", target)


def same(one: str, other: str) -> bool:
    return re.sub(r"\s+", "", one).removesuffix("Close") == re.sub(r"\s+", "", other)


def test_every_row_of_the_first_screen_opens_by_pointer_and_by_keyboard(browser: Browser, real_build: Any) -> None:
    with Opened(browser, real_build, "index", WIDE) as page:
        links = page.locator("table.answers tbody a.from")
        assert links.count() >= page.locator("table.answers tbody tr").count()
        for link in links.all():
            link.hover()
            assert same(shown(page), meant(page, link))
            page.keyboard.press("Escape")
            assert shown(page) == ""
            link.focus()
            page.keyboard.press("Enter")
            assert same(shown(page), meant(page, link))
            assert page.evaluate("document.activeElement.className") == "opened"
            page.keyboard.press("Escape")
            assert shown(page) == ""
            assert link.evaluate("(x) => x === document.activeElement")  # back where the reader was
        marks = page.locator("table.answers [data-from]")
        assert marks.count() > 5
        for mark in marks.all():
            mark.hover()
            assert same(shown(page), meant(page, mark))


def test_every_row_of_a_forest_plot_opens(browser: Browser, real_build: Any) -> None:
    record = real_build.records["vertebroplasty_sham/pain_12m"]
    with Opened(browser, real_build, "vertebroplasty", WIDE) as page:
        figure = page.locator("figure.forest").filter(has_text=record.title).first
        for study in record.data["studies"]:
            target = f"from-{record.plan}-{record.id}-{study['study_id']}"
            link = figure.locator(f'a.from[href="#{target}"]')
            assert link.count() == 1
            link.focus()
            page.keyboard.press("Enter")
            opened = shown(page)
            assert all(x in opened for x in (study["label"], *study["steps"]))
            assert all(record.data["sources"][s]["citation"] in opened for s in study["sources"])
            page.keyboard.press("Escape")
            parts = figure.locator(f'g[data-from="{target}"]')
            assert parts.count() >= 3
            for part in parts.all():  # name, whisker, square
                part.dispatch_event("pointerover", {"bubbles": True})
                assert shown(page) == opened
        result = figure.locator(f'a.from[href="#from-{record.plan}-{record.id}-result"]')
        assert result.count() >= 2
        result.first.focus()
        page.keyboard.press("Enter")
        first = page.locator(".opened a.from").first  # from the pool on to its trials
        label = record.data["studies"][0]["label"]
        first.focus()
        page.keyboard.press("Enter")
        assert shown(page).startswith(label)


def test_without_script_a_number_leads_to_the_same_text(browser: Browser, real_build: Any) -> None:
    with Opened(browser, real_build, "index", WIDE, java_script_enabled=False) as page:
        link = page.locator("table.answers tbody a.from").first
        target = (link.get_attribute("href") or "").removeprefix("#")
        assert not page.locator(f"[id='{target}']").is_visible()
        link.click()
        assert page.locator(f"[id='{target}']").is_visible()  # the fold around it opens


def test_a_finger_opens_and_closes(browser: Browser, real_build: Any) -> None:
    with Opened(browser, real_build, "index", PHONE, has_touch=True, is_mobile=True) as page:
        link = page.locator("table.answers tbody a.from").first
        link.tap()
        assert same(shown(page), meant(page, link))
        box = page.locator(".opened").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE
        page.locator(".opened button").tap()
        assert shown(page) == ""


def test_the_first_screen_sorts(browser: Browser, real_build: Any) -> None:
    with Opened(browser, real_build, "index", WIDE) as page:
        heads = page.locator("table.answers thead th")
        rows = "[...document.querySelectorAll('table.answers tbody tr')]"
        before = page.evaluate(f"{rows}.map((r) => r.children[0].dataset.value)")
        heads.nth(0).locator("button").click()
        assert page.evaluate(f"{rows}.map((r) => r.children[0].dataset.value)") == sorted(before)
        assert heads.nth(0).get_attribute("aria-sort") == "ascending"
        for way in (1, -1):
            heads.nth(6).locator("button").click()
            found = [float(x) for x in page.evaluate(f"{rows}.map((r) => r.children[6].dataset.value)")]
            assert found == sorted(found, reverse=way < 0)
        chances = heads.nth(3).locator("button")
        chances.click()
        found = page.evaluate(f"{rows}.map((r) => r.children[3].dataset.value)")
        known = [float(x) for x in found if x]
        assert known == sorted(known)
        assert found[len(known) :] == [""] * (len(found) - len(known))  # what is not known comes last


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(...)``, WCAG 2.2."""
    parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    lin = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * lin[0] + 0.7152 * lin[1] + 0.0722 * lin[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_cell_of_the_map_can_be_read(browser: Browser, real_build: Any, scheme: str) -> None:
    with Opened(browser, real_build, "index", WIDE, color_scheme=scheme) as page:
        look = "(x) => { const s = getComputedStyle(x); return [s.color, s.backgroundColor, x.textContent]; }"
        cells = page.evaluate(f"[...document.querySelectorAll('table.map td:not(.unasked)')].map({look})")
        assert len(cells) > 40
        assert len({c[1] for c in cells}) == 5  # all shades stand in the map
        for ink, ground, text in cells:
            low, high = sorted((luminance(ink), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ink, ground)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(PHONE, "dark"), pytest.param(WIDE, "light", marks=pytest.mark.slow), pytest.param(WIDE, "dark", marks=pytest.mark.slow),
     pytest.param(PHONE, "light", marks=pytest.mark.slow)],
)  # fmt: skip
def test_axe_finds_nothing(browser: Browser, real_build: Any, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for name in ("index", "vertebroplasty", "calcitonin", "context", "networks", "methods", "eligibility", "studies"):
        with Opened(browser, real_build, name, width, color_scheme=scheme) as page:
            found = Axe().run(page).response["violations"]
        said = [(v["id"], len(v["nodes"]), v["nodes"][0]["html"][:200]) for v in found]
        assert said == [], (name, said)


def test_links_of_the_one_file_lead_to_places_in_it(browser: Browser, real_build: Any) -> None:
    with Opened(browser, real_build, one_file.NAME.removesuffix(".html"), WIDE) as page:
        lost = """() => [...document.querySelectorAll("a[href^='#']")]
          .filter((x) => !document.getElementById(decodeURIComponent(x.getAttribute("href").slice(1)))).length"""
        assert page.evaluate(lost) == 0
        page.locator("nav a").filter(has_text="Vertebroplasty").click()
        assert page.locator("article#vertebroplasty").evaluate("(x) => Math.abs(x.getBoundingClientRect().top) < 40")
