"""Pools on the scale people read, and their test of a value on it: family "scale" of the sets with tolerances."""

from __future__ import annotations

from typing import Any

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Common effect, and REML with the normal and the Hartung-Knapp test."""
    o, inputs = case["options"], case["inputs"]
    question = vf.Question(measure=o["measure"], no_difference=o["null"])
    table = vf.effect_size(o["measure"], data=inputs, question=question, **{name: name for name in inputs})
    level = o["level"]
    return {
        "common": _told(vf.common_effect(table, level=level)),
        "reml_wald": _told(vf.random_effects(table, test="Wald", level=level)),
        "reml_hksj": _told(vf.random_effects(table, test="HKSJ", level=level)),
    }


def _told(fit: vf.FrequentistResult) -> dict[str, Any]:
    (row,) = fit.to_frame(on="read").to_dict("records")
    own = {name: row[name] for name in ("estimate", "ci_low", "ci_high", "tau2")}
    return own | {"null": {"value": fit.question.null, "statistic": row["statistic"], "p": row["p_value"]}}
