"""Inputs to what asks whether a pool would stand: small studies, selection, worst cases, many specifications, certainty."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, get_args

import pandas as pd
from benchmarks.fuzz import values as x
from benchmarks.fuzz.answers import fits
from benchmarks.fuzz.face import Call, base_counts, deferred, frame, made, said, spoilt
from benchmarks.fuzz.figures import _saved
from benchmarks.fuzz.networks import asked

import vfmeta as vf
from vfmeta.core.params import SelectionModel

_POOLED = (
    "begg", "copas", "egger", "excess_significance", "fail_safe", "henmi_copas", "heteroscedasticity", "lfk_index",
    "limit_meta_analysis", "p_curve", "p_uniform_star", "peese", "pet", "pet_peese", "thompson", "trim_and_fill", "worst_case",
)  # fmt: skip
_TABLES = ("deeks", "harbord", "macaskill", "peters", "pustejovsky_rodgers", "small_study_test")
_MANY = ("egger_many", "selection_model_many", "trim_and_fill_many")


def effects(r: Random, n: int) -> dict[str, Any]:
    """Effects as funnels have them, or as nobody would hand them over: alike, on one side, far apart."""
    v: Any = [0.01 + r.random() * r.choice((0.1, 1)) for _ in range(n)]
    shape = r.randrange(7)
    if shape == 0:
        y: Any = [0.3] * n
        v = r.choice((v, [0.1] * n))
    elif shape == 1:
        y = [r.choice((1, 5, 30)) * a**0.5 * (2 + r.random()) for a in v]
    elif shape == 2:
        y = [-(a**0.5) * r.random() for a in v]
    elif shape == 3:
        y, v = x.column(r, n), x.column(r, n, above=True)
    elif shape == 4:
        size = r.choice(("huge", "tiny", "plain"))
        y, v = [x.number(r, spread=size) for _ in range(n)], x.positive(r, n, r.choice((size, "plain")))
    else:
        y = [r.gauss(r.choice((0, 0.4)), 1) * (a + 0.05) ** 0.5 for a in v]
    return {"y": y, "v": v}


def _size(r: Random) -> int:
    return r.choice((0, 1, 2, 3, 3, 4, 5, 6, 8, 10, 11, 15))


def _asked_after(r: Random) -> Callable[[Any], Any]:
    """What is asked of an answer."""
    after = r.choice(("", "", "text", "frame", "json", "figure"))
    on = r.choice(("analysis", "read"))

    def ask(found: Any) -> Any:
        try:
            return answer(found)
        except vf.NotDefined as refusal:
            raise vf.InputError(str(refusal)) from refusal

    def answer(found: Any) -> Any:
        if after == "text":
            asked(str(found), found._repr_html_(), *([found.sentence()] if hasattr(found, "sentence") else []))
        if after == "frame" and hasattr(found, "to_frame"):
            asked(found.to_frame(**({"on": on} if "on" in inspect.signature(found.to_frame).parameters else {})))
        if after == "json":
            again = vf.read_result(found.to_json())
            asked(str(again))
        if after == "figure" and hasattr(found, "plot"):
            _saved(found.plot())
        return found

    ask.__name__ = after or "answer"
    return ask


def funnels(r: Random) -> Call:
    """Verbs that take a pool, a table or arrays."""
    n = _size(r)
    name = r.choice(_POOLED)
    function = getattr(vf.appraisal, name)
    given: dict[str, Any] = effects(r, n)
    if r.random() < 0.2:
        kind = r.choice([k for k in fits() if k != "post"])
        given = {"data": fits()[kind] if r.random() < 0.9 else x.odd(r)}
    if name == "heteroscedasticity":
        given["draws"] = 20
    if r.random() < 0.3:
        given["question"] = made(lambda: x.question(r), None)
    given = spoilt(r, function, given, n, 0.3)
    ask = _asked_after(r)
    return f"appraisal.{name}, {ask.__name__}({said(given)})", lambda: ask(function(**given))


def selection(r: Random) -> Call:
    """Every weight function, with weights given and estimated, moderators of the mean, clusters."""
    n = _size(r)
    function = vf.appraisal.selection_model
    given: dict[str, Any] = effects(r, n)
    given["model"] = r.choice((*get_args(SelectionModel), "step", "step", "3PSM"))
    if r.random() < 0.6:
        given["favoured"] = r.choice(("higher", "lower"))
    if r.random() < 0.3 and given["model"] in ("step", "truncated", "beta"):
        given["cuts"] = r.choice((0.05, (0.025, 0.5), (0.01, 0.05, 0.5), (0.001, 0.999), "estimate", 0, -3, x.odd(r)))
    if r.random() < 0.2:
        given["delta"] = r.choice(((1, 0.5), (1, 0), 0, 3, 1e9, (2, 0.5), (1, 1), (0, 0), x.odd(r)))
    if r.random() < 0.2:
        given["heterogeneity"] = "common"
    if r.random() < 0.2:
        given |= {"data": {"x": list(range(n)), "g": x.groups(r, n)}, "formula": r.choice(("~ x", "~ 1", "~ 0 + x", "~ g"))}
    if r.random() < 0.15:
        columns = {"x": list(range(n)), "g": x.groups(r, n)}
        given |= {"data": given.get("data", columns), "scale": r.choice(("~ x", "~ 1", "~ 0 + g", "~ g"))}
    if r.random() < 0.15:
        given["cluster"] = x.groups(r, n)
    given = spoilt(r, function, given, n, 0.2)
    ask = _asked_after(r)
    more = r.choice(("", "", "interval", "q", "weights"))

    def call() -> Any:
        fit = ask(function(**given))
        if more == "interval":
            spread = [f"log tau2: {t}" for t in fit.scale_terms] if hasattr(fit, "scale_terms") else ["tau2"]
            asked(*map(fit.profile_interval, (*fit.design.names, *(spread if fit.heterogeneity == "random" else []))))
        if more == "q" and not hasattr(fit, "scale_terms") and fit.heterogeneity == "random":
            asked(fit.q)
        if more == "weights":
            asked(fit.weights_frame(), fit.studies, fit.information())
        return fit

    return f"appraisal.selection_model, {ask.__name__} {more}({said(given)})", call


def tests_of_tables(r: Random) -> Call:
    """Tests of small-study effects that need the tables of events, or the sizes of groups."""
    n = _size(r)
    name = r.choice(_TABLES)
    function = getattr(vf.appraisal, name)
    measure = r.choice(("OR", "OR", "RR", "RD", "PETO", "AS", "SMD", "MD", "ROM"))
    if measure in ("SMD", "MD", "ROM"):
        counts: dict[str, Any] = {f"n{i}": [r.randint(8, 90) for _ in range(n)] for i in (1, 2)}
        counts |= {f"m{i}": [3 + r.random() for _ in range(n)] for i in (1, 2)}
        counts |= {f"sd{i}": [0.5 + r.random() for _ in range(n)] for i in (1, 2)}
    else:
        counts = base_counts(r, n)
        if r.random() < 0.3:
            counts |= {"events1": [r.choice((0, 0, 3)) for _ in range(n)], "events2": [0] * n}
    pool = r.random() < 0.5
    level = {} if r.random() < 0.8 else {"level": r.choice(x.LEVELS)}
    ask = _asked_after(r)

    def call() -> Any:
        table = vf.effect_size(measure, **counts)
        return ask(function(vf.random_effects(table) if pool else table, **level))

    return f"appraisal.{name} of {measure}, {ask.__name__}({said(counts | level)})", call


def specifications(r: Random) -> Call:
    """A multiverse of a few studies; what may be chosen is chosen at random."""
    n = r.choice((1, 2, 3, 4, 5, 8))
    given: dict[str, Any] = effects(r, n)
    if r.random() < 0.3:
        counts = base_counts(r, n)
        given = {"data": made(lambda: vf.effect_size("OR", **counts), x.odd(r))}
    if r.random() < 0.2:
        given["include"] = r.choice(({"low": [r.random() < 0.6 for _ in range(n)]}, "g", ["g"], x.odd(r)))
    if r.random() < 0.4:
        given["taus"] = r.choice(([deferred(r, "tau")], [], None, x.odd(r)))
    if r.random() < 0.2:
        given["mu"] = deferred(r, "mu")
    for name, options in (
        ("methods", ["DL", "REML", "common"]), ("tests", ["HKSJ", "Wald"]), ("adjustments", ["none", "trim and fill"]),
    ):  # fmt: skip
        if r.random() < 0.3:
            given[name] = r.choice((options, options[:1], [], "DL", x.odd(r)))
    given = spoilt(r, vf.multiverse, given, n, 0.2)
    after = r.choice(("", "text", "json", "moves", "figure"))

    def call() -> Any:
        found = vf.multiverse(**given)
        if after == "text":
            asked(str(found), found._repr_html_())
        if after == "json":
            asked(str(vf.read_result(found.to_json())))
        if after == "moves":
            asked(found.moves())
        if after == "figure":
            _saved(found.plot())
        return found

    return f"multiverse, {after}({said(given)})", call


def averaged(r: Random) -> Call:
    """The averaged model; half of a second each."""
    n = r.choice((1, 2, 3, 6, 10))
    given: dict[str, Any] = effects(r, n) | {"question": vf.Question(measure=r.choice(("OR", "SMD", "ZCOR", "MD", "RR")))}
    if r.random() < 0.5:
        given["unit_sd"] = r.choice((1.0, x.number(r)))
    given = spoilt(r, vf.appraisal.robust_average, given, n, 0.25)
    ask = _asked_after(r)
    return f"appraisal.robust_average, {ask.__name__}({said(given)})", lambda: ask(vf.appraisal.robust_average(**given))


def many_funnels(r: Random) -> Call:
    name = r.choice(_MANY)
    function = getattr(vf.appraisal, name)
    n = r.choice((0, 1, 3, 8, 20))
    data: Any = frame(r, n)
    if r.random() < 0.6:
        data = _long(r, n)
    given = spoilt(r, function, {"data": data, "by": r.choice(("g", "g", "g", "nothing", ["g", "h"]))}, n, 0.3)
    return f"appraisal.{name}({said(given)})", lambda: function(**given)


def _long(r: Random, n: int) -> Any:
    columns = effects(r, n) | {"g": [r.choice("ab") for _ in range(n)], "h": list(range(n))}
    return made(lambda: pd.DataFrame(columns), columns)


def judged(r: Random) -> Call:
    """Shares, certainty, tables of findings and risk of bias."""
    name = r.choice(("setting_shares", "setting_shares", "certainty", "certainty", "summary_of_findings", "risk_of_bias"))
    function = getattr(vf.appraisal, name)
    given: dict[str, Any] = {}
    n = 8
    if name in ("setting_shares", "certainty"):
        given["fit"] = fits()[r.choice(list(fits()))] if r.random() < 0.9 else x.odd(r)
    if name == "setting_shares" and r.random() < 0.5:
        given["beyond"] = r.choice((x.number(r), 0.2, x.odd(r)))
    if name == "summary_of_findings":
        given["rows"] = r.choice(([], _certainties(), _certainties()[:1], [fits()["pool"]], x.odd(r)))
    if name == "risk_of_bias":
        n = r.choice((1, 2, 4))
        given = {"tool": r.choice(("RoB 2", "ROBINS-I", "RoB 1", "QUADAS-2", "PEDro", x.odd(r)))}
        given |= {"study": [f"trial {i // 5}" for i in range(5 * n)], "domain": [f"D{i % 5 + 1}" for i in range(5 * n)]}
        given["judgement"] = [r.choice(("Low", "High", "Some concerns", "low", "Unclear", "", None)) for _ in range(5 * n)]
    given = spoilt(r, function, given, n, 0.35)
    ask = _asked_after(r)
    return f"appraisal.{name}, {ask.__name__}({said(given)})", lambda: ask(function(**given))


@cache
def _certainties() -> list[Any]:
    return [vf.appraisal.certainty(fits()[k]) for k in ("pool", "post")]


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = (
    (funnels, 0.05),
    (selection, 0.025),
    (tests_of_tables, 0.02),
    (specifications, 0.01),
    (averaged, 0.003),
    (many_funnels, 0.01),
    (judged, 0.015),
)
