"""Profile-likelihood intervals of variances and correlations of the random effects."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import confidence
from vfmeta.frequentist.multivariate.likelihood import Problem, pairs
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.frequentist.multivariate.structures import Structure
from vfmeta.frequentist.multivariate.terms import Term
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.results.frames import scaled_components

if TYPE_CHECKING:
    import pandas as pd


def component_intervals(fit: MultivariateResult, level: float | None = None) -> pd.DataFrame:
    """Profile-likelihood intervals of every variance and correlation of a multivariate model.

    How often its tests reject and its intervals hold: ``reports/levels.md#component_intervals``.

    Parameters
    ----------
    fit : MultivariateResult
        Fitted by REML (then the restricted likelihood is profiled) or ML.
    level : float, optional
        Confidence level; the fit's when left out.

    Returns
    -------
    pandas.DataFrame
        term, kind ("variance" or "correlation"), level, estimate, ci_low, ci_high, and ``low_open``, ``high_open``: whether the
        likelihood never falls far enough on that side, so that the limit is the end of the range (zero for a variance, its end
        for a correlation) or infinite; ``scale`` names what the three are on. A
        correlation that is not estimable has no interval, and a component that was held at a given value no row.

    Raises
    ------
    InputError
        A model without random effects.
    ConvergenceError
        The profile could not be followed, or it rises above the fit.

    References
    ----------
    Hardy & Thompson 1996, Stat Med 15:619-629; Venzon & Moolgavkar 1988, Appl Stat 37:87-94.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"trial": ["A", "A", "B", "C", "D"], "y": [-0.5, -0.3, -0.8, -0.1, 0.2], "v": [0.04, 0.05, 0.09, 0.04, 0.06]}
    >>> fit = vf.multivariate(frame, random="1 | trial")
    >>> len(vf.component_intervals(fit))
    1
    """
    import pandas as pd

    if not isinstance(fit, MultivariateResult):
        raise InputError(f"{kind_of(fit, 'A')} was given; give what vf.multivariate returned.")
    if not fit.random:
        raise InputError("The model has no random effects, so there is no variance to put an interval on.")
    level = fit.level if level is None else level
    confidence(level)
    rows = []
    for number, term in enumerate(fit.random):
        shape = fit.problem.terms[number].structure
        for i, value in enumerate(term.variances):
            if term.held[i]:
                continue
            low, high = _variance(fit, number, i, level)
            name = "" if len(term.variances) == 1 else term.levels[i]
            rows.append(
                (term.name, "variance", name, value, low or 0.0, math.inf if high is None else high, low is None, high is None)
            )
        free = shape.kind in ("UN", "GEN")
        names = [f"{a}, {b}" for a, b in pairs(term.levels)] if free else [""]
        for i, rho in enumerate(term.correlations):
            if term.held[len(term.variances) + i]:
                continue
            if rho is None:
                rows.append((term.name, "correlation", names[i], math.nan, math.nan, math.nan, True, True))
                continue
            low, high = _correlation(fit, number, i, level)
            ends = shape.rho_range()
            limits = (ends[0] if low is None else low, ends[1] if high is None else high)
            rows.append((term.name, "correlation", names[i], rho, *limits, low is None, high is None))
    found = pd.DataFrame(rows, columns=["term", "kind", "level", "estimate", "ci_low", "ci_high", "low_open", "high_open"])
    return scaled_components(found, fit.question)


def _variance(fit: MultivariateResult, number: int, i: int, level: float) -> tuple[float | None, float | None]:
    problem = fit.problem
    at = problem.slices[number].start + i
    u = fit.free.copy()
    if problem.terms[number].structure.kind in ("UN", "GEN"):
        u = _positive(u, problem, number)
    u[at] = abs(u[at])
    profile = _Profile(problem, u, at, level)
    low = profile.limit(-1, 0.0)
    high = profile.limit(1, math.inf)
    square = problem.scale**2
    return None if low is None else low**2 * square, None if high is None else high**2 * square


def _correlation(fit: MultivariateResult, number: int, i: int, level: float) -> tuple[float | None, float | None]:
    problem, u = fit.problem, fit.free
    shape = problem.terms[number].structure
    at = problem.slices[number].start + shape.variances
    if shape.kind not in ("UN", "GEN"):
        start = u.copy()
        start[at] = abs(start[at]) if shape.kind == "CAR" else math.asin(math.sin(start[at]))  # the branch the ends lie on
        profile = _Profile(problem, start, at, level)
        ends = shape.angle_ends()
        side = 1 if ends[1] > ends[0] else -1
        low, high = profile.limit(-side, ends[0]), profile.limit(side, ends[1])
        return None if low is None else float(shape.rho(low)), None if high is None else float(shape.rho(high))
    # the pair in question comes first, so that its correlation is the cosine of one angle
    left, right = (int(x[i]) for x in np.triu_indices(shape.q, 1))
    turned, start = _turn(problem, _positive(u.copy(), problem, number), number, right, left)
    profile = _Profile(turned, start, at, level)
    high, low = profile.limit(-1, 0.0), profile.limit(1, math.pi)
    return None if low is None else math.cos(low), None if high is None else math.cos(high)


def _positive(u: np.ndarray, problem: Problem, number: int) -> np.ndarray:
    """The same covariance with standard deviations that are not negative (the angles take up the signs)."""
    from vfmeta.frequentist.multivariate.structures import angles_of

    own = problem.slices[number]
    shape = problem.terms[number].structure
    sd = u[own][: shape.variances]
    if (sd < 0).any():
        sign = np.where(sd < 0, -1.0, 1.0)
        r = shape.correlation_matrix(u[own]) * np.outer(sign, sign)
        u[own] = np.concatenate([np.abs(sd), angles_of(r)])
    return u


def _turn(problem: Problem, u: np.ndarray, number: int, first: int, second: int) -> tuple[Problem, np.ndarray]:
    """The same problem with two levels of a term moved to the front, and the same point in it."""
    from vfmeta.frequentist.multivariate.structures import angles_of

    term: Term = problem.terms[number]
    shape: Structure = term.structure
    order = [first, second, *(j for j in range(shape.q) if j not in (first, second))]
    rank = np.argsort(order)
    basis = (
        replace(term.basis, inner=rank[term.basis.inner])
        if term.basis.slopes is None
        else replace(term.basis, slopes=term.basis.slopes[:, order])
    )
    moved = replace(term, basis=basis, levels=tuple(term.levels[j] for j in order))
    terms = tuple(moved if n == number else t for n, t in enumerate(problem.terms))
    own = problem.slices[number]
    r = shape.correlation_matrix(u[own])[np.ix_(order, order)]
    start = u.copy()
    start[own] = np.concatenate([u[own][: shape.variances][order], angles_of(r)])
    given = list(problem.given)
    if given:
        given[number] = (given[number][0][order], given[number][1])
    return replace(problem, terms=terms, given=tuple(given)), start


class _Profile:
    """Twice the fall of the profiled likelihood below its maximum, less what the level allows, along one parameter."""

    def __init__(self, problem: Problem, u: np.ndarray, at: int, level: float) -> None:
        from scipy.special import chdtri

        self.problem, self.u, self.at = problem, u, at
        self.allowed = float(chdtri(1, 1 - level))
        self.top = problem.value(u)
        self.mask = np.arange(len(u)) != at
        self.known: dict[float, np.ndarray] = {float(u[at]): u}

    def __call__(self, value: float) -> float:
        nearest = min(self.known, key=lambda x: abs(x - value))
        start = self.known[nearest].copy()
        # a variance that sits at zero here need not do so there
        for t, s in zip(self.problem.terms, self.problem.slices, strict=True):
            n = s.start + t.structure.variances
            start[s.start : n] = np.where(np.abs(start[s.start : n]) < 0.01, 0.05, start[s.start : n])
        start[self.at] = value
        if self.mask.any():
            u, found = self.problem.solve(start, self.mask, thorough=False)
        else:
            u, found = start, self.problem.value(start)
        self.known[value] = u
        if found > self.top + 1e-6 * max(1.0, abs(self.top)):
            raise ConvergenceError(
                "The profile rises above the fit: the likelihood has a higher maximum elsewhere. Nothing is reported."
            )
        return 2 * (self.top - found) - self.allowed

    def limit(self, side: int, end: float) -> float | None:
        """Where the fall reaches what is allowed on one side of the estimate; None when it does not before ``end``."""
        from scipy.optimize import brentq

        inside = float(self.u[self.at])
        if inside == end:
            return None
        step = 0.25 * max(abs(inside), 0.2) if math.isinf(end) else (end - inside) * side / 4
        for _ in range(60):
            outside = inside + side * step
            if (outside - end) * side >= -1e-12:
                outside = end
            if self(outside) > 0:
                return float(brentq(self, inside, outside, xtol=1e-13, rtol=1e-11)) if self(inside) < 0 else inside
            if outside == end:
                return None
            inside = outside
            step *= 2 if math.isinf(end) else 1
        return None
