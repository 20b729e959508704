"""The box under an answer: its order, its sums, whose sign a figure has, and what is said where nothing can be pooled."""

from __future__ import annotations

import html
import math
import re
from functools import cache
from typing import Any

import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.evidence.box import answer_box, leader, reason_of, turned
from vfmeta.evidence.plan import Plan, load_plans
from vfmeta.evidence.records import Record
from vfmeta.text.box import of_100_text, points_text, settles_text, treated_risk

pytest_plugins = ("evidence_builds",)

ORDER = [
    "For a patient", "Trials and people", "Certainty", "What is missing", "Figures that are not settled",
    "What trials print without a usable figure", "What other reviews found", "What would settle it",
]  # fmt: skip
PAIN = vf.Question(
    measure="MD", experimental="cement", control="sham", outcome="pain", higher_is_worse=True, points=(0, 10), mid=1.5
)


@cache
def boxes(built: Any, trials: vf.Trials) -> list[tuple[Plan, list[Record], dict[str, list[str]]]]:
    """Plan, records and box of every question."""
    out, records = [], built.records
    for plan in load_plans(built.plans):
        own = [r for r in records.values() if r.plan == plan.id]
        out.append((plan, own, dict(answer_box(own, plan, trials))))
    return out


# sums and words


@pytest.mark.parametrize(
    ("measure", "base", "effect", "risk"),
    [
        ("RR", 0.20, 0.5, 0.10),
        ("RR", 0.60, 2.0, 1.0),  # nobody has it twice
        ("OR", 0.20, 0.5, 1 / 9),  # odds of 1 to 4 become 1 to 8
        ("OR", 0.20, math.inf, 1.0),
        ("RD", 0.20, -0.05, 0.15),
        ("RD", 0.02, -0.05, 0.0),
    ],
)
def test_the_risk_that_an_effect_makes_of_a_risk(measure: str, base: float, effect: float, risk: float) -> None:
    assert treated_risk(measure, base, effect) == pytest.approx(risk)


def test_people_of_100_keep_a_decimal_where_few_have_the_event() -> None:
    q = vf.Question(measure="RR", experimental="drug", control="placebo", outcome="fracture", higher_is_worse=True)
    assert of_100_text(q, 0.20, (0.10, 0.04, 0.25)) == (
        "Fracture: 20 of 100 people with placebo, 10 (4 to 25) of 100 with drug."
    )
    assert "1.2 of 100 people with placebo, fewer than 0.1 (0 to 0.6) of 100" in of_100_text(q, 0.012, (0.0002, 0, 0.006))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-1.4, -0.1, "(95% interval 0.1 to 1.4 lower)"),
        (-1.4, 0.3, "(95% interval 1.4 lower to 0.3 higher)"),
        (0.2, 0.9, "(95% interval 0.2 to 0.9 higher)"),
    ],
)
def test_a_difference_in_points_says_which_way(low: float, high: float, said: str) -> None:
    assert said in points_text(PAIN, (low + high) / 2, (low, high), (0, 10))
    assert points_text(PAIN, -0.3, (-0.5, -0.1), (0, 10), 2.0).startswith("Pain: 0.6 points lower with cement than with sham")


@pytest.mark.parametrize(
    ("printed_as", "worse", "measure", "ours"),
    [
        ("experimental_minus_control", True, "MD", (-2.0, -3.0, -1.0)),
        ("control_minus_experimental", True, "MD", (2.0, 1.0, 3.0)),
        ("benefit_positive", True, "SMD", (2.0, 1.0, 3.0)),
        ("benefit_positive", False, "SMD", (-2.0, -3.0, -1.0)),
        ("benefit_positive", None, "SMD", None),
        ("not_stated", True, "MD", None),
    ],
)
def test_the_sign_of_other_reviews_is_turned_to_ours(
    printed_as: str, worse: bool | None, measure: str, ours: tuple[float, float, float] | None
) -> None:
    assert turned(measure, printed_as, worse, (-2.0, -3.0, -1.0)) == ours


def test_a_ratio_the_other_way_round_is_turned_over() -> None:
    assert turned("OR", "control_minus_experimental", True, (2.0, 1.25, 4.0)) == pytest.approx((0.5, 0.25, 0.8))
    assert turned("RR", "benefit_positive", True, (2.0, 1.25, 4.0)) is None  # nobody knows what that would be


def test_what_would_settle_it_follows_the_state() -> None:
    assert settles_text(None, 0, "", "two trials with 60 people").startswith(
        "The figures of two trials with 60 people left out"
    )
    assert settles_text(None, 0, "", "").startswith("A randomised trial that prints mean")
    assert "lies within 1.5 points of it" in settles_text("unclear", 3, "1.5 points", "")
    assert "how small a difference still matters is not known" in settles_text("unclear", 3, "", "")
    assert "about 250 in all" in settles_text("unclear", 1, "1.5 points", "", needed=250)
    assert settles_text("side", 1, "", "").startswith("A second trial")
    assert "one side of 1.5 points" in settles_text("side", 4, "1.5 points", "", possibly_more=True)
    assert "a next trial" in settles_text("side", 4, "1.5 points", "", next_differs=True)
    assert settles_text("little", 4, "1.5 points", "").startswith("By its interval this is settled")


def test_reasons_lose_the_names_of_rows_and_nothing_else() -> None:
    left = {"study_id": "direct2014", "reason": "direct2014-placebo-ae-24m, direct2014-placebo-ae (final, 24 months): no arm"}
    assert reason_of(left) == "final, 24 months: no arm"
    assert reason_of({"study_id": "a", "reason": "prints no figure (direct)"}) == "prints no figure (direct)"


# the made-up world: every number by hand


def test_the_box_of_the_made_up_drug(toy_build: Any) -> None:
    trials = vf.load_trials(toy_build.trials)
    (box,) = [box for plan, _, box in boxes(toy_build, trials) if plan.id == "drug"]
    assert list(box) == [name for name in ORDER if name in box]
    record = toy_build.records["drug/fracture"]
    control = 100 * (20 + 24) / (100 + 120)  # two arms with the same share: whatever the pool, its mean is that share
    with_it = control * math.exp(record.posterior.estimate)
    assert f"{control:.0f} of 100 people with placebo, {with_it:.0f} (" in box["For a patient"][0]
    assert "220 people in the control arms of Foster 2010 and Grant 2011" in box["For a patient"][1]
    assert box["Trials and people"] == ["Two trials, 400 people."]
    assert box["Certainty"][0].startswith("At most ")
    assert "risk of bias not judged in 2 of 2 trials" in box["Certainty"][0]
    assert box["What is missing"][0].startswith("One trial of 3 on this comparison gives no usable figure")
    assert "Hale 2012" in box["What is missing"][0]
    assert "What other reviews found" not in box


# the review


def test_every_question_has_its_box_in_order_and_no_heading_is_empty(real_build: Any, packaged: vf.Trials) -> None:
    for plan, own, box in boxes(real_build, packaged):
        assert list(box) == [name for name in ORDER if name in box]
        assert {"What is missing", "What would settle it"} <= set(box) or not leader(own).data["left_out"], plan.id
        assert all(line.strip() for lines in box.values() for line in lines)
        page = html.unescape(real_build.page(plan.page))
        assert all(f"<dd>{line}</dd>" in page for lines in box.values() for line in lines)


def test_the_largest_trial_left_out_is_named_with_its_share(real_build: Any, packaged: vf.Trials) -> None:
    size = packaged.study.n_randomised
    arms = packaged.arms.groupby("study_id")["n_randomised"].sum(min_count=1)
    named = 0
    for _, own, box in boxes(real_build, packaged):
        out = [x for x in leader(own).data["left_out"] if "not mixed with" not in x["reason"]]
        known = {x["study_id"] for x in (*out, *leader(own).data["studies"])}
        people = {s: float(n) for s in known if not pd.isna(n := size[s] if not pd.isna(size[s]) else arms.get(s))}
        sized = [x for x in out if x["study_id"] in people]
        if not sized:
            continue
        largest = max(people[x["study_id"]] for x in sized)
        (said,) = box["What is missing"]
        assert any(x["label"] in said for x in sized if people[x["study_id"]] == largest)
        share = f", {largest / sum(people.values()):.0%} of the {sum(people.values()):,.0f} randomised"
        assert f"({largest:,.0f} people{share if len(known) > 1 else ')'}" in said
        named += 1
    assert named > 15


def test_no_question_says_only_that_there_is_no_figure(real_build: Any, packaged: vf.Trials) -> None:
    """0 of 21, where trials print words or other reviews pool; the overview counts them."""
    pools = packaged.published_pools
    pools = pools[pools.estimate.notna() & pools.measure.isin(("MD", "WMD", "SMD", "RR", "OR", "HR"))]
    domain = packaged.outcomes.set_index("outcome_id").domain
    kinds = {"lead": 0, "other": 0, "beside": 0}
    every = boxes(real_build, packaged)
    for plan, own, box in every:
        lead = leader(own)
        if lead.k:
            kinds["lead"] += 1
            continue
        overview = html.unescape(real_build.page("index"))
        assert all(f"<dd>{line}</dd>" in overview for name in (ORDER[0], *ORDER[4:7]) for line in box.get(name, []))
        beside = set(box) & set(ORDER[4:7])
        assert beside or any(r.k for r in own), plan.id  # none is left with nothing today
        kinds["other" if any(r.k for r in own) else "beside"] += 1
        if any(x["said"] for x in lead.data["left_out"] if "not mixed with" not in x["reason"]):
            assert "What trials print without a usable figure" in box
        sides = (set(packaged.interventions_in(list(side))) for side in (plan.experimental, plan.control))
        ex, co = sides
        theirs = pools[pools.experimental_id.isin(ex) & pools.control_id.isin(co)]
        asked = domain[lead.data["analysis"]["outcome"]]
        if (theirs.outcome_id.map(domain) == asked).any():
            assert "What other reviews found" in box, plan.id
            assert box["What other reviews found"][0].startswith("Theirs, not ours")
    assert sum(kinds.values()) == len(every) == 21
    found = re.search(
        r"Of (\d+) questions, (\d+) have a figure for the outcome they ask first, (\d+) for another outcome only, (\d+) only",
        real_build.page("index"),
    )
    assert found
    assert [int(x) for x in found.groups()] == [21, kinds["lead"], kinds["other"], kinds["beside"]]
    assert "none is left with nothing" in real_build.page("index")
