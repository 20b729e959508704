"""Transformations (family ``transf``): names of R to names of vfmeta and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.reference_runner.adapt_convert import column
from tests.reference_runner.common import NotOffered

import vfmeta as vf


def double_arcsine(case: dict[str, Any]) -> dict[str, Any]:
    x, n = column(case, "x"), column(case, "n")
    y = vf.convert.double_arcsine(x, n)
    harmonic = len(n) / np.sum(1 / n)
    return {
        "pft": y,
        "ipft": vf.convert.inverse_double_arcsine(y, n),
        "ipft_hm": vf.convert.inverse_double_arcsine(y, harmonic),
    }


def averages(case: dict[str, Any]) -> dict[str, Any]:
    x, tau2 = column(case, "x"), column(case, "tau2")
    names = {"ztor_int": "ZCOR", "exp_int": "OR", "ilogit_int": "PLO"}
    return {r: vf.convert.mean_back_transform(measure, x, tau2) for r, measure in names.items()}


def square_root(x: np.ndarray) -> np.ndarray:
    return np.asarray(vf.convert.back_transform("IRS", x))


def overlap(index: str) -> Any:
    return lambda x: vf.convert.d_to_overlap(x, index=index)


TRANSF = {
    "rtoz": lambda x: vf.convert.r_to_z(x),
    "ztor": lambda x: vf.convert.z_to_r(x),
    "logit": lambda x: vf.convert.logit(x),
    "ilogit": lambda x: vf.convert.expit(x),
    "arcsin": lambda x: vf.convert.arcsine(x),
    "iarcsin": lambda x: vf.convert.inverse_arcsine(x),
    "isqrt": square_root,
    "dtou1": overlap("U1"),
    "dtou2": overlap("U2"),
    "dtou3": overlap("U3"),
    "dtocles": overlap("superiority"),
    "dtocliffd": overlap("cliff"),
    "dtobesd": overlap("BESD"),
    "lnortod.norm": lambda x: vf.convert.log_odds_ratio_to_d(x, distribution="normal")[0],
    "lnortod.logis": lambda x: vf.convert.log_odds_ratio_to_d(x)[0],
    "dtolnor.norm": lambda x: vf.convert.d_to_log_odds_ratio(x, distribution="normal")[0],
    "dtolnor.logis": lambda x: vf.convert.d_to_log_odds_ratio(x)[0],
    "lnortortet.pearson": lambda x: vf.convert.log_odds_ratio_to_tetrachoric(x),
    "lnortortet.digby": lambda x: vf.convert.log_odds_ratio_to_tetrachoric(x, method="digby"),
}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    fun = case["options"]["fun"]
    if fun.startswith("transf.pft"):
        return double_arcsine(case)
    if ".int" in fun:
        return averages(case)
    name = fun.removeprefix("transf.")
    if name not in TRANSF:
        raise NotOffered(fun)
    return {"y": TRANSF[name](column(case, "x"))}
