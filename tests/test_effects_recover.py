"""An SD or SE from what was printed: published formulas written out by hand, and what simulation says of them."""

from __future__ import annotations

import math
import subprocess
import sys
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta.convert import printed as recover

PHI = NormalDist().inv_cdf


def test_standard_error_from_interval_normal_and_t() -> None:
    assert recover.se_from_ci(-1.96, 1.96) == pytest.approx(1.96 / 1.959963985, rel=1e-9)
    assert recover.se_from_ci(1, 5, 0.90) == pytest.approx(2 / 1.644853627, rel=1e-9)
    assert recover.se_from_ci(0, 4.12, 0.95, df=25) == pytest.approx(1.0, rel=1e-3)  # t tables: 2.060 on 25 df


def test_sd_from_the_handbook_examples() -> None:
    # Cochrane Handbook 6.5.2.2: n 25, 95% CI 30.0 to 34.2: SD = sqrt(25) * 4.2 / 4.128 = 5.09 with t 24 df = 2.064
    assert recover.sd_from_ci(30.0, 34.2, 25) == pytest.approx(5.09, abs=0.005)
    # 6.5.2.3: MD 3.8, p = 0.008 with 25 and 22 patients: t = 2.78 on 45 df, SE = 1.37
    assert recover.se_from_p(3.8, 0.008, df=45) == pytest.approx(3.8 / 2.78, rel=2e-3)
    assert recover.se_from_p(-3.8, 0.008, df=45) > 0
    assert recover.se_from_t(-3.8, 2.78) == pytest.approx(1.367, abs=5e-4)
    assert recover.sd_from_se(0.5, 16) == pytest.approx(2.0)


def test_se_from_p_on_the_normal_scale() -> None:
    assert recover.se_from_p(0.7, 0.05) == pytest.approx(0.7 / 1.959963985, rel=1e-9)


def test_quartiles_after_wan_and_luo() -> None:
    q1, m, q3, n = 3.0, 5.0, 9.0, 45
    mean, sd = recover.from_quartiles(m, q1, q3, n)
    assert mean == pytest.approx((0.7 + 0.39 / 45) * 6.0 + (0.3 - 0.39 / 45) * 5.0, rel=1e-12)
    assert sd == pytest.approx(6.0 / (2 * PHI((0.75 * 45 - 0.125) / 45.25)), rel=1e-9)
    assert recover.sd_from_quartiles(q1, q3, n) == sd


def test_range_after_wan_and_luo() -> None:
    a, m, b, n = 1.0, 4.0, 9.0, 30
    mean, sd = recover.from_range(m, a, b, n)
    w = 4 / (4 + 30**0.75)
    assert mean == pytest.approx(w * 5.0 + (1 - w) * 4.0, rel=1e-12)
    assert sd == pytest.approx(8.0 / (2 * PHI((30 - 0.375) / 30.25)), rel=1e-9)


def test_five_numbers_after_shi_and_luo() -> None:
    a, q1, m, q3, b, n = 1.0, 3.0, 4.0, 6.0, 10.0, 60
    mean, sd = recover.from_five_numbers(m, q1, q3, a, b, n)
    w1, w2 = 2.2 / (2.2 + 60**0.75), 0.7 - 0.72 / 60**0.55
    assert mean == pytest.approx(w1 * 5.5 + w2 * 4.5 + (1 - w1 - w2) * 4.0, rel=1e-12)
    # Shi et al. 2020: the range and the interquartile range over theta1 and theta2
    theta1 = (2 + 0.14 * 60**0.6) * PHI((60 - 0.375) / 60.25)
    theta2 = (2 + 2 / (0.07 * 60**0.6)) * PHI((0.75 * 60 - 0.125) / 60.25)
    assert sd == pytest.approx(9 / theta1 + 3 / theta2, rel=1e-9)
    by_quantiles = vf.convert.mean_sd_from_quantiles(
        n=[n], minimum=[a], q1=[q1], median=[m], q3=[q3], maximum=[b], skew_test=False
    )
    assert (mean, sd) == pytest.approx((by_quantiles[0][0], by_quantiles[1][0]), rel=1e-12)  # one home, one value
    assert recover.sd_from_quartiles_and_range(q1, q3, a, b, n) == sd


@pytest.mark.parametrize("n", [15, 80])
def test_summaries_of_normal_samples_give_back_mean_and_sd(n: int) -> None:
    rng = np.random.default_rng(20)
    x = np.sort(rng.normal(50, 12, size=(4000, n)), axis=1)
    q1, m, q3 = np.quantile(x, [0.25, 0.5, 0.75], axis=1)
    low, high = x[:, 0], x[:, -1]
    for mean, sd in (
        recover.from_quartiles(m, q1, q3, n),
        recover.from_range(m, low, high, n),
        recover.from_five_numbers(m, q1, q3, low, high, n),
    ):
        assert mean.mean() == pytest.approx(50, abs=0.3)
        assert sd.mean() == pytest.approx(12, rel=0.04)


def test_change_sd_is_that_of_simulated_changes() -> None:
    rng = np.random.default_rng(4)
    before, after = rng.multivariate_normal([7, 4], [[4.0, 0.6 * 2 * 3], [0.6 * 2 * 3, 9.0]], size=200_000).T
    assert recover.change_sd(2, 3, 0.6) == pytest.approx((after - before).std(), rel=0.01)
    assert recover.change_sd(2, 3, 0.6) == pytest.approx(math.sqrt(4 + 9 - 7.2))
    # Cochrane Handbook 6.5.2.8: experimental baseline SD 4.0, final 4.4, correlation 0.78
    assert recover.change_sd(4.0, 4.4, 0.78) == pytest.approx(2.81, abs=0.02)


def test_combined_arms_are_the_arms_poured_together() -> None:
    rng = np.random.default_rng(9)
    arms = [rng.normal(m, s, n) for m, s, n in ((5, 2, 12), (6, 1, 30), (9, 3, 7))]
    n, mean, sd = vf.convert.combine_groups([len(a) for a in arms], [a.mean() for a in arms], [a.std(ddof=1) for a in arms])
    whole = np.concatenate(arms)
    assert (n, mean, sd) == pytest.approx((49, whole.mean(), whole.std(ddof=1)))


def test_critical_value_follows_the_level() -> None:
    assert recover.critical(0.99) == pytest.approx(2.575829304)
    assert recover.critical(0.95, 5) == pytest.approx(stats.t(5).isf(0.025))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: recover.se_from_ci(2, 1), "lower limit"),
        (lambda: recover.se_from_ci(1, 1), "lower limit"),
        (lambda: recover.se_from_ci(math.nan, 1), "row 1, low: the value is missing"),
        (lambda: recover.se_from_ci([1, 2, 3], [4, 5]), "low has 3, high has 2"),
        (lambda: recover.se_from_p(0.5, 1e-300, 3), "no test statistic"),
        (lambda: recover.se_from_p(math.nan, 0.5), "row 1, estimate: the value is missing"),
        (lambda: recover.se_from_ci(0, 1, 95), "0.95"),
        (lambda: recover.sd_from_se(0, 10), "greater than 0"),
        (lambda: recover.sd_from_se(1, 0), "at least 1"),
        (lambda: recover.sd_from_ci(0, 1, 1), "at least 2"),
        (lambda: recover.se_from_p(1, 0), "0 < p < 1"),
        (lambda: recover.se_from_p(1, 1), "0 < p < 1"),
        (lambda: recover.se_from_p(0, 0.5), "not 0"),
        (lambda: recover.se_from_t(1, 0), "neither is 0"),
        (lambda: recover.se_from_t(1, math.inf), "row 1, t: the value is infinite"),
        (lambda: recover.from_quartiles(5, 6, 9, 20), "ascending"),
        (lambda: recover.from_range(5, 5, 5, 20), "the same"),
        (lambda: recover.from_five_numbers(5, 4, 6, 4.5, 9, 20), "ascending"),
        (lambda: recover.from_quartiles(5, 4, 6, 1), "at least 2"),
        (lambda: recover.change_sd(1, 1, 1.2), "between -1 and 1"),
        (lambda: recover.change_sd(0, 1, 0.5), "greater than 0"),
        (lambda: vf.convert.combine_groups([10, 10], [1, 2], [1]), "one value per group"),
        (lambda: vf.convert.combine_groups([10, 10], [1, 2], [1, -1]), "cannot be negative"),
    ],
)
def test_impossible_input_is_refused_with_the_reason(call: object, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        call()  # type: ignore[operator]


def test_effects_load_no_statistics_library() -> None:
    """It takes a second that special functions do not."""
    code = "import sys, vfmeta; vfmeta.compare, vfmeta.effect_size, vfmeta.EffectTable; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
