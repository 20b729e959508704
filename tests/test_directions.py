"""Where nothing can be pooled: which way each trial points, read row by row, and what a page says of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import evidence_world as ew
import vfmeta as vf
from evidence_builds import Built
from vfmeta.effects.compare.directions import ARMS, EFFECT, ESTIMATE, SILENT, WORDS, Pointer, directions
from vfmeta.effects.table import EffectTable
from vfmeta.effects.words import Report, Words
from vfmeta.evidence import without_effects
from vfmeta.evidence.plan import Plan, load_plans
from vfmeta.evidence.records import Record
from vfmeta.evidence.run import run

pytest_plugins = ("evidence_builds",)
SIDES = (["vertebroplasty"], ["sham"])
ONCE = {"use": "sensitivity", "instrument_id": "vas", "outcome_id": "ache"}
PLAN = """
id = "quiet"
title = "Vertebroplasty against sham, the ache"
page = "vertebroplasty"
question = "Does cement ease the ache?"
population = "Made-up patients."
experimental = ["vertebroplasty"]
control = ["sham"]
names = ["vertebroplasty", "sham"]

[[analysis]]
id = "ache"
title = "Ache at 3 months"
outcome = "ache"
measure = "MD"
points = [0, 10]
week = 13
window = [10, 16]
lead = true
"""


def arm(study: str, side: str, month: int, **cells: Any) -> dict[str, Any]:
    where = {"row_id": f"{study}-{side}-{month}m", "study_id": study, "arm_id": side, "time_value": month, "time_unit": "month"}
    return {**where, "value_type": "final", **ew.read_twice(study), **ONCE, **cells} | {"unit": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Able: a difference; Baker: an estimate alone, benefit positive; Clark: means; Dixon: a side not named."""
    home = ew.world(tmp_path / "world")
    tables = home / "trials"
    ew.add(
        tables,
        "outcomes",
        {"outcome_id": "ache", "name": "ache", "domain": "pain", "kind": "continuous", "higher_is_worse": "true"},
    )
    ew.add(
        tables, "contrasts",
        ew.contrast("able", 3, **{**ONCE, "row_id": "able-ache", "estimate": -1.0, "se": 0.5}),
        ew.contrast("baker", 3, **{**ONCE, "row_id": "baker-ache", "estimate": 0.8, "printed_as": "benefit_positive",
                                   "p_value": 0.04, "p_operator": "<"}),
        ew.contrast("dixon", 3, **{**ONCE, "row_id": "dixon-ache", "estimate": 0.6, "printed_as": "not_stated", "p_value": 0.05,
                                   "p_operator": "<"}),
    )  # fmt: skip
    means = [arm("clark", side, 3, mean=mean) for side, mean in (("experimental", 5.0), ("control", 4.0))]
    ew.add(tables, "outcomes_continuous", *[{k: v for k, v in m.items() if k != "unit"} for m in means])
    (home / "analyses" / "quiet.toml").write_text(PLAN, encoding="utf-8")
    return home


def found(folder: Path, **options: Any) -> dict[str, Pointer]:
    pointers, _ = directions(
        vf.load_trials(folder / "trials"), *SIDES, worse=True, outcome="ache", measure="MD", week=13, **options
    )
    return {p.study_id: p for p in pointers}


def test_what_each_kind_of_row_says(folder: Path) -> None:
    at = found(folder)
    assert {s: (p.direction, p.how) for s, p in at.items() if s != "dixon"} == {
        "able": (1.0, EFFECT), "baker": (1.0, EFFECT), "clark": (-1.0, ARMS),
    }  # fmt: skip
    assert at["able"].p == pytest.approx(2 * stats.norm.sf(2.0))
    assert (at["dixon"].how, at["dixon"].bound) == (SILENT, True)
    assert math.isnan(at["dixon"].direction)
    assert math.isnan(at["clark"].p)
    assert at["able"].n == (100, 200)


def test_an_estimate_alone_has_its_printed_sign(folder: Path) -> None:
    ew.edit(folder / "trials", "contrasts", "baker-ache", p_value="", p_operator="")
    for printed_as, side in (
        ("benefit_positive", 1.0),
        ("experimental_minus_control", -1.0),
        ("control_minus_experimental", 1.0),
    ):
        ew.edit(folder / "trials", "contrasts", "baker-ache", printed_as=printed_as)
        baker = found(folder)["baker"]
        assert (baker.direction, baker.how) == (side, ESTIMATE), printed_as
        assert math.isnan(baker.p)
    ew.edit(folder / "trials", "contrasts", "baker-ache", printed_as="not_stated")
    assert found(folder)["baker"].how == SILENT


def test_a_row_for_the_record_only_says_nothing(folder: Path) -> None:
    ew.edit(folder / "trials", "contrasts", "able-ache", use="no")
    assert "able" not in found(folder)


def test_words_say_the_side_they_name(folder: Path) -> None:
    """A report has use = no: it is no figure. Words on one arm are none, and a side not named is not guessed."""
    words = {**ONCE, "estimate": "", "measure": "", "printed_as": "not_stated", "contrast_of": "not_stated", "use": "no"}
    row = ew.contrast(
        "evans",
        3,
        **{**words, "row_id": "evans-words", "report_kind": "p_bound", "p_value": 0.01, "p_operator": "<", "selective": "no"},
    )
    ew.add(folder / "trials", "contrasts", row | {"favours": "control"})
    evans = found(folder)["evans"]
    assert (evans.direction, evans.p, evans.bound, evans.how, evans.selective) == (-1.0, 0.01, True, WORDS, False)
    ew.edit(folder / "trials", "contrasts", "evans-words", favours="neither", report_kind="not_significant", p_operator=">")
    assert found(folder)["evans"].how == SILENT
    ew.edit(folder / "trials", "contrasts", "evans-words", favours="", report_kind="within_arm", selective="")
    assert "evans" not in found(folder)
    asked = {"favours": "control", "report_kind": "significant", "selective": "yes", "p_value": "", "p_operator": ""}
    ew.edit(folder / "trials", "contrasts", "evans-words", **asked)
    evans = found(folder)["evans"]
    assert (evans.direction, evans.selective) == (-1.0, True)
    assert math.isnan(evans.p)
    turned, _ = directions(vf.load_trials(folder / "trials"), *SIDES[::-1], worse=True, outcome="ache", measure="MD", week=13)
    assert {p.study_id: p.direction for p in turned if p.how != SILENT} == {"able": -1, "baker": -1, "clark": 1, "evans": 1}


def test_the_visit_is_chosen_before_its_result(folder: Path) -> None:
    """At 1 month Able favours the sham; at the week asked for its row names no side: that row counts."""
    early = ew.contrast("able", 1, **{**ONCE, "row_id": "able-early", "estimate": 2.0, "se": 0.5})
    ew.add(folder / "trials", "contrasts", early)
    ew.edit(folder / "trials", "contrasts", "able-ache", printed_as="not_stated")
    able = found(folder)["able"]
    assert math.isnan(able.direction)
    assert able.rows == ("able-ache",)
    pointers, _ = directions(vf.load_trials(folder / "trials"), *SIDES, worse=True, outcome="ache", measure="MD", week=4)
    assert next(p for p in pointers if p.study_id == "able").direction == -1.0


def test_two_instruments_that_point_both_ways_are_neither(folder: Path) -> None:
    other = ew.contrast("able", 3, **{**ONCE, "row_id": "able-other", "definition": "at night", "estimate": 0.5, "se": 0.5})
    ew.add(folder / "trials", "contrasts", other)
    assert found(folder)["able"].direction == 0.0


@pytest.fixture
def record(folder: Path, tmp_path: Path) -> tuple[Record, Plan]:
    plans = [p for p in load_plans(folder / "analyses") if p.id == "quiet"]
    (made,) = run(plans, vf.load_trials(folder / "trials"), tmp_path / "out")
    return made, plans[0]


def test_the_record_holds_the_test_and_the_p_values(record: tuple[Record, Plan]) -> None:
    made, plan = record
    pointing, together = without_effects.directions_of(made), without_effects.p_values_of(made)
    assert pointing is not None
    assert together is not None
    sign = stats.binomtest(2, 3)
    exact = sign.proportion_ci(method="exact")
    assert (pointing.favourable[0], pointing.directed[0]) == (2, 3)
    assert pointing.p_value[0] == pytest.approx(sign.pvalue)
    assert pointing.interval[0].tolist() == pytest.approx([exact.low, exact.high])
    one_sided = [stats.norm.sf(2.0), 0.02]  # Able's z of 2, and half of Baker's bound
    assert together.labels == ("Able 2001", "Baker 2003")
    assert together.p.tolist() == pytest.approx(one_sided)
    assert together.p_value[0] == pytest.approx(stats.combine_pvalues(one_sided, "fisher").pvalue)
    shown = without_effects.view(made, plan)
    assert shown is not None
    assert shown["said"][0].startswith("ache: 2 of 3 trials with a direction favour vertebroplasty (67%")
    assert shown["known"] == 5
    assert [x["label"] for x in shown["nothing"]] == ["Evans 2009"]
    assert len(shown["swim"]) == 9
    assert "week 13" in dict(shown["swim"])["Which result of a trial"]
    assert "Baker 2003" in dict(shown["swim"])["Results"]
    assert {kind for kind, _ in without_effects.drawn(made)} == {"directions", "sizes", "p_values"}


def test_estimates_of_two_trials_or_more_have_a_median_and_a_range() -> None:
    """Two trials print points of difference without a spread: half way between them lies the median."""
    words = Words(reports=tuple(Report(study_id=x, label=x, kind="estimate_only", n=(9, 9), y=y)
                                for x, y in (("a", -1.0), ("b", -0.2))))  # fmt: skip
    table = EffectTable(vf.Question(measure="MD"), (), words=words)
    said = without_effects._range(table)
    assert said is not None
    assert said.endswith("2 trials: median −0.60, from −1.00 to −0.20; not weighted")
    assert without_effects._range(EffectTable(vf.Question(measure="MD"), ())) is None


def test_a_question_that_is_pooled_has_none(toy_build: Built) -> None:
    assert all(r.data["without_effects"] is None for r in toy_build.records.values())


def test_the_page_shows_what_the_record_holds(folder: Path, tmp_path: Path) -> None:
    from vfmeta.evidence.build import build

    (folder / "analyses" / "cement.toml").unlink()
    (folder / "analyses" / "drug.toml").unlink()
    build(
        "report",
        trials=folder / "trials",
        plans=folder / "analyses",
        out=tmp_path / "b",
        site=tmp_path / "s",
        say=lambda x: None,
    )
    page = (tmp_path / "s" / "vertebroplasty.html").read_text(encoding="utf-8")
    for said in (
        "Which way the trials point",
        "2 of 3 trials with a direction favour vertebroplasty",
        "How this synthesis was done (SWiM)",
    ):
        assert page.count(said) == 1, said
    for kind in ("directions", "p_values"):
        assert f'href="figures/quiet-{kind}.svg"' in page
        assert (tmp_path / "s" / "figures" / f"quiet-{kind}.svg").is_file()
    assert "Clark 2005 favours sham" in page  # the text of the figure
