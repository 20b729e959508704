"""Pages for clinicians: no word of the method and no internal identifier outside what is folded away for statisticians."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

import vfmeta as vf
from vfmeta.evidence.plan import load_plans
from vfmeta.text import codes
from vfmeta.trials import schema

pytest_plugins = ("evidence_builds",)

# words of the method, as a reader would stumble over them; a nerve has a posterior branch
JARGON = re.compile(
    r"half-normal|Monte Carlo|\belpd\b|\bposterior\b(?! branch)|\bpriors?\b|Hartung|Knapp|\bHKSJ\b|\bREML\b|DerSimonian"
    r"|\bI2\b|I²|\btau\b|τ|\bBayesian\b|\bfrequentist\b|\bPyMC\b|statsmodels|Q-profile|\bad hoc\b",
    re.IGNORECASE,
)


class Visible(HTMLParser):
    """The text of a page that is seen before anything is unfolded, summaries of folds included and pictures not."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.folds, self.hidden, self.parts = 0, 0, [""]
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.folds += tag == "details"
        self.hidden += tag in ("head", "style", "script", "svg")
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.folds -= tag == "details"
        self.hidden -= tag in ("head", "style", "script", "svg")
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.folds and not self.hidden:
            self.parts.append(data)

    @property
    def text(self) -> str:
        """With single spaces."""
        return " ".join("".join(self.parts).split())


@pytest.fixture(scope="module")
def pages(real_build: Any) -> dict[str, str]:
    """Visible text by page."""
    found = {p.name: Visible(p.read_text(encoding="utf-8")).text for p in real_build.site.glob("*.html")}
    assert len(found) > 10
    assert all(len(text) > 500 for text in found.values())
    return found


def test_the_reader_sees_what_is_not_folded_away() -> None:
    markup = "<head><title>tau</title></head><p>seen <b>too</b></p><details><summary>fold</summary>tau</details><p>after</p>"
    assert Visible(markup).text == "seen too after"


def test_no_word_of_the_method_on_a_page_for_clinicians(pages: dict[str, str]) -> None:
    found = [(name, text[max(m.start() - 40, 0) : m.end() + 20]) for name, text in pages.items() for m in JARGON.finditer(text)]
    assert found == []


def test_no_internal_identifier_on_a_page_for_clinicians(pages: dict[str, str], packaged: vf.Trials) -> None:
    plans = load_plans()
    ids = {*packaged.studies.study_id, *packaged.sources.source_id, *packaged.published_pools.review_id}
    ids |= {x.id for p in plans for x in (p, *p.analysis, *(s for a in p.analysis for s in a.sensitivity))}
    rows = {row for frame in packaged.frames.values() if "row_id" in frame for row in frame.row_id}
    telling = {x for x in ids if re.search(r"[\d_]", x)}  # "death" and "exercise" are words as well
    assert len(telling) > 300
    for name, text in pages.items():
        assert not telling & set(re.findall(r"[A-Za-z0-9_]+", text)), name
        assert not rows & set(text.split()), name
        bracketed = set(re.findall(r"\[([a-z0-9_]+)\]", text))
        assert not bracketed & ids, name


# column of the tables: their codes in words
CODES = {
    "flag": codes.FLAGS, "design": codes.DESIGNS, "phase": codes.PHASES, "blinding": codes.BLINDING, "printed_as": codes.SIGNS,
    **{column: {code: said for (name, code), said in codes.NOT_TAKEN.items() if name == column}
       for column in ("analysis_set", "time_kind", "unit")},
}  # fmt: skip


def test_every_code_that_a_page_may_show_has_words() -> None:
    known = [(c, e) for table in schema.tables() for c in schema.fields(table) if c in CODES for e in schema.allowed(table, c)]
    assert len({c for c, _ in known}) == len(CODES)
    assert [(c, e) for c, e in known if e not in CODES[c]] == []


def test_no_code_of_the_tables_stands_in_a_page_as_it_is(pages: dict[str, str]) -> None:
    """A flag as "small arm n unknown" is a note to ourselves; a code that is plain (double blind) is its own words."""
    spelled = {code.replace("_", " ") for table in CODES.values() for code in table if "_" in code}
    plain = {words for table in CODES.values() for words in table.values()} | {"not stated", "not_stated"}
    notes = re.compile(rf"\b({'|'.join(sorted(spelled - plain))})\b(?! of )")  # people may be at high risk of something
    found = [(name, text[max(m.start() - 60, 0) : m.end() + 20]) for name, text in pages.items() for m in notes.finditer(text)]
    assert found == []
