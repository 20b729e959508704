"""Normal quantile plot of the residuals of a pool, with the envelope of what the model leads one to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import finished, frequentist, fresh, listed, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def normal_quantiles(fit: Any, ax: Axes | None = None, *, draws: int = 4000, seed: int = 1, title: str = "") -> Axes:
    """Standardised residuals over normal quantiles, with the envelope they have under the model.

    Parameters
    ----------
    fit : FrequentistResult
    ax : matplotlib Axes, optional
    draws, seed : int
        Of the samples of the fitted model that make the envelope.
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    The numbers are those of `vfmeta.normal_quantiles`; residuals outside the envelope are orange squares and named.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1], test="Wald")
    >>> axes = vf.plots.normal_quantiles(fit, draws=500)
    """
    frequentist(fit, "normal_quantiles", 3)
    frame = look(fit, "normal_quantiles", draws=draws, seed=seed)
    x, y, low, high = (frame[name].to_numpy() for name in ("quantile", "standardised", "envelope_low", "envelope_high"))
    out = (y < low) | (y > high)
    with applied():
        ax = fresh(ax, (4.4, 3.8), (0.13, 0.13, 0.83, 0.79))
        ax.fill_between(x, low, high, color=STYLE["frequentist"], alpha=0.15, lw=0, gid="envelope")
        ends = np.array(span([*x, *y, *low, *high]))
        ax.plot(ends, ends, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="normal")
        ax.plot(x[~out], y[~out], "o", ms=4.5, color=STYLE["study"], gid="residuals")
        ax.plot(x[out], y[out], "s", ms=4.8, color=STYLE["bayesian"], gid="outside")
        for i in np.flatnonzero(out).tolist():
            ax.annotate(
                str(frame["study"].iloc[i]), (x[i], y[i]), xytext=(5, -3), textcoords="offset points",
                fontsize=STYLE["small"], color=STYLE["muted"], ha="left" if x[i] < 0 else "right",
            )  # fmt: skip
        ax.set_xlim(*span(x, 0.08))
        ax.set_ylim(*span([*y, *low, *high]))
        ax.set_xlabel("normal quantile", fontsize=STYLE["text"])
        ax.set_ylabel("standardised residual", fontsize=STYLE["text"])
        beyond = np.maximum(y - high, low - y)
        names = [str(frame["study"].iloc[i]) for i in np.argsort(-beyond, kind="stable").tolist() if out[i]]
        words = f"Normal quantile plot of the residuals of {fit.k} studies, from {y.min():.2f} to {y.max():.2f}. " + (
            f"Outside the 95% envelope of the model: {listed(names)}."
            if names
            else "None lies outside the 95% envelope of the model."
        )
        return finished(ax, title, words)
