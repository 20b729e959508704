"""Intervals of count models that carry the uncertainty of tau: by other quadrature, symmetries, coverage where it is worst."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

import vfmeta as vf

RATES = {"events1": [9, 8, 3, 6, 7], "time1": [413, 263, 487, 237, 489], "events2": [19, 12, 13, 9, 33],
         "time2": [398, 245, 435, 241, 483]}  # fmt: skip
ODDS = {"events1": [4, 9, 3, 12, 8], "n1": [40, 55, 38, 60, 45], "events2": [9, 8, 6, 20, 9], "n2": [41, 50, 40, 58, 44]}
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")


def by_plain_quadrature() -> tuple[np.ndarray, ...]:
    """Of `RATES` by the conditional binomial likelihood: taus, their shares, the mean at each and its standard error."""
    a, t1, c, t2 = (np.array(x, dtype=float)[:, None] for x in RATES.values())
    v = 1 / a + 1 / c
    tau = (np.arange(500) + 0.5) * 10 / 500
    logs, mean, se = np.empty(500), np.empty(500), np.empty(500)
    # a fixed grid of effects, and one that moves with the mean where tau is small
    z = np.linspace(-8, 8, 161)
    whole = np.linspace(-25, 25, 1251)

    def height(mu: float, t: float) -> float:
        at = mu + t * z if t < 0.5 else whole
        density = binom.pmf(a, a + c, 1 / (1 + np.exp(-(at + np.log(t1 / t2))))) if t < 0.5 else fixed
        return float(np.log(density @ norm.pdf((at - mu) / t) * (at[1] - at[0]) / t).sum())

    fixed = binom.pmf(a, a + c, 1 / (1 + np.exp(-(whole + np.log(t1 / t2)))))
    for i, t in enumerate(tau):
        found = minimize_scalar(lambda mu, t=t: -height(mu, t), bounds=(-6, 4), method="bounded", options={"xatol": 1e-7})
        mean[i] = best = found.x
        bend = (height(best + 1e-2, t) - 2 * height(best, t) + height(best - 1e-2, t)) / 1e-4
        se[i] = 1 / math.sqrt(-bend)
        logs[i] = height(best, t) + math.log(se[i]) + 0.5 * math.log(((t / (v + t * t)) ** 2).sum())
    share = np.exp(logs - logs.max())
    return tau, share / share.sum(), mean, se


def test_limits_are_those_of_the_integrated_likelihood() -> None:
    fit = vf.glmm("IRR", model="CM.EL", **RATES)
    tau, share, mean, se = by_plain_quadrature()
    for pair, spread in ((fit.interval, se), (fit.prediction, np.hypot(se, tau))):
        for limit, p in zip(pair, (0.025, 0.975), strict=True):
            assert share @ norm.cdf((limit - mean) / spread) == pytest.approx(p, abs=5e-4)
    assert fit.p_value == pytest.approx(2 * share @ norm.cdf(mean / se), rel=0.02)
    assert 2 * norm.cdf(-abs(fit.statistic)) == pytest.approx(fit.p_value, rel=1e-9)


@pytest.mark.parametrize("model", ["UM.FS", "UM.RS", "CM.EL", "CM.AL"])
def test_turned_arms_turn_the_interval(model: str) -> None:
    turned = {f"{name}{2 if arm == 1 else 1}": ODDS[f"{name}{arm}"] for name in ("events", "n") for arm in (1, 2)}
    here, there = vf.glmm("OR", model=model, **ODDS), vf.glmm("OR", model=model, **turned)
    assert here.prediction is not None
    assert here.interval == pytest.approx([-x for x in reversed(there.interval)], abs=1e-4)
    assert here.prediction == pytest.approx([-x for x in reversed(there.prediction or ())], abs=1e-4)
    assert here.prediction[0] < here.interval[0] < here.estimate < here.interval[1] < here.prediction[1]


def test_moderators_by_the_same_integral() -> None:
    """A mean alone is the pool, its test the mean's; groups far apart in nothing else are what each coding says."""
    pool = vf.glmm("OR", **ODDS)
    mean = vf.glmm("OR", **ODDS, data={"a": [0, 1, 0, 1, 1]}, formula="~ 1")
    assert mean.interval[0] == pytest.approx(pool.interval, rel=1e-6)
    assert mean.p_value[0] == pytest.approx(pool.p_value, rel=1e-6)
    assert mean.predict()[["prediction_low", "prediction_high"]].to_numpy()[0] == pytest.approx(pool.prediction, rel=1e-6)
    one = vf.glmm("OR", **ODDS, data={"a": [0, 1, 0, 1, 1]}, formula="~ a")
    other = vf.glmm("OR", **ODDS, data={"a": [0, 1, 0, 1, 1]}, formula="~ 0 + C(a)")
    assert one.interval[0] == pytest.approx(other.interval[0], abs=1e-5)
    assert one.predict({"a": [1]})[["ci_low", "ci_high"]].to_numpy()[0] == pytest.approx(other.interval[1], abs=1e-5)
    assert one.omnibus.p_value == pytest.approx(one.p_value[1], rel=1e-6)
    assert one.omnibus.statistic == pytest.approx(one.statistic[1] ** 2, rel=1e-6)
    assert vf.read_result(one.to_json()) == one
    narrow, wide = (one.predict(level=x) for x in (0.5, 0.99))
    assert (narrow["ci_low"] > wide["ci_low"]).all()


def test_value_that_is_no_difference_is_what_is_tested() -> None:
    counts = {"events": [3, 5, 2, 9], "n": [30, 50, 20, 44]}
    question = vf.Question(measure="PLO", no_difference=0.2)
    fit = vf.glmm("PLO", **counts, question=question)
    mean = vf.glmm("PLO", **counts, data={"a": [1, 2, 3, 4]}, formula="~ 1", question=question)
    assert fit.p_value == pytest.approx(mean.p_value[0], rel=1e-6)
    at = vf.glmm("PLO", **counts, question=question, level=1 - fit.p_value)
    assert max(at.interval) == pytest.approx(math.log(0.2 / 0.8), abs=1e-6)  # the limit at the level of the p value
    assert mean.omnibus.p_value == pytest.approx(fit.p_value, rel=1e-6)


def test_what_is_taken_when_no_test_is_named() -> None:
    assert vf.glmm("OR", **ODDS).test == "integrated"
    assert vf.glmm("OR", **ODDS, heterogeneity="common").test == "Wald"
    with pytest.raises(vf.InputError, match="with a common effect there is no tau"):
        vf.glmm("OR", **ODDS, heterogeneity="common", test="integrated")
    two = vf.glmm("OR", **{name: x[:2] for name, x in ODDS.items()})
    assert two.prediction is None
    assert all(map(math.isfinite, two.interval))


def test_textbook_intervals_say_what_they_cover() -> None:
    wald = vf.glmm("OR", **ODDS, test="Wald")
    assert wald.interval == pytest.approx((wald.estimate - 1.959964 * wald.se, wald.estimate + 1.959964 * wald.se), rel=1e-6)
    assert "cover" not in str(vf.glmm("OR", **ODDS))


def test_tests_of_heterogeneity_beside_random_intercepts_say_their_level() -> None:
    fit = vf.glmm("OR", model="UM.RS", **ODDS)
    assert "12%" in fit.q.note
    assert "26%" in str(fit.q_wald)
    assert fit.homogeneity is not None
    assert f"score χ² = {fit.homogeneity.statistic:.2f}" in str(fit)
    regression = vf.glmm("OR", model="UM.RS", **ODDS, data={"a": [0, 1, 0, 1, 1]}, formula="~ a")
    assert "12%" in str(regression)


def test_counts_that_do_not_limit_tau_say_so() -> None:
    apart: dict[str, Any] = {"events1": [0, 6, 0, 7], "n1": [20] * 4, "events2": [5, 0, 6, 1], "n2": [20] * 4}
    with pytest.warns(vf.VfmetaWarning, match="take tau as at most 10"):
        vf.glmm("OR", **apart)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vf.glmm("IRR", model="CM.EL", **RATES)


@pytest.mark.slow
def test_coverage_in_the_worst_settings() -> None:
    """8 trials that differ much: Wald's next trial lies in 84%."""
    rng, draws, found = np.random.default_rng(1), 300, np.zeros(2)
    for _ in range(draws):
        n = rng.integers(20, 201, 8)
        level, true = rng.normal(math.log(0.25), 0.3, 8), rng.normal(-0.3, math.sqrt(0.5), 8)
        one, two = (rng.binomial(n, 1 / (1 + np.exp(-(level + side * true / 2)))) for side in (1, -1))
        fit = vf.glmm("OR", events1=one, n1=n, events2=two, n2=n, nAGQ=9)
        held = norm.cdf(np.array(fit.prediction), -0.3, math.sqrt(0.5))
        found += fit.interval[0] <= -0.3 <= fit.interval[1], held[1] - held[0]
    error = 3 * math.sqrt(0.05 * 0.95 / draws)
    assert (found / draws > 0.94 - error).all()
