"""Fits as R code: what it says, and, where R with metafor is, that it makes the same fit."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.exchange.r import _quoted
from vfmeta.results.verbs import VERBS

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")

Y, V = [-0.6, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1], [0.04, 0.09, 0.05, 0.12, 0.06, 0.1, 0.07]
STUDY = ["A", 'B "quoted"', "C\\D", "Grün", "E", "F", "O'G"]
COUNTS: dict[str, Any] = {"events1": [4, 6, 3, 17], "n1": [40, 55, 38, 60], "events2": [9, 8, 6, 12], "n2": [41, 50, 40, 61]}
TIMES: dict[str, Any] = {"events1": [4, 6, 3], "time1": [40.5, 55, 38], "events2": [9, 8, 6], "time2": [41, 50, 40]}


def pool(**more: Any) -> Any:
    return vf.random_effects(y=Y, v=V, study=STUDY, **more)


def dose(**more: Any) -> Any:
    return vf.meta_regression(y=Y, v=V, data={"dose": [1.0, 2.0, 4.0, 3.0, 1.5, 5.0, 2.5]}, formula="~ dose", **more)


WEIGHTS = [1.0, 2.0, 1.0, 3.0, 1.0, 1.0, 2.0]
METHODS = ("REML", "ML", "DL", "DL2", "PM", "PMM", "EB", "HE", "HS", "HSk", "SJ")
FITS: dict[str, Callable[[], Any]] = {
    **{f"method {m}": functools.partial(pool, method=m) for m in METHODS},
    **{f"test {t}": functools.partial(pool, test=t) for t in ("HKSJ", "HKSJ-adhoc", "Wald", "t")},
    "level": lambda: pool(level=0.9),
    "tau2 held": lambda: pool(tau2=0.2, test="Wald"),
    "weights": lambda: pool(weights=WEIGHTS),
    "GENQ": lambda: pool(method="GENQ", weights=WEIGHTS),
    "one study": lambda: vf.random_effects(y=[0.5], v=[0.1]),
    "common": lambda: vf.common_effect(y=Y, v=V, study=STUDY),
    "DL-MH": lambda: vf.random_effects(vf.effect_size("OR", **COUNTS), method="DL-MH", test="Wald"),
    "Mantel-Haenszel": lambda: vf.mantel_haenszel("RR", **COUNTS),
    "Mantel-Haenszel, rates": lambda: vf.mantel_haenszel("IRR", **TIMES),
    "Mantel-Haenszel, empty cells": lambda: vf.mantel_haenszel("RD", **(COUNTS | {"events1": [0, 6, 3, 7]})),
    "Peto": lambda: vf.peto(**COUNTS),
    "glmm": lambda: vf.glmm("OR", **COUNTS, test="Wald"),
    "regression": dose,
    "regression, Wald, DL": lambda: dose(test="Wald", method="DL"),
    "regression, common": lambda: dose(test="Wald", method="common"),
}


@functools.cache
def made(name: str) -> Any:
    return FITS[name]()


@functools.cache
def in_r() -> dict[str, list[float]]:
    """Coefficients, limits and tau2 of every fit, from one process."""
    tell = 'cat("\\n@", {}, sprintf("%.15g", c(res$beta, res$ci.lb, res$ci.ub, max(0, res$tau2))), "\\n")'
    code = "\n".join(f"{made(name).to_r()}\n{tell.format(_quoted(name.replace(' ', '_')))}" for name in FITS)
    said = subprocess.run(["Rscript", "--vanilla", "-"], input=code, capture_output=True, text=True, check=True).stdout
    rows = [line.split()[1:] for line in said.splitlines() if line.startswith("@")]
    return {row[0].replace("_", " "): [float(x) for x in row[1:]] for row in rows}


@functools.cache
def metafor_is_here() -> bool:
    if shutil.which("Rscript") is None:
        return False
    asked = ["Rscript", "-e", 'stopifnot(packageVersion("metafor") >= "3.8"); library(lme4)']
    return subprocess.run(asked, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", FITS)
def test_metafor_makes_the_same_fit(name: str) -> None:
    if not metafor_is_here():
        pytest.skip("R with metafor 3.8 and lme4 is not here")
    fit = made(name)
    interval = np.atleast_2d(fit.interval)
    mine = [*np.atleast_1d(fit.estimate), *interval[:, 0], *interval[:, 1], fit.tau2 or 0.0]
    assert in_r()[name] == pytest.approx(mine, rel=2e-3 if name == "glmm" else 1e-5, abs=1e-3 if name == "glmm" else 1e-6)


def test_the_code_holds_data_call_and_numbers() -> None:
    fit = vf.random_effects(y=[0.25, 0.5], v=[0.0625, 0.125], study=["A", "B"], method="DL", test="Wald")
    assert fit.to_r().splitlines()[:7] == [
        "library(metafor)", "dat <- data.frame(", '  study = c("A", "B"),', "  yi = c(0.25, 0.5),",
        "  vi = c(0.0625, 0.125)", ")",
        'res <- rma(yi = yi, vi = vi, method = "DL", test = "z", level = 95, slab = study, data = dat)',
    ]  # fmt: skip
    assert f"# vfmeta has {fit.estimate!r} (" in fit.to_r()
    assert vf.read_result(fit.to_json()).to_r().splitlines()[:7] == fit.to_r().splitlines()[:7]


def test_groups_have_a_fit_each() -> None:
    found = vf.subgroups(by=list("aabbabb"), y=Y, v=V)
    code = found.to_r()
    assert code.count("<- rma(") == 2
    assert 'res_2 <- rma(yi = yi, vi = vi, method = "REML"' in code
    with pytest.raises(vf.NotDefined, match="one tau2"):
        vf.subgroups(by=list("aabbabb"), y=Y, v=V, common_tau2=True).to_r()


def test_what_a_name_holds_cannot_leave_its_quotes() -> None:
    assert _quoted('a"); quit() #\n\\') == '"a\\"); quit() #\\n\\\\"'


def test_what_metafor_does_not_have_is_refused_in_words() -> None:
    with pytest.raises(vf.NotDefined, match="There is no R code of a BetaBinomialResult by beta_binomial"):
        vf.beta_binomial("OR", **COUNTS).to_r()
    with pytest.raises(vf.NotDefined, match=r"There is no R code of a .*; there is of FrequentistResult"):
        vf.bayes.random_effects(y=Y, v=V, tau=vf.priors.HalfNormal(0.5)).to_r()
    with pytest.raises(vf.NotDefined, match="test='KR'"):
        dose(test="KR").to_r()
    assert set(VERBS["to_r"]) == {"FrequentistResult", "RegressionResult", "SubgroupResult"}
