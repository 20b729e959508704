"""A multivariate model without each cluster of effects in turn, and what that says of the cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn
from vfmeta.core.params import Influential
from vfmeta.frequentist.multivariate import after
from vfmeta.frequentist.multivariate.degrees import containment, spread
from vfmeta.frequentist.multivariate.likelihood import Problem
from vfmeta.frequentist.multivariate.robust import members
from vfmeta.kernels.stacks import dense
from vfmeta.results.wald import quantile, two_sided
from vfmeta.text.notes import cannot_be_left_out

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.frequentist.multivariate.result import MultivariateResult


@dataclass(frozen=True)
class Deletions:
    """The fits without each of m clusters: coefficients (m, p), their covariance (m, p, p), free parameters as they are inside
    the full problem (m, size), the covariance that all effects would give there (m, p, p) and Satterthwaite's degrees of
    freedom (m, p); NaN where there is no fit.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    beta: np.ndarray
    vb: np.ndarray
    free: np.ndarray
    whole: np.ndarray
    df: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """Clusters without which the model can be fitted."""
        return np.flatnonzero(~np.isnan(self.beta[:, 0]))


def delete(fit: MultivariateResult, cluster: Any, reestimate: bool) -> Deletions:
    """Fit without each cluster; the variances anew, or held at their values. What cannot be fitted is named in a warning."""
    if cluster is None:
        codes, names = np.arange(fit.k), fit.labels
    else:
        codes, groups = members(fit, cluster, fit.k, fit.labels)
        names = tuple(map(str, groups))
    # a refit is the same for every diagnostic that asks for it, and takes longer than all of them
    kept, key = fit.problem.deleted, (reestimate, fit.free.tobytes(), codes.tobytes())
    if key not in kept:
        kept[key] = _without_each(fit.problem, fit.free, codes, reestimate)
    out = Deletions(names, codes, *kept[key])
    lost = [names[c] for c in np.flatnonzero(np.isnan(out.beta[:, 0]))]
    if lost:
        warn(cannot_be_left_out(lost))
    return out


def _without_each(problem: Problem, free: np.ndarray, codes: np.ndarray, reestimate: bool) -> tuple[np.ndarray, ...]:
    """The arrays of `Deletions`."""
    m, p = int(codes.max()) + 1, problem.X.shape[1]
    shapes = (m, p), (m, p, p), (m, len(free)), (m, p, p), (m, p)
    beta, vb, own, whole, df = (np.full(shape, np.nan) for shape in shapes)
    for c in range(m):
        part = _reduced(problem, np.flatnonzero(codes != c))
        if part is None:
            continue  # too few effects, or a coefficient that rests on them alone
        try:
            u = _rescaled(problem, part, free)
            if reestimate and part.terms and part.free.any():
                part.check_identified()
                u = part.solve(_off_zero(part, u))[0]
            found, back = part.at(u)[0], _rescaled(part, problem, u)
            everywhere, uncertain = problem.at(back)[0].cov, spread(part, u, found.cov)
        except (InputError, ConvergenceError, np.linalg.LinAlgError):
            continue
        beta[c], vb[c], own[c], whole[c] = found.beta, found.cov, back, everywhere
        df[c] = np.maximum(containment(part), 1.0) if uncertain is None else uncertain.degrees(np.eye(p))
    return beta, vb, own, whole, df


def leave_out(fit: MultivariateResult, cluster: Any) -> pd.DataFrame:
    """The coefficients without each cluster (or effect) in turn; see `vfmeta.leave_one_out`."""
    import pandas as pd

    d = delete(fit, cluster, True)
    m, p = d.beta.shape
    sizes = fit.k - np.bincount(d.codes)
    se = np.sqrt(np.diagonal(d.vb, axis1=1, axis2=2))
    df = np.broadcast_to((sizes - p)[:, None], (m, p)).astype(float) if fit.test == "t" else None
    if df is not None and fit.call.get("df") == "containment":
        raise InputError('Leaving clusters out is offered for df="Satterthwaite" or "residual"; fit again with it.')
    if df is not None and fit.call.get("df") == "Satterthwaite":
        df = d.df
    elif df is not None and (sizes == p).any():
        gone = ", ".join(n for n, k in zip(d.names, sizes, strict=True) if k == p)
        warn(f"Without {gone} no degree of freedom is left: intervals and p values are undefined there.")
        df = np.where(df < 1, np.nan, df)
    half, statistic = quantile(fit.level, df) * se, (d.beta - fit.against) / se
    columns: dict[str, Any] = {
        "study": np.repeat(np.array(d.names, dtype=object), p), "term": list(fit.terms) * m, "k": np.repeat(sizes, p),
        "estimate": d.beta.ravel(), "se": se.ravel(), "ci_low": (d.beta - half).ravel(), "ci_high": (d.beta + half).ravel(),
        "statistic": statistic.ravel(), "p_value": two_sided(statistic, df).ravel(),
    }  # fmt: skip
    for name, values in component_columns(fit, d.free).items():
        columns[name] = np.repeat(values, p)
    return pd.DataFrame(columns)


def component_columns(fit: MultivariateResult, free: np.ndarray) -> dict[str, np.ndarray]:
    """Variances and correlations at free parameters (m, size), a column each, named as `MultivariateResult.components` does."""
    problem, out = fit.problem, {}
    for t, s, shown in zip(problem.terms, problem.slices, fit.random, strict=True):
        rows = [t.structure.natural(u[s]) for u in free]
        variances = np.array([v for v, _ in rows]) * problem.scale**2
        correlations = np.array([r for _, r in rows])
        for j, (kind, level) in enumerate(shown.component_names()):
            n = t.structure.variances
            out[f"{kind} of {t.name}" + (f", {level}" if level else "")] = variances[:, j] if j < n else correlations[:, j - n]
    return out


@dataclass(frozen=True)
class Case:
    """Deleted residuals and their standard errors (k,), and per cluster chi-squared (m,), all NaN where undefined."""

    residual: np.ndarray
    se: np.ndarray
    chi2: np.ndarray


def deleted_residuals(fit: MultivariateResult, d: Deletions) -> Case:
    """Each effect against its prediction by the fit without its cluster, variance M + X Var(b) X' with that fit's variances.

    The chi-squared of a cluster is the Mahalanobis distance of all its deleted residuals.
    """
    residual, se, chi2 = np.full(fit.k, np.nan), np.full(fit.k, np.nan), np.full(len(d.names), np.nan)
    for c in d.there:
        rows = np.flatnonzero(d.codes == c)
        x = fit.X[rows]
        residual[rows] = fit.y[rows] - x @ d.beta[c]
        covariance = _among(fit.problem, rows, d.free[c]) + x @ d.vb[c] @ x.T
        se[rows] = np.sqrt(np.diag(covariance))
        chi2[c] = residual[rows] @ np.linalg.solve(covariance, residual[rows])
    return Case(residual, se, chi2)


def residuals(fit: MultivariateResult, cluster: Any, reestimate: bool) -> pd.DataFrame:
    """`after.residuals` with deleted and studentised residuals; see `vfmeta.residuals`."""
    case = deleted_residuals(fit, delete(fit, cluster, reestimate))
    return after.residuals(fit).assign(deleted_residual=case.residual, deleted_se=case.se, studentised=case.residual / case.se)


def influence(fit: MultivariateResult, cluster: Any, reestimate: bool, kind: Influential) -> pd.DataFrame:
    """Diagnostics by cluster, or by effect; see `vfmeta.influence`."""
    import pandas as pd
    from scipy.special import chdtr, chdtrc

    d = delete(fit, cluster, reestimate)
    case = deleted_residuals(fit, d)
    size = np.bincount(d.codes)
    hat = np.bincount(d.codes, after.hat_values(fit))
    se = np.sqrt(np.diag(fit.vb))
    away = (fit.estimate - d.beta) / se
    relative = fit.vb / np.outer(se, se)
    cook = np.einsum("mp,pq,mq->m", away, np.linalg.inv(relative), away)
    covratio, dfbetas = np.full(len(size), np.nan), np.full(d.beta.shape, np.nan)
    for c in d.there:
        covratio[c] = np.exp(np.linalg.slogdet(d.vb[c] / np.outer(se, se))[1] - np.linalg.slogdet(relative)[1])
        dfbetas[c] = (fit.estimate - d.beta[c]) / np.sqrt(np.diag(d.whole[c]))
    columns: dict[str, Any] = {"study": list(d.names), "k": size}
    if cluster is None:
        columns["studentised"] = case.residual / case.se
    p_value = chdtrc(size, case.chi2)
    columns |= {
        "statistic": case.chi2, "p_value": p_value, "cook": cook, "covratio": covratio, "hat": hat,
    }  # fmt: skip
    columns |= {f"dfbetas_{name}": dfbetas[:, j] for j, name in enumerate(fit.terms)}
    columns |= {f"{name} without": values for name, values in component_columns(fit, d.free).items()}
    with np.errstate(invalid="ignore"):
        far = (chdtr(fit.p, np.nan_to_num(cook)) > 0.5) | (np.abs(dfbetas) > 1).any(axis=1) | (hat > 3 * fit.p * size / fit.k)
    return pd.DataFrame(columns | {"influential": p_value * len(size) < 0.05 if kind == "family-wise" else far})


def _reduced(problem: Problem, keep: np.ndarray) -> Problem | None:
    """The same problem on some of its rows; None where they cannot carry its coefficients."""
    x = problem.X[keep]
    p = x.shape[1]
    if len(keep) < p + bool(problem.terms and problem.free.any()):
        return None
    length = np.linalg.norm(x, axis=0)
    if (length == 0).any() or np.linalg.matrix_rank(x / length) < p:
        return None
    terms = []
    for t in problem.terms:
        b = t.basis
        part = replace(b, outer=b.outer[keep], inner=b.inner[keep], slopes=None if b.slopes is None else b.slopes[keep])
        terms.append(replace(t, basis=part))
    weights = problem.weights
    if weights is not None:
        weights = _cut(weights, keep)
    return Problem(problem.y[keep], x, _cut(problem.V, keep), tuple(terms), problem.reml, problem.given, weights)


def _cut(matrix: Any, keep: np.ndarray) -> Any:
    return matrix[keep] if matrix.ndim == 1 else matrix[keep][:, keep]


def _rescaled(source: Problem, target: Problem, u: np.ndarray) -> np.ndarray:
    """Free parameters of one problem in the unit of y of another."""
    out = np.array(u, dtype=float)
    for t, s in zip(source.terms, source.slices, strict=True):
        out[s.start : s.start + t.structure.variances] *= source.scale / target.scale
    return out


def _off_zero(problem: Problem, u: np.ndarray) -> np.ndarray:
    """A starting point at which no variance sits at zero, for it need not do so without the cluster."""
    out = u.copy()
    for t, s in zip(problem.terms, problem.slices, strict=True):
        n = s.start + t.structure.variances
        out[s.start : n] = np.where(np.abs(out[s.start : n]) < 0.05, 0.05, out[s.start : n])
    return out


def _among(problem: Problem, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Marginal covariance of some effects at free parameters u, in the units of the data."""
    out = np.diag(problem.V[rows]) if problem.V.ndim == 1 else dense(_cut(problem.V, rows)).copy()
    for t, s in zip(problem.terms, problem.slices, strict=True):
        g, b = t.structure.matrix(u[s]) * problem.scale**2, t.basis
        outer, inner = b.outer[rows], b.inner[rows]
        if b.relation is not None:
            out += g[0, 0] * b.relation[np.ix_(outer, outer)]
            continue
        between = g[np.ix_(inner, inner)] if b.slopes is None else b.slopes[rows] @ g @ b.slopes[rows].T
        out += (outer[:, None] == outer) * between
    return out
