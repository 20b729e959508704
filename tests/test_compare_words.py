"""What trials say without a figure, from the tables to `vf.bayes.reports`: which report, of what size, and what stays out."""

from __future__ import annotations

import math
import warnings
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import pytest

import vfmeta as vf

if TYPE_CHECKING:
    from conftest import World

ASKED: dict[str, Any] = {"outcome": "pain", "measure": "MD", "points": (0, 10), "week": 12, "window": (4, 20), "reports": "all"}
BARE: dict[str, Any] = {"measure": "", "printed_as": "not_stated", "use": "no", "instrument_id": "endless"}


def said(world: World, study: str, kind: str, favours: str = "", week: Any = 12, **cells: Any) -> str:
    """A row of words on drug and placebo."""
    selective = "" if kind in ("full", "within_arm") else "no"
    own = {**BARE, "report_kind": kind, "favours": favours, "selective": selective, **cells}
    return world.contrast(study, "drug", "placebo", own.pop("estimate", ""), week=week, **own)


def asked(world: World, **options: Any) -> vf.EffectTable:
    return vf.compare(world.load(), "drug", "placebo", **{**ASKED, **options})


@pytest.fixture
def spoken(world: World) -> World:
    """Trial a prints an estimate with its interval, b a bound on its p value; arms are of 50."""
    world.study("a", "drug", "placebo")
    world.study("b", "drug", "placebo")
    world.contrast("a", "drug", "placebo", -1, -2, 0)
    said(world, "b", "p_bound", "experimental", p_value=0.01, p_operator="<")
    return world


def test_words_stand_beside_the_effects_and_no_pool_sees_them(spoken: World) -> None:
    strict, table = asked(spoken, reports="strict"), asked(spoken)
    assert strict.words is None
    assert table.labels == strict.labels
    assert table.words is not None
    (report,) = table.words.reports
    assert (report.study_id, report.kind, report.p, report.direction, report.n) == ("b", "p_bound", 0.01, -1.0, (50.0, 50.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert vf.random_effects(table).estimate == vf.random_effects(strict).estimate
    shown = table.reported
    assert shown["kind"].tolist() == ["full", "p_bound"]
    assert shown["se"].isna().tolist() == [False, True]


def test_the_engine_gets_what_a_hand_would_write(spoken: World) -> None:
    """The same reports typed in: sizes of 50, the side as a sign, and the SDs that the tables print, on the scale asked for."""
    spoken.mean("a", "drug", 30, 20, outcome_id="ache", instrument_id="vas100", week=13, n=40)
    spoken.mean("a", "placebo", 50, 24, outcome_id="ache", instrument_id="vas100", week=13, n=40)
    table = asked(spoken)
    tau, mu = vf.priors.HalfNormal(1.0), vf.priors.Normal(0, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = vf.bayes.reports(table, tau=tau, mu=mu)
        by_hand = vf.bayes.reports(
            kind=["full", "p_bound"], y=[table.y[0], None], se=[table.v[0] ** 0.5, None], p=[None, 0.01], direction=[None, -1],
            n1=[50, 50], n2=[50, 50], instrument=["", "pain"], score=["", "final"], tau=tau, mu=mu, question=table.question,
            sds={"sd": [2.0, 2.4], "n": [40, 40], "study": ["a", "a"], "instrument": ["pain"] * 2, "score": ["final"] * 2},
        )  # fmt: skip
    assert got.interval == pytest.approx(by_hand.interval, abs=1e-12)
    assert got.sds == by_hand.sds
    assert [x.study_id for x in got.left_out] == []


def test_words_on_one_arm_are_listed_and_never_used(spoken: World) -> None:
    spoken.study("c", "drug", "placebo")
    said(spoken, "c", "within_arm")
    words = asked(spoken).words
    assert words is not None
    assert [r.study_id for r in words.reports] == ["b"]
    assert [(x.study_id, x.reason) for x in words.left_out] == [("c", "its words are on one arm only and compare nothing")]


def test_the_visit_is_chosen_before_the_words_are_read(spoken: World) -> None:
    """Nearest to week 12 is week 13, whatever is said there; a tie goes to the later visit, as with figures."""
    said(spoken, "b", "not_significant", "neither", week=13, outcome_id="ache")  # another outcome
    spoken.study("c", "drug", "placebo")
    far = said(spoken, "c", "significant", "experimental", week=5)
    said(spoken, "c", "not_significant", "neither", week=11)
    near = said(spoken, "c", "direction", "control", week=13)
    words = asked(spoken).words
    assert words is not None
    report = words.named("c")[0]
    assert report.rows == (near,)
    assert report.direction == 1.0  # control better, higher worse: drug minus placebo above 0
    assert any(x.startswith(f"{far} (5 weeks): further") for x in report.unused)
    assert len(words.reports) == 2


def test_a_trial_of_unknown_sizes_is_listed_and_equal_arms_are_a_choice(spoken: World) -> None:
    spoken.study("c", "drug", "placebo", n="")
    spoken.tables["studies"][-1].update(n_randomised=61)
    said(spoken, "c", "direction", "experimental")
    words = asked(spoken).words
    assert words is not None
    assert [x.reason for x in words.left_out] == ["how many patients its arms had is not printed"]
    equal = asked(spoken, equal_arms=True).words
    assert equal is not None
    assert equal.named("c")[0].n == (30.5, 30.5)
    assert "61 randomised in all, taken as 2 equal arms in this analysis" in equal.named("c")[0].steps


def test_what_may_not_serve_says_why(spoken: World) -> None:
    reasons = {
        "c": ({"reading": "single", "reading_source_id": ""}, {}, "words read once"),
        "d": ({"selective": "yes"}, {"selective": False}, "selective"),
        "e": ({"analysis_set": "subgroup"}, {}, "only a part of the trial was analysed"),
        "f": ({"week": 30}, {}, "of another time (30 weeks)"),
    }
    for study, (cells, options, why) in reasons.items():
        spoken.study(study, "drug", "placebo")
        said(spoken, study, "direction", "experimental", **cells)
        words = asked(spoken, **options).words
        assert words is not None
        assert {x.study_id: why in x.reason for x in words.left_out}[study]
    spoken.study("g", "drug", "placebo", design="cluster_rct")
    said(spoken, "g", "direction", "experimental")
    last = asked(spoken, use=("pool", "sensitivity"))
    assert last.words is not None
    assert last.words.named("c")  # read once, but this analysis says so
    assert "cluster" in {x.study_id: x.reason for x in last.words.left_out}["g"]


def test_a_printed_estimate_is_turned_and_rescaled(spoken: World) -> None:
    """A benefit of 12 points on 0-100 is a difference of -1.2 on 0-10."""
    spoken.study("c", "drug", "placebo")
    said(spoken, "c", "estimate_only", estimate=12, measure="MD", printed_as="benefit_positive", instrument_id="vas100")
    words = asked(spoken).words
    assert words is not None
    assert words.named("c")[0].y == pytest.approx(-1.2)
    assert words.named("c")[0].score == "final"


def test_arms_the_other_way_round(spoken: World) -> None:
    spoken.study("c", "drug", "placebo", n=30)
    spoken.tables["arms"][-1].update(n_randomised=20)
    own = {**BARE, "report_kind": "direction", "favours": "control", "selective": "no"}
    spoken.contrast("c", "placebo", "drug", "", **own)
    words = asked(spoken).words
    assert words is not None
    report = words.named("c")[0]
    assert (report.arms, report.n, report.direction) == (("drug", "placebo"), (30.0, 20.0), -1.0)


def test_arms_of_one_trial_that_say_different_things_are_no_report(spoken: World) -> None:
    """Two doses against one placebo, of one size: which of them is taken would be chosen by its words. Alike, one stands."""
    spoken.study("c", "drug", "low=drug", "placebo")
    said(spoken, "c", "significant", "experimental")
    own = {**BARE, "report_kind": "not_significant", "favours": "neither", "selective": "no"}
    other = spoken.contrast("c", "low", "placebo", "", **own)
    words = asked(spoken).words
    assert words is not None
    assert "say different things" in {x.study_id: x.reason for x in words.left_out}["c"]
    spoken.set(other, report_kind="significant", favours="experimental")
    alike = asked(spoken).words
    assert alike is not None
    assert len(alike.named("c")) == 1


def test_one_report_a_cohort(spoken: World) -> None:
    spoken.study("c", "drug", "placebo", cohort="a")
    said(spoken, "c", "direction", "experimental")
    words = asked(spoken).words
    assert words is not None
    assert "same patients" in {x.study_id: x.reason for x in words.left_out}["c"]


def test_the_trace_leads_to_the_source_of_the_sentence(spoken: World) -> None:
    text = asked(spoken).trace("b")
    assert "significantly lower (p < 0.01) (words only; 50 v 50 patients)" in text
    assert "p < 0.01 [paper, table 2; reading: agrees]" in text
    assert "source   paper: A. Author. A paper. 2001." in text


@pytest.mark.parametrize("options", [{"measure": "RR", "points": None, "outcome": "fracture"}, {"points": None}])
def test_words_need_a_scale(spoken: World, options: dict[str, Any]) -> None:
    with pytest.raises(vf.InputError, match=r'reports="all" takes words'):
        asked(spoken, **options)


STANDARD: dict[str, Any] = {"measure": "SMD", "points": None}


def test_words_bear_on_a_standardised_difference_without_any_sd(spoken: World) -> None:
    """Arms of 50 make a standard error of 0.2; the printed estimate in points is on another scale, and its words are used."""
    said(spoken, "a", "p_exact", "", week=5, estimate=-1, measure="MD", printed_as="experimental_minus_control", p_value=0.01,
         p_operator="=", use="sensitivity")  # fmt: skip
    table = asked(spoken, **STANDARD)
    assert len(table) == 0
    assert table.words is not None
    assert table.words.sds == ()
    reports = {r.study_id: r for r in table.words.reports}
    assert (reports["b"].instrument, reports["b"].score, reports["b"].direction) == ("", "", -1.0)
    assert (reports["a"].y, reports["a"].direction) == (None, -1.0)
    assert "the printed estimate is not on this scale: only the words are used" in reports["a"].steps
    mu, tau = vf.priors.Normal(0, 1), vf.priors.HalfNormal(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = vf.bayes.reports(table, tau=tau, mu=mu)
        z = NormalDist().inv_cdf(0.995)
        hand = vf.bayes.reports(
            kind=["full", "p_bound"], y=[-0.2 * z, None], se=[math.hypot(0.2, 0.2 * z / math.sqrt(200)), 0.2], p=[None, 0.01],
            direction=[None, -1], tau=tau, mu=mu,
        )  # fmt: skip
    assert fit.interval == pytest.approx(hand.interval, abs=1e-9)


def test_counts_of_responders_are_a_full_report_of_a_standardised_difference(spoken: World) -> None:
    """30 of 50 against 20 of 50: an odds ratio of 1.5 / (2/3); more who are well is less pain, so that the sign is turned."""
    spoken.add("outcomes", outcome_id="well", name="pain halved", domain="pain", kind="binary", higher_is_worse="false")
    spoken.study("c", "drug", "placebo")
    for week, events in ((11, 30), (5, 49)):
        spoken.events("c", "drug", events, 50, outcome_id="well", week=week)
        spoken.events("c", "placebo", 20, 50, outcome_id="well", week=week)
    said(spoken, "c", "direction", "control")  # counts go before words
    assert asked(spoken, **STANDARD).words.named("c")[0].kind == "direction"  # type: ignore[union-attr]
    table = asked(spoken, **STANDARD, responders=("well",))
    assert table.words is not None
    report = table.words.named("c")[0]
    factor = math.sqrt(3) / math.pi
    assert report.kind == "full"
    assert report.y == pytest.approx(-factor * math.log(2.25))
    assert report.se == pytest.approx(factor * math.sqrt(1 / 30 + 1 / 20 + 1 / 20 + 1 / 30))
    text = table.trace("c")
    assert "from its counts of responders (50 v 50 patients)" in text
    assert "counts of pain halved stand for the outcome" in text
    assert "log odds ratio 0.8109 to a standardised mean difference: divided by pi/sqrt(3)" in text
    assert "sign turned" in text
    shown = table.reported.set_index("study_id").loc["c"]
    assert (shown.kind, shown.y, shown.se) == ("full", report.y, report.se)
    assert vf.bayes.reports(table, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 1)).k == len(table) + 2


@pytest.mark.parametrize(
    ("options", "said_"),
    [
        ({"responders": ("well",)}, "names counts that stand for a standardised mean difference"),
        ({**STANDARD, "responders": ("pain",)}, "responders= names pain; it takes binary outcomes"),
        ({**STANDARD, "responders": ("well",)}, "responders= names well; it takes binary outcomes"),
        ({**STANDARD, "reports": "strict", "responders": ("fracture",)}, "names counts that stand for"),
    ],
)
def test_responders_are_counts_and_serve_a_standardised_difference_only(
    spoken: World, options: dict[str, Any], said_: str
) -> None:
    with pytest.raises(vf.InputError, match=said_):
        asked(spoken, **options)


def test_calcitonin_has_words_from_trials_of_known_sizes_only() -> None:
    """Ofluoglu (30 v 26) and zaoyang2019 (50 v 50) print p < 0.05; the others have unknown arms or compare nothing."""
    table = vf.compare(
        vf.load_trials(), "calcitonin", ["placebo", "no_treatment", "usual_care"], outcome="pain_overall", measure="MD",
        points=(0, 10), week=4.35, window=(2, 8), reports="all",
    )  # fmt: skip
    assert table.words is not None
    found = {r.study_id: (r.kind, r.p, r.direction, r.n) for r in table.words.reports}
    assert found == {
        "ofluoglu2007": ("p_bound", 0.05, -1.0, (30.0, 26.0)), "zaoyang2019": ("p_bound", 0.05, -1.0, (50.0, 50.0))
    }  # fmt: skip
    assert {"lyritis1991", "pontiroli1994", "ljunghall1991", "hongo2015"} <= {x.study_id for x in table.words.left_out}
