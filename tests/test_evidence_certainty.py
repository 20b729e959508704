"""Certainty in plans, records, pages and in what changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

import vfmeta as vf
from evidence_world import FRACTURES, add, read, world, write
from vfmeta.evidence import certain
from vfmeta.evidence.bias import bias_of
from vfmeta.evidence.changes import changes
from vfmeta.evidence.figures import draw_all
from vfmeta.evidence.plan import load_plan, load_plans
from vfmeta.evidence.records import Record, load_records
from vfmeta.evidence.run import run
from vfmeta.text.numbers import effect_text

pytest_plugins = ("evidence_builds",)
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

LINE = """
[[analysis.panel]]
{domain}level = {level}
reason = "{reason}"
date = 2026-03-01
panel = "made-up panel"
"""
SETTLED = "".join(
    LINE.format(domain=f'domain = "{x}"\n', level=0, reason=f"asked about {x}") for x in ("indirectness", "publication bias")
)


def analysed(folder: Path, panel: str = "") -> dict[str, Record]:
    """The made-up drug plan with lines of a panel at its end, run."""
    plan = folder / "analyses" / "drug.toml"
    text = plan.read_text(encoding="utf-8").partition("\n[[analysis.panel]]")[0]
    plan.write_text(text + panel, encoding="utf-8")
    run([load_plan(plan)], vf.load_trials(folder / "trials"), folder / "build")
    return {r.id: r for r in load_records(folder / "build")}


def judged(folder: Path, **overall: str) -> None:
    """Overall judgements of trials by RoB 2."""
    add(folder / "trials", "risk_of_bias", *(
        {"study_id": s, "tool": "RoB 2", "domain": "overall", "judgement": word, "source_id": f"{s}_paper",
         "locator": "table 2", "reading": "agrees", "reading_source_id": f"{s}_paper"}
        for s, word in overall.items()
    ))  # fmt: skip


def test_the_review_ships_no_line_of_a_panel() -> None:
    assert not [line for plan in load_plans() for analysis in plan.analysis for line in analysis.panel]


def test_every_analysis_with_a_figure_has_a_certainty_that_takes_no_silence_for_approval(toy_build: Any) -> None:
    with_figure = [r for r in toy_build.records.values() if r.k]
    assert len(with_figure) > 4
    for record in with_figure:
        assert record.certainty is not None
        bias = record.certainty.domains[0]
        assert bias.short == f"not judged in {record.k} of {record.k} trial{'' if record.k == 1 else 's'}"
        assert record.certainty.rating in (None, "very low")
    assert all(r.certainty is None for r in toy_build.records.values() if not r.k)


def test_what_the_tables_know_of_a_trial_that_nobody_judged_is_told_and_is_no_judgement(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    rows = read(folder / "trials", "studies")
    for row in rows:
        if row["study_id"] == "foster":
            row |= {"blinding": "unclear", "crossover": "5 of 100 controls", "crossover_source_id": "foster_paper"}
    write(folder / "trials", "studies", rows)
    trials = vf.load_trials(folder / "trials")
    record = analysed(folder)["fracture"]
    assert record.bias is not None
    assert record.bias == bias_of(record.data["studies"], trials)
    assert record.bias.overall == ("", "")
    said = dict(zip(record.bias.labels, (x[-1] for x in record.bias.support), strict=True))
    assert said["Foster 2010"] == (
        "known: randomised, parallel groups; blinding not stated; crossed over: 5 of 100 controls; 200 of 200 randomised are "
        "in this analysis; by intention to treat"
    )
    assert "200 of 240 randomised are in this analysis" in said["Grant 2011"]  # 80 and 120 of twice 120


def test_judgements_of_the_tables_are_taken_and_a_panel_settles_the_rest(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    before = analysed(folder)["fracture"].certainty
    assert before is not None
    judged(folder, foster="low", grant="some_concerns")
    open_still = analysed(folder)["fracture"].certainty
    assert open_still is not None
    assert open_still.domains[0].suggestion is not None
    assert [d.name for d in open_still.open] == ["indirectness", "publication bias"]
    settled = analysed(folder, SETTLED)["fracture"].certainty
    assert settled is not None
    assert settled.rating == settled.at_most == open_still.at_most or settled.rating == "high"
    line = LINE.format(domain="", level='"very low"', reason="we know more")
    overruled = analysed(folder, SETTLED + line)["fracture"].certainty
    assert overruled is not None
    assert overruled.rating == "very low"
    assert "Panel: very low (without this line: " in str(overruled)


def test_judged_trials_have_lights_in_their_figure_and_pools_of_their_own(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    assert analysed(folder)["fracture"].data["by_judgement"] == []
    judged(folder, foster="low", grant="high")
    record = analysed(folder)["fracture"]
    apart = record.data["by_judgement"]
    assert [(x["judgement"], x["trials"]) for x in apart] == [("low", ["Foster 2010"]), ("high", ["Grant 2011"])]
    # 10 of 100 against 20 of 100, and 12 of 80 against 24 of 120: a trial alone has the score interval of its counts
    for x, (a, n1, c, n2) in zip(apart, FRACTURES.values(), strict=True):
        low, high = confint_proportions_2indep(a, n1, c, n2, compare="ratio", method="score", correction=True)
        assert x["effect"] == f"{(a / n1) / (c / n2):.2f} ({low:.2f} to {high:.2f})"
    (entry,) = (f for f in draw_all([record], tmp_path / "drawn")["drug"] if f["kind"] == "forest")
    assert {"D1", "D5", "All"} <= set(re.findall(r">([^<>]+)</text>", entry["svg"]))
    assert "Overall risk of bias by RoB 2, of 2 trials: 1 low, 1 high." in entry["alt"]
    told = certain.view([record])
    assert told is not None
    assert told["told"][0]["by_judgement"] == apart


def test_where_sources_judge_differently_the_worst_stands_and_the_page_says_who_said_what(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    judged(folder, foster="high", grant="low")
    one = {"study_id": "foster", "tool": "RoB 2", "domain": "overall", "judgement": "low", "source_id": "grant_paper",
           "locator": "table 3", "reading": "single"}  # fmt: skip
    other = {**one, "study_id": "grant", "tool": "an appraisal", "judgement": "high"}
    add(folder / "trials", "risk_of_bias", one, other)
    record = analysed(folder)["fracture"]
    assert record.bias is not None
    assert dict(zip(record.bias.labels, record.bias.overall, strict=True)) == {"Foster 2010": "high", "Grant 2011": "low"}
    cited = {x: vf.load_trials(folder / "trials").source(f"{x}_paper")["citation"] for x in ("foster", "grant")}
    assert record.bias.warnings == (
        f"Foster 2010, overall: sources differ: high ({cited['foster']}), low ({cited['grant']}); the worst stands.",
        f"Grant 2011, overall: an appraisal says high ({cited['grant']}), which is not counted.",
    )
    shown = certain.certainty_row(record)
    assert shown["differ"] == record.bias.warnings
    # the order of the rows takes no part in it
    rows = read(folder / "trials", "risk_of_bias")
    write(folder / "trials", "risk_of_bias", rows[::-1])
    again = analysed(folder)["fracture"].bias
    assert again is not None
    assert again.overall == record.bias.overall


def test_domains_without_an_overall_judgement_are_told_and_leave_the_domain_open(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    own = {"study_id": "foster", "tool": "RoB 1", "source_id": "foster_paper", "locator": "table 2", "reading": "single"}
    add(folder / "trials", "risk_of_bias", *(
        {**own, "domain": domain, "judgement": word}
        for domain, word in (("allocation concealment", "low"), ("other bias", "high"), ("selective reporting", "low"))
    ))  # fmt: skip
    record = analysed(folder)["fracture"]
    assert record.bias is not None
    assert record.bias.tool == "RoB 1"
    assert record.bias.overall == ("", "")
    cited = vf.load_trials(folder / "trials").source("foster_paper")["citation"]
    (told,) = (said for label, said in certain.certainty_row(record)["known"] if label == "Foster 2010")
    assert told.endswith(
        f"; published: RoB 1 ({cited}): low on allocation concealment, selective reporting; high on other bias"
    )
    found = record.certainty
    assert found is not None
    assert found.domains[0].short == "not judged in 2 of 2 trials"
    (entry,) = (f for f in draw_all([record], tmp_path / "drawn")["drug"] if f["kind"] == "forest")
    assert {"D1", "D7"} <= set(re.findall(r">([^<>]+)</text>", entry["svg"]))  # lights of the domains


def test_instruments_that_judged_as_many_trials_are_taken_in_a_fixed_order(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    judged(folder, grant="low")
    add(folder / "trials", "risk_of_bias", {
        "study_id": "foster", "tool": "PEDro", "domain": "blind subjects", "judgement": "low", "source_id": "foster_paper",
        "locator": "table 2", "reading": "single",
    })  # fmt: skip
    bias = analysed(folder)["fracture"].bias
    assert bias is not None
    assert bias.tool == "RoB 2"
    assert "; published: PEDro (" in bias.support[bias.labels.index("Foster 2010")][-1]


def test_trials_of_one_level_are_the_whole_pool(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    judged(folder, foster="low", grant="low")
    record = analysed(folder)["fracture"]
    (only,) = record.data["by_judgement"]
    lead = record.lead
    assert lead is not None
    assert only["effect"] == effect_text(record.question, lead.estimate, lead.interval)


def test_changes_says_how_a_certainty_moved_and_why(tmp_path: Path) -> None:
    folder = world(tmp_path / "w")
    judged(folder, foster="low", grant="low")
    old = list(analysed(folder, SETTLED).values())
    level = old[0].certainty.rating  # type: ignore[union-attr]
    assert level is not None
    rows = [r | ({"judgement": "high"} if r["study_id"] == "grant" else {}) for r in read(folder / "trials", "risk_of_bias")]
    write(folder / "trials", "risk_of_bias", rows)
    new = list(analysed(folder, SETTLED).values())
    (line,) = changes(old, new)
    now = new[0].certainty.rating  # type: ignore[union-attr]
    assert f"Certainty moved from {level} to {now} because risk of bias went from no concern found to serious (-1)." in line
    assert changes(old, old) == ["No conclusion changed."]


@pytest.mark.parametrize(("lines", "said"), [
    (LINE.format(domain='domain = "bias"\n', level=0, reason="x"), "'bias' is no domain.*Did you mean 'risk of bias'"),
    (LINE.format(domain="", level='"lower"', reason="x"), "level 'lower' is none of.*Did you mean 'low'"),
    (LINE.format(domain="", level='"low"', reason=""), "reason"),
    (LINE.format(domain="", level='"low"', reason="x").replace("2026-03-01", '"in spring"'), "must be written as 2026-03-01"),
])  # fmt: skip
def test_a_faulty_line_of_a_panel_is_refused_with_its_place(tmp_path: Path, lines: str, said: str) -> None:
    folder = world(tmp_path / "w")
    with pytest.raises(vf.InputError, match=rf"drug\.toml, analysis 1 \(fracture\), panel.*{said}"):
        analysed(folder, lines)


def test_pages_show_the_certainty_and_a_summary_of_findings(toy_build: Any) -> None:
    own = [r for r in toy_build.records.values() if r.plan == "cement"]
    view = certain.view(own)
    assert view is not None
    assert [row[0] for row in view["rows"]] == ["Pain at 12 months"]  # one row an outcome, that which leads the plan
    page = toy_build.page("vertebroplasty")
    assert ">Certainty of the evidence</h3>" in page
    assert "not judged in 5 of 5 trials" in page
    assert all("at most" in row[-1] for row in view["rows"])
    assert view["columns"] == ["Outcome", "Participants (trials)", "Absolute effect", "Certainty"]  # none has a ratio or a risk
    assert view["columns"][-1] == "Certainty"  # no level is final, so that no column has words
    assert {len(row) for row in view["rows"]} == {len(view["columns"])}
    assert "come only with a final level, which none of these has." in page
    assert "known: randomised, parallel groups; double blind" in page
    assert "vfmeta&#39;s choice" in page


def test_a_summary_of_findings_of_the_review_has_seven_rows_at_most(real_build: Any) -> None:
    plans = {r.plan for r in real_build.records.values()}
    sizes = {}
    for plan in plans:
        view = certain.view([r for r in real_build.records.values() if r.plan == plan])
        sizes[plan] = 0 if view is None else len(view["rows"])
    assert max(sizes.values()) == 7
    assert sum(n > 0 for n in sizes.values()) > 10


def test_standardised_differences_are_held_against_the_threshold_in_points(real_build: Any) -> None:
    carried = [r for r in real_build.records.values() if r.certainty is not None and (r.data.get("points") or {}).get("mid")]
    assert carried
    for record in carried:
        spread, mid = record.data["points"], record.certainty.question.mid  # type: ignore[union-attr]
        assert mid == pytest.approx(spread["mid"] / spread["sd"], rel=1e-9)
        low, high = spread["points"]
        assert f"{spread['mid']:g} points of {low:g} to {high:g}" in record.certainty.domains[3].sentence  # type: ignore[union-attr]


def test_the_first_screen_says_all_rows_in_one_answer(toy_build: Any) -> None:
    box = toy_build.page("index").partition('<div class="answer">')[2].partition("</div>")[0]
    lines = re.findall(r"<(?:p|li)>.*?</(?:p|li)>", box)
    first, *said, last = (" ".join(re.sub(r"<[^>]+>", "", line).split()) for line in lines)
    # both plans of the made-up world lead with a pool: two trials of fractures, five of pain
    assert first == "Two of two interventions have trials that can be pooled."
    assert [line.partition(":")[0] for line in said] == ["Drug v placebo", "Vertebroplasty v sham"]
    assert last.startswith("Certainty: ")
    assert last.endswith("None is settled, as some domains are not judged.")
