"""Tests of small-study effects against regressions of statsmodels, counted orders and the reference; how they are chosen."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.tools.tools import add_constant
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.kernels.small_studies import exact_p, kendall

A = vf.appraisal
CASES = json.loads((Path(__file__).parent / "reference" / "small_study.json").read_text())["cases"]
RNG = np.random.default_rng(12)
K = 14
N1, N2 = RNG.integers(15, 200, K), RNG.integers(15, 200, K)
E1, E2 = RNG.binomial(N1, 0.3), RNG.binomial(N2, 0.4)
COUNTS: dict[str, Any] = {"events1": E1, "n1": N1, "events2": E2, "n2": N2}
OR = vf.effect_size("OR", **COUNTS)
SMD = vf.effect_size("SMD", d=RNG.normal(0.4, 0.3, K), n1=N1, n2=N2)


def by_statsmodels(y: Any, x: Any, w: Any) -> tuple[float, float, float]:
    found = WLS(y, add_constant(np.asarray(x)), weights=w).fit()
    return found.params[1], found.bse[1], found.pvalues[1]


def shown(found: Any) -> tuple[float, float, float]:
    return found.estimate, found.se, found.p_value


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_answers_the_reference(case: dict[str, Any]) -> None:
    check({"family": "small_study"} | case)


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_every_predictor_is_a_weighted_regression() -> None:
    total = N1 + N2
    for predictor, x in (
        ("SE", np.sqrt(OR.v)), ("variance", OR.v), ("N", total), ("1/N", 1 / total), ("1/sqrt(N)", total**-0.5),
    ):  # fmt: skip
        assert shown(A.egger(OR, predictor=predictor)) == pytest.approx(by_statsmodels(OR.y, x, 1 / OR.v), rel=1e-9)
        by_hand = vf.meta_regression(OR.joined_with({"study": OR.labels, "x": x}), "~ x", test="HKSJ", method="PM")
        mixed = A.egger(vf.random_effects(OR, method="PM"), predictor=predictor, model="mixed")
        assert shown(mixed) == pytest.approx((by_hand.estimate[1], by_hand.se[1], by_hand.p_value[1]), rel=1e-7)


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_sizes_may_be_given_beside_arrays() -> None:
    given = A.egger(y=OR.y, v=OR.v, n=N1 + N2, predictor="1/N")
    assert given.estimate == pytest.approx(A.egger(OR, predictor="1/N").estimate, rel=1e-12)
    with pytest.raises(vf.InputError, match="give n="):
        A.egger(y=OR.y, v=OR.v, predictor="N")


def test_tests_of_counts_are_the_regressions_of_their_papers() -> None:
    a, b, c, d = E1, N1 - E1, E2, N2 - E2
    total, m1, m2 = N1 + N2, a + c, b + d
    z, v = a - N1 * m1 / total, N1 * N2 * m1 * m2 / (total**2 * (total - 1.0))
    intercept = OLS(z / np.sqrt(v), add_constant(np.sqrt(v))).fit()
    harbord = intercept.params[0], intercept.bse[0], intercept.pvalues[0]
    assert shown(A.harbord(OR)) == pytest.approx(harbord, rel=1e-9)
    assert shown(A.peters(OR)) == pytest.approx(by_statsmodels(OR.y, 1 / total, m1 * m2 / total), rel=1e-9)
    assert shown(A.macaskill(OR)) == pytest.approx(by_statsmodels(OR.y, total, m1 * m2 / total), rel=1e-9)
    assert shown(A.macaskill(OR, weights="inverse")) == pytest.approx(by_statsmodels(OR.y, total, 1 / OR.v), rel=1e-9)
    ess = 4 * N1 * N2 / total
    assert shown(A.deeks(OR)) == pytest.approx(by_statsmodels(OR.y, ess**-0.5, ess), rel=1e-9)
    w = 1 / N1 + 1 / N2
    assert shown(A.pustejovsky_rodgers(SMD)) == pytest.approx(by_statsmodels(SMD.y, np.sqrt(w), 1 / w), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2, 3, 4, 5, 6.0], [2, 1, 4, 3, 6, 5.0]),
        ([1, 1, 2, 3, 3, 3.0], [1, 3, 2, 4, 5, 6.0]),
        ([1, 1, 2, 2, 3, 3, 3.0], [3, 1, 1, 2, 5, 2.0, 2.0]),
    ],
)
def test_the_exact_rank_test_counts_every_order(x: list[float], y: list[float]) -> None:
    a, b = np.array(x), np.array(y)
    s, tau, _ = kendall(a, b)
    orders = [kendall(a, b[list(order)])[0] for order in itertools.permutations(range(len(b)))]
    assert exact_p(s, a, b) == pytest.approx(np.mean(np.abs(orders) >= abs(s)), rel=1e-12)
    assert kendall(a, b)[2] == pytest.approx(np.var(orders), rel=1e-12)
    assert tau == pytest.approx(kendalltau(a, b).statistic, rel=1e-12)


def test_the_exact_rank_test_of_many_studies_is_scipys() -> None:
    x, y = RNG.normal(size=(2, 90))
    assert exact_p(kendall(x, y)[0], x, y) == pytest.approx(kendalltau(x, y, method="exact").pvalue, rel=1e-9)


def test_ties_too_many_to_count_take_the_normal_distribution() -> None:
    v, y = np.repeat(np.arange(1, 19) / 10, 2), np.repeat(np.cos(np.arange(18)), 2)
    found = A.begg(y=y, v=v)
    assert math.isnan(found.p_exact)
    assert found.test == "normal"
    assert found.p_value == found.p_normal()


@pytest.mark.filterwarnings("ignore:The Hartung-Knapp")
def test_the_measure_chooses_the_test_and_says_why() -> None:
    chosen = {
        "OR": (OR, "Harbord's test"), "RR": (vf.effect_size("RR", **COUNTS), "Peters' test"),
        "SMD": (SMD, "Pustejovsky and Rodgers' test"),
        "MD": (vf.effect_table(y=SMD.y, v=SMD.v, measure="MD"), "Egger's test"),
    }  # fmt: skip
    for table, name in chosen.values():
        found = A.small_study_test(vf.random_effects(table))
        assert found.name == name
        assert found.reason.startswith("Chosen because the standard error of")


def test_levels_of_one_group_are_held_against_their_sizes() -> None:
    plo = A.small_study_test(vf.effect_size("PLO", events=E1, n=N1))
    assert plo.predictor == "1/sqrt(N)"
    np.testing.assert_allclose(plo.x, N1**-0.5)
    # the arcsine's variance is made of the size alone, so that its standard error is as good
    pft = A.small_study_test(vf.effect_size("PFT", events=E1, n=N1))
    assert (pft.predictor, pft.warnings) == ("SE", ())
    assert A.small_study_test(vf.effect_size("COR", r=np.linspace(0.1, 0.6, K), n=N1)).predictor == "1/sqrt(N)"
    irr = A.small_study_test(vf.effect_size("IRR", events1=E1, time1=10 * N1, events2=E2, time2=10 * N2))
    assert "no test is made for a log IRR" in irr.reason


def test_egger_says_which_test_is_better() -> None:
    with pytest.warns(vf.VfmetaWarning, match="log OR hangs on the effect itself.*vf.appraisal.harbord"):
        A.egger(OR)
    with pytest.warns(vf.VfmetaWarning, match="vf.appraisal.pustejovsky_rodgers"):
        A.egger(SMD)
    with pytest.warns(vf.VfmetaWarning, match="vf.appraisal.harbord"):
        found = A.small_study_test(vf.effect_table(y=OR.y, v=OR.v, measure="OR"))
    assert "counts that a better test needs are not known" in found.reason


def test_fewer_than_ten_studies_are_warned_of() -> None:
    for verb in (A.egger, A.begg, A.thompson):
        with pytest.warns(vf.VfmetaWarning, match="Only 9 studies: below 10"):
            found = verb(y=SMD.y[:9], v=SMD.v[:9])
        assert any("Only 9 studies" in note for note in found.warnings)


def test_the_sentence_names_the_side_of_small_studies() -> None:
    se = np.linspace(0.1, 0.6, 12)
    up = A.egger(y=2 * se + 0.01 * np.cos(np.arange(12)), se=se)
    assert up.sentence().startswith("Small studies show higher effects than large ones")
    by_size = A.egger(y=2 * se + 0.01 * np.cos(np.arange(12)), se=se, n=4 / se**2, predictor="N")
    assert by_size.estimate < 0
    assert by_size.sentence().startswith("Small studies show higher effects")
    flat = A.egger(y=np.tile([0.3, -0.3], 6), se=se)
    assert "does not show that there is none" in flat.sentence()


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_what_has_no_funnel_is_refused() -> None:
    with pytest.raises(vf.InputError, match="2 studies have no funnel"):
        A.egger(y=[0.1, 0.2], v=[0.1, 0.2])
    for verb in (A.egger, A.begg, A.thompson):
        with pytest.raises(vf.InputError, match="the same"):
            verb(y=[0.1, 0.2, 0.3, 0.2], v=[0.1] * 4)
    with pytest.raises(vf.InputError, match='model="mixed"'):
        A.egger(OR, method="DL")
    with pytest.raises(vf.InputError, match="events and patients of both arms"):
        A.harbord(SMD)
    with pytest.raises(vf.InputError, match="AsymmetryTest was given"):
        A.egger(A.harbord(OR))
    network = vf.network(y=OR.y[:3], v=OR.v[:3], study=list("abc"), treat1=list("BBC"), treat2=list("AAA"))
    with pytest.raises(vf.InputError, match="a NetworkResult was given"):
        A.egger(network, model="mixed")
    with pytest.raises(vf.InputError, match="a RegressionResult was given"):
        A.begg(vf.meta_regression(OR.joined_with({"study": OR.labels, "x": N1}), "~ x"))


def test_studies_without_events_have_no_score() -> None:
    e1, e2 = np.append(E1, 0), np.append(E2, 0)
    table = vf.effect_size("OR", events1=e1, n1=np.append(N1, 30), events2=e2, n2=np.append(N2, 30), drop00=False)
    with pytest.warns(vf.VfmetaWarning, match="row 15: no events"):
        found = A.harbord(table)
    assert found.estimate == pytest.approx(A.harbord(OR).estimate, rel=1e-12)
    total = table.details
    ess = np.array([4 * d["n_experimental"] * d["n_control"] / (d["n_experimental"] + d["n_control"]) for d in total])
    assert shown(A.deeks(table)) == pytest.approx(by_statsmodels(table.y, ess**-0.5, ess), rel=1e-9)


def test_the_figure_draws_the_line_that_was_fitted() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = A.egger(y=SMD.y, v=SMD.v, predictor="variance")
    ax = found.plot()
    (line,) = [x for x in ax.lines if x.get_gid() == "line"]
    np.testing.assert_allclose(line.get_xdata(), found.limit + found.estimate * line.get_ydata() ** 2, rtol=1e-9)
    assert len(ax.collections[0].get_offsets()) == K
    plt.close("all")


def test_many_tests_name_those_that_cannot_be_made() -> None:
    frame = pd.DataFrame(
        {"g": list("aaabbccc"), "y": [0.3, 0.1, 0.2, 0.1, 0.5, 0.2, 0.4, 0.1], "v": [0.02, 0.03, 0.04] * 2 + [0.1] * 2}
    )
    frame.loc[frame.g == "c", "v"] = 0.1
    with pytest.warns(vf.VfmetaWarning, match=r"No Egger's test of g = b, c: fewer than three"):
        found = vf.appraisal.egger_many(frame, "g")
    assert found["estimate"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("verb", [vf.appraisal.egger_many, vf.appraisal.trim_and_fill_many])
def test_many_tables_name_those_whose_effects_are_one(verb: Any) -> None:
    """0.1 + 0.2 is not 0.3 to the last digit, and no scatter all the same."""
    frame = pd.DataFrame({"q1": list("aaabbb"), "y": [0.3, 0.1 + 0.2, 0.3, 0.1, 0.5, 0.2], "v": [0.02, 0.03, 0.04] * 2})
    with pytest.warns(vf.VfmetaWarning, match=r"All effects are identical in q1 = a: .* no certainty"):
        verb(frame, "q1")
