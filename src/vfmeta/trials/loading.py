"""Trial tables are loaded whole or not at all: everything that is wrong with a folder of them, place by place.

``reading`` says which files are tables at all, Frictionless holds each table against the schema (types, allowed values,
keys), and ``rules`` adds what goes across columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.trials import schema
from vfmeta.trials.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.trials.store import Trials

_WRITE = {
    "boolean": "true or false",
    "integer": "a whole number in plain digits",
    "number": "a plain number with a decimal point",
}
# Frictionless and pandas disagree on what a number is ("NaN", "INF", "1_0"); only what both read alike passes.
_PLAIN = {"integer": re.compile(r"[+-]?\d+"), "number": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")}


Faults = Callable[[Path], list[Problem]]


def problems_in(
    folder: str | Path, against_schema: Faults | None = None
) -> tuple[list[Problem], dict[str, pd.DataFrame] | None]:
    """All problems of a folder, and its tables as text when they could be read; `faults_of` holds them against the schema."""
    path = Path(folder)
    if not path.is_dir():
        return [Problem(str(folder), 0, "", "", "There is no such folder.", "Name a folder that holds the trial tables.")], None
    from vfmeta.trials.reading import read_text
    from vfmeta.trials.rules import broken_rules
    from vfmeta.trials.store import assemble

    text, found = read_text(path)
    if found:
        return sorted(found), None
    found = [*(against_schema or faults_of)(path), *_not_plain(text)]
    # A row that already has a fault is not held against the rules: it is reported once, and the rest is still checked.
    faulty = {(p.file, p.row) for p in found}
    readable = _readable(text, found)
    found += [p for p in broken_rules(readable, assemble(readable)) if (p.file, p.row) not in faulty]
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


def load_trials(folder: str | Path | None = None) -> Trials:
    """Read and check trial tables.

    Parameters
    ----------
    folder : str or path, optional
        A folder with all the tables that the packaged ``datapackage.json`` describes; the packaged tables when left out.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        Anything is wrong with any table. ``problems`` lists every fault with file, row, column, value and what to do; no
        row is dropped and nothing is loaded.

    Examples
    --------
    >>> import vfmeta as vf
    >>> bool(vf.load_trials().interventions.intervention_class.isin(["vertebroplasty"]).any())
    True
    """
    return load_checked(Path(folder) if folder is not None else schema.packaged_folder())


def load_checked(path: Path, against_schema: Faults | None = None) -> Trials:
    """As `load_trials`, the tables held against the schema by a function of the caller's own."""
    problems, text = problems_in(path, against_schema)
    if problems or text is None:
        raise InputError([str(p) for p in problems])
    from vfmeta.trials.store import Trials, assemble

    return Trials(path, assemble(text))


def faults_of(folder: Path, tables: Sequence[str] | None = None) -> list[Problem]:
    """What Frictionless has to say of the tables of a folder, or of some of them with the keys they refer to."""
    from frictionless import FrictionlessException, Package, system

    found = []
    with system.use_context(trusted=True):
        try:
            package = Package.from_descriptor(schema.package(), basepath=str(folder))
            package.to_descriptor(validate=True)
        except FrictionlessException as error:
            todo = "Restore the packaged descriptor."
            return [Problem("datapackage.json", 0, "", "", fault.message, todo) for fault in error.to_errors()]
        for name in schema.tables() if tables is None else tables:
            report = package.get_resource(name).validate()
            for fault in (*report.errors, *(e for task in report.tasks for e in task.errors)):
                found += _translated(name, schema.tables()[name]["path"], fault)
    return found


def _translated(table: str, file: str, error: Any) -> list[Problem]:
    """A Frictionless error as problems that name the column and say what to do."""
    row = getattr(error, "row_number", 0) or 0
    if error.type in {"type-error", "constraint-error"}:
        cell = "" if error.cell is None else str(error.cell)
        return [Problem(file, row, error.field_name, cell, *_cell_fault(table, error.field_name, error.type, cell))]
    if error.type == "foreign-key":
        columns, values = ", ".join(error.field_names), ", ".join(map(str, error.field_cells))
        todo = "Correct the identifier or add it to the table it refers to."
        return [Problem(file, row, columns, values, f"No such entry in {error.reference_name}.csv.", todo)]
    if error.type == "primary-key":
        key = schema.tables()[table]["schema"]["primaryKey"]
        names = list(schema.fields(table))
        cells = [error.cells[names.index(k)] for k in key]
        return [Problem(file, row, ", ".join(key), ", ".join(cells), "The key stands in an earlier row too.",
                        "Two rows share the key: remove one, or correct its key.")]  # fmt: skip
    column = getattr(error, "field_name", "") or getattr(error, "label", "") or ""
    return [Problem(file, row, column, "", _sentence(error.note or error.message), "Correct the file.")]


def _cell_fault(table: str, column: str, kind: str, cell: str) -> tuple[str, str]:
    """What is wrong with a cell that breaks its type or a constraint, and what to do."""
    field = schema.fields(table)[column]
    limits = field.get("constraints", {})
    empty_too = "" if limits.get("required") else ", or leave the cell empty"
    if kind == "type-error":
        return (
            f"This is not {_WRITE.get(field['type'], field['type'])}.",
            f"Write {_WRITE.get(field['type'], 'text')}{empty_too}.",
        )
    if cell in ("", "None"):
        todo = f"Use one of: {', '.join(limits['enum'])}." if "enum" in limits else "Fill in the cell."
        return "A value is required here.", todo
    if "enum" in limits:
        return "This is not an allowed value.", f"Use one of: {', '.join(limits['enum'])}{empty_too}."
    if "pattern" in limits:
        return "This cannot be an identifier.", f"Use letters, digits and underscores as in {limits['pattern']}."
    low, high = limits.get("minimum"), limits.get("maximum")
    bounds = f"at least {low}" if high is None else f"at most {high}" if low is None else f"between {low} and {high}"
    return f"The value must be {bounds}.", f"Read it again{empty_too}."


def _not_plain(text: dict[str, pd.DataFrame]) -> list[Problem]:
    """Numbers that are not finite, or not written in plain digits."""
    found = []
    for name, frame in text.items():
        for column, field in schema.fields(name).items():
            plain = _PLAIN.get(field["type"])
            if plain is None:
                continue
            message, todo = _cell_fault(name, column, "type-error", "")
            for i, cell in enumerate(frame[column].tolist()):
                if cell and not plain.fullmatch(cell.strip()):
                    found.append(Problem(schema.tables()[name]["path"], i + 2, column, cell, message, todo))
    return found


def _readable(text: dict[str, pd.DataFrame], found: list[Problem]) -> dict[str, pd.DataFrame]:
    """The tables with every cell emptied that is not of its type, so that the rules can look at the rest."""
    copies = dict(text)
    tables = {resource["path"]: name for name, resource in schema.tables().items()}
    for p in found:
        name = tables.get(p.file)
        if name and p.row >= 2 and schema.fields(name).get(p.column, {}).get("type", "string") != "string":
            if copies[name] is text[name]:
                copies[name] = text[name].copy()
            copies[name].iloc[p.row - 2, list(schema.fields(name)).index(p.column)] = ""
    return copies


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
