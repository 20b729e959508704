"""Effect sizes of every measure: reference cases, other libraries, symmetries, rules for zero cells, bad input."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats
from statsmodels.stats.contingency_tables import Table2x2
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.effects.formulas import FORMULAS, MEASURES, correlations, two_events, two_means

CASES = [
    c
    for c in json.loads((Path(__file__).parent / "reference" / "escalc.json").read_text(encoding="utf-8"))
    if c["family"] == "escalc"
]
NOT_ASKED = {
    "ZPHI", "YUQ", "YUY", "RTET", "ZTET", "PBIT", "MPRD", "MPRR", "MPOR", "MPORC", "MPPETO", "MPORM", "RPB", "ZPB", "RBIS",
    "ZBIS", "PCOR", "ZPCOR", "SPCOR", "ZSPCOR", "R2", "ZR2", "R2F", "ZR2F", "PRZ", "CLESCN", "AUCCN", "ARAW", "AHW", "ABT",
    "REH",
}  # fmt: skip
TWO_BY_TWO = {"events1": [3, 8], "n1": [20, 40], "events2": [6, 5], "n2": [22, 38]}
MEANS = {"mean1": [5.0, 3.0], "sd1": [2.0, 1.5], "n1": [20, 14], "mean2": [4.0, 3.5], "sd2": [2.5, 1.0], "n2": [22, 15]}
RATES = {"events1": [3, 8], "time1": [120.0, 90.0], "events2": [6, 5], "time2": [110.0, 95.0]}


def size(measure: str, values: dict, **options):
    data = pd.DataFrame(values)
    return vf.effect_size(measure, data=data, **{c: c for c in data.columns}, **options)


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_reference(case):
    outcome = check(case)
    if outcome.group == "not offered":
        assert case["options"]["measure"] in NOT_ASKED
    else:
        assert outcome.group == "right"
        assert not outcome.not_compared


def test_two_by_two_as_statsmodels():
    for i in range(2):
        a, n1, c, n2 = (TWO_BY_TWO[x][i] for x in ("events1", "n1", "events2", "n2"))
        other = Table2x2([[a, n1 - a], [c, n2 - c]])
        for measure, y, se in (
            ("OR", other.log_oddsratio, other.log_oddsratio_se), ("RR", other.log_riskratio, other.log_riskratio_se)
        ):  # fmt: skip
            table = size(measure, TWO_BY_TWO)
            assert table.y[i] == pytest.approx(y, rel=1e-12)
            assert np.sqrt(table.v[i]) == pytest.approx(se, rel=1e-12)


@pytest.mark.parametrize(("vtype", "fixed"), [("ST", True), ("CS", False)])
def test_variance_of_phi_by_finite_differences(vtype, fixed):
    cells = np.array([12.0, 30.0, 25.0, 14.0])

    def phi(x):
        return two_events.phi_coefficient(x[0], x[0] + x[1], x[2], x[2] + x[3])[0]

    step = 1e-5 * np.diag(cells)
    slope = np.array([(phi(cells + h) - phi(cells - h)) / (2 * h.max()) for h in step])
    spread = np.zeros((4, 4))
    for block in (slice(0, 2), slice(2, 4)) if fixed else (slice(0, 4),):
        total = cells[block].sum()
        spread[block, block] = np.diag(cells[block]) - np.outer(cells[block], cells[block]) / total
    v = two_events.phi_coefficient(12, 42, 25, 39, vtype=vtype)[1]
    assert v == pytest.approx(slope @ spread @ slope, rel=1e-7)


def test_variance_of_the_probability_of_superiority_by_simulation():
    rng = np.random.default_rng(7)
    n1, n2, reps = 60, 80, 40_000
    a, b = rng.normal(1, 2, (reps, n1)), rng.normal(0, 1, (reps, n2))
    y, v = two_means.probability_of_superiority(a.mean(1), a.std(1, ddof=1), n1, b.mean(1), b.std(1, ddof=1), n2)
    assert v.mean() == pytest.approx(y.var(), rel=0.05)


def test_unbiased_variance_and_correction_of_the_smd_by_simulation():
    rng = np.random.default_rng(5)
    n, reps = 12, 200_000
    a, b = rng.normal(0.8, 1, (reps, n)), rng.normal(0, 1, (reps, n))
    moments = (a.mean(1), a.std(1, ddof=1), n, b.mean(1), b.std(1, ddof=1), n)
    y, v = two_means.standardised_mean_difference(*moments, vtype="UB")
    assert y.mean() == pytest.approx(0.8, abs=0.005)
    assert v.mean() == pytest.approx(y.var(), rel=0.01)


def test_hypergeometric_function_by_quadrature():
    for a, c, z in [(0.5, 9.5, 0.9975), (0.5, 10.0, 0.5), (0.5, 145.5, 0.9975), (1.0, 12.0, 0.99), (1.0, 400.0, 0.9)]:
        scale = np.exp(special.gammaln(c) - special.gammaln(a) - special.gammaln(c - a)) / a
        area = integrate.quad(
            lambda x, a=a, c=c, z=z: (1 - x ** (1 / a)) ** (c - a - 1) * (1 - z * x ** (1 / a)) ** -a, 0, 1, epsabs=0
        )[0]
        assert correlations._hyp2f1(a, np.array([c]), np.array([z]))[0] == pytest.approx(scale * area, rel=1e-9)


def swapped(values: dict) -> dict:
    other = {"1": "2", "2": "1"}
    return {name[:-1] + other[name[-1]]: column for name, column in values.items()}


@pytest.mark.parametrize(
    ("measure", "values"),
    [(m, MEANS) for m in ("MD", "SMD", "SMDH", "ROM", "CVR", "D2OR", "D2ORN")]
    + [("VR", {k: v for k, v in MEANS.items() if "mean" not in k})]
    + [(m, TWO_BY_TWO) for m in ("RR", "OR", "RD", "AS", "PETO", "PHI", "OR2D", "OR2DN")]
    + [(m, RATES) for m in ("IRR", "IRD", "IRSD")],
)
def test_swapping_the_groups_turns_the_sign(measure, values):
    one, two = size(measure, values), size(measure, swapped(values))
    np.testing.assert_allclose(one.y, -two.y, rtol=1e-12)
    np.testing.assert_allclose(one.v, two.v, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.5, 50), min_size=4, max_size=4), st.integers(3, 200), st.integers(3, 200),
    st.floats(-4, 4).map(lambda x: 10**x),
)  # fmt: skip
def test_scale(moments, n1, n2, unit):
    m1, s1, m2, s2 = moments
    arguments, scaled = (m1, s1, n1, m2, s2, n2), (m1 * unit, s1 * unit, n1, m2 * unit, s2 * unit, n2)
    y, v = two_means.mean_difference(*arguments)
    y_there, v_there = two_means.mean_difference(*scaled)
    assert y_there == pytest.approx(y * unit, rel=1e-9, abs=1e-12 * unit * max(m1, m2))
    assert v_there == pytest.approx(v * unit**2, rel=1e-9)
    for make in (two_means.standardised_mean_difference, two_means.smd_unequal_variances, two_means.log_ratio_of_means):
        np.testing.assert_allclose(make(*arguments), make(*scaled), rtol=1e-9, atol=1e-9)


def test_the_same_smd_from_means_d_t_and_p():
    means = size("SMD", MEANS)
    d = [
        (MEANS["mean1"][i] - MEANS["mean2"][i]) / float(two_means.pooled_sd(*(MEANS[x][i] for x in ("sd1", "n1", "sd2", "n2"))))
        for i in (0, 1)
    ]
    sizes = {"n1": MEANS["n1"], "n2": MEANS["n2"]}
    t = [d[i] / np.sqrt(1 / MEANS["n1"][i] + 1 / MEANS["n2"][i]) for i in (0, 1)]
    p = [np.sign(t[i]) * 2 * stats.t.sf(abs(t[i]), MEANS["n1"][i] + MEANS["n2"][i] - 2) for i in (0, 1)]
    for name, values in (("d", d), ("t", t), ("p", p)):
        other = size("SMD", {name: values, **sizes})
        np.testing.assert_allclose(other.y, means.y, rtol=1e-10)
        np.testing.assert_allclose(other.v, means.v, rtol=1e-10)


def test_change_from_its_own_sd_or_from_the_correlation():
    both = {"mean_post": [3.0], "sd_post": [2.0], "mean_pre": [7.0], "sd_pre": [2.5], "n": [30], "r": [0.6]}
    sd = np.sqrt(2.0**2 + 2.5**2 - 2 * 0.6 * 2.0 * 2.5)
    for measure in ("MC", "SMCC"):
        one, two = size(measure, both), size(measure, {"mean_change": [-4.0], "sd_change": [sd], "n": [30]})
        assert one.y[0] == pytest.approx(two.y[0], rel=1e-13)
        assert one.v[0] == pytest.approx(two.v[0], rel=1e-13)
        assert one.y[0] < 0  # pain went down


ZEROS = {"events1": [0, 0, 10, 2], "n1": [20, 15, 10, 10], "events2": [4, 0, 12, 3], "n2": [20, 18, 12, 11]}


def test_ratios_leave_out_studies_without_contrast_and_differences_keep_them():
    with pytest.warns(vf.VfmetaWarning, match="say nothing on a ratio"):
        table = size("OR", ZEROS)
    assert table.labels == ("row 1", "row 4")
    assert [x.label for x in table.left_out] == ["row 2", "row 3"]
    assert len(size("RD", ZEROS)) == len(size("AS", ZEROS)) == 4
    assert len(size("OR", ZEROS, drop00=False)) == 4


def test_the_risk_difference_is_as_counted_unless_asked_otherwise():
    assert size("RD", ZEROS).y[0] == -0.2
    assert size("RD", ZEROS, add_to_estimate=True).y[0] == pytest.approx(0.5 / 21 - 4.5 / 21)
    np.testing.assert_allclose(size("RD", ZEROS).v, size("RD", ZEROS, add_to_estimate=True).v)


def test_peto_needs_no_correction():
    with pytest.warns(vf.VfmetaWarning):
        table = size("PETO", ZEROS)
    expected, variance = 20 * 4 / 40, 20 * 20 * 4 * 36 / (40**2 * 39)
    assert table.y[0] == pytest.approx((0 - expected) / variance, rel=1e-14)
    assert table.v[0] == pytest.approx(1 / variance, rel=1e-14)


@pytest.mark.parametrize(("to", "touched"), [("only0", [True, False]), ("all", [True, True]), ("if0all", [True, True])])
def test_zero_rules(to, touched):
    values = {name: [column[0], column[3]] for name, column in ZEROS.items()}
    plain = size("OR", {k: v[1:] for k, v in values.items()}).y[0]
    assert (size("OR", values, to=to).y[1] != plain) == touched[1]
    if to == "only0":
        assert size("OR", values, zero=to).y.tolist() == size("OR", values, to=to).y.tolist()
    else:  # a rule that changes tables without a zero goes by its own name only
        with pytest.raises(vf.InputError, match=f"Unknown zero rule '{to}'.*to='all'"):
            size("OR", values, zero=to)


@pytest.mark.parametrize("measure", ["AS", "PHI", "PETO", "OR", "RR"])
def test_adding_to_all_cells_is_the_measure_of_larger_cells(measure):
    more = {name: [x + (0.5 if name.startswith("e") else 1) for x in column] for name, column in TWO_BY_TWO.items()}
    one, two = size(measure, TWO_BY_TWO, to="all", add=0.5), size(measure, more)
    np.testing.assert_allclose(one.y, two.y, rtol=1e-13)
    np.testing.assert_allclose(one.v, two.v, rtol=1e-13)


def test_no_correction_is_refused_where_the_ratio_does_not_exist():
    values = {name: [column[0], column[3]] for name, column in ZEROS.items()}
    with pytest.raises(vf.InputError, match=r"row 1: OR does not exist.*zero='only0'"):
        size("OR", values, zero="none")
    with pytest.warns(vf.VfmetaWarning, match="does not exist there: row 1"):
        assert size("OR", values, zero="none", missing="drop").labels == ("row 2",)
    nothing = {"events1": [0], "n1": [9], "events2": [0], "n2": [8]}
    with pytest.raises(vf.InputError, match=r"sampling variance of the RD is 0.*zero='only0'"):
        size("RD", nothing, zero="none")
    with pytest.warns(vf.VfmetaWarning, match="sampling variance of the RD is 0"):  # the difference exists, so the row stays
        assert size("RD", nothing, zero="none", missing="drop").y.tolist() == [0.0]


@pytest.mark.parametrize(
    ("measure", "values", "message"),
    [
        ("MD", MEANS | {"sd1": [0.0, 1.0]}, r"row 1, column sd1: an SD must be greater than 0"),
        ("SMD", MEANS | {"n2": [1, 15]}, "column n2: an arm needs at least 2 patients"),
        ("OR", TWO_BY_TWO | {"events1": [30, 8]}, "more events than the total"),
        ("OR", TWO_BY_TWO | {"events1": [-1, 8]}, "a count cannot be negative"),
        ("IRR", RATES | {"time1": [0.0, 9.0]}, "person-time must be greater than 0"),
        ("ZCOR", {"r": [1.2], "n": [20]}, "a correlation must lie between -1 and 1"),
        ("ZCOR", {"r": [0.2], "n": [3]}, "more than 3 patients are needed"),
        ("ROM", MEANS | {"mean1": [-5.0, 3.0]}, "row 1: ROM does not exist.*one sign"),
        ("MNLN", {"mean": [-1.0], "sd": [1.0], "n": [9]}, "the mean must be above 0"),
        ("SMD1", {"mean1": [3.0], "n1": [9], "mean2": [2.0], "sd2": [1.0], "n2": [2]}, "SMD1 does not exist"),
        ("SMD", {"p": [0.0], "n1": [9], "n2": [9]}, "a p value must lie between 0 and 1"),
        ("MD", {"mean1": [1.0]}, "missing: .*not known: none"),
        ("MD", MEANS | {"mean1": ["five", 3.0]}, "'five' is text, not a number"),
        ("MD", MEANS | {"mean1": [None, 3.0]}, "row 1, column mean1: missing value"),
        ("XYZ", MEANS, "Unknown measure 'XYZ'"),
    ],
)  # fmt: skip
def test_bad_input_is_named(measure, values, message):
    with pytest.raises(vf.InputError, match=message):
        size(measure, values)


def test_bad_options_are_named():
    with pytest.raises(vf.InputError, match="MD has no variance type 'UB'; it offers LS, HO"):
        size("MD", MEANS, vtype="UB")
    with pytest.raises(vf.InputError, match="Unknown zero rule 'sometimes'"):
        size("OR", TWO_BY_TWO, to="sometimes")
    with pytest.raises(vf.InputError, match="two names of one rule"):
        size("OR", TWO_BY_TWO, to="all", zero="none")
    with pytest.raises(vf.InputError, match="add=-1"):
        size("OR", TWO_BY_TWO, add=-1)


def test_row_numbers_stay_those_of_the_data_when_rows_are_dropped():
    values = {name: [column[0], *column] for name, column in MEANS.items()}
    values["mean1"][0], values["sd1"][2] = None, -1.0
    with pytest.raises(vf.InputError, match="row 3"):
        size("MD", values, missing="drop")


@pytest.mark.parametrize("measure", sorted(FORMULAS))
def test_every_measure_gives_finite_numbers_on_plain_data(measure):
    plain = {
        "mean": 5.0, "sd": 2.0, "n": 30, "r": 0.4, "events": 7, "time": 90.0, "d": 0.4, "t": 2.0, "p": 0.03, "mean_change": 1.0,
        "sd_change": 2.0, "mean_post": 4.0, "sd_post": 2.0, "mean_pre": 6.0, "sd_pre": 1.8,
        "hr": 0.7, "ci_low": 0.5, "ci_high": 0.98, "oe": -3.0, "oe_v": 10.0,
    }  # fmt: skip
    for names in MEASURES[measure].inputs:
        values = {x: [plain.get(x, plain.get(x[:-1]))] for x in names}
        for vtype in MEASURES[measure].vtypes:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                table = size(measure, values, vtype=vtype)
            assert np.isfinite([table.y[0], table.v[0]]).all()
            assert table.v[0] > 0


def test_study_intervals():
    table = size("MD", MEANS)
    found = vf.study_intervals(table, test="Wald", level=0.9)
    assert found["study"].tolist() == ["row 1", "row 2"]
    assert found["ci_high"][0] == pytest.approx(1 + stats.norm.ppf(0.95) * np.sqrt(4 / 20 + 6.25 / 22))
    assert vf.study_intervals(y=[0.0], v=[0.0])["p_value"].isna().all()
    with pytest.raises(vf.InputError, match="v at least 0"):
        vf.study_intervals(y=[1.0], v=[-1.0])
    with pytest.raises(vf.InputError, match="level=95"):
        vf.study_intervals(y=[1.0], v=[1.0], level=95)
