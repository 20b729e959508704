"""Treatments in order: a Hasse diagram of what stands above what, and scores of several outcomes side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots._network_heat import heat
from vfmeta.plots.canvas import fresh
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def hasse(fit: Any, ax: Axes | None = None, *, better: str | None = None, title: str = "") -> Axes:
    """What stands above what, by `vfmeta.networks.partial_order`: a line leads down from the better of two treatments.

    Where no line leads down from one to the other, the evidence does not say which is better.

    Parameters
    ----------
    fit : frequentist network or DataFrame
        A network, or the `vfmeta.networks.scores` of several outcomes.
    ax : matplotlib Axes, optional
    better : str, optional
        ``"low"`` or ``"high"``: which effects are better, of a network.
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB")}
    >>> net = vf.network(y=[-0.5, -1.2, -0.7], se=[0.1] * 3, reference="A", method="common", test="Wald", **sides)
    >>> axes = vf.plots.hasse(net, better="low")
    """
    order = look(fit, "partial_order", better=better)
    names, lines = order.attrs["treatments"], list(order.itertuples(index=False, name=None))
    depth = _depth(names, lines)
    rows = [[n for n in names if depth[n] == d] for d in range(max(depth.values()) + 1)]
    place = _places(rows, lines)
    widest = max(map(len, rows))
    with applied():
        ax = fresh(ax, (1.6 + 1.25 * widest, 1.0 + 0.95 * len(rows)), (0.02, 0.02, 0.96, 0.86 if title else 0.96))
        for above, below in lines:
            (x1, y1), (x2, y2) = place[above], place[below]
            ax.plot([x1, x2], [y1, y2], color=STYLE["prediction"], lw=1.2, zorder=1, gid=f"{above} above {below}")
        for name, (x, y) in place.items():
            ax.text(
                x, y, "\n".join(wrap(name, 1.1, STYLE["text"], most=3)), fontsize=STYLE["text"], ha="center", va="center",
                zorder=2, gid=name, bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": STYLE["frequentist"], "lw": 1.0},
            )  # fmt: skip
        ax.set(xlim=(-0.6 * widest, 0.6 * widest), ylim=(-len(rows) + 0.4, 0.6))
        ax.set_axis_off()
        if title:
            ax.set_title(title, fontsize=STYLE["title"])
    return checked(ax)


def rank_heat(scores: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Scores of treatments by outcome, in percent: dark where a treatment does better than most others.

    A score says nothing of size or certainty: read it beside the effects. Treatments that an outcome lacks have no cell.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `vfmeta.networks.scores`; treatments are drawn in the order of their mean score.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    The figure of Veroniki et al. 2016 (J Clin Epidemiol 76:193-199) as rows and columns instead of rings: a ring's outer cells
    are larger than its inner ones, which says nothing.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB")}
    >>> pain, falls = (vf.network(y=y, se=[0.2] * 3, reference="A", **sides) for y in ([-0.5, -0.8, -0.2], [0.1, -0.3, -0.4]))
    >>> axes = vf.plots.rank_heat(vf.networks.scores({"pain": pain, "falls": falls}, better="low"))
    """
    values = np.asarray(getattr(scores, "values", np.nan), dtype=object)
    if values.ndim != 2 or not values.size:
        raise InputError("rank_heat takes the scores of outcomes, from vf.networks.scores.")
    found = 100 * scores.astype(float)
    known = found.to_numpy()[np.isfinite(found.to_numpy())]
    if not known.size or known.min() < 0 or known.max() > 100:
        raise InputError("rank_heat: scores lie between 0 and 1; take them from vf.networks.scores.")
    order = found.mean(axis=1).sort_values(ascending=False, kind="stable").index
    return heat(found.loc[order], "Blues", (0.0, 100.0), ax, title, ("Score, %", ""))


def _depth(names: list[str], lines: list[tuple[str, str]]) -> dict[str, int]:
    """How many lines the longest way from the top down to each is."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for above, below in lines:
            depth[below] = max(depth[below], depth[above] + 1)
    return depth


def _places(rows: list[list[str]], lines: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Where each stands: row by row, below the middle of what it is below, so that fewer lines cross."""
    place: dict[str, tuple[float, float]] = {}
    for d, row in enumerate(rows):
        middle = {n: float(np.mean([place[a][0] for a, b in lines if b == n and a in place] or [0.0])) for n in row}
        order = sorted(row, key=middle.__getitem__)
        for i, name in enumerate(order):
            place[name] = (1.15 * (i - (len(order) - 1) / 2), -float(d))
    return place
