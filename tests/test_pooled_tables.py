"""Mantel-Haenszel and Peto: R's answers, statsmodels, tables worked by hand, symmetries, thin data and bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.kernels import tables

CASES = json.loads((Path(__file__).parent / "reference" / "mh_peto.json").read_text(encoding="utf-8"))
BCG = {
    "events1": [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27],
    "n1": [123, 306, 231, 13598, 5069, 1541, 2545, 88391, 7499, 1716, 50634, 2498, 16913],
    "events2": [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29],
    "n2": [139, 303, 220, 12867, 5808, 1451, 629, 88391, 7277, 1665, 27338, 2341, 17854],
}
MEASURES = ("OR", "RR", "RD")
counts = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
        lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
    ),
    min_size=1,
    max_size=8,
)
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")


def columns(rows: Any) -> dict[str, np.ndarray]:
    return dict(zip(("events1", "n1", "events2", "n2"), np.array(rows, dtype=float).T, strict=True))


def swapped(c: dict[str, Any]) -> dict[str, Any]:
    return {"events1": c["events2"], "n1": c["n2"], "events2": c["events1"], "n2": c["n1"]}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_case(case: dict[str, Any]) -> None:
    outcome = check(case)
    assert outcome.group == "right"
    assert not outcome.not_compared


def test_something_added_to_the_pool() -> None:
    """Metafor 3.8.1: rma.mh(..., add = c(.5, .5), to = c("all", "all"))."""
    fit = vf.mantel_haenszel("OR", **BCG, add=0.5, to="all", pool_add=0.5)
    assert fit.estimate == pytest.approx(-0.471732836161049, rel=1e-12)
    assert fit.se == pytest.approx(0.0408994372895596, rel=1e-12)
    assert fit.q.statistic == pytest.approx(162.978664981143, rel=1e-12)
    assert fit.breslow_day == pytest.approx(170.535462181598, rel=1e-12)


def test_statsmodels_agrees() -> None:
    from statsmodels.stats.contingency_tables import StratifiedTable

    a, n1, c, n2 = (np.array(BCG[x]) for x in ("events1", "n1", "events2", "n2"))
    theirs = StratifiedTable([np.array([[a[i], n1[i] - a[i]], [c[i], n2[i] - c[i]]]) for i in range(13)])
    ours = vf.mantel_haenszel("OR", **BCG, correct=False)
    assert ours.estimate == pytest.approx(theirs.logodds_pooled, rel=1e-12)
    assert ours.se == pytest.approx(theirs.logodds_pooled_se, rel=1e-12)
    assert ours.cmh == pytest.approx(theirs.test_null_odds().statistic, rel=1e-10)
    assert ours.breslow_day == pytest.approx(theirs.test_equal_odds().statistic, rel=1e-10)
    assert ours.tarone == pytest.approx(theirs.test_equal_odds(adjust=True).statistic, rel=1e-10)
    assert vf.mantel_haenszel("RR", **BCG).estimate == pytest.approx(math.log(theirs.riskratio_pooled), rel=1e-12)


def test_one_table_by_hand() -> None:
    """One study: the pool is the study. 3 of 20 against 6 of 30."""
    one = columns([(3, 20, 6, 30)])
    fit = vf.mantel_haenszel("OR", **one)
    assert fit.estimate == pytest.approx(math.log(3 / 17 / (6 / 24)))
    assert fit.se == pytest.approx(math.sqrt(1 / 3 + 1 / 17 + 1 / 6 + 1 / 24))
    assert fit.homogeneity_df is None
    assert vf.mantel_haenszel("RR", **one).estimate == pytest.approx(math.log(3 / 20 / (6 / 30)))
    assert vf.mantel_haenszel("RD", **one).estimate == pytest.approx(-0.05)
    expected, variance = 20 * 9 / 50, 20 * 30 * 9 * 41 / (50**2 * 49)
    assert vf.peto(**one).estimate == pytest.approx((3 - expected) / variance)
    assert fit.cmh == pytest.approx((abs(3 - expected) - 0.5) ** 2 / variance)
    rate = vf.mantel_haenszel("IRD", events1=[3], time1=[20.0], events2=[6], time2=[30.0])
    assert rate.estimate == pytest.approx(3 / 20 - 6 / 30)
    assert rate.se == pytest.approx(math.sqrt(3 / 400 + 6 / 900))


def test_arms_that_agree_are_no_evidence_of_a_difference() -> None:
    """Half an event taken from no difference would be one (metafor 3.8.1 reports 0.0925 here)."""
    fit = vf.mantel_haenszel("OR", events1=[4, 3], n1=[14, 14], events2=[4, 3], n2=[14, 14])
    assert fit.cmh == 0
    assert fit.cmh_p == 1


def test_double_zero_studies() -> None:
    """They change no ratio and pull a difference towards none."""
    with_, without = [(1, 50, 4, 50), (2, 60, 5, 55), (0, 500, 0, 500)], [(1, 50, 4, 50), (2, 60, 5, 55)]
    for measure in ("OR", "RR"):
        a, b = vf.mantel_haenszel(measure, **columns(with_)), vf.mantel_haenszel(measure, **columns(without))
        assert (a.estimate, a.se, a.q.statistic) == pytest.approx((b.estimate, b.se, b.q.statistic), rel=1e-14)
        assert (a.k, a.k_pooled, b.k_pooled) == (2, 3, 2)
        assert "study 3" in a.warnings[0]
    assert vf.peto(**columns(with_)).estimate == pytest.approx(vf.peto(**columns(without)).estimate, rel=1e-14)
    a, b = vf.mantel_haenszel("RD", **columns(with_)), vf.mantel_haenszel("RD", **columns(without))
    assert abs(a.estimate) < abs(b.estimate)
    assert a.k == 3


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from([*MEASURES, "Peto"]))
def test_symmetries(rows: list[tuple[int, ...]], measure: str) -> None:
    """Arms exchanged: the other sign. Another order, or every study twice: the same effect. No NaN without an error."""

    def pool(c: dict[str, Any]) -> Any:
        return vf.peto(**c) if measure == "Peto" else vf.mantel_haenszel(measure, **c)

    c = columns(rows)
    try:
        fit = pool(c)
    except vf.InputError:
        return
    assert all(math.isfinite(x) for x in (fit.estimate, fit.se, *fit.interval, fit.q.statistic, fit.p_value))
    back = pool(swapped(c))
    assert (back.estimate, back.se) == pytest.approx((-fit.estimate, fit.se), rel=1e-9, abs=1e-12)
    turned = pool(columns(rows[::-1]))
    assert (turned.estimate, turned.se) == pytest.approx((fit.estimate, fit.se), rel=1e-9, abs=1e-12)
    twice = pool(columns(rows + rows))
    assert twice.estimate == pytest.approx(fit.estimate, rel=1e-9, abs=1e-12)
    assert twice.se == pytest.approx(fit.se / math.sqrt(2), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(counts, st.floats(0.05, 20))
def test_expected_events_have_the_odds_ratio_and_the_margins(rows: list[tuple[int, ...]], psi: float) -> None:
    a, n1, c, n2 = columns(rows).values()
    m = a + c
    x = tables.expected_events(np.array(psi), n1, n2, m)
    assert (x >= np.maximum(0, m - n2) - 1e-9).all()
    assert (x <= np.minimum(n1, m) + 1e-9).all()
    np.testing.assert_allclose(x * (n2 - m + x), psi * (n1 - x) * (m - x), atol=1e-6 * (1 + psi) * 3600)
    np.testing.assert_allclose(tables.expected_events(np.array(1.0), n1, n2, m), n1 * m / (n1 + n2), rtol=1e-12)


def test_many_pools_at_once() -> None:
    """The kernels take leading axes: a simulation is one call."""
    rng = np.random.default_rng(5)
    n = np.full((200, 6), 80.0)
    a, c = rng.binomial(80, 0.2, n.shape).astype(float), rng.binomial(80, 0.3, n.shape).astype(float)
    batch = tables.odds_ratio(a, n, c, n)
    single = [float(tables.odds_ratio(a[i], n[i], c[i], n[i]).estimate) for i in range(200)]
    np.testing.assert_allclose(batch.estimate, single, rtol=1e-13)


def test_columns_of_a_frame_and_what_is_missing() -> None:
    frame = pd.DataFrame({"t": ["A", "B", "C"], "x": [3, None, 5], "m": [20, 20, 30], "z": [6, 2, 9], "w": [20, 20, 31]})
    given_ = {"data": frame, "events1": "x", "n1": "m", "events2": "z", "n2": "w", "study": "t"}
    with pytest.raises(vf.InputError, match=r"row 2 \(B\), column x: missing value"):
        vf.mantel_haenszel("OR", **given_)
    fit = vf.mantel_haenszel("OR", **given_, missing="drop")
    assert fit.labels == ("A", "C")
    assert "B (row 2: x)" in fit.warnings[0]
    assert fit.weights.sum() == pytest.approx(100)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"events1": [30, 1]}, r"row 1 .*column events1: more events than the total \(value 30\)"),
        ({"events1": [-1, 1]}, "cannot be negative"),
        ({"n1": [0, 10]}, "at least 1 patient"),
        ({"events1": [1]}, "events1 has 1 values and n1 has 2"),
        ({"events1": ["x", 1]}, "is text, not a number"),
        ({"n2": None}, "missing: n2"),
        ({"time1": [1, 2]}, "not used by OR: time1"),
        ({"events1": "x"}, "pass data="),
        ({"events1": [0, 0]}, "no study has an event in the experimental arm"),
        ({"events1": [0, 0], "events2": [0, 0]}, "no study has an event in either arm"),
        ({"to": "some"}, "Unknown zero rule 'some'"),
        ({"add": -1}, "add=-1 must be"),
        ({"level": 95}, "0.95"),
        ({"study": ["A", "A"]}, "stands more than once"),
        ({"measure": "XX"}, "measure='XX' is unknown"),
        ({"missing": "no"}, "missing='no' is unknown"),
    ],
)
def test_bad_input(changed: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"events1": [3, 1], "n1": [20, 10], "events2": [6, 2], "n2": [20, 10]} | changed
    with pytest.raises(vf.InputError, match=said):
        vf.mantel_haenszel(arguments.pop("measure", "OR"), **arguments)


def test_a_risk_difference_of_nothing_is_refused() -> None:
    with pytest.raises(vf.InputError, match="cannot be pooled"):
        vf.mantel_haenszel("RD", events1=[0, 0], n1=[5, 5], events2=[0, 0], n2=[5, 5])
    with pytest.raises(vf.InputError, match="person-time must be greater than 0"):
        vf.mantel_haenszel("IRR", events1=[1], time1=[0], events2=[2], time2=[10])


def test_results_can_be_stored_and_drawn() -> None:
    from vfmeta.frequentist.mantel_haenszel import TablesResult

    fit = vf.mantel_haenszel("RR", **BCG)
    assert TablesResult.from_dict(json.loads(fit.to_json())).to_json() == fit.to_json()
    shown = {"events_experimental": 4, "n_experimental": 123, "events_control": 11, "n_control": 139}
    assert fit.details[0] == {**shown, "made": {"events1": 4, "n1": 123, "events2": 11, "n2": 139}}
    assert fit.to_frame()["k"].item() == 13


def test_an_effect_table_brings_its_counts() -> None:
    frame = pd.DataFrame({"t": list("ABC"), "x": [3, 1, 0], "m": [20, 20, 30], "z": [6, 2, 0], "w": [20, 20, 31]})
    names = {"events1": "x", "n1": "m", "events2": "z", "n2": "w"}
    question = vf.Question(measure="RR", experimental="cement", control="sham", outcome="new fracture", higher_is_worse=True)
    table = vf.effect_size("RR", data=frame, study="t", **names, question=question)
    fit = vf.mantel_haenszel("RR", data=table)
    assert fit.estimate == pytest.approx(vf.mantel_haenszel("RR", data=frame, study="t", **names).estimate)
    assert (fit.question.experimental, fit.question.measure) == ("cement", "RR")
    assert fit.favours == "cement"
    assert [x.label for x in fit.left_out] == ["C"]
    assert f"left out: C ({table.left_out[0].reason})" in str(fit).splitlines()
    assert vf.peto(data=table).question.measure == "OR"
    assert vf.glmm("OR", data=table, heterogeneity="common").labels == ("A", "B")
    with pytest.raises(vf.InputError, match="give it alone"):
        vf.mantel_haenszel("RR", data=table, events1="x")
    with pytest.raises(vf.InputError, match="does not hold events"):
        vf.mantel_haenszel("RR", data=vf.effect_size("MD", data=pd.DataFrame({"a": [1.0], "b": [1.0], "c": [9], "d": [2.0]}),
                           mean1="a", sd1="b", n1="c", mean2="d", sd2="b", n2="c"))  # fmt: skip
    with pytest.raises(vf.InputError, match="missing: events1"):
        vf.mantel_haenszel("RR", data={"a": 1})


def test_single_risk_differences_are_those_of_an_effect_table() -> None:
    """A zero cell is corrected in the variance only, as in `effect_size`: 0/10 against 2/12 is -1/6."""
    data = pd.DataFrame({"a": [0, 3, 5], "n": [10, 20, 30], "c": [2, 4, 0], "m": [12, 22, 33]})
    named = {"data": data, "events1": "a", "n1": "n", "events2": "c", "n2": "m"}
    fit, table = vf.mantel_haenszel("RD", **named), vf.effect_size("RD", **named)
    assert fit.y[0] == pytest.approx(-1 / 6, rel=1e-12)
    np.testing.assert_allclose([fit.y, fit.v], [table.y, table.v], rtol=1e-12)
    inside = vf.effect_size("RD", add_to_estimate=True, **named)
    np.testing.assert_allclose(vf.mantel_haenszel("RD", add_to_estimate=True, **named).y, inside.y, rtol=1e-12)


@pytest.mark.parametrize("silent", [0, 2])
def test_one_informative_study_tells_nothing_of_heterogeneity(silent: int) -> None:
    """Its own log odds ratio, with the variance of Woolf; studies without events beside it change neither."""
    own = {"events1": [4], "n1": [40], "events2": [9], "n2": [41]}
    data = {name: x + [0 if name.startswith("events") else 30] * silent for name, x in own.items()}
    fits = [vf.mantel_haenszel("OR", **data), vf.glmm("OR", **data, heterogeneity="common")]
    for fit in fits:
        assert fit.estimate == pytest.approx(math.log(4 * 32 / (36 * 9)), rel=1e-8)
        assert fit.se == pytest.approx(math.sqrt(1 / 4 + 1 / 36 + 1 / 9 + 1 / 32), rel=1e-8)
    for fit in [*fits, vf.peto(**data)]:
        assert (fit.k, fit.tau2, fit.i2, fit.h2, fit.q.df) == (1, None, None, None, 0)
        assert "tau2       not estimable" in str(fit).splitlines()
        drawn = fit.studies.iloc[0]
        assert fit.interval == pytest.approx((drawn["ci_low"], drawn["ci_high"]), rel=1e-12)
        assert vf.read_result(fit.to_json()) == fit
