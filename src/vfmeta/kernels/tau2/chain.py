"""The compiled estimators behind one number each: what the loops of means and of regressions call."""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.compiled.jit import lean
from vfmeta.kernels.compiled.problem import freedom
from vfmeta.kernels.tau2 import generalised_q, hunter_schmidt, likelihood, moments, sidik_jonkman
from vfmeta.kernels.tau2.generalised_q import q_root
from vfmeta.kernels.tau2.hunter_schmidt import by_factor
from vfmeta.kernels.tau2.likelihood import by_likelihood
from vfmeta.kernels.tau2.moments import by_precision, by_weights, precisions
from vfmeta.kernels.tau2.sidik_jonkman import by_crude_variance

BRANCHES = ("common", "given", "DL", "DL2", "HE", "GENQ", "HS", "HSk", "SJ", "PM", "PMM", "ML", "REML", "outside")
COMMON, GIVEN, DL, DL2, HE, GENQ, HS, HSK, SJ, PM, PMM, ML, REML, OUTSIDE = range(14)  # OUTSIDE: given, found by a formula

_moment_error, _hunter_error, _crude_error = moments.error, hunter_schmidt.error, sidik_jonkman.error
_q_error, _likelihood_error = generalised_q.error, likelihood.error


@lean
def estimate_tau2(problem, a, work, method, given, target):  # type: ignore[no-untyped-def]
    """tau2 by the method numbered so; ``a`` (k,) holds user weights, ``work`` is scratch (k,), ``target`` the Q to be met."""
    if method == COMMON:
        return 0.0
    if method in (GIVEN, OUTSIDE):
        return given
    if method in (REML, ML):
        return by_likelihood(problem, method == REML)
    if method in (PM, PMM):
        return q_root(problem, target)
    if method == GENQ:
        return by_weights(problem, a)
    if method == HE:
        work[:] = 1.0
        return by_weights(problem, work)
    if method == SJ:
        return by_crude_variance(problem)
    if method == DL:
        return by_precision(problem)
    if method == DL2:
        precisions(problem, by_precision(problem), work)
        return by_weights(problem, work)
    if method in (HS, HSK):
        return by_factor(problem, problem.v.size / freedom(problem) if method == HSK else 1.0)
    return np.nan


@lean
def error_of_tau2(problem, a, work, method, tau2):  # type: ignore[no-untyped-def]
    """Its standard error: from the information, or from the variance of the Q the method is made of."""
    if method in (ML, REML, GIVEN):
        return _likelihood_error(problem, tau2, method != ML)
    if method in (PM, PMM):
        return _q_error(problem, tau2)
    if method == GENQ:
        return _moment_error(problem, tau2, a)
    if method == SJ:
        return _crude_error(problem, tau2, work)
    if method in (HS, HSK):
        return _hunter_error(problem, tau2, problem.v.size / freedom(problem) if method == HSK else 1.0, work)
    if method == HE:
        work[:] = 1.0
    elif method in (DL, DL2):
        precisions(problem, by_precision(problem) if method == DL2 else 0.0, work)
    else:
        return np.nan
    return _moment_error(problem, tau2, work)
