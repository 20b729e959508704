"""Every estimator of tau2 by its own equation, intervals, user weights, equivariance, and bad input."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vfmeta as vf
from vfmeta.kernels.least_squares import regression
from vfmeta.kernels.quadratic_form import q_distribution, tau2_at
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.results.fit import FrequentistResult

Y = np.array([-0.9, -1.6, -0.2, 0.3, -1.1, -0.6])
V = np.array([0.3, 0.2, 0.05, 0.09, 0.4, 0.02])
A = np.array([1.0, 3.0, 2.0, 2.0, 1.0, 5.0])
PLAIN = [m for m, e in ESTIMATORS.items() if not e.weighted and e.about is None]


def quiet(**arguments: Any) -> FrequentistResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.random_effects(**arguments)


def sums(t: float, y: np.ndarray = Y, v: np.ndarray = V) -> tuple[np.ndarray, float, float]:
    w = 1 / (v + t)
    m = w @ y / w.sum()
    return w, float(m), float(w @ (y - m) ** 2)


def test_moment_estimators_by_hand() -> None:
    k = len(Y)
    w, _, q = sums(0)

    def moments(a: np.ndarray) -> float:
        m = a @ Y / a.sum()
        c = a.sum() - a @ a / a.sum()
        return float((a @ (Y - m) ** 2 - (a @ V - (a * a) @ V / a.sum())) / c)

    assert quiet(y=Y, v=V, method="DL").tau2 == pytest.approx(moments(w), rel=1e-13)
    assert quiet(y=Y, v=V, method="HE").tau2 == pytest.approx(Y.var(ddof=1) - V.mean(), rel=1e-13)
    assert quiet(y=Y, v=V, method="HS").tau2 == pytest.approx((q - k) / w.sum(), rel=1e-13)
    assert quiet(y=Y, v=V, method="HSk").tau2 == pytest.approx((q * k / (k - 1) - k) / w.sum(), rel=1e-13)
    assert quiet(y=Y, v=V, method="DL2").tau2 == pytest.approx(moments(1 / (V + moments(w))), rel=1e-13)
    assert quiet(y=Y, v=V, method="GENQ", weights=A).tau2 == pytest.approx(moments(A), rel=1e-13)
    assert quiet(y=Y, v=V, method="GENQ", weights="equal").tau2 == pytest.approx(quiet(y=Y, v=V, method="HE").tau2, rel=1e-13)
    crude = Y.var()
    assert quiet(y=Y, v=V, method="SJ").tau2 == pytest.approx(crude * sums(crude)[2] / (k - 1), rel=1e-13)


def test_iterated_estimators_solve_their_equations() -> None:
    from scipy.stats import chi2

    for method in ("PM", "EB", "DLIT", "SJIT"):
        assert sums(quiet(y=Y, v=V, method=method).tau2)[2] == pytest.approx(5, rel=1e-12)
    assert sums(quiet(y=Y, v=V, method="PMM").tau2)[2] == pytest.approx(chi2.median(5), rel=1e-12)
    t = quiet(y=Y, v=V, method="ML").tau2
    w, m, _ = sums(t)
    assert (w**2) @ (Y - m) ** 2 == pytest.approx(w.sum(), rel=1e-10)  # the ML score
    t = quiet(y=Y, v=V, method="GENQM", weights=A).tau2
    q = A @ (Y - A @ Y / A.sum()) ** 2
    assert q_distribution(q, V, A, t)[0] == pytest.approx(0.5, abs=1e-12)


def test_iterations_have_the_limit_that_is_said() -> None:
    dl = sj = 0.3
    for _ in range(3000):
        w = 1 / (V + dl)
        m, c = w @ Y / w.sum(), w.sum() - w @ w / w.sum()
        dl = max(0.0, (w @ (Y - m) ** 2 - (w @ V - (w * w) @ V / w.sum())) / c)
        sj = sj * sums(sj)[2] / 5
    assert quiet(y=Y, v=V, method="DLIT").tau2 == pytest.approx(dl, rel=1e-11)
    assert quiet(y=Y, v=V, method="SJIT").tau2 == pytest.approx(sj, rel=1e-11)


def test_standard_errors_of_tau2_by_information() -> None:
    def reml(t: float) -> float:
        w, _, q = sums(t)
        return float(-0.5 * (np.log(V + t).sum() + np.log(w.sum()) + q))

    fit = quiet(y=Y, v=V)
    w = 1 / (V + fit.tau2)
    p = np.diag(w) - np.outer(w, w) / w.sum()
    assert fit.tau2_se == pytest.approx(math.sqrt(2 / np.trace(p @ p)), rel=1e-12)
    constant = 0.5 * math.log(6) - 2.5 * math.log(2 * math.pi)
    assert fit.information("REML").log_likelihood == pytest.approx(reml(fit.tau2) + constant, rel=1e-13)
    assert quiet(y=Y, v=V, method="ML").tau2_se == pytest.approx(
        math.sqrt(2 / ((1 / (V + quiet(y=Y, v=V, method="ML").tau2)) ** 2).sum()), rel=1e-12
    )


def test_criteria_count_their_parameters() -> None:
    free, fixed = quiet(y=Y, v=V, method="ML"), quiet(y=Y, v=V, tau2=0.2)
    for fit, p in ((free, 2), (fixed, 1)):
        for name, n in (("ML", 6), ("REML", 5)):
            s = fit.information(name)
            assert s.aic == pytest.approx(2 * p - 2 * s.log_likelihood)
            assert s.bic == pytest.approx(p * math.log(n) - 2 * s.log_likelihood)
            assert s.aicc == pytest.approx(s.aic + 2 * p * (p + 1) / (n - p - 1))
    assert free.information("ML").log_likelihood >= fixed.information("ML").log_likelihood
    assert fixed.method == "fixed"
    assert fixed.tau2 == 0.2


def test_profile_likelihood_interval() -> None:
    from scipy.stats import chi2

    for method in ("ML", "REML"):
        fit = quiet(y=Y, v=V, method=method, tau2_interval="profile-likelihood")
        top = fit.information(method).log_likelihood
        low, high = fit.tau2_interval
        assert low < fit.tau2 < high
        for limit in (low, high):
            if limit > 0:
                drop = top - quiet(y=Y, v=V, tau2=limit).information(method).log_likelihood
                assert drop == pytest.approx(chi2.ppf(0.95, 1) / 2, rel=1e-9)
    flat = quiet(y=[0.1, 0.2, 0.15], v=[0.3, 0.2, 0.4], tau2_interval="profile-likelihood")
    assert flat.tau2_interval[0] == 0
    assert flat.tau2_interval[1] < math.inf


def test_generalised_q_with_inverse_variances_is_q_profile_at_zero_weights() -> None:
    # Q with weights 1 / v: the interval of Biggerstaff & Jackson 2008; its distribution at tau2 = 0 is chi-squared
    from scipy.stats import chi2

    q = sums(0)[2]
    assert q_distribution(q, V, 1 / V, 0.0)[0] == pytest.approx(chi2.cdf(q, 5), abs=1e-13)
    fit = quiet(y=Y, v=V, method="DL", tau2_interval="generalised-Q")
    assert q_distribution(q, V, 1 / V, fit.tau2_interval[1])[0] == pytest.approx(0.025, abs=1e-12)
    equal = quiet(y=Y, v=np.full(6, 0.1), tau2_interval="generalised-Q").tau2_interval
    assert equal == pytest.approx(quiet(y=Y, v=np.full(6, 0.1)).tau2_interval, rel=1e-10)  # one Q where variances are equal


def test_distribution_of_q_by_simulation() -> None:
    rng = np.random.default_rng(4)
    draws = rng.normal(size=(200_000, 6)) * np.sqrt(V + 0.3)
    q = ((draws - (draws @ A / A.sum())[:, None]) ** 2) @ A
    for x in (1.0, 4.0, 12.0):
        assert q_distribution(x, V, A, 0.3)[0] == pytest.approx(np.mean(q <= x), abs=0.005)


def test_user_weights() -> None:
    fit = quiet(y=Y, v=V, tau2=0.2, weights=A, test="Wald")
    assert fit.estimate == pytest.approx(A @ Y / A.sum(), rel=1e-14)
    assert fit.se == pytest.approx(math.sqrt((A**2) @ (V + 0.2)) / A.sum(), rel=1e-14)
    assert fit.weights == pytest.approx(100 * A / A.sum())
    assert quiet(y=Y, v=V, tau2=0.2, weights=1 / (V + 0.2)).se == pytest.approx(quiet(y=Y, v=V, tau2=0.2).se, rel=1e-12)
    equal = vf.common_effect(y=Y, v=V, weights="equal")
    assert equal.estimate == pytest.approx(Y.mean())
    assert equal.se == pytest.approx(math.sqrt(V.sum()) / 6)
    gap = quiet(y=[*Y, None], v=[*V, 0.1], weights=[*A, 9.0], method="DL", missing="drop")
    assert gap.estimate == pytest.approx(quiet(y=Y, v=V, weights=A, method="DL").estimate, rel=1e-14)


def test_prediction_intervals() -> None:
    from scipy.stats import t as student

    y, v = Y, V
    wald, knapp, adhoc = (quiet(y=y, v=v, test=i) for i in ("Wald", "HKSJ", "HKSJ-adhoc"))
    tau = math.sqrt(wald.tau2)
    for interval in ("Wald", "HKSJ", "t"):
        hts = quiet(y=y, v=v, test=interval, prediction="HTS")
        half = student.ppf(0.975, 4) * math.hypot(wald.se, tau)
        assert hts.prediction == pytest.approx((wald.estimate - half, wald.estimate + half), rel=1e-12)
    riley = student.ppf(0.975, 4) * math.hypot(knapp.se, tau)
    for interval in ("Wald", "HKSJ"):
        fit = quiet(y=y, v=v, test=interval, prediction="Partlett-Riley")
        assert fit.prediction[1] - fit.estimate == pytest.approx(riley, rel=1e-12)
    fit = quiet(y=y, v=v, test="HKSJ-adhoc", prediction="Partlett-Riley")
    assert fit.prediction[1] - fit.estimate == pytest.approx(student.ppf(0.975, 4) * math.hypot(adhoc.se, tau), rel=1e-12)
    plain_t = quiet(y=y, v=v, test="t")
    assert plain_t.se == wald.se
    assert plain_t.interval[1] - plain_t.estimate == pytest.approx(student.ppf(0.975, 5) * wald.se, rel=1e-12)
    given_tau2 = quiet(y=y, v=v, tau2=0.2, test="Wald", prediction="HTS")  # no degree of freedom went into tau2
    assert given_tau2.prediction[1] - given_tau2.estimate == pytest.approx(
        student.ppf(0.975, 5) * math.hypot(given_tau2.se, math.sqrt(0.2)), rel=1e-12
    )


def test_bootstrap_prediction() -> None:
    first = quiet(y=Y, v=V, prediction="bootstrap", seed=3)
    assert quiet(y=Y, v=V, prediction="bootstrap", seed=3).prediction == first.prediction
    other = quiet(y=Y, v=V, prediction="bootstrap", seed=4)
    assert other.prediction != first.prediction
    assert other.prediction == pytest.approx(first.prediction, abs=0.1)
    assert first.call["seed"] == 3
    moved = quiet(y=10 * Y + 3, v=100 * V, prediction="bootstrap", seed=3)
    assert moved.prediction == pytest.approx([10 * x + 3 for x in first.prediction], rel=1e-6)
    assert first.prediction[0] < quiet(y=Y, v=V, prediction="HTS").interval[0]
    same = quiet(y=[0.2] * 4, v=[0.1, 0.2, 0.1, 0.3], prediction="bootstrap")
    assert np.isfinite(same.prediction).all()


def test_confidence_distribution_of_tau2() -> None:
    from vfmeta.kernels.prediction import confidence_draws_of_tau2

    u = np.array([0.01, 0.2, 0.5, 0.8, 0.999])
    draws = confidence_draws_of_tau2(Y, V, u)
    q = sums(0)[2]
    for t, p in zip(draws, u, strict=True):
        reached = q_distribution(q, V, 1 / V, t)[0]
        assert reached == pytest.approx(p, rel=1e-4) if t > 0 else reached <= p
    m = regression(Y, V, np.ones((len(Y), 1)))
    assert draws[2] == pytest.approx(tau2_at(m, 1 / V, 0.5) * m.scale**2, rel=1e-4)


@pytest.mark.parametrize("k", [50, 2_000])
def test_many_studies(k: int) -> None:
    rng = np.random.default_rng(k)
    v = rng.uniform(0.01, 0.2, k)
    y = rng.normal(1, np.sqrt(v + 0.1))
    for method in PLAIN:
        assert quiet(y=y, v=v, method=method).tau2 == pytest.approx(0.1, abs=3 / math.sqrt(k))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(2, 9), st.sampled_from(PLAIN), st.floats(-3, 3), st.sampled_from([1e-4, 0.3, 7.0, 1e5])
)
def test_shift_scale_and_order(seed: int, k: int, method: str, shift: float, unit: float) -> None:
    rng = np.random.default_rng(seed)
    v = 10 ** rng.uniform(-2, 0.5, k)
    y = rng.normal(0, np.sqrt(v + rng.choice([0, 0.1, 1])))
    one = quiet(y=y, v=v, method=method)
    order = rng.permutation(k)
    other = quiet(y=unit * (y[order] + shift), v=unit**2 * v[order], method=method)
    near = 1e-9 * (v.min() + one.tau2)
    assert other.tau2 / unit**2 == pytest.approx(one.tau2, rel=1e-7, abs=near)
    assert other.estimate / unit - shift == pytest.approx(one.estimate, rel=1e-7, abs=1e-9)
    assert other.i2 == pytest.approx(one.i2, rel=1e-7, abs=1e-7)
    assert other.tau2_se / unit**2 == pytest.approx(one.tau2_se, rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 7), st.sampled_from(["REML", "ML"]))
def test_likelihood_is_at_its_global_maximum(seed: int, k: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    v = 10 ** rng.uniform(-4, 0.5, k)
    y = rng.normal(0, np.sqrt(v + rng.choice([0, 0.01, 1]))) * rng.choice([0.2, 1, 3])
    t = quiet(y=y, v=v, method=method).tau2
    grid = np.concatenate([[0, t], np.geomspace(1e-7, 1e3, 2000)])
    w = 1 / (v + grid[:, None])
    m = (w * y).sum(1) / w.sum(1)
    height = np.log(w).sum(1) - (w * (y - m[:, None]) ** 2).sum(1) - (method == "REML") * np.log(w.sum(1))
    assert height[1] >= height.max() - 1e-9 * max(1, abs(height.max()))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(PLAIN), st.sampled_from(["HKSJ", "HKSJ-adhoc", "Wald", "t"]))
def test_random_input_gives_numbers(seed: int, method: str, interval: str) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 9))
    y = rng.normal(size=k) * 10.0 ** rng.integers(-8, 8) * rng.integers(0, 2)
    v = 10.0 ** rng.uniform(-9, 9, k)
    fit = quiet(y=y, v=v, method=method, test=interval)
    assert fit.tau2 >= 0
    assert fit.tau2_se >= 0  # zero for SJ where all effects are the same
    assert 0 <= fit.i2 <= 100
    assert np.isfinite([fit.estimate, fit.se, *fit.interval, fit.p_value, fit.q.p_value, fit.h2]).all()


@pytest.mark.parametrize("method", PLAIN)
def test_a_study_of_infinite_variance_adds_nothing(method: str) -> None:
    # limit v -> inf at the tau2 of the others: estimate and se are those without the study
    one = quiet(y=Y, v=V, tau2=quiet(y=Y, v=V, method=method).tau2, test="Wald")
    more = quiet(y=[*Y, 4.0], v=[*V, 1e14], tau2=one.tau2, test="Wald")
    assert (more.estimate, more.se) == pytest.approx((one.estimate, one.se), rel=1e-10)


def test_doubling_every_study_halves_the_variance_of_a_common_effect() -> None:
    one, two = vf.common_effect(y=Y, v=V), vf.common_effect(y=[*Y, *Y], v=[*V, *V])
    assert two.estimate == pytest.approx(one.estimate)
    assert two.se == pytest.approx(one.se / math.sqrt(2))
    assert two.q.statistic == pytest.approx(2 * one.q.statistic)


def test_h2_and_intervals_of_i2() -> None:
    fit = quiet(y=Y, v=V)
    assert fit.h2 == pytest.approx(1 / (1 - fit.i2 / 100))
    spans, high = fit.heterogeneity_interval(), fit.tau2_interval[1]
    assert spans["tau2"] == fit.tau2_interval
    assert spans["i2"][1] == pytest.approx(100 * high / (high + fit.typical_variance))
    assert spans["h2"][0] == pytest.approx(fit.tau2_interval[0] / fit.typical_variance + 1)
    back = FrequentistResult.from_dict(json.loads(fit.to_json()))
    assert back.h2 == pytest.approx(fit.h2, rel=1e-8)
    assert back.information("ML").aic == pytest.approx(fit.information("ML").aic, rel=1e-9)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"method": "MLE"}, "method='MLE' is unknown"),
    ({"tau2": -0.1}, "no variance"),
    ({"tau2": math.inf}, "no variance"),
    ({"tau2": True}, "must be a number"),
    ({"method": "GENQ"}, "needs weights"),
    ({"test": "z"}, "test='z' is unknown"),
    ({"prediction": "none"}, "prediction='none' is unknown"),
    ({"tau2_interval": "Wald"}, "tau2_interval='Wald' is unknown"),
    ({"method": "DL", "tau2_interval": "profile-likelihood"}, "follows a likelihood"),
    ({"weights": [1, 2]}, "weights has 2 values for 6 rows"),
    ({"weights": "unequal"}, "weights='unequal' is unknown"),
    ({"weights": [1, 2, 3, 4, 5, 0]}, r"row 6 \(study 6\), column weights: 0 is no weight"),
    ({"weights": [1, 2, 3, 4, 5, "x"]}, "not a number"),
    ({"prediction": "bootstrap", "draws": 0}, "draws=0"),
    ({"prediction": "bootstrap", "seed": -1}, "seed=-1"),
]


@pytest.mark.parametrize(("choice", "message"), BAD)
def test_bad_choices(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        vf.random_effects(y=Y, v=V, **choice)


@pytest.mark.parametrize("weights", ["equal", [2.0, 3.0, 1.0]])
def test_hartung_knapp_factor_under_weights_of_ones_own_has_mean_one(weights: Any) -> None:
    """The factor is about the inverse-variance mean, where it is Q / (k - 1); about the other its mean is 111 here."""
    v, rng = np.array([0.001, 1.0, 1.0]), np.random.default_rng(11)
    plain, factors = [], []
    for _ in range(3):
        y = rng.normal(0, np.sqrt(v))
        fit = quiet(y=y, v=v, weights=weights, tau2=0.0)
        a = np.ones(3) if weights == "equal" else np.array(weights)
        assert fit.estimate == pytest.approx(a @ y / a.sum(), rel=1e-12)
        plain.append(math.sqrt(a**2 @ v) / a.sum())
        factors.append((fit.se / plain[-1]) ** 2)
        mean = (y / v).sum() / (1 / v).sum()
        assert factors[-1] == pytest.approx(((y - mean) ** 2 / v).sum() / 2, rel=1e-9)


def test_deviance_of_one_model_is_one_value() -> None:
    """A pool is a multivariate model, a location-scale model and a regression: -2 (log likelihood less the saturated one)."""
    y, v = np.array([0.1, 0.4, -0.2, 0.7, 0.3]), np.array([0.02, 0.05, 0.03, 0.04, 0.08])
    fit = quiet(y=y, v=v, method="ML")
    m, t = v + fit.tau2, fit.tau2
    mean = (y / m).sum() / (1 / m).sum()
    by_hand = (np.log(m / v) + (y - mean) ** 2 / m).sum()
    assert t > 0
    assert fit.information("ML").deviance == pytest.approx(by_hand, rel=1e-10)
    others = [
        vf.meta_regression(y=y, v=v, formula="~ 1", data={"x": y}, method="ML"),
        vf.multivariate(y=y, v=v, data={"s": list("abcde")}, random="1 | s", method="ML"),
        vf.location_scale(y=y, v=v, data={"x": y}, formula="~ 1", scale="~ 1", method="ML"),
    ]
    for other in others:
        assert other.information("ML").deviance == pytest.approx(by_hand, rel=1e-6)
        assert other.information("REML").deviance == pytest.approx(fit.information("REML").deviance, rel=1e-6)


@pytest.mark.parametrize("kind", ["HTS", "Partlett-Riley"])
def test_undefined_prediction_intervals_say_so(kind: str) -> None:
    with pytest.warns(vf.VfmetaWarning, match=f"The {kind} prediction interval is undefined: 2 studies leave no degree"):
        assert vf.random_effects(y=[0.5, 0.2], v=[0.1, 0.2], prediction=kind).prediction is None


def test_intervals_of_width_zero_say_so() -> None:
    with pytest.warns(vf.VfmetaWarning, match="interval and the prediction interval have width zero"):
        fit = vf.random_effects(y=[0.5] * 3, v=[0.1, 0.2, 0.3])
    assert fit.prediction == fit.interval == (0.5, 0.5)


def test_pooled_double_arcsine_of_very_unequal_sizes_warns_and_offers_the_glmm() -> None:
    """After metafor-project.org, analyses:miller1978. Sizes of one order pass without a word."""
    data = {"x": [3, 15, 20, 2, 5], "n": [100000, 500000, 900000, 600, 4000000]}
    with pytest.warns(vf.VfmetaWarning, match=r"sizes are very unequal.*as a proportion.*vf\.glmm"):
        vf.random_effects(vf.effect_size("PFT", data=data, events="x", n="n"))
    with pytest.warns(vf.VfmetaWarning, match=r"sizes are very unequal.*as a rate.*vf\.glmm"):
        vf.random_effects(vf.effect_size("IRFT", data=data, events="x", time="n"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        vf.random_effects(vf.effect_size("PFT", data={"x": [3, 6, 10, 9], "n": [11, 17, 21, 40]}, events="x", n="n"))
    assert not [w for w in said if "unequal" in str(w.message)]
