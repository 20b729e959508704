"""True effects in other settings: their distribution, with important benefit and harm shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def settings(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Distribution of true effects over settings, its parts shaded and their shares written above them.

    Parameters
    ----------
    found : SettingShares
        From `vfmeta.appraisal.setting_shares`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.9, -0.2, -0.6, 0.1, -0.4], se=[0.4, 0.1, 0.3, 0.12, 0.2])
    >>> axes = vf.plots.settings(vf.appraisal.setting_shares(fit, beyond=-0.5))
    """
    if not all(hasattr(found, name) for name in ("grid", "density", "terms", "low", "high")):
        raise InputError(f"settings: {kind_of(found)} was given; give what vf.appraisal.setting_shares returned.")
    q, grid, density = found.question, found.grid, found.density
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(4.8, 2.8), facecolor="white").add_axes((0.04, 0.19, 0.92, 0.66))
        top = float(density.max())
        colours = {"an important benefit": STYLE["frequentist"], "an important harm": STYLE["bayesian"]}
        for term, low, high, share in zip(found.terms, found.low, found.high, found.estimate, strict=True):
            inside = (grid >= low) & (grid <= high)
            ends = [x for x in (low, high) if math.isfinite(x) and grid[0] < x < grid[-1]]
            x = np.unique(np.concatenate([grid[inside], ends]))
            colour = colours.get(term, STYLE["prediction"])
            if len(x):
                ax.fill_between(x, np.interp(x, grid, density), color=colour, alpha=0.35, lw=0, gid=term)
            left, right = max(low, grid[0]), min(high, grid[-1])
            ax.text(
                min(max((left + right) / 2, grid[0]), grid[-1]), 1.06 * top, f"{term}\n{100 * share:.0f}%", ha="center",
                va="bottom", fontsize=STYLE["small"], color=STYLE["muted"],
            )  # fmt: skip
        for edge in found.high[:-1]:
            ax.axvline(edge, ymax=0.8, color=STYLE["mid"], lw=0.8, ls=(0, (3, 2)), gid="edge")
        ax.plot(grid, density, color=STYLE["study"], lw=1.2, gid="density")
        if q.null_effect is not None and grid[0] < q.null_effect < grid[-1]:
            ax.axvline(q.null_effect, ymax=0.8, color=STYLE["null"], lw=0.8, gid="null")
        ax.set(xlim=(grid[0], grid[-1]), ylim=(0, 1.3 * top), yticks=[])
        ax.set_xticks(*axis.analysis_ticks((float(grid[0]), float(grid[-1])), q, 4.0, lambda _: 0.3))
        ax.set_xlabel(f"true effect in a next setting ({q.shown})", fontsize=STYLE["text"])
        plain_axes(ax, "bottom")
        ax.set_title(title, fontsize=STYLE["text"], loc="left")
    return checked(ax)
