"""Bayesian node-splitting, held against a dense integral over tau of whole covariance matrices and the common effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.test_networks import ARMS

import vfmeta as vf

PRIOR = vf.priors.HalfNormal(0.5)


def dense(arms: pd.DataFrame, pair: tuple[str, str], reference: str, scale: float) -> dict[str, tuple[float, float, float]]:
    """Mean, SD and probability above 0 of direct, indirect effect and their difference, summed over a fine grid of tau."""
    names = sorted(set(arms.treatment) - {reference})
    ys, rows, blocks, own = [], [], [], []
    for _, t in arms.groupby("study", sort=False):
        v, m, name = (t.sd**2 / t.n).to_numpy(), t["mean"].to_numpy(), t.treatment.tolist()
        half = [0.5 * ((n == pair[0]) - float(n == pair[1])) if set(pair) <= set(name) else 0.0 for n in name]
        ys += (m[1:] - m[0]).tolist()
        rows += [[float(n == x) - float(n == name[0]) for n in names] for x in name[1:]]
        own += [h - half[0] for h in half[1:]]
        blocks.append((np.diag(v[1:]) + v[0], (np.eye(len(m) - 1) + 1) / 2))
    x, y = np.column_stack([np.array(rows), own]), np.array(ys)
    V, G = np.zeros((len(y),) * 2), np.zeros((len(y),) * 2)
    at = 0
    for a, b in blocks:
        V[at : at + len(a), at : at + len(a)], G[at : at + len(a), at : at + len(a)] = a, b
        at += len(a)
    c = np.array([(n == pair[0]) - float(n == pair[1]) for n in names])
    combinations = {"direct": np.append(c, 1.0), "indirect": np.append(c, 0.0), "difference": np.append(0 * c, 1.0)}
    grid = (np.arange(4000) + 0.5) / 4000 * 6 * scale
    logs, means, sds = [], [], []
    for tau in grid:
        w = np.linalg.inv(V + tau**2 * G)
        cov = np.linalg.inv(x.T @ w @ x)
        b = cov @ x.T @ w @ y
        r = y - x @ b
        logs.append(0.5 * (np.linalg.slogdet(w)[1] + np.linalg.slogdet(cov)[1] - r @ w @ r) - 0.5 * (tau / scale) ** 2)
        means.append([q @ b for q in combinations.values()])
        sds.append([np.sqrt(q @ cov @ q) for q in combinations.values()])
    p = np.exp(np.array(logs) - max(logs))
    p /= p.sum()
    from scipy.stats import norm

    m, s = np.array(means), np.array(sds)
    mean, above = p @ m, p @ norm.sf(0, m, s)
    sd = np.sqrt(p @ (s**2 + m**2) - mean**2)
    return {name: (float(mean[i]), float(sd[i]), float(above[i])) for i, name in enumerate(combinations)}


@pytest.fixture(scope="module")
def post() -> vf.networks.NetworkPosterior:
    return vf.networks.posterior(vf.network(ARMS, reference="sham"), tau=PRIOR)


@pytest.fixture(scope="module")
def found(post: vf.networks.NetworkPosterior) -> vf.results.node_splits.NodeSplits:
    return vf.networks.split_nodes(post)


@pytest.mark.parametrize("pair", [("brace", "sham"), ("drug", "sham"), ("brace", "drug"), ("gym", "brace")])
def test_a_split_is_the_dense_integral_over_tau(found: vf.results.node_splits.NodeSplits, pair: tuple[str, str]) -> None:
    names = list(zip(found.treatment, found.control, strict=True))
    sign = 1.0 if pair in names else -1.0
    at = names.index(pair if sign > 0 else pair[::-1])
    expected = dense(ARMS, pair, "sham", 0.5)
    mean, sd, above = expected["difference"]
    assert found.se[at] == pytest.approx(sd, rel=1e-6)
    assert found.p_above_0[at] == pytest.approx(above if sign > 0 else 1 - above, abs=1e-6)
    assert found.p_two_sided[at] == pytest.approx(2 * min(above, 1 - above), abs=2e-6)
    for side in ("direct", "indirect"):
        assert getattr(found, side)[at, 1] == pytest.approx(expected[side][1], rel=1e-6)
        # mixtures of normals so close to symmetry have their median near the mean
        assert getattr(found, side)[at, 0] == pytest.approx(sign * expected[side][0], abs=0.02 * expected[side][1])
    assert found.estimate[at] == pytest.approx(sign * mean, abs=0.02 * sd)


def test_without_heterogeneity_a_split_is_that_of_the_common_effect(post: vf.networks.NetworkPosterior) -> None:
    frame = pd.DataFrame({
        "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
        "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2, 0.3, 0.25, 0.2, 0.15, 0.3],
    })  # fmt: skip
    net = vf.network(frame, reference="A", method="common", test="Wald")
    found = vf.networks.split_nodes(vf.networks.posterior(net, tau=vf.priors.HalfNormal(1e-6))).to_frame()
    expected = vf.networks.split_sides(net)
    pd.testing.assert_frame_equal(found[["treatment", "control"]], expected[["treatment", "control"]])
    for name in ("direct", "indirect", "difference", "direct_se", "indirect_se", "difference_se", "difference_low"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["p_two_sided"], expected["p_value"], rtol=1e-5)


def test_only_what_others_inform_is_split_and_it_is_said() -> None:
    arms = pd.DataFrame({
        "study": list("aabbccc"), "treatment": ["B", "A", "B", "A", "C", "D", "A"],
        "mean": [1.0, 2.0, 1.2, 2.1, 1.5, 1.4, 2.2], "sd": [1.0] * 7, "n": [40] * 7,
    })  # fmt: skip
    post = vf.networks.posterior(vf.network(arms, reference="A"), tau=PRIOR)
    found = vf.networks.split_nodes(post)
    assert found.treatment == ()
    assert found.to_frame().empty
    assert "No comparison has both" in found.sentence()
    with pytest.raises(vf.InputError, match="nothing to draw"):
        found.plot()
    with pytest.raises(vf.InputError, match="posterior of a network"):
        vf.networks.split_nodes(post.network)  # type: ignore[arg-type]


def test_a_posterior_keeps_its_trials_in_json(post: vf.networks.NetworkPosterior) -> None:
    back = vf.read_result(post.to_json())
    assert [t.arms for t in back.network.trials] == [t.arms for t in post.network.trials]
    again, first = (vf.networks.split_nodes(x) for x in (back, post))
    np.testing.assert_allclose(again.estimate, first.estimate, rtol=1e-6)


def test_sides_of_ratios_are_read_as_ratios() -> None:
    sides = {"study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB")}
    y = np.log([0.6, 0.7, 0.4, 0.5, 0.8, 0.2])
    net = vf.network(y=y, se=[0.2] * 6, reference="A", question=vf.Question(measure="RR"), **sides)
    found = vf.networks.split_nodes(vf.networks.posterior(net, tau=PRIOR))
    frame, read = found.to_frame(), found.to_frame(on="read")
    for name in ("direct", "indirect_low", "network_high", "difference", "difference_low"):
        np.testing.assert_allclose(read[name], np.exp(frame[name]), rtol=1e-12)
    assert read["direct_se"].isna().all()
    assert set(read["scale"]) == {"RR"}


def test_comparisons_that_differ_are_named_with_what_chance_would_do() -> None:
    frame = pd.DataFrame({
        "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
        "y": [-0.5, -0.5, -0.8, -0.8, 1.5, 1.5], "se": [0.05] * 6,
    })  # fmt: skip
    found = vf.networks.split_nodes(vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.1)))
    assert "differ in 3" in found.sentence()
    assert "about 0.15 of so many" in found.sentence()


def test_the_figure_shows_what_the_table_says(found: vf.results.node_splits.NodeSplits) -> None:
    import matplotlib.pyplot as plt

    ax = found.plot()
    frame = found.to_frame()
    for name in ("direct", "indirect", "network"):
        (line,) = [x for x in ax.lines if x.get_gid() == name]
        np.testing.assert_allclose(line.get_xdata(), frame[name], rtol=1e-12)
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        f"{a} v {b}" for a, b in zip(found.treatment, found.control, strict=True)
    ]
    said = [t.get_text() for t in ax.texts if t.get_gid() == "probability"]
    assert [float(x) for x in said] == pytest.approx(frame["p_two_sided"].tolist(), abs=0.006)
    plt.close("all")
