"""Binomial and Poisson models of arms: against brute-force integration, the exact normal model and logistic regression."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.special import expit, logit

import vfmeta as vf
import vfmeta.bayes.models as models
from vfmeta import priors
from vfmeta.bayes import versions as compat
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question

MU = priors.Normal(0.0, 2.0)
LONG = pd.DataFrame({
    "trial": ["A", "A", "A", "B", "B"], "drug": ["placebo", "low", "high", "placebo", "low"],
    "sick": [12, 7, 5, 9, 6], "all": [60, 61, 59, 40, 41], "years": [55.0, 58.5, 57.0, 38.0, 40.5],
})  # fmt: skip


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


def away(sampled: Any, want: dict[str, tuple[float, float]]) -> float:
    """Largest distance of means and SDs from what they should be, in Monte Carlo standard errors."""
    worst = 0.0
    for name, (mean, sd) in want.items():
        x = sampled.draws(name)
        square = (x - x.mean()) ** 2
        error = x.std() / math.sqrt(compat.ess(x, "mean"))
        error_sd = square.std() / math.sqrt(compat.ess(square, "mean")) / (2 * x.std())
        worst = max(worst, abs(x.mean() - mean) / error, abs(x.std() - sd) / error_sd)
    return worst


def risks(measure: str, alpha: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Risks (or rates) of both arms from the mean of their logits (logs) and the effect; ratios of risks by bisection."""
    alpha, d = np.broadcast_arrays(alpha, d)
    if measure == "OR":
        return expit(alpha - d / 2), expit(alpha + d / 2)
    if measure == "IRR":
        return np.exp(alpha - d / 2), np.exp(alpha + d / 2)
    low, high = np.full(alpha.shape, -60.0), np.minimum(0.0, -d)  # log of the control risk
    for _ in range(80):
        middle = (low + high) / 2
        with np.errstate(divide="ignore"):
            up = logit(np.exp(middle)) + logit(np.exp(middle + d)) > 2 * alpha
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    return np.exp(low), np.exp(low + d)


def chance(measure: str, cells: tuple[float, ...], alpha: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Likelihood of a trial on a grid, up to a constant."""
    x1, n1, x2, n2 = cells
    p0, p1 = risks(measure, alpha[:, None], d[None, :])
    if measure == "IRR":
        log = stats.poisson.logpmf(x2, n2 * p0) + stats.poisson.logpmf(x1, n1 * p1)
    else:
        log = stats.binom.logpmf(x2, n2, p0) + stats.binom.logpmf(x1, n1, p1)
    return np.exp(log - log.max())


def moments(weight: np.ndarray, mu: np.ndarray, tau: np.ndarray) -> dict[str, tuple[float, float]]:
    out = {}
    for name, x, axis in (("mu", mu, 1), ("tau", tau, 0)):
        p = weight.sum(axis=axis) / weight.sum()
        out[name] = (float(p @ x), math.sqrt(float(p @ (x - p @ x) ** 2)))
    return out


def fixed_baselines(measure: str, trials: list[tuple[float, ...]], scale: float) -> dict[str, tuple[float, float]]:
    """Posterior of mu and tau by grids: baselines N(0, 5) each, tau half-normal; effects by Gauss-Hermite."""
    alpha, d = np.linspace(-22, 22, 881), np.linspace(-14, 14, 561)
    mu, tau = np.linspace(-8, 8, 321), (np.arange(120) + 0.5) * 4.5 * scale / 120
    node, weight = np.polynomial.hermite_e.hermegauss(24)
    at = mu[:, None, None] + tau[None, :, None] * node
    post = stats.norm.pdf(mu, 0, 2)[:, None] * stats.halfnorm.pdf(tau, scale=scale)
    for cells in trials:
        given = stats.norm.pdf(alpha, 0, 5) @ chance(measure, cells, alpha, d)
        post = post * (np.exp(CubicSpline(d, np.log(given))(at)) @ weight)
    return moments(post, mu, tau)


def random_baselines(measure: str, trials: list[tuple[float, ...]]) -> dict[str, tuple[float, float]]:
    """The same with baselines N(m, s), m ~ N(-1, 2), and s and tau log-normal(log 0.6, 0.3), so that plain sums serve."""
    alpha, d = np.linspace(-8, 5, 131), np.linspace(-9, 9, 181)
    mu, m, s = np.linspace(-5, 5, 101), np.linspace(-8, 6, 71), np.exp(np.linspace(-1.7, 0.7, 31))
    width = stats.lognorm.pdf(s, 0.3, scale=0.6) * np.gradient(s)
    level, effect = (
        stats.norm.pdf(x[:, None, None], y[None, :, None], s[None, None, :]).reshape(len(x), -1)
        for x, y in ((alpha, m), (d, mu))
    )
    prior_level = (stats.norm.pdf(m, -1, 2)[:, None] * width).ravel()
    like = np.ones((level.shape[1], effect.shape[1]))
    for cells in trials:
        like *= level.T @ chance(measure, cells, alpha, d) @ effect
    post = (prior_level @ like).reshape(len(mu), len(s)) * stats.norm.pdf(mu, 0, 2)[:, None] * width
    return moments(post, mu, s)


def two(trials: list[tuple[float, ...]], size: str, **options: Any) -> Any:
    names = ("events1", f"{size}1", "events2", f"{size}2")
    make = models.binomial if size == "n" else models.poisson
    return make(**dict(zip(names, map(list, zip(*trials, strict=True)), strict=True)), mu=MU, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "trials", [[(1, 20, 4, 22), (3, 35, 9, 30)], [(0, 25, 0, 24), (2, 30, 8, 31)]], ids=["few events", "a trial without events"]
)
def test_odds_ratio_against_brute_force(trials: list[tuple[float, ...]]) -> None:
    found = two(trials, "n", tau=priors.HalfNormal(0.5)).sample(draws=2000)
    assert away(found, fixed_baselines("OR", trials, 0.5)) < 4.5
    assert not found.gate.warnings


MANY = [(520, 2000, 610, 2000), (310, 1500, 340, 1500)]


@pytest.mark.slow
def test_many_events_reach_the_exact_normal_model() -> None:
    table = vf.effect_size(
        "OR", data=pd.DataFrame(MANY, columns=["a", "n", "c", "m"]), events1="a", n1="n", events2="c", n2="m"
    )
    tau = priors.HalfNormal(0.1)
    want = vf.bayes.posterior(y=table.y, v=table.v, tau=tau, mu=MU)
    found = two(MANY, "n", tau=tau).sample()
    assert away(found, {name: (getattr(want, name).mean, getattr(want, name).sd) for name in ("mu", "tau")}) < 4.5
    result = found.result()
    assert result.labels == ("study 1", "study 2")
    assert result.shrunken_mean == pytest.approx(want.shrunken_mean, abs=0.1 * float(want.shrunken_sd.min()))
    assert result.next_trial.sd == pytest.approx(want.next_trial.sd, rel=0.1)


@pytest.mark.slow
def test_without_heterogeneity_it_is_logistic_regression() -> None:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    cells = np.array(MANY, dtype=float)
    events, size = cells[:, [2, 0]].ravel(), cells[:, [3, 1]].ravel()
    design = np.column_stack([np.kron(np.eye(2), np.ones((2, 1))), np.tile([-0.5, 0.5], 2)])
    fit = GLM(np.column_stack([events, size - events]), design, family=Binomial()).fit()
    found = two(MANY, "n", tau=priors.HalfNormal(1e-5)).sample()
    assert away(found, {"mu": (fit.params[2], fit.bse[2])}) < 4.5
    assert found.draws("baseline").mean((0, 1)) == pytest.approx(fit.params[:2], abs=0.1 * fit.bse[0])


@pytest.mark.slow
def test_risk_ratio_against_brute_force() -> None:
    trials = [(14, 20, 19, 21), (3, 12, 6, 14)]  # common events, where a log link would leave the unit interval
    spread = priors.LogNormal(math.log(0.6), 0.3)
    options = {"baseline": "random", "baseline_prior": priors.Normal(-1.0, 2.0), "baseline_sd": spread, "tau": spread}
    found = two(trials, "n", measure="RR", **options).sample(draws=2000)
    assert away(found, random_baselines("RR", trials)) < 4.5


@pytest.mark.slow
def test_rate_ratio_against_brute_force() -> None:
    trials = [(2, 30.0, 7, 28.0), (0, 12.0, 3, 14.0)]
    spread = priors.LogNormal(math.log(0.6), 0.3)
    options = {"baseline": "random", "baseline_prior": priors.Normal(-1.0, 2.0), "baseline_sd": spread, "tau": spread}
    found = two(trials, "time", **options).sample(draws=2000)
    assert away(found, random_baselines("IRR", trials)) < 4.5


def prior(model: Any, *names: str) -> list[np.ndarray]:
    drawn = model.prior_predictive(draws=4000, seed=3)
    return [np.asarray(drawn["prior"][name].values)[0] for name in names]


@pytest.mark.parametrize("coding", ["half", "reference"])
@pytest.mark.parametrize("baseline", ["fixed", "random"])
def test_three_arms(coding: str, baseline: str) -> None:
    model = models.binomial(
        LONG, study="trial", arm="drug", events="sick", n="all", reference="placebo", baseline=baseline, coding=coding,
        tau=priors.HalfNormal(0.5),
    )  # fmt: skip
    assert list(model.coords["contrast"]) == ["A: low", "A: high", "B: low"]
    mu, tau, theta, risk, level = prior(model, "mu", "tau", "theta", "risk", "baseline")
    z = (theta - mu[:, None]) / tau[:, None]
    want = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    assert np.cov(z.T) == pytest.approx(want, abs=0.08)
    assert z.mean(0) == pytest.approx(np.zeros(3), abs=0.07)
    odds = logit(risk)
    inside = np.abs(odds).max(1) < 25  # risks that a float tells from 0 and 1
    assert odds[:, 1:3][inside] - odds[:, :1][inside] == pytest.approx(theta[inside][:, :2], abs=1e-4)
    assert odds[:, 4][inside] - odds[:, 3][inside] == pytest.approx(theta[inside][:, 2], abs=1e-4)
    at = odds[:, :3].mean(1) if coding == "half" else odds[:, 0]
    assert level[inside][:, 0] == pytest.approx(at[inside], abs=1e-4)


def test_prior_of_a_risk_ratio() -> None:
    model = models.binomial(events1=[1, 4], n1=[9, 9], events2=[2, 5], n2=[9, 9], measure="RR", baseline="random")
    theta, risk, level = prior(model, "theta", "risk", "baseline")
    kept = (np.abs(logit(risk)) < 20).all(1)
    assert kept.mean() > 0.8
    assert np.log(risk[kept][:, 1::2] / risk[kept][:, ::2]) == pytest.approx(theta[kept], abs=1e-6)
    assert logit(risk[kept]).reshape(-1, 2, 2).mean(2) == pytest.approx(level[kept], abs=1e-5)


def test_exchangeable_baselines_have_their_spread() -> None:
    model = models.poisson(LONG, study="trial", arm="drug", events="sick", time="years", reference="placebo", baseline="random")
    level, middle, spread, rate = prior(model, "baseline", "baseline_mean", "baseline_sd", "rate")
    z = (level - middle[:, None]) / spread[:, None]
    assert np.cov(z.T) == pytest.approx(np.eye(2), abs=0.08)
    assert np.log(rate[:, :3]).mean(1) == pytest.approx(level[:, 0], abs=1e-8)
    assert stats.kstest(spread, stats.halfnorm(scale=1.5).cdf).pvalue > 1e-3


def test_rows_of_arms_and_of_trials_are_one_model() -> None:
    part = LONG[LONG["drug"] != "high"]
    long = models.binomial(part, study="trial", arm="drug", events="sick", n="all", reference="placebo")
    wide = models.binomial(events1=[7, 6], n1=[61, 41], events2=[12, 9], n2=[60, 40], study=["A", "B"])
    assert long.key == wide.key
    for name, x in wide.data.items():
        assert long.data[name] == pytest.approx(x)


def test_an_effect_table_brings_its_counts() -> None:
    frame = pd.DataFrame({"s": ["A", "B", "C"], "e": [3, 0, 5], "n": [40, 30, 50], "f": [6, 0, 9], "m": [41, 30, 52]})
    asked = Question(measure="RD", experimental="drug", control="placebo", outcome="fracture", higher_is_worse=True)
    table = vf.effect_size("RD", data=frame, study="s", events1="e", n1="n", events2="f", n2="m", question=asked)
    model = models.binomial(table)
    assert list(model.coords["study"]) == ["A", "B", "C"]
    assert model.question.measure == "OR"
    assert model.question.outcome == "fracture"
    assert list(model.coords["arm"])[:2] == ["A: placebo", "A: drug"]
    assert any("No event in any arm of B: kept" in note for note in model.notes)


def test_priors_are_said() -> None:
    model = models.poisson(events1=[3, 1], time1=[10, 20], events2=[5, 4], time2=[11, 21], baseline="random")
    centre = math.log(13.5 / 62)
    assert model.priors == (
        "tau ~ half-normal(0.5)", "mu ~ N(0, 2.82)",
        f"baseline (log rate of the mean of a trial's arms) ~ N(m, s), m ~ N({centre:.2f}, 5), s ~ half-normal(1.5)",
    )  # fmt: skip


BAD_ARMS: dict[str, tuple[dict[str, Any], str]] = {
    "more events than patients": ({"sick": [12, 70, 5, 9, 6]}, r"row 2 \(A: low\), column sick: more events than the total"),
    "not whole": ({"sick": [12, 7.5, 5, 9, 6]}, r"row 2 .*needs a whole number"),
    "missing": ({"sick": [12, None, 5, 9, 6]}, r"row 2 \(A: low\), column sick: missing value"),
    "twice": ({"drug": ["placebo", "low", "low", "placebo", "low"]}, "rows 2 and 3, .*'A: low' stands twice"),
    "no reference": ({"drug": ["placebo", "low", "high", "none", "low"]}, "row 4, 5, column drug: B has no arm 'placebo'"),
    "single arm": ({"trial": ["A", "A", "A", "A", "C"], "drug": ["placebo", "low", "high", "top", "placebo"]},
                   "row 5, column drug: C has no arm beside 'placebo'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ARMS)
def test_faulty_arms_are_named(case: str) -> None:
    columns, said = BAD_ARMS[case]
    with pytest.raises(InputError, match=said):
        models.binomial(LONG.assign(**columns), study="trial", arm="drug", events="sick", n="all", reference="placebo")


BAD_CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "measure": ({"measure": "RD"}, "risk difference is bounded"),
    "baseline": ({"baseline": "none"}, "baseline='none' is unknown"),
    "coding": ({"coding": "x"}, "coding='x' is unknown"),
    "improper": ({"mu": priors.Flat()}, "improper"),
    "spread": ({"baseline_sd": priors.HalfNormal(1)}, 'goes with baseline="random"'),
    "level": ({"baseline_prior": priors.HalfNormal(1)}, "baseline_prior=.*must be a vf.priors.Normal"),
    "question": ({"question": Question(measure="MD")}, "asks for measure 'MD'"),
    "ratio coding": ({"measure": "RR", "coding": "reference"}, "between both arms"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_impossible_requests_are_named(case: str) -> None:
    options, said = BAD_CALLS[case]
    with pytest.raises(InputError, match=said):
        models.binomial(events1=[1, 2], n1=[9, 9], events2=[2, 3], n2=[9, 9], **options)


def test_risk_ratio_takes_two_arms() -> None:
    with pytest.raises(InputError, match="takes trials of two arms; A has more"):
        models.binomial(LONG, study="trial", arm="drug", events="sick", n="all", reference="placebo", measure="RR")


def test_an_arm_without_a_count_is_left_out_when_asked() -> None:
    holed = LONG.assign(sick=[12, 7, None, 9, None])
    model = models.binomial(holed, study="trial", arm="drug", events="sick", n="all", reference="placebo", missing="drop")
    assert list(model.coords["study"]) == ["A"]
    assert list(model.coords["arm"]) == ["A: placebo", "A: low"]
    assert any("B is left out" in note for note in model.notes)
    assert any("One trial only (A)" in note for note in model.notes)
