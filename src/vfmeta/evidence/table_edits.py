"""Changes of trial tables: cell by cell, the rest byte for byte as it was, checked first, written whole or not at all."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.trials import Trials, checked, schema
from vfmeta.trials.loading import load_checked


def journal_of(folder: Path) -> Path:
    """Where the last addition to a folder of tables is remembered: beside it, not among the tables."""
    folder = folder.resolve()
    return folder.parent / f".{folder.name}-last-addition.json"


def tried(folder: Path, files: Mapping[str, bytes]) -> Trials:
    """The tables as they would be with other files in place, read and checked; nothing is written to the folder.

    Raises
    ------
    InputError
        Anything would be wrong with them.
    """
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
        return load_checked(trial)


def inserted(content: bytes, columns: list[str], rows: list[dict[str, str]]) -> bytes:
    """The bytes of a table with more rows, each where the order of its first column has it, else at the end.

    What stands there already stays as it is, byte for byte.
    """
    mark, end, text = _opened(content)
    head, records, keys = _records(text)
    ordered = keys == sorted(keys)
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=end).writerow([row.get(c, "") for c in columns])
        place = bisect_right(keys, row.get(columns[0], "")) if ordered else len(records)
        records.insert(place, buffer.getvalue())
        keys.insert(place, row.get(columns[0], ""))
    return mark + (head + "".join(records)).encode()


def amended(content: bytes, keys: Sequence[str], changes: Mapping[tuple[str, ...], Mapping[str, str]]) -> bytes:
    """The bytes of a table with other values in some cells, the row told by the values of its key columns.

    Every other row stays as it is, byte for byte.
    """
    mark, end, text = _opened(content)
    head, records, _ = _records(text)
    columns = next(csv.reader([head]))
    for i, record in enumerate(records):
        if not record.strip():
            continue
        cells = dict(zip(columns, next(csv.reader(io.StringIO(record, newline=""))), strict=True))
        own = changes.get(tuple(cells[k] for k in keys))
        if own:
            buffer = io.StringIO()
            csv.writer(buffer, lineterminator=end).writerow([{**cells, **own}[c] for c in columns])
            records[i] = buffer.getvalue()
    return mark + (head + "".join(records)).encode()


def _opened(content: bytes) -> tuple[bytes, str, str]:
    """Byte-order mark, line end and text of a table; a last line without an end gets one."""
    text = content.decode("utf-8-sig")
    end = "\r\n" if "\r\n" in text else "\n"
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    return mark, end, text if not text or text.endswith("\n") else text + end


def _records(text: str) -> tuple[str, list[str], list[str]]:
    """The line of names, every record as it is written, and the first cell of each."""
    lines = io.StringIO(text, newline="").readlines()
    reader, records, keys, at = csv.reader(iter(lines)), [], [], 0
    for cells in reader:
        records.append("".join(lines[at : reader.line_num]))
        keys.append(cells[0] if cells else "")
        at = reader.line_num
    return records[0], records[1:], keys[1:]


def written(folder: Path, files: Mapping[str, bytes], *, remembered: bool) -> None:
    """All files or none: what was written is taken back where one cannot be; ``remembered`` lets `undo` take it back later."""
    was = {name: (folder / name).read_bytes() for name in files}
    entry = {
        name: {"before": base64.b64encode(was[name]).decode(), "after": _digest(content)} for name, content in files.items()
    }
    if remembered:
        write(journal_of(folder), json.dumps(entry, indent=1, sort_keys=True) + "\n")
    try:
        for name, content in files.items():
            write(folder / name, content)
    except (OSError, KeyboardInterrupt):
        for name, content in was.items():
            write(folder / name, content)
        if remembered:
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
