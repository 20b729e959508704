"""What the print of a fit shows beside its numbers: the ad hoc interval, the domain, what was not tested, unequal sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")


def test_a_regression_and_groups_show_the_ad_hoc_interval_where_q_is_below_1() -> None:
    """Estimate and t times sqrt(1 / sum w) with the common effect (tau2 is 0), q below 1."""
    y, v, group = np.array([0.31, 0.28, 0.35, 0.30, 0.26, 0.3]), np.array([0.02, 0.05, 0.03, 0.04, 0.06, 0.02]), list("aaabbb")
    question = vf.Question(measure="RR")
    fit = vf.meta_regression(y=y, v=v, x=np.ones((6, 1)), names=["Intercept"], question=question)
    mean, se = (y / v).sum() / (1 / v).sum(), (1 / v).sum() ** -0.5
    wide = mean + np.array([-1, 1]) * stats.t.ppf(0.975, 5) * se
    assert fit.tau2 == 0
    assert fit.adhoc_interval is not None
    assert fit.adhoc_interval[0] == pytest.approx(wide)
    assert f"{math.exp(wide[0]):.3g} to {math.exp(wide[1]):.3g}" in str(fit)
    groups = vf.subgroups(y=y, v=v, by=group, question=question)
    mean, se = (y / v)[:3].sum() / (1 / v)[:3].sum(), (1 / v)[:3].sum() ** -0.5
    wide = np.exp(mean + np.array([-1, 1]) * stats.t.ppf(0.975, 2) * se)
    assert f"ad hoc HK  a {wide[0]:.3g} to {wide[1]:.3g}, b " in str(groups)
    common = vf.subgroups(y=y, v=v, by=group, question=question, common_tau2=True)
    wide = np.exp(mean + np.array([-1, 1]) * stats.t.ppf(0.975, 4) * se)
    assert f"ad hoc HK  a {wide[0]:.3g} to {wide[1]:.3g}, b " in str(common)
    net = vf.network(y=[0.1, 0.2, 0.12], se=[0.1] * 3, study=list("123"), treat1=list("BCC"), treat2=list("AAB"))
    assert "ad hoc HK" in str(net)
    assert "ad hoc" not in str(vf.meta_regression(y=y, v=v, x=np.ones((6, 1)), test="HKSJ-adhoc")).split("note")[0]


@pytest.mark.parametrize("measure", ["PR", "CLES"])
def test_mean_effects_of_a_regression_stay_in_the_domain(measure: str) -> None:
    data = {"events": [9, 10, 5, 10], "n": [10, 10, 10, 10], "g": list("aabb")}
    table = vf.effect_size("PR", data=data, events="events", n="n")
    fit = vf.meta_regression(table, "~ 0 + g", question=vf.Question(measure=measure))
    assert fit.interval.max() > 1
    for text in (str(fit), str(vf.subgroups(table, "g", question=vf.Question(measure=measure)))):
        assert " 1 " in text.replace("\n", " ")
    assert f"to {fit.interval.max():.3g}" not in str(fit)


def test_a_pool_of_very_unequal_sizes_says_so_in_every_engine() -> None:
    """The mean of -0.01 on the double arcsine of 15 is none, of 400,000 it is something; no engine passes over it."""
    data = {"x": [3, 25, 2, 60], "n": [20, 90000, 15, 400000], "one": [1.0] * 4}
    table = vf.effect_size("PFT", data=data, events="x", n="n")
    prior = {"tau": vf.priors.HalfNormal(0.3), "mu": vf.priors.Normal(0.3, 1)}
    for fit in (
        vf.random_effects(table), vf.bayes.random_effects(table, **prior), vf.multivariate(table, random="1 | study"),
        vf.meta_regression(table, x=np.ones((4, 1)), names=["Intercept"]),
    ):  # fmt: skip
        assert any("The sizes are very unequal" in note and "vf.glmm" in note for note in fit.warnings)
    even = vf.effect_size("PFT", data={"x": [3, 2, 4], "n": [20, 30, 25]}, events="x", n="n")
    assert not any("unequal" in note for note in vf.random_effects(even).warnings)


def test_no_events_turn_back_to_nought_exactly() -> None:
    table = vf.effect_size("IRFT", data={"x": [0, 3], "t": [7.0, 30.0]}, events="x", time="t")
    assert vf.convert.back_transform("IRFT", table.y, n=[7, 30])[0] == 0


def test_a_table_as_people_read_it_says_why_it_has_no_standard_errors() -> None:
    fit = vf.random_effects(y=[0.1, 0.3, 0.6], v=[0.02, 0.03, 0.01], question=vf.Question(measure="RR"))
    for frame in (vf.leave_one_out(fit, on="read"), fit.to_frame(on="read"), vf.cumulative(fit, on="read")):
        assert frame.se.isna().all()
        assert any(note.startswith("se is empty") for note in frame.attrs["notes"])
