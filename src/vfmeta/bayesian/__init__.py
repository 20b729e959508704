"""Bayesian engine: the normal-normal model, exactly and by sampling (PyMC loads only when something is sampled)."""

from __future__ import annotations

import importlib
from typing import Any

from vfmeta.bayesian import priors
from vfmeta.bayesian.exact import ExactPosterior, posterior, random_effects

_SAMPLED = ("agreement", "sample", "sample_posterior")
__all__ = ["ExactPosterior", "agreement", "posterior", "priors", "random_effects", "sample", "sample_posterior"]


def __getattr__(name: str) -> Any:
    if name in _SAMPLED:
        return getattr(importlib.import_module("vfmeta.bayesian.sampled"), name)
    raise AttributeError(f"module 'vfmeta.bayesian' has no attribute {name!r}")
