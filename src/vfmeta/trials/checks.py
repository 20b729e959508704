"""Everything that is wrong with a folder of trial tables, place by place.

Frictionless holds each table against the schema (types, allowed values, keys); ``rules`` adds what goes across columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.trials import schema

if TYPE_CHECKING:
    import pandas as pd


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


_TODO = {
    "missing-label": "Add the column; its name stands in datapackage.json.",
    "extra-label": "Remove the column or correct its name.",
    "incorrect-label": "Put the columns in the order of datapackage.json, with the names that stand there.",
    "duplicate-label": "Give each column one name.",
    "blank-label": "Name the column.",
    "type-error": "Write a value of that type, or leave the cell empty.",
    "constraint-error": "Use an allowed value.",
    "unique-error": "Make the value unique or remove the row.",
    "primary-key": "Two rows share the key: remove one, or correct its key.",
    "foreign-key": "Correct the identifier or add it to the table it refers to.",
    "extra-cell": "Remove the surplus cell; quote a text that holds a comma.",
    "missing-cell": "Fill up the row: every row has as many cells as the header.",
    "blank-row": "Remove the empty row.",
}


def problems_in(folder: str | Path) -> tuple[list[Problem], dict[str, pd.DataFrame] | None]:
    """All problems of a folder, and its tables as text when they could be read at all."""
    path = Path(folder)
    if not path.is_dir():
        return [Problem(str(folder), 0, "", "", "There is no such folder.", "Name a folder that holds the trial tables.")], None
    missing = [r["path"] for r in schema.tables().values() if not (path / r["path"]).is_file()]
    if missing:
        todo = "Add the file (a header line is enough); its columns stand in datapackage.json."
        return [Problem(name, 0, "", "", "The file is missing.", todo) for name in missing], None
    found = _against_schema(path)
    if any(p.row <= 1 for p in found):
        return sorted(found), None
    from vfmeta.trials.rules import broken_rules
    from vfmeta.trials.store import read_text_tables

    text = read_text_tables(path)
    if not found:
        found = broken_rules(text)
    return sorted(set(found)), text


def validate(folder: str | Path | None = None) -> list[Problem]:
    """Every problem in a folder of trial tables (the packaged ones when left out); an empty list when all is well.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.validate()
    []
    """
    return problems_in(folder if folder is not None else schema.packaged_folder())[0]


def _against_schema(folder: Path) -> list[Problem]:
    from frictionless import Package, system

    with system.use_context(trusted=True):
        report = Package.from_descriptor(schema.package(), basepath=str(folder)).validate()
    found = []
    for task in report.tasks:
        file = schema.tables()[task.name]["path"]
        for error in task.errors:
            found += _translated(file, error)
    for error in report.errors:
        found.append(Problem("datapackage.json", 0, "", "", error.message, "Restore the packaged descriptor."))
    return found


def _translated(file: str, error: Any) -> list[Problem]:
    """A Frictionless error as problems that name the column and say what to do."""
    row = getattr(error, "row_number", 0) or 0
    todo = _TODO.get(error.type, "Correct the file.")
    if error.type in {"type-error", "constraint-error"}:
        field = schema.fields(Path(file).stem).get(error.field_name, {})
        enum = field.get("constraints", {}).get("enum")
        if enum:
            todo = f"Use one of: {', '.join(enum)}."
        elif error.type == "type-error":
            todo = f"Write a plain {field.get('type')}, or leave the cell empty."
        return [Problem(file, row, error.field_name, error.cell or "", _sentence(error.note), todo)]
    if error.type == "foreign-key":
        columns, values = ", ".join(error.field_names), ", ".join(map(str, error.field_cells))
        return [Problem(file, row, columns, values, f"No such entry in {error.reference_name}.csv.", todo)]
    if error.type == "primary-key":
        key = schema.tables()[Path(file).stem]["schema"]["primaryKey"]
        names = list(schema.fields(Path(file).stem))
        cells = [error.cells[names.index(k)] for k in key if names.index(k) < len(error.cells)]
        return [Problem(file, row, ", ".join(key), ", ".join(cells), "The key stands in an earlier row too.", todo)]
    column = getattr(error, "field_name", "") or getattr(error, "label", "") or ""
    return [Problem(file, row, column, "", _sentence(error.note or error.message), todo)]


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
