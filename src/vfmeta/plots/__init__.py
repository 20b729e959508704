"""Figures. A plot draws a result object and knows no estimator; matplotlib loads when the first one is drawn.

`text` holds every format of a number, pure strings that figures and pages share.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vfmeta.plots.alt import alt_text
    from vfmeta.plots.bubble_plot import bubble
    from vfmeta.plots.calibration import ranks
    from vfmeta.plots.evidence_map import gap_map
    from vfmeta.plots.forest_plot import forest
    from vfmeta.plots.pain_over_time import over_time
    from vfmeta.plots.posterior_density import posterior
    from vfmeta.plots.priors import prior_densities
    from vfmeta.plots.saving import save

# No module bears the name of a function: importing a module would put it where the function stood.
_HOME = {
    "forest": "forest_plot",
    "bubble": "bubble_plot",
    "posterior": "posterior_density",
    "over_time": "pain_over_time",
    "alt_text": "alt",
    "save": "saving",
    "gap_map": "evidence_map",
    "prior_densities": "priors",
    "ranks": "calibration",
}
__all__ = ["alt_text", "bubble", "forest", "gap_map", "over_time", "posterior", "prior_densities", "ranks", "save"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"vfmeta.plots.{_HOME[name]}"), name)
    raise AttributeError(f"module 'vfmeta.plots' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
