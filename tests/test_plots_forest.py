"""Forest plots as journals print them: layouts, columns, order, lights, and every kind of fit, read back from what is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import vfmeta as vf
from test_plots_make import PAIN, RISK, assert_legible, drawn, fit_of, post_of, three, words
from vfmeta.core.params import ForestLayout
from vfmeta.plots.looks import LOOKS, Look
from vfmeta.plots.rows import typical_width
from vfmeta.text import numbers as tx

plt.switch_backend("Agg")
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

LAYOUTS = [None, *get_args(ForestLayout)]
COUNTS = [{"n_experimental": 38 + i, "n_control": 40 + i, "events_experimental": 3, "events_control": i} for i in range(4)]
DOSES = {"study": ["C 1992", "A 1990", "D 1993", "B 1991"], "dose": [3.25, 1, 4, 2.5], "place": ["x", "y", "z", "w"]}


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


def four(**over: Any) -> Any:
    labels = [f"{x} {1990 + i}" for i, x in enumerate("ABCD")]
    return replace(fit_of([-0.5, -0.1, -0.9, 0.3], [0.3, 0.2, 0.4, 0.25], RISK, labels, COUNTS), **over)


def lights() -> Any:
    wide = {"Study": ["B 1991", "A 1990", "C 1992"], "D1": ["High", "Low", ""], "D3": ["Some concerns", "Low", "Low"],
            "Overall": ["High", "Low", ""]}  # fmt: skip
    return vf.appraisal.risk_of_bias(wide)


def order_of(ax: Any) -> list[str]:
    """The names of the studies from top to bottom."""
    found = [(t.get_position()[1], t.get_text()) for t in ax.texts if t.get_gid() in ("study-label", "step-label")]
    return [name for _, name in sorted(found)]


def cells(ax: Any, gid: str) -> list[str]:
    return [w for _, w in sorted((t.get_position()[1], t.get_text()) for t in ax.texts if t.get_gid() == gid)]


LONG = [
    f"{i} A really very long name of a collaborative trial group of many authors from all over the world {1980 + i}"
    for i in range(24)
]


CASES = ("usual", "long names", "many", "long arms")
CHOICES = ("plain", "lights", "columns")


def crossed() -> list[Any]:
    """Every layout with every case and every choice; what is not slow has every two of them together."""
    return [
        pytest.param(layout, case, choice, marks=() if (i + j + m) % 3 == 0 else pytest.mark.slow)
        for i, layout in enumerate(LAYOUTS) for j, case in enumerate(CASES) for m, choice in enumerate(CHOICES)
    ]  # fmt: skip


@pytest.mark.parametrize(("layout", "case", "choice"), crossed())
def test_no_layout_lets_words_overlap_or_leave_the_canvas(layout: Any, case: str, choice: str) -> None:
    k = 16 if case == "many" else 6
    q = replace(PAIN, experimental="exercise supervised by a physiotherapist", outcome="disability " * 9)
    details = [{**COUNTS[1], "reading": "single", "flag": "a figure of high risk"}] * k
    labels = LONG[:k] if case == "long names" else None
    question = q if case == "long arms" else RISK
    fit = fit_of(np.sin(np.arange(k)), np.linspace(0.1, 0.9, k), question, labels, details)
    names = list(fit.labels)
    bias = vf.appraisal.risk_of_bias({"Study": names, **{f"D{j}": (["Low", "High", ""] * k)[:k] for j in range(1, 6)}})
    data = {"study": names, "setting": ["a place far away, described at length in the paper"] * k, "dose": np.arange(k) / 3}
    columns = ["study", "setting", "arms", ("Given\nmg", "dose"), ("Given\nweight", "weight"), "plot", "effect"]
    given: dict[str, dict[str, Any]] = {
        "plain": {},
        "lights": {"bias": bias, "region": (-0.2, 0.2) if question is q else (0.9, 1.1)},
        "columns": {"data": data, "columns": columns},
    }
    ax = vf.plots.forest(fit, post_of(fit), layout=layout, title="A title " * 12, **given[choice])
    assert_legible(ax.get_figure())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_draws_the_same_numbers(layout: Any) -> None:
    fit = four()
    ax = vf.plots.forest(fit, layout=layout)
    assert [float(s.get_offsets()[0][0]) for s in drawn(ax, "square")] == pytest.approx(np.exp(fit.y))
    areas = np.array([s.get_sizes()[0] for s in drawn(ax, "square")])
    assert areas / areas.max() == pytest.approx(fit.weights / fit.weights.max())
    half = 1.959963984540054 * np.sqrt(fit.v)
    assert [x.get_xdata() for x in drawn(ax, "study-interval")] == [
        pytest.approx([np.exp(a), np.exp(b)]) for a, b in zip(fit.y - half, fit.y + half, strict=True)
    ]
    corners = drawn(ax, "pooled-diamond")[0].get_xy()[:4, 0]
    assert (corners.min(), corners.max()) == pytest.approx(np.exp(fit.interval))
    (shown,) = drawn(ax, "through" if layout == "compact" else "prediction")
    ends = shown.get_xdata() if layout == "compact" else shown.get_bbox().intervalx
    assert sorted(ends) == pytest.approx(np.exp(fit.prediction))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_stand_where_the_layout_has_them(layout: Any) -> None:
    look = Look() if layout is None else LOOKS[layout]
    ax = vf.plots.forest(four(), layout=layout)
    left = {"arms": "study-events0" if look.split else "study-arm0", "weight": "study-weight", "effect": "study-effect"}
    placed = {name: next((t.get_position()[0] for t in ax.texts if t.get_gid() == gid), None) for name, gid in left.items()}
    order = [name for name in look.columns if name in placed]
    assert [name for name in placed if placed[name] is not None] == [name for name in placed if name in order]
    at = [placed[name] for name in order]
    assert at == sorted(at)
    axis = look.columns.index("plot")  # from 0 to 1 in the coordinates of the axes
    assert all((placed[n] < 0) == (look.columns.index(n) < axis) for n in order)
    assert all(placed[n] > 1 for n in order if look.columns.index(n) > axis)


def test_revman_has_events_and_totals_apart_and_says_what_the_total_is() -> None:
    ax = vf.plots.forest(four(), layout="revman")
    assert cells(ax, "study-events0") == ["3"] * 4
    assert cells(ax, "study-n1") == ["40", "41", "42", "43"]
    assert cells(ax, "pooled-events1") == ["6"]
    assert cells(ax, "pooled-n0") == [str(38 * 4 + 6)]
    assert "Teriparatide" in words(ax, "head")
    assert " ".join(words(ax, "pooled-label")) == "Total (95% CI): random effects (REML, HKSJ)"
    fit = four()
    assert f"Test of the overall effect: t = {fit.statistic:.2f} on 3 df, p = 0.03".replace("-", "−") in words(
        ax, "words-label"
    )


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_can_be_read_and_shapes_be_seen_on_every_paper(layout: Any) -> None:
    look = Look() if layout is None else LOOKS[layout]
    papers = [look.paper, look.stripe or look.paper]

    def contrast(a: str, b: str) -> float:
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    assert min(contrast(ink, paper) for ink in (look.ink, look.muted) for paper in papers) >= 4.5
    shapes = (look.square, look.study, look.frequentist, look.bayesian, look.report, look.null)
    assert min(contrast(x, paper) for x in shapes for paper in papers) >= 3  # graphical objects


def test_a_dark_figure_is_saved_dark(tmp_path: Any) -> None:
    vf.plots.save(vf.plots.forest(four(), layout="dark"), tmp_path / "dark", ("png",))
    image = plt.imread(tmp_path / "dark.png")
    assert np.allclose(image[3, 3, :3], to_rgb(LOOKS["dark"].paper), atol=0.01)
    figure, axes = plt.subplots(1, 2, figsize=(18, 5))
    vf.plots.forest(four(), layout="dark", ax=axes[0])
    assert to_rgb(figure.get_facecolor()) == (1, 1, 1)  # the rest of a figure stays as it was
    assert len(drawn(axes[0], "paper")) == 1


def test_columns_of_a_table_are_matched_by_name() -> None:
    ax = vf.plots.forest(four(), data=DOSES, columns=["study", ("Dose\nmg", "dose"), "place", "plot", "effect"])
    assert order_of(ax) == ["A 1990", "B 1991", "C 1992", "D 1993"]
    assert cells(ax, "study-column-dose") == ["1.00", "2.50", "3.25", "4.00"]
    assert cells(ax, "study-column-place") == ["y", "w", "x", "z"]
    assert {"Dose", "mg", "place"} <= set(words(ax, "head"))
    table = vf.effect_table(pd.DataFrame(DOSES).assign(y=[0.1] * 4, v=[0.2] * 4), y="y", v="v", study="study")
    other = vf.plots.forest(four(), data=table, columns=["study", "dose", "plot"])
    assert cells(other, "study-column-dose") == cells(ax, "study-column-dose")
    shown = vf.plots.forest(four(), columns=["study", "n_experimental", "plot"])
    assert cells(shown, "study-column-n_experimental") == ["38", "39", "40", "41"]


def test_columns_that_are_not_there_are_named() -> None:
    with pytest.raises(vf.InputError, match=r"no column 'dosis'\. Did you mean 'dose'\?"):
        vf.plots.forest(four(), data=DOSES, columns=["study", "dosis"])
    with pytest.raises(vf.InputError, match=r"no row of A 1990"):
        vf.plots.forest(four(), data={"study": ["B 1991", "C 1992", "D 1993"], "dose": [1, 2, 3]}, columns=["dose"])
    with pytest.raises(vf.InputError, match="needs a column study"):
        vf.plots.forest(four(), data={"dose": [1, 2, 3, 4]}, columns=["dose"])
    with pytest.raises(vf.InputError, match="neither a name nor a pair"):
        vf.plots.forest(four(), columns=["study", 3])
    with pytest.raises(vf.InputError, match="give a list of names"):
        vf.plots.forest(four(), columns="effect")


@pytest.mark.parametrize(("order", "expected"), [
    ("estimate", "CABD"), ("-estimate", "DBAC"), ("-weight", "BDAC"), ("study", "ABCD"), ("-study", "DCBA"), ("se", "BDAC"),
    ("dose", "ABCD"), ("-dose", "DCBA"), ("place", "BCAD"), (["D 1993", "A 1990", "C 1992", "B 1991"], "DACB"),
    ([2, 0, 3, 1], "CADB"), (np.array([3, 2, 1, 0]), "DCBA"),
])  # fmt: skip
def test_studies_stand_in_the_order_asked_for_with_all_that_is_theirs(order: Any, expected: str) -> None:
    fit = four()
    ax = vf.plots.forest(fit, order=order, data=DOSES)
    assert [x[0] for x in order_of(ax)] == list(expected)
    squares = sorted((float(s.get_offsets()[0][1]), float(s.get_offsets()[0][0])) for s in drawn(ax, "square"))
    assert [x for _, x in squares] == pytest.approx([np.exp(fit.y["ABCD".index(c)]) for c in expected])
    assert cells(ax, "study-arm1") == [f"{i}/{40 + i}" for i in ("ABCD".index(c) for c in expected)]


def test_an_order_that_is_none_is_refused() -> None:
    for order, said in (
        (["A 1990", "B 1991"], "missing: C 1992, D 1993"), (["A 1990", "B 1991", "C 1992", "D 1993", "E"], "no study here: E"),
        ([0, 1, 2], "positions"), (3, "give the name of a column"), ("yeer", "no column 'yeer'"),
    ):  # fmt: skip
        with pytest.raises(vf.InputError, match=said):
            vf.plots.forest(four(), order=order)


def test_other_names_and_other_words_for_the_sides() -> None:
    ax = vf.plots.forest(four(), labels={"A 1990": "Anders et al."}, sides=("Fewer", "More"))
    assert order_of(ax) == ["Anders et al.", "B 1991", "C 1992", "D 1993"]
    assert words(ax, "favours") == ["Fewer", "More"]
    with pytest.raises(vf.InputError, match=r"no study 'A 199'.*Did you mean 'A 1990'"):
        vf.plots.forest(four(), labels={"A 199": "x"})
    with pytest.raises(vf.InputError, match="left and the right"):
        vf.plots.forest(four(), sides="Fewer")


def test_the_region_that_is_too_small_to_matter() -> None:
    ax = vf.plots.forest(three(), region=True)
    assert drawn(ax, "region")[0].get_bbox().intervalx == pytest.approx([-1.5, ax.get_xlim()[1]])  # of 1.5, cut at the end
    ax = vf.plots.forest(three(), region=True, xlim=(-3, 3))
    assert drawn(ax, "region")[0].get_bbox().intervalx == pytest.approx([-1.5, 1.5])
    ax = vf.plots.forest(four(), region=(0.8, 1.25))
    assert drawn(ax, "region")[0].get_bbox().intervalx == pytest.approx([0.8, 1.25])
    assert "Shaded: too small to matter (0.80 to 1.25)." in words(ax, "note")
    for region, said in ((True, "has none"), ((1.2, 0.8), "smaller first"), ((-1, 2), "above 0"), ("wide", "give True")):
        with pytest.raises(vf.InputError, match=said):
            vf.plots.forest(four(), region=region)


def test_lights_stand_behind_the_studies_they_judge() -> None:
    ax = vf.plots.forest(four(), bias=lights(), order="-study")
    rows = {t.get_text(): t.get_position()[1] for t in ax.texts if t.get_gid() == "study-label"}
    squares = [float(s.get_offsets()[0][1]) for s in drawn(ax, "square")]
    shift = rows["A 1990"] - max(squares)  # letters stand on a baseline below the middle

    def judged(word: str) -> dict[str, int]:
        levels = [float(a.get_offsets()[0][1]) + shift for a in drawn(ax, f"light-{word}")]
        return {name[0]: sum(abs(y - at) < 0.03 for at in levels) for name, y in rows.items()}

    assert judged("low") == {"A": 3, "B": 0, "C": 1, "D": 0}
    assert judged("high") == {"A": 0, "B": 2, "C": 0, "D": 0}
    assert judged("some concerns") == {"A": 0, "B": 1, "C": 0, "D": 0}
    assert words(ax, "light").count("·") == 4 * 6 - 7  # five domains and the overall judgement, seven of them judged
    assert any("D3 missing outcome data" in w for w in [" ".join(words(ax, "note"))])
    with pytest.raises(vf.InputError, match="none of them is in the figure"):
        vf.plots.forest(three(), bias=lights())
    with pytest.raises(vf.InputError, match=r"vf\.appraisal\.risk_of_bias"):
        vf.plots.forest(four(), bias={"A 1990": "low"})


def test_an_estimate_beyond_the_axis_keeps_a_mark() -> None:
    fit = four()
    ax = vf.plots.forest(fit, xlim=(0.7, 1.2))
    beyond = drawn(ax, "beyond")
    low, high = np.exp(fit.y) < 0.7, np.exp(fit.y) > 1.2
    assert sorted(float(b.get_offsets()[0][0]) for b in beyond) == [0.0] * low.sum() + [1.0] * high.sum()
    heights = [t.get_position()[1] for t in ax.texts if t.get_gid() == "study-label"]
    assert all(min(abs(float(b.get_offsets()[0][1]) - y) for y in heights) < 0.07 for b in beyond)
    assert len(drawn(ax, "square")) == 4 - low.sum() - high.sum()
    assert "Large triangle at the edge: the estimate lies beyond the axis." in words(ax, "note")
    assert not drawn(vf.plots.forest(fit), "beyond")


def test_a_name_that_is_cut_stands_in_full_below() -> None:
    fit = fit_of([0.1, 0.2], [1, 1], RISK, labels=[LONG[3], "B 2001"])
    note = " ".join(words(vf.plots.forest(fit), "note"))
    assert f": {LONG[3]}." in note
    assert "B 2001" not in note
    long = "a place far away, described at length in the paper, and nobody reads it to its end"
    ax = vf.plots.forest(fit, data={"study": [LONG[3], "B 2001"], "place": [long, "here"]}, columns=["study", "place"])
    assert long in " ".join(words(ax, "note"))
    assert cells(ax, "study-column-place")[0].endswith("…")


def test_digits_and_letters_are_those_asked_for() -> None:
    ax = vf.plots.forest(fit_of([-0.5, -0.25], [0.1, 0.2], PAIN), digits=3)
    assert words(ax, "study-effect")[0] == "−0.500 (−0.696 to −0.304)"  # 0.5 -+ 1.96 / 10
    ax = vf.plots.forest(four(), digits=1, font="DejaVu Serif")
    assert words(ax, "study-effect")[0].startswith("0.6 (")  # exp(-0.5) = 0.607
    assert {t.get_fontfamily()[0] for t in ax.texts if t.get_text()} == {"DejaVu Serif"}
    assert_legible(ax.get_figure())
    for choices, said in (
        ({"digits": -1}, "digits=-1"),
        ({"digits": 2.5}, "digits=2.5"),
        ({"font": "No Such"}, "not installed"),
    ):
        with pytest.raises(vf.InputError, match=said):
            vf.plots.forest(four(), **choices)
    with pytest.raises(vf.InputError, match="revman"):
        vf.plots.forest(four(), layout="cochrane")


# Every kind of fit -------------------------------------------------------------------------------------------------------

Y, SE = np.array([-0.9, -0.2, -0.6, 0.1, -0.4, -0.7]), np.array([0.4, 0.15, 0.3, 0.2, 0.25, 0.35])
NAMES = [f"Trial {x}" for x in "ABCDEF"]
TABLE = pd.DataFrame({"y": Y, "se": SE, "study": NAMES, "dose": [1, 2, 3, 4, 5, 6], "group": list("uvuvuv")})


def table() -> Any:
    return vf.effect_table(TABLE, y="y", se="se", study="study", question=PAIN)


def test_a_regression_shows_the_mean_it_gives_each_study() -> None:
    fit = vf.meta_regression(table(), "~ dose", test="Wald")
    ax = vf.plots.forest(fit)
    w = 1 / (SE**2 + fit.tau2)
    x = np.column_stack([np.ones(6), TABLE.dose])
    vb = np.linalg.inv(x.T @ (w[:, None] * x))
    mean = x @ (vb @ x.T @ (w * Y))
    half = 1.959963984540054 * np.sqrt(np.einsum("ij,jk,ik->i", x, vb, x))
    diamonds = [p.get_xy()[:4, 0] for p in drawn(ax, "fitted")]
    assert [d.min() for d in diamonds] == pytest.approx(mean - half)
    assert [d.max() for d in diamonds] == pytest.approx(mean + half)
    assert [float(s.get_offsets()[0][0]) for s in drawn(ax, "square")] == pytest.approx(Y)
    assert not drawn(ax, "pooled-diamond")
    assert any(x.startswith("Test of dose: χ² = ") for x in words(ax, "words-label"))
    assert fit.forest() is not None


def test_a_multivariate_model_shows_its_mean_or_its_means() -> None:
    fit = vf.multivariate(table(), random="1 | study", test="Wald")
    pool = vf.random_effects(table(), test="Wald")
    corners = drawn(vf.plots.forest(fit), "pooled-diamond")[0].get_xy()[:4, 0]
    assert (corners.min(), corners.max()) == pytest.approx(pool.interval, rel=1e-4)
    both = vf.multivariate(table(), formula="~ dose", random="1 | study", test="Wald")
    single = vf.meta_regression(table(), "~ dose", test="Wald")
    found = [[p.get_xy()[:4, 0].min() for p in drawn(vf.plots.forest(f), "fitted")] for f in (both, single)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("common", [False, True])
def test_subgroups_have_their_diamonds_the_test_between_and_the_pool_of_all(common: bool) -> None:
    sub, pool = vf.subgroups(table(), "group", common_tau2=common), vf.random_effects(table())
    ax = vf.plots.forest(sub, overall=pool)
    assert words(ax, "heading-label") == ["u", "v", "Overall"]
    assert order_of(ax) == [f"Trial {x}" for x in "ACEBDF"]
    ends = [p.get_xy()[:4, 0] for p in drawn(ax, "pooled-diamond")]
    assert [(e.min(), e.max()) for e in ends] == [pytest.approx(x) for x in [*sub.interval, pool.interval]]
    said = " ".join(words(ax, "words-label"))
    assert f"Test of differences between groups ({sub.between_test}): F = {sub.between.statistic:.2f} on 1" in said
    assert_legible(ax.get_figure())
    with pytest.raises(vf.InputError, match="overall is a list"):
        vf.plots.forest(sub, overall=[1])
    with pytest.raises(vf.InputError, match="pool of RR"):
        vf.plots.forest(sub, overall=four())


def test_groups_of_one_regression_show_their_ad_hoc_and_prediction_intervals() -> None:
    data = {"y": [0.1, 0.12, 0.11, 0.5, 0.52, 0.49], "v": [0.04] * 6, "group": list("uuuvvv")}
    sub = vf.subgroups(data, "group", common_tau2=True)
    ax = vf.plots.forest(sub)
    half = 2.7764451051977934 * np.sqrt(0.04 / 3)  # t with 4 df, tau2 = 0 and q = 1
    assert [list(x.get_xdata()) for x in drawn(ax, "adhoc-interval")] == [
        pytest.approx([m - half, m + half]) for m in (0.11, 0.5033333333)
    ]
    # tau2 is 0: what is drawn below the ad hoc interval is that interval, and no narrower
    assert [list(b.get_bbox().intervalx) for b in drawn(ax, "prediction")] == [
        pytest.approx([m - half, m + half]) for m in (0.11, 0.5033333333)
    ]


@pytest.mark.parametrize("on", ["analysis", "read"])
def test_tables_of_answers_are_drawn_a_row_an_answer(on: Any) -> None:
    fit = vf.random_effects(vf.effect_table(TABLE, y="y", se="se", study="study", question=RISK))
    for verb, head in ((vf.leave_one_out, "Without"), (vf.cumulative, "Added")):
        found = verb(fit, on=on)
        ax = vf.plots.forest(found, overall=fit)
        shown = found if on == "read" else found.assign(**{n: np.exp(found[n]) for n in ("estimate", "ci_low", "ci_high")})
        assert [float(s.get_offsets()[0][0]) for s in drawn(ax, "step")] == pytest.approx(shown["estimate"].tolist())
        inside = ax.get_xlim()
        assert [x.get_xdata() for x in drawn(ax, "step-interval")] == [
            pytest.approx(np.clip([a, b], *inside)) for a, b in zip(shown["ci_low"], shown["ci_high"], strict=True)
        ]
        assert order_of(ax) == NAMES
        assert head in words(ax, "head")
        assert " ".join(words(ax, "favours")) == "Favours teriparatide Favours risedronate"
        assert "(95% CI)" in words(ax, "head")
        assert_legible(ax.get_figure())
        assert head in vf.plots.alt_text(found)


def test_a_table_must_say_enough() -> None:
    frame = vf.leave_one_out(vf.random_effects(table()))
    with pytest.raises(vf.InputError, match="missing: ci_low, scale"):
        vf.plots.forest(frame.drop(columns=["ci_low", "scale"]))
    with pytest.raises(vf.InputError, match="the question asks for RR"):
        vf.plots.forest(frame, question=RISK)
    with pytest.raises(vf.InputError, match="drawn alone"):
        vf.plots.forest(frame, post_of(four()))


def test_a_network_shows_each_treatment_against_the_reference() -> None:
    net = vf.network(
        y=[0.1, 0.3, -0.2, 0.4], se=[0.2] * 4, study=list("abcd"), treat1=["x", "y", "z", "z"], treat2=["w", "w", "x", "y"],
        question=vf.Question(measure="MD", higher_is_worse=True),
    )  # fmt: skip
    ax = vf.plots.forest(net)
    assert order_of(ax) == list(net.terms)
    assert [float(s.get_offsets()[0][0]) for s in drawn(ax, "step")] == pytest.approx(net.estimate)
    assert f"Against {net.reference}" in words(ax, "head")
    assert words(ax, "favours") == ["Favours the treatment", "named", f"Favours {net.reference}"] or words(ax, "favours")[
        -1
    ] == (f"Favours {net.reference}")


def test_a_posterior_may_come_first() -> None:
    post = post_of(four())
    first, second = vf.plots.forest(post), vf.plots.forest(posterior=post)
    assert words(first) == words(second)
    assert drawn(first, "bayes-diamond")


def test_the_plain_layout_shows_one_result_and_no_word_of_the_method() -> None:
    """Of four trials the Bayesian result leads: its mean and interval stand there, once, as people read them."""
    fit = four()
    post = post_of(fit)
    ax = vf.plots.forest(fit, post, layout="plain")
    said = " ".join(t.get_text() for t in ax.figure.findobj(Text))
    assert not re.search(r"Bayes|frequentist|CrI|REML|HKSJ|prior|posterior|I2|I²|τ|Q =", said, re.IGNORECASE)
    assert "(95% interval)" in said
    assert said.count("Mean of the trials") == 1
    assert said.count("True effect in a next trial") == 1
    assert tx.effect_text(post.question, post.estimate, post.interval, width=typical_width(post)) in said
    assert "Mean of the trials" in " ".join(t.get_text() for t in vf.plots.forest(fit, layout="plain").figure.findobj(Text))


def test_a_quarto_document_sets_width_and_dots(quarto_says: Callable[[str, str], None]) -> None:
    quarto_says("QUARTO_FIG_WIDTH", "6")
    quarto_says("QUARTO_FIG_DPI", "192")
    figure = vf.plots.forest(four()).get_figure()
    assert figure.get_figwidth() == pytest.approx(6)
    assert figure.dpi == 192
    assert vf.plots.forest(four(), width=9).get_figure().get_figwidth() == pytest.approx(9)
    with pytest.warns(vf.VfmetaWarning, match="One study only") as caught:
        vf.random_effects(y=[0.1], v=[0.1])
    assert {w.filename for w in caught} == {"vfmeta"}  # a page names no file of a kernel
