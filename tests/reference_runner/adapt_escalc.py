"""Effect sizes (family ``escalc``): names of R to names of vfmeta and back.

R's defaults are passed in words where those of vfmeta differ: R adds 1/2 to Peto tables with a zero and to the estimate of
differences, and keeps studies without events.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from tests.reference_runner.common import NotOffered

import vfmeta as vf
from vfmeta.effects import formulas

NAMES = {
    "m1i": "mean1",
    "sd1i": "sd1",
    "n1i": "n1",
    "m2i": "mean2",
    "sd2i": "sd2",
    "n2i": "n2",
    "x1i": "events1",
    "t1i": "time1",
    "x2i": "events2",
    "t2i": "time2",
    "ri": "r",
    "ni": "n",
    "mi": "mean",
    "sdi": "sd",
    "xi": "events",
    "pi": "p",
    "di": "d",
}
CHANGE = {"m1i": "mean_post", "sd1i": "sd_post", "m2i": "mean_pre", "sd2i": "sd_pre", "ni": "n", "ri": "r"}
# in R the first SD is the one a change is standardised by, that is the one before
BASELINE = CHANGE | {"sd1i": "sd_pre", "sd2i": "sd_post"}
PREPOST = {"MC", "SMCC", "SMCR", "SMCRH", "SMCRP", "SMCRPH", "ROMC", "VRC", "CVRC"}
UNUSED = {"SMD1": ["sd1"], "VR": ["mean1", "mean2"], "SDLN": ["mean"], "SMCR": ["sd_post"], "VRC": ["mean_pre", "mean_post"]}
NO_CHOICE = {"IR", "ZCOR"}  # R has one variance there and ignores vtype
COUNTS = {"PR", "PLN", "PLO", "IR", "IRLN", "IRR", "IRD", "RR", "OR", "RD", "PETO", "OR2D", "OR2DN", "OR2DL"}


def _names(measure: str, inputs: dict[str, Any]) -> dict[str, str]:
    if measure in PREPOST:
        return BASELINE if measure in {"SMCR", "SMCRH"} else CHANGE
    if "xi" in inputs and "ti" in inputs:
        return NAMES | {"ti": "time"}
    return NAMES | {"ti": "t"}


def aggregated(case: dict[str, Any]) -> dict[str, Any]:
    o, i = case["options"], case["inputs"]
    if o["struct"] not in {"ID", "CS"}:
        raise NotOffered(f"aggregate with struct {o['struct']}")
    cluster, y, v = vf.convert.combine_effects(
        i["yi"], i["vi"], i["cluster"], rho=o.get("rho") or 0.0, weighted=o.get("weighted", True)
    )
    return {"cluster": cluster, "yi": y, "vi": v}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    if case["options"].get("fun") == "aggregate.escalc":
        return aggregated(case)
    o, measure = dict(case["options"]), case["options"]["measure"]
    if measure not in formulas.FORMULAS and measure not in formulas.ALIASES:
        raise NotOffered(measure)
    data = pd.DataFrame(case["inputs"]).astype(float)
    if {"ai", "bi", "ci", "di"} <= set(data):
        data = pd.DataFrame({"events1": data.ai, "n1": data.ai + data.bi, "events2": data.ci, "n2": data.ci + data.di})
    elif {"ai", "ci", "n1i", "n2i"} <= set(data):
        data = data.rename(columns={"ai": "events1", "ci": "events2", "n1i": "n1", "n2i": "n2"})
    else:
        if "xi" in data and "mi" in data and "ni" not in data:
            data = data.assign(ni=data.xi + data.mi).drop(columns="mi")
        if measure in {"COR", "UCOR", "ZCOR"} and "ti" in data and "ri" not in data:
            data = data.assign(ri=vf.convert.r_from_t(data.ti, data.ni - 2)).drop(columns="ti")
        data = data.rename(columns=_names(measure, case["inputs"]))
    data = data.drop(columns=UNUSED.get(measure, ()), errors="ignore")
    columns = {c: c for c in data.columns}
    options: dict[str, Any] = {"correct": o.get("correct", True)}
    if measure in COUNTS or "add" in o or "to" in o:
        options |= {"add": o.get("add", 0.5), "to": o.get("to", "only0"), "add_to_estimate": True}
    if {"events1", "events2"} <= set(columns):
        options["drop00"] = o.get("drop00", False)
    if "vtype" in o and measure not in NO_CHOICE:
        options["vtype"] = o["vtype"]
    data["row"] = [str(i) for i in range(len(data))]
    table = vf.effect_size(measure, data=data, study="row", missing="drop", **options, **columns)
    # R tests 0 on the analysis scale whatever the measure, which is what y and v of no known measure are tested against
    alone = vf.study_intervals(y=table.y, v=table.v, level=o.get("level", 95) / 100)
    found = alone.assign(study=table.labels).set_index("study").reindex(data["row"])
    names = {"yi": "estimate", "sei": "se", "zi": "statistic", "pval": "p_value", "ci_lb": "ci_low", "ci_ub": "ci_high"}
    return {r: np.asarray(found[ours], float) for r, ours in names.items()} | {"vi": np.square(np.asarray(found["se"], float))}
