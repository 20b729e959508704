"""Read a folder of trial tables, check it whole, and hold it as typed frames."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from dataclasses import field as own
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.trials import schema
from vfmeta.trials.instruments import directions, scale_ends
from vfmeta.trials.times import weeks

_DTYPES = {"integer": "Int64", "number": "Float64"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "1": True, "false": False, "False": False, "FALSE": False, "0": False}


@dataclass(frozen=True, eq=False)
class Trials:
    """The trial tables of one folder.

    Each table is an attribute holding a data frame (``trials.studies``, ``trials.arms``, ``trials.contrasts``, ...) typed
    after the schema. Figure tables carry two columns made by code: ``week`` (printed time in weeks) and ``flags``; the table
    ``context`` of figures that belong to no trial carries ``flags``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> trials = vf.load_trials()
    >>> trials.studies.loc[trials.studies.study_id == "buchbinder2009", ["year", "design"]].values.tolist()
    [[2009, 'parallel_rct']]
    """

    folder: Path
    frames: dict[str, pd.DataFrame]
    #: what is odd about a figure, by table and row id; such a figure stays out of every pool
    slips: dict[tuple[str, str], str] = own(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """What was worked out from the tables stays behind: another process works it out again."""
        return {"folder": self.folder, "frames": self.frames, "slips": self.slips}

    def __getattr__(self, name: str) -> pd.DataFrame:
        frames = self.__dict__.get("frames", {})
        if name in frames:
            return frames[name]
        hint = did_you_mean(name, [*frames, *(n for n in vars(type(self)) if n[0] != "_")])
        raise AttributeError(f"Trials has no table or attribute {name!r}.{hint} Its tables are {', '.join(frames)}.")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.frames]

    @cached_property
    def figures(self) -> dict[tuple[str, str, str], list[Any]]:
        """Rows of the figure tables by (table, study, outcome), as plain named tuples with None for what is not printed.

        Beside the columns each row has ``low_end`` and ``high_end`` (the scale, None where unknown), ``worse`` (direction,
        None where unknown) and ``table``.
        """
        found: dict[tuple[str, str, str], list[Any]] = {}
        for name in schema.FIGURE_TABLES:
            frame = self.frames[name]
            columns: dict[str, Any] = {c: frame[c] for c in frame}
            nowhere = np.full(len(frame), np.nan)
            low, high = scale_ends(frame, self.instruments) if "instrument_id" in frame else (nowhere, nowhere)
            worse = directions(frame, self.instruments, self.outcomes)
            columns |= {"table": [name] * len(frame), "low_end": low, "high_end": high, "worse": worse}
            for row in map(_row_type(list(columns))._make, zip(*map(_plain, columns.values()), strict=True)):
                found.setdefault((name, row.study_id, row.outcome_id), []).append(row)
        return found

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(frame)}" for name, frame in self.frames.items())
        return f"Trials({counts})"

    @cached_property
    def labels(self) -> dict[str, str]:
        """Study id to the label people read: first author, else the name of the study, and year; letters part two of a kind.

        A study that has neither author nor name goes by its id in brackets.
        """
        made: dict[str, str] = {}
        for row in self.studies.itertuples():
            year = "" if pd.isna(row.year) else f" {row.year}"
            name = row.first_author or row.short_name
            made[row.study_id] = f"{name}{year}" if name else f"[{row.study_id}]"
        alike: dict[str, list[str]] = {}
        for study in sorted(made):
            alike.setdefault(made[study], []).append(study)
        return {s: _told_apart(label, alike[label].index(s)) if len(alike[label]) > 1 else label for s, label in made.items()}

    @cached_property
    def arm_sizes(self) -> dict[tuple[str, str], float]:
        """Study and arm id to the number randomised, where printed."""
        known = self.arms[self.arms.n_randomised.notna()]
        return {(s, a): float(n) for s, a, n in zip(known.study_id, known.arm_id, known.n_randomised, strict=True)}

    @cached_property
    def arm_list(self) -> list[tuple[str, str, str, str]]:
        """Study, arm, intervention and background of every arm."""
        a = self.arms
        return list(zip(a.study_id, a.arm_id, a.intervention_id, a.background_id, strict=True))

    @cached_property
    def study(self) -> pd.DataFrame:
        """The studies by study id."""
        return self.studies.set_index("study_id")

    @cached_property
    def citations(self) -> dict[str, str]:
        """Source id to a citation with its address."""
        return {r.source_id: f"{r.citation} {_address(r)}".strip() for r in self.sources.itertuples()}

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        return {}

    def entries(self, table: str) -> dict[str, Any]:
        """Rows of a table by its first column, the identifier, as plain named tuples with None for what is not given."""
        if table not in self._entries:
            self._entries[table] = {row[0]: row for row in self.rows(table)}
        return self._entries[table]

    def rows(self, table: str) -> list[Any]:
        """Rows of a table, whose identifier may be several columns, in the same form."""
        frame = self.frames[table]
        return list(map(_row_type(list(frame))._make, zip(*(_plain(frame[c]) for c in frame), strict=True)))

    @cached_property
    def judgements(self) -> dict[str, list[Any]]:
        """Rows of ``risk_of_bias`` by study."""
        found: dict[str, list[Any]] = {}
        for row in self.rows("risk_of_bias"):
            found.setdefault(row.study_id, []).append(row)
        return found

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        """Interventions by class."""
        found: dict[str, list[str]] = {}
        for name, row in self.entries("interventions").items():
            found.setdefault(row.intervention_class, []).append(name)
        return found

    def source(self, source_id: str) -> dict[str, str]:
        """Citation, address (its DOI or PubMed record first), DOI and kind of a source."""
        row = self.entries("sources")[source_id]
        return {"citation": row.citation, "url": _address(row), "doi": row.doi, "kind": row.kind}

    def names(self, table: str) -> dict[str, str]:
        """Identifier to the name people read, for ``interventions``, ``outcomes`` or ``instruments``."""
        return {identifier: row.name for identifier, row in self.entries(table).items()}

    def interventions_in(self, wanted: str | list[str] | tuple[str, ...]) -> list[str]:
        """Intervention ids named by an id or a class, or by several.

        Raises
        ------
        InputError
            A name is neither an intervention nor a class.
        """
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        found: list[str] = []
        for name in names:
            known = self.entries("interventions")
            members = [name] if name in known else []
            members += [m for m in self._classes.get(name, ()) if m not in members]
            if not members:
                either = sorted({*known, *(row.intervention_class for row in known.values())})
                raise InputError(
                    f"Unknown intervention {name!r}.{did_you_mean(name, either)} Name an intervention or class of "
                    f"interventions.csv: {', '.join(either)}."
                )
            found += [m for m in members if m not in found]
        return found


def _told_apart(label: str, i: int) -> str:
    """The label of the i-th study of that name: Zhang 2019a."""
    letter = chr(ord("a") + i)
    return f"{label}{letter}" if label[-1].isdigit() else f"{label} ({letter})"


def _address(source: Any) -> str:
    """Where a source stands for good: its DOI, else its PubMed record, else the copy that was read."""
    if source.doi:
        return f"https://doi.org/{source.doi}"
    return f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/" if source.pmid else source.url


def _row_type(columns: list[str]) -> Any:
    return namedtuple("Row", columns)


def _plain(column: Any) -> list[Any]:
    """Values of a column as Python objects, None for what is missing."""
    missing = pd.isna(column) if isinstance(column, np.ndarray) else getattr(column, "isna", lambda: ())()
    values = list(column) if isinstance(column, list) else column.tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)] if len(missing) else values


def typed(table: str, text: pd.DataFrame) -> pd.DataFrame:
    """Columns of a checked text table in the types of the schema."""
    columns: dict[str, Any] = {}
    for name, field in schema.fields(table).items():
        cells = text[name]
        if field["type"] == "string":
            columns[name] = cells
        elif field["type"] == "boolean":
            # A spreadsheet writes TRUE where the packaged tables have true; the schema allows both.
            columns[name] = pd.array([_BOOLEANS.get(cell, pd.NA) for cell in cells], dtype="boolean")
        else:
            make = int if field["type"] == "integer" else float
            columns[name] = pd.array([make(cell) if cell else pd.NA for cell in cells], dtype=_DTYPES[field["type"]])
    return pd.DataFrame(columns, index=text.index)


def assemble(text: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Typed frames with what code makes: ``week`` (of a range ``week_low``, ``week_high``) and ``flags`` of every figure."""
    frames = {name: typed(name, table) for name, table in text.items()}
    flags = frames["row_flags"].groupby(["table", "row_id"])["flag"].agg(lambda f: tuple(sorted(f))).to_dict()
    for name in schema.FIGURE_TABLES:
        frame = frames[name]
        frame["week"] = weeks(frame["time_value"], frame["time_unit"])
        if "time_low" in frame:
            frame["week_low"], frame["week_high"] = (weeks(frame[c], frame["time_unit"]) for c in ("time_low", "time_high"))
    for name in schema.FLAGGED_TABLES:
        frames[name]["flags"] = [flags.get((name, row), ()) for row in frames[name]["row_id"]]
    return frames
