"""Small-study effects and what is done about them: family "small_study" of the sets with tolerances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import vfmeta as vf

A = vf.appraisal


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Every verb that vfmeta has for the effects, and for the tables or sizes where there are some."""
    x = case["inputs"]
    given = {"y": x["y"], "v": x["v"], "level": case["options"].get("level", 0.95)}
    return _tests(given) | (_tests_of_tables(x) if "a" in x else _tests_of_sizes(x) if "n1" in x else {})


def _tests(given: dict[str, Any]) -> dict[str, Any]:
    mixed, moments, ranks = A.egger(**given, model="mixed"), A.thompson(**given), A.begg(**given)
    return {
        "egger": line(A.egger(**given)),
        "egger_mixed_reml": line(mixed) | {"tau2": mixed.tau2, "limit_estimate": mixed.limit},
        "thompson_mm": line(moments)
        | {"tau2": moments.tau2, "p_normal": math.erfc(abs(moments.statistic) / math.sqrt(2))},
        "begg": {
            "s": ranks.s, "tau_b": ranks.estimate, "z": ranks.statistic, "p_normal": ranks.p_normal(),
            "p_normal_continuity": ranks.p_normal(continuity=True), "p_exact": ranks.p_exact,
        },
    }  # fmt: skip


def _tests_of_tables(x: dict[str, Any]) -> dict[str, Any]:
    a, b, c, d = (np.array(x[name], dtype=float) for name in "abcd")
    table = vf.effect_size("OR", events1=a, n1=a + b, events2=c, n2=c + d)
    return {
        "harbord": line(A.harbord(table)), "peters": line(A.peters(table)), "deeks": line(A.deeks(table)),
        "macaskill_pooled_variance": line(A.macaskill(table)),
        "macaskill_inverse_variance": line(A.macaskill(table, weights="inverse")),
    }  # fmt: skip


def _tests_of_sizes(x: dict[str, Any]) -> dict[str, Any]:
    # only the sizes weigh here, so the table may make variances of its own
    table = vf.effect_size("SMD", d=x["y"], n1=x["n1"], n2=x["n2"], correct=False)
    return {"pustejovsky_rodgers": line(A.pustejovsky_rodgers(table))}


def line(found: Any) -> dict[str, Any]:
    """A tested coefficient under the names of the cases."""
    return {"estimate": found.estimate, "se": found.se, "statistic": found.statistic, "df": found.df, "p": found.p_value}
