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
    o = case["options"]
    given = {"y": x["y"], "v": x["v"], "level": o.get("level", 0.95)}
    favoured = "higher" if o.get("favoured_sign", 1) > 0 else "lower"
    got = _tests(given) | _adjusted(given, favoured) | _numbers(given) | {"mathur_vanderweele": _worst(given, favoured)}
    if "trim_and_fill_side" in o:
        got["trim_and_fill"] = _trimmed(given, o["trim_and_fill_side"])
    return got | (_tests_of_tables(x) if "a" in x else _tests_of_sizes(x) if "n1" in x else {})


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
    table = vf.effect_size("OR", events1=a, n1=a + b, events2=c, n2=c + d, drop00=False)
    return {
        "harbord": line(A.harbord(table)), "peters": line(A.peters(table)), "deeks": line(A.deeks(table)),
        "macaskill_pooled_variance": line(A.macaskill(table)),
        "macaskill_inverse_variance": line(A.macaskill(table, weights="inverse")),
    }  # fmt: skip


def _tests_of_sizes(x: dict[str, Any]) -> dict[str, Any]:
    # only the sizes weigh here, so the table may make variances of its own
    table = vf.effect_size("SMD", d=x["y"], n1=x["n1"], n2=x["n2"], correct=False)
    return {"pustejovsky_rodgers": line(A.pustejovsky_rodgers(table))}


def _trimmed(given: dict[str, Any], side: str) -> dict[str, Any]:
    found = {}
    for estimator in ("L0", "R0", "Q0"):
        for method in ("common", "DL", "REML"):
            try:
                t = A.trim_and_fill(**given, estimator=estimator, side=side, method=method, test="Wald")
            except vf.ConvergenceError:
                continue
            found[f"{estimator}_{method}"] = {"k0": t.lacking, "estimate": t.estimate, "se": t.se, "tau2": t.tau2}
    return found


def _adjusted(given: dict[str, Any], favoured: str) -> dict[str, Any]:
    hc, both = A.henmi_copas(**given), A.pet_peese(**given, favoured=favoured)
    limits = {method: A.limit_meta_analysis(**given, method=method) for method in ("DL", "REML")}
    got = {
        "henmi_copas": {
            "estimate": hc.estimate, "se": hc.se, "tau2": hc.tau2, "ci_low": hc.interval[0], "ci_high": hc.interval[1],
        },
        "pet": line(A.pet(**given)), "peese": line(A.peese(**given)),
        "pet_peese": {
            "chosen": both.chosen, "estimate": both.estimate, "se": both.se, "pet_p_one_sided": both.conditional_p,
        },
        "limit_meta_analysis": {
            name: {"tau2": x.tau2, "alpha": x.bias, "beta": x.slope, "adjusted": x.estimate, "shrunken": x.shrunken}
            for name, x in limits.items()
        },
    }  # fmt: skip
    star = A.p_uniform_star(**given, favoured=favoured)
    return got | {
        "p_uniform_star": {
            "mu": star.estimate, "tau2": star.tau2, "loglik": star.log_likelihood, "ci_low": star.interval[0],
            "ci_high": star.interval[1], "lr_mu0": star.likelihood_ratio.statistic, "lr_p": star.p_value,
            "n_significant": star.significant,
        }
    }  # fmt: skip


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    half, tenth = A.fail_safe(**given).numbers, A.fail_safe(**given, target=0.1).numbers
    return {
        "fail_safe": {
            "rosenthal": half["Rosenthal"], "orwin_unweighted_half": half["Orwin, plain"], "rosenberg": half["Rosenberg"],
            "orwin_unweighted_0.1": tenth["Orwin, plain"], "orwin_weighted_0.1": tenth["Orwin, weighted"],
        }
    }  # fmt: skip


def _worst(given: dict[str, Any], favoured: str) -> dict[str, Any]:
    common, random = (A.worst_case(**given, favoured=favoured, method=method) for method in ("common", "REML"))
    eta = A.worst_case(**given, favoured=favoured, method="common").corrected(4)
    yes = int(common.affirmative.sum())
    return {
        "n_affirmative": yes, "n_nonaffirmative": common.k - yes,
        "worst_case_common": {"estimate": common.estimate, "se": common.se},
        "worst_case_reml": {"estimate": random.estimate, "se": random.se, "tau2": random.tau2},
        "s_value_common_point": _number(common.s_values["common, mean"]),
        "s_value_common_ci": _number(common.s_values["common, interval"]),
        "s_value_random_point": _number(common.s_values["random, mean"]),
        "corrected_common_eta4": {"estimate": eta[0], "se": eta[1]},
    }  # fmt: skip


def _number(value: float) -> Any:
    return "Inf" if math.isinf(value) else value


def line(found: Any) -> dict[str, Any]:
    """A tested coefficient under the names of the cases."""
    return {"estimate": found.estimate, "se": found.se, "statistic": found.statistic, "df": found.df, "p": found.p_value}
