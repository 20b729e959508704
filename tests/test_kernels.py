"""Batched kernels: a batch of many is many batches of one; hard likelihoods; root finding."""

from __future__ import annotations

import numpy as np
import pytest

from vfmeta.core.messages import ConvergenceError
from vfmeta.kernels import estimators
from vfmeta.kernels.roots import bracketed_roots
from vfmeta.kernels.tau2 import ESTIMATORS


def _batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    y, v = rng.normal(0, 1, (40, 9)), rng.uniform(0.01, 1, (40, 9))
    mask = rng.random((40, 9)) < 0.7
    mask[:, :2] = True
    y[~mask], v[~mask] = np.nan, np.nan
    return y, v, mask


def _alone(y: np.ndarray, v: np.ndarray, method: str) -> np.ndarray:
    return estimators.fit_ragged(y, v, None, np.array([0, len(y)]), method, wants=estimators.PROFILE)[0]


@pytest.mark.parametrize("method", [m for m, e in sorted(ESTIMATORS.items()) if not e.weighted and e.about is None])
def test_batch_equals_single_fits_and_their_definitions(method: str) -> None:
    y, v, mask = _batch()
    start = np.concatenate([[0], np.cumsum(mask.sum(1))])
    rows = np.flatnonzero(mask)
    out = estimators.fit_ragged(y.ravel(), v.ravel(), rows, start, method, wants=estimators.PROFILE)
    assert out.shape[0] == 40
    for found, here, yi, vi in zip(out, mask, y, v, strict=True):
        yi, vi = yi[here], vi[here]
        assert list(_alone(yi, vi, method)) == pytest.approx(list(found), rel=1e-10, abs=1e-14, nan_ok=True)
        tau2, estimate, se, factor = found[[0, 2, 3, 4]]
        w = 1 / (vi + tau2)
        assert estimate == pytest.approx(w @ yi / w.sum(), rel=1e-9, abs=1e-12)
        assert se == pytest.approx(w.sum() ** -0.5, rel=1e-9)
        assert factor == pytest.approx(w @ (yi - estimate) ** 2 / (len(yi) - 1), rel=1e-8)


def test_reml_takes_the_highest_of_several_maxima() -> None:
    # two precise studies that agree and a few wild vague ones: one maximum at zero, another far away
    rng = np.random.default_rng(3)
    found = at_zero = 0
    for _ in range(400):
        k = 5
        y = rng.normal(0, 1, k) * np.array([0.001, 0.001, 3, 3, 3])
        v = np.array([1e-6, 1e-6, 0.3, 0.3, 0.3]) * rng.uniform(0.3, 3, k)
        tau2 = _alone(y, v, "REML")[0]
        grid = np.concatenate([[0.0], np.geomspace(1e-10, 1e3, 3000)])
        w = 1 / (v + grid[:, None])
        m = (w * y).sum(1) / w.sum(1)
        height = -0.5 * (np.log(v + grid[:, None]).sum(1) + np.log(w.sum(1)) + (w * (y - m[:, None]) ** 2).sum(1))
        wt = 1 / (v + tau2)
        mt = wt @ y / wt.sum()
        own = -0.5 * (np.log(v + tau2).sum() + np.log(wt.sum()) + wt @ (y - mt) ** 2)
        assert own >= height.max() - 1e-9
        inner = (height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])
        modes = int(inner.sum()) + int(height[0] > height[1])
        found += modes > 1
        at_zero += modes > 1 and tau2 == 0
    assert found > 5  # the construction does what it says
    assert at_zero > 0


def test_dominating_study_costs_no_digits() -> None:
    # weights 1e16 : 1 : 1; exact sums in integers give tau2_DL
    from fractions import Fraction as F

    y, v = [F(0), F(3), F(8)], [F(1, 10**16), F(1), F(1)]
    w = [1 / x for x in v]
    total = sum(w)
    mean = sum(a * b for a, b in zip(w, y, strict=True)) / total
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    c = total - sum(a * a for a in w) / total
    exact = float((q - 2) / c)
    got = _alone(np.array([0.0, 3.0, 8.0]), np.array([1e-16, 1.0, 1.0]), "DL")[0]
    assert got == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("method", [m for m, e in sorted(ESTIMATORS.items()) if not e.weighted and e.about is None])
def test_one_study_is_not_estimable(method: str) -> None:
    assert np.isnan(_alone(np.array([1.0]), np.array([0.5]), method)[0])


def test_root_finder() -> None:
    target = np.array([1e-8, 0.3, 2.0, 50.0])
    roots = bracketed_roots(lambda x, i: x**3 - target[i], np.zeros(4), np.full(4, 10.0))
    assert roots == pytest.approx(np.cbrt(target), rel=1e-14)
    with pytest.raises(ConvergenceError, match="without a sign change"):
        bracketed_roots(lambda x, _: x + 1, np.zeros(1), np.ones(1))
    with pytest.raises(ConvergenceError, match="No convergence"):
        bracketed_roots(lambda x, _: x**3 - 2, np.zeros(1), np.ones(1) * 9, max_iter=3)
