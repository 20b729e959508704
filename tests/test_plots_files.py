"""Figures on disk, the posterior density and effects over time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from test_plots_make import PAIN, RISK, assert_legible, drawn, fit_of, post_of, three, words
from vfmeta.core.messages import InputError
from vfmeta.text import numbers as tx

plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


def forest() -> Any:
    fit = three()
    return vf.plots.forest(fit, post_of(fit), title="Pain <b>&amp; $x$")


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    formats = ("svg", "png", "pdf")
    first = vf.plots.save(forest(), tmp_path / "a" / "plot", formats, alt="words")
    with mpl.rc_context({"svg.hashsalt": None, "savefig.dpi": 30, "font.size": 20, "text.color": "red", "axes.grid": True}):
        again = vf.plots.save(forest(), tmp_path / "b" / "plot", formats, alt="words")
    assert [p.name for p in first] == ["plot.svg", "plot.png", "plot.pdf"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    ax = forest()
    vf.plots.save(ax, tmp_path / "c" / "plot", formats, alt="words")
    twice = vf.plots.save(ax.get_figure(), tmp_path / "c" / "plot", formats, alt="words")
    assert [p.read_bytes() for p in twice] == [p.read_bytes() for p in first]
    svg = first[0].read_text(encoding="utf-8")
    assert "−0.50 (−1.38 to 0.38)" in svg
    assert "<dc:date>" not in svg
    assert "Pain &lt;b&gt;&amp;amp; $x$" in svg  # as typed: no markup, no mathematics
    assert "words" in svg
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["plot.pdf", "plot.png", "plot.svg"]


def test_other_numbers_other_bytes(tmp_path: Path) -> None:
    one = vf.plots.save(vf.plots.forest(three()), tmp_path / "one.v1", "png")
    two = vf.plots.save(vf.plots.forest(fit_of([-0.5, -0.7, -0.5], [0.45, 0.42, 0.37])), tmp_path / "two", ["png"])
    assert one[0].name == "one.v1.png"
    assert one[0].read_bytes() != two[0].read_bytes()


def test_save_refuses_before_it_writes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Unknown figure format 'jpeg'"):
        vf.plots.save(forest(), tmp_path / "x", ("svg", "jpeg"))
    with pytest.raises(InputError, match="save got a str"):
        vf.plots.save("figure", tmp_path / "x")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = vf.plots.save(forest(), tmp_path / "x", ("svg",))
    before = path.read_bytes()
    ax = forest()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(ax.get_figure(), "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        vf.plots.save(ax, tmp_path / "x", ("svg",))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]


def test_close_lets_pyplot_forget(tmp_path: Path) -> None:
    ax = forest()
    vf.plots.save(ax, tmp_path / "x", ("png",))
    assert plt.get_fignums()
    vf.plots.save(ax, tmp_path / "x", ("png",), close=True)
    assert not plt.get_fignums()


def test_posterior_shades_what_its_probabilities_say() -> None:
    fit = three()
    post = post_of(fit)
    ax = vf.plots.posterior(post)
    said = " ".join(t.get_text() for t in ax.texts)
    assert tx.effect_text(PAIN, post.estimate, post.interval) in said
    assert "τ ~ half-normal(1)" in said
    assert f"P(benefit) {tx.probability_text(post.p_benefit or 0)}" in said
    (shade,) = drawn(ax, "benefit")
    outline = shade.get_paths()[0].vertices
    assert outline[:, 0].max() == pytest.approx(0.0)
    assert outline[:, 0].min() == pytest.approx(post.grid[0])
    places = np.linspace(post.grid[0], 0, 400)
    area = np.trapezoid(np.interp(places, post.grid, post.density), places)
    assert area == pytest.approx(stats.norm.cdf(0, post.mu.mean, post.mu.sd), abs=2e-3)
    assert list(drawn(ax, "interval")[0].get_xdata()) == pytest.approx(post.interval)
    assert_legible(ax.get_figure())
    better = post_of(fit_of([0.5, 2.7, 1.4], [0.45, 0.42, 0.37], replace(PAIN, higher_is_worse=False)))
    (dark,) = drawn(vf.plots.posterior(better), "beyond-mid")
    assert dark.get_paths()[0].vertices[:, 0].min() == pytest.approx(1.5)


def test_posterior_of_a_ratio_and_of_unknown_direction() -> None:
    ax = vf.plots.posterior(post_of(fit_of([-0.5, -0.7], [0.3, 0.4], RISK)))
    assert ax.get_xscale() == "log"
    assert drawn(ax, "benefit")[0].get_paths()[0].vertices[:, 0].max() == pytest.approx(1.0)
    assert_legible(ax.get_figure())
    blind = vf.plots.posterior(post_of(fit_of([-0.5, -0.7], [0.3, 0.4], replace(RISK, higher_is_worse=None))))
    assert not drawn(blind, "benefit")
    _, given = plt.subplots()
    assert vf.plots.posterior(post_of(three()), ax=given) is given


def test_posterior_bad_input() -> None:
    with pytest.raises(InputError, match="needs a BayesianResult"):
        vf.plots.posterior(three())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no curve to draw"):
        vf.plots.posterior(post_of(three(), grid=np.empty(0), density=np.empty(0)))


def test_over_time_puts_each_window_at_its_week() -> None:
    early, late, single = three(), fit_of([-0.1, -0.9], [0.5, 0.47]), fit_of([-1.0], [0.5])
    ax = vf.plots.over_time([(52, late, None), (4, early, post_of(early)), (104, single, None)])
    weeks = [float(p.get_xdata()[0]) for p in drawn(ax, "frequentist-estimate")]
    heights = [float(p.get_ydata()[0]) for p in drawn(ax, "frequentist-estimate")]
    assert weeks == [4, 52]  # one trial is not a pool
    assert heights == pytest.approx([early.estimate, late.estimate])
    assert list(drawn(ax, "frequentist-interval")[0].get_ydata()) == pytest.approx(early.interval)
    assert list(drawn(ax, "bayesian-interval")[0].get_ydata()) == pytest.approx(post_of(early).interval)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["4\n3 trials", "52\n2 trials", "104\n1 trial"]
    points = sorted(float(y) for p in drawn(ax, "trial") for y in p.get_ydata())
    assert points == pytest.approx(sorted([*early.y, *late.y, *single.y]))
    assert {"↓ Favours vertebroplasty", "↑ Favours sham procedure"} <= set(words(ax))
    assert ax.get_xscale() == "log"
    assert_legible(ax.get_figure())


def test_means_of_one_group_are_joined_and_their_start_has_room() -> None:
    results = []
    for mean in (7.0, 5.0, 4.0):
        table = vf.effect_size("MN", study=["A", "B"], mean=[mean - 0.5, mean + 0.5], sd=[2, 2], n=[30, 30])
        results.append(vf.random_effects(table))
    ax = vf.plots.over_time([(w, fit, None) for w, fit in zip((0, 4, 100), results, strict=True)])
    (course,) = [line for line in ax.lines if line.get_gid() == "course"]
    assert course.get_xdata().tolist() == [0, 4, 100]
    assert course.get_ydata() == pytest.approx([7, 5, 4])
    start, early, late = (ax.transData.transform((w, 5))[0] for w in (0, 4, 100))
    assert (early - start) / (late - start) == pytest.approx(0.2)  # the root of 4/100
    assert ax.get_xlabel() == "Weeks since the start"


def test_over_time_of_ratios_and_close_weeks() -> None:
    a, b = fit_of([-0.5, -0.7], [0.3, 0.4], RISK), fit_of([-0.4, 3.7], [0.3, 0.4], RISK)
    ax = vf.plots.over_time([(0, a, post_of(a)), (2, None, post_of(b)), (4, None, None)])
    assert ax.get_yscale() == "log"
    assert ax.get_xscale() == "linear"
    assert ax.get_xticklabels()[-1].get_text() == "4\nno trial"
    assert_legible(ax.get_figure())


BAD: list[tuple[Any, str]] = [
    ([], "at least one window"),
    ("weeks", "at least one window"),
    ([(4, three())], "Window 1 is not"),
    ([("four", three(), None)], "the week is 'four'"),
    ([(-4, three(), None)], "the week is -4"),
    ([(4, three(), None), (4.0, three(), None)], "Week 4 comes twice"),
    ([(4, "fit", None)], "Section 'week 4', fit: got a str"),
    ([(4, None, None)], "nothing to draw"),
]


@pytest.mark.parametrize(("windows", "message"), BAD)
def test_over_time_bad_input(windows: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        vf.plots.over_time(windows)
