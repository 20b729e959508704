"""Arm-level rows to effects: spreads recovered, changes, several arms, counts, scales and directions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

import vfmeta as vf

if TYPE_CHECKING:
    from conftest import World


def pair(world: World, drug: dict[str, Any], placebo: dict[str, Any], study: str = "a", **both: Any) -> None:
    world.study(study, "drug", "placebo")
    world.mean(study, "drug", **{**both, **drug})
    world.mean(study, "placebo", **{**both, **placebo})


def test_finals_by_hand(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2, "n": 25}, {"mean": 5, "sd": 3, "n": 36})
    table = world.compare()
    assert (table.y[0], table.v[0]) == pytest.approx((-2, 4 / 25 + 9 / 36))
    df = 59
    g = math.gamma(df / 2) / (math.sqrt(df / 2) * math.gamma((df - 1) / 2)) * -2 / math.sqrt((24 * 4 + 35 * 9) / df)
    smd = world.compare(measure="SMD")
    assert (smd.y[0], smd.v[0]) == pytest.approx((g, 1 / 25 + 1 / 36 + g**2 / 122))


SPREADS = [
    ({"mean": 4, "se": 0.4, "n": 25}, 4.0, 0.4 * 5),
    ({"mean": 4, "ci_low": 3, "ci_high": 5, "ci_level": 95, "n": 25}, 4.0, 5 / stats.t(24).isf(0.025)),
    (
        {"median": 4, "q1": 3, "q3": 6, "n": 25},
        (0.7 + 0.39 / 25) * 4.5 + (0.3 - 0.39 / 25) * 4,
        3 / (2 * stats.norm.ppf(18.625 / 25.25)),
    ),
    ({"median": 4, "range_low": 1, "range_high": 9, "n": 25}, 4 + 4 / (4 + 25**0.75), 8 / (2 * stats.norm.ppf(24.625 / 25.25))),
    ({"mean": 4.4, "median": 4, "q1": 3, "q3": 6, "n": 25}, 4.4, 3 / (2 * stats.norm.ppf(18.625 / 25.25))),
    ({"mean": 4.4, "q1": 3, "q3": 6, "n": 25}, 4.4, 3 / (2 * stats.norm.ppf(18.625 / 25.25))),
    ({"mean": 4.4, "range_low": 1, "range_high": 9, "n": 25}, 4.4, 8 / (2 * stats.norm.ppf(24.625 / 25.25))),
]


@pytest.mark.parametrize(("printed", "mean", "sd"), SPREADS)
def test_mean_and_sd_from_what_an_arm_prints(world: World, printed: dict[str, Any], mean: float, sd: float) -> None:
    """The other arm has mean 0 and a known variance, so both numbers of this arm can be read off the effect."""
    pair(world, printed, {"mean": 0, "sd": 1, "n": 50})
    table = world.compare()
    assert table.y[0] == pytest.approx(mean)
    assert math.sqrt((table.v[0] - 1 / 50) * 25) == pytest.approx(sd)
    assert "SD" in "".join(table.effects[0].steps)


def test_an_sd_goes_before_every_other_spread(world: World) -> None:
    pair(world, {"mean": 4, "sd": 2, "q1": 1, "q3": 9, "n": 25}, {"mean": 0, "sd": 1, "n": 50})
    assert world.compare().v[0] == pytest.approx(4 / 25 + 1 / 50)


@pytest.mark.parametrize(
    ("drug", "said"), [({"mean": 4}, "no spread"), ({"median": 4}, "no spread"), ({"mean": 4, "sd": 1, "n": 1}, "fewer than 2")]
)
def test_an_arm_that_cannot_serve_is_listed_with_the_reason(world: World, drug: dict[str, Any], said: str) -> None:
    pair(world, drug, {"mean": 5, "sd": 3})
    table = world.compare()
    assert len(table) == 0
    assert said in table.left_out[0].reason


def test_a_size_not_printed_is_taken_from_the_randomised_on_request_only(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2, "n": ""}, {"mean": 5, "sd": 3, "n": ""})
    assert "number analysed" in world.compare().left_out[0].reason
    table = world.compare(n_missing="randomised")
    assert table.v[0] == pytest.approx(4 / 50 + 9 / 50)
    assert "number randomised (50) used" in table.trace("a")


def test_common_scale_from_the_instrument(world: World) -> None:
    pair(world, {"mean": 30, "sd": 20, "n": 25}, {"mean": 50, "sd": 30, "n": 36}, instrument_id="vas100")
    table = world.compare(points=(0, 10))
    assert (table.y[0], table.v[0]) == pytest.approx((-2, 4 / 25 + 9 / 36))
    assert "rescaled from 0-100 to 0-10" in table.trace("a")


def test_common_scale_from_ends_printed_in_the_row(world: World) -> None:
    pair(
        world,
        {"mean": 30, "sd": 20, "n": 25},
        {"mean": 50, "sd": 30, "n": 36},
        instrument_id="endless",
        scale_min=0,
        scale_max=100,
    )
    assert world.compare(points=(0, 10)).y[0] == pytest.approx(-2)


def test_an_unknown_scale_stays_out_unless_one_is_assumed(world: World) -> None:
    pair(world, {"mean": 30, "sd": 20, "n": 25}, {"mean": 50, "sd": 30, "n": 36}, instrument_id="endless")
    assert "ends of its scale" in world.compare(points=(0, 10)).left_out[0].reason
    table = world.compare(points=(0, 10), assume_points=(0, 100))
    assert table.y[0] == pytest.approx(-2)
    assert "taken as 0 to 100" in table.trace("a")


def test_arms_with_different_ends_do_not_mix(world: World) -> None:
    pair(
        world,
        {"mean": 3, "sd": 2, "scale_max": 10},
        {"mean": 50, "sd": 30, "scale_max": 100},
        instrument_id="endless",
        scale_min=0,
    )
    assert "different scale ends" in world.compare(points=(0, 10)).left_out[0].reason


def test_instruments_that_run_the_other_way_are_turned(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2}, outcome_id="ache")
    pair(world, {"mean": 30, "sd": 10}, {"mean": 20, "sd": 10}, study="b", outcome_id="ache", instrument_id="qol")
    md = world.compare(outcome="ache", points=(0, 10))
    assert md.y.tolist() == pytest.approx([-2, -10 / 5])
    smd = world.compare(outcome="ache", measure="SMD")
    assert (smd.y < 0).all()
    assert world.compare(outcome="ache", points=(0, 10), higher_is_worse=False).y.tolist() == pytest.approx([2, 2])


def test_an_instrument_without_direction_stays_out_where_the_question_has_one(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2})
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2}, study="b", instrument_id="mute")
    table = world.compare()
    assert [x.study_id for x in table.left_out] == ["b"]
    assert "higher_is_worse" in table.left_out[0].reason


def test_instruments_of_an_outcome_without_direction_must_agree(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2})
    pair(world, {"mean": 30, "sd": 10}, {"mean": 20, "sd": 10}, study="b", instrument_id="qol")
    with pytest.raises(vf.InputError, match="both directions"):
        world.compare(points=(0, 10))


def test_mixed_scales_without_a_common_one_are_an_error(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2})
    pair(world, {"mean": 30, "sd": 10}, {"mean": 20, "sd": 10}, study="b", instrument_id="vas100")
    with pytest.raises(vf.InputError, match=r"Mixed scales.*A 2001: 0 to 10; B 2001: 0 to 100"):
        world.compare()


def change(world: World, study: str, drug: float, placebo: float, **cells: Any) -> None:
    world.study(study, "drug", "placebo")
    for arm, value in (("drug", drug), ("placebo", placebo)):
        world.mean(study, arm, value, 2, value_type="change", change_sign="post_minus_pre", **cells)


def test_an_md_mixes_finals_and_changes_and_an_smd_never(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2}, {"mean": 5, "sd": 2})
    change(world, "b", -3, -1)
    assert world.compare().y.tolist() == pytest.approx([-2, -2])
    with pytest.raises(vf.InputError, match="never mixes"):
        world.compare(measure="SMD")
    assert world.compare(measure="SMD", prefer=("final",)).labels == ("A 2001",)


def test_adjusted_means_give_an_md_and_no_smd(world: World) -> None:
    pair(world, {"mean": 3, "se": 0.4}, {"mean": 5, "se": 0.4}, value_type="adjusted_final")
    assert world.compare().v[0] == pytest.approx(0.32)
    assert "no SMD" in world.compare(measure="SMD").left_out[0].reason


def with_baselines(world: World, **final: Any) -> None:
    """Means 7 to 3 (drug) and 7.5 to 5 (placebo); SDs 1.5 before and 2 after."""
    pair(world, {"mean": 3, "sd": 2, "n": 25}, {"mean": 5, "sd": 2, "n": 36}, **final)
    for arm, mean, n in (("drug", 7.0, 25), ("placebo", 7.5, 36)):
        world.mean("a", arm, mean, 1.5, n=n, week=0, use="no")


def test_finals_stay_finals_without_a_stated_correlation(world: World) -> None:
    with_baselines(world)
    assert (world.compare().y[0], world.compare().effects[0].value_type) == (-2, "final")


def test_a_stated_correlation_makes_changes_of_finals(world: World) -> None:
    with_baselines(world)
    table = world.compare(correlation=0.5)
    sd2 = 1.5**2 + 2**2 - 2 * 0.5 * 1.5 * 2
    assert table.y[0] == pytest.approx((3 - 7) - (5 - 7.5))
    assert table.v[0] == pytest.approx(sd2 / 25 + sd2 / 36)
    assert table.effects[0].value_type == "change"
    text = table.trace("a")
    assert "stated correlation 0.5" in text
    assert "r3" in text  # the baseline it was made from
    smd = world.compare(correlation=0.5, measure="SMD")
    j = math.gamma(29.5) / (math.sqrt(29.5) * math.gamma(29))
    assert smd.y[0] == pytest.approx(j * -1.5 / math.sqrt(sd2))


def test_prefer_still_decides_between_final_and_made_change(world: World) -> None:
    with_baselines(world)
    table = world.compare(correlation=0.5, prefer=("final", "change"))
    assert table.y[0] == -2
    assert "made from finals and baselines" in table.trace("a")
    assert world.compare(correlation=0.5, prefer=("final",)).y[0] == -2


def test_without_a_baseline_the_final_is_used_and_the_reason_said(world: World) -> None:
    pair(world, {"mean": 3, "sd": 2, "n": 25}, {"mean": 5, "sd": 2, "n": 36})
    table = world.compare(correlation=0.5)
    assert table.y[0] == -2
    assert "no baseline with an SD" in table.trace("a")


def test_a_doubtful_baseline_gives_no_change(world: World) -> None:
    with_baselines(world)
    world.flag("outcomes_continuous", "r3", "sd_probably_se")
    assert world.compare(correlation=0.5).y[0] == -2


def test_a_change_without_sd_gets_one_from_baseline_and_final(world: World) -> None:
    with_baselines(world, use="no")
    for arm, value in (("drug", 4.2), ("placebo", 2.4)):
        world.mean("a", arm, value, "", n=25 if arm == "drug" else 36, value_type="change", change_sign="improvement_positive")
    bare = world.compare()
    assert len(bare) == 0
    assert "no spread" in bare.left_out[0].reason
    table = world.compare(correlation=0.8)
    sd2 = 1.5**2 + 2**2 - 2 * 0.8 * 1.5 * 2
    assert table.y[0] == pytest.approx(-4.2 + 2.4)
    assert table.v[0] == pytest.approx(sd2 / 25 + sd2 / 36)
    assert {"r1", "r2", "r3", "r4"} <= set(table.effects[0].rows)


def test_a_printed_change_goes_before_a_made_one(world: World) -> None:
    with_baselines(world)
    for arm, value in (("drug", -4.2), ("placebo", -2.4)):
        world.mean("a", arm, value, 1, value_type="change", change_sign="post_minus_pre")
    table = world.compare(correlation=0.5)
    assert (table.y[0], table.v[0]) == pytest.approx((-1.8, 2 / 20))
    assert "a printed change goes before" in table.trace("a")


def three_arms(world: World, **cells: Any) -> None:
    world.study("a", "low=drug", "high=drug", "placebo")
    for arm, mean, sd, n in (("low", 4, 2, 20), ("high", 3, 1, 10), ("placebo", 5, 2, 40)):
        world.mean("a", arm, mean, sd, n=n, **cells)


def test_arms_combined(world: World) -> None:
    three_arms(world)
    table = world.compare()
    mean = (20 * 4 + 10 * 3) / 30
    var = (19 * 4 + 9 * 1 + 20 * (4 - mean) ** 2 + 10 * (3 - mean) ** 2) / 29
    assert (table.y[0], table.v[0]) == pytest.approx((mean - 5, var / 30 + 4 / 40))
    assert table.effects[0].arms == ("low+high", "placebo")


def test_shared_control_split(world: World) -> None:
    three_arms(world)
    table = world.compare(multi_arm="split")
    assert table.y.tolist() == [-2, -1]  # by label: high, low
    assert table.v.tolist() == pytest.approx([1 / 10 + 4 / 20, 4 / 20 + 4 / 20])
    assert table.labels == ("A 2001 (high)", "A 2001 (low)")
    assert [e.n[1] for e in table] == [20, 20]
    assert table.trace("a").count("control arm split in 2") == 2


def test_counts_combined_and_split(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo")
    for arm, events, total in (("low", 4, 20), ("high", 1, 10), ("placebo", 12, 40)):
        world.events("a", arm, events, total)
    one = world.compare(outcome="fracture", measure="RR")
    assert one.y[0] == pytest.approx(math.log((5 / 30) / (12 / 40)))
    assert one.v[0] == pytest.approx(1 / 5 - 1 / 30 + 1 / 12 - 1 / 40)
    two = world.compare(outcome="fracture", measure="RR", multi_arm="split")
    assert two.y.tolist() == pytest.approx([math.log(0.1 / 0.3), math.log(0.2 / 0.3)])
    assert two.v.tolist() == pytest.approx([1 / 1 - 1 / 10 + 1 / 6 - 1 / 20, 1 / 4 - 1 / 20 + 1 / 6 - 1 / 20])


def test_contrasts_that_share_an_arm_are_averaged_with_their_correlation(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo")
    world.contrast("a", "low", "placebo", -1, se=0.4)
    world.contrast("a", "high", "placebo", -2, se=0.6)
    table = world.compare()
    assert table.y[0] == pytest.approx(-1.5)
    assert table.v[0] == pytest.approx((0.16 + 0.36 + 2 * 0.5 * 0.4 * 0.6) / 4)
    assert table.effects[0].n == (100, 50)
    assert "cannot be split" in world.compare(multi_arm="split").left_out[0].reason


def test_contrasts_that_share_no_arm_are_averaged_as_independent(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo", "sugar=placebo")
    world.contrast("a", "low", "placebo", -1, se=0.4)
    world.contrast("a", "sugar", "high", 2, se=0.6)  # printed the other way round
    table = world.compare()
    assert (table.y[0], table.v[0]) == pytest.approx((-1.5, (0.16 + 0.36) / 4))


def test_two_sets_of_patients_are_never_averaged(world: World) -> None:
    """An ITT contrast and one of a set not stated are two readings of one effect, not two contrasts that share an arm."""
    world.study("a", "drug", "placebo")
    world.contrast("a", "drug", "placebo", -1, se=0.4)
    world.contrast("a", "drug", "placebo", -3, se=0.4, analysis_set="not_stated")
    table = world.compare()
    assert table.y[0] == -1
    assert len(table.effects[0].rows) == 1


def test_two_kinds_of_time_never_double_an_arm(world: World) -> None:
    world.study("a", "drug", "placebo")
    for kind, mean in (("visit", 3), ("not_stated", 4)):
        world.mean("a", "drug", mean, 2, time_kind=kind)
        world.mean("a", "placebo", 5, 2, time_kind=kind)
    table = world.compare()
    assert (table.y[0], table.effects[0].n) == (-2, (20, 20))


def test_an_arm_that_prints_nothing_is_named(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo")
    world.mean("a", "low", 4, 2)
    world.mean("a", "placebo", 5, 2)
    table = world.compare()
    assert table.effects[0].arms == ("low", "placebo")
    assert "arm high: no such figure beside it" in table.trace("a")


def test_a_sister_row_kept_for_sensitivity_leaves_no_effect_and_is_named(world: World) -> None:
    world.study("a", "drug", "placebo")
    world.mean("a", "drug", 3, 2)
    sister = world.mean("a", "placebo", 5, 2, use="sensitivity")
    left = world.compare().left_out[0]
    assert "no such figure of the control arm" in left.reason
    assert f"{sister} (12 weeks): kept for sensitivity analyses" in left.reason
    assert world.compare(use=("pool", "sensitivity")).y[0] == -2


def test_one_time_in_two_units_pairs_up(world: World) -> None:
    world.study("a", "drug", "placebo")
    world.mean("a", "drug", 3, 2, time_value=14, time_unit="day")
    world.mean("a", "placebo", 5, 2, time_value=2, time_unit="week")
    assert world.compare().y[0] == -2


def two_by_two(world: World, drug: tuple[Any, Any], placebo: tuple[Any, Any], **cells: Any) -> None:
    world.study("a", "drug", "placebo")
    world.events("a", "drug", *drug, **cells)
    world.events("a", "placebo", *placebo, **cells)


def test_counts_by_hand(world: World) -> None:
    two_by_two(world, (3, 20), (6, 20))
    assert world.compare(outcome="fracture", measure="RR").y[0] == pytest.approx(math.log(0.5))
    assert world.compare(outcome="fracture", measure="OR").y[0] == pytest.approx(math.log((3 / 17) / (6 / 14)))
    assert world.compare(outcome="fracture", measure="RD").y[0] == pytest.approx(-0.15)


def test_zero_cells_are_said_and_double_zeros_left_out_of_ratios_only(world: World) -> None:
    two_by_two(world, (0, 20), (6, 20))
    table = world.compare(outcome="fracture", measure="RR")
    assert table.y[0] == pytest.approx(math.log((0.5 / 21) / (6.5 / 21)))
    assert "0.5 added" in table.trace("a")
    assert "no correction" in world.compare(outcome="fracture", measure="RR", zero="none").left_out[0].reason
    world.set("r2", events=0)
    assert "risk difference keeps" in world.compare(outcome="fracture", measure="OR").left_out[0].reason
    assert world.compare(outcome="fracture", measure="RD").y[0] == 0


def test_a_percentage_is_no_count_unless_the_plan_says_so(world: World) -> None:
    two_by_two(world, ("", 40), ("", 50), use="sensitivity")
    world.set("r1", percent=15)
    world.set("r2", percent=30.1)
    asked: dict[str, Any] = {"outcome": "fracture", "measure": "RR", "use": ("pool", "sensitivity")}
    assert "no count is printed" in world.compare(**asked).left_out[0].reason
    table = world.compare(**asked, counts_from_percent=True)
    assert table.y[0] == pytest.approx(math.log((6 / 40) / (15 / 50)))
    assert "15 events rebuilt from 30.1% of 50" in table.trace("a")


def test_vertebrae_are_not_patients(world: World) -> None:
    two_by_two(world, (3, 20), (6, 20), unit="vertebra")
    assert "vertebrae were counted, not patients" in world.compare(outcome="fracture", measure="RR").left_out[0].reason
    assert len(world.compare(outcome="fracture", measure="RR", unit="vertebra")) == 1
