"""Bayesian meta-regression without sampling.

    y ~ N(X beta, diag(v) + tau^2 I),  every beta_j ~ N(m_j, s_j^2) or flat,  tau ~ any prior.

Given tau the coefficients are normal (Lindley & Smith 1972, JRSS B 34:1-41); quadrature over tau makes every coefficient and
every prediction a mixture of normals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.marginals import NormalMixture, check_draws, solve_tau
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame
from vfmeta.effects.reading import Studies, read
from vfmeta.priors import Flat, MuPrior, Normal, TauPrior
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class RegressionPosterior:
    """Posterior of a meta-regression.

    Attributes
    ----------
    beta : dict of str to NormalMixture
        Marginal posterior of every coefficient.
    tau : TauMarginal
        Between-study standard deviation left over.
    log_marginal_likelihood : float or None
        Log density of the data; None when a prior is improper.
    priors : tuple of str
        The priors in words.
    """

    def __init__(
        self, y: np.ndarray, v: np.ndarray, x: np.ndarray, names: Sequence[str], tau: TauPrior, beta: Sequence[Normal | Flat]
    ) -> None:
        self._y, self._v, self._x, self._prior = y, v, x, tau
        self.names = tuple(names)
        self._b0, self._p0 = np.array([b.normal for b in beta]).T
        k, flat = len(y), int((self._p0 == 0).sum())
        tail = tau.tail + k - flat
        if tail <= 0:
            raise InputError(
                f"The posterior is improper: with {k} studies, {flat} flat coefficients and {tau}, large values of tau are not "
                "ruled out. Take proper priors of the coefficients or of tau (Gelman 2006, Bayesian Analysis 1:515-534)."
            )
        self.tail = tail
        sizes = [math.sqrt(v.min()), math.sqrt(v.max()), float(np.ptp(y)) + float(np.abs(x @ self._b0).max())]
        self.tau, self._nodes, self._p, log_mass = solve_tau(tau, self._log_posterior, self._wobble, sizes, tail)
        self._mean, self._cov = self._given(self._nodes)[:2]
        self.beta = {name: self._combination(np.eye(len(names))[j]) for j, name in enumerate(self.names)}
        proper = tau.proper and flat == 0
        self.log_marginal_likelihood = log_mass - 0.5 * k * math.log(2 * math.pi) if proper else None
        self.priors = (str(tau), *(f"{n}: {str(b).replace('mu', 'beta')}" for n, b in zip(self.names, beta, strict=True)))

    def __str__(self) -> str:
        frame = self.to_frame()
        lines = [f"exact meta-regression, k = {len(self._y)}: median (95% central interval)"]
        lines += [f"{r.term:<12} {tx.short(r.estimate)} ({tx.span_text((r.ci_low, r.ci_high))})" for r in frame.itertuples()]
        return "\n".join([*lines, *(f"prior: {p}" for p in self.priors)])

    __repr__ = __str__

    def draws(self, n: int, seed: int = 1) -> dict[str, np.ndarray]:
        """Independent draws from the joint posterior: ``beta`` (n, p) in the order of ``names``, and ``tau`` (n,)."""
        check_draws(n, seed)
        rng = np.random.default_rng(int(seed))
        tau = self.tau.quantile(np.clip(rng.random(n), 1e-15, 1 - 1e-15))
        mean, cov, _ = self._given(tau)
        return {"beta": mean + np.einsum("nij,nj->ni", np.linalg.cholesky(cov), rng.standard_normal(mean.shape)), "tau": tau}

    def predict(self, x: Mapping[str, float] | Sequence[float]) -> tuple[NormalMixture, NormalMixture]:
        """Mean effect at covariate values, and the true effect of a further trial there.

        Parameters
        ----------
        x : mapping of names to values, or one value a coefficient
            A coefficient left out of a mapping counts 0, the intercept 1.
        """
        if isinstance(x, Mapping):
            unknown = set(x) - set(self.names)
            if unknown:
                raise InputError(
                    f"There is no coefficient {', '.join(sorted(map(repr, unknown)))}; there are {', '.join(self.names)}."
                )
            row = np.array([float(x.get(n, 1.0 if n == "intercept" else 0.0)) for n in self.names])
        else:
            row = np.asarray(x, dtype=float)
            if row.shape != (len(self.names),):
                raise InputError(f"x has shape {row.shape}; it needs one value for each of {', '.join(self.names)}.")
        mean = self._combination(row)
        return mean, NormalMixture(self._p, mean.m, np.hypot(mean.s, self._nodes), self.tail > 2)

    def to_frame(self, level: float = 0.95, kind: str = "central") -> pd.DataFrame:
        """One row a coefficient, and tau: term, mean, estimate (median), se (posterior SD), ci_low, ci_high, p_above_0."""
        import pandas as pd

        rows = []
        for name, part in [*self.beta.items(), ("tau", self.tau)]:
            low, high = part.interval(level, kind)
            above = math.nan if name == "tau" else 1 - float(part.cdf(0.0))
            rows.append(
                {
                    "term": name,
                    "mean": part.mean,
                    "estimate": part.median,
                    "se": part.sd,
                    "ci_low": low,
                    "ci_high": high,
                    "p_above_0": above,
                }
            )
        return pd.DataFrame(rows)

    def _combination(self, row: np.ndarray) -> NormalMixture:
        sd = np.sqrt(np.einsum("i,nij,j->n", row, self._cov, row))
        return NormalMixture(self._p, self._mean @ row, sd, self.tail > 2 or bool(np.all(self._p0 > 0)))

    def _given(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means (m, p) and covariances (m, p, p) of the coefficients given tau, and log density of the data (m,)."""
        w = 1 / (self._v + tau[:, None] ** 2)
        information = np.einsum("ki,nk,kj->nij", self._x, w, self._x) + np.diag(self._p0)
        # to unit diagonal before inverting, so that units of covariates cost no digits
        scale = np.sqrt(np.einsum("nii->ni", information))
        even = information / scale[:, :, None] / scale[:, None, :]
        cov = np.linalg.inv(even) / scale[:, :, None] / scale[:, None, :]
        mean = np.einsum("nij,nj->ni", cov, (w * self._y) @ self._x + self._p0 * self._b0)
        rest = self._y - mean @ self._x.T
        q = (w * rest**2).sum(1) + ((mean - self._b0) ** 2 * self._p0).sum(1)
        logdet = np.linalg.slogdet(even)[1] + 2 * np.log(scale).sum(1)
        own = 0.5 * np.log(self._p0[self._p0 > 0]).sum()
        return mean, cov, own + 0.5 * (np.log(w).sum(1) - logdet - q)

    def _log_posterior(self, tau: np.ndarray) -> np.ndarray:
        return self._prior.log_density(tau, self._v) + self._given(tau)[2]

    def _wobble(self, tau: np.ndarray) -> np.ndarray:
        n, order = tau.shape
        mean, cov, _ = self._given(tau.ravel())
        sd = np.sqrt(np.einsum("nii->ni", cov)).reshape(n, order, -1)
        return (np.ptp(mean.reshape(n, order, -1), axis=1) / sd.min(axis=1)).max(axis=1)


def meta_regression(
    data: Any = None,
    covariates: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    intercept: bool = True,
    tau: TauPrior | None = None,
    beta: Normal | Flat | Mapping[str, Normal | Flat] | None = None,
    question: Question | None = None,
) -> RegressionPosterior:
    """Exact Bayesian meta-regression.

    Parameters
    ----------
    data, y, v, se, V, ci, study, tau, question
        As in `random_effects`.
    covariates : column name or names, data frame, mapping of names to columns, or array of shape (k, p)
        Numbers: columns of ``data``, or one row a study.
    intercept : bool
        Whether a column of ones, named "intercept", comes first.
    beta : prior, or mapping of names to priors, optional
        Normal or flat, on the scale of each coefficient; flat where nothing is said.

    Raises
    ------
    InputError
        Covariates of wrong shape, missing or constant where they must not be, or an improper posterior.
    """
    s = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question)
    tau, _ = choose_priors(s.question, tau, Flat())
    names, x = _design(covariates, s, intercept)
    chosen = coefficient_priors(names, beta)
    flat = [not b.proper for b in chosen]
    refuse_dependent(x[:, flat], [n for n, free in zip(names, flat, strict=True) if free])
    return RegressionPosterior(s.y, s.v, x, names, tau, chosen)


def coefficient_priors(names: Sequence[str], beta: Any) -> list[Normal | Flat]:
    """A prior for every coefficient; flat where ``beta`` says nothing."""
    stated: Mapping[str, Any] = beta if isinstance(beta, Mapping) else dict.fromkeys(names, beta) if beta is not None else {}
    unknown = set(stated) - set(names)
    if unknown:
        raise InputError(
            f"beta names {', '.join(sorted(map(repr, unknown)))}, which is no coefficient; there are {', '.join(names)}."
        )
    chosen = [stated.get(n, Flat()) for n in names]
    for n, b in zip(names, chosen, strict=True):
        if not isinstance(b, MuPrior) or b.normal is None:
            raise InputError(
                f"beta[{n!r}]={b!r} is no prior of a coefficient; use vf.priors.Normal(mean, sd) or vf.priors.Flat()."
            )
    return chosen


def refuse_dependent(x: np.ndarray, names: Sequence[str]) -> None:
    """An error when columns of ``x`` (k, p), those with flat priors, are linearly dependent."""
    if x.shape[1] and np.linalg.matrix_rank(x / np.maximum(np.abs(x).max(0), 1e-300)) < x.shape[1]:
        raise InputError(
            "The moderators with flat priors cannot be told apart in these studies (their columns are linearly dependent): "
            f"{', '.join(names)}."
        )


def _design(covariates: Any, s: Studies, intercept: bool) -> tuple[list[str], np.ndarray]:
    """Names and columns of the moderators: names in the data, a frame or mapping of columns, or a matrix."""
    if covariates is None:
        names, columns = [], np.empty((s.k, 0))
    elif isinstance(covariates, str) or (
        isinstance(covariates, (list, tuple)) and covariates and all(isinstance(x, str) for x in covariates)
    ):
        names = [covariates] if isinstance(covariates, str) else list(covariates)
        columns = _numeric({name: s.column(name, "covariates").values for name in names}, s)
    elif isinstance(covariates, np.ndarray) or not (hasattr(covariates, "items") or hasattr(covariates, "columns")):
        columns = s.rows.block(covariates, "covariates")[s.kept]
        names = [f"x{j + 1}" for j in range(columns.shape[1])]
    else:
        frame = as_frame(covariates)
        names = [str(n) for n in frame.columns]
        columns = _numeric({n: s.column(frame[n], n).values for n in names}, s)
    if intercept:
        names, columns = ["intercept", *names], np.column_stack([np.ones(s.k), columns])
    if not names:
        raise InputError("There is no coefficient: give covariates, or leave the intercept in.")
    problems = [
        cells.place(i, s.labels, names[j], s.kept.tolist()) + "missing or not finite; fill it in or remove the row."
        for i, j in zip(*np.nonzero(~np.isfinite(columns)), strict=True)
    ]
    if problems:
        raise InputError(problems)
    return names, columns


def _coded(values: Any) -> Any:
    """True and false as 1 and 0."""
    return [float(x) if isinstance(x, (bool, np.bool_)) else x for x in values]


def _numeric(columns: Mapping[str, Any], s: Studies) -> np.ndarray:
    problems: list[str] = []
    rows = s.kept.tolist()
    found = [cells.numbers(_coded(x), name, s.labels, problems, rows=rows, gap=cells.FILL) for name, x in columns.items()]
    if problems:
        raise InputError(problems)
    return np.column_stack(found)
