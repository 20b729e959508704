"""Random effects with a t between the trials, summed over a grid; the rule by which pages show it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import vfmeta as vf
from evidence_builds import Built
from evidence_world import PAIN
from vfmeta.bayes.heavy_tails import heavy_tails
from vfmeta.evidence import fit
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.run import choices_of

pytest_plugins = ("evidence_builds",)
Y, V = np.array([-0.5, -0.3, -0.4, -3.0, 0.1]), np.array([0.05, 0.02, 0.08, 0.05, 0.04])
TAU, MU = vf.priors.HalfNormal(0.7), vf.priors.Normal(0.0, 2.0)


def by_hand(df: float) -> tuple[float, float, float]:
    """Mean, P(mu < 0) and P(next < -1) from the density itself: every trial's own effect integrated by Gauss-Hermite steps."""
    z, w = np.polynomial.hermite_e.hermegauss(60)
    # nine digits of the mean, as on a grid three times as fine either way; 0 lies midway between two of its points
    mus, taus = np.linspace(-4.5, 3.5, 201), np.linspace(0.004, 4.0, 100)
    log = stats.norm.logpdf(mus, 0, 2)[:, None] + stats.halfnorm.logpdf(taus, scale=0.7)
    for y, v in zip(Y, V, strict=True):
        at = y + np.sqrt(v) * z  # theta given y alone: the t is smooth over it where tau is not far below the error
        density = sum(b * stats.t.pdf(a, df, mus[:, None], taus) for a, b in zip(at, w, strict=True)) / w.sum()
        log = log + np.log(density)
    p = np.exp(log - log.max())
    p /= p.sum()
    ahead = stats.t.cdf(-1.0, df, mus[:, None], taus)
    return float(p.sum(1) @ mus), float(p[mus < 0].sum()), float((p * ahead).sum())


def test_it_is_the_model_it_says() -> None:
    post = vf.bayes.random_effects(y=Y, v=V, tau=TAU, mu=MU, study=list("abcde"))
    found = heavy_tails(post, 4)
    mean, below, ahead = by_hand(4)
    assert found.mean == pytest.approx(mean, abs=2e-3)
    assert found.p_below == pytest.approx(below, abs=2e-3)
    low, high = found.prediction
    assert low < -1 < high
    assert 0.025 < ahead < 0.975
    assert found.labels[int(np.argmin(found.relative_precision))] == "d"
    assert found.estimate > post.estimate  # the trial far below pulls less


def test_the_mixture_of_normals_is_a_t() -> None:
    """One trial and next to no error: its likelihood is a t density, so the posterior under a flat mean is one about it."""
    from vfmeta.bayes.models._robust import mixing

    logw, u = mixing(np, np.array([4.0]))
    for x in (0.0, 0.7, 3.0, 9.0):
        made = float(np.exp(logw - 0.5 * (x**2 * np.exp(u) - u) - 0.5 * np.log(2 * np.pi)).sum())
        exact, _ = integrate.quad(
            lambda lam, x=x: stats.norm.pdf(x, 0, lam**-0.5) * stats.gamma.pdf(lam, 2, scale=0.5), 0, np.inf
        )
        assert made == pytest.approx(stats.t.pdf(x, 4), rel=1e-4)
        assert exact == pytest.approx(stats.t.pdf(x, 4), rel=1e-6)


def test_with_many_degrees_of_freedom_it_is_the_normal_model() -> None:
    y = np.array([-0.5, -0.3, -0.4, -0.9, 0.1])
    post = vf.bayes.random_effects(y=y, v=V, tau=TAU, mu=MU)
    found = heavy_tails(post, 2000)
    assert found.estimate == pytest.approx(post.estimate, abs=1e-3)
    assert found.interval == pytest.approx(post.interval, abs=5e-3)
    assert found.tau == pytest.approx(post.tau.median, abs=2e-3)
    assert found.prediction == pytest.approx(post.next_trial.interval, abs=5e-3)


@pytest.mark.slow
def test_pymc_draws_from_it() -> None:
    post = vf.bayes.random_effects(y=Y, v=V, tau=TAU, mu=MU)
    found = heavy_tails(post, 4)
    drawn = vf.bayes.models.robust(y=Y, v=V, tau=TAU, mu=MU, df=4).sample(seed=1, progress=False)
    row = drawn.to_frame().set_index("term").loc["mu"]
    assert found.mean == pytest.approx(row["mean"], abs=4 * row["se"] / row["ess_bulk"] ** 0.5)


def test_the_rule_stands_in_the_plan() -> None:
    plans = {p.id: p for p in load_plans()}
    rule = plans["vertebroplasty_usual_care"].scattered
    assert (rule.i2, rule.k, rule.df) == (75, 5, 4)
    for plan in plans.values():
        assert choices_of(plan, plan.analysis[0])["scattered"] == plan.scattered.model_dump()


@pytest.mark.parametrize(("rule", "there"), [({}, True), ({"i2": 99.0}, False), ({"k": 6}, False)])
def test_only_trials_that_disagree_are_shown_so(rule: dict[str, float], there: bool) -> None:
    table = vf.effect_table({"y": Y, "v": V}, y="y", v="v", question=vf.Question(measure="MD", points=(0, 10)))
    assert 75 < vf.random_effects(table).i2 < 99
    choices = {
        "scattered": {"i2": 75.0, "k": 5, "df": 4.0} | rule,
        "tau_prior": {"family": "HalfNormal", "scale": 0.7},
        "mu_prior": {"family": "Normal", "mean": 0.0, "sd": 2.0},
    }
    found = fit.answers(fit.inputs_of(table, choices, sample=False, name=""), "")["scattered"]
    assert (found is not None) == there
    if found:
        others = vf.bayes.random_effects(y=Y[1:], v=V[1:], tau=TAU, mu=vf.priors.Normal(0, 2), question=table.question)
        assert found["without"][0]["estimate"] == pytest.approx(others.estimate, abs=1e-6)
        assert [row["study"] for row in found["without"]] == list(table.labels)


def test_the_page_says_what_the_mean_does_not(toy_build: Built) -> None:
    record, page = toy_build.records["cement/pain_12m"], toy_build.page("vertebroplasty")
    assert record.k == len(PAIN[12])
    assert record.frequentist.i2 > 75
    assert page.count("Where the trials disagree") == 1
    assert "Five trials disagree far more than chance explains." in page
    assert f"I² is {record.frequentist.i2:.0f}%" in page
    assert all(f'<th scope="row">{s["label"]}</th>' in page for s in record.data["studies"])
    others = [r for r in toy_build.records.values() if r.id != "pain_12m"]
    assert all(r.data["results"]["scattered"] is None for r in others)
