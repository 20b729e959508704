"""Meta-regression by property: units, order, studies without information, any ratio of variances, no NaN without an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.regression_data import quiet

import vfmeta as vf
from vfmeta.kernels import estimators
from vfmeta.kernels.regression import fit
from vfmeta.kernels.tau2 import ESTIMATORS

METHODS = ["common", *(name for name, e in ESTIMATORS.items() if not e.weighted and e.about is None)]
doubles = st.floats(-5, 5, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(doubles, st.floats(-11, 1)), min_size=2, max_size=9), st.sampled_from(sorted(METHODS)))
def test_estimators_agree_with_the_compiled_ones_over_any_ratio_of_variances(rows: Any, method: str) -> None:
    y, v = np.array([r[0] for r in rows]), 10.0 ** np.array([r[1] for r in rows])
    found = fit(y, v, np.ones((len(y), 1)), method)
    expected = estimators.fit_ragged(y, v, np.arange(len(y)), np.array([0, len(y)]), method, wants=estimators.TAU2_SE)[0]
    assert found.tau2 == pytest.approx(expected[0], rel=1e-6, abs=1e-9 * v.min())
    if method != "common":
        assert found.tau2_se == pytest.approx(expected[1], rel=1e-6, abs=1e-9 * v.min())


@st.composite
def regressions(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k = draw(st.integers(4, 9))
    y = np.array(draw(st.lists(doubles, min_size=k, max_size=k)))
    v = np.array(draw(st.lists(st.floats(0.01, 10), min_size=k, max_size=k)))
    x = np.array(draw(st.lists(st.integers(-20, 20), min_size=k, max_size=k, unique=True)), dtype=float)
    return y, v, np.column_stack([np.ones(k), x])


@settings(max_examples=60, deadline=None)
@given(regressions(), st.sampled_from(sorted(METHODS)), st.sampled_from([1e-4, 3.0, 1e5]), st.floats(-1e3, 1e3))
def test_shift_and_scale(data: Any, method: str, scale: float, shift: float) -> None:
    y, v, x = data
    a = quiet(vf.meta_regression, y=y, v=v, x=x, method=method, test="Wald")
    b = quiet(vf.meta_regression, y=scale * y, v=scale**2 * v, x=x, method=method, test="Wald")
    size = max(1.0, np.abs(y).max())
    assert b.tau2 == pytest.approx(scale**2 * a.tau2, rel=1e-6, abs=1e-9 * scale**2)
    assert b.estimate == pytest.approx(scale * a.estimate, rel=1e-6, abs=1e-9 * scale * size)
    if method != "SJ" or not np.allclose(y, y[0]):
        c = quiet(vf.meta_regression, y=y + shift * x[:, 1], v=v, x=x, method=method, test="Wald")
        if method not in ("SJ", "SJIT"):  # Sidik and Jonkman's start is the spread of the effects, moderators and all
            assert c.tau2 == pytest.approx(a.tau2, rel=1e-5, abs=1e-7)
            assert c.estimate[1] == pytest.approx(a.estimate[1] + shift, rel=1e-5, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(regressions())
def test_a_study_without_information_changes_nothing(data: Any) -> None:
    y, v, x = data
    a = quiet(vf.meta_regression, y=y, v=v, x=x, test="Wald")
    more = [np.append(y, 1.0), np.append(v, 1e14), np.vstack([x, [1, 30.0]])]
    b = quiet(vf.meta_regression, y=more[0], v=more[1], x=more[2], test="Wald")
    assert b.tau2 == pytest.approx(a.tau2, rel=1e-5, abs=1e-8)
    assert b.estimate == pytest.approx(a.estimate, rel=1e-4, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-12, 1e12), st.integers(0, 3)), min_size=1, max_size=8),
    st.sampled_from(sorted(METHODS)),
    st.sampled_from(["HKSJ", "HKSJ-adhoc", "Wald", "t"]),
)
def test_never_a_nan_without_an_error(rows: Any, method: str, interval: str) -> None:
    y, v, g = (list(c) for c in zip(*rows, strict=True))
    try:
        r = quiet(vf.meta_regression, y=y, v=v, data={"g": g}, formula="~ g", method=method, test=interval)
    except (vf.InputError, vf.ConvergenceError):
        return
    assert np.all(np.isfinite(np.concatenate([r.estimate, r.se, r.p_value, r.interval.ravel()])))
    assert np.isfinite([r.tau2, r.i2, r.q.statistic, r.omnibus.statistic]).all() or r.fit.factor == 0
