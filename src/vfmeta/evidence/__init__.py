"""From analysis plans and trial tables to results, figures and pages."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Plan": "plan",
    "load_plan": "plan",
    "load_plans": "plan",
    "run": "run",
    "load_records": "records",
    "Record": "records",
    "build": "build",
    "show": "notebook",
    "changes": "changes",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.evidence.{_HOME[name]}"), name)
    raise AttributeError(f"module 'vfmeta.evidence' has no attribute {name!r}")
