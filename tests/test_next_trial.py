"""What a further trial would change: against closed forms, and against fits with that trial added."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.text.next_trial import change_text

NORMAL = NormalDist()
Z = NORMAL.inv_cdf(0.975)
SIZES = {"n1": [40, 60, 50], "n2": [40, 60, 50]}
MEANS = {"mean1": [2.0, 3.0, 2.6], "sd1": [2.0, 2.2, 1.8], "mean2": [3.0, 3.5, 3.2], "sd2": [2.1, 2.0, 2.0]}
WORSE = vf.Question(measure="MD", experimental="drug", control="placebo", outcome="pain", higher_is_worse=True)


def table(**other: Any) -> Any:
    return vf.effect_size("MD", **{**MEANS, **other}, **SIZES, study=["A", "B", "C"], question=WORSE)


def test_one_effect_agrees_with_its_closed_form() -> None:
    fit = vf.common_effect(table())
    found = vf.appraisal.next_trial(fit, n=150, power=0.7)
    total = float((1 / fit.v).sum())
    mean = float((fit.y / fit.v).sum()) / total
    unit = float(np.median(fit.v * np.array([80, 120, 100])))
    u = unit / 150
    more = total + 1 / u
    # (total * mean + d / u) / more +- Z / sqrt(more) touches 0
    touches = [u * (sign * Z * math.sqrt(more) - total * mean) for sign in (-1, 1)]
    assert found.conclusion == "lower"
    assert found.after == ("unclear", "higher")
    assert found.ranges == pytest.approx(np.array([touches, [touches[1], math.inf]]), rel=1e-7)
    ahead = NormalDist(mean, math.sqrt(1 / total + u))
    assert found.chances == pytest.approx(
        [ahead.cdf(touches[1]) - ahead.cdf(touches[0]), 1 - ahead.cdf(touches[1])], rel=1e-6, abs=1e-12
    )
    # assurance: the estimate of the trial is normal, and must lie Z of its errors below 0
    s = found.needed_se
    assert NORMAL.cdf((-Z * s - mean) / math.sqrt(1 / total + s * s)) == pytest.approx(0.7, rel=1e-9)
    assert found.needed == math.ceil(unit / s**2)
    assert found.ceiling == pytest.approx(NORMAL.cdf(-mean * math.sqrt(total)), rel=1e-6)


FITS = {
    "REML, HKSJ": lambda t: vf.random_effects(t),
    "DL, Wald": lambda t: vf.random_effects(t, method="DL", test="Wald"),
    "tau2 given": lambda t: vf.random_effects(t, tau2=0.05, test="Wald"),
    "posterior": lambda t: vf.bayes.random_effects(t, tau=vf.priors.HalfNormal(1.0), mu=vf.priors.Normal(0, 10)),
    "posterior, shortest, 90%": lambda t: vf.bayes.random_effects(
        t, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Flat(), level=0.9, interval="shortest"
    ),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_at_the_ends_the_pool_with_that_trial_touches_no_difference(name: str) -> None:
    fit = FITS[name](table())
    found = vf.appraisal.next_trial(fit, n=[60, 400])
    assert len(found.after) >= 2
    assert set(found.which.tolist()) == {0.0, 1.0}

    def interval(d: float, se: float) -> tuple[float, float]:
        given = {"y": np.append(fit.y, d), "v": np.append(fit.v, se**2), "level": fit.level}
        if name.startswith("posterior"):
            return vf.bayes.random_effects(
                **given, tau=fit.tau_prior, mu=fit.mu_prior, interval=fit.interval_kind
            ).wider_interval
        own = {x: fit.call[x] for x in ("method", "tau2", "test") if x in fit.call}
        return vf.random_effects(**given, **own).wider_interval

    for i, (low, high), after in zip(found.which.astype(int), found.ranges, found.after, strict=True):
        se = float(found.trial_se[i])
        for end in (low, high):
            if math.isfinite(end):
                assert min(abs(np.array(interval(end, se)))) == pytest.approx(0, abs=1e-6)
        inside = (low + high) / 2 if math.isfinite(low + high) else low + 1 if math.isfinite(low) else high - 1
        least, most = interval(inside, se)
        assert after == ("lower" if most < 0 else "higher" if least > 0 else "unclear")


@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_where_nothing_helps_it_says_so() -> None:
    fit = vf.random_effects(y=[-1, 1.2], v=[0.01, 0.01], question=WORSE)
    found = vf.appraisal.next_trial(fit)
    assert math.isnan(found.n[0])
    assert found.after == ()
    assert found.sentences == ["No result of a further trial with a standard error of 0.1 would change what the interval says."]
    for d in np.linspace(-40, 40, 81):
        low, high = vf.random_effects(y=[-1, 1.2, d], v=[0.01] * 3).wider_interval
        assert low < 0 < high
    assert found.needed_se == 0
    assert math.isinf(found.needed)
    assert "No size of a trial" in found.size_sentence


@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_a_trial_can_settle_that_there_is_little_difference() -> None:
    question = vf.Question(measure="MD", higher_is_worse=True, mid=0.5, experimental="drug", control="placebo")
    fit = vf.common_effect(y=[0.05, -0.05], v=[0.16, 0.16], question=question)
    found = vf.appraisal.next_trial(fit)
    assert found.conclusion == "unclear"
    # variances 0.16 each: the interval of three is d / 3 +- Z * 0.4 / sqrt(3), inside 0.5 on both sides
    half = Z * 0.4 / math.sqrt(3)
    little = 3 * (0.5 - half)
    row = found.after.index("little")
    assert found.ranges[row] == pytest.approx([-little, little], rel=1e-6)
    assert "little or no difference" in found.sentence()


@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_the_frame_speaks_the_scale_asked_for() -> None:
    fit = vf.common_effect(
        vf.effect_size("RR", events1=[10, 15], n1=[100, 150], events2=[20, 30], n2=[100, 150]),
    )
    found = vf.appraisal.next_trial(fit)
    own, read = found.to_frame(), found.to_frame(on="read")
    assert found.n.tolist() == [250]
    assert np.exp(own["ci_low"]).tolist() == pytest.approx(read["ci_low"].tolist())
    assert (own["scale"][0], read["scale"][0]) == ("log RR", "RR")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: vf.appraisal.next_trial(vf.common_effect(y=[-1.0], v=[0.1])), "two or more"),
        (lambda: vf.appraisal.next_trial(vf.common_effect(table()), n=1), "2 or more"),
        (lambda: vf.appraisal.next_trial(vf.common_effect(table()), n=[]), "2 or more"),
        (lambda: vf.appraisal.next_trial(vf.common_effect(table()), power=1), "between 0 and 1"),
        (lambda: vf.appraisal.next_trial(vf.common_effect(y=[1, 2.0], v=[1, 1.0]), n=20), "Leave n out"),
        (lambda: vf.appraisal.next_trial(vf.random_effects(y=[1, 2.0], v=[1, 1.0], weights=[1, 2])), "weights"),
        (lambda: vf.appraisal.next_trial(vf.peto(events1=[1, 3], n1=[9, 9], events2=[4, 5], n2=[9, 9])), "one more"),
        (lambda: vf.appraisal.next_trial(vf.common_effect(vf.effect_size("PLO", events=[3, 4], n=[9, 9]))), "no difference"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_what_cannot_be_asked_is_refused_in_words(ask: Any, words: str) -> None:
    with pytest.raises(vf.InputError, match=words):
        ask()


def test_a_limit_that_prints_as_a_bound_is_left_open() -> None:
    """Between a ratio of 5.23 and one beyond all print there is no second number to name."""
    q = vf.Question(measure="RR", outcome="fracture")
    said = change_text(q, math.log(0.57), 178, math.nan, [((math.log(5.23), math.log(3e5)), "unclear", 0.0002)])
    assert "with a risk ratio of 5.23 or higher it would hold no difference (probability < 0.001)" in said
    low = change_text(q, math.log(0.57), 178, math.nan, [((math.log(1e-5), math.log(0.2)), "unclear", 0.02)])
    assert "of 0.20 or lower it would" in low
