"""What figures on plain axes share: fresh axes, an axis of effects as people read them, and the figure in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, check_axes, plain_axes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vfmeta.core.question import Pair, Question

# groups in a fixed order: Okabe and Ito's palette
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def fresh(ax: Axes | None, size: Pair, box: tuple[float, float, float, float]) -> Axes:
    """The axes given, or new ones in a figure of so many inches."""
    check_axes(ax)
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, facecolor="white").add_axes(box)


def pool_of(fit: Any, figure: str, least: int = 2) -> Any:
    """The fit, if it is a pool of one effect a study, of at least so many."""
    if not all(hasattr(fit, name) for name in ("y", "v", "labels", "weights")) or np.ndim(fit.estimate):
        raise InputError(f"{figure}: {kind_of(fit)} was given; give a pool, as of vf.random_effects.")
    if fit.k < least:
        raise InputError(f"{figure}: {fit.k} {'study is' if fit.k == 1 else 'studies are'} too few; it takes {least}.")
    return fit


def frequentist(fit: Any, figure: str, least: int = 2) -> Any:
    """The same, with a test and Cochran's Q."""
    if not hasattr(pool_of(fit, figure, least), "q"):
        raise InputError(f"{figure}: {kind_of(fit)} was given; give a frequentist pool, as of vf.random_effects.")
    return fit


def span(values: Any, room: float = 0.05) -> Pair:
    """Ends of an axis around all finite values."""
    found = np.asarray(values, dtype=float)
    found = found[np.isfinite(found)]
    low, high = float(found.min()), float(found.max())
    more = room * (high - low) or 0.5 * abs(low) or 1.0
    return low - more, high + more


def effects_along(ax: Axes, q: Question, ends: Pair, inches: float, *, on: str = "x", label: str | None = None) -> None:
    """An axis in analysis units, with ticks and its name as people read the effects."""
    shown = axis.ticks(ends, q, inches, lambda _: 0.3 if on == "x" else 0.2)
    places, names = [q.analysis(x) for x, _ in shown], [name for _, name in shown]
    words = label if label is not None else f"{q.outcome} ({q.shown})" if q.outcome != "effect" else q.shown
    if on == "x":
        ax.set_xlim(*ends)
        ax.set_xticks(places, names)
        ax.set_xlabel(words, fontsize=STYLE["text"])
    else:
        ax.set_ylim(*ends)
        ax.set_yticks(places, names)
        ax.set_ylabel(words, fontsize=STYLE["text"])


def finished(ax: Axes, title: str, words: str, *spines: str) -> Axes:
    """The axes with their title, and the figure in words as their label, which `save` keeps as its alternative text."""
    plain_axes(ax, *(spines or ("left", "bottom")))
    ax.tick_params(labelsize=STYLE["small"])
    ax.set_title(title, fontsize=STYLE["text"], loc="left")
    ax.set_label(words)
    return checked(ax)


def null_line(ax: Axes, null: float | None) -> None:
    """A dotted line at no difference, where the measure has such a value."""
    if null is not None:
        ax.axvline(null, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="null")


def listed(names: list[str], most: int = 6) -> str:
    """Names in a sentence, the first few where there are many."""
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


def counted(k: int) -> str:
    """How many studies, in words beside a figure."""
    return f"{k} stud{'y' if k == 1 else 'ies'}"


def about(q: Question) -> str:
    """The measure in the middle of a sentence."""
    words = tx.measure_text(q)
    return words[:1].lower() + words[1:]
