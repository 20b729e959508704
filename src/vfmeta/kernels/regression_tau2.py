"""Residual between-study variance of a meta-regression: estimators, standard errors, intervals.

Arrays in, floats out; with an intercept as the only column each estimator is the familiar univariate one. Formulas of the
moment estimators are those of the quadratic form Q = y'Py with E(Q) = tr(PV) + tau2 tr P (Jackson, Turner, Rhodes & Viechtbauer
2014, BMC Med Res Methodol 14:103; DerSimonian & Kacker 2007, Contemp Clin Trials 28:105-114).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vfmeta.kernels.regression import Parts, Regression
from vfmeta.kernels.regression_genq import tau2_at
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

_XTOL = 1e-17  # in units of the smallest variance: below this a tau2 is rounding


def tau2_of(m: Regression, method: str, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Estimate and its standard error, in squared units of the effects.

    Parameters
    ----------
    m : Regression
        With k > p.
    method : str
        A name of `METHODS`.
    weights : ndarray of shape (k,), optional
        For GENQ and GENQM only: the weights of the quadratic form.
    """
    if method == "common":
        return 0.0, 0.0
    if m.df < 1:
        return float("nan"), float("nan")
    if method in WEIGHTED:
        if weights is None:
            raise ValueError(f"{method} needs weights.")
        a = np.asarray(weights, dtype=float)
        tau2, se = _moment(m, a)
        if method == "GENQM":
            tau2 = tau2_at(m, a, 0.5)
            part = m.at(np.zeros(1), a[None])
            se = _quadratic_sd(part, m.v + tau2) / float(part.trace_p[0])
    else:
        tau2, se = METHODS[method](m)
    return tau2 * m.scale**2, se * m.scale**2


def _one(m: Regression, tau2: float) -> Parts:
    return m.at(np.array([tau2]))


def _moment(m: Regression, a: np.ndarray) -> tuple[float, float]:
    """Method of moments with weights ``a`` (k,); the variance is that of a quadratic form in normals."""
    part = m.at(np.zeros(1), a[None])
    trace = float(part.trace_p[0])
    tau2 = max(0.0, (float(part.rss[0]) - float((a * part.free[0] * m.v).sum())) / trace)
    return tau2, _quadratic_sd(part, m.v + tau2) / trace


def _quadratic_sd(part: Parts, variance: np.ndarray) -> float:
    """Standard deviation of y'Py when Var(y) is diagonal: sqrt(2 tr(PMPM))."""
    return float(np.sqrt(2 * np.maximum(part.trace_pmpm(variance)[0], 0.0)))


def _dl(m: Regression) -> tuple[float, float]:
    return _moment(m, 1 / m.v)


def _he(m: Regression) -> tuple[float, float]:
    """Hedges & Olkin 1985, Statistical Methods for Meta-Analysis: residual mean square of ordinary least squares."""
    return _moment(m, np.ones(m.k))


def _hs(m: Regression) -> tuple[float, float]:
    """Hunter & Schmidt 2004, Methods of Meta-Analysis: (Q - k) / sum w, biased downwards."""
    return _hunter(m, 1.0)


def _hsk(m: Regression) -> tuple[float, float]:
    """The same with the small-sample factor k / (k - p) (Brannick, Potter, Benitez & Morris 2019, Res Synth Methods 10)."""
    return _hunter(m, m.k / m.df)


def _hunter(m: Regression, factor: float) -> tuple[float, float]:
    part = _one(m, 0.0)
    total = float(part.w.sum())
    tau2 = max(0.0, (factor * float(part.rss[0]) - m.k) / total)
    return tau2, factor * _quadratic_sd(part, m.v + tau2) / total


def _sj(m: Regression) -> tuple[float, float]:
    """Sidik & Jonkman 2005, Appl Stat 54:367-384: a crude variance of the effects, then one weighted step; never zero."""
    y = m.y + m.basis @ (m.triangle @ m.start) / m.scale  # the effects themselves, in these units
    crude = float(np.mean((y - y.mean()) ** 2))
    if crude == 0:
        return 0.0, 0.0
    part = _one(m, crude)
    tau2 = crude * float(part.rss[0]) / m.df
    return tau2, crude / m.df * _quadratic_sd(part, m.v + tau2)


def _pm(m: Regression) -> tuple[float, float]:
    """Paule & Mandel 1982: the generalised Q equals its expectation k - p.

    The equation of Morris's empirical Bayes, and what the DerSimonian-Laird and the Sidik-Jonkman step reach when each is
    repeated with its own result until it repeats itself.
    """
    return _with_eb_se(m, q_root(m, float(m.df)))


def _pmm(m: Regression) -> tuple[float, float]:
    """Median-unbiased: the generalised Q equals the median of its chi-squared distribution (Viechtbauer 2021)."""
    from scipy.special import chdtri

    return _with_eb_se(m, q_root(m, float(chdtri(m.df, 0.5))))


def _with_eb_se(m: Regression, tau2: float) -> tuple[float, float]:
    """Standard error by the delta method on the estimating equation, weights taken as equal (Morris 1983, JASA 78:47-55)."""
    return tau2, float(np.sqrt(2 * m.k**2 / m.df) / _one(m, tau2).w.sum())


def _dl2(m: Regression) -> tuple[float, float]:
    """Two-step DerSimonian-Laird (DerSimonian & Kacker 2007)."""
    return _moment(m, 1 / (m.v + _dl(m)[0]))


def _reml(m: Regression) -> tuple[float, float]:
    """Global maximum of the restricted likelihood; the standard error is of the expected information tr(PP) / 2."""
    tau2 = _highest(m, restricted=True)
    return tau2, float(np.sqrt(2 / _one(m, tau2).trace_pmpm()[0]))


def _ml(m: Regression) -> tuple[float, float]:
    """Global maximum of the likelihood; expected information sum w^2 / 2."""
    tau2 = _highest(m, restricted=False)
    return tau2, float(np.sqrt(2 / (_one(m, tau2).w ** 2).sum()))


def _common(m: Regression) -> tuple[float, float]:
    return 0.0, 0.0


METHODS: dict[str, Callable[[Regression], tuple[float, float]]] = {
    "REML": _reml, "ML": _ml, "DL": _dl, "DL2": _dl2, "DLIT": _pm, "PM": _pm, "PMM": _pmm, "EB": _pm, "HE": _he, "HS": _hs,
    "HSk": _hsk, "SJ": _sj, "SJIT": _pm, "common": _common,
}  # fmt: skip
WEIGHTED = ("GENQ", "GENQM")  # moments, and median-unbiased, with given weights


def q_root(m: Regression, target: float) -> float:
    """tau2, in the units of ``m.v``, at which the generalised Q equals ``target``; zero when it starts below."""
    if not float(_one(m, 0.0).rss[0]) > target:
        return 0.0
    # y'Py is at most S / tau2, S the residual sum of squares of ordinary least squares
    upper = _spread(m) / target * (1 + 1e-9)
    return float(bracketed_roots(lambda t, _: m.at(t).rss - target, np.zeros(1), np.array([upper]), _XTOL)[0])


def q_profile(m: Regression, level: float) -> tuple[float, float] | None:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37-52), in squared units of the effects; None when empty."""
    from scipy.special import chdtri

    small, large = float(chdtri(m.df, 0.5 + level / 2)), float(chdtri(m.df, 0.5 - level / 2))
    if float(_one(m, 0.0).rss[0]) < small:
        return None
    return q_root(m, large) * m.scale**2, q_root(m, small) * m.scale**2


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

    top = tau2 / m.scale**2
    level_line = float(_likelihood(m, np.array([top]), restricted)[0] - 0.5 * chdtri(1, 1 - level))

    def above(t: np.ndarray, _: object = None) -> np.ndarray:
        return _likelihood(m, t, restricted) - level_line

    low = 0.0
    if top > 0 and float(above(np.zeros(1))[0]) < 0:
        low = float(bracketed_roots(above, np.zeros(1), np.array([top]), _XTOL)[0])
    high = max(2 * top, float(m.v.min()))
    for _ in range(2000):
        if float(above(np.array([high]))[0]) < 0:
            return low * m.scale**2, float(bracketed_roots(above, np.array([top]), np.array([high]), _XTOL)[0]) * m.scale**2
        high *= 2
    raise ConvergenceError("The likelihood does not fall far enough for a profile-likelihood interval.")


def _spread(m: Regression) -> float:
    return float(((m.y - m.basis @ (m.basis.T @ m.y)) ** 2).sum())


def _highest(m: Regression, restricted: bool) -> float:
    """Global maximum over tau2 >= 0, in the units of ``m.v``.

    The likelihood can have several maxima. Its score is followed over a grid, fine on the log scale, up to a bound: y'PPy is at
    most S / t^2 (S the residual sum of squares of ordinary least squares) and the trace at least d / (t + largest v), so
    above the root of t^2 = S / d (t + largest v) the score is negative.
    """
    d = m.df if restricted else m.k

    def score(t: np.ndarray, _: object = None) -> np.ndarray:
        _, ypp, trace, _, _, total = m.many(t)
        return ypp - (trace if restricted else total)

    s2 = _spread(m) / d
    upper = 0.5 * (s2 + np.sqrt(s2) * np.sqrt(s2 + 4 * m.v.max())) * (1 + 1e-9)
    if not upper > 0:
        return 0.0
    lower = 1e-3 * min(float(m.v.min()), upper)
    size = max(8, int(np.ceil(np.log(upper / lower) / 0.25)) + 1)
    grid = np.concatenate([[0.0], np.geomspace(lower, upper, size)])
    slope = score(grid)
    if not np.all(np.isfinite(slope)):
        raise ConvergenceError("The score of tau2 is not a number; the variances span too many orders of magnitude.")
    cell = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0))
    found = bracketed_roots(score, grid[cell], grid[cell + 1], _XTOL)
    if slope[0] <= 0:
        found = np.append(found, 0.0)
    if len(found) == 0:
        raise ConvergenceError("No maximum of the likelihood of tau2 was found.")
    return float(found[np.argmax(_likelihood(m, found, restricted))])
