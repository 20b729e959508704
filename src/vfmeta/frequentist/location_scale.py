"""Location-scale models: what the mean effect, and what the heterogeneity, depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Likelihood, Missing, WaldTest, choice
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import read
from vfmeta.frequentist.location_scaled import LocationScaled
from vfmeta.frequentist.regression_result import selected
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.least_squares import CollinearError, redundant
from vfmeta.kernels.location_scale import LocationScale, fit_location_scale
from vfmeta.results.frames import scaled
from vfmeta.results.information import Information, information, saturated
from vfmeta.results.wald import TestResult, quantile, ratio, two_sided, wald
from vfmeta.text import numbers as tx
from vfmeta.text.notes import TOO_WIDE, closing_lines

if TYPE_CHECKING:
    import pandas as pd

_CAUTIOUS = 40  # studies below which tests of moderators of tau2 reject too seldom


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LocationScaleResult(LocationScaled):
    """A location-scale model. ``terms``/``estimate`` are of the mean, ``scale_terms``/``scale_estimate`` of log tau2;
    ``tau2`` is one value per study (k,).

    ``omnibus`` tests the moderators of the mean, ``scale_omnibus`` those of log tau2 (an intercept left aside unless it stands
    alone), ``q`` the heterogeneity beyond the moderators of the mean. ``log_likelihood`` holds ML and REML.
    """

    engine: ClassVar[str] = "location_scale"
    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    vb: np.ndarray
    scale_terms: tuple[str, ...]
    scale_estimate: np.ndarray
    scale_se: np.ndarray
    scale_statistic: np.ndarray
    scale_p_value: np.ndarray
    scale_interval: np.ndarray
    scale_vb: np.ndarray
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
    call: dict[str, Any] = field(default_factory=dict)
    design: Design = field(repr=False)
    scale_design: Design = field(repr=False)

    @property
    def df(self) -> float | None:
        """Degrees of freedom of the coefficients of the mean; None for the normal test."""
        return None if self.test == "Wald" else float(self.k - len(self.terms))

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, estimate, se, ci_low, ci_high, weight (percent), fitted, tau2, scale."""
        import pandas as pd

        se, weight = np.sqrt(self.v), 1 / (self.v + self.tau2)
        half = quantile(self.level, None) * se
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": se, "ci_low": self.y - half, "ci_high": self.y + half,
            "weight": 100 * weight / weight.sum(), "fitted": self.design.x @ self.estimate, "tau2": self.tau2,
        })  # fmt: skip
        return scaled(frame, self.question)

    def information(self, kind: str | None = None) -> Information:
        """Log-likelihood, deviance, AIC, AICc and BIC, by ML or REML (that of the fit when left out)."""
        kind = choice("kind", kind or self.method, Likelihood)
        p, restricted = len(self.terms), kind == "REML"
        count, n = p + len(self.scale_terms), self.k - (p if restricted else 0)
        return information(kind, self.log_likelihood[kind], count, n, 0.0 if restricted else saturated(self.v))

    def __str__(self) -> str:
        lines = [f"Location-scale model, k = {self.k}, {self.question.shown} ({self.method}, {self.test})"]
        lines += [
            f"{row.part:<9} {row.term:<24} {tx.short(row.estimate, 4):>10}  "
            + (f"({tx.span_text((row.ci_low, row.ci_high))})" if row.se == row.se else "(no finite value)")
            + f"  {tx.tested_text(row.p_value)}"
            + (f"  {row.scale}" if row.part == "mean" else "")
            for row in self.to_frame(on="read" if self._read else "analysis").itertuples()
        ]
        lines += self._foot()
        lines += [f"moderators of the mean: {self.omnibus}", f"moderators of tau2: {self.scale_omnibus}"]
        of = f" {tx.spread_of(self.question)}".rstrip()
        lines.append(f"tau2{of} from {tx.short(self.tau2.min())} to {tx.short(self.tau2.max())}; residual {self.q}")
        return "\n".join([*lines, *closing_lines(self)])


def location_scale(
    data: Any = None,
    formula: str | None = "~ 1",
    scale: str | None = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    x: Any = None,
    z: Any = None,
    method: Likelihood = "REML",
    test: WaldTest = "t",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> LocationScaleResult:
    """Location-scale meta-regression: y_i = x_i b + u_i + e_i with log Var(u_i) = z_i a.

    How often its tests reject and its intervals hold: ``reports/levels.md#location_scale``.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, level, missing
        As of `meta_regression`.
    formula : str
        Moderators of the mean effect, or the design ``x`` of shape (k, p) instead (then ``formula=None``).
    scale : str
        Moderators of log tau2, such as ``"~ risk_of_bias"``, or the design ``z`` of shape (k, q) instead.
    method : {"REML", "ML"}
        Likelihood.
    test : {"Wald", "t"}
        t with k - p (mean) and k - q (tau2) degrees of freedom, or normal: with 20 studies that rejects 8 to 9% of slopes of
        the mean that are 0. Either test of the moderators of tau2 is cautious: below 40 studies it rejects 0 to 2% at 5%.

    Raises
    ------
    InputError
        For input that cannot be used, or collinear moderators.
    ConvergenceError
        Where heterogeneity vanishes in all studies, or grows without bound in some.

    Notes
    -----
    Viechtbauer & Lopez-Lopez 2022, Res Synth Methods 13:697-715. Compare with the model of one tau2 by `likelihood_ratio`.
    Where the likelihood is highest with a tau2 of 0 in some studies (small groups often are alike), that is the answer: the
    mean has its interval, the coefficients of log tau2 have no finite value and no standard error (NaN), and a warning names
    the studies.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"y": [-0.9, 0.6, -0.2, 0.1, -0.1, 0.2, -1.2, 0.9], "se": [0.1] * 8, "high_risk": [1, 1, 0, 0, 0, 0, 1, 1]}
    >>> fit = vf.location_scale(frame, "~ 1", "~ high_risk")
    >>> bool(fit.tau2[0] > fit.tau2[2])
    True
    """
    method = choice("method", method, Likelihood)
    test = choice("test", test, WaldTest)
    if (scale is None) == (z is None):
        raise InputError("Give the moderators of tau2 as scale (a formula) or z (a design), one of the two.")
    s = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    parts = [designs.part(*wish, None, s) for wish in ((formula, x), (scale, z))]
    s, design, scale_design = designs.prepared(s, parts, missing)
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
    warn_each(result.warnings)
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
    scale_se, alpha_t, alpha_p, alpha_ci, scale_omnibus = side(f.alpha, f.va, scale_design.names, scale_design.intercept)
    edge = bool(np.isnan(f.va).all())
    if not all(np.all(np.isfinite(a)) for a in (f.beta, se, f.alpha, f.tau2)) or not (edge or np.isfinite(scale_se).all()):
        raise InputError(TOO_WIDE)
    df = s.k - len(f.beta)
    return LocationScaleResult(
        question=s.question, terms=design.names, estimate=f.beta, se=se, statistic=t, p_value=p_value, interval=ci, vb=f.vb,
        scale_terms=scale_design.names, scale_estimate=f.alpha, scale_se=scale_se, scale_statistic=alpha_t,
        scale_p_value=alpha_p, scale_interval=alpha_ci, scale_vb=f.va, tau2=f.tau2, omnibus=omnibus,
        scale_omnibus=scale_omnibus,
        q=TestResult(f.q, df, None, chi2_above(f.q, df)), log_likelihood={"ML": f.ml, "REML": f.reml}, method=method,
        test=interval, level=level, labels=s.labels, y=s.y, v=s.v, origin=s.origin,
        warnings=(*s.notes, *_said(f, s, edge)), design=design,
        scale_design=scale_design,
        call={
            "function": "location_scale", "formula": design.formula, "scale": scale_design.formula, "method": method,
            "test": interval, "level": level,
        },
    )  # fmt: skip


def _said(f: LocationScale, s: Any, edge: bool) -> list[str]:
    """What a reader must know of the coefficients of log tau2."""
    if edge:
        gone = [label for label, tau2 in zip(s.labels, f.tau2, strict=True) if tau2 == 0]
        shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        return [
            f"tau2 is estimated as 0 in {len(gone)} of {s.k} studies ({shown}): the coefficients of log tau2 have no finite "
            "value and no standard error; those shown are where the search ended."
        ]
    if len(f.alpha) > 1 and s.k < _CAUTIOUS:
        return [
            f"With so few studies ({s.k}) tests of moderators of tau2 reject 0 to 2% at 5%: they miss what is there. "
            "vf.likelihood_ratio with the model of one tau2 finds more."
        ]
    return []
