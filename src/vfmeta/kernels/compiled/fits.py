"""Whole fits, many in one call: the loops over meta-analyses and over subsets of the studies of one.

Rows of ``out`` follow `COLUMNS`, in the units of the data. Results that cannot be (tau2 of a single study) or that did not
settle are NaN in ``tau2``; nothing else is computed in that row then, but for a single study its own effect.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import compiled
from vfmeta.kernels.compiled.mean import gather, moments, squared_weights, user_mean
from vfmeta.kernels.compiled.tau2 import by_likelihood, by_moments, likelihood_interval, q_root, variance_of_q

COLUMNS = (
    "tau2", "tau2_se", "estimate", "se", "hk_q", "q", "typical_variance", "tau2_low", "tau2_high", "ll_ml", "ll_reml"
)  # fmt: skip
COMMON, DL, DL2, HE, HS, HSK, SJ, PM, PMM, ML, REML, GENQ, FIXED, GENQM = range(14)
PROFILE, LIKELIHOOD, SPREAD_OF_TAU2, PROFILE_LIKELIHOOD = 1, 2, 4, 8  # what beyond the pool is wanted


@compiled
def estimate_tau2(y, v, a, work, method, given, target):  # type: ignore[no-untyped-def]
    """tau2 by the method numbered so; ``a`` holds user weights, ``work`` is scratch of shape (k,)."""
    k = y.size
    if method == COMMON:
        return 0.0
    if method in (FIXED, GENQM):
        return given
    if method in (REML, ML):
        return by_likelihood(y, v, method == REML)
    if method in (PM, PMM):
        return q_root(y, v, target)
    if method == GENQ:
        return max(by_moments(y, v, a), 0.0)
    if method == HE:
        for i in range(k):
            work[i] = 1.0
        return max(by_moments(y, v, work), 0.0)
    if method == SJ:
        mean = 0.0
        for i in range(k):
            mean += y[i]
        mean /= k
        crude = 0.0
        for i in range(k):
            crude += (y[i] - mean) ** 2
        crude /= k
        if crude == 0.0:
            return 0.0
        _, _, q, _, _ = moments(y, v, crude)
        return crude * q / (k - 1)
    if method in (DL, DL2):
        _, _, q, _, trace = moments(y, v, 0.0)
        t = max((q - (k - 1)) / trace, 0.0)
        if method == DL2:
            for i in range(k):
                work[i] = 1.0 / (v[i] + t)
            t = max(by_moments(y, v, work), 0.0)
        return t
    total, _, q, _, _ = moments(y, v, 0.0)
    if method == HS:
        return max((q - k) / total, 0.0)
    if method == HSK:
        return max((q * k / (k - 1) - k) / total, 0.0)
    return np.nan


@compiled
def error_of_tau2(y, v, a, work, method, tau2):  # type: ignore[no-untyped-def]
    """Standard error of tau2: from the information, or from the variance of the Q the method is made of."""
    k = y.size
    if method in (ML, REML, FIXED):
        two, trace = squared_weights(v, tau2)
        return math.sqrt(2.0 / (two if method == ML else trace))
    if method in (PM, PMM):
        total, _, _, _, _ = moments(y, v, tau2)
        return math.sqrt(2.0 * k * k / (k - 1)) / total
    if method in (GENQ, GENQM):
        var, trace = variance_of_q(v, tau2, a)
        return math.sqrt(var) / trace
    first = 0.0  # tau2 at which the weights of the method's Q are taken
    if method == SJ:
        mean = 0.0
        for i in range(k):
            mean += y[i]
        mean /= k
        for i in range(k):
            first += (y[i] - mean) ** 2
        first /= k
    if method == DL2:
        _, _, q, _, trace = moments(y, v, 0.0)
        first = max((q - (k - 1)) / trace, 0.0)
    total = 0.0
    for i in range(k):
        work[i] = 1.0 if method == HE else 1.0 / (v[i] + first)
        total += work[i]
    var, trace = variance_of_q(v, tau2, work)
    if method == SJ:
        return first / (k - 1) * math.sqrt(var)
    if method == HS:
        return math.sqrt(var) / total
    if method == HSK:
        return k / (k - 1) * math.sqrt(var) / total
    return math.sqrt(var) / trace


@compiled
def fit_one(ys, vs, ws, index, n, y_, v_, a_, work_, method, given, target, small, large, drop, wants, out):  # type: ignore[no-untyped-def]
    """Fit studies ``index[:n]``; ``ws`` is empty or holds user weights; names ending in _ are scratch."""
    for c in range(out.size):
        out[c] = np.nan
    centre, half = gather(ys, vs, index, n, y_, v_)
    y, v, a, work = y_[:n], v_[:n], a_[:n], work_[:n]
    if ws.size:
        top = 0
        for i in range(n):
            a[i] = ws[index[i]]
            if vs[index[i]] < vs[index[top]]:
                top = i
        a[0], a[top] = a[top], a[0]
    unit = math.ldexp(1.0, half)
    if n == 1:
        out[2], out[3], out[5] = centre, math.sqrt(v[0]) * unit, 0.0
        return
    tau2 = estimate_tau2(y, v, a, work, method, given / unit / unit, target)
    if math.isnan(tau2):
        return
    total, mean, q0, _, trace0 = moments(y, v, 0.0)
    q = q0
    if tau2 > 0.0:
        total, mean, q, _, _ = moments(y, v, tau2)
    var = 1.0 / total
    if ws.size:
        for i in range(n):
            work[i] = v[i] + tau2
        mean, var = user_mean(y, work, a)
        q = 0.0
        for i in range(n):
            q += (y[i] - mean) ** 2 / (v[i] + tau2)
    out[0], out[2], out[3] = tau2 * unit * unit, centre + mean * unit, math.sqrt(var) * unit
    out[4], out[5], out[6] = q / (n - 1), q0, (n - 1) / trace0 * unit * unit
    if wants & SPREAD_OF_TAU2 and method != COMMON:
        out[1] = error_of_tau2(y, v, a, work, method, tau2) * unit * unit
    if wants & PROFILE and q0 >= small:
        out[7], out[8] = q_root(y, v, large) * unit * unit, q_root(y, v, small) * unit * unit
    if wants & PROFILE_LIKELIHOOD:
        low, high = likelihood_interval(y, v, tau2, drop, method == REML)
        out[7], out[8] = low * unit * unit, high * unit * unit
    if wants & LIKELIHOOD:
        logs = 0.0
        for i in range(n):
            logs += math.log(v[i] + tau2)
        shift = math.log(2 * math.pi) + 2 * half * math.log(2.0)
        out[9] = -0.5 * (n * shift + logs + q)
        out[10] = -0.5 * ((n - 1) * shift - math.log(float(n)) + logs + math.log(total) + q)


@compiled
def fit_ragged(ys, vs, ws, order, start, method, given, target, small, large, drop, wants, low, high, out):  # type: ignore[no-untyped-def]
    """Meta-analyses ``low`` to ``high``; number b is made of the studies ``order[start[b]:start[b + 1]]``."""
    widest = 1
    for b in range(low, high):
        widest = max(widest, start[b + 1] - start[b])
    y, v, a, work = np.empty(widest), np.empty(widest), np.empty(widest), np.empty(widest)
    for b in range(low, high):
        n = start[b + 1] - start[b]
        index, q = order[start[b] :], target[b]
        fit_one(ys, vs, ws, index, n, y, v, a, work, method, given[b], q, small[b], large[b], drop, wants, out[b])


@compiled
def fit_leaving_one_out(ys, vs, ws, method, given, target, small, large, wants, low, high, out):  # type: ignore[no-untyped-def]
    """The meta-analysis without study b, for b from ``low`` to ``high``."""
    k = ys.size
    y, v, a, work, index = np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(k, np.int64)
    for b in range(low, high):
        n = 0
        for i in range(k):
            if i != b:
                index[n] = i
                n += 1
        fit_one(ys, vs, ws, index, n, y, v, a, work, method, given, target[n], small[n], large[n], 0.0, wants, out[b])


@compiled
def fit_cumulating(ys, vs, ws, order, method, given, target, small, large, wants, low, high, out):  # type: ignore[no-untyped-def]
    """The meta-analysis of the first b + 1 studies of ``order``, for b from ``low`` to ``high``."""
    k = ys.size
    y, v, a, work = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    for b in range(low, high):
        n = b + 1
        fit_one(ys, vs, ws, order, n, y, v, a, work, method, given, target[n], small[n], large[n], 0.0, wants, out[b])


@compiled
def fit_subsets(ys, vs, ws, masks, method, given, target, small, large, wants, low, high, out):  # type: ignore[no-untyped-def]
    """The meta-analysis of the studies whose bit is set in ``masks[b]``, for b from ``low`` to ``high``."""
    k = ys.size
    y, v, a, work, index = np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(k, np.int64)
    for b in range(low, high):
        n = 0
        for i in range(k):
            if masks[b] >> i & 1:
                index[n] = i
                n += 1
        fit_one(ys, vs, ws, index, n, y, v, a, work, method, given, target[n], small[n], large[n], 0.0, wants, out[b])
