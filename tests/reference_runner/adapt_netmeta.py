"""``netmeta``: its names onto `vfmeta.network`; matrices are row less column, treatments in the order of their names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tests.reference_runner.common import NotOffered

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    o, x = case["options"], case["inputs"]
    if o["fun"] == "netmetabin" and o["method"] == "MH" and o["sm"] == "OR":
        fit = vf.networks.mantel_haenszel(events=x["event"], n=x["n"], treatment=x["treat"], study=x["studlab"])
        return {
            "trts": list(fit.treatments), **_matrices(fit.comparisons(), fit.treatments, "common", ("TE", "seTE")),
            "Q_inc": fit.q.statistic, "df_Q_inc": fit.q.df,
        }  # fmt: skip
    if o["fun"] != "netmeta":
        raise NotOffered(f"netmeta: {o['fun']}, {o['method']}")
    given = {"y": x["TE"], "se": x["seTE"], "treat1": x["treat1"], "treat2": x["treat2"], "study": x["studlab"]}
    test = "HKSJ" if o.get("method_random_ci") == "HK" else "Wald"
    tau2 = o["tau_preset"] ** 2 if "tau_preset" in o else None
    method = "REML" if tau2 is not None else o["method_tau"]
    common = vf.network(**given, method="common", test="Wald")
    fit = vf.network(**given, method=method, tau2=tau2, test=test)
    total, within, between = common.coherence()
    pairs = fit.comparisons()
    q, df = total.statistic, total.df
    return {
        "trts": list(fit.treatments), "k": len(fit.network.trials), "m": len(x["TE"]), "n": len(fit.treatments),
        "d": len({frozenset(t.arms) for t in fit.network.trials}),
        **_matrices(common.comparisons(), fit.treatments, "common", ("TE", "seTE")),
        **_matrices(pairs, fit.treatments, "random", ("TE", "seTE", "lower", "upper", "pval")),
        "tau": math.sqrt(fit.tau2), "tau2": fit.tau2, "I2": max(0.0, (q - df) / q),
        "Q": q, "df_Q": df, "pval_Q": total.p_value, "Q_het": within.statistic, "df_Q_het": within.df,
        "pval_Q_het": within.p_value, "Q_inc": between.statistic, "df_Q_inc": between.df, "pval_Q_inc": between.p_value,
    }  # fmt: skip


def _matrices(pairs: Any, treatments: tuple[str, ...], kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    n = len(treatments)
    out = {name: np.zeros((n, n)) for name in names}
    if "pval" in out:
        np.fill_diagonal(out["pval"], np.nan)
    for row in pairs.itertuples():
        i, j = treatments.index(row.treatment), treatments.index(row.control)
        there = {"TE": row.estimate, "seTE": row.se, "lower": row.ci_low, "upper": row.ci_high, "pval": row.p_value}
        back = {**there, "TE": -row.estimate, "lower": -row.ci_high, "upper": -row.ci_low}
        for name in names:
            out[name][i, j], out[name][j, i] = there[name], back[name]
    return {f"{name}_{kind}": value.tolist() for name, value in out.items()}
