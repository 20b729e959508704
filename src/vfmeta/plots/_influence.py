"""Panel of what a pool would be without each study, one small chart a measure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import finished, frequentist, listed, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look
from vfmeta.results.wald import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COOK = 0.4549364231195724  # median of chi-squared with one degree of freedom
_SAID = {
    "studentised": "studentised residual", "dffits": "DFFITS", "cook": "Cook's distance", "covratio": "covariance ratio",
    "tau2_without": "tau² without", "q_without": "Q without", "hat": "leverage", "weight": "weight (%)",
}  # fmt: skip


def influence(fit: Any, *, title: str = "") -> Axes:
    """Eight measures of the influence of each study, with the limits that mark it.

    Parameters
    ----------
    fit : FrequentistResult
    title : str

    Returns
    -------
    matplotlib Axes
        The first of eight, in ``axes.figure.axes``. Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    The numbers and the rule by which a study is influential (orange squares) are those of `vfmeta.influence`: its studentised
    residual lies beyond the dashed family-wise limit. The dashed limits of the other measures are those of Viechtbauer & Cheung
    (2010, Res Synth Methods 1:112-125), which studies pass by chance too; dotted is what all studies give (or equal weights).

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, 0.4], se=[0.2, 0.15, 0.3, 0.2], test="Wald")
    >>> axes = vf.plots.influence(fit)
    """
    frequentist(fit, "influence", 3)
    frame = look(fit, "influence")
    k = fit.k
    far = frame["influential"].to_numpy(dtype=bool)
    limit = 3 * math.sqrt(1 / max(k - 1, 1))
    df = float(frame["studentised_df"].iloc[0])
    apart = float(quantile(1 - 0.05 / k, None if math.isnan(df) else df))
    lines: dict[str, tuple[list[float], list[float]]] = {
        "studentised": ([-apart, apart], [0.0]), "dffits": ([-limit, limit], [0.0]), "cook": ([_COOK], []),
        "covratio": ([], [1.0]), "tau2_without": ([], [fit.tau2 or 0.0]), "q_without": ([], [fit.q.statistic]),
        "hat": ([3 / k], [1 / k]), "weight": ([], [100 / k]),
    }  # fmt: skip
    with applied():
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(7.5, 5.8 if k <= 40 else 5.0), facecolor="white")
        at = np.arange(k)
        grid = figure.subplots(4, 2, sharex=True, gridspec_kw={
            "hspace": 0.38, "wspace": 0.2, "left": 0.075, "right": 0.985, "top": 0.93, "bottom": 0.235 if k <= 40 else 0.09,
        })  # fmt: skip
        for ax, (name, (dashed, dotted)) in zip(grid.ravel(), lines.items(), strict=True):
            values = frame[name].to_numpy(dtype=float)
            ax.plot(at, values, color=STYLE["faint_rule"], lw=0.8, zorder=1)
            ax.plot(at[~far], values[~far], "o", ms=3.2, color=STYLE["study"], gid=f"{name} others")
            ax.plot(at[far], values[far], "s", ms=4.5, color=STYLE["bayesian"], gid=f"{name} influential")
            for value in dashed:
                ax.axhline(value, color=STYLE["mid"], lw=0.7, ls=(0, (4, 2)), gid=f"{name} limit")
            for value in dotted:
                ax.axhline(value, color=STYLE["null"], lw=0.7, ls=(0, (1, 2)), gid=f"{name} of all")
            near = [x for x in dashed if abs(x) <= 3 * np.nanmax(np.abs(values), initial=0.0)]
            if np.isfinite(values).any():
                ax.set_ylim(*span([*values, *near, *dotted], 0.12))
            ax.set_xlim(-0.6, k - 0.4)
            finished(ax, _SAID[name], "")
        for ax in grid[-1]:
            ticks = range(k) if k <= 40 else range(0, k, max(1, k // 12))
            short = [n if len(n) <= 18 else f"{n[:17]}…" for n in (fit.labels[i] for i in ticks)]
            ax.set_xticks(list(ticks), short if k <= 40 else [str(i + 1) for i in ticks], rotation=90 if k <= 40 else 0)
            ax.tick_params(labelsize=STYLE["small"] - (1.5 if k > 15 else 0.5))
        if title:
            figure.suptitle(title, fontsize=STYLE["text"], x=0.075, ha="left")
        names = frame["study"][far].astype(str).tolist()
        cook = frame["cook"].to_numpy(dtype=float)
        words = f"Influence panel of {k} studies: " + (
            f"{listed(names)} {'is' if len(names) == 1 else 'are'} influential. " if names else "none is influential. "
        )
        if np.isfinite(cook).any():
            i = int(np.nanargmax(cook))
            words += f"The largest Cook's distance is {cook[i]:.2f}, of {frame['study'].iloc[i]}."
        first = grid[0, 0]
        return finished(first, _SAID["studentised"], words)
