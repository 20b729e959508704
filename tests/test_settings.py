"""Shares of settings against the prediction interval and the posterior; unequal heterogeneity against the likelihood itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.kernels.heteroscedastic import score

A = vf.appraisal
Y = np.array([-0.9, -0.2, -0.6, 0.1, -0.4, -1.1, 0.2])
V = np.array([0.16, 0.01, 0.09, 0.0144, 0.04, 0.05, 0.06])
QUESTION = vf.Question(measure="MD", higher_is_worse=True, mid=0.5)
quiet = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


@quiet
@pytest.mark.parametrize("given", [{}, {"test": "Wald"}, {"prediction": "HTS"}, {"prediction": "Partlett-Riley"}])
def test_shares_are_those_of_the_prediction_interval(given: dict[str, str]) -> None:
    fit = vf.random_effects(y=Y, v=V, question=QUESTION, **given)  # type: ignore[arg-type]
    assert fit.prediction is not None
    for end, share in zip(fit.prediction, (0.025, 0.975), strict=True):
        assert A.setting_shares(fit, beyond=end).estimate[0] == pytest.approx(share, rel=1e-8)


@quiet
def test_benefit_lies_where_the_question_says() -> None:
    fit = vf.random_effects(y=Y, v=V, question=QUESTION)
    found = A.setting_shares(fit)
    assert found.terms == ("an important benefit", "neither", "an important harm")
    assert found.high.tolist() == [-0.5, 0.5, math.inf]
    turned = A.setting_shares(vf.random_effects(y=-Y, v=V, question=vf.Question(measure="MD", higher_is_worse=False, mid=0.5)))
    assert turned.terms == ("an important harm", "neither", "an important benefit")
    np.testing.assert_allclose(turned.estimate[::-1], found.estimate, rtol=1e-12)
    assert np.trapezoid(found.density, found.grid) == pytest.approx(1, abs=0.01)  # t has tails beyond the grid
    assert "Of 100 settings" in found.sentence()


@quiet
def test_a_posterior_tells_its_own_chances() -> None:
    priors = {"tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Normal(0, 10)}
    post = vf.bayes.random_effects(y=Y, v=V, **priors, question=QUESTION)  # type: ignore[arg-type]
    assert A.setting_shares(post).estimate[0] == pytest.approx(post.p_next_benefit_mid, rel=1e-8)


@quiet
def test_what_has_no_shares_is_refused() -> None:
    with pytest.raises(vf.InputError, match="no distribution of true effects"):
        A.setting_shares(vf.common_effect(y=Y, v=V))
    with pytest.raises(vf.InputError, match="Nothing says what is important"):
        A.setting_shares(vf.random_effects(y=Y, v=V))


def restricted(y: np.ndarray, u: np.ndarray) -> float:
    w = 1 / u
    return -0.5 * float(np.log(u).sum() + np.log(w.sum()) + w @ (y - w @ y / w.sum()) ** 2)


def test_the_score_is_that_of_the_restricted_likelihood() -> None:
    tau2, k = 0.07, len(Y)
    u, w = V + tau2, 1 / (V + tau2)
    h = 1e-6
    s = np.array([(restricted(Y, u + h * e) - restricted(Y, u - h * e)) / (2 * h) for e in np.eye(k)])
    p = np.diag(w) - np.outer(w, w) / w.sum()
    assert float(score(Y[None], V, np.array([tau2]), True)[0]) == pytest.approx(s @ np.linalg.solve(p**2 / 2, s), rel=1e-6)

    def ml(u: np.ndarray) -> float:
        w = 1 / u
        return -0.5 * float(np.log(u).sum() + w @ (Y - w @ Y / w.sum()) ** 2)

    s = np.array([(ml(u + h * e) - ml(u - h * e)) / (2 * h) for e in np.eye(k)])
    assert float(score(Y[None], V, np.array([tau2]), False)[0]) == pytest.approx((s**2 * 2 / w**2).sum(), rel=1e-6)


def test_an_outlier_is_unequal_heterogeneity() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(0, 0.15, 20)
    even = A.heteroscedasticity(y=y, v=np.full(20, 0.02), draws=400)
    y[3] = 1.5
    odd = A.heteroscedasticity(y=y, v=np.full(20, 0.02), draws=400)
    assert odd.p_value < 0.01 < even.p_value
    assert odd == A.heteroscedasticity(y=y, v=np.full(20, 0.02), draws=400)
    with pytest.raises(vf.InputError, match="needs 3"):
        A.heteroscedasticity(y=[0.1, 0.2], v=[0.1, 0.1])


@quiet
def test_the_figure_shades_each_part() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = A.setting_shares(vf.random_effects(y=Y, v=V, question=QUESTION))
    ax = found.plot()
    assert {c.get_gid() for c in ax.collections} == set(found.terms)
    assert [line.get_xdata()[0] for line in ax.lines if line.get_gid() == "edge"] == [-0.5, 0.5]
    plt.close("all")
