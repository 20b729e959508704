"""Published between-arm differences and ratios to ``y`` and ``v``, with every step in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vfmeta.effects import recover

RATIO_OF = {"RR": "RR", "OR": "OR", "HR": "HR", "RRR_percent": "RR"}
DIFFERENCE_OF = {"MD": "MD", "adjusted_MD": "MD", "SMD": "SMD", "RD": "RD"}
PRINTED_AS = ("experimental_minus_control", "control_minus_experimental", "benefit_positive")


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


def measure_of(printed: str) -> str:
    """The effect measure that a printed measure can serve; empty where it serves none."""
    return RATIO_OF.get(printed) or DIFFERENCE_OF.get(printed, "")


def effect_of(row: Published, higher_is_worse: bool | None, df: float | None = None) -> tuple[float, float, list[str]]:
    """Effect, variance and steps, experimental minus control, on the scale the row is printed in (ratios on the log scale).

    Parameters
    ----------
    row : Published
        The printed figure.
    higher_is_worse : bool or None
        Direction of the outcome, needed where benefit is printed as positive.
    df : float, optional
        Degrees of freedom of the interval where both arm sizes are known; normal when left out.

    Raises
    ------
    Unusable
        The direction is not stated, or no standard error follows from what is printed.
    """
    steps: list[str] = []
    estimate, low, high = row.estimate, row.low, row.high
    ratio = row.measure in RATIO_OF
    if row.measure == "RRR_percent":
        estimate, low, high = 1 - estimate / 100, 1 - high / 100, 1 - low / 100
        steps.append(f"risk ratio {estimate:.4g} from the printed relative risk reduction of {row.estimate:g}%")
    if row.measure == "RD":
        estimate, low, high = estimate / 100, low / 100, high / 100
        steps.append("percentage points to a proportion")
    se = row.se / 100 if row.measure == "RD" else row.se
    if ratio:
        estimate, low, high = (math.log(x) if x > 0 else math.nan for x in (estimate, low, high))
        steps.append("logarithm of the ratio and its limits")
        se = math.nan
    if math.isnan(estimate) and not (math.isnan(low) or math.isnan(high)):
        estimate = (low + high) / 2
        steps.append("estimate not printed: centre of the interval")
    if math.isnan(estimate):
        raise Unusable("no estimate is printed")
    level = row.level
    if math.isnan(level) and not (math.isnan(low) or math.isnan(high)):
        level = 0.95
        steps.append("the level of the interval is not printed: 95% taken")
    kind = "normal" if df is None else f"t with {df:g} df"
    if not math.isnan(se):
        steps.append(f"standard error as printed, {se:.4g}")
    elif not (math.isnan(low) or math.isnan(high)):
        se = float(recover.se_from_ci(low, high, level, df))
        steps.append(f"standard error {se:.4g} from the {level:.0%} interval ({kind})")
        if abs((low + high) / 2 - estimate) > 0.1 * (high - low):
            steps.append("the interval is not centred on the estimate: half its width was used")
    elif not math.isnan(row.p) and row.p_operator == "=" and 0 < row.p < 1 and estimate != 0:
        se = float(recover.se_from_p(estimate, row.p, df))
        steps.append(f"standard error {se:.4g} from p = {row.p:g} ({kind})")
    else:
        raise Unusable("no interval, standard error or exact p value is printed")
    sign = _sign(row.printed_as, higher_is_worse, ratio)
    if sign < 0:
        steps.append(f"sign turned to experimental minus control (printed as {row.printed_as.replace('_', ' ')})")
    return sign * estimate, se**2, steps


def _sign(printed_as: str, higher_is_worse: bool | None, ratio: bool) -> int:
    if printed_as == "experimental_minus_control":
        return 1
    if printed_as == "control_minus_experimental":
        return -1
    if printed_as == "benefit_positive":
        if ratio:
            return 1
        if higher_is_worse is None:
            raise Unusable("benefit is printed as positive, but the direction of the instrument is unknown")
        return -1 if higher_is_worse else 1
    raise Unusable("the direction is not stated in any readable source")
