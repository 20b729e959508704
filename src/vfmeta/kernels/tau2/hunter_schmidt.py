"""tau2 of Hunter and Schmidt: (Q - k) / sum of 1 / v, biased downwards, and with a factor against that."""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import sums, variance_of_q
from vfmeta.kernels.tau2.estimator import Estimator
from vfmeta.kernels.tau2.moments import precisions

METHODS = {
    "HS": Estimator("Hunter & Schmidt 2004, Methods of Meta-Analysis", "HS"),
    "HSk": Estimator(
        "Hunter & Schmidt with the small-sample factor k / (k - p) (Brannick et al. 2019, Res Synth Methods 10:245-259)", "HSk",

    ),
}  # fmt: skip


@lean
def by_factor(problem, factor):  # type: ignore[no-untyped-def]
    """With Q times ``factor``."""
    total, q, _, _ = sums(problem, 0.0)
    return max((factor * q - problem.v.size) / total, 0.0)


@lean
def error(problem, tau2, factor, work):  # type: ignore[no-untyped-def]
    """Standard error; ``work`` is scratch (k,)."""
    total = precisions(problem, 0.0, work)
    var, _ = variance_of_q(problem, tau2, work)
    return factor * math.sqrt(var) / total
