"""Effects of single studies and how far each lies apart: what the defaults promise, against other ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import vfmeta as vf

Y, V = np.array([-0.9, -0.2, 0.1, 0.3, 1.4, 0.2]), np.array([0.1, 0.3, 0.2, 0.6, 0.25, 0.15])
TRIALS = {5: np.ones(5), 10: np.geomspace(0.2, 5, 10)}


def given(tau2: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Means and variances of the effects at one tau2, and the restricted likelihood there."""
    w = 1 / (V + tau2)
    mean = w @ Y / w.sum()
    own = V * w
    density = np.exp(stats.norm.logpdf(Y, mean, w**-0.5).sum()) / np.sqrt(w.sum())
    return own * mean + (1 - own) * Y, own * tau2 + own**2 / w.sum(), density


def test_integrated_effects_are_those_of_adaptive_quadrature() -> None:
    fit = vf.random_effects(y=Y, v=V)
    found = vf.blups(fit)
    whole = integrate.quad(lambda t: given(t)[2], 0, np.inf, epsabs=0, epsrel=1e-11)[0]
    for i in (0, 4):
        mean = integrate.quad(lambda t, i=i: given(t)[0][i] * given(t)[2], 0, np.inf, epsabs=0, epsrel=1e-11)[0] / whole
        square = integrate.quad(
            lambda t, i=i: (given(t)[0][i] ** 2 + given(t)[1][i]) * given(t)[2], 0, np.inf, epsabs=0, epsrel=1e-11
        )[0]
        assert found["estimate"][i] == pytest.approx(mean, rel=1e-6)
        assert found["se"][i] == pytest.approx(np.sqrt(square / whole - mean**2), rel=1e-6)
        for name, p in (("ci_low", 0.025), ("ci_high", 0.975)):
            below = integrate.quad(
                lambda t, i=i, name=name: stats.norm.cdf(found[name][i], given(t)[0][i], given(t)[1][i] ** 0.5) * given(t)[2],
                0, np.inf, epsabs=0, epsrel=1e-10,
            )[0]  # fmt: skip
            assert below / whole == pytest.approx(p, rel=1e-5)


def test_a_result_tells_the_limits_of_one_study() -> None:
    fit = vf.common_effect(y=Y, v=V, level=0.9)
    half = stats.norm.ppf(0.95) * V[2] ** 0.5
    assert fit.study_interval(2) == pytest.approx((Y[2] - half, Y[2] + half), rel=1e-12)
    assert fit.study_interval(2) == tuple(fit.studies.loc[2, ["ci_low", "ci_high"]])


def test_with_a_tau2_beyond_doubt_both_kinds_agree() -> None:
    rng = np.random.default_rng(1)
    fit = vf.random_effects(y=rng.normal(0, 3, 4000), v=np.full(4000, 0.5), test="Wald")
    one, other = vf.blups(fit), vf.blups(fit, kind="plug-in")
    for name in ("estimate", "se", "ci_low", "ci_high", "deviation", "deviation_se", "deviation_low", "deviation_high"):
        np.testing.assert_allclose(one[name], other[name], rtol=2e-3, atol=2e-3)


def test_a_tau2_that_was_given_is_known() -> None:
    fit = vf.random_effects(y=Y, v=V, tau2=0.2, test="Wald")
    mean, variance, _ = given(0.2)
    np.testing.assert_allclose(vf.blups(fit)["ci_high"], mean + stats.norm.ppf(0.975) * variance**0.5, rtol=1e-10)
    with pytest.raises(vf.InputError, match='tau2 was given; use kind="plug-in"'):
        vf.blups(fit, kind="integrated")
    with pytest.raises(vf.InputError, match="2 studies and 1 coefficients"):
        vf.blups(vf.random_effects(y=Y[:2], v=V[:2]), kind="integrated")
    many = vf.multivariate(y=Y, v=V, data={"effect": range(6)}, random="1 | effect")
    with pytest.raises(vf.InputError, match="of one tau2"):
        vf.blups(many, kind="integrated")


def test_studentised_residuals_of_a_common_mean_are_those_of_least_squares() -> None:
    """With equal variances and tau2 = 0 Hartung-Knapp is ordinary least squares, whose deleted residuals follow t(k - 2)."""
    y = np.array([0.2, -0.4, 0.9, 0.1, 0.5, 3.0])
    fit = vf.random_effects(y=y, v=np.ones(6), tau2=0.0)
    others = [np.delete(y, i) for i in range(6)]
    t = np.array([(y[i] - x.mean()) / (x.std(ddof=1) * np.sqrt(1 + 1 / 5)) for i, x in enumerate(others)])
    for found in (vf.residuals(fit), vf.influence(fit)):
        np.testing.assert_allclose(found["studentised"], t, rtol=1e-9)
        np.testing.assert_allclose(found["studentised_df"], 4)
        np.testing.assert_allclose(found["studentised_p_value"], 2 * stats.t.sf(abs(t), 4), rtol=1e-9)
    assert vf.influence(fit)["influential"].tolist() == (6 * 2 * stats.t.sf(abs(t), 4) < 0.05).tolist() == [False] * 5 + [True]
    known = vf.residuals(vf.common_effect(y=y, v=np.ones(6)))
    assert np.isinf(known["studentised_df"]).all()
    np.testing.assert_allclose(known["studentised_p_value"], 2 * stats.norm.sf(abs(known["studentised"])), rtol=1e-9)


def test_leverage_alone_makes_no_study_influential_unless_the_textbook_rule_is_asked_for() -> None:
    y, v = [0.1, 0.2, 0.3, 0.15, 0.25, 0.2, 0.18, 0.22], [0.001] + [0.4] * 7
    fit = vf.common_effect(y=y, v=v)
    assert not vf.influence(fit)["influential"].any()
    assert vf.influence(fit, kind="Viechtbauer-Cheung")["influential"].tolist() == [True] + [False] * 7


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
@pytest.mark.parametrize(("k", "tau2"), [(5, 2.0), (10, 0.9)])
def test_effects_are_covered_and_clean_sets_have_no_outlier(k: int, tau2: float) -> None:
    rng, v, draws = np.random.default_rng(k), TRIALS[k], 800
    covered, flagged, single = [], [], []
    for _ in range(draws):
        truth = rng.normal(0, tau2**0.5, k)
        fit = vf.random_effects(y=rng.normal(truth, v**0.5), v=v)
        found, each = vf.blups(fit), vf.influence(fit)
        covered.append(((found["ci_low"] <= truth) & (truth <= found["ci_high"])).mean())
        flagged.append(each["influential"].any())
        single.append((each["studentised_p_value"] < 0.05).mean())
    assert np.mean(covered) > 0.94
    assert np.mean(flagged) < (0.075 if k == 5 else 0.12)  # ten variances from 0.2 to 5
    assert 0.03 < np.mean(single) < 0.07
