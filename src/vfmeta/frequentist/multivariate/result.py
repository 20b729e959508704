"""What a multivariate or multilevel model answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from vfmeta.core.params import Likelihood, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.design import Design
from vfmeta.frequentist.meta_regression import Information
from vfmeta.frequentist.multivariate import after, prediction
from vfmeta.frequentist.multivariate.likelihood import Problem, pairs
from vfmeta.frequentist.multivariate.packing import pack, unpack
from vfmeta.frequentist.record import Recorded, array
from vfmeta.kernels.dependent import dense, marginal_blocks
from vfmeta.results.wald import TestResult, quantile
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class RandomTerm:
    """Estimated covariance of one random term.

    ``variances`` has one entry for CS, AR, CAR and intercepts, else one a level. ``correlations`` has one entry for CS, HCS,
    AR, HAR and CAR and, for UN and GEN, one for each pair of levels in the order (1,2), (1,3), ..., (2,3), ...; a correlation
    is None where a variance it needs is zero, because the data then say nothing on it. For CAR the correlation is that of
    effects one unit of time apart. ``held`` says, variances first, which of them were given and not estimated.
    """

    name: str
    structure: str
    levels: tuple[str, ...]
    groups: int
    variances: tuple[float, ...]
    correlations: tuple[float | None, ...]
    covariance: np.ndarray
    held: tuple[bool, ...] = ()

    @property
    def is_intercept(self) -> bool:
        return self.structure == "intercept"

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Self:
        """The term that a result's ``to_dict`` wrote."""
        own: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in data.items()}
        own["covariance"] = array(data["covariance"])
        return cls(**own)

    def component_names(self) -> list[tuple[str, str]]:
        """Kind ("variance" or "correlation") and level or pair of levels of each component, variances first."""
        common = len(self.variances) == 1
        names = [""] if self.structure not in ("UN", "GEN") else [f"{a}, {b}" for a, b in pairs(self.levels)]
        return [
            *(("variance", "" if common else level) for level in self.levels[: len(self.variances)]),
            *(("correlation", name) for name in names[: len(self.correlations)]),
        ]


@dataclass(frozen=True, kw_only=True, repr=False)
class MultivariateResult(Recorded):
    """A fitted multivariate or multilevel model. Vectors follow ``names``; everything is on the analysis scale.

    ``statistic``, ``p_value`` and ``intervals`` (p, 2) belong to the single coefficients, ``df`` (p,) is None for the normal
    test. ``terms`` are the random effects. ``q`` is the test of residual heterogeneity, of the model without random effects.
    ``omnibus`` tests all coefficients but the intercept (all, where there is none or nothing else); ``omnibus_of`` names them.
    ``log_likelihood`` is that of the method fitted, ``parameters`` counts coefficients, variances and correlations.
    """

    engine: ClassVar[str] = "multivariate"
    packed: ClassVar[frozenset[str]] = frozenset({"terms", "data", "design", "problem", "free"})

    question: Question
    method: str
    test: str
    level: float
    k: int
    names: tuple[str, ...]
    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    intervals: np.ndarray
    df: np.ndarray | None
    vb: np.ndarray
    terms: tuple[RandomTerm, ...]
    q: TestResult
    omnibus: TestResult
    omnibus_of: tuple[str, ...]
    log_likelihood: float
    log_likelihood_ml: float
    log_likelihood_reml: float
    parameters: int
    labels: tuple[str, ...]
    data: pd.DataFrame = field(repr=False, compare=False)
    design: Design = field(repr=False, compare=False)
    problem: Problem = field(repr=False, compare=False)
    free: np.ndarray = field(repr=False, compare=False)
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    def information(self, kind: str | None = None) -> Information:
        """Log likelihood, deviance (-2 log likelihood), AIC, AICc and BIC; of REML only with the same moderators.

        Parameters
        ----------
        kind : {"ML", "REML"}, optional
            Which likelihood; that of the fit when left out. Both are evaluated at the variances of this fit. The number of
            observations is k for ML and k - p for REML.
        """
        kind = kind or self.method
        kind = choice("kind", kind, Likelihood)
        ll = self.log_likelihood_reml if kind == "REML" else self.log_likelihood_ml
        n, count = self.k - (self.p if kind == "REML" else 0), self.parameters
        size = max(n, count + 2)
        return Information(
            kind, ll, count, -2 * ll, -2 * ll + 2 * count, -2 * ll + 2 * count * size / (size - count - 1),
            -2 * ll + count * math.log(n) if n > 0 else math.nan,
        )  # fmt: skip

    @property
    def p(self) -> int:
        return len(self.names)

    @property
    def y(self) -> np.ndarray:
        return self.problem.y

    @property
    def X(self) -> np.ndarray:
        return self.problem.X

    @property
    def V(self) -> np.ndarray:
        """Known sampling covariance: (k,) when diagonal, else (k, k)."""
        return dense(self.problem.V)

    @cached_property
    def blocks(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Independent blocks of the marginal covariance: row numbers (b, n) and matrices (b, n, n), one entry a size."""
        square = self.problem.scale**2
        return [(rows, m * square) for rows, m in marginal_blocks(self.problem.stacks, self.problem.curves(self.free))]

    @property
    def marginal_covariance(self) -> np.ndarray:
        """V + Z G Z', shape (k, k)."""
        out = np.zeros((self.k, self.k))
        for rows, matrices in self.blocks:
            out[rows[:, :, None], rows[:, None, :]] = matrices
        return out

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row a coefficient: estimate, se, statistic, df, p_value, ci_low, ci_high."""
        import pandas as pd

        return pd.DataFrame(
            {
                "coefficient": list(self.names), "estimate": self.beta, "se": self.se, "statistic": self.statistic,
                "df": math.inf if self.df is None else self.df, "p_value": self.p_value,
                "ci_low": self.intervals[:, 0], "ci_high": self.intervals[:, 1],
            }
        )  # fmt: skip

    @property
    def components(self) -> pd.DataFrame:
        """One row a variance or correlation of the random effects: term, kind, level, estimate, groups."""
        import pandas as pd

        rows = [
            (t.name, kind, level, math.nan if value is None else value, t.groups)
            for t in self.terms
            for (kind, level), value in zip(t.component_names(), (*t.variances, *t.correlations), strict=True)
        ]
        return pd.DataFrame(rows, columns=["term", "kind", "level", "estimate", "groups"])

    def predict(self, new: Any = None, at: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Mean effects and the range of true effects at given moderators.

        Parameters
        ----------
        new : data frame, dict, or array of shape (m, p), optional
            Moderators (or design rows). Left out: the average effect of a model with an intercept only.
        at : dict, optional
            Where in a term of several variances the prediction is meant, one value or one a row: the level of
            ``inner | outer``, ``{"outcome | trial": "pain"}``, or the slopes of GEN and GDIAG, ``{"x | trial": {"x": 2}}``.
            Taken from the columns of ``new`` where these have it; without ``new``, every level gets its row.

        Returns
        -------
        pandas.DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high, with the distribution of the fit's intervals. The
            prediction interval adds the variances of the random effects at that place, for slopes z'Gz with z = (1, slopes). It
            is missing where the fit has no random effects and, with a warning, where the place is not known.
        """
        return prediction.predict(self, new, at)

    def blups(self, level: float | None = None) -> pd.DataFrame:
        """The true effect of each row given all of them (best linear unbiased prediction), the variances taken as known.

        Columns effect, estimate, se, low, high; the intervals use the distribution of the fit's tests.
        """
        level = self.level if level is None else level
        confidence(level)
        return after.blups(self, level)

    def random_effects(self, level: float | None = None) -> pd.DataFrame:
        """The random effects themselves (best linear unbiased prediction), the variances taken as known.

        Columns term, group, level, estimate, se (of the prediction error), low, high.
        """
        level = self.level if level is None else level
        confidence(level)
        return after.random_effects(self, level)

    def residuals(self) -> pd.DataFrame:
        """Marginal residuals, one row an effect: effect, residual, se, standardised, hat; `vfmeta.residuals` has more."""
        return after.residuals(self)

    @cached_property
    def coefficient_weights(self) -> np.ndarray:
        """How much each effect counts in each coefficient, shape (p, k): ``coefficient_weights @ y`` is ``beta``."""
        out = np.empty((self.p, self.k))
        if self.problem.weights is not None:
            return np.linalg.solve(np.linalg.qr(self.X, mode="r"), self.problem.lead.T)
        for rows, m in self.blocks:
            out[:, rows] = np.moveaxis(np.linalg.solve(m, self.X[rows]) @ self.vb, -1, 0)
        return out

    def to_frame(self) -> pd.DataFrame:
        """The coefficients, tidy, with the model's name, k and measure."""
        return self.coefficients.assign(model="multivariate", method=self.method, measure=self.question.measure, k=self.k)

    def _pack(self) -> dict[str, Any]:
        return pack(self)

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return unpack(data, own) | {"terms": tuple(RandomTerm.from_plain(t) for t in data["terms"])}

    def __str__(self) -> str:
        lines = [f"multivariate random effects, k = {self.k}, {self.question.measure} ({self.method}, {self.test})"]
        for i, name in enumerate(self.names):
            low, high = self.intervals[i]
            interval = tx.ci_text(self.level, (low, high), 4)
            lines.append(f"{name}: {tx.short(self.beta[i], 4)}  ({interval}), p = {tx.short(self.p_value[i])}")
        for t in self.terms:
            text = ", ".join(tx.short(v, 4) for v in t.variances)
            rho = (
                "; correlation " + ", ".join("not estimable" if c is None else tx.short(c) for c in t.correlations)
                if t.correlations
                else ""
            )
            lines.append(f"variance of {t.name} ({t.groups} groups, {t.structure}): {text}{rho}")
        if self.p > 1:
            lines.append(f"test of {', '.join(self.omnibus_of)}: {self.omnibus}")
        lines.append(f"residual heterogeneity: {self.q}")
        lines.append(f"log likelihood {tx.fixed(self.log_likelihood, 4)}, AIC {tx.fixed(self.information().aic, 2)}")
        return "\n".join([*lines, *(f"note: {w}" for w in self.warnings)])


def around(beta: np.ndarray, se: np.ndarray, level: float, df: np.ndarray | None) -> np.ndarray:
    """Intervals beta -+ quantile * se, shape (p, 2)."""
    half = quantile(level, df) * se
    return np.column_stack([beta - half, beta + half])
