"""The reference runner compares as the README of the reference says, and reports what it cannot run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.reference_runner import common
from tests.reference_runner.__main__ import main


def case(expect: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"id": "x", "family": "rma_uni", "inputs": {"yi": [1.0, -4.0, None]}, "options": options, "expect": expect}


def right(expect: dict[str, Any], got: dict[str, Any], **options: Any) -> bool:
    done, _ = common.compare(case(expect, **options), got)
    assert done
    return all(c.right for c in done)


@pytest.mark.parametrize(
    ("method", "factor", "good"),
    [
        ("DL", 1 + 5e-9, True),
        ("DL", 1 + 5e-8, False),
        ("REML", 1 + 5e-7, True),
        ("REML", 1 + 5e-6, False),
        ("EE", 1 - 1e-7, False),
    ],
)
def test_relative_tolerance_hangs_on_the_method(method: str, factor: float, good: bool) -> None:
    assert right({"beta": [0.3]}, {"beta": 0.3 * factor}, method=method) is good


def test_suggested_tolerance_wins_and_limits_of_tau2_are_iterated() -> None:
    assert right({"beta": [0.3]}, {"beta": [0.30001]}, method="DL", suggested_rtol=1e-4)
    nested = {"confint": {"QP": {"tau2_ub": 2.0, "ub_sign": ""}}}
    assert right(nested, {"confint": {"QP": {"tau2_ub": 2.000001}}}, method="DL")
    assert not right(nested, {"confint": {"QP": {"tau2_ub": 2.00001}}}, method="DL")


def test_absolute_tolerance_near_zero_has_the_scale_of_the_effects() -> None:
    assert right({"beta": [0.0]}, {"beta": [3e-10]}, method="DL")
    assert not right({"beta": [0.0]}, {"beta": [5e-10]}, method="DL")
    assert right({"tau2": 0}, {"tau2": 1.5e-9}, method="DL")
    assert not right({"tau2": 0}, {"tau2": 1.7e-9}, method="DL")


@pytest.mark.parametrize(
    ("sign", "limit", "good"),
    [(">", 100.0, True), (">", 250.0, True), (">", 99.0, False), ("", 250.0, False), (">", float("inf"), True)],
)
def test_a_search_bound_of_r_is_only_a_bound(sign: str, limit: float, good: bool) -> None:
    expect = {"confint": {"QP": {"I2_ub": 100.0, "tau2_lb": 1.0, "lb_sign": "<", "ub_sign": sign}}}
    assert right(expect, {"confint": {"QP": {"I2_ub": limit, "tau2_lb": 0.5}}}, method="REML") is good


def test_p_values_below_1e_300_count_as_equal() -> None:
    assert right({"pval": [0.0]}, {"pval": [3e-301]}, method="DL")
    assert right({"pval": [4e-305]}, {"pval": [0.0]}, method="DL")
    assert not right({"pval": [1e-200]}, {"pval": [1.1e-200]}, method="DL")


def test_infinity_missing_values_and_other_lengths() -> None:
    assert right({"H2": "Inf"}, {"H2": np.inf}, method="DL")
    assert not right({"H2": "Inf"}, {"H2": 7.0}, method="DL")
    assert right({"yi": [1.0, None]}, {"yi": np.array([1.0, np.nan])})
    assert not right({"yi": [1.0, None]}, {"yi": [1.0, 2.0]})
    assert not right({"yi": [1.0, 2.0]}, {"yi": [1.0, None]})
    assert not right({"yi": [1.0, 2.0]}, {"yi": [1.0]})
    assert common.compare(case({"se_tau2": None}), {"se_tau2": 3.0})[0] == []


def test_one_study_may_be_called_not_estimable() -> None:
    one = {"k": 1, "tau2": 0, "predict": {"pi_lb": 0.2}}
    assert right(one, {"k": 1, "tau2": None, "predict": {"pi_lb": None}}, method="DL")
    assert not right({"k": 5, "tau2": 0}, {"k": 5, "tau2": None}, method="DL")
    assert right({"k": 2, "predict_riley": {"pi_lb": 0.2}}, {"k": 2, "predict_riley": {"pi_lb": None}}, method="DL")


def test_texts_and_values_left_out() -> None:
    done, absent = common.compare(case({"names": ["a", "b"], "se": [1.0], "x": {"y": 1}}), {"names": ["a", "c"], "x": {}})
    assert [c.right for c in done] == [True, False]
    assert absent == ["se", "x.y"]


def test_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    import vfmeta as vf

    def raises(error: Exception) -> Any:
        def answer(_: dict[str, Any]) -> dict[str, Any]:
            raise error

        return answer

    answers = {
        "right": lambda c: {"beta": [1.0]}, "wrong": lambda c: {"beta": [2.0]}, "empty": lambda c: {},
        "none": raises(common.NotOffered("ZPHI")), "refuses": raises(vf.InputError("no")), "breaks": raises(KeyError("beta")),
    }  # fmt: skip
    monkeypatch.setattr(common, "adapter", lambda c: answers.get(c["family"]))

    def group(family: str, expect: dict[str, Any]) -> tuple[str, str]:
        outcome = common.run({**case(expect, method="DL"), "family": family})
        return outcome.group, outcome.note

    good: dict[str, Any] = {"beta": [1.0]}
    assert group("right", good) == ("right", "")
    assert group("wrong", good) == ("wrong", "")
    assert group("empty", good) == ("wrong", "nothing was compared")
    assert group("none", good) == ("not offered", "ZPHI")
    assert group("refuses", good)[0] == "wrong"
    assert group("breaks", good) == ("wrong", "KeyError: 'beta'")
    assert group("refuses", {"error": "no"})[0] == "right"
    assert group("breaks", {"error": "no"})[0] == "wrong"
    assert group("unheard of", good)[0] == "not offered"
    assert common.run({"id": "y", "family": "right"}).group == "wrong"


def test_main_reports_and_never_crashes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "other.json").write_text('{"a": 1}')
    unknown = {"id": "u", "family": "phrenology", "inputs": {}, "options": {}, "expect": {}}
    (tmp_path / "unknown.json").write_text(json.dumps([unknown]))
    assert main([f"CASES={tmp_path}"]) == 0
    said = capsys.readouterr().out
    for text in ("empty.json: empty", "other.json: not a list of cases", "family phrenology (1)", "1 not offered"):
        assert text in said
    (tmp_path / "broken.json").write_text("[{")
    assert main([str(tmp_path)]) == 1
    assert "broken.json cannot be read" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere")]) == 2


def test_main_fails_where_a_value_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = json.loads((Path(__file__).parent / "reference" / "mh_peto.json").read_text(encoding="utf-8"))[:1]
    cases[0]["expect"]["beta"][0] *= 1 + 1e-6
    (tmp_path / "mh.json").write_text(json.dumps(cases))
    assert main([f"CASES={tmp_path / 'mh.json'}"]) == 1
    said = capsys.readouterr().out
    assert "WRONG mh.OR.dat_bcg" in said
    assert "beta: expected -0.473411461" in said


def test_an_explained_difference_stays_narrow() -> None:
    cases = json.loads((Path(__file__).parent / "reference" / "glmm.json").read_text(encoding="utf-8"))
    laplace = next(c for c in cases if c["id"] == "glmm.OR.CM.AL.ML.1.z.dat_bcg")
    se = laplace["expect"]["se"][0]
    assert common.explanation(laplace, "se", se, 1.01 * se)
    assert not common.explanation(laplace, "se", se, 1.2 * se)
    assert not common.explanation({**laplace, "options": {**laplace["options"], "nAGQ": 7}}, "se", se, 1.01 * se)
    assert not common.explanation({**laplace, "family": "rma_uni"}, "se", se, 1.01 * se)


def test_a_set_of_cases_brings_its_family_and_tolerances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tolerance = {"rel": 1e-3, "abs": 0, "x": {"rel": 0.2}}
    own = {"id": "a", "inputs": {}, "options": {}, "expect": {"x": 1.0, "y": 1.0, "info_z": 2}, "tolerance": tolerance}
    done, _ = common.compare(own | {"family": "f"}, {"x": 1.1, "y": 1.01, "info_z": 3})
    assert [(c.name, c.right) for c in done] == [("x", True), ("y", False)]
    (tmp_path / "strange.json").write_text(json.dumps({"set": "strange", "cases": [own]}), encoding="utf-8")
    assert main([str(tmp_path)]) == 0
    assert "not offered: family strange (1)" in capsys.readouterr().out


def test_a_refusal_must_come_and_name_what_it_is_about() -> None:
    inputs = {"events": [3, 5], "n": [20, 30]}
    asked = {"id": "a", "family": "scale", "inputs": inputs, "options": {"measure": "PLO", "null": 1.5, "level": 0.95}}
    told = asked | {"expect": {"refusal": {"must_name": ["1.5"]}}, "tolerance": {}}
    assert common.run(told).group == "right"
    assert common.run(told | {"expect": {"refusal": {"must_name": ["network"]}}}).group == "wrong"
    assert common.run(told | {"options": asked["options"] | {"null": 0.5}}).group == "wrong"
