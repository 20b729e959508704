"""What is asked of a fit afterwards: residuals, influence, single studies, resampling, subgroups, comparisons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.regression.linear_model import OLS
from tests.reference_runner.adapt_after_fit import OFFERED
from tests.reference_runner.common import check
from tests.regression_data import fit, held, quiet, table

import vfmeta as vf
from vfmeta.kernels import location_scale as kernel
from vfmeta.kernels.deletion import leave_one_out
from vfmeta.kernels.estimators import fit_leaving_one_out
from vfmeta.kernels.least_squares import regression
from vfmeta.results.wald import welch

CASES = [
    c
    for c in json.loads((Path(__file__).parent / "reference" / "diagnostics.json").read_text(encoding="utf-8"))
    if c["options"]["fun"] in OFFERED
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_case(case: dict[str, Any]) -> None:
    outcome = check(case)
    assert outcome.group == "right"
    assert not outcome.not_compared


def test_common_effects_agree_with_the_influence_measures_of_statsmodels() -> None:
    d = table()
    r = fit("~ dose + arm", d, method="common")
    white = OLS(d["y"] / np.sqrt(d["v"]), r.design.x / np.sqrt(d["v"].to_numpy())[:, None]).fit().get_influence()
    got = vf.influence(r)
    assert got["studentised"].to_numpy() == pytest.approx(white.resid_studentized_external, rel=1e-8)
    assert got["dffits"].to_numpy() == pytest.approx(white.dffits[0], rel=1e-8)
    assert got["cook"].to_numpy() == pytest.approx(r.p * white.cooks_distance[0], rel=1e-8)
    assert got["covratio"].to_numpy() == pytest.approx(white.cov_ratio, rel=1e-8)
    assert got.filter(like="dfbetas").to_numpy() == pytest.approx(white.dfbetas, rel=1e-7)
    assert got["hat"].to_numpy() == pytest.approx(white.hat_matrix_diag, rel=1e-9)


def test_influence_is_the_difference_that_leaving_out_makes() -> None:
    d = table()
    r = fit("~ dose", d, method="REML", test="Wald")
    got, rest = vf.influence(r), d.drop(index=3).reset_index(drop=True)
    without = fit("~ dose", rest, method="REML", test="Wald")
    assert got["tau2_without"][3] == pytest.approx(without.tau2, rel=1e-9)
    assert got["q_without"][3] == pytest.approx(without.q.statistic, rel=1e-9)
    seen = without.predict({"dose": d["dose"][3]})
    expected = (d["y"][3] - seen["estimate"][0]) / math.sqrt(d["v"][3] + without.tau2 + seen["se"][0] ** 2)
    assert got["studentised"][3] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["REML", "DL", "common", 0.2])
def test_a_mean_without_each_study_is_the_same_as_a_design_and_as_a_pool(method: Any) -> None:
    d = table(4, 7)
    r = fit("~ 1", d, **held(method))
    # a column of twos is a mean too, but no pool
    design, pool = leave_one_out(r.y, r.v, 2 * r.design.x, method, "HKSJ"), fit_leaving_one_out(r.y, r.v, method)
    tau2, _, estimate, se, factor, q = pool[:, :6].T
    found = (2 * design.beta[:, 0], 4 * design.vb[:, 0, 0], design.tau2, design.q, design.factor)
    for one, other in zip(found, (estimate, factor * se**2, tau2, q, factor), strict=True):
        assert one == pytest.approx(other, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("test", ["HKSJ", "HKSJ-adhoc", "Wald"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_deleted_from_a_pool_is_that_of_the_design(test: str, weighted: bool) -> None:
    d = table(5, 9)
    y, v, x = d["y"].to_numpy(), d["v"].to_numpy(), np.ones((9, 1))
    weights = np.arange(1.0, 10.0) if weighted else None
    pool, design = (leave_one_out(y, v, c * x, "DL", test, weights) for c in (1, 2))
    assert pool.vb == pytest.approx(4 * design.vb, rel=1e-9)
    assert pool.factor == pytest.approx(design.factor, rel=1e-9)


def test_effects_equal_to_their_last_bits_leave_no_residual_to_measure_by() -> None:
    y, v, x = np.array([0.1 + 0.2, 0.3, 0.3, 0.7]), np.array([0.1, 0.2, 0.1, 0.3]), np.ones((4, 1))
    for c in (1, 2):
        assert (leave_one_out(y, v, c * x, "REML", "HKSJ").factor == 0).tolist() == [False, False, False, True]


def test_a_study_that_alone_carries_a_level() -> None:
    d = table().assign(arm=["z"] + ["a"] * 13)
    r = fit("~ arm", d)
    with pytest.warns(vf.VfmetaWarning, match="cannot be fitted without study 1"):
        got = vf.influence(r)
    assert math.isnan(got["cook"][0])
    assert np.isfinite(got["cook"][1:]).all()
    assert vf.residuals(r)["standardised"][0] == 0


def test_blups_shrink_to_the_model_and_to_the_effects() -> None:
    d = table()
    none = vf.blups(fit(tau2=0.0))
    assert none["estimate"].to_numpy() == pytest.approx(fit(tau2=0.0).fit.fitted, rel=1e-10)
    much = vf.blups(fit(tau2=1e9, test="Wald"))
    assert much["estimate"].to_numpy() == pytest.approx(d["y"].to_numpy(), rel=1e-6)
    assert much["se"].to_numpy() == pytest.approx(np.sqrt(d["v"]), rel=1e-6)
    # the conditional mean of the random effect in the joint normal distribution
    r = fit(test="Wald")
    got = vf.blups(r, kind="plug-in")
    assert got["deviation"].to_numpy() == pytest.approx(r.tau2 / (d["v"] + r.tau2) * (d["y"] - r.fit.fitted), rel=1e-10)


def test_pools_are_taken_too_and_other_things_are_not() -> None:
    d = table()
    pool = quiet(vf.random_effects, y=d["y"], v=d["v"])
    assert vf.blups(pool)["estimate"].to_numpy() == pytest.approx(vf.blups(fit("~ 1", d))["estimate"].to_numpy(), rel=1e-8)
    weighted = quiet(vf.random_effects, y=d["y"], v=d["v"], weights="equal", test="Wald")
    assert vf.residuals(weighted)["residual"].to_numpy() == pytest.approx(d["y"] - d["y"].mean(), rel=1e-9)
    with pytest.raises(vf.InputError, match="inverse-variance"):
        vf.blups(weighted)
    with pytest.raises(vf.InputError, match="A dict was given"):
        vf.residuals({})
    with pytest.raises(vf.InputError, match="One study only"):
        vf.influence(quiet(vf.random_effects, y=[1.0], v=[1.0]))
    with pytest.raises(vf.InputError, match="likelihood profile"):
        vf.profile_likelihood(quiet(vf.random_effects, y=d["y"], v=d["v"], method="DL"))


def test_a_fit_without_any_residual_has_no_spread_to_measure_by() -> None:
    r = quiet(vf.meta_regression, y=[0.0] * 4, v=[0.1, 0.2, 0.3, 0.1], x=[1.0, 2.0, 3.0, 4.0])
    assert any("width zero" in w for w in r.warnings)
    for kind in ("family-wise", "Viechtbauer-Cheung"):
        got = vf.influence(r, kind=kind)
        assert got["cook"].isna().all()
        assert not got["influential"].any()


def test_two_studies() -> None:
    pool = quiet(vf.random_effects, y=[0.0, 1.0], v=[0.1, 0.2])
    got = quiet(vf.influence, pool)
    assert got["cook"].isna().all()
    assert np.isfinite(vf.baujat(pool)["heterogeneity"]).all()


def test_profile_peaks_at_the_estimate() -> None:
    r = fit(data=table(3))
    curve = vf.profile_likelihood(r)
    assert abs(curve["tau2"][curve["log_likelihood"].idxmax()] - r.tau2) <= curve["tau2"][1]
    with pytest.raises(vf.InputError, match="at least 0"):
        vf.profile_likelihood(r, [-1.0])


def test_location_scale_derivatives_and_scale() -> None:
    d = table(6, 30)
    m = regression(d["y"].to_numpy(), d["v"].to_numpy(), np.column_stack([np.ones(30), d["dose"]]))
    z, a = np.column_stack([np.ones(30), d["dose"] - 2]), np.array([-1.0, 0.4])
    for restricted in (True, False):
        height, gradient, hessian = kernel._derivatives(m, z, 0.3, a, restricted)
        for j in range(2):
            step = np.zeros(2)
            step[j] = 1e-5
            up, down = (kernel._derivatives(m, z, 0.3, a + s * step, restricted) for s in (1, -1))
            assert (up[0] - down[0]) / 2e-5 == pytest.approx(gradient[j], rel=1e-5, abs=1e-6)
            assert (up[1] - down[1]) / 2e-5 == pytest.approx(hessian[:, j], rel=1e-5, abs=1e-6)
        assert math.isfinite(height)


def scattered(seed: int = 6, k: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"v": rng.uniform(0.02, 0.1, k), "bias": rng.integers(0, 2, k).astype(float)})
    d["y"] = 0.4 + rng.normal(0, np.sqrt(d["v"] + np.exp(-2.5 + 1.5 * d["bias"])))
    return d


def test_location_scale_of_an_intercept_is_the_random_effects_model() -> None:
    d = scattered()
    for kind in ("ML", "REML"):
        one = vf.location_scale(formula="~ 1", scale="~ 1", data=d, y="y", v="v", method=kind)
        pool = quiet(vf.random_effects, y=d["y"], v=d["v"], method=kind, test="Wald")
        assert one.tau2 == pytest.approx(np.full(60, pool.tau2), rel=1e-7)
        assert one.estimate[0] == pytest.approx(pool.estimate, rel=1e-8)
        assert one.se[0] == pytest.approx(pool.se, rel=1e-7)
    # effects in other units: only the intercept of log tau2 moves, and a design without one has none to move
    free = vf.location_scale(formula="~ 1", scale="~ bias", data=d, y="y", v="v")
    times = d.assign(y=1000 * d["y"], v=1e6 * d["v"])
    other = vf.location_scale(formula="~ 1", scale="~ bias", data=times, y="y", v="v")
    assert other.scale_estimate - free.scale_estimate == pytest.approx([math.log(1e6), 0], abs=1e-6)
    assert other.scale_se == pytest.approx(free.scale_se, rel=1e-6)
    groups = vf.location_scale(formula="~ 1", scale="~ 0 + C(bias)", data=d, y="y", v="v")
    assert groups.tau2 == pytest.approx(free.tau2, rel=1e-6)
    shown = free.predict({"bias": [0.0, 1.0]})
    assert shown["tau2"][1] / shown["tau2"][0] == pytest.approx(math.exp(free.scale_estimate[1]), rel=1e-9)
    assert "log tau2" in str(free)
    assert list(free.to_frame()["part"]) == ["mean", "log tau2", "log tau2"]


def test_location_scale_refuses_what_it_cannot_answer() -> None:
    d = scattered()
    with pytest.raises(vf.ConvergenceError, match="tau2"):
        vf.location_scale(formula="~ 1", scale="~ bias", data=d.assign(y=0.4), y="y", v="v")
    with pytest.raises(vf.InputError, match="Give the moderators of tau2"):
        vf.location_scale(formula="~ 1", data=d, y="y", v="v")
    with pytest.raises(vf.InputError, match="Collinear moderators"):
        vf.location_scale(formula="~ 1", scale="~ bias + w", data=d.assign(w=2 * d["bias"]), y="y", v="v")
    with pytest.raises(vf.InputError, match="3 studies cannot"):
        vf.location_scale(formula="~ 1", scale="~ bias", data=d.head(3), y="y", v="v")
    with pytest.raises(vf.InputError, match="method='DL'"):
        vf.location_scale(formula="~ 1", scale="~ bias", data=d, y="y", v="v", method="DL")


def test_likelihood_ratios() -> None:
    d = scattered()
    big, small = (fit(f, d.assign(x=np.arange(60.0)), method="ML") for f in ("~ x", "~ 1"))
    got = vf.likelihood_ratio(big, small)
    statistic = 2 * (big.information("ML").log_likelihood - small.information("ML").log_likelihood)
    assert got.statistic == pytest.approx(statistic, rel=1e-10)
    assert got.p_value == pytest.approx(scipy.stats.chi2.sf(statistic, 1), rel=1e-9)
    assert got.to_frame()["aic"][0] == pytest.approx(big.information("ML").aic)
    scale = vf.location_scale(formula="~ 1", scale="~ bias", data=d, y="y", v="v", method="REML")
    pool = quiet(vf.random_effects, y=d["y"], v=d["v"])
    assert vf.likelihood_ratio(scale, pool).df == 1
    edge = vf.likelihood_ratio(pool, quiet(vf.common_effect, y=d["y"], v=d["v"]))
    assert "edge" in edge.warnings[0]
    assert "edge" in str(edge)
    with pytest.raises(vf.InputError, match="REML likelihoods cannot compare"):
        vf.likelihood_ratio(fit("~ x", d.assign(x=np.arange(60.0))), fit("~ 1", d))
    with pytest.raises(vf.InputError, match="different studies"):
        vf.likelihood_ratio(big, fit("~ 1", d.head(50), method="ML"))
    with pytest.raises(vf.InputError, match="not contained"):
        vf.likelihood_ratio(small, big)
    with pytest.raises(vf.InputError, match="two fits by"):
        vf.likelihood_ratio(fit("~ bias", d, method="DL"), fit("~ 1", d, method="DL"))


def test_exact_permutation_tests_by_hand() -> None:
    d = table(2, 6)
    # equal variances and a given tau2: the statistic orders the arrangements as the plain covariance does
    r = fit("~ dose", d.assign(v=0.1), tau2=0.1, test="Wald")
    got = vf.permutation_test(r)
    assert got.exact
    assert got.draws == 720
    import itertools

    x, y = d["dose"].to_numpy(), d["y"].to_numpy()
    seen = abs(np.cov(x, y)[0, 1])
    share = np.mean([abs(np.cov(x[list(p)], y)[0, 1]) >= seen * (1 - 1e-8) for p in itertools.permutations(range(6))])
    assert got.p_value[1] == pytest.approx(share)
    signs = vf.permutation_test(quiet(vf.random_effects, y=[1.0, 1.1, 0.9, 1.05, 1.2], v=[0.01] * 5, test="Wald"))
    assert (signs.draws, signs.p_value[0]) == (32, pytest.approx(2 / 32))
    # rows that are the same are dealt out once
    twins = vf.permutation_test(fit("~ arm", table(2, 6).assign(arm=list("aabbbb")), test="Wald", method="DL"))
    assert (twins.exact, twins.draws) == (True, 15)
    some = vf.permutation_test(fit("~ dose", d), draws=60, exact=False)
    assert not some.exact
    assert some.p_value.min() >= 1 / 60
    assert vf.permutation_test(fit("~ dose", d), draws=60, exact=False).p_value == pytest.approx(some.p_value)
    assert list(some.to_frame()["term"]) == ["Intercept", "dose"]
    with pytest.raises(vf.InputError, match="too many"):
        vf.permutation_test(fit("~ dose"), exact=True)
    with pytest.raises(vf.InputError, match="at least 20"):
        vf.permutation_test(r, draws=3)


def test_bootstrap_recovers_the_standard_error() -> None:
    r = fit("~ dose", tau2=0.1, test="Wald")
    got = vf.bootstrap(r, draws=2000)
    assert got.to_frame().set_index("term")["se"][["Intercept", "dose"]].to_numpy() == pytest.approx(r.se, rel=0.06)
    assert got.interval_of("dose") == pytest.approx(tuple(r.interval[1]), abs=0.15)
    low, high = got.interval_of("dose", basic=True)
    assert low < r.estimate[1] < high
    again = vf.bootstrap(fit("~ arm", method="DL"), kind="studies", draws=200)
    assert again.redrawn >= 0
    assert np.isfinite(again.draws).all()
    with pytest.raises(vf.InputError, match="No parameter"):
        got.interval_of("size")
    with pytest.raises(vf.InputError, match="kind="):
        vf.bootstrap(r, kind="wild")


def test_subgroups_with_separate_heterogeneity() -> None:
    d = table()
    got = quiet(vf.subgroups, by="arm", data=d, y="y", v="v")
    one = quiet(vf.random_effects, y=d["y"][d["arm"] == "a"], v=d["v"][d["arm"] == "a"])
    assert got.groups["a"].interval == pytest.approx(one.interval, rel=1e-12)
    assert list(got.terms) == ["a", "b", "c"]
    assert got.to_frame()["k"].sum() == 14
    plain = quiet(vf.subgroups, by="arm", data=d, y="y", v="v", test="wald")
    w = 1 / plain.se**2
    mean = (w * plain.estimate).sum() / w.sum()
    assert plain.between.statistic == pytest.approx((w * (plain.estimate - mean) ** 2).sum(), rel=1e-10)
    assert plain.between.p_value == pytest.approx(scipy.stats.chi2(2).sf(plain.between.statistic), rel=1e-10)
    assert "difference between groups (chi-squared)" in str(plain)


def test_difference_of_two_groups_is_welchs_t() -> None:
    d = table()
    d = d[d["arm"] != "c"]
    got = quiet(vf.subgroups, by="arm", data=d, y="y", v="v")
    n = got.to_frame()["k"].to_numpy()
    want = scipy.stats.ttest_ind_from_stats(
        got.estimate[0], got.se[0] * np.sqrt(n[0]), n[0], got.estimate[1], got.se[1] * np.sqrt(n[1]), n[1], equal_var=False
    )
    assert got.between.statistic == pytest.approx(want.statistic**2, rel=1e-10)
    assert got.between.p_value == pytest.approx(want.pvalue, rel=1e-10)
    assert "difference between groups (Welch's F): F = " in str(got)


def test_difference_of_several_groups_is_welchs_f() -> None:
    """Welch's test of raw data is that of means with standard errors and n - 1 degrees of freedom."""
    rng = np.random.default_rng(7)
    samples = [rng.normal(m, s, n) for m, s, n in ((0, 1, 4), (0.5, 3, 9), (1, 0.5, 6))]
    want = scipy.stats.f_oneway(*samples, equal_var=False)
    n = np.array([len(x) for x in samples])
    got = welch(np.array([x.mean() for x in samples]), np.array([x.std(ddof=1) for x in samples]) / np.sqrt(n), n - 1)
    assert (got.statistic, got.p_value) == pytest.approx((want.statistic, want.pvalue), rel=1e-10)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 3), (5, 5)])
def test_groups_that_do_not_differ_are_rarely_said_to(sizes: tuple[int, int]) -> None:
    """Hartung-Knapp standard errors of few studies read as known rejected 11 to 20% of true hypotheses here."""
    rng = np.random.default_rng(3)
    draws, pools = 2000, []
    for k in sizes:
        v = np.tile(np.linspace(0.02, 0.2, k), draws)
        frame = pd.DataFrame({"question": np.repeat(np.arange(draws), k), "y": rng.normal(0, np.sqrt(v + 0.1)), "v": v})
        pools.append(vf.random_effects_many(frame, by="question", test="HKSJ"))
    estimate, se = (np.column_stack([p[c] for p in pools]) for c in ("estimate", "se"))
    p = [welch(a, b, np.array(sizes) - 1.0).p_value for a, b in zip(estimate, se, strict=True)]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / draws)


def test_group_of_one_study_has_no_heterogeneity_of_its_own() -> None:
    with pytest.warns(vf.VfmetaWarning, match="One study only in b"):
        got = vf.subgroups(y=[0.1, 0.4, 0.3], v=[0.02, 0.03, 0.05], by=["a", "a", "b"])
    se, df = got.se, got.between.df_residual
    assert df == pytest.approx((se**2).sum() ** 2 / se[0] ** 4, rel=1e-12)


def test_subgroups_with_common_heterogeneity_are_a_regression() -> None:
    d = table()
    got = quiet(vf.subgroups, by=list(d["arm"]), y=d["y"], v=d["v"], common_tau2=True)
    r = fit("~ arm", d)
    assert got.common.tau2 == pytest.approx(r.tau2, rel=1e-9)
    assert got.between.statistic == pytest.approx(r.omnibus.statistic, rel=1e-9)
    assert got.estimate[0] == pytest.approx(r.estimate[0], rel=1e-9)
    coded = quiet(vf.subgroups, by=[0, 1] * 7, y=d["y"], v=d["v"])
    assert list(coded.groups) == ["0", "1"]
    with pytest.raises(vf.InputError, match="No column 'nope' in the data"):
        vf.subgroups(by="nope", data=d, y="y", v="v")
    with pytest.raises(vf.InputError, match="give one a row"):
        vf.subgroups(by=["a"], y=d["y"], v=d["v"])
    with pytest.raises(vf.InputError, match="every study has the value"):
        vf.subgroups(by="arm", data=d.assign(arm="a"), y="y", v="v")
    with pytest.raises(vf.InputError, match="Give by="):
        vf.subgroups(y=d["y"], v=d["v"])
