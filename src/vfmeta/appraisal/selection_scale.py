"""What a selection model with moderators of the mean and of the heterogeneity answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from vfmeta.appraisal.selection_result import Selected
from vfmeta.effects.design import Design
from vfmeta.frequentist.location_scaled import LocationScaled
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SelectionLocationScale(LocationScaled, Selected):
    """A selection model whose log tau2 has moderators. ``terms``, ``estimate`` ... (p,) are of the mean, with covariance
    ``vb``, ``scale_terms``, ``scale_estimate`` ... (s,) of log tau2; ``tau2`` (k,) is one value per study.

    ``unselected`` (p,) and ``scale_unselected`` (s,) are the coefficients without selection, NaN where that model has no
    maximum.
    """

    engine: ClassVar[str] = "selection_location_scale"
    packed: ClassVar[frozenset[str]] = Selected.packed | LocationScaled.packed
    absent: ClassVar[dict[str, str]] = LocationScaled.absent | {
        "q": "tau2 = 0 is no value of a log tau2; fit the model without scale= and ask that.",
    }

    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    vb: np.ndarray
    scale_terms: tuple[str, ...]
    scale_estimate: np.ndarray
    scale_se: np.ndarray
    scale_statistic: np.ndarray
    scale_p_value: np.ndarray
    scale_interval: np.ndarray
    scale_vb: np.ndarray
    scale_unselected: np.ndarray
    tau2: np.ndarray
    scale_design: Design = field(repr=False)

    @property
    def _scale(self) -> np.ndarray:
        return self.scale_design.x

    @property
    def _spread_terms(self) -> tuple[str, ...]:
        return tuple(f"log tau2: {name}" for name in self.scale_terms)

    @property
    def _fitted_tau2(self) -> np.ndarray:
        return self.tau2

    def _spread_lines(self) -> list[str]:
        of = f" {tx.spread_of(self.question)}".rstrip()
        rows = zip(
            self.scale_terms, self.scale_estimate, self.scale_interval, self.scale_p_value, self.scale_unselected, strict=True
        )
        return [
            f"tau2{of} from {tx.short(self.tau2.min())} to {tx.short(self.tau2.max())}; log tau2:",
            *(
                f"  {name:<12}  {tx.short(a, 4):>10}  ({tx.span_text(ci)}), {tx.p_text(float(p))} "
                f"(without selection {tx.short(none, 4)})"
                for name, a, ci, p, none in rows
            ),
        ]

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, estimate, se, ci_low, ci_high, weight (percent), p_value, tau2, scale."""
        frame = super().studies
        frame.insert(len(frame.columns) - 1, "tau2", self.tau2)
        return frame

    def __str__(self) -> str:
        return self._text(self._heading(), *self._foot_lines())
