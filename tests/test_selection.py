"""Selection models: held against reference answers, a likelihood with 40 digits, closed forms, and themselves turned round."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from tests.reference_runner.common import check
from tests.reference_runner.many_digits import log_likelihood

import vfmeta as vf
from vfmeta.appraisal.selection_weights import Chosen, build
from vfmeta.kernels.selection import prepared
from vfmeta.kernels.selection_functions import Curve
from vfmeta.kernels.selection_likelihood import evaluate

FOLDER = Path(__file__).parent / "reference"
SET = json.loads((FOLDER / "selection.json").read_text(encoding="utf-8"))["cases"]
R = json.loads((FOLDER / "selmodel.json").read_text(encoding="utf-8"))
CHEAP = [c for c in R if c["options"]["type"] in ("stepfun", "trunc")]
SMOKING = next(c["inputs"] for c in R if "hackshaw" in c["id"])
Y, V = np.array(SMOKING["yi"]), np.array(SMOKING["vi"])
CURVES: dict[str, tuple[str, tuple[float, ...]]] = {
    "beta": ("beta", (0.7, 1.4)), "half-normal": ("halfnorm", (2.5,)), "negative exponential": ("negexp", (1.5,)),
    "negative exponential power": ("negexppow", (3.0, 1.8)), "logistic": ("logistic", (4.0,)), "power": ("power", (0.8,)),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def model(*args: Any, **given: Any) -> Any:
    return vf.appraisal.selection_model(*args, **({"favoured": "higher"} | given))


@pytest.mark.parametrize("case", SET, ids=lambda c: c["id"])
def test_every_weight_function_has_the_optimum_of_the_reference(case: dict[str, Any]) -> None:
    outcome = check(case | {"family": "selection"})
    assert outcome.group == "right"
    assert len(outcome.compared) >= 10


@pytest.mark.parametrize("case", CHEAP, ids=lambda c: c["id"])
def test_step_functions_are_those_of_metafor_or_higher(case: dict[str, Any]) -> None:
    assert check(case).compared


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in R if c not in CHEAP], ids=lambda c: c["id"])
def test_curves_are_those_of_metafor_or_higher(case: dict[str, Any]) -> None:
    assert check(case).compared


@pytest.mark.parametrize("name", CURVES)
def test_the_likelihood_is_that_of_its_definition(name: str) -> None:
    kind, delta = CURVES[name]
    fit = model(y=Y[:9], v=V[:9], model=name, delta=delta)
    known = log_likelihood(kind, Y[:9], V[:9], fit.estimate, fit.tau2, delta)
    assert fit.log_likelihood == pytest.approx(float(known), abs=1e-11)


@pytest.mark.parametrize("two_sided", [False, True])
def test_the_likelihood_of_steps_is_that_of_its_definition(two_sided: bool) -> None:
    cuts, delta = (0.01, 0.05, 0.4), (1, 0.8, 0.5, 0.2)
    fit = model(y=Y, v=V, cuts=cuts, delta=delta, two_sided=two_sided)
    known = log_likelihood("stepfun", Y, V, fit.estimate, fit.tau2, delta, cuts=cuts, two_sided=two_sided)
    assert fit.log_likelihood == pytest.approx(float(known), abs=1e-11)


def test_the_truncated_beta_function_is_integrated_with_its_corners() -> None:
    low, high, (a, b) = 0.01, 0.6, (0.5, 1.6)
    fit = model(y=Y, v=V, model="beta", cuts=(low, high), delta=(a, b))

    def weight(p: float) -> float:
        p = min(max(p, low), high)
        return p ** (a - 1) * (1 - p) ** (b - 1)

    known = 0.0
    for y, v in zip(Y, V, strict=True):
        law = stats.norm(fit.estimate, math.sqrt(v + fit.tau2))
        corners = [math.sqrt(v) * stats.norm.isf(p) for p in (high, low)]
        ends = [law.ppf(1e-16), *corners, law.isf(1e-16)]
        pieces = [
            integrate.quad(lambda t, v=v, law=law: weight(stats.norm.sf(t / math.sqrt(v))) * law.pdf(t), *span, epsabs=1e-13)[0]
            for span in itertools.pairwise(ends)
        ]
        known += math.log(weight(stats.norm.sf(y / math.sqrt(v)))) + law.logpdf(y) - math.log(sum(pieces))
    assert fit.log_likelihood == pytest.approx(known, abs=1e-9)
    free = model(y=Y, v=V, model="beta", cuts=(low, high))
    assert free.log_likelihood >= fit.log_likelihood


@pytest.mark.parametrize("name", [*CURVES, "step", "two-sided", "truncated", "corners"])
def test_derivatives_are_those_of_the_likelihood(name: str) -> None:
    cuts = {"step": (0.025, 0.5), "two-sided": (0.05,), "truncated": (0.1,), "corners": (0.01, 0.8)}.get(name, ())
    kind = {"two-sided": "step", "corners": "beta"}.get(name, name)
    chosen = Chosen(kind, cuts, name == "two-sided", 1, None, 0.0)
    y, function, _ = build(chosen, Y[:12], V[:12])
    x = np.column_stack([np.ones(12), np.linspace(-1, 1, 12)])
    state, starts = prepared(y, V[:12], x, function, False)
    theta = starts[-1].copy()
    theta[:3] = 0.3, -0.2, 0.4
    theta[3:] = [0.6, 0.3][: len(theta) - 3]
    size = len(theta)
    gradient, hessian, other, waste = np.empty(size), np.empty((size, size)), np.empty(size), np.empty((size, size))
    evaluate(state.problem, theta, gradient, hessian)
    for j in range(size):
        step = np.zeros(size)
        step[j] = 1e-5
        up = evaluate(state.problem, theta + step, other, waste)
        slope = other.copy()
        down = evaluate(state.problem, theta - step, other, waste)
        assert gradient[j] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-6)
        np.testing.assert_allclose(hessian[j], (slope - other) / 2e-5, rtol=1e-6, atol=1e-6)


def test_without_selection_it_is_the_pool_and_the_regression() -> None:
    pool = vf.random_effects(y=Y, v=V, method="ML", test="Wald")
    for given in ({"delta": (1, 1)}, {"model": "power", "delta": 0}, {"model": "beta", "delta": (1, 1)}):
        fit = model(y=Y, v=V, **given)
        assert fit.estimate == pytest.approx(pool.estimate, rel=1e-8)
        assert fit.tau2 == pytest.approx(pool.tau2, rel=1e-7)
        assert fit.log_likelihood == pytest.approx(pool.information("ML").log_likelihood, abs=1e-9)
        assert fit.selection_test.statistic == pytest.approx(0, abs=1e-9)
    data = {"dose": np.arange(len(Y)) % 5}
    plain = vf.meta_regression(y=Y, v=V, data=data, formula="~ dose", method="ML", test="Wald")
    turned = model(y=Y, v=V, data=data, formula="~ dose", delta=(1, 1))
    np.testing.assert_allclose(turned.estimate, plain.estimate, rtol=1e-6)
    assert turned.unselected == pytest.approx(plain.estimate, rel=1e-12)


@pytest.mark.parametrize("name", ["step", "beta", "half-normal", "truncated"])
def test_effects_turned_round_or_in_another_unit_give_the_same_answer(name: str) -> None:
    fit = model(y=Y, v=V, model=name)
    back = model(y=-Y, v=V, model=name, favoured="lower")
    small = model(y=Y * 1e-4, v=V * 1e-8, model=name)
    assert back.estimate == pytest.approx(-fit.estimate, rel=1e-9)
    assert small.estimate == pytest.approx(fit.estimate * 1e-4, rel=1e-8)
    assert small.tau2 == pytest.approx(fit.tau2 * 1e-8, rel=1e-7)
    for other in (back, small):
        np.testing.assert_allclose(other.delta, fit.delta, rtol=1e-7)
        np.testing.assert_allclose(other.delta_se, fit.delta_se, rtol=1e-6)


def test_p_values_are_held_against_no_difference() -> None:
    shifted = vf.Question(measure="MD", no_difference=2.0)
    fit, moved = model(y=Y, v=V), model(y=Y + 2, v=V, question=shifted)
    assert moved.estimate == pytest.approx(fit.estimate + 2, rel=1e-9)
    assert moved.statistic == pytest.approx(fit.statistic, rel=1e-7)
    np.testing.assert_allclose(moved.p_values, fit.p_values, rtol=1e-9)
    np.testing.assert_allclose(np.add(fit.profile_interval(), 2), moved.profile_interval(), rtol=1e-6)


@pytest.mark.parametrize(("given", "of"), [({}, "p > 0.025"), ({"model": "half-normal"}, "delta1")])
def test_profile_limits_are_where_the_likelihood_has_fallen_as_far_as_it_may(given: dict[str, Any], of: str) -> None:
    fit = model(y=Y, v=V, **given)
    drop = stats.chi2.isf(0.1, 1) / 2
    for limit in fit.profile_interval(of, 0.9):
        held = (1, limit) if not given else limit
        if limit == 0:
            assert model(y=Y, v=V, delta=0, **given).log_likelihood > fit.log_likelihood - drop
        else:
            assert model(y=Y, v=V, delta=held, **given).log_likelihood == pytest.approx(fit.log_likelihood - drop, abs=1e-6)


def test_profile_of_the_mean_without_selection_is_that_of_the_normal_model() -> None:
    fit = model(y=Y, v=V, delta=(1, 1), heterogeneity="common")
    pool = vf.common_effect(y=Y, v=V)
    np.testing.assert_allclose(fit.profile_interval(), pool.interval, rtol=1e-7)
    np.testing.assert_allclose(fit.interval, pool.interval, rtol=1e-9)
    profile = vf.random_effects(y=Y, v=V, method="ML", test="Wald", tau2_interval="profile-likelihood").tau2_interval
    np.testing.assert_allclose(model(y=Y, v=V, delta=(1, 1)).tau2_interval, profile, rtol=1e-5)


def test_an_estimated_cut_is_the_best_of_all() -> None:
    y, v = Y[:15], V[:15]
    fit = model(y=y, v=v, model="truncated", cuts="estimate")
    heights = [model(y=y, v=v, model="truncated", cuts=float(c)).log_likelihood for c in np.linspace(-0.31, 0.8, 60)]
    assert max(heights) <= fit.log_likelihood + 1e-9
    near = float(fit.cuts[0])
    assert model(y=y, v=v, model="truncated", cuts=near).log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    assert fit.delta_terms[1].startswith("effect <= ")
    assert (y <= fit.cuts[0]).sum() == fit.counts[1]
    assert any("chosen from the data" in note for note in fit.warnings)


def test_an_interval_without_a_study_is_named() -> None:
    y, v = np.linspace(0.6, 1.4, 12), np.full(12, 0.02)
    fit = model(y=y, v=v)
    assert fit.delta.tolist() == [1, 0]
    assert fit.delta_at_edge == (False, True)
    assert math.isnan(fit.delta_se[1])
    assert "No study has p > 0.025: such a weight cannot be estimated" in str(fit)
    z = stats.norm.isf(0.025) * np.sqrt(v)

    def height(mu: float, tau2: float) -> float:
        law = stats.norm(mu, np.sqrt(v + tau2))
        return float((law.logpdf(y) - law.logsf(z)).sum())

    assert fit.log_likelihood == pytest.approx(height(fit.estimate, fit.tau2), abs=1e-9)
    assert all(height(fit.estimate + a, abs(fit.tau2 + b)) <= fit.log_likelihood for a in (-1e-3, 1e-3) for b in (-1e-3, 1e-3))
    none = model(y=-y, v=v)
    assert none.delta.tolist() == [1, math.inf]
    assert "relative to it, cannot be estimated" in str(none)
    middle = model(y=np.r_[y, -y], v=np.r_[v, v], model="4PSM")
    assert middle.delta[1] == 0
    assert "No study has 0.025 < p <= 0.5" in str(middle)


def test_few_studies_are_refused_or_warned_of() -> None:
    for k in (1, 2):
        with pytest.raises(vf.InputError, match="cannot estimate 3 parameters"):
            model(y=Y[:k], v=V[:k])
    assert model(y=Y[:1], v=V[:1], delta=(1, 0.5), heterogeneity="common").k == 1
    with pytest.warns(vf.VfmetaWarning, match="fewer than 10 says next to nothing"):
        model(y=Y[:9], v=V[:9])
    same = model(y=np.full(12, 0.3), v=np.linspace(0.01, 0.1, 12))
    assert same.tau2 == 0
    flat = model(y=np.full(8, 0.3), v=np.linspace(0.02, 0.16, 8), model="negative exponential power")
    assert flat.selection_test.statistic == pytest.approx(0, abs=1e-9)
    assert "tends to one without selection" in str(flat)
    assert "p^" not in str(flat)
    assert math.isfinite(same.estimate)


def test_the_side_is_that_of_the_question_or_told() -> None:
    low = vf.Question(measure="RR", higher_is_worse=True)
    assert vf.appraisal.selection_model(y=Y, v=V, question=low).favoured == "lower"
    with pytest.warns(vf.VfmetaWarning, match="higher effects are taken as favoured"):
        assert vf.appraisal.selection_model(y=Y, v=V).favoured == "higher"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cuts": (0.5, 0.025)}, "rising p values"),
        ({"cuts": (0.025, 1.2)}, "rising p values"),
        ({"model": "4PSM", "cuts": 0.1}, "has its cuts"),
        ({"model": "beta", "two_sided": True}, "for step functions"),
        ({"model": "power", "cuts": 0.1}, "has no cuts"),
        ({"model": "beta", "cuts": (0.9, 0.1)}, "takes two p values"),
        ({"delta": (1, 0.5, 0.2)}, "takes 2 weights"),
        ({"delta": (0.9, 0.5)}, "the first of them 1"),
        ({"model": "half-normal", "delta": -1}, "none negative"),
        ({"model": "truncated", "cuts": (0, 1)}, "one cut"),
        ({"model": "stairs"}, "is unknown"),
        ({"two_sided": "yes"}, "true or false"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        model(y=Y, v=V, **given)


def test_a_table_a_fit_and_arrays_are_one_door() -> None:
    known = model(y=Y, v=V).estimate
    table = vf.effect_table(y=Y, v=V)
    assert model(table).estimate == pytest.approx(known, rel=1e-12)
    assert model(vf.random_effects(table)).estimate == pytest.approx(known, rel=1e-12)
    assert model({"d": Y, "s": np.sqrt(V)}, y="d", se="s").estimate == pytest.approx(known, rel=1e-9)


def test_many_are_each_as_one() -> None:
    sizes = {"a": 37, "b": 20, "c": 12, "d": 2}
    groups = np.repeat(list(sizes), list(sizes.values()))
    rng = np.random.default_rng(4)
    y, v = np.r_[Y, -Y[:20], np.linspace(0.6, 1.4, 12), 0.1, 0.2], np.r_[V, V[:20], np.full(12, 0.02), 0.1, 0.2]
    order = rng.permutation(len(y))
    frame = pd.DataFrame({"question": groups, "y": y, "v": v}).iloc[order]
    for given in ({}, {"cuts": (0.025, 0.5)}, {"cuts": 0.05, "two_sided": True}, {"heterogeneity": "common"}):
        many = vf.appraisal.selection_model_many(frame, **given).set_index("question")
        assert math.isnan(many.estimate["d"]) is ("heterogeneity" not in given)
        for name in "abc":
            own = frame[frame.question == name]
            one = vf.appraisal.selection_model(own, y="y", v="v", **given)
            row = many.loc[name]
            if not given.get("two_sided"):
                assert row.favoured == one.favoured
            assert row.k == one.k
            for got, want in (
                (row.estimate, one.estimate), (row.se, one.se), (row.tau2, one.tau2), (row.tau2_se, one.tau2_se),
                (row.delta2, one.delta[1]), (row.delta2_se, one.delta_se[1]), (row.n2, one.counts[1]),
                (row.log_likelihood, one.log_likelihood), (row.selection_statistic, one.selection_test.statistic),
                (row.selection_p_value, one.selection_test.p_value), (row.ci_high, one.interval[1]), (row.p_value, one.p_value),
            ):  # fmt: skip
                assert got == pytest.approx(want, rel=1e-6, abs=1e-9, nan_ok=True)


def test_errors_robust_to_clusters_are_those_of_the_sandwich() -> None:
    groups = np.arange(len(Y)) // 3
    pool = vf.multivariate(y=Y, v=V, data={"g": groups}, random=None, test="Wald")
    known = vf.robust(pool, groups, kind="CR1")
    held = model(y=Y, v=V, delta=(1, 1), heterogeneity="common", cluster=groups)
    assert held.estimate == pytest.approx(known.estimate[0], rel=1e-9)
    assert held.se == pytest.approx(known.se[0], rel=1e-7)
    free, plain = model({"y": Y, "v": V, "lab": groups}, cluster="lab"), model(y=Y, v=V)
    assert free.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert free.se != pytest.approx(plain.se, rel=1e-3)
    # scores of the clusters as differences of the likelihood with 40 digits
    at = np.array([free.estimate, free.tau2, free.delta[1]])

    def height(theta: np.ndarray, rows: np.ndarray) -> float:
        return float(log_likelihood("stepfun", Y[rows], V[rows], theta[0], theta[1], (1, theta[2]), cuts=(0.025,)))

    steps = np.diag(1e-5 * at)
    scores = np.array([
        [(height(at + h, groups == g) - height(at - h, groups == g)) / (2 * h.max()) for h in steps] for g in np.unique(groups)
    ])  # fmt: skip
    every = np.ones(len(Y), dtype=bool)
    wide = np.diag(1e-3 * at)
    info = -np.array([
        [
            (height(at + a + b, every) - height(at + a - b, every) - height(at - a + b, every) + height(at - a - b, every))
            / (4 * a.max() * b.max()) for b in wide
        ] for a in wide
    ])  # fmt: skip
    bread = np.linalg.inv(info)
    variance = np.diag(bread @ scores.T @ scores @ bread) * len(scores) / (len(scores) - 1)
    np.testing.assert_allclose([free.se, free.tau2_se, free.delta_se[1]], np.sqrt(variance), rtol=1e-4)
    with pytest.raises(vf.InputError, match="one cluster only"):
        model(y=Y, v=V, cluster=np.zeros(len(Y)))


def test_a_regression_keeps_its_moderators() -> None:
    data = {"dose": np.arange(len(Y)) % 5}
    plain = vf.meta_regression(y=Y, v=V, data=data, formula="~ dose", level=0.9)
    fit, known = model(plain), model(y=Y, v=V, data=data, formula="~ dose", level=0.9)
    assert (fit.terms, fit.level) == (known.terms, 0.9)
    np.testing.assert_allclose(fit.estimate, known.estimate, rtol=1e-9)
    with pytest.raises(vf.InputError, match="give a pool"):
        model(vf.subgroups(y=Y, v=V, by=["a", "b"] * 18 + ["a"]))


def test_the_figure_shows_the_weights_and_every_study() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    for name in ("step", "beta"):
        fit = model(y=Y, v=V, model=name)
        axes = fit.plot()
        drawn = {line.get_gid(): line for line in axes.get_lines()}
        np.testing.assert_allclose(drawn["studies"].get_xdata(), stats.norm.sf(Y / np.sqrt(V)), rtol=1e-9)
        height = drawn["weight"].get_ydata()
        assert height.max() == pytest.approx(max(1.0, float(fit.delta[1]) if name == "step" else 1.0))
        plt.close("all")
    with pytest.raises(vf.InputError, match="selects by the effect"):
        model(y=Y, v=V, model="truncated").plot()


def test_the_sentence_speaks_of_ratios() -> None:
    fit = model(y=Y, v=V, question=vf.Question(measure="OR"))
    assert fit.sentence().startswith(f"If results were selected in this way, OR is {math.exp(fit.estimate):.2f} (")
    assert "not that there was any" in str(fit)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["beta", "negative exponential power", "step", "half-normal"])
@pytest.mark.parametrize("seed", range(6))
def test_no_start_leads_higher_than_the_answer(name: str, seed: int) -> None:
    from vfmeta.kernels.selection_climb import FOUND, search

    rng = np.random.default_rng(seed)
    k = int(rng.integers(12, 40))
    v = rng.uniform(0.005, 0.3, k)
    y = rng.normal(rng.uniform(0, 0.4), np.sqrt(v + rng.choice([0, 0.05, 0.2])))
    seen = (y / np.sqrt(v) > 1.96) | (rng.random(k) < 0.5)
    y, v = y[seen], v[seen]
    fit = model(y=y, v=v, model=name)
    turned, function, _ = build(Chosen(name, (0.025,) if name == "step" else (), False, 1, None, 0.0), y, v)
    state, starts = prepared(turned, v, np.ones((len(y), 1)), function, False)
    size = starts.shape[1]
    tries = np.abs(rng.normal(0, 1, (150, size))) * np.r_[1, 3, np.full(size - 2, 1.0)]
    tries[:, 0] *= rng.choice([-1, 1], 150)
    values, ends = search(state.problem, tries, state.lower, state.upper, state.held, state.far)
    top = tries[np.argmax(np.where(ends == FOUND, values, -np.inf))]
    best = fit.fitted.state.climb(top, state.held)[1] - len(y) * math.log(state.unit)  # with the finer steps of the answer
    assert isinstance(function, Curve) or name == "step"
    assert best <= fit.log_likelihood + 1e-5
