"""What is done about small-study effects, against closed forms, other optimisers, counting and the reference."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.tools.tools import add_constant
from tests.reference_runner.adapt_appraisal import FUNCTIONS
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.appraisal import copas_path
from vfmeta.kernels import p_uniform as kernel

A = vf.appraisal
DIAGNOSTICS = json.loads((Path(__file__).parent / "reference" / "diagnostics.json").read_text())
CASES = [c for c in DIAGNOSTICS if c["options"]["fun"] in FUNCTIONS]
RNG = np.random.default_rng(7)
K = 16
SE = RNG.uniform(0.08, 0.5, K)
Y = 0.15 + 0.8 * SE + RNG.normal(0, np.hypot(SE, 0.1))
GIVEN: dict[str, Any] = {"y": Y, "v": SE**2}
quiet = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


@quiet
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_answers_metafor(case: dict[str, Any]) -> None:
    check(case)


def test_a_symmetric_funnel_lacks_nothing() -> None:
    y = np.concatenate([[0.0], *([-x, x] for x in (0.1, 0.2, 0.35, 0.5, 0.7))])
    y[1:] += [0.01, 0.02, -0.03, -0.01, 0.02, 0.01, -0.02, -0.03, 0.01, 0.02]  # no ties, which have no ranks
    v = np.concatenate([[0.001], *([x**2, x**2] for x in (0.1, 0.2, 0.35, 0.5, 0.7))])
    for estimator in ("L0", "R0", "Q0"):
        found = A.trim_and_fill(y=y, v=v, estimator=estimator, side="left", method="common")
        assert found.lacking == 0
        assert found.estimate == found.before.estimate
        assert "takes no study to be missing" in found.sentence()


@quiet
def test_what_was_cut_off_one_side_is_put_back() -> None:
    y = np.array([0.0, -0.05, 0.05, -0.3, 0.31, -0.52, 0.5, -0.7, 0.71, -0.9, 0.92])
    v = np.array([0.01, 0.01, 0.01, *[0.09] * 8])
    kept = y > -0.6
    found = A.trim_and_fill(y=y[kept], v=v[kept], method="common", side="left")
    assert found.lacking == 2
    assert found.filled_of == tuple(f"study {int(i) + 1}" for i in np.argsort(y[kept])[-2:])
    np.testing.assert_allclose(found.after.y[-2:], found.filled_y)
    assert abs(found.estimate) < abs(found.before.estimate)


@quiet
def test_trim_and_fill_turns_with_the_effects() -> None:
    one = A.trim_and_fill(**GIVEN)
    other = A.trim_and_fill(y=-3 * Y + 1, v=9 * SE**2)
    assert (one.lacking, {one.side, other.side}) == (other.lacking, {"left", "right"})
    assert one.lacking > 0
    assert other.estimate == pytest.approx(1 - 3 * one.estimate, rel=1e-8)


def test_pet_and_peese_are_the_intercepts_of_weighted_regressions() -> None:
    for verb, x in ((A.pet, SE), (A.peese, SE**2)):
        found, by = verb(**GIVEN), WLS(Y, add_constant(x), weights=SE**-2).fit()
        assert (found.estimate, found.se, found.p_value) == pytest.approx((by.params[0], by.bse[0], by.pvalues[0]), rel=1e-9)
        np.testing.assert_allclose(found.interval, by.conf_int()[0], rtol=1e-9)


@quiet
def test_pet_peese_turns_with_the_favoured_side() -> None:
    y = 0.6 + 0.1 * SE
    y = y + 0.05 * np.cos(np.arange(K))
    up, down = (A.pet_peese(y=y, v=SE**2, favoured=side) for side in ("higher", "lower"))
    assert (up.chosen, down.chosen) == ("PEESE", "PET")
    assert up.conditional_p + down.conditional_p == pytest.approx(1, rel=1e-12)
    assert up.estimate == A.peese(y=y, v=SE**2).estimate
    worse = vf.Question(measure="MD", higher_is_worse=True)
    assert A.pet_peese(y=y, v=SE**2, question=worse).chosen == "PET"
    with pytest.warns(vf.VfmetaWarning, match="REML pool lies"):
        assert A.pet_peese(y=y, v=SE**2).favoured == "higher"


@quiet
def test_limit_meta_analysis_is_the_regression_of_its_paper() -> None:
    found = A.limit_meta_analysis(**GIVEN, method="DL")
    root = np.sqrt(SE**2 + found.tau2)
    by = OLS(Y / root, add_constant(1 / root)).fit()
    assert (found.bias, found.slope) == pytest.approx(tuple(by.params), rel=1e-9)
    tau = math.sqrt(found.tau2)
    assert found.estimate == pytest.approx(by.params[1] + tau * by.params[0], rel=1e-9)
    both = np.array([tau, 1.0])
    assert found.se == pytest.approx(math.sqrt(both @ by.normalized_cov_params @ both), rel=1e-9)


def test_henmi_copas_misses_as_often_as_it_says() -> None:
    # common effect known: the interval of tau2 = 0 holds the truth at its level; P as an integral by another rule
    v = SE**2
    found = A.henmi_copas(**GIVEN)
    w = 1 / v
    w1, w2 = w.sum(), (w**2).sum() / w.sum()
    wide = 1 + found.tau2 * w2
    t0 = (found.interval[1] - found.estimate) / found.se / math.sqrt(wide)
    d, a = v + found.tau2, w / w1
    lead = d * a / (a @ (d * a))
    form, rest = np.diag(w) - np.outer(w, w) / w1, np.diag(d) - np.outer(d * a, d * a) / (a @ (d * a))

    def density(r: float) -> float:
        from scipy.stats import gamma

        shift = lead * r * math.sqrt(a @ (d * a))
        mean = np.trace(form @ rest) + shift @ form @ shift
        variance = 2 * np.trace(form @ rest @ form @ rest) + 4 * shift @ form @ rest @ form @ shift
        below = (w1 / w2 - 1) * (r**2 / t0**2 - 1) + K - 1
        return float(gamma(mean**2 / variance, scale=variance / mean).cdf(below) * norm.pdf(r))

    assert quad(density, t0, 12, epsabs=1e-12)[0] == pytest.approx(0.025, rel=1e-7)


@quiet
def test_p_uniform_star_is_the_maximum_that_others_find() -> None:
    found = A.p_uniform_star(**GIVEN, favoured="higher")
    z = norm.ppf(0.975)

    def lost(x: np.ndarray) -> float:
        s = np.sqrt(SE**2 + x[1] ** 2)
        significant = z * SE < Y
        inside = np.where(significant, norm.logsf(z * SE, x[0], s), norm.logcdf(z * SE, x[0], s))
        return -float((norm.logpdf(Y, x[0], s) - inside).sum())

    other = min(
        (minimize(lost, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000})
         for start in ([0.3, 0.1], [0.0, 0.3], [1.0, 0.01])), key=lambda x: x.fun,
    )  # fmt: skip
    assert found.log_likelihood == pytest.approx(-other.fun, abs=1e-9)
    assert (found.estimate, found.tau2) == pytest.approx((other.x[0], other.x[1] ** 2), abs=1e-6)
    for end in found.interval:
        best = minimize(
            lambda t, at: lost(np.array([at, t[0]])), [0.2], args=(end,), method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-13},
        )  # fmt: skip
        assert -best.fun == pytest.approx(found.log_likelihood - 3.841458820694124 / 2, abs=1e-6)
    assert found.significant == int((z * SE < Y).sum())
    mirrored = A.p_uniform_star(y=-Y, v=SE**2, favoured="lower")
    assert mirrored.estimate == pytest.approx(-found.estimate, rel=1e-8)


def test_slopes_of_the_conditional_likelihood_are_differences() -> None:
    model = kernel.Conditional(Y, SE**2, 1.96)
    for mu, tau2 in ((0.2, 0.05), (-0.3, 0.2), (0.9, 0.01)):
        g, bend = model.slopes(mu, tau2)
        h = 1e-6

        def f(m: float, t: float) -> float:
            return float(model.height(np.array(m), np.array(t)))

        assert g[0] == pytest.approx((f(mu + h, tau2) - f(mu - h, tau2)) / (2 * h), rel=1e-6)
        assert g[1] == pytest.approx((f(mu, tau2 + h) - f(mu, tau2 - h)) / (2 * h), rel=1e-5)
        steps = [model.slopes(mu + h, tau2)[0] - model.slopes(mu - h, tau2)[0]]
        steps.append(model.slopes(mu, tau2 + h)[0] - model.slopes(mu, tau2 - h)[0])
        np.testing.assert_allclose(bend, np.array(steps) / (2 * h), rtol=1e-4)


def test_p_uniform_star_says_where_it_has_no_maximum() -> None:
    with pytest.raises(vf.ConvergenceError, match="no highest point"):
        A.p_uniform_star(y=[0.1961, 0.1961, 0.1962, 0.1961], se=[0.1, 0.1, 0.1, 0.1], favoured="higher")


@quiet
def test_s_values_bring_the_mean_and_its_limit_to_no_difference() -> None:
    se = np.array([0.1, 0.12, 0.1, 0.2, 0.15, 0.18, 0.3, 0.1])
    y = np.array([0.5, 0.6, 0.4, 0.1, -0.2, -0.1, -0.3, -0.05])
    found = A.worst_case(y=y, se=se, favoured="higher", method="common")
    assert found.affirmative.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert found.estimate == pytest.approx(vf.common_effect(y=y[3:], se=se[3:]).estimate, rel=1e-12)
    mean, _ = found.corrected(found.s_values["common, mean"])
    assert mean == pytest.approx(0, abs=1e-12)
    mean, error = found.corrected(found.s_values["common, interval"])
    assert mean - norm.ppf(0.975) * error == pytest.approx(0, abs=1e-12)
    assert 1 < found.s_value_interval < found.s_value < math.inf
    tau2 = vf.random_effects(y=y, se=se).tau2
    assert tau2 is not None
    assert found.corrected(found.s_values["random, mean"], tau2)[0] == pytest.approx(0, abs=1e-12)
    other = A.worst_case(y=-y, se=se, favoured="lower", method="common")
    assert other.s_values == pytest.approx(found.s_values, rel=1e-12)
    assert A.worst_case(y=y, se=se, favoured="lower").s_value == 1
    assert math.isinf(A.worst_case(y=[0.5, 0.4, 0.2], se=[0.1, 0.1, 0.2], favoured="higher").s_value)


@quiet
def test_where_all_are_affirmative_there_is_no_worst_case() -> None:
    with pytest.raises(vf.InputError, match="no study to stand on"):
        A.worst_case(y=[0.5, 0.4, 0.6], se=[0.1, 0.1, 0.1], favoured="higher")


def test_fail_safe_numbers_do_what_their_definitions_say() -> None:
    found = A.fail_safe(y=Y + 0.3, v=SE**2, target=0.05)
    n, y = found.numbers, Y + 0.3
    w = SE**-2.0
    added = n["Rosenberg"] * w.mean()
    assert w @ y / math.sqrt(w.sum() + added) == pytest.approx(norm.ppf(0.975), rel=1e-10)
    assert (y / SE).sum() / math.sqrt(K + n["Rosenthal"]) == pytest.approx(norm.ppf(0.95), rel=1e-10)
    assert y.sum() / (K + n["Orwin, plain"]) == pytest.approx(0.05, rel=1e-10)
    pool = vf.random_effects(y=y, v=SE**2, test="Wald")
    assert pool.tau2 is not None
    m = n["General"]
    square = ((K + m - 2) * pool.tau2 + K * m / (K + m) * pool.estimate**2) / (K + m - 1)
    w = 1 / (SE**2 + square)
    z = w @ y / math.sqrt(w.sum() + m / (K / (SE**-2.0).sum() + square))
    assert z == pytest.approx(norm.ppf(0.975), rel=1e-10)
    common = A.fail_safe(vf.common_effect(y=y, v=SE**2)).numbers
    assert common["General"] == pytest.approx(common["Rosenberg"], rel=1e-10)
    assert str(found).startswith("Fail-safe numbers do not tell whether a result is safe")


def test_excess_significance_counts_every_set_of_studies() -> None:
    y, se = Y[:7], SE[:7]
    found = A.excess_significance(y=y, se=se)
    chance = 0.0
    for outcome in itertools.product((0, 1), repeat=7):
        if sum(outcome) >= found.observed:
            chance += float(np.prod(np.where(outcome, found.power, 1 - found.power)))
    assert found.p_value == pytest.approx(chance, rel=1e-12)
    whole = A.excess_significance(y=y, se=se, tau2=0.04)
    z = norm.ppf(0.975) * se[0]
    mean = quad(lambda t: norm.pdf(t, found.estimate, 0.2) * (norm.sf(z, t, se[0]) + norm.cdf(-z, t, se[0])), -3, 3)[0]
    assert whole.power[0] == pytest.approx(mean, rel=1e-7)


@quiet
def test_many_are_each_as_one() -> None:
    import pandas as pd

    groups = np.repeat(["a", "b", "c"], [K, 9, 2])
    y, v = np.concatenate([Y, -Y[:9], Y[:2]]), np.concatenate([SE, SE[:9], SE[:2]]) ** 2
    frame = pd.DataFrame({"question": groups, "y": y, "v": v}).sample(frac=1, random_state=3)
    tests, filled = A.egger_many(frame).set_index("question"), A.trim_and_fill_many(frame).set_index("question")
    assert tests.loc["c", ["estimate", "p_value"]].isna().all()
    assert filled.loc["c", ["estimate", "lacking"]].isna().all()
    for name in ("a", "b"):
        own = frame[frame["question"] == name]
        one, pool = A.egger(own, y="y", v="v"), A.trim_and_fill(own, y="y", v="v")
        row = tests.loc[name]
        assert (row["estimate"], row["se"], row["p_value"], row["ci_low"]) == pytest.approx(
            (one.estimate, one.se, one.p_value, one.interval[0]), rel=1e-9
        )
        row = filled.loc[name]
        assert (row["lacking"], row["side"], row["k"]) == (pool.lacking, pool.side, pool.k)
        assert (row["estimate"], row["se"], row["tau2"], row["lacking_se"], row["unadjusted"]) == pytest.approx(
            (pool.estimate, pool.se, pool.tau2, pool.lacking_se, pool.before.estimate), rel=1e-9
        )


@quiet
def test_the_figure_shows_imputed_studies_and_the_adjusted_centre() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = A.trim_and_fill(**GIVEN)
    ax = found.plot(contours=True)
    (hollow,) = [c for c in ax.collections if c.get_gid() == "imputed studies"]
    assert len(hollow.get_offsets()) == found.lacking
    (line,) = [x for x in ax.lines if x.get_gid() == "adjusted centre"]
    assert line.get_xdata()[0] == found.estimate
    edges = {c.get_gid() for c in ax.collections if str(c.get_gid()).startswith("p <")}
    assert len(edges) == 6
    assert f"{found.lacking} studies are imputed" in vf.plots.funnel_text(found)
    plt.close("all")


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
@pytest.mark.parametrize("estimator", ["L0", "R0", "Q0"])
@pytest.mark.parametrize("effect", [0.3, -1000.1, 0.0])
def test_effects_that_are_one_lack_nobody(estimator: str, effect: float) -> None:
    """The mean of equal numbers differs from them in the last digit, which puts no study on a side."""
    for k, method in itertools.product((3, 7, 8, 11), ("common", "REML")):
        for v in (np.full(k, 0.1), np.linspace(0.02, 0.37, k)):
            assert A.trim_and_fill(y=[effect] * k, v=v, estimator=estimator, method=method).lacking == 0


@pytest.mark.parametrize("verb", [A.p_uniform_star, A.excess_significance, A.copas])
def test_fewer_than_ten_studies_are_warned_of(verb: Any) -> None:
    y, se = [0.5, 0.1, 0.7, 0.3, 0.45, 0.2, 0.6, 0.15, 0.8], np.linspace(0.1, 0.4, 9)
    side = {"favoured": "higher"} if verb is A.p_uniform_star else {}
    with pytest.warns(vf.VfmetaWarning, match="9 studies: fewer than 10 say next to nothing of selection"):
        found = verb(y=y, se=se, **side)
    assert any("next to nothing" in note for note in found.warnings)


@pytest.mark.parametrize("rho", [0.99989, -0.99989])
def test_the_curvature_of_copas_is_taken_inside_the_range_of_its_correlation(rho: float) -> None:
    with np.errstate(divide="raise", invalid="raise"):
        error = copas_path._error(Y, SE, 0.3 + 0.2 / SE, np.array([0.3, 0.0, rho]), True)
    assert math.isnan(error) or error > 0
