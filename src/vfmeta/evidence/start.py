"""A folder to begin a review in: tables with three real trials, a plan that asks one question of them, and how to go on."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path

from vfmeta.core.files import PART, write
from vfmeta.core.messages import InputError
from vfmeta.evidence.folder import put
from vfmeta.evidence.render import file
from vfmeta.trials import schema
from vfmeta.trials.schema import packaged_folder

_TRIALS = ("buchbinder2009", "kallmes2009", "firanescu2018")
_Rows = dict[str, list[dict[str, str]]]


def start(folder: str | Path) -> Path:
    """Write the folder of a new review; it is whole or not there at all.

    Parameters
    ----------
    folder : str or path
        A new or an empty folder.

    Returns
    -------
    pathlib.Path
        Its README, which says how to go on.

    Raises
    ------
    InputError
        The folder holds something already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something already; name a new or an empty folder for the review.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=PART))
    try:
        for name, rows in example().items():
            write(made / "trials" / schema.tables()[name]["path"], _text(list(schema.fields(name)), rows))
        for source, target in (
            ("start/plan.toml", "plans/vertebroplasty_sham.toml"), ("start/site.toml", "plans/site/site.toml"),
            ("start/README.md", "README.md"), ("start/gitignore", ".gitignore"),
        ):  # fmt: skip
            write(made / target, file(source))
        put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder / "README.md"


def example() -> _Rows:
    """Rows of the packaged tables on three trials, with everything they refer to."""
    whole = {name: _read(packaged_folder() / r["path"]) for name, r in schema.tables().items()}
    kept: _Rows = {name: [] for name in whole}
    for name, rows in whole.items():
        if name != "pool_studies" and "study_id" in schema.fields(name):
            kept[name] = [row for row in rows if row["study_id"] in _TRIALS]
    own = {(name, row["row_id"]) for name, rows in kept.items() for row in rows if "row_id" in row}
    kept["row_flags"] = [row for row in whole["row_flags"] if (row["table"], row["row_id"]) in own]
    while _add_referred(whole, kept):
        pass
    return {name: [row for row in whole[name] if row in kept[name]] for name in whole}


def _add_referred(whole: _Rows, kept: _Rows) -> bool:
    """Add the rows that kept ones refer to; whether any were missing."""
    more = False
    for name, rows in list(kept.items()):
        for key in schema.tables()[name]["schema"].get("foreignKeys", ()):
            home, fields = key["reference"]["resource"] or name, key["reference"]["fields"]
            wanted = {tuple(row[f] for f in key["fields"]) for row in rows}
            there = {tuple(row[f] for f in fields) for row in kept[home]}
            lost = {x for x in wanted - there if all(x)}
            found = [row for row in whole[home] if tuple(row[f] for f in fields) in lost and row not in kept[home]]
            kept[home] += found
            more = more or bool(found)
    return more


def _text(columns: list[str], rows: list[dict[str, str]]) -> str:
    """A table as it is read: cells as they stand, as nothing here came from outside."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
