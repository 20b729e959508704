"""One side of a comparison from arm-level rows: its size with mean and SD, or with events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.convert import printed as recover
from vfmeta.convert.combine import combine_groups
from vfmeta.core.measures import row as facts_of
from vfmeta.effects.compare.options import Options
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.formulas import FORMULAS, ZeroRule
from vfmeta.effects.formulas.common import NO_CONTRAST, added, has_contrast
from vfmeta.effects.measured import measured
from vfmeta.text.numbers import short

# Flags on a figure whose spread is not to be trusted for another one.
DOUBTFUL = frozenset({"sd_probably_se", "implausible_spread", "disagreement", "unit_doubtful", "superseded"})
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


def means_of(rows: list[Any], options: Options, size: ArmSize, study: list[Any]) -> list[Arm]:
    """Arms with means, SDs recovered and changes turned to after minus before; ``study`` is all it prints on the outcome."""
    return [_mean_arm(row, options, size, study) for row in rows]


def changes_of(rows: list[Any], options: Options, size: ArmSize, study: list[Any]) -> list[Arm]:
    """Arms with changes made from their finals and their baselines with the stated correlation."""
    arms = []
    for row in rows:
        n, steps = size_of(row, options, size)
        mean, sd, more = mean_sd(row, n)
        before, spread, said = _before(row, options, size, study)
        change, sd = mean - before, float(recover.change_sd(spread, sd, options.correlation or 0.0))
        made = f"change {short(change, 4)} from final less baseline, SD {short(sd, 4)}"
        how = f"{made} from both SDs and the stated correlation {options.correlation:g}"
        arms.append(Arm(row.arm_id, n, change, sd, steps=(*steps, *more, *said, f"arm {row.arm_id}: {how}")))
    return arms


def counts_of(rows: list[Any], options: Options, size: ArmSize) -> list[Arm]:
    """Arms with events and totals."""
    arms = []
    for row in rows:
        if row.events is None and not (options.counts_from_percent and row.percent is not None):
            raise Unusable(f"no count is printed for arm {row.arm_id}")
        n, steps = _n(row, row.total, options, size)
        if n < 1:
            raise Unusable(f"no patient in arm {row.arm_id}")
        count = row.events
        if count is None:
            count = round(row.percent / 100 * n)
            steps.append(f"arm {row.arm_id}: {count} events rebuilt from {row.percent:g}% of {n:g}")
        if count > n:
            raise Unusable(f"more events than patients in arm {row.arm_id}")
        arms.append(Arm(row.arm_id, n, events=float(count), steps=tuple(steps)))
    return arms


def arms_against(experimental: list[Arm], control: list[Arm], multi_arm: str) -> Iterator[tuple[Arm, Arm, list[str]]]:
    """Pairs to compare: all arms of a side combined, or each experimental arm against the control arm or its share of it."""
    c = combined(control)
    if multi_arm == "combine":
        e = combined(experimental)
        yield e, c, [*e.steps, *c.steps]
        return
    share = len(experimental)
    for i, e in enumerate(experimental, start=1):
        steps = [*e.steps, *c.steps]
        if share == 1 or multi_arm == "each":
            yield e, c, steps
            continue
        steps.append(f"control arm split in {share} because it serves {share} comparisons")
        part = replace(c, arm=f"{c.arm}/{i}", n=c.n / share, events=None if c.events is None else c.events / share)
        yield e, part, steps


def combined(arms: list[Arm]) -> Arm:
    """Several arms seen as one."""
    if len(arms) == 1:
        return arms[0]
    name = "+".join(a.arm for a in arms)
    steps = (*(s for a in arms for s in a.steps), f"arms {name} combined")
    if arms[0].events is not None:
        return Arm(name, sum(a.n for a in arms), events=sum(a.events or 0 for a in arms), steps=steps)
    n, mean, sd = combine_groups([a.n for a in arms], [a.mean for a in arms], [a.sd for a in arms])
    return Arm(name, n, mean, sd, steps=steps)


def difference(e: Arm, c: Arm, measure: str) -> tuple[float, float]:
    """MD or SMD of two arms and its variance."""
    y, v = FORMULAS[measure][0](e.mean, e.sd, e.n, c.mean, c.sd, c.n)
    return float(y), float(v)


def variances(e: Arm, c: Arm, measure: str, zero: str = "none") -> tuple[float, float]:
    """What each arm adds to the variance of an MD, SMD (but for that of its SD), RR, OR or RD; they add up to it."""
    if facts_of(measure).kind == "means":
        one, two = (a.sd**2 / a.n if facts_of(measure).on_scale else 1 / a.n for a in (e, c))
        return one, two
    events1, n1, events2, n2 = _table(e, c)
    a, b, g, h = (float(x) for x in _rule(measure, zero).apply(events1, n1 - events1, events2, n2 - events2))
    if measure == "RR":
        return 1 / a - 1 / (a + b), 1 / g - 1 / (g + h)
    if measure == "OR":
        return 1 / a + 1 / b, 1 / g + 1 / h
    return a * b / (a + b) ** 3, g * h / (g + h) ** 3


def measured_of(e: Arm, c: Arm, measure: str) -> dict[str, float]:
    """What the limits of the trial alone are made from."""
    arms = {"1": e, "2": c}
    if e.events is None or c.events is None:
        columns = {f"{name}{i}": np.array([getattr(a, name)]) for i, a in arms.items() for name in ("mean", "sd", "n")}
    else:
        columns = {f"{name}{i}": np.array([getattr(a, name)], float) for i, a in arms.items() for name in ("events", "n")}
    return {name: float(x[0]) for name, x in measured(measure, columns, "LS").items()}


def comparison_of_counts(e: Arm, c: Arm, measure: str, zero: str) -> tuple[float, float, list[str]]:
    """RR, OR or RD of two arms and its variance, with the zero rule."""
    table = _table(e, c)
    if facts_of(measure).drop00 and not has_contrast(table, rates=False):
        raise Unusable(NO_CONTRAST)
    steps = []
    if 0 in (table[0], table[2], table[1] - table[0], table[3] - table[2]):
        if zero == "none":
            raise Unusable("a zero cell, and the plan allows no correction")
        steps.append(added(facts_of(measure).in_estimate))
    y, v = FORMULAS[measure][0](*table, zero=_rule(measure, zero))
    return float(y), float(v), steps


def _table(e: Arm, c: Arm) -> tuple[np.ndarray, ...]:
    """Events and patients of both arms."""
    return tuple(np.asarray(x, dtype=float) for x in (e.events or 0.0, e.n, c.events or 0.0, c.n))


def _rule(measure: str, zero: str) -> ZeroRule:
    """The zero rule; a risk difference exists as counted, and only its variance is corrected."""
    return ZeroRule(add=0.5, to=zero, in_estimate=facts_of(measure).in_estimate)


def companion(row: Any, study: list[Any], *, baseline: bool) -> Any | None:
    """The baseline, or the final of the same time, of the arm a figure belongs to; None where none with a spread is printed.

    A baseline is never an outcome, so its ``use`` says nothing here; a figure that is flagged doubtful gives no SD.
    """
    found = [
        f
        for f in study
        if f.arm_id == row.arm_id and f.instrument_id == row.instrument_id and f.definition == row.definition
        and f.value_type == "final" and (f.low_end, f.high_end) == (row.low_end, row.high_end)
        and (f.time_value == 0 if baseline else f.week is not None and f.week == row.week and f is not row)
        and has_spread(f) and not set(f.flags) & DOUBTFUL
    ]  # fmt: skip
    found.sort(key=lambda f: f.analysis_set != row.analysis_set)
    return found[0] if found else None


def has_spread(row: Any) -> bool:
    """Whether a mean with a spread, or a summary that gives both, is printed."""
    quartiles, ends = row.q1 is not None and row.q3 is not None, row.range_low is not None and row.range_high is not None
    own = (
        row.sd is not None
        or row.se is not None
        or (row.ci_low is not None and row.ci_high is not None and row.ci_level is not None)
    )
    return (row.mean is not None and own) or ((row.mean is not None or row.median is not None) and (quartiles or ends))


def _before(row: Any, options: Options, size: ArmSize, study: list[Any]) -> tuple[float, float, list[str]]:
    first = companion(row, study, baseline=True)
    if first is None:
        raise Unusable(f"no baseline with an SD is printed for arm {row.arm_id}")
    n, steps = size_of(first, options, size)
    mean, sd, more = mean_sd(first, n)
    return mean, sd, [*steps, *more, f"arm {row.arm_id}: baseline {short(mean, 4)} with SD {short(sd, 4)} from {first.row_id}"]


def _mean_arm(row: Any, options: Options, size: ArmSize, study: list[Any]) -> Arm:
    n, steps = size_of(row, options, size)
    if options.correlation is not None and needs_change_sd(row):
        mean, sd, more = _change_with_sd(row, n, options, size, study)
    else:
        mean, sd, more = mean_sd(row, n)
    steps += more
    if row.change_sign == "improvement_positive":
        if row.worse is None:
            raise Unusable("improvement is printed as positive, but the direction of the instrument is unknown")
        if row.worse:
            mean = -mean
            steps.append(f"arm {row.arm_id}: improvement turned to change (after minus before)")
    return Arm(row.arm_id, n, mean, sd, steps=tuple(steps))


def needs_change_sd(row: Any) -> bool:
    """A mean change of patients printed without any spread (an adjusted change has another SD)."""
    return row.value_type == "change" and row.mean is not None and not has_spread(row)


def _change_with_sd(row: Any, n: float, options: Options, size: ArmSize, study: list[Any]) -> tuple[float, float, list[str]]:
    after = companion(row, study, baseline=False)
    if after is None:
        raise Unusable(f"no final with an SD is printed for arm {row.arm_id}, so its change gets none")
    _, before, said = _before(row, options, size, study)
    m, steps = size_of(after, options, size)
    _, final, more = mean_sd(after, m)
    sd = float(recover.change_sd(before, final, options.correlation or 0.0))
    how = f"SD {short(sd, 4)} of the change from the SDs at baseline and at the end ({short(final, 4)} from {after.row_id})"
    return float(row.mean), sd, [*said, *steps, *more, f"arm {row.arm_id}: {how}, stated correlation {options.correlation:g}"]


def size_of(row: Any, options: Options, size: ArmSize) -> tuple[float, list[str]]:
    """Patients behind the means of a row."""
    n, steps = _n(row, row.n, options, size)
    if n < 2:
        raise Unusable(f"fewer than 2 patients in arm {row.arm_id}")
    return n, steps


def _n(row: Any, printed: Any, options: Options, size: ArmSize) -> tuple[float, list[str]]:
    if printed is not None:
        return float(printed), []
    n = size(row.study_id, row.arm_id)
    if options.n_missing == "randomised" and n:
        return n, [f"arm {row.arm_id}: number analysed not printed, number randomised ({n:g}) used"]
    raise Unusable(f"the number analysed in arm {row.arm_id} is not printed")


def mean_sd(row: Any, n: float) -> tuple[float, float, list[str]]:
    """Mean and SD of a row, by the first way open: SD, SE, interval of the mean, quartiles and range."""
    x = {c: math.nan if getattr(row, c) is None else float(getattr(row, c)) for c in
         ("mean", "sd", "se", "ci_low", "ci_high", "ci_level", "median", "q1", "q3", "range_low", "range_high")}  # fmt: skip
    has = {c: not math.isnan(value) for c, value in x.items()}
    arm = f"arm {row.arm_id}"
    if has["mean"] and has["sd"]:
        return x["mean"], x["sd"], []
    if has["mean"] and has["se"]:
        sd = float(recover.sd_from_se(x["se"], n))
        return x["mean"], sd, [f"{arm}: SD {short(sd, 4)} from the standard error"]
    if has["mean"] and has["ci_low"] and has["ci_high"] and has["ci_level"]:
        sd = float(recover.sd_from_ci(x["ci_low"], x["ci_high"], n, x["ci_level"] / 100))
        return x["mean"], sd, [f"{arm}: SD {short(sd, 4)} from the {x['ci_level']:g}% interval of the mean"]
    quartiles, ends = has["q1"] and has["q3"], has["range_low"] and has["range_high"]
    how = "quartiles and range" if quartiles and ends else "quartiles" if quartiles else "range"
    whose = "Shi 2020" if quartiles and ends else "Wan 2014"
    if not (quartiles or ends) or not (has["mean"] or has["median"]):
        raise Unusable(f"no spread is printed for {arm}")
    if has["mean"]:
        # The printed mean stands; only the SD has to be rebuilt.
        if quartiles and ends:
            sd = float(recover.sd_from_quartiles_and_range(x["q1"], x["q3"], x["range_low"], x["range_high"], n))
        elif quartiles:
            sd = float(recover.sd_from_quartiles(x["q1"], x["q3"], n))
        else:
            sd = float(recover.sd_from_range(x["range_low"], x["range_high"], n))
        return x["mean"], sd, [f"{arm}: SD {short(sd, 4)} from {how} ({whose})"]
    if quartiles and ends:
        mean, spread = recover.from_five_numbers(x["median"], x["q1"], x["q3"], x["range_low"], x["range_high"], n)
    elif quartiles:
        mean, spread = recover.from_quartiles(x["median"], x["q1"], x["q3"], n)
    else:
        mean, spread = recover.from_range(x["median"], x["range_low"], x["range_high"], n)
    made = f"mean {short(float(mean), 4)} and SD {short(float(spread), 4)}"
    return float(mean), float(spread), [f"{arm}: {made} from median, {how} (Luo 2018, {whose})"]
