"""A row made into an effect on one measure, with every conversion and every correction for the design of its trial in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from vfmeta.core.measures import CHANGE, EVENTS, MEANS, PREPOST, TIMES, Measure, row
from vfmeta.effects import intake
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.formulas.common import NO_CONTRAST, added, has_contrast
from vfmeta.effects.formulas.registry import compute
from vfmeta.effects.measured import measured
from vfmeta.effects.sheet import estimates
from vfmeta.effects.sheet.arms import Arm, mean_arm, name_of, shrunk, size
from vfmeta.effects.sheet.estimates import Scales
from vfmeta.effects.sheet.kinds import WORDS
from vfmeta.effects.sheet.sheet import Sheet
from vfmeta.text.numbers import short

Pair = tuple[float | None, float | None]


@dataclass(frozen=True)
class Options:
    """Choices of the caller that bear on every row."""

    trial_design: str = ""
    icc: float | None = None
    cluster_size: float | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class Made:
    """An effect: ``kind`` says of what, ``spread`` is the printed SDs behind it (for the look at slips)."""

    y: float
    v: float
    kind: str
    n: Pair = (None, None)
    events: Pair = (None, None)
    steps: tuple[str, ...] = ()
    size: float | None = None
    arms: tuple[Arm, Arm] | None = None
    made: dict[str, float] = field(default_factory=dict)


def design_of(sheet: Sheet, i: int, options: Options) -> str:
    """How a trial was laid out: "parallel", "cluster", "crossover" or "pre-post-control"."""
    said = sheet.text("trial_design", i).casefold() or options.trial_design
    if "cross" in said:
        return "crossover"
    if "clust" in said:
        return "cluster"
    if "pre" in said and "post" in said:
        return "pre-post-control"
    own = sheet.has(i, "design_effect") or sheet.has(i, "cluster_size") or sheet.has(i, "icc")
    return "cluster" if own or (not said and options.cluster_size is not None) else "parallel"


def design_effect(sheet: Sheet, i: int, options: Options) -> tuple[float, str]:
    """Variance inflation of a trial of clusters, and how it was found (Cochrane Handbook 23.1.4)."""
    if sheet.has(i, "design_effect"):
        effect, how = sheet.get("design_effect", i), "as given"
    else:
        m = sheet.get("cluster_size", i) if sheet.has(i, "cluster_size") else options.cluster_size
        icc = sheet.get("icc", i) if sheet.has(i, "icc") else options.icc
        if m is None or icc is None:
            lacks = " and ".join(x for x, v in (("cluster_size", m), ("icc", icc)) if v is None)
            raise Unusable(f"a trial of clusters needs {lacks}: say it, or fill in a column of that name")
        if m < 1 or not 0 <= icc <= 1:
            raise Unusable(f"clusters of {m:g} with an intracluster correlation of {icc:g} cannot be")
        effect, how = 1 + (m - 1) * icc, f"1 + ({m:g} - 1) x {icc:g}"
    if effect < 1:
        raise Unusable(f"a design effect of {effect:g} is below 1")
    return effect, f"design effect {short(effect, 4)} ({how})"


def make(sheet: Sheet, i: int, kinds: tuple[str, ...], measure: str, scales: Scales, options: Options) -> Made:
    """The effect of a row from the first of its kinds of data that gives one.

    Raises
    ------
    Unusable
        None of them does; the text says why the first does not.
    """
    design, why = design_of(sheet, i, options), ""
    facts, score = row(measure), sheet.text("score", i).casefold()
    order = kinds
    if "changes" in kinds and (design == "pre-post-control" or facts.kind == "before and after" or score.startswith("change")):
        order = ("changes", *(k for k in kinds if k not in ("changes", "means")))
    for kind in order:
        try:
            made = _of_kind(sheet, i, kind, facts, scales, options, design)
        except Unusable as error:
            why = why or f"{error}"
            continue
        if not (math.isfinite(made.y) and math.isfinite(made.v) and made.v > 0):
            why = why or f"the {facts.code} does not exist for these values{'; ' + facts.needs if facts.needs else ''}"
            continue
        return made if not why else replace(made, steps=(f"{WORDS[kind]} taken, as {why}", *made.steps))
    raise Unusable(why or "nothing in this row gives an effect")


def _of_kind(sheet: Sheet, i: int, kind: str, facts: Measure, scales: Scales, options: Options, design: str) -> Made:
    if kind in ("means", "changes"):
        return _means(sheet, i, kind, facts, options, design)
    if kind in ("events", "rates"):
        return _counts(sheet, i, kind, facts, options, design)
    if kind == "estimate":
        return _estimate(sheet, i, facts, scales, options, design)
    return _others(sheet, i, kind, facts, options)


def _means(sheet: Sheet, i: int, kind: str, facts: Measure, options: Options, design: str) -> Made:
    change = kind == "changes"
    if change and facts.kind == "before and after":
        return _changes_apart(sheet, i, facts, options)
    pair = [mean_arm(sheet, i, g, change, options.correlation) for g in ("1", "2")]
    if not change and sheet.text("score", i).casefold().startswith("change"):
        pair = [replace(a, kind="change") for a in pair]
    one, two = pair
    n: Pair = (one.n, two.n)
    steps = [*one.steps, *two.steps]
    if design == "crossover":
        y, v, more = _crossover(sheet, i, one, two, facts, options)
        return Made(y, v, one.kind, n, steps=(*steps, *more), arms=(one, two))
    if design == "cluster":
        effect, how = design_effect(sheet, i, options)
        one, two = shrunk(one, effect), shrunk(two, effect)
        steps.append(f"trial of clusters: sizes divided by the {how}")
    given = dict(zip(MEANS, (one.mean, one.sd, one.n, two.mean, two.sd, two.n), strict=True))
    names = next(x for x in facts.inputs if set(x) <= set(MEANS))
    y, v = _computed(facts, {x: given[x] for x in names})
    own = _measured(facts, {x: given[x] for x in names})
    return Made(y, v, one.kind, n, steps=tuple(steps), arms=(pair[0], pair[1]), made=own)


def _crossover(sheet: Sheet, i: int, one: Arm, two: Arm, facts: Measure, options: Options) -> tuple[float, float, list[str]]:
    """Both treatments in the same people: the difference has the variance of paired values.

    MD: ``(sd1^2 + sd2^2 - 2 r sd1 sd2) / n``; SMD: ``(1/n + g^2 / (2 n)) 2 (1 - r)`` (Elbourne et al. 2002; Cochrane Handbook
    23.2.7).
    """
    if facts.code not in ("MD", "SMD"):
        raise Unusable(f"a crossover trial gives an MD or SMD from means, no {facts.code}; give its estimate")
    r = next((x for x in (sheet.get("r", i),) if not math.isnan(x)), options.correlation)
    if r is None:
        raise Unusable("a crossover trial needs the correlation of both periods; say correlation=, or fill in a column r")
    if one.n != two.n:
        raise Unusable(f"a crossover trial has the same people in both periods, not {one.n:g} and {two.n:g}")
    said = f"crossover trial of {one.n:g} people: paired, with a correlation of {r:g}"
    if facts.code == "MD":
        return one.mean - two.mean, (one.sd**2 + two.sd**2 - 2 * r * one.sd * two.sd) / one.n, [said]
    y, _ = _computed(facts, dict(zip(MEANS, (one.mean, one.sd, one.n, two.mean, two.sd, two.n), strict=True)))
    return y, (1 / one.n + y**2 / (2 * one.n)) * 2 * (1 - r), [said]


def _changes_apart(sheet: Sheet, i: int, facts: Measure, options: Options) -> Made:
    """The change of each group on a measure of change, one less the other (Becker 1988; Morris and DeShon 2002)."""
    sides = [_change(sheet, i, g, facts, options) for g in ("1", "2")]
    (y1, v1, n1), (y2, v2, n2) = sides
    said = f"{facts.code} of each group, {short(y1, 4)} and {short(y2, 4)}, one less the other"
    return Made(y1 - y2, v1 + v2, "change", (n1, n2), steps=(said,))


def _change(sheet: Sheet, i: int, g: str, facts: Measure, options: Options) -> tuple[float, float, float]:
    n = size(sheet, i, g)
    r = next((x for x in (sheet.get(f"r{g}", i), sheet.get("r", i)) if not math.isnan(x)), options.correlation)
    given = {
        "mean_post": _first(sheet, i, f"mean_post{g}", f"mean{g}"), "sd_post": _first(sheet, i, f"sd_post{g}", f"sd{g}"),
        "mean_pre": sheet.get(f"mean_pre{g}", i), "sd_pre": sheet.get(f"sd_pre{g}", i), "n": n,
        "r": math.nan if r is None else r,
    }  # fmt: skip
    if CHANGE in facts.inputs and math.isnan(sum(given[x] for x in PREPOST)):
        arm = mean_arm(sheet, i, g, True, options.correlation)
        return (*_computed(facts, {"mean_change": arm.mean, "sd_change": arm.sd, "n": n}), n)
    names = facts.inputs[0]
    lacks = [x for x in names if math.isnan(given[x])]
    if lacks:
        raise Unusable(f"the {facts.code} of arm {name_of(sheet, g)} needs {', '.join(lacks)}")
    return (*_computed(facts, {x: given[x] for x in names}), n)


def _first(sheet: Sheet, i: int, *roles: str) -> float:
    return next((x for r in roles if not math.isnan(x := sheet.get(r, i))), math.nan)


def _counts(sheet: Sheet, i: int, kind: str, facts: Measure, options: Options, design: str) -> Made:
    names = TIMES if kind == "rates" else EVENTS
    e1, s1, e2, s2 = (sheet.get(x, i) for x in names)
    steps = [
        f"arm {name_of(sheet, g)}: {sheet.get(f'events{g}', i):g} events rebuilt from {sheet.get(f'_percent{g}', i):g}% of "
        f"{sheet.get(f'n{g}', i):g}"
        for g in ("1", "2") if sheet.has(i, f"_percent{g}")
    ]  # fmt: skip
    for e, s, g in ((e1, s1, "1"), (e2, s2, "2")):
        if e < 0 or s <= 0 or (kind == "events" and e > s):
            raise Unusable(f"{e:g} events of {s:g} in arm {name_of(sheet, g)} cannot be")
    n: Pair = (None, None) if kind == "rates" else (s1, s2)
    cells = (e1, s1, e2, s2)
    if design == "crossover":
        raise Unusable("counts of a crossover trial need its paired table; give its estimate instead")
    if design == "cluster":
        effect, how = design_effect(sheet, i, options)
        cells = (e1 / effect, s1 / effect, e2 / effect, s2 / effect)
        steps.append(f"trial of clusters: counts divided by the {how}")
    if facts.drop00 and not has_contrast(tuple(np.array([x]) for x in cells), kind == "rates").all():
        raise Unusable(NO_CONTRAST)
    rule = intake.zero_rule(facts, None, None, 0.5, None)
    zero = 0 in (e1, e2) or (kind == "events" and (e1 == s1 or e2 == s2))
    if zero and rule.to != "none":
        steps.append(added(facts.in_estimate))
    given = dict(zip(names, cells, strict=True))
    y, v = _computed(facts, given)
    return Made(y, v, "count", n, (e1, e2), tuple(steps), made=_measured(facts, given))


def _estimate(sheet: Sheet, i: int, facts: Measure, scales: Scales, options: Options, design: str) -> Made:
    n = tuple(None if math.isnan(x) else x for x in (sheet.get("n1", i), sheet.get("n2", i)))
    events = tuple(None if math.isnan(x) else x for x in (sheet.get("events1", i), sheet.get("events2", i)))
    df = n[0] + n[1] - 2 if facts.on_scale and n[0] and n[1] and n[0] + n[1] > 2 else None
    y, v, steps = estimates.effect(sheet, i, facts.code, scales, df)
    own = sheet.has(i, "design_effect") or (sheet.has(i, "cluster_size") and sheet.has(i, "icc"))
    if design == "cluster" and own:
        effect, how = design_effect(sheet, i, options)
        v *= effect
        steps = [*steps, f"trial of clusters: variance multiplied by the {how}"]
    kind = "change" if sheet.text("score", i).casefold().startswith("change") else "estimate"
    return Made(y, v, kind, (n[0], n[1]), (events[0], events[1]), tuple(steps))


def _others(sheet: Sheet, i: int, kind: str, facts: Measure, options: Options) -> Made:
    n1, n2, n = (sheet.get(x, i) for x in ("n1", "n2", "n"))
    both: Pair = (None if math.isnan(n1) else n1, None if math.isnan(n2) else n2)
    if kind in ("d", "t"):
        if math.isnan(n1 + n2):
            raise Unusable(f"{kind} needs the sizes of both groups")
        y, v = _computed(facts, {kind: sheet.get(kind, i), "n1": n1, "n2": n2})
        return Made(y, v, "standardised", both, steps=(f"from {'Cohen’s d' if kind == 'd' else 't'} and both sizes",))
    if kind == "oe":
        oe, v = sheet.get("oe", i), sheet.get("oe_v", i)
        if v <= 0:
            raise Unusable("the variance of O-E is not above 0")
        y, v = oe / v, 1 / v
        return Made(y, v, "survival", both, steps=("log ratio (O-E) / V with variance 1 / V",))
    if kind == "logrank":
        return _logrank(sheet, i, facts, both)
    if kind == "r":
        y, v = _computed(facts, {"r": sheet.get("r", i), "n": n})
        return Made(y, v, "correlation", (n, None))
    if kind == "change":
        y, v, n = _change(sheet, i, "", facts, options)
        return Made(y, v, "change", (n, None))
    if kind == "mean":
        arm = mean_arm(sheet, i, "", False, options.correlation)
        given = {"mean": arm.mean, "sd": arm.sd, "n": arm.n}
        y, v = _computed(facts, {x: given[x] for x in facts.columns})
        return Made(y, v, "final", (arm.n, None), steps=arm.steps)
    events, base = sheet.get("events", i), sheet.get("time" if kind == "rate" else "n", i)
    if events < 0 or base <= 0 or (kind == "count" and events > base):
        raise Unusable(f"{events:g} events of {base:g} cannot be")
    counted = {"events": events, "time" if kind == "rate" else "n": base}
    y, v = _computed(facts, counted)
    sized, size_of = base if facts.scale.sized else None, None if kind == "rate" else base
    return Made(y, v, "count", (size_of, None), (events, None), size=sized, made=_measured(facts, counted))


def _logrank(sheet: Sheet, i: int, facts: Measure, n: Pair) -> Made:
    word = sheet.text("direction", i).casefold()
    signs = {"-1": -1, "-1.0": -1, "1": 1, "+1": 1, "1.0": 1, "experimental": -1, "control": 1}
    sign = signs.get(
        word, -1 if word == sheet.roles.sides[0].casefold() else 1 if word == sheet.roles.sides[1].casefold() else 0
    )
    if not sign:
        raise Unusable("a log-rank p value does not say which way; a column direction does: -1 or the better arm")
    if sheet.text("p_operator", i) in ("<", ">"):
        raise Unusable("a bound on a log-rank p value gives no hazard ratio; give the exact p")
    p, e1, e2 = sheet.get("p", i), sheet.get("events1", i), sheet.get("events2", i)
    given = {"p": sign * p, "events1": e1, "events2": e2}
    how = "the events of both arms"
    if n[0] and n[1]:
        given = {"p": sign * p, "events": e1 + e2, "n1": n[0], "n2": n[1]}
        how = "all events and the sizes of both arms"
    if not 0 < p < 1 or e1 < 0 or e2 < 0 or e1 + e2 <= 0:
        raise Unusable(f"a log-rank p of {p:g} with {e1:g} and {e2:g} events gives no hazard ratio")
    y, v = _computed(facts, given)
    return Made(y, v, "survival", n, (e1, e2), (f"log hazard ratio from the log-rank p = {p:g} and {how} (Parmar 1998)",))


def _measured(facts: Measure, given: dict[str, float]) -> dict[str, float]:
    """What the limits of the study alone are made from."""
    found = measured(facts.code, {name: np.array([x], dtype=float) for name, x in given.items()}, facts.vtypes[0])
    return {name: float(x[0]) for name, x in found.items()}


def _computed(facts: Measure, given: dict[str, float]) -> tuple[float, float]:
    """One effect by the formulas of `vfmeta.effect_size`."""
    rule = intake.zero_rule(facts, None, None, 0.5, None)
    y, v = compute(facts, {name: np.array([x]) for name, x in given.items()}, vtype=facts.vtypes[0], correct=True, zero=rule)
    return float(y[0]), float(v[0])
