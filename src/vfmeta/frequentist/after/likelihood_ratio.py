"""Two models of the same studies set against each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.frequentist.after.influence import as_regression
from vfmeta.frequentist.location_scale import LocationScaleResult
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.regression import log_likelihood
from vfmeta.results.codec import Recorded
from vfmeta.results.information import Information, information
from vfmeta.results.wald import TestResult
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Recorded):
    """Likelihood-ratio test of the simpler of two models (``ratio``), and the criteria of both, by one ``method``."""

    engine: ClassVar[str] = "comparison"
    absent: ClassVar[dict[str, str]] = {
        "": "it compares two models, each of which has its own.",
        "information": "to_frame() has the criteria of both models.",
    }

    question: Question
    ratio: TestResult
    models: tuple[Information, ...]
    method: str
    k: int
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def statistic(self) -> float:
        """Twice the difference of the log likelihoods."""
        return self.ratio.statistic

    @property
    def df(self) -> int:
        """How many parameters more the fuller model has."""
        return self.ratio.df

    @property
    def p_value(self) -> float:
        """Upper tail of chi-squared."""
        return self.ratio.p_value

    @property
    def test(self) -> str:
        """Name of the test."""
        return "likelihood ratio"

    def to_frame(self) -> pd.DataFrame:
        """One row per model, fuller first: model, parameters, log_likelihood, aic, aicc, bic."""
        import pandas as pd

        columns = ("parameters", "log_likelihood", "aic", "aicc", "bic")
        names = ("fuller", "simpler")
        each = zip(names, self.models, strict=True)
        return pd.DataFrame([{"model": n, **{c: getattr(m, c) for c in columns}} for n, m in each])

    def __str__(self) -> str:
        lines = [self.to_frame().to_string(index=False), f"likelihood ratio ({self.method}): {self.ratio}"]
        return "\n".join([*lines, *closing_lines(self)])


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

    How often its tests reject and its intervals hold: ``reports/levels.md#likelihood_ratio``.

    Parameters
    ----------
    fuller, simpler : result
        Of `meta_regression`, `location_scale`, `random_effects` or `common_effect`, by ``"ML"`` (or ``"REML"``, where both have
        the same moderators of the mean: restricted likelihoods of different moderators are likelihoods of different data).

    Returns
    -------
    Comparison
        With ``ratio`` (chi-squared with the difference in parameters), a row per model in `to_frame`, and a warning where
        tau2 = 0 is the simpler model: zero lies on the edge of what tau2 can be, so the p value is too large, about twofold
        for one parameter (Self & Liang 1987, JASA 82:605-610).

    Examples
    --------
    >>> import vfmeta as vf
    >>> data = {"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}
    >>> fuller = vf.meta_regression(data, "~ dose", method="ML")
    >>> vf.likelihood_ratio(fuller, vf.random_effects(data, method="ML")).df
    1
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
    level = "rejects 9 to 11% at 5% where effects differ" if kind == "ML" and not same_mean and len(big.y) <= 20 else ""
    return Comparison(
        question=fuller.question, ratio=TestResult(statistic, df, None, chi2_above(statistic, df), level),
        models=(_criteria(big, kind), _criteria(small, kind)), method=kind, k=len(big.y), warnings=(note,) if note else (),
        origin=fuller.origin, call={"function": "likelihood_ratio"},
    )  # fmt: skip


def _model(fit: Any) -> _Model:
    if isinstance(fit, LocationScaleResult):
        return _Model(fit.design.x, fit.scale_design.x, fit.method, fit.log_likelihood, fit.y, fit.v)
    r = as_regression(fit)
    if r.user_weights is not None:
        raise InputError("A fit with user weights is no maximum of a likelihood; fit without weights=.")
    value = np.array([r.tau2])
    likelihood = {k: float(log_likelihood(r.fit.model, value, k == "REML")[0]) for k in ("ML", "REML")}
    free = r.method != "common" and r.fixed_tau2 is None
    kind = r.method if free else ""
    return _Model(r.design.x, np.ones((r.k, 1)) if free else None, kind, likelihood, r.y, r.v)


def _within(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the columns of ``a`` are combinations of those of ``b``."""
    length = np.sqrt((a**2).sum(0))
    q, _ = np.linalg.qr(b)
    return bool(np.all(np.sqrt(((a - q @ (q.T @ a)) ** 2).sum(0)) <= 1e-8 * length))


def _criteria(m: _Model, kind: str) -> Information:
    return information(kind, m.likelihood[kind], m.parameters, len(m.y) - (m.x.shape[1] if kind == "REML" else 0))
