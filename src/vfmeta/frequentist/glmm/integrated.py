"""Intervals of a model of counts that carry the uncertainty of tau: the likelihood integrated over it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.frequentist.glmm.fit import Fitted, Plan
from vfmeta.frequentist.glmm.profile import held
from vfmeta.results.codec import array, plain
from vfmeta.results.wald import TestResult

MOST = 10.0  # tau, on a log scale, up to which the likelihood is followed
_STEP = 0.36  # between the values of tau at which the model is fitted, in units of asinh(tau / half a typical standard error)
_FALL = 14.0  # fall of the log density after which nothing more is added
_FINE = 400  # values of tau to which these are interpolated
_HALVINGS = 50  # in search of a quantile
_FEWEST = 31  # nodes for one random effect: a large tau needs more of them than the estimate


@dataclass(frozen=True)
class Integrated:
    """What the counts say of tau, and of the coefficients at each.

    ``share`` (g,) is the probability of each ``tau`` (g,), proportional to the likelihood with the coefficients integrated out
    (their posterior at a given tau taken as normal) and to Jeffreys' prior of tau, sqrt(sum (tau / (v + tau2))^2), with which
    such intervals hold their level; ``beta`` (g, p) and ``covariance`` (g, p, p) are the coefficients at each.
    """

    tau: np.ndarray
    share: np.ndarray
    beta: np.ndarray
    covariance: np.ndarray

    @property
    def open(self) -> bool:
        """Whether the counts leave a good part of the probability to a tau that no trials have."""
        return float(self.share[self.tau > MOST / 2].sum()) > 0.05

    def turned(self, back: np.ndarray) -> Integrated:
        """The same of the coefficients ``back @ beta``."""
        return Integrated(self.tau, self.share, self.beta @ back.T, back @ self.covariance @ back.T)

    def limits(self, rows: np.ndarray, level: float, ahead: bool = False) -> np.ndarray:
        """Central intervals of ``rows`` (m, p) times the coefficients, or ``ahead``, of the effect of a next study; (m, 2)."""
        from scipy.special import ndtri

        centre, spread = self._at(rows, ahead)
        out = np.empty((len(rows), 2))
        for side, p in enumerate((0.5 - level / 2, 0.5 + level / 2)):
            parts = centre + float(ndtri(p)) * spread  # no quantile of a mixture lies outside those of its parts
            low, high = parts.min(axis=1), parts.max(axis=1)
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                under = self._below(middle, centre, spread) < p
                low, high = np.where(under, middle, low), np.where(under, high, middle)
            out[:, side] = (low + high) / 2
        return out

    def p_values(self, rows: np.ndarray, against: np.ndarray) -> np.ndarray:
        """Two-sided, of the hypotheses that ``rows`` (m, p) times the coefficients are ``against`` (m,)."""
        centre, spread = self._at(rows, False)
        return 2 * np.minimum(self._below(against, centre, spread), self._below(-against, -centre, spread))

    def joint(self, chosen: list[int], against: np.ndarray) -> TestResult:
        """Test that the coefficients ``chosen`` are all ``against`` (m,): the p value that chi-squared gives at each tau, on
        average, and the chi-squared that has it. Of one coefficient as of `p_values`, where no tau turns its side.
        """
        from scipy.special import chdtrc, chdtri

        gap, m = self.beta[:, chosen] - against, len(chosen)
        away = np.linalg.solve(self.covariance[:, chosen][:, :, chosen], gap[..., None])[..., 0]
        p = float(self.share @ chdtrc(m, (gap * away).sum(axis=1)))
        return TestResult(float(chdtri(m, p)), m, None, p)

    def _at(self, rows: np.ndarray, ahead: bool) -> tuple[np.ndarray, np.ndarray]:
        variance = np.einsum("mp,gpq,mq->mg", rows, self.covariance, rows)
        return rows @ self.beta.T, np.sqrt(variance + self.tau**2 if ahead else variance)

    def _below(self, value: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        return ndtr((value[:, None] - centre) / spread) @ self.share

    def to_dict(self) -> dict[str, Any]:
        return {name: plain(getattr(self, name)) for name in ("tau", "share", "beta", "covariance")}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Integrated:
        return cls(**{name: array(values) for name, values in data.items()})


def integrate(design: Plan, fit: Fitted, common: Fitted, nodes: int | None, v: np.ndarray) -> Integrated:
    """The likelihood over tau, the model fitted at as many values as it takes; ``v`` (k,) are the studies' own variances.

    Jeffreys' prior of tau is that of Bodnar, Link, Arendacka, Possolo & Elster 2017, Stat Med 36:378-399.

    Raises
    ------
    ConvergenceError
        The model cannot be fitted at one of the values.
    """
    from scipy.interpolate import CubicSpline

    v = v[np.isfinite(v)]
    unit = 0.5 * math.sqrt(1 / np.mean(1 / v))
    model = design.random((fit.nodes if len(design.spread) else max(_FEWEST, fit.nodes)) if nodes is None else nodes)
    steps = np.linspace(0, math.asinh(MOST / unit), 1 + math.ceil(math.asinh(MOST / unit) / _STEP))
    a, shared = common.maximum.a, common.maximum.phi
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    best, dense = -math.inf, 0.0
    for x in steps.tolist():
        at = held(model, design, unit * math.sinh(x), a, shared)
        a, shared = at.a, at.phi
        covariance = at.covariance[design.effects, design.effects]
        density = at.log_likelihood + float(np.linalg.slogdet(covariance)[1]) / 2
        found.append((density, at.phi[design.effects], covariance))
        last, dense = dense, density + math.log(_jeffreys(unit * math.sinh(x), v) * unit * math.cosh(x) + 1e-300)
        best = max(best, dense)
        if len(found) > 4 and dense < last and dense < best - _FALL:
            break
    done = steps[: len(found)]
    logs, beta, covariances = (np.array(part) for part in zip(*found, strict=True))
    fine = (np.arange(_FINE) + 0.5) * done[-1] / _FINE
    tau = unit * np.sinh(fine)
    logs = CubicSpline(done, logs)(fine) + np.log(np.cosh(fine)) + np.log([_jeffreys(t, v) for t in tau])
    share = np.exp(logs - logs.max())
    roots = CubicSpline(done, np.linalg.cholesky(covariances))(fine)  # whose products are covariances between the fits too
    return Integrated(tau, share / share.sum(), CubicSpline(done, beta)(fine), roots @ np.swapaxes(roots, 1, 2))


def _jeffreys(tau: float, v: np.ndarray) -> float:
    return math.sqrt(float(((tau / (v + tau**2)) ** 2).sum()))
