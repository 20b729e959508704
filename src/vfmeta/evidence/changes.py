"""What a new trial did to the conclusions: two sets of records side by side."""

from __future__ import annotations

from vfmeta.evidence.records import Record
from vfmeta.evidence.snapshots import compare, snapshot


def changes(before: list[Record], after: list[Record]) -> list[str]:
    """One line for each analysis whose trials or answer changed; a single line where nothing did.

    Parameters
    ----------
    before, after : list of Record
        From `vfmeta.evidence.load_records`.
    """
    return compare(snapshot(before), snapshot(after)) or ["No conclusion changed."]
