"""Where everything in a forest plot stands, in inches from its upper left corner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vfmeta.plots.layout import ELLIPSIS, shorten, width, wrap
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.plots.columns import Spec
    from vfmeta.plots.contents import Contents
    from vfmeta.plots.looks import Look
    from vfmeta.plots.rows import Row

_INDENT = {"adhoc": 0.14, "prediction": 0.14, "bayes_prediction": 0.14}
BOLD = {"heading", "pooled", "bayes"}
SMALL = {"adhoc", "prediction", "bayes_prediction", "words"}
_EDGE = 0.1
CELL = 0.02  # by how much a cell may be wider than its column
_STUDY = (1.5, 2.5)


@dataclass(frozen=True)
class Column:
    """A column of text: its head, its edges and the side it is set to."""

    spec: Spec
    left: float
    right: float

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def align(self) -> str:
        return self.spec.align

    @property
    def x(self) -> float:
        return {"left": self.left, "right": self.right, "center": (self.left + self.right) / 2}[self.align]


@dataclass(frozen=True)
class Group:
    """A head over neighbouring columns."""

    lines: tuple[str, ...]
    left: float
    right: float


@dataclass(frozen=True)
class Placed:
    """A row with its lines, its centre and its height; heights grow downwards from the top of the body.

    ``at`` is the row's place among the studies, -1 for others.
    """

    row: Row
    lines: tuple[str, ...]
    x: float
    centre: float
    height: float
    bold: bool
    size: float
    at: int


@dataclass(frozen=True)
class Sheet:
    """The whole figure: columns, rows, and the zones above and below the body."""

    width: float
    names: tuple[float, str]  # left edge and head of the names
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    plot: tuple[float, float]
    title: tuple[str, ...]
    top: float
    head: float
    rows: tuple[Placed, ...]
    body: float
    favours: tuple[tuple[str, ...], tuple[str, ...]] | None
    axis_label: tuple[str, ...]
    foot: float
    notes: tuple[str, ...]
    height: float


def build(
    made: Contents, look: Look, specs: tuple[list[Spec], list[Spec]], *, null: float, sides: tuple[str, str] | None, title: str,
    notes: Sequence[str], wide: float | None,
) -> Sheet:  # fmt: skip
    """Lay out a forest plot.

    Parameters
    ----------
    made : Contents
    look : Look
    specs : (columns left of the axis, columns right of it)
    null : float
        Where on the axis "no difference" lies, from 0 to 1.
    sides : (str, str), optional
        Words for the left and the right of it.
    title : str
    notes : sequence of str
        Sentences under the figure.
    wide : float or None
        Width in inches; None lets the contents choose within the limits of the layout.
    """
    font, text, small = look.font, look.text, look.small
    columns, plot, total, room = _columns(made, look, specs, wide)
    left_room = plot[0] - look.gap - _EDGE if specs[0] else total - 2 * _EDGE
    rows, shortened, y = _rows(made, look, room, left_room)
    shortened += [
        f"{cut}: {cell}."
        for spec in (*specs[0], *specs[1])
        for cell in dict.fromkeys(spec.cells.values())
        if not spec.light and (cut := shorten(cell, spec.wide + CELL, text, font=font)) != cell
    ]
    favours = _favours(sides, null, plot[1] - plot[0], look)
    axis_label = tuple(wrap(tx.axis_text(made.question), plot[1] - plot[0], text, most=3, font=font))
    side_lines = max(len(s) for s in favours) if favours else 0
    foot = 0.3 + (0.16 + look.line * side_lines if favours and not look.sides_above else 0) + look.line * len(axis_label)
    title_lines = tuple(wrap(title, 0.95 * (total - 2 * _EDGE), look.title, bold=True, font=font)) if title else ()
    note_lines = tuple(line for note in [*shortened, *notes] for line in wrap(note, total - 2 * _EDGE, small, font=font))
    top = 0.08 + 0.19 * len(title_lines) + (0.06 if title_lines else 0)
    groups = _groups(columns, look)
    lines = max([1, *(len(c.spec.head) for c in columns)])
    if groups:
        lines = max(lines, _under_groups(columns) + max(len(g.lines) for g in groups))
    if look.sides_above and favours:
        lines = max(lines, 2 + side_lines)
    head = look.line * lines + 0.1 + (0.05 if groups else 0)
    body = y + 0.06
    under = 0.12 + look.line * len(note_lines) if note_lines else 0.0
    return Sheet(
        total, (_EDGE, made.head or look.head), columns, groups, plot, title_lines, top, head, rows, body, favours, axis_label,
        foot, note_lines, top + head + body + foot + under + 0.08,
    )  # fmt: skip


def _rows(made: Contents, look: Look, room: float, left_room: float) -> tuple[tuple[Placed, ...], list[str], float]:
    """The rows in their places, the labels that had to be shortened in full, and where the last row ends."""
    placed: list[Placed] = []
    shortened: list[str] = []
    y, section, at = 0.06, 0, 0
    for row in made.rows:
        if row.section != section:
            section, y = row.section, y + 0.1
        study = row.kind in ("study", "step")
        placed.append(_place(row, y, room, left_room, look, at if study else -1))
        at += study
        y += placed[-1].height
        said = " ".join(placed[-1].lines)
        if ELLIPSIS in said and ELLIPSIS not in row.label and row.kind != "words":
            shortened.append(f"{said.removesuffix(row.marks).strip()}: {row.label}.")
    return tuple(placed), shortened, y


def _favours(
    sides: tuple[str, str] | None, null: float, inches: float, look: Look
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """What each side favours, in lines that keep to their side of "no difference" where their words are short enough."""
    if sides is None:
        return None
    size, font = look.text, look.font
    rooms = [null * inches - 0.05, (1 - null) * inches - 0.05]
    needed = [max([width(word, size, font=font) for word in words.split()] or [0.0]) for words in sides]
    if any(n > room for n, room in zip(needed, rooms, strict=True)):
        rooms = [inches / 2 - 0.06] * 2
    left, right = (tuple(wrap(words, room, size, most=3, font=font)) for words, room in zip(sides, rooms, strict=True))
    return left, right


def _columns(
    made: Contents, look: Look, specs: tuple[list[Spec], list[Spec]], wide: float | None
) -> tuple[tuple[Column, ...], tuple[float, float], float, float]:
    """The columns in their places, the ends of the axis, the width of all, and the room of the names."""
    gap = look.gap
    before, after = (sum(s.wide + _gap(s, gap) for s in side) for side in specs)
    study = max([_STUDY[0], width(made.head or look.head, look.text, True, look.font),
                 *(_label_width(r, look) for r in made.rows if r.kind not in ("heading", "words"))])  # fmt: skip
    study = min(study, _STUDY[1])
    fixed = 2 * _EDGE + before + gap + (after + gap - _gap(specs[1][0], gap) if specs[1] else 0.0)
    low, high = look.width
    total = min(max(fixed + study + look.plot[1], low), high) if wide is None else wide
    study = max(min(study, total - fixed - look.plot[0]), _STUDY[0])
    plot_left = _EDGE + study + before + gap
    total = max(total, fixed + study + look.plot[0] * 0.8)  # an extreme column never eats the plot
    plot_right = total - (fixed + study - plot_left)
    columns, x = [], _EDGE + study
    for i, spec in enumerate(specs[0]):
        x += _gap(spec, gap) if i or not spec.light else gap
        columns.append(Column(spec, x, x + spec.wide))
        x += spec.wide
    x = plot_right
    for i, spec in enumerate(specs[1]):
        x += _gap(spec, gap) if i and not (spec.light and not specs[1][i - 1].light) else gap
        columns.append(Column(spec, x, x + spec.wide))
        x += spec.wide
    total = max(total, x + _EDGE)
    return tuple(columns), (plot_left, plot_right), total, study


def _gap(spec: Spec, gap: float) -> float:
    return 0.05 if spec.light else gap


def _under_groups(columns: Sequence[Column]) -> int:
    return max((len(c.spec.head) for c in columns if c.spec.group), default=0)


def _groups(columns: Sequence[Column], look: Look) -> tuple[Group, ...]:
    """Heads over runs of columns of one group, wider than their columns only where a word is."""
    out, i = [], 0
    while i < len(columns):
        name = columns[i].spec.group
        j = i
        while j + 1 < len(columns) and columns[j + 1].spec.group == name and columns[j + 1].left - columns[j].right < 0.5:
            j += 1
        if name:
            left, right = columns[i].left, columns[j].right
            out.append(
                Group(tuple(wrap(name, max(right - left, 0.5), look.text, bold=True, most=3, font=look.font)), left, right)
            )
        i = j + 1
    return tuple(out)


def _size(row: Row, look: Look) -> float:
    return look.small if row.kind in SMALL else look.heading if row.kind == "heading" else look.text


def _marked(row: Row) -> str:
    return f"{row.label} {row.marks}" if row.marks else row.label


def _label_width(row: Row, look: Look) -> float:
    return _INDENT.get(row.kind, 0.0) + width(_marked(row), _size(row, look), row.kind in BOLD, look.font)


def _place(row: Row, y: float, label_room: float, left_room: float, look: Look, at: int) -> Placed:
    indent, bold, size = _INDENT.get(row.kind, 0.0), row.kind in BOLD, _size(row, look)
    if row.kind == "words":
        lines = wrap(row.label, left_room, size, font=look.font)
        height = look.line * len(lines) + 0.04
        return Placed(row, tuple(lines), _EDGE, y + height / 2, height, False, size, at)
    if row.kind == "heading":
        lines = wrap(row.label, left_room, size, bold, font=look.font)
    else:
        lines = _label_lines(row, label_room - indent, size, bold, look.font)
    height = look.row + look.line * (len(lines) - 1) + (0.05 if row.kind == "heading" else 0)
    return Placed(row, tuple(lines), _EDGE + indent, y + height / 2, height, bold, size, at)


def _label_lines(row: Row, room: float, size: float, bold: bool, font: str) -> list[str]:
    """A label in at most two lines; the year and the marks stay, whatever is cut from a long name."""
    lines = wrap(_marked(row), room, size, bold, most=2, font=font)
    if not any(line.endswith(ELLIPSIS) for line in lines):
        return lines
    name, year = re.fullmatch(r"(.*?)((?:\s\(?\d{4}[a-z]?\)?)?)", row.label).groups()  # type: ignore[union-attr]
    tail = f"{year} {row.marks}" if row.marks else year
    lines = wrap(name, room, size, bold, most=2, font=font)
    tail_wide = width(tail, size, bold, font)
    if len(lines) == 1:
        return [shorten(name, room - tail_wide, size, bold, font) + tail]
    last = name[len(lines[0]) :].strip() if name.startswith(lines[0]) else lines[1]
    if width(last + tail, size, bold, font) > room:
        last = shorten(last, room - tail_wide, size, bold, font)
    return [lines[0], last + tail]
