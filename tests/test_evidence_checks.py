"""What the pages say of every Bayesian result: its own sentences, its checks, and loudly what speaks against it."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta import bayes as bayesian
from vfmeta import priors
from vfmeta.core.messages import InputError
from vfmeta.evidence import summary
from vfmeta.evidence.plan import load_plan
from vfmeta.evidence.records import RECORD_VERSION, Record, load_records
from vfmeta.evidence.run import run

pytest_plugins = ("evidence_builds",)


def text_of(markup: str) -> str:
    """A page as a reader has it: no tags, single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def pooled(built: Any) -> list[Record]:
    """Every Bayesian analysis of a build, sensitivity analyses included."""
    main = list(built.records.values())
    return [r for m in main for r in (m, *m.sensitivity) if r.posterior is not None]


def test_every_bayesian_analysis_carries_its_checks(toy_build: Any) -> None:
    records = pooled(toy_build)
    assert len(records) == 6  # five main ones and DerSimonian-Laird, whose posterior is that of the main analysis
    for record in records:
        tau = priors.HalfNormal(0.5 if record.question.is_ratio else 1.0)
        mu = priors.Normal(0, 2.82 if record.question.is_ratio else 10)
        y, v = np.array([[s["estimate"], s["se"] ** 2] for s in record.data["studies"]]).T
        labels = [s["label"] for s in record.data["studies"]]
        post = bayesian.random_effects(y=y, v=v, study=labels, tau=tau, mu=mu)
        with pytest.warns(vf.VfmetaWarning, match="elpd"):
            loo = bayesian.leave_one_out(post)
        with pytest.warns(vf.VfmetaWarning, match="sees little"):
            replicates = bayesian.predictive_check(post)
        assert record.leave_one_out.elpd == pytest.approx(loo.elpd, rel=1e-8)
        assert record.leave_one_out.pit == pytest.approx(loo.pit, rel=1e-8)
        assert record.predictive_check.p_value == pytest.approx(replicates.p_value, abs=1e-8)
        scaling = bayesian.power_scaling(post)
        assert record.power_scaling.prior == pytest.approx(scaling.prior, rel=1e-8)
        assert record.power_scaling.verdict == scaling.verdict


def test_the_page_says_what_the_result_says_of_itself(toy_build: Any) -> None:
    for record in toy_build.records.values():
        page = text_of(toy_build.page(record.data["plan"]["page"]))
        if record.posterior is None:
            assert f"{record.title} The mean effect" not in page
            continue
        title, *lines = record.posterior.summary(record.power_scaling).splitlines()
        *said, prior = [x for x in lines if not x.startswith("Note: ")]
        assert f"{record.title} {record.data['answer']} {' '.join(said)}" in page
        assert prior in page[page.index("For statisticians") :]
        assert prior not in page[: page.index("For statisticians")]
        assert title not in page  # the analysis has its own title there
        for part in ("credible interval", "Probability of any benefit", "Of harm:", "In a further trial"):
            assert part in " ".join(said)
        assert "The prior decides" in prior
        for sentence in (record.leave_one_out.verdict, record.predictive_check.verdict):
            assert sentence in page
        for note in (*record.leave_one_out.warnings, *record.predictive_check.warnings):
            assert f"{record.title}: {note}" in page


def test_pain_is_told_in_points_of_0_to_10(toy_build: Any) -> None:
    post = toy_build.records["cement/pain_9m"].posterior
    low, high = sorted(abs(x) for x in post.interval)
    assert post.interval[1] < 0
    said = (
        f"The mean effect is {abs(post.estimate):.1f} points lower (95% credible interval {low:.1f} to {high:.1f} points "
        "lower) on the 0-10 scale, in favour of vertebroplasty."
    )
    assert said in text_of(toy_build.page("vertebroplasty"))
    assert f"of a benefit beyond 1.5 points (the minimal important difference): {post.p_benefit_mid:.0%}" in text_of(
        toy_build.page("vertebroplasty")
    )


def drug(built: Any, out: Path) -> tuple[Record, str]:
    """The drug analysed anew, and its page."""
    plan, trials = load_plan(built.plans / "drug.toml"), vf.load_trials(built.trials)
    (record,) = run([plan], trials, out)
    return record, text_of(summary.fragment(summary.question_view(plan, [record], {}, trials)))


@pytest.mark.slow
def test_a_failed_gate_is_in_the_result_and_on_the_page(
    toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = bayesian.sample
    monkeypatch.setattr(bayesian, "sample", lambda table, **given: sample(table, **given, draws=50, tune=200, chains=2))
    record, page = drug(toy_build, tmp_path / "build")
    failed = record.data["results"]["sampled"]["warnings"]
    assert any("Too few effective draws" in w for w in failed)
    assert (
        json.loads((tmp_path / "build" / "results" / "drug" / "fracture.json").read_text())["results"]["sampled"]["warnings"]
        == failed
    )
    alarm = f"PyMC's draws are not to be trusted and do not confirm this result. {' '.join(failed)}"
    assert page[page.index("For statisticians") :].count(alarm) == 3  # with the checks, in the table and among the warnings
    assert page[: page.index("For statisticians")].count("Not confirmed by a second computation") == 2  # table and sentences
    assert "PyMC agrees" not in page
    monkeypatch.undo()
    _, sound = drug(toy_build, tmp_path / "sound")
    assert "not to be trusted" not in sound
    assert "PyMC agrees within" in sound


def test_a_disagreement_is_loud(toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayesian, "agreement", lambda exact, sampled: 7.3)
    _, page = drug(toy_build, tmp_path / "build")
    assert "PyMC and the exact result lie 7.3 Monte Carlo errors apart, more than chance explains" in page
    assert "Not confirmed by a second computation" in page[: page.index("For statisticians")]
    assert "PyMC agrees" not in page


def test_a_check_that_cannot_be_made_says_why(toy_build: Any, tmp_path: Path) -> None:
    """An improper prior of tau carries three trials under a flat mu, and not the two that are left without one of them."""
    text = (toy_build.plans / "cement.toml").read_text(encoding="utf-8")
    head, *analyses = text.split("[[analysis]]\n")
    six = next(a for a in analyses if 'id = "pain_6m"' in a)
    stated = 'tau_prior = { family = "Uniform" }\nmu_prior = { family = "Flat" }\n'
    (tmp_path / "cement.toml").write_text(f"{head}[[analysis]]\n{six}{stated}", encoding="utf-8")
    plan, trials = load_plan(tmp_path / "cement.toml"), vf.load_trials(toy_build.trials)
    (record,) = run([plan], trials, tmp_path / "build")
    assert record.leave_one_out is None
    assert record.predictive_check is not None
    assert record.power_scaling.conflict == {"mu": None, "tau": None}
    page = text_of(summary.fragment(summary.question_view(plan, [record], {}, trials)))
    assert "Without Able 2001: The posterior is improper: with 2 studies" in page


def test_an_old_snapshot_is_refused_by_name(toy_build: Any, tmp_path: Path) -> None:
    shutil.copytree(toy_build.out / "results", tmp_path / "results")
    file = tmp_path / "results" / "drug" / "fracture.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    del data["results"]["checks"]
    file.write_text(json.dumps({**data, "record_version": 1}), encoding="utf-8")
    said = rf"another version of vfmeta \(record version 1, {RECORD_VERSION}; this one reads {RECORD_VERSION}\)"
    with pytest.raises(InputError, match=said):
        load_records(tmp_path)


def test_the_whole_review_says_how_much_its_priors_decide(real_build: Any) -> None:
    found = pooled(real_build)
    assert len(found) > 40
    for record in found:
        page = text_of(real_build.page(record.data["plan"]["page"]))
        assert record.power_scaling.verdict.startswith("The prior decides ")
        assert record.power_scaling.verdict in page
        assert record.data["results"]["checks"].keys() == {"power_scaling", "leave_one_out", "predictive_check"}
        assert record.refused_checks == []
