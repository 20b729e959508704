"""Many small meta-regressions, one after the other in compiled loops: what permutations and bootstraps refit.

The formulas, and the papers, are those of `vfmeta.kernels.regression`, `regression_tau2` and `regression_fit`, which fit one;
the steps that guard digits are the same. Arrays that end in an underscore are written to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.kernels.compiled.jit import compiled

GIVEN, MOMENT, TWO_STEP, HUNTER, CRUDE, ROOT, LIKELIHOOD = range(7)
SETTLED, COLLINEAR, RUNAWAY = range(3)
_TINY = 1e-17  # in units of the smallest variance: a tau2 below is rounding
_EPS = 2.220446049250313e-16


@compiled
def _orthonormal(a_, r_):  # type: ignore[no-untyped-def]
    """Gram-Schmidt, each column twice: ``a_`` (k, p) becomes orthonormal, ``r_`` (p, p) its triangle; least share left."""
    k, p = a_.shape
    least = 1.0
    for j in range(p):
        before = 0.0
        for i in range(k):
            before += a_[i, j] * a_[i, j]
        for h in range(p):
            r_[h, j] = 0.0
        for _ in range(2):
            for h in range(j):
                c = 0.0
                for i in range(k):
                    c += a_[i, h] * a_[i, j]
                for i in range(k):
                    a_[i, j] -= c * a_[i, h]
                r_[h, j] += c
        after = 0.0
        for i in range(k):
            after += a_[i, j] * a_[i, j]
        if not before > 0.0 or not after > 0.0:
            return 0.0
        r_[j, j] = math.sqrt(after)
        least = min(least, math.sqrt(after / before))
        for i in range(k):
            a_[i, j] /= r_[j, j]
    return least


@compiled
def _parts(y, w, q, s_):  # type: ignore[no-untyped-def]
    """Weighted least squares on the basis ``q``: weighted basis, triangle, weighted residuals, 1 - leverage, coefficients."""
    _, u_, r_, e_, free_, c_ = s_[0]
    k, p = q.shape
    for i in range(k):
        root = math.sqrt(w[i])
        e_[i] = root * y[i]
        for j in range(p):
            u_[i, j] = root * q[i, j]
    _orthonormal(u_, r_)
    for j in range(p):
        c_[j] = 0.0
    for _ in range(2):
        for j in range(p):
            c = 0.0
            for i in range(k):
                c += u_[i, j] * e_[i]
            for i in range(k):
                e_[i] -= c * u_[i, j]
            c_[j] += c
    for i in range(k):
        free = 1.0
        for j in range(p):
            free -= u_[i, j] * u_[i, j]
        free_[i] = max(free, 0.0)
    for i in range(k):
        if free_[i] < 1e-3:
            free_[i] = _free_of(w, q, i, s_[1])
    for j in range(p - 1, -1, -1):  # from the weighted basis back to the basis
        for h in range(j + 1, p):
            c_[j] -= r_[j, h] * c_[h]
        c_[j] /= r_[j, j]


@compiled
def _free_of(w, q, at, scratch_):  # type: ignore[no-untyped-def]
    """One minus a leverage near one without its cancellation: 1 / (1 + w x' (X'WX without the study)^-1 x)."""
    k, p = q.shape
    if k - 1 < p:
        return 0.0
    others, r, z, _ = scratch_
    for i in range(k):  # a row of zeros in the place of the study
        for j in range(p):
            others[i, j] = math.sqrt(w[i]) * q[i, j] if i != at else 0.0
    if not _orthonormal(others, r) > 1e-13:
        return 0.0
    total = 0.0
    for j in range(p):
        z[j] = q[at, j]
        for h in range(j):
            z[j] -= r[h, j] * z[h]
        z[j] /= r[j, j]
        total += z[j] * z[j]
    return 1.0 / (1.0 + w[at] * total)


@compiled
def _weights_(v, tau2, w_):  # type: ignore[no-untyped-def]
    for i in range(v.size):
        w_[i] = 1.0 / (v[i] + tau2)


@compiled
def _moment(y, v, a, q, s_):  # type: ignore[no-untyped-def]
    _, _, _, e_, free_, _ = s_[0]
    _parts(y, a, q, s_)
    rss, trace, noise = 0.0, 0.0, 0.0
    for i in range(v.size):
        rss += e_[i] * e_[i]
        trace += a[i] * free_[i]
        noise += a[i] * free_[i] * v[i]
    return max(0.0, (rss - noise) / trace)


@compiled
def _equation(kind, target, t, y, v, q, s_):  # type: ignore[no-untyped-def]
    """The function whose root is wanted: generalised Q less ``target``, or the score of ML (target 0) or REML (target 1)."""
    w_, _, _, e_, free_, _ = s_[0]
    _weights_(v, t, w_)
    _parts(y, w_, q, s_)
    out = 0.0 if kind == LIKELIHOOD else -target
    for i in range(v.size):
        if kind == ROOT:
            out += e_[i] * e_[i]
        else:
            out += w_[i] * (e_[i] * e_[i] - (free_[i] if target > 0 else 1.0))
    return out


@compiled
def _height(restricted, t, y, v, q, s_):  # type: ignore[no-untyped-def]
    """Log-likelihood without its constants."""
    w_, _, r_, e_, _, _ = s_[0]
    _weights_(v, t, w_)
    _parts(y, w_, q, s_)
    out = 0.0
    for i in range(v.size):
        out += 0.5 * (math.log(w_[i]) - e_[i] * e_[i])
    if restricted > 0:
        for j in range(q.shape[1]):
            out -= math.log(r_[j, j])
    return out


@compiled
def _root(kind, target, low, high, f_low, f_high, xtol, y, v, q, s_):  # type: ignore[no-untyped-def]
    """Root inside a bracket: inverse quadratic interpolation guarded by bisection (Chandrupatla 1997); NaN if unsettled."""
    a, b, fa, fb = low, high, f_low, f_high
    t = 0.5
    for _ in range(250):
        x = a + t * (b - a)
        fx = _equation(kind, target, x, y, v, q, s_)
        if (fx > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, b, fc, fb = b, a, fb, fa
        a, fa = x, fx
        best = a if abs(fa) < abs(fb) else b
        room = 2 * _EPS * abs(best) + 0.5 * xtol
        if abs(b - a) <= 2 * room or fa == 0.0 or fb == 0.0:
            return best
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        if phi * phi < xi and (1 - phi) ** 2 < 1 - xi:
            t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        else:
            t = 0.5
        share = room / abs(b - a)
        t = min(1 - share, max(share, t))
    return math.nan


@compiled
def _highest(restricted, y, v, q, s_):  # type: ignore[no-untyped-def]
    """Global maximum of the likelihood over tau2 >= 0: tops of the score over a fine grid, up to where it must be negative."""
    k, p = q.shape
    left = s_[1][3]
    for i in range(k):
        left[i] = y[i]
    for _ in range(2):
        for j in range(p):
            c = 0.0
            for i in range(k):
                c += q[i, j] * left[i]
            for i in range(k):
                left[i] -= c * q[i, j]
    spread, most, least = 0.0, 0.0, math.inf
    for i in range(k):
        spread += left[i] * left[i]
        most, least = max(most, v[i]), min(least, v[i])
    s2 = spread / (k - p if restricted > 0 else k)
    upper = 0.5 * (s2 + math.sqrt(s2) * math.sqrt(s2 + 4 * most)) * (1 + 1e-9)
    if not upper > 0:
        return 0.0
    lower = 1e-3 * min(least, upper)
    size = max(8, math.ceil(math.log(upper / lower) / 0.25) + 1)
    step = (upper / lower) ** (1.0 / (size - 1))
    best, top, found = 0.0, -math.inf, False
    t0, s0 = 0.0, _equation(LIKELIHOOD, restricted, 0.0, y, v, q, s_)
    if s0 <= 0:
        top, found = _height(restricted, 0.0, y, v, q, s_), True
    t1 = lower
    for n in range(size):
        if n == size - 1:
            t1 = upper
        s1 = _equation(LIKELIHOOD, restricted, t1, y, v, q, s_)
        if not math.isfinite(s1):
            return math.nan
        if s0 > 0 and s1 <= 0:
            root = _root(LIKELIHOOD, restricted, t0, t1, s0, s1, _TINY * least, y, v, q, s_)
            height = _height(restricted, root, y, v, q, s_)
            if not height <= top:  # also where it is NaN, which is then the answer
                best, top, found = root, height, True
        t0, s0 = t1, s1
        t1 *= step
    return best if found else math.nan


@compiled
def _tau2(kind, setting, y, whole, v, a, q, s_):  # type: ignore[no-untyped-def]
    """One estimator. ``setting``: the value (GIVEN), factor (HUNTER), target (ROOT), 1 for REML and 0 for ML (LIKELIHOOD)."""
    w_, _, _, e_, _, _ = s_[0]
    k, p = q.shape
    if kind == GIVEN:
        return setting
    if kind == MOMENT:
        return _moment(y, v, a, q, s_)
    if kind == TWO_STEP:
        _weights_(v, 0.0, w_)
        _weights_(v, _moment(y, v, w_, q, s_), w_)
        return _moment(y, v, w_, q, s_)
    if kind == HUNTER:
        total = 0.0
        for i in range(k):
            total += 1.0 / v[i]
        rss = _equation(ROOT, 0.0, 0.0, y, v, q, s_)
        return max(0.0, (setting * rss - k) / total)
    if kind == CRUDE:
        mean, crude = 0.0, 0.0
        for i in range(k):
            mean += whole[i] / k
        for i in range(k):
            crude += (whole[i] - mean) ** 2 / k
        if crude == 0.0:
            return 0.0
        return crude * _equation(ROOT, 0.0, crude, y, v, q, s_) / (k - p)
    if kind == ROOT:
        start = _equation(ROOT, setting, 0.0, y, v, q, s_)
        if not start > 0:
            return 0.0
        # the generalised Q is at most S / tau2, S the residual sum of squares of ordinary least squares
        least, high = math.inf, 0.0
        for i in range(k):
            w_[i], least = 1.0, min(least, v[i])
        _parts(y, w_, q, s_)
        for i in range(k):
            high += e_[i] * e_[i] / setting * (1 + 1e-9)
        end = _equation(ROOT, setting, high, y, v, q, s_)
        return _root(ROOT, setting, 0.0, high, start, end, _TINY * least, y, v, q, s_)
    return _highest(setting, y, v, q, s_)


@compiled
def _inverse_(r, triangle, out_):  # type: ignore[no-untyped-def]
    """Inverse of the product of two upper triangles."""
    p = r.shape[0]
    for j in range(p):
        for i in range(p):
            out_[i, j] = 0.0
        for i in range(j, -1, -1):
            c = 1.0 if i == j else 0.0
            pivot = r[i, i] * triangle[i, i]
            for h in range(i + 1, j + 1):
                product = 0.0
                for g in range(i, h + 1):
                    product += r[i, g] * triangle[g, h]
                c -= product * out_[h, j]
            out_[i, j] = c / pivot


@compiled
def _covariance_(factor, inverse, u, relative, user, out_):  # type: ignore[no-untyped-def]
    """``factor`` times the covariance from the inverse triangle; under user weights a sandwich with U' diag(relative) U."""
    p = inverse.shape[0]
    for i in range(p):
        for j in range(p):
            out_[i, j] = 0.0
            for g in range(p):
                if not user:
                    out_[i, j] += factor * inverse[i, g] * inverse[j, g]
                    continue
                for h in range(p):
                    middle = 0.0
                    for n in range(u.shape[0]):
                        middle += u[n, g] * relative[n] * u[n, h]
                    out_[i, j] += factor * inverse[i, g] * middle * inverse[j, h]


@compiled
def fit_many(y, v, x, a, own, user, kind, setting, knapp, scratch_, tau2_, beta_, cov_, status_):  # type: ignore[no-untyped-def]
    """Fit n regressions.

    ``y``, ``v``, ``a``, ``own`` (n, k), ``x`` (n, k, p); ``a`` are the weights of a moment estimator, with ``user`` ``own`` are
    those of the coefficients. ``knapp`` 0 leaves the covariance, 1 multiplies it by the Hartung-Knapp factor, 2 by that or one.
    """
    n, k, p = x.shape
    s, (q, triangle, first, inverse, rest, relative, one) = scratch_
    w, u, r, e, _, c = s[0]
    for b in range(n):
        status_[b] = SETTLED
        for i in range(k):
            rest[i] = y[b, i]
            for j in range(p):
                q[i, j] = x[b, i, j]
        if not _orthonormal(q, triangle) > 1e-10:
            status_[b] = COLLINEAR
            continue
        # the first fit, made twice: residuals of the second are free of the magnitude of y
        for j in range(p):
            first[j] = 0.0
        _weights_(v[b], 0.0, w)
        for _ in range(2):
            _parts(rest, w, q, s)
            for j in range(p):
                first[j] += c[j]
                for i in range(k):
                    rest[i] -= q[i, j] * c[j]
        tau2 = _tau2(kind, setting, rest, y[b], v[b], a[b], q, s)
        if not (tau2 >= 0 and math.isfinite(tau2)):
            status_[b] = RUNAWAY
            continue
        _weights_(v[b], tau2, w)
        _parts(rest, w, q, s)
        rss = 0.0
        for i in range(k):
            rss += e[i] * e[i]
        if user:
            _parts(rest, own[b], q, s)
            rss = 0.0
            for i in range(k):
                relative[i] = own[b, i] * (v[b, i] + tau2)
                gap = rest[i]
                for j in range(p):
                    gap -= q[i, j] * c[j]
                rss += w[i] * gap * gap
        factor = 1.0
        if knapp > 0:
            factor = rss / (k - p) if k > p else math.nan
            if knapp == 2:
                factor = max(1.0, factor)
        tau2_[b] = tau2
        _inverse_(r, triangle, inverse)
        _covariance_(factor, inverse, u, relative, user, cov_[b])
        _inverse_(one, triangle, inverse)
        for i in range(p):
            beta_[b, i] = 0.0
            for j in range(p):
                beta_[b, i] += inverse[i, j] * (first[j] + c[j])


def scratch(k: int, p: int) -> tuple[Any, ...]:
    """Room for one thread of `fit_many`, which makes no array itself."""
    least_squares = np.empty(k), np.empty((k, p)), np.empty((p, p)), np.empty(k), np.empty(k), np.empty(p)
    leverage = np.empty((k, p)), np.empty((p, p)), np.empty(p), np.empty(k)
    own = np.empty((k, p)), np.empty((p, p)), np.empty(p), np.empty((p, p)), np.empty(k), np.empty(k), np.eye(p)
    return (least_squares, leverage), own
