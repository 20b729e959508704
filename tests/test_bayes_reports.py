"""Trials that print only a part of their result, held to reference posteriors, to double integrals and to the closed form."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import integrate, stats
from tests.reference_runner.common import check

import vfmeta as vf

CASES = json.loads((Path(__file__).parent / "reference" / "reports.json").read_text(encoding="utf-8"))["cases"]
TAU, MU = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
Y, SE = [-0.6, -0.1, 0.3, -0.9], [0.2, 0.3, 0.25, 0.4]
PAIN = vf.Question(measure="MD", points=(0, 10), higher_is_worse=True, mid=1.0, experimental="drug", control="placebo")


def mixed(**more: Any) -> Any:
    frame = {
        "trial": ["A", "B", "C", "D", "E", "F"],
        "kind": ["full", "full", "not_significant", "p_bound", "direction", "significant"],
        "y": [-0.6, -0.1, None, None, None, None], "se": [0.2, 0.3, 0.25, 0.3, 0.4, 0.35],
        "p": [None, None, None, 0.01, None, None],
        "direction": [None, None, None, "experimental", "control", -1],
    }  # fmt: skip
    return vf.bayes.reports(frame, study="trial", **{"tau": TAU, "mu": MU, "question": PAIN} | more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_posterior_is_that_of_the_reference(case: dict[str, Any]) -> None:
    outcome = check(case | {"family": "reports"})
    assert outcome.group == "right", outcome
    assert len(outcome.compared) == (0 if "refusal" in case["expect"] else 12 if "evidence" in case["expect"] else 11)


@pytest.mark.parametrize("tau", [TAU, vf.priors.HalfCauchy(0.5)], ids=str)
@pytest.mark.parametrize("mu", [MU, vf.priors.Flat(), vf.priors.StudentT(4, 0, 1)], ids=str)
def test_full_reports_alone_are_the_usual_pool(tau: Any, mu: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = vf.bayes.reports(kind=["full"] * 4, y=Y, se=SE, tau=tau, mu=mu)
        pool = vf.bayes.random_effects(y=Y, se=SE, tau=tau, mu=mu)
    for name in ("estimate", "se", "interval", "prediction", "tau2", "weights", "shrunken_mean", "shrunken_sd",
                 "shrunken_low", "shrunken_high", "prior_share"):  # fmt: skip
        np.testing.assert_allclose(getattr(fit, name), getattr(pool, name), rtol=1e-8, atol=1e-8, err_msg=name)
    assert fit.mu.mode == pytest.approx(pool.mu.mode, abs=1e-8)
    assert (fit.log_evidence is None) == (pool.log_evidence is None)
    assert fit.log_evidence == pytest.approx(pool.log_evidence, abs=1e-8)


def evidence(likelihood: Any) -> tuple[float, float]:
    """Total, and mean of mu, under N(0, 2) and half-normal(0.5), by a grid of Gauss-Legendre nodes."""
    x, w = np.polynomial.legendre.leggauss(240)
    mu, tau = (10 * x)[:, None], 2 * (x + 1)
    mass = likelihood(mu, tau) * stats.norm.pdf(mu, 0, 2) * stats.halfnorm.pdf(tau, scale=0.5) * (10 * w)[:, None] * 2 * w
    return float(mass.sum()), float((mu * mass).sum() / mass.sum())


def test_kinds_have_the_likelihoods_they_are_said_to_have() -> None:
    z = stats.norm.isf(0.015)  # two-sided p = 0.03
    with pytest.warns(vf.VfmetaWarning, match="No trial prints an estimate with its"):
        fit = vf.bayes.reports(
            kind=["p_exact", "not_significant", "direction"], se=[0.5, 0.4, 0.8], p=[0.03, 0.1, None], direction=[-1, 1, -1],
            tau=TAU, mu=MU,
        )  # fmt: skip

    def likelihood(mu: np.ndarray, tau: np.ndarray) -> np.ndarray:
        a, b, c = (np.hypot(se, tau) for se in (0.5, 0.4, 0.8))
        within = stats.norm.cdf((stats.norm.isf(0.05) * 0.4 - mu) / b) - stats.norm.cdf(-mu / b)
        return np.asarray(stats.norm.pdf(-z * 0.5, mu, a) * within * stats.norm.cdf(-mu / c))

    total, mean = evidence(likelihood)
    assert fit.log_evidence == pytest.approx(math.log(total), abs=1e-7)
    assert fit.mu.mean == pytest.approx(mean, abs=1e-7)
    assert fit.y[0] == pytest.approx(-z * 0.5)
    assert np.isnan(fit.y[1:]).all()


def test_a_standardised_difference_needs_no_sd() -> None:
    """Its SD is 1: arms of 20 and 30 make a standard error of (1/20 + 1/30)^(1/2), and with it a p value is an estimate."""
    z, rooted = stats.norm.isf(0.015), math.sqrt(1 / 20 + 1 / 30)  # two-sided p = 0.03
    fit = vf.bayes.reports(
        kind=["p_exact", "not_significant", "direction", "significant", "estimate_only", "full"],
        y=[None, None, None, None, -0.6, -0.2], se=[None, None, None, None, None, 0.3], p=[0.03, 0.1, None, None, None, None],
        direction=[-1, 1, -1, -1, None, None], n1=[20, 20, 20, 20, 40, None], n2=[30, 30, 30, 30, 40, None],
        question=vf.Question(measure="SMD", higher_is_worse=True), tau=TAU, mu=MU,
    )  # fmt: skip
    own = [math.hypot(rooted, z * rooted / 10), rooted, rooted, rooted, math.sqrt(1 / 20 + 0.36 / 160), 0.3]

    def likelihood(mu: np.ndarray, tau: np.ndarray) -> np.ndarray:
        a, b, c, d, e, f = (np.hypot(se, tau) for se in own)
        within = stats.norm.cdf((stats.norm.isf(0.05) * rooted - mu) / b) - stats.norm.cdf(-mu / b)
        words = within * stats.norm.cdf(-mu / c) * stats.norm.cdf((-stats.norm.isf(0.025) * rooted - mu) / d)
        figures = stats.norm.pdf(-z * rooted, mu, a) * stats.norm.pdf(-0.6, mu, e) * stats.norm.pdf(-0.2, mu, f)
        return np.asarray(words * figures)

    total, mean = evidence(likelihood)
    assert fit.log_evidence == pytest.approx(math.log(total), abs=1e-7)
    assert fit.mu.mean == pytest.approx(mean, abs=1e-7)
    assert np.sqrt(fit.v) == pytest.approx(own)
    assert np.isnan(fit.unit).all()
    assert fit.sds == ()
    assert fit.says[0] == "lower, p = 0.03"


def test_an_estimate_with_its_p_value_is_a_full_report() -> None:
    one = vf.bayes.reports(kind=["p_exact", "full"], y=[-0.8, -0.2], se=[None, 0.3], p=[0.04, None], tau=TAU, mu=MU)
    two = vf.bayes.reports(kind=["full", "full"], y=[-0.8, -0.2], se=[0.8 / stats.norm.isf(0.02), 0.3], tau=TAU, mu=MU)
    assert one.interval == pytest.approx(two.interval, abs=1e-9)


def test_words_against_the_figures_are_still_integrated() -> None:
    """A bound of z far on the other side of precise estimates: logs of tails, not tails."""
    fit = vf.bayes.reports(
        kind=["full", "full", "significant"], y=[-3.0, -3.1, None], se=[0.05, 0.05, 0.05], direction=[None, None, 1],
        tau=vf.priors.HalfNormal(0.05), mu=MU,
    )  # fmt: skip

    shift = -150.0

    def height(tau: np.ndarray) -> np.ndarray:
        mu = np.linspace(-4, 0, 2001)[:, None]
        s = np.hypot(0.05, tau)
        logs = stats.norm.logpdf(-3.0, mu, s) + stats.norm.logpdf(-3.1, mu, s) + stats.norm.logpdf(mu, 0, 2)
        logs = logs + stats.norm.logsf((stats.norm.isf(0.025) * 0.05 - mu) / s) + stats.halfnorm.logpdf(tau, scale=0.05)
        return np.stack([np.exp(logs - shift).sum(0), (mu * np.exp(logs - shift)).sum(0)]) * 0.002

    grid = np.linspace(1e-6, 1.2, 1201)
    total, first = integrate.simpson(height(grid), x=grid)
    assert fit.log_evidence == pytest.approx(math.log(total) + shift, abs=1e-6)
    assert fit.mu.mean == pytest.approx(first / total, abs=1e-6)


def test_a_flat_mean_needs_bounds_on_both_sides() -> None:
    one = {"kind": ["direction", "significant"], "se": [0.4, 0.3], "tau": TAU, "mu": vf.priors.Flat()}
    with pytest.raises(vf.InputError, match="bounds the effect from above only"):
        vf.bayes.reports(**one, direction=[-1, -1])
    with pytest.raises(vf.InputError, match="large values of tau are not ruled out"):
        vf.bayes.reports(**one | {"tau": vf.priors.HalfCauchy(0.5)}, direction=[-1, 1])
    with pytest.warns(vf.VfmetaWarning, match="No trial prints an estimate"):
        assert math.isfinite(vf.bayes.reports(**one, direction=[-1, 1]).estimate)


def test_every_fault_is_named_by_row_and_column() -> None:
    with pytest.raises(vf.InputError) as told:
        vf.bayes.reports(
            kind=["full", "sig", "p_bound", "direction", "significant", None, "not_significant"],
            y=[1, None, None, 1, None, 2, None], se=[0.1, 0.2, None, None, -1, 0.2, 0.2],
            p=[None, None, 0.01, None, 2, None, "<1"], direction=[1, 2, None, -1, "experimental", None, None], tau=TAU,
        )  # fmt: skip
    said = "\n".join(told.value.problems)
    for part in (
        "row 2 (study 2), column kind: kind='sig' is unknown", "row 6 (study 6), column kind: missing value",
        "row 5 (study 5), column se: the standard error is -1", "row 2 (study 2), column direction: 2 is no direction",
        "row 5 (study 5), column direction: 'experimental' names the better arm", "row 3 (study 3), column direction: missing",
        "row 3 (study 3), column se: missing", "row 4 (study 4), column direction: the direction is -1, the estimate 1",
        "row 5 (study 5), column p: 2 is no p value", "row 7 (study 7), column p: '<1' is a bound",
    ):  # fmt: skip
        assert part in said
    assert len(told.value.problems) == len({p.partition(": ")[0] for p in told.value.problems})


def test_the_better_arm_is_turned_into_a_sign() -> None:
    worse, better = (vf.Question(measure="MD", points=(0, 10), higher_is_worse=x) for x in (True, False))
    own: dict[str, Any] = {"kind": ["full", "significant"], "y": [-0.5, None], "se": [0.3, 0.3], "tau": TAU, "mu": MU}
    for question, sign in ((worse, -1), (better, 1)):
        named = vf.bayes.reports(**own, direction=[None, "experimental"], question=question)
        assert named.interval == vf.bayes.reports(**own, direction=[None, sign], question=question).interval


def test_no_difference_is_where_the_question_puts_it() -> None:
    """All of it moved by a constant is the same answer, moved."""
    here = vf.bayes.reports(
        kind=["full", "significant", "direction"], y=[0.3, None, None], se=[0.3, 0.2, 0.4], direction=[None, 1, -1], tau=TAU,
        mu=MU,
    )  # fmt: skip
    moved = math.log(1.5)
    there = vf.bayes.reports(
        kind=["full", "significant", "direction"], y=[0.3 + moved, None, None], se=[0.3, 0.2, 0.4], direction=[None, 1, -1],
        tau=TAU, mu=vf.priors.Normal(moved, 2), question=vf.Question(measure="RR", no_difference=1.5),
    )  # fmt: skip
    assert np.array(there.interval) - moved == pytest.approx(np.array(here.interval), abs=1e-9)


def test_columns_of_a_frame_and_rows_of_a_table() -> None:
    fit = mixed()
    assert fit.labels == ("A", "B", "C", "D", "E", "F")
    assert fit.studies["kind"].tolist()[2:4] == ["not_significant", "p_bound"]
    assert fit.says[3] == "significantly lower (p < 0.01)"
    table = vf.effect_table(y=Y, se=SE, question=PAIN)
    assert vf.bayes.reports(table, tau=TAU, mu=MU).interval == pytest.approx(
        vf.bayes.random_effects(table, tau=TAU, mu=MU).interval, abs=1e-8
    )
    with pytest.raises(vf.InputError, match="Give kind="):
        vf.bayes.reports(y=Y, se=SE, tau=TAU)


def test_how_much_rests_on_what() -> None:
    fit = mixed()
    rests = fit.rests_on().set_index("term")
    full = vf.bayes.random_effects(y=[-0.6, -0.1], se=[0.2, 0.3], tau=TAU, mu=MU, question=PAIN)
    got = rests.loc["full reports only", ["estimate", "ci_low", "ci_high", "p_benefit", "p_benefit_mid"]].to_numpy(dtype=float)
    assert got == pytest.approx([full.estimate, *full.interval, full.p_benefit, full.p_benefit_mid], abs=1e-8)
    assert [name for name in rests.index if name.startswith("without")] == [f"without {x}" for x in "CDEF"]
    wide = mixed(mu=vf.priors.Normal(0, 4))
    assert rests.loc["prior of mu twice as wide", "ci_low"] == pytest.approx(wide.interval[0], abs=1e-9)
    left = vf.leave_one_out(fit).set_index("study")
    assert left.loc["D", "ci_low"] == pytest.approx(rests.loc["without D", "ci_low"], abs=1e-9)
    assert left.loc["A", "k"] == 5


def test_the_band_in_the_forest_plot_is_the_likelihood_of_the_words() -> None:
    plt.switch_backend("Agg")
    ax = vf.plots.forest(posterior=mixed())
    edges = [line for line in ax.lines if line.get_gid() == "band-edge"]
    assert len(edges) == 2 * 4  # C to F print no estimate
    x, y = edges[2].get_data()  # D: p < 0.01, se 0.3
    y = np.asarray(y) - ax_row(edges[2:4])
    z = stats.norm.isf(0.005)
    likely = stats.norm.cdf(-z - np.asarray(x) / 0.3)
    np.testing.assert_allclose(y / y[0], likely / likely[0], atol=1e-9)
    assert sum(line.get_gid() == "arrow" for line in ax.lines) == 3  # D and F to the left, E to the right
    said = " ".join(text.get_text() for text in ax.texts)
    assert "significantly lower (p < 0.01)" in said
    assert "Band: a trial that prints no estimate" in said
    plt.close("all")


def ax_row(pair: Any) -> float:
    """The middle between both edges of a band."""
    return float(np.mean([line.get_ydata() for line in pair]))


def test_the_checks_of_the_exact_engine_are_its_own_where_all_reports_are_full() -> None:
    rows: dict[str, Any] = {"y": [-0.8, -0.4, -1.1, 0.1], "se": [0.3, 0.2, 0.4, 0.35], "study": list("ABCD")}
    priors: dict[str, Any] = {"tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Normal(0, 2)}
    ours, theirs = vf.bayes.reports(**rows, kind=["full"] * 4, **priors), vf.bayes.random_effects(**rows, **priors)
    for verb in (vf.bayes.power_scaling, vf.bayes.leave_one_out, vf.bayes.predictive_check):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", vf.VfmetaWarning)
            a, b = verb(ours).to_frame(), verb(theirs).to_frame()
        numbers = a.select_dtypes("number").columns
        assert list(a.columns) == list(b.columns)
        np.testing.assert_allclose(a[numbers], b[numbers], rtol=0, atol=2e-6)


def test_leaving_out_gives_each_report_its_probability_and_words_no_place() -> None:
    """P(y < 0) and P(|y| < z se) of a further trial, from the exact posterior of the others."""
    full: dict[str, Any] = {"y": [-0.8, -0.4, -0.1], "se": [0.3, 0.2, 0.4]}
    priors: dict[str, Any] = {"tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Normal(0, 2)}
    ahead = vf.bayes.posterior(np.array(full["y"]), np.square(full["se"]), priors["tau"], priors["mu"]).next_trial

    def below(x: float) -> float:
        return float(ahead.p @ stats.norm.cdf((x - ahead.m) / np.hypot(ahead.s, 0.5)))

    z = 0.5 * stats.norm.isf(0.025)
    for kind, way, want in (("direction", -1, below(0)), ("not_significant", None, below(z) - below(-z))):
        rows = {
            "y": [*full["y"], None], "se": [*full["se"], 0.5], "kind": ["full"] * 3 + [kind], "direction": [None] * 3 + [way],
            "study": list("ABCD"),
        }  # fmt: skip
        with pytest.warns(vf.VfmetaWarning, match="elpd"):
            out = vf.bayes.leave_one_out(vf.bayes.reports(**rows, **priors))
        assert out.log_density[3] == pytest.approx(math.log(want), abs=1e-7)
        assert [math.isnan(x) for x in out.pit] == [False] * 3 + [True]
        assert out.verdict.startswith("Each of the 3 trials that print an estimate")


def test_scatter_is_checked_of_the_trials_that_print_their_estimate() -> None:
    fit = vf.bayes.reports(
        kind=["full", "full", "direction"], y=[-0.8, -0.4, None], se=[0.3, 0.2, 0.5], direction=[None, None, -1],
        study=list("ABC"), tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 2),
    )  # fmt: skip
    with pytest.warns(vf.VfmetaWarning) as said:
        seen = vf.bayes.predictive_check(fit, draws=100)
    assert "not of C" in str(said[0].message)
    assert seen.observed["q"] == pytest.approx(0.4**2 / (0.3**2 + 0.2**2))
    alone = vf.bayes.reports(
        kind=["full", "direction"], y=[-0.8, None], se=[0.3, 0.5], direction=[None, -1], tau=vf.priors.HalfNormal(0.5),
        mu=vf.priors.Normal(0, 2),
    )  # fmt: skip
    with pytest.raises(vf.InputError, match="Of 2 trials 1 with an estimate: there is no scatter to check"):
        vf.bayes.predictive_check(alone)


def test_a_report_left_out_is_one_never_given() -> None:
    """The log evidence with and without it differs by its predictive probability, instruments that fall away included."""
    rows: dict[str, Any] = {
        "kind": ["full", "significant", "direction", "p_exact"], "y": [-0.6, None, None, None], "se": [0.3, None, None, None],
        "n1": [None, 30, 25, 40], "n2": [None, 28, 25, 41], "p": [None, None, None, 0.04], "direction": [None, -1, -1, -1],
        "instrument": ["VAS", "VAS", "ODI", "VAS"],
    }  # fmt: skip
    more: dict[str, Any] = {
        "tau": vf.priors.HalfNormal(0.5), "mu": vf.priors.Normal(0, 2), "question": vf.Question(measure="MD", points=(0, 10)),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        whole = vf.bayes.reports(rows, **more)
        out = vf.bayes.leave_one_out(whole)
        for i in range(1, 4):
            rest = vf.bayes.reports({name: values[:i] + values[i + 1 :] for name, values in rows.items()}, **more)
            assert out.log_density[i] == pytest.approx(whole.log_evidence - rest.log_evidence, abs=1e-6)


def test_tails_and_priors_out_of_reach_are_refused_in_words() -> None:
    heavy = vf.priors.HalfT(0.26, 0.5)
    with pytest.raises(vf.InputError, match="tails too heavy"):
        vf.bayes.reports(kind=["full"], y=[-0.4], se=[1.2], tau=heavy, mu=vf.priors.Flat())
    with pytest.raises(vf.InputError, match="of its own widths from everything reported"):
        vf.bayes.reports(
            kind=["p_bound"], se=[1.2], p=[0.01], direction=[1], tau=vf.priors.DuMouchel(), mu=vf.priors.StudentT(1.4, 6e9, 8.6)
        )


def test_quantiles_of_heavy_tails_are_those_of_the_usual_pool() -> None:
    """One trial, flat mu and a half-Cauchy: the tails reach far beyond any panel of the middle."""
    priors: dict[str, Any] = {"tau": vf.priors.HalfCauchy(0.5), "mu": vf.priors.Flat()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = vf.bayes.reports(kind=["full"], y=[-0.4], se=[1.2], **priors)
        pool = vf.bayes.random_effects(y=[-0.4], se=[1.2], **priors)
    assert fit.interval == pytest.approx(pool.interval, rel=1e-6)
    assert fit.mu.mode == pytest.approx(-0.4, abs=1e-6)


@pytest.mark.slow
def test_a_posterior_too_rough_to_be_held_is_refused_in_words_and_in_time() -> None:
    """One significant result under a mean with tails like those of Cauchy: panels of tau were halved without end."""
    prior = vf.priors.StudentT(1.11, 1.0, 0.6164)
    with pytest.raises(vf.ConvergenceError, match="prior of mu with lighter tails"):
        vf.bayes.reports(kind=["significant"], y=[None], se=[1.0], direction=[-1], tau=vf.priors.HalfNormal(0.5), mu=prior)
