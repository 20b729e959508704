"""Trial tables are loaded whole or not at all: everything that is wrong with a folder of them, place by place.

``reading`` says which files are tables at all, Frictionless holds each table against the schema (types, allowed values,
keys), and ``rules`` adds what goes across columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, did_you_mean
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
# Frictionless and pandas disagree on what a number is ("NaN", "INF", "1_0", digits of other scripts); only what both read alike
# passes.
_PLAIN = {
    "integer": re.compile(r"[+-]?[0-9]+"),
    "number": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
_LARGEST, _SMALLEST = 1e12, 1e-100  # no trial prints more or less, and squares and products stay finite


_NO_ENTRY = "No such entry in"

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
    cells = _faulty_cells(text)
    places = {(p.file, p.row, p.column) for p in cells}
    found = [*(p for p in (against_schema or faults_of)(path) if (p.file, p.row, p.column) not in places), *cells]
    found = [_with_nearest(p, text) for p in found]
    # A row that already has a fault is not held against the rules: it is reported once, and the rest is still checked.
    faulty = {(p.file, p.row) for p in found}
    readable = _readable(text, found)
    found += [p for p in broken_rules(readable, assemble(readable)) if (p.file, p.row) not in faulty]
    return sorted(set(found)), text


def checked(folder: str | Path) -> tuple[list[Problem], list[Problem]]:
    """All problems of a folder, and the figures of sound rows that look like slips: those load, but enter no pool."""
    found, text = problems_in(folder)
    if text is None:
        return found, []
    faulty = {(p.file, p.row) for p in found}
    from vfmeta.trials.slips import slips_in
    from vfmeta.trials.store import Trials, assemble

    text = _readable(text, found)
    odd = slips_in(Trials(Path(folder), assemble(text)), text).values()
    return found, sorted(p for p in odd if (p.file, p.row) not in faulty)


def validate(folder: str | Path | None = None) -> list[Problem]:
    """Every problem in a folder of trial tables (the packaged ones when left out); an empty list when all is well.

    Slips are among them: figures that do not fit the figures beside them (a limit far from its estimate, an SD ten times the
    usual one). They do not keep the tables from loading, but their rows stay out of every pool until they are corrected or a
    flag in ``row_flags.csv`` says that the source prints them so.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.validate()
    []
    """
    found, odd = checked(folder if folder is not None else schema.packaged_folder())
    return sorted([*found, *odd])


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
        row is dropped and nothing is loaded. A figure that only looks like a slip is loaded and kept out of pools
        (``trials.slips``; `vfmeta.validate` lists them).

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
    from vfmeta.trials.slips import slips_in
    from vfmeta.trials.store import Trials, assemble

    trials = Trials(path, assemble(text))
    trials.slips.update({figure: odd.message for figure, odd in slips_in(trials, text).items()})
    return trials


def faults_of(folder: Path, tables: Sequence[str] | None = None) -> list[Problem]:
    """What Frictionless has to say of the tables of a folder, or of some of them with the keys they refer to."""
    from frictionless import FrictionlessException, Package, system

    found, asked = [], list(schema.tables()) if tables is None else list(tables)
    needed = {*asked, *(name for table in asked for name in schema.references(table))}
    told = schema.package()
    descriptor = {**told, "resources": [r for r in told["resources"] if r["name"] in needed]}
    with system.use_context(trusted=True):
        try:
            package = Package.from_descriptor(descriptor, basepath=str(folder))
            package.to_descriptor(validate=True)
        except FrictionlessException as error:
            todo = "Restore the packaged descriptor."
            return [Problem("datapackage.json", 0, "", "", fault.message, todo) for fault in error.to_errors()]
        for name in asked:
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
        return [Problem(file, row, columns, values, f"{_NO_ENTRY} {error.reference_name}.csv.", todo)]
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
        return (
            f"This is not an allowed value.{did_you_mean(cell, limits['enum'])}",
            f"Use one of: {', '.join(limits['enum'])}{empty_too}.",
        )
    if "pattern" in limits:
        return "This cannot be an identifier.", f"Use letters, digits and underscores as in {limits['pattern']}."
    low, high = limits.get("minimum"), limits.get("maximum")
    bounds = f"at least {low}" if high is None else f"at most {high}" if low is None else f"between {low} and {high}"
    return f"The value must be {bounds}.", f"Read it again{empty_too}."


def fault_of_cell(table: str, column: str, cell: str) -> tuple[str, str] | None:
    """What is wrong with a cell by itself and what to do: blanks, and numbers not plain, not finite or of no size to print."""
    field = schema.fields(table)[column]
    kind, bare = field["type"], cell.strip()
    plain = _PLAIN.get(kind)
    if cell and not bare:
        required = field.get("constraints", {}).get("required")
        return ("A blank is no value.", "Fill in the cell." if required else "Leave the cell empty.")
    if plain is None or not cell:
        return None
    if not plain.fullmatch(bare):
        return _cell_fault(table, column, "type-error", "")
    if cell != bare:
        return "A blank stands beside the number.", f"Write {bare}."
    size = abs(float(bare))
    if size > _LARGEST or (float(bare) == 0) != (not re.search("[1-9]", re.split("[eE]", bare)[0])) or 0 < size < _SMALLEST:
        return "No figure of a trial is that large or that small.", "Read it again."
    return None


def _faulty_cells(text: dict[str, pd.DataFrame]) -> list[Problem]:
    found = []
    for name, frame in text.items():
        for column in schema.fields(name):
            for i, cell in enumerate(frame[column].tolist()):
                fault = fault_of_cell(name, column, cell)
                if fault is not None:
                    found.append(Problem(schema.tables()[name]["path"], i + 2, column, cell, *fault))
    return found


def _with_nearest(p: Problem, text: dict[str, pd.DataFrame]) -> Problem:
    """A problem of an unknown identifier with the nearest known one, an arm among those of its study."""
    if not p.message.startswith(_NO_ENTRY):
        return p
    table = next(name for name, resource in schema.tables().items() if resource["path"] == p.file)
    key = next(k for k in schema.tables()[table]["schema"]["foreignKeys"] if ", ".join(k["fields"]) == p.column)
    there = text[key["reference"]["resource"] or table]
    cells = text[table].loc[p.row - 2, key["fields"]].tolist()
    names = list(key["reference"]["fields"])
    for i, (name, cell) in enumerate(zip(names, cells, strict=True)):
        if cell not in set(there[name]):
            return replace(p, message=p.message + did_you_mean(cell, there[name].unique()))
        there = there[there[name] == cell] if i + 1 < len(names) else there
    return p


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
