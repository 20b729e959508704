"""The compiled engine and what stands on it: long arithmetic, batches, averaging, design, regression, scaling, calibration."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats import t as student

import vfmeta as vf
from vfmeta.bayesian import compiled, posterior, priors
from vfmeta.bayesian.design import effective_sample_size, map_prior
from vfmeta.results import BayesianResult, Question

LONG = json.loads((Path(__file__).parent / "reference" / "exact_bayes.json").read_text(encoding="utf-8"))
Y = np.array([-0.9, -1.6, -0.2, 0.3, -1.1, -0.6])
V = np.array([0.3, 0.2, 0.05, 0.09, 0.4, 0.02])
PAIN = Question(
    measure="MD", experimental="the drug", control="placebo", outcome="pain", higher_is_worse=True, scale=(0, 10), mid=1.5,
    mid_source="a paper",
)  # fmt: skip
FAMILIES = [
    priors.HalfNormal(0.5), priors.HalfCauchy(0.5), priors.HalfT(4, 0.5), priors.Exponential(0.5), priors.LogNormal(-1, 0.8),
    priors.LogT(-1.7, 1.25), priors.InverseGamma(2, 0.3), priors.InverseGamma(3, 0.9, on="tau"), priors.Uniform(2.0),
    priors.Uniform(), priors.Uniform(2.0, on="tau2"), priors.Uniform(on="tau2"), priors.Jeffreys(), priors.Shrinkage(),
    priors.DuMouchel(), priors.Conventional(),
]  # fmt: skip


def quiet(**kwargs: Any) -> BayesianResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.bayes.random_effects(**kwargs)


def long_prior(spec: list[Any]) -> priors.TauPrior:
    name, *a = spec
    kinds = {
        "halfnormal": priors.HalfNormal, "halfcauchy": priors.HalfCauchy, "halft": priors.HalfT, "uniform": priors.Uniform,
        "exponential": priors.Exponential, "lognormal": priors.LogNormal, "jeffreys": priors.Jeffreys,
    }  # fmt: skip
    return kinds[name](*a)


@pytest.mark.parametrize("case", LONG, ids=lambda c: c["id"])
def test_compiled_engine_against_long_arithmetic(case: dict[str, Any]) -> None:
    """Errors below 1e-6 of the posterior SD (relative for tau) against 30-digit integration; no fallback."""
    mu = priors.Normal(*case["mu"]) if case["mu"] else priors.Flat()
    y, v, tau = np.array(case["y"], dtype=float), np.array(case["v"], dtype=float), long_prior(case["tau"])
    expect = case["expect"]
    wanted = sorted({float(n.split(".q")[1]) for n in expect if ".q" in n})
    points = sorted({float(n.split("@")[1]) for n in expect if "cdf@" in n and n[:2] in ("mu", "ne")})
    got = compiled.one(y, v, tau, mu, np.array(wanted), np.array(points), 101)
    assert got is not None
    seen = 0
    for name, want in expect.items():
        quantity, _, what = name.partition(".")
        scale = expect.get(f"{quantity}.sd", 1.0)
        if quantity.startswith("weight"):
            value, scale = 100 * got.study[0, int(quantity[6:])], 1.0
        elif quantity.startswith("study"):
            i = int(quantity[5:])
            if what in ("mean", "sd"):
                value = got.study[1 if what == "mean" else 2, i]
            elif what.startswith("q") and float(what[1:]) in (wanted[0], wanted[-1]):
                value = got.study[3 if float(what[1:]) == wanted[0] else 4, i]
            else:
                continue
        elif what.startswith("cdf@"):
            if quantity == "tau":
                continue
            value, scale = got.below[0, 0 if quantity == "mu" else 1, points.index(float(what[4:]))], 1.0
        elif what.startswith("q"):
            value = got.limits[0, ["tau", "mu", "next_trial"].index(quantity), wanted.index(float(what[1:]))]
        else:
            value = got[f"{quantity.replace('next_trial', 'next')}_{what}"][0]
        seen += 1
        assert abs(value - want) <= 1e-6 * scale, (name, value, want)
    assert seen >= 15


@pytest.mark.parametrize("tau", FAMILIES, ids=str)
@pytest.mark.parametrize(
    "mu",
    [priors.Flat(), priors.Normal(0.3, 1.2), priors.StudentT(4, 0, 0.5), priors.Mixture((0.7, 0.3), (-0.5, 1), (0.2, 3))],
    ids=str,
)  # fmt: skip
def test_every_prior_compiled_and_in_numpy_panels(tau: priors.TauPrior, mu: priors.MuPrior) -> None:
    post = posterior(Y, V, tau, mu)
    prob = np.array([0.025, 0.5, 0.975])
    got = compiled.one(Y, V, tau, mu, prob, np.array([0.0]), 101)
    assert got is not None
    for row, part in enumerate((post.tau, post.mu, post.next_trial)):
        assert got.limits[0, row] == pytest.approx(part.quantile(prob), rel=1e-7, abs=1e-7)
    assert got["mu_sd"][0] == pytest.approx(post.mu.sd, rel=1e-8)
    assert got["tau_mode"][0] == pytest.approx(post.tau.mode, abs=1e-6)
    assert got["mu_mode"][0] == pytest.approx(post.mu.mode, abs=1e-7)
    assert got.study[1] == pytest.approx(post.shrunken_mean, rel=1e-8)
    assert pytest.approx(np.stack(post.shrunken_interval(0.95), 1), rel=1e-7) == got.study[3:5].T
    assert got["prior_share"][0] == pytest.approx(post.prior_share, abs=1e-9)
    if post.log_marginal_likelihood is not None:
        assert got["log_mass"][0] - 3 * math.log(2 * math.pi) == pytest.approx(post.log_marginal_likelihood, abs=1e-8)


def test_random_input_both_roads_agree() -> None:
    rng = np.random.default_rng(11)
    prob = np.array([0.005, 0.5, 0.995])
    solved = 0
    for _ in range(80):
        k, unit = int(rng.integers(2, 15)), 10.0 ** rng.uniform(-5, 5)
        y = rng.normal(size=k) * 10.0 ** rng.uniform(-2, 1.5) * unit + rng.normal() * unit
        v = (10.0 ** rng.uniform(-1.5, 1.5, k) * unit) ** 2
        tau = (priors.HalfNormal, priors.HalfCauchy, priors.Exponential)[rng.integers(3)](unit * 10.0 ** rng.uniform(-1.5, 1.5))
        mu = priors.Flat() if rng.integers(2) else priors.Normal(0, unit)
        got = compiled.one(y, v, tau, mu, prob, np.array([0.0]), 101)
        if got is None:
            continue
        solved += 1
        post = posterior(y, v, tau, mu)
        for row, part in enumerate((post.tau, post.mu, post.next_trial)):
            span = float(np.ptp(part.quantile(prob)))
            assert got.limits[0, row] == pytest.approx(part.quantile(prob), rel=1e-6, abs=1e-7 * span)
    assert solved >= 76


def test_t_prior_by_two_dimensional_integration() -> None:
    """Evidence and mean under a t prior, by adaptive integration over mu of the density itself."""
    tau, df, place, scale = 0.4, 3.0, 1.0, 0.3

    def integrand(m: float, power: int) -> float:
        return m**power * student.pdf(m, df, place, scale) * float(np.prod(norm.pdf(Y, m, np.sqrt(V + tau**2))))

    total, first = (quad(integrand, -8, 8, args=(n,), points=[-0.5, 1.0], epsabs=0, epsrel=1e-11, limit=400)[0] for n in (0, 1))
    # tau pinned: a log-normal so narrow that it is a point
    fit = quiet(y=Y, v=V, tau=priors.LogNormal(math.log(tau), 1e-5), mu=priors.StudentT(df, place, scale))
    assert fit.mu.mean == pytest.approx(first / total, abs=1e-7)
    assert fit.log_evidence == pytest.approx(math.log(total), abs=1e-7)


def test_t_prior_gives_way_where_the_normal_does_not() -> None:
    y, v = np.array([9.8, 10.1, 10.3]), np.full(3, 0.01)
    heavy = quiet(y=y, v=v, tau=priors.HalfNormal(0.3), mu=priors.StudentT(3, 0, 0.5))
    light = quiet(y=y, v=v, tau=priors.HalfNormal(0.3), mu=priors.Normal(0, 0.5))
    assert heavy.estimate > 9.9
    assert light.estimate < heavy.estimate - 0.2
    near_normal = quiet(y=Y, v=V, tau=priors.HalfNormal(0.5), mu=priors.StudentT(1e6, 0, 1))
    assert near_normal.mu.sd == pytest.approx(
        quiet(y=Y, v=V, tau=priors.HalfNormal(0.5), mu=priors.Normal(0, 1)).mu.sd, rel=1e-5
    )


def test_many_equal_one_at_a_time() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 8, 150)
    names = np.repeat([f"q{i}" for i in range(150)], counts)
    frame = pd.DataFrame({"q": names, "y": rng.normal(size=len(names)), "v": rng.gamma(2, 0.2, len(names)) + 1e-3})
    frame = frame.sample(frac=1, random_state=1)
    many = vf.bayes.random_effects_many(frame, by="q", question=PAIN)
    every = vf.bayes.random_effects_many(frame, by="q", question=PAIN, studies=True)
    assert list(many["q"]) == list(dict.fromkeys(frame["q"]))
    for i in (0, 17, 149):
        part = frame[frame["q"] == many["q"][i]]
        one = quiet(y=part["y"].to_numpy(), v=part["v"].to_numpy(), question=PAIN)
        row = many.iloc[i]
        assert row["k"] == one.k
        assert row["estimate"] == pytest.approx(one.estimate, rel=1e-12)
        assert (row["prediction_low"], row["prediction_high"]) == pytest.approx(one.prediction, rel=1e-12)
        assert (row["p_benefit"], row["p_benefit_mid"]) == pytest.approx((one.p_benefit, one.p_benefit_mid), rel=1e-10)
        assert row["log_evidence"] == pytest.approx(one.log_evidence, rel=1e-10)
        mine = every[every["q"] == many["q"][i]]
        assert mine["shrunken_low"].to_numpy() == pytest.approx(one.shrunken_low, rel=1e-10)


def test_rows_the_kernel_leaves_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"q": [1, 1, 1, 2, 2], "y": [0.1, 0.4, -0.3, 1.0, 0.2], "v": [0.1, 0.2, 0.1, 0.3, 0.1]})
    want = (
        vf.bayes.random_effects_many(frame, by="q", question=PAIN),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, studies=True),
    )
    monkeypatch.setattr(priors.HalfNormal, "compiled", lambda self, v: None)
    got = (
        vf.bayes.random_effects_many(frame, by="q", question=PAIN),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, studies=True),
    )
    for a, b in zip(want, got, strict=True):
        pd.testing.assert_frame_equal(a, b, rtol=1e-7)


def test_prior_sensitivity_is_the_posterior_at_every_prior() -> None:
    grid = vf.bayes.prior_sensitivity(y=Y, v=V, question=PAIN, tau_scales=[0.2, 1.0], mu_sds=[1.0, 5.0, math.inf])
    assert grid.shape[0] == 6
    for row in grid.itertuples():
        mu = priors.Flat() if math.isinf(row.mu_sd) else priors.Normal(0, row.mu_sd)
        one = quiet(y=Y, v=V, tau=priors.HalfNormal(row.tau_scale), mu=mu)
        assert row.estimate == pytest.approx(one.estimate, rel=1e-10)
        assert row.tau_high == pytest.approx(one.tau.interval[1], rel=1e-10)
        assert math.isnan(row.log_evidence) == math.isinf(row.mu_sd)
    assert (np.diff(grid.groupby("mu_sd")["tau"].apply(list).iloc[0]) > 0).all()


def test_joint_density_and_draws() -> None:
    post = posterior(Y, V, priors.HalfNormal(0.5), priors.Normal(0, 2))
    area = quad(lambda m: float(post.joint_density(m, 0.4)), -6, 6)[0]
    assert area == pytest.approx(float(post.tau.density(0.4)), rel=1e-9)
    d = post.draws(40_000, seed=3)
    again = post.draws(40_000, seed=3)
    for name, part in (("mu", post.mu), ("tau", post.tau), ("next_trial", post.next_trial)):
        assert np.array_equal(d[name], again[name])
        assert d[name].mean() == pytest.approx(part.mean, abs=5 * part.sd / 200)
        assert np.quantile(part.cdf(d[name]), [0.1, 0.9]) == pytest.approx([0.1, 0.9], abs=0.01)
    assert d["theta"].mean(0) == pytest.approx(post.shrunken_mean, abs=0.01)
    with pytest.raises(vf.InputError, match="n=0"):
        post.draws(0)


def test_model_average_against_direct_integration() -> None:
    tau, mu = priors.HalfNormal(0.5), priors.Normal(0, 2)
    got = vf.bayes.model_average(y=Y, v=V, tau=tau, mu=mu, p_effect=0.4, p_heterogeneity=0.7)

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
        y=Y, v=V, tau=tau, mu=priors.Mixture((0.5, 0.5), (0, 0), (2, 2)), p_effect=0.4, p_heterogeneity=0.7
    )
    assert same.probabilities == pytest.approx(got.probabilities, rel=1e-9)


def test_bayes_factors_ask_for_proper_priors() -> None:
    for given, name in (({"mu": priors.Flat()}, "mu"), ({"mu": priors.Normal(0, 1), "tau": priors.Uniform()}, "tau")):
        with pytest.raises(vf.InputError, match=rf"proper prior of {name}.*Kass & Raftery 1995"):
            vf.bayes.model_average(y=Y, v=V, **{"tau": priors.HalfNormal(1), **given})


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
    alone = vf.bayes.meta_regression(y=Y, v=V, tau=tau, beta=priors.Normal(0, 2))
    pool = posterior(Y, V, tau, priors.Normal(0, 2))
    assert alone.beta["intercept"].sd == pytest.approx(pool.mu.sd, rel=1e-10)
    assert alone.log_marginal_likelihood == pytest.approx(pool.log_marginal_likelihood, abs=1e-10)
    week = np.array([1.0, 4, 12, 26, 52, 52])
    fit = vf.bayes.meta_regression(y=Y, v=V, covariates={"week": week}, tau=tau, beta={"week": priors.Normal(0, 0.05)})
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
    assert fit.beta["week"].mean == pytest.approx(slope / total, rel=1e-8)
    mean, following = fit.predict({"week": 12})
    assert following.sd > mean.sd
    other = vf.bayes.meta_regression(y=Y, v=V, covariates={"year": week / 52}, tau=tau, beta={"year": priors.Normal(0, 2.6)})
    assert other.beta["year"].mean == pytest.approx(52 * fit.beta["week"].mean, rel=1e-9)
    assert list(fit.to_frame()["term"]) == ["intercept", "week", "tau"]
    for given, message in (
        ({"covariates": [1, 2]}, "one row for each of the 6"),
        ({"covariates": {"a": np.ones(6)}}, "linearly dependent"),
        ({"covariates": {"a": [1, 2, 3, 4, 5, math.nan]}}, "row 6, covariate a"),
        ({"beta": {"b": priors.Flat()}}, "no coefficient"),
    ):
        with pytest.raises(vf.InputError, match=message):
            vf.bayes.meta_regression(y=Y, v=V, tau=tau, **given)
    with pytest.raises(vf.InputError, match="improper"):
        vf.bayes.meta_regression(y=Y[:3], v=V[:3], covariates={"a": [1, 2, 3]}, tau=priors.Uniform())


def test_power_scaling_sees_conflict_and_strong_priors() -> None:
    calm = vf.bayes.power_scaling(y=Y, v=V, tau=priors.HalfNormal(1.0), mu=priors.Normal(0, 10))
    assert calm.prior["mu"] < 0.05
    assert calm.diagnosis("mu") == ""
    clash = vf.bayes.power_scaling(y=Y + 5, v=V, tau=priors.HalfNormal(0.2), mu=priors.Normal(0, 0.5))
    assert clash.diagnosis("mu") == "conflict"
    assert clash.conflict < 1e-3
    assert "disagree" in clash.verdict
    strong = vf.bayes.power_scaling(y=[0.1, 0.0], v=[4.0, 4.0], tau=priors.HalfNormal(0.5), mu=priors.Normal(0.05, 0.1))
    assert strong.prior["mu"] > 5 * strong.likelihood["mu"]
    flat = vf.bayes.power_scaling(y=Y, v=V, tau=priors.HalfNormal(1.0))
    assert flat.conflict is None


def test_power_scaling_of_a_normal_by_its_own_formula() -> None:
    """With tau pinned the scaled posteriors are normal: the distance of two normals, integrated here directly."""
    from vfmeta.bayesian.scaling import _STEP

    y, v, m0, s0 = np.array([1.0]), np.array([1.0]), 0.0, 1.0
    got = vf.bayes.power_scaling(y=y, v=v, tau=priors.LogNormal(math.log(1e-6), 0.01), mu=priors.Normal(m0, s0)).prior["mu"]

    def moved(power: float) -> tuple[float, float]:
        precision = power / s0**2 + 1 / v[0]
        return (power * m0 / s0**2 + y[0] / v[0]) / precision, precision**-0.5

    def distance(power: float) -> float:
        x = np.linspace(-5, 6, 20001)
        best = 0.0
        for side in (1, -1):
            a, b = norm.cdf(side * (x - moved(1)[0]) / moved(1)[1]), norm.cdf(side * (x - moved(power)[0]) / moved(power)[1])
            # over the range in which the engine's points lie
            inside = (x > 0.5 - 2.9 * 0.7071) & (x < 0.5 + 2.9 * 0.7071)
            a, b = np.clip(a[inside], 1e-300, 1), np.clip(b[inside], 1e-300, 1)
            mid = (a + b) / 2
            best = max(best, math.sqrt(max((a * np.log2(a / mid) + b * np.log2(b / mid)).sum(), 0) / (a + b).sum()))
        return best

    want = (distance(_STEP) + distance(1 / _STEP)) / (2 * math.log2(_STEP))
    assert got == pytest.approx(want, rel=0.05)


def test_calibration_of_the_engine() -> None:
    """A small run; `make calibrate` does 1,000 a setting."""
    for seed, (k, tau, mu) in enumerate([(3, priors.HalfNormal(0.5), None), (2, priors.HalfCauchy(0.5), priors.Normal(0, 1))]):
        table = vf.bayes.calibrate(k, tau, mu, runs=400, seed=seed).to_frame()
        assert (table["p"] > 0.01 / 8).all(), table
    # and it would see a fault: posteriors from another prior than the draws'
    wrong = vf.bayes.calibrate(3, priors.HalfNormal(0.5), runs=400, seed=2)
    assert (np.histogram(wrong.tau**2, bins=10, range=(0, 1))[0] > 90).any()
    with pytest.raises(vf.InputError, match="must be proper"):
        vf.bayes.calibrate(3, priors.Uniform())


def test_summary_speaks_to_clinicians() -> None:
    fit = quiet(y=Y, v=V, question=PAIN)
    said = fit.summary(vf.bayes.power_scaling(y=Y, v=V, question=PAIN))
    for part in (
        "The drug against placebo, pain: 6 trials.", "points lower (95% credible interval",
        "on the 0-10 scale, in favour of the drug",
        "Probability of any benefit from the drug: 97%", "1.5 points (the minimal important difference, a paper)",
        "Of harm: 3%",
        "In a further trial", "Priors: tau ~ half-normal(1); mu ~ N(0, 10).", "carries less than 1%",
        "Prior and trials both move the heterogeneity",
    ):  # fmt: skip
        assert part in said, (part, said)
    back = BayesianResult.from_dict(json.loads(fit.to_json()))
    assert back.summary() == fit.summary()
    wide = quiet(y=10 * Y, v=100 * V, question=Question(**{**PAIN.to_dict(), "scale": (0, 100), "mid": 15.0}))
    assert "Carried to 0-10 that is 0.6 points lower" in wide.summary()
    ratio = quiet(
        y=Y / 3,
        v=V / 9,
        question=Question(measure="RR", experimental="a", control="b", outcome="fracture", higher_is_worse=True),
    )
    assert "a ratio of 0.8" in ratio.summary()
    assert quiet(y=Y, v=V, tau=priors.HalfNormal(1)).summary()


def test_bad_batches_name_what_is_wrong() -> None:
    frame = pd.DataFrame({"q": [1, 1, 2], "y": [0.1, 0.2, 0.3], "v": [0.1, 0.1, 0.1]})
    with pytest.raises(vf.InputError, match="no column 'z'"):
        vf.bayes.random_effects_many(frame, by="z", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="q = 1: The posterior is improper"):
        vf.bayes.random_effects_many(frame, by="q", tau=priors.Uniform())
    with pytest.raises(vf.InputError, match="row 1, column v"):
        vf.bayes.random_effects_many(frame.assign(v=[0.1, -1, 0.1]), by="q", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="row 2, column y"):
        vf.bayes.random_effects_many(frame.assign(y=[0.1, 0.2, math.nan]), by="q", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="tau_scales must"):
        vf.bayes.prior_sensitivity(y=Y, v=V, tau_scales=[-1.0], mu_sds=[1.0])
