"""Covariance structures of random effects: from free parameters to the covariances of pairs of levels.

Every structure is standard deviations times correlations, ``gamma_c = s_a s_b r_c`` for a pair class c of levels a and b.
Free parameters u are the standard deviations themselves (a variance of zero is reached smoothly) and angles (a correlation at
the end of its range is reached smoothly as well). Only HCS and HAR need bounds: a negative standard deviation would turn one
common correlation into correlations of both signs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vfmeta.kernels.stacks import Curve

STRUCTURES = ("CS", "HCS", "UN", "DIAG", "ID", "AR", "HAR", "CAR", "GEN", "GDIAG")
CAR_END = 6.5  # where exp(-w^2) is nothing beside one
_TWO = np.array([[[2.0]]])  # the second derivative of a square
_COMMON = ("CS", "AR", "CAR", "ID", "intercept")


@dataclass(frozen=True)
class Structure:
    """One covariance structure over q levels.

    Parameters
    ----------
    kind : str
        Intercept, or one of `STRUCTURES`: compound symmetry (CS, HCS: one, or a variance a level), unstructured (UN),
        no correlation (ID, DIAG), first-order autoregressive over the order of levels (AR, HAR) or over continuous time (CAR),
        and for intercept and slopes unstructured (GEN) or uncorrelated (GDIAG).
    q : int
        Number of levels.
    times : ndarray of shape (q,)
        Position of the levels: 0, 1, 2, ... for AR and HAR, measured time for CAR.
    widest : int
        Largest number of levels seen in one group; it bounds a negative common correlation at -1 / (widest - 1).
    """

    kind: str
    q: int
    times: np.ndarray
    widest: int

    @property
    def variances(self) -> int:
        """How many standard deviations lead u."""
        return 1 if self.kind in _COMMON else self.q

    @property
    def correlations(self) -> int:
        """How many correlations follow them in u."""
        if self.q < 2 or self.kind in ("DIAG", "ID", "GDIAG", "intercept"):
            return 0
        return self.q * (self.q - 1) // 2 if self.kind in ("UN", "GEN") else 1

    @property
    def size(self) -> int:
        return self.variances + self.correlations

    def pair_class(self) -> np.ndarray:
        """Class number of each pair of levels, shape (q, q)."""
        return self._layout[0] if self.q > 1 else np.zeros((1, 1), dtype=int)

    def lower(self) -> np.ndarray:
        """Lower bounds of the free parameters."""
        out = np.full(self.size, -np.inf)
        if self.kind in ("HCS", "HAR"):
            out[: self.variances] = 0.0
        return out

    def rho_range(self) -> tuple[float, float]:
        """Ends of the range of a correlation."""
        if self.kind in ("CS", "HCS"):
            return -1.0 / max(self.widest - 1, 1), 1.0
        return (0.0, 1.0) if self.kind == "CAR" else (-1.0, 1.0)

    @cached_property
    def unit(self) -> float:
        """Time between levels that the angle of CAR refers to: the median lag, for a rho of one week is blind to years."""
        lag = np.abs(self.times[:, None] - self.times[None, :])
        return float(np.median(lag[lag > 0])) if self.kind == "CAR" and self.q > 1 else 1.0

    def rho(self, angle: float | np.ndarray) -> np.ndarray:
        """Common correlation at an angle; for CAR that of levels one unit of measured time apart."""
        if self.kind == "CAR":
            return np.exp(-np.square(angle) / self.unit)
        low, high = self.rho_range()
        return np.clip((low + high + (high - low) * np.sin(angle)) / 2, low, high)

    def angle(self, rho: float) -> float:
        """The free parameter of a common correlation (for CAR at a lag of `unit`)."""
        if self.kind == "CAR":
            return float(np.sqrt(-np.log(rho)))
        low, high = self.rho_range()
        return float(np.arcsin(np.clip((2 * rho - low - high) / (high - low), -1, 1)))

    def angle_ends(self) -> tuple[float, float]:
        """Values of the free parameter at the lower and the upper end of a common correlation's range."""
        return (CAR_END, 0.0) if self.kind == "CAR" else (-np.pi / 2, np.pi / 2)

    def start(self, variance: float, rho: float) -> np.ndarray:
        """Free parameters with equal variances and correlations near ``rho``."""
        sd = np.full(self.variances, np.sqrt(variance))
        if not self.correlations:
            return sd
        if self.kind in ("UN", "GEN"):
            r = np.full((self.q, self.q), max(rho, -0.9 / (self.q - 1)))
            np.fill_diagonal(r, 1)
            return np.concatenate([sd, angles_of(r)])
        low, high = self.rho_range()
        inside = np.clip(rho, low + 0.05 * (high - low), high - 0.05 * (high - low))
        return np.append(sd, self.angle(float(inside)))

    def natural(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variances and correlations at u; correlations of UN and GEN run (1,2), (1,3), ..., (2,3), ... of the levels."""
        variance, angles = u[: self.variances] ** 2, u[self.variances :]
        if not self.correlations:
            return variance, angles
        sign = np.where(u[: self.variances] < 0, -1.0, 1.0)
        if self.kind in ("UN", "GEN"):
            r = _spherical(angles, self.q)[0] * np.outer(sign, sign)
            return variance, r[np.triu_indices(self.q, 1)]
        return variance, self.rho(angles)

    def matrix(self, u: np.ndarray) -> np.ndarray:
        """Covariance matrix G of the levels, shape (q, q)."""
        return self.curve(u).value[self.pair_class()]

    def correlation_matrix(self, u: np.ndarray) -> np.ndarray:
        """Correlations of UN and GEN as the angles give them, before any sign of the standard deviations, shape (q, q)."""
        return _spherical(u[self.variances :], self.q)[0]

    def curve(self, u: np.ndarray) -> Curve:
        """Class values with their derivatives in u."""
        if self.kind == "intercept":
            return Curve(u**2, 2 * u[None], _TWO)
        _, a, b, member = self._layout
        n, m = self.variances, self.size
        s = u[:n]
        r, dr, ddr = self._correlation(u[n:], member)
        of_a, of_b, dds = self._products
        ds = of_a * s[b] + of_b * s[a]  # d(s_a s_b) / ds
        first = np.empty((m, len(a)))
        first[:n], first[n:] = ds * r, s[a] * s[b] * dr
        second = np.empty((m, m, len(a)))
        second[:n, :n] = dds * r
        second[:n, n:] = ds[:, None] * dr[None, :]
        second[n:, :n] = second[:n, n:].transpose(1, 0, 2)
        second[n:, n:] = s[a] * s[b] * ddr
        return Curve(s[a] * s[b] * r, first, second)

    @cached_property
    def _layout(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Pair classes (q, q), the two standard deviations of each class, and what tells its correlation.

        The last is the lag for AR, HAR and CAR (0 on the diagonal), else 0 on the diagonal and 1 off it; UN and GEN take
        the pair of levels.
        """
        i, j = np.tril_indices(self.q)
        if self.kind in _COMMON:
            lag = np.abs(self.times[:, None] - self.times[None, :]) / self.unit
            if self.kind in ("CS", "ID", "intercept"):
                lag = (lag > 0).astype(float)
            known, which = np.unique(lag.round(12), return_inverse=True)
            zero = np.zeros(len(known), dtype=int)
            return which.reshape(lag.shape), zero, zero, known
        pair = np.empty((self.q, self.q), dtype=int)
        pair[i, j] = pair[j, i] = np.arange(len(i))
        member = np.abs(self.times[i] - self.times[j]) if self.kind == "HAR" else (i != j).astype(float)
        return pair, i, j, member

    @cached_property
    def _products(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which standard deviations are the two of each class (n, classes), and the second derivatives of their products."""
        _, a, b, _ = self._layout
        eye = np.eye(self.variances)
        of_a, of_b = eye[:, a], eye[:, b]
        return of_a, of_b, of_a[:, None] * of_b + of_b[:, None] * of_a

    def _correlation(self, angles: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Correlation of each class with first and second derivatives in the angles."""
        n = len(angles)
        if n == 0:
            return (member == 0).astype(float), np.empty((0, len(member))), np.empty((0, 0, len(member)))
        if self.kind in ("UN", "GEN"):
            i, j = np.tril_indices(self.q)
            r, dr, ddr = _spherical(angles, self.q)
            return r[i, j], dr[:, i, j], ddr[:, :, i, j]
        if self.kind == "CAR":  # exp(-lag w^2): smooth at both ends for lags of any size
            w = angles[0]
            r = np.exp(-member * w**2)
            return r, (-2 * member * w * r)[None], ((4 * member**2 * w**2 - 2 * member) * r)[None, None]
        low, high = self.rho_range()
        rho, d1, d2 = ((low + high) / 2 + (high - low) / 2 * np.sin(angles[0]), (high - low) / 2 * np.cos(angles[0]),
                       -(high - low) / 2 * np.sin(angles[0]))  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            r = np.where(member == 0, 1.0, rho**member)
            slope = np.where(member == 0, 0.0, member * rho ** (member - 1))
            bend = np.where((member == 0) | (member == 1), 0.0, member * (member - 1) * rho ** (member - 2))
        return r, (slope * d1)[None], (bend * d1**2 + slope * d2)[None, None]


def _spherical(angles: np.ndarray, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlation matrix from angles, its factor's rows on the unit sphere, with first and second derivatives.

    Row i of the factor is (cos a_1, sin a_1 cos a_2, ..., sin a_1 ... sin a_i); all angles give a correlation matrix, and the
    first column of correlations is cos a_1 itself. Pinheiro & Bates 1996, Stat Comput 6:289-296.
    """
    m = len(angles)
    if q == 2:  # the commonest by far
        c, s = math.cos(angles[0]), math.sin(angles[0])
        off = np.array([[0.0, 1.0], [1.0, 0.0]])
        return np.eye(2) + c * off, -s * off[None], -c * off[None, None]
    factor, first, second = np.zeros((q, q)), np.zeros((m, q, q)), np.zeros((m, m, q, q))
    factor[0, 0] = 1
    at = 0
    for i in range(1, q):
        own = angles[at : at + i]
        table = np.array([np.sin(own), np.cos(own), -np.sin(own)])  # sin and its two derivatives
        turned = np.array([np.cos(own), -np.sin(own), -np.cos(own)])  # cos and its two derivatives
        for j in range(i + 1):
            last = min(j, i - 1)

            def product(order: np.ndarray, j: int = j, i: int = i, s: np.ndarray = table, c: np.ndarray = turned) -> float:
                if order[min(j, i - 1) + 1 :].any():
                    return 0.0
                out = float(np.prod(s[order[:j], np.arange(j)]))
                return out * float(c[order[j], j]) if j < i else out

            zero = np.zeros(i, dtype=int)
            factor[i, j] = product(zero)
            for a in range(last + 1):
                one = zero.copy()
                one[a] += 1
                first[at + a, i, j] = product(one)
                for b in range(a, last + 1):
                    two = one.copy()
                    two[b] += 1
                    second[at + a, at + b, i, j] = second[at + b, at + a, i, j] = product(two)
        at += i
    turn = factor.T
    r = factor @ turn
    half = first @ turn
    dr = half + half.transpose(0, 2, 1)
    bent = second @ turn
    mixed = first[:, None] @ first[None].transpose(0, 1, 3, 2)
    ddr = bent + bent.transpose(0, 1, 3, 2) + mixed + mixed.transpose(0, 1, 3, 2)
    return r, dr, ddr


def angles_of(r: np.ndarray) -> np.ndarray:
    """Angles of a correlation matrix, which may be singular; the inverse of `_spherical`."""
    q = len(r)
    factor = np.zeros((q, q))
    factor[0, 0] = 1
    out = []
    for i in range(1, q):
        rest = 1.0
        for j in range(i):
            pivot = factor[j, j]
            value = (r[i, j] - factor[i, :j] @ factor[j, :j]) / pivot if pivot > 1e-9 else 0.0
            out.append(np.arccos(np.clip(value / rest, -1, 1)) if rest > 1e-9 else np.pi / 2)
            factor[i, j] = rest * np.cos(out[-1])
            rest *= np.sin(out[-1])
        factor[i, i] = rest
    return np.array(out)
