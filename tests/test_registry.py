"""Results posted in ClinicalTrials.gov: candidates with their place in the file, never pooled unread.

The records are made here, with the structure of API version 2 and what real records have in them.
"""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from vfmeta.exchange import register_words as said

AT = "resultsSection.outcomeMeasuresModule.outcomeMeasures"
GROUPS = [{"id": "OG000", "title": "Placebo"}, {"id": "OG001", "title": "Drug 5 mg"}]


def counts(*values: str, units: str = "Participants") -> list[dict[str, Any]]:
    return [{"units": units, "counts": [{"groupId": f"OG00{i}", "value": x} for i, x in enumerate(values)]}]


def cells(*rows: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"categories": [{"measurements": [{"groupId": f"OG00{i}", **x} for i, x in enumerate(rows)]}], **more}


def pain(**more: Any) -> dict[str, Any]:
    base = {
        "type": "PRIMARY", "title": "Pain", "timeFrame": "6 weeks", "paramType": "LEAST_SQUARES_MEAN",
        "dispersionType": "Standard Error", "unitOfMeasure": "points", "groups": GROUPS, "denoms": counts("50", "52"),
        "classes": [
            cells({"value": "4.0", "spread": "0.30"}, {"value": "3.1", "spread": "0.28"}, title="Week 6",
                  denoms=counts("47", "1,049")),
            cells({"value": "NA", "spread": "NA", "comment": "too few"}, {"value": "2.0", "spread": "0.28"}, title="Week 12"),
        ],
        "analyses": [
            {"groupIds": ["OG000", "OG001"], "pValue": "=0.020", "paramType": "Difference of Least Square (LS) Means",
             "paramValue": "-0.9", "ciPctValue": "95", "ciNumSides": "TWO_SIDED", "ciLowerLimit": "-1.66",
             "ciUpperLimit": "-0.14", "groupDescription": "Comparison of Placebo vs. Drug 5 mg"},
            {"groupIds": ["OG000", "OG001"], "pValue": "<0.0001", "paramType": "Hazard Ratio (HR)", "paramValue": "0.50",
             "ciPctValue": "90", "ciNumSides": "TWO_SIDED", "ciLowerLimit": "0.40", "ciUpperLimit": "0.625",
             "estimateComment": "Hazard of drug 5 mg / placebo"},
            {"groupIds": ["OG000", "OG001"], "pValue": "<0.0001", "paramType": "Slope", "paramValue": "2"},
            {"groupIds": ["OG000", "OG001"], "pValue": "<0.05", "paramType": "Odds Ratio (OR)", "paramValue": "2",
             "ciNumSides": "ONE_SIDED", "ciPctValue": "97.5", "ciLowerLimit": "1.1"},
            {"groupIds": ["OG000", "OG001", "OG002"], "pValue": "0.5"},
        ],
    }  # fmt: skip
    return base | more


def falls(**more: Any) -> dict[str, Any]:
    return {"type": "SECONDARY", "title": "Falls", "paramType": "COUNT_OF_PARTICIPANTS", "unitOfMeasure": "Participants",
            "groups": GROUPS, "denoms": counts("50", "52"),
            "classes": [cells({"value": "10"}, {"value": "5"})]} | more  # fmt: skip


def record(*outcomes: dict[str, Any], nct: str = "NCT01234567") -> dict[str, Any]:
    return {"protocolSection": {"identificationModule": {"nctId": nct}},
            "resultsSection": {"outcomeMeasuresModule": {"outcomeMeasures": list(outcomes)}}}  # fmt: skip


def found(folder: Path, content: Any) -> Any:
    path = folder / "study.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return vf.read_registry(path)


def test_every_value_stands_where_its_locator_says(tmp_path: Path) -> None:
    study = record(pain(), falls())
    rows = found(tmp_path, study).rows
    assert not rows["confirmed"].any()
    assert rows["kind"].tolist() == ["arm"] * 4 + ["analysis"] * 5 + ["arm"] * 2
    assert rows["locator"][1] == f"{AT}[0].classes[0].categories[0].measurements[1]"
    assert rows["locator"][5] == f"{AT}[0].analyses[1]"
    for _, row in rows[rows["kind"] == "arm"].iterrows():
        cell = _walk(study, row["locator"])
        assert said.number(cell["value"]) == row["value"]


def _walk(content: Any, locator: str) -> Any:
    for step in locator.replace("]", "").replace("[", ".").split("."):
        content = content[int(step) if step.isdigit() else step]
    return content


def test_denominators_are_those_of_the_class_or_else_of_the_outcome(tmp_path: Path) -> None:
    rows = found(tmp_path, record(pain(), falls())).rows
    arms = rows[rows["kind"] == "arm"]
    assert arms["n"].tolist() == [47, 1049, 50, 52, 50, 52]
    assert arms["part"].tolist() == ["Week 6", "Week 6", "Week 12", "Week 12", "", ""]
    assert "too few" in rows["problem"][2]
    assert rows["problem"][3] == ""


def test_p_values_keep_their_sign_and_order_tells_no_direction(tmp_path: Path) -> None:
    rows = found(tmp_path, record(pain())).rows.iloc[4:].reset_index()
    assert rows[["p", "p_sign"]].to_numpy().tolist()[:2] == [[0.02, "="], [0.0001, "<"]]
    assert rows["direction"].tolist()[:2] == ["not_stated", "Drug 5 mg | Placebo"]
    assert rows["statistic"].tolist()[:4] == ["MD", "HR", "", "OR"]
    assert "Slope" in rows["problem"][2]
    assert "no interval of two sides" in rows["problem"][3]
    assert "3 groups" in rows["problem"][4]


def test_an_analysis_without_direction_needs_the_reader_to_say_it(tmp_path: Path) -> None:
    results = found(tmp_path, record(pain()))
    with pytest.raises(vf.InputError, match=r"row 5: nothing says which group comes first in the MD.*analyses\[0\]"):
        results.confirm(5)
    with pytest.raises(vf.InputError, match=r"row 5: sides=.* are not its groups"):
        results.confirm(5, sides=("Drug", "Placebo"))
    with pytest.raises(vf.InputError, match="row 6: its own text says Drug 5 mg against Placebo"):
        results.confirm(6, sides=("Placebo", "Drug 5 mg"))
    table = vf.read(results.confirm(5, sides=("Drug 5 mg", "Placebo")))
    assert table.question.measure == "MD"
    assert table.y.tolist() == [-0.9]
    assert math.sqrt(table.v[0]) == pytest.approx((1.66 - 0.14) / 2 / 1.959964, rel=1e-6)


def test_a_ratio_is_read_with_the_level_it_has(tmp_path: Path) -> None:
    table = vf.read(found(tmp_path, record(pain())).confirm(6))
    assert table.question.measure == "HR"
    assert table.y[0] == pytest.approx(math.log(0.5))
    assert math.sqrt(table.v[0]) == pytest.approx(math.log(0.625 / 0.40) / 2 / 1.644854, rel=1e-6)


def test_values_of_groups_are_read_as_arms(tmp_path: Path) -> None:
    results = found(tmp_path, record(pain(), falls()))
    with pytest.warns(vf.VfmetaWarning, match="rows 1, 2: a mean adjusted by a model"):
        frame = results.confirm([1, 2])
    assert frame["locator"].tolist() == results.rows["locator"].tolist()[:2]
    means = vf.read(frame, sides=("Drug 5 mg", "Placebo"))
    assert means.y[0] == pytest.approx(3.1 - 4.0)
    assert math.sqrt(means.v[0]) == pytest.approx(math.hypot(0.30, 0.28))
    events = vf.read(results.confirm([10, 11]), sides=("Drug 5 mg", "Placebo"))
    assert events.y[0] == pytest.approx(math.log(5 / 52 / (10 / 50)))


@pytest.mark.parametrize(("outcome", "problem"), [
    (falls(denoms=counts("50", "52", units="Eyes")), "counts Eyes, not participants"),
    (falls(classes=[cells({"value": "60"}, {"value": "5"})]), "60 participants of 50"),
    (falls(paramType="NUMBER", unitOfMeasure="events"), "not of participants"),
    (falls(paramType="GEOMETRIC_MEAN", dispersionType="Geometric Coefficient of Variation"), "geometric mean"),
    (falls(paramType="MEAN"), "without a spread"),
    (falls(denoms=[]), "no number of participants"),
])  # fmt: skip
def test_what_cannot_be_used_says_why(tmp_path: Path, outcome: dict[str, Any], problem: str) -> None:
    results = found(tmp_path, record(outcome))
    assert problem in results.rows["problem"][0]
    with pytest.raises(vf.InputError, match=problem):
        results.confirm([1, 2])


def test_rows_are_named_once_and_of_one_kind(tmp_path: Path) -> None:
    results = found(tmp_path, record(pain()))
    with pytest.raises(vf.InputError, match="do not go into one table"):
        results.confirm([1, 6])
    with pytest.raises(vf.InputError, match="row 1 is named twice"):
        results.confirm([1, 1, 2])
    with pytest.raises(vf.InputError, match="there is no row 99; the rows are 1 to 9"):
        results.confirm([99])
    with pytest.raises(vf.InputError, match="intervals of 90% and 95%"):
        results.confirm([5, 6], sides=("Drug 5 mg", "Placebo"))


def test_many_studies_are_read_from_an_answer_of_the_search(tmp_path: Path) -> None:
    results = found(tmp_path, {"studies": [record(falls()), record(falls(), nct="NCT07654321")]})
    assert results.rows["study"].tolist() == ["NCT01234567"] * 2 + ["NCT07654321"] * 2
    assert results.rows["locator"][2].startswith("studies[1].resultsSection.")
    assert "4 candidate rows, 4 usable, none confirmed" in str(results)


def test_other_files_and_unread_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match="no results of outcomes have been posted for NCT01234567"):
        found(tmp_path, {"protocolSection": record()["protocolSection"]})
    with pytest.raises(vf.InputError, match=r"not studies of ClinicalTrials\.gov"):
        found(tmp_path, [{"study": "A"}])
    found(tmp_path, record(falls()))
    with pytest.raises(vf.InputError, match=r"a person must look at first: found = vf\.read_registry"):
        vf.read(tmp_path / "study.json")


@pytest.mark.parametrize(("text", "value"), [
    ("1,234", 1234.0), ("-0.5", -0.5), ("−0.5", -0.5), (".5", 0.5), ("NA", None), ("<1", None), ("", None), (None, None),
    ("1,23", None), ("12 (3)", None), ("1e-3", 0.001),
])  # fmt: skip
def test_numbers_are_read_from_texts(text: str | None, value: float | None) -> None:
    assert said.number(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("=0.020", (0.02, "=")), ("= 0.250", (0.25, "=")), ("0.088", (0.088, "=")), ("<0.0001", (0.0001, "<")),
    ("≤.05", (0.05, "<")),
    ("p > 0.99", (0.99, ">")), ("not significant", (None, "")), ("12", (None, "")), (None, (None, "")),
])  # fmt: skip
def test_p_values_are_read_from_texts(text: str | None, value: tuple[float | None, str]) -> None:
    assert tuple(said.p_value(text)) == value


@pytest.mark.parametrize(("text", "order"), [
    ("Drug minus Placebo", ("Drug", "Placebo")), ("(placebo) - (drug)", ("Placebo", "Drug")), ("Drug vs. Placebo", None),
    ("Drug/Placebo and Placebo/Drug", None), ("Drug compared with Placebo", None), ("Drugs minus Placebo", None),
])  # fmt: skip
def test_only_a_text_says_the_direction(text: str, order: tuple[str, str] | None) -> None:
    assert said.direction((text,), ("Placebo", "Drug")) == order


def test_candidates_go_to_json_and_back_and_are_pickled(tmp_path: Path) -> None:
    read = found(tmp_path, record(pain()))
    for back in (vf.read_result(read.to_json()), pickle.loads(pickle.dumps(read))):
        assert back == read
        assert back.rows.equals(read.rows)
        assert str(back) == str(read)
        assert back.confirm([1, 2]).equals(read.confirm([1, 2]))
    changed = json.loads(read.to_json())
    changed["rows"][0][9] = 4.5
    assert (vf.read_result(changed) == read) is False
    with pytest.raises(vf.InputError, match="has no estimate: it is pooled after a person confirmed its rows"):
        _ = read.estimate
    with pytest.raises(vf.InputError, match="damaged"):
        vf.read_result({**changed, "rows": 3})


@pytest.mark.parametrize(
    ("dispersion", "level"),
    [("95% Confidence Interval", 95), ("CONFIDENCE_90", 90), ("CONFIDENCE_975", 97.5), ("CONFIDENCE_OTHER", None)],
)
def test_the_level_of_an_interval_is_in_words_or_a_constant(tmp_path: Path, dispersion: str, level: float | None) -> None:
    interval = {"value": "4.0", "lowerLimit": "3.0", "upperLimit": "5.0"}
    outcome = pain(paramType="MEAN", dispersionType=dispersion, classes=[cells(interval, interval)], analyses=[])
    rows = found(tmp_path, record(outcome)).rows
    assert rows["ci_level"].tolist() == [level, level]
    assert rows["problem"].tolist() == ["" if level else "a mean with an interval whose level is not said"] * 2
