"""The forest plot: what is drawn lies where the result says, and nothing written overlaps or is cut."""

from __future__ import annotations

import re
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import vfmeta as vf
from test_plots_make import LABELS, PAIN, RISK, SIZES, assert_legible, drawn, extents, fit_of, post_of, three, words
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.question import Question
from vfmeta.text import numbers as tx
from vfmeta.text.fit import few_trials_text, heterogeneity_text
from vfmeta.text.posterior import bayes_text

plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


def test_numbers_written_are_those_of_the_result() -> None:
    fit = three()
    post = post_of(fit)
    ax = vf.plots.forest(fit, post)
    frame = fit.studies
    expected = [tx.effect_text(PAIN, r.estimate, (r.ci_low, r.ci_high)) for r in frame.itertuples()]
    assert words(ax, "study-effect") == expected
    assert words(ax, "study-weight") == [f"{w:.1f}%" for w in fit.weights]
    assert words(ax, "pooled-effect") == [tx.effect_text(PAIN, fit.estimate, fit.interval)]
    assert words(ax, "bayes-effect") == [tx.effect_text(PAIN, post.estimate, post.interval)]
    assert words(ax, "prediction-effect") == [f"({tx.interval_text(PAIN, fit.prediction)})"]
    assert words(ax, "bayes_prediction-effect") == [f"({tx.interval_text(PAIN, post.next_trial.interval)})"]
    said = " ".join(words(ax, "words-label"))
    assert heterogeneity_text(fit) in said
    assert bayes_text(post) in said
    # And by hand, so that the formatter cannot agree with itself alone.
    assert words(ax, "study-effect")[0] == "−0.50 (−1.38 to 0.38)"


@pytest.mark.parametrize("question", [PAIN, RISK])
def test_diamonds_end_at_the_interval(question: Question) -> None:
    fit = fit_of([-0.5, -0.7, -0.4, 0.1, -0.2], [0.45, 0.42, 0.37, 0.3, 0.5], question)
    post = post_of(fit)
    ax = vf.plots.forest(fit, post)
    for result, gid in ((fit, "pooled-diamond"), (post, "bayes-diamond")):
        (patch,) = drawn(ax, gid)
        corners = patch.get_xy()[:4]
        low, high = (question.display(x) for x in result.interval)
        assert corners[:, 0].min() == pytest.approx(low)
        assert corners[:, 0].max() == pytest.approx(high)
        assert corners[np.argmin(corners[:, 1]), 0] == pytest.approx(question.display(result.estimate))
    solid, hollow = drawn(ax, "pooled-diamond")[0], drawn(ax, "bayes-diamond")[0]
    assert mpl.colors.to_hex(solid.get_facecolor()).upper() == "#0072B2"
    assert mpl.colors.to_hex(hollow.get_edgecolor()).upper() == "#D55E00"
    assert mpl.colors.to_hex(hollow.get_facecolor()) == "#ffffff"
    (bar,) = drawn(ax, "prediction")
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx([question.display(x) for x in fit.prediction])


def test_areas_of_squares_are_in_proportion_to_weights_and_whiskers_to_intervals() -> None:
    fit = three()
    ax = vf.plots.forest(fit)
    squares = drawn(ax, "square")
    areas = np.array([s.get_sizes()[0] for s in squares])
    assert areas / areas.max() == pytest.approx(fit.weights / fit.weights.max())
    assert [float(s.get_offsets()[0][0]) for s in squares] == pytest.approx(fit.y)
    lines = drawn(ax, "study-interval")
    assert [list(x.get_xdata()) for x in lines] == [
        pytest.approx([a, b]) for a, b in zip(fit.studies.ci_low, fit.studies.ci_high, strict=True)
    ]


def test_everything_of_a_row_is_level() -> None:
    ax = vf.plots.forest(three())
    heights = {
        g: [t.get_position()[1] for t in ax.texts if t.get_gid() == g] for g in ("study-label", "study-effect", "study-arm0")
    }
    squares = [float(s.get_offsets()[0][1]) for s in drawn(ax, "square")]
    for found in heights.values():
        assert found == pytest.approx(heights["study-label"])
        assert np.allclose(np.array(found) - squares, found[0] - squares[0])
        assert abs(found[0] - squares[0]) < 0.06


def test_a_missing_arm_size_does_not_shift_rows() -> None:
    whole = vf.plots.forest(three())
    holed = vf.plots.forest(
        fit_of([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], labels=LABELS, details=(SIZES[0], {"n_control": 63}, SIZES[2]))
    )
    assert words(whole, "study-arm0") == ["38", "68", "91"]
    assert words(holed, "study-arm0") == ["38", "–", "91"]
    assert words(holed, "study-arm1") == ["40", "63", "89"]
    assert words(whole, "pooled-arm0") == ["197"]
    assert words(holed, "pooled-arm0") == []  # a total that leaves a trial out is none
    assert words(holed, "pooled-arm1") == ["192"]
    place = [[t.get_position()[1] for t in ax.texts if t.get_gid() == "study-arm0"] for ax in (whole, holed)]
    assert place[0] == pytest.approx(place[1])


def test_counts_are_shown_as_events_of_patients() -> None:
    details = [{"n_experimental": 38, "n_control": 40, "events_experimental": 3, "events_control": 0}, {"n_experimental": 20.0}]
    ax = vf.plots.forest(fit_of([-0.5, 0.1], [0.4, 0.3], RISK, details=details))
    assert words(ax, "study-arm0") == ["3/38", "–/20"]
    assert words(ax, "study-arm1") == ["0/40", "–"]
    assert words(vf.plots.forest(fit_of([0.1, 0.2], [1, 1])), "study-arm0") == []


def test_daggers_stand_exactly_where_they_should() -> None:
    details = ({**SIZES[0], "reading": "single"}, {**SIZES[1], "reading": "agrees", "flag": ""},
               {**SIZES[2], "reading": "single", "flag": "an SD that may be an SE"})  # fmt: skip
    ax = vf.plots.forest(fit_of([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], labels=LABELS, details=details))
    assert words(ax, "study-label") == ["Buchbinder 2009 †", "Kallmes 2009", "Firanescu 2018 †‡"]
    assert {"† read once at its source", "‡ an SD that may be an SE"} <= set(words(ax, "note"))
    ax = vf.plots.forest(fit_of([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], labels=LABELS, details=details), flag_note="own words")
    assert "‡ own words" in words(ax, "note")
    assert not any(mark in " ".join(words(vf.plots.forest(three()))) for mark in "†‡")


def test_a_flag_of_several_trials_stands_once_and_others_name_theirs() -> None:
    flags = ("its direction is inferred; its sources contradict each other", "its direction is inferred", "")
    details = tuple({**size, "flag": flag} for size, flag in zip(SIZES, flags, strict=True))
    ax = vf.plots.forest(fit_of([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], labels=LABELS, details=details))
    note = "‡ its direction is inferred; its sources contradict each other (Buchbinder 2009)"
    assert note in words(ax, "note")


def test_one_trial_has_no_diamond() -> None:
    fit = fit_of([-2.6], [0.4], labels=["VERTOS II 2010"])
    ax = vf.plots.forest(fit, post_of(fit))
    assert words(ax, "words-label") == ["One trial: nothing was pooled"]
    assert not drawn(ax, "pooled-diamond")
    assert not drawn(ax, "bayes-diamond")
    assert len(drawn(ax, "square")) == 1


def test_two_trials_carry_a_note_and_the_bayesian_result_leads_at_every_number() -> None:
    fit = fit_of([-0.1, -0.9], [0.5, 0.47])
    assert few_trials_text(2, bayesian=False) in " ".join(words(vf.plots.forest(fit), "words-label"))

    def order(k: int) -> list[str]:
        fit = fit_of(np.linspace(-1, 0, k), np.full(k, 0.4))
        return [t.get_gid() for t in vf.plots.forest(fit, post_of(fit)).texts if t.get_gid() in ("bayes-label", "pooled-label")]

    assert all(order(k) == ["bayes-label", "pooled-label"] for k in (2, 4, 5, 12))


def test_the_ad_hoc_interval_stands_beside() -> None:
    ax = vf.plots.forest(three(adhoc_interval=(-1.9, 0.8)))
    assert words(ax, "adhoc-effect") == ["(−1.90 to 0.80)"]
    assert list(drawn(ax, "adhoc-interval")[0].get_xdata()) == pytest.approx([-1.9, 0.8])
    assert not drawn(vf.plots.forest(three()), "adhoc-interval")


def test_rows_not_pooled_are_hollow_and_scale_nothing() -> None:
    details = ({}, {"pooled": False}, {})
    fit = fit_of([-0.5, -0.7, -0.4], [0.45, 0.01, 0.37], details=details, weights=np.array([40.0, 9999.0, 60.0]), k=2)
    ax = vf.plots.forest(fit)
    assert [float(s.get_offsets()[0][0]) for s in drawn(ax, "hollow")] == [-0.7]
    areas = [s.get_sizes()[0] for s in drawn(ax, "square")]
    assert areas[0] / areas[1] == pytest.approx(40 / 60)
    assert areas[1] == pytest.approx((0.15 * 72) ** 2)
    assert words(ax, "study-weight") == ["40.0%", "–", "60.0%"]


def test_axis_of_a_ratio_is_logarithmic_with_one_inside() -> None:
    ax = vf.plots.forest(fit_of(np.log([0.4, 0.8, 1.6]), [0.3, 0.2, 0.4], RISK))
    assert ax.get_xscale() == "log"
    ticks = list(ax.get_xticks())
    assert {0.25, 0.5, 1.0, 2.0} <= set(ticks)
    assert np.allclose(np.diff(np.log2(ticks)), 1)
    assert [t.get_text() for t in ax.get_xticklabels()][ticks.index(0.25)] == "0.25"
    assert drawn(ax, "null")[0].get_xdata()[0] == 1
    assert vf.plots.forest(three()).get_xscale() == "linear"


def test_a_whisker_that_leaves_the_axis_ends_in_an_arrow() -> None:
    ax = vf.plots.forest(fit_of([-0.5, -0.7, -0.4, 5.0], [0.45, 0.42, 0.37, 18.0]))
    low, high = ax.get_xlim()
    assert -10 < low < high < 15
    assert low < 5 < high  # its estimate is inside all the same
    assert sorted(float(a.get_xdata()[0]) for a in drawn(ax, "arrow")) == [0, 1]  # at the ends of the axis
    assert not drawn(vf.plots.forest(three()), "arrow")
    ax = vf.plots.forest(three(), xlim=(-1, 0.5))
    assert ax.get_xlim() == (-1, 0.5)
    assert len(drawn(ax, "arrow")) >= 2


def test_sides_and_minimal_important_difference_follow_the_direction() -> None:
    def at(worse: bool | None) -> tuple[list[str], list[float]]:
        question = Question(**{**PAIN.to_dict(), "higher_is_worse": worse})
        ax = vf.plots.forest(fit_of([-0.5, -0.7, 0.4], [0.45, 0.42, 0.37], question))
        return [" ".join(words(ax, "favours"))], [float(line.get_xdata()[0]) for line in drawn(ax, "mid")]

    assert at(True) == (["Favours vertebroplasty Favours sham procedure"], [-1.5])
    assert at(False) == (["Favours sham procedure Favours vertebroplasty"], [1.5])
    assert at(None) == ([""], [])
    ax = vf.plots.forest(fit_of([-0.5, -0.7, 0.4], [0.45, 0.42, 0.37]))
    assert words(ax, "mid-label") == ["MID −1.5"]
    assert "MID: minimal important difference, 1.5 (a source)." in words(ax, "note")


def test_sections_share_an_axis_and_keep_their_own_diamonds() -> None:
    first, second, single = three(), fit_of([-0.1, -0.9], [0.5, 0.47], labels=LABELS[:2]), fit_of([-1.0], [0.5])
    ax = vf.plots.forest(sections=[
        ("About 1 month", first, post_of(first)), ("About 3 months", second, None), ("About 12 months", single, None),
        ("About 24 months", None, None),
    ])  # fmt: skip
    assert words(ax, "heading-label") == ["About 1 month", "About 3 months", "About 12 months", "About 24 months"]
    assert len(drawn(ax, "pooled-diamond")) == 2
    assert len(drawn(ax, "bayes-diamond")) == 1
    assert len(words(ax, "study-label")) == 6
    assert {"One trial: nothing was pooled", "No trial with usable figures"} <= set(words(ax, "words-label"))
    ends = [p.get_xy()[:4, 0].min() for p in drawn(ax, "pooled-diamond")]
    assert ends == pytest.approx([first.interval[0], second.interval[0]])


LONG = (
    "A very long name of a collaborative trial group of many authors 2019",
    "Short 2001",
    "Müller-Łukasiewicz & van der Berg-Østergaard 2020",
)
CASES: dict[str, tuple[Any, ...]] = {
    "one": ([-2.6], [0.4], PAIN, ["VERTOS II 2010"]),
    "two": ([-0.1, -0.9], [0.5, 0.47], PAIN, None, {"interval": (-30.0, 40.0)}),
    "three": ([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], PAIN, LABELS, {"adhoc_interval": (-30.0, 40.0)}),
    "wide": ([-30, 40, 5.0], [20, 14, 0.3], PAIN, LONG),
    "long": ([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], PAIN, LONG),
    "ratios": (np.log([0.01, 100, 2.5, 1]), [1, 2, 0.4, 3], RISK, None),
    "huge ratios": ([-12.0, 11.5, 0.2], [3, 4, 0.1], RISK, None),
    "thirty": (np.sin(np.arange(30)), np.linspace(0.1, 0.9, 30), PAIN, None),
    "thirty long": (np.sin(np.arange(30)), np.linspace(0.1, 0.9, 30), RISK, [f"{i} {LONG[0]}" for i in range(30)]),
    "tiny effects": ([1e-5, 3e-5, -2e-5], [1e-5, 2e-5, 1e-5], Question(), None),
    "far from zero": ([50.2, 50.4, 50.1], [0.1, 0.2, 0.1], Question(measure="MD", higher_is_worse=False), None),
    "long arms": ([0.2, 0.1, 0.4], [0.1, 0.1, 0.2], Question(
        measure="SMD", experimental="exercise supervised by a physiotherapist with education", outcome="disability " * 9,
        control="Otorhinolaryngopsychopharmacological care", higher_is_worse=False,
    ), None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sizes", [False, True])
def test_nothing_overlaps_or_is_cut(case: str, sizes: bool) -> None:
    y, se, question, labels, *rest = CASES[case]
    marks = {"reading": "single", "flag": "high-risk figure"}
    details = [{"n_experimental": 1234, "n_control": 987, "events_experimental": 123, "events_control": 98, **marks}] * len(y)
    fit = fit_of(y, se, question, labels, details if sizes else (), **(rest[0] if rest else {}))
    ax = vf.plots.forest(
        fit, post_of(fit), title="A title long enough to be wrapped, should anybody ever write such a one " * 2
    )
    figure = ax.get_figure()
    assert 7.5 <= figure.get_figwidth() <= 10.01
    assert_legible(figure)
    assert_legible(vf.plots.forest(sections=[("First " * 30, fit, None), ("Second", fit, post_of(fit))]).get_figure())


def test_long_names_keep_year_and_marks() -> None:
    fit = fit_of([0.1, 0.2], [1, 1], labels=[f"An extraordinarily long name {'of a group ' * 6}2019", "B 2001"],
                 details=[{"reading": "single"}, {}])  # fmt: skip
    first, second, *_ = words(vf.plots.forest(fit), "study-label")
    assert first.startswith("An extraordinarily long name")
    assert re.search(r"… 2019 †$", second)


def test_figure_grows_with_its_rows_by_the_same_height() -> None:
    heights = [vf.plots.forest(fit_of(np.zeros(k), np.ones(k))).get_figure().get_figheight() for k in (5, 6, 7, 25)]
    steps = np.diff(heights)
    assert steps[0] == pytest.approx(steps[1])
    assert steps[2] == pytest.approx(18 * steps[0])


def test_year_comes_from_the_details_where_the_label_has_none() -> None:
    ax = vf.plots.forest(
        fit_of([0.1, 0.2], [1, 1], labels=["Buchbinder", "Kallmes 2009"], details=[{"year": 2009}, {"year": 2009}])
    )
    assert words(ax, "study-label") == ["Buchbinder 2009", "Kallmes 2009"]


def test_given_axes_are_used_and_only_their_box() -> None:
    figure, (left, _) = plt.subplots(1, 2, figsize=(22, 5))
    box = left.get_position()
    x0, x1, top = box.x0, box.x1, box.y1
    assert vf.plots.forest(three(), ax=left) is left
    assert len(figure.axes) == 2
    for name, extent in extents(figure)[:40]:
        if name in words(left):
            assert extent.x0 / figure.bbox.width >= x0 - 0.001
            assert extent.x1 / figure.bbox.width <= x1 + 0.001
            assert extent.y1 / figure.bbox.height <= top + 0.001
    small = plt.figure(figsize=(3, 2)).add_subplot()
    with pytest.warns(VfmetaWarning, match="text shrinks to"):
        vf.plots.forest(three(), ax=small)


def test_the_users_settings_neither_show_nor_change() -> None:
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "font.family": ["monospace"], "text.color": "green"}):
        before = dict(mpl.rcParams)
        ax = vf.plots.forest(three())
        assert dict(mpl.rcParams) == before
    assert_legible(ax.get_figure())
    assert {t.get_fontfamily()[0] for t in ax.texts} == {"sans-serif"}


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "nothing to draw"),
    ({"sections": []}, "nothing to draw"),
    ({"fit": "a fit"}, "got a str, needs a FrequentistResult"),
    ({"posterior": three()}, "got a FrequentistResult, needs a BayesianResult"),
    ({"fit": three(), "sections": [("a", three(), None)]}, "not both"),
    ({"sections": [("a", three())]}, r"Section 1 is not \(heading, fit, posterior\)"),
    ({"sections": "abc"}, "sections is a str"),
    ({"fit": three(labels=())}, "holds no studies"),
    ({"fit": three(weights=np.ones(2))}, "3 labels, but weights has 2"),
    ({"fit": three(details=({},))}, "details has 1"),
    ({"fit": three(), "posterior": post_of(fit_of([1.0], [1.0]))}, "fit both on the same effects"),
    ({"sections": [("a", three(), None), ("b", fit_of([0, 1], [1, 1], RISK), None)]}, "One axis cannot show MD and RR"),
    ({"sections": [("a", three(), None), ("b", three(level=0.9), None)]}, "90% and 95% stand side by side"),
    ({"fit": three(details=({"pooled": False},) * 3)}, "every study is marked as not pooled"),
    ({"fit": three(), "xlim": (1, -1)}, "the smaller first"),
    ({"fit": fit_of([0, 1], [1, 1], RISK), "xlim": (0, 4)}, "both above 0"),
    ({"fit": three(), "xlim": "wide"}, "give the two ends"),
    ({"fit": three(), "ax": "ax"}, "ax is a str"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_says_what_to_do(call: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vf.plots.forest(**call)
    assert not plt.get_fignums()  # nothing half-drawn stays behind


def test_a_single_trial_has_no_weight_and_sets_no_scale() -> None:
    ax = vf.plots.forest(sections=[("Early", three(), None), ("Late", fit_of([-1.0], [0.5]), None)])
    assert words(ax, "study-weight") == [*(f"{w:.1f}%" for w in three().weights), "–"]
    areas = [s.get_sizes()[0] for s in drawn(ax, "square")]
    assert max(areas[:3]) == pytest.approx((0.15 * 72) ** 2)


def test_whatever_is_drawn_for_a_row_carries_its_name() -> None:
    fit, post = three(), post_of(three())
    ax = vf.plots.forest(sections=[("Early", fit, post), ("Late", fit, None)])
    named = {x for a in ax.get_children() if str(x := a.get_label()).startswith("_row ")}
    for section in (0, 1):
        assert {f"_row {section} study {label}" for label in fit.labels} <= named
    texts = [t for t in ax.texts if t.get_label() == f"_row 1 study {fit.labels[2]}"]
    shown = fit.studies.iloc[2]
    assert tx.effect_text(PAIN, shown.estimate, (shown.ci_low, shown.ci_high)) in [t.get_text() for t in texts]
    squares = [s for s in drawn(ax, "square") if s.get_label() == f"_row 0 study {fit.labels[1]}"]
    assert [float(s.get_offsets()[0, 0]) for s in squares] == pytest.approx([fit.y[1]])
    assert not any("bayes" in name for name in named if name.startswith("_row 1"))
    assert ax.get_legend_handles_labels() == ([], [])
