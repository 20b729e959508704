"""Priors: every family's density against its quantiles, elicitation, the published ones, their refusals, their pictures."""

from __future__ import annotations

import itertools
import math
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import halfnorm, invgamma, lognorm

import vfmeta as vf
from vfmeta import priors
from vfmeta.core.question import Question
from vfmeta.priors.published import RHODES, RHODES_COMPARISONS, TURNER, TURNER_COMPARISONS

mpl.use("Agg")
V = np.array([0.3, 0.2, 0.05, 0.09])
PROPER = [
    priors.HalfNormal(0.5), priors.HalfCauchy(0.5), priors.HalfT(4, 0.5), priors.Exponential(0.5), priors.LogNormal(-1, 0.8),
    priors.LogT(-1.7, 1.25), priors.InverseGamma(2, 0.3), priors.InverseGamma(3, 0.9, on="tau"), priors.Uniform(2.0),
    priors.Uniform(2.0, on="tau2"), priors.Shrinkage(), priors.DuMouchel(), priors.Conventional(),
]  # fmt: skip


@pytest.mark.parametrize("prior", PROPER, ids=str)
def test_density_and_quantiles_are_of_one_distribution(prior: priors.TauPrior) -> None:
    def mass(a: float, b: float) -> float:
        return quad(lambda u: math.exp(float(prior.log_density(np.array([math.exp(u)]), V)[0]) + u), math.log(a), math.log(b),
                    epsabs=0, epsrel=1e-10, limit=300)[0]  # fmt: skip

    q = prior.quantile(np.array([0.05, 0.3, 0.5, 0.9]), V)
    assert [mass(a, b) for a, b in itertools.pairwise(q)] == pytest.approx([0.25, 0.2, 0.4], rel=1e-6)
    assert ("tau2 ~" in str(prior)) or ("tau ~" in str(prior))


def test_against_scipy_and_between_tau_and_tau2() -> None:
    t = np.array([0.1, 0.4, 1.3])
    assert np.exp(priors.HalfNormal(0.7).log_density(t, V)) == pytest.approx(halfnorm.pdf(t, scale=0.7))
    # densities of tau2 become densities of tau with the factor 2 tau
    assert np.exp(priors.InverseGamma(2, 0.3).log_density(t, V)) == pytest.approx(invgamma.pdf(t**2, 2, scale=0.3) * 2 * t)
    assert np.exp(priors.LogNormal.of_tau2(-2.56, 1.74).log_density(t, V)) == pytest.approx(
        lognorm.pdf(t**2, 1.74, scale=math.exp(-2.56)) * 2 * t
    )
    assert priors.LogT.of_tau2(-3.44, 2.59).quantile(0.5) == pytest.approx(math.exp(-1.72))
    # with equal variances the conventional prior has a closed form: tau / (v + tau^2)^(3/2) times sqrt(v)
    same = np.full(5, 0.3)
    want = math.sqrt(0.3) * t / (0.3 + t**2) ** 1.5
    assert np.exp(priors.Conventional().log_density(t, same)) == pytest.approx(want, rel=1e-10)
    assert priors.Shrinkage().quantile(0.5, same) == pytest.approx(math.sqrt(0.3))
    assert priors.DuMouchel().quantile(0.5, same) == pytest.approx(math.sqrt(0.3))


def test_elicitation_says_what_was_said() -> None:
    rng = np.random.default_rng(1)
    for family, fixed in ((priors.HalfNormal, {}), (priors.HalfCauchy, {}), (priors.HalfT, {"df": 4.0})):
        prior = priors.trials_within(1.5, 0.9, family, **fixed)
        tau = prior.quantile(rng.random(200_000))
        assert float((np.abs(tau * rng.standard_normal(len(tau))) < 1.5).mean()) == pytest.approx(0.9, abs=0.003)
        assert "90% of trials within 1.5" in str(prior)
        assert float(priors.tau_below(0.8, 0.95, family, **fixed).quantile(0.95)) == pytest.approx(0.8)
    assert priors.mu_within(2.0).sd == pytest.approx(2 / 1.959963985)
    assert priors.mu_within(2.0, 0.9, df=3).scale == pytest.approx(2 / 2.353363435)
    with pytest.raises(vf.InputError, match="does not multiply tau"):
        priors.trials_within(1.0, family=lambda scale, note="": priors.InverseGamma(2, scale, note))
    with pytest.raises(vf.InputError, match="share=95"):
        priors.trials_within(1.0, 95)


def test_published_priors_are_for_their_measure_alone() -> None:
    general = priors.turner2015()
    assert (general.meanlog, general.sdlog) == (-1.28, 0.87)
    assert "log-normal(-2.56, 1.74) on tau2 of the log OR, Turner et al. 2015, marginal" in str(general)
    pain = priors.turner2015("pain", "non-pharmacological v placebo")
    assert (pain.meanlog, pain.sdlog) == (-2.05 / 2, 1.71 / 2)
    smd = priors.rhodes2015()
    assert (smd.location, smd.scale, smd.df) == (-1.72, 1.295, 5)
    md = priors.rhodes2015(measure="MD", sd=2.5)
    assert float(md.quantile(0.7)) == pytest.approx(2.5 * float(smd.quantile(0.7)))
    y, v = [0.1, 0.3, -0.2], [0.1, 0.2, 0.1]
    assert vf.bayes.random_effects(y=y, v=v, tau=general, question=Question(measure="OR")).estimate
    for prior, measure in ((general, "RR"), (general, "SMD"), (smd, "MD"), (md, "SMD")):
        with pytest.raises(vf.InputError, match="says nothing of"):
            vf.bayes.random_effects(y=y, v=v, tau=prior, question=Question(measure=measure, points=(0, 10)))
    for make, message in (
        (lambda: priors.turner2015(measure="RD"), "say nothing of RD"),
        (lambda: priors.rhodes2015(measure="MD"), "standard deviation of the outcome"),
        (lambda: priors.rhodes2015(sd=2.0), "standard deviation of the outcome"),
        (lambda: priors.turner2015("pain"), "not a setting"),
        (lambda: priors.rhodes2015("mental health", "non-pharmacological v any"), "could not be read"),
    ):
        with pytest.raises(vf.InputError, match=message):
            make()


def test_published_tables_are_whole_and_follow_their_own_pattern() -> None:
    """Both papers' models are additive in outcome and comparison, so that columns differ by constants (to rounding)."""
    for table, names in ((TURNER, TURNER_COMPARISONS), (RHODES, RHODES_COMPARISONS)):
        places = np.array([row[0] for row in table.values()])
        assert places.shape == (len(table), len(names))
        gaps = places[:, 1:] - places[:, :1]
        assert np.nanmax(np.abs(gaps - np.nanmedian(gaps, axis=0))) < 0.025
    assert (len(TURNER), len(RHODES)) == (16, 8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: priors.LogT(0, 0), lambda: priors.InverseGamma(0, 1), lambda: priors.Uniform(1, on="sd"),
        lambda: priors.StudentT(3, 0, -1),
        lambda: priors.Mixture((0.5, 0.4), (0, 0), (1, 1)), lambda: priors.Mixture((1,), (0, 1), (1,)),
        lambda: priors.Mixture((1,), (0,), (1,)).robust(1.5, 1.0), lambda: priors.Jeffreys().quantile(0.5),
        lambda: priors.Shrinkage().quantile(0.5),
    ],
)  # fmt: skip
def test_bad_priors_are_refused(make: Any) -> None:
    with pytest.raises(vf.InputError):
        make()


def test_log_t_with_one_study_and_flat_mu_is_refused_with_its_reason() -> None:
    with pytest.raises(vf.InputError, match=r"cannot be told from an improper one.*It takes 2 studies"):
        vf.bayes.random_effects(y=[0.1], v=[0.1], tau=priors.rhodes2015())


def test_pictures_of_priors_and_ranks() -> None:
    ax = vf.plots.prior_densities({"default": priors.HalfNormal(1.0), "wide": priors.Uniform(4.0)}, unit="points on 0-10")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["default", "wide"]
    x, h = ax.lines[0].get_data()
    assert h == pytest.approx(halfnorm.pdf(x), rel=1e-9)
    ax = vf.plots.prior_densities([priors.Normal(0, 1), priors.StudentT(3, 0, 1)])
    x, h = ax.lines[0].get_data()
    assert float(np.sum((h[1:] + h[:-1]) / 2 * np.diff(x))) == pytest.approx(1, abs=0.02)
    assert vf.plots.prior_densities(priors.Shrinkage(), v=V).lines
    assert vf.plots.prior_densities(priors.rhodes2015()).lines
    for bad in ([priors.HalfNormal(1), priors.Normal(0, 1)], [], [priors.Jeffreys()], [3]):
        with pytest.raises(vf.InputError):
            vf.plots.prior_densities(bad)
    assert len(vf.plots.ranks(np.linspace(0, 1, 200)).patches) >= 20
    with pytest.raises(vf.InputError):
        vf.plots.ranks([2.0] * 50)
