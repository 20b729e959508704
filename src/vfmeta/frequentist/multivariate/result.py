"""What a multivariate or multilevel model answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from vfmeta.core.params import Likelihood, OnScale, choice, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects.design import Design
from vfmeta.frequentist.multivariate import after, prediction
from vfmeta.frequentist.multivariate.likelihood import Problem, pairs
from vfmeta.frequentist.multivariate.packing import pack, unpack
from vfmeta.kernels.dependent import dense, diagonal, marginal_blocks
from vfmeta.results.codec import array
from vfmeta.results.coefficients import Coefficients
from vfmeta.results.frames import scaled
from vfmeta.results.information import Information, information
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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultivariateResult(Coefficients):
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
        return information(kind, ll, count, n)

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
        """One row a variance or correlation of the random effects: term, kind, level, estimate, groups."""
        import pandas as pd

        rows = [
            (t.name, kind, level, math.nan if value is None else value, t.groups)
            for t in self.random
            for (kind, level), value in zip(t.component_names(), (*t.variances, *t.correlations), strict=True)
        ]
        return pd.DataFrame(rows, columns=["term", "kind", "level", "estimate", "groups"])

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

        Columns study, estimate, se, ci_low, ci_high, scale; the intervals use the distribution of the fit's tests.
        """
        level = self.level if level is None else level
        confidence(level)
        return after.blups(self, level)

    def random_effects(self, level: float | None = None) -> pd.DataFrame:
        """The random effects themselves (best linear unbiased prediction), the variances taken as known.

        Columns term, group, level, estimate, se (of the prediction error), ci_low, ci_high.
        """
        level = self.level if level is None else level
        confidence(level)
        return after.random_effects(self, level)

    def residuals(self) -> pd.DataFrame:
        """Marginal residuals, one row an effect: study, residual, se, standardised, hat; `vfmeta.residuals` has more."""
        return after.residuals(self)

    @cached_property
    def coefficient_weights(self) -> np.ndarray:
        """How much each effect counts in each coefficient, shape (p, k): ``coefficient_weights @ y`` is ``estimate``."""
        out = np.empty((self.p, self.k))
        if self.problem.weights is not None:
            return np.linalg.solve(np.linalg.qr(self.X, mode="r"), self.problem.lead.T)
        for rows, m in self.blocks:
            out[:, rows] = np.moveaxis(np.linalg.solve(m, self.X[rows]) @ self.vb, -1, 0)
        return out

    def _pack(self) -> dict[str, Any]:
        return pack(self)

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return unpack(data, own) | {"random": tuple(RandomTerm.from_plain(t) for t in data["random"])}

    def __str__(self) -> str:
        lines = [f"multivariate random effects, k = {self.k}, {self.question.measure} ({self.method}, {self.test})"]
        for i, name in enumerate(self.terms):
            low, high = self.interval[i]
            interval = tx.ci_text(self.level, (low, high), 4)
            lines.append(f"{name}: {tx.short(self.estimate[i], 4)}  ({interval}), p = {tx.short(self.p_value[i])}")
        for t in self.random:
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
