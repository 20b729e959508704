"""Conversions (family ``convert``): names of R to names of vfmeta and back."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import vfmeta as vf

FUNCTIONS = {"conv.wald", "conv.fivenum", "conv.2x2"}


def column(case: dict[str, Any], name: str) -> np.ndarray | None:
    values = case["inputs"].get(name)
    if values is None:
        return None
    return np.array([np.nan if x is None else float(x) for x in values] if isinstance(values, list) else [float(values)])


def wald(case: dict[str, Any]) -> dict[str, Any]:
    o, get = case["options"], partial(column, case)
    y, v = vf.convert.wald(
        get("out"),
        low=get("ci.lb"),
        high=get("ci.ub"),
        z=get("zval") if get("zval") is not None else get("tval"),
        p=get("pval"),
        df=get("df"),
        level=o.get("level", 95) / 100,
        log=o.get("transf") == "log",
    )
    return {"yi": y, "vi": v}


def fivenum(case: dict[str, Any]) -> dict[str, Any]:
    o, get = case["options"], partial(column, case)
    mean, sd = vf.convert.mean_sd_from_quantiles(
        n=get("n"),
        minimum=get("min"),
        q1=get("q1"),
        median=get("median"),
        q3=get("q3"),
        maximum=get("max"),
        method={"mln": "cai2021"}.get(o.get("method", "default"), o.get("method", "default")),
        distribution="lognormal" if o.get("dist") == "lnorm" else "normal",
        skew_test=o.get("test", True),
        failed="nan",
    )
    return {"mean": mean, "sd": sd}


def two_by_two(case: dict[str, Any]) -> dict[str, Any]:
    get = partial(column, case)
    measures = {"odds_ratio": get("ori"), "phi": get("ri"), "chi2": get("x2i")}
    name = next(x for x in measures if measures[x] is not None)  # R takes the first it finds, in this order
    cells = vf.convert.two_by_two(
        get("ni"), get("n1i"), get("n2i"), **{name: measures[name]}, continuity=case["options"].get("correct", True)
    )
    return dict(zip(("ai", "bi", "ci", "di"), cells, strict=True))


CONVERT = {"conv.wald": wald, "conv.fivenum": fivenum, "conv.2x2": two_by_two}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    return CONVERT[case["options"]["fun"]](case)
