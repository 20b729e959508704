"""Effect against time: one estimate for each window, each trial faint behind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots import axis
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import shorten
from vfmeta.plots.rows import Section, checked_sections, detail, study_rows
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes
from vfmeta.text import numbers as tx
from vfmeta.text.fit import model_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vfmeta.plots.rows import Row
    from vfmeta.results.fit import FrequentistResult, Result
    from vfmeta.results.posterior import BayesianResult


_LATEST = 100_000  # weeks; later than any trial, and what an axis can show beside the first


def over_time(
    results_by_week: Sequence[tuple[float, FrequentistResult | None, BayesianResult | None]], ax: Axes | None = None
) -> Axes:
    """Draw pooled estimates with their intervals against weeks, the trials faint behind.

    Windows of the same trials are not independent, so nothing is drawn between the pooled effects and nothing is pooled
    over them; means of one group are joined by a dotted line, as their course. A window with one trial shows the trial only.

    Parameters
    ----------
    results_by_week : sequence of (week, fit, posterior)
        Weeks since the start of treatment; ``fit`` or ``posterior`` may be None.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        As `forest`, and for weeks that are no numbers or come twice.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> axes = vf.plots.over_time([(4.0, fit, None), (52.0, fit, None)])
    """
    weeks, blocks = _checked(results_by_week)
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(7.0, 4.2), facecolor="white").add_axes((0.12, 0.17, 0.85, 0.75))
        _draw(weeks, blocks, ax)
    return checked(ax)


def _checked(results: Any) -> tuple[list[float], list[Section]]:
    if isinstance(results, str) or not isinstance(results, Sequence) or not results:
        raise InputError("over_time needs a list of (week, fit, posterior) with at least one window.")
    weeks = []
    for i, item in enumerate(results, start=1):
        if not isinstance(item, Sequence) or len(item) != 3:
            raise InputError(f"Window {i} is not (week, fit, posterior); put None where a result is missing.")
        week = item[0]
        if isinstance(week, bool) or not isinstance(week, (int, float)) or not 0 <= week <= _LATEST:
            raise InputError(f"Window {i}: the week is {week!r}; give a number of weeks, 0 to {_LATEST:,}.")
        weeks.append(float(week))
    twice = sorted({w for w in weeks if weeks.count(w) > 1})
    if twice:
        raise InputError(f"Week {twice[0]:g} comes twice; give each window once.")
    blocks = checked_sections(None, None, [(f"week {w:g}", item[1], item[2]) for w, item in zip(weeks, results, strict=True)])
    order = sorted(range(len(weeks)), key=weeks.__getitem__)
    return [weeks[i] for i in order], [blocks[i] for i in order]


def _draw(weeks: list[float], blocks: list[Section], ax: Axes) -> None:
    from matplotlib.transforms import ScaledTranslation

    figure: Any = ax.get_figure(root=True)
    leads = [(w, b) for w, b in zip(weeks, blocks, strict=True) if b.lead is not None]
    q = next(b.lead.question for _, b in leads if b.lead is not None)
    trials = {i: study_rows(b.lead) for i, (_, b) in enumerate(leads) if b.lead is not None}

    # Weeks 1 and 52 on one axis: a logarithmic one keeps the early visits apart, and one of roots where the start is a visit.
    first = min((w for w in weeks if w > 0), default=1.0)
    if min(weeks) > 0 and max(weeks) / first >= 8:
        ax.set_xscale("log")
        ax.set_xlim(min(weeks) / 1.5, max(weeks) * 1.5)
    elif min(weeks) == 0 and max(weeks) / first >= 8:
        ax.set_xscale("function", functions=(lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * np.square(x)))
        ax.set_xlim(-0.006 * max(weeks), max(weeks) * 1.1)
    else:
        pad = 0.15 * (max(weeks) - min(weeks)) or 1.0
        ax.set_xlim(min(weeks) - pad, max(weeks) + pad)
    if q.is_ratio:
        ax.set_yscale("log")

    def shift(points: float) -> Any:
        return ax.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)

    shown = [
        _as_row(result)
        for _, b in leads
        for result in (b.fit, b.posterior)
        if result is not None and result.k > 1
    ]  # fmt: skip
    low, high = axis.limits([*(r for rows in trials.values() for r in rows), *shown], q)
    ax.set_ylim(q.display(low), q.display(high))

    for i, (week, block) in enumerate(leads):
        if block.lead is not None and block.lead.k == 1:
            for row in trials[i]:
                a, b = (q.display(min(max(x, low), high)) for x in row.interval or (row.estimate, row.estimate))
                ax.plot([week, week], [a, b], color="#9A9A9A", lw=1, zorder=1, gid="trial-interval")
    paths: dict[str, list[tuple[float, float]]] = {}
    for i, (week, block) in enumerate(leads):
        for j, row in enumerate(trials[i]):
            when = detail(block.lead, j).get("week") if block.lead is not None else None
            at = float(when) if isinstance(when, (int, float)) and math.isfinite(when) and when > 0 else week
            paths.setdefault(row.label, []).append((at, q.display(row.estimate)))
    for path in paths.values():
        path.sort()
        ax.plot(*zip(*path, strict=True), color="#9A9A9A", alpha=0.55, lw=0.8, marker="o", ms=3, mew=0, zorder=1, gid="trial")

    if q.facts.one_group:
        course = [(week, q.display(b.lead.estimate)) for week, b in leads if b.lead is not None]
        ax.plot(*zip(*course, strict=True), color=STYLE["bayesian"], lw=1.2, ls=(0, (1, 2)), zorder=2, gid="course")
    labels = set()
    for week, block in leads:
        for result, points, name, solid in (
            (block.fit, -5.0, "frequentist", True),
            (block.posterior, 5.0, "bayesian", False),
        ):
            if result is None or result.k < 2:
                continue
            colour, where = STYLE[name], shift(points)
            a, b = (q.display(min(max(x, low), high)) for x in result.interval)
            ax.plot([week, week], [a, b], color=colour, lw=1.5, transform=where, zorder=3, gid=f"{name}-interval")
            if result.wider_interval != result.interval:  # with the ad hoc correction
                a, b = (q.display(min(max(x, low), high)) for x in result.wider_interval)
                ax.plot([week, week], [a, b], color=colour, lw=0.7, transform=where, zorder=2.5, gid=f"{name}-adhoc")
            for cut, edge, marker in ((result.wider_interval[0] < low, low, 11), (result.wider_interval[1] > high, high, 10)):
                if cut:  # 10 and 11 are triangles that stand on the point, upwards and downwards
                    ax.plot([week], [q.display(edge)], marker=marker, ms=6, mew=0, color=colour, transform=where, clip_on=False,
                            zorder=4, gid="arrow")  # fmt: skip
            label = model_text(result) if solid else f"Bayesian ({tx.level_text(result.level)} CrI)"
            legend = "_again" if label in labels else label
            ax.plot([week], [q.display(result.estimate)], "D", color=colour if solid else "white", mec=colour, mew=1.3, ms=6,
                    transform=where, zorder=4, gid=f"{name}-estimate", label=legend)  # fmt: skip
            labels.add(label)
    _dress(weeks, blocks, ax, (low, high))


def _as_row(result: Result) -> Row:
    from vfmeta.plots.rows import Row

    return Row("pooled", estimate=result.estimate, interval=result.wider_interval)


def _dress(weeks: list[float], blocks: list[Section], ax: Axes, ends: tuple[float, float]) -> None:
    """Axes, the line of no difference and what its sides favour."""
    q = next(b.lead.question for b in blocks if b.lead is not None)
    small = STYLE["small"]
    if q.null is not None:
        ax.axhline(q.null, color=STYLE["null"], lw=0.8, zorder=0.5, gid="null")
    mid = q.mid_effect()
    if mid is not None and ends[0] < mid < ends[1]:
        ax.axhline(q.display(mid), color=STYLE["mid"], lw=0.8, ls=(0, (4, 3)), zorder=0.5, gid="mid")
        label = f"MID {tx.mid_text(q)}"
        ax.annotate(label, (1, q.display(mid)), (-2, 2), ax.get_yaxis_transform(), "offset points", ha="right", va="bottom",
                    fontsize=small, color=STYLE["muted"], gid="mid-label")  # fmt: skip
    labels = [f"{w:g}\n{_size(b)}" for w, b in zip(weeks, blocks, strict=True)]
    ax.set_xticks(weeks, labels, fontsize=STYLE["text"])
    ax.set_xticks([], minor=True)
    dpi = float(ax.get_figure(root=True).dpi)  # type: ignore[union-attr]
    high = float(ax.bbox.height) / dpi
    ticks = axis.ticks(ends, q, high, lambda _: 0.16)
    ax.set_yticks([v for v, _ in ticks], [label for _, label in ticks], fontsize=STYLE["text"])
    ax.set_yticks([], minor=True)
    plain_axes(ax, "bottom", "left")
    since = "" if q.facts.one_group else " of treatment"
    ax.set_xlabel(f"Weeks since the start{since}", fontsize=STYLE["text"])
    ax.set_ylabel(shorten(tx.axis_text(q), high, STYLE["text"]), fontsize=STYLE["text"], parse_math=False)
    sides = tx.favours_text(q)
    if sides is not None:
        for words, y, va in ((f"↓ {sides[0]}", 0.0, "bottom"), (f"↑ {sides[1]}", 1.0, "top")):
            ax.annotate(words, (0, y), (5, 3 if va == "bottom" else -3), "axes fraction", "offset points", va=va,
                        fontsize=small, color=STYLE["muted"], parse_math=False, gid="favours")  # fmt: skip
    handles, names = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles, names, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles), frameon=False, fontsize=small,
                  borderaxespad=0.2, handletextpad=0.2)  # fmt: skip


def _size(block: Section) -> str:
    if block.lead is None:
        return "no trial"
    return "1 trial" if block.lead.k == 1 else f"{block.lead.k} trials"
