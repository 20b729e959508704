"""The packaged tables are sound, keep the promises of the schema, and a copy of them breaks where it is broken."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.evidence.plan import load_plan
from vfmeta.evidence.run import table_of
from vfmeta.trials import schema
from vfmeta.trials.reading import read_text
from vfmeta.trials.rules import broken_rules
from vfmeta.trials.store import assemble
from vfmeta.trials.times import weeks

FIGURES = schema.FIGURE_TABLES
PLANS = schema.packaged_folder("analyses")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(schema.packaged_folder(), tmp_path / "trials"))


def test_the_packaged_tables_are_sound() -> None:
    assert [str(p) for p in vf.validate()] == []


def test_frictionless_accepts_the_packaged_descriptor() -> None:
    path = schema.packaged_folder() / "datapackage.json"
    run = subprocess.run([sys.executable, "-m", "frictionless", "validate", str(path), "--json", "--trusted"],
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert json.loads(run.stdout)["valid"] is True


def test_every_table_and_column_is_described() -> None:
    for name, table in schema.tables().items():
        assert table["schema"]["primaryKey"], name
        for column, field in schema.fields(name).items():
            assert field["type"] in ("string", "integer", "number", "boolean"), f"{name}.{column} holds a list"
            assert field.get("description"), f"{name}.{column} is not described"


@pytest.mark.parametrize("table", FIGURES)
def test_every_figure_has_source_and_locator_and_pooled_ones_were_read_again(packaged: vf.Trials, table: str) -> None:
    frame = packaged.frames[table]
    assert (frame.source_id != "").all()
    assert (frame.locator.str.strip() != "").all()
    pooled = frame[frame.use == "pool"]
    assert len(pooled) > 0
    assert set(pooled.reading) <= {"agrees", "corrected"}
    assert (pooled.reading_source_id != "").all()


def test_every_comparison_without_a_spread_says_what_kind_of_report_it_is(packaged: vf.Trials) -> None:
    c = packaged.contrasts
    spread = (c.ci_low.notna() & c.ci_high.notna()) | c.se.notna()
    assert (c.report_kind[spread] == "full").all()
    assert not (c.report_kind[~spread] == "full").any()
    words = c[c.estimate.isna() & ~spread]
    # what sources contradict, and a trial nobody has identified, serves as no report
    assert set(words.study_id[words.report_kind == ""]) == {"clark2016", "acupuncture50"}
    # improved with the drug, not with placebo: of one arm, and no comparison
    assert {"dursun2001", "hongo2015", "peichl1999", "ljunghall1991"} <= set(c.study_id[c.report_kind == "within_arm"])


def test_identifiers_hold_no_lists(packaged: vf.Trials) -> None:
    for name, frame in packaged.frames.items():
        for column in [c for c in frame.columns if c.endswith("_id")]:
            assert not frame[column].str.contains(r"[;,|]").any(), f"{name}.{column}"


def test_arms_always_stand_with_their_study(packaged: vf.Trials) -> None:
    for table, columns in (
        ("outcomes_continuous", ["arm_id"]),
        ("outcomes_binary", ["arm_id"]),
        ("contrasts", ["arm_experimental", "arm_control"]),
    ):
        for column in columns:
            assert (packaged.frames[table][column] != "").all()


def test_no_figure_without_direction_is_pooled(packaged: vf.Trials) -> None:
    contrasts = packaged.contrasts
    assert not ((contrasts.use == "pool") & (contrasts.printed_as == "not_stated")).any()
    scores = packaged.outcomes_continuous
    changes = scores[(scores.use == "pool") & scores.value_type.str.endswith("change")]
    assert (changes.change_sign != "").all()


def test_every_intervention_of_the_review_is_there(packaged: vf.Trials) -> None:
    wanted = {"calcitonin", "bisphosphonate", "anabolic", "vertebroplasty", "kyphoplasty", "analgesic", "exercise", "orthosis",
              "psychological_support", "education"}  # fmt: skip
    used = packaged.interventions[packaged.interventions.intervention_id.isin(packaged.arms.intervention_id)]
    assert wanted <= set(used.intervention_class)


def test_figures_carry_weeks_and_flags(packaged: vf.Trials) -> None:
    for table in FIGURES:
        frame = packaged.frames[table]
        assert (frame.week.isna() == frame.time_value.isna()).all()
    flagged = packaged.row_flags[packaged.row_flags["table"] == "contrasts"].iloc[0]
    row = packaged.contrasts[packaged.contrasts.row_id == flagged.row_id].iloc[0]
    assert flagged.flag in row["flags"]


def test_weeks_from_every_printed_unit() -> None:
    units = pd.Series(["hour", "day", "week", "month", "year", ""])
    values = pd.Series([84, 14, 3, 12, 1, np.nan], dtype="Float64")
    found = weeks(values, units)
    assert found[:5] == pytest.approx([0.5, 2, 3, 365.25 / 7, 365.25 / 7])
    assert np.isnan(found[5])


def test_an_unknown_table_is_named_with_the_nearest_and_the_rest(packaged: vf.Trials) -> None:
    with pytest.raises(
        AttributeError, match=r"no table or attribute 'contrast'. Did you mean 'contrasts'\? Its tables are sources, studies"
    ):
        packaged.contrast  # noqa: B018
    assert "contrasts" in dir(packaged)
    assert not hasattr(packaged, "nothing_like_it")


def test_trials_survive_the_trip_to_another_process(packaged: vf.Trials) -> None:
    assert packaged.figures  # what is worked out on demand must not hinder the trip
    again = pickle.loads(pickle.dumps(packaged))
    assert again.studies.equals(packaged.studies)
    assert packaged != again  # tables are compared by identity, not frame by frame


def test_labels_tell_studies_apart(packaged: vf.Trials) -> None:
    assert len(set(packaged.labels.values())) == len(packaged.studies)
    assert packaged.labels["freedom"] == "FREEDOM"  # no copy shows its first author
    assert packaged.labels["direct2014"] == "DIRECT 2014"
    assert (packaged.labels["zhang2019"], packaged.labels["zhangm2019"]) == ("Zhang 2019a", "Zhang 2019b")
    assert not [label for study, label in packaged.labels.items() if study in label or "[" in label]


def test_a_class_of_interventions_opens_to_its_members(packaged: vf.Trials) -> None:
    members = packaged.interventions_in("calcitonin")
    assert len(members) > 1
    assert set(packaged.interventions.set_index("intervention_id").loc[members, "intervention_class"]) == {"calcitonin"}


def edit(folder: Path, file: str, find: dict[str, str], change: dict[str, str]) -> int:
    """Change the first row that holds these cells; its number, as a spreadsheet counts."""
    with (folder / file).open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    at = next(i for i, row in enumerate(rows) if all(row[k] == v for k, v in find.items()))
    rows[at].update(change)
    with (folder / file).open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return at + 2


def test_one_cell_broken_in_a_copy_is_the_one_problem(copy: Path) -> None:
    row = edit(copy, "contrasts.csv", {"use": "pool", "measure": "RR"}, {"estimate": "-2"})
    found = vf.validate(copy)
    assert {(p.file, p.row) for p in found} == {("contrasts.csv", row)}
    assert "estimate" in {p.column for p in found}
    with pytest.raises(vf.InputError):
        vf.load_trials(copy)


def ask(folder: Path, **options: object) -> vf.EffectTable:
    """The packaged question, of a copy that another test holds against the schema."""
    text, problems = read_text(folder)
    assert not problems
    frames = assemble(text)
    assert broken_rules(text, frames) == []
    trials = vf.Trials(folder, frames)
    return vf.compare(
        trials,
        "vertebroplasty",
        "sham",
        outcome="pain_overall",
        week=52.2,
        window=(39, 78),
        points=(0, 10),
        **options,
    )  # type: ignore[arg-type]


def test_each_direction_value_in_a_copy_of_the_tables_moves_the_pool(copy: Path) -> None:
    """The first trial of the packaged pool is turned; the pool moves by its weight times twice its effect, common effect."""
    first = ask(copy)
    assert len(first) >= 2
    mover = first.effects[0]
    assert len(mover.rows) == 1
    printed = next(r for r in vf.load_trials().contrasts.itertuples() if r.row_id == mover.rows[0])
    benefit = {
        "experimental_minus_control": -1,
        "control_minus_experimental": 1,
        "benefit_positive": 1,
    }  # pain: higher is worse
    w = 1 / first.v / (1 / first.v).sum()
    pools = {}
    for printed_as, sign in benefit.items():
        edit(copy, "contrasts.csv", {"row_id": mover.rows[0]}, {"printed_as": printed_as})
        table = ask(copy)
        width = (
            (10 / (printed.scale_max - printed.scale_min))
            if not pd.isna(printed.scale_max)
            else mover.y / printed.estimate * -sign
        )
        expected = -sign * printed.estimate * abs(width)
        assert table.y[0] == pytest.approx(expected)
        pools[printed_as] = vf.common_effect(table).estimate
        assert pools[printed_as] == pytest.approx(w[0] * expected + (w[1:] * first.y[1:]).sum())
    assert pools["benefit_positive"] == pools["control_minus_experimental"] != pools["experimental_minus_control"]
    edit(copy, "contrasts.csv", {"row_id": mover.rows[0]}, {"printed_as": "not_stated", "use": "sensitivity"})
    assert mover.study_id not in {e.study_id for e in ask(copy)}


def test_a_trial_turned_into_another_design_leaves_the_pool_and_is_listed(copy: Path) -> None:
    before = ask(copy)
    mover = before.effects[0].study_id
    edit(copy, "studies.csv", {"study_id": mover}, {"design": "nonrandomised"})
    after = ask(copy)
    assert len(after) == len(before) - 1
    assert any(x.study_id == mover and "not mixed with randomised" in x.reason for x in after.left_out)


# BMJ 2018;361:k1551, abstract: differences by week of the visit
VERTOS4 = {1.0: -0.11, 4.348: 0.41, 13.045: 0.21, 26.089: 0.39, 52.179: 0.45}


@pytest.mark.parametrize(("week", "printed"), VERTOS4.items())
def test_vertos_iv_is_turned_to_vertebroplasty_minus_sham(packaged: vf.Trials, week: float, printed: float) -> None:
    window = (week * 0.99, week * 1.01)
    table = vf.compare(packaged, "vertebroplasty", "sham", outcome="pain_overall", week=week, window=window, points=(0, 10))
    (effect,) = [e for e in table if e.study_id == "firanescu2018"]
    assert effect.y == -printed


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_sham_pain_at_twelve_months_is_the_pool_of_other_software(packaged: vf.Trials) -> None:
    """REML with Hartung-Knapp, run elsewhere: k = 4, -0.71 (-1.40 to -0.03)."""
    table = vf.compare(
        packaged, "vertebroplasty", "sham", outcome="pain_overall", week=52.2, window=(39.01, 78), points=(0, 10)
    )
    fit = vf.random_effects(table)
    assert fit.k == 4
    assert (fit.estimate, *fit.interval) == pytest.approx((-0.71, -1.40, -0.03), abs=0.005)


def test_invest_at_one_month_favours_vertebroplasty(packaged: vf.Trials) -> None:
    for outcome, ends in (("pain_overall", (0, 10)), ("disability", (0, 23))):
        table = vf.compare(packaged, "vertebroplasty", "sham", outcome=outcome, week=4.35, window=(2, 8), points=ends)
        (effect,) = [e for e in table if e.study_id == "kallmes2009"]
        assert effect.y == pytest.approx(-0.7)


# REML with Hartung-Knapp of the Cochrane review's Hedges g, run with other software
SMD_POOLS = {
    ("sham", "pain_1w", ""): (5, -0.09, -0.39, 0.21),
    ("sham", "pain_1m", ""): (5, -0.27, -0.45, -0.09),
    ("sham", "pain_3m", "standard_deviations"): (4, -0.20, -0.42, 0.02),
    ("sham", "disability_1m", ""): (3, -0.27, -0.68, 0.14),
    ("usual_care", "pain_1w", ""): (6, -1.33, -2.56, -0.10),
    ("usual_care", "pain_1m", ""): (3, -2.05, -4.62, 0.51),
    ("usual_care", "pain_3m", ""): (6, -1.18, -2.27, -0.09),
}


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
@pytest.mark.parametrize(("asked", "expected"), SMD_POOLS.items())
def test_pools_in_standard_deviations_are_those_of_other_software(
    packaged: vf.Trials, asked: tuple[str, str, str], expected: tuple[float, ...]
) -> None:
    control, name, variant = asked
    plan = load_plan(PLANS / f"vertebroplasty_{control}.toml")
    (analysis,) = [a for a in plan.analysis if a.id == name]
    fit = vf.random_effects(table_of(plan, analysis, variant, packaged))
    assert fit.k == expected[0]
    assert (fit.estimate, *fit.interval) == pytest.approx(expected[1:], abs=0.0051)


def test_a_range_of_times_is_no_visit(packaged: vf.Trials) -> None:
    """1 to 2 weeks enters a window that holds both weeks, and no window that holds one, nor one around their middle."""

    def asked(low: float, high: float) -> int:
        options = {"measure": "SMD", "use": ("pool", "sensitivity"), "prefer": ("contrast",)}
        return len(
            vf.compare(packaged, "vertebroplasty", "sham", outcome="pain_overall", week=low, window=(low, high), **options)
        )

    assert [asked(1, 2), asked(0.5, 1.5), asked(1.4, 1.6), asked(1.5, 3)] == [5, 0, 0, 0]


def test_disability_of_farrokhi_stands_for_the_record_only(packaged: vf.Trials) -> None:
    rows = packaged.contrasts[(packaged.contrasts.study_id == "farrokhi2011") & (packaged.contrasts.outcome_id == "disability")]
    assert len(rows) == 2
    assert set(rows.use) == {"no"}
    assert rows.note.str.contains("not used").all()


@pytest.mark.parametrize(
    ("name", "printed"), {"new_fracture": 0.67, "new_fracture_100iu": 0.85, "new_fracture_400iu": 0.84}.items()
)
def test_each_dose_of_proof_answers_with_the_ratio_of_its_paper(packaged: vf.Trials, name: str, printed: float) -> None:
    plan = load_plan(PLANS / "calcitonin_prevention.toml")
    (analysis,) = [a for a in plan.analysis if a.id == name]
    table = vf.compare(
        packaged, plan.experimental, plan.control, outcome=analysis.outcome, measure=analysis.measure, **analysis.stated()
    )
    (effect,) = table
    assert (effect.study_id, np.exp(effect.y)) == ("chesnut2000", pytest.approx(printed))


def test_serious_adverse_events_of_direct_are_those_of_its_table(packaged: vf.Trials) -> None:
    table = vf.compare(packaged, "denosumab", "placebo", outcome="serious_ae", measure="RR", week=104.4, window=(104, 105))
    (effect,) = table
    assert (effect.study_id, effect.events, effect.n) == ("direct2014", (66, 68), (475, 481))
    assert effect.y == pytest.approx(np.log(66 / 475 / (68 / 481)))


def test_addresses_of_sources_are_of_standing_or_marked(packaged: vf.Trials) -> None:
    """No source is linked on a bare address, a proxy or a staging host unless its note says that it is second-hand."""
    doubtful = packaged.sources.url.str.contains(r"//(?:\d+\.){3}\d+|//proxy\.|\.wilddata\.|tweb-dev|\.staging\.")
    assert packaged.sources[doubtful].note.str.startswith("second-hand").all()
    assert not (doubtful & ((packaged.sources.doi != "") | (packaged.sources.pmid != ""))).any()


def test_crossover_of_a_trial_has_its_source_and_is_that_of_its_counts(packaged: vf.Trials) -> None:
    said = packaged.study[packaged.study.crossover != ""]
    assert (said.crossover_source_id != "").all()
    counts = packaged.outcomes_binary[
        (packaged.outcomes_binary.outcome_id == "crossover") & packaged.outcomes_binary.events.notna()
    ]
    assert len(counts) == 4
    for row in counts.itertuples():
        assert f"{row.events} of {row.total}" in said.crossover[row.study_id]


def test_a_source_is_linked_by_doi_then_pubmed_then_its_copy(packaged: vf.Trials) -> None:
    for row in packaged.sources.itertuples():
        pubmed = f"https://pubmed.ncbi.nlm.nih.gov/{row.pmid}/" if row.pmid else row.url
        expected = f"https://doi.org/{row.doi}" if row.doi else pubmed
        assert packaged.source(row.source_id)["url"] == expected
        assert packaged.citations[row.source_id] == f"{row.citation} {expected}".strip()
