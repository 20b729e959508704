"""A forest plot in the making: from a sheet to matplotlib's shapes and letters."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.bias_tools import TOOLS
from vfmeta.plots import axis
from vfmeta.plots.layout import USUAL, shorten
from vfmeta.plots.layout import width as text_width
from vfmeta.plots.rows import artist_label
from vfmeta.plots.sheet import CELL, SMALL, Placed, Sheet
from vfmeta.plots.style import plain_axes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from vfmeta.core.question import Pair, Question
    from vfmeta.plots.looks import Look
    from vfmeta.plots.rows import Row

_SQUARE = 0.15  # side of the square of the heaviest trial, inches
_STEP = 0.07  # of an answer to part of the studies
_DIAMOND = 0.075  # half height, inches
_BAND = 0.06  # half height of the band of a trial without a figure, inches
_LIGHT = 0.15  # inches across


class Drawing:
    """One forest plot: y is in inches down from the first row, x of text in inches from the left edge."""

    def __init__(
        self, ax: Axes, sheet: Sheet, look: Look, question: Question, ends: Pair, scale: float, region: Pair | None, tool: str
    ) -> None:
        self.ax, self.sheet, self.look, self.question = ax, sheet, look, question
        self.ends, self.scale, self.region = ends, scale, region
        self.at = ax.get_yaxis_transform()
        self.levels = {x.word: x for x in TOOLS[tool].levels} if tool else {}
        self.heaviest = max((p.row.weight for p in sheet.rows if p.row.kind == "study" and p.row.weight > 0), default=1.0)

    def draw(self) -> None:
        self._paper()
        self._frame()
        self._texts()
        for placed in self.sheet.rows:
            with self._named(placed.row):
                self._row(placed)
        self._under()

    @contextmanager
    def _named(self, row: Row) -> Iterator[None]:
        """Whatever is drawn for a row carries its name as an artist's label, so that a page can tell whose it is."""
        before = set(self.ax.get_children())
        yield
        for artist in self.ax.get_children():
            if artist not in before:
                artist.set_label(artist_label(row))

    def _row(self, placed: Placed) -> None:
        row, y = placed.row, placed.centre
        self._cells(placed)
        if row.fitted is not None:
            low, middle, high = row.fitted
            self._polygon((low, high), middle, y, self.look.fitted, self.look.fitted, "fitted", zorder=1.4)
        if row.kind in ("study", "step"):
            self._study(row, y)
        elif row.kind in {"pooled", "bayes"}:
            self._diamond(row, y)
        elif row.kind in {"prediction", "bayes_prediction"}:
            self._bar(row, y)
        elif row.kind == "adhoc":
            self._whisker(row, y, self.look.frequentist, 0.9, caps=True)

    # What is drawn -------------------------------------------------------------------------------------------------

    def _shown(self, value: float) -> float:
        """On the scale of the axis; what lies at infinity is put far outside it."""
        span = self.ends[1] - self.ends[0]
        value = min(max(value, self.ends[0] - 100 * span), self.ends[1] + 100 * span)
        return self.question.display(min(max(value, -700.0), 700.0) if self.question.is_ratio else value)

    def _inside(self, value: float) -> bool:
        return self.ends[0] <= value <= self.ends[1]

    def _paper(self) -> None:
        """The colour of the paper and the stripes of every other row, over the whole width."""
        from matplotlib.patches import Rectangle

        sheet, look = self.sheet, self.look
        left, right = sheet.plot
        x0, x1 = (0.0 - left) / (right - left), (sheet.width - left) / (right - left)
        boxes = []
        if look.paper != "white":
            boxes.append((-sheet.head - sheet.top, sheet.height, look.paper, -2.0, "paper"))
        if look.stripe:
            boxes += [
                (p.centre - p.height / 2, p.height, look.stripe, -1.0, "stripe")
                for p in sheet.rows
                if p.at >= 0 and p.at % 2 == 0
            ]
        for y, high, colour, zorder, gid in boxes:
            self.ax.add_patch(
                Rectangle((x0, y), x1 - x0, high, fc=colour, ec="none", lw=0, transform=self.at, clip_on=False, zorder=zorder,
                          gid=gid)
            )  # fmt: skip

    def _frame(self) -> None:
        ax, sheet, q, look = self.ax, self.sheet, self.question, self.look
        if q.is_ratio:
            ax.set_xscale("log")
        ax.set_xlim(q.display(self.ends[0]), q.display(self.ends[1]))
        ax.set_ylim(sheet.body, 0)
        shown = axis.ticks(self.ends, q, sheet.plot[1] - sheet.plot[0], lambda s: text_width(s, look.text, font=look.font))
        ax.set_xticks([x for x, _ in shown], [label for _, label in shown], fontsize=look.text * self.scale, **self._letters())
        ax.set_xticks([], minor=True)
        ax.set_yticks([])
        ax.tick_params(axis="x", length=3 * self.scale, width=0.7 * self.scale, pad=2.5 * self.scale, color=look.rule,
                       labelcolor=look.ink)  # fmt: skip
        plain_axes(ax, "bottom")
        ax.spines["bottom"].set_color(look.rule)
        ax.patch.set_visible(False)
        if self.region is not None:
            low, high = (max(self.ends[0], min(self.ends[1], x)) for x in self.region)
            if low < high:
                ax.axvspan(q.display(low), q.display(high), color=look.region, lw=0, zorder=0.2, gid="region")
        zero = q.null_effect
        if zero is not None and self._inside(zero):
            ax.axvline(q.display(zero), color=look.null, lw=0.8 * self.scale, zorder=1, gid="null")
        pool = next((p.row.estimate for p in sheet.rows if p.row.kind in ("pooled", "bayes")), None)
        if look.line_at_pool and pool is not None and self._inside(pool) and len({p.row.section for p in sheet.rows}) == 1:
            ax.axvline(q.display(pool), color=look.frequentist, lw=0.7 * self.scale, ls=(0, (2, 2)), zorder=1, gid="at-pool")
        mid = q.mid_effect()
        if mid is not None and self.ends[0] < mid < self.ends[1]:
            ax.axvline(q.display(mid), color=look.mid, lw=0.8 * self.scale, ls=(0, (4, 3)), zorder=1, gid="mid")
            label = f"MID {tx.mid_text(q)}"
            half = text_width(label, look.small, font=look.font) / 2
            x = sheet.plot[0] + axis.share(q, self.ends, mid) * (sheet.plot[1] - sheet.plot[0])
            x = min(max(x, sheet.plot[0] + half), sheet.plot[1] - half)
            self._text(x, -0.1, label, size=look.small, color=look.muted, ha="center", gid="mid-label")

    def _band(self, reach: tuple[float, float, float], y: float) -> None:
        """What a trial says without a figure: as high as the probability of its words, were the effect there."""
        from scipy.special import ndtr

        low, high, se = reach
        x = np.linspace(*self.ends, 401)
        likely = ndtr((high - x) / se) - ndtr((low - x) / se)
        likely /= max(float(likely.max()), 1e-300)
        seen = likely > 0.01
        places, half = [self._shown(a) for a in x[seen].tolist()], _BAND * likely[seen]
        colour = self.look.report
        self.ax.fill_between(places, y - half, y + half, fc=colour, alpha=0.25, lw=0, zorder=1.5, gid="band")
        for edge in (y - half, y + half):
            self.ax.plot(places, edge, color=colour, lw=0.9 * self.scale, zorder=2, gid="band-edge")
        self._arrows((low, high), y, colour, 6.5)

    def _study(self, row: Row, y: float) -> None:
        look, step = self.look, row.kind == "step"
        if row.reach is not None:
            self._band(row.reach, y)
            return
        colour = look.frequentist if step else look.study
        self._whisker(row, y, colour, 1.0)
        weight = row.weight if row.weight > 0 else self.heaviest * (0.3 if row.hollow else 0.5)
        side = (_STEP if step else _SQUARE) * 72 * self.scale
        area = side**2 * (1.0 if step else weight / self.heaviest)
        if not self._inside(row.estimate):
            if row.estimate == row.estimate:  # beyond the axis: a triangle on its edge, as large as its square would be
                right = row.estimate > self.ends[1]
                self.ax.scatter(
                    [1 if right else 0], [y], s=[max(area, (0.1 * 72 * self.scale) ** 2)], marker=9 if right else 8,
                    color=colour, lw=0, transform=self.at, clip_on=False, zorder=4.5, gid="beyond",
                )  # fmt: skip
            return
        # Areas stay in proportion, so the point of a trial of next to no weight would vanish: a small stroke marks each.
        self.ax.plot([self._shown(row.estimate)], [y], "|", color=colour, ms=4 * self.scale, mew=self.scale, zorder=2.5)
        fill = colour if step else look.square
        self.ax.scatter(
            [self._shown(row.estimate)], [y], s=[area], marker="s", facecolors=look.paper if row.hollow else fill,
            edgecolors=fill, linewidths=0.8 * self.scale if row.hollow else 0, zorder=3,
            gid="step" if step else "hollow" if row.hollow else "square",
        )  # fmt: skip

    def _whisker(self, row: Row, y: float, colour: str, lw: float, *, caps: bool = False) -> None:
        if row.interval is None:
            return
        low, high = row.interval
        a, b = max(low, self.ends[0]), min(high, self.ends[1])
        if a <= b:
            line = self.ax.plot([self._shown(a), self._shown(b)], [y, y], color=colour, lw=lw * self.scale, zorder=2)[0]
            line.set(gid=f"{row.kind}-interval", solid_capstyle="butt")
        for end in (low, high):
            if caps and self._inside(end):
                self.ax.plot([self._shown(end)], [y], "|", color=colour, ms=5 * self.scale, mew=lw * self.scale, zorder=2)
        self._arrows(row.interval, y, colour, 4.5 if row.kind in ("study", "step") else 6.5)

    def _arrows(self, interval: Pair, y: float, colour: str, size: float) -> None:
        """Heads that say an interval goes on beyond the axis."""
        for inside, edge, marker in ((interval[0] >= self.ends[0], 0, 8), (interval[1] <= self.ends[1], 1, 9)):
            if not inside:  # markers 8 and 9 are triangles whose base lies at the point: 8 to the left, 9 to the right
                self.ax.plot(
                    [edge], [y], marker=marker, color=colour, ms=size * self.scale, mew=0, ls="", transform=self.at,
                    clip_on=False, zorder=4, gid="arrow",
                )  # fmt: skip

    def _diamond(self, row: Row, y: float) -> None:
        from matplotlib.colors import to_rgba

        if row.interval is None:
            return
        solid = row.kind == "pooled"
        colour = self.look.frequentist if solid else self.look.bayesian
        if row.through is not None:
            ends = [min(max(x, self.ends[0]), self.ends[1]) for x in row.through]
            self.ax.plot([self._shown(x) for x in ends], [y, y], color=colour, lw=1.0 * self.scale, zorder=2, gid="through")
            self._arrows(row.through, y, colour, 4.5)
        # Cut at both ends a solid diamond would be a heavy bar, though nothing is less sure: it pales.
        lost = row.interval[0] < self.ends[0] and row.interval[1] > self.ends[1]
        fill = self.look.paper if not solid else to_rgba(colour, 0.3 if lost else 1.0)
        self._polygon(row.interval, row.estimate, y, fill, colour, f"{row.kind}-diamond", lw=1.1)
        self._arrows(row.interval, y, colour, 6.5)

    def _polygon(
        self, interval: Pair, middle: float, y: float, fill: Any, edge: str, gid: str, *, lw: float = 0.0, zorder: float = 3
    ) -> None:
        from matplotlib.patches import Polygon

        low, centre, high = (self._shown(x) for x in (interval[0], middle, interval[1]))
        points = np.array([(low, y), (centre, y - _DIAMOND), (high, y), (centre, y + _DIAMOND)])
        self.ax.add_patch(
            Polygon(points, closed=True, facecolor=fill, edgecolor=edge, lw=lw * self.scale, joinstyle="miter", zorder=zorder,
                    gid=gid)
        )  # fmt: skip

    def _bar(self, row: Row, y: float) -> None:
        from matplotlib.patches import Rectangle

        if row.interval is None:
            return
        solid, colour = row.kind == "prediction", self.look.prediction
        low, high = (self._shown(x) for x in row.interval)
        self.ax.add_patch(
            Rectangle((low, y - 0.035), high - low, 0.07, facecolor=colour if solid else self.look.paper, edgecolor=colour,
                      lw=0.9 * self.scale, zorder=2, gid=row.kind)
        )  # fmt: skip
        self._arrows(row.interval, y, colour, 6.5)

    # What is written -----------------------------------------------------------------------------------------------

    def _letters(self) -> dict[str, Any]:
        return {} if self.look.font == USUAL else {"fontfamily": [self.look.font, USUAL]}

    def _text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Text at x inches from the left edge of the sheet and y inches below the first row."""
        size = style.pop("size", self.look.text) * self.scale
        left, right = self.sheet.plot
        # Digits are 0.73 of the font size high: set on this baseline their middle is at y, level with squares and diamonds.
        y += 0.73 * size / self.scale / 72 / 2
        self.ax.text(
            (x - left) / (right - left), y, words, transform=self.at, clip_on=False, parse_math=False, fontsize=size,
            va="baseline", **{"color": self.look.ink, **self._letters(), **style},
        )  # fmt: skip

    def _rule(self, y: float, colour: str, lw: float, ends: Pair | None = None) -> None:
        left, right = self.sheet.plot
        x = [(a - left) / (right - left) for a in ends or (0.1, self.sheet.width - 0.1)]
        self.ax.plot(x, [y, y], color=colour, lw=lw * self.scale, transform=self.at, clip_on=False, zorder=0.5)

    def _texts(self) -> None:
        sheet, look = self.sheet, self.look
        for i, line in enumerate(sheet.title):
            y = -sheet.head - sheet.top + 0.08 + 0.19 * (i + 0.5)
            self._text(0.1, y, line, size=look.title, fontweight="bold", gid="title")
        self._heads()
        self._rule(0.0, look.rule, 0.9)
        if look.ruled:
            self._rule(-sheet.head, look.rule, 0.9)
        section = 0
        for placed in sheet.rows:
            if placed.row.section != section:
                section = placed.row.section
                self._rule(placed.centre - placed.height / 2 - 0.04, look.faint_rule, 0.7)
        for i, line in enumerate(sheet.notes):
            y = sheet.body + sheet.foot + 0.12 + (i + 0.5) * look.line
            self._text(0.1, y, line, size=look.small, color=look.muted, gid="note")

    def _heads(self) -> None:
        sheet, look = self.sheet, self.look
        self._text(sheet.names[0], -0.1, sheet.names[1], fontweight="bold", gid="head")
        lowest = max((len(c.spec.head) for c in sheet.columns if c.spec.group), default=0)
        for column in sheet.columns:
            for i, line in enumerate(reversed(column.spec.head)):
                unit = i == 0 and column.name.startswith("arm")
                size, weight = look.small if column.spec.light else look.text, "normal" if unit else "bold"
                self._text(column.x, -0.1 - i * look.line, line, ha=column.align, gid="head", size=size, fontweight=weight)
        for group in sheet.groups:
            base = -0.1 - lowest * look.line - 0.05
            self._rule(base + look.line / 2, look.rule, 0.6, (group.left, group.right))
            for i, line in enumerate(reversed(group.lines)):
                self._text(
                    (group.left + group.right) / 2, base - i * look.line, line, ha="center", fontweight="bold", gid="head"
                )

    def _cells(self, placed: Placed) -> None:
        row, y, look = placed.row, placed.centre, self.look
        style = {
            "size": placed.size, "fontweight": "bold" if placed.bold else "normal",
            "color": look.muted if row.kind in SMALL else look.ink,
        }  # fmt: skip
        for i, line in enumerate(placed.lines):
            at = y + (i - (len(placed.lines) - 1) / 2) * look.line
            box = {}
            if row.kind == "words" and placed.x + text_width(line, placed.size, font=look.font) > self.sheet.plot[0]:
                box = {"bbox": {"fc": look.paper, "ec": "none", "pad": 0.6}}  # over the lines of the axis
            self._text(placed.x, at, line, gid=f"{row.kind}-label", **style, **box)
        for column in self.sheet.columns:
            spec, words = column.spec, ""
            if spec.light:
                if placed.at >= 0:
                    self._light((column.left + column.right) / 2, y, spec.cells[placed.at])
                continue
            if spec.name == "weight":
                words = tx.weight_text(row.weight) if row.kind in {"study", "pooled"} else ""
                words = "" if row.kind == "pooled" and words == tx.MISSING else words
            elif spec.name == "effect":
                words = row.effect
            elif spec.cells:
                cell = spec.cells[placed.at] if placed.at >= 0 else ""
                words = shorten(cell, spec.wide + CELL, placed.size, font=look.font)
            else:
                words = row.cells.get(spec.name, "")
            if words:
                self._text(column.x, y, words, ha=column.align, gid=f"{row.kind}-{spec.name}", **style)

    def _light(self, x: float, y: float, word: str) -> None:
        """A judgement: its colour, its shape and its sign."""
        if not word:
            self._text(x, y, "·", ha="center", color=self.look.muted, gid="light")
            return
        level, (left, right) = self.levels[word], self.sheet.plot
        across = min(_LIGHT, 0.85 * self.look.row) * 72 * self.scale
        self.ax.scatter(
            [(x - left) / (right - left)], [y], s=[across**2], marker=level.marker, color=level.colour,
            ec=self.look.rule, lw=0.5 * self.scale, transform=self.at, clip_on=False, zorder=3, gid=f"light-{level.word}",
        )  # fmt: skip
        ink = "white" if level.rank > 2 else "black"
        y += {"^": 0.012, "v": -0.012}.get(level.marker, 0.0)  # the middle of a triangle is no half of its height
        self._text(x, y, level.sign, ha="center", fontweight="bold", size=self.look.small, color=ink, zorder=3.5, gid="light")

    def _under(self) -> None:
        """Which side favours whom, above or below the axis, and what is measured."""
        sheet, look, y = self.sheet, self.look, self.sheet.body + 0.3
        left, right = sheet.plot
        if sheet.favours is not None:
            most = max(len(s) for s in sheet.favours)
            if look.sides_above:
                self._sides(sheet.favours, -0.1 - (most + 0.2) * look.line)
            else:
                null = axis.share(self.question, self.ends, self.question.null_effect or 0.0)
                middle = left + min(max(null, 0.0), 1.0) * (right - left)
                for end, start in ((left, middle - 0.06), (right, middle + 0.06)):
                    if (start - end) * (middle - end) > 0 and abs(start - end) > 0.1:
                        self._arrow(start, end, y)
                self._sides(sheet.favours, y + 0.12)
                y += 0.16 + look.line * most
        for i, line in enumerate(sheet.axis_label):
            at = y + (i + 0.3) * look.line
            self._text((left + right) / 2, at, line, ha="center", color=look.muted, gid="axis-label")

    def _sides(self, sides: tuple[Sequence[str], Sequence[str]], y: float) -> None:
        left, right = self.sheet.plot
        for x, ha, lines in ((left, "left", sides[0]), (right, "right", sides[1])):
            for i, line in enumerate(lines):
                self._text(x, y + i * self.look.line, line, ha=ha, gid="favours")

    def _arrow(self, start: float, end: float, y: float) -> None:
        left, right = self.sheet.plot
        a, b = ((x - left) / (right - left) for x in (start, end))
        self.ax.annotate(
            "", xy=(b, y), xytext=(a, y), xycoords=self.at, textcoords=self.at, annotation_clip=False,
            arrowprops={"arrowstyle": "-|>,head_length=0.3,head_width=0.15", "lw": 0.8 * self.scale, "color": self.look.rule,
                        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10 * self.scale},
        )  # fmt: skip
