"""tau2 at which the generalised Q, y'Py with weights 1 / (v + tau2), equals a target: its expectation, its median, a quantile.

At the quantiles of chi-squared it is the Q-profile interval (Viechtbauer 2007, Stat Med 26:37-52).
"""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.mean import EPS
from vfmeta.kernels.compiled.problem import freedom, sums
from vfmeta.kernels.tau2.estimator import Estimator

METHODS = {
    "PM": Estimator("Paule & Mandel 1982, J Res NBS 87:377-385: the generalised Q equals k - p", "PM"),
    "EB": Estimator("empirical Bayes (Morris 1983, JASA 78:47-55); its equation is Paule and Mandel's", "PM"),
    "DLIT": Estimator(
        "DerSimonian-Laird iterated to its limit, which solves Paule and Mandel's equation (DerSimonian & Kacker 2007)", "PM"
    ),
    "SJIT": Estimator("Sidik-Jonkman iterated to its limit, which solves Paule and Mandel's equation", "PM"),
    "PMM": Estimator(
        "median-unbiased Paule-Mandel: the generalised Q equals the median of its distribution (Viechtbauer 2021)", "PMM"
    ),
}
_TINY = 1e-17  # in units of the smallest variance: a tau2 below is rounding


@lean
def q_root(problem, target):  # type: ignore[no-untyped-def]
    """tau2 >= 0 at which the generalised Q equals ``target``, 0 when it starts below; NaN if it does not settle.

    1 / Q is concave and increasing in tau2 (Cauchy-Schwarz), so Newton's steps on 1 / Q - 1 / target climb from zero to the
    root and never pass it; with equal variances 1 / Q is a line and the first step is the answer.
    """
    t = 0.0
    for _ in range(200):
        _, q, slope, _ = sums(problem, t)
        if q <= target or slope <= 0.0:
            return t
        step = (q - target) / slope * (q / target)
        t += step
        if step <= EPS * t or step < _TINY:
            return t
    return np.nan


@lean
def error(problem, tau2):  # type: ignore[no-untyped-def]
    """By the delta method on the equation, the weights taken as equal (Morris 1983)."""
    k = problem.v.size
    total, _, _, _ = sums(problem, tau2)
    return math.sqrt(2.0 * k * k / freedom(problem)) / total
