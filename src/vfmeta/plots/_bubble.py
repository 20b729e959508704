"""Bubble plot: the effects of a meta-regression over one of its moderators, with the line fitted and its intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bubble(
    fit: Any, moderator: str | None = None, ax: Axes | None = None, *, show_prediction: bool = True, title: str = ""
) -> Axes:
    """Effects over a moderator, their area in proportion to their weight, with the fitted line.

    Parameters
    ----------
    fit : RegressionResult
        From `vfmeta.meta_regression`; one read back from JSON will do.
    moderator : str, optional
        Coefficient whose column is the horizontal axis; the only one beside the intercept when left out.
    ax : matplotlib Axes, optional
    show_prediction : bool
        Whether the prediction interval is drawn around the confidence interval.
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    The line holds the other columns of the design at their means, so it must not be read where the moderator enters the
    formula twice (splines, squares, interactions): such a fit is refused. Effects are shown as people read them, ratios on a
    logarithmic axis.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.meta_regression({"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}, "~ dose")
    >>> axes = vf.plots.bubble(fit, "dose")
    """
    if not all(hasattr(fit, name) for name in ("design", "terms", "weights", "predict")):
        raise InputError(f"bubble: {kind_of(fit)} was given; give what vf.meta_regression returned.")
    names, x = list(fit.terms), fit.design.x
    there = [n for j, n in enumerate(names) if j != fit.design.intercept]
    if moderator is None and len(there) == 1:
        moderator = there[0]
    if moderator is None or moderator not in there:
        raise InputError(f"bubble: moderator={moderator!r}; name one of {', '.join(there) or 'none, there is no moderator'}.")
    twice = [n for n in there if n != moderator and moderator in n]
    if twice:
        raise InputError(f"bubble: {moderator} is in {', '.join(twice)} as well, so no straight line shows what it does.")
    at = names.index(moderator)
    grid = np.tile(x.mean(axis=0), (101, 1))
    grid[:, at] = np.linspace(x[:, at].min(), x[:, at].max(), 101)
    q = fit.question
    line = {name: q.display(column.to_numpy()) for name, column in fit.predict(grid).drop(columns="scale").items()}
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(4.6, 3.2), facecolor="white").add_axes((0.14, 0.16, 0.83, 0.74))
        wide = np.column_stack([line["prediction_low"], line["prediction_high"]])
        if show_prediction and np.isfinite(wide).all():
            ax.plot(grid[:, at], wide, color=STYLE["frequentist"], lw=0.8, ls=(0, (3, 2)), gid="prediction")
        ax.fill_between(
            grid[:, at], line["ci_low"], line["ci_high"], color=STYLE["frequentist"], alpha=0.18, lw=0, gid="confidence"
        )
        ax.plot(grid[:, at], line["estimate"], color=STYLE["frequentist"], lw=1.4, gid="line")
        ax.scatter(
            x[:, at], q.display(fit.y), s=12 + 260 * fit.weights / fit.weights.max(), color=STYLE["frequentist"], alpha=0.45,
            ec="white", lw=0.5, gid="effects",
        )  # fmt: skip
        if q.null is not None:
            ax.axhline(q.null, color=STYLE["null"], lw=0.8, gid="null")
        ax.set_xlabel(moderator, fontsize=STYLE["text"])
        if q.is_ratio:
            ax.set_yscale("log")
            ends = tuple(q.analysis(y) for y in ax.get_ylim())
            shown = axis.ticks(ends, q, 2.3, lambda _: 0.16)
            ax.set_yticks([y for y, _ in shown], [label for _, label in shown])
            ax.set_yticks([], minor=True)
        ax.set_ylabel(f"{q.outcome} ({q.shown})", fontsize=STYLE["text"])
        ax.set_title(title, fontsize=STYLE["text"], loc="left")
        ax.tick_params(labelsize=STYLE["small"])
        plain_axes(ax, "left", "bottom")
    return checked(ax)
