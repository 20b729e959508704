"""The statistic as studies come in, between the boundaries for looking again with every one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import about, counted, finished, fresh, pool_of
from vfmeta.plots.style import STYLE, applied
from vfmeta.results.verbs import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HIGHEST = 8.0  # a first boundary may be far away; the statistic is not


def sequential(
    fit: Any, ax: Axes | None = None, *, order: Sequence[Any] | None = None, mid: float | None = None, power: float = 0.8,
    title: str = "",
) -> Axes:  # fmt: skip
    """The z statistic of the pool of the first study, the first two, ..., over the share of the information that is needed.

    Parameters
    ----------
    fit : pool or posterior
    ax : matplotlib Axes, optional
    order : sequence of k labels or of k positions (from 0), optional
        In which studies came, such as ``np.argsort(year)``; that of the fit when left out.
    mid : float, optional
        The effect that the evidence is to be enough for; the ``mid`` of the question when left out.
    power : float
        With which that effect is to be found.
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Notes
    -----
    Numbers and papers as of `vfmeta.appraisal.sequential`. The dotted lines are where one single look would end.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.8, -0.4], se=[0.3, 0.25, 0.3, 0.2], study=list("ABCD"))
    >>> axes = vf.plots.sequential(fit, mid=0.5)
    """
    pool_of(fit, "sequential")
    frame = look(fit, "sequential", order=order, mid=mid, power=power)
    q, told = fit.question, frame.attrs
    share, z, bound = (frame[name].to_numpy(dtype=float) for name in ("information", "statistic", "boundary"))
    names, end = frame["study"].astype(str).tolist(), float(share[-1])
    once = float(told["once"])
    known = np.isfinite(bound)
    line_x, line_y = share[known].tolist(), bound[known].tolist()
    if end < 1:
        line_x, line_y = [*line_x, 1.0], [*line_y, told["last"]]
    top = max(float(np.abs(z).max()), min(max([*line_y, once]), _HIGHEST)) * 1.12
    with applied():
        ax = fresh(ax, (6.4, 3.9), (0.11, 0.15, 0.84, 0.76))
        for sign in (1, -1):
            ax.plot(line_x, [sign * y for y in line_y], color=STYLE["bayesian"], lw=1.2, marker="_", ms=7, gid="boundary")
            ax.axhline(sign * once, color=STYLE["null"], lw=0.8, ls=(0, (1, 2)), gid="one look")
        ax.axhline(0, color=STYLE["null"], lw=0.8, gid="null")
        ax.axvline(1, color=STYLE["null"], lw=0.8, ls=(0, (4, 2)), gid="information needed")
        ax.plot([0, *share], [0, *z], color=STYLE["study"], lw=1.0, gid="statistic")
        out = np.array([n == told["reached"] for n in names])
        ax.plot(share[~out], z[~out], "o", ms=4.5, color=STYLE["study"], gid="looks")
        ax.plot(share[out], z[out], "s", ms=5.5, color=STYLE["bayesian"], gid="boundary reached")
        ax.set_xlim(0, 1.04 * max(end, 1.0))
        ax.set_ylim(-top, top)
        ax.set_xlabel(
            f"share of the information needed for {_effect(q, told['mid'])} (power {power:g})", fontsize=STYLE["text"]
        )
        ax.set_ylabel("z of the pool so far", fontsize=STYLE["text"])
        null = q.null_effect or 0.0
        for side, y, va in ((q.side(null + 1), 0.97, "top"), (q.side(null - 1), 0.03, "bottom")):
            if side is not None:  # at the right, where boundaries are near the middle
                ax.text(0.99, y, f"favours {side}", transform=ax.transAxes, va=va, ha="right", fontsize=STYLE["small"],
                        color=STYLE["study"])  # fmt: skip
        return finished(ax, title, _words(fit, frame, end))


def _effect(q: Any, mid: float) -> str:
    """The effect that is looked for, as people read it."""
    if not q.compares_ratios:
        return f"a difference of {mid:.3g}"
    digits = max(2, 1 + math.ceil(-math.log10(mid)))  # so many that neither is read as 1
    return f"a ratio of {np.exp(-mid):.{digits}g} or {np.exp(mid):.{digits + 1}g}"


def _words(fit: Any, frame: Any, end: float) -> str:
    q, told = fit.question, frame.attrs
    words = f"Sequential meta-analysis of {fit.k} studies, {about(q)}: {100 * end:.0f}% of the information needed for "
    words += f"{_effect(q, told['mid'])} is there. "
    if told["reached"]:
        row = frame[frame["study"].astype(str) == told["reached"]].iloc[0]
        return words + f"The boundary was reached with {told['reached']} ({counted(int(row['k']))})."
    if end >= 1:
        chance = f"of about {told['power']:g}"
        return (
            words + f"The boundary was not reached, though with such an effect it would have been with a probability {chance}."
        )
    return words + "The boundary was not reached: the evidence is not enough yet."
