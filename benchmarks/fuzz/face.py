"""Inputs to the public functions: a call that works, with some of its arguments spoilt."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.fuzz import values as x

import vfmeta as vf

Call = tuple[str, Callable[[], Any]]
_EFFECTS = ("y", "v")
_TWO = ("events1", "n1", "events2", "n2")


def base_effects(r: Random, n: int) -> dict[str, Any]:
    if r.random() < 0.5:
        return {"y": [r.gauss(0, 1) for _ in range(n)], "v": [0.01 + r.random() for _ in range(n)]}
    return {"y": x.column(r, n), "v": x.column(r, n, above=True)}


def base_counts(r: Random, n: int, names: tuple[str, ...] = _TWO) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in names:
        size = not name.startswith("events")
        plain = [r.randint(30, 80) if size else r.randint(0, 20) for _ in range(n)]
        out[name] = plain if r.random() < 0.75 else x.column(r, n, above=True, whole=r.random() < 0.7)
    return out


def spoilt(r: Random, function: Callable[..., Any], given: dict[str, Any], n: int, more: float = 0.5) -> dict[str, Any]:
    """Arguments of a function with some added and some replaced."""
    own = inspect.signature(function).parameters
    while r.random() < more:
        name = r.choice(list(own))
        if own[name].kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        given[name] = argument(r, name, str(own[name].annotation), n)
    return given


def argument(r: Random, name: str, annotation: str, n: int) -> Any:
    """A value for an argument of that name."""
    if name in ("level",):
        return r.choice(x.LEVELS)
    if name == "question":
        return made(lambda: x.question(r), None)
    if name in ("tau", "tau_prior", "baseline_sd", "class_sd", "between_trials", "between_arms", "memory", "curve_sd"):
        return deferred(r, "tau")
    if name in ("mu", "mu_prior", "beta", "baseline_prior"):
        return deferred(r, "mu")
    if name in ("study", "labels"):
        return x.names(r, n)
    if name in ("by", "cluster", "outcome", "intervention", "klass", "arm"):
        return x.groups(r, n)
    if name in ("draws", "runs", "components", "bins", "nAGQ", "seed", "jobs", "tune", "chains"):
        return r.choice((1, 2, 7, 20, 0, -1, 2.5, 10.0, "10", None, True, float("nan"), [3], np.int64(5)))
    if name == "formula":
        return r.choice(
            (
                "~ x",
                "~ 1",
                "~ 0 + x",
                "~ x + g",
                "~ nothing",
                "x",
                "~",
                "~ log(x)",
                "~ x**2",
                "~ C(g)",
                "~ x:g",
                "y ~ x",
                "~ import os",
                *x.WORDS,
            )
        )
    if name in ("x", "z"):
        return r.choice(
            (
                x.column(r, n),
                np.ones((n, 2)),
                np.array([[r.random(), r.random()] for _ in range(n)]),
                np.ones((n, n + 2)),
                x.odd(r),
            )
        )
    if name == "data":
        return frame(r, n)
    if name in ("V", "W"):
        return r.choice(
            (
                np.diag(x.positive(r, n)),
                np.ones((n, n)),
                np.full((n, n), np.nan),
                np.eye(n + 1),
                x.column(r, n),
                np.eye(n) * 1e200,
                -np.eye(n),
            )
        )
    if name in (
        "tau2",
        "rho",
        "phi",
        "add",
        "pool_add",
        "p_effect",
        "p_heterogeneity",
        "null",
        "unit_sd",
        "mu_mean",
        "correlation",
    ):
        return r.choice((x.number(r), x.number(r), x.odd(r)))
    if name == "random":
        return r.choice(
            ("1 | g", "1 | g/h", "x | g", "nothing", "1 | nothing", "~ 1 | g", ["1 | g", "1 | h"], *x.WORDS, None, 5)
        )
    if name == "measure":
        return r.choice(("OR", "RR", "RD", "IRR", "PETO", "AS", "PLO", "PR", "MD", "SMD", "or", "HR", x.odd(r)))
    if "bool" in annotation:
        return r.choice((True, False, None, 1, "yes"))
    if annotation.split(" ")[0] in vars(vf.core.params) if hasattr(vf, "core") else False:
        return x.option(r, annotation)
    if name in ("y", "mean", "estimate"):
        return x.column(r, n)
    if name in ("v", "se", "weights", "n", "time", "events", "n1", "n2", "events1", "events2", "time1", "time2", "sd"):
        return x.column(r, n, above=True)
    if name == "ci":
        return r.choice((x.column(r, n), [(-1, 1)] * n, (x.column(r, n), x.column(r, n))))
    return x.option(r, annotation) if r.random() < 0.5 else r.choice((x.odd(r), x.column(r, n)))


def frame(r: Random, n: int) -> Any:
    if r.random() < 0.1:
        return x.odd(r)
    columns = {
        "y": x.column(r, n),
        "v": x.column(r, n, above=True),
        "x": x.column(r, n),
        "g": x.groups(r, n),
        "h": list(range(n)),
        "study": x.names(r, n),
    }
    try:
        made = pd.DataFrame(
            {k: (list(c) if isinstance(c, (list, tuple)) else [i % 3 for i in range(n)]) for k, c in columns.items()}
        )
    except Exception:
        return columns
    if r.random() < 0.1:
        made.columns = ["y", "v", "x", "x", "h", "study"]
    if r.random() < 0.1:
        made.index = [0] * len(made)
    return made


POOLS = (
    "random_effects",
    "common_effect",
    "effect_table",
    "study_intervals",
    "subgroups",
    "meta_regression",
    "location_scale",
    "multivariate",
    "che",
)
COUNTS = ("effect_size", "mantel_haenszel", "peto", "glmm", "beta_binomial")
BAYES = ("random_effects", "posterior", "meta_regression", "prior_sensitivity", "random_effects_many")
SIZES: dict[str, tuple[str, ...]] = {
    "MD": ("m1", "sd1", "n1", "m2", "sd2", "n2"),
    "SMD": ("m1", "sd1", "n1", "m2", "sd2", "n2"),
    "SMDH": ("m1", "sd1", "n1", "m2", "sd2", "n2"),
    "ROM": ("m1", "sd1", "n1", "m2", "sd2", "n2"),
    "CVR": ("m1", "sd1", "n1", "m2", "sd2", "n2"),
    "VR": ("sd1", "n1", "sd2", "n2"),
    "OR": _TWO,
    "RR": _TWO,
    "RD": _TWO,
    "AS": _TWO,
    "PETO": _TWO,
    "YUQ": _TWO,
    "PLO": ("events", "n"),
    "PFT": ("events", "n"),
    "PAS": ("events", "n"),
    "PR": ("events", "n"),
    "IRR": ("events1", "time1", "events2", "time2"),
    "IRD": ("events1", "time1", "events2", "time2"),
    "IRLN": ("events", "time"),
    "IRS": ("events", "time"),
    "IRFT": ("events", "time"),
    "ZCOR": ("r", "n"),
    "COR": ("r", "n"),
    "UCOR": ("r", "n"),
    "MN": ("mean", "sd", "n"),
    "MNLN": ("mean", "sd", "n"),
    "SDLN": ("sd", "n"),
    "CVLN": ("mean", "sd", "n"),
}


def estimate(r: Random) -> Call:
    """A pool, a regression, a table of effects."""
    n = r.choice((0, 1, 2, 3, 3, 4, 5, 6, 8, 12))
    name = r.choice(POOLS)
    function = getattr(vf, name)
    given = base_effects(r, n)
    if name == "subgroups":
        given["by"] = x.groups(r, n)
    if name in ("meta_regression", "location_scale", "multivariate"):
        given["data"] = {"x": x.column(r, n) if r.random() < 0.5 else list(range(n)), "g": x.groups(r, n), "h": list(range(n))}
        if r.random() < 0.8:
            given["formula"] = r.choice(("~ x", "~ 1", "~ g"))
    if name == "location_scale" and r.random() < 0.9:
        given["scale"] = r.choice(("~ x", "~ 1", "~ g"))
    if name == "multivariate" and r.random() < 0.9:
        given["random"] = r.choice(("1 | g", "1 | g/h", "1 | h", "g | h"))
    if name == "che":
        given |= {"cluster": x.groups(r, n), "rho": r.choice((0.6, 0.6, x.number(r)))}
    if name in ("study_intervals",):
        given = {k: given[k] for k in _EFFECTS}
    given = spoilt(r, function, given, n)
    return f"{name}({said(given)})", lambda: function(**given)


def count(r: Random) -> Call:
    n = r.choice((0, 1, 2, 3, 4, 6))
    name = r.choice(COUNTS) if r.random() < 0.5 else "effect_size"
    function = getattr(vf, name)
    if name == "effect_size":
        measure = r.choice(list(SIZES))
        given = {"measure": measure, **{c: column_of(r, c, n) for c in SIZES[measure]}}
    else:
        given = base_counts(r, n)
    given = spoilt(r, function, given, n, 0.35)
    return f"{name}({said(given)})", lambda: function(**given)


def column_of(r: Random, name: str, n: int) -> Any:
    if r.random() < 0.6:
        plain = {
            "m": lambda: r.gauss(5, 2),
            "sd": lambda: 0.5 + r.random(),
            "n": lambda: r.randint(10, 60),
            "e": lambda: r.randint(0, 10),
            "t": lambda: 10 + 50 * r.random(),
            "r": lambda: r.uniform(-1, 1),
        }
        return [plain["sd" if name.startswith("sd") else name[0]]() for _ in range(n)]
    return x.column(r, n, above=name[0] in "nste")


def bayes(r: Random) -> Call:
    n = r.choice((0, 1, 2, 3, 3, 4, 6, 8))
    name = r.choice(BAYES)
    function = getattr(vf.bayes, name)
    given = base_effects(r, n)
    if r.random() < 0.6:
        given = {"y": [r.gauss(0, 1) for _ in range(n)], "v": [0.01 + r.random() for _ in range(n)]}
    if (r.random() < 0.8 and name != "prior_sensitivity") or name == "posterior":
        given["tau"] = deferred(r, "tau")
    if r.random() < 0.5 and name not in ("meta_regression", "prior_sensitivity"):
        given["mu"] = deferred(r, "mu")
    if name == "prior_sensitivity":
        given |= {
            "tau_scales": r.choice(([0.1, 1], x.column(r, 2, above=True))),
            "mu_sds": r.choice(([1, 10], x.column(r, 2, above=True))),
        }
    if name == "meta_regression":
        given |= r.choice(
            (
                {"x": x.column(r, n)},
                {"x": np.ones((n, 2))},
                {"data": {"x": list(range(n))}, "formula": "~ x"},
                {"data": {"x": x.column(r, n)}, "formula": "~ x"},
            )
        )
    if name == "random_effects_many":
        given = {k: c for k, c in given.items() if k in ("tau", "mu")} | {"data": frame(r, 2 * n), "by": "g"}
    given = spoilt(r, function, given, n, 0.25)
    return f"bayes.{name}({said(given)})", lambda: function(**given)


def deferred(r: Random, of: str) -> Any:
    """A prior; where its own making is refused, the plain one (refusals are tried by `priors`)."""
    return made(lambda: x.prior(r, of), vf.priors.HalfNormal(1.0) if of == "tau" else vf.priors.Normal(0.0, 1.0))


def made(make: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return make()
    except Exception:
        return otherwise


def priors(r: Random) -> Call:
    state = r.getstate()

    def call() -> Any:
        again = Random()
        again.setstate(state)
        made = x.question(again) if again.random() < 0.3 else x.prior(again, again.choice(("tau", "mu")))
        return str(made) and None

    return "a prior or a question", call


def convert(r: Random) -> Call:
    n = r.choice((0, 1, 2, 3))
    name = r.choice(list(vf.convert.__all__))
    function = getattr(vf.convert, name)
    given: dict[str, Any] = {}
    for key, own in inspect.signature(function).parameters.items():
        kind = str(own.annotation)
        if own.default is inspect.Parameter.empty or r.random() < 0.3:
            if "ArrayLike" in kind:
                given[key] = r.choice(
                    (x.column(r, n), [r.random() for _ in range(n)], [r.randint(1, 50) for _ in range(n)], r.random())
                )
            else:
                given[key] = argument(r, key, kind, n)
    return f"convert.{name}({said(given)})", lambda: function(**given)


def many(r: Random) -> Call:
    n = r.choice((0, 1, 3, 6))
    data = frame(r, n)
    given = spoilt(r, vf.random_effects_many, {"data": data, "by": r.choice(("g", "study", "nothing", ["g", "h"]))}, n, 0.4)
    given.pop("backend", None), given.pop("jobs", None)
    return f"random_effects_many({said(given)})", lambda: vf.random_effects_many(**given)


def models(r: Random) -> Call:
    """The models of PyMC are described, not sampled."""
    n = r.choice((0, 1, 2, 3, 5))
    name = r.choice(
        ("binomial", "classes", "meta_regression", "missing_sd", "multilevel", "normal_normal", "poisson", "robust")
    )
    function = getattr(vf.bayes.models, name)
    own = inspect.signature(function).parameters
    given = base_counts(r, n) if name == "binomial" else base_effects(r, n)
    if name == "poisson":
        given = base_counts(r, n, ("events1", "time1", "events2", "time2"))
    if name == "missing_sd":
        given = {"data": frame(r, n), "reference": "a"}
    given = spoilt(r, function, {k: c for k, c in given.items() if k in own}, n)
    return f"models.{name}({said(given)})", lambda: function(**given) and None


def said(given: dict[str, Any]) -> str:
    return ", ".join(f"{k}={_short(v)}" for k, v in given.items())


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}, {type(error).__name__}>"
    return text.replace("\n", " ")[:160]


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = (
    (estimate, 0.14),
    (count, 0.08),
    (bayes, 0.07),
    (priors, 0.02),
    (convert, 0.04),
    (many, 0.02),
    (models, 0.03),
)
