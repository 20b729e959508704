"""Duval and Tweedie's trim and fill: how many studies a funnel lacks on one side, of many meta-analyses in one call."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import compiled
from vfmeta.kernels.compiled.mean import gather, moments, power_of_two
from vfmeta.kernels.compiled.problem import Mean
from vfmeta.kernels.tau2.chain import estimate_tau2

L0, R0, Q0 = range(3)
MOST = 500  # rounds, after which the number of studies goes round in a circle


@compiled
def trim(ys, vs, start, sign, kind, method, given, targets, low, high, order, lacking, raw, centre):  # type: ignore[no-untyped-def]
    """Of meta-analyses ``low`` to ``high``: ``lacking`` (-1: unsettled), the estimate behind it before it is rounded, and the
    centre of the studies left; ``order`` sorts the studies of each towards the side where none lack.

    ``sign`` is 1 where the left lacks studies and -1 where the right does; ``targets`` (most studies + 1,) are the generalised
    Q that equations in it ask for.
    """
    most = 1
    for b in range(low, high):
        most = max(most, start[b + 1] - start[b])
    y, v, size = np.empty(most), np.empty(most), np.empty(most)
    ys_, vs_, a, work, none = np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(0, np.int64)
    for b in range(low, high):
        at, k = start[b], start[b + 1] - start[b]
        for i in range(k):
            y[i] = sign[b] * ys[at + i]
        sorted_ = np.argsort(y[:k], kind="mergesort")
        for i in range(k):
            order[at + i] = at + sorted_[i]
            y[i], v[i] = sign[b] * ys[at + sorted_[i]], vs[at + sorted_[i]]
        gone, lacking[b] = 0, -1
        for _ in range(MOST):
            left = k - gone
            shift, half = gather(y, v, none, 0, left, ys_, vs_)
            unit = power_of_two(half)
            tau2 = 0.0
            if left > 1:
                problem = Mean(ys_[:left], vs_[:left])
                tau2 = estimate_tau2(problem, a[:left], work[:left], method, given / unit / unit, targets[left])
            if math.isnan(tau2):
                break
            _, mean, _, _, _ = moments(ys_[:left], vs_[:left], tau2)
            middle = shift + mean * unit
            rounding = 1e-13 * max(abs(y[0]), abs(y[k - 1]))  # a study so near to the centre lies on neither side
            for i in range(k):
                size[i] = abs(y[i] - middle)
            ranks = np.argsort(size[:k], kind="mergesort")
            above, deepest = 0.0, 0
            for rank in range(k):
                if y[ranks[rank]] - middle > rounding:
                    above += rank + 1
                else:
                    deepest = rank + 1
            if kind == R0:
                found = k - deepest - 1.0
            elif kind == L0:
                found = (4 * above - k * (k + 1)) / (2 * k - 1)
            else:
                found = k - 0.5 - math.sqrt(max(2.0 * k * k - 4 * above + 0.25, 0.0))
                if 2.0 * k * k - 4 * above + 0.25 < 0:
                    found = np.nan
            if math.isnan(found):
                break
            new = max(0, int(np.rint(found)))
            if new == gone:
                lacking[b], raw[b], centre[b] = gone, found, sign[b] * middle
                break
            if new > k - 1:
                break
            gone = new
