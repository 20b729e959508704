"""Frequentist engine: hand-worked cases, second opinions, equivariance, thin data and bad input."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.core.question import Question
from vfmeta.results.fit import FrequentistResult

Y = np.array([-0.9, -1.6, -0.2, 0.3, -1.1, -0.6])
V = np.array([0.3, 0.2, 0.05, 0.09, 0.4, 0.02])
METHODS = ("REML", "DL", "PM")
INTERVALS = ("HKSJ", "HKSJ-adhoc", "Wald")


def quiet(function: Any, *args: Any, **kwargs: Any) -> FrequentistResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return function(*args, **kwargs)


def test_hand_worked_dersimonian_laird() -> None:
    # weights 4, 4, 1; mean 3; Q = 4(4) + 4(1) + 1(4) ... worked with y = 1, 4, 7
    fit = vf.random_effects(y=[1, 4, 7], v=[0.25, 0.25, 1.0], method="DL", test="Wald")
    mean = (4 * 1 + 4 * 4 + 7) / 9  # 3
    q = 4 * (1 - mean) ** 2 + 4 * (4 - mean) ** 2 + (7 - mean) ** 2  # 16 + 4 + 16 = 36
    tau2 = (q - 2) / (9 - (16 + 16 + 1) / 9)  # 34 / (48 / 9) = 6.375
    assert fit.q.statistic == pytest.approx(36, rel=1e-14)
    assert fit.tau2 == pytest.approx(6.375, rel=1e-14)
    assert tau2 == pytest.approx(6.375, rel=1e-14)
    w = 1 / (np.array([0.25, 0.25, 1.0]) + 6.375)
    assert fit.estimate == pytest.approx(float(w @ [1, 4, 7] / w.sum()), rel=1e-14)
    assert fit.se == pytest.approx(float(w.sum() ** -0.5), rel=1e-14)
    assert fit.weights == pytest.approx(100 * w / w.sum(), rel=1e-14)
    assert fit.i2 == pytest.approx(100 * (36 - 2) / 36, rel=1e-12)  # for DL the two definitions of I2 coincide
    assert fit.interval[1] - fit.estimate == pytest.approx(1.959963984540054 * fit.se, rel=1e-12)


def test_equal_variances_have_closed_answers() -> None:
    # with one variance v every estimator is s^2 - v, and Hartung-Knapp is the t interval of the plain mean
    y = np.array([0.2, 1.9, -0.7, 1.1, 2.6])
    s2 = y.var(ddof=1)
    for method in METHODS:
        fit = vf.random_effects(y=y, v=np.full(5, 0.3), method=method)
        assert fit.tau2 == pytest.approx(s2 - 0.3, rel=1e-10)
        assert fit.estimate == pytest.approx(y.mean(), rel=1e-12)
        assert fit.se == pytest.approx(math.sqrt(s2 / 5), rel=1e-10)
        half = 2.7764451051977987 * math.sqrt(s2 / 5)
        assert fit.interval == pytest.approx((y.mean() - half, y.mean() + half), rel=1e-10)
        reach = 2.7764451051977987 * math.sqrt(s2 / 5 + s2 - 0.3)
        assert fit.prediction == pytest.approx((y.mean() - reach, y.mean() + reach), rel=1e-10)


def test_statsmodels_agrees() -> None:
    sm = pytest.importorskip("statsmodels.stats.meta_analysis")
    for method, name in (("DL", "dl"), ("PM", "iterated")):
        theirs = sm.combine_effects(Y, V, method_re=name, use_t=False, atol=1e-13)
        ours = vf.random_effects(y=Y, v=V, method=method, test="HKSJ")
        wald = vf.random_effects(y=Y, v=V, method=method, test="Wald")
        assert ours.tau2 == pytest.approx(theirs.tau2, rel=1e-7)
        assert ours.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-7)
        assert wald.se == pytest.approx(theirs.sd_eff_w_re, rel=1e-7)
        assert ours.se == pytest.approx(theirs.sd_eff_w_re_hksj, rel=1e-7)
        assert ours.q.statistic == pytest.approx(theirs.q, rel=1e-10)


def test_reml_and_profile_solve_their_equations() -> None:
    from scipy.stats import chi2

    fit = quiet(vf.random_effects, y=Y, v=V)
    assert fit.tau2 is not None

    def restricted(t: float) -> float:
        w = 1 / (V + t)
        m = w @ Y / w.sum()
        return float(-0.5 * (np.log(V + t).sum() + np.log(w.sum()) + w @ (Y - m) ** 2))

    assert all(restricted(fit.tau2) >= restricted(t) for t in np.linspace(0, 10, 2001))
    assert fit.tau2_interval is not None
    for limit, p in zip(fit.tau2_interval, (0.975, 0.025), strict=True):
        w = 1 / (V + limit)
        assert w @ (Y - w @ Y / w.sum()) ** 2 == pytest.approx(chi2.ppf(p, 5), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("unit", [1e-4, 1e4, 1e-60, 1e60])
def test_units_do_not_matter(method: str, interval: str, unit: float) -> None:
    one, other = (quiet(vf.random_effects, y=Y * u, v=V * u * u, method=method, test=interval) for u in (1.0, unit))
    assert other.tau2 == pytest.approx(one.tau2 * unit**2, rel=1e-12)
    assert other.estimate == pytest.approx(one.estimate * unit, rel=1e-12)
    assert np.array(other.interval) / unit == pytest.approx(one.interval, rel=1e-11)
    assert np.array(other.prediction) / unit == pytest.approx(one.prediction, rel=1e-11)
    assert np.array(other.tau2_interval) / unit**2 == pytest.approx(one.tau2_interval, rel=1e-11)
    assert (other.i2, other.p_value, other.q.statistic) == pytest.approx((one.i2, one.p_value, one.q.statistic), rel=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_shift_and_order_do_not_matter(method: str) -> None:
    one = quiet(vf.random_effects, y=Y, v=V, method=method)
    shifted = quiet(vf.random_effects, y=Y + 64.0, v=V, method=method)
    order = np.array([3, 0, 5, 1, 4, 2])
    mixed = quiet(vf.random_effects, y=Y[order], v=V[order], method=method)
    assert shifted.tau2 == pytest.approx(one.tau2, rel=1e-11)
    assert shifted.estimate - 64 == pytest.approx(one.estimate, rel=1e-11)
    assert mixed.estimate == pytest.approx(one.estimate, rel=1e-13)
    assert mixed.tau2 == pytest.approx(one.tau2, rel=1e-12)
    assert mixed.weights == pytest.approx(one.weights[order], rel=1e-12)


def test_no_heterogeneity_is_exactly_zero() -> None:
    for method in METHODS:
        fit = quiet(vf.random_effects, y=[0.1, 0.12, 0.11, 0.09], v=[0.2, 0.3, 0.1, 0.4], method=method)
        assert fit.tau2 == 0.0
        assert fit.i2 == 0.0
    common = quiet(vf.common_effect, y=[0.1, 0.12, 0.11, 0.09], v=[0.2, 0.3, 0.1, 0.4])
    assert common.i2 == 0.0
    assert common.tau2 == 0.0
    assert common.prediction is None
    assert common.model == "common"


def test_empty_profile_interval_is_none_and_said() -> None:
    with pytest.warns(vf.VfmetaWarning, match="Q-profile interval of tau2 is empty"):
        fit = vf.random_effects(y=[0.1, 0.1001, 0.0999, 0.1], v=[1.0, 1.2, 0.9, 1.0])
    assert fit.tau2_interval is None


def test_profile_limit_is_not_cut() -> None:
    y, v = np.array([-900.0, 0.0, 1000.0]), np.array([1.0, 2.0, 1.5])
    fit = quiet(vf.random_effects, y=y, v=v)
    assert fit.tau2_interval is not None
    assert fit.tau2_interval[1] > 3e7  # S / chi2(0.025, 2) is about 1.8e6 / 0.0506
    w = 1 / (v + fit.tau2_interval[1])
    assert w @ (y - w @ y / w.sum()) ** 2 == pytest.approx(0.05063561596857975, rel=1e-9)


def test_estimate_outside_its_profile_interval_is_said() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        y, v = rng.normal(0, 1, 6), rng.uniform(0.001, 1, 6) ** 2
        fit = quiet(vf.random_effects, y=y, v=v, level=0.5)
        if fit.tau2_interval is not None:
            outside = not fit.tau2_interval[0] <= fit.tau2 <= fit.tau2_interval[1]
            assert outside == any("outside its Q-profile interval" in w for w in fit.warnings)


def test_single_trial() -> None:
    with pytest.warns(vf.VfmetaWarning, match="nothing was pooled"):
        fit = vf.random_effects(y=[-0.5], v=[0.04], study=["A"])
    assert (fit.model, fit.k) == ("single trial", 1)
    assert (fit.tau2, fit.prediction, fit.i2, fit.tau2_interval) == (None, None, None, None)
    assert fit.interval == pytest.approx((-0.5 - 1.959963984540054 * 0.2, -0.5 + 1.959963984540054 * 0.2), rel=1e-12)
    assert fit.weights.tolist() == [100.0]
    assert fit.test == "Wald"
    assert quiet(vf.common_effect, y=[-0.5], v=[0.04]).interval == fit.interval


def test_two_trials() -> None:
    with pytest.warns(vf.VfmetaWarning, match="Only two studies"):
        fit = vf.random_effects(y=[0.1, 0.9], v=[0.04, 0.05])
    assert fit.df == 1
    assert fit.prediction is None
    assert fit.interval[1] - fit.estimate == pytest.approx(12.706204736174694 * fit.se, rel=1e-9)


def test_identical_effects() -> None:
    with pytest.warns(vf.VfmetaWarning, match="width zero"):
        fit = vf.random_effects(y=[0.3] * 4, v=[0.1, 0.2, 0.3, 0.4])
    assert fit.se == 0.0
    assert fit.interval == (0.3, 0.3)
    assert fit.p_value == 0.0
    assert fit.adhoc_interval is not None
    assert fit.adhoc_interval[0] < 0.3 < fit.adhoc_interval[1]
    null = quiet(vf.random_effects, y=[0.0] * 4, v=[0.1, 0.2, 0.3, 0.4])
    assert (null.statistic, null.p_value) == (0.0, 1.0)


def test_adhoc_interval_stands_beside_when_q_is_small() -> None:
    y, v = [0.1, 0.15, 0.05, 0.12], [0.1, 0.2, 0.1, 0.2]
    with pytest.warns(vf.VfmetaWarning, match="ad hoc interval"):
        fit = vf.random_effects(y=y, v=v)
    assert fit.adhoc_interval == pytest.approx(quiet(vf.random_effects, y=y, v=v, test="HKSJ-adhoc").interval)
    assert quiet(vf.random_effects, y=[0, 2, 0, 2.2], v=[1, 0.1, 1.1, 0.2], method="DL").adhoc_interval is None
    assert quiet(vf.random_effects, y=Y, v=V, method="PM").adhoc_interval is None  # its q is one by definition


def test_table_in_and_json_round_trip() -> None:
    question = Question(measure="MD", experimental="a", control="b", outcome="pain", higher_is_worse=True, points=(0, 10))
    table = SimpleNamespace(
        y=Y, v=V, labels=tuple("ABCDEF"), question=question, details=tuple({"week": i} for i in range(6)), vcov=np.diag(V)
    )
    fit = quiet(vf.random_effects, table)
    assert fit.labels == tuple("ABCDEF")
    assert fit.question is question
    assert fit.details[3] == {"week": 3}
    assert fit.favours == "a"
    back = FrequentistResult.from_dict(json.loads(fit.to_json()))
    assert back.to_json() == fit.to_json()
    table.vcov = np.diag(V) + 0.01
    with pytest.raises(vf.InputError, match="share patients"):
        vf.random_effects(table)


def test_missing_rows_are_dropped_by_name() -> None:
    y = [0.1, None, 0.4, math.nan, 0.6]
    with pytest.raises(vf.InputError) as caught:
        vf.random_effects(y=y, v=[0.1] * 5, study=list("ABCDE"))
    assert len(caught.value.problems) == 2
    assert "row 2 (B), column y: missing value" in caught.value.problems[0]
    assert 'missing="drop"' in caught.value.problems[0]
    with pytest.warns(vf.VfmetaWarning, match=r"Left out because a value is missing: B \(row 2: y\), D \(row 4: y\)"):
        fit = vf.random_effects(y=y, v=[0.1] * 5, study=list("ABCDE"), missing="drop")
    assert fit.labels == ("A", "C", "E")
    assert fit.k == 3
    with pytest.raises(vf.InputError, match="Every row has a missing"):
        vf.random_effects(y=[None, None], v=[1, 1], missing="drop")


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no studies", {"y": [], "v": []}, "k = 0"),
    ("nothing given", {}, "Give an effect table, or y="),
    ("y only", {"y": [1.0]}, "or y= .effects. with one of v="),
    ("array first", {"data": [1, 2, 3]}, "data is a list; it must be an effect table, a data frame"),
    ("lengths", {"y": [1, 2, 3], "v": [1, 1]}, "y has 3 values and v has 2"),
    ("matrix", {"y": [[1, 2]], "v": [[1, 1]]}, "row 1, column y: .* is a list"),
    ("scalar", {"y": 1.0, "v": 1.0}, "one-dimensional"),
    ("one text", {"y": "1,2", "v": [1, 1]}, "y='1,2' is the name of a column; pass data="),
    ("zero variance", {"y": [1, 2], "v": [0.1, 0.0], "study": ["A", "B"]}, r"row 2 \(B\), column v: .* variance is 0"),
    ("negative variance", {"y": [1, 2], "v": [-1, 1]}, r"row 1 \(study 1\), column v: the sampling variance is -1"),
    ("infinite", {"y": [1, math.inf], "v": [1, 1]}, r"row 2 \(study 2\), column y: the value is infinite"),
    ("infinite variance", {"y": [1, 2], "v": [1, math.inf]}, "column v: the value is infinite"),
    ("text", {"y": [1, "2.5 mm"], "v": [1, 1]}, "'2.5 mm' is text, not a number"),
    ("complex", {"y": [1, 2j], "v": [1, 1]}, "is not a number"),
    ("duplicate", {"y": [1, 2, 3], "v": [1, 1, 1], "study": ["A", "B", "A"]}, r"rows 1 and 3.*'A' stands more than once"),
    ("labels short", {"y": [1, 2], "v": [1, 1], "study": ["A"]}, "y has 2 values and study has 1"),
    ("labels text", {"y": [1, 2], "v": [1, 1], "study": "AB"}, "study='AB' is the name of a column; pass data="),
    ("label empty", {"y": [1, 2], "v": [1, 1], "study": ["A", None]}, "row 2, column study: empty name"),
    ("method", {"y": [1, 2], "v": [1, 1], "method": "MLE"}, "method='MLE' is unknown"),
    ("interval", {"y": [1, 2], "v": [1, 1], "test": "z"}, "test='z' is unknown"),
    ("level", {"y": [1, 2], "v": [1, 1], "level": 95}, "for 95% write 0.95"),
    ("level text", {"y": [1, 2], "v": [1, 1], "level": "0.95"}, "must be a number between 0 and 1"),
    ("missing", {"y": [1, 2], "v": [1, 1], "missing": "skip"}, "missing='skip' is unknown"),
    ("question", {"y": [1, 2], "v": [1, 1], "question": "pain"}, "question is a str"),
    ("overflow", {"y": [1e308, -1e308, 0], "v": [1e-300, 1, 1]}, r"row 1 .*column y: 1e\+308 is too large to compute with"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        vf.random_effects(**given)


def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(vf.InputError) as caught:
        vf.random_effects(y=[math.nan, "x", 3], v=[1, -1, math.inf], study=["A", "B", "C"])
    assert len(caught.value.problems) == 4
    assert str(caught.value).startswith("4 problems:")


def test_table_and_arrays_together_are_refused() -> None:
    table = SimpleNamespace(y=Y, v=V, labels=tuple("ABCDEF"), question=Question(), details=(), vcov=None)
    with pytest.raises(vf.InputError, match="Both an effect table and y=, v= were given"):
        vf.random_effects(table, y=Y, v=V)


def test_warnings_are_emitted_and_stored() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit = vf.random_effects(y=[0.1, 0.9], v=[0.04, 0.05])
    assert [str(w.message) for w in seen] == list(fit.warnings)
    assert seen[0].filename == __file__


def test_warnings_from_deep_inside_name_the_line_of_the_user(tmp_path: Path) -> None:
    """However many functions lie between: names in two lines of a sheet, studies without which a model cannot be fitted."""
    (tmp_path / "two.csv").write_text("study,CBT,,,WL,,\n,mean,sd,n,mean,sd,n\nA,14,8,24,23,9,24\nB,12,7,30,20,8,31\n")
    fit = vf.multivariate(
        y=[1, 2, 1.5, 1.2], v=[0.1] * 4, data={"trial": [1, 1, 2, 3], "es": [1, 2, 3, 4]}, random="1 | trial/es"
    )
    for verb in (lambda: vf.read(tmp_path / "two.csv"), lambda: vf.influence(fit)):
        with pytest.warns(vf.VfmetaWarning) as seen:
            verb()
        assert {w.filename for w in seen} == {__file__}


def test_random_input_never_gives_a_nan() -> None:
    rng = np.random.default_rng(1)
    for _ in range(400):
        k = int(rng.integers(1, 9))
        y = rng.normal(size=k) * 10.0 ** rng.integers(-8, 8) * rng.integers(0, 2)
        v = 10.0 ** rng.uniform(-12, 12, k)
        fit = quiet(vf.random_effects, y=y, v=v, method=METHODS[rng.integers(3)], test=INTERVALS[rng.integers(3)])
        for value in dataclasses.asdict(fit).values():
            if isinstance(value, (float, tuple, np.ndarray)):
                flat = [x for x in np.ravel(np.array(value, dtype=object)) if isinstance(x, float)]
                assert not any(math.isnan(x) for x in flat)
