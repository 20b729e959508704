"""One fault in the trial tables: where it stands and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One fault: where it stands, what stands there, what is wrong and what to do.

    ``row`` counts as a spreadsheet does: the header is row 1. It is 0 where the fault is the whole file's.
    """

    file: str
    row: int
    column: str
    value: str
    message: str
    todo: str

    def __str__(self) -> str:
        place = self.file + (f", row {self.row}" if self.row else "") + (f", column {self.column}" if self.column else "")
        value = f" (value {self.value!r})" if self.value else ""
        return f"{place}{value}: {self.message} {self.todo}".strip()
