"""Means and SDs from order statistics by maximum likelihood (MLN), and the log-normal formulas of three numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import boxcox, inv_boxcox

import vfmeta as vf
from vfmeta.convert import five_numbers, order_likelihood
from vfmeta.convert.quantiles import impossible

CASES = [
    c
    for c in json.loads((Path(__file__).parent / "reference" / "escalc.json").read_text(encoding="utf-8"))
    if c["options"].get("method") == "mln"
]
NAMES = {"min": "minimum", "q1": "q1", "median": "median", "q3": "q3", "max": "maximum"}


def log_likelihood(x: np.ndarray, ranks: np.ndarray, n: int, mean: float, sd: float) -> float:
    """Density of order statistics, from scipy's normal distribution."""
    law = stats.norm(mean, sd)
    edges = np.concatenate([[0.0], law.cdf(x), [1.0]])
    count = np.diff(np.concatenate([[0], ranks, [n + 1]])) - 1
    return float(law.logpdf(x).sum() + sum(c * math.log(p) for c, p in zip(count, np.diff(edges), strict=True) if c))


def test_all_order_statistics_are_the_sample() -> None:
    x = np.sort(np.random.default_rng(3).normal(7, 3, 25))
    found = order_likelihood.normal_fit(x, np.arange(1.0, 26.0), 25, 6.0, 2.0)
    assert found == pytest.approx((x.mean(), x.std()), rel=1e-8)


@pytest.mark.parametrize("which", [[0, 2, 4], [1, 2, 3], [0, 1, 2, 3, 4]])
def test_the_fit_is_the_highest_point_of_the_likelihood(which: list[int]) -> None:
    x, n = np.array([6.9, 16.2, 19.5, 22.0, 33.4])[which], 72
    ranks = np.array([1, 19, 37, 55, 72])[which]
    best = optimize.minimize(
        lambda t: -log_likelihood(x, ranks, n, t[0], math.exp(t[1])), [19.0, 1.6], method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    found = order_likelihood.normal_fit(x, ranks.astype(float), n, 19.0, 5.0)
    assert found == pytest.approx((best.x[0], math.exp(best.x[1])), rel=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_which_likelihood_chooses_the_power(case: dict) -> None:
    """Values of metafor are those of the likelihood without the Jacobian of the powers; with it they lie far off."""
    i, want = case["inputs"], case["expect"]
    gaps = {False: 0.0, True: 0.0}
    z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    for row, n in enumerate(i["n"]):
        x = np.array([i[name][row] for name in NAMES if name in i])
        ranks = {"min": 1, "q1": n // 4 + 1, "median": n // 2 + 1, "q3": 3 * n // 4 + 1, "max": n}
        at = np.array([ranks[name] for name in NAMES if name in i])
        s = five_numbers.Summary(*(i[name][row] if name in i else math.nan for name in NAMES), n)
        for jacobian in (False, True):

            def lack(power: float, s=s, x=x, at=at, n=n, jacobian=jacobian) -> float:
                y = boxcox(x, power)
                moved = s.moved(boxcox(s.values, power))
                fit = log_likelihood(y, at, n, five_numbers.luo_mean(moved), five_numbers.wan_sd(moved))
                return -fit - jacobian * (power - 1) * float(np.log(x).sum())

            power = float(min(np.linspace(0, 6, 241), key=lack))
            moved = s.moved(boxcox(s.values, power))
            mean, sd = order_likelihood.normal_fit(
                boxcox(x, power), at.astype(float), n, five_numbers.luo_mean(moved), five_numbers.wan_sd(moved)
            )
            drawn = inv_boxcox(mean + sd * z, power)
            theirs = want["mean"][row], want["sd"][row]
            off = abs(np.nanmean(drawn) - theirs[0]) / (theirs[1] / 100), abs(np.nanstd(drawn) / theirs[1] - 1) * 141
            gaps[jacobian] = max(gaps[jacobian], *off)
    assert gaps[False] < 4  # standard errors of 10,000 draws
    assert gaps[True] > 8


def test_log_normal_quantiles_give_the_log_normal_moments() -> None:
    law, n = stats.lognorm(0.4, scale=math.exp(3)), 40_001
    q1, median, q3 = law.ppf([0.25, 0.5, 0.75])
    mean, sd = vf.convert.mean_sd_from_quantiles(n=[n], q1=[q1], median=[median], q3=[q3], method="mln")
    assert (mean[0], sd[0]) == pytest.approx((law.mean(), law.std()), rel=1e-3)


def test_too_few_patients_and_values_without_powers() -> None:
    with pytest.raises(vf.InputError, match=r"row 1: .*at least 5 patients"):
        vf.convert.mean_sd_from_quantiles(n=[4], q1=[1.0], median=[2.0], q3=[4.0], method="mln")
    with pytest.raises(vf.InputError, match="q1: must be greater than 0"):
        vf.convert.mean_sd_from_quantiles(n=[40], q1=[-1.0], median=[2.0], q3=[4.0], method="mln")


def test_log_normal_of_minimum_median_and_maximum() -> None:
    """The numbers of Shi et al. 2020 for S1 multiplied out, as two other public programs have them."""
    low, median, high, n = 2.0, 6.0, 31.0, 60
    w = 4 / (4 + n**0.75)
    mu = w * math.log(low * high) / 2 + (1 - w) * math.log(median)
    sd = math.log(high / low) / (2 * stats.norm.ppf((n - 0.375) / (n + 0.25)))
    v, v2 = sd**2 / (1.01 + 0.25 / math.log(n) ** 2), sd**4 / (1 + 2.23 / math.log(n) ** 2)
    mean = math.exp(mu + v / 2) / (1 + 0.565 * v / n + 0.37 * v2 / n)
    variance = math.exp(2 * mu + 2 * v) / (1 + 2.26 / n * v + 5.92 / n * v2) - math.exp(2 * mu + v) / (
        1 + 2.26 / n * v + 1.48 / n * v2
    )
    found = vf.convert.mean_sd_from_quantiles(
        n=[n], minimum=[low], median=[median], maximum=[high], distribution="lognormal", skew_test=False
    )
    assert (found[0][0], found[1][0]) == pytest.approx((mean, math.sqrt(variance)), rel=1e-12)


@pytest.mark.parametrize("unit", [0.01, 7.0, 1000.0])
def test_no_unit_matters_to_mln(unit: float) -> None:
    five = {"minimum": [2.0], "q1": [10.0], "median": [25.0], "q3": [40.0], "maximum": [95.0]}
    for names in (("q1", "median", "q3"), ("minimum", "median", "maximum"), tuple(five)):
        given = {name: np.array(five[name]) for name in names}
        own = vf.convert.mean_sd_from_quantiles(n=[60], method="mln", **given)
        other = vf.convert.mean_sd_from_quantiles(n=[60], method="mln", **{name: unit * x for name, x in given.items()})
        np.testing.assert_allclose(other, unit * np.array(own), rtol=1e-4)


def test_an_answer_that_no_sample_can_have_is_refused() -> None:
    """Of three patients at 0, 3 and 10 nothing but the middle is free: the SD lies between 5 and 10 / sqrt(3)."""
    three = five_numbers.Summary(0.0, math.nan, 3.0, math.nan, 10.0, 3)
    sds = [np.std([0.0, x, 10.0], ddof=1) for x in np.linspace(0, 10, 101)]
    assert (min(sds), max(sds)) == pytest.approx((5.0, 10 / math.sqrt(3)))
    assert all(impossible(three, 10 / 3, sd) == "" for sd in sds)
    assert "between 5 and 5.7735" in impossible(three, 10 / 3, 4.99)
    assert "between 5 and 5.7735" in impossible(three, 10 / 3, 5.78)
    assert "outside of minimum and maximum" in impossible(three, 10.1, 5.5)
    # a log-normal distribution through these has an SD that n values between them have not
    skewed = {"n": [9], "minimum": [0.01], "median": [3.0], "maximum": [10.0]}
    with pytest.raises(vf.InputError, match=r"row 1: .* gives an? (SD|mean) of"):
        vf.convert.mean_sd_from_quantiles(**skewed, distribution="lognormal", skew_test=False)
    found = vf.convert.mean_sd_from_quantiles(**skewed, distribution="lognormal", skew_test=False, failed="nan")
    assert np.isnan(found).all()


@pytest.mark.parametrize("unit", [0.01, 7.0, 1000.0])
@pytest.mark.parametrize("method", ["bc", "qe"])
def test_no_unit_matters_to_the_other_fits(method: str, unit: float) -> None:
    quartiles = {"q1": np.array([12.0]), "median": np.array([25.0]), "q3": np.array([45.0])}
    own = vf.convert.mean_sd_from_quantiles(n=[60], method=method, **quartiles)
    other = vf.convert.mean_sd_from_quantiles(n=[60], method=method, **{name: unit * x for name, x in quartiles.items()})
    np.testing.assert_allclose(other, unit * np.array(own), rtol=1e-4)


def test_a_distribution_that_reaches_far_below_0_is_warned_of() -> None:
    """Symmetric quartiles, so power 1: Wan's SD is 30 / 1.31 = 22.9, and 25 / 22.9 SDs below the mean lies 0."""
    with pytest.warns(vf.VfmetaWarning, match=r"bc: row 1: .* has 14% of its values below 0; they are cut"):
        _, sd = vf.convert.mean_sd_from_quantiles(n=[50], q1=[10], median=[25], q3=[40], method="bc")
    wan = 30 / (2 * stats.norm.ppf((0.75 * 50 - 0.125) / 50.25))
    a = 25 / wan
    assert stats.norm.cdf(-a) == pytest.approx(0.1375, abs=0.001)
    assert sd[0] == pytest.approx(wan * stats.truncnorm.std(-a, a), rel=1e-6)


def test_an_sd_below_what_the_quartiles_allow_is_refused() -> None:
    """Of 8 patients two lie at 10 or below and two at 40 or above: the SD is smallest with the others at 25."""
    eight = five_numbers.Summary(math.nan, 10.0, 25.0, 40.0, math.nan, 8)
    least = float(np.std([10, 10, 25, 25, 25, 25, 40, 40], ddof=1))
    assert impossible(eight, 25.0, least) == ""
    assert f"at least {least:.6g}" in impossible(eight, 25.0, 0.99 * least)
