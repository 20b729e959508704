"""From posterior draws to the house's result."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vfmeta.bayes.chances import chances, prior_median
from vfmeta.core.params import IntervalKind, choice, confidence
from vfmeta.core.question import Pair
from vfmeta.effects.reading import Studies
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.posterior import BayesianResult, Marginal

__all__ = ["interval", "result"]


def interval(x: np.ndarray, level: float, kind: str) -> Pair:
    """Central or shortest interval of draws of any shape."""
    if kind == "central":
        low, high = np.quantile(x, [0.5 - level / 2, 0.5 + level / 2])
    else:
        ordered = np.sort(x, axis=None)
        span = math.ceil(level * len(ordered))
        start = int(np.argmin(ordered[span - 1 :] - ordered[: len(ordered) - span + 1]))
        low, high = ordered[start], ordered[start + span - 1]
    return float(low), float(high)


def result(
    s: Studies,
    draws: Mapping[str, np.ndarray],
    *,
    level: float,
    kind: str,
    priors: tuple[str, ...],
    warnings: tuple[str, ...],
    call: dict[str, Any],
    method: str,
    density: Callable[[np.ndarray], np.ndarray] | None = None,
    prior_share: float | None = None,
    tau_prior: TauPrior | None = None,
    mu_prior: MuPrior | None = None,
) -> BayesianResult:
    """A `BayesianResult` from draws.

    Parameters
    ----------
    s : Studies
        Effects and variances with their names.
    draws : mapping of str to ndarray
        ``mu``, ``tau``, ``next_trial`` (chains, draws), ``theta`` (chains, draws, k); ``weight`` (chains, draws, k), the
        precision a study has in the estimate of mu, where it is not 1 / (v + tau2).
    density : callable, optional
        Posterior density of mu; a kernel estimate where none is given.
    tau_prior, mu_prior : priors, optional
        Where the model is the normal-normal one.
    """
    kind = choice("interval", kind, IntervalKind)
    confidence(level)

    def marginal(x: np.ndarray) -> Marginal:
        return Marginal(
            mean=float(x.mean()), sd=float(x.std(ddof=1)), median=float(np.median(x)), interval=interval(x, level, kind)
        )

    mu, tau, following = draws["mu"], draws["tau"], draws["next_trial"]
    mean_effect, between, further = marginal(mu), marginal(tau), marginal(following)
    theta = draws["theta"].reshape(-1, s.k)
    limits = np.array([interval(theta[:, i], level, kind) for i in range(s.k)])
    w = draws["weight"].reshape(-1, s.k) if "weight" in draws else 1 / (s.v + tau.ravel()[:, None] ** 2)
    low, high = np.quantile(mu, [0.0005, 0.9995])
    grid = np.linspace(float(low), float(high), 201)
    if density is None:
        from scipy.stats import gaussian_kde

        density = gaussian_kde(mu.ravel())
    odds = chances(s.question, lambda x: np.mean(mu < x), lambda x: np.mean(following < x))
    return BayesianResult(
        question=s.question, model="random", k=s.k, estimate=mean_effect.median, se=mean_effect.sd,
        interval=mean_effect.interval, level=float(level), prediction=further.interval, tau2=between.median**2, labels=s.labels,
        y=s.y, v=s.v, weights=100 * (w / w.sum(1, keepdims=True)).mean(0), details=s.details,
        origin=s.origin, warnings=warnings, call=call,
        mu=mean_effect, tau=between, next_trial=further, shrunken_mean=theta.mean(0), shrunken_sd=theta.std(0, ddof=1),
        shrunken_low=limits[:, 0], shrunken_high=limits[:, 1], **odds, priors=priors, method=method, interval_kind=kind,
        grid=grid, density=density(grid), prior_share=prior_share, tau_prior=tau_prior,
        mu_prior=mu_prior, tau_prior_median=None if tau_prior is None else prior_median(tau_prior, s.v),
    )  # fmt: skip
