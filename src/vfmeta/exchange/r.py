"""A fit as R code: the data it was made from and the call of metafor that makes it again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import NotDefined, kind_of
from vfmeta.frequentist.about_tables import about_tables

_TESTS = {"HKSJ": "knha", "HKSJ-adhoc": "adhoc", "Wald": "z", "t": "t"}
_COUNTS = {
    "ai": "events_experimental", "n1i": "n_experimental", "ci": "events_control", "n2i": "n_control",
    "x1i": "events_experimental", "t1i": "time_experimental", "x2i": "events_control", "t2i": "time_control",
    "xi": "events", "ni": "n", "ti": "time",
}  # fmt: skip
# metafor stops at five digits of tau2 unless it is asked for more
_CLOSER = dict.fromkeys(("REML", "ML", "EB"), "list(threshold = 1e-12)") | dict.fromkeys(
    ("PM", "PMM", "GENQM"), "list(tol = 1e-12)"
)
_ARMS, _TIMES = ("ai", "n1i", "ci", "n2i"), ("x1i", "t1i", "x2i", "t2i")


def to_r(fit: Any) -> str:
    """R code that makes a fit again: a data frame and the call of metafor, with the numbers of vfmeta as comments beside it.

    Parameters
    ----------
    fit : result
        Of `random_effects`, `common_effect`, `mantel_haenszel`, `peto`, `glmm` without moderators, `meta_regression`, or
        `subgroups` with a tau2 for each group.

    Returns
    -------
    str
        It needs R and its package metafor (3.8 or later; `glmm` lme4 too). The last line leaves the fit in ``res``; of
        subgroups there is a fit a group, ``res_1``, ``res_2``, ...

    Raises
    ------
    NotDefined
        metafor has no such model.
    """
    made = {
        "random_effects": _pool, "common_effect": _pool, "mantel_haenszel": _mantel_haenszel, "peto": _peto, "glmm": _glmm,
        "meta_regression": _regression, "subgroups": _subgroups,
    }  # fmt: skip
    name = fit.call.get("function", "")
    if name not in made:
        raise NotDefined(f"There is no R code of {kind_of(fit)} by {name or 'this model'}; there is of {', '.join(made)}.")
    return "\n".join(["library(metafor)", *made[name](fit), ""])


def _pool(fit: Any) -> list[str]:
    about = about_tables(fit.call.get("method"))
    columns = {"study": fit.labels, "yi": fit.y, "vi": fit.v} | (_counts(fit, _ARMS) if about else {})
    if "weights" in fit.call:
        columns["w"] = fit.weights
    lines = [_frame(columns), *_before(fit)]
    own = {"method": _quoted("EE" if fit.model == "common" else _method(fit)), **_tau2(fit)}
    if "weights" in fit.call:
        own["weights"] = "w"
    return [*lines, _call("rma", {"yi": "yi", "vi": "vi"} | own | _asked(fit)), *_found(fit)]


def _before(fit: Any) -> list[str]:
    """What stands before the call where metafor has no such estimator of tau2."""
    if fit.call.get("method") == "DL2" and fit.k > 1:
        return [
            'one <- rma(yi, vi, data = dat, method = "DL")$tau2',
            'tau2 <- rma(yi, vi, weights = 1 / (vi + one), data = dat, method = "GENQ")$tau2',
        ]
    if about_tables(fit.call.get("method")):
        return [
            f"mh <- rma.mh(ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat, measure = {_quoted(fit.question.measure)}, "
            "add = c(1/2, 0))$beta[1]",
            "p <- 1 / dat$vi",
            "tau2 <- max(0, (sum(p * (dat$yi - mh)^2) - (nrow(dat) - 1)) / (sum(p) - sum(p^2) / sum(p)))",
        ]
    return []


def _tau2(fit: Any) -> dict[str, str]:
    if fit.call.get("tau2") is not None:
        return {"tau2": _number(fit.call["tau2"])}
    if _before(fit):
        return {"tau2": "tau2"}
    closer = _CLOSER.get(fit.call.get("method", ""))
    return {"control": closer} if closer and fit.k > 1 else {}


def _method(fit: Any) -> str:
    """Metafor's name of the estimator; where tau2 is given, any that takes weights serves."""
    name = fit.call.get("method", "DL" if "tau2" in fit.call else "REML")
    return "DL" if name in ("DL2", "DL-MH") else name


def _asked(fit: Any) -> dict[str, str]:
    test = fit.call.get("test", fit.test)
    if test not in _TESTS:
        raise NotDefined(f"There is no R code of a fit with test={test!r}; metafor has {', '.join(map(repr, _TESTS))}.")
    return {"test": _quoted(_TESTS[test]), "level": _number(100 * fit.level), "slab": "study", "data": "dat"}


def _mantel_haenszel(fit: Any) -> list[str]:
    call = fit.call
    names = _TIMES if call["measure"] in ("IRR", "IRD") else _ARMS
    if fit.k_pooled != fit.k and call["measure"] in ("RD", "IRD"):
        raise NotDefined("There is no R code of this pool: studies without an estimate of their own are in it and not kept.")
    add, to = (_number(call[x]) for x in ("add", "pool_add")), _quoted(call["to"])
    own = {
        **{x: x for x in names}, "measure": _quoted(call["measure"]), "add": f"c({', '.join(add)})", "to": f"c({to}, {to})",
        "drop00": _logical(call["drop00"]), "correct": _logical(call["correct"]), "level": _number(100 * fit.level),
        "slab": "study", "data": "dat",
    }  # fmt: skip
    return [_frame({"study": fit.labels} | _counts(fit, names)), _call("rma.mh", own), *_found(fit)]


def _peto(fit: Any) -> list[str]:
    own = {x: x for x in _ARMS} | {"add": "c(0, 0)", "level": _number(100 * fit.level), "slab": "study", "data": "dat"}
    return [_frame({"study": fit.labels} | _counts(fit, _ARMS)), _call("rma.peto", own), *_found(fit)]


def _glmm(fit: Any) -> list[str]:
    call = fit.call
    at = next(
        names for names in (_ARMS, _TIMES, ("xi", "ni"), ("xi", "ti")) if all(_COUNTS[x] in fit.details[0] for x in names)
    )
    if call["test"] not in _TESTS:
        raise NotDefined(f'There is no R code of a fit with test={call["test"]!r}; fit with test="Wald" or "t".')
    if len(fit.details) != fit.k:
        raise NotDefined("There is no R code of this fit: studies without an estimate of their own are in it and not kept.")
    own = {x: x for x in at} | {"measure": _quoted(call["measure"])}
    own |= {"model": _quoted(call["model"])} if call.get("model") else {}
    own |= {"method": _quoted("EE" if call["heterogeneity"] == "common" else "ML"), "test": _quoted(_TESTS[call["test"]])}
    own |= {"level": _number(100 * fit.level), "slab": "study", "data": "dat"}
    return [_frame({"study": fit.labels} | _counts(fit, at)), _call("rma.glmm", own), *_found(fit)]


def _regression(fit: Any) -> list[str]:
    x = np.asarray(fit.design.x, dtype=float)
    columns: dict[str, Any] = {"study": fit.labels, "yi": fit.y, "vi": fit.v}
    columns |= {f"x{j + 1}": x[:, j] for j in range(x.shape[1])}
    if fit.user_weights is not None:
        columns["w"] = fit.user_weights
    if fit.call.get("method") == "DL2":
        raise NotDefined('There is no R code of a regression with method="DL2", which metafor does not have.')
    named = [f"# x{j + 1}: {_quoted(term)}" for j, term in enumerate(fit.terms)]
    method = "EE" if fit.call.get("method") == "common" else _method(fit)
    own = {"mods": f"~ 0 + {' + '.join(f'x{j + 1}' for j in range(x.shape[1]))}", "method": _quoted(method), **_tau2(fit)}
    own |= {"weights": "w"} if fit.user_weights is not None else {}
    rows = [f"# {_quoted(t)}: {_number(b)} (se {_number(s)})" for t, b, s in zip(fit.terms, fit.estimate, fit.se, strict=True)]
    made = _call("rma", {"yi": "yi", "vi": "vi"} | own | _asked(fit))
    return [_frame(columns), *named, made, "# vfmeta has", *rows, f"# tau2: {_number(fit.tau2)}", "res"]


def _subgroups(fit: Any) -> list[str]:
    if fit.call.get("common_tau2"):
        raise NotDefined(
            "There is no R code of subgroups with one tau2; that of the meta-regression on the groups says the same."
        )
    lines: list[str] = []
    for i, (name, pool) in enumerate(fit.groups.items()):
        own = f"res_{i + 1}"
        code = [own if x == "res" else x.replace("res <- ", f"{own} <- ", 1) for x in _pool(pool)]
        lines += [f"# {_quoted(name)}", *code]
    return lines


def _found(fit: Any) -> list[str]:
    low, high = fit.interval
    tau2 = "" if fit.tau2 is None else f"; tau2 {_number(fit.tau2)}"
    return [f"# vfmeta has {_number(fit.estimate)} ({_number(low)} to {_number(high)}){tau2}", "res"]


def _counts(fit: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    return {x: [own[_COUNTS[x]] for own in fit.details] for x in names}


def _frame(columns: dict[str, Any]) -> str:
    def column(values: Any) -> str:
        return f"c({', '.join(_quoted(x) if isinstance(x, str) else _number(x) for x in values)})"

    return "dat <- data.frame(\n" + ",\n".join(f"  {name} = {column(x)}" for name, x in columns.items()) + "\n)"


def _call(function: str, arguments: dict[str, str]) -> str:
    said = ", ".join(f"{name} = {value}" for name, value in arguments.items())
    return f"res <- {function}({said})"


def _number(value: Any) -> str:
    return "NA" if value is None or math.isnan(value) else repr(float(value)).removesuffix(".0")


def _logical(value: Any) -> str:
    return "TRUE" if value else "FALSE"


def _quoted(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{safe}"'


__all__ = ["to_r"]
