"""Where everything in a forest plot stands, in inches from its upper left corner."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vfmeta.plots.layout import ELLIPSIS, shorten, width, wrap
from vfmeta.plots.rows import Row, Section, has_counts, section_rows
from vfmeta.plots.style import STYLE
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.question import Question

_INDENT = {"adhoc": 0.14, "prediction": 0.14, "bayes_prediction": 0.14}
_BOLD = {"heading", "pooled", "bayes"}
SMALL = {"adhoc", "prediction", "bayes_prediction", "words"}
_EDGE = 0.1
_ARM = 1.15
_STUDY = (1.5, 2.5)


@dataclass(frozen=True)
class Column:
    """A column of text: its head, its edges and the side it is set to."""

    name: str
    head: tuple[str, ...]
    left: float
    right: float
    align: str

    @property
    def x(self) -> float:
        return {"left": self.left, "right": self.right, "center": (self.left + self.right) / 2}[self.align]


@dataclass(frozen=True)
class Placed:
    """A row with its lines, its centre and its height; heights grow downwards from the top of the body."""

    row: Row
    lines: tuple[str, ...]
    x: float
    centre: float
    height: float
    bold: bool
    size: float


@dataclass(frozen=True)
class Sheet:
    """The whole figure: columns, rows, and the zones above and below the body."""

    width: float
    columns: tuple[Column, ...]
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
    blocks: Sequence[Section], *, null: float, title: str, notes: Sequence[str], wide: float | None, show_prediction: bool
) -> Sheet:
    """Lay out a forest plot.

    Parameters
    ----------
    blocks : sequence of Section
    null : float
        Where on the axis "no difference" lies, from 0 to 1.
    title : str
    notes : sequence of str
        Sentences under the figure.
    wide : float or None
        Width in inches; None lets the contents choose within the house's limits.
    show_prediction : bool
        Whether prediction intervals have rows.
    """
    lead = next(b.lead for b in blocks if b.lead is not None)
    question, text, small = lead.question, STYLE["text"], STYLE["small"]
    # Text lines are wrapped once the columns are known, and the columns hang on the rows without them.
    draft = [r for i, b in enumerate(blocks) for r in section_rows(b, i, lambda s: [s], show_prediction=show_prediction)]
    columns, plot, total = _columns(draft, blocks, question, lead.level, wide)
    left_room = plot[0] - STYLE["gap"] - _EDGE
    label_room = columns[0].right - columns[0].left
    rows: list[Placed] = []
    y = 0.06
    for i, block in enumerate(blocks):
        if i:
            y += 0.1
        for row in section_rows(block, i, lambda s: wrap(s, left_room, small), show_prediction=show_prediction):
            placed = _place(row, y, label_room, left_room)
            rows.append(placed)
            y += placed.height
    favours = _favours(question, null, plot[1] - plot[0])
    outcomes = {b.lead.question.outcome for b in blocks if b.lead is not None}
    measured = question if len(outcomes) == 1 else replace(question, outcome="effect")  # the headings name the outcomes then
    axis_label = tuple(wrap(tx.axis_text(measured), plot[1] - plot[0], text, most=3))
    foot = 0.3 + (0.16 + STYLE["line"] * max(len(s) for s in favours) if favours else 0) + STYLE["line"] * len(axis_label)
    title_lines = tuple(wrap(title, total - 2 * _EDGE, STYLE["title"], bold=True)) if title else ()
    note_lines = tuple(line for note in notes for line in wrap(note, total - 2 * _EDGE, small))
    top = 0.08 + 0.19 * len(title_lines) + (0.06 if title_lines else 0)
    head = STYLE["line"] * max(len(c.head) for c in columns) + 0.1
    body = y + 0.06
    under = 0.12 + STYLE["line"] * len(note_lines) if note_lines else 0.0
    return Sheet(
        total, columns, plot, title_lines, top, head, tuple(rows), body, favours, axis_label, foot, note_lines,
        top + head + body + foot + under + 0.08,
    )  # fmt: skip


def _favours(question: Question, null: float, inches: float) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """What each side favours, in lines that keep to their side of "no difference" where their words are short enough."""
    sides = tx.favours_text(question)
    if sides is None:
        return None
    size = STYLE["text"]
    rooms = [null * inches - 0.05, (1 - null) * inches - 0.05]
    needed = [max(width(word, size) for word in words.split()) for words in sides]
    if any(n > room for n, room in zip(needed, rooms, strict=True)):
        rooms = [inches / 2 - 0.06] * 2
    left, right = (tuple(wrap(words, room, size, most=3)) for words, room in zip(sides, rooms, strict=True))
    return left, right


def _columns(
    rows: Sequence[Row], blocks: Sequence[Section], question: Question, level: float, wide: float | None
) -> tuple[tuple[Column, ...], tuple[float, float], float]:
    text, gap = STYLE["text"], STYLE["gap"]
    studies = [r for r in rows if r.kind == "study"]
    effect_head = (*wrap(tx.measure_text(question), 1.5, text, bold=True, most=2), f"({tx.level_text(level)} CI)")
    specs: list[tuple[str, tuple[str, ...], float, str]] = []
    if any(set(r.arms) - {"", tx.MISSING} for r in studies):
        counts = any(b.lead is not None and has_counts(b.lead) for b in blocks)
        one = question.facts.one_group
        for side, name in enumerate((question.experimental, question.control)[: 1 if one else 2]):
            named = () if one and name == type(question).experimental else (name[:1].upper() + name[1:],)
            lines = (line for words in named for line in wrap(words, _ARM, text, bold=True, most=3))
            head = (*lines, "events/n" if counts else "n")
            widest = max([width(h, text, True) for h in head] + [width(r.arms[side], text, True) for r in rows])
            specs.append((f"arm{side}", head, widest, "center"))
    specs.append(("weight", ("Weight",), max(width("Weight", text, True), width("100.0%", text, True)), "right"))
    effect = max([width(h, text, True) for h in effect_head] + [width(r.effect, text, r.kind in _BOLD) for r in rows])
    specs.append(("effect", effect_head, effect, "right"))

    others = sum(w + gap for _, _, w, _ in specs)
    study = max([_STUDY[0], *(_label_width(r) for r in rows if r.kind != "heading")])
    study = min(study, _STUDY[1])
    fixed = 2 * _EDGE + others + gap
    low, high = STYLE["width"]
    total = min(max(fixed + study + STYLE["plot"][1], low), high) if wide is None else wide
    study = max(min(study, total - fixed - STYLE["plot"][0]), _STUDY[0])
    plot_left = fixed + study
    total = max(total, plot_left + STYLE["plot"][0] * 0.8)  # an extreme column never eats the plot
    columns = [Column("study", ("Study",), _EDGE, _EDGE + study, "left")]
    x = _EDGE + study
    for name, head, size, align in specs:
        columns.append(Column(name, head, x + gap, x + gap + size, align))
        x += gap + size
    return tuple(columns), (plot_left, total - _EDGE), total


def _size(row: Row) -> float:
    return STYLE["small"] if row.kind in SMALL else STYLE["heading"] if row.kind == "heading" else STYLE["text"]


def _marked(row: Row) -> str:
    return f"{row.label} {row.marks}" if row.marks else row.label


def _label_width(row: Row) -> float:
    return _INDENT.get(row.kind, 0.0) + width(_marked(row), _size(row), row.kind in _BOLD)


def _place(row: Row, y: float, label_room: float, left_room: float) -> Placed:
    indent, bold, size = _INDENT.get(row.kind, 0.0), row.kind in _BOLD, _size(row)
    if row.kind == "words":
        height = STYLE["line"] * len(row.lines) + 0.04
        return Placed(row, row.lines, _EDGE, y + height / 2, height, False, size)
    if row.kind == "heading":
        lines = wrap(row.label, left_room, size, bold)
    else:
        lines = _label_lines(row, label_room - indent, size, bold)
    height = STYLE["row"] + STYLE["line"] * (len(lines) - 1) + (0.05 if row.kind == "heading" else 0)
    return Placed(row, tuple(lines), _EDGE + indent, y + height / 2, height, bold, size)


def _label_lines(row: Row, room: float, size: float, bold: bool) -> list[str]:
    """A label in at most two lines; the year and the marks stay, whatever is cut from a long name."""
    lines = wrap(_marked(row), room, size, bold, most=2)
    if not any(line.endswith(ELLIPSIS) for line in lines):
        return lines
    name, year = re.fullmatch(r"(.*?)((?:\s\(?\d{4}[a-z]?\)?)?)", row.label).groups()  # type: ignore[union-attr]
    tail = f"{year} {row.marks}" if row.marks else year
    lines = wrap(name, room, size, bold, most=2)
    if len(lines) == 1:
        return [shorten(name, room - width(tail, size, bold), size, bold) + tail]
    last = name[len(lines[0]) :].strip() if name.startswith(lines[0]) else lines[1]
    if width(last + tail, size, bold) > room:
        last = shorten(last, room - width(tail, size, bold), size, bold)
    return [lines[0], last + tail]
