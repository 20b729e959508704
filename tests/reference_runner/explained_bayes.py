"""Known differences of the exact Bayesian engine from ``bayesmeta``."""

from __future__ import annotations

from typing import Any

GRID = (
    "bayesmeta averages over a coarse grid of tau (its accuracy is about 1e-3, as the README of the reference says): "
    "spreads of mu, of the next trial and of shrunken effects differ by up to 0.7%, limits by up to 0.03 standard "
    "deviations. Integration with 30 digits (tests/reference/make_exact_bayes.py, tests/test_bayes_exact.py) gives our "
    "numbers to 1e-6."
)


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """Why a value outside tolerance is not held against us, or an empty text."""
    quantity, _, what = name.partition(".")
    if quantity not in ("tau", "mu", "theta_new", "central", "shrinkage"):
        return ""
    what, _, place = what.partition("[")
    expect = case["expect"]
    if quantity == "shrinkage":
        sd = expect["shrinkage"]["sd"][int(place[:-1]) - 1 if place else 0]
    else:
        sd = expect[what if quantity == "central" else quantity]["sd"]
    limit = what in ("lb95", "ub95") or quantity == "central"
    return GRID if abs(got - expected) <= (0.03 if limit else 0.007) * sd else ""
