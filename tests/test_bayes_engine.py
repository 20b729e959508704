"""The compiled engine: long arithmetic, every prior on both roads, t priors, shortest intervals, draws, calibration."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats import t as student
from tests.bayes_data import V, Y, quiet

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import compiled, posterior

LONG = json.loads((Path(__file__).parent / "reference" / "exact_bayes.json").read_text(encoding="utf-8"))
FAMILIES = [
    priors.HalfNormal(0.5), priors.HalfCauchy(0.5), priors.HalfT(4, 0.5), priors.Exponential(0.5), priors.LogNormal(-1, 0.8),
    priors.LogT(-1.7, 1.25), priors.InverseGamma(2, 0.3), priors.InverseGamma(3, 0.9, on="tau"), priors.Uniform(2.0),
    priors.Uniform(), priors.Uniform(2.0, on="tau2"), priors.Uniform(on="tau2"), priors.Jeffreys(), priors.Shrinkage(),
    priors.DuMouchel(), priors.Conventional(),
]  # fmt: skip


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


@pytest.mark.parametrize(
    ("tau", "mu"),
    [*((t, priors.Flat()) for t in FAMILIES), (FAMILIES[0], priors.StudentT(4, 0, 0.5)),
     (FAMILIES[1], priors.Mixture((0.7, 0.3), (-0.5, 1), (0.2, 3)))],
    ids=str,
)  # fmt: skip
def test_shortest_intervals_hold_the_level_and_none_is_shorter(tau: priors.TauPrior, mu: priors.MuPrior) -> None:
    """By the distribution functions of the other road: content as stated, and no interval of that content is shorter."""
    post = posterior(Y, V, tau, mu)
    got = compiled.one(Y, V, tau, mu, np.array([0.05, 0.5, 0.95]), np.empty(0), 101, 0.9)
    assert got is not None
    for part, (low, _, high) in zip((post.tau, post.mu, post.next_trial), got.limits[0], strict=True):
        assert float(part.cdf(high) - part.cdf(low)) == pytest.approx(0.9, abs=1e-9)
        p = np.linspace(1e-9, 0.1 - 1e-9, 30)
        assert high - low <= (part.quantile(p + 0.9) - part.quantile(p)).min() * (1 + 1e-8)
    low, high = post.study(2).interval(0.9, "shortest")
    assert got.study[3:5, 2] == pytest.approx([low, high], abs=1e-6 * (high - low))


def test_shortest_interval_starts_at_zero_where_the_density_falls() -> None:
    same = {"y": [0.1, 0.1, 0.1], "v": [1.0, 1.0, 1.0], "tau": priors.HalfNormal(0.5)}
    fit = quiet(**same, interval="shortest")
    assert fit.tau.interval == pytest.approx((0.0, float(posterior(**same).tau.quantile(0.95))), rel=1e-9)
    rising = quiet(y=[-9.0, 9.0], v=[0.1, 0.1], tau=priors.Uniform(2.0), interval="shortest").tau.interval
    assert rising[1] == 2.0


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
