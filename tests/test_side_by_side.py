"""Fits side by side in vector registers, and the compiled tails: against brute force, one at a time, and scipy's functions."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import betainc, gammaincc

import vfmeta as vf
from vfmeta.kernels import estimators
from vfmeta.kernels.tails import tails


def _batch(seed: int, sizes: tuple[int, int], span: float, groups: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    start = np.concatenate([[0], np.cumsum(rng.integers(*sizes, groups))])
    v = np.exp(rng.normal(-1, span, start[-1]))
    return rng.normal(0.3, np.sqrt(v + np.repeat(rng.exponential(0.3, groups), np.diff(start)))), v, start


@pytest.mark.parametrize("wants", [0, estimators.PROFILE | estimators.LIKELIHOOD | estimators.TAU2_SE])
@pytest.mark.parametrize("method", ["REML", "ML", "DL", "common"])
@pytest.mark.parametrize(("sizes", "span"), [((1, 9), 0.5), ((2, 5), 3.0), ((1, 90), 1.0), ((60, 69), 0.3)])
def test_neighbours_change_no_bit(method: str, sizes: tuple[int, int], span: float, wants: int) -> None:
    y, v, start = _batch(1, sizes, span)
    many = estimators.fit_ragged(y, v, None, start, method, wants=wants)
    for b in range(len(start) - 1):
        rows = slice(start[b], start[b + 1])
        one = estimators.fit_ragged(y[rows], v[rows], None, np.array([0, start[b + 1] - start[b]]), method, wants=wants)
        np.testing.assert_array_equal(many[b, :9], one[0, :9])
        np.testing.assert_allclose(many[b, 9:], one[0, 9:], rtol=1e-13)  # sums of logarithms: order of summation is free


@pytest.mark.parametrize("sizes", [(2, 9), (1, 70)])
def test_weights_known_at_once(sizes: tuple[int, int]) -> None:
    y, v, start = _batch(6, sizes, 1.5)
    dl, common = (estimators.fit_ragged(y, v, None, start, method) for method in ("DL", "common"))
    for b, (low, high) in enumerate(pairwise(start.tolist())):
        own, w, df = y[low:high], 1 / v[low:high], high - low - 1
        if not df:
            assert np.isnan([dl[b, 0], common[b, 0]]).all()
            continue
        q = (w * (own - w @ own / w.sum()) ** 2).sum()  # DerSimonian & Laird 1986
        tau2 = max((q - df) / (w.sum() - (w**2).sum() / w.sum()), 0)
        np.testing.assert_allclose(common[b, [0, 2, 3, 5]], [0, w @ own / w.sum(), w.sum() ** -0.5, q], rtol=1e-9)
        u = 1 / (v[low:high] + tau2)
        mean = u @ own / u.sum()
        factor = (u * (own - mean) ** 2).sum() / df
        np.testing.assert_allclose(dl[b, [0, 2, 3, 4, 5]], [tau2, mean, u.sum() ** -0.5, factor, q], rtol=1e-9)


def test_order_of_rows_and_groups() -> None:
    y, v, start = _batch(2, (1, 30), 1.0)
    groups = len(start) - 1
    straight = estimators.fit_ragged(y, v, None, start)
    np.testing.assert_array_equal(straight, estimators.fit_ragged(y, v, np.arange(len(y)), start))
    back = np.random.default_rng(3).permutation(groups)
    order = np.concatenate([np.arange(start[b], start[b + 1]) for b in back])
    turned = estimators.fit_ragged(y, v, order, np.concatenate([[0], np.cumsum(np.diff(start)[back])]))
    np.testing.assert_array_equal(turned, straight[back])


def _heights(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, restricted: bool) -> np.ndarray:
    """Log-likelihoods up to a constant, of shape (k,) data at every tau2."""
    w = 1 / (v + tau2[:, None])
    mean = (w * y).sum(1) / w.sum(1)
    out = np.log(w).sum(1) - (w * (y - mean[:, None]) ** 2).sum(1)
    return 0.5 * (out - np.log(w.sum(1)) if restricted else out)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_highest_maximum_of_every_lane(method: str) -> None:
    # precise studies that agree and vague wild ones: often two maxima; every seventh group is a tame one, proved at once
    rng = np.random.default_rng(4)
    groups, k = 600, 5
    scale = np.where(np.arange(groups)[:, None] % 7, [0.001, 0.001, 3, 3, 3], [0.5, 0.6, 0.7, 0.8, 0.9])
    y = rng.normal(0, 1, (groups, k)) * scale
    v = 0.1 * scale**2 * rng.uniform(0.3, 3, (groups, k))
    out = estimators.fit_ragged(y.ravel(), v.ravel(), None, np.arange(0, groups * k + 1, k), method)
    grid = np.concatenate([[0.0], np.geomspace(1e-10, 1e3, 3000)])
    several = 0
    for b in range(groups):
        height = _heights(y[b], v[b], grid, method == "REML")
        own = _heights(y[b], v[b], out[b, :1], method == "REML")[0]
        assert own >= height.max() - 1e-9
        several += int(((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])).sum() + (height[0] > height[1])) > 1
    assert several > 20  # the construction does what it says


@pytest.mark.parametrize("scale", [1e-120, 1e-9, 1.0, 1e9, 1e120])
@pytest.mark.parametrize("method", ["REML", "ML"])
def test_equal_variances_have_a_closed_form(method: str, scale: float) -> None:
    # tau2 = s2 - v for REML, s2 (k - 1) / k - v for ML, s2 the usual variance, and 0 where that is negative
    rng = np.random.default_rng(5)
    k = rng.integers(2, 40, 200)
    start = np.concatenate([[0], np.cumsum(k)])
    y, v = rng.normal(0, 1, start[-1]), np.repeat(rng.choice([0.25, 1.0, 2.0], 200), k)
    out = estimators.fit_ragged(y * scale, v * scale**2, None, start, method)
    for b in range(200):
        rows = y[start[b] : start[b + 1]]
        variance = max(rows.var(ddof=method == "REML") - v[start[b]], 0.0)
        assert out[b, 0] / scale / scale == pytest.approx(variance, rel=1e-12, abs=1e-14)
        assert out[b, 2] / scale == pytest.approx(rows.mean(), rel=1e-12, abs=1e-14)
    assert 0 < np.count_nonzero(out[:, 0]) < 200


def test_subsets_side_by_side_are_subsets_one_by_one() -> None:
    y, v, _ = _batch(6, (11, 12), 2.0, 1)
    fit = vf.random_effects(y=y, v=v, test="Wald")
    table = vf.all_subsets(fit).set_index("mask")
    for mask in np.random.default_rng(7).integers(1, 1 << 11, 100):
        rows = np.flatnonzero(mask >> np.arange(11) & 1)
        one = estimators.fit_ragged(y[rows], v[rows], None, np.array([0, len(rows)]))[0]
        got = table.loc[mask]
        np.testing.assert_array_equal([got["tau2"], got["estimate"], got["se"], got["q"]], one[[0, 2, 3, 5]])


def test_tails() -> None:
    rng = np.random.default_rng(8)
    df = np.repeat(np.arange(1, 501), 40)
    x = np.concatenate([10 ** rng.uniform(-8, 6, len(df) // 2), rng.gamma(2, 2, len(df) // 2)])[rng.permutation(len(df))]
    p, q_p = tails(np.where(rng.random(len(df)) < 0.5, x, -x), x, df, True)
    inner = betainc(0.5, df / 2, x * x / (df + x * x))  # small arguments keep their digits on either side
    t = np.where(inner < 0.5, 1 - inner, betainc(df / 2, 0.5, df / (df + x * x)))
    chi2 = gammaincc(df / 2, x / 2)
    for got, expected, rtol in ((p, t, 1e-13), (q_p, chi2, 3e-13)):  # gammaincc itself errs by 2e-13 here, see below
        far = expected < 1e-290
        np.testing.assert_allclose(got[~far], expected[~far], rtol=rtol)
        np.testing.assert_allclose(got[far], expected[far], atol=1e-289)
        assert far.any()
        assert np.count_nonzero(expected[~far] < 1e-100) > 50


@pytest.mark.parametrize("df", [2, 8, 98, 182, 276, 300])
def test_tails_of_chi2_in_long_arithmetic(df: int) -> None:
    # an even number of degrees of freedom: exp(-q / 2) times the first df / 2 terms of the series of exp(q / 2)
    q = np.concatenate([np.geomspace(1e-8, 1400, 40), [318.9997452427197, 1877.388303214325]])
    got = tails(q, q, np.full(len(q), df), False)[1]
    with localcontext() as context:
        context.prec = 50
        for value, tail in zip(q.tolist(), got.tolist(), strict=True):
            x = Decimal(value) / 2
            term = total = Decimal(1)
            for i in range(1, df // 2):
                term *= x / i
                total += term
            exact = total * (-x).exp()
            if exact > Decimal("1e-300"):
                assert abs(Decimal(tail) / exact - 1) < Decimal("1e-14")


def test_closed_tails() -> None:
    # df 1: 1 - 2 atan(t) / pi and erfc; df 2: 1 - t / sqrt(2 + t^2) and exp(-q / 2); and the ends
    x = np.array([0.0, 1e-9, 0.3, 2.0, 1e5, 1e160, np.inf])
    one, two = np.full(len(x), 1), np.full(len(x), 2)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(tails(x, x, one, True)[0], 2 / np.pi * np.arctan(1 / x), rtol=1e-14)
    np.testing.assert_allclose(
        tails(x, x, two, True)[0][:5], 2 / (2 + x[:5] ** 2) / (1 + x[:5] / np.sqrt(2 + x[:5] ** 2)), rtol=1e-14
    )
    np.testing.assert_allclose(tails(x, x, two, True)[1], np.exp(-x / 2), rtol=1e-14)
    p, q_p = tails(np.array([1.959963984540054, np.nan]), np.array([0.0, np.nan]), np.array([0, 3]), True)
    assert p[0] == pytest.approx(0.05, rel=1e-12)
    assert (q_p[0], np.isnan(p[1]), np.isnan(q_p[1])) == (1.0, True, True)


def test_read_only_tables(tmp_path: Path) -> None:
    y, v, start = _batch(9, (3, 6), 0.5, 20)
    frame = pd.DataFrame({"question": np.repeat(np.arange(20), np.diff(start)), "y": y, "v": v})
    expected = vf.random_effects_many(frame)
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    fits = estimators.fit_ragged(mapped, v, None, start)
    np.testing.assert_array_equal(fits[:, 2], expected["estimate"])
    before = frame.copy(deep=True)
    vf.random_effects_many(frame)
    pd.testing.assert_frame_equal(frame, before)
