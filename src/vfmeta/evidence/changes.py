"""What a new trial did to the conclusions: two sets of records side by side."""

from __future__ import annotations

from pathlib import Path

from vfmeta.evidence.records import Record, load_records
from vfmeta.evidence.snapshots import compare, last, read, snapshot


def changes(before: list[Record], after: list[Record]) -> list[str]:
    """One line for each analysis whose trials or answer changed; a single line where nothing did.

    Parameters
    ----------
    before, after : list of Record
        From `vfmeta.evidence.load_records`.
    """
    return compare(snapshot(before), snapshot(after), after) or ["No conclusion changed."]


def since(before: Path | None, after: Path, kept: Path) -> list[str]:
    """The same of a build folder or a snapshot file (the last snapshot in ``kept`` where none is named) against a build."""
    now = load_records(after)
    if before is not None and before.suffix != ".json":
        return changes(load_records(before), now)
    name, was = last(kept, now) if before is None else (before.name, read(before))
    return [f"Since snapshot {name.removesuffix('.json')}:", *(compare(was, snapshot(now), now) or ["No conclusion changed."])]
