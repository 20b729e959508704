"""Tables saved by the ending of a name: results, effect tables, reviews and the frames that verbs return."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import vfmeta as vf

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def fit() -> Any:
    return vf.common_effect(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A & B", "<C>", "50%_d"])


@pytest.mark.parametrize("make", [
    fit, lambda: vf.effect_table(y=[0.1, 0.2], se=[0.1, 0.1]), lambda: vf.leave_one_out(fit()), lambda: vf.influence(fit()),
])  # fmt: skip
def test_every_kind_is_written_in_every_form(tmp_path: Path, make: Any) -> None:
    data = make()
    for ending in ("docx", "tex", "html", "csv", "CSV"):
        path = vf.save_table(data, tmp_path / f"table.{ending}", title="Of 3 & more")
        assert path == tmp_path / f"table.{ending}"
    with zipfile.ZipFile(tmp_path / "table.docx") as file:
        word = file.read("word/document.xml").decode()
    assert "Of 3 &amp; more" in word
    assert r"\caption{Of 3 \& more}" in (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert "<caption>Of 3 &amp; more</caption>" in (tmp_path / "table.html").read_text(encoding="utf-8")


def test_a_frame_is_written_with_all_digits_and_its_notes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"study": ["A", "B", "C"], "estimate": [1 / 3, float("nan"), 2.0], "n": [10, 20, 30]})
    frame.attrs["notes"] = ["B has none."]
    rows = list(csv.reader(io.StringIO(vf.save_table(frame, tmp_path / "a.csv").read_text(encoding="utf-8"))))
    assert rows == [["study", "estimate", "n"], ["A", "0.3333333333", "10"], ["B", "", "20"], ["C", "2", "30"]]
    html = vf.save_table(frame, tmp_path / "a.html").read_text(encoding="utf-8")
    assert re.findall(r"<td>(.*?)</td>", html) == ["0.3333", "10", "–", "20", "2", "30"]
    assert "B has none." in html
    assert html.startswith('<!doctype html>\n<meta charset="utf-8">\n<table>')


def test_names_cannot_break_out_of_their_cells(tmp_path: Path) -> None:
    assert "&lt;C&gt;" in vf.save_table(fit(), tmp_path / "a.html").read_text(encoding="utf-8")
    assert r"50\%\_d" in vf.save_table(fit(), tmp_path / "a.tex").read_text(encoding="utf-8")
    frame = pd.DataFrame({"study": ["=1+1"], "n": [1]})
    assert "'=1+1" in vf.save_table(frame, tmp_path / "a.csv").read_text(encoding="utf-8")


def test_other_endings_and_other_things_are_refused(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match=r"a\.pdf: tables are written to names that end in \.docx, \.html, \.csv, \.tex"):
        vf.save_table(fit(), tmp_path / "a.pdf")
    with pytest.raises(vf.InputError, match="A dict is no table"):
        vf.save_table({}, tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())
