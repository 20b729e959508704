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
