"""Many pools at once and pools on part of the studies: the same numbers as one at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.regression_data import held

import vfmeta as vf
from vfmeta.core.messages import ConvergenceError
from vfmeta.kernels import estimators

INTERVALS = ("HKSJ", "HKSJ-adhoc", "Wald", "t")


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    k = rng.integers(1, 9, 60)
    v = rng.uniform(0.02, 0.5, k.sum())
    y = rng.normal(0.3, np.sqrt(v + 0.1))
    names = np.repeat([f"q{i:02d}" for i in range(60)], k)
    table = pd.DataFrame({"question": names, "y": y, "v": v, "w": rng.uniform(1, 2, len(v))})
    return table.sample(frac=1, random_state=1).reset_index(drop=True)


def one_by_one(frame: pd.DataFrame, key: str = "question", **choices: Any) -> pd.DataFrame:
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        for _, part in frame.groupby(key, sort=False):
            rows.append(vf.random_effects(y=part["y"], v=part["v"], **choices).to_frame())
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("tau2", ["REML", "DL", "SJ", 0.2])
def test_same_as_one_at_a_time(frame: pd.DataFrame, interval: str, tau2: str | float) -> None:
    many = vf.random_effects_many(frame, **held(tau2), test=interval, tau2_limits=True)
    single = one_by_one(frame, **held(tau2), test=interval)
    assert many["question"].tolist() == list(dict.fromkeys(frame["question"]))
    shared = ["k", "estimate", "se", "ci_low", "ci_high", "prediction_low", "prediction_high", "tau2", "p_value", "q", "q_df",
              "q_p_value", "i2", "tau2_low", "tau2_high"]  # fmt: skip
    for name in shared:
        np.testing.assert_allclose(many[name], single[name], rtol=1e-11, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("prediction", ["fitted", "HTS", "Partlett-Riley"])
@pytest.mark.parametrize("interval", INTERVALS)
def test_prediction_as_one_at_a_time(frame: pd.DataFrame, prediction: str, interval: str) -> None:
    many = vf.random_effects_many(frame, test=interval, prediction=prediction)
    single = one_by_one(frame, test=interval, prediction=prediction)
    for name in ("prediction_low", "prediction_high"):
        np.testing.assert_allclose(many[name], single[name], rtol=1e-11, err_msg=name)


def test_weights_and_common_effect(frame: pd.DataFrame) -> None:
    frame = frame[frame.groupby("question")["y"].transform("size") > 1]
    many = vf.random_effects_many(frame, weights="w", method="GENQ", test="Wald").set_index("question")
    common = vf.random_effects_many(frame, method="common", test="Wald").set_index("question")
    assert "prediction_low" not in common
    for name, part in frame.groupby("question"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", vf.VfmetaWarning)
            fit = vf.random_effects(y=part["y"], v=part["v"], weights=part["w"], method="GENQ", test="Wald")
            flat = vf.common_effect(y=part["y"], v=part["v"])
        assert (many.loc[name, "estimate"], many.loc[name, "se"]) == pytest.approx((fit.estimate, fit.se), rel=1e-12)
        assert (common.loc[name, "i2"], common.loc[name, "h2"]) == pytest.approx((flat.i2, flat.h2), rel=1e-11)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_backends_give_identical_numbers(frame: pd.DataFrame, backend: str) -> None:
    here = vf.random_effects_many(frame)
    there = vf.random_effects_many(frame, backend=backend, jobs=2)
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_backends_that_cannot_be_used(frame: pd.DataFrame) -> None:
    with pytest.raises(vf.InputError, match=r"make a dask\.distributed\.Client first"):
        vf.random_effects_many(frame, backend="dask")
    with pytest.raises(vf.InputError, match="backend='tape' cannot be used"):
        vf.random_effects_many(frame, backend="tape")


def test_kinds_of_keys(frame: pd.DataFrame) -> None:
    base = vf.random_effects_many(frame)
    codes = pd.factorize(frame["question"])[0]
    for key in (codes, pd.Categorical(frame["question"]), codes * 0.5):
        many = vf.random_effects_many(frame.assign(question=key))
        pd.testing.assert_frame_equal(many.drop(columns="question"), base.drop(columns="question"), check_exact=True)
    pairs = frame.assign(a=codes // 2, b=codes % 2)
    two = vf.random_effects_many(pairs, by=["a", "b"])
    assert list(two.columns[:2]) == ["a", "b"]
    np.testing.assert_array_equal(two["estimate"], base["estimate"])
    ordered = frame.sort_values("question")
    again = vf.random_effects_many(ordered.assign(question=pd.factorize(ordered["question"])[0]))
    np.testing.assert_allclose(again["estimate"], base.sort_values("question")["estimate"], rtol=1e-12)


def test_missing_rows(frame: pd.DataFrame) -> None:
    holes = pd.concat([frame, frame.iloc[:2].assign(y=[np.nan, 1.0], v=[0.1, np.nan])], ignore_index=True)
    with pytest.raises(vf.InputError, match=rf"row {len(frame) + 1}, column y: missing value"):
        vf.random_effects_many(holes)
    with pytest.warns(vf.VfmetaWarning, match="2 of"):
        dropped = vf.random_effects_many(holes, missing="drop")
    pd.testing.assert_frame_equal(dropped, vf.random_effects_many(frame), check_exact=True)


BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"by": "topic"}, "no column 'topic'"),
    ({"v": -1.0}, {}, r"row 1, column v: the sampling variance is -1"),
    ({"y": np.inf}, {}, "row 1, column y: the value is infinite"),
    ({"y": "much"}, {}, "row 1, column y: 'much' is text, not a number"),
    ({"question": None}, {}, "row 1, column question: missing value"),
    ({"w": 0.0}, {"weights": "w"}, "row 1, column w: the weight is 0"),
    ({}, {"method": "GENQ"}, "needs weights"),
    ({}, {"method": "best"}, "is unknown"),
    ({}, {"prediction": "bootstrap"}, "one meta-analysis at a time"),
    ({}, {"level": 95}, "between 0 and 1"),
    ({}, {"missing": "skip"}, "missing='skip'"),
]


@pytest.mark.parametrize(("column", "choice", "message"), BAD)
def test_bad_tables(frame: pd.DataFrame, column: dict[str, Any], choice: dict[str, Any], message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        vf.random_effects_many(frame.assign(**column), **choice)
    with pytest.raises(vf.InputError, match="no rows"):
        vf.random_effects_many(frame.iloc[:0])
    with pytest.raises(vf.InputError, match="it must be an effect table, a data frame"):
        vf.random_effects_many([1, 2])


def _pool(k: int = 7, **choices: Any) -> Any:
    rng = np.random.default_rng(2)
    v = rng.uniform(0.02, 0.5, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.random_effects(y=rng.normal(0.3, np.sqrt(v + 0.1)), v=v, study=list("ABCDEFGHIJKLMNOPQRST"[:k]), **choices)


def _again(pool: Any, rows: Any, **choices: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.random_effects(y=pool.y[rows], v=pool.v[rows], **choices)


def test_a_pool_of_one_study_has_the_limits_of_that_study() -> None:
    """Welch's t of 8 and 10 patients: the first row of a cumulative table, and what is left of two."""
    columns = {"mean1": [5.0, 4.0], "sd1": [2.0, 1.0], "n1": [8, 30], "mean2": [7.0, 5.0], "sd2": [3.0, 1.5], "n2": [10, 30]}
    fit = vf.random_effects(vf.effect_size("MD", **columns, study=["a", "b"]))
    v = np.array([2.0**2 / 8, 3.0**2 / 10])
    df = v.sum() ** 2 / (v**2 / [7, 9]).sum()
    half = stats.t.ppf(0.975, df) * np.sqrt(v.sum())
    first, left = vf.cumulative(fit).iloc[0], vf.leave_one_out(fit).iloc[1]
    for row in (first, left):
        assert (row.ci_low, row.ci_high) == pytest.approx((-2 - half, -2 + half))
        assert row.p_value == pytest.approx(2 * stats.t.sf(2 / np.sqrt(v.sum()), df))
        assert row.df == pytest.approx(df)


@pytest.mark.parametrize("tau2", ["REML", "ML", "DL", "PMM", "HSk", 0.1])
@pytest.mark.parametrize("interval", INTERVALS)
def test_leave_one_out_and_cumulative(tau2: str | float, interval: str) -> None:
    pool = _pool(**held(tau2), test=interval)
    left, order = vf.leave_one_out(pool), [3, 1, 6, 0, 2, 5, 4]
    grown = vf.cumulative(pool, order)
    assert left["study"].tolist() == list(pool.labels)
    assert grown["study"].tolist() == [pool.labels[i] for i in order]
    names = ("estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "i2", "q", "q_p_value")
    for i in range(7):
        for table, rows in ((left, np.delete(np.arange(7), i)), (grown, order[: i + 1])):
            want = _again(pool, rows, **held(tau2), test=interval).to_frame().iloc[0]
            np.testing.assert_allclose([table[n][i] for n in names], [want[n] for n in names], rtol=1e-11, atol=1e-14)
    assert vf.cumulative(pool, [pool.labels[i] for i in order]).equals(grown)


@pytest.mark.parametrize("tau2", ["GENQ", "GENQM"])
def test_subsets_with_weights(tau2: str) -> None:
    a = np.array([1.0, 2, 3, 1, 2])
    pool = _pool(5, **held(tau2), weights=a, test="Wald")
    left, grown, all_ = vf.leave_one_out(pool), vf.cumulative(pool), vf.all_subsets(pool)
    for i in range(5):
        rows = np.delete(np.arange(5), i)
        want = _again(pool, rows, **held(tau2), weights=a[rows], test="Wald")
        assert (left["estimate"][i], left["tau2"][i]) == pytest.approx((want.estimate, want.tau2), rel=1e-10, abs=1e-14)
        mask = int(sum(1 << int(r) for r in rows))
        assert all_.set_index("mask")["tau2"][mask] == pytest.approx(want.tau2, rel=1e-10, abs=1e-14)
    assert grown["estimate"].iloc[-1] == pytest.approx(pool.estimate, rel=1e-12)


@pytest.mark.parametrize("tau2", ["REML", "DL"])
def test_all_subsets(tau2: str) -> None:
    pool = _pool(6, **held(tau2))
    table = vf.all_subsets(pool)
    assert table["mask"].tolist() == list(range(1, 64))
    for mask, estimate, found, i2, q in table[["mask", "estimate", "tau2", "i2", "q"]].itertuples(index=False):
        rows = [i for i in range(6) if int(mask) >> i & 1]
        want = _again(pool, rows, **held(tau2))
        assert (estimate, q) == pytest.approx((want.estimate, want.q.statistic), rel=1e-11, abs=1e-13)
        if len(rows) > 1:
            assert (found, i2) == pytest.approx((want.tau2, want.i2), rel=1e-11, abs=1e-13)
        else:
            assert np.isnan([found, i2]).all()
    drawn = vf.all_subsets(pool, draws=50, seed=2)
    assert drawn.equals(vf.all_subsets(pool, draws=50, seed=2))
    merged = table.set_index("mask").loc[drawn["mask"]]
    np.testing.assert_array_equal(merged["estimate"], drawn["estimate"])


def test_thin_and_bad_subsets() -> None:
    single, pair = _pool(1), _pool(2)
    with pytest.raises(vf.InputError, match="leaves nothing"):
        vf.leave_one_out(single)
    assert vf.leave_one_out(pair)["tau2"].isna().all()
    assert vf.cumulative(single)["estimate"].tolist() == [single.estimate]
    with pytest.raises(vf.InputError, match="each of the 2 studies once"):
        vf.cumulative(pair, [0, 0])
    with pytest.raises(vf.InputError, match="order names Z"):
        vf.cumulative(pair, ["A", "Z"])
    with pytest.raises(vf.InputError, match="positions counted from 0"):
        vf.cumulative(pair, [0.5, 1])
    with pytest.raises(vf.InputError, match="A list is not fitted again"):
        vf.leave_one_out([1, 2])
    rng = np.random.default_rng(1)
    with pytest.raises(vf.InputError, match="pass draws="):
        vf.all_subsets(vf.random_effects(y=rng.normal(size=30), v=np.ones(30), test="Wald"))
    with pytest.raises(vf.InputError, match="draws=0"):
        vf.all_subsets(pair, draws=0)


@pytest.mark.parametrize("longest", [10, 30])
def test_threads_change_nothing(longest: int) -> None:
    rng = np.random.default_rng(5)
    y, v = rng.normal(size=60_000), rng.uniform(0.1, 1, 60_000)
    start = np.concatenate([[0], np.cumsum(rng.integers(10, longest + 1, 60_000 // longest))])  # of one size, or of many
    one, two = (estimators.fit_ragged(y, v, np.arange(60_000), start, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_batch_flags_what_one_pool_warns_of() -> None:
    """Effects that agree but for rounding, as real tables have them: q is not exactly 0 and p is nearly so."""
    risks = np.log(np.array([1 / 10, 3 / 30, 12 / 120])) - np.log(np.array([2 / 10, 6 / 30, 24 / 120]))
    risks += np.array([0, 1e-16, 0])
    assert 0 < np.ptp(risks) < 1e-15
    y = np.concatenate([risks, [0.1, 0.5], [0.2], [-0.5, 0.9, 0.1, 0.4]])
    frame = pd.DataFrame({"question": list("aaabbcdddd"), "y": y, "v": [0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.02, 0.03, 0.01, 0.02]})
    table = vf.random_effects_many(frame, tau2_limits=True).set_index("question")
    assert table["zero_width"].tolist() == [True, False, False, False]
    assert table["converged"].all()
    words = {"two studies": "Only two studies", "below 1": "is below 1"}
    words |= {x: x for x in ("identical", "nothing was pooled", "interval of tau2 is empty")}
    for name, group in frame.groupby("question"):
        fit = vf.random_effects(y=group["y"].to_numpy(), v=group["v"].to_numpy())
        for short, long in words.items():
            assert (short in table.loc[name, "notes"]) == any(long in w for w in fit.warnings), (name, short)
    assert table.loc["d", "notes"] == ""
    assert not vf.random_effects_many(frame, test="Wald")["zero_width"].any()


def test_one_group_that_does_not_settle_leaves_the_others_standing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data that may be entered are known to do so, so that the kernel is made to fail."""
    frame = pd.DataFrame({"question": list("xxxyyy"), "y": [0, 1, 2, 0.1, 0.5, 0.2], "v": [1, 1, 1, 0.1, 0.1, 0.1]})
    kernel = estimators.fit_ragged

    def failing(*args: Any, **more: Any) -> np.ndarray:
        out = kernel(*args, **more)
        if len(args[3]) < 3:  # one group
            return out
        out[0, :5] = np.nan
        error = ConvergenceError("did not settle")
        error.rows, error.found = [0], out
        raise error

    monkeypatch.setattr(estimators, "fit_ragged", failing)
    with pytest.warns(vf.VfmetaWarning, match="did not settle for question = .*x"):
        table = vf.random_effects_many(frame)
    alone = vf.random_effects_many(frame[3:])
    assert table["converged"].tolist() == [False, True]
    assert table["notes"][0] == "tau2 did not settle"
    assert table.loc[0, ["estimate", "se", "ci_low", "p_value", "tau2"]].isna().all()
    assert table["estimate"][1] == alone["estimate"][0]


@pytest.mark.parametrize(("column", "said"), [
    ({"y": [0.1, "0,4", None]}, "row 2, column y: '0,4' is text, not a number"),
    ({"y": ["0.1", "0.4", "0.2"]}, "row 1, column y: '0.1' is text, not a number"),
    ({"v": [0.1, True, 0.1]}, "row 2, column v: True is not a number"),
    ({"y": [0.1, [0.4], 0.2]}, r"row 2, column y: \[0.4\] is a list"),
])  # fmt: skip
def test_cells_that_are_no_numbers_are_named_by_row(column: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.random_effects_many({"question": [1, 1, 1], "y": [0.1, 0.4, 0.2], "v": [0.1] * 3} | column)
