"""Network models with likelihoods of arms: published posteriors (slow), closed forms, and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests import tsd_networks as tsd
from tests.test_networks import ARMS, CASES

import vfmeta as vf
from vfmeta.networks.model_fit import compare_models

PAIN = vf.Question(measure="MD", points=(0, 10), higher_is_worse=True)


def sampled(model: Any, **settings: Any) -> Any:
    post = model.sample(seed=1, **settings)
    assert post.gate.passed, post.gate.warnings
    return post


def error(post: Any, name: str, at: int = 0) -> float:
    """Monte Carlo standard error of a posterior mean."""
    x = post.draws(name)
    x = x.reshape(*x.shape[:2], -1)[..., at]
    from vfmeta.bayes import versions

    return float(x.std() / np.sqrt(versions.ess(x, "mean")))


def agrees(post: Any, expected: dict[str, tuple[float, float]], *, rounding: float = 0.005, other: float = 0.01) -> None:
    """Posterior means and SDs are those published, within four errors of both runs and half a unit of the last digit."""
    frame = post.to_frame().set_index("term")
    for i, (term, (mean, sd)) in enumerate(expected.items()):
        name, at = (term, 0) if term == "tau" else ("d", post.model.terms.index(term))
        row = frame.loc["tau" if term == "tau" else f"d[{term}]"]
        off = rounding + 4 * np.hypot(error(post, name, at), other)
        assert row["mean"] == pytest.approx(mean, abs=off), (i, term)
        assert row["se"] == pytest.approx(sd, abs=rounding + 0.1 * sd), (i, term)


@pytest.mark.slow
def test_beta_blockers_of_tsd_2_and_which_model_fits() -> None:
    random = sampled(vf.networks.arm_model(tsd.BLOCKER, reference="control", tau=tsd.HALF5, **tsd.VAGUE))
    common = sampled(vf.networks.arm_model(tsd.BLOCKER, reference="control", heterogeneity="common", **tsd.VAGUE))
    agrees(random, {"beta blocker": (-0.25, 0.06), "tau": (0.13, 0.08)}, other=0.003)
    agrees(common, {"beta blocker": (-0.26, 0.05)}, other=0.001)
    # residual deviance and pD of multinma's vignette
    for post, deviance, p in ((random, 41.8, 28.1), (common, 46.8, 23.1)):
        assert post.dic().points == 44
        assert post.dic().deviance == pytest.approx(deviance, abs=0.6)
        assert post.dic().p == pytest.approx(p, abs=0.6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        found = compare_models({"random effects": random, "common effects": common})
    assert "too few to tell them apart" in found.sentence()
    assert "The simplest of them is common effects" in found.sentence()
    assert found.labels[26:28] == ("14: control", "14: beta blocker")  # the trial that the vignette names as fitting badly
    assert found.deviance[1].argmax() in (26, 27)
    assert vf.read_result(found.to_json()) == found


@pytest.mark.slow
def test_smoking_cessation_of_tsd_4_consistent_and_unrelated() -> None:
    settings = {"reference": "A", "tau": tsd.HALF5, **tsd.VAGUE}
    fit = sampled(vf.networks.arm_model(tsd.SMOKING, **settings))
    agrees(fit, {"D": (1.11, 0.45), "C": (0.85, 0.25), "B": (0.49, 0.42), "tau": (0.85, 0.18)})
    # multinma takes the treatments in the order none, group, individual, self-help: which effects three arms inform hangs on it
    renamed = tsd.SMOKING.assign(treatment=tsd.SMOKING.treatment.map({"A": "A", "D": "B", "C": "C", "B": "D"}))
    ume = sampled(vf.networks.arm_model(renamed, consistency="UME", **settings))
    assert ume.model.terms == ("B v A", "C v A", "D v A", "C v B", "D v B", "D v C")
    agrees(ume, {
        "B v A": (1.13, 0.79), "C v A": (0.90, 0.27), "D v A": (0.36, 0.57), "C v B": (-0.30, 0.59), "D v B": (-0.61, 0.70),
        "D v C": (0.21, 1.04), "tau": (0.93, 0.22),
    }, other=0.02)  # fmt: skip
    for post, deviance, p in ((fit, 53.5, 43.5), (ume, 53.9, 45.1)):
        assert post.dic().deviance == pytest.approx(deviance, abs=1.2)
        assert post.dic().p == pytest.approx(p, abs=1.2)
    ranks = fit.ranks("high")
    assert ranks.loc["D", ["1", "2", "3"]].tolist() == pytest.approx([0.70, 0.23, 0.07], abs=0.03)
    assert ranks.loc["A", "4"] == pytest.approx(0.88, abs=0.03)
    with pytest.raises(vf.InputError, match="do not order the treatments"):
        ume.ranks("high")


@pytest.mark.slow
def test_a_sampled_split_is_the_published_one_where_definitions_agree() -> None:
    fit = sampled(vf.networks.arm_model(tsd.SMOKING, reference="A", tau=tsd.HALF5, **tsd.VAGUE))
    found = vf.networks.split_nodes(fit)
    frame = found.to_frame().set_index(["treatment", "control"])
    assert len(frame) == 6
    # no trial of several arms has both: every definition splits them alike (multinma's vignette)
    row = frame.loc[("B", "A")]
    for name, mean, sd in (
        ("direct", 0.33, 0.55),
        ("indirect", 0.70, 0.61),
        ("difference", -0.36, 0.83),
        ("network", 0.48, 0.4),
    ):
        assert row[name] == pytest.approx(mean, abs=0.08)
        assert row[f"{name}_se"] == pytest.approx(sd, abs=0.06)
    assert row["p_two_sided"] == pytest.approx(0.66, abs=0.05)
    assert row["tau"] == pytest.approx(0.85, abs=0.04)


@pytest.mark.slow
def test_thrombolytics_of_lu_and_ades() -> None:
    uniform = vf.priors.Uniform(2.0)
    model = vf.networks.arm_model(tsd.THROMBOLYTIC, reference="AtPA", tau=uniform, **tsd.VAGUE)
    post = sampled(model, draws=2000, target_accept=0.99)  # at 0.95 the gate finds divergences, and says to raise it
    # gemtc's summary of this example: effects against AtPA, and of ASPAC against SK and tPA
    agrees(post, {
        "ASPAC": (0.2673, 0.1701), "Ret": (0.0520, 0.1238), "SKtPA": (0.1682, 0.1624), "Ten": (0.0047, 0.1670),
        "UK": (0.0045, 0.2396), "tau": (0.1132, 0.1046),
    }, rounding=0.0001, other=0.004)  # fmt: skip
    frame = post.comparisons().set_index(["treatment", "control"])
    assert frame.loc[("ASPAC", "SK"), "estimate"] == pytest.approx(0.0311, abs=0.012)  # medians
    assert frame.loc[("ASPAC", "SK"), "se"] == pytest.approx(0.1083, rel=0.1)


@pytest.mark.slow
def test_reduced_fat_of_tsd_2_over_person_time() -> None:
    uniform = vf.priors.Uniform(5.0)
    post = sampled(vf.networks.arm_model(tsd.FAT, reference="control", tau=uniform, **tsd.VAGUE))
    assert post.question.measure == "IRR"
    agrees(post, {"reduced fat": (-0.0139, 0.0905), "tau": (0.1347, 0.1214)}, rounding=0.0005, other=0.003)  # gemtc
    assert post.dic().deviance == pytest.approx(20.96, abs=0.6)
    assert post.dic().p == pytest.approx(13.53, abs=0.6)


@pytest.mark.slow
def test_diabetes_of_tsd_2_within_a_follow_up() -> None:
    ten = {"beta": vf.priors.Normal(0, 10), "baseline_prior": vf.priors.Normal(0, 10)}
    post = sampled(vf.networks.arm_model(tsd.DIABETES, measure="HR", reference="Beta Blocker", tau=tsd.HALF5, **ten))
    agrees(post, {
        "ACE Inhibitor": (-0.33, 0.08), "ARB": (-0.40, 0.09), "CCB": (-0.17, 0.06), "Diuretic": (0.07, 0.09),
        "Placebo": (-0.22, 0.09), "tau": (0.13, 0.04),
    }, other=0.003)  # fmt: skip
    assert post.dic().deviance == pytest.approx(53.5, abs=1.0)
    assert post.dic().p == pytest.approx(38.2, abs=1.2)


def test_exact_contrasts_are_the_published_posterior_of_parkinson() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        post = vf.networks.posterior(vf.network(tsd.PARKINSON, measure="MD", reference="4"), tau=tsd.HALF5)
    # quantiles: the means and SDs of so heavy a tail were not settled in that run (SD 0.41 printed of "5", 0.46 exact, where
    # tau has 516 effective draws and divergences)
    for term, middle in (("1", 0.55), ("2", -1.31), ("3", 0.03), ("5", -0.29)):
        assert post.marginal(term).median == pytest.approx(middle, abs=0.035)  # 4 x the printed error of 0.01
    assert post.tau.median == pytest.approx(0.26, abs=0.04)
    assert post.tau.interval[1] == pytest.approx(1.46, abs=0.15)
    # flat baselines take one parameter and one point of deviance a trial out of gemtc's 13.591 and 12.396 on 15 arms
    assert post.dic().points == 15 - 7
    assert post.dic().deviance == pytest.approx(13.591 - 7, abs=0.1)
    assert post.dic().p == pytest.approx(12.396 - 7, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if "bayes" in c["expect"]], ids=lambda c: c["id"])
def test_sampled_contrasts_are_the_exact_answers(case: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        net = vf.network(case["inputs"], reference=case["options"]["reference"])
    model = vf.bayes.models.meta_regression(y=net.y, v=net.v, x=net.design.x, names=net.terms, tau=vf.priors.HalfNormal(0.5))
    post = sampled(model, draws=2000)
    expected = case["expect"]["bayes"]
    for i, (term, e) in enumerate(expected["effects"].items()):
        at = net.terms.index(term)
        x = post.draws("beta").reshape(-1, len(net.terms))[:, at]
        assert x.mean() == pytest.approx(e["mean"], abs=4 * error(post, "beta", at)), i
        assert x.std() == pytest.approx(e["sd"], rel=0.06)
    assert post.draws("tau").mean() == pytest.approx(expected["tau"]["mean"], abs=4 * error(post, "tau"))


@pytest.mark.slow
def test_sampled_arms_are_the_exact_answer_with_trials_of_several_arms() -> None:
    (case,) = [c for c in CASES if "senn2013.arms" in c["id"] and "bayes" in c["expect"]]
    model = vf.networks.arm_model(
        case["inputs"], measure="MD", reference="placebo", tau=vf.priors.HalfNormal(0.5), beta=vf.priors.Normal(0, 100),
        baseline_prior=vf.priors.Normal(0, 1000), question=PAIN,
    )  # fmt: skip
    post = sampled(model, draws=2000)
    for term, e in case["expect"]["bayes"]["effects"].items():
        at = post.model.terms.index(term)
        x = post.draws("d")[..., at]
        assert x.mean() == pytest.approx(e["mean"], abs=4 * error(post, "d", at)), term
        assert x.std() == pytest.approx(e["sd"], rel=0.06)
    tau = case["expect"]["bayes"]["tau"]
    assert post.draws("tau").mean() == pytest.approx(tau["mean"], abs=4 * error(post, "tau"))


def levels(arms: pd.DataFrame, by_arm: bool, scale: float, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Means and SDs of the effects against sham, of levels N(0, prior^2) summed over grids of tau and of the SD of trials.

    The covariance of the arms of a trial is written out: s^2 of the trial, tau^2 / 2 of each arm on its own, and where
    baselines are exchangeable only the part of it beside their mean.
    """
    names = ["sham", *sorted(set(arms.treatment) - {"sham"})]
    y, v = arms["mean"].to_numpy(), (arms.sd**2 / arms.n).to_numpy()
    x = np.array([[float(t == n) for n in names] for t in arms.treatment])
    if not by_arm:
        x[:, 0] = 1.0  # the level under sham, and effects
    one = arms.study.to_numpy()[:, None] == arms.study.to_numpy()[None, :]
    own = np.eye(len(y)) - (0 if by_arm else one / one.sum(1, keepdims=True))
    ask = np.eye(len(names))[1:] - (np.eye(len(names))[0] if by_arm else 0.0)
    logs, means, spreads = [], [], []
    grid = (np.arange(60) + 0.5) / 60
    for tau in grid * 5 * scale:
        for s in grid * 5:
            V = np.diag(v) + s**2 * one + tau**2 / 2 * own
            total = V + prior**2 * x @ x.T
            gain = prior**2 * x.T @ np.linalg.inv(total)
            cov = prior**2 * np.eye(len(names)) - gain @ x * prior**2
            logs.append(-0.5 * (np.linalg.slogdet(total)[1] + y @ np.linalg.solve(total, y) + (tau / scale) ** 2 + s**2))
            means.append(ask @ gain @ y)
            spreads.append(np.diag(ask @ cov @ ask.T))
    p = np.exp(np.array(logs) - max(logs))
    p /= p.sum()
    mean = p @ np.array(means)
    return mean, np.sqrt(p @ (np.array(spreads) + np.array(means) ** 2) - mean**2)


@pytest.mark.slow
@pytest.mark.parametrize("by_arm", [True, False], ids=["arm-based", "exchangeable baselines"])
def test_levels_that_inform_effects_are_the_sum_over_their_grid(by_arm: bool) -> None:
    ten = vf.priors.Normal(0, 10)
    how: dict[str, Any] = {"parametrisation": "arm-based"} if by_arm else {"baseline": "random", "beta": ten}
    model = vf.networks.arm_model(
        ARMS, reference="sham", tau=vf.priors.HalfNormal(0.5), baseline_prior=ten, baseline_sd=vf.priors.HalfNormal(1.0),
        question=PAIN, **how,
    )  # fmt: skip
    post = sampled(model, draws=2000)
    mean, sd = levels(ARMS, by_arm, 0.5, 10.0)
    d = post.draws("d").reshape(-1, 3)
    for at, term in enumerate(("brace", "drug", "gym")):
        assert post.model.terms[at] == term
        assert d[:, at].mean() == pytest.approx(mean[at], abs=4 * error(post, "d", at) + 1e-3)
        assert d[:, at].std() == pytest.approx(sd[at], rel=0.05)


def test_a_graph_serves_other_data_of_its_shape_and_prior_family() -> None:
    from vfmeta.bayes.models import engine

    model = vf.networks.arm_model(tsd.BLOCKER, reference="control")
    other = vf.networks.arm_model(
        tsd.BLOCKER.assign(events=tsd.BLOCKER.events + 1), reference="control", tau=vf.priors.HalfNormal(2.0),
        beta=vf.priors.Normal(0, 1),
    )  # fmt: skip
    assert engine._graph(model) is engine._graph(other)
    assert engine._graph(model) is not engine._graph(vf.networks.arm_model(tsd.BLOCKER, reference="control", baseline="random"))
    # the density of one model is a function of its data: what the containers hold is what is computed with
    graph = engine._graph(other)
    point = {name: np.zeros((1, *np.shape(x))) for name, x in graph.model.initial_point().items() if not name.startswith("tau")}
    draws = {name: np.full((1, *point[name].shape[1:]), 0.1) if name in point else np.full(1, 0.3) for name in graph.free}
    from scipy.stats import binom

    for each in (model, other):
        graph.vector.feed(each.data, each.coords)
        found = graph.vector.densities(draws)
        risk = found["deterministic"]["risk"][0]
        expected = binom.logpmf(each.data["count"], each.data["n"], risk)
        np.testing.assert_allclose(found["log_likelihood"]["events"][0], expected, rtol=1e-9)


def test_effects_of_a_trial_have_the_covariance_of_the_model() -> None:
    plan = vf.networks.arm_model(ARMS, reference="sham", question=PAIN).plan
    G = plan.root @ plan.root.T
    sizes = [len(t.arms) - 1 for t in plan.arms.net.trials]
    expected = np.zeros_like(G)
    at = 0
    for m in sizes:
        expected[at : at + m, at : at + m] = (np.eye(m) + 1) / 2
        at += m
    np.testing.assert_allclose(G, expected, atol=1e-12)
    # a baseline is the mean of its arms: what contrasts add sums to nothing, and their differences are the contrasts
    np.testing.assert_allclose(plan.mean @ plan.half, 0, atol=1e-12)
    first = [int(np.flatnonzero(plan.arms.trial == i)[0]) for i in range(len(sizes))]
    differences = np.delete(plan.half - plan.half[np.array(first)[plan.arms.trial]], first, axis=0)
    np.testing.assert_allclose(differences, np.eye(len(G)), atol=1e-12)


def test_unrelated_effects_of_two_arm_trials_are_separate_pools() -> None:
    frame = pd.DataFrame({
        "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
        "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2, 0.3, 0.25, 0.2, 0.15, 0.3],
    })  # fmt: skip
    net = vf.network(frame, reference="A", method="common", test="Wald")
    post = vf.networks.posterior(net, consistency="UME", tau=vf.priors.HalfNormal(1e-6))
    assert post.terms == ("B v A", "C v A", "C v B")
    for i, pair in enumerate((("B", "A"), ("C", "A"), ("C", "B"))):
        own = frame[(frame.treat1 == pair[0]) & (frame.treat2 == pair[1])]
        pool = vf.common_effect(y=own.y, se=own.se)
        assert post.estimate[i] == pytest.approx(pool.estimate, rel=1e-6)
        assert post.se[i] == pytest.approx(pool.se, rel=1e-6)
    # at tau2 = 0 residual deviance at the means is Cochran's Q within, and three parameters are spent
    assert post.dic().p == pytest.approx(3.0, abs=1e-4)
    assert post.dic().deviance == pytest.approx(float(net.coherence().within.statistic) + 3, abs=1e-4)
    with pytest.raises(vf.InputError, match="no indirect evidence"):
        vf.networks.split_nodes(post)
    with pytest.raises(vf.InputError, match="do not order"):
        post.ranks("low")


def test_exact_leave_one_out_is_the_density_of_a_trial_from_the_others() -> None:
    frame = pd.DataFrame({"study": list("abcd"), "treat1": list("BBBB"), "treat2": list("AAAA"), "y": [0.1, 0.4, 0.2, 0.9],
                          "se": [0.2, 0.3, 0.25, 0.2]})  # fmt: skip
    post = vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.5))
    found = post.loo()
    from scipy.stats import norm

    grid = (np.arange(4000) + 0.5) / 4000 * 4
    for i in range(4):
        y, v = frame.y.drop(i).to_numpy(), frame.se.drop(i).to_numpy() ** 2
        w = 1 / (v + grid[:, None] ** 2)
        total = w.sum(1)
        m = (w @ y) / total
        log = 0.5 * (np.log(w).sum(1) - np.log(total) - (w * (y - m[:, None]) ** 2).sum(1)) - 0.5 * (grid / 0.5) ** 2
        p = np.exp(log - log.max())
        density = norm.pdf(frame.y[i], m, np.sqrt(1 / total + grid**2 + frame.se[i] ** 2))
        assert found.pointwise["elpd"][i] == pytest.approx(np.log((p * density).sum() / p.sum()), abs=1e-6)


def test_the_comparison_of_models_says_what_its_numbers_do() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        net = vf.network(ARMS, reference="sham", question=PAIN)
        posts = {k: vf.networks.posterior(net, consistency=k, tau=vf.priors.HalfNormal(0.5)) for k in ("consistency", "UME")}
        found = vf.networks.compare_models(posts)
        other = vf.networks.posterior(vf.network(ARMS[ARMS.study != "a"], reference="sham", question=PAIN))
    frame = found.to_frame()
    for i, post in enumerate(posts.values()):
        assert frame["dic"][i] == pytest.approx(post.dic().dic, rel=1e-12)
    # only trial f compares gym with brace: without it that effect is unknown, and the difference leaves it out
    assert np.isneginf(frame["elpd"][1])
    known = np.isfinite(found.elpd[1])
    assert frame["elpd_difference"][1] == pytest.approx((found.elpd[1] - found.elpd[0])[known].sum())
    assert found.warnings == ("UME: Without f an effect is unknown: its predictive density is 0.",)
    with pytest.raises(vf.InputError, match="other observations"):
        vf.networks.compare_models({"one": posts["consistency"], "two": other})
    with pytest.raises(vf.InputError, match="two or more"):
        vf.networks.compare_models({"one": posts["consistency"]})
    ax = found.plot()
    (line,) = [x for x in ax.lines if x.get_gid() == "UME"]
    np.testing.assert_allclose(line.get_xdata(), found.deviance[0])
    np.testing.assert_allclose(line.get_ydata(), found.deviance[1])


@pytest.mark.parametrize(("given", "said"), [
    ({"measure": "RD"}, "no likelihood of arms"),
    ({"measure": "IRR"}, "missing: time"),
    ({"parametrisation": "arm-based", "baseline": "random"}, "levels of treatments"),
    ({"parametrisation": "arm-based", "consistency": "UME"}, "levels of treatments"),
    ({"consistency": "UME", "baseline": "random"}, 'goes with baseline="fixed"'),
    ({"baseline_sd": vf.priors.HalfNormal(1.0)}, 'goes with baseline="random"'),
    ({"heterogeneity": "common", "tau": vf.priors.HalfNormal(1.0)}, "leave one out"),
    ({"tau": vf.priors.Uniform()}, "proper prior"),
    ({"beta": vf.priors.Flat()}, "improper"),
    ({"beta": {"X": vf.priors.Normal(0, 1)}}, "no coefficient"),
    ({"consistency": "consistant"}, "Did you mean"),
    ({"events": [3.5, *tsd.BLOCKER.events[1:]]}, r"column events: a likelihood of counts needs a whole number \(value 3.5\)"),
    ({"events": [50, *tsd.BLOCKER.events[1:]]}, "more events"),
    ({"treatment": ["a"] * 44}, "several arms"),
    ({"study": list("aabbcc") + [str(i) for i in range(38)], "treatment": list("xyxyzw") + ["x"] * 38}, "2 parts"),
])  # fmt: skip
def test_what_a_network_model_cannot_be_is_refused_in_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.networks.arm_model(tsd.BLOCKER, **given)


def test_what_suits_two_measures_is_asked_for() -> None:
    with pytest.raises(vf.InputError, match="suit OR, HR, IRR"):
        vf.networks.arm_model(tsd.DIABETES)


def test_priors_that_expect_more_than_can_be_counted_say_so() -> None:
    model = vf.networks.arm_model(tsd.FAT, reference="control", **tsd.VAGUE)
    with pytest.raises(vf.InputError, match="counts beyond what can be drawn"):
        model.prior_predictive(draws=200)
    found = vf.networks.arm_model(tsd.FAT, reference="control").prior_predictive(draws=20)
    assert found["prior_predictive"]["events"].shape == (1, 20, 20)


def test_trials_without_events_are_kept_and_named() -> None:
    arms = pd.DataFrame({"study": list("aabbc"), "treatment": list("BABAB"), "events": [0, 0, 3, 5, 1], "n": [20] * 5})
    model = vf.networks.arm_model(arms, reference="A")
    assert model.coords["study"] == ["a", "b"]
    assert any("No event in any arm of a" in x for x in model.notes)
    assert any("c (B alone, no comparison)" in x for x in model.notes)
