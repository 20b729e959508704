"""statsmodels as the second engine: answers known by hand, one engine broken, and what it has no road to."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import evidence_world as ew
import vfmeta as vf
from vfmeta.appraisal.agreement import report_pools
from vfmeta.appraisal.second_engine import LIMIT, SecondPool, second_counts, second_pool
from vfmeta.core.messages import InputError
from vfmeta.evidence import fit as fitting
from vfmeta.evidence import summary
from vfmeta.evidence.plan import load_plan
from vfmeta.evidence.run import run

pytest_plugins = ("evidence_builds",)
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")

Y, V = [0.0, 1.0, 2.0], [0.25, 0.25, 0.25]  # of one variance: the mean is 1, the sample variance of the effects 1


def theirs(found: SecondPool) -> dict[str, float]:
    return {f.figure: f.theirs for f in found.figures}


# tau2 where all variances are v: S2 - v by moments and REML, (k - 1) / k S2 - v by ML
@pytest.mark.parametrize(("method", "tau2"), [("DL", 0.75), ("PM", 0.75), ("REML", 0.75), ("ML", 2 / 3 - 0.25)])
def test_equal_variances_have_answers_known_by_hand(method: str, tau2: float) -> None:
    found = second_pool(vf.random_effects(y=Y, v=V, method=method, test="Wald"))
    se = math.sqrt((tau2 + 0.25) / 3)
    z = stats.norm.ppf(0.975)
    known = {"estimate": 1.0, "SE": se, "lower end": 1 - z * se, "upper end": 1 + z * se, "tau2": tau2, "Q": 2 / 0.25}
    assert theirs(found) == pytest.approx(known, rel=1e-6)
    assert found.agrees


@pytest.mark.parametrize("method", ["DL", "PM", "REML", "ML"])
def test_hartung_knapp_is_the_spread_of_equally_weighted_effects(method: str) -> None:
    """With one variance the Hartung-Knapp error is S / sqrt(k), whatever tau2 is."""
    found = second_pool(vf.random_effects(y=Y, v=V, method=method, test="HKSJ"))
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert theirs(found)["SE"] == pytest.approx(1 / math.sqrt(3), rel=1e-6)
    assert theirs(found)["lower end"] == pytest.approx(1 - half, rel=1e-6)
    assert found.agrees


def test_dersimonian_laird_by_its_formula() -> None:
    y, se = [-0.4, 0.3, 0.9, 0.1], [0.2, 0.35, 0.25, 0.1]
    mean, error, tau2 = ew.dersimonian_laird(y, se)
    found = second_pool(vf.random_effects(y=y, v=np.square(se), method="DL", test="Wald"))
    assert [theirs(found)[x] for x in ("estimate", "SE", "tau2")] == pytest.approx([mean, error, tau2])
    assert found.itself == ("tau2", "estimate", "SE", "interval", "Q")
    assert found.from_us == ("effects", "variances")
    assert found.notes == ()


@pytest.mark.parametrize("interval", ["Wald", "HKSJ", "HKSJ-adhoc", "t"])
def test_a_negative_tau2_is_cut_at_zero_and_said(interval: str) -> None:
    y, v = [0.1, 0.12, 0.15], [0.2, 0.3, 0.1]
    found = second_pool(vf.random_effects(y=y, v=v, method="DL", test=interval))
    assert theirs(found)["tau2"] == 0
    assert theirs(found)["estimate"] == pytest.approx(ew.common(y, np.sqrt(v).tolist())[0])
    assert len(found.notes) == 1
    assert "it was cut at 0" in found.notes[0]
    q, w = theirs(found)["Q"], 1 / np.asarray(v)
    uncut = (q - 2) / (w.sum() - (w**2).sum() / w.sum())
    assert f"statsmodels' own tau2 is {uncut:.3g};" in found.notes[0]
    assert found.agrees


def test_a_common_effect_and_a_held_tau2() -> None:
    y, v = [0.2, 0.9, 0.4], [0.1, 0.2, 0.05]
    mean, se = ew.common(y, np.sqrt(v).tolist())
    found = second_pool(vf.common_effect(y=y, v=v))
    assert (theirs(found)["estimate"], theirs(found)["SE"]) == pytest.approx((mean, se))
    assert "tau2" not in theirs(found)
    mean, se = ew.common(y, np.sqrt(np.add(v, 0.3)).tolist())
    held = second_pool(vf.random_effects(y=y, v=v, tau2=0.3, test="t"))
    assert (theirs(held)["estimate"], theirs(held)["SE"]) == pytest.approx((mean, se))
    assert "tau2, which was held" in held.from_us
    assert found.agrees
    assert held.agrees


def test_both_engines_agree_on_pools_of_every_shape() -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        k = int(rng.integers(2, 12))
        v = rng.gamma(2.0, 0.05, k) + 0.001
        y = rng.normal(0.0, np.sqrt(v + rng.choice([0.0, 0.05, 0.5])))
        for method in ("DL", "PM", "REML", "ML"):
            found = second_pool(
                vf.random_effects(y=y, v=v, method=method, test=str(rng.choice(["HKSJ", "HKSJ-adhoc", "Wald"])))
            )
            assert found.agrees, (method, found.worst)


# one engine broken

BREAKS: dict[str, Any] = {
    "tau2": lambda f, by: {"tau2": f.tau2 + by},
    "estimate": lambda f, by: {"estimate": f.estimate + by},
    "SE": lambda f, by: {"se": f.se + by},
    "lower end": lambda f, by: {"interval": (f.interval[0] - by, f.interval[1])},
    "upper end": lambda f, by: {"interval": (f.interval[0], f.interval[1] + by)},
    "Q": lambda f, by: {"q": dataclasses.replace(f.q, statistic=f.q.statistic + by)},
}


@pytest.mark.parametrize("figure", BREAKS)
@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM"])
def test_a_shifted_figure_is_flagged(method: str, figure: str, capsys: pytest.CaptureFixture[str]) -> None:
    honest = vf.random_effects(y=[-0.4, 0.3, 0.9, 0.1], v=[0.04, 0.12, 0.06, 0.01], method=method)
    assert report_pools({"honest": honest}) == 0
    shifted = dataclasses.replace(honest, **BREAKS[figure](honest, 1e-3))
    found = second_pool(shifted)
    assert not found.agrees
    assert found.worst.figure == figure
    assert report_pools({"honest": honest, "shifted": shifted}) == 1
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"({figure}: DISAGREE)" in said
    assert "1 at fault: shifted." in said


def test_a_shifted_tau2_of_the_pool_itself_is_flagged() -> None:
    """The engine that pools at another tau2 than REML's is found out by estimate, error and tau2 alike."""
    y, v = [-0.4, 0.3, 0.9, 0.1], [0.04, 0.12, 0.06, 0.01]
    honest = vf.random_effects(y=y, v=v)
    moved = vf.random_effects(y=y, v=v, tau2=honest.tau2 * 1.02)
    lying = dataclasses.replace(moved, method="REML")
    sizes = {f.figure: f.size for f in second_pool(lying).figures}
    assert min(sizes[x] for x in ("estimate", "SE", "tau2")) > LIMIT
    assert sizes["Q"] < LIMIT


# counts

A, N1, C, N2 = [4, 6, 3, 10], [100, 120, 80, 200], [8, 9, 9, 12], [100, 120, 80, 200]


def count_cases() -> list[tuple[str, str | None, dict[str, Any], float, float]]:
    """Measure, model, counts, and estimate and SE by their formula: pooled counts, as arms are of one size."""
    a, c, n = sum(A), sum(C), sum(N1)
    rate = {"events1": A, "time1": N1, "events2": C, "time2": N2}
    return [
        ("PLO", None, {"events": A, "n": N1}, math.log(a / (n - a)), math.sqrt(1 / a + 1 / (n - a))),
        ("IRLN", None, {"events": A, "time": N1}, math.log(a / n), math.sqrt(1 / a)),
        ("IRR", "CM.EL", rate, math.log(a / c), math.sqrt(1 / a + 1 / c)),
        ("IRR", "UM.FS", rate, math.log(a / c), math.sqrt(1 / a + 1 / c)),
    ]


@pytest.mark.parametrize(("measure", "model", "counts", "estimate", "se"), count_cases())
def test_counts_with_answers_known_by_hand(
    measure: str, model: str | None, counts: dict[str, Any], estimate: float, se: float
) -> None:
    fit = vf.glmm(measure, model=model, heterogeneity="common", **counts)
    found = second_counts(fit, **counts)
    assert (theirs(found)["estimate"], theirs(found)["SE"]) == pytest.approx((estimate, se), rel=1e-7)
    assert found.agrees
    assert not second_counts(dataclasses.replace(fit, estimate=fit.estimate + 1e-3), **counts).agrees


@pytest.mark.parametrize("model", ["UM.FS", "CM.AL"])
def test_odds_ratios_agree_and_a_study_without_events_says_nothing(model: str) -> None:
    counts = {"events1": [*A, 0], "n1": [*N1, 50], "events2": [*C, 0], "n2": [*N2, 60]}
    assert second_counts(vf.glmm("OR", model=model, heterogeneity="common", **counts), **counts).agrees


# no road


def test_what_statsmodels_cannot_do_is_refused_in_words() -> None:
    odds = {"events1": A, "n1": N1, "events2": C, "n2": N2}
    for fit, said in (
        (vf.random_effects(y=Y[:1], v=V[:1]), "nothing was pooled"),
        (vf.random_effects(y=Y, v=V, method="SJ"), "no SJ estimator"),
        (vf.random_effects(y=Y, v=V, weights="equal"), "weights of its own"),
    ):
        with pytest.raises(InputError, match=said):
            second_pool(fit)
    with pytest.raises(InputError, match="no random effects"):
        second_counts(vf.glmm("OR", **odds), **odds)
    with pytest.raises(InputError, match="hypergeometric"):
        second_counts(vf.glmm("OR", model="CM.EL", heterogeneity="common", **odds), **odds)


# in the review


def test_a_second_pool_can_be_read_back() -> None:
    found = second_pool(vf.random_effects(y=Y, v=V))
    assert SecondPool.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_every_pool_of_a_build_has_a_second_on_its_page(toy_build: Any) -> None:
    pooled = [p for r in toy_build.records.values() for p in (r, *r.sensitivity) if p.k > 1]
    assert {p.second.method for p in pooled} == {"REML", "DL", "common effect"}
    for part in pooled:
        assert part.second.agrees
        assert theirs(part.second)["estimate"] == pytest.approx(part.frequentist.estimate, rel=1e-6)
    page = toy_build.page("vertebroplasty")
    assert "Every frequentist pool computed a second time, by statsmodels</h4>" in page
    assert "not all agree" not in page
    assert "statsmodels and vfmeta disagree" not in page


def test_a_disagreement_is_loud_on_the_page(toy_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fitting.second_pool
    monkeypatch.setattr(fitting, "second_pool", lambda pool: honest(dataclasses.replace(pool, tau2=pool.tau2 + 0.01)))
    plan, trials = load_plan(toy_build.plans / "drug.toml"), vf.load_trials(toy_build.trials)
    (record,) = run([plan], trials, tmp_path / "build")
    page = summary.fragment(summary.question_view(plan, [record], {}, trials))
    assert page.count("statsmodels and vfmeta disagree on the tau2 of the frequentist pool") == 3  # table, fold, warnings
    assert ": not all engines agree</summary>" in page
