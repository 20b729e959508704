"""Copas and Shi's selection model along a path of ever stronger selection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import chi2_above, quantile
from vfmeta.results.doubted import CopasPath
from vfmeta.results.small_studies import few_to_select

CHANCES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
SURE = 0.99  # chance of the most precise study to be published
LEFT = 0.1  # p above which no trend is taken to be left
_EDGE = 0.9999
_CLOSE: Any = {"ftol": 1e-13, "gtol": 1e-9, "maxiter": 500}


def copas(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    at: Any = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> CopasPath:
    """The mean effect under ever stronger selection by precision and effect: a sensitivity analysis.

    How often its tests reject and its intervals hold: ``reports/levels.md#copas``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    at : sequence of float, optional
        Chances of the least precise study to be published, from 1 (no selection) down; 1, 0.95, 0.9, 0.8, ..., 0.1 when left
        out. The most precise study is published with a chance of 0.99.

    Returns
    -------
    CopasPath

    Raises
    ------
    InputError
        Fewer than four studies, or standard errors that are all the same.

    Notes
    -----
    Copas & Shi 2000, Biostatistics 1:247-262, and 2001, Stat Methods Med Res 10:251-265. A study is published where gamma0 +
    gamma1 / s + delta is above 0, delta standard normal and correlated by rho with the error of its effect; mean, tau2 and rho
    are those of maximum likelihood with gamma0 and gamma1 given by the two chances. The trend left is tested by the likelihood
    ratio of a mean that goes with s. ``estimate`` stands at the first chance that leaves none (p above 0.1), as Schwarzer,
    Carpenter & Rücker 2010, J Clin Epidemiol 63:282-288, advise.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, se = [0.9, 0.2, 0.8, 0.15, 0.45, 0.3], [0.4, 0.1, 0.35, 0.12, 0.2, 0.2]
    >>> found = vf.appraisal.copas(y=y, se=se, at=[1, 0.5])
    >>> bool(found.mean[1] < found.mean[0])
    True
    """
    from scipy.special import ndtri

    taken = take("copas", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s, chances = taken.studies, _chances(at)
    if s.k < 4:
        raise InputError(f"copas: {s.k} studies cannot estimate a mean, tau2 and a correlation; it takes 4.")
    error = np.sqrt(s.v)
    if np.ptp(error) <= 1e-8 * error.max():
        raise InputError("copas: all standard errors are the same, so that nothing tells selected studies from others.")
    few = few_to_select(s.k)
    unit = float(np.median(error))
    rows = []
    for chance in chances.tolist():
        if chance >= 1:
            u = np.full(s.k, np.inf)
        else:
            high, low = float(ndtri(SURE)), float(ndtri(min(chance, SURE)))
            slope = (high - low) / (1 / error.min() - 1 / error.max())
            u = low - slope / error.max() + slope / error
        rows.append(_fitted(s.y / unit, error / unit, u))
    found = np.array(rows)
    at_rule = np.flatnonzero(found[:, 5] > LEFT)
    row = int(at_rule[0]) if len(at_rule) else len(chances) - 1
    notes = (*few, *(() if len(at_rule) else ("A trend is left at every chance; the strongest selection is shown.",)))
    warn_each(notes)
    mean, se_, tau2 = found[:, 0] * unit, found[:, 1] * unit, found[:, 2] * unit**2
    half = quantile(taken.level, None) * se_[row]
    return CopasPath(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, chance=chances, mean=mean, mean_se=se_,
        tau2_path=tau2, rho=found[:, 3], log_likelihood=found[:, 4] - s.k * math.log(unit), residual_p=found[:, 5],
        unpublished=found[:, 6], at=row, estimate=float(mean[row]), se=float(se_[row]),
        interval=(float(mean[row] - half), float(mean[row] + half)), tau2=float(tau2[row]), warnings=(*s.notes, *notes),
        call=taken.record("copas", at=None if at is None else chances.tolist()), origin=s.origin,
    )  # fmt: skip


def _chances(at: Any) -> np.ndarray:
    given = CHANCES if at is None else at
    try:
        found = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError) as error:
        raise InputError(f"at={at!r:.80} holds no numbers; give chances between 0 and 1.") from error
    if found.ndim != 1 or not len(found) or not np.all((found > 0) & (found <= 1)) or np.any(np.diff(found) >= 0):
        raise InputError("at= must hold chances above 0 and at most 1, from the highest down.")
    return found


def _log_likelihood(y: np.ndarray, s: np.ndarray, u: np.ndarray, tau: float, rho: float, mean: np.ndarray) -> float:
    """Log density of the effects given that they are published, constants included."""
    from scipy.special import log_ndtr

    if np.isinf(u).all():
        variance = tau**2 + s**2
        return float(-0.5 * (np.log(2 * math.pi * variance) + (y - mean) ** 2 / variance).sum())
    ratio = np.exp(-0.5 * u**2 - 0.5 * math.log(2 * math.pi) - log_ndtr(u))
    own = s**2 / (1 - rho**2 * ratio * (u + ratio))  # the sampling variance before selection
    variance = tau**2 + own
    r = rho * np.sqrt(own / variance)
    away = (y - mean) / np.sqrt(variance)
    seen = (u + r * away) / np.sqrt(1 - r**2)
    return float((-0.5 * (np.log(2 * math.pi * variance) + away**2) - log_ndtr(u) + log_ndtr(seen)).sum())


def _fitted(y: np.ndarray, s: np.ndarray, u: np.ndarray) -> tuple[float, ...]:
    """Mean, its standard error, tau2, rho, log likelihood, p of the trend left, and studies unseen."""
    from scipy.special import ndtr

    free = bool(np.isfinite(u).all())
    top, at = _highest(y, s, u, trend=False, free=free)
    more, _ = _highest(y, s, u, trend=True, free=free)
    p = chi2_above(max(2 * (more - top), 0.0), 1)
    seen = ndtr(u)
    rho = at[2] if free else 0.0
    return at[0], _error(y, s, u, at, free), at[1] ** 2, rho, top, p, float(((1 - seen) / seen).sum())


def _highest(y: np.ndarray, s: np.ndarray, u: np.ndarray, *, trend: bool, free: bool) -> tuple[float, np.ndarray]:
    """The highest maximum over mean, tau, rho (held at 0 unless ``free``) and, with ``trend``, a slope over s."""
    from scipy.optimize import minimize

    spread = max(float(y.std()), 0.05)
    start = float(np.average(y, weights=1 / s**2))

    def lower(theta: np.ndarray) -> float:
        mean = theta[0] + (theta[3] * s if trend else 0.0)
        return -_log_likelihood(y, s, u, float(theta[1]), float(theta[2]), np.asarray(mean) + np.zeros(len(y)))

    bounds: list[Any] = [(None, None), (0.0, None), (-_EDGE, _EDGE) if free else (0.0, 0.0)]
    bounds += [(None, None)] if trend else []
    best, at = -math.inf, np.zeros(3)
    for rho in (-0.9, -0.4, 0.0, 0.4, 0.9) if free else (0.0,):
        for tau in (0.1 * spread, spread):
            theta = np.array([start, tau, rho, *([0.0] if trend else [])])
            found = minimize(
                lower, theta, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-9, "maxiter": 500}
            )
            if math.isfinite(found.fun) and -found.fun > best:
                best, at = float(-found.fun), np.asarray(found.x)
    return best, at


def _error(y: np.ndarray, s: np.ndarray, u: np.ndarray, at: np.ndarray, free: bool) -> float:
    """Standard error of the mean from the curvature, of what lies within its bounds; NaN where that is no maximum."""
    inside = [0, *([1] if at[1] > 1e-6 else []), *([2] if free and abs(at[2]) < _EDGE - 1e-6 else [])]
    step = np.array([1e-4, 1e-4, min(1e-4, 0.25 * (1 - abs(float(at[2]))))])  # two steps of rho stay inside (-1, 1)

    def value(theta: np.ndarray) -> float:
        return _log_likelihood(y, s, u, abs(float(theta[1])), float(theta[2]), np.full(len(y), theta[0]))

    n = len(inside)
    info = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            total = 0.0
            for i in (-1, 1):
                for j in (-1, 1):
                    theta = at[:3].copy()
                    theta[inside[a]] += i * step[inside[a]]
                    theta[inside[b]] += j * step[inside[b]]
                    total += i * j * value(theta)
            info[a, b] = -total / (4 * step[inside[a]] * step[inside[b]])
    if not np.isfinite(info).all() or np.linalg.eigvalsh((info + info.T) / 2)[0] <= 0:
        return math.nan
    return math.sqrt(float(np.linalg.inv(info)[0, 0]))
