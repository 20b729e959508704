"""The normal-normal model in PyMC, sampled by nutpie: the same posterior as `exact`, by another road.

mu and tau are sampled with the study effects integrated out, y ~ N(mu, sqrt(tau^2 + v)); the true study effects and the next
trial are then drawn from their conditional normals. A model is compiled once per process and family of priors, and fed with
each data set in turn, in units in which one tuning fits all: effects less their common-effect mean, over their spread.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.bayesian import compat, priors
from vfmeta.bayesian.exact import ExactPosterior, _refuse_improper, benefit, choose_priors, study_notes
from vfmeta.bayesian.marginals import KINDS, NormalMixture
from vfmeta.frequentist.intake import Studies, read
from vfmeta.messages import InputError, warn
from vfmeta.results import BayesianResult, Marginal, Pair

_compiled: dict[tuple[str, str], Any] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Draws:
    """Draws on the analysis scale: ``mu``, ``tau``, ``next_trial`` (chains, draws), ``theta`` (chains, draws, k)."""

    mu: np.ndarray
    tau: np.ndarray
    theta: np.ndarray
    next_trial: np.ndarray
    energy: np.ndarray
    diverging: np.ndarray


def sample(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    labels: Sequence[Any] | None = None,
    tau: priors.TauPrior | None = None,
    mu: priors.MuPrior | None = None,
    level: float = 0.95,
    interval: str = "central",
    question: Any = None,
    missing: str = "raise",
    seed: int = 1,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
) -> BayesianResult:
    """Bayesian random-effects meta-analysis by NUTS; input, priors and result are those of `exact.random_effects`.

    The result passes the gate R-hat < 1.01, bulk and tail effective sample size > 400, no divergence, E-BFMI > 0.3 for mu
    and tau, or carries a warning in words for each part that failed. ``call["mcse"]`` holds Monte Carlo standard errors.

    Parameters
    ----------
    seed : int
        Same seed, same draws.
    draws, tune, chains : int
        Draws kept and tuning steps per chain, and number of chains.
    """
    if interval not in KINDS:
        raise InputError(f'interval={interval!r} is unknown; use "central" or "shortest".')
    studies = read(effects, y, v, labels, question, missing, level)
    tau, mu = choose_priors(studies.question, tau, mu)
    d = _draw(studies, tau, mu, seed, draws, tune, chains)
    call = {
        "function": "bayes.sample", "tau": str(tau), "mu": str(mu), "level": float(level), "interval": interval,
        "seed": seed, "draws": draws, "tune": tune, "chains": chains, "mcse": _mcse(d),
    }  # fmt: skip
    result = _result(studies, d, tau, mu, float(level), interval, call)
    for note in result.warnings:
        warn(note)
    return result


def sample_posterior(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    labels: Sequence[Any] | None = None,
    tau: priors.TauPrior | None = None,
    mu: priors.MuPrior | None = None,
    question: Any = None,
    missing: str = "raise",
    seed: int = 1,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
) -> Any:
    """The draws behind `sample` as ArviZ's container (DataTree with ArviZ 1, InferenceData before).

    Group ``posterior``: mu, tau, next_trial (chain, draw) and theta (chain, draw, study), the studies named by their labels;
    ``sample_stats``: energy, diverging; ``observed_data``: y and v by study.
    """
    studies = read(effects, y, v, labels, question, missing, 0.95)
    tau, mu = choose_priors(studies.question, tau, mu)
    d = _draw(studies, tau, mu, seed, draws, tune, chains)
    return compat.to_arviz(
        {
            "posterior": {"mu": d.mu, "tau": d.tau, "next_trial": d.next_trial, "theta": d.theta},
            "sample_stats": {"energy": d.energy, "diverging": d.diverging},
            "observed_data": {"y": studies.y, "v": studies.v},
        },
        coords={"study": list(studies.labels)},
        dims={"theta": ["study"], "y": ["study"], "v": ["study"]},
    )


def agreement(exact: BayesianResult | ExactPosterior, sampled: BayesianResult) -> float:
    """Largest difference between two solutions of one model, in Monte Carlo standard errors.

    Compared are the posterior mean and SD of mu and of tau, where they exist. Each difference is divided by the Monte Carlo
    standard error of the sampled figure (effective sample size of the draws, and of their squared deviations for the SD;
    Vehtari et al. 2021), so about four standard normals are compared: their largest passes 4 about once in 4,000 times.

    Parameters
    ----------
    exact : BayesianResult or ExactPosterior
        From `random_effects` or `posterior`.
    sampled : BayesianResult
        From `sample`, on the same data with the same priors.
    """
    mcse = sampled.call.get("mcse")
    if mcse is None:
        raise InputError("The second result was not sampled (it has no Monte Carlo errors); pass one from vf.bayes.sample.")
    if isinstance(exact, BayesianResult) and (exact.priors != sampled.priors or exact.labels != sampled.labels):
        raise InputError("The two results answer different questions: their studies or priors differ.")
    worst = 0.0
    for name in ("mu", "tau"):
        for what in ("mean", "sd"):
            want = getattr(getattr(exact, name), what)
            if math.isfinite(want):
                worst = max(worst, abs(getattr(getattr(sampled, name), what) - want) / mcse[f"{name}.{what}"])
    return worst


def _draw(
    s: Studies, tau: priors.TauPrior, mu: priors.MuPrior, seed: int, draws: int, tune: int, chains: int
) -> Draws:
    for name, value, least in (("seed", seed, 0), ("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name}={value!r} must be a whole number of at least {least}.")
    if not isinstance(mu, (priors.Normal, priors.Flat)):
        raise InputError(f"{mu} has no counterpart in PyMC here; use vf.bayes.random_effects, which takes any prior.")
    _refuse_improper(tau.tail + (s.k - 1 if isinstance(mu, priors.Flat) else s.k), s.k, tau, mu)
    w = 1 / s.v
    centre = float(s.y[np.argmin(s.v)])
    centre += float(w @ (s.y - centre) / w.sum())
    unit = math.hypot(math.sqrt(float(np.median(s.v))), float(np.std(s.y)))
    _, nutpie = compat.load()
    model = _model(tau, mu).with_data(
        y=(s.y - centre) / unit, v=s.v / unit**2, **_in_units(tau, mu, centre, unit)
    )  # fmt: skip
    trace = nutpie.sample(
        model, draws=int(draws), tune=int(tune), chains=int(chains), seed=int(seed), progress_bar=False,
        save_warmup=False, target_accept=0.95,
    )  # fmt: skip
    z, t = compat.draws_of(trace, "mu", "tau")
    diverging, energy = compat.sampler_stats(trace)
    mean, sd = centre + unit * z, unit * t
    rng = np.random.default_rng([int(seed), 20])
    # theta_i given mu and tau: precision-weighted between y_i and mu
    t2 = sd[..., None] ** 2
    pull = s.v / (s.v + t2)
    theta = mean[..., None] * pull + s.y * (1 - pull) + np.sqrt(t2 * pull) * rng.standard_normal((*sd.shape, s.k))
    following = mean + sd * rng.standard_normal(sd.shape)
    return Draws(mean, sd, theta, following, energy, diverging)


def _in_units(tau: priors.TauPrior, mu: priors.MuPrior, centre: float, unit: float) -> dict[str, np.ndarray]:
    """The numbers of the priors in the units of the sampler."""
    data: dict[str, float] = {}
    if isinstance(mu, priors.Normal):
        data |= {"mu_mean": (mu.mean - centre) / unit, "mu_sd": mu.sd / unit}
    if isinstance(tau, (priors.HalfNormal, priors.HalfCauchy, priors.Exponential, priors.HalfT)):
        data["tau_scale"] = tau.scale / unit
    if isinstance(tau, priors.HalfT):
        data["tau_df"] = tau.df
    if isinstance(tau, priors.LogNormal):
        data |= {"tau_meanlog": tau.meanlog - math.log(unit), "tau_sdlog": tau.sdlog}
    if isinstance(tau, priors.Uniform) and tau.proper:
        data["tau_end"] = tau.end / unit
    return {name: np.array(value, dtype=float) for name, value in data.items()}


def _model(tau: priors.TauPrior, mu: priors.MuPrior) -> Any:
    """The compiled model of a family of priors; compiled when first asked for."""
    family = type(tau).__name__ + ("" if tau.proper else " improper")
    key = (family, type(mu).__name__)
    with _lock:
        if key not in _compiled:
            pm, nutpie = compat.load()
            with pm.Model() as model:
                y, v = pm.Data("y", np.array([0.0, 1.0, 2.0])), pm.Data("v", np.ones(3))
                given = {name: pm.Data(name, value) for name, value in _in_units(tau, mu, 0.0, 1.0).items()}
                sd = _tau_variable(pm, tau, given)
                total = sd**2 + v
                if isinstance(tau, priors.Jeffreys):
                    pm.Potential("prior_tau", pm.math.log(sd) + 0.5 * pm.math.log((total**-2).sum()))
                # mu is sampled as its distance from the weighted mean in standard errors, so that its spread does not hang
                # on tau; the log of the standard error is the Jacobian, prior and likelihood are stated for mu itself
                weight, pulled = (1 / total).sum(), (y / total).sum()
                if "mu_mean" in given:
                    weight, pulled = weight + given["mu_sd"] ** -2, pulled + given["mu_mean"] * given["mu_sd"] ** -2
                mean = pm.Deterministic("mu", pulled / weight + pm.Flat("mu_step") / pm.math.sqrt(weight))
                pm.Potential("jacobian_mu", -0.5 * pm.math.log(weight))
                if "mu_mean" in given:
                    pm.Potential("prior_mu", pm.logp(pm.Normal.dist(given["mu_mean"], given["mu_sd"]), mean))
                pm.Potential("likelihood", pm.logp(pm.Normal.dist(mean, pm.math.sqrt(total)), y).sum())
            _compiled[key] = nutpie.compile_pymc_model(model, backend="numba")
        return _compiled[key]


def _tau_variable(pm: Any, tau: priors.TauPrior, given: dict[str, Any]) -> Any:
    """Tau with its prior, moved on a whole line: log tau for heavy tails; log(exp(tau) - 1) keeps light tails light."""
    if isinstance(tau, priors.Uniform) and tau.proper:
        return pm.Uniform("tau", 0.0, given["tau_end"])
    line = pm.Flat("tau_line")
    if isinstance(tau, (priors.HalfNormal, priors.Exponential)):
        sd = pm.Deterministic("tau", pm.math.log1pexp(line))
        pm.Potential("jacobian_tau", -pm.math.log1pexp(-line))
    else:
        sd = pm.Deterministic("tau", pm.math.exp(line))
        pm.Potential("jacobian_tau", 1.0 * line)  # a term of its own: Potential renames what it is given
    if isinstance(tau, priors.HalfNormal):
        prior = pm.HalfNormal.dist(sigma=given["tau_scale"])
    elif isinstance(tau, priors.HalfCauchy):
        prior = pm.HalfCauchy.dist(beta=given["tau_scale"])
    elif isinstance(tau, priors.HalfT):
        prior = pm.HalfStudentT.dist(nu=given["tau_df"], sigma=given["tau_scale"])
    elif isinstance(tau, priors.Exponential):
        prior = pm.Exponential.dist(scale=given["tau_scale"])
    elif isinstance(tau, priors.LogNormal):
        prior = pm.LogNormal.dist(mu=given["tau_meanlog"], sigma=given["tau_sdlog"])
    elif isinstance(tau, (priors.Uniform, priors.Jeffreys)):
        return sd  # flat; Jeffreys' density needs the variances and is added by the caller
    else:
        raise InputError(f"{tau} has no counterpart in PyMC here; use vf.bayes.random_effects, which takes any prior.")
    pm.Potential("density_tau", pm.logp(prior, sd))
    return sd


def _mcse(d: Draws) -> dict[str, float]:
    """Monte Carlo standard errors of means and SDs (delta method on the variance for the SD)."""
    out = {}
    for name, x in (("mu", d.mu), ("tau", d.tau)):
        square = (x - x.mean()) ** 2
        out[f"{name}.mean"] = float(x.std() / math.sqrt(compat.ess(x, "mean")))
        out[f"{name}.sd"] = float(square.std() / math.sqrt(compat.ess(square, "mean")) / (2 * x.std()))
    return out


def _gate(d: Draws) -> list[str]:
    """What speaks against trusting the draws, in words; empty when nothing does."""
    notes = []
    for name, x in (("mu", d.mu), ("tau", d.tau)):
        r, bulk, tail = compat.rhat(x), compat.ess(x, "bulk"), compat.ess(x, "tail")
        if not r < 1.01:
            notes.append(f"The chains disagree about {name} (R-hat {r:.3f}, should be below 1.01); sample longer.")
        if not min(bulk, tail) > 400:
            notes.append(
                f"Too few effective draws of {name} (bulk {bulk:.0f}, tail {tail:.0f}, should be above 400); sample longer."
            )
    if d.diverging.any():
        notes.append(
            f"{d.diverging.sum()} divergent transitions: part of the posterior may have been missed; use the exact result."
        )
    step = np.diff(d.energy, axis=1)
    bfmi = float(((step**2).mean(axis=1) / d.energy.var(axis=1)).min())  # Betancourt 2016, arXiv:1604.00695
    if not bfmi > 0.3:
        notes.append(
            f"The sampler moved poorly between energies (E-BFMI {bfmi:.2f}, should be above 0.3); use the exact result."
        )
    return notes


def _interval(x: np.ndarray, level: float, kind: str) -> Pair:
    if kind == "central":
        low, high = np.quantile(x, [0.5 - level / 2, 0.5 + level / 2])
    else:
        ordered = np.sort(x, axis=None)
        span = math.ceil(level * len(ordered))
        start = int(np.argmin(ordered[span - 1 :] - ordered[: len(ordered) - span + 1]))
        low, high = ordered[start], ordered[start + span - 1]
    return float(low), float(high)


def _result(
    s: Studies,
    d: Draws,
    tau: priors.TauPrior,
    mu: priors.MuPrior,
    level: float,
    kind: str,
    call: dict[str, Any],
) -> BayesianResult:
    def marginal(x: np.ndarray) -> Marginal:
        return Marginal(
            mean=float(x.mean()), sd=float(x.std(ddof=1)), median=float(np.median(x)), interval=_interval(x, level, kind)
        )

    mean_effect, between, further = marginal(d.mu), marginal(d.tau), marginal(d.next_trial)
    theta = d.theta.reshape(-1, s.k)
    limits = np.array([_interval(theta[:, i], level, kind) for i in range(s.k)])
    w = 1 / (s.v + d.tau.ravel()[:, None] ** 2)
    p_benefit, p_mid = benefit(s.question, lambda x: np.mean(d.mu < x))
    # density of mu: average of its conditional normals over the draws of tau, smoother than any kernel
    prior_mean, prior_weight = (mu.mean, 1 / mu.sd**2) if isinstance(mu, priors.Normal) else (0.0, 0.0)
    total = w.sum(1) + prior_weight
    given = NormalMixture(np.full(len(w), 1 / len(w)), (w @ s.y + prior_weight * prior_mean) / total, total**-0.5)
    low, high = np.quantile(d.mu, [0.0005, 0.9995])
    grid = np.linspace(float(low), float(high), 201)
    return BayesianResult(
        question=s.question, model="random", k=s.k, estimate=mean_effect.median, se=mean_effect.sd,
        interval=mean_effect.interval, level=level, prediction=further.interval, tau2=between.median**2, labels=s.labels,
        y=s.y, v=s.v, weights=100 * (w / w.sum(1, keepdims=True)).mean(0), details=s.details,
        warnings=(*study_notes(s, tau, mu), *_gate(d)), call=call, mu=mean_effect, tau=between, next_trial=further,
        shrunken_mean=theta.mean(0), shrunken_sd=theta.std(0, ddof=1), shrunken_low=limits[:, 0],
        shrunken_high=limits[:, 1], p_benefit=p_benefit, p_benefit_mid=p_mid, priors=(str(tau), str(mu)),
        method="PyMC, NUTS", interval_kind=kind, grid=grid, density=given.density(grid),
    )  # fmt: skip
