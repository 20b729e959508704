"""The data package of RevMan Web in, its four import files out; packages made here, with every feature of real ones."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from revman_files import Outcome, Row, Z, effect, pool, review_xml
from test_revman5 import FALLS, STUDIES, A, B, bias, outcomes
from vfmeta.exchange import opening
from vfmeta.exchange.revman_import import ARMS, RESULTS

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

ROW = (
    "Analysis group", "Analysis number", "Analysis name", "Subgroup", "Applicability", "Study", "Study year", "GIV Mean",
    "GIV SE", "Experimental mean", "Experimental SD", "Experimental cases", "Experimental N", "Control mean", "Control SD",
    "Control cases", "Control N", "O-E", "Variance", "Weight", "Mean", "CI start", "CI end", "Footnotes",
)  # fmt: skip
UNUSED = {
    name: "0.0"
    for name in ROW
    if name.startswith(("GIV", "Exp", "Control", "O-E", "Var")) or name in ("Mean", "CI start", "CI end")
}
TYPES = {"events": "Dichotomous", "means": "Continuous", "effects": "Contrast level", "o-e": "O-E and variance"}
ENTERED = {
    "events": ("Experimental cases", "Experimental N", "Control cases", "Control N"),
    "means": ("Experimental mean", "Experimental SD", "Experimental N", "Control mean", "Control SD", "Control N"),
    "effects": ("GIV Mean", "GIV SE"), "o-e": ("O-E", "Variance"),
}  # fmt: skip
WORDS = {
    "OR": "Odds Ratio",
    "RR": "Risk Ratio",
    "MD": "Mean Difference",
    "SMD": "Std. Mean Difference",
    "RD": "Risk Difference",
}


def read(x: float, o: Outcome) -> float:
    return math.exp(x) if o.measure in ("OR", "RR", "Hazard Ratio") else x


def table(head: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, head, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def settings_of(o: Outcome, no: int, **more: Any) -> dict[str, Any]:
    found = pool(o, o.rows)
    log = o.kind == "effects" and o.measure == "Hazard Ratio"
    own: dict[str, Any] = {
        "Analysis group": 1, "Analysis number": no, "Analysis name": o.name, "Analysis group name": "Drug versus placebo",
        "Data type": TYPES[o.kind], "Log-scale data": str(log).lower(), "Experimental group label": "Drug",
        "Control group label": "Placebo", "Statistical method": "Mantel-Haenszel" if o.method == "MH" else "Inverse Variance",
        "Effect measure": WORDS.get(o.measure, o.measure), "Analysis model": "Random effect" if o.random else "Fixed effect",
        "Heterogeneity estimator": "DL" if o.random else "#N/A", "Overall estimates": "true", "Subgroup estimates": "false",
        "Test for subgroup differences": "false", "CI method": "Wald", "CI/PI level": "95%", "Study CI": "95%",
        "Data source eligibility": "#N/A",
    }  # fmt: skip
    if found is None:
        return own | {"Mean": "0.0", "CI start": "0.0", "CI end": "0.0", "Heterogeneity Tau²": "0.0", "Effect P": "0.0"} | more
    y, se = found["estimate"], found["se"]
    return own | {
        "Mean": read(y, o), "CI start": read(y - Z * se, o), "CI end": read(y + Z * se, o), "Effect Z": found["z"],
        "Effect T": "0.0", "Effect P": found["p"], "Heterogeneity Chi²": found["q"], "Heterogeneity df": found["df"],
        "Heterogeneity P": found["p_q"], "Heterogeneity I²": found["i2"], "Heterogeneity Tau²": found["tau2"],
    } | more  # fmt: skip


def rows_of(o: Outcome, no: int) -> list[dict[str, Any]]:
    whole, rows = pool(o, o.rows), []
    for row in o.rows:
        own = UNUSED | {"Analysis group": 1, "Analysis number": no, "Analysis name": o.name, "Subgroup": row.subgroup,
                        "Study": STUDIES.get(row.study, "O'Neill 2004"), "Study year": 2001, "Weight": "0.0"}  # fmt: skip
        own |= dict(zip(ENTERED[o.kind], row.numbers, strict=True))
        found = effect(o, row)
        if found is not None and whole is not None:
            y, se = found
            share = whole["weights"][row.order] / sum(whole["weights"].values())  # type: ignore[index,attr-defined]
            own |= {"Mean": read(y, o), "CI start": read(y - Z * se, o), "CI end": read(y + Z * se, o), "Weight": 100 * share}
        rows.append(own)
    total = {"Analysis group": 1, "Analysis number": no, "Analysis name": o.name, "Study": "", "Mean": "0.0", "Weight": 100}
    return [*rows, total]


def package(folder: Path, items: list[Outcome], change: dict[str, Any] | None = None, **more: Any) -> Path:
    """A data package; ``change`` puts other content in the place of a file, by the end of its name."""
    order = 0
    for o in items:
        for row in o.rows:
            order += 1
            row.order = order
    head = tuple(dict.fromkeys(k for i, o in enumerate(items) for k in settings_of(o, i + 1, **more)))
    settings = [settings_of(o, i + 1, **more) for i, o in enumerate(items)]
    settings.append({"Analysis group": 1, "Analysis group name": "Drug versus placebo", "Data type": "", "Mean": "0.0"})
    risk = ("Study", "Domain (judgement): Allocation concealment", "Domain (support): Allocation concealment",
            "Domain (judgement): Blinding of outcome assessment: Pain")  # fmt: skip
    files = {
        "CD1-analysis-data/CD1-overall-estimates-and-settings.csv": table(head, settings),
        "CD1-analysis-data/CD1-data-rows.csv": table(ROW, [r for i, o in enumerate(items) for r in rows_of(o, i + 1)]),
        "CD1-analysis-data/CD1-subgroup-estimates.csv": table(("Analysis group", "Analysis number", "Subgroup"), []),
        "CD1-study-data/CD1-study-information.csv": table(
            ("Study", "Char: Methods"), [{"Study": "Adams 2001", "Char: Methods": "Randomised"}, {"Study": "Chen 2010"}]
        ),
        "CD1-study-data/CD1-risk-of-bias.csv": table(
            risk, [dict(zip(risk, ("Adams 2001", "Low risk", "by phone", "High risk"), strict=True))]
        ),
    }
    path = folder / "CD1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, next((x for end, x in (change or {}).items() if name.endswith(end)), content))
    return path


def some() -> list[Outcome]:
    deaths, pain, time, survival, _, rare, falls, difference, *_ = outcomes()
    return [deaths, pain, time, survival, rare, falls, difference]


@pytest.fixture
def review(tmp_path: Path) -> Any:
    return vf.read_revman(package(tmp_path, some()))


def test_every_stored_result_comes_out_again(review: Any) -> None:
    found = review.differences(alike=True)
    assert found["alike"].all(), found[~found["alike"]]
    assert len(found) > 100
    assert set(found["analysis"]) == {f"1.{i}" for i in (1, 2, 3, 4, 6, 7)}  # nothing came out of 1.5


def test_the_data_type_says_which_numbers_count(review: Any) -> None:
    assert list(review) == ["1.1 Deaths", "1.2 Pain", "1.3 Time to relapse", "1.4 Survival", "1.5 Rare", "1.6 Falls",
                            "1.7 Falls, difference"]  # fmt: skip
    assert review["1.3"].y.tolist() == [-0.2, 0.3]  # "Log-scale data" beside a hazard ratio
    assert review["1.3"].question.measure == "HR"
    assert review["1.2"].frame["mean1"].tolist() == [3.1, 3.9]
    assert [len(a.entries) for a in review.analyses] == [4, 2, 3, 2, 1, 3, 3]  # rows of totals are none
    assert review.fit("1.1").method == "DL-MH"
    assert review.fit("1.6").estimate == pytest.approx(math.log(review.to_frame()["estimate"][5]))


def test_the_same_analyses_in_both_programs_are_the_same_tables(review: Any, tmp_path: Path) -> None:
    items = some()
    (tmp_path / "a.rm5").write_text(review_xml(items, STUDIES), encoding="utf-8")
    five = vf.read_revman(tmp_path / "a.rm5")
    for number in ("1.1", "1.2", "1.3", "1.4", "1.6"):
        assert review[number].labels == five[number].labels
        assert review[number].y == pytest.approx(five[number].y)
        assert review[number].v == pytest.approx(five[number].v)


def test_a_ratio_that_is_no_log_is_turned_and_a_contradiction_refused(tmp_path: Path) -> None:
    time = [Outcome("Time", "effects", "Hazard Ratio", "IV", False, [Row(A, (-0.2, 0.1)), Row(B, (0.3, 0.15))])]
    with pytest.raises(vf.InputError) as refused:
        vf.read_revman(package(tmp_path, time, **{"Log-scale data": "false"}))
    first, second = (x.partition(", ")[2] for x in refused.value.problems)
    assert first == "row 2: the effect is entered as -0.2, by what the file says a ratio, which is above 0."
    assert second.startswith(
        "row 3: the effect is entered as 0.3, a ratio by what the file says, and shown as the ratio 1.34986;"
    )
    for row in time[0].rows:
        row.numbers = (math.exp(row.numbers[0]), row.numbers[1])
    rows = rows_of(time[0], 1)
    for row, ratio in zip(rows, (math.exp(-0.2), math.exp(0.3)), strict=False):
        row["Mean"] = f"{ratio:.2f}"
    path = package(tmp_path, time, {"data-rows.csv": table(ROW, rows)}, **{"Log-scale data": "false"})
    assert vf.read_revman(path)["1.1"].y.tolist() == pytest.approx([-0.2, 0.3])


@pytest.mark.parametrize("share", [False, True])
def test_i2_is_read_as_percent_or_share(tmp_path: Path, share: bool) -> None:
    falls = [Outcome("Deaths", "events", "OR", "IV", True, [Row(A, (12, 100, 24, 105)), Row(B, (30, 120, 12, 118))])]
    found = pool(falls[0], falls[0].rows)
    for i, row in enumerate(falls[0].rows):
        row.order = i + 1
    assert found is not None
    stored = found["i2"] / 100 if share else found["i2"]
    lines = (
        vf.read_revman(package(tmp_path, falls, **{"Heterogeneity I²": stored})).differences(alike=True).set_index("quantity")
    )
    assert lines.loc["i2", "alike"]
    assert lines.loc["i2", "recomputed"] == pytest.approx(found["i2"])


def test_hartung_knapp_and_reml_are_pooled_as_asked(tmp_path: Path) -> None:
    items = [Outcome("Pain", "means", "MD", "IV", True, [Row(r.study, r.numbers) for r in some()[1].rows])]
    review = vf.read_revman(package(tmp_path, items, **{"CI method": "HKSJ", "Heterogeneity estimator": "REML"}))
    fit = review.fit("1.1")
    assert (fit.method, fit.test) == ("REML", "HKSJ")
    found = review.differences(alike=True).set_index("quantity")["recomputed"]
    assert found["ci_low"].iloc[-1] == pytest.approx(fit.interval[0], rel=1e-8)
    assert found["tau2"] == pytest.approx(fit.tau2, rel=1e-8)


def test_judgements_and_characteristics_are_read(review: Any) -> None:
    assert review.judgements().values.tolist() == [
        ["Adams 2001", "Allocation concealment", "", "low", "by phone"],
        ["Adams 2001", "Blinding of outcome assessment", "Pain", "high", ""],
    ]
    assert review.characteristics["Adams 2001"] == {"Methods": "Randomised"}


@pytest.mark.parametrize(("end", "content", "said"), [
    ("data-rows.csv", b"\xef\xbb\xbfAnalysis group,Study\r\n1\r\n", "row 2: 1 cells below 2 headings"),
    ("data-rows.csv", b"\xff\xfe\xff", "is no UTF-8 text"),
    ("settings.csv", b"Analysis group,Analysis number,Data type\r\n1,1,Odd\r\n", "column Data type: 'Odd' is none of"),
    ("risk-of-bias.csv", b"Study,Domain (judgement): X\r\nA,Fine\r\n", "row 2, column Domain .judgement.: X: 'Fine' is no"),
])  # fmt: skip
def test_a_broken_package_names_file_row_and_column(tmp_path: Path, end: str, content: bytes, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.read_revman(package(tmp_path, some(), {end: content}))


def test_numbers_that_are_none_are_named_all_at_once(tmp_path: Path) -> None:
    items = [Outcome("Falls", "events", "RR", "MH", False, [Row(r.study, r.numbers) for r in FALLS])]
    package(tmp_path, items)  # gives the rows their order
    rows = rows_of(items[0], 1)
    rows[0]["Experimental N"] = rows[1]["Control N"] = "fifty"
    path = package(tmp_path, items, {"data-rows.csv": table(ROW, rows)})
    with pytest.raises(vf.InputError) as refused:
        vf.read_revman(path)
    assert [x.partition(", ")[2] for x in refused.value.problems] == [
        "row 2, column Experimental N: 'fifty' is no number.", "row 3, column Control N: 'fifty' is no number.",
    ]  # fmt: skip


def test_an_archive_without_a_package_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.txt", "x")
    with pytest.raises(vf.InputError, match=r"a\.zip is no data package of RevMan Web"):
        vf.read_revman(tmp_path / "a.zip")


def cells(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def test_the_four_import_files_hold_studies_arms_results_and_judgements(tmp_path: Path) -> None:
    (tmp_path / "a.rm5").write_text(review_xml(outcomes(), STUDIES, "", bias()), encoding="utf-8")
    review = vf.read_revman(tmp_path / "a.rm5")
    information, arms, results, risk = review.to_revman_web(tmp_path / "out")
    assert [p.name for p in (information, arms, results, risk)] == [
        "study-information.csv", "study-arms.csv", "study-results.csv", "risk-of-bias.csv",
    ]  # fmt: skip
    assert [r["Study"] for r in cells(information)] == list(STUDIES.values())
    assert list(cells(arms)[0]) == list(ARMS)
    assert {(r["Study"], r["Arm"]) for r in cells(arms)} == {(s, a) for s in STUDIES.values() for a in ("Drug", "Placebo")}
    found = cells(results)
    assert list(found[0]) == list(RESULTS)
    falls = [(r["Study"], r["Arm"], r["Cases"], r["Sample size"]) for r in found if r["Outcome"] == "Falls"]
    assert falls[:2] == [("Adams 2001", "Drug", "4", "50"), ("Adams 2001", "Placebo", "9", "52")]
    pain = next(r for r in found if r["Outcome"] == "Pain")
    assert (pain["Data type"], pain["Mean"], pain["SD"], pain["Sample size"]) == ("Continuous", "3.1", "2", "50")
    survival = next(r for r in found if r["Outcome"] == "Survival")
    assert (survival["Arm"], survival["Reference arm"], survival["Mean"]) == ("Drug", "Placebo", "-0.32")
    assert float(survival["SE"]) == pytest.approx(10**-0.5)
    judged = cells(risk)[0]
    assert judged["Domain (judgement): Random sequence generation (selection bias)"] == "Low risk"
    assert judged["Domain (support): Random sequence generation (selection bias)"] == "by computer"
    assert judged["Domain (judgement): Blinding of outcome assessment (detection bias): Deaths"] == "High risk"


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vfmeta.exchange import revman_import

    (tmp_path / "a.rm5").write_text(review_xml(outcomes(), STUDIES), encoding="utf-8")
    monkeypatch.setattr(revman_import, "_bias", lambda judged: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vf.read_revman(tmp_path / "a.rm5").to_revman_web(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_are_opened_by_their_endings(tmp_path: Path) -> None:
    found = opening.opened(package(tmp_path, some()))
    assert len(found) == 7
    (tmp_path / "b.rm5").write_text(review_xml(outcomes(), STUDIES), encoding="utf-8")
    assert "1.1 Deaths" in opening.opened(tmp_path / "b.rm5")
    with pytest.raises(vf.InputError, match="has analyses and no sheets"):
        opening.opened(tmp_path / "b.rm5", sheet="x")


def test_one_analysis_of_a_review_is_read_like_a_sheet(tmp_path: Path) -> None:
    path = package(tmp_path, some())
    assert vf.read(path, outcome="1.6").labels == ("Adams 2001", "O'Neill 2004", "Chen 2010")
    with pytest.raises(vf.InputError, match=r"No outcome '1\.9'"):
        vf.read(path, outcome="1.9")


def test_what_a_review_leaves_no_use_for_is_refused(tmp_path: Path) -> None:
    path = package(tmp_path, some())
    with pytest.raises(vf.InputError, match=r"says of each analysis .* so columns=, measure= would change nothing; leave them"):
        vf.read(path, outcome="1.6", measure="OR", columns={"study": "Study"})
    with pytest.raises(vf.InputError, match="so level= would change nothing; leave it out"):
        vf.read(path, outcome="1.6", level=0.9)
    # what gives no effect is left out of every analysis, as missing="drop" says and `vfmeta analyse` asks
    assert vf.read(path, outcome="1.6", missing="drop").labels == vf.read(path, outcome="1.6").labels
