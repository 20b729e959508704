"""How well models of the same observations fit: deviance information criterion and leave-one-out prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

ALIKE = 3.0  # differences of DIC below this say nothing (Dias et al. 2011, TSD 2)
_NAMED = 5


class Dic(NamedTuple):
    """Deviance information criterion: posterior mean of the residual ``deviance`` and effective number of parameters ``p``.

    ``points`` are the observations (arms, or contrasts with the first arm of a trial): a model that fits has a residual
    deviance near their number (Spiegelhalter et al. 2002, JRSS B 64:583-639).
    """

    deviance: float
    p: float
    points: int

    @classmethod
    def of(cls, deviances: pd.DataFrame) -> Dic:
        """That of a table with a row an observation, as ``deviances`` of a posterior makes it."""
        total = deviances[["deviance", "leverage", "points"]].sum()
        return cls(float(total["deviance"]), float(total["leverage"]), int(total["points"]))

    @property
    def dic(self) -> float:
        return self.deviance + self.p

    def __str__(self) -> str:
        deviance, p, dic = (tx.fixed(x, 1) for x in (self.deviance, self.p, self.dic))
        return f"residual deviance {deviance} on {self.points} data points, p {p}, DIC {dic}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelComparison(Recorded):
    """Models (``terms``, m) of the same observations (``labels``, n) beside each other; the first is what others are less.

    ``deviance``, ``leverage`` and ``elpd`` (m, n) are residual deviance, share of the effective parameters and log predictive
    density when left out (minus infinity where the others leave it unknown), ``points`` (n,) how many data points each label
    stands for.
    """

    engine: ClassVar[str] = "model_fit"
    absent: ClassVar[dict[str, str]] = {
        "": "it tells how well models fit; each of the posteriors that it compares has its own.",
    }

    question: Question
    k: int
    terms: tuple[str, ...]
    labels: tuple[str, ...]
    points: np.ndarray
    deviance: np.ndarray
    leverage: np.ndarray
    elpd: np.ndarray
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def fits(self) -> tuple[Dic, ...]:
        """Residual deviance, effective parameters and DIC of each model."""
        points = int(self.points.sum())
        return tuple(Dic(float(d), float(p), points) for d, p in zip(self.deviance.sum(1), self.leverage.sum(1), strict=True))

    @property
    def dic(self) -> np.ndarray:
        """DIC of each model, shape (m,)."""
        return np.array([x.dic for x in self.fits])

    @property
    def elpd_difference(self) -> np.ndarray:
        """Difference of log predictive density to the first model and its standard error, shape (m, 2), over the
        observations that every model predicts.
        """
        known = np.isfinite(self.elpd).all(axis=0)
        each = (self.elpd - self.elpd[0])[:, known]
        n = each.shape[1]
        se = np.sqrt(n * each.var(axis=1, ddof=1)) if n > 1 else np.full(len(each), math.nan)
        return np.column_stack([each.sum(axis=1), se])

    def to_frame(self) -> pd.DataFrame:
        """A row a model: term, deviance, p, dic, dic_difference (to the first), points, elpd, elpd_difference,
        elpd_difference_se.
        """
        import pandas as pd

        fits, difference = self.fits, self.elpd_difference
        return pd.DataFrame({
            "term": self.terms, "deviance": [x.deviance for x in fits], "p_dic": [x.p for x in fits], "dic": self.dic,
            "dic_difference": self.dic - self.dic[0], "points": [x.points for x in fits], "elpd": self.elpd.sum(axis=1),
            "elpd_difference": difference[:, 0], "elpd_difference_se": difference[:, 1],
        })  # fmt: skip

    def sentence(self) -> str:
        """Which model to prefer by DIC, whether it fits at all, and what leave-one-out says."""
        best = int(np.argmin(self.dic))
        fit, name = self.fits[best], self.terms[best]
        near = [i for i in range(len(self.terms)) if i != best and self.dic[i] - self.dic[best] < ALIKE]
        said = f"DIC is lowest for {name} ({tx.fixed(fit.dic, 1)})"
        if near:
            simple = min([best, *near], key=lambda i: self.fits[i].p)
            others = ", ".join(f"{self.terms[i]} ({tx.fixed(float(self.dic[i]), 1)})" for i in near)
            said += f"; within {ALIKE:g} points of it, too few to tell them apart: {others}. The simplest of them is "
            said += f"{self.terms[simple]}."
        else:
            far = min(float(self.dic[i] - self.dic[best]) for i in range(len(self.terms)) if i != best)
            said += f", by {tx.fixed(far, 1)} points."
        poor = fit.deviance > fit.points + 2 * math.sqrt(2 * fit.points)
        said += f" Its residual deviance is {tx.fixed(fit.deviance, 1)} on {fit.points} data points"
        said += ": it does not fit them well." if poor else "."
        for name, (x, se) in zip(self.terms[1:], self.elpd_difference[1:].tolist(), strict=True):
            verdict = f"it predicts {'better' if x > 0 else 'worse'}" if abs(x) > 2 * se else "too close to tell apart"
            said += f" Left-one-out log density of {name} less that of {self.terms[0]}: {tx.fixed(x, 1)} "
            said += f"(SE {tx.fixed(se, 1)}), {verdict}."
        return said + self._better()

    def _better(self) -> str:
        """Observations that another model than the first fits better by more than one point."""
        fall = (self.deviance[0] - self.deviance[1:]).max(axis=0)
        found = [self.labels[i] for i in np.argsort(-fall).tolist() if fall[i] > 1]
        if not found:
            return ""
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return f" Fitted better by more than 1 point of deviance than by {self.terms[0]}: {', '.join(found[:_NAMED])}{more}."

    def __str__(self) -> str:
        lines = [f"{name}:  {fit}" for name, fit in zip(self.terms, self.fits, strict=True)]
        return "\n".join(["fit of network models", *lines, self.sentence(), *(f"note: {w}" for w in self.warnings)])
