"""Tests of funnel asymmetry and what is done about it: the functions of the diagnostics family of `vfmeta.appraisal`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.adapt_meta_regression import moderators
from tests.reference_runner.adapt_rma_uni import fit

import vfmeta as vf

FAMILIES = {"diagnostics"}
FUNCTIONS = {"regtest", "ranktest"}
A = vf.appraisal
PREDICTORS = {"sei": "SE", "vi": "variance", "ni": "N", "ninv": "1/N", "sqrtninv": "1/sqrt(N)"}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """What vfmeta says, under R's names."""
    o = case["options"]
    if "formula" in o:
        pool: Any = vf.meta_regression(
            formula=o["formula"], data=moderators(case), y="yi", v="vi", method=o["method"], test="Wald", missing="drop"
        )
    else:
        pool = fit(case)
    return {"regtest": _regtest, "ranktest": _ranktest}[o["fun"]](pool, o)


def _regtest(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    weighted = o.get("model") == "lm"
    found = A.egger(pool, predictor=PREDICTORS[o.get("predictor", "sei")], model="weighted" if weighted else "mixed")
    got = {"zval": found.statistic, "pval": found.p_value, "dfs": found.df}
    return got | {"est": found.limit, "ci_lb": found.limit_interval[0], "ci_ub": found.limit_interval[1]}


def _ranktest(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    found = A.begg(pool)
    # R counts orders only where nothing is tied, and takes the normal distribution otherwise
    deviations = (found.y - found.centre) / np.sqrt(found.v - 1 / (1 / found.v).sum())
    tied = any(len(np.unique(z)) < found.k for z in (found.v, deviations))
    return {"tau": found.estimate, "pval": found.p_normal() if tied else found.p_value}
