"""Tests of funnel asymmetry and what is done about it: the functions of the diagnostics family of `vfmeta.appraisal`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import norm
from tests.reference_runner.adapt_meta_regression import moderators
from tests.reference_runner.adapt_rma_uni import fit

import vfmeta as vf

FAMILIES = {"diagnostics"}
FUNCTIONS = {"regtest", "ranktest", "trimfill", "fsn", "hc", "tes"}
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
    answers = {
        "regtest": _regtest, "ranktest": _ranktest, "trimfill": _trimfill, "fsn": _fsn, "hc": _hc, "tes": _tes,
    }  # fmt: skip
    return answers[o["fun"]](pool, o | {"n": _sizes(case)})


def _sizes(case: dict[str, Any]) -> list[float] | None:
    """Patients of the studies that are not left out, where the case has them."""
    x = case["inputs"]
    if "ni" not in x:
        return None
    return [n for n, y, v in zip(x["ni"], x["yi"], x["vi"], strict=True) if y is not None and v is not None]


def _regtest(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    weighted = o.get("model") == "lm"
    own: dict[str, Any] = {"predictor": PREDICTORS[o.get("predictor", "sei")], "n": o["n"]}
    found = A.egger(pool, **own, model="weighted" if weighted else "mixed")
    got = {"zval": found.statistic, "pval": found.p_value, "dfs": found.df}
    return got | {"est": found.limit, "ci_lb": found.limit_interval[0], "ci_ub": found.limit_interval[1]}


def _ranktest(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    found = A.begg(pool)
    # R counts orders only where nothing is tied, and takes the normal distribution otherwise
    deviations = (found.y - found.centre) / np.sqrt(found.v - 1 / (1 / found.v).sum())
    tied = any(len(np.unique(z)) < found.k for z in (found.v, deviations))
    return {"tau": found.estimate, "pval": found.p_normal() if tied else found.p_value}


def _trimfill(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    t = A.trim_and_fill(pool, estimator=o["estimator"], side=o.get("side"))
    return {
        "k0": t.lacking, "se_k0": t.lacking_se, "side": t.side, "p_k0": None if math.isnan(t.lacking_p) else t.lacking_p,
        "beta": t.estimate, "se": t.se, "pval": t.p_value, "ci_lb": t.interval[0], "ci_ub": t.interval[1], "tau2": t.tau2,
        "k": t.after.k, "yi_filled": t.filled_y, "vi_filled": t.filled_v,
    }  # fmt: skip


def _fsn(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    found = A.fail_safe(pool, level=0.95)
    table = found.to_frame().set_index("term")["studies"]
    name = {"Orwin": "Orwin, weighted"}.get(o["type"], o["type"])
    got: dict[str, Any] = {"fsnum": float(table[name])}
    if o["type"] == "General":
        plain = vf.random_effects(y=pool.y, v=pool.v, test="Wald")
        return got | {"est": plain.estimate, "tau2": plain.tau2, "pval": plain.p_value}
    if o["type"] == "Orwin":
        return got | {"est": found.estimate, "target": found.estimate / 2}
    if o["type"] == "Rosenberg":
        return got | {"est": found.estimate, "pval": vf.common_effect(y=pool.y, v=pool.v).p_value}
    return got | {"pval": norm.sf(abs((pool.y / np.sqrt(pool.v)).sum()) / np.sqrt(pool.k))}


def _hc(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    found = A.henmi_copas(pool)
    low, high = found.interval
    return {"beta": found.estimate, "se": found.se, "ci_lb": low, "ci_ub": high, "tau2": found.tau2}


def _tes(pool: Any, o: dict[str, Any]) -> dict[str, Any]:
    t = A.excess_significance(pool, level=0.95)
    # R sums over all sets of at least so many studies where these are a million at most
    exact = sum(math.comb(t.k, n) for n in range(t.observed, t.k + 1)) <= 1e6
    p = t.p_value if exact else t.p_chi2
    return {
        "O": t.observed, "E": t.expected, "OEratio": t.ratio, "X2": None if exact else t.statistic, "pval": p, "pval_chi2": p,
        "power": t.power, "test": "exact" if exact else "chi2", "theta": t.estimate,
    }  # fmt: skip
