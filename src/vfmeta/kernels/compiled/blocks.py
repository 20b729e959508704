"""Sums over many small blocks of dependent effects: what `vfmeta.kernels.dependent` adds up, without a call for each product.

The blocks of a `vfmeta.kernels.stacks.Flat` stand one after the other, ``sizes`` (B,) effects each: ``y`` (k,), ``X``
(k, p), and the n x n numbers of each block in ``V`` (sum of n n,) and in each row of ``table`` (C, sum of n n). M is V plus
``values`` (C,) times the rows of the table. Arrays that end in an underscore are scratch or added to.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import compiled, inlined, lean

MOST = 24  # effects of a block, above which the library's matrix products are faster


@lean
def cholesky(n, a_, z_):  # type: ignore[no-untyped-def]
    """The factor of ``a_`` into its lower triangle, its inverse into that of ``z_``; log |a|, NaN where a is not positive."""
    logs = 0.0
    for j in range(n):
        left = a_[j, j]
        for h in range(j):
            left -= a_[j, h] * a_[j, h]
        if not left > 0.0:
            return np.nan
        root = math.sqrt(left)
        logs += math.log(left)
        a_[j, j] = root
        for i in range(j + 1, n):
            left = a_[i, j]
            for h in range(j):
                left -= a_[i, h] * a_[j, h]
            a_[i, j] = left / root
    for j in range(n):
        z_[j, j] = 1.0 / a_[j, j]
        for i in range(j + 1, n):
            left = 0.0
            for h in range(j, i):
                left -= a_[i, h] * z_[h, j]
            z_[i, j] = left / a_[i, i]
    return logs


@lean
def squared(n, z, out_):  # type: ignore[no-untyped-def]
    """The product z'z of a lower triangle."""
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for h in range(i, n):
                total += z[h, i] * z[h, j]
            out_[i, j], out_[j, i] = total, total


@lean
def _invert(V, y, X, table, sizes, values, square_, w_, info_, score_):  # type: ignore[no-untyped-def]
    """M^-1 of every block into ``w_``, X'M^-1 X and X'M^-1 y added; sum of log |M|, NaN where one is not positive."""
    logs, p, row, at = 0.0, X.shape[1], 0, 0
    a_, z_ = square_[0], square_[1]
    for n in sizes:
        for i in range(n):
            for j in range(i + 1):
                total = V[at + i * n + j]
                for c in range(values.size):
                    total += values[c] * table[c, at + i * n + j]
                a_[i, j] = total
        found = cholesky(n, a_, z_)
        if math.isnan(found):
            return np.nan
        logs += found
        w = w_[at : at + n * n].reshape(n, n)
        squared(n, z_, w)
        for i in range(n):
            for r in range(p):
                total = 0.0
                for j in range(n):
                    total += w[i, j] * X[row + j, r]
                score_[r] += total * y[row + i]
                for s in range(p):
                    info_[s, r] += X[row + i, s] * total
        row, at = row + n, at + n * n
    return logs


@lean
def _solve(V, y, X, table, sizes, values, square_, w_, e_, beta_, cov_, info_, half_):  # type: ignore[no-untyped-def]
    """Generalised least squares into ``beta_``, ``cov_``, and M^-1 r of its residuals into ``e_``; r'M^-1 r and log |M|,
    log |X'M^-1 X|, NaN where one is not positive definite.
    """
    p = X.shape[1]
    score_ = half_[p]
    info_[:], score_[:] = 0.0, 0.0
    logs = _invert(V, y, X, table, sizes, values, square_, w_, info_, score_)
    if math.isnan(logs):
        return np.nan, np.nan, np.nan
    for r in range(p):
        for s in range(r):
            info_[r, s] = (info_[r, s] + info_[s, r]) / 2
    more = cholesky(p, info_, half_)
    if math.isnan(more):
        return np.nan, np.nan, np.nan
    squared(p, half_, cov_)
    for r in range(p):
        beta_[r] = 0.0
        for s in range(p):
            beta_[r] += cov_[r, s] * score_[s]
    rss, row, at = 0.0, 0, 0
    for n in sizes:
        e_[row : row + n] = 0.0
        for j in range(n):
            left = y[row + j]
            for r in range(p):
                left -= X[row + j, r] * beta_[r]
            for i in range(n):
                e_[row + i] += w_[at + i * n + j] * left
        for j in range(n):
            left = y[row + j]
            for r in range(p):
                left -= X[row + j, r] * beta_[r]
            rss += left * e_[row + j]
        row, at = row + n, at + n * n
    return rss, logs, more


@compiled
def gls(V, y, X, table, sizes, values):  # type: ignore[no-untyped-def]
    """What a `vfmeta.kernels.dependent.Fit` holds, log |M| NaN where M or X'M^-1 X is not positive definite."""
    p, most = X.shape[1], sizes.max()
    beta, cov = np.empty(p), np.empty((p, p))
    rss, logs, more = _solve(
        V, y, X, table, sizes, values, np.empty((2, most, most)), np.empty(V.size), np.empty(y.size), beta, cov,
        np.empty((p, p)), np.empty((p + 1, p)),
    )  # fmt: skip
    return beta, cov, rss, logs, more


@inlined
def _times(n, a, x, out_):  # type: ignore[no-untyped-def]
    """The product a x of a matrix (n, n) and a few columns."""
    for i in range(n):
        for r in range(x.shape[1]):
            total = 0.0
            for j in range(n):
                total += a[i, j] * x[j, r]
            out_[i, r] = total


@lean
def _add(  # type: ignore[no-untyped-def]
    X, w_, table, sizes, first, e, cov, reml, square_, wide_, long_, trace_, quad_, cross_, xwde_, gathered_
):  # fmt: skip
    """The sums that `vfmeta.kernels.dependent.derivatives` is made of, ``trace_`` less twice tr(C X'W D_a W D_b W X)."""
    m, p, row, at = first.shape[0], X.shape[1], 0, 0
    wx_ = wide_[3 * m]
    for n in sizes:
        w = w_[at : at + n * n].reshape(n, n)
        _times(n, w, X[row : row + n], wx_)
        for a in range(m):
            d_, wd_, de_, wde_ = square_[2 * a], square_[2 * a + 1], long_[2 * a], long_[2 * a + 1]
            for i in range(n):
                for j in range(n):
                    total = 0.0
                    for c in range(first.shape[1]):
                        total += first[a, c] * table[c, at + i * n + j]
                    d_[i, j] = total
            for i in range(n):
                for j in range(n):
                    total = 0.0
                    for h in range(n):
                        total += w[i, h] * d_[h, j]
                    wd_[i, j] = total
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += d_[i, j] * e[row + j]
                de_[i] = total
                for r in range(p):
                    xwde_[a, r] += total * wx_[i, r]
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += w[i, j] * de_[j]
                wde_[i] = total
            if reml:
                dwx_, wdwx_, led_ = wide_[3 * a], wide_[3 * a + 1], wide_[3 * a + 2]
                _times(n, d_, wx_, dwx_)
                _times(n, w, dwx_, wdwx_)
                for i in range(n):
                    for r in range(p):
                        total = 0.0
                        for s in range(p):
                            total += dwx_[i, s] * cov[s, r]
                            cross_[a, r, s] += wx_[i, r] * dwx_[i, s]
                        led_[i, r] = total
        for a in range(m):
            for c in range(m):
                wd_, other_, de_, wde_ = square_[2 * a + 1], square_[2 * c + 1], long_[2 * a], long_[2 * c + 1]
                total, product = 0.0, 0.0
                for i in range(n):
                    product += de_[i] * wde_[i]
                    for j in range(n):
                        total += wd_[i, j] * other_[j, i]
                if reml:
                    led_, wdwx_ = wide_[3 * a + 2], wide_[3 * c + 1]
                    for i in range(n):
                        for r in range(p):
                            total -= 2.0 * led_[i, r] * wdwx_[i, r]
                trace_[a, c] += total
                quad_[a, c] += product
        for i in range(n):
            for j in range(n):
                total = e[row + i] * e[row + j] - w[i, j]
                if reml:
                    for r in range(p):
                        for s in range(p):
                            total += wx_[i, r] * cov[r, s] * wx_[j, s]
                for c in range(first.shape[1]):
                    gathered_[c] += 0.5 * total * table[c, at + i * n + j]
        row, at = row + n, at + n * n


@compiled
def derivatives(V, y, X, table, sizes, values, first, reml):  # type: ignore[no-untyped-def]
    """As `gls`, and the sums over classes, and the Hessian and expected information of the first derivatives of M alone,
    and X'M^-1 D M^-1 X of each such derivative D (for REML).
    """
    (m, classes), p, most = first.shape, X.shape[1], sizes.max()
    beta, cov, w, e = np.empty(p), np.empty((p, p)), np.empty(V.size), np.empty(y.size)
    square = np.empty((2 * m + 2, most, most))
    rss, logs, more = _solve(V, y, X, table, sizes, values, square, w, e, beta, cov, np.empty((p, p)), np.empty((p + 1, p)))
    trace, quad, cross = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, p, p))
    xwde, gathered, hessian, expected = np.zeros((m, p)), np.zeros(classes), np.empty((m, m)), np.empty((m, m))
    if math.isnan(logs):
        return beta, cov, rss, logs, more, gathered, hessian, expected, cross
    wide, long = np.empty((3 * m + 1, most, p)), np.empty((2 * m, most))
    _add(X, w, table, sizes, first, e, cov, reml, square, wide, long, trace, quad, cross, xwde, gathered)
    scaled = np.empty((m, p, p))
    for a in range(m):
        _times(p, cov, cross[a], scaled[a])
    for a in range(m):
        for c in range(m):
            for r in range(p):
                for s in range(p):
                    quad[a, c] -= xwde[a, r] * cov[r, s] * xwde[c, s]
                    trace[a, c] += scaled[a, r, s] * scaled[c, s, r]
    for a in range(m):
        for c in range(m):
            expected[a, c] = (trace[a, c] + trace[c, a]) / 4
            hessian[a, c] = expected[a, c] - (quad[a, c] + quad[c, a]) / 2
    return beta, cov, rss, logs, more, gathered, hessian, expected, cross
