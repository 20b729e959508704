"""Columns of many fits at once: standard errors, tests, intervals and heterogeneity from what the kernels return."""

from __future__ import annotations

import numpy as np

from vfmeta.frequentist.pool import quantile
from vfmeta.kernels.tails import tails


def fit_columns(
    out: np.ndarray, k: np.ndarray, model: str, test: str, level: float, null: float = 0.0
) -> dict[str, np.ndarray]:
    """Tidy columns of a batch.

    Parameters
    ----------
    out : ndarray of shape (B, 11)
        What `vfmeta.kernels.estimators.fit_ragged` returns.
    k : ndarray of int, shape (B,)
        Number of studies of each fit. A single study stands for itself: its Wald interval, and tau2, I2 and H2 NaN.
    model : {"random", "common"}
        Decides what I2 and H2 are made of.
    test : {"HKSJ", "HKSJ-adhoc", "Wald", "t"}
        As for ``vf.random_effects``.
    level : float
        Confidence level.
    null : float
        The value, on the analysis scale, that is tested.

    Returns
    -------
    dict of ndarray of shape (B,)
        k, estimate, se, ci_low, ci_high, statistic, df (NaN: normal), p_value, tau2, i2 (percent), h2, q, q_df, q_p_value.
    """
    tau2, estimate, se, factor, q, typical = (out[:, c] for c in (0, 2, 3, 4, 5, 6))
    df, alone = k - 1, np.flatnonzero(k == 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if test.startswith("HKSJ"):
            own = se[alone]
            se = se * np.sqrt(np.maximum(factor, 1.0) if test == "HKSJ-adhoc" else factor)
            se[alone] = own
        beyond = estimate - null if null else estimate
        statistic = beyond / se
        statistic[(beyond == 0) & (se == 0)] = 0.0
        if test == "Wald":
            ddf, half = np.full(len(k), np.nan), quantile(level, None) * se
        else:
            ddf, half = df.astype(float), quantiles(k, 1, level) * se
            ddf[alone] = np.nan
        p, q_p = tails(statistic, q, df, test != "Wald")
        if model == "random":
            i2, h2 = 100 * (tau2 / (tau2 + typical)), tau2 / typical + 1
        else:
            h2 = q / df
            h2[alone] = np.nan
            i2 = np.maximum(100 * (1 - 1 / h2), 0.0)
    return {
        "k": k, "estimate": estimate, "se": se, "ci_low": estimate - half, "ci_high": estimate + half,
        "statistic": statistic, "df": ddf, "p_value": p, "tau2": tau2, "i2": i2, "h2": h2, "q": q, "q_df": df, "q_p_value": q_p,
    }  # fmt: skip


def prediction_columns(
    columns: dict[str, np.ndarray], out: np.ndarray, prediction: str, test: str, level: float, estimated: bool
) -> dict[str, np.ndarray]:
    """Limits of the prediction interval, NaN where it is undefined; arguments as in `fit_columns` and ``vf.random_effects``.

    ``estimated`` says that tau2 was estimated, which costs "HTS" and "Partlett-Riley" a degree of freedom.
    """
    k, tau2 = columns["k"], columns["tau2"]
    if prediction in ("auto", "fitted"):
        least, lost, se = (3 if prediction == "auto" else 2), 1, columns["se"]
    else:
        lost = 1 + estimated
        least = lost + 1
        se = columns["se"] if prediction == "Partlett-Riley" and test.startswith("HKSJ") else out[:, 3]
        if prediction == "Partlett-Riley" and not test.startswith("HKSJ"):
            se = se * np.sqrt(out[:, 4])
    normal = test == "Wald" and prediction in ("auto", "fitted")
    t = np.full(len(k), quantile(level, None)) if normal else quantiles(k, lost, level)
    half = np.where(k >= least, t * np.sqrt(se * se + tau2), np.nan)
    return {"prediction_low": columns["estimate"] - half, "prediction_high": columns["estimate"] + half}


def quantiles(k: np.ndarray, lost: int, level: float) -> np.ndarray:
    """Quantiles of t with k - lost degrees of freedom, shape (B,); normal where none are left."""
    sizes = np.bincount(k)
    table = np.zeros(len(sizes))
    for n in np.flatnonzero(sizes).tolist():
        table[n] = quantile(level, n - lost if n > lost else None)
    return table[k] if sizes[-1] < len(k) else np.full(len(k), table[-1])
