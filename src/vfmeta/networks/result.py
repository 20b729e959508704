"""What a network meta-analysis answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.kernels.network import between_designs
from vfmeta.networks.compared import Treatments, packed, unpacked
from vfmeta.networks.graph import Network
from vfmeta.results.wald import TestResult, tail
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class Coherence(NamedTuple):
    """Tests of Cochran's Q at tau2 = 0: ``total``, ``within`` designs (heterogeneity) and ``between`` them (incoherence)."""

    total: TestResult
    within: TestResult
    between: TestResult

    def __str__(self) -> str:
        return f"Q total: {self.total}; within designs: {self.within}; between designs: {self.between}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TreatmentsResult(Treatments, RegressionResult):
    """A regression over the trials of a network, from which every two treatments are compared; ``network`` holds the trials."""

    packed: ClassVar[frozenset[str]] = RegressionResult.packed | {"network"}
    absent: ClassVar[dict[str, str]] = {"prediction": "each comparison has its own: see league or comparisons."}

    reference: str
    network: Network = field(repr=False)

    @property
    def slopes(self) -> np.ndarray:
        """None of the coefficients is a slope: each is the effect of a treatment, shape (p,)."""
        return np.zeros(self.p, dtype=bool)

    @property
    def trial(self) -> np.ndarray:
        """Number of the trial that each row is of, shape (k,)."""
        return self.network.rows_of

    @property
    def studies(self) -> pd.DataFrame:
        """One row per contrast with a trial's first arm: study, treatment, control, estimate, se, ci_low, ci_high, weight
        (1 / (variance + tau2) in percent of all), scale.
        """
        return self._contrasts(0.0 if math.isnan(self.tau2) else self.tau2)

    @property
    def _covariance(self) -> np.ndarray:
        return self.fit.phi

    def _pack(self) -> dict[str, Any]:
        return {**super()._pack(), "network": packed(self.network)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        found = super()._unpack(data, {**own, "tau2": 0.0 if math.isnan(own["tau2"]) else own["tau2"]})
        return {**found, "network": unpacked(data["network"], own)}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkResult(TreatmentsResult):
    """A fitted network. ``terms`` are the treatments but the ``reference``, ``estimate`` (p,) their effects against it.

    All else is that of a meta-regression over the independent rows of the trials: ``tau2`` is the between-trial variance of
    every contrast, ``q`` Cochran's Q of the network, ``omnibus`` the test that no treatment differs. ``network`` holds the
    trials.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A")
    >>> net.p_scores("low").index.tolist()
    ['A', 'B', 'C']
    """

    engine: ClassVar[str] = "network"

    def coherence(self) -> Coherence:
        """Whether trials of one design agree, and whether designs agree with each other.

        A design is the set of treatments of a trial (Higgins et al. 2012, Res Synth Methods 3:98-110); all at tau2 = 0.
        """
        designs: dict[frozenset[str], int] = {}
        code = np.array([designs.setdefault(frozenset(t.arms), len(designs)) for t in self.network.trials])
        within, between = between_designs(self.y, self.v, self.design.x, code[self.trial], float(self.q.statistic))
        return Coherence(
            self.q, *(tail(x, df, None) if df else TestResult(0.0, 0, None, math.nan) for x, df in (within, between))
        )

    def __str__(self) -> str:
        trials = self.network.trials
        several = sum(t.count for t in trials if len(t.arms) > 2)
        among = self.network.having()
        head = f"Network of {len(self.treatments)} treatments in {among} trial{'' if among == 1 else 's'}"
        head += f" ({several} with more than two arms)" if several else ""
        of = f" {tx.spread_of(self.question)}".rstrip()
        between = (
            "tau2 not estimable" if math.isnan(self.tau2) else f"tau2 {tx.short(self.tau2)}{of}, I2 = {tx.fixed(self.i2, 0)}%"
        )
        found = self.coherence()
        return self._text(
            f"{head}, {self.question.shown} against {self.reference} ({self.method}, {self.test})",
            f"{between}; {self.q}",
            f"designs agree: {found.between}" if found.between.df else "no design is tested by another",
        )
