"""Heat maps of networks: what stands in each cell is read back and compared with the table."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from tests.test_networks import ARMS

import vfmeta as vf


@cache
def net() -> Any:
    return vf.network(ARMS, reference="sham", question=vf.Question(measure="MD", higher_is_worse=True))


@cache
def post() -> Any:
    return vf.networks.posterior(net(), tau=vf.priors.HalfNormal(0.5))


def cells(ax: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of the cells, NaN where a cell has none."""
    found = np.full(shape, np.nan)
    for text in ax.texts:
        x, y = text.get_position()
        if text.get_text():
            found[int(y), int(x)] = float(text.get_text().replace("\u2212", "-"))
    return found


def test_ranks_stand_in_order_of_sucra() -> None:
    ranks = post().ranks()
    ax = vf.plots.rank_probabilities(ranks)
    order = ranks.sort_values("sucra", ascending=False)
    np.testing.assert_allclose(cells(ax, (4, 4)), 100 * order[["1", "2", "3", "4"]].to_numpy(), atol=0.5)
    names = [t.get_text().replace("\n", " ") for t in ax.get_yticklabels()]
    assert names == [f"{n} (SUCRA {s:.2f})" for n, s in order.sucra.items()]
    with pytest.raises(vf.InputError, match="ranks"):
        vf.plots.rank_probabilities(ranks.drop(columns="sucra"))


def test_shares_stand_under_their_trials_and_direct_ones_are_framed() -> None:
    shares = vf.networks.contributions(net())
    ax = vf.plots.contribution_map(shares)
    rows = list(dict.fromkeys(f"{a} v {b}" for a, b in zip(shares.treatment, shares.control, strict=True)))
    found, trials = cells(ax, (len(rows), 6)), list(dict.fromkeys(shares.trial))
    for r in shares.itertuples():
        at = rows.index(f"{r.treatment} v {r.control}"), trials.index(r.trial)
        assert found[at] == pytest.approx(r.share, abs=0.5)
    framed = {p.get_gid() for p in ax.patches if isinstance(p, Rectangle) and p.get_gid()}
    direct = shares[shares.direct]
    assert framed == {f"direct: {r.treatment} v {r.control}, {r.trial}" for r in direct.itertuples()}
    with pytest.raises(vf.InputError, match="no comparison"):
        vf.plots.contribution_map(shares.iloc[:0])


def test_designs_that_cannot_be_detached_have_no_cells() -> None:
    kept = vf.network(ARMS[ARMS.study.isin(["a", "b", "c"])], reference="sham", method="common", test="Wald")
    designs = vf.networks.detached_designs(kept)
    table = designs.drop(columns=["design", "q"])
    found = cells(vf.plots.net_heat(designs), table.shape)
    np.testing.assert_allclose(found, table.to_numpy(), atol=0.051)
    alone = vf.network(
        pd.DataFrame({"study": ["x"], "treat1": ["B"], "treat2": ["A"], "y": [1.0], "se": [0.1]}), method="common"
    )
    assert np.isnan(cells(vf.plots.net_heat(vf.networks.detached_designs(alone)), (1, 1))).all()


def test_how_likely_a_benefit_of_a_size_is() -> None:
    at = post().beyond(0.5)
    for name, part in zip(post().terms, post().posterior.marginals.values(), strict=True):
        assert at[name] == pytest.approx(float(part.cdf(-0.5)))
    assert (post().beyond(0.0) >= at).all()
    assert post().beyond(0.5, "high")["gym"] == pytest.approx(1 - float(post().posterior.marginals["gym"].cdf(0.5)))
    with pytest.raises(vf.InputError, match="size="):
        post().beyond(-1.0)
