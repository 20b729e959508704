"""tau2 by the method of moments: Q_a with fixed weights equals its expectation, tr(P_a V) + tau2 tr P_a.

DerSimonian & Kacker 2007, Contemp Clin Trials 28:105-114; for regressions Jackson, Turner, Rhodes & Viechtbauer 2014, BMC Med
Res Methodol 14:103. The standard error is that of a quadratic form of normal effects.
"""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import freedom, sums, variance_of_q, weighted
from vfmeta.kernels.tau2.estimator import Estimator

METHODS = {
    "DL": Estimator("DerSimonian & Laird 1986, Controlled Clinical Trials 7:177-188", "DL"),
    "DL2": Estimator(
        "two-step DerSimonian-Laird (DerSimonian & Kacker 2007, Contemp Clin Trials 28:105-114)", "DL2"
    ),
    "HE": Estimator("Hedges & Olkin 1985: moments with equal weights", "HE"),
    "GENQ": Estimator(
        "moments with given weights (DerSimonian & Kacker 2007; Jackson 2013, Res Synth Methods 4:220-229)", "GENQ",
        weighted=True,
    ),
}  # fmt: skip


@lean
def by_weights(problem, a):  # type: ignore[no-untyped-def]
    """From Q with the fixed weights ``a``."""
    q, trace, noise = weighted(problem, a)
    return max((q - noise) / trace, 0.0)


@lean
def by_precision(problem):  # type: ignore[no-untyped-def]
    """From Q with the weights 1 / v."""
    _, q, _, trace = sums(problem, 0.0)
    return max((q - freedom(problem)) / trace, 0.0)


@lean
def precisions(problem, tau2, out):  # type: ignore[no-untyped-def]
    """Weights 1 / (v + tau2) into ``out``; their sum."""
    total = 0.0
    for i in range(problem.v.size):
        out[i] = 1.0 / (problem.v[i] + tau2)
        total += out[i]
    return total


@lean
def error(problem, tau2, a):  # type: ignore[no-untyped-def]
    """Standard error under the weights ``a``."""
    var, trace = variance_of_q(problem, tau2, a)
    return math.sqrt(var) / trace
