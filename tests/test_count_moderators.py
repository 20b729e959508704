"""Moderators in the models of counts, and the interval of tau2: R's answers, a GLM, likelihoods integrated by other means."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize, minimize_scalar
from scipy.special import gammaln
from scipy.stats import binom, chi2, nchypergeom_fisher, norm
from tests.test_count_models import BCG, HART, NIELWEISE, TOY, exact_likelihood

import vfmeta as vf

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
LATITUDE = [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33]  # dat.bcg
RANDOM = [1.0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0]  # alloc == "random"
BY = {"ablat": LATITUDE, "random": RANDOM}
YEAR = {"year": [1989, 1991, 1990, 1991, 1992, 1993]}  # dat.hart1999
VACCINE = {"events": BCG["events1"], "n": BCG["n1"]}


@pytest.mark.parametrize(
    ("measure", "options", "beta", "se", "tau2", "tests"),
    [
        # rma.glmm(measure="OR", ai=tpos, bi=tneg, ci=cpos, di=cneg, data=dat.bcg, mods=~ablat, model="UM.FS", nAGQ=7)
        ("OR", {"model": "UM.FS", **BCG, "formula": "~ablat", "nAGQ": 7}, [0.39885904497866, -0.03332914415982],
         [0.082214437570824, 0.002785361678289], 0.0, (143.18091428, 25.0954176698, 25.01385234891, 11)),
        # the same with model="CM.AL"
        ("OR", {"model": "CM.AL", **BCG, "formula": "~ablat", "nAGQ": 7}, [0.29297043197629, -0.02993161335451],
         [0.18683646118406, 0.00536125463349], 0.03186798336813, (31.16932403465, 29.89462456247, 30.01338668948, 11)),
        # rma.glmm(measure="PLO", xi=tpos, ni=tpos+tneg, data=dat.bcg, mods=~ablat+I(alloc=="random"), nAGQ=7)
        ("PLO", {**VACCINE, "formula": "~ablat + random", "nAGQ": 7},
         [-6.16954904705493, 0.03938948993005, -0.12343808836246], [0.7818159588411, 0.0215162633764, 0.6035685623501],
         1.048260626638, (3.364448910437, 946.172280947, 854.487414644, 10)),
        # rma.glmm(measure="IRR", x1i=x1i, t1i=t1i, x2i=x2i, t2i=t2i, data=dat.hart1999, mods=~year, model="UM.FS", nAGQ=7)
        ("IRR", {"model": "UM.FS", **HART, "formula": "~year", "nAGQ": 7}, [134.92219980786533, -0.06826636030406],
         [221.8737364441087, 0.1114100029416], 0.0, (0.3754612535291, 2.507861787246, 2.59308531434, 4)),
        # the same with model="CM.EL"
        ("IRR", {"model": "CM.EL", **HART, "formula": "~year", "nAGQ": 7}, [134.9222001327674, -0.0682663604671],
         [221.8737376823338, 0.1114100035621], 0.0, (0.3754612511407, 2.50786510001, 2.59308531434, 4)),
    ],
)  # fmt: skip
def test_metafor(
    measure: str, options: dict[str, Any], beta: list[float], se: list[float], tau2: float, tests: tuple[float, ...]
) -> None:
    """Figures of metafor 3.8-1 with lme4 1.1-31, whose optimiser leaves up to 1e-4 of a standard error."""
    fit = vf.glmm(measure, **{"test": "Wald"} | options, data=YEAR if measure == "IRR" else BY)
    assert np.abs((fit.estimate - beta) / se).max() < 1e-4
    assert fit.se == pytest.approx(se, rel=1e-4)
    assert fit.tau2 == pytest.approx(tau2, rel=1e-4)
    moderators, wald, lrt, df = tests
    assert fit.omnibus.statistic == pytest.approx(moderators, rel=1e-4)
    assert fit.q_wald.statistic == pytest.approx(wald, rel=1e-5)
    assert fit.q.statistic == pytest.approx(lrt, rel=1e-8)
    assert fit.q.df == fit.q_wald.df == df


def test_lme4_with_random_intercepts() -> None:
    """Figures of ``glmer(cbind(x, n-x) ~ 1 + g + g:a + (1|study) + (g-1|study), family=binomial, nAGQ=1)``.

    g is +-1/2 and a the latitude less 33; lme4 1.1-31, bobyqa, rhoend=1e-11, tolPwrss=1e-10, which leaves 1e-4 of a variance
    and, in the standard errors, the noise of second differences of a deviance that is known to 1e-10.
    """
    centred = {"a": [x - 33 for x in LATITUDE]}
    fit = vf.glmm("OR", model="UM.RS", **BCG, formula="~a", data=centred, nAGQ=1)
    assert fit.estimate == pytest.approx([-0.7137529852974, -0.0331208874631], rel=1e-5)
    assert fit.se == pytest.approx([0.066792912481391, 0.003470505727389], rel=5e-3)
    assert (fit.tau2, fit.sigma2) == pytest.approx((0.003676372850301, 1.888673928891121), rel=2e-4)
    assert fit.log_likelihood == pytest.approx(-120.0322778185, abs=1e-6)


def test_without_heterogeneity_it_is_a_glm() -> None:
    """UM.FS: study dummies, group and group by moderator."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    x, n = (np.concatenate([BCG[f"{name}1"], BCG[f"{name}2"]]) for name in ("events", "n"))
    group = np.repeat([0.5, -0.5], 13)
    dummies = np.vstack([np.eye(13)] * 2)
    matrix = np.column_stack([group, *(group * np.tile(m, 2) for m in BY.values()), dummies])
    theirs = GLM(np.column_stack([x, n - x]), matrix, family=Binomial()).fit(tol=1e-14)
    fit = vf.glmm("OR", model="UM.FS", **BCG, formula="~ablat + random", data=BY, heterogeneity="common")
    assert fit.estimate == pytest.approx(theirs.params[:3], rel=1e-8)
    assert fit.vb == pytest.approx(theirs.cov_params()[:3, :3], rel=1e-7)
    assert fit.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)
    assert fit.q.statistic == pytest.approx(theirs.deviance, rel=1e-8)
    assert fit.omnibus.statistic == pytest.approx(float(theirs.wald_test(np.eye(16)[1:3], scalar=True).statistic), rel=1e-8)
    assert fit.tau2_interval is None
    assert fit.predict()["prediction_low"].isna().all()


def exact(data: dict[str, list[int]], mean: np.ndarray, tau: float) -> float:
    """Conditional exact log likelihood: the counts that are possible, weighed one by one, on a fine grid of effects."""
    z = np.linspace(-9, 9, 1801)
    w = norm.pdf(z) * (z[1] - z[0])
    total = 0.0
    for (a, n1, c, n2), m in zip(zip(*data.values(), strict=True), mean, strict=True):
        u = np.arange(max(0, a + c - n2), min(n1, a + c) + 1)
        ways = -gammaln(u + 1) - gammaln(n1 - u + 1) - gammaln(a + c - u + 1) - gammaln(n2 - a - c + u + 1)
        terms = ways[:, None] + u[:, None] * (m + tau * z)
        share = np.exp(terms - terms.max(axis=0))
        total += math.log(w @ (share[u == a][0] / share.sum(axis=0)))
    return total


def test_exact_conditional_model_is_the_highest_point_of_its_likelihood() -> None:
    data = {name: values[:9] for name, values in NIELWEISE.items()}
    dose = np.linspace(-1, 1, 9)
    fit = vf.glmm("OR", model="CM.EL", **data, formula="~dose", data={"dose": dose})
    at, tau = fit.estimate, math.sqrt(fit.tau2)

    def likelihood(b0: float, b1: float, t: float) -> float:
        return exact(data, b0 + b1 * dose, t)

    top = likelihood(*at, tau)
    assert fit.log_likelihood == pytest.approx(top, abs=1e-8)
    small = 0.005
    steps = [(small, 0, 0), (0, small, 0), (0, 0, small)]
    assert tau > 0.1
    curve = np.empty((len(steps), len(steps)))
    for i, s in enumerate(steps):
        up, down = (likelihood(at[0] + d * s[0], at[1] + d * s[1], tau + d * s[2]) for d in (1, -1))
        assert up < top > down
        assert abs(up - down) / (2 * small) < 1e-3 * math.sqrt((2 * top - up - down) / small**2)  # slope, in standard errors
        for j, r in enumerate(steps):
            both = [
                likelihood(*(x + d * p + e * q for x, p, q in zip((*at, tau), s, r, strict=True)))
                for d, e in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            ]
            curve[i, j] = (both[0] - both[1] - both[2] + both[3]) / 4 / small**2
    expected = np.sqrt(np.diag(np.linalg.inv(-curve)))[:2]
    assert fit.se == pytest.approx(expected, rel=2e-3)


def approximate(data: dict[str, list[int]], mean: float, tau: float) -> float:
    """Conditional approximate log likelihood on a fine grid."""
    z = np.linspace(-9, 9, 2001)
    w = norm.pdf(z) * (z[1] - z[0])
    total = 0.0
    for a, n1, c, n2 in zip(*data.values(), strict=True):
        if a + c:
            p = 1 / (1 + np.exp(-(mean + tau * z + math.log(n1 / n2))))
            total += math.log(w @ binom.pmf(a, a + c, p))
    return total


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("data", [NIELWEISE, BCG], ids=["nielweise", "bcg"])
def test_interval_of_tau2_by_the_drop_of_the_likelihood(data: dict[str, Any], level: float) -> None:
    fit = vf.glmm("OR", model="CM.AL", **data, level=level)
    assert fit.tau2_interval is not None
    top = approximate(data, fit.estimate, math.sqrt(fit.tau2))
    allowed = chi2.ppf(level, 1) / 2

    def drop(tau2: float) -> float:
        found = minimize_scalar(
            lambda m: -approximate(data, m, math.sqrt(tau2)), bounds=(-3, 1), method="bounded", options={"xatol": 1e-9}
        )
        return top + float(found.fun)

    low, high = fit.tau2_interval
    assert drop(high) == pytest.approx(allowed, abs=1e-6)
    if low == 0:
        assert drop(0.0) <= allowed
    else:
        assert drop(low) == pytest.approx(allowed, abs=1e-6)
    assert fit.tau2_interval_method == "profile-likelihood"


def test_interval_of_tau2_in_the_unconditional_models() -> None:
    """UM.RS on a grid of both random effects, the other parameters at their best by scipy."""
    fit = vf.glmm("OR", model="UM.RS", **{name: values[:6] for name, values in NIELWEISE.items()})
    z = np.linspace(-6, 6, 121)
    w = norm.pdf(z) * (z[1] - z[0])

    def likelihood(mean: float, effect: float, sigma: float, tau: float) -> float:
        base, half = mean + sigma * z[:, None], (effect + tau * z[None, :]) / 2
        p1, p2 = 1 / (1 + np.exp(-(base + half))), 1 / (1 + np.exp(-(base - half)))
        rows = list(zip(*(v[:6] for v in NIELWEISE.values()), strict=True))
        return sum(math.log(w @ (binom.pmf(a, m1, p1) * binom.pmf(c, m2, p2)) @ w) for a, m1, c, m2 in rows)

    assert fit.tau2_interval is not None
    tau = math.sqrt(fit.tau2_interval[1])
    best = minimize(lambda t: -likelihood(t[0], t[1], abs(t[2]), tau), [-3.5, fit.estimate, 0.3], method="Nelder-Mead",
                    options={"xatol": 1e-5, "fatol": 1e-8})  # fmt: skip
    assert fit.log_likelihood + best.fun == pytest.approx(chi2.ppf(0.95, 1) / 2, abs=1e-5)


def test_interval_of_tau2_that_has_no_end() -> None:
    fit = vf.glmm("OR", model="CM.EL", **TOY)
    assert fit.tau2_interval is not None
    assert fit.tau2_interval[1] == math.inf
    assert fit.heterogeneity_interval()["i2"] is not None
    assert fit.heterogeneity_interval()["i2"][1] == 100
    far = max(exact_likelihood(m, 20.0) for m in np.linspace(-2, 6, 9))
    assert fit.log_likelihood - far < chi2.ppf(0.95, 1) / 2
    low = math.sqrt(fit.tau2_interval[0])
    best = minimize_scalar(lambda m: -exact_likelihood(m, low), bounds=(-1, 1.5), method="bounded")
    assert fit.log_likelihood + best.fun == pytest.approx(chi2.ppf(0.95, 1) / 2, abs=1e-6)


@pytest.mark.parametrize("model", ["UM.FS", "UM.RS", "CM.AL", "CM.EL"])
def test_no_moderator_and_other_units_change_nothing(model: str) -> None:
    plain = vf.glmm("OR", model=model, **BCG, nAGQ=5)
    alone = vf.glmm("OR", model=model, **BCG, formula="~1", nAGQ=5)
    assert (alone.estimate[0], alone.se[0], alone.tau2) == pytest.approx((plain.estimate, plain.se, plain.tau2), rel=1e-9)
    assert alone.tau2_interval == pytest.approx(plain.tau2_interval, rel=1e-6)
    assert alone.omnibus_of == ("Intercept",)
    assert (alone.i2, alone.q.statistic) == pytest.approx((plain.i2, plain.q.statistic), rel=1e-9)
    late = {"year": [1948, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976]}
    early = {"year": [x - 1965 for x in late["year"]]}
    a, b = (vf.glmm("OR", model=model, **BCG, formula="~year", data=m, nAGQ=5) for m in (late, early))
    assert a.estimate[1] == pytest.approx(b.estimate[1], rel=1e-7)
    assert a.se[1] == pytest.approx(b.se[1], rel=1e-6)
    new = a.predict({"year": [1970.0]}), b.predict({"year": [5.0]})
    pd.testing.assert_frame_equal(new[0], new[1], rtol=1e-6)
    assert a.predict({"year": [1970.0]}, on="read")["estimate"][0] == pytest.approx(math.exp(new[0]["estimate"][0]))


def test_a_factor_of_common_effects_is_separate_fits() -> None:
    """With an intercept for each study nothing ties the groups together."""
    group = ["x"] * 6 + ["y"] * 7
    fit = vf.glmm("OR", model="UM.FS", **BCG, formula="~0 + g", data=pd.DataFrame({"g": group}), heterogeneity="common")
    for j, part in enumerate((slice(0, 6), slice(6, 13))):
        alone = vf.glmm("OR", model="UM.FS", **{n: v[part] for n, v in BCG.items()}, heterogeneity="common")
        assert (fit.estimate[j], fit.se[j]) == pytest.approx((alone.estimate, alone.se), rel=1e-7)
    assert "moderators (g[x], g[y])" in str(fit)
    again = type(fit).from_dict(json.loads(fit.to_json()))
    assert again.to_json() == fit.to_json()
    assert str(again) == str(fit)
    assert again.predict().to_numpy() == pytest.approx(fit.predict().to_numpy(), nan_ok=True)


def test_columns_of_the_data_and_of_an_effect_table() -> None:
    frame = pd.DataFrame({**BCG, **BY, "trial": [f"t{i}" for i in range(13)]})
    names = {n: n for n in BCG}
    a = vf.glmm("OR", model="CM.AL", data=frame, **names, study="trial", formula="~ablat")
    b = vf.glmm("OR", model="CM.AL", **BCG, formula="~ablat", data=BY)
    assert a.estimate == pytest.approx(b.estimate)
    assert list(a.coefficients["term"]) == ["Intercept", "ablat"]
    table = vf.effect_size("OR", data=frame, study="trial", **names)
    c = vf.glmm("OR", model="CM.AL", data=table, formula="~ablat")
    assert c.estimate == pytest.approx(b.estimate)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": {"ablat": LATITUDE[:12]}}, "the data have 12 rows and events1 has 13 values"),
        ({"data": {"other": LATITUDE}}, "reads ablat"),
        ({"formula": "~ablat + more", "data": {**BY, "more": [2 * x for x in LATITUDE]}}, "Collinear moderators: more"),
        ({"data": {"ablat": [None, *LATITUDE[1:]]}}, r"row 1 \(study 1\), column ablat: missing value"),
        ({"formula": None, "omnibus": "ablat"}, "goes with a formula"),
        ({"omnibus": "dose"}, "no coefficient 'dose'"),
    ],
)
def test_bad_moderators(changed: dict[str, Any], said: str) -> None:
    arguments: dict[str, Any] = {"model": "CM.AL", **BCG, "formula": "~ablat", "data": BY} | changed
    with pytest.raises(vf.InputError, match=said):
        vf.glmm("OR", **arguments)


def test_too_few_studies_and_missing_moderators() -> None:
    three = {n: v[:3] for n, v in BCG.items()}
    with pytest.raises(vf.InputError, match="3 informative studies cannot estimate 3 coefficients"):
        vf.glmm("OR", model="CM.AL", **three, formula="~a + b", data={"a": [0.0, 1, 0], "b": [0.0, 0, 1]})
    gap = {"ablat": [None, *LATITUDE[1:]]}
    fit = vf.glmm("OR", model="CM.AL", **BCG, formula="~ablat", data=gap, missing="drop")
    without = {n: v[1:] for n, v in BCG.items()}
    same = vf.glmm("OR", model="CM.AL", **without, formula="~ablat", data={"ablat": LATITUDE[1:]})
    assert fit.estimate == pytest.approx(same.estimate)
    assert "study 1 (row 1: ablat)" in fit.warnings[0]


@pytest.mark.parametrize("effects", ["random", "common"])
@pytest.mark.parametrize("model", ["UM.FS", "CM.AL", "CM.EL"])
def test_a_group_without_events_in_an_arm_is_an_error(model: str, effects: str) -> None:
    """In UM.RS the other arm holds the level that the studies share, and the estimate stays finite."""
    data = {"events1": [0, 0, 0, 2], "n1": [20] * 4, "events2": [3, 2, 4, 3], "n2": [20] * 4}
    with pytest.raises(vf.ConvergenceError, match="no finite maximum"):
        vf.glmm("OR", model=model, **data, formula="~g", data={"g": list("aabb")}, heterogeneity=effects)


def test_families_of_large_studies() -> None:
    """The hypergeometric sums run from the most likely count, so that their cost does not grow with the arms."""
    from vfmeta.kernels.families import Hypergeometric

    family = Hypergeometric(np.array([[505.0], [0.0]]), np.array([88391.0, 20]), np.array([88391.0, 18]), np.array([1004.0, 0]))
    for eta in (-6.0, -0.3, 0.0, 2.5):
        _, mean, variance = (c[:, 0, 0] for c in family.cumulants(np.full((2, 1, 1), eta)))
        law = nchypergeom_fisher(88391 * 2, 88391, 1004, math.exp(eta))
        assert (mean[0], variance[0]) == pytest.approx((law.mean(), law.var()), rel=1e-9)
        assert (mean[1], variance[1]) == (0, 0)
    beyond = family.cumulants(np.full((2, 1, 1), 800.0))
    assert np.isfinite(beyond).all()
    assert beyond[1][0, 0, 0] == 1004
