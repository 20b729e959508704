"""Values of the conversion cases that are known not to be what they are meant to be (see `explained`)."""

from __future__ import annotations

import math
from typing import Any

STOPPED = (
    "R's fit of the quantiles is not the least-squares one: its optimiser stops early, or misses the Weibull and keeps another"
    " distribution, with a larger sum of squares (tests/test_conversions.py computes both). McGrath et al. (2020) take the "
    "smallest sum."
)
DRAWN = (
    "R draws random numbers for the way back from the Box-Cox scale (about 1000, by the spread of its answers: 0.033 SD in the"
    " means and 2.3% in the SDs, which 1000 draws give); ours is the integral they estimate."
)
MORE_DRAWN = (
    "R draws random numbers for the way back from the power scale (about 10,000, by the spread of its answers); ours is the "
    "integral they estimate. Its steps before that are ours: with another criterion for the power the means are up to 18 "
    "standard errors apart (tests/test_conversions_likelihood.py; Cai, Zhou & Pan 2021, Stat Methods Med Res 30:2701-2719)."
)
DRAWS = {"bc": (1000, DRAWN), "mln": (10_000, MORE_DRAWN)}


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """Why a mean or SD differs, or an empty text."""
    what, method = name.split("[")[0], case["options"].get("method")
    if case["options"].get("fun") != "conv.fivenum" or what not in ("mean", "sd") or not math.isfinite(got):
        return ""
    if method == "qe" and abs(got - expected) <= 0.05 * abs(expected):
        return STOPPED
    if method in DRAWS:
        draws, reason = DRAWS[method]
        row = int(name.split("[")[1].rstrip("]")) - 1 if "[" in name else 0
        sd = case["expect"]["sd"][row]
        # four standard errors of the mean and of the SD of so many draws
        error = sd / math.sqrt(draws) if what == "mean" else sd / math.sqrt(2 * draws)
        return reason if abs(got - expected) <= 4 * error else ""
    return ""
