"""``rma.glmm``: the names of R onto `vfmeta.glmm`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.common import NotOffered

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    options = case["options"]
    measure, model = options["measure"], options.get("model")
    columns = {name: np.array(values, dtype=float) for name, values in case["inputs"].items()}
    if measure == "OR":
        n1 = columns["ai"] + columns["bi"] if "bi" in columns else columns["n1i"]
        n2 = columns["ci"] + columns["di"] if "di" in columns else columns["n2i"]
        counts = {"events1": columns["ai"], "n1": n1, "events2": columns["ci"], "n2": n2}
    elif measure == "IRR":
        counts = {"events1": columns["x1i"], "time1": columns["t1i"], "events2": columns["x2i"], "time2": columns["t2i"]}
    elif measure == "PLO":
        counts = {"events": columns["xi"], "n": columns["ni"] if "ni" in columns else columns["xi"] + columns["mi"]}
    elif measure == "IRLN":
        counts = {"events": columns["xi"], "time": columns["ti"]}
    else:
        raise NotOffered(f"rma.glmm: {measure}")
    # R integrates the exact conditional likelihood of the OR to a tolerance; nAGQ has no part in it
    nodes = None if (measure, model) == ("OR", "CM.EL") else options.get("nAGQ", 7)
    random = options.get("method", "ML") == "ML"
    # R tests 0 on the analysis scale, which is a proportion of one half and a rate of 1
    question = vf.Question(measure=measure, no_difference={"PLO": 0.5, "IRLN": 1.0}.get(measure))
    fit = vf.glmm(
        measure, question=question, model=model, **counts, heterogeneity="random" if random else "common", nAGQ=nodes,
        test={"z": "Wald", "t": "t"}[options.get("test", "z")], level=options.get("level", 95) / 100, drop00=True,
        missing="drop",
    )  # fmt: skip
    return {
        "beta": [fit.estimate], "se": [fit.se], "zval": [fit.statistic], "pval": [fit.p_value],
        "ci_lb": [fit.interval[0]], "ci_ub": [fit.interval[1]], "tau2": fit.tau2, "sigma2": fit.sigma2,
        "I2": fit.i2, "H2": fit.h2, "QE_Wld": fit.q_wald.statistic, "QEp_Wld": fit.q_wald.p_value,
        "QE_LRT": fit.q.statistic, "QEp_LRT": fit.q.p_value,
        "QE_df": fit.q.df, "ll_ML": _log_likelihood(fit, model, random, nodes), "k": fit.k,
        "QM": fit.statistic**2, "QMp": fit.p_value,
    }  # fmt: skip


def _log_likelihood(fit: Any, model: str | None, random: bool, nodes: int | None) -> float:
    """What R calls the log likelihood: the marginal one, but that of the counts given the predicted effects where lme4 fits one
    random effect, and less the saturated one where it fits random intercepts by quadrature (both as lme4 reports them).
    """
    if model == "UM.RS" and not random and nodes != 1:
        return fit.log_likelihood - fit.best_log_likelihood
    if nodes is None or not random or model == "UM.RS":
        return fit.log_likelihood
    return fit.conditional_log_likelihood
