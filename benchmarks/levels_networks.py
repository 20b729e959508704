"""Levels of what is asked of networks beyond their effects, which `benchmarks.network_levels` has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.levels import Answer, Block, covers, rejects
from benchmarks.network_levels import TRUTH, Setting

import vfmeta as vf

Draw = Callable[[np.random.Generator], Any]
CLASSES = {"A": "placebo", "B": "drug", "C": "drug", "D": "brace", "E": "brace"}
PARTS = {"A": "sham", "B": "drug", "C": "brace", "D": "taping", "E": "drug + brace"}
WORTH = {"sham": 0.0, "drug": -0.4, "brace": -0.2, "taping": 0.3, "drug + brace": -0.6}


def arms(
    shape: str, tau: float, each: int = 2, truth: Mapping[str, float] = TRUTH, names: Mapping[str, str] | None = None
) -> Draw:
    """Arms of a consistent network of five treatments, their standard errors known."""
    own = [(f"s{i:02d}", t) for i, trial in enumerate(Setting(shape, each, tau).arms()) for t in trial]
    one = pd.DataFrame(own, columns=["study", "treatment"])
    if names is not None:
        one["treatment"] = one["treatment"].map(names)
    true = one["treatment"].map(truth).to_numpy()

    def draw(rng: np.random.Generator) -> Any:
        se = rng.uniform(0.1, 0.3, len(one))
        mean = true + rng.normal(0, np.sqrt(tau**2 / 2 + se**2))
        return one.assign(mean=mean, sd=10 * se, n=100), tau

    return draw


def counted(shape: str, risk: float, tau: float = 0.0, each: int = 2) -> Draw:
    """Events of arms of 50 to 150 patients; log odds ratios are the effects."""

    def draw(rng: np.random.Generator) -> Any:
        data, _ = arms(shape, 0.0, each)(rng)
        study = data["study"].factorize()[0]
        n = rng.integers(50, 151, len(data))
        odds = np.log(risk / (1 - risk)) + rng.normal(0, 0.3, study.max() + 1)[study] + data["treatment"].map(TRUTH)
        events = rng.binomial(n, 1 / (1 + np.exp(-odds - rng.normal(0, tau / np.sqrt(2), len(data)))))
        return data[["study", "treatment"]].assign(events=events, n=n), tau

    return draw


def _net(data: pd.DataFrame, **more: Any) -> Any:
    return vf.network(data, measure="MD", reference=str(data["treatment"].iloc[0]), **more)


def against(fit: Any, truth: Mapping[str, float]) -> Answer:
    """Whether the intervals of effects against the reference hold the truth."""
    true = np.array([truth[t] for t in fit.terms]) - truth.get(fit.reference, 0.0)
    return covers(fit.interval[:, 0], fit.interval[:, 1], true)


def _sides(drawn: Any) -> Mapping[str, Answer]:
    out = {}
    for test in ("HKSJ", "Wald"):
        found = vf.networks.split_sides(_net(drawn[0], test=test))
        out[f"direct against indirect, {test}"] = rejects(found["p_value"])
        out[f"their difference, {test}"] = covers(found["difference_low"], found["difference_high"], 0.0)
    return out


def _loops(drawn: Any) -> Mapping[str, Answer]:
    return {"inconsistency of a loop": rejects(vf.networks.loops(_net(drawn[0], test="Wald"))["p_value"])}


def _designs(drawn: Any) -> Mapping[str, Answer]:
    """Cochran's Q between designs, whose parts `detached_designs` shows."""
    net = _net(drawn[0], method="common", test="Wald")
    found = vf.networks.detached_designs(net)["q"].sum()
    between = net.coherence().between
    assert abs(found - between.statistic) < 1e-6 * (1 + found)
    return {"Q between designs": rejects(between.p_value)}


def _slopes(drawn: Any) -> Mapping[str, Answer]:
    data = drawn[0]
    study = data["study"].unique().tolist()
    x = dict(zip(study, np.linspace(-1, 1, len(study))[np.argsort(np.sin(np.arange(len(study))))].tolist(), strict=True))
    out = {}
    for test in ("HKSJ", "Wald"):
        fit = vf.networks.regression(_net(data, test=test), x)
        out[f"slope, {test}"] = covers(*fit.interval[fit.terms.index("covariate")], 0.0)
    return out


def _parts(drawn: Any) -> Mapping[str, Answer]:
    out = {}
    for test in ("HKSJ", "Wald"):
        fit = vf.networks.components(drawn[0], measure="MD", inactive="sham", test=test)
        true = np.array([WORTH[t] for t in fit.terms])
        out[f"components, {test}"] = covers(fit.interval[:, 0], fit.interval[:, 1], true)
    return out


def _classes(drawn: Any) -> Mapping[str, Answer]:
    net, out = _net(drawn[0]), {}
    for test in ("Wald", "t"):
        fit = vf.networks.classes(net, CLASSES, within="equal", test=test)
        true = np.array([{"drug": -0.3, "brace": 0.2}[t] for t in fit.terms])
        out[f"class effects, equal within, {test}"] = covers(fit.interval[:, 0], fit.interval[:, 1], true)
    return out


def _posterior(drawn: Any) -> Mapping[str, Answer]:
    post = vf.networks.posterior(_net(drawn[0]), tau=vf.priors.HalfNormal(0.5))
    return {"effects, tau half-normal(0.5)": against(post, TRUTH)}


def _nodes(drawn: Any) -> Mapping[str, Answer]:
    post = vf.networks.posterior(_net(drawn[0]), tau=vf.priors.HalfNormal(0.5))
    return {"two-sided probability below 5%": rejects(vf.networks.split_nodes(post).to_frame()["p_two_sided"])}


def _mantel_haenszel(drawn: Any) -> Mapping[str, Answer]:
    fit = vf.networks.mantel_haenszel(drawn[0], reference="A")
    return {"log odds ratios": against(fit, TRUTH), "designs agree": rejects(fit.q.p_value)}


def _counts(drawn: Any) -> Mapping[str, Answer]:
    out = {}
    for model in ("UM.FS", "CM.EL"):
        fit = vf.networks.counts(drawn[0], reference="A", model=model, heterogeneity="common")
        out[f"log odds ratios, {model}, common"] = against(fit, TRUTH)
        out[f"heterogeneity, {model}, LRT"] = rejects(fit.q.p_value)
    return out


def _counts_random(drawn: Any) -> Mapping[str, Answer]:
    out = {}
    for test in ("Wald", "t"):
        fit = vf.networks.counts(drawn[0], reference="A", test=test, nAGQ=1)
        out[f"log odds ratios, UM.FS, random, {test}"] = against(fit, TRUTH)
    return out


_NETS = {f"{s}, tau {t:g}": arms(s, t) for s in ("ring", "three arms") for t in (0.0, 0.1, 0.3)}
_FULL = {f"full, tau {t:g}": arms("full", t) for t in (0.0, 0.3)}
_COMPOSED = {f"{s}, tau {t:g}": arms(s, t, truth=WORTH, names=PARTS) for s in ("ring", "full") for t in (0.0, 0.1, 0.3)}
_EQUAL = {"A": 0.0, "B": -0.3, "C": -0.3, "D": 0.2, "E": 0.2}
_SPARSE = {f"{s}, risk {100 * p:g}%": counted(s, p) for s in ("ring", "three arms") for p in (0.02, 0.1)}
BLOCKS = [
    Block("networks.split_sides", _NETS, _sides),
    Block("networks.loops", {n: d for n, d in {**_NETS, **_FULL}.items() if not n.startswith("ring")}, _loops),
    Block("networks.detached_designs", {n: d for n, d in _NETS.items() if n.endswith("tau 0")}, _designs),
    Block("networks.regression", _NETS, _slopes),
    Block("networks.components", _COMPOSED, _parts),
    Block("networks.mantel_haenszel", _SPARSE, _mantel_haenszel),
    Block("networks.classes", {f"full, tau {t:g}": arms("full", t, truth=_EQUAL) for t in (0.0, 0.3)}, _classes, draws=500),
    Block("networks.posterior", {f"three arms, tau {t:g}": arms("three arms", t) for t in (0.1, 0.3)}, _posterior, draws=1000),
    Block("networks.split_nodes", {"three arms, tau 0.1": arms("three arms", 0.1)}, _nodes, draws=200),
    Block("networks.counts", {n: d for n, d in _SPARSE.items() if n.startswith("three")}, _counts, draws=500),
    Block("networks.counts", {"ring, risk 10%, tau 0.3": counted("ring", 0.1, 0.3)}, _counts_random, draws=100),
]  # fmt: skip
