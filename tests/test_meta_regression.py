"""Meta-regression: R's answers through the adapters, then checks by hand, by other libraries and by property."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.tools.tools import add_constant
from tests.reference_runner.common import check
from tests.regression_data import fit, quiet, table

import vfmeta as vf
from vfmeta.kernels.least_squares import regression
from vfmeta.kernels.quadratic_form import q_distribution
from vfmeta.kernels.regression import compiled_error, log_likelihood
from vfmeta.kernels.regression import fit as fit_arrays
from vfmeta.kernels.tau2 import ESTIMATORS

METHODS = ["common", *(name for name, e in ESTIMATORS.items() if not e.weighted and e.about is None)]
CASES = json.loads((Path(__file__).parent / "reference" / "meta_regression.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference_case(case: dict[str, Any]) -> None:
    outcome = check(case)
    assert outcome.group == "right"
    assert not outcome.not_compared


@pytest.mark.parametrize("method", sorted(METHODS))
def test_an_intercept_alone_is_the_pool(method: str) -> None:
    d = table()
    r = fit("~ 1", d, method=method)
    if method == "common":
        pool = quiet(vf.common_effect, y=d["y"], v=d["v"], test="HKSJ")
    else:
        pool = quiet(vf.random_effects, y=d["y"], v=d["v"], method=method)
    assert r.tau2 == pytest.approx(pool.tau2, rel=1e-9)
    assert r.estimate[0] == pytest.approx(pool.estimate, rel=1e-10)
    assert tuple(r.interval[0]) == pytest.approx(pool.interval, rel=1e-9)
    assert r.i2 == pytest.approx(pool.i2, rel=1e-9)


def test_common_effects_agree_with_weighted_least_squares_of_statsmodels() -> None:
    d = table()
    r = fit("~ dose", d, method="common")
    wls = WLS(d["y"], add_constant(d[["dose"]]), weights=1 / d["v"]).fit()
    assert r.estimate == pytest.approx(wls.params.to_numpy(), rel=1e-10)
    # Hartung-Knapp at tau2 = 0 is weighted least squares with its own scale
    assert r.se == pytest.approx(wls.bse.to_numpy(), rel=1e-10)
    assert r.p_value == pytest.approx(wls.pvalues.to_numpy(), rel=1e-9)
    assert r.omnibus.statistic == pytest.approx(wls.fvalue, rel=1e-9)
    assert r.r2 == pytest.approx(max(0.0, 100 * wls.rsquared_adj), rel=1e-9)
    white = OLS(wls.model.wendog, wls.model.wexog).fit().get_influence()
    assert r.fit.hat == pytest.approx(white.hat_matrix_diag, rel=1e-9)


@pytest.mark.parametrize("kind", ["ML", "REML"])
@pytest.mark.parametrize("formula", ["~ dose", "~ 0 + dose", "~ arm * dose"])
def test_likelihood_fits_reach_the_maximum_of_a_density_written_out(kind: str, formula: str) -> None:
    d = table(4)
    r = fit(formula, d, method=kind)
    x, y, v = r.design.x, d["y"].to_numpy(), d["v"].to_numpy()
    contrasts = scipy.linalg.null_space(x.T) if kind == "REML" else None

    def minus(t: float) -> float:
        if contrasts is None:
            w = 1 / (v + t)
            b = np.linalg.solve((x.T * w) @ x, (x.T * w) @ y)
            return -scipy.stats.norm.logpdf(y, x @ b, np.sqrt(v + t)).sum()
        covariance = (contrasts.T * (v + t)) @ contrasts
        return -scipy.stats.multivariate_normal.logpdf(contrasts.T @ y, cov=covariance)

    best = min(
        (scipy.optimize.minimize_scalar(minus, bounds=b, method="bounded", options={"xatol": 1e-12}).fun)
        for b in ((0, 0.05), (0, 1), (0, 20))
    )
    assert r.information(kind).log_likelihood == pytest.approx(-minus(r.tau2), rel=1e-11)
    assert minus(r.tau2) <= best + 1e-9


def test_moment_estimators_by_matrices() -> None:
    d = table(2)
    x, y, v = np.column_stack([np.ones(len(d)), d["dose"]]), d["y"].to_numpy(), d["v"].to_numpy()

    def tau2(method: str, weights: np.ndarray | None = None) -> float:
        return fit_arrays(y, v, x, method, "Wald", weights).tau2

    def moments(a: np.ndarray) -> float:
        w = np.diag(a)
        p = w - w @ x @ np.linalg.inv(x.T @ w @ x) @ x.T @ w
        return max(0.0, (y @ p @ y - np.trace(p @ np.diag(v))) / np.trace(p))

    dl = moments(1 / v)
    assert tau2("DL") == pytest.approx(dl, rel=1e-10)
    assert tau2("HE") == pytest.approx(moments(np.ones(len(d))), rel=1e-10)
    assert tau2("DL2") == pytest.approx(moments(1 / (v + dl)), rel=1e-10)
    a = np.arange(1.0, len(d) + 1)
    assert tau2("GENQ", a) == pytest.approx(moments(a), rel=1e-10)
    m, pm = regression(y, v, x), tau2("PM")
    assert m.at(np.array([pm / m.scale**2])).rss[0] == pytest.approx(m.df, rel=1e-10)
    for same in ("EB", "DLIT", "SJIT"):
        assert tau2(same) == pytest.approx(pm, rel=1e-10)


def test_generalised_q_against_simulation_and_the_chi_squared() -> None:
    d = table(2, 9)
    r = fit("~ dose", d, method="DL")
    m = r.fit.model
    # with weights 1 / v and tau2 = 0 the form is chi-squared with k - p df
    for q in (0.5, 5.0, 20.0):
        assert q_distribution(q, m.v, 1 / m.v, 0.0, m.basis)[0] == pytest.approx(scipy.stats.chi2.cdf(q, m.df), abs=1e-11)
    a, t = np.linspace(1, 3, m.k), float(m.v.max())
    w = np.diag(a)
    p = w - w @ m.basis @ np.linalg.inv(m.basis.T @ w @ m.basis) @ m.basis.T @ w
    draws = np.random.default_rng(0).standard_normal((200_000, m.k)) * np.sqrt(m.v + t)
    q = np.einsum("nk,kl,nl->n", draws, p, draws)
    assert q_distribution(float(np.median(q)), m.v, a, t, m.basis)[0] == pytest.approx(0.5, abs=0.005)
    low, high = r.heterogeneity_interval("generalised-Q")["tau2"]
    assert low <= r.tau2 <= high


def test_genqm_of_an_intercept_is_that_of_the_pool() -> None:
    d = table()
    a = np.linspace(1, 2, len(d))
    r = fit("~ 1", d, method="GENQM", weights=a)
    pool = quiet(vf.random_effects, y=d["y"], v=d["v"], method="GENQM", weights=a)
    assert r.tau2 == pytest.approx(pool.tau2, rel=1e-8)
    assert r.se[0] == pytest.approx(pool.se, rel=1e-8)


def test_kenward_roger_is_exact_where_the_studies_weigh_the_same() -> None:
    rng = np.random.default_rng(0)
    k = 12
    d = pd.DataFrame({"v": np.full(k, 0.05), "arm": list("aaabbbcccddd"), "y": rng.normal(0, 1, k)})
    r = fit("~ arm", d, test="KR")
    ols = OLS(d["y"], r.design.x).fit()
    assert r.tau2 > 0
    assert r.df == pytest.approx(np.full(4, 8.0))
    assert r.se == pytest.approx(ols.bse.to_numpy(), rel=1e-10)
    assert r.omnibus.statistic == pytest.approx(ols.fvalue, rel=1e-8)
    assert r.omnibus.df_residual == pytest.approx(8, rel=1e-8)
    assert r.omnibus.p_value == pytest.approx(ols.f_pvalue, rel=1e-7)


def test_kenward_roger_differs_where_they_do_not() -> None:
    r, plain = fit(test="KR"), fit(test="t")
    assert np.all(r.se >= plain.se)
    assert np.all(r.df < len(r.y))
    with pytest.raises(vf.InputError, match='defined for method="REML"'):
        fit(test="KR", method="DL")


def test_profile_interval_touches_the_line_half_a_quantile_down() -> None:
    r = fit("~ dose", table(3))
    low, high = r.heterogeneity_interval("profile-likelihood")["tau2"]
    ll = log_likelihood(r.fit.model, np.array([r.tau2, low, high]), True)
    assert ll[2] == pytest.approx(ll[0] - scipy.stats.chi2.ppf(0.95, 1) / 2, rel=1e-9)
    assert low == 0 or ll[1] == pytest.approx(ll[2], rel=1e-9)
    with pytest.raises(vf.InputError, match="profile"):
        fit(method="DL").heterogeneity_interval("profile-likelihood")


def test_predictions_at_new_values_and_contrasts_agree() -> None:
    r = fit("~ dose + arm", test="HKSJ")
    new = r.predict({"dose": [10.0, 30.0], "arm": ["a", "c"]})
    rows = [{"Intercept": 1, "dose": 10}, {"Intercept": 1, "dose": 30, "arm[T.c]": 1}]
    table_, joint = r.contrast(rows)
    for column in ("estimate", "se", "ci_low", "ci_high"):
        assert new[column].to_numpy() == pytest.approx(table_[column].to_numpy(), rel=1e-10)
    assert joint.df == 2
    assert (new["prediction_high"] > new["ci_high"]).all()
    single, test = r.contrast({"dose": 1})
    assert test.statistic == pytest.approx(single["statistic"][0] ** 2, rel=1e-10)
    both = r.contrast([{"arm[T.b]": 1}, {"arm[T.c]": 1}])[1]
    assert both.statistic == pytest.approx(fit("~ dose + arm", omnibus=["arm[T.b]", "arm[T.c]"]).omnibus.statistic, rel=1e-10)
    ratio = fit("~ dose + arm", question=vf.Question(measure="RR"))
    shown = ratio.predict({"dose": 10.0, "arm": "a"}, on="read")
    assert shown["estimate"][0] == pytest.approx(np.exp(new["estimate"][0]))
    assert np.isnan(shown["se"][0])
    assert shown["scale"][0] == "RR"


def test_splines_and_centring_are_remade_from_new_data() -> None:
    d = table(5, 20)
    natural = "~ cr(dose, df=3, constraints='center')"
    for formula in ("~ bs(dose, df=4)", natural, "~ center(dose)", "~ scale(dose)", "~ poly(dose, degree=2)"):
        r = fit(formula, d)
        assert r.predict(d.iloc[[3, 7]])["estimate"].to_numpy() == pytest.approx(r.fit.fitted[[3, 7]], rel=1e-9), formula
    slope = fit("~ center(dose)", d).estimate[1]
    assert slope == pytest.approx(fit("~ dose", d).estimate[1], rel=1e-9)
    assert fit("~ I(dose^2)", d).estimate == pytest.approx(fit("~ I(dose**2)", d).estimate, rel=1e-12)


def test_far_away_moderators_cost_no_digits() -> None:
    d = table()
    near = fit("~ dose", d)
    far = fit("~ dose", d.assign(dose=d["dose"] + 1e6))
    assert far.estimate[1] == pytest.approx(near.estimate[1], rel=1e-7)
    assert far.tau2 == pytest.approx(near.tau2, rel=1e-7)


def test_weights_give_the_sandwich_variance() -> None:
    d = table()
    a = np.linspace(1, 4, len(d))
    r = fit("~ dose", d, weights=a, test="Wald")
    x, m = r.design.x, np.diag(d["v"] + r.tau2)
    inverse = np.linalg.inv((x.T * a) @ x)
    assert r.vb == pytest.approx(inverse @ (x.T * a) @ m @ (x.T * a).T @ inverse, rel=1e-9)
    assert r.estimate == pytest.approx(inverse @ (x.T * a) @ d["y"].to_numpy(), rel=1e-9)


def test_each_coefficient_is_a_weighted_sum_of_the_effects() -> None:
    d = table()
    for more in ({}, {"weights": np.linspace(1, 4, len(d)), "test": "Wald"}):
        r = fit("~ dose + arm", d, **more)
        assert r.coefficient_weights @ d["y"].to_numpy() == pytest.approx(r.estimate, rel=1e-9)


def test_traces_against_the_whole_matrix_and_a_dominating_study() -> None:
    d = table(3, 9)
    x, v = np.column_stack([np.ones(9), d["dose"]]), d["v"].to_numpy()
    for first in (v[0], 1e-5):
        v = np.append(first, v[1:])
        m = regression(d["y"].to_numpy(), v, x)
        contrasts = scipy.linalg.null_space(x.T)  # P without the difference of large numbers
        p = contrasts @ np.linalg.inv((contrasts.T * v) @ contrasts) @ contrasts.T
        assert fit_arrays(d["y"].to_numpy(), v, x).trace == pytest.approx(np.trace(p), rel=1e-9)
        u = np.diag(v + 0.3)
        error = compiled_error(m, "DL", 0.3 / m.scale**2, np.ones(9)) * m.scale**2
        assert error == pytest.approx(np.sqrt(2 * np.trace(p @ u @ p @ u)) / np.trace(p), rel=1e-9)


def test_a_given_tau2_and_the_order_of_the_studies() -> None:
    d = table()
    r = fit(tau2=0.2)
    assert r.tau2 == 0.2
    assert r.r2 is None
    assert r.information("ML").parameters == 2
    back = fit(data=d.iloc[::-1].reset_index(drop=True))
    assert back.estimate == pytest.approx(fit().estimate, rel=1e-10)


def test_collinear_moderators_are_named() -> None:
    d = table().assign(twice=lambda t: 2 * t["dose"] + 1, nothing=0.0)
    with pytest.raises(vf.InputError, match=r"twice is a combination of Intercept, dose"):
        fit("~ dose + twice", d)
    with pytest.raises(vf.InputError, match=r"same has one and the same value in every study"):
        fit("~ same", d.assign(same=3.0))
    with pytest.raises(vf.InputError, match=r"nothing is zero in every study"):
        fit("~ dose + nothing", d)
    with pytest.raises(vf.InputError, match=r"x3 is a combination of x1, x2"):
        vf.meta_regression(y=d["y"], v=d["v"], x=np.column_stack([np.ones(14), d["dose"], d["dose"] - 3]))


@pytest.mark.parametrize(("change", "message"), [
    ({"formula": "~ nope"}, "reads nope, which the data do not have"),
    ({"formula": "y ~ dose"}, "has a left side"),
    ({"formula": "~ dose +"}, "cannot be read"),
    ({"formula": ""}, "must be a text"),
    ({"formula": None}, "Give a formula"),
    ({"method": "XX"}, "is unknown; use one of"),
    ({"tau2": -1.0}, "no variance"),
    ({"test": "F"}, "test='F' is unknown"),
    ({"method": "GENQ"}, "needs weights="),
    ({"weights": [1, 2]}, "weights has 2 values for 14 rows"),
    ({"weights": [0] + [1] * 13}, "row 1 .study 1., column weights: 0 is no weight"),
    ({"omnibus": "nope"}, "no coefficient 'nope'"),
    ({"omnibus": 9}, "no coefficient 9"),
    ({"level": 95}, "for 95% write 0.95"),
    ({"y": "effect"}, "No column 'effect' in the data"),
])  # fmt: skip
def test_bad_choices_say_what_to_do(change: dict[str, Any], message: str) -> None:
    given_ = {"formula": "~ dose", "data": table(), "y": "y", "v": "v"} | change
    with pytest.raises(vf.InputError, match=message):
        vf.meta_regression(**given_)


def test_bad_cells_name_row_and_column() -> None:
    d = table()
    d.loc[2, "dose"] = np.nan
    d.loc[4, "arm"] = None
    with pytest.raises(vf.InputError) as caught:
        vf.meta_regression(formula="~ dose + arm", data=d, y="y", v="v")
    assert len(caught.value.problems) == 2
    assert "row 3 (study 3), column dose: missing value" in str(caught.value)
    with pytest.warns(vf.VfmetaWarning, match=r"study 3 \(row 3: dose\), study 5 \(row 5: arm\)"):
        r = vf.meta_regression(formula="~ dose + arm", data=d, y="y", v="v", missing="drop")
    assert r.k == 12
    d.loc[6, "y"] = np.nan
    r = fit("~ dose + arm", d, missing="drop")
    assert (r.k, r.labels[0], "study 7" in r.labels) == (11, "study 1", False)
    with pytest.raises(vf.InputError, match=r"row 1 .study 1., column dose: inf is not a finite number"):
        fit("~ dose", table().assign(dose=[np.inf] + [1.0] * 13))
    with pytest.raises(vf.InputError, match="the data have 2 rows and y has 3 values"):
        vf.meta_regression(formula="~ a", data={"a": [1, 2]}, y=[1, 2, 3], v=[1, 1, 1])
    with pytest.raises(vf.InputError, match="every study has the value 'a'"):
        fit("~ arm", table().assign(arm="a"))


def test_bad_predictions_name_the_column() -> None:
    r = fit("~ dose + arm")
    with pytest.raises(vf.InputError, match="lack the columns arm"):
        r.predict({"dose": [1.0]})
    with pytest.raises(vf.InputError, match="'z' is not one of the values of the fit"):
        r.predict({"dose": [1.0], "arm": ["z"]})
    with pytest.raises(vf.InputError, match="column dose: missing value"):
        r.predict({"dose": [np.nan], "arm": ["a"]})
    with pytest.raises(vf.InputError, match="No coefficient is called size"):
        r.contrast({"size": 1})
    with pytest.raises(vf.InputError, match="depend on each other"):
        r.contrast([{"dose": 1}, {"dose": 2}])


def test_too_few_studies() -> None:
    d = table().head(2)
    with pytest.raises(vf.InputError, match="2 studies cannot estimate 2 coefficients"):
        fit("~ dose", d)
    with pytest.raises(vf.InputError, match="1 study cannot estimate"):
        fit("~ dose", d.head(1))
    r = fit("~ dose", d, method="common", test="Wald")
    assert r.fit.fitted == pytest.approx(d["y"].to_numpy(), rel=1e-9)
    three = fit("~ dose", table().head(3))
    assert any("One degree of freedom" in w for w in three.warnings)


def test_identical_effects_and_a_perfect_line() -> None:
    d = table().assign(y=lambda t: 1 + 0.5 * t["dose"])
    r = fit("~ dose", d)
    assert r.tau2 == 0
    assert r.estimate == pytest.approx([1, 0.5], rel=1e-8)
    assert r.tau2_interval is None
    same = fit("~ dose", table().assign(y=2.0), test="Wald")
    assert same.estimate == pytest.approx([2, 0], abs=1e-12)


def test_one_dominating_study() -> None:
    d = table()
    d.loc[0, "v"] = 1e-12
    for method in sorted(METHODS):
        r = fit("~ dose", d, method=method, test="Wald")
        assert np.all(np.isfinite(r.estimate))
        assert r.tau2 >= 0


def test_an_effect_table_brings_its_own_moderators() -> None:
    d = table()
    effects = vf.effect_table(d)
    assert quiet(vf.meta_regression, effects, "~ dose").estimate == pytest.approx(fit().estimate, rel=1e-12)


def test_what_it_prints_and_writes() -> None:
    r = fit("~ dose + arm")
    assert "arm[T.b]" in str(r)
    assert list(r.to_frame()["term"]) == list(r.terms)
    written = json.loads(r.to_json())
    assert written["schema_version"] == 2
    assert written["terms"] == list(r.terms)
    assert r.to_json() == fit("~ dose + arm").to_json()
