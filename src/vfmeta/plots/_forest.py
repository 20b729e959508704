"""The forest plot."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.plots import axis
from vfmeta.plots import rows as rw
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import width as text_width
from vfmeta.plots.sheet import SMALL, Placed, Sheet, build
from vfmeta.plots.style import STYLE, applied, plain_axes
from vfmeta.text import numbers as tx
from vfmeta.text.posterior import priors_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from vfmeta.core.question import Pair, Question
    from vfmeta.plots.rows import Row, Section
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult

_SQUARE = 0.15  # side of the square of the heaviest trial, inches
_DIAMOND = 0.075  # half height, inches
_BAND = 0.06  # half height of the band of a trial without a figure, inches


def forest(
    fit: FrequentistResult | None = None,
    posterior: BayesianResult | None = None,
    *,
    sections: Sequence[tuple[str, FrequentistResult | None, BayesianResult | None]] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    notes: Sequence[str] = (),
    flag_note: str | None = None,
    xlim: Pair | None = None,
    show_prediction: bool = True,
    width: float | None = None,
) -> Axes:
    """Draw a forest plot.

    Solid diamonds and bars are frequentist, hollow ones Bayesian. With two to four trials the Bayesian rows come first;
    with one trial there is no diamond. Squares have areas in proportion to the weights. A whisker that leaves the axis
    ends in an arrow head.

    Parameters
    ----------
    fit : FrequentistResult, optional
        Its trials, weights and heterogeneity are shown.
    posterior : BayesianResult, optional
        Drawn beside `fit`, or alone.
    sections : sequence of (heading, fit, posterior), optional
        Subgroups or time windows under one another on one axis, each with its own diamonds; no overall diamond.
        ``(heading, None, None)`` says that a window has no trial.
    title : str, optional
    ax : matplotlib Axes, optional
        Where to draw; its whole box is used and text shrinks when it is too small (with a warning). Without it a new
        figure as high as its rows is made.
    notes : sequence of str
        Sentences under the figure.
    flag_note : str, optional
        What the double dagger means; by default the flags themselves are spelled out.
    xlim : (float, float), optional
        Ends of the axis on the scale people read; by default every estimate is inside.
    show_prediction : bool
        Whether prediction intervals are shown.
    width : float, optional
        Width of a new figure in inches; by default 7.5 to 10, as the contents need.

    Returns
    -------
    matplotlib Axes
        The effect axis: x in display units (logarithmic for ratios), y in inches down from the first row.

    Raises
    ------
    InputError
        Not results, no studies, or lengths, measures, levels or arms that do not match.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> axes = vf.plots.forest(fit)
    """
    blocks = rw.checked_sections(fit, posterior, sections)
    question = next(b.lead.question for b in blocks if b.lead is not None)
    notes = [notes] if isinstance(notes, str) else list(notes)
    with applied():
        draft = [r for i, b in enumerate(blocks) for r in rw.section_rows(b, i, lambda s: [s], show_prediction=show_prediction)]
        ends = axis.limits(draft, question, xlim, side=0.27)
        zero = question.null_effect
        null = 0.5 if zero is None else min(max(axis.share(question, ends, zero), 0.0), 1.0)
        sheet = build(
            blocks, null=null, title=title or "", notes=[*_legend(blocks, draft, ends), *_mark_notes(draft, flag_note), *notes],
            wide=width if ax is None else max(_box(ax)[0], STYLE["width"][0]), show_prediction=show_prediction,
        )  # fmt: skip
        ax, scale = _axes(sheet, ax)
        _Drawing(ax, sheet, question, ends, scale).draw()
    return checked(ax)


def _legend(blocks: Sequence[Section], rows: Sequence[Row], ends: Pair) -> list[str]:
    """What the shapes and the dashed line mean, and the priors."""
    kinds = {r.kind for r in rows}
    out = []
    if {"pooled", "bayes"} <= kinds:
        out.append("Solid diamond: frequentist; hollow diamond: Bayesian (posterior median and credible interval, CrI).")
    if any(r.reach is not None for r in rows):
        out.append(
            "Band: a trial that prints no estimate; the higher, the more probable its words if the effect were there. An arrow "
            "where they set no limit."
        )
    if any(r.hollow for r in rows):
        out.append("Hollow square: shown, not pooled.")
    question = next(b.lead.question for b in blocks if b.lead is not None)
    mid = question.mid_effect()
    if mid is not None and ends[0] < mid < ends[1]:
        out.append(tx.mid_note(question))
    priors = [priors_text(b.posterior) for b in blocks if b.posterior is not None and b.posterior.k > 1]
    return out + [p for p in dict.fromkeys(priors) if p]


def _mark_notes(rows: Sequence[Row], flag_note: str | None) -> list[str]:
    out = [rw.SINGLE_NOTE] if any(rw.DAGGER in r.marks for r in rows) else []
    flags = [r.flag for r in rows if r.flag]
    if flags:
        out.append(f"{rw.DOUBLE_DAGGER} {flag_note or '; '.join(dict.fromkeys(flags))}")
    return out


def _box(ax: Axes) -> tuple[float, float]:
    """Width and height of an axes in inches."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise InputError(f"ax is a {type(ax).__name__}; give matplotlib axes, such as plt.subplots() makes, or leave it out.")
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return float(ax.bbox.width / dpi), float(ax.bbox.height / dpi)


def _axes(sheet: Sheet, ax: Axes | None) -> tuple[Axes, float]:
    """The effect axis in its place, and the factor by which text and lines shrink to fit a given box."""
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(sheet.width, sheet.height), facecolor="white")
        ax, x0, y0, wide, high = figure.add_subplot(), 0.0, 0.0, 1.0, 1.0
        box = (sheet.width, sheet.height)
    else:
        box = _box(ax)
        x0, y0, wide, high = ax.get_position().bounds
    scale = min(1.0, box[0] / sheet.width, box[1] / sheet.height)
    if scale * STYLE["small"] < 6:
        warn(
            f"The axes are {box[0]:.1f} by {box[1]:.1f} in, the forest plot needs {sheet.width:.1f} by {sheet.height:.1f}: "
            f"text shrinks to {scale * STYLE['small']:.1f} pt. Give a larger figure or leave ax out."
        )
    fx, fy = wide * scale / box[0], high * scale / box[1]
    bottom = y0 + high - (sheet.top + sheet.head + sheet.body) * fy
    ax.set_position((x0 + sheet.plot[0] * fx, bottom, (sheet.plot[1] - sheet.plot[0]) * fx, sheet.body * fy))
    return ax, scale


class _Drawing:
    """One forest plot in the making: y is in inches down from the first row, x of text in inches from the left edge."""

    def __init__(self, ax: Axes, sheet: Sheet, question: Question, ends: Pair, scale: float) -> None:
        self.ax, self.sheet, self.question, self.ends, self.scale = ax, sheet, question, ends, scale
        self.at = ax.get_yaxis_transform()
        self.heaviest = max((p.row.weight for p in sheet.rows if p.row.kind == "study" and p.row.weight > 0), default=1.0)

    def draw(self) -> None:
        self._frame()
        self._texts()
        for placed in self.sheet.rows:
            row, y = placed.row, placed.centre
            with self._named(row):
                self._cells(placed)
                if row.kind == "study":
                    self._study(row, y)
                elif row.kind in {"pooled", "bayes"}:
                    self._diamond(row, y)
                elif row.kind in {"prediction", "bayes_prediction"}:
                    self._bar(row, y)
                elif row.kind == "adhoc":
                    self._whisker(row, y, STYLE["frequentist"], 0.9, caps=True)
        self._under()

    @contextmanager
    def _named(self, row: Row) -> Iterator[None]:
        """Whatever is drawn for a row carries its name as an artist's label, so that a page can tell whose it is."""
        before = set(self.ax.get_children())
        yield
        for artist in self.ax.get_children():
            if artist not in before:
                artist.set_label(rw.artist_label(row))

    # What is drawn -------------------------------------------------------------------------------------------------

    def _shown(self, value: float) -> float:
        """On the scale of the axis; what lies at infinity is put far outside it."""
        span = self.ends[1] - self.ends[0]
        value = min(max(value, self.ends[0] - 100 * span), self.ends[1] + 100 * span)
        return self.question.display(min(max(value, -700.0), 700.0) if self.question.is_ratio else value)

    def _frame(self) -> None:
        ax, sheet, q = self.ax, self.sheet, self.question
        if q.is_ratio:
            ax.set_xscale("log")
        ax.set_xlim(q.display(self.ends[0]), q.display(self.ends[1]))
        ax.set_ylim(sheet.body, 0)
        shown = axis.ticks(self.ends, q, sheet.plot[1] - sheet.plot[0], lambda s: text_width(s, STYLE["text"]))
        ax.set_xticks([x for x, _ in shown], [label for _, label in shown], fontsize=STYLE["text"] * self.scale)
        ax.set_xticks([], minor=True)
        ax.set_yticks([])
        ax.tick_params(axis="x", length=3 * self.scale, width=0.7 * self.scale, pad=2.5 * self.scale)
        plain_axes(ax, "bottom")
        ax.patch.set_visible(False)
        zero = q.null_effect
        if zero is not None and self.ends[0] <= zero <= self.ends[1]:
            ax.axvline(q.display(zero), color=STYLE["null"], lw=0.8 * self.scale, zorder=1, gid="null")
        mid = q.mid_effect()
        if mid is not None and self.ends[0] < mid < self.ends[1]:
            ax.axvline(q.display(mid), color=STYLE["mid"], lw=0.8 * self.scale, ls=(0, (4, 3)), zorder=1, gid="mid")
            label = f"MID {tx.mid_text(q)}"
            half = text_width(label, STYLE["small"]) / 2
            x = sheet.plot[0] + axis.share(q, self.ends, mid) * (sheet.plot[1] - sheet.plot[0])
            x = min(max(x, sheet.plot[0] + half), sheet.plot[1] - half)
            self._text(x, -0.1, label, size=STYLE["small"], color=STYLE["muted"], ha="center", gid="mid-label")

    def _band(self, reach: tuple[float, float, float], y: float) -> None:
        """What a trial says without a figure: as high as the probability of its words, were the effect there."""
        from scipy.special import ndtr

        low, high, se = reach
        x = np.linspace(*self.ends, 401)
        likely = ndtr((high - x) / se) - ndtr((low - x) / se)
        likely /= max(float(likely.max()), 1e-300)
        seen = likely > 0.01
        places, half = [self._shown(a) for a in x[seen].tolist()], _BAND * likely[seen]
        colour = STYLE["report"]
        self.ax.fill_between(places, y - half, y + half, fc=colour, alpha=0.25, lw=0, zorder=1.5, gid="band")
        for edge in (y - half, y + half):
            self.ax.plot(places, edge, color=colour, lw=0.9 * self.scale, zorder=2, gid="band-edge")
        self._arrows((low, high), y, colour)

    def _study(self, row: Row, y: float) -> None:
        if row.reach is not None:
            self._band(row.reach, y)
            return
        self._whisker(row, y, STYLE["study"], 1.0)
        if not self.ends[0] <= row.estimate <= self.ends[1]:
            return
        # Areas stay in proportion, so the point of a trial of next to no weight would vanish: a small stroke marks each.
        self.ax.plot([self._shown(row.estimate)], [y], "|", color=STYLE["study"], ms=4 * self.scale, mew=self.scale, zorder=2.5)
        weight = row.weight if row.weight > 0 else self.heaviest * (0.3 if row.hollow else 0.5)
        side = _SQUARE * 72 * self.scale
        self.ax.scatter(
            [self._shown(row.estimate)], [y], s=[side**2 * weight / self.heaviest], marker="s",
            facecolors="white" if row.hollow else STYLE["study"], edgecolors=STYLE["study"],
            linewidths=0.8 * self.scale if row.hollow else 0, zorder=3, gid="hollow" if row.hollow else "square",
        )  # fmt: skip

    def _whisker(self, row: Row, y: float, colour: str, lw: float, *, caps: bool = False) -> None:
        if row.interval is None:
            return
        low, high = row.interval
        a, b = max(low, self.ends[0]), min(high, self.ends[1])
        if a <= b:
            line = self.ax.plot([self._shown(a), self._shown(b)], [y, y], color=colour, lw=lw * self.scale, zorder=2)[0]
            line.set(gid=f"{row.kind}-interval", solid_capstyle="butt")
        for end, cut in ((low, low < self.ends[0]), (high, high > self.ends[1])):
            if not cut and caps and self.ends[0] <= end <= self.ends[1]:
                self.ax.plot([self._shown(end)], [y], "|", color=colour, ms=5 * self.scale, mew=lw * self.scale, zorder=2)
        self._arrows(row.interval, y, colour)

    def _arrows(self, interval: Pair, y: float, colour: str) -> None:
        """Heads that say an interval goes on beyond the axis."""
        size = 6.5 if colour != STYLE["study"] else 4.5
        for inside, edge, marker in ((interval[0] >= self.ends[0], 0, 8), (interval[1] <= self.ends[1], 1, 9)):
            if not inside:  # markers 8 and 9 are triangles whose base lies at the point: 8 to the left, 9 to the right
                self.ax.plot(
                    [edge], [y], marker=marker, color=colour, ms=size * self.scale, mew=0, ls="", transform=self.at,
                    clip_on=False, zorder=4, gid="arrow",
                )  # fmt: skip

    def _diamond(self, row: Row, y: float) -> None:
        from matplotlib.colors import to_rgba
        from matplotlib.patches import Polygon

        if row.interval is None:
            return
        solid = row.kind == "pooled"
        colour = STYLE["frequentist" if solid else "bayesian"]
        low, middle, high = (self._shown(x) for x in (row.interval[0], row.estimate, row.interval[1]))
        points = np.array([(low, y), (middle, y - _DIAMOND), (high, y), (middle, y + _DIAMOND)])
        # Cut at both ends a solid diamond would be a heavy bar, though nothing is less sure: it pales.
        lost = row.interval[0] < self.ends[0] and row.interval[1] > self.ends[1]
        fill = "white" if not solid else to_rgba(colour, 0.3 if lost else 1.0)
        self.ax.add_patch(
            Polygon(points, closed=True, facecolor=fill, edgecolor=colour, lw=1.1 * self.scale,
                    joinstyle="miter", zorder=3, gid=f"{row.kind}-diamond")
        )  # fmt: skip
        self._arrows(row.interval, y, colour)

    def _bar(self, row: Row, y: float) -> None:
        from matplotlib.patches import Rectangle

        if row.interval is None:
            return
        solid = row.kind == "prediction"
        low, high = (self._shown(x) for x in row.interval)
        self.ax.add_patch(
            Rectangle((low, y - 0.035), high - low, 0.07, facecolor=STYLE["prediction"] if solid else "white",
                      edgecolor=STYLE["prediction"], lw=0.9 * self.scale, zorder=2, gid=row.kind)
        )  # fmt: skip
        self._arrows(row.interval, y, STYLE["prediction"])

    # What is written -----------------------------------------------------------------------------------------------

    def _text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Text at x inches from the left edge of the sheet and y inches below the first row."""
        size = style.pop("size", STYLE["text"]) * self.scale
        left, right = self.sheet.plot
        # Digits are 0.73 of the font size high: set on this baseline their middle is at y, level with squares and diamonds.
        y += 0.73 * size / self.scale / 72 / 2
        self.ax.text(
            (x - left) / (right - left), y, words, transform=self.at, clip_on=False, parse_math=False, fontsize=size,
            va="baseline", **style,
        )  # fmt: skip

    def _rule(self, y: float, colour: str, lw: float) -> None:
        left, right = self.sheet.plot
        x = [(0.1 - left) / (right - left), 1.0]
        self.ax.plot(x, [y, y], color=colour, lw=lw * self.scale, transform=self.at, clip_on=False, zorder=0.5)

    def _lines(self, x: float, y: float, lines: Sequence[str], **style: Any) -> None:
        """Lines under one another, centred on y."""
        for i, line in enumerate(lines):
            self._text(x, y + (i - (len(lines) - 1) / 2) * STYLE["line"], line, **style)

    def _texts(self) -> None:
        sheet = self.sheet
        for i, line in enumerate(sheet.title):
            y = -sheet.head - sheet.top + 0.08 + 0.19 * (i + 0.5)
            self._text(0.1, y, line, size=STYLE["title"], fontweight="bold", gid="title")
        for column in sheet.columns:
            for i, line in enumerate(reversed(column.head)):
                unit = i == 0 and column.name.startswith("arm")
                self._text(column.x, -0.1 - i * STYLE["line"], line, ha=column.align,
                           fontweight="normal" if unit else "bold")  # fmt: skip
        self._rule(0.0, STYLE["rule"], 0.9)
        section = 0
        for placed in sheet.rows:
            if placed.row.section != section:
                section = placed.row.section
                self._rule(placed.centre - placed.height / 2 - 0.04, STYLE["faint_rule"], 0.7)
        for i, line in enumerate(sheet.notes):
            y = sheet.body + sheet.foot + 0.12 + (i + 0.5) * STYLE["line"]
            self._text(0.1, y, line, size=STYLE["small"], color=STYLE["muted"], gid="note")

    def _cells(self, placed: Placed) -> None:
        row, y = placed.row, placed.centre
        colour = STYLE["muted"] if row.kind in SMALL else "black"
        style = {"size": placed.size, "fontweight": "bold" if placed.bold else "normal", "color": colour}
        self._lines(placed.x, y, placed.lines, gid=f"{row.kind}-label", **style)
        for column in self.sheet.columns[1:]:
            if column.name == "weight":
                words = tx.weight_text(row.weight) if row.kind in {"study", "pooled"} else ""
            else:
                words = row.effect if column.name == "effect" else row.arms[int(column.name[-1])]
            if words:
                self._text(column.x, y, words, ha=column.align, gid=f"{row.kind}-{column.name}", **style)

    def _under(self) -> None:
        """Below the axis: which side favours whom, and what is measured."""
        sheet, y = self.sheet, self.sheet.body + 0.3
        left, right = sheet.plot
        if sheet.favours is not None:
            null = axis.share(self.question, self.ends, self.question.null_effect or 0.0)
            middle = left + min(max(null, 0.0), 1.0) * (right - left)
            for end, start in ((left, middle - 0.06), (right, middle + 0.06)):
                if (start - end) * (middle - end) > 0 and abs(start - end) > 0.1:
                    self._arrow(start, end, y)
            for x, ha, lines in ((left, "left", sheet.favours[0]), (right, "right", sheet.favours[1])):
                for i, line in enumerate(lines):
                    self._text(x, y + 0.12 + i * STYLE["line"], line, ha=ha, gid="favours")
            y += 0.16 + STYLE["line"] * max(len(s) for s in sheet.favours)
        for i, line in enumerate(sheet.axis_label):
            at = y + (i + 0.3) * STYLE["line"]
            self._text((left + right) / 2, at, line, ha="center", color=STYLE["muted"], gid="axis-label")

    def _arrow(self, start: float, end: float, y: float) -> None:
        left, right = self.sheet.plot
        a, b = ((x - left) / (right - left) for x in (start, end))
        self.ax.annotate(
            "", xy=(b, y), xytext=(a, y), xycoords=self.at, textcoords=self.at, annotation_clip=False,
            arrowprops={"arrowstyle": "-|>,head_length=0.3,head_width=0.15", "lw": 0.8 * self.scale, "color": STYLE["study"],
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10 * self.scale},
        )  # fmt: skip
