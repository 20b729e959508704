"""Heat maps of a network: probabilities of ranks, shares of trials in comparisons, and designs that disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots.glyphs import checked, quiet
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied, check_axes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def rank_probabilities(ranks: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Probability of each rank, in percent: a row a treatment, a column a rank, 1 the best.

    A rank says nothing of size, and treatments of the same effect share their ranks by chance: read it beside the effects.

    Parameters
    ----------
    ranks : pandas.DataFrame
        From `NetworkPosterior.ranks`; rows are drawn in the order of their SUCRA, which stands behind the name.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> post = vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.5))
    >>> axes = vf.plots.rank_probabilities(post.ranks("low"))
    """
    if "sucra" not in getattr(ranks, "columns", ()):
        raise InputError("rank_probabilities takes the table of ranks of a network, from its posterior's ranks().")
    order = ranks.sort_values("sucra", ascending=False, kind="stable")
    numbers = [c for c in order.columns if str(c).isdigit()]
    shares = 100 * order[numbers]
    shares.index = [f"{name} (SUCRA {s:.2f})" for name, s in zip(order.index, order.sucra, strict=True)]
    return heat(shares, "Blues", (0.0, max(50.0, float(shares.to_numpy().max()))), ax, title, ("Rank", ""))


def contribution_map(shares: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Share of each trial in each comparison, in percent: a row a comparison, a column a trial; a frame marks direct evidence.

    Parameters
    ----------
    shares : pandas.DataFrame
        From `vfmeta.networks.contributions`; take the comparisons you want to see.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A", method="common", test="Wald")
    >>> axes = vf.plots.contribution_map(vf.networks.contributions(net))
    """
    if not {"treatment", "control", "trial", "share", "direct"} <= set(getattr(shares, "columns", ())):
        raise InputError("contribution_map takes the shares of trials, from vf.networks.contributions.")
    if shares.empty:
        raise InputError("contribution_map: there is no comparison to draw.")
    rows = [f"{a} v {b}" for a, b in zip(shares.treatment, shares.control, strict=True)]
    long = shares.assign(comparison=rows)
    trials = list(dict.fromkeys(shares.trial))
    table = long.pivot(index="comparison", columns="trial", values="share").loc[list(dict.fromkeys(rows)), trials]
    direct = long.assign(direct=long.direct.astype(float)).pivot(index="comparison", columns="trial", values="direct")
    direct = direct.loc[table.index, trials] == 1
    ax = heat(table, "Blues", (0.0, 100.0), ax, title, ("Trial", ""))
    from matplotlib.patches import Rectangle

    for i, j in zip(*np.nonzero(direct.to_numpy()), strict=True):
        frame = Rectangle((j + 0.04, i + 0.04), 0.92, 0.92, fill=False, ec=STYLE["bayesian"], lw=1.3)
        frame.set_gid(f"direct: {table.index[i]}, {trials[j]}")
        ax.add_patch(frame)
    return ax


def net_heat(designs: pd.DataFrame, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Where designs disagree: how the distance of the row's design from the network falls when the column's is detached.

    Red cells fall (the two disagree), blue ones rise (the column's design supports the row's); grey columns cannot be
    detached. The row's own distance stands behind its name.

    Parameters
    ----------
    designs : pandas.DataFrame
        From `vfmeta.networks.detached_designs`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A", method="common", test="Wald")
    >>> axes = vf.plots.net_heat(vf.networks.detached_designs(net))
    """
    if not {"design", "q"} <= set(getattr(designs, "columns", ())):
        raise InputError("net_heat takes the designs of a network, from vf.networks.detached_designs.")
    table = designs.drop(columns="q").set_index("design")
    table.index = [f"{name} (Q {q:.2f})" for name, q in zip(designs.design, designs.q, strict=True)]
    most = max(1.0, float(np.nanmax(np.abs(np.nan_to_num(table.to_numpy(), nan=0.0)))))
    return heat(table, "RdBu_r", (-most, most), ax, title, ("Design detached", ""), digits=1)


def heat(
    table: pd.DataFrame,
    colours: str,
    ends: tuple[float, float],
    ax: Axes | None,
    title: str,
    names: tuple[str, str],
    digits: int = 0,
) -> Axes:
    """A table as cells with their numbers; missing cells stay grey."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    shown, own = table.astype(float), None
    cells: Any = np.array([["" if np.isnan(x) else tx.number(x, digits) for x in row] for row in shown.to_numpy()])
    shown.index = ["\n".join(wrap(str(n).replace(":", ": "), 2.4, STYLE["text"], most=3)) for n in shown.index]
    shown.columns = ["\n".join(wrap(str(n).replace(":", ": "), 0.9, STYLE["text"], most=4)) for n in shown.columns]
    with applied():
        check_axes(ax)
        if ax is None:
            tall = max(n.count("\n") for n in shown.columns)
            size = (3.2 + 0.62 * shown.shape[1], 1.3 + 0.15 * tall + 0.36 * shown.shape[0])
            ax = (own := plt.figure(figsize=size, facecolor="white")).add_subplot()
        ax.set_facecolor("#F2F2F2")
        with quiet():
            sns.heatmap(
                shown, mask=np.isnan(shown.to_numpy()), cmap=colours, vmin=ends[0], vmax=ends[1], ax=ax, annot=cells, fmt="",
                annot_kws={"size": STYLE["small"]}, cbar=False, linewidths=1.2, linecolor="white",
            )  # fmt: skip
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.set_xlabel(names[0], fontsize=STYLE["text"])
        ax.set_ylabel(names[1])
        ax.tick_params(axis="both", length=0, labelrotation=0)
        if title:
            ax.set_title(title, fontsize=STYLE["title"], loc="left")
        if own is not None:
            own.set_layout_engine("constrained")
    return checked(ax)
