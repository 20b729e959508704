"""Sums over many small blocks of dependent effects: what `vfmeta.kernels.dependent` adds up, without a call for each product.

``V`` (b, n, n), ``y`` (b, n), ``X`` (b, n, p) and ``table`` (C, b n n) are those of a `vfmeta.kernels.dependent.Stack`. Arrays
that end in an underscore are scratch or added to.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import inlined, lean

MOST = 24  # effects of a block, above which the library's matrix products are faster


@lean
def cholesky(a_, z_):  # type: ignore[no-untyped-def]
    """The factor of ``a_`` into its lower triangle, its inverse into that of ``z_``; log |a|, NaN where a is not positive."""
    n, logs = a_.shape[0], 0.0
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
def squared(z, out_):  # type: ignore[no-untyped-def]
    """The product z'z of a lower triangle."""
    n = z.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for h in range(i, n):
                total += z[h, i] * z[h, j]
            out_[i, j], out_[j, i] = total, total


@lean
def invert(V, X, y, table, values, square_, w_, info_, score_):  # type: ignore[no-untyped-def]
    """M^-1 of every block into ``w_`` (b, n, n), X'M^-1 X and X'M^-1 y added; sum of log |M|, NaN where one is not positive."""
    logs, n, p = 0.0, V.shape[1], X.shape[2]
    a_, z_ = square_[0], square_[1]
    for b in range(V.shape[0]):
        for i in range(n):
            for j in range(i + 1):
                total = V[b, i, j]
                for c in range(values.size):
                    total += values[c] * table[c, (b * n + i) * n + j]
                a_[i, j] = total
        found = cholesky(a_, z_)
        if math.isnan(found):
            return np.nan
        logs += found
        w = w_[b]
        squared(z_, w)
        for i in range(n):
            for r in range(p):
                total = 0.0
                for j in range(n):
                    total += w[i, j] * X[b, j, r]
                score_[r] += total * y[b, i]
                for s in range(p):
                    info_[s, r] += X[b, i, s] * total
    return logs


@inlined
def _times(a, x, out_):  # type: ignore[no-untyped-def]
    """The product a x of a matrix and a few columns (n, p)."""
    for i in range(a.shape[0]):
        for r in range(x.shape[1]):
            total = 0.0
            for j in range(a.shape[1]):
                total += a[i, j] * x[j, r]
            out_[i, r] = total


@lean
def add_derivatives(  # type: ignore[no-untyped-def]
    X, y, w, table, first, beta, cov, reml, square_, wide_, long_, trace_, quad_, cross_, twice_, xwde_, gathered_
):  # fmt: skip
    """The sums of one stack that `vfmeta.kernels.dependent.derivatives` is made of."""
    m, n, p = first.shape[0], X.shape[1], X.shape[2]
    wx_, e_ = wide_[2 * m], long_[2 * m]
    for b in range(X.shape[0]):
        for i in range(n):
            e_[i] = 0.0
        for j in range(n):
            left = y[b, j]
            for r in range(p):
                left -= X[b, j, r] * beta[r]
            for i in range(n):
                e_[i] += w[b, i, j] * left
        _times(w[b], X[b], wx_)
        for a in range(m):
            d_, wd_, de_, wde_, dwx_ = square_[2 * a], square_[2 * a + 1], long_[2 * a], long_[2 * a + 1], wide_[2 * a]
            for i in range(n):
                for j in range(n):
                    total = 0.0
                    for c in range(first.shape[1]):
                        total += first[a, c] * table[c, (b * n + i) * n + j]
                    d_[i, j] = total
            _times(w[b], d_, wd_)
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += d_[i, j] * e_[j]
                de_[i] = total
                for r in range(p):
                    xwde_[a, r] += total * wx_[i, r]
            for i in range(n):
                total = 0.0
                for j in range(n):
                    total += w[b, i, j] * de_[j]
                wde_[i] = total
            if reml:
                _times(d_, wx_, dwx_)
                _times(w[b], dwx_, wide_[2 * a + 1])
                for i in range(n):
                    for r in range(p):
                        for s in range(p):
                            cross_[a, r, s] += wx_[i, r] * dwx_[i, s]
        for a in range(m):
            for c in range(m):
                wd_, other_, de_, wde_ = square_[2 * a + 1], square_[2 * c + 1], long_[2 * a], long_[2 * c + 1]
                total, product = 0.0, 0.0
                for i in range(n):
                    product += de_[i] * wde_[i]
                    for j in range(n):
                        total += wd_[i, j] * other_[j, i]
                trace_[a, c] += total
                quad_[a, c] += product
                if reml:
                    dwx_, wdwx_ = wide_[2 * a], wide_[2 * c + 1]
                    for i in range(n):
                        for r in range(p):
                            for s in range(p):
                                twice_[a, c, r, s] += dwx_[i, r] * wdwx_[i, s]
        for i in range(n):
            for j in range(n):
                total = e_[i] * e_[j] - w[b, i, j]
                if reml:
                    for r in range(p):
                        for s in range(p):
                            total += wx_[i, r] * cov[r, s] * wx_[j, s]
                for c in range(first.shape[1]):
                    gathered_[c] += 0.5 * total * table[c, (b * n + i) * n + j]


@lean
def residual(X, y, w, beta):  # type: ignore[no-untyped-def]
    """r'M^-1 r of the residuals of one stack."""
    total = 0.0
    for b in range(X.shape[0]):
        for i in range(X.shape[1]):
            left, row = y[b, i], 0.0
            for r in range(X.shape[2]):
                left -= X[b, i, r] * beta[r]
            for j in range(X.shape[1]):
                other = y[b, j]
                for r in range(X.shape[2]):
                    other -= X[b, j, r] * beta[r]
                row += w[b, i, j] * other
            total += left * row
    return total
