"""Meta-regressions on arrays: one with all that is told of it, or many of one size at once, on all cores; and their tau2."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from vfmeta.kernels import kenward_roger
from vfmeta.kernels.estimators import branch, cores, evaluated
from vfmeta.kernels.quadratic_form import tau2_at
from vfmeta.kernels.regression import Regression, regression
from vfmeta.kernels.roots import ConvergenceError

_CELLS = 1_000_000  # n * k * p that one call of the compiled loop holds


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
        A name of `vfmeta.kernels.tau2.ESTIMATORS`, "common", or a value in squared units of ``y``.
    test : str
        One of `vfmeta.core.params.RegressionTest`. The Hartung-Knapp factor is y'Py / (k - p) (Knapp & Hartung 2003, Stat Med
        22:2693-2710); with user weights, the mean square of the residuals about that fit, weighted by 1 / (v + tau2).
    weights : ndarray of shape (k,), optional
        User weights of the coefficients (and of an estimator that needs them) in place of 1 / (v + tau2).

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


@dataclass(frozen=True)
class Fits:
    """``beta`` (n, p), ``cov`` (n, p, p) as the test wants it, ``tau2`` (n,); NaN where ``collinear`` or ``unsettled`` (n,)."""

    beta: np.ndarray
    cov: np.ndarray
    tau2: np.ndarray
    collinear: np.ndarray
    unsettled: np.ndarray


def offered(tau2: str | float, test: str) -> bool:
    """Whether `fit_many` knows the estimator and the test; the single fit knows all."""
    from vfmeta.kernels.tau2.chain import OUTSIDE

    return test != "KR" and branch(tau2) != OUTSIDE


def fit_many(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    rows: np.ndarray,
    tau2: str | float,
    test: str,
    weights: np.ndarray | None = None,
) -> Fits:
    """Fit n regressions by one estimator, as `fit` fits each.

    Parameters
    ----------
    y, v : ndarray of shape (n, k)
        Effects and sampling variances.
    x : ndarray of shape (m, p)
        Design rows that the regressions draw from.
    rows : ndarray of int, shape (n, k)
        Which design row each effect has.
    tau2, test : as for `fit`
    weights : ndarray of shape (n, k), optional
        User weights.
    """
    from vfmeta.kernels.compiled import regressions

    (n, k), p = rows.shape, x.shape[1]
    method, given, target = branch(tau2), 0.0 if isinstance(tau2, str) else float(tau2), _target(tau2, k - p)
    knapp = {"HKSJ": 1, "HKSJ-adhoc": 2}.get(test, 0)
    own = 1 / v if weights is None else weights
    out = Fits(
        np.full((n, p), np.nan),
        np.full((n, p, p), np.nan),
        np.full(n, np.nan),
        np.zeros(n, dtype=bool),
        np.zeros(n, dtype=bool),
    )

    def part(at: slice) -> None:
        status = np.empty(at.stop - at.start, dtype=np.int64)
        regressions.fit_many(
            np.ascontiguousarray(y[at]), np.ascontiguousarray(v[at]), x[rows[at]],
            np.ascontiguousarray(own[at]), weights is not None, method, given, target, knapp,
            regressions.scratch(k, p), out.tau2[at], out.beta[at], out.cov[at],
            status,
        )  # fmt: skip
        out.collinear[at], out.unsettled[at] = status == regressions.COLLINEAR, status == regressions.RUNAWAY

    step = max(1, min(_CELLS // (k * p), -(-n // cores())))
    slices = [slice(s, min(s + step, n)) for s in range(0, n, step)]
    if len(slices) == 1:
        part(slices[0])
    else:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(part, slices))
    return out


def tau2_of(m: Regression, method: str, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Estimate and its standard error, in squared units of the effects.

    Parameters
    ----------
    m : Regression
        With k > p.
    method : str
        A name of `vfmeta.kernels.tau2.ESTIMATORS`, or "common".
    weights : ndarray of shape (k,), optional
        For the estimators that need them.
    """
    from vfmeta.kernels.compiled import regressions as loops
    from vfmeta.kernels.tau2 import ESTIMATORS

    if method == "common":
        return 0.0, 0.0
    if m.df < 1:
        return float("nan"), float("nan")
    if ESTIMATORS[method].weighted and weights is None:
        raise ValueError(f"{method} needs weights.")
    a = np.ones(m.k) if weights is None else np.array(weights, dtype=float)
    formula = ESTIMATORS[method].formula
    if formula is not None:
        return evaluated(formula, m, None if weights is None else a)
    target = _target(method, m.df)
    tau2, se = loops.estimate(m.y, m.effects, m.v, m.basis, a, branch(method), target, loops.scratch(m.k, m.p))
    if not np.isfinite(tau2):
        raise ConvergenceError("The iteration for tau2 did not settle; do the effects span too many orders of magnitude?")
    return tau2 * m.scale**2, se * m.scale**2


def compiled_error(m: Regression, method: str, tau2: float, a: np.ndarray) -> float:
    """Standard error that an estimator has at ``tau2``; both in the units of ``m.v``."""
    from vfmeta.kernels.compiled import regressions as loops

    return float(loops.error(m.y, m.effects, m.v, m.basis, a, branch(method), tau2, loops.scratch(m.k, m.p)))


@lru_cache(maxsize=4096)
def _target(method: str | float, df: int) -> float:
    """What the generalised Q is to be for Paule and Mandel's equation, or its median form."""
    from scipy.special import chdtri

    return float(chdtri(max(df, 1), 0.5)) if method == "PMM" else float(df)


def q_profile(m: Regression, level: float) -> tuple[float, float] | None:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37-52), in squared units of the effects; None when empty."""
    from scipy.special import chdtri

    small, large = float(chdtri(m.df, 0.5 + level / 2)), float(chdtri(m.df, 0.5 - level / 2))
    if float(m.at(np.zeros(1)).rss[0]) < small:
        return None
    return _interval(m, 0, 0.0, large, small)


def generalised_q(m: Regression, level: float, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Interval of tau2 from the exact distribution of Q_a, with ``weights`` or else 1 / v (Jackson et al. 2014, BMC Med Res
    Methodol 14:103), in squared units of the effects.
    """
    a = 1 / m.v if weights is None else weights
    low, high = (tau2_at(m, a, 0.5 + sign * level / 2) * m.scale**2 for sign in (1, -1))
    return low, high


def log_likelihood(m: Regression, tau2: np.ndarray, restricted: bool) -> np.ndarray:
    """(Restricted) log-likelihood of the effects at tau2 (G,), in squared units of the effects, all constants kept.

    The restricted one is that of k - p error contrasts of orthonormal columns (Harville 1974, Biometrika 61:383-385), so that
    it does not hang on how the moderators are coded.
    """
    return _likelihood(m, np.asarray(tau2, dtype=float) / m.scale**2, restricted)


def _likelihood(m: Regression, tau2: np.ndarray, restricted: bool) -> np.ndarray:
    rss, _, _, logdet, logw, _ = m.many(tau2)
    free = m.df if restricted else m.k
    constant = -0.5 * free * np.log(2 * np.pi) - free * np.log(m.scale)
    return constant + 0.5 * (logw - rss - (logdet if restricted else 0.0))


def profile_interval(m: Regression, tau2: float, level: float, restricted: bool) -> tuple[float, float]:
    """Profile-likelihood interval of tau2 about its (restricted) maximum, squared units of the effects.

    Both ends are where the log-likelihood lies half the chi-squared quantile with one degree of freedom below its maximum
    (Hardy & Thompson 1996, Stat Med 15:619-629); the lower end is zero when the likelihood at zero is within reach.
    """
    from scipy.special import chdtri

    return _interval(m, 2 if restricted else 1, tau2 / m.scale**2, 0.5 * float(chdtri(1, 1 - level)), 0.0)


def _interval(m: Regression, *asked: Any) -> tuple[float, float]:
    from vfmeta.kernels.compiled import regressions as loops

    kind, best, first, second = asked
    low, high = loops.interval(m.y, m.v, m.basis, kind, best, first, second, loops.scratch(m.k, m.p))
    if not np.isfinite(low + high):
        raise ConvergenceError("The iteration for the interval of tau2 did not settle.")
    return low * m.scale**2, high * m.scale**2
