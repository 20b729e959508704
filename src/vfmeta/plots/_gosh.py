"""GOSH: the pools of all subsets of studies, as a cloud, in clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.plots.canvas import COLOURS, about, effects_along, finished, frequentist, span
from vfmeta.plots.style import STYLE, applied, plain_axes
from vfmeta.results.verbs import look
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = (220, 160)


def gosh(fit: Any, *, clusters: int = 2, draws: int | None = None, seed: int = 1, title: str = "") -> Axes:
    """I2 over the estimate of the pool of every subset of studies, coloured by cluster, with the distribution of either.

    Parameters
    ----------
    fit : FrequentistResult
        Of at most 62 studies; above 24 ``draws`` is needed, such as a million.
    clusters : int
        How many, 1 to 6; see `vfmeta.subset_clusters`.
    draws, seed : int, optional
        As of `vfmeta.all_subsets`.
    title : str

    Returns
    -------
    matplotlib Axes
        That of the cloud; the distributions stand in two more axes of its figure. Its label (``axes.get_label()``) says the
        figure in words.

    Notes
    -----
    Olkin, Dahabreh & Trikalinos 2012, Res Synth Methods 3:214-223. A cell is the darker the more subsets fall into it (on a
    scale of logs). The legend tells which study the subsets of a cluster hold, or lack, more than others do.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[0.1, 0.2, 0.15, 0.9, 0.3], se=[0.1, 0.1, 0.1, 0.1, 0.2])
    >>> axes = vf.plots.gosh(fit)
    """
    frequentist(fit, "gosh", 3)
    frame = look(fit, "subset_clusters", clusters=clusters, draws=draws, seed=seed)
    q = fit.question
    x, y = frame["estimate"].to_numpy(), frame["i2"].to_numpy()
    code = frame["cluster"].to_numpy() - 1
    marks = [_mark(fit, frame["mask"].to_numpy(), code == c) for c in range(clusters)]
    with applied():
        import matplotlib.pyplot as plt
        from matplotlib.colors import to_rgb
        from matplotlib.patches import Patch

        figure = plt.figure(figsize=(5.8, 4.6), facecolor="white")
        ax = figure.add_axes((0.11, 0.11, 0.70, 0.60))
        top = figure.add_axes((0.11, 0.72, 0.70, 0.11))
        side = figure.add_axes((0.82, 0.11, 0.12, 0.60))
        ends, up = span(x, 0.03), (-2.0, max(5.0, 1.04 * float(np.nanmax(y))))
        edges = [np.linspace(*ends, _BINS[0] + 1), np.linspace(*up, _BINS[1] + 1)]
        counts = np.stack([np.histogram2d(x[code == c], y[code == c], bins=edges)[0] for c in range(clusters)])
        total = counts.sum(axis=0)
        mixed = np.einsum("cij,ck->ijk", counts, np.array([to_rgb(COLOURS[c]) for c in range(clusters)]))
        with np.errstate(invalid="ignore", divide="ignore"):
            colour = np.nan_to_num(mixed / total[..., None])
            shade = np.where(total > 0, 0.25 + 0.75 * np.log1p(total) / np.log1p(total.max()), 0.0)
        picture = np.concatenate([colour, shade[..., None]], axis=2).transpose(1, 0, 2)
        ax.imshow(picture, extent=(*ends, *up), origin="lower", aspect="auto", interpolation="nearest", gid="subsets")
        for c in range(clusters):
            which = code == c
            ours = {"color": COLOURS[c], "lw": 1.0}
            top.stairs(
                np.histogram(x[which], bins=edges[0][::4])[0],
                edges[0][::4],
                fill=True,
                alpha=0.5,
                gid=f"estimates {c + 1}",
                **ours,
            )
            side.stairs(
                np.histogram(y[which], bins=edges[1][::4])[0], edges[1][::4], orientation="horizontal", fill=True, alpha=0.5,
                gid=f"i2 {c + 1}", **ours,
            )  # fmt: skip
        ax.axvline(fit.estimate, color=STYLE["null"], lw=0.8, ls=(0, (4, 2)), gid="all")
        top.set_xlim(*ends)
        side.set_ylim(*up)
        for small in (top, side):
            small.set(xticks=[], yticks=[])
            plain_axes(small)
        effects_along(ax, q, ends, 4.0)
        ax.set_ylim(*up)
        ax.set_ylabel("I² (%)", fontsize=STYLE["text"])
        names = [f"{100 * (code == c).mean():.0f}% of subsets, {mark}" for c, mark in enumerate(marks)]
        handles = [Patch(fc=COLOURS[c], ec="none", label=name) for c, name in enumerate(names)]
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.1, 0.995 if not title else 0.955), fontsize=STYLE["small"],
            frameon=False, borderpad=0, ncol=1,
        )  # fmt: skip
        # four lines of legend and more need room above the distributions
        grown = 0.155 * max(0, clusters - 2 + bool(title))
        if grown:
            height = figure.get_figheight()
            for each in (ax, top, side):
                box = each.get_position()
                each.set_position(
                    (box.x0, box.y0 * height / (height + grown), box.width, box.height * height / (height + grown))
                )
            figure.set_figheight(height + grown)
        ends_read = [tx.value_text(q, float(value)) for value in (x.min(), x.max(), fit.estimate)]
        middles = [tx.value_text(q, float(np.median(x[code == c]))) for c in range(clusters)]
        each = [f"Cluster {c + 1}: {name}, middle {middles[c]}." for c, name in enumerate(names)]
        words = (
            f"GOSH plot of {len(frame)} subsets of {fit.k} studies: their {about(q)} runs from {ends_read[0]} to "
            f"{ends_read[1]} and I2 from {y.min():.0f}% to {y.max():.0f}%; all studies give {ends_read[2]}. {' '.join(each)}"
        )
        out = finished(ax, "", words)
        if title:
            figure.suptitle(title, fontsize=STYLE["text"], x=0.11, ha="left", y=0.99)
        return out


def _mark(fit: Any, masks: np.ndarray, which: np.ndarray) -> str:
    """The study that the subsets of a cluster hold, or lack, most unlike the others."""
    if which.all() or not which.any():
        return "of all studies alike"
    held = np.array([[float((masks[part] >> i & 1).mean()) for i in range(fit.k)] for part in (which, ~which)])
    i = int(np.argmax(np.abs(held[0] - held[1])))
    share = held[0, i]
    return (
        f"{100 * share:.0f}% with {fit.labels[i]}"
        if share >= held[1, i]
        else f"{100 * (1 - share):.0f}% without {fit.labels[i]}"
    )
