"""Sunset funnel: a funnel plot on bands of the power that each standard error has for the pooled effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots.canvas import about, effects_along, finished, fresh, pool_of, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# from no power to full power; light to dark by one scale that every colour vision and grey print keep in order
_BANDS = ((0.1, "#FDE9D9"), (0.3, "#F9CBA7"), (0.5, "#EFA67C"), (0.8, "#B9B3C4"), (1.0, "#7E9CC0"))


def sunset(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Funnel plot with the power of a study of each standard error to find the pooled effect.

    Parameters
    ----------
    fit : pool or posterior
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Kossmeier, Tran & Voracek 2020, Nord Psychol 72:348-362. The power is that of a two-sided Wald test at 0.05, or 1 less the
    level of the fit, at the pooled effect, as of `vfmeta.appraisal.excess_significance`, whose count of significant studies
    stands below. Between the dashed lines a study is not significant. Power at an estimate is no evidence of its own: where the
    pool is too large, so is the power.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1])
    >>> axes = vf.plots.sunset(fit)
    """
    from scipy.special import ndtr, ndtri

    pool_of(fit, "sunset")
    q, null = fit.question, fit.question.null_effect
    if null is None:
        raise InputError("sunset: power is that to tell the pool from no difference, and the question names no such value.")
    found = look(fit, "excess_significance")
    se = np.sqrt(fit.v)
    z, away = float(-ndtri((1 - fit.level) / 2)), fit.estimate - null
    deep = 1.08 * float(se.max())

    def power(error: np.ndarray) -> np.ndarray:
        return np.asarray(ndtr(away / error - z) + ndtr(-away / error - z))

    with applied():
        ax = fresh(ax, (5.4, 4.2), (0.12, 0.2, 0.76, 0.71))
        grid = np.linspace(deep / 2000, deep, 2000)
        high = power(grid)
        low = 0.0
        for top, colour in _BANDS:
            inside = grid[(high > low) & (high <= top)] if top < 1 else grid[high > low]
            if len(inside):
                ax.axhspan(inside.min(), inside.max(), color=colour, lw=0, zorder=0, gid=f"power to {top:g}")
            low = top
        ends = span([*fit.y, null, null - z * deep, null + z * deep, fit.estimate], 0.02)
        for sign in (-1, 1):
            ax.plot([null, null + sign * z * deep], [0, deep], color=STYLE["study"], lw=0.8, ls=(0, (4, 2)), gid="significance")
        ax.axvline(null, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="null")
        ax.axvline(fit.estimate, color=STYLE["frequentist"], lw=1.1, gid="centre")
        ax.scatter(fit.y, se, s=22, color=STYLE["study"], ec="white", lw=0.6, zorder=4, gid="studies")
        effects_along(ax, q, ends, 4.0)
        ax.set_ylim(deep, 0)
        ax.set_ylabel("standard error", fontsize=STYLE["text"])
        for target in (0.1, 0.3, 0.5, 0.8):
            if high.min() < target < high.max():
                at = float(np.interp(-target, -high, grid))
                ax.text(
                    1.015, at, f"power {100 * target:.0f}%", transform=ax.get_yaxis_transform(), va="center",
                    fontsize=STYLE["small"] - 0.5, color=STYLE["muted"], gid=f"power at {target:g}",
                )  # fmt: skip
        own = power(se)
        middle, expected, observed = float(np.median(own)), float(own.sum()), int(found.observed)
        said = (
            f"median power {100 * middle:.0f}%; {observed} of {fit.k} studies are significant, {tx.fixed(expected, 1)} expected"
        )
        ax.text(0, -0.2, said, transform=ax.transAxes, fontsize=STYLE["small"], color=STYLE["muted"], va="top")
        words = (
            f"Sunset funnel plot of {fit.k} studies about a {about(q)} of {tx.value_text(q, fit.estimate)}: {said}. "
            f"Power runs from {100 * own.min():.0f}% to {100 * own.max():.0f}%; {int((own >= 0.8).sum())} have 80% or more."
        )
        return finished(ax, title, words)
