"""What one asks of a multivariate fit afterwards, and what one may tell it beforehand: against R, refits and formulas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm
from tests.reference_runner import common
from tests.test_dependent_effects import dense_log_likelihood, example

import vfmeta as vf

CASES = json.loads((Path(__file__).parent / "reference" / "rma_mv_after.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
THREE = "1 | trial/effect"


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference(case):
    outcome = common.check(case)
    assert not outcome.not_compared
    assert outcome.group == "right"


class TestInfluence:
    frame, V = example(3, groups=7, complete=False)
    model = staticmethod(
        lambda frame, V, **more: vf.multivariate(
            y=frame.y, V=V, data=frame, random="outcome | trial", structure="CS", formula="~ x", **more
        )
    )

    def test_is_what_refitting_says(self):
        fit = self.model(self.frame, self.V)
        table = vf.influence(fit, cluster="trial").set_index("study")
        rest = vf.residuals(fit, cluster="trial")
        for trial in self.frame.trial.unique():
            keep = (self.frame.trial != trial).to_numpy()
            less = self.model(self.frame[keep], self.V[np.ix_(keep, keep)])
            row, shift = table.loc[str(trial)], fit.estimate - less.estimate
            assert row.cook == pytest.approx(shift @ np.linalg.solve(fit.vb, shift), rel=1e-6)
            assert row.covratio == pytest.approx(np.linalg.det(less.vb) / np.linalg.det(fit.vb), rel=1e-6)
            assert row["variance of outcome | trial without"] == pytest.approx(less.random[0].variances[0], rel=1e-6)
            assert row["correlation of outcome | trial without"] == pytest.approx(less.random[0].correlations[0], rel=1e-6)
            held = self.model(
                self.frame, self.V, variances={"outcome | trial": less.random[0].variances[0]},
                correlations={"outcome | trial": less.random[0].correlations[0]},
            )  # fmt: skip
            np.testing.assert_allclose(row[["dfbetas_Intercept", "dfbetas_x"]].astype(float), shift / held.se, rtol=1e-6)
            out, X = ~keep, fit.X[~keep]
            gap = fit.y[out] - X @ less.estimate
            spread = held.marginal_covariance[np.ix_(out, out)] + X @ less.vb @ X.T
            np.testing.assert_allclose(rest.deleted_residual[out], gap, rtol=1e-6)
            np.testing.assert_allclose(rest.studentised[out], gap / np.sqrt(np.diag(spread)), rtol=1e-6)
            assert row.statistic == pytest.approx(gap @ np.linalg.solve(spread, gap), rel=1e-6)
            assert row.p_value == pytest.approx(chi2.sf(row.statistic, out.sum()), rel=1e-9)
        left = vf.leave_one_out(fit, cluster="trial")
        less = self.model(self.frame[self.frame.trial != 2], self.V[np.ix_(*2 * [self.frame.trial != 2])])
        part = left[left.study == "2"]
        np.testing.assert_allclose(part.estimate, less.estimate, rtol=1e-7)
        np.testing.assert_allclose(part[["ci_low", "ci_high"]], less.interval, rtol=1e-6)
        np.testing.assert_allclose(part.p_value, less.p_value, rtol=1e-5)
        assert (part.k == less.k).all()

    def test_leverages_are_those_of_the_hat_matrix(self):
        fit = self.model(self.frame, self.V)
        W, X = np.linalg.inv(fit.marginal_covariance), fit.X
        H = X @ np.linalg.inv(X.T @ W @ X) @ X.T @ W
        np.testing.assert_allclose(vf.residuals(fit, reestimate=False).hat, np.diag(H), rtol=1e-9)
        away = np.eye(fit.k) - H
        np.testing.assert_allclose(fit.residuals().se ** 2, np.diag(away @ fit.marginal_covariance @ away.T), rtol=1e-9)
        np.testing.assert_allclose(fit.coefficient_weights @ fit.y, fit.estimate, rtol=1e-9)

    def test_one_effect_a_trial_is_the_univariate_case(self):
        y, v = self.frame.y.to_numpy(), self.frame.v.to_numpy()
        one = vf.random_effects(y=y, v=v, test="Wald")
        many = vf.multivariate(y=y, v=v, data={"effect": range(len(y))}, random="1 | effect")
        a, b = vf.influence(one), vf.influence(many)
        for name in ("studentised", "cook", "covratio", "hat", "dfbetas_Intercept"):
            np.testing.assert_allclose(b[name], a[name], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(b["variance of 1 | effect without"], a.tau2_without, rtol=1e-5, atol=1e-9)
        c, d = vf.residuals(one), vf.residuals(many)
        for name in ("residual", "standardised", "deleted_residual", "studentised"):
            np.testing.assert_allclose(d[name], c[name], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(vf.blups(many).estimate, vf.blups(one, kind="plug-in").estimate, rtol=1e-7)

    def test_a_cluster_that_carries_a_coefficient_is_named(self):
        frame = self.frame.assign(x=(self.frame.trial == 3).astype(float))
        fit = self.model(frame, self.V)
        with pytest.warns(vf.VfmetaWarning, match=r"cannot be fitted without 3;"):
            table = vf.influence(fit, cluster="trial")
        assert np.isnan(table.cook[3])
        assert np.isfinite(table.cook.drop(3)).all()

    def test_refusals(self):
        with pytest.raises(vf.InputError, match=r"for fits of vf.multivariate"):
            vf.influence(vf.random_effects(y=[0.1, 0.3, 0.2], v=[0.1, 0.2, 0.1]), cluster=[1, 1, 2])
        fit = self.model(self.frame, self.V)
        with pytest.raises(vf.InputError, match="no column"):
            vf.residuals(fit, cluster="site")
        with pytest.raises(vf.InputError, match="cluster has 2 values for"):
            vf.influence(fit, cluster=[1, 2])


class TestRandomEffects:
    @pytest.mark.parametrize(
        ("random", "structure"),
        [(THREE, "CS"), ("outcome | trial", "UN"), ("x | trial", "GEN"), ("outcome | trial", "HAR")],
    )
    def test_add_up_to_the_true_effects(self, random, structure):
        frame, V = example(5, groups=9, complete=False)
        fit = vf.multivariate(y=frame.y, V=V, data=frame, random=random, structure=structure, formula="~ x")
        u, rest = fit.random_effects(), fit.X @ fit.estimate
        for term in fit.random:
            part = u[u.term == term.name].set_index(["group", "level"])
            for i, row in frame.iterrows():
                group = str(row.trial) if "/" not in term.name else f"{row.trial}/{row.effect}"
                if structure == "GEN":
                    rest[i] += part.estimate[group, "intercept"] + row.x * part.estimate[group, "x"]
                else:
                    rest[i] += part.estimate[group, "intercept" if term.is_intercept else row.outcome]
        np.testing.assert_allclose(fit.blups().estimate, rest, rtol=1e-9)

    def test_are_the_conditional_mean_with_its_variance(self):
        frame, V = example(5, groups=9)
        fit = vf.multivariate(y=frame.y, V=V, data=frame, random="x | trial", structure="GEN", formula="~ x", test="Wald")
        G, X, M = fit.random[0].covariance, fit.X, fit.marginal_covariance
        Z = np.zeros((fit.k, 18))
        for i, row in frame.iterrows():
            Z[i, 2 * row.trial : 2 * row.trial + 2] = 1, row.x
        D, W = np.kron(np.eye(9), G), np.linalg.inv(M)
        P = W - W @ X @ np.linalg.inv(X.T @ W @ X) @ X.T @ W
        np.testing.assert_allclose(Z @ D @ Z.T + V, M, rtol=1e-9, atol=1e-12)
        u = fit.random_effects()
        np.testing.assert_allclose(u.estimate, D @ Z.T @ P @ fit.y, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(u.se**2, np.diag(D - D @ Z.T @ P @ Z @ D), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(u.ci_high - u.ci_low, 2 * norm.ppf(0.975) * u.se, rtol=1e-9)

    def test_refusals(self):
        frame, V = example(5)
        with pytest.raises(vf.InputError, match="no random effects"):
            vf.multivariate(y=frame.y, V=V, data=frame).random_effects()
        weighted = vf.multivariate(y=frame.y, V=V, data=frame, random=THREE, weights=np.ones(len(frame)))
        for verb in (weighted.random_effects, weighted.blups, lambda: vf.robust(weighted, "trial")):
            with pytest.raises(vf.InputError, match="inverse-variance weights"):
                verb()


class TestPrediction:
    frame, V = example(4, groups=9)

    def test_random_slopes(self):
        fit = vf.multivariate(
            y=self.frame.y, V=self.V, data=self.frame, random="x | trial", structure="GEN", formula="~ x", test="Wald"
        )
        got = fit.predict({"x": [0.0, 1.5]})
        for i, x in enumerate([0.0, 1.5]):
            z = np.array([1, x])
            half = norm.ppf(0.975) * np.sqrt(z @ fit.vb @ z + z @ fit.random[0].covariance @ z)
            assert got.prediction_high[i] - got.estimate[i] == pytest.approx(half, rel=1e-12)
        same = fit.predict(np.array([[1, 0.0], [1, 1.5]]), at={"x | trial": {"x": [0.0, 1.5]}})
        pd.testing.assert_frame_equal(same, got)
        pd.testing.assert_frame_equal(
            fit.predict(np.array([[1, 1.5]]), at={"x | trial": 1.5}), got.iloc[[1]].reset_index(drop=True)
        )
        with pytest.warns(vf.VfmetaWarning, match=r"hangs on where in 'x \| trial'"):
            unknown = fit.predict(np.array([[1, 1.5]]))
        assert np.isnan(unknown.prediction_low[0])
        assert np.isfinite(unknown.ci_low[0])
        with pytest.raises(vf.InputError, match="one for each of 1 predictions"):
            fit.predict(np.array([[1, 1.5]]), at={"x | trial": [1.0, 2.0]})

    def test_a_variance_a_level(self):
        given = {
            "y": self.frame.y,
            "V": self.V,
            "data": self.frame,
            "random": "outcome | trial",
            "structure": "HCS",
            "test": "Wald",
        }
        mean = vf.multivariate(**given).predict()
        assert mean["outcome | trial"].tolist() == ["o0", "o1", "o2"]
        fit = vf.multivariate(**given, formula="~ 0 + outcome")
        got = fit.predict({"outcome": ["o2", "o0"]})
        for i, j in enumerate([2, 0]):
            half = norm.ppf(0.975) * np.sqrt(fit.vb[j, j] + fit.random[0].variances[j])
            assert got.prediction_high[i] - fit.estimate[j] == pytest.approx(half, rel=1e-12)
        one = fit.predict({"outcome": ["o2", "o0"]}, at={"outcome | trial": ["o2", "o0"]})
        pd.testing.assert_frame_equal(one, got)
        with pytest.raises(vf.InputError, match="at names"):
            fit.predict({"outcome": ["o2"]}, at={"site": "o2"})
        with pytest.raises(vf.InputError, match="1 levels"):
            fit.predict({"outcome": ["o2", "o0"]}, at={"outcome | trial": ["o2"]})


class TestHeld:
    frame, V = example(6, groups=8)

    def fit(self, **given):
        return vf.multivariate(**({"y": self.frame.y, "V": self.V, "data": self.frame} | given))

    def test_held_at_the_estimate_changes_nothing_but_the_count(self):
        free = self.fit(random=THREE)
        held = self.fit(random=THREE, variances={t.name: t.variances[0] for t in free.random})
        np.testing.assert_allclose(held.estimate, free.estimate, rtol=1e-10)
        assert held.log_likelihood == pytest.approx(free.log_likelihood, rel=1e-12)
        assert held.parameters == free.parameters - 2
        assert held.random[0].held == (True,)
        assert len(vf.component_intervals(held)) == 0
        assert not held.warnings

    def test_the_rest_is_maximised_given_what_is_held(self):
        fit = self.fit(random="outcome | trial", structure="UN", variances={"outcome | trial": [0.3, None, 0.1]})
        assert fit.random[0].variances[::2] == pytest.approx((0.3, 0.1), rel=1e-12)
        top = dense_log_likelihood(fit.y, fit.X, fit.marginal_covariance, True)
        assert fit.log_likelihood == pytest.approx(top, abs=1e-9)
        rng = np.random.default_rng(0)
        for size in (1e-3, 1e-2, 0.2):
            u = fit.free + size * rng.normal(size=len(fit.free)) * fit.problem.free
            assert fit.problem.value(u) <= fit.problem.value(fit.free) + 1e-10
        assert len(vf.component_intervals(fit)) == 4

    def test_continuous_time(self):
        frame = self.frame.assign(week=np.tile([0.0, 4.0, 52.0], 8))
        name = "week | trial"
        for rho in (0.97, 0.0, 1.0):
            fit = self.fit(data=frame, random=name, structure="CAR", correlations={name: rho}, variances={name: 0.2})
            lag = np.abs(frame.week.to_numpy()[:, None] - frame.week.to_numpy())
            same = frame.trial.to_numpy()[:, None] == frame.trial.to_numpy()
            np.testing.assert_allclose(fit.marginal_covariance - self.V, 0.2 * same * rho**lag, atol=1e-13)

    def test_relation_of_groups(self):
        L = np.random.default_rng(3).normal(size=(8, 8))
        R = L @ L.T + 4 * np.eye(8)
        R /= np.sqrt(np.outer(np.diag(R), np.diag(R)))
        order = np.random.default_rng(4).permutation(8)
        named = pd.DataFrame(R, index=range(8), columns=range(8)).iloc[order, order]
        fit = self.fit(random=THREE, R={"trial": named})
        trial = self.frame.trial.to_numpy()
        M = self.V + fit.random[0].variances[0] * R[np.ix_(trial, trial)] + fit.random[1].variances[0] * np.eye(fit.k)
        np.testing.assert_allclose(fit.marginal_covariance, M, rtol=1e-10)
        assert fit.log_likelihood == pytest.approx(dense_log_likelihood(fit.y, fit.X, M, True), abs=1e-9)
        # groups that are not related at all are the plain model
        plain, none = self.fit(random=THREE), self.fit(random=THREE, R={"trial": (np.eye(8), range(8))})
        assert none.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-10)
        assert len(none.blocks[0][0]) == 8
        u = fit.random_effects().query("term == '1 | trial'")
        W = np.linalg.inv(M)
        np.testing.assert_allclose(
            u.estimate, fit.random[0].variances[0] * R[:, trial] @ W @ (fit.y - fit.X @ fit.estimate), rtol=1e-8
        )
        assert vf.influence(fit, cluster="trial", reestimate=False).shape[0] == 8

    def test_refusals(self):
        name = "outcome | trial"
        for given, match in (
            ({"variances": {"1 | site": 0.1}}, "the random terms of the model are '1 | trial', '1 | trial/effect'"),
            ({"variances": {"1 | trial": -0.1}}, "is not a variance"),
            ({"variances": {"1 | trial": [0.1, 0.2]}}, "has 2 values; 1"),
            ({"variances": 0.1}, "must be a dict"),
            ({"correlations": {"1 | trial": 0.1}}, "no correlation to be held"),
            ({"random": name, "correlations": {name: 1.2}}, "outside -0.5 to 1"),
            ({"random": name, "structure": "UN", "correlations": {name: [0.1, None, 0.2]}}, "all 3 of them or none"),
            ({"random": name, "structure": "UN", "correlations": {name: [0.9, 0.9, -0.9]}}, "can correlate like that"),
            ({"R": {"site": np.eye(8)}}, "R is for 'site'"),
            ({"R": {"trial": np.eye(8)}}, "data frame, or a pair"),
            ({"R": {"trial": (np.eye(7), range(7))}}, "lacks the groups 7"),
            ({"R": {"trial": (2 * np.eye(8), range(8))}}, "its diagonal must be 1"),
            ({"R": {"trial": (np.eye(8) - 0.5 * (1 - np.eye(8)), range(8))}}, "negative eigenvalue"),
            ({"weights": [1.0]}, "weights has 1 values for 24 rows"),
            ({"weights": [-1.0, *[1.0] * 23]}, "column weights: -1 is no weight; it must be finite and greater than 0"),
            ({"weights": np.triu(np.ones((24, 24)))}, "weights is not symmetric"),
            ({"weights": -np.eye(24)}, "does not weigh enough"),
        ):
            with pytest.raises(vf.InputError, match=match.replace("|", r"\|").replace("(", r"\(")):
                self.fit(**{"random": THREE} | given)


@pytest.mark.parametrize("square", [False, True])
def test_user_weights(square):
    frame, V = example(8, groups=7)
    w = np.random.default_rng(0).uniform(1, 5, len(frame))
    W = np.diag(w) + 0.2 * np.eye(len(frame), k=1) + 0.2 * np.eye(len(frame), k=-1) if square else w
    y = frame.y.tolist()
    y[3] = None
    keep = np.arange(len(y)) != 3
    fit = vf.multivariate(y=y, V=V, data=frame, random=THREE, formula="~ x", weights=W, missing="drop")
    plain = vf.multivariate(y=y, V=V, data=frame, random=THREE, formula="~ x", missing="drop")
    A = W[np.ix_(keep, keep)] if square else np.diag(w[keep])
    X, M = fit.X, plain.marginal_covariance
    B = np.linalg.solve(X.T @ A @ X, X.T @ A)
    np.testing.assert_allclose(fit.estimate, B @ fit.y, rtol=1e-10)
    np.testing.assert_allclose(fit.vb, B @ M @ B.T, rtol=1e-9)
    H = X @ B
    rest = np.eye(fit.k) - H
    np.testing.assert_allclose(fit.residuals().se ** 2, np.diag(rest @ M @ rest.T), rtol=1e-9)
    assert [t.variances for t in fit.random] == [t.variances for t in plain.random]


def test_covariances_come_sparse_too():
    from scipy.sparse import csr_array

    frame, V = example(2, complete=False)
    a, b = (vf.multivariate(y=frame.y, V=x, data=frame, random=THREE) for x in (V, csr_array(V)))
    assert a.estimate[0] == b.estimate[0]
    np.testing.assert_array_equal(b.V, V)
