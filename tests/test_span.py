"""Numbers too far apart to be weighed against each other are refused in words, in single pools and in batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.core import params

Y, V = [0.0, 1e60, 1.0], [1e-140, 1.0, 1.0]


@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM", "EB", "HE", "SJ", "HS", "common"])
def test_a_batch_names_the_group(method: str) -> None:
    frame = pd.DataFrame({"question": ["a", "a", "a", "b", "b", "b"], "y": [*Y, 0.0, 0.2, 0.1], "v": [*V, 1.0, 1.0, 1.0]})
    with pytest.raises(vf.InputError, match=r"question = a: .*more orders of magnitude"):
        vf.random_effects_many(frame, method=method)  # type: ignore[arg-type]
    apart = frame.assign(question=list("abcdef"))  # single studies weigh against nothing
    assert vf.random_effects_many(apart, method=method)["k"].tolist() == [1] * 6  # type: ignore[arg-type]


@pytest.mark.parametrize("method", [m for m in params.choices(params.Method) if m != "DL-MH"])  # it takes tables
def test_a_pool_says_so(method: params.Method) -> None:
    with pytest.raises(vf.InputError, match="more orders of magnitude"):
        vf.random_effects(y=Y, v=V, method=method, weights=[1, 1, 1] if "GENQ" in method else None)


def test_what_is_let_through_is_right() -> None:
    """With one effect far off and variances that vanish beside it REML is the sample variance."""
    y = np.array([0.0, 1e30, 2.0, 3.0])
    fit = vf.random_effects(y=y, v=[1e-6, 1.0, 1.0, 1.0], prediction="HTS")
    assert fit.tau2 == pytest.approx(np.var(y, ddof=1), rel=1e-9)


@pytest.mark.parametrize("made", [
    lambda: vf.all_subsets(vf.common_effect(y=[0.1, 0.2], v=[1.0, 1.0])),
    lambda: vf.random_effects_many({"question": ["a", "a"], "y": [0.1, 0.2], "v": [1.0, 1.0]}),
    lambda: vf.bayes.random_effects_many({"g": ["a", "a"], "y": [0.1, 0.2], "v": [1.0, 1.0]}, "g", tau=vf.priors.HalfNormal(1)),
    lambda: vf.bayes.prior_sensitivity(y=[0.1, 0.2], v=[1.0, 1.0], tau_scales=[1.0], mu_sds=[1.0]),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
def test_a_table_names_its_scale(made: object) -> None:
    assert set(made()["scale"]) == {"GEN"}  # type: ignore[operator]
