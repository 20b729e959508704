"""The study of partial reports (`make simulate`): what it draws, what it compares with, and the calibration it rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks import partial_reports
from scipy import stats

import vfmeta as vf


def test_imputation_with_every_figure_printed_is_the_pool() -> None:
    y, v = np.array([-0.8, -0.4, -1.1, 0.1]), np.array([0.09, 0.04, 0.16, 0.12])
    fit = vf.random_effects(y=y, v=v, test="Wald")
    estimate, se = partial_reports.imputed(y, v, np.ones(4, dtype=bool), np.random.default_rng(1))
    assert (estimate, se) == pytest.approx((fit.estimate, fit.se), rel=1e-12)


def test_imputed_effects_lie_within_the_limits_of_significance(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[pd.DataFrame] = []
    pools = vf.random_effects_many
    monkeypatch.setattr(vf, "random_effects_many", lambda frame, **more: seen.append(frame) or pools(frame, **more))
    y, v = np.array([-0.9, -0.8, np.nan, np.nan]), np.array([0.04, 0.04, 0.25, 0.16])
    partial_reports.imputed(y, v, ~np.isnan(y), np.random.default_rng(1))
    z = (seen[0]["y"] / np.sqrt(seen[0]["v"])).to_numpy().reshape(-1, 4)
    assert (np.abs(z[:, 2:]) < stats.norm.isf(0.025)).all()
    assert np.unique(z[:, 2]).size == len(z)


@pytest.mark.parametrize("says", partial_reports.SAYS)
def test_what_a_trial_prints_tells_all_outcomes_apart(says: str) -> None:
    """Each report is a region of the estimates, or the estimate itself, and the estimate lies in it."""
    for y in (-2.1, -0.7, -0.2, 0.2, 0.7, 2.1):
        row = partial_reports.SAYS[says](y, 0.4)
        z, way = y / 0.4, row.get("direction", 0)
        level = stats.norm.isf(row.get("p", 0.05) / 2)
        inside = {
            "significant": way * z > level, "p_bound": way * z > level, "not_significant": abs(z) < level and way * z >= 0,
            "direction": way * y > 0, "p_exact": way * z == pytest.approx(level), "estimate_only": row.get("y") == y,
        }  # fmt: skip
        assert inside[row["kind"]]


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_posterior_probabilities_of_the_truth_are_uniform(known: bool) -> None:
    """Talts et al. 2018, arXiv:1804.06788; three p values, of which one in a thousand runs would all but fail."""
    below = np.array([partial_reports.calibrated("each of these", known, seed) for seed in range(1000, 1150)])
    for u in below.T:
        assert stats.kstest(u, "uniform").pvalue > 0.0003
