"""Fits of rma.mv where R's optimiser stopped short of the maximum of the likelihood.

The likelihood is flat at its top: a gain of 1e-9 goes with a change of 1e-4 in a variance. A value is excused only where our
log likelihood is the higher one (by rounding that shows, and by no more than 1e-7) and the value differs by less than 1e-4.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

STOPPED_SHORT = (
    "R's optimiser stopped short of the maximum: our log likelihood is higher. With optim's Nelder-Mead and reltol = 1e-15 R "
    "(metafor 3.8-1) comes to our values: Berkey, UN, REML: tau2 0.0326513317 and 0.0117330254 (ours ...323, ...253), with a "
    "moderator 0.0408571098 and 0.0204466221; ML with a moderator 0.0250134864 and 0.0080405396; Fine, HAR: tau2 0, "
    "0.0049008967, 0.0417466864, 0.2035030688. HCS, the same model as UN with two outcomes, agrees with ours in the case "
    "beside it."
)
COEFFICIENTS = frozenset(["beta", "se", "zval", "pval", "ci_lb", "ci_ub", "QM", "QMp"])
FITTED = COEFFICIENTS | {"sigma2", "tau2", "rho", "gamma2", "phi", "AIC", "ll_ML", "ll_REML"}


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """The reason, or an empty text."""
    if case["options"].get("fun") != "rma.mv" or name.split("[")[0] not in FITTED:
        return ""
    kind = f"ll_{case['options'].get('method', 'REML')}"
    gain = _answer(case)[kind] - case["expect"][kind]
    if not 1e-11 < gain < 1e-7:
        return ""
    if name.split("[")[0] in ("pval", "QMp"):
        near = 0 < got < 1 and abs(math.log(got / expected)) < 1e-4 * max(1.0, -2 * math.log(expected))
    else:
        near = abs(got - expected) < 1e-4 * abs(expected)
    return STOPPED_SHORT if near else ""


_LAST: list[Any] = [None, {}]


def _answer(case: dict[str, Any]) -> dict[str, Any]:
    """Our answer to a case; the last one is kept, because every value of a case asks for it."""
    from tests.reference_runner.adapt_rma_mv import model

    if _LAST[0] is not case:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _LAST[:] = [case, model(case)]
    return dict(_LAST[1])
