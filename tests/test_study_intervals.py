"""The interval of a single study: t, score, mid-P, F or chi-squared where it told enough; the same wherever it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

import vfmeta as vf
from vfmeta.effects.dependence import one_each
from vfmeta.effects.effect import Effect
from vfmeta.kernels.single_study import single_limits

COUNTS: dict[str, Any] = {"events1": [3, 12, 0], "n1": [20, 50, 30], "events2": [6, 10, 4], "n2": [22, 48, 31]}
MEANS: dict[str, Any] = {
    "mean1": [5.0, 4.0],
    "sd1": [2.0, 1.5],
    "n1": [10, 12],
    "mean2": [4.0, 4.5],
    "sd2": [2.5, 3.0],
    "n2": [9, 14],
}


def test_mean_differences_take_welchs_t() -> None:
    found = vf.study_intervals(vf.effect_size("MD", **MEANS))
    for i in range(2):
        m1, s1, n1, m2, s2, n2 = (MEANS[x][i] for x in ("mean1", "sd1", "n1", "mean2", "sd2", "n2"))
        welch = stats.ttest_ind_from_stats(m1, s1, n1, m2, s2, n2, equal_var=False)
        assert found["p_value"][i] == pytest.approx(welch.pvalue, rel=1e-9)
        half = stats.t.ppf(0.975, found["df"][i]) * np.sqrt(s1**2 / n1 + s2**2 / n2)
        assert found["ci_high"][i] == pytest.approx(m1 - m2 + half, rel=1e-9)
    assert set(found["method"]) == {"t"}
    pooled = vf.study_intervals(vf.effect_size("MD", **MEANS, vtype="HO"))
    assert pooled["df"].tolist() == [17, 24]
    wald = vf.study_intervals(vf.effect_size("MD", **MEANS), test="Wald")
    assert (wald["ci_high"] - wald["ci_low"]).to_numpy() == pytest.approx(2 * stats.norm.ppf(0.975) * wald["se"])
    assert set(wald["method"]) == {"Wald"}


@pytest.mark.parametrize(("measure", "compare"), [("RR", "ratio"), ("OR", "odds-ratio")])
def test_two_arms_of_counts_take_score_limits(measure: str, compare: str) -> None:
    found = vf.study_intervals(vf.effect_size(measure, **COUNTS))
    for i in range(2):
        a, n1, c, n2 = (x[i] for x in COUNTS.values())
        low, high = confint_proportions_2indep(a, n1, c, n2, method="score", compare=compare, correction=True)
        assert np.exp(found["ci_low"][i]) == pytest.approx(low, rel=1e-4)
        assert np.exp(found["ci_high"][i]) == pytest.approx(high, rel=1e-4)
    assert found["method"][2] == "Wald"  # an empty cell has no ratio


def test_risk_differences_are_as_newcombe_printed_them() -> None:
    """Newcombe 1998, Stat Med 17:873-890, table II, Miettinen and Nurminen (statsmodels 0.15.0: see its issue 10269)."""
    counts = {"events1": [56, 9, 6, 5], "n1": [70, 10, 7, 56], "events2": [48, 3, 2, 0], "n2": [80, 10, 7, 29]}
    found = vf.study_intervals(vf.effect_size("RD", **counts))
    printed = [(0.0528, 0.3382), (0.1700, 0.8406), (0.0342, 0.8534), (-0.0326, 0.1933)]
    assert found[["ci_low", "ci_high"]].to_numpy() == pytest.approx(np.array(printed), abs=5.1e-5)
    assert set(found["method"]) == {"score (Miettinen-Nurminen)"}


def test_limits_are_those_that_the_test_just_rejects() -> None:
    """A score limit moved to no difference: with 0 as limit the statistic there is the quantile."""
    table = vf.effect_size("RD", **COUNTS)
    found = vf.study_intervals(table)
    edge = vf.study_intervals(table, level=float(1 - found["p_value"][1]))
    assert min(abs(edge["ci_low"][1]), abs(edge["ci_high"][1])) == pytest.approx(0, abs=1e-7)


def test_proportions_and_rates_are_mid_p_exact() -> None:
    for code, read in (("PAS", lambda x: np.sin(x) ** 2), ("PLO", lambda x: 1 / (1 + np.exp(-x))), ("PR", lambda x: x)):
        found = vf.study_intervals(vf.effect_size(code, events=[3], n=[20]))
        low, high = read(found["ci_low"][0]), read(found["ci_high"][0])
        assert stats.binom.sf(3, 20, low) + stats.binom.pmf(3, 20, low) / 2 == pytest.approx(0.025, rel=1e-6)
        assert stats.binom.cdf(2, 20, high) + stats.binom.pmf(3, 20, high) / 2 == pytest.approx(0.025, rel=1e-6)
        assert np.isnan(found["p_value"][0])
    found = vf.study_intervals(vf.effect_size("IRS", events=[3], time=[20.0]))
    low = 20 * found["ci_low"][0] ** 2
    assert stats.poisson.sf(3, low) + stats.poisson.pmf(3, low) / 2 == pytest.approx(0.025, rel=1e-6)
    found = vf.study_intervals(vf.effect_size("IRR", events1=[4], time1=[30.0], events2=[9], time2=[40.0]))
    share = 1 / (1 + np.exp(-found["ci_high"][0]) * 40 / 30)
    assert stats.binom.cdf(3, 13, share) + stats.binom.pmf(4, 13, share) / 2 == pytest.approx(0.025, rel=1e-6)


def test_sds_and_correlations_have_their_own_distributions() -> None:
    found = vf.study_intervals(vf.effect_size("VR", sd1=[2.0], n1=[10], sd2=[3.0], n2=[12]))
    low, high = 4 / 9 / stats.f.ppf([0.975, 0.025], 9, 11)
    assert np.exp(2 * found[["ci_low", "ci_high"]].to_numpy()[0]) == pytest.approx([low, high], rel=1e-9)
    assert found["p_value"][0] == pytest.approx(2 * stats.f.cdf(4 / 9, 9, 11), rel=1e-6)
    found = vf.study_intervals(vf.effect_size("SDLN", sd=[2.0], n=[10]))
    assert np.exp(2 * found["ci_high"][0]) == pytest.approx(9 * 4 / stats.chi2.ppf(0.025, 9), rel=1e-9)
    found = vf.study_intervals(vf.effect_size("COR", r=[0.5], n=[12]))
    own = stats.pearsonr  # Fisher's interval as scipy has it, of data with that correlation
    x = np.arange(12.0)
    z = np.random.default_rng(1).normal(size=12)
    x, z = (x - x.mean()) / x.std(), z - z.mean()
    z = z - x * (x @ z) / (x @ x)
    interval = own(x, 0.5 * x + np.sqrt(0.75) * z / z.std()).confidence_interval()
    assert found[["ci_low", "ci_high"]].to_numpy()[0] == pytest.approx(list(interval), rel=1e-9)


def test_a_pool_a_trial_alone_and_its_file_show_the_same_limits() -> None:
    table = vf.effect_size("RR", **COUNTS)
    own = vf.study_intervals(table)
    for fit in (vf.random_effects(table), vf.mantel_haenszel("RR", **COUNTS), vf.beta_binomial("RR", **COUNTS)):
        assert fit.studies["ci_low"].to_numpy() == pytest.approx(own["ci_low"].to_numpy())
        assert vf.read_result(fit.to_json()).studies["ci_high"].to_numpy() == pytest.approx(own["ci_high"].to_numpy())
    alone = vf.random_effects(vf.effect_size("MD", **{name: x[:1] for name, x in MEANS.items()}))
    assert alone.interval == pytest.approx(
        tuple(vf.study_intervals(vf.effect_size("MD", **MEANS)).loc[0, ["ci_low", "ci_high"]])
    )
    assert "with its t interval" in str(alone)


def test_what_is_no_longer_the_count_of_a_study_keeps_the_normal_limits() -> None:
    """Comparisons that share patients combined, and Peto's one-step estimates."""
    made = {"events1": 3.0, "n1": 20.0, "events2": 6.0, "n2": 22.0}
    two = tuple(
        Effect(study_id="a", label="a", y=-0.1 * i, v=0.02, arms=(f"x{i}", "c"), n=(20, 22), events=(3, 6), made=made)
        for i in (1, 2)
    )
    (one,) = one_each(two, np.array([[0.02, 0.01], [0.01, 0.02]]))
    assert one.made == {}
    fit = vf.peto(**{name: x[:2] for name, x in COUNTS.items()})
    half = stats.norm.ppf(0.975) * np.sqrt(fit.v)
    assert fit.studies["ci_high"].to_numpy() == pytest.approx(fit.y + half)


def test_a_sheet_of_counts_has_the_same_limits() -> None:
    sheet = {"study": ["A", "B"], **{name: x[:2] for name, x in COUNTS.items()}}
    table = vf.read(pd.DataFrame(sheet), measure="RD")
    own = vf.study_intervals(vf.effect_size("RD", **{name: x[:2] for name, x in COUNTS.items()}))
    assert vf.study_intervals(table)["ci_low"].to_numpy() == pytest.approx(own["ci_low"].to_numpy())


CELLS = [("PAS", 0.05, 20), ("PHI", 0.05, 20), ("RR", 0.2, 30), ("OR", 0.2, 30), ("RD", 0.05, 20), ("AS", 0.05, 20)]


@pytest.mark.slow
@pytest.mark.parametrize(("measure", "risk", "n"), CELLS)
def test_limits_of_single_studies_hold(measure: str, risk: float, n: int) -> None:
    rng, draws = np.random.default_rng(1), 5000
    x, y = (rng.binomial(n, risk, draws).astype(float) for _ in range(2))
    size = np.full(draws, float(n))
    one = measure == "PAS"
    columns = {"events": x, "n": size} if one else {"events1": x, "n1": size, "events2": y, "n2": size}
    truth = np.arcsin(np.sqrt(risk)) if one else 0.0
    nothing = np.zeros(draws)
    with np.errstate(all="ignore"):
        limits, how = single_limits(measure, columns, nothing, nothing, 0.95, None if one else 0.0)
    of = how != "Wald"
    covered = ((limits.low <= truth) & (truth <= limits.high))[of].mean()
    assert covered > 0.95 - 0.015 - 3 * np.sqrt(0.05 * 0.95 / draws)
