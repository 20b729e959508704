"""Frequentist engine: common-effect and random-effects pooling."""

from __future__ import annotations

from vfmeta.frequentist.univariate import common_effect, random_effects

__all__ = ["common_effect", "random_effects"]
