"""Maximisation by Newton steps inside a trust region, with exact derivatives and simple lower bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from vfmeta.kernels.roots import ConvergenceError

Evaluation = tuple[float, np.ndarray, np.ndarray]


def maximise(
    function: Callable[[np.ndarray], Evaluation],
    start: np.ndarray,
    lower: np.ndarray,
    free: np.ndarray | None = None,
    max_iter: int = 200,
    height: Callable[[np.ndarray], float] | None = None,
) -> tuple[np.ndarray, float]:
    """A local maximum of a smooth function, found to the last digits the function gives.

    Parameters
    ----------
    function : callable
        From u, shape (m,), to value, gradient (m,) and Hessian (m, m); LinAlgError or a value that is not finite marks a
        point outside the domain.
    start : ndarray of shape (m,)
        A point inside the domain.
    lower : ndarray of shape (m,)
        Lower bounds, -inf where there is none.
    free : ndarray of bool, shape (m,), optional
        Which parameters may move.
    height : callable, optional
        The value alone, where that costs less.

    Returns
    -------
    u : ndarray of shape (m,)
    value : float

    Raises
    ------
    ConvergenceError
        No maximum within ``max_iter`` steps; there is no stale answer.

    Notes
    -----
    More & Sorensen 1983, SIAM J Sci Stat Comput 4:553-572. A saddle is left along its direction of positive curvature, so a
    variance that only looks like zero because the parameter is a standard deviation is not taken for a maximum.
    """
    u = np.maximum(np.asarray(start, dtype=float), lower)
    movable = np.ones(len(u), dtype=bool) if free is None else free
    bounded = bool((lower > -np.inf).any())
    value, gradient, hessian = function(u)
    if not math.isfinite(value):
        raise ConvergenceError("The likelihood is not finite at the starting values.")
    radius = 1.0
    for _ in range(max_iter):
        moving = movable
        if bounded:
            # at its bound a parameter stays where the function falls away from it, to first order or, failing that, to second
            falls = (gradient < 0) | ((gradient == 0) & (np.diag(hessian) <= 0))
            moving = movable & ~((u <= lower) & falls)
        if moving.all():
            step, promised, saddle = _step(gradient, hessian, radius)
        elif moving.any():
            step = np.zeros_like(u)
            step[moving], promised, saddle = _step(gradient[moving], hessian[np.ix_(moving, moving)], radius)
        else:
            return u, value
        if promised <= 1e-13 * max(1.0, abs(value)) and not saddle:
            # the last, quadratically convergent step: its gain drowns in rounding, its direction does not
            ended = np.maximum(u + step, lower)
            try:
                last = function(ended)[0] if height is None else height(ended)
            except np.linalg.LinAlgError:
                return u, value
            return (ended, last) if last >= value - 1e-10 * max(1.0, abs(value)) else (u, value)
        trial = np.maximum(u + step, lower)
        if saddle and abs(gradient @ step) <= 1e-9 * promised:
            # either way is up: take the one that the bounds leave open
            other = np.maximum(u - step, lower)
            trial = other if np.linalg.norm(other - u) > np.linalg.norm(trial - u) else trial
        try:
            new_value, new_gradient, new_hessian = function(trial)
        except np.linalg.LinAlgError:
            new_value = -np.inf
        gain = new_value - value
        noise = 1e-12 * max(1.0, abs(value))
        if math.isfinite(new_value) and (
            gain > 1e-4 * promised or (abs(gain) <= noise and promised <= 1e-9 * max(1.0, abs(value)))
        ):
            reached = math.sqrt(step @ step)
            u, value, gradient, hessian = trial, new_value, new_gradient, new_hessian
            if gain > 0.75 * promised and reached > 0.8 * radius:
                radius = min(2 * radius, 100.0)
            elif gain < 0.25 * promised:
                radius = max(0.5 * reached, 1e-9)
        else:
            radius = 0.25 * min(radius, math.sqrt(step @ step))
            if radius < 1e-12:
                break
    raise ConvergenceError(
        f"The likelihood was not maximised within {max_iter} steps; nothing is reported. Simplify the random effects."
    )


def _step(gradient: np.ndarray, hessian: np.ndarray, radius: float) -> tuple[np.ndarray, float, bool]:
    """Maximiser of the quadratic model inside the radius, the gain it promises, and whether the model curves upwards."""
    curvature, axes = np.linalg.eigh(-hessian)
    along = axes.T @ gradient
    top = max(1.0, -float(curvature[0]), float(curvature[-1]))
    if curvature[0] > 1e-11 * top:
        best = along / curvature
        if best @ best <= radius**2:
            return axes @ best, float(along @ best) / 2, False
    # directions in which the likelihood is flat (a correlation of effects without variance) are left alone
    flat = (np.abs(curvature) <= 1e-11 * top) & (np.abs(along) <= 1e-8 * top)
    along = np.where(flat, 0.0, along)
    work = np.where(flat, top, curvature)
    saddle = bool(work.min() < -1e-9 * top)

    def at(shift: float) -> np.ndarray:
        return along / (work + shift)

    if work.min() > 1e-12 * top and math.sqrt(at(0.0) @ at(0.0)) <= radius:
        best = at(0.0)
    else:
        low = max(0.0, -float(work.min()))
        high = low + math.sqrt(along @ along) / radius + 1e-12 * top
        tiny = low + 1e-12 * top
        best = at(tiny)
        if math.sqrt(best @ best) < radius:  # the gradient has nothing along the lowest axis: go along it
            best[np.argmin(work)] += np.sqrt(max(radius**2 - float(best @ best), 0.0)) if saddle else 0.0
        else:
            # 1 / length is all but linear in the shift: Newton's step on it, kept inside a bracket that closes
            low, shift = tiny, tiny
            for _ in range(100):
                best = at(shift)
                length = math.sqrt(best @ best)
                low, high = (shift, high) if length > radius else (low, shift)
                if high - low <= 1e-10 * high or abs(length - radius) <= 1e-12 * radius:
                    break
                shift += (length / radius - 1) * length**2 / float(best @ (best / (work + shift)))
                shift = shift if low < shift < high else (low + high) / 2
    promised = float(along @ best - 0.5 * (curvature * best) @ best)
    return axes @ best, promised, saddle
