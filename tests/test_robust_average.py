"""Robust Bayesian averaging: brute force over every grid, the exact normal-normal engine, and what RoBMA printed."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import vfmeta as vf
from vfmeta.appraisal.averaging_models import BIASES, describe, explore, from_moments, model_of
from vfmeta.appraisal.averaging_scale import published_scale
from vfmeta.effects.reading import read
from vfmeta.kernels import bias_models as kernel
from vfmeta.results.panels import PanelDensity

SMD, OR = vf.Question(measure="SMD"), vf.Question(measure="OR")
# Bem 2011 as analysed by Bem, Utts & Johnson 2011: the example of RoBMA's README
BEM = {
    "y": [0.25, 0.20, 0.26, 0.23, 0.22, 0.15, 0.09, 0.19, 0.42],
    "se": [0.10155048, 0.08246211, 0.10323629, 0.10182427, 0.10120277, 0.08210765, 0.07085372, 0.10089846, 0.14752627],
}  # fmt: skip
SMALL: dict[str, Any] = {"y": [0.5, 0.1, 0.42, 0.9], "se": [0.2, 0.15, 0.26, 0.35]}
# p one-sided, of each bias: its cuts, and whether it looks at both sides
RULES: dict[str, tuple[tuple[float, ...], bool]] = {
    "two-sided p 0.05": ((0.05,), True), "two-sided p 0.05, 0.10": ((0.05, 0.10), True), "one-sided p 0.05": ((0.05,), False),
    "one-sided p 0.025, 0.05": ((0.025, 0.05), False), "one-sided p 0.05, 0.5": ((0.05, 0.5), False),
    "one-sided p 0.025, 0.05, 0.5": ((0.025, 0.05, 0.5), False),
}  # fmt: skip


@cache
def small() -> Any:
    """What several tests look at."""
    return robust(**SMALL)


def robust(**given: Any) -> Any:
    return vf.appraisal.robust_average(**({"favoured": "higher", "question": SMD} | given))


def on_z(y: Any, se: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fisher's z, its standard error and the implied n of Cohen's d."""
    d, se = np.asarray(y, float), np.asarray(se, float)
    n = (d**2 + 8) / (2 * se**2)
    r = d / np.sqrt(d**2 + 4)
    return np.arctanh(r), 1 / np.sqrt(n - 3), n


def weights_of(bias: str, z: np.ndarray, n: np.ndarray, mu: np.ndarray, sd: np.ndarray, nodes: int) -> np.ndarray:
    """Average over the weights of prod w / A: an ordered cube of Gauss-Legendre nodes, crowded where weights are small."""
    steps, both = RULES[bias]
    x, w = np.polynomial.legendre.leggauss(nodes)
    s, w = (x + 1) / 2, w / 2
    u, w = s**3, 3 * s**2 * w
    dims = len(steps)
    grid = np.array(list(itertools.product(u, repeat=dims)))
    weight = np.prod(list(itertools.product(w, repeat=dims)), axis=1)
    ordered = np.cumprod(grid, axis=1)
    jacobian = math.factorial(dims) * np.prod(grid ** np.arange(dims - 1, -1, -1), axis=1)
    chance = np.column_stack([np.ones(len(grid)), ordered])  # of the intervals of p, the smallest first
    edges = np.array([stats.t.isf(np.array(steps) / (2 if both else 1), df) for df in n - 2])
    cut = np.arcsinh(edges / np.sqrt(n)[:, None])  # 2 t / sqrt(n) is d, arcsinh(d / 2) is z
    total = np.ones((*mu.shape, len(grid)))
    for i in range(len(z)):
        inside = np.searchsorted(-cut[i], -abs(z[i]) if both else -z[i], side="left")
        ends = [np.zeros(mu.shape)]
        for c in cut[i]:
            upper = stats.norm.sf((c - mu) / sd[i])
            ends.append(upper + stats.norm.cdf((-c - mu) / sd[i]) if both else upper)
        masses = np.diff([*ends, np.ones(mu.shape)], axis=0)
        total *= chance[:, inside] / np.tensordot(masses, chance, axes=(0, 1))
    return np.asarray(total @ (weight * jacobian))


def brute(bias: str, effect: bool, heterogeneity: bool, y: Any, se: Any, nodes: int) -> float:
    """Log evidence by trapezoidal sums over the mean and log tau."""
    z, s, n = on_z(y, se)
    step_mu, step_u = 0.35 / math.sqrt((1 / s**2).sum() + 4), 0.2
    mu = np.arange(-2.5, 2.5, step_mu) if effect else np.zeros(1)
    u = np.arange(-6.5, 4.5, step_u) if heterogeneity else np.array([-np.inf])
    sd = [np.sqrt(si**2 + np.exp(2 * u))[None, :] * np.ones((len(mu), 1)) for si in s]
    m = mu[:, None] * np.ones((1, len(u)))
    prior = np.ones_like(m)
    if effect:
        prior = prior * stats.norm.pdf(m, 0, 0.5) * step_mu
    if heterogeneity:
        prior = prior * (stats.invgamma.pdf(np.exp(u), 1, scale=0.075) * np.exp(u) * step_u)
    if bias in ("PET", "PEESE"):
        # half-Cauchy by its angle; PEESE of d is in units of 1/2 on z
        x, scale = (s, 1.0) if bias == "PET" else (s**2, 10.0)
        angle, w = np.polynomial.legendre.leggauss(120)
        angle, w = (angle + 1) * math.pi / 4, w / 2
        slope = scale * np.tan(angle)
        value = np.zeros_like(m)
        for b, wb in zip(slope, w, strict=True):
            value += wb * np.prod([stats.norm.pdf(zi, m + b * xi, si) for zi, xi, si in zip(z, x, sd, strict=True)], axis=0)
        return math.log((value * prior).sum())
    value = np.prod([stats.norm.pdf(zi, m, si) for zi, si in zip(z, sd, strict=True)], axis=0)
    heavy = value * prior > 1e-14 * (value * prior).max()  # a weight takes no more than 1 / 0.025^4 from it
    if bias != "none":
        value[heavy] *= weights_of(bias, z, n, m[heavy], np.array([x[heavy] for x in sd]), nodes)
    return math.log((value * prior)[heavy].sum())


def test_every_evidence_is_that_of_brute_force() -> None:
    found = small()
    for at, value in zip(zip(found.biases, found.effects, found.heterogeneities, strict=True), found.log_evidence, strict=True):
        if at[0] == "one-sided p 0.025, 0.05, 0.5" and at[1]:
            continue  # a cube of weights at every node of a plane: among the slow tests
        assert value == pytest.approx(brute(*at, **SMALL, nodes=20), abs=1e-6), at


@pytest.mark.slow
@pytest.mark.parametrize("heterogeneity", [False, True])
def test_three_weights_and_an_effect_are_those_of_brute_force(heterogeneity: bool) -> None:
    found = small()
    at = ("one-sided p 0.025, 0.05, 0.5", True, heterogeneity)
    models = list(zip(found.biases, found.effects, found.heterogeneities, strict=True))
    assert found.log_evidence[models.index(at)] == pytest.approx(brute(*at, **SMALL, nodes=22), abs=1e-6)


@pytest.mark.parametrize("level", ["all significant", "none", "mixed"])
def test_many_studies_of_one_kind_have_the_weight_of_one_integral(level: str) -> None:
    """One cut and neither effect nor heterogeneity: a single integral, which adaptive quadrature does."""
    rng = np.random.default_rng(3)
    se = rng.uniform(0.08, 0.3, 120)
    d = {"all significant": 2.6 * se, "none": 0.4 * se, "mixed": np.where(np.arange(120) % 3, 2.4, -0.8) * se}[level]
    z, s, n = on_z(d, se)
    cut = np.arcsinh(stats.t.isf(0.05, n - 2) / np.sqrt(n))
    p, below = stats.norm.sf(cut / s), int((z < cut).sum())
    lowest = minimum(p, below)

    def scaled(x: float) -> float:  # in log weight
        w = math.exp(x)
        return math.exp(below * x + x - np.log(p + w * (1 - p)).sum() + lowest)

    area = integrate.quad(scaled, -30, 0, epsabs=0, epsrel=1e-11, limit=2000, points=np.linspace(-12, -0.05, 40))[0]
    log_evidence = stats.norm.logpdf(z, 0, s).sum() + math.log(area) - lowest
    (bias,) = [b for b in BIASES if b.name == "one-sided p 0.05"]
    model = model_of(bias, published_scale(read(None, level=0.95, y=d, se=se, question=SMD), 1, None))
    assert kernel.explore(model, False, False)[0] == pytest.approx(log_evidence, abs=3e-6)


def minimum(p: np.ndarray, below: int) -> float:
    x = np.linspace(-20, 0, 4001)
    return float(-(below * x - np.log(p + np.exp(x)[:, None] * (1 - p)).sum(1)).max())


def test_models_without_a_bias_are_those_of_the_exact_engine() -> None:
    z, s, _ = on_z(**BEM)
    post = vf.bayes.random_effects(y=z, v=s**2, tau=vf.priors.InverseGamma(1, 0.075, on="tau"), mu=vf.priors.Normal(0, 0.5))
    exact = vf.bayes.model_average(post)
    found = robust(**BEM, p_bias=1e-12)
    at = [i for i, b in enumerate(found.biases) if b == "none"]
    order = [(False, False), (True, False), (False, True), (True, True)]  # as the exact engine has them
    mine = {(found.effects[i], found.heterogeneities[i]): found.log_evidence[i] for i in at}
    assert [mine[o] for o in order] == pytest.approx(exact.log_evidence, abs=1e-8)
    assert (found.bf_effect, found.bf_heterogeneity) == pytest.approx((exact.bf_effect, exact.bf_heterogeneity), rel=1e-7)
    # d is twice z in the models
    assert found.interval == pytest.approx([2 * x for x in exact.interval], abs=1e-6)
    assert found.estimate == pytest.approx(2 * exact.mu.mean, abs=1e-7)
    assert found.se == pytest.approx(2 * exact.mu.sd, rel=1e-6)


def test_bem_is_what_robma_printed() -> None:
    """README of RoBMA 2.0 to 3.3 (summary of the default ensemble), and its vignette "Fitting custom meta-analytic ensembles".

    Bridge sampling and 15,000 draws leave about 1% of an evidence, and about 0.01 of a limit.
    """
    found = robust(**BEM)
    assert (found.bf_effect, found.bf_heterogeneity, found.bf_bias) == pytest.approx((0.479, 0.143, 16.323), rel=0.02)
    assert (found.p_effect, found.p_heterogeneity, found.p_bias) == pytest.approx((0.324, 0.125, 0.942), abs=0.003)
    printed = {  # mean, 0.025, 0.975
        "mean": (0.037, -0.041, 0.213), "tau": (0.010, 0, 0.113), "weight, p 0.025 to 0.05": (0.935, 0.338, 1),
        "weight, p 0.05 to 0.5": (0.780, 0.009, 1), "weight, p 0.5 to 0.95": (0.768, 0.007, 1),
        "weight, p 0.95 to 0.975": (0.786, 0.007, 1), "weight, p 0.975 to 1": (0.801, 0.007, 1), "PET": (0.759, 0, 2.805),
        "PEESE": (6.183, 0, 25.463),
    }  # fmt: skip
    assert set(printed) == set(found.terms)
    for term, (mean, low, high) in printed.items():
        row = found.averaged[found.terms.index(term)]
        room = 0.02 if term.startswith("weight") else 0.006
        room = {"PET": 0.03, "PEESE": 0.1}.get(term, room)
        assert row[[0, 2, 3]] == pytest.approx([mean, low, high], abs=room), term
    logs = dict(zip(zip(found.biases, found.effects, found.heterogeneities, strict=True), found.log_evidence, strict=True))
    for bias, log_evidence in {"none": -3.28, "one-sided p 0.05": 13.70, "PET": 15.75, "PEESE": 15.65}.items():
        assert logs[bias, False, False] == pytest.approx(log_evidence, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("bias", ["one-sided p 0.025, 0.05, 0.5", "two-sided p 0.05, 0.10", "PET", "PEESE"])
def test_pymc_samples_the_same_posterior(bias: str) -> None:
    import arviz as az
    import pymc as pm

    z, s, n = on_z(**BEM)
    with pm.Model():
        mu, tau = pm.Normal("mu", 0, 0.5), pm.InverseGamma("tau", 1, 0.075)
        sd = pm.math.sqrt(s**2 + tau**2)
        if bias in RULES:
            steps, both = RULES[bias]
            eta = pm.Dirichlet("eta", np.ones(len(steps) + 1))
            w = [1.0]
            for j in range(len(steps)):
                w.append(w[-1] - eta[j])
            lowest = pm.Deterministic("described", w[-1])
            edges = np.array([stats.t.isf(np.array(steps) / (2 if both else 1), df) for df in n - 2])
            cut = np.arcsinh(edges / np.sqrt(n)[:, None])

            def above(x: Any) -> Any:
                return 0.5 * pm.math.erfc((x - mu) / sd / math.sqrt(2))

            share, log_own, before = 0.0, np.zeros(len(z)), 0.0
            for j in range(len(steps) + 1):
                reach = 1.0
                if j < len(steps):
                    reach = above(cut[:, j]) + (1 - above(-cut[:, j]) if both else 0.0)
                share = share + w[j] * (reach - before)
                before = reach
                own = (np.abs(z) if both else z)[:, None] < cut
                log_own = log_own + (own.sum(1) == j) * pm.math.log(w[j])
            pm.Potential("selection", (log_own - pm.math.log(share)).sum())
            centre = mu
        else:
            slope = pm.HalfCauchy("slope", 1.0 if bias == "PET" else 10.0)
            lowest = pm.Deterministic("described", slope)
            centre = mu + slope * s ** (1 if bias == "PET" else 2)
        assert lowest is not None
        pm.Normal("y", centre, sd, observed=z)
        draws = pm.sample(3000, tune=2000, chains=2, cores=1, random_seed=5, target_accept=0.97, progressbar=False)
    question = {"y": BEM["y"], "se": BEM["se"], "question": SMD}
    (e,) = [
        x for x in explore(published_scale(read(None, level=0.95, **question), 1, None))
        if x.bias.name == bias and x.effect and x.heterogeneity
    ]  # fmt: skip
    m, t, p = e.nodes()
    plain = describe(e).plain
    told = plain[2 if e.bias.weights else 0]
    for name, mean, square in (
        ("mu", p @ m, p @ m**2), ("tau", p @ t, p @ t**2), ("described", told[0], told[1]),
    ):  # fmt: skip
        x = draws.posterior[name]
        assert abs(float(x.mean()) - mean) < 4 * float(az.mcse(x)) + 2e-4 * abs(mean), name
        assert float(x.std()) == pytest.approx(math.sqrt(square - mean**2), rel=0.15), name


def test_the_other_side_is_the_mirror_image() -> None:
    found = small()
    turned = robust(y=[-x for x in SMALL["y"]], se=SMALL["se"], favoured="lower")
    assert turned.log_evidence == pytest.approx(found.log_evidence, abs=1e-9)
    assert turned.interval == pytest.approx([-x for x in found.interval[::-1]], abs=1e-9)
    assert turned.averaged[1:] == pytest.approx(found.averaged[1:], abs=1e-9)
    assert robust(**SMALL, level=0.8).interval[1] < found.interval[1]


def test_scales_are_one_another() -> None:
    y, se = np.array(SMALL["y"]), np.array(SMALL["se"])
    raw = robust(**SMALL, unit_sd=1.0, question=vf.Question(measure="MD"))
    large = robust(y=2.5 * y, se=2.5 * se, unit_sd=2.5, question=vf.Question(measure="MD"))
    assert large.log_evidence == pytest.approx(raw.log_evidence, abs=1e-9)
    assert large.estimate == pytest.approx(2.5 * raw.estimate, rel=1e-9)
    # slopes: of PET without a unit, of PEESE per variance
    assert large.averaged[-2] == pytest.approx(raw.averaged[-2], rel=1e-9)
    assert large.averaged[-1] == pytest.approx(raw.averaged[-1] / 2.5, rel=1e-9)
    # log odds ratios are d times pi / sqrt(3); p of theirs are normal, so models without selection agree
    factor = math.pi / math.sqrt(3)
    d, odds = small(), robust(y=factor * y, se=factor * se, question=OR)
    same = [i for i, b in enumerate(d.biases) if "p 0" not in b]
    assert odds.log_evidence[same] == pytest.approx(d.log_evidence[same], abs=1e-9)
    assert odds.means[same] == pytest.approx(factor * d.means[same], abs=1e-9)
    z, s, n = on_z(**SMALL)
    fisher = robust(y=z, se=s, question=vf.Question(measure="ZCOR"))
    assert fisher.log_evidence[same] == pytest.approx(d.log_evidence[same], abs=1e-9)
    assert fisher.means[same] == pytest.approx(d.means[same] / 2, abs=1e-9)
    # a correlation is significant where its t test is
    studies = read(None, level=0.95, y=z, se=s, question=vf.Question(measure="ZCOR"))
    cut = np.tanh(published_scale(studies, 1, None).cuts)
    t = cut * np.sqrt((n - 2)[:, None] / (1 - cut**2))
    assert stats.t.sf(t, (n - 2)[:, None]) == pytest.approx(np.tile([0.025, 0.05, 0.5, 0.95, 0.975], (4, 1)), rel=1e-9)


def test_prior_probabilities_are_the_published_ones_and_can_be_others() -> None:
    found = small()
    shares = dict(zip(found.biases[:9], 4 * found.prior_probabilities[:9], strict=True))
    assert shares == pytest.approx({b.name: (0.5 if b.name == "none" else 0.5 * b.share) for b in BIASES})
    assert [b.share for b in BIASES[1:]] == pytest.approx([1 / 12] * 6 + [1 / 4] * 2)
    other = robust(**SMALL, p_effect=0.2, p_heterogeneity=0.9, p_bias=0.3)
    assert other.prior_probabilities.sum() == pytest.approx(1)
    assert other.log_evidence == pytest.approx(found.log_evidence)
    odds = other.p_effect / (1 - other.p_effect)
    assert odds == pytest.approx(other.bf_effect * 0.2 / 0.8, rel=1e-9)


def test_what_cannot_be_averaged_is_refused_in_words() -> None:
    for given, message in (
        ({"question": None}, r"GEN.*unit_sd="), ({"question": vf.Question(measure="RR")}, "log RR.*unit_sd="),
        ({"unit_sd": 1.0}, "SMD has a published scale of its own"), ({"unit_sd": -1, "question": None}, "unit_sd=-1 must"),
        ({"p_bias": 1.0}, "p_bias=1.0 must be a number between 0 and 1"),
        ({"y": [0.3], "se": [0.2]}, "two studies or more"),
        ({"y": [0.3, 0.2], "se": [0.2, 1.9]}, "so few patients.*Fisher's z has no variance"),
    ):  # fmt: skip
        with pytest.raises(vf.InputError, match=message):
            robust(**(SMALL | given))


@pytest.mark.parametrize(("y", "se"), [
    ([0.0, 0.0], [0.3, 0.3]), ([4.0, 4.2, 3.9], [0.2, 0.3, 0.25]), ([-0.6, -0.5, -0.7, -0.4], [0.1, 0.2, 0.2, 0.1]),
    ([0.4] * 5, [0.1] * 5), ([0.05, 2.9, -1.8, 0.4], [0.02, 0.3, 0.2, 0.6]),
])  # fmt: skip
def test_hard_data_end_in_probabilities(y: list[float], se: list[float]) -> None:
    found = robust(y=y, se=se)
    assert found.probabilities.sum() == pytest.approx(1)
    assert np.isfinite(found.log_evidence).all()
    assert found.interval[0] <= found.estimate <= found.interval[1]
    at = list(zip(found.biases, found.effects, found.heterogeneities, strict=True))
    for model in (("none", True, True), ("one-sided p 0.05", False, False), ("PET", False, False)):
        if max(np.abs(y)) < 3:  # inside the grid of brute force
            assert found.log_evidence[at.index(model)] == pytest.approx(brute(*model, y=y, se=se, nodes=60), abs=1e-5), model


def test_frames_and_figure_show_what_the_result_holds() -> None:
    found = small()
    frame, terms = found.to_frame(), found.estimates()
    assert isinstance(frame, pd.DataFrame)
    assert frame["posterior"].sum() == pytest.approx(1)
    assert len(frame) == 36
    assert frame["model"][0] == "no effect, no heterogeneity, no bias"
    mean = terms.set_index("term").loc["mean"]
    # mean over all models: that over those with an effect, and 0
    assert mean["estimate"] == pytest.approx(mean["probability"] * mean["given_estimate"], rel=1e-9)
    assert (found.estimate, *found.interval) == pytest.approx(mean[["estimate", "ci_low", "ci_high"]].tolist(), rel=1e-9)
    assert float(found.means @ found.probabilities) == pytest.approx(found.estimate, rel=1e-6)
    assert f"{found.bf_bias:.3g}" in found.sentence()
    ax = found.plot(title="Four trials")
    bars = {b.get_gid(): b.get_height() for b in ax.patches if b.get_gid()}
    assert bars["no effect, after"] == pytest.approx(1 - found.p_effect)
    assert bars["no effect, before"] == pytest.approx(0.5)
    curves = {line.get_gid(): np.array(line.get_data(), dtype=float) for line in ax.lines}
    areas = {name: integrate.trapezoid(curves[name][1], curves[name][0]) for name in ("effect, after",)}
    density = found.mu_given_effect.pdf(curves["effect, after"][0])
    assert areas["effect, after"] * density.max() / curves["effect, after"][1].max() == pytest.approx(1, abs=0.01)
    assert "Four trials" in ax.get_title(loc="left")
    with pytest.raises(vf.InputError, match="robust_average"):
        vf.plots.averaged_effect(vf.common_effect(**SMALL))


def test_a_density_held_by_panels_is_the_one_it_was_made_of() -> None:
    left, width = np.linspace(-6, 6, 13)[:-1], np.ones(12)
    nodes = left[:, None] + width[:, None] * (np.polynomial.legendre.leggauss(16)[0] + 1) / 2
    held = PanelDensity(left, width, stats.norm.pdf(nodes))
    x = np.linspace(-3, 3, 41)
    assert held.cdf(x) == pytest.approx(stats.norm.cdf(x), abs=1e-8)
    assert held.pdf(x) == pytest.approx(stats.norm.pdf(x), abs=1e-8)
    assert held.quantile([0.025, 0.5, 0.9]) == pytest.approx(stats.norm.ppf([0.025, 0.5, 0.9]), abs=1e-7)
    turned = held.times(-2.0).moved(1.0)
    assert (turned.mean, turned.sd) == pytest.approx((1.0, 2.0), abs=1e-7)
    assert turned.cdf(3.0) == pytest.approx(stats.norm.cdf(1.0), abs=1e-8)
    beta = stats.beta(3, 5)
    x, w = np.polynomial.legendre.leggauss(60)
    moments = [float(w @ (beta.pdf((x + 1) / 2) * np.polynomial.legendre.Legendre.basis(j)(x))) / 2 for j in range(20)]
    found = from_moments(np.array(moments))
    assert found.quantile([0.1, 0.5, 0.975]) == pytest.approx(beta.ppf([0.1, 0.5, 0.975]), abs=1e-9)
