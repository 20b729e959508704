"""Imprecision: thresholds inside the interval, and the optimal information size where there are none."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from vfmeta.appraisal.grade.body import Body, names, percent
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.core.question import Pair
from vfmeta.kernels.information_size import of_means, of_risks
from vfmeta.results.certainty import Domain
from vfmeta.text import numbers as tx
from vfmeta.text.box import treated_risk

_NAME = "imprecision"


def precision(body: Body, inconsistency: int | None) -> Domain:
    """The domain of imprecision.

    An interval that is wide because trials differ was marked down as inconsistency: what it crosses by that alone does not
    count a second time.
    """
    marks = body.marks
    if marks.null is None:
        return Domain(
            name=_NAME, suggestion=None, short="not judged (no threshold)",
            sentence="Not judged: nothing means no difference for this measure, so that there is no threshold to hold the "
            "interval against; state no_difference= or mid= with the question.",
        )  # fmt: skip
    crosses = crossed_words(body, body.fit.estimate, body.interval)
    said, keys = [f"{_effect(body)}; thresholds: {marks.basis}."], list(marks.keys)
    crossed = levels_down(body, body.fit.estimate, body.interval)
    if crossed and inconsistency:
        own = _sampling(body)
        again = levels_down(body, body.fit.estimate, own)
        if again > crossed:
            span = tx.interval_text(body.question, own)
            said.append(
                f"The interval crosses {crosses}; with sampling error alone it is {span}, and what tau2 "
                "adds was marked down as inconsistency and does not count again."
            )
            crossed = again
            if crossed:
                said.append(f"That still crosses {crossed_words(body, body.fit.estimate, own)}.")
        else:
            said.append(f"The interval crosses {crosses}, with sampling error alone as well.")
    elif crossed:
        said.append(f"The interval crosses {crosses}.")
    else:
        said.append("The interval crosses no threshold.")
    if crossed:
        keys.append("crossed_once" if crossed == -1 else "crossed_appreciably")
    elif body.fit.excludes_null:
        crossed, size, used = _size(body)
        said.append(size)
        keys += used
    return Domain(name=_NAME, suggestion=crossed, short="computed", sentence=" ".join(said), thresholds=tuple(keys))


def levels_down(body: Body, estimate: float, interval: Pair) -> int:
    """Levels down for what an interval crosses, seen from where the estimate lies."""
    marks, (low, high) = body.marks, interval
    inside = [x for x in marks.every if low < x < high]
    place = marks.place(estimate)
    if marks.low is None or marks.high is None:
        return int(limit("crossed_once")) if inside else 0
    if place == 0:
        inside = [x for x in inside if x != marks.null]  # little or no difference is what is found
    if not inside:
        return 0
    return int(limit("crossed_appreciably" if len(inside) > 1 else "crossed_once"))


def crossed_words(body: Body, estimate: float, interval: Pair) -> str:
    """The thresholds that an interval crosses, in words."""
    marks, (low, high) = body.marks, interval
    inside = [x for x in marks.every if low < x < high]
    if marks.low is not None and marks.high is not None and marks.place(estimate) == 0:
        inside = [x for x in inside if x != marks.null]
    return " and ".join(body.mark(x) for x in inside)


def _sampling(body: Body) -> Pair:
    """The interval of the mean if trials differed by sampling error alone, around the same estimate."""
    se = 1 / math.sqrt(float(np.nansum(1 / np.asarray(body.fit.v, dtype=float))))
    half = NormalDist().inv_cdf(0.5 + body.fit.level / 2) * se
    # no wider than the interval itself
    low, high = body.fit.estimate - half, body.fit.estimate + half
    return max(low, body.interval[0]), min(high, body.interval[1])


def _effect(body: Body) -> str:
    q, fit = body.question, body.fit
    text = f"{tx.measure_text(q)} {tx.effect_text(q, fit.estimate, body.interval)}"
    if body.baseline is None or q.measure not in ("RR", "OR", "HR", "RD"):
        return text
    per = [
        1000 * (treated_risk(q.measure, body.baseline, q.display(x)) - body.baseline) for x in (fit.estimate, *body.interval)
    ]
    shown = [tx.number(x, 0) for x in per]
    more = f"{shown[0]} ({shown[1]} to {shown[2]}) of 1,000 people"
    return f"{text}, that is {more} at a risk of {percent(body.baseline)} without it ({body.baseline_from})"


def _size(body: Body) -> tuple[int, str, tuple[str, ...]]:
    """Levels down for too few people, with the sentence and the thresholds used."""
    q, marks = body.question, body.marks
    unknown = [x for x, n in zip(body.labels, body.people, strict=True) if math.isnan(n)]
    used: tuple[str, ...] = ("ois_alpha", "ois_power", "ois_far")
    if q.compares_ratios:
        used += ("large_ratio", "ois_reduction")
        large = limit("large_ratio")
        if abs(body.fit.estimate - (marks.null or 0.0)) <= abs(math.log(large)):
            said = (
                f"The effect is not large (beyond {large:g} or {1 / large:.2f}), so that the number of people is not asked for."
            )
            return 0, said, ("large_ratio",)
    if unknown:
        return 0, f"The optimal information size was not asked for: how many people {names(unknown)} held is not known.", ()
    needed, why = _needed(body)
    if needed is None:
        return 0, f"The optimal information size was not asked for: {why}.", ()
    people = float(body.people.sum())
    share = people / needed
    down = 0 if share >= 1 else -2 if share < limit("ois_far") else -1
    said = f"{people:,.0f} people are {percent(share)} of the optimal information size of {needed:,.0f} ({why})"
    return down, said + (f"; less than {percent(limit('ois_far'))} is far from it." if down == -2 else "."), used


def _needed(body: Body) -> tuple[float | None, str]:
    q, marks = body.question, body.marks
    errors = limit("ois_alpha"), limit("ois_power")
    if q.measure in ("RR", "OR", "HR"):
        if body.baseline is None:
            return None, "the risk without the treatment is not known"
        cut = limit("ois_reduction")
        needed = of_risks(body.baseline, body.baseline * (1 - cut), *errors)
        return needed, f"a relative reduction of {percent(cut)} of a risk of {percent(body.baseline)}"
    if marks.low is None or marks.high is None or marks.null is None:
        return None, "no smallest important difference is stated"
    delta = min(abs(marks.low - marks.null), abs(marks.high - marks.null))
    if q.measure == "RD":
        if body.baseline is None or body.baseline <= delta:
            return None, "the risk without the treatment is not known"
        return of_risks(body.baseline, body.baseline - delta, *errors), f"a difference of {1000 * delta:.0f} of 1,000 people"
    sd = 1.0 if q.measure == "SMD" else _sd(body)
    if q.measure not in ("MD", "SMD") or sd is None:
        return None, "how people vary is not known"
    told = "" if q.measure == "SMD" else f", if people vary as those of these trials do (SD {tx.short(sd, 2)})"
    return of_means(sd, delta, *errors), f"a difference of {tx.short(delta, 3)}{told}"


def _sd(body: Body) -> float | None:
    """The standard deviation of people that the standard errors of differences imply, weighted by people."""
    n = [
        np.array([np.nan if d.get(x) is None else d[x] for d in body.fit.details or [{}] * body.k], dtype=float)
        for x in ("n_experimental", "n_control")
    ]
    sd = np.sqrt(np.asarray(body.fit.v, dtype=float) / (1 / n[0] + 1 / n[1]))
    known = np.isfinite(sd)
    return float(np.average(sd[known], weights=body.people[known])) if known.all() else None
