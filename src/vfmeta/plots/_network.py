"""Network graph: which treatments trials compare, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied, check_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOVED = 30  # treatments up to which the order is bettered


def network_graph(fit: Any, ax: Axes | None = None, *, bias: Any = None, title: str = "") -> Axes:
    """Treatments on a circle, joined where trials compare them.

    The area of a node is in proportion to the trials that have the treatment, the width of an edge to those that compare the
    two; the number of these stands on the edge. The reference stands on top, in another colour. Treatments stand in the order
    round the circle in which fewest edges cross.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`.
    ax : matplotlib Axes, optional
    bias : RiskOfBias, optional
        From `vfmeta.appraisal.risk_of_bias`, trials matched by name: an edge has the colour of the judgement that most of its
        trials have (the worse of two as frequent), and grey where most were not judged.
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> axes = vf.plots.network_graph(vf.network(frame, reference="A"))
    """
    if not hasattr(fit, "network"):
        raise InputError(f"network_graph: {kind_of(fit)} was given; give what vf.network returned.")
    order = _round(fit)
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(order)) / len(order)
    place = {t: np.array([np.cos(a), np.sin(a)]) for t, a in zip(order, angle, strict=True)}
    joined = {pair: fit.network.having(*pair) for pair in combinations(order, 2)}
    having = {t: fit.network.having(t) for t in order}
    judged = {} if bias is None else _judged(fit, bias)
    most, busiest = max(joined.values()), max(having.values())
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(5.4, 4.4), facecolor="white").add_axes((0.02, 0.02, 0.96, 0.9 if title else 0.96))
        for (a, b), count in joined.items():
            if count:
                (x1, y1), (x2, y2) = place[a], place[b]
                colour = STYLE["prediction"] if bias is None else judged.get(frozenset((a, b)), ("", "#9A9A9A"))[1]
                ax.plot([x1, x2], [y1, y2], color=colour, lw=0.8 + 5 * count / most, zorder=1, gid=f"{a} - {b}")
                # off the middle, where many edges cross
                ax.text(
                    0.6 * x1 + 0.4 * x2, 0.6 * y1 + 0.4 * y2, str(count), fontsize=STYLE["small"], ha="center", va="center",
                    zorder=2, bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
                )  # fmt: skip
        for t in order:
            colour = STYLE["bayesian"] if t == fit.reference else STYLE["frequentist"]
            ax.scatter(
                place[t][0], place[t][1], s=60 + 340 * having[t] / busiest, color=colour, ec="white", lw=0.8, zorder=3, gid=t
            )
            x, y = 1.14 * place[t]
            side = "center" if abs(x) < 0.2 else "left" if x > 0 else "right"
            lines = "\n".join(wrap(t, 1.1, STYLE["text"], most=3))
            ax.text(
                x, y, lines, fontsize=STYLE["text"], ha=side, va="center" if abs(y) < 1.05 else "bottom" if y > 0 else "top"
            )
        if bias is not None:
            _legend(ax, judged)
        ax.set(xlim=(-1.9, 1.9), ylim=(-1.35, 1.35), aspect="equal")
        ax.set_axis_off()
        if title:
            ax.set_title(title, fontsize=STYLE["title"])
    return checked(ax)


def _round(fit: Any) -> list[str]:
    """Treatments round the circle: each beside one that it is often compared with, then turned and moved while that leaves
    fewer crossings.
    """
    left = [t for t in fit.treatments if t != fit.reference]
    order = [fit.reference]
    while left:
        last = order[-1]
        nearest = max(left, key=lambda t: fit.network.having(t, last))
        order.append(nearest)
        left.remove(nearest)
    edges = [(a, b) for a, b in combinations(fit.treatments, 2) if fit.network.having(a, b)]
    best = crossings(order, edges)
    better = best > 0 and len(order) <= _MOVED
    while better:
        better = False
        for i, j in combinations(range(1, len(order)), 2):
            moved = [*order[:i], *order[i + 1 : j + 1], order[i], *order[j + 1 :]]
            turned = [*order[:i], *order[i : j + 1][::-1], *order[j + 1 :]]
            for trial in (turned, moved):
                if (found := crossings(trial, edges)) < best:
                    order, best, better = trial, found, True
    return order


def crossings(order: Sequence[str], edges: Sequence[tuple[str, str]]) -> int:
    """How many pairs of edges cross where treatments stand on a circle in this order."""
    at = {t: i for i, t in enumerate(order)}
    ends = np.sort(np.array([(at[a], at[b]) for a, b in edges]).reshape(-1, 2), axis=1)
    low, high = ends.T
    inside = (low[:, None] < low) & (low < high[:, None]) & (high[:, None] < high)
    return int(inside.sum())


def _judged(fit: Any, bias: Any) -> dict[frozenset[str], tuple[str, str]]:
    """The judgement that most trials of each comparison have, and its colour; none where most have none."""
    if not (hasattr(bias, "instrument") and hasattr(bias, "overall")):
        raise InputError(f"network_graph: bias= takes what vf.appraisal.risk_of_bias returned, not {kind_of(bias)}.")
    words = dict(zip(bias.labels, bias.overall, strict=True))
    levels = {x.word: x for x in bias.instrument.levels}
    out = {}
    for pair in combinations(fit.treatments, 2):
        own = [words.get(t.label, "") for t in fit.network.trials if set(pair) <= set(t.arms)]
        if own:
            word = max(dict.fromkeys(own), key=lambda w: (own.count(w), levels[w].rank if w else -1))
            if word:
                out[frozenset(pair)] = word, levels[word].colour
    return out


def _legend(ax: Axes, judged: dict[frozenset[str], tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    shown = dict(sorted(set(judged.values())))
    lines = [Line2D([], [], color=c, lw=3, label=w) for w, c in [*shown.items(), ("not judged", "#9A9A9A")]]
    ax.legend(
        handles=lines,
        fontsize=STYLE["small"],
        frameon=False,
        loc="lower left",
        title="most trials",
        title_fontsize=STYLE["small"],
    )
