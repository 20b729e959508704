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
    "study_intervals": "effects",
    "EffectTable": "effects",
    "random_effects": "frequentist",
    "common_effect": "frequentist",
    "random_effects_many": "frequentist",
    "leave_one_out": "frequentist",
    "cumulative": "frequentist",
    "all_subsets": "frequentist",
    "meta_regression": "frequentist",
    "location_scale": "frequentist",
    "subgroups": "frequentist",
    "influence": "frequentist",
    "residuals": "frequentist",
    "blups": "frequentist",
    "baujat": "frequentist",
    "profile_likelihood": "frequentist",
    "permutation_test": "frequentist",
    "bootstrap": "frequentist",
    "likelihood_ratio": "frequentist",
    "mantel_haenszel": "frequentist",
    "peto": "frequentist",
    "glmm": "frequentist",
    "beta_binomial": "frequentist",
    "multivariate": "frequentist",
    "sampling_covariance": "frequentist",
    "component_intervals": "frequentist",
    "robust": "frequentist",
    "che": "frequentist",
    "Question": "results",
    "InputError": "messages",
    "ConvergenceError": "messages",
    "VfmetaWarning": "messages",
}
_MODULES = {
    "bayes": "bayesian",
    "convert": "effects.convert",
    "measures": "effects.measures",
    "priors": "bayesian.priors",
    "plots": "plots",
    "evidence": "evidence",
}
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"vfmeta.{_MODULES[name]}")
    raise AttributeError(f"module 'vfmeta' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
