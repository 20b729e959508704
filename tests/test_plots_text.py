"""Numbers in words: the same strings in figures and on pages."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest

import vfmeta as vf
from test_plots_make import PAIN, RISK, fit_of, post_of, three
from vfmeta import priors
from vfmeta.core.measures import MEASURES
from vfmeta.core.question import Question
from vfmeta.plots import alt_text
from vfmeta.results.wald import TestResult
from vfmeta.text import numbers as tx
from vfmeta.text.fit import heterogeneity_text, model_text
from vfmeta.text.posterior import bayes_text, priors_text

RAW, SMD = Question(), Question(measure="SMD", higher_is_worse=False)


@pytest.mark.parametrize(("value", "digits", "shown"), [
    (-1.234, 2, "−1.23"), (1.235, 1, "1.2"), (-0.004, 2, "0.00"), (-0.0, 2, "0.00"), (-0.005001, 2, "−0.01"), (3, 0, "3"),
    (math.inf, 2, "∞"), (-math.inf, 2, "−∞"), (math.nan, 2, "–"), (-0.4, 0, "0"),
])  # fmt: skip
def test_number(value: float, digits: int, shown: str) -> None:
    assert tx.number(value, digits) == shown
    assert "-" not in tx.number(value, digits)


@pytest.mark.parametrize(("question", "estimate", "interval", "shown"), [
    (PAIN, -1.204, (-2.306, -0.0949), "−1.20 (−2.31 to −0.09)"),
    (PAIN, -0.001, (-30.0, 40.0), "0.00 (−30.00 to 40.00)"),
    (SMD, 0.5, (-0.104, 1.1), "0.50 (−0.10 to 1.10)"),
    (RISK, math.log(0.5), (math.log(0.004), math.log(62.5)), "0.50 (0.004 to 62.50)"),
    (RISK, 0.0, (-9.0, 9.0), "1.00 (<0.001 to 8103)"),
    (RISK, math.log(123.44), (0.0, 800.0), "123.4 (1.00 to ∞)"),
    (RISK, 0.0, (-math.inf, 12.0), "1.00 (<0.001 to >99999)"),
    (Question(measure="RD"), 0.0312, (-0.01, 0.07), "0.031 (−0.010 to 0.070)"),
    (RAW, 1.2345e-5, (1.0e-5, 1.4e-5), "0.0000123 (0.0000100 to 0.0000140)"),
    (RAW, 1234.5, (1100.0, 1369.0), "1234 (1100 to 1369)"),
    (RAW, 0.0, (0.0, 0.0), "0.000 (0.000 to 0.000)"),
    (Question(measure="PETO"), math.log(0.5), (math.log(0.25), 0.0), "0.50 (0.25 to 1.00)"),
    (Question(measure="IRLN"), math.log(4e-5), (math.log(2e-5), math.log(8e-5)), "0.0000400 (0.0000200 to 0.0000800)"),
    (Question(measure="MNLN"), math.log(123456), (0.0, 800.0), "123456 (1.00 to ∞)"),
    (Question(measure="PLO"), math.log(0.25), (math.log(1 / 9), 0.0), "0.200 (0.100 to 0.500)"),
    (Question(measure="PLO"), 0.0, (-30.0, 9.0), "0.500 (<0.000000001 to >0.999)"),  # 1 - 1 / (1 + e^9) = 0.99988
        (Question(measure="ZCOR"), math.atanh(0.5), (math.atanh(-0.25), math.atanh(0.8)), "0.500 (−0.250 to 0.800)"),
])  # fmt: skip
def test_effect(question: Question, estimate: float, interval: tuple[float, float], shown: str) -> None:
    assert tx.effect_text(question, estimate, interval) == shown
    assert tx.interval_text(question, interval) in shown


@pytest.mark.parametrize(("p", "shown"), [
    (0.0004, "p < 0.001"), (0.001, "p = 0.001"), (0.0094, "p = 0.009"), (0.00996, "p = 0.01"), (0.03, "p = 0.03"),
    (0.0496, "p = 0.050"), (0.049, "p = 0.049"), (0.051, "p = 0.051"), (0.4567, "p = 0.46"), (0.999, "p > 0.99"),
])  # fmt: skip
def test_p(p: float, shown: str) -> None:
    assert tx.p_text(p) == shown


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0, "< 0.001"), (1.0, "> 0.999"), (0.5, "= 0.50"), (0.998, "= 0.998"), (0.002, "= 0.002")]
)
def test_probability_is_never_a_bare_nought_or_one(p: float, shown: str) -> None:
    assert tx.probability_text(p) == shown


def test_heterogeneity() -> None:
    assert heterogeneity_text(fit_of([-0.5, -0.7], [0.45, 0.42], q=TestResult(5.2, 1, None, 0.0226))) == (
        "Heterogeneity: τ² = 0.12 (95% CI 0 to 2.31), I² = 45%, Q = 5.20 on 1 df, p = 0.02"
    )
    bare = fit_of([-0.5, -0.7], [0.45, 0.42], q=TestResult(0.1, 1, None, 0.7), tau2=0.0, tau2_interval=None, i2=0.0)
    assert heterogeneity_text(bare) == "Heterogeneity: τ² = 0, I² = 0%, Q = 0.10 on 1 df, p = 0.70"
    small = fit_of([-0.5, -0.7], [0.45, 0.42], q=TestResult(0.1, 1, None, 0.7), tau2=0.0004, tau2_interval=(0.0, math.inf))
    assert "τ² < 0.001 (95% CI 0 to ∞)" in heterogeneity_text(small)
    assert heterogeneity_text(fit_of([1.0], [1.0])) == "One trial: nothing was pooled"


def test_bayes_and_priors() -> None:
    fit = three()
    post = post_of(fit, p_benefit=0.97, p_benefit_mid=0.0004)
    assert bayes_text(post) == "Bayesian: P(benefit) = 0.97, P(benefit beyond 1.5) < 0.001, τ = 0.38 (95% CrI 0.02 to 1.41)"
    assert bayes_text(post_of(fit, p_benefit=None, p_benefit_mid=None)) == "Bayesian: τ = 0.38 (95% CrI 0.02 to 1.41)"
    assert priors_text(post) == "Priors: τ ~ half-normal(1); μ ~ N(0, 10)"


def test_minimal_important_difference() -> None:
    assert (tx.mid_text(PAIN), tx.mid_note(PAIN)) == ("−1.5", "MID: minimal important difference, 1.5 (a source).")
    assert tx.mid_text(replace(PAIN, higher_is_worse=False)) == "1.5"
    assert tx.mid_text(replace(PAIN, higher_is_worse=None)) == tx.mid_note(replace(PAIN, mid=None)) == ""
    for mid in (0.8, 1.25):  # a ratio either way round
        ratio = replace(RISK, mid=mid)
        assert (tx.mid_text(ratio), tx.important_text(ratio)) == ("0.80", "a risk ratio of 0.8")
        assert tx.important_text(ratio, harm=True) == "a risk ratio of 1.25"
        assert tx.mid_text(replace(ratio, higher_is_worse=False)) == "1.25"
        assert "P(benefit beyond 0.80) = " in bayes_text(post_of(fit_of([-0.5, -0.7], [0.3, 0.4], ratio)))


def test_sides_follow_the_direction() -> None:
    assert tx.favours_text(PAIN) == ("Favours vertebroplasty", "Favours sham procedure")
    assert tx.favours_text(SMD) == ("Favours control", "Favours experimental")
    assert tx.favours_text(RAW) is None
    assert tx.axis_text(RAW) == "Effect (direction not stated)"
    assert tx.axis_text(Question(measure="PLO")) == "Proportion"
    assert tx.axis_text(Question(measure="PLO", no_difference=0.2)) == "Proportion (direction not stated)"
    assert tx.axis_text(PAIN) == "Mean difference: pain (0 to 10)"


#: written down a second time, from the papers: logs of ratios, logs of what is measured in one group, and other levels
LOG_RATIOS = {"RR", "OR", "PETO", "HR", "IRR", "ROM", "VR", "CVR", "D2OR", "D2ORN", "ROMC", "VRC", "CVRC"}
LOG_LEVELS = {"PLN", "IRLN", "MNLN", "CVLN", "SDLN"}


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_every_measure_has_words_and_leaves_the_log_scale_exactly_when_it_is_a_log(measure: str) -> None:
    words = tx.measure_text(Question(measure=measure))
    assert measure not in words.split()
    assert words[0].isupper()
    assert words[1].islower()  # so that a sentence can write the first letter small
    assert "log" not in words.lower().split()
    question = Question(measure=measure)
    assert question.is_ratio == (measure in LOG_RATIOS | LOG_LEVELS)
    assert question.display(0.0) == (1.0 if question.is_ratio else 0.5 if measure == "PLO" else 0.0)
    columns = MEASURES[measure].columns if MEASURES[measure].inputs else ("y1", "y2")
    one_group = not any(name.endswith(("2", "_pre", "_change", "r")) or name == "d" for name in columns)
    assert question.null == (None if one_group else 0.5 if measure in ("CLES", "AUC") else question.display(0.0))


def test_a_default_prior_knows_where_ratios_lie_but_not_where_a_mean_or_a_rate_does() -> None:
    assert priors.default_mu(Question(measure="PETO")) == priors.default_mu(Question(measure="OR"))
    for measure in LOG_LEVELS:
        with pytest.raises(vf.InputError, match="no default prior"):
            priors.default_mu(Question(measure=measure))


def test_names_of_models() -> None:
    assert model_text(three()) == "Random effects (REML, HKSJ)"
    common = fit_of([0.1, 0.2], [1, 1], model="common", method="common effect", test="Wald")
    assert model_text(common) == "Common effect (Wald)"
    assert "τ² taken as 0 (95% CI 0 to 2.31), I²" in heterogeneity_text(common)
    assert model_text(post_of(three())) == "Bayesian"


def test_arms_and_weights() -> None:
    assert [tx.arm_text(n) for n in (38, 38.0, 19.5, None, math.nan, "?")] == ["38", "38", "19.5", "–", "–", "–"]
    assert tx.arm_text(38, 0) == "0/38"
    assert [tx.weight_text(w) for w in (33.333, 0.01, 0.0, 100.0, math.nan)] == ["33.3%", "<0.1%", "0.0%", "100.0%", "–"]


def test_alt_text_says_the_same_in_sentences() -> None:
    fit = three()
    post = post_of(fit)
    said = alt_text(sections=[("About 1 month", fit, post), ("Later", None, None), ("Last", fit_of([-1.0], [0.5]), None)])
    for part in (
        "Forest plot of vertebroplasty versus sham procedure, pain (0 to 10): mean difference with 95% intervals.",
        "Buchbinder 2009 −0.50 (−1.38 to 0.38);", tx.effect_text(PAIN, fit.estimate, fit.interval),
        tx.effect_text(PAIN, post.estimate, post.interval), heterogeneity_text(fit), bayes_text(post),
        "Later: no trial with usable figures.", "One trial: nothing was pooled.",
        "Values below 0 favour vertebroplasty, values above 0 favour sham procedure.",
    ):  # fmt: skip
        assert part in said
    assert said.endswith(".")


def test_matplotlib_loads_only_when_something_is_drawn() -> None:
    code = (
        "import sys; from vfmeta.text.numbers import number; import vfmeta; print('matplotlib' in sys.modules, number(-1, 1))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8",
                         env={"PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"})  # fmt: skip
    assert out.stdout.split() == ["False", "−1.0"]
