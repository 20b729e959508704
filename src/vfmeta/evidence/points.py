"""What a difference in standard deviations means in points of a scale, and how likely benefits of several sizes are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core import measures
from vfmeta.core.messages import InputError
from vfmeta.effects.compare.comparison import compare, threshold_of
from vfmeta.text import numbers as tx
from vfmeta.text.answer import chances, finding, verdict

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question
    from vfmeta.effects.table import EffectTable
    from vfmeta.evidence.plan import Analysis, Plan
    from vfmeta.evidence.records import Record
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult
    from vfmeta.trials import Trials

    Result = FrequentistResult | BayesianResult

#: sizes of a benefit in points of 0-10 that pages give probabilities for
SIZES = (0.5, 1.0, 1.5, 2.0)
NO_POINTS = "No trial of this comparison prints what would carry standard deviations to points at this time."


@dataclass(frozen=True)
class InPoints:
    """A difference in standard deviations as one in points, the standard deviation taken as known."""

    question: Question
    estimate: float
    interval: Pair
    wider_interval: Pair
    p_benefit: float | None
    p_benefit_mid: float | None
    k: int


def in_points(result: Result, found: dict[str, Any] | None) -> Result | InPoints:
    """What the rule of three states judges: limits in points where ``found`` (`spreads_of`) carries them, else ``result``."""
    if found is None or result.question.measure != "SMD":
        return result
    sd: float = found["sd"]
    low_end, high_end = found["points"]
    q = replace(
        result.question, measure="MD", points=(low_end, high_end), mid=found["mid"], mid_source=found["mid_source"],
        no_difference=None,
    )  # fmt: skip
    (low, high), (least, most) = result.interval, result.wider_interval
    any_, beyond = getattr(result, "p_benefit", None), None
    if any_ is not None and (place := q.mid_effect()) is not None:
        beyond = _beyond(result, place / sd, -1.0 if q.higher_is_worse else 1.0)
    return InPoints(q, sd * result.estimate, (sd * low, sd * high), (sd * least, sd * most), any_, beyond, result.k)


def told(result: Result, found: dict[str, Any] | None, *, likely: bool = False) -> str:
    """An effect in words with what follows from it; in points where it is carried to them, and ``likely`` its probabilities."""
    judged = in_points(result, found)
    odds = chances(judged) if likely and hasattr(judged, "p_benefit") else ""
    if not isinstance(judged, InPoints):
        return f"{finding(result)}{verdict(judged)}.{odds}"
    low_end, high_end = judged.question.points or (0, 10)
    scale = f"{low_end:g} to {high_end:g}, the standard deviation taken as known,"
    carried = f"{tx.effect_text(judged.question, judged.estimate, judged.interval)} points"
    return f"{finding(result)}. Carried to {scale} that is {carried}{verdict(judged)}.{odds}"


def spreads_of(
    trials: Trials, plan: Plan, analysis: Analysis, table: EffectTable, choices: dict[str, Any]
) -> dict[str, Any] | None:
    """The SD within arms, in points of ``choices["points"]``, by which an SMD is carried to points, with the threshold there.

    It is that of final scores which trials of the comparison print inside the window, pooled by degrees of freedom. Where none
    prints one it is the SD that the printed differences in points imply, SE / sqrt(1/n1 + 1/n2); None where there is neither.
    """
    points = choices.get("points")
    if points is None:
        return None
    kind, found = "printed", _printed(trials, plan, table, choices, analysis.outcome)
    if not found:
        kind, found = "implied", _implied(trials, plan, choices, analysis.outcome)
    if not found:
        return None
    mid, source = (None, "") if analysis.mid_from is None else threshold_of(trials, analysis.mid_from, points)
    sd = np.array([x["sd"] for x in found])
    df = np.array([x["df"] for x in found])
    return {
        "points": list(points),
        "mid": mid,
        "mid_source": source,
        "kind": kind,
        "trials": found,
        "sd": math.sqrt(float(df @ sd**2 / df.sum())),
        "low": float(sd.min()),
        "high": float(sd.max()),
    }


def _printed(trials: Trials, plan: Plan, table: EffectTable, choices: dict[str, Any], outcome: str) -> list[dict[str, Any]]:
    """One SD a trial: of the final scores of its arms, at the visit nearest to the target week."""
    sides = set(trials.interventions_in(list(plan.experimental))) | set(trials.interventions_in(list(plan.control)))
    arms = {(study, arm) for study, arm, given, _ in trials.arm_list if given in sides}
    out = []
    for study in dict.fromkeys([*(e.study_id for e in table), *(x.study_id for x in table.left_out)]):
        rows = [
            f
            for f in trials.figures.get(("outcomes_continuous", study, outcome), [])
            if (study, f.arm_id) in arms and _usable(f, choices) and ("outcomes_continuous", f.row_id) not in trials.slips
        ]
        if not rows:
            continue
        week = min((f.week for f in rows), key=lambda w: (abs(w - (choices.get("week") or w)), -w))
        at = [f for f in rows if f.week == week]
        width = choices["points"][1] - choices["points"][0]
        squares = [(f.n - 1) * (f.sd * width / (f.high_end - f.low_end)) ** 2 for f in at]
        df = sum(f.n - 1 for f in at)
        out.append({"label": trials.labels[study], "sd": math.sqrt(sum(squares) / df), "df": df})
    return out


def _usable(f: Any, choices: dict[str, Any]) -> bool:
    low, high = choices.get("window", (0.0, math.inf))
    whole = None not in (f.sd, f.n, f.low_end, f.week)
    return (
        whole
        and f.value_type == "final"
        and f.use in ("pool", "sensitivity")
        and f.n > 1
        and low <= f.week <= high
        and f.week > 0
    )


def _implied(trials: Trials, plan: Plan, choices: dict[str, Any], outcome: str) -> list[dict[str, Any]]:
    """One SD a trial, from the standard error of its difference in points and the sizes of its arms."""
    kept = {k: v for k, v in choices.items() if k in ("week", "window", "points", "design", "exclude_studies", "background")}
    try:
        table = compare(trials, plan.experimental, plan.control, outcome=outcome, measure="MD", **kept)
    except InputError:  # scales that run both ways: nothing to carry
        return []
    out = []
    for e in table:
        one, two = e.n
        if one and two and one + two > 2:
            out.append({"label": e.label, "sd": math.sqrt(e.v / (1 / one + 1 / two)), "df": one + two - 2})
    return out


def short(record: Record) -> str:
    """The leading result of an SMD in points, as a sentence; empty where no SD is known."""
    found = record.data.get("points")
    result = record.posterior or record.frequentist
    if not found or result is None:
        return ""
    return f"Carried to {_scale(found)} that is {_span(result.estimate, result.interval, found['sd'])}."


def said(record: Record) -> list[str]:
    """What carrying an SMD to points rests on, and the probabilities of benefits of several sizes."""
    out: list[str] = []
    found, result = record.data.get("points"), record.posterior or record.frequentist
    if found and result is not None:
        names = ", ".join(f"{x['label']} {x['sd']:.2f}" for x in found["trials"])
        whence = f"that of the final scores that trials of this comparison print at this time ({names}), by degrees of freedom"
        if found["kind"] == "implied":
            whence = (
                f"the one that the printed differences in points imply ({names}); no trial of this comparison prints one then"
            )
        out += [
            f"{short(record)} The standard deviation is {found['sd']:.2f} points, {whence}.",
            f"{_extremes(result, found)}The intervals take the standard deviation as known. "
            "The source does not tell final scores from changes.",
        ]
    elif record.question.measure == "SMD" and record.k > 1 and "points" in record.data["analysis"]:
        out.append(NO_POINTS)
    return out + thresholds(record)


def _extremes(result: Result, found: dict[str, Any]) -> str:
    """The result by the smallest and by the largest of several SDs; nothing of one."""
    if len(found["trials"]) == 1:
        return ""
    low, high = (_span(result.estimate, result.interval, found[end]) for end in ("low", "high"))
    return f"With the smallest of these it is {low}, with the largest {high}. "


def carried(record: Record, estimate: float, interval: Pair | None = None) -> str:
    """An effect in standard deviations as points of the record's scale; empty where nothing carries it."""
    found = record.data.get("points")
    if not found:
        return ""
    if interval is None:
        return f"{estimate * found['sd']:.2f} points".replace("-", tx.MINUS)
    return _span(estimate, interval, found["sd"])


def thresholds(record: Record) -> list[str]:
    """Probabilities of a benefit beyond 0.5, 1, 1.5 and 2 points of 0-10; none for other scales or without a direction."""
    post, q, found = record.posterior, record.question, record.data.get("points")
    if post is None or q.higher_is_worse is None or not len(post.grid):
        return []
    if found and tuple(found["points"]) == (0, 10):
        unit = found["sd"]
    elif measures.row(q.measure).on_scale and q.points is not None and tuple(q.points) == (0, 10):
        unit = 1.0
    else:
        return []
    sign = -1.0 if q.higher_is_worse else 1.0
    chances = ", ".join(_percent(_beyond(post, sign * size / unit, sign)) for size in SIZES)
    sizes = ", ".join(f"{size:g}" for size in SIZES[:-1]) + f" and {SIZES[-1]:g}"
    return [f"Probabilities that the mean benefit exceeds {sizes} points of 0 to 10: {chances}."]


def _beyond(post: Any, at: float, sign: float) -> float:
    """P(mu beyond ``at``) on the side of ``sign``, from the density traced between quantiles alike far from both ends."""
    from scipy.interpolate import CubicSpline

    traced = CubicSpline(post.grid, post.density).antiderivative()
    outside = max(1.0 - float(traced(post.grid[-1])), 0.0) / 2
    below = outside + float(traced(np.clip(at, post.grid[0], post.grid[-1])))
    return below if sign < 0 else 1 - below


def _percent(p: float) -> str:
    return "below 1%" if p < 0.01 else "above 99%" if p > 0.99 else f"{p:.0%}"


def _span(estimate: float, interval: Pair, sd: float) -> str:
    low, high = (x * sd for x in interval)
    return f"{estimate * sd:.2f} ({low:.2f} to {high:.2f}) points".replace("-", tx.MINUS)


def _scale(found: dict[str, Any]) -> str:
    low, high = found["points"]
    return f"{low:g} to {high:g}"
