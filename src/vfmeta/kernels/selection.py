"""Maximum likelihood of weight-function selection models: the highest of all maxima, and what stands at an edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.kernels.regression import fit
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.selection_climb import FOUND, climb, search
from vfmeta.kernels.selection_functions import Curve, Steps
from vfmeta.kernels.selection_likelihood import Problem, evaluate, tau2_of
from vfmeta.kernels.selection_starts import Start, shapes_of, starts_of, to_search
from vfmeta.kernels.selection_weights import BETA, HALFNORMAL, LOGISTIC, NEGEXP, NEGEXPPOW, POWER, STEP

FAMILIES = {
    "beta": BETA, "half-normal": HALFNORMAL, "negative exponential": NEGEXP, "negative exponential power": NEGEXPPOW,
    "logistic": LOGISTIC, "power": POWER,
}  # fmt: skip
_NONE = np.empty((0, 0))
FAR = 20.0  # spans of the data: a mean, or an SD, so far away is a likelihood that rises without end
HIGHEST_LOG = 60.0  # log of a weight that is infinite for every purpose
NO_MAXIMUM = (
    "The likelihood of the selection model has no maximum: it rises on and on as the mean, and the heterogeneity with it, "
    "leave the data behind. Hold the heterogeneity at 0, give the weights (delta=), or choose a function with fewer parameters."
)
_GONE = 1e-9  # a tau2 below this share of the smallest variance is zero for every purpose
NO_SPREAD = (
    "The likelihood of the selection model is highest where tau2 is zero, for all studies or for some: there is no "
    "heterogeneity whose size could go with the moderators. Leave them out (scale=)."
)


@dataclass(frozen=True)
class Selection:
    """The highest maximum. ``delta`` (q,) are all weights of a step function, or the parameters of a curve.

    ``covariance`` (p + 1 + q, p + 1 + q) is that of (beta, tau2, delta) from the observed information, NaN for what stands at
    an edge, which ``edges`` numbers in the same order. Where log tau2 has coefficients, they are ``alpha`` (s,) and stand in
    the place of tau2, which then is one a study (k,). ``limit`` is the power of p that a negative exponential power function
    tends to where its deltas are infinite. ``others`` are log likelihoods of lower maxima, ``beyond`` is what it reaches where
    it rises without end (-inf: nowhere). ``theta`` and ``state`` are for further climbs.
    """

    beta: np.ndarray
    tau2: Any
    alpha: np.ndarray
    delta: np.ndarray
    covariance: np.ndarray
    log_likelihood: float
    estimated: int
    edges: tuple[int, ...]
    beyond: float
    limit: float
    others: tuple[float, ...]
    theta: np.ndarray
    state: State


@dataclass(frozen=True)
class State:
    """What a further climb needs: the problem in its own units, bounds and what is held."""

    problem: Problem
    unit: float
    lower: np.ndarray
    upper: np.ndarray
    held: np.ndarray
    far: float
    reference: int
    triangle: np.ndarray  # from the moderators of log tau2 as given to those of the search

    @property
    def first(self) -> int:
        """The place of the first parameter of the weights."""
        return self.problem.x.shape[1] + max(self.problem.z.shape[1], 1)

    def climb(self, theta: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, float, int]:
        theta = theta.copy()
        none = np.empty((0, len(theta))), np.empty(0)
        value, end = climb(self.problem, theta, self.lower, self.upper, held, self.far, -math.inf, *none)
        return theta, value, end


def select(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, model: Steps | Curve, common: bool = False, z: np.ndarray | None = None
) -> Selection:
    """Fit a selection model whose favoured effects are the large ones.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
    x : ndarray of shape (k, p)
    model : Steps or Curve
    common : bool
        Hold tau2 at 0.
    z : ndarray of shape (k, s), optional
        Design of log tau2.

    Notes
    -----
    Newton steps with exact derivatives from many starts; with and without heterogeneity, since a likelihood may have one
    maximum inside and a higher one at tau2 = 0. Iyengar & Greenhouse 1988 (Stat Sci 3:109-135), Vevea & Hedges 1995
    (Psychometrika 60:419-435), Citkowicz & Vevea 2017 (Psychol Methods 22:28-41), Preston, Ashby & Smyth 2004 (Stat Med
    23:2031-2048), Rust, Lehmann & Farley 1990 (J Mark Res 27:220-226).
    """
    state, starts = prepared(y, v, x, model, common, z)
    best, value, others, beyond = _highest(state, starts)
    if isinstance(model, Curve) and not state.problem.truncated:
        best, value, state = _refined(state, best, value)
    if z is not None:
        _refuse_no_spread(state, best, value, model)
    return _selection(state, best, value, others, beyond, x.shape[1])


def prepared(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, model: Steps | Curve, common: bool, z: np.ndarray | None = None
) -> tuple[State, np.ndarray]:
    """The problem in units of the typical standard error, and points to climb from."""
    unit = math.sqrt(float(np.median(v)))
    plain = fit(y, v, x, "common" if common else "ML", "Wald")
    beta, tau2 = plain.beta / unit, plain.tau2 / unit**2
    p, ys, vs = x.shape[1], y / unit, v / unit**2
    empty: dict[str, Any] = {
        "bounds": _NONE, "which": np.empty(0, dtype=np.int64), "base": np.empty(0), "column": np.empty(0, dtype=np.int64),
        "own": np.empty(0, dtype=np.int64), "logs": _NONE, "grid": _NONE, "step": 1.0, "truncated": False, "nodes": _NONE,
        "ends": np.empty(0), "end_logs": _NONE, "edge": False, "least": float(vs.min()), "z": np.empty((len(y), 0)),
        "offset": -2 * math.log(unit),
    }  # fmt: skip
    triangle = np.eye(1)
    if z is not None:
        empty["z"], triangle = orthogonal(z)
    reference = 0
    if isinstance(model, Steps):
        own, q, reference, base, column = _weights(model)
        shapes: list[Start] = [((0.0,) * q, size, shift) for size in range(3) for shift in (0, 1)]
        low, high = np.full(q, -HIGHEST_LOG), np.full(q, HIGHEST_LOG)
        empty |= {
            "bounds": np.ascontiguousarray(model.bounds / unit), "which": np.asarray(model.which, dtype=np.int64), "base": base,
            "column": column, "own": own,
        }  # fmt: skip
        family = STEP
    else:
        family = FAMILIES[model.family]
        empty |= _curve(model, ys / np.sqrt(vs), family)
        if z is not None:
            empty["edge"] = False
        shapes, low, high = shapes_of(family, ys / np.sqrt(vs))
        q = len(low)
    problem = Problem(family=family, y=ys, v=vs, x=np.ascontiguousarray(x), **empty)
    t = triangle.shape[1]
    held = np.zeros(p + t + q, dtype=bool)
    held[p] = common
    if isinstance(model, Curve) and model.fixed is not None:
        shapes = [(tuple(to_search(family, model.fixed)), size, shift) for size in range(3) for shift in (0, 1)]
        held[p + t :] = True
        problem = problem._replace(edge=False)
    span = float(np.ptp(ys)) + math.sqrt(float(vs.max()))
    least = [0.0] if z is None else [-np.inf] * t
    bounds = np.concatenate([np.full(p, -np.inf), least, low]), np.concatenate([np.full(p + t, np.inf), high])
    far = FAR * max(span, float(np.abs(beta).max()))
    state = State(problem, unit, *bounds, held, far, reference, triangle)
    return state, starts_of(ys, vs, x, beta, tau2, shapes, common, problem.z, problem.offset)


def orthogonal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns at right angles with a mean square of 1, and what makes those of ``z`` of them."""
    basis, triangle = np.linalg.qr(np.asarray(z, dtype=float))
    size = math.sqrt(len(z))
    return np.ascontiguousarray(basis * size), triangle / size


def _refuse_no_spread(state: State, theta: np.ndarray, value: float, model: Steps | Curve) -> None:
    """Refuse a log tau2 that goes to minus infinity, or a common effect that is as likely."""
    pr = state.problem
    tau2 = min(tau2_of(pr, theta, i) for i in range(len(pr.y)))
    if tau2 > _GONE * pr.v.min():
        try:
            none = select(pr.y, pr.v, pr.x, _in_units(model, state.unit), common=True).log_likelihood
        except ConvergenceError:
            return
        if none < value + 1e-8:
            return
    raise ConvergenceError(NO_SPREAD)


def _in_units(model: Steps | Curve, unit: float) -> Steps | Curve:
    return replace(model, bounds=model.bounds / unit) if isinstance(model, Steps) else model


def _weights(model: Steps) -> tuple[np.ndarray, int, int, np.ndarray, np.ndarray]:
    """Own weights, how many are estimated, which is the one that others are held against, base and columns."""
    own = np.asarray(model.own, dtype=np.int64)
    if model.fixed is not None:
        return own, 0, 0, np.asarray(model.fixed, dtype=float), np.full(len(model.fixed), -1, dtype=np.int64)
    seen = np.bincount(own, minlength=int(model.which.max()) + 1) > 0
    reference = int(np.argmax(seen))
    free = seen.copy()
    free[reference] = False
    column = np.where(free, np.cumsum(free) - 1, -1).astype(np.int64)
    return own, int(free.sum()), reference, seen.astype(float), column


def _curve(model: Curve, z: np.ndarray, family: int) -> dict[str, Any]:
    from scipy.special import log_ndtr, ndtri

    def logs(at: np.ndarray) -> np.ndarray:
        return np.column_stack([log_ndtr(-at), log_ndtr(at), np.exp(log_ndtr(-at))])

    if model.ends is None:
        step = 0.5 if family == BETA else 0.25
        return {"logs": logs(z), "grid": _grid(step), "step": step, "edge": family == BETA}
    right, left = -ndtri(model.ends[0]), -ndtri(model.ends[1])
    panels = max(2, math.ceil(2 * (right - left)))
    node, weight = np.polynomial.legendre.leggauss(10)
    edges = np.linspace(left, right, panels + 1)
    half = np.diff(edges)[:, None] / 2
    at, w = (edges[:-1, None] + half * (1 + node)).ravel(), (half * weight).ravel()
    ends = np.array([left, right])
    return {
        "logs": logs(np.clip(z, left, right)), "truncated": True, "nodes": np.column_stack([at, w, logs(at)]), "ends": ends,
        "end_logs": logs(ends),
    }  # fmt: skip


def _grid(step: float) -> np.ndarray:
    from scipy.special import log_ndtr

    half = math.ceil(25 / step)
    z = step * np.arange(-half, half + 1)
    return np.column_stack([log_ndtr(-z), log_ndtr(z)])


def _highest(state: State, starts: np.ndarray) -> tuple[np.ndarray, float, tuple[float, ...], float]:
    """The highest maximum, its height, lower ones, and the height of a likelihood that rises without end (-inf: none)."""
    p = state.problem.x.shape[1]
    if state.problem.edge:
        starts = starts.copy()
        edge = 1 - state.problem.least / (state.problem.least + starts[:, p])
        starts[:, p + 1 :] = np.maximum(starts[:, p + 1 :] - edge[:, None], 0.05)
    values, ends = search(state.problem, starts, state.lower, state.upper, state.held, state.far)
    values = np.where(np.isfinite(values), values, -np.inf)
    settled = np.flatnonzero(ends == FOUND)
    runaway = float(values[ends != FOUND].max(initial=-np.inf))
    if not len(settled):
        raise ConvergenceError(NO_MAXIMUM)
    order = settled[np.argsort(-values[settled])]
    at, others = int(order[0]), list[float]()
    for i in order.tolist():
        if all(abs(values[i] - o) > 1e-6 for o in [values[at], *others]):
            others.append(float(values[i]))
    return starts[at], float(values[at]), tuple(others), runaway


def _refined(state: State, theta: np.ndarray, value: float) -> tuple[np.ndarray, float, State]:
    """The maximum at half the step of the quadrature, until halving it changes nothing."""
    for _ in range(6):
        step = state.problem.step / 2
        state = replace(state, problem=state.problem._replace(step=step, grid=_grid(step)))
        theta, new, _ = state.climb(theta, state.held)
        if abs(new - value) < 1e-11 * (1 + abs(new)):
            return theta, new, state
        value = new
    if not math.isfinite(value):
        raise ConvergenceError(NO_MAXIMUM)
    return theta, value, state


def _selection(state: State, theta: np.ndarray, value: float, others: tuple[float, ...], beyond: float, p: int) -> Selection:
    """Everything back in the units of the data."""
    pr, unit = state.problem, state.unit
    delta, _, limit = _back(state, theta, p)
    first, k = state.first, len(pr.y)
    edge = (theta <= state.lower) | (theta >= state.upper)
    edges = [j for j in range(first) if edge[j] and not state.held[j]]
    edges += [first + j for j in range(len(delta)) if _at_edge(state, edge, j, first, delta)]
    shift = k * math.log(unit)
    alpha = np.empty(0)
    tau2: Any = float(theta[p]) * unit**2
    if pr.z.shape[1]:
        alpha = np.linalg.solve(state.triangle, theta[p:first])
        tau2 = np.array([tau2_of(pr, theta, i) for i in range(k)]) * unit**2
    return Selection(
        theta[:p] * unit, tau2, alpha, delta, covariance(state, theta, p), value - shift,
        int((~state.held).sum()), tuple(edges), beyond - shift, limit, tuple(o - shift for o in others), theta, state,
    )  # fmt: skip


def covariance(state: State, theta: np.ndarray, p: int, cluster: np.ndarray | None = None) -> np.ndarray:
    """Covariance of (beta, tau2 or alpha, delta), NaN for what stands at an edge or is held, which is taken as known.

    From the observed information; with ``cluster`` (k,), codes of groups of dependent effects, the sandwich of it around the
    scores of the groups, times G / (G - 1).
    """
    size = len(theta)
    gradient, hessian = np.empty(size), np.empty((size, size))
    evaluate(state.problem, theta, gradient, hessian)
    inside = ~((theta <= state.lower) | (theta >= state.upper) | state.held)
    found = np.full((size, size), np.nan)
    if inside.any():
        info = -hessian[np.ix_(inside, inside)]
        scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(info)), 1e-300))
        if np.linalg.eigvalsh(info * np.outer(scale, scale))[0] > 1e-10:
            bread = np.linalg.inv(info * np.outer(scale, scale)) * np.outer(scale, scale)
            if cluster is not None:
                scores = np.array([_score(state, theta, cluster == c)[inside] for c in np.unique(cluster)])
                bread = bread @ (scores.T @ scores) @ bread * len(scores) / (len(scores) - 1)
            found[np.ix_(inside, inside)] = bread
    delta, back, _ = _back(state, theta, p)
    first = state.first
    jac = np.zeros((first + len(delta), size))
    jac[:p, :p] = np.eye(p) * state.unit
    jac[p:first, p:first] = np.linalg.inv(state.triangle) if state.problem.z.shape[1] else state.unit**2
    jac[first:] = back
    rests = jac != 0
    rests[first:, p] = False  # the edge of a beta function moves with tau2, which at its own edge is taken as known
    out = jac @ np.nan_to_num(found) @ jac.T
    lost = (rests @ np.isnan(np.diag(found))) | ~rests.any(axis=1)
    out[lost, :] = out[:, lost] = np.nan
    return out


def _score(state: State, theta: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Gradient of the log likelihood of some of the studies."""
    pr, size = state.problem, len(theta)
    own = {name: getattr(pr, name)[chosen] for name in ("y", "v", "x", "z", "bounds", "own", "logs") if len(getattr(pr, name))}
    gradient = np.empty(size)
    evaluate(pr._replace(**own), theta, gradient, np.empty((size, size)))
    return gradient


def _at_edge(state: State, edge: np.ndarray, j: int, first: int, delta: np.ndarray) -> bool:
    pr = state.problem
    if pr.family == STEP:
        return not 0 < delta[j] < np.inf
    return bool(edge[first + j] and not state.held[first + j])


def _back(state: State, theta: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Delta as people read it, its derivatives by the parameters of the search (q, m), and the limiting power of p."""
    pr, first, size = state.problem, state.first, len(theta)
    u = theta[first:]
    if pr.family == STEP:
        weights = pr.base.copy()
        jac = np.zeros((len(weights), size))
        for j, c in enumerate(pr.column.tolist()):
            if c >= 0:
                weights[j] = math.exp(u[c])
                jac[j, first + c] = weights[j]
        if state.reference > 0:  # nothing fell where the weight is 1
            with np.errstate(divide="ignore", invalid="ignore"):
                weights = np.where(weights > 0, np.inf, np.nan)
            weights[0] = 1.0
            jac[:] = 0.0
        return weights, jac, math.nan
    q = len(u)
    jac = np.zeros((q, size))
    if pr.family == BETA:
        tau2 = theta[p]
        jac[:, first:] = np.eye(2)
        if pr.edge:
            jac[:, p] = pr.least / (pr.least + tau2) ** 2
            u = u + 1 - pr.least / (pr.least + tau2)
        return u.copy(), jac, math.nan
    d = np.expm1(u)
    if pr.family == NEGEXPPOW:
        if d[1] == 0:
            return np.array([np.inf, np.inf]), jac, float(-d[0])
        found = np.array([d[0] / d[1], 1 / d[1]])
        jac[:, first:] = np.array([[1 / d[1], -d[0] / d[1] ** 2], [0.0, -1 / d[1] ** 2]]) * (1 + d)
        return found, jac, math.nan
    if d[0] >= 1e10:
        d = np.array([np.inf])
    jac[0, first] = 1 + d[0] if np.isfinite(d[0]) else 0.0
    return d, jac, math.nan
