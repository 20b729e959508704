"""Networks fitted to their counts: held against the pairwise models, statsmodels, sums over all tables and plain integrals."""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, gammaln
from scipy.stats import binom, poisson

import vfmeta as vf
from vfmeta.kernels.conditional_counts import hypergeometric, multinomial
from vfmeta.networks.count_plan import arm_loads

PAIRS = pd.DataFrame({
    "study": list("aabbccddee"), "treatment": ["drug", "sham"] * 5, "events": [4, 9, 6, 8, 3, 6, 12, 10, 2, 9],
    "n": [40, 41, 55, 50, 38, 40, 60, 61, 30, 33],
})  # fmt: skip
ARMS = pd.DataFrame({
    "study": list("aabbcccddeeff"),
    "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham", "drug", "brace", "brace", "sham", "drug", "sham"],
    "events": [4, 9, 0, 8, 3, 9, 14, 12, 4, 7, 6, 2, 9], "n": [40, 41, 55, 50, 38, 40, 42, 60, 61, 33, 30, 52, 47],
})  # fmt: skip
NAMES = ["brace", "drug"]


def wide(frame: pd.DataFrame) -> dict[str, Any]:
    two = frame.set_index(["study", "treatment"]).unstack()
    return {"events1": two.events.drug, "n1": two.n.drug, "events2": two.events.sham, "n2": two.n.sham}


@pytest.mark.parametrize(("model", "heterogeneity"), [("UM.FS", "random"), ("UM.FS", "common"), ("CM.EL", "common")])
def test_two_treatments_are_the_pairwise_model(model: Any, heterogeneity: Any) -> None:
    net = vf.networks.counts(PAIRS, reference="sham", model=model, heterogeneity=heterogeneity)
    pair = vf.glmm("OR", **wide(PAIRS), model=model, heterogeneity=heterogeneity)
    assert net.estimate[0] == pytest.approx(pair.estimate, rel=1e-7)
    assert net.se[0] == pytest.approx(pair.se, rel=1e-7)
    assert net.tau2 == pytest.approx(pair.tau2, abs=1e-8)
    assert net.log_likelihood == pytest.approx(pair.log_likelihood, rel=1e-10)
    assert net.q.statistic == pytest.approx(pair.q.statistic, rel=1e-8)
    if heterogeneity == "random":
        assert net.tau2_interval == pytest.approx(pair.tau2_interval, rel=1e-5)


def test_a_common_effect_is_the_regression_of_statsmodels() -> None:
    from statsmodels.genmod.families import Binomial, Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    net = vf.networks.counts(ARMS, reference="sham", heterogeneity="common")
    x = np.column_stack(
        [*[(ARMS.treatment == t).astype(float) for t in NAMES], *[(ARMS.study == s).astype(float) for s in "abcdef"]]
    )
    fit = GLM(np.column_stack([ARMS.events, ARMS.n - ARMS.events]), x, family=Binomial()).fit(tol=1e-13)
    np.testing.assert_allclose(net.estimate, fit.params[:2], rtol=1e-7)
    np.testing.assert_allclose(net.se, fit.bse[:2], rtol=1e-6)
    assert net.log_likelihood == pytest.approx(fit.llf, rel=1e-10)
    assert net.q.statistic == pytest.approx(fit.deviance, rel=1e-8)
    rate = vf.networks.counts(ARMS.rename(columns={"n": "time"}), reference="sham", heterogeneity="common")
    other = GLM(ARMS.events, x, family=Poisson(), exposure=ARMS.n).fit(tol=1e-13)
    assert rate.question.measure == "IRR"
    np.testing.assert_allclose(rate.estimate, other.params[:2], rtol=1e-7)
    # given its total a Poisson count is a share: the conditional model is the same regression
    shares = vf.networks.counts(ARMS.rename(columns={"n": "time"}), reference="sham", heterogeneity="common", model="CM.EL")
    np.testing.assert_allclose(shares.estimate, other.params[:2], rtol=1e-7)
    np.testing.assert_allclose(shares.se, other.bse[:2], rtol=1e-6)


def test_the_conditional_law_is_a_sum_over_all_tables() -> None:
    events, size, eta = np.array([3.0, 0.0, 5.0, 2.0]), np.array([6.0, 4.0, 9.0, 3.0]), np.array([0.0, -0.7, 0.4, 1.9])
    tables = np.array([t for t in product(*(range(int(n) + 1) for n in size)) if sum(t) == events.sum()], dtype=float)
    score = tables @ eta + (gammaln(size + 1) - gammaln(tables + 1) - gammaln(size - tables + 1)).sum(axis=1)
    share = np.exp(score - np.logaddexp.reduce(score))
    mean = share @ tables
    value, found, covariance = hypergeometric(events, size, eta)
    assert value == pytest.approx(math.log(share[(tables == events).all(axis=1)][0]), rel=1e-12)
    np.testing.assert_allclose(found, mean, rtol=1e-12)
    np.testing.assert_allclose(covariance, (tables * share[:, None]).T @ tables - np.outer(mean, mean), atol=1e-12)


def test_the_conditional_law_keeps_its_digits_in_large_trials() -> None:
    """Moments are the derivatives of the log probability, here by differences of 4,000 patients with extreme odds."""
    events, size, eta = np.array([1500.0, 3.0, 900.0]), np.array([2000.0, 1500.0, 1000.0]), np.array([0.0, -6.0, 3.0])
    value, mean, covariance = hypergeometric(events, size, eta)
    h = 1e-4
    for a in range(3):
        step = h * np.eye(3)[a]
        up, down = hypergeometric(events, size, eta + step), hypergeometric(events, size, eta - step)
        assert (up[0] - down[0]) / (2 * h) == pytest.approx(events[a] - mean[a], rel=1e-6)
        np.testing.assert_allclose((up[1] - down[1]) / (2 * h), covariance[a], rtol=1e-6, atol=1e-8)
    assert np.isfinite(value)
    assert multinomial(np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.zeros(2))[0] == pytest.approx(math.log(10 / 32))


def plain(frame: pd.DataFrame, level: dict[str, float], effects: np.ndarray, tau: float, *, rates: bool) -> float:
    """Log likelihood of effects of arms that add up to 0, by sums over an even grid of the random effects."""
    d = {"sham": 0.0, **dict(zip(NAMES, effects, strict=True))}
    total = 0.0
    for study, own in frame.groupby("study"):
        uz, w = spread(len(own))
        at = np.array([level[study] + d[t] for t in own.treatment])
        x, n = own.events.to_numpy(), own.n.to_numpy()
        # up to what does not depend on eta, the distribution at the middle: x eta less n log(1 + e^eta), or less n e^eta
        eta = at[:, None] + tau / math.sqrt(2) * uz
        moved = [x @ eta - n @ (np.exp(eta) if rates else np.logaddexp(0, eta)) for eta in (at[:, None], eta)]
        middle = poisson.logpmf(x, n * np.exp(at)) if rates else binom.logpmf(x, n, expit(at))
        total += middle.sum() + math.log(w @ np.exp(moved[1] - moved[0]))
    return total


@cache
def spread(arms: int) -> tuple[np.ndarray, np.ndarray]:
    """Effects of two or three arms that add up to 0, on an even grid, and the weight of each point."""
    grid = np.linspace(-9, 9, 241)
    density = np.exp(-grid * grid / 2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    two, three = 1 / math.sqrt(2), 1 / math.sqrt(6)
    u = np.array([[two], [-two]] if arms == 2 else [[two, three], [-two, three], [0.0, -2 * three]])
    z = np.stack(np.meshgrid(*[grid] * u.shape[1], indexing="ij")).reshape(u.shape[1], -1)
    w = np.prod(np.meshgrid(*[density] * u.shape[1], indexing="ij"), axis=0).ravel()
    near = w > 1e-18  # beyond that nothing is left of a sum of about 1
    return u @ z[:, near], w[near]


@pytest.mark.parametrize("rates", [False, True])
def test_random_effects_are_at_the_top_of_the_plain_integral(rates: bool) -> None:
    from scipy.optimize import minimize

    frame = ARMS.assign(events=[4, 9, 2, 14, 3, 9, 14, 22, 4, 7, 3, 2, 15])
    net = vf.networks.counts(frame.rename(columns={"n": "time"} if rates else {}), reference="sham")
    assert net.tau2 > 0.01

    def profile(at: np.ndarray) -> float:
        """The levels of trials at their best, each for itself."""
        total = 0.0
        for study, own in frame.groupby("study"):
            start = math.log(own.events.sum() / (own.n.sum() - (0 if rates else own.events.sum())))
            found = minimize(
                lambda a, own=own, study=study: -plain(own, {study: a[0]}, at[:2], at[2], rates=rates),
                [start],
                method="BFGS",
                options={"gtol": 1e-7},
            )
            total -= found.fun
        return total

    top = np.append(net.estimate, math.sqrt(net.tau2))
    assert profile(top) == pytest.approx(net.log_likelihood, rel=1e-8)
    h = 1e-3
    for j in range(3):
        step = h * np.eye(3)[j]
        rise = (profile(top + step) - profile(top - step)) / (2 * h)
        assert abs(rise) < 2e-4
        bend = (profile(top + step) - 2 * profile(top) + profile(top - step)) / h**2
        assert bend < 0


@pytest.mark.parametrize("m", [2, 3, 5])
def test_random_effects_favour_no_arm(m: int) -> None:
    loads = arm_loads(m)
    covariance = loads @ loads.T
    contrast = np.hstack([-np.ones((m - 1, 1)), np.eye(m - 1)])
    np.testing.assert_allclose(contrast @ covariance @ contrast.T, (np.eye(m - 1) + 1) / 2, atol=1e-14)
    np.testing.assert_allclose(covariance.sum(axis=0), 0, atol=1e-15)


def test_order_and_reference_change_nothing() -> None:
    net = vf.networks.counts(ARMS, reference="sham")
    turned = vf.networks.counts(ARMS.iloc[::-1], reference="drug")
    one, two = (x.comparisons().set_index(["treatment", "control"]) for x in (net, turned))
    assert two.estimate["sham", "drug"] == pytest.approx(-one.estimate["drug", "sham"], rel=1e-6)
    assert two.se["brace", "drug"] == pytest.approx(one.se["brace", "drug"], rel=1e-5)
    assert turned.log_likelihood == pytest.approx(net.log_likelihood, rel=1e-9)


def test_an_answer_has_what_networks_have() -> None:
    net = vf.networks.counts(ARMS, reference="sham", question=vf.Question(measure="OR", higher_is_worse=True), test="t")
    assert vf.read_result(net.to_json()) == net
    assert net.df == net.k - 2 == 5
    assert net.league().loc["drug", "drug"] == ""
    lower, upper = net.league("lower"), net.league("upper")
    assert (lower.loc["brace", "drug"], upper.loc["drug", "brace"]) == ("", "")
    assert lower.loc["drug", "brace"] == net.league().loc["drug", "brace"]
    assert net.p_scores().sum() == pytest.approx(1.5)
    assert net.comparisons()["prediction_low"].notna().all()
    assert net.plot() is not None


FAULTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "conditional and random": ({"model": "CM.EL"}, vf.InputError, 'heterogeneity="common"'),
    "half an event": (
        {"events": [4.5, *ARMS.events[1:]]}, vf.InputError,
        r"row 1 \(a\), column events: a likelihood of counts needs a whole number \(value 4.5\)",
    ),
    "time and n": ({"time": ARMS.n, "measure": "OR"}, vf.InputError, "not used: time"),
    "risk ratio": ({"question": vf.Question(measure="RR")}, vf.InputError, "OR or IRR"),
    "no event in an arm": (
        {"events": [0, 9, 2, 8, 0, 9, 14, 0, 4, 7, 6, 0, 9]}, vf.ConvergenceError, "where drug is told apart"
    ),
    "parts": ({"data": PAIRS.assign(treatment=["a", "b"] * 2 + ["c", "d"] * 3), "reference": None}, vf.InputError,
              "2 parts that no trial joins: a, b; c, d"),
    "nodes": ({"nAGQ": 0}, vf.InputError, "nAGQ=0"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    given, kind, said = FAULTS[name]
    with pytest.raises(kind, match=said):
        vf.networks.counts(**{"data": ARMS, "reference": "sham", **given})


def test_trials_without_events_are_left_out_and_listed() -> None:
    more = pd.concat([ARMS, pd.DataFrame({"study": ["z"] * 2, "treatment": ["drug", "sham"], "events": [0, 0], "n": [9, 9]})])
    with pytest.warns(vf.VfmetaWarning, match=r"z \(no event in any arm\)"):
        net = vf.networks.counts(more, reference="sham", heterogeneity="common")
    assert [x.label for x in net.left_out] == ["z"]
    assert net.estimate == pytest.approx(vf.networks.counts(ARMS, reference="sham", heterogeneity="common").estimate)
