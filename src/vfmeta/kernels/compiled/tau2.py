"""Between-study variance of one meta-analysis; conventions of `vfmeta.kernels.compiled.mean`.

The papers stand with the public names in `vfmeta.kernels.estimators`.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import exact, lean
from vfmeta.kernels.compiled.mean import EPS, log_likelihood, moments, spread

_STEP = math.exp(0.25)  # ratio of neighbouring v + tau2 in a scan where nothing is proved: 1 / (v + tau2)^n is gentle there
_FEW = 64
_SURE = 1e-9  # a step so small, relative to tau2, is the last
_TINY = 1e-17  # in units of the smallest variance: a tau2 below is rounding


@lean
def by_moments(y, v, a):  # type: ignore[no-untyped-def]
    """Untruncated moment estimate from Q with fixed weights ``a`` (any order of the studies)."""
    k = y.size
    total, ay = 0.0, 0.0
    top = 0
    for i in range(k):
        total += a[i]
        ay += a[i] * y[i]
        if a[i] > a[top]:
            top = i
    rest = 0.0
    for i in range(k):
        if i != top:
            rest += a[i]
    mean = ay / total
    q, slope, noise = 0.0, 0.0, 0.0
    for i in range(k):
        others = rest if i == top else total - a[i]
        part = a[i] * others / total
        q += a[i] * (y[i] - mean) ** 2
        slope += part
        noise += part * v[i]
    return (q - noise) / slope


@lean
def variance_of_q(v, tau2, a):  # type: ignore[no-untyped-def]
    """Var(Q_a) = 2 tr(A U A U), with A the residual matrix of weights ``a`` and U = diag(v + tau2); and tr A."""
    total = 0.0
    for i in range(v.size):
        total += a[i]
    top = 0
    for i in range(v.size):
        if a[i] > a[top]:
            top = i
    rest = 0.0
    for i in range(v.size):
        if i != top:
            rest += a[i]
    square, before, trace = 0.0, 0.0, 0.0
    for i in range(v.size):
        part = a[i] * (rest if i == top else total - a[i]) / total
        trace += part
        own = part * (v[i] + tau2)
        pair = a[i] * a[i] * (v[i] + tau2)
        square += own * own + 2 * pair * before / (total * total)
        before += pair
    return 2 * square, trace


@lean
def q_root(y, v, target):  # type: ignore[no-untyped-def]
    """tau2 >= 0 at which the generalised Q equals ``target``, 0 when it starts below; NaN if it does not settle.

    1 / Q is concave and increasing in tau2 (Cauchy-Schwarz), so Newton's steps on 1 / Q - 1 / target climb from zero to the
    root and never pass it; with equal variances 1 / Q is a line and the first step is the answer.
    """
    t = 0.0
    for _ in range(200):
        _, _, q, slope, _ = moments(y, v, t)
        if q <= target or slope <= 0.0:
            return t
        step = (q - target) / slope * (q / target)
        t += step
        if step <= EPS * t or step < _TINY:
            return t
    return np.nan


@exact
def score(y, v, tau2, restricted):  # type: ignore[no-untyped-def]
    """The two sides of the likelihood equation, y'PPy and tr P (or 1'W1); twice the score is their difference.

    Few studies are gone through once, for sums about the first, most precise study. Its own residual is the mean, so that
    y'PPy is at least 1 / (2 k + 2) of the terms it is made of: the difference costs a digit or two, no more.
    """
    if y.size > _FEW:
        total, _, _, pp, trace = moments(y, v, tau2)
        return pp, (trace if restricted else total)
    top = 1.0 / (v[0] + tau2)
    rest, wy, ww, wwy, wwyy = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(1, y.size):
        w = 1.0 / (v[i] + tau2)
        a = w * y[i]
        rest += w
        wy += a
        ww += w * w
        wwy += w * a
        wwyy += a * a
    total = top + rest
    mean = wy / total
    pp = wwyy - mean * (2 * wwy - mean * (ww + top * top))
    return pp, ((2 * top * rest + (rest * rest - ww)) / total if restricted else total)


@exact
def height(y, v, tau2, restricted, kind, level):  # type: ignore[no-untyped-def]
    """The function whose sign change is looked for.

    Kind 0: 1 - tr P / y'PPy, which has the sign of the score and is a line where the variances are equal; kind 1: the
    log-likelihood above ``level``.
    """
    if kind == 0:
        pp, trace = score(y, v, tau2, restricted)
        return 1.0 - trace / pp
    return log_likelihood(y, v, tau2, restricted) - level


@exact
def root_between(y, v, a, fa, b, fb, restricted, kind, level):  # type: ignore[no-untyped-def]
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
        fx = height(y, v, x, restricted, kind, level)
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
def bound(y, v):  # type: ignore[no-untyped-def]
    """A tau2 above which the score is negative, restricted or not; 0 when all effects are the same.

    y'PPy is at most S / t^2, S the squares about the plain mean, and tr P at least (k - 1) / (t + u), with u the largest
    variance or sum v / (k - 1) (harmonic against arithmetic mean); t^2 = s2 (t + u), s2 = S / (k - 1), is the bound.
    """
    df = y.size - 1
    s2 = spread(y) / df
    largest, total = 0.0, 0.0
    for i in range(v.size):
        largest = max(largest, v[i])
        total += v[i]
    u = min(largest, total / df)
    return 0.5 * (s2 + math.sqrt(s2) * math.sqrt(s2 + 4 * u)) * (1 + 1e-9)


@exact
def by_likelihood(y, v, restricted):  # type: ignore[no-untyped-def]
    """Global maximum of the (restricted) likelihood over tau2 >= 0; NaN if none was found.

    The likelihood can have several maxima, so the score is followed from 0 until it is negative for good; every maximum is
    refined, and the highest, zero included, wins. Since the eigenvalues of P other than 0 lie between 1 / (vmax + t) and 1 /
    (vmin + t), for s > t

        y'PPy(s) is at least y'PPy(t) ((vmin + t) / (vmin + s))^2 and at most y'PPy(t) ((vmax + t) / (vmax + s))^2,
        tr P(s) is at most tr P(t) / (1 + tr P(t) (s - t) / (k - 1)),
                   at least tr P(t) (vmin + t) / (vmin + s), and at least (k - 1) / (s + u), as in `bound`

    (1'W1 obeys the same, with k for k - 1 in the first). Where these prove the sign, the scan leaps; elsewhere it takes steps
    that are fine beside vmin + t.
    """
    k = y.size
    largest, total = 0.0, 0.0
    same = True
    for i in range(k):
        largest = max(largest, v[i])
        total += v[i]
        if y[i] != 0.0:
            same = False
    if same:
        return 0.0
    u = min(largest, total / (k - 1))
    t = 0.0
    pp, trace = score(y, v, 0.0, restricted)
    best, found, top = 0.0, 0, -np.inf
    if pp <= trace:
        found = 1
    for _ in range(20000):
        if t + 2 * u >= largest:
            if pp * (t + u) < k - 1:
                return best if found else np.nan
        elif pp * (largest + t) ** 2 < 4 * (k - 1) * (largest - u):
            return best if found else np.nan
        leap = trace / pp
        if pp > trace:  # the r that solves pp / r^2 = trace / (1 + c (r - 1)), r = (vmin + s) / (vmin + t)
            c = trace * (v[0] + t) / (k - 1 if restricted else k)
            leap = 0.5 * (pp / trace * c + math.sqrt((pp / trace * c) ** 2 + 4 * pp / trace * (1 - c)))
        ahead = (v[0] + t) * max(_STEP, leap * (1 - 1e-9)) - v[0]
        if not ahead > t or ahead == np.inf:
            return np.nan
        pp_ahead, trace_ahead = score(y, v, ahead, restricted)
        if pp > trace and pp_ahead <= trace_ahead:
            root = root_between(y, v, t, 1 - trace / pp, ahead, 1 - trace_ahead / pp_ahead, restricted, 0, 0.0)
            if math.isnan(root):
                return np.nan
            found += 1
            if found == 1:
                best = root
            else:  # only rivals need their heights
                if found == 2:
                    top = log_likelihood(y, v, best, restricted)
                rival = log_likelihood(y, v, root, restricted)
                if rival > top:
                    best, top = root, rival
        t, pp, trace = ahead, pp_ahead, trace_ahead
    return np.nan


@lean
def likelihood_interval(y, v, best, drop, restricted):  # type: ignore[no-untyped-def]
    """Outermost tau2 >= 0 at which the (restricted) log-likelihood is no more than ``drop`` below its value at ``best``."""
    level = log_likelihood(y, v, best, restricted) - drop
    upper = max(bound(y, v), best)
    h = log_likelihood(y, v, 0.0, restricted) - level
    inside = h >= 0
    low = 0.0 if inside else np.nan
    high = np.nan
    t = 0.0
    for _ in range(100000):
        ahead = (v[0] + t) * _STEP - v[0]
        if t < best < ahead:
            ahead = best  # the maximum itself is a point of the scan, however narrow its hill
        if not ahead > t:
            return np.nan, np.nan
        h_ahead = log_likelihood(y, v, ahead, restricted) - level
        if (h >= 0) != (h_ahead >= 0):
            root = root_between(y, v, t, h, ahead, h_ahead, restricted, 1, level)
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
