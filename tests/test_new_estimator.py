"""A tau2 estimator is one file: one made up here works in every pool and regression, one or many."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.regression_data import quiet

import vfmeta as vf
from vfmeta.core.params import Method, choices
from vfmeta.kernels.tau2 import ESTIMATORS, Estimator, register
from vfmeta.kernels.tau2.chain import BRANCHES

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[None]:
    """The file of the guide, registered at run time."""
    path = tmp_path / "plain.py"
    path.write_text(GUIDE.split("## Adding a tau2 estimator")[1].split("```python\n")[1].split("```")[0], encoding="utf-8")
    for name, estimator in runpy.run_path(str(path))["METHODS"].items():
        register(name, estimator)
    yield
    del ESTIMATORS["plain"]


def _studies(k: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    v, dose = rng.uniform(0.05, 0.3, k), rng.normal(size=k)
    return 0.4 * dose + rng.normal(0, np.sqrt(v + 0.5)), v, dose


def test_it_pools_regresses_and_fits_in_bulk(plain: None) -> None:
    y, v, dose = _studies()
    pool = quiet(vf.random_effects, y=y, v=v, method="plain")
    square = np.var(y, ddof=1)
    assert pool.tau2 == pytest.approx(square - v.mean(), rel=1e-12)
    assert pool.tau2_se == pytest.approx(np.sqrt(2 / 11) * square, rel=1e-12)
    w = 1 / (v + pool.tau2)
    assert pool.estimate == pytest.approx(w @ y / w.sum(), rel=1e-12)

    regression = quiet(vf.meta_regression, y=y, v=v, data={"dose": dose}, formula="~ dose", method="plain")
    x = np.column_stack([np.ones(12), dose])
    residual = y - x @ np.linalg.solve(x.T @ x, x.T @ y)
    assert regression.tau2 == pytest.approx(residual @ residual / 10 - v.mean(), rel=1e-10)
    alone = quiet(vf.meta_regression, y=y, v=v, x=np.ones((12, 1)), method="plain")
    assert alone.tau2 == pytest.approx(pool.tau2, rel=1e-12)

    frame = pd.DataFrame({"question": np.repeat([1, 2, 3], 4), "y": y, "v": v})
    many = quiet(vf.random_effects_many, frame, method="plain")
    for i, (_, part) in enumerate(frame.groupby("question")):
        one = quiet(vf.random_effects, y=part["y"].to_numpy(), v=part["v"].to_numpy(), method="plain")
        assert [many["tau2"][i], many["estimate"][i]] == pytest.approx([one.tau2, one.estimate], rel=1e-12)


def test_what_refits_knows_it(plain: None) -> None:
    y, v, dose = _studies()
    pool = quiet(vf.random_effects, y=y, v=v, method="plain")
    left = quiet(vf.leave_one_out, pool)
    assert left["tau2"].iloc[0] == pytest.approx(max(np.var(y[1:], ddof=1) - v[1:].mean(), 0), rel=1e-10)
    fit = quiet(vf.meta_regression, y=y, v=v, data={"dose": dose}, formula="~ dose", method="plain")
    p = quiet(vf.permutation_test, fit, draws=99).p_value
    assert np.all((p > 0) & (p <= 1))


def test_a_name_is_taken_once_and_a_formula_is_needed() -> None:
    with pytest.raises(ValueError, match="exists already"):
        register("REML", Estimator("again", formula=lambda y, v, x, w: (0.0, 0.0)))
    with pytest.raises(ValueError, match="has no formula"):
        register("empty", Estimator("nothing"))
    with pytest.raises(vf.InputError, match="plain"):
        vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.1], method="plain")


def test_the_option_names_the_estimators_that_there_are() -> None:
    assert set(choices(Method)) == set(ESTIMATORS)
    assert all(e.paper and [e.compiled, e.formula, e.about].count(None) == 2 for e in ESTIMATORS.values())
    assert {e.compiled for e in ESTIMATORS.values()} <= {*BRANCHES, None}
