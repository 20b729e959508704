"""What notebooks, Quarto and pandoc are given: real tables that say what the console says."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from test_contract import RESULTS
from vfmeta.results.shown import marked

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
KINDS = dict(RESULTS)


class _Tables(HTMLParser):
    """Rows of cells of the tables in HTML; complains of tags that do not close."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in ("br", "col", "img", "meta", "link"):
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "caption":
            self.captions.append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Nothing stands in it."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        elif "caption" in self.open:
            self.captions[-1] += data


def plain(cell: str) -> str:
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", cell).strip()


def pipe(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[plain(c) for c in re.split(r"(?<!\\)\|", line)[1:-1]] for i, line in enumerate(lines) if i != 1]


def made(name: str) -> Any:
    kind = KINDS[name]
    return kind() if callable(kind) else kind


@pytest.mark.parametrize("name", KINDS)
def test_every_result_is_readable_text_a_table_and_the_same_table_in_markdown(name: str) -> None:
    result = made(name)
    assert repr(result) == str(result)
    assert "\n" in repr(result.summary()) or "\n" not in str(result.summary())
    page = _Tables(result._repr_html_())
    (table,) = page.tables
    found = pipe(result._repr_markdown_())
    if name != "appraisal.certainty":  # whose table has the panel in it
        assert [row for row in found if any(row)] == [[c.strip() for c in row] for row in table]
        assert plain(re.search(r"(?m)^: (.+)$", result._repr_markdown_())[1]) == page.captions[0].strip()  # type: ignore[index]
    assert len({len(row) for row in found}) == 1
    assert len(found) > 1
    for sentence in getattr(result, "warnings", ()):
        assert " ".join(sentence.split()) in " ".join(plain(result._repr_markdown_()).split())


PANDOC = shutil.which("pandoc")


@pytest.mark.skipif(PANDOC is None, reason="pandoc is not installed here")
@pytest.mark.parametrize("name", ["random_effects", "meta_regression", "subgroups", "bayes.random_effects", "multiverse"])
def test_pandoc_reads_the_table_and_its_caption(name: str) -> None:
    result = made(name)
    words = [str(PANDOC), "-f", "markdown", "-t", "html"]
    done = subprocess.run(words, input=result._repr_markdown_(), capture_output=True, text=True, check=True, encoding="utf-8")
    read = _Tables(done.stdout)
    assert [[" ".join(c.split()) for c in row] for row in read.tables[0]][-1] == [
        " ".join(c.split()) for c in _Tables(result._repr_html_()).tables[0][-1]
    ]
    assert len(read.captions) == 1


def test_a_line_for_prose() -> None:
    # two studies of log 0.5 and log 0.8 with variances 0.04 and 0.16: weights 0.8 and 0.2
    y = 0.8 * math.log(0.5) + 0.2 * math.log(0.8)
    half = 1.959963984540054 * math.sqrt(1 / (25 + 6.25))
    low, high = math.exp(y - half), math.exp(y + half)
    fit = vf.common_effect(y=np.log([0.5, 0.8]), v=[0.04, 0.16], question=vf.Question(measure="RR"))
    q = (math.log(0.5) - y) ** 2 / 0.04 + (math.log(0.8) - y) ** 2 / 0.16
    i2 = max(0.0, 100 * (q - 1) / q)
    assert fit.text == f"RR {math.exp(y):.2f} (95% CI {low:.2f} to {high:.2f}; k = 2; I2 = {i2:.0f}%)"
    post = made("bayes.random_effects")
    assert re.fullmatch(r"RR [\d.]+ \(95% CrI [\d.]+ to [\d.]+; k = 7; tau = [\d.]+\)", post.text)
    regression = made("meta_regression")
    assert f"dose {math.exp(regression.estimate[1]):.3g} (95% CI" in regression.text


def test_a_pool_tells_its_numbers_by_hand() -> None:
    fit = vf.common_effect(y=[1.0, 3.0], v=[1.0, 1.0])  # mean 2, variance 1/2, Q = 2
    rows = dict(pipe(fit._repr_markdown_())[1:])
    assert rows["estimate"] == f"2 (95% CI {2 - 1.96 / math.sqrt(2):.3g} to {2 + 1.96 / math.sqrt(2):.3g})"
    assert "I2 = 50%, Q = 2.00 on 1 df" in rows["tau2"]


def test_names_that_mean_something_to_markdown_or_html_stand_as_they_are() -> None:
    names = ["a|b", "*c* _d_", "<e & f>", "[g](h) $x$ ~i~ ^j^ @k #l"]
    table = vf.effect_table(y=[0.1, 0.2, 0.3, 0.4], se=[0.1] * 4, study=names)
    assert [row[0] for row in pipe(table._repr_markdown_())[1:]] == names
    assert [row[0] for row in _Tables(table._repr_html_()).tables[0][1:]] == names
    assert repr(table).splitlines()[1].startswith("  a|b: 0.1")
    if PANDOC:
        done = subprocess.run([PANDOC, "-f", "markdown", "-t", "plain", "--columns=200"], input="\n\n".join(map(marked, names)),
                              capture_output=True, text=True, check=True, encoding="utf-8")  # fmt: skip
        assert done.stdout.split("\n\n") == [*names[:-1], names[-1] + "\n"]


def test_a_summary_shows_lines() -> None:
    said = made("bayes.random_effects").summary()
    assert repr(said) == said
    assert said.count("\n") > 2
    assert said._repr_markdown_().count("  \n") == said.count("\n")
    assert said._repr_html_().count("<br>") == said.count("\n")
