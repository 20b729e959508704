"""Many small meta-regressions, one after the other in compiled loops: what permutations and bootstraps refit.

The formulas are those of `vfmeta.kernels.regression`, the steps that guard digits are the same. Arrays that end in an
underscore are written to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.kernels.compiled.design import least_squares, orthonormal, weigh_
from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import Design
from vfmeta.kernels.tau2.chain import error_of_tau2, estimate_tau2
from vfmeta.kernels.tau2.generalised_q import q_root
from vfmeta.kernels.tau2.likelihood import likelihood_interval

SETTLED, COLLINEAR, RUNAWAY = range(3)


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


@lean
def fit_many(y, v, x, own, user, method, given, target, knapp, scratch_, tau2_, beta_, cov_, status_):  # type: ignore[no-untyped-def]
    """Fit n regressions.

    ``y``, ``v``, ``own`` (n, k), ``x`` (n, k, p); with ``user``, ``own`` are the weights of the coefficients. ``method``,
    ``given`` and ``target`` are those of `estimate_tau2`. ``knapp`` 0 leaves the covariance, 1 multiplies it by the
    Hartung-Knapp factor, 2 by that or one.
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
        if not orthonormal(q, triangle) > 1e-10:
            status_[b] = COLLINEAR
            continue
        # the first fit, made twice: residuals of the second are free of the magnitude of y
        for j in range(p):
            first[j] = 0.0
        weigh_(v[b], 0.0, w)
        for _ in range(2):
            least_squares(rest, w, q, s)
            for j in range(p):
                first[j] += c[j]
                for i in range(k):
                    rest[i] -= q[i, j] * c[j]
        tau2 = estimate_tau2(Design(rest, y[b], v[b], q, s), own[b], relative, method, given, target)
        if not (tau2 >= 0 and math.isfinite(tau2)):
            status_[b] = RUNAWAY
            continue
        weigh_(v[b], tau2, w)
        least_squares(rest, w, q, s)
        rss = 0.0
        for i in range(k):
            rss += e[i] * e[i]
        if user:
            least_squares(rest, own[b], q, s)
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


@lean
def estimate(y, whole, v, q, a, method, target, scratch_):  # type: ignore[no-untyped-def]
    """tau2 and its standard error of one regression, given by its residuals and orthonormal basis."""
    s, (_, _, _, _, _, work, _) = scratch_
    problem = Design(y, whole, v, q, s)
    tau2 = estimate_tau2(problem, a, work, method, 0.0, target)
    if not tau2 >= 0:
        return np.nan, np.nan
    return tau2, error_of_tau2(problem, a, work, method, tau2)


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
