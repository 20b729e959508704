"""The posterior of the normal-normal model, by panels in numpy: densities and distribution functions anywhere, and draws.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ N(m, s^2) or flat,  tau ~ any prior.

The compiled kernel (`vfmeta.kernels.normal_normal`) answers what is asked beforehand, this what is not: a study's own
posterior, the data without a trial, a joint density. It is the regression of `exact_regression` with one column of ones,
written out: with scalars in place of matrices it takes two thirds of the time, and a prior of mu may be a mixture.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.bayes.marginals import NormalMixture, check_draws, solve_tau
from vfmeta.core.messages import InputError
from vfmeta.core.origin import Origin
from vfmeta.core.question import Question
from vfmeta.kernels import normal_mixture
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.posterior import BayesianResult
from vfmeta.results.shown import Displayed, Shown, of_pool
from vfmeta.text import numbers as tx


class ExactPosterior(Displayed):
    """Posterior of the normal-normal model.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Effects and sampling variances, checked.
    tau, mu : priors
        See `vfmeta.priors`.

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
    y, v, tau_prior, mu_prior
        What it was made from.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.posterior([-0.5, -0.3, -0.8], [0.04, 0.02, 0.09], vf.priors.HalfNormal(0.5))
    >>> bool(post.mu.cdf(0.0) > 0.9), post.draws(100)["mu"].shape
    (True, (100,))
    """

    def __init__(self, y: np.ndarray, v: np.ndarray, tau: TauPrior, mu: MuPrior) -> None:
        self.y, self.v, self.tau_prior, self.mu_prior = y, v, tau, mu
        # effects are counted from the most precise study: with it dominating, differences keep their digits
        self._centre = float(y[np.argmin(v)])
        self._y = y - self._centre
        self._logw, mean, self._precision = mu.components(y, v)
        self._mean = mean - self._centre if mu.proper else mean
        k = len(y)
        tail = tau.tail + (k if mu.proper else k - 1)
        refuse_improper(tail, k, tau, mu)
        # mu and the next trial inherit the tail of tau; with a proper prior mu itself is bounded by that prior
        spread = float(np.ptp(self._y)) + (float(np.abs(self._mean).max()) if mu.proper else 0.0)
        sizes = [math.sqrt(v.min()), math.sqrt(v.max()), spread]
        # what the density of tau was divided by (constants of flat priors left out) is the log mass
        self.tau, nodes, mass, self.log_mass = solve_tau(tau, self._log_posterior, self._wobble, sizes, tail)
        shares, m, s, share = self._given(nodes)
        # node by component of the prior of mu, in one row
        p = (mass[:, None] * shares).ravel()
        keep = (p > 1e-17) | ((p > 0) & (len(self._mean) == 1))
        self._p, self._nodes = p[keep] / p[keep].sum(), np.repeat(nodes, len(self._mean))[keep]
        self._given_mean, self._given_sd = m.ravel()[keep], s.ravel()[keep]
        centre, p = self._centre, self._p
        self.mu = NormalMixture(p, self._given_mean + centre, self._given_sd, tail > 2 or mu.proper)
        self.next_trial = NormalMixture(p, self._given_mean + centre, np.hypot(self._given_sd, self._nodes), tail > 2)
        self.weights = 100 * (mass @ share)
        self.prior_share = float(mass @ (shares * self._precision * s**2).sum(1))
        self._study_mean, self._study_sd = (x.T for x in self._shrunken(self._nodes, self._given_mean, self._given_sd))
        self.shrunken_mean = self._study_mean @ p
        scatter = (self._study_mean - self.shrunken_mean[:, None]) ** 2
        self.shrunken_sd = np.sqrt((self._study_sd**2 + scatter) @ p)
        self.shrunken_mean = self.shrunken_mean + centre
        self.log_marginal_likelihood = None
        if tau.proper and mu.proper:
            self.log_marginal_likelihood = self.log_mass - 0.5 * k * math.log(2 * math.pi)
        self.tail = tail

    def __str__(self) -> str:
        lines = [f"exact posterior, k = {len(self._y)}: median (95% central interval)"]
        for name, part in (("mu", self.mu), ("tau", self.tau), ("true effect in a next trial", self.next_trial)):
            low, high = part.interval()
            lines.append(f"{name:<10} {tx.short(part.median)} ({tx.span_text((low, high))})")
        return "\n".join([*lines, f"prior: {self.tau_prior}", f"prior: {self.mu_prior}"])

    __repr__ = __str__

    def _display(self) -> Shown:
        return of_pool(str(self))

    def study(self, i: int) -> NormalMixture:
        """Posterior of the true effect of study ``i`` (0-based)."""
        if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not 0 <= i < len(self._y):
            raise InputError(f"There is no study {i!r}; they are counted from 0 to {len(self._y) - 1}.")
        return NormalMixture(self._p, self._study_mean[i] + self._centre, self._study_sd[i])

    def shrunken_interval(self, level: float, kind: str = "central") -> tuple[np.ndarray, np.ndarray]:
        """Intervals of all true study effects; two arrays of shape (k,)."""
        k = len(self._y)
        if kind == "shortest":
            pairs = [self.study(i).interval(level, kind) for i in range(k)]
            return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
        prob = np.repeat([0.5 - level / 2, 0.5 + level / 2], k)
        both = normal_mixture.quantiles(prob, self._p, np.tile(self._study_mean, (2, 1)), np.tile(self._study_sd, (2, 1)))
        return both[:k] + self._centre, both[k:] + self._centre

    def joint_density(self, mu: Any, tau: Any) -> np.ndarray:
        """Joint posterior density of mu and tau; arguments of shapes that broadcast."""
        x, t = np.broadcast_arrays(np.asarray(mu, dtype=float), np.asarray(tau, dtype=float))
        inside = (t > 0).ravel()
        shares, m, s, _ = self._given(np.where(inside, t.ravel(), 1.0))
        z = (x.ravel()[:, None] - self._centre - m) / s
        given = (shares * np.exp(-0.5 * z * z) / s).sum(1) / math.sqrt(2 * math.pi)
        return np.where(inside, given * self.tau.density(t.ravel()), 0.0).reshape(x.shape)

    def draws(self, n: int, seed: int = 1) -> dict[str, np.ndarray]:
        """Independent draws from the joint posterior.

        Parameters
        ----------
        n : int
            How many.
        seed : int
            Same seed, same draws.

        Returns
        -------
        dict
            ``mu``, ``tau``, ``next_trial`` (n,) and ``theta`` (n, k).
        """
        check_draws(n, seed)
        rng = np.random.default_rng(int(seed))
        # 0 and 1 themselves have no quantile
        tau = self.tau.quantile(np.clip(rng.random(n), 1e-15, 1 - 1e-15))
        shares, m, s, _ = self._given(tau)
        part = np.minimum((shares.cumsum(1) < rng.random(n)[:, None]).sum(1), len(self._mean) - 1)
        row = np.arange(n)
        mu = m[row, part] + s[row, part] * rng.standard_normal(n)
        t2 = tau[:, None] ** 2
        pull = self.v / (self.v + t2)
        theta = self._y * (1 - pull) + mu[:, None] * pull + np.sqrt(t2 * pull) * rng.standard_normal((n, len(self._y)))
        following = mu + tau * rng.standard_normal(n)
        return {"mu": mu + self._centre, "tau": tau, "theta": theta + self._centre, "next_trial": following + self._centre}

    @property
    def printed(self) -> np.ndarray:
        """Which trials print their estimate with its standard error, (k,): all."""
        return np.ones(len(self.y), dtype=bool)

    def without(self, i: int, tau: TauPrior) -> tuple[float, ExactPosterior]:
        """Log predictive density of trial ``i`` given the others, and the posterior of these under a prior of tau."""
        others = np.arange(len(self.y)) != i
        rest = ExactPosterior(self.y[others], self.v[others], tau, self.mu_prior)
        # a ratio of two normalising totals, which keeps its digits however far out the trial lies
        return self.log_mass - rest.log_mass - 0.5 * math.log(2 * math.pi), rest

    def ahead(self, v: float) -> NormalMixture:
        """Predictive distribution of the estimate of a further trial of sampling variance ``v``."""
        next_trial = self.next_trial
        return NormalMixture(next_trial.p, next_trial.m, np.hypot(next_trial.s, math.sqrt(v)))

    def log_likelihood(self, tau: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Log likelihood, constants aside, at ``mu`` (m, n), a row for every ``tau`` (m,); shape (m, n)."""
        total = self.v + tau[:, None] ** 2
        log_l = -0.5 * np.log(total).sum(1)[:, None]
        return log_l - 0.5 * ((self.y - mu[..., None]) ** 2 / total[:, None, :]).sum(-1)

    def given(self, tau: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Quantiles of mu given tau: at probabilities ``p`` (n,) for every tau (m,); shape (m, n)."""
        from scipy.special import ndtri

        shares, m, s, _ = self._given(tau)
        if shares.shape[1] == 1:
            return self._centre + m + s * ndtri(p)
        n = (len(p), 1)
        each = [normal_mixture.quantiles(p, a, np.tile(b, n), np.tile(c, n)) for a, b, c in zip(shares, m, s, strict=True)]
        return self._centre + np.stack(each)

    def _pooled(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights of the studies (m, k), their sum and the weighted mean (m,) given tau."""
        w = 1 / (self.v + tau[:, None] ** 2)
        total = w.sum(1)
        with np.errstate(invalid="ignore"):  # tau so large that no weight is left: there is no density there
            return w, total, (w * self._y).sum(1) / total

    def _parts(self, total: np.ndarray, pooled: np.ndarray) -> np.ndarray:
        """Log weight of every component of the prior of mu given tau, (m, J), data constants aside."""
        if self._precision[0] == 0:
            with np.errstate(divide="ignore"):
                return -0.5 * np.log(total)[:, None]
        shrink = self._precision / (total[:, None] + self._precision)
        return self._logw + 0.5 * np.log(shrink) - 0.5 * (pooled[:, None] - self._mean) ** 2 * total[:, None] * shrink

    def _log_posterior(self, tau: np.ndarray) -> np.ndarray:
        """Log of prior times likelihood integrated over mu, constants aside; shape (m,) to (m,)."""
        w, total, pooled = self._pooled(tau)
        q = (w * (self._y - pooled[:, None]) ** 2).sum(1)
        parts = self._parts(total, pooled)
        best = parts.max(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mixed = best + np.log(np.exp(parts - best[:, None]).sum(1)) if parts.shape[1] > 1 else best
            return self.tau_prior.log_density(tau, self.v) + 0.5 * (np.log(w).sum(1) - q) + mixed

    def _given(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Given tau: shares of the components of mu's prior, their means and SDs of mu, (m, J); the studies' weights (m, k)."""
        w, total, pooled = self._pooled(tau)
        parts = self._parts(total, pooled)
        shares = np.exp(parts - parts.max(1, keepdims=True))
        both = total[:, None] + self._precision
        mean = (total * pooled)[:, None] / both + self._precision * self._mean / both
        return shares / shares.sum(1, keepdims=True), mean, 1 / np.sqrt(both), w / total[:, None]

    def _shrunken(self, tau: np.ndarray, m: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD of the true study effects given tau, shape (m, k)."""
        t2 = tau[:, None] ** 2
        pull = self.v / (self.v + t2)
        mean = self._y * (1 - pull) + m[:, None] * pull
        own = self.v * (t2 / (self.v + t2))
        return mean, np.sqrt(own + (pull * s[:, None]) ** 2)

    def _wobble(self, tau: np.ndarray) -> np.ndarray:
        """How far conditional means of mu and of the study effects travel over a panel of nodes, in their smallest SD."""
        n, order = tau.shape
        flat = tau.ravel()
        _, m, s, _ = self._given(flat)
        mean, sd = self._shrunken(flat, m[:, 0], s[:, 0])
        mean = np.column_stack([m, mean]).reshape(n, order, -1)
        sd = np.column_stack([s, sd]).reshape(n, order, -1)
        return (np.ptp(mean, axis=1) / sd.min(axis=1)).max(axis=1)


def refuse_improper(tail: float, k: int, tau: TauPrior, mu: MuPrior) -> None:
    """Raise where the posterior has no finite total (Gelman 2006, Bayesian Analysis 1:515-534, section 2 and appendix)."""
    if tail > 0:
        return
    need = math.floor(k - tail) + 1
    studies = f"with {k} {'study' if k == 1 else 'studies'}, {mu} and {tau}"
    if tau.proper:
        raise InputError(
            f"The posterior cannot be told from an improper one: {studies}, large values of tau are ruled out by the prior "
            f"alone, and so heavy a tail has no limits worth stating. It takes {need} studies, or a proper prior of mu."
        )
    raise InputError(
        f"The posterior is improper: {studies}, large values of tau are not "
        f"ruled out by the data and the posterior has no finite total. It takes {need} studies with these priors; "
        "name a proper prior of tau, such as vf.priors.HalfNormal(scale) (Gelman 2006, Bayesian Analysis 1:515-534)."
    )


def behind(post: BayesianResult | ExactPosterior) -> tuple[Any, tuple[str, ...], Question, Origin]:
    """The exact posterior of the data and priors that a posterior keeps, its studies' names, its question and its origin."""
    if isinstance(post, ExactPosterior):
        return post, tuple(f"study {i + 1}" for i in range(len(post.y))), Question(), Origin()
    if hasattr(post, "psense"):
        raise InputError(
            f"These are draws of the {getattr(post.model, 'name', '')} model, which have checks of their own: psense() tells "
            "how the prior weighs and loo() how each observation is predicted; draws of a normal-normal model are taken as "
            "post.result()."
        )
    if not isinstance(post, BayesianResult):
        raise InputError(
            f"This takes a posterior, which keeps its data and priors, and not {type(post).__name__}; pass what "
            "vf.bayes.random_effects, vf.bayes.sample or vf.bayes.posterior returned."
        )
    if hasattr(post, "exact_posterior"):  # a class that holds more than estimates with their variances
        return post.exact_posterior(), post.labels, post.question, post.origin
    if post.tau_prior is None or post.mu_prior is None:
        raise InputError(
            f"This posterior ({post.method}) is of another model than the normal-normal one, to which this check belongs; "
            "what vf.bayes.models sampled has its own verbs, such as loo() and psense()."
        )
    return ExactPosterior(post.y, post.v, post.tau_prior, post.mu_prior), post.labels, post.question, post.origin
