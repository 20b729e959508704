"""Rows of the same pool of changing studies, each with its interval beside the pool of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import effects_along, finished, fresh, null_line, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def stepped(
    fit: Any, frame: pd.DataFrame, names: list[str], ax: Axes | None, title: str, words: str, marked: np.ndarray
) -> Axes:
    """A row for each line of ``frame``, from the top; those ``marked`` stand out by shape and colour."""
    q, k = fit.question, len(frame)
    estimate, low, high = (frame[name].to_numpy(dtype=float) for name in ("estimate", "ci_low", "ci_high"))
    known = np.isfinite(estimate)
    centre, own = fit.estimate, fit.wider_interval
    with applied():
        longest = max(len(name) for name in names)
        left, height = min(0.5, (0.35 + 0.062 * longest) / 6.6), 0.75 + 0.19 * k
        ax = fresh(ax, (6.6, height), (left, 0.48 / height, 0.76 - left, (height - 0.75) / height))
        # one runaway interval, such as that of two studies, must not flatten the others: it ends in an arrow
        wide = np.nanmedian((high - low)[known]) if known.any() else own[1] - own[0]
        values = [centre, *own, *estimate[known], *low[known & (high - low < 4 * wide)], *high[known & (high - low < 4 * wide)]]
        null = q.null_effect
        ends = span([*values, *([] if null is None else [null])])
        ax.axvspan(*own, color=STYLE["frequentist"], alpha=0.12, lw=0, gid="interval of all")
        ax.axvline(centre, color=STYLE["frequentist"], lw=1.0, gid="all")
        null_line(ax, null)
        for i in np.flatnonzero(known).tolist():
            colour = STYLE["bayesian"] if marked[i] else STYLE["study"]
            ax.plot([max(low[i], ends[0]), min(high[i], ends[1])], [i, i], color=colour, lw=1.0, gid=f"interval {names[i]}")
            for beyond, at, shape in ((low[i] < ends[0], ends[0], "<"), (high[i] > ends[1], ends[1], ">")):
                if beyond:
                    ax.plot([at], [i], shape, ms=4, color=colour, clip_on=False, gid=f"beyond {names[i]}")
            ax.plot([estimate[i]], [i], "s" if marked[i] else "o", ms=4.5, color=colour, gid=f"estimate {names[i]}")
        for i in range(k):
            text = tx.effect_text(q, estimate[i], (low[i], high[i])) if known[i] else "cannot be fitted"
            ax.text(
                1.02, i, text, transform=ax.get_yaxis_transform(), va="center", fontsize=STYLE["small"], color=STYLE["study"]
            )
        ax.set_yticks(range(k), names)
        ax.tick_params(axis="y", length=0, pad=7)
        ax.set_ylim(k - 0.4, -0.6)
        effects_along(ax, q, ends, 3.4)
        return finished(ax, title, words, "bottom")
