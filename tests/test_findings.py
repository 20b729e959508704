"""Summary of findings: risks per 1,000 by hand, words by certainty, footnotes, and every way out of it."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.core.grading import LEVELS
from vfmeta.results.findings import COLUMNS, letter
from vfmeta.text.box import treated_risk
from vfmeta.text.certainty import STATEMENTS, moved_text, statement

FRACTURE = vf.Question(
    measure="RR", experimental="drug", control="placebo", outcome="new fractures", higher_is_worse=True, mid=0.8
)
PAIN = vf.Question(
    measure="MD",
    experimental="drug",
    control="placebo",
    outcome="pain <0 to 10>",
    higher_is_worse=True,
    points=(0, 10),
    mid=1.0,
)
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def events() -> Any:
    """RR 0.5 in both trials; 50 of 250 people (200 of 1,000) in the control arms."""
    table = vf.effect_size("RR", events1=[10, 15], n1=[100, 150], events2=[20, 30], n2=[100, 150], study=["A", "B"])
    return vf.common_effect(table, question=FRACTURE)


def scores() -> Any:
    return vf.common_effect(y=[-1.6, -1.4], se=[0.2, 0.2], study=["A", "B"], question=PAIN)


def settled(fit: Any, **levels: int) -> Any:
    """A certainty that a panel settles: levels down by domain, none where nothing is said."""
    from vfmeta.core.grading import DOMAINS

    lines = [
        {"domain": d, "level": levels.get(d.replace(" ", "_"), 0), "reason": f"about {d}", "date": "2026-03-01", "panel": "P"}
        for d in DOMAINS
    ]
    return vf.appraisal.certainty(fit, panel=lines)


def found() -> Any:
    return vf.appraisal.summary_of_findings(
        [(events(), settled(events(), imprecision=-1)), {"fit": scores(), "certainty": vf.appraisal.certainty(scores()),
                                                         "outcome": "Pain at 1 year <0 & 10>"}]
    )  # fmt: skip


def test_absolute_effects_are_the_baseline_risk_under_the_effect() -> None:
    first = found().findings[0]
    fit = events()
    assert first.without == pytest.approx(0.2)
    assert first.treated == pytest.approx((0.1, *(0.2 * FRACTURE.display(x) for x in fit.interval)))
    row = found().cells()[0]
    assert row[1] == "500 (2)"
    assert row[3] == "200 [a]"
    low, high = (1000 * 0.2 * (1 - float(FRACTURE.display(x))) for x in fit.interval)
    assert row[5] == f"100 fewer of 1,000 ({high:.0f} to {low:.0f} fewer)"
    assert found().notes[0] == "Risk without the treatment: that of the 250 people in the control arms."


def test_a_stated_risk_takes_the_place_of_that_of_the_control_arms() -> None:
    row = {"fit": events(), "certainty": settled(events()), "baseline_risk": 0.004, "baseline_from": "a registry of 2020"}
    table = vf.appraisal.summary_of_findings([row])
    assert table.cells()[0][3:5] == ["4 [a]", table.cells()[0][4]]
    assert table.cells()[0][4].startswith("2 (")
    assert table.notes[0] == "Risk without the treatment: a registry of 2020."


def test_hazards_act_on_the_risk_as_proportional_hazards_do() -> None:
    assert treated_risk("HR", 0.2, 0.5) == pytest.approx(1 - 0.8**0.5)
    assert treated_risk("HR", 0.2, 1.0) == pytest.approx(0.2)


def test_words_come_with_the_level_and_the_size() -> None:
    said = {
        ("high", -0.7): "Drug reduces new fractures compared with placebo.",
        ("moderate", -0.7): "Drug probably reduces new fractures compared with placebo.",
        ("low", 0.7): "Drug may increase new fractures compared with placebo.",
        ("very low", -0.7): "The evidence is very uncertain about the effect of drug on new fractures.",
        ("moderate", -0.05): "Drug probably results in little to no difference in new fractures compared with placebo.",
        ("low", -0.05): "Drug may result in little to no difference in new fractures compared with placebo.",
    }
    for (level, effect), words in said.items():
        assert statement(FRACTURE, effect, (effect - 0.1, effect + 0.1), level) == words
    assert statement(FRACTURE, -0.3, (-0.7, 0.1), "low").endswith(
        "compared with placebo; the interval also holds no difference."
    )
    assert {level for level, _ in STATEMENTS} == set(LEVELS)


def test_without_a_final_level_no_word_of_certainty_is_said() -> None:
    text = statement(FRACTURE, -0.7, (-0.8, -0.6), None)
    assert not any(word in text for word in ("probably", "may", "very uncertain", "reduces"))
    second = found().findings[1]
    assert second.certainty == "at most moderate"
    assert second.sentence == text


def test_footnotes_tell_why_and_each_stands_once() -> None:
    table = found()
    assert len(set(table.notes)) == len(table.notes)
    assert any(
        x.startswith("Imprecision: ") and x.endswith("Panel: serious (-1). P, 2026-03-01: about imprecision.")
        for x in table.notes
    )
    assert table.cells()[0][6].startswith("⊕⊕⊕⊝ moderate [")
    assert [letter(i) for i in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


def test_the_profile_has_a_column_a_domain() -> None:
    profile = found().profile()
    assert list(profile["Risk of bias"]) == ["not judged in 2 of 2 trials"] * 2
    assert list(profile["Outcome"]) == ["new fractures", "Pain at 1 year <0 & 10>"]


def test_more_than_seven_outcomes_two_comparisons_and_strange_rows_are_refused() -> None:
    row = (events(), settled(events()))
    assert limit("outcomes_most") == 7
    assert len(vf.appraisal.summary_of_findings([row] * 7).findings) == 7
    with pytest.raises(vf.InputError, match="8 outcomes; a summary of findings has at most 7"):
        vf.appraisal.summary_of_findings([row] * 8)
    other = vf.common_effect(
        y=[0.1, 0.2], se=[0.2, 0.2], question=vf.Question(measure="MD", experimental="brace", control="none")
    )
    with pytest.raises(vf.InputError, match="brace v none; drug v placebo"):
        vf.appraisal.summary_of_findings([row, (other, vf.appraisal.certainty(other))])
    with pytest.raises(vf.InputError, match="row 1: this certainty is of another result"):
        vf.appraisal.summary_of_findings([(scores(), settled(events()))])
    with pytest.raises(vf.InputError, match="at least"):
        vf.appraisal.summary_of_findings([])


# ways out


class Cells(HTMLParser):
    """Rows of the first table of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def test_html_and_csv_hold_every_cell() -> None:
    table = found()
    assert Cells(table.to_html()).rows == [list(COLUMNS), *table.cells()]
    rows = list(csv.reader(io.StringIO(table.to_csv())))
    assert rows[:3] == [list(COLUMNS), *table.cells()]
    assert [x[0] for x in rows[3:]] == [f"[{letter(i)}] {x}" for i, x in enumerate(table.notes)]


def test_the_word_file_holds_every_cell_and_is_the_same_every_time(tmp_path: Path) -> None:
    table = found()
    path = table.to_docx(tmp_path / "sof.docx")
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        root = ET.fromstring(file.read("word/document.xml"))
        for name in file.namelist():
            ET.fromstring(file.read(name))
    rows = [
        ["".join(t.text or "" for t in cell.iter(f"{WORD}t")) for cell in row.iter(f"{WORD}tc")]
        for row in root.iter(f"{WORD}tr")
    ]
    assert rows == [list(COLUMNS), *table.cells()]
    assert root.find(f".//{WORD}tblHeader") is not None
    again = table.to_docx(tmp_path / "again.docx")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="pandoc is not here to read Word and LaTeX")
def test_pandoc_reads_the_word_file_and_the_latex(tmp_path: Path) -> None:
    table = found()
    path = table.to_docx(tmp_path / "sof.docx")
    (tmp_path / "sof.tex").write_text(table.to_latex(), encoding="utf-8")
    for source in (path, tmp_path / "sof.tex"):
        made = subprocess.run(["pandoc", str(source), "-t", "html"], capture_output=True, text=True, check=True).stdout
        rows = [[" ".join(x.split()) for x in row] for row in Cells(made).rows]
        assert [row[0] for row in rows] == ["Outcome", "new fractures", "Pain at 1 year <0 & 10>"], source.suffix
        assert all(len(row) == len(COLUMNS) for row in rows)
        assert rows[1][5] == table.cells()[0][5]


def test_latex_escapes_what_latex_reads() -> None:
    text = found().to_latex()
    assert r"Pain at 1 year \textless{}0 \& 10\textgreater{}" in text
    assert r"$\oplus$" in text
    assert "−" not in text


def test_a_certainty_read_back_from_json_is_that_of_its_fit() -> None:
    odd = vf.common_effect(y=[-1.6, -1.4], se=[0.2, 0.2], question=vf.Question(measure="MD", higher_is_worse=True, mid=1 / 3))
    read = vf.read_result(vf.appraisal.certainty(odd).to_json())
    assert read.question.mid != 1 / 3
    assert vf.appraisal.summary_of_findings([(odd, read)]).findings[0].certainty == "at most moderate"


def test_a_move_of_certainty_says_why() -> None:
    before = ("low", [("risk of bias", "serious (-1)"), ("imprecision", "serious (-1)")])
    after = ("moderate", [("risk of bias", "no concern found"), ("imprecision", "serious (-1)")])
    assert moved_text(before, after) == (
        "certainty moved from low to moderate because risk of bias went from serious (-1) to no concern found"
    )
    assert moved_text(before, before) == ""
