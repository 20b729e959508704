"""A folder of CSV files as text, or every reason why a file cannot be read as a table at all.

This comes before any schema: a file in the wrong encoding, with other columns or with torn rows is told apart from a
table that holds wrong values, and no row is ever skipped.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pandas as pd

from vfmeta.trials import schema
from vfmeta.trials.problem import Problem


def read_text(folder: Path) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
    """Every table of the schema as text (empty cells as empty strings), with the problems of the files."""
    tables: dict[str, pd.DataFrame] = {}
    problems: list[Problem] = []
    for name, resource in schema.tables().items():
        frame, found = _one(folder / resource["path"], resource["path"], list(schema.fields(name)))
        problems += found
        if frame is not None:
            tables[name] = frame
    return tables, problems


def _one(path: Path, file: str, columns: list[str]) -> tuple[pd.DataFrame | None, list[Problem]]:
    def whole(message: str, todo: str, column: str = "", value: str = "") -> list[Problem]:
        return [Problem(file, 0, column, value, message, todo)]

    if not path.is_file():
        return None, whole(
            "The file is missing.", "Add the file (a header line is enough); its columns stand in datapackage.json."
        )
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        return None, whole(f"The file cannot be opened ({error.strerror}).", "Make it readable.")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        bad = content[error.start : error.start + 1]
        return None, [Problem(file, row, "", repr(bad)[1:], "The file is not UTF-8 text.", "Save it as CSV UTF-8.")]
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return None, whole(
            f"The file is not a CSV table ({error}).", "Close every quotation mark; quote a text that holds a comma."
        )
    if not rows or not any(rows[0]):
        return None, whole("The file is empty.", "Write a header line; its columns stand in datapackage.json.")
    header, body = rows[0], rows[1:]
    if header != columns:
        return None, _header(file, header, columns)
    torn = _torn(file, body, len(columns))
    return (None, torn) if torn else (pd.DataFrame(body, columns=columns, dtype="str"), [])


def _header(file: str, header: list[str], columns: list[str]) -> list[Problem]:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t") and len(columns) > 1:
        return [Problem(file, 1, "", "", "The columns are not separated by commas.", "Save it as CSV with commas.")]
    found = [
        Problem(file, 1, column, "", "The column is missing.", "Add the column; its name stands in datapackage.json.")
        for column in columns
        if column not in header
    ]
    found += [
        Problem(file, 1, column, "", "No such column in the schema.", "Remove the column or correct its name.")
        for column in header
        if column not in columns
    ]
    found += [
        Problem(file, 1, column, "", "The column stands twice.", "Remove one of them.")
        for column, count in Counter(header).items()
        if count > 1 and column in columns
    ]
    if not found:
        found = [
            Problem(file, 1, "", "", "The columns are in another order.", f"Put them in this order: {', '.join(columns)}.")
        ]
    return found


def _torn(file: str, body: list[list[str]], width: int) -> list[Problem]:
    found = []
    for i, cells in enumerate(body):
        if not any(cells):
            found.append(Problem(file, i + 2, "", "", "The row is empty.", "Remove it."))
        elif len(cells) > width:
            surplus = ", ".join(cells[width:])
            todo = "Remove the surplus cells; quote a text that holds a comma."
            found.append(Problem(file, i + 2, "", surplus, f"The row has {len(cells)} cells, the header {width}.", todo))
        elif len(cells) < width:
            todo = "Fill up the row: every row has as many cells as the header."
            found.append(Problem(file, i + 2, "", cells[0], f"The row has {len(cells)} cells, the header {width}.", todo))
    return found
