"""Networks of the sets with tolerances: family "network", onto `vfmeta.network` and what follows it."""

from __future__ import annotations

from typing import Any

import pandas as pd

import vfmeta as vf
from vfmeta.results.wald import TestResult


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Effects at tau2 = 0, by DL and REML, P-scores, Q, posterior and the split of a side."""
    o, given = case["options"], case["inputs"]
    better = "low" if o.get("small_values_good") else "high"
    fits = {
        name: vf.network(given, reference=o["reference"], method=method, test="Wald")
        for name, method in (("common", "common"), ("dl", "DL"), ("reml", "REML"))
    }
    found: dict[str, Any] = {name: {"tau2": fit.tau2, "effects": _effects(fit)} for name, fit in fits.items()}
    for name in ("common", "reml"):
        found[f"pscore_{name}"] = fits[name].p_scores(better).to_dict()
    total, within, between = fits["common"].coherence()
    found["q"] = _test("total", total) | _test("within", within) | _test("between", between)
    if fits["reml"].k <= fits["reml"].p:
        return found
    post = vf.networks.posterior(fits["reml"], tau=vf.priors.HalfNormal(0.5))
    means = {t: post.marginal(t).mean for t in post.terms}
    found["bayes"] = {
        "effects": {t: {"mean": means[t], "sd": s} for t, s in zip(post.terms, post.se, strict=True)},
        "tau": {"mean": post.tau.mean, "median": post.tau.median, "sd": post.tau.sd},
    }
    for name, refit in (("side_split", False), ("side_split_refit", True)):
        if name in case["expect"]:
            of = case["expect"][name]["of"]
            sides = {method: _side(fit, of, refit) for method, fit in fits.items()}
            found[name] = {"of": of, **(sides["reml"] if refit else sides)}
    return found


def _effects(fit: Any) -> dict[str, Any]:
    return {t: {"estimate": e, "se": s} for t, e, s in zip(fit.terms, fit.estimate, fit.se, strict=True)}


def _test(name: str, found: TestResult) -> dict[str, Any]:
    return {name: found.statistic, f"{name}_df": found.df, f"{name}_p": found.p_value}


def _side(fit: Any, of: list[str], refit: bool) -> dict[str, Any]:
    frame = vf.networks.split_sides(fit, reestimate=refit)
    turned = frame.assign(
        treatment=frame.control, control=frame.treatment, direct=-frame.direct, indirect=-frame.indirect,
        difference=-frame.difference,
    )  # fmt: skip
    both = pd.concat([frame, turned])
    row = both[(both.treatment == of[0]) & (both.control == of[1])].iloc[0]
    names = ("direct", "direct_se", "indirect", "indirect_se", "difference", "difference_se", "tau2")
    return {name: row[name] for name in names} | {"p": row["p_value"]}
