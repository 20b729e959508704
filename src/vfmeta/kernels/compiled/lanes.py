"""REML and ML, or weights known at once, for several meta-analyses side by side, one in each lane of the vector registers.

A block holds `WIDTH` lanes: study i of lane j stands at ``y[i * WIDTH + j]``, prepared by `vfmeta.kernels.compiled.mean.gather`
and laid there by `lay`; `fill` makes lanes of fewer studies as wide as the widest, by studies of infinite variance, which weigh
exactly nothing. ``s`` holds some numbers for each lane, from the offsets below. Every lane goes through the same operations in
the same order whatever its neighbours do, so that a result never depends on them: nothing here may be reordered.

With K an orthonormal basis of the contrasts, P(t) = K (K'VK + t I)^-1 K': its eigenvalues other than 0 are 1 / (m_j + t), the
m_j and the eigenvectors staying the same. So

    g(t) = (y'PPy)^-1/2, a power mean of the m_j + t with exponent -2, and h(t) = 1 / tr P, a harmonic mean,

are concave and increasing, and the slope of g falls towards S^-1/2, S the sum of squares about the plain mean. (For ML, 1'W1
stands for tr P.) The score is positive where g^2 < h. Steps solve (tangent of g)^2 = tangent of h, exact for equal variances.
A root t is the only maximum if

    h(0) > (tangent of g at t, taken at 0)^2: h above its chord less g^2 below its tangent is concave, so positive up to t, and
    2 g(t) S^-1/2 > h'(t): then (g + S^-1/2 x)^2 > h + h' x for every x > 0;

and 0 is the maximum if the last holds for all x > 0 from t = 0. Lanes where this proves nothing are left to the scan.
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import exact, inlined
from vfmeta.kernels.compiled.mean import EPS
from vfmeta.kernels.compiled.problem import Mean
from vfmeta.kernels.tau2.likelihood import by_likelihood

WIDTH = 16
MOST = 64  # studies; more of them fill the registers by themselves
_ROUNDS = 30
_SLACK = 1 + 1e-6  # the proof is made one step, the last, beside the root
(
    TAU2, TOTAL, MEAN, Q, TRACE, Q0, TRACE0,
    _S, _LAST, _START, _OPEN, _PROVED, _R, _RY, _R2, _R2Y, _R2YY, _R3, _R3Y, _R3YY, _PP, _TR, _PPP, _TR2, _RYY,
) = (WIDTH * slot for slot in range(25))  # fmt: skip
SLOTS = 25 * WIDTH


@inlined
def lay(y, v, n, lane, ys, vs):  # type: ignore[no-untyped-def]
    """Studies ``y[:n]``, ``v[:n]`` into a lane of a block."""
    for i in range(n):
        ys[i * WIDTH + lane] = y[i]
        vs[i * WIDTH + lane] = v[i]


@exact
def fill(ys, vs, counts, lanes):  # type: ignore[no-untyped-def]
    """Make the lanes equally wide and return how wide."""
    widest = 2
    for j in range(lanes):
        widest = max(widest, counts[j])
    for j in range(lanes):
        for i in range(counts[j], widest):
            ys[i * WIDTH + j], vs[i * WIDTH + j] = 0.0, np.inf
    return widest


@inlined
def take(ys, vs, n, lane, y, v):  # type: ignore[no-untyped-def]
    """The studies of a lane, as they came."""
    for i in range(n):
        y[i], v[i] = ys[i * WIDTH + lane], vs[i * WIDTH + lane]


@inlined
def lane(s, j):  # type: ignore[no-untyped-def]
    """tau2, 1'W1, mean, its variance and Q of a lane after `fit_lanes`; and Q and tr P at tau2 = 0."""
    total = s[TOTAL + j]
    return s[TAU2 + j], total, s[MEAN + j], 1.0 / total, s[Q + j], s[Q0 + j], s[TRACE0 + j]


@exact
def _sums(y, v, widest, lanes, restricted, s):  # type: ignore[no-untyped-def]
    """y'PPy, tr P (or 1'W1), y'PPPy and tr PP (or 1'WW1) at ``s[TAU2]``, from sums about the first study kept apart."""
    for j in range(lanes):
        s[_R + j], s[_RY + j], s[_R2 + j], s[_R2Y + j] = 0.0, 0.0, 0.0, 0.0
        s[_R2YY + j], s[_R3 + j], s[_R3Y + j], s[_R3YY + j] = 0.0, 0.0, 0.0, 0.0
    for i in range(1, widest):
        at = i * WIDTH
        for j in range(lanes):
            w = 1.0 / (v[at + j] + s[TAU2 + j])
            a, ww = w * y[at + j], w * w
            wa = w * a
            s[_R + j] += w
            s[_RY + j] += a
            s[_R2 + j] += ww
            s[_R2Y + j] += wa
            s[_R2YY + j] += a * a
            s[_R3 + j] += w * ww
            s[_R3Y + j] += a * ww
            s[_R3YY + j] += a * wa
    for j in range(lanes):
        top, r, r2, r2y, r3 = 1.0 / (v[j] + s[TAU2 + j]), s[_R + j], s[_R2 + j], s[_R2Y + j], s[_R3 + j]
        total = top + r
        mean = s[_RY + j] / total
        own = top * mean  # less the first study's own P y
        # no difference here costs more than some digits: the first study has the largest weight, and y = 0
        s[_PP + j] = s[_R2YY + j] - mean * (2 * r2y - mean * (r2 + top * top))
        e = r2y - mean * r2
        first = e + own * r
        second = s[_R3YY + j] - mean * (2 * s[_R3Y + j] - mean * r3) + own * (2 * e + own * r)
        s[_PPP + j] = second - first * first / total
        if restricted:
            s[_TR + j] = (2 * top * r + (r * r - r2)) / total
            s[_TR2 + j] = (top * r * (top * r) + 2 * top * top * r2 + r2 * r2) / (total * total) + (r2 - 2 * r3 / total)
        else:
            s[_TR + j] = total
            s[_TR2 + j] = top * top + r2


@exact
def _begin(lanes, s):  # type: ignore[no-untyped-def]
    """From the sums at 0: is that the maximum, is it proved, and where to go if not."""
    for j in range(lanes):
        pp, tr, trtr = s[_PP + j], s[_TR + j], s[_TR2 + j]
        gain = pp / tr - 1.0
        r = s[_PPP + j] / pp
        b = 2.0 * r - pp * trtr / (tr * tr)
        step = 2.0 * gain / (b + math.sqrt(b * b + 4.0 * r * r * gain))
        zero = pp <= tr
        rise = 2.0 / math.sqrt(pp * s[_S + j]) - trtr / (tr * tr) * _SLACK
        proved = (rise >= 0.0) | (rise * rise * s[_S + j] * _SLACK < 4.0 * (1.0 / pp - 1.0 / tr))
        s[TAU2 + j] = 0.0 if zero else step
        s[_LAST + j] = step
        s[_START + j] = tr
        s[_OPEN + j] = 0.0 if zero else 1.0
        s[_PROVED + j] = 1.0 if zero & proved else 0.0


@exact
def _advance(lanes, s):  # type: ignore[no-untyped-def]
    """One step of every lane that has not arrived."""
    for j in range(lanes):
        pp, tr, trtr, t, last = s[_PP + j], s[_TR + j], s[_TR2 + j], s[TAU2 + j], s[_LAST + j]
        gain = pp / tr - 1.0
        r = s[_PPP + j] / pp
        b = 2.0 * r - pp * trtr / (tr * tr)
        step = 2.0 * gain / (b + math.sqrt(b * b + 4.0 * r * r * gain))
        ahead, size = t + step, abs(step)
        going = s[_OPEN + j] > 0.0
        sound = ahead >= 0.0  # not where the square root is none
        # errors go like squares: the next would be size^3 / last^2; or the two sides of the equation agree to rounding
        there = (size * size * size <= EPS * ahead * last * last) | (abs(gain) <= 64 * EPS)
        below = 1.0 - r * t
        left = pp > s[_START + j] * below * below * _SLACK
        right = 4.0 * (tr * tr) * (tr * tr) >= pp * s[_S + j] * (trtr * trtr) * _SLACK
        s[TAU2 + j] = ahead if going else t
        s[_LAST + j] = size
        s[_PROVED + j] = 1.0 if going & sound & there & left & right else (0.0 if going else s[_PROVED + j])
        s[_OPEN + j] = 1.0 if going & sound & (not there) else 0.0


@exact
def _weigh(y, v, widest, lanes, s):  # type: ignore[no-untyped-def]
    """1'W1, the mean, y'Py and tr P at ``s[TAU2]``."""
    for j in range(lanes):
        s[_R + j], s[_RY + j], s[_RYY + j], s[_R2 + j] = 0.0, 0.0, 0.0, 0.0
    for i in range(1, widest):
        at = i * WIDTH
        for j in range(lanes):
            w = 1.0 / (v[at + j] + s[TAU2 + j])
            a = w * y[at + j]
            s[_R + j] += w
            s[_RY + j] += a
            s[_RYY + j] += a * y[at + j]
            s[_R2 + j] += w * w
    for j in range(lanes):
        top, r = 1.0 / (v[j] + s[TAU2 + j]), s[_R + j]
        total = top + r
        mean = s[_RY + j] / total
        s[TOTAL + j], s[MEAN + j] = total, mean
        # the first study's own part, its weight times mean^2, is at least 1 / k of what is taken away
        s[Q + j] = s[_RYY + j] - mean * s[_RY + j]
        s[TRACE + j] = (2 * top * r + (r * r - s[_R2 + j])) / total


@exact
def fit_lanes(y, v, counts, widest, lanes, restricted, s, one, two):  # type: ignore[no-untyped-def]
    """Everything of a pool at the global maximum, into ``s``: `TAU2` (NaN where none was found) to `TRACE0`.

    ``counts`` are the numbers of studies of the first ``lanes``, 2 to `MOST`; ``one`` and ``two`` are scratch for those of
    one lane.
    """
    for j in range(lanes):
        s[TAU2 + j], s[_S + j], s[_RY + j], s[_RYY + j] = 0.0, 0.0, 0.0, 0.0
    for i in range(1, widest):
        at = i * WIDTH
        for j in range(lanes):
            square = y[at + j] * y[at + j]
            s[_S + j] += square
            s[_RY + j] += y[at + j]
            s[_RYY + j] += square / v[at + j]
    for j in range(lanes):
        s[_S + j] -= s[_RY + j] * s[_RY + j] / counts[j]  # no less than 1 / k of the first term: y[0] = 0
    _sums(y, v, widest, lanes, restricted, s)
    for j in range(lanes):
        top, r = 1.0 / v[j], s[_R + j]
        s[Q0 + j] = s[_RYY + j] - s[_RY + j] * s[_RY + j] / (top + r)
        s[TRACE0 + j] = (2 * top * r + (r * r - s[_R2 + j])) / (top + r)
    _begin(lanes, s)
    for _ in range(_ROUNDS):
        waiting = False
        for j in range(lanes):
            waiting |= s[_OPEN + j] > 0.0
        if not waiting:
            break
        _sums(y, v, widest, lanes, restricted, s)
        _advance(lanes, s)
    for j in range(lanes):
        if s[_PROVED + j] == 0.0:
            n = counts[j]
            take(y, v, n, j, one, two)
            s[TAU2 + j] = by_likelihood(Mean(one[:n], two[:n]), restricted)
    _weigh(y, v, widest, lanes, s)


@exact
def weigh_lanes(y, v, counts, widest, lanes, estimated, s):  # type: ignore[no-untyped-def]
    """As `fit_lanes` where nothing is iterated: tau2 by DerSimonian and Laird if ``estimated``, else 0."""
    for j in range(lanes):
        s[TAU2 + j] = 0.0
    _weigh(y, v, widest, lanes, s)
    for j in range(lanes):
        s[Q0 + j], s[TRACE0 + j] = s[Q + j], s[TRACE + j]
    if estimated:
        for j in range(lanes):
            s[TAU2 + j] = max((s[Q0 + j] - (counts[j] - 1)) / s[TRACE0 + j], 0.0)
        _weigh(y, v, widest, lanes, s)
