"""A fitted multivariate or multilevel model: its fields, and what follows from them at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vfmeta.core.params import Likelihood, choice
from vfmeta.core.question import Question
from vfmeta.effects.design import Design
from vfmeta.frequentist.multivariate.likelihood import Problem, pairs
from vfmeta.kernels.stacks import dense, diagonal, known_blocks, marginal_blocks, stack_blocks
from vfmeta.results.codec import array
from vfmeta.results.coefficients import Coefficients
from vfmeta.results.frames import scaled, scaled_components
from vfmeta.results.information import Information, information
from vfmeta.results.wald import TestResult, quantile

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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultivariateFit(Coefficients):
    """The fields of `MultivariateResult`, which documents them, and what follows from them at once."""

    question: Question
    method: str
    test: str
    level: float
    k: int
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    df: np.ndarray | None
    vb: np.ndarray
    random: tuple[RandomTerm, ...]
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
        """Log likelihood, deviance, AIC, AICc and BIC; of REML only with the same moderators.

        Parameters
        ----------
        kind : {"ML", "REML"}, optional
            Which likelihood; that of the fit when left out. Both are evaluated at the variances of this fit. The number of
            observations is k for ML and k - p for REML.
        """
        kind = self.method if kind is None else kind
        kind = choice("kind", kind, Likelihood)
        ll = self.log_likelihood_reml if kind == "REML" else self.log_likelihood_ml
        n, count = self.k - (self.p if kind == "REML" else 0), self.parameters
        return information(kind, ll, count, n, 0.0 if kind == "REML" else self._saturated())

    def _saturated(self) -> float:
        """Log likelihood where each effect is its own mean, with the known covariance alone."""
        blocks = known_blocks(stack_blocks(self.y, self.X, self.problem.V, ()))
        logs = sum(float(np.linalg.slogdet(matrices)[1].sum()) for _, matrices in blocks)
        return -0.5 * (self.k * math.log(2 * math.pi) + logs)

    def _design(self) -> np.ndarray:
        return self.X

    @property
    def p(self) -> int:
        return len(self.terms)

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
    def components(self) -> pd.DataFrame:
        """One row a variance or correlation of the random effects: term, kind, level, estimate, groups, scale."""
        import pandas as pd

        rows = [
            (t.name, kind, level, math.nan if value is None else value, t.groups)
            for t in self.random
            for (kind, level), value in zip(t.component_names(), (*t.variances, *t.correlations), strict=True)
        ]
        frame = pd.DataFrame(rows, columns=["term", "kind", "level", "estimate", "groups"])
        return scaled_components(frame, self.question)

    @property
    def studies(self) -> pd.DataFrame:
        """One row an effect: study, estimate, se, ci_low, ci_high, weight (percent, summed over coefficients), scale."""
        import pandas as pd

        se = np.sqrt(diagonal(self.problem.V))
        half = quantile(self.level, None) * se
        share = np.abs(self.coefficient_weights).sum(axis=0)
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": se, "ci_low": self.y - half, "ci_high": self.y + half,
            "weight": 100 * share / share.sum(),
        })  # fmt: skip
        return scaled(frame, self.question)

    def degrees(self, rows: np.ndarray) -> np.ndarray:
        """Degrees of freedom of ``rows`` (m, p) times the coefficients: Satterthwaite's, or the least of the coefficients."""
        from vfmeta.frequentist.multivariate.degrees import spread

        if self.df is None:
            return np.full(len(rows), math.inf)
        found = spread(self.problem, self.free, self.vb) if self.call.get("df") == "Satterthwaite" else None
        if found is not None:
            return found.degrees(rows)
        return np.array([self.df[r != 0].min(initial=math.inf) for r in rows])

    @cached_property
    def coefficient_weights(self) -> np.ndarray:
        """How much each effect counts in each coefficient, shape (p, k): ``coefficient_weights @ y`` is ``estimate``."""
        out = np.empty((self.p, self.k))
        if self.problem.weights is not None:
            return np.linalg.solve(np.linalg.qr(self.X, mode="r"), self.problem.lead.T)
        for rows, m in self.blocks:
            out[:, rows] = np.moveaxis(np.linalg.solve(m, self.X[rows]) @ self.vb, -1, 0)
        return out


def around(beta: np.ndarray, se: np.ndarray, level: float, df: np.ndarray | None) -> np.ndarray:
    """Intervals beta -+ quantile * se, shape (p, 2)."""
    half = quantile(level, df) * se
    return np.column_stack([beta - half, beta + half])
