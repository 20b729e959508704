"""Results of a made-up world against numbers worked out here, and the same numbers wherever they are shown."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import evidence_world as ew
import vfmeta as vf
from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.evidence.plan import load_plan
from vfmeta.evidence.records import Record, load_records, sections
from vfmeta.evidence.run import run
from vfmeta.results.codec import dumps

pytest_plugins = ("evidence_builds",)


def effects(month: int) -> tuple[list[float], list[float]]:
    y, se = zip(*ew.PAIN[month].values(), strict=True)
    return list(y), list(se)


def knapp(y: list[float], se: list[float], tau2: float) -> tuple[float, float, float, float]:
    """Estimate, its plain standard error, the Hartung-Knapp factor q and the t quantile."""
    mean, plain = ew.common(y, [math.sqrt(s * s + tau2) for s in se])
    q = sum((a - mean) ** 2 / (s * s + tau2) for a, s in zip(y, se, strict=True)) / (len(y) - 1)
    return mean, plain, q, float(stats.t.ppf(0.975, len(y) - 1))


def bayes(y: list[float], se: list[float]) -> tuple[float, float, float, float]:
    """Median, 2.5% and 97.5% of mu and P(mu < 0): mu ~ N(0, 10), tau ~ half-normal(1), on a grid, done the slow way."""
    mu = np.linspace(-12, 12, 4001)
    density = np.zeros_like(mu)
    for tau in np.arange(0.0025, 6, 0.005):
        like = np.prod([stats.norm.pdf(a, mu, math.hypot(s, tau)) for a, s in zip(y, se, strict=True)], axis=0)
        density += like * stats.halfnorm.pdf(tau)
    density *= stats.norm.pdf(mu, 0, 10)
    cumulative = (np.cumsum(density) - density / 2) / density.sum()
    low, median, high = (float(np.interp(p, cumulative, mu)) for p in (0.025, 0.5, 0.975))
    return median, low, high, float(np.interp(0, mu, cumulative))


def row_of(page: str, title: str) -> str:
    """The lines of an analysis in the results table and in that for statisticians, as plain text."""
    found = re.findall(rf'<th scope="row">{re.escape(title)}</th>(.*?)</tr>', page, re.DOTALL)
    assert found, title
    return html.unescape(re.sub(r"<[^>]+>", " ", " ".join(found)))


def span(low: float, high: float) -> str:
    return f"{ew.said(low)} to {ew.said(high)}"


def shown(estimate: float, low: float, high: float) -> str:
    return f"{ew.said(estimate)} ({span(low, high)})"


# the numbers


def test_the_made_up_tables_are_sound(toy_build: Any) -> None:
    assert vf.validate(toy_build.trials) == []


def test_effects_are_the_printed_ones(toy_build: Any) -> None:
    for month, at in ew.PAIN.items():
        studies = toy_build.records[f"cement/pain_{month}m"].data["studies"]
        assert [(s["label"], s["estimate"], s["se"]) for s in studies] == [(ew.LABELS[x], *v) for x, v in at.items()]


def test_risk_ratios_are_those_of_the_counts(toy_build: Any) -> None:
    studies = {s["label"]: s for s in toy_build.records["drug/fracture"].data["studies"]}
    for study, (a, n, b, m) in ew.FRACTURES.items():
        got = studies[ew.LABELS[study]]
        assert got["estimate"] == pytest.approx(math.log((a / n) / (b / m)))
        assert got["se"] == pytest.approx(math.sqrt(1 / a - 1 / n + 1 / b - 1 / m))
        assert (got["events_experimental"], got["n_experimental"], got["events_control"], got["n_control"]) == (a, n, b, m)


def test_sensitivity_analyses_are_computed_as_they_say(toy_build: Any) -> None:
    record = toy_build.records["cement/pain_12m"]
    found = {s.data["id"]: s.frequentist for s in record.sensitivity}
    y, se = effects(12)
    mean, error = ew.common(y, se)
    assert found["common"].estimate == pytest.approx(mean)
    assert found["common"].interval == pytest.approx((mean - ew.Z * error, mean + ew.Z * error))
    mean, error, tau2 = ew.dersimonian_laird(y, se)
    assert tau2 > 0
    assert found["dl"].tau2 == pytest.approx(tau2)
    assert found["dl"].interval == pytest.approx((mean - ew.Z * error, mean + ew.Z * error))


def test_a_sensitivity_analysis_that_changes_nothing_is_not_shown(toy_build: Any) -> None:
    record = toy_build.records["cement/pain_12m"]
    assert [s["id"] for s in record.data["sensitivity"] if s["same_as_main"]] == ["nothing_new"]
    assert "without a trial that is not there" not in toy_build.page("vertebroplasty")
    assert "DerSimonian-Laird" in toy_build.page("vertebroplasty")


@pytest.mark.parametrize("month", [3, 6, 9])
def test_the_posterior_is_that_of_a_plain_grid(toy_build: Any, month: int) -> None:
    post = toy_build.records[f"cement/pain_{month}m"].posterior
    median, low, high, below = bayes(*effects(month))
    assert (post.estimate, *post.interval) == pytest.approx((median, low, high), abs=0.002)
    assert post.p_benefit == pytest.approx(below, abs=0.0005)


def test_pymc_agrees_with_the_exact_posterior(toy_build: Any) -> None:
    several = [r for r in toy_build.records.values() if r.k > 1]
    assert len(several) == 5
    for record in several:
        sampled, post = record.data["results"]["sampled"], record.posterior
        assert sampled["warnings"] == []
        assert sampled["mu"]["mean"] == pytest.approx(post.mu.mean, abs=0.1 * post.mu.sd)
        assert sampled["mu"]["sd"] == pytest.approx(post.mu.sd, rel=0.15)
        assert sampled["tau"]["median"] == pytest.approx(post.tau.median, abs=0.15 * post.tau.sd)


# few trials, many trials


def test_no_trial_says_so_and_lists_what_exists(toy_build: Any) -> None:
    record = toy_build.records["cement/pain_24m"]
    assert record.data["results"] == dict.fromkeys(("frequentist", "posterior", "sampled", "second", "checks", "scattered"))
    assert record.data["answer"].startswith("Not enough to pool")
    assert {x["label"] for x in record.data["left_out"]} == {ew.LABELS[s] for at in ew.PAIN.values() for s in at}
    assert all("12 months" in x["reason"] for x in record.data["left_out"] if x["label"] == "Dixon 2007")
    assert "not enough to pool" in row_of(toy_build.page("vertebroplasty"), "Pain at 24 months")


def test_a_trial_without_any_figure_is_on_the_page_with_its_reason(toy_build: Any) -> None:
    page = toy_build.page("teriparatide")
    block = page[page.index("Known, but without a figure") :]
    assert "Hale 2012" in block
    assert "prints no figure" in block
    assert "Foster 2010" not in block[: block.index("</table>")]


def test_one_trial_is_shown_and_not_pooled(toy_build: Any) -> None:
    record = toy_build.records["cement/pain_1m"]
    y, se = ew.PAIN[1]["able"]
    assert record.posterior is None
    assert record.data["results"]["sampled"] is None
    assert record.frequentist.tau2 is None
    assert record.frequentist.prediction is None
    own = shown(y, y - ew.Z * se, y + ew.Z * se)
    assert record.data["answer"].startswith("Not enough to pool: one trial, Able 2001, found")
    assert own in record.data["answer"]
    line = row_of(toy_build.page("vertebroplasty"), "Pain at 1 months")
    assert own in line
    assert "nothing pooled" in line
    assert "Heterogeneity" not in line


@pytest.mark.parametrize("month", [3, 6, 9])
def test_the_bayesian_result_leads_and_the_page_says_why(toy_build: Any, month: int) -> None:
    record = toy_build.records[f"cement/pain_{month}m"]
    leads = shown(record.posterior.estimate, *record.posterior.interval)
    assert leads in record.data["answer"]
    assert {2: "Two", 3: "Three", 4: "Four"}[record.k] in record.data["answer"]
    mean, plain, q, t = knapp(*effects(month), 0.0)  # these sets agree so well that every estimator has tau2 = 0
    assert record.frequentist.tau2 == 0
    half, wide = t * plain * math.sqrt(q), t * plain
    assert q < 1
    assert "Bayesian result leads, because" in record.data["why"]
    assert f"{span(mean - half, mean + half)}; {span(mean - wide, mean + wide)} with the ad hoc" in record.data["why"]
    assert ("excludes" in record.data["why"]) == (mean + wide < 0)
    page = toy_build.page("vertebroplasty")
    assert record.data["why"] in html.unescape(page)
    assert f"<strong>{leads}</strong>" in page
    assert f"<strong>{shown(mean, mean - half, mean + half)}</strong>" not in page


def test_two_trials_warn_and_show_no_prediction_interval(toy_build: Any) -> None:
    two, three = (toy_build.records[f"cement/pain_{m}m"].frequentist for m in (3, 6))
    assert two.prediction is None
    assert three.prediction is not None
    warning = [w for w in two.warnings if "two studies" in w.lower()]
    assert len(warning) == 1
    assert not [w for w in three.warnings if "two studies" in w.lower()]
    assert warning[0] in html.unescape(toy_build.page("vertebroplasty"))


def test_five_trials_lead_as_four_do_with_the_frequentist_result_beside_it(toy_build: Any) -> None:
    record = toy_build.records["cement/pain_12m"]
    fit = record.frequentist
    mean, plain, q, t = knapp(*effects(12), fit.tau2)
    half = t * plain * math.sqrt(q)
    assert fit.interval == pytest.approx((mean - half, mean + half))
    leads = shown(record.posterior.estimate, *record.posterior.interval)
    assert leads in record.data["answer"]
    assert span(mean - half, mean + half) in record.data["why"]
    page = toy_build.page("vertebroplasty")
    assert f"<strong>{leads}</strong>" in page
    assert f"<strong>{shown(mean, mean - half, mean + half)}</strong>" not in page
    line = row_of(page, record.title)
    assert shown(mean, mean - half, mean + half) in line
    reach = t * math.sqrt(fit.tau2 + plain**2 * q)  # t with k - 1 and the fitted standard error
    assert fit.prediction == pytest.approx((mean - reach, mean + reach))
    assert span(mean - reach, mean + reach) in line


def test_the_ad_hoc_interval_stands_beside_exactly_where_q_is_below_one(toy_build: Any) -> None:
    seen = set()
    for month in (3, 6, 9, 12):
        fit = toy_build.records[f"cement/pain_{month}m"].frequentist
        mean, plain, q, t = knapp(*effects(month), fit.tau2)
        line = row_of(toy_build.page("vertebroplasty"), f"Pain at {month} months")
        seen.add(q < 1)
        if q < 1:
            assert fit.adhoc_interval == pytest.approx((mean - t * plain, mean + t * plain))
            assert f"ad hoc interval {span(mean - t * plain, mean + t * plain)}" in line
        else:
            assert fit.adhoc_interval is None
            assert "ad hoc" not in line
    assert seen == {True, False}


def test_default_priors_are_printed_with_the_results(toy_build: Any) -> None:
    assert "\u03c4 ~ half-normal(1); \u03bc ~ N(0, 10)" in toy_build.page("vertebroplasty")
    assert "\u03c4 ~ half-normal(0.5); \u03bc ~ N(0, 2.82)" in toy_build.page("teriparatide")


# one record, one number


@pytest.mark.parametrize("name", ["cement/pain_3m", "cement/pain_6m", "cement/pain_9m", "cement/pain_12m", "drug/fracture"])
def test_figure_table_and_result_show_the_same_numbers(toy_build: Any, name: str) -> None:
    record = toy_build.records[name]
    ratio = record.question.is_ratio

    def text(estimate: float, interval: tuple[float, float]) -> str:
        return shown(*(math.exp(x) if ratio else x for x in (estimate, *interval)))

    fit, post = record.frequentist, record.posterior
    page = html.unescape(toy_build.page(record.data["plan"]["page"]))
    drawing = dict(sections([r for r in toy_build.records.values() if r.plan == record.plan]))
    (figure,) = [n for n, group in drawing.items() if record.id in {r.id for r in group}]
    svg = html.unescape((toy_build.out / "figures" / f"{figure}.svg").read_text(encoding="utf-8"))
    drawn = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    alt = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    assert alt
    line = row_of(toy_build.page(record.data["plan"]["page"]), record.title)
    for number in (text(fit.estimate, fit.interval), text(post.estimate, post.interval)):
        for place in (line, alt[1], page):
            assert number in place
    lead = record.lead
    assert text(lead.estimate, lead.interval) in drawn  # the figure of a page shows the result that leads
    assert f"<desc>{alt[1]}</desc>" in page
    assert f'href="figures/{figure}.svg"' in page
    for study, limits in zip(record.data["studies"], fit.studies.itertuples(), strict=True):
        own = text(study["estimate"], (limits.ci_low, limits.ci_high))
        for place in (drawn, alt[1], page):
            assert study["label"] in place
            assert own in place


def test_the_study_table_is_the_record(toy_build: Any) -> None:
    for name, record in toy_build.records.items():
        text = (toy_build.out / "results" / f"{name}_studies.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [r["study"] for r in rows] == [s["label"] for s in record.data["studies"]]
        for row, study in zip(rows, record.data["studies"], strict=True):
            assert float(row["estimate"]) == pytest.approx(study["estimate"], rel=1e-9)
            assert float(row["se"]) == pytest.approx(study["se"], rel=1e-9)
        if record.k > 1:
            inverse = [1 / (s["se"] ** 2 + record.frequentist.tau2) for s in record.data["studies"]]
            assert [float(r["weight"]) for r in rows] == pytest.approx([100 * w / sum(inverse) for w in inverse], rel=1e-6)


def test_records_come_back_as_they_were_written(toy_build: Any) -> None:
    for name, record in toy_build.records.items():
        file = toy_build.out / "results" / f"{name}.json"
        assert dumps(record.data) == file.read_text(encoding="utf-8")
        for result, kind in ((record.frequentist, "frequentist"), (record.posterior, "posterior")):
            if result is not None:
                assert result.to_dict() == record.data["results"][kind]


# direction


@pytest.mark.parametrize(
    ("name", "sign", "side"),
    [("cement/pain_12m", -1, "vertebroplasty"), ("drug/fracture", -1, "drug"), ("cement/pain_1m", -1, "vertebroplasty")],
)
def test_the_side_in_words_is_the_side_of_the_sign(toy_build: Any, name: str, sign: int, side: str) -> None:
    record = toy_build.records[name]
    result = record.frequentist if record.k == 1 else record.posterior
    assert math.copysign(1, result.estimate) == sign
    assert result.favours == side
    told = "in favour of" in record.data["answer"]  # only where the interval excludes no difference
    assert told == (result.wider_interval[1] < result.question.null_effect)
    assert not told or f"in favour of {side}" in record.data["answer"]


def test_a_turned_outcome_or_a_turned_sign_turns_the_words(toy_build: Any, tmp_path: Path) -> None:
    home = ew.world(tmp_path / "world")
    outcomes = ew.read(home / "trials", "outcomes")
    text = (home / "analyses" / "drug.toml").read_text(encoding="utf-8")

    def favoured() -> tuple[float, str]:
        (record,) = run([load_plan(home / "analyses" / "drug.toml")], vf.load_trials(home / "trials"), tmp_path / "build")
        return record.frequentist.estimate, record.posterior.favours  # type: ignore[union-attr]

    estimate, side = favoured()
    assert (estimate < 0, side) == (True, "drug")
    for row in outcomes:
        row["higher_is_worse"] = "false"  # an event one hopes for
    ew.write(home / "trials", "outcomes", outcomes)
    assert favoured() == (estimate, "placebo")
    swapped = text.replace('["drug"]', '["x"]').replace('["placebo"]', '["drug"]').replace('["x"]', '["placebo"]')
    swapped = swapped.replace('names = ["drug", "placebo"]', 'names = ["placebo", "drug"]')
    (home / "analyses" / "drug.toml").write_text(swapped, encoding="utf-8")
    turned, side = favoured()
    assert turned == pytest.approx(-estimate)
    assert side == "placebo"


def test_a_difference_printed_the_other_way_round_gives_the_same_record(toy_build: Any, tmp_path: Path) -> None:
    home = ew.world(tmp_path / "world")
    y = ew.PAIN[1]["able"][0]
    plan = load_plan(home / "analyses" / "cement.toml")
    plan = plan.model_copy(update={"analysis": plan.analysis[:1]})
    for printed_as, estimate in (
        ("control_minus_experimental", -y),
        ("benefit_positive", -y),
        ("experimental_minus_control", y),
    ):
        ew.edit(home / "trials", "contrasts", "able-1m", estimate=estimate, printed_as=printed_as)
        (record,) = run([plan], vf.load_trials(home / "trials"), tmp_path / "build")
        assert record.data["answer"] == toy_build.records["cement/pain_1m"].data["answer"]
    ew.edit(home / "trials", "contrasts", "able-1m", estimate=-y)
    (record,) = run([plan], vf.load_trials(home / "trials"), tmp_path / "build")
    assert "in favour of sham" in record.data["answer"]


# files


def test_a_second_run_writes_the_same_bytes_and_fits_nothing(
    toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vfmeta import bayes as bayesian
    from vfmeta.evidence import fit
    from vfmeta.evidence.plan import load_plans
    from vfmeta.frequentist import univariate

    shutil.copytree(toy_build.out, tmp_path / "build")
    before = ew.files(tmp_path / "build" / "results")

    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("fitted again")

    slow = ((univariate, "random_effects"), (bayesian, "random_effects"), (bayesian, "sample"), (fit, "second_pool"))
    for module, name in slow:
        monkeypatch.setattr(module, name, never)
    run(load_plans(toy_build.plans), vf.load_trials(toy_build.trials), tmp_path / "build")
    assert ew.files(tmp_path / "build" / "results") == before


def test_a_plan_that_is_gone_leaves_no_result_behind_and_nothing_else_goes(toy_build: Any, tmp_path: Path) -> None:
    shutil.copytree(toy_build.out, tmp_path / "build")
    own = tmp_path / "build" / "results" / "notes.txt"
    own.write_text("mine", encoding="utf-8")
    run([load_plan(toy_build.plans / "drug.toml")], vf.load_trials(toy_build.trials), tmp_path / "build")
    left = ew.files(tmp_path / "build" / "results")
    assert not [name for name in left if name.startswith("cement/")]
    assert {"drug/fracture.json", "drug/fracture_studies.csv", "notes.txt"} <= set(left)
    assert [r.plan for r in load_records(tmp_path / "build")] == ["drug"]


@pytest.mark.parametrize("survives", [0, 1, 4])
def test_a_killed_write_leaves_no_half_file(
    toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    import os

    plans, trials = [load_plan(toy_build.plans / "drug.toml")], vf.load_trials(toy_build.trials)
    shutil.copytree(toy_build.out / "cache", tmp_path / "build" / "cache")
    calls, real = itertools.count(), os.replace

    def dies(*args: Any) -> None:
        if str(tmp_path / "build" / "results") in str(args[1]) and next(calls) >= survives:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dies)
        if survives < 4:
            with pytest.raises(KeyboardInterrupt):
                run(plans, trials, tmp_path / "build")
        else:
            run(plans, trials, tmp_path / "build")
    found = ew.files(tmp_path / "build" / "results")
    whole = ew.files(toy_build.out / "results")
    drug = {name: body for name, body in found.items() if name.startswith("drug/")}
    assert len(drug) == min(survives, 2)
    assert all(whole[name] == body for name, body in drug.items())
    assert not [name for name in found if ".part" in name]
    run(plans, trials, tmp_path / "build")
    assert {n: b for n, b in whole.items() if n.startswith("drug/")}.items() <= ew.files(tmp_path / "build" / "results").items()


def test_write_replaces_whole_files_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a" / "file.txt"
    write(target, "first")
    first = target.stat().st_mtime_ns
    write(target, "first")
    assert target.stat().st_mtime_ns == first  # an equal file is left alone

    def fails(*args: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="disk full"):
        write(target, "second")
    assert ew.files(tmp_path) == {"a/file.txt": b"first"}


def test_load_records_says_what_to_do(tmp_path: Path, toy_build: Any) -> None:
    with pytest.raises(InputError, match="no results yet"):
        load_records(tmp_path)
    shutil.copytree(toy_build.out / "results", tmp_path / "results")
    file = tmp_path / "results" / "drug" / "fracture.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**data, "record_version": 0}), encoding="utf-8")
    with pytest.raises(InputError, match="another version"):
        load_records(tmp_path)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        load_records(tmp_path)
    file.unlink()
    with pytest.raises(InputError, match=r"damaged.*fracture\.json"):
        load_records(tmp_path)


def test_figures_hold_what_shares_an_axis(toy_build: Any) -> None:
    cement = [r for r in toy_build.records.values() if r.plan == "cement"]
    ((name, drawn),) = sections(cement)
    assert name == "cement-pain"
    assert [r.id for r in drawn] == [r.id for r in cement if r.k]
    other = json.loads(json.dumps(cement[0].data))
    other["question"]["points"] = [0, 100]
    assert [n for n, _ in sections([*cement, Record(other)])] == ["cement-pain", "cement-pain-2"]
