"""Slips of the keyboard: a figure that does not fit those beside it is named, and kept out of pools until it is explained."""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from benchmarks import slips as sweep
from scipy import stats

import vfmeta as vf
from conftest import World
from vfmeta.evidence import site
from vfmeta.trials import schema
from vfmeta.trials.slips import slips_in
from vfmeta.trials.store import Trials, assemble

MEAN, COUNT, CONTRAST = schema.FIGURE_TABLES
BUCHBINDER = "buchbinder2009-vp-sham-pain_overall-12m-adjusted_MD"


def named(world: World) -> dict[str, str]:
    """Row id to what is odd about it."""
    text = world.text()
    found = slips_in(Trials(Path(), assemble(text)), text)
    return {row: p.message for (_, row), p in found.items()}


@pytest.fixture
def trial(world: World) -> World:
    world.study("a", "drug", "placebo", "brace")
    return world


# estimate, low, high, measure, what is odd (empty where nothing is)
INTERVALS: list[tuple[Any, Any, Any, str, str]] = [
    ("0.3", "-0.9", "1.5", "MD", ""),
    ("0.3", "-0.9", "15", "MD", "not symmetric"),  # 1.2 below, 14.7 above
    ("0.3", "-9", "1.5", "MD", "not symmetric"),
    ("3.0", "-0.9", "1.5", "MD", "lies above"),  # broken outright
    ("0.6", "-0.7", "1.8", "MD", ""),  # 1.3 and 1.2: as close as one decimal goes
    ("0.5", "-0.7", "1.9", "MD", ""),  # 0.55 (-0.75 to 1.85) would be printed so
    ("0.5", "-0.6", "1.9", "MD", "not symmetric"),  # the centre is 0.6 at least
    ("0.44", "0.30", "0.64", "RR", ""),  # sqrt(0.30 * 0.64) = 0.438
    ("0.44", "0.30", "6.4", "RR", "log scale"),
    ("0.5", "0.25", "1", "OR", ""),  # a factor of 2 either way
    ("0.5", "0.1", "0.9", "OR", "log scale"),  # symmetric as printed, but not as a ratio
    ("65", "45", "78", "RRR_percent", ""),  # sqrt(0.55 * 0.22) = 0.348, a reduction of 65%
    ("65", "4.5", "78", "RRR_percent", "log scale"),
    ("23", "6", "39", "RD", ""),
    ("1.3", "0.01", "2.6", "MD", "more decimals"),
]


@pytest.mark.parametrize(("estimate", "low", "high", "measure", "odd"), INTERVALS)
def test_a_printed_interval_is_symmetric_on_its_own_scale(
    trial: World, estimate: str, low: str, high: str, measure: str, odd: str
) -> None:
    ratio = {} if measure == "MD" else {"outcome_id": "fracture", "instrument_id": "", "measure": measure}
    if measure == "RRR_percent":
        ratio["printed_as"] = "benefit_positive"
    row = trial.contrast("a", "drug", "placebo", estimate, low, high, **ratio)
    broken = " ".join(p.message for p in trial.broken())
    said = named(trial).get(row, "") + broken
    assert (odd in said) if odd else said == ""


def test_one_flag_explains_an_interval_that_leans_and_none_of_its_kind_one_many_times_longer_there(trial: World) -> None:
    leaning = trial.contrast("a", "drug", "placebo", "-1.0", "-2.0", "0.8")
    trial.flag(CONTRAST, leaning, "asymmetric_as_printed")
    far = trial.contrast("a", "drug", "brace", -1, -2, 8)
    trial.flag(CONTRAST, far, "asymmetric_as_printed")
    assert set(named(trial)) == {far}
    trial.flag(CONTRAST, far, "odd_as_printed")
    assert named(trial) == {}


# p is two-sided of estimate / (width / 2 / 1.96): 1.2 / 0.6122 = 1.96 is 0.05
@pytest.mark.parametrize(
    ("p", "operator", "odd"),
    [("0.05", "=", False), ("0.5", "=", True), ("0.005", "=", True), ("0.06", "<", False), ("0.001", "<", True),
     ("0.5", ">", True), ("0.01", ">", False)],
)  # fmt: skip
def test_a_p_value_is_that_of_its_interval(trial: World, p: str, operator: str, odd: bool) -> None:
    row = trial.contrast("a", "drug", "placebo", "-1.20", "-2.40", "0.00", p_value=p, p_operator=operator)
    assert ("p value" in named(trial).get(row, "")) == odd


def test_a_limit_lies_inside_the_width_of_its_instrument(trial: World) -> None:
    inside = trial.contrast("a", "drug", "placebo", -1, -10, 8)
    beyond = trial.contrast("a", "drug", "brace", -1, -11, 9)
    assert "whole width" in named(trial)[beyond]
    assert inside not in named(trial)


def three_trials(world: World) -> None:
    for study, sd in (("b", 1.8), ("c", 2.0), ("d", 2.4)):
        world.study(study, "drug", "placebo")
        world.mean(study, "drug", 4, sd)


# the usual SD is 2: three times is odd no sooner than sqrt(10), and 0.5 of 16 patients is the SE of an SD of 2
@pytest.mark.parametrize(
    ("sd", "odd"), [(2.0, ""), (4.5, ""), (0.7, ""), (0.2, "does not fit"), (0.5, "standard error of 16 patients")]
)
def test_an_sd_fits_those_of_other_trials(trial: World, sd: float, odd: str) -> None:
    three_trials(trial)
    row = trial.mean("a", "drug", 5, sd, n=16)
    assert (odd in named(trial)[row]) if odd else row not in named(trial)


def test_an_sd_that_is_flagged_may_be_some_times_too_small_but_not_by_any_factor(trial: World) -> None:
    three_trials(trial)
    row = trial.mean("a", "drug", 5, 0.5, n=16)
    trial.flag(MEAN, row, "sd_probably_se")
    assert named(trial) == {}
    trial.set(row, sd=0.05)
    assert row in named(trial)


def test_an_sd_fits_its_own_trial_where_no_three_others_print_one(trial: World) -> None:
    rows = [trial.mean("a", arm, 5, sd) for arm, sd in (("drug", 0.2), ("placebo", 2.0), ("brace", 2.2))]
    assert set(named(trial)) == {rows[0]}


def test_finals_of_two_arms_are_of_one_size(trial: World) -> None:
    one, two = trial.mean("a", "drug", 0.42, 2), trial.mean("a", "placebo", 5.1, 2)
    assert set(named(trial)) == {one, two}
    trial.set(one, mean=4.2)
    assert named(trial) == {}


def test_changes_may_have_any_ratio_but_do_not_lie_far_apart(trial: World) -> None:
    change = {"value_type": "change", "change_sign": "post_minus_pre"}
    trial.mean("a", "drug", -2.0, 2, **change)
    other = trial.mean("a", "placebo", 0.1, 2, **change)
    assert named(trial) == {}
    trial.set(other, mean=2.0)
    assert other in named(trial)


def test_a_change_is_the_final_less_the_baseline(trial: World) -> None:
    trial.mean("a", "drug", 7, 2, week=0, use="no")
    trial.mean("a", "drug", 4, 2)
    change = trial.mean("a", "drug", -3.1, 2, value_type="change", change_sign="post_minus_pre", use="no")
    assert named(trial) == {}
    trial.set(change, mean=-0.31)
    assert "less the baseline" in named(trial)[change]


CHANGE = {"value_type": "change", "change_sign": "post_minus_pre"}


def test_changes_without_an_sd_are_held_against_that_of_the_instrument(trial: World) -> None:
    three_trials(trial)  # an SD of 2: changes lie no more than 3.5 apart
    trial.mean("a", "drug", -2, "", **CHANGE)
    other = trial.mean("a", "placebo", 1, "", **CHANGE)
    assert named(trial) == {}
    trial.set(other, mean=2)
    assert "in the other arm" in named(trial)[other]


def test_a_flag_explains_changes_some_times_too_far_apart_but_not_by_any_factor(trial: World) -> None:
    rows = [trial.mean("a", arm, mean, 1, **CHANGE) for arm, mean in (("drug", -3), ("placebo", 3))]
    assert set(named(trial)) == set(rows)
    for row in rows:
        trial.flag(MEAN, row, "implausible_spread")
    assert named(trial) == {}
    trial.set(rows[0], mean=-30)
    assert rows[0] in named(trial)


@pytest.mark.parametrize(
    ("mean", "other", "sd", "odd"),
    [("0.31", "3.2", "2.1", True), ("-0.4", "-3", "2", True), ("0.31", "3.20", "2.1", False), ("0.31", "3.2", "2.10", False),
     ("3.1", "4", "2", False),  # not small beside the others
     ("-0.4", "-2", "", False)],  # a single figure may have lost a zero
)  # fmt: skip
def test_a_small_mean_has_no_more_decimals_than_all_figures_beside_it(
    trial: World, mean: str, other: str, sd: str, odd: bool
) -> None:
    row = trial.mean("a", "drug", mean, "", **CHANGE)
    trial.mean("a", "placebo", other, sd, **CHANGE)
    assert ("more decimals" in named(trial).get(row, "")) == odd


def test_a_mean_lies_no_thirty_sds_from_zero(trial: World) -> None:
    row = trial.mean("a", "drug", 6, 0.2, instrument_id="vas100")
    assert named(trial) == {}
    trial.set(row, mean=60)
    assert "300 times its SD" in named(trial)[row]
    trial.set(row, mean=7)
    assert "35 times its SD" in named(trial)[row]
    trial.flag(MEAN, row, "sd_probably_se")
    assert named(trial) == {}


def test_means_of_the_visits_of_an_arm_are_of_one_size_after_its_start(trial: World) -> None:
    trial.mean("a", "drug", 8, 2, week=0, use="no")  # treatment may bring much
    rows = [trial.mean("a", "drug", mean, 2, week=week) for week, mean in ((4, 2.0), (26, 1.5), (52, 1.2))]
    assert named(trial) == {}
    trial.set(rows[2], mean=0.4)  # 1.5 / 0.4 is above sqrt(10)
    assert set(named(trial)) == {rows[2]}


@pytest.mark.parametrize(
    ("mean", "sign", "odd"),
    [(-38, "post_minus_pre", False), (-380, "post_minus_pre", True), (380, "post_minus_pre", False),
     (41, "improvement_positive", False), (410, "improvement_positive", True)],
)  # fmt: skip
def test_pain_does_not_fall_by_more_than_all_there_was(trial: World, mean: float, sign: str, odd: bool) -> None:
    row = trial.mean("a", "drug", mean, "", value_type="percent_change", change_sign=sign, instrument_id="vas100")
    assert ("more than all there was" in named(trial).get(row, "")) == odd


def test_patients_behind_a_figure_are_most_of_those_randomised(trial: World) -> None:
    row = trial.mean("a", "drug", 4, 2, n=16)  # of 50: 50 / 16 is below sqrt(10)
    assert named(trial) == {}
    trial.set(row, n=15)
    assert "50 were randomised" in named(trial)[row]


def test_counts_of_two_arms_are_of_one_size_unless_a_second_figure_says_the_same(trial: World) -> None:
    one, two = trial.events("a", "drug", 2, 50), trial.events("a", "placebo", 20, 50)
    assert set(named(trial)) == {one, two}
    trial.set(one, percent=4)
    trial.set(two, percent=40)
    assert named(trial) == {}
    trial.set(one, percent="")
    trial.set(two, percent="")
    trial.contrast("a", "drug", "placebo", 0.1, outcome_id="fracture", instrument_id="", measure="RR", se=0.7)
    assert named(trial) == {}


def test_few_events_may_differ_by_chance(trial: World) -> None:
    trial.events("a", "drug", 1, 50)
    trial.events("a", "placebo", 5, 50)
    assert named(trial) == {}


def test_a_percentage_is_that_of_its_counts_to_its_last_place(trial: World) -> None:
    trial.events("a", "drug", 2, 40, percent="5.0")
    row = trial.events("a", "placebo", 2, 41, percent="5.0")  # 4.88
    assert [p.column for p in trial.broken()] == ["percent"]
    trial.set(row, percent="4.8")  # cut, not rounded
    assert trial.broken() == []


def test_a_ratio_is_that_of_its_counts(trial: World) -> None:
    trial.events("a", "drug", 5, 50, percent=10)
    count = trial.events("a", "placebo", 10, 50, percent=20)
    ratio = trial.contrast("a", "drug", "placebo", 0.5, 0.25, 1, outcome_id="fracture", instrument_id="", measure="RR")
    assert named(trial) == {}
    trial.set(count, events=1, percent=2)
    assert "not that of the counts" in named(trial)[ratio]
    trial.flag(CONTRAST, ratio, "disagreement")
    assert ratio not in named(trial)


def test_a_difference_is_that_of_the_means(trial: World) -> None:
    trial.mean("a", "drug", 3, 2)
    trial.mean("a", "placebo", 4, 2)
    row = trial.contrast("a", "drug", "placebo", -1, -2, 0)
    assert named(trial) == {}
    trial.set(row, estimate=-3, ci_low=-4, ci_high=-2)
    assert "not that of the means" in named(trial)[row]


def test_the_width_of_an_interval_is_that_of_sds_and_patients(trial: World) -> None:
    """SD 2 in 50 and 50 patients: a standard error of 0.4, an interval of 0.78 either way."""
    trial.mean("a", "drug", 3, 2)
    trial.mean("a", "placebo", 4, 2)
    row = trial.contrast("a", "drug", "placebo", "-1.00", "-1.78", "-0.22")
    assert named(trial) == {}
    trial.set(row, ci_low="-1.08", ci_high="-0.92")
    assert "about 0.4" in named(trial)[row]


def test_the_control_arm_of_a_contrast_has_the_control_role(trial: World) -> None:
    row = trial.contrast("a", "drug", "placebo", -1, -2, 0)
    assert named(trial) == {}  # no role is stated anywhere
    arms = {a["arm_id"]: a for a in trial.tables["arms"]}
    arms["brace"]["role"] = "control"
    assert "control role" in named(trial)[row]
    arms["placebo"]["role"] = "control"
    assert named(trial) == {}


# intervals that lean to one side as printed


@pytest.mark.parametrize(
    ("printed_as", "limits"), [("experimental_minus_control", (-7.86, 9.27)), ("control_minus_experimental", (-9.27, 7.86))]
)
def test_a_trial_alone_keeps_its_printed_interval(trial: World, printed_as: str, limits: tuple[float, float]) -> None:
    trial.contrast("a", "drug", "placebo", 2.41, -7.86, 9.27, instrument_id="vas100", printed_as=printed_as)
    table = trial.compare()
    assert table.frame[["ci_low", "ci_high", "level"]].to_numpy()[0].tolist() == pytest.approx([*limits, 0.95])
    assert any("stays as printed" in step for step in table.effects[0].steps)
    fit = vf.random_effects(table)
    assert fit.interval == pytest.approx(limits)
    assert fit.se == pytest.approx((9.27 + 7.86) / 2 / stats.t.ppf(0.975, 98))  # 50 and 50 patients
    assert "as printed" in fit.warnings[-1]
    assert fit.studies[["ci_low", "ci_high"]].to_numpy()[0].tolist() == pytest.approx(limits)
    again = vf.read_result(fit.to_json())
    assert again.interval == fit.interval


def test_a_trial_alone_keeps_a_symmetric_interval_to_the_last_digit_printed() -> None:
    """VERTOS IV at 6 months: the abstract prints 0.39 (-0.37 to 1.15), sham minus vertebroplasty."""
    table = vf.compare(
        vf.load_trials(), "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", measure="MD", points=(0, 10),
        week=26, window=(20.01, 39),
    )  # fmt: skip
    assert table.labels == ("Firanescu 2018",)
    fit = vf.random_effects(table)
    assert (fit.estimate, *fit.interval) == pytest.approx((-0.39, -1.15, 0.37), abs=1e-12)


def test_a_printed_interval_is_converted_to_the_level_that_is_asked_and_rescaled_with_its_effect(trial: World) -> None:
    trial.contrast("a", "drug", "placebo", -10, -40, 10, instrument_id="vas100", ci_level=90)
    fit = vf.random_effects(trial.compare(points=(0, 10)))
    ratio = stats.norm.ppf(0.975) / stats.norm.ppf(0.95)
    assert fit.interval == pytest.approx((-1 - 3 * ratio, -1 + 2 * ratio))
    assert "printed 90% interval, each side converted to 95%" in fit.warnings[-1]
    asked = vf.random_effects(trial.compare(points=(0, 10)), level=0.9)
    assert asked.interval == pytest.approx((-4, 1))


def test_a_ratio_keeps_its_printed_interval_and_a_pool_uses_the_width(trial: World) -> None:
    """0.41 (0.17 to 0.93): the lower side is the longer one on the log scale."""
    own = {"outcome_id": "fracture", "instrument_id": "", "measure": "RR"}
    trial.contrast("a", "drug", "placebo", 0.41, 0.17, 0.93, **own)
    fit = vf.random_effects(trial.compare(outcome="fracture", measure="RR"))
    assert [math.exp(x) for x in fit.interval] == pytest.approx([0.17, 0.93])
    trial.study("b", "drug", "placebo")
    trial.contrast("b", "drug", "placebo", 0.5, 0.25, 1, **own)
    table = trial.compare(outcome="fracture", measure="RR")
    z = stats.norm.ppf(0.975)
    widths = [math.log(0.93 / 0.17) / 2 / z, math.log(4) / 2 / z]
    plain = vf.random_effects(y=[math.log(0.41), math.log(0.5)], se=widths, test="Wald")
    assert vf.random_effects(table, test="Wald").interval == pytest.approx(plain.interval)
    printed = table.frame[["ci_low", "ci_high"]].map(math.exp).to_numpy().ravel().tolist()
    assert printed == pytest.approx([0.17, 0.93, 0.25, 1])


def test_an_interval_that_is_symmetric_but_for_rounding_is_shown_as_printed(trial: World) -> None:
    """23 (6 to 39): 17 below and 16 above is as close as whole numbers go; a pool takes half the width."""
    own = {"outcome_id": "fracture", "instrument_id": "", "measure": "RD"}
    trial.contrast("a", "drug", "placebo", 23, 6, 39, **own)
    fit = vf.random_effects(trial.compare(outcome="fracture", measure="RD"))
    assert fit.interval == pytest.approx((0.06, 0.39))
    assert fit.se == pytest.approx(0.165 / stats.norm.ppf(0.975))


# the packaged tables


def retyped(folder: Path, table: str, row_id: str, column: str, typed: str) -> Path:
    path = folder / f"{table}.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))
    row = next(r for r in rows if r[0] == row_id)
    row[rows[0].index(column)] = typed
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(schema.packaged_folder(), tmp_path / "trials"))


def one_year(trials: vf.Trials) -> vf.EffectTable:
    return vf.compare(trials, "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", week=52, window=(40, 60),
                      measure="MD", points=(0, 10))  # fmt: skip


def test_a_slipped_decimal_leaves_the_pool_until_it_is_explained(copy: Path, packaged: vf.Trials) -> None:
    retyped(copy, CONTRAST, BUCHBINDER, "ci_high", "15")
    assert [(p.column, p.value) for p in vf.validate(copy)] == [("ci_high", "15")]
    right = one_year(packaged)
    table = one_year(vf.load_trials(copy))
    at = right.labels.index("Buchbinder 2009")
    assert BUCHBINDER in right.effects[at].rows
    assert all(BUCHBINDER not in e.rows for e in table)
    said = " ".join([*(w for e in table for w in e.unused), *(x.reason for x in table.left_out)])
    assert BUCHBINDER in said
    assert "not symmetric" in said
    page = site.overview_page([], [], vf.load_trials(copy), [], {})
    assert "1 figure of the trial tables may hold a slip" in page
    assert "Buchbinder 2009" in page
    assert "may hold a slip" not in site.overview_page([], [], packaged, [], {})
    others = [e for e in right if e.study_id != "buchbinder2009"]
    assert [(e.y, e.v) for e in table if e.study_id != "buchbinder2009"] == [(e.y, e.v) for e in others]
    # a true but odd figure can be entered: one flag lets it in, with half its width
    with (copy / "row_flags.csv").open("a", encoding="utf-8") as handle:
        handle.write(f"contrasts,{BUCHBINDER},odd_as_printed\n")
    assert vf.validate(copy) == []
    explained = one_year(vf.load_trials(copy))
    assert math.sqrt(explained.v[at]) == pytest.approx((15 + 0.9) / (1.5 + 0.9) * math.sqrt(right.v[at]))


def _missed(every: int) -> list[str]:
    whole = sweep.Sweep()
    assert whole.named() == set()  # nothing is named as the tables stand
    ids = {(t, r) for n, (t, r) in enumerate(sorted(whole.book.at)) if n % every == 0}
    tried = sweep.shares(whole, lambda c: (c.row.table, c.row.row_id) in ids)
    assert len(tried) > 100
    return [*sweep.misses(tried[tried.used]), *sweep.misses(tried)]


def test_most_slips_are_caught_in_a_sample() -> None:
    assert _missed(every=4) == []


@pytest.mark.slow
def test_most_slips_are_caught_in_every_figure() -> None:
    assert _missed(every=1) == []
