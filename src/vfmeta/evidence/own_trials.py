"""The studies of a sheet as trial tables: what pages of the review ask of them is answered, all else is not known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from vfmeta.effects.table import EffectTable
from vfmeta.trials import Trials, schema
from vfmeta.trials.store import assemble


def trials_of(tables: Mapping[str, EffectTable]) -> Trials:
    """Tables that hold the studies by name, and nothing on arms, sources or other reviews."""
    rows = {name: {field: list[str]() for field in schema.fields(name)} for name in schema.tables()}
    known: dict[str, tuple[str, str]] = {}
    for table in tables.values():
        for e in table:
            size = f"{sum(e.n):.0f}" if None not in e.n else ""  # type: ignore[arg-type]
            if not known.get(e.study_id, ("", ""))[1]:
                known[e.study_id] = (e.label, size)
        for x in table.left_out:
            known.setdefault(x.study_id, (x.label, ""))
    for study, (label, size) in known.items():
        own = {"study_id": study, "cohort_id": study, "short_name": label, "design": "not_stated", "blinding": "unclear",
               "phase": "not_stated", "n_randomised": size}  # fmt: skip
        for field, cells in rows["studies"].items():
            cells.append(own.get(field, ""))
    for side in ("experimental", "control"):
        for field, cells in rows["interventions"].items():
            cells.append(side if field in ("intervention_id", "name", "intervention_class") else "")
    text = {name: pd.DataFrame(cells, dtype=str) for name, cells in rows.items()}
    return Trials(Path(), assemble(text))
