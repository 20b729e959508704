"""Degrees of freedom of the coefficients of a multivariate model: Satterthwaite's, and by containment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vfmeta.frequentist.multivariate.likelihood import Problem
from vfmeta.kernels.stacks import Curve

_LINEAR = ("intercept", "ID", "DIAG", "GDIAG")  # every class value is a variance, or 0
_CLASSES = ("CS", "UN", "GEN")  # the class values are the covariances themselves, each of its own


@dataclass(frozen=True)
class Spread:
    """How uncertain the covariance of the coefficients is.

    ``covariance`` (p, p) is that of the coefficients, ``slopes`` (m, p, p) its derivatives in the m estimated variances and
    covariances of the random effects, and ``uncertainty`` (m, m) the inverse of the expected information on these.
    """

    covariance: np.ndarray
    slopes: np.ndarray
    uncertainty: np.ndarray

    def degrees(self, rows: np.ndarray) -> np.ndarray:
        """Satterthwaite's degrees of freedom of ``rows`` (m, p) times the coefficients, infinite where nothing is estimated.

        Twice the squared variance of a contrast over the variance of its estimate (Giesbrecht & Burns 1985, Biometrics
        41:477-486), which of one contrast is what Kenward & Roger 1997 (Biometrics 53:983-997) come to.
        """
        slopes = ((rows @ self.slopes) * rows).sum(axis=-1)
        variance = ((rows @ self.covariance) * rows).sum(axis=-1)
        spread = (slopes * (self.uncertainty @ slopes)).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 1e-12 * variance**2, 2 * variance**2 / spread, math.inf)

    def joint(self, rows: np.ndarray) -> float:
        """Denominator degrees of freedom of the F test that all of ``rows`` (m, p) times the coefficients are 0.

        Of F as a mean of squared t statistics along the principal axes of their covariance (Fai & Cornelius 1996, J Stat Comput
        Simul 54:363-378).
        """
        _, turned = np.linalg.eigh(rows @ self.covariance @ rows.T)
        own = self.degrees(turned.T @ rows)
        if np.isinf(own).all() or np.ptp(own) < 1e-8 * own.min():
            return float(own[0])
        if own.min() <= 2:
            return float(min(2.0, own.min()))
        mean = float(np.where(np.isinf(own), 1.0, own / (own - 2)).sum())
        return 2 * mean / (mean - len(own))


def spread(problem: Problem, u: np.ndarray, cov: np.ndarray) -> Spread | None:
    """How uncertain the covariance ``cov`` (p, p) of the coefficients is at the fit ``u``; None where nothing tells.

    Variances and covariances, not their roots, are the parameters where the structure allows it, so that what is estimated as
    zero is still uncertain; the information is that of the restricted likelihood.
    """
    curves = problem.curves(u)
    lines = _directions(problem, u, curves)
    m = sum(len(x) for x in lines)
    if m == 0:
        return Spread(cov, np.empty((0, *cov.shape)), np.empty((0, 0)))
    slopes, expected = problem.uncertainty([Curve(c.value, x, c.second) for c, x in zip(curves, lines, strict=True)])
    back = problem.back * problem.scale
    try:
        inverse = np.linalg.inv(expected)
    except np.linalg.LinAlgError:
        return None
    if not (np.diag(inverse) > 0).all():
        return None
    return Spread(cov, back @ slopes @ back.T, inverse)


def _directions(problem: Problem, u: np.ndarray, curves: list[Curve]) -> list[np.ndarray]:
    """How the class values of each term move with its parameters, (own m, C)."""
    out = []
    for t, s, curve in zip(problem.terms, problem.slices, curves, strict=True):
        free, shape = problem.free[s], t.structure
        if shape.kind in _CLASSES and free.all() and shape.q > 1:
            out.append(np.eye(len(curve.value)))
        elif shape.kind == "intercept" and free.all():
            out.append(np.ones((1, 1)))
        elif shape.kind in _LINEAR:
            out.append(np.array([shape.curve(e).value for e in np.eye(shape.size)[free]]).reshape(-1, len(curve.value)))
        else:  # nothing moves to first order with a standard deviation of zero
            first = curve.first[free]
            out.append(first[np.abs(first).max(axis=1, initial=0.0) > 1e-8])
    return out


def containment(problem: Problem) -> np.ndarray:
    """Degrees of freedom of each coefficient by containment, shape (p,)."""
    k, p = problem.X.shape
    out = np.full(p, float(k - p))
    for t in problem.terms:
        order = np.argsort(t.basis.outer, kind="stable")
        inside = np.diff(t.basis.outer[order]) == 0
        constant = ~(np.abs(np.diff(problem.X[order], axis=0))[inside] > 0).any(axis=0)
        out = np.where(constant, np.minimum(out, t.groups - p), out)
    return out
