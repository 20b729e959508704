"""Whether tables share one effect: the conditional score test of Mantel-Haenszel and Peto pools."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, gamma, nchypergeom_fisher

import vfmeta as vf
from vfmeta.kernels import tables
from vfmeta.kernels.homogeneity import score_test
from vfmeta.kernels.two_arms import constrained, score

SPARSE = {"events1": [1, 0, 3, 2], "n1": [40, 55, 38, 60], "events2": [4, 2, 0, 6], "n2": [41, 50, 40, 61]}
COLUMNS = [np.array(x, dtype=float) for x in SPARSE.values()]


def test_it_is_made_of_the_noncentral_hypergeometric_distribution() -> None:
    fit = vf.mantel_haenszel("OR", **SPARSE)
    a, n1, c, n2 = COLUMNS
    each = [nchypergeom_fisher(n1[i] + n2[i], n1[i], a[i] + c[i], np.exp(fit.estimate)) for i in range(4)]
    mean, v, kurtosis = (np.array([d.stats("mvk")[j] for d in each]) for j in range(3))
    x = ((a - mean) ** 2 / v).sum() - (a - mean).sum() ** 2 / v.sum()
    variance = 2 * 3 + kurtosis.sum() * (3 / 4) ** 2
    assert fit.homogeneity.statistic == pytest.approx(x, rel=1e-8)
    assert fit.homogeneity.df == 3
    assert fit.homogeneity.p_value == pytest.approx(gamma.sf(x, 9 / variance, scale=variance / 3), rel=1e-7)
    assert f"score χ² = {x:.2f} on 3 df" in str(fit)
    assert fit.homogeneity_i2 == pytest.approx(100 * max(0, (x - 3) / x))
    assert vf.read_result(fit.to_json()) == fit


def test_rates_are_binomial_given_their_events() -> None:
    a, t1, c, t2 = COLUMNS
    fit = vf.mantel_haenszel("IRR", events1=a, time1=t1, events2=c, time2=t2)
    share = np.exp(fit.estimate) * t1 / (np.exp(fit.estimate) * t1 + t2)
    mean, v = binom.stats(a + c, share)
    x = ((a - mean) ** 2 / v).sum() - (a - mean).sum() ** 2 / v.sum()
    assert fit.homogeneity.statistic == pytest.approx(x, rel=1e-10)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD", "IRR", "IRD"])
def test_of_large_tables_it_is_cochrans_q(measure: str) -> None:
    cells = [np.array(x, dtype=float) * 2000 for x in ([20, 31, 25], [100, 150, 130], [30, 44, 40], [100, 160, 131])]
    names = ("events1", "time1", "events2", "time2") if measure[0] == "I" else ("events1", "n1", "events2", "n2")
    fit = vf.mantel_haenszel(measure, **dict(zip(names, cells, strict=True)))
    assert fit.homogeneity.statistic == pytest.approx(fit.q.statistic, rel=0.05)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD", "IRR", "IRD"])
def test_arms_alike_under_a_contrast_are_the_likeliest(measure: str) -> None:
    """No other pair of risks with the contrast has a higher likelihood; under the estimate they are the observed ones."""
    a, n1, c, n2 = (np.array([x]) for x in (7.0, 40.0, 15.0, 50.0))
    rates = measure[0] == "I"

    def likelihood(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        if rates:
            return a * np.log(one) - n1 * one + c * np.log(two) - n2 * two
        return a * np.log(one) + (n1 - a) * np.log1p(-one) + c * np.log(two) + (n2 - c) * np.log1p(-two)

    def partner(two: np.ndarray, theta: float) -> np.ndarray:
        if measure == "OR":
            odds = np.exp(theta) * two / (1 - two)
            return odds / (1 + odds)
        return two * np.exp(theta) if measure in ("RR", "IRR") else two + theta

    for theta in (-0.15, 0.05, 0.2):
        one, two = constrained(measure, np.array([theta]), a, n1, c, n2)
        assert one == pytest.approx(partner(two, theta), rel=1e-10)
        others = np.linspace(0.16, 0.6, 441)
        assert likelihood(one, two) >= likelihood(partner(others, theta), others).max() - 1e-9
    at = {"OR": np.log(7 / 33 / (15 / 35)), "RR": np.log(7 / 40 / (15 / 50)), "IRR": np.log(7 / 40 / (15 / 50))}
    assert score(measure, np.array([at.get(measure, 7 / 40 - 15 / 50)]), a, n1, c, n2) == pytest.approx([0.0], abs=1e-8)


def test_one_informative_table_is_not_tested() -> None:
    fit = vf.mantel_haenszel("RD", events1=[4, 0], n1=[40, 30], events2=[9, 0], n2=[41, 30])
    assert fit.homogeneity is None
    assert "Q = " in str(fit)
    assert vf.peto(events1=[4, 6], n1=[40, 55], events2=[9, 8], n2=[41, 50]).homogeneity.df == 1


def test_with_hardly_an_event_it_says_that_it_is_cautious() -> None:
    rare = {"events1": [1, 0, 1, 0, 0], "n1": [90] * 5, "events2": [0, 1, 0, 1, 0], "n2": [90] * 5}
    assert "cautious, rejects 2 to 4% at 5% with 4 events in 5 studies" in str(vf.mantel_haenszel("OR", **rare))


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["OR", "RR", "RD", "IRR", "IRD"])
def test_level_at_a_risk_of_two_percent(measure: str) -> None:
    rng, draws, k = np.random.default_rng(1), 2000, 10
    n1, n2 = (rng.integers(30, 150, (draws, k)).astype(float) for _ in range(2))
    a, c = (rng.binomial(n.astype(int), 0.02).astype(float) for n in (n1, n2))
    pool = {"OR": tables.odds_ratio, "RR": tables.risk_ratio, "RD": tables.risk_difference, "IRR": tables.rate_ratio,
            "IRD": tables.rate_difference}[measure](a, n1, c, n2)  # fmt: skip
    p = score_test(measure, pool.estimate, a, n1, c, n2).p_value
    level = (p[np.isfinite(p)] < 0.05).mean()
    assert abs(level - 0.045) < 0.015 + 3 * np.sqrt(0.05 * 0.95 / draws)
