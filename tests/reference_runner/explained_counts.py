"""Known differences of the generalised linear mixed models of counts (``rma.glmm``)."""

from __future__ import annotations

import math
from typing import Any

INNER_LOOP = (
    "R's Laplace likelihood is not evaluated at the modes: lme4 stops its inner loop when the deviance changes by less than"
    " 1e-7 (tolPwrss). With tolPwrss = 1e-10 to 1e-13 lme4 1.1-31 gives our values: toy zero cells, UM.RS: 0.1725752 (se "
    "1.190696), tau2 3.61631, sigma2 4.70935, log likelihood -21.1916266, above the -21.1917120 recorded; dat.bcg, UM.RS: "
    "-0.7616490 (se 0.1821413); CM.AL: se 0.1739608; dat.hart1999: se 0.1625806, tau2 0 (tests/test_count_models.py "
    "compares with these)."
)
OUTER_LOOP = (
    "R stops before the maximum: lme4's optimiser ends its search on the standard deviation and up to k + 1 other "
    "parameters early. With rhoend = 1e-10 (and tolPwrss = 1e-12) lme4 1.1-31 gives our values: dat.nielweise2007, UM.FS, 7"
    " nodes: -1.2364934 (se 0.2803374), tau2 0.3195128, where metafor 3.8-1 by default has -1.2369203 (0.2804090), "
    "0.3197937 (tests/test_count_models.py compares with these)."
)
INTEGRAL = (
    "R integrates the exact conditional likelihood with integrate() to its default relative tolerance of 1.2e-4 and "
    "maximises that. Integrated to 1e-13 (scipy.integrate.quad, tests/test_count_models.py), the likelihood of the toy data"
    " is -6.3632009 at R's estimates and -6.3631955, higher, at ours."
)
INFINITE = (
    "A study with an empty cell has an infinite effect of its own. Ours is the limit of the Wald statistic, in which such a"
    " study adds nothing; R's is what comes out where its iterations happen to stop (Hauck & Donner 1977, JASA 72:851-853, "
    "on why the Wald statistic vanishes there). The likelihood ratio test, which has no such trouble, agrees."
)
MODEL = frozenset(
    ["beta", "se", "zval", "pval", "ci_lb", "ci_ub", "tau2", "sigma2", "I2", "H2", "QE_Wld", "QEp_Wld", "QM", "QMp", "ll_ML"]
)


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """Why a value outside tolerance is not held against us, or an empty text."""
    options, value = case["options"], name.split("[")[0]
    if value in ("QE_Wld", "QEp_Wld") and _empty_cell(case["inputs"]):
        return INFINITE
    if options.get("method") != "ML" or value not in MODEL:
        return ""
    exact = options.get("measure") == "OR" and options.get("model") == "CM.EL"
    if options.get("nAGQ") == 1 or exact:
        return (INTEGRAL if exact else INNER_LOOP) if _within(0.1, value, case, expected, got) else ""
    return OUTER_LOOP if _within(2e-3, value, case, expected, got) else ""


def _within(bound: float, name: str, case: dict[str, Any], expected: float, got: float) -> bool:
    """Whether the difference is below that part of the value or of its standard error, whichever is more; of the statistic,
    for a p value.
    """
    if name in ("pval", "QEp_Wld", "QMp"):
        return 0 < got < 1 and abs(math.log(got / expected)) < bound * max(1.0, -2 * math.log(expected))
    se = case["expect"]["se"][0]
    floor = {"beta": se, "ci_lb": se, "ci_ub": se, "tau2": se**2 * 1e-3, "sigma2": se**2, "I2": 1e-3}.get(name, 0.0)
    return abs(got - expected) <= bound * max(abs(expected), floor)


def _empty_cell(inputs: dict[str, list[Any]]) -> bool:
    """Whether a study has no event, or no patient without one, in an arm (but not nothing at all in both)."""
    if "ai" in inputs and "bi" in inputs:
        return any(0 in cells for cells in zip(inputs["ai"], inputs["bi"], inputs["ci"], inputs["di"], strict=True))
    if "x1i" in inputs:
        return any(0 in cells for cells in zip(inputs["x1i"], inputs["x2i"], strict=True))
    if "ni" in inputs:
        return any(x in (0, n) for x, n in zip(inputs["xi"], inputs["ni"], strict=True))
    return any(0 in values for name, values in inputs.items() if name in ("xi", "mi", "ai", "bi", "ci", "di"))
