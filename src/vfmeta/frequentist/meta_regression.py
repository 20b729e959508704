"""What a meta-regression answers with, and the questions one may put to it afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Likelihood, choice, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects.design import Design
from vfmeta.frequentist.record import Recorded, pack_design, unpack_design
from vfmeta.kernels import kenward_roger, regressions
from vfmeta.kernels.regressions import Fit
from vfmeta.kernels.regressions import fit as fit_arrays
from vfmeta.results.coefficients import Coefficients
from vfmeta.results.wald import TestResult, quantile, ratio, tail, two_sided, wald
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Information:
    """Log-likelihood and information criteria of one likelihood (``"ML"`` or ``"REML"``); ``parameters`` counts tau2."""

    kind: str
    log_likelihood: float
    parameters: int
    deviance: float
    aic: float
    aicc: float
    bic: float


@dataclass(frozen=True, kw_only=True, repr=False)
class RegressionResult(Coefficients, Recorded):
    """A fitted meta-regression. Arrays run over coefficients (p,) or studies (k,); units are those of the effects.

    ``statistic``, ``p_value`` and ``intervals`` (p, 2) belong to the single coefficients, ``df`` (p,) is None for the normal
    test. ``tau2`` is the residual between-study variance, ``i2`` (percent) and ``h2`` are residual too, ``r2`` (percent) is the
    share of the between-study variance that the moderators explain (None where it is undefined), ``q`` the test of residual
    heterogeneity and ``omnibus`` the test of the moderators (``omnibus_of`` names them).
    """

    engine: ClassVar[str] = "meta_regression"
    packed: ClassVar[frozenset[str]] = frozenset({"design", "fit"})

    question: Question
    names: tuple[str, ...]
    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    intervals: np.ndarray
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
        return len(self.names)

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, y, se, fitted, residual, hat, weight (percent)."""
        import pandas as pd

        return pd.DataFrame({
            "study": list(self.labels), "y": self.y, "se": np.sqrt(self.v), "fitted": self.fit.fitted,
            "residual": self.y - self.fit.fitted, "hat": self.fit.hat, "weight": self.weights,
        })  # fmt: skip

    @property
    def coefficient_weights(self) -> np.ndarray:
        """How much each study's effect counts in each coefficient, shape (p, k): ``coefficient_weights @ y`` is ``beta``."""
        a = self.fit.w if self.user_weights is None else self.user_weights
        root = np.sqrt(a)
        q, r = np.linalg.qr(root[:, None] * self.design.x)
        return np.linalg.solve(r, q.T) * root

    def to_frame(self) -> pd.DataFrame:
        """The coefficients, tidy."""
        return self.coefficients

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
        kind = kind or ("REML" if self.method == "REML" else "ML")
        kind = choice("kind", kind, Likelihood)
        restricted = kind == "REML"
        n = self.k - self.p if restricted else self.k
        ll = float(regressions.log_likelihood(self.fit.model, np.array([self.tau2]), restricted)[0])
        count = self.p + (0 if self.method == "common" or self.fixed_tau2 is not None else 1)
        saturated = 0.0 if restricted else float(-0.5 * np.log(2 * np.pi * self.v).sum())
        size = max(n, count + 2)
        return Information(
            kind, ll, count, 2 * (saturated - ll), -2 * ll + 2 * count, -2 * ll + 2 * count * size / (size - count - 1),
            -2 * ll + count * math.log(n) if n > 0 else math.nan,
        )  # fmt: skip

    def tau2_interval(self, method: str = "Q-profile", level: float | None = None) -> Pair | None:
        """Interval of the residual tau2; None when it is empty.

        Parameters
        ----------
        method : {"Q-profile", "generalised-Q", "profile-likelihood"}
            Viechtbauer 2007, Stat Med 26:37-52; Jackson et al. 2014, BMC Med Res Methodol 14:103 (with the weights of GENQ, or
            else 1 / v); or Hardy & Thompson 1996, Stat Med 15:619-629 (for ML and REML fits).
        level : float, optional
            Confidence level; that of the fit when left out.
        """
        level = self.level if level is None else level
        confidence(level)
        if self.k <= self.p:
            raise InputError("No degree of freedom is left to tell the residual heterogeneity.")
        if method == "Q-profile":
            return regressions.q_profile(self.fit.model, level)
        if method == "generalised-Q":
            return regressions.generalised_q(self.fit.model, level, self.user_weights)
        if method == "profile-likelihood":
            if self.method not in ("ML", "REML"):
                raise InputError('A profile-likelihood interval needs a fit by "ML" or "REML".')
            return regressions.profile_interval(self.fit.model, self.tau2, level, self.method == "REML")
        raise InputError(f'method={method!r} is unknown; use "Q-profile", "generalised-Q" or "profile-likelihood".')

    def heterogeneity_interval(self, method: str = "Q-profile", level: float | None = None) -> dict[str, Pair] | None:
        """The interval of tau2 with those of I2 (percent) and H2 that it means, by name; None when it is empty."""
        pair = self.tau2_interval(method, level)
        if pair is None:
            return None
        typical = (self.k - self.p) / self.fit.trace
        return {
            "tau2": pair,
            "i2": (100 * pair[0] / (pair[0] + typical), 100 * pair[1] / (pair[1] + typical)),
            "h2": (pair[0] / typical + 1, pair[1] / typical + 1),
        }

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
            Columns estimate, se, statistic, df, p_value, ci_low, ci_high; and the Wald (z) or F (t, HKSJ, KR) test.
        """
        import pandas as pd

        matrix = self._rows(rows)
        estimate = matrix @ self.beta
        offset = np.broadcast_to(np.asarray(value, dtype=float), estimate.shape)
        se, df = self._spread(matrix), self._df(matrix)
        t, half = ratio(estimate - offset, se), quantile(self.level, df) * se
        frame = pd.DataFrame({
            "estimate": estimate, "se": se, "statistic": t, "df": math.inf if df is None else df,
            "p_value": two_sided(t, df), "ci_low": estimate - half, "ci_high": estimate + half,
        })  # fmt: skip
        if np.linalg.matrix_rank(matrix) < len(matrix):
            raise InputError("The contrasts depend on each other; drop those that follow from the rest.")
        return frame, self._joint(matrix, offset)

    def predict(self, new: Any = None, *, level: float | None = None, transform: Any = None) -> pd.DataFrame:
        """Mean effect, confidence interval and prediction interval at the studies' or at new values of the moderators.

        Parameters
        ----------
        new : data frame, dict or array-like, optional
            Moderators by name (as the formula reads them), or design rows of shape (m, p); the studies themselves when left
            out.
        level : float, optional
            That of the fit when left out.
        transform : callable or True, optional
            Applied to the estimate and the limits, such as ``np.exp``; True shows ratios as ratios.

        Returns
        -------
        DataFrame
            estimate, se, ci_low, ci_high, prediction_low, prediction_high. The prediction interval adds tau2 to the variance
            and uses the distribution of the fitted test; NaN where no degree of freedom is left, and for ``method="common"``.
        """
        level = self.level if level is None else level
        confidence(level)
        matrix = self.design.x if new is None else self.design.rows(new)
        estimate, se = matrix @ self.beta, self._spread(matrix)
        multiplier = quantile(level, self._df(matrix))
        wide = multiplier * np.hypot(se, math.sqrt(self.tau2))
        if self.method == "common" or self.k <= self.p:
            wide = np.full(len(matrix), math.nan)
        return self._predictions(estimate, se, multiplier, wide, transform, list(self.labels) if new is None else None)

    def vif(self) -> dict[str, float]:
        """Variance inflation factors of the coefficients without the intercept: how far each is blurred by the others.

        They are the diagonal of the inverse correlation matrix of the estimates (Fox & Monette 1992, JASA 87:178-183).
        """
        keep = [j for j in range(self.p) if j != self.design.intercept]
        block = self.vb[np.ix_(keep, keep)]
        sd = np.sqrt(np.diag(block))
        found = np.diag(np.linalg.inv(block / np.outer(sd, sd)))
        return {self.names[j]: float(f) for j, f in zip(keep, found, strict=True)}

    def _rows(self, rows: Any) -> np.ndarray:
        if isinstance(rows, dict):
            rows = [rows]
        if isinstance(rows, (list, tuple)) and rows and all(isinstance(r, dict) for r in rows):
            unknown = sorted({n for r in rows for n in r} - set(self.names))
            if unknown:
                raise InputError(f"No coefficient is called {', '.join(unknown)}; they are {', '.join(self.names)}.")
            rows = [[r.get(n, 0.0) for n in self.names] for r in rows]
        matrix = np.atleast_2d(np.asarray(rows, dtype=float))
        if matrix.ndim != 2 or matrix.shape[1] != self.p or not np.all(np.isfinite(matrix)):
            raise InputError(f"A contrast needs one finite weight for each of {', '.join(self.names)}.")
        return matrix

    def _spread(self, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, self.vb, matrix), 0.0))

    def _df(self, matrix: np.ndarray) -> np.ndarray | float | None:
        return degrees(self.fit, self.test, matrix)

    def _joint(self, matrix: np.ndarray, offset: np.ndarray | float = 0.0) -> TestResult:
        return joint(self.fit, self.test, matrix, offset)

    def _pack(self) -> dict[str, Any]:
        return {"design": pack_design(self.design)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        design = unpack_design(data["design"])
        found = fit_arrays(own["y"], own["v"], design.x, own["tau2"], own["test"], own["user_weights"])
        return {"design": design, "fit": replace(found, beta=own["beta"], vb=own["vb"], tau2_se=own["tau2_se"] or 0.0)}

    def __str__(self) -> str:
        explained = "" if self.r2 is None else f", R2 = {tx.fixed(self.r2, 0)}%"
        return self._text(
            f"Meta-regression, k = {self.k}, {self.question.measure} ({self.method}, {self.test})",
            f"moderators ({', '.join(self.omnibus_of)}): {self.omnibus}",
            f"residual tau2 {tx.short(self.tau2)}, I2 = {tx.fixed(self.i2, 0)}%{explained}; {self.q}",
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
    return float(fit.model.df)


def joint(fit: Fit, test: str, matrix: np.ndarray, offset: np.ndarray | float = 0.0) -> TestResult:
    """Wald or F test of ``matrix @ beta = offset``."""
    estimate = matrix @ fit.beta - offset
    covariance = matrix @ fit.vb @ matrix.T
    if test != "KR":
        return wald(estimate, covariance, None if test == "Wald" else float(fit.model.df))
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
    for item in [chosen] if isinstance(chosen, (str, int)) else list(chosen):
        if isinstance(item, str) and item in names:
            found.append(list(names).index(item))
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool) and 0 <= item < len(names):
            found.append(int(item))
        else:
            raise InputError(f"omnibus: no coefficient {item!r}; name some of {', '.join(names)} or number them from 0.")
    if not found or len(set(found)) < len(found):
        raise InputError("omnibus: name at least one coefficient, none twice.")
    return found
