"""Fits and posteriors without each study: what the verb says of the other studies, and by hand where there is a formula."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vfmeta as vf

Y = np.array([-0.6, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1, 0.7])
V = np.array([0.04, 0.09, 0.05, 0.12, 0.06, 0.1, 0.07, 0.08])
DOSE = np.array([1.0, 2.0, 4.0, 3.0, 1.5, 5.0, 2.5, 4.5])
ARM = np.array(list("aabbabba"))
NAMES = np.array(list("ABCDEFGH"))
A, M1 = np.array([4, 6, 3, 7, 5, 2, 6, 4]), np.array([40, 55, 38, 60, 50, 35, 60, 44])
C, M2 = np.array([9, 8, 6, 12, 6, 5, 9, 8]), np.array([41, 50, 40, 61, 49, 36, 58, 45])
TAU, MU = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
RR = vf.Question(measure="RR")


def effects(i: np.ndarray) -> dict[str, Any]:
    return {"y": Y[i], "v": V[i], "study": NAMES[i], "question": RR}


def counts(i: np.ndarray) -> dict[str, Any]:
    return {"events1": A[i], "n1": M1[i], "events2": C[i], "n2": M2[i], "study": NAMES[i]}


def with_dose(i: np.ndarray) -> dict[str, Any]:
    return {**effects(i), "data": {"dose": DOSE[i], "x": np.arange(8.0)[i] % 3}}


VERBS: dict[str, Callable[[np.ndarray], Any]] = {
    "pool": lambda i: vf.random_effects(**effects(i), method="PM", test="HKSJ-adhoc", level=0.9),
    "tau2 held": lambda i: vf.random_effects(**effects(i), tau2=0.1, test="Wald"),
    "peto": lambda i: vf.peto(**counts(i)),
    "risk difference": lambda i: vf.mantel_haenszel("RD", **counts(i)),
    "glmm": lambda i: vf.glmm("OR", **counts(i), model="CM.AL"),
    "glmm, moderators": lambda i: vf.glmm("OR", **counts(i), data={"dose": DOSE[i]}, formula="~ dose", model="CM.AL"),
    "beta_binomial": lambda i: vf.beta_binomial("RR", **counts(i), test="t"),
    "regression": lambda i: vf.meta_regression(**with_dose(i), formula="~ dose", method="ML", test="t"),
    "location_scale": lambda i: vf.location_scale(**with_dose(i), formula="~ 1", scale="~ x", method="ML"),
    "subgroups": lambda i: vf.subgroups(**effects(i), by=ARM[i], method="DL", test="Wald"),
    "subgroups, common tau2": lambda i: vf.subgroups(**effects(i), by=ARM[i], common_tau2=True),
    "posterior": lambda i: vf.bayes.random_effects(**effects(i), tau=TAU, mu=MU, level=0.8, interval="shortest"),
    "Bayesian regression": lambda i: vf.bayes.meta_regression(**with_dose(i), formula="~ dose", tau=TAU, level=0.9),
}


def quiet(function: Callable[..., Any], *args: Any, **given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return function(*args, **given)


@pytest.mark.parametrize("name", VERBS)
def test_each_row_is_the_model_of_the_others(name: str) -> None:
    fit = quiet(VERBS[name], np.arange(8))
    table = quiet(vf.leave_one_out, fit)
    assert quiet(fit.leave_one_out).equals(table)
    assert list(dict.fromkeys(table["study"])) == list(fit.studies["study"])
    for left in ("A", "F"):
        other = quiet(VERBS[name], np.flatnonzero(left != NAMES)).to_frame()
        found = table[table["study"] == left].reset_index(drop=True)
        for column in ("estimate", "se", "ci_low", "ci_high"):
            np.testing.assert_allclose(found[column], other[column], rtol=1e-6, atol=1e-9, err_msg=column)
        if "term" in other:
            assert found["term"].tolist() == other["term"].tolist()
    if name not in ("subgroups", "subgroups, common tau2"):
        assert (table["k"] == 7).all()
    read = quiet(vf.leave_one_out, quiet(vf.read_result, fit.to_json()), on="read")
    turned = table["scale"].str.startswith("log ") & (table["scale"] != "log tau2")
    np.testing.assert_allclose(read["estimate"][turned], np.exp(table["estimate"][turned]), rtol=1e-5)


def test_odds_ratios_without_a_study_are_those_of_mantel_and_haenszel() -> None:
    table = vf.leave_one_out(vf.mantel_haenszel("OR", **counts(np.arange(8))), on="read")
    for i in range(8):
        a, m, c, n = (np.delete(x, i).astype(float) for x in (A, M1, C, M2))
        by_hand = (a * (n - c) / (m + n)).sum() / (c * (m - a) / (m + n)).sum()
        assert table["estimate"][i] == pytest.approx(by_hand, rel=1e-12)


def test_studies_are_added_in_the_order_asked_for() -> None:
    fit = quiet(VERBS["regression"], np.arange(8))
    order = ["H", "C", "A", "B", "D", "E", "F", "G"]
    with pytest.warns(vf.VfmetaWarning, match=r"with studies up to H, C"):
        table = vf.cumulative(fit, order)
    assert table["estimate"][table["study"].isin(["H", "C"])].isna().all()
    places = [NAMES.tolist().index(x) for x in order[:5]]
    np.testing.assert_allclose(
        table[table["study"] == "D"]["estimate"], quiet(VERBS["regression"], np.array(places)).estimate, rtol=1e-7
    )
    post = quiet(VERBS["posterior"], np.arange(8))
    assert quiet(vf.cumulative, post)["estimate"].iloc[-1] == pytest.approx(post.estimate, rel=1e-7)


def test_a_prior_that_rests_on_the_variances_keeps_all_of_them() -> None:
    post = quiet(vf.bayes.random_effects, y=Y, v=V, tau=vf.priors.DuMouchel(), mu=MU)
    scale = math.sqrt(len(V) / (1 / V).sum())

    class Same(vf.priors.TauPrior):  # the density of DuMouchel's prior at the scale that all eight studies make
        proper, tail, size = True, 1.0, scale

        def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
            return math.log(scale) - 2 * np.log(scale + np.asarray(x, dtype=float))

        @property
        def words(self) -> str:
            return "tau ~ log-logistic"

    rest = np.arange(8) != 2
    other = quiet(vf.bayes.random_effects, y=Y[rest], v=V[rest], tau=Same(), mu=MU)
    assert quiet(vf.leave_one_out, post)["estimate"][2] == pytest.approx(other.estimate, rel=1e-6)


def test_what_is_not_fitted_again_says_what_to_ask() -> None:
    levels = vf.multivariate(y=Y, v=V, data={"trial": list("aabbccdd")}, random="1 | trial")
    for answer, said in (
        (quiet(vf.robust, levels, "trial"), r"leave clusters out of its working model"),
        (vf.bayes.predictive_check(quiet(VERBS["posterior"], np.arange(8)), draws=50), r"ask it of the fit or posterior"),
        ([1, 2], r"A list is not fitted again.*give what a model returned"),
    ):
        with pytest.raises(vf.NotDefined, match=said):
            vf.leave_one_out(answer)
    with pytest.raises(vf.NotDefined, match="whose counts it does not keep"):
        vf.leave_one_out(quiet(vf.mantel_haenszel, "RD", events1=[0, 3], n1=[20, 30], events2=[0, 5], n2=[20, 30], drop00=True))
    with pytest.raises(vf.InputError, match="leaves nothing"):
        vf.leave_one_out(quiet(vf.bayes.random_effects, y=[0.1], v=[0.1], tau=TAU, mu=MU))
