"""The schema of the trial tables: the packaged ``datapackage.json`` and nothing else."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FIGURE_TABLES = ("outcomes_continuous", "outcomes_binary", "contrasts")
#: tables whose rows may be flagged: the figures of trials, and those of the context, which belong to no trial
FLAGGED_TABLES = (*FIGURE_TABLES, "context")


def packaged_folder(name: str = "trials") -> Path:
    """Folder of the packaged tables (``"trials"``) or plans (``"analyses"``), in an installed wheel or in a checkout."""
    here = Path(__file__).resolve()
    installed = here.parents[1] / "data" / name
    if installed.is_dir():
        return installed
    return here.parents[3] / ("data/trials" if name == "trials" else name)


@cache
def package() -> dict[str, Any]:
    """The data package descriptor that every folder of trial tables is held against."""
    return json.loads((packaged_folder() / "datapackage.json").read_text(encoding="utf-8"))


@cache
def tables() -> dict[str, dict[str, Any]]:
    """Table name to its Frictionless resource descriptor, in file order."""
    return {resource["name"]: resource for resource in package()["resources"]}


@cache
def fields(table: str) -> dict[str, dict[str, Any]]:
    """Column name to its Frictionless field descriptor."""
    return {field["name"]: field for field in tables()[table]["schema"]["fields"]}


def references(table: str) -> list[str]:
    """Tables that the keys of a table refer to, each once."""
    keys = tables()[table]["schema"].get("foreignKeys", [])
    return list(dict.fromkeys(key["reference"]["resource"] or table for key in keys))


def allowed(table: str, column: str) -> list[str]:
    """Allowed values of a column; empty where any value is allowed."""
    return fields(table)[column].get("constraints", {}).get("enum", [])
