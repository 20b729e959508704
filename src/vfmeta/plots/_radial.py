"""Radial (Galbraith) plot: standardised effects over precision, on which an effect is a slope."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots import axis
from vfmeta.plots.canvas import about, finished, fresh, listed, pool_of
from vfmeta.plots.style import STYLE, applied
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def radial(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Effects over their standard errors against one over these; the pool is a line through the origin.

    Parameters
    ----------
    fit : pool or posterior
        Standard errors are those of the model, the root of v + tau2.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Galbraith 1988, Technometrics 30:271-281. On the arc at the right a line from the origin through a study ends at its effect.
    The band is the line of the pool -+ 1.96: 95% of studies lie within where the model holds; others are named.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1])
    >>> axes = vf.plots.radial(fit)
    """
    pool_of(fit, "radial")
    q = fit.question
    x = 1 / np.sqrt(fit.v + (fit.tau2 or 0.0))
    z = fit.y * x
    away = z - fit.estimate * x
    outside = np.flatnonzero(np.abs(away) > 1.96)
    # the arc lies beyond every study
    wide, high = float(x.max()), max(float(np.abs(z).max()), 2.2)
    out = 1.08 * math.sqrt(float(((x / wide) ** 2 + (z / high) ** 2).max()))
    wide, high = out * wide, out * high
    null = q.null_effect
    steep = [*fit.y.tolist(), fit.estimate, *([] if null is None else [null])]
    ends = min(steep), max(steep)
    if ends[0] == ends[1]:
        ends = ends[0] - 0.5, ends[1] + 0.5

    def arc(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = wide / np.sqrt(1 + (slope * wide / high) ** 2)
        return at, slope * at

    with applied():
        ax = fresh(ax, (5.2, 3.8), (0.11, 0.13, 0.74, 0.78))
        grid = np.array([0.0, float(arc(np.array([fit.estimate]))[0][0])])
        ax.fill_between(
            grid,
            fit.estimate * grid - 1.96,
            fit.estimate * grid + 1.96,
            color=STYLE["frequentist"],
            alpha=0.13,
            lw=0,
            gid="band",
        )
        ax.plot(grid, fit.estimate * grid, color=STYLE["frequentist"], lw=1.2, gid="pool")
        if null is not None:
            end = np.array([0.0, float(arc(np.array([null]))[0][0])])
            ax.plot(end, null * end, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="null")
        curve = arc(np.linspace(*ends, 101))
        ax.plot(*curve, color=STYLE["rule"], lw=0.7, gid="arc")
        for value, name in axis.ticks(ends, q, 2.4, lambda _: 0.25):
            (at,), (up,) = arc(np.array([q.analysis(value)]))
            ax.plot([at, 1.015 * at], [up, 1.015 * up], color=STYLE["rule"], lw=0.7, clip_on=False, gid=f"tick {name}")
            ax.text(1.03 * at, 1.03 * up, name, fontsize=STYLE["small"], va="center", clip_on=False, color=STYLE["muted"])
        ax.scatter(x, z, s=20, color=STYLE["study"], ec="white", lw=0.5, zorder=4, gid="studies")
        for i in outside.tolist():
            ax.annotate(
                fit.labels[i], (x[i], z[i]), xytext=(-4, 4), textcoords="offset points", ha="right", fontsize=STYLE["small"],
                color=STYLE["muted"],
            )  # fmt: skip
        ax.set_xlim(0, 1.02 * wide)
        reach = [*(np.array(curve[1]).tolist()), *z.tolist(), -2.2, 2.2]
        room = 0.08 * (max(reach) - min(reach))
        ax.set_ylim(min(reach) - room, max(reach) + room)
        ax.set_xlabel("one over standard error" + (" (tau2 within)" if fit.tau2 else ""), fontsize=STYLE["text"])
        ax.set_ylabel("effect over standard error", fontsize=STYLE["text"])
        ax.text(1.0, 1.02, q.shown, transform=ax.transAxes, ha="right", fontsize=STYLE["small"], color=STYLE["muted"])
        names = [fit.labels[i] for i in outside.tolist()]
        words = (
            f"Radial plot of {fit.k} studies: the {about(q)} of the pool, {tx.value_text(q, fit.estimate)}, is the slope of a "
            "line. "
        )
        if names:
            by_chance = max(1, math.ceil(0.05 * fit.k))
            words += f"{len(names)} of {fit.k} lie farther than 1.96 from it ({listed(names)}); by chance about {by_chance}."
        else:
            words += "None lies farther than 1.96 from it."
        return finished(ax, title, words)
