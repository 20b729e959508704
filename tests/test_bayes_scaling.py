"""Power-scaling sensitivity, and the summary in sentences that quotes it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from tests.bayes_data import PAIN, V, Y, quiet

import vfmeta as vf
from vfmeta import priors
from vfmeta.core.question import Question
from vfmeta.results.posterior import BayesianResult


def test_power_scaling_sees_conflict_and_strong_priors() -> None:
    calm = vf.bayes.power_scaling(quiet(y=Y, v=V, tau=priors.HalfNormal(1.0), mu=priors.Normal(0, 10)))
    assert calm.prior["mu"] < 0.05
    assert calm.diagnosis("mu") == ""
    clash = vf.bayes.power_scaling(quiet(y=Y + 5, v=V, tau=priors.HalfNormal(0.2), mu=priors.Normal(0, 0.5)))
    assert clash.diagnosis("mu") == "conflict"
    assert clash.conflict["mu"] < 1e-3
    assert "disagree" in clash.verdict
    strong = vf.bayes.power_scaling(quiet(y=[0.1, 0.0], v=[4.0, 4.0], tau=priors.HalfNormal(0.5), mu=priors.Normal(0.05, 0.1)))
    assert strong.prior["mu"] > 5 * strong.likelihood["mu"]
    flat = vf.bayes.power_scaling(quiet(y=Y, v=V, tau=priors.HalfNormal(1.0)))
    assert flat.conflict["mu"] is None
    assert "little of the mean effect" in flat.verdict


def test_power_scaling_of_a_normal_by_its_own_formula() -> None:
    """With tau pinned the scaled posteriors are normal: the distance of two normals, integrated here directly."""
    from vfmeta.bayes.scaling import _ENDS, _STEP

    y, v, m0, s0 = np.array([1.0]), np.array([1.0]), 0.0, 1.0
    got = vf.bayes.power_scaling(quiet(y=y, v=v, tau=priors.LogNormal(math.log(1e-6), 0.01), mu=priors.Normal(m0, s0))).prior[
        "mu"
    ]

    def moved(power: float) -> tuple[float, float]:
        precision = power / s0**2 + 1 / v[0]
        return (power * m0 / s0**2 + y[0] / v[0]) / precision, precision**-0.5

    def distance(power: float) -> float:
        x = np.linspace(-5, 6, 20001)
        best = 0.0
        for side in (1, -1):
            a, b = norm.cdf(side * (x - moved(1)[0]) / moved(1)[1]), norm.cdf(side * (x - moved(power)[0]) / moved(power)[1])
            inside = np.abs(x - 0.5) < norm.ppf(_ENDS) * math.sqrt(0.5)  # the range of 4,000 draws
            a, b = np.clip(a[inside], 1e-300, 1), np.clip(b[inside], 1e-300, 1)
            mid = (a + b) / 2
            best = max(best, math.sqrt(max((a * np.log2(a / mid) + b * np.log2(b / mid)).sum(), 0) / (a + b).sum()))
        return best

    want = (distance(_STEP) + distance(1 / _STEP)) / (2 * math.log2(_STEP))
    assert got == pytest.approx(want, rel=0.005)


def test_a_posterior_keeps_what_it_was_made_from() -> None:
    fit = quiet(y=Y, v=V, question=PAIN)
    back = BayesianResult.from_dict(json.loads(fit.to_json()))
    assert (back.tau_prior, back.mu_prior) == (fit.tau_prior, fit.mu_prior)
    scaling = vf.bayes.power_scaling(fit)
    assert vf.bayes.power_scaling(back).prior == pytest.approx(scaling.prior, rel=1e-6)
    exact = vf.bayes.posterior(Y, V, priors.HalfNormal(1.0), priors.Normal(0, 10))
    assert vf.bayes.power_scaling(exact).likelihood == pytest.approx(scaling.likelihood)
    with pytest.raises(vf.InputError, match="keeps its data and priors, and not list"):
        vf.bayes.power_scaling([0.1, 0.2])
    with pytest.raises(vf.InputError, match="of another model"):
        vf.bayes.leave_one_out(replace(fit, tau_prior=None))


def test_summary_speaks_to_clinicians() -> None:
    fit = quiet(y=Y, v=V, question=PAIN)
    said = fit.summary(vf.bayes.power_scaling(quiet(y=Y, v=V, question=PAIN)))
    for part in (
        "The drug against placebo, pain: 6 trials.", "points lower (95% credible interval",
        "on the 0-10 scale; the interval includes “no difference”.",
        "Probability of any benefit from the drug: 97%", "1.5 points (the minimal important difference): ",
        "Minimal important difference: a paper.",
        "Of harm: 3%",
        "In a further trial", "Priors: tau ~ half-normal(1); mu ~ N(0, 10).", "carries less than 1%",
        "The prior decides little of the mean effect and part of the spread between the trials. Prior and trials do not",
    ):  # fmt: skip
        assert part in said, (part, said)
    back = BayesianResult.from_dict(json.loads(fit.to_json()))
    assert back.summary() == fit.summary()
    wide = quiet(y=10 * Y, v=100 * V, question=Question(**{**PAIN.to_dict(), "points": (0, 100), "mid": 15.0}))
    assert "Carried to 0-10 that is 0.6 points lower" in wide.summary()
    ratio = quiet(
        y=Y / 3,
        v=V / 9,
        question=Question(measure="RR", experimental="a", control="b", outcome="fracture", higher_is_worse=True),
    )
    assert "a risk ratio of 0.8" in ratio.summary()
    risks = quiet(y=Y / 10, v=V / 100, question=Question(measure="RD", outcome="death", higher_is_worse=True, mid=0.02))
    assert f"{-100 * risks.estimate:.1f} percentage points lower" in risks.summary()
    assert "of a benefit beyond 2 percentage points (the minimal important difference): " in risks.summary()
    assert quiet(y=Y, v=V, tau=priors.HalfNormal(1)).summary()
