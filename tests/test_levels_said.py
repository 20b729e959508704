"""What misses its level by more than three points says so; small simulations of the worst settings hold the words to it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, f

import vfmeta as vf


def clustered(rng: np.random.Generator, m: int, n: int = 3) -> tuple[Any, np.ndarray]:
    """A fit with two moderators without effect, of ``n`` effects in each of ``m`` clusters, and the clusters."""
    trial, v = np.repeat(np.arange(m), n), rng.uniform(0.02, 0.2, n * m)
    y = np.repeat(rng.normal(0, 0.3, m), n) + rng.normal(0, np.sqrt(v))
    data = {"y": y, "v": v, "a": np.repeat(rng.normal(size=m), n), "b": rng.normal(size=n * m)}
    return vf.meta_regression(data, "~ a + b", test="Wald"), trial


def test_joint_robust_tests_say_how_often_they_reject() -> None:
    fit, trial = clustered(np.random.default_rng(1), 8)
    robust = vf.robust(fit, trial)
    wald = robust.estimate[1:] @ np.linalg.solve(robust.vb[1:, 1:], robust.estimate[1:])
    with pytest.warns(vf.VfmetaWarning, match="F rejects about 10%"):
        by_f = robust.wald(test="F")
    with pytest.warns(vf.VfmetaWarning, match="chi2 rejects 15 to 30%"):
        by_chi2 = robust.wald(test="chi2")
    assert by_f.p_value == pytest.approx(f.sf(wald / 2, 2, 8 - 3), rel=1e-10)
    assert by_chi2.p_value == pytest.approx(chi2.sf(wald, 2), rel=1e-10)
    assert 'prefer test="HTZ"' in str(by_f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "rejects 1 to 2%" in str(robust.wald())
        assert robust.wald(["a"]).note == ""  # one contrast: the t test, which holds


def test_joint_robust_tests_of_many_clusters_are_silent() -> None:
    fit, trial = clustered(np.random.default_rng(2), 45)
    robust = vf.robust(fit, trial)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {robust.wald(test=t).note for t in ("HTZ", "F", "chi2")} == {""}


def test_bootstrap_says_what_its_intervals_cover() -> None:
    rng = np.random.default_rng(3)
    v = rng.uniform(0.02, 0.2, 30)
    y = rng.normal(0, np.sqrt(v + 0.1))
    with pytest.warns(vf.VfmetaWarning, match=r"cover tau2 in about 60 to 75%.* and the mean in 80 to 83%"):
        few = vf.bootstrap(vf.random_effects(y=y[:5], v=v[:5]), kind="studies", draws=100)
    assert "60 to 75%" in str(few)
    assert "60 to 75%" in str(vf.read_result(few.to_json()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vf.bootstrap(vf.random_effects(y=y, v=v), kind="studies", draws=100).warnings == ()
        assert vf.bootstrap(vf.random_effects(y=y[:12], v=v[:12], tau2=0.1), draws=100).warnings == ()  # tau2 is not estimated


def two_groups(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Two groups of ``n`` studies that differ in nothing, tau2 0.09."""
    v = rng.uniform(0.02, 0.2, 2 * n)
    return {"y": rng.normal(0, np.sqrt(v + 0.09)), "v": v, "g": np.repeat([0.0, 1.0], n)}


def test_group_without_heterogeneity_is_an_answer_on_the_edge() -> None:
    """With a mean and a tau2 of its own each group is a pool by REML, and one of them has a tau2 of 0."""
    data = {"y": [0.9, -0.6, 0.4, 1.5, -1.1, 0.2, 0.21, 0.19, 0.2, 0.22], "v": [0.05] * 10, "g": [0.0] * 5 + [1.0] * 5}
    with pytest.warns(vf.VfmetaWarning, match=r"tau2 is estimated as 0 in 5 of 10 studies \(study 6, study 7"):
        fit = vf.location_scale(data, "~ 0 + C(g)", "~ g")
    wide, narrow = np.array(data["y"][:5]), np.array(data["y"][5:])
    assert fit.tau2[5:].tolist() == [0.0] * 5
    assert fit.tau2[:5] == pytest.approx(np.full(5, wide.var(ddof=1) - 0.05), rel=1e-6)  # REML of equal variances
    assert fit.estimate == pytest.approx([wide.mean(), narrow.mean()], abs=1e-9)
    assert fit.se == pytest.approx([wide.std(ddof=1) / np.sqrt(5), np.sqrt(0.05 / 5)], rel=1e-6)
    assert np.isnan(fit.scale_se).all()
    assert "no finite value" in str(fit)
    assert "nan" not in str(fit)
    assert fit.predict({"g": [1.0]})["tau2"].iloc[0] == pytest.approx(0, abs=1e-9)
    assert vf.read_result(fit.to_json()) == fit


def test_binomial_approximation_of_common_events_warns_of_its_bias() -> None:
    common = {"events1": [10, 14, 9, 12], "n1": [40, 50, 45, 48], "events2": [15, 18, 16, 13], "n2": [41, 50, 44, 47]}
    with pytest.warns(vf.VfmetaWarning, match=r"CM\.AL takes events as rare, and 29% of all patients"):
        near = vf.glmm("OR", model="CM.AL", **common, heterogeneity="common")
    exact = vf.glmm("OR", model="CM.EL", **common, heterogeneity="common")
    assert 0 > near.estimate > exact.estimate + 0.1
    rare = {name: [10 * x for x in n] if name[0] == "n" else n for name, n in common.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        near = vf.glmm("OR", model="CM.AL", **rare, heterogeneity="common")
    assert near.estimate == pytest.approx(vf.glmm("OR", model="CM.EL", **rare, heterogeneity="common").estimate, abs=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_location_scale_of_two_groups_of_five() -> None:
    """Those without an answer have, nearly all, no heterogeneity at all."""
    rng, failed, slopes = np.random.default_rng(1), 0, []
    for _ in range(150):
        try:
            slopes.append(vf.location_scale(two_groups(rng, 5), "~ g", "~ g").p_value[1] < 0.05)
        except vf.ConvergenceError:
            failed += 1
    assert failed / 150 < 0.08 + 3 * np.sqrt(0.08 * 0.92 / 150)
    assert np.mean(slopes) < 0.08 + 3 * np.sqrt(0.08 * 0.92 / len(slopes))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_levels_of_joint_robust_tests() -> None:
    rng, draws = np.random.default_rng(6), 300
    level = dict.fromkeys(("HTZ", "F", "chi2"), 0.0)
    for _ in range(draws):
        robust = vf.robust(*clustered(rng, 6))
        for test in level:
            level[test] += (robust.wald(test=test).p_value < 0.05) / draws
    error = 3 * np.sqrt(0.1 * 0.9 / draws)
    assert level["HTZ"] < 0.02 + error
    assert abs(level["F"] - 0.10) < error
    assert 0.15 - error < level["chi2"] < 0.30 + 2 * error


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_coverage_of_the_bootstrap_of_few_studies() -> None:
    rng, sets, covered = np.random.default_rng(5), 300, np.zeros(2)
    for seed in range(sets):
        v = rng.uniform(0.02, 0.2, 5)
        drawn = vf.bootstrap(vf.random_effects(y=rng.normal(0, np.sqrt(v + 0.1)), v=v), kind="studies", draws=200, seed=seed)
        covered += [low <= true <= high for true, (low, high) in ((0.1, drawn.tau2_interval), (0.0, drawn.interval[0]))]
    tau2, mean = covered / sets
    error = 3 * np.sqrt(0.2 * 0.8 / sets)
    assert 0.60 - error < tau2 < 0.75 + error
    assert 0.80 - error < mean < 0.83 + error
