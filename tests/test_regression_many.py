"""Many meta-regressions at once: each is the one that the single fit finds, and what is built on them."""

from __future__ import annotations

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.kernels.least_squares import CollinearError
from vfmeta.kernels.regression import fit, fit_many

METHODS = ["REML", "ML", "DL", "DL2", "PM", "PMM", "EB", "HE", "HS", "HSk", "SJ", "SJIT", "DLIT", "common", "GENQ", "GENQM"]


def some(giant: bool) -> tuple[np.ndarray, ...]:
    """Effects far from zero, a moderator in the thousands, rows permuted and drawn again; one draw without rank."""
    rng = np.random.default_rng(5)
    k, n = 15, 12
    x = np.column_stack([np.ones(k), rng.normal(2000, 10, k), rng.integers(0, 2, k)])
    v = rng.uniform(0.01, 0.5, k)
    if giant:
        v[0] = 1e-8
    rows = np.stack([rng.permutation(k) for _ in range(n)])
    rows[-4:] = rng.integers(k, size=(4, k))
    rows[-1] = 3
    y = 100 + rng.normal(0, 1, (n, k)) * np.sqrt(v + rng.choice([0, 0.3], (n, 1)))
    return y, np.tile(v, (n, 1)), x, rows, rng.uniform(1, 4, (n, k))


def by_lstsq(y, v, x, tau2, test, weights) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their covariance at a value of tau2, by the pseudo-inverse of the weighted design."""
    w = 1 / (v + tau2)
    a = w if weights is None else weights
    map_ = np.linalg.pinv(np.sqrt(a)[:, None] * x, rcond=1e-14) * np.sqrt(a)
    beta = map_ @ y
    best = np.linalg.pinv(np.sqrt(w)[:, None] * x, rcond=1e-14) @ (np.sqrt(w) * y)
    factor = w @ (y - x @ best) ** 2 / (len(y) - x.shape[1])
    factor = {"Wald": 1.0, "HKSJ": factor, "HKSJ-adhoc": max(1.0, factor)}[test]
    return beta, factor * (map_ / w) @ map_.T


@pytest.mark.parametrize("giant", [False, True])
@pytest.mark.parametrize("test", ["HKSJ", "HKSJ-adhoc", "Wald"])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_each_is_what_it_is_alone_and_least_squares_at_its_tau2(method, test, giant):
    y, v, x, rows, weights = some(giant)
    for w in (weights,) if method.startswith("GENQ") else (None, weights):
        many = fit_many(y, v, x, rows, method, test, w, errors=True)
        assert many.collinear.tolist() == [False] * 11 + [True]
        assert not many.unsettled.any()
        for b in range(11):
            own = None if w is None else w[b]
            one = fit(y[b], v[b], x[rows[b]], method, test, own)
            for name in ("tau2", "tau2_se", "q", "trace", "vb", "w", "hat"):  # sums may be grouped in other ways
                np.testing.assert_allclose(getattr(many, name)[b], getattr(one, name), rtol=1e-12, atol=1e-15)
            beta, covariance = by_lstsq(y[b], v[b], x[rows[b]], one.tau2, test, own)
            se = np.sqrt(np.diag(covariance))
            np.testing.assert_allclose(many.beta[b] / se, beta / se, rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(many.vb[b] / np.outer(se, se), covariance / np.outer(se, se), rtol=1e-7, atol=1e-8)
    with pytest.raises(CollinearError):
        fit(y[11], v[11], x[rows[11]], method, test, weights[11])


def test_identical_effects_and_saturated_designs():
    x, rows = np.column_stack([np.ones(4), np.arange(4.0)]), np.arange(4)[None]
    flat = fit_many(np.full((1, 4), 0.7), np.ones((1, 4)), x, rows, "REML", "HKSJ")
    assert flat.tau2[0] == 0
    assert flat.beta[0] == pytest.approx([0.7, 0], abs=1e-14)
    assert flat.vb[0] == pytest.approx(np.zeros((2, 2)), abs=1e-28)
    full = fit_many(np.array([[1.0, 3.0]]), np.ones((1, 2)), x[:2], rows[:, :2], "common", "Wald")
    assert full.beta[0] == pytest.approx([1, 2])


def by_hand(r, method, draws):
    """P values from refits with the public function, the arrangements drawn as the test draws them."""
    rng, beyond = np.random.default_rng(1), np.ones(r.p)
    for _ in range(draws - 1):
        x = r.design.x[rng.permutation(r.k)]
        with np.errstate(all="ignore"):
            other = vf.meta_regression(y=r.y, v=r.v, formula=None, x=x, names=r.terms, method=method, test=r.test)
        beyond += np.abs(other.statistic) >= np.abs(r.statistic) * (1 - 1e-8)
    return beyond / draws


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
@pytest.mark.parametrize(("method", "interval"), [("REML", "HKSJ"), ("PM", "t"), ("DL", "Wald"), ("REML", "KR")])
def test_permutation_p_values_are_those_of_refits(method, interval):
    rng = np.random.default_rng(8)
    given = {"y": rng.normal(0, 0.5, 12), "v": rng.uniform(0.02, 0.3, 12), "data": {"dose": rng.normal(10, 3, 12)}}
    r = vf.meta_regression(formula="~ dose", method=method, test=interval, **given)
    got = vf.permutation_test(r, draws=60)
    assert got.p_value.tolist() == by_hand(r, method, 60).tolist()
    assert got.omnibus_p_value == got.p_value[1]


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_as_many_as_were_asked_for():
    rng = np.random.default_rng(8)
    given = {"y": rng.normal(0, 0.5, 20), "v": rng.uniform(0.02, 0.3, 20), "data": {"dose": rng.normal(10, 3, 20)}}
    r = vf.meta_regression(formula="~ dose", **given)
    assert vf.permutation_test(r, draws=1_500).draws == 1_500
    assert vf.bootstrap(r, kind="studies", draws=700).draws.shape == (700, 2)
