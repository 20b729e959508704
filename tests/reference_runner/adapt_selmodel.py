"""``selmodel``: metafor's weight functions onto `vfmeta.appraisal.selection_model`."""

from __future__ import annotations

import math
from typing import Any

from tests.reference_runner.common import NotOffered

import vfmeta as vf

MODELS = {
    "stepfun": "step", "beta": "beta", "halfnorm": "half-normal", "negexp": "negative exponential",
    "negexppow": "negative exponential power", "logistic": "logistic", "power": "power", "trunc": "truncated",
    "truncest": "truncated",
}  # fmt: skip


def fitted(case: dict[str, Any]) -> Any:
    """The selection model of a case."""
    o, x = case["options"], case["inputs"]
    if o["fun"] != "selmodel" or o["type"] not in MODELS or (o["alternative"] == "two.sided" and o["type"] != "stepfun"):
        raise NotOffered(f"selmodel: {o['type']}, {o['alternative']}")
    if o["steps"] and o["type"] in ("halfnorm", "negexp", "negexppow", "logistic", "power"):
        raise NotOffered(f"selmodel: {o['type']} with steps")
    if o["method"] not in ("ML", "EE", "FE", "CE"):
        raise NotOffered(f"selmodel: {o['method']}")
    cuts = "estimate" if o["type"] == "truncest" else o["steps"]
    return vf.appraisal.selection_model(
        y=x["yi"], v=x["vi"], model=MODELS[o["type"]], cuts=cuts, two_sided=o["alternative"] == "two.sided", delta=o["delta"],
        favoured="lower" if o["alternative"] == "less" else "higher",
        heterogeneity="random" if o["method"] == "ML" else "common", missing="drop",
    )  # fmt: skip


def answer(case: dict[str, Any]) -> dict[str, Any]:
    fit = fitted(case)
    random = fit.heterogeneity == "random"
    frame = fit.weights_frame()
    own = frame.iloc[1:] if fit.model == "truncated" else frame
    delta, se, p = own["estimate"].tolist(), own["se"].tolist(), own["p_value"].tolist()
    if case["options"]["type"] == "truncest":
        delta, se, p = [*delta, float(fit.cuts[0])], [*se, math.nan], [*p, math.nan]
    found = {
        "beta": fit.estimate, "se": fit.se, "pval": fit.p_value, "ci_lb": fit.interval[0], "ci_ub": fit.interval[1],
        "tau2": fit.tau2, "se_tau2": fit.tau2_se, "delta": delta, "se_delta": se, "pval_delta": p,
        "LRT": fit.selection_test.statistic, "LRTp": fit.selection_test.p_value,
        "LRT_tau2": fit.q.statistic if random else math.nan, "ll": fit.log_likelihood,
        "ll0": fit.unselected_log_likelihood, "k": fit.k,
    }  # fmt: skip
    # where R could not invert its Hessian it has no standard errors, and nothing to compare ours with
    undefined = {n for n, x in case["expect"].items() if isinstance(x, list) and all(one is None for one in x)}
    return {name: value for name, value in found.items() if name not in undefined}
