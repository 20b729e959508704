"""The weight function of a selection model over the p values of the studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def selection_function(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Relative chance of being seen over the p value, with a tick for each study.

    Parameters
    ----------
    fit : SelectionResult or SelectionRegression
        From `vfmeta.appraisal.selection_model`, but for truncated distributions, which select by the effect.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    A step function has 1 at the most favoured p and its intervals as bars; a curve is drawn with 1 at its highest point.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, v = [0.5, 0.2, 0.5, 0.1, 0.9, 0.4], [0.03, 0.09, 0.11, 0.03, 0.11, 0.03]
    >>> axes = vf.plots.selection_function(vf.appraisal.selection_model(y=y, v=v, favoured="higher"))
    """
    if not all(hasattr(fit, name) for name in ("chance", "p_values", "cuts")):
        raise InputError(f"selection_function: {kind_of(fit)} was given; give what vf.appraisal.selection_model returned.")
    if fit.model == "truncated":
        raise InputError("selection_function: a truncated distribution selects by the effect and has no function of p.")
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(5.6, 3.4), facecolor="white").add_axes((0.11, 0.16, 0.85, 0.73))
        grid = np.unique(np.concatenate([np.linspace(0, 1, 2001)[1:-1], np.logspace(-6, -2, 200)]))
        weight = fit.chance(grid)
        step = fit.model == "step"
        high = 1.0
        if not step:
            weight = weight / max(float(weight[np.isfinite(weight)].max(initial=0.0)), 1e-300)  # 0 beyond the smallest p
        else:
            reach = fit.delta_interval[np.isfinite(fit.delta_interval)]
            high = max(1.0, float(weight[np.isfinite(weight)].max(initial=1.0)), min(float(reach.max(initial=1.0)), 3.0))
        ax.plot(grid, weight, color=STYLE["frequentist"], lw=1.4, gid="weight")
        if step:
            ends = [0.0, *fit.cuts.tolist(), 1.0]
            for j, (low, up) in enumerate(fit.delta_interval.tolist()):
                if np.isfinite([low, up]).all():
                    middle = (ends[j] + ends[j + 1]) / 2
                    ax.plot([middle] * 2, [low, up], color=STYLE["frequentist"], lw=0.9, gid=f"interval {fit.delta_terms[j]}")
            for cut in fit.cuts.tolist():
                ax.axvline(cut, color=STYLE["faint_rule"], lw=0.8, zorder=0, gid=f"cut {cut:g}")
        rug = np.full(fit.k, -0.06 * high)
        ax.plot(fit.p_values, rug, "|", color=STYLE["study"], ms=7, mew=0.7, clip_on=False, gid="studies")
        ax.axhline(1, color=STYLE["null"], lw=0.6, ls=(0, (1, 2)), gid="no selection")
        ax.set(xlim=(0, 1), ylim=(-0.1 * high, 1.06 * high))
        side = "two-sided p" if fit.two_sided else f"one-sided p towards {fit.favoured} effects (a tick for each study)"
        ax.set_xlabel(side, fontsize=STYLE["text"])
        ax.set_ylabel("relative chance of being seen", fontsize=STYLE["text"])
        plain_axes(ax)
        if title:
            ax.set_title(title, fontsize=STYLE["title"], loc="left")
    return ax
