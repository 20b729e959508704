"""Profile likelihood interval of tau2 in the models of counts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from vfmeta.core.messages import ConvergenceError
from vfmeta.core.question import Pair
from vfmeta.frequentist.glmm.fit import Fitted, Marginal, Plan, off_zero
from vfmeta.kernels.arrow import STEP, Maximum, maximise

FARTHEST = 20.0  # tau, on a log scale, up to which a limit is sought
SAME = 1e-6  # relative change of a limit with more nodes that counts as none
Profile = Callable[[float], tuple[float, float]]


NO_SPREAD = "tau2 is estimated as 0: the fit is that of a common effect."


def noted_interval(design: Plan, fit: Fitted, common: Fitted, nodes: int | None, level: float, notes: list[str]) -> Pair | None:
    """`tau2_interval`, or None with a note of why it was not found."""
    try:
        return tau2_interval(design, fit, common, nodes, level)
    except ConvergenceError as error:
        notes.append(f"The interval of tau2 was not found ({str(error).rstrip('.')}).")
        return None


def tau2_interval(design: Plan, fit: Fitted, common: Fitted, nodes: int | None, level: float) -> Pair:
    """Values of tau2 that the likelihood ratio does not reject, all other parameters at their best for each.

    Hardy & Thompson 1996, Stat Med 15:619-629, with the likelihood of the counts. The upper limit is infinite where the
    likelihood does not fall that far up to tau = 20, as with studies that have an empty cell each.

    Raises
    ------
    ConvergenceError
        A limit does not settle with more nodes.
    """
    from scipy.special import chdtri

    goal = fit.log_likelihood - float(chdtri(1, 1 - level)) / 2
    counts = design.ladder(True) if nodes is None else (nodes,)
    low = 0.0
    if fit.tau > 0 and common.log_likelihood < goal:
        low = _settled(design, fit, counts, goal, 0.0, fit.tau / 2)
    reach = fit.se_tau if fit.se_tau is not None and math.isfinite(fit.se_tau) else 0.3
    high = _settled(design, fit, counts, goal, math.inf, fit.tau + 2 * min(reach, 1.0))
    return low**2, high**2


def _settled(design: Plan, fit: Fitted, counts: tuple[int, ...], goal: float, outside: float, start: float) -> float:
    """A limit with ever more nodes, until it stays; with one number of nodes, with these."""
    for i, nodes in enumerate(counts):
        profile = _profile(design, nodes, fit)
        if i > 0:
            value, slope = profile(start)
            if abs(value - goal) <= SAME * start * abs(slope):
                return start
        found = _root(profile, fit, goal, outside, start)
        if len(counts) == 1 or math.isinf(found):
            return found
        start = found
    raise ConvergenceError("a limit of tau2 did not settle with more quadrature nodes")


def _profile(design: Plan, nodes: int, fit: Fitted) -> Profile:
    """The profile log likelihood of tau and its slope; each search starts where the last one ended."""
    model = design.random(nodes)
    shared = fit.maximum.phi[: len(design.start) + len(design.spread)]
    at = {"a": fit.maximum.a, "phi": shared}

    def profile(tau: float) -> tuple[float, float]:
        best = held(model, design, tau, at["a"], at["phi"])
        at.update(a=best.a, phi=best.phi)
        # what the other parameters add to the slope vanishes at their best
        slope = model.log_likelihood(best.a, np.append(best.phi, tau + 1j * STEP)).imag.sum() / STEP
        return best.log_likelihood, float(slope)

    return profile


def held(model: Marginal, design: Plan, tau: float, a: np.ndarray, shared: np.ndarray) -> Maximum:
    """The model fitted with tau held, from where the last search ended."""

    def likelihood(a: np.ndarray, phi: np.ndarray) -> np.ndarray:
        return model.log_likelihood(a, np.append(phi, tau))

    def curvature(a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own, cross, inner = model.curvature(a, np.append(phi, tau))
        return own, cross[:, :-1], inner[:-1, :-1]

    start = shared.copy()
    if len(design.spread):
        start[-1] = off_zero(start[-1])
    return maximise(likelihood, a, start, own=design.own is not None, curvature=curvature, rough=True)


def _root(profile: Profile, fit: Fitted, goal: float, outside: float, start: float) -> float:
    """Tau at which the profile falls to ``goal``, between the estimate and ``outside`` (0, or infinity).

    Newton's method on the square root of the drop from the top, nearly a straight line, kept inside a bracket.
    """
    inside, tau = fit.tau, start
    target = math.sqrt(fit.log_likelihood - goal)
    for _ in range(60):
        value, slope = profile(tau)
        if value > goal:
            inside = tau
        else:
            outside = tau
        step = math.nan
        if value < fit.log_likelihood and slope != 0:
            root = math.sqrt(fit.log_likelihood - value)
            step = (root - target) * 2 * root / slope
        new = tau + step
        if abs(step) <= 1e-5 * tau and new > 0:  # the next step would be smaller by as much again
            return new
        if math.isinf(outside):  # not bracketed yet
            if tau >= FARTHEST:
                return math.inf
            new = min(new if tau < new < 3 * tau else 2 * tau, FARTHEST)
        elif not min(inside, outside) < new < max(inside, outside):
            new = (inside + outside) / 2
        tau = new
    raise ConvergenceError("a limit of tau2 was not found")
