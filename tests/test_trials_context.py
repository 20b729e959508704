"""Figures that belong to no trial: one rule broken at a time, slips, and what the packaged table promises."""

# ruff: noqa: E501 (one case a line)
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from conftest import READ, World
from vfmeta.trials.slips import slips_in
from vfmeta.trials.store import Trials, assemble

TABLE = "context"
SENTENCE = "Of women aged 50 and over {figure} had one after 12 months."
SHARE = {
    "row_id": "c1", "topic": "how_common", "quantity": "share", "population": "women aged 50 and over", "definition": "a fracture on film",
    "kind": "proportion", "time_value": 12, "time_unit": "month", "events": 30, "total": 120, "percent": 25, "sentence": SENTENCE, **READ,
}  # fmt: skip
RATIO = {
    "row_id": "c2", "topic": "how_they_happen", "quantity": "odds", "population": "men", "definition": "a fracture", "kind": "ratio",
    "unit": "odds ratio", "estimate": 2, "ci_low": 1, "ci_high": 4, "ci_level": 95, **{**READ, "use": "no"},
}  # fmt: skip


@pytest.fixture
def told(world: World) -> World:
    """A proportion in row 2 and a ratio in row 3, both sound."""
    world.add(TABLE, **SHARE)
    world.add(TABLE, **RATIO)
    assert world.broken() == []
    assert slips(world) == {}
    return world


def slips(world: World) -> dict[str, str]:
    text = world.text()
    return {row: p.message for (_, row), p in slips_in(Trials(Path(), assemble(text)), text).items()}


BROKEN: dict[str, tuple[int, dict[str, Any], str, str]] = {
    "a proportion without a figure": (0, {"events": "", "percent": "", "use": "no"}, "percent", "without a figure"),
    "nothing printed": (1, {"estimate": ""}, "estimate", "Nothing is printed"),
    "a proportion as estimate": (0, {"estimate": 0.25}, "estimate", "events and total"),
    "a ratio with a count": (1, {"events": 3, "total": 4}, "kind", "of a proportion"),
    "no unit": (1, {"unit": ""}, "unit", "needs its unit"),
    "a count without denominator": (0, {"total": ""}, "total", "needs its denominator"),
    "more events than people": (0, {"events": 121, "percent": ""}, "events", "More events"),
    "another percentage": (0, {"percent": 52}, "percent", "contradicts"),
    "no people": (0, {"events": 0, "total": 0, "percent": ""}, "total", "greater than 0"),
    "an SD of a ratio": (1, {"sd": 1}, "sd", "Only a mean"),
    "a ratio below 0": (1, {"ci_low": -1}, "ci_low", "greater than 0"),
    "a limit above 100%": (0, {"ci_low": 18, "ci_high": 101, "ci_level": 95}, "ci_high", "between 0 and 100"),
    "limits upside down": (1, {"ci_low": 3}, "ci_low", "lies above"),
    "no level": (1, {"ci_level": ""}, "ci_level", "needs its level"),
    "a level as proportion": (1, {"ci_level": 0.95}, "ci_level", "per cent"),
    "a time without unit": (0, {"time_unit": ""}, "time_unit", "needs its unit"),
    "read once and pooled": (0, {"reading": "single", "reading_source_id": ""}, "reading", "read again"),
    "a second reading from nowhere": (1, {"reading_source_id": ""}, "reading_source_id", "needs its source"),
    "a percentage pooled": (0, {"events": "", "total": ""}, "use", "Only counts"),
    "a sentence without its figure": (0, {"sentence": "Many have one."}, "sentence", "figure once"),
    "a sentence with a number of its own": (0, {"sentence": "Of 300 women {figure} had one."}, "sentence", "not in its row"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_names_the_row_and_the_column(name: str, told: World) -> None:
    at, cells, column, words = BROKEN[name]
    told.tables[TABLE][at].update(cells)
    (problem,) = told.broken()
    assert (problem.file, problem.row, problem.column) == ("context.csv", at + 2, column)
    assert words in problem.message
    assert problem.todo


def test_a_contradiction_that_is_printed_is_flagged_and_then_accepted(told: World) -> None:
    told.tables[TABLE][0].update(percent=52)
    told.flag(TABLE, "c1", "disagreement")
    assert told.broken() == []


def test_a_flag_of_no_figure_is_named(told: World) -> None:
    told.flag(TABLE, "c9", "disagreement")
    (problem,) = told.broken()
    assert (problem.file, problem.column, problem.value) == ("row_flags.csv", "row_id", "c9")


@pytest.mark.parametrize(
    ("at", "cells", "odd"),
    [
        (1, {"ci_high": 40}, "not symmetric"),  # a factor of 2 below, of 20 above
        (1, {"estimate": "2.00", "ci_low": "1.50", "ci_high": "2.50"}, "not symmetric"),  # symmetric as printed, but not as a ratio
        # the standard error of 25% of 120 is 3.95 per cent: 95% limits 7.7 to either side
        (0, {"ci_low": 17.3, "ci_high": 32.7, "ci_level": 95}, ""),
        (0, {"ci_low": 24.3, "ci_high": 25.7, "ci_level": 95}, "standard error of 0.357 per cent; the denominator gives about 3.95"),
        (0, {"ci_low": 17.3, "ci_high": 62.7, "ci_level": 95}, "not symmetric"),
    ],
)  # fmt: skip
def test_a_slip_in_an_interval_is_named_and_not_loaded_into_pools(
    told: World, at: int, cells: dict[str, Any], odd: str
) -> None:
    told.tables[TABLE][at].update(cells)
    assert told.broken() == []
    found = slips(told)
    assert set(found) == ({f"c{at + 1}"} if odd else set())
    assert odd in "".join(found.values())
    told.flag(TABLE, f"c{at + 1}", "odd_as_printed")
    assert slips(told) == {}


# the packaged table


def test_every_sentence_of_the_chapter_stands_on_a_figure_with_source_and_locator(packaged: vf.Trials) -> None:
    said = packaged.context[packaged.context.sentence != ""]
    assert len(said) > 20
    assert (said.source_id != "").all()
    assert (said.locator.str.strip() != "").all()
    assert set(said.topic) == set(packaged.context.topic)  # no part of the chapter is a table without words
    assert not said.sentence.duplicated().any()
    assert all(re.fullmatch(r"[A-Z].*\.", s) for s in said.sentence)


def test_patients_of_a_trial_are_not_told_twice_over(packaged: vf.Trials) -> None:
    """Pain of VERTOS II at 12 months is a figure of that trial and stands there alone."""
    b = packaged.outcomes_binary
    ours = b[(b.study_id == "klazen2010") & (b.outcome_id == "pain_4_or_more_at_12_months")]
    assert ours[["events", "total"]].values.tolist() == [[38, 95]]
    c = packaged.context
    assert not ((c.events == 38) & (c.total == 95)).any()


def test_a_second_hand_source_gives_no_figure_to_a_pool(packaged: vf.Trials) -> None:
    notes = dict(zip(packaged.sources.source_id, packaged.sources.note, strict=True))
    second_hand = packaged.context[[notes[s].startswith("second-hand") for s in packaged.context.source_id]]
    assert len(second_hand)
    assert set(second_hand.use) == {"no"}
