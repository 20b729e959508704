"""Direct, indirect and network evidence of every comparison that was split."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import COLOURS, effects_along, finished, fresh, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {"direct": ("s", COLOURS[0]), "indirect": ("o", COLOURS[1]), "network": ("D", STYLE["study"])}


def node_splits(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Effects by direct, indirect and all evidence, a group of three a comparison, with the chance of such a difference.

    Parameters
    ----------
    found : NodeSplits
        From `vfmeta.networks.split_nodes`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> post = vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.5))
    >>> axes = vf.plots.node_splits(vf.networks.split_nodes(post))
    """
    if not all(hasattr(found, name) for name in (*_MARKS, "treatment", "control", "p_two_sided")):
        raise InputError(f"node_splits: {kind_of(found)} was given; give what vf.networks.split_nodes returned.")
    m, q = len(found.treatment), found.question
    if m == 0:
        raise InputError("node_splits: no comparison has both direct and indirect evidence, so there is nothing to draw.")
    sides = {name: getattr(found, name).reshape(-1, 4) for name in _MARKS}
    with applied():
        height = 0.9 + 0.52 * m
        ax = fresh(ax, (6.6, height), (0.3, 0.45 / height, 0.5, 1 - 0.9 / height))
        null = q.null_effect
        ends = span(np.concatenate([x[:, [0, 2, 3]].ravel() for x in sides.values()] + [[null or 0.0]]))
        if null is not None:
            ax.axvline(null, color=STYLE["null"], lw=0.8, gid="null")
        for at, (name, (shape, colour)) in enumerate(_MARKS.items()):
            y = np.arange(m) + 0.24 * (at - 1)
            x = sides[name]
            ax.hlines(y, x[:, 2], x[:, 3], color=colour, lw=1.1, gid=f"interval: {name}")
            ax.plot(x[:, 0], y, shape, ms=4.5, color=colour, mfc=colour if name != "indirect" else "white", ls="", label=name,
                    gid=name)  # fmt: skip
        ax.set(ylim=(m - 0.45, -0.75))
        ax.set_yticks(range(m), [f"{a} v {b}" for a, b in zip(found.treatment, found.control, strict=True)])
        effects_along(ax, q, ends, 3.3)
        for i, p in enumerate(found.p_two_sided.tolist()):
            said = "<0.001" if p < 0.001 else tx.fixed(math.floor(p * 1000 + 0.5) / 1000, 3 if p < 0.095 else 2)
            ax.text(1.03, i, said, transform=ax.get_yaxis_transform(), va="center", fontsize=STYLE["small"], gid="probability")
        ax.text(1.03, -0.62, "two-sided\nprobability", transform=ax.get_yaxis_transform(), va="center",
                fontsize=STYLE["small"], color=STYLE["muted"])  # fmt: skip
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=STYLE["small"], frameon=False, borderpad=0,
                  handletextpad=0.1, columnspacing=1.0)  # fmt: skip
        words = f"Direct, indirect and network evidence of {m} comparison{'s' if m > 1 else ''}. {found.sentence()}"
        return finished(ax, title, words)
