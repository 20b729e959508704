"""What a multivariate or multilevel model answers with."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.frequentist.dependent import after
from vfmeta.frequentist.dependent.likelihood import Problem, pairs
from vfmeta.frequentist.design import Design
from vfmeta.frequentist.inference import TestResult, quantile
from vfmeta.frequentist.intake import check_level
from vfmeta.frequentist.regression_result import Information
from vfmeta.kernels.dependent import marginal_blocks
from vfmeta.messages import InputError
from vfmeta.results import SCHEMA_VERSION, Question, _plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class RandomTerm:
    """Estimated covariance of one random term.

    ``variances`` has one entry for CS, AR, CAR and intercepts, else one a level. ``correlations`` has one entry for CS, HCS,
    AR, HAR and CAR and, for UN and GEN, one for each pair of levels in the order (1,2), (1,3), ..., (2,3), ...; a correlation
    is None where a variance it needs is zero, because the data then say nothing on it. For CAR the correlation is that of
    effects one unit of time apart.
    """

    name: str
    structure: str
    levels: tuple[str, ...]
    groups: int
    variances: tuple[float, ...]
    correlations: tuple[float | None, ...]
    covariance: np.ndarray

    @property
    def is_intercept(self) -> bool:
        return self.structure == "intercept"


@dataclass(frozen=True, kw_only=True)
class MultivariateResult:
    """A fitted multivariate or multilevel model. Vectors follow ``names``; everything is on the analysis scale.

    ``statistic``, ``p_values`` and ``intervals`` (p, 2) belong to the single coefficients, ``df`` (p,) is None for the normal
    test. ``terms`` are the random effects. ``q`` is the test of residual heterogeneity, of the model without random effects.
    ``omnibus`` tests all coefficients but the intercept (all, where there is none or nothing else); ``omnibus_of`` names them.
    ``log_likelihood`` is that of the method fitted, ``parameters`` counts coefficients, variances and correlations.
    """

    question: Question
    method: str
    interval_method: str
    level: float
    k: int
    names: tuple[str, ...]
    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_values: np.ndarray
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
        if kind not in ("ML", "REML"):
            raise InputError(f'kind={kind!r} is unknown; use "ML" or "REML".')
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
        return self.problem.V

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
                "df": math.inf if self.df is None else self.df, "p_value": self.p_values,
                "ci_low": self.intervals[:, 0], "ci_high": self.intervals[:, 1],
            }
        )  # fmt: skip

    @property
    def components(self) -> pd.DataFrame:
        """One row a variance or correlation of the random effects: term, kind, level, estimate, groups."""
        import pandas as pd

        rows = []
        for t in self.terms:
            common = len(t.variances) == 1
            rows += [
                (t.name, "variance", "" if common else level, value, t.groups)
                for level, value in zip(t.levels, t.variances, strict=False)
            ]
            names = [""] if t.structure not in ("UN", "GEN") else [f"{a}, {b}" for a, b in pairs(t.levels)]
            rows += [
                (t.name, "correlation", n, math.nan if c is None else c, t.groups)
                for n, c in zip(names, t.correlations, strict=False)
            ]
        return pd.DataFrame(rows, columns=["term", "kind", "level", "estimate", "groups"])

    def predict(self, new: Any = None, at: dict[str, str] | None = None) -> pd.DataFrame:
        """Mean effects and the range of true effects at given moderators.

        Parameters
        ----------
        new : data frame, dict, or array of shape (m, p), optional
            Moderators (or design rows). Left out: the average effect of a model with an intercept only.
        at : dict, optional
            For terms with a variance a level, the level meant: ``{"outcome | trial": "pain"}``.

        Returns
        -------
        pandas.DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high, with the distribution of the fit's intervals. The
            prediction interval adds every variance of the random effects; it is missing where the fit has none, where a level
            must be named and is not, and for random slopes.
        """
        import pandas as pd

        if new is None:
            if self.X.shape[1] != 1 or not np.all(self.X == 1):
                raise InputError("This model has moderators; give new= with their values.")
            rows = np.ones((1, 1))
        else:
            rows = self.design.rows(new)
        mean = rows @ self.beta
        variance = np.einsum("mp,pq,mq->m", rows, self.vb, rows)
        half = quantile(self.level, None if self.df is None else np.array([self.df[r != 0].min(initial=np.inf) for r in rows]))
        between = self._between(at or {})
        wide = half * np.sqrt(variance + between)
        se = np.sqrt(variance)
        return pd.DataFrame(
            {
                "estimate": mean, "se": se, "ci_low": mean - half * se, "ci_high": mean + half * se,
                "prediction_low": mean - wide, "prediction_high": mean + wide,
            }
        )  # fmt: skip

    def blups(self, level: float | None = None) -> pd.DataFrame:
        """The true effect of each row given all of them (best linear unbiased prediction), the variances taken as known.

        Columns effect, estimate, se, low, high; the intervals use the distribution of the fit's tests.
        """
        level = self.level if level is None else level
        check_level(level)
        return after.blups(self, level)

    def residuals(self) -> pd.DataFrame:
        """Marginal residuals, one row an effect: effect, residual, se, standardised."""
        return after.residuals(self)

    def _between(self, at: dict[str, str]) -> float:
        unknown = [name for name in at if name not in {t.name for t in self.terms}]
        if unknown:
            raise InputError(f"at names {unknown}; the random terms are {[t.name for t in self.terms]}.")
        total = 0.0 if self.terms else math.nan
        for t in self.terms:
            if t.structure in ("GEN", "GDIAG"):
                return math.nan
            if len(t.variances) == 1:
                total += t.variances[0]
            elif t.name in at:
                if at[t.name] not in t.levels:
                    raise InputError(f"{at[t.name]!r} is not a level of {t.name!r}; it has {', '.join(t.levels)}.")
                total += t.variances[t.levels.index(at[t.name])]
            else:
                return math.nan
        return total

    def to_frame(self) -> pd.DataFrame:
        """The coefficients, tidy, with the model's name, k and measure."""
        return self.coefficients.assign(model="multivariate", method=self.method, measure=self.question.measure, k=self.k)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a schema version: the numbers of the fit, without the data it was made from."""
        skip = {"data", "design", "problem", "free"}
        body = {f.name: _plain(_opened(getattr(self, f.name))) for f in fields(self) if f.name not in skip}
        return {"schema_version": SCHEMA_VERSION, "engine": "frequentist", "model": "multivariate", **body}

    def to_json(self) -> str:
        """Byte-stable JSON: sorted keys, 10 significant digits."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def __str__(self) -> str:
        lines = [f"multivariate random effects, k = {self.k}, {self.question.measure} ({self.method}, {self.interval_method})"]
        for i, name in enumerate(self.names):
            low, high = self.intervals[i]
            lines.append(
                f"{name}: {self.beta[i]:.4g}  ({self.level:.0%} CI {low:.4g} to {high:.4g}), p = {self.p_values[i]:.3g}"
            )
        for t in self.terms:
            text = ", ".join(f"{v:.4g}" for v in t.variances)
            rho = (
                "; correlation " + ", ".join("not estimable" if c is None else f"{c:.3g}" for c in t.correlations)
                if t.correlations
                else ""
            )
            lines.append(f"variance of {t.name} ({t.groups} groups, {t.structure}): {text}{rho}")
        if self.p > 1:
            lines.append(f"test of {', '.join(self.omnibus_of)}: {self.omnibus}")
        lines.append(f"residual heterogeneity: {self.q}")
        lines.append(f"log likelihood {self.log_likelihood:.4f}, AIC {self.information().aic:.2f}")
        return "\n".join([*lines, *(f"note: {w}" for w in self.warnings)])


def _opened(value: Any) -> Any:
    """Small dataclasses inside a result as plain dictionaries."""
    if isinstance(value, (TestResult, RandomTerm)):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    return [_opened(x) for x in value] if isinstance(value, tuple) else value


def around(beta: np.ndarray, se: np.ndarray, level: float, df: np.ndarray | None) -> np.ndarray:
    """Intervals beta -+ quantile * se, shape (p, 2)."""
    half = quantile(level, df) * se
    return np.column_stack([beta - half, beta + half])
