"""Columns of many fits at once: standard errors, tests, intervals and heterogeneity from what the kernels return."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from vfmeta.frequentist.pooling import quantile
from vfmeta.kernels.estimators import cores

_WORTH_A_THREAD = 20_000  # tail probabilities


def fit_columns(out: np.ndarray, k: np.ndarray, model: str, interval: str, level: float) -> dict[str, np.ndarray]:
    """Tidy columns of a batch.

    Parameters
    ----------
    out : ndarray of shape (B, 11)
        What `vfmeta.kernels.estimators.fit_ragged` returns.
    k : ndarray of int, shape (B,)
        Number of studies of each fit. A single study stands for itself: its Wald interval, and tau2, I2 and H2 NaN.
    model : {"random", "common"}
        Decides what I2 and H2 are made of.
    interval : {"HKSJ", "HKSJ-adhoc", "Wald", "t"}
        As for ``vf.random_effects``.
    level : float
        Confidence level.

    Returns
    -------
    dict of ndarray of shape (B,)
        k, estimate, se, ci_low, ci_high, statistic, df (NaN: normal), p_value, tau2, i2 (percent), h2, q, q_df, q_p.
    """
    from scipy.special import chdtrc, ndtr, stdtr

    tau2, estimate, se, factor, q, typical = (out[:, c] for c in (0, 2, 3, 4, 5, 6))
    df, many = k - 1, k > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        if interval.startswith("HKSJ"):
            used = np.maximum(factor, 1.0) if interval == "HKSJ-adhoc" else factor
            se = np.where(many, se * np.sqrt(used), se)
        statistic = np.where((estimate == 0) & (se == 0), 0.0, estimate / se)
        if interval == "Wald":
            ddf, t = np.full(len(k), np.nan), np.full(len(k), quantile(level, None))
            p = 2 * ndtr(-np.abs(statistic))
        else:
            ddf, t = np.where(many, df, np.nan), quantiles(k, 1, level)
            p = 2 * _spread(stdtr, np.where(many, df, 1).astype(float), -np.abs(statistic))
            if not many.all():
                p = np.where(many, p, 2 * ndtr(-np.abs(statistic)))
        if model == "random":
            i2, h2 = 100 * (tau2 / (tau2 + typical)), tau2 / typical + 1
        else:
            h2 = np.where(many, q / np.maximum(df, 1), np.nan)
            i2 = np.where(many, np.maximum(100 * (1 - 1 / h2), 0.0), np.nan)
        q_p = np.where(many, _spread(chdtrc, np.maximum(df, 1).astype(float), q), 1.0)
    return {
        "k": k, "estimate": estimate, "se": se, "ci_low": estimate - t * se, "ci_high": estimate + t * se,
        "statistic": statistic, "df": ddf, "p_value": p, "tau2": tau2, "i2": i2, "h2": h2, "q": q, "q_df": df, "q_p": q_p,
    }  # fmt: skip


def prediction_columns(
    columns: dict[str, np.ndarray], out: np.ndarray, prediction: str, interval: str, level: float, estimated: bool
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
        se = columns["se"] if prediction == "Partlett-Riley" and interval.startswith("HKSJ") else out[:, 3]
        if prediction == "Partlett-Riley" and not interval.startswith("HKSJ"):
            se = se * np.sqrt(out[:, 4])
    normal = interval == "Wald" and prediction in ("auto", "fitted")
    t = np.full(len(k), quantile(level, None)) if normal else quantiles(k, lost, level)
    half = np.where(k >= least, t * np.sqrt(se * se + tau2), np.nan)
    return {"prediction_low": columns["estimate"] - half, "prediction_high": columns["estimate"] + half}


def _spread(tail: Callable[..., np.ndarray], df: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``tail(df, x)`` of shape (B,), on every core where there is work for them: scipy's loops release the interpreter lock."""
    pieces = min(cores(), len(x) // _WORTH_A_THREAD)
    if pieces < 2:
        return tail(df, x)
    with ThreadPoolExecutor(pieces) as pool:
        return np.concatenate(list(pool.map(tail, np.array_split(df, pieces), np.array_split(x, pieces))))


def quantiles(k: np.ndarray, lost: int, level: float) -> np.ndarray:
    """Quantiles of t with k - lost degrees of freedom, shape (B,); normal where none are left."""
    table = np.zeros(int(k.max()) + 1)
    for n in np.flatnonzero(np.bincount(k)).tolist():
        table[n] = quantile(level, n - lost if n > lost else None)
    return table[k]
