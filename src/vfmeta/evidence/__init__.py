"""From analysis plans and trial tables to results, figures and pages.

Verbs are modules: ``evidence.run.run``, ``evidence.build.build``, ``evidence.changes.changes``. What is not named after its
module is at hand here: plans, records, and ``show`` for notebooks and reports.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Plan": "plan",
    "load_plan": "plan",
    "load_plans": "plan",
    "load_records": "records",
    "Record": "records",
    "show": "notebook",
}
_MODULES = ("build", "changes", "figures", "plan", "records", "run", "summary")
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.evidence.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"vfmeta.evidence.{name}")
    raise AttributeError(f"module 'vfmeta.evidence' has no attribute {name!r}")
