"""Baujat plot: what each study adds to heterogeneity, and how much it moves the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import finished, frequentist, fresh, listed
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 6  # studies that are named


def baujat(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Influence of each study on the pool over its part in heterogeneity.

    Parameters
    ----------
    fit : FrequentistResult
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Baujat, Mahe, Pignon & Hill 2002, Stat Med 21:2641-2652; the numbers are those of `vfmeta.baujat`. Studies at the upper
    right both move the pool and disagree with it; the farthest are named.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, 0.4], se=[0.2, 0.15, 0.3, 0.2], test="Wald")
    >>> axes = vf.plots.baujat(fit)
    """
    frequentist(fit, "baujat", 3)
    frame = look(fit, "baujat")
    x, y = frame["heterogeneity"].to_numpy(), frame["influence"].to_numpy()
    known = np.isfinite(x) & np.isfinite(y)
    reach = np.where(known, (x / max(float(np.nanmax(x)), 1e-300)) ** 2 + (y / max(float(np.nanmax(y)), 1e-300)) ** 2, -1)
    far = [i for i in np.argsort(-reach, kind="stable")[:_NAMED].tolist() if known[i] and reach[i] > 0.15]
    names = frame["study"].astype(str).tolist()
    with applied():
        ax = fresh(ax, (4.8, 3.6), (0.13, 0.14, 0.83, 0.77))
        ax.scatter(x[known], y[known], s=20, color=STYLE["study"], ec="white", lw=0.5, gid="studies")
        taken: list[tuple[float, float]] = []
        for i in sorted(far, key=lambda i: -y[i]):
            left = x[i] > 0.6 * float(np.nanmax(x))
            # one below the other where studies lie close
            at = float(y[i])
            near = [up for along, up in taken if abs(x[i] - along) < 0.5 * float(np.nanmax(x))]
            while any(abs(at - up) < 0.052 * float(np.nanmax(y)) for up in near):
                at -= 0.01 * float(np.nanmax(y))
            taken.append((float(x[i]), at))
            ax.annotate(
                names[i], (x[i], at), xytext=(-5 if left else 5, 0), textcoords="offset points", fontsize=STYLE["small"],
                ha="right" if left else "left", va="center", color=STYLE["muted"],
            )  # fmt: skip
        ax.set_xlim(0, 1.06 * float(np.nanmax(x)) or 1.0)
        ax.set_ylim(0, 1.12 * float(np.nanmax(y)) or 1.0)
        ax.set_xlabel("part in heterogeneity (squared Pearson residual)", fontsize=STYLE["text"])
        ax.set_ylabel("influence on the pool", fontsize=STYLE["text"])
        top, most = int(np.nanargmax(np.where(known, y, np.nan))), int(np.nanargmax(np.where(known, x, np.nan)))
        words = (
            f"Baujat plot of {fit.k} studies. {names[top]} moves the pool most (influence {tx.short(float(y[top]))}), "
            f"{names[most]} adds most to heterogeneity ({tx.short(100 * float(x[most]) / float(np.nansum(x)), 2)}% of the sum)."
        )
        if far:
            words += f" Farthest out: {listed([names[i] for i in far])}."
        return finished(ax, title, words)
