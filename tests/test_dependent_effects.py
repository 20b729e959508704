"""Multilevel and multivariate models: against R, against plain formulas, and by their properties."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import chi2, multivariate_normal
from tests.reference_runner import common

import vfmeta as vf
from vfmeta.core.messages import ConvergenceError
from vfmeta.frequentist.multivariate.structures import Structure, angles_of
from vfmeta.kernels.dependent import derivatives
from vfmeta.kernels.newton import maximise

CASES = json.loads((Path(__file__).parent / "reference" / "rma_mv.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference(case):
    outcome = common.check(case)
    assert not outcome.not_compared
    # where R stopped short (tests/reference_runner/explained_dependent.py); no other case may come to be excused
    stopped_short = {"mv.berkey.UN.REML", "mv.berkey.UN.ML", "mv.berkey.mods.REML", "mv.berkey.mods.ML", "mv.fine.HAR"}
    assert outcome.group == ("explained" if case["id"] in stopped_short else "right")


def example(seed=0, groups=8, outcomes=3, complete=True):
    """Correlated outcomes of trials, with a block of V for each trial."""
    rng = np.random.default_rng(seed)
    rows = [(g, o) for g in range(groups) for o in range(outcomes) if complete or rng.random() < 0.8]
    frame = pd.DataFrame(rows, columns=["trial", "outcome"])
    frame["outcome"] = [f"o{o}" for o in frame["outcome"]]
    frame["x"] = rng.normal(size=len(frame))
    frame["effect"] = np.arange(len(frame))
    frame["v"] = rng.uniform(0.02, 0.2, len(frame))
    frame["y"] = rng.normal(0, 0.5, groups)[frame["trial"]] + rng.normal(0, np.sqrt(frame["v"] + 0.05))
    return frame, vf.sampling_covariance(frame["v"], frame["trial"], rho=0.4)


def dense_log_likelihood(y, X, M, reml):
    """The definition, without any trick."""
    W = np.linalg.inv(M)
    beta = np.linalg.solve(X.T @ W @ X, X.T @ W @ y)
    ml = multivariate_normal.logpdf(y, X @ beta, M)
    if not reml:
        return ml
    logdets = np.linalg.slogdet(X.T @ X)[1] - np.linalg.slogdet(X.T @ W @ X)[1]
    return ml + 0.5 * X.shape[1] * np.log(2 * np.pi) + 0.5 * logdets


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("structure", ["CS", "UN", "HCS", "DIAG", "HAR"])
def test_likelihood_is_the_definition_and_its_maximum(method, structure):
    frame, V = example(3, complete=False)
    fit = vf.multivariate(
        y=frame.y, V=V, data=frame, random="outcome | trial", structure=structure, formula="~ x", method=method
    )
    M = V.copy()
    G = fit.random[0].covariance
    level = frame.outcome.str[1:].astype(int).to_numpy()
    same = frame.trial.to_numpy()[:, None] == frame.trial.to_numpy()[None, :]
    M += same * G[np.ix_(level, level)]
    np.testing.assert_allclose(fit.marginal_covariance, M, rtol=1e-12, atol=1e-14)
    X = np.column_stack([np.ones(len(frame)), frame.x])
    top = dense_log_likelihood(frame.y, X, M, method == "REML")
    assert fit.log_likelihood == pytest.approx(top, abs=1e-9)
    W = np.linalg.inv(M)
    np.testing.assert_allclose(fit.estimate, np.linalg.solve(X.T @ W @ X, X.T @ W @ frame.y), rtol=1e-9)
    np.testing.assert_allclose(fit.vb, np.linalg.inv(X.T @ W @ X), rtol=1e-9)
    rng = np.random.default_rng(1)
    for size in (1e-4, 1e-2, 0.3):
        u = fit.free + size * rng.normal(size=len(fit.free))
        assert fit.problem.value(np.maximum(u, fit.problem.lower)) <= fit.problem.value(fit.free) + 1e-10


def test_one_effect_a_trial_is_the_univariate_model():
    rng = np.random.default_rng(5)
    v = rng.uniform(0.05, 0.3, 12)
    y = rng.normal(0.3, np.sqrt(v + 0.2))
    one = vf.random_effects(y=y, v=v, method="REML", test="Wald")
    many = vf.multivariate(y=y, v=v, data={"trial": range(12)}, random="1 | trial")
    assert many.random[0].variances[0] == pytest.approx(one.tau2, rel=1e-8)
    assert many.estimate[0] == pytest.approx(one.estimate, rel=1e-9)
    assert many.se[0] == pytest.approx(one.se, rel=1e-9)
    assert many.q.statistic == pytest.approx(one.q.statistic, rel=1e-12)


def test_three_levels_against_a_plain_optimiser():
    frame, _ = example(11, groups=10)
    fit = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | trial/effect", method="REML")
    same = frame.trial.to_numpy()[:, None] == frame.trial.to_numpy()[None, :]
    X = np.ones((len(frame), 1))

    def fall(logs):
        a, b = np.exp(logs)
        return -dense_log_likelihood(frame.y, X, np.diag(frame.v + b) + a * same, True)

    found = minimize(fall, np.log([0.1, 0.05]), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000})
    np.testing.assert_allclose([t.variances[0] for t in fit.random], np.exp(found.x), rtol=1e-5)
    assert fit.log_likelihood >= -found.fun - 1e-10


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    ("random", "structure"),
    [("outcome | trial", s) for s in ("CS", "HCS", "UN", "DIAG", "ID", "AR", "HAR")]
    + [("week | trial", "CAR"), ("x | trial", "GEN"), ("x | trial", "GDIAG"), (["1 | trial/effect", "outcome | pair"], "HAR")],
)
def test_derivatives(random, structure, reml):
    frame, V = example(7, groups=5)
    frame["week"] = np.tile([0.0, 1.5, 6.0], 5)
    frame["pair"] = frame["trial"] // 2
    fit = vf.multivariate(y=frame.y, V=V, data=frame, random=random, structure=structure, method="REML" if reml else "ML")
    problem = fit.problem
    rng = np.random.default_rng(2)
    u = np.concatenate([t.structure.start(0.3, 0.2) for t in problem.terms])
    u = u + 0.1 * rng.normal(size=len(u))
    _, gradient, hessian, _ = derivatives(problem.stacks, problem.curves(u), reml)
    step = 1e-5
    for a in range(len(u)):
        d = np.zeros(len(u))
        d[a] = step
        assert gradient[a] == pytest.approx((problem.value(u + d) - problem.value(u - d)) / (2 * step), rel=1e-5, abs=1e-6)
        slope = (problem.objective(u + d)[1] - problem.objective(u - d)[1]) / (2 * step)
        np.testing.assert_allclose(hessian[a], slope, rtol=1e-5, atol=1e-5)


@given(st.lists(st.floats(0.05, np.pi - 0.05), min_size=6, max_size=6))
@settings(max_examples=30, deadline=None)
def test_angles_give_correlations_and_come_back(angles):
    shape = Structure("UN", 4, np.arange(4.0), 4)
    r = shape.correlation_matrix(np.concatenate([np.ones(4), angles]))
    np.testing.assert_allclose(np.diag(r), 1)
    assert np.linalg.eigvalsh(r)[0] > -1e-12
    np.testing.assert_allclose(shape.correlation_matrix(np.concatenate([np.ones(4), angles_of(r)])), r, atol=1e-6)


@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100), scale=st.sampled_from([1e-4, 0.01, 3.0, 1e5]))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_shift_scale_and_order(seed, shift, scale):
    frame, V = example(seed, groups=6, outcomes=2)
    given_ = {"random": "outcome | trial", "structure": "UN"}
    base = vf.multivariate(y=frame.y, V=V, data=frame, **given_)
    order = np.random.default_rng(seed).permutation(len(frame))
    other = vf.multivariate(
        y=(frame.y.to_numpy() * scale + shift)[order], V=V[np.ix_(order, order)] * scale**2, data=frame.iloc[order], **given_
    )
    assert other.estimate[0] == pytest.approx(base.estimate[0] * scale + shift, rel=1e-6, abs=1e-6 * scale)
    assert other.se[0] == pytest.approx(base.se[0] * scale, rel=1e-5)
    square = scale**2
    np.testing.assert_allclose(other.random[0].covariance, base.random[0].covariance * square, rtol=1e-4, atol=1e-6 * square)
    assert other.log_likelihood == pytest.approx(base.log_likelihood - (len(frame) - 1) * np.log(scale), abs=1e-7)


def test_blocks_of_many_sizes_are_all_there():
    """Blocks are filled up to a common size inside; nothing of that may show."""
    sizes = [1, 2, 2, 7, 40, 3, 1]
    trial = np.repeat(np.arange(7), sizes)
    rng = np.random.default_rng(4)
    v = rng.uniform(0.05, 0.2, len(trial))
    y = rng.normal(0, 0.5, 7)[trial] + rng.normal(0, np.sqrt(v))
    fit = vf.multivariate(y=y, v=v, data={"trial": trial}, random="1 | trial")
    assert sorted(np.concatenate([r.ravel() for r, _ in fit.blocks]).tolist()) == list(range(len(trial)))
    assert sorted(r.shape[1] for r, _ in fit.blocks for _ in r) == sorted(sizes)
    M = np.diag(v) + fit.random[0].variances[0] * (trial[:, None] == trial)
    np.testing.assert_allclose(fit.marginal_covariance, M, rtol=1e-12)
    assert fit.log_likelihood == pytest.approx(dense_log_likelihood(y, np.ones((len(y), 1)), M, True), rel=1e-11)


def test_no_random_effects_is_generalised_least_squares():
    frame, V = example(1)
    fit = vf.multivariate(y=frame.y, V=V, data=frame, formula="~ x")
    X, W = np.column_stack([np.ones(len(frame)), frame.x]), np.linalg.inv(V)
    np.testing.assert_allclose(fit.estimate, np.linalg.solve(X.T @ W @ X, X.T @ W @ frame.y), rtol=1e-10)
    r = frame.y - X @ fit.estimate
    assert fit.q.statistic == pytest.approx(r @ W @ r, rel=1e-10)
    assert fit.random == ()
    assert np.isnan(fit.predict({"x": 0.0}).prediction_low[0])


def test_containment_takes_the_narrowest_stratum():
    frame, _ = example(2, groups=7)
    frame["z"] = np.random.default_rng(1).normal(size=7)[frame.trial]
    fit = vf.multivariate(
        y=frame.y, v=frame.v, data=frame, random="1 | trial/effect", formula="~ z + x", test="t", df="containment"
    )
    assert fit.df.tolist() == [4.0, 4.0, 18.0]  # 7 trials - 3 where constant inside trials, 21 effects - 3 elsewhere
    assert fit.omnibus.df_residual == 4.0


def test_variances_at_zero_are_zero():
    frame, _ = example(0, groups=6)
    frame["y"] = 0.3 + 1e-3 * np.random.default_rng(0).normal(size=len(frame))
    fit = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | trial/effect")
    assert [t.variances for t in fit.random] == [(0.0,), (0.0,)]
    assert fit.estimate[0] == pytest.approx(vf.common_effect(y=frame.y, v=frame.v).estimate, rel=1e-12)
    assert sum("estimated as zero" in w for w in fit.warnings) == 2
    same = vf.multivariate(y=np.full(18, 0.5), v=frame.v, data=frame, random="outcome | trial", structure="UN")
    assert set(same.random[0].variances) == {0.0}
    assert set(same.random[0].correlations) == {None}


def test_a_giant_ratio_of_variances():
    frame, _ = example(6, groups=6)
    v = frame.v.to_numpy() * np.where(frame.effect == 0, 1e10, 1.0)
    fit = vf.multivariate(y=frame.y, v=v, data=frame, random="1 | trial/effect")
    rest = vf.multivariate(y=frame.y[1:], v=v[1:], data=frame.iloc[1:], random="1 | trial/effect")
    assert fit.estimate[0] == pytest.approx(rest.estimate[0], rel=1e-6)
    assert fit.random[0].variances[0] == pytest.approx(rest.random[0].variances[0], rel=1e-5)


class TestProfile:
    @pytest.mark.parametrize(
        ("random", "structure"), [("1 | trial/effect", "CS"), ("outcome | trial", "UN"), ("outcome | trial", "AR")]
    )
    def test_limits_cost_what_the_level_allows(self, random, structure):
        frame, _ = example(9, groups=14)
        fit = vf.multivariate(y=frame.y, v=frame.v, data=frame, random=random, structure=structure)
        table = vf.component_intervals(fit, 0.9)
        assert (table.ci_low <= table.estimate + 1e-12).all()
        assert (table.ci_high >= table.estimate - 1e-12).all()
        wide = vf.component_intervals(fit, 0.95)
        assert (wide.ci_low <= table.ci_low + 1e-12).all()
        assert (wide.ci_high >= table.ci_high - 1e-12).all()

    def test_by_hand(self):
        frame, _ = example(9, groups=14)
        fit = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | effect")
        row = vf.component_intervals(fit).iloc[0]
        X = np.ones((len(frame), 1))
        for limit in (row.ci_low, row.ci_high):
            if limit > 0:
                fall = fit.log_likelihood - dense_log_likelihood(frame.y, X, np.diag(frame.v + limit), True)
                assert 2 * fall == pytest.approx(chi2.ppf(0.95, 1), rel=1e-6)

    def test_open_ends_say_so(self):
        frame, _ = example(0, groups=6)
        fit = vf.multivariate(y=np.zeros(18) + 1e-3 * frame.x, v=frame.v, data=frame, random="1 | trial/effect")
        table = vf.component_intervals(fit)
        assert table.low_open.all()
        assert (table.ci_low == 0).all()

    def test_needs_random_effects(self):
        frame, V = example(0)
        with pytest.raises(vf.InputError, match="no random effects"):
            vf.component_intervals(vf.multivariate(y=frame.y, V=V, data=frame))


class TestRefusals:
    frame, V = example(0)

    def refuse(self, match, **given_):
        with pytest.raises(vf.InputError, match=match):
            vf.multivariate(**({"y": self.frame.y, "v": self.frame.v, "data": self.frame, "random": "1 | trial"} | given_))

    def test_arguments(self):
        self.refuse("method='EB'", method="EB")
        self.refuse("test='HKSJ'", test="HKSJ")
        self.refuse("structure='XX'", random="outcome | trial", structure="XX")
        self.refuse("is not understood", random="trial")
        self.refuse("nesting", random="outcome | trial/effect")
        self.refuse("2 structures for 1 terms", random="outcome | trial", structure=["CS", "AR"])
        self.refuse("random effects read 'site'", random="1 | site")
        self.refuse("V has .* on its diagonal and v says", V=1.5 * self.V)
        self.refuse("level=95", level=95)

    def test_values_name_row_and_column(self):
        y = self.frame.y.tolist()
        self.refuse(r"row 2 .*column y: missing", y=[y[0], None, *y[2:]])
        self.refuse(r"row 3 .*column y: 'a' is text, not a number", y=[*y[:2], "a", *y[3:]])
        self.refuse(r"row 1 .*column v: the sampling variance is -1", v=[-1.0, *self.frame.v[1:]])
        self.refuse(r"row 4 .*column trial: missing", data=self.frame.assign(trial=[0, 0, 0, None, *self.frame.trial[4:]]))
        self.refuse("not symmetric: row 1, column 2", v=None, V=self.V + np.triu(np.ones(self.V.shape), 1) * 0.001)
        bad = self.V.copy()
        bad[0, 1] = bad[1, 0] = 2 * np.sqrt(bad[0, 0] * bad[1, 1])
        self.refuse(r"rows 1 \(effect 1\), 2 \(effect 2\), 3 \(effect 3\) is not positive definite", v=None, V=bad)

    def test_collinear_moderators_are_named(self):
        self.refuse("z is a combination of x", data=self.frame.assign(z=2 * self.frame.x), formula="~ x + z")

    def test_what_cannot_be_told_apart(self):
        first = self.frame.drop_duplicates("trial")
        self.refuse(r"1 \| trial.* and .*1 \| trial/effect", y=first.y, v=first.v, data=first, random="1 | trial/effect")
        alone = self.frame.assign(trial=self.frame.effect)
        self.refuse("say nothing on the correlation of o0 with o1", data=alone, random="outcome | trial", structure="UN")

    def test_too_few(self):
        self.refuse("leave nothing", y=[0.1], v=[0.1], data={"trial": [1]})
        self.refuse("no studies", y=[], v=[], data={"trial": []})

    def test_non_convergence_is_an_error(self):
        fit = vf.multivariate(y=self.frame.y, v=self.frame.v, data=self.frame, random="1 | trial/effect")
        with pytest.raises(ConvergenceError):
            maximise(fit.problem.objective, np.full(2, 5.0), fit.problem.lower, max_iter=1)


def test_predictions_of_true_effects_and_residuals():
    frame, V = example(3, groups=6)
    fit = vf.multivariate(y=frame.y, V=V, data=frame, random="outcome | trial", structure="UN", formula="~ x")
    M, X = fit.marginal_covariance, fit.X
    W = np.linalg.inv(M)
    P = W - W @ X @ np.linalg.inv(X.T @ W @ X) @ X.T @ W
    table = fit.blups()
    mean = X @ fit.estimate
    np.testing.assert_allclose(table.estimate, mean + (M - V) @ W @ (fit.y - mean), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(table.se**2, np.diag(V - V @ P @ V), rtol=1e-8)
    rest = fit.residuals()
    np.testing.assert_allclose(rest.se**2, np.diag(M @ P @ M), rtol=1e-8)
    one = vf.random_effects(y=frame.y, v=frame.v, test="Wald")
    same = vf.multivariate(y=frame.y, v=frame.v, data=frame, random="1 | effect", test="Wald")
    for name in ("estimate", "se", "ci_low", "ci_high"):
        np.testing.assert_allclose(same.blups()[name], vf.blups(one, kind="plug-in")[name], rtol=1e-6)
    np.testing.assert_allclose(same.residuals()["standardised"], vf.residuals(one)["standardised"], rtol=1e-6)


def test_an_effect_table_brings_its_covariance():
    from vfmeta.effects.effect import Effect
    from vfmeta.effects.table import EffectTable

    frame, V = example(2, groups=5, outcomes=2)
    rows = tuple(
        Effect(study_id=f"s{r.trial}", label=f"s{r.trial} week {w}", y=r.y, v=V[i, i], week=float(w))
        for i, (r, w) in enumerate(zip(frame.itertuples(), [4, 52] * 5, strict=True))
    )
    table = EffectTable(vf.Question(measure="MD", outcome="pain"), rows, vcov=V)
    fit = vf.multivariate(table, random="week | study_id", structure="CAR")
    plain = vf.multivariate(y=frame.y, V=V, data=frame.assign(week=[4, 52] * 5), random="week | trial", structure="CAR")
    assert fit.estimate[0] == plain.estimate[0]
    assert fit.question.outcome == "pain"
    assert vf.che(EffectTable(table.question, rows), cluster="study_id", rho=0.4).clusters == 5


@pytest.mark.parametrize("unit", [0.01, 7.0, 365.0])
def test_continuous_time_in_any_unit(unit):
    frame, V = example(7, groups=9)
    frame["week"] = np.tile([0.0, 1.5, 6.0], 9)
    fits = [
        vf.multivariate(y=frame.y, V=V, data=frame.assign(week=frame.week * u), random="week | trial", structure="CAR")
        for u in (1.0, unit)
    ]
    one, other = (f.random[0] for f in fits)
    assert other.variances[0] == pytest.approx(one.variances[0], rel=1e-8)
    assert other.correlations[0] ** unit == pytest.approx(one.correlations[0], rel=1e-7)
    assert fits[0].log_likelihood == pytest.approx(fits[1].log_likelihood, abs=1e-10)


def test_a_far_away_level_costs_no_digits():
    frame, V = example(4)
    near = vf.multivariate(y=frame.y, V=V, data=frame, random="1 | trial/effect", formula="~ x")
    far = vf.multivariate(y=frame.y + 1e7, V=V, data=frame.assign(x=frame.x + 1e6), random="1 | trial/effect", formula="~ x")
    np.testing.assert_allclose(far.estimate[1], near.estimate[1], rtol=1e-5)
    np.testing.assert_allclose([t.variances for t in far.random], [t.variances for t in near.random], rtol=1e-4)


def test_missing_rows_are_dropped_by_name():
    frame, V = example(0)
    y = frame.y.tolist()
    y[4] = None
    with pytest.warns(vf.VfmetaWarning, match=r"effect 5 \(row 5: y\)"):
        fit = vf.multivariate(y=y, V=V, data=frame, random="1 | trial", missing="drop")
    keep = np.arange(len(y)) != 4
    full = vf.multivariate(y=frame.y[keep], V=V[np.ix_(keep, keep)], data=frame[keep], random="1 | trial")
    assert fit.k == full.k
    assert fit.estimate[0] == full.estimate[0]


def test_results_read_well():
    frame, V = example(0)
    fit = vf.multivariate(y=frame.y, V=V, data=frame, random=["outcome | trial"], structure="HCS", formula="~ x")
    text = str(fit)
    assert "variance of outcome | trial (8 groups, HCS)" in text
    assert "residual heterogeneity" in text
    assert fit.to_json() == fit.to_json()
    body = json.loads(fit.to_json())
    assert body["random"][0]["levels"] == ["o0", "o1", "o2"]
    assert len(fit.coefficients) == 2
    assert fit.components.kind.tolist() == ["variance"] * 3 + ["correlation"]
    row = fit.predict({"x": [0.5]}, at={"outcome | trial": "o1"}).iloc[0]
    assert row.prediction_low < row.ci_low < row.estimate < row.ci_high < row.prediction_high
    assert np.isnan(fit.predict({"x": [0.5]}).prediction_low[0])
    with pytest.raises(vf.InputError, match="not a level"):
        fit.predict({"x": [0.5]}, at={"outcome | trial": "pain"})
    for kind in ("ML", "REML"):
        assert fit.information(kind).aic < fit.information(kind).aicc


def test_crossed_groups_and_large_data_are_quick():
    rng = np.random.default_rng(0)
    k = 12_000
    trial = np.repeat(np.arange(k // 4), 4)
    v = rng.uniform(0.01, 0.1, k)
    y = rng.normal(0, 0.3, k // 4)[trial] + rng.normal(0, np.sqrt(v + 0.02))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = vf.multivariate(y=y, v=v, data={"trial": trial, "effect": range(k)}, random="1 | trial/effect")
    assert fit.random[0].variances[0] == pytest.approx(0.09, rel=0.1)
    assert fit.random[1].variances[0] == pytest.approx(0.02, rel=0.1)


def test_outcomes_that_are_the_same_in_every_trial_have_a_correlation_at_its_end_and_it_is_told():
    y = np.repeat([-1.2, -0.4, 0.1, 0.5, 0.9, 1.6], 2)
    data = {"trial": np.repeat(np.arange(6), 2), "outcome": ["a", "b"] * 6}
    with pytest.warns(vf.VfmetaWarning, match=r"outcome \| trial: a correlation is estimated at the end of its range \(1\)"):
        vf.multivariate(y=y, v=[0.01] * 12, data=data, random="outcome | trial", structure="CS")
