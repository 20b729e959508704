"""The evidence map shows the counts it was given, and nothing where a question does not ask."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta import plots
from vfmeta.core.messages import InputError


@pytest.fixture
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, columns = (
        ["exercise", "a question with a name far too long to stand on one single line of the figure"],
        ["pain", "harm"],
    )
    usable = pd.DataFrame([[2, np.nan], [0, 7]], index=rows, columns=columns)
    return usable, pd.DataFrame([[5, np.nan], [3, 7]], index=rows, columns=columns)


def test_each_cell_says_usable_of_known(tables):
    ax = plots.gap_map(*tables)
    assert [t.get_text() for t in ax.texts if t.get_text()] == ["2 of 5", "0 of 3", "7 of 7"]


def test_long_names_are_wrapped(tables):
    labels = [t.get_text() for t in plots.gap_map(*tables).get_yticklabels()]
    assert labels[0] == "exercise"
    assert max(len(line) for line in labels[1].split("\n")) <= 46


def test_more_usable_than_known_is_refused(tables):
    with pytest.raises(InputError, match="exchange the two tables"):
        plots.gap_map(tables[1], tables[0])


def test_tables_of_different_shape_are_refused(tables):
    with pytest.raises(InputError, match="same rows and columns"):
        plots.gap_map(tables[0], tables[1].iloc[:1])


def test_a_long_word_is_cut_and_letters_are_drawn_or_named(tables):
    names = ["w" * 200, "🙂 $x$"]
    with pytest.warns(vf.VfmetaWarning, match="No font found here has a glyph for 🙂"):
        ax = plots.gap_map(*(t.set_axis(names) for t in tables))
    assert ax.get_yticklabels()[0].get_text().endswith("…")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.get_figure().canvas.draw()
    assert ax.get_yticklabels()[1].get_text() == "🙂 $x$"


def test_a_map_of_no_question_is_refused(tables):
    nothing = tables[0] * np.nan
    with pytest.raises(InputError, match="no question asks"):
        plots.gap_map(nothing, nothing)


def test_it_draws_into_given_axes(tables):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert plots.gap_map(*tables, ax=ax) is ax


def test_a_long_name_makes_its_row_tall_enough() -> None:
    usable = pd.DataFrame({"pain": [1]}, index=["a b " * 40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        axes = vf.plots.gap_map(usable, usable + 1)
    assert axes.figure.get_figheight() > 1.9


def test_what_stands_in_a_cell_can_be_read_on_every_shade() -> None:
    counts = pd.DataFrame({f"d{i}": [i, i + 7] for i in range(7)}, index=["few", "many"], dtype=float)
    ax = vf.plots.gap_map(counts, counts + 1)

    def luminance(colour: Any) -> float:  # WCAG 2.2
        parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in mpl.colors.to_rgb(colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    grounds = ax.collections[0].get_facecolors()
    assert len(ax.texts) == len(grounds) == 14
    for text, ground in zip(ax.texts, grounds, strict=True):
        low, high = sorted((luminance(text.get_color()), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, text.get_text()
    assert {text.get_color() for text in ax.texts} == {"black", "white"}
