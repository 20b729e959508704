"""What a multivariate or multilevel model answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from vfmeta.core.params import OnScale, confidence
from vfmeta.core.question import Pair
from vfmeta.frequentist.multivariate import after, prediction
from vfmeta.frequentist.multivariate.fitted import MultivariateFit, RandomTerm
from vfmeta.frequentist.multivariate.packing import pack, unpack
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultivariateResult(MultivariateFit):
    """A fitted multivariate or multilevel model. Vectors follow ``terms``; everything is on the analysis scale.

    ``statistic``, ``p_value`` and ``interval`` (p, 2) belong to the single coefficients, ``df`` (p,) is None for the normal
    test. ``random`` are the random effects. ``q`` is the test of residual heterogeneity, of the model without random effects.
    ``omnibus`` tests all coefficients but the intercept (all, where there is none or nothing else); ``omnibus_of`` names them.
    ``log_likelihood`` is that of the method fitted, ``parameters`` counts coefficients, variances and correlations.
    """

    engine: ClassVar[str] = "multivariate"
    packed: ClassVar[frozenset[str]] = frozenset({"random", "data", "design", "problem", "free"})
    absent: ClassVar[dict[str, str]] = dict.fromkeys(
        ("tau2", "tau2_se", "tau2_interval", "heterogeneity_interval", "i2", "h2"),
        "it has a variance or more for each random term, in components; vf.component_intervals has their intervals.",
    ) | {"prediction": "it predicts at given values of its moderators and levels: use predict."}

    @property
    def prediction(self) -> Pair | None:
        """Prediction interval of a model with an intercept only and one variance a term; None where nothing is random."""
        found = self.predict() if self.p == 1 else None
        if found is None or len(found) > 1:
            raise AttributeError("prediction")  # `absent` says why
        low, high = (float(found[n].iloc[0]) for n in ("prediction_low", "prediction_high"))
        return None if math.isnan(low) else (low, high)

    def predict(
        self, new: Any = None, at: Mapping[str, Any] | None = None, *, level: float | None = None, on: OnScale = "analysis"
    ) -> pd.DataFrame:
        """Mean effects and the range of true effects at given moderators.

        Parameters
        ----------
        new : data frame, dict, or array of shape (m, p), optional
            Moderators (or design rows). Left out: the average effect of a model with an intercept only.
        at : dict, optional
            Where in a term of several variances the prediction is meant, one value or one a row: the level of
            ``inner | outer``, ``{"outcome | trial": "pain"}``, or the slopes of GEN and GDIAG, ``{"x | trial": {"x": 2}}``.
            Taken from the columns of ``new`` where these have it; without ``new``, every level gets its row.
        level : float, optional
            That of the fit when left out.
        on : {"analysis", "read"}
            Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

        Returns
        -------
        pandas.DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high, scale, with the distribution of the fit's intervals.
            The prediction interval adds the variances of the random effects at that place, for slopes z'Gz with z = (1,
            slopes). It is missing where the fit has no random effects and, with a warning, where the place is not known.
        """
        level = self.level if level is None else level
        confidence(level)
        return prediction.predict(self, new, at, level, on)

    def blups(self, level: float | None = None) -> pd.DataFrame:
        """The true effect of each row given all of them (best linear unbiased prediction), the variances taken as known.

        Columns study, estimate, se, ci_low, ci_high, scale; the intervals use the distribution of the fit's tests, and with 5
        to 10 clusters hold the truth in 93 to 97% at 95% (`reports/levels.md#blups`).
        """
        level = self.level if level is None else level
        confidence(level)
        return after.blups(self, level)

    def random_effects(self, level: float | None = None) -> pd.DataFrame:
        """The random effects themselves (best linear unbiased prediction), the variances taken as known.

        Columns term, group, level, estimate, se (of the prediction error), ci_low, ci_high, scale.
        """
        level = self.level if level is None else level
        confidence(level)
        return after.random_effects(self, level)

    def residuals(self) -> pd.DataFrame:
        """Marginal residuals, one row an effect: study, residual, se, standardised, hat, scale; `vfmeta.residuals` has more."""
        return after.residuals(self)

    def _pack(self) -> dict[str, Any]:
        return pack(self)

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return unpack(data, own) | {"random": tuple(RandomTerm.from_plain(t) for t in data["random"])}

    def __str__(self) -> str:
        estimate, intervals, what = self._shown()
        lines = [f"multivariate random effects, k = {self.k}, {what} ({self.method}, {self.test})"]
        for i, name in enumerate(self.terms):
            interval = tx.ci_text(self.level, tuple(intervals[i]), 4)
            lines.append(f"{name}: {tx.short(estimate[i], 4)}  ({interval}), {tx.tested_text(self.p_value[i])}")
        lines += self._foot()
        of = f" {tx.spread_of(self.question)}".rstrip()
        for t in self.random:
            text = ", ".join(tx.short(v, 4) for v in t.variances)
            rho = (
                "; correlation " + ", ".join("not estimable" if c is None else tx.short(c) for c in t.correlations)
                if t.correlations
                else ""
            )
            lines.append(f"variance of {t.name} ({t.groups} groups, {t.structure}){of}: {text}{rho}")
        if self.p > 1:
            lines.append(f"test of {', '.join(self.omnibus_of)}: {self.omnibus}")
        lines.append(f"residual heterogeneity: {self.q}")
        lines.append(f"log likelihood {tx.fixed(self.log_likelihood, 4)}, AIC {tx.fixed(self.information().aic, 2)}")
        return "\n".join([*lines, *closing_lines(self)])
