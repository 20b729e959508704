"""GLMMs and the beta-binomial model: R's answers, likelihoods integrated by other means, limits, symmetries and bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import betabinom, binom, nchypergeom_fisher, poisson
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.kernels.families import Binomial, Hypergeometric, Poisson
from vfmeta.kernels.marginal import MixedModel

CASES = json.loads((Path(__file__).parent / "reference" / "glmm.json").read_text(encoding="utf-8"))
BCG = {
    "events1": [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27],
    "n1": [123, 306, 231, 13598, 5069, 1541, 2545, 88391, 7499, 1716, 50634, 2498, 16913],
    "events2": [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29],
    "n2": [139, 303, 220, 12867, 5808, 1451, 629, 88391, 7277, 1665, 27338, 2341, 17854],
}
TOY = {"events1": [0, 3, 0, 10, 5], "n1": [20, 20, 15, 10, 50], "events2": [4, 0, 0, 8, 9], "n2": [20, 20, 18, 10, 50]}
HART = {"events1": [9, 8, 3, 6, 7, 20], "time1": [413, 263, 487, 237, 489, 507],
        "events2": [19, 19, 13, 9, 23, 50], "time2": [398, 245, 435, 241, 483, 405]}  # fmt: skip
NIELWEISE = {  # metadat's dat.nielweise2007
    "events1": [0, 1, 2, 0, 5, 1, 1, 1, 1, 1, 0, 0, 3, 6, 0, 0, 1, 4],
    "n1": [116, 44, 208, 130, 151, 98, 174, 74, 97, 113, 66, 70, 188, 187, 118, 252, 345, 64],
    "events2": [3, 3, 9, 7, 6, 4, 3, 2, 19, 2, 7, 1, 5, 11, 0, 1, 3, 1],
    "n2": [117, 35, 195, 136, 157, 139, 177, 39, 103, 122, 64, 58, 175, 180, 105, 262, 362, 69],
}
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_case(case: dict[str, Any]) -> None:
    outcome = check(case)
    laplace = case["options"]["nAGQ"] == 1 and case["options"]["method"] == "ML"
    infinite = case["dataset"] == "toy zero cells"
    assert outcome.group == "right" or (outcome.group == "explained" and (laplace or infinite))
    assert not outcome.not_compared


@pytest.mark.parametrize(
    ("measure", "model", "data", "estimate", "se", "tau2", "sigma2"),
    [
        ("OR", "UM.FS", NIELWEISE, -1.236493392, 0.28033744, 0.3195127771, None),
        ("OR", "UM.RS", TOY, 0.172575183889, 1.19069596467, 3.61630645964, 4.70935344855),  # log likelihood 6e-9 below ours
        ("OR", "UM.RS", BCG, -0.761648964741, 0.182141326715, 0.31985972196, 1.861600384),
        ("OR", "CM.AL", BCG, -0.722023723481, 0.173960821925, 0.286821425571, None),
        ("IRR", "UM.RS", HART, -1.02968112504, 0.162580615213, 0.0, 0.200039028463),
    ],
)
def test_lme4_with_its_loops_run_to_their_ends(
    measure: str, model: str, data: dict[str, Any], estimate: float, se: float, tau2: float, sigma2: float | None
) -> None:
    """lme4 1.1-31 with tolPwrss = 1e-11 to 1e-13 and bobyqa to 1e-10; what its defaults leave is explained in the runner."""
    fit = vf.glmm(measure, model=model, **data, nAGQ=7 if model == "UM.FS" else 1, drop00=True)
    near = 2e-5 if data is TOY else 2e-6
    assert (fit.estimate, fit.se) == pytest.approx((estimate, se), rel=near)
    assert fit.tau2 == pytest.approx(tau2, rel=near)
    assert fit.sigma2 == pytest.approx(sigma2, rel=near) if sigma2 else fit.sigma2 is None


def exact_likelihood(mu: float, tau: float) -> float:
    """Conditional exact log likelihood of the toy data, integrated in pieces to 1e-13."""
    total = 0.0
    for a, n1, c, n2 in zip(*TOY.values(), strict=True):
        m = a + c
        u = np.arange(max(0, m - n2), min(n1, m) + 1)
        ways = -gammaln(u + 1) - gammaln(n1 - u + 1) - gammaln(m - u + 1) - gammaln(n2 - m + u + 1)

        def density(z: float, a: int = a, u: np.ndarray = u, ways: np.ndarray = ways) -> float:
            terms = ways + u * (mu + tau * z)
            terms = np.exp(terms - terms.max())
            return float(terms[u == a][0] / terms.sum() * math.exp(-z * z / 2) / math.sqrt(2 * math.pi))

        total += math.log(sum(quad(density, x, x + 1, epsabs=1e-15, epsrel=1e-12)[0] for x in range(-10, 10)))
    return total


def test_exact_conditional_likelihood_by_other_quadrature() -> None:
    fit = vf.glmm("OR", model="CM.EL", **TOY)
    tau = math.sqrt(fit.tau2)
    assert fit.log_likelihood == pytest.approx(exact_likelihood(fit.estimate, tau), rel=1e-9)
    theirs = exact_likelihood(1.03014493825658, math.sqrt(19.1892327012719))  # metafor's estimates
    assert theirs < fit.log_likelihood
    for mu, t in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)):
        assert exact_likelihood(fit.estimate + mu, tau + t) < fit.log_likelihood


@pytest.mark.parametrize("model", ["UM.FS", "CM.AL"])
def test_default_nodes_are_enough(model: str) -> None:
    """As many nodes as it takes: 200 give the same."""
    fit, many = vf.glmm("OR", model=model, **TOY), vf.glmm("OR", model=model, **TOY, nAGQ=200)
    assert (fit.estimate, fit.se, fit.tau2) == pytest.approx((many.estimate, many.se, many.tau2), rel=1e-6)


def test_unconditional_likelihood_by_other_quadrature() -> None:
    """UM.RS: the double integral over intercept and effect, on a grid."""
    x, n = (np.array([TOY[f"{name}1"], TOY[f"{name}2"]], dtype=float).T for name in ("events", "n"))
    both = np.broadcast_to([[1.0, 0.5], [1.0, -0.5]], (5, 2, 2))
    model = MixedModel(Binomial(x, n), None, both, both, 51)
    mean, effect, sigma, tau = phi = np.array([-1.4, 0.2, 2.7, 2.1])
    z = np.linspace(-8.5, 8.5, 341)
    w = np.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    base, half = mean + sigma * z[:, None], (effect + tau * z[None, :]) / 2
    p1, p2 = 1 / (1 + np.exp(-(base + half))), 1 / (1 + np.exp(-(base - half)))
    expected = [math.log(w @ (binom.pmf(x[i, 0], n[i, 0], p1) * binom.pmf(x[i, 1], n[i, 1], p2)) @ w) for i in range(5)]
    np.testing.assert_allclose(model.log_likelihood(np.zeros(5), phi), expected, rtol=1e-8)


def test_random_intercepts_keep_the_study_without_events() -> None:
    """It says where the risks are."""
    fit, fewer = (vf.glmm("OR", model="UM.RS", **TOY, nAGQ=3, drop00=drop) for drop in (None, True))
    assert (fit.k, fewer.k) == (5, 4)
    assert fit.sigma2 > fewer.sigma2


def test_families_are_the_distributions() -> None:
    eta = 0.3
    for family, log_pmf in (
        (Binomial(np.array([[3.0]]), np.array([[11.0]])), binom.logpmf(3, 11, 1 / (1 + math.exp(-eta)))),
        (Poisson(np.array([[3.0]]), np.array([[7.0]])), poisson.logpmf(3, 7 * math.exp(eta))),
        (
            Hypergeometric(np.array([[3.0]]), np.array([9.0]), np.array([8.0]), np.array([7.0])),
            nchypergeom_fisher.logpmf(3, 17, 9, 7, math.exp(eta)),
        ),
    ):
        cumulant, mean, variance = (float(c[0, 0, 0]) for c in family.cumulants(np.full((1, 1, 1), eta)))
        assert family.count.item() * eta - cumulant + family.constant.item() == pytest.approx(log_pmf, rel=1e-12)
        up, down = (family.cumulants(np.full((1, 1, 1), eta + s))[0].item() for s in (1e-4, -1e-4))
        assert mean == pytest.approx((up - down) / 2e-4, rel=1e-7)
        assert variance == pytest.approx((up - 2 * cumulant + down) / 1e-8, rel=1e-5)


def test_common_effect_is_logistic_regression() -> None:
    """UM.FS without heterogeneity is a GLM with study dummies."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    x = np.concatenate([BCG["events1"], BCG["events2"]])
    n = np.concatenate([BCG["n1"], BCG["n2"]])
    design_ = np.column_stack([np.repeat([0.5, -0.5], 13), np.vstack([np.eye(13)] * 2)])
    theirs = GLM(np.column_stack([x, n - x]), design_, family=Binomial()).fit(tol=1e-14)
    ours = vf.glmm("OR", model="UM.FS", **BCG, heterogeneity="common")
    assert (ours.estimate, ours.se) == pytest.approx((theirs.params[0], theirs.bse[0]), rel=1e-8)
    assert ours.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)
    assert ours.q.statistic == pytest.approx(theirs.deviance, rel=1e-8)


def test_rates_given_their_sum_are_binomial_and_so_is_a_fixed_intercept() -> None:
    """For Poisson counts conditioning on the total loses nothing: UM.FS and CM.EL are the same without heterogeneity."""
    a, b = (vf.glmm("IRR", model=m, **HART, heterogeneity="common") for m in ("UM.FS", "CM.EL"))
    assert (a.estimate, a.se, a.q.statistic) == pytest.approx((b.estimate, b.se, b.q.statistic), rel=1e-9)


def test_exact_and_approximate_conditional_models_agree_when_events_are_rare() -> None:
    rare = {**BCG, "n1": [100 * n for n in BCG["n1"]], "n2": [100 * n for n in BCG["n2"]]}
    a, b = (vf.glmm("OR", model=m, **rare) for m in ("CM.EL", "CM.AL"))
    assert a.estimate == pytest.approx(b.estimate, abs=2e-3)


def test_no_heterogeneity_is_said() -> None:
    fit = vf.glmm("IRR", model="CM.EL", **HART)
    common = vf.glmm("IRR", model="CM.EL", **HART, heterogeneity="common")
    assert fit.tau2 == 0
    assert fit.se == pytest.approx(common.se)
    assert any("tau2 is estimated as 0" in w for w in fit.warnings)
    by_wald = vf.glmm("IRR", model="CM.EL", **HART, test="Wald")
    assert by_wald.prediction == pytest.approx(by_wald.interval)
    assert fit.prediction[0] < fit.interval[0] < fit.interval[1] < fit.prediction[1]  # tau2 is not known to be 0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["UM.FS", "UM.RS", "CM.EL", "CM.AL"]))
@example(2044, "CM.EL")  # its variance falls steeply between two values of tau
def test_symmetries(seed: int, model: str) -> None:
    """Arms exchanged: the other sign. Studies in another order: the same. No NaN without an error."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 8))
    n = rng.integers(10, 80, (k, 2))
    x = rng.binomial(n, 1 / (1 + np.exp(-rng.normal(-1.5, 0.8, (k, 2)))))

    def fit(x: np.ndarray, n: np.ndarray) -> Any:
        return vf.glmm("OR", model=model, events1=x[:, 0], n1=n[:, 0], events2=x[:, 1], n2=n[:, 1], nAGQ=3)

    try:
        first = fit(x, n)
    except (vf.InputError, vf.ConvergenceError):
        return
    numbers = [first.estimate, first.se, *first.interval, first.tau2, first.q.statistic, first.q_wald.statistic, first.i2]
    assert np.isfinite(numbers).all()
    back, turned = fit(x[:, ::-1], n[:, ::-1]), fit(x[::-1], n[::-1])
    assert (back.estimate, back.se, back.tau2) == pytest.approx((-first.estimate, first.se, first.tau2), rel=1e-5, abs=1e-6)
    same = (first.estimate, first.se, first.tau2)
    assert (turned.estimate, turned.se, turned.tau2) == pytest.approx(same, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("model", ["UM.FS", "CM.EL", "CM.AL"])
def test_studies_without_events_change_nothing(model: str) -> None:
    more = {name: [*values, 0 if name.startswith("events") else 40] for name, values in TOY.items()}
    a, b = vf.glmm("OR", model=model, **TOY, nAGQ=9), vf.glmm("OR", model=model, **more, nAGQ=9)
    assert (a.estimate, a.se, a.k) == pytest.approx((b.estimate, b.se, b.k))
    assert "study 6" in b.warnings[0]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"events1": [0, 0, 0]}, vf.ConvergenceError, "no event in the experimental arm of any informative study"),
        ({"events2": [20, 20, 20]}, vf.ConvergenceError, "Everybody has the event in the control arm"),
        ({"events1": [0, 0, 0], "events2": [0, 0, 0]}, vf.InputError, "No study has both patients with and without"),
        ({"events1": [1.5, 2, 3]}, vf.InputError, "row 1 .*whole number"),
        ({"events1": [21, 2, 3]}, vf.InputError, "more events than the total"),
        ({"model": "UM"}, vf.InputError, "model='UM' is unknown"),
        ({"nAGQ": 0}, vf.InputError, "nAGQ=0 must be a whole number"),
        ({"heterogeneity": "some"}, vf.InputError, "heterogeneity='some' is unknown"),
        ({"test": "HKSJ"}, vf.InputError, "test='HKSJ' is unknown"),
        ({"measure": "RR"}, vf.InputError, "measure='RR' is unknown"),
        ({"measure": "IRR", "model": "CM.AL"}, vf.InputError, "CM.EL"),
        ({"measure": "PLO"}, vf.InputError, "missing: events, n"),
    ],
)
def test_bad_input(changed: dict[str, Any], error: type[Exception], said: str) -> None:
    arguments: dict[str, Any] = {"events1": [3, 1, 2], "n1": [20] * 3, "events2": [6, 2, 2], "n2": [20] * 3} | changed
    with pytest.raises(error, match=said):
        vf.glmm(arguments.pop("measure", "OR"), **arguments)


def test_one_study() -> None:
    one = {"events1": [3], "n1": [20], "events2": [6], "n2": [30]}
    with pytest.raises(vf.InputError, match="One informative study only"):
        vf.glmm("OR", **one)
    fit = vf.glmm("OR", **one, heterogeneity="common")
    assert fit.estimate == pytest.approx(math.log(3 / 17 / (6 / 24)), rel=1e-8)
    assert fit.i2 is None


def test_single_arms() -> None:
    logit = vf.glmm("PLO", events=[3, 5, 2], n=[30, 50, 20], heterogeneity="common")
    assert logit.estimate == pytest.approx(math.log(0.1 / 0.9), rel=1e-9)
    rate = vf.glmm("IRLN", events=[3, 5, 2], time=[30.0, 50.0, 20.0])
    assert rate.estimate == pytest.approx(math.log(0.1), rel=1e-6)
    assert rate.tau2 == 0
    with pytest.raises(vf.ConvergenceError, match="no events in any study"):
        vf.glmm("PLO", events=[0, 0], n=[10, 12])


@pytest.mark.parametrize("data", [BCG, TOY], ids=["bcg", "toy"])
def test_beta_binomial_is_the_maximum(data: dict[str, Any]) -> None:
    fit = vf.beta_binomial("OR", **data)

    def minus(p: np.ndarray) -> float:
        icc = 1 / (1 + math.exp(-p[2]))
        size = (1 - icc) / icc
        total = 0.0
        for j, logit in ((1, p[0]), (2, p[1])):
            risk = 1 / (1 + math.exp(-logit))
            total += betabinom.logpmf(data[f"events{j}"], data[f"n{j}"], risk * size, (1 - risk) * size).sum()
        return -total

    best = minimize(minus, [-2.0, -2.0, -2.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000})
    assert fit.information().log_likelihood == pytest.approx(-best.fun, rel=1e-9)
    assert fit.estimate == pytest.approx(best.x[0] - best.x[1], abs=2e-5)
    assert fit.icc == pytest.approx(1 / (1 + math.exp(-best.x[2])), abs=1e-5)
    ratio, difference = vf.beta_binomial("RR", **data), vf.beta_binomial("RD", **data)
    assert math.exp(ratio.estimate) == pytest.approx(fit.risks[0] / fit.risks[1])
    assert difference.estimate == pytest.approx(fit.risks[0] - fit.risks[1])


def test_beta_binomial_without_overdispersion_is_binomial() -> None:
    data = {"events1": [1, 2, 1, 3], "n1": [20, 41, 20, 60], "events2": [2, 4, 2, 6], "n2": [20, 40, 20, 60]}
    fit = vf.beta_binomial("OR", **data)
    assert fit.icc == 0
    assert fit.q.p_value == 1
    assert fit.se == pytest.approx(math.sqrt(1 / 7 + 1 / 134 + 1 / 14 + 1 / 126), rel=1e-9)
    assert any("no more than chance" in w for w in fit.warnings)
    more = vf.beta_binomial("OR", **{name: [*values, 0 if name.startswith("e") else 50] for name, values in data.items()})
    assert more.estimate == pytest.approx(fit.estimate, abs=0.1)
    assert more.risks[0] < fit.risks[0]  # a study without events is evidence of low risk


def test_beta_binomial_density_joins_the_binomial() -> None:
    from vfmeta.kernels.betabinomial import log_density

    x, n = np.array([0.0, 3.0, 90.0]), np.array([12.0, 40.0, 100.0])
    np.testing.assert_allclose(log_density(x, n, 0.2, 0.0), binom.logpmf(x, n, 0.2), rtol=1e-12)
    np.testing.assert_allclose(log_density(x, n, 0.2, 0.99999e-5), log_density(x, n, 0.2, 1.00001e-5), rtol=1e-6)
    np.testing.assert_allclose(log_density(x, n, 0.2, 0.25), betabinom.logpmf(x, n, 0.8, 3.2), rtol=1e-11)


@pytest.mark.parametrize("gamma", [0.0, 1e-9, 9e-6])
def test_factorials_of_large_arms_are_the_sum_of_their_terms(gamma: float) -> None:
    from vfmeta.kernels.betabinomial import _rising

    count = np.array([3.0, 1500.0, 60_000.0])
    want = [math.fsum(math.log(0.02 + j * gamma) for j in range(int(m))) for m in count]
    np.testing.assert_allclose(_rising(0.02, count, gamma), want, rtol=1e-13)


def test_a_trillion_patients_are_pooled_by_the_beta_binomial_model() -> None:
    n = 10**12
    fit = vf.beta_binomial("OR", events1=[40, 40, 40], n1=[n] * 3, events2=[90, 90, 90], n2=[n] * 3)
    assert fit.estimate == pytest.approx(math.log(40 / 90), abs=1e-4)


def test_beta_binomial_refuses() -> None:
    with pytest.raises(vf.ConvergenceError, match="no event in the experimental arm"):
        vf.beta_binomial("OR", events1=[0, 0], n1=[9, 9], events2=[1, 2], n2=[9, 9])
    with pytest.raises(vf.InputError, match="at least 2 studies"):
        vf.beta_binomial("OR", events1=[1], n1=[9], events2=[1], n2=[9])
    with pytest.raises(vf.InputError, match="measure='IRR' is unknown"):
        vf.beta_binomial("IRR", events1=[1], n1=[9], events2=[1], n2=[9])


def test_results_can_be_stored() -> None:
    from vfmeta.frequentist.beta_binomial import BetaBinomialResult
    from vfmeta.frequentist.glmm.glmm import CountResult

    for fit, kind in ((vf.glmm("OR", **TOY), CountResult), (vf.beta_binomial("RR", **TOY), BetaBinomialResult)):
        again = kind.from_dict(json.loads(fit.to_json()))
        assert again.to_json() == fit.to_json()
        assert str(again) == str(fit)


def test_the_unit_of_time_does_not_matter() -> None:
    weeks = {name: [52 * x for x in values] if name.startswith("time") else values for name, values in HART.items()}
    for model in ("UM.FS", "UM.RS", "CM.EL"):
        a, b = vf.glmm("IRR", model=model, **HART, nAGQ=3), vf.glmm("IRR", model=model, **weeks, nAGQ=3)
        assert (a.estimate, a.se, a.q.statistic) == pytest.approx((b.estimate, b.se, b.q.statistic), rel=1e-7)


def test_no_finite_maximum_is_an_error() -> None:
    """All events of a study in one arm, in every study, to either side: the more heterogeneity the better."""
    with pytest.raises(vf.ConvergenceError, match=r"CM\.EL: .*no finite maximum"):
        vf.glmm("OR", model="CM.EL", events1=[9, 0, 8, 0], n1=[20] * 4, events2=[0, 9, 0, 7], n2=[20] * 4)


@pytest.mark.parametrize(
    ("model", "drop", "said"),
    [("UM.FS", None, "say nothing on the effect in this model: study 1"), ("UM.RS", True, r"left out as asked .*: study 1")],
)
def test_a_study_without_events_is_named(model, drop, said):
    counts = {"events1": [0, 3, 5, 2], "n1": [30] * 4, "events2": [0, 6, 4, 5], "n2": [30] * 4}
    with pytest.warns(vf.VfmetaWarning, match=said):
        vf.glmm("OR", model=model, drop00=drop, **counts)


def test_risks_that_do_not_vary_are_told():
    with pytest.warns(vf.VfmetaWarning, match="intraclass correlation is estimated as 0"):
        vf.beta_binomial("OR", events1=[5] * 4, n1=[30] * 4, events2=[8] * 4, n2=[30] * 4)
