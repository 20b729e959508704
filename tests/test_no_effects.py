"""Synthesis without effect sizes: directions, p values, ranges, and the figures of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import vfmeta as vf


@pytest.mark.parametrize("seed", range(4))
def test_combined_p_values_are_those_of_scipy(seed: int) -> None:
    p = np.random.default_rng(seed).beta(0.6, 1.2, 7)
    found = vf.appraisal.combine_p_values(p=p, n=np.arange(20, 90, 10))
    frame = found.to_frame().set_index("term")
    assert frame.p_value["Fisher"] == pytest.approx(stats.combine_pvalues(p, "fisher").pvalue, rel=1e-10)
    assert frame.p_value["Stouffer"] == pytest.approx(stats.combine_pvalues(p, "stouffer").pvalue, rel=1e-10)
    weighted = stats.combine_pvalues(p, "stouffer", weights=np.sqrt(np.arange(20, 90, 10))).pvalue
    assert frame.p_value["Stouffer, weighted"] == pytest.approx(weighted, rel=1e-10)


def test_two_sided_p_values_are_turned_by_their_direction() -> None:
    two = vf.appraisal.combine_p_values(p=[0.02, 0.4], direction=[1, -1])
    np.testing.assert_allclose(two.p, [0.01, 0.8])


def test_tiny_p_values_keep_their_logarithm() -> None:
    found = vf.appraisal.combine_p_values(p=[1e-200, 1e-250, 1e-180])
    log_p = found.to_frame().set_index("term").log_p
    half = -sum(math.log(x) for x in (1e-200, 1e-250, 1e-180))  # the tail of chi-squared with 6 df is a sum of three
    assert log_p["Fisher"] == pytest.approx(-half + math.log(1 + half + half**2 / 2), rel=1e-12)
    assert "e-6" in str(found)


def test_directions_count_no_significance_and_nothing_unknown() -> None:
    found = vf.appraisal.direction_of_effect(
        {"study": list("abcde"), "way": [1, 1, -1, None, 0]}, direction="way", question=vf.Question(experimental="the drug")
    )
    assert (found.favourable[0], found.directed[0]) == (2, 3)
    assert found.p_value[0] == pytest.approx(stats.binomtest(2, 3).pvalue)
    np.testing.assert_allclose(found.interval[0], stats.binomtest(2, 3).proportion_ci(method="exact"))
    assert "2 of 3 trials with a direction favour the drug" in str(found)
    assert "nothing of how large" in str(found)


def test_no_direction_at_all_is_said() -> None:
    found = vf.appraisal.direction_of_effect(direction=[None, 0])
    assert math.isnan(found.estimate[0])
    assert "no trial reports a direction" in str(found)


def test_what_is_not_defined_has_a_note() -> None:
    both = vf.appraisal.combine_p_values(p=[0.0, 1.0, 0.2])
    assert both.to_frame().set_index("term").p_value.isna().tolist() == [False, True, True, False, False]
    assert both.warnings == ("A p value of 0 meets one of 1: Stouffer and Stouffer, weighted are not defined.",)
    none = vf.appraisal.direction_of_effect(direction=[None, 1], outcome=["pain", "function"], study=list("ab"))
    assert none.warnings == ("pain: no trial has a direction, so there is no share and no test.",)


def test_the_range_is_on_the_scale_people_read() -> None:
    found = vf.appraisal.effect_range(y=np.log([0.5, 0.8, 2.0]), question=vf.Question(measure="RR"))
    assert found.estimate == pytest.approx(math.log(0.8))
    assert "median 0.80" in str(found)


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("combine_p_values", {"p": [0.1, 1.2]}, "row 2 .*between 0 and 1"),
        ("combine_p_values", {"p": [0.1, None]}, "row 2 .*missing"),
        ("combine_p_values", {"p": ["<0.05", 0.2]}, "row 1.*bound"),
        ("combine_p_values", {"p": [0.1, 0.2], "study": ["a", "a"]}, "independent trials"),
        ("combine_p_values", {"p": [0.1, 0.2], "truncation": 2}, "truncation"),
        ("direction_of_effect", {"direction": [1, 0.5]}, "row 2 .*no direction"),
        ("direction_of_effect", {"direction": [1, 1], "study": ["a", "a"]}, "stands twice"),
        ("direction_of_effect", {"direction": [1, 1], "n": [10, 0]}, "row 2 .*size is 0"),
        ("effect_range", {"y": [0.1, None]}, "row 2 .*missing"),
        ("effect_range", {}, "Give y="),
    ],
)
def test_what_cannot_be_is_refused(verb: str, given: dict[str, object], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        getattr(vf.appraisal, verb)(**given)


def test_the_albatross_places_trials_and_contours() -> None:
    found = vf.appraisal.combine_p_values(p=[0.011, 0.2, 0.6], n=[80, 50, None], study=["a", "b", "c"])
    ax = found.plot()
    (trials,) = [x for x in ax.collections if x.get_gid() == "trials"]
    np.testing.assert_allclose(trials.get_offsets(), [(stats.norm.isf(0.011), 80), (stats.norm.isf(0.2), 50)])
    line = next(x for x in ax.lines if x.get_gid() == "contour 0.5")
    z, n = (np.asarray(v, dtype=float) for v in line.get_data())
    np.testing.assert_allclose(0.5 / np.sqrt(4 / n + 0.5**2 / (2 * n)), z)  # d over its standard error, two equal arms
    assert any("c" in t.get_text() for t in ax.texts)


def test_the_direction_plot_wraps_its_outcomes() -> None:
    """Two of three outcomes beside one another; below stand only the trials that speak of the third."""
    outcomes, trials = ["pain", "disability", "fracture"], ["a", "b", "c"]
    cells = [(o, t) for o in outcomes for t in trials]
    found = vf.appraisal.direction_of_effect(
        direction=[None if (o, t) in (("fracture", "a"), ("pain", "c")) else 1 for o, t in cells], n=[60] * 9,
        study=[t for _, t in cells], outcome=[o for o, _ in cells],
    )  # fmt: skip
    whole, wrapped = vf.plots.effect_direction(found), vf.plots.effect_direction(found, wrap=2)
    places = [sorted(tuple(x.get_offsets()[0]) for x in ax.collections if x.get_gid() == "trial") for ax in (whole, wrapped)]
    assert [len(x) for x in places] == [7, 7]
    assert {x for x, _ in places[0]} == {0, 1, 2}
    assert {x for x, _ in places[1]} == {0, 1}
    below = max(y for x, y in places[1] if x == 1)  # the last trial of the first block
    assert sum(y > below for x, y in places[1] if x == 0) == 2
    assert [t.get_text() for t in wrapped.texts].count("a") == 1
    assert wrapped.figure.get_size_inches()[0] < whole.figure.get_size_inches()[0]
    with pytest.raises(vf.InputError, match="wrap=0 is a number of outcomes"):
        vf.plots.effect_direction(found, wrap=0)


def test_the_direction_plot_shows_a_mark_a_trial() -> None:
    found = vf.appraisal.direction_of_effect(direction=[1, -1, 0, None], n=[40, 400, None, 20], study=list("abcd"))
    marks = [x for x in found.plot().collections if x.get_gid() == "trial"]
    assert len(marks) == 3
    assert marks[0].get_sizes()[0] < marks[1].get_sizes()[0]
    assert all(abs(y - x.get_offsets()[0][1]) < 1 for x, y in zip(marks, (1.6, 2.6, 3.6), strict=True))
    bars = [x for x in vf.plots.harvest(found).patches if x.get_gid() == "trial"]
    assert sorted(round(b.get_height(), 3) for b in bars) == [0.1, 0.19, 1.0]
