"""GRADE: small worlds in which every domain's answer is known by hand, and a table of thresholds with their sources."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.appraisal.grade import body as bodies
from vfmeta.appraisal.grade import thresholds
from vfmeta.core.grading import DOMAINS
from vfmeta.kernels.information_size import of_means, of_risks

HOME = Path(thresholds.__file__).parent
PAIN = vf.Question(measure="MD", higher_is_worse=True, mid=1.0, experimental="drug", control="placebo", outcome="pain")
PANEL = {"date": "2026-03-01", "panel": "guideline panel", "reason": "all trials ask the question"}

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def world(y: list[float], se: float = 0.1, question: vf.Question = PAIN, **more: Any) -> Any:
    """A common-effect pool of trials of one precision: each weighs the same and the mean is the plain one."""
    return vf.common_effect(y=y, se=[se] * len(y), study=list("ABCDEFGHIJKL")[: len(y)], question=question, **more)


def judgements(*overall: str, **domains: list[str]) -> Any:
    return vf.appraisal.risk_of_bias({"Study": list("ABCDEFGHIJKL")[: len(overall)], **domains, "Overall": list(overall)})


def of(found: Any, domain: str) -> Any:
    return next(d for d in found.domains if d.name == domain)


def suggestion(fit: Any, domain: str, **more: Any) -> int | None:
    return of(vf.appraisal.certainty(fit, **more), domain).suggestion


# the table


@pytest.mark.parametrize("row", thresholds.table().values(), ids=lambda row: row.key)
def test_every_threshold_says_where_it_was_read_or_why_it_was_chosen(row: thresholds.Threshold) -> None:
    assert row.source
    assert row.meaning
    if row.source == thresholds.OURS:
        assert row.reason
        assert not row.locator
    else:
        assert row.locator
        assert any(character.isdigit() for character in row.source) or ".ca" in row.source


def test_every_threshold_is_used_and_none_is_written_in_the_code() -> None:
    beside = [HOME.parent / f"{name}.py" for name in ("graded", "findings", "network_certainty")]
    code = "\n".join(x.read_text(encoding="utf-8") for x in [*HOME.glob("*.py"), *beside])
    starts = {f"start_{design}" for design in ("randomised", "quasi_randomised", "non_randomised")}
    unused = [key for key in thresholds.table() if f'"{key}"' not in code and key not in starts]
    assert not unused
    fits = world([-2.0] * 12), world([-0.1, 0.3], 0.4)
    named = {key for fit in fits for d in vf.appraisal.certainty(fit).domains for key in d.thresholds}
    assert named <= set(thresholds.table())


# risk of bias: four trials of a quarter of the weight each


@pytest.mark.parametrize(("overall", "down"), [
    (("low", "low", "low", "low"), 0),
    (("low", "low", "low", "high"), 0),  # a quarter, and the mean stays where it is
    (("low", "high", "high", "high"), -1),  # three quarters
    (("low", "low", "some concerns", "some concerns"), 0),  # half is not most
    (("low", "some concerns", "some concerns", "some concerns"), -1),
])  # fmt: skip
def test_risk_of_bias_goes_by_the_share_of_the_weight(overall: tuple[str, ...], down: int) -> None:
    assert suggestion(world([-2.0, -2.0, -2.0, -2.0]), "risk of bias", bias=judgements(*overall)) == down


def test_high_risk_in_two_domains_of_most_of_the_weight_is_very_serious() -> None:
    high = ["high", "high", "high", "low"]
    fit = world([-2.0] * 4)
    assert suggestion(fit, "risk of bias", bias=judgements(*high, D1=high, D2=["low"] * 4)) == -1
    assert suggestion(fit, "risk of bias", bias=judgements(*high, D1=high, D2=high)) == -2


def test_a_pool_that_is_another_one_without_the_trials_at_high_risk_is_marked_down() -> None:
    # means 1.2 and, without D, 0.6 below: on two sides of the 1.0 that matters
    found = of(
        vf.appraisal.certainty(world([-0.6, -0.6, -0.6, -3.0]), bias=judgements("low", "low", "low", "high")), "risk of bias"
    )
    assert found.suggestion == -1
    assert "Without D it is −0.60" in found.sentence
    assert "instead of −1.20" in found.sentence


@pytest.mark.parametrize("silent", range(1, 5))
def test_what_nobody_judged_is_never_no_concern(silent: int) -> None:
    words = ["low"] * (4 - silent) + [""] * silent
    found = vf.appraisal.certainty(world([-2.0] * 4), bias=judgements(*words))
    bias = of(found, "risk of bias")
    assert bias.suggestion is None
    assert bias.short == f"not judged in {silent} of 4 trials"
    assert found.rating is None
    assert found.computed is None
    assert found.at_most == "moderate"
    assert found.shown.startswith(f"at most moderate: risk of bias not judged in {silent} of 4 trials")
    assert "no concern" not in str(found).partition("Inconsistency")[0]


def test_a_trial_that_the_judgements_do_not_know_is_not_judged() -> None:
    assert of(vf.appraisal.certainty(world([-2.0] * 4), bias=judgements("low", "low")), "risk of bias").suggestion is None
    assert of(vf.appraisal.certainty(world([-2.0] * 4)), "risk of bias").short == "not judged in 4 of 4 trials"


# rating up


@pytest.mark.parametrize(("ratio", "said"), [
    (0.6, "1.7-fold, less than the 2-fold"), (0.4, "2.5-fold, 2-fold or more, for which GRADE considers one level up"),
    (3.0, "3.0-fold, 2-fold or more"), (0.1, "10.0-fold, 5-fold or more, for which GRADE considers two levels up"),
])  # fmt: skip
def test_a_large_effect_of_studies_that_were_not_randomised_says_that_rating_up_may_be_considered(
    ratio: float, said: str
) -> None:
    question = vf.Question(measure="RR", higher_is_worse=True)
    fit = world([math.log(ratio)] * 3, 0.01, question)
    low = judgements("low", "low", "low")
    found = vf.appraisal.certainty(fit, bias=low, design="non_randomised", baseline_risk=0.2)
    assert said in found.upward
    assert found.upward in str(found)
    assert found.start == "low"
    assert found.at_most == vf.appraisal.certainty(fit, bias=low, design="non_randomised").at_most == "low"  # nothing was added
    assert vf.appraisal.certainty(fit, bias=low).upward == ""  # randomised
    assert vf.read_result(found.to_json()) == found
    doubted = vf.appraisal.certainty(fit, bias=judgements("high", "high", "high"), design="non_randomised", baseline_risk=0.2)
    assert ("not here, as it is rated down for risk of bias" in doubted.upward) == (ratio != 0.6)


def test_a_ratio_of_odds_is_held_against_the_fold_of_its_risks() -> None:
    # odds 1 at a risk of one half become 1/3: a risk of one quarter, which is half
    fit = world([math.log(1 / 3)] * 3, 0.01, vf.Question(measure="OR", higher_is_worse=True))
    assert "2.0-fold" in vf.appraisal.certainty(fit, design="quasi_randomised", baseline_risk=0.5).upward
    assert "known risk" in vf.appraisal.certainty(fit, design="non_randomised").upward
    assert vf.appraisal.certainty(world([-2.0] * 3), design="non_randomised").upward == ""  # a difference has no fold


# inconsistency


def test_trials_apart_on_two_sides_of_a_threshold_disagree() -> None:
    # 95% intervals of half width 0.196: D at 0 is apart from those at -2 and beyond the -1 that matters
    found = of(vf.appraisal.certainty(world([-2.0, -2.0, -2.0, 0.0])), "inconsistency")
    assert found.suggestion == -1
    assert "3 have intervals that do not overlap" in found.sentence
    assert "D (25% of the weight)" in found.sentence
    assert suggestion(world([-2.0, -2.0, -2.0, -1.2]), "inconsistency") == 0  # apart, and on the same side
    assert suggestion(world([-2.0, -2.0, -2.0, 0.0], se=0.6), "inconsistency") == 0  # not apart: 1.18 each


def test_one_light_trial_on_the_other_side_is_no_disagreement_of_the_body() -> None:
    # inverse variances 100 three times and 4: the fourth has 4 of 304
    light = vf.common_effect(y=[-2, -2, -2, 0.5], se=[0.1, 0.1, 0.1, 0.5], study=list("ABCD"), question=PAIN)
    assert suggestion(light, "inconsistency") == 0


def test_a_next_trial_across_a_threshold_that_the_mean_leaves_out_counts_and_both_signs_are_very_serious() -> None:
    y = [-2.6, -1.4, -2.5, -1.5, -2.4, -1.6, -2.0, -2.0]  # mean -2, variance 0.2: no trial beyond -1, but a next one may be
    fit = vf.random_effects(y=y, se=[0.1] * 8, question=PAIN)
    assert fit.interval[1] < -1 < fit.prediction[1]
    assert suggestion(fit, "inconsistency") == -1
    split = vf.random_effects(y=[*y, -0.5, -3.5], se=[0.1] * 10, question=PAIN)
    assert split.interval[1] < -1 < split.prediction[1]
    assert suggestion(split, "inconsistency") == -2


def test_a_prediction_interval_that_is_wide_because_trials_are_few_is_no_disagreement() -> None:
    # two trials that agree (Q = 0.02 on 1 df, p = 0.89), under a prior that leaves room for more
    post = vf.bayes.random_effects(
        y=[-1.6, -1.64], se=[0.2, 0.2], study=["A", "B"], tau=vf.priors.HalfNormal(0.3), mu=vf.priors.Flat(), question=PAIN
    )
    assert post.interval[1] < -1 < post.prediction[1]
    found = of(vf.appraisal.certainty(post), "inconsistency")
    assert found.suggestion == 0
    assert "Cochran's Q: p = 0.89" in found.sentence
    assert "do not differ by more than chance" in found.sentence


def test_one_trial_has_nothing_to_disagree_with() -> None:
    assert suggestion(world([-2.0]), "inconsistency") == 0


def test_the_test_between_subgroups_is_told_and_decides_nothing() -> None:
    y, by = [-2.0, -2.1, -1.9, -2.0], list("aabb")
    groups = vf.subgroups(by=by, y=y, se=[0.1] * 4, question=PAIN)
    told = vf.appraisal.certainty(world(y), subgroups=groups)
    assert "Between subgroups p = " in of(told, "inconsistency").sentence
    assert of(told, "inconsistency").suggestion == of(vf.appraisal.certainty(world(y)), "inconsistency").suggestion


# imprecision: two trials, so that the standard error of the mean is theirs over the root of two


@pytest.mark.parametrize(("mean", "se", "down"), [
    (-1.5, 0.2, 0),  # -1.89 to -1.11
    (-1.5, 0.4, -1),  # -2.28 to -0.72: the benefit that matters
    (-1.5, 0.9, -2),  # -3.26 to 0.26: that and no difference
    (-0.2, 0.3, 0),  # -0.79 to 0.39: little or no difference, whatever it holds of none
    (-0.2, 0.5, -1),  # -1.18 to 0.78
    (0.0, 0.6, -2),  # -1.18 to 1.18: important benefit and harm
])  # fmt: skip
def test_imprecision_goes_by_the_thresholds_in_the_interval(mean: float, se: float, down: int) -> None:
    fit = world([mean, mean], se * math.sqrt(2))
    assert fit.interval == pytest.approx((mean - 1.959964 * se, mean + 1.959964 * se), abs=1e-5)
    assert suggestion(fit, "imprecision") == down


def test_without_a_stated_difference_only_no_difference_is_a_threshold_and_ratios_have_the_rough_guide() -> None:
    bare = vf.Question(measure="MD", higher_is_worse=True)
    assert suggestion(world([-1.5, -1.5], 0.4, bare), "imprecision") == 0
    assert suggestion(world([-1.5, -1.5], 1.2, bare), "imprecision") == -1
    rr = vf.Question(measure="RR", higher_is_worse=True)
    # log 0.75 = -0.288 and log 1.25 = 0.223
    assert suggestion(world([0.0, 0.0], 0.1, rr), "imprecision") == 0  # -0.139 to 0.139
    assert suggestion(world([0.0, 0.0], 0.17, rr), "imprecision") == -1  # to 0.236
    assert suggestion(world([0.0, 0.0], 0.22, rr), "imprecision") == -2  # to 0.305


def test_without_anything_that_means_no_difference_imprecision_is_open() -> None:
    one = vf.effect_size("PLO", events=[20, 30], n=[100, 90], study=["A", "B"])
    assert suggestion(vf.common_effect(one), "imprecision") is None


def test_one_wide_interval_is_marked_down_once() -> None:
    scattered = vf.random_effects(y=[-3.0, -3.2, -2.8, -0.1, -3.1], se=[0.15] * 5, question=PAIN)
    low, high = scattered.wider_interval
    assert low < -1 < high
    found = vf.appraisal.certainty(scattered)
    assert of(found, "inconsistency").suggestion < 0
    assert of(found, "imprecision").suggestion == 0
    assert "was marked down as inconsistency" in of(found, "imprecision").sentence
    # the same interval of trials that agree is imprecision
    same = world([scattered.estimate] * 2, (high - low) / 2 / 1.959964 * math.sqrt(2))
    assert suggestion(same, "inconsistency") == 0
    assert suggestion(same, "imprecision") < 0


def test_what_sampling_error_alone_crosses_still_counts_beside_inconsistency() -> None:
    noisy = vf.random_effects(y=[-4.0, -4.2, 1.5, -0.2, -3.1], se=[0.9] * 5, question=PAIN)
    found = vf.appraisal.certainty(noisy)
    # sampling error alone: 1.96 * 0.9 / sqrt(5) = 0.79 around the mean of -2.0
    assert noisy.estimate == pytest.approx(-2.0, abs=0.01)
    assert of(found, "inconsistency").suggestion < 0
    assert of(found, "imprecision").suggestion == 0
    wider = vf.random_effects(y=[-4.0, -4.2, 1.5, -0.2, -3.1], se=[1.2] * 5, question=PAIN)  # 1.05
    assert of(vf.appraisal.certainty(wider), "imprecision").suggestion == -1


def test_information_sizes_are_those_of_power_analysis() -> None:
    power = pytest.importorskip("statsmodels.stats.power").NormalIndPower()
    assert of_means(2.0, 1.0, 0.05, 0.8) == pytest.approx(2 * power.solve_power(0.5, alpha=0.05, power=0.8), rel=1e-4)
    # Fleiss, Levin and Paik 2003, 4.2, without correction and with separate variances, by hand
    assert of_risks(0.2, 0.15, 0.05, 0.8) == pytest.approx(2 * 2.801585**2 * (0.16 + 0.1275) / 0.0025, rel=1e-5)


def arms(n: int, sd: float, mean: float) -> Any:
    """Two trials with n people an arm."""
    table = vf.effect_size(
        "MD", mean1=[mean, mean], sd1=[sd, sd], n1=[n, n], mean2=[0, 0], sd2=[sd, sd], n2=[n, n], study=["A", "B"]
    )
    return vf.common_effect(table, question=PAIN)


def test_too_few_people_count_where_the_interval_crosses_nothing() -> None:
    # SD 2 and 1.0 point: 4 * 2.801585^2 * 4 = 125.6 people
    few = of(vf.appraisal.certainty(arms(12, 2.0, -4.0)), "imprecision")  # 48 people are 38%
    assert few.suggestion == -2
    assert "48 people are 38% of the optimal information size of 126" in few.sentence
    assert suggestion(arms(20, 2.0, -4.0), "imprecision") == -1  # 80 are 64%
    assert suggestion(arms(32, 2.0, -4.0), "imprecision") == 0  # 128


def test_absolute_thresholds_are_turned_into_effects() -> None:
    for measure, effect in (
        ("RR", [math.log(0.15 / 0.2), math.log(0.25 / 0.2)]),
        ("OR", [math.log(0.15 / 0.85 / 0.25), math.log(0.25 / 0.75 / 0.25)]),
        ("HR", [math.log(math.log(0.85) / math.log(0.8)), math.log(math.log(0.75) / math.log(0.8))]),
        ("RD", [-0.05, 0.05]),
    ):
        fit = world([-0.1, -0.1], 0.05, vf.Question(measure=measure, higher_is_worse=True))
        marks = bodies.body_of(fit, 0.2, 0.05).marks
        assert [marks.low, marks.high] == pytest.approx(effect, rel=1e-12), measure
    with pytest.raises(vf.InputError, match="state baseline_risk="):
        vf.appraisal.certainty(world([-0.1, -0.1], 0.05, vf.Question(measure="RR")), risk_difference=0.05)
    with pytest.raises(vf.InputError, match="is of risks"):
        vf.appraisal.certainty(world([-0.1]), risk_difference=0.05)


def test_the_risk_without_treatment_is_that_of_the_control_arms() -> None:
    table = vf.effect_size("RR", events1=[10, 14], n1=[100, 150], events2=[20, 30], n2=[100, 150], study=["A", "B"])
    sentence = of(vf.appraisal.certainty(vf.common_effect(table)), "imprecision").sentence
    assert "at a risk of 20% without it (that of the 250 people in the control arms)" in sentence
    assert "at a risk of 40% without it (stated)" in of(
        vf.appraisal.certainty(vf.common_effect(table), baseline_risk=0.4), "imprecision"
    ).sentence  # fmt: skip


# publication bias


def test_below_ten_trials_there_is_no_test_and_never_no_concern() -> None:
    for k in range(1, 10):
        found = of(vf.appraisal.certainty(world([-2.0] * k)), "publication bias")
        assert found.suggestion is None
        assert found.sentence.startswith("No test possible")


def test_people_in_trials_without_a_readable_result_are_counted_and_judged_by_nobody() -> None:
    fit = arms(32, 2.0, -4.0)  # 128 people
    found = of(vf.appraisal.certainty(fit, unread={"Y": None, "Z": 32}), "publication bias")
    assert found.suggestion is None
    assert "(Y, Z), 32 people, 20% of the 160 in trials of known size; 1 of unknown size." in found.sentence
    assert "1 trial is known to exist" in of(vf.appraisal.certainty(fit, unread=["Y"]), "publication bias").sentence
    with pytest.raises(vf.InputError, match="A is a trial of the pool"):
        vf.appraisal.certainty(fit, unread=["A"])


def test_trials_that_the_table_left_out_are_the_unread_ones() -> None:
    frame = pd.DataFrame({"trial": ["A", "B", "C"], "yi": [-2.0, -2.1, None], "sei": [0.1, 0.1, 0.1]})
    fit = vf.common_effect(vf.effect_table(frame, y="yi", se="sei", study="trial", missing="drop"), question=PAIN)
    assert "(C)" in of(vf.appraisal.certainty(fit), "publication bias").sentence


def test_from_ten_trials_on_the_test_that_the_measure_calls_for_decides() -> None:
    se = np.linspace(0.1, 0.6, 12)
    noise = 0.05 * np.array([1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1])
    for slope, down in ((-2.0, -1), (0.0, 0)):
        fit = vf.random_effects(y=-2 + slope * se + noise * se, se=se, question=PAIN)
        p = vf.appraisal.egger(fit).p_value
        assert (p < 0.1) == (down == -1)
        found = of(vf.appraisal.certainty(fit), "publication bias")
        assert found.suggestion == down
        assert down or "rules nothing out" in found.sentence


# indirectness


def test_indirectness_is_asked_and_only_people_answer() -> None:
    fit = world([-2.0] * 4)
    assert suggestion(fit, "indirectness") is None
    direct = {"study": list("ABCD"), "population": ["direct"] * 4, "outcome": ["direct"] * 4}
    assert suggestion(fit, "indirectness", eligibility=direct) == 0
    assert (
        suggestion(fit, "indirectness", eligibility=direct | {"outcome": ["indirect", "indirect", "indirect", "direct"]}) == -1
    )
    both = {n: ["indirect", "indirect", "indirect", "direct"] for n in ("population", "outcome")}
    assert suggestion(fit, "indirectness", eligibility=direct | both) == -2
    assert suggestion(fit, "indirectness", eligibility=direct | {"outcome": ["direct", "", "direct", "direct"]}) is None
    with pytest.raises(vf.InputError, match=r"row 2 \(B\), column outcome: 'indrect' .* Did you mean 'indirect'"):
        vf.appraisal.certainty(fit, eligibility=direct | {"outcome": ["direct", "indrect", "direct", "direct"]})


# what they add up to


def full(**more: Any) -> Any:
    """A world in which every domain is answered and none finds a concern."""
    lines = [PANEL | {"domain": x, "level": 0} for x in ("indirectness", "publication bias")]
    return vf.appraisal.certainty(
        arms(32, 2.0, -4.0), **{"bias": judgements("low", "low"), "panel": lines} | more
    )  # fmt: skip


@pytest.mark.parametrize(("design", "start"), [("randomised", "high"), ("quasi_randomised", "low"), ("non_randomised", "low")])
def test_the_design_says_where_it_starts(design: Any, start: str) -> None:
    found = full(design=design)
    assert (found.start, found.rating) == (start, start)


def test_levels_are_counted_down_and_never_below_the_lowest() -> None:
    assert full(bias=judgements("high", "high")).rating == "moderate"
    lines = [PANEL | {"domain": "indirectness", "level": -2}, PANEL | {"domain": "publication bias", "level": -1}]
    assert full(bias=judgements("high", "high"), panel=lines).rating == "very low"


def test_the_lowest_level_is_final_though_a_domain_is_open() -> None:
    found = full(
        bias=None, panel=[PANEL | {"domain": "indirectness", "level": -2}, PANEL | {"domain": "publication bias", "level": -1}]
    )
    assert [d.name for d in found.open] == ["risk of bias"]
    assert found.rating == "very low"


def test_a_panel_overrules_and_both_are_shown() -> None:
    line = PANEL | {"level": "low", "reason": "the blinding failed"}
    found = full(panel=[*({"domain": x, "level": 0, **PANEL} for x in ("indirectness", "publication bias")), line])
    assert found.rating == "low"
    text = str(found)
    assert "Panel: low (without this line: high)" in text
    assert "guideline panel, 2026-03-01: the blinding failed." in text
    assert "the blinding failed" in found._repr_html_()
    assert vf.read_result(found.to_json()) == found


def test_faults_of_panel_lines_are_named_together() -> None:
    with pytest.raises(vf.InputError) as error:
        full(panel=[{"level": "lowish", "date": "yesterday"}, PANEL | {"domain": "imprecison", "level": -1},
                    PANEL | {"domain": "imprecision", "level": -3}])  # fmt: skip
    said = "\n".join(error.value.problems)
    for part in (
        "line 1: reason, panel are missing",
        "Did you mean 'low'",
        "2026-03-01",
        "Did you mean 'imprecision'",
        "not -3",
    ):
        assert part in said


@pytest.mark.parametrize("panel", ["low", 7, [0.5], b"x"])
def test_a_panel_that_is_no_line_is_refused(panel: object) -> None:
    with pytest.raises(vf.InputError, match="give a mapping with level, reason, date, panel"):
        full(panel=panel)


def test_posteriors_are_judged_alike_and_what_is_no_pool_is_refused() -> None:
    post = vf.bayes.random_effects(
        y=[-2.0, -2.1, -1.9],
        se=[0.1] * 3,
        study=list("ABC"),
        tau=vf.priors.HalfNormal(0.3),
        mu=vf.priors.Flat(),
        question=PAIN,
    )
    found = vf.appraisal.certainty(post, bias=judgements("low", "high", "low"))
    assert [d.name for d in found.domains] == list(DOMAINS)
    assert "Without B it is" in of(found, "risk of bias").sentence
    with pytest.raises(vf.InputError, match="give a pool"):
        vf.appraisal.certainty(vf.meta_regression(y=[1, 2, 3, 4], v=[1] * 4, data={"x": [1, 2, 3, 5]}, formula="~ x"))
    with pytest.raises(vf.InputError, match="takes a fit"):
        vf.appraisal.certainty(vf.effect_table(y=[1.0, 2.0], se=[1.0, 1.0]))


def test_the_frame_has_a_row_a_domain_with_the_panel_beside() -> None:
    frame = full(bias=judgements("high", "high")).to_frame()
    assert list(frame.domain) == list(DOMAINS)
    assert list(frame.suggestion.fillna(9)) == [-1, 0, 9, 0, 9]
    assert list(frame.panel.fillna(9)) == [9, 9, 0, 9, 0]
