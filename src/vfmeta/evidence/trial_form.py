"""The form of a new trial: one line a cell, with what it may hold beside it, as CSV or XLSX; written empty and read filled."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vfmeta.core.files import whole, write
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.text.csv_cells import as_csv, as_meant
from vfmeta.trials import Trials, schema
from vfmeta.trials.loading import fault_of_cell

#: tables of the form and how many rows of each it offers; more are made by copying lines and counting on
OFFERED = {
    "sources": 1,
    "studies": 1,
    "arms": 2,
    "outcomes_continuous": 2,
    "outcomes_binary": 2,
    "contrasts": 1,
    "row_flags": 1,
}
COLUMNS = ("table", "row", "column", "value", "required", "may be", "what it is")
#: what follows from the rest where it is left empty
_MADE = {"cohort_id", "reading", "use", "row_id", "source_id", "study_id"}
#: what a row has from the study or the source of the form, by the table where it is asked
_FOLLOWS = {"study_id": "studies", "source_id": "sources", "row_id": ""}
Rows = dict[str, list[dict[str, str]]]


def form(given: Rows | None = None) -> list[tuple[str, ...]]:
    """Lines of the form, with the cells that are known."""
    lines: list[tuple[str, ...]] = []
    for table, count in OFFERED.items():
        known = (given or {}).get(table, [])
        for i in range(max(count, len(known))):
            for name, field in schema.fields(table).items():
                needed = field.get("constraints", {}).get("required") and not (name in _MADE and table != "studies")
                value = known[i].get(name, "") if i < len(known) else ""
                said = "yes" if needed and name != "cohort_id" else ""
                lines.append((table, str(i + 1), name, value, said, _may_be(table, name), field.get("description", "")))
    return lines


def _may_be(table: str, column: str) -> str:
    field = schema.fields(table)[column]
    if allowed := schema.allowed(table, column):
        return f"one of: {', '.join(allowed)}"
    homes = [
        k["reference"]["resource"] for k in schema.tables()[table]["schema"].get("foreignKeys", []) if column in k["fields"]
    ]
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(field["type"], "")
    return f"an identifier of {homes[0]}.csv, or of this form" if homes else kind


def write_form(path: str | Path, given: Rows | None = None) -> Path:
    """The form as CSV, or as a workbook where the name ends in .xlsx."""
    path = Path(path)
    if path.suffix.lower() == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "trial"
        for line in (COLUMNS, *form(given)):
            sheet.append([cell or None for cell in line])
            for cell in sheet[sheet.max_row]:
                if cell.value is not None:
                    cell.data_type = "s"  # an operator "=" is no formula
        sheet.freeze_panes = "A2"
        for letter, width in zip("ABCDEFG", (20, 6, 22, 30, 9, 60, 80), strict=True):
            sheet.column_dimensions[letter].width = width
        with whole(path) as temporary:
            book.save(temporary)
    elif path.suffix.lower() == ".csv":
        write(path, as_csv(COLUMNS, form(given)))
    else:
        raise InputError(f"{path.name}: a form is written as .csv or .xlsx.")
    return path


def read_form(path: str | Path) -> Rows:
    """The filled cells of a form by table and row.

    Raises
    ------
    InputError
        Every line that names no table, row or column, or a cell twice.
    """
    from vfmeta.exchange.sheets import delimited, workbook

    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}. 'vfmeta template {path}' writes an empty form.")
    frame = workbook(path) if path.suffix.lower() == ".xlsx" else delimited(path)
    if missing := [c for c in COLUMNS[:4] if c not in frame]:
        raise InputError(f"{path.name}: no form of a trial, for it has no column {', '.join(missing)}.")
    found: dict[str, dict[str, dict[str, str]]] = {}
    problems = []
    for at, (table, row, column, value) in enumerate(zip(*(frame[c] for c in COLUMNS[:4]), strict=True), start=2):
        text = _text(value)
        if not text:
            continue
        place = f"{path.name}, line {at}"
        if table not in OFFERED:
            problems.append(f"{place}, column table: {table!r} is none of a trial.{did_you_mean(str(table), OFFERED)}")
        elif column not in schema.fields(table):
            problems.append(
                f"{place}, column column: {table} has no {column!r}.{did_you_mean(str(column), schema.fields(table))}"
            )
        elif column in (cells := found.setdefault(table, {}).setdefault(_text(row), {})):
            problems.append(f"{place}: {table}, row {_text(row)} has a {column} already; count the row on.")
        else:
            cells[column] = text
    if problems:
        raise InputError(problems)
    if not found:
        raise InputError(f"{path.name}: no cell of the form is filled.")
    return {table: list(rows.values()) for table, rows in found.items()}


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, (int, float)) else as_meant(str(value).strip())


def of_reference(file: str | Path) -> Rows:
    """Study and source as the only record of a RIS, BibTeX or PubMed file tells them."""
    from vfmeta.exchange.references import read_references

    records = read_references(file)
    if len(records) != 1:
        raise InputError(f"{Path(file).name}: {len(records)} records; give a file with the one record of the trial.")
    record = {name: _text(None if value is None else value) for name, value in records.iloc[0].items() if name != "line"}
    author = re.sub(
        r"\s+[^\W\d_a-z]{1,4}$", "", record["authors"].split(";")[0].strip()
    )  # without initials, which a group lacks
    study = re.sub(r"\W", "", author, flags=re.ASCII).lower() + record["year"]
    known = {name: record[name] for name in ("year", "title", "doi", "pmid", "registration")}
    source = {"source_id": f"{study}_paper", "citation": record["citation"], "doi": record["doi"], "pmid": record["pmid"]}
    return {
        "sources": [{**source, "kind": "primary_report"}],
        "studies": [{"study_id": study, "first_author": author, **known}],
    }


def joined(rows: Rows, known: Rows | None) -> Rows:
    """Filled rows, with what a reference knows where a cell is empty."""
    out = {table: [dict(row) for row in given] for table, given in rows.items()}
    for table, (cells,) in (known or {}).items():
        first = out.setdefault(table, [{}])[0]
        out[table][0] = {**{k: v for k, v in cells.items() if v}, **first}
    return out


def ask(trials: Trials, answer: Callable[[str], str], say: Callable[[str], None], given: Rows | None = None) -> Rows:
    """The rows of a trial, asked cell by cell; an empty answer leaves a cell empty, and a wrong one is asked again."""
    found: Rows = {}
    for table in OFFERED:
        given_rows, once = (given or {}).get(table, []), table in ("sources", "studies")
        for i in range(1 if once else 100):
            known = given_rows[i] if i < len(given_rows) else {}
            more = f"One more row of {table} (y, or nothing to go on)? "
            if not (once or known or answer(more).strip().lower() in ("y", "yes")):
                break
            cells = {}
            for name in (x for x in schema.fields(table) if x not in _FOLLOWS or _FOLLOWS[x] == table):
                if text := _ask_one(trials, table, name, known.get(name, ""), found, answer, say):
                    cells[name] = text
            found.setdefault(table, []).append(cells)
    return found


def _ask_one(
    trials: Trials, table: str, column: str, known: str, found: Rows, answer: Callable[[str], str], say: Callable[[str], None]
) -> str:
    field = schema.fields(table)[column]
    needed = bool(field.get("constraints", {}).get("required")) and column not in _MADE
    may_be = _may_be(table, column)
    while True:
        hint = f" ({may_be})" if may_be else ""
        text = answer(f"{table}, {column}{hint}{f' [{known}]' if known else ''}: ").strip() or known
        if not text and not needed:
            return ""
        wrong = _wrong(trials, table, column, text, found)
        if not wrong:
            return text
        say(wrong)


def _wrong(trials: Trials, table: str, column: str, text: str, found: Rows) -> str:
    """What is wrong with an answer, with the nearest word of the vocabulary."""
    if not text:
        return f"{column} is needed: {schema.fields(table)[column].get('description', '')}"
    if fault := fault_of_cell(table, column, text):
        return " ".join(fault)
    allowed = schema.allowed(table, column)
    if allowed and text not in allowed:
        return f"{text!r} is not an allowed value.{did_you_mean(text, allowed)} Use one of: {', '.join(allowed)}."
    for key in schema.tables()[table]["schema"].get("foreignKeys", []):
        home = key["reference"]["resource"]
        if key["fields"] == [column] and home not in ("studies",):
            name = key["reference"]["fields"][0]
            ids = {*map(str, trials.frames[home][name]), *(row.get(name, "") for row in found.get(home, []))}
            if text not in ids:
                return f"No {text!r} in {home}.csv.{did_you_mean(text, sorted(ids))}"
    return ""
