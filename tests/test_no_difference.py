"""The value that means "no difference": 0, 1, an even chance, or none; in tests, sentences, figures and posteriors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

import vfmeta as vf
from vfmeta.results.fit import FrequentistResult

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
DATA = {"m1": [4.0, 3.5, 4.2], "s1": [2.0, 2.1, 1.8], "n1": [30, 40, 25], "m2": [5.0, 5.1, 4.6], "s2": [2.2, 2.0, 1.9],
        "n2": [31, 38, 27]}  # fmt: skip
MEANS = {"mean1": "m1", "sd1": "s1", "n1": "n1", "mean2": "m2", "sd2": "s2", "n2": "n2"}
RISKS = {"e": [3, 8, 12], "n": [30, 50, 60]}


def superiority(**about: object) -> vf.EffectTable:
    return vf.effect_size("CLES", data=DATA, **MEANS, question=vf.Question(measure="CLES", **about))


def proportions(measure: str = "PLO", **about: object) -> vf.EffectTable:
    return vf.effect_size(measure, data=RISKS, events="e", n="n", question=vf.Question(measure=measure, **about))


@pytest.mark.parametrize(
    ("measure", "given", "null", "effect"),
    [("MD", None, 0.0, 0.0), ("RR", None, 1.0, 0.0), ("GEN", None, 0.0, 0.0), ("AUC", None, 0.5, 0.5),
     ("PLN", None, None, None), ("MN", None, None, None), ("MN", 20, 20, 20), ("RR", 0.8, 0.8, math.log(0.8)),
     ("COR", None, 0.0, 0.0)],
)  # fmt: skip
def test_no_difference_of_a_measure(measure: str, given: float | None, null: float | None, effect: float | None) -> None:
    q = vf.Question(measure=measure, no_difference=given, higher_is_worse=True)
    assert q.null == null
    assert q.null_effect == pytest.approx(effect)
    assert vf.Question.from_dict(q.to_dict()) == q
    assert ("no_difference" in q.to_dict()) == (given is not None)
    sides = [q.side(-1e9), q.side(1e9), None if effect is None else q.side(q.null_effect)]
    assert sides == ([None] * 3 if effect is None else ["experimental", "control", None])


@pytest.mark.parametrize(("measure", "value"), [("MD", math.nan), ("RR", 0.0), ("MD", "0"), ("MD", True)])
def test_no_difference_that_cannot_be(measure: str, value: object) -> None:
    with pytest.raises(vf.InputError, match="no_difference"):
        vf.Question(measure=measure, no_difference=value)


def test_an_even_chance_is_tested_and_takes_sides() -> None:
    fit = vf.random_effects(superiority(higher_is_worse=True), test="t")
    t = (fit.estimate - 0.5) / fit.se
    assert fit.estimate < 0.5
    assert fit.statistic == pytest.approx(t)
    assert fit.p_value == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert fit.favours == "experimental"
    assert fit.excludes_null == (fit.interval[1] < 0.5)
    assert f"p          {fit.p_value:.3g}" in str(fit)
    assert FrequentistResult.from_dict(fit.to_dict()).p_value == pytest.approx(fit.p_value, rel=1e-8)
    up = vf.random_effects(superiority(higher_is_worse=False))
    assert up.favours == "control"
    raw = vf.random_effects(y=fit.y, v=fit.v, test="t")
    assert raw.p_value < fit.p_value  # 0 is much further away


def test_a_proportion_has_no_side_and_no_p_unless_a_value_is_given() -> None:
    fit = vf.random_effects(proportions(higher_is_worse=True))
    assert fit.favours is None
    assert not fit.excludes_null
    assert "\np  " not in str(fit)
    assert "favours" not in str(fit)
    given = vf.random_effects(proportions("PLN", higher_is_worse=True, no_difference=0.5))
    z = (given.estimate - math.log(0.5)) / given.se
    assert given.statistic == pytest.approx(z)
    assert "(of 0.5)" in str(given)
    assert given.favours == "experimental"
    assert given.excludes_null == (given.interval[1] < math.log(0.5))


def test_benefit_lies_beyond_no_difference() -> None:
    table = superiority(higher_is_worse=True, mid=0.1)
    flat = {"tau": vf.priors.HalfNormal(0.1), "mu": vf.priors.Flat()}
    post = vf.bayes.random_effects(table, **flat)
    raw = vf.bayes.random_effects(y=table.y - 0.5, v=table.v, question=vf.Question(higher_is_worse=True, mid=0.1), **flat)
    for name in ("p_benefit", "p_benefit_mid", "p_harm_mid", "p_next_benefit"):
        assert getattr(post, name) == pytest.approx(getattr(raw, name), rel=1e-5, abs=1e-9)
    assert "in favour of experimental" in post.summary()
    alone = vf.bayes.random_effects(proportions(higher_is_worse=True), tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Flat())
    assert alone.p_benefit is None
    assert "favour" not in alone.summary()
    risk = vf.bayes.random_effects(proportions("PLN"), tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Flat())
    assert "The mean effect is 0.1" in risk.summary()  # a risk, no ratio


def drawn(ax: object, gid: str) -> list[float]:
    return [float(line.get_xdata()[0]) for line in ax.get_lines() if line.get_gid() == gid]  # type: ignore[attr-defined]


def test_the_forest_plot_stands_on_the_right_line() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fifth = proportions(higher_is_worse=True, no_difference=0.2)
    for table, null in ((superiority(higher_is_worse=True), [0.5]), (proportions(higher_is_worse=True), []), (fifth, [0.2])):
        fit = vf.random_effects(table)
        ax = vf.plots.forest(fit)
        assert drawn(ax, "null") == pytest.approx(null)
        words = ax.figure.findobj(lambda o: o.get_gid() == "favours")
        arrows = [a for a in ax.texts if getattr(a, "arrow_patch", None) is not None]
        edge = ax.get_xlim()
        starts = [edge[0] + a.xyann[0] * (edge[1] - edge[0]) for a in arrows]  # on both sides of "no difference"
        assert len(starts) == 2 * len(null)
        assert not null or starts == pytest.approx(null * 2, abs=0.05 * (edge[1] - edge[0]))
        assert bool(words) == bool(null)
        low, high = ax.get_xlim()
        assert low < fit.question.display(min(fit.y))
        assert fit.question.display(max(fit.y)) < high
        said = vf.plots.alt_text(fit)
        assert (f"below {fit.question.null}" in said) == bool(null)
        assert ("No value means no difference" in said) != bool(null)
        plt.close(ax.figure)
    mean = vf.random_effects(y=[101.0, 104.0, 99.0], v=[4.0, 5.0, 3.0], question=vf.Question(measure="MN"))
    ax = vf.plots.forest(mean)
    assert ax.get_xlim()[0] > 50  # zero is no part of the picture
    plt.close(ax.figure)


def test_results_of_before_are_unchanged() -> None:
    fit = vf.random_effects(y=[0.1, 0.4, -0.2], v=[0.1, 0.2, 0.1], test="Wald")
    assert fit.p_value == pytest.approx(2 * stats.norm.sf(abs(fit.estimate / fit.se)))
    assert "no_difference" not in fit.to_json()
    assert np.isfinite(fit.statistic)


@pytest.mark.parametrize("interval", ["HKSJ", "Wald"])
def test_tables_of_many_pools_test_the_same_value_as_one(interval: str) -> None:
    table = superiority(higher_is_worse=True)
    fit = vf.random_effects(table, test=interval)
    last = vf.cumulative(fit).iloc[-1]
    assert last["statistic"] == pytest.approx(fit.statistic, rel=1e-9)
    assert last["p_value"] == pytest.approx(fit.p_value, rel=1e-9)
    alone = vf.leave_one_out(fit)
    for i, row in alone.iterrows():
        keep = np.arange(fit.k) != i
        rest = vf.random_effects(y=fit.y[keep], v=fit.v[keep], test=interval)
        assert row["statistic"] == pytest.approx((rest.estimate - 0.5) / rest.se, rel=1e-9)


LOGITS = {"y": [-1.2, -0.9, -1.6, -1.1, -0.4, -1.3], "v": [0.05, 0.04, 0.08, 0.03, 0.06, 0.05], "g": list("aabbcc"),
          "h": list("aaabbb"),
          "s": list("ABCABC"), "es": list("123456"), "dose": [1.0, 2, 3, 1, 2, 4]}  # fmt: skip
FIFTH = vf.Question(measure="PLO", no_difference=0.2, higher_is_worse=False)


def regressions(formula: str) -> dict[str, Any]:
    multi = vf.multivariate(LOGITS, random="1 | s/es", formula=formula, question=FIFTH)
    return {
        "meta_regression": vf.meta_regression(LOGITS, formula, question=FIFTH), "multivariate": multi,
        "robust": vf.robust(multi, cluster=LOGITS["s"]),
        "Kenward-Roger": vf.meta_regression(LOGITS, formula, question=FIFTH, test="KR"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["meta_regression", "multivariate", "robust", "Kenward-Roger"])
@pytest.mark.parametrize(("formula", "levels"), [("~ 1", [1]), ("~ dose", [1, 0]), ("~ 0 + C(h)", [1, 1])])
def test_mean_effects_of_a_regression_are_tested_against_it_and_slopes_against_zero(
    name: str, formula: str, levels: list[int]
) -> None:
    fit = regressions(formula)[name]
    t = (fit.estimate - logit(0.2) * np.array(levels)) / fit.se
    assert fit.statistic == pytest.approx(t)
    df = np.full(len(t), math.inf) if fit.df is None else np.asarray(fit.df, dtype=float)
    p = np.where(np.isinf(df), 2 * stats.norm.sf(abs(t)), 2 * stats.t.sf(abs(t), np.where(np.isinf(df), 1, df)))
    assert fit.p_value == pytest.approx(p)
    if formula == "~ 1" and name == "meta_regression":
        assert fit.statistic[0] == pytest.approx(vf.random_effects(LOGITS, question=FIFTH).statistic)
        assert fit.omnibus.statistic == pytest.approx(t[0] ** 2)
    back = vf.read_result(fit.to_json())
    assert back.statistic == pytest.approx(t, rel=1e-7)


def test_groups_deletions_and_permutations_are_tested_against_it() -> None:
    moved = dict(LOGITS, y=np.array(LOGITS["y"]) - logit(0.2))  # the same distances from 0
    for choice in ({}, {"common_tau2": True}):
        ours, plain = vf.subgroups(LOGITS, "g", question=FIFTH, **choice), vf.subgroups(moved, "g", **choice)
        assert ours.p_value == pytest.approx(plain.p_value)
        assert ours.between.p_value == pytest.approx(plain.between.p_value)
    fits = [vf.multivariate(d, random="1 | s/es", question=q) for d, q in ((LOGITS, FIFTH), (moved, None))]
    one, other = (vf.leave_one_out(f) for f in fits)
    assert one["p_value"].to_numpy() == pytest.approx(other["p_value"].to_numpy(), rel=1e-5)
    fits = [vf.random_effects(d, question=q) for d, q in ((LOGITS, FIFTH), (moved, None))]
    one, other = (vf.permutation_test(f, exact=True) for f in fits)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_value[0] > vf.permutation_test(vf.random_effects(LOGITS), exact=True).p_value[0]
    assert vf.study_intervals(vf.effect_table(LOGITS, question=FIFTH))["statistic"].to_numpy() == pytest.approx(
        moved["y"] / np.sqrt(LOGITS["v"])
    )


def test_models_of_counts_and_posteriors_are_judged_by_it() -> None:
    data = {"x": [12, 20, 9, 30], "n": [60, 90, 50, 140]}
    fit = vf.glmm("PLO", events=data["x"], n=data["n"], question=FIFTH, test="Wald")
    assert fit.p_value == pytest.approx(2 * stats.norm.sf(abs((fit.estimate - logit(0.2)) / fit.se)))
    pooled = expit(fit.estimate)
    assert fit.to_frame(on="read")["estimate"][0] == pytest.approx(pooled)
    assert f"{pooled:.3g}" in str(fit)
    table = vf.effect_size("PLO", data=data, events="x", n="n", question=FIFTH)
    chosen = {"tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Normal(0, 2)}
    post, exact = vf.bayes.random_effects(table, **chosen), vf.bayes.posterior(table.y, table.v, **chosen)
    assert post.p_benefit == pytest.approx(1 - float(exact.mu.cdf(logit(0.2))), abs=1e-9)
    average = vf.bayes.model_average(post)
    assert average.bf_effect == pytest.approx(vf.bayes.model_average(post, null=logit(0.2)).bf_effect)
    alone = vf.bayes.random_effects(vf.effect_size("PLO", data=data, events="x", n="n"), **chosen)
    with pytest.raises(vf.InputError, match="No value of a proportion means no effect"):
        vf.bayes.model_average(alone)


def test_the_wider_interval_judges_and_carries_the_prediction_interval() -> None:
    q = vf.Question(measure="MD", higher_is_worse=True, experimental="drug", control="placebo")
    y, v = np.array([-0.50, -0.52, -0.49, -0.51]), np.array([0.2, 0.3, 0.25, 0.2])
    fit = vf.random_effects(y=y, v=v, question=q)
    w, t = 1 / v, stats.t.ppf(0.975, 3)
    mean, se = (w * y).sum() / w.sum(), w.sum() ** -0.5
    factor = (w * (y - mean) ** 2).sum() / 3
    assert fit.tau2 == 0
    assert factor < 1
    assert fit.interval == pytest.approx((mean - t * se * factor**0.5, mean + t * se * factor**0.5))  # the test that was asked
    assert fit.prediction == pytest.approx(fit.interval)
    assert fit.shown_prediction == fit.wider_interval == pytest.approx((mean - t * se, mean + t * se))
    assert fit.interval[1] < 0 < fit.wider_interval[1]
    assert not fit.excludes_null
    assert "includes no difference" in str(fit)
    assert "favours drug" not in str(fit)
    assert f"true effect in a next trial {mean - t * se:.3g} to {mean + t * se:.3g}" in str(fit)
    spread = vf.random_effects(y=y, v=v, tau2=0.01, question=q)
    low, high = spread.wider_interval
    half = math.hypot((high - low) / 2, t * 0.1)
    assert spread.shown_prediction == pytest.approx((spread.estimate - half, spread.estimate + half))
    narrow = vf.random_effects(y=y, v=v, prediction="HTS", test="HKSJ-adhoc", tau2=0.0)
    assert not [x for x in narrow.warnings if "narrower" in x]  # the same width
    small = vf.random_effects(y=[-0.5, 0.9, 0.1, 3.0], v=[0.02, 0.03, 0.05, 0.02], prediction="HTS", tau2=0.0)
    assert [x for x in small.warnings if "HTS prediction interval is narrower" in x]
    assert small.shown_prediction == small.prediction


@pytest.mark.parametrize(
    "verb", ["pet_peese", "selection_model", "p_uniform_star", "worst_case", "fail_safe", "excess_significance"]
)
def test_nothing_is_held_against_a_null_that_does_not_exist(verb: str) -> None:
    ask = getattr(vf.appraisal, verb)
    with pytest.raises(vf.InputError, match=rf"{verb} holds effects against no difference, and .* of a proportion"):
        ask(proportions())
    assert ask(proportions(no_difference=0.2)).level == 0.95


@pytest.mark.parametrize(
    ("about", "span"),
    [
        ({"measure": "AS", "no_difference": 1.6}, "between -1.5708 and 1.5708"),
        ({"measure": "MD", "points": (0, 10), "no_difference": -10.5}, "between -10 and 10"),
        ({"measure": "MD", "points": (0, 10), "mid": 11}, "between -10 and 10"),
        ({"measure": "RD", "mid": 1.2}, "between -1 and 1"),
    ],
)
def test_a_difference_stays_inside_its_scale(about: dict[str, Any], span: str) -> None:
    with pytest.raises(vf.InputError, match=span):
        vf.Question(**about)
    assert vf.Question(**about | {"measure": "SMD"}).points == about.get("points")  # which has no ends


def test_print_says_not_tested_where_there_is_nothing_to_test() -> None:
    """No p value of nan: a pool of several levels, its robust form, a regression, a location-scale model, permutations."""
    table = proportions()
    slope = vf.meta_regression(table, x=np.column_stack([np.ones(3), [1, 2, 4]]), names=["Intercept", "dose"])
    several = vf.multivariate(table, random="1 | study")
    for fit in (slope, several, vf.robust(several, list("abc")), vf.permutation_test(slope, draws=20)):
        assert "not tested" in str(fit)
        assert "nan" not in str(fit)
