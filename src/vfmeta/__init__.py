"""vfmeta: evidence synthesis for painful osteoporotic vertebral fractures.

Only numpy loads with this module; everything else loads when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "load_trials": "trials",
    "validate": "trials",
    "Trials": "trials",
    "compare": "effects",
    "effect_size": "effects",
    "EffectTable": "effects",
    "random_effects": "frequentist",
    "common_effect": "frequentist",
    "Question": "results",
    "InputError": "messages",
    "VfmetaWarning": "messages",
}
_MODULES = {"bayes": "bayesian", "priors": "bayesian.priors", "plots": "plots", "evidence": "evidence"}
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"vfmeta.{_MODULES[name]}")
    raise AttributeError(f"module 'vfmeta' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
