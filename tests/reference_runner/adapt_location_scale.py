"""Location-scale models: names of R to names of vfmeta and back."""

from __future__ import annotations

from typing import Any

from tests.reference_runner.adapt_meta_regression import moderators
from tests.reference_runner.common import NotOffered

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    o = case["options"]
    if o.get("link", "log") != "log":
        raise NotOffered(f"location_scale link={o['link']}")
    interval = {"z": "Wald", "t": "t"}[o.get("test", "z")]
    fit = vf.location_scale(
        formula=o["formula"], scale=o["scale"], data=moderators(case), y="yi", v="vi", method=o["method"], test=interval,
        level=o.get("level", 95) / 100, missing="drop",
    )  # fmt: skip
    return {
        "beta": fit.estimate, "se": fit.se, "zval": fit.statistic, "pval": fit.p_value, "ci_lb": fit.interval[:, 0],
        "ci_ub": fit.interval[:, 1], "vb": fit.vb, "alpha": fit.scale_estimate, "se_alpha": fit.scale_se,
        "zval_alpha": fit.scale_statistic, "pval_alpha": fit.scale_p_value, "ci_lb_alpha": fit.scale_interval[:, 0],
        "ci_ub_alpha": fit.scale_interval[:, 1], "va": fit.scale_vb, "tau2": fit.tau2, "QM": fit.omnibus.statistic,
        "QMp": fit.omnibus.p_value, "QS": fit.scale_omnibus.statistic, "QSp": fit.scale_omnibus.p_value,
        "QE": fit.q.statistic, "QEp": fit.q.p_value, "ll_REML": fit.log_likelihood["REML"],
        "ll_ML": fit.log_likelihood["ML"], "k": fit.k, "p": len(fit.estimate),
    }  # fmt: skip
