"""One test for each rule across columns and tables: a sound world, one thing broken, exactly that problem."""

# ruff: noqa: E501 (one case a line)
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import vfmeta as vf

if TYPE_CHECKING:
    from conftest import World

MEAN, COUNT, CONTRAST = "outcomes_continuous", "outcomes_binary", "contrasts"


@pytest.fixture
def sound(world: World) -> World:
    """Rows r1 and r2: a score and a final of its control; r3: counts; r4: a contrast; trial x is a cluster trial."""
    world.study("a", "drug", "placebo", "brace")
    world.study("x", "drug", "placebo", design="cluster_rct")
    world.mean("a", "drug", 3, 2)
    world.mean("a", "placebo", 5, 2)
    world.events("a", "drug", 3, 20)
    world.contrast("a", "drug", "placebo", -1, -2, 0)
    return world


def test_the_sound_world_is_sound(sound: World) -> None:
    assert sound.broken() == []


def setter(row: str, **cells: Any) -> Callable[[World], None]:
    return lambda w: w.set(row, **cells)


# a contrast without its spread, and one of words alone
BARE: dict[str, Any] = {"use": "no", "ci_low": "", "ci_high": "", "ci_level": ""}
WORDS: dict[str, Any] = {**BARE, "estimate": "", "measure": ""}

JUDGED: dict[str, Any] = {
    "study_id": "a", "tool": "RoB 1", "domain": "allocation concealment", "judgement": "low", "source_id": "paper", "locator": "t", "reading": "single",
}  # fmt: skip

# what is broken, then table, row (the header is row 1), column, value, words of the message, words of what to do
BROKEN: dict[str, tuple[Callable[[World], Any], str, int, str, str, str, str]] = {
    "study without arms": (
        lambda w: w.add("studies", study_id="z", cohort_id="z", design="quasi_rct", blinding="unclear", phase="acute"),
        "studies", 4, "study_id", "z", "no arm", "arms.csv"),
    "arms exceed the study": (
        lambda w: w.tables["studies"][0].update(n_randomised=149), "studies", 2, "n_randomised", "149", "add up to more", "Correct"),
    "sd of zero": (setter("r1", sd=0), MEAN, 2, "sd", "0", "greater than 0", "leave the cell empty"),
    "se of zero": (setter("r1", sd="", se=0), MEAN, 2, "se", "0", "greater than 0", "leave the cell empty"),
    "no mean": (setter("r1", mean=""), MEAN, 2, "mean", "", "Neither a mean nor a median", "Add the figure"),
    "arm interval upside down": (setter("r1", ci_low=4, ci_high=5, ci_level=95), MEAN, 2, "ci_low", "4", "ci_low lies above mean", "Read both"),
    "quartiles upside down": (setter("r1", q1=6, q3=4), MEAN, 2, "q1", "6", "q1 lies above q3", "Read both"),
    "range upside down": (setter("r1", median=3, range_high=2), MEAN, 2, "median", "3", "median lies above range_high", "Read both"),
    "interval without level": (setter("r1", ci_low=2, ci_high=4), MEAN, 2, "ci_level", "", "needs its level", "Write 95"),
    "level as proportion": (setter("r1", ci_low=2, ci_high=4, ci_level=0.95), MEAN, 2, "ci_level", "0.95", "per cent", "Write 95"),
    "change without sign": (setter("r1", value_type="change"), MEAN, 2, "change_sign", "", "needs its printed sign", "post_minus_pre"),
    "final with sign": (setter("r1", change_sign="post_minus_pre"), MEAN, 2, "change_sign", "post_minus_pre", "Only a change", "empty"),
    "final above the scale": (setter("r1", mean=10.5), MEAN, 2, "mean", "10.5", "outside the range", "instrument"),
    "quartile below the scale": (setter("r1", q1=-1), MEAN, 2, "q1", "-1", "outside the range", "instrument"),
    "change beyond the scale": (
        setter("r1", value_type="change", change_sign="post_minus_pre", mean=-10.5), MEAN, 2, "mean", "-10.5", "outside the range", "ends"),
    "sd wider than the scale allows": (setter("r1", sd=5.5), MEAN, 2, "sd", "5.5", "this large", "instrument"),
    "sd against se": (setter("r1", se=2), MEAN, 2, "se", "2", "contradict", "disagreement"),
    "more analysed than randomised": (setter("r1", n=51), MEAN, 2, "n", "51", "More patients", "arms.csv"),
    "per cent change in use": (
        setter("r1", value_type="percent_change", change_sign="post_minus_pre"), MEAN, 2, "use", "pool", "per cent change", "Write no"),
    "one end of the scale": (setter("r1", scale_min=0), MEAN, 2, "scale_min", "0", "One end", "both ends"),
    "ends upside down": (
        setter("r1", instrument_id="endless", scale_min=10, scale_max=0), MEAN, 2, "scale_min", "10", "below the upper", "Correct"),
    "ends against the instrument": (
        setter("r1", scale_min=0, scale_max=100), MEAN, 2, "scale_max", "100", "contradicts the instrument", "instruments.csv"),
    "score of a binary outcome": (setter("r1", outcome_id="oddity"), MEAN, 2, "outcome_id", "oddity", "not continuous", "outcomes.csv"),
    "the same score twice": (lambda w: w.mean("a", "drug", 4, 2), MEAN, 4, "row_id", "r5", "Another usable row", "use = no"),
    "the same score in other units": (
        lambda w: w.mean("a", "drug", 4, 2, time_value=84, time_unit="day"), MEAN, 4, "row_id", "r5", "Another usable row", "use = no"),
    "score of a cluster": (lambda w: w.mean("x", "drug", 4, 2), MEAN, 4, "use", "pool", "design-adjusted", "Write no"),
    "time without unit": (setter("r1", time_unit=""), MEAN, 2, "time_unit", "", "needs its unit", "as printed"),
    "unit without time": (setter("r1", time_value=""), MEAN, 2, "time_value", "", "unit without a time", "empty both"),
    "half a range of times": (setter("r4", time_value="", time_low=1), CONTRAST, 2, "time_low", "1", "One end of the range", "both ends"),
    "a range of times backwards": (
        setter("r4", time_value="", time_low=2, time_high=1), CONTRAST, 2, "time_low", "2", "earlier to the later", "Correct the ends"),
    "a visit and a range of times": (
        setter("r4", time_low=1, time_high=2), CONTRAST, 2, "time_value", "12", "of a visit or of a range", "empty"),
    "a range of times without unit": (
        setter("r4", time_value="", time_low=1, time_high=2, time_unit=""), CONTRAST, 2, "time_unit", "", "needs its unit", "as printed"),
    "second reading without source": (setter("r1", reading_source_id=""), MEAN, 2, "reading_source_id", "", "needs its source", "Name"),
    "pooled though read once": (
        setter("r1", reading="single", reading_source_id=""), MEAN, 2, "reading", "single", "read again", "sensitivity or no"),
    "more events than patients": (setter("r3", events=21), COUNT, 2, "events", "21", "More events", "Read both"),
    "more counted than randomised": (setter("r3", total=51), COUNT, 2, "total", "51", "More patients", "the unit"),
    "more with the event than randomised": (setter("r3", events=51, total=""), COUNT, 2, "events", "51", "More patients", "the unit"),
    "an empty count": (setter("r3", events="", total="", use="no"), COUNT, 2, "events", "", "No figure at all", "Add the figure"),
    "nobody": (setter("r3", events=0, total=0), COUNT, 2, "total", "0", "greater than 0", "leave the cell empty"),
    "percentage against the counts": (setter("r3", percent=20), COUNT, 2, "percent", "20", "contradicts", "disagreement"),
    "a denominator as outcome": (setter("r3", outcome_id="analysed"), COUNT, 2, "use", "pool", "never an outcome", "Write no"),
    "a percentage pooled": (setter("r3", events="", percent=15), COUNT, 2, "use", "pool", "without a count", "sensitivity or no"),
    "count of a score": (setter("r3", outcome_id="pain"), COUNT, 2, "outcome_id", "pain", "not binary", "outcomes.csv"),
    "the same count twice": (lambda w: w.events("a", "drug", 4, 20), COUNT, 3, "row_id", "r5", "Another usable row", "use = no"),
    "an arm against itself": (setter("r4", arm_control="drug"), CONTRAST, 2, "arm_control", "drug", "with itself", "other arm"),
    "contrast with se of zero": (setter("r4", se=0), CONTRAST, 2, "se", "0", "greater than 0", "leave the cell empty"),
    "contrast interval upside down": (setter("r4", ci_high=-1.5), CONTRAST, 2, "estimate", "-1", "estimate lies above ci_high", "Read both"),
    "estimate without measure": (setter("r4", measure="", instrument_id=""), CONTRAST, 2, "measure", "", "needs its measure", "Name"),
    "negative ratio": (
        setter("r4", measure="RR", outcome_id="fracture", instrument_id="", ci_high=1, estimate=0.5, ci_low=0),
        CONTRAST, 2, "ci_low", "0", "greater than 0", "Read it again"),
    "risk difference beyond 100": (
        setter("r4", measure="RD", outcome_id="fracture", instrument_id="", ci_low=-101), CONTRAST, 2, "ci_low", "-101", "-100 and 100", "Read"),
    "reduced by more than all": (
        setter("r4", measure="RRR_percent", outcome_id="fracture", instrument_id="", ci_high=101),
        CONTRAST, 2, "ci_high", "101", "more than 100%", "Read"),
    "p without operator": (setter("r4", p_value=0.05), CONTRAST, 2, "p_operator", "", "needs its operator", "as printed"),
    "difference without instrument": (setter("r4", instrument_id=""), CONTRAST, 2, "instrument_id", "", "needs its instrument", "instruments.csv"),
    "difference wider than the scale": (setter("r4", estimate=-11, ci_low=-12), CONTRAST, 2, "estimate", "-11", "wider", "instrument"),
    "se against interval": (setter("r4", se=2), CONTRAST, 2, "se", "2", "contradict", "disagreement"),
    "nothing to pool": (setter("r4", estimate="", ci_low="", ci_high="", ci_level=""), CONTRAST, 2, "use", "pool", "Nothing is printed", "Write no"),
    "words beside an interval": (
        setter("r4", report_kind="direction", favours="experimental", selective="no"), CONTRAST, 2, "report_kind", "direction", "interval", "Write full"),
    "full without a spread": (
        setter("r4", **BARE, report_kind="full"), CONTRAST, 2, "report_kind", "full", "prints an interval", "estimate_only"),
    "estimate only, without one": (
        setter("r4", **WORDS, report_kind="estimate_only", selective="no"), CONTRAST, 2, "report_kind", "estimate_only", "No estimate", "words"),
    "a bound printed as equal": (
        setter("r4", **WORDS, p_value=0.05, p_operator="=", report_kind="p_bound", favours="control", selective="no"),
        CONTRAST, 2, "report_kind", "p_bound", "do not fit", "p <"),
    "significant with a p value": (
        setter("r4", **WORDS, p_value=0.05, p_operator="<", report_kind="significant", favours="control", selective="no"),
        CONTRAST, 2, "report_kind", "significant", "do not fit", "print no p"),
    "significant on no side": (
        setter("r4", **WORDS, report_kind="significant", selective="no"), CONTRAST, 2, "favours", "", "which arm", "Read it"),
    "significant on neither side": (
        setter("r4", **BARE, report_kind="significant", favours="neither", selective="no"), CONTRAST, 2, "favours", "neither", "neither", "Name the arm"),
    "words on one arm that name a side": (
        setter("r4", **WORDS, report_kind="within_arm", favours="experimental"), CONTRAST, 2, "favours", "experimental", "no report", "empty"),
    "not said whether selective": (
        setter("r4", **WORDS, report_kind="not_significant"), CONTRAST, 2, "selective", "", "whether they are selective", "yes or no"),
    "an estimate on the other side": (
        setter("r4", **BARE, report_kind="estimate_only", favours="control", selective="no"),
        CONTRAST, 2, "favours", "control", "favours the other arm", "printed_as"),
    "direction not stated": (setter("r4", printed_as="not_stated"), CONTRAST, 2, "printed_as", "not_stated", "stated direction", "sensitivity"),
    "contrast level as proportion": (setter("r4", ci_level=0.95), CONTRAST, 2, "ci_level", "0.95", "per cent", "Write 95"),
    "the same contrast twice": (
        lambda w: w.contrast("a", "drug", "placebo", -1.1, -2, 0), CONTRAST, 3, "row_id", "r5", "Another usable row", "use = no"),
    "the same contrast both ways": (
        lambda w: w.contrast("a", "placebo", "drug", 1, 0, 2), CONTRAST, 3, "row_id", "r5", "other way round", "use = no"),
    "unadjusted contrast of a cluster": (
        lambda w: w.contrast("x", "drug", "placebo", -1, -2, 0), CONTRAST, 3, "use", "pool", "design-adjusted", "adjusted_for"),
    "pooled report beside its trials": (
        lambda w: w.tables["studies"][0].update(design="post_hoc_pooled") or [w.set(r, use="no") for r in ("r2", "r3", "r4")],
        MEAN, 2, "use", "pool", "post-hoc", "Write no"),
    "flagged as unadjusted": (
        lambda w: w.flag(MEAN, "r1", "cluster_unadjusted"), MEAN, 2, "use", "pool", "design-adjusted", "Write no"),
    "instrument upside down": (
        lambda w: w.add("instruments", instrument_id="odd", name="odd", construct="pain", scale_min=5, scale_max=5),
        "instruments", 8, "scale_min", "5", "below the upper", "Correct"),
    "important difference without source": (
        lambda w: w.tables["instruments"][0].update(mid_within=1.5), "instruments", 2, "mid_within_source_id", "", "needs its source", "Name"),
    "flag of no figure": (lambda w: w.flag(COUNT, "r1", "high_risk"), "row_flags", 2, "row_id", "r1", "No such figure", "remove the flag"),
    "pool upside down": (
        lambda w: w.add("published_pools", pool_id="p", review_id="r", comparison="c", outcome_printed="pain", printed_as="not_stated",
                        source_id="paper", locator="t", reading="single", estimate=2, ci_high=1),
        "published_pools", 2, "estimate", "2", "lies above ci_high", "Read both"),
    "no domain of the instrument": (
        lambda w: w.add("risk_of_bias", **JUDGED | {"domain": "attrition"}), "risk_of_bias", 2, "domain", "attrition", "No domain of this", "overall"),
    "no judgement of the instrument": (
        lambda w: w.add("risk_of_bias", **JUDGED | {"judgement": "some_concerns"}), "risk_of_bias", 2, "judgement", "some_concerns", "No judgement of this", "another instrument"),
    "one id for two figures": (setter("r4", row_id="r3"), CONTRAST, 2, "row_id", "r3", "stands in outcomes_binary.csv too", "own id"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_reported_in_its_place(sound: World, name: str) -> None:
    breaks, table, row, column, value, message, todo = BROKEN[name]
    breaks(sound)
    found = sound.broken()
    assert [(p.file, p.row, p.column, p.value) for p in found] == [(f"{table}.csv", row, column, value)]
    assert message in found[0].message
    assert todo in found[0].todo


ALLOWED: dict[str, Callable[[World], Any]] = {
    "a change below zero": setter("r1", value_type="change", change_sign="post_minus_pre", mean=-9),
    "an interval of a mean beyond the scale": setter("r1", mean=1, ci_low=-0.5, ci_high=2.5, ci_level=95),
    "spread, se and n that agree": setter("r1", se=0.45),
    "se that disagrees as the source prints it": lambda w: w.set("r1", se=2) or w.flag(MEAN, "r1", "disagreement"),
    "percentage that disagrees as the source prints it": lambda w: (
        w.set("r3", percent=20) or w.flag(COUNT, "r3", "disagreement")
    ),
    "vertebrae beyond patients": setter("r3", unit="vertebra", total=70),
    "events beyond patients": setter("r3", unit="event", events=70, total=50),
    "the same score kept for the record": lambda w: w.mean("a", "drug", 4, 2, use="no"),
    "the same score of another definition": lambda w: w.mean("a", "drug", 4, 2, definition="at rest"),
    "the same score on another instrument": lambda w: w.mean("a", "drug", 4, 2, instrument_id="endless"),
    "a contrast of other arms": lambda w: w.contrast("a", "brace", "placebo", -1, -2, 0),
    "an adjusted contrast of a cluster": lambda w: w.contrast("x", "drug", "placebo", -1, -2, 0, adjusted_for="clustering"),
    "a cluster for the record": lambda w: w.mean("x", "drug", 4, 2, use="no"),
    "a p value with its side": setter(
        "r4", **WORDS, p_value=0.03, p_operator="=", report_kind="p_exact", favours="experimental", selective="no"
    ),
    "not different, on no side": setter("r4", **WORDS, report_kind="not_significant", favours="neither", selective="no"),
    "words on one arm": setter("r4", **WORDS, report_kind="within_arm"),
    "a benefit printed as positive": setter(
        "r4",
        **{**BARE, "estimate": 2, "printed_as": "benefit_positive"},
        report_kind="estimate_only",
        favours="experimental",
        selective="yes",
    ),
    "direction not stated, for sensitivity": setter("r4", printed_as="not_stated", use="sensitivity"),
    "read once, for sensitivity": setter("r1", reading="single", reading_source_id="", use="sensitivity"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_sound_is_left_alone(sound: World, name: str) -> None:
    ALLOWED[name](sound)
    assert sound.broken() == []


def test_the_first_period_of_a_crossover_is_a_parallel_trial(world: World) -> None:
    world.study("a", "drug", "placebo", design="crossover_rct")
    world.mean("a", "drug", 3, 2)
    world.mean("a", "placebo", 5, 2, definition="first period")
    assert [(p.row, p.column) for p in world.broken()] == [(2, "use")]


def test_a_broken_rule_keeps_the_whole_folder_from_loading(sound: World) -> None:
    """Nothing is dropped in silence: the folder loads whole or not at all."""
    sound.set("r2", sd=0)
    with pytest.raises(
        vf.InputError, match=r"outcomes_continuous.csv, row 3, column sd \(value '0'\): A spread must be greater than 0"
    ):
        vf.load_trials(sound.write())


@pytest.mark.parametrize("table", ["outcomes", "instruments"])
def test_the_rules_look_past_a_key_that_stands_twice(sound: World, table: str) -> None:
    sound.tables[table].append(dict(sound.tables[table][0]))  # the schema tells of it
    assert sound.broken() == []
