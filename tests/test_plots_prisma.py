"""The PRISMA flow: every count in its box, in sums that go on, and "not recorded" where nobody counted."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pytest

import vfmeta as vf
from test_plots_make import assert_legible, drawn, words

plt.switch_backend("Agg")

WHOLE = {
    "databases": {"MEDLINE": 812, "Embase": 901}, "registers": 90, "duplicates": 400, "automation": 0, "removed_otherwise": 0,
    "screened": 1403, "excluded": 1200, "sought": 203, "not_retrieved": 3, "assessed": 200,
    "excluded_reports": {"not randomised": 100, "a reason of many words that runs over several lines": 60, "no pain": 8},
    "studies": 27, "reports": 40, "websites": 0, "organisations": 0, "citations": 14, "other_sought": 14,
    "other_not_retrieved": 0, "other_assessed": 14, "other_excluded_reports": 6,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    plt.close("all")


@pytest.mark.filterwarnings("error")
def test_every_count_stands_in_a_box_and_nothing_overlaps() -> None:
    ax = vf.plots.prisma_flow(WHOLE, title="A review")
    said = " ".join(words(ax, "count"))
    for n in ("812", "901", "90", "400", "1,403", "1,200", "203", "3", "200", "100", "60", "8", "27", "40", "14", "6"):
        assert f"(n = {n})" in said
    assert "not recorded" not in said
    assert len(drawn(ax, "box")) == 14
    assert_legible(ax.get_figure())
    for text in (t for t in ax.texts if t.get_gid() == "count"):  # inside a box
        x, y = text.get_position()
        assert any(b.get_x() < x < b.get_x() + b.get_width() and b.get_y() < y < b.get_y() + b.get_height()
                   for b in drawn(ax, "box"))  # fmt: skip


def test_arrows_lead_from_box_to_box() -> None:
    ax = vf.plots.prisma_flow(WHOLE)
    boxes = [(b.get_x(), b.get_y(), b.get_x() + b.get_width(), b.get_y() + b.get_height()) for b in drawn(ax, "box")]
    arrows = [a for a in ax.texts if getattr(a, "arrow_patch", None) is not None]
    assert len(arrows) == 13
    for arrow in arrows:
        x, y = arrow.xy
        assert any(x0 - 1e-9 <= x <= x1 + 1e-9 and y0 - 1e-9 <= y <= y1 + 1e-9 for x0, y0, x1, y1 in boxes)


def test_what_nobody_counted_says_so_and_other_ways_are_left_out() -> None:
    ax = vf.plots.prisma_flow({"studies": 192, "screened": None})
    said = " ".join(words(ax, "count"))
    assert "Studies included in review (n = 192)" in said
    assert said.count("not recorded") == 12
    assert len(drawn(ax, "box")) == 9
    assert "(n = 0)" not in said
    assert vf.plots.prisma_flow_text({"studies": 192}).count("not recorded") == 12
    assert "citation searching: 14" in vf.plots.prisma_flow_text(WHOLE)
    assert_legible(ax.get_figure())


def test_sums_that_do_not_go_on_are_warned_of() -> None:
    with pytest.warns(vf.VfmetaWarning, match=r"databases \+ registers less duplicates.* leaves 1,403, but screened is 1,400"):
        vf.plots.prisma_flow({**WHOLE, "screened": 1400, "excluded": 1197})
    with pytest.warns(vf.VfmetaWarning, match="leaves 40, but reports is 41"):
        vf.plots.prisma_flow({**WHOLE, "reports": 41})


def test_names_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(vf.InputError) as caught:
        vf.plots.prisma_flow({"screned": 3, "excluded": -1, "excluded_reports": {"late": 2.5}, "sought": True})
    said = str(caught.value)
    for part in ("no box 'screned'. Did you mean 'screened'?", "excluded: -1", "excluded_reports, late: 2.5", "sought: True"):
        assert part in said
    with pytest.raises(vf.InputError, match="a list was given"):
        vf.plots.prisma_flow([1])
