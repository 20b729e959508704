"""Selection models of the sets with tolerances: family "selection", onto `vfmeta.appraisal.selection_model`."""

from __future__ import annotations

from typing import Any

import vfmeta as vf

MODELS = {
    "beta": "beta", "halfnormal": "half-normal", "negexp": "negative exponential", "logistic": "logistic", "power": "power",
    "negexppow": "negative exponential power",
}  # fmt: skip


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Each weight function asked for."""
    o, given = case["options"], case["inputs"]
    favoured = "lower" if o["alternative"] == "less" else "higher"
    found: dict[str, Any] = {}
    for name in case["expect"]:
        if name == "unselected":
            continue
        cuts = o["cuts"].get(name)
        model = "step" if cuts else MODELS[name]
        fit = vf.appraisal.selection_model(given, y="y", v="v", model=model, cuts=cuts, favoured=favoured)
        test = fit.selection_test
        found[name] = {
            "mu": fit.estimate, "tau2": fit.tau2, "loglik": fit.log_likelihood, "se_mu": fit.se,
            "weights" if cuts else "delta": fit.delta[1:] if cuts else fit.delta,
            "lrt": {"statistic": test.statistic, "df": test.df, "p": test.p_value},
        }  # fmt: skip
        found["unselected"] = {
            "mu": fit.unselected[0], "tau2": fit.unselected_tau2, "loglik": fit.unselected_log_likelihood,
        }  # fmt: skip
    return found
