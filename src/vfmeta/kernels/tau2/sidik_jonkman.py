"""tau2 of Sidik and Jonkman: a crude variance of the effects, then one weighted step; never zero."""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import crude, freedom, sums, variance_of_q
from vfmeta.kernels.tau2.estimator import Estimator
from vfmeta.kernels.tau2.moments import precisions

METHODS = {
    "SJ": Estimator("Sidik & Jonkman 2005, Appl Stat 54:367-384, from the plain variance with denominator k", "SJ"),
}


@lean
def by_crude_variance(problem):  # type: ignore[no-untyped-def]
    """One step from the plain variance; zero where all effects are the same."""
    first = crude(problem)
    if first == 0.0:
        return 0.0
    _, q, _, _ = sums(problem, first)
    return first * q / freedom(problem)


@lean
def error(problem, tau2, work):  # type: ignore[no-untyped-def]
    """Standard error; ``work`` is scratch (k,)."""
    first = crude(problem)
    precisions(problem, first, work)
    var, _ = variance_of_q(problem, tau2, work)
    return first / freedom(problem) * math.sqrt(var)
