"""What users of other programs reported in public, tried here: one function a case, its source in the docstring.

Expected values come from closed forms or scipy; inputs are made up or are the counts of the public thread.
"""

from __future__ import annotations

import math
from functools import partial
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


def _counts(rows: list[tuple[float, ...]]) -> dict[str, Any]:
    frame = pd.DataFrame(rows, columns=["a", "n", "c", "m"])
    return {"data": frame, "events1": "a", "n1": "n", "events2": "c", "n2": "m"}


def _means(*rows: tuple[float, ...], **kinds: Any) -> dict[str, Any]:
    names = ["mean1", "sd1", "n1", "mean2", "sd2", "n2"]
    return {"data": pd.DataFrame(rows, columns=names).astype(kinds), **{x: x for x in names}}


def test_advice_on_a_pooled_risk_difference_is_not_a_risk_difference() -> None:
    """Merck/metalite.ae #210, #252."""
    with pytest.raises(vf.InputError, match="RD cannot be pooled") as refused:
        vf.mantel_haenszel("RD", events1=[0, 0], n1=[10, 20], events2=[0, 0], n2=[10, 20])
    assert "(RD" not in str(refused.value)


def test_peto_with_parts_of_patients_and_a_double_zero() -> None:
    """wviechtb/metafor #56; values of R's rma.peto."""
    given = _counts([(3, 20, 6, 21), (5.5, 30, 9.5, 29), (0, 15, 0, 14), (12.25, 60, 10, 62.5)])
    one, two = vf.peto(**given), vf.common_effect(vf.effect_size("PETO", **given))
    for fit in (one, two):
        assert (fit.estimate, fit.se) == pytest.approx((-0.2345792262, 0.3291421923), rel=1e-8)


def test_variance_of_smdh_has_one_bias_factor() -> None:
    """wviechtb/metafor #65; Bonett 2009."""
    m1, s1, n1, m2, s2, n2 = 103.0, 5.5, 10, 100.0, 4.5, 12
    table = vf.effect_size("SMDH", **_means((m1, s1, n1, m2, s2, n2)))
    y, s = float(table.y[0]), math.sqrt((s1**2 + s2**2) / 2)
    want = y**2 * (s1**4 / (n1 - 1) + s2**4 / (n2 - 1)) / (8 * s**4) + (s1**2 / (n1 - 1) + s2**2 / (n2 - 1)) / s**2
    assert float(table.v[0]) == pytest.approx(want, rel=1e-9)


def test_mantel_haenszel_of_tiny_tables() -> None:
    """wviechtb/metafor #21: sum(a d / n) / sum(b c / n) = (0 + 1/4 + 1/4) / (1/2 + 1/4 + 1/4)."""
    fit = vf.mantel_haenszel("OR", events1=[0, 1, 1], n1=[1, 2, 2], events2=[1, 1, 1], n2=[1, 2, 2])
    assert math.exp(fit.estimate) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
def test_mirrored_zero_cells_pool_to_no_difference(measure: str) -> None:
    """gertvv/gemtc #35."""
    given = _counts([(0, 15, 2, 13), (2, 13, 0, 15)])
    fits = [vf.random_effects(vf.effect_size(measure, **given)), vf.mantel_haenszel(measure, **given)]
    for fit in [*fits, vf.peto(**given)]:
        assert fit.estimate == pytest.approx(0, abs=1e-12)


def test_smd_of_large_arms() -> None:
    """guido-s/meta #44, #42: sizes as 32-bit whole numbers."""
    table = vf.effect_size("SMD", **_means((0.3, 1.0, 200000, 0.25, 1.1, 300000), n1="int32", n2="int32"))
    m = 200000 + 300000 - 2
    j = math.exp(math.lgamma(m / 2) - math.log(math.sqrt(m / 2)) - math.lgamma((m - 1) / 2))
    assert float(table.y[0]) == pytest.approx(j * 0.05 / math.sqrt((199999 + 299999 * 1.1**2) / m), rel=1e-6)


@pytest.mark.parametrize(
    ("method", "tau2"),
    [
        ("DL", 7.63371942), ("HE", 10.4383929), ("PM", 10.2123492), ("ML", 8.5052145), ("REML", 9.96561107), ("SJ", 10.2088266),
        ("HS", 6.37313019), ("EB", 10.2123492),
    ],
)  # fmt: skip
def test_tau2_of_eight_estimators(method: str, tau2: float) -> None:
    """neurostuff/PyMARE #75; statsmodels #6585; values of R."""
    y, v = [-1, 0.5, 0.5, 0.5, 1, 1, 2, 10], [1, 1, 2.4, 0.5, 1, 1, 1.2, 1.5]
    assert vf.random_effects(y=y, v=v, method=method, test="Wald").tau2 == pytest.approx(tau2, rel=1e-7)


def test_hartung_knapp_interval() -> None:
    """jasp-stats/jasp-issues #1740."""
    fit = vf.random_effects(y=[0.2, 0.5, 0.35, 0.8, 0.1], v=[0.04, 0.05, 0.03, 0.06, 0.02])
    assert fit.interval == pytest.approx((0.02021754, 0.67066875), rel=1e-5)


@pytest.mark.parametrize(
    ("events", "n", "estimate", "se"),
    [([4, 3, 2, 1], [10, 20, 30, 40], -2.148626, 0.5978668), ([5, 116], [119, 170], -1.177586, 1.408644)],
)
def test_glmm_of_proportions(events: list[int], n: list[int], estimate: float, se: float) -> None:
    """guido-s/meta #57, #35; values of R's rma.glmm, whose quadrature is coarser than ours."""
    fit = vf.glmm("PLO", events=events, n=n)
    assert (fit.estimate, fit.se) == pytest.approx((estimate, se), rel=2e-3)


def test_three_levels_with_correlated_errors() -> None:
    """guido-s/meta #64, #71; values of R's rma.mv and coef_test (printed with few digits)."""
    frame = pd.DataFrame({
        "s": list("AABCCCDD"), "y": [0.5, 0.6, 0.8, 0.4, 0.3, 0.5, 0.7, 0.9],
        "se": [0.1, 0.15, 0.12, 0.2, 0.18, 0.25, 0.11, 0.14], "es": range(8),
    })  # fmt: skip
    V = vf.sampling_covariance(frame.se**2, frame.s, rho=0.8)
    fit = vf.multivariate(frame, y="y", V=V, random="1 | s/es")
    assert (fit.estimate[0], fit.se[0]) == pytest.approx((0.6238755537, 0.0988748501), rel=1e-4)
    row = vf.robust(fit, cluster="s").to_frame().iloc[0]
    assert (row.se, row.df) == pytest.approx((0.0971, 2.9), rel=2e-2)


def test_sizes_and_events_that_cannot_be_are_refused_by_row_and_column() -> None:
    """strengejacke/esc #15, #10; guido-s/netmeta #18; gertvv/gemtc #49; FBartos/RoBMA #8."""
    assert float(vf.convert.d_from_t(2.0, 20, 30)) == pytest.approx(2 * math.sqrt(1 / 20 + 1 / 30))
    with pytest.raises(vf.InputError, match="row 1, column n1"):
        vf.effect_size("MD", **_means((1.0, 1.0, 0, 1.0, 1.0, 9)))
    with pytest.raises(vf.InputError, match=r"(?s)row 2, column a: more events.*row 2, column c: more events"):
        vf.effect_size("OR", **_counts([(60, 200, 83, 200), (48.4, 32, 59.9, 32)]))
    with pytest.raises(vf.InputError, match="row 1, estimate: the estimate lies outside"):
        vf.convert.wald([0.1], low=[0.2], high=[0.7])


def test_groups_and_cumulative_rows_keep_their_names() -> None:
    """bwallace/OpenMeta-analyst #123; LSYS/forestplot #81; Mkossmeier/metaviz #13."""
    by = pd.Categorical([14, 18, 16, 14, 18, 16], categories=[99, 18, 16, 14])
    fit = vf.subgroups(y=[0.1, 0.2, 0.5, 0.6, 0.9, 1.0], v=[0.02] * 6, by=by)
    assert {t: round(float(e), 6) for t, e in zip(fit.terms, fit.estimate, strict=True)} == {"18": 0.55, "16": 0.75, "14": 0.35}
    pool = vf.random_effects(y=[0.5, 0.1, 0.3], v=[0.1, 0.02, 0.05], study=["C", "A", "B"])
    grown = vf.cumulative(pool, ["A", "B", "C"])
    assert grown.study.tolist() == ["A", "B", "C"]
    assert grown.estimate.iloc[0] == pytest.approx(0.1)


def test_a_factor_without_intercept_and_one_value_missing() -> None:
    """daniel1noble/orchaRd #20; jasp-stats/jasp-issues #3325, #3205."""
    frame = pd.DataFrame({"y": [0.1, 0.2, 0.5, 0.6, 0.9], "v": 0.02, "g": pd.array(["a", "a", None, "b", "b"], dtype="string")})
    fit = vf.meta_regression(frame, "~ 0 + g", missing="drop")
    assert fit.estimate == pytest.approx([0.15, 0.75])


def test_odds_ratio_by_hand() -> None:
    """Cochrane Handbook 16.3.6, before the design effect."""
    table = vf.effect_size("OR", **_counts([(63, 295, 84, 330)]))
    assert table.y == pytest.approx([math.log(63 * 246 / (232 * 84))])
    assert table.v == pytest.approx([1 / 63 + 1 / 232 + 1 / 84 + 1 / 246])


def test_huge_ratios_print() -> None:
    """adayim/forestploter #76; kassambara/survminer #582: ratios entered without the logarithm at 99%."""
    fit = vf.random_effects(y=[0.5, 40.0], v=[0.1, 0.2], level=0.99, question=vf.Question(measure="OR"))
    assert "odds ratio" in fit.summary().lower() or "OR" in str(fit)


ORDERED = pd.DataFrame(
    {"y": [0.1, 0.3, 0.6, 0.2, 0.8], "v": [0.02, 0.03, 0.01, 0.02, 0.04], "x": [1.0, 2, 3, 1, 5]}, index=list("abcde")
)


@pytest.mark.parametrize(
    "verb",
    [vf.random_effects, vf.common_effect, vf.appraisal.egger, vf.appraisal.henmi_copas, vf.appraisal.trim_and_fill,
     partial(vf.bayes.random_effects, tau=vf.priors.HalfNormal(0.5)), vf.multivariate],
)  # fmt: skip
def test_rows_of_other_order_are_matched_by_their_names(verb: Any) -> None:
    """Statsmodels #206, PR #312: y and v carry the same labels in another order; standard errors as papers print them
    (kylehamilton/MAJOR #5).
    """
    d = ORDERED
    want = verb(y=d.y.to_numpy(), v=d.v.to_numpy()).estimate
    assert verb(y=d.y, v=d.v[::-1]).estimate == pytest.approx(want, rel=1e-12)
    assert verb(y=d.y, se=np.sqrt(d.v)[::-1]).estimate == pytest.approx(want, rel=1e-12)
    with pytest.raises(vf.InputError, match=r"a only in y; z only in v"):
        verb(y=d.y, v=d.v.rename({"a": "z"}))


@pytest.mark.parametrize(
    "verb",
    [vf.meta_regression, partial(vf.bayes.meta_regression, tau=vf.priors.HalfNormal(0.5)),
     partial(vf.appraisal.selection_model, favoured="higher", delta=[1, 0.5])],
)  # fmt: skip
def test_moderators_of_other_order_are_matched_by_their_names(verb: Any) -> None:
    """Neighbour of statsmodels #206: the data of a regression."""
    d = ORDERED
    want = verb(d.reset_index(drop=True), "~ x").estimate
    assert verb(d[["x"]][::-1], "~ x", y=d.y, v=d.v).estimate == pytest.approx(want, rel=1e-9)
