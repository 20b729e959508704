"""From what was measured to ``y`` and ``v``."""

from vfmeta.effects.comparison import compare
from vfmeta.effects.frame import effect_size
from vfmeta.effects.single_study import study_intervals
from vfmeta.effects.table import Effect, EffectTable, LeftOut

__all__ = ["Effect", "EffectTable", "LeftOut", "compare", "effect_size", "study_intervals"]
