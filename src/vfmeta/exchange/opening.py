"""Which function opens which file: one declared table, by the ending of a file and, of JSON, by what stands in it.

A function takes the path and ``sheet=`` (a part of the file, by name, or None) and returns either a data frame of cells as they
were written, whose columns `vfmeta.read` then recognises, or a mapping of effect tables by outcome, where the format says by
itself what its figures are.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.exchange import sheets

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.effects.table import EffectTable

#: ending of a file -> "package.module:function"
FORMATS: dict[str, str] = {
    ".csv": "vfmeta.exchange.sheets:delimited",
    ".tsv": "vfmeta.exchange.sheets:delimited",
    ".tab": "vfmeta.exchange.sheets:delimited",
    ".txt": "vfmeta.exchange.sheets:delimited",
    ".xlsx": "vfmeta.exchange.sheets:workbook",
    ".xlsm": "vfmeta.exchange.sheets:workbook",
    ".json": "vfmeta.exchange.sheets:records",
    ".parquet": "vfmeta.exchange.sheets:parquet",
    ".rds": "vfmeta.exchange.r_data:saved_by_r",
    ".rda": "vfmeta.exchange.r_data:saved_by_r",
    ".rdata": "vfmeta.exchange.r_data:saved_by_r",
    ".rm5": "vfmeta.exchange.revman5:read_revman5",
    ".zip": "vfmeta.exchange.revman_web:read_package",
}
#: a key at the top of a JSON file that tells what it is -> as above
JSON_KEYS: dict[str, str] = {"protocolSection": "vfmeta.exchange.registry:not_unread"}


def opened(path: str | Path, *, sheet: str | None = None) -> pd.DataFrame | Mapping[str, EffectTable]:
    """What a file holds: a frame of cells, or effect tables by outcome.

    Raises
    ------
    InputError
        There is no such file, nothing reads its kind, or it is broken.
    """
    path = sheets.there(path)
    ending = path.suffix.lower()
    if ending not in FORMATS:
        old = " Save it as .xlsx or as CSV." if ending in (".xls", ".ods", ".numbers") else ""
        raise InputError(f"{path.name}: files ending in {ending!r} are not read; what is read: {', '.join(FORMATS)}.{old}")
    where = FORMATS[ending]
    if ending == ".json" and JSON_KEYS and isinstance(found := sheets.parsed(path), dict):
        where = next((reader for key, reader in JSON_KEYS.items() if key in found), where)
    return _function(where)(path, sheet=sheet)


def _function(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)
