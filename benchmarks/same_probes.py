"""What ``benchmarks/same.py`` runs inside one checkout: reference cases, or probes of the verbs they leave out.

``python same_probes.py PART OUT.json [case files]`` with that checkout as working folder; PART is cases, probes, models or
draws. A probe is written once, with the names of the new house; `House` finds the verb and spells its arguments as the checkout has them.
A scaffold: it goes when the rebuilt house stands.
"""

# ruff: noqa: E501

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# names of one argument, new first; a verb gets the first that it takes
ARGUMENTS = [
    ("method", "tau2"), ("test", "interval"), ("study", "labels"), ("heterogeneity", "effects"), ("scale_formula", "scale"),
    ("terms", "names"), ("draws", "arrangements"), ("points", "scale"), ("credible", "interval"),
]  # fmt: skip
# where else a verb may live: packages of the new house, methods of the answer (first argument)
HOMES = ("", "bayes.", "bayes.models.", "appraisal.", "measures.", "effects.", "core.measures.")
ALSO_CALLED = {"bayes.leave_one_out": ("leave_one_out",), "component_intervals": ("component_interval", "intervals")}
CALLED = {"to_frame", "information", "predict", "vif", "tau2_interval", "heterogeneity_interval"}  # methods read as attributes
SKIPPED = {"arviz", "question", "call", "make", "blocks"}


# ---- any answer as named columns of numbers ------------------------------------------------------------------------------
def flatten(value: Any, at: str = "", depth: int = 0) -> dict[str, list[float | None]]:
    """Path -> numbers. Rows of records become columns; texts are left out."""
    out: dict[str, list[float | None]] = {}
    if depth > 6 or isinstance(value, (str, bytes, type)):
        return out
    if value is None:
        return {at: [None]}
    if isinstance(value, (bool, int, float, np.generic)):
        return {at: [_number(value)]} if _is_number(value) else out
    if isinstance(value, pd.DataFrame):
        for name in value.columns:
            out |= flatten(value[name].tolist(), _join(at, name), depth + 1)
        return out
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.dtype != object else list(value.ravel())
    elif isinstance(value, (pd.Series, pd.Index)):
        value = value.tolist()
    if isinstance(value, Mapping):
        for name, part in value.items():
            out |= flatten(part, _join(at, name), depth + 1)
        return out
    if isinstance(value, (list, tuple)):
        if all(x is None or _is_number(x) for x in value):
            return {at: [_number(x) for x in value]} if len(value) else out
        rows = [flatten(x, "", depth + 1) for x in value]
        for name in dict.fromkeys(n for row in rows for n in row):
            # rows that do not have it leave a gap
            out[_join(at, name)] = [x for row in rows for x in row.get(name, [None])]
        return out
    if type(value).__module__.split(".")[0] != "vfmeta":
        return out
    for name in dir(value):
        if name.startswith("_") or name in SKIPPED:
            continue
        try:
            part = getattr(value, name)
            if inspect.ismethod(part) and name in CALLED:
                part = part()
        except Exception:
            continue
        if not callable(part):
            out |= flatten(part, _join(at, name), depth + 1)
    return out


def _join(at: str, name: Any) -> str:
    name = str(name)
    return f"{at}.{name}" if at and name else at or name


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, np.number, np.bool_)) or x is pd.NA or x is pd.NaT


def _number(x: Any) -> float | None:
    return None if x is None or x is pd.NA or x is pd.NaT or x != x else float(x)


# ---- one checkout --------------------------------------------------------------------------------------------------------
class House:
    """Calls verbs by their new names, and keeps every answer flattened."""

    def __init__(self) -> None:
        self.vf = importlib.import_module("vfmeta")
        self.answers: dict[str, dict[str, Any]] = {}

    def find(self, verb: str, first: Any = None) -> Callable[..., Any]:
        for name in (verb, *ALSO_CALLED.get(verb, ())):
            for home in HOMES:
                found: Any = self.vf
                try:
                    for part in f"{home}{name}".split("."):
                        found = getattr(found, part)
                except AttributeError:
                    continue
                if not inspect.ismodule(found):
                    return found  # type: ignore[no-any-return]
            own = getattr(first, name.rsplit(".", 1)[-1], None)
            if callable(own):
                return lambda _, *more, **kw: own(*more, **spelled(own, kw))
            if own is not None:
                return lambda _: own
        raise LookupError(f"no {verb}")

    def call(self, verb: str, *args: Any, **kw: Any) -> Any:
        found = self.find(verb, args[0] if args else None)
        return found(*args, **spelled(found, kw))

    def ask(self, name: str, verb: str, *args: Any, kind: str = "iterated", **kw: Any) -> Any:
        """The answer, kept under verb and name; None where it failed, and then the error is what is compared."""
        if any(a is None for a in args):  # what it reads has failed
            return None
        return self.keep(verb, name, lambda: self.call(verb, *args, **kw), kind)

    def keep(self, verb: str, name: str, make: Callable[[], Any], kind: str = "iterated") -> Any:
        try:
            answer = make()
        except Exception as error:
            self.answers[f"{verb}: {name}"] = {"kind": kind, "error": type(error).__name__, "said": str(error)[:300]}
            return None
        self.answers[f"{verb}: {name}"] = {"kind": kind, "values": flatten(answer)}
        return answer

    def prior(self, name: str, *args: Any, **kw: Any) -> Any:
        return getattr(self.vf.priors, name)(*args, **kw)

    def after(self, name: str, verb: str, data: dict[str, Any], priors: dict[str, Any], **kw: Any) -> Any:
        """What looks at a posterior: it takes the posterior in the new house, data and priors in the old one."""

        def make() -> Any:
            if "tau" in inspect.signature(self.find(verb)).parameters:
                return self.call(verb, **data, **priors, **kw)
            return self.call(verb, self.call("bayes.random_effects", **data, **priors), **kw)

        return self.keep(verb, name, make)


def spelled(function: Any, kw: dict[str, Any]) -> dict[str, Any]:
    """Arguments under the names that the function takes."""
    try:
        takes = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return kw
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()) and not any(n in takes for a in kw for n in _names(a)):
        return kw
    return {next((n for n in _names(a) if n in takes), a): x for a, x in kw.items()}


def _names(argument: str) -> list[str]:
    return [argument, *(n for group in ARGUMENTS if group[0] == argument for n in group[1:])]


# ---- data ----------------------------------------------------------------------------------------------------------------
RNG = np.random.default_rng(8)
Y = np.array([-0.9, -1.6, -0.2, 0.3, -1.1, -0.6, 0.1, -0.8])
V = np.array([0.3, 0.2, 0.05, 0.09, 0.4, 0.02, 0.11, 0.07])
NAMES = [f"Trial {c}" for c in "ABCDEFGH"]
SETS: dict[str, dict[str, Any]] = {
    "eight": {"y": Y, "v": V, "study": NAMES},
    "alike": {"y": [0.51, 0.49, 0.5, 0.52, 0.5], "v": [0.04, 0.09, 0.05, 0.1, 0.07]},
    "two": {"y": [0.1, 1.4], "v": [0.05, 0.2]},
    "large": {"y": RNG.normal(300, 90, 40), "v": RNG.uniform(400, 9000, 40)},
    "tiny": {"y": RNG.normal(3e-4, 2e-4, 12), "v": RNG.uniform(1e-9, 6e-8, 12)},
}
TABLE = pd.DataFrame({
    "trial": [f"T{i}" for i in range(14)], "v": RNG.uniform(0.02, 0.3, 14), "dose": RNG.normal(20, 6, 14), "arm": list("abc" * 5)[:14],
})  # fmt: skip
TABLE["y"] = 0.3 + 0.02 * TABLE["dose"] + RNG.normal(0, np.sqrt(TABLE["v"] + 0.1))
SPREAD = pd.DataFrame({"x": np.tile([0.0, 1.0], 20), "arm": ["a", "b"] * 20, "v": RNG.uniform(0.02, 0.1, 40)})
SPREAD["y"] = RNG.normal(0.2, np.sqrt(SPREAD["v"] + 0.05 * np.exp(1.5 * SPREAD["x"])))
NESTED = pd.DataFrame({
    "trial": np.repeat(list("abcdefgh"), 3), "effect": range(24), "outcome": ["pain", "function", "quality"] * 8,
    "x": RNG.normal(size=24), "v": RNG.uniform(0.02, 0.2, 24), "week": [4.0, 12.0, 52.0] * 8,
})  # fmt: skip
NESTED["y"] = np.repeat(RNG.normal(0.4, 0.4, 8), 3) + RNG.normal(0, np.sqrt(NESTED["v"] + 0.05))
COUNTS = pd.DataFrame({
    "trial": list("ABCDEFG"), "e1": [4, 6, 3, 62, 33, 0, 8], "n1": [123, 306, 231, 1361, 508, 50, 40], "e2": [11, 29, 11, 148, 47, 3, 9],
    "n2": [139, 303, 220, 1288, 500, 48, 41], "t1": [120.5, 300.1, 225.0, 1300.0, 500.5, 49.0, 38.0],
    "t2": [130.5, 299.1, 210.0, 1250.0, 490.5, 47.0, 40.5], "x": [1.0, 2.5, 0.3, 4.0, 2.2, 1.1, 3.0],
})  # fmt: skip
TWO = {"events1": "e1", "n1": "n1", "events2": "e2", "n2": "n2"}
RATES = {"events1": "e1", "time1": "t1", "events2": "e2", "time2": "t2"}
COLUMNS = pd.DataFrame({
    "mean1": [4.2, 4.0, 5.5, 4.8], "sd1": [2.3, 2.6, 2.2, 2.2], "n1": [42, 58, 25, 72], "mean2": [5.0, 5.5, 6.0, 5.2], "sd2": [2.1, 2.5, 1.9, 2.4],
    "n2": [40, 60, 25, 70], "events1": [4, 12, 5, 20], "events2": [9, 17, 0, 30], "time1": [40.5, 55.0, 24.0, 70.0], "time2": [39.0, 59.5, 25.5, 66.0],
    "d": [0.2, -0.4, 0.9, 0.0], "t": [1.2, -2.0, 0.4, 3.1], "p": [0.2, -0.04, 0.5, 0.01], "r": [0.5, -0.2, 0.7, 0.1], "n": [40, 60, 25, 70],
    "events": [4, 12, 5, 20], "time": [40.5, 55.0, 24.0, 70.0], "mean": [5.0, 5.5, 6.0, 5.2], "sd": [2.1, 2.5, 1.9, 2.4],
    "mean_post": [4.2, 4.0, 5.5, 4.8], "sd_post": [2.3, 2.6, 2.2, 2.2], "mean_pre": [5.0, 5.5, 6.0, 5.2], "sd_pre": [2.1, 2.5, 1.9, 2.4],
    "mean_change": [-0.8, -1.5, -0.5, -0.4], "sd_change": [2.0, 2.4, 1.5, 2.1],
})  # fmt: skip
MEASURES = {
    "mean1 sd1 n1 mean2 sd2 n2": "MD SMD SMDH SMD1H ROM CVR CLES AUC D2OR D2ORN", "mean1 n1 mean2 sd2 n2": "SMD1", "sd1 n1 sd2 n2": "VR",
    "d n1 n2": "SMD", "t n1 n2": "SMD", "p n1 n2": "SMD", "events1 n1 events2 n2": "RR OR RD AS PETO PHI OR2D OR2DN",
    "events1 time1 events2 time2": "IRR IRD IRSD", "r n": "COR UCOR ZCOR", "events n": "PR PLN PLO PAS PFT", "events time": "IR IRLN IRS IRFT",
    "mean sd n": "MN SMN MNLN CVLN", "sd n": "SDLN", "mean_post sd_post mean_pre sd_pre n r": "MC SMCC SMCRH SMCRP SMCRPH ROMC CVRC",
    "mean_post mean_pre sd_pre n r": "SMCR", "sd_post sd_pre n r": "VRC", "mean_change sd_change n": "MC SMCC", "t n": "SMCC",
}  # fmt: skip
VTYPES = {
    "MD": "HO", "SMD": "LS2 UB H0 AV", "SMDH": "LS2", "SMD1": "LS2", "ROM": "HO AV AVHO", "CVR": "LS2", "RR": "AV", "OR": "AV", "RD": "AV",
    "PHI": "ST LS", "COR": "AV H0", "UCOR": "UB AV", "PR": "UB AV", "PLN": "AV", "PLO": "AV", "MN": "HO",
}  # fmt: skip


def effect_sizes(h: House) -> None:
    r"""``vf.effect_size`` for every measure and layout, correction, variance type and zero rule."""
    for layout, measures in MEASURES.items():
        given = {name: name for name in layout.split()}
        for m in measures.split():
            for label, more in {
                "": {}, "uncorrected": {"correct": False}, "all": {"to": "all", "add": 0.25},
                "none": {"zero": "none", "missing": "drop"}, "keep00": {"drop00": False},
                **{t: {"vtype": t} for t in VTYPES.get(m, "").split()},
            }.items():  # fmt: skip
                if ("to" not in more and "zero" not in more and "drop00" not in more) or "events" in layout:
                    h.ask(f"{m} {layout} {label}", "effect_size", m, data=COLUMNS, kind="closed", **given, **more)


def pools(h: House) -> None:
    for name, d in SETS.items():
        h.ask(name, "study_intervals", kind="closed", y=d["y"], v=d["v"])
        for test in ("Wald", "t"):
            h.ask(f"{name} {test}", "common_effect", kind="closed", test=test, **d)
        for method in ("DL", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM", "DLIT", "SJIT", "GENQ", "GENQM"):
            weights = {"weights": np.arange(1.0, len(d["y"]) + 1)} if method.startswith("GENQ") else {}
            h.ask(f"{name} {method}", "random_effects", method=method, **weights, **d)
        for test in ("Wald", "t", "HKSJ", "HKSJ-adhoc"):
            h.ask(f"{name} REML {test}", "random_effects", test=test, level=0.9, **d)
        for prediction in ("HTS", "Partlett-Riley", "fitted", "bootstrap"):
            h.ask(f"{name} prediction {prediction}", "random_effects", prediction=prediction, draws=2000, **d)
        for kind in ("Q-profile", "profile-likelihood", "generalised-Q"):
            h.ask(f"{name} tau2 interval {kind}", "random_effects", tau2_interval=kind, **d)
        h.keep("random_effects", f"{name} tau2 held", lambda d=d: held_tau2(h, d))
        fit = h.ask(f"{name} plain", "random_effects", **d)
        for verb in ("influence", "residuals", "blups", "leave_one_out", "cumulative", "baujat", "profile_likelihood"):
            h.ask(name, verb, fit)
        if len(d["y"]) < 9:
            h.ask(name, "all_subsets", fit)
            h.ask(name, "permutation_test", fit)
        h.ask(f"{name} drawn", "permutation_test", fit, draws=60, exact=False)
        for kind in ("parametric", "studies"):
            h.ask(f"{name} {kind}", "bootstrap", fit, kind=kind, draws=100)
        h.ask(
            f"{name} ML to common", "likelihood_ratio", h.call("random_effects", method="ML", **d), h.call("common_effect", **d)
        )
        h.ask(f"{name} robust pool", "robust", fit, [i // 2 for i in range(len(d["y"]))])
    h.ask("weights", "random_effects", weights=[1, 2, 3, 4, 4, 3, 2, 1], **SETS["eight"])
    h.ask("weights", "common_effect", weights="equal", **SETS["eight"])
    h.ask("missing", "random_effects", y=[0.1, None, 0.7, 0.4], v=[0.1, 0.1, 0.2, 0.3], missing="drop")
    fit = h.call("random_effects", **SETS["large"])
    h.ask("by draws", "all_subsets", fit, draws=200)
    h.ask("reversed", "cumulative", h.call("random_effects", **SETS["eight"]), NAMES[::-1])
    h.ask("at", "profile_likelihood", h.call("random_effects", **SETS["eight"]), tau2=[0.0, 0.1, 0.3, 1.0])


def held_tau2(h: House, d: dict[str, Any]) -> Any:
    """A tau2 that is given goes by ``tau2=`` in both houses."""
    return h.find("random_effects")(tau2=0.25, **spelled(h.find("random_effects"), {"test": "Wald", **d}))


def many(h: House) -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 15, 60)
    frame = pd.DataFrame({"question": np.repeat(np.arange(60), sizes), "v": rng.uniform(0.01, 0.4, sizes.sum())})
    frame["y"] = rng.normal(0.2, np.sqrt(frame["v"] + 0.05))
    for method in ("REML", "DL", "PM", "ML", "EB", "SJ", "HE", "HS"):
        h.ask(method, "random_effects_many", frame, method=method, tau2_limits=True)
    for test in ("Wald", "t", "HKSJ-adhoc"):
        h.ask(test, "random_effects_many", frame, test=test)
    h.ask("two jobs", "random_effects_many", frame, jobs=2)
    priors = {"tau": h.prior("HalfNormal", 0.5), "mu": h.prior("Normal", 0.0, 2.0)}
    h.ask("half-normal", "bayes.random_effects_many", frame, by="question", **priors)
    h.ask("studies", "bayes.random_effects_many", frame, by="question", studies=True, **priors)
    h.ask("shortest", "bayes.random_effects_many", frame, by="question", credible="shortest", **priors)


def regressions(h: House) -> None:
    given = {"data": TABLE, "y": "y", "v": "v"}
    for method in ("REML", "ML", "DL", "PM", "EB", "SJ", "HE", "HS"):
        h.ask(f"dose {method}", "meta_regression", formula="~ dose", method=method, **given)
    for test in ("Wald", "t", "HKSJ", "HKSJ-adhoc"):
        h.ask(f"dose + arm {test}", "meta_regression", formula="~ dose + arm", test=test, **given)
    h.ask(
        "matrix",
        "meta_regression",
        y=TABLE["y"],
        v=TABLE["v"],
        x=np.column_stack([np.ones(14), TABLE["dose"]]),
        terms=["one", "dose"],
    )
    h.ask("no intercept", "meta_regression", formula="~ 0 + arm", **given)
    small, big = (h.ask(f, "meta_regression", formula=f, method="ML", **given) for f in ("~ dose", "~ dose + arm"))
    h.ask("ML", "likelihood_ratio", big, small)
    fit = h.ask("again", "meta_regression", formula="~ dose + arm", **given)
    for verb in ("influence", "residuals", "blups", "baujat", "leave_one_out", "profile_likelihood"):
        h.ask("dose + arm", verb, fit)
    if fit is not None:
        new = TABLE.head(3)
        h.keep("predict", "regression", lambda: fit.predict(new))
        h.keep("contrast", "regression", lambda: fit.contrast([[0, 1, 0, 0], [0, 0, 1, -1]]))
        h.keep("vif", "regression", fit.vif)
        for kind in ("ML", "REML"):
            h.keep("information", f"regression {kind}", lambda k=kind: fit.information(k))
    h.ask("drawn", "permutation_test", fit, draws=60, exact=False)
    h.ask("parametric", "bootstrap", fit, draws=100)
    h.ask("regression", "robust", fit, list("aabbccddeeffgg"))
    for kind in ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"):
        h.ask(f"regression {kind}", "robust", fit, list("aabbccddeeffgg"), kind=kind)
    for common in (False, True):
        h.ask(f"arm {common}", "subgroups", by="arm", common_tau2=common, **given)
    h.ask("arm DL Wald", "subgroups", by="arm", method="DL", test="Wald", **given)
    wide = {"data": SPREAD, "y": "y", "v": "v"}
    for method in ("REML", "ML"):
        h.ask(f"x {method}", "location_scale", formula="~ x", scale_formula="~ x", method=method, **wide)
        h.ask(f"groups {method}", "location_scale", formula="~ 1", scale_formula="~ 0 + arm", method=method, **wide)
    ls = h.ask("t", "location_scale", formula="~ 1", scale_formula="~ x", test="t", **wide)
    pool = h.call("random_effects", y=SPREAD["y"], v=SPREAD["v"])
    h.ask("location-scale", "likelihood_ratio", ls, pool)


def dependent(h: House) -> None:
    given = {"y": NESTED["y"], "v": NESTED["v"], "data": NESTED}
    fit = h.ask("three levels", "multivariate", random="1 | trial/effect", **given)
    for method in ("REML", "ML"):
        for structure in ("CS", "HCS", "UN", "DIAG", "ID"):
            h.ask(
                f"{structure} {method}", "multivariate", random="outcome | trial", structure=structure, method=method, **given
            )
        for structure in ("AR", "HAR", "CAR"):
            h.ask(f"{structure} {method}", "multivariate", random="week | trial", structure=structure, method=method, **given)
    h.ask(
        "moderators t", "multivariate", random="1 | trial/effect", formula="~ x + outcome", test="t", df="containment", **given
    )
    h.ask("two", "multivariate", random=["1 | trial", "outcome | effect"], structure="DIAG", **given)
    for verb in ("influence", "residuals", "blups", "leave_one_out", "component_intervals", "profile_likelihood"):
        h.ask("three levels", verb, fit)
    h.ask("three levels by trial", "leave_one_out", fit, cluster="trial")
    h.ask("three levels by trial", "influence", fit, cluster="trial")
    h.ask("three levels by trial, held", "residuals", fit, cluster="trial", reestimate=False)
    h.ask("three levels", "bootstrap", fit, draws=100)
    if fit is not None:
        h.keep("random_effects of a fit", "three levels", fit.random_effects)
    for kind in ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"):
        found = h.ask(f"three levels {kind}", "robust", fit, "trial", kind=kind)
        if found is not None:
            h.keep("wald", kind, lambda f=found: f.wald())
    for rho in (0.3, 0.6):
        h.ask(f"rho {rho}", "che", cluster="trial", rho=rho, **given)
        h.ask(f"rho {rho} x", "che", cluster="trial", rho=rho, formula="~ x", **given)
    cov = {"v": NESTED["v"], "cluster": NESTED["trial"], "kind": "closed"}
    h.ask("constant", "sampling_covariance", rho=0.6, **cov)
    h.ask("outcomes", "sampling_covariance", outcome=NESTED["outcome"], rho=0.5, **cov)
    h.ask("times", "sampling_covariance", time=NESTED["week"], phi=0.9, **cov)
    arms = {"experimental": ["a", "b"], "control": ["c", "c"], "n_experimental": [30, 40], "n_control": [50, 50]}
    h.ask("arms", "sampling_covariance", v=[0.1, 0.2], cluster=["t", "t"], kind="closed", **arms)
    V = h.call("sampling_covariance", v=NESTED["v"], cluster=NESTED["trial"], rho=0.4)
    h.ask("V", "multivariate", y=NESTED["y"], V=V, data=NESTED, random="1 | trial/effect")


def counts(h: House) -> None:
    two, rates = {"data": COUNTS, "study": "trial", **TWO}, {"data": COUNTS, "study": "trial", **RATES}
    one = {"data": COUNTS, "study": "trial", "events": "e1", "n": "n1"}
    for m in ("OR", "RR", "RD"):
        h.ask(m, "mantel_haenszel", m, kind="closed", **two)
        h.ask(f"{m} none", "mantel_haenszel", m, kind="closed", to="none", correct=False, **two)
        h.ask(m, "beta_binomial", m, **two)
    for m in ("IRR", "IRD"):
        h.ask(m, "mantel_haenszel", m, kind="closed", **rates)
    h.ask("OR", "peto", kind="closed", **two)
    for model in ("UM.FS", "UM.RS", "CM.AL", "CM.EL"):
        for heterogeneity in ("random", "common"):
            h.ask(f"OR {model} {heterogeneity}", "glmm", "OR", model=model, heterogeneity=heterogeneity, **two)
    for model in ("UM.FS", "UM.RS", "CM.EL"):
        h.ask(f"IRR {model}", "glmm", "IRR", model=model, **rates)
    h.ask("PLO", "glmm", "PLO", **one)
    h.ask("PLO t", "glmm", "PLO", test="t", **one)
    h.ask("IRLN", "glmm", "IRLN", data=COUNTS, events="e1", time="t1", study="trial")
    h.ask("OR x", "glmm", "OR", model="UM.FS", formula="~ x", **two)
    h.ask("PLO x", "glmm", "PLO", formula="~ x", **one)
    h.ask("PLO", "beta_binomial", "PLO", **one)
    table = h.ask("OR of table", "effect_size", "OR", kind="closed", **two)
    for verb in ("random_effects", "common_effect", "study_intervals"):
        h.ask("OR of table", verb, table)
    h.ask("OR of table", "mantel_haenszel", "OR", data=table)
    fit = h.call("mantel_haenszel", "OR", **two)
    for verb in ("leave_one_out", "influence", "cumulative"):
        h.ask("Mantel-Haenszel", verb, fit)


def convert(h: House) -> None:
    x, p, n = np.array([-1.1, -0.2, 0.4, 1.7]), np.array([0.1, 0.25, 0.6, 0.9]), np.array([20, 35, 50, 80])
    v, n2 = np.array([0.1, 0.05, 0.2, 0.02]), np.array([22, 30, 51, 70])

    def ask(name: str, *args: Any, label: str = "", kind: str = "closed", **kw: Any) -> None:
        h.ask(label or "plain", f"convert.{name}", *args, kind=kind, **kw)

    for name in ("arcsine", "logit"):
        ask(name, p)
    for name in ("expit", "inverse_arcsine", "z_to_r"):
        ask(name, np.abs(x) / 2 if name == "inverse_arcsine" else x)
    ask("r_to_z", p)
    ask("double_arcsine", p, n)
    ask("inverse_double_arcsine", p + 0.2, n)
    for m in ("OR", "RR", "ZCOR", "PLO", "PAS", "IRS", "MD", "IRLN", "PLN", "HR"):
        ask("back_transform", m, np.abs(x) / 3, label=m)
        ask("mean_back_transform", m, np.abs(x) / 3, v, label=m)
    ask("back_transform", "PFT", p + 0.2, n, label="PFT")
    for rho in (0.0, 0.5):
        for weighted in (True, False):
            ask("combine_effects", x, v, list("aabb"), rho=rho, weighted=weighted, label=f"{rho} {weighted}")
    ask("combine_events", [1, 2, 3], [10, 20, 30])
    ask("combine_groups", [10, 20, 30], [1.0, 2.0, 4.0], [1.0, 1.5, 2.0])
    ask("correlation_of_change", [2.0, 3.0], [2.1, 2.5], [1.5, 2.2])
    ask("d_from_f", np.abs(x), n, n2, [1, -1, 1, 1])
    ask("d_from_p", p, n, n2, [1, -1, 1, 1])
    ask("d_from_t", x, n, n2)
    for distribution in ("logistic", "normal"):
        ask("d_to_log_odds_ratio", x, v, distribution=distribution, label=distribution)
        ask("log_odds_ratio_to_d", x, v, distribution=distribution, label=distribution)
    for index in ("U1", "U2", "U3", "superiority", "cliff", "BESD"):
        ask("d_to_overlap", x, index=index, label=index)
    ask("d_to_r", x, n, n2, v)
    ask("r_to_d", p, v)
    ask("r_from_t", x, n)
    ask("log_odds_ratio_to_log_risk_ratio", x, p, v)
    ask("log_risk_ratio_to_log_odds_ratio", x, p / 6, v)
    for method in ("pearson", "digby"):
        ask("log_odds_ratio_to_tetrachoric", x, method=method, label=method)
    for m in ("OR", "RR", "HR", "RD"):
        ask("risk_from_ratio", x / 9, p / 2, measure=m, label=m)
    five = {"n": n, "median": np.array([5.0, 6.0, 4.0, 7.0])}
    quartiles = {"q1": np.array([4.0, 4.5, 2.0, 5.5]), "q3": np.array([6.5, 7.0, 5.0, 9.0])}
    ends = {"minimum": np.array([1.0, 2.0, 0.5, 1.0]), "maximum": np.array([9.0, 10.0, 9.5, 12.0])}
    for label, given in {"quartiles": quartiles, "range": ends, "five": quartiles | ends}.items():
        for method in ("luo/wan/shi", "qe", "bc", "mln"):
            more = {"skew_test": False, "failed": "nan", "method": method}
            ask("mean_sd_from_quantiles", kind="iterated", label=f"{label} {method}", **five, **given, **more)
        ask("mean_sd_from_quantiles", label=f"{label} lognormal", distribution="lognormal", skew_test=False, **five, **given)
    ask("two_by_two", [100, 120], [50, 60], [30, 40], odds_ratio=[2.0, 0.7], label="OR")
    ask("two_by_two", [100, 120], [50, 60], [30, 40], phi=[0.2, -0.1], label="phi")
    ask("two_by_two", [100, 120], [50, 60], [30, 40], chi2=[2.0, 0.7], label="chi2")
    ask("wald", x, low=x - 0.4, high=x + 0.4, label="interval")
    ask("wald", np.exp(x), low=np.exp(x - 0.4), high=np.exp(x + 0.4), log=True, level=0.9, label="ratio")
    ask("wald", x, p=p / 10, label="p")
    ask("wald", x, p=p / 10, df=n, label="p t")


def exact(h: House) -> None:
    """The exact posterior under every family of priors, and what looks at it."""
    taus = {
        "HalfNormal": (0.5,), "HalfCauchy": (0.5,), "HalfT": (4.0, 0.5), "Exponential": (0.7,), "Uniform": (3.0,), "InverseGamma": (2.0, 0.3),
        "LogNormal": (-1.5, 1.0), "LogT": (-1.5, 1.0), "DuMouchel": (), "Shrinkage": (), "Conventional": (), "Jeffreys": (),
    }  # fmt: skip
    mus = {"Flat": (), "Normal": (0.0, 2.0), "StudentT": (4.0, 0.0, 1.0), "Mixture": ((0.7, 0.3), (0.0, 0.5), (1.0, 0.3))}
    at = np.linspace(0.02, 2.5, 9)
    for name, args in taus.items():
        tau = h.prior(name, *args)
        h.keep(f"priors.{name}", "log density", lambda t=tau: t.log_density(at, V))
        h.keep(f"priors.{name}", "quantile", lambda t=tau: t.quantile([0.1, 0.5, 0.9], V))
        for data in ("eight", "alike", "two", "large", "tiny") if name in ("HalfNormal", "Jeffreys") else ("eight",):
            h.ask(f"{data} {name}", "bayes.random_effects", tau=tau, mu=h.prior("Normal", 0.0, 2.0), **SETS[data])
    tau = h.prior("HalfNormal", 0.5)
    for name, args in mus.items():
        mu = h.prior(name, *args)
        h.ask(f"mu {name}", "bayes.random_effects", tau=tau, mu=mu, **SETS["eight"])
        post = h.ask(f"mu {name}", "bayes.posterior", Y, V, tau=tau, mu=mu)
        if post is None:
            continue
        for part in ("mu", "tau", "next_trial"):
            m = getattr(post, part)
            h.keep(
                "posterior marginals", f"{name} {part}", lambda m=m: [m.density(at), m.cdf(at), m.quantile([0.025, 0.5, 0.9])]
            )
            h.keep("posterior marginals", f"{name} {part} shortest", lambda m=m: m.interval(0.9, "shortest"))
        h.keep("bayes.posterior joint density", name, lambda q=post: q.joint_density(at - 1, at))
        h.keep("bayes.posterior draws", name, lambda q=post: q.draws(200, 3))
    h.ask("shortest", "bayes.random_effects", tau=tau, credible="shortest", level=0.9, **SETS["eight"])
    q = h.find("Question")
    pain = q(
        measure="MD", outcome="pain", higher_is_worse=True, mid=1.5, mid_source="a paper", **spelled(q, {"points": (0, 10)})
    )
    h.ask("default priors and chances", "bayes.random_effects", question=pain, **SETS["eight"])
    h.keep("priors.default_tau", "pain", lambda: h.vf.priors.default_tau(pain))
    h.keep("priors.default_mu", "pain", lambda: h.vf.priors.default_mu(pain))
    h.keep("priors.tau_below", "1", lambda: h.vf.priors.tau_below(1.0, 0.9))
    h.keep("priors.trials_within", "1", lambda: h.vf.priors.trials_within(1.0, 0.9))
    h.keep("priors.mu_within", "1", lambda: [h.vf.priors.mu_within(1.0), h.vf.priors.mu_within(1.0, 0.8, df=4.0)])
    h.keep("priors.turner2015", "all", lambda: h.vf.priors.turner2015())
    h.keep("priors.rhodes2015", "all", lambda: h.vf.priors.rhodes2015())
    data, priors = SETS["eight"], {"tau": tau, "mu": h.prior("Normal", 0.0, 2.0)}
    plain = {"y": data["y"], "v": data["v"]}
    h.after("eight", "bayes.leave_one_out", data, priors)
    h.after("eight", "bayes.predictive_check", data, priors, draws=500)
    h.after("eight", "bayes.power_scaling", plain, priors)
    h.after("eight", "bayes.model_average", plain, priors)
    h.ask("grid", "bayes.prior_sensitivity", tau_scales=[0.3, 0.6, 1.2], mu_sds=[1.0, 3.0], **plain)
    post = h.call("bayes.posterior", Y, V, **priors)
    h.ask("three", "bayes.map_prior", post)
    h.ask("two", "bayes.map_prior", post, components=2)
    mixture = h.prior("Mixture", (0.7, 0.3), (0.0, 0.5), (1.0, 0.3))
    for method in ("ELIR", "variance"):
        h.ask(method, "bayes.effective_sample_size", mixture, 2.0, method)
    h.keep("priors.Mixture.robust", "0.2", lambda: mixture.robust(0.2, 2.0))
    x = pd.DataFrame({"dose": np.linspace(-1, 1, 8)})
    old = "covariates" in inspect.signature(h.find("bayes.meta_regression")).parameters
    given: dict[str, Any] = (
        {"covariates": x, **plain} if old else {"formula": "~ dose", "data": x.assign(**plain), "y": "y", "v": "v"}
    )
    found = h.ask("dose", "bayes.meta_regression", tau=tau, beta=h.prior("Normal", 0.0, 3.0), **given)
    if found is not None:
        h.keep("bayes.meta_regression", "predict", lambda: _predicted(found))
        h.keep("bayes.meta_regression", "draws", lambda: found.draws(100))
    h.ask("four studies", "bayes.calibrate", 4, tau, h.prior("Normal", 0.0, 1.0), runs=50)


def _predicted(found: Any) -> list[float]:
    """Limits of the mean effect and of a further trial at a dose, from marginals or from the tidy table."""
    if hasattr(found, "terms"):
        return found.predict({"dose": [0.3]})[["ci_low", "ci_high", "prediction_low", "prediction_high"]].iloc[0].tolist()
    return [limit for part in found.predict({"dose": 0.3}) for limit in part.interval(0.95)]


def tables(h: House) -> None:
    """``vf.compare`` on the packaged trials, at one time and at several."""
    trials = h.call("load_trials", "data/trials")
    h.keep("validate", "packaged", lambda: len(h.call("validate", "data/trials")), "closed")
    pair = ("vertebroplasty", "sham_vertebroplasty")
    for correlation in (None, 0.6):
        given = {
            "outcome": "pain_overall",
            "week": 52,
            "window": (40, 60),
            "measure": "MD",
            "correlation": correlation,
            "points": (0, 10),
        }
        table = h.keep("compare", f"MD {correlation}", lambda g=given: compare(h, trials, pair, g), "closed")
        h.ask(f"compared MD {correlation}", "random_effects", table)
    weeks = {13: (8, 20), 52: (40, 60), 104: (90, 120)}
    given = {"outcome": "pain_overall", "weeks": weeks, "measure": "MD", "correlation": 0.6, "points": (0, 10)}
    table = h.keep("compare", "several times", lambda: compare(h, trials, pair, given), "closed")
    h.ask("compared, several times", "che", table, cluster="cohort_id", rho=0.6)
    for verb in ("mantel_haenszel", "peto"):
        given = {"outcome": "back_pain_ae", "measure": "OR"}
        table = h.keep("compare", f"OR for {verb}", lambda g=given: compare(h, trials, ("denosumab", "placebo"), g), "closed")
        if table is not None:
            h.ask("compared", verb, data=table)


def compare(h: House, trials: Any, pair: tuple[str, str], given: dict[str, Any]) -> Any:
    verb = h.find("compare")
    takes = inspect.signature(verb).parameters
    if "points" not in takes and any(p.kind is p.VAR_KEYWORD for p in takes.values()):  # options are checked further inside
        try:
            return verb(trials, *pair, **given)
        except Exception:
            given = {("scale" if k == "points" else k): x for k, x in given.items()}
    return verb(trials, *pair, **spelled(verb, given))


def models(h: House) -> None:
    """Models for PyMC: their data, and the log density at three points."""
    for name, verb, model in every_model(h):
        h.keep(f"bayes.models.{verb} log density", name, lambda m=model: log_density(m))


def every_model(h: House) -> Iterable[tuple[str, str, Any]]:
    tau, mu = h.prior("HalfNormal", 0.5), h.prior("Normal", 0.0, 2.0)
    priors = {"tau": tau, "mu": mu}
    data = {"y": Y, "v": V}
    long = pd.DataFrame({
        "trial": list("AAABB"), "drug": ["placebo", "low", "high", "placebo", "low"], "sick": [12, 7, 5, 9, 6], "all": [60, 61, 59, 40, 41],
        "years": [55.0, 58.5, 57.0, 38.0, 40.5],
    })  # fmt: skip
    arms = pd.DataFrame({
        "study": np.repeat(list("ABCDE"), 2), "arm": ["sham", "vp"] * 5, "mean": [5, 4.2, 5.5, 4, 6, 5.5, 5.2, 4.8, 4.9, 2.5],
        "n": [40, 42, 60, 58, 25, 25, 70, 72, 12, 11], "sd": [2.1, 2.3, 2.5, 2.6, 1.9, np.nan, 2.4, 2.2, 2.0, np.nan],
    })  # fmt: skip
    followed = pd.DataFrame({
        "trial": list("AAABBCC"), "week": [1.0, 12.0, 30.0, 1.0, 12.0, 1.0, 12.0], "d": [-1.1, -0.5, -0.2, -0.3, 0.3, -0.9, -1.3],
        "var": [0.2, 0.3, 0.25, 0.15, 0.2, 0.4, 0.35],
    })  # fmt: skip
    columns = {"study": "trial", "arm": "drug", "events": "sick", "reference": "placebo"}
    followed_by = {"study": "trial", "time": "week", "y": "d", "v": "var", "correlation": 0.5}
    formula = {"formula": "~ dose", "data": TABLE, "y": "y", "v": "v"}
    classes = {"intervention": list("aabcddef"), "klass": dict(zip("abcdef", "XXXYYY", strict=True)), "class_sd": tau}
    asked: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
        ("integrated", "normal_normal", (), {**data, **priors}),
        ("sampled", "normal_normal", (), {**data, **priors, "study_effects": "sampled"}),
        ("any df", "robust", (), {**data, **priors}),
        ("df 4", "robust", (), {**data, **priors, "df": 4.0}),
        ("dose", "meta_regression", (), {**formula, "tau": tau, "beta": mu}),
        ("two unreported", "missing_sd", (arms,), {"reference": "sham", **priors}),
        ("fixed", "binomial", (long,), {**columns, "n": "all", **priors}),
        ("random", "binomial", (long,), {**columns, "n": "all", "baseline": "random", "coding": "reference", **priors}),
        ("RR", "binomial", (), {"events1": [1, 4], "n1": [9, 9], "events2": [2, 5], "n2": [9, 9], "measure": "RR", **priors}),
        ("fixed", "poisson", (long,), {**columns, "time": "years", **priors}),
        ("random", "poisson", (long,), {**columns, "time": "years", "baseline": "random", **priors}),
        ("categories", "multilevel", (followed,), {**followed_by, **priors}),
        ("smooth", "multilevel", (followed,), {**followed_by, **priors, "curve": "smooth"}),
        ("two classes", "classes", (), {**data, **priors, **classes}),
    ]
    for name, verb, args, given in asked:
        model = h.ask(name, f"bayes.models.{verb}", *args, **given)
        if model is not None:
            yield name, verb, model


def draws(h: House) -> None:
    """Few draws of a fixed seed from one model of each kind."""
    done = set()
    for name, verb, model in every_model(h):
        if verb in done:
            continue
        done.add(verb)
        found = h.keep(f"bayes.models.{verb} draws", name, lambda m=model: m.sample(draws=200, tune=200, chains=2), "sampled")
        if found is not None and verb in ("normal_normal", "binomial"):
            h.keep(f"bayes.models.{verb} loo", name, lambda f=found: f.loo(), "sampled")
        if found is not None and verb == "normal_normal":
            h.keep(f"bayes.models.{verb} result", name, lambda f=found: f.result(), "sampled")
    data, few = {"y": Y, "v": V}, {"draws": 200, "tune": 200, "chains": 2}
    priors = {"tau": h.prior("HalfNormal", 0.5), "mu": h.prior("Normal", 0.0, 2.0)}
    drawn = h.ask("eight", "bayes.sample", kind="sampled", **data, **priors, **few)
    h.ask("eight", "bayes.sample_posterior", kind="sampled", **data, **priors, **few)
    h.ask("eight", "bayes.agreement", h.call("bayes.random_effects", **data, **priors), drawn, kind="sampled")
    model = h.call("bayes.models.normal_normal", **data, **priors)
    h.ask("normal-normal", "bayes.calibrate_model", model, runs=4, draws=100, tune=200, kind="sampled")
    h.keep("prior_predictive", "normal-normal", lambda: _draws(model.prior_predictive(draws=50)), "sampled")


def _draws(tree: Any) -> dict[str, Any]:
    return {name: np.asarray(tree["prior"][name].values) for name in tree["prior"].data_vars}


def log_density(model: Any) -> list[float]:
    """At the model's starting point, and that point moved; the answer does not hang on names or order of variables."""
    graph = model.pymc()
    start = graph.initial_point()
    f = graph.compile_logp(mode="FAST_COMPILE")
    return [float(f({name: x + off for name, x in start.items()})) for off in (0.0, 0.1, -0.2)]


# ---- parts ---------------------------------------------------------------------------------------------------------------
ITERATED = {"rma_mv", "glmm", "location_scale", "bayesmeta", "exact_bayes"}  # families whose cases may name no method
PROBES = [effect_sizes, pools, many, regressions, dependent, counts, convert, exact, tables]


def probes(h: House, parts: Iterable[Callable[[House], None]]) -> None:
    for probe in parts:
        try:
            probe(h)
        except Exception as error:  # a probe that breaks off says so, and its further answers are absent
            h.answers[f"probe {probe.__name__}"] = {"kind": "closed", "error": type(error).__name__, "said": str(error)[:300]}


def cases(h: House, files: list[str]) -> None:
    """Every reference case through the adapters of this checkout: what our code answers, by the names of R."""
    common = importlib.import_module("tests.reference_runner.common")
    seen: set[tuple[str, str]] = set()
    for name, why in common.adapters()[1].items():
        h.answers[f"adapter: {name}"] = {"kind": "closed", "error": "ImportError", "said": why}
    for file in files:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        for case in found if isinstance(found, list) else found.get("cases", []):
            text = json.dumps([case.get("family"), case.get("inputs"), case.get("options")], sort_keys=True)
            key = (str(case.get("id")), hashlib.sha256(text.encode()).hexdigest())
            if key in seen or "family" not in case:
                continue
            seen.add(key)
            own = f"case {case['family']}: {case['id']}"
            if own in h.answers:  # the same id with other inputs
                own += f" #{key[1][:6]}"
            answer = common.adapter(case)
            if answer is None:
                h.answers[own] = {"kind": "closed", "error": "NotOffered", "said": "no adapter"}
                continue
            loose = case["family"] in ITERATED or common.rtol(case, "") > 1e-8
            try:
                got = answer(case)
                values = flatten({k: x.to_numpy() if hasattr(x, "to_numpy") else x for k, x in got.items()})
                h.answers[own] = {"kind": "iterated" if loose else "closed", "values": values}
            except Exception as error:
                h.answers[own] = {"kind": "closed", "error": type(error).__name__, "said": str(error)[:300]}


def main(part: str, out: str, *files: str) -> None:
    warnings.simplefilter("ignore")
    house = House()
    home = Path(house.vf.__file__).resolve()
    if Path.cwd().resolve() not in home.parents:
        raise SystemExit(f"vfmeta comes from {home}, not from {Path.cwd()}")
    if part == "cases":
        cases(house, list(files))
    else:
        probes(house, {"models": [models], "draws": [draws]}.get(part, PROBES))
    Path(out).write_text(json.dumps(house.answers), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
