"""Weighted least squares on an orthonormal basis: what a heterogeneity tau2 leaves of a set of effects, any number of columns.

``y`` (k,) are residuals of a first fit, ``q`` (k, p) the basis, ``s_`` what `vfmeta.kernels.compiled.regressions.scratch` made.
With a single column of ones all this is `vfmeta.kernels.compiled.mean`, which is faster. Arrays that end in an underscore are
written to.
"""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import lean


@lean
def orthonormal(a_, r_):  # type: ignore[no-untyped-def]
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


@lean
def least_squares(y, w, q, s_):  # type: ignore[no-untyped-def]
    """Weighted least squares on the basis ``q``: weighted basis, triangle, weighted residuals, 1 - leverage, coefficients."""
    _, u_, r_, e_, free_, c_ = s_[0]
    k, p = q.shape
    for i in range(k):
        root = math.sqrt(w[i])
        e_[i] = root * y[i]
        for j in range(p):
            u_[i, j] = root * q[i, j]
    orthonormal(u_, r_)
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


@lean
def _free_of(w, q, at, scratch_):  # type: ignore[no-untyped-def]
    """One minus a leverage near one without its cancellation: 1 / (1 + w x' (X'WX without the study)^-1 x)."""
    k, p = q.shape
    if k - 1 < p:
        return 0.0
    others, r, z, _ = scratch_
    for i in range(k):  # a row of zeros in the place of the study
        for j in range(p):
            others[i, j] = math.sqrt(w[i]) * q[i, j] if i != at else 0.0
    if not orthonormal(others, r) > 1e-13:
        return 0.0
    total = 0.0
    for j in range(p):
        z[j] = q[at, j]
        for h in range(j):
            z[j] -= r[h, j] * z[h]
        z[j] /= r[j, j]
        total += z[j] * z[j]
    return 1.0 / (1.0 + w[at] * total)


@lean
def weigh_(v, tau2, w_):  # type: ignore[no-untyped-def]
    for i in range(v.size):
        w_[i] = 1.0 / (v[i] + tau2)


@lean
def moments(y, v, q, s_, tau2):  # type: ignore[no-untyped-def]
    """Sum of the weights, y'Py (generalised Q), y'PPy and tr P."""
    w_, _, _, e_, free_, _ = s_[0]
    weigh_(v, tau2, w_)
    least_squares(y, w_, q, s_)
    total, rss, pp, trace = 0.0, 0.0, 0.0, 0.0
    for i in range(v.size):
        total += w_[i]
        rss += e_[i] * e_[i]
        pp += w_[i] * e_[i] * e_[i]
        trace += w_[i] * free_[i]
    return total, rss, pp, trace


@lean
def weighted(y, v, a, q, s_):  # type: ignore[no-untyped-def]
    """Q_a with fixed weights ``a``, tr P_a, and the part of Q_a that the sampling variances are expected to make."""
    _, _, _, e_, free_, _ = s_[0]
    least_squares(y, a, q, s_)
    rss, trace, noise = 0.0, 0.0, 0.0
    for i in range(v.size):
        rss += e_[i] * e_[i]
        trace += a[i] * free_[i]
        noise += a[i] * free_[i] * v[i]
    return rss, trace, noise


@lean
def _trace_of_squares(b, s_):  # type: ignore[no-untyped-def]
    """tr(PMPM) after `least_squares` with weights a, M diagonal and ``b`` = a times its diagonal; no k by k matrix is made.

    With H the hat matrix it is sum b_i^2 (1 - h_i)^2 plus b_i b_j h_ij^2 over pairs. The pairs of a study that dominates are
    summed one by one, as their part would be lost in the difference of large numbers.
    """
    _, u_, _, _, free_, _ = s_[0]
    k, p = u_.shape
    total = 0.0
    for i in range(k):
        total += (b[i] * free_[i]) ** 2
        if free_[i] >= 0.5:
            total -= (b[i] * (1.0 - free_[i])) ** 2
    for g in range(p):
        for h in range(p):
            inner = 0.0
            for i in range(k):
                if free_[i] >= 0.5:
                    inner += u_[i, g] * b[i] * u_[i, h]
            total += inner * inner
    for i in range(k):
        if free_[i] < 0.5:
            for j in range(k):
                if j != i:
                    share = 0.0
                    for g in range(p):
                        share += u_[i, g] * u_[j, g]
                    pair = b[i] * b[j] * share * share
                    total += pair if free_[j] < 0.5 else 2 * pair
    return max(total, 0.0)


@lean
def variance_of_q(y, v, tau2, a, q, s_):  # type: ignore[no-untyped-def]
    """Var(Q_a) = 2 tr(P_a U P_a U) with U = diag(v + tau2), and tr P_a."""
    free_, b_ = s_[0][4], s_[1][3]
    least_squares(y, a, q, s_)
    trace = 0.0
    for i in range(v.size):
        b_[i] = a[i] * (v[i] + tau2)
        trace += a[i] * free_[i]
    return 2 * _trace_of_squares(b_, s_), trace


@lean
def squared_weights(y, v, tau2, q, s_):  # type: ignore[no-untyped-def]
    """Traces of WW and of PP."""
    w_ = s_[0][0]
    weigh_(v, tau2, w_)
    least_squares(y, w_, q, s_)
    two = 0.0
    for i in range(v.size):
        two += w_[i] * w_[i]
    return two, _trace_of_squares(w_, s_)


@lean
def log_likelihood(y, v, tau2, restricted, q, s_):  # type: ignore[no-untyped-def]
    """Log-likelihood, or restricted log-likelihood, without its constant."""
    w_, _, r_, e_, _, _ = s_[0]
    weigh_(v, tau2, w_)
    least_squares(y, w_, q, s_)
    out = 0.0
    for i in range(v.size):
        out += 0.5 * (math.log(w_[i]) - e_[i] * e_[i])
    if restricted:
        for j in range(q.shape[1]):
            out -= math.log(r_[j, j])
    return out


@lean
def spread(y, q, s_):  # type: ignore[no-untyped-def]
    """Residual sum of squares of ordinary least squares."""
    left = s_[1][3]
    k, p = q.shape
    for i in range(k):
        left[i] = y[i]
    for _ in range(2):
        for j in range(p):
            c = 0.0
            for i in range(k):
                c += q[i, j] * left[i]
            for i in range(k):
                left[i] -= c * q[i, j]
    out = 0.0
    for i in range(k):
        out += left[i] * left[i]
    return out
