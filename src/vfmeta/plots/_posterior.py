"""Posterior density of the mean effect: how sure, and of how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import width, wrap
from vfmeta.plots.rows import checked_result
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx
from vfmeta.text.posterior import benefit_texts, priors_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vfmeta.core.question import Question
    from vfmeta.priors import MuPrior


def posterior(post: BayesianResult, ax: Axes | None = None, *, prior: bool = False) -> Axes:
    """Draw the posterior density of the mean effect.

    The side that favours the experimental arm is shaded, what lies beyond the minimal important difference darker; the bar
    under the curve is the credible interval with the median. The priors are named under the axis.

    Parameters
    ----------
    post : BayesianResult
    ax : matplotlib Axes, optional
    prior : bool
        Whether the prior of the mean effect is drawn too, dashed, at its height beside the posterior; it must be proper.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        Not a Bayesian result, or one without a density; or an improper prior that is to be drawn.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0))
    >>> axes = vf.plots.posterior(post)
    """
    problems = checked_result(post, BayesianResult, "posterior")
    if not problems and not (np.size(post.grid) == np.size(post.density) >= 3):
        problems = [
            f"posterior: the result has {np.size(post.grid)} grid points and {np.size(post.density)} densities, so there is no "
            "curve to draw; use a result of vfmeta.bayes.random_effects, or fill grid and density."
        ]
    if not problems and prior and not (post.mu_prior is not None and post.mu_prior.proper):
        problems = ["prior=True: the prior of the mean has no finite total, so its density has no height to draw."]
    if problems:
        raise InputError(problems)
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(5.5, 3.6), facecolor="white").add_axes((0.04, 0.03, 0.92, 0.94))
        _draw(post, ax, post.mu_prior if prior else None)
    return checked(ax)


def _draw(post: BayesianResult, ax: Axes, prior: MuPrior | None) -> None:
    q = post.question
    grid = np.asarray(post.grid, dtype=float)
    x, density = _on_axis(q, grid, np.asarray(post.density, dtype=float))
    top = density.max()
    density = density / top
    span = grid[-1] - grid[0]
    mid = q.mid_effect()
    low, high = grid[0], grid[-1]
    if q.null_effect is not None:
        low, high = min(low, q.null_effect - 0.06 * span), max(high, q.null_effect + 0.06 * span)
    if mid is not None and low - span / 2 < mid < high + span / 2:
        low, high = min(low, mid - 0.04 * span), max(high, mid + 0.04 * span)
    if prior is not None:
        ends = np.asarray(prior.quantile([0.025, 0.975]), dtype=float)
        low, high = min(low, ends[0]), max(high, ends[1])
        before = np.linspace(low, high, 401)
        places, height = _on_axis(q, before, prior.density(before))
        ax.plot(places, height / top, color=STYLE["muted"], lw=1.1, ls=(0, (5, 2)), label="Prior", gid="prior")
    if q.is_ratio:
        ax.set_xscale("log")
    ax.set_xlim(q.display(low), q.display(high))
    ax.set_ylim(-0.16, 1.2)
    colour = STYLE["bayesian"]

    def shade(limit: float, alpha: float, gid: str) -> None:
        left, right = (grid[0], limit) if q.higher_is_worse else (limit, grid[-1])
        left, right = max(left, grid[0]), min(right, grid[-1])
        if left < right:
            inside = (grid > left) & (grid < right)
            places = np.concatenate([[left], grid[inside], [right]])
            heights = np.interp(places, grid, density)
            ax.fill_between(q.display(places), 0, heights, color=colour, alpha=alpha, lw=0, gid=gid)

    null = q.null_effect
    if q.higher_is_worse is not None and null is not None:
        shade(null, 0.22, "benefit")
        if mid is not None:
            shade(mid, 0.4, "beyond-mid")
    ax.plot(x, density, color=colour, lw=1.4, label="Posterior", gid="density")
    if prior is not None:
        ax.legend(loc="upper right", fontsize=STYLE["small"], frameon=False)
    ax.axhline(0, color=STYLE["faint_rule"], lw=0.7)
    if q.null is not None:
        ax.axvline(q.null, color=STYLE["null"], lw=0.8, gid="null")
    if mid is not None and low < mid < high:
        ax.axvline(q.display(mid), color=STYLE["mid"], lw=0.8, ls=(0, (4, 3)), gid="mid")
        ax.annotate(f"MID {tx.mid_text(q)}", (q.display(mid), 1), (3, -2), ax.get_xaxis_transform(), "offset points", va="top",
                    fontsize=STYLE["small"], color=STYLE["muted"])  # fmt: skip
    a, b = (q.display(v) for v in post.interval)
    ax.plot([a, b], [-0.08, -0.08], color=colour, lw=2, solid_capstyle="butt", gid="interval")
    ax.plot([q.display(post.estimate)], [-0.08], "D", color="white", mec=colour, mew=1.3, ms=5.5, gid="median")

    inches = float(ax.bbox.width) / float(ax.get_figure(root=True).dpi)  # type: ignore[union-attr]
    shown = axis.ticks((low, high), q, inches, lambda s: width(s, STYLE["text"]))
    ax.set_xticks([v for v, _ in shown], [label for _, label in shown], fontsize=STYLE["text"])
    ax.set_xticks([], minor=True)
    ax.set_yticks([])
    plain_axes(ax, "bottom")
    _place(post, ax, inches)


def _on_axis(q: Question, grid: np.ndarray, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places on the axis, and the density there: where the axis is stretched, that of the same probability."""
    x = q.display(grid)
    if q.scale.name and not q.is_ratio:
        density = density / np.maximum(np.gradient(x, grid), 1e-300)
        density = np.where(np.isin(x, np.array(q.facts.domain)), 0.0, density)
    return x, density


def _place(post: BayesianResult, ax: Axes, inches: float) -> None:
    """Shrink the axes inside their own box so that the words above and below them fit, then write them."""
    q = post.question
    size, small = STYLE["text"], STYLE["small"]
    head = f"Posterior median {tx.effect_text(q, post.estimate, post.interval)}, {tx.level_text(post.level)} credible interval"
    shades = [f"{words} ({shade})" for words, shade in zip(benefit_texts(post), ("shaded", "dark"), strict=False)]
    above = [(line, size, "bold", "black") for line in wrap(head, inches, size, bold=True)]
    above += [(line, small, "normal", STYLE["muted"]) for line in wrap(", ".join(shades), inches, small) if shades]

    under: list[tuple[float, float, str, dict[str, Any]]] = []
    y = -17.0
    sides = tx.favours_text(q)
    if sides is not None:
        left, right = (wrap(s, inches / 2 - 0.2, size, most=2) for s in sides)
        left[0], right[-1] = f"← {left[0]}", f"{right[-1]} →"
        under += [(0.0, y - 11 * i, line, {"ha": "left"}) for i, line in enumerate(left)]
        under += [(1.0, y - 11 * i, line, {"ha": "right"}) for i, line in enumerate(right)]
        y -= 11 * max(len(left), len(right)) + 3
    for line in wrap(tx.axis_text(q), inches, size):
        under.append((0.5, y, line, {"ha": "center", "color": STYLE["muted"]}))
        y -= 11
    for line in wrap(priors_text(post), inches, small):
        under.append((0.0, y - 3, line, {"fontsize": small, "color": STYLE["muted"], "gid": "priors"}))
        y -= 10.5

    box = ax.get_position()
    points = float(ax.bbox.height) / float(ax.get_figure(root=True).dpi) * 72  # type: ignore[union-attr]
    top, bottom = 11.5 * len(above) + 5, -y + 3
    ax.set_position(
        (box.x0, box.y0 + box.height * bottom / points, box.width, box.height * max(1 - (top + bottom) / points, 0.2))
    )
    for i, (line, font, weight, colour) in enumerate(reversed(above)):
        _write(ax, 0.0, 3 + 11.5 * i, line, fontsize=font, fontweight=weight, color=colour)
    for x, at, line, style in under:
        _write(ax, x, at, line, **style)


def _write(ax: Axes, x: float, points: float, words: str, **style: Any) -> None:
    """Words at a fixed distance above (positive) or below the axes."""
    below = points < 0
    ax.annotate(
        words, (x, 0 if below else 1), (0, points), "axes fraction", "offset points", annotation_clip=False,
        va="top" if below else "bottom", **{"fontsize": STYLE["text"], "parse_math": False, **style},
    )  # fmt: skip
