"""The second answer of a plan: asked for, labelled, computed from the words of the tables, and beside the strict one."""

from __future__ import annotations

import dataclasses
import html
import json
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import integrate, stats

import evidence_world as ew
import vfmeta as vf
from vfmeta.core.messages import InputError
from vfmeta.evidence import reported
from vfmeta.evidence.figures import draw_all
from vfmeta.evidence.plan import load_plan, load_plans
from vfmeta.evidence.records import Record, load_records
from vfmeta.evidence.run import choices_of, run, table_of
from vfmeta.evidence.summary import fragment, question_view
from vfmeta.plots.contents import Options, contents
from vfmeta.text import numbers as tx

PLAN = """
id = "cement"
title = "Vertebroplasty against sham"
page = "vertebroplasty"
question = "Does cement relieve pain?"
population = "Made-up patients."
experimental = ["vertebroplasty"]
control = ["sham"]
names = ["vertebroplasty", "sham"]

[[analysis]]
id = "pain_3m"
title = "Pain at 3 months"
outcome = "pain"
measure = "MD"
points = [0, 10]
mid_from = "vas"
week = 13
window = [12, 15]
lead = true
reports = "all"

[[analysis.sensitivity]]
id = "unselected"
title = "without selective words"
selective = false

[[analysis]]
id = "pain_6m"
title = "Pain at 6 months"
outcome = "pain"
measure = "MD"
points = [0, 10]
week = 26
window = [24, 30]

[[analysis]]
id = "pain_3m_sd"
title = "Pain at 3 months, standardised"
outcome = "pain"
measure = "SMD"
week = 13
window = [12, 15]
reports = "all"
"""
BARE = {"estimate": "", "measure": "", "printed_as": "not_stated", "use": "no", "outcome_id": "pain", "instrument_id": "vas"}
SAYING = {"clark": ("p_bound", "experimental", "no", 0.01, "<"), "dixon": ("significant", "control", "yes", "", "")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Able and Baker print figures at 3 months, Clark and Dixon words; Evans says something of one arm."""
    home = ew.world(tmp_path_factory.mktemp("words"))
    rows = []
    for study, (kind, side, selective, p, operator) in SAYING.items():
        own = ew.contrast(
            study,
            3,
            estimate="",
            measure="",
            printed_as="not_stated",
            use="no",
            outcome_id="pain",
            instrument_id="vas",
            contrast_of="change",
        )
        rows.append({**own, "row_id": f"{study}-words", "report_kind": kind, "favours": side, "selective": selective,
                     "p_value": p, "p_operator": operator})  # fmt: skip
    one_arm = ew.contrast("evans", 3, **BARE)
    rows.append({**one_arm, "row_id": "evans-words", "report_kind": "within_arm"})
    ew.add(home / "trials", "contrasts", *rows)
    (home / "plan").mkdir()
    (home / "plan" / "cement.toml").write_text(PLAN, encoding="utf-8")
    return home, home / "build"


@pytest.fixture(scope="module")
def records(built: tuple[Path, Path]) -> dict[str, Record]:
    home, out = built
    run([load_plan(home / "plan" / "cement.toml")], vf.load_trials(home / "trials"), out)
    return {r.id: r for r in load_records(out)}


def sizes(home: Path) -> dict[str, float]:
    return {row["study_id"]: float(row["n_randomised"]) for row in ew.read(home / "trials", "arms")}


def test_the_second_answer_stands_beside_the_strict_one_and_only_where_a_plan_asks(records: dict[str, Record]) -> None:
    main, other = records["pain_3m"], records["pain_6m"]
    assert other.data["words"] is None
    assert other.words is None
    assert main.posterior is not None
    assert main.posterior.k == 2
    assert main.lead is main.posterior  # never the silent default
    assert main.words is not None
    assert main.words.labels == ("Able 2001", "Baker 2003", "Clark 2005", "Dixon 2007")
    assert "Two trials give" in main.data["answer"]


def test_the_second_answer_is_that_of_its_reports(records: dict[str, Record], built: tuple[Path, Path]) -> None:
    """Typed in by hand, with N(0, 2) for the mean and the default prior of tau."""
    n = sizes(built[0])
    (y, se), main = zip(*ew.PAIN[3].values(), strict=True), records["pain_3m"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hand = vf.bayes.reports(
            kind=["full", "full", "p_bound", "significant"], y=[*y, None, None], se=[*se, None, None],
            p=[None, None, 0.01, None], direction=[None, None, -1, 1], n1=[n[s] for s in ("able", "baker", "clark", "dixon")],
            n2=[n[s] for s in ("able", "baker", "clark", "dixon")], instrument=["", "", "pain", "pain"],
            score=["", "", "change", "change"], mu=vf.priors.Normal(0, 2), question=main.question,
        )  # fmt: skip
    assert main.words is not None
    # a printed interval gives its standard error back to five places
    assert main.words.interval == pytest.approx(hand.interval, abs=2e-4)
    assert main.words.mu_prior == vf.priors.Normal(0, 2)


def test_how_much_it_rests_on_the_words(records: dict[str, Record]) -> None:
    main = records["pain_3m"]
    rows = {r["term"]: r for r in main.data["words"]["result"]["rests_on"]}
    assert main.posterior is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, v = main.posterior.y, main.posterior.v
        strict = vf.bayes.random_effects(y=y, v=v, mu=vf.priors.Normal(0, 2), question=main.question)
    alone = rows["full reports only"]
    assert (alone["estimate"], alone["ci_low"], alone["ci_high"]) == pytest.approx(
        (strict.estimate, *strict.interval), abs=1e-8
    )
    assert {"without Clark 2005", "without Dixon 2007", "prior of mu half as wide", "prior of mu twice as wide"} <= set(rows)
    left = "without trials that name only what was significant (Dixon 2007)"
    assert rows[left]["estimate"] == pytest.approx(rows["without Dixon 2007"]["estimate"], abs=1e-9)
    (variant,) = main.data["words"]["variants"]
    assert variant["id"] == "unselected"
    assert variant["words"]["result"]["rests_on"][0]["estimate"] == pytest.approx(rows[left]["estimate"], abs=1e-6)


def test_words_of_one_arm_are_listed(records: dict[str, Record]) -> None:
    (left,) = records["pain_3m"].data["words"]["left_out"]
    assert (left["study_id"], left["reason"]) == ("evans", "its words are on one arm only and compare nothing")


def test_the_page_labels_it_and_says_what_it_assumes(records: dict[str, Record], built: tuple[Path, Path]) -> None:
    home, out = built
    trials, plan = vf.load_trials(home / "trials"), load_plan(home / "plan" / "cement.toml")
    figures = draw_all(list(records.values()), out)
    page = html.unescape(fragment(question_view(plan, list(records.values()), figures, trials)))
    assert page.count("<strong>With trials that print no figure.</strong>") == 2  # in points, and standardised
    assert "significantly lower (p < 0.01)" in page
    assert "would have printed its words whichever way they fell" in page
    assert "N(0, 2)" in page
    assert "Dixon 2007, made up" in page  # the source of the sentence
    drawn = {f["name"] for f in figures["cement"]}
    assert {"cement-pain_3m-words", "cement-pain_3m-mean"} <= drawn
    for name in drawn:
        assert (out / "figures" / f"{name}.svg").is_file()
        assert f"{name}.svg" in page


def trial(p: str, sd: float) -> Any:
    """A made-up result of one trial that says ``p``, under N(0, sd)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vf.bayes.reports(
            kind=[p], direction=[-1], se=[0.2], tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, sd),
            question=vf.Question(measure="MD", experimental="drug", control="placebo", outcome="pain", higher_is_worse=True),
        )  # fmt: skip


def test_too_little_for_a_number_is_two_thirds_of_the_prior() -> None:
    """A direction alone halves N(0, 2): an SD of 2 sqrt(1 - 2 / pi) = 1.21 at most, which says a number; here by hand."""
    result = trial("direction", 2.0)
    x = np.linspace(-16, 16, 20001)
    tau = np.linspace(1e-4, 3, 400)
    weight = stats.halfnorm.pdf(tau, scale=0.5)
    density = stats.norm.pdf(x, 0, 2) * (stats.norm.cdf(-x[:, None] / np.hypot(0.2, tau)) @ weight)
    density /= integrate.trapezoid(density, x)
    mean = integrate.trapezoid(x * density, x)
    sd = np.sqrt(integrate.trapezoid((x - mean) ** 2 * density, x))
    assert result.mu.sd == pytest.approx(sd, rel=1e-3)
    assert result.too_little == (sd > 4 / 3)
    wide = dataclasses.replace(result, mu=dataclasses.replace(result.mu, sd=1.34))
    assert wide.too_little
    assert not dataclasses.replace(result, mu=dataclasses.replace(result.mu, sd=1.33)).too_little
    said = reported.answer(wide)
    assert "say" in said
    assert "too little for a number" in said
    assert "in favour of drug" in said
    assert not any(tx in said for tx in (f"{wide.estimate:.2f}".lstrip("-"), " to "))


def test_words_of_a_standardised_difference_need_no_sd_and_their_prior_is_two_points(records: dict[str, Record]) -> None:
    """Nothing carries to points here: 2 points are 0.8 of 2.5, the usual SD. p < 0.01 lies below -2.58 standard errors."""
    found = records["pain_3m_sd"].words
    assert found is not None
    i = found.labels.index("Clark 2005")
    assert found.mu_prior == vf.priors.Normal(0, 0.8)
    n1, n2 = found.details[i]["n_experimental"], found.details[i]["n_control"]
    assert found.v[i] == pytest.approx(1 / n1 + 1 / n2)
    assert found.high[i] == pytest.approx(-stats.norm.isf(0.005) * found.v[i] ** 0.5)
    assert found.sd_assumed == ()
    shown = reported.view(records["pain_3m_sd"])
    assert shown is not None
    assert any("(standardised mean difference; 2 points of 0 to 10, in standard deviations)" in x for x in shown["grounds"])


def test_prior_and_posterior_are_drawn_together() -> None:
    plt.switch_backend("Agg")
    result = trial("significant", 2.0)
    ax = vf.plots.posterior(result, prior=True)
    lines = {line.get_gid(): line for line in ax.lines}
    x, y = (np.asarray(v, dtype=float) for v in lines["prior"].get_data())
    top = float(np.max(result.density))
    np.testing.assert_allclose(
        y, stats.norm.pdf(x, 0, 2) / top, rtol=1e-9
    )  # at its height beside the posterior, whose top is 1
    assert np.max(lines["density"].get_ydata()) == pytest.approx(1.0)
    assert x[0] <= stats.norm.ppf(0.025, 0, 2)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["Prior", "Posterior"]
    flat = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0), mu=vf.priors.Flat())
    with pytest.raises(InputError, match="no finite total"):
        vf.plots.posterior(flat, prior=True)
    plt.close("all")


def test_the_answer_of_one_trial_that_prints_a_p_value_alone_is_drawn() -> None:
    """It is not what the trial printed: prior and heterogeneity take part, and the sentence beside the figure tells it."""
    question = vf.Question(measure="SMD", higher_is_worse=True)
    post = vf.bayes.reports(kind=["p_exact"], p=[0.008], direction=[-1], n1=[40], n2=[40], study=["H"], question=question)
    ax = vf.plots.forest(posterior=post)
    assert not any("nothing was pooled" in t.get_text() for t in ax.texts)
    shown = tx.effect_text(post.question, post.estimate, post.interval)
    assert any(t.get_text() == shown for t in ax.texts)
    assert shown in vf.plots.alt_text(posterior=post)
    rows = contents(None, post, None, None, None, Options(plain=True)).rows
    assert "Mean, by this trial and the prior" in [r.label for r in rows]


def test_the_axis_holds_what_one_sided_words_leave_open() -> None:
    """A trial significant at 5% with a standard error of 0.2: level from -0.39 on, so the axis goes on to -0.39 - 4 x 0.2."""
    plt.switch_backend("Agg")
    ax = vf.plots.forest(posterior=trial("significant", 2.0))
    left, _ = ax.get_xlim()
    z = stats.norm.isf(0.025)
    assert left <= -(z + 4) * 0.2
    plt.close("all")


def test_every_question_of_the_review_that_hears_words_names_its_trials() -> None:
    trials = vf.load_trials()
    heard = {}
    for plan in load_plans():
        for analysis in plan.analysis:
            if choices_of(plan, analysis).get("reports") == "all":
                words = table_of(plan, analysis, "", trials).words
                assert words is not None
                heard[plan.id, analysis.id] = {r.study_id for r in words.reports}
    assert heard["calcitonin_placebo", "pain_1m"] == {"ofluoglu2007", "zaoyang2019"}
    assert heard["calcitonin_placebo", "pain_movement_1m"] == {"ikegami2010"}
    assert heard["orthoses", "pain_3m"] == {"hettchen2022"}
    assert heard["exercise", "pain_12m"] == {"chen2012", "giangregorio2018"}
    assert heard["analgesics", "pain_1m"] == {"ohtori2009", "dang2022"}
    assert heard["kyphoplasty_nonsurgical", "pain_1w"] == {"wardlaw2009"}


def _weeks(value: float, unit: str) -> float:
    return value * {"hour": 1 / 168, "day": 1 / 7, "week": 1.0, "month": 365.25 / 84, "year": 365.25 / 7}[unit]


def test_no_trial_of_words_is_missing_from_a_standardised_pool() -> None:
    """Read off the tables themselves: who compares its arms in words within a window already stands there with a figure.

    So the review's answers in standard deviations are the same whether or not they hear words. What is left out says its words
    of another time, or of one arm only.
    """
    trials = vf.load_trials()
    arms = {(study, arm): intervention for study, arm, intervention, _ in trials.arm_list}
    rows = trials.contrasts.dropna(subset=["report_kind", "time_value"])
    said = rows[~rows["report_kind"].isin(["full", "within_arm"])]
    asked = met = 0
    for plan in load_plans():
        sides = [set(trials.interventions_in(list(side))) for side in (plan.experimental, plan.control)]
        for analysis in plan.analysis:
            if analysis.measure != "SMD" or analysis.window is None:
                continue
            asked += 1
            table = table_of(plan, analysis.model_copy(update={"reports": "all"}), "", trials)
            assert table.words is not None
            assert not table.words.reports, (plan.id, analysis.id)
            why = {x.reason for x in table.words.left_out}
            assert all(x.startswith("its words are of another time") or x.startswith("its words are on one arm") for x in why)
            for row in said[said["outcome_id"] == analysis.outcome].to_dict("records"):
                given = {arms.get((row["study_id"], row[f"arm_{side}"])) for side in ("experimental", "control")}
                if not (given & sides[0] and given & sides[1]):
                    continue
                if analysis.window[0] <= _weeks(row["time_value"], row["time_unit"]) <= analysis.window[1]:
                    met += 1
                    assert row["study_id"] in {e.study_id for e in table}, (plan.id, analysis.id, row)
    assert asked >= 10
    assert met >= 2


def test_a_plan_asks_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "cement.toml"
    path.write_text(PLAN.replace('reports = "all"', 'reports = "every"'), encoding="utf-8")
    with pytest.raises(InputError, match=r"reports: .*'strict' or 'all'"):
        load_plan(path)


def test_records_without_words_are_read(built: tuple[Path, Path], records: dict[str, Record]) -> None:
    stored = json.loads((built[1] / "results" / "cement" / "pain_6m.json").read_text(encoding="utf-8"))
    assert stored["words"] is None
    assert records["pain_6m"].words is None
