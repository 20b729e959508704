"""Do two solutions of one model agree? The exact posterior against draws, in Monte Carlo standard errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes.exact_posterior import ExactPosterior
from vfmeta.core.messages import InputError, kind_of
from vfmeta.results.posterior import BayesianResult

if TYPE_CHECKING:
    from vfmeta.priors import MuPrior, TauPrior

#: figures of one comparison at most, and the largest number of analyses for which `AGREES` is meant
FIGURES, _ANALYSES = 8, 100


@dataclass(frozen=True)
class Difference:
    """One figure of a posterior by two roads; ``error`` is the Monte Carlo standard error of the sampled one."""

    figure: str
    exact: float
    sampled: float
    error: float

    @property
    def size(self) -> float:
        """Distance in Monte Carlo standard errors."""
        return abs(self.sampled - self.exact) / self.error


def agreement(post: BayesianResult | ExactPosterior, sampled: BayesianResult) -> float:
    """Largest difference between two solutions of one model, in Monte Carlo standard errors; see `differences`.

    Hold it to `limit` of the number of figures compared: the largest of four standard normals passes 4 about once in 4,000
    times.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0))
    >>> sampled = vf.bayes.sample(y=post.y, v=post.v, tau=post.tau_prior)  # doctest: +SKIP
    >>> vf.bayes.agreement(post, sampled) < 5  # doctest: +SKIP
    True
    """
    return max(d.size for d in differences(post, sampled))


def differences(exact: BayesianResult | ExactPosterior, sampled: BayesianResult) -> tuple[Difference, ...]:
    """Figures of mu and tau by two roads.

    Compared are the posterior mean and SD. Where the tail is so heavy that one of them has no Monte Carlo standard error to be
    relied on (the mean needs four moments for it, the SD eight), the median and the ends of the central interval stand in.
    Each difference has the Monte Carlo standard error of the sampled figure beside it (effective sample size of the draws, of
    their squared deviations for the SD, of indicators for quantiles; Vehtari et al. 2021, Bayesian Analysis 16:667-718).

    Parameters
    ----------
    exact : BayesianResult or ExactPosterior
        From `vf.bayes.random_effects` or `vf.bayes.posterior`.
    sampled : BayesianResult
        From `vf.bayes.sample`, on the same data with the same priors.

    Raises
    ------
    InputError
        The second result was not sampled, or the two answer different questions.
    """
    if not isinstance(sampled, BayesianResult):
        raise InputError(f"sampled is {kind_of(sampled)}; give what vf.bayes.sample returned.")
    errors: dict[str, float] | None = sampled.call.get("mcse")
    if errors is None:
        raise InputError("The second result was not sampled (it has no Monte Carlo errors); pass one from vf.bayes.sample.")
    if isinstance(exact, BayesianResult) and (exact.priors != sampled.priors or exact.labels != sampled.labels):
        raise InputError("The two results answer different questions: their studies or priors differ.")
    found: list[Difference] = []
    for name in ("mu", "tau"):
        here, there = _figures(getattr(exact, name), sampled.level), _figures(getattr(sampled, name), sampled.level)
        moments = [what for what in ("mean", "sd") if f"{name}.{what}" in errors and math.isfinite(here[what])]
        ends = ["low", "high"] if sampled.interval_kind == "central" and _central(exact) else []
        compared = moments if len(moments) == 2 else [*moments, "median", *ends]
        found += [Difference(f"{what} of {name}", here[what], there[what], errors[f"{name}.{what}"]) for what in compared]
    return tuple(found)


def limit(figures: int, false_alarm: float = 0.001) -> float:
    """What the largest of so many differences passes by chance with probability ``false_alarm`` at most.

    Each difference is a standard normal where the two solutions are the same (the errors rest on hundreds of effective draws or
    more); Bonferroni's bound holds for figures that hang together.
    """
    from scipy.special import ndtri

    return float(-ndtri(false_alarm / (2 * figures)))


def agrees(size: float) -> bool:
    """Whether the largest difference of one analysis is what chance gives: one false alarm in 1,000 reviews of 100 analyses."""
    return size <= limit(FIGURES * _ANALYSES)


def monte_carlo_errors(draws: Mapping[str, np.ndarray], tails: Mapping[str, float], level: float) -> dict[str, float]:
    """Monte Carlo standard errors of mean, SD, median and the ends of the central interval, as far as they exist.

    Parameters
    ----------
    draws : mapping of str to ndarray of shape (chains, draws)
        ``mu`` and ``tau``.
    tails : mapping of str to float
        The a of a posterior density that falls as x^(-1-a), see `tails_of`.
    level : float
        Probability of the interval.

    Returns
    -------
    dict
        Such as ``"mu.mean"``, ``"tau.sd"``, ``"tau.high"``; the SD by the delta method on the variance.
    """
    from vfmeta.bayes import versions as compat

    out = {}
    for name, x in draws.items():
        # an error rests on a moment twice as high, and is itself known only where the moment twice as high again exists
        if tails[name] > 4:
            out[f"{name}.mean"] = float(x.std() / math.sqrt(compat.ess(x, "mean")))
        if tails[name] > 8:
            square = (x - x.mean()) ** 2
            out[f"{name}.sd"] = float(square.std() / math.sqrt(compat.ess(square, "mean")) / (2 * x.std()))
        for what, p in (("median", 0.5), ("low", 0.5 - level / 2), ("high", 0.5 + level / 2)):
            out[f"{name}.{what}"] = compat.quantile_error(x, p)
    return out


def tails_of(tau: TauPrior, mu: MuPrior, k: int) -> dict[str, float]:
    """How the posteriors of mu and tau fall off with k studies: moments below the number given exist."""
    tail = tau.tail + (k if mu.proper else k - 1)
    return {"mu": math.inf if mu.light else tail, "tau": tail}


def _figures(marginal: Any, level: float) -> dict[str, float]:
    low, high = marginal.interval(level) if callable(marginal.interval) else marginal.interval
    return {"mean": marginal.mean, "sd": marginal.sd, "median": marginal.median, "low": low, "high": high}


def _central(exact: BayesianResult | ExactPosterior) -> bool:
    return isinstance(exact, ExactPosterior) or exact.interval_kind == "central"
