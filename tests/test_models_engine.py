"""The engine under the PyMC models: groups and names, densities, draws, reuse of compiled graphs, the gate, the fallback."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import models
from vfmeta.bayes import versions as compat
from vfmeta.bayes.models import diagnostics as gate
from vfmeta.bayes.models import engine
from vfmeta.bayes.models.progress import Progress
from vfmeta.bayes.models.vectorised import Vectorised
from vfmeta.results.posterior import BayesianResult

Y, V = np.array([-1.0, 0.2, 0.9]), np.array([0.1, 0.2, 0.15])
LABELS = ["Alpha", "Beta", "Gamma"]
TAU, MU = priors.HalfNormal(0.5), priors.Normal(0.0, 2.82)
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


def small(**given: Any) -> models.Model:
    return models.normal_normal(**{"y": Y, "v": V, "study": LABELS, "tau": TAU, "mu": MU, **given})


@pytest.fixture(scope="module")
def fit() -> models.Sampled:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return small().sample()


def test_groups_have_names(fit: models.Sampled) -> None:
    for group in ("posterior", "posterior_predictive", "log_likelihood", "prior_predictive", "observed_data"):
        name = "theta" if group == "posterior" else "effect"
        x = fit.arviz[group][name]
        assert x.dims[-1] == "study"
        assert list(x.coords["study"].values) == LABELS
    for group, names in {"log_prior": {"mu", "tau"}, "prior": {"mu", "tau"}, "sample_stats": {"energy", "diverging"}}.items():
        assert names <= set(fit.arviz[group].data_vars)
    assert list(fit.arviz["observed_data"]["effect"].values) == list(Y)
    assert list(fit.arviz["constant_data"]["v"].values) == list(V)
    assert fit.draws("theta").shape == (4, 1000, 3)
    assert np.array_equal(fit.arviz["posterior"]["theta"].values, fit.draws("theta"))
    with pytest.raises(vf.InputError, match="no 'beta' in group 'posterior'"):
        fit.draws("beta")


def test_densities_are_those_of_the_model(fit: models.Sampled) -> None:
    mu, tau = fit.draws("mu"), fit.draws("tau")
    want = stats.norm.logpdf(Y, mu[..., None], np.hypot(tau[..., None], np.sqrt(V)))
    assert fit.draws("effect", "log_likelihood") == pytest.approx(want, abs=1e-7)
    # densities of the parameters themselves, without the Jacobian of the sampler's log tau
    assert fit.draws("mu", "log_prior") == pytest.approx(stats.norm.logpdf(mu, 0, 2.82), abs=1e-7)
    assert fit.draws("tau", "log_prior") == pytest.approx(stats.halfnorm.logpdf(tau, scale=0.5), abs=1e-7)


def test_predictions_have_the_right_distribution(fit: models.Sampled) -> None:
    mu, tau = fit.draws("mu")[..., None], fit.draws("tau")[..., None]
    z = ((fit.draws("effect", "posterior_predictive") - mu) / np.hypot(tau, np.sqrt(V))).reshape(-1, 3)
    for column in z.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.06  # drawn apart
    tree = small().prior_predictive(seed=3, draws=4000)
    drawn = {n: np.asarray(tree["prior"][n].values).ravel() for n in ("mu", "tau")}
    assert stats.kstest(drawn["mu"] / 2.82, "norm").pvalue > 1e-4
    assert stats.kstest(drawn["tau"], stats.halfnorm(scale=0.5).cdf).pvalue > 1e-4
    ahead = np.asarray(tree["prior_predictive"]["effect"].values)[0]
    assert np.var(ahead, axis=0) == pytest.approx(2.82**2 + 0.5**2 + V, rel=0.1)
    with pytest.raises(vf.InputError, match=r"improper .*mu flat"):
        small(mu=priors.Flat()).prior_predictive()


def test_agrees_with_the_exact_result(fit: models.Sampled) -> None:
    exact = vf.bayes.random_effects(y=Y, v=V, study=LABELS, tau=TAU, mu=MU)
    found = fit.result()
    assert vf.bayes.agreement(exact, found) < 4
    assert found.shrunken_mean == pytest.approx(exact.shrunken_mean, abs=0.05)
    assert found.shrunken_sd == pytest.approx(exact.shrunken_sd, rel=0.06)
    assert found.prediction == pytest.approx(exact.prediction, abs=0.25)
    assert found.weights == pytest.approx(exact.weights, abs=1.0)
    assert np.interp(exact.estimate, found.grid, found.density) == pytest.approx(
        float(np.interp(exact.estimate, exact.grid, exact.density)), rel=0.08
    )
    assert found.warnings == exact.warnings  # the gate was passed
    assert BayesianResult.from_dict(json.loads(found.to_json())).to_json() == found.to_json()
    shortest = fit.result(interval="shortest", level=0.5)
    assert shortest.interval[1] - shortest.interval[0] < found.interval[1] - found.interval[0]


def test_table_and_words(fit: models.Sampled) -> None:
    table = fit.to_frame("mu", "theta", level=0.9).set_index("term")
    assert list(table.index) == ["mu", *(f"theta[{x}]" for x in LABELS)]
    assert table.loc["theta[Beta]", "ci_low"] == pytest.approx(np.quantile(fit.draws("theta")[..., 1], 0.05))
    assert fit.to_frame()["ess_bulk"].min() > 400
    assert "the draws passed the gate" in repr(fit)
    assert "tau ~ half-normal(0.5)" in repr(fit)


def test_same_seed_same_draws_however_it_was_compiled() -> None:
    a = small().sample(seed=5, draws=200, tune=200, chains=2)
    b = small().sample(seed=5, draws=200, tune=200, chains=2)
    c = small().sample(seed=6, draws=200, tune=200, chains=2)
    for name, group in (("mu", "posterior"), ("theta", "posterior"), ("effect", "posterior_predictive"), ("tau", "prior")):
        assert np.array_equal(a.draws(name, group), b.draws(name, group))
        assert not np.array_equal(a.draws(name, group), c.draws(name, group))


def test_compiled_once_for_any_data(fit: models.Sampled) -> None:
    held = dict(engine._graphs)
    for k in (1, 2, 5, 9):
        y, v = RNG.normal(size=k) + 30, np.full(k, 0.1)
        prior = {"tau": priors.HalfNormal(0.3), "mu": priors.Normal(25.0, 20.0)}
        found = models.normal_normal(y=y, v=v, **prior).sample(draws=500).result()
        exact = vf.bayes.random_effects(y=y, v=v, **prior)
        assert found.mu.mean == pytest.approx(exact.mu.mean, abs=0.35 * exact.mu.sd)
        assert found.labels == exact.labels
    assert engine._graphs == held


def test_a_model_of_fixed_length_gets_a_graph_of_its_own() -> None:
    def graphs() -> int:
        return len(engine._graphs)

    small(study_effects="sampled").prior_predictive(draws=10)
    before = graphs()
    small(study_effects="sampled", y=Y + 1).prior_predictive(draws=10)
    assert graphs() == before
    tree = models.normal_normal(y=[0.1, 0.2], v=V[:2], tau=TAU, mu=MU, study_effects="sampled").prior_predictive(draws=10)
    assert graphs() == before + 1
    assert tree["prior"]["theta"].shape == (1, 10, 2)


def test_falls_back_to_pymc_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Any:
        raise ImportError("No module named 'nutpie'")

    monkeypatch.setattr(compat, "load_nutpie", absent)
    monkeypatch.setattr(engine, "_graphs", {})
    with pytest.warns(vf.VfmetaWarning, match=r"nutpie could not be used .*PyMC's own NUTS"):
        found = small().sample(draws=300, tune=500, chains=2)
    assert found.settings["sampler"] == "pymc"
    assert any("PyMC's own NUTS" in w for w in found.warnings)
    exact = vf.bayes.random_effects(y=Y, v=V, tau=TAU, mu=MU)
    assert float(found.draws("mu").mean()) == pytest.approx(exact.mu.mean, abs=0.3 * exact.mu.sd)
    assert float(found.draws("tau").mean()) == pytest.approx(exact.tau.mean, rel=0.25)


def test_gate_speaks_of_every_part() -> None:
    short = small().sample(draws=60, tune=300, chains=2)
    assert any("Too few effective draws of" in w for w in short.warnings)
    assert "Too few" in repr(short)
    with pytest.warns(vf.VfmetaWarning, match="Too few effective draws"):
        small().sample(draws=60, tune=300, chains=2)
    assert any("One chain cannot show" in w for w in small().sample(chains=1).warnings)
    shape = (2, 1000)
    good = gate.check({"a": RNG.normal(size=shape)}, RNG.normal(size=shape), np.zeros(shape, bool))
    assert good.passed
    assert good.to_frame()["passed"].all()
    stuck = {"a": RNG.normal(size=shape), "b[x]": RNG.normal(size=shape) + np.array([[0.0], [5.0]])}
    bad = gate.check(stuck, np.cumsum(RNG.normal(size=shape), axis=1), np.arange(2000).reshape(shape) == 7)
    said = " ".join(bad.warnings)
    for words in ("chains disagree about b[x] (R-hat", "Too few effective draws of b[x]", "1 divergent transition:", "E-BFMI"):
        assert words in said
    assert "raise target_accept" in said
    assert not bad.to_frame()["passed"].any()
    still = gate.check({"a": np.ones(shape)}, RNG.normal(size=shape), np.zeros(shape, bool))
    assert not still.passed  # a parameter that never moves has no R-hat


def test_energy_fraction() -> None:
    # white noise: E(step^2) / var = 2; a random walk of n steps: about 6 / n
    assert gate.bfmi(RNG.normal(size=(1, 20000))) == pytest.approx(2.0, abs=0.1)
    assert gate.bfmi(np.cumsum(RNG.normal(size=(1, 5000)), axis=1)) < 0.02


def test_leave_one_out_against_exact_marginal_likelihoods(fit: models.Sampled) -> None:
    y, v = np.array([0.1, 0.4, -0.2, 0.3, 0.5, 0.2, 0.0, 0.35]), np.full(8, 0.05)

    def evidence(keep: np.ndarray) -> float:
        found = vf.bayes.posterior(y[keep], v[keep], TAU, MU).log_marginal_likelihood
        assert found is not None
        return found

    every = np.arange(8)
    want = np.array([evidence(every) - evidence(every[every != i]) for i in every])
    with pytest.warns(vf.VfmetaWarning, match=r"rests on 8 observations"):
        found = models.normal_normal(y=y, v=v, tau=TAU, mu=MU).sample(draws=4000).loo()
    assert found.pointwise["elpd"].to_numpy() == pytest.approx(want, abs=0.02)
    assert found.elpd == pytest.approx(want.sum(), abs=0.05)
    assert found.se == pytest.approx(np.sqrt(8 * np.var(want)), rel=0.1)
    assert found.pointwise["term"].iloc[0] == "effect[study 1]"
    outlying = models.normal_normal(y=[0.1, 0.2, 0.9, -1, 5], v=[0.05] * 5, tau=TAU, mu=MU).sample().loo()
    assert any("not reliable for effect[study 5]" in w for w in outlying.warnings)
    assert "note: " in str(outlying)


def test_power_scaling_against_the_exact_engine(fit: models.Sampled) -> None:
    want = vf.bayes.power_scaling(vf.bayes.random_effects(y=Y, v=V, tau=TAU, mu=MU))
    found = fit.psense().set_index("term")
    for name in ("mu", "tau"):
        assert found.loc[name, "prior"] == pytest.approx(want.prior[name], abs=0.03)
        assert found.loc[name, "likelihood"] == pytest.approx(want.likelihood[name], abs=0.03)
    assert found.loc["tau", "prior"] > 0.05
    assert found.loc["tau", "reading"] != "-"


@pytest.mark.parametrize(
    "prior",
    [
        priors.HalfNormal(0.7), priors.HalfT(3, 0.7), priors.HalfCauchy(0.4), priors.Exponential(0.6), priors.Uniform(2.0),
        priors.Uniform(2.0, on="tau2"), priors.InverseGamma(2.0, 0.5), priors.InverseGamma(2.0, 0.5, on="tau"),
        priors.LogNormal(-1.0, 0.8), priors.LogT(-1.0, 0.8, 5.0), priors.turner2015("pain", "pharmacological v placebo"),
        priors.rhodes2015(), priors.Shrinkage(), priors.DuMouchel(), priors.Conventional(), priors.Jeffreys(),
    ],
    ids=str,
)  # fmt: skip
def test_tau_prior_is_that_of_the_house(prior: Any) -> None:
    """Density of tau, by the change of variable from whatever PyMC draws, and quantiles of its draws."""
    pm = compat.load_pymc()
    with pm.Model() as model:
        prior.pymc("tau", V)
        pm.Normal("seen", 0.0, 1.0, observed=0.0)
    graph = Vectorised(model)
    (raw,) = graph.free

    def at(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = graph.densities({raw: x})
        return x if raw == "tau" else found["deterministic"]["tau"], found["log_prior"][raw]

    grid = {"tau_share": np.linspace(0.05, 0.95, 9), "log_tau": np.linspace(-4, 1, 9), "tau_log_odds": np.linspace(-4, 3, 9)}
    x = grid.get(raw, np.linspace(0.1, 1.9, 9))
    step = 1e-6
    slope = np.abs(at(x + step)[0] - at(x - step)[0]) / (2 * step)
    tau, log = at(x)
    off = log - np.log(slope) - prior.log_density(tau, V)
    if prior.proper:
        assert off == pytest.approx(np.zeros(9), abs=1e-6)
        drawn = graph.prior(4000, 1)[0]["tau"]
        assert stats.kstest(drawn, lambda t: np.interp(t, prior.quantile(P, V), P)).pvalue > 1e-4
    else:
        assert np.ptp(off) < 1e-6
        with pytest.raises(NotImplementedError):
            graph.prior(10, 1)


P = np.concatenate([[1e-6, 1e-4], np.linspace(0.001, 0.999, 999), [1 - 1e-4, 1 - 1e-6]])


@pytest.mark.parametrize(
    ("prior", "log_density"),
    [
        (priors.Normal(1.0, 2.0), lambda x: stats.norm.logpdf(x, 1, 2)),
        (priors.StudentT(4, 1.0, 2.0), lambda x: stats.t.logpdf(x, 4, 1, 2)),
        (
            priors.Mixture((0.3, 0.7), (0.0, 2.0), (1.0, 0.5)),
            lambda x: np.log(0.3 * stats.norm.pdf(x) + 0.7 * stats.norm.pdf(x, 2, 0.5)),
        ),
        (priors.Flat(), lambda x: 0 * x),
    ],
    ids=["normal", "t", "mixture", "flat"],
)
def test_mu_prior_is_that_of_the_house(prior: Any, log_density: Any) -> None:
    pm = compat.load_pymc()
    with pm.Model() as model:
        prior.pymc("mu")
        pm.Normal("seen", 0.0, 1.0, observed=0.0)
    x = np.linspace(-4, 5, 7)
    assert Vectorised(model).densities({"mu": x})["log_prior"]["mu"] == pytest.approx(log_density(x), abs=1e-7)


def test_priors_without_a_counterpart_are_refused_by_name() -> None:
    class Odd(priors.TauPrior):
        words = "tau ~ odd"

        def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
            return -np.asarray(x)

    with pytest.raises(vf.InputError, match="tau ~ odd has no counterpart in PyMC"):
        small(tau=Odd())
    with pytest.raises(vf.InputError, match="rests on the sampling variances"):
        priors.Jeffreys().data("tau")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, "seed=-1 must be a whole number"),
        ({"draws": 2.5}, "draws=2.5 must be"),
        ({"chains": 0}, "chains=0 must be"),
        ({"target_accept": 1.0}, "target_accept=1.0 must be"),
        ({"sampler": "stan"}, "sampler='stan' is unknown"),
    ],
)
def test_bad_settings(given: dict[str, Any], message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        small().sample(**given)


def test_fresh_pymc_model_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    model = small().pymc()
    assert {rv.name for rv in model.free_RVs} == {"mu", "tau"}
    assert model.coords["study"] == tuple(LABELS)
    assert small().pymc() is not model
    bar = Progress("test", {"chains": 2, "draws": 10, "tune": 10}, True)
    with bar:
        step = bar.for_pymc()["callback"]
        for _ in range(40):
            step(None, None)
        assert bar._bar.tasks[0].completed == bar._bar.tasks[0].total == 40
    small().sample(draws=100, tune=100, chains=2, progress=True)
    assert capsys.readouterr().out == ""  # a bar belongs on the error stream
