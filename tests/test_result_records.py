"""Results of the regression, location-scale, subgroup, multivariate and robust models as JSON and back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from tests.test_dependent_effects import example

import vfmeta as vf
from vfmeta.frequentist.location_scale import LocationScaleResult
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.frequentist.multivariate.robust import RobustResult
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.frequentist.subgroups import SubgroupResult

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
FRAME, V = example(12, groups=9, complete=False)
FRAME["dose"] = np.random.default_rng(2).normal(10, 4, len(FRAME)).round(3)
GIVEN = {"y": FRAME.y, "v": FRAME.v, "data": FRAME}
MANY = {"y": FRAME.y, "V": V, "data": FRAME, "formula": "~ x"}
RELATED = pd.DataFrame(0.5 * np.eye(9) + 0.5)


def regression(**more):
    return vf.meta_regression(formula="~ dose", **GIVEN, **more)


RESULTS = {
    "regression": lambda: regression(),
    "regression KR": lambda: regression(test="KR"),
    "regression t weights": lambda: regression(test="t", weights=np.arange(1, len(FRAME) + 1)),
    "regression common": lambda: regression(method="common", test="Wald"),
    "regression given": lambda: regression(tau2=0.1),
    "location-scale": lambda: vf.location_scale(formula="~ x", scale="~ dose", **GIVEN),
    "subgroups": lambda: vf.subgroups(by="outcome", **GIVEN),
    "subgroups common": lambda: vf.subgroups(by="outcome", common_tau2=True, **GIVEN),
    "three levels": lambda: vf.multivariate(random="1 | trial/effect", test="t", df="containment", **MANY),
    "UN": lambda: vf.multivariate(random="outcome | trial", structure="UN", **MANY),
    "GEN": lambda: vf.multivariate(random="x | trial", structure="GEN", **MANY),
    "held, related, weighted": lambda: vf.multivariate(
        random="1 | trial/effect", R={"trial": RELATED}, variances={"1 | trial": 0.1}, weights=np.ones(len(FRAME)), **MANY
    ),
    "plain": lambda: vf.multivariate(**MANY),
    "robust": lambda: vf.che(y=FRAME.y, v=FRAME.v, cluster="trial", formula="~ x", data=FRAME),
    "robust regression": lambda: vf.robust(regression(test="Wald"), FRAME.trial),
    "robust pool": lambda: vf.robust(vf.random_effects(y=FRAME.y, v=FRAME.v), FRAME.trial),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_round_trip_to_the_byte(name):
    fit = RESULTS[name]()
    text = fit.to_json()
    back = type(fit).from_dict(json.loads(text))
    assert back.to_json() == text
    assert str(back) == str(fit)
    assert json.loads(text)["schema_version"] == 2
    pd.testing.assert_frame_equal(back.to_frame(), fit.to_frame(), rtol=1e-9)


def test_what_was_read_back_still_answers():
    fit = RESULTS["regression KR"]()
    back = RegressionResult.from_dict(fit.to_dict())
    rows = np.array([[1, 8.0], [1, 12.0]])
    pd.testing.assert_frame_equal(back.predict(rows), fit.predict(rows), rtol=1e-8)
    pd.testing.assert_frame_equal(back.contrast({"dose": 5})[0], fit.contrast({"dose": 5})[0], rtol=1e-7)
    pd.testing.assert_frame_equal(vf.influence(back), vf.influence(fit), rtol=1e-6, atol=1e-8)
    with pytest.raises(vf.InputError, match="only as a matrix"):
        back.predict({"dose": 8.0})

    fit = RESULTS["location-scale"]()
    pd.testing.assert_frame_equal(LocationScaleResult.from_dict(fit.to_dict()).predict(), fit.predict(), rtol=1e-8)

    fit = RESULTS["subgroups"]()
    back = SubgroupResult.from_dict(fit.to_dict())
    assert list(back.groups) == list(fit.groups)
    assert back.groups["o1"].interval == pytest.approx(fit.groups["o1"].interval, rel=1e-9)

    for name in ("UN", "GEN", "held, related, weighted"):
        fit = RESULTS[name]()
        back = MultivariateResult.from_dict(fit.to_dict())
        np.testing.assert_allclose(back.marginal_covariance, fit.marginal_covariance, rtol=1e-8, atol=1e-12)
        a, b = (vf.influence(f, cluster="trial", reestimate=False) for f in (back, fit))
        pd.testing.assert_frame_equal(a, b, rtol=1e-5, atol=1e-8)

    fit = RESULTS["robust"]()
    back = RobustResult.from_dict(fit.to_dict())
    assert back.wald(["x"]).p_value == pytest.approx(fit.wald(["x"]).p_value, rel=1e-6)


def test_another_kind_or_version_is_refused():
    data = RESULTS["plain"]().to_dict()
    with pytest.raises(vf.InputError, match="a MultivariateResult of schema version 2; RegressionResult reads its own"):
        RegressionResult.from_dict(data)
    with pytest.raises(vf.InputError, match="version 99"):
        MultivariateResult.from_dict(data | {"schema_version": 99})


def test_infinite_degrees_of_freedom_survive():
    fit = RESULTS["three levels"]()
    from dataclasses import replace

    odd = replace(fit, df=np.array([np.inf, 3.0]))
    assert MultivariateResult.from_dict(json.loads(odd.to_json())).df.tolist() == [np.inf, 3.0]
