"""Results as notebooks, Quarto and pandoc show them: a heading, a table, and the sentences below it.

The words are those of the console, so that a number is never told in two ways. A pipe table is a real one in HTML, PDF and
Word; where only HTML is shown it is a ``<table>``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core import quarto
from vfmeta.core.messages import InputError
from vfmeta.results import verbs
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 40
# a label of the console and what stands behind it: two blanks or more between them, or a colon
_LABELLED = re.compile(r"(\S.*?)\s{2,}(\S.*)|(true effect in a next trial) (.+)|(prior|probability of any benefit): (.+)")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@])")


@dataclass(frozen=True)
class Shown:
    """A heading, the columns and rows of a table, and the sentences below it; ``frame`` holds the numbers behind the cells."""

    head: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...] = ()
    frame: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def markdown(self) -> str:
        """A pipe table with its heading as a caption, and a paragraph a sentence."""
        parts = [f"**{marked(self.head)}**"] if not self.rows else []
        if self.rows:
            head = [marked(c) for c in self.columns]
            dashes = ["---" if i == 0 else "---:" for i in range(len(head))]
            body = [[marked(x) for x in row] for row in self.rows]
            parts += ["\n".join(f"| {' | '.join(r)} |" for r in [head, dashes, *body]), f": {marked(self.head)}"]
        return "\n\n".join([*parts, *map(marked, self.lines)]) + "\n"

    def html(self) -> str:
        """A table with its caption, and a paragraph a sentence."""
        caption, said = escape(self.head), "".join(f"<p>{escape(x)}</p>" for x in self.lines)
        if not self.rows:
            return f"<p><strong>{caption}</strong></p>{said}"
        head = "".join(f'<th scope="col">{escape(c)}</th>' for c in self.columns)
        head = f"<thead><tr>{head}</tr></thead>" if any(self.columns) else ""
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(x)}</td>" for x in row[1:])}</tr>'
            for row in self.rows
        )
        return f"<table><caption>{caption}</caption>{head}<tbody>{body}</tbody></table>{said}"


class Displayed:
    """What notebooks, Quarto and pandoc can show, and what is written as a table."""

    def _display(self) -> Shown:
        return of_any(self)

    def _written(self) -> Shown:
        """The table as files have it: every row, and the numbers behind the cells where there are any."""
        shown = of_any(self, most=None) if type(self)._display is Displayed._display else self._display()
        frame = callable(getattr(type(self), "to_frame", None))
        return replace(shown, frame=self.to_frame()) if frame else shown  # type: ignore[attr-defined]

    def to_html(self) -> str:
        """The table as HTML: caption, headings, rows, and what is said of it."""
        return verbs.call(self, "to_html")

    def to_csv(self) -> str:
        """The numbers of the table as CSV, for a spreadsheet."""
        return verbs.call(self, "to_csv")

    def to_latex(self) -> str:
        """The table for LaTeX (booktabs, tabularx)."""
        return verbs.call(self, "to_latex")

    def to_docx(self, path: str | Path) -> Path:
        """The table as a Word file at ``path``."""
        return verbs.call(self, "to_docx", path)

    def _repr_html_(self) -> str | None:
        return None if quarto.running() else self._display().html()

    def _repr_markdown_(self) -> str:
        return self._display().markdown()


class Lines(str):
    """Text that a notebook shows line by line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return "  \n".join(marked(line) for line in self.splitlines()) + "\n"

    def _repr_html_(self) -> str | None:
        if quarto.running():
            return None
        return f"<p>{'<br>'.join(escape(line) for line in self.splitlines())}</p>"


def marked(words: str) -> str:
    """Words that markdown shows as they stand."""
    return _SPECIAL.sub(r"\\\1", words)


def of_pool(text: str) -> Shown:
    """A pool as the console tells it: what has a label is a row."""
    head, *rest = text.splitlines()
    rows, lines = [], []
    for line in rest:
        found = _LABELLED.fullmatch(line)
        if found:
            label, value = (x for x in found.groups() if x is not None)
            rows.append((label, " ".join(value.split())))
        else:
            lines.append(line.strip())
    return Shown(head, ("", ""), tuple(rows), tuple(lines))


def of_coefficients(text: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Shown:
    """Coefficients as a table, and what the console says around it."""
    head, *rest = text.splitlines()
    table = tuple(tuple(row) for row in rows)
    lines = [x for x in rest if x[:1].strip() and not any(x.startswith((f"{row[0]} ", f"{row[0]}:")) for row in table)]
    return Shown(head, tuple(columns), table, tuple(lines))


def of_any(result: Any, most: int | None = _MOST_ROWS) -> Shown:
    """Any other answer: its sentences, and its tidy table where it has one of at most so many rows."""
    said = [x for x in str(result).splitlines() if x.strip()]
    frame = _frame(result)
    if frame is None or (most is not None and len(frame) > most):
        return Shown(said[0].strip(), (), (), tuple(x.strip() for x in said[1:]))
    columns, rows = cells_of(frame)
    head, *rest = [x.strip() for x in said if not re.search(r"\S\s{2,}\S", x)] or [type(result).__name__]  # no printed table
    return Shown(head, columns, rows, tuple(rest))


def _frame(result: Any) -> pd.DataFrame | None:
    if not callable(getattr(type(result), "to_frame", None)):
        return None
    try:
        return result.to_frame(on="read")
    except (TypeError, InputError):  # it has no effects, or none that can be turned
        return result.to_frame()


def cells_of(frame: pd.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Heads and cells of a table as text; a single row is told from top to bottom."""
    frame = frame.loc[:, [c for c in frame if c != "se" or not frame[c].isna().all()]]  # of no use on a turned scale
    names = [str(c) for c in frame.columns]
    rows = [[_cell(x) for x in row] for row in frame.itertuples(index=False)]
    if len(rows) == 1 and len(names) > 6:
        return ("", ""), tuple((n, x) for n, x in zip(names, rows[0], strict=True) if x != tx.MISSING)
    return tuple(names), tuple(map(tuple, rows))


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return tx.MISSING if value is None else "yes" if value else "no"
    if isinstance(value, (int, float)) or hasattr(value, "dtype"):
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, float):
            return tx.MISSING if math.isnan(number) else tx.short(number, 4)
        return str(number)
    return " ".join(str(value).split())
