"""What a model of the counts of a network answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.question import Pair, Question
from vfmeta.networks.compared import OfTrials, packed, unpacked
from vfmeta.networks.graph import Network
from vfmeta.results.coefficients import Coefficients
from vfmeta.results.heterogeneity import at_limits, profile_only
from vfmeta.results.information import Information, of_counts
from vfmeta.results.wald import TestResult
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkCounts(OfTrials, Coefficients):
    """A network fitted to its counts. ``terms`` are the treatments but the ``reference``, ``estimate`` (p,) log ratios to it.

    ``tau2`` is the between-trial variance of every contrast, ``q`` the likelihood ratio test of heterogeneity and incoherence
    together: against a model in which each trial has effects of its own. ``i2`` (percent) and ``h2`` set tau2 against the
    typical variance of a normal approximation, which the model does not use. ``network`` holds the trials by that
    approximation (0.5 added where a cell is empty), for figures. ``nodes`` is how many quadrature nodes a trial of two arms
    took.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": ["a", "a", "b", "b", "c", "c"], "treatment": ["drug", "sham", "brace", "sham", "drug", "brace"],
    ...     "events": [1, 4, 2, 5, 0, 3], "n": [60, 62, 80, 78, 50, 51],
    ... }
    >>> net = vf.networks.counts(arms, reference="sham", heterogeneity="common")
    >>> net.p_scores("low").index.tolist()
    ['brace', 'drug', 'sham']
    """

    engine: ClassVar[str] = "network_counts"
    packed: ClassVar[frozenset[str]] = frozenset({"network"})
    absent: ClassVar[dict[str, str]] = {
        "prediction": "each comparison has its own: see league or comparisons.",
        "predict": "comparisons has every two treatments, with prediction intervals.",
    }

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    level: float
    df: float | None
    vb: np.ndarray
    tau2: float
    tau2_se: float | None
    tau2_interval: Pair | None
    typical_variance: float | None
    q: TestResult
    omnibus: TestResult
    model: str
    method: str
    test: str
    log_likelihood: float
    saturated_log_likelihood: float
    parameters: int
    nodes: int
    reference: str
    warnings: tuple[str, ...]
    call: dict[str, Any]
    network: Network = field(repr=False)

    @property
    def i2(self) -> float | None:
        return None if self.typical_variance is None else 100 * self.tau2 / (self.tau2 + self.typical_variance)

    @property
    def h2(self) -> float | None:
        return None if self.typical_variance is None else self.tau2 / self.typical_variance + 1

    @property
    def studies(self) -> pd.DataFrame:
        """One row per contrast with a trial's first arm, by the normal approximation: study, treatment, control, estimate,
        se, ci_low, ci_high, weight (1 / (variance + tau2) in percent of all), scale.
        """
        return self._contrasts(self.tau2)

    def heterogeneity_interval(self, kind: str = "profile-likelihood") -> dict[str, Pair] | None:
        """Intervals of tau2, I2 (percent) and H2 by name; None where that of tau2 was not found."""
        profile_only(kind)
        if self.tau2_interval is None or self.typical_variance is None:
            return None
        return at_limits(self.tau2_interval, self.typical_variance)

    def information(self, kind: str = "ML") -> Information:
        """Log-likelihood (marginal or conditional), deviance from effects for each trial, AIC, AICc and BIC; n is the number
        of arms.
        """
        arms = sum(len(t.arms) for t in self.network.trials)
        return of_counts(kind, self.log_likelihood, self.parameters, arms, self.saturated_log_likelihood)

    @property
    def spreads(self) -> bool:
        """Whether trials differ beyond chance in this model."""
        return self.call["heterogeneity"] == "random"

    @property
    def _covariance(self) -> np.ndarray:
        return self.vb

    def _spread(self, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, self.vb, matrix), 0.0))

    def _df(self, matrix: np.ndarray) -> float | None:
        return self.df

    def _pack(self) -> dict[str, Any]:
        return {"network": packed(self.network)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {"network": unpacked(data["network"], own)}

    def __str__(self) -> str:
        n, span = len(self.network.trials), self.tau2_interval
        told = "" if span is None else f" (profile likelihood {tx.span_text(span)})"
        of = f" {tx.spread_of(self.question)}".rstrip()
        return self._text(
            f"Network of {len(self.treatments)} treatments in {n} trial{'' if n == 1 else 's'}, {self.question.shown} against "
            f"{self.reference} ({self.method}, {self.model}, {self.test})",
            f"tau2 {tx.short(self.tau2)}{of}{told}; {self.q}" if self.spreads else f"common effect; {self.q}",
        )
