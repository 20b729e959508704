"""`make agreement`: it passes where the two solutions agree, and fails where one is wrong, untrustworthy or missing."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.reference_runner import agreement as command

import evidence_world as ew
import vfmeta as vf
from vfmeta import bayes as bayesian
from vfmeta import priors
from vfmeta.appraisal.agreement import Case, Compared, compare, confirm, report, verdicts
from vfmeta.bayes.monte_carlo import FIGURES, agrees, differences, limit, monte_carlo_errors, tails_of
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.run import review_cases

Y, V = [-1.0, 0.2, 0.9], [0.1, 0.2, 0.15]
LIGHT = Case("light", {"y": Y, "v": V}, priors.HalfNormal(0.5), priors.Normal(0.0, 2.82))
# a half-Cauchy prior and three trials under a flat mu: neither mu nor tau has a third moment, so no moment has a sound error
HEAVY = Case("heavy", {"y": Y, "v": V}, priors.HalfCauchy(0.5), priors.Flat())


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


@pytest.mark.slow
def test_two_roads_agree_and_the_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([LIGHT, HEAVY]) == 0
    said = capsys.readouterr().out
    for part in ("light", "heavy", "tau ~ half-normal(0.5)", "passed", "2 cases, ", "All agree."):
        assert part in said


def test_heavy_tails_are_compared_by_quantiles() -> None:
    light, heavy = compare([LIGHT, HEAVY])
    assert [d.figure for d in light.differences] == ["mean of mu", "sd of mu", "mean of tau", "sd of tau"]
    assert [d.figure for d in heavy.differences] == [
        f"{what} of {name}" for name in ("mu", "tau") for what in ("median", "low", "high")
    ]
    assert tails_of(priors.HalfCauchy(0.5), priors.Flat(), 3) == {"mu": 3.0, "tau": 3.0}
    assert tails_of(priors.HalfCauchy(0.5), priors.Normal(0, 1), 3) == {"mu": math.inf, "tau": 4.0}
    (two,) = compare([Case("two", {"y": Y[:2], "v": V[:2]}, priors.HalfCauchy(0.5), priors.Flat())])
    assert [d.figure.split()[0] for d in two.differences] == ["median", "low", "high"] * 2  # not even a mean
    assert two.worst.size < 5
    (six,) = compare([Case("six", {"y": Y * 2, "v": V * 2}, priors.HalfCauchy(0.5), priors.Flat())])  # six moments
    assert [d.figure.split()[0] for d in six.differences] == ["mean", "median", "low", "high"] * 2


@pytest.mark.parametrize("case", [LIGHT, HEAVY], ids=lambda c: c.name)
def test_a_shifted_posterior_is_caught(case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    honest = bayesian.random_effects

    def shifted(**given: Any) -> Any:
        fit = honest(**given)
        by = 0.15 * (fit.mu.interval[1] - fit.mu.interval[0]) / 4  # 0.15 posterior SDs, roughly
        low, high = fit.mu.interval
        moved = dataclasses.replace(fit.mu, mean=fit.mu.mean + by, median=fit.mu.median + by, interval=(low + by, high + by))
        return dataclasses.replace(fit, mu=moved)

    monkeypatch.setattr(bayesian, "random_effects", shifted)
    assert report([case]) == 1
    assert f"1 at fault: {case.name}." in capsys.readouterr().out


def test_what_chance_made_is_gone_at_the_second_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = bayesian.random_effects
    first = iter([0.2])

    def once(**given: Any) -> Any:
        fit = honest(**given)
        return dataclasses.replace(fit, mu=dataclasses.replace(fit.mu, mean=fit.mu.mean + next(first, 0.0)))

    monkeypatch.setattr(bayesian, "random_effects", once)
    assert report([LIGHT]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "second look)" in shown
    assert "All agree." in shown


# one of tau2, one that looks at the variances, one of mu; tests/test_models_normal.py has the model of every family
FAMILIES: list[tuple[priors.TauPrior, priors.MuPrior]] = [
    (priors.Uniform(2.0, on="tau2"), priors.Normal(0.0, 2.0)),
    (priors.DuMouchel(), priors.Normal(0.0, 2.0)),
    (priors.HalfNormal(0.5), priors.StudentT(4, 0.0, 1.0)),
]


@pytest.mark.slow
def test_priors_beyond_the_fast_model_agree_too() -> None:
    cases = [Case(f"{t}; {m}", {"y": [-0.9, -1.6, -0.2, 0.3], "v": [0.3, 0.2, 0.05, 0.09]}, t, m) for t, m in FAMILIES]
    rows = confirm(cases, compare(cases))
    assert [r.refused for r in rows] == [""] * len(cases)
    assert verdicts(rows)[1] == []
    assert [r.unsaid for r in rows] == [()] * len(cases)


def test_a_wrong_prior_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = bayesian.random_effects

    def other(**given: Any) -> Any:
        right = honest(**given)
        return dataclasses.replace(honest(**{**given, "tau": priors.HalfNormal(0.56)}), priors=right.priors)

    monkeypatch.setattr(bayesian, "random_effects", other)
    (row,) = compare([LIGHT])
    assert verdicts([row])[1] == [row]
    assert "tau" in row.worst.figure


def test_a_failed_gate_is_shown_and_an_unsaid_one_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few: dict[str, Any] = {"draws": 60, "tune": 300, "chains": 2}
    sample, posterior = bayesian.sample, bayesian.sample_posterior
    monkeypatch.setattr(bayesian, "sample", lambda **given: sample(**{**given, **few}))
    monkeypatch.setattr(bayesian, "sample_posterior", lambda **given: posterior(**{**given, **few}))
    (said,) = compare([LIGHT])
    assert any("Too few effective draws" in w for w in said.gate)
    assert said.unsaid == ()
    report([LIGHT])
    shown = " ".join(capsys.readouterr().out.split())
    assert "failed, and said:" in shown
    monkeypatch.setattr(bayesian, "sample", lambda **given: dataclasses.replace(sample(**{**given, **few}), warnings=()))
    (unsaid,) = compare([LIGHT])
    assert unsaid.unsaid == unsaid.gate != ()
    assert verdicts([unsaid])[1] == [unsaid]


def test_what_cannot_be_sampled_is_named_and_no_agreement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(**given: Any) -> Any:
        raise vf.InputError("this prior has no counterpart in PyMC here.")

    monkeypatch.setattr(bayesian, "sample", refuses)
    (row,) = compare([Case("odd", {"y": Y, "v": V}, priors.DuMouchel(), priors.Normal(0, 1))])
    assert row.refused.startswith("DuMouchel with Normal cannot be sampled: this prior has no counterpart")
    assert report([LIGHT]) == 1
    assert "HalfNormal with Normal cannot be sampled" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    (none,) = compare([Case("improper", {"y": Y[:2], "v": V[:2]}, priors.Uniform(), priors.Flat())])
    assert none.fault
    assert "no exact answer: The posterior is improper" in none.refused


@pytest.mark.parametrize("figures", [1, 4, 188])
def test_the_limit_is_the_one_stated(figures: int) -> None:
    """So many independent standard normals pass it about once in a thousand times."""
    most = limit(figures)
    assert 1 - (1 - 2 * stats.norm.sf(most)) ** figures == pytest.approx(0.001, rel=0.001)
    assert agrees(limit(100 * FIGURES) - 1e-9)
    assert not agrees(limit(100 * FIGURES) + 1e-9)


def test_monte_carlo_errors_are_the_spread_of_many_runs() -> None:
    """Draws that hang together (an autoregression), so that counting draws alone would be far off."""
    rng, rho = np.random.default_rng(2), 0.6
    found, claimed = [], []
    for _ in range(150):
        noise = rng.standard_normal((4, 1000))
        x = np.empty_like(noise)
        x[:, 0] = noise[:, 0]
        for j in range(1, 1000):
            x[:, j] = rho * x[:, j - 1] + math.sqrt(1 - rho**2) * noise[:, j]
        errors = monte_carlo_errors({"mu": x}, {"mu": math.inf}, 0.95)
        claimed.append([errors[f"mu.{w}"] for w in ("mean", "sd", "median", "low", "high")])
        found.append([x.mean(), x.std(), *np.quantile(x, [0.5, 0.025, 0.975])])
    spread = np.std(found, axis=0, ddof=1)  # known to about 6%
    assert np.mean(claimed, axis=0) == pytest.approx(spread, rel=0.25)
    assert set(monte_carlo_errors({"mu": x}, {"mu": 6.0}, 0.95)) == {"mu.mean", "mu.median", "mu.low", "mu.high"}


def test_differences_ask_for_the_same_question() -> None:
    drawn = vf.bayes.sample(y=Y, v=V, tau=LIGHT.tau, mu=LIGHT.mu, interval="shortest")
    exact = vf.bayes.random_effects(y=Y, v=V, tau=LIGHT.tau, mu=LIGHT.mu)
    assert vf.bayes.agreement(exact, drawn) == max(d.size for d in differences(exact, drawn))
    heavy = vf.bayes.sample(y=Y, v=V, tau=HEAVY.tau, mu=HEAVY.mu, interval="shortest")
    post = vf.bayes.posterior(Y, V, HEAVY.tau, HEAVY.mu)
    assert "low of mu" not in [d.figure for d in differences(post, heavy)]  # shortest intervals are no quantiles
    with pytest.raises(vf.InputError, match="different questions"):
        vf.bayes.agreement(exact, heavy)
    with pytest.raises(vf.InputError, match="was not sampled"):
        vf.bayes.agreement(exact, exact)


# what is compared


def test_every_bayesian_analysis_of_the_plans_is_a_case_once(tmp_path: Path) -> None:
    home = ew.world(tmp_path / "world")
    trials, file = vf.load_trials(home / "trials"), home / "analyses" / "cement.toml"
    cases = {c.name for c in review_cases(load_plans(home / "analyses"), trials)[0]}
    # one trial is not pooled; common effect is not Bayesian; DerSimonian-Laird has the posterior of the main analysis
    assert cases == {*(f"cement/pain_{month}m" for month in (3, 6, 9, 12)), "drug/fracture"}
    wide = 'tau_prior = { family = "HalfT", df = 4, scale = 2.0 }'
    file.write_text(file.read_text(encoding="utf-8").replace('model = "common"', wide), encoding="utf-8")
    (extra,) = [c for c in review_cases(load_plans(home / "analyses"), trials)[0] if c.name not in cases]
    assert (extra.name, str(extra.tau)) == ("cement/pain_12m, common", "tau ~ half-t(4 df, scale 2)")


def test_recorded_cases_are_those_of_bayesmeta(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = json.loads((command.DEFAULT / "bayesmeta.json").read_text(encoding="utf-8"))
    cases = command.recorded(command.DEFAULT)
    assert [c.name for c in cases] == [c["id"] for c in recorded]
    assert cases[0].given["v"] == [s**2 for s in recorded[0]["inputs"]["sigma"]]
    odd = {**recorded[0], "options": {**recorded[0]["options"], "tau_prior": {"type": "horseshoe"}}}
    (tmp_path / "odd.json").write_text(json.dumps([odd]), encoding="utf-8")
    assert command.recorded(tmp_path) == []
    assert "bayesmeta prior of tau: horseshoe" in capsys.readouterr().out
    assert command.main([f"CASES={tmp_path / 'nowhere'}"]) == 2


@pytest.mark.slow
def test_the_command_runs_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ew.world(tmp_path / "world")
    (home / "analyses" / "cement.toml").unlink()
    one = json.loads((command.DEFAULT / "bayesmeta.json").read_text(encoding="utf-8"))[:1]
    (tmp_path / "one.json").write_text(json.dumps(one), encoding="utf-8")
    given = [f"CASES={tmp_path / 'one.json'}", f"TRIALS={home / 'trials'}", f"PLANS={home / 'analyses'}"]
    assert command.main(given) == 0
    said = capsys.readouterr().out
    assert "drug/fracture" in said
    assert "2 cases" in said


def test_a_row_without_a_fault_is_no_fault() -> None:
    assert verdicts([Compared("a", 3, ())])[1] == []
