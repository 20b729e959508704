"""One quantity of a posterior in five numbers."""

from __future__ import annotations

from dataclasses import dataclass

from vfmeta.core.question import Pair


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """One quantity of a posterior: its mean, SD, median and interval, on the analysis scale."""

    mean: float
    sd: float
    median: float
    interval: Pair
    mode: float | None = None
