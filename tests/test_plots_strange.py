"""Figures of names and numbers that nobody expects: drawn as they stand, or refused in words."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import stats

mpl.use("Agg")
import matplotlib.pyplot as plt

import vfmeta as vf
from vfmeta.plots.contents import Options, contents

NAMES = ["$x$", r"$\frac$ 1", "a\nb", "🙂"]


def drawn_without_a_word(ax: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.get_figure(root=True).canvas.draw()


@pytest.mark.filterwarnings("ignore:No font found here")
@pytest.mark.parametrize("figure", ["effect_direction", "harvest", "albatross", "network_graph", "forest"])
def test_names_stand_as_they_are_in_every_figure(figure: str) -> None:
    """A dollar begins no formula; what no font has is a box, of which matplotlib says nothing further."""
    made = {
        "effect_direction": lambda: vf.appraisal.direction_of_effect(direction=[1, -1, 0, 1], n=[9, 60, 400, 5], study=NAMES),
        "harvest": lambda: vf.appraisal.direction_of_effect(direction=[1, -1, 0, 1], n=[9, 60, 400, 5], study=NAMES),
        "albatross": lambda: vf.appraisal.combine_p_values(p=[1.0, 0.0, 0.1, 0.0], n=[9, 60, 400, 5], study=NAMES),
        "network_graph": lambda: vf.network(y=[0.1] * 3, se=[0.2] * 3, study=list("abc"), treat1=NAMES[1:], treat2=NAMES[:3]),
        "forest": lambda: vf.random_effects(y=[0.1, 0.2, 0.3, 0.4], v=[0.1] * 4, study=NAMES),
    }[figure]()
    ax = getattr(vf.plots, figure)(made)
    drawn_without_a_word(ax)
    said = " ".join(t.get_text() for t in ax.get_figure(root=True).findobj(plt.Text))
    assert "$x$" in said


@pytest.mark.parametrize(("measure", "y"), [("PLO", 1e-154), ("PLO", -800.0), ("OR", -1e-300), ("MD", 1e8)])
def test_an_axis_whose_ends_people_read_alike_is_drawn_apart(measure: str, y: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = vf.random_effects(y=[y], v=[1e-50 if abs(y) < 1 else 1e-20], question=vf.Question(measure=measure))
        ax = vf.plots.forest(fit)
    low, high = ax.get_xlim()
    assert low < high
    drawn_without_a_word(ax)


@pytest.mark.parametrize("top", [0, -1, float("nan"), float("inf"), "wide"])
def test_the_end_of_the_axis_of_priors_is_a_number_above_nought(top: Any) -> None:
    with pytest.raises(vf.InputError, match="top="):
        vf.plots.prior_densities(vf.priors.HalfNormal(1.0), top=top)


@pytest.mark.parametrize("week", [-1, 1e6, float("inf"), "4"])
def test_a_week_is_one_in_which_a_trial_can_end(week: Any) -> None:
    fit = vf.random_effects(y=[0.1, 0.2, 0.3], v=[0.1] * 3)
    with pytest.raises(vf.InputError, match="number of weeks"):
        vf.plots.over_time([(week, fit, None)])


def test_long_names_stay_inside_their_figure() -> None:
    long = "a very long name of many words that goes on and on"
    net = vf.network(y=[0.1, 0.2], se=[0.2] * 2, study=list("ab"), treat1=[long, "C"], treat2=["B", "B"])
    found = vf.appraisal.direction_of_effect(direction=[1, -1], n=[9, 60], study=[long, "two\nlines"])
    for ax in (vf.plots.network_graph(net), vf.plots.harvest(found)):
        figure = ax.get_figure(root=True)
        figure.canvas.draw()
        for text in ax.texts:
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= figure.bbox.width, text.get_text()
            assert box.y1 <= figure.bbox.height, text.get_text()


@pytest.mark.parametrize("named", [False, True])
def test_one_group_has_one_column_and_no_side(named: bool) -> None:
    """Shares of one group: no empty column of a control arm, and no direction that nobody could state."""
    table = vf.effect_size("PLO", events=[12, 20, 9], n=[60, 90, 50], study=list("abc"))
    asked = vf.Question(measure="PLO", experimental="cement") if named else None
    ax = vf.plots.forest(vf.random_effects(table, question=asked))
    said = [t.get_text() for t in ax.get_figure(root=True).findobj(plt.Text) if t.get_text()]
    assert said.count("events/n") == 1
    assert ("Cement" in said) == named
    assert not {"Experimental", "Control", "–"} & set(said)
    assert not any("not stated" in x for x in said)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [1, 3])
def test_an_evidence_map_of_one_endless_word(rows: int) -> None:
    usable = pd.DataFrame({"pain": [1] * rows}, index=[f"{'w' * 200}{i}" for i in range(rows)])
    ax = vf.plots.gap_map(usable, usable + 1)
    ax.get_figure(root=True).canvas.draw()
    assert ax.get_position().width > 0.3


def test_events_of_person_time_stand_alone() -> None:
    """Who was at risk for how long is no number of patients: no "14/–"."""
    table = vf.effect_size("IRR", data={"a": [14, 9], "t": [700.5, 440.0], "c": [22, 13], "u": [720.0, 410.0]},
                           events1="a", time1="t", events2="c", time2="u")  # fmt: skip
    ax = vf.plots.forest(vf.random_effects(table))
    said = [t.get_text() for t in ax.get_figure(root=True).findobj(Text)]
    assert said.count("events") == 2
    assert {"14", "22"} <= set(said)
    assert not any("/" in x for x in said)


def test_nothing_drawn_below_an_ad_hoc_interval_is_narrower() -> None:
    """Common tau2 of 0 and q below 1: where a next trial lies is no surer than the mean, +- t(0.975, 4) sqrt(0.03 / 3)."""
    table = {"y": [-0.2, -0.21, -0.22, -0.3, -0.25, -0.28], "v": [0.03] * 6, "g": list("aaabbb")}
    fit = vf.subgroups(table, "g", common_tau2=True)
    rows = [r for r in contents(fit, None, None, None, None, Options()).rows if r.kind in ("adhoc", "prediction")]
    half = float(stats.t.ppf(0.975, 4)) * 0.1
    for row, mean in zip(rows, np.repeat(fit.estimate, 2), strict=True):
        assert row.interval == pytest.approx((mean - half, mean + half))
    slope = vf.meta_regression(table, "~ g")
    said = [t.get_text() for t in slope.forest().get_figure(root=True).findobj(Text)]
    assert any("q is below 1" in " ".join(x.split()) for x in said)
