"""Meta-regressions on arrays, one or many of one size, and the intervals of their tau2."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from vfmeta.kernels import kenward_roger
from vfmeta.kernels.distributions import chi2_quantile
from vfmeta.kernels.estimators import branch, by_formula, outside, owned, spread
from vfmeta.kernels.least_squares import CollinearError, Regression, check, redundant, regression, unit
from vfmeta.kernels.quadratic_form import tau2_at
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.tau2 import ESTIMATORS

UNSETTLED = "The iteration for tau2 did not settle; do the effects span too many orders of magnitude?"
ROUNDING = 8 * np.finfo(float).eps  # of the effects: what they leave of a fit, if they lie on it to their last bits


@dataclass(frozen=True)
class Fitted:
    """What is found of a meta-regression, in the units of the data; of many each array has one axis more, in front.

    ``beta`` (p,), ``vb`` (p, p) their covariance as the test wants it, ``phi`` (p, p) the model-based one, ``w`` (k,) the
    weights 1 / (v + tau2), ``hat`` (k,) leverages, ``factor`` the Hartung-Knapp factor (1 where not used), ``q`` the residual
    heterogeneity statistic at tau2 = 0 and ``trace`` tr P there.
    """

    tau2: Any
    tau2_se: Any
    beta: np.ndarray
    vb: np.ndarray
    phi: np.ndarray
    w: np.ndarray
    hat: np.ndarray
    factor: Any
    q: Any
    trace: Any


@dataclass(frozen=True)
class Fits(Fitted):
    """Many fits; those ``collinear`` or ``unsettled`` (n,) are NaN."""

    collinear: np.ndarray
    unsettled: np.ndarray

    def one(self, b: int, y: np.ndarray, v: np.ndarray, x: np.ndarray) -> Fit:
        """The fit numbered ``b``, which was made of these effects, variances and design."""
        found = {f.name: getattr(self, f.name)[b] for f in fields(Fitted)}
        return Fit(**{name: a if a.ndim else a.item() for name, a in found.items()}, y=y, v=v, x=x)


@dataclass(frozen=True)
class Fit(Fitted):
    """One fit, with effects ``y`` and variances ``v`` (k,) and design ``x`` (k, p)."""

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray

    @property
    def fitted(self) -> np.ndarray:
        return self.x @ self.beta

    @property
    def df(self) -> int:
        return self.x.shape[0] - self.x.shape[1]

    @cached_property
    def model(self) -> Regression:
        """What likelihoods and intervals of tau2 are made from."""
        return regression(self.y, self.v, self.x)


def fit(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    tau2: str | float = "REML",
    test: str = "HKSJ",
    weights: np.ndarray | None = None,
) -> Fit:
    """One meta-regression, a batch of one.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances.
    x : ndarray of shape (k, p)
        Design.
    tau2, test : as for `fit_many`
    weights : ndarray of shape (k,), optional
        User weights.

    Raises
    ------
    CollinearError
        When the design is singular.
    ConvergenceError
        When tau2 does not settle.
    """
    y, v, x = (np.asarray(a, dtype=float) for a in (y, v, x))
    check(y, v, x)
    batch = None if weights is None else np.asarray(weights, dtype=float)[None]
    out = fit_many(y[None], v[None], x, np.arange(len(y))[None], tau2, test, batch, errors=True)
    if out.collinear[0]:
        raise CollinearError(redundant(x))
    if out.unsettled[0]:
        raise ConvergenceError(UNSETTLED)
    return out.one(0, y, v, x)


def fit_many(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    rows: np.ndarray,
    tau2: str | float,
    test: str,
    weights: np.ndarray | None = None,
    *,
    errors: bool = False,
) -> Fits:
    """Many meta-regressions of one size, on all cores.

    Parameters
    ----------
    y, v : ndarray of shape (n, k)
        Effects and sampling variances.
    x : ndarray of shape (m, p)
        Design rows that the regressions draw from.
    rows : ndarray of int, shape (n, k)
        Which design row each effect has.
    tau2 : str or float
        A name of `vfmeta.kernels.tau2.ESTIMATORS`, "common", or a value in squared units of ``y``.
    test : str
        One of `vfmeta.core.params.RegressionTest`. The Hartung-Knapp factor is y'Py / (k - p) (Knapp & Hartung 2003, Stat Med
        22:2693-2710), with user weights too.
    weights : ndarray of shape (n, k), optional
        User weights of the coefficients (and of an estimator that needs them) in place of 1 / (v + tau2).
    errors : bool
        Whether the standard error of tau2 is wanted; it is NaN or 0 otherwise.
    """
    from vfmeta.kernels.compiled import regressions as loops

    (n, k), p = rows.shape, x.shape[1]
    scale = unit(v)
    y, v, x, rows = owned(y / scale[:, None]), owned(v / scale[:, None] ** 2), owned(x), owned(rows, np.int64)
    own = 1 / v if weights is None else owned(weights)
    asked = np.full((2, n), 0.0 if isinstance(tau2, str) else tau2) / scale**2
    if outside(tau2):
        for b in range(n):
            asked[:, b] = by_formula(tau2, y[b], v[b], x[rows[b]], None if weights is None else own[b])
    elif isinstance(tau2, str) and tau2 != "common" and ESTIMATORS[tau2].weighted and weights is None:
        raise ValueError(f"{tau2} needs weights.")
    method, target, wants = branch(tau2), _target(tau2, k - p), errors or test == "KR"
    out = loops.room(n, k, p)

    def part(low: int, high: int) -> None:
        at = slice(low, high)
        given, room = asked[0, at], tuple(a[at] for a in out)
        loops.fit_many(
            y[at], v[at], x, rows[at], own[at], weights is not None, method, given, target, wants, loops.scratch(k, p), room
        )  # fmt: skip

    spread(part, n, n * k * p)
    found, se, beta, phi, w, hat, rss, q, trace, status = out
    if weights is not None and test.startswith("HKSJ"):  # as of a pool: about the fit by inverse variance
        plain = loops.room(n, k, p)
        loops.fit_many(y, v, x, rows, own, False, branch(0.0), found, target, False, loops.scratch(k, p), plain)
        rss = plain[6]
    if outside(tau2):
        se = asked[1]
    factor = np.ones(n)
    if test in ("HKSJ", "HKSJ-adhoc"):
        rss = np.where(rss > ROUNDING**2 * (w * y**2).sum(axis=-1), rss, 0.0)
        factor = rss / (k - p) if k > p else np.full(n, np.nan)
        factor = np.maximum(factor, 1.0) if test == "HKSJ-adhoc" else factor
    vb = factor[:, None, None] * phi
    if test == "KR":
        vb = kenward_roger.adjusted_covariance(x[rows], w, phi, se**2)
    row, square = scale[:, None], scale**2
    return Fits(
        found * square, se * square, beta * row, vb * square[:, None, None], phi * square[:, None, None], w / row**2, hat,
        factor, q, trace / square, status == loops.SINGULAR, status == loops.RUNAWAY,
    )  # fmt: skip


def compiled_error(m: Regression, method: str, tau2: float, a: np.ndarray) -> float:
    """Standard error that an estimator has at ``tau2``; both in the units of ``m.v``."""
    from vfmeta.kernels.compiled import regressions as loops

    return float(loops.error(m.y, m.whole, m.v, m.basis, a, branch(method), tau2, loops.scratch(m.k, m.p)))


def _target(method: str | float, df: int) -> float:
    """What the generalised Q is to be for Paule and Mandel's equation, or its median form."""
    return chi2_quantile(0.5, max(df, 1)) if method == "PMM" else float(df)


def q_profile(m: Regression, level: float) -> tuple[float, float] | None:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37-52), in squared units of the effects; None when empty."""
    small, large = chi2_quantile(0.5 + level / 2, m.df), chi2_quantile(0.5 - level / 2, m.df)
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
    from vfmeta.kernels.compiled import regressions as loops

    out = np.empty(len(tau2))
    loops.log_likelihoods(m.y, m.v, m.basis, owned(tau2) / m.scale**2, restricted, loops.scratch(m.k, m.p), out)
    return out - (m.df if restricted else m.k) * (0.5 * np.log(2 * np.pi) + np.log(m.scale))


def profile_interval(m: Regression, tau2: float, level: float, restricted: bool) -> tuple[float, float]:
    """Profile-likelihood interval of tau2 about its (restricted) maximum, squared units of the effects.

    Both ends are where the log-likelihood lies half the chi-squared quantile with one degree of freedom below its maximum
    (Hardy & Thompson 1996, Stat Med 15:619-629); the lower end is zero when the likelihood at zero is within reach.
    """
    return _interval(m, 2 if restricted else 1, tau2 / m.scale**2, 0.5 * chi2_quantile(1 - level, 1), 0.0)


def _interval(m: Regression, *asked: Any) -> tuple[float, float]:
    from vfmeta.kernels.compiled import regressions as loops

    kind, best, first, second = asked
    low, high = loops.interval(m.y, m.v, m.basis, kind, best, first, second, loops.scratch(m.k, m.p))
    if not np.isfinite(low + high):
        raise ConvergenceError("The iteration for the interval of tau2 did not settle.")
    return low * m.scale**2, high * m.scale**2
