"""Likelihood of dependent effects: y ~ N(X beta, V + Z G Z'), block by block, with exact derivatives. Arrays in, arrays out.

Harville 1977, JASA 72:320-338 (ML and REML, derivatives); Lindstrom & Bates 1988, JASA 83:1014-1022 (profiled fixed effects).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vfmeta.kernels.compiled import blocks
from vfmeta.kernels.stacks import Curve, Flat, Stack, joint, parted

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Fit:
    """Profiled fit at given covariance: log likelihoods and generalised least squares.

    ``beta`` (p,), ``cov`` (p, p) = (X' M^-1 X)^-1, ``rss`` = y' P y, ``logdet`` = log |M|, ``logdet_x`` = log |X' M^-1 X|.
    """

    beta: np.ndarray
    cov: np.ndarray
    rss: float
    logdet: float
    logdet_x: float

    def log_likelihood(self, k: int, logdet_xx: float, reml: bool) -> float:
        """Log (restricted) likelihood; ``logdet_xx`` = log |X'X| makes the restricted one free of the scaling of X."""
        p = len(self.beta)
        if not reml:
            return -0.5 * (k * LOG_2PI + self.logdet + self.rss)
        return -0.5 * ((k - p) * LOG_2PI - logdet_xx + self.logdet + self.logdet_x + self.rss)


def inverse_blocks(stack: Stack, curves: Sequence[Curve]) -> tuple[np.ndarray, float]:
    """M^-1 of the stack's blocks and the sum of their log determinants; LinAlgError when M is not positive definite."""
    factor = np.linalg.cholesky(stack.covariance(curves))
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    half = np.linalg.inv(factor)
    return half.transpose(0, 2, 1) @ half, 2 * float(np.log(diagonal).sum())


def gls(data: Flat | Sequence[Stack], curves: Sequence[Curve]) -> Fit:
    """Generalised least squares with the fixed effects profiled out."""
    if isinstance(data, Flat):
        return _checked(*blocks.gls(*data, _values(curves)))
    return _by_products(data, curves)[0]


def _values(curves: Sequence[Curve]) -> np.ndarray:
    return np.concatenate([c.value for c in curves])


def _checked(beta: np.ndarray, cov: np.ndarray, rss: float, logdet: float, logdet_x: float) -> Fit:
    if math.isnan(logdet):
        raise np.linalg.LinAlgError("Matrix is not positive definite")
    return Fit(beta, cov, rss, logdet, logdet_x)


def _by_products(stacks: Sequence[Stack], curves: Sequence[Curve]) -> tuple[Fit, list[np.ndarray]]:
    """The same by products of matrices, with M^-1 of each stack."""
    p = stacks[0].X.shape[-1]
    info, score, logdet = np.zeros((p, p)), np.zeros(p), 0.0
    inverses = []
    for s in stacks:
        w, part = inverse_blocks(s, curves)
        flat = (w @ s.X).reshape(-1, p)
        info += s.X.reshape(-1, p).T @ flat
        score += s.y.ravel() @ flat
        logdet += part
        inverses.append(w)
    factor = np.linalg.cholesky((info + info.T) / 2)
    half = np.linalg.inv(factor)
    cov = half.T @ half
    beta = cov @ score
    rss = 0.0
    for s, w in zip(stacks, inverses, strict=True):
        r = s.y - s.X @ beta
        rss += float(np.vdot(r, (w @ r[:, :, None])[:, :, 0]))
    return Fit(beta, cov, rss, logdet, 2 * float(np.log(np.diag(factor)).sum())), inverses


class _Sums(NamedTuple):
    """What `derivatives` adds up over the blocks, in the letters of its formulas (W = M^-1, e = P y)."""

    trace: np.ndarray  # tr(W D_a W D_b), (m, m)
    quad: np.ndarray  # e'D_a W D_b e, (m, m)
    cross: np.ndarray  # X'W D_a W X, (m, p, p)
    twice: np.ndarray  # X'W D_a W D_b W X, (m, m, p, p)
    xwde: np.ndarray  # X'W D_a e, (m, p)
    gathered: np.ndarray  # (e e' - Q) / 2 over the classes of all terms, (C,)


def _add_derivatives(s: Stack, w: np.ndarray, curves: Sequence[Curve], fit: Fit, reml: bool, sums: _Sums) -> None:
    """The sums of one stack."""
    m, p = sums.xwde.shape
    d = s.slopes(curves)
    wx = w @ s.X
    e = (w @ (s.y - s.X @ fit.beta)[:, :, None])[:, :, 0]
    wd = w @ d
    flat = wd.reshape(m, -1)
    sums.trace[:] += flat @ wd.transpose(0, 1, 3, 2).reshape(m, -1).T
    de = (d @ e[:, :, None])[..., 0]
    sums.quad[:] += de.reshape(m, -1) @ (w @ de[..., None]).reshape(m, -1).T
    sums.xwde[:] += de.reshape(m, -1) @ wx.reshape(-1, p)
    sensitivity = e[:, :, None] * e[:, None, :] - w
    if reml:
        dwx = d @ wx
        tall = dwx.reshape(m, -1, p)
        sums.cross[:] += wx.reshape(-1, p).T @ tall
        sums.twice[:] += tall.transpose(0, 2, 1)[:, None] @ (w @ dwx).reshape(m, -1, p)[None]
        sensitivity = sensitivity + wx @ fit.cov @ wx.transpose(0, 2, 1)
    sums.gathered[:] += 0.5 * np.concatenate(s.gather(sensitivity))


def derivatives(
    data: Flat | Sequence[Stack], curves: Sequence[Curve], reml: bool
) -> tuple[Fit, np.ndarray, np.ndarray, np.ndarray]:
    """Fit at u with the gradient and Hessian of the log likelihood in u.

    With P = M^-1 - M^-1 X (X'M^-1 X)^-1 X'M^-1 and D_a = dM/du_a: gradient_a = (y'P D_a P y - tr(Q D_a)) / 2 and
    hessian_ab = tr(Q D_a Q D_b) / 2 - y'P D_a P D_b P y + (y'P D_ab P y - tr(Q D_ab)) / 2, where Q = P for REML, M^-1 for ML.

    Returns
    -------
    fit : Fit
    gradient : ndarray of shape (m,)
    hessian : ndarray of shape (m, m)
    expected : ndarray of shape (m, m)
        Expected information tr(Q D_a Q D_b) / 2.
    """
    first = joint(curves)
    if isinstance(data, Flat):
        *found, whole, hessian, expected, _ = blocks.derivatives(*data, _values(curves), first, reml)
        fit = _checked(*found)
    else:
        fit, whole, hessian, expected, _ = _derivatives_by_products(data, curves, reml)
    at = 0
    for curve, g in zip(curves, parted(whole, [len(c.value) for c in curves]), strict=True):
        end = at + len(curve.first)
        hessian[at:end, at:end] += curve.second @ g
        at = end
    return fit, first @ whole, hessian, expected


def uncertainty(data: Flat | Sequence[Stack], curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """How uncertain the covariance of the coefficients is: its derivatives in the parameters that ``curves`` move with
    (m, p, p), C X'M^-1 D M^-1 X C, and the expected information of the restricted likelihood on these (m, m).
    """
    if isinstance(data, Flat):
        _, cov, _, _, _, _, _, expected, cross = blocks.derivatives(*data, _values(curves), joint(curves), True)
    else:
        fit, _, _, expected, cross = _derivatives_by_products(data, curves, True)
        cov = fit.cov
    return cov @ cross @ cov, expected


def _derivatives_by_products(
    stacks: Sequence[Stack], curves: Sequence[Curve], reml: bool
) -> tuple[Fit, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit, sums over the classes of all terms, Hessian without the second derivatives of M and expected information, and
    X'M^-1 D M^-1 X of each derivative D of M (for REML), by products of matrices.
    """
    fit, inverses = _by_products(stacks, curves)
    m, p = sum(len(c.first) for c in curves), len(fit.beta)
    classes = sum(len(c.value) for c in curves)
    sums = _Sums(*(np.zeros(shape) for shape in ((m, m), (m, m), (m, p, p), (m, m, p, p), (m, p), (classes,))))
    for s, w in zip(stacks, inverses, strict=True):
        _add_derivatives(s, w, curves, fit, reml, sums)
    trace, quad, cross, twice, xwde, whole = sums
    quad -= xwde @ fit.cov @ xwde.T
    if reml:
        scaled = fit.cov @ cross
        trace += scaled.reshape(m, -1) @ scaled.transpose(0, 2, 1).reshape(m, -1).T
        trace -= 2 * (twice.transpose(0, 1, 3, 2).reshape(m, m, -1) @ fit.cov.ravel())
    hessian = 0.5 * trace - quad
    return fit, whole, (hessian + hessian.T) / 2, (trace + trace.T) / 4, cross
