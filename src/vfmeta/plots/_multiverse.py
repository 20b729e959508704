"""The specification curve: every answer in order, and below it which choices each of them made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, plain_axes
from vfmeta.results.multiverse import said
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 400  # specifications, from which on marks are small and faint
_PIXELS = 50  # and from which on they are drawn as pixels: as paths they would be most of the file
_ROW, _CURVE = 0.155, 2.3  # inches
_LEFT, _RIGHT = 2.0, 0.95


def specification_curve(found: Any, *, measure: str | None = None, title: str = "") -> Axes:
    """Every answer of a multiverse in order, with its interval, and below it the choices that made it.

    Parameters
    ----------
    found : Multiverse
        From `vfmeta.multiverse`.
    measure : str, optional
        Of which answers are drawn, where there are several measures: that of the question when left out.
    title : str

    Returns
    -------
    matplotlib Axes
        That of the curve; the choices stand in the axes below it, ``axes.figure.axes[1]``. Its label
        (``axes.get_label()``) says the figure in words, and `save` keeps it.

    Notes
    -----
    Intervals that leave out "no difference" are blue, others grey; the orange point is the first specification. At the right
    stand what each option does to the answer on average (of a test: in how many pairs one interval leaves out "no difference"
    and the other does not), and for each choice its share of the variance. What lies beyond the
    axis is drawn as a triangle at its end.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_table(y=[-0.5, -0.3, -0.8, 0.1], se=[0.2, 0.15, 0.3, 0.2])
    >>> axes = vf.plots.specification_curve(vf.multiverse(table, adjustments=["none"]))
    """
    if not all(hasattr(found, name) for name in ("options", "moves", "refused")):
        raise InputError(f"specification_curve: {kind_of(found)} was given; give what vf.multiverse returned.")
    if not len(found.codes):
        raise InputError("specification_curve: no specification has an answer, so there is nothing to draw.")
    own = found.questions[found.which[0]].measure
    known = list(dict.fromkeys(q.measure for q in found.questions))
    if measure is not None and measure not in known:
        raise InputError(f"specification_curve: measure={measure!r} is none of {', '.join(known)}.")
    shown = np.flatnonzero(found.of_measure(measure or own))
    if not len(shown):
        raise InputError(f"specification_curve: no specification in {measure} has an answer.")
    q = found.questions[found.which[shown[0]]]
    estimate, low, high = (found.column(name)[shown] for name in ("estimate", "ci_low", "ci_high"))
    order = np.argsort(estimate, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    rows = _rows(found, shown, q, q.measure == own)
    apart = found.excludes[shown]
    with applied():
        import matplotlib.pyplot as plt
        from matplotlib.collections import LineCollection

        below = _ROW * len(rows) + 0.1
        width, height = 7.5, _CURVE + below + 0.75
        figure = plt.figure(figsize=(width, height), facecolor="white")
        span = (width - _LEFT - _RIGHT) / width
        ax = figure.add_axes((_LEFT / width, (below + 0.25) / height, span, _CURVE / height))
        lower = figure.add_axes((_LEFT / width, 0.12 / height, span, below / height))
        ends = _ends(q, estimate, low, high)
        many, pixels = len(shown) > _MANY, len(shown) > _PIXELS
        for which, colour, name in ((~apart, STYLE["prediction"], "with"), (apart, STYLE["frequentist"], "without")):
            lines = [[(x, max(a, ends[0])), (x, min(b, ends[1]))] for x, a, b in zip(
                rank[which], low[which], high[which], strict=True) if b > ends[0] and a < ends[1]]  # fmt: skip
            ax.add_collection(LineCollection(
                lines, colors=colour, lw=min(1.2, 300 / len(shown)), alpha=0.45, rasterized=pixels,
                gid=f"intervals {name} no difference",
            ), autolim=False)  # fmt: skip
        inside = (estimate >= ends[0]) & (estimate <= ends[1])
        ax.plot(
            rank[inside], estimate[inside], ".", ms=3.2 if not many else 1.6, color=STYLE["study"], rasterized=pixels,
            gid="estimates",
        )  # fmt: skip
        for edge, beyond, marker in ((ends[0], estimate < ends[0], "v"), (ends[1], estimate > ends[1], "^")):
            if beyond.any():
                ax.plot(
                    rank[beyond], np.full(beyond.sum(), edge), marker, ms=3, color=STYLE["study"], clip_on=False,
                    gid=f"beyond {'low' if marker == 'v' else 'high'}",
                )  # fmt: skip
        if q.measure == own:
            ax.plot(rank[0], estimate[0], "o", ms=5.5, mfc=STYLE["bayesian"], mec="white", mew=0.6, zorder=5, gid="first")
        if q.null_effect is not None:
            ax.axhline(q.null_effect, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="null")
        ax.set(xlim=(-0.6, len(shown) - 0.4), ylim=ends, xticks=[])
        ticks = axis.ticks(ends, q, _CURVE, lambda _: 0.22)
        ax.set_yticks([q.analysis(x) for x, _ in ticks], [name for _, name in ticks])
        ax.set_ylabel(q.shown, fontsize=STYLE["text"])
        plain_axes(ax, "left")
        ax.set_title(title or _title(found, q, len(shown)), fontsize=STYLE["text"], loc="left")
        if q.null_effect is not None:
            ax.text(
                1, -0.012, "blue: the interval leaves out no difference; orange: the first specification", ha="right",
                va="top", transform=ax.transAxes, fontsize=STYLE["small"] - 1, color=STYLE["muted"],
            )  # fmt: skip
        _raster(lower, rows, rank, len(shown), many)
    ax.set_label(f"Specification curve: {_title(found, q, len(shown))}. {found.sentence()}")
    return checked(ax)


def _rows(found: Any, shown: np.ndarray, q: Any, held: bool) -> list[tuple[str, str, np.ndarray | None]]:
    """What stands in the lower part: words at the left, words at the right, and which specifications (None: a heading).

    ``held`` says whether these are the specifications that changes are told of.
    """
    moved = found.moves()
    own = (moved["scale"] != "z") & held
    rows: list[tuple[str, str, np.ndarray | None]] = []
    for choice in found.options:
        if choice == "measure":
            continue
        words = found.named(choice)[shown]
        here = [x for x in found.options[choice] if (words == x).any()]
        if len(here) < 2:
            continue
        part = moved[own & (moved["choice"] == choice) & (moved["pairs"] > 0)]
        share = f"{100 * part['share'].iloc[0]:.0f}% of variance" if len(part) else ""
        rows.append((said(choice), share, None))
        means = dict(zip(part["option"], part["mean_change"], strict=True))
        changed = dict(zip(part["option"], part["verdicts"], strict=True)) if choice == "test" else {}
        if choice == "left_out" and len(here) > 3:
            most = max(means, key=lambda x: abs(means[x])) if means else ""
            rows.append(("none", "", words == "none"))
            rows.append((f"one (most: {most})", tx.change_text(q, means[most]) if means else "", words != "none"))
            continue
        for x in here:  # a test moves no estimate, but what its interval says
            text = f"{100 * changed[x]:.0f}% verdicts" if x in changed else tx.change_text(q, means[x]) if x in means else ""
            rows.append((x, text, words == x))
    return rows


def _raster(
    lower: Axes, rows: list[tuple[str, str, np.ndarray | None]], rank: np.ndarray, n: int, many: bool
) -> None:  # fmt: skip
    from matplotlib.collections import LineCollection

    for j, (name, right, which) in enumerate(rows):
        heading = which is None
        text = name if len(name) <= 34 else f"{name[:33]}…"
        lower.text(
            -0.012, j, text, transform=lower.get_yaxis_transform(), ha="right", va="center", fontsize=STYLE["small"] - 0.5,
            color=STYLE["study"] if heading else STYLE["muted"], weight="bold" if heading else "normal",
        )  # fmt: skip
        lower.text(
            1.012, j, right, transform=lower.get_yaxis_transform(), ha="left", va="center", fontsize=STYLE["small"] - 1,
            color=STYLE["study"] if heading else STYLE["muted"],
        )  # fmt: skip
        if which is not None:
            marks = [[(x, j - 0.36), (x, j + 0.36)] for x in rank[which].tolist()]
            lower.add_collection(LineCollection(
                marks, colors=STYLE["study"], lw=min(1.4, max(0.35, 320 / n)), alpha=0.3 if many else 0.8,
                rasterized=n > _PIXELS, gid=f"{name}",
            ), autolim=False)  # fmt: skip
    lower.set(xlim=(-0.6, n - 0.4), ylim=(len(rows) - 0.4, -0.8), xticks=[], yticks=[])
    plain_axes(lower)


def _ends(q: Any, estimate: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Where the axis ends: around nineteen in twenty of the limits, so that one runaway does not flatten the others."""
    bottom, top = float(np.quantile(low, 0.05)), float(np.quantile(high, 0.95))
    spread = float(np.quantile(estimate, 0.95) - np.quantile(estimate, 0.05)) or float(np.median(high - low)) or 1.0
    bottom, top = max(bottom, float(np.median(estimate)) - 4 * spread), min(top, float(np.median(estimate)) + 4 * spread)
    bottom, top = min(bottom, float(estimate[0])), max(top, float(estimate[0]))
    if q.null_effect is not None:
        bottom, top = min(bottom, q.null_effect), max(top, q.null_effect)
    room = 0.05 * (top - bottom) or 1.0
    return bottom - room, top + room


def _title(found: Any, q: Any, n: int) -> str:
    words = tx.measure_text(q)
    rest = len(found.codes) - n
    head = f"{n} {'specification' if n == 1 else 'specifications'} of the {words[:1].lower()}{words[1:]}"
    return head + (f" ({rest} more in other measures)" if rest else "")
