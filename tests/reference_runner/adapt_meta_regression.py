"""Meta-regression: names of R to names of vfmeta and back."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

import vfmeta as vf

INTERVALS = {"z": "Wald", "t": "t", "knha": "HKSJ", "adhoc": "HKSJ-adhoc"}
CONFINT = {"QP": "Q-profile", "PL": "profile-likelihood"}


def moderators(case: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(case["inputs"])
    for name, levels in case["options"].get("factor_levels", {}).items():
        frame[name] = pd.Categorical(frame[name], categories=levels)
    return frame


def r_name(name: str) -> str:
    """``alloc[T.random]`` is ``allocrandom`` in R, the intercept ``intrcpt`` and a square ``I(x^2)``."""
    name = re.sub(r"\[(?:T\.)?([^\]]*)\]", r"\1", name)
    return re.sub(r"\s*\*\*\s*", "^", name).replace("Intercept", "intrcpt")


def answer(case: dict[str, Any]) -> dict[str, Any]:
    o = case["options"]
    omnibus = None if "btt" not in o else [j - 1 for j in o["btt"]]
    method = "common" if o["method"] in ("EE", "FE", "CE") else o.get("tau2", o["method"])
    weights = o.get("weights")
    if o.get("weighted") is False:
        weights = [1.0] * len(case["inputs"]["yi"])
    fit = vf.meta_regression(
        formula=o["formula"], data=moderators(case), y="yi", v="vi", method=method, weights=weights,
        test=INTERVALS[o.get("test", "z")],
        level=o.get("level", 95) / 100, omnibus=omnibus, missing="drop",
    )  # fmt: skip
    fitted = fit.predict()
    got: dict[str, Any] = {
        "beta": fit.estimate, "se": fit.se, "zval": fit.statistic, "pval": fit.p_value, "ci_lb": fit.interval[:, 0],
        "ci_ub": fit.interval[:, 1], "tau2": fit.tau2, "se_tau2": fit.tau2_se, "I2": fit.i2, "H2": fit.h2,
        "QE": fit.q.statistic, "QEp": fit.q.p_value, "k": fit.k, "p": fit.p, "names": [r_name(n) for n in fit.terms],
        "QM": fit.omnibus.statistic, "QMp": fit.omnibus.p_value, "QMdf": [fit.omnibus.df, fit.omnibus.df_residual],
        "vb": fit.vb, "hat": fit.studies["hat"].to_numpy(), "rstandard": vf.residuals(fit)["standardised"].to_numpy(),
        "fitted": {
            "pred": fitted["estimate"].to_numpy(), "se": fitted["se"].to_numpy(), "ci_lb": fitted["ci_low"].to_numpy(),
            "ci_ub": fitted["ci_high"].to_numpy(), "pi_lb": fitted["prediction_low"].to_numpy(),
            "pi_ub": fitted["prediction_high"].to_numpy(),
        },
        "vif": list(fit.vif().values()),
    }  # fmt: skip
    if fit.r2 is not None:
        got["R2"] = fit.r2
    if fit.df is not None:
        got["ddf"] = sorted(set(fit.df))
    for kind in ("ML", "REML"):
        i = fit.information(kind)
        got[f"fit_{kind}"] = {"ll": i.log_likelihood, "dev": i.deviance, "AIC": i.aic, "BIC": i.bic, "AICc": i.aicc}
    limits: dict[str, Any] = {}
    for kind in set(o.get("confint", [])) & set(CONFINT):  # for GENQ see adapt_rma_uni
        spans = fit.heterogeneity_interval(CONFINT[kind])
        if spans is not None:
            limits[kind] = {"type": kind} | {
                f"{r}_{end}": spans[ours][i]
                for r, ours in (("tau2", "tau2"), ("I2", "i2"), ("H2", "h2"))
                for i, end in enumerate(("lb", "ub"))
            }
    if limits:
        got["confint"] = limits
    return got
