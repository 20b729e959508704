"""Multivariate and multilevel models, sampling covariances and robust inference: names of R to names of vfmeta and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from tests.reference_runner.common import NotOffered

import vfmeta as vf

STRUCTURES = {"CS", "HCS", "UN", "DIAG", "ID", "AR", "HAR", "CAR", "GEN", "GDIAG"}
# metafor's own correction is m / (m - p) with m - p degrees of freedom; clubSandwich's have Satterthwaite's
ROBUST = {
    "CR0": ("CR0", "residual"), "CR1": ("CR1p", "residual"), "CR2": ("CR2", "Satterthwaite"), "CR1p": ("CR1p", "Satterthwaite"),
    "CR1S": ("CR1S", "Satterthwaite"), "CR3": ("CR3", "Satterthwaite"),
}  # fmt: skip
FUNCTIONS = {"rma.mv", "robust", "confint.rma.mv", "vcalc"}
VCALC = {
    "cluster": "cluster", "time1": "time", "time2": "time_control", "grp1": "experimental", "grp2": "control",
    "w1": "n_experimental", "w2": "n_control",
}  # fmt: skip


def answer(case: dict[str, Any]) -> dict[str, Any]:
    fun = case["options"]["fun"]
    if fun == "rma.mv":
        return model(case)
    if fun == "robust":
        return robust(case)
    if fun == "confint.rma.mv":
        return intervals(case)
    if fun == "vcalc":
        return covariance(case)
    raise NotOffered(fun)


def fit(case: dict[str, Any], **extra: Any) -> Any:
    o, columns = case["options"], dict(case["inputs"])
    V = columns.pop("V", None)
    structure = o.get("struct", "CS")
    for kind in [structure] if isinstance(structure, str) else structure:
        if kind not in STRUCTURES:
            raise NotOffered(f'struct="{kind}"')
    if o.get("scale") is not None:
        raise NotOffered("rma.mv(scale=)")
    relation, weights = columns.pop("R", None), columns.pop("W", None)
    if relation is not None:
        names = list(dict.fromkeys(columns[o["R"]]))
        extra["R"] = {o["R"]: (relation, sorted(names))}
    for name, levels in o.get("factor_levels", {}).items():
        import pandas as pd

        columns[name] = pd.Categorical(columns[name], categories=levels)
    return vf.multivariate(
        y=columns["yi"], **({"v": columns["vi"]} if V is None else {"V": V}), data=columns, formula=formula(case),
        random=o.get("random"), structure=structure, method=o.get("method", "REML"),
        test="t" if o.get("test") == "t" else "Wald", df="containment" if o.get("dfs") == "contain" else "residual",
        level=o.get("level", 95) / 100, missing="drop", weights=weights, **held(o), **extra,
    )  # fmt: skip


def held(options: dict[str, Any]) -> dict[str, Any]:
    """Components held fixed: sigma2 of the intercepts in turn, tau2 and rho, gamma2 and phi of the terms inner | outer."""
    random = options.get("random") or []
    names = [" ".join(t.replace("~", "").split()) for t in ([random] if isinstance(random, str) else random)]
    intercepts: list[str] = []
    for name in names:
        if name.startswith("1 |"):
            levels = name.removeprefix("1 |").strip().split("/")
            intercepts += [f"1 | {'/'.join(levels[: i + 1])}" for i in range(len(levels))]
    others = [n for n in names if not n.startswith("1 |")]
    variances: dict[str, Any] = {}
    correlations: dict[str, Any] = {}
    if options.get("sigma2") is not None:
        given = options["sigma2"] if isinstance(options["sigma2"], list) else [options["sigma2"]]
        variances |= dict(zip(intercepts, given, strict=True))
    for name, variance, rho in zip(others, ("tau2", "gamma2"), ("rho", "phi"), strict=False):
        variances |= {name: options[variance]} if options.get(variance) is not None else {}
        correlations |= {name: options[rho]} if options.get(rho) is not None else {}
    return {"variances": variances, "correlations": correlations}


def formula(case: dict[str, Any]) -> str | None:
    """The moderators as formulaic writes them.

    One formula is read as another. The case mv.konst.mods gives "~ year" in its options, but that is not what R was given: the
    coefficients it records are called "intrcpt" and "I(year - 1990)". R (metafor 3.8-1) confirms it on the same rows: "~ year"
    has the intercept -10.39, "~ I(year - mean(year))" (the mean is 1989.6) 0.1783, and "~ I(year - 1990)" the recorded 0.1807;
    slope, standard error of the slope, variances and likelihood are the same in all three. No reading of the recorded text
    itself gives the recorded intercept, so the adapter writes the formula that the names of the coefficients say.
    """
    text = case["options"].get("formula")
    if text is None:
        return None
    if case["dataset"] == "dat.konstantopoulos2011" and text == "~ year":
        text = "~ I(year - 1990)"
    return re.sub(r"\bfactor\(", "C(", text)


def r_name(name: str) -> str:
    """``C(time)[2.0]`` is ``factor(time)2`` in R, ``outcome[T.PD]`` ``outcomePD`` and the intercept ``intrcpt``."""
    name = re.sub(r"\[(?:T\.)?([^\]]*?)(?:\.0)?\]", r"\1", name)
    return re.sub(r"\bC\(", "factor(", name).replace("Intercept", "intrcpt")


def parts(found: Any) -> dict[str, Any]:
    """Variances under R's names: sigma2 of the intercepts, tau2 and rho, gamma2 and phi of the terms inner | outer."""
    intercepts = [t for t in found.random if t.is_intercept]
    others = [t for t in found.random if not t.is_intercept]
    got: dict[str, Any] = {"sigma2": [t.variances[0] for t in intercepts] or [0]}
    for i, (variance, rho) in enumerate((("tau2", "rho"), ("gamma2", "phi"))):
        got[variance] = list(others[i].variances) if i < len(others) else [0]
        got[rho] = list(others[i].correlations) or [0] if i < len(others) else [0]
    return got


def model(case: dict[str, Any]) -> dict[str, Any]:
    r = fit(case)
    got = parts(r) | {
        "beta": r.estimate, "names": [r_name(n) for n in r.terms], "se": r.se, "zval": r.statistic, "pval": r.p_value,
        "ci_lb": r.interval[:, 0], "ci_ub": r.interval[:, 1], "QE": r.q.statistic, "QEp": r.q.p_value,
        "QM": r.omnibus.statistic,
        "QMp": r.omnibus.p_value, "ll_ML": r.log_likelihood_ml, "ll_REML": r.log_likelihood_reml, "k": r.k,
        "AIC": r.information().aic, "AICc": r.information().aicc, "BIC": r.information().bic, "vb": r.vb,
    }  # fmt: skip
    if r.p == 1 and np.all(r.X == 1):
        row = r.predict().iloc[0]
        got["predict"] = {
            "pred": row.estimate, "se": row.se, "ci_lb": row.ci_low, "ci_ub": row.ci_high, "pi_lb": row.prediction_low,
            "pi_ub": row.prediction_high,
        }  # fmt: skip
    return got


def robust(case: dict[str, Any]) -> dict[str, Any]:
    o, columns = case["options"], case["inputs"]
    cluster = o["cluster"].split("=")[-1].strip()
    kind = o.get("model", "")
    if kind.startswith("rma.uni"):
        method = kind.split()[-1]
        given = {"formula": o["formula"], "data": columns} if o.get("formula") else {}
        pool = vf.meta_regression if given else vf.random_effects
        r = pool(y=columns["yi"], v=columns["vi"], method=method, test="Wald", missing="drop", **given)
        used = [i for i, pair in enumerate(zip(columns["yi"], columns["vi"], strict=True)) if None not in pair]
        members: Any = [columns[cluster][i] for i in used]
    else:
        r, members = fit(case), cluster
    got = {}
    for name, (correction, df) in ROBUST.items():
        try:
            s = vf.robust(r, members, kind=correction, df=df)
        except vf.InputError:
            continue
        got[name] = {
            "se": s.se, "tval": s.statistic, "pval": s.p_value, "df": s.df, "ddf": s.df[:1] if df == "residual" else s.df,
            "ci_lb": s.interval[:, 0], "ci_ub": s.interval[:, 1],
        }  # fmt: skip
    return got


def intervals(case: dict[str, Any]) -> dict[str, Any]:
    r = fit(case)
    table = vf.component_intervals(r)
    got, sigma = {}, 0
    names = {t.name: t for t in r.random}
    others = [t.name for t in r.random if not t.is_intercept]
    for term, part in table.groupby("term", sort=False):
        for kind, rows in part.groupby("kind", sort=False):
            pairs = [[row.ci_low, row.ci_high] for row in rows.itertuples()]
            if names[term].is_intercept:
                sigma += 1
                got[f"sigma2_{sigma}"] = pairs[0]
                continue
            base = (("tau2", "rho"), ("gamma2", "phi"))[min(others.index(term), 1)][kind == "correlation"]
            if len(pairs) == 1:
                got[base] = pairs[0]
            got |= {f"{base}_{i + 1}": pair for i, pair in enumerate(pairs)}
    if sigma == 1:
        got["sigma2"] = got["sigma2_1"]
    return got


def covariance(case: dict[str, Any]) -> dict[str, Any]:
    o, columns = case["options"], case["inputs"]
    given = {ours: columns[o[theirs]] for theirs, ours in VCALC.items() if o.get(theirs) is not None}
    outcome, domain = o.get("obs"), o.get("type")
    if outcome is not None or domain is not None:
        given["outcome"] = columns[outcome or domain]
        if outcome is not None and domain is not None:
            given["domain"] = columns[domain]
    for name in ("rho", "phi"):
        if o.get(name) is not None:
            given[name] = o[name]
    return {"V": vf.sampling_covariance(columns[o.get("vi", "vi")], **given, check=False)}
