"""Figures. A plot draws a result object and knows no estimator; matplotlib loads when the first one is drawn.

`text` holds every format of a number, pure strings that figures and pages share.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vfmeta.plots._alt_text import alt_text
    from vfmeta.plots._bubble import bubble
    from vfmeta.plots._evidence_map import gap_map
    from vfmeta.plots._forest import forest
    from vfmeta.plots._over_time import over_time
    from vfmeta.plots._posterior import posterior
    from vfmeta.plots._priors import prior_densities
    from vfmeta.plots._ranks import ranks
    from vfmeta.plots._save import save

# No module bears the name of a function: importing a module would put it where the function stood.
_HOME = {
    "forest": "_forest",
    "bubble": "_bubble",
    "posterior": "_posterior",
    "over_time": "_over_time",
    "alt_text": "_alt_text",
    "save": "_save",
    "gap_map": "_evidence_map",
    "prior_densities": "_priors",
    "ranks": "_ranks",
}
__all__ = ["alt_text", "bubble", "forest", "gap_map", "over_time", "posterior", "prior_densities", "ranks", "save"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.plots.{_HOME[name]}"), name)
    raise AttributeError(f"module 'vfmeta.plots' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
