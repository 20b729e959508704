"""What is asked of a fit afterwards: the functions of the diagnostics family that belong to single studies."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.adapt_meta_regression import INTERVALS, moderators, r_name

import vfmeta as vf

FAMILIES = {"diagnostics"}
OFFERED = {"influence", "baujat", "blup", "ranef", "residuals", "profile"}
FUNCTIONS = OFFERED


def answer(case: dict[str, Any]) -> dict[str, Any]:
    o = case["options"]
    fun = o["fun"]
    given = {"test": INTERVALS[o.get("test", "z")], "level": o.get("level", 95) / 100, "missing": "drop"}
    fit: Any
    if "formula" in o:
        method = "common" if o["method"] in {"EE", "FE", "CE"} else o["method"]
        fit = vf.meta_regression(formula=o["formula"], data=moderators(case), y="yi", v="vi", method=method, **given)
    elif o["method"] in {"EE", "FE", "CE"}:
        fit = vf.common_effect(y=case["inputs"]["yi"], v=case["inputs"]["vi"], **given)
    else:
        fit = vf.random_effects(y=case["inputs"]["yi"], v=case["inputs"]["vi"], method=o["method"], **given)
    return {
        "influence": _influence, "baujat": _baujat, "blup": _blup, "ranef": _ranef, "residuals": _residuals, "profile": _profile
    }[fun](fit)  # fmt: skip


def _influence(fit: Any) -> dict[str, Any]:
    f = vf.influence(fit, kind="Viechtbauer-Cheung")
    got = {
        "rstudent": f["studentised"], "dffits": f["dffits"], "cook_d": f["cook"], "cov_r": f["covratio"],
        "tau2_del": f["tau2_without"], "QE_del": f["q_without"], "hat": f["hat"], "weight": f["weight"],
        "is_infl": f["influential"],
    }  # fmt: skip
    got = {name: column.tolist() for name, column in got.items()}
    for name in [c for c in f if c.startswith("dfbetas_")]:
        got[f"dfbs_{r_name(name.removeprefix('dfbetas_'))}"] = f[name].tolist()
    return got | {"dfbs": f["dfbetas_Intercept"].tolist()} if "dfbetas_Intercept" in f else got


def _baujat(fit: Any) -> dict[str, Any]:
    f = vf.baujat(fit)
    return {"x": f["heterogeneity"].tolist(), "y": f["influence"].tolist()}


def _blup(fit: Any) -> dict[str, Any]:
    f = vf.blups(fit, kind="plug-in")
    names = {"pred": "estimate", "se": "se", "pi_lb": "ci_low", "pi_ub": "ci_high"}
    return {theirs: f[ours].tolist() for theirs, ours in names.items()}


def _ranef(fit: Any) -> dict[str, Any]:
    f = vf.blups(fit, kind="plug-in")
    names = {"pred": "deviation", "se": "deviation_se", "pi_lb": "deviation_low", "pi_ub": "deviation_high"}
    return {theirs: f[ours].tolist() for theirs, ours in names.items()}


def _residuals(fit: Any) -> dict[str, Any]:
    f = vf.residuals(fit)
    names = {
        "resid": "residual", "rstandard_se": "se", "rstandard_z": "standardised", "rstudent_resid": "deleted_residual",
        "rstudent_se": "deleted_se", "rstudent_z": "studentised", "weights": "weight", "pearson": "pearson",
        "cholesky": "pearson",  # the same where the variance of the effects is diagonal
    }  # fmt: skip
    return {theirs: f[ours].tolist() for theirs, ours in names.items()}


def _profile(fit: Any) -> dict[str, Any]:
    # the cases do not say where R profiled: eleven values from zero to twice the estimate, and to 0.1 where that is zero
    grid = np.linspace(0, max(2 * fit.tau2, 0.1), 11)
    f = vf.profile_likelihood(fit, grid)
    return {"tau2": f["tau2"].tolist(), "ll": f["log_likelihood"].tolist()}
