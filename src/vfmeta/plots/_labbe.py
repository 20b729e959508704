"""L'Abbe plot: risks of the event in the experimental group over those in the control group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import about, finished, fresh
from vfmeta.plots.style import STYLE, applied
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def labbe(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Risk in the experimental group over risk in the control group, a circle a study.

    Parameters
    ----------
    fit : pool or posterior
        Of a measure made from the counts of two arms, which it keeps.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    L'Abbe, Detsky & O'Rourke 1987, Ann Intern Med 107:224-233. The area of a circle is in proportion to the patients of the
    study; on the dotted line the risks are alike, and the blue one is the pooled effect where it is a RR, an OR or a RD.

    Examples
    --------
    >>> import vfmeta as vf
    >>> counts = {"events1": [4, 6, 3], "n1": [40, 55, 38], "events2": [9, 8, 6], "n2": [41, 50, 40]}
    >>> axes = vf.plots.labbe(vf.random_effects(vf.effect_size("RR", **counts)))
    """
    names = ("events_experimental", "n_experimental", "events_control", "n_control")
    details = getattr(fit, "details", ())
    if not details or any(d.get(name) is None for d in details for name in names):
        raise InputError(
            f"labbe: {kind_of(fit)} was given that holds no events and patients of both arms; give a pool of counts, "
            'such as of vf.effect_size("RR", ...) or vf.mantel_haenszel.'
        )
    e1, n1, e2, n2 = (np.array([float(d[name]) for d in details]) for name in names)
    x, y, size = e2 / n2, e1 / n1, n1 + n2
    q = fit.question
    high = min(1.0, 1.12 * float(max(x.max(), y.max(), 0.01)))
    grid = np.linspace(0, high, 201)
    line = _line(q.measure, q.display(float(fit.estimate)), grid)
    with applied():
        ax = fresh(ax, (4.4, 4.2), (0.14, 0.13, 0.82, 0.79))
        ax.plot([0, high], [0, high], color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="no difference")
        if line is not None:
            ax.plot(grid, line, color=STYLE["frequentist"], lw=1.3, gid="pool")
        ax.scatter(
            x, y, s=12 + 300 * size / size.max(), color=STYLE["study"], alpha=0.45, ec="white", lw=0.6, zorder=4, gid="studies"
        )
        ax.set(xlim=(0, high), ylim=(0, high))
        ax.set_aspect("equal", adjustable="box")
        for which in (ax.xaxis, ax.yaxis):
            which.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
        ax.set_xlabel(f"risk with {q.control}", fontsize=STYLE["text"])
        ax.set_ylabel(f"risk with {q.experimental}", fontsize=STYLE["text"])
        below, above = int((y < x).sum()), int((y > x).sum())
        words = (
            f"L'Abbe plot of {len(x)} studies: the risk with {q.control} runs from {tx.short(100 * x.min(), 2)}% to "
            f"{tx.short(100 * x.max(), 2)}%, that with {q.experimental} from {tx.short(100 * y.min(), 2)}% to "
            f"{tx.short(100 * y.max(), 2)}%. In {below} it is lower with {q.experimental} and in {above} higher; the pooled "
            f"{about(q)} is {tx.value_text(q, float(fit.estimate))}."
        )
        return finished(ax, title, words)


def _line(measure: str, effect: float, risk: np.ndarray) -> np.ndarray | None:
    """Risks in the experimental group under one effect, NaN where they could not be; None of other measures."""
    if measure == "RR":
        found = effect * risk
    elif measure in ("OR", "PETO"):
        found = effect * risk / (1 - risk + effect * risk)
    elif measure == "RD":
        found = risk + effect
    else:
        return None
    return np.where((found >= 0) & (found <= 1), found, np.nan)
