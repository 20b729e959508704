"""tau2 from Q about the Mantel-Haenszel estimate: by hand, against DL, and refused where no tables are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.kernels.centred_q import tau2_about

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

COUNTS: dict[str, Any] = {
    "events1": [12, 30, 5, 41], "n1": [100, 120, 60, 90], "events2": [24, 28, 15, 40], "n2": [105, 118, 64, 95],
}  # fmt: skip
NAMES = ["A", "B", "C", "D"]


def table(measure: str, **more: Any) -> Any:
    return vf.effect_size(measure, **(COUNTS | more), study=NAMES)


def by_hand(measure: str) -> tuple[float, float]:
    """tau2 and the pooled effect, one study after the other."""
    over = under = 0.0
    effects = []
    for a, n1, c, n2 in zip(*COUNTS.values(), strict=True):
        b, d, n = n1 - a, n2 - c, n1 + n2
        if measure == "OR":
            over, under = over + a * d / n, under + b * c / n
            effects.append((math.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d))
        elif measure == "RR":
            over, under = over + a * n2 / n, under + c * n1 / n
            effects.append((math.log(a / n1 / (c / n2)), 1 / a - 1 / n1 + 1 / c - 1 / n2))
        else:
            over, under = over + (a * n2 - c * n1) / n, under + n1 * n2 / n
            effects.append((a / n1 - c / n2, a * b / n1**3 + c * d / n2**3))
    centre = over / under if measure == "RD" else math.log(over / under)
    q = sum((y - centre) ** 2 / v for y, v in effects)
    w = [1 / v for _, v in effects]
    tau2 = (q - (len(w) - 1)) / (sum(w) - sum(x * x for x in w) / sum(w))
    ws = [1 / (v + tau2) for _, v in effects]
    return tau2, sum(x * y for x, (y, _) in zip(ws, effects, strict=True)) / sum(ws)


@pytest.mark.parametrize("measure", ["OR", "RR", "RD"])
def test_it_is_the_hand_computation(measure: str) -> None:
    fit = vf.random_effects(table(measure), method="DL-MH", test="Wald")
    tau2, estimate = by_hand(measure)
    assert tau2 > 0
    assert (fit.tau2, fit.estimate) == pytest.approx((tau2, estimate), rel=1e-12)
    assert (fit.method, fit.tau2_se, fit.call["method"]) == ("DL-MH", None, "DL-MH")
    assert fit.tau2 > vf.random_effects(table(measure), method="DL").tau2  # Q is least about the weighted mean


def test_about_the_weighted_mean_it_is_dersimonian_and_laird() -> None:
    t = table("OR")
    tau2, q = tau2_about(t.y, t.v, vf.common_effect(t).estimate)
    dl = vf.random_effects(t, method="DL")
    assert (tau2, q) == pytest.approx((dl.tau2, dl.q.statistic), rel=1e-12)


def test_below_zero_is_zero() -> None:
    same = vf.effect_size("RR", events1=[10, 20], n1=[100, 200], events2=[20, 40], n2=[100, 200])
    assert vf.random_effects(same, method="dl-mh").tau2 == 0


FRAME = {"y": [0.1, 0.5, -0.3], "v": [0.1, 0.2, 0.1]}


@pytest.mark.parametrize("refused", [
    lambda: vf.random_effects(FRAME, method="DL-MH"),
    lambda: vf.random_effects(y=FRAME["y"], v=FRAME["v"], method="DL-MH", question=vf.Question(measure="OR")),
    lambda: vf.meta_regression(y=FRAME["y"], v=FRAME["v"], x=np.ones((3, 1)), method="DL-MH"),
    lambda: vf.subgroups(table("OR"), by=list("aabb"), method="DL-MH"),
    lambda: vf.random_effects_many({"g": ["a"] * 3, **FRAME}, "g", method="DL-MH"),
    lambda: vf.leave_one_out(vf.random_effects(table("OR"), method="DL-MH")),
    lambda: vf.random_effects(vf.effect_size("MD", mean1=[1, 2], sd1=[1, 1], n1=[9, 9], mean2=[0, 1], sd2=[1, 1], n2=[9, 9]),
                              method="DL-MH"),
])  # fmt: skip
def test_effects_with_variances_alone_are_refused_in_words(refused: Any) -> None:
    with pytest.raises(vf.InputError, match=r"DL-MH.*(2 x 2|estimator)"):
        refused()


def test_the_refusal_names_what_is_missing() -> None:
    with pytest.raises(vf.InputError, match=r"the measure is GEN.*no events and patients of both arms are known of study 1"):
        vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.1], method="DL-MH")
    silent = {"events1": [0, 0], "n1": [10, 10], "events2": [2, 3], "n2": [10, 10]}
    with pytest.raises(vf.InputError, match="Mantel-Haenszel estimate does not exist"):
        vf.random_effects(vf.effect_size("OR", **silent), method="DL-MH")
