"""Models without a closed answer, sampled in PyMC; each verb makes a `Model` from data, and ``.sample()`` samples it."""

from __future__ import annotations

import importlib
from typing import Any

# A file bears the name of its verb behind a low line: an imported submodule would take the verb's place in this namespace.
_LATER = {
    "Model": "engine",
    "Sampled": "answer",
    "normal_normal": "_normal_normal",
    "robust": "_robust",
    "meta_regression": "_meta_regression",
    "missing_sd": "_missing_sd",
    "binomial": "_binomial",
    "poisson": "_poisson",
    "multilevel": "_multilevel",
    "classes": "_classes",
}
__all__ = sorted(_LATER)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"vfmeta.bayes.models.{_LATER[name]}"), name)
    raise AttributeError(f"module 'vfmeta.bayes.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
