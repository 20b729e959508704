"""Comparison-adjusted funnel of a network: each contrast less the direct estimate of its comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import COLOURS, finished, fresh
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHAPES = "osD^vP"


def comparison_funnel(fit: Any, ax: Axes | None = None, *, order: Sequence[str] | None = None, title: str = "") -> Axes:
    """Contrasts of a network, each less the direct estimate of its comparison, over their standard errors.

    Parameters
    ----------
    fit : NetworkResult
    ax : matplotlib Axes, optional
    order : sequence of str, optional
        As of `vfmeta.networks.comparison_adjusted`: from the treatment that small trials are least likely to favour on.
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Chaimani & Salanti 2012, Res Synth Methods 3:161-176. Comparisons are told apart by colour and shape, those of one trial are
    hollow and lie at 0; the dashed lines are -+ 1.96 standard errors.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abcd"), "treat1": list("BBCC"), "treat2": list("AAAA")}
    >>> net = vf.network(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.1, 0.3, 0.2], reference="A", **sides)
    >>> axes = vf.plots.comparison_funnel(net, order=["A", "B", "C"])
    """
    if not hasattr(fit, "network"):
        raise InputError(f"comparison_funnel: {kind_of(fit)} was given; give what vf.network returned.")
    frame = look(fit, "comparison_adjusted", order=order)
    x, se = frame["adjusted"].to_numpy(), frame["se"].to_numpy()
    pairs = list(dict.fromkeys(zip(frame["treatment"], frame["control"], strict=True)))
    code = np.array([pairs.index(p) for p in zip(frame["treatment"], frame["control"], strict=True)])
    several = frame["trials"].to_numpy() > 1
    deep = 1.06 * float(se.max())
    with applied():
        ax = fresh(ax, (6.2, 3.9), (0.1, 0.14, 0.58, 0.77))
        for sign in (-1, 1):
            ax.plot([0, sign * 1.96 * deep], [0, deep], color=STYLE["prediction"], lw=0.9, ls=(0, (4, 2)), gid="pseudo limit")
        ax.axvline(0, color=STYLE["frequentist"], lw=1.0, gid="centre")
        for c, (late, early) in enumerate(pairs):
            which = code == c
            colour, shape = COLOURS[c % len(COLOURS)], _SHAPES[c // len(COLOURS) % len(_SHAPES)]
            alone = not several[which].any()
            ax.plot(
                x[which], se[which], shape, ms=5, mec=colour if alone else "white", mfc="white" if alone else colour, mew=0.7,
                ls="", label=f"{late} v {early} ({which.sum()})", gid=f"{late} v {early}",
            )  # fmt: skip
        half = 1.05 * max(1.96 * deep, float(np.abs(x).max()))
        ax.set(xlim=(-half, half), ylim=(deep, 0))
        ax.set_xlabel(f"{fit.question.facts.analysis_name} less that of its comparison", fontsize=STYLE["text"])
        ax.set_ylabel("standard error", fontsize=STYLE["text"])
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=STYLE["small"] - 0.5 - (1 if len(pairs) > 14 else 0),
            frameon=False, borderpad=0, handletextpad=0.2, labelspacing=0.3 if len(pairs) < 20 else 0.1,
        )  # fmt: skip
        seen = several
        words = (
            f"Comparison-adjusted funnel plot of {len(x)} contrasts of {len(pairs)} comparisons in {len(fit.network.trials)} "
            f"trials. {int((~seen).sum())} are of a comparison with one trial and lie at 0. "
        )
        if seen.any():
            outside = int((np.abs(x[seen]) > 1.96 * se[seen]).sum())
            small = seen & (se > np.median(se[seen]))
            words += f"{outside} of the others lie outside the lines at 1.96 standard errors."
            if small.any() and (seen & ~small).any():
                means = [tx.short(float(x[which].mean()), 2) for which in (small, seen & ~small)]
                words += f" Their plain mean is {means[0]} in the less precise half and {means[1]} in the other."
        return finished(ax, title, words)
