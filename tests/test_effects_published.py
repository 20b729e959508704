"""Published contrasts: from what is printed to an effect, and every direction value moving the pool as it must."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

import vfmeta as vf

if TYPE_CHECKING:
    from conftest import World

T98 = stats.t(98).isf(0.025)  # two arms of 50
DIRECTIONS = ("experimental_minus_control", "control_minus_experimental", "benefit_positive")


def one(world: World, estimate: Any, low: Any = "", high: Any = "", outcome: str = "pain", **cells: Any) -> vf.EffectTable:
    """The effect table of one trial with one printed contrast; ``cells`` starting with ``o_`` are options of the question."""
    options = {k[2:]: cells.pop(k) for k in list(cells) if k.startswith("o_")}
    world.study("a", "drug", "placebo")
    if outcome != "pain":
        cells = {"outcome_id": outcome, "instrument_id": "", **cells}
    world.contrast("a", "drug", "placebo", estimate, low, high, **cells)
    return world.compare(outcome=outcome, **options)


def test_interval_of_a_difference_by_t_on_the_randomised(world: World) -> None:
    table = one(world, -1.5, -2.5, -0.5)
    assert table.y.tolist() == [-1.5]
    assert math.sqrt(table.v[0]) == pytest.approx(1 / T98)
    assert table.effects[0].n == (50, 50)


def test_interval_by_the_normal_where_arm_sizes_are_not_known(world: World) -> None:
    world.study("a", "drug", "placebo", n="")
    world.contrast("a", "drug", "placebo", -1.5, -2.5, -0.5)
    assert math.sqrt(world.compare().v[0]) == pytest.approx(1 / 1.959963985)


def test_other_levels(world: World) -> None:
    table = one(world, -1.5, -2.5, -0.5, ci_level=90)
    assert math.sqrt(table.v[0]) == pytest.approx(1 / stats.t(98).isf(0.05))


def test_a_level_not_printed_is_taken_as_95_and_said(world: World) -> None:
    table = one(world, -1.5, -2.5, -0.5, ci_level="")
    assert math.sqrt(table.v[0]) == pytest.approx(1 / T98)
    assert "95% taken" in table.trace("a")


def test_a_printed_standard_error_goes_before_the_interval(world: World) -> None:
    assert one(world, -1.5, -2.4, -0.6, se=0.5).v[0] == pytest.approx(0.25)


def test_an_estimate_not_printed_is_the_centre(world: World) -> None:
    table = one(world, "", -2.5, -0.5)
    assert table.y[0] == pytest.approx(-1.5)
    assert "centre of the interval" in table.trace("a")


def test_an_interval_off_its_estimate_is_said(world: World) -> None:
    assert "not centred" in one(world, -2.2, -2.5, -0.5).trace("a")


def test_exact_p_of_a_difference_by_t(world: World) -> None:
    table = one(world, -1.5, p_value=0.01, p_operator="=")
    assert math.sqrt(table.v[0]) == pytest.approx(1.5 / stats.t(98).isf(0.005))


@pytest.mark.parametrize(("operator", "p"), [("<", 0.05), (">", 0.05), ("=", 0.0), ("=", 1.0)])
def test_a_bound_on_p_gives_no_standard_error(world: World, operator: str, p: float) -> None:
    table = one(world, -1.5, p_value=p, p_operator=operator)
    assert len(table) == 0
    assert "exact p value" in table.left_out[0].reason


def test_with_p_bound_an_upper_bound_on_p_is_used_and_said(world: World) -> None:
    table = one(world, -1.5, p_value=0.05, p_operator="<", o_p_bound=True)
    assert math.sqrt(table.v[0]) == pytest.approx(1.5 / T98)
    assert "p < 0.05 taken as p = 0.05" in table.trace("a")


@pytest.mark.parametrize("p", [0.05, ""])
def test_p_bound_says_nothing_where_the_interval_serves(world: World, p: Any) -> None:
    table = one(world, -1.5, -2.5, -0.5, p_value=p, p_operator="<", o_p_bound=True)
    assert math.sqrt(table.v[0]) == pytest.approx(1 / T98)
    assert "taken as p" not in table.trace("a")


def test_p_bound_does_not_take_a_lower_bound(world: World) -> None:
    assert len(one(world, -1.5, p_value=0.05, p_operator=">", o_p_bound=True)) == 0


@pytest.mark.parametrize("measure", ["RR", "OR", "HR"])
def test_ratios_on_the_log_scale_by_the_normal(world: World, measure: str) -> None:
    table = one(world, 0.5, 0.25, 1.0, outcome="fracture", measure=measure, o_measure=measure)
    assert table.y[0] == pytest.approx(math.log(0.5))
    assert math.sqrt(table.v[0]) == pytest.approx(math.log(4) / (2 * 1.959963985))


def test_the_standard_error_of_a_ratio_is_not_taken_for_that_of_its_logarithm(world: World) -> None:
    table = one(world, 0.5, 0.25, 1.0, outcome="fracture", measure="RR", se=0.2, o_measure="RR")
    assert math.sqrt(table.v[0]) == pytest.approx(math.log(4) / (2 * 1.959963985))
    assert "standard error is not used" in table.trace("a")


def test_exact_p_of_a_ratio(world: World) -> None:
    table = one(world, 0.5, outcome="fracture", measure="OR", p_value=0.02, p_operator="=", o_measure="OR")
    assert math.sqrt(table.v[0]) == pytest.approx(math.log(2) / stats.norm.isf(0.01))


def test_risk_difference_in_percentage_points(world: World) -> None:
    table = one(world, -12.0, -20.0, -4.0, outcome="fracture", measure="RD", o_measure="RD")
    assert table.y[0] == pytest.approx(-0.12)
    assert math.sqrt(table.v[0]) == pytest.approx(0.08 / 1.959963985)


def test_risk_difference_with_its_standard_error(world: World) -> None:
    assert one(world, -12.0, outcome="fracture", measure="RD", se=4, o_measure="RD").v[0] == pytest.approx(0.04**2)


def test_relative_risk_reduction(world: World) -> None:
    """A reduction of 30% (10% to 46%) is a risk ratio of 0.70 (0.54 to 0.90)."""
    cells = {"outcome": "fracture", "measure": "RRR_percent", "printed_as": "benefit_positive"}
    table = one(world, 30, 10, 46, **cells, o_measure="RR")
    assert math.exp(table.y[0]) == pytest.approx(0.70)
    assert math.sqrt(table.v[0]) == pytest.approx(math.log(0.90 / 0.54) / (2 * 1.959963985))


def test_a_relative_change_signed_experimental_minus_control(world: World) -> None:
    table = one(world, -30, -46, -10, outcome="fracture", measure="RRR_percent", o_measure="RR")
    assert math.exp(table.y[0]) == pytest.approx(0.70)


def test_a_complete_reduction_has_no_ratio(world: World) -> None:
    table = one(world, 100, outcome="fracture", measure="RRR_percent", printed_as="benefit_positive", o_measure="RR")
    assert len(table) == 0


def test_smd_as_published(world: World) -> None:
    table = one(world, -0.5, -0.9, -0.1, measure="SMD", o_measure="SMD")
    assert (table.y[0], math.sqrt(table.v[0])) == pytest.approx((-0.5, 0.4 / 1.959963985))


def test_a_figure_without_direction_is_out_and_listed(world: World) -> None:
    table = one(world, -1.5, -2.5, -0.5, printed_as="not_stated", use="sensitivity", o_use=("pool", "sensitivity"))
    assert len(table) == 0
    assert "direction is not stated" in table.left_out[0].reason


@pytest.mark.parametrize(("assumed", "y"), [("experimental_minus_control", -1.5), ("control_minus_experimental", 1.5)])
def test_an_assumed_direction_enters_in_that_direction_and_is_said(world: World, assumed: str, y: float) -> None:
    cells = {"printed_as": "not_stated", "use": "sensitivity"}
    table = one(world, -1.5, -2.5, -0.5, **cells, o_use=("pool", "sensitivity"), o_assume_direction=assumed)
    assert table.y[0] == y
    assert "direction not stated: taken as" in table.trace("a")


def test_an_assumed_direction_leaves_stated_ones_alone(world: World) -> None:
    assert one(world, -1.5, -2.5, -0.5, o_assume_direction="control_minus_experimental").y[0] == -1.5


# Printed 1.5 points; what is experimental minus control, by instrument (vas10: higher is worse; qol: higher is better).
SIGNS = [
    ("vas10", "experimental_minus_control", 1.5),
    ("vas10", "control_minus_experimental", -1.5),
    ("vas10", "benefit_positive", -1.5),
    ("qol", "experimental_minus_control", 1.5),
    ("qol", "control_minus_experimental", -1.5),
    ("qol", "benefit_positive", 1.5),
]


@pytest.mark.parametrize(("instrument", "printed_as", "y"), SIGNS)
def test_direction_of_differences(world: World, instrument: str, printed_as: str, y: float) -> None:
    table = one(world, 1.5, 0.5, 2.5, instrument_id=instrument, printed_as=printed_as)
    assert table.y[0] == y
    assert table.question.higher_is_worse is (instrument == "vas10")


@pytest.mark.parametrize(("instrument", "printed_as", "y"), SIGNS)
def test_a_row_that_prints_the_arms_the_other_way_round(world: World, instrument: str, printed_as: str, y: float) -> None:
    """The row's experimental arm is our control: the same print says the opposite of our comparison."""
    world.study("a", "drug", "placebo=placebo")
    world.contrast("a", "placebo", "drug", 1.5, 0.5, 2.5, instrument_id=instrument, printed_as=printed_as)
    table = world.compare()
    assert table.y[0] == -y
    assert table.effects[0].arms == ("drug", "placebo")
    assert "arms exchanged" in table.trace("a")


def test_benefit_needs_a_known_direction(world: World) -> None:
    table = one(world, 1.5, 0.5, 2.5, instrument_id="mute", printed_as="benefit_positive")
    assert len(table) == 0
    assert "benefit is printed as positive" in table.left_out[0].reason


@pytest.mark.parametrize(
    ("outcome", "printed_as", "ratio"),
    [
        ("fracture", "experimental_minus_control", 2.0),
        ("fracture", "control_minus_experimental", 0.5),
        ("fracture", "benefit_positive", 0.5),  # above 1 is a benefit: the bad event is rarer under the drug
        ("responder", "benefit_positive", 2.0),
        ("responder", "control_minus_experimental", 0.5),
    ],
)
def test_direction_of_ratios(world: World, outcome: str, printed_as: str, ratio: float) -> None:
    table = one(world, 2.0, 1.0, 4.0, outcome=outcome, measure="RR", printed_as=printed_as, o_measure="RR")
    assert math.exp(table.y[0]) == pytest.approx(ratio)


def test_a_backward_ratio(world: World) -> None:
    world.study("a", "drug", "placebo")
    world.contrast("a", "placebo", "drug", 2.0, 1.0, 4.0, outcome_id="fracture", instrument_id="", measure="RR")
    assert math.exp(world.compare(outcome="fracture", measure="RR").y[0]) == pytest.approx(0.5)


@pytest.mark.parametrize(("outcome", "y"), [("fracture", -0.12), ("responder", 0.12)])
def test_benefit_of_a_risk_difference(world: World, outcome: str, y: float) -> None:
    table = one(world, 12, 4, 20, outcome=outcome, measure="RD", printed_as="benefit_positive", o_measure="RD")
    assert table.y[0] == pytest.approx(y)


def two_trials(world: World) -> str:
    """Two trials of equal precision at -1 and -2; the row id of the second is handed back."""
    for study, estimate in (("a", -1.0), ("b", -2.0)):
        world.study(study, "drug", "placebo")
        row = world.contrast(study, "drug", "placebo", estimate, estimate - 0.5, estimate + 0.5)
    return row


@pytest.mark.filterwarnings("ignore:Only two studies")
def test_each_direction_value_of_a_contrast_moves_the_pool(world: World) -> None:
    """Equal weights, so the pooled mean is the plain mean: (-1 - 2) / 2 and, turned, (-1 + 2) / 2."""
    row = two_trials(world)
    pooled = {}
    for printed_as in DIRECTIONS:
        world.set(row, printed_as=printed_as)
        pooled[printed_as] = vf.random_effects(world.compare()).estimate
    assert pooled == {
        "experimental_minus_control": pytest.approx(-1.5),
        "control_minus_experimental": pytest.approx(0.5),
        "benefit_positive": pytest.approx(0.5),
    }
    world.set(row, printed_as="not_stated", use="no")
    with pytest.warns(vf.VfmetaWarning):
        alone = vf.random_effects(world.compare())
    assert (alone.k, alone.estimate) == (1, pytest.approx(-1.0))


@pytest.mark.filterwarnings("ignore:Only two studies")
def test_each_direction_value_of_a_change_moves_the_pool(world: World) -> None:
    """Trial b prints changes of -3 (drug) and -1 (placebo) or, as improvements, 3 and 1; read the wrong way the pool turns."""
    world.study("a", "drug", "placebo")
    world.study("b", "drug", "placebo")
    printed = {("a", "drug"): -2, ("a", "placebo"): -1, ("b", "drug"): -3, ("b", "placebo"): -1}
    last = {
        arm: world.mean(*arm, change, 2, value_type="change", change_sign="post_minus_pre") for arm, change in printed.items()
    }
    assert vf.random_effects(world.compare()).estimate == pytest.approx((-1 - 2) / 2)
    for arm in ("drug", "placebo"):
        world.set(last["b", arm], change_sign="improvement_positive")
    assert vf.random_effects(world.compare()).estimate == pytest.approx((-1 + 2) / 2)
    for arm, improvement in (("drug", 3), ("placebo", 1)):
        world.set(last["b", arm], mean=improvement)
    assert vf.random_effects(world.compare()).estimate == pytest.approx((-1 - 2) / 2)


def test_one_change_sign_turned_moves_the_effect(world: World) -> None:
    world.study("a", "drug", "placebo")
    drug = world.mean("a", "drug", -3, 2, value_type="change", change_sign="post_minus_pre")
    world.mean("a", "placebo", -1, 2, value_type="change", change_sign="post_minus_pre")
    assert world.compare().y[0] == -2
    world.set(drug, change_sign="improvement_positive")
    assert world.compare().y[0] == 3 - -1


@pytest.mark.parametrize(("instrument", "y"), [("vas10", -2.0), ("qol", 2.0)])
def test_improvement_follows_the_instrument(world: World, instrument: str, y: float) -> None:
    """Improved by 3 against 1: on a scale of pain the score fell by 2 more, on one of well-being it rose by 2 more."""
    world.study("a", "drug", "placebo")
    for arm, improvement in (("drug", 3), ("placebo", 1)):
        world.mean("a", arm, improvement, 2, instrument_id=instrument, value_type="change", change_sign="improvement_positive")
    table = world.compare()
    assert table.y[0] == y
    assert table.question.side(table.y[0]) == table.question.experimental


def test_improvement_needs_a_known_direction(world: World) -> None:
    world.study("a", "drug", "placebo")
    for arm in ("drug", "placebo"):
        world.mean("a", arm, 3, 2, instrument_id="mute", value_type="change", change_sign="improvement_positive")
    assert "improvement is printed as positive" in world.compare().left_out[0].reason
