"""The mean effect averaged over models with and without it: how probable that there is none, and what it is else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, plain_axes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def averaged_effect(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Posterior of the averaged effect, beside its prior, with the probability of no effect as a bar at "no difference".

    Parameters
    ----------
    found : RobustAverage
        From `vfmeta.appraisal.robust_average`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Areas under the curves are probabilities of an effect, after the trials and (dashed) before; the bars, wide for before, are
    those of none, on the axis at the left.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, se = [0.25, 0.20, 0.26, 0.23, 0.42], [0.10, 0.08, 0.10, 0.10, 0.15]
    >>> found = vf.appraisal.robust_average(y=y, se=se, favoured="higher", question=vf.Question(measure="SMD"))
    >>> axes = vf.plots.averaged_effect(found)
    """
    if not all(hasattr(found, name) for name in ("mu_given_effect", "mu_prior_sd", "bf_bias")):
        raise InputError(f"averaged_effect: {kind_of(found)} was given; give what vf.appraisal.robust_average returned.")
    q, rest, sd = found.question, found.mu_given_effect, found.mu_prior_sd
    null = found.mu.null
    ends = rest.quantile(np.array([0.0005, 0.9995]))
    low, high = min(float(ends[0]), null), max(float(ends[1]), null)
    low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    before = float(found.prior_probabilities[np.array(found.effects)].sum())
    grid = np.linspace(low, high, 601)
    after, prior = (
        found.p_effect * rest.pdf(grid),
        before * np.exp(-0.5 * ((grid - null) / sd) ** 2) / (sd * np.sqrt(2 * np.pi)),
    )
    top = max(float(after.max()), float(prior.max()))
    with applied():
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(5.6, 3.6), facecolor="white").add_axes((0.11, 0.15, 0.86, 0.67))
        wide = 0.012 * (high - low)
        ax.bar(
            null, 1 - before, 2 * wide, color="none", edgecolor=STYLE["muted"], lw=0.9, ls=(0, (3, 2)), gid="no effect, before"
        )
        ax.bar(null, 1 - found.p_effect, wide, color=STYLE["null"], alpha=0.8, lw=0, gid="no effect, after")
        ax.fill_between(grid, 0, after / top, color=STYLE["bayesian"], alpha=0.18, lw=0, gid="effect, area")
        ax.plot(grid, after / top, color=STYLE["bayesian"], lw=1.4, gid="effect, after")
        ax.plot(grid, prior / top, color=STYLE["muted"], lw=1.0, ls=(0, (5, 2)), gid="effect, before")
        ax.plot(found.interval, [-0.06, -0.06], color=STYLE["bayesian"], lw=2.2, solid_capstyle="butt", gid="interval")
        ax.plot([found.estimate], [-0.06], "o", color=STYLE["bayesian"], ms=4, gid="estimate")
        ax.set(xlim=(low, high), ylim=(-0.12, 1.06), yticks=[0, 0.5, 1])
        ax.set_ylabel("probability of no effect (bars)", fontsize=STYLE["text"])
        ax.set_xticks(*axis.analysis_ticks((low, high), q, 4.6, lambda _: 0.3))
        ax.set_xlabel(f"mean effect, adjusted and averaged ({q.shown})", fontsize=STYLE["text"])
        plain_axes(ax, "bottom", "left")
        parts = (
            ("effect", found.p_effect, found.bf_effect), ("heterogeneity", found.p_heterogeneity, found.bf_heterogeneity),
            ("bias", found.p_bias, found.bf_bias),
        )  # fmt: skip
        lines = [
            *([title] if title else []),
            "Probability after the trials, and Bayes factor:",
            ", ".join(f"{n} {tx.fixed(p, 2)} ({tx.short(f)})" for n, p, f in parts),
            f"dashed: before the trials; line and bar: after; below: {tx.level_text(found.level)} interval and mean",
        ]
        ax.set_title("\n".join(lines), fontsize=STYLE["small"], loc="left")
    return checked(ax)
