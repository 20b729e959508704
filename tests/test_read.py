"""Own data in one call: what a stranger's sheet holds becomes effects by the formulas of the field, or is refused in words."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta.effects.sheet.names import EXACT, Parts
from vfmeta.effects.sheet.recognise import ROLES, recognise

BCG = {
    "trial": ["Aronson", "Ferguson", "Rosenthal"], "tpos": [4, 6, 3], "tneg": [119, 300, 228], "cpos": [11, 29, 11],
    "cneg": [128, 274, 209],
}  # fmt: skip


def means(k: int = 3, **more: Any) -> dict[str, Any]:
    """A sheet of means that is in order, with columns changed or added."""
    base = {"Study": list("abcdefgh"[:k]), "mean treat": [4.0, 3.5, 4.4, 4.1, 3.9, 4.0, 4.2, 3.8][:k], "SD treat": [2.0] * k,
            "n treat": [40] * k, "mean control": [5.0] * k, "SD control": [2.1] * k, "n control": [41] * k}  # fmt: skip
    return base | more


def refused(data: Any, said: str, **options: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        with pytest.raises(vf.InputError, match=said) as error:
            vf.read(data, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("m1i", "mean1"), ("sd2i", "sd2"), ("n1i", "n1"), ("ri", "r"), ("yi", "y"), ("vi", "v"), ("sei", "se"), ("TE", "y"),
        ("seTE", "se"), ("event.e", "events1"), ("n.c", "n2"), ("mean.e", "mean1"), ("sd.c", "sd2"), ("Events 1", "events1"),
        ("Total 2", "n2"), ("Mean 1", "mean1"), ("Experimental cases", "events1"), ("Control N", "n2"), ("O-E", "oe"),
        ("mean_treat", "mean1"), ("SD control", "sd2"), ("events experimental", "events1"),
        ("Number of patients (treatment)", "n1"), ("meanControl", "mean2"), ("Group One Sample Size", "n1"),
        ("Group Two Standard Deviation", "sd2"), ("std dev ctrl", "sd2"), ("median_pbo", "median2"),
        ("Lower quartile treated", "q1_1"), ("Q3 sham", "q3_2"), ("p25_treat", "q1_1"), ("min treat", "min1"),
        ("SEM placebo", "se2"), ("mean change drug", "mean_change1"), ("Baseline mean control", "mean_pre2"),
        ("SD baseline treat", "sd_pre1"), ("person-years treat", "time1"), ("% events control", "percent2"),
        ("HR", "estimate"), ("hazard_ratio", "estimate"), ("log OR", "y"), ("lnHR", "y"), ("selogHR", "se_log"),
        ("OR lower", "ci_low"), ("95% CI upper", "ci_high"), ("LCL", "ci_low"), ("HR (95% CI)", "estimate_ci"),
        ("Mean (SD) treat", "mean_sd1"), ("Effect Size Standard Error", "se"), ("p-value", "p"), ("Hedges g", "estimate"),
        ("ICC", "icc"), ("Study label", "study"), ("Trial ID", "study"), ("cluster_size", "cluster_size"), ("dose", ""),
        ("age of patients in years", ""), ("follow up", ""),
    ],
)  # fmt: skip
def test_columns_are_known_by_the_names_of_the_field(name: str, role: str) -> None:
    companions = {"Study label": [], "Trial ID": []}.get(name, ["study"])
    found = recognise([*companions, name]).column
    assert {r for r, n in found.items() if n == name} == ({role} if role else set())


def test_roles_of_the_tables_of_names_can_be_mapped() -> None:
    assert set(EXACT.values()) <= set(ROLES)


def test_counts_are_the_log_risk_ratio_of_hand_computation() -> None:
    table = vf.read(BCG)
    a, b, c, d = (np.array(BCG[x], float) for x in ("tpos", "tneg", "cpos", "cneg"))
    assert table.question.measure == "RR"
    assert table.y == pytest.approx(np.log(a / (a + b) / (c / (c + d))))
    assert table.v == pytest.approx(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    assert "measure: RR, as all rows hold counts of both groups; measure= takes another (OR or RD)" in str(table)
    assert vf.read(BCG, measure="OR").y == pytest.approx(np.log(a * d / (b * c)))


def test_one_mixed_table_becomes_one_measure_with_every_conversion_named() -> None:
    """Means with SD, SE, an interval and quartiles beside printed differences with SE, interval and p: all mean differences."""
    none = None
    sheet = {
        "Study": ["sd", "se", "ci", "quartiles", "est se", "est ci", "est p"],
        "mean t": [4.0, 4.0, 4.0, none, none, none, none], "sd t": [2.0, none, none, none, none, none, none],
        "se t": [none, 0.3, none, none, none, none, none], "lower t": [none, none, 3.4, none, none, none, none],
        "upper t": [none, none, 4.6, none, none, none, none], "median t": [none, none, none, 4.0, none, none, none],
        "q1 t": [none, none, none, 3.0, none, none, none], "q3 t": [none, none, none, 5.5, none, none, none],
        "n t": [40, 40, 40, 40, 40, 40, 40], "mean c": [5.0, 5.0, 5.0, none, none, none, none],
        "sd c": [2.0, 2.0, 2.0, none, none, none, none], "n c": [40] * 7, "median c": [none, none, none, 5.0, none, none, none],
        "q1 c": [none, none, none, 4.0, none, none, none], "q3 c": [none, none, none, 6.0, none, none, none],
        "MD": [none, none, none, none, -1.0, -1.0, -1.0], "MD SE": [none, none, none, none, 0.4, none, none],
        "MD lower": [none, none, none, none, none, -1.8, none], "MD upper": [none, none, none, none, none, -0.2, none],
        "p": [none] * 6 + [0.02],
    }  # fmt: skip
    table = vf.read(sheet)
    t38, t39 = stats.t.ppf(0.975, 39), stats.t(78)
    sd_se, sd_ci = 0.3 * math.sqrt(40), 1.2 / (2 * t38) * math.sqrt(40)
    expected = [4 / 40 + 4 / 40, sd_se**2 / 40 + 4 / 40, sd_ci**2 / 40 + 4 / 40, None, 0.16,
                (1.6 / (2 * t39.ppf(0.975))) ** 2, (1 / t39.isf(0.01)) ** 2]  # fmt: skip
    assert table.question.measure == "MD"
    for v, wanted in zip(table.v, expected, strict=True):
        assert wanted is None or v == pytest.approx(wanted, rel=1e-9)
    eta = 2 * stats.norm.ppf((0.75 * 40 - 0.125) / (40 + 0.25))  # Wan 2014, equation 16
    assert table.v[3] == pytest.approx((2.5 / eta) ** 2 / 40 + (2.0 / eta) ** 2 / 40)
    for study, said in {
        "se": "SD 1.897 from the standard error", "ci": "from the 95% interval of the mean", "quartiles": "Wan 2014",
        "est ci": "from the 95% interval (t with 78 df)", "est p": "from p = 0.02 (t with 78 df)",
    }.items():  # fmt: skip
        assert said in table.trace(study)


def test_a_file_of_each_kind_reads_as_the_frame_does(tmp_path: Path) -> None:
    frame = pd.DataFrame(BCG)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.tsv", sep="\t", index=False)
    frame.to_json(tmp_path / "c.json", orient="records")
    frame.to_parquet(tmp_path / "d.parquet")
    if pytest.importorskip("openpyxl"):
        frame.to_excel(tmp_path / "e.xlsx", index=False)
    wanted = vf.read(frame).y
    for file in tmp_path.iterdir():
        assert vf.read(file).y == pytest.approx(wanted, abs=1e-15), file.name
    polars = pytest.importorskip("polars")
    assert vf.read(polars.DataFrame(BCG)).y == pytest.approx(wanted, abs=1e-15)


def test_names_that_pandas_takes_for_missing_stay_names(tmp_path: Path) -> None:
    file = tmp_path / "arms.csv"
    file.write_text("study,arm,events,n,code\n1,drug,3,10,007\n1,None,5,11,010\n2,drug,4,12,007\n2,None,6,13,010\n")
    table = vf.read(file)
    assert (table.question.experimental, table.question.control) == ("drug", "None")
    assert table.labels == ("1", "2")
    assert table.frame["code"].tolist() == ["007", "007"]
    assert table.y[0] == pytest.approx(math.log((3 / 10) / (5 / 11)))


def test_text_that_is_a_number_is_named() -> None:
    table = vf.read(means(**{"n treat": [40, "38", 41]}))
    assert table.effects[1].n[0] == 38
    assert "row 2 (b), column n treat: the text '38' read as a number" in str(table)


def test_decimal_commas_are_read_where_they_are_certain(tmp_path: Path) -> None:
    file = tmp_path / "european.csv"
    plain = pd.DataFrame(means())
    plain.to_csv(file, sep=";", decimal=",", index=False)
    table = vf.read(file)
    assert table.y == pytest.approx(vf.read(plain).y)
    assert "column mean treat: decimal commas read as points" in str(table)
    refused(
        means(**{"mean treat": ["1,234", "2,345", "3,456"]}), "'1,234' may be 1234 or 1.234; write it plainly, or say decimal"
    )
    assert vf.read(means(**{"mean treat": ["4,234", "4,345", "4,456"]}), decimal=",").y[0] == pytest.approx(4.234 - 5)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("<2", "row 2 (b), column SD treat: '<2' is a bound"),
        ("about 2", "row 2 (b), column SD treat: 'about 2' is text, not a number"),
        ("20%", "row 2 (b), column SD treat: '20%' is a percentage"),
        (math.inf, "row 2 (b), column SD treat: the value is infinite"),
        (True, "row 2 (b), column SD treat: True is not a number"),
    ],
)
def test_a_cell_that_is_no_number_is_named(cell: Any, said: str) -> None:
    import re

    refused(means(**{"SD treat": [2.0, cell, 2.0]}), re.escape(said))


def test_gaps_are_named_and_left_out_when_asked() -> None:
    data = means(4, **{"n control": [41, "NR", 41, 41]})
    refused(data, r"row 2 \(b\): the size of arm control is not given")
    with pytest.warns(vf.VfmetaWarning, match=r"row 2 \(b\): the size of arm control is not given"):
        table = vf.read(data, missing="drop")
    assert [x.label for x in table.left_out] == ["b"]
    assert table.places.tolist() == [0, 2, 3]


def test_two_columns_for_one_role_are_a_question_with_the_mapping_to_paste() -> None:
    data = means() | {"total treat": [39, 39, 39]}
    said = refused(data, "More than one column fits a role")
    pasted = said[said.index("{") : said.rindex("}") + 1].replace("# or 'total treat'", "")
    assert vf.read(data, columns=eval(pasted)).effects[0].n == (40, 41)
    assert vf.read(data, columns={"n1": "total treat"}).effects[0].n == (39, 41)
    same = means() | {"total treat": [40] * 3}
    assert vf.read(same).effects[0].n == (40, 41)  # it does not matter which


def test_groups_of_unknown_names_are_put_in_order_by_the_caller() -> None:
    frame = pd.DataFrame(means()).rename(columns=lambda x: x.replace("treat", "VP").replace("control", "KP"))
    said = refused(frame, "nothing says which is experimental")
    assert "vf.read(..., sides=('VP', 'KP'))" in said
    one, two = vf.read(frame, sides=("VP", "KP")), vf.read(frame, sides=("KP", "VP"))
    assert one.y == pytest.approx(-two.y)
    assert (two.question.experimental, two.question.control) == ("KP", "VP")
    beside = frame.rename(columns=lambda x: x.replace("KP", "sham"))
    assert vf.read(beside).question.experimental == "VP"


def test_arms_in_rows_need_one_of_each() -> None:
    rows = {"study": ["1", "1", "2", "2"], "arm": ["A", "B", "B", "A"], "mean": [1.0, 2, 3, 4], "sd": [1.0] * 4, "n": [10] * 4}
    refused(rows, "nothing says which is the control")
    assert vf.read(rows, sides=("A", "B")).y.tolist() == [-1, 1]
    three = {"study": ["1"] * 3, "arm": ["a", "b", "placebo"], "mean": [1.0, 2, 3], "sd": [1.0] * 3, "n": [10] * 3}
    refused(three, "1 has 2 experimental and 1 control arms .* use vf.network")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"measure": ["HR", "OR"], "estimate": [0.7, 0.8], "lower": [0.5, 0.6], "upper": [0.98, 1.07]},
         r"never mixed: HR in row 1 \(a\); OR in row 2 \(b\)"),
        ({"events treat": [4, None], "n treat": [20, None], "events control": [6, None], "n control": [20, None],
          "HR": [None, 0.7], "lower": [None, 0.5], "upper": [None, 0.98]}, r"row 1 \(a\) gives counts .* no hazard ratio"),
        ({"events treat": [4, None], "n treat": [20, 20], "events control": [6, None], "n control": [20, 20],
          "mean treat": [None, 3], "sd treat": [None, 1], "mean control": [None, 4], "sd control": [None, 1]},
         "data of different kinds"),
        ({"events treat": [4, None], "n treat": [20, 20], "events control": [6, None], "n control": [20, 20],
          "effect": [None, 0.3], "se": [None, 0.2]}, "an estimate without its measure"),
        ({"OR": [0.7, None], "HR": [None, 0.8], "lower": [0.5, 0.6], "upper": [0.98, 1.07]}, "estimates of several measures"),
        ({"lnRR": [0.3, 0.2], "se": [0.1, 0.1]}, "log of a risk ratio or of a ratio of means"),
        ({"O-E": [3, 2], "Variance": [10, 9]}, "HR .*, PETO"),
        ({"events": [3, 4], "n": [10, 20]}, "PLO .*, PR .*, PFT"),
    ],
)  # fmt: skip
def test_different_measures_are_never_mixed(rows: dict[str, Any], said: str) -> None:
    refused({"study": ["a", "b"]} | rows, said)


def test_final_values_and_changes_are_no_standardised_difference() -> None:
    none = None
    data = {"study": ["a", "b"], "mean treat": [4.0, none], "sd treat": [2.0, none], "n treat": [40, 40],
            "mean control": [5.0, none], "sd control": [2.0, none], "n control": [40, 40],
            "mean change treat": [none, -1.0], "sd change treat": [none, 1.5],
            "mean change control": [none, -0.5], "sd change control": [none, 1.5]}  # fmt: skip
    refused(data, r"changes \(row 2 \(b\)\) and final values \(row 1 \(a\)\)", measure="SMD")
    assert vf.read(data, measure="MD").y == pytest.approx([-1.0, -0.5])


def test_scales_that_differ_ask_for_the_measure() -> None:
    refused(means(instrument=["VAS", "VAS", "NRS"]), 'names several scales .* measure="SMD"')
    refused(means(**{"SD treat": [2.0, 20.0, 2.0], "SD control": [2.0, 20.0, 2.0]}), "SDs run from 2 to 20")
    assert vf.read(means(instrument=["VAS"] * 3)).question.measure == "MD"


def test_an_sd_that_is_surely_a_standard_error_is_flagged() -> None:
    data = means(6, **{"SD treat": [2.0, 2.1, 0.31, 1.9, 2.2, 2.0], "SD control": [2.0, 2.1, 0.33, 1.9, 2.2, 2.0]})
    with pytest.warns(
        vf.VfmetaWarning, match=r"row 3 \(c\): the SD of about 0.32, where the others are about 2.* standard error"
    ):
        table = vf.read(data)
    assert [e.flags for e in table if e.flags] == [("sd_probably_se",)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vf.read(means(6))
        vf.read(means(6, **{"SD treat": [1.4, 2.6, 2.0, 1.1, 3.0, 2.4]}))  # as SDs differ
    two = means(2, **{"mean treat": [3.0, 3.5], "SD treat": [0.3, 0.32], "SD control": [0.3, 0.31]})
    with pytest.warns(vf.VfmetaWarning, match="SDs apart"):  # nothing to compare with, but no treatment does that
        vf.read(two)


def test_hazard_ratios_from_interval_from_oe_and_from_log_rank() -> None:
    none = None
    data = {"study": ["ci", "oe", "p"], "HR": [0.7, none, none], "lower": [0.5, none, none], "upper": [0.98, none, none],
            "O-E": [none, -6.0, none], "V oe": [none, 20.0, none], "log rank p": [none, none, 0.04],
            "direction": ["", "", "experimental"], "events treat": [none, none, 30], "events control": [none, none, 45],
            "n treat": [none, none, 100], "n control": [none, none, 100]}  # fmt: skip
    table = vf.read(data)
    assert table.question.measure == "HR"
    v = 75 * 100 * 100 / 200**2
    assert table.y == pytest.approx([math.log(0.7), -0.3, stats.norm.ppf(0.02) / math.sqrt(v)])
    assert table.v == pytest.approx([(math.log(0.98 / 0.5) / 2 / stats.norm.ppf(0.975)) ** 2, 1 / 20, 1 / v])
    for study, said in {"oe": "(O-E) / V", "p": "Parmar 1998"}.items():
        assert said in table.trace(study)
    refused(data | {"direction": ["", "", ""]}, "does not say which way")
    refused(data | {"log rank p": [none, none, "<0.05"]}, "a bound on a log-rank p value")


def test_hazard_ratio_is_a_named_measure_of_effect_size() -> None:
    oe = vf.effect_size("HR", oe=[-6.0], oe_v=[20.0])
    assert (oe.y[0], oe.v[0]) == pytest.approx((-0.3, 0.05))
    p = vf.effect_size("HR", p=[-0.04], events1=[30], events2=[45])
    assert p.v[0] == pytest.approx(75 / (30 * 45))
    assert p.y[0] == pytest.approx(stats.norm.ppf(0.02) * math.sqrt(75 / (30 * 45)))
    with pytest.raises(vf.InputError, match="outside its own interval"):
        vf.effect_size("HR", hr=[1.2], ci_low=[0.5], ci_high=[0.9])


def test_trials_of_clusters_shrink_by_their_design_effect() -> None:
    table = vf.read(means(2), icc=0.05, cluster_size=21)
    assert table.v[0] == pytest.approx((4 / 40 + 2.1**2 / 41) * 2)  # 1 + 20 x 0.05
    assert "design effect 2 (1 + (21 - 1) x 0.05)" in table.trace("a")
    own = vf.read(means(2, icc=[0.05, None], **{"cluster size": [21, None]}))
    assert own.v[0] == pytest.approx(table.v[0])
    assert own.v[1] == pytest.approx(4 / 40 + 2.1**2 / 41)
    refused(means(2, design=["cluster", "parallel"]), "needs cluster_size and icc")
    counts = vf.read(BCG, icc=0.05, cluster_size=21)
    assert counts.y == pytest.approx(vf.read(BCG).y)
    assert counts.v == pytest.approx(2 * vf.read(BCG).v)


def test_crossover_trials_are_paired() -> None:
    data = means(2, **{"n control": [40, 40]})
    table = vf.read(data, trial_design="crossover", correlation=0.6)
    assert table.v[0] == pytest.approx((4 + 2.1**2 - 2 * 0.6 * 2 * 2.1) / 40)
    smd = vf.read(data, trial_design="crossover", correlation=0.6, measure="SMD")
    assert smd.v[0] == pytest.approx((1 / 40 + smd.y[0] ** 2 / 80) * 2 * 0.4)
    refused(data, "needs the correlation", trial_design="crossover")
    refused(means(2), "the same people", trial_design="crossover", correlation=0.6)
    refused(BCG, "paired table", trial_design="crossover", correlation=0.6)


def test_changes_of_both_groups_are_compared() -> None:
    data = {"study": ["a"], "mean pre treat": [6.0], "sd pre treat": [2.0], "mean post treat": [3.0], "sd post treat": [2.5],
            "n treat": [30], "mean pre control": [6.2], "sd pre control": [1.8], "mean post control": [5.0],
            "sd post control": [2.2], "n control": [28]}  # fmt: skip
    table = vf.read(data, trial_design="pre-post-control", correlation=0.5)
    v1, v2 = 4 + 6.25 - 2 * 0.5 * 2 * 2.5, 1.8**2 + 2.2**2 - 2 * 0.5 * 1.8 * 2.2
    assert table.y[0] == pytest.approx(-3.0 - -1.2)
    assert table.v[0] == pytest.approx(v1 / 30 + v2 / 28)
    refused(data, "needs the correlation", trial_design="pre-post-control")
    smcc = vf.read(data, measure="SMCC", correlation=0.5)
    one = vf.effect_size("SMCC", mean_change=[-3.0, -1.2], sd_change=np.sqrt([v1, v2]), n=[30, 28])
    assert smcc.y[0] == pytest.approx(one.y[0] - one.y[1])
    assert smcc.v[0] == pytest.approx(one.v.sum())
    assert vf.read(data).y[0] == pytest.approx(-2.0)  # final values, unless changes are asked for


def test_ratios_and_their_logs_are_told_apart_by_their_intervals() -> None:
    ratio = {"study": ["a", "b"], "effect": [0.5, 0.8], "lower": [0.3, 0.6], "upper": [0.83, 1.07]}
    logs = ratio | {x: np.log(ratio[x]).tolist() for x in ("effect", "lower", "upper")}
    mixed = ratio | {"effect": logs["effect"]}
    wanted = np.log([0.5, 0.8])
    for data in (ratio, logs, mixed):
        table = vf.read(data, measure="OR")
        assert table.y == pytest.approx(wanted)
        assert table.v[1] == pytest.approx((math.log(1.07 / 0.6) / 2 / stats.norm.ppf(0.975)) ** 2)
    refused({"study": ["a", "b"], "effect": [0.5, 0.8], "se": [0.2, 0.2]}, "may hold the odds ratio or its log", measure="OR")
    refused({"study": ["a", "b"], "OR": [0.5, -0.8], "lower": [0.3, -1.0], "upper": [0.8, 0.1]}, "is no odds ratio")
    refused({"study": ["a", "b"], "OR": [0.5, 0.8], "se": [0.2, 0.2]}, "of the ratio or of its log")
    assert vf.read({"study": ["a", "b"], "OR": [0.5, 0.8], "se log OR": [0.2, 0.2]}).v == pytest.approx([0.04, 0.04])


def test_levels_of_intervals_come_from_the_headings() -> None:
    data = {"study": ["a"], "MD": [-1.0], "90% CI lower": [-1.8], "90% CI upper": [-0.2]}
    assert vf.read(data).v[0] == pytest.approx((1.6 / 2 / stats.norm.ppf(0.95)) ** 2)
    refused(data, "90% intervals and level=0.95", level=0.95)


def test_cells_of_several_numbers() -> None:
    data = {"study": ["a", "b", "c"], "HR (95% CI)": ["0.70 (0.50-0.98)", "0.8 [0.6; 1.07]", "1.1 (0.9 to 1.3)"]}
    assert vf.read(data).y == pytest.approx(np.log([0.7, 0.8, 1.1]))
    minus = {"study": ["a"], "MD (95% CI)": ["−1.2 (−2.0 to −0.4)"]}
    assert vf.read(minus).y[0] == -1.2
    arms = {"study": ["a", "b"], "Mean (SD) drug": ["4.1 (2.0)", "3.8 ± 1.9"], "N drug": [10, 20],
            "Mean (SD) placebo": ["5 (2)", "5.2 (2.2)"], "N placebo": [11, 21]}  # fmt: skip
    table = vf.read(arms)
    assert table.v[1] == pytest.approx(1.9**2 / 20 + 2.2**2 / 21)
    counts = {"study": ["a"], "events/total drug": ["4/20"], "events/total placebo": ["6 of 21"]}
    refused(counts, "cannot be read as numbers")
    assert vf.read(counts | {"events/total placebo": ["6/21"]}).y[0] == pytest.approx(math.log(4 / 20 / (6 / 21)))


def test_several_outcomes_are_named_and_chosen() -> None:
    data = {x: BCG[x] * 2 for x in BCG} | {"outcome": ["death"] * 3 + ["fracture"] * 3}
    refused(data, "2 outcomes: 'death', 'fracture'. Name one, such as outcome='death'")
    assert vf.read(data, outcome="fracture").question.outcome == "fracture"
    refused(data, "Did you mean 'death'", outcome="deaths")


def test_a_study_that_stands_twice_is_refused() -> None:
    refused(means(3, Study=["a", "b", "a"]), r"rows 1 and 3 \(a\): a study stands twice")


@pytest.mark.parametrize("name", ["Total", "Subtotal (95% CI)", "Overall", "Pooled estimate", "Heterogeneity: Tau2 = 0.1"])
def test_a_line_of_totals_is_no_study(name: str) -> None:
    refused(means(3, Study=["a", "b", name]), "row 3, column Study: .* reads like a line of totals")
    assert len(vf.read(means(3, Study=["a", "b", "Overalland 2001"]))) == 3


def test_authors_are_told_apart_by_their_years() -> None:
    named = {k: v for k, v in means(3).items() if k != "Study"}
    table = vf.read(named | {"Author": ["Li", "Li", "Wu"], "Year": [2001, 2004, 2004]})
    assert table.labels == ("Li 2001", "Li 2004", "Wu 2004")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"mean3": "mean treat"}, "no role 'mean3'. Did you mean 'mean"),
        ({"mean1": "mean treated"}, "no column 'mean treated' for mean1. Did you mean 'mean treat'"),
        ("mean1", "columns is a mapping"),
    ],
)
def test_a_mapping_that_names_nothing_is_refused(columns: Any, said: str) -> None:
    refused(means(), said, columns=columns)


def test_a_mapping_wins_over_names_and_none_takes_a_role_away() -> None:
    data = means() | {"weird": [1.0, 1.0, 1.0]}
    assert vf.read(data, columns={"mean1": "weird"}).y.tolist() == [-4.0] * 3
    refused(data, "no mean is given for arm experimental|holds no figures|No figures", columns={"mean1": None})


def test_what_is_no_sheet_of_studies_is_refused() -> None:
    refused({"Study": ["a"], "colour": ["red"]}, "No figures of an effect were recognised")
    refused({"n": [1], "mean": [2.0], "sd": [1.0]}, "No column names the studies")
    refused(pd.DataFrame({"Study": []}), "no rows")
    refused({"Study": ["a", ""], "yi": [1.0, 2.0], "vi": [1.0, 1.0]}, "row 2, column Study: no name of the study")


def test_what_is_read_can_be_pooled_and_written(tmp_path: Path) -> None:
    fit = vf.random_effects(vf.read(BCG))
    assert math.isfinite(fit.estimate)
    assert json.loads(fit.to_json())
    moderated = vf.meta_regression(vf.read(BCG | {"dose": [1, 2, 4], "code": ["007", "NA", "1"]}), "~ dose")
    assert moderated.terms == ("intercept", "dose") or len(moderated.terms) == 2


def test_words_of_a_heading() -> None:
    assert Parts("mean (treatment group)").group == 1
    assert Parts("treatment").group == 0  # a column of arms, not of a group
    assert Parts("lower 90% CI").level == 90


ROB2 = {"D1": ["Low", "low risk", "Low"], "D2": ["Low", "High", ""], "D3": ["Some concerns", "Low", "Low"],
        "D4": ["Low"] * 3, "D5": ["Low"] * 3, "Overall": ["Some concerns", "High", "Low"]}  # fmt: skip
ROB1 = {"Random sequence generation (selection bias)": ["Low risk", "Unclear risk", "High risk"],
        "Allocation concealment (selection bias)": ["Low risk", None, "Unclear risk"]}  # fmt: skip


def test_judgements_of_risk_of_bias_beside_the_data_are_read() -> None:
    table = vf.read(means(3, **ROB2))
    assert table.bias is not None
    assert (table.bias.tool, table.bias.labels) == ("RoB 2", ("a", "b", "c"))
    assert table.bias.overall == ("some concerns", "high", "low")
    assert table.bias.judgements[1] == ("low", "high", "low", "low", "low")
    assert table.bias.judgements[2][1] == ""  # not judged
    assert "risk of bias: RoB 2 from 'D1', 'D2', 'D3', 'D4', 'D5', 'Overall'" in str(table)
    assert table.without("a").bias is table.bias
    headed = vf.read(means(3, **ROB1)).bias
    assert headed is not None
    assert (headed.tool, headed.overall) == ("RoB 1", ("", "", ""))
    assert [row[:2] for row in headed.judgements] == [("low", "low"), ("unclear", ""), ("high", "unclear")]


def test_a_row_that_is_left_out_takes_no_judgement_with_it() -> None:
    sheet = means(3, **ROB2) | {"mean treat": [4.0, None, 4.4]}
    with pytest.warns(vf.VfmetaWarning, match="row 2"):
        table = vf.read(sheet, missing="drop")
    assert table.bias is not None
    assert (table.bias.labels, table.bias.overall) == (("a", "c"), ("some concerns", "low"))


def test_a_judgement_that_is_none_is_named_and_columns_of_numbers_are_none() -> None:
    said = refused(means(3, **ROB2 | {"D4": ["Low", "maybe", "Low"]}), "no judgement by RoB 2")
    assert "row 2 (b), column D4: 'maybe'" in said
    assert vf.read(means(3, D1=[1, 2, 3], D2=[1, 0, 1])).bias is None
    assert vf.read(means(3, **{"Random allocation": [1, 0, 1]})).bias is None


def test_two_instruments_that_fit_are_a_question() -> None:
    seven = {f"D{i}": ["Low"] * 3 for i in range(1, 8)}
    with pytest.warns(vf.VfmetaWarning, match="ROBINS-I or RoB 1 and are not read as such; say which: bias_tool='ROBINS-I'"):
        assert vf.read(means(3, **seven)).bias is None
    found = vf.read(means(3, **seven), bias_tool="RoB 1").bias
    assert found is not None
    assert found.terms[0] == "random sequence generation"
    serious = vf.read(means(3, **seven | {"D7": ["Low", "Serious", "Low"]})).bias  # a word of one of them only
    assert serious is not None
    assert serious.tool == "ROBINS-I"
    refused(means(3), "bias_tool='PEDro': no column is headed by a domain of it", bias_tool="PEDro")


def test_units_in_brackets_say_nothing_of_the_role() -> None:
    sheet = {f"{x} (mm Hg)" if x[0] in "mS" and x != "Study" else x: own for x, own in means().items()}
    assert vf.read(sheet).y.tolist() == vf.read(means()).y.tolist()
    both = vf.read({"Study": ["a"], "mean drug (cm)": [1.0], "sd drug (cm)": [2.0], "n drug": [9], "mean sham (cm)": [3.0],
                    "sd sham (cm)": [2.0], "n sham": [9]})  # fmt: skip
    assert (both.question.experimental, both.question.control, both.y.tolist()) == ("drug", "sham", [-2.0])
    kept = vf.read(means(**{"n treat (randomised)": [50, 50, 50]}))  # the plain heading is meant
    assert kept.effects[0].n[0] == 40


def test_a_heading_of_sd_or_se_is_a_question() -> None:
    sheet = {x.replace("SD", "SD/SE"): own for x, own in means().items()}
    said = refused(sheet, "may hold SDs or standard errors")
    mapping = eval(said.partition("columns=")[2].rstrip().removesuffix(")"))
    assert mapping["sd1"] == "SD/SE treat"
    assert vf.read(sheet, columns=mapping).y.tolist() == vf.read(means()).y.tolist()


def test_counts_and_their_percentages() -> None:
    sheet = {"study": ["a", "b"], "Events treat (%)": ["10 (25%)", "9 (30.0%)"], "N treat": [40, 30],
             "Events control (%)": ["20 (50%)", "40%"], "N control": [40, 30]}  # fmt: skip
    assert vf.read(sheet).y.tolist() == pytest.approx([math.log(10 * 40 / (20 * 40)), math.log(9 * 30 / (12 * 30))])
    named = {"study": ["a"], "% responders treat": ["25%"], "N treat": [40], "% responders control": [50.0], "N control": [40]}
    assert vf.read(named).y.tolist() == pytest.approx([math.log(0.5)])


def test_commas_that_may_part_decimals_or_numbers_are_a_question() -> None:
    sheet = means(1) | {"mean treat": ["3,5 (1,2)"]}
    sheet = {"Mean (SD) treat" if x == "mean treat" else x: own for x, own in sheet.items() if x != "SD treat"}
    assert "row 1 (a), column Mean (SD) treat: the commas of '3,5 (1,2)'" in refused(sheet, "may part decimals or numbers")
    assert vf.read(sheet, decimal=",").y.tolist() == pytest.approx([-1.5])
    points = {"study": ["a", "b"], "OR (95% CI)": ["0.8 (0.6,1.1)", "1 (0.5,2)"]}
    assert vf.read(points).y.tolist() == pytest.approx([math.log(0.8), 0.0])


@pytest.mark.parametrize("cell", [pd.Timestamp("2024-10-05"), "05-Oct", "Oct-05", "05/10/2024", "2024-10-05"])
def test_a_range_that_became_a_date_is_named(cell: Any) -> None:
    ranges = {"Median treat": [7, 7], "IQR treat": [cell, "5-9"], "Median control": [8, 8], "IQR control": ["6-12", "6-10"]}
    said = refused(
        {"study": ["a", "b"], "n treat": [40, 30], "n control": [41, 30]} | ranges, "spreadsheet programs turn entries"
    )
    assert said.startswith("row 1 (a), column IQR treat: ")
    assert "row 1 (a), column mean treat: " in refused(means(2) | {"mean treat": [cell, 3.0]}, "is a date")


@pytest.mark.parametrize(
    ("name", "said"), [("All studies", "reads like a line of totals"), ("Gesamt", "the sums of the other")]
)
def test_a_sum_of_the_other_rows_is_no_study(name: str, said: str) -> None:
    sheet = {"study": ["a", "b", name], "events treat": [4, 5, 9], "n treat": [40, 30, 70], "events control": [6, 9, 15],
             "n control": [41, 33, 74]}  # fmt: skip
    assert refused(sheet, said).startswith("row 3")


def test_no_spread_and_no_count_is_below_zero() -> None:
    said = refused(means() | {"SD treat": [2.0, -1.2, 2.0], "n control": [41, 41, -3]}, "below 0")
    assert "row 2 (b), column SD treat: -1.2 is below 0" in said
    assert "row 3 (c), column n control: -3 is below 0" in said


def test_a_figure_of_one_group_without_its_fellow_is_named() -> None:
    sheet = {"study": ["Öst", "Foa"], "events CBT": [4, 5], "n CBT": [24, 30], "events WL": [None, 9], "n WL": [24, 31],
             "higher is worse": ["yes"] * 2}  # fmt: skip
    with pytest.raises(
        vf.InputError, match=r"row 1 \(Öst\): it holds no figures of an effect: nothing stands in 'events WL'\."
    ):
        vf.read(sheet, missing="raise")


@pytest.mark.parametrize(
    "control", ["waitlist", "wait list", "Waiting list", "WL", "TAU", "usual care", "untreated", "none", "placebo"]
)
def test_controls_of_their_usual_names_are_known_by_headings_and_by_rows(control: str) -> None:
    """Anxiety trials call their controls so; the difference is that of CBT from them, 14 - 23 and 12 - 20."""
    wide = {"study": ["Öst", "Foa"], "mean CBT": [14, 12], "SD CBT": [8, 7], "n CBT": [24, 81], f"mean {control}": [23, 20],
            f"SD {control}": [9, 8], f"n {control}": [24, 75], "higher is worse": ["yes"] * 2}  # fmt: skip
    long = {"study": ["Öst", "Öst", "Foa", "Foa"], "group": ["CBT", control] * 2, "mean": [14, 23, 12, 20], "sd": [8, 9, 7, 8],
            "n": [24, 24, 81, 75], "higher is worse": ["yes"] * 4}  # fmt: skip
    for sheet in (wide, long):
        table = vf.read(sheet)
        assert table.y.tolist() == [-9, -8]
        assert (table.question.experimental, table.question.control) == ("CBT", control)


def test_a_control_added_to_what_is_tried_is_no_control_by_itself() -> None:
    """CBT against CBT with usual treatment: which of both is tried is for the reader to say."""
    sheet = {"study": ["Öst", "Öst"], "group": ["CBT", "CBT + TAU"], "mean": [14, 23], "sd": [8, 9], "n": [24, 24],
             "higher is worse": ["yes"] * 2}  # fmt: skip
    refused(sheet, "nothing says which is the control")
    assert vf.read(sheet, sides=("CBT + TAU", "CBT")).y.tolist() == [9]


def test_columns_of_intervention_and_comparator_name_the_groups() -> None:
    table = vf.read(means() | {"Intervention": ["Drug"] * 3, "Comparator": ["None"] * 3})
    assert (table.question.experimental, table.question.control) == ("Drug", "None")
    several = vf.read(means() | {"Intervention": ["Drug"] * 3, "Comparator": ["None", "Sham", "None"]})
    assert several.question.control == "control"


def test_what_is_lacking_is_asked_for_and_what_is_known_stays() -> None:
    said = refused({"Study": ["a"], "MW drug": [1.0], "N treat": [40], "N control": [41]}, "No figures of an effect")
    assert "'n1': 'N treat'" in said
    assert "'mean1': '...'" in said
    assert "Not recognised: 'MW drug'" in said


def test_a_count_and_a_percentage_that_disagree_are_named() -> None:
    sheet = {"study": ["a", "b"], "Events treat (%)": ["10 (25%)", "9 (45%)"], "N treat": [40, 30],
             "Events control (%)": ["20 (50%)", "12 (40%)"], "N control": [40, 30]}  # fmt: skip
    assert "row 2 (b), column Events treat (%): 9 of 30 are 30%, not 45%" in refused(sheet, "not 45%")
    shares = {"study": ["a", "b"], "% events treat": [0.25, 0.3], "N treat": [400, 300], "% events control": [50, 40],
              "N control": [400, 300]}  # fmt: skip
    refused(shares, "column % events treat: no value is above 1, so that shares may stand here")
    rare = vf.read(shares | {"% events treat": ["0.5%", "1%"]}, measure="RD")
    assert [e.events[0] for e in rare] == [2, 3]


def test_quartiles_that_cannot_be_name_the_row_of_the_sheet_and_can_be_left_out() -> None:
    sheet = {"study": ["a", "b"], "Median (IQR) treat": ["12 (8-20)", "25 (8-20)"], "n treat": [40, 40],
             "Median (IQR) control": ["15 (10-22)", "15 (10-22)"], "n control": [41, 41]}  # fmt: skip
    assert refused(sheet, "ascending order").startswith("row 2 (b): arm experimental: ")
    with pytest.warns(vf.VfmetaWarning, match="ascending order"):
        assert vf.read(sheet, missing="drop").labels == ("a",)


def test_limits_in_the_wrong_order_are_told_as_they_are_printed() -> None:
    sheet = {"study": ["a", "b"], "OR": [0.8, 0.7], "lower": [1.1, 0.5], "upper": [0.6, 0.98]}
    assert refused(sheet, "not below").startswith("row 1 (a): the lower limit 1.1 is not below the upper one 0.6")
