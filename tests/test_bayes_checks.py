"""Leave-one-out, posterior predictive and power-scaling checks against plain integration, simulation and ArviZ."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import logsumexp

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import posterior
from vfmeta.bayes import versions as compat
from vfmeta.bayes.checks import LeaveOneOut, PredictiveCheck
from vfmeta.bayes.scaling import _ENDS, _STEP

Y = np.array([-0.9, -1.6, -0.2, 0.3])
V = np.array([0.3, 0.2, 0.05, 0.09])
PRIORS: list[tuple[priors.TauPrior, priors.MuPrior]] = [
    (priors.HalfNormal(0.7), priors.Normal(0.3, 1.5)),
    (priors.HalfCauchy(0.5), priors.Flat()),
    (priors.LogNormal(-1.0, 0.8), priors.Normal(0.0, 2.82)),
    (priors.DuMouchel(), priors.Normal(0.0, 2.0)),
    (priors.Jeffreys(), priors.Flat()),
]


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


# leave one out


def density(y: np.ndarray, mean: Any, cov: np.ndarray) -> np.ndarray:
    """Multivariate normal densities with the mean (T,) of all trials and covariances (T, k, k)."""
    away = (y - np.asarray(mean)[..., None])[..., None]
    square = (away * np.linalg.solve(cov, away)).sum((-2, -1))
    return np.exp(-0.5 * square) / np.sqrt(np.linalg.det(2 * math.pi * cov))


def evidence(y: np.ndarray, v: np.ndarray, tau: np.ndarray, mu: priors.MuPrior) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density of the trials given each tau with mu integrated out, and mean and SD of mu given tau: matrices, no shortcut."""
    spread = v + tau[:, None] ** 2
    cov = spread[:, None] * np.eye(len(y))
    precision, pulled = (1 / spread).sum(1), (y / spread).sum(1)
    if isinstance(mu, priors.Normal):
        given = density(y, np.full(len(tau), mu.mean), cov + mu.sd**2)
        precision, pulled = precision + mu.sd**-2, pulled + mu.mean * mu.sd**-2
    else:
        given = density(y, pulled / precision, cov) * np.sqrt(2 * math.pi / precision)
    return given, pulled / precision, precision**-0.5


@pytest.mark.parametrize(("tau", "mu"), PRIORS, ids=str)
def test_each_trial_is_predicted_as_plain_integration_has_it(tau: priors.TauPrior, mu: priors.MuPrior) -> None:
    found = vf.bayes.leave_one_out(vf.bayes.random_effects(y=Y, v=V, tau=tau, mu=mu))
    t = np.exp(np.linspace(-16, 12, 1401))
    for i in range(len(Y)):
        rest = np.arange(len(Y)) != i
        given, mean, sd = evidence(Y[rest], V[rest], t, mu)
        # a prior that looks at the variances looks at all of them, whichever trial is left out
        weight = given * np.exp(tau.log_density(t, V)) * t
        weight /= weight.sum()
        spread = np.sqrt(sd**2 + t**2 + V[i])
        assert found.log_density[i] == pytest.approx(math.log(weight @ stats.norm.pdf(Y[i], mean, spread)), abs=2e-5)
        assert found.pit[i] == pytest.approx(weight @ stats.norm.cdf(Y[i], mean, spread), abs=2e-5)
    assert found.elpd == pytest.approx(sum(found.log_density))
    assert found.elpd_se == pytest.approx(math.sqrt(4) * np.std(found.log_density, ddof=1))
    assert found.p_value == pytest.approx([2 * min(p, 1 - p) for p in found.pit])


def test_limits_hold_95_of_the_predictive_distribution() -> None:
    tau, mu = PRIORS[0]
    found = vf.bayes.leave_one_out(vf.bayes.random_effects(y=Y, v=V, tau=tau, mu=mu))
    for edge, p in ((found.prediction_low, 0.025), (found.prediction_high, 0.975)):
        moved = Y.copy()
        moved[1] = edge[1]  # a trial that lies on the limit has that probability below it
        assert vf.bayes.leave_one_out(vf.bayes.random_effects(y=moved, v=V, tau=tau, mu=mu)).pit[1] == pytest.approx(
            p, abs=1e-9
        )


def test_log_densities_are_ratios_of_marginal_likelihoods_even_far_out() -> None:
    tau, mu = priors.HalfNormal(1.0), priors.Normal(0.0, 10.0)
    y = np.array([0.0, 60.0, 1.0, 0.5])
    found = vf.bayes.leave_one_out(vf.bayes.random_effects(y=y, v=np.full(4, 0.1), tau=tau, mu=mu))

    def log_total(values: np.ndarray) -> float:
        t = np.exp(np.linspace(-22, 6, 40001))
        given = 0.1 + t**2
        k = len(values)
        precision = k / given + 1 / 100
        q = ((values[:, None] ** 2) / given).sum(0) - (values.sum() / given) ** 2 / precision
        log_l = -0.5 * (k * np.log(2 * math.pi * given) + np.log(100 * precision) + q)
        return float(logsumexp(log_l + stats.halfnorm.logpdf(t) + np.log(t))) + math.log(28 / 40000)

    for i in range(4):
        assert found.log_density[i] == pytest.approx(log_total(y) - log_total(np.delete(y, i)), abs=1e-6)
    assert found.log_density[1] < -50
    assert "study 2 lies where the other trials hardly expect it (p < 0.001" in found.verdict


def test_predictive_probabilities_are_uniform_when_the_model_is_true() -> None:
    tau, mu, v = priors.HalfNormal(0.5), priors.Normal(0.0, 2.0), np.array([0.1, 0.3, 0.2])
    rng = np.random.default_rng(4)
    pits = []
    for _ in range(200):
        t, m = abs(0.5 * rng.standard_normal()), 2 * rng.standard_normal()
        y = m + np.sqrt(v + t**2) * rng.standard_normal(3)
        pits.append(vf.bayes.leave_one_out(vf.bayes.random_effects(y=y, v=v, tau=tau, mu=mu)).pit[1])
    assert stats.kstest(pits, "uniform").pvalue > 0.001


def test_two_trials_say_one_thing() -> None:
    """With a flat mu each trial sees the other at the same distance over the same spread."""
    near, far = (
        vf.bayes.leave_one_out(vf.bayes.random_effects(y=[0.0, x], v=[0.1, 0.4], tau=priors.HalfNormal(0.2)))
        for x in (0.3, 5.0)
    )
    for found in (near, far):
        assert found.p_value[0] == pytest.approx(found.p_value[1])
        assert found.log_density[0] == pytest.approx(found.log_density[1])
    assert "no further apart" in near.verdict
    assert "further apart than the model expects (p < 0.001)" in far.verdict


def test_small_k_is_warned_of_and_large_k_is_not() -> None:
    rng = np.random.default_rng(1)
    with pytest.warns(vf.VfmetaWarning, match="With 4 trials elpd and its standard error are rough"):
        few = vf.bayes.leave_one_out(vf.bayes.random_effects(y=Y, v=V, tau=priors.HalfNormal(1.0)))
    with pytest.warns(vf.VfmetaWarning, match="uses the trials twice"):
        vf.bayes.predictive_check(vf.bayes.random_effects(y=Y, v=V, tau=priors.HalfNormal(1.0)), draws=100)
    many = vf.bayes.leave_one_out(
        vf.bayes.random_effects(y=rng.normal(size=12), v=np.full(12, 0.2), tau=priors.HalfNormal(1.0))
    )
    assert (len(few.warnings), many.warnings) == (1, ())


@pytest.mark.parametrize(
    ("y", "tau", "message"),
    [
        ([0.1], priors.HalfNormal(1.0), "takes two trials at least"),
        ([0.1, 0.2, 0.3], priors.Uniform(), "Without study 1: The posterior is improper"),
    ],
)
def test_what_cannot_be_left_out_is_refused(y: list[float], tau: priors.TauPrior, message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        vf.bayes.leave_one_out(vf.bayes.random_effects(y=y, v=np.full(len(y), 0.1), tau=tau))
    if len(y) == 1:
        with pytest.raises(vf.InputError, match="no scatter to check"):
            vf.bayes.predictive_check(vf.bayes.random_effects(y=y, v=[0.1], tau=tau))


# replicates


def test_predictive_p_values_of_two_trials_by_plain_integration() -> None:
    """Q and the range of two trials are one chi-square each given tau; the largest deviation is integrated over mu as well."""
    y, v, tau = np.array([0.2, 1.5]), np.array([0.05, 0.2]), priors.HalfNormal(0.6)
    found = vf.bayes.predictive_check(vf.bayes.random_effects(y=y, v=v, tau=tau), draws=40_000)
    mu = np.linspace(-6, 8, 2001)
    total = apart = largest = 0.0
    for t in np.arange(0.002, 4, 0.004):
        weight = math.exp(-0.5 * (t / 0.6) ** 2) * stats.norm.pdf(y[1] - y[0], 0, math.sqrt(v.sum() + 2 * t * t))
        z = np.abs((y[:, None] - mu) / np.sqrt(v + t * t)[:, None]).max(0)
        of_mu = np.prod([stats.norm.pdf(a, mu, math.sqrt(b + t * t)) for a, b in zip(y, v, strict=True)], axis=0)
        total += weight
        apart += weight * stats.chi2.sf((y[1] - y[0]) ** 2 / (v.sum() + 2 * t * t), 1)
        largest += weight * float((of_mu * (1 - (1 - 2 * stats.norm.sf(z)) ** 2)).sum() / of_mu.sum())
    assert found.p_value["q"] == pytest.approx(apart / total, abs=1e-5)
    assert found.p_value["range"] == pytest.approx(apart / total, abs=4 * 0.5 / math.sqrt(40_000))
    # the largest deviation has a kink where it passes from one trial to the other, and equal steps know nothing of it
    assert found.p_value["largest_z"] == pytest.approx(largest / total, abs=1e-4)
    assert found.observed["q"] == pytest.approx((y[1] - y[0]) ** 2 / v.sum())
    assert found.observed["range"] == pytest.approx(1.3)


def test_predictive_check_sees_what_is_there_to_see() -> None:
    tight, v = priors.LogNormal(math.log(0.01), 0.1), np.full(8, 0.01)
    rng = np.random.default_rng(3)
    scattered = vf.bayes.predictive_check(vf.bayes.random_effects(y=rng.normal(0, 1, 8), v=v, tau=tight))
    assert scattered.p_value["q"] < 0.001
    assert "scatter more than the model expects" in scattered.verdict
    alike = vf.bayes.predictive_check(vf.bayes.random_effects(y=0.001 * np.arange(8), v=v, tau=tight))
    assert alike.p_value["range"] > 0.99
    assert "scatter less than the model expects" in alike.verdict
    fits = vf.bayes.predictive_check(
        vf.bayes.random_effects(y=stats.norm.ppf((np.arange(8) + 0.5) / 8, 0, 0.1), v=v, tau=tight)
    )
    assert "scatter as the model expects" in fits.verdict
    low, high = fits.replicated["q"]  # with tau next to nothing Q is chi-square with k - 1 degrees of freedom
    assert (low, high) == pytest.approx(stats.chi2.ppf([0.025, 0.975], 7), rel=0.05)


def test_seeds_and_round_trips() -> None:
    a, b, c = (
        vf.bayes.predictive_check(vf.bayes.random_effects(y=Y, v=V, tau=priors.HalfNormal(1.0)), seed=s, draws=500)
        for s in (3, 3, 4)
    )
    assert a == b
    assert (a.replicated, a.p_value["range"]) != (c.replicated, c.p_value["range"])
    loo = vf.bayes.leave_one_out(vf.bayes.random_effects(y=Y, v=V, study=list("abcd"), tau=priors.HalfNormal(1.0)))
    for found, kind in ((a, PredictiveCheck), (loo, LeaveOneOut)):
        back = kind.from_dict(json.loads(json.dumps(found.to_dict())))
        assert back.verdict == found.verdict
        assert back.to_dict() == found.to_dict()
    assert list(loo.to_frame()["study"]) == list("abcd")
    assert list(a.to_frame()["term"]) == ["q", "range", "largest_z"]
    with pytest.raises(vf.InputError, match="draws=0 must be a whole number"):
        vf.bayes.predictive_check(vf.bayes.random_effects(y=Y, v=V, tau=priors.HalfNormal(1.0)), draws=0)


# power-scaling


def scaled(tau: priors.TauPrior, mu: priors.MuPrior, draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Log prior and log likelihood of draws, written out."""
    found = {"tau": tau.log_density(draws["tau"], V)}
    if isinstance(mu, priors.Normal):
        found["mu"] = stats.norm.logpdf(draws["mu"], mu.mean, mu.sd)
    found["y"] = stats.norm.logpdf(Y, draws["mu"][..., None], np.sqrt(V + draws["tau"][..., None] ** 2))
    return found


CASES = [PRIORS[0], PRIORS[1], (priors.HalfNormal(0.3), priors.Normal(3.0, 0.5))]


@pytest.mark.parametrize(("tau", "mu"), CASES[1:], ids=str)
def test_power_scaling_is_that_of_very_many_draws(tau: priors.TauPrior, mu: priors.MuPrior) -> None:
    exact, post = vf.bayes.power_scaling(vf.bayes.random_effects(y=Y, v=V, tau=tau, mu=mu)), posterior(Y, V, tau, mu)
    draws = post.draws(400_000, seed=5)
    known = scaled(tau, mu, draws)
    log = {"prior": known["tau"] + known.get("mu", 0.0), "likelihood": known["y"].sum(-1)}
    for name, marginal in (("mu", post.mu), ("tau", post.tau)):
        order = np.argsort(draws[name])
        x = np.clip(draws[name][order], *marginal.quantile(np.array([1 - _ENDS, _ENDS])))
        for what, target in log.items():
            moved = 0.0
            for power in (1 / _STEP, _STEP):
                w = np.exp((power - 1) * (target[order] - target.max()))
                w /= w.sum()
                sides = []
                for width, q in ((np.diff(x), w), (np.diff(x)[::-1], w[::-1])):
                    a, b = np.arange(1, len(x)) / len(x), np.cumsum(q)[:-1]
                    js = (width * (a * np.log2(2 * a / (a + b)) + b * np.log2(2 * b / (a + b)))).sum()
                    sides.append(math.sqrt(max(js, 0.0) / (width * (a + b)).sum()))
                moved += max(sides)
            got = getattr(exact, what)[name]
            assert got == pytest.approx(moved / (2 * math.log2(_STEP)), rel=0.02, abs=0.001), (name, what)


def arviz_sensitivity(tau: priors.TauPrior, mu: priors.MuPrior, seed: int) -> list[float]:
    """What ArviZ makes of 4,000 exact draws: prior of mu and tau, likelihood of mu and tau."""
    import arviz as az

    draws = {name: x.reshape(4, 1000) for name, x in posterior(Y, V, tau, mu).draws(4000, seed).items() if x.ndim == 1}
    known = scaled(tau, mu, draws)
    groups = {"posterior": {"mu": draws["mu"], "tau": draws["tau"]}, "log_likelihood": {"y": known.pop("y")}}
    coords, dims = {"study": list(range(len(Y)))}, {"y": ["study"]}
    if hasattr(az, "psense"):
        tree = compat.to_arviz({**groups, "log_prior": known}, coords=coords, dims=dims)
        found = [az.psense(tree, group=g, alphas=(1 / _STEP, _STEP)) for g in ("prior", "likelihood")]
    else:
        tree = az.from_dict(**groups, coords=coords, dims=dims)
        tree.add_groups(log_prior=az.convert_to_dataset(known))
        found = [az.psens(tree, component=g, delta=_STEP - 1) for g in ("prior", "likelihood")]
    return [float(f[name]) for f in found for name in ("mu", "tau")]


@pytest.mark.parametrize(("tau", "mu"), CASES, ids=str)
def test_power_scaling_agrees_with_arviz(tau: priors.TauPrior, mu: priors.MuPrior) -> None:
    exact = vf.bayes.power_scaling(vf.bayes.random_effects(y=Y, v=V, tau=tau, mu=mu))
    want = [exact.prior["mu"], exact.prior["tau"], exact.likelihood["mu"], exact.likelihood["tau"]]
    runs = np.array([arviz_sensitivity(tau, mu, seed) for seed in range(12)])
    # noise of the draws can only add to a distance, so small ones come out a little larger there
    assert runs.mean(0) == pytest.approx(want, rel=0.1, abs=0.02)
    assert (np.abs(runs.mean(0) - want) < np.maximum(0.1 * np.array(want), 3 * runs.std(0))).all()


def test_conflict_is_the_prior_predictive_tail_of_the_pooled_effect() -> None:
    """Tau pinned down: one normal, by its own formula."""
    pinned, v, y = priors.LogNormal(math.log(0.5), 1e-4), np.array([0.1, 0.3]), np.array([2.0, 2.4])
    w = 1 / (v + 0.25)
    pooled, se2 = float(w @ y / w.sum()), 1 / w.sum()
    got = vf.bayes.power_scaling(vf.bayes.random_effects(y=y, v=v, tau=pinned, mu=priors.Normal(0.0, 0.8))).conflict["mu"]
    assert got == pytest.approx(2 * stats.norm.sf(pooled / math.sqrt(se2 + 0.64)), rel=1e-3)


@pytest.mark.parametrize("stretch", [0.02, 1.0, 8.0])
def test_conflict_of_tau_is_the_prior_predictive_tail_of_q(stretch: float) -> None:
    rng = np.random.default_rng(8)
    tau = np.abs(0.5 * rng.standard_normal(200_000))
    again = np.sqrt(V + tau[:, None] ** 2) * rng.standard_normal((200_000, 4))
    y = stretch * Y

    def q(x: np.ndarray) -> np.ndarray:
        mean = (x / V).sum(-1, keepdims=True) / (1 / V).sum()
        return ((x - mean) ** 2 / V).sum(-1)

    below = float(np.mean(q(again) < q(y)))
    found = vf.bayes.power_scaling(vf.bayes.random_effects(y=y, v=V, tau=priors.HalfNormal(0.5), mu=priors.Normal(0, 10)))
    assert found.conflict["tau"] == pytest.approx(2 * min(below, 1 - below), abs=2 * 4 * 0.5 / math.sqrt(200_000))
    assert ("scatter as their prior hardly expected" in found.verdict) == (stretch != 1)
    assert vf.bayes.power_scaling(vf.bayes.random_effects(y=[1.0], v=[0.1], tau=priors.HalfNormal(1))).conflict["tau"] is None
    assert vf.bayes.power_scaling(vf.bayes.random_effects(y=Y, v=V, tau=priors.Uniform())).conflict["tau"] is None


def test_quadrature_beside_scipy_for_one_predictive_density() -> None:
    """One figure by another integrator, so that the grid above is not the only witness."""
    y, v = np.array([0.4, -0.1]), np.array([0.09, 0.04])

    def weighed(t: float, power: int) -> float:
        spread = math.sqrt(v.sum() + 2 * t * t)  # of trial 1 about trial 2, mu flat
        return stats.halfcauchy.pdf(t, scale=0.5) * stats.norm.pdf(y[0], y[1], spread) ** power

    want = quad(weighed, 0, np.inf, args=(1,))[0] / quad(weighed, 0, np.inf, args=(0,))[0]
    found = vf.bayes.leave_one_out(vf.bayes.random_effects(y=y, v=v, tau=priors.HalfCauchy(0.5)))
    assert found.log_density[0] == pytest.approx(math.log(want), abs=1e-9)
