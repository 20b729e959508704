"""Tests of a pooled mean that are made from the studies: exact, Kenward-Roger, bootstrap, permutation, recommended."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, permutation_test, t

import vfmeta as vf
from vfmeta.core.params import RECOMMENDED
from vfmeta.kernels.exact_mean import critical_values, exact_interval, exact_p_value, intervals_at

Y = np.array([-0.62, 0.11, -0.35, -1.40, -0.08, 0.30])
V = np.array([0.02, 0.08, 0.05, 0.20, 0.03, 0.11])


def statistic(y: np.ndarray, v: np.ndarray, mean: float, tau2: float, c0: float) -> np.ndarray:
    """The statistic of Michael et al. (2019) of sets of effects y (n, k), from its definition."""
    w = 1 / v
    centre = (y * w).sum(1) / w.sum()
    q = (w * (y - centre[:, None]) ** 2).sum(1)
    found = np.maximum(0, (q - len(v) + 1) / (w.sum() - (w @ w) / w.sum()))[:, None]
    weights = 1 / (v + found)
    estimate = (weights * y).sum(1) / weights.sum(1)
    # normal log densities there and here, without what both have
    best = (np.log(weights) - weights * (y - estimate[:, None]) ** 2).sum(1) / 2
    here = -(np.log(v + tau2) + (y - mean) ** 2 / (v + tau2)).sum(1) / 2
    return (estimate - mean) ** 2 * weights.sum(1) + c0 * (best - here)


@pytest.mark.parametrize(("k", "c0"), [(3, 1.2), (5, 1.2), (6, 0.6)])
def test_at_an_end_of_the_exact_interval_no_tau2_gives_more_than_five_percent(k: int, c0: float) -> None:
    y, v = Y[:k], V[:k]
    z = np.random.default_rng(5).standard_normal((100_000, k))
    for end in exact_interval(y, v, 0.95):
        shares = []
        for tau2 in np.r_[0, np.geomspace(1e-3, 30, 40)]:
            seen = statistic(y[None], v, end, tau2, c0)[0]
            shares.append((statistic(end + np.sqrt(v + tau2) * z, v, end, tau2, c0) >= seen).mean())
        assert max(shares) == pytest.approx(0.05, abs=0.004)  # 5 standard errors of 100,000 draws, and the points' own
        assert exact_p_value(y, v, end) == pytest.approx(0.05, abs=0.002)


def test_the_exact_interval_moves_with_its_data() -> None:
    low, high = exact_interval(Y, V, 0.95)
    assert exact_interval(2 * Y + 3, 4 * V, 0.95) == pytest.approx((2 * low + 3, 2 * high + 3), abs=1e-6)
    assert exact_interval(-Y, V, 0.95) == pytest.approx((-high, -low), abs=1e-9)
    order = [3, 0, 5, 1, 4, 2]
    assert exact_interval(Y[order], V[order], 0.95) == pytest.approx((low, high), abs=1e-12)
    assert exact_interval(Y, V, 0.99)[0] < low < high < exact_interval(Y, V, 0.99)[1]


@pytest.mark.parametrize(("k", "share"), [(3, 50), (4, 75), (10, 90)])
def test_the_exact_interval_holds_where_hartung_knapp_does_not(k: int, share: int) -> None:
    """One study with a tenth of the variance of the others; Hartung-Knapp holds 90 to 92% there (reports/coverage.md)."""
    v = np.array([0.01, *[0.1] * (k - 1)])
    w = 1 / v
    tau2 = (k - 1) * w.sum() / (w.sum() ** 2 - w @ w) * share / (100 - share)
    y = np.random.default_rng(3).standard_normal((4000, k)) * np.sqrt(v + tau2)
    grid = np.r_[0, 0.03 * np.geomspace(1e-3, 2.0**16, 120)]
    ends = intervals_at(y, v, grid, critical_values(v, grid, 0.95))
    held = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
    assert held > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 4000)


def test_exact_pools_answer_as_all_pools_do() -> None:
    fit = vf.random_effects(y=Y, v=V, test="exact")
    assert fit.interval == exact_interval(Y, V, 0.95)
    assert fit.p_value == exact_p_value(Y, V, 0.0)
    assert (fit.test, fit.df, fit.prediction_method) == ("exact", None, "HTS")
    assert vf.read_result(fit.to_json()) == fit
    assert "exact" in str(fit)
    recommended = vf.random_effects(y=Y, v=V, test="recommended")
    assert (recommended.test, recommended.interval) == ("exact", fit.interval)
    without = vf.leave_one_out(fit)
    assert without["ci_low"].iloc[0] == pytest.approx(exact_interval(Y[1:], V[1:], 0.95)[0], abs=1e-12)
    with pytest.warns(vf.VfmetaWarning, match="One study"):
        one = vf.random_effects(y=Y[:1], v=V[:1], test="exact")
    assert one.interval == pytest.approx(Y[0] + norm.ppf([0.025, 0.975]) * math.sqrt(V[0]))


def test_null_of_the_question_is_what_is_tested() -> None:
    moved = vf.random_effects(y=Y + 1, v=V, test="exact", question=vf.Question(no_difference=1.0))
    assert moved.p_value == pytest.approx(exact_p_value(Y, V, 0.0), abs=1e-12)
    assert moved.statistic == pytest.approx((moved.estimate - 1) / moved.se)


def test_kenward_roger_of_a_mean_is_that_of_a_regression_without_moderators() -> None:
    fit = vf.random_effects(y=Y, v=V, test="KR")
    other = vf.meta_regression({"y": Y, "v": V}, "~ 1", y="y", v="v", test="KR").coefficients.iloc[0]
    assert (fit.se, *fit.interval, fit.df, fit.p_value) == pytest.approx(
        (other["se"], other["ci_low"], other["ci_high"], other["df"], other["p_value"]), rel=1e-9
    )


def test_with_equal_variances_the_bootstrap_is_students_interval() -> None:
    v = np.full(6, 0.05)
    fit = vf.random_effects(y=Y, v=v, test="bootstrap", draws=100_000)
    half = t.ppf(0.975, 5) * Y.std(ddof=1) / math.sqrt(6)
    assert fit.interval == pytest.approx((Y.mean() - half, Y.mean() + half), rel=0.02)
    assert fit.interval == vf.random_effects(y=Y, v=v, test="bootstrap", draws=100_000).interval


def test_the_permutation_interval_holds_what_scipys_test_does_not_reject() -> None:
    v = np.full(6, 0.05)

    def p(mean: float) -> float:
        return permutation_test(
            (Y - mean,), lambda x, axis: np.abs(x.mean(axis) / x.std(axis)), permutation_type="samples", alternative="greater"
        ).pvalue  # fmt: skip

    fit = vf.random_effects(y=Y, v=v, test="permutation")
    assert fit.p_value == pytest.approx(p(0.0))
    low, high = fit.interval
    assert p(low - 1e-4) <= 0.05 < p(low + 1e-4)
    assert p(high + 1e-4) <= 0.05 < p(high - 1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"test": "permutation", "y": Y[:5], "v": V[:5]}, "Six studies or more"),
        ({"test": "KR", "method": "DL"}, "REML"),
        ({"test": "exact", "weights": "equal"}, "leave weights= out"),
        ({"test": "exact", "prediction": "fitted"}, 'prediction="HTS"'),
        ({"test": "exakt"}, "exact"),
    ],
)
def test_what_a_test_cannot_do_is_refused_in_words(given: dict, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.random_effects(**({"y": Y, "v": V} | given))


def test_what_leans_on_a_standard_error_says_that_it_takes_hartung_and_knapps() -> None:
    fit = vf.random_effects(y=Y, v=V, test="exact")
    with pytest.warns(vf.VfmetaWarning, match="Hartung and Knapp"):
        vf.influence(fit)


def test_what_is_recommended_is_what_the_rule_names() -> None:
    """The rule of benchmarks/mean_intervals.py, of the coverage that `make simulate` wrote."""
    found = pd.read_csv(Path(__file__).parent.parent / "reports" / "recommended.csv")
    first = found[found["grid"] == 1]
    held = first.groupby("test")["coverage"].agg(["min", "size"])
    whole = held[(held["min"] >= 0.94) & (held["size"] == 75)].index  # refused below six studies is not held in all
    base = first[first["test"] == "HKSJ"].set_index(["design", "i2", "k"])["width"]
    width = {name: (first[first["test"] == name].set_index(["design", "i2", "k"])["width"] / base).mean() for name in whole}
    assert min(width, key=lambda name: width[name]) == RECOMMENDED
