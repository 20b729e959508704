"""Every family of priors has the same verbs, and a family made here, outside the package, serves everywhere."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import halflogistic, norm
from tests.bayes_data import V, Y, quiet

import vfmeta as vf
from vfmeta import priors
from vfmeta.priors import stated

EVERY = [
    priors.HalfNormal(0.5), priors.HalfCauchy(0.5), priors.HalfT(4, 0.5), priors.Exponential(0.5, "a note"),
    priors.LogNormal.of_tau2(-2.56, 1.74), priors.LogT(-1.7, 1.25), priors.InverseGamma(2, 0.3),
    priors.InverseGamma(3, 0.9, on="tau"), priors.Uniform(2.0), priors.Uniform(2.0, on="tau2"), priors.Uniform(),
    priors.Jeffreys(), priors.Shrinkage(), priors.DuMouchel(), priors.Conventional(), priors.Normal(0.5, 2.0),
    priors.StudentT(4, 0.5, 2.0), priors.Mixture((0.3, 0.7), (0.0, 2.0), (1.0, 0.5)), priors.Flat(),
]  # fmt: skip
PROPER = [p for p in EVERY if p.proper]


@dataclass(frozen=True)
class HalfLogistic(priors.TauPrior):
    """The family of the guide's example: a scale times the absolute value of a standard logistic."""

    scale: float
    note: str = ""

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return -t / a[0] - 2 * np.log1p(np.exp(-t / a[0]))

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (self.scale,)

    def constant(self, v: np.ndarray) -> float:
        return math.log(2 / self.scale)

    @property
    def size(self) -> float:
        return self.scale

    def scaled(self, by: float) -> Self:
        return replace(self, scale=self.scale * by)

    @property
    def words(self) -> str:
        return f"tau ~ half-logistic({self.scale:g})"


def test_every_family_is_walked() -> None:
    ours = {name for name, family in priors.families().items() if family.__module__.startswith("vfmeta.priors.")}
    assert {type(p).__name__ for p in EVERY} == ours <= set(vf.priors.__all__)


@pytest.mark.parametrize("prior", [*EVERY, HalfLogistic(0.3)], ids=str)
def test_plain_data_and_back(prior: priors.TauPrior) -> None:
    assert priors.from_dict(json.loads(json.dumps(prior.to_dict()))) == prior
    assert pickle.loads(pickle.dumps(prior)) == prior


@pytest.mark.parametrize("prior", [*PROPER, HalfLogistic(0.3)], ids=str)
def test_verbs_are_of_one_distribution(prior: priors.TauPrior) -> None:
    p = np.array([0.02, 0.3, 0.5, 0.9])
    x = prior.quantile(p, V)
    assert prior.cdf(x, V) == pytest.approx(p, abs=1e-8)
    assert prior.median(V) == pytest.approx(x[2])
    step = 1e-4 * np.abs(x)
    assert prior.density(x, V) == pytest.approx((prior.cdf(x + step, V) - prior.cdf(x - step, V)) / (2 * step), rel=1e-4)
    drawn = prior.draw(20_000, 3, V)
    assert (drawn[:, None] < x).mean(0) == pytest.approx(p, abs=0.015)
    assert np.array_equal(drawn, prior.draw(20_000, 3, V))


@pytest.mark.parametrize("prior", [p for p in PROPER if isinstance(p, priors.TauPrior)], ids=str)
def test_other_units_carry_the_density_over(prior: priors.TauPrior) -> None:
    """Tau in a unit ten times as small, with the variances that some families rest on in that unit too."""
    larger = prior.scaled(10.0)
    assert larger is not None
    assert larger.quantile([0.1, 0.5, 0.9], 100 * V) == pytest.approx(10 * prior.quantile([0.1, 0.5, 0.9], V), rel=1e-9)


@pytest.mark.parametrize("prior", [p for p in EVERY if not p.proper], ids=str)
def test_what_is_improper_has_no_quantiles(prior: priors.TauPrior) -> None:
    for verb in (lambda: prior.quantile(0.5, V), lambda: prior.cdf(1.0, V), lambda: prior.draw(3, 1, V)):
        with pytest.raises(vf.InputError, match="no finite total"):
            verb()


@pytest.mark.parametrize("prior", [p for p in EVERY if p.uses_v], ids=str)
def test_what_rests_on_variances_asks_for_them(prior: priors.TauPrior) -> None:
    with pytest.raises(vf.InputError, match="pass them as v="):
        prior.log_density(1.0)


def test_a_new_family_has_the_posterior_of_its_density() -> None:
    """Against direct integration over tau of a half-logistic of scipy."""
    tau, mu = HalfLogistic(0.3), priors.Normal(0.0, 2.0)

    def joint(t: float, power: int) -> float:
        w = 1 / (V + t * t)
        both = w.sum() + 0.25
        centre = (w @ Y) / both
        log = norm.logpdf(Y, 0, np.sqrt(V + t * t)).sum() + 0.5 * math.log(0.25 / both) + 0.5 * centre**2 * both
        return math.exp(log) * halflogistic.pdf(t, scale=0.3) * centre**power

    total, first = (quad(joint, 0, 12, args=(n,), epsabs=0, epsrel=1e-11, limit=400)[0] for n in (0, 1))
    fit = quiet(y=Y, v=V, tau=tau, mu=mu)
    assert fit.mu.mean == pytest.approx(first / total, rel=1e-8)
    assert fit.log_evidence == pytest.approx(math.log(total), abs=1e-8)
    assert fit.priors == ("tau ~ half-logistic(0.3)", "mu ~ N(0, 2)")
    frame = pd.DataFrame({"q": np.repeat([1, 2], len(Y)), "y": [*Y, *(Y + 1)], "v": [*V, *V]})
    many = vf.bayes.random_effects_many(frame, "q", tau=tau, mu=mu)
    assert many.loc[0, "estimate"] == pytest.approx(fit.estimate, rel=1e-12)
    grid = vf.bayes.prior_sensitivity(y=Y, v=V, tau_scales=[0.3, 0.6], mu_sds=[2.0], family=HalfLogistic)
    assert grid.loc[0, "estimate"] == pytest.approx(fit.estimate, rel=1e-12)


def test_a_new_family_is_stated_in_a_plan() -> None:
    made = stated.make({"family": "HalfLogistic", "scale": 0.3}, "MD")
    assert made == HalfLogistic(0.3)
    with pytest.raises(vf.InputError, match="HalfLogistic takes scale"):
        stated.check({"family": "HalfLogistic"})
    assert not stated.is_of_mu("HalfLogistic")
    assert vf.priors.tau_below(1.0, 0.95, HalfLogistic).quantile(0.95) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_new_family_is_sampled() -> None:
    given: dict[str, Any] = {"y": Y, "v": V, "tau": HalfLogistic(0.3), "mu": priors.Normal(0.0, 2.0)}
    drawn = vf.bayes.models.normal_normal(**given).prior_predictive(draws=4000)["prior"]["tau"].to_numpy().ravel()
    assert np.quantile(drawn, [0.1, 0.5, 0.9]) == pytest.approx(halflogistic.ppf([0.1, 0.5, 0.9], scale=0.3), rel=0.1)
    assert vf.bayes.agreement(quiet(**given), vf.bayes.sample(**given)) < 4.5
