"""Tables as CSV whose cells no spreadsheet runs.

Text that begins like a formula (``=``, ``+``, ``-``, ``@``, tab, line break) gets an apostrophe in front; numbers stay numbers.
Who reads such a file with something else than a spreadsheet takes the apostrophe off again with `as_meant`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with lines of any kind of plain value; floats to 10 digits, nothing for None."""
    return "".join(_line([_cell(x) for x in row]) for row in (header, *rows))


def _line(cells: list[str]) -> str:
    """One line; Python 3.11 quotes a lone carriage return only where lines end in one."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()[:-2] + "\n"


def as_meant(cell: str) -> str:
    """The text that a cell of `as_csv` stands for.

    Examples
    --------
    >>> as_meant("'=1+1"), as_meant("-0.5"), as_meant("O'Neill 2001")
    ('=1+1', '-0.5', "O'Neill 2001")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
