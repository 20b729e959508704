"""Tables of networks as files, orders of treatments, and certainty of each comparison."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from tests.test_networks import ARMS

import vfmeta as vf
from vfmeta.plots._network import crossings

Q = vf.Question(measure="MD", higher_is_worse=True, mid=0.5)


@cache
def net() -> Any:
    return vf.network(ARMS, reference="sham", question=Q, test="Wald")


@cache
def post() -> Any:
    return vf.networks.posterior(net(), tau=vf.priors.HalfNormal(0.5))


@pytest.mark.parametrize("triangle", ["both", "lower", "upper"])
def test_a_league_table_is_the_same_in_every_format(triangle: Any, tmp_path: Path) -> None:
    table = vf.networks.table(net(), triangle=triangle)
    read = list(csv.reader(io.StringIO(table.to_csv())))
    names = list(net().treatments)
    assert read[0] == ["treatment", *names]
    cells = np.array([row[1:] for row in read[1:]])
    full = np.array([row[1:] for row in csv.reader(io.StringIO(vf.networks.table(net()).to_csv()))][1:])
    kept = {"both": full != "", "lower": np.tri(4, k=-1).astype(bool), "upper": ~np.tri(4).astype(bool)}[triangle]
    assert (np.char.lstrip(cells, "'")[kept] == np.char.lstrip(full, "'")[kept]).all()
    assert (cells[~kept] == "").all()
    html = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", table.to_html())
    with zipfile.ZipFile(table.to_docx(tmp_path / "league.docx")) as file:
        word = re.findall(r"<w:t [^>]*>(.*?)</w:t>", file.read("word/document.xml").decode())
    latex = table.to_latex()
    estimate = net().comparisons().set_index(["treatment", "control"]).loc[("gym", "sham"), "estimate"]
    cell = cells[names.index("gym"), 3] or cells[3, names.index("gym")]
    assert float(cell.lstrip("'").split(" ")[0].replace("\u2212", "-")) == pytest.approx(
        estimate if cells[names.index("gym"), 3] else -estimate, abs=0.005
    )
    for shown in (html, word):
        assert any(cell.lstrip("'") == x for x in shown)
    assert "gym & " in latex


def test_a_posterior_has_the_same_tables() -> None:
    league = vf.networks.table(post(), triangle="upper").frame.set_index("treatment")
    median = post().comparisons().set_index(["treatment", "control"]).loc[("drug", "gym"), "estimate"]
    assert float(league.loc["drug", "gym"].split(" ")[0].replace("\u2212", "-")) == pytest.approx(median, abs=0.005)
    assert "SUCRA" in vf.networks.table(post(), "ranks").frame
    with pytest.raises(vf.InputError, match="takes a network"):
        vf.networks.table(vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.1]))


def test_ranks_of_normal_estimates() -> None:
    """P-scores are mean certainties; ranks of draws are near them, and two treatments rank as the normal says."""
    ranks = net().ranks()
    np.testing.assert_allclose(ranks.sucra, net().p_scores(), rtol=1e-12)
    shares = ranks[["1", "2", "3", "4"]].to_numpy()
    np.testing.assert_allclose(shares @ [1, 2, 3, 4], ranks.mean_rank, atol=0.03)  # four errors of 20,000 draws
    assert (ranks.rank_low <= ranks.rank_high).all()
    for name, row in ranks.iterrows():
        inside = row[[str(r) for r in range(int(row.rank_low), int(row.rank_high) + 1)]].sum()
        assert inside >= 0.95, name
    two = vf.network(ARMS[ARMS.study == "a"], reference="sham", method="common", test="Wald", question=Q)
    better = norm.cdf(-two.estimate[0] / two.se[0])
    assert two.ranks().loc["drug", "1"] == pytest.approx(better, abs=0.006)
    assert two.beyond(0.5)["drug"] == pytest.approx(norm.cdf((-two.estimate[0] - 0.5) / two.se[0]), rel=1e-12)


def test_a_partial_order_has_the_lines_that_do_not_follow_from_others() -> None:
    order = vf.networks.partial_order(net())
    frame = net().comparisons()
    sure = {(a, b) if high < 0 else (b, a) for a, b, low, high in zip(
        frame.treatment, frame.control, frame.ci_low, frame.ci_high, strict=True) if high < 0 or low > 0}  # fmt: skip
    lines = set(order.itertuples(index=False, name=None))
    closed = set(lines)
    while more := {(a, d) for a, b in closed for c, d in closed if b == c} - closed:
        closed |= more
    assert closed == sure
    assert not any((a, c) in lines for a, b in lines for b2, c in closed if b == b2)


def test_an_order_of_outcomes_needs_each_of_them() -> None:
    scores = pd.DataFrame({"pain": [0.9, 0.6, 0.2, 0.1], "falls": [0.8, 0.7, 0.5, np.nan]}, index=list("abcd"))
    order = vf.networks.partial_order(scores)
    assert order.values.tolist() == [["a", "b"], ["b", "c"]]
    assert order.attrs["alone"] == ["d"]  # one outcome does not say
    mixed = vf.networks.partial_order(scores.assign(falls=[0.5, 0.7, 0.6, 0.1]))
    assert mixed.values.tolist() == [["a", "d"], ["b", "c"], ["c", "d"]]
    both = vf.networks.scores({"pain": net(), "again": post()})
    assert both.loc["sham", "pain"] == pytest.approx(net().p_scores()["sham"])
    with pytest.raises(vf.InputError, match="pain: a str is no network"):
        vf.networks.scores({"pain": "net"})


def test_figures_of_orders_show_each_treatment_and_line() -> None:
    ax = vf.plots.hasse(net())
    order = vf.networks.partial_order(net())
    drawn = {line.get_gid() for line in ax.lines}
    assert drawn == {f"{a} above {b}" for a, b in order.itertuples(index=False, name=None)}
    place = {t.get_gid(): t.get_position()[1] for t in ax.texts}
    assert set(place) == set(net().treatments)
    assert all(place[a] > place[b] for a, b in order.itertuples(index=False, name=None))
    heat = vf.plots.rank_heat(vf.networks.scores({"pain": net()}))
    shown = [float(t.get_text()) for t in heat.texts]
    np.testing.assert_allclose(shown, sorted(100 * net().p_scores(), reverse=True), atol=0.5)
    with pytest.raises(vf.InputError, match="between 0 and 1"):
        vf.plots.rank_heat(pd.DataFrame({"pain": [4.0]}, index=["a"]))


def test_edges_cross_as_chords_do_and_fewest_where_one_looks() -> None:
    square = [("a", "c"), ("b", "d"), ("a", "b")]
    assert crossings("abcd", square) == 1
    assert crossings("acbd", square) == 0
    ring = ("AD", "DB", "BF", "FC", "CE", "EA", "AB", "BC", "CA")  # a hexagon out of the order of names, and a triangle in it
    sides = [(a, b) for a, b in ring]
    flat = vf.network(
        y=np.zeros(9), se=np.ones(9), study=[f"s{i}" for i in range(9)], treat1=[a for a, _ in sides],
        treat2=[b for _, b in sides], reference="A", method="common", test="Wald",
    )  # fmt: skip
    ax = vf.plots.network_graph(flat)
    nodes = {p.get_gid(): p.get_offsets()[0] for p in ax.collections}
    around = sorted(nodes, key=lambda n: math.atan2(*nodes[n]))
    assert crossings(around, sides) == 0


def bias(**overall: str) -> Any:
    words = {"a": "Low", "b": "Low", "c": "High", "d": "Low", "e": "High", "f": "Low"} | overall
    return vf.appraisal.risk_of_bias({"Study": list(words), "D1": list(words.values()), "Overall": list(words.values())})


def test_edges_have_the_colour_of_most_trials() -> None:
    found = bias(b="")
    colours = {x.word: x.colour for x in found.instrument.levels}
    edges = {line.get_gid(): line.get_color() for line in vf.plots.network_graph(net(), bias=found).lines}
    pair = next(e for e in edges if set(e.split(" - ")) == {"gym", "sham"})  # d low, e high: the worse of two
    assert edges[pair] == colours["high"]
    only = next(e for e in edges if set(e.split(" - ")) == {"gym", "brace"})  # e high, f low
    assert edges[only] == colours["high"]
    drug = next(e for e in edges if set(e.split(" - ")) == {"drug", "sham"})  # a low, c and e high
    assert edges[drug] == colours["high"]
    with pytest.raises(vf.InputError, match="risk_of_bias"):
        vf.plots.network_graph(net(), bias="high")


def test_certainty_goes_by_shares_and_intervals() -> None:
    found = vf.appraisal.network_certainty(net(), bias=bias())
    frame = found.frame.set_index(["treatment", "control", "domain"])
    shares = vf.networks.contributions(net())
    for (a, b), own in shares.groupby(["treatment", "control"]):
        high = own.loc[own.trial.isin(["c", "e"]), "share"].sum()
        row = frame.loc[(a, b, "within-study bias")]
        assert f"{high:.0f}% high" in row.sentence
        assert (row.suggestion < 0) == (high > 50)
        direct = own.loc[own.direct, "share"].sum()
        assert f"{direct:.0f}% of the information" in frame.loc[(a, b, "indirectness"), "sentence"]
    for r in net().comparisons().itertuples():
        inside = [x for x in (-0.5, 0.0, 0.5) if r.ci_low < x < r.ci_high]
        if abs(r.estimate) < 0.5:
            inside = [x for x in inside if x]
        assert frame.loc[(r.treatment, r.control, "imprecision"), "suggestion"] == -min(len(inside), 2)
        ahead = [x for x in (-0.5, 0.0, 0.5) if not r.ci_low <= x <= r.ci_high and r.prediction_low < x < r.prediction_high]
        assert frame.loc[(r.treatment, r.control, "heterogeneity"), "suggestion"] == -min(len(ahead), 2)
    for r in vf.networks.split_sides(net()).itertuples():
        assert (frame.loc[(r.treatment, r.control, "incoherence"), "suggestion"] < 0) == (r.p_value < 0.1)


def test_what_nobody_judged_is_open_in_every_comparison() -> None:
    frame = vf.appraisal.network_certainty(net()).frame
    judged = frame[frame.domain.isin(["within-study bias", "reporting bias", "indirectness"])]
    assert judged.suggestion.isna().all()
    final = frame[frame.domain == "certainty"]
    assert len(final) == 6
    assert final.answer.str.startswith(("at most", "very low")).all()
    assert frame.sentence.str.len().gt(10).all()


def test_without_heterogeneity_or_a_second_way_nothing_is_claimed() -> None:
    star = vf.network(ARMS[ARMS.study.isin(["a", "b"])], reference="sham", method="common", test="Wald", question=Q)
    frame = vf.appraisal.network_certainty(star).frame.set_index("domain")
    assert frame.loc["heterogeneity", "suggestion"].isna().all()
    assert frame.loc["incoherence", "suggestion"].isna().all()
    with pytest.raises(vf.InputError, match="takes a network"):
        vf.appraisal.network_certainty(vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.1]))
