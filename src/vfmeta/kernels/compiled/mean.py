"""One weighted mean: what a heterogeneity tau2 leaves of a set of studies.

Everywhere here ``y`` and ``v`` are contiguous arrays of shape (k,), k >= 1, prepared by `gather`: the most precise study
stands first and has y = 0, v is near 1. With W = diag(1 / (v + tau2)), P = W - W 1 1' W / 1'W1; sums about the first study,
and its weight kept apart, cost no digits when one study dominates.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import exact, inlined, lean

EPS = 2.220446049250313e-16
_FEW = 64


@inlined
def pick(index, i):  # type: ignore[no-untyped-def]
    """Element ``i`` of ``index``; an empty one stands for 0, 1, 2, ..."""
    return index[i] if index.size else i


@inlined
def power_of_two(n):  # type: ignore[no-untyped-def]
    """2^n for -1022 <= n <= 1023, from its bits."""
    return np.int64((n + 1023) << 52).view(np.float64)


@inlined
def half_exponent(x):  # type: ignore[no-untyped-def]
    """The n that brings x / 4^n near 1, x > 0."""
    bits = np.float64(x).view(np.int64) >> 52
    return (bits - 1022) // 2 if bits else math.frexp(x)[1] // 2


@inlined
def gather(ys, vs, index, at, n, y, v):  # type: ignore[no-untyped-def]
    """Studies ``index[at:at + n]`` of ``ys``, ``vs`` into ``y``, ``v``, the most precise first, shifted and scaled.

    Returns the shift, and the power of two (exponent) by which ``y`` was divided.
    """
    top, least = 0, np.inf
    for i in range(n):
        study = pick(index, at + i)
        y[i], v[i] = ys[study], vs[study]
        lower = v[i] < least  # no branch: it would be guessed wrong half the time
        top, least = (i if lower else top), (v[i] if lower else least)
    centre = y[top]
    half = half_exponent(least)
    down = power_of_two(-half)
    for i in range(n):
        y[i] = (y[i] - centre) * down
        v[i] = v[i] * down * down
    y[0], y[top] = y[top], y[0]
    v[0], v[top] = v[top], v[0]
    return centre, half


@lean
def moments(y, v, tau2):  # type: ignore[no-untyped-def]
    """1'W1, the mean, y'Py (generalised Q), y'PPy and tr P."""
    k = y.size
    rest, wy = 0.0, 0.0
    for i in range(1, k):
        w = 1.0 / (v[i] + tau2)
        rest += w
        wy += w * y[i]
    w0 = 1.0 / (v[0] + tau2)
    total = w0 + rest
    mean = wy / total
    q, pp, trace = 0.0, 0.0, 0.0
    for i in range(1, k):
        w = 1.0 / (v[i] + tau2)
        r = y[i] - mean
        wr = w * r
        q += wr * r
        pp += wr * wr
        trace += w * (total - w)
    q += w0 * mean * mean
    pp += w0 * mean * (w0 * mean)
    trace += w0 * rest
    return total, mean, q, pp, trace / total


@lean
def squared_weights(v, tau2):  # type: ignore[no-untyped-def]
    """Traces of WW and of PP."""
    top = 1.0 / (v[0] + tau2)
    rest = 0.0
    for i in range(1, v.size):
        rest += 1.0 / (v[i] + tau2)
    total = top + rest
    # tr PP as its diagonal and the squares off it: no difference of large numbers
    two = top * top
    own, pairs = (top * rest / total) ** 2, 0.0
    for i in range(1, v.size):
        w = 1.0 / (v[i] + tau2)
        own += (w * (total - w) / total) ** 2
        pairs += w * w * two
        two += w * w
    return two, own + 2 * pairs / (total * total)


@lean
def log_likelihood(y, v, tau2, restricted):  # type: ignore[no-untyped-def]
    """Log-likelihood, or restricted log-likelihood, at the mean that maximises it, without its constant."""
    total, _, q, _, _ = moments(y, v, tau2)
    out = q
    for i in range(y.size):
        out += math.log(v[i] + tau2)
    if restricted:
        out += math.log(total)
    return -0.5 * out


@lean
def spread(y):  # type: ignore[no-untyped-def]
    """Sum of squares about the plain mean."""
    mean = 0.0
    for i in range(y.size):
        mean += y[i]
    mean /= y.size
    out = 0.0
    for i in range(y.size):
        out += (y[i] - mean) * (y[i] - mean)
    return out


@lean
def user_mean(y, u, a):  # type: ignore[no-untyped-def]
    """Mean and its variance under fixed weights ``a`` for effects of variance ``u``."""
    total, ay, var = 0.0, 0.0, 0.0
    for i in range(y.size):
        total += a[i]
        ay += a[i] * y[i]
        var += a[i] * a[i] * u[i]
    return ay / total, var / (total * total)


@lean
def weighted(y, v, a):  # type: ignore[no-untyped-def]
    """Q_a with fixed weights ``a`` (any order of the studies), tr P_a, and what the sampling variances should add to Q_a."""
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
    return q, slope, noise


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
