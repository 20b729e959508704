"""Selection models with moderators of tau2, held against location-scale models, separate fits, 40 digits and scipy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from tests.reference_runner.many_digits import log_likelihood
from tests.test_selection import V, Y

import vfmeta as vf
from vfmeta.appraisal.selection_weights import Chosen, build
from vfmeta.kernels.selection import prepared
from vfmeta.kernels.selection_likelihood import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def world(seed: int = 3, k: int = 60) -> dict[str, np.ndarray]:
    """Effects whose mean and scatter grow with a dose."""
    rng = np.random.default_rng(seed)
    v, dose = rng.uniform(0.01, 0.2, k), rng.uniform(0, 3, k)
    y = rng.normal(0.2 + 0.1 * dose, np.sqrt(v + np.exp(-3 + 0.9 * dose)))
    return {"y": y, "v": v, "dose": dose, "lab": np.arange(k) // 3}


DATA = world()


def model(data: Any = DATA, *args: Any, **given: Any) -> Any:
    return vf.appraisal.selection_model(data, *args, **({"favoured": "higher"} | given))


@pytest.mark.parametrize("given", [{"delta": (1, 1)}, {"model": "half-normal", "delta": 0}])
def test_without_selection_it_is_the_location_scale_model(given: dict[str, Any]) -> None:
    plain = vf.location_scale(DATA, "~ dose", "~ dose", method="ML")
    fit = model(DATA, "~ dose", "~ dose", **given)
    np.testing.assert_allclose(fit.estimate, plain.estimate, rtol=1e-6)
    np.testing.assert_allclose(fit.scale_estimate, plain.scale_estimate, rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(plain.log_likelihood["ML"], abs=1e-10)
    np.testing.assert_allclose(fit.tau2, plain.tau2, rtol=1e-6)
    np.testing.assert_allclose(model(plain).unselected, plain.estimate, rtol=1e-7)
    np.testing.assert_allclose(model(plain).scale_unselected, plain.scale_estimate, rtol=1e-6)


def test_groups_with_weights_given_are_each_a_fit_of_its_own() -> None:
    data = DATA | {"kind": np.where(DATA["dose"] > 1.5, "high", "low")}
    fit = model(data, "~ 0 + kind", "~ 0 + kind", delta=(1, 0.4))
    for j, kind in enumerate(("high", "low")):
        own = model({n: x[data["kind"] == kind] for n, x in data.items()}, delta=(1, 0.4))
        assert fit.terms[j].endswith(f"{kind}]")
        assert fit.estimate[j] == pytest.approx(own.estimate, rel=1e-6)
        assert fit.scale_estimate[j] == pytest.approx(np.log(own.tau2), rel=1e-6)
        assert fit.se[j] == pytest.approx(own.se, rel=1e-5)
        assert fit.scale_se[j] == pytest.approx(own.tau2_se / own.tau2, rel=1e-5)  # by the delta method, exact at a maximum
        low, high = own.profile_interval("tau2")
        limits = fit.profile_interval(f"log tau2: {fit.scale_terms[j]}")
        assert limits[1] == pytest.approx(np.log(high), rel=1e-6)
        assert limits[0] == pytest.approx(np.log(low), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "delta", "k"),
    [
        ("step", "stepfun", (1, 0.5), 14), ("beta", "beta", (0.9, 1.3), 14), ("beta", "beta", (0.9, 1.3), 8),
        ("logistic", "logistic", (2.0,), 14),
    ],
)  # fmt: skip
def test_the_likelihood_is_that_of_its_definition(name: str, kind: str, delta: tuple[float, ...], k: int) -> None:
    small = {n: x[:k] for n, x in DATA.items()}
    fit = model(small, "~ dose", "~ dose", model=name, delta=delta)
    mean = fit.design.x @ fit.estimate
    more = {"cuts": (0.025,)} if name == "step" else {}
    known = sum(
        log_likelihood(kind, small["y"][i : i + 1], small["v"][i : i + 1], mean[i], fit.tau2[i], delta, **more)
        for i in range(k)
    )
    assert fit.log_likelihood == pytest.approx(float(known), abs=1e-10)


def test_forty_digits_reach_as_far_as_a_beta_weight_does() -> None:
    """A weight that grows nearly as fast as the density falls; scipy integrates it on pieces."""
    y, v, mu, tau2, a, b = 0.3, 0.0279, 0.2, 0.246, 0.9, 1.3

    def density(z: float) -> float:
        w = (a - 1) * stats.norm.logsf(z) + (b - 1) * stats.norm.logcdf(z)
        return float(np.exp(w + stats.norm.logpdf(z, mu / np.sqrt(v), np.sqrt(1 + tau2 / v))))

    ends = np.linspace(-400, 400, 41)
    mass = sum(integrate.quad(density, *pair, epsabs=0, epsrel=1e-13)[0] for pair in pairwise(ends))
    p = stats.norm.sf(y / np.sqrt(v))
    known = (a - 1) * np.log(p) + (b - 1) * np.log1p(-p) + stats.norm.logpdf(y, mu, np.sqrt(v + tau2)) - np.log(mass)
    assert float(log_likelihood("beta", [y], [v], mu, tau2, (a, b))) == pytest.approx(known, abs=1e-11)


@pytest.mark.parametrize("name", ["step", "beta", "negative exponential power", "truncated"])
def test_derivatives_are_those_of_the_likelihood(name: str) -> None:
    chosen = Chosen(name, {"step": (0.025, 0.5), "truncated": (0.1,)}.get(name, ()), False, 1, None, 0.0)
    y, function, _ = build(chosen, Y[:12], V[:12])
    x = np.column_stack([np.ones(12), np.linspace(-1, 1, 12)])
    state, starts = prepared(y, V[:12], x, function, False, np.column_stack([np.ones(12), np.arange(12) % 3]))
    theta = starts[-1].copy()
    theta[:4] = 0.3, -0.2, -0.5, 0.4
    theta[4:] = [1.1, 1.3][: len(theta) - 4]
    size = len(theta)
    gradient, hessian, other, waste = np.empty(size), np.empty((size, size)), np.empty(size), np.empty((size, size))
    evaluate(state.problem, theta, gradient, hessian)
    for j in range(size):
        step = np.zeros(size)
        step[j] = 1e-5
        up = evaluate(state.problem, theta + step, other, waste)
        slope = other.copy()
        down = evaluate(state.problem, theta - step, other, waste)
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(hessian[j], (slope - other) / 2e-5, rtol=1e-6, atol=1e-6)


def below(theta: np.ndarray) -> float:
    """Minus the log likelihood of one cut, written down again."""
    y, v, z = DATA["y"], DATA["v"], np.column_stack([np.ones(60), DATA["dose"]])
    mean, sd = z @ theta[:2], np.sqrt(v + np.exp(z @ theta[2:4]))
    edge = stats.norm.isf(0.025) * np.sqrt(v)
    seen = stats.norm.sf((edge - mean) / sd) + np.exp(theta[4]) * stats.norm.cdf((edge - mean) / sd)
    return float(-(np.where(y >= edge, 0, theta[4]) + stats.norm.logpdf(y, mean, sd) - np.log(seen)).sum())


def test_maximum_and_profiles_are_those_that_scipy_finds() -> None:
    fit = model(DATA, "~ dose", "~ dose")
    top = np.r_[fit.estimate, fit.scale_estimate, np.log(fit.delta[1])]
    free = min(
        (optimize.minimize(below, [0.2, 0.1, a, b, 0.0], method="BFGS") for a in (-4, -2) for b in (0, 0.8)),
        key=lambda r: r.fun,
    )
    assert fit.log_likelihood >= -free.fun - 1e-9
    np.testing.assert_allclose(top, free.x, atol=1e-4)
    names = (*fit.terms, "log tau2: Intercept", "log tau2: dose")
    for j, name in enumerate(names):
        for limit in fit.profile_interval(name, 0.9):
            held = optimize.minimize(
                lambda rest, j=j, limit=limit: below(np.insert(rest, j, limit)), np.delete(top, j), method="BFGS"
            )
            assert -held.fun == pytest.approx(fit.log_likelihood - stats.chi2.isf(0.1, 1) / 2, abs=1e-6)


def test_units_and_sides_change_nothing_else() -> None:
    fit = model(DATA, "~ dose", "~ dose")
    small = model(DATA | {"y": DATA["y"] * 1e-3, "v": DATA["v"] * 1e-6}, "~ dose", "~ dose")
    back = model(DATA | {"y": -DATA["y"]}, "~ dose", "~ dose", favoured="lower")
    np.testing.assert_allclose(small.scale_estimate, fit.scale_estimate + np.array([np.log(1e-6), 0]), rtol=1e-6)
    np.testing.assert_allclose(back.estimate, -fit.estimate, rtol=1e-6)
    np.testing.assert_allclose(back.scale_estimate, fit.scale_estimate, rtol=1e-6)
    years = model(DATA | {"dose": DATA["dose"] + 2000}, "~ dose", "~ dose")
    assert years.scale_estimate[1] == pytest.approx(fit.scale_estimate[1], rel=1e-5)
    assert years.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-8)


def test_errors_robust_to_clusters_are_the_sandwich_of_scores() -> None:
    fit = model(DATA, "~ dose", "~ dose", cluster="lab")
    theta = np.r_[fit.estimate, fit.scale_estimate, np.log(fit.delta[1])]

    def height(at: np.ndarray, rows: np.ndarray) -> float:
        y, v, z = DATA["y"][rows], DATA["v"][rows], np.column_stack([np.ones(rows.sum()), DATA["dose"][rows]])
        mean, sd = z @ at[:2], np.sqrt(v + np.exp(z @ at[2:4]))
        edge = stats.norm.isf(0.025) * np.sqrt(v)
        seen = stats.norm.sf((edge - mean) / sd) + np.exp(at[4]) * stats.norm.cdf((edge - mean) / sd)
        return float((np.where(y >= edge, 0, at[4]) + stats.norm.logpdf(y, mean, sd) - np.log(seen)).sum())

    steps, every = 1e-4 * np.eye(5), np.ones(60, dtype=bool)
    scores = np.array([
        [(height(theta + h, DATA["lab"] == g) - height(theta - h, DATA["lab"] == g)) / 2e-4 for h in steps] for g in range(20)
    ])  # fmt: skip
    info = -np.array([
        [
            (height(theta + a + b, every) - height(theta + a - b, every) - height(theta - a + b, every)
             + height(theta - a - b, every)) / 4e-8 for b in steps
        ] for a in steps
    ])  # fmt: skip
    bread = np.linalg.inv(info)
    known = np.sqrt(np.diag(bread @ scores.T @ scores @ bread) * 20 / 19)
    np.testing.assert_allclose([*fit.se, *fit.scale_se], known[:4], rtol=1e-3)


def test_what_it_shows() -> None:
    fit = model(DATA, "~ dose", "~ dose")
    again = vf.read_result(fit.to_json())
    assert again == fit
    assert again.profile_interval("log tau2: dose") == pytest.approx(fit.profile_interval("log tau2: dose"), rel=1e-5)
    assert fit.to_frame()["part"].tolist() == ["mean", "mean", "log tau2", "log tau2"]
    at = fit.predict({"dose": [1.0]})
    assert at["tau2"].iloc[0] == pytest.approx(np.exp(fit.scale_estimate.sum()))
    np.testing.assert_allclose(fit.studies["tau2"], fit.tau2)
    assert fit.information().aic == pytest.approx(2 * 5 - 2 * fit.log_likelihood)
    assert "log tau2" in str(fit)
    with pytest.raises(vf.NotDefined, match="no value of a log tau2"):
        _ = fit.q


def test_what_cannot_be_is_refused() -> None:
    same = {"y": [0.3] * 12, "v": np.linspace(0.01, 0.1, 12), "dose": range(12)}
    with pytest.raises(vf.ConvergenceError, match="highest where tau2 is zero"):
        model(same, scale="~ dose")
    with pytest.raises(vf.InputError, match="x2 is a combination of x1"):
        model(DATA, z=np.ones((60, 2)))
    with pytest.raises(vf.InputError, match="held at 0"):
        model(DATA, scale="~ dose", heterogeneity="common")
    with pytest.raises(vf.InputError, match="not both"):
        model(DATA, scale="~ dose", z=np.ones((60, 1)))
    with pytest.raises(vf.InputError, match="2 of log tau2"):
        model({n: x[:3] for n, x in DATA.items()}, scale="~ dose")
