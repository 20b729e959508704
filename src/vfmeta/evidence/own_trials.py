"""The studies of a sheet as trial tables: what pages of the review ask of them is answered, all else is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vfmeta.effects.table import EffectTable
from vfmeta.exchange.own_bias import judgements
from vfmeta.trials import Trials, schema
from vfmeta.trials.store import assemble, typed


def judged(trials: Trials, table: EffectTable) -> Trials:
    """The same tables with the judgements of risk of bias of one outcome, each told by the column it stands in."""
    if table.bias is None:
        return trials
    ids = dict(zip(table.labels, (e.study_id for e in table), strict=True))
    rows = [
        x | {"study_id": ids[x.pop("study")], "tool": table.bias.tool, "source_id": "sheet"} for x in judgements(table.bias)
    ]
    made = {"risk_of_bias": rows, "sources": [{"source_id": "sheet", "citation": "the sheet"}]}
    return replace(trials, frames=trials.frames | {name: _typed(name, found) for name, found in made.items()})


def _typed(name: str, rows: list[dict[str, str]]) -> pd.DataFrame:
    empty = dict.fromkeys(schema.fields(name), "")
    return typed(name, pd.DataFrame([empty | x for x in rows], columns=list(empty), dtype=str))


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
