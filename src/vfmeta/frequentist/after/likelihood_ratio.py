"""Two models of the same studies set against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.frequentist.after.influence import as_regression
from vfmeta.frequentist.location_scale import LocationScaleResult
from vfmeta.kernels import regressions
from vfmeta.results.wald import TestResult, chi2_tail

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """Likelihood-ratio test of the simpler model, and the information criteria of both in ``table``."""

    test: TestResult
    table: pd.DataFrame
    kind: str
    note: str = ""

    def __str__(self) -> str:
        note = f"\nnote: {self.note}" if self.note else ""
        return f"{self.table.to_string(index=False)}\nlikelihood ratio ({self.kind}): {self.test}{note}"


@dataclass(frozen=True)
class _Model:
    x: np.ndarray
    z: np.ndarray | None  # design of log tau2; None where tau2 is zero or given
    kind: str
    likelihood: dict[str, float]
    y: np.ndarray
    v: np.ndarray

    @property
    def parameters(self) -> int:
        return self.x.shape[1] + (0 if self.z is None else self.z.shape[1])


def likelihood_ratio(fuller: Any, simpler: Any) -> Comparison:
    """Likelihood-ratio test and AIC, AICc, BIC of two nested models of the same studies.

    Parameters
    ----------
    fuller, simpler : result
        Of `meta_regression`, `location_scale`, `random_effects` or `common_effect`, by ``"ML"`` (or ``"REML"``, where both have
        the same moderators of the mean: restricted likelihoods of different moderators are likelihoods of different data).

    Returns
    -------
    Comparison
        With ``test`` (chi-squared with the difference in parameters), ``table`` (one row per model) and a ``note`` where tau2 =
        0 is the simpler model: zero lies on the edge of what tau2 can be, so the p value is too large, about twofold for one
        parameter (Self & Liang 1987, JASA 82:605-610).
    """
    big, small = _model(fuller), _model(simpler)
    if big.y.shape != small.y.shape or np.any(big.y != small.y) or np.any(big.v != small.v):
        raise InputError(
            f"The models rest on different studies (k = {len(big.y)} and {len(small.y)}, or other effects); fit both to the "
            "same rows, leaving out those that lack a moderator of either."
        )
    kinds = {m.kind for m in (big, small) if m.kind}
    if kinds - {"ML", "REML"} or len(kinds) != 1:
        given = ", ".join(sorted(kinds)) or "neither"
        raise InputError(f'Likelihood ratios need two fits by method="ML", or two by "REML"; these are by {given}.')
    kind = kinds.pop()
    same_mean = _within(small.x, big.x) and _within(big.x, small.x)
    if kind == "REML" and not same_mean:
        raise InputError('REML likelihoods cannot compare models with different moderators of the mean; fit both by "ML".')
    nested_scale = small.z is None or (big.z is not None and _within(small.z, big.z))
    df = big.parameters - small.parameters
    if not _within(small.x, big.x) or not nested_scale or df < 1:
        raise InputError("The simpler model is not contained in the fuller one; a likelihood ratio cannot test it.")
    statistic = max(0.0, 2 * (big.likelihood[kind] - small.likelihood[kind]))
    edge = small.z is None and big.z is not None
    note = "tau2 = 0 lies on the edge of what tau2 can be: the p value is too large, about twofold for one." if edge else ""
    return Comparison(TestResult(statistic, df, None, chi2_tail(statistic, df)), _table(big, small, kind), kind, note)


def _model(fit: Any) -> _Model:
    if isinstance(fit, LocationScaleResult):
        return _Model(fit.design.x, fit.scale_design.x, fit.method, fit.log_likelihood, fit.y, fit.v)
    r = as_regression(fit)
    if r.user_weights is not None:
        raise InputError("A fit with user weights is no maximum of a likelihood; fit without weights=.")
    value = np.array([r.tau2])
    likelihood = {k: float(regressions.log_likelihood(r.fit.model, value, k == "REML")[0]) for k in ("ML", "REML")}
    free = r.method != "common" and r.fixed_tau2 is None
    kind = r.method if free else ""
    return _Model(r.design.x, np.ones((r.k, 1)) if free else None, kind, likelihood, r.y, r.v)


def _within(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the columns of ``a`` are combinations of those of ``b``."""
    length = np.sqrt((a**2).sum(0))
    q, _ = np.linalg.qr(b)
    return bool(np.all(np.sqrt(((a - q @ (q.T @ a)) ** 2).sum(0)) <= 1e-8 * length))


def _table(big: _Model, small: _Model, kind: str) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, m in (("fuller", big), ("simpler", small)):
        n = len(m.y) - (m.x.shape[1] if kind == "REML" else 0)
        ll, count = m.likelihood[kind], m.parameters
        size = max(n, count + 2)
        rows.append({
            "model": name, "parameters": count, "log_likelihood": ll, "aic": -2 * ll + 2 * count,
            "aicc": -2 * ll + 2 * count * size / (size - count - 1),
            "bic": -2 * ll + count * math.log(n) if n > 0 else math.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)
