"""Inputs to networks of treatments, to reports printed in part and to what can be said without effect sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, get_args

from benchmarks.fuzz import values as x
from benchmarks.fuzz.face import Call, deferred, said, spoilt

import vfmeta as vf

_ARMS = {"MD": ("mean", "sd", "n"), "ROM": ("mean", "sd", "n"), "OR": ("events", "n"), "RR": ("events", "n"),
         "RD": ("events", "n"), "IRR": ("events", "time"), "IRD": ("events", "time")}  # fmt: skip


def asked(*_: object) -> None:
    """Texts, frames and copies are made; what stands in them is held against an answer elsewhere."""


def _treatments(r: Random, n: int) -> list[Any]:
    names: list[Any] = [r.choice("ABCD") for _ in range(n)]
    if r.random() < 0.2 and n:
        names[r.randrange(n)] = r.choice((*x.WORDS, None, 5, "A ", names[0]))
    return names


def network(r: Random) -> Call:
    """Arms or contrasts, most of them a network that holds together."""
    trials = r.choice((1, 2, 3, 4, 6))
    rows = [(f"trial {i}", t) for i in range(trials) for t in r.sample("ABCD", r.choice((2, 2, 2, 3, 4)))]
    measure = r.choice(list(_ARMS))
    given: dict[str, Any] = {}
    if r.random() < 0.5:
        n = len(rows)
        given = {"study": [s for s, _ in rows], "treatment": [t for _, t in rows], "measure": measure}
        plain = {"mean": lambda: 5 + r.random(), "sd": lambda: 1 + r.random(), "n": lambda: r.randint(10, 60),
                 "events": lambda: r.randint(0, 10), "time": lambda: 10 + 50 * r.random()}  # fmt: skip
        for name in _ARMS[measure]:
            given[name] = [plain[name]() for _ in range(n)] if r.random() < 0.8 else x.column(r, n, above=True)
    else:
        n = r.choice((1, 2, 3, 5, 8))
        sides = [r.sample("ABCD", 2) for _ in range(n)]
        given = {"study": [f"trial {i}" for i in range(n)], "treat1": [a for a, _ in sides], "treat2": [b for _, b in sides]}
        given |= {"y": [r.gauss(0, 1) for _ in range(n)], r.choice(("v", "se")): [0.1 + r.random() for _ in range(n)]}
        if r.random() < 0.3:
            given["y"] = x.column(r, n)
        if r.random() < 0.2:
            given["study"] = x.names(r, n)
    for name in ("treatment", "treat1", "treat2"):
        if name in given and r.random() < 0.1:
            given[name] = _treatments(r, n)
    if r.random() < 0.4:
        given["reference"] = r.choice(("A", "B", "Z", x.odd(r)))
    given = spoilt(r, vf.network, given, n, 0.25)
    after = r.choice(("", "text", "splits", "posterior", "ranks", "league", "json"))
    tau = deferred(r, "tau")
    better = r.choice(("low", "high", None, x.odd(r)))
    on = r.choice(("analysis", "read"))

    def call() -> Any:
        net = vf.network(**given)
        match after:
            case "text":
                return asked(str(net), net.summary(), net._repr_html_())
            case "splits":
                return vf.networks.split_sides(net, on=on)
            case "posterior":
                return vf.networks.posterior(net, tau=tau)
            case "ranks":
                return net.p_scores(better)
            case "league":
                return asked(net.league(), net.comparisons(on=on))
            case "json":
                return asked(vf.read_result(net.to_json()) == net)
        return net

    return f"network, {after}({said(given)})", call


@cache
def _nets() -> list[Any]:
    arms = {"study": list("aabbcccdd"), "treatment": list("ABBCABCCA"), "n": [40] * 9, "mean": list(range(9)), "sd": [2.0] * 9}
    two = {"study": ["a"], "treat1": ["B"], "treat2": ["A"], "y": [0.3], "se": [0.2]}
    return [vf.network(arms), vf.network(two), vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.1])]


def networks(r: Random) -> Call:
    """What starts from a network."""
    name = r.choice((
        "posterior", "posterior", "split_sides", "regression", "regression", "contributions", "loops", "detached_designs",
        "comparison_adjusted", "modifiers",
    ))  # fmt: skip
    function = getattr(vf.networks, name)
    given: dict[str, Any] = {"fit": r.choice(_nets()) if r.random() < 0.95 else x.odd(r)}
    if name == "regression":
        trials = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 3.5}
        odd = {t: x.number(r) for t in "abcd"}
        given["covariate"] = r.choice((trials, odd, {**trials, "z": 1.0}, {"a": 1.0}, dict.fromkeys("abcd", 2.0), x.odd(r)))
    if name == "comparison_adjusted" and r.random() < 0.5:
        given["order"] = r.choice((list("CBA"), list("AB"), list("ABCZ"), x.odd(r)))
    if name == "posterior":
        given["tau"] = deferred(r, "tau")
    if name == "posterior" and r.random() < 0.5:
        given["beta"] = r.choice((deferred(r, "mu"), {"B": deferred(r, "mu")}, {"Z": vf.priors.Flat()}, x.odd(r)))
    given = spoilt(r, function, given, 3, 0.3)
    return f"networks.{name}({said(given)})", lambda: function(**given)


def composed(r: Random) -> Call:
    """Treatments made of components, in networks that may be in parts."""
    names = ("A", "B", "A + B", "B+C", "A+B+C", "sham", "C", *(("A+", "+", "A + A") if r.random() < 0.1 else ()))
    n = r.choice((1, 2, 3, 5, 8))
    sides = [r.sample(names, 2) for _ in range(n)]
    given: dict[str, Any] = {"study": [f"trial {i}" for i in range(n)]}
    given |= {"treat1": [a for a, _ in sides], "treat2": [b for _, b in sides]}
    given |= {"y": [r.gauss(0, 1) for _ in range(n)], "se": [0.1 + r.random() for _ in range(n)]}
    if r.random() < 0.2:
        given["y"] = x.column(r, n)
    if r.random() < 0.6:
        given["inactive"] = r.choice(("sham", "sham", "A", "Z", x.odd(r)))
    if r.random() < 0.2:
        given["separator"] = r.choice(("+", " + ", "", "x", x.odd(r)))
    given = spoilt(r, vf.networks.components, given, n, 0.25)
    after = r.choice(("", "text", "league", "json", "additivity", "ranks"))

    def call() -> Any:
        fit = vf.networks.components(**given)
        match after:
            case "text":
                return asked(str(fit), fit.summary(), fit._repr_html_())
            case "league":
                return asked(fit.league(), fit.comparisons())
            case "json":
                return asked(vf.read_result(fit.to_json()) == fit)
            case "additivity":
                return asked(fit.additivity())
            case "ranks":
                return fit.p_scores(r.choice(("low", "high")))
        return fit

    return f"networks.components, {after}({said(given)})", call


def reports(r: Random) -> Call:
    """Trials that print only a part of their result."""
    from vfmeta.core.params import ReportKind

    n = r.choice((1, 2, 3, 4, 6))
    kinds = [r.choice(get_args(ReportKind)) for _ in range(n)]
    given: dict[str, Any] = {"kind": kinds, "y": [], "se": [], "p": [], "direction": []}
    for kind in kinds:
        printed = kind in ("full", "estimate_only")
        given["y"].append(r.gauss(0, 1) if printed else None)
        given["se"].append(None if kind == "estimate_only" else 0.2 + r.random())
        given["p"].append(r.choice((0.3, 0.01, 0.2)) if kind.startswith("p_") else None)
        given["direction"].append(None if printed or kind == "not_significant" else r.choice((-1, 1)))
    if r.random() < 0.4:
        given |= {"n1": [r.randint(5, 60) for _ in range(n)], "n2": [r.randint(5, 60) for _ in range(n)]}
        given["question"] = vf.Question(measure="MD", higher_is_worse=r.choice((True, None)))
        given["sds"] = {"sd": [1 + r.random() for _ in range(3)], "n": [40, 50, 60]} if r.random() < 0.8 else x.odd(r)
    if r.random() < 0.4:
        name = r.choice(("y", "se", "p", "direction", "n1", "n2", "kind"))
        given[name] = x.column(r, n, above=name != "y") if name != "kind" else [*kinds[:-1], r.choice((*x.WORDS, None, 5))]
    if r.random() < 0.8:
        given |= {"tau": deferred(r, "tau"), "mu": deferred(r, "mu")}
    given = spoilt(r, vf.bayes.reports, given, n, 0.2)
    after = r.choice(("", "", "rests_on", "text", "json"))

    def call() -> Any:
        post = vf.bayes.reports(**given)
        if after == "rests_on":
            return asked(post.rests_on())
        if after == "text":
            return asked(str(post), post._repr_html_())
        if after == "json":
            return asked(vf.read_result(post.to_json()) == post)
        return post

    return f"bayes.reports, {after}({said(given)})", call


def without_sizes(r: Random) -> Call:
    """Directions, p values and ranges of effects."""
    n = r.choice((0, 1, 2, 3, 5, 9))
    name = r.choice(("direction_of_effect", "combine_p_values", "effect_range"))
    function = getattr(vf.appraisal, name)
    given: dict[str, Any] = {"effect_range": {"y": x.column(r, n)}}.get(name, {})
    if name == "direction_of_effect":
        given["direction"] = [r.choice((1, -1, 0, None)) for _ in range(n)] if r.random() < 0.7 else x.column(r, n)
    if name == "combine_p_values":
        given["p"] = [r.choice((r.random(), 1e-12, 0.0, 1.0)) for _ in range(n)] if r.random() < 0.7 else x.column(r, n)
        if r.random() < 0.3:
            given["direction"] = [r.choice((1, -1)) for _ in range(n)]
    given = spoilt(r, function, given, n, 0.35)
    text = r.random() < 0.3

    def call() -> Any:
        found = function(**given)
        return asked(str(found), found._repr_html_(), found.to_frame()) if text else found

    return f"appraisal.{name}({said(given)})", call


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = (
    (network, 0.05),
    (networks, 0.03),
    (composed, 0.02),
    (reports, 0.05),
    (without_sizes, 0.025),
)
