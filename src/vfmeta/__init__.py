"""vfmeta: evidence synthesis for painful osteoporotic vertebral fractures.

Only numpy loads with this module; everything else loads when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.2.0"

_HOME = {
    "load_trials": "trials",
    "validate": "trials",
    "Trials": "trials",
    "compare": "effects.compare.comparison",
    "effect_size": "effects.effect_size",
    "study_intervals": "effects.single_study",
    "EffectTable": "effects.table",
    "random_effects": "frequentist.univariate",
    "common_effect": "frequentist.univariate",
    "random_effects_many": "frequentist.many",
    "leave_one_out": "frequentist.after.omitting",
    "cumulative": "frequentist.after.omitting",
    "all_subsets": "frequentist.after.omitting",
    "meta_regression": "frequentist.metaregression",
    "location_scale": "frequentist.location_scale",
    "subgroups": "frequentist.subgroups",
    "influence": "frequentist.after.influence",
    "residuals": "frequentist.after.influence",
    "blups": "frequentist.after.influence",
    "baujat": "frequentist.after.influence",
    "profile_likelihood": "frequentist.after.influence",
    "permutation_test": "frequentist.after.permutation",
    "bootstrap": "frequentist.after.bootstrap",
    "likelihood_ratio": "frequentist.after.likelihood_ratio",
    "mantel_haenszel": "frequentist.mantel_haenszel",
    "peto": "frequentist.mantel_haenszel",
    "glmm": "frequentist.glmm.glmm",
    "beta_binomial": "frequentist.beta_binomial",
    "multivariate": "frequentist.multivariate.model",
    "sampling_covariance": "frequentist.multivariate.sampling",
    "component_intervals": "frequentist.multivariate.profile",
    "robust": "frequentist.multivariate.robust",
    "che": "frequentist.multivariate.che",
    "Question": "core.question",
    "InputError": "core.messages",
    "ConvergenceError": "core.messages",
    "VfmetaWarning": "core.messages",
}
_MODULES = {
    "bayes": "bayes",
    "convert": "convert",
    "measures": "effects.formulas",
    "priors": "priors",
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
