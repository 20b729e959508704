"""Networks from the trial tables: the contrasts that `vf.compare` gives, and what may set them apart."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.text import codes

ASKED: dict[str, Any] = {
    "outcome": "new_vertebral_fracture", "measure": "RR", "week": 104, "window": (40, 170), "use": ("pool", "sensitivity"),
}  # fmt: skip
DRUGS = ["placebo", "teriparatide", "risedronate", "alendronate"]


@cache
def tables() -> Any:
    return vf.load_trials()


@cache
def fractures() -> Any:
    return vf.network_from_trials(tables(), DRUGS, reference="placebo", **ASKED)


def test_contrasts_are_those_of_compare() -> None:
    rows = []
    for a, b in (("teriparatide", "placebo"), ("risedronate", "placebo"), ("alendronate", "placebo"),
                 ("risedronate", "teriparatide"), ("alendronate", "teriparatide")):  # fmt: skip
        rows += [(e.label, a, b, e.y, e.v) for e in vf.compare(tables(), a, b, **ASKED)]
    columns = dict(zip(("study", "treat1", "treat2", "y", "v"), map(list, zip(*rows, strict=True)), strict=True))
    hand = vf.network(columns, reference="placebo")
    assert hand.terms == fractures().terms
    np.testing.assert_allclose(fractures().estimate, hand.estimate, rtol=1e-12)
    np.testing.assert_allclose(fractures().se, hand.se, rtol=1e-12)
    assert fractures().question.measure == "RR"
    assert vf.read_result(fractures().to_json()) == fractures()


def test_details_stand_with_the_trial_they_are_of() -> None:
    study = tables().study
    for label, detail in zip(fractures().labels, fractures().details, strict=True):
        assert tables().labels[detail["study_id"]] == label
        assert detail["blinding"] == codes.BLINDING[study.loc[detail["study_id"], "blinding"]]


def test_trials_without_a_figure_are_listed_once_and_none_of_those_used() -> None:
    left = [x.label for x in fractures().left_out]
    assert len(left) == len(set(left)) > 0
    assert not set(left) & set(fractures().labels)


def test_modifiers_have_a_row_for_each_direct_comparison() -> None:
    found = vf.networks.modifiers(fractures())
    pairs = fractures().comparisons()
    direct = pairs[pairs.trials > 0]
    assert {frozenset(p) for p in zip(found.treatment, found.control, strict=True)} == {
        frozenset(p) for p in zip(direct.treatment, direct.control, strict=True)
    }
    assert found.trials.sum() == direct.trials.sum()
    with pytest.raises(vf.InputError, match="network_from_trials"):
        vf.networks.modifiers(vf.network(study=["a"], treat1=["B"], treat2=["A"], y=[0.1], v=[0.1], method="common"))


def test_nodes_may_be_classes_and_no_intervention_stands_on_two() -> None:
    net = vf.network_from_trials(
        tables(), {"drug for bone": ["bisphosphonate"], "placebo": "placebo"}, reference="placebo", **ASKED
    )
    pair = vf.compare(tables(), "bisphosphonate", "placebo", **ASKED)
    assert set(net.labels) == set(pair.labels)
    with pytest.raises(vf.InputError, match="alendronate stands on a and b"):
        vf.network_from_trials(tables(), {"a": "alendronate", "b": ["bisphosphonate"]}, **ASKED)


@pytest.mark.parametrize(("treatments", "said"), [
    (["placebo"], "two nodes or more"), ("placebo", "two nodes or more"), (["placebo", "fairy dust"], "fairy dust"),
    (["placebo", "teriparatide", "vertebroplasty", "usual_care"], "2 parts"), (["placebo", "exercise"], "No trial compares"),
])  # fmt: skip
def test_what_is_no_network_is_refused_by_name(treatments: Any, said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.network_from_trials(tables(), treatments, **ASKED)


def test_a_trial_that_lacks_a_comparison_keeps_the_others_and_says_so() -> None:
    net = vf.network_from_trials(tables(), ["etidronate", "no_treatment", "placebo", "calcitonin"], **ASKED)
    assert any(w.startswith("Ishida 2004: without") for w in net.warnings)
    assert next(t for t in net.network.trials if t.label == "Ishida 2004").y.shape == (1,)
