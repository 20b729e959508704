"""Published between-arm differences and ratios to ``y`` and ``v``, with every step in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from vfmeta.convert import printed as recover
from vfmeta.core import measures
from vfmeta.text import numbers as tx

MEASURE_OF = {"adjusted_MD": "MD", "RRR_percent": "RR"}  # what is printed under another name
NO_DIRECTION = "the direction is not stated in any readable source"


class Unusable(Exception):
    """A figure that cannot become an effect; the text says why."""


@dataclass(frozen=True)
class Published:
    """A contrast row as plain numbers: estimate, limits, level (proportion), SE, p with its operator, direction as printed."""

    measure: str
    printed_as: str
    estimate: float
    low: float
    high: float
    level: float
    se: float
    p: float
    p_operator: str


def row_of(f: Any, printed_as: str) -> Published:
    """A row of ``contrasts`` as plain numbers, its direction as printed or as taken."""
    cells = (f.estimate, f.ci_low, f.ci_high, f.ci_level, f.se, f.p_value)
    estimate, low, high, level, se, p = (math.nan if x is None else float(x) for x in cells)
    return Published(f.measure, printed_as, estimate, low, high, level / 100, se, p, f.p_operator)


def measure_of(printed: str) -> str:
    """The effect measure that a printed measure can serve; empty where it serves none."""
    measure = MEASURE_OF.get(printed, printed)
    return measure if measure in measures.MEASURES else ""


def facts_of(printed: str) -> measures.Measure:
    """What is known of the measure that a printed one can serve."""
    return measures.row(measure_of(printed))


def effect_of(
    row: Published, higher_is_worse: bool | None, df: float | None = None, *, p_bound: bool = False
) -> tuple[float, float, list[str]]:
    """Effect, variance and steps, experimental minus control, on the scale the row is printed in (ratios on the log scale).

    Parameters
    ----------
    row : Published
        The printed figure.
    higher_is_worse : bool or None
        Direction of the outcome, needed where benefit is printed as positive.
    df : float, optional
        Degrees of freedom of the interval where both arm sizes are known; normal when left out.
    p_bound : bool
        Whether "p < x" may stand for "p = x" where neither an interval nor a standard error is printed.

    Raises
    ------
    Unusable
        The direction is not stated, or no standard error follows from what is printed.
    """
    steps: list[str] = []
    estimate, low, high, se = _on_analysis(row, steps)
    interval = not (math.isnan(low) or math.isnan(high))
    if math.isnan(estimate) and interval:
        steps.append("estimate not printed: centre of the interval")
    estimate = _estimate(estimate, low, high)
    level = row.level
    if math.isnan(level) and interval:
        level = 0.95
        steps.append("the level of the interval is not printed: 95% taken")
    kind = "normal" if df is None else f"t with {df:g} df"
    if not math.isnan(se):
        steps.append(f"standard error as printed, {tx.short(se, 4)}")
    elif interval:
        se = float(recover.se_from_ci(low, high, level, df))
        steps.append(f"standard error {tx.short(se, 4)} from the {tx.level_text(level)} interval ({kind})")
        if abs((low + high) / 2 - estimate) > 0.1 * (high - low):
            steps.append("the interval is not centred on the estimate: half its width was used")
    elif _gives_se(row, estimate, p_bound):
        if row.p_operator == "<":
            steps.append(f"p < {row.p:g} taken as p = {row.p:g}: the widest interval that fits")
        se = float(recover.se_from_p(estimate, row.p, df))
        steps.append(f"standard error {tx.short(se, 4)} from p = {row.p:g} ({kind})")
    else:
        raise Unusable("no interval, standard error or exact p value is printed")
    sign = _turn(row, higher_is_worse)
    if sign < 0:
        steps.append(f"sign turned to experimental minus control (printed as {row.printed_as.replace('_', ' ')})")
    return sign * estimate, se**2, steps


def limits_of(row: Published, higher_is_worse: bool | None) -> tuple[float, float]:
    """The printed limits as `effect_of` has its effect, lower first."""
    _, low, high, _ = _on_analysis(row, [])
    sign = _turn(row, higher_is_worse)
    return (low, high) if sign > 0 else (-high, -low)


def estimate_of(row: Published, higher_is_worse: bool | None) -> float:
    """The estimate as `effect_of` has it, whether or not a standard error follows; the same errors of direction."""
    return _turn(row, higher_is_worse) * _estimate(*_on_analysis(row, [])[:3])


def _estimate(estimate: float, low: float, high: float) -> float:
    """The estimate, or the centre of an interval that stands without one."""
    if not math.isnan(estimate):
        return estimate
    if math.isnan(low) or math.isnan(high):
        raise Unusable("no estimate is printed")
    return (low + high) / 2


def _on_analysis(row: Published, steps: list[str]) -> tuple[float, float, float, float]:
    """Estimate, limits and standard error on the scale of the measure, in the printed direction."""
    estimate, low, high, se = row.estimate, row.low, row.high, row.se
    facts = facts_of(row.measure)
    if row.measure == "RRR_percent":
        estimate, low, high = _risk_ratio(row, steps)
    if facts.steps not in (None, 1.0):
        estimate, low, high, se = (x / facts.steps for x in (estimate, low, high, se))
        steps.append(f"{facts.unit} to a proportion")
    if facts.is_ratio:
        estimate, low, high = (math.log(x) if x > 0 else math.nan for x in (estimate, low, high))
        steps.append("logarithm of the ratio and its limits")
        if not math.isnan(se):
            steps.append("the printed standard error is not used: nothing says whether it is of the ratio or of its logarithm")
            se = math.nan
    return estimate, low, high, se


def _turn(row: Published, higher_is_worse: bool | None) -> int:
    return 1 if row.measure == "RRR_percent" else sign_of(row.printed_as, higher_is_worse)


def _gives_se(row: Published, estimate: float, p_bound: bool) -> bool:
    exact = row.p_operator == "=" or (p_bound and row.p_operator == "<")
    return exact and 0 < row.p < 1 and estimate != 0


def _risk_ratio(row: Published, steps: list[str]) -> tuple[float, float, float]:
    """Risk ratio, experimental over control, and its limits from a relative risk reduction in per cent.

    A reduction is by name what the control arm has more; printed as experimental minus control it is a signed change
    (-30 for 30% less).
    """
    if row.printed_as == "not_stated":
        raise Unusable(NO_DIRECTION)
    if row.printed_as == "experimental_minus_control":
        estimate, low, high = (1 + x / 100 for x in (row.estimate, row.low, row.high))
        said = f"risk ratio {tx.short(estimate, 4)} from the printed relative change of {row.estimate:g}%"
    else:
        estimate, low, high = (1 - x / 100 for x in (row.estimate, row.high, row.low))
        said = f"risk ratio {tx.short(estimate, 4)} from the printed relative risk reduction of {row.estimate:g}%"
    steps.append(said)
    return estimate, low, high


def sign_of(printed_as: str, higher_is_worse: bool | None) -> int:
    """Sign that makes a printed difference (or log ratio) experimental minus control."""
    if printed_as == "experimental_minus_control":
        return 1
    if printed_as == "control_minus_experimental":
        return -1
    if printed_as == "benefit_positive":
        if higher_is_worse is None:
            raise Unusable("benefit is printed as positive, but nothing says whether more of this outcome is worse")
        return -1 if higher_is_worse else 1
    raise Unusable(NO_DIRECTION)
