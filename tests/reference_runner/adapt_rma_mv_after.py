"""Deletion diagnostics, random effects and predictions of multivariate models: names of R to names of vfmeta and back."""

from __future__ import annotations

from typing import Any

from tests.reference_runner import adapt_rma_mv

import vfmeta as vf

FAMILIES = {"rma_mv"}
FUNCTIONS = {"influence.rma.mv", "ranef.rma.mv", "predict.rma.mv"}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    fit, fun = adapt_rma_mv.fit(case), case["options"]["fun"]
    if fun == "influence.rma.mv":
        return influence(fit, case["options"])
    if fun == "ranef.rma.mv":
        u = fit.random_effects()
        return {"intrcpt": u["estimate"], "se": u["se"], "pi_lb": u["ci_low"], "pi_ub": u["ci_high"]}
    p = fit.predict()
    return {"pred": p["estimate"], "pi_lb": p["prediction_low"], "pi_ub": p["prediction_high"]}


def influence(fit: Any, options: dict[str, Any]) -> dict[str, Any]:
    given = {"cluster": options.get("cluster"), "reestimate": options["reestimate"]}
    table, rest = vf.influence(fit, kind="Viechtbauer-Cheung", **given), vf.residuals(fit, **given)
    return {
        "cook_d": table["cook"], "dfbs": table[[f"dfbetas_{n}" for n in fit.terms]], "hat": rest["hat"],
        "X2": table["statistic"],
        "standardised": {"resid": rest["residual"], "se": rest["se"], "z": rest["standardised"]},
        "deleted": {"resid": rest["deleted_residual"], "se": rest["deleted_se"], "z": rest["studentised"]},
    }  # fmt: skip
