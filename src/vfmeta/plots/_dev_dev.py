"""Dev-dev plot: residual deviance of every observation under one model against another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import COLOURS, finished, fresh
from vfmeta.plots.layout import shorten
from vfmeta.plots.style import STYLE, applied

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHAPES = "osD^vP"
_NAMED = 4


def dev_dev(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Residual deviance of every observation: that of the first model across, of the others up.

    Points below the line are fitted better by the other model; with consistency across and unrelated mean effects up they say
    where direct and indirect evidence disagree (Dias et al. 2011, NICE DSU Technical Support Document 4). Those that differ by
    more than one are named, the four that differ most.

    Parameters
    ----------
    found : ModelComparison
        From `vfmeta.networks.compare_models`.
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
    >>> net, tau = vf.network(frame, reference="A"), vf.priors.HalfNormal(0.5)
    >>> models = {kind: vf.networks.posterior(net, tau=tau, consistency=kind) for kind in ("consistency", "UME")}
    >>> axes = vf.plots.dev_dev(vf.networks.compare_models(models))
    """
    if not all(hasattr(found, name) for name in ("deviance", "terms", "labels", "dic")):
        raise InputError(f"dev_dev: {kind_of(found)} was given; give what vf.networks.compare_models returned.")
    x, top = found.deviance[0], 1.08 * float(found.deviance.max())
    with applied():
        ax = fresh(ax, (4.6, 4.2), (0.13, 0.13, 0.8, 0.78))
        ax.plot([0, top], [0, top], color=STYLE["null"], lw=0.8, gid="equal")
        ax.axvline(1, color=STYLE["faint_rule"], lw=0.8, zorder=0)
        ax.axhline(1, color=STYLE["faint_rule"], lw=0.8, zorder=0)
        for i, name in enumerate(found.terms[1:], start=1):
            y = found.deviance[i]
            ax.plot(x, y, _SHAPES[(i - 1) % 6], ms=4.5, color=COLOURS[(i - 1) % 6], mec="white", mew=0.5, ls="", gid=name,
                    label=f"{name} (DIC {found.dic[i]:.1f})")  # fmt: skip
        fall = np.abs(found.deviance[1:] - x)
        model, worst = fall.argmax(axis=0), fall.max(axis=0)
        for j in [j for j in np.argsort(-worst)[:_NAMED].tolist() if worst[j] > 1]:
            at = (float(x[j]), float(found.deviance[1 + model[j], j]))
            left = at[0] > 0.6 * top
            ax.annotate(
                shorten(found.labels[j], 1.6, STYLE["small"]), at, xytext=(-5 if left else 5, 0), textcoords="offset points",
                ha="right" if left else "left", va="center", fontsize=STYLE["small"], color=STYLE["muted"], gid="named",
            )  # fmt: skip
        ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        ax.set_xlabel(f"residual deviance, {found.terms[0]} (DIC {found.dic[0]:.1f})", fontsize=STYLE["text"])
        ax.set_ylabel("residual deviance, the other model", fontsize=STYLE["text"])
        ax.legend(loc="upper left", fontsize=STYLE["small"], frameon=False, handletextpad=0.1)
        words = f"Residual deviance of {len(x)} observations under {', '.join(found.terms)}. {found.sentence()}"
        return finished(ax, title, words)
