"""Robust random effects against quadrature over study effects and brute force over all parameters."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from tests.model_checks import close, density_functions

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import models
from vfmeta.bayes.models import _robust as heavy_tails

RNG = np.random.default_rng(11)
TAU, MU = priors.HalfNormal(0.5), priors.Normal(0.0, 2.82)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


def brute_force(y: float, v: float, mean: float, sd: float, df: float) -> float:
    """Log of the integral over the study effect, by adaptive quadrature in pieces."""
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi * sd**2 * 2 * math.pi * v)
    cuts = np.unique(np.concatenate([y + math.sqrt(v) * np.linspace(-12, 12, 25), mean + sd * np.linspace(-30, 30, 41)]))
    ends = np.concatenate([[mean - 400 * sd - 400], cuts, [mean + 400 * sd + 400]])

    def integrand(theta: float) -> float:
        return math.exp(-0.5 * (y - theta) ** 2 / v - (df + 1) / 2 * math.log1p(((theta - mean) / sd) ** 2 / df))

    return constant + math.log(sum(integrate.quad(integrand, a, b, epsabs=1e-14)[0] for a, b in itertools.pairwise(ends)))


@pytest.mark.parametrize("df", [0.7, 1.0, 3.0, 12.0, 150.0])
def test_robust_likelihood_against_quadrature_over_the_study_effect(df: float) -> None:
    y, v = np.array([0.1, 2.0, -7.0]), np.array([0.01, 0.5, 0.3])
    graph = density_functions(models.robust(y=y, v=v, tau=TAU, mu=MU, df=df))
    mean, sd = np.array([0.0, 1.0]), np.array([0.4, 1.5])
    found = graph.densities({"mu": mean, "tau": sd})["log_likelihood"]["effect"]
    want = [[brute_force(a, b, m, s, df) for a, b in zip(y, v, strict=True)] for m, s in zip(mean, sd, strict=True)]
    assert found == pytest.approx(np.array(want), abs=2e-6)


def test_robust_with_huge_df_is_normal() -> None:
    y, v = np.array([0.1, 2.0, -3.0]), np.array([0.01, 0.5, 0.3])
    mean, sd = RNG.normal(size=5), RNG.uniform(0.3, 2.0, 5)
    model = models.robust(y=y, v=v, tau=TAU, mu=MU, df=1e9)
    found = density_functions(model).densities({"mu": mean, "tau": sd})["log_likelihood"]["effect"]
    assert found == pytest.approx(stats.norm.logpdf(y, mean[:, None], np.hypot(sd[:, None], np.sqrt(v))), abs=1e-6)
    draws = {"mu": np.full(40000, 0.5), "tau": np.full(40000, 0.8)}
    assert model.extend is not None
    more = model.extend(draws, model.data, np.random.default_rng(1))
    pull = v / (v + 0.64)
    assert more["theta"].mean(0) == pytest.approx(0.5 * pull + y * (1 - pull), abs=0.02)
    assert more["theta"].std(0) == pytest.approx(np.sqrt(0.64 * pull), rel=0.02)
    assert more["weight"] == pytest.approx(np.broadcast_to(1 / (v + 0.64), (40000, 3)), rel=1e-3)
    assert more["relative_precision"] == pytest.approx(np.ones((40000, 3)), abs=1e-3)
    assert stats.kstest((more["next_trial"] - 0.5) / 0.8, "norm").pvalue > 1e-4


def test_robust_study_effects_given_the_rest() -> None:
    y, v, m, s, df = np.array([4.0]), np.array([0.3]), 0.5, 0.8, 3.0
    model = models.robust(y=y, v=v, tau=TAU, mu=MU, df=df)
    assert model.extend is not None
    many = model.extend({"mu": np.full(60000, m), "tau": np.full(60000, s)}, model.data, np.random.default_rng(2))
    grid = np.linspace(-10, 15, 20001)
    density = stats.norm.pdf(y[0], grid, math.sqrt(v[0])) * stats.t.pdf((grid - m) / s, df)
    cumulative = integrate.cumulative_simpson(density, x=grid, initial=0)
    assert stats.kstest(many["theta"][:, 0], lambda x: np.interp(x, grid, cumulative / cumulative[-1])).pvalue > 1e-4
    # E(lambda | theta) = (df + 1) / (df + z^2), averaged over theta
    z2 = ((grid - m) / s) ** 2
    want = float(np.sum(density * (df + 1) / (df + z2)) / np.sum(density))
    assert many["relative_precision"][0, 0] == pytest.approx(want, rel=1e-5)
    assert stats.kstest((many["next_trial"] - m) / s, "t", (df,)).pvalue > 1e-4
    again = heavy_tails._draw(np.array(m), np.array(s), np.array(df), v, np.random.default_rng(3), (40000,))
    alone = (np.random.default_rng(4).standard_t(df, 40000) * s + m) + math.sqrt(v[0]) * RNG.normal(size=40000)
    assert stats.ks_2samp(again, alone).pvalue > 1e-4


@pytest.mark.slow
def test_robust_posterior_against_brute_force() -> None:
    """Mu, tau and df on a grid, with the study effects integrated out on another."""
    y, v = np.array([0.1, 0.35, -0.1, 2.6]), np.array([0.05, 0.08, 0.06, 0.1])
    found = models.robust(y=y, v=v, tau=TAU, mu=MU).sample(draws=2000)
    assert found.gate.passed
    mu, tau, df = np.linspace(-2.4, 3.3, 58), np.geomspace(4e-3, 3.5, 36), np.geomspace(0.04, 120, 30)
    u = np.linspace(-6.3, 6.3, 85)  # y - theta in standard errors
    log = np.zeros((len(mu), len(tau), len(df)))
    for a, b in zip(y, v, strict=True):
        theta = a + math.sqrt(b) * u
        weight = stats.norm.pdf(u) * (u[1] - u[0])
        for i, nu in enumerate(df):
            z = (theta[:, None, None] - mu[:, None]) / tau
            log[:, :, i] += np.log(np.tensordot(weight, stats.t.pdf(z, nu) / tau, axes=1))
    log += stats.norm.logpdf(mu, 0, 2.82)[:, None, None] + stats.halfnorm.logpdf(tau, scale=0.5)[:, None]
    log += stats.gamma.logpdf(df, 2, scale=10)
    p = np.exp(log - log.max()) * tau[:, None] * df  # even steps of log tau and log df
    p /= p.sum()
    for name, grid, axes in (("mu", mu, (1, 2)), ("tau", tau, (0, 2)), ("df", df, (0, 1))):
        marginal = p.sum(axes)
        mean = float(marginal @ grid)
        close(found, name, mean, math.sqrt(float(marginal @ (grid - mean) ** 2)))
    result = found.result()
    assert "scale of a t" in result.priors[0]
    # the outlier pulls less than between normal study effects
    assert result.weights[3] < vf.bayes.random_effects(y=y, v=v, tau=TAU, mu=MU).weights[3] - 3
    told = found.draws("relative_precision").mean((0, 1))
    assert told[3] < told[:3].min() - 0.2


def test_robust_refuses_odd_degrees() -> None:
    for df, message in ((0, "df=0 must be a positive"), ((2.0, -1.0), "rate=-1.0"), ((1.0, 2.0, 3.0), "shape and rate")):
        with pytest.raises(vf.InputError, match=message):
            models.robust(y=[0.1, 0.2], v=[0.1, 0.1], tau=TAU, mu=MU, df=df)  # type: ignore[arg-type]
