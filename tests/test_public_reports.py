"""What users of other programs reported in public, tried here: one function a case, its source in the docstring.

Expected values come from closed forms or scipy; inputs are made up or are the counts of the public thread.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logit

import vfmeta as vf

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")

PROPORTIONS = pd.DataFrame({"x": [12, 20, 9, 30], "n": [60, 90, 50, 140]})
RATES = pd.DataFrame({"x": [12, 20, 9], "t": [60.0, 90.0, 50.0]})
RISK = vf.Question(measure="RR", experimental="drug", control="placebo", outcome="death", higher_is_worse=True)
RATIOS = pd.DataFrame({
    "y": [0.30, 0.40, 0.35, 0.38, 0.25, 0.5], "v": [0.01, 0.02, 0.015, 0.01, 0.02, 0.03], "g": list("aabbcc"),
    "s": list("AABBCC"), "es": range(6),
})  # fmt: skip


@pytest.mark.parametrize(
    ("measure", "null"),
    [("PLO", logit(0.2)), ("PAS", math.asin(math.sqrt(0.2))), ("IRS", math.sqrt(0.2)), ("PLN", math.log(0.2)), ("PR", 0.2),
     ("IRLN", math.log(0.2)), ("IR", 0.2)],
)  # fmt: skip
def test_the_null_of_a_proportion_or_rate_is_a_proportion_or_rate(measure: str, null: float) -> None:
    """guido-s/meta #102, #103: no_difference=0.2 was tested as 0.2 on the logit, arcsine or root scale."""
    columns = {"events": "x", "time": "t"} if measure.startswith("IR") else {"events": "x", "n": "n"}
    data = RATES if measure.startswith("IR") else PROPORTIONS
    table = vf.effect_size(measure, data=data, question=vf.Question(measure=measure, no_difference=0.2), **columns)
    y, v = table.y, table.v
    mean, se = (y / v).sum() / (1 / v).sum(), (1 / v).sum() ** -0.5
    assert vf.common_effect(table).p_value == pytest.approx(2 * stats.norm.sf(abs((mean - null) / se)), rel=1e-9)


def test_the_side_that_a_proportion_favours() -> None:
    """Neighbour of guido-s/meta #102: 30 to 33% responders against a benchmark of 20%, more is better."""
    q = vf.Question(measure="PLO", no_difference=0.2, higher_is_worse=False, experimental="drug", control="benchmark")
    table = vf.effect_size("PLO", data=pd.DataFrame({"x": [30, 40, 35], "n": [100, 120, 110]}), events="x", n="n", question=q)
    fit = vf.random_effects(table)
    assert fit.favours == "drug"
    assert "favours drug" in str(fit)


@pytest.mark.parametrize(
    ("measure", "value"), [("PLO", 1.5), ("PLO", 0.0), ("RR", -1.0), ("ZCOR", 1.0), ("CLES", 1.2), ("IR", -1)]
)
def test_a_null_outside_the_domain_is_refused(measure: str, value: float) -> None:
    """guido-s/meta #103: null.effect outside what the measure can be."""
    with pytest.raises(vf.InputError, match=f"no_difference={value}"):
        vf.Question(measure=measure, no_difference=value)


def test_root_rates_come_back_with_their_person_time() -> None:
    """Package metafor, transf.iirft: 0 in 10, 3 in 100 and 5 in 50 person-years come back as 0, 0.03 and 0.10."""
    data = pd.DataFrame({"x": [0, 3, 5], "t": [10.0, 100.0, 50.0]})
    table = vf.effect_size("IRFT", data=data, events="x", time="t")
    assert vf.convert.back_transform("IRFT", table.y, n=data.t) == pytest.approx([0, 0.03, 0.1], abs=1e-12)
    with pytest.raises(vf.InputError, match="person-time"):
        vf.convert.back_transform("IRFT", table.y)


def _log_named_or_ratio(text: str, log_value: float) -> bool:
    return f"{math.exp(log_value):.2f}" in text or "log RR" in text.split("log likelihood")[0]


def _regressions() -> dict[str, Any]:
    d = RATIOS
    multi = vf.multivariate(y=d.y, v=d.v, data=d, random="1 | s/es", question=RISK)
    slope = vf.meta_regression(y=d.y, v=d.v, data=d, formula="~ es", question=RISK)
    return {
        "subgroups": vf.subgroups(y=d.y, v=d.v, by=d.g, question=RISK),
        "common tau2": vf.subgroups(y=d.y, v=d.v, by=d.g, question=RISK, common_tau2=True),
        "multivariate": multi, "robust": vf.robust(multi, cluster=d.s), "regression": slope,
        "location-scale": vf.location_scale(y=d.y, v=d.v / 20, data=d, formula="~ es", scale="~ 1", question=RISK),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["subgroups", "common tau2", "multivariate", "robust", "regression", "location-scale"])
def test_what_prints_a_risk_ratio_prints_a_ratio(name: str) -> None:
    """jasp-stats/jasp-issues #2371, #1356, guido-s/meta #106: the log of a ratio printed without a word."""
    fit = _regressions()[name]
    text = str(fit)
    assert any(f"{math.exp(fit.estimate[0]):.{digits}g}" in text for digits in (3, 4))
    assert "RR" in text


def test_a_slope_of_a_risk_ratio_is_told_as_a_ratio_per_unit() -> None:
    """jasp-stats/jasp-issues #2371: exp of a slope is how many times the ratio grows with each unit."""
    fit = _regressions()["regression"]
    read = fit.to_frame(on="read")
    assert read["estimate"].tolist() == pytest.approx(np.exp(fit.estimate))
    assert "ratios of RR per unit" in str(fit)
    assert fit.to_frame()["scale"].tolist() == ["log RR", "log RR"]


@pytest.mark.parametrize("measure", ["PFT", "PLO", "PAS", "PLN", "PR"])
def test_proportions_are_printed_as_proportions(measure: str) -> None:
    """jasp-stats/jasp-issues #3302, #3171: 3/11, 6/17, 10/21 and 1/6 make about 0.37, printed as 0.655 (double arcsine)."""
    table = vf.effect_size(measure, data=pd.DataFrame({"x": [3, 6, 10, 1], "n": [11, 17, 21, 6]}), events="x", n="n")
    fit = vf.common_effect(table)
    shown = float(str(fit).split("estimate")[1].split()[0])
    assert 0.3 < shown < 0.45
    assert shown == pytest.approx(fit.to_frame(on="read")["estimate"][0], rel=5e-3)
    row = str(table).splitlines()[1]
    assert "row 1: 0.273 " in row  # 3 of 11, each study with its own size
    wide = vf.common_effect(vf.effect_size(measure, data={"x": [1, 0], "n": [6, 5]}, events="x", n="n", zero=None))
    low, high = wide.to_frame(on="read").loc[0, ["ci_low", "ci_high"]]
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("mid", [0.8, 1.25])
@pytest.mark.parametrize("higher_is_worse", [True, False])
def test_an_important_ratio_is_a_ratio(mid: float, higher_is_worse: bool) -> None:
    """Neighbour of jasp-stats/jasp-issues #2371: 'benefit beyond 0.8' was taken on the log scale, as a ratio of 0.45 or 2.2."""
    q = vf.Question(measure="RR", higher_is_worse=higher_is_worse, mid=mid)
    flat = {"tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Flat()}
    post = vf.bayes.random_effects(y=[-0.5, -0.4, -0.6], v=[0.02] * 3, question=q, **flat)
    exact = vf.bayes.posterior(y=[-0.5, -0.4, -0.6], v=[0.02] * 3, **flat)
    below, above = float(exact.mu.cdf(math.log(0.8))), 1 - float(exact.mu.cdf(math.log(1.25)))
    good, bad = (below, above) if higher_is_worse else (above, below)
    assert (post.p_benefit_mid, post.p_harm_mid) == (pytest.approx(good, abs=1e-9), pytest.approx(bad, abs=1e-9))
    said = "a risk ratio of " + ("0.8" if higher_is_worse else "1.25")
    assert f"of a benefit beyond {said}: {good:.3f}" in str(post)
    assert f"of a benefit beyond {said} (the minimal important difference)" in post.summary()


def test_one_group_has_no_difference_to_speak_of() -> None:
    """Found beside guido-s/meta #102: what is measured in one group has no 'no difference' and no control."""
    table = vf.effect_size("PLO", data=pd.DataFrame({"x": [12, 20, 9], "n": [60, 90, 50]}), events="x", n="n")
    post = vf.bayes.random_effects(table, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 2))
    fit = vf.random_effects(table)
    for text in (post.summary(), str(post), str(fit), str(table), vf.plots.alt_text(fit)):
        assert "o difference" not in text.replace("No value means no difference", "")
        assert "control" not in text
    assert math.isnan(fit.p_value)
    assert fit.to_frame()["p_value"].isna().all()


def test_an_effect_table_does_not_mix_scales() -> None:
    """Found beside jasp-stats/jasp-issues #2371: the odds ratio 1.71 printed with the standard error of its log, unnamed."""
    data = pd.DataFrame({"a": [30], "n": [100], "c": [20], "m": [100]})
    table = vf.effect_size("OR", data=data, events1="a", n1="n", events2="c", n2="m")
    assert "1.71 (se of log OR 0.332)" in str(table).splitlines()[1]
