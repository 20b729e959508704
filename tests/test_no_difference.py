"""The value that means "no difference": 0, 1, an even chance, or none; in tests, sentences, figures and posteriors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

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

    for table, null in ((superiority(higher_is_worse=True), [0.5]), (proportions(higher_is_worse=True), [])):
        fit = vf.random_effects(table)
        ax = vf.plots.forest(fit)
        assert drawn(ax, "null") == null
        words = ax.figure.findobj(lambda o: o.get_gid() == "favours")
        assert bool(words) == bool(null)
        low, high = ax.get_xlim()
        assert low < fit.question.display(min(fit.y))
        assert fit.question.display(max(fit.y)) < high
        said = vf.plots.alt_text(fit)
        assert ("below 0.5" in said) == bool(null)
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
