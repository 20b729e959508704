"""A new trial into the tables: checked first, written whole or not at all, and taken back as it was."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.evidence.trial_form import Rows
from vfmeta.trials import Trials, checked, schema
from vfmeta.trials.loading import load_checked

Say = Callable[[str], None]


def journal_of(folder: Path) -> Path:
    """Where the last addition to a folder of tables is remembered: beside it, not among the tables."""
    folder = folder.resolve()
    return folder.parent / f".{folder.name}-last-addition.json"


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


def inserted(content: bytes, columns: list[str], rows: list[dict[str, str]]) -> bytes:
    """The bytes of a table with more rows, each where the order of its first column has it, else at the end.

    What stands there already stays as it is, byte for byte.
    """
    text = content.decode("utf-8-sig")
    end = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += end
    lines = io.StringIO(text, newline="").readlines()
    reader, records, keys, at = csv.reader(iter(lines)), [], [], 0
    for cells in reader:
        records.append("".join(lines[at : reader.line_num]))
        keys.append(cells[0] if cells else "")
        at = reader.line_num
    head, records, keys = records[0], records[1:], keys[1:]
    ordered = keys == sorted(keys)
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=end).writerow([row.get(c, "") for c in columns])
        place = bisect_right(keys, row.get(columns[0], "")) if ordered else len(records)
        records.insert(place, buffer.getvalue())
        keys.insert(place, row.get(columns[0], ""))
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    return mark + (head + "".join(records)).encode()


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
    with tempfile.TemporaryDirectory(prefix="vfmeta-") as room:
        trial = Path(room) / folder.resolve().name
        trial.mkdir()
        for resource in schema.tables().values():
            shutil.copyfile(folder / resource["path"], trial / resource["path"])
        for name, content in files.items():
            (trial / name).write_bytes(content)
        found, _ = checked(trial)
        if found:
            raise InputError([str(p) for p in found])
        after = load_checked(trial)
    for table, given in rows.items():
        for row in given:
            say(f"+ {schema.tables()[table]['path']}: {', '.join(f'{k} {v}' for k, v in row.items() if v)}")
    for figure in sorted(set(after.slips) - set(before.slips)):
        say(f"to be read again, in no pool until then: {figure[1]}: {after.slips[figure]}")
    if dry_run:
        say("nothing was written")
        return before, after
    _write(folder, files)
    say(f"written; 'vfmeta add-trial --undo --trials {folder}' takes it back")
    return before, after


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All files or none: the journal comes first, and what was written is taken back where one cannot be."""
    was = {name: (folder / name).read_bytes() for name in files}
    entry = {
        name: {"before": base64.b64encode(was[name]).decode(), "after": _digest(content)} for name, content in files.items()
    }
    write(journal_of(folder), json.dumps(entry, indent=1, sort_keys=True) + "\n")
    try:
        for name, content in files.items():
            write(folder / name, content)
    except OSError:
        for name, content in was.items():
            write(folder / name, content)
        journal_of(folder).unlink()
        raise


def undo(folder: str | Path) -> list[str]:
    """Take back the last addition, byte for byte; the names of the files.

    Raises
    ------
    InputError
        There is none, or a table was changed since.
    """
    folder = Path(folder)
    journal = journal_of(folder)
    if not journal.is_file():
        raise InputError(f"{folder}: no addition of a trial is remembered, so none can be taken back.")
    try:
        entry: dict[str, Any] = json.loads(journal.read_text(encoding="utf-8"))
        was = {name: base64.b64decode(held["before"], validate=True) for name, held in entry.items()}
        wrote = {name: str(held["after"]) for name, held in entry.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{journal.name}: damaged ({error}); take the trial out by hand.") from error
    known = {resource["path"] for resource in schema.tables().values()}
    if strange := sorted(set(was) - known):
        raise InputError(f"{journal.name}: damaged (no table is called {', '.join(strange)}); take the trial out by hand.")
    touched = [n for n in was if _digest((folder / n).read_bytes()) not in (wrote[n], _digest(was[n]))]
    if touched:
        raise InputError(f"{', '.join(touched)} changed since the trial was added; take it out by hand.")
    for name, content in was.items():
        write(folder / name, content)
    journal.unlink()
    return sorted(was)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
