"""A question put to the tables: which studies, which reading, which figure, and what is said of the rest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf

if TYPE_CHECKING:
    from conftest import World


def trial(
    world: World, study: str = "a", difference: float = -2, weeks: tuple[Any, ...] = (12,), n: int = 20, **how: Any
) -> None:
    """A trial with finals at some weeks; the difference grows by 0.1 with each."""
    world.study(study, "drug", "placebo", **how)
    for i, week in enumerate(weeks):
        world.mean(study, "drug", 5 + difference - i / 10, 2, n=n, week=week)
        world.mean(study, "placebo", 5, 2, n=n, week=week)


@pytest.mark.parametrize("design", ["nonrandomised", "quasi_rct", "single_arm", "not_stated"])
def test_designs_never_mix(world: World, design: str) -> None:
    """Perfect figures of another design stay out, and the study is listed."""
    trial(world)
    trial(world, "b", difference=-4, design=design)
    table = world.compare()
    assert table.labels == ("A 2001",)
    assert [(x.study_id, "not mixed with randomised" in x.reason) for x in table.left_out] == [("b", True)]


@pytest.mark.parametrize(("asked", "design"), [("quasi_randomised", "quasi_rct"), ("non_randomised", "nonrandomised")])
def test_other_designs_on_request_and_alone(world: World, asked: str, design: str) -> None:
    trial(world)
    trial(world, "b", difference=-4, design=design)
    table = world.compare(design=asked)
    assert table.labels == ("B 2001",)
    assert [x.study_id for x in table.left_out] == ["a"]


def test_one_cohort_counts_once_with_the_most_patients(world: World) -> None:
    trial(world, "small", n=18, cohort="same")
    trial(world, "large", n=30, cohort="same", difference=-3)
    trial(world, "other", difference=-1)
    table = world.compare()
    assert {e.study_id for e in table} == {"large", "other"}
    assert [(x.study_id, x.reason) for x in table.left_out] == [("small", "the same patients as Large 2001, counted once")]


def test_a_cohort_tie_goes_to_the_earlier_report_wherever_it_stands(world: World) -> None:
    trial(world, "later", cohort="same", year=2005)
    trial(world, "sooner", cohort="same", year=2003)
    assert [e.study_id for e in world.compare()] == ["sooner"]


def test_the_report_with_a_usable_figure_stands_for_its_cohort(world: World) -> None:
    trial(world, "small", n=10, cohort="same")
    world.study("large", "drug", "placebo", cohort="same")
    assert [e.study_id for e in world.compare()] == ["small"]


def test_split_arms_of_one_study_are_one_cohort(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo")
    for arm in ("low", "high", "placebo"):
        world.mean("a", arm, 4, 2)
    assert len(world.compare(multi_arm="split")) == 2


def test_a_baseline_never_enters(world: World) -> None:
    trial(world, weeks=(0,))
    assert world.compare().left_out[0].reason == "it prints no figure for this outcome"
    assert len(world.compare(week=0, window=(0, 2))) == 0


def test_a_baseline_contrast_never_enters(world: World) -> None:
    world.study("a", "drug", "placebo")
    world.contrast("a", "drug", "placebo", -1, -2, 0, week=0)
    assert len(world.compare()) == 0


@pytest.mark.parametrize(("outcome", "k"), [("leak", 1), ("sore", 0)])
def test_a_count_at_time_0_is_a_harm_of_the_procedure_or_a_baseline(world: World, outcome: str, k: int) -> None:
    """Cement leaks during the procedure; back pain at time 0 is what patients came with."""
    world.study("a", "drug", "placebo")
    for arm, events in (("drug", 3), ("placebo", 6)):
        world.events("a", arm, events, 20, week=0, outcome_id=outcome)
    assert len(world.compare(outcome=outcome, measure="RR")) == k
    world.contrast("a", "drug", "placebo", 0.5, 0.2, 1.2, week=0, outcome_id=outcome, instrument_id="", measure="OR")
    assert len(world.compare(outcome=outcome, measure="OR", prefer="contrast")) == k


@pytest.mark.parametrize(
    ("week", "window", "used"),
    [
        (12, (8, 16), 12),
        (11, (8, 16), 12),
        (10, (8, 16), 12),
        (9, (8, 16), 8),
        (10, (8, 11), 8),
        (50, (40, 60), None),
        (13, None, 12),
        (None, None, 24),
    ],
)
def test_the_nearest_reading_wins_and_ties_go_to_the_later(world: World, week: Any, window: Any, used: int | None) -> None:
    """Readings at 4, 8, 12 and 24 weeks; at target 10 those of week 8 and 12 tie."""
    trial(world, weeks=(4, 8, 12, 24))
    table = world.compare(week=week, window=window)
    if used is None:
        assert "no reading between week 40 and 60 (it prints 4 weeks, 8 weeks, 12 weeks, 24 weeks)" in table.left_out[0].reason
    else:
        assert [e.week for e in table] == [used]
        assert f"reading at {used} weeks used" in table.trace("a")


def test_a_nearer_reading_that_cannot_serve_gives_way_and_is_named(world: World) -> None:
    trial(world, weeks=(8, 12))
    world.set("r3", sd="")
    table = world.compare(week=12, window=(6, 14))
    assert [e.week for e in table] == [8]
    assert "no spread is printed for arm drug" in table.trace("a")


def test_a_reading_without_time_enters_only_without_a_window(world: World) -> None:
    trial(world, weeks=("",))
    assert len(world.compare(week=12, window=(8, 16))) == 0
    assert "no time printed" in world.compare().trace("a")
    world.mean("a", "drug", 1, 2, week=4)
    world.mean("a", "placebo", 5, 2, week=4)
    assert world.compare().y[0] == -4  # a stated time goes first


def test_weeks_from_printed_units(world: World) -> None:
    trial(world, weeks=(12,))
    for row in ("r1", "r2"):
        world.set(row, time_value=3, time_unit="month")
    assert world.compare().effects[0].week == pytest.approx(3 * 365.25 / 12 / 7, abs=1e-4)


KINDS = {"adjusted_contrast": -1.0, "contrast": -1.5, "change": -2.0, "final": -2.5}


def every_kind(world: World) -> None:
    """One trial that prints its difference in four ways at one visit, the contrast in months and the rest in weeks."""
    world.study("a", "drug", "placebo")
    world.contrast("a", "drug", "placebo", -1.0, se=0.4, measure="adjusted_MD")
    world.contrast("a", "drug", "placebo", -1.5, se=0.4)
    world.mean("a", "drug", -3.0, 2, value_type="change", change_sign="post_minus_pre")
    world.mean("a", "placebo", -1.0, 2, value_type="change", change_sign="post_minus_pre")
    world.mean("a", "drug", 3.0, 2)
    world.mean("a", "placebo", 5.5, 2)


@pytest.mark.parametrize("first", KINDS)
def test_the_stated_preference_decides_and_the_rest_is_named(world: World, first: str) -> None:
    every_kind(world)
    rest = [kind for kind in KINDS if kind != first]
    table = world.compare(prefer=(first, *rest))
    assert table.y[0] == KINDS[first]
    assert len(table.effects[0].unused) == 3
    assert all(f"the plan prefers {first.replace('_', ' ')}" in text for text in table.effects[0].unused)
    assert world.compare(prefer=first).y[0] == KINDS[first]
    assert world.compare().y[0] == KINDS["adjusted_contrast"]  # the default order


def test_preference_holds_across_units_of_one_visit(world: World) -> None:
    """12 months are 52.18 weeks: the same visit as 52 weeks, though the target is nearer to one of them."""
    trial(world, weeks=(52,))
    row = world.contrast("a", "drug", "placebo", -1.0, se=0.4)
    world.set(row, time_value=12, time_unit="month")
    for target in (52, 52.18):
        assert world.compare(week=target, window=(40, 60)).y[0] == -1.0
        assert world.compare(week=target, window=(40, 60), prefer=("final", "contrast")).y[0] == -2.0


def test_a_kind_the_plan_does_not_take_is_out_and_named(world: World) -> None:
    trial(world)
    assert "does not take this kind" in world.compare(prefer="contrast").left_out[0].reason


def test_of_two_instruments_the_one_with_more_patients_is_used(world: World) -> None:
    trial(world)
    for arm, mean in (("drug", 30), ("placebo", 60)):
        world.mean("a", arm, mean, 20, n=25, instrument_id="vas100")
    assert world.compare(points=(0, 10)).y[0] == -3
    assert "fewer patients" in world.compare(points=(0, 10)).trace("a")


@pytest.mark.parametrize(
    ("cells", "letting_in"),
    [
        ({"use": "sensitivity"}, {"use": ("pool", "sensitivity")}),
        ({"analysis_set": "as_treated"}, {"analysis_set": "as_treated"}),
        ({"time_kind": "average_over"}, {"time_kind": ("visit", "average_over")}),
    ],
)
def test_figures_that_main_pools_do_not_take(world: World, cells: dict[str, Any], letting_in: dict[str, Any]) -> None:
    trial(world)
    for row in ("r1", "r2"):
        world.set(row, **cells)
    assert len(world.compare()) == 0
    assert len(world.compare(**letting_in)) == 1


def test_figures_kept_for_the_record_never_enter(world: World) -> None:
    trial(world)
    for row in ("r1", "r2"):
        world.set(row, use="no")
    assert "record only" in world.compare(use=("pool", "sensitivity")).left_out[0].reason
    with pytest.raises(vf.InputError, match="use is one of pool, sensitivity"):
        world.compare(use="no")


def test_flags_drop_rows_and_are_carried_along(world: World) -> None:
    trial(world)
    trial(world, "b")
    world.flag("outcomes_continuous", "r1", "high_risk")
    table = world.compare()
    assert table.effects[0].flags == ("high_risk",)
    table = world.compare(drop_flags="high_risk")
    assert table.labels == ("B 2001",)
    assert "it is at high risk of bias" in table.left_out[0].reason


def test_a_per_cent_of_change_is_no_change(world: World) -> None:
    world.study("a", "drug", "placebo")
    for arm in ("drug", "placebo"):
        world.mean("a", arm, -30, 10, value_type="percent_change", change_sign="post_minus_pre", use="no")
    assert len(world.compare()) == 0


def test_excluded_studies_and_rows(world: World) -> None:
    trial(world)
    trial(world, "b")
    table = world.compare(exclude_studies="a")
    assert [(x.study_id, x.reason) for x in table.left_out] == [("a", "excluded by the plan")]
    table = world.compare(exclude_rows="r1")
    assert table.labels == ("B 2001",)
    assert "excluded by the plan" in table.left_out[0].reason


def test_background_treatment_is_part_of_the_question(world: World) -> None:
    trial(world)
    world.study("b", "drug", "placebo")
    for row in world.tables["arms"][-2:]:
        row["background_id"] = "cement"
    world.mean("b", "drug", 4, 2)
    world.mean("b", "placebo", 5, 2)
    assert len(world.compare()) == 2
    assert [e.study_id for e in world.compare(background=())] == ["a"]
    assert [e.study_id for e in world.compare(background="cement")] == ["b"]


def test_a_class_stands_for_its_members(world: World) -> None:
    trial(world)
    world.study("b", "other_drug", "placebo")
    world.mean("b", "other_drug", 4, 2)
    world.mean("b", "placebo", 5, 2)
    assert world.compare("medicine").y.tolist() == [-2, -1]


def test_studies_come_by_year(world: World) -> None:
    trial(world, "a", year=2010)
    trial(world, "b", year=2001)
    assert world.compare().labels == ("B 2001", "A 2010")


def test_trace_leads_from_the_effect_to_the_citation(world: World) -> None:
    world.study("a", "drug", "placebo")
    world.contrast(
        "a", "drug", "placebo", 15, 5, 25, instrument_id="vas100", printed_as="benefit_positive", p_value=0.004, p_operator="="
    )
    world.mean("a", "drug", 40, 20, instrument_id="vas100")
    world.mean("a", "placebo", 55, 20, instrument_id="vas100", use="sensitivity")
    text = world.compare(points=(0, 10)).trace("A 2001")
    for piece in (
        "A 2001, week 12: y = -1.5", "r1: 12 weeks", "estimate 15", "p = 0.004", "[paper, table 2; reading: agrees]",
        "t with 98 df",
        "sign turned", "rescaled from 0-100 to 0-10", "r2 (final, 12 weeks)", "r3 (12 weeks): kept for sensitivity",
        "source   paper: A. Author. A paper. 2001. https://example.org/paper",
    ):  # fmt: skip
        assert piece in text
    with pytest.raises(vf.InputError, match="No study 'zz' in this table; its studies are: a"):
        world.compare().trace("zz")


def test_trace_of_a_study_left_out_says_why(world: World) -> None:
    trial(world)
    trial(world, "b", design="nonrandomised")
    with pytest.raises(vf.InputError, match="B 2001 was left out: study without randomisation"):
        world.compare().trace("b")


def test_the_table_is_tidy_and_without_takes_known_studies_only(world: World) -> None:
    trial(world)
    trial(world, "b")
    table = world.compare()
    frame = table.frame
    assert frame.shape[0] == 2
    assert frame.se.to_numpy() == pytest.approx(np.sqrt(table.v))
    assert frame.rows.tolist() == ["r1, r2", "r3, r4"]
    assert table.without("a").labels == ("B 2001",)
    with pytest.raises(vf.InputError, match="No study zz"):
        table.without("zz")


def test_a_question_without_studies_gives_an_empty_table(world: World) -> None:
    trial(world)
    assert len(world.compare("cement", "brace")) == 0


def test_minimal_important_difference_goes_with_the_scale(world: World) -> None:
    trial(world)
    row = next(r for r in world.tables["instruments"] if r["instrument_id"] == "vas100")
    row |= {"mid_between": 15, "mid_between_source_id": "paper", "mid_between_locator": "p. 3"}
    question = world.compare(points=(0, 10), mid_from="vas100").question
    assert question.mid == pytest.approx(1.5)
    assert "A paper" in question.mid_source
    assert "within a patient" not in question.mid_source
    row |= {"mid_within": 20, "mid_within_source_id": "paper", "mid_within_locator": "p. 4"}
    assert world.compare(points=(0, 10), mid_from="vas100").question.mid == pytest.approx(1.5)  # that between groups goes first
    row |= {"mid_between": "", "mid_between_source_id": "", "mid_between_locator": ""}
    alone = world.compare(points=(0, 10), mid_from="vas100").question
    assert alone.mid == pytest.approx(2.0)
    assert alone.mid_source.startswith(
        "a change within a patient, as no smallest important difference between groups is known; "
    )
    with pytest.raises(vf.InputError, match="only an MD"):
        world.compare(measure="SMD", mid_from="vas100")
    with pytest.raises(vf.InputError, match="no minimal important difference"):
        world.compare(mid_from="vas10")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"experimental": "aspirin"}, "Unknown intervention 'aspirin'.*drug"),
        ({"experimental": []}, "intervention or a list"),
        ({"experimental": None}, "intervention or a list"),
        ({"control": "drug"}, "drug stands on both sides"),
        ({"outcome": "joy"}, "Unknown outcome 'joy'.*pain"),
        ({"measure": "XX"}, "measure is one of MD"),
        ({"measure": "RR"}, "pain is a continuous outcome and gives no RR; use MD or SMD"),
        ({"outcome": "fracture"}, "fracture is a binary outcome and gives no MD"),
        ({"wek": 3}, "Unknown option wek; compare takes outcome"),
        ({"design": "rct"}, "design is one of"),
        ({"prefer": "best"}, "prefer is one of"),
        ({"prefer": ()}, "prefer is empty"),
        ({"analysis_set": "ITT"}, "analysis_set is one of itt"),
        ({"unit": "patients"}, "unit is one of patient"),
        ({"time_kind": "any"}, "time_kind is one of visit"),
        ({"drop_flags": "bad"}, "drop_flags is one of"),
        ({"zero": "all"}, "zero is one of"),
        ({"n_missing": "guess"}, "n_missing is one of"),
        ({"assume_direction": "not_stated"}, "assume_direction is one of"),
        ({"background": "aspirin"}, "background names .* interventions.csv: aspirin"),
        ({"exclude_studies": "zz"}, "exclude_studies names .* studies.csv: zz"),
        ({"exclude_rows": ("r1", "zz")}, "exclude_rows names .*: zz"),
        ({"window": (4, 8)}, "target week None must lie inside"),
        ({"week": 12, "window": (4, 8)}, "target week 12 must lie inside"),
        ({"week": 12, "window": (14, 8)}, "low below high"),
        ({"week": 12, "window": (8, math.inf)}, "low below high"),
        ({"week": "12"}, "week is a number"),
        ({"week": -1}, "week is a number"),
        ({"week": math.nan}, "week is a number"),
        ({"points": (10, 0)}, "low below high"),
        ({"points": 10}, "points is a pair"),
        ({"correlation": 1.5}, "between -1 and 1"),
        ({"correlation": 0.5, "outcome": "fracture", "measure": "RR"}, "correlation serves MD and SMD"),
        ({"p_bound": "yes"}, "p_bound is True or False"),
        ({"exclude_rows": 3}, "exclude_rows is a name or a list of names"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(world: World, options: dict[str, Any], said: str) -> None:
    trial(world)
    with pytest.raises(vf.InputError, match=said):
        world.compare(**options)


@pytest.mark.parametrize("given", ["some/folder", pd.DataFrame(), None])
def test_compare_wants_trials(given: Any) -> None:
    with pytest.raises(vf.InputError, match="load_trials"):
        vf.compare(given, "drug", "placebo", outcome="pain")


def test_numbers_from_numpy_serve_as_options(world: World) -> None:
    trial(world)
    assert len(world.compare(week=np.int64(12), window=(np.float64(8), np.float64(16)))) == 1
