"""Estimators of the between-study variance, a family a file; `ESTIMATORS` is the table of them all.

Each is written once, for any design, and serves pools and regressions, one or many. A file of this folder that has a
``METHODS`` table is found by itself; `register` adds one at run time.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from vfmeta.kernels.tau2.estimator import Estimator, Formula

__all__ = ["ESTIMATORS", "Estimator", "Formula", "register"]

_FIRST = ("REML", "DL", "PM", "ML", "EB")  # the usual ones lead in messages
_found = {
    name: estimator
    for file in pkgutil.iter_modules(__path__)
    for name, estimator in getattr(import_module(f"{__name__}.{file.name}"), "METHODS", {}).items()
}

ESTIMATORS: dict[str, Estimator] = {name: _found[name] for name in (*_FIRST, *sorted(set(_found) - set(_FIRST)))}


def register(name: str, estimator: Estimator) -> None:
    """Add an estimator: ``method=name`` then works in every pool and regression."""
    if name in ESTIMATORS or name == "common":
        raise ValueError(f"An estimator {name!r} exists already.")
    if estimator.formula is None:
        raise ValueError(f"The estimator {name!r} has no formula.")
    ESTIMATORS[name] = estimator
