"""Copas path: the mean over the chance of the least precise study to be published, and the trend that is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import effects_along, finished, fresh, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.wald import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def copas(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """The mean with its interval along ever stronger selection.

    Parameters
    ----------
    found : CopasPath
        From `vfmeta.appraisal.copas`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words, its criticism first.

    Notes
    -----
    Hollow points leave a trend of effects over standard errors (p at most 0.1), full ones none; the orange square is where the
    rule stops.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, se = [0.9, 0.2, 0.8, 0.15, 0.45, 0.3], [0.4, 0.1, 0.35, 0.12, 0.2, 0.2]
    >>> axes = vf.plots.copas(vf.appraisal.copas(y=y, se=se, at=[1, 0.8, 0.5]))
    """
    if not hasattr(found, "residual_p"):
        raise InputError(f"copas: {kind_of(found)} was given; give what vf.appraisal.copas returned.")
    q, x, y = found.question, 100 * found.chance, found.mean
    half = float(quantile(found.level, None)) * found.mean_se
    free = found.residual_p > 0.1
    with applied():
        ax = fresh(ax, (4.8, 3.4), (0.13, 0.16, 0.83, 0.75))
        known = np.isfinite(half)
        ax.fill_between(
            x[known], (y - half)[known], (y + half)[known], color=STYLE["frequentist"], alpha=0.14, lw=0, gid="interval"
        )
        ax.plot(x, y, color=STYLE["frequentist"], lw=1.2, gid="path")
        ax.plot(x[~free], y[~free], "o", ms=5, mfc="white", mec=STYLE["study"], gid="trend left")
        ax.plot(x[free], y[free], "o", ms=5, color=STYLE["study"], gid="no trend")
        ax.plot(x[found.at], y[found.at], "s", ms=7, color=STYLE["bayesian"], zorder=5, gid="rule")
        null = q.null_effect
        if null is not None:
            ax.axhline(null, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="null")
        effects_along(ax, q, span([*(y - half), *(y + half), *y, *([] if null is None else [null])]), 2.5, on="y")
        ax.set_xlim(103, float(x.min()) - 3)
        ax.set_xlabel("chance of the least precise study to be published (%)", fontsize=STYLE["text"])
        return finished(ax, title, f"{found.criticism} {found.sentence()}")
