"""One side of a comparison from arm-level rows: its size with mean and SD, or with events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from vfmeta.effects import events, means, recover
from vfmeta.effects.options import Options
from vfmeta.effects.published import Unusable

ArmSize = Callable[[str, str], float | None]


@dataclass(frozen=True)
class Arm:
    """One arm, or several seen as one."""

    arm: str
    n: float
    mean: float = math.nan
    sd: float = math.nan
    events: float | None = None
    steps: tuple[str, ...] = ()


def means_of(rows: list[Any], options: Options, size: ArmSize) -> list[Arm]:
    """Arms with means, SDs recovered and changes turned to post minus pre."""
    return [_mean_arm(row, options, size) for row in rows]


def counts_of(rows: list[Any], options: Options, size: ArmSize) -> list[Arm]:
    """Arms with events and totals."""
    arms = []
    for row in rows:
        if row.events is None and not (options.counts_from_percent and row.percent is not None):
            raise Unusable(f"no count is printed for arm {row.arm_id}")
        n, steps = _n(row, row.total, options, size)
        count = row.events
        if count is None:
            count = round(row.percent / 100 * n)
            steps.append(f"arm {row.arm_id}: {count} events rebuilt from {row.percent:g}% of {n:g}")
        if count > n:
            raise Unusable(f"more events than patients in arm {row.arm_id}")
        arms.append(Arm(row.arm_id, n, events=float(count), steps=tuple(steps)))
    return arms


def arms_against(experimental: list[Arm], control: list[Arm], multi_arm: str) -> Iterator[tuple[Arm, Arm, list[str]]]:
    """Pairs to compare: all arms of a side combined, or each experimental arm against its share of the control arm."""
    if multi_arm == "combine":
        e, c = combined(experimental), combined(control)
        yield e, c, [*e.steps, *c.steps]
        return
    c = combined(control)
    share = len(experimental)
    for e in experimental:
        steps = [*e.steps, *c.steps]
        if share > 1:
            steps.append(f"control arm split in {share} because it serves {share} comparisons")
        yield e, replace(c, n=c.n / share, events=None if c.events is None else c.events / share), steps


def combined(arms: list[Arm]) -> Arm:
    """Several arms seen as one."""
    if len(arms) == 1:
        return arms[0]
    name = "+".join(a.arm for a in arms)
    steps = (*(s for a in arms for s in a.steps), f"arms {name} combined")
    if arms[0].events is not None:
        return Arm(name, sum(a.n for a in arms), events=sum(a.events or 0 for a in arms), steps=steps)
    n, mean, sd = recover.combine_arms([a.n for a in arms], [a.mean for a in arms], [a.sd for a in arms])
    return Arm(name, n, mean, sd, steps=steps)


def difference(e: Arm, c: Arm, measure: str) -> tuple[float, float]:
    """MD or SMD of two arms and its variance."""
    make = means.mean_difference if measure == "MD" else means.standardised_mean_difference
    y, v = make(e.mean, e.sd, e.n, c.mean, c.sd, c.n)
    return float(y), float(v)


def comparison_of_counts(e: Arm, c: Arm, measure: str, zero: str) -> tuple[float, float, list[str]]:
    """RR, OR or RD of two arms and its variance, with the zero rule."""
    table = (e.events or 0.0, e.n, c.events or 0.0, c.n)
    if measure != "RD" and bool(events.uninformative(*table)):
        raise Unusable("no events in either arm, or events in everybody: a ratio cannot be formed (the risk difference keeps the trial)")
    make = {"RR": events.log_risk_ratio, "OR": events.log_odds_ratio, "RD": events.risk_difference}[measure]
    steps = []
    if 0 in (table[0], table[2], table[1] - table[0], table[3] - table[2]):
        if zero == "none":
            raise Unusable("a zero cell, and the plan allows no correction")
        steps.append("0.5 added to every cell of the table because one is zero" + (" (in the variance only)" if measure == "RD" else ""))
    y, v = make(*table, zero=zero)
    return float(y), float(v), steps


def _mean_arm(row: Any, options: Options, size: ArmSize) -> Arm:
    n, steps = _n(row, row.n, options, size)
    mean, sd, more = _mean_sd(row, n)
    steps += more
    if row.change_sign == "improvement_positive":
        if row.worse is None:
            raise Unusable("improvement is printed as positive, but the direction of the instrument is unknown")
        if row.worse:
            mean = -mean
            steps.append(f"arm {row.arm_id}: improvement turned to change (after minus before)")
    return Arm(row.arm_id, n, mean, sd, steps=tuple(steps))


def _n(row: Any, printed: Any, options: Options, size: ArmSize) -> tuple[float, list[str]]:
    if printed is not None:
        return float(printed), []
    n = size(row.study_id, row.arm_id)
    if options.n_missing == "randomised" and n:
        return n, [f"arm {row.arm_id}: number analysed not printed, number randomised ({n:g}) used"]
    raise Unusable(f"the number analysed in arm {row.arm_id} is not printed")


def _mean_sd(row: Any, n: float) -> tuple[float, float, list[str]]:
    x = {c: math.nan if getattr(row, c) is None else float(getattr(row, c)) for c in
         ("mean", "sd", "se", "ci_low", "ci_high", "ci_level", "median", "q1", "q3", "range_low", "range_high")}  # fmt: skip
    has = {c: not math.isnan(value) for c, value in x.items()}
    arm = f"arm {row.arm_id}"
    if has["mean"] and has["sd"]:
        return x["mean"], x["sd"], []
    if has["mean"] and has["se"]:
        sd = float(recover.sd_from_se(x["se"], n))
        return x["mean"], sd, [f"{arm}: SD {sd:.4g} from the standard error"]
    if has["mean"] and has["ci_low"] and has["ci_high"]:
        sd = float(recover.sd_from_ci(x["ci_low"], x["ci_high"], n, x["ci_level"] / 100))
        return x["mean"], sd, [f"{arm}: SD {sd:.4g} from the {x['ci_level']:g}% interval of the mean"]
    quartiles, ends = has["median"] and has["q1"] and has["q3"], has["median"] and has["range_low"] and has["range_high"]
    if quartiles and ends:
        mean, sd = recover.from_five_numbers(x["median"], x["q1"], x["q3"], x["range_low"], x["range_high"], n)
        how = "five-number summary"
    elif quartiles:
        mean, sd = recover.from_quartiles(x["median"], x["q1"], x["q3"], n)
        how = "median and quartiles"
    elif ends:
        mean, sd = recover.from_range(x["median"], x["range_low"], x["range_high"], n)
        how = "median and range"
    else:
        raise Unusable(f"no spread is printed for {arm}")
    return float(mean), float(sd), [f"{arm}: mean {mean:.4g} and SD {sd:.4g} from {how} (Luo 2018, Wan 2014)"]
