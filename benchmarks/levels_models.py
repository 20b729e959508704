"""Levels of regressions, dependent effects, models of counts and what is asked of a fit afterwards, one set at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from benchmarks.levels import LEVEL, Answer, Block, covers, rejects
from benchmarks.simulate import Scenario

import vfmeta as vf

Draw = Callable[[np.random.Generator], Any]


def studies(k: int, i2: int, design: str = "spread") -> Draw:
    """Effects about 0 with a moderator and a second one that mean nothing; and their true values and tau2."""

    def draw(rng: np.random.Generator) -> Any:
        case = Scenario(design, i2, k)
        true = np.sqrt(case.tau2) * rng.standard_normal(k)
        y, x = true + np.sqrt(case.v) * rng.standard_normal(k), rng.standard_normal((2, k))
        return {"y": y, "v": case.v, "x": x[0], "z": x[1]}, true, case.tau2

    return draw


def _regression(drawn: Any) -> Mapping[str, Answer]:
    out = {}
    for test in ("HKSJ", "HKSJ-adhoc", "Wald", "t", "KR"):
        fit = vf.meta_regression(drawn[0], "~ x", test=test)
        out[f"slope, {test}"] = covers(*fit.interval[1], 0.0)
    return out


def _ratio(drawn: Any) -> Mapping[str, Answer]:
    full, small = (vf.meta_regression(drawn[0], f, method="ML") for f in ("~ x + z", "~ 1"))
    return {"two slopes, ML": rejects(vf.likelihood_ratio(full, small).p_value)}


def _permuted(drawn: Any) -> Mapping[str, Answer]:
    found = vf.permutation_test(vf.meta_regression(drawn[0], "~ x"), draws=199, seed=1)
    return {"slope": rejects(found.p_value[1])}


def _bootstrapped(drawn: Any) -> Mapping[str, Answer]:
    data, _, tau2 = drawn
    fit = vf.random_effects(y=data["y"], v=data["v"])
    out = {}
    for kind in ("parametric", "studies"):
        found = vf.bootstrap(fit, kind=kind, draws=200, seed=1)
        out[f"mean, {kind}"] = covers(*found.interval[0], 0.0)
        if tau2 > 0:
            out[f"tau2, {kind}"] = covers(*found.tau2_interval, tau2)
    return out


def _effects(drawn: Any) -> Mapping[str, Answer]:
    data, true, _ = drawn
    fit = vf.random_effects(y=data["y"], v=data["v"])
    out = {}
    for kind in ("integrated", "plug-in"):
        found = vf.blups(fit, kind=kind)
        out[f"true effects, {kind}"] = covers(found["ci_low"], found["ci_high"], true)
    return out


def _dependent(drawn: Any) -> Mapping[str, Answer]:
    """Of effects of trials, each beside the others of its trial."""
    data, true = drawn
    several = len(set(data["cluster"])) < len(data["y"])
    found = vf.blups(vf.multivariate(data, random="1 | cluster/effect" if several else "1 | effect"))
    return {"true effects, multivariate": covers(found["ci_low"], found["ci_high"], true)}


def _outliers(drawn: Any) -> Mapping[str, Answer]:
    found = vf.residuals(vf.random_effects(y=drawn[0]["y"], v=drawn[0]["v"]))
    return {"studentised residuals": rejects(found["studentised_p_value"])}


def _influence(drawn: Any) -> Mapping[str, Answer]:
    found = vf.influence(vf.random_effects(y=drawn[0]["y"], v=drawn[0]["v"]))
    return {"any study of a set named influential": Answer(LEVEL, float(found["influential"].any()))}


def _scale(drawn: Any) -> Mapping[str, Answer]:
    fit = vf.location_scale(drawn[0], "~ x", "~ z")
    return {"slope of the mean": rejects(fit.p_value[1]), "slope of tau2": rejects(fit.scale_p_value[1])}


def nested(m: int, n: int = 3) -> Draw:
    """``n`` effects in each of ``m`` clusters as in `clusters`, and their true values."""

    def draw(rng: np.random.Generator) -> Any:
        group, v = np.repeat(np.arange(m), n), rng.uniform(0.02, 0.2, n * m)
        true = np.repeat(rng.normal(0, 0.3, m), n) + rng.normal(0, 0.2, n * m)
        return {"y": rng.normal(true, np.sqrt(v)), "v": v, "cluster": group, "effect": np.arange(n * m)}, true

    return draw


def clusters(m: int, n: int = 3) -> Draw:
    """``n`` effects in each of ``m`` clusters with a variance between and one within them; two moderators mean nothing."""

    def draw(rng: np.random.Generator) -> Any:
        group, v = np.repeat(np.arange(m), n), rng.uniform(0.02, 0.2, n * m)
        y = np.repeat(rng.normal(0, 0.3, m), n) + rng.normal(0, 0.2, n * m) + rng.normal(0, np.sqrt(v))
        return {"y": y, "v": v, "a": np.repeat(rng.standard_normal(m), n), "b": rng.standard_normal(n * m), "cluster": group,
                "effect": np.arange(n * m)}  # fmt: skip

    return draw


def _components(data: Any) -> Mapping[str, Answer]:
    found = vf.component_intervals(vf.multivariate(data, random=["1 | cluster", "1 | effect"]))
    low, high = found["ci_low"].to_numpy(), found["ci_high"].to_numpy()
    return {name: covers(low[i], high[i], t) for i, (name, t) in enumerate((("between clusters", 0.09), ("within", 0.04)))}


def _robust(data: Any) -> Mapping[str, Answer]:
    robust = vf.robust(vf.meta_regression(data, "~ a + b", test="Wald"), data["cluster"])
    joint = {f"two slopes, {test}": rejects(robust.wald(test=test).p_value) for test in ("HTZ", "F", "chi2")}
    return {"slope between clusters, CR2 Satterthwaite": covers(*robust.interval[1], 0.0), **joint}


def _che(data: Any) -> Mapping[str, Answer]:
    fit = vf.che(data, cluster="cluster", rho=0.5)
    return {"mean, CR2 Satterthwaite": covers(*fit.interval[0], 0.0)}


def counted(k: int, risk: float, tau2: float) -> Draw:
    def draw(rng: np.random.Generator) -> Any:
        n = rng.integers(40, 151, (2, k))
        base = np.log(risk / (1 - risk)) + rng.normal(0, 0.3, k)
        p1, p2 = (1 / (1 + np.exp(-x)) for x in (base + rng.normal(0, np.sqrt(tau2), k), base))
        return {"events1": rng.binomial(n[0], p1), "n1": n[0], "events2": rng.binomial(n[1], p2), "n2": n[1]}

    return draw


def _beta_binomial(data: Any) -> Mapping[str, Answer]:
    return {f"mean, {m}": covers(*vf.beta_binomial(m, **data).interval, 0.0) for m in ("OR", "RR")}


def believed(k: int) -> Draw:
    """Sets whose effect and heterogeneity are drawn from the priors of an average over models with and without either."""

    def draw(rng: np.random.Generator) -> Any:
        mu = rng.integers(2) * rng.normal(0, 1)
        tau = rng.integers(2) * abs(rng.normal(0, 0.5))
        v = rng.uniform(0.02, 0.2, k)
        return rng.normal(mu, np.sqrt(v + tau**2)), v, mu

    return draw


def _averaged(drawn: Any) -> Mapping[str, Answer]:
    y, v, mu = drawn
    post = vf.bayes.random_effects(y=y, v=v, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 1))
    return {"averaged effect": covers(*vf.bayes.model_average(post, null=0.0).interval, mu)}


_SETS = {f"{k} trials, variances spread, I2 {i2}%": studies(k, i2) for k in (5, 10, 20) for i2 in (0, 50)}
_TEN = {name: draw for name, draw in _SETS.items() if not name.startswith("5 ")}
_CLUSTERS = {f"{m} clusters of 3": clusters(m) for m in (6, 10, 20)}
_COUNTS = {f"8 trials, risk {100 * p:g}%, tau2 {t:g}": counted(8, p, t) for p, t in ((0.05, 0.0), (0.2, 0.15))}
BLOCKS = [
    Block("meta_regression", _SETS, _regression, draws=500),
    Block("likelihood_ratio", _TEN, _ratio, draws=2000),
    Block("permutation_test", _TEN, _permuted, draws=250),
    Block("bootstrap", _SETS, _bootstrapped, draws=500),
    Block("blups", {n: d for n, d in _SETS.items() if n.endswith("50%")}, _effects, draws=200),
    Block("blups", {f"{m} clusters of {n}": nested(m, n) for m in (5, 10) for n in (1, 3)}, _dependent, draws=1000),
    Block("bayes.model_average", {f"{k} trials, drawn from the priors": believed(k) for k in (3, 10)}, _averaged),
    Block("residuals", _SETS, _outliers, draws=2000),
    Block("influence", _SETS, _influence, draws=250),
    Block("location_scale", {"20 trials, variances spread, I2 50%": studies(20, 50)}, _scale, draws=150),
    Block("component_intervals", {"20 clusters of 3": clusters(20)}, _components, draws=2000),
    Block("robust", _CLUSTERS, _robust, draws=500),
    Block("che", _CLUSTERS, _che, draws=1000),
    Block("beta_binomial", _COUNTS, _beta_binomial, draws=200),
]  # fmt: skip
