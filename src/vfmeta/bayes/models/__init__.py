"""Models without a closed answer, sampled in PyMC; each verb makes a `Model` from data, and ``.sample()`` samples it."""

from __future__ import annotations

import importlib
from typing import Any

# no file bears the name of its verb: an imported submodule would take the verb's place in this namespace
_LATER = {
    "Model": "engine",
    "Sampled": "answer",
    "normal_normal": "normal",
    "robust": "heavy_tails",
    "meta_regression": "moderators",
    "missing_sd": "unreported",
    "binomial": "arm_events",
    "poisson": "arm_rates",
    "multilevel": "over_time",
    "classes": "related",
}
__all__ = sorted(_LATER)


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"vfmeta.bayesian.models.{_LATER[name]}"), name)
    raise AttributeError(f"module 'vfmeta.bayesian.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
