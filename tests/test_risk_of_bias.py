"""Risk of bias: words checked against the instrument, both layouts, shares by hand, figures read back."""

from __future__ import annotations

from typing import Any, get_args

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.core.bias_tools import TOOLS
from vfmeta.core.params import BiasTool

WIDE = pd.DataFrame({
    "Study": ["A", "B", "C"], "D1": ["Low", "Some concerns", "low risk of bias"], "D2": ["High", "Low", ""],
    "D3": ["Low", "Low", "Low"], "D4": ["Low", "Low", "High"], "D5": ["Low", "Low", "Low"],
    "Overall": ["High", "Some concerns", None], "Weight": [10.0, 30.0, 60.0],
})  # fmt: skip


def long(wide: pd.DataFrame) -> pd.DataFrame:
    rows = wide.drop(columns="Weight").melt("Study", var_name="domain", value_name="judgement")
    return rows.rename(columns={"Study": "study"})


def test_both_layouts_are_one() -> None:
    one, two = vf.appraisal.risk_of_bias(WIDE.drop(columns="Weight")), vf.appraisal.risk_of_bias(long(WIDE))
    assert one == two
    assert one.overall == ("high", "some concerns", "")
    assert one.worst() == ("high", "some concerns", "high")
    assert vf.read_result(one.to_json()) == one
    named = long(WIDE).replace({"D4": "Bias in measurement of the outcome", "Overall": "overall"})
    assert vf.appraisal.risk_of_bias(named) == one


def test_shares_count_trials_or_their_weight() -> None:
    found = vf.appraisal.risk_of_bias(WIDE)
    counted, weighed = (found.shares(w).set_index("domain") for w in (None, found.weights))
    assert counted.loc["overall", ["low", "some concerns", "high", "not judged"]].tolist() == pytest.approx(
        [0, 100 / 3, 100 / 3, 100 / 3]
    )
    assert weighed.loc["overall", ["low", "some concerns", "high", "not judged"]].tolist() == pytest.approx([0, 30, 10, 60])
    assert weighed.loc["deviations from intended interventions", "not judged"] == pytest.approx(60)
    pool = vf.random_effects(y=[0.1, 0.3], v=[0.1, 0.3], study=["B", "A"], test="Wald", tau2=0.0)
    of_pool = found.shares(pool).set_index("domain")
    assert of_pool.loc["overall", "high"] == pytest.approx(25)
    assert of_pool.loc["overall", "not judged"] == 0


def test_judgements_part_a_pool_by_name() -> None:
    found = vf.appraisal.risk_of_bias(WIDE)
    assert found.of(["C", "A"]) == [None, "high"]
    with pytest.raises(vf.InputError, match="Nothing is known here of D"):
        found.of(["A", "D"])


@pytest.mark.parametrize(("fault", "said"), [
    ({"D1": ["L", "Low", "Low"]}, r"row 1 \(A\), column D1: 'L' is no judgement of RoB 2"),
    ({"D6": ["Low"] * 3}, "'D6' is no domain of RoB 2"),
    ({"D1": ["Moderate", "Low", "Low"]}, "'Moderate' is no judgement"),
    ({"Study": ["A", "A", "C"]}, "stands more than once"),
    ({"Weight": [1, -1, 1]}, "Weights must be numbers of 0 or more"),
])  # fmt: skip
def test_faults_are_named(fault: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.appraisal.risk_of_bias(WIDE.assign(**fault))


def test_faults_of_long_tables_are_named() -> None:
    rows = long(WIDE)
    with pytest.raises(vf.InputError, match="A is judged twice on randomisation process"):
        vf.appraisal.risk_of_bias(pd.concat([rows, rows.head(1)]))
    with pytest.raises(vf.InputError, match="tool='RoB 3' is unknown"):
        vf.appraisal.risk_of_bias(rows, tool="RoB 3")  # type: ignore[arg-type]
    with pytest.raises(vf.InputError, match="missing: judgement"):
        vf.appraisal.risk_of_bias(study=["A"], domain=["D1"])


# the columns of the sheet "Results" of the RoB 2 Excel tool (beta 8), as programs name them that read it with header=1
SHEET = pd.DataFrame({
    "Unique ID": ["T1", "T2"], "1.1": ["Y", "PN"], "Note for 1.1&1.2": ["computer", None], "Note for 1.3": ["balanced", None],
    "1.0 Algorithm result": ["Low", "High"], "1.0 Assessor's Judgement": ["Low", None],
    "2.0 Algorithm result": ["Low", "Low"], "2.0 Assessor's Judgement": ["Some concerns", "Low"],
    "3.0 Assessor's judgement": ["Low", "Low"], "4.0 Assessor's Judgement": ["Low", "Low"],
    "5.0 Assessor's Judgement": ["Low", "High"], "Algorithm's overall Judgement": ["Some concerns", "High"],
    "Assessor's overall Judgement": ["Some concerns", "High"],
})  # fmt: skip


def test_the_sheet_of_the_excel_tool_is_read_and_a_proposal_is_no_judgement() -> None:
    blank = pd.DataFrame([[None] * SHEET.shape[1]], columns=SHEET.columns).astype(object)
    found = vf.appraisal.risk_of_bias(pd.concat([SHEET.astype(object), blank]))
    assert found.labels == ("T1", "T2")
    assert found.judgements == (("low", "some concerns", "low", "low", "low"), ("", "low", "low", "low", "high"))
    assert found.overall == ("some concerns", "high")
    assert found.support[0][0] == "computer balanced"
    assert found.support[1][0] == "not judged; the algorithm proposed: High"
    named = vf.appraisal.risk_of_bias(SHEET.assign(**{"Study ID": ["A", "B"]}), study="Study ID")
    assert named.labels == ("A", "B")
    with pytest.raises(vf.InputError, match=r"row 2 \(T2\), column 5.0 Assessor's Judgement: 'Very high' is no judgement"):
        vf.appraisal.risk_of_bias(SHEET.assign(**{"5.0 Assessor's Judgement": ["Low", "Very high"]}))
    with pytest.raises(vf.InputError, match="second row of its sheet"):
        vf.appraisal.risk_of_bias(pd.DataFrame([list(SHEET.columns), *SHEET.to_numpy().tolist()]))
    with pytest.raises(vf.InputError, match="holds no judgement by ROBINS-I"):
        vf.appraisal.risk_of_bias(SHEET, tool="ROBINS-I")
    with pytest.raises(vf.InputError, match="'Trial' is no column"):
        vf.appraisal.risk_of_bias(SHEET, study="Trial")


def test_robins_i_v2_knows_its_six_domains_and_where_low_has_a_reservation() -> None:
    words = [
        "Low risk of bias (except for concerns about uncontrolled confounding)",
        "Low",
        "Moderate",
        "Low",
        "Serious",
        "Low",
    ]
    wide = {"Study": ["a"], **{f"D{i + 1}": [w] for i, w in enumerate(words)},
            "Overall": ["Low risk of bias except for concerns about uncontrolled confounding"]}  # fmt: skip
    found = vf.appraisal.risk_of_bias(wide, tool="ROBINS-I V2")
    assert found.terms[1:4] == ("classification of interventions", "selection of participants", "missing data")
    assert found.judgements[0][0] == found.overall[0] == "low except for concerns about uncontrolled confounding"
    assert found.worst() == ("serious",)
    for fault, said in (({"Overall": ["Low"]}, "'Low' is no judgement of overall"),
                        ({"D2": words[:1]}, "no judgement of classification of interventions"),
                        ({"D3": ["No information"]}, "'No information' is no judgement"),
                        ({"D7": ["Low"]}, "'D7' is no domain")):  # fmt: skip
        with pytest.raises(vf.InputError, match=said):
            vf.appraisal.risk_of_bias(wide | fault, tool="ROBINS-I V2")


def test_the_reservation_of_non_randomised_studies_rates_nothing_down() -> None:
    wide = {"Study": ["a", "b"], "Overall": ["Low (except for concerns about uncontrolled confounding)"] * 2}
    fit = vf.common_effect(y=[-1.0, -1.1], se=[0.1, 0.1], study=["a", "b"])
    judged = vf.appraisal.risk_of_bias(wide, tool="ROBINS-I V2")
    found = vf.appraisal.certainty(fit, bias=judged, design="non_randomised")
    assert found.domains[0].suggestion == 0


def test_robvis_names_of_older_items_are_known() -> None:
    wide = {"Study": ["a"], "Random.sequence.generation.": ["Low"], "Other.sources.of.bias.": ["Unclear"], "Overall": ["Low"]}
    found = vf.appraisal.risk_of_bias(wide, tool="RoB 1")
    assert (found.judgements[0][0], found.judgements[0][-1]) == ("low", "unclear")


@pytest.mark.parametrize("tool", TOOLS)
def test_every_word_and_domain_of_an_instrument_is_read(tool: Any) -> None:
    own = TOOLS[tool]
    assert set(TOOLS) == set(get_args(BiasTool))
    assert len({x.marker + x.sign for x in own.levels}) == len(own.levels)  # told apart without colour
    for j, name in enumerate(own.domains):
        assert own.domain(name) == own.domain(name.upper()) == own.domain(f"D{j + 1}") == name
    rows = [("t", own.domains[0], level.word) for level in own.levels[:1]]
    found = vf.appraisal.risk_of_bias(pd.DataFrame(rows, columns=["study", "domain", "judgement"]), tool=tool)
    assert found.judgements[0][0] == own.levels[0].word


def test_figures_show_what_was_judged() -> None:
    found = vf.appraisal.risk_of_bias(WIDE)
    axes = found.plot(title="Made-up trials")
    lights = [x for x in axes.collections if x.get_gid() == "light"]
    judged = sum(bool(w) for row in found.judgements for w in row) + sum(map(bool, found.overall))
    assert len(lights) == judged + 3  # and the three of the legend
    drawn = {(round(float(x)), round(float(y))) for c in lights for x, y in c.get_offsets()}
    assert (1, 0) in drawn
    assert (1, 2) not in drawn  # C, D2: not judged
    bars = vf.plots.risk_of_bias_summary(found, weights=found.weights)
    width = {}
    for bar, level in zip(bars.containers, [*(x.word for x in found.instrument.levels), "not judged"], strict=True):
        width[level] = [p.get_width() for p in bar]
    assert width["high"] == pytest.approx([0, 10, 0, 60, 0, 10])
    assert bars.get_xlabel() == "share of weight (%)"
    plt.close("all")


def test_judgements_are_matched_by_the_names_of_their_rows() -> None:
    names = list("wxyz")
    judgement = pd.Series(["Low", "High", "Some concerns", "Low"], index=names)
    study, domain = pd.Series(["a", "a", "b", "b"], index=names), pd.Series(["D1", "D2", "D1", "D2"], index=names)
    found = vf.appraisal.risk_of_bias(study=study, domain=domain, judgement=judgement[::-1]).to_frame()
    assert found[found.judgement != "not judged"].judgement.tolist() == ["low", "high", "some concerns", "low"]
    with pytest.warns(vf.VfmetaWarning, match="'a' and 'a ' differ only in the space"):
        vf.appraisal.risk_of_bias(study=["a", "a "], domain=["D1", "D2"], judgement=["Low", "High"])
