"""What a meta-regression answers with, and the questions one may put to it afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import HeterogeneityInterval, Likelihood, OnScale, choice, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects.design import Design
from vfmeta.kernels import kenward_roger
from vfmeta.kernels.regression import Fit, generalised_q, log_likelihood, profile_interval, q_profile
from vfmeta.kernels.regression import fit as fit_arrays
from vfmeta.results.coefficients import Coefficients, predictions
from vfmeta.results.frames import scaled
from vfmeta.results.heterogeneity import at_limits
from vfmeta.results.information import Information, information, saturated
from vfmeta.results.single_studies import study_limits
from vfmeta.results.wald import TestResult, quantile, ratio, tail, two_sided, wald
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionResult(Coefficients):
    """A fitted meta-regression. Arrays run over coefficients (p,) or studies (k,); units are those of the effects.

    ``statistic``, ``p_value`` and ``interval`` (p, 2) belong to the single coefficients, ``df`` (p,) is None for the normal
    test. ``tau2`` is the residual between-study variance, ``i2`` (percent) and ``h2`` are residual too, ``r2`` (percent) is the
    share of the between-study variance that the moderators explain (None where it is undefined), ``q`` the test of residual
    heterogeneity and ``omnibus`` the test of the moderators (``omnibus_of`` names them).
    """

    engine: ClassVar[str] = "meta_regression"
    packed: ClassVar[frozenset[str]] = frozenset({"design", "fit"})
    absent: ClassVar[dict[str, str]] = {"prediction": "it predicts at given values of its moderators: use predict."}

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    level: float
    df: np.ndarray | None
    vb: np.ndarray
    tau2: float
    tau2_se: float | None
    i2: float
    h2: float
    r2: float | None
    q: TestResult
    omnibus: TestResult
    omnibus_of: tuple[str, ...]
    method: str
    test: str
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    weights: np.ndarray
    details: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)
    design: Design = field(repr=False)
    fit: Fit = field(repr=False)
    user_weights: np.ndarray | None = field(default=None, repr=False)
    fixed_tau2: float | None = None

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def p(self) -> int:
        return len(self.terms)

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, estimate, se, ci_low, ci_high, weight (percent), fitted, residual, hat, scale."""
        import pandas as pd

        own, _ = study_limits(self.question, self.y, self.v, self.details, self.level)
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": np.sqrt(self.v), "ci_low": own.low, "ci_high": own.high,
            "weight": self.weights, "fitted": self.fit.fitted, "residual": self.y - self.fit.fitted, "hat": self.fit.hat,
        })  # fmt: skip
        return scaled(frame, self.question)

    @property
    def prediction(self) -> Pair | None:
        """Prediction interval of a model with an intercept only; None where there is no degree of freedom for it."""
        if self.p > 1:
            raise AttributeError("prediction")  # `absent` says why
        low, high = self.predict()[["prediction_low", "prediction_high"]].iloc[0]
        return None if math.isnan(low) else (float(low), float(high))

    @property
    def coefficient_weights(self) -> np.ndarray:
        """How much each effect counts in each coefficient, shape (p, k): ``coefficient_weights @ y`` is ``estimate``."""
        a = self.fit.w if self.user_weights is None else self.user_weights
        root = np.sqrt(a)
        q, r = np.linalg.qr(root[:, None] * self.design.x)
        return np.linalg.solve(r, q.T) * root

    @property
    def adhoc_interval(self) -> np.ndarray | None:
        """The ad hoc Hartung-Knapp intervals (q = 1), shape (p, 2), where the plain ones used q < 1."""
        if self.test != "HKSJ" or not self.fit.factor < 1 - 1e-9:
            return None
        half = quantile(self.level, float(self.fit.df)) * np.sqrt(np.diag(self.fit.phi))
        return np.column_stack([self.estimate - half, self.estimate + half])

    def information(self, kind: str | None = None) -> Information:
        """Log-likelihood, deviance, AIC, AICc and BIC of the fit.

        Parameters
        ----------
        kind : {"ML", "REML"}, optional
            Which likelihood; REML for a fit by REML and ML otherwise. Both are evaluated at the tau2 of this fit.

        Notes
        -----
        REML likelihoods compare only models with the same moderators. The number of observations in AICc and BIC is k for ML
        and k - p for REML; the AICc correction is that of Hurvich & Tsai 1989, Biometrika 76:297-307. The deviance of ML is
        against the model with a mean of its own for every study.
        """
        kind = ("REML" if self.method == "REML" else "ML") if kind is None else kind
        kind = choice("kind", kind, Likelihood)
        restricted = kind == "REML"
        n = self.k - self.p if restricted else self.k
        ll = float(log_likelihood(self.fit.model, np.array([self.tau2]), restricted)[0])
        count = self.p + (0 if self.method == "common" or self.fixed_tau2 is not None else 1)
        return information(kind, ll, count, n, 0.0 if restricted else saturated(self.v))

    @cached_property
    def tau2_interval(self) -> Pair | None:
        """Q-profile interval of the residual tau2; None where it is empty or no degree of freedom is left."""
        return None if self.k <= self.p else q_profile(self.fit.model, self.level)

    def heterogeneity_interval(
        self, kind: HeterogeneityInterval = "Q-profile", level: float | None = None
    ) -> dict[str, Pair] | None:
        """Intervals of the residual tau2, I2 (percent) and H2 by name; None where that of tau2 is empty.

        Parameters
        ----------
        kind : {"Q-profile", "generalised-Q", "profile-likelihood"}
            Viechtbauer 2007, Stat Med 26:37-52; Jackson et al. 2014, BMC Med Res Methodol 14:103 (with the weights of GENQ, or
            else 1 / v); or Hardy & Thompson 1996, Stat Med 15:619-629 (for ML and REML fits).
        level : float, optional
            Confidence level; that of the fit when left out.
        """
        level = self.level if level is None else level
        confidence(level)
        kind = choice("kind", kind, HeterogeneityInterval)
        if self.k <= self.p:
            raise InputError("No degree of freedom is left to tell the residual heterogeneity.")
        if kind == "Q-profile":
            pair = q_profile(self.fit.model, level)
        elif kind == "generalised-Q":
            pair = generalised_q(self.fit.model, level, self.user_weights)
        elif self.method not in ("ML", "REML"):
            raise InputError('A profile-likelihood interval needs a fit by "ML" or "REML".')
        else:
            pair = profile_interval(self.fit.model, self.tau2, level, self.method == "REML")
        return None if pair is None else at_limits(pair, (self.k - self.p) / self.fit.trace)

    def contrast(self, rows: Any, value: Any = 0.0) -> tuple[pd.DataFrame, TestResult]:
        """Linear combinations of the coefficients, each with its test and interval, and the joint test of all.

        Parameters
        ----------
        rows : array-like of shape (m, p) or (p,), or dict or list of dicts
            Weights of the coefficients; a dict names those that are not zero, such as ``{"dose": 10}``.
        value : float or array-like of shape (m,)
            What the combinations are tested against.

        Returns
        -------
        DataFrame, TestResult
            Columns estimate, se, statistic, df, p_value, ci_low, ci_high, scale; and the Wald (z) or F (t, HKSJ, KR) test.
        """
        matrix = self._rows(rows)
        estimate = matrix @ self.estimate
        offset = np.broadcast_to(np.asarray(value, dtype=float), estimate.shape)
        se, df = self._spread(matrix), self._df(matrix)
        t, half = ratio(estimate - offset, se), quantile(self.level, df) * se
        columns = {
            "estimate": estimate, "se": se, "statistic": t, "df": math.inf if df is None else df,
            "p_value": two_sided(t, df), "ci_low": estimate - half, "ci_high": estimate + half,
        }  # fmt: skip
        if np.linalg.matrix_rank(matrix) < len(matrix):
            raise InputError("The contrasts depend on each other; drop those that follow from the rest.")
        return scaled(columns, self.question), self._joint(matrix, offset)

    def predict(self, new: Any = None, *, level: float | None = None, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect, confidence interval and prediction interval at the studies' or at new values of the moderators.

        Parameters
        ----------
        new : data frame, dict or array-like, optional
            Moderators by name (as the formula reads them), or design rows of shape (m, p); the studies themselves when left
            out.
        level : float, optional
            That of the fit when left out.
        on : {"analysis", "read"}
            Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

        Returns
        -------
        DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high, scale. The prediction interval adds tau2 to the
            variance and uses the distribution of the fitted test; NaN where no degree of freedom is left, and for
            ``method="common"``.
        """
        level = self.level if level is None else level
        confidence(level)
        matrix = self.design.x if new is None else self.design.rows(new)
        estimate, se = matrix @ self.estimate, self._spread(matrix)
        multiplier = quantile(level, self._df(matrix))
        wide = multiplier * np.hypot(se, math.sqrt(self.tau2))
        if self.method == "common" or self.k <= self.p:
            wide = np.full(len(matrix), math.nan)
        return predictions(self.question, estimate, se, multiplier, wide, on, list(self.labels) if new is None else None)

    def vif(self) -> dict[str, float]:
        """Variance inflation factors of the coefficients without the intercept: how far each is blurred by the others.

        They are the diagonal of the inverse correlation matrix of the estimates (Fox & Monette 1992, JASA 87:178-183).
        """
        keep = [j for j in range(self.p) if j != self.design.intercept]
        whole = self.vb if self.vb.any() else self.fit.phi  # the factor of Hartung and Knapp, which cancels, may be 0
        block = whole[np.ix_(keep, keep)]
        sd = np.sqrt(np.diag(block))
        found = np.diag(np.linalg.inv(block / np.outer(sd, sd)))
        return {self.terms[j]: float(f) for j, f in zip(keep, found, strict=True)}

    def _rows(self, rows: Any) -> np.ndarray:
        if isinstance(rows, dict):
            rows = [rows]
        if isinstance(rows, (list, tuple)) and rows and all(isinstance(r, dict) for r in rows):
            unknown = sorted({n for r in rows for n in r} - set(self.terms))
            if unknown:
                raise InputError(f"No coefficient is called {', '.join(unknown)}; they are {', '.join(self.terms)}.")
            rows = [[r.get(n, 0.0) for n in self.terms] for r in rows]
        try:
            matrix = np.atleast_2d(np.asarray(rows, dtype=float))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"A contrast needs one finite weight for each of {', '.join(self.terms)} ({error}).") from error
        if matrix.ndim != 2 or matrix.shape[1] != self.p or not np.all(np.isfinite(matrix)):
            raise InputError(f"A contrast needs one finite weight for each of {', '.join(self.terms)}.")
        return matrix

    def _spread(self, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, self.vb, matrix), 0.0))

    def _df(self, matrix: np.ndarray) -> np.ndarray | float | None:
        return degrees(self.fit, self.test, matrix)

    def _joint(self, matrix: np.ndarray, offset: np.ndarray | float = 0.0) -> TestResult:
        return joint(self.fit, self.test, matrix, offset)

    def _omnibus(self, chosen: list[int], against: np.ndarray) -> TestResult:
        if self.test != "KR" or np.isnan(against[chosen]).any():
            return super()._omnibus(chosen, against)
        return self._joint(np.eye(self.p)[chosen], against[chosen])

    def _pack(self) -> dict[str, Any]:
        return {"design": self.design.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        design = Design.from_dict(data["design"])
        found = fit_arrays(own["y"], own["v"], design.x, own["tau2"], own["test"], own["user_weights"])
        return {"design": design, "fit": replace(found, beta=own["estimate"], vb=own["vb"], tau2_se=own["tau2_se"] or 0.0)}

    def __str__(self) -> str:
        explained = "" if self.r2 is None else f", R2 = {tx.fixed(self.r2, 0)}%"
        of = f" {tx.spread_of(self.question)}".rstrip()
        return self._text(
            f"Meta-regression, k = {self.k}, {self.question.shown} ({self.method}, {self.test})",
            f"moderators ({', '.join(self.omnibus_of)}): {self.omnibus}",
            f"residual tau2 {tx.short(self.tau2)}{of}, I2 = {tx.fixed(self.i2, 0)}%{explained}; {self.q}",
        )


def degrees(fit: Fit, test: str, matrix: np.ndarray) -> np.ndarray | float | None:
    """Degrees of freedom of each row of ``matrix`` (m, p): None for the normal test, k - p, or Kenward-Roger's own (m,)."""
    if test == "Wald":
        return None
    if test == "KR":
        return np.array([
            kenward_roger.degrees_of_freedom(fit.x, fit.w, fit.phi, fit.tau2_se**2, row[None])[0] if row.any() else math.inf
            for row in matrix
        ])  # fmt: skip
    return float(fit.df)


def joint(fit: Fit, test: str, matrix: np.ndarray, offset: np.ndarray | float = 0.0) -> TestResult:
    """Wald or F test of ``matrix @ beta = offset``."""
    estimate = matrix @ fit.beta - offset
    covariance = matrix @ fit.vb @ matrix.T
    if test != "KR":
        return wald(estimate, covariance, None if test == "Wald" else float(fit.df))
    df, factor = kenward_roger.degrees_of_freedom(fit.x, fit.w, fit.phi, fit.tau2_se**2, matrix)
    if not (df > 2 or (df > 0 and len(matrix) == 1)) or not factor > 0:
        raise InputError("Kenward-Roger's approximation breaks down for so few studies; use another interval.")
    found = wald(estimate, covariance, df)
    return tail(found.statistic * factor, len(matrix), df)


def selected(names: Sequence[str], intercept: int | None, chosen: Any) -> list[int]:
    """Numbers of the coefficients of the omnibus test: those named, or all but the intercept (all when it stands alone)."""
    if chosen is None:
        return [j for j in range(len(names)) if j != intercept] or list(range(len(names)))
    found = []
    several = isinstance(chosen, (list, tuple)) or (isinstance(chosen, np.ndarray) and chosen.ndim > 0)
    for item in chosen if several else [chosen]:
        if isinstance(item, str) and item in names:
            found.append(list(names).index(item))
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and 0 <= item < len(names):
            found.append(int(item))
        else:
            raise InputError(f"omnibus: no coefficient {item!r}; name some of {', '.join(names)} or number them from 0.")
    if not found or len(set(found)) < len(found):
        raise InputError("omnibus: name at least one coefficient, none twice.")
    return found
