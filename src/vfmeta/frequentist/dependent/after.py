"""After the fit of a multivariate model: the effect of each row given all of them, and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vfmeta.frequentist.inference import quantile

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.frequentist.dependent.result import MultivariateResult


def blups(fit: MultivariateResult, level: float) -> pd.DataFrame:
    """Best linear unbiased predictions of the true effects X b + Z u.

    They are y - V P y with variance V - V P V, where P = M^-1 - M^-1 X (X'M^-1 X)^-1 X'M^-1 and M = V + Z G Z'
    (Harville 1976, Ann Stat 4:384-395; Robinson 1991, Stat Sci 6:15-32).
    """
    import pandas as pd

    rest = fit.y - fit.X @ fit.beta
    estimate, variance = np.empty(fit.k), np.empty(fit.k)
    for rows, m in fit.blocks:
        v = _known(fit, rows)
        w = np.linalg.inv(m)
        vw = v @ w
        estimate[rows] = fit.y[rows] - (vw @ rest[rows][..., None])[..., 0]
        vwx = vw @ fit.X[rows]
        shrunk = v - vw @ v + vwx @ fit.vb @ vwx.transpose(0, 2, 1)
        variance[rows] = np.diagonal(shrunk, axis1=-2, axis2=-1)
    se = np.sqrt(np.maximum(variance, 0.0))
    half = quantile(level, None if fit.df is None else float(fit.df.min())) * se
    low, high = estimate - half, estimate + half
    return pd.DataFrame({"effect": list(fit.labels), "estimate": estimate, "se": se, "low": low, "high": high})


def residuals(fit: MultivariateResult) -> pd.DataFrame:
    """Marginal residuals y - X b, their standard errors and their ratio (NaN where a row alone decides its fitted value)."""
    import pandas as pd

    rest = fit.y - fit.X @ fit.beta
    variance, total = np.empty(fit.k), np.empty(fit.k)
    for rows, m in fit.blocks:
        x = fit.X[rows]
        total[rows] = np.diagonal(m, axis1=-2, axis2=-1)
        variance[rows] = total[rows] - np.einsum("bip,pq,biq->bi", x, fit.vb, x)
    se = np.sqrt(np.where(variance > 1e-10 * total, variance, np.nan))
    return pd.DataFrame({"effect": list(fit.labels), "residual": rest, "se": se, "standardised": rest / se})


def _known(fit: MultivariateResult, rows: np.ndarray) -> np.ndarray:
    """Blocks of V, shape (b, n, n)."""
    if fit.V.ndim == 2:
        return fit.V[rows[:, :, None], rows[:, None, :]]
    return fit.V[rows][:, :, None] * np.eye(rows.shape[1])
