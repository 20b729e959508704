"""Regression with two variances: one of independent rows, one of effects that many rows share (treatments of one class)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.core.messages import ConvergenceError


@dataclass(frozen=True)
class Classes:
    """What was found.

    ``beta`` (p,) and ``shared`` (q,) are the fixed effects and the best predictors of the shared ones, ``covariance``
    (p + q, p + q) that of their errors given the variances ``tau2`` (rows) and ``omega2`` (shared effects);
    ``variances_covariance`` (2, 2) is that of the variances, by the expected information, NaN of one that is held or 0.
    """

    beta: np.ndarray
    shared: np.ndarray
    covariance: np.ndarray
    tau2: float
    omega2: float
    variances_covariance: np.ndarray
    log_likelihood: float


def fit(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, z: np.ndarray, *, tau2: float | None = None, restricted: bool = True
) -> Classes:
    """Maximum (restricted) likelihood of y ~ N(x beta, diag(v + tau2) + omega2 z z').

    ``tau2`` is held where it is given. The likelihood may have several tops: the search starts from a grid.

    Raises
    ------
    ConvergenceError
        No start led to a top.
    """
    from scipy.optimize import minimize

    unit = float(np.median(v))
    kernel = z @ z.T

    def at(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log likelihood, its slope and the expected information, by tau2 and omega2."""
        V = np.diag(v + theta[0]) + theta[1] * kernel
        inverse = np.linalg.inv(V)
        wx = inverse @ x
        information = x.T @ wx
        P = inverse - wx @ np.linalg.solve(information, wx.T)
        Py = P @ y
        size = len(y) - (x.shape[1] if restricted else 0)
        value = -0.5 * (size * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + y @ Py)
        if restricted:
            value += 0.5 * (np.linalg.slogdet(x.T @ x)[1] - np.linalg.slogdet(information)[1])
        M = P if restricted else inverse
        KP = kernel @ M
        slope = 0.5 * np.array([Py @ Py - np.trace(M), Py @ kernel @ Py - np.trace(KP)])
        expected = 0.5 * np.array([[np.sum(M * M), np.sum(M * KP.T)], [np.sum(M * KP.T), np.sum(KP * KP.T)]])
        return float(value), slope, expected

    free = np.array([tau2 is None, z.shape[1] > 0])

    def objective(part: np.ndarray) -> tuple[float, np.ndarray]:
        theta = np.array([0.0 if tau2 is None else tau2, 0.0])
        theta[free] = part * unit
        value, slope, _ = at(theta)
        return -value, -slope[free] * unit

    best = None
    if free.any():
        for start in ((0.1, 0.1), (1.0, 1.0), (0.01, 3.0), (3.0, 0.01)):
            found = minimize(
                objective, np.array(start)[free], jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * int(free.sum()),
                options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
            )  # fmt: skip
            if np.isfinite(found.fun) and (best is None or found.fun < best.fun - 1e-10):
                best = found
        if best is None:
            raise ConvergenceError("The variances between trials and within classes were not found.")
    theta = np.array([0.0 if tau2 is None else tau2, 0.0])
    if best is not None:
        theta[free] = best.x * unit
    theta = _polished(at, theta, free)
    value, _, expected = at(theta)
    spread = np.full((2, 2), np.nan)
    known = np.flatnonzero(free & (theta > 0))
    if len(known):
        spread[np.ix_(known, known)] = np.linalg.inv(expected[np.ix_(known, known)])
    beta, shared, covariance = _effects(y, v + theta[0], x, z, float(theta[1]))
    return Classes(beta, shared, covariance, float(theta[0]), float(theta[1]), spread, value)


def _polished(at, theta: np.ndarray, free: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """A few steps of scoring, for the last digits; a variance at 0 stays there while the slope points below it."""
    for _ in range(20):
        value, slope, expected = at(theta)
        move = free & ((theta > 0) | (slope > 0))
        if not move.any():
            return theta
        index = np.flatnonzero(move)
        step = np.zeros(2)
        step[index] = np.linalg.solve(expected[np.ix_(index, index)], slope[index])
        new = np.maximum(theta + step, 0.0)
        if at(new)[0] < value - 1e-12 * (1 + abs(value)) or np.abs(new - theta).max() < 1e-13 * (1e-12 + theta.max()):
            return theta
        theta = new
    return theta


def _effects(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, z: np.ndarray, omega2: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fixed effects and predictors of the shared ones with the covariance of their errors (Henderson 1975, Biometrics
    31:423-447), written with omega so that it may be 0.
    """
    omega = np.sqrt(omega2)
    design = np.hstack([x, omega * z])
    p, q = x.shape[1], z.shape[1]
    weighted = design / v[:, None]
    system = design.T @ weighted + np.diag(np.concatenate([np.zeros(p), np.ones(q)]))
    inverse = np.linalg.inv(system)
    found = inverse @ (weighted.T @ y)
    turn = np.concatenate([np.ones(p), np.full(q, omega)])
    return found[:p], omega * found[p:], turn[:, None] * inverse * turn


__all__ = ["Classes", "fit"]
