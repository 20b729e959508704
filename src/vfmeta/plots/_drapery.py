"""Drapery plot: the p value of every effect there could be, of each study and of the pool."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import about, effects_along, finished, frequentist, fresh, null_line, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.wald import quantile, two_sided
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKED = (0.05, 0.01)


def drapery(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """The p value function of each study, of the pool and of a next trial.

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
    Rücker & Schwarzer 2021, Res Synth Methods 12:34-47. Where a curve crosses p lie the limits of its 1 - p interval, so that
    all intervals are seen at once. Studies are held against a normal distribution, grey and the darker the heavier; the pool by
    its own test is blue, the prediction dashed.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1])
    >>> axes = vf.plots.drapery(fit)
    """
    frequentist(fit, "drapery")
    q, null = fit.question, fit.question.null_effect
    se = np.sqrt(fit.v)
    reach = [float(x) for x in np.concatenate([fit.y - 2.6 * se, fit.y + 2.6 * se])]
    middle = np.sort(reach)
    known = [*fit.interval, *(fit.prediction or ()), *fit.y, *([] if null is None else [null])]
    ends = span([float(np.quantile(middle, 0.1)), float(np.quantile(middle, 0.9)), *known], 0.03)
    at = np.unique(np.concatenate([np.linspace(*ends, 801), fit.y, [fit.estimate]]))
    with applied():
        ax = fresh(ax, (6.0, 3.9), (0.1, 0.13, 0.755, 0.78))
        heavy = fit.weights / fit.weights.max()
        for i in range(fit.k):
            ax.plot(
                at, two_sided((fit.y[i] - at) / se[i], None), color=STYLE["study"], lw=0.8, alpha=0.25 + 0.5 * heavy[i],
                gid=f"study {fit.labels[i]}",
            )  # fmt: skip
        ahead = fit.prediction
        if ahead is not None and ahead[1] > ahead[0]:
            df = fit.df if fit.prediction_method == "fitted" else None
            own = (ahead[1] - ahead[0]) / 2 / float(quantile(fit.level, df))
            ax.plot(
                at,
                two_sided((fit.estimate - at) / own, df),
                color=STYLE["frequentist"],
                lw=1.2,
                ls=(0, (4, 2)),
                gid="prediction",
            )
        if fit.se > 0:
            ax.plot(at, two_sided((fit.estimate - at) / fit.se, fit.df), color=STYLE["frequentist"], lw=2.2, gid="pool")
        for p in _MARKED:
            ax.axhline(p, color=STYLE["faint_rule"], lw=0.8, zorder=0, gid=f"p {p:g}")
        null_line(ax, null)
        effects_along(ax, q, ends, 4.6)
        ax.set_ylim(0, 1.02)
        ax.set_ylabel("two-sided p value", fontsize=STYLE["text"])
        ticks = [0.05, 0.2, 0.5, 1.0]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        for t in ticks[:-1]:
            ax.text(
                1.01, t, f"{100 * (1 - t):.0f}% interval", transform=ax.get_yaxis_transform(), va="center",
                fontsize=STYLE["small"] - 0.5, color=STYLE["muted"],
            )  # fmt: skip
        words = (
            f"Drapery plot of {fit.k} studies: p value functions of the {about(q)}. That of the pool has its top at "
            f"{tx.value_text(q, fit.estimate)} and crosses p = {1 - fit.level:.3g} at {tx.interval_text(q, fit.interval)}."
        )
        if null is not None and not math.isnan(fit.p_value):
            words += f" At no difference it has {tx.p_text(fit.p_value)}."
        return finished(ax, title, words)
