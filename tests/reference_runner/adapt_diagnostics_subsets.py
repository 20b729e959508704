"""The pool on part of its studies: `vf.leave_one_out`, `vf.cumulative`, `vf.all_subsets`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.adapt_rma_uni import fit

import vfmeta as vf

FAMILIES = {"diagnostics"}
FUNCTIONS = {"leave1out", "cumul", "gosh"}
NAMES = {
    "estimate": "estimate", "se": "se", "zval": "statistic", "pval": "p_value", "ci_lb": "ci_low", "ci_ub": "ci_high", "Q": "q",
    "Qp": "q_p_value", "tau2": "tau2", "I2": "i2", "H2": "h2",
}  # fmt: skip


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """What vfmeta says, under R's names; where it says "not estimable", R's convention (tau2 = I2 = 0, H2 = 1)."""
    o = case["options"]
    pool = fit(case)
    if o["fun"] == "gosh":
        return _gosh(vf.all_subsets(pool))
    table = vf.leave_one_out(pool) if o["fun"] == "leave1out" else vf.cumulative(pool, [i - 1 for i in o["order"]])
    single = table["k"] == 1
    for name, convention in (("tau2", 0.0), ("i2", 0.0), ("h2", 1.0)):
        table.loc[single, name] = convention
    return {theirs: table[ours].tolist() for theirs, ours in NAMES.items()}


def _gosh(table: Any) -> dict[str, Any]:
    estimate, i2 = np.sort(table["estimate"]), np.where(table["k"] == 1, 0.0, table["i2"])
    return {
        "n_subsets": len(table), "mean": estimate.mean(), "sd": estimate.std(ddof=1),
        "quantiles": np.quantile(estimate, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist(), "I2_mean": i2.mean(),
        "I2_quantiles": np.quantile(i2, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(), "QE_mean": table["q"].mean(),
    }  # fmt: skip
