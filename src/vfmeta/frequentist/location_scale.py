"""Location-scale models: what the mean effect, and what the heterogeneity, depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import Likelihood, Missing, WaldTest, choice
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.frequentist.meta_regression import selected
from vfmeta.frequentist.metaregression import prepared
from vfmeta.frequentist.record import Recorded, pack_design, unpack_design
from vfmeta.kernels.location_scale import LocationScale, fit_location_scale
from vfmeta.kernels.regression import CollinearError, redundant
from vfmeta.results.wald import TestResult, chi2_tail, quantile, ratio, two_sided, wald
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

LIKELIHOODS = ("REML", "ML")


@dataclass(frozen=True, kw_only=True, repr=False)
class LocationScaleResult(Recorded):
    """A location-scale model. ``names``/``beta`` are of the mean, ``scale_names``/``alpha`` of log tau2; ``tau2`` (k,) per
    study.

    ``omnibus`` tests the moderators of the mean, ``scale_omnibus`` those of log tau2 (an intercept left aside unless it stands
    alone), ``q`` the heterogeneity beyond the moderators of the mean. ``log_likelihood`` holds ML and REML.
    """

    engine: ClassVar[str] = "location_scale"
    packed: ClassVar[frozenset[str]] = frozenset({"design", "scale_design"})

    question: Question
    names: tuple[str, ...]
    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    intervals: np.ndarray
    vb: np.ndarray
    scale_names: tuple[str, ...]
    alpha: np.ndarray
    alpha_se: np.ndarray
    alpha_statistic: np.ndarray
    alpha_p_values: np.ndarray
    alpha_intervals: np.ndarray
    va: np.ndarray
    tau2: np.ndarray
    omnibus: TestResult
    scale_omnibus: TestResult
    q: TestResult
    log_likelihood: dict[str, float]
    method: str
    test: str
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    warnings: tuple[str, ...] = ()
    design: Design = field(repr=False)
    scale_design: Design = field(repr=False)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row per coefficient: part (mean or log tau2), coefficient, estimate, se, statistic, p_value, ci_low, ci_high."""
        import pandas as pd

        parts = [
            pd.DataFrame({
                "part": part, "coefficient": list(names), "estimate": b, "se": s, "statistic": t, "p_value": p,
                "ci_low": ci[:, 0], "ci_high": ci[:, 1],
            })
            for part, names, b, s, t, p, ci in (
                ("mean", self.names, self.beta, self.se, self.statistic, self.p_value, self.intervals),
                ("log tau2", self.scale_names, self.alpha, self.alpha_se, self.alpha_statistic, self.alpha_p_values,
                 self.alpha_intervals),
            )
        ]  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """The coefficients of both parts, tidy."""
        return self.coefficients

    def predict(self, new: Any = None, new_scale: Any = None) -> pd.DataFrame:
        """Mean effect with its interval, tau2 and the prediction interval, at the studies' or at new values of the moderators.

        ``new`` and ``new_scale`` hold the moderators of the two parts by name (one frame may serve for both), or design rows.
        """
        import pandas as pd

        x = self.design.x if new is None else self.design.rows(new)
        scale = new if new_scale is None else new_scale
        z = self.scale_design.x if scale is None else self.scale_design.rows(scale)
        if len(x) != len(z):
            raise InputError(f"There are {len(x)} rows for the mean and {len(z)} for tau2; give one of each per prediction.")
        estimate, se = x @ self.beta, np.sqrt(np.einsum("ij,jk,ik->i", x, self.vb, x))
        tau2 = np.exp(z @ self.alpha)
        t = float(quantile(self.level, None if self.test == "Wald" else self.k - len(self.names)))
        wide = t * np.sqrt(se**2 + tau2)
        return pd.DataFrame({
            "estimate": estimate, "se": se, "ci_low": estimate - t * se, "ci_high": estimate + t * se, "tau2": tau2,
            "prediction_low": estimate - wide, "prediction_high": estimate + wide,
        })  # fmt: skip

    def _pack(self) -> dict[str, Any]:
        return {"design": pack_design(self.design), "scale_design": pack_design(self.scale_design)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {name: unpack_design(data[name]) for name in ("design", "scale_design")}

    def __str__(self) -> str:
        lines = [f"Location-scale model, k = {self.k}, {self.question.measure} ({self.method}, {self.test})"]
        lines += [
            f"{row.part:<9} {row.coefficient:<24} {tx.short(row.estimate, 4):>10}  "
            f"({tx.span_text((row.ci_low, row.ci_high))})  p = {tx.short(row.p_value)}"
            for row in self.coefficients.itertuples()
        ]
        lines += [f"moderators of the mean: {self.omnibus}", f"moderators of tau2: {self.scale_omnibus}"]
        lines.append(f"tau2 from {tx.short(self.tau2.min())} to {tx.short(self.tau2.max())}; residual {self.q}")
        return "\n".join([*lines, *(f"note: {w}" for w in self.warnings)])


def location_scale(
    effects: Any = None,
    formula: str | None = "~ 1",
    scale: str | None = None,
    *,
    y: Any = None,
    v: Any = None,
    study: Sequence[Any] | None = None,
    data: Any = None,
    x: Any = None,
    z: Any = None,
    method: Likelihood = "REML",
    test: WaldTest = "Wald",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> LocationScaleResult:
    """Location-scale meta-regression: y_i = x_i b + u_i + e_i with log Var(u_i) = z_i a.

    Parameters
    ----------
    effects, y, v, labels, data, question, level, missing
        As of `meta_regression`.
    formula : str
        Moderators of the mean effect, or the design ``x`` of shape (k, p) instead (then ``formula=None``).
    scale : str
        Moderators of log tau2, such as ``"~ risk_of_bias"``, or the design ``z`` of shape (k, q) instead.
    method : {"REML", "ML"}
        Likelihood.
    test : {"Wald", "t"}
        Normal, or t with k - p (mean) and k - q (tau2) degrees of freedom.

    Raises
    ------
    InputError
        For input that cannot be used, or collinear moderators.
    ConvergenceError
        Where the likelihood has no maximum inside: heterogeneity that vanishes, or a moderator that separates.

    Notes
    -----
    Viechtbauer & Lopez-Lopez 2022, Res Synth Methods 13:697-715. Compare with the model of one tau2 by `likelihood_ratio`.
    """
    method = choice("method", method, Likelihood)
    test = choice("test", test, WaldTest)
    if (scale is None) == (z is None):
        raise InputError("Give the moderators of tau2 as scale (a formula) or z (a design), one of the two.")
    s, design, scale_design = prepared(
        effects, y, v, study, data, question, missing, level, (formula, x, None), (scale, z, None)
    )
    p, q = design.x.shape[1], scale_design.x.shape[1]
    if s.k < p + q + 1:
        raise InputError(f"{s.k} studies cannot estimate {p} coefficients of the mean and {q} of tau2; leave moderators out.")
    for d in (design, scale_design):
        length = np.sqrt((d.x**2).sum(0))
        if np.any(length == 0) or np.linalg.matrix_rank(d.x / length) < d.x.shape[1]:
            raise designs.name_collinear(redundant(d.x), d, s.labels)
    try:
        f = fit_location_scale(s.y, s.v, design.x, scale_design.x, method == "REML")
    except CollinearError as error:
        raise designs.name_collinear(error.groups, design, s.labels) from error
    result = _result(f, s, design, scale_design, method, test, float(level))
    for note in result.warnings:
        warn(note)
    return result


def _result(
    f: LocationScale, s: Any, design: Design, scale_design: Design, method: str, interval: str, level: float
) -> LocationScaleResult:
    def side(b: np.ndarray, cov: np.ndarray, names: Sequence[str], intercept: int | None) -> tuple[Any, ...]:
        df = None if interval == "Wald" else float(s.k - len(b))
        se = np.sqrt(np.diag(cov))
        t, half = ratio(b, se), quantile(level, df) * se
        chosen = selected(names, intercept, None)
        test = wald(b[chosen], cov[np.ix_(chosen, chosen)], df)
        return se, t, two_sided(t, df), np.column_stack([b - half, b + half]), test

    se, t, p_value, ci, omnibus = side(f.beta, f.vb, design.names, design.intercept)
    alpha_se, alpha_t, alpha_p, alpha_ci, scale_omnibus = side(f.alpha, f.va, scale_design.names, scale_design.intercept)
    if not all(np.all(np.isfinite(a)) for a in (f.beta, se, f.alpha, alpha_se, f.tau2)):
        raise InputError("The effects, variances or moderators span more orders of magnitude than double precision holds.")
    df = s.k - len(f.beta)
    return LocationScaleResult(
        question=s.question, names=design.names, beta=f.beta, se=se, statistic=t, p_value=p_value, intervals=ci, vb=f.vb,
        scale_names=scale_design.names, alpha=f.alpha, alpha_se=alpha_se, alpha_statistic=alpha_t, alpha_p_values=alpha_p,
        alpha_intervals=alpha_ci, va=f.va, tau2=f.tau2, omnibus=omnibus, scale_omnibus=scale_omnibus,
        q=TestResult(f.q, df, None, chi2_tail(f.q, df)), log_likelihood={"ML": f.ml, "REML": f.reml}, method=method,
        test=interval, level=level, labels=s.labels, y=s.y, v=s.v, warnings=s.notes, design=design,
        scale_design=scale_design,
    )  # fmt: skip
