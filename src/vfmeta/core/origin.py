"""Where the studies of a table or result stood in the data, and which of them were left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A study of the question that gave no effect, and why; ``said`` is what it does print."""

    study_id: str
    label: str
    reason: str
    said: str = ""


@dataclass(frozen=True, eq=False)
class Origin:
    """``places`` (k,) of the studies among the ``rows_read`` rows of the data, and what was ``left_out``."""

    left_out: tuple[LeftOut, ...] = ()
    places: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    rows_read: int = 0
