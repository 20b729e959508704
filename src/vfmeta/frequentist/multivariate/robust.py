"""Cluster-robust inference with small-sample corrections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn, warn_each
from vfmeta.core.origin import Origin
from vfmeta.core.params import JointTest, OnScale, Robust, RobustDf, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import Rows
from vfmeta.frequentist.multivariate.fitted import around
from vfmeta.kernels import sandwich
from vfmeta.results.codec import array, plain, read_result
from vfmeta.results.coefficients import Coefficients, predictions
from vfmeta.results.wald import TestResult, quantile, tail, two_sided
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RobustResult(Coefficients):
    """Coefficients of a model with cluster-robust standard errors; vectors follow ``terms``.

    ``kind`` is the correction, ``clusters`` how many clusters there are, ``model`` the fit underneath.
    """

    engine: ClassVar[str] = "robust"
    packed: ClassVar[frozenset[str]] = frozenset({"model", "parts"})
    absent: ClassVar[dict[str, str]] = {
        "tau2_se": "its working model has the heterogeneity; see model.",
        "tau2": "its working model has the heterogeneity; see model.",
        "tau2_interval": "its working model has the heterogeneity; see model.",
        "heterogeneity_interval": "its working model has the heterogeneity; see model.",
        "i2": "its working model has the heterogeneity; see model.",
        "h2": "its working model has the heterogeneity; see model.",
        "q": "its working model has the heterogeneity; see model.",
        "prediction": "robust standard errors are of the mean effects; the working model (model) predicts the next study.",
        "information": "robust standard errors have no likelihood; the working model (model) has.",
    }

    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    vb: np.ndarray
    kind: str
    df_method: str
    level: float
    k: int
    clusters: int
    warnings: tuple[str, ...]
    model: Any = field(compare=False)
    parts: sandwich.Sandwich = field(compare=False)

    @property
    def question(self) -> Question:  # type: ignore[override]
        """What the model underneath answers."""
        return self.model.question

    @property
    def method(self) -> str:
        """Estimator of the working model."""
        return self.model.method

    @property
    def test(self) -> str:
        """Every coefficient is tested by t with its own degrees of freedom (`df_method`)."""
        return "t"

    @property
    def studies(self) -> pd.DataFrame:
        """Those of the working model."""
        return self.model.studies

    @property
    def call(self) -> dict[str, Any]:
        """How the standard errors were asked for."""
        return {"function": "robust", "kind": self.kind, "df": self.df_method, "level": self.level}

    def _design(self) -> np.ndarray:
        return self.parts.X

    def predict(self, new: Any = None, *, level: float | None = None, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effects with robust intervals at design rows ``new`` (m, p), those of the studies when left out.

        The degrees of freedom are the smallest of the coefficients that a row takes part in.
        """
        level = self.level if level is None else level
        confidence(level)
        design = getattr(self.model, "design", None)
        rows = self.parts.X if new is None else np.atleast_2d(new) if design is None else design.rows(new)
        df = np.array([np.nanmin(self.df[r != 0], initial=np.inf) for r in rows])
        squared = np.where(sandwich.rest_on_one(self.parts, rows), np.nan, np.einsum("mp,pq,mq->m", rows, self.vb, rows))
        se = np.sqrt(squared)
        labels = list(self.model.labels) if new is None else None
        return predictions(self.question, rows @ self.estimate, se, quantile(level, df), math.nan, on, labels)

    def wald(self, contrasts: Any = None, test: JointTest = "HTZ") -> TestResult:
        """Test that several coefficients, or contrasts of them, are all zero.

        Parameters
        ----------
        contrasts : sequence of names, or array of shape (q, p), optional
            Coefficients to test, or rows of contrasts; all but the intercept when left out.
        test : {"HTZ", "F", "chi2"}
            Hotelling's T-squared with degrees of freedom matched to the working model (Tipton & Pustejovsky 2015, J Educ Behav
            Stat 40:604-634); F with clusters - p; or chi-squared. At the 5% level, with 6 to 10 clusters and two moderators, F
            rejects about 10% of true hypotheses, chi-squared 15 to 30% and HTZ 1 to 2%: the ``note`` of the test says so.
        """
        test = choice("test", test, JointTest)
        matrix = self._contrasts(contrasts)
        q = len(matrix)
        lone = sandwich.rest_on_one(self.parts, matrix)
        if lone.any():
            named = [n for n, x in zip(self.terms, sandwich.rest_on_one(self.parts, np.eye(len(self.terms))), strict=True) if x]
            raise InputError(
                f"A contrast rests on one cluster ({', '.join(named)}), so nothing is known of its error; name the others in "
                "contrasts=."
            )
        middle = matrix @ self.vb @ matrix.T
        found = matrix @ self.estimate
        if np.linalg.matrix_rank(middle) < q:
            raise InputError("The contrasts cannot be tested jointly: they repeat each other, or there are too few clusters.")
        wald = float(found @ np.linalg.solve(middle, found))
        note = self._level_of(test, q)
        if note and test != "HTZ":
            warn(note)
        if test == "chi2":
            return replace(tail(wald, q, None), note=note)
        if test == "F":
            low, statistic = float(self.clusters - len(self.terms)), wald / q
        else:
            eta = sandwich.hotelling_df(self.parts, matrix)
            low, statistic = eta - q + 1, wald * (eta - q + 1) / (eta * q)
        if low <= 0:
            raise InputError(f"There are too few clusters ({self.clusters}) to test {q} contrasts jointly.")
        return replace(tail(statistic, q, low), note=note)

    def _level_of(self, test: str, q: int) -> str:
        """What is said of a joint test that misses its level by more than three points with so few clusters.

        HTZ of one contrast is its t test, which holds.
        """
        if test == "HTZ":
            cautious = q > 1 and self.clusters <= 10
            return f"HTZ rejects 1 to 2% at 5% with 10 clusters or fewer, here {self.clusters}" if cautious else ""
        if self.clusters > (20 if test == "F" else 40):
            return ""
        often = "about 10%" if test == "F" else "15 to 30%" if self.clusters <= 10 else "8 to 15%"
        return f'{test} rejects {often} of true hypotheses at 5% with so few clusters ({self.clusters}); prefer test="HTZ"'

    def _pack(self) -> dict[str, Any]:
        return {"model": self.model.to_dict(), "parts": plain(self.parts)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {
            "model": read_result(data["model"]),
            "parts": sandwich.Sandwich(**{name: array(x) for name, x in data["parts"].items()}),
        }

    def _contrasts(self, contrasts: Any) -> np.ndarray:
        p = len(self.terms)
        if contrasts is None:
            kept = [i for i in range(p) if not (p > 1 and np.all(self.parts.X[:, i] == 1))]
            return np.eye(p)[kept]
        if isinstance(contrasts, str):
            contrasts = [contrasts]
        if all(isinstance(c, str) for c in contrasts):
            unknown = [c for c in contrasts if c not in self.terms]
            if unknown:
                raise InputError(f"There is no coefficient {', '.join(unknown)}; the model has {', '.join(self.terms)}.")
            return np.eye(p)[[self.terms.index(c) for c in contrasts]]
        matrix = np.atleast_2d(np.asarray(contrasts, dtype=float))
        if matrix.ndim != 2 or matrix.shape[1] != p:
            raise InputError(
                f"contrasts has shape {matrix.shape}; it must be (q, {p}), a column for each of {', '.join(self.terms)}."
            )
        return matrix

    def __str__(self) -> str:
        estimate, interval, what = self._shown()
        head = f"cluster-robust ({self.kind}, {self.df_method} df), {what}"
        lines = [f"{head}, k = {self.k} effects in {self.clusters} clusters"]
        lines += [
            f"{n}: {tx.short(estimate[i], 4)}  "
            + (
                "(interval not estimable: it rests on one cluster)"
                if math.isnan(self.se[i])
                else f"({tx.ci_text(self.level, tuple(interval[i]), 4)}), df = {tx.fixed(self.df[i], 1)}, "
                f"{tx.tested_text(self.p_value[i])}"
            )
            for i, n in enumerate(self.terms)
        ]
        lines += self._foot()
        return "\n".join([*lines, *closing_lines(self)])


def robust(
    fit: Any, cluster: Any, *, kind: Robust = "CR2", df: RobustDf = "Satterthwaite", level: float | None = None
) -> RobustResult:
    """Cluster-robust standard errors, tests and intervals of a fitted model.

    How often its tests reject and its intervals hold: ``reports/levels.md#robust``.

    Parameters
    ----------
    fit : result of `multivariate`, `random_effects`, `common_effect` or a meta-regression
        The working model; its inverse covariance are the weights.
    cluster : column name or sequence of k values
        Which effects belong together. Clusters must be as wide as the model's own dependence or wider. Where rows were left
        out of the fit, a value for every row of its data will do.
    kind : {"CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"}
        CR0 is the plain sandwich (Liang & Zeger 1986, Biometrika 73:13-22; Hedges, Tipton & Johnson 2010, Res Synth Methods
        1:39-65). CR1 multiplies it by m / (m - 1), CR1p by m / (m - p), CR1S by m (k - 1) / ((m - 1)(k - p)), m clusters. CR2
        makes it unbiased under the working model (Bell & McCaffrey 2002, Surv Methodol 28:169-181; Pustejovsky & Tipton 2018, J
        Bus Econ Stat 36:672-683). CR3 is close to the jackknife over clusters.
    df : {"Satterthwaite", "residual"}
        Degrees of freedom of t: matched to the mean and variance of each robust variance under the working model, or m - p.
    level : float, optional
        Confidence level; the fit's when left out.

    Returns
    -------
    RobustResult
        A coefficient that rests on one cluster (a level met in one cluster alone) has no robust standard error: NaN, a note.

    Raises
    ------
    InputError
        Clusters that cut through dependent effects, missing clusters (named), fewer clusters than coefficients.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"trial": ["A", "A", "B", "C", "D"], "y": [-0.5, -0.3, -0.8, -0.1, 0.2], "v": [0.04, 0.05, 0.09, 0.04, 0.06]}
    >>> fit = vf.multivariate(frame, random="1 | trial")
    >>> vf.robust(fit, "trial").clusters
    4
    """
    kind = choice("kind", kind, Robust)
    df = choice("df", df, RobustDf)
    X, y, names, blocks, labels = _working_model(fit)
    codes, groups = members(fit, cluster, len(y), labels)
    m = len(groups)
    for rows, _ in blocks:
        cut = np.flatnonzero((codes[rows] != codes[rows[:, :1]]).any(axis=1))
        if len(cut):
            where = ", ".join(labels[i] for i in rows[cut[0]][:6])
            raise InputError(
                f"The clusters cut through effects that the model takes as dependent ({where}); use a wider cluster."
            )
    p = X.shape[1]
    if m == 1:
        raise InputError(f"There is one cluster only ({groups[0]}); robust standard errors need at least {p + 1}.")
    if m <= p:
        raise InputError(f"{m} clusters cannot carry robust standard errors of {p} coefficients; at least {p + 1} are needed.")
    if level is None:
        level = float(getattr(fit, "level", 0.95))
    confidence(level)
    parts = sandwich.sandwich(X, y, blocks, codes, kind)
    lone = sandwich.rest_on_one(parts, np.eye(p))
    se = np.where(lone, np.nan, np.sqrt(np.diag(parts.vcov)))
    if not np.all(lone | (se > 0)):
        raise InputError(
            "A robust standard error is zero: the residuals of every cluster cancel. No robust inference is possible."
        )
    degrees = np.where(lone, np.nan, float(m - p)) if df == "residual" else sandwich.satterthwaite_df(parts)
    statistic = parts.beta / se
    notes = []
    if lone.any():
        which = ", ".join(n for n, x in zip(names, lone, strict=True) if x)
        notes.append(
            f"Rests on one cluster, so that nothing between clusters speaks of its error: {which}. No robust standard error."
        )
    if df == "Satterthwaite" and (degrees < 4).any():
        few = ", ".join(n for n, d in zip(names, degrees, strict=True) if d < 4)
        notes.append(f"Fewer than 4 degrees of freedom ({few}): p values and intervals are not to be trusted (Tipton 2015).")
    if kind in ("CR0", "CR1", "CR1p", "CR1S") and m < 40:
        notes.append(f"{kind} is too optimistic with few clusters ({m}); prefer CR2 with Satterthwaite degrees of freedom.")
    warn_each(notes)
    return RobustResult(
        terms=names, estimate=parts.beta, se=se, statistic=statistic, df=degrees, p_value=two_sided(statistic, degrees),
        interval=around(parts.beta, se, level, degrees), vb=parts.vcov, kind=kind, df_method=df, level=level, k=len(y),
        clusters=m, origin=getattr(fit, "origin", Origin()), warnings=tuple(notes), model=fit, parts=parts,
    )  # fmt: skip


def _working_model(
    fit: Any,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[tuple[np.ndarray, np.ndarray]], Sequence[str]]:
    """Design, effects, names and covariance blocks of any fitted model."""
    if hasattr(fit, "blocks") and hasattr(fit, "X"):
        if fit.problem.weights is not None:
            raise InputError(
                "The fit has weights of its own (weights=); robust inference is offered for inverse-variance weights."
            )
        return fit.X, fit.y, tuple(fit.terms), fit.blocks, fit.labels
    if not (hasattr(fit, "y") and hasattr(fit, "v")):
        raise InputError(f"fit is {kind_of(fit)}; give the result of vf.multivariate, vf.random_effects or a meta-regression.")
    y, v = np.asarray(fit.y, dtype=float), np.asarray(fit.v, dtype=float)
    tau2 = getattr(fit, "tau2", None)
    total = v + (0.0 if tau2 is None else np.asarray(tau2, dtype=float))
    design = getattr(fit, "design", None)
    own, share = getattr(fit, "weights", None), 100 / total / np.sum(1 / total)
    if getattr(fit, "user_weights", None) is not None or (own is not None and not np.allclose(own, share, rtol=1e-6, atol=0)):
        raise InputError("The fit has weights of its own; robust inference is offered for inverse-variance weights.")
    if total.shape != y.shape or (design is None and hasattr(fit, "terms")):
        raise InputError(f"{kind_of(fit, 'A')} does not say its design and variances; fit the model with vf.multivariate.")
    X = np.ones((len(y), 1)) if design is None else design.x
    names = ("Intercept",) if design is None else tuple(design.names)
    labels = getattr(fit, "labels", None) or [f"effect {i + 1}" for i in range(len(y))]
    return X, y, names, [(np.arange(len(y))[:, None], total[:, None, None])], labels


def members(fit: Any, cluster: Any, k: int, labels: Sequence[str]) -> tuple[np.ndarray, list[Any]]:
    """Cluster number of each effect, shape (k,), and the clusters; ``cluster`` is a column of the fit's data, or values."""
    if isinstance(cluster, str):
        data = getattr(fit, "data", None)
        if data is None or cluster not in data:
            raise InputError(
                f"cluster={cluster!r} is no column that the fit keeps; give the clusters, cluster=frame[{cluster!r}], or {k} "
                "values."
            )
        cluster = data[cluster]
    if not np.iterable(cluster):
        raise InputError(f"cluster={cluster!r}: give a column of the fit's data, or a list of {k} values.")
    rows = Rows(k, getattr(fit, "origin", Origin()), None, tuple(labels))
    values = list(rows.column(cluster, "cluster", np.arange(k)).values)
    gaps = np.flatnonzero(cells.empty(values)).tolist()
    if gaps:
        raise InputError([cells.place(i, labels, "cluster") + cells.FILL for i in gaps])
    place: dict[Any, int] = {}
    codes = np.array([place.setdefault(c, len(place)) for c in values])
    return codes, list(place)
