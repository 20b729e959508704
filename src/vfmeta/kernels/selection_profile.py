"""What else is read off the likelihood of a selection model: profile intervals, and the cut of a truncated distribution."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.selection import Selection, State, orthogonal, select
from vfmeta.kernels.selection_functions import at_cut
from vfmeta.kernels.selection_weights import BETA, NEGEXPPOW, STEP

_WIDENED = 60
_NONE = (math.nan, math.nan)


def profile_limits(found: Selection, index: int, drop: float) -> tuple[float, float]:
    """Where the profile log likelihood of one parameter lies ``drop`` below its maximum.

    Parameters
    ----------
    index : int
        Of the parameter in (beta, tau2 or alpha, delta), as `Selection` numbers them.
    drop : float
        Half the chi-squared quantile.

    Returns
    -------
    tuple of float
        The end of what the parameter may be where the likelihood does not fall so far; NaN for what is not estimated.
    """
    state, p, theta, at = found.state, len(found.beta), found.theta.copy(), index
    first = state.first
    if len(found.alpha) and p <= index < first:
        state, theta = _last(state, theta, index - p)
        at = first - 1
    pr = state.problem
    if pr.family == BETA and pr.edge:  # delta itself, not its distance from the edge
        theta[p + 1 :] += 1 - pr.least / (pr.least + theta[p])
        state = replace(state, problem=pr._replace(edge=False))
    if pr.family == NEGEXPPOW and index >= first:
        return _NONE
    if pr.family == STEP and index >= first:
        column = int(pr.column[index - first])
        if column < 0 or state.reference > 0:
            return _NONE
        at = first + column
    if state.held[at]:
        return _NONE
    held = state.held.copy()
    held[at] = True
    target = found.log_likelihood + len(pr.y) * math.log(state.unit) - drop
    se = math.sqrt(found.covariance[index, index]) if found.covariance[index, index] > 0 else 0.0
    width = se / state.unit if at < p else min(se, 0.5) if at >= first or len(found.alpha) else se / state.unit**2

    def height(value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        trial = start.copy()
        trial[at] = value
        moved, top, _ = state.climb(trial, held)
        return top - target, moved

    def side(sign: float) -> float:
        end = state.upper[at] if sign > 0 else state.lower[at]
        inside, above, here = float(theta[at]), drop, theta
        step = max(width, 1e-3 * (1 + abs(inside)))
        for _ in range(_WIDENED):
            outside = min(inside + step, end) if sign > 0 else max(inside - step, end)
            below, moved = height(outside, here)
            if not below > 0:
                break
            if outside == end:
                return float(end)
            inside, above, here, step = outside, below, moved, 1.6 * step
        else:
            return sign * math.inf
        for turn in range(100):
            if abs(outside - inside) <= 1e-10 * (1e-3 + abs(outside) + abs(inside)):
                break
            share = above / (above - below) if math.isfinite(below) and turn % 3 else 0.5
            middle = inside + min(max(share, 0.01), 0.99) * (outside - inside)
            value, moved = height(middle, here)
            if value > 0:
                inside, above, here = middle, value, moved
            else:
                outside, below = middle, value
        return inside

    limits = [side(-1.0), side(1.0)]
    if at < p:
        return limits[0] * state.unit, limits[1] * state.unit
    if at < first and len(found.alpha):
        size = float(state.triangle[-1, -1])
        return (limits[0] / size, limits[1] / size) if size > 0 else (limits[1] / size, limits[0] / size)
    if at == p:
        return limits[0] * state.unit**2, limits[1] * state.unit**2
    ends = (float(state.lower[at]), float(state.upper[at]))
    turn_back = math.exp if pr.family == STEP else float if pr.family == BETA else math.expm1
    low = 0.0 if limits[0] <= ends[0] else turn_back(limits[0])
    return low, math.inf if limits[1] >= ends[1] else turn_back(limits[1])


def _last(state: State, theta: np.ndarray, j: int) -> tuple[State, np.ndarray]:
    """The same model with one coefficient of log tau2 as the last parameter of the search, up to its unit."""
    pr, p, first = state.problem, state.problem.x.shape[1], state.first
    order = [i for i in range(first - p) if i != j] + [j]
    z = pr.z @ state.triangle
    basis, triangle = orthogonal(z[:, order])
    theta = theta.copy()
    theta[p:first] = triangle @ np.linalg.solve(state.triangle, theta[p:first])[order]
    return replace(state, problem=pr._replace(z=basis), triangle=triangle), theta


def best_cut(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, common: bool = False, z: np.ndarray | None = None
) -> tuple[Selection, float, np.ndarray]:
    """A truncated distribution whose cut is estimated: the fit, the cut, and which effects are below it.

    Between two neighbouring effects the likelihood rises towards the upper one where effects below the cut are seen less often
    (towards the lower one where they are seen more often), so that the cut is at an effect: it is tried at each, on both sides.
    """
    best: tuple[Selection, float, np.ndarray] | None = None
    for value in np.unique(y).tolist():
        for below in (y < value, y <= value):
            try:
                found = select(y, v, x, at_cut(y, value, below), common, z)
            except ConvergenceError:
                continue
            if best is None or found.log_likelihood > best[0].log_likelihood + 1e-10:
                best = found, value, below
    if best is None:
        raise ConvergenceError("At no cut has the likelihood of the truncated distribution a maximum.")
    return best
