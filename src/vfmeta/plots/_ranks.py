"""Rank pictures of simulation-based calibration: flat bars, or a curve inside its band, mean that the engine is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def ranks(values: Any, ax: Axes | None = None, *, bins: int = 20, title: str = "") -> Axes:
    """Histogram of probabilities below the true value with the band in which 99% of bars of a right engine lie.

    Parameters
    ----------
    values : array-like of shape (runs,)
        Between 0 and 1, such as ``vf.bayes.calibrate(...).mu``, or ranks divided by the number of draws.
    ax : matplotlib Axes, optional
    bins : int
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> axes = vf.plots.ranks([(i + 0.5) / 100 for i in range(100)])
    """
    try:
        u = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"ranks: values must be numbers from 0 to 1 ({error}).") from error
    if len(u) < bins or not np.all((u >= 0) & (u <= 1)):
        raise InputError(f"ranks: values must be numbers from 0 to 1, at least as many as there are bars ({bins}).")
    from scipy.stats import binom

    low, high = binom.ppf([0.005, 0.995], len(u), 1 / bins)
    counts, edges = np.histogram(u, bins=bins, range=(0, 1))
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(4.2, 2.6), facecolor="white").add_axes((0.1, 0.18, 0.86, 0.7))
        ax.axhspan(low, high, color=STYLE["faint_rule"], lw=0, gid="band")
        ax.bar(edges[:-1], counts, width=1 / bins, align="edge", color=STYLE["bayesian"], alpha=0.75, ec="white", lw=0.5)
        ax.axhline(len(u) / bins, color=STYLE["null"], lw=0.8)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, max(high, counts.max()) * 1.1)
        ax.set_xlabel("Posterior probability below the true value", fontsize=STYLE["text"])
        ax.set_title(title, fontsize=STYLE["text"], loc="left")
        ax.tick_params(labelsize=STYLE["small"])
        plain_axes(ax, "bottom")
    return checked(ax)
