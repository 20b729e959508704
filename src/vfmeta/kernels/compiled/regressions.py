"""Meta-regressions in compiled loops: one, or the many that permutations, bootstraps and deletions refit.

Arrays that end in an underscore are written to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.kernels.compiled.design import least_squares, orthonormal, weigh_
from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import Design, log_likelihood
from vfmeta.kernels.least_squares import COLLINEAR
from vfmeta.kernels.tau2.chain import COMMON, GIVEN, error_of_tau2, estimate_tau2
from vfmeta.kernels.tau2.generalised_q import q_root
from vfmeta.kernels.tau2.likelihood import likelihood_interval

SETTLED, SINGULAR, RUNAWAY = range(3)


@lean
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


@lean
def _covariance_(inverse, u, relative, user, out_):  # type: ignore[no-untyped-def]
    """The covariance from the inverse triangle; under user weights a sandwich with U' diag(relative) U."""
    p = inverse.shape[0]
    for i in range(p):
        for j in range(p):
            out_[i, j] = 0.0
            for g in range(p):
                if not user:
                    out_[i, j] += inverse[i, g] * inverse[j, g]
                    continue
                for h in range(p):
                    middle = 0.0
                    for n in range(u.shape[0]):
                        middle += u[n, g] * relative[n] * u[n, h]
                    out_[i, j] += inverse[i, g] * middle * inverse[j, h]


@lean
def prepare(y, v, s, rest_, q_, triangle_, first_):  # type: ignore[no-untyped-def]
    """The design in ``q_`` (k, p) becomes orthonormal, ``first_`` (p,) a first fit on it, ``rest_`` (k,) its residuals.

    False where columns are combinations of others.
    """
    w, _, _, _, _, c = s[0]
    k, p = q_.shape
    if not orthonormal(q_, triangle_) > COLLINEAR:
        return False
    for i in range(k):
        rest_[i] = y[i]
    for j in range(p):
        first_[j] = 0.0
    weigh_(v, 0.0, w)
    for _ in range(2):  # residuals of the second are free of the magnitude of y
        least_squares(rest_, w, q_, s)
        for j in range(p):
            first_[j] += c[j]
            for i in range(k):
                rest_[i] -= q_[i, j] * c[j]
    return True


@lean
def fit_many(y, v, x, rows, own, user, method, given, target, wants, scratch_, out_):  # type: ignore[no-untyped-def]
    """Fit n regressions.

    ``y``, ``v``, ``own`` (n, k); ``rows`` (n, k) of ``x`` are their designs; with ``user``, ``own`` are the weights of the
    coefficients. ``method`` and ``target`` are those of `estimate_tau2`, ``given`` (n,) or (1,) the tau2 of a method that
    finds none; with ``wants`` the standard error of tau2 too. ``out_`` are the arrays of `room`.
    """
    (n, k), p = rows.shape, x.shape[1]
    s, (q, triangle, first, inverse, rest, relative, one) = scratch_
    w, u, r, e, free, c = s[0]
    tau2_, se_, beta_, phi_, w_, hat_, rss_, q_, trace_, status_ = out_
    for b in range(n):
        status_[b] = SETTLED
        for i in range(k):
            for j in range(p):
                q[i, j] = x[rows[b, i], j]
        if not prepare(y[b], v[b], s, rest, q, triangle, first):
            status_[b] = SINGULAR
            continue
        q_[b], trace_[b] = 0.0, 0.0
        for i in range(k):
            q_[b] += e[i] * e[i]
            trace_[b] += w[i] * free[i]
        tau2 = np.nan
        problem = Design(rest, y[b], v[b], q, s)
        if k > p or method in (COMMON, GIVEN):
            tau2 = estimate_tau2(problem, own[b], relative, method, given[b if given.size > 1 else 0], target)
        if not (tau2 >= 0 and math.isfinite(tau2)):
            status_[b] = RUNAWAY
            continue
        tau2_[b], se_[b] = tau2, 0.0
        if wants and method not in (COMMON, GIVEN):
            se_[b] = error_of_tau2(problem, own[b], relative, method, tau2)
        weigh_(v[b], tau2, w)
        for i in range(k):
            w_[b, i] = w[i]
            relative[i] = own[b, i] * (v[b, i] + tau2)
        least_squares(rest, own[b] if user else w, q, s)
        rss_[b] = 0.0
        for i in range(k):
            gap = rest[i]
            for j in range(p):
                gap -= q[i, j] * c[j]
            rss_[b] += w[i] * gap * gap if user else e[i] * e[i]
            hat_[b, i] = 1.0 - free[i]
        _inverse_(r, triangle, inverse)
        _covariance_(inverse, u, relative, user, phi_[b])
        _inverse_(one, triangle, inverse)
        for i in range(p):
            beta_[b, i] = 0.0
            for j in range(p):
                beta_[b, i] += inverse[i, j] * (first[j] + c[j])


def room(n: int, k: int, p: int) -> tuple[np.ndarray, ...]:
    """What `fit_many` writes: tau2, its standard error, coefficients, their model-based covariance, weights 1 / (v + tau2),
    leverages, residual sum of squares, that at tau2 = 0 with tr P there, and whether the fit settled.
    """
    sizes: tuple[tuple[int, ...], ...] = ((n,), (n,), (n, p), (n, p, p), (n, k), (n, k), (n,), (n,), (n,))
    return *(np.full(size, np.nan) for size in sizes), np.zeros(n, dtype=np.int64)


@lean
def solve(y, w, q, e_, free_, u_, r_, c_, scratch_):  # type: ignore[no-untyped-def]
    """`least_squares` for each row of the weights ``w`` (n, k), into arrays of as many rows."""
    for g in range(len(w)):
        least_squares(y, w[g], q, ((w[g], u_[g], r_[g], e_[g], free_[g], c_[g]), scratch_[0][1]))


@lean
def log_likelihoods(y, v, q, tau2, restricted, scratch_, out_):  # type: ignore[no-untyped-def]
    """(Restricted) log-likelihood, without its constant, at each ``tau2`` (n,)."""
    for g in range(tau2.size):
        out_[g] = log_likelihood(Design(y, y, v, q, scratch_[0]), tau2[g], restricted)


@lean
def error(y, whole, v, q, a, method, tau2, scratch_):  # type: ignore[no-untyped-def]
    """The standard error alone, at a given tau2."""
    s, (_, _, _, _, _, work, _) = scratch_
    return error_of_tau2(Design(y, whole, v, q, s), a, work, method, tau2)


@lean
def interval(y, v, q, kind, best, first, second, scratch_):  # type: ignore[no-untyped-def]
    """Limits of tau2: the Q-profile (kind 0) of two quantiles, or where the likelihood (1: ML, 2: REML) fell by ``first``."""
    problem = Design(y, y, v, q, scratch_[0])
    if kind == 0:
        return q_root(problem, first), q_root(problem, second)
    return likelihood_interval(problem, best, first, kind == 2)


def scratch(k: int, p: int) -> tuple[Any, ...]:
    """Room for one thread of `fit_many`, which makes no array itself."""
    least_squares = np.empty(k), np.empty((k, p)), np.empty((p, p)), np.empty(k), np.empty(k), np.empty(p)
    leverage = np.empty((k, p)), np.empty((p, p)), np.empty(p), np.empty(k)
    own = np.empty((k, p)), np.empty((p, p)), np.empty(p), np.empty((p, p)), np.empty(k), np.empty(k), np.eye(p)
    return (least_squares, leverage), own
