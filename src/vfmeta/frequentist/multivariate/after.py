"""After the fit of a multivariate model: the effect of each row given all of them, the random effects, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.kernels.stacks import known_blocks
from vfmeta.results.frames import scaled
from vfmeta.results.wald import quantile
from vfmeta.text.notes import INVERSE_VARIANCE

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.frequentist.multivariate.fitted import MultivariateFit
    from vfmeta.frequentist.multivariate.terms import Term


def blups(fit: MultivariateFit, level: float) -> pd.DataFrame:
    """Best linear unbiased predictions of the true effects X b + Z u.

    They are y - V P y with variance V - V P V, where P = M^-1 - M^-1 X (X'M^-1 X)^-1 X'M^-1 and M = V + Z G Z'
    (Harville 1976, Ann Stat 4:384-395; Robinson 1991, Stat Sci 6:15-32).
    """
    import pandas as pd

    _check_weights(fit)
    rest = fit.y - fit.X @ fit.estimate
    estimate, variance = np.empty(fit.k), np.empty(fit.k)
    for (rows, m), (_, known) in zip(fit.blocks, known_blocks(fit.problem.stacks), strict=True):
        v = known * fit.problem.scale**2
        w = np.linalg.inv(m)
        vw = v @ w
        estimate[rows] = fit.y[rows] - (vw @ rest[rows][..., None])[..., 0]
        vwx = vw @ fit.X[rows]
        shrunk = v - vw @ v + vwx @ fit.vb @ vwx.transpose(0, 2, 1)
        variance[rows] = np.diagonal(shrunk, axis1=-2, axis2=-1)
    return scaled(pd.DataFrame({"study": list(fit.labels), **_limits(fit, estimate, variance, level)}), fit.question)


def random_effects(fit: MultivariateFit, level: float) -> pd.DataFrame:
    """Best linear unbiased predictions of the random effects u themselves, term by term.

    They are G Z'M^-1 (y - X b), and the variance of what they miss is G - G Z'P Z G (papers as of `blups`).
    """
    import pandas as pd
    from scipy.sparse import coo_array, csr_array

    _check_weights(fit)
    if not fit.random:
        raise InputError("The model has no random effects.")
    at, to, values = [], [], []
    for rows, m in fit.blocks:
        at.append(np.repeat(rows[:, :, None], rows.shape[1], axis=2).ravel())
        to.append(np.repeat(rows[:, None, :], rows.shape[1], axis=1).ravel())
        values.append(np.linalg.inv(m).ravel())
    precision = coo_array((np.concatenate(values), (np.concatenate(at), np.concatenate(to))), shape=(fit.k, fit.k)).tocsr()
    score, wx = precision @ (fit.y - fit.X @ fit.estimate), precision @ fit.X
    tables = []
    for term, shown in zip(fit.problem.terms, fit.random, strict=True):
        groups, levels, rows, effects, reach, own = _reach(term, shown.covariance)
        c = csr_array((reach, (rows, effects)), shape=(fit.k, len(groups)))
        cwx = c.T @ wx
        inside = np.asarray(c.multiply(precision @ c).sum(axis=0)).ravel()
        variance = own - inside + np.einsum("ep,pq,eq->e", cwx, fit.vb, cwx)
        names = group_names(fit.data, term)
        columns = {
            "term": term.name, "group": [names[g] for g in groups], "level": [term.levels[j] for j in levels],
            **_limits(fit, c.T @ score, variance, level),
        }  # fmt: skip
        tables.append(pd.DataFrame(columns))
    return scaled(pd.concat(tables, ignore_index=True), fit.question)


def _reach(term: Term, G: np.ndarray) -> tuple[np.ndarray, ...]:
    """Random effects of a term, and the covariance of each with the true effects of the rows.

    Groups (n,) and levels (n,) of the random effects, row numbers, numbers of random effects and covariances of all pairs that
    covary, and the variances (n,) of the random effects.
    """
    b = term.basis
    if b.relation is not None:
        count = len(b.relation)
        reach = G[0, 0] * b.relation[b.outer]
        rows, effects = np.indices(reach.shape)
        return (
            np.arange(count), np.zeros(count, dtype=int), rows.ravel(), effects.ravel(), reach.ravel(), np.full(count, G[0, 0])
        )  # fmt: skip
    if b.slopes is not None:
        groups, levels = (x.ravel() for x in np.indices((term.groups, len(G))))
        rows, level = (x.ravel() for x in np.indices((len(b.outer), len(G))))
        return groups, levels, rows, b.outer[rows] * len(G) + level, (b.slopes @ G).ravel(), np.diag(G)[levels]
    pairs = np.unique(np.column_stack([b.outer, b.inner]), axis=0)
    groups, levels = pairs.T
    # every row covaries with each level seen in its group
    start, size = np.searchsorted(groups, np.arange(term.groups)), np.bincount(groups)
    count = size[b.outer]
    rows = np.repeat(np.arange(len(b.outer)), count)
    effects = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count) + start[b.outer[rows]]
    return groups, levels, rows, effects, G[b.inner[rows], levels[effects]], np.diag(G)[levels]


def group_names(data: Any, term: Term) -> list[str]:
    """Names of the groups of a term, in the order of their numbers."""
    _, first = np.unique(term.basis.outer, return_index=True)
    columns = [data[c].tolist() for c in term.outer.split("/")]
    return ["/".join(_name(column[i]) for column in columns) for i in first.tolist()]


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def residuals(fit: MultivariateFit) -> pd.DataFrame:
    """Marginal residuals y - X b, their standard errors (NaN where a row alone decides its fitted value), ratio, leverage."""
    rest, lead = fit.y - fit.X @ fit.estimate, fit.coefficient_weights.T
    variance, total = np.empty(fit.k), np.empty(fit.k)
    for rows, m in fit.blocks:
        x = fit.X[rows]
        total[rows] = np.diagonal(m, axis1=-2, axis2=-1)
        # the diagonal of (I - H) M (I - H)'
        crossed = np.einsum("bip,bip->bi", x, m @ lead[rows])
        variance[rows] = total[rows] - 2 * crossed + np.einsum("bip,pq,biq->bi", x, fit.vb, x)
    se = np.sqrt(np.where(variance > 1e-10 * total, variance, np.nan))
    if np.isnan(se).any():
        alone = ", ".join(fit.labels[i] for i in np.flatnonzero(np.isnan(se)))
        warn(f"The fit goes through {alone}, whose residual is rounding: its standardised residual is undefined.")
    columns = {"study": list(fit.labels), "residual": rest, "se": se, "standardised": rest / se, "hat": hat_values(fit)}
    return scaled(columns, fit.question)


def hat_values(fit: MultivariateFit) -> np.ndarray:
    """Leverages, the diagonal of X (X'WX)^-1 X'W, shape (k,)."""
    return np.einsum("kp,pk->k", fit.X, fit.coefficient_weights)


def _limits(fit: MultivariateFit, estimate: np.ndarray, variance: np.ndarray, level: float) -> dict[str, np.ndarray]:
    se = np.sqrt(np.maximum(variance, 0.0))
    half = quantile(level, None if fit.df is None else float(fit.df.min())) * se
    return {"estimate": estimate, "se": se, "ci_low": estimate - half, "ci_high": estimate + half}


def _check_weights(fit: MultivariateFit) -> None:
    if fit.problem.weights is not None:
        raise InputError(INVERSE_VARIANCE)
