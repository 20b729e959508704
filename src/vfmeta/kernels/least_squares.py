"""Weighted least squares with any number of columns, on an orthonormal basis of the design.

Every function of the between-study variance (score, generalised Q, likelihood) is built from residuals of a first fit on that
basis, so that neither badly scaled moderators nor a large common effect cost digits. The arithmetic is compiled
(`vfmeta.kernels.compiled.regressions`); the cost is k p^2 for one value of tau2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COLLINEAR = 1e-10  # a column whose part beyond the others is smaller than this share of it adds nothing


class CollinearError(ArithmeticError):
    """Columns of the design that are combinations of others; ``groups`` holds, per redundant column, it and its partners."""

    def __init__(self, groups: list[list[int]]) -> None:
        self.groups = groups
        super().__init__(f"The design is singular: columns {groups}.")


@dataclass(frozen=True)
class Parts:
    """What the likelihood of G values of tau2 is made of.

    ``w`` (G, k) weights, ``e`` (G, k) residuals times the root of their weight, ``free`` (G, k) one minus the leverage, ``q``
    (G, k, p) orthonormal basis of the weighted design, ``r`` (G, p, p) its triangle, ``coef`` (G, p) coefficients on the basis.
    """

    w: np.ndarray
    e: np.ndarray
    free: np.ndarray
    q: np.ndarray
    r: np.ndarray
    coef: np.ndarray

    @property
    def rss(self) -> np.ndarray:
        """y'Py, the generalised Q, shape (G,)."""
        return (self.e**2).sum(-1)

    @property
    def logdet_xwx(self) -> np.ndarray:
        """Logarithm of det Q'WQ for the orthonormal basis Q of the design, which is log det X'WX - log det X'X, shape (G,)."""
        return 2 * np.log(np.diagonal(self.r, axis1=-2, axis2=-1)).sum(-1)


@dataclass(frozen=True)
class Regression:
    """One meta-regression in units that suit the arithmetic.

    ``whole`` (k,) are the effects divided by ``scale`` (a power of two), ``y`` (k,) their residuals from a first weighted fit
    ``start`` (p,) on the basis; ``v`` (k,) is divided by the square of ``scale``; ``basis`` (k, p) is orthonormal and spans the
    design, which is ``basis @ triangle``.
    """

    whole: np.ndarray
    y: np.ndarray
    v: np.ndarray
    basis: np.ndarray
    triangle: np.ndarray
    start: np.ndarray
    scale: float

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def p(self) -> int:
        return self.basis.shape[1]

    @property
    def df(self) -> int:
        return self.k - self.p

    def at(self, tau2: np.ndarray | float, weights: np.ndarray | None = None) -> Parts:
        """Weighted least squares at tau2 of shape (G,), in the units of ``v``, or with given ``weights`` (G, k)."""
        from vfmeta.kernels.compiled import regressions as loops

        w = np.ascontiguousarray(1 / (self.v + np.atleast_1d(tau2)[:, None]) if weights is None else weights, dtype=float)
        (g, k), p = w.shape, self.p
        parts = Parts(w, *(np.empty((g, *size)) for size in ((k,), (k,), (k, p), (p, p), (p,))))
        loops.solve(self.y, w, self.basis, parts.e, parts.free, parts.q, parts.r, parts.coef, loops.scratch(k, p))
        return parts

    def beta(self, part: Parts) -> np.ndarray:
        """Coefficients on the columns of the design in the units of the data, shape (G, p)."""
        return self.scale * np.linalg.solve(self.triangle, (self.start + part.coef)[..., None])[..., 0]

    def covariance(self, part: Parts) -> np.ndarray:
        """(X'WX)^-1 in the units of the data, shape (G, p, p)."""
        inverse = np.linalg.inv(part.r @ self.triangle)
        return self.scale**2 * inverse @ np.swapaxes(inverse, -1, -2)


def regression(y: np.ndarray, v: np.ndarray, x: np.ndarray) -> Regression:
    """Check and normalise a meta-regression.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and their sampling variances (> 0), finite.
    x : ndarray of shape (k, p)
        Design, of full column rank.

    Raises
    ------
    CollinearError
        When columns are combinations of others; it carries their numbers.
    """
    from vfmeta.kernels.compiled import regressions as loops

    y, v, x = (np.asarray(a, dtype=float) for a in (y, v, x))
    check(y, v, x)
    scale = float(unit(v))
    k, p = x.shape
    m = Regression(y / scale, np.empty(k), v / scale**2, x.copy(order="C"), np.zeros((p, p)), np.empty(p), scale)
    if not loops.prepare(m.whole, m.v, loops.scratch(k, p)[0], m.y, m.basis, m.triangle, m.start):
        raise CollinearError(redundant(x))
    return m


def check(y: np.ndarray, v: np.ndarray, x: np.ndarray) -> None:
    """Refuse what is no regression, or one without a row or a column."""
    if x.ndim != 2 or y.shape != v.shape or y.shape != (len(x),) or len(x) == 0:
        raise ValueError(f"y {y.shape} and v {v.shape} must have shape (k,), x {x.shape} shape (k, p), with k of at least 1.")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(x)) and np.all(np.isfinite(v)) and np.all(v > 0)):
        raise ValueError("y and x must be finite and v positive and finite.")


def unit(v: np.ndarray) -> np.ndarray:
    """The power of two whose square brings the smallest of each row of ``v`` (..., k) near one, shape (...)."""
    return np.ldexp(1.0, np.frexp(v.min(-1))[1] // 2)


def redundant(x: np.ndarray) -> list[list[int]]:
    """Per column of ``x`` (k, p) that adds nothing to the earlier ones, its number and those of the columns it combines."""
    length = np.sqrt((x**2).sum(0))
    groups: list[list[int]] = []
    kept: list[int] = []
    for j in range(x.shape[1]):
        if length[j] == 0:
            groups.append([j])
            continue
        column = x[:, j] / length[j]
        if kept:
            before = x[:, kept] / length[kept]
            coef, *_ = np.linalg.lstsq(before, column, rcond=None)
            if np.linalg.norm(column - before @ coef) <= COLLINEAR:
                groups.append([j, *(kept[i] for i in np.flatnonzero(np.abs(coef) > 1e-8))])
                continue
        kept.append(j)
    return groups
