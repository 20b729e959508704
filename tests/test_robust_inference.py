"""Cluster-robust inference, sampling covariances and the CHE model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f
from tests.test_dependent_effects import example

import vfmeta as vf
from vfmeta.kernels.sandwich import covariances

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


@pytest.fixture(scope="module")
def model():
    frame, V = example(3, groups=9, complete=False)
    return vf.multivariate(y=frame.y, V=V, data=frame, random="1 | trial/effect", formula="~ x")


def pieces(fit):
    X, y, M = fit.X, fit.y, fit.marginal_covariance
    return X, y, M, np.linalg.inv(M), np.linalg.inv(X.T @ np.linalg.inv(M) @ X), fit.data.trial.to_numpy()


def test_cr0_is_the_plain_sandwich(model):
    X, y, _, W, bread, trial = pieces(model)
    e = y - X @ (bread @ X.T @ W @ y)
    meat = sum(np.outer(s, s) for t in np.unique(trial) if (s := X.T @ W[:, trial == t] @ e[trial == t]) is not None)
    r = vf.robust(model, "trial", kind="CR0", df="residual")
    np.testing.assert_allclose(r.vb, bread @ meat @ bread, rtol=1e-9)
    np.testing.assert_allclose(r.estimate, model.estimate, rtol=1e-10)
    m, k, p = 9, len(y), 2
    for kind, factor in (("CR1", m / (m - 1)), ("CR1p", m / (m - p)), ("CR1S", m * (k - 1) / ((m - 1) * (k - p)))):
        np.testing.assert_allclose(vf.robust(model, "trial", kind=kind).vb, factor * r.vb, rtol=1e-10)
    assert set(r.df) == {7.0}


def test_cr2_is_unbiased_under_the_working_model(model):
    r = vf.robust(model, "trial", kind="CR2")
    expected = np.einsum("stii->st", covariances(r.parts, np.eye(2)))
    np.testing.assert_allclose(expected, model.vb, rtol=1e-9)


def test_cr3_is_the_jackknife_over_clusters(model):
    X, y, _, W, bread, trial = pieces(model)
    beta = bread @ X.T @ W @ y
    total = np.zeros((2, 2))
    for t in np.unique(trial):
        keep = trial != t
        w = W[np.ix_(keep, keep)]
        left = np.linalg.solve(X[keep].T @ w @ X[keep], X[keep].T @ w @ y[keep]) - beta
        total += np.outer(left, left)
    np.testing.assert_allclose(vf.robust(model, "trial", kind="CR3").vb, total, rtol=1e-8)


def test_satterthwaite_df_by_simulation_of_the_working_model(model):
    """2 mean^2 / variance of the robust variance, with errors drawn from the working model."""
    X, _, M, W, bread, trial = pieces(model)
    r = vf.robust(model, "trial", kind="CR0")
    rng = np.random.default_rng(0)
    e = rng.multivariate_normal(np.zeros(len(M)), M, size=40_000)
    e = e - (e @ W @ X @ bread) @ X.T
    scores = np.stack([e[:, trial == t] @ W[np.ix_(trial == t, trial == t)] @ X[trial == t] @ bread for t in np.unique(trial)])
    drawn = (scores**2).sum(axis=0)
    np.testing.assert_allclose(2 * drawn.mean(axis=0) ** 2 / drawn.var(axis=0), r.df, rtol=0.05)


def test_hotelling_of_one_coefficient_is_its_t_test(model):
    r = vf.robust(model, "trial")
    joint = r.wald(["x"])
    assert joint.statistic == pytest.approx(r.statistic[1] ** 2, rel=1e-10)
    assert joint.df_residual == pytest.approx(r.df[1], rel=1e-10)
    assert joint.p_value == pytest.approx(r.p_value[1], rel=1e-8)
    both = r.wald(np.eye(2))
    turned = r.wald(np.array([[1.0, 2.0], [-3.0, 0.5]]))
    assert both.statistic == pytest.approx(turned.statistic, rel=1e-9)
    assert both.df_residual == pytest.approx(turned.df_residual, rel=1e-9)
    naive = r.wald(np.eye(2), test="F")
    assert naive.p_value == pytest.approx(f.sf(naive.statistic, 2, 7), rel=1e-10)
    assert r.wald(np.eye(2), test="chi2").statistic == pytest.approx(2 * naive.statistic, rel=1e-12)


def test_univariate_fits_and_regressions_are_taken_too():
    frame, _ = example(5, groups=10, outcomes=2)
    one = vf.random_effects(y=frame.y, v=frame.v, test="Wald")
    same = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | effect")
    a, b = vf.robust(one, frame.trial), vf.robust(same, "trial")
    np.testing.assert_allclose(a.se, b.se, rtol=1e-7)
    np.testing.assert_allclose(a.df, b.df, rtol=1e-7)
    line = vf.meta_regression(y=frame.y, v=frame.v, formula="~ x", data=frame, method="REML", test="Wald")
    same = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | effect", formula="~ x")
    np.testing.assert_allclose(vf.robust(line, frame.trial).se, vf.robust(same, "trial").se, rtol=1e-7)


def test_refusals(model):
    with pytest.raises(vf.InputError, match="cut through"):
        vf.robust(model, "effect")
    with pytest.raises(vf.InputError, match="no column"):
        vf.robust(model, "site")
    with pytest.raises(vf.InputError, match="kind='HC3'"):
        vf.robust(model, "trial", kind="HC3")
    with pytest.raises(vf.InputError, match=r"row 2 .*column cluster: missing"):
        vf.robust(model, [0, None, *model.data.trial[2:]])
    with pytest.raises(vf.InputError, match="2 clusters cannot carry"):
        vf.robust(model, np.minimum(model.data.trial, 1))
    with pytest.raises(vf.InputError, match="There is no coefficient z"):
        vf.robust(model, "trial").wald(["z"])
    weighted = vf.random_effects(y=model.y, v=np.diag(model.V), weights="equal")
    with pytest.raises(vf.InputError, match="weights of its own"):
        vf.robust(weighted, model.data.trial)
    alone = model.data.assign(z=(model.data.trial == 0).astype(float))
    fit = vf.multivariate(y=alone.y, v=alone.v, data=alone, random="1 | trial", formula="~ z")
    with pytest.warns(vf.VfmetaWarning, match="Rests on one cluster"):
        robust = vf.robust(fit, "trial", kind="CR3")
    assert np.isnan(robust.se).tolist() == [False, True]
    with pytest.raises(vf.InputError, match=r"rests on one cluster \(z\)"):
        robust.wald(["z"])


@pytest.mark.parametrize("formula", ["~ 0 + g", "~ g"])
def test_coefficient_of_one_cluster_is_not_estimable_and_the_others_are_the_jackknife(formula):
    """After jepusto/clubSandwich #86: the level c is met in one cluster only."""
    v = [0.02, 0.03, 0.05, 0.01, 0.02, 0.03, 0.05, 0.01, 0.02, 0.07]
    frame = pd.DataFrame({"y": [0.1, 0.3, 0.5, 0.2, 0.4, 1.2, 1.7, -0.4, 0.6, 0.5], "v": v, "g": list("aaaabbbbcc")})
    frame["trial"] = list("ABCDEFGHII")
    fit = vf.meta_regression(frame, formula, y="y", v="v")
    x, w = fit.design.x, np.sqrt(1 / (fit.v + fit.tau2))

    def coefficients(keep):
        return np.linalg.lstsq(w[keep, None] * x[keep], w[keep] * fit.y[keep], rcond=None)[0]

    whole = coefficients(np.ones(10, bool))
    moved = np.array([coefficients((frame.trial != t).to_numpy()) - whole for t in "ABCDEFGHI"])
    for kind in ("CR0", "CR1", "CR1p", "CR2", "CR3"):
        with pytest.warns(vf.VfmetaWarning, match=r"Rests on one cluster.*g\[(T\.)?c\]"):
            robust = vf.robust(fit, frame.trial, kind=kind)
        row = robust.to_frame().iloc[2]
        assert np.isnan(row[["se", "ci_low", "ci_high", "statistic", "df", "p_value"]].astype(float)).all()
        assert (robust.se[:2] > 0).all()
        assert np.isfinite(robust.p_value[:2]).all()
        assert "not estimable" in str(robust)
        assert "nan" not in str(robust)
        assert np.isnan(robust.predict()["se"]).tolist() == [g == "c" for g in frame.g]
    np.testing.assert_allclose(robust.se[:2], np.sqrt((moved[:, :2] ** 2).sum(axis=0)), rtol=1e-9)


def test_one_cluster_only_is_said():
    """After jepusto/clubSandwich #62, #63."""
    y, v = [0.3, 0.5, 0.2, 0.4, 0.1], [0.04, 0.03, 0.02, 0.05, 0.03]
    with pytest.raises(vf.InputError, match=r"one cluster only \(s\)"):
        vf.che(y=y, v=v, cluster=["s"] * 5, rho=0.6)
    with pytest.raises(vf.InputError, match=r"one cluster only \(s\)"):
        vf.robust(vf.random_effects(y=y, v=v), ["s"] * 5)


def test_che_is_its_parts():
    frame, V = example(8, groups=9, complete=False)
    V = vf.sampling_covariance("v", "trial", rho=0.7, data=frame)
    parts = vf.robust(vf.multivariate(y=frame.y, V=V, data=frame, random="1 | trial/effect", formula="~ x"), "trial")
    whole = vf.che(y=frame.y, v=frame.v, cluster="trial", rho=0.7, formula="~ x", data=frame)
    for name in ("estimate", "se", "df", "p_value"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), rtol=1e-8)
    assert whole.model.random[0].groups == 9
    assert "9 clusters" in str(whole)
    y = frame.y.tolist()
    y[2] = None
    with pytest.raises(vf.InputError, match=r"row 3 .*column y: missing"):
        vf.che(y=y, v=frame.v, cluster="trial", data=frame)
    assert vf.che(y=y, v=frame.v, cluster="trial", data=frame, missing="drop").k == len(frame) - 1
    with pytest.raises(vf.InputError, match=r"rho=1\.2"):
        vf.che(y=frame.y, v=frame.v, cluster="trial", rho=1.2, data=frame)


class TestSamplingCovariance:
    def test_outcomes(self):
        V = vf.sampling_covariance([4.0, 9.0, 1.0], ["a", "a", "b"], outcome=["p", "q", "p"], rho=0.5)
        np.testing.assert_allclose(V, [[4, 3, 0], [3, 9, 0], [0, 0, 1]])
        named = vf.sampling_covariance([4.0, 9.0, 1.0], ["a", "a", "b"], outcome=["p", "q", "p"], rho={("q", "p"): 0.5})
        np.testing.assert_allclose(named, V)

    def test_domains(self):
        V = vf.sampling_covariance([1.0] * 3, [1] * 3, outcome=["p", "q", "r"], domain=["a", "a", "b"], rho=(0.6, 0.2))
        np.testing.assert_allclose(V, [[1, 0.6, 0.2], [0.6, 1, 0.2], [0.2, 0.2, 1]])

    def test_times_multiply_outcomes(self):
        V = vf.sampling_covariance([1.0] * 4, [1] * 4, outcome=["p", "q", "p", "q"], time=[0, 0, 2, 2], rho=0.5, phi=0.8)
        assert V[0, 3] == pytest.approx(0.5 * 0.8**2)
        assert V[0, 2] == pytest.approx(0.8**2)

    def test_shared_control_is_the_variance_of_that_arm(self):
        """With Var(mean) = 1 / n the covariance of A - C and B - C is 1 / n_C."""
        n = {"A": 30, "B": 50, "C": 20}
        v = [1 / n["A"] + 1 / n["C"], 1 / n["B"] + 1 / n["C"]]
        arms = {"experimental": ["A", "B"], "control": ["C", "C"]}
        V = vf.sampling_covariance(v, [1, 1], **arms, n_experimental=[30, 50], n_control=[20, 20])
        assert V[0, 1] == pytest.approx(1 / 20, rel=1e-12)
        equal = vf.sampling_covariance([1.0, 1.0], [1, 1], experimental=["A", "B"], control=["C", "C"])
        assert equal[0, 1] == pytest.approx(0.5)
        chain = vf.sampling_covariance([1.0, 1.0], [1, 1], experimental=["A", "B"], control=["B", "C"])
        assert chain[0, 1] == pytest.approx(-0.5)

    def test_simulated_arms_over_time(self):
        """Arms measured twice: covariance of contrasts by the algebra of their means."""
        phi, n = 0.6, np.array([10.0, 25.0, 40.0])
        arms, times = [0, 0, 1, 1, 2, 2], np.array([0.0, 3.0] * 3)
        arms = np.array(arms)
        means = (arms[:, None] == arms) * phi ** np.abs(times[:, None] - times) / n[arms]
        L = np.array([[1, 0, 0, 0, -1, 0], [0, 1, 0, 0, 0, -1], [0, 0, 1, 0, -1, 0], [0, 0, 0, 1, 0, -1]])
        expected = L @ means @ L.T
        V = vf.sampling_covariance(
            np.diag(expected), [1] * 4, experimental=["A", "A", "B", "B"], control=["C"] * 4, n_experimental=[10, 10, 25, 25],
            n_control=[40] * 4, time=[0, 3, 0, 3], phi=phi,
        )  # fmt: skip
        np.testing.assert_allclose(V, expected, rtol=1e-12)

    def test_refusals(self):
        def refuse(match, *arguments, **given_):
            with pytest.raises(vf.InputError, match=match):
                vf.sampling_covariance(*arguments, **given_)

        refuse("Nothing says", [1.0, 1.0], [1, 1])
        refuse("must lie between -1 and 1", [1.0, 1.0], [1, 1], rho=1.5)
        refuse("phi and time", [1.0, 1.0], [1, 1], phi=0.5)
        refuse("Give rho", [1.0, 1.0], [1, 1], outcome=["p", "q"])
        refuse("both arms", [1.0, 1.0], [1, 1], experimental=["A", "B"])
        refuse("row 2, column cluster: missing", [1.0, 1.0], [1, None], rho=0.5)
        refuse("row 1, column v: the sampling variance is -1", [-1.0, 1.0], [1, 1], rho=0.5)
        refuse("rho has no correlation of p with q", [1.0, 1.0], [1, 1], outcome=["p", "q"], rho={("p", "r"): 0.5})
        refuse("rho has 2 values", [1.0, 1.0], [1, 1], outcome=["p", "q"], rho=(0.5, 0.2))
        refuse(r"rows 1 \(1\), 2 \(1\) is not positive definite", [1.0, 1.0], [1, 1], outcome=["p", "p"], rho=0.5)
        refuse("No column 'trial' in the data", "v", "trial", rho=0.5, data=pd.DataFrame({"v": [1.0]}))


def test_effects_that_stand_alone_need_no_correlation() -> None:
    assert vf.sampling_covariance([0.1, 0.2, 0.3], ["a", "b", "c"]).tolist() == np.diag([0.1, 0.2, 0.3]).tolist()
    with pytest.raises(vf.InputError, match="Nothing says how the effects correlate"):
        vf.sampling_covariance([0.1, 0.2, 0.3], ["a", "a", "c"])
