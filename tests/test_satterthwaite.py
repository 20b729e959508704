"""Degrees of freedom of multivariate models: closed forms of balanced trials, the formulas written out, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.frequentist.multivariate.degrees import Spread

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")


def balanced(groups: int = 8, n: int = 4) -> dict[str, Any]:
    """Equal variances; ``a`` differs between groups, ``b`` inside them, in each group by the same pattern."""
    rng = np.random.default_rng(2)
    trial = np.repeat(np.arange(groups), n)
    y = np.repeat(rng.normal(0, 0.6, groups), n) + rng.normal(0, 0.5, groups * n)
    return {"y": y, "v": np.full(groups * n, 0.1), "trial": trial, "effect": np.arange(groups * n),
            "a": rng.normal(size=groups)[trial], "b": np.tile(np.linspace(-1, 1, n), groups)}  # fmt: skip


def test_balanced_trials_have_the_degrees_of_freedom_of_their_mean_squares() -> None:
    data = balanced()
    mean = vf.multivariate(data, random="1 | trial/effect")
    assert min(v for t in mean.random for v in t.variances) > 0
    assert mean.df == pytest.approx([8 - 1], rel=1e-6)
    fit = vf.multivariate(data, random="1 | trial/effect", formula="~ a + b")
    assert fit.df == pytest.approx([8 - 2, 8 - 2, 8 * (4 - 1) - 1], rel=1e-6)


def dense(fit: Any, directions: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """2 v^2 / (g'Ig), all matrices in full, derivatives by differences."""
    M, X = fit.marginal_covariance, fit.X

    def covariance(m: np.ndarray) -> np.ndarray:
        return np.linalg.inv(X.T @ np.linalg.solve(m, X))

    W = np.linalg.inv(M)
    P = W - W @ X @ covariance(M) @ X.T @ W
    info = np.array([[0.5 * np.trace(P @ a @ P @ b) for b in directions] for a in directions])
    h = 1e-5 * np.diag(M).mean()
    out = []
    for row in rows:
        g = np.array([row @ (covariance(M + h * d) - covariance(M - h * d)) @ row / (2 * h) for d in directions])
        out.append(2 * (row @ fit.vb @ row) ** 2 / (g @ np.linalg.solve(info, g)))
    return np.array(out)


def same(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return (x[:, None] == x).astype(float)


def unequal(k: int = 24) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    trial = np.sort(rng.integers(0, 7, k))
    lab = rng.integers(0, 4, k)
    y = rng.normal(0, 0.7, 7)[trial] + rng.normal(0, 0.4, 4)[lab] + rng.normal(0, 0.4, k)
    return {"y": y, "v": rng.uniform(0.02, 0.3, k), "trial": trial, "lab": lab, "effect": np.arange(k),
            "outcome": np.where(np.arange(k) % 2, "p", "f"), "x": rng.normal(size=k)}  # fmt: skip


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_nested_terms_by_the_formulas_written_out(method: Any) -> None:
    data = unequal()
    fit = vf.multivariate(data, random="1 | trial/effect", formula="~ x", method=method)
    assert fit.df == pytest.approx(dense(fit, [same(data["trial"]), np.eye(24)], np.eye(2)), rel=1e-5)


def test_crossed_terms_by_the_formulas_written_out() -> None:
    data = unequal()
    fit = vf.multivariate(data, random=["1 | trial", "1 | lab"], formula="~ x")
    assert fit.df == pytest.approx(dense(fit, [same(data["trial"]), same(data["lab"])], np.eye(2)), rel=1e-5)


def test_two_outcomes_by_the_formulas_written_out() -> None:
    data = unequal()
    fit = vf.multivariate(data, random="outcome | trial", structure="UN", formula="~ 0 + outcome")
    one, together = data["outcome"] == "p", same(data["trial"])
    lines = [together * np.outer(~one, ~one), together * (one[:, None] ^ one), together * np.outer(one, one)]
    assert fit.df == pytest.approx(dense(fit, lines, np.eye(2)), rel=1e-5)
    # a standard deviation is as good a parameter as its square
    spread = vf.multivariate(data, random="outcome | trial", structure="HCS", formula="~ 0 + outcome")
    assert spread.df == pytest.approx(fit.df, rel=1e-4)


def test_one_effect_a_trial_is_the_regression_by_kenward_and_roger() -> None:
    data = unequal()
    fit = vf.multivariate(data, random="1 | effect", formula="~ x")
    theirs = vf.meta_regression(data, "~ x", test="KR")
    assert fit.df == pytest.approx(theirs.df, rel=1e-6)


def test_user_weights_by_differences() -> None:
    data = unequal()
    w = np.linspace(1, 3, 24)
    fit = vf.multivariate(data, random="1 | trial/effect", formula="~ x", weights=w)
    lead = np.linalg.solve(fit.X.T @ (w[:, None] * fit.X), fit.X.T * w)
    M, lines = fit.marginal_covariance, [same(data["trial"]), np.eye(24)]
    W = np.linalg.inv(M)
    P = W - W @ fit.X @ np.linalg.inv(fit.X.T @ W @ fit.X) @ fit.X.T @ W
    info = np.array([[0.5 * np.trace(P @ a @ P @ b) for b in lines] for a in lines])
    for j in range(2):
        g = np.array([lead[j] @ d @ lead[j] for d in lines])
        assert fit.df[j] == pytest.approx(2 * (lead[j] @ M @ lead[j]) ** 2 / (g @ np.linalg.solve(info, g)), rel=1e-5)


def test_nothing_estimated_leaves_the_normal_distribution() -> None:
    data = unequal()
    for more in ({}, {"random": "1 | trial", "variances": {"1 | trial": 0.3}}):
        fit, wald = (vf.multivariate(data, formula="~ x", **more, **test) for test in ({}, {"test": "Wald"}))
        assert np.isinf(fit.df).all()
        assert fit.interval == pytest.approx(wald.interval, rel=1e-12)
        assert fit.omnibus.p_value == pytest.approx(wald.omnibus.p_value, rel=1e-9)


def test_joint_test_by_hand() -> None:
    """Two independent contrasts with 5 and 8 degrees of freedom: E = 5/3 + 8/6 = 3, and 2 * 3 / (3 - 2) = 6."""
    slopes = np.zeros((2, 2, 2))
    slopes[0, 0, 0], slopes[1, 1, 1] = math.sqrt(2 / 5), 2 * math.sqrt(2 / 8)
    spread = Spread(np.diag([1.0, 2.0]), slopes, np.eye(2))
    assert spread.degrees(np.eye(2)) == pytest.approx([5, 8])
    assert spread.joint(np.eye(2)) == pytest.approx(6)


def test_coding_does_not_matter() -> None:
    data = unequal()
    one = vf.multivariate(data, random="1 | trial/effect", formula="~ outcome")
    other = vf.multivariate(data, random="1 | trial/effect", formula="~ 0 + outcome")
    shown = one.predict({"outcome": ["f", "p"]})[["ci_low", "ci_high"]].to_numpy()
    assert shown == pytest.approx(other.interval, rel=1e-6)
    again = vf.read_result(one.to_json()).predict(np.array([[1, 0], [1, 1]]))
    assert again["ci_low"].to_numpy() == pytest.approx(shown[:, 0])


def test_leaving_out_is_fitting_without() -> None:
    data = unequal()
    fit = vf.multivariate(data, random="1 | trial/effect")
    rows = vf.leave_one_out(fit, cluster="trial")
    keep = data["trial"] != 3
    less = vf.multivariate({name: x[keep] for name, x in data.items()}, random="1 | trial/effect")
    row = rows[rows.study == "3"]
    assert row[["ci_low", "ci_high"]].to_numpy() == pytest.approx(less.interval, rel=1e-5)


def test_what_others_cover_is_said() -> None:
    data = unequal()
    assert "cover" not in str(vf.multivariate(data, random="1 | trial/effect"))
    assert "86 to 95%" in str(vf.multivariate(data, random="1 | trial/effect", test="Wald"))
    assert "89 to 95%" in str(vf.multivariate(data, random="1 | trial/effect", df="residual"))
    assert "cover" not in str(vf.multivariate(data, test="Wald"))  # nothing is estimated


@pytest.mark.slow
def test_coverage_with_ten_trials() -> None:
    rng, draws, held = np.random.default_rng(1), 600, 0
    trial = np.repeat(np.arange(10), 3)
    for _ in range(draws):
        v = rng.uniform(0.02, 0.2, 30)
        y = np.repeat(rng.normal(0, math.sqrt(0.3), 10), 3) + rng.normal(0, np.sqrt(v + 0.1))
        low, high = vf.multivariate({"y": y, "v": v, "trial": trial, "e": np.arange(30)}, random="1 | trial/e").interval[0]
        held += low <= 0 <= high
    assert held / draws > 0.94 - 3 * math.sqrt(0.05 * 0.95 / draws)
