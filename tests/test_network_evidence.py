"""Components, covariates, contributions and loops of networks: held against whole matrices written out and pairwise fits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.test_networks import ARMS

import vfmeta as vf
from vfmeta.networks import ComponentResult

MADE = pd.DataFrame({
    "study": list("abcdefgg g".replace(" ", "")),
    "treat1": ["drug", "brace", "drug+brace", "drug+brace", "gym+brace", "gym", "drug", "gym", "gym"],
    "treat2": ["sham", "sham", "sham", "drug", "gym", "sham", "sham", "sham", "drug"],
    "y": [-0.5, -0.2, -0.8, -0.1, -0.4, -0.9, -0.3, -0.7, -0.4],
    "se": [0.2, 0.15, 0.3, 0.25, 0.2, 0.3, 0.22, 0.21, 0.2],
})  # fmt: skip


def whole(net: Any, code: dict[str, np.ndarray], tau2: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, their covariance and Cochran's Q by generalised least squares over all contrasts at once."""
    ys, xs, blocks = [], [], []
    for t in net.network.trials:
        ys.append(t.y)
        xs.append(np.array([code[a] - code[t.arms[0]] for a in t.arms[1:]]))
        blocks.append(t.V + tau2 * (np.eye(len(t.y)) + 1) / 2)
    y, x = np.concatenate(ys), np.concatenate(xs)
    v = np.zeros((len(y), len(y)))
    at = 0
    for b in blocks:
        v[at : at + len(b), at : at + len(b)] = b
        at += len(b)
    w = np.linalg.inv(v)
    cov = np.linalg.inv(x.T @ w @ x)
    beta = cov @ x.T @ w @ y
    rest = y - x @ beta
    return beta, cov, float(rest @ w @ rest)


def made(**choices: Any) -> ComponentResult:
    return vf.networks.components(MADE, inactive="sham", measure="MD", **{"test": "Wald", **choices})


PARTS = {
    "sham": (0, 0, 0),
    "brace": (1, 0, 0),
    "drug": (0, 1, 0),
    "gym": (0, 0, 1),
    "drug+brace": (1, 1, 0),
    "gym+brace": (1, 0, 1),
}
CODE = {t: np.array(x, dtype=float) for t, x in PARTS.items()}


@pytest.mark.parametrize("tau2", [0.0, 0.07])
def test_components_are_least_squares_over_all_contrasts(tau2: float) -> None:
    fit = made(tau2=tau2)
    assert fit.terms == ("brace", "drug", "gym")
    beta, cov, _ = whole(fit, CODE, tau2)
    np.testing.assert_allclose(fit.estimate, beta, rtol=1e-10)
    np.testing.assert_allclose(fit.vb, cov, rtol=1e-10)
    assert whole(fit, CODE, 0.0)[2] == pytest.approx(float(fit.q.statistic), rel=1e-10)
    frame = fit.comparisons().set_index(["treatment", "control"])
    row = frame.loc[("drug+brace", "gym")]
    c = CODE["drug+brace"] - CODE["gym"]
    assert row.estimate == pytest.approx(c @ beta, rel=1e-10)
    assert row.se == pytest.approx(np.sqrt(c @ cov @ c), rel=1e-10)


def test_components_with_every_interaction_are_the_network() -> None:
    full = made(interactions=[("brace", "drug"), ("brace", "gym")])
    net = vf.network(MADE, reference="sham", measure="MD", test="Wald")
    assert full.tau2 == pytest.approx(net.tau2, rel=1e-6)
    ours, theirs = (f.comparisons().set_index(["treatment", "control"]).sort_index() for f in (full, net))
    pd.testing.assert_frame_equal(ours[["estimate", "se"]], theirs[["estimate", "se"]], rtol=1e-6)
    assert full.additivity().df == 0
    assert np.isnan(full.additivity().p_value)


def test_whether_components_add_up_is_a_difference_of_two_q() -> None:
    net, fit = vf.network(MADE, reference="sham", measure="MD", test="Wald"), made()
    found = fit.additivity()
    assert found.df == 2
    assert found.statistic == pytest.approx(fit.q.statistic - net.q.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 2), rel=1e-9)


def test_components_join_what_no_trial_joins() -> None:
    frame = MADE[MADE.study.isin(["a", "b", "e"])]  # {drug, brace, sham} and {gym, gym+brace}
    with pytest.raises(vf.InputError, match="2 parts"):
        vf.network(frame, measure="MD")
    with pytest.raises(vf.InputError, match="gym"):  # gym itself cancels in gym+brace v gym
        vf.networks.components(frame, inactive="sham", measure="MD")
    joined = frame.replace({"gym": "drug", "gym+brace": "drug+brace"}).drop(index=0)  # {brace, sham} and {drug, drug+brace}
    with pytest.raises(vf.InputError, match="2 parts"):
        vf.network(joined, measure="MD")
    with pytest.raises(vf.InputError, match="drug"):
        vf.networks.components(joined, inactive="sham", measure="MD")
    fit = vf.networks.components(joined, inactive="drug", measure="MD", method="common", test="Wald")
    x = np.array([[1.0, -1.0], [1.0, 0.0]])  # brace, sham
    np.testing.assert_allclose(fit.estimate, np.linalg.solve(x, joined.y), rtol=1e-9)
    assert len(fit.comparisons()) == 6


@pytest.mark.parametrize(("choices", "said"), [
    ({"inactive": "placebo"}, "inactive='placebo' is no component"),
    ({"interactions": [("drug", "sauna")]}, "sauna"), ({"interactions": "drug"}, "pairs of components"),
    ({"separator": " "}, "separator"), ({"interactions": [("drug", "gym")]}, "drug:gym"),
])  # fmt: skip
def test_faulty_components_are_named(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.networks.components(MADE, measure="MD", **{"inactive": "sham", **choices})


def test_a_name_that_ends_in_the_separator_is_refused() -> None:
    with pytest.raises(vf.InputError, match="a component is missing"):
        vf.networks.components(MADE.replace({"gym+brace": "gym+"}), inactive="sham", measure="MD")


WEEKS = {"a": 2.0, "b": 6.0, "c": 4.0, "d": 12.0, "e": 8.0, "f": 1.0}


@pytest.mark.parametrize("slopes", ["common", "independent"])
def test_regression_is_least_squares_over_all_contrasts(slopes: str) -> None:
    net = vf.network(ARMS, reference="sham")
    kept = ["brace", "drug", "gym"]
    fit = vf.networks.regression(net, WEEKS, name="week", slopes=slopes, tau2=0.05, test="Wald")  # type: ignore[arg-type]
    mean = np.mean(list(WEEKS.values()))
    ys, xs, ws = [], [], []
    for t in net.network.trials:
        main = np.array([[float(a == n) - float(t.arms[0] == n) for n in kept] for a in t.arms[1:]])
        slope = main.sum(1, keepdims=True) if slopes == "common" else main
        ys.append(t.y)
        xs.append(np.hstack([main, slope * (WEEKS[t.label] - mean)]))
        ws.append(np.linalg.inv(t.V + 0.05 * (np.eye(len(t.y)) + 1) / 2))
    cov = np.linalg.inv(sum(x.T @ w @ x for x, w in zip(xs, ws, strict=True)))
    beta = cov @ sum(x.T @ w @ y for x, w, y in zip(xs, ws, ys, strict=True))
    np.testing.assert_allclose(fit.estimate, beta, rtol=1e-9)
    np.testing.assert_allclose(fit.vb, cov, rtol=1e-9, atol=1e-14)
    at = fit.at(10.0).set_index(["treatment", "control"]).loc[("gym", "sham")]
    c = np.zeros(len(beta))
    c[2], c[3 if slopes == "common" else 5] = 1.0, 10.0 - mean
    assert at.estimate == pytest.approx(c @ beta, rel=1e-9)
    assert at.se == pytest.approx(np.sqrt(c @ cov @ c), rel=1e-9)
    assert fit.slopes.sum() == len(beta) - 3


def test_regression_of_two_treatments_is_the_pairwise_one() -> None:
    y, v, x = [-0.5, -0.3, -0.8, -0.1, -0.6], [0.04, 0.02, 0.05, 0.03, 0.06], [1.0, 5.0, 2.0, 8.0, 3.0]
    net = vf.network(study=list("abcde"), treat1=["B"] * 5, treat2=["A"] * 5, y=y, v=v, reference="A")
    fit = vf.networks.regression(net, dict(zip("abcde", x, strict=True)), name="x", centre=0.0)
    pair = vf.meta_regression(y=y, v=v, data={"x": x}, formula="~ x")
    np.testing.assert_allclose(fit.estimate, pair.estimate, rtol=1e-8)
    np.testing.assert_allclose(fit.interval, pair.interval, rtol=1e-8)
    assert vf.read_result(fit.to_json()) == fit


@pytest.mark.parametrize(("given", "said"), [
    ({"a": 1.0}, "b: the covariate has no value"), ({**WEEKS, "z": 2.0}, "'z' is no trial"),
    ([1, 2, 3], "by name of the trial"), ({**WEEKS, "a": "soon"}, "soon"), ({**WEEKS, "a": None}, "a"),
])  # fmt: skip
def test_a_covariate_goes_by_name(given: Any, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.networks.regression(vf.network(ARMS, reference="sham"), given)


def test_contributions_are_shares_of_information() -> None:
    net = vf.network(ARMS, reference="sham", test="Wald")
    found = vf.networks.contributions(net)
    np.testing.assert_allclose(found.groupby(["treatment", "control"]).share.sum(), 100, rtol=1e-10)
    code = {t: np.array([float(t == n) for n in net.terms]) for t in net.treatments}
    cov, information = whole(net, code, net.tau2)[1], {}
    for t in net.network.trials:
        x = np.array([code[a] - code[t.arms[0]] for a in t.arms[1:]])
        information[t.label] = x.T @ np.linalg.inv(t.V + net.tau2 * (np.eye(len(t.y)) + 1) / 2) @ x
    c = code["gym"] - code["brace"]
    wanted = {s: 100 * (c @ cov @ i @ cov @ c) / (c @ cov @ c) for s, i in information.items()}
    rows = found[found.treatment.isin(["gym", "brace"]) & found.control.isin(["gym", "brace"])]
    assert dict(zip(rows.trial, rows.share, strict=True)) == pytest.approx(
        {s: w for s, w in wanted.items() if w > 1e-9}, rel=1e-9
    )
    assert set(rows.trial[rows.direct]) == {"e", "f"}
    pair = vf.random_effects(y=[0.1, 0.5, 0.3], v=[0.02, 0.05, 0.01], test="Wald")
    two = vf.network(study=list("abc"), treat1=["B"] * 3, treat2=["A"] * 3, y=pair.y, v=pair.v, test="Wald")
    np.testing.assert_allclose(vf.networks.contributions(two).share, pair.weights, rtol=1e-7)


def test_loops_are_sums_round_with_their_whole_covariance() -> None:
    net = vf.network(ARMS, reference="sham")
    found = vf.networks.loops(net, longest=3).set_index("loop")
    trials = {t.label: t for t in net.network.trials}

    def side(a: str, b: str) -> dict[tuple[str, str], float]:
        """Weights of arms of trials in the pool of a less b."""
        own = {}
        for s, t in trials.items():
            if {a, b} <= set(t.arms):
                c = np.array([float(x == a) - float(x == b) for x in t.arms[1:]])
                own[s] = 1 / (c @ t.V @ c + net.tau2)
        return {(s, x): sign * w / sum(own.values()) for s, w in own.items() for x, sign in ((a, 1.0), (b, -1.0))}

    ring = ("brace", "drug", "gym")
    arms: dict[tuple[str, str], float] = {}
    for a, b in ((ring[0], ring[1]), (ring[1], ring[2]), (ring[2], ring[0])):
        for k, w in side(a, b).items():
            arms[k] = arms.get(k, 0.0) + w
    total = variance = 0.0
    for s, t in trials.items():
        full = np.array([arms.get((s, x), 0.0) for x in t.arms])
        c = full[1:]
        g = (np.eye(len(c)) + 1) / 2
        total += c @ t.y
        variance += c @ (t.V + net.tau2 * g) @ c
    row = found.loc[" - ".join(ring)]
    assert row.estimate == pytest.approx(abs(total), rel=1e-9)
    assert row.se == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert row.p_value == pytest.approx(2 * stats.norm.sf(abs(total) / np.sqrt(variance)), rel=1e-9)


def test_a_loop_inside_one_trial_is_no_loop() -> None:
    net = vf.network(ARMS[ARMS.study.isin(["a", "c"])], reference="sham", method="common", test="Wald")
    assert len(vf.networks.loops(net)) == 1  # drug v sham has another trial
    only = vf.network(ARMS[ARMS.study == "c"], reference="sham", method="common", test="Wald")
    assert vf.networks.loops(only).empty


def test_designs_detached_leave_what_a_fit_without_them_leaves() -> None:
    net = vf.network(MADE, reference="sham", measure="MD", method="common", test="Wald")
    found = vf.networks.detached_designs(net).set_index("design")
    assert found.q.sum() == pytest.approx(net.coherence().between.statistic, rel=1e-9)
    without = vf.network(MADE[MADE.study != "f"], reference="sham", measure="MD", method="common", test="Wald")
    lost = (found.q - found["gym:sham"]).drop("gym:sham").sum()
    assert lost == pytest.approx(without.coherence().between.statistic, rel=1e-8)
    assert found["gym:gym+brace"].isna().all()  # nothing else holds gym+brace


def test_loops_run_over_every_ring_once() -> None:
    names = "ABCDE"
    frame = pd.DataFrame([(f"{a}{b}", a, b, 0.1, 0.2) for a, b in itertools.combinations(names, 2)],
                         columns=["study", "treat1", "treat2", "y", "se"])  # fmt: skip
    found = vf.networks.loops(vf.network(frame, method="common", test="Wald"), longest=5)
    assert found.groupby("length").size().to_dict() == {3: 10, 4: 15, 5: 12}
