"""What was left out is known to the table and to everything after it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf

FRAME = pd.DataFrame({
    "trial": list("ABCDEFGH"), "yi": [-0.5, -0.1, None, 0.2, -0.4, -0.7, 0.1, -0.2],
    "vi": [0.04, 0.09, 0.0625, 0.16, 0.04, 0.25, 0.1, 0.08], "dose": [1.0, 2, 3, 1.5, 2.5, 4, 3, None],
    "lab": list("uuvvwwxx"), "arm": list("ababbaab"),
})  # fmt: skip
COUNTS = pd.DataFrame({"t": list("ABCD"), "e": [3, 1, 0, 4], "n": [20, 20, 30, 25], "c": [6, 2, 0, 3], "m": [20, 20, 31, 25]})
ARMS = {"events1": "e", "n1": "n", "events2": "c", "n2": "m"}
TAU = vf.priors.HalfNormal(0.5)


def table() -> vf.EffectTable:
    with pytest.warns(vf.VfmetaWarning, match="C"):
        return vf.effect_table(FRAME, y="yi", v="vi", study="trial", missing="drop")


MODELS: dict[str, Callable[..., Any]] = {
    "random_effects": vf.random_effects,
    "common_effect": vf.common_effect,
    "subgroups": lambda *a, **k: vf.subgroups(*a, by="arm", **k),
    "subgroups, common tau2": lambda *a, **k: vf.subgroups(*a, by="arm", common_tau2=True, **k),
    "multivariate": lambda *a, **k: vf.multivariate(*a, random="1 | lab/trial", **k),
    "che": lambda *a, **k: vf.che(*a, cluster="lab", **k),
    "robust": lambda *a, **k: vf.robust(vf.random_effects(*a, **k), FRAME["lab"]),
    "bayes.random_effects": lambda *a, **k: vf.bayes.random_effects(*a, tau=TAU, **k),
    "bayes.meta_regression": lambda *a, **k: vf.bayes.meta_regression(*a, formula="~ arm", tau=TAU, **k),
    "bayes.power_scaling": lambda *a, **k: vf.bayes.power_scaling(vf.bayes.random_effects(*a, tau=TAU, **k)),
    "bayes.predictive_check": lambda *a, **k: vf.bayes.predictive_check(
        vf.bayes.random_effects(*a, tau=TAU, **k), draws=50
    ),
    "meta_regression": lambda *a, **k: vf.meta_regression(*a, formula="~ arm", **k),
    "location_scale": lambda *a, **k: vf.location_scale(*a, formula="~ arm", scale="~ 1", **k),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_knows_what_its_table_or_itself_left_out(name: str) -> None:
    own = {"y": "yi", "v": "vi", "study": "trial", "missing": "drop"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        for fit in (MODELS[name](table()), MODELS[name](FRAME, **own)):
            assert [(x.label, x.reason) for x in fit.left_out] == [("C", "missing value of yi")]
            assert vf.read_result(fit.to_json()).left_out == fit.left_out
            if name.startswith("bayes.p"):  # they are about the posterior, which says so
                continue
            line = "left out: C (missing value of yi)"
            assert str(fit).splitlines().count(line) == 1
            assert sum("missing" in x for x in str(fit).splitlines()) == 1  # and no note that says it again
            assert line[1:] in fit.summary()


def test_rows_left_out_on_the_way_add_up_in_order() -> None:
    with pytest.warns(vf.VfmetaWarning, match="H"):
        fit = vf.meta_regression(table(), "~ dose", missing="drop")
    assert [(x.label, x.reason) for x in fit.left_out] == [("C", "missing value of yi"), ("H", "missing value of dose")]


@pytest.mark.parametrize("model", [vf.mantel_haenszel, vf.glmm, vf.beta_binomial])
def test_models_of_counts_know_it_too(model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = model("OR", data=vf.effect_size("OR", data=COUNTS, study="t", **ARMS))
        assert [x.label for x in fit.left_out] == ["C"]
        gap = model("OR", data=COUNTS.assign(e=[3, None, 1, 4]), study="t", **ARMS, missing="drop")
    assert [(x.label, x.reason) for x in gap.left_out] == [("B", "missing value of e")]


def test_a_study_that_says_nothing_is_left_out_of_a_model_of_counts() -> None:
    with pytest.warns(vf.VfmetaWarning, match="in both arms say nothing"):
        fit = vf.glmm("OR", data=COUNTS, study="t", **ARMS)
    assert [x.label for x in fit.left_out] == ["C"]


@pytest.mark.parametrize("make", [vf.random_effects, lambda t: vf.meta_regression(t, "~ arm")])
def test_clusters_of_the_whole_data_fit_a_table_that_left_rows_out(make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = make(table())
        known = vf.robust(fit, list("uuvwwxx"))
        for cluster in (FRAME["lab"], FRAME["lab"].tolist(), FRAME.set_index("trial")["lab"].iloc[::-1]):
            assert vf.robust(fit, cluster).se == pytest.approx(known.se, rel=1e-12)
        assert vf.robust(vf.read_result(fit.to_json()), FRAME["lab"]).se == pytest.approx(known.se, rel=1e-9)
    with pytest.raises(vf.InputError, match=r"cluster has 3 values for 7 rows.*left out C"):
        vf.robust(fit, list("abc"))


def test_weights_of_the_whole_data_fit_a_table_that_left_rows_out() -> None:
    weights = np.arange(1.0, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        for model in (vf.random_effects, lambda t, **k: vf.multivariate(t, random="1 | lab", **k)):
            whole, part = model(table(), weights=weights), model(table(), weights=np.delete(weights, 2))
            assert whole.estimate == pytest.approx(part.estimate, rel=1e-12)


def test_columns_called_as_what_a_table_has_are_columns() -> None:
    frame = FRAME.dropna(subset="yi").assign(places="here", left_out="nobody", rows_read=3)
    assert vf.random_effects(frame, y="yi", v="vi", study="trial").left_out == ()
