"""Univariate pools: `vf.random_effects` and `vf.common_effect`."""

from __future__ import annotations

from typing import Any

import vfmeta as vf
from vfmeta.results.fit import FrequentistResult

TESTS = {"z": "Wald", "t": "t", "knha": "HKSJ", "adhoc": "HKSJ-adhoc"}
RILEY = {"z": "HTS", "t": "HTS", "knha": "Partlett-Riley", "adhoc": "Partlett-Riley"}
STATISTICS = {"ll": "log_likelihood", "dev": "deviance", "AIC": "aic", "BIC": "bic", "AICc": "aicc"}


def fit(case: dict[str, Any], **more: Any) -> FrequentistResult:
    """The fit a case of ``rma_uni`` (or of ``diagnostics``) asks for."""
    o = case["options"]
    given = {
        "y": case["inputs"]["yi"], "v": case["inputs"]["vi"], "test": TESTS[o.get("test", "z")],
        "level": o.get("level", 95) / 100, "missing": "drop",
    }  # fmt: skip
    if "weights" in o:
        given["weights"] = o["weights"]
    elif o.get("weighted") is False:
        given["weights"] = "equal"
    if o["method"] in ("EE", "FE", "CE"):
        return vf.common_effect(**given)
    return vf.random_effects(method=o["method"], tau2=o.get("tau2"), **given, **more)


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """What `vf.random_effects` says, under R's names."""
    random = case["options"]["method"] not in ("EE", "FE", "CE")
    f = fit(case, prediction="fitted") if random else fit(case)
    out: dict[str, Any] = {
        "beta": [f.estimate], "se": [f.se], "zval": [f.statistic], "pval": [f.p_value], "ci_lb": [f.interval[0]],
        "ci_ub": [f.interval[1]], "tau2": f.tau2, "se_tau2": f.tau2_se, "I2": f.i2, "H2": f.h2, "QE": f.q.statistic,
        "QEp": f.q.p_value,
        "k": f.k, "p": 1,
        "predict": {"pred": f.estimate, "se": f.se, "ci_lb": f.interval[0], "ci_ub": f.interval[1]} | _limits(f),
    }  # fmt: skip
    if f.df is not None:
        out["ddf"] = [f.df]
    for found in f.likelihoods:
        out[f"fit_{found.kind}"] = {theirs: getattr(found, ours) for theirs, ours in STATISTICS.items()}
    if random:
        out["predict_riley"] = _limits(fit(case, prediction=RILEY[case["options"].get("test", "z")]))
    asked = case["options"].get("confint", [])
    kinds = {"QP": "Q-profile", "PL": "profile-likelihood", "GENQ": "generalised-Q"}
    out["confint"] = {c: _heterogeneity(fit(case, tau2_interval=kinds[c])) for c in asked}
    return out


def _limits(f: FrequentistResult) -> dict[str, Any]:
    low, high = f.prediction or (None, None)
    return {"pi_lb": low, "pi_ub": high}


def _heterogeneity(f: FrequentistResult) -> dict[str, Any]:
    out: dict[str, Any] = {}
    spans = f.heterogeneity_interval() or {}
    for name, ours in (("tau2", "tau2"), ("I2", "i2"), ("H2", "h2")):
        out[f"{name}_lb"], out[f"{name}_ub"] = spans.get(ours, (None, None))
    return out
