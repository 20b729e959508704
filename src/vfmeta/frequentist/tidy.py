"""Columns of many fits at once: standard errors, tests, intervals and heterogeneity from what the kernels return."""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.distributions import quantile
from vfmeta.kernels.tails import ADHOC, KNAPP, PLAIN, columns

_FACTOR = {"HKSJ": KNAPP, "HKSJ-adhoc": ADHOC}


def fit_columns(
    out: np.ndarray, k: np.ndarray, model: str, test: str, level: float, null: float = 0.0, *,
    prediction: str | None = None, estimated: bool = True, room: np.ndarray | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Tidy columns of a batch.

    Parameters
    ----------
    out : ndarray of shape (B, 7) or (B, 11)
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
    prediction : {"auto", "fitted", "HTS", "Partlett-Riley"}, optional
        As for ``vf.random_effects``; no prediction interval when left out.
    estimated : bool
        Whether tau2 was estimated, which costs "HTS" and "Partlett-Riley" a degree of freedom.
    room : ndarray of shape (11, B), optional
        Where what is not yet in ``out`` goes.

    Returns
    -------
    dict of ndarray of shape (B,)
        k, estimate, se, ci_low, ci_high, statistic, df (NaN: normal), p_value, prediction_low, prediction_high (NaN where the
        interval is undefined; absent without ``prediction``), tau2, i2 (percent), h2, q, q_df, q_p_value.
    """
    df, sizes = k - 1, np.bincount(k)
    own, normal = _FACTOR.get(test, PLAIN), test == "Wald"
    t = _quantiles(sizes, None if normal else 1, level)
    ddf = np.arange(len(sizes)) - 1.0
    ddf[: len(ddf) if normal else 2] = np.nan
    ahead, predicted = np.full(len(sizes), np.nan), own
    if prediction in ("auto", "fitted"):
        ahead = np.where(np.arange(len(sizes)) >= (3 if prediction == "auto" else 2), t, np.nan)
    elif prediction is not None:
        lost = 1 + estimated
        ahead = np.where(np.arange(len(sizes)) > lost, _quantiles(sizes, lost, level), np.nan)
        predicted = PLAIN if prediction == "HTS" else (own or KNAPP)
    found = columns(out.T, df, model == "random", own, predicted, null, t, ddf, ahead, student=not normal, out=room)
    table = {"k": k, "estimate": out[:, 2], "tau2": out[:, 0], "q": out[:, 5], "q_df": df, **found}
    return {name: table[name] for name in _ORDER if prediction is not None or not name.startswith("prediction")}


_ORDER = (
    "k", "estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "prediction_low", "prediction_high", "tau2", "i2",
    "h2", "q", "q_df", "q_p_value",
)  # fmt: skip


def _quantiles(sizes: np.ndarray, lost: int | None, level: float) -> np.ndarray:
    """By number of studies n: the quantile of t with n - lost degrees of freedom; normal where none are left or lost."""
    table = np.zeros(len(sizes))
    for n in np.flatnonzero(sizes).tolist():
        table[n] = quantile(level, n - lost if lost is not None and n > lost else None)
    return table
