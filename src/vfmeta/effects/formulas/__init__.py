"""Effect measures, one file per kind of data: arrays in, ``y`` and ``v`` out."""

from vfmeta.effects.formulas.common import ZERO_RULES, ZeroRule
from vfmeta.effects.formulas.registry import ALIASES, MEASURES, Measure, measure_named

__all__ = ["ALIASES", "MEASURES", "ZERO_RULES", "Measure", "ZeroRule", "measure_named"]
