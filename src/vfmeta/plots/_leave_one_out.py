"""Forest plot of the pool without each study in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import about, listed, pool_of
from vfmeta.plots.steps import stepped
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def leave_one_out(fit: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """The same pool without each study in turn, beside the pool of all.

    Parameters
    ----------
    fit : pool or posterior
        As `vfmeta.leave_one_out` takes it.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    The line and the band are the pool of all studies with its interval. Orange squares are studies without which the interval
    says something else of "no difference" than with them.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"], test="Wald")
    >>> axes = vf.plots.leave_one_out(fit)
    """
    pool_of(fit, "leave_one_out")
    frame = look(fit, "leave_one_out")
    q, null = fit.question, fit.question.null_effect
    low, high = frame["ci_low"].to_numpy(), frame["ci_high"].to_numpy()
    own = fit.interval
    turned = np.zeros(len(frame), dtype=bool)
    if null is not None:
        turned = ((low > null) | (high < null)) != (own[0] > null or own[1] < null)
        turned &= np.isfinite(low)
    estimate = frame["estimate"].to_numpy()
    known = estimate[np.isfinite(estimate)]
    names = frame["study"].astype(str).tolist()
    far = int(np.nanargmax(np.abs(estimate - fit.estimate)))
    ends = [tx.value_text(q, float(x)) for x in (known.min(), known.max())]
    words = (
        f"Leave-one-out forest plot of {fit.k} studies: the {about(q)} of all is "
        f"{tx.effect_text(q, fit.estimate, own)}; without one of them it runs from {ends[0]} to {ends[1]}. {names[far]} "
        f"moves it most, to {tx.effect_text(q, float(estimate[far]), (float(low[far]), float(high[far])))}."
    )
    if turned.any():
        words += (
            f" Whether the interval leaves out no difference hangs on "
            f"{listed([n for n, t in zip(names, turned, strict=True) if t])}."
        )
    elif null is not None:
        words += " No single study decides whether the interval leaves out no difference."
    return stepped(fit, frame, [f"without {n}" for n in names], ax, title, words, turned)
