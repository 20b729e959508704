"""Small-study effects and what is done about them: family "small_study" of the sets with tolerances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import vfmeta as vf

A = vf.appraisal
Answers = dict[str, Callable[[], dict[str, Any]]]


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Every verb that vfmeta has for the effects, and for the tables or sizes where there are some.

    A verb that refuses a case gives no values; where every one does, the refusal is the answer.
    """
    x, o = case["inputs"], case["options"]
    given = {"y": x["y"], "v": x["v"], "level": o.get("level", 0.95)}
    favoured = "higher" if o.get("favoured_sign", 1) > 0 else "lower"
    asked = _tests(given) | _adjusted(given, favoured)
    asked |= {"fail_safe": lambda: _numbers(given), "mathur_vanderweele": lambda: _worst(given, favoured)}
    if "trim_and_fill_side" in o:
        asked["trim_and_fill"] = lambda: _trimmed(given, o["trim_and_fill_side"])
    asked |= _tests_of_tables(x) if "a" in x else _tests_of_sizes(x) if "n1" in x else {}
    got, refused = {}, None
    for name, make in asked.items():
        try:
            got[name] = make()
        except (vf.InputError, vf.ConvergenceError) as refusal:
            refused = refusal
    if not got and refused is not None:
        raise refused
    return got


def _tests(given: dict[str, Any]) -> Answers:
    def mixed() -> dict[str, Any]:
        found = A.egger(**given, model="mixed")
        return line(found) | {"tau2": found.tau2, "limit_estimate": found.limit}

    def moments() -> dict[str, Any]:
        found = A.thompson(**given)
        return line(found) | {"tau2": found.tau2, "p_normal": math.erfc(abs(found.statistic) / math.sqrt(2))}

    def ranks() -> dict[str, Any]:
        found = A.begg(**given)
        return {
            "s": found.s, "tau_b": found.estimate, "z": found.statistic, "p_normal": found.p_normal(),
            "p_normal_continuity": found.p_normal(continuity=True), "p_exact": found.p_exact,
        }  # fmt: skip

    return {"egger": lambda: line(A.egger(**given)), "egger_mixed_reml": mixed, "thompson_mm": moments, "begg": ranks}


def _tests_of_tables(x: dict[str, Any]) -> Answers:
    a, b, c, d = (np.array(x[name], dtype=float) for name in "abcd")
    table = vf.effect_size("OR", events1=a, n1=a + b, events2=c, n2=c + d, drop00=False)
    return {
        "harbord": lambda: line(A.harbord(table)), "peters": lambda: line(A.peters(table)),
        "deeks": lambda: line(A.deeks(table)), "macaskill_pooled_variance": lambda: line(A.macaskill(table)),
        "macaskill_inverse_variance": lambda: line(A.macaskill(table, weights="inverse")),
    }  # fmt: skip


def _tests_of_sizes(x: dict[str, Any]) -> Answers:
    # only the sizes weigh here, so the table may make variances of its own
    table = vf.effect_size("SMD", d=x["y"], n1=x["n1"], n2=x["n2"], correct=False)
    return {"pustejovsky_rodgers": lambda: line(A.pustejovsky_rodgers(table))}


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


def _adjusted(given: dict[str, Any], favoured: str) -> Answers:
    def henmi_copas() -> dict[str, Any]:
        hc = A.henmi_copas(**given)
        low, high = hc.interval
        return {"estimate": hc.estimate, "se": hc.se, "tau2": hc.tau2, "ci_low": low, "ci_high": high}

    def pet_peese() -> dict[str, Any]:
        found = A.pet_peese(**given, favoured=favoured)
        own = {"chosen": found.chosen, "estimate": found.estimate, "se": found.se}
        return own | {"pet_p_one_sided": found.conditional_p}

    def limits() -> dict[str, Any]:
        found = {method: A.limit_meta_analysis(**given, method=method) for method in ("DL", "REML")}
        return {
            name: {"tau2": x.tau2, "alpha": x.bias, "beta": x.slope, "adjusted": x.estimate, "shrunken": x.shrunken}
            for name, x in found.items()
        }

    def p_uniform() -> dict[str, Any]:
        star = A.p_uniform_star(**given, favoured=favoured)
        return {
            "mu": star.estimate, "tau2": star.tau2, "loglik": star.log_likelihood, "ci_low": star.interval[0],
            "ci_high": star.interval[1], "lr_mu0": star.likelihood_ratio.statistic, "lr_p": star.p_value,
            "n_significant": star.significant,
        }  # fmt: skip

    return {
        "henmi_copas": henmi_copas, "pet": lambda: line(A.pet(**given)), "peese": lambda: line(A.peese(**given)),
        "pet_peese": pet_peese, "limit_meta_analysis": limits, "p_uniform_star": p_uniform,
    }  # fmt: skip


def _numbers(given: dict[str, Any]) -> dict[str, Any]:
    half, tenth = A.fail_safe(**given).numbers, A.fail_safe(**given, target=0.1).numbers
    return {
        "rosenthal": half["Rosenthal"], "orwin_unweighted_half": half["Orwin, plain"], "rosenberg": half["Rosenberg"],
        "orwin_unweighted_0.1": tenth["Orwin, plain"], "orwin_weighted_0.1": tenth["Orwin, weighted"],
    }  # fmt: skip


def _worst(given: dict[str, Any], favoured: str) -> dict[str, Any]:
    common, random = (A.worst_case(**given, favoured=favoured, method=method) for method in ("common", "REML"))
    eta = common.corrected(4)
    yes = int(common.affirmative.sum())
    return {
        "n_affirmative": yes, "n_nonaffirmative": common.k - yes,
        "worst_case_common": {"estimate": common.estimate, "se": common.se},
        "worst_case_reml": {"estimate": random.estimate, "se": random.se, "tau2": random.tau2},
        "s_value_common_point": common.s_values["common, mean"], "s_value_common_ci": common.s_values["common, interval"],
        "s_value_random_point": common.s_values["random, mean"],
        "corrected_common_eta4": {"estimate": eta[0], "se": eta[1]},
    }  # fmt: skip


def line(found: Any) -> dict[str, Any]:
    """A tested coefficient under the names of the cases."""
    return {"estimate": found.estimate, "se": found.se, "statistic": found.statistic, "df": found.df, "p": found.p_value}
