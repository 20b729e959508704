"""Maximum of a likelihood in which every study has one parameter of its own and a few are shared.

Gradients are exact (complex step: Squire & Trapp 1998, SIAM Rev 40:110-112), second derivatives are differences of gradients
or, on the way to the maximum, what the likelihood offers for them; and because a study's own parameter touches that study
only, all own parameters are perturbed at once: the cost of a step is linear in k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vfmeta.core.messages import ConvergenceError

Likelihood = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: second derivatives at (a, phi): by the own parameters (k,), by own and shared (k, P), by the shared ones (P, P)
Curvature = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
STEP = 1e-30
LED = 30  # steps by a given curvature, before differences of gradients take its place


class _Own(NamedTuple):
    diagonal: np.ndarray
    cross: np.ndarray


@dataclass(frozen=True)
class Maximum:
    """``a`` (k,) and ``phi`` (P,) at the maximum, its log likelihood, and the covariance (P, P) of ``phi`` from the observed
    information with the own parameters profiled out. ``own_information`` holds the parts from which the covariance of ``a``
    is made: its diagonal (k,), and the second derivatives by ``a`` and ``phi`` (k, P).
    """

    a: np.ndarray
    phi: np.ndarray
    log_likelihood: float
    covariance: np.ndarray
    own_information: _Own | None
    iterations: int

    def information_on_own(self) -> np.ndarray:
        """Observed information (k, k) on the own parameters with the shared ones profiled out."""
        if self.own_information is None:
            raise ValueError("The studies have no parameters of their own.")
        diagonal, cross = self.own_information
        shared = -np.linalg.inv(self.covariance) - _over(cross, diagonal).T @ cross  # second derivatives by the shared ones
        return np.diag(diagonal) + cross @ np.linalg.solve(shared, cross.T)


@dataclass(frozen=True)
class _Local:
    """Gradient and second derivatives at a point."""

    g_own: np.ndarray
    g: np.ndarray
    h_own: np.ndarray
    h_cross: np.ndarray
    h: np.ndarray


def maximise(
    likelihood: Likelihood,
    a: np.ndarray,
    phi: np.ndarray,
    *,
    own: bool,
    curvature: Curvature | None = None,
    rough: bool = False,
    steps: int = 200,
    far: float = 40.0,
) -> Maximum:
    """Newton's method with the arrow-shaped second derivative, safeguarded by step halving.

    Parameters
    ----------
    likelihood : callable
        ``(a, phi) -> (k,)`` log likelihood of each study; must take complex arguments.
    a, phi : ndarray of shape (k,) and (P,)
        Where to start. ``a`` is ignored, and not moved, when ``own`` is False.
    own : bool
        Whether every study has a parameter of its own. One that its study says nothing about stays where it starts.
    curvature : callable, optional
        Second derivatives to steer by; near ones serve, as the gradient says where the maximum is. Differences of gradients
        when left out, and for the covariance.
    rough : bool
        Whether about seven digits and the covariance by ``curvature`` will do (a maximum on the way to another one).
    steps : int
        Most Newton steps.
    far : float
        A parameter beyond this absolute value (on a log scale) is taken to have no finite maximum.

    Raises
    ------
    ConvergenceError
        No maximum after ``steps`` steps, or a parameter runs off to infinity.
    """
    a, phi = a.astype(float).copy(), phi.astype(float).copy()
    value, last, least = float(likelihood(a, phi).sum()), np.inf, 1e-13 if rough else 1e-20
    for iteration in range(1, steps + 1):
        # a curvature that does not lead there soon is none for these data
        led = curvature if iteration <= LED else None
        local = _derivatives(likelihood, a, phi, own) if led is None else _steered(likelihood, led, a, phi, own)
        step_a, step, gain = _direction(local, own)
        near = gain < 1e-9 * (1 + abs(value))  # Newton's own ground: the step is right, and its rise is lost in rounding
        size = 1.0 if near else _line_search(likelihood, a, phi, step_a, step, value)
        a, phi = a + size * step_a, phi + size * step
        value = float(likelihood(a, phi).sum())
        reach = max(np.abs(phi).max(initial=0.0), np.abs(a).max(initial=0.0) if own else 0.0)
        if not np.isfinite(reach) or reach > far:
            raise ConvergenceError("The likelihood has no finite maximum: an estimate runs off to infinity.")
        if near and (gain < least * (1 + abs(value)) or gain >= last / 4):
            if not (rough and _bends_down(local, own)):
                local = _derivatives(likelihood, a, phi, own, fine=True)
            return _finish(local, a, phi, value, own, iteration)  # as near as rounding allows
        last = gain if near else np.inf
    raise ConvergenceError(f"The maximum of the likelihood was not reached in {steps} steps.")


def _line_search(
    likelihood: Likelihood, a: np.ndarray, phi: np.ndarray, step_a: np.ndarray, step: np.ndarray, value: float
) -> float:
    """The largest of 1, 1/2, 1/4 ... of the step that does not lower the likelihood."""
    size = 1.0
    for _ in range(60):
        new = float(likelihood(a + size * step_a, phi + size * step).sum())
        if new >= value - 1e-12 * (1 + abs(value)):
            return size
        size /= 2
    raise ConvergenceError("The likelihood could not be raised any further before its gradient vanished.")


def _gradient(likelihood: Likelihood, a: np.ndarray, phi: np.ndarray, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by own parameters (k,) and per study by the shared ones (k, P)."""
    shared = np.empty((len(a), len(phi)))
    for j in range(len(phi)):
        moved = phi.astype(complex)
        moved[j] += 1j * STEP
        shared[:, j] = likelihood(a, moved).imag / STEP
    return (_own_gradient(likelihood, a, phi) if own else np.zeros(len(a))), shared


def _own_gradient(likelihood: Likelihood, a: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return likelihood(a + 1j * STEP, phi).imag / STEP


def _derivatives(likelihood: Likelihood, a: np.ndarray, phi: np.ndarray, own: bool, fine: bool = False) -> _Local:
    """Central differences of the gradient: two points on the way, five (an error of fourth order) for the final covariance."""
    points, weights, width = ((-2, -1, 1, 2), (1, -8, 8, -1), 12e-3) if fine else ((-1, 1), (-1, 1), 2e-4)
    step = 1e-3 if fine else 1e-4
    g_own, g = _gradient(likelihood, a, phi, own)
    p, k = len(phi), len(a)
    h, h_cross, h_own = np.zeros((p, p)), np.zeros((k, p)), np.zeros(k)
    for point, weight in zip(points, weights, strict=True):
        for j in range(p):
            moved = phi.copy()
            moved[j] += point * step
            to_own, to_shared = _gradient(likelihood, a, moved, own)
            h[:, j] += weight * to_shared.sum(axis=0) / width
            h_cross[:, j] += weight * to_own / width
        if own:
            h_own += weight * _own_gradient(likelihood, a + point * step, phi) / width
    return _Local(g_own, g.sum(axis=0), h_own, h_cross, (h + h.T) / 2)


def _steered(likelihood: Likelihood, curvature: Curvature, a: np.ndarray, phi: np.ndarray, own: bool) -> _Local:
    g_own, g = _gradient(likelihood, a, phi, own)
    return _Local(g_own, g.sum(axis=0), *curvature(a, phi))


def _direction(local: _Local, own: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """The Newton step and the rise it promises; directions of wrong or no curvature are turned into uphill ones."""
    if own:
        h_own = -np.maximum(np.abs(local.h_own), 1e-12)
        ratio = local.h_cross / h_own[:, None]
        schur, g = local.h - local.h_cross.T @ ratio, local.g - ratio.T @ local.g_own
    else:
        schur, g = local.h, local.g
    values, vectors = np.linalg.eigh(-schur)
    values = np.maximum(np.abs(values), 1e-8 * max(1.0, np.abs(values).max(initial=0.0)))
    step = vectors @ ((vectors.T @ g) / values)
    step *= min(1.0, 3.0 / max(np.abs(step).max(initial=0.0), 1e-300))
    step_a = -(local.g_own + local.h_cross @ step) / h_own if own else np.zeros(len(local.g_own))
    step_a = np.clip(step_a, -3.0, 3.0)
    return step_a, step, 0.5 * float(abs(step_a @ local.g_own) + abs(step @ local.g))


def _over(cross: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Rows of ``cross`` over ``own``, 0 where a study says nothing about its own parameter."""
    known = np.abs(own) > 1e-12
    return np.where(known[:, None], cross / np.where(known, own, 1.0)[:, None], 0.0)


def _schur(local: _Local, own: bool) -> np.ndarray:
    """Second derivatives by the shared parameters, the own ones profiled out."""
    return local.h - local.h_cross.T @ _over(local.h_cross, local.h_own) if own else local.h


def _bends_down(local: _Local, own: bool) -> bool:
    return bool(np.linalg.eigvalsh(_schur(local, own))[-1] < 0)


def _finish(local: _Local, a: np.ndarray, phi: np.ndarray, value: float, own: bool, iterations: int) -> Maximum:
    if not _bends_down(local, own):
        raise ConvergenceError("The likelihood is flat at its maximum: the parameters are not identified by these data.")
    covariance = np.linalg.inv(-_schur(local, own))
    return Maximum(a, phi, value, covariance, _Own(-local.h_own, local.h_cross) if own else None, iterations)
