"""Classes of treatments: held against dense matrices written out here and the network that they turn into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.test_networks import ARMS

import vfmeta as vf

RNG = np.random.default_rng(4)
PAIRS = [(b, a) for a, b in ("AB", "AC", "AD", "AE", "AF", "BC", "BE", "CF", "DE", "AB", "AC", "AD", "AE", "AF")]
TRUE = {"A": 0.0, "B": -0.9, "C": -0.2, "D": -0.6, "E": 0.9, "F": 0.1}
FRAME = {
    "study": [f"s{i:02d}" for i in range(len(PAIRS))], "treat1": [a for a, _ in PAIRS], "treat2": [b for _, b in PAIRS],
    "y": [TRUE[a] - TRUE[b] + RNG.normal(0, 0.35) for a, b in PAIRS], "se": RNG.uniform(0.1, 0.3, len(PAIRS)).tolist(),
}  # fmt: skip
CLASSES = {"A": "none", "B": "X", "C": "X", "D": "X", "E": "Y", "F": "Y"}


def dense(within: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances, design of classes and of the treatments of classes of several."""
    x = np.array([[(CLASSES[a] == c) - (CLASSES[b] == c) for c in ("X", "Y")] for a, b in PAIRS], dtype=float)
    z = np.array([[(a == t) - (b == t) for t in "BCDEF"] for a, b in PAIRS], dtype=float)
    return np.array(FRAME["y"]), np.array(FRAME["se"]) ** 2, x, z if within == "exchangeable" else z[:, :0]


def likelihood(tau2: float, omega2: float, restricted: bool) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood at these variances, class effects and the predictors of treatments around them."""
    y, v, x, z = dense("exchangeable")
    V = np.diag(v + tau2) + omega2 * z @ z.T
    w = np.linalg.inv(V)
    beta = np.linalg.solve(x.T @ w @ x, x.T @ w @ y)
    r = y - x @ beta
    value = -0.5 * (len(y) * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ w @ r)
    if restricted:
        value += 0.5 * (x.shape[1] * np.log(2 * np.pi) + np.linalg.slogdet(x.T @ x)[1] - np.linalg.slogdet(x.T @ w @ x)[1])
    return float(value), beta, omega2 * z.T @ w @ r


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_variances_are_at_the_top_of_the_likelihood(method: Any) -> None:
    fit = vf.networks.classes(vf.network(FRAME, reference="A"), CLASSES, method=method)
    value, beta, around = likelihood(fit.tau2, fit.omega2, method == "REML")
    assert fit.tau2 > 0.01
    assert fit.omega2 > 0.1
    assert fit.log_likelihood == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(fit.estimate, beta, rtol=1e-8)
    np.testing.assert_allclose(fit.effects[1:], beta[[0, 0, 0, 1, 1]] + around, rtol=1e-8)
    for step in np.eye(2) * 1e-5:
        up, down = (likelihood(fit.tau2 + s * step[0], fit.omega2 + s * step[1], method == "REML")[0] for s in (1, -1))
        assert (up - down) / 2e-5 == pytest.approx(0, abs=1e-5)
        assert up + down < 2 * value
    for tau2, omega2 in ((0.0, 0.1), (0.1, 0.0), (0.01, 2.0), (0.5, 0.5)):
        assert likelihood(tau2, omega2, method == "REML")[0] < value


def test_intervals_are_those_of_errors_of_prediction() -> None:
    """The covariance of the error of effects that are drawn around class means, by the joint normal of effects and data."""
    fit = vf.networks.classes(vf.network(FRAME, reference="A"), CLASSES)
    _, v, x, z = dense("exchangeable")
    w = np.linalg.inv(np.diag(v + fit.tau2) + fit.omega2 * z @ z.T)
    cov = np.linalg.inv(x.T @ w @ x)
    P = w - w @ x @ cov @ x.T @ w
    c = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1], [0, 1]])
    gain = c @ cov @ x.T @ w + fit.omega2 * z.T @ P  # of the data, in the effects
    np.testing.assert_allclose(gain @ x, c, atol=1e-10)  # unbiased
    off = gain @ z - np.eye(5)
    error = gain @ np.diag(v + fit.tau2) @ gain.T + fit.omega2 * off @ off.T
    np.testing.assert_allclose(fit.effects_covariance[1:, 1:], error, rtol=1e-7, atol=1e-10)


def test_equal_effects_are_the_network_of_classes() -> None:
    """Trials across classes only: the classes are the treatments."""
    across = [i for i, (a, b) in enumerate(PAIRS) if CLASSES[a] != CLASSES[b]]
    frame = {name: [values[i] for i in across] for name, values in FRAME.items()}
    fit = vf.networks.classes(vf.network(frame, reference="A", test="Wald"), CLASSES, within="equal")
    renamed = {**frame, **{side: [CLASSES[t] for t in frame[side]] for side in ("treat1", "treat2")}}
    net = vf.network(renamed, reference="none", test="Wald")
    assert fit.tau2 == pytest.approx(net.tau2, rel=1e-6)
    np.testing.assert_allclose(fit.estimate, net.estimate, rtol=1e-6)
    np.testing.assert_allclose(fit.se, net.se, rtol=1e-6)
    assert fit.comparisons().set_index(["treatment", "control"]).loc[("B", "C"), "se"] == 0
    assert fit.information().log_likelihood == pytest.approx(net.information().log_likelihood, rel=1e-8)


def test_trials_of_several_arms_take_part_with_their_covariance() -> None:
    net = vf.network(ARMS, reference="sham", method="ML", test="Wald")
    fit = vf.networks.classes(net, {"sham": "none", "drug": "medical", "brace": "other", "gym": "other"}, within="equal")
    # as a contrast of the whole network where gym and brace are the same
    merged = ARMS.assign(treatment=ARMS.treatment.replace({"gym": "other", "brace": "other"}))
    merged = merged[~merged.study.isin(["e", "f"])]
    rest = vf.network(ARMS[~ARMS.study.isin(["e", "f"])], reference="sham", method="ML", test="Wald")
    apart = vf.networks.classes(rest, {"sham": "none", "drug": "medical", "brace": "other", "gym": "other"}, within="equal")
    two = vf.network(merged, reference="sham", method="ML", test="Wald")
    same = dict(zip(two.terms, two.estimate, strict=True))
    found = dict(zip(apart.terms, apart.estimate, strict=True))
    assert found == pytest.approx({"other": same["other"], "medical": same["drug"]}, rel=1e-6)
    assert fit.effects[net.treatments.index("gym")] == fit.effects[net.treatments.index("brace")]
    assert vf.read_result(fit.to_json()) == fit


@pytest.mark.parametrize(("klass", "said"), [
    ({**CLASSES, "G": "X"}, "'G' is no treatment"), ({t: c for t, c in CLASSES.items() if t != "F"}, "F: no class is given"),
    (dict(zip("ABCDEF", "abcdef", strict=True)), "class of its own"), (["X"], "by name of the treatment"),
    (dict.fromkeys("ABCDEF", "one"), "cannot tell the classes apart"),
])  # fmt: skip
def test_faulty_classes_are_named(klass: Any, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.networks.classes(vf.network(FRAME, reference="A"), klass)


def test_what_is_no_likelihood_is_refused() -> None:
    with pytest.raises(vf.InputError, match="estimated by likelihood"):
        vf.networks.classes(vf.network(FRAME, reference="A"), CLASSES, method="DL")


def test_members_stand_around_the_mean_of_their_class() -> None:
    fit = vf.networks.classes(vf.network(FRAME, reference="A"), CLASSES)
    members = fit.members().set_index("treatment")
    assert members.groupby("class")["estimate"].sum().abs().max() < 1e-12
    assert members.loc["A", "se"] == 0
    assert members.loc["E", "estimate"] == pytest.approx((fit.effects[4] - fit.effects[5]) / 2)
