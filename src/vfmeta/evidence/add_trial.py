"""A new trial into the tables: checked first, written whole or not at all, and taken back as it was."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from vfmeta.core.messages import InputError
from vfmeta.evidence.table_edits import inserted, tried, written
from vfmeta.evidence.trial_form import Rows
from vfmeta.trials import Trials, schema
from vfmeta.trials.loading import load_checked

Say = Callable[[str], None]


def completed(rows: Rows) -> Rows:
    """Rows with what follows from the others: whose trial and source they are, and that a figure was read once."""
    studies, sources = rows.get("studies", []), rows.get("sources", [])
    if len(studies) != 1:
        raise InputError(f"A form is of one trial; studies has {len(studies)} rows.")
    study = studies[0].get("study_id", "")
    if not study:
        raise InputError("studies, row 1, column study_id: a value is required here, such as smith2024.")
    source = sources[0].get("source_id") or f"{study}_paper" if sources else ""
    named = {"sources": {"source_id": source}, "studies": {"cohort_id": study}, "row_flags": {}}
    out: Rows = {}
    for table, given in rows.items():
        for i, row in enumerate(given):
            cells = {**named.get(table, {"study_id": study}), **{k: v for k, v in row.items() if v}}
            if table in schema.FIGURE_TABLES:
                alone = {"reading": "single", "use": "no", "source_id": source}
                cells = {**alone, "row_id": _row_id(study, cells, i), **cells}
            out.setdefault(table, []).append(cells)
    read = list(dict.fromkeys(s["source_id"] for s in out.get("sources", [])))
    out["study_sources"] = [{"study_id": study, "source_id": x} for x in read]
    out["arm_sources"] = [{"study_id": study, "arm_id": a.get("arm_id", ""), "source_id": x} for a in out.get("arms", [])
                          for x in read[:1]]  # fmt: skip
    return out


def _row_id(study: str, cells: dict[str, str], i: int) -> str:
    arms = [cells[c] for c in ("arm_id", "arm_experimental", "arm_control") if cells.get(c)]
    time = f"{cells['time_value']}{cells.get('time_unit', '')[:1]}" if cells.get("time_value") else "nt"
    ends = [cells[c] for c in ("value_type", "measure") if cells.get(c)]
    return "-".join([study, *arms, cells.get("outcome_id", str(i + 1)), time, *ends])


def changed_files(rows: Rows, folder: Path) -> dict[str, bytes]:
    """Content of every table that the rows change, by file name."""
    files = {}
    for table, given in rows.items():
        columns = list(schema.fields(table))
        if strange := [c for row in given for c in row if c not in columns]:
            raise InputError(f"{table}: no column {', '.join(dict.fromkeys(strange))}.")
        name = schema.tables()[table]["path"]
        if given:
            files[name] = inserted((folder / name).read_bytes(), columns, given)
    return files


def _in_the_form(problem: str, rows: Rows, files: dict[str, bytes]) -> str:
    """A problem of a table that would be, placed by the row of the form where it is one of these."""
    found = re.match(r"(\w+)\.csv, row (\d+)", problem)
    if found is None or found[1] not in rows:
        return problem
    text = files[schema.tables()[found[1]]["path"]].decode("utf-8-sig")
    row = list(csv.DictReader(io.StringIO(text, newline="")))[int(found[2]) - 2]
    given = next((i for i, x in enumerate(rows[found[1]]) if {k: v for k, v in row.items() if v} == x), None)
    return problem if given is None else f"{found[1]}, row {given + 1}{problem[found.end() :]}"


def add(rows: Rows, folder: str | Path, *, dry_run: bool = False, say: Say = print) -> tuple[Trials, Trials]:
    """Add a trial to the tables of a folder.

    Parameters
    ----------
    rows : dict
        Of `completed`: rows of each table.
    folder : str or path
        The trial tables.
    dry_run : bool
        Check and say what would be written, and write nothing.
    say : callable
        Takes each line of what is done.

    Returns
    -------
    Trials, Trials
        The tables before and after.

    Raises
    ------
    InputError
        Anything is wrong with the tables as they would be; nothing is written then.
    """
    folder = Path(folder)
    before = load_checked(folder)
    files = changed_files(rows, folder)
    try:
        after = tried(folder, files)
    except InputError as error:
        raise InputError([_in_the_form(x, rows, files) for x in error.problems]) from error
    for table, given in rows.items():
        for row in given:
            say(f"+ {schema.tables()[table]['path']}: {', '.join(f'{k} {v}' for k, v in row.items() if v)}")
    for figure in sorted(set(after.slips) - set(before.slips)):
        say(f"to be read again, in no pool until then: {figure[1]}: {after.slips[figure]}")
    if dry_run:
        say("no table was changed")
        return before, after
    written(folder, files, remembered=True)
    say(f"written; 'vfmeta add-trial --undo --trials {folder}' takes it back")
    return before, after
