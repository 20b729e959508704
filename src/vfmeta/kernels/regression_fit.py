"""One meta-regression from arrays: coefficients, their covariance for the test chosen, fitted values, leverages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.kernels import kenward_roger
from vfmeta.kernels.regression import Regression, regression
from vfmeta.kernels.regression_tau2 import tau2_of

TESTS = ("HKSJ", "HKSJ-adhoc", "Wald", "t", "KR")


@dataclass(frozen=True)
class Fit:
    """A fitted meta-regression, in the units of the data.

    ``beta`` (p,), ``vb`` (p, p) their covariance as the test wants it, ``phi`` (p, p) the model-based one, ``w`` (k,) the
    weights 1 / (v + tau2), ``fitted`` (k,), ``hat`` (k,) leverages, ``factor`` the Hartung-Knapp factor (1 where not used),
    ``q`` the residual heterogeneity statistic at tau2 = 0 and ``trace`` tr P there.
    """

    model: Regression
    x: np.ndarray
    tau2: float
    tau2_se: float
    beta: np.ndarray
    vb: np.ndarray
    phi: np.ndarray
    w: np.ndarray
    fitted: np.ndarray
    hat: np.ndarray
    factor: float
    q: float
    trace: float


def fit(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    tau2: str | float = "REML",
    test: str = "HKSJ",
    weights: np.ndarray | None = None,
) -> Fit:
    """Fit by a named estimator of tau2 or at a given value.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances.
    x : ndarray of shape (k, p)
        Design.
    tau2 : str or float
        A name of `regression_tau2.METHODS`, "GENQ", or a value in squared units of ``y``.
    test : str
        One of `TESTS`. The Hartung-Knapp factor is y'Py / (k - p) (Knapp & Hartung 2003, Stat Med 22:2693-2710); with user
        weights, the mean square of the residuals about that fit, weighted by 1 / (v + tau2).
    weights : ndarray of shape (k,), optional
        User weights of the coefficients (and of the quadratic form of GENQ) in place of 1 / (v + tau2).

    Raises
    ------
    CollinearError
        When the design is singular.
    """
    m, x = regression(y, v, x), np.asarray(x, dtype=float)
    value, se = (float(tau2), 0.0) if not isinstance(tau2, str) else tau2_of(m, tau2, weights)
    part = m.at(np.array([value / m.scale**2]))
    zero = part if value == 0 else m.at(np.zeros(1))
    w = part.w[0] / m.scale**2
    phi, hat = m.covariance(part)[0], 1 - part.free[0]
    beta = m.beta(part)[0]
    if weights is not None:
        own = m.at(np.zeros(1), np.asarray(weights, dtype=float)[None])
        beta, phi = m.beta(own)[0], _sandwich(m, own.q[0], own.r[0], own.w[0] * (m.v + value / m.scale**2))
        hat = 1 - own.free[0]
    q = 1.0
    if test in ("HKSJ", "HKSJ-adhoc"):
        rss = float(part.rss[0]) if weights is None else float((w * (y - x @ beta) ** 2).sum())
        q = rss / m.df if m.df else float("nan")
        q = max(1.0, q) if test == "HKSJ-adhoc" else q
    vb = q * phi
    if test == "KR":
        vb = kenward_roger.adjusted_covariance(x, w, phi, se**2)
    return Fit(
        m, x, value, se, beta, vb, phi, w, x @ beta, hat, q,
        float(zero.rss[0]), float(zero.trace_p[0]) / m.scale**2,
    )  # fmt: skip


def _sandwich(m: Regression, q: np.ndarray, r: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """(X'AX)^-1 X'A M A X (X'AX)^-1 from the QR of the weighted basis; ``relative`` is a_i m_i, shape (k,)."""
    inverse = np.linalg.inv(r @ m.triangle)
    return m.scale**2 * inverse @ ((q.T * relative) @ q) @ inverse.T
