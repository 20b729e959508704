"""tau2 where the (restricted) likelihood is highest, its standard error, and where the likelihood has fallen from there."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import exact, lean
from vfmeta.kernels.compiled.mean import EPS
from vfmeta.kernels.compiled.problem import freedom, log_likelihood, score, spread, squared_weights
from vfmeta.kernels.tau2.estimator import Estimator

METHODS = {
    "REML": Estimator("restricted maximum likelihood (Raudenbush 2009, in Cooper et al., ch. 16)", "REML"),
    "ML": Estimator("maximum likelihood (Hardy & Thompson 1996, Stat Med 15:619-629)", "ML"),
}
_STEP = math.exp(0.25)  # ratio of neighbouring v + tau2 in a scan where nothing is proved: 1 / (v + tau2)^n is gentle there
_SURE = 1e-9  # a step so small, relative to tau2, is the last
_TINY = 1e-17  # in units of the smallest variance: a tau2 below is rounding


@exact
def height(problem, tau2, restricted, kind, level):  # type: ignore[no-untyped-def]
    """The function whose sign change is looked for.

    Kind 0: 1 - tr P / y'PPy, which has the sign of the score and is a line where the variances are equal; kind 1: the
    log-likelihood above ``level``.
    """
    if kind == 0:
        pp, trace = score(problem, tau2, restricted)
        return 1.0 - trace / pp
    return log_likelihood(problem, tau2, restricted) - level


@exact
def root_between(problem, a, fa, b, fb, restricted, kind, level):  # type: ignore[no-untyped-def]
    """Root of `height` between ``a`` and ``b``, where it has opposite signs; NaN if it does not settle.

    Inverse quadratic interpolation guarded by bisection (Chandrupatla 1997, Advances in Engineering Software 28:145-149).
    """
    t = 0.5
    c, fc = a, fa
    for step in range(200):
        best, fbest = (a, fa) if abs(fa) < abs(fb) else (b, fb)
        width = abs(b - a)
        limit = 2 * EPS * abs(best) + 0.5 * _TINY
        if fbest == 0.0 or width <= 2 * limit:
            return best
        if step == 0 and fa != fb:
            t = fa / (fa - fb)  # the cells of a scan are narrow: begin with the secant
        t = min(max(t, limit / width), 1 - limit / width)
        x = a + t * (b - a)
        fx = height(problem, x, restricted, kind, level)
        if math.isnan(fx):
            return np.nan
        if (fx > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, fc = b, fb
            b, fb = a, fa
        a, fa = x, fx
        t = 0.5
        if fa != fb and fa != fc and fb != fc and c != b:
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            if phi * phi < xi and (1 - phi) * (1 - phi) < 1 - xi:
                t = fa / (fb - fa) * (fc / (fb - fc)) + (c - a) / (b - a) * (fa / (fc - fa)) * (fb / (fc - fb))
                x = a + t * (b - a)
                if kind == 0 and 0 < t < 1 and abs(x - a) <= _SURE * x and abs(a - c) <= 1e-3 * x:
                    return x  # the error left is of the order of the product of the last steps, below rounding
    return np.nan


@lean
def bound(problem):  # type: ignore[no-untyped-def]
    """A tau2 above which the score is negative, restricted or not; 0 when all effects are the same.

    y'PPy is at most S / t^2, S the squares about the plain fit, and tr P at least d / (t + u), d = k - p, with u the largest
    variance or sum v / d (harmonic against arithmetic mean); t^2 = s2 (t + u), s2 = S / d, is the bound.
    """
    v, df = problem.v, freedom(problem)
    s2 = spread(problem) / df
    largest, total = 0.0, 0.0
    for i in range(v.size):
        largest = max(largest, v[i])
        total += v[i]
    u = min(largest, total / df)
    return 0.5 * (s2 + math.sqrt(s2) * math.sqrt(s2 + 4 * u)) * (1 + 1e-9)


@exact
def by_likelihood(problem, restricted):  # type: ignore[no-untyped-def]
    """Global maximum of the (restricted) likelihood over tau2 >= 0; NaN if none was found.

    The likelihood can have several maxima, so the score is followed from 0 until it is negative for good; every maximum is
    refined, and the highest, zero included, wins. Since the eigenvalues of P other than 0 lie between 1 / (vmax + t) and 1 /
    (vmin + t), for s > t

        y'PPy(s) is at least y'PPy(t) ((vmin + t) / (vmin + s))^2 and at most y'PPy(t) ((vmax + t) / (vmax + s))^2,
        tr P(s) is at most tr P(t) / (1 + tr P(t) (s - t) / d), d = k - p,
                   at least tr P(t) (vmin + t) / (vmin + s), and at least d / (s + u), as in `bound`

    (The sum of the weights obeys the same, with k for d in the first.) Where these prove the sign, the scan leaps; elsewhere it
    takes steps that are fine beside vmin + t.
    """
    y, v = problem.y, problem.v
    k, df = y.size, freedom(problem)
    least, largest, total = np.inf, 0.0, 0.0
    same = True
    for i in range(k):
        least, largest = min(least, v[i]), max(largest, v[i])
        total += v[i]
        if y[i] != 0.0:
            same = False
    if same:
        return 0.0
    u = min(largest, total / df)
    t = 0.0
    pp, trace = score(problem, 0.0, restricted)
    best, found, top = 0.0, 0, -np.inf
    if pp <= trace:
        found = 1
    for _ in range(20000):
        if t + 2 * u >= largest:
            if pp * (t + u) < df:
                return best if found else np.nan
        elif pp * (largest + t) ** 2 < 4 * df * (largest - u):
            return best if found else np.nan
        leap = trace / pp
        if pp > trace:  # the r that solves pp / r^2 = trace / (1 + c (r - 1)), r = (vmin + s) / (vmin + t)
            c = trace * (least + t) / (df if restricted else k)
            leap = 0.5 * (pp / trace * c + math.sqrt((pp / trace * c) ** 2 + 4 * pp / trace * (1 - c)))
        ahead = (least + t) * max(_STEP, leap * (1 - 1e-9)) - least
        if not ahead > t or ahead == np.inf:
            return np.nan
        pp_ahead, trace_ahead = score(problem, ahead, restricted)
        if pp > trace and pp_ahead <= trace_ahead:
            root = root_between(problem, t, 1 - trace / pp, ahead, 1 - trace_ahead / pp_ahead, restricted, 0, 0.0)
            if math.isnan(root):
                return np.nan
            found += 1
            if found == 1:
                best = root
            else:  # only rivals need their heights
                if found == 2:
                    top = log_likelihood(problem, best, restricted)
                rival = log_likelihood(problem, root, restricted)
                if rival > top:
                    best, top = root, rival
        t, pp, trace = ahead, pp_ahead, trace_ahead
    return np.nan


@lean
def likelihood_interval(problem, best, drop, restricted):  # type: ignore[no-untyped-def]
    """Outermost tau2 >= 0 at which the (restricted) log-likelihood is no more than ``drop`` below its value at ``best``."""
    least = np.inf
    for i in range(problem.v.size):
        least = min(least, problem.v[i])
    level = log_likelihood(problem, best, restricted) - drop
    upper = max(bound(problem), best)
    h = log_likelihood(problem, 0.0, restricted) - level
    inside = h >= 0
    low = 0.0 if inside else np.nan
    high = np.nan
    t = 0.0
    for _ in range(100000):
        ahead = (least + t) * _STEP - least
        if t < best < ahead:
            ahead = best  # the maximum itself is a point of the scan, however narrow its hill
        if not ahead > t:
            return np.nan, np.nan
        h_ahead = log_likelihood(problem, ahead, restricted) - level
        if (h >= 0) != (h_ahead >= 0):
            root = root_between(problem, t, h, ahead, h_ahead, restricted, 1, level)
            if math.isnan(root):
                return np.nan, np.nan
            if h_ahead >= 0:
                if math.isnan(low):
                    low = root
            else:
                high = root
        t, h = ahead, h_ahead
        if t >= upper and h < 0:
            return low, high
    return np.nan, np.nan


@lean
def error(problem, tau2, restricted):  # type: ignore[no-untyped-def]
    """From the expected information: tr(PP) / 2, or for ML the sum of squared weights / 2."""
    two, trace = squared_weights(problem, tau2)
    return math.sqrt(2.0 / (trace if restricted else two))
