"""What models of the mean and of log tau2 show of both: a tidy table, and predictions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, confidence
from vfmeta.effects.design import Design
from vfmeta.results.coefficients import Coefficients, predictions
from vfmeta.results.wald import quantile

if TYPE_CHECKING:
    import pandas as pd


class LocationScaled(Coefficients):
    """Results with ``scale_terms``, ``scale_estimate``, ``scale_se``, ... of log tau2 (s,), and ``tau2`` of each study (k,)."""

    packed: ClassVar[frozenset[str]] = frozenset({"design", "scale_design"})
    absent: ClassVar[dict[str, str]] = {
        "tau2_se": "tau2 is one value per study; scale_se are the standard errors of the coefficients behind it.",
        "tau2_interval": "tau2 is one value per study; scale_interval is that of the coefficients behind it.",
        "heterogeneity_interval": "tau2 is one value per study; scale_interval is that of the coefficients behind it.",
        "i2": "tau2 is one value per study; there is no one share of the variance.",
        "h2": "tau2 is one value per study; there is no one share of the variance.",
        "prediction": "it predicts at given values of its moderators: use predict(new, new_scale).",
    }

    k: Any
    test: Any
    labels: tuple[str, ...]
    vb: np.ndarray
    design: Design
    scale_terms: tuple[str, ...]
    scale_estimate: np.ndarray
    scale_se: np.ndarray
    scale_statistic: np.ndarray
    scale_p_value: np.ndarray
    scale_interval: np.ndarray
    scale_vb: np.ndarray
    scale_design: Design

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """One row per coefficient: part (mean or log tau2), term, estimate, se, ci_low, ci_high, statistic, df, p_value, scale.

        ``on="read"`` turns the coefficients of the mean; those of log tau2 have no other scale.
        """
        import pandas as pd

        mean = super().to_frame(on=on)
        df = math.inf if self.test == "Wald" else float(self.k - len(self.scale_terms))
        spread = pd.DataFrame({
            "term": list(self.scale_terms), "estimate": self.scale_estimate, "se": self.scale_se,
            "ci_low": self.scale_interval[:, 0], "ci_high": self.scale_interval[:, 1], "statistic": self.scale_statistic,
            "df": df, "p_value": self.scale_p_value, "scale": "log tau2",
        })  # fmt: skip
        both = pd.concat([mean, spread], ignore_index=True)
        both.insert(0, "part", ["mean"] * len(mean) + ["log tau2"] * len(spread))
        return both

    def predict(
        self, new: Any = None, new_scale: Any = None, *, level: float | None = None, on: OnScale = "analysis"
    ) -> pd.DataFrame:
        """Mean effect with its interval, tau2 and the prediction interval, at the studies' or at new values of the moderators.

        ``new`` and ``new_scale`` hold the moderators of the two parts by name (one frame may serve for both), or design rows.
        """
        level = self.level if level is None else confidence(level)
        x = self.design.x if new is None else self.design.rows(new)
        scale = new if new_scale is None else new_scale
        z = self.scale_design.x if scale is None else self.scale_design.rows(scale)
        if len(x) != len(z):
            raise InputError(f"There are {len(x)} rows for the mean and {len(z)} for tau2; give one of each per prediction.")
        estimate, se = x @ self.estimate, np.sqrt(np.einsum("ij,jk,ik->i", x, self.vb, x))
        tau2 = np.exp(z @ self.scale_estimate)
        t = float(quantile(level, None if self.test == "Wald" else self.k - len(self.terms)))
        wide = t * np.sqrt(se**2 + tau2)
        index = list(self.labels) if new is None and new_scale is None else None
        return predictions(self.question, estimate, se, t, wide, on, index).assign(tau2=tau2)

    def _pack(self) -> dict[str, Any]:
        return {"design": self.design.to_dict(), "scale_design": self.scale_design.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {name: Design.from_dict(data[name]) for name in ("design", "scale_design")}
