"""Combined p values and the test of directions, against scipy, closed forms and exact sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vfmeta.kernels import p_values as kernel

P = [np.array(x) for x in ([0.011, 0.2, 0.04, 0.31, 0.07], [0.03, 0.6], [0.037], [0.9, 0.99, 0.7, 0.95])]


@pytest.mark.parametrize("p", P)
def test_fisher_and_stouffer_are_those_of_scipy(p: np.ndarray) -> None:
    statistic, df, log_p = kernel.fisher(p)
    want = stats.combine_pvalues(p, "fisher")
    assert (statistic, df, math.exp(log_p)) == pytest.approx((want.statistic, 2 * len(p), want.pvalue), rel=1e-12)
    weights = np.arange(1.0, len(p) + 1)
    z, _, log_p = kernel.stouffer(p, weights)
    want = stats.combine_pvalues(p, "stouffer", weights=weights)
    assert (z, math.exp(log_p)) == pytest.approx((want.statistic, want.pvalue), rel=1e-12)


def test_tails_beyond_the_smallest_number_keep_their_logarithm() -> None:
    p = np.full(3, 1e-200)
    x = 600 * math.log(10)
    assert kernel.fisher(p)[2] == pytest.approx(-x + math.log(1 + x + x * x / 2), rel=1e-14)
    assert kernel.edgington(p)[2] == pytest.approx(3 * math.log(3e-200) - math.log(6), rel=1e-14)
    assert kernel.truncated_product(p, 1.0)[2] == pytest.approx(kernel.fisher(p)[2], rel=1e-14)
    assert kernel.stouffer(p, np.ones(3))[2] == pytest.approx(
        stats.norm.logsf(math.sqrt(3) * stats.norm.isf(1e-200)), rel=1e-12
    )


def test_edgington_of_two_is_the_area_of_a_triangle() -> None:
    assert math.exp(kernel.edgington(np.array([0.03, 0.6]))[2]) == pytest.approx(0.63**2 / 2, rel=1e-14)
    assert math.exp(kernel.edgington(np.array([0.8, 0.9]))[2]) == pytest.approx(1 - 0.3**2 / 2, rel=1e-14)


def test_truncated_product_of_two_is_its_two_terms() -> None:
    # one below the cut and one above it, or both below: 2 (1 - t) w + t^2, where w lies above t^2
    statistic, _, log_p = kernel.truncated_product(np.array([0.03, 0.6]), 0.05)
    assert (statistic, math.exp(log_p)) == pytest.approx((0.03, 2 * 0.95 * 0.03 + 0.05**2), rel=1e-14)
    assert kernel.truncated_product(np.array([0.3, 0.6]), 0.05)[::2] == (1.0, 0.0)


@pytest.mark.parametrize(("x", "n"), [(4, 5), (1, 2), (1, 1), (0, 7), (30, 40)])
def test_directions_are_tested_as_in_scipy(x: int, n: int) -> None:
    want = stats.binomtest(x, n, alternative="greater").pvalue, stats.binomtest(x, n).pvalue
    assert kernel.sign_test(x, n) == pytest.approx(want, rel=1e-12)
    for own, method in ((kernel.clopper_pearson, "exact"), (kernel.wilson, "wilson")):
        assert own(x, n, 0.95) == pytest.approx(tuple(stats.binomtest(x, n).proportion_ci(method=method)), rel=1e-10, abs=1e-14)
