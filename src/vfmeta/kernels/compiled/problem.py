"""The two shapes of one normal regression: a mean, or any design. What an estimator of tau2 asks of either is named here.

An estimator is written once, in terms of these functions, and compiled for both: a mean (p = 1) by the sums of
`vfmeta.kernels.compiled.mean`, a design by the least squares of `vfmeta.kernels.compiled.design`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.extending import overload

from vfmeta.kernels.compiled import design, mean
from vfmeta.kernels.compiled.jit import EXACT, LEAN


class Mean(NamedTuple):
    """Studies prepared by `mean.gather`: ``y`` and ``v`` (k,)."""

    y: Any
    v: Any


class Design(NamedTuple):
    """``y`` (k,) residuals of a first fit, ``whole`` the effects themselves, ``v``, the basis ``q`` (k, p), scratch ``s``."""

    y: Any
    whole: Any
    v: Any
    q: Any
    s: Any


def freedom(problem):  # type: ignore[no-untyped-def]
    """Degrees of freedom k - p."""


def sums(problem, tau2):  # type: ignore[no-untyped-def]
    """Sum of the weights, y'Py (the generalised Q), y'PPy and tr P."""


def weighted(problem, a):  # type: ignore[no-untyped-def]
    """Q_a with fixed weights ``a``, tr P_a, and what the sampling variances are expected to add to Q_a."""


def variance_of_q(problem, tau2, a):  # type: ignore[no-untyped-def]
    """Var(Q_a) under v + tau2, and tr P_a."""


def squared_weights(problem, tau2):  # type: ignore[no-untyped-def]
    """Traces of WW and of PP."""


def score(problem, tau2, restricted):  # type: ignore[no-untyped-def]
    """The two sides of the likelihood equation, y'PPy and tr P (or the sum of the weights)."""


def log_likelihood(problem, tau2, restricted):  # type: ignore[no-untyped-def]
    """(Restricted) log-likelihood without its constant."""


def spread(problem):  # type: ignore[no-untyped-def]
    """Residual sum of squares with equal weights."""


def crude(problem):  # type: ignore[no-untyped-def]
    """Plain variance of the effects, denominator k."""


def _of_mean(problem: Any) -> bool:
    return problem.instance_class is Mean


@overload(freedom, jit_options=LEAN)
def _freedom(problem):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem: problem.y.size - 1
    return lambda problem: problem.y.size - problem.q.shape[1]


@overload(sums, jit_options=LEAN)
def _sums(problem, tau2):  # type: ignore[no-untyped-def]
    if not _of_mean(problem):
        return lambda problem, tau2: design.moments(problem.y, problem.v, problem.q, problem.s, tau2)

    def own(problem, tau2):  # type: ignore[no-untyped-def]
        total, _, q, pp, trace = mean.moments(problem.y, problem.v, tau2)
        return total, q, pp, trace

    return own


@overload(weighted, jit_options=LEAN)
def _weighted(problem, a):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem, a: mean.weighted(problem.y, problem.v, a)
    return lambda problem, a: design.weighted(problem.y, problem.v, a, problem.q, problem.s)


@overload(variance_of_q, jit_options=LEAN)
def _variance_of_q(problem, tau2, a):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem, tau2, a: mean.variance_of_q(problem.v, tau2, a)
    return lambda problem, tau2, a: design.variance_of_q(problem.y, problem.v, tau2, a, problem.q, problem.s)


@overload(squared_weights, jit_options=LEAN)
def _squared_weights(problem, tau2):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem, tau2: mean.squared_weights(problem.v, tau2)
    return lambda problem, tau2: design.squared_weights(problem.y, problem.v, tau2, problem.q, problem.s)


@overload(score, jit_options=EXACT)
def _score(problem, tau2, restricted):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem, tau2, restricted: mean.score(problem.y, problem.v, tau2, restricted)

    def own(problem, tau2, restricted):  # type: ignore[no-untyped-def]
        total, _, pp, trace = design.moments(problem.y, problem.v, problem.q, problem.s, tau2)
        return pp, trace if restricted else total

    return own


@overload(log_likelihood, jit_options=LEAN)
def _log_likelihood(problem, tau2, restricted):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem, tau2, restricted: mean.log_likelihood(problem.y, problem.v, tau2, restricted)
    return lambda problem, tau2, restricted: design.log_likelihood(problem.y, problem.v, tau2, restricted, problem.q, problem.s)


@overload(spread, jit_options=LEAN)
def _spread(problem):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem: mean.spread(problem.y)
    return lambda problem: design.spread(problem.y, problem.q, problem.s)


@overload(crude, jit_options=LEAN)
def _crude(problem):  # type: ignore[no-untyped-def]
    if _of_mean(problem):
        return lambda problem: mean.spread(problem.y) / problem.y.size
    return lambda problem: mean.spread(problem.whole) / problem.whole.size
