"""Location-scale meta-regression: the between-study variance depends on moderators, log tau2_i = z_i a."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.kernels.least_squares import Regression, regression
from vfmeta.kernels.regression import fit
from vfmeta.kernels.roots import ConvergenceError

_STEPS = 200
_GONE = 1e-9  # a tau2 below this share of the smallest variance is zero for every purpose


_FLAT = 1e-6  # slope of the log-likelihood along the edge at a top of it
_VANISHES = "The likelihood of the location-scale model is highest where tau2 is zero: there is no heterogeneity to model."


class _Runaway(ConvergenceError):
    """A climb that left for the edge, with the log-likelihood it had reached, and where on the edge there is a top."""

    def __init__(self, message: str, height: float, top: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.height = height
        self.top = top


@dataclass(frozen=True)
class LocationScale:
    """``alpha`` (q,) with ``va`` (q, q), ``beta`` (p,) with ``vb`` (p, p), ``tau2`` (k,), and the log-likelihoods there.

    ``va`` is NaN where the maximum is on the edge: a ``tau2`` of 0 for some studies, and ``alpha`` without a finite value.
    """

    alpha: np.ndarray
    va: np.ndarray
    beta: np.ndarray
    vb: np.ndarray
    tau2: np.ndarray
    q: float
    ml: float
    reml: float


def fit_location_scale(y: np.ndarray, v: np.ndarray, x: np.ndarray, z: np.ndarray, restricted: bool = True) -> LocationScale:
    """Maximise the (restricted) likelihood over ``a``, the coefficients ``b`` profiled out.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances.
    x : ndarray of shape (k, p)
        Design of the mean.
    z : ndarray of shape (k, q)
        Design of log tau2.
    restricted : bool
        REML or ML. The covariance of ``a`` is the inverse of the observed information of that likelihood.

    Raises
    ------
    ConvergenceError
        Where heterogeneity goes to zero in all studies or without bound in some, or no maximum was reached.

    Notes
    -----
    Viechtbauer & Lopez-Lopez 2022, Res Synth Methods 13:697-715. Newton steps with the exact gradient and Hessian,
    damped until the likelihood rises, from several starts; where a climb to the edge comes higher than every top inside, the
    answer is there. (An edge on which a single outlying study has a tau2 of its own may go unseen.)
    """
    m = regression(y, v, x)
    # log tau2 on orthonormal columns: a moderator in the thousands is no harder than one in tenths
    basis, triangle = np.linalg.qr(np.asarray(z, dtype=float))
    basis, triangle = basis * np.sqrt(m.k), triangle / np.sqrt(m.k)
    offset = -2 * np.log(m.scale)  # of log tau2 in the units of the arithmetic
    best: tuple[float, np.ndarray] | None = None
    failures: list[_Runaway] = []
    # besides levels of tau2, steep slopes: a likelihood that is highest at the edge must not hide behind a lower top inside
    steep = [np.log(np.median(m.v)) + sign * basis[:, j] for j in range(basis.shape[1]) for sign in (-4, 4)]
    for level in [*_starts(m, fit(y, v, x, "REML", "Wald").tau2), *steep]:
        slope, *_ = np.linalg.lstsq(basis, level - offset, rcond=None)
        try:
            found = _climb(m, basis, offset, slope, restricted)
        except _Runaway as error:
            failures.append(error)
            continue
        if best is None or found[0] > best[0]:
            best = found
    zero = m.at(np.zeros(1))
    none = 0.5 * (np.log(zero.w[0]).sum() - zero.rss[0] - (zero.logdet_xwx[0] if restricted else 0.0))
    if best is not None and none > best[0] + 1e-8:
        failures.append(_Runaway(_VANISHES, float(none)))
    higher = [f for f in failures if best is None or f.height > best[0] + 1e-8]
    on_edge = best is None or bool(higher)
    if best is None or higher:  # a maximum inside that is not the highest is no answer
        highest = max(higher, key=lambda f: f.height)
        # climbs stop at slightly different heights of one edge; that of none at all is higher than either or is the answer
        tops = [f.top for f in higher if f.top is not None and f.height > highest.height - 1e-6]
        if not tops:
            raise ConvergenceError(str(highest))
        a = tops[0]
    else:
        a = best[1]
    tau2 = np.exp(basis @ a + offset)
    back = np.linalg.inv(triangle)
    if not on_edge:
        _, _, hessian = _derivatives(m, basis, offset, a, restricted)
        va = back @ np.linalg.inv(-hessian) @ back.T
    else:
        tau2, va = np.where(_is_gone(m, tau2), 0.0, tau2), np.full((len(a), len(a)), np.nan)
    part = m.at(np.zeros(1), (1 / (m.v + tau2))[None])
    return LocationScale(
        back @ a, va, m.beta(part)[0], m.covariance(part)[0], tau2 * m.scale**2, float(m.at(np.zeros(1)).rss[0]),
        _height(m, tau2, False), _height(m, tau2, True),
    )  # fmt: skip


def _starts(m: Regression, tau2: float) -> list[np.ndarray]:
    """Logs of tau2 (k,) to set out from: the constant one by REML, a typical variance, and the squared residuals' own size."""
    part = m.at(np.zeros(1))
    square = part.e[0] ** 2 / part.w[0]
    typical = float(np.median(m.v))
    constant = max(tau2 / m.scale**2, 1e-2 * typical)
    return [
        np.full(m.k, np.log(constant)),
        np.full(m.k, np.log(typical)),
        np.log(np.maximum(square, 0.05 * m.v)),
        np.full(m.k, np.log(0.05 * constant)),
    ]


def _height(m: Regression, tau2: np.ndarray, restricted: bool) -> float:
    """(Restricted) log-likelihood with all constants, in the units of the data."""
    part = m.at(np.zeros(1), (1 / (m.v + tau2))[None])
    free = m.df if restricted else m.k
    constant = -0.5 * free * np.log(2 * np.pi) - free * np.log(m.scale)
    return float(constant + 0.5 * (np.log(part.w[0]).sum() - part.rss[0] - (part.logdet_xwx[0] if restricted else 0.0)))


def _derivatives(
    m: Regression, z: np.ndarray, offset: float, a: np.ndarray, restricted: bool
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, gradient (q,) and Hessian (q, q) in ``a``."""
    tau2 = np.exp(z @ a + offset)
    part = m.at(np.zeros(1), (1 / (m.v + tau2))[None])
    w, q = part.w[0], part.q[0]
    root = np.sqrt(w)
    py = root * part.e[0]
    d = z * tau2[:, None]  # derivatives of the variances

    def project(c: np.ndarray) -> np.ndarray:
        """P c for columns c (k, q)."""
        c = root[:, None] * c
        return root[:, None] * (c - q @ (q.T @ c))

    trace = w * part.free[0] if restricted else w
    gradient = 0.5 * d.T @ (py**2 - trace)
    hessian = 0.5 * (z.T * (tau2 * (py**2 - trace))) @ z - (d * py[:, None]).T @ project(d * py[:, None])
    if restricted:
        # squares of the elements of P = S (I - QQ') S between columns of d, without a k by k matrix
        scaled = d * w[:, None]
        inner = np.einsum("kp,kj,kr->jpr", q, scaled, q)
        hessian += 0.5 * ((scaled.T * (2 * part.free[0] - 1)) @ scaled + np.einsum("jpr,lrp->jl", inner, inner))
    else:
        hessian += 0.5 * (d.T * w**2) @ d
    height = 0.5 * (np.log(w).sum() - part.rss[0] - (part.logdet_xwx[0] if restricted else 0.0))
    return float(height), gradient, hessian


def _is_gone(m: Regression, tau2: np.ndarray) -> np.ndarray:
    return tau2 < _GONE * m.v.min()


def _climb(m: Regression, z: np.ndarray, offset: float, a: np.ndarray, restricted: bool) -> tuple[float, np.ndarray]:
    height, gradient, hessian = _derivatives(m, z, offset, a, restricted)
    for _ in range(_STEPS):
        value, vector = np.linalg.eigh(hessian)
        # uphill in every direction: where the surface is not concave the step follows the gradient
        step = vector @ ((vector.T @ gradient) / np.maximum(np.abs(value), 1e-8 * max(1.0, np.abs(value).max())))
        decrement = float(gradient @ step)
        if decrement < 1e-20 and value.max() < 0:
            return height, a
        step *= min(1.0, 5 / max(np.abs(z @ step).max(), 1e-300))  # tau2 changes by a factor of exp(5) at most
        for _ in range(60):
            new = _derivatives(m, z, offset, a + step, restricted)
            if np.isfinite(new[0]) and new[0] >= height - 1e-13 * abs(height):
                break
            step = step / 2
        else:
            break
        if decrement < 1e-13 and new[0] <= height and value.max() < 0:
            return height, a  # rounding is all that is left
        a = a + step
        height, gradient, hessian = new
        tau2 = np.exp(z @ a + offset)
        if _is_gone(m, tau2).all():
            raise _Runaway(_VANISHES, height)
        if tau2.max() > 1e12 * m.v.max() * m.k or tau2.min() < 1e-30 * m.v.min():
            break
    # what is gone has no slope left, and the rest must be at its best
    settled = bool(_is_gone(m, tau2).any()) and np.abs(gradient).max() < _FLAT
    raise _Runaway(
        "The location-scale model did not settle: a moderator of the variance drives tau2 to zero or without bound in some "
        "studies. Use fewer moderators of the variance.",
        height, a if settled else None,
    )  # fmt: skip
