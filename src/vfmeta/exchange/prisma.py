"""The table that the PRISMA 2020 flow diagram tool fills in, as the counts of `vfmeta.plots.prisma_flow`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vfmeta.core.messages import InputError, warn
from vfmeta.exchange.sheets import delimited, there

#: row of the table -> box of `vfmeta.plots.prisma_flow`
_BOXES = {
    "database_results": "databases", "database_specific_results": "databases", "register_results": "registers",
    "register_specific_results": "registers", "website_results": "websites", "organisation_results": "organisations",
    "citations_results": "citations", "duplicates": "duplicates", "excluded_automatic": "automation",
    "excluded_other": "removed_otherwise", "records_screened": "screened", "records_excluded": "excluded",
    "dbr_sought_reports": "sought", "dbr_notretrieved_reports": "not_retrieved", "dbr_assessed": "assessed",
    "dbr_excluded": "excluded_reports", "other_sought_reports": "other_sought",
    "other_notretrieved_reports": "other_not_retrieved", "other_assessed": "other_assessed",
    "other_excluded": "other_excluded_reports", "new_studies": "studies", "new_reports": "reports",
}  # fmt: skip
#: what the tool's own table holds where nobody filled in reasons
_UNFILLED = "Reason1, xxx; Reason2, xxx; Reason3, xxx"


def read_prisma_flow(source: str | Path) -> dict[str, Any]:
    r"""Counts of a flow diagram from the CSV file of the PRISMA 2020 tool (columns ``data`` and ``n``).

    Parameters
    ----------
    source : str or path
        A cell of ``n`` is a number, or parts with their numbers: "Reason1, 10; Reason2, 3".

    Returns
    -------
    dict
        As `vfmeta.plots.prisma_flow` takes it. A box whose cell is empty, "NA" or still as the tool's own
        table has it ("Reason1, xxx; ...") is left out.

    Raises
    ------
    InputError
        Another table, or a cell that is no such count, with its row.

    Warns
    -----
    VfmetaWarning
        Counts that the diagram has no box for (those of an earlier version of the review), and parts that do not sum.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "PRISMA.csv"
    >>> written = file.write_text('data,n\nrecords_screened,310\ndbr_excluded,"Wrong outcome, 10; No control, no data, 3"\n')
    >>> vf.read_prisma_flow(file)
    {'screened': 310, 'excluded_reports': {'Wrong outcome': 10, 'No control, no data': 3}}
    """
    path = there(source)
    frame = delimited(path)
    if not {"data", "n"} <= set(frame.columns):
        raise InputError(f"{path.name}: no columns data and n, which the table of the PRISMA 2020 flow diagram has.")
    problems: list[str] = []
    counts: dict[str, Any] = {}
    idle = []
    for row, cell in zip(frame["data"], frame["n"], strict=True):
        name, text = str(row or "").strip(), str(cell or "").strip()
        if name in ("", "NA") or text in ("", "NA", _UNFILLED):
            continue
        box = _BOXES.get(name)
        if box is None:
            if text != "0" and text.isdigit():
                idle.append(f"{name} ({text})")
            continue
        found = _count(text)
        if found is None:
            problems.append(
                f"{path.name}, row {name}: {text!r} is neither a whole number nor parts such as 'Reason1, 10; Reason2, 3'."
            )
            continue
        before = counts.get(box)
        if before is not None and sum(found.values()) != sum(before.values()):
            warn(f"{path.name}: {name} sums to {sum(found.values())}, the row above to {sum(before.values())}.")
        counts[box] = found if before is None or "" not in found else before
    if problems:
        raise InputError(problems)
    if not counts:
        raise InputError(f"{path.name}: no row of it is a box of the flow diagram; the column data holds {', '.join(_BOXES)}.")
    if idle:
        warn(f"{path.name}: {', '.join(idle)} have no box in the diagram of a new review and are left out.")
    return {box: found.get("", found) for box, found in counts.items()}


def _count(text: str) -> dict[str, int] | None:
    """Parts with their numbers; a number alone is the part without a name."""
    if text.isdecimal():
        return {"": int(text)}
    out: dict[str, int] = {}
    for part in filter(None, (x.strip() for x in text.split(";"))):
        reason, _, n = (x.strip() for x in part.rpartition(","))
        if not reason or not n.isdecimal() or reason in out:
            return None
        out[reason] = int(n)
    return out or None


__all__ = ["read_prisma_flow"]
