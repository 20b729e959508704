"""The normal-normal model in PyMC, sampled by nutpie: the same posterior as `exact`, by another road.

mu and tau are sampled with the study effects integrated out, y ~ N(mu, sqrt(tau^2 + v)); the true study effects and the next
trial are then drawn from their conditional normals. A model is compiled once per process and family of priors, and fed with
each data set in turn, in units in which one tuning fits all: effects less their common-effect mean, over their spread.
"""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vfmeta import priors
from vfmeta.bayes import draws as drawn
from vfmeta.bayes import kept
from vfmeta.bayes import versions as compat
from vfmeta.bayes.exact import choose_priors, study_notes
from vfmeta.bayes.exact_posterior import refuse_improper
from vfmeta.bayes.marginals import NormalMixture
from vfmeta.bayes.models import diagnostics as gate
from vfmeta.bayes.models._normal_normal import normal_normal
from vfmeta.bayes.models.engine import check_sampling
from vfmeta.bayes.monte_carlo import monte_carlo_errors, tails_of
from vfmeta.core.messages import VfmetaWarning, warn_each
from vfmeta.core.params import IntervalKind, Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies, read
from vfmeta.results.posterior import BayesianResult

_compiled: dict[tuple[Any, ...], Any] = {}
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
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    tau: priors.TauPrior | None = None,
    mu: priors.MuPrior | None = None,
    level: float = 0.95,
    interval: IntervalKind = "central",
    question: Question | None = None,
    missing: Missing = "raise",
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 1,
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

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.sample(y=[-0.5, -0.3], v=[0.1, 0.1], tau=vf.priors.HalfNormal(1.0))  # doctest: +SKIP
    """
    interval = choice("interval", interval, IntervalKind)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    tau, mu = choose_priors(studies.question, tau, mu)
    d = _draw(studies, tau, mu, seed, draws, tune, chains)
    errors = monte_carlo_errors({"mu": d.mu, "tau": d.tau}, tails_of(tau, mu, studies.k), float(level))
    call = {
        "function": "bayes.sample", "tau": str(tau), "mu": str(mu), "level": float(level), "interval": interval,
        "seed": seed, "draws": draws, "tune": tune, "chains": chains, "mcse": errors,
    }  # fmt: skip
    result = _result(studies, d, tau, mu, float(level), interval, call)
    warn_each(result.warnings)
    return result


def sample_posterior(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    tau: priors.TauPrior | None = None,
    mu: priors.MuPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 1,
) -> Any:
    """The draws behind `sample` as ArviZ's container (DataTree with ArviZ 1, InferenceData before).

    Group ``posterior``: mu, tau, next_trial (chain, draw) and theta (chain, draw, study), the studies named by their labels;
    ``sample_stats``: energy, diverging; ``observed_data``: y and v by study.

    Examples
    --------
    >>> import vfmeta as vf
    >>> draws = vf.bayes.sample_posterior(y=[-0.5, -0.3], v=[0.1, 0.1], tau=vf.priors.HalfNormal(1.0))  # doctest: +SKIP
    """
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing)
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


def _draw(s: Studies, tau: priors.TauPrior, mu: priors.MuPrior, seed: int, draws: int, tune: int, chains: int) -> Draws:
    check_sampling(seed, draws, tune, chains)
    refuse_improper(tau.tail + (s.k if mu.proper else s.k - 1), s.k, tau, mu)
    if not _own(tau, mu):
        return _draw_by_model(s, tau, mu, seed, draws, tune, chains)
    w = 1 / s.v
    centre = float(s.y[np.argmin(s.v)])
    centre += float(w @ (s.y - centre) / w.sum())
    unit = math.hypot(math.sqrt(float(np.median(s.v))), float(np.std(s.y)))
    model = _model(tau, mu).with_data(
        y=(s.y - centre) / unit, v=s.v / unit**2, **_in_units(tau, mu, s.v / unit**2, centre, unit)
    )  # fmt: skip
    trace = compat.load_nutpie().sample(
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


def _own(tau: priors.TauPrior, mu: priors.MuPrior) -> bool:
    """Whether the fast model of this file serves: mu normal given tau, one graph for a family of tau in any unit."""
    return mu.normal is not None and tau.faced and tau.scaled(1.0) is not None


def _draw_by_model(
    s: Studies, tau: priors.TauPrior, mu: priors.MuPrior, seed: int, draws: int, tune: int, chains: int
) -> Draws:
    model = normal_normal(y=s.y, v=s.v, study=s.labels, tau=tau, mu=mu)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # the gate is asked again for the result
        run = model.sample(seed=seed, draws=draws, tune=tune, chains=chains)
    return Draws(
        *(run.draws(name) for name in ("mu", "tau", "theta", "next_trial")),
        *(run.draws(name, "sample_stats") for name in ("energy", "diverging")),
    )


def _in_units(tau: priors.TauPrior, mu: priors.MuPrior, v: np.ndarray, centre: float, unit: float) -> dict[str, np.ndarray]:
    """The numbers of the priors in the units of the sampler; ``v`` in these units."""
    scaled = tau.scaled(1 / unit)
    assert scaled is not None
    mean, precision = mu.normal or (0.0, 0.0)
    of_mu = {"mu_mean": (mean - centre) / unit, "mu_precision": precision * unit**2} if mu.proper else {}
    return {**{name: np.asarray(x, dtype=float) for name, x in of_mu.items()}, **scaled.data("tau", v)}


def _model(tau: priors.TauPrior, mu: priors.MuPrior) -> Any:
    """The compiled model of a family of priors; compiled when first asked for, in this process or an earlier one."""
    key = (tau.graph, mu.graph)
    with _lock:
        if key not in _compiled:
            ours = all(type(prior).__module__.startswith("vfmeta.") for prior in (tau, mu))
            sources = (Path(__file__), *sorted(Path(priors.__file__).parent.glob("*.py"))) if ours else None
            _compiled[key] = kept.compiled(repr(key), sources, lambda pm: _build(pm, tau, mu))
        return _compiled[key]


def _build(pm: Any, tau: priors.TauPrior, mu: priors.MuPrior) -> Any:
    with pm.Model() as model:
        y, v = pm.Data("y", np.array([0.0, 1.0, 2.0])), pm.Data("v", np.ones(3))
        given = {name: pm.Data(name, value) for name, value in _in_units(tau, mu, np.ones(3), 0.0, 1.0).items()}
        sd = tau.pymc("tau", np.ones(3))
        total = sd**2 + v
        # mu is sampled as its distance from the weighted mean in standard errors, so that its spread does not hang
        # on tau; the log of the standard error is the Jacobian, prior and likelihood are stated for mu itself
        weight, pulled = (1 / total).sum(), (y / total).sum()
        if mu.proper:
            weight, pulled = weight + given["mu_precision"], pulled + given["mu_mean"] * given["mu_precision"]
        mean = pm.Deterministic("mu", pulled / weight + pm.Flat("mu_step") / pm.math.sqrt(weight))
        pm.Potential("jacobian_mu", -0.5 * pm.math.log(weight))
        if mu.proper:
            pm.Potential("prior_mu", -0.5 * given["mu_precision"] * (mean - given["mu_mean"]) ** 2)
        pm.Potential("likelihood", pm.logp(pm.Normal.dist(mean, pm.math.sqrt(total)), y).sum())
    return model


def _gate(d: Draws) -> list[str]:
    """What speaks against trusting the draws, in words; empty when nothing does."""
    return list(gate.check({"mu": d.mu, "tau": d.tau}, d.energy, d.diverging, otherwise="use the exact result").warnings)


def _result(
    s: Studies,
    d: Draws,
    tau: priors.TauPrior,
    mu: priors.MuPrior,
    level: float,
    kind: str,
    call: dict[str, Any],
) -> BayesianResult:
    # density of mu: average of its conditional normals over the draws of tau, smoother than any kernel
    w = 1 / (s.v + d.tau.ravel()[:, None] ** 2)
    normal = mu.normal is not None  # then mu is normal given tau, and the prior's share is known
    prior_mean, prior_weight = mu.normal or (0.0, 0.0)
    total = w.sum(1) + prior_weight
    given = NormalMixture(np.full(len(w), 1 / len(w)), (w @ s.y + prior_weight * prior_mean) / total, total**-0.5)
    return drawn.result(
        s, {"mu": d.mu, "tau": d.tau, "next_trial": d.next_trial, "theta": d.theta}, level=level, kind=kind,
        priors=(str(tau), str(mu)), warnings=(*study_notes(s, tau, mu), *_gate(d)), call=call, method="PyMC, NUTS",
        density=given.density if normal else None, tau_prior=tau, mu_prior=mu,
        prior_share=float(np.mean(prior_weight / total)) if normal else None,
    )  # fmt: skip
