"""A few random effects that link many trials: the same likelihood by low-rank updates of small blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.test_dependent_effects import dense_log_likelihood

import vfmeta as vf
from vfmeta.kernels import dependent, stacks

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def table(trials, each=4, labs=6):
    rng = np.random.default_rng(3)
    k = trials * each
    frame = pd.DataFrame({
        "trial": np.repeat(np.arange(trials), each), "effect": np.arange(k), "lab": rng.integers(0, labs, k),
        "outcome": np.tile(list("abcd"[:each]), trials), "x": rng.normal(size=k), "v": rng.uniform(0.02, 0.2, k),
    })  # fmt: skip
    frame["region"] = frame.trial % 3
    frame["y"] = (
        rng.normal(0, 0.3, trials)[frame.trial] + rng.normal(0, 0.3, labs)[frame.lab] + rng.normal(0, np.sqrt(frame.v + 0.04))
    )
    return frame


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(
    ("random", "structure", "far"),
    [
        (["1 | lab", "1 | trial/effect"], "CS", (0,)),
        ("1 | region/trial/effect", "CS", (0,)),
        (["outcome | lab", "1 | region", "outcome | trial"], ["UN", "HAR"], (1, 0)),
        (["x | lab", "outcome | trial"], ["GEN", "CS"], (0,)),
    ],
)
def test_likelihood_and_derivatives_are_those_of_the_whole(random, structure, far, method):
    frame = table(36)
    V = vf.sampling_covariance(frame.v, frame.trial, rho=0.3)
    given = {"y": frame.y, "V": V, "data": frame, "random": random, "structure": structure, "formula": "~ x"}
    problem = vf.multivariate(**given, method=method).problem
    assert problem.linked is not None
    assert problem.linked.far == far
    rng = np.random.default_rng(1)
    u = np.concatenate([t.structure.start(0.3, 0.2) for t in problem.terms])
    for point in (u + 0.05 * rng.normal(size=len(u)), np.where(np.arange(len(u)) == 0, 0.0, u)):  # and a variance of zero
        fit, *some = problem.derivatives(point)
        whole, *others = dependent.derivatives(problem.stacks, problem.curves(point), method == "REML")
        for a, b in zip(some, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
        assert fit.rss == pytest.approx(whole.rss, rel=1e-11)
        assert fit.logdet == pytest.approx(whole.logdet, rel=1e-11)
        np.testing.assert_allclose(fit.beta, whole.beta, rtol=1e-9)
        np.testing.assert_allclose(fit.cov, whole.cov, rtol=1e-9)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize(
    ("random", "structure"), [("1 | region/trial", "CS"), ("outcome | trial", "UN"), (["x | trial", "1 | effect"], "GEN")]
)
def test_compiled_sums_over_small_blocks_are_products_of_matrices(random, structure, method):
    frame = table(9)
    V = vf.sampling_covariance(frame.v, frame.trial, rho=0.3)
    given = {"y": frame.y, "V": V, "data": frame, "random": random, "structure": structure, "formula": "~ x"}
    problem = vf.multivariate(**given, method=method).problem
    curves = problem.curves(np.concatenate([t.structure.start(0.3, 0.2) for t in problem.terms]))
    assert isinstance(problem.blocks, stacks.Flat)
    fit, *some = dependent.derivatives(problem.blocks, curves, method == "REML")
    whole, *others = dependent.derivatives(problem.stacks, curves, method == "REML")
    for a, b in zip((fit.beta, fit.cov, *some), (whole.beta, whole.cov, *others), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)
    assert (fit.rss, fit.logdet) == pytest.approx((whole.rss, whole.logdet), rel=1e-12)


def test_a_matrix_that_is_not_positive_definite_is_refused_by_either_sum():
    problem = vf.multivariate(y=[0.1, 0.4, 0.2], v=[0.1] * 3, data={"g": [1, 1, 2]}, random="1 | g").problem
    curve = stacks.Curve(np.array([-1e3]), np.ones((1, 1)), np.zeros((1, 1, 1)))
    for data in (problem.blocks, problem.stacks):
        with pytest.raises(np.linalg.LinAlgError):
            dependent.gls(data, [curve])


def test_the_fit_is_the_definition():
    frame = table(30)
    fit = vf.multivariate(y=frame.y, v=frame.v, data=frame, random=["1 | lab", "1 | trial/effect"], formula="~ x")
    assert fit.problem.linked is not None
    M = np.diag(frame.v + fit.random[2].variances[0])
    for term, column in zip(fit.random, ("lab", "trial"), strict=False):
        M += term.variances[0] * (frame[column].to_numpy()[:, None] == frame[column].to_numpy())
    np.testing.assert_allclose(fit.marginal_covariance, M, rtol=1e-10)
    X, W = fit.X, np.linalg.inv(M)
    assert fit.log_likelihood == pytest.approx(dense_log_likelihood(fit.y, X, M, True), abs=1e-8)
    np.testing.assert_allclose(fit.estimate, np.linalg.solve(X.T @ W @ X, X.T @ W @ fit.y), rtol=1e-9)
    np.testing.assert_allclose(fit.vb, np.linalg.inv(X.T @ W @ X), rtol=1e-9)
    left = vf.influence(fit, cluster=(frame.trial // 6).tolist(), reestimate=False)
    assert np.isfinite(left.cook).all()


def test_blocks_of_four_thousand_effects_stay_small():
    frame = table(1000)
    problem = vf.multivariate(y=frame.y, v=frame.v, data=frame, random=["1 | lab", "1 | trial/effect"]).problem
    assert problem.linked is not None
    assert {stack.rows.shape[1] for stack in problem.linked.stacks} == {4}  # the effects of a trial: nothing is filled up
    assert problem.linked.U.shape == (4000, 6)  # a column a lab
