"""What stands on the exact posterior: model averaging, predictive priors and their worth, meta-regression."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from tests.bayes_data import V, Y, quiet

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import posterior
from vfmeta.bayes.predictive_prior import effective_sample_size, map_prior


def test_model_average_against_direct_integration() -> None:
    tau, mu = priors.HalfNormal(0.5), priors.Normal(0, 2)
    got = vf.bayes.model_average(quiet(y=Y, v=V, tau=tau, mu=mu), p_effect=0.4, p_heterogeneity=0.7)

    def data(m: float, t: float) -> float:
        return float(np.prod(norm.pdf(Y, m, np.sqrt(V + t * t))))

    fixed = quad(lambda m: data(m, 0) * norm.pdf(m, 0, 2), -6, 5, epsrel=1e-11, points=[-0.5])[0]
    none = quad(lambda t: data(0, t) * float(np.exp(tau.log_density(np.array([t]), V)[0])), 0, 6, epsrel=1e-11)[0]
    assert np.exp(got.log_evidence[:3]) == pytest.approx([data(0, 0), fixed, none], rel=1e-8)
    odds = np.array([0.6 * 0.3, 0.4 * 0.3, 0.6 * 0.7, 0.4 * 0.7]) * np.exp(got.log_evidence)
    assert got.probabilities == pytest.approx(odds / odds.sum(), rel=1e-9)
    assert got.bf_effect == pytest.approx(got.p_effect / (1 - got.p_effect) / (0.4 / 0.6), rel=1e-9)
    assert got.bf_heterogeneity == pytest.approx(got.p_heterogeneity / (1 - got.p_heterogeneity) / (0.7 / 0.3), rel=1e-9)
    low, high = got.mu.interval()
    assert float(got.mu.cdf(low)) == pytest.approx(0.025, abs=1e-9)
    assert high == 0.0  # the upper limit falls on the spike
    assert "Bayes factor" in str(got)
    same = vf.bayes.model_average(
        quiet(y=Y, v=V, tau=tau, mu=priors.Mixture((0.5, 0.5), (0, 0), (2, 2))), p_effect=0.4, p_heterogeneity=0.7
    )
    assert same.probabilities == pytest.approx(got.probabilities, rel=1e-9)


def test_bayes_factors_ask_for_proper_priors() -> None:
    for given, name in (({"mu": priors.Flat()}, "mu"), ({"mu": priors.Normal(0, 1), "tau": priors.Uniform()}, "tau")):
        with pytest.raises(vf.InputError, match=rf"proper prior of {name}.*Kass & Raftery 1995"):
            vf.bayes.model_average(quiet(y=Y, v=V, **{"tau": priors.HalfNormal(1), **given}))


def test_map_prior_and_its_worth() -> None:
    post = posterior(Y, V, priors.HalfNormal(0.5), priors.Normal(0, 5))
    fit = map_prior(post)
    assert fit.mean == pytest.approx(post.next_trial.mean, abs=0.01)
    assert fit.sd == pytest.approx(post.next_trial.sd, rel=0.01)
    logw, mean, precision = fit.components(Y, V)
    x = np.linspace(-3, 2, 41)
    cdf = (np.exp(logw) * norm.cdf((x[:, None] - mean) * np.sqrt(precision))).sum(1)
    assert np.abs(cdf - post.next_trial.cdf(x)).max() < 0.005
    robust = fit.robust(0.2, sd=4.0)
    assert sum(robust.weights) == pytest.approx(1)
    assert effective_sample_size(robust, 5.0) < effective_sample_size(fit, 5.0)
    new = quiet(y=[4.0], v=[0.05], tau=priors.HalfNormal(0.1), mu=robust)
    assert new.estimate > quiet(y=[4.0], v=[0.05], tau=priors.HalfNormal(0.1), mu=fit).estimate
    # a normal prior is worth unit_sd^2 / sd^2 patients; a t prior's information is (df + 1) / (df + 3) / scale^2
    assert effective_sample_size(priors.Normal(0, 0.5), 5.0) == pytest.approx(100)
    assert effective_sample_size(priors.Mixture((0.5, 0.5), (0, 0), (0.5, 0.5)), 5.0) == pytest.approx(100, rel=1e-9)
    assert effective_sample_size(priors.StudentT(4, 0, 0.5), 5.0) == pytest.approx(100 * 5 / 7, rel=1e-3)
    assert effective_sample_size(priors.Flat(), 5.0) == 0


def test_meta_regression_against_the_pool_and_direct_integration() -> None:
    tau = priors.HalfNormal(0.5)
    alone = vf.bayes.meta_regression(y=Y, v=V, formula="~ 1", tau=tau, beta=priors.Normal(0, 2))
    pool = posterior(Y, V, tau, priors.Normal(0, 2))
    assert alone.se[0] == pytest.approx(pool.mu.sd, rel=1e-10)
    assert alone.weights == pytest.approx(pool.weights, rel=1e-8)
    assert alone.log_evidence == pytest.approx(pool.log_marginal_likelihood, abs=1e-10)
    week = np.array([1.0, 4, 12, 26, 52, 52])
    fit = vf.bayes.meta_regression(
        y=Y, v=V, data={"week": week}, formula="~ week", tau=tau, beta={"week": priors.Normal(0, 0.05)}
    )
    x = np.column_stack([np.ones(6), week])

    def at(t: float) -> tuple[float, float]:
        w = 1 / (V + t * t)
        info = x.T @ (w[:, None] * x) + np.diag([0, 400.0])
        b = np.linalg.solve(info, x.T @ (w * Y))
        q = (w * (Y - x @ b) ** 2).sum() + 400 * b[1] ** 2
        dens = math.exp(0.5 * (np.log(w).sum() - np.linalg.slogdet(info)[1] - q) - t * t / 0.5)
        return dens, b[1]

    total, slope = (
        quad(lambda t: at(t)[0], 0, 5, epsabs=0, epsrel=1e-11)[0],
        quad(lambda t: at(t)[0] * at(t)[1], 0, 5, epsabs=0, epsrel=1e-11)[0],
    )
    assert fit.marginal("week").mean == pytest.approx(slope / total, rel=1e-8)
    there = fit.predict({"week": [12.0]}).iloc[0]
    assert there["prediction_low"] < there["ci_low"] < there["estimate"] < there["ci_high"] < there["prediction_high"]
    # as independent draws of the coefficients have it
    drawn = fit.draws(200_000, seed=3)["beta"] @ [1.0, 12.0]
    assert [there["estimate"], there["ci_low"], there["ci_high"]] == pytest.approx(
        np.quantile(drawn, [0.5, 0.025, 0.975]), abs=0.01
    )
    other = vf.bayes.meta_regression(
        y=Y, v=V, data={"year": week / 52}, formula="~ year", tau=tau, beta={"year": priors.Normal(0, 2.6)}
    )
    assert other.marginal("year").mean == pytest.approx(52 * fit.marginal("week").mean, rel=1e-9)
    assert list(fit.to_frame()["term"]) == ["Intercept", "week"]
    for given, message in (
        ({"x": [1, 2]}, r"for 6 rows it must be \(6, p\)"),
        ({"formula": "~ a", "data": {"a": np.ones(6)}}, "linearly dependent"),
        ({"formula": "~ a", "data": {"a": [1, 2, 3, 4, 5, math.nan]}}, r"row 6 .*column a: "),
        ({"formula": "~ 1", "beta": {"b": priors.Flat()}}, "no coefficient"),
    ):
        with pytest.raises(vf.InputError, match=message):
            vf.bayes.meta_regression(y=Y, v=V, tau=tau, **given)
    with pytest.raises(vf.InputError, match="improper"):
        vf.bayes.meta_regression(y=Y[:3], v=V[:3], data={"a": [1, 2, 3]}, formula="~ a", tau=priors.Uniform())


def test_draws_of_a_meta_regression_follow_its_marginals() -> None:
    week = np.array([1.0, 4, 12, 26, 52, 52])
    fit = vf.bayes.meta_regression(y=Y, v=V, data={"week": week}, formula="~ week", tau=priors.HalfNormal(0.5))
    drawn = fit.draws(40_000, seed=2)
    for j, name in enumerate(fit.terms):
        u = fit.marginal(name).cdf(drawn["beta"][:, j])
        assert np.quantile(u, [0.05, 0.5, 0.95]) == pytest.approx([0.05, 0.5, 0.95], abs=0.01)
    # the correlation of the coefficients, averaged over tau, by their definition
    w = 1 / (V + drawn["tau"][:, None] ** 2)
    a, b, c = w.sum(1), (w * week).sum(1), (w * week**2).sum(1)
    cov = float((-b / (a * c - b * b)).mean())
    first, second = c * (w @ Y) - b * (w @ (week * Y)), a * (w @ (week * Y)) - b * (w @ Y)
    centre = np.stack([first, second]) / (a * c - b * b)
    assert np.cov(drawn["beta"].T)[0, 1] == pytest.approx(cov + np.cov(centre)[0, 1], rel=0.04)
    by_drug = vf.bayes.meta_regression(y=Y, v=V, data={"drug": list("aabbcc")}, formula="~ drug", tau=priors.HalfNormal(0.5))
    assert by_drug.terms == ("Intercept", "drug[T.b]", "drug[T.c]")
    assert "prior: week: beta flat (improper)" in str(fit)
