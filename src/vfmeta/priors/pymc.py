"""The house's priors as PyMC variables; their numbers are data, so that a compiled graph serves every member of a family."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.priors import (
    Conventional,
    DuMouchel,
    Exponential,
    HalfCauchy,
    HalfNormal,
    HalfT,
    InverseGamma,
    Jeffreys,
    LogNormal,
    LogT,
    Shrinkage,
    TauPrior,
    Uniform,
)
from vfmeta.priors.mu import Flat, Mixture, MuPrior, Normal, StudentT

SCALES = (
    HalfNormal, HalfT, HalfCauchy, Exponential, Uniform, InverseGamma, LogNormal, LogT, Jeffreys, Shrinkage, DuMouchel,
    Conventional,
)  # fmt: skip


def family(prior: TauPrior | MuPrior) -> tuple[Any, ...]:
    """What of a prior shapes the graph; priors of one family differ in `numbers` only."""
    about: tuple[Any, ...] = (type(prior).__name__,)
    if isinstance(prior, (Uniform, InverseGamma)):
        about += (prior.on, prior.proper)
    return (*about, len(prior.weights)) if isinstance(prior, Mixture) else about


def numbers(name: str, prior: TauPrior | MuPrior, v: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Values of the data containers that `scale` or `location` declares for a prior, by their names.

    Parameters
    ----------
    name : str
        Name of the parameter, which begins the names of the containers.
    prior : TauPrior or MuPrior
    v : ndarray of shape (k,), optional
        Sampling variances of the studies, for the priors that rest on them.

    Raises
    ------
    InputError
        The prior has no counterpart in PyMC, or rests on sampling variances where the model has none.
    """
    return {f"{name}_{part}": np.asarray(x, dtype=float) for part, x in _numbers(prior, v).items()}


def _numbers(prior: TauPrior | MuPrior, v: np.ndarray | None) -> Mapping[str, Any]:
    if isinstance(prior, TauPrior) and prior.uses_v and v is None:
        raise InputError(
            f"{prior} rests on the sampling variances of the studies, which this model does not have (it takes the counts or "
            "outcomes themselves); name a prior with a scale of its own, such as vf.priors.HalfNormal(scale)."
        )
    match prior:
        case HalfNormal() | HalfCauchy() | Exponential():
            return {"scale": prior.scale}
        case HalfT():
            return {"scale": prior.scale, "df": prior.df}
        case Uniform():
            return {"end": prior.end} if prior.proper else {}
        case InverseGamma():
            return {"shape": prior.shape, "scale": prior.scale}
        case LogNormal():
            return {"meanlog": prior.meanlog, "sdlog": prior.sdlog}
        case LogT() | StudentT():
            return {"location": prior.location, "scale": prior.scale, "df": prior.df}
        case Shrinkage() | DuMouchel():
            return {"typical": math.sqrt(len(_known(v)) / np.sum(1 / _known(v)))}  # root of the harmonic mean
        case Jeffreys():
            return {"v": _known(v)}
        case Conventional():
            # the density at one point tells the constant that makes it integrate to one
            at = np.array([1.0])
            total = np.log(at) - 1.5 * np.log(_known(v) + at**2).mean() - prior.log_density(at, _known(v))
            return {"v": _known(v), "log_total": float(total[0])}
        case Normal():
            return {"mean": prior.mean, "sd": prior.sd}
        case Flat():
            return {}
        case Mixture():
            return {"weights": prior.weights, "means": prior.means, "sds": prior.sds}
    raise no_counterpart(prior)


def no_counterpart(prior: Any) -> InputError:
    """The error for a prior that the sampler does not know."""
    return InputError(f"{prior} has no counterpart in PyMC here; use vf.bayes.random_effects, which takes any prior.")


def _known(v: np.ndarray | None) -> np.ndarray:
    return np.asarray(v, dtype=float)


def scale(pm: Any, name: str, prior: TauPrior, v: np.ndarray | None = None) -> Any:
    """A standard deviation such as tau with its prior, on the containers of `numbers` (declared where they are not yet).

    The variable called ``name`` is the standard deviation. Where the family is stated on another quantity (tau2, log tau, a
    shrinkage) that one is the random variable and ``name`` is computed from it.
    """
    given = _containers(pm, name, prior, v)
    match prior:
        case HalfNormal():
            return pm.HalfNormal(name, sigma=given["scale"], default_transform=_light_tail())
        case HalfCauchy():
            return pm.HalfCauchy(name, beta=given["scale"])
        case HalfT():
            return pm.HalfStudentT(name, nu=given["df"], sigma=given["scale"])
        case Exponential():
            return pm.Exponential(name, scale=given["scale"], default_transform=_light_tail())
        case LogNormal():
            return pm.LogNormal(name, mu=given["meanlog"], sigma=given["sdlog"])
        case LogT():
            log = pm.StudentT(f"log_{name}", nu=given["df"], mu=given["location"], sigma=given["scale"])
            return pm.Deterministic(name, pm.math.exp(log))
        case Uniform() if prior.proper and prior.on == "tau":
            return pm.Uniform(name, 0.0, given["end"])
        case Uniform() if prior.proper:
            # tau2 uniform up to the square of the end: the share of the end that tau is has density 2x
            return pm.Deterministic(name, given["end"] * pm.Beta(f"{name}_share", 2.0, 1.0))
        case Uniform() if prior.on == "tau":
            return pm.HalfFlat(name)
        case Uniform():
            return pm.Deterministic(name, pm.math.sqrt(pm.HalfFlat(f"{name}_squared")))
        case InverseGamma() if prior.on == "tau":
            return pm.InverseGamma(name, alpha=given["shape"], beta=given["scale"])
        case InverseGamma():
            square = pm.InverseGamma(f"{name}_squared", alpha=given["shape"], beta=given["scale"])
            return pm.Deterministic(name, pm.math.sqrt(square))
        case Shrinkage():
            odds = _odds(pm, name)
            return pm.Deterministic(name, given["typical"] * pm.math.sqrt(odds))
        case DuMouchel():
            return pm.Deterministic(name, given["typical"] * _odds(pm, name))
        case Jeffreys():
            return _positive(pm, name, _log_jeffreys, (given["v"],), "(k)->()")
        case Conventional():
            return _positive(pm, name, _log_conventional, (given["v"], given["log_total"]), "(k),()->()", _draw_conventional)
    raise no_counterpart(prior)


def location(pm: Any, name: str, prior: MuPrior) -> Any:
    """A mean effect with its prior, on the containers of `numbers` (declared where they are not yet)."""
    given = _containers(pm, name, prior, None)
    match prior:
        case Normal():
            return pm.Normal(name, mu=given["mean"], sigma=given["sd"])
        case StudentT():
            return pm.StudentT(name, nu=given["df"], mu=given["location"], sigma=given["scale"])
        case Flat():
            return pm.Flat(name)
        case Mixture():
            return pm.NormalMixture(name, w=given["weights"], mu=given["means"], sigma=given["sds"])
    raise no_counterpart(prior)


def _containers(pm: Any, name: str, prior: TauPrior | MuPrior, v: np.ndarray | None) -> dict[str, Any]:
    there = pm.modelcontext(None).named_vars
    given = {part: (f"{name}_{part}", np.asarray(x, dtype=float)) for part, x in _numbers(prior, v).items()}
    return {part: there[called] if called in there else pm.Data(called, x) for part, (called, x) in given.items()}


@functools.cache
def _light_tail() -> Any:
    """Transform to the whole line that keeps a light right tail light: log(exp(x / scale) - 1).

    Under log tau such a tail falls double exponentially, a wall into which long steps from small tau run and diverge.
    """
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    class LightTail(Transform):
        name = "light_tail"

        def forward(self, value: Any, *inputs: Any) -> Any:
            return pt.log(pt.expm1(value / inputs[-1]))

        def backward(self, value: Any, *inputs: Any) -> Any:
            return inputs[-1] * pt.softplus(value)

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:
            return pt.log(inputs[-1]) - pt.softplus(-value)

    return LightTail()


def _odds(pm: Any, name: str) -> Any:
    """Odds of a uniform share: their log is logistic, which moves on the whole line and loses no digits near 0 and 1."""
    return pm.math.exp(pm.Logistic(f"{name}_log_odds", mu=0.0, s=1.0))


def _positive(pm: Any, name: str, log_density: Any, given: tuple[Any, ...], signature: str, random: Any = None) -> Any:
    """A positive variable of a density that PyMC does not know."""
    return pm.CustomDist(
        name, *given, logp=log_density, random=random, signature=signature, dtype="float64",
        transform=pm.distributions.transforms.log, initval=1.0,
    )  # fmt: skip


def _log_jeffreys(tau: Any, v: Any) -> Any:
    """p(tau) = tau sqrt(sum 1 / (v + tau^2)^2), Bodnar, Link & Elster 2016, Bayesian Analysis 11:25-45."""
    import pytensor.tensor as pt

    return pt.log(tau) + 0.5 * pt.log(((v + tau[..., None] ** 2) ** -2).sum(axis=-1))


def _log_conventional(tau: Any, v: Any, log_total: Any) -> Any:
    """Geometric mean of tau / (v + tau^2)^(3/2), Berger & Deely 1988, JASA 83:364-373."""
    import pytensor.tensor as pt

    return pt.log(tau) - 1.5 * pt.log(v + tau[..., None] ** 2).mean(axis=-1) - log_total


def _draw_conventional(v: np.ndarray, log_total: np.ndarray, rng: np.random.Generator, size: Any) -> np.ndarray:
    return Conventional().quantile(rng.random(size), v)
