"""Meta-regression on arrays: weighted least squares with an unknown between-study variance, any number of columns.

Every function of the between-study variance (score, generalised Q, likelihood) is built from `Regression.at`, which works on
an orthonormal basis of the design and on residuals from a first fit, so that neither badly scaled moderators nor a large
common effect cost digits. The cost is k p^2 for one value of tau2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_CELLS = 4_000_000  # largest (values of tau2) * k * p held in memory at once
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
    def ypp(self) -> np.ndarray:
        """y'PPy, shape (G,)."""
        return (self.w * self.e**2).sum(-1)

    @property
    def trace_p(self) -> np.ndarray:
        """Trace of P, shape (G,)."""
        return (self.w * self.free).sum(-1)

    @property
    def logdet_xwx(self) -> np.ndarray:
        """Logarithm of det Q'WQ for the orthonormal basis Q of the design, which is log det X'WX - log det X'X, shape (G,)."""
        return 2 * np.log(np.abs(np.diagonal(self.r, axis1=-2, axis2=-1))).sum(-1)


@dataclass(frozen=True)
class Regression:
    """One meta-regression in units that suit the arithmetic.

    ``y`` (k,) are residuals from a first weighted fit ``start`` (p,), divided by ``scale`` (a power of two); ``v`` (k,) is
    divided by its square; ``basis`` (k, p) is orthonormal and spans the design, which is ``basis @ triangle``.
    """

    y: np.ndarray
    v: np.ndarray
    basis: np.ndarray
    triangle: np.ndarray
    start: np.ndarray
    scale: float

    @property
    def effects(self) -> np.ndarray:
        """The effects themselves, in these units, shape (k,)."""
        return self.y + self.basis @ (self.triangle @ self.start) / self.scale

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def p(self) -> int:
        return self.basis.shape[1]

    @property
    def df(self) -> int:
        return self.k - self.p

    def at(self, tau2: np.ndarray, weights: np.ndarray | None = None) -> Parts:
        """Weighted least squares at tau2 of shape (G,), in the units of ``v``, or with given ``weights`` (G, k)."""
        w = 1 / (self.v + np.asarray(tau2, dtype=float)[..., None]) if weights is None else weights
        root = np.sqrt(w)
        q, r = np.linalg.qr(root[..., None] * self.basis)
        target = root * self.y
        coef, e = _project(q, target)
        # a second pass takes out what rounding left of the columns in the residuals
        more, e = _project(q, e)
        free = 1 - (q**2).sum(-1)
        self._refine(free, w)
        return Parts(w, e, np.maximum(free, 0.0), q, r, np.linalg.solve(r, (coef + more)[..., None])[..., 0])

    def many(self, tau2: np.ndarray) -> tuple[np.ndarray, ...]:
        """rss, y'PPy, tr P, log det of the weighted basis, sum log w and sum w for tau2 (G,), in bounded memory."""
        step = max(1, _CELLS // (self.k * max(self.p, 1)))
        found = []
        for s in range(0, len(tau2), step):
            part = self.at(tau2[s : s + step])
            found.append((part.rss, part.ypp, part.trace_p, part.logdet_xwx, np.log(part.w).sum(-1), part.w.sum(-1)))
        return tuple(np.concatenate(x) for x in zip(*found, strict=True))

    def _refine(self, free: np.ndarray, w: np.ndarray) -> None:
        """One minus a leverage near one, without its cancellation: 1 / (1 + w_i x_i' (X'W X without i)^-1 x_i)."""
        for i in zip(*np.nonzero(free < 1e-3), strict=True):
            keep = np.arange(self.k) != i[-1]
            others = np.sqrt(w[i[:-1]][keep])[:, None] * self.basis[keep]
            r = np.linalg.qr(others, mode="r")
            d = np.abs(np.diagonal(r))
            if len(d) < self.p or d.min() <= 1e-13 * d.max():
                free[i] = 0.0  # the study alone carries a coefficient
                continue
            z = np.linalg.solve(r.T, self.basis[i[-1]])
            free[i] = 1 / (1 + w[i] * (z @ z))

    def beta(self, part: Parts) -> np.ndarray:
        """Coefficients on the columns of the design in the units of the data, shape (G, p)."""
        return self.start + self.scale * np.linalg.solve(self.triangle, part.coef[..., None])[..., 0]

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
    y, v, x = (np.asarray(a, dtype=float) for a in (y, v, x))
    if x.ndim != 2 or y.shape != v.shape or y.shape != (len(x),) or len(x) == 0:
        raise ValueError(f"y {y.shape} and v {v.shape} must have shape (k,), x {x.shape} shape (k, p), with k of at least 1.")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(x)) and np.all(np.isfinite(v)) and np.all(v > 0)):
        raise ValueError("y and x must be finite and v positive and finite.")
    length = np.sqrt((x**2).sum(0))
    if x.shape[1] == 0 or len(x) < x.shape[1] or np.any(length == 0):
        raise CollinearError(redundant(x))
    basis, triangle = np.linalg.qr(x)
    if np.any(np.abs(np.diagonal(triangle)) <= COLLINEAR * length):
        raise CollinearError(redundant(x))
    scale = math.ldexp(1.0, int(np.frexp(v.min())[1]) // 2)
    raw = Regression(y / scale, v / scale**2, basis, triangle, np.zeros(x.shape[1]), scale)
    # the first fit, made twice: residuals of the second are free of the magnitude of y
    start = np.linalg.solve(triangle, raw.at(np.zeros(1)).coef[0]) * scale
    rest = Regression((y - x @ start) / scale, raw.v, basis, triangle, start, scale)
    return rest


def _project(q: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    coef = np.einsum("...kp,...k->...p", q, target)
    return coef, target - np.einsum("...kp,...p->...k", q, coef)


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
