"""``bayesmeta``: the names of R onto `vfmeta.bayes`, exact posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tests.reference_runner.common import NotOffered

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    options = case["options"]
    y, v = np.array(case["inputs"]["y"], dtype=float), np.array(case["inputs"]["sigma"], dtype=float) ** 2
    tau, mu = priors(options)
    kind, level = options.get("interval_type", "shortest"), options.get("level", 95) / 100
    fit = vf.bayes.random_effects(y=y, v=v, tau=tau, mu=mu, interval=kind, level=level)
    post = vf.bayes.posterior(y, v, tau, mu)
    quantities = {"tau": fit.tau, "mu": fit.mu, "theta_new": fit.next_trial}
    marginals = {"tau": post.tau, "mu": post.mu, "theta_new": post.next_trial}
    found: dict[str, Any] = {
        name: {
            "mode": q.mode, "median": q.median, "mean": q.mean, "sd": q.sd, "lb95": q.interval[0], "ub95": q.interval[1],
        }
        for name, q in quantities.items()
    }  # fmt: skip
    found["central"] = {name: list(m.interval(level)) for name, m in marginals.items()}
    found["shrinkage"] = {
        "mean": fit.shrunken_mean, "sd": fit.shrunken_sd, "lb95": fit.shrunken_low, "ub95": fit.shrunken_high,
        "median": [post.study(i).median for i in range(len(y))],
    }  # fmt: skip
    # points at which R's densities are asked for are part of the question; they stand in `expect` beside the answers,
    # so the densities are left out here (tests/test_bayes_exact.py compares them)
    if tau.proper and mu.proper:
        found["marginal_likelihood"] = math.exp(post.log_marginal_likelihood)
    if not mu.proper:  # with a proper prior R counts the prior as one more study
        found["weights_mean"] = fit.weights / 100
    return found


def priors(options: dict[str, Any]) -> tuple[Any, Any]:
    """The priors of tau and mu that a case names."""
    return _tau_prior(options["tau_prior"]), _mu_prior(options["mu_prior"])


def _tau_prior(spec: dict[str, Any]) -> Any:
    made = {
        "halfnormal": lambda: vf.priors.HalfNormal(spec["scale"]),
        "halfcauchy": lambda: vf.priors.HalfCauchy(spec["scale"]),
        "halft": lambda: vf.priors.HalfT(spec["df"], spec["scale"]),
        "exponential": lambda: vf.priors.Exponential(spec["scale"] if "scale" in spec else 1 / spec["rate"]),
        "uniform on tau": lambda: vf.priors.Uniform(spec["max"]),
        "improper uniform on tau": vf.priors.Uniform,
        "lognormal on tau": lambda: vf.priors.LogNormal(spec["meanlog"], spec["sdlog"]),
        "lognormal on tau2": lambda: vf.priors.LogNormal.of_tau2(spec["meanlog"], spec["sdlog"]),
        "Jeffreys": vf.priors.Jeffreys,
        "DuMouchel": vf.priors.DuMouchel,
        "shrinkage": vf.priors.Shrinkage,
        "conventional": vf.priors.Conventional,
    }.get(spec["type"])
    if made is None:
        raise NotOffered(f"bayesmeta prior of tau: {spec['type']}")
    return made()


def _mu_prior(spec: Any) -> Any:
    return vf.priors.Flat() if spec == "improper uniform" else vf.priors.Normal(spec["mean"], spec["sd"])
