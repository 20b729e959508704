"""Differences in standard deviations carried to points: whose SD, and what follows at the smallest and largest of them."""

from __future__ import annotations

import dataclasses
import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta.evidence import points
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.run import choices_of, table_of
from vfmeta.text.answer import state


@pytest.fixture(scope="module")
def trials() -> vf.Trials:
    return vf.load_trials()


def _asked(trials: vf.Trials, plan_id: str, analysis_id: str):
    (plan,) = [p for p in load_plans() if p.id == plan_id]
    (analysis,) = [a for a in plan.analysis if a.id == analysis_id]
    return plan, analysis, table_of(plan, analysis, "", trials), choices_of(plan, analysis)


def test_sd_of_the_printed_intervals(trials: vf.Trials) -> None:
    """INVEST prints 0.7 (-0.3 to 1.7) of 68 and 63, VERTOS IV 0.41 (-0.33 to 1.15) of 91 and 89: t intervals."""
    plan, analysis, table, choices = _asked(trials, "vertebroplasty_sham", "pain_1m")
    found = points.spreads_of(trials, plan, analysis, table, choices)
    assert found is not None
    assert found["kind"] == "implied"
    expected = {}
    for label, width, n1, n2 in (("Kallmes 2009", 2.0, 68, 63), ("Firanescu 2018", 1.48, 91, 89)):
        se = width / 2 / stats.t.ppf(0.975, n1 + n2 - 2)
        expected[label] = (se / math.sqrt(1 / n1 + 1 / n2), n1 + n2 - 2)
    assert {x["label"]: (x["sd"], x["df"]) for x in found["trials"]} == {k: pytest.approx(v) for k, v in expected.items()}
    (a, m), (b, n) = expected.values()
    assert found["sd"] == pytest.approx(math.sqrt((m * a**2 + n * b**2) / (m + n)))
    assert (found["low"], found["high"]) == pytest.approx((min(a, b), max(a, b)))


@pytest.mark.parametrize(("sds", "told"), [((2.0, 3.0), True), ((2.5,), False)])
def test_the_smallest_and_the_largest_sd_are_told_of_several(sds: tuple[float, ...], told: bool) -> None:
    found = {
        **FOUND,
        "kind": "printed",
        "low": min(sds),
        "high": max(sds),
        "trials": [{"label": f"T{x}", "sd": x} for x in sds],
    }
    record = SimpleNamespace(data={"points": found}, posterior=None, frequentist=_result(-0.9, -0.1), question=SMD)
    (_, second) = points.said(record)  # type: ignore[arg-type]
    assert second.startswith("With the smallest of these it is −1.00 (−1.80 to −0.20) points, with the largest −1.50") == told
    assert "The intervals take the standard deviation as known." in second


def test_printed_sds_of_final_scores_go_first_and_are_rescaled(trials: vf.Trials) -> None:
    """Final SDs of 20 and 30 on 0-100 of 11 and 21 people are 2 and 3 on 0-10, pooled by 10 and 20 degrees of freedom."""
    plan, analysis, table, choices = _asked(trials, "vertebroplasty_sham", "pain_1m")
    (row, *_) = trials.figures["outcomes_continuous", "buchbinder2009", "pain_overall"]
    made = {"week": 4.3, "value_type": "final", "use": "pool", "low_end": 0.0, "high_end": 100.0}
    fields = {
        name: getattr(row, name)
        for name in ("study_id", "outcome_id", "week", "value_type", "use", "low_end", "high_end", "n", "sd")
    }
    arms = [SimpleNamespace(**{**fields, **made, "row_id": f"made-{arm}", "arm_id": arm, "sd": sd, "n": n})
            for arm, sd, n in (("vp", 20.0, 11.0), ("sham", 30.0, 21.0))]  # fmt: skip
    others = [
        SimpleNamespace(**{**vars(arms[0]), "week": 52.0, "sd": 99.0}),
        SimpleNamespace(**{**vars(arms[0]), "value_type": "change"}),
    ]
    world = SimpleNamespace(
        figures={("outcomes_continuous", "buchbinder2009", "pain_overall"): [*arms, *others]},
        interventions_in=trials.interventions_in, arm_list=trials.arm_list, slips={}, labels=trials.labels,
        entries=trials.entries, citations=trials.citations,
    )  # fmt: skip
    found = points.spreads_of(world, plan, analysis, table, choices)  # type: ignore[arg-type]
    assert found is not None
    assert found["kind"] == "printed"
    assert found["sd"] == pytest.approx(math.sqrt((10 * 2**2 + 20 * 3**2) / 30))


def test_the_sham_pool_at_one_month_is_about_0_7_points(trials: vf.Trials) -> None:
    """Cochrane prints 0.7 points of benefit; the frequentist pool (-0.27) times an SD of 2.7."""
    plan, analysis, table, choices = _asked(trials, "vertebroplasty_sham", "pain_1m")
    found = points.spreads_of(trials, plan, analysis, table, choices)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = vf.random_effects(table)
    assert found is not None
    assert fit.estimate * found["sd"] == pytest.approx(-0.72, abs=0.02)
    record = SimpleNamespace(data={"points": found}, posterior=None, frequentist=fit)
    assert points.short(record).startswith("Carried to 0 to 10 that is −0.72 (")  # type: ignore[arg-type]


def test_no_sd_no_points(trials: vf.Trials) -> None:
    plan, analysis, table, choices = _asked(trials, "vertebroplasty_usual_care", "pain_3m")
    assert points.spreads_of(trials, plan, analysis, table, choices) is None
    assert points.spreads_of(trials, plan, analysis, table, choices | {"points": None}) is None


def test_probabilities_beyond_half_a_point_to_two() -> None:
    """A normal posterior of mean -1 and SD 0.5 exceeds a benefit of 0.5, 1, 1.5 and 2 points with 84%, 50%, 16% and 2%."""
    grid = np.linspace(-4, 2, 2001)
    post = SimpleNamespace(grid=grid, density=stats.norm.pdf(grid, -1, 0.5))
    question = vf.Question(measure="MD", higher_is_worse=True, points=(0, 10))
    record = SimpleNamespace(data={}, posterior=post, question=question)
    (said,) = points.thresholds(record)  # type: ignore[arg-type]
    assert said.endswith("exceeds 0.5, 1, 1.5 and 2 points of 0 to 10: 84%, 50%, 16%, 2%.")
    turned = SimpleNamespace(
        data={}, posterior=SimpleNamespace(grid=-grid[::-1], density=post.density[::-1]),
        question=dataclasses.replace(question, higher_is_worse=False),
    )  # fmt: skip
    assert points.thresholds(turned) == [said]  # type: ignore[arg-type]
    other = SimpleNamespace(data={}, posterior=post, question=dataclasses.replace(question, points=(0, 100)))
    assert points.thresholds(other) == []  # type: ignore[arg-type]


def test_a_probability_of_the_list_is_that_of_the_posterior() -> None:
    """The density is traced between quantiles, and what lies outside counts: P(mu < -1.5) is that of the posterior itself."""
    question = vf.Question(measure="MD", higher_is_worse=True, points=(0, 10), mid=1.5)
    y, v, tau, mu = [-0.3, -1.02, -0.45, -1.3], [0.35, 0.25, 0.17, 0.41], vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
    post = vf.bayes.random_effects(y=y, v=v, question=question, tau=tau, mu=mu)
    exact = vf.bayes.posterior(y, v, tau, mu).mu
    for at in (-1.5, -0.5):
        assert points._beyond(post, at, -1.0) == pytest.approx(float(exact.cdf(at)), abs=2e-6)
    assert points._beyond(post, -1.0, 1.0) == pytest.approx(1 - float(exact.cdf(-1.0)), abs=2e-6)


SMD = vf.Question(measure="SMD", experimental="cement", control="sham", outcome="pain", higher_is_worse=True)
FOUND = {"points": [0, 10], "sd": 2.5, "mid": 1.5, "mid_source": "a paper"}


def _result(low: float, high: float, **more: object) -> SimpleNamespace:
    middle = (low + high) / 2
    return SimpleNamespace(question=SMD, estimate=middle, interval=(low, high), wider_interval=(low, high), k=3, **more)


@pytest.mark.parametrize(
    ("low", "high", "expected", "said"),
    [  # 0.6 SD is 1.5 points
        (-0.5, -0.1, "side", "−0.75 (−1.25 to −0.25) points in favour of cement, less than the threshold of 1.5 points."),
        (-0.9, -0.1, "side", "in favour of cement, possibly more than the threshold of 1.5 points."),
        (-0.9, -0.7, "side", "in favour of cement, at least the threshold of 1.5 points."),
        (-0.5, 0.5, "little", "points: little or no difference, within 1.5 points either way."),
        (-0.7, 0.1, "unclear", "the trials cannot tell: from 1.75 points better to 0.25 points worse with cement."),
        (-0.1, 0.6, "unclear", "the trials cannot tell: from 0.25 points better to 1.50 points worse with cement."),
    ],
)
def test_limits_times_the_sd_are_judged_by_the_one_rule(low: float, high: float, expected: str, said: str) -> None:
    result = _result(low, high)
    assert state(points.in_points(result, FOUND)) == expected  # type: ignore[arg-type]
    text = points.told(result, FOUND)  # type: ignore[arg-type]
    assert "Carried to 0 to 10, the standard deviation taken as known, that is" in text
    assert text.endswith(said)


def test_where_no_sd_is_known_the_result_is_judged_itself() -> None:
    result = _result(-0.5, 0.5)
    assert points.in_points(result, None) is result  # type: ignore[arg-type]
    assert state(result) == "unclear"  # type: ignore[arg-type]
    points_of = SimpleNamespace(**{**vars(result), "question": dataclasses.replace(SMD, measure="MD", points=(0, 10))})
    assert points.in_points(points_of, FOUND) is points_of  # type: ignore[arg-type]
    bare = points.in_points(result, {**FOUND, "mid": None})  # type: ignore[arg-type]
    assert state(bare) == "unclear"  # "little" needs a threshold


def test_the_probability_of_an_important_benefit_is_that_beyond_the_threshold_in_sds() -> None:
    """A normal posterior of mean -0.5 and SD 0.2: below -0.6 lies 31%, and below 0 more than 99%."""
    grid = np.linspace(-2, 1, 3001)
    result = _result(-0.9, -0.1, grid=grid, density=stats.norm.pdf(grid, -0.5, 0.2), p_benefit=stats.norm.cdf(2.5))
    judged = points.in_points(result, FOUND)  # type: ignore[arg-type]
    assert judged.p_benefit_mid == pytest.approx(stats.norm.cdf(-0.5), abs=1e-5)  # type: ignore[union-attr]
    text = points.told(result, FOUND, likely=True)  # type: ignore[arg-type]
    assert text.endswith("The probability of any benefit is 0.99, of a benefit beyond 1.5 points 0.31.")


def test_the_threshold_of_a_carried_analysis_is_that_of_its_instrument(trials: vf.Trials) -> None:
    """1.5 of 0-10; 5 of 0-24 for Roland-Morris (instruments.csv)."""
    for analysis_id, mid in (("pain_1m", 1.5), ("disability_1m", 5.0)):
        plan, analysis, table, choices = _asked(trials, "vertebroplasty_sham", analysis_id)
        found = points.spreads_of(trials, plan, analysis, table, choices)
        assert found is not None
        assert found["mid"] == mid
        assert found["mid_source"]
