"""Inputs to what starts from an answer: refits, checks, texts, JSON."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pandas as pd
from benchmarks.fuzz import values as x
from benchmarks.fuzz.face import Call, argument, deferred, said, spoilt

import vfmeta as vf

AFTER = (
    "all_subsets",
    "baujat",
    "blups",
    "bootstrap",
    "component_intervals",
    "cumulative",
    "influence",
    "leave_one_out",
    "likelihood_ratio",
    "permutation_test",
    "profile_likelihood",
    "residuals",
    "robust",
)
BAYES_AFTER = (
    "power_scaling",
    "leave_one_out",
    "predictive_check",
    "model_average",
    "map_prior",
    "effective_sample_size",
    "agreement",
)


@cache
def fits() -> dict[str, Any]:
    """Answers that others start from, made once a process."""
    y, v = [-0.6, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1, 0.9], [0.04, 0.09, 0.05, 0.12, 0.06, 0.1, 0.07, 0.03]
    data = pd.DataFrame(
        {"x": [1.0, 2.0, 4.0, 3.0, 1.5, 5.0, 2.5, 6.0], "g": list("aabbccdd"), "h": range(8), "kind": list("pqpqpqqq")}
    )
    rr = vf.Question(measure="RR", higher_is_worse=True)
    flat = vf.Question(measure="OR")
    n = [
        vf.random_effects(y=y, v=v, question=rr),
        vf.random_effects(y=[0.5, 40.0], v=[0.1, 0.2], question=flat),
        vf.common_effect(y=y[:1], v=v[:1]),
    ]
    return {
        "pool": n[0],
        "huge": n[1],
        "one": n[2],
        "same": vf.random_effects(y=[0.1] * 3, v=[0.1] * 3),
        "wide": vf.random_effects(y=[1e8, -1e8, 3], v=[1, 2, 3]),
        "regression": vf.meta_regression(y=y, v=v, data=data, formula="~ x"),
        "factor": vf.meta_regression(y=y, v=v, data=data, formula="~ kind"),
        "levels": vf.multivariate(y=y, v=v, data=data, random="1 | g/h"),
        "ml": vf.random_effects(y=y, v=v, method="ML"),
        "tables": vf.mantel_haenszel("OR", events1=[4, 6, 3], n1=[40, 55, 38], events2=[9, 8, 6], n2=[41, 50, 40]),
        "counts": vf.glmm("OR", events1=[4, 6, 3], n1=[40, 55, 38], events2=[9, 8, 6], n2=[41, 50, 40]),
        "groups": vf.subgroups(y=y, v=v, by=data.kind),
        "network": vf.network(
            study=list("abcd"), treat1=list("BCCB"), treat2=list("AABA"), y=y[:4], v=v[:4], reference="A", question=rr
        ),
        "reports": vf.bayes.reports(
            kind=["full", "full", "direction", "not_significant"],
            y=[*y[:2], None, None],
            se=[0.2, 0.3, 0.4, 0.3],
            direction=[None, None, -1, None],
            tau=vf.priors.HalfNormal(0.5),
            mu=vf.priors.Normal(0, 1),
            question=rr,
        ),
        "directions": vf.appraisal.direction_of_effect(direction=[1, 1, -1, 0, None], n=[20, 30, 400, 5, 60]),
        "p values": vf.appraisal.combine_p_values(p=[0.02, 0.4, 1e-9], n=[40, 60, 90]),
        "range": vf.appraisal.effect_range(y=y),
        "post": vf.bayes.random_effects(y=y, v=v, tau=vf.priors.HalfNormal(0.5), question=rr),
    }


def after(r: Random) -> Call:
    name = r.choice(AFTER)
    function = getattr(vf, name)
    kind = r.choice([k for k in fits() if k != "post"]) if r.random() < 0.93 else "post"
    fit = fits()[kind] if r.random() < 0.95 else x.odd(r)
    first = next(iter(inspect.signature(function).parameters))
    given: dict[str, Any] = {first: fit}
    if name == "likelihood_ratio":
        given["simpler"] = fits()[r.choice([k for k in fits() if k != "post"])]
    if name == "robust":
        given["cluster"] = x.groups(r, 8)
    if name in ("bootstrap", "permutation_test", "all_subsets"):
        given["draws"] = 20
    given = spoilt(r, function, given, 8, 0.4)
    return f"{name}({kind}, {said(given)})", lambda: function(**given)


def bayes_after(r: Random) -> Call:
    name = r.choice(BAYES_AFTER)
    function = getattr(vf.bayes, name)
    first = next(iter(inspect.signature(function).parameters))
    given: dict[str, Any] = {first: fits()[r.choice(("post", "post", "pool"))] if r.random() < 0.95 else x.odd(r)}
    if name == "effective_sample_size":
        given = {"prior": deferred(r, "mu"), "unit_sd": r.choice((1.0, x.number(r)))}
    if name == "agreement":
        given["sampled"] = fits()["post"]
    if name == "predictive_check":
        given["draws"] = 50
    given = spoilt(r, function, given, 8, 0.4)
    return f"bayes.{name}({said(given)})", lambda: function(**given)


def asked(r: Random) -> Call:
    """What a result answers when it is asked: text, frame, JSON and back, prediction."""
    kind = r.choice(list(fits()))
    fit = fits()[kind]
    name = r.choice(
        (
            "str",
            "summary",
            "html",
            "json",
            "to_frame",
            "predict",
            "information",
            "heterogeneity_interval",
            "read_result",
            "damaged",
        )
    )
    if name in ("predict", "information", "heterogeneity_interval"):
        words = [argument(r, r.choice(("data", "level", "x", "method")), "Any", 8) for _ in range(r.randint(0, 1))]
        return f"{kind}.{name}({words!r:.200})", lambda: (getattr(fit, name)(*words), None)[1]
    if name == "damaged":
        text = fit.to_json()
        i = r.randrange(len(text))
        bad = r.choice(
            (
                text[:i],
                text[:i] + r.choice('x]}",9') + text[i + 1 :],
                text.replace("null", "7"),
                text.replace("1", '"a"', 3),
                "",
                "[]",
                "null",
            )
        )
        return f"read_result of damaged {kind} at {i}", lambda: str(vf.read_result(bad)) and None
    plain: dict[str, Callable[[], Any]] = {
        "str": lambda: str(fit) and None,
        "summary": lambda: fit.summary() and None,
        "html": lambda: fit._repr_html_() and None,
        "json": lambda: fit.to_json() and None,
        "to_frame": lambda: fit.to_frame(on=r.choice(("read", "analysis", x.odd(r)))).size and None,
        "read_result": lambda: vf.read_result(fit.to_json()) and None,
    }
    return f"{kind}.{name}", plain[name]


def whole(r: Random) -> Call:
    """From figures to every text of the answer: what is huge prints, and comes back from its JSON."""
    n = r.choice((1, 2, 3, 5))
    given = {
        "y": [x.number(r, spread=r.choice(("plain", "huge", "tiny"))) for _ in range(n)],
        "v": x.positive(r, n, r.choice(("plain", "huge", "tiny"))),
        "study": x.names(r, n),
        "question": question(r),
        "level": r.choice((0.95, 0.99, 0.5)),
    }
    verb = r.choice((vf.random_effects, vf.common_effect, vf.bayes.random_effects))

    def call() -> Any:
        fit = verb(**given)
        str(fit), fit.summary(), fit.to_frame(on="read"), str(vf.read_result(fit.to_json()))
        return fit

    return f"{verb.__module__}.{verb.__name__} to text({said(given)})", call


def question(r: Random) -> Any:
    return vf.Question(
        measure=r.choice(("RR", "OR", "MD", "SMD", "PLO", "ZCOR")),
        higher_is_worse=r.choice((True, False, None)),
        outcome=r.choice(("pain", "x\ny", "")),
    )


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = (
    (after, 0.06),
    (bayes_after, 0.02),
    (asked, 0.04),
    (whole, 0.04),
)
