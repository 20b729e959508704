"""The p-curve: shares of significant p values in five bins, beside those of no effect and of a power of a third."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import finished, fresh
from vfmeta.plots.style import STYLE, applied

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EDGES = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05])


def p_curve(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Shares of the p values below 0.05 in steps of 0.01.

    Parameters
    ----------
    found : PCurve
        From `vfmeta.appraisal.p_curve`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words, its criticism first.

    Notes
    -----
    Dotted are the shares under no effect, dashed those of studies with a power of a third.

    Examples
    --------
    >>> import vfmeta as vf
    >>> axes = vf.plots.p_curve(vf.appraisal.p_curve(y=[0.5, 0.4, 0.6, 0.3, 0.1], se=[0.15, 0.15, 0.2, 0.14, 0.1]))
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    if not hasattr(found, "evidential"):
        raise InputError(f"p_curve: {kind_of(found)} was given; give what vf.appraisal.p_curve returned.")
    p = found.p[found.p < 0.05]
    share = 100 * np.histogram(p, bins=_EDGES)[0] / len(p)
    cuts = -ndtri(np.maximum(_EDGES, 1e-300) / 2)

    def power(d: float) -> np.ndarray:
        return np.asarray(ndtr(d - cuts) + ndtr(-cuts - d))

    third = power(float(brentq(lambda d: power(d)[-1] - 1 / 3, 0, 5)))
    with applied():
        ax = fresh(ax, (4.6, 3.4), (0.13, 0.16, 0.83, 0.74))
        middles = (_EDGES[1:] + _EDGES[:-1]) / 2
        ax.plot(middles, 100 * np.diff(third) / third[-1], color=STYLE["bayesian"], lw=1.1, ls=(0, (4, 2)), gid="a third")
        ax.axhline(20, color=STYLE["null"], lw=0.9, ls=(0, (1, 2)), gid="no effect")
        ax.plot(middles, share, "o-", color=STYLE["frequentist"], lw=1.5, ms=5, gid="curve")
        for x, s in zip(middles, share, strict=True):
            ax.annotate(f"{s:.0f}%", (x, s), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=STYLE["small"])
        ax.set(xlim=(0, 0.05), ylim=(0, max(100.0, 1.1 * float(share.max()))))
        ax.set_xticks(middles, ["≤ .01", ".02", ".03", ".04", ".05"])
        ax.set_xlabel("p value, two-sided, up to", fontsize=STYLE["text"])
        ax.set_ylabel("share of significant studies (%)", fontsize=STYLE["text"])
        shares = ", ".join(f"{s:.0f}%" for s in share)
        return finished(ax, title, f"{found.criticism} Shares of p up to 0.01, 0.02, ..., 0.05: {shares}. {found.sentence()}")
