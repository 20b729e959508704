"""Doi plot: effects over their normal scores by rank, folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import effects_along, finished, fresh, span
from vfmeta.plots.style import STYLE, applied

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def doi(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Effects over the size of their normal scores, the middle one on top.

    Parameters
    ----------
    found : LfkIndex
        From `vfmeta.appraisal.lfk_index`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words, its criticism first.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.lfk_index(y=[-0.3, -0.1, 0.0, 0.1, 0.2, 0.35], se=[0.2, 0.18, 0.15, 0.16, 0.19, 0.22])
    >>> axes = vf.plots.doi(found)
    """
    if not hasattr(found, "index") or not hasattr(found, "z"):
        raise InputError(f"doi: {kind_of(found)} was given; give what vf.appraisal.lfk_index returned.")
    y, z = found.y[found.order.astype(int)], np.abs(found.z)
    with applied():
        ax = fresh(ax, (4.6, 3.6), (0.13, 0.15, 0.83, 0.76))
        ax.plot(y, z, color=STYLE["faint_rule"], lw=1.0, zorder=1, gid="limbs")
        ax.plot(y, z, "o", ms=4.5, color=STYLE["study"], gid="studies")
        ax.axvline(y[int(np.argmin(z))], color=STYLE["null"], lw=0.8, ls=(0, (4, 2)), gid="middle")
        effects_along(ax, found.question, span(y), 3.8)
        ax.set_ylim(1.08 * float(z.max()), -0.04 * float(z.max()))
        ax.set_ylabel("size of the normal score", fontsize=STYLE["text"])
        return finished(ax, title, f"{found.criticism} Doi plot of {found.k} studies. {found.sentence()}")
