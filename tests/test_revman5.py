"""Reviews of RevMan 5: files made here, with every feature of real ones, read and computed again."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from revman_files import Outcome, Row, review_xml, tag
from vfmeta.exchange.revman5 import unescaped

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

A, B, C = "STD-Adams-2001", "STD-O_x0027_Neill-2004", "STD-Chen-2010"
STUDIES = {A: "Adams 2001", B: "O'Neill 2004", C: "Chen 2010"}
FALLS = [Row(A, (4, 50, 9, 52)), Row(B, (0, 30, 3, 31)), Row(C, (8, 40, 12, 41))]
PAIN = [Row(A, (3.1, 2.0, 50, 4.2, 2.1, 48)), Row(C, (3.9, 1.5, 20, 4.0, 1.4, 22))]


def outcomes() -> list[Outcome]:
    """One of everything; rows name a study by its id with and without the escape."""
    deaths = [
        Row(A, (12, 100, 24, 105), "men"), Row("STD-O'Neill-2004", (30, 120, 28, 118), "men"), Row(C, (5, 60, 15, 64), "women"),
        Row(A, (0, 20, 0, 22), "women"),
    ]  # fmt: skip
    copy = [Row(r.study, r.numbers) for r in FALLS]
    times = [Row(A, (-0.2, 0.1)), Row(B, (0.3, 0.15)), Row(C, (0, 0))]
    return [
        Outcome("Deaths", "events", "OR", "MH", True, deaths, subgroups=["men", "women"]),
        Outcome("Pain", "means", "SMD", "IV", False, PAIN),
        Outcome("Time to relapse", "effects", "Hazard Ratio", "IV", True, times),
        Outcome("Survival", "o-e", "Hazard Ratio", "EXP_O_E_VAR", False, [Row(A, (-3.2, 10.0)), Row(B, (1.2, 8.0))]),
        Outcome("Later", "events", "RR", "MH", False, [Row(A, (1, 10, 2, 10))], calculated=False),
        Outcome("Rare", "events", "RR", "MH", False, [Row(A, (0, 10, 0, 12))]),
        Outcome("Falls", "events", "RR", "MH", False, FALLS),
        Outcome("Falls, difference", "events", "RD", "MH", False, copy),
        Outcome("Falls, Peto", "events", "PETO_OR", "PETO", False, [Row(r.study, r.numbers) for r in FALLS]),
        Outcome("Pain, points", "means", "MD", "IV", True, [Row(r.study, r.numbers) for r in PAIN]),
    ]  # fmt: skip


def bias() -> str:
    """A domain judged once, and one judged by group."""
    one = tag(
        "QUALITY_ITEM_DATA_ENTRY", {"STUDY_ID": A, "RESULT": "YES"}, "<DESCRIPTION><P>by <B>computer</B></P></DESCRIPTION>"
    )
    one += tag("QUALITY_ITEM_DATA_ENTRY", {"STUDY_ID": B, "RESULT": "UNKNOWN"})
    two = "".join(
        tag("QUALITY_ITEM_DATA_ENTRY", {"STUDY_ID": A, "RESULT": result, "GROUP_ID": group})
        for group, result in (("QIG-1", "YES"), ("QIG-2", "NO"))
    )
    groups = "".join(
        tag("QUALITY_ITEM_DATA_ENTRY_GROUP", {"ID": key}, f"<NAME>{name}</NAME>")
        for key, name in (("QIG-1", "Pain"), ("QIG-2", "Deaths"))
    )
    return (
        "<QUALITY_ITEMS>"
        + tag("QUALITY_ITEM", {"LEVEL": "STUDY"}, "<NAME>Random sequence generation (selection bias)</NAME>"
              f"<QUALITY_ITEM_DATA>{one}</QUALITY_ITEM_DATA>")
        + tag("QUALITY_ITEM", {"LEVEL": "GROUP"}, f"<NAME>Blinding of outcome assessment (detection bias)</NAME>{groups}"
              f"<QUALITY_ITEM_DATA>{two}</QUALITY_ITEM_DATA>")
        + "</QUALITY_ITEMS>\n"
    )  # fmt: skip


def saved(folder: Path, text: str) -> Path:
    path = folder / "review.rm5"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def review(tmp_path: Path) -> Any:
    other = tag("OTHER_OUTCOME", {"NO": 11}, "<NAME>Words</NAME>")
    return vf.read_revman(saved(tmp_path, review_xml(outcomes(), STUDIES, other, bias())))


def test_every_stored_result_comes_out_again(review: Any) -> None:
    found = review.differences(alike=True)
    assert found["alike"].all(), found[~found["alike"]]
    assert len(found) == found.attrs["compared"] > 250
    assert set(found["analysis"]) == {f"1.{i}" for i in (1, 2, 3, 4, 6, 7, 8, 9, 10)}  # 1.5 has no results yet
    named = set(found["quantity"])
    assert {
        "estimate",
        "log10 estimate",
        "se",
        "variance",
        "weight",
        "statistic",
        "p_value",
        "q",
        "q_df",
        "i2",
        "tau2",
    } <= named
    assert {"studies", "n1", "events2"} <= named


def test_what_was_changed_in_the_file_is_listed(tmp_path: Path) -> None:
    text = review_xml([Outcome("Falls", "events", "RR", "MH", False, FALLS)], STUDIES)
    lines = text.splitlines()
    at = next(i for i, x in enumerate(lines) if "<DICH_OUTCOME" in x)
    stored = lines[at].split(' I2="')[1].split('"')[0]
    lines[at] = lines[at].replace(f' I2="{stored}"', ' I2="41.5"').replace('STUDIES="3"', 'STUDIES="4"')
    row = next(i for i, x in enumerate(lines) if "<DICH_DATA" in x)
    lines[row] = lines[row].replace('ESTIMABLE="YES"', 'ESTIMABLE="NO"')
    found = vf.read_revman(saved(tmp_path, "\n".join(lines))).differences()
    assert found[["study", "quantity", "stored"]].values.tolist() == [
        ["Adams 2001", "estimable", "NO"], ["", "studies", "4"], ["", "i2", "41.5"],
    ]  # fmt: skip
    assert found["difference"].tolist() == pytest.approx([-1, 1, 41.5])


@pytest.mark.parametrize(("stored", "same"), [("1.47", True), ("1.46", False), ("1.467274", True), ("1.467284", False)])
def test_the_stored_tau2_of_two_tables_is_the_closed_form(tmp_path: Path, stored: str, same: bool) -> None:
    """OR 4/9 and 8/3 about the Mantel-Haenszel 4/3, which is 3 and 1/2 times off: Q = 5.76 ln(3)^2 + 9.6 ln(2)^2."""
    tau2 = (5.76 * math.log(3) ** 2 + 9.6 * math.log(2) ** 2 - 1) / 7.2
    text = (
        '<COCHRANE_REVIEW><ANALYSES_AND_DATA><COMPARISON NO="2"><NAME>c</NAME> <DICH_OUTCOME NO="3" EFFECT_MEASURE="OR" '
        f'METHOD="MH" RANDOM="YES" ESTIMABLE="YES" EFFECT_SIZE="" Z="" CI_START="" CI_END="" CHI2="11.56" TAU2="{stored}">'
        "<NAME>o</NAME>"
        '<DICH_DATA STUDY_ID="STD-A" EVENTS_1="10" TOTAL_1="100" EVENTS_2="20" TOTAL_2="100" ESTIMABLE="YES" ORDER="1"/>'
        '<DICH_DATA STUDY_ID="STD-B" EVENTS_1="40" TOTAL_1="100" EVENTS_2="20" TOTAL_2="100" ESTIMABLE="YES" ORDER="2"/>'
        "</DICH_OUTCOME></COMPARISON></ANALYSES_AND_DATA></COCHRANE_REVIEW>"
    )
    review = vf.read_revman(saved(tmp_path, text))
    assert review.fit("2.3").tau2 == pytest.approx(tau2, rel=1e-12)
    assert review.fit("2.3").method == "DL-MH"
    assert review.differences()["quantity"].tolist() == ([] if same else ["tau2"])


def test_tables_hold_what_was_entered_and_name_what_is_left_out(review: Any) -> None:
    table = review["1.1"]
    assert table.labels == ("Adams 2001 [men]", "O'Neill 2004", "Chen 2010")  # the study of two rows is told apart
    assert table.frame["subgroup"].tolist() == ["men", "men", "women"]
    assert table.y[0] == pytest.approx(math.log(12 * 81 / (88 * 24)))
    assert [(x.label, x.reason[:13]) for x in table.left_out] == [("Adams 2001 [women]", "not estimable")]
    assert (table.question.measure, table.question.experimental, table.question.control) == ("OR", "Drug", "Placebo")
    assert review["1.3 Time to relapse"].y.tolist() == [-0.2, 0.3]  # natural logs, though the file stores base 10
    assert review["1.3"].question.measure == "HR"
    assert review["1.4"].v.tolist() == [1 / 10, 1 / 8]
    assert len(review["1.6"]) == 0
    assert "1.1" in review
    assert list(review)[1] == "1.2 Pain"
    with pytest.raises(vf.InputError, match=r"No analysis '9.9'; there are 1.1 Deaths"):
        review["9.9"]


def test_the_verbs_of_vfmeta_give_the_pools_of_the_file(review: Any) -> None:
    stored = review.to_frame().set_index("analysis")
    for number in ("1.1", "1.2", "1.3", "1.4", "1.7", "1.9", "1.10"):  # the variance of 1.8 is Sato's here
        fit = review.fit(number)
        told = stored.loc[number]
        shown = fit.question.display(fit.estimate), *(fit.question.display(x) for x in fit.interval)
        assert shown == pytest.approx(tuple(told[["estimate", "ci_low", "ci_high"]]), rel=1e-9), number
        if told["model"] == "random":
            assert fit.tau2 == pytest.approx(told["tau2"], rel=1e-9)
    assert stored["scale"].tolist() == ["OR", "SMD", "HR", "HR", "RR", "RR", "RR", "RD", "OR", "MD"]
    assert stored.loc["1.5":"1.6", "estimate"].isna().all()
    assert stored.loc["1.1", ["studies", "rows", "estimable"]].tolist() == [3, 4, 3]
    assert review.fit("1.1", method="REML", test="HKSJ").method == "REML"
    with pytest.raises(vf.InputError, match="no row is estimable"):
        review.fit("1.6")


def test_subgroups_of_the_file_are_subgroups_here(review: Any) -> None:
    found = vf.subgroups(review["1.1"], by="subgroup", method="common", test="Wald")
    assert sorted(found.to_frame()["term"]) == ["men", "women"]


def test_judgements_are_low_unclear_and_high_by_group(review: Any) -> None:
    rows = review.judgements().values.tolist()
    assert rows[0] == ["Adams 2001", "Random sequence generation (selection bias)", "", "low", "by computer"]
    assert rows[1][3] == "unclear"
    assert [(r[2], r[3]) for r in rows[2:]] == [("Pain", "low"), ("Deaths", "high")]
    with pytest.raises(vf.InputError, match="judged by group; name one: group='Deaths' or 'Pain'"):
        review.risk_of_bias()
    frame = review.risk_of_bias("Deaths").to_frame().set_index(["study", "domain"])["judgement"]
    assert frame["Adams 2001", "blinding of outcome assessment"] == "high"
    assert frame["Adams 2001", "random sequence generation"] == "low"
    assert frame["O'Neill 2004", "blinding of outcome assessment"] == "not judged"


def test_it_says_what_it_is_and_what_it_passed_over(review: Any) -> None:
    said = str(review)
    assert said.startswith("Drugs for a pain (RevMan 5.4.1): 10 analyses, 24 rows, 3 studies")
    assert "1.1 Deaths: 3 of 4 rows (OR, MH, random)" in said
    assert "1.5 Later: 1 of 1 rows (not calculated yet)" in said
    assert "1 outcomes hold text only" in said
    assert "stored numbers come out again" in said
    assert "<table>" in review.to_html()


def test_swapped_events_are_the_other_ones(tmp_path: Path) -> None:
    text = review_xml([Outcome("Falls", "events", "RD", "MH", False, FALLS)], STUDIES)
    plain, other = (vf.read_revman(saved(tmp_path, x)) for x in (text, text.replace('SWAP_EVENTS="NO"', 'SWAP_EVENTS="YES"')))
    assert other["1.1"].y.tolist() == pytest.approx((-plain["1.1"].y).tolist())


def test_only_subgroups_pooled_or_nothing_pooled(tmp_path: Path) -> None:
    o = outcomes()[0]
    o.totals = "SUB"
    text = review_xml([o], STUDIES)
    found = vf.read_revman(saved(tmp_path, text)).differences(alike=True)
    assert not ((found["subgroup"] == "") & (found["quantity"] == "estimate")).any()
    assert ((found["subgroup"] == "men") & (found["quantity"] == "tau2") & found["alike"]).any()
    none = vf.read_revman(saved(tmp_path, text.replace('TOTALS="SUB"', 'TOTALS="NO"'))).differences(alike=True)
    assert set(none.loc[none["study"] == "", "quantity"]) <= {"studies", "n1", "n2", "events1", "events2"}


def test_a_ratio_is_no_log(tmp_path: Path) -> None:
    """LOG_DATA="NO" says that logs were entered: 0.82 beside the hazard ratio 0.82 is a contradiction."""
    text = review_xml([Outcome("Time", "effects", "Hazard Ratio", "IV", False, [Row(A, (math.log(0.82), 0.1))])], STUDIES)
    wrong = text.replace(f'ESTIMATE="{math.log(0.82)}"', 'ESTIMATE="0.82"')
    with pytest.raises(vf.InputError, match=r"line \d+, element <IV_DATA>: the effect is entered as 0.82, a log by"):
        vf.read_revman(saved(tmp_path, wrong))
    ratio = vf.read_revman(saved(tmp_path, wrong.replace('LOG_DATA="NO"', 'LOG_DATA="YES"')))
    assert ratio["1.1"].y[0] == pytest.approx(math.log(0.82))


@pytest.mark.parametrize(("old", "new", "said"), [
    ('EVENTS_1="4"', 'EVENTS_1="four"', "element <DICH_DATA>: EVENTS_1='four' is no number"),
    ('EVENTS_1="4"', 'EVENTS_1="51"', "element <DICH_DATA>: EVENTS_1=51 is more than TOTAL_1=50"),
    ('TOTAL_2="52"', 'TOTAL_2="-52"', "element <DICH_DATA>: TOTAL_2=-52 is below 0"),
    (f'STUDY_ID="{A}"', "", "element <DICH_DATA>: a row without STUDY_ID"),
    ('EFFECT_MEASURE="RR"', 'EFFECT_MEASURE="XX"', "element <DICH_OUTCOME>: the measure 'XX' is unknown"),
    ("</COMPARISON>", "", "in element <COMPARISON>: this is no well-formed XML"),
    ("<COCHRANE_REVIEW ", "<REVIEW ", "element <REVIEW>: a file of RevMan 5 begins with <COCHRANE_REVIEW>"),
])  # fmt: skip
def test_a_broken_file_names_line_and_element(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = review_xml([Outcome("Falls", "events", "RR", "MH", False, FALLS)], STUDIES)
    later = {"</COMPARISON>": "</ANALYSES_AND_DATA>", 'EFFECT_MEASURE="RR"': "</DICH_OUTCOME>"}  # known only there
    at = text.index(later.get(old, old))
    line = text[:at].count("\n") + 1
    with pytest.raises(vf.InputError, match=f"review.rm5, line {line}, {said}"):
        vf.read_revman(saved(tmp_path, text.replace(old, new, 1)))


def test_orders_that_stand_twice_and_studies_that_are_not_listed_are_told(tmp_path: Path) -> None:
    text = review_xml([Outcome("Falls", "events", "RR", "MH", False, FALLS)], {A: "Adams 2001"})
    notes = vf.read_revman(saved(tmp_path, text.replace('ORDER="2"', 'ORDER="1"'))).notes
    line = text[: text.index('ORDER="1"')].count("\n") + 1
    assert notes[0].startswith(f"ORDER=1 stands in lines {line} and {line + 1};")
    assert "STD-Chen-2010, STD-O'Neill-2004" in notes[1]


def test_ids_are_unescaped_once() -> None:
    assert unescaped("STD-Gr_x00fc_n-1999") == "STD-Grün-1999"
    assert unescaped("a_x005f_x0027_b") == "a_x0027_b"
    assert unescaped("STD-plain_x-1") == "STD-plain_x-1"


@pytest.mark.parametrize(("gap", "same"), [(9e-8, True), (-9e-8, True), (4e-7, False)])
def test_p_values_of_chi_squared_are_as_exact_as_revman_has_them(tmp_path: Path, gap: float, same: bool) -> None:
    """What published reviews show: stored with 16 digits, P_CHI2 and P_Q are off by up to 1e-7 from what their own Q gives."""
    text = review_xml(outcomes(), STUDIES)
    stored = re.search(r'P_CHI2="(0\.\d{8,})"', text)
    assert stored
    moved = text.replace(stored[0], f'P_CHI2="{float(stored[1]) + gap!r}"', 1)
    found = vf.read_revman(saved(tmp_path, moved)).differences()
    assert found["quantity"].tolist() == ([] if same else ["q_p_value"])


def test_pages_of_a_review_carry_its_judgements(tmp_path: Path) -> None:
    file = saved(tmp_path, review_xml(outcomes()[:2], STUDIES, "", bias()))
    made = vf.analyse(file, tmp_path / "pages")
    deaths, pain = (made.tables[x].bias for x in ("1.1 Deaths", "1.2 Pain"))
    assert deaths is not None
    assert pain is not None
    at = deaths.terms.index("blinding of outcome assessment")
    assert dict(zip(deaths.labels, deaths.judgements, strict=True))["Adams 2001 [men]"][at] == "high"
    assert dict(zip(pain.labels, pain.judgements, strict=True))["Adams 2001"][at] == "low"
    assert not any(dict(zip(pain.labels, pain.judgements, strict=True))["Chen 2010"])  # nobody judged it
    assert 'id="light-high"' in next((tmp_path / "pages/figures").glob("*deaths*-main.svg")).read_text()
