"""Effect measures, one file per kind of data: arrays in, ``y`` and ``v`` out. A file here may bring a measure of its own."""

import importlib
import pkgutil

from vfmeta.core.measures import ALIASES, MEASURES, Measure
from vfmeta.effects.formulas.common import ZERO_RULES, ZeroRule
from vfmeta.effects.formulas.registry import FORMULAS, register

__all__ = ["ALIASES", "FORMULAS", "MEASURES", "ZERO_RULES", "Measure", "ZeroRule", "register"]

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")
