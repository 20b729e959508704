"""What an answer says of an interval: the rule of three states at every edge, and which result leads."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import vfmeta as vf
from vfmeta.evidence.changes import changes
from vfmeta.results.leading import leading
from vfmeta.text.answer import chances, finding, state, verdict

pytest_plugins = ("evidence_builds",)

SIDES = {"experimental": "drug", "control": "sham", "higher_is_worse": True}
POINTS = {"measure": "MD", "outcome": "pain", "points": (0, 10), **SIDES}
RATIO = {"measure": "RR", "outcome": "fracture", **SIDES}


def said(low: float, high: float, k: int = 5, **question: Any) -> Any:
    """A result of ``k`` trials with this interval on the scale people read."""
    q = vf.Question(**question)
    low, high = (q.analysis(x) for x in (low, high))
    return SimpleNamespace(question=q, estimate=(low + high) / 2, interval=(low, high), wider_interval=(low, high), k=k)


@pytest.mark.parametrize(
    ("low", "high", "expected", "words"),
    [
        (-3.0, -2.0, "side", "in favour of drug, at least the threshold of 1.5 points"),
        (-3.0, -1.5, "side", "in favour of drug, at least the threshold of 1.5 points"),
        (-3.0, -1.49, "side", "in favour of drug, possibly more than the threshold of 1.5 points"),
        (-1.5, -0.2, "side", "in favour of drug, possibly more than the threshold of 1.5 points"),
        (-1.49, -0.2, "side", "in favour of drug, less than the threshold of 1.5 points"),
        (-1.49, -0.01, "side", "in favour of drug, less than the threshold of 1.5 points"),
        (0.2, 1.0, "side", "in favour of sham, less than the threshold of 1.5 points"),
        (1.5, 3.0, "side", "in favour of sham, at least the threshold of 1.5 points"),
        (0.5, 1.5, "side", "in favour of sham, possibly more than the threshold of 1.5 points"),
        (-1.0, -0.004, "little", ": little or no difference, within 1.5 points either way"),  # prints -1.00 to 0.00
        (-1.49, 1.49, "little", ": little or no difference, within 1.5 points either way"),
        (0.0, 1.0, "little", ": little or no difference, within 1.5 points either way"),
        (-1.5, 1.0, "unclear", "; the trials cannot tell: from 1.50 points better to 1.00 points worse with drug"),
        (-1.0, 1.5, "unclear", "; the trials cannot tell: from 1.00 points better to 1.50 points worse with drug"),
        (-1.496, 1.0, "unclear", "; the trials cannot tell: from 1.50 points better to 1.00 points worse with drug"),
        (-2.0, 0.0, "unclear", "; the trials cannot tell: from 2.00 points better to no difference with drug"),
    ],
)
def test_three_states_at_every_edge_of_a_difference(low: float, high: float, expected: str, words: str) -> None:
    result = said(low, high, **POINTS, mid=1.5)
    assert state(result) == expected
    assert verdict(result).strip() == words.strip()


def test_a_standardised_difference_has_its_unit() -> None:
    smd = {"measure": "SMD", "outcome": "disability", "higher_is_worse": True, **SIDES}
    told = "from 0.49 standard deviations better to 0.52 standard deviations worse with drug"
    assert verdict(said(-0.49, 0.52, **smd)) == f"; the trials cannot tell: {told}"


def test_one_trial_is_not_told_of_as_several() -> None:
    assert verdict(said(-1.5, 1.0, k=1, **POINTS)).startswith("; the trial cannot tell: from")
    assert verdict(said(-1.5, 1.0, k=2, **POINTS)).startswith("; the trials cannot tell: from")


def test_a_probability_that_rounds_to_one_is_a_bound_in_words() -> None:
    post = SimpleNamespace(question=vf.Question(**POINTS | {"mid": 1.5}), p_benefit=0.9996, p_benefit_mid=0.0002)
    assert chances(post) == " The probability of any benefit is above 0.999, of a benefit beyond 1.5 points below 0.001."


@pytest.mark.parametrize(("low", "high", "expected"), [(-0.1, 0.1, "unclear"), (-2.0, -0.1, "side"), (0.0, 0.3, "unclear")])
def test_without_a_threshold_nothing_is_little_and_no_size_is_compared(low: float, high: float, expected: str) -> None:
    result = said(low, high, **POINTS)
    assert state(result) == expected
    assert "little" not in verdict(result)
    assert "threshold" not in verdict(result)


@pytest.mark.parametrize(
    ("low", "high", "expected", "words"),
    [
        (0.90, 0.99, "side", "in favour of drug, less than the threshold of a risk ratio of 0.8"),
        (0.90, 0.996, "little", ": little or no difference"),  # prints 0.90 to 1.00
        (0.81, 1.24, "little", "within a risk ratio of 0.8 and a risk ratio of 1.25 either way"),
        (0.80, 1.24, "unclear", "from a risk ratio of 0.80 (better) to a risk ratio of 1.24 (worse) with drug"),
        (0.81, 1.25, "unclear", "from a risk ratio of 0.81 (better) to a risk ratio of 1.25 (worse) with drug"),
        (0.60, 0.80, "side", "in favour of drug, at least the threshold of a risk ratio of 0.8"),
        (1.26, 2.00, "side", "in favour of sham, at least the threshold of a risk ratio of 1.25"),
    ],
)
def test_three_states_at_every_edge_of_a_ratio(low: float, high: float, expected: str, words: str) -> None:
    result = said(low, high, **RATIO, mid=0.8)
    assert state(result) == expected
    assert words in verdict(result)


def test_a_better_high_score_turns_better_and_worse() -> None:
    result = said(-1.0, 2.0, **{**POINTS, "higher_is_worse": False}, mid=1.5)
    assert "from 2.00 points better to 1.00 points worse with drug" in verdict(result)


def test_no_side_and_no_little_without_a_direction() -> None:
    for low, high in ((-0.1, 0.1), (-2.0, -1.0)):
        result = said(low, high, **{**POINTS, "higher_is_worse": None}, mid=1.5)
        assert "favour" not in verdict(result)
        assert "little" not in verdict(result)


def test_the_wider_interval_decides_and_is_shown() -> None:
    result = said(-2.0, -0.5, **POINTS, mid=1.5)
    result.wider_interval = (-3.0, 0.5)
    assert state(result) == "unclear"
    assert "3.00 to 0.50 with the ad hoc correction, which decides" in verdict(result)
    assert "(−2.00 to −0.50)" in finding(result)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_the_posterior_leads_at_every_number_of_trials(k: int) -> None:
    y, v = [-0.3 * i for i in range(k)], [0.1] * k
    fit = vf.random_effects(y=y, v=v, test="Wald")
    post = vf.bayes.random_effects(y=y, v=v, tau=vf.priors.HalfNormal(1.0))
    assert leading(fit, post) is post
    assert leading(fit, None) is fit


def test_page_figure_and_changes_lead_with_the_same_result(toy_build: Any) -> None:
    seen = set()
    for record in toy_build.records.values():
        if not record.k:
            continue
        lead = record.frequentist if record.k == 1 else record.posterior
        assert record.lead is lead
        seen.add(record.k)
        shown = finding(lead)
        assert shown in record.data["answer"]
        without = type(record)({**record.data, "studies": [], "results": dict.fromkeys(record.data["results"])})
        (line,) = changes([without], [record])
        assert f"Now: {shown.rpartition(' of ')[2]} from {record.k} trial" in line
    assert max(seen) > 4 > 1 in seen


def test_nobody_counts_trials_to_choose_an_engine() -> None:
    home = Path(vf.__file__).parent
    counted = re.compile(r"\bk (<=|>) 4\b|\bk (<|>=) 5\b")
    for folder in ("evidence", "plots"):
        for path in (home / folder).rglob("*.py"):
            assert not counted.search(path.read_text(encoding="utf-8")), path


def test_no_answer_of_the_review_uses_words_of_certainty_or_of_the_method(real_build: Any) -> None:
    for record in real_build.records.values():
        words = record.data["answer"]
        assert not re.search(r"\b(probably|may|likely|uncertain|half-normal|Monte Carlo|elpd)\b", words), words
