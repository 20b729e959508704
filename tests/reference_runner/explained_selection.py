"""metafor's weight functions: its optimiser ends below the maximum, or where the likelihood is none.

A case is excused where the likelihood, worked out with 40 digits from its definition and by another rule of integration than
ours, is higher at our values than at metafor's, or where an integral of metafor's diverges at its values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.many_digits import log_likelihood

LOWER = "metafor's optimiser ends below the maximum: with 40 digits the log likelihood is higher at our values, by {:.2g}."
DIVERGES = (
    "At metafor's values there is no likelihood: the integral of p^(a - 1) (1 - p)^(b - 1) times the density of the most "
    "precise study diverges (a or b below 1 - min v / (min v + tau2)), which integration over a finite range does not notice."
)
NO_SE = "The likelihood jumps in an estimated cut: there is no curvature, and so no standard error of it, to compare."
NO_NULL = "delta2 of the negative exponential power has no value that means no selection; metafor tests it against 0."
_REASONS: dict[str, str] = {}


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """The reason, or an empty text."""
    kind = case["options"]["type"]
    if kind == "truncest" and name in ("se_delta[2]", "pval_delta[2]"):
        return NO_SE
    if kind == "negexppow" and name == "pval_delta[2]":
        return NO_NULL
    if case["id"] not in _REASONS:
        _REASONS[case["id"]] = _reason(case)
    return _REASONS[case["id"]]


def _reason(case: dict[str, Any]) -> str:
    from tests.reference_runner.adapt_selmodel import fitted

    o, e = case["options"], case["expect"]
    sign = -1 if o["alternative"] == "less" else 1
    y, v = sign * np.array(case["inputs"]["yi"], dtype=float), np.array(case["inputs"]["vi"], dtype=float)
    kind = "trunc" if o["type"] == "truncest" else o["type"]
    if kind == "beta" and min(e["delta"]) < 1 - v.min() / (v.min() + e["tau2"]):
        return DIVERGES
    fit = fitted(case)
    more: dict[str, Any] = {"cuts": o["steps"] or (), "two_sided": o["alternative"] == "two.sided", "power": fit.limit}
    if kind == "trunc":
        fitted_cut = sign * float(fit.cuts[0])
        their_cut = sign * e["delta"][1] if o["type"] == "truncest" else fitted_cut
        at_cut = o["type"] == "truncest" and fit.delta[1] < 1  # where the likelihood is highest, just below the effect
        ours = {"cut": fitted_cut, "under": y < fitted_cut if at_cut else y <= fitted_cut}
        theirs = {"cut": their_cut, "under": y <= their_cut}
        more = {}
    else:
        ours = theirs = {}
    delta = fit.delta[1:] if kind == "trunc" else fit.delta
    there = log_likelihood(kind, y, v, sign * e["beta"][0], e["tau2"], e["delta"], **more, **theirs)
    gain = log_likelihood(kind, y, v, sign * fit.estimate, fit.tau2, delta, **more, **ours) - there
    return LOWER.format(float(gain)) if gain > 0 else ""
