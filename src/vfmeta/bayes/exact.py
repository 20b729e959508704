"""The normal-normal model without sampling.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ N(m, s^2) or flat,  tau ~ any prior.

Given tau everything else is normal (Lindley & Smith 1972, JRSS B 34:1-41; Gelman et al., Bayesian Data Analysis, 5.4), so a
one-dimensional quadrature over tau gives every marginal as a mixture of normals.

Results come from the compiled kernel (`vfmeta.kernels.normal_normal`; one posterior is a batch of one). `ExactPosterior` does
the same with panels in numpy, for what the kernel cannot do: answer what was not asked beforehand (densities and distribution
functions anywhere, draws, a study's own posterior), and rows it leaves (a prior without a formula, panels that do not settle).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.bayes import compiled
from vfmeta.bayes.chances import benefit, chance_points, chances, prior_median
from vfmeta.bayes.marginals import NormalMixture, check_draws, solve_tau
from vfmeta.core.messages import InputError, warn
from vfmeta.core.origin import Origin
from vfmeta.core.params import IntervalKind, Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies, read
from vfmeta.kernels import normal_mixture
from vfmeta.priors import MuPrior, TauPrior, default_mu, default_tau
from vfmeta.results.posterior import BayesianResult, Marginal
from vfmeta.results.shown import Displayed, Shown, of_pool
from vfmeta.text import numbers as tx
from vfmeta.text.turned_back import unequal_sizes


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


__all__ = [
    "ExactPosterior", "behind", "benefit", "choose_priors", "posterior", "random_effects", "refuse_improper", "study_notes",
]  # fmt: skip


def choose_priors(question: Question, tau: TauPrior | None, mu: MuPrior | None) -> tuple[TauPrior, MuPrior]:
    """The priors named, or the defaults of the measure."""
    if tau is not None and not isinstance(tau, TauPrior):
        raise InputError(f"tau={tau!r} is not a prior of tau; use one of vf.priors, such as vf.priors.HalfNormal(1.0).")
    if mu is not None and not isinstance(mu, MuPrior):
        raise InputError(f"mu={mu!r} is not a prior of mu; use vf.priors.Normal(mean, sd) or vf.priors.Flat().")
    if tau is not None and tau.measure and question.measure not in (tau.measure, "GEN"):
        raise InputError(
            f"{tau} was estimated for measure {tau.measure!r} and says nothing of {question.measure!r}, the measure "
            "of this question; name a prior of its own unit."
        )
    return default_tau(question) if tau is None else tau, default_mu(question) if mu is None else mu


def random_effects(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    level: float = 0.95,
    interval: IntervalKind = "central",
    question: Question | None = None,
    missing: Missing = "raise",
) -> BayesianResult:
    """Bayesian random-effects meta-analysis, solved exactly by quadrature.

    Parameters
    ----------
    data, y, v, se, V, ci, study
        Effects as a table, a data frame with column names, or arrays; as in `vfmeta.random_effects`.
    tau, mu : priors, optional
        Defaults follow the measure (`vfmeta.priors.default_tau`, `default_mu`); raw arrays of unknown unit get a
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

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.bayes.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], tau=vf.priors.HalfNormal(0.5))
    >>> fit.k, fit.interval[0] < fit.estimate < fit.interval[1]
    (3, True)
    """
    interval = choice("interval", interval, IntervalKind)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    tau, mu = choose_priors(studies.question, tau, mu)
    refuse_improper(tau.tail + (studies.k if mu.proper else studies.k - 1), studies.k, tau, mu)
    result = _compiled_result(studies, tau, mu, float(level), interval)
    if result is None:
        result = _result(studies, ExactPosterior(studies.y, studies.v, tau, mu), tau, mu, float(level), interval)
    for note in result.warnings:
        warn(note)
    return result


def posterior(y: Any, v: Any, tau: TauPrior, mu: MuPrior | None = None) -> ExactPosterior:
    """Exact posterior with its densities, distribution functions and quantiles; ``mu`` is flat when left out.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.posterior([-0.5, -0.3, -0.8], [0.04, 0.02, 0.09], vf.priors.HalfNormal(0.5))
    >>> bool(post.mu.cdf(0.0) > 0.9)
    True
    """
    studies = read(None, y=y, v=v)
    tau, mu = choose_priors(studies.question, tau, mu)
    return ExactPosterior(studies.y, studies.v, tau, mu)


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


def study_notes(s: Studies, tau: TauPrior, mu: MuPrior) -> list[str]:
    """Warnings that follow from the input alone."""
    notes = list(s.notes)
    if s.k == 1:
        notes.append(f"One trial only ({s.labels[0]}): what is said of the heterogeneity comes from the prior of tau alone.")
    tail = tau.tail + (s.k if mu.proper else s.k - 1)
    if tail <= 2:
        what = "mean and standard deviation" if tail <= 1 else "standard deviation"
        notes.append(
            f"The posterior {what} of tau and of a next trial's true effect{'' if mu.proper else ' and of mu'} do not exist as "
            "finite numbers with so few studies and so heavy a prior tail; read medians and intervals."
        )
    return notes


POINTS = 201  # of the traced density


def _compiled_result(s: Studies, tau: TauPrior, mu: MuPrior, level: float, kind: str) -> BayesianResult | None:
    """The whole result from the compiled kernel; None where it does not serve (the panels in numpy then do)."""
    at = chance_points(s.question)
    prob = np.array([0.5 - level / 2, 0.5, 0.5 + level / 2])
    found = compiled.one(s.y, s.v, tau, mu, prob, np.array(at), POINTS, level if kind == "shortest" else 0.0)
    if found is None:
        return None
    h = found.head[0]

    def marginal(row: int, mean: int, mode: int) -> Marginal:
        low, middle, high = found.limits[0, row]
        return Marginal(
            mean=float(h[mean]),
            sd=float(h[mean + 1]),
            median=float(middle),
            interval=(float(low), float(high)),
            mode=float(h[mode]),
        )

    between, mean_effect, further = marginal(0, 1, 7), marginal(1, 3, 8), marginal(2, 5, 9)
    own, ahead = (dict(zip(at, row, strict=True)) for row in found.below[0])
    evidence = float(compiled.log_evidence(h[0], s.k, tau, mu))
    return _answer(
        s, tau, mu, level, kind, (mean_effect, between, further), 100 * found.study[0], found.study[1:5],
        chances(s.question, own.__getitem__, ahead.__getitem__), found.grid, float(h[10]),
        None if math.isnan(evidence) else evidence,
    )  # fmt: skip


def _result(s: Studies, post: ExactPosterior, tau: TauPrior, mu: MuPrior, level: float, kind: str) -> BayesianResult:
    low, high = post.shrunken_interval(level, kind)
    ends = post.mu.quantile(np.array([0.0005, 0.9995]))
    grid = np.linspace(ends[0], ends[1], POINTS)
    return _answer(
        s, tau, mu, level, kind, tuple(x.summary(level, kind) for x in (post.mu, post.tau, post.next_trial)), post.weights,
        np.stack([post.shrunken_mean, post.shrunken_sd, low, high]), chances(s.question, post.mu.cdf, post.next_trial.cdf),
        np.stack([grid, post.mu.density(grid)]), post.prior_share, post.log_marginal_likelihood,
    )  # fmt: skip


def _answer(
    s: Studies, tau: TauPrior, mu: MuPrior, level: float, kind: str, marginals: tuple[Marginal, ...], weights: np.ndarray,
    shrunken: np.ndarray, odds: dict[str, float | None], traced: np.ndarray, share: float, evidence: float | None,
) -> BayesianResult:  # fmt: skip
    mean_effect, between, further = marginals
    return BayesianResult(
        question=s.question, model="random", k=s.k, estimate=mean_effect.median, se=mean_effect.sd,
        interval=mean_effect.interval, level=level, prediction=further.interval, tau2=between.median**2, labels=s.labels,
        y=s.y, v=s.v, weights=weights, details=s.details, origin=s.origin,
        warnings=(*study_notes(s, tau, mu), *unequal_sizes(s.question, s.details, mean_effect.median, mean_effect.interval)),
        call={"function": "bayes.random_effects", "tau": str(tau), "mu": str(mu), "level": level, "interval": kind},
        mu=mean_effect, tau=between, next_trial=further, shrunken_mean=shrunken[0], shrunken_sd=shrunken[1],
        shrunken_low=shrunken[2], shrunken_high=shrunken[3], **odds, priors=(str(tau), str(mu)), tau_prior=tau,
        mu_prior=mu, method="exact quadrature",
        interval_kind=kind, grid=traced[0], density=traced[1], prior_share=share, log_evidence=evidence,
        tau_prior_median=prior_median(tau, s.v),
    )  # fmt: skip
