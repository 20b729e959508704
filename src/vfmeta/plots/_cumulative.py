"""Forest plot of the pool as studies come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import about, counted, pool_of
from vfmeta.plots.steps import stepped
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cumulative(fit: Any, ax: Axes | None = None, *, order: Sequence[Any] | None = None, title: str = "") -> Axes:
    """The same pool of the first study, the first two, ..., beside the pool of all.

    Parameters
    ----------
    fit : pool or posterior
        As `vfmeta.cumulative` takes it.
    ax : matplotlib Axes, optional
    order : sequence of k labels or of k positions (from 0), optional
        In which studies are added, such as ``np.argsort(year)``; that of the fit when left out.
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Lau et al. 1992, NEJM 327:248-254. The orange square is where the interval last began to leave out "no difference", if it
    does to the end. Looking again with every study makes one such step more likely than the level says.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"], test="Wald")
    >>> axes = vf.plots.cumulative(fit, order=["C", "A", "B"])
    """
    pool_of(fit, "cumulative")
    frame = look(fit, "cumulative", order=order)
    q, null = fit.question, fit.question.null_effect
    low, high, estimate = (frame[name].to_numpy() for name in ("ci_low", "ci_high", "estimate"))
    marked = np.zeros(len(frame), dtype=bool)
    names = frame["study"].astype(str).tolist()
    known = np.flatnonzero(np.isfinite(estimate))
    words = (
        f"Cumulative forest plot of {fit.k} studies: the {about(q)} begins at {tx.value_text(q, float(estimate[known[0]]))} "
        f"with {names[known[0]]} and ends at "
        f"{tx.effect_text(q, float(estimate[-1]), (float(low[-1]), float(high[-1])))} with all."
    )
    if null is not None:
        away = (low > null) | (high < null)
        if away[-1]:
            since = int(np.flatnonzero(~away)[-1]) + 1 if not away.all() else 0
            marked[since] = True
            words += f" Its interval leaves out no difference from {names[since]} on ({counted(int(frame['k'].iloc[since]))})."
        else:
            words += " Its interval holds no difference at the end."
    rows = [f"+ {n} ({k})" for n, k in zip(names, frame["k"], strict=True)]
    return stepped(fit, frame, rows, ax, title, words, marked)
