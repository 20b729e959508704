"""Albatross plot: p values over the number of patients, with the effects that would give them."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMD = (0.2, 0.5, 0.8)
_WIDE, _BELOW, _LINE = 4.4, 0.75, 0.145  # inches: still read on a phone; of what stands under the axis, and of a line of names


def albatross(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """One-sided p values of trials over their size, with contours of equal standardised effects.

    Parameters
    ----------
    found : CombinedPValues
        From `vfmeta.appraisal.combine_p_values` with ``n``; trials without a size are named and not drawn.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    To the right trials favour the stated side, to the left the other. Along a contour the standardised mean difference d of two
    equal arms is the same: N = z^2 (8 + d^2) / (2 d^2), from its variance 4 / N + d^2 / (2 N) (Harrison et al. 2017, Res Synth
    Methods 8:281-289). Contours are a guide to size, no estimates.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.combine_p_values(p=[0.011, 0.2, 0.04, 0.6], n=[80, 50, 120, 36])
    >>> axes = vf.plots.albatross(found)
    """
    from scipy.special import ndtri

    if not all(hasattr(found, name) for name in ("p", "sizes", "truncation")):
        raise InputError(f"albatross: {kind_of(found)} was given; give what vf.appraisal.combine_p_values returned.")
    sized = np.isfinite(found.sizes) & (found.p > 0) & (found.p < 1)
    if not sized.any():
        raise InputError("albatross: no trial has a size and a p value between 0 and 1; give n= to combine_p_values.")
    z = -ndtri(found.p[sized])
    n = found.sizes[sized]
    labels = [name for name, there in zip(found.labels, sized.tolist(), strict=True) if there]
    columns = 1 if len(labels) < 4 else 2
    lines = math.ceil(len(labels) / columns)
    low, high = 0.6 * n.min(), 1.7 * n.max()
    reach = max(2.2, 1.1 * float(np.abs(z).max()))
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            under, over = _BELOW + _LINE * (lines + 1), 0.45 if title else 0.2  # inches
            tall = under + 2.9 + over
            figure = plt.figure(figsize=(_WIDE, tall), facecolor="white")
            ax = figure.add_axes((0.13, under / tall, 0.8, 2.9 / tall))
        grid = np.linspace(0.01, reach, 400)
        for d, style in zip(SMD, ((0, (1, 2)), (0, (4, 2)), "-"), strict=True):
            size = grid**2 * (8 + d**2) / (2 * d**2)
            inside = (size >= low) & (size <= high)
            for sign in (-1, 1):
                ax.plot(
                    sign * grid[inside], size[inside], color=STYLE["prediction"], lw=0.9, ls=style, gid=f"contour {sign * d}"
                )
            if inside.any():
                at = np.flatnonzero(inside)[-1]
                side = _freer(grid[at] / reach, size[at], z / reach, n)
                ax.annotate(
                    f"d = {d:g}", (side * grid[at], size[at]), (0, 3), textcoords="offset points", fontsize=STYLE["small"],
                    color=STYLE["muted"], ha="center" if side > 0 else "left",
                )  # fmt: skip
        ax.scatter(z, n, s=26, color=STYLE["frequentist"], ec="white", lw=0.5, zorder=3, gid="trials")
        for (x, y), numbers in _places(z, n, reach).items():
            ax.annotate(", ".join(map(str, numbers)), (x, y), (4, 3), textcoords="offset points", fontsize=STYLE["small"])
        named = [f"{i}  {textwrap.shorten(name, 34, placeholder=' …')}" for i, name in enumerate(labels, start=1)]
        for i in range(columns):
            ax.annotate(
                "\n".join(named[i * lines : (i + 1) * lines]), (0.5 * i - 0.08, 0), (0, -72 * _BELOW), xycoords="axes fraction",
                textcoords="offset points", va="top", fontsize=STYLE["small"], color=STYLE["muted"], gid="key",
            )  # fmt: skip
        ax.axvline(0, color=STYLE["null"], lw=0.8, gid="null")
        ax.set(yscale="log", ylim=(low, high * 1.12), xlim=(-reach, reach))
        far = [0.001] if reach < 3.7 else [1e-4]
        ends = [0.5, 0.1, 0.01, *far] if reach < 4.5 else [0.5, 0.05, 1e-3, 1e-6, 1e-10, 1e-20, 1e-40]
        ticks = [p for p in ends if -ndtri(p) <= reach]
        places = [*(-ndtri(p) for p in ticks), *(ndtri(p) for p in ticks[1:])]
        ax.set_xticks(places, [f"{p:g}" for p in (*ticks, *ticks[1:])])
        counts = [c for c in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if low <= c <= high]
        ax.set_yticks(counts, [f"{c:g}" for c in counts])
        ax.set_yticks([], minor=True)
        ax.set_ylabel("patients", fontsize=STYLE["text"])
        one, two = _towards(found)
        sides = f"one-sided p; to the left towards {two}, to the right towards {one}"
        ax.set_xlabel(textwrap.fill(sides, 58, break_long_words=False), fontsize=STYLE["text"])
        plain_axes(ax)
        lost = [x for x, there in zip(found.labels, sized.tolist(), strict=True) if not there]
        if lost:
            ax.text(
                1.0, 1.01, textwrap.shorten(f"no size or p of 0 or 1: {', '.join(lost)}", 80, placeholder=" …"),
                transform=ax.transAxes, ha="right", va="bottom", fontsize=STYLE["small"], color=STYLE["muted"],
            )  # fmt: skip
        if title:
            ax.set_title(title, fontsize=STYLE["title"], loc="left")
    return checked(ax)


def _freer(x: float, y: float, z: np.ndarray, n: np.ndarray) -> int:
    """The side, 1 or -1, on which the end of a contour lies farther from every trial; the right one where both are free."""
    away = {sign: float(np.hypot(z - sign * x, np.log(n / y)).min()) for sign in (1, -1)}
    return 1 if away[1] > 0.3 or away[1] >= away[-1] else -1


def _places(z: np.ndarray, n: np.ndarray, reach: float) -> dict[tuple[float, float], list[int]]:
    """The numbers of the trials, from 1, by where they are drawn; those that lie on each other share a place."""
    out: dict[tuple[float, float], list[int]] = {}
    for i, (x, y) in enumerate(zip(z.tolist(), n.tolist(), strict=True), start=1):
        near = [p for p in out if abs(p[0] - x) < 0.03 * reach and abs(np.log(p[1] / y)) < 0.06]
        out.setdefault(near[0] if near else (x, y), []).append(i)
    return out


def _towards(found: Any) -> tuple[str, str]:
    """The stated side and the other, by their names where they have any."""
    q = found.question
    if q.experimental == "experimental":
        return "the stated side", "the other"
    return q.experimental, q.control
