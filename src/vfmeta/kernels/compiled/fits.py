"""Whole fits, many in one call: the loops over meta-analyses and over subsets of the studies of one.

``out[:, b]`` follows `COLUMNS`, in the units of the data, the first `BASIC` of them where nothing beyond the pool is wanted.
Results that cannot be (tau2 of a single study) or that did not settle are NaN in ``tau2``; nothing else is computed of that fit
then, but for a single study its own effect.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import inlined, lean
from vfmeta.kernels.compiled.lanes import MOST, SLOTS, WIDTH, fill, fit_lanes, lane, lay, take, weigh_lanes
from vfmeta.kernels.compiled.mean import gather, moments, pick, power_of_two, user_mean
from vfmeta.kernels.compiled.problem import Mean
from vfmeta.kernels.tau2.chain import COMMON, DL, ML, REML, error_of_tau2, estimate_tau2
from vfmeta.kernels.tau2.generalised_q import q_root
from vfmeta.kernels.tau2.likelihood import likelihood_interval

COLUMNS = (
    "tau2", "tau2_se", "estimate", "se", "hk_q", "q", "typical_variance", "tau2_low", "tau2_high", "ll_ml", "ll_reml"
)  # fmt: skip
BASIC = 7
RAGGED, CUMULATIVE, ONE_OUT, SUBSETS = range(4)
PROFILE, LIKELIHOOD, SPREAD_OF_TAU2, PROFILE_LIKELIHOOD = 1, 2, 4, 8  # what beyond the pool is wanted


@inlined
def _basics(found, n, centre, half, b, out):  # type: ignore[no-untyped-def]
    """Fit ``b`` from what was ``found``: tau2, 1'W1, mean, its variance, Q; and Q and tr P at tau2 = 0."""
    tau2, _, mean, var, q, q0, trace0 = found
    if math.isnan(tau2):
        out[:, b] = np.nan
        return
    out[1, b] = np.nan
    for c in range(BASIC, out.shape[0]):
        out[c, b] = np.nan
    unit = power_of_two(half)
    out[0, b], out[2, b], out[3, b] = tau2 * unit * unit, centre + mean * unit, math.sqrt(var) * unit
    out[4, b], out[5, b], out[6, b] = q / (n - 1), q0, (n - 1) / trace0 * unit * unit


@lean
def _more(y, v, a, work, half, found, method, small, large, drop, wants, b, out):  # type: ignore[no-untyped-def]
    """What else is wanted of fit ``b``."""
    n, unit = y.size, power_of_two(half)
    tau2, total, _, _, q, q0, _ = found
    if math.isnan(tau2):
        return
    if wants & SPREAD_OF_TAU2 and method != COMMON:
        out[1, b] = error_of_tau2(Mean(y, v), a, work, method, tau2) * unit * unit
    if wants & PROFILE and q0 >= small:
        out[7, b], out[8, b] = q_root(Mean(y, v), large) * unit * unit, q_root(Mean(y, v), small) * unit * unit
    if wants & PROFILE_LIKELIHOOD:
        low, high = likelihood_interval(Mean(y, v), tau2, drop, method == REML)
        out[7, b], out[8, b] = low * unit * unit, high * unit * unit
    if wants & LIKELIHOOD:
        logs = 0.0
        for i in range(n):
            logs += math.log(v[i] + tau2)
        shift = math.log(2 * math.pi) + 2 * half * math.log(2.0)
        out[9, b] = -0.5 * (n * shift + logs + q)
        out[10, b] = -0.5 * ((n - 1) * shift - math.log(float(n)) + logs + math.log(total) + q)


@lean
def _fit_one(ys, vs, ws, index, at, n, y_, v_, a_, work_, given, method, asked, drop, wants, b, out):  # type: ignore[no-untyped-def]
    """Fit studies ``index[at:at + n]`` as fit ``b``; names ending in _ are scratch."""
    centre, half = gather(ys, vs, index, at, n, y_, v_)
    y, v, a, work = y_[:n], v_[:n], a_[:n], work_[:n]
    unit = power_of_two(half)
    if n == 1:
        out[:, b] = np.nan
        out[2, b], out[3, b], out[5, b] = centre, math.sqrt(v[0]) * unit, 0.0
        return
    if ws.size:
        top = 0
        for i in range(n):
            a[i] = ws[pick(index, at + i)]
            if vs[pick(index, at + i)] < vs[pick(index, at + top)]:
                top = i
        a[0], a[top] = a[top], a[0]
    tau2 = estimate_tau2(Mean(y, v), a, work, method, given / unit / unit, asked[0, n])
    total, mean, q0, _, trace0 = moments(y, v, 0.0)
    q = q0
    if tau2 > 0.0:
        total, mean, q, _, _ = moments(y, v, tau2)
    var, best = 1.0 / total, q
    if ws.size:
        for i in range(n):
            work[i] = v[i] + tau2
        mean, var = user_mean(y, work, a)
        q = 0.0
        for i in range(n):
            q += (y[i] - mean) ** 2 / (v[i] + tau2)
    found = tau2, total, mean, var, q, q0, trace0
    _basics(found, n, centre, half, b, out)
    out[4, b] = best / (n - 1)  # Hartung-Knapp's factor has mean 1 about the weighted mean, not about that of user weights
    if wants:
        _more(y, v, a, work, half, found, method, asked[1, n], asked[2, n], drop, wants, b, out)


@inlined
def _choose(kind, which, start, k, b, index):  # type: ignore[no-untyped-def]
    """Where in ``index`` the studies of fit ``b`` begin, and how many they are; for some kinds they are written there."""
    if kind == RAGGED:
        return start[b], start[b + 1] - start[b]
    if kind == CUMULATIVE:
        return 0, b + 1
    n = 0
    for i in range(k):  # no branch: it would be guessed wrong half the time
        index[n] = i
        n += (i != b) if kind == ONE_OUT else (which[b] >> i & 1)
    return 0, n


def room(k):  # type: ignore[no-untyped-def]
    """What `fit_many` needs to work in, for fits of at most ``k`` studies."""
    wide = min(k, MOST) * WIDTH
    return (
        np.empty(k), np.empty(k), np.empty(k), np.empty(k), np.empty(wide), np.empty(wide), np.empty(SLOTS),
        np.empty(WIDTH), np.empty(WIDTH, np.int64), np.empty(WIDTH, np.int64), np.empty(WIDTH, np.int64), np.empty(k, np.int64),
    )  # fmt: skip


@lean
def fit_many(ys, vs, ws, kind, which, start, rank, given, method, asked, drop, wants, scratch, low, high, out):  # type: ignore[no-untyped-def]
    """Fits ``rank[low]`` to ``rank[high]``, in this order.

    Parameters: effects, variances, user weights or nothing; what the fits are made of:

        RAGGED      studies ``which[start[b]:start[b + 1]]`` for fit b
        CUMULATIVE  the first b + 1 of ``which``
        ONE_OUT     all but study b
        SUBSETS     those whose bit is set in ``which[b]``

    An empty ``rank`` or ``which`` (of the first two) stands for 0, 1, 2, ...; fits of equal size are best neighbours. Then a
    tau2 for all or for each; its method; by number of studies, the Q that the method asks for and those of the limits of
    tau2; the drop of the log-likelihood to its limits; and what is wanted.
    """
    y, v, a, work, y_lanes, v_lanes, s, centre, half, who, counts, index_ = scratch
    index = which if kind in (RAGGED, CUMULATIVE) else index_
    lanes = 0
    for r in range(low, high):
        b = pick(rank, r)
        at, n = _choose(kind, which, start, ys.size, b, index)
        if method not in (REML, ML, DL, COMMON) or ws.size or n == 1 or n > MOST:
            tau2 = given[b if given.size > 1 else 0]
            _fit_one(ys, vs, ws, index, at, n, y, v, a, work, tau2, method, asked, drop, wants, b, out)
        else:
            who[lanes], counts[lanes] = b, n
            centre[lanes], half[lanes] = gather(ys, vs, index, at, n, y, v)
            lay(y, v, n, lanes, y_lanes, v_lanes)
            lanes += 1
        if lanes < WIDTH and (r + 1 < high or lanes == 0):
            continue
        widest = fill(y_lanes, v_lanes, counts, lanes)
        if method in (REML, ML):
            fit_lanes(y_lanes, v_lanes, counts, widest, lanes, method == REML, s, a, work)
        else:
            weigh_lanes(y_lanes, v_lanes, counts, widest, lanes, method == DL, s)
        for j in range(lanes):
            b, n, found = who[j], counts[j], lane(s, j)
            _basics(found, n, centre[j], half[j], b, out)
            if wants:
                take(y_lanes, v_lanes, n, j, y, v)
                _more(y[:n], v[:n], a[:n], work[:n], half[j], found, method, asked[1, n], asked[2, n], drop, wants, b, out)
        lanes = 0
