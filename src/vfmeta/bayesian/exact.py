"""The normal-normal model without sampling.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ N(m, s^2) or flat,  tau ~ any prior.

Given tau everything else is normal (Lindley & Smith 1972, JRSS B 34:1-41; Gelman et al., Bayesian Data Analysis, 5.4), so a
one-dimensional quadrature over tau gives every marginal as a mixture of normals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta.bayesian.marginals import KINDS, NormalMixture, TauMarginal, mixture_quantiles
from vfmeta.bayesian.priors import Flat, MuPrior, Normal, TauPrior, default_mu, default_tau
from vfmeta.bayesian.quadrature import integrate
from vfmeta.frequentist.intake import Studies, read
from vfmeta.messages import InputError, warn
from vfmeta.results import BayesianResult, Question


class ExactPosterior:
    """Posterior of the normal-normal model.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances, checked.
    tau, mu : priors
        See `vfmeta.bayesian.priors`.

    Attributes
    ----------
    mu, next_trial : NormalMixture
        Mean effect, and the true effect of a further trial.
    tau : TauMarginal
        Between-study standard deviation.
    weights : ndarray of shape (k,)
        Posterior mean of the studies' shares in the estimate of mu (among the studies, prior left aside), percent.
    shrunken_mean, shrunken_sd : ndarray of shape (k,)
        True study effects given all the evidence.
    log_marginal_likelihood : float or None
        Log density of the data; None when a prior is improper.
    """

    def __init__(self, y: np.ndarray, v: np.ndarray, tau: TauPrior, mu: MuPrior) -> None:
        self._prior, self._v = tau, v
        # effects are counted from the most precise study: with it dominating, differences keep their digits
        self._centre = float(y[np.argmin(v)])
        self._y = y - self._centre
        self._prior_mean, self._prior_weight = (mu.mean - self._centre, 1 / mu.sd**2) if isinstance(mu, Normal) else (0.0, 0.0)
        k = len(y)
        tail = tau.tail + (k - 1 if isinstance(mu, Flat) else k)
        _refuse_improper(tail, k, tau, mu)
        # mu and the next trial inherit the tail of tau; with a proper prior mu itself is bounded by that prior
        spread = float(np.ptp(self._y)) + (abs(self._prior_mean) if self._prior_weight else 0.0)
        sizes = [math.sqrt(v.min()), math.sqrt(v.max()), *([spread] if spread > 0 else []), *([tau.size] if tau.size else [])]
        top = 2 if tail > 2 else 1 if tail > 1 else 0
        grid = integrate(self._log_posterior, self._wobble, sizes, tau.high, top)
        self.tau = TauMarginal(grid, self._log_posterior, tail, tau.high)
        keep = grid.mass > 1e-17
        self._nodes, self._p = grid.tau[keep], grid.mass[keep] / grid.mass[keep].sum()
        m, s, share = self._given(self._nodes)
        centre, p = self._centre, self._p
        self.mu = NormalMixture(p, m + centre, s, tail > 2 or bool(self._prior_weight))
        self.next_trial = NormalMixture(p, m + centre, np.hypot(s, self._nodes), tail > 2)
        self.weights = 100 * (p @ share)
        self._study_mean, self._study_sd = (x.T for x in self._shrunken(self._nodes, m, s))
        self.shrunken_mean = self._study_mean @ p
        scatter = (self._study_mean - self.shrunken_mean[:, None]) ** 2
        self.shrunken_sd = np.sqrt((self._study_sd**2 + scatter) @ p)
        self.shrunken_mean = self.shrunken_mean + centre
        self.log_marginal_likelihood = None
        if tau.proper and isinstance(mu, Normal):
            self.log_marginal_likelihood = grid.log_mass - 0.5 * k * math.log(2 * math.pi) - math.log(mu.sd)
        self.tail = tail

    def study(self, i: int) -> NormalMixture:
        """Posterior of the true effect of study ``i`` (0-based)."""
        return NormalMixture(self._p, self._study_mean[i] + self._centre, self._study_sd[i])

    def shrunken_interval(self, level: float, kind: str = "central") -> tuple[np.ndarray, np.ndarray]:
        """Intervals of all true study effects; two arrays of shape (k,)."""
        k = len(self._y)
        if kind == "shortest":
            pairs = [self.study(i).interval(level, kind) for i in range(k)]
            return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
        prob = np.repeat([0.5 - level / 2, 0.5 + level / 2], k)
        both = mixture_quantiles(prob, self._p, np.tile(self._study_mean, (2, 1)), np.tile(self._study_sd, (2, 1)))
        return both[:k] + self._centre, both[k:] + self._centre

    def _log_posterior(self, tau: np.ndarray) -> np.ndarray:
        """Log of prior times likelihood integrated over mu, constants aside; shape (m,) to (m,)."""
        total_v = self._v + tau[:, None] ** 2
        w = 1 / total_v
        total = w.sum(1) + self._prior_weight
        m = ((w * self._y).sum(1) + self._prior_weight * self._prior_mean) / total
        q = (w * (self._y - m[:, None]) ** 2).sum(1) + self._prior_weight * (self._prior_mean - m) ** 2
        return self._prior.log_density(tau, self._v) - 0.5 * (np.log(total_v).sum(1) + np.log(total) + q)

    def _given(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and SD of mu given tau, shape (m,), and the studies' shares of weight, shape (m, k)."""
        w = 1 / (self._v + tau[:, None] ** 2)
        total = w.sum(1) + self._prior_weight
        m = ((w * self._y).sum(1) + self._prior_weight * self._prior_mean) / total
        return m, 1 / np.sqrt(total), w / w.sum(1, keepdims=True)

    def _shrunken(self, tau: np.ndarray, m: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD of the true study effects given tau, shape (m, k)."""
        t2 = tau[:, None] ** 2
        pull = self._v / (self._v + t2)
        mean = self._y * (1 - pull) + m[:, None] * pull
        own = self._v * (t2 / (self._v + t2))
        return mean, np.sqrt(own + (pull * s[:, None]) ** 2)

    def _wobble(self, tau: np.ndarray) -> np.ndarray:
        """How far conditional means of mu and of the study effects travel over a panel of nodes, in their smallest SD."""
        n, order = tau.shape
        flat = tau.ravel()
        m, s, _ = self._given(flat)
        mean, sd = self._shrunken(flat, m, s)
        mean = np.column_stack([m, mean]).reshape(n, order, -1)
        sd = np.column_stack([s, sd]).reshape(n, order, -1)
        return (np.ptp(mean, axis=1) / sd.min(axis=1)).max(axis=1)


def _refuse_improper(tail: float, k: int, tau: TauPrior, mu: MuPrior) -> None:
    if tail > 0:
        return
    need = math.floor(k - tail) + 1
    raise InputError(
        f"The posterior is improper: with {k} {'study' if k == 1 else 'studies'}, {mu} and {tau}, large values of tau are not "
        f"ruled out by the data and the posterior has no finite total. It takes {need} studies with these priors; "
        "name a proper prior of tau, such as vf.priors.HalfNormal(scale)."
    )


def choose_priors(question: Question, tau: TauPrior | None, mu: MuPrior | None) -> tuple[TauPrior, MuPrior]:
    """The priors named, or the defaults of the measure."""
    if tau is not None and not isinstance(tau, TauPrior):
        raise InputError(f"tau={tau!r} is not a prior of tau; use one of vf.priors, such as vf.priors.HalfNormal(1.0).")
    if mu is not None and not isinstance(mu, (Normal, Flat)):
        raise InputError(f"mu={mu!r} is not a prior of mu; use vf.priors.Normal(mean, sd) or vf.priors.Flat().")
    return default_tau(question) if tau is None else tau, default_mu(question) if mu is None else mu


def benefit(question: Question, below: Any) -> tuple[float | None, float | None]:
    """P(benefit) and P(benefit beyond the minimal important difference) from ``below(x)`` = P(mu < x).

    A benefit lies below zero where higher is worse and above zero where higher is better. ``question.mid`` is taken on the
    analysis scale.
    """
    if question.higher_is_worse is None:
        return None, None

    def beyond(size: float) -> float:
        return float(below(-size)) if question.higher_is_worse else 1 - float(below(size))

    return beyond(0.0), None if question.mid is None else beyond(abs(question.mid))


def random_effects(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    labels: Sequence[Any] | None = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    level: float = 0.95,
    interval: str = "central",
    question: Question | None = None,
    missing: str = "raise",
) -> BayesianResult:
    """Bayesian random-effects meta-analysis, solved exactly by quadrature.

    Parameters
    ----------
    effects : effect table, optional
        What ``vf.compare`` or ``vf.effect_size`` returned.
    y, v : array-like of shape (k,)
        Instead of a table: effects on the analysis scale and their sampling variances.
    labels : sequence of k names, optional
        Study names for raw arrays.
    tau, mu : priors, optional
        Defaults follow the measure (`vfmeta.bayesian.priors.default_tau`, `default_mu`); raw arrays of unknown unit get a
        flat mu and must name tau.
    level : float
        Credible level of every interval.
    interval : {"central", "shortest"}
        Kind of every interval.
    question : Question, optional
        What is compared; taken from the table when there is one.
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.

    Returns
    -------
    BayesianResult
        ``estimate`` is the posterior median of mu, ``prediction`` the interval of the next trial's true effect, ``tau2`` the
        square of the posterior median of tau. A moment that does not exist (heavy-tailed prior, few studies) is infinite
        and a warning says so.
    """
    if interval not in KINDS:
        raise InputError(f'interval={interval!r} is unknown; use "central" or "shortest".')
    studies = read(effects, y, v, labels, question, missing, level)
    tau, mu = choose_priors(studies.question, tau, mu)
    post = ExactPosterior(studies.y, studies.v, tau, mu)
    result = _result(studies, post, tau, mu, float(level), interval)
    for note in result.warnings:
        warn(note)
    return result


def posterior(y: Any, v: Any, tau: TauPrior, mu: MuPrior | None = None) -> ExactPosterior:
    """Exact posterior with its densities, distribution functions and quantiles; ``mu`` is flat when left out."""
    studies = read(None, y, v, None, None, "raise", 0.95)
    tau, mu = choose_priors(studies.question, tau, mu)
    return ExactPosterior(studies.y, studies.v, tau, mu)


def study_notes(s: Studies, tau: TauPrior, mu: MuPrior) -> list[str]:
    """Warnings that follow from the input alone."""
    notes = list(s.notes)
    if s.k == 1:
        notes.append(f"One trial only ({s.labels[0]}): what is said of the heterogeneity comes from the prior of tau alone.")
    tail = tau.tail + (s.k - 1 if isinstance(mu, Flat) else s.k)
    if tail <= 2:
        what = "mean and standard deviation" if tail <= 1 else "standard deviation"
        notes.append(
            f"The posterior {what} of tau and of the next trial{' and of mu' if isinstance(mu, Flat) else ''} do not exist as "
            "finite numbers with so few studies and so heavy a prior tail; read medians and intervals."
        )
    return notes


def _result(
    s: Studies, post: ExactPosterior, tau: TauPrior, mu: MuPrior, level: float, kind: str
) -> BayesianResult:
    mean_effect, between, further = (x.summary(level, kind) for x in (post.mu, post.tau, post.next_trial))
    low, high = post.shrunken_interval(level, kind)
    p_benefit, p_mid = benefit(s.question, post.mu.cdf)
    ends = post.mu.quantile(np.array([0.0005, 0.9995]))
    grid = np.linspace(ends[0], ends[1], 201)
    return BayesianResult(
        question=s.question, model="random", k=s.k, estimate=mean_effect.median, se=mean_effect.sd,
        interval=mean_effect.interval, level=level, prediction=further.interval, tau2=between.median**2, labels=s.labels,
        y=s.y, v=s.v, weights=post.weights, details=s.details, warnings=tuple(study_notes(s, tau, mu)),
        call={"function": "bayes.random_effects", "tau": str(tau), "mu": str(mu), "level": level, "interval": kind},
        mu=mean_effect, tau=between, next_trial=further, shrunken_mean=post.shrunken_mean, shrunken_sd=post.shrunken_sd,
        shrunken_low=low, shrunken_high=high, p_benefit=p_benefit, p_benefit_mid=p_mid, priors=(str(tau), str(mu)),
        method="exact quadrature", interval_kind=kind, grid=grid, density=post.mu.density(grid),
    )  # fmt: skip
