"""What happens without treatment: means, shares and risks worked by hand, and the page that shows them."""

from __future__ import annotations

import html
import math
import re
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import vfmeta as vf
from conftest import READ, World
from vfmeta.core.question import Question
from vfmeta.evidence.records import Record
from vfmeta.evidence.untreated import page, pools
from vfmeta.evidence.untreated.arms import untreated_arms
from vfmeta.evidence.untreated.baseline import baseline_risk
from vfmeta.evidence.untreated.course import course
from vfmeta.evidence.untreated.shares import still_in_pain
from vfmeta.text.context import figure_text, points_text, share_text

pytest_plugins = ("evidence_builds",)


@pytest.fixture
def trial(world: World) -> World:
    """Two trials of a drug against placebo; their placebo arms are controls. Pain is pain_overall."""
    world.add("outcomes", outcome_id="pain_overall", name="pain", domain="pain", kind="continuous", higher_is_worse="true")
    world.add("outcomes", outcome_id="pain_4_or_more", name="pain", domain="pain", kind="binary", higher_is_worse="true")
    world.add("outcomes", outcome_id="pain_below_4", name="pain", domain="pain", kind="binary", higher_is_worse="false")
    for study in ("a", "b"):
        world.study(study, "drug", "placebo")
    controls(world)
    return world


def controls(world: World) -> None:
    for arm in world.tables["arms"]:
        if arm["intervention_id"] == "placebo":
            arm["role"] = "control"


def pain(world: World, study: str, arm: str, mean: Any, sd: Any, n: Any, week: Any, **cells: Any) -> str:
    return world.mean(study, arm, mean, sd, n, week, outcome_id="pain_overall", **cells)


def visits(world: World) -> dict[str, Any]:
    return {v.name: v for v in course(world.load()).visits}


# the course of pain


def test_a_mean_of_one_arm_is_shown_on_0_to_10_with_its_own_interval(trial: World) -> None:
    pain(trial, "a", "placebo", 60, 20, 25, 0, instrument_id="vas100")
    (visit,) = visits(trial).values()
    (arm,) = visit.arms
    assert (arm.mean, arm.sd, arm.n, arm.twice) == (6, 2, 25, True)
    estimate, interval = visit.pooled.shown
    assert estimate == 6
    half = stats.t.ppf(0.975, 24) * 2 / 5  # 25 people
    assert interval == pytest.approx((6 - half, 6 + half))
    assert visit.pooled.posterior is None  # one arm: nothing to pool


def test_a_change_is_taken_from_the_start_and_its_spread_from_arms_that_print_one(trial: World) -> None:
    pain(trial, "a", "placebo", 7, 2, 25, 0)
    pain(trial, "a", "placebo", 3, 1, 25, 52, value_type="change", change_sign="improvement_positive")
    pain(trial, "b", "placebo", 6, 3, 10, 0)
    pain(trial, "b", "placebo", -1, 1, 10, 52, value_type="change", change_sign="post_minus_pre")
    pain(trial, "b", "drug", 2, 1, 11, 12)  # SDs of scores after the start: 1 on 10 and 2 on 30 degrees of freedom
    pain(trial, "a", "drug", 2, 2, 31, 12)
    year = visits(trial)["1 year"]
    assert [a.mean for a in year.arms] == [4, 5]
    usual = math.sqrt((10 * 1**2 + 30 * 2**2) / 40)
    assert [a.sd for a in year.arms] == pytest.approx([usual, usual])
    assert all("its standard deviation is that of the other arms" in a.steps for a in year.arms)
    assert visits(trial)["start"].arms[0].sd == 2


def test_what_was_read_once_is_marked_and_stands_in_no_leading_pool(trial: World) -> None:
    once = {"reading": "single", "reading_source_id": "", "use": "no"}
    pain(trial, "a", "placebo", 7, 2, 25, 0)
    pain(trial, "b", "placebo", 6, 2, 25, 0, **once)
    visit = visits(trial)["start"]
    assert [a.twice for a in visit.arms] == [True, False]
    assert visit.pooled.k == 2
    assert visit.twice.k == 1
    assert visit.twice.shown[0] == 7


@pytest.mark.parametrize(
    ("study", "arm", "why"),
    [
        ({"phase": "chronic"}, {}, "older fractures"),
        ({}, {"instrument_id": "endless"}, "the ends of its scale are not printed"),
    ],
)
def test_an_arm_that_is_left_out_says_why(trial: World, study: dict[str, str], arm: dict[str, str], why: str) -> None:
    pain(trial, "a", "placebo", 7, 2, 25, 0, **arm)
    trial.tables["studies"][0].update(study)
    seen = course(trial.load())
    assert seen.visits == ()
    assert seen.left_out == (("a", "placebo", why),)


def test_an_arm_beside_a_treatment_that_all_were_given_is_not_untreated(trial: World) -> None:
    trial.study("c", "drug", "placebo", design="nonrandomised")
    controls(trial)
    trial.tables["arms"][1]["background_id"] = "cement"
    assert [(a.study, a.arm) for a in untreated_arms(trial.load())] == [("b", "placebo")]


def test_a_figure_that_looks_like_a_slip_is_no_part_of_the_course(trial: World) -> None:
    row = pain(trial, "a", "placebo", 7, 2, 25, 0)
    trials = trial.load()
    trials.slips["outcomes_continuous", row] = "odd"
    assert course(trials).visits == ()


# pools of one group


def test_the_pool_of_shares_is_the_median_of_its_posterior() -> None:
    """Mu given tau is normal under a flat prior; tau ~ half-normal(1) on the log odds, integrated on a fine grid."""
    events, total = np.array([38.0, 58.0, 20.0]), np.array([95.0, 166.0, 40.0])
    y, v = np.log(events / (total - events)), 1 / events + 1 / (total - events)
    tau = np.linspace(0, 6, 20001)
    w = 1 / (v + tau[:, None] ** 2)
    mean = (w * y).sum(axis=1) / w.sum(axis=1)
    log_like = 0.5 * np.log(w).sum(axis=1) - 0.5 * np.log(w.sum(axis=1)) - 0.5 * (w * (y - mean[:, None]) ** 2).sum(axis=1)
    weight = np.exp(log_like) * np.exp(-(tau**2) / 2)
    estimate, (low, high) = pools.shares(["A", "B", "C"], events, total, "in pain").shown
    for share, below in ((estimate, 0.5), (low, 0.025), (high, 0.975)):
        at = stats.norm.cdf((math.log(share / (1 - share)) - mean) * np.sqrt(w.sum(axis=1)))
        assert integrate.simpson(weight * at, x=tau) / integrate.simpson(weight, x=tau) == pytest.approx(below, abs=1e-6)


def test_no_event_in_one_group_is_corrected_by_a_half() -> None:
    estimate, _ = pools.shares(["A"], [0], [95], "dead").shown
    assert estimate == pytest.approx(0.5 / 96)


# how many are still in pain


def test_those_who_are_better_are_turned_into_those_who_are_not(trial: World) -> None:
    trial.events("a", "placebo", 12, 40, week=52, outcome_id="pain_4_or_more")
    trial.events("b", "placebo", 30, 50, week=52, outcome_id="pain_below_4")
    trial.events("b", "drug", 50, 50, week=52, outcome_id="pain_below_4")
    (found,) = still_in_pain(trial.load())
    assert found.time == "1 year or later"
    assert [(g.label, g.events, g.total) for g in found.groups] == [("A 2001", 12, 40), ("B 2001", 20, 50)]
    assert found.pooled is not None
    assert found.pooled.people == 90


def test_a_percentage_alone_is_shown_and_not_pooled(trial: World) -> None:
    trial.events("a", "placebo", 12, 40, week=4, outcome_id="pain_4_or_more")
    trial.events("b", "placebo", "", "", week=4, outcome_id="pain_below_4", percent=21, use="no")
    (found,) = still_in_pain(trial.load())
    assert [g.percent for g in found.groups] == [None, 79]
    assert found.pooled is None


def test_a_cohort_of_the_context_stands_beside_the_arms(trial: World) -> None:
    trial.events("a", "placebo", 12, 40, week=52, outcome_id="pain_4_or_more")
    cells = {"topic": "how_long", "population": "women", "definition": "pain", "kind": "proportion", **READ}
    when = {"time_value": 48, "time_unit": "week"}
    trial.add("context", row_id="x", quantity="moderate_pain_about_1_year", events=30, total=60, **when, **cells)
    (found,) = still_in_pain(trial.load())
    assert [(g.label, g.link) for g in found.groups] == [("A 2001", "studies.html#a"), ("women", "#x")]


# risks


def record(*studies: dict[str, Any]) -> Record:
    question = Question(measure="RR", outcome="fracture", higher_is_worse=True)
    return Record(
        {"studies": list(studies), "plan": {"control": ["placebo"]}, "analysis": {"outcome": "fracture"},
         "question": question.to_dict()}
    )  # fmt: skip


def entered(study: str, events: Any, n: Any, week: Any = 52.0) -> dict[str, Any]:
    return {"study_id": study, "label": study.upper(), "events_control": events, "n_control": n, "week": week}


def test_the_risk_is_that_of_the_control_arms_behind_the_result(trial: World) -> None:
    risk = baseline_risk(record(entered("a", 10, 40)), trial.load())
    assert risk is not None
    share, (low, high) = risk.pool.shown
    assert share == pytest.approx(0.25)
    # the mid-P interval of 10 of 40: half of what was seen counts as more extreme
    assert stats.binom.sf(10, 40, low) + stats.binom.pmf(10, 40, low) / 2 == pytest.approx(0.025)
    assert stats.binom.cdf(9, 40, high) + stats.binom.pmf(10, 40, high) / 2 == pytest.approx(0.025)


def test_a_trial_that_enters_by_its_ratio_brings_the_counts_of_its_control_arm(trial: World) -> None:
    trial.events("a", "placebo", 8, 50, week=26)  # another follow-up
    trial.events("a", "placebo", 10, 40, week=51)
    trial.events("a", "drug", 1, 40, week=52)
    trial.events("b", "placebo", "", "", week=52, percent=20, use="sensitivity")
    trials = trial.load()
    risk = baseline_risk(record(entered("a", None, 40), entered("b", None, None), entered("c", None, None)), trials)
    assert risk is not None
    assert risk.rebuilt == ("B",)  # 20% of the 50 randomised
    assert risk.missing == ("C",)
    assert risk.pool.people == 90
    assert 0.2 < risk.pool.shown[0] < 0.25
    assert baseline_risk(record(entered("c", None, None)), trials) is None


def test_a_share_of_a_split_arm_is_not_taken_for_an_arm(trial: World) -> None:
    assert baseline_risk(record(entered("a", 5.5, 20)), trial.load()) is None


# words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "proportion", "events": 38, "total": 82}, "38 of 82 (46%)"),
        ({"kind": "proportion", "events": 64, "total": 216, "percent": 29.6}, "64 of 216 (29.6%)"),
        ({"kind": "proportion", "percent": 25.3, "limits": (22.3, 28.2), "level": 95}, "25.3% (95% CI 22.3 to 28.2)"),
        ({"kind": "rate", "estimate": 5.3, "unit": "per 1,000 person-years"}, "5.3 per 1,000 person-years"),
        ({"kind": "mean", "estimate": 70.9, "sd": 19.3, "unit": "points"}, "70.9 points (SD 19.3)"),
        ({"kind": "ratio", "estimate": 4.48, "limits": (2.02, 9.94), "unit": "odds ratio"}, "4.48 (95% CI 2.02 to 9.94)"),
    ],
)
def test_a_figure_is_said_as_it_is_printed(given: dict[str, Any], said: str) -> None:
    assert figure_text(**given) == said


def test_a_share_near_an_end_keeps_a_decimal_and_a_mean_stays_on_its_scale() -> None:
    assert share_text(0.372, (0.181, 0.627)) == "37% (18 to 63)"
    assert share_text(0.005, (0.0003, 0.08)) == "0.5% (0.0 to 8.0)"
    assert points_text(9.4, (8.2, 10.6)) == "9.4 (8.2 to 10.0)"


# the page


def test_every_number_of_the_chapter_leads_to_its_row_and_source(real_build: Any, packaged: vf.Trials) -> None:
    body = html.unescape(real_build.page("context"))
    parts = page.chapter(packaged)
    assert [p["title"] for p in parts] == list(page.TOPICS.values())
    for sentence in (s for part in parts for s in part["sentences"]):
        assert f'{sentence["before"]}<a href="#{sentence["row"]}">{sentence["figure"]}</a>{sentence["after"]}' in body
    for row in packaged.context.row_id:
        assert body.count(f'id="{row}"') == 1
    for source in packaged.context.source_id:
        assert packaged.source(source)["citation"] in body


def test_the_page_shows_course_shares_risks_and_cross_over(real_build: Any, packaged: vf.Trials) -> None:
    body = html.unescape(real_build.page("context"))
    for visit in course(packaged).visits:
        assert f'<th scope="row">{visit.name}</th>' in body
        for arm in visit.arms:
            link = f'<a href="studies.html#{arm.study}">{packaged.labels[arm.study]}</a>'
            assert f"{link}{'' if arm.twice else ' †'}: {arm.mean:.1f}" in body
    assert "38 of 95 (40%)" in body
    for study, said in zip(packaged.studies.study_id, packaged.studies.crossover, strict=True):
        assert not said or said in body, study
    risks = [(r, baseline_risk(r, packaged)) for r in real_build.records.values() if r.k and r.question.facts.kind == "events"]
    shown = [(r, x) for r, x in risks if x and r.plan in ("teriparatide_placebo", "denosumab_placebo")]
    assert len(shown) > 3
    for r, x in shown:
        row = re.search(
            rf'<th scope="row">{re.escape(r.title)}</th><td[^>]*>placebo, in trials of <a href="[^"]*#{r.plan}">.*?</tr>', body
        )
        assert row is not None
        assert share_text(*x.pool.shown) in row[0]


def test_the_course_is_drawn_with_its_numbers_in_words(real_build: Any, packaged: vf.Trials) -> None:
    body = html.unescape(real_build.page("context"))
    (alt,) = re.findall(r'<svg class="drawn"[^>]*><desc>(.*?)</desc>', body)
    for visit in course(packaged).visits:
        assert f"{visit.name[:1].upper()}{visit.name[1:]}: " in alt
    start = next(v for v in course(packaged).visits if v.name == "start")
    assert f"pooled {points_text(*start.pooled.shown)}; " in alt
    assert all(f"{packaged.labels[a.study]} {a.mean:.1f}" in alt for a in start.arms)
    svg = (real_build.site / "figures" / "untreated_course.svg").read_text(encoding="utf-8")
    assert 'id="course"' in svg
    assert "Weeks since the start" in svg


def test_tables_without_any_of_it_say_so(toy_build: Any) -> None:
    body = toy_build.page("context")
    for said in (
        "No untreated arm of the tables prints a mean of pain",
        "No trial of the tables says how many crossed over.",
        "The tables hold no figures on the disease itself.",
    ):
        assert said in body
    assert "<img" not in body
    assert 'href="context.html"' in toy_build.page("index")
