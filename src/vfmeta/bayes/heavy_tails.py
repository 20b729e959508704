"""The exact posterior of random effects again with heavy tails between the trials: a t distribution, summed over a grid.

Where trials disagree far beyond chance a normal distribution between them makes outlying trials pull at the mean; a t lets them
lie far out (Lee & Thompson 2008, Stat Med 27:418-434). The model is that of ``vf.bayes.models.robust`` with fixed degrees of
freedom; mean and scale stand on a grid and each trial's own effect is integrated out, so that nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from vfmeta.bayes.exact_posterior import ExactPosterior, behind
from vfmeta.bayes.models._robust import mixing
from vfmeta.core.question import Pair
from vfmeta.results.posterior import BayesianResult

_MEANS, _SCALES = 301, 121
_REACH = 8.0  # the means reach sinh of it, in posterior SDs of the normal model: half a thousand at the ends


@dataclass(frozen=True, kw_only=True)
class HeavyTails:
    """Posterior of the centre, of the scale of the t and of the effect in a next trial, as medians with intervals.

    ``p_below`` is the probability that the centre lies below no difference; ``relative_precision`` is about 1 for a trial like
    the others and far below 1 for an outlier.
    """

    df: float
    level: float
    estimate: float
    interval: Pair
    mean: float
    tau: float
    tau_interval: Pair
    prediction: Pair
    p_below: float | None
    labels: tuple[str, ...]
    relative_precision: tuple[float, ...]


def heavy_tails(post: BayesianResult | ExactPosterior, df: float = 4.0) -> HeavyTails:
    """Solve the model of a posterior again with a t of ``df`` degrees of freedom between the trials, its priors kept.

    Parameters
    ----------
    post : BayesianResult or ExactPosterior
        From ``vf.bayes.random_effects``; its prior of tau becomes that of the scale of the t.
    df : float

    Examples
    --------
    >>> import vfmeta as vf
    >>> from vfmeta.bayes.heavy_tails import heavy_tails
    >>> post = vf.bayes.random_effects(y=[-0.5, -0.3, -0.4, -3.0], v=[0.05] * 4, tau=vf.priors.HalfNormal(0.5))
    >>> heavy_tails(post).estimate > post.estimate
    True
    """
    exact, labels, question, _ = behind(post)
    level = getattr(post, "level", 0.95)
    y, v, tau_prior, mu_prior = exact.y, exact.v, exact.tau_prior, exact.mu_prior
    logw, u = mixing(np, np.array([float(df)]))
    # steps fine about the posterior of the normal model and wide far off; the scale in steps that are fine near 0
    w = np.linspace(-_REACH, _REACH, _MEANS)
    left, centre, right = exact.mu.quantile(np.array([0.16, 0.5, 0.84])).tolist()
    spread = (right - left) / 8
    m, dm = centre + spread * np.sinh(w), spread * np.cosh(w)
    x = (np.arange(_SCALES) + 0.5) / _SCALES
    top = 1.5 * float(exact.tau.quantile(np.array([1 - 1e-6]))[0])
    t, dt = top * x**2, x
    log = np.log(dm)[:, None] + np.log(dt) + mu_prior.log_density(m)[:, None] + tau_prior.log_density(t, v)
    lam = np.exp(u)
    kept = []
    for yi, vi in zip(y.tolist(), v.tolist(), strict=True):
        total = vi + t[:, None] ** 2 / lam  # scale by node
        parts = logw - 0.5 * (yi - m[:, None, None]) ** 2 / total - 0.5 * np.log(total)
        peak = parts.max(axis=-1, keepdims=True)
        p = np.exp(parts - peak)
        mass = p.sum(axis=-1)
        kept.append((p @ lam) / mass)
        log = log + np.log(mass) + peak[..., 0]
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    of_mean, of_scale = weight.sum(axis=1), weight.sum(axis=0)
    tails = np.array([(1 - level) / 2, 0.5, (1 + level) / 2])
    low, middle, high = _quantiles(m, of_mean, tails)
    s_low, s_middle, s_high = _quantiles(t, of_scale, tails)
    null = question.null_effect
    return HeavyTails(
        df=float(df), level=level, estimate=middle, interval=(low, high), mean=float(of_mean @ m), tau=s_middle,
        tau_interval=(s_low, s_high), prediction=_next(m, t, weight, df, tails[[0, 2]]),
        p_below=None if null is None else float(np.interp(null, m, _cumulative(of_mean))), labels=tuple(labels),
        relative_precision=tuple(float((weight * x).sum()) for x in kept),
    )  # fmt: skip


def _cumulative(weight: np.ndarray) -> np.ndarray:
    """Probability below each point of a grid, half of its own counted."""
    return np.cumsum(weight) - weight / 2


def _quantiles(grid: np.ndarray, weight: np.ndarray, p: np.ndarray) -> tuple[float, ...]:
    return tuple(np.interp(p, _cumulative(weight), grid).tolist())


def _next(m: np.ndarray, t: np.ndarray, weight: np.ndarray, df: float, tails: np.ndarray) -> Pair:
    """Interval of the effect in a next trial: quantiles of the mixture of t distributions, by bisection."""
    keep = weight > 1e-9 * weight.max()
    centre, scale = (np.broadcast_to(x, weight.shape)[keep] for x in (m[:, None], t))
    p = weight[keep] / weight[keep].sum()
    ends = []
    for q in tails.tolist():
        low, high = float((centre - 60 * scale).min()), float((centre + 60 * scale).max())
        while high - low > 1e-7 * (1 + abs(high) + abs(low)):
            at = (low + high) / 2
            below = float(p @ stdtr(df, (at - centre) / scale))
            low, high = (at, high) if below < q else (low, at)
        ends.append((low + high) / 2)
    return ends[0], ends[1]
