"""R's answers (metafor 5.1) through the public functions; tolerances of the reference README."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf

CASES = json.loads((Path(__file__).parent / "reference" / "rma_uni.json").read_text(encoding="utf-8"))
TESTS = {"z": "Wald", "knha": "HKSJ", "adhoc": "HKSJ-adhoc"}
NOT_OFFERED = {"weights", "weighted", "tau2"}  # user weights, plain means, a fixed tau2: issue 3
OFFERED = [
    c
    for c in CASES
    if c["options"]["method"] in {"EE", "DL", "PM", "REML"}
    and c["options"]["test"] in TESTS
    and not NOT_OFFERED & c["options"].keys()
    and "error" not in c["expect"]
]


def test_number_of_cases_compared() -> None:
    assert len(CASES) == 346
    assert len(OFFERED) == 146


def _fit(case: dict[str, Any]) -> Any:
    o = case["options"]
    given = {"y": case["inputs"]["yi"], "v": case["inputs"]["vi"], "test": TESTS[o["test"]], "level": o["level"] / 100}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        if o["method"] == "EE":
            return vf.common_effect(missing="drop", **given)
        return vf.random_effects(method=o["method"], missing="drop", **given)


def _pairs(case: dict[str, Any], fit: Any) -> list[tuple[str, float, float, float]]:
    """(name, got, expected, scale that makes a number near zero)."""
    e, y = case["expect"], [a for a in case["inputs"]["yi"] if a is not None]
    s = max(map(abs, y))
    low, high = fit.interval
    h2 = 1 / (1 - fit.i2 / 100) if fit.model == "random" else fit.q.statistic / fit.q.df
    pairs = [
        ("beta", fit.estimate, e["beta"][0], s), ("se", fit.se, e["se"][0], s), ("zval", fit.statistic, e["zval"][0], 1),
        ("pval", fit.p_value, e["pval"][0], 1e-290), ("ci_lb", low, e["ci_lb"][0], s), ("ci_ub", high, e["ci_ub"][0], s),
        ("tau2", fit.tau2, e["tau2"], s * s), ("I2", fit.i2, e["I2"], 1), ("H2", h2, e["H2"], 1),
        ("QE", fit.q.statistic, e["QE"], 1), ("QEp", fit.q.p_value, e["QEp"], 1e-290),
    ]  # fmt: skip
    if e["predict"]["pi_lb"] is not None and fit.model == "random":
        pairs += [(f"pi_{end}", fit.prediction[i], e["predict"][f"pi_{end}"], s) for i, end in enumerate(("lb", "ub"))]
    profile = e.get("confint", {}).get("QP")
    if profile:
        for end, limit in zip(("lb", "ub"), fit.tau2_interval, strict=True):
            name = f"tau2_{end}"
            if profile[f"{end}_sign"]:  # R stopped at its search bound
                assert limit >= profile[name] if end == "ub" else limit <= profile[name]
            else:
                pairs.append((name, limit, profile[name], s * s))
    return pairs


@pytest.mark.parametrize("case", OFFERED, ids=lambda c: c["id"])
def test_reference_case(case: dict[str, Any]) -> None:
    fit = _fit(case)
    assert fit.k == case["expect"]["k"]
    closed = 1e-8 if case["options"]["method"] in {"EE", "DL"} else 1e-6
    for name, got, want, scale in _pairs(case, fit):
        rtol = 1e-6 if name in {"tau2_lb", "tau2_ub"} else case["options"].get("suggested_rtol", closed)
        assert math.isfinite(got)
        assert got == pytest.approx(want, rel=rtol, abs=1e-10 * scale), name
