"""Effect sizes from a data frame, worked by hand or by a second library, and the bad input they refuse."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.meta_analysis import effectsize_2proportions, effectsize_smd

import vfmeta as vf
from vfmeta.effects.formulas import ZeroRule, common, two_events
from vfmeta.effects.formulas import two_means as means

MEANS = {"mean1": "m1", "sd1": "s1", "n1": "n1", "mean2": "m2", "sd2": "s2", "n2": "n2"}
COUNTS = {"events1": "e1", "n1": "n1", "events2": "e2", "n2": "n2"}


def scores(**cells: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"m1": [3.0], "s1": [2.0], "n1": [25], "m2": [5.0], "s2": [3.0], "n2": [36], "trial": ["A"]}
        | {k: [v] for k, v in cells.items()}
    )


def counts(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["e1", "n1", "e2", "n2"]).assign(trial=[f"T{i}" for i in range(len(rows))])


def test_mean_difference_by_hand() -> None:
    table = vf.effect_size("MD", data=scores(), **MEANS)
    assert table.y.tolist() == [-2.0]
    assert table.v.tolist() == pytest.approx([4 / 25 + 9 / 36])
    assert table.effects[0].n == (25, 36)


def test_standardised_mean_difference_with_the_exact_correction() -> None:
    df = 25 + 36 - 2
    pooled = math.sqrt((24 * 4 + 35 * 9) / df)
    j = math.gamma(df / 2) / (math.sqrt(df / 2) * math.gamma((df - 1) / 2))
    g = j * -2 / pooled
    table = vf.effect_size("SMD", data=scores(), **MEANS)
    assert table.y[0] == pytest.approx(g, rel=1e-12)
    assert table.v[0] == pytest.approx(1 / 25 + 1 / 36 + g**2 / (2 * 61), rel=1e-12)


def test_the_correction_is_not_its_approximation() -> None:
    assert common.bias_correction(4) == pytest.approx(math.gamma(2) / (math.sqrt(2) * math.gamma(1.5)), rel=1e-12)
    assert abs(common.bias_correction(4) - (1 - 3 / (4 * 4 - 1))) > 2e-3


def test_standardised_mean_difference_near_statsmodels() -> None:
    """Statsmodels uses the approximate correction, which at 59 df is within 1e-4 of the exact one."""
    y, _ = effectsize_smd(3.0, 2.0, 25, 5.0, 3.0, 36)
    assert vf.effect_size("SMD", data=scores(), **MEANS).y[0] == pytest.approx(y, rel=1e-4)


@pytest.mark.parametrize(("measure", "statistic"), [("RR", "risk-ratio"), ("OR", "odds-ratio"), ("RD", "diff")])
def test_counts_agree_with_statsmodels(measure: str, statistic: str) -> None:
    e1, n1, e2, n2 = np.array([4, 12, 7]), np.array([40, 60, 33]), np.array([9, 20, 5]), np.array([38, 71, 35])
    frame = pd.DataFrame({"e1": e1, "n1": n1, "e2": e2, "n2": n2})
    table = vf.effect_size(measure, data=frame, **COUNTS)
    for i in range(3):
        y, v = effectsize_2proportions(e1[i], n1[i], e2[i], n2[i], statistic=statistic)
        assert (table.y[i], table.v[i]) == pytest.approx((float(y), float(v)), rel=1e-10)


def test_ratios_by_hand() -> None:
    frame = counts((3, 20, 6, 20))
    rr, odds, rd = (vf.effect_size(m, data=frame, **COUNTS) for m in ("RR", "OR", "RD"))
    assert math.exp(rr.y[0]) == pytest.approx(0.5)
    assert rr.v[0] == pytest.approx(1 / 3 - 1 / 20 + 1 / 6 - 1 / 20)
    assert math.exp(odds.y[0]) == pytest.approx((3 / 17) / (6 / 14))
    assert odds.v[0] == pytest.approx(Table2x2([[3, 17], [6, 14]]).log_oddsratio_se ** 2)
    assert rd.y[0] == pytest.approx(-0.15)
    assert rd.v[0] == pytest.approx(0.15 * 0.85 / 20 + 0.3 * 0.7 / 20)


def test_a_zero_cell_gets_a_half_in_all_four_cells_and_only_there() -> None:
    frame = counts((0, 20, 4, 22), (3, 20, 6, 20))
    table = vf.effect_size("RR", data=frame, study="trial", **COUNTS)
    assert table.y[0] == pytest.approx(math.log((0.5 / 21) / (4.5 / 23)))
    assert table.v[0] == pytest.approx(1 / 0.5 - 1 / 21 + 1 / 4.5 - 1 / 23)
    assert math.exp(table.y[1]) == pytest.approx(0.5)
    odds = vf.effect_size("OR", data=frame, **COUNTS)
    assert odds.y[0] == pytest.approx(math.log(0.5 * 18.5 / (20.5 * 4.5)))
    assert odds.v[0] == pytest.approx(1 / 0.5 + 1 / 20.5 + 1 / 4.5 + 1 / 18.5)


def test_the_risk_difference_keeps_its_counts_and_corrects_its_variance_only() -> None:
    table = vf.effect_size("RD", data=counts((0, 20, 4, 22)), **COUNTS)
    assert table.y[0] == pytest.approx(-4 / 22)
    p, q = 0.5 / 21, 4.5 / 23
    assert table.v[0] == pytest.approx(p * (1 - p) / 21 + q * (1 - q) / 23)


@pytest.mark.parametrize("row", [(0, 20, 0, 25), (20, 20, 25, 25)])
def test_a_double_zero_is_left_out_and_listed_by_ratios_and_kept_by_the_difference(row: tuple[int, int, int, int]) -> None:
    frame = counts(row, (3, 20, 6, 20))
    for measure in ("RR", "OR"):
        with pytest.warns(vf.VfmetaWarning, match="T0"):
            table = vf.effect_size(measure, data=frame, study="trial", **COUNTS)
        assert table.labels == ("T1",)
        assert [x.study_id for x in table.left_out] == ["T0"]
    kept = vf.effect_size("RD", data=frame, study="trial", **COUNTS)
    assert kept.labels == ("T0", "T1")
    assert kept.y[0] == 0
    assert kept.v[0] > 0


def test_without_a_zero_rule_a_zero_cell_is_an_error() -> None:
    for measure in ("RR", "OR"):
        with pytest.raises(vf.InputError, match="only0"):
            vf.effect_size(measure, data=counts((0, 20, 4, 22)), zero="none", **COUNTS)
    with pytest.raises(vf.InputError, match="only0"):
        vf.effect_size("RD", data=counts((0, 20, 22, 22)), zero="none", **COUNTS)
    assert vf.effect_size("RR", data=counts((3, 20, 6, 20)), zero="none", **COUNTS).y[0] == pytest.approx(math.log(0.5))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"s1": 0.0}, r"row 1 \(A\), column s1.*greater than 0 \(value 0\)"),
        ({"s2": -1.0}, r"row 1 \(A\), column s2"),
        ({"n1": 1}, r"column n1.*at least 2"),
        ({"m1": "three"}, r"row 1 \(A\), column m1: 'three' is text, not a number"),
        ({"m1": math.inf}, r"row 1 \(A\), column m1.*finite"),
        ({"m1": math.nan}, r"row 1 \(A\), column m1: missing value"),
        ({"m1": None}, r"row 1 \(A\), column m1: missing value"),
        ({"trial": None}, "column trial: empty name"),
    ],
)
def test_bad_scores_are_refused_with_row_and_column(change: dict[str, object], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.effect_size("MD", data=scores(**change), study="trial", **MEANS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((21, 20, 1, 20), "e1: more events"),
        ((1, 20, -1, 20), "e2: a count cannot be negative"),
        ((0, 0, 1, 20), "n1: an arm needs at least 1"),
    ],
)
def test_bad_counts_are_refused_with_row_and_column(row: tuple[int, int, int, int], said: str) -> None:
    with pytest.raises(vf.InputError, match=r"row 2 \(T1\), column " + said):
        vf.effect_size("RR", data=counts((3, 20, 6, 20), row), study="trial", **COUNTS)


def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(vf.InputError) as caught:
        vf.effect_size("RR", data=counts((21, 20, 1, 20), (3, 20, 6, 20), (1, 20, 30, 20)), **COUNTS)
    assert [p[:5] for p in caught.value.problems] == ["row 1", "row 3"]


def test_missing_drop_leaves_rows_out_and_names_them() -> None:
    frame = pd.concat([scores(m1=math.nan), scores(trial="B")], ignore_index=True)
    with pytest.warns(vf.VfmetaWarning, match=r"A \(row 1: m1\)"):
        table = vf.effect_size("MD", data=frame, study="trial", missing="drop", **MEANS)
    assert table.labels == ("B",)
    frame.loc[0, "m1"] = math.inf  # no gap, as everywhere else
    with pytest.raises(vf.InputError, match=r"row 1 \(A\), column m1: the value is infinite"):
        vf.effect_size("MD", data=frame, study="trial", missing="drop", **MEANS)


def test_after_a_drop_faults_still_name_the_row_of_the_data() -> None:
    frame = pd.concat([scores(m1=math.nan), scores(trial="B", s1=0.0)], ignore_index=True)
    with pytest.raises(vf.InputError, match=r"row 2 \(B\), column s1"):
        vf.effect_size("MD", data=frame, study="trial", missing="drop", **MEANS)


def test_nothing_left_after_a_drop_is_an_error() -> None:
    with pytest.raises(vf.InputError, match=r"Every row has a missing value \(row 1 \(m1\)\); nothing is left"):
        vf.effect_size("MD", data=scores(m1=math.nan), missing="drop", **MEANS)


def test_duplicated_rows_of_one_study_are_an_error() -> None:
    twice = counts((3, 20, 6, 20), (1, 9, 2, 9), (3, 20, 6, 20))
    with pytest.raises(vf.InputError, match=r"row 3.* repeats row 1"):
        vf.effect_size("RR", data=twice.assign(trial=["A", "B", "A"]), study="trial", **COUNTS)
    # Without names two studies may well have the same counts (OpenMeta-analyst #275).
    with pytest.warns(vf.VfmetaWarning, match="taken as another study: row 3"):
        assert len(vf.effect_size("RR", data=twice.drop(columns="trial"), **COUNTS)) == 3
    # Other labels, or a column that tells them apart: two trials with the same counts.
    assert len(vf.effect_size("RR", data=twice, study="trial", **COUNTS)) == 3
    assert len(vf.effect_size("RR", data=twice, **COUNTS)) == 3


def test_one_study_in_two_rows_is_said_aloud() -> None:
    frame = counts((3, 20, 6, 20), (1, 9, 2, 9)).assign(trial="A")
    with pytest.warns(vf.VfmetaWarning, match="More than one row for A"):
        assert len(vf.effect_size("RR", data=frame, study="trial", **COUNTS)) == 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vf.effect_size("XX", data=scores(), **MEANS), r"Unknown measure 'XX'.*MD"),
        (lambda: vf.effect_size("MD", data=scores(), **{**MEANS, "mean1": "nothing"}), r"No column 'nothing'.*'m1'"),
        (lambda: vf.effect_size("MD", data=scores(), study="who", **MEANS), "No column 'who'"),
        (lambda: vf.effect_size("MD", data=scores(), mean1="m1"), "missing: sd1"),
        (lambda: vf.effect_size("MD", data=scores(), **MEANS, events1="m1"), "not known: events1"),
        (lambda: vf.effect_size("MD", data=scores().iloc[:0], **MEANS), "k = 0"),
        (lambda: vf.effect_size("MD", data=3, **MEANS), "data frame"),
        (lambda: vf.effect_size("MD", data=scores(), missing="ignore", **MEANS), "missing='ignore' is unknown"),
        (lambda: vf.effect_size("RR", data=counts((1, 2, 1, 2)), zero="all", **COUNTS), "Unknown zero rule 'all'"),
        (lambda: vf.effect_size("MD", data=scores(), **{**MEANS, "mean2": "m1"}), "mean1 and mean2 both name 'm1'"),
        (lambda: vf.effect_size("MD", data=pd.concat([scores(), scores()], axis=1), **MEANS), "twice"),
        (lambda: vf.effect_size("MD", data=scores(), question=vf.Question(measure="RR"), **MEANS), "question is about a RR"),
    ],
)
def test_calls_that_make_no_sense_are_refused(call: object, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        call()  # type: ignore[operator]


def test_good_input_gives_no_warning_and_reaches_the_models() -> None:
    frame = counts((3, 20, 6, 20), (5, 30, 9, 31), (2, 15, 4, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = vf.effect_size("RR", data=frame, study="trial", **COUNTS)
    with pytest.warns(vf.VfmetaWarning, match="Only two studies"):
        fit = vf.common_effect(table.without("T2"))
    assert fit.labels == ("T0", "T1")
    assert fit.question.measure == "RR"


finite = st.floats(-50, 50, allow_nan=False)
spread = st.floats(0.1, 30)
size = st.integers(2, 500)


@settings(deadline=None)
@given(finite, spread, size, finite, spread, size, st.floats(0.01, 100), finite)
def test_effects_follow_scale_and_shift(
    m1: float, s1: float, n1: int, m2: float, s2: float, n2: int, k: float, c: float
) -> None:
    y, v = means.mean_difference(m1, s1, n1, m2, s2, n2)
    stretched = means.mean_difference(k * m1 + c, k * s1, n1, k * m2 + c, k * s2, n2)
    assert stretched == pytest.approx((k * y, k**2 * v), rel=1e-6, abs=1e-6 * k * 100)
    g, w = means.standardised_mean_difference(m1, s1, n1, m2, s2, n2)
    assert means.standardised_mean_difference(k * m1 + c, k * s1, n1, k * m2 + c, k * s2, n2) == pytest.approx(
        (g, w), rel=1e-5, abs=1e-5
    )


@settings(deadline=None)
@given(finite, spread, size, finite, spread, size)
def test_exchanged_arms_turn_the_sign_of_means(m1: float, s1: float, n1: int, m2: float, s2: float, n2: int) -> None:
    for effect in (means.mean_difference, means.standardised_mean_difference):
        y, v = effect(m1, s1, n1, m2, s2, n2)
        assert effect(m2, s2, n2, m1, s1, n1) == pytest.approx((-y, v))


@settings(deadline=None)
@given(size, size, st.data())
def test_exchanged_arms_turn_the_sign_of_counts(n1: int, n2: int, data: st.DataObject) -> None:
    a, c = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    rule = ZeroRule()
    for effect in (two_events.log_risk_ratio, two_events.log_odds_ratio, two_events.risk_difference):
        y, v = effect(a, n1, c, n2, zero=rule)
        assert effect(c, n2, a, n1, zero=rule) == pytest.approx((-y, v), abs=1e-12)
    y, v = two_events.log_odds_ratio(a, n1, c, n2, zero=rule)
    assert two_events.log_odds_ratio(n1 - a, n1, n2 - c, n2, zero=rule) == pytest.approx((-y, v), abs=1e-12)
