"""Bayesian engine: the normal-normal model, exactly and by sampling (PyMC loads only when something is sampled)."""

from __future__ import annotations

import importlib
from typing import Any

from vfmeta import priors
from vfmeta.bayes.exact import ExactPosterior, posterior, random_effects

_LATER = {
    "agreement": "monte_carlo",
    "sample": "sampled",
    "sample_posterior": "sampled",
    "random_effects_many": "many",
    "prior_sensitivity": "many",
    "model_average": "averaging",
    "map_prior": "predictive_prior",
    "effective_sample_size": "predictive_prior",
    "meta_regression": "regression",
    "power_scaling": "scaling",
    "leave_one_out": "checks",
    "predictive_check": "checks",
    "calibrate": "calibration",
    "calibrate_model": "model_calibration",
}
_MODULES = ("models",)
__all__ = [
    "ExactPosterior", "agreement", "calibrate", "calibrate_model", "effective_sample_size", "leave_one_out", "map_prior",
    "meta_regression", "model_average", "models", "posterior", "power_scaling", "predictive_check", "prior_sensitivity",
    "priors", "random_effects", "random_effects_many", "sample", "sample_posterior",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"vfmeta.bayes.{_LATER[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"vfmeta.bayes.{name}")
    raise AttributeError(f"module 'vfmeta.bayes' has no attribute {name!r}")
