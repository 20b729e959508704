"""Between-study variance, Cochran's Q, I2 and the Q-profile interval, for rectangular batches.

Every function takes ``y`` and ``v`` of shape (B, k) or (k,) and an optional ``mask``, and answers with arrays of shape (B,) in
squared units of ``y``. A row with one study has no heterogeneity to estimate: NaN. The work is done by
`vfmeta.kernels.estimators`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from vfmeta.kernels import estimators
from vfmeta.kernels.batch import prepare

Estimator = Callable[..., np.ndarray]


def tau2_by(method: str, y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Between-study variance by a method of `vfmeta.kernels.estimators.ESTIMATORS` (those with weights excepted)."""
    return _fit(y, v, mask, method)[:, 0]


tau2_reml: Estimator = partial(tau2_by, "REML")
tau2_dl: Estimator = partial(tau2_by, "DL")
tau2_pm: Estimator = partial(tau2_by, "PM")
TAU2: dict[str, Estimator] = {m: partial(tau2_by, m) for m in estimators.ESTIMATORS if not m.startswith("GENQ")}


def cochran_q(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Cochran's Q (Cochran 1954, Biometrics 10:101-129), chi-squared with k - 1 df when tau2 = 0."""
    return _fit(y, v, mask, "common")[:, 5]


def typical_variance(v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Typical sampling variance (k - 1) / (sum w - sum w^2 / sum w), w = 1/v (Higgins & Thompson 2002, Stat Med 21:1539)."""
    return _fit(np.zeros(np.shape(v)), v, mask, "common")[:, 6]


def i2(tau2: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """I2 in percent: the share of tau2 in tau2 + typical sampling variance (Higgins & Thompson 2002)."""
    return 100 * (tau2 / (tau2 + typical))


def i2_from_q(q: np.ndarray, df: np.ndarray) -> np.ndarray:
    """I2 in percent from Q, for the common-effect model: max(0, (Q - df) / Q) (Higgins & Thompson 2002)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(q > df, 100 * (q - df) / q, 0.0)


def q_profile(
    y: np.ndarray, v: np.ndarray, level: float = 0.95, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37-52).

    The limits solve Q(tau2) = upper and lower chi-squared quantile with k - 1 df, without a bound on the search.

    Returns
    -------
    low, high : ndarray of shape (B,)
        Limits; NaN where the interval is empty (even tau2 = 0 leaves Q below the lower quantile) or k = 1.
    """
    out = _fit(y, v, mask, "common", level, estimators.PROFILE)
    return out[:, 7], out[:, 8]


def _fit(
    y: np.ndarray, v: np.ndarray, mask: np.ndarray | None, method: str, level: float = 0.95, wants: int = 0
) -> np.ndarray:
    k = prepare(y, v, mask).k  # refuses what is no batch
    y, v = np.atleast_2d(np.asarray(y, dtype=float)), np.atleast_2d(np.asarray(v, dtype=float))
    order = np.arange(y.size) if mask is None else np.flatnonzero(np.atleast_2d(mask))
    start = np.concatenate([[0], np.cumsum(k)])
    return estimators.fit_ragged(y.ravel(), v.ravel(), order, start, method, level=level, wants=wants)
