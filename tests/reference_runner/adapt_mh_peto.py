"""``rma.mh`` and ``rma.peto``: the names of R onto `vfmeta.mantel_haenszel` and `vfmeta.peto`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.common import NotOffered

import vfmeta as vf

FAMILIES = {"mantel_haenszel", "peto", "mh_peto"}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    options = case["options"]
    columns = {name: np.array(values, dtype=float) for name, values in case["inputs"].items()}
    if "x1i" in columns:
        counts = {"events1": columns["x1i"], "time1": columns["t1i"], "events2": columns["x2i"], "time2": columns["t2i"]}
    elif "ai" in columns:
        n1 = columns["ai"] + columns["bi"] if "bi" in columns else columns["n1i"]
        n2 = columns["ci"] + columns["di"] if "di" in columns else columns["n2i"]
        counts = {"events1": columns["ai"], "n1": n1, "events2": columns["ci"], "n2": n2}
    else:
        raise NotOffered(f"{options['fun']} of {', '.join(columns)}")
    level = options.get("level", 95) / 100
    if options["fun"] == "rma.peto":
        fit = vf.peto(**counts, level=level, missing="drop")
    else:
        # `add` and `to` hold a pair: first for the single studies, then for the pool. The recorded answers never have anything
        # added to the pool, whatever stands second: metafor gives them for add = c(.5, 0), and other ones for add = c(.5, .5).
        add, to = _first(options.get("add", 0.5)), _first(options.get("to", "only0"))
        fit = vf.mantel_haenszel(
            options["measure"], **counts, level=level, add=add, to=to, correct=options.get("correct", True),
            drop00=_first(options.get("drop00", True)), add_to_estimate=True, missing="drop",
        )  # fmt: skip
    return {
        "beta": [fit.estimate], "se": [fit.se], "zval": [fit.statistic], "pval": [fit.p_value],
        "ci_lb": [fit.interval[0]], "ci_ub": [fit.interval[1]], "QE": fit.q.statistic, "QEp": fit.q.p_value,
        "I2": fit.i2, "H2": fit.h2,
        "MH": fit.cmh, "MHp": fit.cmh_p, "CO": fit.cochran, "COp": fit.cochran_p, "BD": fit.breslow_day,
        "BDp": fit.breslow_day_p, "TA": fit.tarone, "TAp": fit.tarone_p, "k": fit.k_pooled, "k_yi": fit.k,
    }  # fmt: skip


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
