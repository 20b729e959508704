"""Conversions: reference cases, inverses, exact identities, simulation, bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.convert import fitted, five_numbers, normal_order

convert = vf.convert
CASES = [
    c
    for c in json.loads((Path(__file__).parent / "reference" / "escalc.json").read_text(encoding="utf-8"))
    if c["family"] in ("convert", "transf")
]
NO_MEASURE_USES = {f"transf.{x}" for x in ("abt", "iabt", "ahw", "iahw", "probit", "iprobit", "r2toz", "ztor2")}


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_reference(case):
    outcome, options = check(case), case["options"]
    if outcome.group == "not offered":
        assert options["fun"] in NO_MEASURE_USES
    elif outcome.group == "explained":
        assert options.get("method") in ("qe", "bc", "mln")
    assert not outcome.not_compared


def least_squares(p, x, mean, sd):
    """Smallest sum of squares of any of the five distributions with this mean and SD (beta left out: data above 1)."""
    v = np.log1p((sd / mean) ** 2)
    sums = [
        np.sum((stats.norm.ppf(p, mean, sd) - x) ** 2),
        np.sum((stats.lognorm.ppf(p, np.sqrt(v), scale=mean / np.exp(v / 2)) - x) ** 2),
        np.sum((stats.gamma.ppf(p, (mean / sd) ** 2, scale=sd**2 / mean) - x) ** 2),
    ]
    shapes = np.linspace(0.5, 20, 200_000)
    shape = np.interp(sd / mean, stats.weibull_min.std(shapes)[::-1] / stats.weibull_min.mean(shapes)[::-1], shapes[::-1])
    scale = mean / stats.weibull_min.mean(shape)
    return min([*sums, np.sum((stats.weibull_min.ppf(p, shape, scale=scale) - x) ** 2)])


@pytest.mark.parametrize("case", [c for c in CASES if c["options"].get("method") == "qe"], ids=lambda c: c["id"])
def test_quantile_estimation_finds_no_larger_sum_of_squares_than_r(case):
    i = case["inputs"]
    for row, n in enumerate(i["n"]):
        p = {"min": 1 / n, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 1 - 1 / n}
        p = {name: at for name, at in p.items() if name in i}
        at, x = np.array(list(p.values())), np.array([i[name][row] for name in p])
        ours = least_squares(at, x, *fitted.quantile_estimation(at, x))
        theirs = least_squares(at, x, case["expect"]["mean"][row], case["expect"]["sd"][row])
        assert ours <= theirs * (1 + 1e-6)


@pytest.mark.parametrize(
    "law",
    [
        stats.norm(10, 2),
        stats.lognorm(0.5, scale=6),
        stats.gamma(3, scale=2),
        stats.weibull_min(2.5, scale=7),
        stats.beta(2, 5),
    ],
)
def test_quantile_estimation_recovers_the_distribution_of_exact_quantiles(law):
    p = np.array([0.01, 0.25, 0.5, 0.75, 0.99])
    assert fitted.quantile_estimation(p, law.ppf(p)) == pytest.approx((law.mean(), law.std()), rel=1e-6)


def test_box_cox_is_the_integral_of_what_it_would_draw():
    one = five_numbers.Summary(6.9, 16.2, 19.5, 22.0, 33.4, 72)
    mean, sd = fitted.back(2.0, 0.3, 0.5)
    z = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    drawn = (0.5 * (2.0 + 0.3 * z) + 1) ** 2
    assert (mean, sd) == pytest.approx((drawn.mean(), drawn.std()), rel=1e-5)
    ten = one.moved(one.values * 10)
    assert fitted.box_cox(ten) == pytest.approx([10 * x for x in fitted.box_cox(one)], rel=1e-6)


def test_series_of_normal_order_statistics_against_known_values():
    # Teichroew (1956), n = 20: E of the largest 1.86748, its variance 0.27570; of the 15th E 0.59030
    means, cov = normal_order.normal_order_moments(20, np.array([15.0, 20.0]))
    assert means == pytest.approx([0.59030, 1.86748], abs=4e-3)
    assert cov[1, 1] == pytest.approx(0.27570, abs=0.02)
    assert normal_order.expected_range(10) == pytest.approx(3.07751, abs=1e-5)  # Tippett's table


@pytest.mark.parametrize(
    ("method", "distribution"), [("luo/wan/shi", "normal"), ("blue", "normal"), ("luo/wan/shi", "lognormal")]
)
@pytest.mark.parametrize("scenario", ["S1", "S2", "S3"])
def test_estimates_are_nearly_unbiased_by_simulation(method, distribution, scenario):
    rng = np.random.default_rng(11)
    n, reps = 61, 1500
    x = rng.normal(3 if distribution == "lognormal" else 20, 0.4 if distribution == "lognormal" else 5, (reps, n))
    x = np.exp(x) if distribution == "lognormal" else x
    a, q1, m, q3, b = np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=1)
    given = {"minimum": a, "maximum": b} if scenario != "S2" else {}
    given |= {"q1": q1, "q3": q3} if scenario != "S1" else {}
    mean, sd = convert.mean_sd_from_quantiles(
        n=np.full(reps, n), median=m, **given, method=method, distribution=distribution, skew_test=False, failed="nan"
    )
    assert np.isnan(sd).sum() <= 2  # a formula now and then gives an SD that no sample between these extremes has
    true_mean, true_sd = (np.exp(3.08), np.exp(3.08) * np.sqrt(np.expm1(0.16))) if distribution == "lognormal" else (20, 5)
    assert np.nanmean(mean) == pytest.approx(true_mean, rel=0.01)
    assert np.nanmean(sd) == pytest.approx(true_sd, rel=0.03)


@pytest.mark.parametrize("n", [21, 81, 301])
def test_the_skewness_tests_hold_their_level(n):
    rng = np.random.default_rng(n)
    a, q1, m, q3, b = np.quantile(rng.normal(size=(6000, n)), [0, 0.25, 0.5, 0.75, 1], axis=1)
    gap = np.full(6000, np.nan)
    for five in ((a, gap, m, gap, b), (gap, q1, m, q3, gap), (a, q1, m, q3, b)):
        found = [five_numbers.skewness(five_numbers.Summary(*row, n)) for row in zip(*five, strict=True)]
        assert np.mean([s > c for s, c in found]) == pytest.approx(0.05, abs=0.013)


def test_incomplete_sets_are_nan_where_asked():
    mean, sd = convert.mean_sd_from_quantiles(n=[50, 50], median=[3.0, 3.0], q1=[2.0, 2.0], q3=[np.nan, 4.1], failed="nan")
    assert np.isnan([mean[0], sd[0]]).all()
    assert np.isfinite([mean[1], sd[1]]).all()


def test_skewed_studies_are_refused_by_name():
    skewed = {"n": [200], "q1": [1.0], "median": [2.0], "q3": [9.0]}
    with pytest.raises(vf.InputError, match="row 1: the quantiles show skewed data"):
        convert.mean_sd_from_quantiles(**skewed)
    assert np.isnan(convert.mean_sd_from_quantiles(**skewed, failed="nan")[0][0])
    assert convert.mean_sd_from_quantiles(**skewed, skew_test=False)[0][0] > 2
    assert convert.mean_sd_from_quantiles(**skewed, method="qe")[0][0] > 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": [50], "median": [3.0], "q1": [4.0], "q3": [5.0]}, "row 1: minimum, q1, median, q3 and maximum must rise"),
        ({"n": [50], "median": [3.0], "q1": [2.0]}, "row 1: n, the median and both quartiles"),
        ({"n": [2], "median": [3.0], "q1": [2.0], "q3": [4.0]}, "at least 3 patients"),
        ({"n": [50], "median": [3.0], "q1": [3.0], "q3": [3.0]}, "do not differ"),
        ({"n": [50], "median": [3.0, 2.0], "q1": [2.0], "q3": [4.0]}, "median has shape"),
        ({"n": [50], "median": [3.0], "q1": [-2.0], "q3": [4.0], "method": "bc"}, "q1: must be greater than 0"),
        ({"n": [50], "median": [3.0], "q1": [2.0], "q3": [4.0], "method": "guess"}, "method='guess' is unknown"),
    ],
)
def test_quantiles_that_cannot_be(values, message):
    with pytest.raises(vf.InputError, match=message):
        convert.mean_sd_from_quantiles(**values)


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 0.9), st.floats(1e-4, 2))
def test_odds_and_risk_ratios_are_inverses_with_their_variances(y, p0, v):
    log_rr, v_rr = convert.log_odds_ratio_to_log_risk_ratio(y, p0, v)
    back, v_back = convert.log_risk_ratio_to_log_odds_ratio(log_rr, p0, v_rr)
    assert back == pytest.approx(y, abs=1e-9)
    assert v_back == pytest.approx(v, rel=1e-8)
    odds = np.exp(y) * p0 / (1 - p0)
    assert convert.risk_from_ratio(y, p0, measure="OR") == pytest.approx(odds / (1 + odds), rel=1e-9)
    step = 1e-5
    slope = (
        convert.log_odds_ratio_to_log_risk_ratio(y + step, p0)[0] - convert.log_odds_ratio_to_log_risk_ratio(y - step, p0)[0]
    ) / (2 * step)
    assert v_rr == pytest.approx(slope**2 * v, rel=1e-4, abs=1e-12)


@given(st.floats(-3, 3), st.floats(1e-4, 2))
def test_other_inverses(x, v):
    for law in ("logistic", "normal"):
        d, v_d = convert.log_odds_ratio_to_d(x, v, distribution=law)
        assert [float(z) for z in convert.d_to_log_odds_ratio(d, v_d, distribution=law)] == pytest.approx([x, v])
    r, v_r = convert.d_to_r(x, v=v)
    assert [float(z) for z in convert.r_to_d(r, v_r)] == pytest.approx([x, v], rel=1e-7, abs=1e-12)
    assert convert.r_to_z(convert.z_to_r(x)) == pytest.approx(x, abs=1e-9)
    assert convert.logit(convert.expit(x)) == pytest.approx(x, abs=1e-9)


@given(st.integers(1, 400), st.data())
def test_double_arcsine_and_back(n, data):
    x = data.draw(st.integers(0, n))
    p = convert.inverse_double_arcsine(convert.double_arcsine(x / n, n), n)
    assert p == pytest.approx(x / n, abs=1e-7)


def test_back_transformations():
    assert convert.back_transform("OR", np.log(2)) == pytest.approx(2)
    assert convert.back_transform("ZCOR", 0.5) == pytest.approx(np.tanh(0.5))
    assert convert.back_transform("PLO", 0.0) == 0.5
    assert convert.back_transform("PAS", [-0.1, 0.3]).tolist() == pytest.approx([0, np.sin(0.3) ** 2])
    assert convert.back_transform("MD", -1.5) == -1.5
    assert convert.mean_back_transform("OR", 0.2, 0.04) == pytest.approx(np.exp(0.22))
    assert convert.mean_back_transform("PLO", [0.2], [0.0])[0] == pytest.approx(convert.expit(0.2))
    with pytest.raises(vf.InputError, match="PFT goes back"):
        convert.back_transform("PFT", 0.4)
    with pytest.raises(vf.InputError, match="Unknown measure"):
        convert.back_transform("XYZ", 0.4)


def test_wald():
    y, v = convert.wald(
        [1.5], low=[1.5 / np.exp(1.959963984540054 * 0.2)], high=[1.5 * np.exp(1.959963984540054 * 0.2)], log=True
    )
    assert (y[0], v[0]) == pytest.approx((np.log(1.5), 0.04), rel=1e-12)
    p = 2 * stats.t.sf(2.5, 12)
    assert convert.wald([0.5], p=[p], df=12)[1][0] == pytest.approx(0.04, rel=1e-10)
    assert convert.wald([0.5], z=[-2.5])[1][0] == pytest.approx(0.04)
    with pytest.warns(vf.VfmetaWarning, match="not in the middle"):
        convert.wald([1.5], low=[1.1], high=[3.4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": [2.0], "high": [1.0]}, "the lower limit must lie below"),
        ({"low": [0.6], "high": [1.0]}, "outside its confidence interval"),
        ({"low": [0.1]}, "both limits"),
        ({}, "Give the interval"),
        ({"p": [1.4]}, "must lie between 0 and 1"),
        ({"low": [-1.0], "high": [1.0], "log": True}, "must be greater than 0"),
    ],
)
def test_wald_with_what_cannot_be(options, message):
    with pytest.raises(vf.InputError, match=message):
        convert.wald([0.5], **options)
    with pytest.raises(vf.InputError, match="an effect of 0"):
        convert.wald([0.0], p=[0.9])


@settings(max_examples=60)
@given(*(st.integers(1, 60) for _ in range(4)))
def test_two_by_two_finds_the_table_again(a, b, c, d):
    n, row, column = a + b + c + d, a + b, a + c
    chi2 = stats.chi2_contingency([[a, b], [c, d]], correction=False)[0] * np.sign(a * d - b * c)
    phi = (a * d - b * c) / np.sqrt(row * (c + d) * column * (b + d))
    for options in ({"odds_ratio": a * d / (b * c)}, {"phi": phi}, {"chi2": chi2, "continuity": False}):
        assert [int(x) for x in convert.two_by_two(n, row, column, **options)] == [a, b, c, d]


def test_two_by_two_refuses():
    with pytest.raises(vf.InputError, match="smaller than the total"):
        convert.two_by_two(20, 25, 5, odds_ratio=2)
    with pytest.raises(vf.InputError, match="exactly one"):
        convert.two_by_two(20, 10, 5, odds_ratio=2, phi=0.1)


def test_statistics_of_two_groups():
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 2, 15), rng.normal(0, 2, 22)
    t, p = stats.ttest_ind(a, b)
    pooled = np.sqrt((14 * a.var(ddof=1) + 21 * b.var(ddof=1)) / 35)
    d = (a.mean() - b.mean()) / pooled
    assert convert.d_from_t(t, 15, 22) == pytest.approx(d)
    assert convert.d_from_f(t**2, 15, 22, sign=np.sign(t)) == pytest.approx(d)
    assert convert.d_from_p(p, 15, 22, sign=np.sign(t)) == pytest.approx(d)
    r = stats.pearsonr(a, b[:15]).statistic
    assert convert.r_from_t(r * np.sqrt(13 / (1 - r**2)), 13) == pytest.approx(r)
    x, y = rng.normal(size=30), rng.normal(size=30)
    assert convert.correlation_of_change(x.std(ddof=1), y.std(ddof=1), (y - x).std(ddof=1)) == pytest.approx(
        np.corrcoef(x, y)[0, 1]
    )
    with pytest.raises(vf.InputError, match="no correlation fits"):
        convert.correlation_of_change(1, 1, 5)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=9), min_size=1, max_size=4))
def test_groups_taken_as_one_are_the_raw_data_taken_together(groups):
    n, mean, sd = convert.combine_groups(
        [len(g) for g in groups], [np.mean(g) for g in groups], [np.std(g, ddof=1) for g in groups]
    )
    together = np.concatenate(groups)
    assert n == len(together)
    assert (mean, sd) == pytest.approx((together.mean(), together.std(ddof=1)), abs=1e-6)


def test_effects_combined():
    y, v = [0.2, 0.5, 0.1], [0.04, 0.09, 0.01]
    clusters, effect, variance = convert.combine_effects(y, v, ["a", "a", "b"])
    assert clusters.tolist() == ["a", "b"]
    assert effect[0] == pytest.approx((0.2 / 0.04 + 0.5 / 0.09) / (1 / 0.04 + 1 / 0.09))
    assert variance.tolist() == pytest.approx([1 / (1 / 0.04 + 1 / 0.09), 0.01])
    plain = convert.combine_effects(y[:2], v[:2], rho=0.5, weighted=False)
    assert (plain[1][0], plain[2][0]) == pytest.approx((0.35, (0.04 + 0.09 + 2 * 0.5 * 0.2 * 0.3) / 4))
    with pytest.raises(vf.InputError, match="cannot all be correlated"):
        convert.combine_effects(y, v, rho=-0.9)
    assert convert.combine_events([2, 3], [10, 12]) == (5, 22)


def test_overlap_and_tetrachoric():
    assert convert.d_to_overlap(0.0, index="U3") == 0.5
    assert convert.d_to_overlap(0.5) == pytest.approx(0.6381632, abs=1e-6)
    assert convert.log_odds_ratio_to_tetrachoric(np.log(4.0)) == pytest.approx(np.cos(np.pi / 3))
    for wrong in (
        lambda: convert.d_to_overlap(0.1, index="U9"),
        lambda: convert.log_odds_ratio_to_tetrachoric(0.1, method="x"),
    ):
        with pytest.raises(vf.InputError, match="is unknown"):
            wrong()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: convert.d_from_p(0, 5, 5), "row 1, p: so small a p value"),
        (lambda: convert.wald([0.5, 0.4], p=["0.03", "<0.001"]), "row 2, p: '<0.001' is a bound"),
        (lambda: convert.wald([0.5], low=[0.1], high=[np.inf], log=True), "row 1, high: the value is infinite"),
        (lambda: convert.wald([0.5, 0.4], low=[0.1], high=[0.8, 0.9, 1.0]), "estimate has 2, high has 3"),
        (lambda: convert.wald([0.5, 0.4], p=[0.1, np.nan]), "row 2: neither interval nor test statistic nor p value"),
        (lambda: convert.wald([0.5], p=[1e-300], df=3), "row 1, p: so small a p value"),
        (lambda: convert.d_to_r([0.5, np.nan]), "row 2, d: the value is missing"),
        (lambda: convert.r_to_d([np.nan]), "row 1, r: the value is missing"),
        (lambda: convert.back_transform("RR", [0.1, np.nan]), "row 2, value: the value is missing"),
        (lambda: convert.back_transform("IRFT", [0.1]), "person-time"),
        (lambda: convert.back_transform("PFT", [0.1, 0.2], n=[4, 5, 6]), "value has 2, n has 3"),
    ],
)
def test_conversions_refuse_what_has_no_answer(call, said):
    with pytest.raises(vf.InputError, match=re.escape(said)):
        call()


def test_root_rates_of_freeman_and_tukey_come_back_with_their_time():
    """0/10, 3/100, 5/50: the rates themselves, and the solution of the equation that defines the measure."""
    time = np.array([10.0, 100.0, 50.0])
    y = vf.effect_size("IRFT", data={"x": [0, 3, 5], "t": time}, events="x", time="t").y
    assert convert.back_transform("IRFT", y, n=time) == pytest.approx([0.0, 0.03, 0.1], abs=1e-12)
    rate = convert.back_transform("IRFT", [0.7], n=[4.0])
    assert (np.sqrt(rate) + np.sqrt(rate + 1 / 4)) / 2 == pytest.approx(0.7, rel=1e-12)


def test_value_that_no_size_could_give_is_said():
    """After metafor-project.org, analyses:miller1978: 45 events in 5.5 million, taken back at the harmonic mean."""
    n = np.array([100000, 500000, 900000, 600, 4000000])
    fit = vf.random_effects(vf.effect_size("PFT", data={"x": [3, 15, 20, 2, 5], "n": n}, events="x", n="n"), test="Wald")
    with pytest.warns(vf.VfmetaWarning, match=r"row 1.*very unequal sizes.*vf\.glmm"):
        convert.back_transform("PFT", [fit.estimate, *fit.interval], n=len(n) / (1 / n).sum())


def test_one_size_means_groups_of_one_size():
    """After easystats/effectsize #571."""
    for sizes in ({"n1": 10}, {"n2": 10}, {}):
        assert convert.d_to_r(0.5, **sizes)[0] == pytest.approx(0.5 / np.sqrt(0.5**2 + 4))


def test_unbiased_correlation_needs_more_than_four():
    with pytest.raises(vf.InputError, match=r"row 1.*more than 4"):
        vf.effect_size("UCOR", data={"r": [0.3, 0.2], "n": [4, 9]}, r="r", n="n")


@pytest.mark.parametrize("measure", [[], None, "nonsense", 5])
def test_the_mean_of_what_is_no_measure_is_refused(measure: object) -> None:
    with pytest.raises(vf.InputError, match="Unknown measure"):
        convert.mean_back_transform(measure, 0.2, 0.04)  # type: ignore[arg-type]


@pytest.mark.parametrize("truth", [True, [0.1, False], np.array([True]), pd.Series([True, False])])
def test_true_and_false_are_no_numbers(truth: object) -> None:
    for turn in (vf.convert.expit, vf.convert.arcsine, lambda x: vf.convert.combine_events(x, 9)):
        with pytest.raises(vf.InputError, match=r"(True|False)"):
            turn(truth)
