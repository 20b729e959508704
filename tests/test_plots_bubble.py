"""The bubble plot shows the studies and the line of the fit."""

from __future__ import annotations

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.frequentist.regression_result import RegressionResult

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")


def fit(formula="~ dose"):
    rng = np.random.default_rng(0)
    data = {"dose": rng.normal(10, 3, 9), "age": rng.normal(70, 5, 9)}
    return vf.meta_regression(formula=formula, y=rng.normal(0, 1, 9), v=rng.uniform(0.05, 0.3, 9), data=data)


def part(ax, gid):
    return next(a for a in ax.get_children() if a.get_gid() == gid)


def test_line_points_and_band():
    r = fit()
    ax = vf.plots.bubble(RegressionResult.from_dict(r.to_dict()))
    dose = r.design.x[:, 1]
    np.testing.assert_allclose(part(ax, "effects").get_offsets(), np.column_stack([dose, r.y]), rtol=1e-8)
    sizes = part(ax, "effects").get_sizes()
    assert np.argsort(sizes).tolist() == np.argsort(r.weights).tolist()
    x, y = part(ax, "line").get_data()
    np.testing.assert_allclose(y, r.estimate[0] + r.estimate[1] * x, rtol=1e-8, atol=1e-9)  # JSON keeps ten digits
    assert (x.min(), x.max()) == pytest.approx((dose.min(), dose.max()))
    band = part(ax, "confidence").get_paths()[0].vertices
    known = r.predict({"dose": [dose.min()]})
    assert band[:, 1].max() >= known.ci_high[0] - 1e-8


def test_other_moderators_stand_at_their_means():
    r = fit("~ dose + age")
    x, y = part(vf.plots.bubble(r, "dose", show_prediction=False), "line").get_data()
    np.testing.assert_allclose(y, r.estimate[0] + r.estimate[1] * x + r.estimate[2] * r.design.x[:, 2].mean(), rtol=1e-9)


def test_refusals():
    with pytest.raises(vf.InputError, match="name one of dose, age"):
        vf.plots.bubble(fit("~ dose + age"))
    with pytest.raises(vf.InputError, match="as well, so no straight line"):
        vf.plots.bubble(fit("~ dose + I(dose**2)"), "dose")
    with pytest.raises(vf.InputError, match="FrequentistResult was given"):
        vf.plots.bubble(vf.random_effects(y=[0.1, 0.2, 0.4], v=[0.1] * 3))
