"""The normal-normal model without sampling.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2),  mu ~ N(m, s^2) or flat,  tau ~ any prior.

Given tau everything else is normal (Lindley & Smith 1972, JRSS B 34:1-41; Gelman et al., Bayesian Data Analysis, 5.4), so a
one-dimensional quadrature over tau gives every marginal as a mixture of normals.

Results come from the compiled kernel (`vfmeta.kernels.normal_normal`; one posterior is a batch of one). `ExactPosterior` does
the same with panels in numpy, for rows that the kernel leaves: a prior without a formula, panels that do not settle.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.bayes import compiled
from vfmeta.bayes.chances import chance_points, chances, prior_median
from vfmeta.bayes.exact_posterior import ExactPosterior, refuse_improper
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import IntervalKind, Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies, read
from vfmeta.priors import MuPrior, TauPrior, default_mu, default_tau
from vfmeta.results.posterior import BayesianResult, Marginal
from vfmeta.text.notes import one_trial
from vfmeta.text.turned_back import unequal_sizes


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
    tau, mu = effect_priors(studies, tau, mu)
    result = _compiled_result(studies, tau, mu, float(level), interval)
    if result is None:
        result = _result(studies, ExactPosterior(studies.y, studies.v, tau, mu), tau, mu, float(level), interval)
    warn_each(result.warnings)
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


def effect_priors(studies: Studies, tau: TauPrior | None, mu: MuPrior | None) -> tuple[TauPrior, MuPrior]:
    """The priors named or the defaults of the measure; an improper posterior is refused."""
    tau, mu = choose_priors(studies.question, tau, mu)
    refuse_improper(tau.tail + (studies.k if mu.proper else studies.k - 1), studies.k, tau, mu)
    return tau, mu


def study_notes(s: Studies, tau: TauPrior, mu: MuPrior) -> list[str]:
    """Warnings that follow from the input alone."""
    notes = list(s.notes)
    if s.k == 1:
        notes.append(one_trial(s.labels[0]))
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
