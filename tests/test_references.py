"""References from RIS, BibTeX and PubMed files; the files are written here, with what real ones have in them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import vfmeta as vf

RIS = """TY  - JOUR
ID  - Adams2021
AU  - Adams, Anna B.
AU  - de Brown, Carl-Otto
TI  - Rest against exercise
JO  - J Rest
PY  - 2021/03/04
VL  - 7
IS  - 2
SP  - 11
EP  - 19
DO  - https://doi.org/10.1000/rest.1
N1  - Registered as NCT01234567 and NCT01234567
UR  - https://pubmed.ncbi.nlm.nih.gov/34567890/
ER  -

TY  - JOUR
A1  - Clark D
T1  - Another one
T2  - Bones
Y1  - 2019//
ER  -
"""
BIBTEX = r"""@comment{kept by a program}
@string{jr = "J Rest"}
@article{adams2021,
  author = {Adams, Anna B. and {M{\"u}ller}, J{\"o}rg and Carl Brown},
  title = {Rest against {VAS} scores},
  journal = jr, year = 2021, volume = {7}, number = {2}, pages = {11--19},
  doi = {10.1000/rest.1}, note = {ISRCTN12345678}
}
"""
NBIB = """PMID- 34567890
OWN - NLM
DP  - 2021 Mar 4
TI  - Rest against exercise in people with a fracture: a
      randomized trial.
PG  - 11-19
LID - 10.1000/rest.1 [doi]
AB  - Of 40 patients, 20 rested.
FAU - Adams, Anna B
AU  - Adams AB
FAU - Brown, Carl
AU  - Brown C
PT  - Journal Article
PT  - Randomized Controlled Trial
VI  - 7
IP  - 2
TA  - J Rest
SI  - ClinicalTrials.gov/NCT01234567

PMID- 11111111
TI  - Second.
"""


def saved(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_ris_gives_every_record(tmp_path: Path) -> None:
    found = vf.read_references(saved(tmp_path, "a.ris", RIS))
    first = found.iloc[0]
    assert found["line"].tolist() == [1, 17]
    assert (first["key"], first["authors"], first["year"]) == ("Adams2021", "Adams AB; de Brown CO", 2021)
    assert (first["doi"], first["pmid"], first["registration"]) == ("10.1000/rest.1", "34567890", "NCT01234567")
    assert first["citation"] == "Adams AB, de Brown CO. Rest against exercise. J Rest 2021;7(2):11-19. doi:10.1000/rest.1"
    assert found.iloc[1]["citation"] == "Clark D. Another one. Bones 2019"
    assert found.iloc[1]["doi"] is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_first_record_behind_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    plain = vf.read_references(saved(tmp_path, "a.ris", RIS))
    marked = vf.read_references(saved(tmp_path, "b.ris", RIS.replace("ER  -", "ER  - ").replace("\n", "\r\n"), encoding))
    pd.testing.assert_frame_equal(plain, marked)


def test_tags_with_one_blank_are_read(tmp_path: Path) -> None:
    loose = vf.read_references(saved(tmp_path, "a.ris", RIS.replace("  -", " -")))
    pd.testing.assert_frame_equal(loose, vf.read_references(saved(tmp_path, "b.ris", RIS)))


def test_a_record_without_its_end_is_refused_by_line(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match=r"line 1: the record that begins here \(TY\) has no end \(ER\) before line 16"):
        vf.read_references(saved(tmp_path, "a.ris", RIS.replace("ER  -\n", "", 1)))
    with pytest.raises(vf.InputError, match=r"line 17: .* cut off"):
        vf.read_references(saved(tmp_path, "b.ris", RIS[: RIS.rindex("ER")]))
    with pytest.raises(vf.InputError, match="line 16: a record ends here"):
        vf.read_references(saved(tmp_path, "c.ris", RIS.replace("ER  -\n", "ER  -\nER  -\n", 1)))


def test_bibtex_loses_braces_and_keeps_accents(tmp_path: Path) -> None:
    found = vf.read_references(saved(tmp_path, "a.bib", BIBTEX))
    assert len(found) == 1
    row = found.iloc[0]
    assert (row["key"], row["line"], row["authors"]) == ("adams2021", 3, "Adams AB; Müller J; Brown C")
    assert (row["title"], row["pages"], row["registration"]) == ("Rest against VAS scores", "11-19", "ISRCTN12345678")
    assert row["journal"] == "J Rest"


def test_broken_bibtex_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match=r"line 10: the key 'adams2021' stands twice"):
        vf.read_references(saved(tmp_path, "a.bib", BIBTEX + "\n@book{adams2021, title={B}}\n"))
    with pytest.raises(vf.InputError, match=r"line 3: a broken record"):
        vf.read_references(saved(tmp_path, "b.bib", BIBTEX[: BIBTEX.index("ISRCTN")] + "\n@book{other, title={B}}\n"))


def test_pubmed_lines_go_on_and_records_follow(tmp_path: Path) -> None:
    found = vf.read_references(saved(tmp_path, "pubmed.txt", NBIB))
    first = found.iloc[0]
    assert found["pmid"].tolist() == ["34567890", "11111111"]
    assert found["line"].tolist() == [1, 20]
    assert first["title"] == "Rest against exercise in people with a fracture: a randomized trial"
    assert (first["authors"], first["year"], first["doi"]) == ("Adams AB; Brown C", 2021, "10.1000/rest.1")
    assert (first["registration"], first["type"]) == ("NCT01234567", "Journal Article; Randomized Controlled Trial")
    close = NBIB.replace("\n\nPMID", "\nPMID")  # some programs leave no blank line between records
    assert vf.read_references(saved(tmp_path, "b.nbib", close))["pmid"].tolist() == ["34567890", "11111111"]


@pytest.mark.parametrize(("name", "text", "said"), [
    ("a.ris", "study,year\nA,2001\n", "no references"),
    ("a.nbib", NBIB.replace("OWN - NLM", "nonsense"), "line 2: neither a tag"),
    ("a.bib", "", "no references"),
])  # fmt: skip
def test_what_is_no_reference_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.read_references(saved(tmp_path, name, text))


def test_records_of_the_cochrane_library_stand_below_lines_of_another_kind(tmp_path: Path) -> None:
    above = 'Record #{0} of 2\nProvider: John Wiley & Sons, Ltd.\nContent: text/plain; charset="UTF-8"\n\n'
    record = "TY  - JOUR\nAN  - CN-1\nC3  - PUBMED 3456789{0},EMBASE 12\nAU  - Adams A\nTI  - Trial {0}\nPY  - 2014\nER  - \n\n"
    text = "".join((above + record).format(i) for i in (1, 2))
    found = vf.read_references(saved(tmp_path, "a.ris", text))
    assert found[["title", "pmid", "line"]].to_numpy().tolist() == [["Trial 1", "34567891", 5], ["Trial 2", "34567892", 17]]


def test_a_group_is_an_author_and_pages_need_no_volume(tmp_path: Path) -> None:
    text = "PMID- 34567890\nDP  - 2020 Feb\nTI  - A trial.\nCN  - The REST Group\nPG  - 1-9\nTA  - J Rest\n"
    assert vf.read_references(saved(tmp_path, "a.nbib", text))["citation"].tolist() == [
        "The REST Group. A trial. J Rest 2020:1-9"
    ]


def test_the_tagged_format_of_web_of_science_is_named(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match="Web of Science's own tagged format"):
        vf.read_references(
            saved(tmp_path, "a.txt", "FN Clarivate Analytics Web of Science\nVR 1.0\nPT J\nAU Adams, A\nER\n\nEF\n")
        )


def test_groups_keep_their_names_and_others_are_et_al(tmp_path: Path) -> None:
    ris = "TY  - RPRT\nAU  - World Health Organization\nTI  - A report\nPY  - c2019\nC7  - e12\nER  - \n"
    row = vf.read_references(saved(tmp_path, "a.ris", ris)).iloc[0]
    assert (row["authors"], row["year"], row["pages"]) == ("World Health Organization", 2019, "e12")
    bib = "@article{a, author = {Ada de Brown and Adams, Anna B. and {The REST Group} and others}, title = {T}, year = 2020}"
    row = vf.read_references(saved(tmp_path, "a.bib", bib)).iloc[0]
    assert row["authors"] == "de Brown A; Adams AB; The REST Group; et al"
    assert row["citation"].startswith("de Brown A, Adams AB, The REST Group, et al. T")
