"""Plans are data: every packaged one stands, and every fault is named with its file, its analysis and its key."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta.core import params
from vfmeta.core.messages import InputError
from vfmeta.evidence.plan import PAGES, Plan, load_plan, load_plans
from vfmeta.evidence.run import run, table_of
from vfmeta.trials.schema import packaged_folder

SOUND = """
id = "question"
title = "A question"
page = "vertebroplasty"
question = "Does it help?"
population = "Adults."
experimental = ["vertebroplasty"]
control = ["sham"]
names = ["vertebroplasty", "sham"]

[[analysis]]
id = "pain_3m"
title = "Pain at 3 months"
outcome = "pain_overall"
measure = "MD"
points = [0, 10]

[[analysis]]
id = "pain_12m"
title = "Pain at 12 months"
outcome = "pain_overall"
measure = "MD"
points = [0, 10]
week = 52
window = [40, 60]
"""


def plan_file(folder: Path, text: str = SOUND, name: str = "question") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def fault_of(folder: Path, text: str) -> str:
    """The one problem of a plan."""
    with pytest.raises(InputError) as caught:
        load_plan(plan_file(folder, text))
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0]


@pytest.fixture(scope="module")
def trials() -> vf.Trials:
    return vf.load_trials()


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {p.id: p for p in load_plans()}


def test_every_packaged_plan_loads_and_states_what_its_file_states(plans: dict[str, Plan]) -> None:
    found = sorted(packaged_folder("analyses").glob("*.toml"))
    assert {f.stem for f in found} == set(plans)
    for file in found:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
        plan = plans[file.stem]
        assert [a.id for a in plan.analysis] == [a["id"] for a in written["analysis"]]
        for analysis, stated in zip(plan.analysis, written["analysis"], strict=True):
            assert analysis.week == stated.get("week")
            assert analysis.window == (tuple(stated["window"]) if "window" in stated else None)
            assert [s.id for s in analysis.sensitivity] == [s["id"] for s in stated.get("sensitivity", [])]


def test_each_plan_leads_with_one_analysis_and_stands_on_a_known_page(plans: dict[str, Plan]) -> None:
    for plan in plans.values():
        assert sum(a.lead for a in plan.analysis) == 1, plan.id
        assert plan.page in PAGES, plan.id
    assert {p.page for p in plans.values()} == set(PAGES)


@pytest.mark.parametrize(
    ("experimental", "control", "outcomes"),
    [
        ("vertebroplasty", "sham", {"pain_overall", "disability", "new_vertebral_fracture", "serious_ae"}),
        ("vertebroplasty", "usual_care", {"pain_overall", "new_vertebral_fracture"}),
        ("kyphoplasty", "vertebroplasty", {"pain_overall", "cement_leakage"}),
        ("kyphoplasty", "usual_care", {"pain_overall"}),
        ("teriparatide", "placebo", {"new_vertebral_fracture"}),
        ("teriparatide", "bisphosphonate", {"back_pain_ae", "responder_30pct"}),
        ("bisphosphonate", "placebo", {"new_vertebral_fracture", "serious_ae"}),
        ("denosumab", "placebo", {"back_pain_ae"}),
        ("strontium_ranelate", "placebo", {"back_pain_free"}),
        ("calcitonin", "placebo", {"pain_overall"}),
        ("exercise", "usual_care", {"pain_overall"}),
        ("orthosis", "no_treatment", {"pain_overall"}),
        ("analgesic", "placebo", {"pain_overall"}),
        ("psychological_support", "usual_care", {"pain_overall"}),
    ],
)
def test_the_questions_of_the_review_are_asked(
    plans: dict[str, Plan], trials: vf.Trials, experimental: str, control: str, outcomes: set[str]
) -> None:
    wanted = set(trials.interventions_in(experimental)), set(trials.interventions_in(control))
    asked = {
        a.outcome
        for p in plans.values()
        if wanted[0] & set(trials.interventions_in(p.experimental)) and wanted[1] & set(trials.interventions_in(p.control))
        for a in p.analysis
    }
    assert outcomes <= asked


def test_vertebroplasty_against_sham_asks_pain_early_and_late(plans: dict[str, Plan]) -> None:
    """Once at each time, in points or in standard deviations: one question is counted once."""
    pain = [a for a in plans["vertebroplasty_sham"].analysis if a.outcome == "pain_overall"]
    for months in (1, 3, 12):
        weeks = months * 365.25 / 12 / 7
        assert sum(a.window is not None and a.window[0] <= weeks <= a.window[1] for a in pain) == 1, months
    assert [a.id for a in plans["vertebroplasty_sham"].analysis if a.lead] == ["pain_1m"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('id = "pain_12m"', 'id = "pain_12m"\ntypo = 1', "analysis 2 (pain_12m), typo: Extra inputs are not permitted"),
        (
            'title = "A question"',
            'title = "A question"\nauthor = "me"',
            "question.toml, author: Extra inputs are not permitted",
        ),
        ("week = 52", 'week = "soon"', "analysis 2 (pain_12m), week: Input should be a valid number"),
        ("week = 52", "week = -1", "analysis 2 (pain_12m), week: Input should be greater than or equal to 0"),
        ("week = 52", "week = 80", "analysis 2 (pain_12m): week 80.0 must lie inside window (40.0, 60.0)"),
        ("week = 52\n", "", "analysis 2 (pain_12m): week None must lie inside window (40.0, 60.0)"),
        ("window = [40, 60]", "window = [40]", "analysis 2 (pain_12m), window 2: Field required"),
        ('id = "pain_12m"', 'id = "pain_3m"', "analyses share an id: pain_3m"),
        ('id = "question"', 'id = "answer"', "question.toml, id: 'answer' must equal the file name"),
        ('id = "pain_12m"', 'id = "Pain 12"', "analysis 2 (Pain 12), id: String should match pattern"),
        ('control = ["sham"]', "control = []", "question.toml, control: Tuple should have at least 1 item"),
        ('title = "A question"\n', "", "question.toml, title: Field required"),
        (
            'measure = "MD"\npoints = [0, 10]\nweek',
            'measure = "WMD"\nweek',
            "analysis 2 (pain_12m), measure: Input should be 'MD'",
        ),
        ("week = 52", 'week = 52\nmethod = "XB"', "analysis 2 (pain_12m), method: Input should be 'REML'"),
        ("week = 52", 'week = 52\nuse = ["everything"]', "analysis 2 (pain_12m), use 1: Input should be 'pool'"),
        ("week = 52", 'week = 52\ntau_prior = { family = "HalfNormal", sd = 1 }', "tau_prior: HalfNormal takes scale"),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "HalfT", scale = 1 }',
            "analysis 2 (pain_12m), tau_prior: HalfT takes df and scale",
        ),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "HalfNormal", scale = 0 }',
            "analysis 2 (pain_12m): tau_prior: Half-normal prior: scale=0 must be a positive",
        ),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "HalfNormal", scale = "wide" }',
            "analysis 2 (pain_12m), tau_prior: HalfNormal: scale='wide' must be a number",
        ),
        ("week = 52", 'week = 52\ntau_prior = { family = "Horse" }', "tau_prior: family 'Horse' is no prior; use one of"),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "LogNormal", meanlog = -2, sdlog = 1, on = "sigma" }',
            "tau_prior: LogNormal: on='sigma' is unknown",
        ),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "turner2015" }',
            "analysis 2 (pain_12m): tau_prior: The priors of Turner et al. 2015 are for tau2 of the log odds ratio; they say "
            "nothing of MD",
        ),
        (
            "week = 52",
            'week = 52\ntau_prior = { family = "rhodes2015" }',
            "analysis 2 (pain_12m): tau_prior: The priors of Rhodes et al. 2015 are for the SMD. With measure='MD' state",
        ),
        (
            "week = 52",
            'week = 52\nmu_prior = { family = "Mixture", weights = [0.5, 0.6], means = [0, 1], sds = [1, 1] }',
            "analysis 2 (pain_12m): mu_prior: Mixture prior: the weights sum to 1.1",
        ),
        ("week = 52", 'week = 52\ntau_prior = { family = "Flat" }', "tau_prior: Flat is not a prior of tau"),
        ("week = 52", 'week = 52\nmu_prior = { family = "HalfCauchy", scale = 1 }', "HalfCauchy is not a prior of mu"),
        (
            "week = 52",
            "week = 52\nassume_points = [10, 0]",
            "analysis 2 (pain_12m), assume_points: points=(10.0, 0.0) must be the two ends of a scale, the lower first",
        ),
    ],
)
def test_a_fault_is_named_with_file_analysis_and_key(tmp_path: Path, old: str, new: str, place: str) -> None:
    assert SOUND.count(old) == 1
    said = fault_of(tmp_path, SOUND.replace(old, new))
    assert said.startswith("question.toml")
    assert place in said


# every family of vf.priors, stated in a plan, with the prior it has to be
STATED: list[tuple[str, str, str, Any]] = [
    ("MD", "tau_prior", '{ family = "HalfT", df = 4, scale = 2 }', vf.priors.HalfT(4, 2)),
    ("MD", "tau_prior", '{ family = "HalfCauchy", scale = 0.5, note = "wide" }', vf.priors.HalfCauchy(0.5, "wide")),
    ("MD", "tau_prior", '{ family = "Exponential", scale = 1 }', vf.priors.Exponential(1)),
    ("MD", "tau_prior", '{ family = "Uniform" }', vf.priors.Uniform()),
    ("MD", "tau_prior", '{ family = "Uniform", end = 3, on = "tau2" }', vf.priors.Uniform(3, on="tau2")),
    ("MD", "tau_prior", '{ family = "InverseGamma", shape = 2, scale = 0.3 }', vf.priors.InverseGamma(2, 0.3)),
    ("MD", "tau_prior", '{ family = "LogNormal", meanlog = -1, sdlog = 0.8 }', vf.priors.LogNormal(-1, 0.8)),
    ("MD", "tau_prior", '{ family = "LogNormal", meanlog = -2, sdlog = 1.6, on = "tau2" }',
     vf.priors.LogNormal.of_tau2(-2, 1.6)),
    ("MD", "tau_prior", '{ family = "LogT", location = -1, scale = 1, on = "tau2" }', vf.priors.LogT.of_tau2(-1, 1)),
    ("MD", "tau_prior", '{ family = "Jeffreys" }', vf.priors.Jeffreys()),
    ("MD", "tau_prior", '{ family = "Shrinkage" }', vf.priors.Shrinkage()),
    ("MD", "tau_prior", '{ family = "DuMouchel" }', vf.priors.DuMouchel()),
    ("MD", "tau_prior", '{ family = "Conventional" }', vf.priors.Conventional()),
    ("OR", "tau_prior", '{ family = "turner2015", outcome = "pain", comparison = "pharmacological v placebo" }',
     vf.priors.turner2015("pain", "pharmacological v placebo")),
    ("SMD", "tau_prior", '{ family = "rhodes2015" }', vf.priors.rhodes2015()),
    ("MD", "tau_prior", '{ family = "rhodes2015", sd = 2.5 }', vf.priors.rhodes2015(measure="MD", sd=2.5)),
    ("MD", "tau_prior", '{ family = "trials_within", x = 2, share = 0.9 }', vf.priors.trials_within(2, 0.9)),
    ("MD", "tau_prior", '{ family = "tau_below", x = 2 }', vf.priors.tau_below(2)),
    ("MD", "mu_prior", '{ family = "Flat" }', vf.priors.Flat()),
    ("MD", "mu_prior", '{ family = "Normal", mean = 0, sd = 3 }', vf.priors.Normal(0, 3)),
    ("MD", "mu_prior", '{ family = "StudentT", df = 4, location = 0, scale = 2 }', vf.priors.StudentT(4, 0, 2)),
    ("MD", "mu_prior", '{ family = "Mixture", weights = [0.8, 0.2], means = [0, 0], sds = [1, 5] }',
     vf.priors.Mixture((0.8, 0.2), (0, 0), (1, 5))),
    ("MD", "mu_prior", '{ family = "mu_within", x = 3, df = 4 }', vf.priors.mu_within(3, df=4)),
]  # fmt: skip


@pytest.mark.parametrize(("measure", "name", "stated", "wanted"), STATED, ids=[f"{m} {s}" for m, _, s, _ in STATED])
def test_every_prior_of_the_house_can_be_stated(tmp_path: Path, measure: str, name: str, stated: str, wanted: Any) -> None:
    from vfmeta.evidence.fit import prior

    text = SOUND.replace('measure = "MD"\npoints = [0, 10]\nweek = 52', f'measure = "{measure}"\nweek = 52\n{name} = {stated}')
    choices = load_plan(plan_file(tmp_path, text)).analysis[1].stated()
    back = json.loads(json.dumps(choices))  # as it stands in what is remembered and in the result file
    assert prior(back[name], measure) == wanted


def test_no_family_is_left_out_and_every_one_is_of_mu_or_tau() -> None:
    """The list above against what the house exports, so that a new family cannot be forgotten."""
    stated = {tomllib.loads(f"x = {s}")["x"]["family"] for _, _, s, _ in STATED} | {"HalfNormal"}
    ways = {x for x in vf.priors.__all__ if not x.startswith("default_")} - {"MuPrior", "TauPrior", "families", "from_dict"}
    ways -= {"InstrumentSD"}  # of the SD of an instrument: neither of mu nor of tau, and no choice of a plan
    assert stated == ways


def test_a_published_prior_is_refused_where_a_sensitivity_analysis_states_it(tmp_path: Path) -> None:
    bad = '\n[[analysis.sensitivity]]\nid = "turner"\ntitle = "Turner"\ntau_prior = { family = "turner2015" }\n'
    said = fault_of(tmp_path, SOUND + bad)
    assert "analysis 2 (pain_12m): sensitivity 1 (turner), tau_prior: The priors of Turner et al. 2015" in said


def test_priors_without_a_posterior_are_named_with_their_place(trials: vf.Trials, tmp_path: Path) -> None:
    """Four trials carry an improper uniform prior; two under a flat mu do not."""
    flat = 'tau_prior = { family = "Uniform" }\nmu_prior = { family = "Flat" }\n'
    text = SOUND.replace("week = 52", "week = 52\n" + flat)
    plan = load_plan(plan_file(tmp_path, text + 'exclude_studies = ["carli2023", "firanescu2018"]\n'))
    with pytest.raises(InputError, match=r"question\.toml, analysis pain_12m: The posterior is improper: with 2 studies"):
        run([plan], trials, tmp_path / "build")
    assert not (tmp_path / "build" / "results").exists()


def test_two_sensitivity_analyses_share_an_id(tmp_path: Path) -> None:
    twin = '\n[[analysis.sensitivity]]\nid = "again"\ntitle = "again"\n'
    assert "analysis 2 (pain_12m): two sensitivity analyses share an id" in fault_of(tmp_path, SOUND + 2 * twin)


def test_a_fault_of_a_sensitivity_analysis_is_named(tmp_path: Path) -> None:
    bad = '\n[[analysis.sensitivity]]\nid = "dl"\ntitle = "DL"\nmodel = "fixed"\n'
    assert "analysis 2 (pain_12m), sensitivity 1 (dl), model: Input should be" in fault_of(tmp_path, SOUND + bad)


def test_each_fault_of_a_plan_is_listed(tmp_path: Path) -> None:
    text = SOUND.replace("week = 52", 'week = "soon"').replace('page = "vertebroplasty"\n', "")
    with pytest.raises(InputError) as caught:
        load_plan(plan_file(tmp_path, text))
    assert {p.split(":")[0] for p in caught.value.problems} == {
        "question.toml, page",
        "question.toml, analysis 2 (pain_12m), week",
    }


def test_what_is_no_toml_names_file_and_line(tmp_path: Path) -> None:
    said = fault_of(tmp_path, SOUND.replace("week = 52", "week = = 52"))
    line = SOUND.splitlines().index("week = 52") + 1
    assert said.startswith("question.toml: not valid TOML")
    assert f"line {line}" in said


def test_latin_1_bytes_are_no_toml(tmp_path: Path) -> None:
    file = tmp_path / "question.toml"
    file.write_bytes(SOUND.replace("Adults.", "Fran\u00e7ais").encode("latin-1"))
    with pytest.raises(InputError, match=r"question\.toml: not valid TOML"):
        load_plan(file)


def test_a_missing_plan_and_a_missing_or_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml: there is no such plan"):
        load_plan(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="nowhere: there is no such folder of plans"):
        load_plans(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no \.toml plan"):
        load_plans(tmp_path)


@pytest.mark.parametrize("method", ["GENQ", "genqm"])
def test_an_estimator_that_needs_weights_is_refused_where_a_plan_asks_for_it(tmp_path: Path, method: str) -> None:
    said = fault_of(tmp_path, SOUND + f'method = "{method}"\n')
    assert said.startswith(f"question.toml, analysis 2 (pain_12m), method: {method.upper()} estimates tau2 with weights")
    assert "vf.random_effects" in said


def test_faults_of_all_plans_are_listed_together(tmp_path: Path) -> None:
    plan_file(tmp_path, SOUND.replace("week = 52", "week = 80"))
    plan_file(tmp_path, SOUND.replace('"question"', '"second"').replace("MD", "XX", 1), "second")
    plan_file(tmp_path, SOUND.replace('"question"', '"third"'), "third")
    with pytest.raises(InputError) as caught:
        load_plans(tmp_path)
    assert [p.split(",")[0] for p in caught.value.problems] == ["question.toml", "second.toml"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('experimental = ["vertebroplasty"]', 'experimental = ["cement"]', "Unknown intervention 'cement'"),
        ('control = ["sham"]', 'control = ["vertebroplasty"]', "stands on both sides"),
        (
            'outcome = "pain_overall"\nmeasure = "MD"\npoints = [0, 10]\nweek',
            'outcome = "pian"\nmeasure = "MD"\nweek',
            "Unknown outcome",
        ),
        ("week = 52", 'week = 52\nexclude_studies = ["nobody1900"]', "nobody1900"),
        ("week = 52", 'week = 52\nexclude_rows = ["no-such-row"]', "no-such-row"),
        ("week = 52", 'week = 52\nmid_from = "no_such_scale"', "no_such_scale"),
        ("week = 52", 'week = 52\nunit = ["person"]', "person"),
    ],
)
def test_what_the_tables_do_not_know_is_named_before_anything_is_written(
    trials: vf.Trials, tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = SOUND.replace(old, new)
    assert text != SOUND
    plan = load_plan(plan_file(tmp_path, text))
    with pytest.raises(InputError) as caught:
        run([plan], trials, tmp_path / "build")
    assert all(p.startswith("question.toml, analysis pain_") and said in p for p in caught.value.problems)
    assert any("analysis pain_12m" in p for p in caught.value.problems)
    assert not (tmp_path / "build").exists()


def test_an_unknown_published_pool_is_named(trials: vf.Trials, tmp_path: Path) -> None:
    plan = load_plan(plan_file(tmp_path, SOUND.replace('page = "', 'pools = ["nobody1900-pain"]\npage = "')))
    with pytest.raises(InputError, match=r"question\.toml, pools: no pool 'nobody1900-pain'"):
        run([plan], trials, tmp_path / "build")


def test_a_sensitivity_analysis_restates_only_what_it_changes(tmp_path: Path) -> None:
    from vfmeta.evidence.run import choices_of

    extra = '\n[[analysis.sensitivity]]\nid = "dl"\ntitle = "DL"\nmethod = "DL"\n'
    plan = load_plan(plan_file(tmp_path, SOUND + extra))
    main: dict[str, Any] = choices_of(plan, plan.analysis[1])
    assert choices_of(plan, plan.analysis[1], "dl") == {**main, "method": "DL"}
    assert main["window"] == (40.0, 60.0)
    assert "tau2" not in main


@pytest.mark.parametrize("name", ["studies", "index", "eligibility", "pain_studies"])
@pytest.mark.parametrize("key", ['id = "question"', 'page = "vertebroplasty"', 'id = "pain_3m"'])
def test_names_that_pages_and_results_keep_are_refused(tmp_path: Path, key: str, name: str) -> None:
    said = fault_of(tmp_path, SOUND.replace(key, f'{key.split(" = ")[0]} = "{name}"'))
    assert "keep for themselves" in said
    assert repr(name) in said


@pytest.mark.parametrize(("key", "option"), [("method", params.Method), ("test", params.Test), ("multi_arm", params.MultiArm),
                                             ("zero", params.SingleZero), ("design", params.Design)])  # fmt: skip
def test_plans_reach_whatever_the_engine_has(tmp_path: Path, key: str, option: Any) -> None:
    for value in set(params.choices(option)) - {"GENQ", "GENQM"}:  # these two need weights
        plan = load_plan(plan_file(tmp_path, SOUND.replace("points", f'{key} = "{value}"\npoints', 1)))
        assert getattr(plan.analysis[0], key) == value


def test_a_plan_forgives_what_the_engine_forgives_and_asks_what_was_meant(tmp_path: Path) -> None:
    plan = load_plan(plan_file(tmp_path, SOUND.replace("points", 'method = "paule-mandel"\ntest = "knha"\npoints', 1)))
    assert (plan.analysis[0].method, plan.analysis[0].test) == ("PM", "HKSJ")
    assert "Did you mean 'REML'?" in fault_of(tmp_path, SOUND.replace("points", 'method = "REM"\npoints', 1))
    assert "Did you mean 'window'?" in fault_of(tmp_path, SOUND.replace("window", "windov", 1))


def test_a_subset_is_by_what_was_known_before_the_results(tmp_path: Path) -> None:
    """Two of five trials are open: a plan may ask for the others, and for nothing that a result decides."""
    home = ew.world(tmp_path / "w")
    rows = ew.read(home / "trials", "studies")
    ew.write(
        home / "trials",
        "studies",
        [r | ({"blinding": "open_label"} if r["study_id"] in ("baker", "clark") else {}) for r in rows],
    )
    subset = 'lead = true\n\n[[analysis.sensitivity]]\nid = "blind"\ntitle = "blind"\nonly = { blinding = ["double_blind"] }'
    text = (home / "analyses" / "cement.toml").read_text(encoding="utf-8").replace("lead = true", subset)
    (home / "analyses" / "cement.toml").write_text(text, encoding="utf-8")
    plan = load_plan(home / "analyses" / "cement.toml")
    twelve = next(a for a in plan.analysis if a.id == "pain_12m")
    table = table_of(plan, twelve, "blind", vf.load_trials(home / "trials"))
    assert [e.study_id for e in table] == ["able", "dixon", "evans"]
    assert [e.study_id for e in table_of(plan, twelve, "", vf.load_trials(home / "trials"))] == list(ew.PAIN[12])
    line = 'points = [0, 10]\nonly = { blinding = ["open"] }\n'
    assert "blinding: 'open' is none of double_blind" in fault_of(tmp_path, SOUND.replace("points = [0, 10]\n", line, 1))
    line = "points = [0, 10]\nonly = { estimate = [1] }\n"
    assert "only, estimate" in fault_of(tmp_path, SOUND.replace("points = [0, 10]\n", line, 1))
